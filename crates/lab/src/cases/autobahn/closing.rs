//! Group 7: the closing handshake, its codes and reasons.

use super::{BASE, echoes, rules};
use crate::case::dsl::{close, close_code, cont, ping, text};
use crate::case::{By, Case, Class, Decides, Ending, Event, Expect, Frame, Level, Step};
use crate::payload::Payload;

/// The script closes. The answer is 1000 or empty; another code fails the case.
const ANSWERED: Expect = Expect {
    outcomes: &[(Class::Ok, &[])],
    close: Ending { by: By::Script, codes: &[1000], clean: true, decides: Decides::Code },
};
/// The script sends a bad Close. The answer is 1002, empty, or the end of the TCP connection.
const REFUSED: Expect = Expect {
    outcomes: &[(Class::Ok, &[])],
    close: Ending { by: By::Script, codes: &[1002], clean: false, decides: Decides::Code },
};
const REASON_123: Payload = Payload::Bytes(&reason::<125>());
const REASON_124: Payload = Payload::Bytes(&reason::<126>());

/// Returns the code 1000, then asterisks.
const fn reason<const N: usize>() -> [u8; N] {
    let mut bytes = [b'*'; N];
    bytes[0] = 0x03;
    bytes[1] = 0xe8;
    bytes
}

const OBSERVED: Expect = Expect { outcomes: &[(Class::Informational, &[])], close: Ending::ANY };

macro_rules! good_codes {
    ($($id:literal $code:literal),* $(,)?) => {
        &[$(Case {
            id: $id,
            title: concat!("Close ", $code),
            rule: &rules::CLOSE_CODE,
            script: &[Step::Frame(close_code($code))],
            expect: Expect {
                outcomes: &[(Class::Ok, &[])],
                close: Ending { by: By::Script, codes: &[1000, $code], clean: true, decides: Decides::Code },
            },
            ..BASE
        }),*]
    };
}

macro_rules! bad_codes {
    ($($id:literal $code:literal),* $(,)?) => {
        &[$(Case {
            id: $id,
            title: concat!("Close ", $code, ", which no endpoint may send"),
            rule: &rules::BAD_CODE,
            script: &[Step::Frame(close_code($code))],
            expect: REFUSED,
            ..BASE
        }),*]
    };
}

macro_rules! open_codes {
    ($($id:literal $code:literal),* $(,)?) => {
        &[$(Case {
            id: $id,
            title: concat!("Close ", $code),
            rule: &rules::OPEN_CODE,
            level: Level::May,
            script: &[Step::Frame(close_code($code))],
            expect: OBSERVED,
            ..BASE
        }),*]
    };
}

pub(in crate::cases) static SEQUENCE: &[Case] = &[
    Case {
        id: "7.1.1",
        title: "text, then our Close behind its echo",
        rule: &rules::CLOSE,
        script: &[Step::Frame(text(b"Hello World!"))],
        expect: Expect {
            close: Ending { decides: Decides::Code, ..Ending::CLEAN },
            ..echoes(&[(Class::Ok, &[Event::Text(Payload::Bytes(b"Hello World!"))])])
        },
        ..BASE
    },
    Case {
        id: "7.1.2",
        title: "two Close frames",
        rule: &rules::CLOSE,
        script: &[Step::Frame(close_code(1000)), Step::Frame(close(b""))],
        expect: ANSWERED,
        ..BASE
    },
    Case {
        id: "7.1.3",
        title: "Close, then a Ping",
        rule: &rules::CLOSE,
        script: &[Step::Frame(close_code(1000)), Step::Frame(ping(b"unheard"))],
        expect: ANSWERED,
        ..BASE
    },
    Case {
        id: "7.1.4",
        title: "Close, then text",
        rule: &rules::CLOSE,
        script: &[Step::Frame(close_code(1000)), Step::Frame(text(b"Hello World!"))],
        expect: ANSWERED,
        ..BASE
    },
    Case {
        id: "7.1.5",
        title: "Close inside a fragmented message",
        rule: &rules::CLOSE,
        script: &[
            Step::Frame(text(b"fragment1").more()),
            Step::Frame(close_code(1000)),
            Step::Frame(cont(b"fragment2")),
        ],
        // A Close with 1002 is a Close, too: RFC 6455 does not say which code answers, and a message was cut off.
        expect: Expect { close: Ending { codes: &[1000, 1002], ..ANSWERED.close }, ..ANSWERED },
        ..BASE
    },
    Case {
        id: "7.1.6",
        title: "text of 256 KiB, text, Close, Ping, back to back",
        rule: &rules::CLOSE,
        level: Level::May,
        script: &[
            Step::Frame(Frame::of(1, Payload::Cycle(b"BAsd7&jh23", 262_144))),
            Step::Frame(text(b"Hello World!")),
            Step::Frame(close_code(1000)),
            Step::Frame(ping(b"unheard")),
        ],
        expect: OBSERVED,
        ..BASE
    },
];

pub(in crate::cases) static BODIES: &[Case] = &[
    Case {
        id: "7.3.1",
        title: "empty Close",
        rule: &rules::CLOSE_BODY,
        script: &[Step::Frame(close(b""))],
        expect: ANSWERED,
        ..BASE
    },
    Case {
        id: "7.3.2",
        title: "Close with one byte",
        rule: &rules::CLOSE_BODY,
        script: &[Step::Frame(close(b"a"))],
        expect: REFUSED,
        ..BASE
    },
    Case {
        id: "7.3.3",
        title: "Close 1000",
        rule: &rules::CLOSE_BODY,
        script: &[Step::Frame(close_code(1000))],
        expect: ANSWERED,
        ..BASE
    },
    Case {
        id: "7.3.4",
        title: "Close 1000 with a reason",
        rule: &rules::CLOSE_BODY,
        script: &[Step::Frame(close(b"\x03\xe8Hello World!"))],
        expect: ANSWERED,
        ..BASE
    },
    Case {
        id: "7.3.5",
        title: "Close 1000 with a reason of 123 bytes",
        rule: &rules::CLOSE_BODY,
        script: &[Step::Frame(Frame::of(8, REASON_123))],
        expect: ANSWERED,
        ..BASE
    },
    Case {
        id: "7.3.6",
        title: "Close 1000 with a reason of 124 bytes",
        rule: &rules::CONTROL_LENGTH,
        script: &[Step::Frame(Frame::of(8, REASON_124))],
        expect: REFUSED,
        ..BASE
    },
    Case {
        id: "7.5.1",
        title: "Close 1000 with a reason that is not UTF-8",
        rule: &rules::CLOSE_BODY,
        script: &[Step::Frame(close(
            b"\x03\xe8\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
        ))],
        expect: Expect { close: Ending { codes: &[1002, 1007], ..REFUSED.close }, ..REFUSED },
        ..BASE
    },
];

pub(in crate::cases) static GOOD_CODES: &[Case] = good_codes![
    "7.7.1" 1000, "7.7.2" 1001, "7.7.3" 1002, "7.7.4" 1003, "7.7.5" 1007, "7.7.6" 1008, "7.7.7" 1009, "7.7.9" 1011, "7.7.10" 3000, "7.7.11" 3999, "7.7.12" 4000, "7.7.13" 4999,
];

/// RFC 6455 §7.4.1: 1010 is for clients to send. If we send it as a server, a client may call it wrong.
pub(in crate::cases) static EXTENSION_CODE: &[Case] = &[Case {
    id: "7.7.8",
    title: "Close 1010",
    rule: &rules::CLOSE_CODE,
    script: &[Step::Frame(close_code(1010))],
    expect: Expect {
        outcomes: &[(Class::Ok, &[])],
        close: Ending { by: By::Script, codes: &[1000, 1002, 1010], clean: true, decides: Decides::Code },
    },
    ..BASE
}];

pub(in crate::cases) static BAD_CODES: &[Case] = bad_codes![
    "7.9.1" 0, "7.9.2" 999, "7.9.3" 1004, "7.9.4" 1005, "7.9.5" 1006, "7.9.6" 1016, "7.9.7" 1100, "7.9.8" 2000, "7.9.9" 2999,
];

pub(in crate::cases) static OPEN_CODES: &[Case] = open_codes!["7.13.1" 5000, "7.13.2" 65535];
