//! Faults that many cases detect, so that each case of the catalogue meets a peer that fails it.

use super::Row;
use super::Subject::{Both, Client, Server};
use crate::memory::twist::Fate::{Drop, Pass};
use crate::memory::twist::Twist::{Answers, Hears, HearsHead, Says};
use crate::memory::twist::{Head, Manner, Twist};

/// The answer to the key that our client in memory sends.
const ACCEPT: &str = "fQ3o+jvWDUlmTKhqvCVM0B9D/fo=";

/// Makes a 101 with this Accept and nothing else.
fn opening(accept: &str) -> Head {
    let accept = format!("Sec-WebSocket-Accept: {accept}");
    let lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", &accept];
    Head(lines.map(str::to_owned).to_vec())
}

/// A case is compared with the first fault that it detects, so the narrow ones come first.
pub(crate) const WIDE: &[Row] = &[
    ("loses every message", Both, Says(|header, _, _| if header.opcode <= 2 { Drop } else { Pass }), &[]),
    ("never fails a connection", Both, Twist::Is(Manner::Forgiving), &[]),
    (
        "takes Pongs that answer nothing for an error",
        Both,
        Hears(|header, _, _| {
            header.fin &= header.opcode != 10;
            Pass
        }),
        &[],
    ),
    ("never answers a Ping", Both, Says(|header, _, _| if header.opcode == 10 { Drop } else { Pass }), &[]),
    ("never sends a Close", Both, Says(|header, _, _| if header.opcode == 8 { Drop } else { Pass }), &[]),
    (
        "opens whatever the request",
        Server,
        Answers(|request, answer| {
            if !answer.0[0].contains(" 101 ") {
                *answer = opening(&Head::accept(request.get("Sec-WebSocket-Key").unwrap_or_default()));
            }
        }),
        // For a request without a key there is no right Accept.
        &["HSS-073"],
    ),
    ("opens whatever the response", Client, HearsHead(|head| *head = opening(ACCEPT)), &[]),
    ("refuses every request", Server, HearsHead(|head| head.without("Sec-WebSocket-Key")), &[]),
    ("refuses every response", Client, HearsHead(|head| head.without("Upgrade")), &[]),
    ("never gets to the end of a request", Server, HearsHead(|head| head.0.clear()), &[]),
    ("never gets to the end of a response", Client, HearsHead(|head| head.0.clear()), &[]),
];
