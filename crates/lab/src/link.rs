//! One non-blocking TCP connection and its dialogue: the only place where the lab reads and writes.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use super::pipe::Pipe;
use super::player::{Player, Wants};
use super::rule::Violation;
use super::socket;

/// How many bytes are read from or written to one connection before the others have their turn.
const BUDGET: usize = 1 << 20;
/// The size of one read.
pub(super) const SCRATCH: usize = 256 * 1024;

/// One side of a conversation, without a socket.
pub(super) trait Dialogue {
    /// Returns the bytes of the next write.
    fn outgoing(&self) -> Option<&[u8]>;
    /// Called when this many of the outgoing bytes were written.
    fn sent(&mut self, now: Duration, bytes: usize);
    /// Called when no more can be written.
    fn write_failed(&mut self, now: Duration, error: &str);
    /// Called when bytes have come.
    fn receive(&mut self, now: Duration, bytes: &[u8]);
    /// Called when the peer has broken a rule of the layer below these bytes; no more will come.
    fn broken(&mut self, now: Duration, violation: Violation) {
        self.eof(now, Some(&violation.to_string()));
    }
    /// Called when the connection ended while others shared it, one of which may be the cause.
    fn lost(&mut self) {}
    /// Called when no more bytes will come.
    fn eof(&mut self, now: Duration, error: Option<&str>);
    /// Called when time has passed.
    fn tick(&mut self, now: Duration);
    /// Returns when [`tick`](Self::tick) is due.
    fn deadline(&self) -> Duration;
    /// Returns what to do once everything is written.
    fn wants(&self) -> Wants;
    /// Called when our direction was ended.
    fn half_closed(&mut self, now: Duration);
    /// Called when the connection was ended.
    fn dropped(&mut self, now: Duration);
    /// Returns whether the dialogue is over.
    fn is_over(&self) -> bool;
    /// Returns whether the dialogue takes bytes now.
    fn reads(&self) -> bool {
        true
    }
}

/// A connection with its dialogue.
#[derive(Debug)]
pub(super) struct Link<D> {
    /// The dialogue.
    pub(super) dialogue: D,
    /// The connection.
    pub(super) stream: Pipe,
    started: Instant,
    connected: bool,
    /// Why the connection did not come up.
    error: Option<String>,
    /// Whether nobody listens at the address.
    refused: bool,
}

impl<D: Dialogue> Link<D> {
    /// Creates a link over a connection that is still being made.
    pub(super) fn connecting(stream: Pipe, dialogue: D) -> Self {
        Self { dialogue, stream, started: Instant::now(), connected: false, error: None, refused: false }
    }

    /// Creates a link over a connection that was accepted.
    pub(super) fn accepted(stream: Pipe, dialogue: D) -> Self {
        let mut link = Self::connecting(stream, dialogue);
        link.is_connected();
        link
    }

    /// Returns whether the connection came up.
    pub(super) fn connected(&self) -> bool {
        self.connected
    }

    /// Returns why the connection did not come up, if it did not.
    pub(super) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Returns whether nobody listens at the address.
    pub(super) fn refused(&self) -> bool {
        self.refused
    }

    /// Returns whether there is nothing left to do.
    pub(super) fn is_over(&self) -> bool {
        self.error.is_some() || self.dialogue.is_over()
    }

    /// Returns when [`tick`](Self::tick) is due.
    pub(super) fn due(&self, connect: Duration) -> Instant {
        self.started + if self.connected { self.dialogue.deadline() } else { connect }
    }

    /// Ends the connection attempt or tells the dialogue, if that is due.
    pub(super) fn tick(&mut self, connect: Duration) {
        let now = self.started.elapsed();
        if !self.connected {
            if now >= connect {
                self.error.get_or_insert_with(|| "no answer in time".to_owned());
            }
        } else if now >= self.dialogue.deadline() {
            self.dialogue.tick(now);
            self.write();
        }
    }

    /// Moves bytes both ways. Returns whether there may be more to move at once.
    pub(super) fn pump(&mut self, scratch: &mut [u8]) -> bool {
        if !self.is_connected() {
            return false;
        }
        let wrote_all = self.write();
        let read_all = self.read(scratch);
        // What was read may have produced something to write.
        let wrote_all = self.write() && wrote_all;
        !self.dialogue.is_over() && (!wrote_all || !read_all)
    }

    fn is_connected(&mut self) -> bool {
        if self.connected {
            return true;
        }
        match self.stream.is_connected() {
            Ok(is_so) => self.connected = is_so,
            Err(error) => self.fail(&error),
        }
        self.connected
    }

    fn fail(&mut self, error: &io::Error) {
        self.refused = error.kind() == io::ErrorKind::ConnectionRefused;
        self.error = Some(error.to_string());
    }

    /// Writes what is pending. Returns whether there is no more to do before the next event.
    pub(super) fn write(&mut self) -> bool {
        let mut budget = BUDGET;
        while let Some(bytes) = self.dialogue.outgoing() {
            let written = self.stream.write(bytes);
            let now = self.started.elapsed();
            match written {
                Ok(written) => {
                    self.dialogue.sent(now, written);
                    budget = budget.saturating_sub(written.max(1));
                    if budget == 0 {
                        return false;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.dialogue.write_failed(now, &error.to_string()),
            }
        }
        // TLS may hold back what the socket did not take; if that fails, the next read reports it.
        let _ = self.stream.flush();
        let now = self.started.elapsed();
        match self.dialogue.wants() {
            Wants::Nothing => true,
            Wants::HalfClose => {
                // If the peer was quicker, there is nothing left to end.
                let _ = self.stream.end_writing();
                self.dialogue.half_closed(now);
                self.dialogue.outgoing().is_none()
            }
            Wants::Drop => {
                self.dialogue.dropped(now);
                true
            }
        }
    }

    /// Reads what has come. Returns whether there is no more to do before the next event.
    fn read(&mut self, scratch: &mut [u8]) -> bool {
        let mut budget = BUDGET;
        while !self.dialogue.is_over() && self.dialogue.reads() {
            if let Some(violation) = self.stream.violation() {
                self.dialogue.broken(self.started.elapsed(), violation);
                break;
            }
            let read = self.stream.read(scratch);
            let now = self.started.elapsed();
            match read {
                Ok(0) => self.eof(now, None),
                Ok(length) => {
                    self.dialogue.receive(now, &scratch[..length]);
                    budget = budget.saturating_sub(length);
                    if budget == 0 {
                        return false;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.eof(now, Some(&socket::words(&error))),
            }
        }
        true
    }

    fn eof(&mut self, now: Duration, error: Option<&str>) {
        if self.stream.was_lost() {
            self.dialogue.lost();
        }
        self.dialogue.eof(now, error);
    }
}

impl Dialogue for Player {
    fn outgoing(&self) -> Option<&[u8]> {
        self.outgoing()
    }
    fn sent(&mut self, now: Duration, bytes: usize) {
        self.sent(now, bytes);
    }
    fn write_failed(&mut self, now: Duration, error: &str) {
        self.write_failed(now, error);
    }
    fn receive(&mut self, now: Duration, bytes: &[u8]) {
        self.receive(now, bytes);
    }
    fn broken(&mut self, now: Duration, violation: Violation) {
        self.broken(now, violation);
    }
    fn lost(&mut self) {
        self.lost();
    }
    fn eof(&mut self, now: Duration, error: Option<&str>) {
        self.eof(now, error);
    }
    fn tick(&mut self, now: Duration) {
        self.tick(now);
    }
    fn deadline(&self) -> Duration {
        self.deadline()
    }
    fn wants(&self) -> Wants {
        self.wants()
    }
    fn half_closed(&mut self, now: Duration) {
        self.half_closed(now);
    }
    fn dropped(&mut self, now: Duration) {
        self.dropped(now);
    }
    fn is_over(&self) -> bool {
        self.is_over()
    }
}
