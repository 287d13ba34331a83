//! Group 2: Pings, and unsolicited Pongs.

use super::{BASE, FAILS, echoes, rules};
use crate::case::dsl::{close_code, ping, pong};
use crate::case::{By, Case, Class, Ending, Event, Expect, Level, Pace, Step};
use crate::payload::Payload;

const NOT_UTF8: &[u8] = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff";
const FULL: Payload = Payload::Bytes(&[0xfe; 125]);

const PING: Case = Case { rule: &rules::PING, ..BASE };
const PONG: Case = Case { rule: &rules::PONG, ..BASE };

const TEN: [Event; 10] = [
    Event::Pong(Payload::Bytes(b"payload-0")),
    Event::Pong(Payload::Bytes(b"payload-1")),
    Event::Pong(Payload::Bytes(b"payload-2")),
    Event::Pong(Payload::Bytes(b"payload-3")),
    Event::Pong(Payload::Bytes(b"payload-4")),
    Event::Pong(Payload::Bytes(b"payload-5")),
    Event::Pong(Payload::Bytes(b"payload-6")),
    Event::Pong(Payload::Bytes(b"payload-7")),
    Event::Pong(Payload::Bytes(b"payload-8")),
    Event::Pong(Payload::Bytes(b"payload-9")),
];

macro_rules! ten_pings {
    ($($pace:expr)?) => {
        &[
            $(Step::Pace($pace),)?
            Step::Frame(ping(b"payload-0")),
            Step::Frame(ping(b"payload-1")),
            Step::Frame(ping(b"payload-2")),
            Step::Frame(ping(b"payload-3")),
            Step::Frame(ping(b"payload-4")),
            Step::Frame(ping(b"payload-5")),
            Step::Frame(ping(b"payload-6")),
            Step::Frame(ping(b"payload-7")),
            Step::Frame(ping(b"payload-8")),
            Step::Frame(ping(b"payload-9")),
        ]
    };
}

/// Our Close follows at once, and only the answer to it comes back.
const QUIET: Expect =
    Expect { outcomes: &[(Class::Ok, &[])], close: Ending { by: By::Script, ..Ending::CLEAN } };

pub(in crate::cases) static CASES: &[Case] = &[
    Case {
        id: "2.1",
        title: "empty Ping",
        script: &[Step::Frame(ping(b""))],
        expect: echoes(&[(Class::Ok, &[Event::Pong(Payload::EMPTY)])]),
        ..PING
    },
    Case {
        id: "2.2",
        title: "Ping with text",
        script: &[Step::Frame(ping(b"Hello, world!"))],
        expect: echoes(&[(Class::Ok, &[Event::Pong(Payload::Bytes(b"Hello, world!"))])]),
        ..PING
    },
    Case {
        id: "2.3",
        title: "Ping with bytes that are not UTF-8",
        script: &[Step::Frame(ping(NOT_UTF8))],
        expect: echoes(&[(Class::Ok, &[Event::Pong(Payload::Bytes(NOT_UTF8))])]),
        ..PING
    },
    Case {
        id: "2.4",
        title: "Ping with 125 bytes",
        script: &[Step::Frame(ping(&[0xfe; 125]))],
        expect: echoes(&[(Class::Ok, &[Event::Pong(FULL)])]),
        ..PING
    },
    Case {
        id: "2.5",
        title: "Ping with 126 bytes",
        rule: &rules::CONTROL_LENGTH,
        script: &[Step::Frame(ping(&[0xfe; 126]))],
        expect: FAILS,
        ..BASE
    },
    Case {
        id: "2.6",
        title: "Ping with 125 bytes, one byte for each write",
        script: &[Step::Pace(Pace::Bytes(1)), Step::Frame(ping(&[0xfe; 125]))],
        expect: echoes(&[(Class::Ok, &[Event::Pong(FULL)])]),
        ..PING
    },
    Case {
        id: "2.7",
        title: "unsolicited empty Pong",
        script: &[Step::Frame(pong(b"")), Step::Frame(close_code(1000))],
        expect: QUIET,
        ..PONG
    },
    Case {
        id: "2.8",
        title: "unsolicited Pong with a payload",
        script: &[Step::Frame(pong(b"unsolicited pong payload")), Step::Frame(close_code(1000))],
        expect: QUIET,
        ..PONG
    },
    Case {
        id: "2.9",
        title: "unsolicited Pong, then a Ping",
        script: &[Step::Frame(pong(b"unsolicited pong payload")), Step::Frame(ping(b"ping payload"))],
        expect: echoes(&[(Class::Ok, &[Event::Pong(Payload::Bytes(b"ping payload"))])]),
        ..PONG
    },
    // This is a SHOULD: §5.5.3 lets an endpoint answer only the latest Ping.
    Case {
        id: "2.10",
        title: "ten Pings back to back",
        rule: &rules::PINGS,
        level: Level::Should,
        script: ten_pings!(),
        expect: echoes(&[(Class::Ok, &TEN)]),
        ..BASE
    },
    Case {
        id: "2.11",
        title: "ten Pings, one byte for each write",
        rule: &rules::PINGS,
        level: Level::Should,
        script: ten_pings!(Pace::Bytes(1)),
        expect: echoes(&[(Class::Ok, &TEN)]),
        ..BASE
    },
];
