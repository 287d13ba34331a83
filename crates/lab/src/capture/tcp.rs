//! Reassembles both directions of TCP connections from their segments (RFC 9293 §3.4, §3.10).
//!
//! In: segments in the order of a capture. Out: [`Entry`]s with each byte once, in the order in which it was sent.
//! Bytes that arrive out of order wait for those before them. If bytes arrive twice, the first copy counts, also where
//! segments overlap. Missing bytes are reported as [`What::Lost`] once too much waits behind them or the capture ends.
//! The waiting bytes of a direction and the number of open connections are bounded.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use super::{Entry, What};
use crate::conversation::{End, Peer};

/// The most bytes of a direction that wait behind missing ones.
const MOST_WAITING: usize = 1 << 20;
/// The most segments of a direction that wait behind missing bytes.
const MOST_SEGMENTS: usize = 4096;
/// The most connections open at once; beyond that the oldest are ended.
const MOST_OPEN: usize = 16_384;

/// A segment of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) sequence: u32,
    pub(super) is_syn: bool,
    pub(super) is_ack: bool,
    pub(super) is_fin: bool,
    pub(super) is_rst: bool,
    pub(super) payload: &'a [u8],
}

/// All connections of a capture.
pub(super) struct Tcp<F> {
    tell: F,
    /// The open connections by their two ends, the lower address first.
    open: HashMap<(SocketAddr, SocketAddr), Stream>,
    /// The ends of the connections from the oldest to the newest; some are gone already.
    ages: VecDeque<((SocketAddr, SocketAddr), u64)>,
    opened: u64,
    told: u64,
    others: u64,
}

/// One connection.
struct Stream {
    /// The number under which the connection is reported, once it is known to be of interest.
    number: Option<u64>,
    is_other: bool,
    age: u64,
    began: Duration,
    client: SocketAddr,
    /// Whether the connection was seen from its start.
    is_whole: bool,
    to_server: Flow,
    to_client: Flow,
}

/// One direction.
#[derive(Debug, Default)]
struct Flow {
    /// The next sequence number.
    next: Option<u32>,
    /// How many bytes have passed.
    count: u64,
    /// Bytes that came too early, by their position.
    waiting: BTreeMap<u64, Vec<u8>>,
    waiting_bytes: usize,
    /// The position at which the direction ends.
    end: Option<u64>,
    is_ended: bool,
}

impl Flow {
    /// Takes a segment's bytes and passes on what is now in order.
    fn take(&mut self, sequence: u32, payload: &[u8], out: &mut impl FnMut(What), from: Peer) {
        let next = *self.next.get_or_insert(sequence);
        // The signed distance in a space of 2^32 that wraps around.
        let distance = i64::from(sequence.wrapping_sub(next) as i32);
        if payload.is_empty() || self.is_ended {
            return;
        }
        if distance > 0 {
            let at = self.count + distance as u64;
            let kept = self.waiting.entry(at).or_default();
            if payload.len() > kept.len() {
                // The bytes that came first are kept.
                self.waiting_bytes += payload.len() - kept.len();
                kept.extend_from_slice(&payload[kept.len()..]);
            }
            if self.waiting_bytes > MOST_WAITING || self.waiting.len() > MOST_SEGMENTS {
                self.skip(out, from);
            }
            return;
        }
        if let Some(new) = payload.get(distance.unsigned_abs() as usize..).filter(|new| !new.is_empty()) {
            self.deliver(new.to_vec(), out, from);
            self.drain(out, from);
        }
    }

    fn deliver(&mut self, bytes: Vec<u8>, out: &mut impl FnMut(What), from: Peer) {
        self.advance(bytes.len() as u64);
        out(What::Bytes(from, bytes));
    }

    fn advance(&mut self, bytes: u64) {
        self.count += bytes;
        // Sequence numbers are modulo 2^32.
        self.next = self.next.map(|next| next.wrapping_add(bytes as u32));
    }

    /// Passes on waiting bytes that are now in order.
    fn drain(&mut self, out: &mut impl FnMut(What), from: Peer) {
        while let Some(entry) = self.waiting.first_entry().filter(|entry| *entry.key() <= self.count) {
            let (at, bytes) = entry.remove_entry();
            self.waiting_bytes -= bytes.len();
            // If this is less than what was just passed on, it overlaps.
            let known = usize::try_from(self.count - at).unwrap_or(usize::MAX);
            if let Some(new) = bytes.get(known..).filter(|new| !new.is_empty()) {
                self.deliver(new.to_vec(), out, from);
            }
        }
    }

    /// Gives up on bytes that are missing.
    fn skip(&mut self, out: &mut impl FnMut(What), from: Peer) {
        if let Some((&at, _)) = self.waiting.first_key_value() {
            let missing = at - self.count;
            out(What::Lost(from, missing));
            self.advance(missing);
            self.drain(out, from);
        }
    }

    /// Passes on everything that waits, because nothing more comes.
    fn flush(&mut self, out: &mut impl FnMut(What), from: Peer) {
        while !self.waiting.is_empty() {
            self.skip(out, from);
        }
    }
}

impl<F: FnMut(Entry)> Tcp<F> {
    pub(super) fn new(tell: F) -> Self {
        Self { tell, open: HashMap::new(), ages: VecDeque::new(), opened: 0, told: 0, others: 0 }
    }

    pub(super) fn segment(&mut self, at: Duration, segment: Segment<'_>) {
        let key =
            if segment.from <= segment.to { (segment.from, segment.to) } else { (segment.to, segment.from) };
        // This is a new connection between the same ends.
        if segment.is_syn && !segment.is_ack {
            let is_new = self.open.get(&key).is_some_and(|stream| {
                let first =
                    stream.to_server.next.map(|next| next.wrapping_sub(stream.to_server.count as u32));
                first != Some(segment.sequence.wrapping_add(1))
            });
            if is_new {
                self.end(key, at);
            }
        }
        if !self.open.contains_key(&key) {
            if segment.is_rst || (segment.payload.is_empty() && !segment.is_syn) {
                return; // what is left of one that is over
            }
            self.make_room(at);
            self.opened += 1;
            self.ages.push_back((key, self.opened));
            let stream = Stream::new(at, self.opened, &segment);
            self.open.insert(key, stream);
        }
        let Some(stream) = self.open.get_mut(&key) else { return };
        let from = if segment.from == stream.client { Peer::Client } else { Peer::Server };
        let mut pieces = Vec::new();
        let flow = stream.flow(from);
        let sequence = if segment.is_syn { segment.sequence.wrapping_add(1) } else { segment.sequence };
        flow.take(sequence, segment.payload, &mut |what| pieces.push(what), from);
        if segment.is_fin
            && let Some(next) = flow.next
        {
            let distance = i64::from(sequence.wrapping_sub(next) as i32) + segment.payload.len() as i64;
            flow.end = Some(flow.count.saturating_add_signed(distance.max(0)));
        }
        if segment.is_rst && !flow.is_ended {
            flow.flush(&mut |what| pieces.push(what), from);
            flow.is_ended = true;
            pieces.push(What::End(from, End::Reset));
        } else if flow.end.is_some_and(|end| end <= flow.count) && !flow.is_ended {
            flow.is_ended = true;
            pieces.push(What::End(from, End::Finished));
        }
        let is_over = segment.is_rst || (stream.to_server.is_ended && stream.to_client.is_ended);
        self.tell_of(key, at, pieces);
        if is_over {
            self.end(key, at);
        }
    }

    /// Reports pieces, if their connection is one that is reported.
    fn tell_of(&mut self, key: (SocketAddr, SocketAddr), at: Duration, pieces: Vec<What>) {
        let Some(stream) = self.open.get_mut(&key) else { return };
        for what in pieces {
            if let (None, false, What::Bytes(from, bytes)) = (stream.number, stream.is_other, &what) {
                let Some(is_whole) = stream.looks_like(*from, bytes) else {
                    stream.is_other = true;
                    self.others += 1;
                    continue;
                };
                self.told += 1;
                stream.number = Some(self.told);
                let open = if is_whole { What::Open } else { What::Middle };
                (self.tell)(Entry { connection: self.told, at: Duration::ZERO, what: open });
            }
            if let Some(connection) = stream.number {
                (self.tell)(Entry { connection, at: at.saturating_sub(stream.began), what });
            }
        }
    }

    fn end(&mut self, key: (SocketAddr, SocketAddr), at: Duration) {
        let Some(stream) = self.open.get_mut(&key) else { return };
        let mut pieces = Vec::new();
        for from in [Peer::Client, Peer::Server] {
            stream.flow(from).flush(&mut |what| pieces.push(what), from);
        }
        self.tell_of(key, at, pieces);
        if let Some(stream) = self.open.remove(&key)
            && let Some(connection) = stream.number
        {
            (self.tell)(Entry { connection, at: at.saturating_sub(stream.began), what: What::Over });
        }
    }

    /// Ends the oldest connections to make room for another one.
    fn make_room(&mut self, at: Duration) {
        while self.open.len() >= MOST_OPEN || self.ages.len() > 4 * MOST_OPEN {
            let Some((key, age)) = self.ages.pop_front() else { return };
            if self.open.get(&key).is_some_and(|stream| stream.age == age) {
                self.end(key, at);
            }
        }
    }

    /// Ends all connections. Returns how many were reported and how many are something else.
    pub(super) fn finish(&mut self) -> (u64, u64) {
        while let Some((key, age)) = self.ages.pop_front() {
            let last = self.open.get(&key).filter(|stream| stream.age == age).map(|stream| stream.began);
            if let Some(began) = last {
                self.end(key, began);
            }
        }
        (self.told, self.others)
    }
}

impl Stream {
    fn new(began: Duration, age: u64, first: &Segment<'_>) -> Self {
        // Without a SYN the head decides, or else the port: servers have the lower ones.
        let is_client = match (first.is_syn, first.payload) {
            (true, _) => !first.is_ack,
            (false, payload) if payload.starts_with(b"GET ") => true,
            (false, payload) if payload.starts_with(b"HTTP/") => false,
            _ => first.from.port() > first.to.port(),
        };
        Self {
            number: None,
            is_other: false,
            age,
            began,
            client: if is_client { first.from } else { first.to },
            is_whole: first.is_syn,
            to_server: Flow::default(),
            to_client: Flow::default(),
        }
    }

    fn flow(&mut self, from: Peer) -> &mut Flow {
        match from {
            Peer::Client => &mut self.to_server,
            Peer::Server => &mut self.to_client,
        }
    }

    /// Returns whether this may be a WebSocket connection, judging by its first bytes, and if so whether they are its
    /// start.
    fn looks_like(&self, from: Peer, bytes: &[u8]) -> Option<bool> {
        let is_head = match from {
            Peer::Client => bytes.starts_with(&b"GET "[..bytes.len().min(4)]),
            Peer::Server => bytes.starts_with(&b"HTTP/"[..bytes.len().min(5)]),
        };
        // In the middle of a WebSocket connection, most segments start with a frame.
        let is_frame = || {
            let [first, second, ..] = bytes else { return false };
            let is_known = matches!(first & 0xf, 0..=2 | 8..=10) && first & 0x30 == 0;
            is_known && (second & 0x80 != 0) == (from == Peer::Client)
        };
        if is_head { Some(true) } else { (!self.is_whole && is_frame()).then_some(false) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: ([u8; 4], u16) = ([127, 0, 0, 1], 40_000);
    const SERVER: ([u8; 4], u16) = ([127, 0, 0, 1], 9001);

    fn segment(from: Peer, sequence: u32, payload: &[u8]) -> Segment<'_> {
        let ends: [SocketAddr; 2] = [CLIENT.into(), SERVER.into()];
        let [from, to] = if from == Peer::Client { ends } else { [ends[1], ends[0]] };
        let (is_syn, is_ack, is_fin, is_rst) = (false, true, false, false);
        Segment { from, to, sequence, is_syn, is_ack, is_fin, is_rst, payload }
    }

    /// Returns what is reported for segments.
    fn told(segments: &[Segment<'_>]) -> Vec<What> {
        let mut out = Vec::new();
        let mut tcp = Tcp::new(|entry: Entry| out.push(entry.what));
        segments.iter().for_each(|segment| tcp.segment(Duration::ZERO, *segment));
        tcp.finish();
        out
    }

    /// Returns the client's bytes, with a question mark for each missing one.
    fn sent(segments: &[Segment<'_>]) -> String {
        let mut out = Vec::new();
        for what in told(segments) {
            match what {
                What::Bytes(Peer::Client, bytes) => out.extend(bytes),
                What::Lost(Peer::Client, count) => out.extend(vec![b'?'; count as usize]),
                _ => {}
            }
        }
        String::from_utf8(out).unwrap()
    }

    const TEXT: &[u8] = b"GET /abcdefghijklmnopqrstuvwxyz";

    #[test]
    fn order_repeats_and_overlaps_do_not_matter() {
        let mut random = crate::random::Random::new(9);
        for round in 0..2000 {
            // Near the end of the sequence numbers, too.
            let first = if round % 2 == 0 { 1000 } else { u32::MAX - 9 };
            let syn =
                Segment { is_syn: true, is_ack: false, ..segment(Peer::Client, first.wrapping_sub(1), b"") };
            let mut pieces: Vec<(usize, usize)> = (0..TEXT.len()).step_by(4).map(|at| (at, 4)).collect();
            for _ in 0..8 {
                pieces.push((random.below(TEXT.len()), 1 + random.below(9)));
            }
            for at in (1..pieces.len()).rev() {
                pieces.swap(at, random.below(at + 1));
            }
            let segments: Vec<_> = pieces
                .iter()
                .map(|&(at, len)| {
                    let payload = &TEXT[at..(at + len).min(TEXT.len())];
                    segment(Peer::Client, first.wrapping_add(at as u32), payload)
                })
                .collect();
            assert_eq!(sent(&[&[syn], &segments[..]].concat()).as_bytes(), TEXT, "round {round}");
        }
    }

    #[test]
    fn what_never_comes_is_told() {
        let segments = [segment(Peer::Client, 1, &TEXT[..8]), segment(Peer::Client, 13, &TEXT[12..])];
        assert_eq!(sent(&segments), "GET /abc????hijklmnopqrstuvwxyz");
        // At most a bounded number of bytes waits for it.
        let block = [b'x'; 1000];
        let late: Vec<_> = (0..3000).map(|at| segment(Peer::Client, 13 + at * 1000, &block)).collect();
        let mut out = Vec::new();
        let mut tcp = Tcp::new(|entry: Entry| out.push(entry.what));
        tcp.segment(Duration::ZERO, segments[0]);
        late.iter().for_each(|segment| tcp.segment(Duration::ZERO, *segment));
        assert!(tcp.open.values().all(|stream| stream.to_server.waiting_bytes <= MOST_WAITING));
        drop(tcp);
        assert!(out.contains(&What::Lost(Peer::Client, 4)));
    }

    #[test]
    fn ends_come_behind_what_was_sent() {
        let fin = Segment { is_fin: true, ..segment(Peer::Client, 9, &TEXT[8..12]) };
        let out = told(&[segment(Peer::Client, 1, &TEXT[..4]), fin, segment(Peer::Client, 5, &TEXT[4..8])]);
        assert_eq!(out.last(), Some(&What::Over));
        assert_eq!(out[out.len() - 2], What::End(Peer::Client, End::Finished));
        let rst = Segment { is_rst: true, ..segment(Peer::Server, 1, b"") };
        let out = told(&[segment(Peer::Client, 1, TEXT), rst, segment(Peer::Client, 32, b"late")]);
        assert_eq!(out[2..], [What::End(Peer::Server, End::Reset), What::Over]);
    }

    #[test]
    fn what_is_something_else_is_left_out() {
        let syn = Segment { is_syn: true, is_ack: false, ..segment(Peer::Client, 0, b"") };
        assert!(told(&[syn, segment(Peer::Client, 1, b"\x16\x03\x01")]).is_empty());
        assert!(told(&[segment(Peer::Client, 1, b"\x17\x03\x03")]).is_empty());
        assert_eq!(told(&[segment(Peer::Client, 1, b"\x81\x80\0\0\0\0")])[0], What::Middle);
        // The same ends once more are a new connection.
        let again = [
            syn,
            segment(Peer::Client, 1, TEXT),
            Segment { sequence: 7000, ..syn },
            segment(Peer::Client, 7001, TEXT),
        ];
        assert_eq!(told(&again).iter().filter(|what| **what == What::Open).count(), 2);
    }
}
