//! Frames, fragments, control frames, texts and closing where the Autobahn suite does not look.
//!
//! Catalogue rows `FRM`, `FRG`, `CTL`, `CLS`, `UTF` and `LIM`. Not here: rows about an API (FRG-006, 007; CLS-019 to
//! 022, 025, 026, 029, 030, 043 to 046; UTF-006, 007), about many keys or many connections (FRM-011, 012, 029;
//! FRM-037), about a peer's own time limits (FRG-001; CTL-004, 007 to 010; CLS-034 to 037), about memory that only the
//! peer can see (FRM-021), and rows that every case checks anyway (FRM-013, 014, 022; CLS-033, 041, 042).

use super::super::case::dsl::{binary, close, close_code, cont, ping, pong, text};
use super::super::case::{
    By, Case, Class, Decides, Ending, Event, Expect, Frame, Kind, Level, Pace, Step, Subject,
};
use super::super::payload::Payload;
use super::rules as shared;
use bowsprit::frame::LengthForm;

rule_table! {
    MASKED = [6455 "5.1"], "A client masks every frame, a server none; anything else ends the connection.";
    KEYS = [6455 "5.3"], "Any masking key unmasks, zeros included, and an empty frame has one too.";
    MINIMAL = [6455 "5.2"], "A length is written in the shortest form that can hold it.";
    TOP_BIT = [6455 "5.2"], "The most significant bit of a 64-bit length is 0.";
    HUGE = [6455 "10.4", 6455 "7.4.1"], "A frame beyond the limits of an endpoint ends the connection before it arrives.";
    EARLY = [6455 "5.2", 6455 "7.1.7"], "What a header alone shows to be wrong needs no payload to fail the connection.";
    CUTS = [6455 "5.2"], "Frames may be cut by TCP anywhere.";
    NOT_FRAMES = [6455 "5.2"], "Bytes that are no frames fail the connection.";
    EOF = [6455 "7.1.5", 6455 "7.2"], "The end of the TCP connection inside a message ends the WebSocket connection, and the message is lost.";
    MANY = [6455 "5.4", 6455 "10.4"], "A message in many fragments is delivered, or refused by a limit.";
    REASON = [6455 "5.5.1"], "The reason of a Close is UTF-8, whatever its characters.";
    WITH_CODE = [6455 "7.1.7"], "Who fails a connection sends a Close with a code first, if it can.";
    FIRST = [6455 "7.1.7"], "After the first error nothing more is read: it decides the code.";
    REGISTERED = [6455 "7.4.2", 6455 "11.7"], "Close codes registered later with IANA are close codes.";
    RESERVED = [6455 "7.4.2"], "Codes from 1000 to 2999 that are not defined may not be sent.";
    HALF = [6455 "5.5.1", 6455 "7.1.1"], "A Close is answered even if its sender has ended its half of the TCP connection.";
    PROMPT = [6455 "5.5.2"], "A Pong is sent as soon as is practical, not with the next frame.";
    ABNORMAL = [6455 "7.1.7", 6455 "7.2.1"], "Who has failed a connection ends it, though no Close answers its own.";
    BINARY = [6455 "5.6"], "A binary message holds any bytes.";
}

const FAILS: Expect = Expect { outcomes: &[(Class::Ok, &[])], close: Ending::FAILS };
/// §5.1: an endpoint that meets a wrong mask fails the connection and MAY send 1002; another code that gives the reason
/// is as good.
const FAILS_ANYHOW: Expect = Expect {
    outcomes: &[(Class::Ok, &[])],
    close: Ending { codes: &[1000, 1001, 1002, 1003, 1007, 1008, 1011], ..Ending::FAILS },
};
/// The connection is failed with any code for a limit or a protocol error; the peer decides which of the two it is.
const LIMITED: Expect =
    Expect { outcomes: &[(Class::Ok, &[])], close: Ending { codes: &[1002, 1008, 1009], ..Ending::FAILS } };
const BAD_TEXT: Expect = Expect {
    outcomes: &[(Class::Ok, &[])],
    close: Ending { codes: &[1007], decides: Decides::Side, ..Ending::FAILS },
};
/// The peer ends the connection in any way.
const ENDS: Expect = Expect {
    outcomes: &[(Class::Ok, &[])],
    close: Ending { codes: &[1000, 1001, 1002, 1006, 1007, 1011], ..Ending::FAILS },
};
const REFUSED: Expect = Expect {
    outcomes: &[(Class::Ok, &[])],
    close: Ending { by: By::Script, codes: &[1002], clean: false, decides: Decides::Code },
};
const BAD_REASON: Expect = Expect { close: Ending { codes: &[1002, 1007], ..REFUSED.close }, ..REFUSED };
const ANSWERED: Expect = Expect {
    outcomes: &[(Class::Ok, &[])],
    close: Ending { by: By::Script, codes: &[1000], clean: true, decides: Decides::Code },
};

const fn echo(outcomes: &'static [(Class, &'static [Event])]) -> Expect {
    Expect { outcomes, close: Ending::CLEAN }
}

/// `id level subject RULE "title" [steps] => EXPECT;`
macro_rules! scripts {
    ($($id:literal $level:ident $subject:ident $rule:path, $title:literal [$($step:expr),* $(,)?] => $expect:expr;)*) => {
        &[$(Case {
            id: $id,
            title: $title,
            rule: &$rule,
            level: Level::$level,
            subject: Subject::$subject,
            script: &[$($step),*],
            expect: $expect,
            ..Case::BASE
        }),*]
    };
}

use Step::{AwaitWithin, Begin, Bytes, HalfClose, Message, Times, Wait};

/// A step of one frame.
macro_rules! f {
    ($frame:expr) => {
        Step::Frame($frame)
    };
}

const HI: &[u8] = b"Hello";

pub(super) static MASKING: &[Case] = scripts! {
    "FRM-001.1" Must Both MASKED, "text masked as only the other side may" [f!(text(HI).wrongly_masked())] => FAILS_ANYHOW;
    "FRM-001.2" Must Both MASKED, "binary masked as only the other side may" [f!(binary(HI).wrongly_masked())] => FAILS_ANYHOW;
    "FRM-001.3" Must Both MASKED, "continuation masked as only the other side may" [f!(cont(HI).wrongly_masked())] => FAILS_ANYHOW;
    "FRM-002" Must Both MASKED, "Ping masked as only the other side may" [f!(ping(HI).wrongly_masked())] => FAILS_ANYHOW;
    "FRM-003" Must Both MASKED, "Close masked as only the other side may" [f!(close_code(1000).wrongly_masked())] => FAILS_ANYHOW;
    "FRM-004" Must Both MASKED, "empty text masked as only the other side may" [f!(text(b"").wrongly_masked())] => FAILS_ANYHOW;
    "FRM-005" Must Both MASKED, "second fragment masked as only the other side may"
        [f!(text(HI).more()), f!(cont(HI).wrongly_masked())] => FAILS_ANYHOW;
    "FRM-006" Must Server KEYS, "masking key of zeros" [f!(text(HI).key([0; 4]))]
        => echo(&[(Class::Ok, &[Event::Text(Payload::Bytes(HI))])]);
    "FRM-007" Must Server KEYS, "masked empty frame, then text" [f!(text(b"").key([1, 2, 3, 4])), f!(text(HI))]
        => echo(&[(Class::Ok, &[Event::Text(Payload::EMPTY), Event::Text(Payload::Bytes(HI))])]);
    "FRM-008.1" Must Both KEYS, "message of 63 bytes in fragments of 7"
        [Message(Kind::Binary, Payload::Cycle(b"0123456789", 63), 7)]
        => echo(&[(Class::Ok, &[Event::Binary(Payload::Cycle(b"0123456789", 63))])]);
    "FRM-008.2" Must Both KEYS, "message of 300 bytes in writes of 3"
        [Step::Pace(Pace::Bytes(3)), Message(Kind::Binary, Payload::Cycle(b"0123456789", 300), 0)]
        => echo(&[(Class::Ok, &[Event::Binary(Payload::Cycle(b"0123456789", 300))])]);
};

pub(super) static LENGTHS: &[Case] = scripts! {
    // SHOULD, not MUST: the MUST of §5.2 binds the sender; a receiver that checks it keeps senders honest.
    "FRM-016.1" Should Both MINIMAL, "length 0 in 16 bits" [f!(text(b"").form(LengthForm::Medium))] => FAILS;
    "FRM-016.2" Should Both MINIMAL, "length 5 in 16 bits" [f!(text(HI).form(LengthForm::Medium))] => FAILS;
    "FRM-016.3" Should Both MINIMAL, "length 125 in 16 bits" [f!(text(&[b'a'; 125]).form(LengthForm::Medium))] => FAILS;
    "FRM-017.1" Should Both MINIMAL, "length 0 in 64 bits" [f!(binary(b"").form(LengthForm::Long))] => FAILS;
    "FRM-017.2" Should Both MINIMAL, "length 125 in 64 bits" [f!(binary(&[1; 125]).form(LengthForm::Long))] => FAILS;
    "FRM-017.3" Should Both MINIMAL, "length 126 in 64 bits" [f!(binary(&[1; 126]).form(LengthForm::Long))] => FAILS;
    "FRM-017.4" Should Both MINIMAL, "length 65535 in 64 bits"
        [f!(Frame::of(2, Payload::Cycle(b"a", 65_535)).form(LengthForm::Long))] => FAILS;
    "FRM-018" Must Both TOP_BIT, "length 2^63" [f!(binary(b"").declaring(1 << 63))] => LIMITED;
    "FRM-019" Should Both HUGE, "length 2^63-1" [f!(binary(b"").declaring((1 << 63) - 1))] => LIMITED;
    "FRM-020.1" Must Both TOP_BIT, "length 2^64-1" [f!(binary(b"").declaring(u64::MAX))] => LIMITED;
    "FRM-020.2" Must Both TOP_BIT, "length 2^64-14" [f!(binary(b"").declaring(u64::MAX - 13))] => LIMITED;
    "FRM-023.1" Should Both MINIMAL, "Ping of 5 bytes with its length in 16 bits" [f!(ping(HI).form(LengthForm::Medium))] => FAILS;
    "FRM-023.2" Should Both MINIMAL, "Close with its length in 16 bits" [f!(close_code(1000).form(LengthForm::Medium))] => FAILS;
    "FRM-025.1" Should Both EARLY, "reserved opcode 3, declaring 2^40 bytes" [f!(Frame::of(3, Payload::EMPTY).declaring(1 << 40))] => FAILS;
    "FRM-025.2" Should Both EARLY, "reserved opcode 15, declaring 2^40 bytes" [f!(Frame::of(15, Payload::EMPTY).declaring(1 << 40))] => FAILS;
    "CTL-001.1" Must Both shared::CONTROL_LENGTH, "Pong of 126 bytes" [f!(pong(&[1; 126]))] => FAILS;
    "CTL-001.2" Should Both EARLY, "Ping that declares 2^40 bytes" [f!(ping(b"unheard").declaring(1 << 40))] => LIMITED;
    "CTL-001.3" Should Both EARLY, "Close that declares 2^40 bytes" [f!(close(b"").declaring(1 << 40))] => LIMITED;
};

/// A Ping that must stay unanswered holds data, which identifies a Pong for it.
const fn unheard(opcode: u8) -> Payload {
    if opcode == 9 { Payload::Bytes(b"unheard") } else { Payload::EMPTY }
}

/// Every reserved bit on every defined opcode, and the reserved opcodes in places where they could go unnoticed.
macro_rules! rsv_matrix {
    ($($opcode:literal $name:literal: $($bits:literal)*;)*) => {
        &[$($(Case {
            id: concat!("FRM-024.", $opcode, ".", $bits),
            title: concat!($name, " with RSV ", $bits),
            rule: &shared::RSV,
            script: &[f!(Frame::of($opcode, unheard($opcode)).rsv($bits))],
            expect: FAILS,
            ..Case::BASE
        }),*),*]
    };
}

pub(super) static RESERVED_BITS: &[Case] = rsv_matrix! {
    0 "continuation": 1 2 3 4 5 6 7;
    1 "text": 1 2 3 4 5 6 7;
    2 "binary": 1 2 3 4 5 6 7;
    8 "Close": 1 2 3 4 5 6 7;
    9 "Ping": 1 2 3 4 5 6 7;
    10 "Pong": 1 2 3 4 5 6 7;
};

pub(super) static STREAM: &[Case] = scripts! {
    "FRM-024.c" Must Both shared::RSV, "continuation of an open message with RSV 4" [f!(text(HI).more()), f!(cont(HI).rsv(4))] => FAILS;
    "FRM-026.1" Must Both shared::OPCODE, "reserved data opcode inside a message" [f!(text(HI).more()), f!(Frame::of(5, Payload::EMPTY))] => FAILS;
    "FRM-026.2" Must Both shared::OPCODE, "reserved control opcode inside a message" [f!(text(HI).more()), f!(Frame::of(13, Payload::EMPTY))] => FAILS;
    "FRM-027" Must Both shared::OPCODE, "reserved control opcode without FIN" [f!(Frame::of(11, Payload::EMPTY).more())] => FAILS;
    "FRM-030" Must Both CUTS, "text of 65536 bytes, cut in the header and every 1499 bytes"
        [Step::Pace(Pace::Bytes(1499)), f!(Frame::of(1, Payload::Cycle(b"0123456789", 65_536)))]
        => echo(&[(Class::Ok, &[Event::Text(Payload::Cycle(b"0123456789", 65_536))])]);
    "FRM-032" Must Both EOF, "header and half the payload, then the end" [Begin(text(HI).declaring(10)), HalfClose] => ENDS;
    "FRM-033" Must Both EOF, "half a header, then the end" [Bytes(b"\x81"), HalfClose] => ENDS;
    "FRM-035" Must Both NOT_FRAMES, "HTTP in place of frames" [Bytes(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")] => FAILS;
    "FRG-002" Should Both MANY, "text in 20000 fragments of one byte" [Message(Kind::Text, Payload::Cycle(b"a", 20_000), 1)]
        => Expect { outcomes: &[(Class::Ok, &[Event::Text(Payload::Cycle(b"a", 20_000))]), (Class::NonStrict, &[])], close: Ending::ANY };
    "FRG-003" Should Both MANY, "20000 empty continuation frames, then the last one"
        [f!(text(HI).more()), Times(cont(b"").more(), 20_000), f!(cont(b""))]
        => Expect { outcomes: &[(Class::Ok, &[Event::Text(Payload::Bytes(HI))]), (Class::Ok, &[])], close: Ending::ANY };
    "CTL-002" Must Both shared::CONTROL_FIN, "Close without FIN" [f!(close_code(1000).more())] => FAILS;
    "CTL-011" Should Both PROMPT, "a Ping, silence until its Pong comes or for a second, a text"
        [f!(ping(b"now")), AwaitWithin(1, 1000), f!(text(HI))]
        => echo(&[(Class::Ok, &[Event::Pong(Payload::Bytes(b"now")), Event::Text(Payload::Bytes(HI))]),
                  (Class::NonStrict, &[Event::Waited, Event::Pong(Payload::Bytes(b"now")), Event::Text(Payload::Bytes(HI))])]);
    "CTL-003" Must Both shared::PING, "two Pings inside a message"
        [f!(text(b"Hel").more()), f!(ping(b"a")), f!(ping(b"b")), f!(cont(b"lo"))]
        => echo(&[(Class::Ok, &[Event::Pong(Payload::Bytes(b"a")), Event::Pong(Payload::Bytes(b"b")), Event::Text(Payload::Bytes(HI))]),
                  (Class::NonStrict, &[Event::Pong(Payload::Bytes(b"b")), Event::Text(Payload::Bytes(HI))])]);
};

pub(super) static CHOPS: &[Case] = &{
    macro_rules! chops {
        ($($id:literal $cut:literal),*) => {
            [$(Case {
                id: $id,
                title: concat!("text in three fragments with a Ping between, ", $cut, " bytes for each write"),
                rule: &CUTS,
                script: &[
                    Step::Pace(Pace::Bytes($cut)),
                    f!(text(b"fragment one, ").more()),
                    f!(ping(b"between")),
                    f!(cont(b"fragment two, ").more()),
                    f!(cont(b"fragment three")),
                ],
                expect: echo(&[(Class::Ok, &[
                    Event::Pong(Payload::Bytes(b"between")),
                    Event::Text(Payload::Bytes(b"fragment one, fragment two, fragment three")),
                ])]),
                ..Case::BASE
            }),*]
        };
    }
    chops!("FRM-036.1" 1, "FRM-036.2" 2, "FRM-036.3" 3, "FRM-036.4" 5, "FRM-036.5" 7, "FRM-036.6" 11, "FRM-036.7" 13)
};

pub(super) static CLOSING: &[Case] = scripts! {
    "CLS-001" Should Both REGISTERED, "Close 1012" [f!(close_code(1012))] => Expect { close: Ending { codes: &[1000, 1012], ..ANSWERED.close }, ..ANSWERED };
    "CLS-002" Should Both REGISTERED, "Close 1013" [f!(close_code(1013))] => Expect { close: Ending { codes: &[1000, 1013], ..ANSWERED.close }, ..ANSWERED };
    "CLS-003" Should Both REGISTERED, "Close 1014" [f!(close_code(1014))] => Expect { close: Ending { codes: &[1000, 1014], ..ANSWERED.close }, ..ANSWERED };
    "CLS-004" Must Both shared::BAD_CODE, "Close 1" [f!(close_code(1))] => REFUSED;
    "CLS-005" Must Both shared::BAD_CODE, "Close 998" [f!(close_code(998))] => REFUSED;
    "CLS-006" Must Both shared::BAD_CODE, "Close 1015" [f!(close_code(1015))] => REFUSED;
    "CLS-007" Should Both RESERVED, "Close 1017" [f!(close_code(1017))] => REFUSED;
    "CLS-008" Should Both RESERVED, "Close 1099" [f!(close_code(1099))] => REFUSED;
    "CLS-009" Should Both RESERVED, "Close 1999" [f!(close_code(1999))] => REFUSED;
    "CLS-010" Should Both RESERVED, "Close 2001" [f!(close_code(2001))] => REFUSED;
    "CLS-011" Must Both shared::CLOSE_CODE, "Close 3001" [f!(close_code(3001))] => Expect { close: Ending { codes: &[1000, 3001], ..ANSWERED.close }, ..ANSWERED };
    "CLS-012" Must Both shared::CLOSE_CODE, "Close 3500" [f!(close_code(3500))] => Expect { close: Ending { codes: &[1000, 3500], ..ANSWERED.close }, ..ANSWERED };
    "CLS-013" Must Both shared::CLOSE_CODE, "Close 4001" [f!(close_code(4001))] => Expect { close: Ending { codes: &[1000, 4001], ..ANSWERED.close }, ..ANSWERED };
    "CLS-014" Must Both shared::CLOSE_CODE, "Close 4500" [f!(close_code(4500))] => Expect { close: Ending { codes: &[1000, 4500], ..ANSWERED.close }, ..ANSWERED };
    // MAY: the RFC says nothing about codes of 5000 and more, so both ways are right.
    "CLS-016" May Both shared::OPEN_CODE, "Close 5001" [f!(close_code(5001))] => Expect { outcomes: &[(Class::Informational, &[])], close: Ending::ANY };
    "CLS-017" May Both shared::OPEN_CODE, "Close 32768" [f!(close_code(32768))] => Expect { outcomes: &[(Class::Informational, &[])], close: Ending::ANY };
    "CLS-023.1" Must Both REASON, "reason that ends inside a character" [f!(close(b"\x03\xe8abc\xc3"))] => BAD_REASON;
    "CLS-023.2" Must Both REASON, "reason with a surrogate" [f!(close(b"\x03\xe8\xed\xa0\x80"))] => BAD_REASON;
    "CLS-023.3" Must Both REASON, "reason with an overlong form" [f!(close(b"\x03\xe8\xc0\xaf"))] => BAD_REASON;
    "CLS-023.4" Must Both REASON, "reason beyond U+10FFFF" [f!(close(b"\x03\xe8\xf4\x90\x80\x80"))] => BAD_REASON;
    "CLS-024" Must Both REASON, "reason with NUL, escapes and line ends" [f!(close(b"\x03\xe8\x00\x1b[31m\r\n"))] => ANSWERED;
    "CLS-031" Should Both WITH_CODE, "reserved bit: a Close with 1002 comes, and the closing handshake is done"
        [f!(text(HI).rsv(2))] => Expect { close: Ending { clean: true, ..Ending::FAILS }, ..FAILS };
    "CLS-032" Should Both FIRST, "a reserved bit, then a text that is not UTF-8"
        [f!(text(HI).rsv(2)), f!(text(b"\xff"))] => FAILS;
    "CLS-038" Must Both EOF, "the end of our half of the TCP connection, without a Close" [HalfClose] => ENDS;
    // The peer's Close gets no Close back, only the end of TCP (§7.1.5: not clean, but an end).
    "CLS-039.2" Must Both ABNORMAL, "a reserved bit, then the end of our half in place of a Close"
        [f!(text(HI).rsv(2)), HalfClose] => FAILS;
    "CLS-039" Should Both HALF, "Close, then the end of our half of the TCP connection" [f!(close_code(1000)), HalfClose] => ANSWERED;
};

/// Messages that one may hope every endpoint accepts; each size lies just beyond a limit that is in use.
pub(super) static SIZES: &[Case] = scripts! {
    "LIM-017.1" Should Both shared::LIMITS, "text of 4097 bytes" [f!(Frame::of(1, Payload::Cycle(b"0123456789", 4_097)))]
        => echo(&[(Class::Ok, &[Event::Text(Payload::Cycle(b"0123456789", 4_097))])]);
    "LIM-017.2" Should Both shared::LIMITS, "text of 8193 bytes" [f!(Frame::of(1, Payload::Cycle(b"0123456789", 8_193)))]
        => echo(&[(Class::Ok, &[Event::Text(Payload::Cycle(b"0123456789", 8_193))])]);
    "LIM-017.3" Should Both shared::LIMITS, "text of 16385 bytes" [f!(Frame::of(1, Payload::Cycle(b"0123456789", 16_385)))]
        => echo(&[(Class::Ok, &[Event::Text(Payload::Cycle(b"0123456789", 16_385))])]);
    "LIM-017.4" Should Both shared::LIMITS, "text of 32769 bytes" [f!(Frame::of(1, Payload::Cycle(b"0123456789", 32_769)))]
        => echo(&[(Class::Ok, &[Event::Text(Payload::Cycle(b"0123456789", 32_769))])]);
    "LIM-017.5" Should Both shared::LIMITS, "binary of 32769 bytes in fragments of 4000"
        [Message(Kind::Binary, Payload::Cycle(b"0123456789", 32_769), 4_000)]
        => echo(&[(Class::Ok, &[Event::Binary(Payload::Cycle(b"0123456789", 32_769))])]);
};

pub(super) static TEXTS: &[Case] = scripts! {
    "UTF-002" Must Both shared::UTF8, "a character cut between fragments, with a Ping between"
        [f!(text(b"a\xe2\x82").more()), f!(ping(b"p")), f!(cont(b"\xacb"))]
        => echo(&[(Class::Ok, &[Event::Pong(Payload::Bytes(b"p")), Event::Text(Payload::Bytes(b"a\xe2\x82\xacb"))])]);
    "UTF-003" Must Both shared::BAD_UTF8, "a character cut at the end of the last fragment"
        [f!(text(b"a\xe2").more()), f!(cont(b"\x82"))] => BAD_TEXT;
    "UTF-003.1" Should Both shared::FAST_UTF8, "a byte that no UTF-8 holds, in a message that goes on"
        [f!(text(b"\xff").more()), Wait(1000), f!(cont(b""))]
        => Expect { outcomes: &[(Class::Ok, &[]), (Class::NonStrict, &[Event::Waited])], ..BAD_TEXT };
    "UTF-004.1" Must Both shared::UTF8, "NUL" [f!(text(b"a\0b"))] => echo(&[(Class::Ok, &[Event::Text(Payload::Bytes(b"a\0b"))])]);
    "UTF-004.2" Must Both shared::UTF8, "a byte order mark, which stays"
        [f!(text(b"\xef\xbb\xbfa"))] => echo(&[(Class::Ok, &[Event::Text(Payload::Bytes(b"\xef\xbb\xbfa"))])]);
    "UTF-004.4" Must Both shared::UTF8, "a message that is a byte order mark and nothing else"
        [f!(text(b"\xef\xbb\xbf"))] => echo(&[(Class::Ok, &[Event::Text(Payload::Bytes(b"\xef\xbb\xbf"))])]);
    "UTF-004.5" Must Both shared::UTF8, "a byte order mark at the start of each fragment and each message"
        [f!(text(b"\xef\xbb\xbfa").more()), f!(cont(b"\xef\xbb\xbfb")), f!(text(b"\xef\xbb\xbfc"))]
        => echo(&[(Class::Ok, &[Event::Text(Payload::Bytes(b"\xef\xbb\xbfa\xef\xbb\xbfb")), Event::Text(Payload::Bytes(b"\xef\xbb\xbfc"))])]);
    "UTF-004.3" Must Both shared::UTF8, "private use"
        [f!(text(b"\xee\x80\x80\xf4\x8f\xbf\xbd"))] => echo(&[(Class::Ok, &[Event::Text(Payload::Bytes(b"\xee\x80\x80\xf4\x8f\xbf\xbd"))])]);
    "UTF-005" Must Both BINARY, "bytes that are not UTF-8, as binary"
        [f!(binary(b"\xff\xfe\x00\xc0\xaf"))] => echo(&[(Class::Ok, &[Event::Binary(Payload::Bytes(b"\xff\xfe\x00\xc0\xaf"))])]);
};
