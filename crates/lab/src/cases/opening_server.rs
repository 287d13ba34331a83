//! The opening handshake as a server sees it: request line, fields, HTTP hygiene (RFC 6455 §4.2; RFC 9112).
//!
//! Catalogue rows `HSS`. Not here: rows that need a server configured for them (005 body, 016, 031, 038,
//! 125 to 128, 130 to 134, 136), rows with two requests on one connection (085, 112), rows about many clients
//! (117), and rows that every case checks anyway (003, 120, 122).

use super::super::case::dsl::text;
use super::super::case::{
    Answer, Case, Class, Edit, Ending, Event, Expect, HeadCheck, Level, Opening, Pace, Step, Subject,
};
use super::super::payload::Payload;

rule_table! {
    METHOD = [6455 "4.2.1" "1"], "An opening handshake is a GET request of HTTP/1.1 or higher.";
    GRAMMAR = [9112 "2.2", 9112 "3", 9112 "5"], "What is not an HTTP/1.1 message is answered with 400.";
    TARGET = [9112 "3.2"], "The request target names a resource, in origin form or in absolute form.";
    BLANK = [9112 "2.2"], "A server ignores at least one empty line before the request line.";
    HOST = [9112 "3.2"], "A request without one valid Host field is answered with 400.";
    HOSTS = [6455 "4.2.1" "2"], "A Host field may hold any authority.";
    UPGRADE = [6455 "4.2.1" "3"], "The Upgrade field holds \"websocket\", whatever its case.";
    CONNECTION = [6455 "4.2.1" "4"], "The Connection field holds the token \"Upgrade\", whatever its case.";
    KEY = [6455 "4.2.1" "5"], "There is one Sec-WebSocket-Key of 16 bytes in base64.";
    ACCEPT = [6455 "4.2.2" "5"], "Sec-WebSocket-Accept follows from the key exactly as it was sent.";
    NAMES = [9110 "5.1"], "Field names are compared without case, and fields come in any order.";
    VERSION = [6455 "4.2.2" "4"], "Another version is refused, and the answer names 13 in Sec-WebSocket-Version.";
    VERSIONS = [6455 "4.2.1" "6", 6455 "4.3"], "Sec-WebSocket-Version is the one number 13.";
    SAYS_426 = [9110 "15.5.22", 9110 "7.8"], "A 426 names the protocol to upgrade to.";
    VALUES = [9112 "2.2", 9112 "5.2", 9110 "5.5"], "CR, NUL and folded lines in a value are refused or replaced by blanks.";
    COLON = [9112 "5.1"], "A blank between name and colon is answered with 400.";
    SIZE = [6455 "10.4", 6585 "5"], "A server bounds the head it is ready to read.";
    BODY = [9112 "6.1", 9112 "6.3"], "The content of a request is never read as frames.";
    BOTH = [9112 "6.1"], "A request with Content-Length and Transfer-Encoding is the last on its connection, which opens nothing else.";
    LENGTH = [9112 "6.3" "5"], "A Content-Length that is no number is answered with 400.";
    EXPECTS = [9110 "10.1.1"], "Expect: 100-continue is answered, not waited for.";
    OTHERS = [6455 "4.2.1" "10"], "Fields that a server does not know change nothing.";
    CUTS = [6455 "4.2.1"], "A head may come in any number of pieces.";
    AFTER = [6455 "4.1", 6455 "5.2"], "What follows the head is frames, from its first byte on.";
    PLAIN = [9110 "15.5.22"], "A request that asks for no upgrade gets an HTTP response.";
    TIMEOUT = [6455 "10.4"], "A client that does not finish its request is let go.";
    NO_ACCEPT = [6455 "4.2.2"], "A response that refuses holds no Sec-WebSocket-Accept.";
    REFLECT = [6455 "10.7"], "What a client sends is not sent back unescaped.";
    NO_CONTENT = [9110 "8.6", 9112 "6.1"], "A 101 has neither Content-Length nor Transfer-Encoding.";
    NO_ECHO = [6455 "4.2.2" "5"], "Request fields are not repeated in the response.";
    ORIGIN = [6454 "7.3"], "There is at most one Origin field.";
}

const REFUSED: &[(Class, Answer)] = &[(Class::Ok, Answer::Status(&[])), (Class::NonStrict, Answer::Drops)];
const BAD_REQUEST: &[(Class, Answer)] = &[
    (Class::Ok, Answer::Status(&[400])),
    (Class::NonStrict, Answer::Status(&[])),
    (Class::NonStrict, Answer::Drops),
];
/// Any response but an upgrade: a server that ignores the Upgrade field serves a page.
const NO_UPGRADE: &[(Class, Answer)] = &[(Class::Ok, Answer::Refuses), (Class::NonStrict, Answer::Drops)];
const OPENS: &[(Class, Answer)] = &[(Class::Ok, Answer::Opens)];
const EITHER: &[(Class, Answer)] =
    &[(Class::Ok, Answer::Opens), (Class::Ok, Answer::Status(&[])), (Class::Ok, Answer::Drops)];
const RATHER_NOT: &[(Class, Answer)] =
    &[(Class::Ok, Answer::Status(&[])), (Class::Ok, Answer::Drops), (Class::NonStrict, Answer::Opens)];
/// A client has to wait for the response, so a server may refuse a client that does not.
const RATHER_OPENS: &[(Class, Answer)] =
    &[(Class::Ok, Answer::Opens), (Class::NonStrict, Answer::Status(&[])), (Class::NonStrict, Answer::Drops)];
const ENDS: &[(Class, Answer)] = &[(Class::Ok, Answer::Status(&[])), (Class::Ok, Answer::Drops)];
const WHATEVER: &[(Class, Answer)] =
    &[(Class::Ok, Answer::Status(&[])), (Class::Ok, Answer::Drops), (Class::Ok, Answer::Silent)];

const PROBE: &[Step] = &[Step::Frame(text(b"probe"))];
const PROBED: Expect =
    Expect { outcomes: &[(Class::Ok, &[Event::Text(Payload::Bytes(b"probe"))])], close: Ending::CLEAN };

/// If the connection opens, a message is echoed on it.
const BASE: Case =
    Case { subject: Subject::Server, tags: &["handshake"], script: PROBE, expect: PROBED, ..Case::BASE };

/// `id level RULE "title" [edits] => ANSWERS;`, and optionally `checks [...]` before the arrow.
macro_rules! requests {
    ($($id:literal $level:ident $rule:ident $title:literal [$($edit:expr),*] $(checks [$($check:expr),*])? => $answers:ident;)*) => {
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
            ..BASE
        }),*]
    };
}

use Edit::{Add, After, BareLf, Before, Cut, First, Line, Long, MixedCase, Raw, Repeat, Target, Without};

pub(super) static REQUEST_LINE: &[Case] = requests! {
    "HSS-001" Must ACCEPT "a minimal well-formed request" [] => OPENS;
    "HSS-002" Must ACCEPT "the key of RFC 6455 §1.3"
        [Line("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")]
        checks [HeadCheck::Has("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")] => OPENS;
    "HSS-004" Must METHOD "POST" [First("POST {target} HTTP/1.1"), Add("Content-Length: 0")] => REFUSED;
    "HSS-005" Must METHOD "HEAD" [First("HEAD {target} HTTP/1.1")] => NO_UPGRADE;
    "HSS-006.1" Must METHOD "CONNECT" [First("CONNECT {host} HTTP/1.1")] => REFUSED;
    "HSS-006.2" Must METHOD "OPTIONS" [First("OPTIONS {target} HTTP/1.1")] => NO_UPGRADE;
    "HSS-006.3" Must METHOD "PUT" [First("PUT {target} HTTP/1.1"), Add("Content-Length: 0")] => REFUSED;
    "HSS-006.4" Must METHOD "DELETE" [First("DELETE {target} HTTP/1.1")] => REFUSED;
    "HSS-007" Must METHOD "method in lower case" [First("get {target} HTTP/1.1")] => REFUSED;
    "HSS-008" Must METHOD "unknown method" [First("FOO {target} HTTP/1.1")] => REFUSED;
    "HSS-009" Must METHOD "HTTP/1.0" [First("GET {target} HTTP/1.0")] => NO_UPGRADE;
    "HSS-010" Must METHOD "no version in the request line" [First("GET {target}")] => REFUSED;
    "HSS-011" May METHOD "HTTP/1.2" [First("GET {target} HTTP/1.2")] => EITHER;
    "HSS-012" Should METHOD "HTTP/2.0 in an HTTP/1 request line" [First("GET {target} HTTP/2.0")] => REFUSED;
    "HSS-013.1" Must GRAMMAR "version HTTP/1.1x" [First("GET {target} HTTP/1.1x")] => REFUSED;
    "HSS-013.2" Must GRAMMAR "version http/1.1" [First("GET {target} http/1.1")] => REFUSED;
    "HSS-013.3" Must GRAMMAR "version HTTP/11" [First("GET {target} HTTP/11")] => REFUSED;
    "HSS-014" Should GRAMMAR "the preface of HTTP/2" [Raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")] => ENDS;
    "HSS-015" Should GRAMMAR "a TLS ClientHello" [Raw(CLIENT_HELLO)] => ENDS;
    "HSS-017" Should BLANK "an empty line before the request line" [Before(b"\r\n")] => OPENS;
    // The RFC names no bound, so skipping all of them is allowed.
    "HSS-018" Should BLANK "a thousand empty lines before the request line" [Before(&CRLFS)] => RATHER_NOT;
    "HSS-019.1" Should GRAMMAR "two blanks before the target" [First("GET  {target} HTTP/1.1")] => RATHER_NOT;
    "HSS-019.2" Should GRAMMAR "a tab before the target" [First("GET\t{target} HTTP/1.1")] => RATHER_NOT;
    "HSS-020" Should TARGET "a blank inside the target" [First("GET {target} x HTTP/1.1")] => NO_UPGRADE;
    "HSS-021" Must TARGET "absolute-form target" [First("GET http://{host}{target} HTTP/1.1")] => OPENS;
    "HSS-022" May TARGET "absolute-form target for another host"
        [First("GET http://elsewhere.example{target} HTTP/1.1")] => EITHER;
    "HSS-023" Should TARGET "target *" [First("GET * HTTP/1.1")] => REFUSED;
    "HSS-024" Should TARGET "authority-form target" [First("GET {host} HTTP/1.1")] => REFUSED;
    "HSS-025.1" Must TARGET "empty target" [First("GET  HTTP/1.1")] => REFUSED;
    "HSS-025.2" Must TARGET "target without a path" [First("GET ?a=b HTTP/1.1")] => REFUSED;
    "HSS-026" Must TARGET "target with a long query"
        [First("GET {target}?a=1&b=2&c=%20&d=/?e=f&g=h;i&j=&k&l=m+n&o=%F0%9F%9A%A2&p=@:!$'()*,;=&q=1 HTTP/1.1")] => OPENS;
    "HSS-027" Should TARGET "target with a fragment" [First("GET {target}#top HTTP/1.1")] => RATHER_NOT;
    "HSS-028" Should REFLECT "target with escaped NUL, CR LF and .."
        [First("GET {target}%00%0d%0aX-Injected:%20yes/..%2f HTTP/1.1")]
        checks [HeadCheck::Lacks("x-injected")] => EITHER;
    "HSS-029" Should TARGET "target with raw bytes beyond ASCII" [First("GET {target}\u{e9}\u{ff} HTTP/1.1")] => EITHER;
    "HSS-030" Should SIZE "target of 128 KiB" [Target(131_072)] => RATHER_NOT;
};

pub(super) static HOST_FIELD: &[Case] = requests! {
    "HSS-032" Must HOST "no Host" [Without("Host")] => REFUSED;
    "HSS-033" Must HOST "two Host fields that differ" [Add("Host: elsewhere.example")] => BAD_REQUEST;
    "HSS-034" Must HOST "two Host fields that agree" [Add("Host: {host}")] => BAD_REQUEST;
    "HSS-035" May HOST "empty Host" [Line("Host", "Host:")] => EITHER;
    // SHOULD, not MUST: a server may serve only the names that it knows (RFC 9110 §7.4).
    "HSS-036.1" Should HOSTS "Host with a port" [Line("Host", "Host: localhost:9001")] => OPENS;
    "HSS-036.2" Should HOSTS "Host with an IPv6 address" [Line("Host", "Host: [::1]:9001")] => OPENS;
    "HSS-036.3" Should HOSTS "Host that ends in a dot" [Line("Host", "Host: localhost.")] => OPENS;
    "HSS-036.4" Should HOSTS "Host in mixed case" [Line("Host", "Host: LocalHost")] => OPENS;
    "HSS-037.1" Must HOST "Host with user information" [Line("Host", "Host: user@{host}")] => BAD_REQUEST;
    "HSS-037.2" Must HOST "Host with a path" [Line("Host", "Host: {host}/path")] => BAD_REQUEST;
    "HSS-037.3" Must HOST "Host with a blank" [Line("Host", "Host: {host} elsewhere")] => BAD_REQUEST;
};

pub(super) static UPGRADE_FIELDS: &[Case] = requests! {
    "HSS-039" Must UPGRADE "no Upgrade" [Without("Upgrade")] => NO_UPGRADE;
    "HSS-040" Must UPGRADE "Upgrade: h2c" [Line("Upgrade", "Upgrade: h2c")] => NO_UPGRADE;
    "HSS-041.1" Must UPGRADE "Upgrade: websockets" [Line("Upgrade", "Upgrade: websockets")] => NO_UPGRADE;
    "HSS-041.2" Must UPGRADE "Upgrade: webSocket2" [Line("Upgrade", "Upgrade: webSocket2")] => NO_UPGRADE;
    "HSS-041.3" Must UPGRADE "Upgrade: web socket" [Line("Upgrade", "Upgrade: web socket")] => NO_UPGRADE;
    "HSS-042.1" Must UPGRADE "Upgrade: WebSocket" [Line("Upgrade", "Upgrade: WebSocket")] => OPENS;
    "HSS-042.2" Must UPGRADE "Upgrade: WEBSOCKET" [Line("Upgrade", "Upgrade: WEBSOCKET")] => OPENS;
    "HSS-043" Should UPGRADE "Upgrade: h2c, websocket" [Line("Upgrade", "Upgrade: h2c, websocket")] => OPENS;
    "HSS-044" Should UPGRADE "two Upgrade fields, websocket in the second"
        [Line("Upgrade", "Upgrade: h2c"), Add("Upgrade: websocket")] => OPENS;
    "HSS-045" May UPGRADE "Upgrade: websocket/13" [Line("Upgrade", "Upgrade: websocket/13")] => EITHER;
    "HSS-046" Must UPGRADE "Upgrade: notwebsocket" [Line("Upgrade", "Upgrade: notwebsocket")] => NO_UPGRADE;
    "HSS-047" Must UPGRADE "empty Upgrade" [Line("Upgrade", "Upgrade:")] => NO_UPGRADE;
    "HSS-048" Must CONNECTION "no Connection" [Without("Connection")] => NO_UPGRADE;
    "HSS-049" Must CONNECTION "Connection: keep-alive" [Line("Connection", "Connection: keep-alive")] => NO_UPGRADE;
    "HSS-050" Must CONNECTION "Connection: keep-alive, Upgrade"
        [Line("Connection", "Connection: keep-alive, Upgrade")] => OPENS;
    "HSS-051.1" Must CONNECTION "Connection: upgrade" [Line("Connection", "Connection: upgrade")] => OPENS;
    "HSS-051.2" Must CONNECTION "Connection: UPGRADE" [Line("Connection", "Connection: UPGRADE")] => OPENS;
    "HSS-052" Must CONNECTION "two Connection fields, Upgrade in the second"
        [Line("Connection", "Connection: keep-alive"), Add("Connection: Upgrade")] => OPENS;
    "HSS-053.1" Must CONNECTION "Connection: upgraded" [Line("Connection", "Connection: upgraded")] => NO_UPGRADE;
    "HSS-053.2" Must CONNECTION "Connection: x-upgrade" [Line("Connection", "Connection: x-upgrade")] => NO_UPGRADE;
    "HSS-053.3" Must CONNECTION "Connection: no-upgrade" [Line("Connection", "Connection: no-upgrade")] => NO_UPGRADE;
    "HSS-054" May CONNECTION "Connection: close, Upgrade" [Line("Connection", "Connection: close, Upgrade")] => EITHER;
    "HSS-055" Must CONNECTION "empty members in the list" [Line("Connection", "Connection: , ,Upgrade,,")] => OPENS;
    "HSS-056" Should CONNECTION "Upgrade as a quoted string" [Line("Connection", "Connection: \"Upgrade\"")] => NO_UPGRADE;
    "HSS-057" May CONNECTION "Sec-WebSocket-Key named as an option of the connection"
        [Line("Connection", "Connection: Upgrade, Sec-WebSocket-Key")] => EITHER;
};

pub(super) static KEYS: &[Case] = requests! {
    "HSS-058" Must KEY "no key" [Without("Sec-WebSocket-Key")] => REFUSED;
    "HSS-059" Must KEY "empty key" [Line("Sec-WebSocket-Key", "Sec-WebSocket-Key:")] => REFUSED;
    "HSS-060" Must KEY "key of 15 bytes" [Line("Sec-WebSocket-Key", "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0O")] => REFUSED;
    "HSS-061" Must KEY "key of 17 bytes" [Line("Sec-WebSocket-Key", "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODxA=")] => REFUSED;
    "HSS-062" Must KEY "key of padding alone" [Line("Sec-WebSocket-Key", "Sec-WebSocket-Key: ====")] => REFUSED;
    "HSS-063" Must KEY "24 bytes that are not base64"
        [Line("Sec-WebSocket-Key", "Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!!!")] => REFUSED;
    "HSS-064" Must KEY "key in the alphabet for URLs"
        [Line("Sec-WebSocket-Key", "Sec-WebSocket-Key: -_-_-_-_-_-_-_-_-_-_-w==")] => REFUSED;
    "HSS-065" Must KEY "key without padding" [Line("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ")] => REFUSED;
    "HSS-066" Must KEY "key with half the padding" [Line("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=")] => REFUSED;
    "HSS-067" May KEY "key whose last letter has bits that mean nothing"
        [Line("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==")] => EITHER;
    "HSS-068" Must ACCEPT "blanks around the key" [Line("Sec-WebSocket-Key", "Sec-WebSocket-Key: \t {key} \t ")] => OPENS;
    "HSS-069" Must KEY "a blank inside the key" [Line("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBs ZSBub25jZQ==")] => REFUSED;
    "HSS-070" Must KEY "two keys that differ" [Add("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")] => REFUSED;
    "HSS-071" Must KEY "two keys that agree" [Add("Sec-WebSocket-Key: {key}")] => REFUSED;
    "HSS-072" Must KEY "key of 8 KiB" [Without("Sec-WebSocket-Key"), Long("Sec-WebSocket-Key: ", "AAAA", 2048)] => REFUSED;
    "HSS-073" Must ACCEPT "key of zeros" [Line("Sec-WebSocket-Key", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")] => OPENS;
    "HSS-074" Must NAMES "field names in mixed case, Host last"
        [Without("Host"), Add("Host: {host}"), MixedCase] => OPENS;
};

const NAMES_13: HeadCheck = HeadCheck::RefusalHas("sec-websocket-version", "13");

pub(super) static VERSIONS_FIELD: &[Case] = requests! {
    // Only a version that does not match demands Sec-WebSocket-Version in the answer (§4.2.2 item 4).
    "HSS-075" Must VERSIONS "no version" [Without("Sec-WebSocket-Version")] => REFUSED;
    // 7 and 8 are versions of drafts, which a server may still understand.
    "HSS-076.1" Must VERSION "version 0" [Line("Sec-WebSocket-Version", "Sec-WebSocket-Version: 0")] checks [NAMES_13] => REFUSED;
    "HSS-076.2" Must VERSION "version 7" [Line("Sec-WebSocket-Version", "Sec-WebSocket-Version: 7")] checks [NAMES_13] => RATHER_NOT;
    "HSS-076.3" Must VERSION "version 8" [Line("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8")] checks [NAMES_13] => RATHER_NOT;
    "HSS-076.4" Must VERSION "version 12" [Line("Sec-WebSocket-Version", "Sec-WebSocket-Version: 12")] checks [NAMES_13] => REFUSED;
    "HSS-077.1" Must VERSION "version 14" [Line("Sec-WebSocket-Version", "Sec-WebSocket-Version: 14")] checks [NAMES_13] => REFUSED;
    "HSS-077.2" Must VERSION "version 99" [Line("Sec-WebSocket-Version", "Sec-WebSocket-Version: 99")] checks [NAMES_13] => REFUSED;
    "HSS-077.3" Must VERSION "version 255" [Line("Sec-WebSocket-Version", "Sec-WebSocket-Version: 255")] checks [NAMES_13] => REFUSED;
    "HSS-078.1" Must VERSIONS "version 256" [Line("Sec-WebSocket-Version", "Sec-WebSocket-Version: 256")] => REFUSED;
    "HSS-078.2" Must VERSIONS "version 269, which is 13 modulo 256" [Line("Sec-WebSocket-Version", "Sec-WebSocket-Version: 269")] => REFUSED;
    "HSS-078.3" Must VERSIONS "version of twenty digits"
        [Line("Sec-WebSocket-Version", "Sec-WebSocket-Version: 99999999999999999999")] => REFUSED;
    "HSS-079" Must VERSIONS "version 013" [Line("Sec-WebSocket-Version", "Sec-WebSocket-Version: 013")] => REFUSED;
    "HSS-080.1" Must VERSIONS "versions 13, 8 in one field" [Line("Sec-WebSocket-Version", "Sec-WebSocket-Version: 13, 8")] => REFUSED;
    "HSS-080.2" Must VERSIONS "versions 8, 13 in one field" [Line("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8, 13")] => REFUSED;
    "HSS-081" Must VERSIONS "two version fields, 13 and 8" [Add("Sec-WebSocket-Version: 8")] => REFUSED;
    "HSS-082" Must VERSIONS "two version fields, 13 and 13" [Add("Sec-WebSocket-Version: 13")] => REFUSED;
    "HSS-083.1" Must VERSIONS "version 13.0" [Line("Sec-WebSocket-Version", "Sec-WebSocket-Version: 13.0")] => REFUSED;
    "HSS-083.2" Must VERSIONS "version +13" [Line("Sec-WebSocket-Version", "Sec-WebSocket-Version: +13")] => REFUSED;
    "HSS-083.3" Must VERSIONS "version -13" [Line("Sec-WebSocket-Version", "Sec-WebSocket-Version: -13")] => REFUSED;
    "HSS-083.4" Must VERSIONS "version 0x0d" [Line("Sec-WebSocket-Version", "Sec-WebSocket-Version: 0x0d")] => REFUSED;
    "HSS-083.5" Must VERSIONS "version thirteen" [Line("Sec-WebSocket-Version", "Sec-WebSocket-Version: thirteen")] => REFUSED;
    "HSS-083.6" Must VERSIONS "empty version" [Line("Sec-WebSocket-Version", "Sec-WebSocket-Version:")] => REFUSED;
    "HSS-084" Must SAYS_426 "version 14: what a 426 holds"
        [Line("Sec-WebSocket-Version", "Sec-WebSocket-Version: 14")] checks [HeadCheck::Says426] => REFUSED;
    "HSS-086" Must VERSIONS "the handshake of draft 76"
        [Without("Sec-WebSocket-Key"), Without("Sec-WebSocket-Version"), Add("Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5"),
         Add("Sec-WebSocket-Key2: 12998 5 Y3 1  .P00"), After(b"^n:ds[4U")] => REFUSED;
};

pub(super) static HYGIENE: &[Case] = requests! {
    "HSS-087" May GRAMMAR "lines end in LF alone" [BareLf] => EITHER;
    "HSS-088" Must VALUES "a CR inside a value" [Add("X-Test: a\rb")] => EITHER;
    // RFC 9110 §5.5 leaves the choice: refuse, or replace the NUL with a blank.
    "HSS-089" Must VALUES "a NUL inside a value" [Add("X-Test: a\0b")] => EITHER;
    "HSS-090" Must VALUES "a folded line" [Add("X-Test: a\r\n b")] => EITHER;
    "HSS-091" Must COLON "a blank between name and colon" [Add("X-Test : a")] => BAD_REQUEST;
    // SHOULD, not MUST: RFC 9112 §2.2 recommends the 400.
    "HSS-092" Should GRAMMAR "a line without colon" [Add("X-Test")] => REFUSED;
    "HSS-093" Should GRAMMAR "a line with an empty name" [Add(": a")] => REFUSED;
    "HSS-094" Should GRAMMAR "a name that is no token" [Add("X-(Test): a")] => REFUSED;
    "HSS-095" Must GRAMMAR "a line that starts with a blank behind the request line"
        [First("GET {target} HTTP/1.1\r\n X-Test: a")] => EITHER;
    "HSS-096" Must OTHERS "unknown fields with odd but legal values"
        [Add("X-Test: \u{e9}\u{ff} !#$%&'*+-.^_`|~\t()<>@,;:\\\"/[]?={}"), Add("!#$%&'*+-.^_`|~: 1"), Add("X-Empty:")] => OPENS;
    "HSS-097" Should SIZE "a field of 256 KiB" [Long("X-Test: ", "a", 262_144)] => RATHER_NOT;
    "HSS-100" Should SIZE "ten thousand fields" [Repeat("X: a", 10_000)] => RATHER_NOT;
    "HSS-101" Must BODY "a request with five bytes of content" [Add("Content-Length: 5"), After(b"hello")] => EITHER;
    "HSS-102" Must BODY "a request with chunked content"
        [Add("Transfer-Encoding: chunked"), After(b"5\r\nhello\r\n0\r\n\r\n")] => EITHER;
    // A server closes the connection after such a request (RFC 9112 §6.1), so it cannot upgrade it.
    "HSS-103" Must BOTH "Content-Length and Transfer-Encoding together"
        [Add("Content-Length: 5"), Add("Transfer-Encoding: chunked"), After(b"0\r\n\r\n")] => REFUSED;
    "HSS-104.1" Must LENGTH "two Content-Length fields that differ" [Add("Content-Length: 5"), Add("Content-Length: 6")] => REFUSED;
    "HSS-104.2" Must LENGTH "Content-Length: -1" [Add("Content-Length: -1")] => REFUSED;
    "HSS-104.3" Must LENGTH "Content-Length: +5" [Add("Content-Length: +5"), After(b"hello")] => REFUSED;
    "HSS-104.4" Must LENGTH "Content-Length of twenty digits" [Add("Content-Length: 99999999999999999999")] => REFUSED;
    "HSS-105" Should EXPECTS "Expect: 100-continue" [Add("Expect: 100-continue")] => EITHER;
    "HSS-106" Should OTHERS "fields that proxies add"
        [Add("Forwarded: for=192.0.2.1"), Add("X-Forwarded-For: 192.0.2.1"), Add("X-Forwarded-Proto: https"), Add("Via: 1.1 proxy")] => OPENS;
    "HSS-111" Should PLAIN "a plain GET"
        [Without("Upgrade"), Without("Connection"), Without("Sec-WebSocket-Key"), Without("Sec-WebSocket-Version")] => NO_UPGRADE;
    "HSS-118" Must NO_ACCEPT "version 14: no Sec-WebSocket-Accept in the answer"
        [Line("Sec-WebSocket-Version", "Sec-WebSocket-Version: 14")] checks [HeadCheck::Lacks("sec-websocket-accept")] => REFUSED;
    "HSS-119" Should REFLECT "markup in the target of a request that is refused"
        [First("GET {target}<script>alert(1)</script> HTTP/1.1"), Without("Sec-WebSocket-Key")]
        checks [HeadCheck::NotEchoed("<script>alert(1)</script>")] => REFUSED;
    "HSS-121" Must NO_CONTENT "a good request: no content in the answer" []
        checks [HeadCheck::Lacks("content-length"), HeadCheck::Lacks("transfer-encoding")] => OPENS;
    "HSS-123" Should NO_ECHO "request fields are not repeated" [Add("X-Lab-Echo: {random}")]
        checks [HeadCheck::Lacks("x-lab-echo"), HeadCheck::Lacks("sec-websocket-version")] => OPENS;
    "HSS-129" May ORIGIN "no Origin" [] => EITHER;
    "HSS-135" Should ORIGIN "two Origin fields" [Add("Origin: http://{host}"), Add("Origin: http://elsewhere.example")] => RATHER_NOT;
};

/// A request in pieces, and bytes sent together with it.
pub(super) static PIECES: &[Case] = &[
    Case {
        id: "HSS-107",
        title: "one byte for each write",
        rule: &CUTS,
        opening: Opening { pace: Pace::Bytes(1), ..Opening::GOOD },
        ..BASE
    },
    Case {
        id: "HSS-108.1",
        title: "seven bytes for each write",
        rule: &CUTS,
        opening: Opening { pace: Pace::Bytes(7), ..Opening::GOOD },
        ..BASE
    },
    Case {
        id: "HSS-108.2",
        title: "64 bytes for each write",
        rule: &CUTS,
        opening: Opening { pace: Pace::Bytes(64), ..Opening::GOOD },
        ..BASE
    },
    Case {
        id: "HSS-109",
        title: "a masked text frame in the same write as the request",
        rule: &AFTER,
        // A client MUST wait for the response (§4.1); how a server treats one that does not is up to the server.
        level: Level::May,
        opening: Opening {
            edits: &[After(b"\x81\x85\x01\x02\x03\x04fnvae")],
            answers: RATHER_OPENS,
            ..Opening::GOOD
        },
        script: &[],
        expect: Expect {
            outcomes: &[(Class::Ok, &[Event::Text(Payload::Bytes(b"glued"))])],
            close: Ending::CLEAN,
        },
        ..BASE
    },
    Case {
        id: "HSS-110",
        title: "a second request in the same write as the first",
        rule: &AFTER,
        opening: Opening {
            edits: &[After(b"GET / HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n")],
            answers: EITHER,
            ..Opening::GOOD
        },
        script: &[],
        expect: Expect { outcomes: &[(Class::Ok, &[])], close: Ending::FAILS },
        ..BASE
    },
    Case {
        id: "HSS-114",
        title: "the connection ends inside the request",
        rule: &TIMEOUT,
        level: Level::Should,
        tags: &["handshake", "destructive"],
        opening: Opening { edits: &[Cut(40)], answers: WHATEVER, ..Opening::GOOD },
        patience: 300,
        ..BASE
    },
    Case {
        id: "HSS-115.1",
        title: "nothing is sent",
        rule: &TIMEOUT,
        level: Level::Should,
        tags: &["handshake", "slow"],
        opening: Opening { edits: &[Cut(0)], answers: ENDS, ..Opening::GOOD },
        patience: 65_000,
        ..BASE
    },
    Case {
        id: "HSS-115.2",
        title: "half a request is sent",
        rule: &TIMEOUT,
        level: Level::Should,
        tags: &["handshake", "slow"],
        opening: Opening { edits: &[Cut(40)], answers: ENDS, ..Opening::GOOD },
        patience: 65_000,
        ..BASE
    },
];

const CRLFS: [u8; 2000] = {
    let mut bytes = [b'\r'; 2000];
    let mut at = 1;
    while at < bytes.len() {
        bytes[at] = b'\n';
        at += 2;
    }
    bytes
};

/// TLS 1.2 record, ClientHello, one cipher suite.
const CLIENT_HELLO: &[u8] = &[
    0x16, 0x03, 0x01, 0x00, 0x2f, 0x01, 0x00, 0x00, 0x2b, 0x03, 0x03, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05,
    0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16,
    0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f, 0x00, 0x00, 0x02, 0xc0, 0x2f, 0x01, 0x00, 0x00,
    0x00,
];
