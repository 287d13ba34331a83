//! Groups 9 and 10: large messages, many fragments, many writes, many messages.
//!
//! The RFC names no sizes, so these are SHOULDs: what one may hope that an unconfigured endpoint handles.

use super::{BASE, echoes, rules};
use crate::case::{Case, Class, Echo, Event, Frame, Kind, Level, Pace, Step};
use crate::payload::Payload;

const KIB: usize = 1024;
const MIB: usize = 1024 * 1024;
/// Ten bytes, so that no power of two is a multiple of its period.
const TEXT_PATTERN: &[u8] = b"BAsd7&jh23";
/// Five bytes that are not UTF-8.
const BINARY_PATTERN: &[u8] = b"\x00\xfe\x23\xfa\xf0";

const LIMIT: Case = Case {
    rule: &rules::LIMITS,
    level: Level::Should,
    tags: &["autobahn", "heavy"],
    patience: 20_000,
    ..BASE
};

macro_rules! messages {
    ($kind:ident $opcode:literal $pattern:ident: $($id:literal $title:literal $size:expr),* $(,)?) => {
        &[$(Case {
            id: $id,
            title: $title,
            script: &[Step::Frame(Frame::of($opcode, Payload::Cycle($pattern, $size)))],
            expect: echoes(&[(Class::Ok, &[Event::$kind(Payload::Cycle($pattern, $size))])]),
            ..LIMIT
        }),*]
    };
}

macro_rules! fragments {
    ($kind:ident $pattern:ident: $($id:literal $fragment:literal),* $(,)?) => {
        &[$(Case {
            id: $id,
            title: concat!(stringify!($kind), " of 4 MiB in fragments of ", $fragment, " bytes"),
            script: &[Step::Message(Kind::$kind, Payload::Cycle($pattern, 4 * MIB), $fragment)],
            expect: echoes(&[(Class::Ok, &[Event::$kind(Payload::Cycle($pattern, 4 * MIB))])]),
            ..LIMIT
        }),*]
    };
}

macro_rules! writes {
    ($kind:ident $opcode:literal $pattern:ident: $($id:literal $cut:literal),* $(,)?) => {
        &[$(Case {
            id: $id,
            title: concat!(stringify!($kind), " of 1 MiB in one frame, ", $cut, " bytes for each write"),
            script: &[
                Step::Pace(Pace::Bytes($cut)),
                Step::Frame(Frame::of($opcode, Payload::Cycle($pattern, MIB))),
            ],
            expect: echoes(&[(Class::Ok, &[Event::$kind(Payload::Cycle($pattern, MIB))])]),
            ..LIMIT
        }),*]
    };
}

macro_rules! round_trips {
    ($kind:ident $byte:literal: $($id:literal $size:literal),* $(,)?) => {
        &[$(Case {
            id: $id,
            title: concat!("1000 messages of ", $size, " bytes, one after the other, ", stringify!($kind)),
            script: &[Step::Echo(Echo {
                kind: Kind::$kind,
                source: Payload::Bytes($byte),
                size: $size,
                count: 1000,
                fragment: 0,
            })],
            expect: echoes(&[(Class::Ok, &[Event::Echoed])]),
            ..LIMIT
        }),*]
    };
}

pub(in crate::cases) static TEXT: &[Case] = messages! {
    Text 1 TEXT_PATTERN:
    "9.1.1" "Text of 64 KiB in one frame" 64 * KIB,
    "9.1.2" "Text of 256 KiB in one frame" 256 * KIB,
    "9.1.3" "Text of 1 MiB in one frame" MIB,
    "9.1.4" "Text of 4 MiB in one frame" 4 * MIB,
    "9.1.5" "Text of 8 MiB in one frame" 8 * MIB,
    "9.1.6" "Text of 16 MiB in one frame" 16 * MIB,
};

pub(in crate::cases) static BINARY: &[Case] = messages! {
    Binary 2 BINARY_PATTERN:
    "9.2.1" "Binary of 64 KiB in one frame" 64 * KIB,
    "9.2.2" "Binary of 256 KiB in one frame" 256 * KIB,
    "9.2.3" "Binary of 1 MiB in one frame" MIB,
    "9.2.4" "Binary of 4 MiB in one frame" 4 * MIB,
    "9.2.5" "Binary of 8 MiB in one frame" 8 * MIB,
    "9.2.6" "Binary of 16 MiB in one frame" 16 * MIB,
};

pub(in crate::cases) static TEXT_FRAGMENTS: &[Case] = fragments! {
    Text TEXT_PATTERN:
    "9.3.1" 64, "9.3.2" 256, "9.3.3" 1024, "9.3.4" 4096, "9.3.5" 16384, "9.3.6" 65536, "9.3.7" 262144, "9.3.8" 1048576, "9.3.9" 4194304,
};

pub(in crate::cases) static SMALL_BINARY_FRAGMENTS: &[Case] = fragments! {
    Binary BINARY_PATTERN:
    "9.4.1" 64,
};

/// The suite also fills these with bytes that would be valid text.
pub(in crate::cases) static BINARY_FRAGMENTS: &[Case] = fragments! {
    Binary TEXT_PATTERN:
    "9.4.2" 256, "9.4.3" 1024, "9.4.4" 4096, "9.4.5" 16384, "9.4.6" 65536, "9.4.7" 262144, "9.4.8" 1048576, "9.4.9" 4194304,
};

pub(in crate::cases) static TEXT_WRITES: &[Case] = writes! {
    Text 1 TEXT_PATTERN:
    "9.5.1" 64, "9.5.2" 128, "9.5.3" 256, "9.5.4" 512, "9.5.5" 1024, "9.5.6" 2048,
};

pub(in crate::cases) static BINARY_WRITES: &[Case] = writes! {
    Binary 2 BINARY_PATTERN:
    "9.6.1" 64, "9.6.2" 128, "9.6.3" 256, "9.6.4" 512, "9.6.5" 1024, "9.6.6" 2048,
};

pub(in crate::cases) static TEXT_ROUND_TRIPS: &[Case] = round_trips! {
    Text b"*":
    "9.7.1" 0, "9.7.2" 16, "9.7.3" 64, "9.7.4" 256, "9.7.5" 1024, "9.7.6" 4096,
};

pub(in crate::cases) static BINARY_ROUND_TRIPS: &[Case] = round_trips! {
    Binary b"\xfe":
    "9.8.1" 0, "9.8.2" 16, "9.8.3" 64, "9.8.4" 256, "9.8.5" 1024, "9.8.6" 4096,
};

pub(in crate::cases) static AUTOMATIC: &[Case] = &[Case {
    id: "10.1.1",
    title: "text of 65536 bytes in fragments of 1300 bytes",
    rule: &rules::FRAGMENTS,
    script: &[Step::Message(Kind::Text, Payload::Cycle(b"*", 65_536), 1300)],
    expect: echoes(&[(Class::Ok, &[Event::Text(Payload::Cycle(b"*", 65_536))])]),
    patience: 10_000,
    ..BASE
}];
