//! Extension offers as a server sees them (RFC 6455 §9.1; RFC 7692 §7).
//!
//! Catalogue rows `EXT` and `PMN`. Not here: rows about a client configured for them (EXT-020, PMN-042, 044 to 049, 051
//! to 053, 057, 058; 13.* covers a part of these) and rows that every case checks anyway (EXT-018, PMN-041).

use super::super::case::dsl::text;
use super::super::case::{
    Answer, Case, Class, Deflate, Edit, Ending, Event, Expect, Frame, HeadCheck, Kind, Level, Opening, Step,
    Subject,
};
use super::super::payload::Payload;

rule_table! {
    UNKNOWN = [6455 "9.1"], "A server accepts only extensions that it knows.";
    GRAMMAR = [6455 "9.1"], "An offer that breaks the grammar is refused, or the offer is declined.";
    LINEAR = [6455 "10.4"], "Long lists are read in linear time, or refused.";
    ONE = [6455 "9.1", 7692 "5.1"], "Of several offers at most one is accepted.";
    DECLINE = [7692 "7"], "An offer with a parameter that is unknown, repeated or malformed is declined.";
    BITS = [7692 "7.1.2"], "A window size is a number from 8 to 15 without leading zeros; other offers are declined.";
    NO_VALUE = [7692 "7.1.1"], "A parameter for no context takeover has no value; other offers are declined.";
    RESET = [7692 "7.1.1.1"], "Who accepts server_no_context_takeover repeats it.";
    WINDOW = [7692 "7.1.2.1"], "Who accepts server_max_window_bits answers no more than was offered, and keeps to it.";
    SAID = [7692 "7.1.2.1"], "Who accepts server_max_window_bits says so in the answer, 15 included.";
    CLIENT_WINDOW = [7692 "7.1.2.2"], "client_max_window_bits is answered only where it was offered, and not with more.";
    ACCEPT = [7692 "7"], "An accepted offer works.";
    RSV1 = [6455 "5.2", 7692 "6"], "Without an agreed extension RSV1 fails the connection.";
}

const OPENS: &[(Class, Answer)] = &[(Class::Ok, Answer::Opens)];
/// An offer that is declined is no reason to refuse the connection, but refusing is allowed.
const DECLINES: &[(Class, Answer)] = &[(Class::Ok, Answer::Opens), (Class::NonStrict, Answer::Status(&[]))];
const EITHER: &[(Class, Answer)] =
    &[(Class::Ok, Answer::Opens), (Class::Ok, Answer::Status(&[])), (Class::Ok, Answer::Drops)];

const NO_DEFLATE: HeadCheck = HeadCheck::NoExtension("permessage-deflate");
const LONG: Payload = Payload::Cycle(b"conformance, conformity, confirmation; ", 65_536);

/// Two messages, compressed if that was agreed; the second may refer to the first.
const TWICE: &[Step] = &[Step::Message(Kind::Text, LONG, 0), Step::Message(Kind::Text, LONG, 0)];

const BASE: Case = Case {
    subject: Subject::Server,
    tags: &["handshake", "deflate"],
    script: TWICE,
    expect: Expect {
        outcomes: &[(Class::Ok, &[Event::Text(LONG), Event::Text(LONG)])],
        close: Ending::CLEAN,
    },
    ..Case::BASE
};

/// `id level RULE "offer" [checks] => ANSWERS;`
macro_rules! offers {
    ($($id:literal $level:ident $rule:ident $offer:literal [$($check:expr),*] => $answers:ident;)*) => {
        &[$(Case {
            id: $id,
            title: concat!("offers ", $offer),
            rule: &$rule,
            level: Level::$level,
            opening: Opening {
                edits: &[Edit::Add(concat!("Sec-WebSocket-Extensions: ", $offer))],
                answers: $answers,
                checks: &[$($check),*],
                ..Opening::GOOD
            },
            ..BASE
        }),*]
    };
}

pub(super) static GENERIC: &[Case] = offers! {
    "EXT-001" Must UNKNOWN "x-{random}" [] => OPENS;
    "EXT-002" Must UNKNOWN "x-{random}; a=1; b=\"two\", permessage-deflate" [] => OPENS;
    "EXT-004" Must ONE "permessage-deflate; server_max_window_bits=9, permessage-deflate; client_max_window_bits, permessage-deflate" [] => OPENS;
    "EXT-005.1" Should GRAMMAR "" [] => EITHER;
    "EXT-005.2" Should GRAMMAR ", ,," [] => EITHER;
    "EXT-006.1" Must GRAMMAR ";" [] => EITHER;
    "EXT-006.2" Must GRAMMAR "=5" [] => EITHER;
    "EXT-006.3" Must GRAMMAR "permessage-deflate;;server_no_context_takeover" [NO_DEFLATE] => EITHER;
    "EXT-006.4" Must GRAMMAR "permessage-deflate; server_max_window_bits=" [NO_DEFLATE] => EITHER;
    "EXT-006.5" Must GRAMMAR "permessage-deflate x" [NO_DEFLATE] => EITHER;
    "EXT-006.6" Must GRAMMAR "\"permessage-deflate\"" [NO_DEFLATE] => EITHER;
    "EXT-006.7" Must GRAMMAR "permessage-deflate; server_max_window_bits=\"10" [NO_DEFLATE] => EITHER;
    "EXT-008" Must GRAMMAR "permessage-deflate; server_max_window_bits=\"1 0\"" [NO_DEFLATE] => EITHER;
    "EXT-009.1" Must UNKNOWN "constructor" [] => OPENS;
    "EXT-009.2" Must UNKNOWN "__proto__" [] => OPENS;
    "EXT-009.3" Must UNKNOWN "hasOwnProperty; toString" [] => OPENS;
    "EXT-012.1" Must UNKNOWN "x-webkit-deflate-frame" [] => OPENS;
    "EXT-012.2" Must UNKNOWN "permessage-bzip2" [] => OPENS;
};

pub(super) static LISTS: &[Case] = &[
    Case {
        id: "EXT-003",
        title: "offers in two fields",
        rule: &ONE,
        opening: Opening {
            edits: &[
                Edit::Add("Sec-WebSocket-Extensions: x-{random}"),
                Edit::Add("Sec-WebSocket-Extensions: permessage-deflate"),
            ],
            ..Opening::GOOD
        },
        ..BASE
    },
    // If the extension is not agreed, the verdict is UNIMPLEMENTED: the peer may not support it, or has read only the
    // first field.
    Case {
        id: "EXT-003.2",
        title: "permessage-deflate offered in the second of two fields",
        rule: &ONE,
        opening: Opening {
            edits: &[Edit::Line(
                "Sec-WebSocket-Extensions",
                "Sec-WebSocket-Extensions: x-{random}\r\nSec-WebSocket-Extensions: permessage-deflate",
            )],
            deflate: Deflate::OFFER,
            ..Opening::GOOD
        },
        ..BASE
    },
    Case {
        id: "EXT-010",
        title: "a value of 12 KiB of escaped quotes",
        rule: &LINEAR,
        opening: Opening {
            edits: &[Edit::Long("Sec-WebSocket-Extensions: x; a=\"", "\\\"", 6_144)],
            answers: EITHER,
            ..Opening::GOOD
        },
        ..BASE
    },
    Case {
        id: "EXT-011",
        title: "five thousand offers",
        rule: &LINEAR,
        level: Level::Should,
        opening: Opening {
            edits: &[Edit::Long("Sec-WebSocket-Extensions: x", ", x", 5_000)],
            answers: EITHER,
            ..Opening::GOOD
        },
        ..BASE
    },
    Case {
        id: "PMN-039",
        title: "an offer that is declined, then RSV1",
        rule: &RSV1,
        opening: Opening {
            edits: &[Edit::Add("Sec-WebSocket-Extensions: permessage-deflate; x-{random}")],
            answers: DECLINES,
            checks: &[NO_DEFLATE],
            ..Opening::GOOD
        },
        script: &[Step::Frame(text(b"\xf2\x48\xcd\xc9\xc9\x07\x00").rsv(4))],
        expect: Expect { outcomes: &[(Class::Ok, &[])], close: Ending::FAILS },
        ..BASE
    },
    Case {
        id: "EXT-019.1",
        title: "RSV2 with permessage-deflate agreed",
        rule: &RSV1,
        opening: Opening { deflate: Deflate::OFFER, ..Opening::GOOD },
        script: &[Step::Frame(Frame::of(1, Payload::Bytes(b"Hello")).rsv(2))],
        expect: Expect { outcomes: &[(Class::Ok, &[])], close: Ending::FAILS },
        subject: Subject::Both,
        tags: &["deflate"],
        ..BASE
    },
    Case {
        id: "EXT-019.2",
        title: "RSV3 with permessage-deflate agreed",
        rule: &RSV1,
        opening: Opening { deflate: Deflate::OFFER, ..Opening::GOOD },
        script: &[Step::Frame(Frame::of(1, Payload::Bytes(b"Hello")).rsv(1))],
        expect: Expect { outcomes: &[(Class::Ok, &[])], close: Ending::FAILS },
        subject: Subject::Both,
        tags: &["deflate"],
        ..BASE
    },
];

pub(super) static DEFLATE_OFFERS: &[Case] = offers! {
    "PMN-001" Must CLIENT_WINDOW "permessage-deflate" [HeadCheck::NoExtension("client_max_window_bits")] => OPENS;
    "PMN-002" May UNKNOWN "Permessage-Deflate" [] => OPENS;
    "PMN-003" Must RESET "permessage-deflate; server_no_context_takeover" [HeadCheck::Repeats("server_no_context_takeover")] => OPENS;
    "PMN-004.1" Must NO_VALUE "permessage-deflate; server_no_context_takeover=1" [NO_DEFLATE] => DECLINES;
    "PMN-004.2" Must NO_VALUE "permessage-deflate; server_no_context_takeover=true" [NO_DEFLATE] => DECLINES;
    "PMN-004.3" Must GRAMMAR "permessage-deflate; server_no_context_takeover=\"\"" [NO_DEFLATE] => EITHER;
    "PMN-005" Must DECLINE "permessage-deflate; server_no_context_takeover; server_no_context_takeover" [NO_DEFLATE] => DECLINES;
    "PMN-006" May ACCEPT "permessage-deflate; client_no_context_takeover" [] => OPENS;
    "PMN-007" Must NO_VALUE "permessage-deflate; client_no_context_takeover=0" [NO_DEFLATE] => DECLINES;
    "PMN-008" Must DECLINE "permessage-deflate; client_no_context_takeover; client_no_context_takeover" [NO_DEFLATE] => DECLINES;
    "PMN-009" Must BITS "permessage-deflate; server_max_window_bits" [NO_DEFLATE] => DECLINES;
    "PMN-010" Must BITS "permessage-deflate; server_max_window_bits=7" [NO_DEFLATE] => DECLINES;
    "PMN-011" Must BITS "permessage-deflate; server_max_window_bits=16" [NO_DEFLATE] => DECLINES;
    "PMN-012" Must BITS "permessage-deflate; server_max_window_bits=0" [NO_DEFLATE] => DECLINES;
    "PMN-013" Must BITS "permessage-deflate; server_max_window_bits=-9" [NO_DEFLATE] => DECLINES;
    "PMN-014" Must BITS "permessage-deflate; server_max_window_bits=99999999999" [NO_DEFLATE] => DECLINES;
    "PMN-015" Must BITS "permessage-deflate; server_max_window_bits=08" [NO_DEFLATE] => DECLINES;
    "PMN-016" Must BITS "permessage-deflate; server_max_window_bits=9.0" [NO_DEFLATE] => DECLINES;
    "PMN-017" Must BITS "permessage-deflate; server_max_window_bits=0x0a" [NO_DEFLATE] => DECLINES;
    "PMN-018" Must BITS "permessage-deflate; server_max_window_bits=ten" [NO_DEFLATE] => DECLINES;
    "PMN-019" Must WINDOW "permessage-deflate; server_max_window_bits=\"10\"" [HeadCheck::AtMost("server_max_window_bits", 10)] => OPENS;
    "PMN-020" Must WINDOW "permessage-deflate; server_max_window_bits=8" [HeadCheck::AtMost("server_max_window_bits", 8)] => OPENS;
    "PMN-021" Must WINDOW "permessage-deflate; server_max_window_bits=9" [HeadCheck::AtMost("server_max_window_bits", 9)] => OPENS;
    "PMN-022" Must WINDOW "permessage-deflate; server_max_window_bits=10" [HeadCheck::AtMost("server_max_window_bits", 10)] => OPENS;
    "PMN-023" Must WINDOW "permessage-deflate; server_max_window_bits=11" [HeadCheck::AtMost("server_max_window_bits", 11)] => OPENS;
    "PMN-024" Must WINDOW "permessage-deflate; server_max_window_bits=12" [HeadCheck::AtMost("server_max_window_bits", 12)] => OPENS;
    "PMN-025" Must WINDOW "permessage-deflate; server_max_window_bits=13" [HeadCheck::AtMost("server_max_window_bits", 13)] => OPENS;
    "PMN-026" Must WINDOW "permessage-deflate; server_max_window_bits=14" [HeadCheck::AtMost("server_max_window_bits", 14)] => OPENS;
    "PMN-027" Must SAID "permessage-deflate; server_max_window_bits=15" [HeadCheck::Repeats("server_max_window_bits")] => OPENS;
    "PMN-028.1" Must DECLINE "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10" [NO_DEFLATE] => DECLINES;
    "PMN-028.2" Must DECLINE "permessage-deflate; server_max_window_bits=10; server_max_window_bits=12" [NO_DEFLATE] => DECLINES;
    "PMN-029" Must CLIENT_WINDOW "permessage-deflate; client_max_window_bits" [HeadCheck::AtMost("client_max_window_bits", 15)] => OPENS;
    "PMN-030" Must BITS "permessage-deflate; client_max_window_bits=7" [NO_DEFLATE] => DECLINES;
    "PMN-031" Must BITS "permessage-deflate; client_max_window_bits=16" [NO_DEFLATE] => DECLINES;
    "PMN-032" Must BITS "permessage-deflate; client_max_window_bits=0" [NO_DEFLATE] => DECLINES;
    "PMN-033" Must BITS "permessage-deflate; client_max_window_bits=015" [NO_DEFLATE] => DECLINES;
    "PMN-034" Must CLIENT_WINDOW "permessage-deflate; client_max_window_bits=10" [HeadCheck::AtMost("client_max_window_bits", 10)] => OPENS;
    "PMN-035" Must DECLINE "permessage-deflate; client_max_window_bits; client_max_window_bits=10" [NO_DEFLATE] => DECLINES;
    "PMN-036.1" Must DECLINE "permessage-deflate; x-{random}" [NO_DEFLATE] => DECLINES;
    "PMN-036.2" Must DECLINE "permessage-deflate; x-{random}=1" [NO_DEFLATE] => DECLINES;
    "PMN-037" Must DECLINE "permessage-deflate; x-{random}, permessage-deflate" [] => DECLINES;
    "PMN-038" Should DECLINE "permessage-deflate; x-{random}, permessage-deflate; server_max_window_bits=7" [NO_DEFLATE] => DECLINES;
    "PMN-040" Must ACCEPT "permessage-deflate; server_max_window_bits=11; client_no_context_takeover; client_max_window_bits=12; server_no_context_takeover" [HeadCheck::AtMost("server_max_window_bits", 11), HeadCheck::AtMost("client_max_window_bits", 12), HeadCheck::Repeats("server_no_context_takeover")] => OPENS;
};
