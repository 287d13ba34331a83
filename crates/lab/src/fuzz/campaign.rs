//! Plays many iterations, on several connections at once, until a count, a time or a finding ends them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use crate::place::Place;
use crate::socket::words;

use super::finding::{Finding, Kind};
use super::neighbour;
use super::oracles::Oracles;
use super::peer::{Dial, Peer};
use super::play::Played;
pub use super::process::resident;
use super::reproduce::Reproducer;
use super::{Side, Trace, generate, minimise};

/// What a campaign does.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// The seed that determines all iterations.
    pub seed: u64,
    /// The number of the first iteration.
    pub first: u64,
    /// How many iterations to play; `None` means as many as the time allows.
    pub count: Option<u64>,
    /// How long to play.
    pub time: Option<Duration>,
    /// How many different findings end the campaign.
    pub findings: usize,
    /// How many connections to play at once.
    pub jobs: usize,
    /// What the peer is checked against.
    pub oracles: Oracles,
    /// The name of the peer in traces.
    pub place: Place,
    /// The process whose memory is watched.
    pub watch: Option<Watch>,
    /// How many scripts may be played to make one finding smaller.
    pub minimise: usize,
    /// Ends the campaign and the minimising of findings when it is set.
    pub interrupt: Arc<AtomicBool>,
}

/// A bound on memory.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// The process; `None` means the one that [`Peer::process`] runs.
    pub pid: Option<u32>,
    /// How many bytes the process may grow by once it is warm.
    pub most: u64,
}

impl Watch {
    fn pid(&self, peer: &Peer) -> Option<u32> {
        self.pid.or_else(|| peer.process.as_ref()?.id())
    }
}

/// The progress of a campaign.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// How many iterations were played.
    pub runs: u64,
    /// The time since the start.
    pub elapsed: Duration,
    /// How many different findings there are.
    pub findings: usize,
}

/// The result of a campaign.
#[derive(Debug, Default)]
pub struct Summary {
    /// How far the campaign came.
    pub progress: Progress,
    /// The findings, each minimised.
    pub traces: Vec<Trace>,
    /// How many findings of each kind there were, duplicates included.
    pub seen: BTreeMap<String, u64>,
    /// Why the peer could not be reached, if it was never there.
    pub unreachable: Option<String>,
}

/// How many iterations are played before memory is measured: a process grows while it warms up.
const WARM_UP: u64 = 1000;

/// Runs a campaign; `progress` is called a few times a second.
///
/// # Errors
///
/// Fails if the memory of the peer cannot be read, or if a quiet neighbour waits too long before anything is sent.
pub fn run(campaign: &Campaign, peer: &Peer, progress: &mut dyn FnMut(Progress)) -> io::Result<Summary> {
    let started = Instant::now();
    if let Err(error) = peer.ready() {
        return Ok(Summary {
            unreachable: Some(peer.crashed().unwrap_or_else(|| error.to_string())),
            ..Summary::default()
        });
    }
    let mut memory = match campaign.watch {
        Some(watch) => Some(Memory::start(watch, peer)?),
        None => None,
    };
    if let Some(within) = campaign.oracles.neighbour {
        neighbour::calm(peer, &campaign.oracles, within)?;
    }
    let jobs = if campaign.oracles.side == Side::Client { 1 } else { campaign.jobs.max(1) };
    let shared = Shared {
        next: AtomicU64::new(campaign.first),
        runs: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        found: Mutex::new(Found::default()),
        playing: Mutex::new(vec![[None; 2]; jobs]),
        life: AtomicU64::new(0),
        revival: Mutex::new(()),
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs)
            .map(|job| {
                let shared = &shared;
                scope.spawn(move || worker(campaign, peer, shared, job))
            })
            .collect();
        if let Some(within) = campaign.oracles.neighbour {
            let shared = &shared;
            scope.spawn(move || {
                let late = |mut suspects: Vec<u64>, finding| {
                    let now = shared.suspects(None).into_iter().filter(|number| !suspects.contains(number));
                    suspects.extend(now.collect::<Vec<_>>());
                    shared.found_among(campaign, suspects, finding);
                };
                let before = || shared.suspects(None);
                neighbour::watch(peer, &campaign.oracles, within, &shared.stop, before, late);
            });
        }
        while !workers.iter().all(thread::ScopedJoinHandle::is_finished) {
            thread::sleep(Duration::from_millis(20));
            let runs = shared.runs.load(Ordering::Relaxed);
            if let Some(finding) = memory.as_mut().and_then(|memory| memory.look(peer, runs)) {
                let last = shared.next.load(Ordering::Relaxed).saturating_sub(1).max(campaign.first);
                shared.found(campaign, last, finding);
                shared.stop.store(true, Ordering::Relaxed);
            }
            let elapsed = started.elapsed();
            let findings = shared.lock().first.len();
            progress(Progress { runs, elapsed, findings });
            let over = campaign.time.is_some_and(|time| elapsed >= time)
                || campaign.count.is_some_and(|count| runs >= count)
                || findings >= campaign.findings
                || campaign.is_interrupted();
            if over {
                shared.stop.store(true, Ordering::Relaxed);
            }
        }
        shared.stop.store(true, Ordering::Relaxed);
    });
    let runs = shared.runs.load(Ordering::Relaxed);
    let elapsed = started.elapsed();
    let Found { first, seen, suspects, unreachable } =
        shared.found.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    let has_gone = first.keys().any(|(kind, _)| *kind == Kind::Gone);
    let traces: Vec<Trace> = first
        .into_values()
        .map(|(number, finding)| trace(campaign, peer, number, finding, &suspects))
        // A connection that ended with its peer is not a separate finding.
        .filter(|(_, ends_it)| !(*ends_it && has_gone))
        .map(|(trace, _)| trace)
        .collect();
    let progress = Progress { runs, elapsed, findings: traces.len() };
    Ok(Summary { progress, traces, seen, unreachable })
}

impl Campaign {
    fn is_interrupted(&self) -> bool {
        self.interrupt.load(Ordering::Relaxed)
    }
}

/// The memory of the peer's process when it was warm.
struct Memory {
    watch: Watch,
    /// The id of the process, its memory, and the number of runs at that time.
    from: Option<(u32, u64, u64)>,
    is_warm: bool,
}

impl Memory {
    fn start(watch: Watch, peer: &Peer) -> io::Result<Self> {
        let from = match watch.pid(peer) {
            Some(pid) => {
                let held = resident(pid).map_err(|error| {
                    io::Error::other(format!("the memory of process {pid} cannot be read: {error}"))
                })?;
                Some((pid, held, 0))
            }
            None => None,
        };
        Ok(Self { watch, from, is_warm: false })
    }

    fn look(&mut self, peer: &Peer, runs: u64) -> Option<Finding> {
        let pid = self.watch.pid(peer)?;
        let now = resident(pid).ok()?;
        let (from, since) = match self.from {
            Some((this, from, since)) if this == pid => (from, since),
            // The process was started again.
            _ => {
                (self.from, self.is_warm) = (Some((pid, now, runs)), false);
                return None;
            }
        };
        if !self.is_warm && runs >= since + WARM_UP {
            (self.from, self.is_warm) = (Some((pid, now, since)), true);
            return None;
        }
        (now > from + self.watch.most).then(|| Finding::memory(from, now, runs))
    }
}

#[derive(Default)]
struct Found {
    /// The first iteration of each finding.
    first: BTreeMap<(Kind, String), (u64, Finding)>,
    seen: BTreeMap<String, u64>,
    /// The iterations under way, and those just before, when the peer went or kept a neighbour waiting: the newest of
    /// each job first.
    suspects: BTreeMap<Kind, Vec<u64>>,
    unreachable: Option<String>,
}

struct Shared {
    next: AtomicU64,
    runs: AtomicU64,
    stop: AtomicBool,
    found: Mutex<Found>,
    /// For each job, the iteration that it is playing and the one before.
    playing: Mutex<Vec<[Option<u64>; 2]>>,
    /// How often the peer has come back.
    life: AtomicU64,
    /// Held by the job that brings the peer back.
    revival: Mutex<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Found> {
        lock(&self.found)
    }

    fn found(&self, campaign: &Campaign, number: u64, finding: Finding) {
        let mut found = self.lock();
        *found.seen.entry(format!("{:?} {}", finding.kind, finding.section)).or_default() += 1;
        let first = found.first.entry(finding.key()).or_insert_with(|| (number, finding.clone()));
        if number < first.0 {
            *first = (number, finding);
        }
        if found.first.len() >= campaign.findings {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn plays(&self, job: usize, number: u64) {
        let mut playing = lock(&self.playing);
        if playing[job][0] != Some(number) {
            playing[job] = [Some(number), playing[job][0]];
        }
    }

    fn gone(&self, campaign: &Campaign, job: usize, why: &str) {
        self.found_among(campaign, self.suspects(Some(job)), Finding::gone(why));
    }

    /// Returns the iterations under way and those just before; first those of the job that noticed.
    fn suspects(&self, noticed: Option<usize>) -> Vec<u64> {
        let playing = lock(&self.playing).clone();
        let mut suspects: Vec<u64> =
            noticed.map_or_else(Vec::new, |job| playing[job].iter().flatten().copied().collect());
        for last in [0, 1] {
            suspects.extend(playing.iter().filter_map(|job| job[last]));
        }
        let mut seen = BTreeSet::new();
        suspects.retain(|number| seen.insert(*number));
        suspects
    }

    /// Records a finding that cannot be assigned to one iteration.
    fn found_among(&self, campaign: &Campaign, suspects: Vec<u64>, finding: Finding) {
        let number = suspects.first().copied().unwrap_or(campaign.first);
        let mut found = self.lock();
        if !found.first.contains_key(&finding.key()) {
            found.suspects.insert(finding.kind, suspects);
        }
        drop(found);
        self.found(campaign, number, finding);
    }
}

fn worker(campaign: &Campaign, peer: &Peer, shared: &Shared, job: usize) {
    let mut again = None;
    while !shared.stop.load(Ordering::Relaxed) {
        let number = again.take().unwrap_or_else(|| shared.next.fetch_add(1, Ordering::Relaxed));
        if campaign.count.is_some_and(|count| number - campaign.first >= count) {
            return;
        }
        let script = generate::script(campaign.oracles.side, campaign.seed, number);
        let life = shared.life.load(Ordering::SeqCst);
        shared.plays(job, number);
        let gone = match peer.play(&script, &campaign.oracles) {
            Ok(Played { finding: None, .. }) => peer.crashed(),
            Ok(Played { finding: Some(finding), .. }) => {
                // A connection may have ended because of what was sent on another one.
                let gone = peer.gone_by(&finding, &campaign.oracles);
                drop(lock(&shared.revival)); // it may be on its way back just now
                if shared.life.load(Ordering::SeqCst) != life {
                    again = Some(number);
                    continue;
                }
                if gone.is_none() {
                    shared.found(campaign, number, finding);
                }
                gone
            }
            Err(error) if shared.runs.load(Ordering::Relaxed) == 0 && peer.crashed().is_none() => {
                shared.lock().unreachable = Some(words(&error));
                shared.stop.store(true, Ordering::Relaxed);
                None
            }
            Err(error) => Some(peer.crashed().unwrap_or_else(|| error.to_string())),
        };
        if let Some(why) = gone {
            let _one = lock(&shared.revival);
            if shared.life.load(Ordering::SeqCst) != life {
                again = Some(number); // it is back already
                continue;
            }
            shared.gone(campaign, job, &why);
            if !shared.stop.load(Ordering::Relaxed) && peer.revive(&campaign.oracles).is_err() {
                shared.stop.store(true, Ordering::Relaxed);
            }
            shared.life.fetch_add(1, Ordering::SeqCst);
        }
        shared.runs.fetch_add(1, Ordering::Relaxed);
    }
}

/// Plays an iteration again, minimises it, and writes the trace. Also returns whether the peer has gone instead of
/// showing the expected finding.
fn trace(
    campaign: &Campaign,
    peer: &Peer,
    number: u64,
    finding: Finding,
    suspects: &BTreeMap<Kind, Vec<u64>>,
) -> (Trace, bool) {
    let oracles = &campaign.oracles;
    let script = |number| generate::script(oracles.side, campaign.seed, number);
    let watch = campaign.watch.and_then(|watch| Some((watch.pid(peer)?, watch.most)));
    let mut reproducer = Reproducer::new(peer, oracles, &finding, watch);
    let mut trace = Trace {
        side: oracles.side,
        place: campaign.place.clone(),
        seed: campaign.seed,
        number,
        reproduced: false,
        unasked: None,
        was: (0, 0),
        timeout: u64::try_from(oracles.timeout.as_millis()).unwrap_or(u64::MAX),
        echo: oracles.echo,
        neighbour: oracles.neighbour.map(|within| u64::try_from(within.as_millis()).unwrap_or(u64::MAX)),
        script: script(number),
        received: Vec::new(),
        finding,
    };
    if trace.finding.kind == Kind::Gone && peer.process.is_none() && matches!(peer.dial, Dial::Accept(_)) {
        trace.unasked = Some("nobody here can start the client again: --start does".to_owned());
    }
    // The iteration that made memory grow, the peer go or a neighbour wait is not known.
    let candidates: Vec<u64> = match trace.finding.kind {
        Kind::Memory => (number.saturating_sub(40)..=number).collect(),
        kind => suspects.get(&kind).cloned().unwrap_or_else(|| vec![number; 3]),
    };
    let mut ends_it = false;
    for number in candidates {
        if trace.unasked.is_some() || trace.reproduced || ends_it {
            break;
        }
        match reproducer.any(&script(number)) {
            Ok(Some(found)) if found.kind == Kind::Gone && trace.finding.kind != Kind::Gone => ends_it = true,
            Ok(Some(found)) if found.key() == trace.finding.key() => {
                (trace.number, trace.script, trace.reproduced) = (number, script(number), true)
            }
            Ok(_) => {}
            Err(error) => trace.unasked = Some(format!("the peer is not there any more: {error}")),
        }
    }
    trace.was = (trace.script.steps.len(), trace.script.size());
    if trace.reproduced {
        let plays =
            if trace.finding.kind == Kind::Memory { campaign.minimise / 5 } else { campaign.minimise };
        trace.script = minimise(&trace.script, plays, &mut |script| {
            !campaign.is_interrupted() && reproducer.find(script).is_ok_and(|found| found.is_some())
        });
        if let Ok(Some(finding)) = reproducer.find(&trace.script) {
            trace.finding = finding;
        }
        trace.received = reproducer.received;
    }
    (trace, ends_it)
}
