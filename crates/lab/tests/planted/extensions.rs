//! Faults in the negotiation of extensions, and in compression.

use super::Row;
use super::Subject::{Both, Client, Server};
use crate::memory::twist::Fate::{Drop, Pass};
use crate::memory::twist::Head;
use crate::memory::twist::Twist::{Answers, HearsCompressed, HearsHead, Says, SaysHead};

const FIELD: &str = "Sec-WebSocket-Extensions";

fn offer(head: &Head) -> &str {
    head.get(FIELD).unwrap_or_default()
}

/// Appends this to the answer's permessage-deflate, if the answer opens the connection and has it.
fn append(answer: &mut Head, more: &str) {
    if let Some(line) =
        answer.0.iter_mut().find(|line| line.starts_with("Sec-WebSocket-Extensions: permessage"))
    {
        line.push_str(more);
    }
}

/// Returns whether the header of the first block says that this DEFLATE stream ends with it (RFC 1951 §3.2.3).
fn is_final(payload: &[u8]) -> bool {
    payload.first().is_some_and(|first| first & 1 == 1)
}

pub(crate) const OFFERS: &[Row] = &[
    (
        "accepts extensions that it does not know",
        Server,
        Answers(|request, answer| {
            if offer(request) == "permessage-bzip2" && answer.0[0].contains(" 101 ") {
                answer.add("Sec-WebSocket-Extensions: permessage-bzip2");
            }
        }),
        &["EXT-012.2"],
    ),
    (
        "takes a quoted string for the name of an extension",
        Server,
        HearsHead(|head| head.replace("\"permessage-deflate\"", "permessage-deflate")),
        &["EXT-006.6"],
    ),
    (
        "accepts one extension twice",
        Server,
        Answers(|request, answer| {
            if offer(request).matches("permessage-deflate").count() > 2 {
                append(answer, ", permessage-deflate");
            }
        }),
        &["EXT-004"],
    ),
    (
        "takes a parameter twice",
        Server,
        HearsHead(|head| {
            let twice = "client_no_context_takeover; client_no_context_takeover";
            head.replace(twice, "client_no_context_takeover");
        }),
        &["PMN-008"],
    ),
    (
        "takes a window size with a leading zero",
        Server,
        HearsHead(|head| head.replace("server_max_window_bits=08", "server_max_window_bits=8")),
        &["PMN-015"],
    ),
    (
        "takes a value where none belongs",
        Server,
        HearsHead(|head| head.replace("server_no_context_takeover=true", "server_no_context_takeover")),
        &["PMN-004.2"],
    ),
    (
        "does not say that it forgets its window",
        Server,
        SaysHead(|head| head.replace("; server_no_context_takeover", "")),
        &["PMN-003", "PMN-040"],
    ),
    (
        "answers a larger window than was offered",
        Server,
        SaysHead(|head| head.replace("server_max_window_bits=10", "server_max_window_bits=15")),
        &["PMN-022"],
    ),
    (
        "asks for a window where the client has not offered one",
        Server,
        Answers(|request, answer| {
            if offer(request) == "permessage-deflate" {
                append(answer, "; client_max_window_bits=10");
            }
        }),
        &["PMN-001"],
    ),
];

pub(crate) const ANSWERS: &[Row] = &[
    (
        "takes an extension that it did not offer",
        Client,
        HearsHead(|head| head.0.retain(|line| !line.starts_with("Sec-WebSocket-Extensions: x-"))),
        &["EXT-013"],
    ),
    (
        "takes a parameter that it does not know",
        Client,
        HearsHead(|head| {
            if head.has("permessage-deflate; x-") {
                head.set(FIELD, "permessage-deflate");
            }
        }),
        &["PMN-056"],
    ),
    (
        "takes any window size",
        Client,
        HearsHead(|head| head.replace("server_max_window_bits=16", "server_max_window_bits=15")),
        &["PMN-050.3"],
    ),
    (
        "takes client_max_window_bits without a value",
        Client,
        HearsHead(|head| {
            for line in &mut head.0 {
                if line.ends_with("client_max_window_bits") {
                    line.push_str("=15");
                }
            }
        }),
        &["PMN-043"],
    ),
];

pub(crate) const COMPRESSION: &[Row] = &[
    (
        "breaks what it compresses after 50 messages",
        Both,
        Says(|header, payload, memo| {
            memo.count += usize::from(header.rsv1);
            if header.rsv1 && memo.count > 50 {
                payload[0] ^= 1;
            }
            Pass
        }),
        &["12.1.3"],
    ),
    (
        "leaves messages out that cannot be inflated",
        Both,
        HearsCompressed(|_, payload, _| if payload == b"\x06" { Drop } else { Pass }),
        &["PMD-020"],
    ),
    (
        "knows no stored blocks",
        Both,
        HearsCompressed(|_, payload, _| {
            if payload.len() > 5 && payload[0] & 7 == 0 {
                payload[3] ^= 1;
            }
            Pass
        }),
        &["PMD-011"],
    ),
    (
        "loses the message behind a final block",
        Both,
        HearsCompressed(|_, payload, memo| {
            let is_lost = memo.count == 1 && is_final(payload);
            memo.count = usize::from(is_final(payload));
            if is_lost { Drop } else { Pass }
        }),
        &["PMD-013.2"],
    ),
];
