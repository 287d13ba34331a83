//! What `-v` shows about a connection: its client, its request, and how it ended.
//!
//! Nothing in it is secret: of the head only what identifies the client and its request is kept, and query values that
//! look like credentials are left out.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bowsprit::connection::{CloseFrame, Due};
use bowsprit::event_loop::{Cause, Ended, Failed};
use bowsprit::handshake::{Head, StartLine};
use bowsprit_lab::counted;

use super::mode::Mode;
use super::since::Since;
use crate::limits;
use crate::output::one_line;
use crate::secret::is_secret;

/// What is kept about a connection while it is open: nothing unless that is of interest.
#[derive(Debug, Default)]
pub(super) struct Visit {
    record: Option<Box<Record>>,
    /// The client's last position, if it states one, until the connection is open.
    pub(super) since: Option<Box<Since>>,
}

#[derive(Debug)]
pub(super) struct Record {
    who: Who,
    since: Instant,
    pub(super) received: Traffic,
    pub(super) sent: Traffic,
    /// The answer to a request that is refused or asks for a page.
    answer: Option<String>,
}

/// Messages, and the bytes of their payloads.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traffic {
    messages: u64,
    bytes: u64,
}

impl Traffic {
    pub(super) const fn count(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes as u64;
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.messages, counted(self.bytes, "byte"))
    }
}

/// The client and its request, in words for one line.
#[derive(Debug)]
struct Who {
    peer: Option<SocketAddr>,
    /// The client that a trusted proxy speaks for.
    client: Option<IpAddr>,
    words: String,
}

/// The longest word of a peer in a line.
const LONGEST: usize = 200;

impl Visit {
    pub(super) fn begin(
        &mut self,
        peer: Option<SocketAddr>,
        client: Option<IpAddr>,
        head: &Head,
    ) -> &mut Record {
        let client = client.filter(|client| peer.is_none_or(|peer| peer.ip().to_canonical() != *client));
        let who = Who { peer, client, words: words_of(head) };
        self.record.insert(Box::new(Record {
            who,
            since: Instant::now(),
            received: Traffic::default(),
            sent: Traffic::default(),
            answer: None,
        }))
    }

    pub(super) fn record(&mut self) -> Option<&mut Record> {
        self.record.as_deref_mut()
    }

    /// Describes how an open connection has ended.
    pub(super) fn closed(&self, mode: &Mode, ended: &Ended) -> String {
        let mut line = how(ended);
        if let Some(record) = self.record.as_deref() {
            let _ = write!(line, ", after {}, received {}", time(record.since.elapsed()), record.received);
            // Messages to all are not counted for each connection.
            if *mode == Mode::Echo {
                let _ = write!(line, ", sent {}", record.sent);
            }
        }
        line
    }

    /// Describes why a connection did not open.
    pub(super) fn failed(&self, failed: &Failed) -> String {
        let record = self.record.as_deref();
        let words = record.map(|record| format!(": {}", record.who.words)).unwrap_or_default();
        match failed {
            Failed::Request(error) => {
                let refusal = error.refusal();
                format!("refused {}, {}{words}", refusal.status(), one_line(refusal.body().trim_ascii_end()))
            }
            Failed::Refused(status) => match record.and_then(|record| record.answer.as_deref()) {
                Some(answer) => format!("refused {status}, {answer}{words}"),
                None => format!("answered {status}{words}"),
            },
            Failed::Timeout => format!("did not open: no whole request in time{words}"),
            Failed::Proxy(error) => format!("did not open: {error}"),
            Failed::Eof => format!("did not open: gone before its request was whole{words}"),
            Failed::Aborted => format!("did not open: ended by the server{words}"),
            Failed::Io(error) => format!("did not open: {}{words}", one_line(error.to_string().as_bytes())),
            other => format!("did not open: {other}{words}"),
        }
    }

    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.record.as_ref().and_then(|record| record.who.peer)
    }

    pub(super) fn client(&self) -> Option<IpAddr> {
        self.record.as_ref().and_then(|record| record.who.client)
    }
}

impl Record {
    /// Describes a connection that opened, with its subprotocol and compression.
    pub(super) fn opened(&self, subprotocol: Option<&str>, compression: &str) -> String {
        let words = &self.who.words;
        match subprotocol {
            Some(name) => format!("opened {words}, subprotocol {name}, {compression}"),
            None => format!("opened {words}, no subprotocol, {compression}"),
        }
    }

    /// Records the answer to a refused peer.
    pub(super) fn refused(&mut self, answer: &[u8]) {
        self.answer = Some(one_line(answer.trim_ascii_end()));
    }
}

/// Returns the target and the fields that identify the client.
fn words_of(head: &Head) -> String {
    let StartLine::Request { method, target, .. } = head.start_line() else { return String::new() };
    let mut words = format!("{method} {}", short(one_line(without_secrets(target).as_bytes())));
    for (name, word) in [("host", "host"), ("origin", "origin")] {
        if let Some(value) = head.values(name).next() {
            let _ = write!(words, " {word} {}", short(one_line(value)));
        }
    }
    match head.values("user-agent").next() {
        Some(agent) => {
            let _ = write!(words, " agent \"{}\"", short(one_line(agent)));
        }
        None => words.push_str(" agent none"),
    }
    words
}

/// Describes how it ended, in the words sent over the wire.
fn how(ended: &Ended) -> String {
    let outcome = &ended.outcome;
    let said = |close: &CloseFrame| match close.reason() {
        "" => close.code().to_string(),
        reason => format!("{} \"{}\"", close.code(), one_line(reason.as_bytes())),
    };
    match &ended.cause {
        Cause::Closed => format!("closed {}", said(&outcome.received)),
        Cause::Protocol(error) => {
            let flag = limits::flag_of(*error).map_or(String::new(), |flag| format!(" ({flag})"));
            format!("failed {}, {}{flag}", said(&outcome.sent), error.section())
        }
        Cause::Eof => "gone 1006, without a Close frame".to_owned(),
        Cause::Io(error) => format!("lost 1006, {}", one_line(error.to_string().as_bytes())),
        Cause::Timeout(Due::CloseTimeout) => "cut 1006, no end of the closing handshake in time".to_owned(),
        Cause::Timeout(due) => {
            let flag = match due {
                Due::Dead => " (--pong-timeout)",
                Due::Idle => " (--idle-timeout)",
                Due::Stalled => " (--message-timeout)",
                _ => "",
            };
            format!("ended {}{flag}", said(&outcome.sent))
        }
        Cause::Overflow => "cut 1006, as it reads too slowly (--max-queued, --overflow)".to_owned(),
        Cause::OverBudget => {
            format!("closed {}, as all together hold more than --max-held", said(&outcome.sent))
        }
        Cause::RateExceeded => "closed 1008, as it sends more than --rate allows".to_owned(),
        Cause::ShutDown => "cut 1006, as the server ends".to_owned(),
        Cause::Failed => format!("failed {}", said(&outcome.sent)),
        _ => "cut 1006, by the server".to_owned(),
    }
}

/// Formats a duration, to the millisecond.
fn time(duration: Duration) -> impl fmt::Display {
    humantime::format_duration(Duration::from_millis(duration.as_millis().try_into().unwrap_or(u64::MAX)))
}

/// Shortens a text that is too long for a line.
pub(super) fn short(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Returns a target without the credentials of its query.
fn without_secrets(target: &str) -> Cow<'_, str> {
    let Some((path, query)) = target.split_once('?') else { return target.into() };
    let mut out = format!("{path}?");
    for (at, pair) in query.split('&').enumerate() {
        if at > 0 {
            out.push('&');
        }
        match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => {
                let _ = write!(out, "{name}=…");
            }
            _ => out.push_str(pair),
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bowsprit::handshake::{HeadLimits, HeadReader, Progress};

    fn head(text: &str) -> Head {
        match HeadReader::request(HeadLimits::default()).receive(text.as_bytes()) {
            Ok(Progress::Done { value, .. }) => value,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn secrets_stay_out() {
        let words = words_of(&head(
            "GET /a?room=1&access_token=s3cret&API_KEY=s3cret&x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer s3cret\r\n\
             Cookie: sid=s3cret\r\nX-Api-Key: s3cret\r\nProxy-Authorization: s3cret\r\n\
             Sec-WebSocket-Protocol: bearer, s3cret\r\nUser-Agent: curl/8\r\n\r\n",
        ));
        assert_eq!(words, "GET /a?room=1&access_token=…&API_KEY=…&x host a agent \"curl/8\"");
    }

    #[test]
    fn what_a_peer_says_is_cleaned_and_bounded() {
        let long = "x".repeat(5000);
        let words = words_of(&head(&format!(
            "GET /{long} HTTP/1.1\r\nHost: a\r\nOrigin: \u{9b}31m\r\nUser-Agent: a\u{202e}b\"\r\n\r\n"
        )));
        assert!(words.len() < 600, "{words}");
        assert!(words.contains("xx… host a"), "{words}");
        assert!(words.contains("origin \\u{9b}31m agent \"a\\u{202e}b\"\""), "{words}");
    }
}
