//! How the request comes out at the origin (RFC 6455 §4.1; RFC 9110 §5, §7; RFC 9112 §2, §3).

use super::super::case::ProxyStep::{Answer, Ask, Cut, Get, Reach};
use super::super::case::{Case, Check, HOP_BY_HOP, Side};
use super::super::passage::Passage::{Altered, Refused, Repaired};
use crate::case::{Edit, Level, Pace};

crate::cases::rule_table! {
    UPGRADES = [6455 "4.1", 9110 "7.8"], "A request for an upgrade comes out as one, with what the handshake needs.";
    FIELDS = [9110 "5.1"], "A field that the proxy does not know is passed on.";
    ORDER = [9110 "5.3"], "The order of lines with one name is kept; they may be joined by commas.";
    NAMES = [9110 "5.1"], "Names of fields are compared without case, and every token can be one.";
    VALUES = [9110 "5.5"], "A value is passed on as it is: visible characters, blanks, tabs and bytes from 0x80 on.";
    LENGTHS = [9110 "5.4"], "A field or head that is longer than the proxy bears is answered by a 4xx.";
    TARGET = [9110 "7.7"], "Path and query of the target are passed on as they are.";
    ABSOLUTE = [9112 "3.2.2"], "A target in absolute form is understood.";
    HOST = [9110 "7.2"], "Host names whom the client asked for.";
    ORIGIN = [6455 "10.2"], "Origin, by which servers decide, is passed on.";
    SUBPROTOCOLS = [6455 "11.3.4"], "Subprotocols are passed on in their order, on one line or on several.";
    EXTENSIONS = [6455 "9.1"], "Extensions and their parameters are passed on, known or not, in their order.";
    HOP = [9110 "7.6.1"], "Fields that Connection names are for the next hop and go no further.";
    KEEP_ALIVE = [9110 "7.6.1"], "Keep-Alive and Proxy-Connection are for the next hop.";
    LISTS = [9110 "7.8", 9110 "7.6.1"], "Connection and Upgrade are lists, compared without case.";
    STREAM = [9112 "2.2"], "However a request is cut into segments, it is one request.";
    EMPTY_LINE = [9112 "2.2"], "At least one empty line in front of a request is overlooked.";
    OLD = [9110 "7.8"], "Upgrade in an HTTP/1.0 request is ignored.";
    WRONG = [6455 "4.2.1"], "A request that is no right handshake is refused, by the proxy or by the origin.";
}

/// Why cases about the client's key are not played over HTTP/2.
const OWN_KEY: &str =
    "a client sends no key over HTTP/2, and the front makes one for the origin (RFC 8441 §5)";

const GOOD: Case = Case { rule: &UPGRADES, ..Case::BASE };
/// A bad request is forwarded, repaired or refused: nobody is misled.
const BAD: Case = Case { rule: &WRONG, accepts: &[Repaired, Refused], ..Case::BASE };

/// A request whose head is checked, then an ordinary end of the handshake.
macro_rules! reaches {
    ([$($edit:expr),*], [$($check:expr),*]) => {
        &[Ask(&[$($edit),*]), Reach(&[Check::Upgrades, $($check),*]), Answer(&[]), Get(&[])]
    };
}

/// A request that is not a valid handshake; the origin sees what the proxy makes of it, and the case ends.
macro_rules! bad {
    ([$($edit:expr),*], [$($check:expr),*]) => {
        &[Ask(&[$($edit),*]), Reach(&[$($check),*])]
    };
}

pub(super) static CASES: &[Case] = &[
    Case {
        id: "PRX-REQ-001",
        title: "a plain handshake",
        script: reaches!(
            [],
            [Check::Target, Check::Kept("sec-websocket-key"), Check::Kept("sec-websocket-version")]
        ),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-002",
        title: "Host",
        rule: &HOST,
        level: Level::May,
        accepts: &[Altered],
        script: reaches!([], [Check::Kept("host")]),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-003",
        title: "Origin",
        rule: &ORIGIN,
        script: reaches!([Edit::Add("Origin: https://app.example")], [Check::Kept("origin")]),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-004",
        title: "a query with several values",
        rule: &TARGET,
        script: reaches!([Edit::First("GET {target}&room=a+b&x=&x=2 HTTP/1.1")], [Check::Target]),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-005",
        title: "a query with escapes, in upper and lower case",
        rule: &TARGET,
        script: reaches!([Edit::First("GET {target}&a=%2f%2F%7e%c3%BC%20%25 HTTP/1.1")], [Check::Target]),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-006",
        title: "a query with marks that may stand there as they are",
        rule: &TARGET,
        script: reaches!([Edit::First("GET {target}&a=/?:@!$'()*,;~ HTTP/1.1")], [Check::Target]),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-007",
        title: "a query of 4 KB",
        rule: &LENGTHS,
        level: Level::Should,
        accepts: &[Refused],
        script: reaches!(
            [Edit::First(concat!("GET {target}&a=", include_str!("long.txt"), " HTTP/1.1"))],
            [Check::Target]
        ),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-008",
        title: "a target in absolute form",
        only_http1: "the pseudo-header fields of HTTP/2 have no absolute form (RFC 9113 §8.3.1)",
        rule: &ABSOLUTE,
        accepts: &[Altered],
        script: reaches!([Edit::First("GET http://{host}{target} HTTP/1.1")], [Check::First]),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-009",
        title: "a field that nobody knows",
        rule: &FIELDS,
        script: reaches!([Edit::Add("X-Custom: {random}")], [Check::Kept("x-custom")]),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-010",
        title: "a field on three lines",
        rule: &ORDER,
        accepts: &[],
        script: reaches!(
            [Edit::Add("X-Many: b"), Edit::Add("X-Many: a"), Edit::Add("X-Many: c")],
            [Check::Members("x-many")]
        ),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-011",
        title: "names in upper and lower case by turns",
        only_http1: "names of fields are in lower case in HTTP/2 (RFC 9113 §8.2.1)",
        rule: &NAMES,
        script: reaches!([Edit::Add("X-Custom: {random}"), Edit::MixedCase], [Check::Kept("x-custom")]),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-012",
        title: "a name of every mark that a token may have",
        rule: &NAMES,
        level: Level::Should,
        accepts: &[Refused],
        script: reaches!([Edit::Add("x!#$%&'*+-.^`|~: {random}")], [Check::Kept("x!#$%&'*+-.^`|~")]),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-013",
        title: "a name with an underscore",
        rule: &NAMES,
        level: Level::Should,
        script: reaches!([Edit::Add("x_custom: {random}")], [Check::Kept("x_custom")]),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-014",
        title: "an empty value",
        rule: &VALUES,
        level: Level::Should,
        script: reaches!([Edit::Add("X-Empty:")], [Check::Kept("x-empty")]),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-015",
        title: "a value with quotes, commas, colons and blanks",
        rule: &VALUES,
        script: reaches!([Edit::Add("X-Marks: \"a, b\"; c=\"d:e\",  f <g> {h}")], [Check::Kept("x-marks")]),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-016",
        title: "a value with a tab inside",
        rule: &VALUES,
        level: Level::Should,
        script: reaches!([Edit::Add("X-Tab: a\tb")], [Check::Kept("x-tab")]),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-017",
        title: "a value with bytes from 0x80 on",
        rule: &VALUES,
        level: Level::Should,
        script: reaches!([Edit::Add("X-Bytes: gr\u{fc}n \u{20ac} \u{1f30d}")], [Check::Kept("x-bytes")]),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-018",
        title: "Authorization",
        rule: &FIELDS,
        script: reaches!(
            [Edit::Add("Authorization: Bearer {random}.{random}=")],
            [Check::Kept("authorization")]
        ),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-019",
        title: "a cookie of 3 KB",
        rule: &FIELDS,
        script: reaches!([Edit::Long("Cookie: a=", "0123456789abcdef", 192)], [Check::Kept("cookie")]),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-020",
        title: "cookies of 20 KB",
        rule: &LENGTHS,
        accepts: &[Refused],
        script: reaches!([Edit::Long("Cookie: a=", "0123456789abcdef", 1280)], [Check::Kept("cookie")]),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-021",
        title: "80 fields",
        rule: &LENGTHS,
        accepts: &[Refused],
        script: reaches!([Edit::Repeat("X-Repeated: {random}", 80)], [Check::Members("x-repeated")]),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-022",
        title: "subprotocols on one line",
        rule: &SUBPROTOCOLS,
        script: reaches!(
            [Edit::Add("Sec-WebSocket-Protocol: chat.v2, chat.v1, x!y")],
            [Check::Members("sec-websocket-protocol")]
        ),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-023",
        title: "subprotocols on two lines",
        rule: &SUBPROTOCOLS,
        script: reaches!(
            [Edit::Add("Sec-WebSocket-Protocol: chat.v2"), Edit::Add("Sec-WebSocket-Protocol: chat.v1")],
            [Check::Members("sec-websocket-protocol")]
        ),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-024",
        title: "extensions that nobody knows, with parameters",
        rule: &EXTENSIONS,
        script: reaches!(
            [Edit::Add(
                "Sec-WebSocket-Extensions: x-new; a; b=1; c=\"d e\", permessage-deflate; client_max_window_bits"
            )],
            [Check::Members("sec-websocket-extensions")]
        ),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-025",
        title: "extensions on two lines",
        rule: &EXTENSIONS,
        script: reaches!(
            [
                Edit::Add("Sec-WebSocket-Extensions: x-new; a"),
                Edit::Add("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10")
            ],
            [Check::Members("sec-websocket-extensions")]
        ),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-026",
        title: "a field that Connection names",
        only_http1: HOP_BY_HOP,
        rule: &HOP,
        script: reaches!(
            [Edit::Line("Connection", "Connection: Upgrade, X-Hop"), Edit::Add("X-Hop: {random}")],
            [Check::Hop("x-hop")]
        ),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-027",
        title: "Keep-Alive and Proxy-Connection",
        only_http1: HOP_BY_HOP,
        rule: &KEEP_ALIVE,
        level: Level::Should,
        script: reaches!(
            [Edit::Add("Keep-Alive: timeout=5"), Edit::Add("Proxy-Connection: keep-alive")],
            [Check::Hop("keep-alive"), Check::Hop("proxy-connection")]
        ),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-028",
        title: "Connection: keep-alive, Upgrade, as Firefox has it",
        only_http1: HOP_BY_HOP,
        rule: &LISTS,
        script: reaches!([Edit::Line("Connection", "Connection: keep-alive, Upgrade")], []),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-029",
        title: "Upgrade: WebSocket and Connection: UPGRADE",
        only_http1: HOP_BY_HOP,
        rule: &LISTS,
        script: reaches!(
            [Edit::Line("Upgrade", "Upgrade: WebSocket"), Edit::Line("Connection", "Connection: UPGRADE")],
            []
        ),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-030",
        title: "Upgrade with a second protocol behind websocket",
        only_http1: HOP_BY_HOP,
        rule: &LISTS,
        level: Level::Should,
        accepts: &[Altered],
        script: reaches!(
            [Edit::Line("Upgrade", "Upgrade: websocket, x-other/1")],
            [Check::Members("upgrade")]
        ),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-031",
        title: "the head in single bytes",
        only_http1: "a head of HTTP/2 comes in frames and has no segments",
        rule: &STREAM,
        patience: 6_000,
        script: &[
            Cut(Side::Client, Pace::Bytes(1)),
            Ask(&[]),
            Reach(&[Check::Upgrades, Check::Target]),
            Answer(&[]),
            Get(&[]),
        ],
        ..GOOD
    },
    Case {
        id: "PRX-REQ-032",
        title: "an empty line in front",
        only_http1: "there are no lines in front of a head in HTTP/2",
        rule: &EMPTY_LINE,
        level: Level::Should,
        script: reaches!([Edit::Before(b"\r\n")], [Check::Target]),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-033",
        title: "Content-Length: 0",
        only_http1: "a CONNECT has no content, and what is behind it is the stream (RFC 9113 §8.5)",
        accepts: &[Altered],
        script: reaches!([Edit::Add("Content-Length: 0")], [Check::Kept("content-length")]),
        ..GOOD
    },
    Case {
        id: "PRX-REQ-034",
        title: "an upgrade by HTTP/1.0",
        only_http1: "a request over HTTP/2 bears no version of its own",
        rule: &OLD,
        script: bad!([Edit::First("GET {target} HTTP/1.0")], [Check::WrongUpgrade]),
        ..BAD
    },
    Case {
        id: "PRX-REQ-035",
        title: "Connection without Upgrade in it",
        only_http1: HOP_BY_HOP,
        script: bad!([Edit::Line("Connection", "Connection: keep-alive")], [Check::WrongUpgrade]),
        ..BAD
    },
    Case {
        id: "PRX-REQ-036",
        title: "no Connection",
        only_http1: HOP_BY_HOP,
        script: bad!([Edit::Without("Connection")], [Check::WrongUpgrade]),
        ..BAD
    },
    Case {
        id: "PRX-REQ-037",
        title: "no Upgrade",
        only_http1: HOP_BY_HOP,
        script: bad!([Edit::Without("Upgrade")], [Check::WrongUpgrade]),
        ..BAD
    },
    Case {
        id: "PRX-REQ-038",
        title: "no Sec-WebSocket-Key",
        only_http1: OWN_KEY,
        script: bad!([Edit::Without("Sec-WebSocket-Key")], [Check::Wrong("sec-websocket-key")]),
        ..BAD
    },
    Case {
        id: "PRX-REQ-039",
        title: "a Sec-WebSocket-Key of four bytes",
        only_http1: OWN_KEY,
        script: bad!(
            [Edit::Line("Sec-WebSocket-Key", "Sec-WebSocket-Key: AAAAAA==")],
            [Check::Wrong("sec-websocket-key")]
        ),
        ..BAD
    },
    Case {
        id: "PRX-REQ-040",
        title: "Sec-WebSocket-Version: 12",
        script: bad!(
            [Edit::Line("Sec-WebSocket-Version", "Sec-WebSocket-Version: 12")],
            [Check::Wrong("sec-websocket-version")]
        ),
        ..BAD
    },
    Case {
        id: "PRX-REQ-041",
        title: "no Sec-WebSocket-Version",
        script: bad!([Edit::Without("Sec-WebSocket-Version")], [Check::Wrong("sec-websocket-version")]),
        ..BAD
    },
    Case {
        id: "PRX-REQ-042",
        title: "POST, without a body",
        only_http1: "the method is CONNECT (RFC 8441 §4)",
        script: bad!(
            [Edit::First("POST {target} HTTP/1.1"), Edit::Add("Content-Length: 0")],
            [Check::Target]
        ),
        ..BAD
    },
];
