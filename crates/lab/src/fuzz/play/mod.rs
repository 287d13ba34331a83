//! Plays one script over one connection and compares what comes back with what the RFCs require.
//!
//! At the end of each script the connection is dropped without ceremony; the next script has a new one.

mod opening;
mod quiet;
mod verdict;

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use super::Side;
use super::finding::{Finding, Kind, finding};
use super::model::{self, End, Expected};
use super::oracles::Oracles;
use super::script::{FrameStep, Script, Step};
use super::stream::Stream;
use crate::deflate::{Agreed, Codec};
use crate::explain;
use crate::receiver::Receiver;
use crate::wire::Excerpt;
pub(super) use quiet::{Answer, Quiet};
use verdict::{Heard, SENTINEL, SENTINEL_PING, finding_early, judge};

/// The result of playing a script.
#[derive(Debug, Default)]
pub struct Played {
    /// The finding, if there is one.
    pub finding: Option<Finding>,
    /// What the peer sent, a line for each frame.
    pub received: Vec<String>,
}

/// How long we watch when any behaviour is right.
const GLANCE: Duration = Duration::from_millis(20);
/// How long we wait after a fault for a connection that still answers to be failed.
const GRACE: Duration = Duration::from_millis(250);
/// The most bytes that a message of the peer may hold, many times what a script sends.
const MOST_BYTES: usize = 16 << 20;
/// How many lines of what came are kept.
const LINES: usize = 40;

/// Plays a script. Returns an error if the connection broke before the opening handshake was complete.
///
/// # Errors
///
/// Returns the error of the connection.
pub fn play(stream: Stream, script: &Script, oracles: &Oracles) -> io::Result<Played> {
    let mut game = Game::new(stream, script, oracles)?;
    let finding = match game.open()? {
        Opened::Yes(agreed, rest) => game.talk(agreed, &rest),
        Opened::No(finding) => finding,
    };
    Ok(Played { finding, received: game.received })
}

enum Opened {
    /// The connection is open; these bytes came after the head.
    Yes(Option<Agreed>, Vec<u8>),
    No(Option<Finding>),
}

enum Came {
    Bytes(usize),
    Eof,
    Nothing,
}

struct Game<'a> {
    stream: Stream,
    script: &'a Script,
    oracles: &'a Oracles,
    received: Vec<String>,
    receiver: Receiver,
    codec: Option<Codec>,
    scratch: Vec<u8>,
}

impl<'a> Game<'a> {
    fn new(stream: Stream, script: &'a Script, oracles: &'a Oracles) -> io::Result<Self> {
        stream.tcp().set_nodelay(true)?;
        stream.tcp().set_write_timeout(Some(oracles.timeout))?;
        Ok(Self {
            stream,
            script,
            oracles,
            received: Vec::new(),
            receiver: Receiver::new(oracles.side == Side::Client, MOST_BYTES),
            codec: None,
            scratch: vec![0; 16 * 1024],
        })
    }

    fn open(&mut self) -> io::Result<Opened> {
        match self.oracles.side {
            Side::Server => self.open_as_client(),
            Side::Client => self.open_as_server(),
        }
    }

    fn talk(&mut self, agreed: Option<Agreed>, rest: &[u8]) -> Option<Finding> {
        self.codec = agreed.map(Codec::new);
        let bytes: Vec<u8> = self.script.steps.iter().flat_map(Step::bytes).collect();
        let expected = model::expect(&bytes, self.oracles.side == Side::Client, agreed);
        // The peer may be gone already, for a reason that is read below.
        let sent = self.send_steps().and_then(|()| self.send_sentinel(&expected));
        let mut seen = Heard::default();
        self.receiver.push(rest);
        let finding = self.listen(&expected, &mut seen).or_else(|| judge(&expected, &seen, self.oracles));
        if finding.is_none() && matches!(expected.end, End::Open) && sent.is_err() {
            return finding_early(&seen);
        }
        finding
    }

    fn send_steps(&mut self) -> io::Result<()> {
        let mut out = Vec::new();
        for step in &self.script.steps {
            match step {
                Step::Pause(millis) => {
                    self.write(&out)?;
                    out.clear();
                    std::thread::sleep(Duration::from_millis((*millis).min(1000)));
                }
                step => out.extend(step.bytes()),
            }
        }
        self.write(&out)
    }

    /// Asks whether the peer is still there, in a way that the model knows: after a broken rule nothing may be
    /// answered.
    fn send_sentinel(&mut self, expected: &Expected) -> io::Result<()> {
        if !matches!(expected.end, End::Open | End::Fails(_)) {
            return Ok(());
        }
        let masked = self.oracles.side == Side::Server;
        let mut out = Vec::new();
        let mut frame = |opcode, payload: &[u8]| {
            let mask = masked.then_some([0x37, 0xfa, 0x21, 0x3d]);
            let frame = FrameStep { mask, ..FrameStep::new(opcode, payload) };
            out.extend(Step::Frame(frame).bytes());
        };
        if self.oracles.echo && !expected.message_open {
            frame(1, SENTINEL);
        }
        frame(9, SENTINEL_PING);
        self.stream.write_all(&out)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.script.cut == 0 {
            return self.stream.write_all(bytes);
        }
        bytes.chunks(self.script.cut).try_for_each(|chunk| self.stream.write_all(chunk))
    }

    fn read_until(&mut self, deadline: Instant) -> io::Result<Came> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Came::Nothing);
        }
        self.stream.tcp().set_read_timeout(Some(left))?;
        loop {
            return match self.stream.read(&mut self.scratch) {
                Ok(0) => Ok(Came::Eof),
                Ok(len) => Ok(Came::Bytes(len)),
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => continue,
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Ok(Came::Nothing),
                    // A peer that fails a connection may reset it.
                    io::ErrorKind::ConnectionReset
                    | io::ErrorKind::BrokenPipe
                    | io::ErrorKind::ConnectionAborted => Ok(Came::Eof),
                    _ => Err(error),
                },
            };
        }
    }

    /// Reads until everything that has to come is there.
    fn listen(&mut self, expected: &Expected, seen: &mut Heard) -> Option<Finding> {
        let patience = if expected.end == End::Unknown { GLANCE } else { self.oracles.timeout };
        let mut deadline = Instant::now() + patience;
        let (mut half_closed, mut was_alive) = (false, false);
        loop {
            loop {
                match self.receiver.next(self.codec.as_mut()) {
                    Ok(None) => break,
                    Ok(Some(frame)) => {
                        if self.received.len() < LINES {
                            let excerpt = Excerpt::of(frame.payload);
                            self.received.push(explain::frame_line(&frame.header, &excerpt));
                        }
                        seen.take(frame.seen);
                    }
                    Err(violation) => {
                        return finding(
                            Kind::PeerBrokeRule,
                            "every frame of the peer obeys the rules",
                            violation.section,
                            violation.to_string(),
                        );
                    }
                }
            }
            if seen.is_enough(expected, self.oracles) {
                return None;
            }
            if seen.is_alive() && !was_alive && matches!(expected.end, End::Fails(_)) {
                // A peer that answers Pings independently of its program may see the fault a moment later.
                was_alive = true;
                deadline = deadline.min(Instant::now() + GRACE.min(self.oracles.timeout / 4));
            }
            if seen.close.is_some() && self.oracles.side == Side::Client && !half_closed {
                // §7.1.1: the server ends the TCP connection first, and we are the server here.
                half_closed = true;
                let _ = self.stream.tcp().shutdown(Shutdown::Write);
            }
            match self.read_until(deadline) {
                Ok(Came::Bytes(len)) => self.receiver.push(&self.scratch[..len]),
                Ok(Came::Eof) | Err(_) => {
                    seen.eof = true;
                    return None;
                }
                Ok(Came::Nothing) => {
                    seen.timed_out = true;
                    return None;
                }
            }
        }
    }
}
