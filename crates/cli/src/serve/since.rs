//! Clients that come back and say where they were: `?since=EPOCH:OFFSET` in the URL, or `?since` to be told from now
//! on.
//!
//! Such a client gets a line in front of each message, and separate lines for other events. A line begins with the
//! position to come back with. Nothing that another client sends can look like such a line, because each message has
//! its own.
//!
//! ```text
//! EPOCH:OFFSET LF MESSAGE        a message, text or binary
//! EPOCH:OFFSET own               a message of yours has this place
//! EPOCH:OFFSET complete          that was all that you missed; what follows is new
//! EPOCH:OFFSET too-old           something between your position and this one is not kept any more; what follows is new
//! ```

use bowsprit::backplane::Position;
use bowsprit::event_loop::{ConnId, Context, Replayed};
use bowsprit::handshake::Refusal;
use bowsprit::message::{Message, Prepared};

/// The topic that every client is in if a history is kept.
pub(super) const TOPIC: &str = "";

/// What a client asks for: the messages since a position, or to be told its position from now on.
pub(super) type Since = Option<Position>;

/// Parses the target of a request; `None` if it does not ask.
///
/// # Errors
///
/// Returns the answer to a request that cannot be fulfilled.
pub(super) fn asked(target: &str, has_history: bool) -> Result<Option<Since>, Refusal> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let Some(value) = query.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name == "since").then_some(value)
    }) else {
        return Ok(None);
    };
    let refuse =
        |why: &str| Err(Refusal::new(400).unwrap_or_else(|_| Refusal::upgrade_required()).with_text(why));
    if !has_history {
        return refuse("?since: this server keeps no history; it takes --backplane redis://...?streams");
    }
    // URL libraries escape the colon.
    match value.replace("%3A", ":").replace("%3a", ":").parse() {
        _ if value.is_empty() => Ok(Some(None)),
        Ok(position) => Ok(Some(Some(position))),
        Err(error) => refuse(&format!("?since: {error}")),
    }
}

/// Sends clients the lines they need. The same message goes to many of them, so the last one is kept encoded.
#[derive(Debug, Default)]
pub(super) struct Teller {
    last: Option<(Position, Prepared)>,
}

impl Teller {
    pub(super) fn tell<D: Default>(&mut self, cx: &mut Context<D>, id: ConnId, replayed: &Replayed<'_>) {
        let line = match replayed {
            Replayed::Message { at, message } => {
                if self.last.as_ref().is_none_or(|(last, _)| last != at) {
                    self.last = Some((*at, with_line(*at, *message)));
                }
                if let Some((_, message)) = &self.last {
                    cx.send_prepared(id, message);
                }
                return;
            }
            Replayed::Own { at } => format!("{at} own"),
            Replayed::Complete { at } => format!("{at} complete"),
            Replayed::TooOld { at } => format!("{at} too-old"),
            _ => return,
        };
        cx.send_text(id, &line);
    }
}

fn with_line(at: Position, message: Message<'_>) -> Prepared {
    match message {
        Message::Text(text) => Prepared::from(&format!("{at}\n{text}")),
        Message::Binary(bytes) => Prepared::from(&[format!("{at}\n").as_bytes(), bytes].concat()[..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_ask_for() {
        let position = Position { epoch: 0xab, offset: 7 };
        for (target, expected) in [
            ("/", None),
            ("/chat?sincere=1", None),
            ("/?since", Some(None)),
            ("/?a=b&since=&c", Some(None)),
            ("/?since=00000000000000ab:7", Some(Some(position))),
            ("/x?y&since=00000000000000AB%3A7", Some(Some(position))),
        ] {
            assert_eq!(asked(target, true), Ok(expected), "{target}");
        }
        for target in ["/?since=7", "/?since=ab:7", "/?since=00000000000000ab:7&since", "/?since=x"] {
            match asked(target, true) {
                Err(refusal) => assert_eq!(refusal.status(), 400),
                Ok(since) => assert_eq!(since, Some(Some(position)), "the first counts"),
            }
        }
        assert!(asked("/?since", false).is_err() && asked("/", false) == Ok(None));
    }
}
