//! Plays one script over one connection and holds what comes back against what the RFCs ask.
//!
//! The connection is closed at the end of each script without ceremony: the next one is another.

use std::fmt::Display;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Side;
use super::model::{self, End, Expected};
use super::script::{Opening, Script, Step};
use crate::deflate::{self, Agreed, Codec};
use crate::explain;
use crate::opening;
use crate::receiver::{Receiver, Seen};
use crate::rule::Sections;
use crate::wire::Excerpt;
use bowsprit::error::Section;
use bowsprit::handshake::{Head, HeadLimits, HeadReader, Progress, StartLine};

/// What is asked of a peer beside the RFCs.
#[derive(Clone, Debug)]
pub struct Oracles {
    /// Who the peer is.
    pub side: Side,
    /// Host and port, as the Host field has them.
    pub host: String,
    /// The request target.
    pub target: String,
    /// How long an answer may take.
    pub timeout: Duration,
    /// The peer sends every message back.
    pub echo: bool,
}

/// What does not fit, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// There is nobody, or nobody any more.
    Gone,
    /// A right opening handshake is refused.
    HandshakeRefused,
    /// A wrong opening handshake is accepted.
    HandshakeAccepted,
    /// A head or a frame of the peer breaks a rule.
    PeerBrokeRule,
    /// Nothing comes within the time.
    NoAnswer,
    /// A message comes back changed, twice, in another order, or not at all.
    WrongEcho,
    /// Something is answered that must not be.
    AnsweredForbidden,
    /// A Ping is not answered.
    NoPong,
    /// The connection is not failed where it must be.
    NotFailed,
    /// It is failed, or closed, with a code that does not fit.
    WrongCode,
    /// A connection ends on which no rule was broken.
    EndedEarly,
    /// After the closing handshake the TCP connection stays.
    TcpStaysOpen,
    /// Memory grows beyond the bound.
    Memory,
}

/// Something that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// In one word.
    pub kind: Kind,
    /// What the RFC asks, in a few words.
    pub rule: String,
    /// Where it stands.
    pub section: String,
    /// What was seen.
    pub what: String,
}

impl Finding {
    /// There is nobody any more.
    pub(super) fn gone(why: &str) -> Self {
        Self {
            kind: Kind::Gone,
            rule: "a peer outlives what it is sent".to_owned(),
            section: Section::rfc6455("7.1.7").to_string(),
            what: why.to_owned(),
        }
    }

    /// Memory has grown from so many bytes to so many.
    pub(super) fn memory(from: u64, now: u64, runs: u64) -> Self {
        Self {
            kind: Kind::Memory,
            rule: "memory is bounded whatever is sent".to_owned(),
            section: Section::rfc6455("10.4").to_string(),
            what: format!("{} KiB have become {} KiB after {runs} iterations", from / 1024, now / 1024),
        }
    }

    /// What two findings of one fault have in common.
    pub fn key(&self) -> (Kind, String) {
        (self.kind, self.section.clone())
    }
}

/// What came of a script.
#[derive(Debug, Default)]
pub struct Played {
    /// What does not fit, if anything.
    pub finding: Option<Finding>,
    /// What the peer sent, a line for each frame.
    pub received: Vec<String>,
}

/// The Ping that asks whether the peer is still there.
const SENTINEL_PING: &[u8] = b"still there?";
/// The message that asks whether it still echoes.
const SENTINEL: &[u8] = b"a clean echo";
const NONCE: [u8; 16] = *b"bowsprit's nonce";
/// How long we look on where anything is right.
const GLANCE: Duration = Duration::from_millis(20);
/// How long we look on after a fault for a connection that still answers to be failed.
const GRACE: Duration = Duration::from_millis(250);
/// The most that a message of the peer may hold, many times what a script sends.
const MOST_BYTES: usize = 16 << 20;
/// Lines of what came that are kept.
const LINES: usize = 40;

/// Plays a script. An error is a connection that broke before the opening handshake was through.
///
/// # Errors
///
/// What the connection says.
pub fn play(stream: TcpStream, script: &Script, oracles: &Oracles) -> io::Result<Played> {
    let mut game = Game {
        stream,
        script,
        oracles,
        received: Vec::new(),
        receiver: Receiver::new(oracles.side == Side::Client, MOST_BYTES),
        codec: None,
        scratch: vec![0; 16 * 1024],
    };
    game.stream.set_nodelay(true)?;
    game.stream.set_write_timeout(Some(oracles.timeout))?;
    let finding = match game.open()? {
        Opened::Yes(agreed, rest) => game.talk(agreed, &rest),
        Opened::No(finding) => finding,
    };
    Ok(Played { finding, received: game.received })
}

enum Opened {
    /// The connection is open; bytes that came behind the head.
    Yes(Option<Agreed>, Vec<u8>),
    No(Option<Finding>),
}

enum Came {
    Bytes(usize),
    Eof,
    Nothing,
}

struct Game<'a> {
    stream: TcpStream,
    script: &'a Script,
    oracles: &'a Oracles,
    received: Vec<String>,
    receiver: Receiver,
    codec: Option<Codec>,
    scratch: Vec<u8>,
}

fn finding(
    kind: Kind,
    rule: impl Into<String>,
    section: impl Display,
    what: impl Into<String>,
) -> Option<Finding> {
    Some(Finding { kind, rule: rule.into(), section: section.to_string(), what: what.into() })
}

impl Game<'_> {
    fn open(&mut self) -> io::Result<Opened> {
        match self.oracles.side {
            Side::Server => self.open_as_client(),
            Side::Client => self.open_as_server(),
        }
    }

    fn open_as_client(&mut self) -> io::Result<Opened> {
        let key = opening::key_of(NONCE);
        let head = self.head(&key);
        self.write(&head)?;
        let wrong = &self.script.opening.wrong;
        let limits = HeadLimits { max_bytes: 64 * 1024, max_headers: 256 };
        let (answer, rest) = match self.read_head(HeadReader::response(limits))? {
            Ok(answer) => answer,
            Err(why) => {
                return Ok(Opened::No(match wrong {
                    // It may wait for more, or go without a word.
                    Some(_) => None,
                    None => finding(
                        if why == NOTHING { Kind::NoAnswer } else { Kind::HandshakeRefused },
                        "a right opening handshake is answered with 101",
                        Section::rfc6455("4.2.2"),
                        why,
                    ),
                }));
            }
        };
        let StartLine::Response { status, .. } = answer.start_line() else {
            return Ok(Opened::No(None)); // a reader of responses makes no others
        };
        let offered = self.offered();
        let judged = opening::judge_response(&answer, &key, &offered, true, &[]);
        Ok(match (status, wrong, judged) {
            (101, None, Ok(agreed)) => Opened::Yes(agreed, rest),
            (101, None, Err(violation)) => Opened::No(finding(
                Kind::PeerBrokeRule,
                "the response to an opening handshake",
                violation.section,
                violation.to_string(),
            )),
            (101, Some(wrong), _) => Opened::No(finding(
                Kind::HandshakeAccepted,
                format!("a wrong opening handshake is refused: {}", wrong.what),
                &wrong.section,
                "the answer is 101",
            )),
            (status, None, _) => Opened::No(finding(
                Kind::HandshakeRefused,
                "a right opening handshake is answered with 101",
                Section::rfc6455("4.2.2"),
                format!("the answer is {status}"),
            )),
            (_, Some(_), _) => Opened::No(None),
        })
    }

    fn open_as_server(&mut self) -> io::Result<Opened> {
        let limits = HeadLimits { max_bytes: 64 * 1024, max_headers: 256 };
        let request = match self.read_head(HeadReader::request(limits))? {
            Ok((head, _)) => head,
            Err(why) => return Err(io::Error::other(why)),
        };
        let key = match opening::judge_request(&request) {
            Ok(key) => key,
            Err(violation) => {
                return Ok(Opened::No(finding(
                    Kind::PeerBrokeRule,
                    "the request of an opening handshake",
                    violation.section,
                    violation.to_string(),
                )));
            }
        };
        let mut agreed = None;
        let mut answer = self.head(&key);
        if self.script.opening.deflate {
            let offers: Vec<_> = request
                .values("sec-websocket-extensions")
                .filter_map(|value| deflate::parse(value).ok())
                .flatten()
                .collect();
            if let Some((accepted, text)) = deflate::accept(&[crate::case::Deflate::default()], &offers) {
                answer.truncate(answer.len() - 2);
                answer.extend_from_slice(format!("Sec-WebSocket-Extensions: {text}\r\n\r\n").as_bytes());
                agreed = Some(accepted);
            }
        }
        self.write(&answer)?;
        let Some(wrong) = &self.script.opening.wrong else { return Ok(Opened::Yes(agreed, Vec::new())) };
        // A client that believes the connection open would answer this.
        let _ = self.write(b"\x89\x0cstill there?");
        // To some it may be the head of a page, which ends with the connection.
        let _ = self.stream.shutdown(Shutdown::Write);
        let deadline = Instant::now() + self.oracles.timeout;
        Ok(Opened::No(match self.read_until(deadline)? {
            Came::Eof => None,
            Came::Bytes(len) if self.scratch[..len].first() == Some(&0x88) => None,
            Came::Bytes(_) => finding(
                Kind::HandshakeAccepted,
                format!("a wrong response fails the connection: {}", wrong.what),
                &wrong.section,
                "frames are sent on it",
            ),
            Came::Nothing => finding(
                Kind::NotFailed,
                format!("a wrong response fails the connection: {}", wrong.what),
                &wrong.section,
                "the connection stays",
            ),
        }))
    }

    fn head(&self, key: &str) -> Vec<u8> {
        let Opening { lines, deflate, .. } = &self.script.opening;
        let mut out = String::new();
        for line in lines {
            let line = line
                .replace("{host}", &self.oracles.host)
                .replace("{target}", &self.oracles.target)
                .replace("{key}", key)
                .replace("{accept}", &opening::accept_for(key.as_bytes()));
            out.push_str(&line);
            out.push_str("\r\n");
        }
        if *deflate && self.oracles.side == Side::Server {
            out.push_str("Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n");
        }
        out.push_str("\r\n");
        out.into_bytes()
    }

    fn offered(&self) -> Vec<deflate::Extension> {
        match self.script.opening.deflate {
            true => deflate::parse(b"permessage-deflate; client_no_context_takeover").unwrap_or_default(),
            false => Vec::new(),
        }
    }

    fn read_head(&mut self, mut reader: HeadReader) -> io::Result<Result<(Head, Vec<u8>), String>> {
        let deadline = Instant::now() + self.oracles.timeout;
        loop {
            let len = match self.read_until(deadline)? {
                Came::Bytes(len) => len,
                Came::Eof => return Ok(Err("the connection ends".to_owned())),
                Came::Nothing => return Ok(Err(NOTHING.to_owned())),
            };
            match reader.receive(&self.scratch[..len]) {
                Ok(Progress::NeedMore) => {}
                Ok(Progress::Done { value, used }) => {
                    return Ok(Ok((value, self.scratch[used..len].to_vec())));
                }
                Err(error) => return Ok(Err(format!("what comes is no HTTP head: {error}"))),
            }
        }
    }

    fn talk(&mut self, agreed: Option<Agreed>, rest: &[u8]) -> Option<Finding> {
        self.codec = agreed.map(Codec::new);
        let bytes: Vec<u8> = self.script.steps.iter().flat_map(Step::bytes).collect();
        let expected = model::expect(&bytes, self.oracles.side == Side::Client, agreed);
        // It may be gone already, for a reason; what it said about it is read below.
        let sent = self.send_steps().and_then(|()| self.send_sentinel(&expected));
        let mut seen = Heard::default();
        self.receiver.push(rest);
        let finding = self.listen(&expected, &mut seen).or_else(|| self.judge(&expected, &seen));
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

    /// Asks whether it is still there, in a way that the model knows of: after a broken rule nobody may answer.
    fn send_sentinel(&mut self, expected: &Expected) -> io::Result<()> {
        if !matches!(expected.end, End::Open | End::Fails(_)) {
            return Ok(());
        }
        let masked = self.oracles.side == Side::Server;
        let mut out = Vec::new();
        let mut frame = |opcode, payload: &[u8]| {
            let mask = masked.then_some([0x37, 0xfa, 0x21, 0x3d]);
            let frame = super::FrameStep { mask, ..super::FrameStep::new(opcode, payload) };
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
        self.stream.set_read_timeout(Some(left))?;
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

    /// Reads until all is there that has to come.
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
                            let excerpt = Excerpt::of(&frame.payload);
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
                // A peer that answers Pings beside its program may see the fault a moment later.
                was_alive = true;
                deadline = deadline.min(Instant::now() + GRACE.min(self.oracles.timeout / 4));
            }
            if seen.close.is_some() && self.oracles.side == Side::Client && !half_closed {
                // §7.1.1: the server ends the TCP connection first, and here we are it.
                half_closed = true;
                let _ = self.stream.shutdown(Shutdown::Write);
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

    fn judge(&self, expected: &Expected, seen: &Heard) -> Option<Finding> {
        let timeout = self.oracles.timeout.as_secs_f64();
        if self.oracles.echo {
            let mut may: Vec<(bool, Vec<u8>)> = expected.messages.clone();
            if expected.end == End::Open && !expected.message_open {
                may.push((true, SENTINEL.to_vec()));
            }
            for (at, came) in seen.messages.iter().enumerate() {
                match may.get(at) {
                    Some(message) if message == came => {}
                    Some(_) if matches!(expected.end, End::Unknown) => {}
                    Some(message) => {
                        return finding(
                            Kind::WrongEcho,
                            "an echo is the message",
                            const { Sections(&[Section::rfc6455("5.4"), Section::rfc6455("5.6")]) },
                            format!(
                                "message {} of {} comes back as {}",
                                at + 1,
                                bytes(&message.1),
                                bytes(&came.1)
                            ),
                        );
                    }
                    None if expected.end == End::Unknown => {}
                    None => {
                        let (rule, section) = match &expected.end {
                            End::Fails(rule) => (rule.what, rule.section),
                            End::Closed(_) => ("nothing follows a Close frame", Section::rfc6455("5.5.1")),
                            _ => ("a message ends with the FIN bit", Section::rfc6455("5.4")),
                        };
                        let what = format!("message {} comes, of {} that may be answered", at + 1, may.len());
                        return finding(Kind::AnsweredForbidden, rule, section, what);
                    }
                }
            }
        }
        let alive = seen.is_alive();
        match &expected.end {
            End::Unknown => None,
            End::Fails(rule) => {
                if alive {
                    return finding(
                        Kind::NotFailed,
                        rule.what,
                        rule.section,
                        "what comes after is still answered",
                    );
                }
                match seen.close {
                    Some(Some(code)) if !rule.codes.contains(&code) => finding(
                        Kind::WrongCode,
                        format!("{}; codes that fit: {:?}", rule.what, rule.codes),
                        format!("{} and {}", Section::rfc6455("7.4.1"), rule.section),
                        format!("the code is {code}"),
                    ),
                    None if seen.timed_out => finding(
                        Kind::NotFailed,
                        rule.what,
                        rule.section,
                        format!("the connection stays for {timeout} s"),
                    ),
                    _ => None,
                }
            }
            End::Closed(code) => match (seen.close, code) {
                (None, _) if seen.timed_out => finding(
                    Kind::NoAnswer,
                    "a Close frame is answered",
                    Section::rfc6455("5.5.1"),
                    format!("nothing comes for {timeout} s"),
                ),
                (None, _) => finding(
                    Kind::EndedEarly,
                    "a Close frame is answered by one",
                    Section::rfc6455("5.5.1"),
                    "the connection ends without it",
                ),
                // §5.4 says nothing of a Close inside a message; some call it a fault.
                (Some(Some(answer)), Some(code))
                    if answer != *code && answer != 1000 && !expected.message_open =>
                {
                    finding(
                        Kind::WrongCode,
                        "the answer to a Close frame echoes its code",
                        Section::rfc6455("5.5.1"),
                        format!("{code} is answered with {answer}"),
                    )
                }
                _ if seen.timed_out => finding(
                    Kind::TcpStaysOpen,
                    "after both Close frames the TCP connection is closed",
                    Section::rfc6455("7.1.1"),
                    format!("it stays for {timeout} s"),
                ),
                _ => None,
            },
            End::Open => {
                if seen.close.is_some() || seen.eof {
                    return finding_early(seen);
                }
                // §5.5.3: of several Pings only the last has to be answered, and ours is the last.
                let all = expected.messages.len() + usize::from(!expected.message_open);
                if !alive && seen.messages.len() == all {
                    return finding(
                        Kind::NoPong,
                        "a Ping is answered by a Pong with its payload",
                        Section::rfc6455("5.5.2"),
                        format!("none comes for {timeout} s"),
                    );
                }
                if alive && self.oracles.echo && seen.messages.len() < all {
                    return finding(
                        Kind::WrongEcho,
                        "each message is echoed",
                        const { Sections(&[Section::rfc6455("5.4"), Section::rfc6455("5.6")]) },
                        format!("{} of {all} come back", seen.messages.len()),
                    );
                }
                match seen.timed_out {
                    true => finding(
                        Kind::NoAnswer,
                        "an open connection answers",
                        Section::rfc6455("5.5.2"),
                        format!("nothing comes for {timeout} s"),
                    ),
                    false => None,
                }
            }
        }
    }
}

/// What a head that does not come is called.
const NOTHING: &str = "nothing comes";

/// What the peer said.
#[derive(Debug, Default)]
struct Heard {
    messages: Vec<(bool, Vec<u8>)>,
    pongs: Vec<Vec<u8>>,
    close: Option<Option<u16>>,
    eof: bool,
    timed_out: bool,
}

impl Heard {
    fn take(&mut self, seen: Option<Seen>) {
        match seen {
            Some(Seen::Text(text)) => self.messages.push((true, text)),
            Some(Seen::Binary(bytes)) => self.messages.push((false, bytes)),
            Some(Seen::Pong(payload)) => self.pongs.push(payload),
            Some(Seen::Close(code, _)) => self.close = Some(code),
            _ => {}
        }
    }

    fn is_alive(&self) -> bool {
        self.pongs.iter().any(|pong| pong == SENTINEL_PING)
    }

    fn is_enough(&self, expected: &Expected, oracles: &Oracles) -> bool {
        match &expected.end {
            End::Open => {
                let echoes = expected.messages.len() + usize::from(!expected.message_open);
                self.close.is_some() || self.is_alive() && (!oracles.echo || self.messages.len() >= echoes)
            }
            End::Closed(_) => false, // until the end
            End::Fails(_) => self.close.is_some(),
            End::Unknown => self.close.is_some(),
        }
    }
}

fn finding_early(seen: &Heard) -> Option<Finding> {
    let what = match seen.close {
        Some(Some(code)) => format!("a Close frame comes, code {code}"),
        Some(None) => "a Close frame comes".to_owned(),
        None => "the TCP connection ends".to_owned(),
    };
    finding(Kind::EndedEarly, "no rule is broken, so the connection goes on", Section::rfc6455("7.1.7"), what)
}

fn bytes(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(24)];
    format!("{} bytes \"{}\"", bytes.len(), shown.escape_ascii())
}
