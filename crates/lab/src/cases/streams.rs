//! Compressed messages byte by byte: framing, right and wrong DEFLATE streams, bombs (RFC 7692 §6, §7.2).
//!
//! Catalogue rows `PMD`. Not here: rows that depend on which parameters the peer prefers (028, 030), rows that only the
//! peer can check (032, 033, 040, 041), and what the offers and 12.*, 13.* check (029, 031).

use super::super::case::dsl::{binary, close_code, cont, ping, pong, text};
use super::super::case::{
    Case, Class, Decides, Deflate, Ending, Event, Expect, Frame, Kind, Level, Opening, Step, Subject,
};
use super::super::payload::Payload;

rule_table! {
    RSV1 = [7692 "6.1"], "RSV1 stands on the first frame of a compressed message and nowhere else.";
    PLAIN = [7692 "6"], "A message without RSV1 is not compressed.";
    FRAGMENTS = [7692 "6.1", 7692 "6.2"], "A compressed message may be fragmented anywhere, with control frames between.";
    INFLATE = [7692 "7.2.2"], "A message is inflated with 00 00 ff ff put back at its end.";
    BLOCKS = [7692 "7.2.3"], "A compressed message may hold any DEFLATE blocks.";
    FINAL = [7692 "7.2.3.4"], "A message may end with a final block, and the next one is read as any other.";
    BROKEN = [7692 "7.2.2", 1951 "3.2"], "A message that is no DEFLATE stream fails the connection.";
    UTF8 = [6455 "8.1"], "A text must be UTF-8 once it is inflated.";
    BOMB = [6455 "10.4", 7692 "8"], "The limit on a message holds for its inflated size.";
}

const HELLO: Event = Event::Text(Payload::Bytes(b"Hello"));
const DEFLATED: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";

const fn echo(outcomes: &'static [(Class, &'static [Event])]) -> Expect {
    Expect { outcomes, close: Ending::CLEAN }
}

const GREETS: Expect = echo(&[(Class::Ok, &[HELLO])]);
const FAILS: Expect = Expect { outcomes: &[(Class::Ok, &[])], close: Ending::FAILS };
/// RFC 7692 names no code for broken data, so endpoints use different ones.
const BREAKS: Expect = Expect {
    outcomes: &[(Class::Ok, &[])],
    close: Ending { codes: &[1002, 1003, 1007, 1011], ..Ending::FAILS },
};
const BAD_TEXT: Expect = Expect {
    outcomes: &[(Class::Ok, &[])],
    close: Ending { codes: &[1007], decides: Decides::Side, ..Ending::FAILS },
};
const TOO_BIG: Expect =
    Expect { outcomes: &[(Class::Ok, &[])], close: Ending { codes: &[1009, 1008, 1002], ..Ending::FAILS } };
const EITHER: Expect = Expect { outcomes: &[(Class::Ok, &[HELLO]), (Class::Ok, &[])], close: Ending::ANY };

macro_rules! scripts {
    ($($id:literal $level:ident $rule:ident, $title:literal [$($step:expr),* $(,)?] => $expect:expr;)*) => {
        &[$(Case {
            id: $id,
            title: $title,
            rule: &$rule,
            level: Level::$level,
            subject: Subject::Both,
            tags: &["deflate"],
            opening: Opening { deflate: Deflate::OFFER, ..Opening::GOOD },
            script: &[$($step),*],
            expect: $expect,
            ..Case::BASE
        }),*]
    };
}

/// A step of one frame.
macro_rules! f {
    ($frame:expr) => {
        Step::Frame($frame)
    };
}

/// A step of one compressed text message in one frame, with exactly these bytes.
macro_rules! z {
    ($bytes:expr) => {
        Step::Frame(text($bytes).rsv(4))
    };
}

pub(super) static FRAMING: &[Case] = scripts! {
    "PMD-001" Must RSV1, "RSV1 on a continuation frame" [f!(text(b"\xf2\x48\xcd").rsv(4).more()), f!(cont(b"\xc9\xc9\x07\x00").rsv(4))] => FAILS;
    "PMD-002.1" Must RSV1, "RSV1 on a Ping" [f!(ping(b"unheard").rsv(4))] => FAILS;
    "PMD-002.2" Must RSV1, "RSV1 on a Pong" [f!(pong(b"").rsv(4))] => FAILS;
    "PMD-002.3" Must RSV1, "RSV1 on a Close" [f!(close_code(1000).rsv(4))] => FAILS;
    "PMD-003" Must RSV1, "RSV1 on the second fragment only" [f!(text(b"a").more()), f!(cont(DEFLATED).rsv(4))] => FAILS;
    "PMD-004" Must PLAIN, "plain text and plain binary" [f!(text(b"Hello")), f!(binary(b"\xff"))]
        => echo(&[(Class::Ok, &[HELLO, Event::Binary(Payload::Bytes(b"\xff"))])]);
    "PMD-005" Must PLAIN, "compressed, plain, compressed"
        [Step::Message(Kind::Text, Payload::Bytes(b"Hello"), 0), f!(text(b"Hello")), Step::Message(Kind::Text, Payload::Bytes(b"Hello"), 0)]
        => echo(&[(Class::Ok, &[HELLO, HELLO, HELLO])]);
    "PMD-006" Must FRAGMENTS, "one byte for each fragment" [Step::Message(Kind::Text, Payload::Cycle(b"fragments, ", 500), 1)]
        => echo(&[(Class::Ok, &[Event::Text(Payload::Cycle(b"fragments, ", 500))])]);
    "PMD-007" Must FRAGMENTS, "a Ping between compressed fragments"
        [f!(text(b"\xf2\x48\xcd").rsv(4).more()), f!(ping(b"between")), f!(cont(b"\xc9\xc9\x07\x00"))]
        => echo(&[(Class::Ok, &[Event::Pong(Payload::Bytes(b"between")), HELLO])]);
    "PMD-007.2" Must FRAGMENTS, "a Ping between the fragments of a compressed binary message"
        [f!(binary(b"\xf2\x48\xcd").rsv(4).more()), f!(ping(b"between")), f!(cont(b"\xc9\xc9\x07\x00"))]
        => echo(&[(Class::Ok, &[Event::Pong(Payload::Bytes(b"between")), Event::Binary(Payload::Bytes(b"Hello"))])]);
    "PMD-008" Must FRAGMENTS, "empty first, middle and last fragments"
        [f!(text(b"").rsv(4).more()), f!(cont(b"\xf2\x48\xcd").more()), f!(cont(b"").more()), f!(cont(b"\xc9\xc9\x07\x00").more()), f!(cont(b""))] => GREETS;
};

pub(super) static STREAMS: &[Case] = scripts! {
    "PMD-009" Must INFLATE, "empty message as one byte 00" [z!(b"\x00")] => echo(&[(Class::Ok, &[Event::Text(Payload::EMPTY)])]);
    "PMD-010" Should INFLATE, "compressed message of no bytes" [z!(b"")]
        => Expect { outcomes: &[(Class::Ok, &[Event::Text(Payload::EMPTY)]), (Class::Ok, &[])], close: Ending::ANY };
    "PMD-011" Must BLOCKS, "a stored block" [z!(b"\x00\x05\x00\xfa\xffHello\x00")] => GREETS;
    "PMD-012" Must BROKEN, "a stored block whose NLEN is wrong" [z!(b"\x00\x05\x00\xfa\xfeHello\x00")] => BREAKS;
    "PMD-013" Must BLOCKS, "a block with BFINAL, then another message" [z!(b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), z!(DEFLATED)]
        => echo(&[(Class::Ok, &[HELLO, HELLO])]);
    // A peer that takes the end of a DEFLATE stream for the end of all compression loses the second message.
    "PMD-013.2" Must FINAL, "two messages in a row, each with BFINAL on its last block"
        [z!(b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), z!(b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00")]
        => echo(&[(Class::Ok, &[HELLO, HELLO])]);
    "PMD-014" Should BLOCKS, "BFINAL, and more blocks behind it" [z!(b"\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x48\xcd\xc9\xc9\x07\x00")]
        => Expect { outcomes: &[(Class::Ok, &[Event::Text(Payload::Bytes(b"HelloHello"))]), (Class::NonStrict, &[HELLO]), (Class::Ok, &[])], close: Ending::ANY };
    "PMD-015" Must BLOCKS, "two blocks" [z!(b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00")] => GREETS;
    "PMD-016" Must BLOCKS, "a stored and a fixed block" [z!(b"\x00\x02\x00\xfd\xffHe\xca\xc9\xc9\x07\x00")] => GREETS;
    "PMD-017" Should INFLATE, "a message that keeps its 00 00 ff ff" [z!(b"\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff")] => GREETS;
    "PMD-018" May INFLATE, "a stream cut before its end" [z!(b"\xf2\x48\xcd")] => Expect { outcomes: &[(Class::Informational, &[])], close: Ending::ANY };
    "PMD-019" Must BROKEN, "garbage behind a good block" [z!(b"\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff\x06\xff\xff")] => BREAKS;
    "PMD-020" Must BROKEN, "block type 3" [z!(b"\x06")] => BREAKS;
    "PMD-021" Must BROKEN, "a dynamic block with more codes than there are" [z!(b"\xfc\xff\xff\xff\xff\xff\xff\xff")] => BREAKS;
    "PMD-022" Must BROKEN, "a reference to before the first byte" [z!(b"\x02\x02\x00\x00")] => BREAKS;
    "PMD-023" Must BROKEN, "zlib in place of raw DEFLATE" [z!(b"\x78\x9c\xf2\x48\xcd\xc9\xc9\x07\x00\x05\x8c\x01\xf5")] => BREAKS;
    "PMD-024" Must INFLATE, "the example of RFC 7692 §7.2.3.1" [z!(DEFLATED)] => GREETS;
    "PMD-025" Must UTF8, "inflates to what is not UTF-8" [z!(b"\x00\x02\x00\xfd\xff\xff\xfe\x00")] => BAD_TEXT;
    "PMD-026" Must UTF8, "a character cut between blocks and fragments"
        [f!(text(b"\x00\x01\x00\xfe\xff\xc3").rsv(4).more()), f!(cont(b"\x00\x01\x00\xfe\xff\xb6\x00"))]
        => echo(&[(Class::Ok, &[Event::Text(Payload::Bytes(b"\xc3\xb6"))])]);
    "PMD-027" Should UTF8, "inflates to what is not UTF-8 and 8 KiB more, in a message that goes on"
        [f!(text(&NOT_UTF8_AT_FIRST).rsv(4).more()), Step::Wait(1000), f!(cont(b"\x00"))]
        => Expect { outcomes: &[(Class::Ok, &[]), (Class::NonStrict, &[Event::Waited])], ..BAD_TEXT };
};

/// A stored block that is not UTF-8 and one of 8 KiB: a peer may wait for the end of a short message before it inflates
/// it.
const NOT_UTF8_AT_FIRST: [u8; 12 + 8192] = {
    let mut bytes = [b'.'; 12 + 8192];
    let start = *b"\x00\x02\x00\xfd\xff\xff\xfe\x00\x00\x20\xff\xdf";
    let mut at = 0;
    while at < start.len() {
        bytes[at] = start[at];
        at += 1;
    }
    bytes
};

/// A stored block of one zero, and the first byte of a fixed block.
const BOMB_START: &[u8] = b"\x00\x01\x00\xfe\xff\x00\x1a";
/// "258 bytes from one byte back" eight times in that block: 13 bytes become 2064.
const MATCHES: &[u8] = b"\x05\xa3\x60\x14\x8c\x82\x51\x30\x0a\x46\xc1\x28\x18";

pub(super) static BOMBS: &[Case] = &[
    Case {
        id: "PMD-034",
        title: "1 MiB that inflates to about 165 MiB",
        rule: &BOMB,
        level: Level::Should,
        tags: &["deflate", "destructive", "heavy"],
        opening: Opening { deflate: Deflate::OFFER, ..Opening::GOOD },
        script: &[f!(binary(BOMB_START).rsv(4).more()), f!(Frame::of(0, Payload::Cycle(MATCHES, 1 << 20)))],
        expect: TOO_BIG,
        patience: 10_000,
        ..Case::BASE
    },
    Case {
        id: "PMD-035",
        title: "the same in fragments of 1300 bytes",
        rule: &BOMB,
        level: Level::Should,
        tags: &["deflate", "destructive", "heavy"],
        opening: Opening { deflate: Deflate::OFFER, ..Opening::GOOD },
        script: &[
            f!(binary(BOMB_START).rsv(4).more()),
            Step::Times(Frame::of(0, Payload::Cycle(MATCHES, 1300)).more(), 800),
            f!(Frame::of(0, Payload::Cycle(MATCHES, 1300))),
        ],
        expect: TOO_BIG,
        patience: 10_000,
        ..Case::BASE
    },
    Case {
        id: "PMD-037",
        title: "100000 empty stored blocks",
        rule: &BLOCKS,
        level: Level::Should,
        tags: &["deflate", "destructive"],
        opening: Opening { deflate: Deflate::OFFER, ..Opening::GOOD },
        script: &[
            f!(Frame::of(1, Payload::Cycle(b"\x00\x00\x00\xff\xff", 500_000)).rsv(4).more()),
            f!(cont(DEFLATED)),
        ],
        expect: EITHER,
        patience: 10_000,
        ..Case::BASE
    },
    Case {
        id: "PMD-039",
        title: "a compressed frame that declares 2^40 bytes",
        rule: &BOMB,
        level: Level::Should,
        tags: &["deflate", "destructive"],
        opening: Opening { deflate: Deflate::OFFER, ..Opening::GOOD },
        script: &[f!(binary(b"").rsv(4).declaring(1 << 40))],
        expect: TOO_BIG,
        ..Case::BASE
    },
];
