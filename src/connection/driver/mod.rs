//! Tools for writing an event loop: how thousands of connections share the memory that only busy ones need, and how
//! long messages pass without a copy.
//!
//! [`Connection`](super::Connection) is all that most programs need; it owns whatever it uses. This module leaves more
//! work to its caller and allocates, copies and holds less. A buffer for messages that come in pieces, a queue, an
//! inflater and a compressor are *lent* to the halves of a connection while it reads or sends, and *reclaimed* once
//! they are not in use. Long payloads are read straight to where they belong and written from where they lie. Features
//! `event-loop` and `blocking` are built on this module.
//!
//! ```
//! use bowsprit::connection::driver::{InboundExt as _, OutboundExt as _, SendQueue};
//! use bowsprit::connection::{Config, Event, Inbound, Outbound};
//! use bowsprit::message::MessageBuffer;
//! use std::io::{self, Read, Write};
//!
//! /// If at least this much of a message is still to come, it is read straight to its place.
//! const DIRECT_FROM: usize = 64 * 1024;
//!
//! /// What all connections share.
//! struct Shared {
//!     scratch: Vec<u8>,
//!     buffer: Option<Box<MessageBuffer>>,
//!     queue: Option<Box<SendQueue>>,
//! }
//!
//! /// Reads once, and echoes the messages that end with what was read.
//! fn turn(
//!     stream: &mut (impl Read + Write),
//!     shared: &mut Shared,
//!     inbound: &mut Inbound,
//!     outbound: &mut Outbound,
//! ) -> io::Result<()> {
//!     if !inbound.has_buffer() && let Some(buffer) = shared.buffer.take() {
//!         inbound.lend(buffer);
//!     }
//!     if !outbound.has_queue() && let Some(queue) = shared.queue.take() {
//!         outbound.lend_queue(queue);
//!     }
//!     if let Some(room) = inbound.room(DIRECT_FROM, outbound.config()) {
//!         let len = stream.read(room)?;
//!         if let Some(Event::Message(message)) = inbound.filled(len, outbound).map_err(io::Error::other)? {
//!             outbound.send(message).map_err(io::Error::other)?;
//!         }
//!     } else {
//!         let len = stream.read(&mut shared.scratch)?;
//!         let mut input = &mut shared.scratch[..len];
//!         while let Some(event) = inbound.next(&mut input, outbound).map_err(io::Error::other)? {
//!             if let Event::Message(message) = event {
//!                 outbound.send(message).map_err(io::Error::other)?;
//!             }
//!         }
//!     }
//!     shared.buffer = inbound.reclaim().or(shared.buffer.take());
//!
//!     let written = stream.write(outbound.pending())?;
//!     outbound.advance(written);
//!     shared.queue = outbound.reclaim_queue().or(shared.queue.take());
//!     Ok(())
//! }
//!
//! # struct Stream(&'static [u8], Vec<u8>);
//! # impl Read for Stream {
//! #     fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> { self.0.read(buf) }
//! # }
//! # impl Write for Stream {
//! #     fn write(&mut self, bytes: &[u8]) -> io::Result<usize> { self.1.write(bytes) }
//! #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
//! # }
//! # let mut stream = Stream(b"\x81\x82\0\0\0\0hi", Vec::new());
//! # let mut shared = Shared { scratch: vec![0; 1024], buffer: Some(Box::default()), queue: None };
//! # let mut inbound = Inbound::new();
//! # let mut outbound = Outbound::server(std::sync::Arc::new(Config::default()));
//! # turn(&mut stream, &mut shared, &mut inbound, &mut outbound).unwrap();
//! # assert_eq!(stream.1, b"\x81\x02hi");
//! # assert!(shared.buffer.is_some() && shared.queue.is_some());
//! ```

mod inbound;
mod outbound;

use super::closing::{self, CloseFrames, CloseStep};
use super::deadlines::{Deadlines, Due};
use super::inbound::Inbound;
use super::outbound::Outbound;
use super::outcome::{CloseFrame, Outcome};
use crate::close::{CloseCode, CloseReason};
use crate::time::Instant;

pub use super::inbound::MessageProgress;
pub use super::send_queue::SendQueue;
pub use inbound::InboundExt;
#[cfg(feature = "blocking")]
pub(crate) use inbound::inflated_last;
pub use outbound::OutboundExt;

/// [`Connection::close_step`](super::Connection::close_step).
pub(crate) fn close_step(inbound: &Inbound, outbound: &Outbound) -> CloseStep {
    closing::close_step(outbound.role(), CloseFrames::of(inbound, outbound))
}

/// Returns [`close_step`]. Once there is a step, it also starts the close deadline.
pub(crate) fn step_to_end(
    inbound: &Inbound,
    outbound: &Outbound,
    deadlines: &mut Deadlines,
    now: Instant,
) -> CloseStep {
    let step = close_step(inbound, outbound);
    if step != CloseStep::None {
        deadlines.closing(now);
    }
    step
}

/// [`Connection::outcome`](super::Connection::outcome).
pub(crate) fn outcome(inbound: &Inbound, outbound: &Outbound) -> Outcome {
    Outcome {
        received: CloseFrame::of(inbound.received_close(), inbound.close_received()),
        sent: outbound.our_close(),
        error: inbound.error(),
    }
}

/// [`Connection::handle_timeout`](super::Connection::handle_timeout).
pub(crate) fn expire(deadlines: &mut Deadlines, outbound: &mut Outbound, now: Instant) -> Option<Due> {
    expire_with(deadlines, outbound, now, b"")
}

/// Does what [`expire`] does; a Ping that is due carries `ping`.
pub(crate) fn expire_with(
    deadlines: &mut Deadlines,
    outbound: &mut Outbound,
    now: Instant,
    ping: &[u8],
) -> Option<Due> {
    let due = deadlines.expire(now, outbound.config())?;
    let reason = match due {
        Due::Ping => {
            // Refused only while closing, when no Ping is due.
            let _ = outbound.ping(ping);
            return None;
        }
        Due::Idle => "idle for too long",
        Due::Dead => "no answer to a Ping",
        Due::Stalled => "nothing of the message for too long",
        Due::CloseTimeout => return Some(due),
    };
    let code = if due == Due::Stalled { CloseCode::POLICY } else { CloseCode::GOING_AWAY };
    outbound.fail(CloseReason { code, reason });
    deadlines.closing(now);
    Some(due)
}

/// Only the halves of a connection implement these traits.
mod sealed {
    pub trait Half {}
}

impl sealed::Half for Inbound {}
impl sealed::Half for Outbound {}
