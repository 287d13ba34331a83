//! Checks the peer's frames against the rules that always apply (RFC 6455 §5; RFC 7692 §6).
//!
//! This is written from the RFCs for the lab alone and uses none of the library's own judgement.

use bowsprit::error::Section;
use bowsprit::frame::RawHeader;

use super::deflate::Codec;
use super::header::{judge, may_close_with};
use super::rule::Violation;
use super::wire::{FrameReader, TooLong};
use crate::counted;

/// How many frames a peer may send in one case beyond those that the case can ask for.
const MOST_FRAMES: u32 = 100_000;

/// Reads frames and puts messages together.
#[derive(Debug)]
pub(super) struct Receiver {
    frames: FrameReader,
    assembly: Assembly,
    offending: Vec<u8>,
    /// How many more frames may come.
    frames_left: u32,
}

/// The part of the peer's messages that has come.
#[derive(Debug)]
struct Assembly {
    /// Whether the peer must mask.
    peer_masks: bool,
    message: Option<Message>,
    closed: bool,
    /// The code of the peer's Close, whether or not it may be sent.
    code: Option<u16>,
    /// The most bytes that a message may hold.
    most: usize,
}

#[derive(Debug)]
struct Message {
    text: bool,
    compressed: bool,
    bytes: Vec<u8>,
}

/// A frame and what it completes.
#[derive(Debug)]
pub(super) struct Received<'a> {
    /// The header.
    pub header: RawHeader,
    /// The payload, unmasked.
    pub payload: &'a [u8],
    /// What the frame completes, if anything.
    pub seen: Option<Seen>,
}

/// Something complete that the peer sent, or that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// A text message.
    Text(Vec<u8>),
    /// A binary message.
    Binary(Vec<u8>),
    /// A Ping.
    Ping(Vec<u8>),
    /// A Pong.
    Pong(Vec<u8>),
    /// A Close, with its code and its whole payload.
    Close(Option<u16>, Vec<u8>),
    /// A wait passed.
    Waited,
    /// An echo run is complete.
    Echoed,
}

impl Receiver {
    /// Creates a receiver for a client's frames (`peer_masks`) or a server's, with messages of up to `most` bytes.
    pub(super) fn new(peer_masks: bool, most: usize) -> Self {
        Self {
            // The cast widens.
            frames: FrameReader::with_most(most as u64),
            frames_left: MOST_FRAMES.saturating_add(u32::try_from(most).unwrap_or(u32::MAX)),
            assembly: Assembly { peer_masks, message: None, closed: false, code: None, most },
            offending: Vec::new(),
        }
    }

    /// Adds bytes that have come.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.frames.push(bytes);
    }

    /// Returns the frame that broke a rule, or the bytes that are left.
    pub(super) fn offending(&self) -> &[u8] {
        if self.offending.is_empty() { self.frames.rest() } else { &self.offending }
    }

    /// Returns whether bytes are left that are not a whole frame.
    pub(super) fn has_rest(&self) -> bool {
        !self.frames.rest().is_empty()
    }

    /// Returns the code of the peer's Close, whether or not it may be sent.
    pub(super) fn code(&self) -> Option<u16> {
        self.assembly.code
    }

    /// Returns the next whole frame.
    ///
    /// # Errors
    ///
    /// Returns the rule that the peer broke.
    pub(super) fn next(&mut self, codec: Option<&mut Codec>) -> Result<Option<Received<'_>>, Violation> {
        let (header, payload) = match self.frames.next_view() {
            Ok(Some(frame)) => frame,
            Ok(None) => return Ok(None),
            Err(TooLong(header)) => {
                self.assembly.check_header(header, codec.is_some())?;
                let what = format!(
                    "It declares a frame of {}, more than the case can ask for",
                    counted(header.length, "byte")
                );
                return Err(Violation::new(Section::rfc6455("10.4"), what));
            }
        };
        self.frames_left = self.frames_left.saturating_sub(1);
        if self.frames_left == 0 {
            return Err(Violation::new(
                Section::rfc6455("10.4"),
                "It sends more frames than a case can ask for, without end",
            ));
        }
        let seen = self.assembly.take(header, payload, codec).inspect_err(|_| {
            self.offending.clear();
            header.encode_into(&mut self.offending);
            let kept = payload.len().min(super::wire::EXCERPT);
            self.offending.extend_from_slice(&payload[..kept]);
        })?;
        Ok(Some(Received { header, payload, seen }))
    }
}

impl Assembly {
    fn take(
        &mut self,
        header: RawHeader,
        payload: &[u8],
        codec: Option<&mut Codec>,
    ) -> Result<Option<Seen>, Violation> {
        self.check_header(header, codec.is_some())?;
        if header.opcode >= 8 {
            return self.control(header.opcode, payload).map(Some);
        }
        if self.closed {
            return Err(Violation::new(Section::rfc6455("5.5.1"), "A data frame follows its Close"));
        }
        match (&mut self.message, header.opcode) {
            (Some(message), 0) => message.bytes.extend_from_slice(payload),
            (None, 0) => {
                return Err(Violation::new(
                    Section::rfc6455("5.4"),
                    "A continuation frame comes without a message to continue",
                ));
            }
            (Some(_), _) => {
                return Err(Violation::new(
                    Section::rfc6455("5.4"),
                    "A new message starts inside a fragmented one",
                ));
            }
            (message, opcode) => {
                *message =
                    Some(Message { text: opcode == 1, compressed: header.rsv1, bytes: payload.to_vec() });
            }
        }
        if self.message.as_ref().is_some_and(|message| message.bytes.len() > self.most) {
            let what = format!(
                "Its message grows beyond {}, more than the case can ask for",
                counted(self.most, "byte")
            );
            return Err(Violation::new(Section::rfc6455("10.4"), what));
        }
        if !header.fin {
            return Ok(None);
        }
        let Some(mut message) = self.message.take() else { return Ok(None) };
        if let (true, Some(codec)) = (message.compressed, codec) {
            message.bytes = codec.decompress(&message.bytes).map_err(|fault| {
                Violation::new(fault.section, format!("Its compressed message {}", fault.what))
            })?;
        }
        if !message.text {
            return Ok(Some(Seen::Binary(message.bytes)));
        }
        if str::from_utf8(&message.bytes).is_err() {
            return Err(Violation::new(Section::rfc6455("5.6"), "Its text message is not UTF-8"));
        }
        Ok(Some(Seen::Text(message.bytes)))
    }

    fn check_header(&self, header: RawHeader, deflate: bool) -> Result<(), Violation> {
        let mut first = None;
        judge(&header, Some(self.peer_masks), deflate, &mut |section, what| {
            first.get_or_insert_with(|| Violation::new(section, what));
        });
        first.map_or(Ok(()), Err)
    }

    fn control(&mut self, opcode: u8, payload: &[u8]) -> Result<Seen, Violation> {
        match opcode {
            9 => Ok(Seen::Ping(payload.to_vec())),
            10 => Ok(Seen::Pong(payload.to_vec())),
            _ if self.closed => {
                Err(Violation::new(Section::rfc6455("5.5.1"), "A second Close follows the first"))
            }
            _ => {
                self.closed = true;
                let code = match payload {
                    [] => None,
                    [_] => {
                        return Err(Violation::new(
                            Section::rfc6455("5.5.1"),
                            "Its Close has a payload of one byte",
                        ));
                    }
                    [high, low, reason @ ..] => {
                        self.code = Some(u16::from_be_bytes([*high, *low]));
                        if str::from_utf8(reason).is_err() {
                            return Err(Violation::new(
                                Section::rfc6455("5.5.1"),
                                "The reason of its Close is not UTF-8",
                            ));
                        }
                        self.code
                    }
                };
                match code {
                    Some(code) if !may_close_with(code) => Err(Violation::new(
                        Section::rfc6455("7.4"),
                        format!("Its close code is {code}, which no endpoint may send"),
                    )),
                    code => Ok(Seen::Close(code, payload.to_vec())),
                }
            }
        }
    }
}
