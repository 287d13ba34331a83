//! The opening handshake as a client sees it (RFC 6455 §4.1), and subprotocols in both directions.
//!
//! Catalogue rows `HSC` and `SUB`. Not here: rows about what an application asks of its client (HSC-001 to 006, 009 to
//! 014, 022 to 026, 030; SUB-019), about interim responses and bodies without end (HSC-019, 031), about a connection
//! that we would have to end inside the head (HSC-064), about servers configured for subprotocols (SUB-002, 005, 011),
//! and rows that every case checks anyway (HSC-007, 008, 065, 066).
//!
//! A client that accepts what it must refuse shows this by its echo.

use super::super::case::dsl::text;
use super::super::case::{
    Answer, Case, Class, Edit, Ending, Event, Expect, HeadCheck, Level, Opening, Pace, Step, Subject,
};
use super::super::payload::Payload;

rule_table! {
    STATUS = [6455 "4.1" "response 1"], "A response other than 101 is handled as HTTP, and opens nothing.";
    LINE = [9112 "4"], "A status line is a version, three digits and a reason, which may be anything or empty.";
    OLD = [9110 "7.8"], "HTTP/1.0 knows no upgrade, so that its 101 opens nothing.";
    INTERIM = [9110 "15.2"], "Interim responses may come before the final one.";
    UPGRADE = [6455 "4.1" "response 2"], "A response without Upgrade: websocket fails the connection.";
    ENDS = [6455 "4.1" "response 2", 6455 "7.1.7"], "A refused 101 ends the TCP connection: no other request follows on it.";
    CONNECTION = [6455 "4.1" "response 3"], "A response without Connection: Upgrade fails the connection.";
    ACCEPT = [6455 "4.1" "response 4"], "A response without the right Sec-WebSocket-Accept fails the connection.";
    ACCEPTS = [6455 "11.3.3"], "Sec-WebSocket-Accept comes once.";
    NAMES = [9110 "5.1", 9110 "5.5"], "Field names are compared without case, and blanks around values do not count.";
    EXTENSIONS = [6455 "4.1" "response 5", 6455 "9.1"], "An extension that was not offered fails the connection.";
    PROTOCOLS = [6455 "4.1" "response 6"], "A subprotocol that was not offered fails the connection.";
    PROTOCOL_FIELD = [6455 "4.2.2", 6455 "11.3.4"], "A response names at most one subprotocol, in one field.";
    CHOICE = [6455 "4.2.2" "4"], "A server names one of the offered subprotocols, or none.";
    NO_CONTENT = [9112 "6.3"], "A 101 has no content: what follows its head is frames.";
    VALUES = [9112 "5.1", 9112 "5.2", 9110 "5.5"], "A head that breaks the grammar is refused or mended, never passed on.";
    FRAMES = [6455 "4.1"], "Not one byte that follows the head is lost.";
    HTTP = [6455 "4.1"], "What is no HTTP response opens nothing.";
    OTHERS = [6455 "4.1"], "Fields that a client does not know change nothing.";
    LINEAR = [6455 "10.4"], "Long lists are read in linear time, or refused.";
    PATIENCE = [6455 "10.4"], "A server that does not answer the request is let go.";
    PARAMS = [7692 "7"], "An answer with a parameter that is unknown, repeated or malformed fails the connection.";
    BITS = [7692 "7.1.2"], "A window size in an answer is a number from 8 to 15 without leading zeros.";
    CLIENT_BITS = [7692 "7.1.2.2"], "client_max_window_bits in an answer has a value, and was offered.";
}

const REFUSES: &[(Class, Answer)] = &[(Class::Ok, Answer::Drops)];
const WAITS: &[(Class, Answer)] = &[(Class::Ok, Answer::Drops), (Class::Ok, Answer::Silent)];
const OPENS: &[(Class, Answer)] = &[(Class::Ok, Answer::Opens)];
const EITHER: &[(Class, Answer)] = &[(Class::Ok, Answer::Opens), (Class::Ok, Answer::Drops)];
const EITHER_STATUS: &[(Class, Answer)] =
    &[(Class::Ok, Answer::Opens), (Class::Ok, Answer::Status(&[])), (Class::Ok, Answer::Drops)];

const PROBE: &[Step] = &[Step::Frame(text(b"probe"))];
const PROBED: Expect =
    Expect { outcomes: &[(Class::Ok, &[Event::Text(Payload::Bytes(b"probe"))])], close: Ending::CLEAN };

const CLIENT: Case = Case {
    subject: Subject::Client,
    tags: &["handshake"],
    script: PROBE,
    expect: PROBED,
    patience: 1_500,
    ..Case::BASE
};
const SERVER: Case = Case { subject: Subject::Server, patience: 4_000, ..CLIENT };

/// `id level RULE "title" [edits] => ANSWERS;`, and optionally `checks [...]` before the arrow.
macro_rules! heads {
    ($base:ident: $($id:literal $level:ident $rule:ident $title:literal [$($edit:expr),*] $(checks [$($check:expr),*])? => $answers:ident;)*) => {
        &[$(Case {
            id: $id,
            title: $title,
            rule: &$rule,
            level: Level::$level,
            opening: Opening {
                edits: &[$($edit),*],
                answers: $answers,
                $(checks: &[$($check),*],)?
                ..Opening::GOOD
            },
            ..$base
        }),*]
    };
}

use Edit::{Add, BareLf, Before, First, Line, Long, MixedCase, Raw, Repeat, Without};

pub(super) static STATUSES: &[Case] = heads! { CLIENT:
    "HSC-015" Must STATUS "200 with everything else right" [First("HTTP/1.1 200 OK"), Add("Content-Length: 0")] => REFUSES;
    "HSC-016.1" Must STATUS "204" [First("HTTP/1.1 204 No Content")] => REFUSES;
    "HSC-016.2" Must STATUS "206" [First("HTTP/1.1 206 Partial Content"), Add("Content-Length: 0")] => REFUSES;
    "HSC-016.3" Must STATUS "304" [First("HTTP/1.1 304 Not Modified")] => REFUSES;
    "HSC-017" Should INTERIM "100, then 101" [Before(b"HTTP/1.1 100 Continue\r\n\r\n")] => OPENS;
    "HSC-018" Should INTERIM "103, then 101" [Before(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")] => OPENS;
    "HSC-020.1" Must STATUS "102 in place of 101" [First("HTTP/1.1 102 Processing")] => WAITS;
    "HSC-020.2" Must STATUS "199 in place of 101" [First("HTTP/1.1 199 Odd")] => WAITS;
    "HSC-021.1" May STATUS "301 without Location" [First("HTTP/1.1 301 Moved Permanently"), Add("Content-Length: 0")] => REFUSES;
    "HSC-021.2" May STATUS "307 without Location" [First("HTTP/1.1 307 Temporary Redirect"), Add("Content-Length: 0")] => REFUSES;
    "HSC-027" Must STATUS "401" [First("HTTP/1.1 401 Unauthorized"), Add("WWW-Authenticate: Basic realm=\"lab\""), Add("Content-Length: 0")] => REFUSES;
    "HSC-028" Should STATUS "426 that names 8 and 7" [First("HTTP/1.1 426 Upgrade Required"), Add("Sec-WebSocket-Version: 8, 7"), Add("Content-Length: 0")] => REFUSES;
    "HSC-029" Should STATUS "426 that names 13" [First("HTTP/1.1 426 Upgrade Required"), Add("Sec-WebSocket-Version: 8"), Add("Sec-WebSocket-Version: 13"), Add("Content-Length: 0")] => REFUSES;
    // SHOULD, not MUST: §4.1 does not list the version among the things a client checks.
    "HSC-032" Should OLD "101 of HTTP/1.0" [First("HTTP/1.0 101 Switching Protocols")] => REFUSES;
    "HSC-033.1" Must LINE "101 of HTTP/2" [First("HTTP/2 101 Switching Protocols")] => REFUSES;
    "HSC-033.2" Must LINE "status 1 01" [First("HTTP/1.1 1 01 Switching Protocols")] => REFUSES;
    "HSC-033.3" Must LINE "status 0101" [First("HTTP/1.1 0101 Switching Protocols")] => REFUSES;
    "HSC-033.4" Must LINE "status 101x" [First("HTTP/1.1 101x Switching Protocols")] => REFUSES;
    "HSC-034.1" Should LINE "no reason, but the blank before it" [First("HTTP/1.1 101 ")] => OPENS;
    "HSC-034.2" May LINE "no reason and no blank" [First("HTTP/1.1 101")] => EITHER;
    "HSC-035" Must LINE "another reason" [First("HTTP/1.1 101 Web Socket Protocol Handshake")] => OPENS;
};

pub(super) static FIELDS: &[Case] = heads! { CLIENT:
    "HSC-036" Must UPGRADE "no Upgrade" [Without("Upgrade")] => REFUSES;
    "HSC-036.2" Must ENDS "no Upgrade, and a connection that could carry another request"
        [Without("Upgrade"), Line("Connection", "Connection: keep-alive"), Add("Content-Length: 0")] => REFUSES;
    "HSC-037" Must UPGRADE "Upgrade: WebSocket" [Line("Upgrade", "Upgrade: WebSocket")] => OPENS;
    "HSC-038.1" Must UPGRADE "Upgrade: h2c" [Line("Upgrade", "Upgrade: h2c")] => REFUSES;
    "HSC-038.2" Must UPGRADE "Upgrade: websocketx" [Line("Upgrade", "Upgrade: websocketx")] => REFUSES;
    "HSC-038.3" Must UPGRADE "empty Upgrade" [Line("Upgrade", "Upgrade:")] => REFUSES;
    "HSC-039" Must CONNECTION "no Connection" [Without("Connection")] => REFUSES;
    "HSC-040" Must CONNECTION "Connection: upgrade" [Line("Connection", "Connection: upgrade")] => OPENS;
    "HSC-041" Must CONNECTION "Connection: keep-alive, Upgrade" [Line("Connection", "Connection: keep-alive, Upgrade")] => OPENS;
    "HSC-042" Must CONNECTION "two Connection fields" [Line("Connection", "Connection: keep-alive"), Add("Connection: Upgrade")] => OPENS;
    "HSC-043.1" Must CONNECTION "Connection: close" [Line("Connection", "Connection: close")] => REFUSES;
    "HSC-043.2" Must CONNECTION "Connection: keep-alive" [Line("Connection", "Connection: keep-alive")] => REFUSES;
    "HSC-044" Must CONNECTION "Connection: Upgraded" [Line("Connection", "Connection: Upgraded")] => REFUSES;
    "HSC-045" Must ACCEPT "no Sec-WebSocket-Accept" [Without("Sec-WebSocket-Accept")] => REFUSES;
    "HSC-046" Must ACCEPT "empty Sec-WebSocket-Accept" [Line("Sec-WebSocket-Accept", "Sec-WebSocket-Accept:")] => REFUSES;
    "HSC-047" Must ACCEPT "Sec-WebSocket-Accept for another key" [Line("Sec-WebSocket-Accept", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")] => REFUSES;
    "HSC-048" Must ACCEPT "the key as Sec-WebSocket-Accept" [Line("Sec-WebSocket-Accept", "Sec-WebSocket-Accept: {key}")] => REFUSES;
    "HSC-049" Must ACCEPT "Sec-WebSocket-Accept in the other case" [Line("Sec-WebSocket-Accept", "Sec-WebSocket-Accept: {tpecca}")] => REFUSES;
    "HSC-050" Must NAMES "blanks around Sec-WebSocket-Accept" [Line("Sec-WebSocket-Accept", "Sec-WebSocket-Accept: \t {accept} \t")] => OPENS;
    "HSC-051.1" Must ACCEPT "Sec-WebSocket-Accept with one more letter" [Line("Sec-WebSocket-Accept", "Sec-WebSocket-Accept: {accept}A")] => REFUSES;
    "HSC-051.2" Must ACCEPT "Sec-WebSocket-Accept with more padding" [Line("Sec-WebSocket-Accept", "Sec-WebSocket-Accept: {accept}=")] => REFUSES;
    "HSC-052.1" Must ACCEPTS "a right and a wrong Sec-WebSocket-Accept" [Add("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")] => REFUSES;
    "HSC-052.2" Must ACCEPTS "a wrong and a right Sec-WebSocket-Accept" [Line("Sec-WebSocket-Accept", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), Add("Sec-WebSocket-Accept: {accept}")] => REFUSES;
    "HSC-054" Must NAMES "field names in mixed case" [MixedCase] => OPENS;
    "HSC-055" May VALUES "lines end in LF alone" [BareLf] => EITHER;
    "HSC-056" Should LINEAR "a field of 1 MiB" [Long("X-Test: ", "a", 1_048_576)] => EITHER;
    "HSC-057.1" Should VALUES "a folded line" [Add("X-Test: a\r\n b")] => EITHER;
    "HSC-057.2" Should VALUES "a NUL inside a value" [Add("X-Test: a\0b")] => EITHER;
    "HSC-057.3" Should VALUES "a line without colon" [Add("X-Test")] => EITHER;
    "HSC-057.4" Should VALUES "a blank between name and colon" [Add("X-Test : a")] => EITHER;
    "HSC-058" Must NO_CONTENT "101 with Content-Length: 10" [Add("Content-Length: 10")] => EITHER;
    "HSC-059" Should NO_CONTENT "101 with Transfer-Encoding: chunked" [Add("Transfer-Encoding: chunked")] => EITHER;
    "HSC-067" Must HTTP "a frame in place of a response" [Raw(b"\x81\x05Hello")] => WAITS;
    "HSC-068" Must OTHERS "fields that servers like to add" [Add("Server: lab"), Add("Date: Mon, 23 Nov 2026 12:00:00 GMT"), Add("Set-Cookie: a=b; HttpOnly"), Add("Set-Cookie: c=d"), Add("X-Empty:")] => OPENS;
    "SUB-012" Must PROTOCOLS "a subprotocol that cannot have been offered" [Add("Sec-WebSocket-Protocol: {random}")] => REFUSES;
    "SUB-014" Must PROTOCOL_FIELD "two subprotocols in one field" [Add("Sec-WebSocket-Protocol: {random}, chat")] => REFUSES;
    "SUB-015" Must PROTOCOL_FIELD "two Sec-WebSocket-Protocol fields" [Add("Sec-WebSocket-Protocol: {random}"), Add("Sec-WebSocket-Protocol: chat")] => REFUSES;
    // MAY: an empty value names no subprotocol. It breaks the grammar, and nothing says what follows from that.
    "SUB-016" May PROTOCOL_FIELD "empty Sec-WebSocket-Protocol" [Add("Sec-WebSocket-Protocol:")] => EITHER;
};

/// None of these answers is right, whether or not the client offered permessage-deflate.
pub(super) static EXTENSION_ANSWERS: &[Case] = heads! { CLIENT:
    "EXT-013" Must EXTENSIONS "an extension that cannot have been offered" [Add("Sec-WebSocket-Extensions: x-{random}")] => REFUSES;
    "EXT-014" Must EXTENSIONS "two Sec-WebSocket-Extensions fields" [Add("Sec-WebSocket-Extensions: permessage-deflate"), Add("Sec-WebSocket-Extensions: x-{random}")] => REFUSES;
    "EXT-015" Must EXTENSIONS "the same extension twice" [Add("Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate")] => REFUSES;
    "EXT-016.1" Must EXTENSIONS "an element that is no token" [Add("Sec-WebSocket-Extensions: permessage deflate")] => REFUSES;
    "EXT-016.2" Must EXTENSIONS "an empty parameter" [Add("Sec-WebSocket-Extensions: permessage-deflate;;")] => REFUSES;
    "EXT-017" Should EXTENSIONS "empty Sec-WebSocket-Extensions" [Add("Sec-WebSocket-Extensions:")] => EITHER;
    "PMN-043" Must CLIENT_BITS "client_max_window_bits without a value" [Add("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")] => REFUSES;
    "PMN-050.1" Must BITS "server_max_window_bits=0" [Add("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=0")] => REFUSES;
    "PMN-050.2" Must BITS "server_max_window_bits=7" [Add("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=7")] => REFUSES;
    "PMN-050.3" Must BITS "server_max_window_bits=16" [Add("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=16")] => REFUSES;
    "PMN-050.4" Must BITS "server_max_window_bits=300" [Add("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=300")] => REFUSES;
    "PMN-050.5" Must BITS "server_max_window_bits=08" [Add("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=08")] => REFUSES;
    "PMN-050.6" Must BITS "server_max_window_bits without a value" [Add("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits")] => REFUSES;
    "PMN-054" Must PARAMS "server_no_context_takeover with a value" [Add("Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover=1")] => REFUSES;
    "PMN-055" Must PARAMS "a parameter twice" [Add("Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; server_no_context_takeover")] => REFUSES;
    "PMN-056" Must PARAMS "an unknown parameter" [Add("Sec-WebSocket-Extensions: permessage-deflate; x-{random}")] => REFUSES;
};

pub(super) static PIECES: &[Case] = &[
    Case {
        id: "HSC-060",
        title: "a text frame in the same write as the response",
        rule: &FRAMES,
        opening: Opening { edits: &[Edit::After(b"\x81\x05glued")], ..Opening::GOOD },
        script: &[],
        expect: Expect {
            outcomes: &[(Class::Ok, &[Event::Text(Payload::Bytes(b"glued"))])],
            close: Ending::CLEAN,
        },
        ..CLIENT
    },
    Case {
        id: "HSC-061",
        title: "one byte for each write",
        rule: &FRAMES,
        opening: Opening { pace: Pace::Bytes(1), ..Opening::GOOD },
        ..CLIENT
    },
    Case {
        id: "HSC-063",
        title: "no response",
        rule: &PATIENCE,
        level: Level::Should,
        tags: &["handshake", "slow"],
        opening: Opening { edits: &[Edit::Raw(b"")], answers: REFUSES, ..Opening::GOOD },
        // A frame in place of the response would also be an answer.
        script: &[],
        patience: 65_000,
        ..CLIENT
    },
];

pub(super) static SUBPROTOCOLS: &[Case] = heads! { SERVER:
    "SUB-001" Must CHOICE "no subprotocol offered" [] checks [HeadCheck::Lacks("sec-websocket-protocol")] => OPENS;
    "SUB-003" Must CHOICE "an unknown subprotocol offered" [Add("Sec-WebSocket-Protocol: {random}")] => EITHER_STATUS;
    "SUB-004" Must CHOICE "subprotocols offered in two fields" [Add("Sec-WebSocket-Protocol: {random}"), Add("Sec-WebSocket-Protocol: x-{random}")] => EITHER_STATUS;
    "SUB-006.1" Should CHOICE "empty members in the list" [Add("Sec-WebSocket-Protocol: , {random},,")] => EITHER_STATUS;
    "SUB-006.2" Should CHOICE "empty Sec-WebSocket-Protocol" [Add("Sec-WebSocket-Protocol:")] => EITHER_STATUS;
    "SUB-007" Should CHOICE "the same subprotocol twice" [Add("Sec-WebSocket-Protocol: {random}, {random}")] => EITHER_STATUS;
    "SUB-008.1" Should CHOICE "a subprotocol with a slash" [Add("Sec-WebSocket-Protocol: {random}/x")] checks [HeadCheck::Lacks("sec-websocket-protocol")] => EITHER_STATUS;
    "SUB-008.2" Should CHOICE "a subprotocol with a blank" [Add("Sec-WebSocket-Protocol: {random} x")] checks [HeadCheck::Lacks("sec-websocket-protocol")] => EITHER_STATUS;
    "SUB-009" Must LINEAR "a list of 12 KiB of blanks and commas" [Long("Sec-WebSocket-Protocol: a", " ,", 6_144)] => EITHER_STATUS;
    "SUB-010" Should LINEAR "a list of ten thousand names" [Long("Sec-WebSocket-Protocol: a", ", b", 10_000)] => EITHER_STATUS;
};

pub(super) static REPEATED: &[Case] = heads! { SERVER:
    "SUB-010.1" Should LINEAR "a hundred Sec-WebSocket-Protocol fields" [Repeat("Sec-WebSocket-Protocol: {random}", 80)] => EITHER_STATUS;
};
