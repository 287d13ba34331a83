//! Group 6: valid and invalid UTF-8 in texts.

use super::{BASE, echoes, rules};
use crate::case::dsl::{cont, text};
use crate::case::{By, Case, Class, Decides, Ending, Event, Expect, Kind, Step};
use crate::payload::Payload;

const GREEK: &[u8] = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";

const UMLAUTS: &[u8] = b"\x48\x65\x6c\x6c\x6f\x2d\xc2\xb5\x40\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1\x2d\x55\x54\x46\x2d\x38\x21\x21";
const SURROGATE: &[u8] = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64\x69\x74\x65\x64";

/// How many milliseconds a correct peer does nothing: long enough to notice one that reacts.
const HARMLESS: u16 = 200;
/// The peer fails the connection with 1007. If we have to close, it did not notice.
const BAD: Ending = Ending { by: By::Peer, codes: &[1007], clean: false, decides: Decides::Side };

/// Noticing after the second part is strict; noticing only after the last is not.
const FAST: Expect = Expect {
    outcomes: &[(Class::Ok, &[Event::Waited]), (Class::NonStrict, &[Event::Waited, Event::Waited])],
    close: BAD,
};

/// A text message in one frame, echoed if it is UTF-8.
macro_rules! texts {
    ($($id:literal $what:literal $verdict:ident $bytes:literal;)*) => {
        &[$(texts!(@ $verdict $id, $what, $bytes)),*]
    };
    (@ valid $id:literal, $what:literal, $bytes:literal) => {
        Case {
            id: $id,
            title: concat!($what, ", UTF-8"),
            rule: &rules::UTF8,
            script: &[Step::Frame(text($bytes))],
            expect: echoes(&[(Class::Ok, &[Event::Text(Payload::Bytes($bytes))])]),
            ..BASE
        }
    };
    (@ invalid $id:literal, $what:literal, $bytes:literal) => {
        Case {
            id: $id,
            title: concat!($what, ", not UTF-8"),
            rule: &rules::BAD_UTF8,
            script: &[Step::Frame(text($bytes))],
            expect: Expect { outcomes: &[(Class::Ok, &[])], close: BAD },
            ..BASE
        }
    };
}

pub(in crate::cases) static FRAGMENTS: &[Case] = &[
    Case {
        id: "6.1.1",
        title: "empty text",
        rule: &rules::UTF8,
        script: &[Step::Frame(text(b""))],
        expect: echoes(&[(Class::Ok, &[Event::Text(Payload::EMPTY)])]),
        ..BASE
    },
    Case {
        id: "6.1.2",
        title: "text in three empty fragments",
        rule: &rules::UTF8,
        script: &[Step::Frame(text(b"").more()), Step::Frame(cont(b"").more()), Step::Frame(cont(b""))],
        expect: echoes(&[(Class::Ok, &[Event::Text(Payload::EMPTY)])]),
        ..BASE
    },
    Case {
        id: "6.1.3",
        title: "text in three fragments, the first and the last empty",
        rule: &rules::UTF8,
        script: &[
            Step::Frame(text(b"").more()),
            Step::Frame(cont(b"middle frame payload").more()),
            Step::Frame(cont(b"")),
        ],
        expect: echoes(&[(Class::Ok, &[Event::Text(Payload::Bytes(b"middle frame payload"))])]),
        ..BASE
    },
    Case {
        id: "6.2.1",
        title: "text with characters of two bytes",
        rule: &rules::UTF8,
        script: &[Step::Frame(text(UMLAUTS))],
        expect: echoes(&[(Class::Ok, &[Event::Text(Payload::Bytes(UMLAUTS))])]),
        ..BASE
    },
    Case {
        id: "6.2.2",
        title: "the same in two fragments, cut between characters",
        rule: &rules::UTF8,
        script: &[
            Step::Frame(text(b"\x48\x65\x6c\x6c\x6f\x2d\xc2\xb5\x40\xc3\x9f\xc3\xb6\xc3\xa4").more()),
            Step::Frame(cont(b"\xc3\xbc\xc3\xa0\xc3\xa1\x2d\x55\x54\x46\x2d\x38\x21\x21")),
        ],
        expect: echoes(&[(Class::Ok, &[Event::Text(Payload::Bytes(UMLAUTS))])]),
        ..BASE
    },
    Case {
        id: "6.2.3",
        title: "the same, one byte for each fragment",
        rule: &rules::UTF8,
        script: &[Step::Message(Kind::Text, Payload::Bytes(UMLAUTS), 1)],
        expect: echoes(&[(Class::Ok, &[Event::Text(Payload::Bytes(UMLAUTS))])]),
        ..BASE
    },
    Case {
        id: "6.2.4",
        title: "Greek text, one byte for each fragment",
        rule: &rules::UTF8,
        script: &[Step::Message(Kind::Text, Payload::Bytes(GREEK), 1)],
        expect: echoes(&[(Class::Ok, &[Event::Text(Payload::Bytes(GREEK))])]),
        ..BASE
    },
    Case {
        id: "6.3.1",
        title: "text with an encoded surrogate",
        rule: &rules::BAD_UTF8,
        script: &[Step::Frame(text(SURROGATE))],
        expect: Expect { outcomes: &[(Class::Ok, &[])], close: BAD },
        ..BASE
    },
    Case {
        id: "6.3.2",
        title: "the same, one byte for each fragment",
        rule: &rules::BAD_UTF8,
        script: &[Step::Message(Kind::Text, Payload::Bytes(SURROGATE), 1)],
        expect: Expect { outcomes: &[(Class::Ok, &[])], close: BAD },
        ..BASE
    },
    Case {
        id: "6.4.1",
        title: "text in three fragments with waits between, the second beyond U+10FFFF",
        rule: &rules::FAST_UTF8,
        script: &[
            Step::Frame(text(GREEK).more()),
            Step::Wait(HARMLESS),
            Step::Frame(cont(b"\xf4\x90\x80\x80").more()),
            Step::Wait(1000),
            Step::Frame(cont(b"edited")),
        ],
        expect: FAST,
        ..BASE
    },
    Case {
        id: "6.4.2",
        title: "the same, the second fragment ending with the byte that shows it",
        rule: &rules::FAST_UTF8,
        script: &[
            Step::Frame(text(b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4").more()),
            Step::Wait(HARMLESS),
            Step::Frame(cont(b"\x90").more()),
            Step::Wait(1000),
            Step::Frame(cont(b"\x80\x80edited")),
        ],
        expect: FAST,
        ..BASE
    },
    Case {
        id: "6.4.3",
        title: "the same as 6.4.1, in one frame written in three parts",
        rule: &rules::FAST_UTF8,
        script: &[
            Step::Begin(text(GREEK).declaring(21)),
            Step::Wait(HARMLESS),
            Step::Part(b"\xf4\x90\x80\x80"),
            Step::Wait(1000),
            Step::Part(b"edited"),
        ],
        expect: FAST,
        ..BASE
    },
    Case {
        id: "6.4.4",
        title: "the same as 6.4.2, in one frame written in three parts",
        rule: &rules::FAST_UTF8,
        script: &[
            Step::Begin(text(b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4").declaring(21)),
            Step::Wait(HARMLESS),
            Step::Part(b"\x90"),
            Step::Wait(1000),
            Step::Part(b"\x80\x80edited"),
        ],
        expect: FAST,
        ..BASE
    },
];

pub(in crate::cases) static SINGLE: &[Case] = texts! {
    "6.5.1" "well-formed samples" valid b"\x68\x65\x6c\x6c\x6f\x24\x77\x6f\x72\x6c\x64";
    "6.5.2" "well-formed samples" valid b"\x68\x65\x6c\x6c\x6f\xc2\xa2\x77\x6f\x72\x6c\x64";
    "6.5.3" "well-formed samples" valid b"\x68\x65\x6c\x6c\x6f\xe2\x82\xac\x77\x6f\x72\x6c\x64";
    "6.5.4" "well-formed samples" valid b"\x68\x65\x6c\x6c\x6f\xf0\xa4\xad\xa2\x77\x6f\x72\x6c\x64";
    "6.5.5" "well-formed samples" valid b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";
    "6.6.1" "all prefixes of a Greek word" invalid b"\xce";
    "6.6.2" "all prefixes of a Greek word" valid b"\xce\xba";
    "6.6.3" "all prefixes of a Greek word" invalid b"\xce\xba\xe1";
    "6.6.4" "all prefixes of a Greek word" invalid b"\xce\xba\xe1\xbd";
    "6.6.5" "all prefixes of a Greek word" valid b"\xce\xba\xe1\xbd\xb9";
    "6.6.6" "all prefixes of a Greek word" invalid b"\xce\xba\xe1\xbd\xb9\xcf";
    "6.6.7" "all prefixes of a Greek word" valid b"\xce\xba\xe1\xbd\xb9\xcf\x83";
    "6.6.8" "all prefixes of a Greek word" invalid b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce";
    "6.6.9" "all prefixes of a Greek word" valid b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc";
    "6.6.10" "all prefixes of a Greek word" invalid b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce";
    "6.6.11" "all prefixes of a Greek word" valid b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";
    "6.7.1" "lowest code point of each length" valid b"\x00";
    "6.7.2" "lowest code point of each length" valid b"\xc2\x80";
    "6.7.3" "lowest code point of each length" valid b"\xe0\xa0\x80";
    "6.7.4" "lowest code point of each length" valid b"\xf0\x90\x80\x80";
    "6.8.1" "lowest 5- and 6-byte forms" invalid b"\xf8\x88\x80\x80\x80";
    "6.8.2" "lowest 5- and 6-byte forms" invalid b"\xfc\x84\x80\x80\x80\x80";
    "6.9.1" "highest code point of each length" valid b"\x7f";
    "6.9.2" "highest code point of each length" valid b"\xdf\xbf";
    "6.9.3" "highest code point of each length" valid b"\xef\xbf\xbf";
    "6.9.4" "highest code point of each length" valid b"\xf4\x8f\xbf\xbf";
    "6.10.1" "highest 4/5/6-byte forms" invalid b"\xf7\xbf\xbf\xbf";
    "6.10.2" "highest 4/5/6-byte forms" invalid b"\xfb\xbf\xbf\xbf\xbf";
    "6.10.3" "highest 4/5/6-byte forms" invalid b"\xfd\xbf\xbf\xbf\xbf\xbf";
    "6.11.1" "boundaries around surrogates and U+10FFFF" valid b"\xed\x9f\xbf";
    "6.11.2" "boundaries around surrogates and U+10FFFF" valid b"\xee\x80\x80";
    "6.11.3" "boundaries around surrogates and U+10FFFF" valid b"\xef\xbf\xbd";
    "6.11.4" "boundaries around surrogates and U+10FFFF" valid b"\xf4\x8f\xbf\xbf";
    "6.11.5" "boundaries around surrogates and U+10FFFF" invalid b"\xf4\x90\x80\x80";
    "6.12.1" "stray continuation bytes" invalid b"\x80";
    "6.12.2" "stray continuation bytes" invalid b"\xbf";
    "6.12.3" "stray continuation bytes" invalid b"\x80\xbf";
    "6.12.4" "stray continuation bytes" invalid b"\x80\xbf\x80";
    "6.12.5" "stray continuation bytes" invalid b"\x80\xbf\x80\xbf";
    "6.12.6" "stray continuation bytes" invalid b"\x80\xbf\x80\xbf\x80";
    "6.12.7" "stray continuation bytes" invalid b"\x80\xbf\x80\xbf\x80\xbf";
    "6.12.8" "stray continuation bytes" invalid b"\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\x97\x98\x99\x9a\x9b\x9c\x9d\x9e\x9f\xa0\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab\xac\xad\xae\xaf\xb0\xb1\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xbb\xbc\xbd\xbe";
    "6.13.1" "lead bytes each followed by a space" invalid b"\xc0\x20\xc1\x20\xc2\x20\xc3\x20\xc4\x20\xc5\x20\xc6\x20\xc7\x20\xc8\x20\xc9\x20\xca\x20\xcb\x20\xcc\x20\xcd\x20\xce\x20\xcf\x20\xd0\x20\xd1\x20\xd2\x20\xd3\x20\xd4\x20\xd5\x20\xd6\x20\xd7\x20\xd8\x20\xd9\x20\xda\x20\xdb\x20\xdc\x20\xdd\x20\xde\x20";
    "6.13.2" "lead bytes each followed by a space" invalid b"\xe0\x20\xe1\x20\xe2\x20\xe3\x20\xe4\x20\xe5\x20\xe6\x20\xe7\x20\xe8\x20\xe9\x20\xea\x20\xeb\x20\xec\x20\xed\x20\xee\x20";
    "6.13.3" "lead bytes each followed by a space" invalid b"\xf0\x20\xf1\x20\xf2\x20\xf3\x20\xf4\x20\xf5\x20\xf6\x20";
    "6.13.4" "lead bytes each followed by a space" invalid b"\xf8\x20\xf9\x20\xfa\x20";
    "6.13.5" "lead bytes each followed by a space" invalid b"\xfc\x20";
    "6.14.1" "last continuation byte missing" invalid b"\xc0";
    "6.14.2" "last continuation byte missing" invalid b"\xe0\x80";
    "6.14.3" "last continuation byte missing" invalid b"\xf0\x80\x80";
    "6.14.4" "last continuation byte missing" invalid b"\xf8\x80\x80\x80";
    "6.14.5" "last continuation byte missing" invalid b"\xfc\x80\x80\x80\x80";
    "6.14.6" "last continuation byte missing" invalid b"\xdf";
    "6.14.7" "last continuation byte missing" invalid b"\xef\xbf";
    "6.14.8" "last continuation byte missing" invalid b"\xf7\xbf\xbf";
    "6.14.9" "last continuation byte missing" invalid b"\xfb\xbf\xbf\xbf";
    "6.14.10" "last continuation byte missing" invalid b"\xfd\xbf\xbf\xbf\xbf";
    "6.15.1" "run of truncated sequences" invalid b"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80\xfc\x80\x80\x80\x80\xdf\xef\xbf\xf7\xbf\xbf\xfb\xbf\xbf\xbf\xfd\xbf\xbf\xbf\xbf";
    "6.16.1" "bytes FE and FF" invalid b"\xfe";
    "6.16.2" "bytes FE and FF" invalid b"\xff";
    "6.16.3" "bytes FE and FF" invalid b"\xfe\xfe\xff\xff";
    "6.17.1" "overlong slash" invalid b"\xc0\xaf";
    "6.17.2" "overlong slash" invalid b"\xe0\x80\xaf";
    "6.17.3" "overlong slash" invalid b"\xf0\x80\x80\xaf";
    "6.17.4" "overlong slash" invalid b"\xf8\x80\x80\x80\xaf";
    "6.17.5" "overlong slash" invalid b"\xfc\x80\x80\x80\x80\xaf";
    "6.18.1" "longest overlong forms" invalid b"\xc1\xbf";
    "6.18.2" "longest overlong forms" invalid b"\xe0\x9f\xbf";
    "6.18.3" "longest overlong forms" invalid b"\xf0\x8f\xbf\xbf";
    "6.18.4" "longest overlong forms" invalid b"\xf8\x87\xbf\xbf\xbf";
    "6.18.5" "longest overlong forms" invalid b"\xfc\x83\xbf\xbf\xbf\xbf";
    "6.19.1" "overlong NUL" invalid b"\xc0\x80";
    "6.19.2" "overlong NUL" invalid b"\xe0\x80\x80";
    "6.19.3" "overlong NUL" invalid b"\xf0\x80\x80\x80";
    "6.19.4" "overlong NUL" invalid b"\xf8\x80\x80\x80\x80";
    "6.19.5" "overlong NUL" invalid b"\xfc\x80\x80\x80\x80\x80";
    "6.20.1" "lone surrogates" invalid b"\xed\xa0\x80";
    "6.20.2" "lone surrogates" invalid b"\xed\xad\xbf";
    "6.20.3" "lone surrogates" invalid b"\xed\xae\x80";
    "6.20.4" "lone surrogates" invalid b"\xed\xaf\xbf";
    "6.20.5" "lone surrogates" invalid b"\xed\xb0\x80";
    "6.20.6" "lone surrogates" invalid b"\xed\xbe\x80";
    "6.20.7" "lone surrogates" invalid b"\xed\xbf\xbf";
    "6.21.1" "surrogate pairs" invalid b"\xed\xa0\x80\xed\xb0\x80";
    "6.21.2" "surrogate pairs" invalid b"\xed\xa0\x80\xed\xbf\xbf";
    "6.21.3" "surrogate pairs" invalid b"\xed\xad\xbf\xed\xb0\x80";
    "6.21.4" "surrogate pairs" invalid b"\xed\xad\xbf\xed\xbf\xbf";
    "6.21.5" "surrogate pairs" invalid b"\xed\xae\x80\xed\xb0\x80";
    "6.21.6" "surrogate pairs" invalid b"\xed\xae\x80\xed\xbf\xbf";
    "6.21.7" "surrogate pairs" invalid b"\xed\xaf\xbf\xed\xb0\x80";
    "6.21.8" "surrogate pairs" invalid b"\xed\xaf\xbf\xed\xbf\xbf";
    "6.22.1" "non-characters (valid)" valid b"\xef\xbf\xbe";
    "6.22.2" "non-characters (valid)" valid b"\xef\xbf\xbf";
    "6.22.3" "non-characters (valid)" valid b"\xf0\x9f\xbf\xbe";
    "6.22.4" "non-characters (valid)" valid b"\xf0\x9f\xbf\xbf";
    "6.22.5" "non-characters (valid)" valid b"\xf0\xaf\xbf\xbe";
    "6.22.6" "non-characters (valid)" valid b"\xf0\xaf\xbf\xbf";
    "6.22.7" "non-characters (valid)" valid b"\xf0\xbf\xbf\xbe";
    "6.22.8" "non-characters (valid)" valid b"\xf0\xbf\xbf\xbf";
    "6.22.9" "non-characters (valid)" valid b"\xf1\x8f\xbf\xbe";
    "6.22.10" "non-characters (valid)" valid b"\xf1\x8f\xbf\xbf";
    "6.22.11" "non-characters (valid)" valid b"\xf1\x9f\xbf\xbe";
    "6.22.12" "non-characters (valid)" valid b"\xf1\x9f\xbf\xbf";
    "6.22.13" "non-characters (valid)" valid b"\xf1\xaf\xbf\xbe";
    "6.22.14" "non-characters (valid)" valid b"\xf1\xaf\xbf\xbf";
    "6.22.15" "non-characters (valid)" valid b"\xf1\xbf\xbf\xbe";
    "6.22.16" "non-characters (valid)" valid b"\xf1\xbf\xbf\xbf";
    "6.22.17" "non-characters (valid)" valid b"\xf2\x8f\xbf\xbe";
    "6.22.18" "non-characters (valid)" valid b"\xf2\x8f\xbf\xbf";
    "6.22.19" "non-characters (valid)" valid b"\xf2\x9f\xbf\xbe";
    "6.22.20" "non-characters (valid)" valid b"\xf2\x9f\xbf\xbf";
    "6.22.21" "non-characters (valid)" valid b"\xf2\xaf\xbf\xbe";
    "6.22.22" "non-characters (valid)" valid b"\xf2\xaf\xbf\xbf";
    "6.22.23" "non-characters (valid)" valid b"\xf2\xbf\xbf\xbe";
    "6.22.24" "non-characters (valid)" valid b"\xf2\xbf\xbf\xbf";
    "6.22.25" "non-characters (valid)" valid b"\xf3\x8f\xbf\xbe";
    "6.22.26" "non-characters (valid)" valid b"\xf3\x8f\xbf\xbf";
    "6.22.27" "non-characters (valid)" valid b"\xf3\x9f\xbf\xbe";
    "6.22.28" "non-characters (valid)" valid b"\xf3\x9f\xbf\xbf";
    "6.22.29" "non-characters (valid)" valid b"\xf3\xaf\xbf\xbe";
    "6.22.30" "non-characters (valid)" valid b"\xf3\xaf\xbf\xbf";
    "6.22.31" "non-characters (valid)" valid b"\xf3\xbf\xbf\xbe";
    "6.22.32" "non-characters (valid)" valid b"\xf3\xbf\xbf\xbf";
    "6.22.33" "non-characters (valid)" valid b"\xf4\x8f\xbf\xbe";
    "6.22.34" "non-characters (valid)" valid b"\xf4\x8f\xbf\xbf";
    "6.23.1" "specials U+FFF9..U+FFFF (valid)" valid b"\xef\xbf\xb9";
    "6.23.2" "specials U+FFF9..U+FFFF (valid)" valid b"\xef\xbf\xba";
    "6.23.3" "specials U+FFF9..U+FFFF (valid)" valid b"\xef\xbf\xbb";
    "6.23.4" "specials U+FFF9..U+FFFF (valid)" valid b"\xef\xbf\xbc";
    "6.23.5" "specials U+FFF9..U+FFFF (valid)" valid b"\xef\xbf\xbd";
    "6.23.6" "specials U+FFF9..U+FFFF (valid)" valid b"\xef\xbf\xbe";
    "6.23.7" "specials U+FFF9..U+FFFF (valid)" valid b"\xef\xbf\xbf";
};
