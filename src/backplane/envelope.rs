//! The envelope of a message on its way between nodes: its sender, when that node began, and the number of the message.
//!
//! ```text
//! version and kind, 1 byte │ node, 8 │ epoch, 4 │ number, 1 to 10
//!     │ mark, 2 to 20, if the kind says so │ key, its length before it, if the kind says so │ payload, as it is
//! ```
//! Numbers count the messages of a node in one channel from 1 on, so that receivers know what is missing and what came
//! twice.
//! what came twice.

use crate::frame::DataKind;

/// One process among those that share a backplane: a random number drawn at its start, unless the program chooses one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl std::fmt::Display for NodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What a publisher wants to know about a message of its own that comes back: which of its loops and connections it
/// came from. It means nothing to other nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The part of the node.
    pub place: u64,
    /// The sender there.
    pub id: u64,
}

/// The content of an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A program's message.
    Data(DataKind),
    /// "Here I am", on the control channel; if `asks`, all others have to answer with the same.
    Hello {
        /// Whether an answer is wanted.
        asks: bool,
    },
    /// The last numbers of the channels that were recently published to, on the control channel.
    Numbers,
    /// Who is present in which topic, and that the node is still alive, on the control channel.
    Present,
}

/// A decoded envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// What it contains.
    pub kind: Kind,
    /// The node that sent it.
    pub node: NodeId,
    /// When that node began, in seconds since 1970: after a restart a node counts from 1 again.
    pub epoch: u32,
    /// The number of the message in its channel; 0 on the control channel.
    pub number: u64,
    /// The mark; only programs' messages have one.
    pub mark: Option<Mark>,
    /// The key of which the message is the newest, for slow readers. Only programs' messages have one.
    pub key: Option<&'a str>,
}

/// An envelope with its content, as far as a link accepts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payload<'a> {
    Whole(&'a [u8]),
    /// It has more bytes than we accept; these are the first of them.
    TooLong {
        front: &'a [u8],
        len: usize,
    },
}

impl Payload<'_> {
    pub(super) const fn len(&self) -> usize {
        match self {
            Self::Whole(bytes) => bytes.len(),
            Self::TooLong { len, .. } => *len,
        }
    }
}

/// The most bytes that an envelope adds to a payload and a key.
pub const MAX_ENVELOPE: usize = 1 + 8 + 4 + 10 + 20 + 10;

/// The kinds that are followed by a mark, a key, or both.
const DATA: [[[u8; 2]; 2]; 2] = [[[0, 8], [5, 10]], [[1, 9], [6, 11]]];

const VERSION: u8 = 1;

impl<'a> Envelope<'a> {
    /// Writes the envelope. The payload comes after it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let kind = match self.kind {
            Kind::Data(kind) => {
                let of_kind = DATA[usize::from(kind == DataKind::Binary)];
                of_kind[usize::from(self.mark.is_some())][usize::from(self.key.is_some())]
            }
            Kind::Hello { asks: false } => 2,
            Kind::Hello { asks: true } => 3,
            Kind::Numbers => 4,
            Kind::Present => 7,
        };
        out.push(VERSION << 4 | kind);
        out.extend_from_slice(&self.node.0.to_be_bytes());
        out.extend_from_slice(&self.epoch.to_be_bytes());
        encode_number(out, self.number);
        if !matches!(self.kind, Kind::Data(_)) {
            return;
        }
        if let Some(mark) = self.mark {
            encode_number(out, mark.place);
            encode_number(out, mark.id);
        }
        if let Some(key) = self.key {
            encode_number(out, key.len() as u64);
            out.extend_from_slice(key.as_bytes());
        }
    }

    /// Decodes an envelope, and returns its content, too. Returns `None` if this is not an envelope: another program,
    /// or another version of this one, uses the channel.
    pub fn decode(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (envelope, mut payload) = Self::decode_front(bytes)?;
        let first = bytes.first()? & 0xf;
        let is_marked = matches!(first, 5 | 6 | 10 | 11);
        let has_key = matches!(first, 8..=11);
        let mut mark = None;
        if is_marked {
            let (place, rest) = decode_number(payload)?;
            let (id, rest) = decode_number(rest)?;
            (mark, payload) = (Some(Mark { place, id }), rest);
        }
        let mut key = None;
        if has_key {
            let (length, rest) = decode_number(payload)?;
            let (bytes, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            (key, payload) = (Some(std::str::from_utf8(bytes).ok()?), rest);
        }
        Some((Self { mark, key, ..envelope }, payload))
    }

    /// Decodes the part of an envelope that all kinds have, up to the number. Returns the rest, too.
    pub fn decode_front(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&first, rest) = bytes.split_first()?;
        let kind = match first ^ VERSION << 4 {
            0 | 5 | 8 | 10 => Kind::Data(DataKind::Text),
            1 | 6 | 9 | 11 => Kind::Data(DataKind::Binary),
            2 => Kind::Hello { asks: false },
            3 => Kind::Hello { asks: true },
            4 => Kind::Numbers,
            7 => Kind::Present,
            _ => return None,
        };
        let (node, rest) = rest.split_first_chunk()?;
        let (epoch, rest) = rest.split_first_chunk()?;
        let (number, rest) = decode_number(rest)?;
        let (node, epoch) = (NodeId(u64::from_be_bytes(*node)), u32::from_be_bytes(*epoch));
        Some((Self { kind, node, epoch, number, mark: None, key: None }, rest))
    }
}

/// Writes a number as LEB128: seven bits in each byte, the lowest first.
pub(super) fn encode_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads a number, and returns what follows it.
pub(super) fn decode_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0_u64;
    for (at, &byte) in bytes.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        if at == 9 && bits > 1 {
            return None; // more than 64 bits
        }
        number |= bits << (7 * at);
        if byte & 0x80 == 0 {
            return Some((number, &bytes[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envelopes_come_back_as_they_were() {
        for kind in [
            Kind::Data(DataKind::Text),
            Kind::Data(DataKind::Binary),
            Kind::Hello { asks: false },
            Kind::Hello { asks: true },
            Kind::Numbers,
            Kind::Present,
        ] {
            for number in [0, 1, 127, 128, u64::from(u32::MAX), u64::MAX] {
                let is_data = matches!(kind, Kind::Data(_));
                let mark = (number != 1 && is_data).then_some(Mark { place: number, id: u64::MAX - number });
                let long = "\u{fc}".repeat(100);
                for key in [None, Some(""), Some("k"), Some(&*long)]
                    .into_iter()
                    .filter(|key| is_data || key.is_none())
                {
                    let node = NodeId(0x0123_4567_89ab_cdef);
                    let envelope = Envelope { kind, node, epoch: 7, number, mark, key };
                    let mut bytes = Vec::new();
                    envelope.encode(&mut bytes);
                    assert!(bytes.len() <= MAX_ENVELOPE + key.map_or(0, str::len));
                    bytes.extend_from_slice(b"payload");
                    assert_eq!(Envelope::decode(&bytes), Some((envelope, &b"payload"[..])));
                    for cut in 0..bytes.len() - 7 {
                        assert_eq!(Envelope::decode(&bytes[..cut]), None, "cut at {cut}");
                    }
                }
            }
        }
    }

    /// The bytes that nodes of the first version send: all later versions must understand them.
    #[test]
    fn the_bytes_of_each_kind() {
        let mark = Some(Mark { place: 1, id: 300 });
        for (kind, mark, key, first, behind) in [
            (Kind::Data(DataKind::Text), None, None, 0x10, &b""[..]),
            (Kind::Data(DataKind::Binary), None, None, 0x11, b""),
            (Kind::Hello { asks: false }, None, None, 0x12, b""),
            (Kind::Hello { asks: true }, None, None, 0x13, b""),
            (Kind::Numbers, None, None, 0x14, b""),
            (Kind::Data(DataKind::Text), mark, None, 0x15, b"\x01\xac\x02"),
            (Kind::Data(DataKind::Binary), mark, None, 0x16, b"\x01\xac\x02"),
            (Kind::Present, None, None, 0x17, b""),
            (Kind::Data(DataKind::Text), None, Some("key"), 0x18, b"\x03key"),
            (Kind::Data(DataKind::Binary), None, Some("key"), 0x19, b"\x03key"),
            (Kind::Data(DataKind::Text), mark, Some("key"), 0x1a, b"\x01\xac\x02\x03key"),
            (Kind::Data(DataKind::Binary), mark, Some("key"), 0x1b, b"\x01\xac\x02\x03key"),
        ] {
            let mut bytes = Vec::new();
            Envelope { kind, node: NodeId(2), epoch: 3, number: 200, mark, key }.encode(&mut bytes);
            let fixed = [&[first, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3, 0xc8, 1], behind].concat();
            assert_eq!(bytes, fixed, "{kind:?}");
        }
    }

    #[test]
    fn what_is_no_envelope() {
        let mut number_too_long = vec![0x10; 13];
        number_too_long.extend([0xff; 10]);
        let length_too_long = [&[0x18; 14][..], &[0xff; 9], &[1], b"key"].concat();
        for bytes in [
            &b""[..],
            b"hello, world, from elsewhere",
            b"\x1caaaaaaaaaaaaa",
            b"\x18aaaaaaaaaaaa\x01\x02\xc3(", // a key that is not UTF-8
            &number_too_long,
            &length_too_long,
        ] {
            assert_eq!(Envelope::decode(bytes), None, "{}", bytes.escape_ascii());
        }
    }
}
