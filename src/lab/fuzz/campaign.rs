//! Many iterations, on several connections at once, until a count, a time or a finding ends them.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::play::{Finding, Kind, Oracles, Played, play};
use super::script::Script;
use super::{Side, Trace, generate, minimise};

/// What to do.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// All iterations follow from it.
    pub seed: u64,
    /// The number of the first iteration.
    pub first: u64,
    /// How many; as many as the time allows where it is `None`.
    pub count: Option<u64>,
    /// How long.
    pub time: Option<Duration>,
    /// End with so many different findings.
    pub findings: usize,
    /// Connections at once.
    pub jobs: usize,
    /// What is asked of the peer.
    pub oracles: Oracles,
    /// How it is called in traces.
    pub place: String,
    /// The process whose memory is watched, and by how many octets it may grow.
    pub watch: Option<(u32, u64)>,
    /// Scripts played to make one finding smaller.
    pub minimise: usize,
}

/// Where connections come from.
#[derive(Debug)]
pub enum Dial {
    /// We connect to a server.
    Connect(SocketAddr),
    /// Clients connect to us.
    Accept(TcpListener),
}

/// How far a campaign is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Iterations played.
    pub runs: u64,
    /// Since the start.
    pub elapsed: Duration,
    /// Different findings.
    pub findings: usize,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Summary {
    /// How far it came.
    pub progress: Progress,
    /// The findings, each made small.
    pub traces: Vec<Trace>,
    /// Findings of each kind, doubles included.
    pub seen: BTreeMap<String, u64>,
    /// The peer was never there.
    pub unreachable: Option<String>,
}

/// Iterations before memory is looked at first: a process grows while it warms up.
const WARM_UP: u64 = 1000;
/// How long a peer may be gone before it is gone.
const GONE: Duration = Duration::from_secs(2);
/// A new client may take its time.
const ACCEPT: Duration = Duration::from_secs(5);

impl Dial {
    /// A connection.
    ///
    /// # Errors
    ///
    /// Where nobody is there, or nobody comes.
    pub fn dial(&self, timeout: Duration) -> io::Result<TcpStream> {
        let stream = match self {
            Dial::Connect(address) => TcpStream::connect_timeout(address, timeout)?,
            Dial::Accept(listener) => {
                let deadline = Instant::now() + ACCEPT.max(timeout);
                listener.set_nonblocking(true)?;
                loop {
                    match listener.accept() {
                        Ok((stream, _)) => {
                            stream.set_nonblocking(false)?;
                            break stream;
                        }
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            if Instant::now() >= deadline {
                                return Err(io::ErrorKind::TimedOut.into());
                            }
                            thread::sleep(Duration::from_micros(200));
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
        };
        // Thousands of connections a second would use up the ports for as long as each rests.
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        Ok(stream)
    }
}

/// Plays one script.
///
/// # Errors
///
/// Where there is no connection.
pub fn once(dial: &Dial, script: &Script, oracles: &Oracles) -> io::Result<Played> {
    let mut last = None;
    let started = Instant::now();
    // A listener's queue may be full, and ports may be short, for a moment.
    while started.elapsed() < GONE.max(oracles.timeout) {
        match dial.dial(oracles.timeout).and_then(|stream| play(stream, script, oracles)) {
            Ok(played) => return Ok(played),
            Err(error) => last = Some(error),
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::TimedOut.into()))
}

/// Runs a campaign; `progress` is called a few times a second.
///
/// # Errors
///
/// Where the memory of the peer cannot be read.
pub fn run(campaign: &Campaign, dial: &Dial, progress: &mut dyn FnMut(Progress)) -> io::Result<Summary> {
    let started = Instant::now();
    let baseline = campaign.watch.map(|(pid, _)| resident(pid)).transpose()?;
    if let Dial::Connect(_) = dial
        && let Err(error) = dial.dial(campaign.oracles.timeout)
    {
        return Ok(Summary { unreachable: Some(error.to_string()), ..Summary::default() });
    }
    let shared = Shared {
        next: AtomicU64::new(campaign.first),
        runs: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        found: Mutex::new(Found::default()),
    };
    let jobs = if campaign.oracles.side == Side::Client { 1 } else { campaign.jobs.max(1) };
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| worker(campaign, dial, &shared));
        }
        let mut warm = None;
        loop {
            thread::sleep(Duration::from_millis(20));
            let runs = shared.runs.load(Ordering::Relaxed);
            if let (Some((pid, most)), Some(before)) = (campaign.watch, baseline)
                && let Ok(now) = resident(pid)
            {
                if warm.is_none() && runs >= WARM_UP {
                    warm = Some(now);
                }
                let from = warm.unwrap_or(before);
                if now > from + most {
                    shared.found(campaign, runs, memory(from, now, runs));
                    shared.stop.store(true, Ordering::Relaxed);
                }
            }
            let elapsed = started.elapsed();
            let findings = shared.lock().first.len();
            progress(Progress { runs, elapsed, findings });
            if campaign.time.is_some_and(|time| elapsed >= time) || findings >= campaign.findings {
                shared.stop.store(true, Ordering::Relaxed);
            }
            let over = campaign.count.is_some_and(|count| runs >= count);
            if over || shared.stop.load(Ordering::Relaxed) {
                shared.stop.store(true, Ordering::Relaxed);
                break;
            }
        }
    });
    let runs = shared.runs.load(Ordering::Relaxed);
    let elapsed = started.elapsed();
    let found = shared.found.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    let traces: Vec<Trace> =
        found.first.into_values().map(|(number, finding)| trace(campaign, dial, number, finding)).collect();
    let progress = Progress { runs, elapsed, findings: traces.len() };
    Ok(Summary { progress, traces, seen: found.seen, unreachable: found.unreachable })
}

#[derive(Default)]
struct Found {
    /// The first iteration of each finding.
    first: BTreeMap<(Kind, String), (u64, Finding)>,
    seen: BTreeMap<String, u64>,
    unreachable: Option<String>,
}

struct Shared {
    next: AtomicU64,
    runs: AtomicU64,
    stop: AtomicBool,
    found: Mutex<Found>,
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
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
}

fn worker(campaign: &Campaign, dial: &Dial, shared: &Shared) {
    let mut before = None;
    while !shared.stop.load(Ordering::Relaxed) {
        let number = shared.next.fetch_add(1, Ordering::Relaxed);
        if campaign.count.is_some_and(|count| number - campaign.first >= count) {
            return;
        }
        let script = generate::script(campaign.oracles.side, campaign.seed, number);
        match once(dial, &script, &campaign.oracles) {
            Ok(Played { finding: None, .. }) => {}
            Ok(Played { finding: Some(finding), .. }) => shared.found(campaign, number, finding),
            Err(error) if shared.runs.load(Ordering::Relaxed) == 0 => {
                shared.lock().unreachable = Some(error.to_string());
                shared.stop.store(true, Ordering::Relaxed);
            }
            Err(error) => {
                let finding = Finding {
                    kind: Kind::Gone,
                    rule: "a peer outlives what it is sent".to_owned(),
                    section: "RFC 6455 §7.1.7".to_owned(),
                    what: format!("{error}, after an iteration that ended well"),
                };
                // What it was sent last is the suspect.
                shared.found(campaign, before.unwrap_or(number), finding);
                shared.stop.store(true, Ordering::Relaxed);
            }
        }
        before = Some(number);
        shared.runs.fetch_add(1, Ordering::Relaxed);
    }
}

fn memory(from: u64, now: u64, runs: u64) -> Finding {
    Finding {
        kind: Kind::Memory,
        rule: "memory is bounded whatever is sent".to_owned(),
        section: "RFC 6455 §10.4".to_owned(),
        what: format!("{} KiB have become {} KiB after {runs} iterations", from / 1024, now / 1024),
    }
}

/// Plays an iteration again, makes it small, and writes all of it down.
fn trace(campaign: &Campaign, dial: &Dial, number: u64, finding: Finding) -> Trace {
    let oracles = &campaign.oracles;
    let script = generate::script(oracles.side, campaign.seed, number);
    let key = finding.key();
    let mut trace = Trace {
        side: oracles.side,
        place: campaign.place.clone(),
        seed: campaign.seed,
        number,
        finding,
        reproduced: false,
        was: (script.steps.len(), script.size()),
        timeout: u64::try_from(oracles.timeout.as_millis()).unwrap_or(u64::MAX),
        echo: oracles.echo,
        script,
        received: Vec::new(),
    };
    let mut watched =
        campaign.watch.filter(|_| key.0 == Kind::Memory).map(|(pid, most)| Growth { pid, most });
    let mut fails = |script: &Script| match &mut watched {
        Some(growth) => growth.comes_from(dial, script, oracles),
        None => once(dial, script, oracles)
            .ok()
            .and_then(|played| played.finding)
            .is_some_and(|this| this.key() == key),
    };
    if key.0 == Kind::Gone {
        return trace;
    }
    if key.0 == Kind::Memory {
        // Nobody saw which iteration it was: one of the last ones, played many times, is asked.
        let suspect = (number.saturating_sub(40)..=number)
            .map(|number| (number, generate::script(oracles.side, campaign.seed, number)))
            .find(|(_, script)| fails(script));
        let Some((number, script)) = suspect else { return trace };
        trace.was = (script.steps.len(), script.size());
        (trace.number, trace.script, trace.reproduced) = (number, script, true);
    } else {
        trace.reproduced = (0..3).any(|_| fails(&trace.script));
    }
    if trace.reproduced {
        let plays = if key.0 == Kind::Memory { campaign.minimise / 5 } else { campaign.minimise };
        trace.script = minimise(&trace.script, plays, &mut fails);
        if let Ok(played) = once(dial, &trace.script, oracles) {
            trace.received = played.received;
            if let Some(finding) = played.finding.filter(|finding| finding.key() == key) {
                trace.finding = finding;
            }
        }
    }
    trace
}

/// Whether memory grows with a script.
struct Growth {
    pid: u32,
    most: u64,
}

impl Growth {
    fn comes_from(&mut self, dial: &Dial, script: &Script, oracles: &Oracles) -> bool {
        const TIMES: u64 = 20;
        let Ok(before) = resident(self.pid) else { return false };
        for _ in 0..TIMES {
            let _ = once(dial, script, oracles);
        }
        // A leak of an iteration shows with each of them; what merely warms up does not.
        resident(self.pid).is_ok_and(|now| now > before + (self.most / 50).max(TIMES * 4096))
    }
}

/// Octets of memory that a process holds.
///
/// # Errors
///
/// Where the system does not say.
pub fn resident(pid: u32) -> io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.map(|kib| kib * 1024)
        .ok_or_else(|| io::Error::other(format!("process {pid} holds no memory: it has ended")))
}
