//! The read loop, shared by a client on one thread and by the reading half of a split client.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::decoder::{Decoder, Found};
use super::error::Error;
use crate::close::CloseReason;
use crate::connection::driver::{self, MessageProgress, OutboundExt as _};
use crate::connection::{
    CloseStep, Config, Deadlines, Due, Event, Inbound, Latency, Outbound, Outcome, SendError,
};
use crate::entropy::Entropy;
use crate::extension::deflate::DeflateParams;
use crate::message::Message;

/// The receiving state of a client.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) timeout: Option<Duration>,
    decoder: Decoder,
    /// When to offer what is queued again, after the server took nothing.
    full_until: Option<Instant>,
    /// Whether nothing more will come.
    over: bool,
}

/// What is to be sent, with its deadlines and round-trip times.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) outbound: Outbound,
    pub(super) deadlines: Deadlines,
    pub(super) latency: Latency,
}

/// What reading needs from the rest of a client.
pub(super) trait Duplex {
    /// How often to check whether another thread has begun to close; `None` if there is no other thread.
    const LOOK: Option<Duration>;

    /// Calls `act` with what is to be sent.
    fn sending<T>(&mut self, act: impl FnOnce(&mut Sending) -> T) -> T;

    /// Reads once, to the decoder's space.
    fn fill(&mut self, decoder: &mut Decoder, until: Option<Instant>) -> Result<usize, Error>;

    /// Writes what is queued. Returns [`Error::Timeout`] at `until`, or once `most` has passed. If another thread is
    /// writing, leaves it to that thread.
    fn write(&mut self, until: Option<Instant>, most: Option<Duration>) -> Result<(), Error>;

    /// Sends what can go out until then, and ends our direction.
    fn part(&mut self, until: Instant);
}

/// How long a reader waits for the server to accept what is written.
const SOON: Duration = Duration::from_millis(1);

/// How long until it is offered again.
const AGAIN: Duration = Duration::from_millis(20);

/// How long a failed connection may take to tell its server why.
const PARTING: Duration = Duration::from_secs(1);

/// Returns the instant this long from now; `None` is no limit.
pub(super) fn after(timeout: Option<Duration>) -> Option<Instant> {
    timeout.and_then(|timeout| Instant::now().checked_add(timeout))
}

impl Sending {
    /// Creates the sending side of a connection that opens now.
    pub(super) fn new(
        config: Arc<Config>,
        masks: Box<dyn Entropy + Send>,
        deflate: Option<DeflateParams>,
    ) -> Self {
        let mut outbound = Outbound::client(config, masks);
        if let Some(agreed) = deflate {
            outbound.use_deflate(agreed);
        }
        Self { outbound, deadlines: Deadlines::new(Instant::now()), latency: Latency::new() }
    }

    /// Queues a Ping whose answer is timed.
    pub(super) fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.outbound.ping(payload)?;
        self.latency.pinged(payload, Instant::now());
        Ok(())
    }

    /// Queues a Close frame and starts the close deadline.
    pub(super) fn close(&mut self, reason: Option<CloseReason<'_>>) -> Result<(), SendError> {
        self.outbound.close(reason)?;
        self.deadlines.closing(Instant::now());
        Ok(())
    }

    /// Returns whether the closing handshake has taken too long. Messages that still arrive do not extend it.
    fn is_late_to_close(&mut self, inbound: &Inbound) -> bool {
        if driver::close_step(inbound, &self.outbound) == CloseStep::None {
            return false;
        }
        let now = Instant::now();
        self.step_to_end(inbound, now);
        self.deadlines.next(self.outbound.config()).is_some_and(|at| at <= now)
    }

    fn step_to_end(&mut self, inbound: &Inbound, now: Instant) -> CloseStep {
        driver::step_to_end(inbound, &self.outbound, &mut self.deadlines, now)
    }

    /// Returns whether anything is due, given the progress of the open message.
    fn is_due(&mut self, progress: MessageProgress) -> bool {
        self.deadlines.progress(progress);
        self.deadlines.next(self.outbound.config()).is_some_and(|at| at <= Instant::now())
    }

    /// Does what is due. Returns what ends the connection, if anything, and whether a Ping has been queued.
    fn expire(&mut self, inbound: &Inbound) -> (Option<Due>, bool) {
        let ends = driver::close_step(inbound, &self.outbound) != CloseStep::None;
        if !ends && self.deadlines.next(self.outbound.config()).is_none() {
            return (None, false); // the usual case; the clock need not be asked
        }
        let now = Instant::now();
        self.step_to_end(inbound, now);
        let queued = self.outbound.queued();
        let due = driver::expire(&mut self.deadlines, &mut self.outbound, now);
        let has_pinged = due.is_none() && self.outbound.queued() > queued;
        if has_pinged {
            self.latency.pinged(b"", now); // the Ping of `Config::ping_interval`
        }
        (due, has_pinged)
    }
}

impl Reading {
    /// Creates the receiving state; `rest` is what came after the response.
    pub(super) fn new(rest: &[u8], deflate: Option<DeflateParams>) -> Self {
        let mut decoder = Decoder::new();
        decoder.preload(rest);
        if let Some(agreed) = deflate {
            decoder.use_deflate(agreed);
        }
        Self { timeout: None, decoder, full_until: None, over: false }
    }

    /// Returns the next message.
    pub(super) fn message(&mut self, duplex: &mut impl Duplex) -> Result<Option<Message<'_>>, Error> {
        let deadline = after(self.timeout);
        loop {
            match self.find(duplex, deadline)? {
                None => return Ok(None),
                // The borrow checker accepts a returned borrow only where the return is certain, so the view is taken
                // after `find`.
                Some(found @ (Found::Message(..) | Found::Assembled)) => {
                    return Ok(self.decoder.message(found));
                }
                Some(_) => {}
            }
        }
    }

    /// Returns the next event of any kind.
    pub(super) fn event(&mut self, duplex: &mut impl Duplex) -> Result<Option<Event<'_>>, Error> {
        let deadline = after(self.timeout);
        Ok(self.find(duplex, deadline)?.and_then(|found| self.decoder.view(found)))
    }

    /// Returns the Close frames of both sides so far, and the rule that the server broke, if it broke one.
    pub(super) fn outcome(&self, outbound: &Outbound) -> Outcome {
        driver::outcome(self.decoder.inbound(), outbound)
    }

    /// Ends reading: the connection has broken.
    pub(super) const fn end(&mut self) {
        self.over = true;
    }

    /// Takes what is there, does what is due, sends what follows, and waits for more.
    fn find<L: Duplex>(&mut self, duplex: &mut L, deadline: Option<Instant>) -> Result<Option<Found>, Error> {
        let mut has_looked = false;
        loop {
            if self.over {
                return Ok(None);
            }
            let step = duplex.sending(|sending| match sending.is_late_to_close(self.decoder.inbound()) {
                true => Err(Error::Due(Due::CloseTimeout)),
                false => Ok(self.decoder.step(&mut sending.outbound)?),
            });
            match step {
                Ok(None) => {}
                Ok(Some(found)) => return self.found(duplex, found, deadline),
                Err(error) => return self.fail(duplex, error),
            }
            self.write(duplex, deadline)?;
            // The program may have been elsewhere: what has arrived by now is heard before a deadline counts.
            let progress = self.decoder.take_progress();
            let looks = duplex.sending(|sending| sending.is_due(progress)) && !has_looked;
            has_looked |= looks;
            let until = if looks {
                after(Some(SOON))
            } else {
                match duplex.sending(|sending| sending.expire(self.decoder.inbound())) {
                    (Some(due), _) => return self.fail(duplex, Error::Due(due)),
                    (None, true) => continue,
                    (None, false) => {}
                }
                Self::until(duplex, deadline)
            };
            match self.fill(duplex, until) {
                Ok(None) => {}
                Ok(Some(found)) => return self.found(duplex, found, deadline),
                Err(Error::Timeout)
                    if !looks && deadline.is_some_and(|deadline| deadline <= Instant::now()) =>
                {
                    return Err(Error::Timeout);
                }
                // A Ping may be due, or it may be time to offer again what was not accepted.
                Err(Error::Timeout) => {}
                Err(error @ Error::Protocol(_)) => return self.fail(duplex, error),
                Err(error) => {
                    // It may have ended only its own half, and wait for the answer to its Close frame (§5.5.1) or for
                    // our end.
                    if self.awaits_end(duplex) {
                        let now = Instant::now();
                        duplex.part(now.checked_add(PARTING).unwrap_or(now));
                    }
                    return self.broken(duplex, error);
                }
            }
        }
    }

    /// Returns how long to wait for more.
    fn until<L: Duplex>(duplex: &mut L, deadline: Option<Instant>) -> Option<Instant> {
        let (due, queued) = duplex.sending(|sending| {
            (sending.deadlines.next(sending.outbound.config()), sending.outbound.queued())
        });
        let look = after(if queued > 0 { Some(AGAIN) } else { L::LOOK });
        [deadline, due, look].into_iter().flatten().min()
    }

    /// Reads once.
    fn fill<L: Duplex>(&mut self, duplex: &mut L, until: Option<Instant>) -> Result<Option<Found>, Error> {
        let len = duplex.fill(&mut self.decoder, until)?;
        if len == 0 {
            return Err(Error::Eof);
        }
        Ok(duplex.sending(|sending| {
            sending.deadlines.heard(Instant::now());
            self.decoder.filled(len, &mut sending.outbound)
        })?)
    }

    /// Returns an event. What it has caused (a Pong, the answer to a Close frame) goes out first, if the socket accepts
    /// it.
    fn found(
        &mut self,
        duplex: &mut impl Duplex,
        found: Found,
        deadline: Option<Instant>,
    ) -> Result<Option<Found>, Error> {
        if let Found::Pong = found {
            duplex.sending(|sending| sending.latency.ponged(self.decoder.control(), Instant::now()));
        }
        if duplex.sending(|sending| sending.outbound.queued()) > 0 {
            self.write(duplex, deadline)?;
        }
        Ok(Some(found))
    }

    /// Writes what the server accepts now. A reader never waits for it to accept more: the server may want to be read
    /// first.
    fn write(&mut self, duplex: &mut impl Duplex, deadline: Option<Instant>) -> Result<(), Error> {
        if self.full_until.is_some_and(|until| Instant::now() < until) {
            return Ok(());
        }
        self.full_until = None;
        match duplex.write(deadline, Some(SOON)) {
            Ok(()) => Ok(()),
            Err(Error::Timeout) => {
                self.full_until = after(Some(AGAIN));
                Ok(())
            }
            // The server has gone after its Close frame; what it sent before may still be read.
            Err(_) if self.awaits_end(duplex) => Ok(()),
            Err(error) => {
                self.over = true;
                Err(error)
            }
        }
    }

    /// Fails the connection: what is queued goes out if it can at once, then our direction ends (§7.1.7).
    fn fail<T>(&mut self, duplex: &mut impl Duplex, error: Error) -> Result<Option<T>, Error> {
        let now = Instant::now();
        // After a Close frame that was not answered in time there is nothing left to say.
        let patience = if let Error::Due(Due::CloseTimeout) = error { Duration::ZERO } else { PARTING };
        duplex.part(now.checked_add(patience).unwrap_or(now));
        self.broken(duplex, error)
    }

    /// Handles the end of the stream. After the server's Close frame it is expected, in whatever form it comes
    /// (§7.1.1).
    fn broken<T>(&mut self, duplex: &mut impl Duplex, error: Error) -> Result<Option<T>, Error> {
        self.over = true;
        if self.awaits_end(duplex) { Ok(None) } else { Err(error) }
    }

    /// Returns whether both Close frames have passed and only the end of TCP is to come.
    fn awaits_end(&self, duplex: &mut impl Duplex) -> bool {
        let step = duplex.sending(|sending| driver::close_step(self.decoder.inbound(), &sending.outbound));
        step == CloseStep::AwaitEof
    }
}
