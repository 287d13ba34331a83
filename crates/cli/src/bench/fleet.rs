//! All connections of a run, and the loop that serves them.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bowsprit::connection::{Config, Delivery};
use bowsprit::entropy::{Entropy as _, SystemEntropy};
use bowsprit::handshake::ClientHandshake;
use bowsprit_lab::counted;
use mio::{Events, Interest, Poll, Token};

use super::fault::Fault;
use super::link::{Link, Stream};
use super::plan::{Length, Plan};
use super::process::{Cost, Meter};
use super::progress::Progress;
use super::tally::Tally;
use super::traffic::Rings;
use super::trunk::Carried;
use super::trunks::Trunks;
use crate::signals::Signals;

/// A scenario: which connection sends when, and what an answer means.
pub(super) trait Scene {
    /// Returns the least number of messages of a connection that are written together.
    fn least(&self) -> usize {
        1
    }

    /// Called when a connection is open.
    fn opened(&mut self, link: &mut Link, now: u64) {
        let _ = (link, now);
    }

    /// Called when messages have come. Messages that the link is told to send are written at once.
    fn answered(&mut self, link: &mut Link, messages: u32, now: u64, tally: &mut Tally) -> Result<(), Fault>;

    /// Called when a connection is over, because of a fault or as intended.
    fn over(&mut self, number: usize, link: &Link, faulty: bool, tally: &mut Tally) {
        let _ = (number, link, faulty, tally);
    }

    /// Does what is due. Returns when something is due next.
    fn tick(&mut self, fleet: &mut Fleet<'_>, now: u64) -> u64 {
        let _ = (fleet, now);
        u64::MAX
    }

    /// Ends the run: nothing more will be sent.
    fn stop(&mut self);

    /// Returns what is left of a number of messages; called only if the plan has one.
    fn left(&self) -> Left;
}

/// What remains of a number of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing: all have been sent, and answered or lost.
    Nothing,
    /// Answers are still due.
    Answers,
    /// It is not time to send the next message yet.
    Sending,
}

/// The connections of a run.
pub(super) struct Fleet<'p> {
    pub(super) plan: &'p Plan,
    pub(super) links: Vec<Option<Link>>,
    pub(super) tally: Tally,
    /// How many connections are open.
    pub(super) open: usize,
    /// Links in the order in which they were dialled, with the times, until they are open or over.
    opening: VecDeque<(usize, u64)>,
    /// Links that ended, of which the scene does not know yet.
    ended: Vec<(usize, Link, bool)>,
    /// Links that have more to read than one turn takes.
    behind: Vec<usize>,
    pub(super) rings: Rings<'p>,
    trunks: Trunks,
    /// Whether somebody has pressed Ctrl-C.
    interrupted: bool,
    poll: Poll,
    events: Events,
    signals: Signals,
    scratch: Vec<u8>,
    config: Arc<Config>,
    nonces: SystemEntropy,
    progress: Progress,
    start: Instant,
}

/// Why a run has no result.
pub(super) enum Stopped {
    /// Not one connection opened.
    NotConnected(String),
    /// This machine failed.
    Broken(io::Error),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Stopped::Broken(error)
    }
}

/// What a run has measured, apart from the tally.
pub(super) struct Stretch {
    pub(super) elapsed: Duration,
    pub(super) operations: u64,
    pub(super) cost: Cost,
}

const SIGNALS: Token = Token(usize::MAX - 1);

const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// How many connections may be opening at a time: more would overflow the backlog of many servers, and TCP retries only
/// after a second.
const OPENING: usize = 128;

/// How many descriptors are not for connections.
const SPARE_DESCRIPTORS: u64 = 64;

/// Messages of this length and above are checked as they come instead of being put together.
const IN_PIECES: usize = 64 << 10;

/// How long to wait for answers after the run while none comes.
const PATIENCE: u64 = 2_000_000_000;

/// How long a run of a number of messages waits for the next answer.
const STALLED: u64 = 10_000_000_000;

/// The longest wait: this is how coarse deadlines are.
const LOOK: u64 = 100_000_000;

impl<'p> Fleet<'p> {
    pub(super) fn new(plan: &'p Plan) -> Result<Self, Stopped> {
        let wanted = plan.connections as u64 + SPARE_DESCRIPTORS;
        let allowed = rlimit::increase_nofile_limit(wanted)?;
        if allowed < wanted {
            let why = format!(
                "{wanted} descriptors are needed for {}, and this process gets {allowed}; see ulimit -n",
                counted(plan.connections, "connection")
            );
            return Err(Stopped::Broken(io::Error::other(why)));
        }
        let poll = Poll::new()?;
        let signals = Signals::new(poll.registry(), SIGNALS)?;
        let size = plan.traffic.payloads.size;
        let mut config = Config::default();
        // Messages that are put together may have the default length at most, whatever a server announces.
        if size >= IN_PIECES {
            config.max_message = usize::MAX;
            config.max_frame = u64::MAX;
            config.delivery = Delivery::Frames;
        }
        Ok(Self {
            plan,
            links: Vec::with_capacity(plan.connections),
            tally: Tally::new(),
            open: 0,
            opening: VecDeque::new(),
            ended: Vec::new(),
            behind: Vec::new(),
            rings: Rings::new(&plan.traffic),
            trunks: Trunks::default(),
            interrupted: false,
            poll,
            events: Events::with_capacity(1024),
            signals,
            scratch: vec![0; 256 << 10],
            config: Arc::new(config),
            nonces: SystemEntropy::new(),
            progress: Progress::new(),
            start: Instant::now(),
        })
    }

    /// Returns the nanoseconds since the run began.
    #[inline]
    pub(super) fn now(&self) -> u64 {
        nanoseconds(self.start.elapsed())
    }

    /// Opens all connections, then runs `scene` for the warm-up and the duration, then waits for missing answers and
    /// closes.
    pub(super) fn measure(&mut self, scene: &mut impl Scene) -> Result<Stretch, Stopped> {
        self.open_all(scene)?;
        let warm = self.now().saturating_add(nanoseconds(self.plan.warmup));
        self.run(scene, warm, "warm-up")?;
        self.tally.restart();
        let stretch = self.stretch(scene)?;
        self.finish(scene)?;
        Ok(stretch)
    }

    /// Runs `scene` for the duration.
    pub(super) fn stretch(&mut self, scene: &mut impl Scene) -> Result<Stretch, Stopped> {
        let meter = Meter::start(self.plan.server_pid);
        let began = self.now();
        match self.plan.length {
            Length::Time(duration) => {
                self.run(scene, began.saturating_add(nanoseconds(duration)), "measuring")?;
            }
            Length::Count(_) => self.run_out(scene)?,
        }
        let elapsed = Duration::from_nanos(self.now() - began);
        Ok(Stretch { elapsed, operations: self.tally.operations, cost: meter.stop() })
    }

    /// Opens all connections of the plan.
    pub(super) fn open_all(&mut self, scene: &mut impl Scene) -> Result<(), Stopped> {
        let total = self.plan.connections;
        let step = nanoseconds(self.plan.ramp_up) / total as u64;
        while (self.links.len() < total || !self.opening.is_empty()) && !self.interrupted {
            let now = self.now();
            while self.links.len() < total && self.may_dial() && self.links.len() as u64 * step <= now {
                self.dial(self.links.len());
            }
            let next = self.links.len() as u64 * step;
            let due = if self.links.len() < total && next > now { next } else { u64::MAX };
            self.turn(scene, due)?;
            self.progress.show(self.now(), "opening", self.open, &self.tally);
        }
        self.has_opened_one()
    }

    /// Returns an error if every connection has failed.
    pub(super) fn has_opened_one(&self) -> Result<(), Stopped> {
        match self.tally.errors.iter().next() {
            Some((kind, error)) if self.tally.opening.is_empty() => {
                Err(Stopped::NotConnected(format!("{kind}: {}", error.first)))
            }
            _ => Ok(()),
        }
    }

    /// Returns whether few enough connections are opening.
    pub(super) fn may_dial(&self) -> bool {
        self.opening.len() < OPENING
    }

    /// Runs `scene` until `end`, or until no connection is left.
    pub(super) fn run(&mut self, scene: &mut impl Scene, end: u64, phase: &str) -> Result<(), Stopped> {
        loop {
            let now = self.now();
            if now >= end || self.interrupted {
                return Ok(());
            }
            let due = scene.tick(self, now);
            if self.links.iter().all(Option::is_none) {
                return Ok(());
            }
            self.turn(scene, due.min(end))?;
            self.progress.show(now, phase, self.open, &self.tally);
        }
    }

    /// Runs `scene` until it has sent its number of messages, no connection is left, or no answer has come for a long
    /// time.
    fn run_out(&mut self, scene: &mut impl Scene) -> Result<(), Stopped> {
        let (mut operations, mut late) = (self.tally.operations, self.now() + STALLED);
        loop {
            let now = self.now();
            let due = scene.tick(self, now);
            let left = scene.left();
            if left == Left::Nothing || self.interrupted || self.links.iter().all(Option::is_none) {
                return Ok(());
            }
            if left == Left::Sending || self.tally.operations > operations {
                (operations, late) = (self.tally.operations, now + STALLED);
            }
            if now >= late {
                return Ok(()); // what has no answer is told by `finish`
            }
            self.turn(scene, due.min(late))?;
            self.progress.show(now, "measuring", self.open, &self.tally);
        }
    }

    /// Waits for the answers that are still due, then closes all connections.
    pub(super) fn finish(&mut self, scene: &mut impl Scene) -> Result<(), Stopped> {
        scene.stop();
        for number in 0..self.links.len() {
            self.write(number); // what has waited for company
        }
        let mut patience = self.now() + PATIENCE;
        let waits = |link: &Option<Link>| link.as_ref().is_some_and(|link| !link.waiting.is_empty());
        while self.links.iter().any(waits) && self.now() < patience {
            let before = self.tally.operations;
            self.turn(scene, patience)?;
            if self.tally.operations > before {
                patience = self.now() + PATIENCE;
            }
        }
        let now = self.now();
        for link in self.links.iter_mut().flatten() {
            if !link.waiting.is_empty() {
                // They took at least this long; without them the slowest would not count.
                link.waiting.iter().for_each(|due| self.tally.latency.add(now - due));
                self.tally.error(&Fault::Unanswered(link.waiting.len()));
            }
            link.close();
        }
        let patience = self.now() + PATIENCE;
        for number in 0..self.links.len() {
            self.write(number);
        }
        while self.links.iter().any(Option::is_some) && self.now() < patience {
            self.turn(scene, patience)?;
        }
        self.progress.clear();
        Ok(())
    }

    /// Dials connection `number`. Returns whether that succeeded.
    pub(super) fn dial(&mut self, number: usize) -> bool {
        let now = self.now();
        let nonce = self.nonces.nonce().map_err(io::Error::other);
        let link = nonce.and_then(|nonce| {
            let handshake = ClientHandshake::new(self.plan.target.request.clone(), nonce);
            let target = &self.plan.target;
            let stream = match self.plan.streams {
                Some(streams) => {
                    let trunk = self.trunks.seat(number, streams, target, self.poll.registry())?;
                    Stream::Carried(Box::new(Carried::new(trunk, number)))
                }
                None => Stream::Own(target.dial()?),
            };
            let mut link = Link::new(stream, handshake, now);
            match link.stream.tcp() {
                Some(tcp) => self.poll.registry().register(tcp, Token(number), BOTH)?,
                None => self.behind.push(number), // no event tells that it may write its request
            }
            Ok(link)
        });
        if self.links.len() <= number {
            self.links.resize_with(number + 1, || None);
        }
        match link {
            Ok(link) => {
                self.links[number] = Some(link);
                self.opening.push_back((number, now));
                true
            }
            Err(error) => {
                self.tally.error(&Fault::Io(error));
                false
            }
        }
    }

    /// Writes what connection `number` has to send.
    pub(super) fn write(&mut self, number: usize) {
        if let Some(link) = &mut self.links[number]
            && let Err(fault) = link.write(&self.rings, 1)
        {
            self.end(number, &fault);
        }
        self.weigh(number);
    }

    /// Waits once, at most until `due`, and handles the events.
    pub(super) fn turn(&mut self, scene: &mut impl Scene, due: u64) -> Result<(), Stopped> {
        // The system counts in milliseconds and wakes up late, so for anything due sooner it polls without sleeping.
        let wait = due.saturating_sub(self.now()).min(LOOK) / 1_000_000;
        let mut behind = std::mem::take(&mut self.behind);
        let trunks_behind = self.trunks.flush(&mut behind);
        let wait = if behind.is_empty() && trunks_behind.is_empty() { wait } else { 0 };
        match self.poll.poll(&mut self.events, Some(Duration::from_millis(wait))) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.events.clear(),
            Err(error) => return Err(error.into()),
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            if event.token() == SIGNALS {
                self.signals.take();
                self.interrupted = true;
            } else if let Some(trunk) = Trunks::number(event.token()) {
                self.trunks.pump(trunk, &mut self.scratch, &mut behind);
            } else {
                let ended = event.is_read_closed() || event.is_error();
                self.serve(event.token().0, event.is_readable() || ended, ended, scene);
            }
        }
        self.events = events;
        for trunk in trunks_behind {
            self.trunks.pump(trunk, &mut self.scratch, &mut behind);
        }
        // Several frames may have come for one link.
        behind.sort_unstable();
        behind.dedup();
        for number in behind {
            self.serve(number, true, false, scene);
        }
        self.give_up_late();
        for (number, link, faulty) in std::mem::take(&mut self.ended) {
            scene.over(number, &link, faulty, &mut self.tally);
        }
        Ok(())
    }

    /// Reads, lets the scene answer, and writes; ends a connection on which that fails.
    #[inline]
    fn serve(&mut self, number: usize, readable: bool, ended: bool, scene: &mut impl Scene) {
        if let Err(fault) = self.try_serve(number, readable, ended, scene) {
            self.end(number, &fault);
        }
    }

    #[inline]
    fn try_serve(
        &mut self,
        number: usize,
        readable: bool,
        ended: bool,
        scene: &mut impl Scene,
    ) -> Result<(), Fault> {
        // An event may remain of a connection that this turn has ended.
        let Some(Some(link)) = self.links.get_mut(number) else { return Ok(()) };
        if !link.is_open() && !link.connected()? {
            return Ok(());
        }
        if readable {
            let got = link.read(&mut self.scratch, ended, &self.config, &mut self.rings)?;
            let now = nanoseconds(self.start.elapsed());
            if got.opened {
                self.open += 1;
                self.tally.opening.add(now - link.dialed);
                scene.opened(link, now);
            }
            if got.messages > 0 {
                scene.answered(link, got.messages, now, &mut self.tally)?;
            }
            if got.more {
                self.behind.push(number);
            }
        }
        link.write(&self.rings, scene.least())?;
        self.weigh(number);
        Ok(())
    }

    /// Counts what a connection has sent and received.
    #[inline]
    fn weigh(&mut self, number: usize) {
        if let Some(Some(link)) = self.links.get_mut(number) {
            self.tally.sent += std::mem::take(&mut link.sent);
            self.tally.got += std::mem::take(&mut link.got);
        }
    }

    fn end(&mut self, number: usize, fault: &Fault) {
        let Some(mut link) = self.links[number].take() else { return };
        self.open -= usize::from(link.is_open());
        let faulty = !link.may_end_by(fault);
        if faulty {
            self.tally.error(fault);
        }
        // Dropping the socket closes it in any case.
        if let Some(tcp) = link.stream.tcp() {
            let _ = self.poll.registry().deregister(tcp);
        }
        self.ended.push((number, link, faulty));
    }

    /// Gives up connections that take too long to open.
    fn give_up_late(&mut self) {
        let timeout = nanoseconds(self.plan.connect_timeout);
        while let Some(&(number, dialed)) = self.opening.front() {
            let link = self.links[number].as_ref();
            let waits = link.is_some_and(|link| link.dialed == dialed && !link.is_open());
            if waits && self.now() - dialed < timeout {
                return;
            }
            self.opening.pop_front();
            if waits {
                self.end(number, &Fault::OpenTimeout);
            }
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
