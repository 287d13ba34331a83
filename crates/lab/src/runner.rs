//! Plays many cases side by side against a server, over one poll on one thread.
//!
//! In: a [`Plan`]. Out: a [`Record`] for each case as it ends, and at the end what became of the server.
//! Promises: bounded time and memory whatever the server does; a server that goes away ends the run early
//! and says so. After a case that failed, or that may do harm, the server is probed on a connection of its
//! own, so that a crash or a hang is told apart from a refusal.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::case::{Case, Class, Ending, Event, Expect, Level, Pace, Rule, Step, Subject, dsl};
use super::judge::{AnswerSeen, Behaviour};
use super::link::{Link, SCRATCH};
use super::options::Options;
use super::payload::Payload;
use super::player::{Player, Record};
use super::socket::Socket;
#[cfg(feature = "tls")]
use bowsprit::tls::{TlsClient, TlsStream};

/// How long a TCP connection may take to come up.
const CONNECT: Duration = Duration::from_secs(4);
/// Connections refused in a row that mean the server is gone.
const GONE: u32 = 8;

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
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// The same behind TLS; `name` is the one that its certificate has to bear.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(self, client: TlsClient, name: &str) -> Self {
        Self { tls: Some((client, name.to_owned())), ..self }
    }

    fn connect(&self) -> io::Result<Socket> {
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
    /// It stopped accepting connections while these cases were being played; the rest was not.
    Gone(Vec<&'static str>),
}

/// Whether the server still served others after a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aftermath {
    /// It did.
    Serves,
    /// It takes no more connections.
    Refuses,
    /// It takes connections, and says nothing or the wrong thing.
    Hangs(String),
}

/// The plain echo that tells whether a server is one, and is still there.
pub static PROBE: Case = Case {
    id: "probe",
    title: "a good handshake and one echo",
    rule: &Rule {
        section: "RFC 6455 §4.2, §5.6",
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

/// Plays a plan; `report` gets each record, in the order in which cases end.
///
/// # Errors
///
/// Only what our own poll fails with.
pub fn run(plan: &Plan, report: &mut dyn FnMut(Record, Option<Aftermath>)) -> io::Result<Peer> {
    let mut runner = Runner::new(plan)?;
    runner.run(report)?;
    Ok(match runner.suspects {
        Some(suspects) => Peer::Gone(suspects),
        None => Peer::Alive,
    })
}

struct Runner<'p> {
    plan: &'p Plan,
    poll: Poll,
    queue: VecDeque<&'static Case>,
    slots: BTreeMap<usize, Slot>,
    next_token: usize,
    scratch: Vec<u8>,
    refused: u32,
    suspects: Option<Vec<&'static str>>,
}

struct Slot {
    link: Link<Player>,
    /// Probes hold the record of the case that they were made for.
    after: Option<Box<Record>>,
    weight: usize,
}

impl<'p> Runner<'p> {
    fn new(plan: &'p Plan) -> io::Result<Self> {
        // Cases that wait start first, so that they wait beside everything else.
        let mut cases = plan.cases.clone();
        cases.sort_by_key(|case| std::cmp::Reverse(waiting(case)));
        Ok(Self {
            plan,
            poll: Poll::new()?,
            queue: cases.into(),
            slots: BTreeMap::new(),
            next_token: 0,
            scratch: vec![0; SCRATCH],
            refused: 0,
            suspects: None,
        })
    }

    fn run(&mut self, report: &mut dyn FnMut(Record, Option<Aftermath>)) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        let mut again: Vec<usize> = Vec::new();
        loop {
            self.start_cases(report);
            if self.slots.is_empty() {
                return Ok(());
            }
            let timeout = if again.is_empty() { self.until_deadline() } else { Duration::ZERO };
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            let mut ready = std::mem::take(&mut again);
            ready.extend(events.iter().map(|event| event.token().0));
            ready.sort_unstable();
            ready.dedup();
            for token in ready {
                let Some(slot) = self.slots.get_mut(&token) else { continue };
                if slot.link.pump(&mut self.scratch) {
                    again.push(token);
                }
            }
            self.slots.values_mut().for_each(|slot| slot.link.tick(CONNECT));
            let over = self.slots.iter().filter(|(_, slot)| slot.link.is_over()).map(|(token, _)| *token);
            for token in over.collect::<Vec<_>>() {
                self.reap(token, report);
            }
        }
    }

    fn start_cases(&mut self, report: &mut dyn FnMut(Record, Option<Aftermath>)) {
        loop {
            let busy: usize = self.slots.values().map(|slot| slot.weight).sum();
            let Some(case) = self.queue.front() else { return };
            let weight = weight(case);
            if busy > 0 && busy + weight > self.plan.jobs.max(1) {
                return;
            }
            let case = *case;
            self.queue.pop_front();
            if self.suspects.is_some() {
                let mut player = self.player(case);
                player.eof(Duration::ZERO, Some("not played: the server is gone"));
                report(player.finish(), None);
            } else {
                self.start(case, weight, None, report);
            }
        }
    }

    fn player(&self, case: &'static Case) -> Player {
        Player::new(case, Subject::Server, &self.plan.target.host, &self.plan.target.path, self.plan.options)
    }

    fn start(
        &mut self,
        case: &'static Case,
        weight: usize,
        after: Option<Box<Record>>,
        report: &mut dyn FnMut(Record, Option<Aftermath>),
    ) {
        let player = self.player(case);
        let token = self.next_token;
        self.next_token += 1;
        let stream = self.plan.target.connect().and_then(|mut stream| {
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(stream.tcp_mut(), Token(token), interest)?;
            Ok(stream)
        });
        match stream {
            Ok(stream) => {
                self.slots.insert(token, Slot { link: Link::connecting(stream, player), after, weight });
            }
            Err(error) => self.unreachable(player, after, &error.to_string(), report),
        }
    }

    fn unreachable(
        &mut self,
        mut player: Player,
        after: Option<Box<Record>>,
        error: &str,
        report: &mut dyn FnMut(Record, Option<Aftermath>),
    ) {
        self.refused += 1;
        if self.refused >= GONE && self.suspects.is_none() {
            self.suspects = Some(self.slots.values().map(|slot| slot.link.dialogue.case().id).collect());
        }
        match after {
            Some(record) => report(*record, Some(Aftermath::Refuses)),
            None => {
                player.eof(Duration::ZERO, Some(&format!("could not connect: {error}")));
                report(player.finish(), Some(Aftermath::Refuses));
            }
        }
    }

    fn until_deadline(&self) -> Duration {
        let now = Instant::now();
        let next = self.slots.values().map(|slot| slot.link.due(CONNECT)).min().unwrap_or(now);
        // Never a busy loop, never later than a second.
        next.saturating_duration_since(now).clamp(Duration::from_millis(1), Duration::from_secs(1))
    }

    /// Lets go of a slot that is over, and probes the server if there is reason to.
    fn reap(&mut self, token: usize, report: &mut dyn FnMut(Record, Option<Aftermath>)) {
        let Some(Slot { link, after, .. }) = self.slots.remove(&token) else { return };
        let connected = link.connected();
        let error = link.error().unwrap_or("the connection did not come up").to_owned();
        let Link { dialogue: player, mut stream, .. } = link;
        // Dropping the stream closes it in any case.
        let _ = self.poll.registry().deregister(stream.tcp_mut());
        if !connected {
            return self.unreachable(player, after, &error, report);
        }
        self.refused = 0;
        let record = player.finish();
        if let Some(first) = after {
            let aftermath = match record.verdict.behaviour {
                Behaviour::Ok => Aftermath::Serves,
                _ => Aftermath::Hangs(record.verdict.reason),
            };
            return report(*first, Some(aftermath));
        }
        let suspicious = record.verdict.behaviour == Behaviour::Failed || record.case.has_tag("destructive");
        if suspicious {
            self.start(&PROBE, 0, Some(Box::new(record)), report);
        } else {
            report(record, None);
        }
    }
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

/// Whether there is a WebSocket server at all: one plain echo.
///
/// # Errors
///
/// What is there instead, in a sentence.
pub fn preflight(target: &Target, options: Options) -> Result<Record, String> {
    let plan = Plan { target: target.clone(), cases: vec![&PROBE], options, jobs: 1 };
    let mut seen = None;
    run(&plan, &mut |record, aftermath| seen = Some((record, aftermath)))
        .map_err(|error| error.to_string())?;
    let (record, aftermath) = seen.ok_or("nothing was played")?;
    let last_note = record.log.lines().iter().rev().find_map(|line| match &line.item {
        super::wire::Item::Note(note) => Some(note.clone()),
        _ => None,
    });
    match record.facts.answer {
        Some((AnswerSeen::Opened, Some(_))) if record.facts.violation.is_none() => Ok(record),
        _ if aftermath == Some(Aftermath::Refuses) && record.facts.remote_code.is_none() => {
            let why = last_note.unwrap_or_else(|| "could not connect".to_owned());
            Err(why.trim_start_matches("the TCP connection broke: ").to_owned())
        }
        // TLS says more than that the connection ended.
        _ => match last_note.as_deref().and_then(|note| note.strip_prefix("the TCP connection broke: ")) {
            Some(why) => Err(why.to_owned()),
            None => Err(record.verdict.reason.clone()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_cases_go_first() {
        let (quick, slow) = (super::super::cases::find("1.1.1"), super::super::cases::find("6.4.1"));
        assert!(slow.map(waiting) > quick.map(waiting));
    }
}
