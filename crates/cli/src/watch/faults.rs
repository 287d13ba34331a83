//! A bad network on demand, determined by a seed: bytes are slow, cut, lost or changed on the way.
//!
//! [`Shaper`] holds one direction of one connection: bytes and times in, bytes out when their time has come. It owns no
//! clock and no socket.

use std::collections::VecDeque;
use std::time::Duration;

use bowsprit_lab::random::Random;

use super::super::values::{Size, Time};
use super::alter::Alter;

/// How many bytes may be on the way in one direction.
const MOST: usize = 4 << 20;

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Faults")]
pub(super) struct FaultArgs {
    /// Hold all bytes for this long, in each direction.
    #[arg(long, value_name = "TIME")]
    delay: Option<Time>,
    /// Hold them for up to this long beyond it, each read for another time; order is kept.
    #[arg(long, value_name = "TIME")]
    jitter: Option<Time>,
    /// The most bytes a second, in each direction.
    #[arg(long, value_name = "SIZE", value_parser = some_bytes)]
    rate: Option<Size>,
    /// Pass on this many bytes with each write, so that segments begin and end elsewhere.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    split: Option<u32>,
    /// End the connection in order once a direction has passed this many bytes.
    #[arg(long, value_name = "SIZE", conflicts_with_all = ["reset", "stall"])]
    cut_after: Option<Size>,
    /// Reset the connection once a direction has passed this many bytes.
    #[arg(long, value_name = "SIZE", conflicts_with = "stall")]
    reset: Option<Size>,
    /// Pass on nothing more in a direction that has passed this many bytes, and leave the connection as it is.
    #[arg(long, value_name = "SIZE")]
    stall: Option<Size>,
    /// Lose all Pongs.
    #[arg(long)]
    drop_pongs: bool,
    /// Give each Close that has a code this one.
    #[arg(long, value_name = "CODE", value_parser = clap::value_parser!(u16))]
    rewrite_close: Option<u16>,
    /// The seed of what is left to chance: the same seed does the same to the same connection.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many of a hundred connections this happens to.
    #[arg(long, value_name = "PERCENT", default_value_t = 100, value_parser = clap::value_parser!(u8).range(0..=100))]
    share: u8,
}

/// Bytes a second, of which there is at least one.
fn some_bytes(text: &str) -> Result<Size, &'static str> {
    match text.parse()? {
        Size(0) => Err("use at least one byte a second, such as 64K; --stall 0 lets nothing pass"),
        size => Ok(size),
    }
}

/// What happens to a connection once a direction has passed its number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Cut,
    Reset,
    Stall,
}

impl Fate {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut here",
            Self::Reset => "reset here",
            Self::Stall => "stalled here",
        }
    }
}

impl FaultArgs {
    fn fate(&self) -> Option<(u64, Fate)> {
        [(self.cut_after, Fate::Cut), (self.reset, Fate::Reset), (self.stall, Fate::Stall)]
            .into_iter()
            .find_map(|(after, fate)| after.map(|after| (after.0 as u64, fate)))
    }

    /// Returns the faults for both directions of the connection with this number, the client's first; `None` if there
    /// are none.
    pub(super) fn of(&self, number: u64) -> Option<[Shaper; 2]> {
        let is_asked_for = self.delay.is_some()
            || self.jitter.is_some()
            || self.rate.is_some()
            || self.split.is_some()
            || self.drop_pongs
            || self.rewrite_close.is_some()
            || self.fate().is_some();
        let mut random = Random::for_case(self.seed, &number.to_string());
        let is_chosen = random.below(100) < usize::from(self.share);
        (is_asked_for && is_chosen).then(|| [(); 2].map(|()| Shaper::new(self, random.next())))
    }
}

/// The faults of one direction.
#[derive(Debug)]
pub(super) struct Shaper {
    delay: Duration,
    jitter: Duration,
    /// The rate in bytes a second.
    rate: Option<u64>,
    split: usize,
    fate: Option<(u64, Fate)>,
    alter: Alter,
    random: Random,
    /// The bytes on the way, and when they arrive.
    queue: VecDeque<(Duration, Vec<u8>)>,
    /// How many bytes of the first entry are passed on.
    at: usize,
    held: usize,
    passed: u64,
    /// When the rate allows more to be passed on.
    free: Duration,
}

impl Shaper {
    fn new(args: &FaultArgs, seed: u64) -> Self {
        let time = |time: Option<Time>| time.map_or(Duration::ZERO, |time| time.0);
        Self {
            delay: time(args.delay),
            jitter: time(args.jitter),
            rate: args.rate.map(|rate| (rate.0 as u64).max(1)),
            split: args.split.map_or(usize::MAX, |split| split as usize),
            fate: args.fate(),
            alter: Alter::new(args.drop_pongs, args.rewrite_close),
            random: Random::new(seed),
            queue: VecDeque::new(),
            at: 0,
            held: 0,
            passed: 0,
            free: Duration::ZERO,
        }
    }

    /// Takes bytes that were sent now.
    pub(super) fn push(&mut self, now: Duration, bytes: &[u8]) {
        let bytes = self.alter.pass(bytes);
        if bytes.is_empty() {
            return;
        }
        let jitter = u64::try_from(self.jitter.as_nanos()).unwrap_or(u64::MAX);
        let extra = Duration::from_nanos(self.random.next() % jitter.max(1));
        let arrives = now.saturating_add(self.delay).saturating_add(extra);
        // Bytes that were sent later do not arrive earlier.
        let arrives = self.queue.back().map_or(arrives, |(last, _)| arrives.max(*last));
        self.held += bytes.len();
        self.queue.push_back((arrives, bytes));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Returns whether it takes more bytes.
    pub(super) fn has_room(&self) -> bool {
        self.held < MOST && self.fate().is_none()
    }

    /// Returns what happens to the connection now.
    pub(super) fn fate(&self) -> Option<Fate> {
        self.fate.filter(|(after, _)| self.passed >= *after).map(|(_, fate)| fate)
    }

    /// Returns the bytes of the next write, if there is one now.
    pub(super) fn ready(&self, now: Duration) -> Option<&[u8]> {
        let (arrives, bytes) = self.queue.front()?;
        if self.fate().is_some() || *arrives > now || self.free > now {
            return None;
        }
        let rest = &bytes[self.at..];
        // At most a hundredth of a second's bytes at once.
        let by_rate =
            self.rate.map_or(usize::MAX, |rate| usize::try_from(rate / 100).unwrap_or(usize::MAX).max(1));
        let by_fate = self.fate.map_or(u64::MAX, |(after, _)| after - self.passed);
        let most = self.split.min(by_rate).min(usize::try_from(by_fate).unwrap_or(usize::MAX));
        Some(&rest[..rest.len().min(most)])
    }

    /// Records that this many of them were written.
    pub(super) fn wrote(&mut self, now: Duration, bytes: usize) {
        self.at += bytes;
        self.held -= bytes;
        self.passed += bytes as u64;
        if let Some(rate) = self.rate {
            let nanos = (bytes as u64).saturating_mul(1_000_000_000) / rate;
            self.free = self.free.max(now).saturating_add(Duration::from_nanos(nanos));
        }
        if self.queue.front().is_some_and(|(_, front)| self.at == front.len()) {
            self.queue.pop_front();
            self.at = 0;
        }
    }

    /// Returns when there is something to write, if that depends only on time.
    pub(super) fn due(&self) -> Option<Duration> {
        let (arrives, _) = self.queue.front()?;
        self.fate().is_none().then(|| (*arrives).max(self.free))
    }

    /// Drops the bytes on the way, because the receiver takes no more.
    pub(super) fn give_up(&mut self) {
        self.queue.clear();
        (self.at, self.held) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_of_nothing_is_refused() {
        assert!(some_bytes("0").is_err_and(|why| why.contains("--stall 0")) && some_bytes("0K").is_err());
        assert_eq!((some_bytes("1"), some_bytes("64K")), (Ok(Size(1)), Ok(Size(65536))));
        assert!(some_bytes("fast").is_err());
    }
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        faults: FaultArgs,
    }

    fn faults(args: &[&str]) -> FaultArgs {
        Line::try_parse_from([&["watch"], args].concat()).unwrap().faults
    }

    /// Returns what comes out of a direction, and when, if these bytes are sent at once.
    fn out(args: &[&str], bytes: &[u8]) -> Vec<(u128, Vec<u8>)> {
        let Some([mut shaper, _]) = faults(args).of(1) else { panic!("nothing is done") };
        shaper.push(Duration::ZERO, bytes);
        let mut out = Vec::new();
        while let Some(now) = shaper.due() {
            let Some(ready) = shaper.ready(now).map(<[u8]>::to_vec) else { break };
            shaper.wrote(now, ready.len());
            out.push((now.as_millis(), ready));
        }
        assert_eq!(shaper.held, bytes.len() - out.iter().map(|(_, part)| part.len()).sum::<usize>());
        out
    }

    #[test]
    fn bytes_come_when_and_as_they_should() {
        assert_eq!(out(&["--delay", "50ms"], b"abc"), [(50, b"abc".to_vec())]);
        let split = out(&["--split", "2"], b"abc");
        assert_eq!(split, [(0, b"ab".to_vec()), (0, b"c".to_vec())]);
        let slow = out(&["--rate", "1000"], &[0; 100]);
        assert_eq!((slow.len(), slow.last().unwrap().0), (10, 90));
        let cut = out(&["--cut-after", "4"], b"abcdef");
        assert_eq!(cut, [(0, b"abcd".to_vec())]);
        for (flag, fate) in [("--cut-after", Fate::Cut), ("--reset", Fate::Reset), ("--stall", Fate::Stall)] {
            let [shaper, _] = faults(&[flag, "0"]).of(1).unwrap();
            assert_eq!((shaper.fate(), shaper.has_room()), (Some(fate), false));
        }
    }

    #[test]
    fn chance_keeps_order_and_is_the_same_for_the_same_seed() {
        let run = |seed: &str| {
            let [mut shaper, _] = faults(&["--jitter", "1s", "--seed", seed]).of(7).unwrap();
            (0..20).for_each(|byte| shaper.push(Duration::from_millis(byte.into()), &[byte]));
            let mut out = Vec::new();
            while let Some(now) = shaper.due() {
                out.push((now, shaper.ready(now).unwrap()[0]));
                shaper.wrote(now, 1);
            }
            out
        };
        let first = run("1");
        assert!(first.is_sorted() && first.iter().map(|(_, byte)| *byte).eq(0..20));
        assert_eq!(first, run("1"));
        assert_ne!(first, run("2"));
    }

    #[test]
    fn a_share_of_connections_is_treated() {
        let treated = |args: &[&str]| (0..1000).filter(|number| faults(args).of(*number).is_some()).count();
        assert_eq!(treated(&["--delay", "1s"]), 1000);
        assert_eq!(treated(&["--delay", "1s", "--share", "0"]), 0);
        assert!((200..300).contains(&treated(&["--delay", "1s", "--share", "25"])));
        assert_eq!(treated(&["--share", "100"]), 0, "nothing is asked for");
    }

    #[test]
    fn what_is_on_the_way_is_bounded() {
        let [mut shaper, _] = faults(&["--delay", "1h"]).of(1).unwrap();
        while shaper.has_room() {
            shaper.push(Duration::ZERO, &[0; 1 << 18]);
        }
        assert_eq!(shaper.held, MOST);
    }
}
