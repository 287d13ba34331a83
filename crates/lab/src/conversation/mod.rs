//! A conversation between two foreign programs: both directions are read and checked against the RFC.
//!
//! In: the bytes of each side, in any cut, and their times. Out: [`Told`] in order: heads, what was agreed, frames with
//! the messages that they complete, and every rule that a side breaks. Nothing is sent or refused, and reading goes on
//! after a fault. What is kept is bounded by [`Keep`] plus a few kilobytes.
//!
//! The judgement covers what shows on the wire: the opening handshake (RFC 6455 §4), the frames of each direction (§5;
//! RFC 7692), and what one side owes the other: an answer to a Close (§5.5.1) and to a Ping (§5.5.2).

mod duties;
mod html;
mod opening;
mod show;
mod tally;

use std::time::Duration;

use bowsprit::error::Section;

use super::reader::{Frame, Keep, Message, Reader};
use super::rule::Violation;
use crate::counted;
use duties::Duties;
use opening::{Answer, Heads, MOST, Request};

pub use super::reader::Peer;
pub use html::{html_end, html_start};
pub use opening::Agreement;
pub(super) use opening::{agreement_of, end_of_head};
pub use show::{Colour, Line, head_lines};
pub use tally::{Summary, Tally};

/// How many bytes are kept of data that is not a frame.
const SHOWN: usize = 256;

/// An event of one side, and when it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The time, counted from the start of the connection.
    pub at: Duration,
    /// The side that caused the event.
    pub from: Peer,
    /// The event.
    pub event: WireEvent,
}

/// What a side did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireEvent {
    /// It sent the head of a request or a response; these are its bytes on the wire.
    Head(Vec<u8>),
    /// It agreed to open the connection, or (in a request alone) offered to.
    Agreed(Agreement),
    /// It sent a frame, which may be cut at the end.
    Frame(Frame),
    /// It sent a message whose frames are unknown.
    Message(Message),
    /// It sent a control frame whose header is unknown.
    Control {
        /// The opcode: 8, 9 or 10.
        opcode: u8,
        /// The payload, unmasked.
        payload: Vec<u8>,
    },
    /// It sent bytes that are not a frame or are not judged.
    Bytes {
        /// The position of the first byte.
        at: u64,
        /// The number of bytes.
        count: u64,
        /// The first of the bytes.
        start: Vec<u8>,
    },
    /// It sent bytes that end inside the header of a frame.
    Cut {
        /// The position of the first byte.
        at: u64,
        /// The part of the header that came.
        rest: Vec<u8>,
    },
    /// It broke a rule that is not about one frame.
    Broken(Violation),
    /// A remark on something that breaks no rule.
    Note(String),
    /// It sends nothing more.
    Ended(End),
}

/// How a direction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// In order: with FIN or `close_notify`.
    Finished,
    /// By a reset.
    Reset,
}

/// Reads both directions of a connection.
#[derive(Debug)]
pub struct Conversation {
    keep: Keep,
    client: Half,
    server: Half,
    request: Option<Request>,
    duties: Duties,
    is_open: bool,
    summary: Summary,
}

/// One direction.
#[derive(Debug, Default)]
struct Half {
    state: State,
    /// How many bytes have come.
    at: u64,
    ended: bool,
}

#[derive(Debug, Default)]
enum State {
    /// A head is expected.
    #[default]
    Begin,
    Head(Vec<u8>),
    /// The request is complete, and the answer has not come.
    Waiting(Vec<u8>),
    Open(Box<Reader>),
    /// Bytes pass without judgement: how many have come, and the first of them.
    Opaque(u64, Vec<u8>),
}

impl Conversation {
    /// Creates a conversation of which nothing has been seen yet.
    pub fn new(keep: Keep) -> Self {
        Self {
            keep,
            client: Half::default(),
            server: Half::default(),
            request: None,
            duties: Duties::default(),
            is_open: false,
            summary: Summary::default(),
        }
    }

    /// Returns whether the opening handshake is complete.
    pub const fn is_open(&self) -> bool {
        self.is_open
    }

    /// Returns whether the server has answered the request, with acceptance or refusal.
    pub const fn is_answered(&self) -> bool {
        self.is_open || self.summary.refused.is_some()
    }

    /// Returns the numbers so far.
    pub const fn summary(&self) -> &Summary {
        &self.summary
    }

    fn half(&mut self, peer: Peer) -> &mut Half {
        match peer {
            Peer::Client => &mut self.client,
            Peer::Server => &mut self.server,
        }
    }

    /// Takes bytes that a side has sent.
    pub fn receive(&mut self, at: Duration, from: Peer, bytes: &[u8], tell: &mut impl FnMut(Told)) {
        self.summary.of(from).bytes += bytes.len() as u64;
        self.half(from).at += bytes.len() as u64;
        if let State::Open(_) | State::Opaque(..) = self.half(from).state {
            return self.pass(at, from, bytes, tell);
        }
        let mut rest = bytes.to_vec();
        while !rest.is_empty() {
            let mut seen = 0;
            let collected = match std::mem::take(&mut self.half(from).state) {
                State::Begin => rest,
                State::Head(mut head) => {
                    seen = head.len();
                    head.append(&mut rest);
                    head
                }
                State::Waiting(mut early) => {
                    if early.is_empty() {
                        let what = "The client sends bytes before it has the response";
                        self.broken(at, from, Violation::new(Section::rfc6455("4.1"), what), tell);
                    }
                    early.append(&mut rest);
                    if early.len() > MOST {
                        return self.give_up(at, early, tell);
                    }
                    self.half(from).state = State::Waiting(early);
                    return;
                }
                state @ (State::Open(_) | State::Opaque(..)) => {
                    self.half(from).state = state;
                    return self.pass(at, from, &rest, tell);
                }
            };
            rest = match opening::split(collected, seen) {
                Heads::Whole(head, rest) => {
                    self.head(at, from, head, tell);
                    rest
                }
                Heads::Coming(head) if head.len() <= MOST => {
                    self.half(from).state = State::Head(head);
                    return;
                }
                Heads::Coming(bytes) => {
                    let what = format!(
                        "The head of the {} is longer than {MOST} bytes: nothing is judged",
                        from.name()
                    );
                    tell(Told { at, from, event: WireEvent::Note(what) });
                    return self.opaque(at, from, &bytes, tell);
                }
                Heads::None(bytes) => {
                    let what = format!("What the {} sends is no HTTP head", from.name());
                    self.broken(at, from, Violation::new(Section::new(9112, "2.1"), what), tell);
                    return self.opaque(at, from, &bytes, tell);
                }
            };
        }
    }

    /// Records that a side sends nothing more.
    pub fn end(&mut self, at: Duration, from: Peer, how: End, tell: &mut impl FnMut(Told)) {
        self.end_half(at, from, Some(how), tell);
        if self.client.ended && self.server.ended {
            self.over(at, from, tell);
        }
    }

    /// Starts after an opening handshake that was not seen. `deflate` says whether messages may be compressed, which
    /// has to be known from elsewhere.
    pub fn open_already(&mut self, deflate: bool) {
        self.is_open = true;
        self.summary.opened = true;
        for peer in [Peer::Client, Peer::Server] {
            let mut reader = Reader::new(Some(peer), 0, self.keep);
            if deflate {
                reader.inflate_all();
            }
            self.half(peer).state = State::Open(Box::new(reader));
        }
    }

    /// Records that a side has sent this many bytes that were not seen: nothing after them in this direction can be
    /// judged.
    pub fn lose(&mut self, at: Duration, from: Peer, bytes: u64, tell: &mut impl FnMut(Told)) {
        let what = format!(
            "missing from the {}: {}; what follows is not judged",
            from.name(),
            counted(bytes, "byte")
        );
        tell(Told { at, from, event: WireEvent::Note(what) });
        let half = self.half(from);
        half.at += bytes;
        half.state = State::Opaque(0, Vec::new());
    }

    /// Ends the connection, even if a side has more to send.
    pub fn cut_off(&mut self, at: Duration, tell: &mut impl FnMut(Told)) {
        if self.client.ended && self.server.ended {
            return;
        }
        for peer in [Peer::Client, Peer::Server] {
            self.end_half(at, peer, None, tell);
        }
        self.over(at, Peer::Server, tell);
    }

    fn end_half(&mut self, at: Duration, from: Peer, how: Option<End>, tell: &mut impl FnMut(Told)) {
        if std::mem::replace(&mut self.half(from).ended, true) {
            return;
        }
        let state = std::mem::replace(&mut self.half(from).state, State::Opaque(0, Vec::new()));
        let end = self.half(from).at;
        match state {
            State::Begin => {}
            State::Head(bytes) | State::Waiting(bytes) => {
                let count = bytes.len() as u64;
                if count > 0 {
                    let start = bytes[..bytes.len().min(SHOWN)].to_vec();
                    tell(Told { at, from, event: WireEvent::Bytes { at: end - count, count, start } });
                }
            }
            State::Open(mut reader) => {
                let (frame, rest) = reader.end();
                if let Some(frame) = frame {
                    self.summary.frame(from, &frame);
                    tell(Told { at, from, event: WireEvent::Frame(frame) });
                }
                if !rest.is_empty() {
                    tell(Told { at, from, event: WireEvent::Cut { at: end - rest.len() as u64, rest } });
                }
            }
            State::Opaque(count, start) => {
                if count > 0 {
                    tell(Told { at, from, event: WireEvent::Bytes { at: end - count, count, start } });
                }
            }
        }
        if let Some(how) = how {
            tell(Told { at, from, event: WireEvent::Ended(how) });
        }
        for violation in self.duties.end(at, from) {
            self.broken(at, from, violation, tell);
        }
    }

    /// Reports what follows from the end of both directions.
    fn over(&mut self, at: Duration, from: Peer, tell: &mut impl FnMut(Told)) {
        let has_closed = self.duties.has_closed(Peer::Client) || self.duties.has_closed(Peer::Server);
        if self.is_open && !has_closed {
            let what = "The connection ends without a Close, which both sides see as 1006".to_owned();
            tell(Told { at, from, event: WireEvent::Note(what) });
        }
    }

    /// Reads bytes of a direction after its head.
    fn pass(&mut self, at: Duration, from: Peer, bytes: &[u8], tell: &mut impl FnMut(Told)) {
        // `self.half` would borrow the whole of `self`.
        let half = if from == Peer::Client { &mut self.client } else { &mut self.server };
        match &mut half.state {
            State::Open(reader) => {
                let (duties, summary) = (&mut self.duties, &mut self.summary);
                reader.push(bytes, |frame| {
                    duties.frame(at, from, &frame);
                    summary.frame(from, &frame);
                    tell(Told { at, from, event: WireEvent::Frame(frame) });
                });
            }
            State::Opaque(count, start) => {
                let kept = SHOWN.saturating_sub(start.len()).min(bytes.len());
                start.extend_from_slice(&bytes[..kept]);
                *count += bytes.len() as u64;
            }
            _ => {}
        }
    }

    fn broken(&mut self, at: Duration, from: Peer, violation: Violation, tell: &mut impl FnMut(Told)) {
        self.summary.broken(from, &violation);
        tell(Told { at, from, event: WireEvent::Broken(violation) });
    }

    fn head(&mut self, at: Duration, from: Peer, head: Vec<u8>, tell: &mut impl FnMut(Told)) {
        tell(Told { at, from, event: WireEvent::Head(head.clone()) });
        match from {
            Peer::Client => {
                self.summary.requests += 1;
                let request = Request::read(&head);
                if let Some(violation) = request.violation.clone() {
                    self.broken(at, from, violation, tell);
                }
                self.client.state = match self.is_open {
                    false => State::Waiting(Vec::new()),
                    true => {
                        let begin = head.len() as u64;
                        State::Open(Box::new(Reader::new(Some(from), begin, self.keep)))
                    }
                };
                if !request.is_upgrade {
                    let what =
                        "This is no WebSocket request: what follows is passed on and not judged".to_owned();
                    tell(Told { at, from, event: WireEvent::Note(what) });
                    self.client.state = State::Opaque(0, Vec::new());
                }
                self.request = Some(request);
            }
            Peer::Server => self.answer(at, &head, tell),
        }
    }

    fn answer(&mut self, at: Duration, head: &[u8], tell: &mut impl FnMut(Told)) {
        let from = Peer::Server;
        let answer = Answer::read(head, self.request.as_ref());
        if let Some(violation) = answer.violation {
            self.broken(at, from, violation, tell);
        }
        match answer.status {
            // RFC 9110 §15.2: interim responses may come first, but not 101.
            Some(100 | 102..=199) => {}
            Some(101) => {
                self.is_open = true;
                self.summary.opened = true;
                tell(Told { at, from, event: WireEvent::Agreed(answer.agreement) });
                let reader = |peer, begin, inflation| {
                    let mut reader = Reader::new(Some(peer), begin, self.keep);
                    if let Some(inflation) = inflation {
                        reader.inflate(inflation);
                    }
                    State::Open(Box::new(reader))
                };
                let (client, server) = answer.inflations.unzip();
                // The bytes of this direction that came after the head are read next.
                let begin = self.summary.of(from).heads + head.len() as u64;
                self.server.state = reader(Peer::Server, begin, server);
                // If the request is not complete yet, frames follow its end.
                if let State::Waiting(early) = &mut self.client.state {
                    let early = std::mem::take(early);
                    let begin = self.client.at - early.len() as u64;
                    self.client.state = reader(Peer::Client, begin, client);
                    self.pass(at, Peer::Client, &early, tell);
                }
            }
            status => {
                self.summary.refused = status;
                self.server.state = State::Opaque(0, Vec::new());
                let early = match std::mem::take(&mut self.client.state) {
                    State::Waiting(early) | State::Head(early) => early,
                    State::Opaque(..) => return self.client.state = State::Opaque(0, Vec::new()),
                    _ => Vec::new(),
                };
                self.client.state = State::Opaque(0, Vec::new());
                self.pass(at, Peer::Client, &early, tell);
            }
        }
        self.summary.of(from).heads += head.len() as u64;
    }

    /// Stops judging, because more came before the answer than is kept.
    fn give_up(&mut self, at: Duration, early: Vec<u8>, tell: &mut impl FnMut(Told)) {
        let what = format!("More than {MOST} bytes come before the response: nothing more is judged");
        tell(Told { at, from: Peer::Client, event: WireEvent::Note(what) });
        self.opaque(at, Peer::Client, &early, tell);
    }

    /// Stops judging both directions; `bytes` are the last that came from this side.
    fn opaque(&mut self, at: Duration, from: Peer, bytes: &[u8], tell: &mut impl FnMut(Told)) {
        for peer in [Peer::Client, Peer::Server] {
            let last = match std::mem::replace(&mut self.half(peer).state, State::Opaque(0, Vec::new())) {
                State::Head(bytes) | State::Waiting(bytes) => bytes,
                State::Opaque(count, start) => {
                    self.half(peer).state = State::Opaque(count, start);
                    continue;
                }
                _ => Vec::new(),
            };
            self.pass(at, peer, &last, tell);
        }
        self.pass(at, from, bytes, tell);
    }
}

#[cfg(test)]
mod tests;
