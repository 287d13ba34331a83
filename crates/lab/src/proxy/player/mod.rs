//! Plays one case for a proxy as both of its sides: bytes and time in, bytes out, a verdict at the end.
//!
//! The driver moves bytes between sockets and [`Mailbox`]es and calls [`turn`](Player::turn) whenever something came,
//! something was written, or [`deadline`](Player::deadline) has passed. The player is over in bounded time whatever the
//! proxy does, and holds at most [`AHEAD`] bytes for each direction.

mod end;
mod progress;
mod steps;
mod stream;

use std::time::Duration;

use progress::StepProgress;

use super::case::{Case, Side};
use super::check::{Finding, Pair};
use super::flow::Flow;
use super::head::{self, RawHead};
use super::mailbox::{Ended, Mailbox};
use super::passage::Passage;
use super::record::Difference;
use super::trace::Trace;
use crate::http2::frame::{code, code_name};
use crate::opening::{self, Fill};
use crate::options::{Carrier, Options};
use crate::random::Random;

/// How many bytes a side may send beyond those that have come out.
const AHEAD: usize = 48 << 20;
/// How many bytes are kept after the head of an answer that is not an upgrade.
const REST: usize = 1 << 20;

/// The settings that all cases of a run share.
#[derive(Clone, Debug, Default)]
pub(super) struct Common {
    /// The value of the Host field.
    pub(super) host: String,
    /// The request target, without the mark of a case.
    pub(super) target: String,
    /// Further lines of each request.
    pub(super) fields: Vec<String>,
    /// Whether the front forwards bytes before a head is complete, and so does not understand HTTP.
    pub(super) relays: bool,
    /// How the front is reached; it reaches the origin over HTTP/1.1.
    pub(super) carrier: Carrier,
}

/// Both connections, as far as they exist.
pub(super) struct Wires<'m> {
    pub(super) client: Option<&'m mut Mailbox>,
    pub(super) origin: Option<&'m mut Mailbox>,
}

impl Wires<'_> {
    fn of(&mut self, side: Side) -> Option<&mut Mailbox> {
        match side {
            Side::Client => self.client.as_deref_mut(),
            Side::Origin => self.origin.as_deref_mut(),
        }
    }

    fn ended(&mut self, side: Side) -> Option<Ended> {
        self.of(side).and_then(|mailbox| mailbox.ended)
    }

    /// Returns how the front has ended the client's connection, for appending to a sentence about that.
    fn farewell(&mut self) -> String {
        let words = self.client.as_ref().and_then(|mailbox| mailbox.farewell.as_ref());
        words.map_or(String::new(), |words| format!(" ({words})"))
    }

    /// Returns whether the front has said that it did not process the request.
    fn is_unprocessed(&self) -> bool {
        let words = self.client.as_ref().and_then(|mailbox| mailbox.farewell.as_ref());
        words.is_some_and(|words| words.ends_with(&code_name(code::REFUSED_STREAM)))
    }
}

/// One case being played.
#[derive(Debug)]
pub(super) struct Player {
    pub(super) case: &'static Case,
    /// A mark in each request of this case and in no other.
    pub(super) mark: String,
    relays: bool,
    carrier: Carrier,
    patience: Duration,
    fill: Fill,
    random: Random,
    step: usize,
    /// When the step began.
    since: Duration,
    now: Duration,
    /// Heads as they were sent and as they came out.
    asked: Option<RawHead>,
    reached: Option<RawHead>,
    answered: Option<RawHead>,
    got: Option<RawHead>,
    interim: Vec<u16>,
    /// What the origin sent that is not a head.
    said: Vec<u8>,
    /// The bytes of an incomplete head at either side.
    heads: [Vec<u8>; 2],
    /// The bytes after heads that do not lead to a stream.
    rests: [Vec<u8>; 2],
    /// What each side sends after its head.
    flows: [Flow; 2],
    /// How many random bytes each side has yet to send.
    feeds: [usize; 2],
    strays: [Vec<u8>; 2],
    progress: StepProgress,
    findings: Vec<Finding>,
    difference: Option<Difference>,
    added: Vec<(Side, String)>,
    measured: Vec<String>,
    trace: Trace,
    silent: bool,
    unconnected: bool,
    unprocessed: bool,
    /// Whether something came later than it may.
    late: bool,
    /// How many bytes were written, and when that number last grew.
    written: (u64, Duration),
    /// When a stream was first seen to differ.
    odd: Option<Duration>,
    over: bool,
}

const fn at(side: Side) -> usize {
    match side {
        Side::Client => 0,
        Side::Origin => 1,
    }
}

impl Player {
    pub(super) fn new(case: &'static Case, copy: u16, common: &Common, options: Options) -> Self {
        let mut random = Random::for_case(options.seed ^ u64::from(copy) << 32, case.id);
        // Two runs against one front must not be confused.
        let mark = format!("bowsprit={:016x}", random.next());
        let joint = if common.target.contains('?') { '&' } else { '?' };
        let letters = random.bytes::<8>().map(|byte| char::from(b'a' + byte % 26));
        let fill = Fill {
            host: common.host.clone(),
            target: format!("{}{joint}{mark}", common.target),
            key: opening::key_of(random.bytes()),
            random: letters.iter().collect(),
            fields: [common.fields.clone(), vec![format!("X-Bowsprit: {mark}")]].concat(),
        };
        let patience = options.patience.unwrap_or(Duration::from_millis(case.patience.into()));
        Self {
            case,
            mark,
            relays: common.relays,
            carrier: common.carrier,
            patience,
            fill,
            random,
            step: 0,
            since: Duration::ZERO,
            now: Duration::ZERO,
            asked: None,
            reached: None,
            answered: None,
            got: None,
            interim: Vec::new(),
            said: Vec::new(),
            heads: Default::default(),
            rests: Default::default(),
            flows: Default::default(),
            feeds: [0; 2],
            strays: Default::default(),
            progress: StepProgress::default(),
            findings: Vec::new(),
            difference: None,
            added: Vec::new(),
            measured: Vec::new(),
            trace: Trace::default(),
            silent: false,
            unconnected: false,
            unprocessed: false,
            late: false,
            written: (0, Duration::ZERO),
            odd: None,
            over: false,
        }
    }

    /// Returns whether there is nothing left to do.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Takes what came, and runs the script as far as that allows.
    pub(super) fn turn(&mut self, now: Duration, mut wires: Wires<'_>) {
        self.now = now;
        for side in [Side::Client, Side::Origin] {
            let came = wires.of(side).map(|mailbox| std::mem::take(&mut mailbox.inbox)).unwrap_or_default();
            if !came.is_empty() {
                self.receive(side, &came);
            }
        }
        let sides = [Side::Client, Side::Origin];
        let written = sides.map(|side| wires.of(side).map_or(0, |mailbox| mailbox.written)).iter().sum();
        if written > self.written.0 {
            self.written = (written, now);
        }
        if let Some(violation) = wires.client.as_mut().and_then(|mailbox| mailbox.violation.take()) {
            let what = violation.to_string();
            let what = format!("what the client got breaks a rule of HTTP/2: {}", what.trim_end_matches('.'));
            self.fail(Passage::Unsafe, what);
        }
        self.feed(&mut wires);
        while !self.over && self.advance(&mut wires) {}
        // A step that waits for something that cannot come must end nevertheless.
        let moved = self.since.max(self.progress.moved).max(self.progress.since).max(self.written.1);
        if !self.over && now > moved + self.pause() + self.patience * 3 {
            self.fail(Passage::Lost, "nothing went on any more");
        }
    }

    /// Returns when a turn is due although nothing has happened.
    pub(super) fn deadline(&self) -> Duration {
        self.due()
    }

    /// Records that the request came out again, on another connection.
    pub(super) fn came_again(&mut self, now: Duration) {
        self.trace.note(now, Side::Origin, "the request came again on another connection, which was reset");
        self.measured.push("the proxy sent the request again on another connection".to_owned());
    }

    fn receive(&mut self, side: Side, came: &[u8]) {
        let is_open = match side {
            Side::Client => self.got.is_some(),
            Side::Origin => self.reached.is_some(),
        };
        if is_open {
            return self.behind_head(side, came);
        }
        self.heads[at(side)].extend_from_slice(came);
        while let Some(head) = RawHead::take(&mut self.heads[at(side)]) {
            self.trace.head(self.now, side, false, &head.bytes);
            match (side, head.status()) {
                (Side::Client, Some(status @ (100 | 102..=199))) => {
                    self.interim.push(status);
                    continue;
                }
                (Side::Client, _) => self.got = Some(head),
                (Side::Origin, _) => self.reached = Some(head),
            }
            let rest = std::mem::take(&mut self.heads[at(side)]);
            return self.behind_head(side, &rest);
        }
        if self.heads[at(side)].len() > head::MOST {
            self.trace.bytes(self.now, side, false, &self.heads[at(side)]);
            self.fail(Passage::Altered, format!("what came at the {side} is no head, and does not end"));
        }
    }

    fn behind_head(&mut self, side: Side, came: &[u8]) {
        self.trace.bytes(self.now, side, false, came);
        let is_stream = match side {
            Side::Client => self.got.as_ref().is_some_and(|head| self.opens(head)),
            Side::Origin => self.answered.as_ref().is_none_or(|head| head.status() == Some(101)),
        };
        if is_stream {
            self.flows[at(side.other())].come(came);
        } else {
            let rest = &mut self.rests[at(side)];
            let room = REST.saturating_sub(rest.len());
            rest.extend_from_slice(&came[..came.len().min(room)]);
        }
    }

    /// Returns whether the request has come out, even if that connection is gone again.
    pub(super) fn has_reached(&self) -> bool {
        self.reached.is_some()
    }

    /// Returns a number that changes with each step and each part of a step.
    pub(super) fn position(&self) -> usize {
        self.step * 1_000_000
            + self.progress.done as usize * 2
            + usize::from(self.progress.under_way.is_some())
    }

    /// Takes a request of another case that came on the origin's connection, which proxies reuse: its mark, and the
    /// bytes that have come.
    pub(super) fn take_foreign(&mut self) -> Option<(String, Vec<u8>)> {
        let rest = &self.rests[at(Side::Origin)];
        let mark = mark_in(rest).filter(|mark| *mark != self.mark)?;
        Some((mark, std::mem::take(&mut self.rests[at(Side::Origin)])))
    }

    fn pair<'h>(&'h self, sent: &'h RawHead, came: &'h RawHead) -> Pair<'h> {
        let translated = self.carrier.is_http2();
        Pair { sent, came, interim: &self.interim, relays: self.relays, translated }
    }

    /// Returns whether this answer tells the client that the connection is open.
    fn opens(&self, head: &RawHead) -> bool {
        head.status().is_some_and(|status| self.carrier.opens(status))
    }
}

/// Returns the mark of a case in these bytes.
pub(super) fn mark_in(bytes: &[u8]) -> Option<String> {
    const NAME: &[u8] = b"bowsprit=";
    let start = bytes.windows(NAME.len()).position(|window| window == NAME)?;
    let mark = bytes.get(start..start + NAME.len() + 16)?;
    str::from_utf8(mark).ok().map(str::to_owned)
}
