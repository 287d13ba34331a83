//! Reads one direction of a connection as an observer: nothing is refused, everything is checked against RFC 6455 §5
//! and RFC 7692 §6, and reading goes on after a fault.
//!
//! In: the bytes after the opening handshake, in any cut. Out: each frame as it ends, with the message that it
//! completes and the rules that it breaks. The result does not depend on the cuts, and no more is kept than [`Keep`]
//! says, whatever a header declares or a message inflates to.
//!
//! The lab's examiner stops at the first fault of a peer (`Receiver`), but users of `decode` and `watch` want to see
//! what comes after it.

mod content;
mod show;

use bowsprit::error::Section;
use bowsprit::frame::{MAX_HEADER, Parsed, RawHeader};

pub(super) use content::Inflation;
pub use content::Message;
use content::{Assembly, Text};
pub(super) use show::{SHOWN, control_lines, describe_start};
pub use show::{close_name, describe};

use super::header::{CONTROL, may_close_with};
use super::rule::Violation;

/// Who sent the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// The client, which masks.
    Client,
    /// The server, which does not mask.
    Server,
}

impl Peer {
    /// Returns the name in one word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }

    /// Returns the other side.
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// How many bytes are kept for display.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Bytes of the payload of a data frame.
    pub payload: usize,
    /// Bytes of a message.
    pub message: usize,
}

impl Keep {
    /// Keeps nothing.
    pub const NOTHING: Self = Self { payload: 0, message: 0 };
}

/// A frame as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The position of its first byte, counted from the start of the direction.
    pub at: u64,
    /// The header, which encodes to the bytes that came.
    pub header: RawHeader,
    /// The start of the payload, unmasked.
    pub payload: Vec<u8>,
    /// How many bytes of the payload came.
    pub came: u64,
    /// The rules that the frame breaks.
    pub faults: Vec<Violation>,
    /// The message that the frame completes.
    pub message: Option<Message>,
}

impl Frame {
    /// Returns whether the direction ended inside the frame.
    pub const fn is_cut(&self) -> bool {
        self.came < self.header.length
    }

    /// Returns whether this is a control frame, by its opcode.
    pub const fn is_control(&self) -> bool {
        self.header.opcode >= 8
    }

    /// Returns the code and the reason of a Close that has them.
    pub fn close(&self) -> Option<(u16, &[u8])> {
        close_of(self.header.opcode, &self.payload)
    }
}

/// Returns the code and the reason in this payload, if it is a Close payload that has them.
pub(super) fn close_of(opcode: u8, payload: &[u8]) -> Option<(u16, &[u8])> {
    match payload {
        [high, low, reason @ ..] if opcode == 8 => Some((u16::from_be_bytes([*high, *low]), reason)),
        _ => None,
    }
}

/// Reads one direction.
#[derive(Debug)]
pub struct Reader {
    sender: Option<Peer>,
    keep: Keep,
    /// The position of the next byte.
    at: u64,
    /// The bytes of an incomplete header.
    head: Vec<u8>,
    frame: Option<Open>,
    message: Option<Assembly>,
    inflation: Option<Inflation>,
    closed: bool,
    unmasked: Vec<u8>,
}

/// A frame whose payload is incomplete.
#[derive(Debug)]
struct Open {
    frame: Frame,
    /// The reason of a Close.
    reason: Text,
}

impl Reader {
    /// Creates a reader of what `sender` sends, or of either side, guessed from the first frame; `at` is the position
    /// of its first byte.
    pub fn new(sender: Option<Peer>, at: u64, keep: Keep) -> Self {
        Self {
            sender,
            keep,
            at,
            head: Vec::new(),
            frame: None,
            message: None,
            inflation: None,
            closed: false,
            unmasked: Vec::new(),
        }
    }

    /// Agrees to permessage-deflate with this window for this direction.
    pub(super) fn inflate(&mut self, inflation: Inflation) {
        self.inflation = Some(inflation);
    }

    /// Agrees to permessage-deflate with unknown parameters: as much context is kept as any of them may need.
    pub fn inflate_all(&mut self) {
        self.inflation = Some(Inflation::new(15, false));
    }

    /// Returns whether permessage-deflate is agreed.
    pub const fn inflates(&self) -> bool {
        self.inflation.is_some()
    }

    /// Returns the sender, as far as it is known.
    pub const fn sender(&self) -> Option<Peer> {
        self.sender
    }

    /// Returns whether a Close has come.
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Takes bytes and reports each frame that ends in them.
    pub fn push(&mut self, mut bytes: &[u8], mut tell: impl FnMut(Frame)) {
        while !bytes.is_empty() {
            bytes = match &self.frame {
                None => self.header(bytes),
                Some(_) => self.payload(bytes),
            };
            if let Some(open) = self.frame.take_if(|open| !open.frame.is_cut()) {
                tell(self.finish(open));
            }
        }
    }

    /// Ends the direction. Returns the frame that is incomplete, or the bytes of an incomplete header.
    pub fn end(&mut self) -> (Option<Frame>, Vec<u8>) {
        (self.frame.take().map(|open| open.frame), std::mem::take(&mut self.head))
    }

    /// Reads up to the end of a header. Returns the bytes after it.
    fn header<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let parsed = if self.head.is_empty() { RawHeader::parse(bytes) } else { Parsed::NeedMore(1) };
        let (header, used, begin) = match parsed {
            Parsed::Done(header, used) => (header, used, self.at),
            Parsed::NeedMore(_) => {
                let before = self.head.len();
                let taken = bytes.len().min(MAX_HEADER - before);
                self.head.extend_from_slice(&bytes[..taken]);
                let Parsed::Done(header, used) = RawHeader::parse(&self.head) else {
                    self.at += taken as u64;
                    return &bytes[taken..];
                };
                self.head.clear();
                (header, used - before, self.at - before as u64)
            }
        };
        self.at += used as u64;
        if self.sender.is_none() {
            self.sender = Some(if header.mask.is_some() { Peer::Client } else { Peer::Server });
        }
        let mut faults = Vec::new();
        self.judge(&header, &mut |section, what| faults.push(Violation::new(section, what)));
        let frame = Frame { at: begin, header, payload: Vec::new(), came: 0, faults, message: None };
        self.frame = Some(Open { frame, reason: Text::default() });
        if header.opcode <= 2 {
            self.begin(&header);
        }
        &bytes[used..]
    }

    /// Begins a frame of a message (RFC 6455 §5.4).
    fn begin(&mut self, header: &RawHeader) {
        let Some(open) = &mut self.frame else { return };
        match (&mut self.message, header.opcode) {
            (Some(message), 0) => message.frames += 1,
            (None, 0) => open
                .frame
                .faults
                .push(Violation::new(Section::rfc6455("5.4"), "There is no message to continue")),
            (message, opcode) => {
                if message.is_some() {
                    let what = "A new message starts before the open one has ended";
                    open.frame.faults.push(Violation::new(Section::rfc6455("5.4"), what));
                }
                let compressed = header.rsv1 && self.inflation.is_some();
                *message = Some(Assembly::new(opcode == 1, compressed, self.keep.message));
            }
        }
    }

    /// Reads a piece of a payload. Returns the bytes after it.
    fn payload<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some(Open { frame, reason }) = &mut self.frame else { return bytes };
        let missing = frame.header.length - frame.came;
        // The cast values are at most the length of a slice.
        let taken = missing.min(bytes.len() as u64) as usize;
        let (piece, rest) = bytes.split_at(taken);
        let is_data = frame.header.opcode <= 2;
        let keep = if frame.header.opcode >= 8 { CONTROL.max(self.keep.payload) } else { self.keep.payload };
        let kept = keep.saturating_sub(frame.payload.len()).min(taken);
        let wants = is_data && self.message.as_ref().is_some_and(Assembly::reads);
        let piece = match frame.header.mask {
            None => piece,
            Some(key) => {
                let used = if wants || frame.header.opcode == 8 { taken } else { kept };
                self.unmasked.clear();
                self.unmasked.extend_from_slice(&piece[..used]);
                key.rotated((frame.came % 4) as usize).apply(&mut self.unmasked);
                &self.unmasked
            }
        };
        frame.payload.extend_from_slice(&piece[..kept]);
        if frame.header.opcode == 8 {
            // The reason starts after the two bytes of the code.
            let code = 2_u64.saturating_sub(frame.came).min(taken as u64) as usize;
            reason.push(&piece[code..]);
        }
        if let Some(message) = self.message.as_mut().filter(|_| is_data) {
            message.count(taken);
            message.push(piece, self.inflation.as_mut());
        }
        frame.came += taken as u64;
        self.at += taken as u64;
        rest
    }

    /// Completes a frame once its payload is complete.
    fn finish(&mut self, Open { mut frame, mut reason }: Open) -> Frame {
        let fault = &mut |section, what: String| frame.faults.push(Violation::new(section, what));
        if frame.header.opcode == 8 {
            match (frame.header.length, &frame.payload[..]) {
                (0, _) => {}
                (1, _) => fault(Section::rfc6455("5.5.1"), "A Close has a payload of one byte".to_owned()),
                (_, [high, low, ..]) => {
                    let code = u16::from_be_bytes([*high, *low]);
                    if !may_close_with(code) {
                        fault(Section::rfc6455("7.4"), format!("No endpoint may send the code {code}"));
                    }
                    if reason.end().is_some() {
                        fault(Section::rfc6455("5.5.1"), "The reason of a Close is not UTF-8".to_owned());
                    }
                }
                _ => {}
            }
            if self.closed {
                fault(Section::rfc6455("5.5.1"), "A second Close follows the first".to_owned());
            }
            self.closed = true;
        }
        if frame.header.opcode <= 2
            && frame.header.fin
            && let Some(message) = self.message.take()
        {
            let (message, fault) = message.end(self.inflation.as_mut());
            frame.message = Some(message);
            frame.faults.extend(fault);
        }
        frame
    }

    /// Reports the faults that a header shows.
    fn judge(&self, header: &RawHeader, fault: &mut impl FnMut(Section, &'static str)) {
        let masks = self.sender.map(|sender| sender == Peer::Client);
        super::header::judge(header, masks, self.inflation.is_some(), fault);
        // A Ping or a Pong may still come.
        if self.closed && header.opcode < 8 {
            fault(Section::rfc6455("5.5.1"), "A data frame follows a Close");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Keep = Keep { payload: 1 << 20, message: 1 << 20 };

    /// Returns the frames of a stream read in pieces of `size` bytes, and what is left.
    fn read(bytes: &[u8], size: usize, deflate: bool) -> (Vec<Frame>, Option<Frame>, Vec<u8>) {
        let mut reader = Reader::new(None, 0, ALL);
        if deflate {
            reader.inflate_all();
        }
        let mut frames = Vec::new();
        for piece in bytes.chunks(size) {
            reader.push(piece, |frame| frames.push(frame));
        }
        let (cut, rest) = reader.end();
        (frames, cut, rest)
    }

    #[test]
    fn no_cut_of_the_input_matters() {
        let mut random = crate::random::Random::new(11);
        for round in 0..300 {
            let mut bytes =
                b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x01\x03Hel\x89\x01x\x80\x02lo".to_vec();
            bytes.extend(b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\x88\x04\x03\xe8\xc3\xa9");
            bytes.extend(random.bytes::<40>());
            let whole = read(&bytes, bytes.len(), round % 2 == 0);
            for size in 1..bytes.len() {
                assert_eq!(read(&bytes, size, round % 2 == 0), whole, "cut into {size}");
            }
        }
    }

    #[test]
    fn reading_goes_on_after_a_fault() {
        let (frames, cut, rest) = read(b"\xa1\x01a\x83\x00\x81\x01\xff\x88\x01a\x81\x02ok", 100, false);
        assert!(cut.is_none() && rest.is_empty());
        let told: Vec<_> = frames.iter().flat_map(|frame| &frame.faults).map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "RSV2 and RSV3 must be 0 (RFC 6455 §5.2).",
                "The opcode is reserved (RFC 6455 §5.2).",
                "The text is not UTF-8 from byte 0 on (RFC 6455 §8.1).",
                "A Close has a payload of one byte (RFC 6455 §5.5.1).",
                "A data frame follows a Close (RFC 6455 §5.5.1).",
            ]
        );
        assert_eq!(frames[4].message.as_ref().unwrap().bytes, b"ok");
    }

    #[test]
    fn no_more_is_kept_than_asked_for() {
        let mut reader = Reader::new(Some(Peer::Client), 0, Keep { payload: 8, message: 16 });
        let key = bowsprit::frame::MaskKey([1, 2, 3, 4]);
        let mut bytes = Vec::new();
        RawHeader::TEXT.with_length(1 << 62).with_mask(key).encode_into(&mut bytes);
        let mut payload = vec![b'a'; 1 << 20];
        key.apply(&mut payload);
        reader.push(&bytes, |_| panic!("it is not whole"));
        for _ in 0..64 {
            reader.push(&payload, |_| panic!("it is not whole"));
        }
        assert!(reader.unmasked.capacity() <= 2 << 20);
        let (cut, _) = reader.end();
        let frame = cut.unwrap();
        assert_eq!((frame.payload, frame.came), (b"aaaaaaaa".to_vec(), 64 << 20));
        assert!(reader.message.unwrap().kept() <= 16);
    }

    /// Invalid UTF-8 in an unfinished text is reported when the text ends; a sequence cut between frames is valid.
    #[test]
    fn text_is_judged_over_frames() {
        let (frames, ..) =
            read(b"\x01\x01\xc3\x00\x00\x80\x01\xa9\x01\x01\xc3\x80\x01a\x81\x01\xc3", 3, false);
        let faults: Vec<_> = frames.iter().map(|frame| frame.faults.len()).collect();
        assert_eq!(faults, [0, 0, 0, 0, 1, 1]);
        assert_eq!(frames[2].message.as_ref().unwrap().bytes, "é".as_bytes());
        assert_eq!(frames[2].message.as_ref().unwrap().frames, 3);
    }

    /// Output that precedes a fault was once lost if it came in the same piece.
    #[test]
    fn what_inflates_before_a_fault_is_kept_in_every_cut() {
        let mut bytes = b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00".to_vec();
        bytes.extend(b"\xc1\x0d\x13\xd4\xc5\x41\x68\x12\x11\xbc\x2e\xa0\xd2\x86\x8e");
        for size in 1..=bytes.len() {
            let (frames, ..) = read(&bytes, size, true);
            let message = frames[1].message.as_ref().unwrap();
            assert!(message.broken);
            assert_eq!((message.length, &message.bytes[..5]), (26, &b"\x11-llo"[..]), "pieces of {size}");
        }
    }

    #[test]
    fn what_does_not_inflate_is_told_once() {
        let mut bytes = b"\xc1\x02\x07\x07".to_vec();
        bytes.extend(b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00".repeat(2));
        let (frames, ..) = read(&bytes, 1, true);
        let faults: Vec<_> = frames.iter().map(|frame| frame.faults.len()).collect();
        assert_eq!(faults, [1, 0, 0]);
        assert!(frames.iter().all(|frame| frame.message.as_ref().unwrap().broken));
    }
}
