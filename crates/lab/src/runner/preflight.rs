//! Looks at a server before the first case is played: whether it opens connections at all, whether it echoes, whether
//! it speaks first, whether what is sent on one connection reaches another, and whether it accepts more than one at a
//! time.
//!
//! This takes two connections and some milliseconds: the first one asks for an echo, the second one is opened beside
//! it.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bowsprit::frame::{MaskKey, RawHeader};
use bowsprit::handshake::{HeadLimits, HeadReader, Progress, StartLine};
use mio::{Events, Interest, Poll, Token};

use super::CONNECT;
use super::target::Target;
use crate::case::Opening;
use crate::http2::{Shared, Stream, Trunk};
use crate::link::{Dialogue, Link, SCRATCH};
use crate::opening::{self, Fill};
use crate::options::{Carrier, Options};
use crate::pipe::Pipe;
use crate::player::Wants;
use crate::random::Random;
use crate::wire::FrameReader;

/// How long an echo may take while nothing else is sent.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long the second connection may take to open beside the first; if it takes longer, the server accepts one at a
/// time.
const BESIDE: Duration = Duration::from_millis(300);
/// The most messages that a server may send before it echoes; more is not a greeting.
const MOST: usize = 64;

/// The properties of a server, as far as two connections show them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// How many messages the server sends before anything is sent to it.
    pub greetings: u32,
    /// The first of these messages.
    pub greeting: Option<Vec<u8>>,
    /// Whether the server sends messages back.
    pub echoes: bool,
    /// Whether messages sent on one connection reach another.
    pub relays: bool,
    /// Whether a second connection opens only after the first one is closed.
    pub one_at_a_time: bool,
}

/// Examines a server.
///
/// # Errors
///
/// Returns what is there in place of a WebSocket server, in a sentence.
pub fn preflight(target: &Target, options: Options) -> Result<Survey, String> {
    let patience = options.patience.unwrap_or(PATIENCE);
    let mut survey = Survey::default();
    let mut pair = Pair::new(options).map_err(|error| error.to_string())?;
    pair.connect(target, 0)?;
    pair.until(patience, |[first, _]| first.is_some_and(|caller| caller.opened));
    pair.callers[0].as_ref().map_or(Ok(()), |link| link.dialogue.must_be_open())?;
    pair.say(0, "probe");
    pair.until(patience, |[first, _]| first.is_some_and(Caller::is_answered));
    let Some(first) = pair.caller(0) else { return Err("it ended the connection".to_owned()) };
    if let Some(at) = first.echo() {
        survey.echoes = true;
        survey.greetings = u32::try_from(at).unwrap_or(u32::MAX);
        survey.greeting = first.messages[..at].first().cloned();
    } else if let Some(error) = &first.error
        && first.messages.is_empty()
    {
        return Err(error.clone());
    }
    pair.connect(target, 1)?;
    pair.until(BESIDE.min(patience), |[_, second]| second.is_some_and(|caller| caller.opened));
    if pair.caller(1).is_none_or(|caller| !caller.opened) {
        survey.one_at_a_time = true;
    } else {
        pair.say(1, "aside");
        pair.say(0, "again");
        let wait = if survey.echoes { patience } else { BESIDE.min(patience) };
        pair.until(wait, |callers| callers.iter().all(|caller| caller.is_some_and(Caller::is_answered)));
        let heard = |caller: usize, text: &str| {
            pair.caller(caller).is_some_and(|caller| caller.messages.iter().any(|one| one == text.as_bytes()))
        };
        survey.relays = heard(0, "aside") || heard(1, "again");
    }
    pair.part(BESIDE.min(patience));
    Ok(survey)
}

/// Two connections on one poll, or two streams of one connection.
struct Pair {
    poll: Poll,
    scratch: Vec<u8>,
    carrier: Carrier,
    trunk: Option<Shared>,
    callers: [Option<Link<Caller>>; 2],
}

impl Pair {
    fn new(options: Options) -> io::Result<Self> {
        let scratch = vec![0; SCRATCH];
        let carrier = options.carrier;
        Ok(Self { poll: Poll::new()?, scratch, carrier, trunk: None, callers: [None, None] })
    }

    fn pipe(&mut self, target: &Target, at: usize) -> io::Result<Pipe> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Some(trunk) = &self.trunk {
            return Ok(Pipe::Stream(Stream::new(trunk, Random::for_case(at as u64, "preflight"))));
        }
        let mut socket = target.connect()?;
        self.poll.registry().register(socket.tcp_mut(), Token(at), interest)?;
        match self.carrier {
            Carrier::Http1 => Ok(Pipe::Socket(socket)),
            Carrier::Http2(cut) => {
                self.trunk = Some(Rc::new(RefCell::new(Trunk::connecting(socket, cut))));
                self.pipe(target, at)
            }
        }
    }

    fn connect(&mut self, target: &Target, at: usize) -> Result<(), String> {
        let error = |error: io::Error| format!("could not connect: {error}");
        let pipe = self.pipe(target, at).map_err(error)?;
        let mut link = Link::connecting(pipe, Caller::new(target, at, self.carrier));
        // A stream has no event of its own.
        link.pump(&mut self.scratch);
        self.callers[at] = Some(link);
        if at == 0 {
            self.until(CONNECT, |[first, _]| first.is_none_or(|first| first.sent_request()));
            if let Some(error) = self.callers[0].as_ref().and_then(|link| link.error()) {
                return Err(format!("could not connect: {error}"));
            }
        }
        Ok(())
    }

    fn caller(&self, at: usize) -> Option<&Caller> {
        self.callers[at].as_ref().map(|link| &link.dialogue)
    }

    fn say(&mut self, at: usize, text: &'static str) {
        if let Some(link) = &mut self.callers[at] {
            link.dialogue.say(text);
            link.pump(&mut self.scratch);
        }
    }

    /// Closes both connections, and waits a little for their answers.
    fn part(&mut self, wait: Duration) {
        for link in self.callers.iter_mut().flatten() {
            link.dialogue.close();
            link.pump(&mut self.scratch);
        }
        self.until(wait, |callers| callers.iter().flatten().all(|caller| caller.over));
    }

    /// Moves bytes until `done` returns true, nothing can change any more, or the time is over.
    fn until(&mut self, wait: Duration, done: impl Fn([Option<&Caller>; 2]) -> bool) {
        let deadline = Instant::now() + wait;
        let mut events = Events::with_capacity(16);
        let mut more = false;
        loop {
            let all_over = self.callers.iter().flatten().all(Link::is_over);
            let left = deadline.saturating_duration_since(Instant::now());
            if all_over || left.is_zero() || done([self.caller(0), self.caller(1)]) {
                return;
            }
            let timeout = if more { Duration::ZERO } else { left.min(Duration::from_millis(50)) };
            match self.poll.poll(&mut events, Some(timeout)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return,
            }
            more = self.trunk.as_ref().is_some_and(|trunk| trunk.borrow_mut().pump(&mut self.scratch));
            for link in self.callers.iter_mut().flatten().filter(|link| !link.is_over()) {
                more |= link.pump(&mut self.scratch);
            }
        }
    }
}

/// One connection of ours, which asks for echoes.
struct Caller {
    carrier: Carrier,
    out: Vec<u8>,
    written: usize,
    head: HeadReader,
    opened: bool,
    asked: Vec<&'static str>,
    frames: FrameReader,
    /// Fragments of an incomplete message.
    message: Vec<u8>,
    messages: Vec<Vec<u8>>,
    error: Option<String>,
    closes: bool,
    over: bool,
}

impl Caller {
    fn new(target: &Target, at: usize, carrier: Carrier) -> Self {
        let mut random = Random::for_case(at as u64, "preflight");
        let fill = Fill {
            host: target.host.clone(),
            target: target.path.clone(),
            key: opening::key_of(random.bytes()),
            random: String::new(),
            fields: target.fields.clone(),
        };
        Self {
            carrier,
            out: opening::request_over(&Opening::GOOD, &fill, carrier),
            written: 0,
            head: HeadReader::response(HeadLimits::new(64 * 1024, 256)),
            opened: false,
            asked: Vec::new(),
            frames: FrameReader::default(),
            message: Vec::new(),
            messages: Vec::new(),
            error: None,
            closes: false,
            over: false,
        }
    }

    fn must_be_open(&self) -> Result<(), String> {
        match (&self.error, self.opened) {
            (Some(error), false) => Err(error.clone()),
            (None, false) => Err("no answer came".to_owned()),
            (_, true) => Ok(()),
        }
    }

    fn sent_request(&self) -> bool {
        self.written > 0
    }

    fn say(&mut self, text: &'static str) {
        self.asked.push(text);
        self.frame(RawHeader::TEXT, text.as_bytes());
    }

    fn close(&mut self) {
        if self.closes {
            return;
        }
        self.frame(RawHeader::CLOSE, &1000u16.to_be_bytes());
        self.closes = true;
    }

    fn frame(&mut self, header: RawHeader, payload: &[u8]) {
        let key = MaskKey([0x5a, 0x17, 0xc3, 0x08]);
        header.with_length(payload.len() as u64).with_mask(key).encode_into(&mut self.out);
        let start = self.out.len();
        self.out.extend_from_slice(payload);
        key.apply(&mut self.out[start..]);
    }

    /// Returns the index of the echo of the first question among the messages.
    fn echo(&self) -> Option<usize> {
        let asked = self.asked.first()?;
        self.messages.iter().position(|message| message == asked.as_bytes())
    }

    /// Returns whether the last question has its echo, or will have none.
    fn is_answered(&self) -> bool {
        let echoed =
            self.asked.last().is_some_and(|asked| self.messages.iter().any(|one| one == asked.as_bytes()));
        echoed || self.over || self.messages.len() >= MOST
    }

    fn fail(&mut self, error: impl Into<String>) {
        self.error.get_or_insert(error.into());
        self.over = true;
    }

    fn receive_head<'b>(&mut self, mut bytes: &'b [u8]) -> &'b [u8] {
        loop {
            match self.head.receive(bytes) {
                Ok(Progress::NeedMore) => return b"",
                Ok(Progress::Done { value: head, used }) => {
                    bytes = &bytes[used..];
                    match head.start_line() {
                        StartLine::Response { status: 100 | 102..=199, .. } => continue,
                        StartLine::Response { status, .. } if self.carrier.opens(status) => {
                            self.opened = true
                        }
                        StartLine::Response { status, .. } => {
                            self.fail(format!("The opening handshake ended wrongly: HTTP status {status}."));
                        }
                        StartLine::Request { .. } => self.fail("What came back is no HTTP head."),
                    }
                    return bytes;
                }
                Err(error) => {
                    self.fail(format!("What came back is no HTTP head. ({error}, {})", error.section()));
                    return b"";
                }
            }
        }
    }

    fn receive_frames(&mut self, bytes: &[u8]) {
        self.frames.push(bytes);
        while let (Ok(Some(frame)), true) = (self.frames.next_frame(), self.messages.len() < MOST) {
            match frame.header.opcode {
                0..=2 => {
                    self.message.extend_from_slice(&frame.payload);
                    if frame.header.fin {
                        self.messages.push(std::mem::take(&mut self.message));
                    }
                }
                8 => {
                    self.close();
                    self.fail("it closed the connection");
                }
                9 => self.frame(RawHeader::PONG, &frame.payload),
                _ => {}
            }
        }
        // A caller needs only a few hundred bytes.
        if self.frames.rest().len() > 1 << 20 || self.message.len() > 1 << 20 || self.out.len() > 1 << 20 {
            self.fail("it sends without end");
        }
    }
}

impl Dialogue for Caller {
    fn outgoing(&self) -> Option<&[u8]> {
        Some(&self.out[self.written..]).filter(|rest| !rest.is_empty())
    }
    fn sent(&mut self, _: Duration, bytes: usize) {
        self.written += bytes;
    }
    fn write_failed(&mut self, _: Duration, error: &str) {
        self.written = self.out.len();
        self.error.get_or_insert_with(|| error.to_owned());
    }
    fn receive(&mut self, _: Duration, bytes: &[u8]) {
        let rest = if self.opened { bytes } else { self.receive_head(bytes) };
        if self.opened && !self.over {
            self.receive_frames(rest);
        }
    }
    fn eof(&mut self, _: Duration, error: Option<&str>) {
        let early = if self.opened {
            "it ended the connection"
        } else {
            "the peer ended the connection without an answer"
        };
        self.fail(error.unwrap_or(early));
    }
    fn tick(&mut self, _: Duration) {}
    fn deadline(&self) -> Duration {
        Duration::MAX
    }
    fn wants(&self) -> Wants {
        if self.over { Wants::Drop } else { Wants::Nothing }
    }
    fn half_closed(&mut self, _: Duration) {}
    fn dropped(&mut self, _: Duration) {
        self.over = true;
    }
    fn is_over(&self) -> bool {
        self.over
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;

    /// RFC 6455 §5.5.1: nothing follows a Close, not even in answer to the peer's.
    #[test]
    fn a_caller_sends_one_close() {
        let target = Target::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)), "localhost", "/");
        let mut caller = Caller::new(&target, 0, Carrier::Http1);
        caller.close();
        let sent = caller.out.len();
        caller.receive_frames(b"\x88\x02\x03\xe8");
        assert_eq!((caller.out.len(), caller.over), (sent, true));
    }
}
