//! A connection on which nothing wrong is sent: a question now and then, and the time until its answer.

use std::io::{self, Read as _, Write as _};
use std::time::{Duration, Instant};

use super::super::oracles::Oracles;
use super::super::script::{FrameStep, Step};
use super::super::stream::Stream;
use super::super::{Side, generate};
use super::{Game, MOST_BYTES, Opened};
use crate::receiver::{Receiver, Seen};

/// How often we look while we wait.
const SLICE: Duration = Duration::from_millis(5);

/// A neighbour of the connections that scripts are played on.
#[derive(Debug)]
pub(in super::super) struct Quiet {
    stream: Stream,
    receiver: Receiver,
    echo: bool,
    timeout: Duration,
    asked: u64,
}

/// The answer to a question.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Answer {
    After(Duration),
    /// No answer came within the time that an answer may take.
    Missing(Duration),
}

impl Answer {
    pub(in super::super) fn is_within(self, most: Duration) -> bool {
        matches!(self, Self::After(time) if time <= most)
    }
}

impl Quiet {
    /// Opens a quiet connection.
    ///
    /// # Errors
    ///
    /// Fails if a valid opening handshake does not open the connection.
    pub(in super::super) fn open(stream: Stream, oracles: &Oracles) -> io::Result<Self> {
        let script = generate::plain(Side::Server);
        let mut game = Game::new(stream, &script, oracles)?;
        let rest = match game.open()? {
            Opened::Yes(None, rest) => rest,
            Opened::Yes(Some(_), _) => return Err(io::Error::other("an extension that was not offered")),
            Opened::No(finding) => {
                let what = finding.map_or_else(|| "it was not opened".to_owned(), |finding| finding.what);
                return Err(io::Error::other(what));
            }
        };
        let mut receiver = Receiver::new(false, MOST_BYTES);
        receiver.push(&rest);
        Ok(Self { stream: game.stream, receiver, echo: oracles.echo, timeout: oracles.timeout, asked: 0 })
    }

    /// Asks, and waits for the answer: a message if the peer echoes, or else a Ping.
    ///
    /// # Errors
    ///
    /// Fails if the connection has ended.
    pub(in super::super) fn ask(&mut self) -> io::Result<Answer> {
        self.asked += 1;
        let question = format!("a quiet neighbour, {}", self.asked).into_bytes();
        self.say(if self.echo { 1 } else { 9 }, &question)?;
        self.stream.tcp().set_read_timeout(Some(SLICE))?;
        let (mut waited, mut scratch) = (Duration::ZERO, [0; 4096]);
        loop {
            while let Some(frame) = self
                .receiver
                .next(None)
                .map_err(|violation| io::Error::new(io::ErrorKind::InvalidData, violation.to_string()))?
            {
                match frame.seen {
                    Some(Seen::Text(bytes)) if self.echo && bytes == question => {
                        return Ok(Answer::After(waited));
                    }
                    Some(Seen::Pong(bytes)) if !self.echo && bytes == question => {
                        return Ok(Answer::After(waited));
                    }
                    Some(Seen::Ping(bytes)) => self.say(10, &bytes)?,
                    Some(Seen::Close(..)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    _ => {}
                }
            }
            if waited > self.timeout {
                return Ok(Answer::Missing(self.timeout));
            }
            let began = Instant::now();
            match self.stream.read(&mut scratch) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(len) => self.receiver.push(&scratch[..len]),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
            // Anything beyond that is time in which this thread did not run, which is not the peer's fault.
            waited += began.elapsed().min(2 * SLICE);
        }
    }

    fn say(&mut self, opcode: u8, payload: &[u8]) -> io::Result<()> {
        let mask = Some([0x37, 0xfa, 0x21, 0x3d]);
        self.stream.write_all(&Step::Frame(FrameStep { mask, ..FrameStep::new(opcode, payload) }).bytes())
    }
}
