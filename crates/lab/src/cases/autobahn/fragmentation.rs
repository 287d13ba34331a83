//! Group 5: fragmented messages, control frames between fragments, and misplaced fragments.

use super::{BASE, FAILS, echoes, fails_after, rules};
use crate::case::dsl::{cont, ping, pong, text};
use crate::case::{Case, Class, Event, Expect, Pace, Step};
use crate::payload::Payload;

const JOINED: Event = Event::Text(Payload::Bytes(b"fragment1fragment2"));
const ECHOED: Expect = echoes(&[(Class::Ok, &[JOINED])]);
const PONG_FIRST: Expect = echoes(&[(Class::Ok, &[Event::Pong(Payload::Bytes(b"ping payload")), JOINED])]);
const FIVE: Expect = echoes(&[(
    Class::Ok,
    &[
        Event::Pong(Payload::Bytes(b"pongme 1!")),
        Event::Pong(Payload::Bytes(b"pongme 2!")),
        Event::Text(Payload::Bytes(b"fragment1fragment2fragment3fragment4fragment5")),
    ],
)]);

pub(in crate::cases) static CASES: &[Case] = &[
    Case {
        id: "5.1",
        title: "Ping in two fragments",
        rule: &rules::CONTROL_FIN,
        script: &[Step::Frame(ping(b"fragment1").more()), Step::Frame(cont(b"fragment2"))],
        expect: FAILS,
        ..BASE
    },
    Case {
        id: "5.2",
        title: "Pong in two fragments",
        rule: &rules::CONTROL_FIN,
        script: &[Step::Frame(pong(b"fragment1").more()), Step::Frame(cont(b"fragment2"))],
        expect: FAILS,
        ..BASE
    },
    Case {
        id: "5.3",
        title: "text in two fragments",
        rule: &rules::FRAGMENTS,
        script: &[Step::Frame(text(b"fragment1").more()), Step::Frame(cont(b"fragment2"))],
        expect: ECHOED,
        ..BASE
    },
    Case {
        id: "5.4",
        title: "text in two fragments, one write for each frame",
        rule: &rules::FRAGMENTS,
        script: &[
            Step::Pace(Pace::PerFrame),
            Step::Frame(text(b"fragment1").more()),
            Step::Frame(cont(b"fragment2")),
        ],
        expect: ECHOED,
        ..BASE
    },
    Case {
        id: "5.5",
        title: "text in two fragments, one byte for each write",
        rule: &rules::FRAGMENTS,
        script: &[
            Step::Pace(Pace::Bytes(1)),
            Step::Frame(text(b"fragment1").more()),
            Step::Frame(cont(b"fragment2")),
        ],
        expect: ECHOED,
        ..BASE
    },
    Case {
        id: "5.6",
        title: "text in two fragments with a Ping between",
        rule: &rules::FRAGMENTS,
        script: &[
            Step::Frame(text(b"fragment1").more()),
            Step::Frame(ping(b"ping payload")),
            Step::Frame(cont(b"fragment2")),
        ],
        expect: PONG_FIRST,
        ..BASE
    },
    Case {
        id: "5.7",
        title: "text in two fragments with a Ping between, one write for each frame",
        rule: &rules::FRAGMENTS,
        script: &[
            Step::Pace(Pace::PerFrame),
            Step::Frame(text(b"fragment1").more()),
            Step::Frame(ping(b"ping payload")),
            Step::Frame(cont(b"fragment2")),
        ],
        expect: PONG_FIRST,
        ..BASE
    },
    Case {
        id: "5.8",
        title: "text in two fragments with a Ping between, one byte for each write",
        rule: &rules::FRAGMENTS,
        script: &[
            Step::Pace(Pace::Bytes(1)),
            Step::Frame(text(b"fragment1").more()),
            Step::Frame(ping(b"ping payload")),
            Step::Frame(cont(b"fragment2")),
        ],
        expect: PONG_FIRST,
        ..BASE
    },
    Case {
        id: "5.9",
        title: "continuation with FIN and no message open, then text",
        rule: &rules::CONTINUATION,
        script: &[Step::Frame(cont(b"non-continuation payload")), Step::Frame(text(b"Hello, world!"))],
        expect: FAILS,
        ..BASE
    },
    Case {
        id: "5.10",
        title: "continuation with FIN and no message open, then text, one write for each frame",
        rule: &rules::CONTINUATION,
        script: &[
            Step::Pace(Pace::PerFrame),
            Step::Frame(cont(b"non-continuation payload")),
            Step::Frame(text(b"Hello, world!")),
        ],
        expect: FAILS,
        ..BASE
    },
    Case {
        id: "5.11",
        title: "continuation with FIN and no message open, then text, one byte for each write",
        rule: &rules::CONTINUATION,
        script: &[
            Step::Pace(Pace::Bytes(1)),
            Step::Frame(cont(b"non-continuation payload")),
            Step::Frame(text(b"Hello, world!")),
        ],
        expect: FAILS,
        ..BASE
    },
    Case {
        id: "5.12",
        title: "continuation without FIN and no message open, then text",
        rule: &rules::CONTINUATION,
        script: &[Step::Frame(cont(b"non-continuation payload").more()), Step::Frame(text(b"Hello, world!"))],
        expect: FAILS,
        ..BASE
    },
    Case {
        id: "5.13",
        title: "continuation without FIN and no message open, then text, one write for each frame",
        rule: &rules::CONTINUATION,
        script: &[
            Step::Pace(Pace::PerFrame),
            Step::Frame(cont(b"non-continuation payload").more()),
            Step::Frame(text(b"Hello, world!")),
        ],
        expect: FAILS,
        ..BASE
    },
    Case {
        id: "5.14",
        title: "continuation without FIN and no message open, then text, one byte for each write",
        rule: &rules::CONTINUATION,
        script: &[
            Step::Pace(Pace::Bytes(1)),
            Step::Frame(cont(b"non-continuation payload").more()),
            Step::Frame(text(b"Hello, world!")),
        ],
        expect: FAILS,
        ..BASE
    },
    Case {
        id: "5.15",
        title: "text in two fragments, then a continuation without FIN and no message open, then text",
        rule: &rules::CONTINUATION,
        script: &[
            Step::Frame(text(b"fragment1").more()),
            Step::Frame(cont(b"fragment2")),
            Step::Frame(cont(b"fragment3").more()),
            Step::Frame(text(b"fragment4")),
        ],
        expect: fails_after(&[(Class::Ok, &[JOINED]), (Class::NonStrict, &[])]),
        ..BASE
    },
    Case {
        id: "5.16",
        title: "twice: a continuation without FIN and no message open, then text in two fragments",
        rule: &rules::CONTINUATION,
        script: &[
            Step::Frame(cont(b"fragment1").more()),
            Step::Frame(text(b"fragment2").more()),
            Step::Frame(cont(b"fragment3")),
            Step::Frame(cont(b"fragment1").more()),
            Step::Frame(text(b"fragment2").more()),
            Step::Frame(cont(b"fragment3")),
        ],
        expect: FAILS,
        ..BASE
    },
    Case {
        id: "5.17",
        title: "twice: a continuation with FIN and no message open, then text in two fragments",
        rule: &rules::CONTINUATION,
        script: &[
            Step::Frame(cont(b"fragment1")),
            Step::Frame(text(b"fragment2").more()),
            Step::Frame(cont(b"fragment3")),
            Step::Frame(cont(b"fragment1")),
            Step::Frame(text(b"fragment2").more()),
            Step::Frame(cont(b"fragment3")),
        ],
        expect: FAILS,
        ..BASE
    },
    Case {
        id: "5.18",
        title: "text without FIN, then text with FIN",
        rule: &rules::INTERLEAVED,
        script: &[Step::Frame(text(b"fragment1").more()), Step::Frame(text(b"fragment2"))],
        expect: FAILS,
        ..BASE
    },
    Case {
        id: "5.19",
        title: "five fragments, a Ping behind the second and the fourth, 200 ms between",
        rule: &rules::FRAGMENTS,
        script: &[
            Step::Frame(text(b"fragment1").more()),
            Step::Frame(cont(b"fragment2").more()),
            Step::Frame(ping(b"pongme 1!")),
            Step::Rest(200),
            Step::Frame(cont(b"fragment3").more()),
            Step::Frame(cont(b"fragment4").more()),
            Step::Frame(ping(b"pongme 2!")),
            Step::Frame(cont(b"fragment5")),
        ],
        expect: FIVE,
        ..BASE
    },
    Case {
        id: "5.20",
        title: "five fragments, a Ping behind the second and the fourth, 200 ms between, one write for each frame",
        rule: &rules::FRAGMENTS,
        script: &[
            Step::Pace(Pace::PerFrame),
            Step::Frame(text(b"fragment1").more()),
            Step::Frame(cont(b"fragment2").more()),
            Step::Frame(ping(b"pongme 1!")),
            Step::Rest(200),
            Step::Frame(cont(b"fragment3").more()),
            Step::Frame(cont(b"fragment4").more()),
            Step::Frame(ping(b"pongme 2!")),
            Step::Frame(cont(b"fragment5")),
        ],
        expect: FIVE,
        ..BASE
    },
];
