//! What must not come out (RFC 9110 §7.6, §7.8; RFC 9112 §5.1, §6). The requests are harmless, and the answers are
//! ours.
//!
//! A front that relays bytes without understanding HTTP, as the preflight detects, has nothing to stop.

use super::super::case::ProxyStep::{
    Answer, Arrive, Ask, End, Ends, Get, Judge, Reach, Refuse, Reset, Rest, Send, Stray,
};
use super::super::case::{Case, Check, Data, Side};
use super::super::passage::Passage::{Altered, Refused, Repaired};
use crate::case::{Edit, Level};

crate::cases::rule_table! {
    NO_TUNNEL = [9110 "7.8", 6455 "4.2.2"], "Without a 101 there is no tunnel: what follows is HTTP, and nothing else is passed on.";
    BEHIND = [9112 "6.3"], "What comes behind the body of an answer is no part of an answer.";
    NOTHING_ADDED = [9110 "7.8", 6455 "5.4"], "Nothing is written into a WebSocket stream that the other side did not send.";
    TWO_HOSTS = [9112 "3.2"], "A request with two Host fields is answered 400.";
    LENGTHS = [9112 "6.3"], "A message whose lengths contradict each other is not passed on.";
    CODINGS = [9112 "6.1"], "A message with Content-Length and Transfer-Encoding is not passed on with both.";
    COLON = [9112 "5.1"], "A blank between the name of a field and its colon is refused in a request, and taken out of an answer.";
    CONTENT = [9110 "9.3.1", 9112 "6"], "The body of a request is no part of the stream behind it.";
    CONTROLS = [9110 "5.5"], "NUL in a value is refused, or replaced by a blank.";
}

const TUNNEL: Case = Case { rule: &NO_TUNNEL, accepts: &[Refused], ..Case::BASE };
const STREAM: Case = Case { rule: &NOTHING_ADDED, ..Case::BASE };
const HEADS: Case = Case { accepts: &[Refused, Repaired, Altered], ..Case::BASE };

/// A client's frame, which cannot be taken for a request.
const FRAME: &[u8] = b"\x82\x90\x00\x00\x00\x00sixteen bytes ok";
/// A server's frame, which cannot be taken for an answer.
const ANSWER: &[u8] = b"\x82\x10sixteen bytes ok";

/// A refusal, after which the client sends as if the connection were open.
macro_rules! no_tunnel {
    ($status:expr, [$($line:expr),*]) => {
        &[Ask(&[]), Reach(&[]), Refuse($status, &[$($line),*], b""), Get(&[]), Stray(Side::Client, FRAME), Judge(700)]
    };
}

/// A head that must not be forwarded, or only in a changed form.
macro_rules! stops {
    ([$($edit:expr),*], $field:expr) => {
        &[Ask(&[$($edit),*]), Reach(&[Check::Stops($field)])]
    };
}

pub(super) static CASES: &[Case] = &[
    Case {
        id: "PRX-SAF-001",
        title: "a 403, then a frame of the client",
        script: no_tunnel!("403 Forbidden", ["Content-Length: 0"]),
        ..TUNNEL
    },
    Case {
        id: "PRX-SAF-002",
        title: "a 426, then a frame of the client",
        script: no_tunnel!(
            "426 Upgrade Required",
            ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Content-Length: 0"]
        ),
        ..TUNNEL
    },
    Case {
        id: "PRX-SAF-003",
        title: "a 200, then a frame of the client",
        script: no_tunnel!("200 OK", ["Content-Length: 0"]),
        ..TUNNEL
    },
    Case {
        id: "PRX-SAF-004",
        title: "a 503 on a connection that stays, then a frame of the client",
        script: no_tunnel!("503 Service Unavailable", ["Connection: keep-alive", "Content-Length: 0"]),
        ..TUNNEL
    },
    Case {
        id: "PRX-SAF-005",
        title: "a 403 with Upgrade: websocket, then a frame of the client",
        script: no_tunnel!(
            "403 Forbidden",
            ["Upgrade: websocket", "Connection: Upgrade", "Content-Length: 0"]
        ),
        ..TUNNEL
    },
    Case {
        id: "PRX-SAF-006",
        title: "a 403, then a frame of the server behind the answer",
        rule: &BEHIND,
        // The front may send the next request on the origin's connection on which this was sent.
        tags: &["alone"],
        script: &[
            Ask(&[]),
            Reach(&[]),
            Refuse("403 Forbidden", &["Content-Length: 2"], b"no"),
            Get(&[]),
            Stray(Side::Origin, ANSWER),
            Judge(700),
        ],
        ..TUNNEL
    },
    Case {
        id: "PRX-SAF-007",
        title: "a reset by the server within a message: nothing is added for the client",
        script: &[
            Ask(&[]),
            Reach(&[]),
            Answer(&[]),
            Get(&[]),
            Send(Side::Origin, Data::Bytes(b"\x82\x7e\x10\x00part of it")),
            Arrive(Side::Origin),
            Reset(Side::Origin),
            Ends(Side::Client, 4_000),
        ],
        ..STREAM
    },
    Case {
        id: "PRX-SAF-008",
        title: "a reset by the client within a message: nothing is added for the server",
        script: &[
            Ask(&[]),
            Reach(&[]),
            Answer(&[]),
            Get(&[]),
            Send(Side::Client, Data::Bytes(b"\x82\xfe\x10\x00\x00\x00\x00\x00part of it")),
            Arrive(Side::Client),
            Reset(Side::Client),
            Ends(Side::Origin, 4_000),
        ],
        ..STREAM
    },
    Case {
        id: "PRX-SAF-009",
        title: "the server ends the connection without Close: nothing is added for the client",
        script: &[
            Ask(&[]),
            Reach(&[]),
            Answer(&[]),
            Get(&[]),
            Send(Side::Origin, Data::Bytes(b"\x81\x02hi")),
            End(Side::Origin),
            Arrive(Side::Origin),
            Ends(Side::Client, 4_000),
        ],
        ..STREAM
    },
    Case {
        id: "PRX-SAF-010",
        title: "the client ends the connection without Close: nothing is added for the server",
        script: &[
            Ask(&[]),
            Reach(&[]),
            Answer(&[]),
            Get(&[]),
            Send(Side::Client, Data::Bytes(b"\x81\x80\x00\x00\x00\x00")),
            End(Side::Client),
            Arrive(Side::Client),
            Ends(Side::Origin, 4_000),
        ],
        ..STREAM
    },
    Case {
        id: "PRX-SAF-011",
        title: "a second of silence on an open connection: nothing is added",
        script: &[
            Ask(&[]),
            Reach(&[]),
            Answer(&[]),
            Get(&[]),
            Rest(1_000),
            Arrive(Side::Client),
            Arrive(Side::Origin),
        ],
        ..STREAM
    },
    Case {
        id: "PRX-SAF-012",
        title: "75 s of silence on an open connection: nothing is added before it ends",
        level: Level::Should,
        tags: &["slow"],
        script: &[Ask(&[]), Reach(&[]), Answer(&[]), Get(&[]), Rest(75_000)],
        ..STREAM
    },
    Case {
        id: "PRX-SAF-013",
        title: "two Host fields",
        rule: &TWO_HOSTS,
        script: stops!([Edit::Add("Host: other.example")], "host"),
        ..HEADS
    },
    Case {
        id: "PRX-SAF-014",
        title: "two Content-Length fields that differ",
        rule: &LENGTHS,
        script: stops!([Edit::Add("Content-Length: 0"), Edit::Add("Content-Length: 1")], "content-length"),
        ..HEADS
    },
    Case {
        id: "PRX-SAF-015",
        title: "Content-Length and Transfer-Encoding",
        rule: &CODINGS,
        script: &[
            Ask(&[
                Edit::Add("Content-Length: 5"),
                Edit::Add("Transfer-Encoding: chunked"),
                Edit::After(b"0\r\n\r\n"),
            ]),
            Reach(&[Check::StopsBoth("content-length", "transfer-encoding")]),
        ],
        ..HEADS
    },
    Case {
        id: "PRX-SAF-016",
        title: "a blank before the colon of a field",
        rule: &COLON,
        script: stops!([Edit::Add("X-Blank : 1")], "x-blank "),
        ..HEADS
    },
    Case {
        id: "PRX-SAF-017",
        title: "NUL in a value",
        rule: &CONTROLS,
        script: stops!([Edit::Add("X-Nul: a\0b")], "x-nul"),
        ..HEADS
    },
    Case {
        id: "PRX-SAF-018",
        title: "a request with a body of five bytes, then a frame",
        only_http1: "a CONNECT has no content, and what is behind it is the stream (RFC 9113 §8.5)",
        rule: &CONTENT,
        accepts: &[Refused],
        script: &[
            Ask(&[Edit::Add("Content-Length: 5")]),
            Send(Side::Client, Data::Bytes(b"hello")),
            Reach(&[]),
            Answer(&[]),
            Get(&[]),
            Send(Side::Client, Data::Bytes(FRAME)),
            Arrive(Side::Client),
        ],
        ..Case::BASE
    },
    Case {
        id: "PRX-SAF-019",
        title: "a blank before the colon of a field of the answer",
        rule: &COLON,
        level: Level::Should,
        script: &[
            Ask(&[]),
            Reach(&[]),
            Refuse("403 Forbidden", &["X-Blank : 1", "Content-Length: 0", "Connection: close"], b""),
            End(Side::Origin),
            Get(&[Check::Stops("x-blank ")]),
        ],
        ..HEADS
    },
    Case {
        id: "PRX-SAF-020",
        title: "an answer with Content-Length and Transfer-Encoding",
        rule: &CODINGS,
        level: Level::Should,
        script: &[
            Ask(&[]),
            Reach(&[]),
            Refuse(
                "403 Forbidden",
                &["Content-Length: 9", "Transfer-Encoding: chunked", "Connection: close"],
                b"9\r\nnot today\r\n0\r\n\r\n",
            ),
            End(Side::Origin),
            Get(&[Check::StopsBoth("content-length", "transfer-encoding")]),
        ],
        ..HEADS
    },
    Case {
        id: "PRX-SAF-021",
        title: "a reset by the server right behind its 101: nothing is added for the client",
        script: &[
            Ask(&[]),
            Reach(&[]),
            Answer(&[]),
            Get(&[]),
            Reset(Side::Origin),
            Ends(Side::Client, 4_000),
        ],
        ..STREAM
    },
    Case {
        id: "PRX-SAF-022",
        title: "a reset by the server when the client has spoken: nothing is added for the client",
        script: &[
            Ask(&[]),
            Reach(&[]),
            Answer(&[]),
            Get(&[]),
            Send(Side::Client, Data::Bytes(b"\x81\x82\x00\x00\x00\x00hi")),
            Arrive(Side::Client),
            Reset(Side::Origin),
            Ends(Side::Client, 4_000),
        ],
        ..STREAM
    },
];
