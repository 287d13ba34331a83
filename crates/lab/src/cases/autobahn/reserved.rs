//! Groups 3 and 4: reserved bits and reserved opcodes.

use super::{BASE, FAILS, fails_after, rules};
use crate::case::dsl::{binary, close, ping, text};
use crate::case::{Case, Class, Event, Expect, Frame, Pace, Step};
use crate::payload::Payload;

const HELLO: &[u8] = b"Hello, world!";
const RESERVED: Payload = Payload::Bytes(b"reserved opcode payload");

/// A good message comes first; in the strict outcome, its echo is sent before the connection is failed.
const AFTER_ECHO: Expect =
    fails_after(&[(Class::Ok, &[Event::Text(Payload::Bytes(HELLO))]), (Class::NonStrict, &[])]);

pub(in crate::cases) static CASES: &[Case] = &[
    Case {
        id: "3.1",
        title: "text with RSV 1",
        rule: &rules::RSV,
        script: &[Step::Frame(text(HELLO).rsv(1))],
        expect: FAILS,
        ..BASE
    },
    Case {
        id: "3.2",
        title: "text, then text with RSV 2, then a Ping",
        rule: &rules::RSV,
        script: &[Step::Frame(text(HELLO)), Step::Frame(text(HELLO).rsv(2)), Step::Frame(ping(b"unheard"))],
        expect: AFTER_ECHO,
        ..BASE
    },
    Case {
        id: "3.3",
        title: "text, then text with RSV 3, then a Ping, one write for each frame",
        rule: &rules::RSV,
        script: &[
            Step::Pace(Pace::PerFrame),
            Step::Frame(text(HELLO)),
            Step::Frame(text(HELLO).rsv(3)),
            Step::Frame(ping(b"unheard")),
        ],
        expect: AFTER_ECHO,
        ..BASE
    },
    Case {
        id: "3.4",
        title: "text, then text with RSV 4, then a Ping, one byte for each write",
        rule: &rules::RSV,
        script: &[
            Step::Pace(Pace::Bytes(1)),
            Step::Frame(text(HELLO)),
            Step::Frame(text(HELLO).rsv(4)),
            Step::Frame(ping(b"unheard")),
        ],
        expect: AFTER_ECHO,
        ..BASE
    },
    Case {
        id: "3.5",
        title: "binary with RSV 5",
        rule: &rules::RSV,
        script: &[Step::Frame(binary(b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff").rsv(5))],
        expect: FAILS,
        ..BASE
    },
    // The suite calls it a Ping and sends a binary frame.
    Case {
        id: "3.6",
        title: "binary with RSV 6",
        rule: &rules::RSV,
        script: &[Step::Frame(binary(HELLO).rsv(6))],
        expect: FAILS,
        ..BASE
    },
    Case {
        id: "3.7",
        title: "empty Close with RSV 7",
        rule: &rules::RSV,
        script: &[Step::Frame(close(b"").rsv(7))],
        expect: FAILS,
        ..BASE
    },
    Case {
        id: "4.1.1",
        title: "reserved data opcode 3, empty",
        rule: &rules::OPCODE,
        script: &[Step::Frame(Frame::of(3, Payload::EMPTY))],
        expect: FAILS,
        ..BASE
    },
    Case {
        id: "4.1.2",
        title: "reserved data opcode 4 with a payload",
        rule: &rules::OPCODE,
        script: &[Step::Frame(Frame::of(4, RESERVED))],
        expect: FAILS,
        ..BASE
    },
    Case {
        id: "4.1.3",
        title: "text, then reserved data opcode 5, empty, then a Ping",
        rule: &rules::OPCODE,
        script: &[
            Step::Frame(text(HELLO)),
            Step::Frame(Frame::of(5, Payload::EMPTY)),
            Step::Frame(ping(b"unheard")),
        ],
        expect: AFTER_ECHO,
        ..BASE
    },
    Case {
        id: "4.1.4",
        title: "text, then reserved data opcode 6 with a payload, then a Ping",
        rule: &rules::OPCODE,
        script: &[
            Step::Frame(text(HELLO)),
            Step::Frame(Frame::of(6, Payload::Bytes(HELLO))),
            Step::Frame(ping(b"unheard")),
        ],
        expect: AFTER_ECHO,
        ..BASE
    },
    Case {
        id: "4.1.5",
        title: "text, then reserved data opcode 7 with a payload, then a Ping, one byte for each write",
        rule: &rules::OPCODE,
        script: &[
            Step::Pace(Pace::Bytes(1)),
            Step::Frame(text(HELLO)),
            Step::Frame(Frame::of(7, Payload::Bytes(HELLO))),
            Step::Frame(ping(b"unheard")),
        ],
        expect: AFTER_ECHO,
        ..BASE
    },
    Case {
        id: "4.2.1",
        title: "reserved control opcode 11, empty",
        rule: &rules::OPCODE,
        script: &[Step::Frame(Frame::of(11, Payload::EMPTY))],
        expect: FAILS,
        ..BASE
    },
    Case {
        id: "4.2.2",
        title: "reserved control opcode 12 with a payload",
        rule: &rules::OPCODE,
        script: &[Step::Frame(Frame::of(12, RESERVED))],
        expect: FAILS,
        ..BASE
    },
    Case {
        id: "4.2.3",
        title: "text, then reserved control opcode 13, empty, then a Ping",
        rule: &rules::OPCODE,
        script: &[
            Step::Frame(text(HELLO)),
            Step::Frame(Frame::of(13, Payload::EMPTY)),
            Step::Frame(ping(b"unheard")),
        ],
        expect: AFTER_ECHO,
        ..BASE
    },
    Case {
        id: "4.2.4",
        title: "text, then reserved control opcode 14 with a payload, then a Ping",
        rule: &rules::OPCODE,
        script: &[
            Step::Frame(text(HELLO)),
            Step::Frame(Frame::of(14, Payload::Bytes(HELLO))),
            Step::Frame(ping(b"unheard")),
        ],
        expect: AFTER_ECHO,
        ..BASE
    },
    Case {
        id: "4.2.5",
        title: "text, then reserved control opcode 15 with a payload, then a Ping, one byte for each write",
        rule: &rules::OPCODE,
        script: &[
            Step::Pace(Pace::Bytes(1)),
            Step::Frame(text(HELLO)),
            Step::Frame(Frame::of(15, Payload::Bytes(HELLO))),
            Step::Frame(ping(b"unheard")),
        ],
        expect: AFTER_ECHO,
        ..BASE
    },
];
