//! What passes once the connection is open (RFC 6455 §1.2, §5.4, §5.8; RFC 9110 §7.8): any bytes, unchanged.

use super::super::case::ProxyStep::{
    Answer, Arrive, ArriveWithin, Ask, Cut, Fill, Get, Hold, Reach, Rest, RoundTrips, Send, StillOpen,
    Trickle,
};
use super::super::case::{Case, Data, Side};
use crate::case::dsl::{binary, cont, ping, pong, text};
use crate::case::{Frame, Level, Pace};
use crate::payload::Payload;

crate::cases::rule_table! {
    BYTES = [9110 "7.8", 6455 "1.2"], "Behind a 101 the connection carries another protocol: any bytes, both ways, as they are.";
    FRAMES = [6455 "5.4"], "An intermediary that does not know the extensions in use leaves frames as they are.";
    MASKING = [6455 "5.3"], "A client's frames are masked, and pass with their masks.";
    AT_ONCE = [6455 "1.1"], "A message goes out when it is sent: nothing waits for more.";
    BOTH = [6455 "1.2"], "Both sides may send at any time, at once.";
    SIZE = [6455 "5.2"], "There is no limit to what passes.";
    MANY = [6455 "4.1"], "Several connections may be open at once.";
    PRESSURE = [6455 "10.4"], "What is held for a side that does not read is bounded, and none of it is lost.";
    IDLE = [6455 "5.5.2"], "A connection on which nothing passes stays open.";
}

const TUNNEL: Case = Case { rule: &BYTES, ..Case::BASE };

/// All byte values.
const EVERY: [u8; 256] = {
    let mut bytes = [0; 256];
    let mut at = 0;
    while at < 256 {
        bytes[at] = at as u8;
        at += 1;
    }
    bytes
};

macro_rules! open {
    ($($step:expr),* $(,)?) => { &[Ask(&[]), Reach(&[]), Answer(&[]), Get(&[]), $($step),*] };
}

pub(super) static CASES: &[Case] = &[
    Case {
        id: "PRX-TUN-001",
        title: "every byte there is, from the client",
        script: open![Send(Side::Client, Data::Bytes(&EVERY)), Arrive(Side::Client)],
        ..TUNNEL
    },
    Case {
        id: "PRX-TUN-002",
        title: "every byte there is, from the server",
        script: open![Send(Side::Origin, Data::Bytes(&EVERY)), Arrive(Side::Origin)],
        ..TUNNEL
    },
    Case {
        id: "PRX-TUN-003",
        title: "a fragmented message with a Ping between, from the client",
        rule: &FRAMES,
        script: open![
            Send(
                Side::Client,
                Data::Frames(&[text(b"Hel").more(), ping(b"1"), cont(b"lo").more(), pong(b"2"), cont(b"")])
            ),
            Arrive(Side::Client),
        ],
        ..TUNNEL
    },
    Case {
        id: "PRX-TUN-004",
        title: "a fragmented message with a Ping between, from the server",
        rule: &FRAMES,
        script: open![
            Send(
                Side::Origin,
                Data::Frames(&[text(b"Hel").more(), ping(b"1"), cont(b"lo").more(), pong(b"2"), cont(b"")])
            ),
            Arrive(Side::Origin),
        ],
        ..TUNNEL
    },
    Case {
        id: "PRX-TUN-005",
        title: "reserved bits and opcodes, as extensions may use them",
        rule: &FRAMES,
        script: open![
            Send(Side::Client, Data::Frames(&[text(b"x").rsv(4), Frame::of(3, Payload::Bytes(b"y")).rsv(3)])),
            Arrive(Side::Client),
            Send(
                Side::Origin,
                Data::Frames(&[text(b"x").rsv(4), Frame::of(11, Payload::Bytes(b"y")).rsv(7)])
            ),
            Arrive(Side::Origin),
        ],
        ..TUNNEL
    },
    Case {
        id: "PRX-TUN-006",
        title: "the same message twice from the client, masked by two keys",
        rule: &MASKING,
        script: open![
            Send(Side::Client, Data::Frames(&[binary(b"the same message"), binary(b"the same message")])),
            Arrive(Side::Client),
        ],
        ..TUNNEL
    },
    Case {
        id: "PRX-TUN-007",
        title: "one byte of the client, and nothing behind it",
        rule: &AT_ONCE,
        script: open![Send(Side::Client, Data::Random(1)), ArriveWithin(Side::Client, 750)],
        ..TUNNEL
    },
    Case {
        id: "PRX-TUN-008",
        title: "one byte of the server, and nothing behind it",
        rule: &AT_ONCE,
        script: open![Send(Side::Origin, Data::Random(1)), ArriveWithin(Side::Origin, 750)],
        ..TUNNEL
    },
    Case {
        id: "PRX-TUN-009",
        title: "a kilobyte of the client, and nothing behind it",
        rule: &AT_ONCE,
        script: open![Send(Side::Client, Data::Random(1024)), ArriveWithin(Side::Client, 750)],
        ..TUNNEL
    },
    Case {
        id: "PRX-TUN-010",
        title: "a kilobyte of the server, and nothing behind it",
        rule: &AT_ONCE,
        script: open![Send(Side::Origin, Data::Random(1024)), ArriveWithin(Side::Origin, 750)],
        ..TUNNEL
    },
    Case {
        id: "PRX-TUN-011",
        title: "a trickle from the client: 100 pieces of 3 bytes, each when the last has come out",
        rule: &AT_ONCE,
        script: open![Trickle(Side::Client, 100, 3)],
        ..TUNNEL
    },
    Case {
        id: "PRX-TUN-012",
        title: "a trickle from the server: 100 pieces of 3 bytes, each when the last has come out",
        rule: &AT_ONCE,
        script: open![Trickle(Side::Origin, 100, 3)],
        ..TUNNEL
    },
    Case {
        id: "PRX-TUN-013",
        title: "200 round trips of a byte",
        rule: &AT_ONCE,
        script: open![RoundTrips(200)],
        ..TUNNEL
    },
    Case {
        id: "PRX-TUN-014",
        title: "5000 bytes of the server in writes of two",
        patience: 12_000,
        script: open![
            Cut(Side::Origin, Pace::Bytes(2)),
            Send(Side::Origin, Data::Random(5_000)),
            Arrive(Side::Origin)
        ],
        ..TUNNEL
    },
    Case {
        id: "PRX-TUN-015",
        title: "1 MB each way at once",
        rule: &BOTH,
        script: open![
            Send(Side::Client, Data::Random(1 << 20)),
            Send(Side::Origin, Data::Random(1 << 20)),
            Arrive(Side::Client),
            Arrive(Side::Origin),
        ],
        ..TUNNEL
    },
    Case {
        id: "PRX-TUN-016",
        title: "16 MB from the client",
        rule: &SIZE,
        tags: &["heavy"],
        script: open![Send(Side::Client, Data::Random(16 << 20)), Arrive(Side::Client)],
        ..TUNNEL
    },
    Case {
        id: "PRX-TUN-017",
        title: "16 MB from the server",
        rule: &SIZE,
        tags: &["heavy"],
        script: open![Send(Side::Origin, Data::Random(16 << 20)), Arrive(Side::Origin)],
        ..TUNNEL
    },
    Case {
        id: "PRX-TUN-018",
        title: "100 MB from the client",
        rule: &SIZE,
        tags: &["heavy", "slow", "alone"],
        script: open![Send(Side::Client, Data::Random(100_000_000)), Arrive(Side::Client)],
        ..TUNNEL
    },
    Case {
        id: "PRX-TUN-019",
        title: "100 MB from the server",
        rule: &SIZE,
        tags: &["heavy", "slow", "alone"],
        script: open![Send(Side::Origin, Data::Random(100_000_000)), Arrive(Side::Origin)],
        ..TUNNEL
    },
    Case {
        id: "PRX-TUN-020",
        title: "bytes of the client that look like a request",
        script: open![
            Send(
                Side::Client,
                Data::Bytes(b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
            ),
            Arrive(Side::Client),
            StillOpen,
        ],
        ..TUNNEL
    },
    Case {
        id: "PRX-TUN-021",
        title: "bytes of the server that look like an answer",
        script: open![
            Send(
                Side::Origin,
                Data::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            ),
            Arrive(Side::Origin),
            StillOpen,
            Send(Side::Client, Data::Random(10)),
            Arrive(Side::Client),
        ],
        ..TUNNEL
    },
    Case {
        id: "PRX-TUN-022",
        title: "32 tunnels at once, 20 KB each way",
        rule: &MANY,
        copies: 32,
        patience: 8_000,
        script: open![
            Send(Side::Client, Data::Random(20_000)),
            Send(Side::Origin, Data::Random(20_000)),
            Arrive(Side::Client),
            Arrive(Side::Origin),
        ],
        ..TUNNEL
    },
    Case {
        id: "PRX-TUN-023",
        title: "a client that does not read",
        rule: &PRESSURE,
        tags: &["heavy"],
        patience: 8_000,
        script: open![
            Hold(Side::Client, true),
            Fill(Side::Origin, 32 << 20),
            Hold(Side::Client, false),
            Arrive(Side::Origin),
        ],
        ..TUNNEL
    },
    Case {
        id: "PRX-TUN-024",
        title: "a server that does not read",
        rule: &PRESSURE,
        tags: &["heavy"],
        patience: 8_000,
        script: open![
            Hold(Side::Origin, true),
            Fill(Side::Client, 32 << 20),
            Hold(Side::Origin, false),
            Arrive(Side::Client),
        ],
        ..TUNNEL
    },
    Case {
        id: "PRX-TUN-025",
        title: "nothing for 2 s, then a byte each way",
        rule: &IDLE,
        script: open![
            Rest(2_000),
            Send(Side::Origin, Data::Random(1)),
            Arrive(Side::Origin),
            Send(Side::Client, Data::Random(1)),
            Arrive(Side::Client),
        ],
        ..TUNNEL
    },
    Case {
        id: "PRX-TUN-026",
        title: "nothing for 75 s, then a byte each way",
        rule: &IDLE,
        level: Level::May,
        tags: &["slow"],
        script: open![
            Rest(75_000),
            Send(Side::Origin, Data::Random(1)),
            Arrive(Side::Origin),
            Send(Side::Client, Data::Random(1)),
            Arrive(Side::Client),
        ],
        ..TUNNEL
    },
];
