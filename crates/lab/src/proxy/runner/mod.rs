//! Plays many cases side by side over one poll on one thread, as the client of the front and as its origin.
//!
//! In: a [`Plan`]. Out: a [`Record`] for each case. A connection at the origin belongs to the case whose mark is in its
//! first request. A case that fails beside others is played again alone before its verdict is final.

mod origin;
mod plan;
mod slot;
mod stream;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bowsprit::error::Section;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use super::case::{Case, Check, ProxyStep};
use super::mailbox::Mailbox;
use super::passage::Passage;
use super::player::{Common, Player};
use super::record::Record;
use crate::case::Level;
use crate::http2::{Shared, pump_trunks};
use crate::link::{Link, SCRATCH};
use crate::options::{Carrier, Options};
use crate::rule::{Rule, Sections};
pub use crate::runner::{Gone, Peer, Target};
use crate::socket::Socket;
use slot::{CONNECT, Seat, Slot, due, reset};

pub use plan::{Plan, Survey, Trouble};

/// The most time spent on playing failures again.
const AGAIN: Duration = Duration::from_secs(60);
/// How many failures must recur alone before the rest is accepted, if all of those played alone recurred.
const BELIEVED: u32 = 3;
/// How often a case is played alone if it came out late, or played again if the front did not process it.
const TRIES: u32 = 3;
/// How many consecutive cases without a sign of life lead to a probe.
const SILENT: u32 = 3;
const LISTENER: Token = Token(usize::MAX);

/// A good request that comes out; everything after that is up to the cases.
static PROBE: Case = Case {
    id: "PRX-000",
    title: "a good handshake",
    rule: &Rule {
        sections: Sections(&[Section::rfc6455("4.1"), Section::new(9110, "7.8")]),
        text: "The front passes an upgrade on to the origin.",
    },
    level: Level::Must,
    script: &[ProxyStep::Feel, ProxyStep::Reach(&[Check::Upgrades]), ProxyStep::Answer(&[])],
    ..Case::BASE
};

/// Checks whether there is a front whose origin we are.
///
/// # Errors
///
/// Returns what prevents it.
pub fn preflight(target: &Target, origin: SocketAddr, options: Options) -> Result<Survey, Trouble> {
    let plan = Plan::new(target.clone(), origin, vec![&PROBE], options, 1);
    let mut seen = None;
    let listen = |error: io::Error| Trouble::Listen(error.to_string());
    let mut runner = Runner::new(&plan).map_err(listen)?;
    runner.again = None;
    let peer = runner.run(&mut |record| seen = Some(record)).map_err(listen)?;
    match (seen, peer) {
        (_, Peer::Gone(..)) => Err(Trouble::Front("it refuses connections".to_owned())),
        (Some(record), _) if record.passage == Passage::Transparent => Ok(Survey { relays: record.relays }),
        (Some(record), _) if record.unconnected => Err(Trouble::Front(record.reason)),
        (Some(record), _) => Err(Trouble::Origin(record.reason)),
        (None, _) => Err(Trouble::Origin("the run was interrupted".to_owned())),
    }
}

/// Plays a plan; `report` gets each record once it is final.
///
/// # Errors
///
/// Returns the error of listening at the origin's address, or of our own poll.
pub fn run(plan: &Plan, report: &mut dyn FnMut(Record)) -> io::Result<Peer> {
    let runner = Runner::new(plan)?;
    for case in plan.cases.iter().filter(|case| not_applicable(case, plan.options.carrier)) {
        report(Record::not_applicable(case));
    }
    runner.run(report)
}

/// Returns whether a case cannot be played over this carrier.
fn not_applicable(case: &Case, carrier: Carrier) -> bool {
    carrier.is_http2() && !case.only_http1.is_empty()
}

type Report<'r> = &'r mut dyn FnMut(Record);

struct Runner<'p> {
    plan: &'p Plan,
    common: Common,
    poll: Poll,
    listener: Option<TcpListener>,
    queue: VecDeque<&'static Case>,
    /// The cases that are played when everything else is done.
    without_origin: Vec<&'static Case>,
    slots: BTreeMap<usize, Slot>,
    seats: BTreeMap<usize, Seat>,
    nameless: BTreeMap<usize, (Link<Mailbox>, Instant)>,
    /// HTTP/2 connections, each for one case.
    trunks: BTreeMap<usize, Shared>,
    /// Slots whose connection has room for their stream since another stream ended; no incoming event tells them so.
    roomy: Vec<usize>,
    next_token: usize,
    scratch: Vec<u8>,
    jobs: usize,
    /// The copies of one case that have ended.
    copies: Vec<Record>,
    /// Failures among other cases, to be played alone; `None` means that none is played again.
    again: Option<Vec<Record>>,
    /// The records of the cases that are being played again.
    before: BTreeMap<&'static str, Record>,
    alone: Option<Instant>,
    /// How many of those recurred; `muddled` counts those that did not.
    believed: u32,
    /// How often a case that was late has been played.
    tries: BTreeMap<&'static str, u32>,
    muddled: u32,
    silent: u32,
    probing: bool,
    last: VecDeque<&'static str>,
    gone: Option<Peer>,
}

impl<'p> Runner<'p> {
    fn new(plan: &'p Plan) -> io::Result<Self> {
        // A front that cannot reach its origin may not try again for a while, so those cases are played when everything
        // else is done.
        let is_played = |case: &&&'static Case| !not_applicable(case, plan.options.carrier);
        let (last, mut cases): (Vec<_>, Vec<_>) =
            plan.cases.iter().filter(is_played).partition(|case| case.without_origin());
        cases.sort_by_key(|case: &&Case| case.copies > 1);
        let mut runner = Self {
            plan,
            common: Common {
                host: plan.target.host.clone(),
                target: plan.target.path.clone(),
                fields: plan.target.fields.clone(),
                relays: plan.relays,
                carrier: plan.options.carrier,
            },
            poll: Poll::new()?,
            listener: None,
            queue: cases.into(),
            without_origin: last,
            slots: BTreeMap::new(),
            seats: BTreeMap::new(),
            nameless: BTreeMap::new(),
            trunks: BTreeMap::new(),
            roomy: Vec::new(),
            next_token: 0,
            scratch: vec![0; SCRATCH],
            jobs: plan.jobs.max(1),
            copies: Vec::new(),
            again: Some(Vec::new()),
            before: BTreeMap::new(),
            alone: None,
            believed: 0,
            tries: BTreeMap::new(),
            muddled: 0,
            silent: 0,
            probing: false,
            last: VecDeque::new(),
            gone: None,
        };
        runner.listen()?;
        Ok(runner)
    }

    fn listen(&mut self) -> io::Result<()> {
        let mut listener = TcpListener::bind(self.plan.origin)?;
        self.poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        self.listener = Some(listener);
        Ok(())
    }

    fn run(mut self, report: Report<'_>) -> io::Result<Peer> {
        let mut events = Events::with_capacity(256);
        let mut more: Vec<usize> = Vec::new();
        loop {
            if self.plan.interrupt.load(Ordering::Relaxed) {
                self.stop("the run was interrupted", report);
                return Ok(Peer::Interrupted);
            }
            if let Some(peer) = self.gone.take() {
                self.stop("the front is gone", report);
                return Ok(peer);
            }
            self.begin(report)?;
            if self.slots.is_empty() && self.queue.is_empty() {
                return Ok(Peer::Alive);
            }
            let timeout = if more.is_empty() { self.until_deadline() } else { Duration::ZERO };
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            let mut ready = std::mem::take(&mut more);
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    token => match self.seats.get(&token.0) {
                        Some(Seat::Client(slot) | Seat::Origin(slot)) => ready.push(*slot),
                        Some(Seat::Nameless) => ready.extend(self.name(token.0)),
                        Some(Seat::Trunk) => ready.push(token.0),
                        None => {}
                    },
                }
            }
            let streams = self.slots.iter().map(|(at, slot)| (*at, slot.trunk));
            pump_trunks(&self.trunks, streams, &mut self.scratch, &mut ready, &mut more);
            let now = Instant::now();
            let is_due = |slot: &Slot| due(slot) <= now;
            ready.extend(self.slots.iter().filter(|(_, slot)| is_due(slot)).map(|(at, _)| *at));
            ready.sort_unstable();
            ready.dedup();
            for at in ready {
                if self.drive(at) {
                    more.push(at);
                }
            }
            self.forget_nameless();
            let over: Vec<usize> =
                self.slots.iter().filter(|(_, slot)| slot.player.is_over()).map(|(at, _)| *at).collect();
            over.into_iter().for_each(|at| self.reap(at, report));
            more.append(&mut self.roomy);
        }
    }

    /// Begins what may begin now.
    fn begin(&mut self, report: Report<'_>) -> io::Result<()> {
        loop {
            let is_idle = self.slots.is_empty();
            if is_idle && self.listener.is_none() {
                self.listen()?;
            }
            if self.silent >= SILENT && !self.probing {
                if is_idle {
                    self.probing = true;
                    self.start(&PROBE, 0);
                    continue;
                }
                return Ok(());
            }
            let Some(case) = self.queue.front().copied() else {
                if !is_idle {
                    return Ok(());
                }
                let Some(again) = self.again.take_if(|again| !again.is_empty()) else {
                    if self.without_origin.is_empty() {
                        return Ok(());
                    }
                    self.queue = std::mem::take(&mut self.without_origin).into();
                    continue;
                };
                let mut again = again;
                again.sort_by_key(|record| !record.late);
                self.jobs = 1;
                self.alone = Some(Instant::now());
                self.queue = again.iter().map(|record| record.case).collect();
                self.before = again.into_iter().map(|record| (record.case.id, record)).collect();
                continue;
            };
            let enough = self.believed >= BELIEVED && self.muddled == 0
                || self.alone.is_some_and(|since| since.elapsed() > AGAIN);
            let is_believed = self.before.get(case.id).is_some_and(|record| !record.late);
            if enough && is_idle && is_believed {
                self.queue.clear();
                std::mem::take(&mut self.before).into_values().for_each(&mut *report);
                continue;
            }
            let is_alone = case.without_origin() || case.copies > 1 || case.tags.contains(&"alone");
            let plays_alone = self.slots.values().any(|slot| slot.player.case.tags.contains(&"alone"));
            if !is_idle && (is_alone || plays_alone || self.slots.len() >= self.jobs || self.probing) {
                return Ok(());
            }
            self.queue.pop_front();
            if case.without_origin() {
                self.listener = None;
            }
            (0..case.copies).for_each(|copy| self.start(case, copy));
            if is_alone {
                return Ok(());
            }
        }
    }

    fn start(&mut self, case: &'static Case, copy: u16) {
        let mut player = Player::new(case, copy, &self.common, self.plan.options);
        let at = self.token();
        let (trunk, client) = match self.pipe(case, copy, at) {
            Ok((trunk, pipe)) => (trunk, Some(Link::connecting(pipe, Mailbox::default()))),
            Err(error) => {
                player.unconnected(&error.to_string());
                (None, None)
            }
        };
        self.seats.insert(at, Seat::Client(at));
        self.slots.insert(at, Slot { player, started: Instant::now(), client, trunk, origin: None });
    }

    fn token(&mut self) -> usize {
        self.next_token += 1;
        self.next_token
    }

    fn register(&self, mut stream: Socket, token: usize) -> io::Result<Socket> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(stream.tcp_mut(), Token(token), interest)?;
        Ok(stream)
    }

    /// Moves bytes and runs the script until nothing changes. Returns whether there is more to do at once.
    fn drive(&mut self, at: usize) -> bool {
        let Some(slot) = self.slots.get_mut(&at) else { return false };
        let mut more = false;
        for _ in 0..64 {
            let before = slot.state();
            more = false;
            for link in [&mut slot.client, &mut slot.origin].into_iter().flatten() {
                link.tick(CONNECT);
                more |= link.pump(&mut self.scratch);
            }
            if let Some(error) = slot.client.as_ref().and_then(|link| link.error()).map(str::to_owned) {
                slot.player.unconnected(&error);
                return false;
            }
            let connected = slot.client.as_ref().is_none_or(Link::connected);
            if connected {
                slot.turn();
            }
            for link in [&mut slot.client, &mut slot.origin] {
                if let Some(gone) = link.take_if(|link| link.dialogue.reset && link.dialogue.out.is_empty()) {
                    reset(&gone);
                }
            }
            if slot.player.is_over() {
                return false;
            }
            if slot.state() == before {
                break;
            }
        }
        if let Some((mark, bytes)) = slot.player.take_foreign()
            && let Some(mut link) = slot.origin.take()
        {
            link.dialogue = Mailbox::holding(bytes);
            let of_it = |seat: &Seat| matches!(seat, Seat::Origin(slot) if *slot == at);
            let token = self.seats.iter().find(|(_, seat)| of_it(seat)).map(|(token, _)| *token);
            if let Some(token) = token {
                return self.attach(token, link, &mark).is_some_and(|at| self.drive(at));
            }
        }
        more
    }

    fn until_deadline(&self) -> Duration {
        let next = self.slots.values().map(due).min().unwrap_or_else(Instant::now);
        // The wait is never so short that this is a busy loop, nor so long that an interrupt goes unnoticed.
        next.saturating_duration_since(Instant::now())
            .clamp(Duration::from_micros(200), Duration::from_millis(100))
    }

    /// Removes a case that is over.
    fn reap(&mut self, at: usize, report: Report<'_>) {
        let Some(slot) = self.slots.remove(&at) else { return };
        self.seats.retain(|_, seat| !matches!(seat, Seat::Client(slot) | Seat::Origin(slot) if *slot == at));
        let refused = slot.client.as_ref().is_some_and(Link::refused);
        drop(slot.client);
        self.leave(slot.trunk);
        let record = slot.player.finish(slot.started.elapsed());
        let case = record.case;
        if std::ptr::eq(case, &PROBE) && self.probing {
            (self.probing, self.silent) = (false, 0);
            if record.silent {
                self.gone = Some(Peer::Gone(Gone::Hung, self.last.iter().copied().collect()));
            }
            return;
        }
        self.silent = if record.silent { self.silent + 1 } else { 0 };
        if refused {
            let mut suspects: Vec<_> = self.slots.values().map(|slot| slot.player.case.id).collect();
            suspects.extend(&self.last);
            self.gone.get_or_insert(Peer::Gone(Gone::Crashed, suspects));
        }
        self.last.push_back(case.id);
        if self.last.len() > SILENT as usize {
            self.last.pop_front();
        }
        self.copies.push(record);
        let of_it = |record: &Record| std::ptr::eq(record.case, case);
        if self.copies.iter().filter(|record| of_it(record)).count() < case.copies.into() {
            return;
        }
        let (ended, rest): (Vec<Record>, Vec<Record>) = self.copies.drain(..).partition(of_it);
        self.copies = rest;
        let worst = ended.into_iter().max_by_key(|record| (!record.accepted, record.passage));
        if let Some(record) = worst {
            self.stand(record, report);
        }
    }

    /// Reports the verdict on a case, or puts the case in line to be played again alone.
    fn stand(&mut self, mut record: Record, report: Report<'_>) {
        // A case that is late each time counts as late.
        let tries = self.tries.entry(record.case.id).or_insert(0);
        let is_late = record.late && !record.accepted && self.again.is_none();
        if (is_late || record.unprocessed) && *tries < TRIES {
            *tries += 1;
            return self.queue.push_front(record.case);
        }
        if let Some(before) = self.before.remove(record.case.id) {
            let is_same = record.passage == before.passage;
            *if is_same { &mut self.believed } else { &mut self.muddled } += 1;
            if record.accepted {
                record
                    .measured
                    .push(format!("beside other cases it was {}: {}", before.passage, before.reason));
            }
            return report(record);
        }
        let may_be_load = record.late || record.case.level != Level::May && self.jobs > 1;
        match &mut self.again {
            Some(again) if may_be_load && !record.accepted => again.push(record),
            _ => report(record),
        }
    }

    /// Reports the cases that are not complete as not played.
    fn stop(&mut self, why: &str, report: Report<'_>) {
        let again = self.again.take().unwrap_or_default();
        let before = std::mem::take(&mut self.before);
        let known: Vec<&str> =
            again.iter().map(|record| record.case.id).chain(before.keys().copied()).collect();
        let cases: Vec<_> = self
            .slots
            .values()
            .map(|slot| slot.player.case)
            .chain(self.queue.drain(..))
            .chain(self.without_origin.drain(..))
            .collect();
        let mut told = Vec::new();
        for case in cases {
            if !known.contains(&case.id) && !told.contains(&case.id) && !std::ptr::eq(case, &PROBE) {
                told.push(case.id);
                report(Record::not_played(case, why));
            }
        }
        again.into_iter().chain(before.into_values()).for_each(report);
    }
}
