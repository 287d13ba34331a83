//! How the answer comes out at the client (RFC 6455 §4.2.2; RFC 9110 §5, §15; RFC 9112 §6; RFC 6797 §7.2).

use super::super::case::ProxyStep::{Answer, Ask, Body, Cut, End, Get, Reach, Refuse, Rest};
use super::super::case::{Case, Check, Data, HOP_BY_HOP, ProxyStep, Side};
use super::super::passage::Passage::{Altered, Refused, Repaired};
use crate::case::{Edit, Level, Pace};

crate::cases::rule_table! {
    OPENS = [6455 "4.1", 9110 "7.8"], "A 101 comes out as one, with what the handshake needs.";
    FIELDS = [9110 "5.1"], "A field that the proxy does not know is passed on.";
    ORDER = [9110 "5.3"], "The order of lines with one name is kept; they may be joined by commas.";
    COOKIES = [9110 "5.3"], "Lines of Set-Cookie are not joined.";
    STREAM = [9112 "2.2"], "However an answer is cut into segments, it is one answer.";
    NEGOTIATED = [6455 "4.2.2"], "What the server has chosen comes out at the client.";
    ACCEPT = [6455 "4.1"], "A wrong Sec-WebSocket-Accept is for the client to find.";
    INTERIM = [9110 "15.2"], "An interim answer is passed on, or at least the final one behind it.";
    UNASKED = [9110 "7.8", 9110 "15.2.2"], "A server switches only to what the client has asked for.";
    STATUS = [9110 "15"], "An answer that refuses the upgrade comes out with its status, fields and body.";
    FRAMING = [9112 "6"], "A body is framed as the head says.";
    VERSION = [6455 "4.4", 9110 "15.5.22"], "A 426 says which version and which protocol is wanted.";
    LOCATION = [9110 "15.4"], "A redirection says where to.";
    AUTHENTICATE = [9110 "11.6.1"], "A 401 names its challenges.";
    HSTS = [6797 "7.2"], "Strict-Transport-Security is not for answers without TLS.";
    LENGTHS = [9110 "5.4"], "A head that is longer than the proxy bears is told by a 5xx.";
}

const GOOD: Case = Case { rule: &OPENS, ..Case::BASE };
const REFUSAL: Case = Case { rule: &STATUS, ..Case::BASE };
const ENDS: &str = "Connection: close";

macro_rules! answered {
    ([$($edit:expr),*], [$($check:expr),*]) => {
        &[Ask(&[]), Reach(&[]), Answer(&[$($edit),*]), Get(&[Check::Upgrades, Check::Kept("sec-websocket-accept"), $($check),*])]
    };
}

macro_rules! refused {
    ($status:expr, [$($line:expr),*], $body:expr, $comes:expr, [$($check:expr),*]) => {
        &[Ask(&[]), Reach(&[]), Refuse($status, &[$($line),*], $body), End(Side::Origin), Get(&[$($check),*]), Body($comes)]
    };
}

pub(super) static CASES: &[Case] = &[
    Case { id: "PRX-ANS-001", title: "a plain 101", script: answered!([], []), ..GOOD },
    Case {
        id: "PRX-ANS-002",
        title: "a 101 in single bytes",
        rule: &STREAM,
        script: &[
            Ask(&[]),
            Reach(&[]),
            Cut(Side::Origin, Pace::Bytes(1)),
            Answer(&[]),
            Get(&[Check::Upgrades, Check::Kept("sec-websocket-accept")]),
            Cut(Side::Origin, Pace::Whole),
            ProxyStep::Send(Side::Origin, Data::Bytes(b"\x81\x02ok")),
            ProxyStep::Arrive(Side::Origin),
        ],
        ..GOOD
    },
    Case {
        id: "PRX-ANS-003",
        title: "a field that nobody knows",
        rule: &FIELDS,
        script: answered!([Edit::Add("X-Custom: {random}")], [Check::Kept("x-custom")]),
        ..GOOD
    },
    Case {
        id: "PRX-ANS-004",
        title: "a field on three lines",
        rule: &ORDER,
        script: answered!(
            [Edit::Add("X-Many: b"), Edit::Add("X-Many: a"), Edit::Add("X-Many: c")],
            [Check::Members("x-many")]
        ),
        ..GOOD
    },
    Case {
        id: "PRX-ANS-005",
        title: "two cookies",
        rule: &COOKIES,
        script: answered!(
            [Edit::Add("Set-Cookie: a={random}; Path=/"), Edit::Add("Set-Cookie: b=2; HttpOnly")],
            [Check::Kept("set-cookie")]
        ),
        ..GOOD
    },
    Case {
        id: "PRX-ANS-006",
        title: "a value with bytes from 0x80 on",
        rule: &FIELDS,
        level: Level::Should,
        script: answered!([Edit::Add("X-Bytes: gr\u{fc}n")], [Check::Kept("x-bytes")]),
        ..GOOD
    },
    Case {
        id: "PRX-ANS-007",
        title: "a subprotocol that was offered",
        rule: &NEGOTIATED,
        script: &[
            Ask(&[Edit::Add("Sec-WebSocket-Protocol: a, b")]),
            Reach(&[]),
            Answer(&[Edit::Add("Sec-WebSocket-Protocol: b")]),
            Get(&[Check::Upgrades, Check::Kept("sec-websocket-protocol")]),
        ],
        ..GOOD
    },
    Case {
        id: "PRX-ANS-008",
        title: "an extension with parameters",
        rule: &NEGOTIATED,
        script: &[
            Ask(&[Edit::Add("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")]),
            Reach(&[]),
            Answer(&[Edit::Add(
                "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_max_window_bits=12",
            )]),
            Get(&[Check::Upgrades, Check::Members("sec-websocket-extensions")]),
        ],
        ..GOOD
    },
    Case {
        id: "PRX-ANS-009",
        title: "another reason phrase",
        only_http1: "an answer of HTTP/2 has no reason phrase (RFC 9113 §8.3.2)",
        rule: &FIELDS,
        level: Level::May,
        accepts: &[Altered],
        script: answered!([Edit::First("HTTP/1.1 101 Web Socket Protocol Handshake")], [Check::Reason]),
        ..GOOD
    },
    Case {
        id: "PRX-ANS-010",
        title: "a head of 3 KB",
        rule: &FIELDS,
        script: answered!([Edit::Long("X-Long: ", "0123456789abcdef", 192)], [Check::Kept("x-long")]),
        ..GOOD
    },
    Case {
        id: "PRX-ANS-011",
        title: "a head of 20 KB",
        rule: &LENGTHS,
        accepts: &[Refused],
        script: answered!([Edit::Long("X-Long: ", "0123456789abcdef", 1280)], [Check::Kept("x-long")]),
        ..GOOD
    },
    Case {
        id: "PRX-ANS-012",
        title: "a wrong Sec-WebSocket-Accept",
        rule: &ACCEPT,
        accepts: &[Repaired, Refused],
        script: &[
            Ask(&[]),
            Reach(&[]),
            Answer(&[Edit::Line(
                "Sec-WebSocket-Accept",
                "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            )]),
            Get(&[Check::Wrong("sec-websocket-accept")]),
        ],
        ..GOOD
    },
    Case {
        id: "PRX-ANS-013",
        title: "no Sec-WebSocket-Accept",
        rule: &ACCEPT,
        accepts: &[Repaired, Refused],
        script: &[
            Ask(&[]),
            Reach(&[]),
            Answer(&[Edit::Without("Sec-WebSocket-Accept")]),
            Get(&[Check::Wrong("sec-websocket-accept")]),
        ],
        ..GOOD
    },
    Case {
        id: "PRX-ANS-014",
        title: "a 103 before the 101",
        rule: &INTERIM,
        level: Level::Should,
        accepts: &[Altered],
        script: answered!(
            [Edit::Before(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")],
            [Check::Interim(&[103])]
        ),
        ..GOOD
    },
    Case {
        id: "PRX-ANS-015",
        title: "a 100 before the 101 that nobody waited for",
        rule: &INTERIM,
        level: Level::Should,
        accepts: &[Altered],
        script: answered!([Edit::Before(b"HTTP/1.1 100 Continue\r\n\r\n")], [Check::Interim(&[100])]),
        ..GOOD
    },
    Case {
        id: "PRX-ANS-016",
        title: "a 101 that nobody asked for",
        only_http1: "without :protocol there is no request for a WebSocket (RFC 8441 §4)",
        rule: &UNASKED,
        level: Level::May,
        accepts: &[Refused, Altered],
        script: &[
            Ask(&[Edit::Without("Upgrade"), Edit::Without("Connection"), Edit::Without("Sec-WebSocket-Key")]),
            Reach(&[]),
            Answer(&[]),
            Get(&[]),
        ],
        ..GOOD
    },
    Case {
        id: "PRX-ANS-017",
        title: "a 403 with a body",
        script: refused!(
            "403 Forbidden",
            [ENDS, "Content-Type: text/plain", "Content-Length: 9"],
            b"not today",
            b"not today",
            [Check::Kept("content-type")]
        ),
        ..REFUSAL
    },
    Case {
        id: "PRX-ANS-018",
        title: "a 403 without a body",
        script: refused!("403 Forbidden", [ENDS, "Content-Length: 0"], b"", b"", []),
        ..REFUSAL
    },
    Case {
        id: "PRX-ANS-019",
        title: "a 403 whose body is chunked",
        rule: &FRAMING,
        script: refused!(
            "403 Forbidden",
            [ENDS, "Transfer-Encoding: chunked"],
            b"4\r\nnot \r\n5;a=b\r\ntoday\r\n0\r\n\r\n",
            b"not today",
            []
        ),
        ..REFUSAL
    },
    Case {
        id: "PRX-ANS-020",
        title: "a 403 whose body ends with the connection",
        rule: &FRAMING,
        script: refused!("403 Forbidden", [ENDS], b"not today", b"not today", []),
        ..REFUSAL
    },
    Case {
        id: "PRX-ANS-021",
        title: "a 503 with Retry-After, on a connection that stays",
        script: &[
            Ask(&[]),
            Reach(&[]),
            Refuse("503 Service Unavailable", &["Retry-After: 7", "Content-Length: 4"], b"busy"),
            Get(&[Check::Kept("retry-after")]),
            Body(b"busy"),
        ],
        ..REFUSAL
    },
    Case {
        id: "PRX-ANS-022",
        title: "a 401 with two challenges",
        rule: &AUTHENTICATE,
        script: refused!(
            "401 Unauthorized",
            [
                ENDS,
                "WWW-Authenticate: Bearer realm=\"a, b\"",
                "WWW-Authenticate: Basic realm=\"c\"",
                "Content-Length: 0"
            ],
            b"",
            b"",
            [Check::Members("www-authenticate")]
        ),
        ..REFUSAL
    },
    Case {
        id: "PRX-ANS-023",
        title: "a 426 with Sec-WebSocket-Version",
        rule: &VERSION,
        script: refused!(
            "426 Upgrade Required",
            [
                "Connection: close, Upgrade",
                "Upgrade: websocket",
                "Sec-WebSocket-Version: 13",
                "Content-Length: 0"
            ],
            b"",
            b"",
            [Check::Kept("sec-websocket-version")]
        ),
        ..REFUSAL
    },
    Case {
        id: "PRX-ANS-024",
        title: "a 426 with Upgrade",
        only_http1: HOP_BY_HOP,
        rule: &VERSION,
        level: Level::Should,
        script: refused!(
            "426 Upgrade Required",
            [
                "Connection: close, Upgrade",
                "Upgrade: websocket",
                "Sec-WebSocket-Version: 13",
                "Content-Length: 0"
            ],
            b"",
            b"",
            [Check::Members("upgrade")]
        ),
        ..REFUSAL
    },
    Case {
        id: "PRX-ANS-025",
        title: "a 302",
        rule: &LOCATION,
        accepts: &[Altered],
        script: refused!(
            "302 Found",
            [ENDS, "Location: /elsewhere?a=b", "Content-Length: 0"],
            b"",
            b"",
            [Check::Kept("location")]
        ),
        ..REFUSAL
    },
    Case {
        id: "PRX-ANS-026",
        title: "a 307 to another host",
        rule: &LOCATION,
        script: refused!(
            "307 Temporary Redirect",
            [ENDS, "Location: ws://elsewhere.example/chat", "Content-Length: 0"],
            b"",
            b"",
            [Check::Kept("location")]
        ),
        ..REFUSAL
    },
    Case {
        id: "PRX-ANS-027",
        title: "a 200 with a body",
        script: refused!("200 OK", [ENDS, "Content-Length: 5"], b"hello", b"hello", []),
        ..REFUSAL
    },
    Case {
        id: "PRX-ANS-028",
        title: "a 404 whose body comes in three parts",
        rule: &FRAMING,
        script: &[
            Ask(&[]),
            Reach(&[]),
            Refuse("404 Not Found", &[ENDS, "Content-Length: 12"], b"gone"),
            Rest(150),
            ProxyStep::Say(b"gone"),
            Rest(150),
            ProxyStep::Say(b"gone"),
            End(Side::Origin),
            Get(&[]),
            Body(b"gonegonegone"),
        ],
        ..REFUSAL
    },
    Case {
        id: "PRX-ANS-029",
        title: "Strict-Transport-Security in a 101",
        rule: &HSTS,
        level: Level::May,
        accepts: &[Altered],
        script: answered!(
            [Edit::Add("Strict-Transport-Security: max-age=31536000")],
            [Check::Kept("strict-transport-security")]
        ),
        ..GOOD
    },
];
