//! How connections end over a proxy (RFC 6455 §5.5.1, §7.1; RFC 9112 §9; RFC 9110 §15.6).

use super::super::case::ProxyStep::{
    Answer, Arrive, Ask, End, Ends, Fallback, Get, NobodyListens, Reach, Reset, Rest, Say, Send,
};
use super::super::case::{Case, Data, Side};
use super::super::passage::Passage::{Altered, Refused};
use crate::case::Level;
use crate::case::dsl::{close, close_code, text};

crate::cases::rule_table! {
    CLOSE = [6455 "5.5.1", 6455 "7.1.5"], "Close frames pass as they are, with their codes and reasons.";
    ENDS = [6455 "7.1.1"], "When one side ends the TCP connection, the other is told.";
    AT_ONCE = [6455 "7.1.1"], "The end of one side is told to the other when it comes, not later.";
    ALL = [6455 "7.1.1"], "What was sent before the end arrives before the end.";
    HALF = [9112 "9.6"], "A side that has ended its half can still be sent to.";
    RESET = [6455 "7.1.7", 9112 "9.6"], "A reset of one side ends the connection of the other, and nothing is written into it.";
    NO_ORIGIN = [9110 "15.6.3", 9110 "15.6.4"], "A client whose origin is not there or gives no answer is told so.";
    GARBAGE = [9110 "15.6.3"], "An answer that is none does not come out as one.";
}

const CLOSING: Case = Case { rule: &CLOSE, ..Case::BASE };
const ENDING: Case = Case { rule: &ENDS, ..Case::BASE };
const UNREACHED: Case = Case { rule: &NO_ORIGIN, accepts: &[Refused], ..Case::BASE };

/// An end that comes later than this was held back.
const SOON: u32 = 750;

macro_rules! open {
    ($($step:expr),* $(,)?) => { &[Ask(&[]), Reach(&[]), Answer(&[]), Get(&[]), $($step),*] };
}

pub(super) static CASES: &[Case] = &[
    Case {
        id: "PRX-END-001",
        title: "a closing handshake that the client begins",
        script: open![
            Send(Side::Client, Data::Frames(&[close_code(1000)])),
            Arrive(Side::Client),
            Send(Side::Origin, Data::Frames(&[close_code(1000)])),
            End(Side::Origin),
            Arrive(Side::Origin),
            Ends(Side::Client, 4_000),
        ],
        ..CLOSING
    },
    Case {
        id: "PRX-END-002",
        title: "a closing handshake that the server begins",
        script: open![
            Send(Side::Origin, Data::Frames(&[close_code(1001)])),
            Arrive(Side::Origin),
            Send(Side::Client, Data::Frames(&[close_code(1001)])),
            Arrive(Side::Client),
            End(Side::Origin),
            Ends(Side::Client, 4_000),
        ],
        ..CLOSING
    },
    Case {
        id: "PRX-END-003",
        title: "Close with 4321 and a reason, from the client",
        script: open![Send(Side::Client, Data::Frames(&[close(b"\x10\xe1so long")])), Arrive(Side::Client)],
        ..CLOSING
    },
    Case {
        id: "PRX-END-004",
        title: "Close with 1012 and a reason of 123 bytes, from the server",
        script: open![Send(Side::Origin, Data::Frames(&[close(&REASON)])), Arrive(Side::Origin)],
        ..CLOSING
    },
    Case {
        id: "PRX-END-005",
        title: "Close without a code, from the server",
        script: open![Send(Side::Origin, Data::Frames(&[close(b"")])), Arrive(Side::Origin)],
        ..CLOSING
    },
    Case {
        id: "PRX-END-006",
        title: "a message behind a Close of the other side",
        script: open![
            Send(Side::Client, Data::Frames(&[close_code(1000)])),
            Arrive(Side::Client),
            Send(Side::Origin, Data::Frames(&[text(b"still here"), close_code(1000)])),
            Arrive(Side::Origin),
        ],
        ..CLOSING
    },
    Case {
        id: "PRX-END-007",
        title: "the server ends the connection",
        script: open![
            Send(Side::Origin, Data::Random(50)),
            End(Side::Origin),
            Arrive(Side::Origin),
            Ends(Side::Client, 4_000)
        ],
        ..ENDING
    },
    Case {
        id: "PRX-END-008",
        title: "the client ends the connection",
        script: open![
            Send(Side::Client, Data::Random(50)),
            End(Side::Client),
            Arrive(Side::Client),
            Ends(Side::Origin, 4_000)
        ],
        ..ENDING
    },
    Case {
        id: "PRX-END-009",
        title: "the end of the server, by the clock",
        rule: &AT_ONCE,
        level: Level::Should,
        script: open![End(Side::Origin), Ends(Side::Client, SOON)],
        ..ENDING
    },
    Case {
        id: "PRX-END-010",
        title: "the end of the client, by the clock",
        rule: &AT_ONCE,
        level: Level::Should,
        script: open![End(Side::Client), Ends(Side::Origin, SOON)],
        ..ENDING
    },
    Case {
        id: "PRX-END-011",
        title: "4 MB of the server and its end at once",
        rule: &ALL,
        script: open![
            Send(Side::Origin, Data::Random(4 << 20)),
            End(Side::Origin),
            Arrive(Side::Origin),
            Ends(Side::Client, 4_000)
        ],
        ..ENDING
    },
    Case {
        id: "PRX-END-012",
        title: "4 MB of the client and its end at once",
        rule: &ALL,
        script: open![
            Send(Side::Client, Data::Random(4 << 20)),
            End(Side::Client),
            Arrive(Side::Client),
            Ends(Side::Origin, 4_000)
        ],
        ..ENDING
    },
    Case {
        id: "PRX-END-013",
        title: "the client has ended its half, and the server still sends",
        rule: &HALF,
        level: Level::May,
        script: open![
            End(Side::Client),
            Ends(Side::Origin, 4_000),
            Send(Side::Origin, Data::Random(5_000)),
            Arrive(Side::Origin)
        ],
        ..ENDING
    },
    Case {
        id: "PRX-END-014",
        title: "the server has ended its half, and the client still sends",
        rule: &HALF,
        level: Level::May,
        script: open![
            End(Side::Origin),
            Ends(Side::Client, 4_000),
            Send(Side::Client, Data::Random(5_000)),
            Arrive(Side::Client)
        ],
        ..ENDING
    },
    Case {
        id: "PRX-END-015",
        title: "a reset by the client",
        rule: &RESET,
        script: open![
            Send(Side::Client, Data::Random(50)),
            Arrive(Side::Client),
            Reset(Side::Client),
            Ends(Side::Origin, 4_000)
        ],
        ..ENDING
    },
    Case {
        id: "PRX-END-016",
        title: "a reset by the server",
        rule: &RESET,
        level: Level::Should,
        script: open![
            Send(Side::Origin, Data::Random(50)),
            Arrive(Side::Origin),
            Reset(Side::Origin),
            Ends(Side::Client, SOON)
        ],
        ..ENDING
    },
    Case {
        id: "PRX-END-017",
        title: "the client goes away before there is an answer",
        level: Level::May,
        script: &[Ask(&[]), Reach(&[]), Reset(Side::Client), Ends(Side::Origin, 4_000)],
        ..ENDING
    },
    Case {
        id: "PRX-END-018",
        title: "the origin ends the connection in place of an answer",
        script: &[Ask(&[]), Reach(&[]), End(Side::Origin), Fallback],
        ..UNREACHED
    },
    Case {
        id: "PRX-END-019",
        title: "the origin resets the connection in place of an answer",
        script: &[Ask(&[]), Reach(&[]), Reset(Side::Origin), Fallback],
        ..UNREACHED
    },
    Case {
        id: "PRX-END-020",
        title: "the origin ends the connection within the head of its answer",
        script: &[
            Ask(&[]),
            Reach(&[]),
            Say(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: webs"),
            End(Side::Origin),
            Fallback,
        ],
        ..UNREACHED
    },
    Case {
        id: "PRX-END-021",
        title: "the origin answers with what is no HTTP",
        rule: &GARBAGE,
        accepts: &[Refused, Altered],
        script: &[Ask(&[]), Reach(&[]), Say(b"220 mail.example ready\r\n\r\n"), End(Side::Origin), Fallback],
        ..UNREACHED
    },
    Case {
        id: "PRX-END-022",
        title: "the origin gives no answer for 75 s",
        level: Level::May,
        tags: &["slow"],
        patience: 75_000,
        script: &[Ask(&[]), Reach(&[]), Fallback],
        ..UNREACHED
    },
    Case {
        id: "PRX-END-023",
        title: "nobody listens at the origin",
        patience: 6_000,
        script: &[NobodyListens, Ask(&[]), Fallback],
        ..UNREACHED
    },
    Case {
        id: "PRX-END-024",
        title: "the answer comes after 3 s",
        rule: &ENDS,
        script: &[Ask(&[]), Reach(&[]), Rest(3_000), Answer(&[]), Get(&[])],
        ..ENDING
    },
];

/// 1012, and as many bytes as a Close frame can hold.
const REASON: [u8; 125] = {
    let mut bytes = [b'x'; 125];
    (bytes[0], bytes[1]) = (0x03, 0xf4);
    bytes
};
