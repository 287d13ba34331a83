//! Groups 12 and 13: compressed messages of many sizes, cut in many ways, under many parameters.

use super::{BASE, echoes, rules};
use crate::case::{Case, Class, Deflate, Echo, Event, Kind, Opening, Step};
use crate::payload::{Data, Payload};

/// The 18 cases of a group, each with the size of a message and of a fragment.
macro_rules! group {
    ($group:literal, $what:literal, $kind:ident $data:ident, $offers:expr) => {
        group!(@ $group, $what, $kind $data, $offers,
            1 16 0, 2 64 0, 3 256 0, 4 1024 0, 5 4096 0, 6 8192 0, 7 16384 0, 8 32768 0, 9 65536 0,
            10 131072 0, 11 8192 256, 12 16384 256, 13 32768 256, 14 65536 256, 15 131072 256,
            16 131072 1024, 17 131072 4096, 18 131072 32768)
    };
    (@ $group:literal, $what:literal, $kind:ident $data:ident, $offers:expr,
        $($number:literal $size:literal $fragment:literal),*) => {
        &[$(Case {
            id: concat!($group, ".", $number),
            title: concat!("1000 messages of ", $size, " bytes, fragments of ", $fragment, " (0: none), ", $what),
            rule: &rules::DEFLATE,
            tags: &["autobahn", "heavy", "deflate"],
            opening: Opening { deflate: $offers, ..Opening::GOOD },
            script: &[Step::Echo(Echo {
                kind: Kind::$kind,
                source: Payload::Data(Data::$data),
                size: $size,
                count: 1000,
                fragment: $fragment,
            })],
            expect: echoes(&[(Class::Ok, &[Event::Echoed])]),
            patience: 20_000,
            ..BASE
        }),*]
    };
}

const PLAIN: &[Deflate] = &[Deflate { peer_no_context_takeover: false, peer_max_window_bits: 0 }];
const NO_CONTEXT: &[Deflate] = &[Deflate { peer_no_context_takeover: true, peer_max_window_bits: 0 }];
const BITS_9: &[Deflate] = &[Deflate { peer_no_context_takeover: false, peer_max_window_bits: 9 }];
const BITS_15: &[Deflate] = &[Deflate { peer_no_context_takeover: false, peer_max_window_bits: 15 }];
const BOTH_9: &[Deflate] = &[Deflate { peer_no_context_takeover: true, peer_max_window_bits: 9 }];
const BOTH_15: &[Deflate] = &[Deflate { peer_no_context_takeover: true, peer_max_window_bits: 15 }];
const FALLBACK: &[Deflate] = &[BOTH_9[0], NO_CONTEXT[0], PLAIN[0]];

pub(in crate::cases) static GROUPS: [&[Case]; 12] = [
    group!("12.1", "structured text", Text Json, PLAIN),
    group!("12.2", "a picture", Binary Bitmap, PLAIN),
    group!("12.3", "prose", Binary Prose, PLAIN),
    group!("12.4", "markup", Text Html, PLAIN),
    group!("12.5", "a document", Binary Document, PLAIN),
    group!("13.1", "no parameter asked", Text Json, PLAIN),
    group!("13.2", "no context takeover asked", Text Json, NO_CONTEXT),
    group!("13.3", "a window of 9 bits asked", Text Json, BITS_9),
    group!("13.4", "a window of 15 bits asked", Text Json, BITS_15),
    group!("13.5", "no context takeover and 9 bits asked", Text Json, BOTH_9),
    group!("13.6", "no context takeover and 15 bits asked", Text Json, BOTH_15),
    group!("13.7", "both, then no context takeover, then nothing asked", Text Json, FALLBACK),
];
