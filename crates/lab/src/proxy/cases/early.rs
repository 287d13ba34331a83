//! Bytes sent before the handshake is complete (RFC 9110 §7.8; RFC 6455 §4.1): they may be held back, or the connection
//! may be failed, but none of them may be lost.

use super::super::case::ProxyStep::{Answer, Arrive, Ask, Cut, End, Ends, Get, Reach, Rest, Send};
use super::super::case::{Case, Data, Side};
use super::super::passage::Passage::Refused;
use crate::case::dsl::{close_code, text};
use crate::case::{Level, Pace};

crate::cases::rule_table! {
    CLIENT = [9110 "7.8", 6455 "4.1"], "What a client sends right behind its request is delivered, or the connection is failed.";
    SERVER = [6455 "4.2.2"], "The connection is open for a server once it has sent its 101: what is behind that is delivered.";
    SEGMENTS = [9112 "2.2"], "However head and frames are cut into segments, each byte behind the head is one of the stream.";
}

const FROM_CLIENT: Case = Case { rule: &CLIENT, accepts: &[Refused], ..Case::BASE };
const FROM_SERVER: Case = Case { rule: &SERVER, ..Case::BASE };
const HELLO: Data = Data::Frames(&[text(b"hello")]);

pub(super) static CASES: &[Case] = &[
    Case {
        id: "PRX-ERL-001",
        title: "a frame of the client in one write with the request",
        script: &[
            Ask(&[]),
            Send(Side::Client, HELLO),
            Reach(&[]),
            Answer(&[]),
            Get(&[]),
            Arrive(Side::Client),
        ],
        ..FROM_CLIENT
    },
    Case {
        id: "PRX-ERL-002",
        title: "one byte of the client in one write with the request",
        script: &[
            Ask(&[]),
            Send(Side::Client, Data::Bytes(b"\x81")),
            Reach(&[]),
            Answer(&[]),
            Get(&[]),
            Arrive(Side::Client),
        ],
        ..FROM_CLIENT
    },
    Case {
        id: "PRX-ERL-003",
        title: "a frame of the client in a write of its own, before the answer",
        script: &[
            Cut(Side::Client, Pace::PerFrame),
            Ask(&[]),
            Send(Side::Client, HELLO),
            Reach(&[]),
            Rest(50),
            Answer(&[]),
            Get(&[]),
            Arrive(Side::Client),
        ],
        ..FROM_CLIENT
    },
    Case {
        id: "PRX-ERL-004",
        title: "70 KB of the client behind the request",
        script: &[
            Ask(&[]),
            Send(Side::Client, Data::Random(70_000)),
            Reach(&[]),
            Answer(&[]),
            Get(&[]),
            Arrive(Side::Client),
        ],
        ..FROM_CLIENT
    },
    Case {
        id: "PRX-ERL-005",
        title: "a frame of the client behind the request, another behind the answer",
        script: &[
            Ask(&[]),
            Send(Side::Client, HELLO),
            Reach(&[]),
            Answer(&[]),
            Get(&[]),
            Send(Side::Client, HELLO),
            Arrive(Side::Client),
            Send(Side::Origin, HELLO),
            Arrive(Side::Origin),
        ],
        ..FROM_CLIENT
    },
    Case {
        id: "PRX-ERL-006",
        title: "a frame of the server in one write with its 101",
        script: &[
            Ask(&[]),
            Reach(&[]),
            Answer(&[]),
            Send(Side::Origin, HELLO),
            Get(&[]),
            Arrive(Side::Origin),
        ],
        ..FROM_SERVER
    },
    Case {
        id: "PRX-ERL-007",
        title: "one byte of the server in one write with its 101",
        script: &[
            Ask(&[]),
            Reach(&[]),
            Answer(&[]),
            Send(Side::Origin, Data::Bytes(b"\x81")),
            Get(&[]),
            Arrive(Side::Origin),
        ],
        ..FROM_SERVER
    },
    Case {
        id: "PRX-ERL-008",
        title: "70 KB of the server with its 101",
        script: &[
            Ask(&[]),
            Reach(&[]),
            Answer(&[]),
            Send(Side::Origin, Data::Random(70_000)),
            Get(&[]),
            Arrive(Side::Origin),
        ],
        ..FROM_SERVER
    },
    Case {
        id: "PRX-ERL-009",
        title: "1 MB of the server with its 101",
        script: &[
            Ask(&[]),
            Reach(&[]),
            Answer(&[]),
            Send(Side::Origin, Data::Random(1 << 20)),
            Get(&[]),
            Arrive(Side::Origin),
        ],
        ..FROM_SERVER
    },
    Case {
        id: "PRX-ERL-010",
        title: "a frame of the server in a write of its own behind the 101",
        script: &[
            Ask(&[]),
            Reach(&[]),
            Cut(Side::Origin, Pace::PerFrame),
            Answer(&[]),
            Send(Side::Origin, HELLO),
            Get(&[]),
            Arrive(Side::Origin),
        ],
        ..FROM_SERVER
    },
    Case {
        id: "PRX-ERL-011",
        title: "a 101 and a frame in single bytes",
        rule: &SEGMENTS,
        script: &[
            Ask(&[]),
            Reach(&[]),
            Cut(Side::Origin, Pace::Bytes(1)),
            Answer(&[]),
            Send(Side::Origin, HELLO),
            Get(&[]),
            Arrive(Side::Origin),
        ],
        ..FROM_SERVER
    },
    Case {
        id: "PRX-ERL-012",
        title: "a 101 and a frame in writes of 100 bytes, one of which holds the end of the head",
        rule: &SEGMENTS,
        script: &[
            Ask(&[]),
            Reach(&[]),
            Cut(Side::Origin, Pace::Bytes(100)),
            Answer(&[]),
            Send(Side::Origin, Data::Random(300)),
            Get(&[]),
            Arrive(Side::Origin),
        ],
        ..FROM_SERVER
    },
    Case {
        id: "PRX-ERL-013",
        title: "frames of both sides at once, each with its head",
        rule: &CLIENT,
        accepts: &[Refused],
        script: &[
            Ask(&[]),
            Send(Side::Client, HELLO),
            Reach(&[]),
            Answer(&[]),
            Send(Side::Origin, HELLO),
            Get(&[]),
            Arrive(Side::Client),
            Arrive(Side::Origin),
        ],
        ..FROM_SERVER
    },
    Case {
        id: "PRX-ERL-014",
        title: "a 101, a message, a Close and the end in one write",
        script: &[
            Ask(&[]),
            Reach(&[]),
            Answer(&[]),
            Send(Side::Origin, Data::Frames(&[text(b"bye"), close_code(1000)])),
            End(Side::Origin),
            Get(&[]),
            Arrive(Side::Origin),
            Ends(Side::Client, 4_000),
        ],
        ..FROM_SERVER
    },
    Case {
        id: "PRX-ERL-015",
        title: "a frame of the client, and the answer only after a second",
        level: Level::Should,
        script: &[
            Ask(&[]),
            Send(Side::Client, HELLO),
            Reach(&[]),
            Rest(1_000),
            Answer(&[]),
            Get(&[]),
            Arrive(Side::Client),
        ],
        ..FROM_CLIENT
    },
];
