//! Faults of a client in reading responses.

use super::Row;
use super::Subject::Client;
use crate::memory::twist::Twist::{HearsBytes, HearsHead};
use crate::memory::twist::{Head, Manner, Twist};

/// The answer to the key that our client in memory sends.
const ACCEPT: &str = "fQ3o+jvWDUlmTKhqvCVM0B9D/fo=";

/// Makes the response one that nobody accepts.
fn spoil(head: &mut Head) {
    head.without("Upgrade");
}

/// Loses the response.
fn lose(head: &mut Head) {
    head.0.clear();
}

fn accepts(head: &Head) -> impl Iterator<Item = &String> {
    head.0.iter().filter(|line| line.to_ascii_lowercase().starts_with("sec-websocket-accept"))
}

pub(crate) const RESPONSES: &[Row] = &[
    (
        "takes responses without Upgrade",
        Client,
        HearsHead(|head| head.set("Upgrade", "websocket")),
        &["HSC-036"],
    ),
    (
        "takes responses without Connection",
        Client,
        HearsHead(|head| head.set("Connection", "Upgrade")),
        &["HSC-039"],
    ),
    (
        "takes a 200",
        Client,
        HearsHead(|head| {
            if head.0[0].contains(" 200 ") {
                head.first("HTTP/1.1 101 Switching Protocols");
            }
        }),
        &["HSC-015"],
    ),
    (
        "takes a 102 for a 101",
        Client,
        HearsBytes(|bytes, _| {
            if bytes.starts_with(b"HTTP/1.1 102") {
                bytes[11] = b'1';
            }
        }),
        &["HSC-020.1"],
    ),
    (
        "takes a 101 of HTTP/1.0",
        Client,
        HearsHead(|head| {
            let line = head.0[0].replace("HTTP/1.0", "HTTP/1.1");
            head.first(&line);
        }),
        &["HSC-032"],
    ),
    (
        "takes subprotocols that it did not offer",
        Client,
        HearsHead(|head| {
            head.without("Sec-WebSocket-Protocol");
        }),
        &["SUB-012", "SUB-014"],
    ),
    (
        "guesses what the status line may mean",
        Client,
        HearsHead(|head| {
            for odd in ["HTTP/2 101", "HTTP/1.1 1 01", "HTTP/1.1 0101", "HTTP/1.1 101x"] {
                head.0[0] = head.0[0].replace(odd, "HTTP/1.1 101");
            }
        }),
        &["HSC-033.1"],
    ),
    (
        "takes an interim response for the last",
        Client,
        HearsBytes(|bytes, _| {
            if bytes.starts_with(b"HTTP/1.1 100") {
                *bytes = b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec();
            }
        }),
        &["HSC-017"],
    ),
    ("waits for another response behind a refused one", Client, Twist::Is(Manner::Clinging), &["HSC-036.2"]),
    (
        "takes an Accept of any value",
        Client,
        HearsHead(|head| {
            if accepts(head).count() < 2 {
                head.set("Sec-WebSocket-Accept", ACCEPT);
            }
        }),
        &["HSC-045"],
    ),
    (
        "looks for a right Accept among several",
        Client,
        HearsHead(|head| {
            if accepts(head).count() == 2 && accepts(head).any(|line| line.ends_with(ACCEPT)) {
                head.set("Sec-WebSocket-Accept", ACCEPT);
            }
        }),
        &["HSC-052.1"],
    ),
    (
        "keeps the blanks around values",
        Client,
        HearsHead(|head| {
            if head.has("\t") {
                spoil(head);
            }
        }),
        &["HSC-050"],
    ),
    (
        "waits for the content of a 101",
        Client,
        HearsHead(|head| {
            if head.0[0].contains(" 101 ") && head.has("Content-Length: 10") {
                lose(head);
            }
        }),
        &["HSC-058"],
    ),
    (
        "hangs at a line without colon",
        Client,
        HearsHead(|head| {
            if head.0.iter().any(|line| line == "X-Test") {
                lose(head);
            }
        }),
        &["HSC-057.3"],
    ),
    (
        "loses a byte of a response that comes byte by byte",
        Client,
        HearsBytes(|bytes, memo| {
            if memo.count == 100 && bytes.len() == 1 {
                bytes.clear();
            }
        }),
        &["HSC-061"],
    ),
    (
        "takes whatever comes for a response",
        Client,
        HearsBytes(|bytes, memo| {
            if memo.count == 0 && bytes.first() == Some(&0x81) {
                let head = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
                );
                bytes.splice(..0, head.into_bytes());
            }
        }),
        &["HSC-067"],
    ),
    (
        "refuses cookies",
        Client,
        HearsHead(|head| {
            if head.has("Set-Cookie") {
                spoil(head);
            }
        }),
        &["HSC-068"],
    ),
];
