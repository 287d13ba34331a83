//! Plays many cases side by side against a server, over one poll on one thread.
//!
//! In: a [`Plan`]. Out: a [`Record`] for each case, and at the end what became of the server. Promises: bounded time and
//! memory whatever the server does, and an end soon after [`Plan::interrupt`] is set.
//!
//! No verdict stands before the server has shown that it lives: that it opened a connection which was made after the
//! case had ended, and said something on it. The next case's own connection serves as well as a probe. Where none is
//! opened any more, `blame` finds the case after which that was so. A failure that can come of our own load is played
//! again, alone, before it stands, and fewer cases are played at once from then on.

mod blame;
mod playing;
mod preflight;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bowsprit::error::Section;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use playing::Playing;
pub use preflight::{Survey, preflight};

use crate::case::{Case, Class, Ending, Event, Expect, Level, Pace, Rule, Sections, Step, Subject, dsl};
use crate::http2::{Shared, Stream, Trunk};
use crate::judge::{AnswerSeen, Behaviour};
use crate::link::{Link, SCRATCH};
use crate::options::{Carrier, Options};
use crate::payload::Payload;
use crate::pipe::Pipe;
use crate::player::Record;
use crate::random::Random;
use crate::socket::Socket;
#[cfg(feature = "tls")]
use bowsprit::tls::{TlsClient, TlsStream};

/// How long a TCP connection may take to come up.
const CONNECT: Duration = Duration::from_secs(4);
/// How long a server that takes no connections may take to be back.
const BACK: Duration = Duration::from_secs(2);
/// Between two probes of a server that takes no connections.
const PAUSE: Duration = Duration::from_millis(50);
/// Probes without an answer that make a server one that hangs.
const PROBES: u32 = 3;
/// A probe of its own is made when so many verdicts wait for a sign of life.
const UNSURE: usize = 64;
/// Failures that come out the same when they are played alone: where none came out otherwise, the rest is believed.
const BELIEVED: usize = 6;
/// The most time that is spent on playing failures again.
const AGAIN: Duration = Duration::from_secs(90);

/// What to play, and against whom.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server.
    pub target: Target,
    /// The cases.
    pub cases: Vec<&'static Case>,
    /// How to play them.
    pub options: Options,
    /// How many light cases at once; a heavy one counts for [`HEAVY`].
    pub jobs: usize,
    /// Over HTTP/2, each case has a connection of its own; otherwise, as many streams of one as can be.
    pub apart: bool,
    /// Somebody has seen it serve already, so that a server that serves nobody is one that is gone.
    pub served: bool,
    /// Set from elsewhere, it ends the run: what is not through was not played.
    pub interrupt: Arc<AtomicBool>,
}

impl Plan {
    /// These cases against this server, so many at once.
    pub fn new(target: Target, cases: Vec<&'static Case>, options: Options, jobs: usize) -> Self {
        Self { target, cases, options, jobs, apart: false, served: false, interrupt: Arc::default() }
    }
}

/// What a heavy case counts for.
pub const HEAVY: usize = 4;

/// A server under test.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where it listens.
    pub addr: SocketAddr,
    /// What the Host field says.
    pub host: String,
    /// The request target.
    pub path: String,
    /// Further lines of each request.
    pub fields: Vec<String>,
    /// How it is trusted, and the name that its certificate has to bear.
    #[cfg(feature = "tls")]
    tls: Option<(TlsClient, String)>,
}

impl Target {
    /// A server at this address, with what the Host field and the request line say.
    pub fn new(addr: SocketAddr, host: &str, path: &str) -> Self {
        Self {
            addr,
            host: host.to_owned(),
            path: path.to_owned(),
            fields: Vec::new(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// The same with these lines in each request, which have no line ends.
    #[must_use]
    pub fn with_fields(self, fields: Vec<String>) -> Self {
        Self { fields, ..self }
    }

    /// The same behind TLS; `name` is the one that its certificate has to bear.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(self, client: TlsClient, name: &str) -> Self {
        Self { tls: Some((client, name.to_owned())), ..self }
    }

    /// What URLs of HTTP call it.
    fn scheme(&self) -> &'static str {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return "https";
        }
        "http"
    }

    pub(crate) fn connect(&self) -> io::Result<Socket> {
        let stream = TcpStream::connect(self.addr)?;
        #[cfg(feature = "tls")]
        if let Some((client, name)) = &self.tls {
            let tls = client.connection(name).map_err(io::Error::other)?;
            return Ok(Socket::Tls(Box::new(TlsStream::new(tls, stream))));
        }
        Ok(Socket::Tcp(stream))
    }
}

/// What became of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// It was there to the end.
    Alive,
    /// It was not: one of these cases is to blame, or the only one. What was not played by then was not played.
    Gone(Gone, Vec<&'static str>),
    /// We were asked to end.
    Interrupted,
}

/// How a server can be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// It takes no connections, or ends them without an answer.
    Crashed,
    /// It takes connections and answers nothing on them.
    Hung,
}

/// What became of the server after a case.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Aftermath {
    /// It opened a connection that was made after the end of this case, and spoke on it: that of this case, or a probe.
    Serves(&'static str),
    /// It took no connections any more, or answered nothing on them: what the probe saw.
    Gone(String),
}

impl fmt::Display for Aftermath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Aftermath::Serves("probe") => f.write_str("the server answered a probe"),
            Aftermath::Serves(id) => write!(f, "the server answered {id}, on a connection made later"),
            Aftermath::Gone(seen) => write!(f, "the server answered no probe: {seen}"),
        }
    }
}

/// The plain echo that tells whether a server is one, and is still there.
pub static PROBE: Case = Case {
    id: "probe",
    title: "a good handshake and one echo",
    rule: &Rule {
        sections: Sections(&[Section::rfc6455("4.2"), Section::rfc6455("5.6")]),
        text: "The server opens a connection and echoes a text message.",
    },
    level: Level::Must,
    script: &[Step::Frame(dsl::text(b"probe"))],
    expect: Expect {
        outcomes: &[(Class::Ok, &[Event::Text(Payload::Bytes(b"probe"))])],
        close: Ending::CLEAN,
    },
    patience: 3_000,
    ..Case::BASE
};

/// Plays a plan; `report` gets each record once it stands.
///
/// # Errors
///
/// Only what our own poll fails with.
pub fn run(plan: &Plan, report: &mut dyn FnMut(Record, Option<Aftermath>)) -> io::Result<Peer> {
    Runner::new(plan)?.run(report)
}

/// What is to be played.
#[derive(Debug)]
struct Job {
    case: &'static Case,
    /// What came of it beside others; it is played alone now.
    before: Option<Box<Record>>,
}

struct Slot {
    link: Link<Playing>,
    /// The connection that it is a stream of.
    trunk: Option<usize>,
    job: Job,
    begun: Instant,
    weight: usize,
    /// It has shown that the server lives.
    lives: bool,
}

/// A case that has ended, and waits for a sign of life.
#[derive(Debug)]
struct Ended {
    record: Record,
    before: Option<Box<Record>>,
    begun: Instant,
    at: Instant,
}

struct Runner<'p> {
    plan: &'p Plan,
    poll: Poll,
    queue: VecDeque<Job>,
    slots: BTreeMap<usize, Slot>,
    /// Connections that carry streams, and the one that the next stream is for.
    trunks: BTreeMap<usize, Shared>,
    current: Option<usize>,
    /// Slots that no event will wake.
    fresh: Vec<usize>,
    next_token: usize,
    scratch: Vec<u8>,
    /// How many at once, as far as the server bears it.
    jobs: usize,
    /// When that was changed last.
    eased: Instant,
    ended: Vec<Ended>,
    /// Failures that may be our own load's, to be played alone.
    again: Vec<Job>,
    /// Since when they are.
    alone: Option<Instant>,
    /// How many of those came out the same, and how many otherwise.
    believed: usize,
    muddled: usize,
    /// The newest connection on which the server has shown life was begun then.
    lived: Option<Instant>,
    /// No case is begun before a probe has found the server alive; since when, and how the last probe ended.
    doubt: Option<Doubt>,
    peer: Peer,
}

/// Whether the server is still there is not known.
struct Doubt {
    since: Instant,
    /// A connection was refused, so that whatever was alive then is not now.
    refused: bool,
    /// Not before.
    next: Instant,
    /// Probes that got no answer.
    silent: u32,
    seen: Option<(Gone, String)>,
}

type Report<'r> = &'r mut dyn FnMut(Record, Option<Aftermath>);

impl<'p> Runner<'p> {
    fn new(plan: &'p Plan) -> io::Result<Self> {
        // Cases that wait start first, so that they wait beside everything else.
        let mut cases = plan.cases.clone();
        cases.sort_by_key(|case| std::cmp::Reverse(waiting(case)));
        Ok(Self {
            plan,
            poll: Poll::new()?,
            queue: cases.into_iter().map(|case| Job { case, before: None }).collect(),
            slots: BTreeMap::new(),
            trunks: BTreeMap::new(),
            current: None,
            fresh: Vec::new(),
            next_token: 0,
            scratch: vec![0; SCRATCH],
            jobs: plan.jobs.max(1),
            eased: Instant::now(),
            ended: Vec::new(),
            again: Vec::new(),
            alone: None,
            believed: 0,
            muddled: 0,
            lived: plan.served.then(Instant::now),
            doubt: None,
            peer: Peer::Alive,
        })
    }

    fn run(mut self, report: Report<'_>) -> io::Result<Peer> {
        let mut events = Events::with_capacity(256);
        let mut more: Vec<usize> = Vec::new();
        loop {
            if self.plan.interrupt.load(Ordering::Relaxed) {
                self.stop(report);
                return Ok(Peer::Interrupted);
            }
            self.begin(report);
            if self.slots.is_empty() && self.doubt.is_none() {
                return Ok(self.peer);
            }
            more.append(&mut self.fresh);
            let timeout = if more.is_empty() { self.until_deadline() } else { Duration::ZERO };
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            let mut ready = std::mem::take(&mut more);
            ready.extend(events.iter().map(|event| event.token().0));
            self.pump_trunks(&mut ready, &mut more);
            ready.sort_unstable();
            ready.dedup();
            for token in ready {
                let Some(slot) = self.slots.get_mut(&token) else { continue };
                if slot.link.pump(&mut self.scratch) {
                    more.push(token);
                }
                if !slot.lives && slot.link.dialogue.shows_life() {
                    slot.lives = true;
                    let (begun, id) = (slot.begun, slot.job.case.id);
                    self.lives(begun, id, report);
                }
            }
            self.slots.values_mut().for_each(|slot| slot.link.tick(CONNECT));
            let over = self.slots.iter().filter(|(_, slot)| slot.link.is_over()).map(|(token, _)| *token);
            for token in over.collect::<Vec<_>>() {
                self.reap(token, report);
            }
        }
    }

    /// Begins what may be begun now: cases, or a probe where the server may be gone.
    fn begin(&mut self, report: Report<'_>) {
        loop {
            if let Some(doubt) = &self.doubt {
                // A probe is alone, so that a server that takes one connection at a time can answer it.
                if self.slots.is_empty() && Instant::now() >= doubt.next {
                    self.start(Job { case: &PROBE, before: None }, 1, report);
                    continue;
                }
                return;
            }
            if self.queue.is_empty() {
                if !self.slots.is_empty() {
                    return;
                }
                if !self.again.is_empty() {
                    self.alone.get_or_insert_with(Instant::now);
                    (self.jobs, self.queue) = (1, std::mem::take(&mut self.again).into());
                } else if !self.ended.is_empty() {
                    self.be_in_doubt(false);
                } else {
                    return;
                }
                continue;
            }
            if self.ended.len() >= UNSURE.max(2 * self.jobs) {
                self.be_in_doubt(false);
                continue;
            }
            let busy: usize = self.slots.values().map(|slot| slot.weight).sum();
            // Of those that may end a server one is played at a time, so that it is known which one did.
            let sharp = |case: &Case| blame::provokes(case) && waiting(case) == 0;
            let one_is_played = self.slots.values().any(|slot| sharp(slot.job.case));
            let next = self.queue.iter().position(|job| !(one_is_played && sharp(job.case)));
            let Some((at, job)) = next.and_then(|at| Some((at, self.queue.get(at)?))) else { return };
            let weight = weight(job.case);
            if busy > 0 && busy + weight > self.jobs {
                return;
            }
            let Some(job) = self.queue.remove(at) else { return };
            let enough = self.believed >= BELIEVED && self.muddled == 0
                || self.alone.is_some_and(|since| since.elapsed() > AGAIN);
            if enough && let Some(before) = job.before {
                report(*before, None);
            } else {
                self.start(job, weight, report);
            }
        }
    }

    fn start(&mut self, job: Job, weight: usize, report: Report<'_>) {
        let target = &self.plan.target;
        let mut playing = Playing::new(job.case, target, self.plan.options);
        let begun = Instant::now();
        match self.pipe(job.case) {
            Ok((token, trunk, pipe)) => {
                let link = Link::connecting(pipe, playing);
                self.slots.insert(token, Slot { link, trunk, job, begun, weight, lives: false });
            }
            Err(error) => {
                playing.unconnected(&error.to_string());
                let refused = error.kind() == io::ErrorKind::ConnectionRefused;
                self.over(job, begun, playing.finish(), refused, report);
            }
        }
    }

    /// What a case is played over: a token, the connection that it is a stream of, and the bytes.
    fn pipe(&mut self, case: &'static Case) -> io::Result<(usize, Option<usize>, Pipe)> {
        let cut = match self.plan.options.carrier {
            Carrier::Http2(cut) if case.http2.is_none() => cut,
            _ => {
                let (token, socket) = self.connect()?;
                return Ok((token, None, Pipe::Socket(socket)));
            }
        };
        // A probe has to show that the server takes connections.
        let apart = self.plan.apart || self.alone.is_some() || std::ptr::eq(case, &raw const PROBE);
        let usable = |token: &usize| self.trunks.get(token).is_some_and(|trunk| trunk.borrow().is_fresh());
        let token = match self.current.filter(usable).filter(|_| !apart) {
            Some(token) => token,
            None => {
                let (token, socket) = self.connect()?;
                self.trunks.insert(token, Rc::new(RefCell::new(Trunk::connecting(socket, cut))));
                if !apart {
                    self.current = Some(token);
                }
                token
            }
        };
        let trunk = &self.trunks[&token];
        let stream = Stream::new(trunk, Random::for_case(self.plan.options.seed, case.id));
        self.next_token += 1;
        self.fresh.push(self.next_token - 1);
        Ok((self.next_token - 1, Some(token), Pipe::Stream(stream)))
    }

    fn connect(&mut self) -> io::Result<(usize, Socket)> {
        let mut socket = self.plan.target.connect()?;
        let token = self.next_token;
        self.next_token += 1;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(socket.tcp_mut(), Token(token), interest)?;
        Ok((token, socket))
    }

    /// Moves the bytes of connections that carry streams; their streams are looked at next.
    fn pump_trunks(&mut self, ready: &mut Vec<usize>, more: &mut Vec<usize>) {
        let woken: Vec<usize> =
            ready.iter().copied().filter(|token| self.trunks.contains_key(token)).collect();
        for token in woken {
            if self.trunks[&token].borrow_mut().pump(&mut self.scratch) {
                more.push(token);
            }
            ready.extend(
                self.slots.iter().filter(|(_, slot)| slot.trunk == Some(token)).map(|(slot, _)| *slot),
            );
        }
    }

    /// A stream is over: its connection may have room for another, or nothing more to do.
    fn leave(&mut self, trunk: usize) {
        let waiting =
            self.slots.iter().filter(|(_, slot)| slot.trunk == Some(trunk)).map(|(token, _)| *token);
        self.fresh.extend(waiting);
        let Some(shared) = self.trunks.get(&trunk) else { return };
        let held = self.current == Some(trunk) && shared.borrow().is_fresh();
        if !held && Rc::strong_count(shared) == 1 {
            let _ = self.poll.registry().deregister(shared.borrow_mut().tcp_mut());
            self.trunks.remove(&trunk);
        }
    }

    fn until_deadline(&self) -> Duration {
        let now = Instant::now();
        let due = self.slots.values().map(|slot| slot.link.due(CONNECT)).min();
        let next = due.or(self.doubt.as_ref().map(|doubt| doubt.next)).unwrap_or(now);
        // Never a busy loop, and never so late that nobody sees that we were asked to end.
        next.saturating_duration_since(now).clamp(Duration::from_millis(1), Duration::from_millis(200))
    }

    /// Lets go of a slot that is over.
    fn reap(&mut self, token: usize, report: Report<'_>) {
        let Some(Slot { link, trunk, job, begun, .. }) = self.slots.remove(&token) else { return };
        let (connected, refused) = (link.connected(), link.refused());
        let error = link.error().unwrap_or("the connection did not come up").to_owned();
        let Link { dialogue: mut playing, mut stream, .. } = link;
        // Dropping the stream closes it in any case.
        if let Some(socket) = stream.socket_mut() {
            let _ = self.poll.registry().deregister(socket.tcp_mut());
        }
        drop(stream);
        if let Some(trunk) = trunk {
            self.leave(trunk);
        }
        if !connected {
            playing.unconnected(&error);
        }
        self.over(job, begun, playing.finish(), refused, report);
    }

    fn over(&mut self, job: Job, begun: Instant, record: Record, refused: bool, report: Report<'_>) {
        if std::ptr::eq(job.case, &raw const PROBE) {
            self.probed(record, begun, report);
        } else {
            self.end(job, begun, record, refused);
        }
    }

    /// A case has ended: its verdict waits for a sign of life.
    fn end(&mut self, job: Job, begun: Instant, record: Record, refused: bool) {
        if record.facts.unconnected {
            self.be_in_doubt(refused);
        } else if of_load(&record) && begun >= self.eased {
            self.jobs = (self.jobs / 2).max(1);
            self.eased = Instant::now();
        }
        // Where nobody answers, not everything is to wait for its patience first.
        if of_load(&record) && self.lived.is_none_or(|lived| lived < begun) {
            self.be_in_doubt(false);
        }
        self.ended.push(Ended { record, before: job.before, begun, at: Instant::now() });
    }

    fn be_in_doubt(&mut self, refused: bool) {
        let now = Instant::now();
        let doubt =
            self.doubt.get_or_insert(Doubt { since: now, refused: false, next: now, silent: 0, seen: None });
        doubt.refused |= refused;
    }

    /// The server has shown life on a connection that was begun then.
    fn lives(&mut self, begun: Instant, id: &'static str, report: Report<'_>) {
        if self.lived.is_some_and(|lived| lived >= begun) {
            return;
        }
        self.lived = Some(begun);
        // Whoever was refused since may have been so because it had crashed, and is back.
        if self.doubt.as_ref().is_some_and(|doubt| doubt.refused) && id != PROBE.id {
            return;
        }
        let (sure, unsure) = std::mem::take(&mut self.ended).into_iter().partition(|ended| ended.at <= begun);
        self.ended = unsure;
        let sure: Vec<Ended> = sure;
        for ended in sure {
            self.settle(ended, Aftermath::Serves(id), report);
        }
    }

    /// A verdict stands, or the case is played alone.
    fn settle(&mut self, ended: Ended, aftermath: Aftermath, report: Report<'_>) {
        let Ended { mut record, before, .. } = ended;
        match before {
            // One of those beside it may have ended the connection under it.
            None if record.facts.lost => self.again.push(Job { case: record.case, before: None }),
            None if of_load(&record) && self.plan.jobs > 1 => {
                self.again.push(Job { case: record.case, before: Some(Box::new(record)) });
            }
            None => report(record, Some(aftermath)),
            Some(first) => {
                if record.verdict.passed() {
                    self.muddled += 1;
                    let reason =
                        format!("Beside other cases: {} Alone: {}", told(&first), record.verdict.reason);
                    record.verdict.reason = reason;
                    record.verdict.behaviour = Behaviour::Muddled;
                } else {
                    self.believed += 1;
                }
                report(record, Some(aftermath));
            }
        }
    }

    /// A probe has ended.
    fn probed(&mut self, record: Record, begun: Instant, report: Report<'_>) {
        let Some(mut doubt) = self.doubt.take() else { return };
        let answer = record.facts.answer.map(|(seen, _)| seen);
        if answer == Some(AnswerSeen::Opened) && !record.facts.unconnected {
            let lived = self.lived.replace(begun);
            let ended = std::mem::take(&mut self.ended);
            if doubt.refused {
                return self.came_back(ended, lived, report);
            }
            for ended in ended {
                self.settle(ended, Aftermath::Serves(PROBE.id), report);
            }
            return;
        }
        let how = match answer {
            Some(AnswerSeen::Silent) => Gone::Hung,
            _ => Gone::Crashed,
        };
        let seen =
            if record.facts.unconnected { connect_error(&record) } else { record.verdict.reason.clone() };
        doubt.silent += u32::from(how == Gone::Hung);
        let now = Instant::now();
        let seen = match doubt.seen.take() {
            // The first of them was there when the server had just gone, and saw the most.
            Some(seen) if how == Gone::Crashed => seen,
            _ => (how, seen),
        };
        let again = match how {
            Gone::Crashed => now < doubt.since + BACK,
            Gone::Hung => doubt.silent < PROBES,
        };
        if again {
            self.doubt = Some(Doubt { next: now + PAUSE, seen: Some(seen), ..doubt });
        } else {
            self.gone(seen, report);
        }
    }

    /// The server had refused connections, and takes them again: somebody has started it anew.
    fn came_back(&mut self, ended: Vec<Ended>, lived: Option<Instant>, report: Report<'_>) {
        let (refused, mut played): (Vec<_>, Vec<_>) =
            ended.into_iter().partition(|ended| ended.record.facts.unconnected);
        for Ended { record, .. } in refused {
            // It had nobody to play with.
            self.again.push(Job { case: record.case, before: None });
        }
        let blamed = blame::suspects(&played, Gone::Crashed, lived);
        for at in (0..played.len()).rev() {
            let ended = played.swap_remove(at);
            match (blamed.contains(&ended.record.case.id), blamed.len()) {
                (true, 1) => {
                    let seen = "it refused connections after this case, and was back later".to_owned();
                    let record = blame::accuse(ended.record, Gone::Crashed, &blamed, &seen);
                    report(record, Some(Aftermath::Gone(seen)));
                }
                (true, _) => self.again.push(Job { case: ended.record.case, before: None }),
                (false, _) if of_load(&ended.record) => {
                    self.again.push(Job { case: ended.record.case, before: None });
                }
                (false, _) => report(ended.record, Some(Aftermath::Serves(PROBE.id))),
            }
        }
        // Alone, so that the next one is found out at once.
        self.again.extend(std::mem::take(&mut self.queue));
    }

    /// The server is not there any more.
    fn gone(&mut self, (how, seen): (Gone, String), report: Report<'_>) {
        // Of a server that has never served nobody can say that a case has ended it.
        let never = self.lived.is_none();
        let blamed = if never { Vec::new() } else { blame::suspects(&self.ended, how, self.lived) };
        for ended in std::mem::take(&mut self.ended) {
            let id = ended.record.case.id;
            if blamed.contains(&id) {
                let record = blame::accuse(ended.record, how, &blamed, &seen);
                report(record, Some(Aftermath::Gone(seen.clone())));
            } else if never && !ended.record.facts.unconnected
                || ended.record.facts.took_leave() && !of_load(&ended.record)
            {
                report(ended.record, Some(Aftermath::Gone(seen.clone())));
            } else {
                report(ended.record.unplayed("the server was gone before it was through"), None);
            }
        }
        let jobs = std::mem::take(&mut self.queue).into_iter().chain(std::mem::take(&mut self.again));
        for job in jobs.collect::<Vec<_>>() {
            report(unplayed(job, "the server was gone before"), None);
        }
        self.peer = Peer::Gone(how, blamed);
    }

    /// We were asked to end.
    fn stop(&mut self, report: Report<'_>) {
        for Ended { record, .. } in std::mem::take(&mut self.ended) {
            report(record, None);
        }
        for (_, slot) in std::mem::take(&mut self.slots) {
            if !std::ptr::eq(slot.job.case, &raw const PROBE) {
                report(slot.link.dialogue.finish().unplayed("the run was interrupted"), None);
            }
        }
        let jobs = std::mem::take(&mut self.queue).into_iter().chain(std::mem::take(&mut self.again));
        for job in jobs.collect::<Vec<_>>() {
            report(unplayed(job, "the run was interrupted"), None);
        }
    }
}

/// The record of a case that is not played any more.
fn unplayed(job: Job, why: &str) -> Record {
    match job.before {
        Some(before) => *before,
        None => Record::not_played(job.case, Subject::Server, why),
    }
}

/// Whether it failed for want of time or room, as cases do for which a peer has none left beside others.
fn of_load(record: &Record) -> bool {
    let facts = &record.facts;
    let busy = matches!(facts.answer, Some((AnswerSeen::Status(429 | 502 | 503 | 504), None)));
    let unheard = matches!(facts.answer, Some((AnswerSeen::Dropped | AnswerSeen::Silent, None)));
    !record.verdict.passed()
        && (facts.timed_out || facts.dropped_by_us || facts.unconnected || facts.late || busy || unheard)
}

/// Both verdicts in a sentence or two.
fn told(record: &Record) -> String {
    match record.verdict.behaviour {
        Behaviour::Ok | Behaviour::NonStrict => record.verdict.close_reason.clone(),
        _ => record.verdict.reason.clone(),
    }
}

/// Why there is no connection.
fn connect_error(record: &Record) -> String {
    let notes = record.log.lines().iter().rev().filter_map(|line| match &line.item {
        crate::wire::Item::Note(note) => Some(note.clone()),
        _ => None,
    });
    notes.into_iter().next().unwrap_or_else(|| "could not connect".to_owned())
}

fn weight(case: &Case) -> usize {
    if case.has_tag("heavy") { HEAVY } else { 1 }
}

/// Milliseconds that a script waits, breaths between single bytes guessed.
fn waiting(case: &Case) -> u32 {
    let breaths = |pace: Pace| if pace == Pace::Bytes(1) { 300 } else { 0 };
    let millis = |step: &Step| match step {
        Step::Wait(millis) | Step::Rest(millis) => u32::from(*millis),
        Step::Pace(pace) => breaths(*pace),
        _ => 0,
    };
    breaths(case.opening.pace) + case.script.iter().map(millis).sum::<u32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_cases_go_first() {
        let (quick, slow) = (crate::cases::find("1.1.1"), crate::cases::find("6.4.1"));
        assert!(slow.map(waiting) > quick.map(waiting));
    }
}
