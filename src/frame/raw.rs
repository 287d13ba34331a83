//! A frame header as the wire carries it, legal or not (RFC 6455 §5.2).
//!
//! In: bytes. Out: a [`RawHeader`] and how many bytes it took, or how many are missing. Nothing is judged here:
//! reserved bits, reserved opcodes and long forms of short lengths all pass, in both directions, so that a test bench
//! can send anything. [`Header::check`](super::Header::check) decides what is legal.

use alloc::vec::Vec;

use super::MaskKey;

/// The maximum length of a header: 2 bytes, a 64-bit length, a masking key.
pub const MAX_HEADER: usize = 14;

/// The fields of a frame header (§5.2), including values that no peer may send.
///
/// ```
/// use bowsprit::frame::{Parsed, RawHeader};
///
/// // RFC 6455 §5.7: an unmasked text frame of 5 bytes.
/// let Parsed::Done(header, used) = RawHeader::parse(b"\x81\x05Hello") else { panic!() };
/// assert_eq!(header, RawHeader { length: 5, ..RawHeader::TEXT });
/// assert_eq!(used, 2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RawHeader {
    /// Whether this is the last frame of a message.
    pub fin: bool,
    /// First reserved bit; permessage-deflate (RFC 7692 §6) gives it a meaning.
    pub rsv1: bool,
    /// Second reserved bit.
    pub rsv2: bool,
    /// Third reserved bit.
    pub rsv3: bool,
    /// The opcode; only the low four bits travel.
    pub opcode: u8,
    /// The masking key, if the mask bit is set.
    pub mask: Option<MaskKey>,
    /// How many payload bytes follow, as declared.
    pub length: u64,
    /// The form in which the length is written.
    pub form: LengthForm,
}

/// The three ways to write a payload length (§5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LengthForm {
    /// In the 7 bits of the second byte: 0 to 125.
    Short,
    /// 126, then 16 bits.
    Medium,
    /// 127, then 64 bits.
    Long,
}

/// The result of [`RawHeader::parse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A whole header, and the number of bytes it took.
    Done(RawHeader, usize),
    /// The input ends inside the header; at least this many bytes are missing.
    NeedMore(usize),
}

impl LengthForm {
    /// Returns the only form in which this length may be written (§5.2: "the minimal number of bytes MUST be used").
    #[inline]
    pub const fn minimal(length: u64) -> Self {
        match length {
            0..=125 => LengthForm::Short,
            126..=0xffff => LengthForm::Medium,
            _ => LengthForm::Long,
        }
    }

    /// Returns the number of bytes before the masking key.
    #[inline]
    const fn bytes(self) -> usize {
        match self {
            LengthForm::Short => 2,
            LengthForm::Medium => 4,
            LengthForm::Long => 10,
        }
    }
}

impl RawHeader {
    /// An unmasked, final, empty text frame: the start of most literals.
    pub const TEXT: Self = Self::of(0x1);
    /// An unmasked, final, empty binary frame.
    pub const BINARY: Self = Self::of(0x2);
    /// An unmasked, final, empty continuation frame.
    pub const CONTINUATION: Self = Self::of(0x0);
    /// An unmasked, final, empty Close frame.
    pub const CLOSE: Self = Self::of(0x8);
    /// An unmasked, final, empty Ping frame.
    pub const PING: Self = Self::of(0x9);
    /// An unmasked, final, empty Pong frame.
    pub const PONG: Self = Self::of(0xa);

    /// Creates an unmasked, final, empty frame with this opcode.
    pub const fn of(opcode: u8) -> Self {
        Self {
            fin: true,
            rsv1: false,
            rsv2: false,
            rsv3: false,
            opcode,
            mask: None,
            length: 0,
            form: LengthForm::Short,
        }
    }

    /// Returns this header for a payload of `length` bytes, in the minimal form.
    #[must_use]
    pub const fn with_length(self, length: u64) -> Self {
        Self { length, form: LengthForm::minimal(length), ..self }
    }

    /// Returns this header with a masking key.
    #[must_use]
    pub const fn with_mask(self, key: MaskKey) -> Self {
        Self { mask: Some(key), ..self }
    }

    /// Reads a header from the start of `input`.
    #[inline]
    pub fn parse(input: &[u8]) -> Parsed {
        let &[first, second, ref rest @ ..] = input else {
            return Parsed::NeedMore(2 - input.len());
        };
        let (form, length, rest) = match second & 0x7f {
            126 => match rest.split_first_chunk() {
                Some((bytes, rest)) => (LengthForm::Medium, u16::from_be_bytes(*bytes).into(), rest),
                None => return Parsed::NeedMore(Self::size_of(second) - input.len()),
            },
            127 => match rest.split_first_chunk() {
                Some((bytes, rest)) => (LengthForm::Long, u64::from_be_bytes(*bytes), rest),
                None => return Parsed::NeedMore(Self::size_of(second) - input.len()),
            },
            length => (LengthForm::Short, length.into(), rest),
        };
        let (mask, rest) = if second & 0x80 == 0 {
            (None, rest)
        } else {
            match rest.split_first_chunk() {
                Some((key, rest)) => (Some(MaskKey(*key)), rest),
                None => return Parsed::NeedMore(Self::size_of(second) - input.len()),
            }
        };
        let header = Self {
            fin: first & 0x80 != 0,
            rsv1: first & 0x40 != 0,
            rsv2: first & 0x20 != 0,
            rsv3: first & 0x10 != 0,
            opcode: first & 0x0f,
            mask,
            length,
            form,
        };
        Parsed::Done(header, input.len() - rest.len())
    }

    /// Returns the size of a header with this second byte.
    const fn size_of(second: u8) -> usize {
        let length = match second & 0x7f {
            126 => LengthForm::Medium.bytes(),
            127 => LengthForm::Long.bytes(),
            _ => LengthForm::Short.bytes(),
        };
        length + if second & 0x80 == 0 { 0 } else { 4 }
    }

    /// Returns how many bytes the header takes on the wire.
    #[inline]
    pub const fn size(&self) -> usize {
        self.written_form().bytes() + if self.mask.is_some() { 4 } else { 0 }
    }

    /// Returns the byte of FIN, the reserved bits and the opcode.
    #[inline]
    pub(crate) const fn first_byte(&self) -> u8 {
        (self.fin as u8) << 7
            | (self.rsv1 as u8) << 6
            | (self.rsv2 as u8) << 5
            | (self.rsv3 as u8) << 4
            | self.opcode & 0x0f
    }

    /// Writes the header to the start of `out` and returns its length.
    ///
    /// A length that its `form` cannot hold is written in the smallest form that can.
    #[inline]
    pub fn encode(&self, out: &mut [u8; MAX_HEADER]) -> usize {
        let first = self.first_byte();
        // Built in a register and written at once, so that a copy of the header need not wait for bytes written one by
        // one. The casts keep every bit: `written_form` holds the length.
        let form = self.written_form();
        let (marker, length) = match form {
            LengthForm::Short => (self.length as u8, 0),
            LengthForm::Medium => (126, u64::from((self.length as u16).swap_bytes())),
            LengthForm::Long => (127, self.length.swap_bytes()),
        };
        let mut used = form.bytes();
        let mut bytes = u128::from(first) | u128::from(marker) << 8 | u128::from(length) << 16;
        if let Some(key) = self.mask {
            bytes |= 0x80 << 8 | u128::from(u32::from_le_bytes(key.0)) << (8 * used);
            used += 4;
        }
        let [bytes @ .., _, _] = bytes.to_le_bytes();
        *out = bytes;
        used
    }

    /// Appends the header to `out`.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        let mut bytes = [0; MAX_HEADER];
        let used = self.encode(&mut bytes);
        out.extend_from_slice(&bytes[..used]);
    }

    #[inline]
    const fn written_form(&self) -> LengthForm {
        match self.form {
            LengthForm::Short if self.length <= 125 => LengthForm::Short,
            LengthForm::Short | LengthForm::Medium if self.length <= 0xffff => LengthForm::Medium,
            _ => LengthForm::Long,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: MaskKey = MaskKey([0x37, 0xfa, 0x21, 0x3d]);

    /// The headers of §5.7, then the corners.
    const TABLE: &[(&[u8], RawHeader)] = &[
        (&[0x81, 0x05], RawHeader { length: 5, ..RawHeader::TEXT }),
        (&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d], RawHeader { length: 5, mask: Some(KEY), ..RawHeader::TEXT }),
        (&[0x01, 0x03], RawHeader { length: 3, fin: false, ..RawHeader::TEXT }),
        (&[0x80, 0x02], RawHeader { length: 2, ..RawHeader::CONTINUATION }),
        (&[0x89, 0x05], RawHeader { length: 5, ..RawHeader::PING }),
        (&[0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d], RawHeader { length: 5, mask: Some(KEY), ..RawHeader::PONG }),
        (&[0x82, 0x7e, 0x01, 0x00], RawHeader { length: 256, form: LengthForm::Medium, ..RawHeader::BINARY }),
        (
            &[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0],
            RawHeader { length: 65536, form: LengthForm::Long, ..RawHeader::BINARY },
        ),
        (&[0x88, 0x7d], RawHeader { length: 125, ..RawHeader::CLOSE }),
        // None of these may be sent; all of them can be encoded.
        (
            &[0x7f, 0x7e, 0x00, 0x01],
            RawHeader {
                fin: false,
                rsv1: true,
                rsv2: true,
                rsv3: true,
                opcode: 0xf,
                mask: None,
                length: 1,
                form: LengthForm::Medium,
            },
        ),
        (
            &[0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x37, 0xfa, 0x21, 0x3d],
            RawHeader { length: u64::MAX, form: LengthForm::Long, mask: Some(KEY), ..RawHeader::BINARY },
        ),
    ];

    #[test]
    fn parses_and_encodes() {
        for (bytes, header) in TABLE {
            assert_eq!(RawHeader::parse(bytes), Parsed::Done(*header, bytes.len()));
            let mut out = Vec::new();
            header.encode_into(&mut out);
            assert_eq!(&out, bytes);
            assert_eq!(header.size(), bytes.len());
        }
    }

    #[test]
    fn never_asks_for_more_than_is_missing() {
        for (bytes, header) in TABLE {
            for cut in 0..bytes.len() {
                let Parsed::NeedMore(more) = RawHeader::parse(&bytes[..cut]) else {
                    panic!("{header:?} cut at {cut}");
                };
                assert!(more >= 1 && cut + more <= bytes.len(), "{header:?} cut at {cut}: {more}");
            }
        }
    }

    #[test]
    fn a_form_too_small_gives_way() {
        for (length, form) in [(126, LengthForm::Medium), (65_536, LengthForm::Long)] {
            let mut out = Vec::new();
            RawHeader { length, ..RawHeader::BINARY }.encode_into(&mut out);
            let expected = RawHeader { length, form, ..RawHeader::BINARY };
            assert_eq!(RawHeader::parse(&out), Parsed::Done(expected, out.len()));
        }
    }
}
