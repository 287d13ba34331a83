//! A frame header that is legal (RFC 6455 §5.1-5.5).
//!
//! In: a [`RawHeader`] and the [`Rules`] of this connection. Out: a [`Header`], which can hold nothing that the RFC
//! forbids, or the rule that was broken. [`Header::check`] is the only way in. The layer above judges what depends on
//! earlier frames (a continuation without a message, the size of a message).

use super::{LengthForm, MaskKey, RawHeader};
use crate::error::ProtocolError;
use crate::role::Role;

/// What a connection accepts in the headers of its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Our side.
    pub role: Role,
    /// Whether RSV1 may mark a compressed message (RFC 7692 §6).
    pub compression: bool,
    /// The longest payload of one data frame, in bytes.
    pub max_frame: u64,
}

/// A header that has passed [`Header::check`].
// Plain words, so that it stays in registers: a `Kind` here would be written and read back in pieces of other sizes
// (benches/NOTES.md, "turn").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    opcode: Opcode,
    fin: bool,
    compressed: bool,
    length: u64,
    mask: Option<MaskKey>,
}

/// The opcodes that have a meaning (§5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

/// What a legal frame can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Close, Ping or Pong frame, never fragmented (§5.5).
    Control {
        /// The opcode.
        opcode: Control,
        /// Bytes of payload, at most 125.
        length: u8,
    },
    /// The first frame of a message.
    First {
        /// Text or binary.
        data: DataKind,
        /// Whether it is also the last frame of the message.
        fin: bool,
        /// Whether the message is compressed (RFC 7692 §6).
        compressed: bool,
        /// Bytes of payload.
        length: u64,
    },
    /// A later frame of a message.
    Continuation {
        /// Whether it is the last frame of the message.
        fin: bool,
        /// Bytes of payload.
        length: u64,
    },
}

/// The opcodes of control frames (§5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Control {
    /// 0x8
    Close,
    /// 0x9
    Ping,
    /// 0xA
    Pong,
}

/// The opcodes of data frames (§5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataKind {
    /// 0x1: UTF-8.
    Text,
    /// 0x2: any bytes.
    Binary,
}

impl Control {
    /// Returns the opcode on the wire.
    pub const fn opcode(self) -> u8 {
        match self {
            Control::Close => 0x8,
            Control::Ping => 0x9,
            Control::Pong => 0xa,
        }
    }
}

impl DataKind {
    /// Returns the opcode on the wire.
    pub const fn opcode(self) -> u8 {
        match self {
            DataKind::Text => 0x1,
            DataKind::Binary => 0x2,
        }
    }
}

impl Header {
    /// Judges a header by itself, before a single byte of its payload is kept.
    ///
    /// # Errors
    ///
    /// The first broken rule, in the order in which the header is read.
    #[inline]
    pub fn check(raw: &RawHeader, rules: &Rules) -> Result<Self, ProtocolError> {
        if raw.rsv2 || raw.rsv3 || (raw.rsv1 && !rules.compression) {
            return Err(ProtocolError::ReservedBit); // §5.2: MUST be 0 unless an extension is negotiated
        }
        let opcode = match raw.opcode {
            0x0 => Opcode::Continuation,
            0x1 => Opcode::Text,
            0x2 => Opcode::Binary,
            0x8 => Opcode::Close,
            0x9 => Opcode::Ping,
            0xa => Opcode::Pong,
            opcode => return Err(ProtocolError::ReservedOpcode(opcode)), // §5.2
        };
        let is_control = raw.opcode >= 0x8;
        if is_control && !raw.fin {
            return Err(ProtocolError::ControlFragmented); // §5.5: MUST NOT be fragmented
        }
        if is_control && raw.form != LengthForm::Short {
            return Err(ProtocolError::ControlTooLong); // §5.5: 125 bytes or less
        }
        if raw.rsv1 && !matches!(opcode, Opcode::Text | Opcode::Binary) {
            return Err(ProtocolError::CompressedBitMisplaced); // RFC 7692 §6.1: only on the first fragment
        }
        match (rules.role.peer_masks(), raw.mask) {
            (true, None) => return Err(ProtocolError::MaskMissing), // §5.1: a client masks every frame
            (false, Some(_)) => return Err(ProtocolError::MaskForbidden), // §5.1: a server masks none
            _ => {}
        }
        if raw.form != LengthForm::Short {
            if raw.length >> 63 != 0 {
                return Err(ProtocolError::LengthTopBit); // §5.2: the most significant bit MUST be 0
            }
            if raw.form != LengthForm::minimal(raw.length) {
                return Err(ProtocolError::LengthNotMinimal); // §5.2: the minimal number of bytes MUST be used
            }
        }
        if raw.length > rules.max_frame && !is_control {
            return Err(ProtocolError::FrameTooLong); // §10.4
        }
        Ok(Self { opcode, fin: raw.fin, compressed: raw.rsv1, length: raw.length, mask: raw.mask })
    }

    /// Returns what the frame is.
    #[inline]
    pub const fn kind(&self) -> Kind {
        let &Self { opcode, fin, compressed, length, .. } = self;
        match opcode {
            Opcode::Continuation => Kind::Continuation { fin, length },
            Opcode::Text => Kind::First { data: DataKind::Text, fin, compressed, length },
            Opcode::Binary => Kind::First { data: DataKind::Binary, fin, compressed, length },
            // `check` has refused control frames longer than 125 bytes.
            Opcode::Close => Kind::Control { opcode: Control::Close, length: length as u8 },
            Opcode::Ping => Kind::Control { opcode: Control::Ping, length: length as u8 },
            Opcode::Pong => Kind::Control { opcode: Control::Pong, length: length as u8 },
        }
    }

    /// Returns the masking key of a client's frame.
    #[inline]
    pub const fn mask(&self) -> Option<MaskKey> {
        self.mask
    }

    /// Returns how many bytes of payload follow.
    #[inline]
    pub const fn length(&self) -> u64 {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: Rules = Rules { role: Role::Server, compression: false, max_frame: 1 << 20 };
    const CLIENT: Rules = Rules { role: Role::Client, ..SERVER };
    const KEY: MaskKey = MaskKey([1, 2, 3, 4]);

    fn masked(raw: RawHeader) -> RawHeader {
        raw.with_mask(KEY)
    }

    #[test]
    fn every_broken_rule_has_its_error() {
        use ProtocolError::*;
        let long = |length, form| RawHeader { length, form, ..RawHeader::BINARY };
        for (rules, raw, error) in [
            (SERVER, RawHeader::TEXT, MaskMissing),
            (SERVER, RawHeader::PING, MaskMissing),
            (CLIENT, masked(RawHeader::TEXT), MaskForbidden),
            (CLIENT, RawHeader { rsv1: true, ..RawHeader::TEXT }, ReservedBit),
            (CLIENT, RawHeader { rsv2: true, ..RawHeader::TEXT }, ReservedBit),
            (CLIENT, RawHeader { rsv3: true, ..RawHeader::CLOSE }, ReservedBit),
            (CLIENT, RawHeader::of(0x3), ReservedOpcode(0x3)),
            (CLIENT, RawHeader { fin: false, ..RawHeader::of(0xb) }, ReservedOpcode(0xb)),
            (CLIENT, RawHeader { length: u64::MAX, ..RawHeader::of(0x7) }, ReservedOpcode(0x7)),
            (CLIENT, long(125, LengthForm::Medium), LengthNotMinimal),
            (CLIENT, long(125, LengthForm::Long), LengthNotMinimal),
            (CLIENT, long(65_535, LengthForm::Long), LengthNotMinimal),
            (CLIENT, long(1 << 63, LengthForm::Long), LengthTopBit),
            (CLIENT, long(u64::MAX, LengthForm::Long), LengthTopBit),
            (CLIENT, long(u64::MAX >> 1, LengthForm::Long), FrameTooLong),
            (CLIENT, long((1 << 20) + 1, LengthForm::Long), FrameTooLong),
            (CLIENT, RawHeader { fin: false, ..RawHeader::CLOSE }, ControlFragmented),
            (CLIENT, RawHeader { length: 126, form: LengthForm::Medium, ..RawHeader::PONG }, ControlTooLong),
            (CLIENT, RawHeader { length: 5, form: LengthForm::Medium, ..RawHeader::PING }, ControlTooLong),
        ] {
            assert_eq!(Header::check(&raw, &rules), Err(error), "{raw:?}");
        }
    }

    #[test]
    fn compression_gives_rsv1_a_meaning_on_first_frames_only() {
        let rules = Rules { compression: true, ..CLIENT };
        let set = |raw| RawHeader { rsv1: true, ..raw };
        let text = Header::check(&set(RawHeader::TEXT), &rules).map(|header| header.kind());
        assert!(matches!(text, Ok(Kind::First { compressed: true, .. })));
        for raw in [RawHeader::CONTINUATION, RawHeader::PING, RawHeader::PONG, RawHeader::CLOSE] {
            let result = Header::check(&set(raw), &rules);
            assert_eq!(result, Err(ProtocolError::CompressedBitMisplaced), "{raw:?}");
        }
        let both = RawHeader { rsv2: true, ..set(RawHeader::TEXT) };
        assert_eq!(Header::check(&both, &rules), Err(ProtocolError::ReservedBit));
    }

    /// Everything that two bytes can express, against the rules in another form.
    #[test]
    fn two_bytes_in_full() {
        for rules in [SERVER, CLIENT] {
            for first in 0..=255u8 {
                for second in 0..=255u8 {
                    let mut bytes = [0; 14];
                    bytes[..2].copy_from_slice(&[first, second]);
                    let (length, form) = match second & 0x7f {
                        126 => (126, LengthForm::Medium),
                        127 => (65_536, LengthForm::Long),
                        short => (short.into(), LengthForm::Short),
                    };
                    let raw = RawHeader {
                        fin: first & 0x80 != 0,
                        rsv1: first & 0x40 != 0,
                        rsv2: first & 0x20 != 0,
                        rsv3: first & 0x10 != 0,
                        opcode: first & 0xf,
                        mask: (second & 0x80 != 0).then_some(KEY),
                        length,
                        form,
                    };
                    let opcode_is_known = [0, 1, 2, 8, 9, 10].contains(&(first & 0xf));
                    let control_is_short = first & 8 == 0 || (first & 0x80 != 0 && second & 0x7f < 126);
                    let mask_is_right = (second & 0x80 != 0) == (rules.role == Role::Server);
                    let legal = first & 0x70 == 0 && opcode_is_known && control_is_short && mask_is_right;
                    assert_eq!(Header::check(&raw, &rules).is_ok(), legal, "{first:#x} {second:#x}");
                }
            }
        }
    }
}
