//! The receiving side of a blocking client: a buffer, and the events in it.
//!
//! An event is borrowed from the buffer, and a function that fills the buffer in a loop cannot return it: the borrow
//! checker would keep the buffer borrowed in the next round, too. So there are two steps: [`step`](Decoder::step) finds
//! the next event and borrows nothing, and [`view`](Decoder::view) returns what was found.

use std::ops::Range;

use crate::connection::driver::{self, InboundExt as _, MessageProgress};
use crate::connection::{Chunk, Config, Event, Inbound, Outbound};
use crate::error::ProtocolError;
use crate::extension::deflate::DeflateParams;
use crate::frame::{DataKind, Header};
use crate::message::Message;
use crate::role::Role;
use crate::utf8;

/// A buffer and the state of the connection's receiving half.
#[derive(Debug)]
pub(super) struct Decoder {
    inbound: Inbound,
    buf: Vec<u8>,
    /// The part of the buffer that has been read and not yet taken.
    start: usize,
    end: usize,
    /// Whether the last read went to the room of a long message.
    direct: bool,
    /// The payload of the last Ping or Pong.
    control: ([u8; 125], usize),
}

/// The place of an event.
#[derive(Debug)]
pub(super) enum Found {
    /// A message in the buffer.
    Message(DataKind, Range<usize>),
    /// A message that was assembled from pieces.
    Assembled,
    Frame(Header),
    Chunk {
        kind: DataKind,
        place: Range<usize>,
        frame_ends: bool,
        message_ends: bool,
    },
    /// A chunk that was inflated to this many bytes.
    Inflated {
        kind: DataKind,
        len: usize,
        frame_ends: bool,
        message_ends: bool,
    },
    Ping,
    Pong,
    Close,
}

/// A read of 64 KiB costs little more than one of 4, and saves most of the calls under load.
const BUFFER: usize = 64 * 1024;

/// If at least this much of a message is still to come, it is read straight into its own buffer.
const DIRECT_FROM: usize = 64 * 1024;

/// If the last message was at least this long, the next one may be, too: then little more than its header is read
/// first, so that most of it can be read to where it belongs.
const HEADER_FIRST_FROM: usize = 128 * 1024;
const FIRST_READ: usize = 1024;

impl Decoder {
    pub(super) fn new() -> Self {
        Self {
            inbound: Inbound::new(),
            buf: vec![0; BUFFER],
            start: 0,
            end: 0,
            direct: false,
            control: ([0; 125], 0),
        }
    }

    /// Uses permessage-deflate as agreed.
    pub(super) fn use_deflate(&mut self, agreed: DeflateParams) {
        self.inbound.use_deflate(agreed, Role::Client);
    }

    pub(super) const fn inbound(&self) -> &Inbound {
        &self.inbound
    }

    /// Returns whether bytes of the open message have arrived since the last call.
    pub(super) fn take_progress(&mut self) -> MessageProgress {
        self.inbound.take_progress()
    }

    /// Takes bytes that were read elsewhere.
    pub(super) fn preload(&mut self, bytes: &[u8]) {
        debug_assert!(self.start == self.end);
        self.buf.resize(bytes.len().max(BUFFER), 0);
        self.buf[..bytes.len()].copy_from_slice(bytes);
        (self.start, self.end) = (0, bytes.len());
    }

    /// Finds the next event in what has been read. Returns `None` once all of it is taken.
    pub(super) fn step(&mut self, outbound: &mut Outbound) -> Result<Option<Found>, ProtocolError> {
        let base = self.buf.as_ptr() as usize;
        let end = self.end;
        let mut input = &mut self.buf[self.start..end];
        let event = self.inbound.next(&mut input, outbound);
        // Addresses are compared, never followed.
        let place = |bytes: &[u8]| {
            let start = (bytes.as_ptr() as usize).checked_sub(base).filter(|start| *start < end)?;
            Some(start..start + bytes.len())
        };
        let control = &mut self.control;
        let mut keep = |payload: &[u8]| {
            control.0[..payload.len()].copy_from_slice(payload);
            control.1 = payload.len();
        };
        let found = match event? {
            None => None,
            Some(Event::Message(message)) => Some(match place(message.as_bytes()) {
                Some(place) if !message.is_empty() => Found::Message(message.kind(), place),
                _ if message.is_empty() => Found::Message(message.kind(), 0..0),
                _ => Found::Assembled,
            }),
            Some(Event::Frame(header)) => Some(Found::Frame(header)),
            Some(Event::Chunk(Chunk { kind, payload, frame_ends, message_ends })) => {
                let len = payload.len();
                Some(match place(payload) {
                    Some(place) => Found::Chunk { kind, place, frame_ends, message_ends },
                    None => Found::Inflated { kind, len, frame_ends, message_ends },
                })
            }
            Some(Event::Ping(payload)) => {
                keep(payload);
                Some(Found::Ping)
            }
            Some(Event::Pong(payload)) => {
                keep(payload);
                Some(Found::Pong)
            }
            Some(Event::Close(_)) => Some(Found::Close),
        };
        self.start = end - input.len();
        Ok(found)
    }

    /// Returns the message that was found, or `None` for any other event.
    pub(super) fn message(&self, found: Found) -> Option<Message<'_>> {
        match found {
            // It was checked before; a second look at 64 KiB at most is cheaper than what avoiding it would take.
            Found::Message(DataKind::Text, place) => utf8::validate(&self.buf[place]).ok().map(Message::Text),
            Found::Message(DataKind::Binary, place) => Some(Message::Binary(&self.buf[place])),
            Found::Assembled => self.inbound.assembled(),
            _ => None,
        }
    }

    /// Returns the event that was found.
    pub(super) fn view(&self, found: Found) -> Option<Event<'_>> {
        Some(match found {
            Found::Message(..) | Found::Assembled => Event::Message(self.message(found)?),
            Found::Frame(header) => Event::Frame(header),
            Found::Chunk { kind, place, frame_ends, message_ends } => {
                Event::Chunk(Chunk { kind, payload: &self.buf[place], frame_ends, message_ends })
            }
            Found::Inflated { kind, len, frame_ends, message_ends } => {
                let payload = driver::inflated_last(&self.inbound, len);
                Event::Chunk(Chunk { kind, payload, frame_ends, message_ends })
            }
            Found::Ping => Event::Ping(self.control()),
            Found::Pong => Event::Pong(self.control()),
            Found::Close => Event::Close(self.inbound.close_received()),
        })
    }

    /// Returns the payload of the last Ping or Pong.
    pub(super) fn control(&self) -> &[u8] {
        &self.control.0[..self.control.1]
    }

    /// Returns where the next read goes. Called once all is taken.
    pub(super) fn space(&mut self, config: &Config) -> &mut [u8] {
        debug_assert!(self.start == self.end);
        (self.start, self.end) = (0, 0);
        // Asked twice, as the borrow cannot be kept across the branch.
        self.direct = self.inbound.room(DIRECT_FROM, config).is_some();
        if self.direct {
            return self.inbound.room(DIRECT_FROM, config).unwrap_or_default();
        }
        let is_header_first = self.inbound.may_want_room(HEADER_FIRST_FROM, config);
        if is_header_first { &mut self.buf[..FIRST_READ] } else { &mut self.buf }
    }

    /// Records that `len` bytes have been read to the [`space`](Self::space).
    pub(super) fn filled(
        &mut self,
        len: usize,
        outbound: &mut Outbound,
    ) -> Result<Option<Found>, ProtocolError> {
        if self.direct {
            return Ok(self.inbound.filled(len, outbound)?.map(|_| Found::Assembled));
        }
        self.end = len;
        Ok(None)
    }
}
