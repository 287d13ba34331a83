//! What is sent after heads, and what a step waits for there.

use std::time::Duration;

use bowsprit::frame::MaskKey;

use super::super::case::{Data, Side};
use super::super::flow::Flow;
use super::super::passage::Passage;
use super::progress::StepProgress;
use super::{AHEAD, Player, Wires, at};
use crate::counted;

/// How many random bytes are made at once.
const CHUNK: usize = 128 * 1024;
/// How many bytes after a difference tell how the streams differ, and how long to wait for them.
const ENOUGH: usize = 64;
const TELLING: Duration = Duration::from_millis(250);
/// How long no bytes must be taken before a side counts as full.
const FULL: Duration = Duration::from_millis(400);

impl Player {
    /// Sends bytes that have to come out.
    pub(super) fn send(&mut self, side: Side, bytes: &[u8], wires: &mut Wires<'_>) {
        if let Some(mailbox) = wires.of(side) {
            mailbox.out.push(bytes);
            self.flows[at(side)].send(bytes);
            self.trace.bytes(self.now, side, true, bytes);
        }
    }

    pub(super) fn send_data(&mut self, side: Side, data: &Data, wires: &mut Wires<'_>) {
        match data {
            Data::Bytes(bytes) => self.send(side, bytes, wires),
            Data::Frames(frames) => {
                for frame in *frames {
                    let payload = frame.payload.bytes();
                    let mut header = frame.header.with_length(payload.len() as u64);
                    header.mask = (side == Side::Client).then(|| MaskKey(self.random.bytes()));
                    let mut bytes = Vec::new();
                    header.encode_into(&mut bytes);
                    let start = bytes.len();
                    bytes.extend_from_slice(&payload);
                    if let Some(key) = header.mask {
                        key.apply(&mut bytes[start..]);
                    }
                    self.send(side, &bytes, wires);
                }
            }
            Data::Random(bytes) => {
                self.feeds[at(side)] += bytes;
                self.feed_side(side, wires);
            }
        }
    }

    /// Makes more of the bytes to send, if there is room.
    pub(super) fn feed(&mut self, wires: &mut Wires<'_>) {
        for side in [Side::Client, Side::Origin] {
            if wires.of(side).is_some_and(|mailbox| mailbox.out.is_empty()) {
                self.feed_side(side, wires);
            }
        }
    }

    fn feed_side(&mut self, side: Side, wires: &mut Wires<'_>) {
        let bytes = self.feeds[at(side)].min(CHUNK);
        let broken = wires.of(side).is_none_or(|mailbox| mailbox.broken);
        if bytes == 0 || broken || self.flows[at(side)].under_way() > AHEAD {
            return;
        }
        self.feeds[at(side)] -= bytes;
        let chunk = self.random_bytes(bytes);
        self.send(side, &chunk, wires);
    }

    pub(super) fn random_bytes(&mut self, bytes: usize) -> Vec<u8> {
        let mut chunk = Vec::with_capacity(bytes + 8);
        while chunk.len() < bytes {
            chunk.extend_from_slice(&self.random.next().to_le_bytes());
        }
        chunk.truncate(bytes);
        chunk
    }

    /// Returns whether everything that a side sends has come out. Ends the case if that will never happen.
    pub(super) fn has_arrived(&mut self, side: Side, wires: &mut Wires<'_>) -> bool {
        if self.differs(wires) {
            return false;
        }
        let flow = &self.flows[at(side)];
        if flow.is_level() && self.feeds[at(side)] == 0 {
            return true;
        }
        let (came, sent) = (flow.came(), flow.sent() + self.feeds[at(side)] as u64);
        let told = format!("{came} of {} of the {side} came out", counted(sent, "byte"));
        if wires.ended(side.other()).is_some() {
            self.tell_difference(side);
            self.fail(Passage::Lost, format!("{told}, then the connection ended"));
        } else if wires.of(side).is_some_and(|mailbox| mailbox.broken) {
            self.tell_difference(side);
            self.fail(Passage::Lost, format!("{told}, then nothing more was taken"));
        } else if self.is_late() {
            self.tell_difference(side);
            self.fail(Passage::Lost, format!("{told} within {:.1} s", self.patience.as_secs_f64()));
        }
        false
    }

    /// Returns whether a stream came out changed. That ends the case once enough has come to tell how.
    pub(super) fn differs(&mut self, wires: &mut Wires<'_>) -> bool {
        let from = match &self.flows {
            [client, _] if client.differs() => Side::Client,
            [_, origin] if origin.differs() => Side::Origin,
            _ => return false,
        };
        let since = *self.odd.get_or_insert(self.now);
        let is_told =
            self.flows[at(from)].difference().1.len() >= ENOUGH || wires.ended(from.other()).is_some();
        if is_told || self.now >= since + TELLING {
            self.fail_by_difference(from);
        }
        true
    }

    /// Returns when [`differs`](Self::differs) has waited long enough.
    pub(super) fn told_at(&self) -> Option<Duration> {
        self.odd.map(|since| since + TELLING)
    }

    /// Returns whether a step has used up its time since the last progress.
    pub(super) fn is_late(&mut self) -> bool {
        let came = self.flows.iter().map(Flow::came).sum::<u64>();
        if came > self.progress.came {
            // A long transfer may take any time.
            (self.progress.came, self.progress.moved) = (came, self.now);
        }
        self.now >= self.since.max(self.progress.moved).max(self.written.1) + self.patience
    }

    /// Returns whether a side takes no more of what is written to it.
    pub(super) fn is_full(&mut self, side: Side, most: usize, wires: &mut Wires<'_>) -> bool {
        let Some(mailbox) = wires.of(side) else { return true };
        if self.progress.done == 0 {
            self.progress = StepProgress {
                done: 1,
                since: self.now,
                written: mailbox.written,
                ..StepProgress::default()
            };
            self.progress.times = vec![Duration::from_nanos(mailbox.written)];
            self.feeds[at(side)] = most;
            return false;
        }
        if mailbox.written > self.progress.written {
            (self.progress.written, self.progress.since) = (mailbox.written, self.now);
        }
        let all = self.feeds[at(side)] == 0 && mailbox.out.is_empty();
        if !all && self.now < self.progress.since + FULL {
            return false;
        }
        let taken = mailbox.written - u64::try_from(self.progress.times[0].as_nanos()).unwrap_or(0);
        self.feeds[at(side)] = 0;
        self.measured.push(format!(
            "taken from the {side} while the {} does not read: {}",
            side.other(),
            counted(taken, "byte")
        ));
        true
    }

    /// Returns when [`is_full`](Self::is_full) may change without any event.
    pub(super) fn full_at(&self) -> Duration {
        self.progress.since + FULL
    }

    /// Sends a piece each time the last one has come out. Returns whether all of them have.
    pub(super) fn trickle(&mut self, side: Side, times: u32, size: usize, wires: &mut Wires<'_>) -> bool {
        while self.progress.done < times {
            if self.progress.under_way.is_none() {
                let piece = self.random_bytes(size);
                self.send(side, &piece, wires);
                self.progress.under_way = Some(side);
                self.progress.since = self.now;
            }
            if !self.has_arrived(side, wires) {
                return false;
            }
            self.progress.under_way = None;
            self.progress.done += 1;
        }
        true
    }

    /// Sends a byte there and a byte back, this many times, and measures the time.
    pub(super) fn round_trips(&mut self, times: u32, wires: &mut Wires<'_>) -> bool {
        while self.progress.done < times {
            let side = match self.progress.under_way {
                Some(side) => side,
                None => {
                    let byte = self.random_bytes(1);
                    self.send(Side::Client, &byte, wires);
                    self.progress.since = self.now;
                    self.progress.under_way = Some(Side::Client);
                    return false;
                }
            };
            if !self.has_arrived(side, wires) {
                return false;
            }
            match side {
                Side::Client => {
                    let byte = self.random_bytes(1);
                    self.send(Side::Origin, &byte, wires);
                    self.progress.under_way = Some(Side::Origin);
                    return false;
                }
                Side::Origin => {
                    self.progress.times.push(self.now.saturating_sub(self.progress.since));
                    self.progress.under_way = None;
                    self.progress.done += 1;
                }
            }
        }
        let mut times = std::mem::take(&mut self.progress.times);
        times.sort_unstable();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        self.measured.push(format!(
            "a round trip takes {} us (median of {})",
            median.as_micros(),
            times.len()
        ));
        true
    }
}
