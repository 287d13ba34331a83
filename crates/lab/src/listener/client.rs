//! A client on its connection, from its request to the end of what follows from it.

use std::time::Duration;

use bowsprit::handshake::{Head, HeadLimits, HeadReader, Progress};

use super::reply::Reply;
use crate::case::Case;
use crate::link::Dialogue;
use crate::player::Wants;
use crate::playing::Playing;
use crate::rule::Violation;

/// How long a client has for its request.
pub(super) const REQUEST: Duration = Duration::from_secs(10);
/// How long a client has to read an answer of the control protocol and to close.
const REPLY: Duration = Duration::from_secs(10);

/// A client on a connection of its own.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) stage: Stage,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// The request is being read.
    Requesting(HeadReader, Vec<u8>),
    /// The request is complete and will be answered, whatever follows; these bytes have come so far.
    Requested(Duration, Head, Vec<u8>),
    /// A case is being played with this agent.
    Case(Playing, String),
    /// A case about HTTP/2 itself is to be played with this agent on the whole connection.
    Handover(&'static Case, String),
    /// The client is sent a reply of the control protocol.
    Replying(Reply),
    /// There is nothing more to do.
    Over,
}

impl Stage {
    /// Sends a message of the control protocol if the request is a valid one.
    pub(super) fn told(head: &Head, message: &str) -> Self {
        match Reply::new(head) {
            Some(mut reply) => {
                reply.say(message);
                Self::Replying(reply)
            }
            None => Self::refuse(),
        }
    }

    pub(super) fn refuse() -> Self {
        Self::answer("404 Not Found", None)
    }

    /// Refuses a page of this origin.
    pub(super) fn refuse_page(origin: String) -> Self {
        Self::answer("403 Forbidden", Some(origin))
    }

    fn answer(status: &str, refused: Option<String>) -> Self {
        let out = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes();
        Stage::Replying(Reply { out, refused, peer_closed: true, ..Reply::empty() })
    }
}

impl Client {
    pub(super) fn new() -> Self {
        let limits = HeadLimits::new(64 * 1024, 256);
        Self { stage: Stage::Requesting(HeadReader::request(limits), Vec::new()) }
    }
}

impl Dialogue for Client {
    fn outgoing(&self) -> Option<&[u8]> {
        match &self.stage {
            Stage::Case(playing, _) => playing.outgoing(),
            Stage::Replying(reply) => Some(&reply.out[reply.written..]).filter(|rest| !rest.is_empty()),
            _ => None,
        }
    }

    fn sent(&mut self, now: Duration, bytes: usize) {
        match &mut self.stage {
            Stage::Case(playing, _) => playing.sent(now, bytes),
            Stage::Replying(reply) => reply.written += bytes,
            _ => {}
        }
    }

    fn write_failed(&mut self, now: Duration, error: &str) {
        match &mut self.stage {
            Stage::Case(playing, _) => playing.write_failed(now, error),
            Stage::Replying(reply) => {
                reply.written = reply.out.len();
                reply.over = true;
            }
            _ => self.stage = Stage::Over,
        }
    }

    fn receive(&mut self, now: Duration, bytes: &[u8]) {
        match &mut self.stage {
            Stage::Requesting(reader, all) => {
                all.extend_from_slice(bytes);
                match reader.receive(bytes) {
                    Ok(Progress::NeedMore) => {}
                    Ok(Progress::Done { value, .. }) => {
                        self.stage = Stage::Requested(now, value, std::mem::take(all))
                    }
                    Err(_) => self.stage = Stage::Over,
                }
            }
            // More was read before the answer: it is kept for the case.
            Stage::Requested(_, _, all) => all.extend_from_slice(bytes),
            Stage::Case(playing, _) => playing.receive(now, bytes),
            Stage::Replying(reply) => {
                reply.frames.push(bytes);
                loop {
                    match reply.frames.next_frame() {
                        Ok(Some(frame)) if frame.header.opcode == 8 => {
                            if reply.waits_for.is_some() {
                                reply.over = true;
                            }
                            reply.peer_closed = true;
                        }
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(_) => {
                            reply.over = true;
                            break;
                        }
                    }
                }
            }
            Stage::Handover(..) | Stage::Over => {}
        }
    }

    fn broken(&mut self, now: Duration, violation: Violation) {
        match &mut self.stage {
            Stage::Case(playing, _) => playing.broken(now, violation),
            _ => self.eof(now, Some(&violation.to_string())),
        }
    }

    fn lost(&mut self) {
        if let Stage::Case(playing, _) = &mut self.stage {
            playing.lost();
        }
    }

    fn eof(&mut self, now: Duration, error: Option<&str>) {
        match &mut self.stage {
            Stage::Case(playing, _) => playing.eof(now, error),
            Stage::Replying(reply) => reply.over = true,
            Stage::Requested(..) => {}
            _ => self.stage = Stage::Over,
        }
    }

    fn tick(&mut self, now: Duration) {
        match &mut self.stage {
            Stage::Case(playing, _) => playing.tick(now),
            Stage::Replying(reply) if now >= REPLY => reply.over = true,
            Stage::Replying(_) => {}
            _ => self.stage = Stage::Over,
        }
    }

    fn deadline(&self) -> Duration {
        match &self.stage {
            Stage::Case(playing, _) => playing.deadline(),
            Stage::Replying(_) => REPLY,
            _ => REQUEST,
        }
    }

    fn wants(&self) -> Wants {
        match &self.stage {
            Stage::Case(playing, _) => playing.wants(),
            Stage::Replying(reply) if reply.peer_closed => Wants::Drop,
            _ => Wants::Nothing,
        }
    }

    /// What follows a request, even the end of the client's direction, is left for whatever answers it.
    fn reads(&self) -> bool {
        !matches!(self.stage, Stage::Requested(..) | Stage::Handover(..))
    }

    fn half_closed(&mut self, now: Duration) {
        if let Stage::Case(playing, _) = &mut self.stage {
            playing.half_closed(now);
        }
    }

    fn dropped(&mut self, now: Duration) {
        match &mut self.stage {
            Stage::Case(playing, _) => playing.dropped(now),
            Stage::Replying(reply) => reply.over = true,
            _ => self.stage = Stage::Over,
        }
    }

    fn is_over(&self) -> bool {
        match &self.stage {
            Stage::Case(playing, _) => playing.is_over(),
            Stage::Replying(reply) => reply.over,
            Stage::Over => true,
            Stage::Requesting(..) | Stage::Requested(..) | Stage::Handover(..) => false,
        }
    }
}
