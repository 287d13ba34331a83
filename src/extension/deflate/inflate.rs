//! Inflates compressed payload (RFC 7692 §7.2.2).
//!
//! In: the payload of a compressed message in any cut, and room. Out: as many bytes as there is room for. Promises:
//! writes only to the room; the same bytes whatever the cut; time linear in input and output; a message that ends
//! anywhere but at the end of a block is refused. The caller decides how much room there is, and what it means when it
//! runs out.
//!
//! Where the RFCs leave a choice:
//!
//! * A block with BFINAL set does not end a message: what follows on the next byte is decoded as well, and may refer
//!   back to what came before (§7.2.3.4 needs that for its padding byte).
//! * A sender that keeps the `00 00 ff ff` at the end, or ends with a BFINAL block and no padding, is understood.
//! * A compressed message without any payload is an empty message.
//!
//! A short message that is whole and in the fixed code does not need the engine (`short/fixed.rs`).

use zlib_rs::{Inflate, InflateFlush, Status};

use super::history::History;
use super::settings::{Half, Traffic};
use super::short::fixed;
use super::window::WindowBits;
use crate::error::ProtocolError;

/// Inflates one message after the other; between them, keeps what the next one may refer to.
#[derive(Default)]
pub struct Inflater {
    /// Usable for any connection; the rest belongs to this one.
    pub(super) engine: Option<Inflate>,
    history: History,
    message: InflateState,
    traffic: Traffic,
    /// How many bytes of output the message may still have.
    budget: usize,
    /// How many bytes of output there were since the last request for them.
    work: usize,
    /// How many of the last bytes of output the history does not have.
    unkept: usize,
}

/// The position in a message.
#[derive(Clone, Copy, Debug, Default)]
struct InflateState {
    /// Bytes of payload so far, and of their output.
    taken: u64,
    made: u64,
    /// The last four bytes of payload.
    tail: [u8; 4],
    /// Whether the engine has not been made ready, as nothing of the message has arrived.
    waits: bool,
    /// How far back a message may refer.
    window: WindowBits,
    /// Whether the stream ended with a BFINAL block, and nothing has come since.
    ended: bool,
    /// How often it did.
    ends: u64,
}

/// The result of one call of [`Inflater::push`].
#[derive(Debug)]
pub(crate) struct Pushed {
    /// How many bytes were written to the room. If the room is full, there may be more to come.
    pub(crate) made: usize,
    /// An error if they are followed by something that is not DEFLATE.
    pub(crate) result: Result<(), ProtocolError>,
}

/// An empty stored block without its header: what a sender omits (§7.2.1), followed by an empty last block, at the end
/// of which the engine stops if, and only if, everything before it was whole.
const TAIL: [u8; 6] = [0x00, 0x00, 0xff, 0xff, 0x03, 0x00];

/// Each end of a stream takes the engine as long as this many bytes. A message may have a few ends, and then one for
/// each this many bytes of output.
const FREE_ENDS: u64 = 64;
const BYTES_PER_END: u64 = 4096;

impl Half {
    /// Creates an inflater for the first message of a connection. Its engine is made when it is needed.
    pub(crate) fn inflater(self) -> Box<Inflater> {
        Box::default()
    }
}

impl Inflater {
    /// Begins a message.
    pub(crate) fn begin(&mut self, agreed: Half) {
        self.message = InflateState { waits: true, window: agreed.window, ..InflateState::default() };
        if !agreed.takeover {
            self.history.clear(); // §7.1.1: starts with an empty window
        }
    }

    /// Returns whether a message is open of which something has arrived: until then it needs no engine.
    pub(crate) const fn has_begun(&self) -> bool {
        !self.message.waits
    }

    /// Returns how many bytes of output the message may still have. The caller that pushes keeps this up to date; it is
    /// here because only connections that inflate pay for it.
    pub(crate) const fn budget(&mut self) -> &mut usize {
        &mut self.budget
    }

    /// Takes payload off the front of `input` until the room is full or all of it is taken. If it is the `last` of the
    /// message, its output may be left for [`finish`](Self::finish) to keep: [`unkept`](Self::unkept) bytes.
    pub(crate) fn push(&mut self, input: &mut &[u8], room: &mut [u8], last: bool) -> Pushed {
        if std::mem::take(&mut self.message.waits) {
            if last
                && input.len() <= fixed::LONGEST
                && let Some(made) =
                    fixed::inflate(input, self.history.recent(self.message.window.bytes()), room)
            {
                return self.inflated(std::mem::take(input), made);
            }
            self.restart(self.message.window);
        }
        let (mut kept, size) = (0, room.len());
        let pushed = self.inflate(input, room, &mut kept);
        if !last || pushed.made == size {
            self.history.push(&room[kept..pushed.made], WindowBits::MAX.bytes());
            kept = pushed.made;
        }
        self.unkept = pushed.made - kept;
        pushed
    }

    /// Returns the result of inflating the whole payload to `made` bytes, with room left.
    fn inflated(&mut self, payload: &[u8], made: usize) -> Pushed {
        self.message.taken = payload.len() as u64;
        self.message.made = made as u64;
        self.message.ended = true;
        self.work += made;
        self.unkept = made;
        Pushed { made, result: Ok(()) }
    }

    /// The first `kept` bytes of the last output are in the history, if the engine had to start again.
    fn inflate(&mut self, input: &mut &[u8], room: &mut [u8], kept: &mut usize) -> Pushed {
        let mut made = 0;
        loop {
            if self.message.ended && !input.is_empty() {
                self.message.ended = false;
                self.message.ends += 1;
                if self.message.ends > FREE_ENDS + self.message.made / BYTES_PER_END {
                    return Pushed { made, result: Err(ProtocolError::DeflateInvalid) };
                }
                self.history.push(&room[*kept..made], WindowBits::MAX.bytes());
                *kept = made;
                self.restart(WindowBits::MAX);
            }
            let (status, used, written) = self.step(input, &mut room[made..]);
            self.note(&input[..used]);
            *input = &input[used..];
            self.message.made += written as u64;
            self.work += written;
            made += written;
            match status {
                Err(error) => return Pushed { made, result: Err(error) },
                Ok(Status::StreamEnd) => self.message.ended = true,
                Ok(_) if made == room.len() || input.is_empty() => return Pushed { made, result: Ok(()) },
                // There is room and input, but no progress: that would be the engine's fault, not the peer's.
                Ok(_) if used == 0 && written == 0 => {
                    return Pushed { made, result: Err(ProtocolError::DeflateInvalid) };
                }
                Ok(_) => {}
            }
            if self.message.ended && input.is_empty() {
                return Pushed { made, result: Ok(()) };
            }
        }
    }

    /// Returns how many of the last bytes of output [`finish`](Self::finish) has to be given.
    pub(crate) const fn unkept(&self) -> usize {
        self.unkept
    }

    /// Ends the message: all payload has been pushed, and there is no more output. The next message may also refer to
    /// the [`unkept`](Self::unkept) bytes, if context takeover allows it.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::DeflateInvalid`] if its last block has no end.
    pub(crate) fn finish(&mut self, agreed: Half, unkept: &[u8]) -> Result<(), ProtocolError> {
        let InflateState { taken, made, tail, ended, .. } = self.message;
        if taken > 0 && !ended {
            // A stream that the sender has cut ends with the header of a stored block: never in 0xff.
            let end = if tail == TAIL[..4] { &TAIL[4..] } else { &TAIL[..] };
            let result = self.step(end, &mut [0]);
            // §7.2.1 does not forbid BFINAL on the stored block that is cut; with it, nothing is left to end.
            let is_last = end.len() > 4 && result == (Ok(Status::StreamEnd), 4, 0);
            if !is_last && result != (Ok(Status::StreamEnd), end.len(), 0) {
                return Err(ProtocolError::DeflateInvalid);
            }
        }
        self.traffic += Traffic { messages: 1, plain: made, compressed: taken };
        if agreed.takeover {
            self.history.push(unkept, agreed.window.bytes());
            self.history.settle(agreed.window.bytes());
        }
        Ok(())
    }

    /// Returns how many bytes of output there were since the last call.
    pub(crate) const fn take_work(&mut self) -> usize {
        std::mem::replace(&mut self.work, 0)
    }

    /// Takes over the memory of another history, whose content no longer counts.
    pub(super) fn take_memory(&mut self, other: &mut Self) {
        if self.history.capacity() < other.history.capacity() {
            std::mem::swap(&mut self.history, &mut other.history);
        }
        self.history.clear();
        other.history = History::default();
    }

    /// Returns what it has done so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Returns about how many bytes of memory are held.
    pub fn memory(&self) -> usize {
        let engine = if self.engine.is_some() { ENGINE } else { 0 };
        size_of::<Self>() + engine + self.history.capacity()
    }

    pub(super) fn take_traffic(&mut self) -> Traffic {
        std::mem::take(&mut self.traffic)
    }

    /// Starts with an empty window that has the last bytes so far in it.
    fn restart(&mut self, window: WindowBits) {
        let engine = self.engine.get_or_insert_with(|| Inflate::new(false, WindowBits::MAX.bits()));
        engine.reset(false);
        for recent in self.history.recent(window.bytes()) {
            if !recent.is_empty() {
                // Raw DEFLATE accepts a dictionary at any time, and appends it to what is there.
                let _ = engine.set_dictionary(recent);
            }
        }
    }

    fn step(&mut self, input: &[u8], room: &mut [u8]) -> (Result<Status, ProtocolError>, usize, usize) {
        let engine = self.engine.get_or_insert_with(|| Inflate::new(false, WindowBits::MAX.bits()));
        let (before_in, before_out) = (engine.total_in(), engine.total_out());
        let status =
            engine.decompress(input, room, InflateFlush::NoFlush).map_err(|_| ProtocolError::DeflateInvalid);
        let used = (engine.total_in() - before_in) as usize;
        let written = (engine.total_out() - before_out) as usize;
        (status, used.min(input.len()), written.min(room.len()))
    }

    fn note(&mut self, taken: &[u8]) {
        self.message.taken += taken.len() as u64;
        let tail = &mut self.message.tail;
        match taken.len() {
            0 => {}
            len @ 1..4 => {
                tail.rotate_left(len);
                tail[4 - len..].copy_from_slice(taken);
            }
            len => tail.copy_from_slice(&taken[len - 4..]),
        }
    }
}

/// How many bytes the engine takes, whatever the window (`benches/deflate_memory.rs`).
const ENGINE: usize = 47_552;

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflater")
            .field("message", &self.message)
            .field("traffic", &self.traffic)
            .field("memory", &self.memory())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use zlib_rs::DeflateFlush;

    use super::*;

    const FRESH: Half = Half { window: WindowBits::MAX, takeover: false };
    const KEEP: Half = Half { takeover: true, ..FRESH };

    /// Inflates one message, its payload in cuts of `cut`, with `room` bytes of room at a time.
    fn inflate(
        inflater: &mut Inflater,
        agreed: Half,
        payload: &[u8],
        cut: usize,
        room: usize,
    ) -> Result<Vec<u8>, ProtocolError> {
        let mut out = Vec::new();
        inflater.begin(agreed);
        let mut chunks = payload.chunks(cut).peekable();
        while let Some(mut input) = chunks.next() {
            let last = chunks.peek().is_none();
            loop {
                let mut buffer = vec![0; room];
                let Pushed { made, result } = inflater.push(&mut input, &mut buffer, last);
                out.extend_from_slice(&buffer[..made]);
                result?;
                if made < room {
                    break;
                }
            }
            assert!(input.is_empty());
        }
        let unkept = if payload.is_empty() { 0 } else { inflater.unkept() };
        inflater.finish(agreed, &out[out.len() - unkept..]).map(|()| out)
    }

    /// Checks every cut and every room; afterwards another message decodes.
    fn check(payload: &[u8], expected: Result<&[u8], ProtocolError>) {
        for cut in 1..=payload.len().max(1) {
            for room in [1, 2, 3, 100, 70_000] {
                let mut inflater = Inflater::default();
                let result = inflate(&mut inflater, KEEP, payload, cut, room);
                assert_eq!(result.as_deref().map_err(|error| *error), expected, "{payload:x?} cut at {cut}");
                if expected.is_ok() {
                    let next = inflate(&mut inflater, KEEP, &HELLO, cut, room);
                    assert_eq!(next.as_deref(), Ok(&b"Hello"[..]), "after {payload:x?}");
                }
            }
        }
    }

    const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

    /// Found by `bowsprit fuzz`: `01 00 00 ff ff` is an empty stored block, too, and its end may be cut like that of
    /// any other.
    #[test]
    fn a_cut_block_may_have_bfinal_set() {
        check(&[0x01], Ok(b""));
        check(&[0x61], Ok(b"")); // the rest of the byte has no meaning
        check(&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x01], Err(ProtocolError::DeflateInvalid)); // 01 is inside a block
        check(&[0, 5, 0, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x01], Ok(b"Hello"));
        // Found by the fuzz target `inflate`: the tail would be the rest of a stored block, which may not be cut.
        check(&[0, 5, 0, 0xfa, 0xff, 0x32], Err(ProtocolError::DeflateInvalid));
        // With any other cut, the tail does not end it.
        check(&[0x01, 0x05, 0x00], Err(ProtocolError::DeflateInvalid));
        check(&[0x01, 0x00], Err(ProtocolError::DeflateInvalid));
    }

    #[test]
    fn the_examples_of_the_rfc() {
        check(&HELLO, Ok(b"Hello")); // §7.2.3.1
        // §7.2.3.2: the second Hello is a reference to the first.
        let mut inflater = Inflater::default();
        let short = [0xf2, 0x00, 0x11, 0x00, 0x00];
        assert_eq!(inflate(&mut inflater, KEEP, &HELLO, 100, 100).unwrap(), b"Hello");
        assert_eq!(inflate(&mut inflater, KEEP, &short, 100, 100).unwrap(), b"Hello");
        check(&[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00], Ok(b"Hello")); // §7.2.3.3
        check(&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00], Ok(b"Hello")); // §7.2.3.4
        // §7.2.3.5: two blocks.
        check(&[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00], Ok(b"Hello"));
        check(&[0x00], Ok(b"")); // §7.2.3.6
    }

    #[test]
    fn ends_in_many_ways() {
        check(b"", Ok(b""));
        // The sender keeps the end that it should cut.
        check(&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00, 0x00, 0xff, 0xff], Ok(b"Hello"));
        check(&[0x00, 0x00, 0x00, 0xff, 0xff], Ok(b""));
        // A last block without padding, and blocks after one.
        check(&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], Ok(b"Hello"));
        check(&[&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], &HELLO[..]].concat(), Ok(b"HelloHello"));
        // A reference from after a last block to before it: distance 5, length 5.
        check(
            &[&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], &[0xf2, 0x00, 0x11, 0x00, 0x00][..]].concat(),
            Ok(b"HelloHello"),
        );
    }

    #[test]
    fn what_is_not_deflate() {
        let invalid = Err(ProtocolError::DeflateInvalid);
        for payload in [
            &[0x06][..],                                                         // BTYPE 11
            &[0x00, 0x05, 0x00, 0xfa, 0xfe, 0x48, 0x65, 0x6c, 0x6c],             // NLEN
            &[0xf2, 0x00, 0x11, 0x00, 0x00], // a distance before the start
            &[0x78, 0x9c, 0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], // a zlib header
            &[0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 3], // a gzip header
            &[0xf2, 0x48, 0xcd, 0xc9],       // cut
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9], // cut before the end of the block
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65], // cut in a stored block
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0xde, 0xad, 0xbe, 0xef], // garbage after a block
            &[0xfc, 0xff, 0xff, 0xff],       // an over-subscribed code
        ] {
            check(payload, invalid);
        }
    }

    /// A message may refer to the end of all earlier output, whatever the cut, the room and the number of streams.
    #[test]
    fn messages_refer_back_over_any_cut_and_end() {
        let mut random = fastrand::Rng::with_seed(6);
        for bits in [9, 12, 15] {
            let window = WindowBits::new(bits).unwrap();
            let agreed = Half { window, takeover: true };
            let (mut inflater, mut said) = (Inflater::default(), Vec::new());
            for number in 0..150 {
                let mut payload = Vec::new();
                let start = said.len();
                for part in (0..random.usize(1..4)).rev() {
                    let known = said.len();
                    for _ in 0..random.usize(1..200) {
                        let from = random.usize(..=said.len()).saturating_sub(random.usize(..40));
                        let end = said.len().min(from + random.usize(..60));
                        said.extend_from_within(from..end);
                        said.push(random.u8(..));
                    }
                    let mut deflate = zlib_rs::Deflate::new(6, false, bits);
                    let before = &said[known.saturating_sub(window.bytes())..known];
                    if !before.is_empty() {
                        deflate.set_dictionary(before).unwrap();
                    }
                    let end = if part > 0 { DeflateFlush::Finish } else { DeflateFlush::SyncFlush };
                    let mut out = vec![0; 2 * said.len() + 1000];
                    deflate.compress(&said[known..], &mut out, end).unwrap();
                    payload.extend_from_slice(&out[..deflate.total_out() as usize]);
                }
                payload.truncate(payload.len() - 4);
                let (cut, room) = (
                    [1, 7, 1 << 20][random.usize(..3)],
                    [1, 50, 70_000, said.len() - start][random.usize(..4)],
                );
                let back = inflate(&mut inflater, agreed, &payload, cut, room);
                assert!(
                    back.as_deref() == Ok(&said[start..]),
                    "message {number}, {bits} bits: {:?}",
                    back.err()
                );
                assert!(inflater.history.capacity() <= window.bytes());
            }
        }
    }

    /// A whole payload in the fixed code takes a path of its own: valid or not, it has the same result as in pieces.
    #[test]
    fn whole_messages_give_what_pieces_give() {
        let mut random = fastrand::Rng::with_seed(11);
        for bits in [9, 12, 15] {
            let window = WindowBits::new(bits).unwrap();
            let agreed = Half { window, takeover: true };
            let (mut whole, mut pieces, mut said) = (Inflater::default(), Inflater::default(), Vec::new());
            let mut taken = 0;
            for _ in 0..if cfg!(miri) { 20 } else { 3000 } {
                let known = said.len();
                for _ in 0..random.usize(..30) {
                    let from = random.usize(..=known).max(known.saturating_sub(window.bytes()));
                    said.extend_from_within(from..known.min(from + random.usize(..60)));
                    said.extend(std::iter::repeat_n(
                        random.u8(..),
                        1 + random.usize(..9).saturating_sub(6) * 40,
                    ));
                }
                let mut deflate = zlib_rs::Deflate::new_with_config(zlib_rs::DeflateConfig {
                    level: random.i32(1..=6),
                    method: zlib_rs::Method::Deflated,
                    window_bits: -i32::from(bits),
                    mem_level: 8,
                    strategy: [zlib_rs::Strategy::Fixed, zlib_rs::Strategy::Default][random.usize(..2)],
                });
                let before = &said[known.saturating_sub(window.bytes())..known];
                if !before.is_empty() {
                    deflate.set_dictionary(before).unwrap();
                }
                let mut payload = vec![0; 2 * (said.len() - known) + 1000];
                deflate.compress(&said[known..], &mut payload, DeflateFlush::SyncFlush).unwrap();
                payload.truncate(deflate.total_out() as usize - 4);
                let is_right = random.usize(..4) > 0;
                if !is_right {
                    for _ in 0..random.usize(..3) {
                        let at = random.usize(..payload.len());
                        payload[at] ^= 1 << random.u8(..8);
                    }
                    payload.truncate(payload.len() - random.usize(..3).min(payload.len() - 1));
                }
                whole.engine = None;
                let room = [70_000, said.len() - known, said.len() - known + 1, 1][random.usize(..4)].max(1);
                let back = inflate(&mut whole, agreed, &payload, payload.len(), room);
                taken += usize::from(whole.engine.is_none());
                assert_eq!(back, inflate(&mut pieces, agreed, &payload, 1, room));
                assert!(!is_right || back.as_deref() == Ok(&said[known..]), "{:?}", back.err());
                said.truncate(known);
                match back {
                    Ok(back) => said.extend(back),
                    Err(_) => (whole, pieces, said) = Default::default(),
                }
                assert_eq!(whole.history.recent(1 << 15).concat(), pieces.history.recent(1 << 15).concat());
            }
            assert!(cfg!(miri) || taken > 500, "{taken} without the engine");
        }
    }

    /// A writer of bits in sending order (RFC 1951 §3.1.1), and of symbols of the fixed code (§3.2.6).
    #[derive(Default)]
    struct Writer(Vec<u8>, usize);

    impl Writer {
        fn put(&mut self, value: usize, count: usize) {
            for bit in 0..count {
                if self.1.is_multiple_of(8) {
                    self.0.push(0);
                }
                *self.0.last_mut().unwrap() |= ((value >> bit & 1) as u8) << (self.1 % 8);
                self.1 += 1;
            }
        }

        fn code(&mut self, value: usize, count: usize) {
            self.put(value.reverse_bits() >> (usize::BITS as usize - count), count);
        }

        fn symbol(&mut self, symbol: usize) {
            match symbol {
                0..144 => self.code(0x30 + symbol, 8),
                144..256 => self.code(0x190 + symbol - 144, 9),
                256..280 => self.code(symbol - 256, 7),
                _ => self.code(0xc0 + symbol - 280, 8),
            }
        }
    }

    /// Payloads that no encoder of ours makes: all symbols with all extra bits, blocks, and faults anywhere.
    #[test]
    fn whole_messages_of_any_bits_give_what_pieces_give() {
        // The extra bits of each symbol, and its least value (§3.2.5).
        let table = |symbols: usize, extra: fn(usize) -> usize, least: usize| {
            let next = |sum: &mut usize, symbol| {
                let base = *sum;
                *sum += 1 << extra(symbol);
                Some((extra(symbol), base))
            };
            (0..symbols).scan(least, next).collect::<Vec<_>>()
        };
        let mut lengths = table(28, |symbol| (symbol / 4).saturating_sub(1), 3);
        lengths.push((0, 258));
        let distances = table(30, |symbol| (symbol / 2).saturating_sub(1), 1);
        let mut random = fastrand::Rng::with_seed(12);
        let (mut fixed, mut right) = (0, 0);
        for (bits, takeover) in [(9, true), (9, false), (15, true), (15, false)] {
            let agreed = Half { window: WindowBits::new(bits).unwrap(), takeover };
            let (mut whole, mut pieces, mut before) = (Inflater::default(), Inflater::default(), 0);
            for _ in 0..if cfg!(miri) { 5 } else { 3000 } {
                let goes_wrong = random.usize(..3) == 0;
                let mut luck = random.fork();
                let mut wrong = |one_in: usize| goes_wrong && luck.usize(..one_in) == 0;
                let far = if takeover { agreed.window.bytes().min(before) } else { 0 };
                let (mut out, mut made) = (Writer::default(), 0);
                for _ in 0..random.usize(..4) {
                    out.put(if wrong(8) { random.usize(..8) } else { 0b010 }, 3);
                    for _ in 0..random.usize(..40) {
                        if random.bool() || made + far == 0 {
                            out.symbol(random.usize(..256));
                            made += 1;
                            continue;
                        }
                        let symbol = random.usize(..if wrong(20) { 31 } else { 29 });
                        out.symbol(257 + symbol);
                        let Some(&(extra, base)) = lengths.get(symbol) else { continue };
                        let more = random.usize(..1 << extra);
                        out.put(more, extra);
                        let most = (made + far + if goes_wrong { 3 } else { 0 }).min(1 << 15);
                        let distance = [most, 1, random.usize(1..=most.min(7)), random.usize(1..=most)]
                            [random.usize(..4)];
                        let symbol = distances.partition_point(|&(_, base)| base <= distance) - 1;
                        out.code(if wrong(30) { random.usize(..32) } else { symbol }, 5);
                        out.put(distance - distances[symbol].1, distances[symbol].0);
                        made += base + more;
                    }
                    if !wrong(8) {
                        out.symbol(256);
                    }
                }
                out.put(if wrong(8) { random.usize(..8) } else { 0 }, 3);
                let mut payload = out.0;
                match random.usize(..12) {
                    0 => payload.extend(&TAIL[..4]),
                    1 => payload.push(random.u8(..)),
                    2 => drop(payload.pop()),
                    3..6 => *payload.last_mut().unwrap() |= 0x80 >> random.u8(..8), // the rest of the byte
                    _ => {}
                }
                whole.engine = None;
                let room = [1 << 17, made.max(1), made + 1, random.usize(1..300)][random.usize(..4)];
                let back = inflate(&mut whole, agreed, &payload, payload.len().max(1), room);
                (fixed, right) =
                    (fixed + usize::from(whole.engine.is_none()), right + usize::from(back.is_ok()));
                let cut = random.usize(1..10).min(payload.len().max(2) - 1);
                assert!(back == inflate(&mut pieces, agreed, &payload, cut, room), "{payload:02x?}");
                assert_eq!(whole.take_work(), pieces.take_work());
                assert_eq!(whole.traffic(), pieces.traffic());
                match back {
                    Ok(back) => before += back.len(),
                    Err(_) => (whole, pieces, before) = Default::default(),
                }
                let [kept, other] = [&whole, &pieces].map(|one| one.history.recent(1 << 15).concat());
                assert!(kept == other || !takeover);
            }
        }
        assert!(cfg!(miri) || fixed > 3000 && right > 5000, "{fixed} without the engine, {right} right");
    }

    #[test]
    fn nothing_is_left_of_the_last_message_without_takeover() {
        let mut inflater = Inflater::default();
        assert!(inflate(&mut inflater, FRESH, &HELLO, 100, 100).is_ok());
        let short = inflate(&mut inflater, FRESH, &[0xf2, 0x00, 0x11, 0x00, 0x00], 100, 100);
        assert_eq!(short, Err(ProtocolError::DeflateInvalid));
    }

    /// A stream that ends again and again makes the engine restart each time.
    #[test]
    fn ends_are_bounded_by_what_comes_out() {
        let empty = [0x03, 0x00];
        assert_eq!(inflate(&mut Inflater::default(), FRESH, &empty.repeat(60), 7, 10), Ok(Vec::new()));
        assert_eq!(
            inflate(&mut Inflater::default(), FRESH, &empty.repeat(100), 7, 10),
            Err(ProtocolError::DeflateInvalid)
        );
        let stored: Vec<u8> = [&[0x01, 0x00, 0x20, 0xff, 0xdf][..], &[7; 0x2000]].concat();
        let many = inflate(&mut Inflater::default(), FRESH, &stored.repeat(200), 4096, 4096);
        assert_eq!(many.map(|out| out.len()), Ok(200 * 0x2000));
    }

    #[test]
    fn counts() {
        let mut inflater = Inflater::default();
        inflate(&mut inflater, KEEP, &HELLO, 1, 1).unwrap();
        assert_eq!(inflater.traffic(), Traffic { messages: 1, plain: 5, compressed: 7 });
        assert!(inflater.traffic().ratio() < 1.0);
    }
}
