//! Faults of a server in reading and answering requests.

use super::Row;
use super::Subject::{Both, Server};
use crate::memory::twist::Twist::{Answers, HearsBytes, HearsHead, SaysHead};
use crate::memory::twist::{Head, Manner, Twist};

/// Makes the request one that nobody accepts.
fn spoil(head: &mut Head) {
    head.without("Sec-WebSocket-Key");
}

/// Loses the request, so that it is never answered.
fn lose(head: &mut Head) {
    head.0.clear();
}

pub(crate) const REQUESTS: &[Row] = &[
    (
        "takes requests without a key",
        Server,
        HearsHead(|head| {
            if head.get("sec-websocket-key").is_none() {
                head.set("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==");
            }
        }),
        &["HSS-058", "HSS-119"],
    ),
    (
        "takes any version",
        Server,
        HearsHead(|head| head.set("Sec-WebSocket-Version", "13")),
        &["HSS-075", "HSS-076.1", "HSS-118", "HSS-084"],
    ),
    (
        "takes requests without Upgrade",
        Server,
        HearsHead(|head| head.set("Upgrade", "websocket")),
        &["HSS-039"],
    ),
    (
        "takes requests without Connection",
        Server,
        HearsHead(|head| head.set("Connection", "Upgrade")),
        &["HSS-048"],
    ),
    (
        "takes any method",
        Server,
        HearsHead(|head| {
            if let Some((_, rest)) = head.0[0].clone().split_once(' ') {
                head.first(&format!("GET {rest}"));
            }
        }),
        &["HSS-004"],
    ),
    (
        "takes requests without Host",
        Server,
        HearsHead(|head| {
            if head.get("host").is_none() {
                head.add("Host: a");
            }
        }),
        &["HSS-032"],
    ),
    (
        "has a Content-Length in its 101",
        Server,
        SaysHead(|head| {
            if head.0[0].contains(" 101 ") {
                head.add("Content-Length: 0");
            }
        }),
        &["HSS-121"],
    ),
    (
        "chooses a subprotocol that nobody offered",
        Server,
        SaysHead(|head| {
            if head.0[0].contains(" 101 ") {
                head.add("Sec-WebSocket-Protocol: unasked");
            }
        }),
        &["SUB-001", "SUB-009"],
    ),
    (
        "leaves a window of 15 bits unsaid",
        Server,
        SaysHead(|head| {
            if let Some(line) = head.0.iter_mut().find(|line| line.contains("server_max_window_bits=15")) {
                *line = line.replace("; server_max_window_bits=15", "");
            }
        }),
        &["PMN-027"],
    ),
    (
        "does not name the version that it speaks",
        Server,
        SaysHead(|head| {
            if !head.0[0].contains(" 101 ") {
                head.without("Sec-WebSocket-Version");
            }
        }),
        &["HSS-076.1"],
    ),
    (
        "does not say what a 426 is about",
        Server,
        SaysHead(|head| {
            if head.0[0].contains(" 426 ") {
                head.without("Upgrade");
            }
        }),
        &["HSS-084"],
    ),
    (
        "has an Accept in what refuses",
        Server,
        SaysHead(|head| {
            if !head.0[0].contains(" 101 ") {
                head.add("Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
            }
        }),
        &["HSS-118"],
    ),
    (
        "guesses what the version of HTTP may be",
        Server,
        HearsHead(|head| {
            for odd in [" HTTP/1.1x", " http/1.1", " HTTP/11"] {
                head.0[0] = head.0[0].replace(odd, " HTTP/1.1");
            }
        }),
        &["HSS-013.1"],
    ),
    (
        "takes * for a resource",
        Server,
        HearsHead(|head| head.0[0] = head.0[0].replace(" * ", " / ")),
        &["HSS-023"],
    ),
    (
        "wants the request line first",
        Server,
        HearsHead(|head| {
            if head.0[0].is_empty() {
                head.first("GARBAGE");
            }
        }),
        &["HSS-017"],
    ),
    (
        "knows no port in Host",
        Server,
        HearsHead(|head| {
            if head.get("host").is_some_and(|host| host.ends_with(":9001")) {
                spoil(head);
            }
        }),
        &["HSS-036.1"],
    ),
    (
        "decodes and encodes the key again",
        Server,
        Answers(|request, answer| {
            if request.get("sec-websocket-key") == Some("AAAAAAAAAAAAAAAAAAAAAA==") {
                answer.set("Sec-WebSocket-Accept", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
            }
        }),
        &["HSS-073"],
    ),
    (
        "compares the names of fields letter by letter",
        Server,
        HearsHead(|head| {
            let known = |line: &String| {
                !line.to_ascii_lowercase().starts_with("upgrade") || line.starts_with("Upgrade")
            };
            head.0.retain(known);
        }),
        &["HSS-074"],
    ),
    (
        "hangs at a NUL",
        Server,
        HearsHead(|head| {
            if head.has("\0") {
                lose(head);
            }
        }),
        &["HSS-089"],
    ),
    (
        "takes a blank before the colon",
        Server,
        HearsHead(|head| head.replace("X-Test :", "X-Test:")),
        &["HSS-091"],
    ),
    (
        "reads heads of any size",
        Server,
        HearsHead(|head| {
            head.0.truncate(90);
            if head.0[0].len() > 8192 {
                head.first("GET / HTTP/1.1");
            }
            head.0.retain(|line| line.len() < 16_384 || !line.starts_with("X"));
        }),
        &["HSS-030", "HSS-097"],
    ),
    (
        "overlooks that a request has content",
        Server,
        HearsHead(|head| {
            let lengths = head.0.iter().filter(|line| line.starts_with("Content-Length")).count();
            let codings = head.0.iter().filter(|line| line.starts_with("Transfer-Encoding")).count();
            if lengths + codings == 1 && head.get("content-length").is_none_or(|length| length == "5") {
                head.without("Content-Length");
                head.without("Transfer-Encoding");
            }
        }),
        &["HSS-101"],
    ),
    (
        "believes Transfer-Encoding where there is a Content-Length, too",
        Server,
        HearsHead(|head| {
            if head.has("Content-Length") && head.has("Transfer-Encoding") {
                head.without("Content-Length");
                head.without("Transfer-Encoding");
            }
        }),
        &["HSS-103"],
    ),
    (
        "overlooks a Content-Length that is no number",
        Server,
        HearsHead(|head| {
            if head.get("content-length").is_some_and(|length| length.len() != 1) {
                head.without("Content-Length");
            }
        }),
        &["HSS-104.2"],
    ),
    (
        "waits for content behind Expect",
        Server,
        HearsHead(|head| {
            if head.has("Expect") {
                lose(head);
            }
        }),
        &["HSS-105"],
    ),
    (
        "refuses what came through a proxy",
        Server,
        HearsHead(|head| {
            if head.has("Via:") {
                spoil(head);
            }
        }),
        &["HSS-106"],
    ),
    (
        "wants a head in one read",
        Server,
        HearsBytes(|bytes, memo| {
            if memo.count == 0 && !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
                *bytes = b"GARBAGE\r\n\r\n".to_vec();
            }
        }),
        &["HSS-107"],
    ),
    (
        "never answers a plain request",
        Server,
        HearsHead(|head| {
            if head.0[0].starts_with("GET ") && !head.has("Upgrade") && !head.has("Sec-WebSocket") {
                lose(head);
            }
        }),
        &["HSS-111"],
    ),
    ("waits for ever", Both, Twist::Is(Manner::Patient), &["HSS-115.1", "HSC-063"]),
    (
        "says the request's fields again",
        Server,
        Answers(|request, answer| {
            answer.0.extend(request.get("x-lab-echo").map(|value| format!("X-Lab-Echo: {value}")))
        }),
        &["HSS-123"],
    ),
    (
        "takes the first of two Origins",
        Server,
        HearsHead(|head| {
            if let Some(origin) = head.get("origin").map(str::to_owned) {
                head.set("Origin", &origin);
            }
        }),
        &["HSS-135"],
    ),
];
