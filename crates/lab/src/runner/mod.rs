//! Plays many cases side by side against a server, over one poll on one thread.
//!
//! In: a [`Plan`]. Out: a [`Record`] for each case, and at the end what became of the server. Time and memory are
//! bounded whatever the server does, and the run ends soon after [`Plan::interrupt`] is set.
//!
//! No verdict is final before the server has shown that it lives, by opening a connection that was made after the case
//! had ended and sending something on it. The next case's own connection serves as well as a probe. If no connection is
//! opened any more, `blame` finds the case after which that began. A failure that our own load may have caused is
//! played again, alone, before it is final, and from then on fewer cases are played at once.
//! again, alone, before it stands, and fewer cases are played at once from then on.

mod blame;
mod job;
mod life;
mod peer;
mod pipes;
mod preflight;
mod probe;
mod queue;
mod target;
mod trial;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use crate::case::Case;
use crate::http2::Shared;
use crate::link::{Link, SCRATCH};
use crate::options::Options;
use crate::player::Record;
use crate::playing::Playing;
use job::{Ended, Job, unplayed, weight};
use peer::Doubt;
use queue::{Queue, Room, is_idle, is_sharp};
use trial::Trials;

pub use job::HEAVY;
pub use peer::{Aftermath, Gone, Peer};
pub use preflight::{Survey, preflight};
pub use probe::PROBE;
pub use target::Target;

/// How long a TCP connection may take to come up.
const CONNECT: Duration = Duration::from_secs(4);
/// How many verdicts may wait for a sign of life before a separate probe is made.
const UNSURE: usize = 64;
/// The most time spent on playing failures again.
const AGAIN: Duration = Duration::from_secs(90);

/// What to play, and against which server.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server.
    pub target: Target,
    /// The cases.
    pub cases: Vec<&'static Case>,
    /// How to play the cases.
    pub options: Options,
    /// How many connections and how many light cases to play at once; a heavy case counts as [`HEAVY`], a case that
    /// waits on purpose as none.
    pub jobs: usize,
    /// Whether, over HTTP/2, each case gets a connection of its own; otherwise one connection carries as many streams
    /// as possible.
    pub apart: bool,
    /// Whether the server was already seen to serve, so that a server that serves nobody counts as gone.
    pub served: bool,
    /// Ends the run when it is set; cases that are not complete then count as not played.
    pub interrupt: Arc<AtomicBool>,
}

impl Plan {
    /// Creates a plan of these cases against this server, with `jobs` at once.
    pub fn new(target: Target, cases: Vec<&'static Case>, options: Options, jobs: usize) -> Self {
        Self { target, cases, options, jobs, apart: false, served: false, interrupt: Arc::default() }
    }
}

/// Plays a plan; `report` gets each record once it is final.
///
/// # Errors
///
/// Returns only errors of our own poll.
pub fn run(plan: &Plan, report: &mut dyn FnMut(Record, Option<Aftermath>)) -> io::Result<Peer> {
    Runner::new(plan)?.run(report)
}

struct Slot {
    link: Link<Playing>,
    /// The connection that the case's stream belongs to.
    trunk: Option<usize>,
    job: Job,
    begun: Instant,
    weight: usize,
    /// Whether the case has shown that the server lives.
    lives: bool,
}

struct Runner<'p> {
    plan: &'p Plan,
    poll: Poll,
    queue: Queue,
    slots: BTreeMap<usize, Slot>,
    /// Connections that carry streams, and the one that the next stream is for.
    trunks: BTreeMap<usize, Shared>,
    current: Option<usize>,
    /// Slots that no event will wake.
    fresh: Vec<usize>,
    next_token: usize,
    scratch: Vec<u8>,
    /// How many to play at once, as far as the server copes with it.
    jobs: usize,
    /// When `jobs` was last changed.
    eased: Instant,
    ended: Vec<Ended>,
    /// Failures that our own load may have caused, to be played alone.
    again: Vec<Job>,
    /// Since when they are played alone.
    alone: Option<Instant>,
    /// The results of those that were played alone.
    trials: Trials,
    /// When the newest connection on which the server has shown life was begun.
    lived: Option<Instant>,
    /// Set while no case may begin before a probe has found the server alive: since when, and how the last probe ended.
    doubt: Option<Doubt>,
    peer: Peer,
}

type Report<'r> = &'r mut dyn FnMut(Record, Option<Aftermath>);

impl<'p> Runner<'p> {
    fn new(plan: &'p Plan) -> io::Result<Self> {
        Ok(Self {
            plan,
            poll: Poll::new()?,
            queue: plan.cases.iter().map(|case| Job { case, before: None }).collect(),
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
            trials: Trials::default(),
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

    /// Begins what may begin now: cases, or a probe if the server may be gone.
    fn begin(&mut self, report: Report<'_>) {
        loop {
            if let Some(doubt) = &self.doubt {
                // A probe is played alone, so that a server that accepts one connection at a time can answer it.
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
                    (self.jobs, self.queue) = (1, std::mem::take(&mut self.again).into_iter().collect());
                } else if !self.ended.is_empty() {
                    self.be_in_doubt(false);
                } else {
                    return;
                }
                continue;
            }
            // Perhaps everything that fails also fails alone, and then our load is no reason to play so few at once.
            if self.slots.is_empty() && self.jobs == 1 && self.plan.jobs > 1 && self.alone.is_none() {
                let tried = self.trials.pick(&mut self.again);
                self.queue.put_first(tried);
            }
            if self.ended.len() >= UNSURE.max(2 * self.jobs) {
                self.be_in_doubt(false);
                continue;
            }
            let Some(job) = self.queue.next(self.room()) else { return };
            let weight = weight(job.case);
            let out_of_time = self.alone.is_some_and(|since| since.elapsed() > AGAIN);
            match job.before {
                Some(before) if out_of_time || self.trials.believe(&before) => report(*before, None),
                before => self.start(Job { before, ..job }, weight, report),
            }
        }
    }

    /// Returns what may begin beside the cases that are playing.
    fn room(&self) -> Room {
        // A case that waits takes a connection but none of the server's time.
        let busy: usize =
            self.slots.values().map(|slot| if is_idle(&slot.job) { 0 } else { slot.weight }).sum();
        Room {
            connections: self.jobs.saturating_sub(self.slots.len()),
            weight: if busy == 0 { usize::MAX } else { self.jobs.saturating_sub(busy) },
            sharp: self.slots.values().any(|slot| is_sharp(&slot.job) && !self.has_survived(slot)),
        }
    }

    /// Returns whether the server is known to have survived everything that a case has sent so far.
    fn has_survived(&self, slot: &Slot) -> bool {
        let playing = &slot.link.dialogue;
        let lived_on = |last| self.lived.is_some_and(|lived| lived > slot.begun + last);
        playing.has_taken_leave() || slot.lives && playing.last_word().is_some_and(lived_on)
    }

    fn start(&mut self, job: Job, weight: usize, report: Report<'_>) {
        let target = &self.plan.target;
        let mut playing = target.playing(job.case, self.plan.options);
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

    fn until_deadline(&self) -> Duration {
        let now = Instant::now();
        let due = self.slots.values().map(|slot| slot.link.due(CONNECT)).min();
        let next = due.or(self.doubt.as_ref().map(|doubt| doubt.next)).unwrap_or(now);
        // The wait is never so short that this is a busy loop, nor so long that an interrupt goes unnoticed.
        next.saturating_duration_since(now).clamp(Duration::from_millis(1), Duration::from_millis(200))
    }

    /// Removes a slot that is over.
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

    /// Ends the run because we were asked to.
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
