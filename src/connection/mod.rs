//! One WebSocket connection after its handshake (RFC 6455 §5-§7), without a socket and without a clock.
//!
//! Bytes from the peer go in and [`Event`]s come out; messages go in and bytes for the peer come out. The time is an
//! argument. The two halves can be borrowed separately, so that an event that lies in the receive buffer can be
//! answered while it is borrowed:
//!
//! ```
//! use bowsprit::connection::{Config, Connection, Event};
//! use bowsprit::time;
//! use std::{sync::Arc, time::Duration};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = time::at(Duration::ZERO); // or `Instant::now()`
//! let mut conn = Connection::server(Arc::new(Config::default()), now);
//! // RFC 6455 §5.7: a masked "Hello", as a read might bring it.
//! let mut buf = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
//!
//! let Connection { inbound, outbound, .. } = &mut conn;
//! let mut input = &mut buf[..];
//! while let Some(event) = inbound.next(&mut input, outbound)? {
//!     if let Event::Message(message) = event {
//!         outbound.send(message)?; // an echo, borrowed from `buf`
//!     }
//! }
//! assert_eq!(outbound.pending(), b"\x81\x05Hello");
//! # Ok(()) }
//! ```
//!
//! When `next` returns `None`, all input is taken: an unfinished header is kept inside, so that no caller counts bytes
//! to discard and an idle connection owns no buffer.

mod closing;
mod config;
mod deadlines;
pub mod driver;
mod inbound;
mod latency;
mod outbound;
mod outcome;
mod send_queue;

use alloc::boxed::Box;
use alloc::sync::Arc;

pub use closing::{CloseFrames, CloseStep, close_step};
pub use config::{Config, Delivery};
pub use deadlines::{Deadlines, Due};
pub use inbound::{Chunk, Event, Inbound};
pub use latency::Latency;
pub use outbound::{Outbound, SendError};
pub use outcome::{CloseFrame, Outcome};

pub use crate::extension::Compression;

use crate::close::CloseReason;
use crate::entropy::Entropy;
use crate::error::ProtocolError;
use crate::extension::deflate::DeflateParams;
use crate::time::Instant;
use driver::{InboundExt as _, OutboundExt as _};

/// Both halves of a connection, and its deadlines.
///
/// A driver that uses the halves separately must report to the deadlines what the methods here report: that bytes were
/// [`heard`](Deadlines::heard), whether they advanced a message ([`progress`](Deadlines::progress)), and that the
/// connection is [`closing`](Deadlines::closing) once the [`Outbound`] has [`sent_close`](Outbound::sent_close).
#[derive(Debug)]
pub struct Connection {
    /// The receiving half: what the peer sends.
    pub inbound: Inbound,
    /// The sending half: what we send.
    pub outbound: Outbound,
    /// What is due, and when.
    pub deadlines: Deadlines,
}

impl Connection {
    /// Creates a server's connection that opens now.
    pub fn server(config: Arc<Config>, now: Instant) -> Self {
        Self::new(Outbound::server(config), now)
    }

    /// Creates a client's connection that opens now, with its source of masking keys.
    pub fn client(config: Arc<Config>, masks: Box<dyn Entropy + Send>, now: Instant) -> Self {
        Self::new(Outbound::client(config, masks), now)
    }

    /// Returns this connection with permessage-deflate as agreed in the handshake
    /// ([`Agreement::deflate`](crate::handshake::Agreement::deflate)).
    #[must_use]
    pub fn with_deflate(mut self, agreed: DeflateParams) -> Self {
        self.inbound.use_deflate(agreed, self.outbound.role());
        self.outbound.use_deflate(agreed);
        self
    }

    fn new(outbound: Outbound, now: Instant) -> Self {
        Self { inbound: Inbound::new(), outbound, deadlines: Deadlines::new(now) }
    }

    /// Takes the next event from the front of `input`, which arrived at `now`; see [`Inbound::next`].
    ///
    /// # Errors
    ///
    /// The rule that the peer broke.
    pub fn next<'a, 'b: 'a>(
        &'a mut self,
        input: &mut &'b mut [u8],
        now: Instant,
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        self.deadlines.progress(self.inbound.take_progress()); // from the bytes that were taken before
        if !input.is_empty() {
            self.deadlines.heard(now);
        }
        let event = self.inbound.next(input, &mut self.outbound);
        if self.outbound.sent_close() {
            self.deadlines.closing(now); // we have answered the peer's Close frame, or failed the connection
        }
        event
    }

    /// Begins the closing handshake (§7.1.2).
    ///
    /// # Errors
    ///
    /// See [`Outbound::close`].
    pub fn close(&mut self, reason: Option<CloseReason<'_>>, now: Instant) -> Result<(), SendError> {
        self.outbound.close(reason)?;
        self.deadlines.closing(now);
        Ok(())
    }

    /// Returns the next step towards the end.
    pub fn close_step(&self) -> CloseStep {
        driver::close_step(&self.inbound, &self.outbound)
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) has to be called, unless something happens before.
    pub fn next_timeout(&self) -> Option<Instant> {
        let mut deadlines = self.deadlines.clone();
        deadlines.progress(self.inbound.progress());
        deadlines.next(self.outbound.config())
    }

    /// Does what is due by `now`. Returns whether the connection has to be given up: what is queued may be written once
    /// more, then the TCP connection is closed.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Due> {
        driver::step_to_end(&self.inbound, &self.outbound, &mut self.deadlines, now);
        self.deadlines.progress(self.inbound.take_progress());
        driver::expire(&mut self.deadlines, &mut self.outbound, now)
    }

    /// Returns how many bytes of memory are held for this connection, beyond its own size: the message that is being
    /// assembled and its inflater, what waits to be sent, and the compressor. Buffers that were lent to the connection
    /// count while it has them.
    ///
    /// The number is exact with these exceptions: inflaters and compressors count as measured
    /// (`benches/deflate_memory.rs`), and a message that several connections send counts in equal parts.
    pub fn held(&self) -> usize {
        self.inbound.memory() + self.outbound.memory() + self.outbound.shared_memory()
    }

    /// Returns how the connection has ended, or how it would have ended if it ended now.
    pub fn outcome(&self) -> Outcome {
        driver::outcome(&self.inbound, &self.outbound)
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::time;

    /// Only [`Connection::next`] sees that the peer ends the connection; without a deadline a driver would wait for the
    /// end of the TCP connection for ever.
    #[test]
    fn the_peers_close_and_its_faults_arm_the_close_deadline() {
        let config = Arc::new(Config::default());
        let start = time::at(Duration::ZERO);
        for bytes in [&b"\x88\x80\0\0\0\0"[..], b"\x88\0", b"HTTP"] {
            let mut conn = Connection::server(Arc::clone(&config), start);
            assert_eq!(conn.next_timeout(), None);
            let mut bytes = bytes.to_vec();
            let _ = conn.next(&mut &mut bytes[..], start);
            assert_eq!(conn.next_timeout(), Some(start + config.close_timeout));
        }
    }
}
