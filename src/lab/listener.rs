//! Examines clients: they come to us, one case for each connection.
//!
//! The control protocol is the one of the Autobahn suite, so that harnesses made for it work unchanged:
//! `/getCaseCount`, `/runCase?case=N&agent=X`, `/getCaseStatus?case=N&agent=X`, `/getCaseInfo?case=N` and
//! `/updateReports?agent=X`. A case can also be named: `/case/HSC-015?agent=X`. Promises: bounded time and
//! memory for each connection, whatever the client does.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use crate::frame::RawHeader;
use crate::handshake::{Head, HeadLimits, HeadReader, Progress, StartLine};

use super::case::{Case, Subject};
use super::cases;
use super::link::{Dialogue, Link, SCRATCH};
use super::opening;
use super::options::Options;
use super::player::{Player, Record, Wants};
use super::socket::Socket;
use super::wire::FrameReader;

/// How long a client has for its request.
const REQUEST: Duration = Duration::from_secs(10);
/// How long a client has to read an answer of the control protocol and to close.
const TOLD: Duration = Duration::from_secs(10);
/// Connections at once; more are turned away.
const MAX_VISITORS: usize = 1024;
const LISTENER: Token = Token(usize::MAX);

/// What to play with the clients that come.
#[derive(Clone, Debug)]
pub struct Exam {
    /// The cases, numbered from 1 in this order.
    pub cases: Vec<&'static Case>,
    /// How to play them.
    pub options: Options,
    /// Ends the exam when nothing happens for so long.
    pub idle: Option<Duration>,
}

/// What happened at the listener.
#[derive(Debug)]
pub enum Notice {
    /// A case was played with this agent.
    Played(String, Box<Record>),
    /// The agent asked for its report: it has played all it wants to.
    Finished(String),
    /// Nobody is being served just now; told several times a second.
    Quiet,
}

/// Whether to go on listening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Go on.
    Listen,
    /// Let those that are being served finish, and end.
    End,
}

/// A bound listener.
#[derive(Debug)]
pub struct Listener {
    poll: Poll,
    listener: TcpListener,
    addr: SocketAddr,
}

impl Listener {
    /// Binds to an address; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// What binding fails with.
    pub fn bind(addr: SocketAddr) -> io::Result<Self> {
        let mut listener = TcpListener::bind(addr)?;
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let addr = listener.local_addr()?;
        Ok(Self { poll, listener, addr })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves clients until `notify` says [`Next::End`] or nothing happens for too long.
    ///
    /// # Errors
    ///
    /// Only what our own poll fails with.
    pub fn run(self, exam: &Exam, notify: &mut dyn FnMut(Notice) -> Next) -> io::Result<()> {
        let desk = Desk { exam, host: self.addr.to_string(), statuses: HashMap::new(), next: Next::Listen };
        Loop { net: self, desk, links: BTreeMap::new(), next_token: 0, scratch: vec![0; SCRATCH] }.run(notify)
    }
}

struct Loop<'e> {
    net: Listener,
    desk: Desk<'e>,
    links: BTreeMap<usize, Link<Visitor>>,
    next_token: usize,
    scratch: Vec<u8>,
}

impl Loop<'_> {
    fn run(mut self, notify: &mut dyn FnMut(Notice) -> Next) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        let mut again: Vec<usize> = Vec::new();
        let mut last = Instant::now();
        loop {
            if self.links.is_empty() {
                let idle = self.desk.exam.idle.is_some_and(|idle| last.elapsed() >= idle);
                if self.desk.next == Next::End || idle || notify(Notice::Quiet) == Next::End {
                    return Ok(());
                }
            }
            let timeout = if again.is_empty() { self.until_deadline() } else { Duration::ZERO };
            match self.net.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            let mut ready = std::mem::take(&mut again);
            for event in &events {
                last = Instant::now();
                match event.token() {
                    LISTENER => self.accept(),
                    Token(token) => ready.push(token),
                }
            }
            ready.sort_unstable();
            ready.dedup();
            for token in ready {
                if self.serve(token) {
                    again.push(token);
                }
            }
            self.links.values_mut().for_each(|link| link.tick(REQUEST));
            self.reap(notify);
        }
    }

    fn accept(&mut self) {
        // An accept that fails for one client must not end the exam; readiness comes again.
        while let Ok((mut stream, _)) = self.net.listener.accept() {
            if self.links.len() >= MAX_VISITORS {
                continue;
            }
            let token = self.next_token;
            self.next_token += 1;
            let interest = Interest::READABLE | Interest::WRITABLE;
            if self.net.poll.registry().register(&mut stream, Token(token), interest).is_ok() {
                self.links.insert(token, Link::accepted(Socket::Tcp(stream), Visitor::new()));
            }
        }
    }

    fn serve(&mut self, token: usize) -> bool {
        let Some(link) = self.links.get_mut(&token) else { return false };
        let more = link.pump(&mut self.scratch);
        if let Stage::Asked(now, head, octets) = &link.dialogue.stage {
            link.dialogue.stage = self.desk.answer(*now, head, octets);
            return true;
        }
        more
    }

    fn until_deadline(&self) -> Duration {
        let now = Instant::now();
        let next = self.links.values().map(|link| link.due(REQUEST)).min();
        let wait = next.map_or(Duration::from_millis(200), |next| next.saturating_duration_since(now));
        wait.clamp(Duration::from_millis(1), Duration::from_millis(200))
    }

    fn reap(&mut self, notify: &mut dyn FnMut(Notice) -> Next) {
        let over = self.links.iter().filter(|(_, link)| link.is_over()).map(|(token, _)| *token);
        for token in over.collect::<Vec<_>>() {
            let Some(mut link) = self.links.remove(&token) else { continue };
            // Dropping the stream closes it in any case.
            let _ = self.net.poll.registry().deregister(link.stream.tcp_mut());
            let notice = match link.dialogue.stage {
                Stage::Case(player, agent) => {
                    let record = player.finish();
                    let status = record.verdict.behaviour.name();
                    self.desk.statuses.insert((agent.clone(), record.case.id), status);
                    Notice::Played(agent, Box::new(record))
                }
                Stage::Told(Tell { finished: Some(agent), .. }) => Notice::Finished(agent),
                _ => continue,
            };
            if notify(notice) == Next::End {
                self.desk.next = Next::End;
            }
        }
        // Whoever waits for a status can be told now.
        for link in self.links.values_mut() {
            if let Stage::Told(tell) = &mut link.dialogue.stage
                && let Some(status) = tell.waits_for.as_ref().and_then(|key| self.desk.statuses.get(key))
            {
                tell.waits_for = None;
                tell.say(&format!("{{\"behavior\": \"{status}\"}}"));
                link.write();
            }
        }
    }
}

/// Knows the cases and answers requests.
struct Desk<'e> {
    exam: &'e Exam,
    host: String,
    statuses: HashMap<(String, &'static str), &'static str>,
    next: Next,
}

impl Desk<'_> {
    /// What becomes of a connection with this request.
    fn answer(&self, now: Duration, head: &Head, octets: &[u8]) -> Stage {
        let StartLine::Request { target, .. } = head.start_line() else { return Stage::Over };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let agent = param(query, "agent").unwrap_or_else(|| "client".to_owned());
        let case = self.case(path, query);
        match (path, case) {
            ("/getCaseCount", _) => Tell::with(head, &self.exam.cases.len().to_string()),
            ("/updateReports", _) => match Tell::new(head) {
                Some(mut tell) => {
                    tell.finished = Some(agent);
                    tell.close();
                    Stage::Told(tell)
                }
                None => Stage::Over,
            },
            ("/getCaseStatus", Some(case)) => match Tell::new(head) {
                Some(mut tell) => {
                    match self.statuses.get(&(agent.clone(), case.id)) {
                        Some(status) => tell.say(&format!("{{\"behavior\": \"{status}\"}}")),
                        None => tell.waits_for = Some((agent, case.id)),
                    }
                    Stage::Told(tell)
                }
                None => Stage::Over,
            },
            ("/getCaseInfo", Some(case)) => {
                let info = serde_json::json!({ "id": case.id, "description": case.title });
                Tell::with(head, &info.to_string())
            }
            (_, Some(case)) => {
                let mut player = Player::new(case, Subject::Client, &self.host, "/", self.exam.options);
                player.receive(now, octets);
                Stage::Case(Box::new(player), agent)
            }
            _ => Stage::refuse(),
        }
    }

    /// The case that a request names, by number, by Autobahn's `casetuple`, or in its path.
    fn case(&self, path: &str, query: &str) -> Option<&'static Case> {
        if let Some(id) = path.strip_prefix("/case/") {
            return cases::find(&unescape(id)).filter(|case| case.examines(Subject::Client));
        }
        if let Some(id) = param(query, "casetuple") {
            return cases::find(id.trim()).filter(|case| case.examines(Subject::Client));
        }
        let number: usize = param(query, "case")?.parse().ok()?;
        self.exam.cases.get(number.checked_sub(1)?).copied()
    }
}

/// A parameter of a query, percent-decoded.
fn param(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(this, _)| *this == name).map(|(_, value)| unescape(value)).next()
}

/// Percent-decoding, with `+` for a blank; what is no escape stays as it is.
fn unescape(text: &str) -> String {
    let octets = text.as_bytes();
    let mut out = Vec::with_capacity(octets.len());
    let mut at = 0;
    while let Some(&octet) = octets.get(at) {
        let digits = octets.get(at + 1..at + 3).and_then(|digits| str::from_utf8(digits).ok());
        match (octet, digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(decoded)) => {
                out.push(decoded);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(octet),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A client on a connection of its own.
#[derive(Debug)]
struct Visitor {
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Its request is being read.
    Asks(HeadReader, Vec<u8>),
    /// Its request is whole; these octets have come so far.
    Asked(Duration, Head, Vec<u8>),
    /// A case is being played with this agent.
    Case(Box<Player>, String),
    /// It is told something.
    Told(Tell),
    /// Nothing more to do.
    Over,
}

impl Stage {
    fn refuse() -> Self {
        let mut tell = Tell { waits_for: None, ..Tell::empty() };
        tell.out = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec();
        tell.peer_closed = true;
        Stage::Told(tell)
    }
}

/// A message of the control protocol, and the closing handshake behind it.
#[derive(Debug)]
struct Tell {
    out: Vec<u8>,
    written: usize,
    frames: FrameReader,
    waits_for: Option<(String, &'static str)>,
    finished: Option<String>,
    peer_closed: bool,
    over: bool,
}

impl Tell {
    fn empty() -> Self {
        Self {
            out: Vec::new(),
            written: 0,
            frames: FrameReader::default(),
            waits_for: None,
            finished: None,
            peer_closed: false,
            over: false,
        }
    }

    /// The opening handshake, if the request deserves it.
    fn new(head: &Head) -> Option<Self> {
        let key = opening::judge_request(head).ok()?;
        let accept = opening::accept_for(key.as_bytes());
        let response = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        Some(Self { out: response.into_bytes(), ..Self::empty() })
    }

    fn with(head: &Head, message: &str) -> Stage {
        match Self::new(head) {
            Some(mut tell) => {
                tell.say(message);
                Stage::Told(tell)
            }
            None => Stage::refuse(),
        }
    }

    fn say(&mut self, message: &str) {
        RawHeader::TEXT.with_length(message.len() as u64).encode_into(&mut self.out);
        self.out.extend_from_slice(message.as_bytes());
        self.close();
    }

    fn close(&mut self) {
        RawHeader::CLOSE.with_length(2).encode_into(&mut self.out);
        self.out.extend_from_slice(&1000u16.to_be_bytes());
    }
}

impl Visitor {
    fn new() -> Self {
        let limits = HeadLimits { max_bytes: 64 * 1024, max_headers: 256 };
        Self { stage: Stage::Asks(HeadReader::request(limits), Vec::new()) }
    }
}

impl Dialogue for Visitor {
    fn outgoing(&self) -> Option<&[u8]> {
        match &self.stage {
            Stage::Case(player, _) => player.outgoing(),
            Stage::Told(tell) => Some(&tell.out[tell.written..]).filter(|rest| !rest.is_empty()),
            _ => None,
        }
    }

    fn sent(&mut self, now: Duration, octets: usize) {
        match &mut self.stage {
            Stage::Case(player, _) => player.sent(now, octets),
            Stage::Told(tell) => tell.written += octets,
            _ => {}
        }
    }

    fn write_failed(&mut self, now: Duration, error: &str) {
        match &mut self.stage {
            Stage::Case(player, _) => player.write_failed(now, error),
            Stage::Told(tell) => {
                tell.written = tell.out.len();
                tell.over = true;
            }
            _ => self.stage = Stage::Over,
        }
    }

    fn receive(&mut self, now: Duration, octets: &[u8]) {
        match &mut self.stage {
            Stage::Asks(reader, all) => {
                all.extend_from_slice(octets);
                match reader.receive(octets) {
                    Ok(Progress::NeedMore) => {}
                    Ok(Progress::Done { value, .. }) => {
                        self.stage = Stage::Asked(now, value, std::mem::take(all))
                    }
                    Err(_) => self.stage = Stage::Over,
                }
            }
            // Read again before the desk has answered: kept for the case.
            Stage::Asked(_, _, all) => all.extend_from_slice(octets),
            Stage::Case(player, _) => player.receive(now, octets),
            Stage::Told(tell) => {
                tell.frames.push(octets);
                loop {
                    match tell.frames.next_frame() {
                        Ok(Some(frame)) if frame.header.opcode == 8 => {
                            if tell.waits_for.is_some() {
                                tell.over = true;
                            }
                            tell.peer_closed = true;
                        }
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(_) => {
                            tell.over = true;
                            break;
                        }
                    }
                }
            }
            Stage::Over => {}
        }
    }

    fn eof(&mut self, now: Duration, error: Option<&str>) {
        match &mut self.stage {
            Stage::Case(player, _) => player.eof(now, error),
            Stage::Told(tell) => tell.over = true,
            _ => self.stage = Stage::Over,
        }
    }

    fn tick(&mut self, now: Duration) {
        match &mut self.stage {
            Stage::Case(player, _) => player.tick(now),
            Stage::Told(tell) if now >= TOLD => tell.over = true,
            Stage::Told(_) => {}
            _ => self.stage = Stage::Over,
        }
    }

    fn deadline(&self) -> Duration {
        match &self.stage {
            Stage::Case(player, _) => player.deadline(),
            Stage::Told(_) => TOLD,
            _ => REQUEST,
        }
    }

    fn wants(&self) -> Wants {
        match &self.stage {
            Stage::Case(player, _) => player.wants(),
            Stage::Told(tell) if tell.peer_closed => Wants::Drop,
            _ => Wants::Nothing,
        }
    }

    fn half_closed(&mut self, now: Duration) {
        if let Stage::Case(player, _) = &mut self.stage {
            player.half_closed(now);
        }
    }

    fn dropped(&mut self, now: Duration) {
        match &mut self.stage {
            Stage::Case(player, _) => player.dropped(now),
            Stage::Told(tell) => tell.over = true,
            _ => self.stage = Stage::Over,
        }
    }

    fn is_over(&self) -> bool {
        match &self.stage {
            Stage::Case(player, _) => player.is_over(),
            Stage::Told(tell) => tell.over,
            Stage::Over => true,
            Stage::Asks(..) | Stage::Asked(..) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        assert_eq!(param("case=7&agent=a%20b+c%zz%", "agent").as_deref(), Some("a b c%zz%"));
        assert_eq!(param("case=7", "agent"), None);
    }
}
