//! One socket and its state in the loop.

use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::backlog::Backlog;
#[cfg(feature = "http2")]
use super::carrier::Carrier;
use super::ended::Failed;
use super::fanout::Stretch;
use super::id::{ClientId, ConnId};
use super::limits::UNCOUNTED;
use super::rate::Meter;
use super::settings::{Pressure, Settings};
use super::share::Rest;
use super::topics::Subscription;
use super::transport::Transport;
use super::wheel::Wheel;
use crate::connection::driver::OutboundExt as _;
use crate::connection::{Deadlines, Outbound};
use crate::handshake::{Agreement, ClientHandshake, ProxyHeaderReader, Refusal, Request, ServerHandshake};
use crate::role::Role;
#[cfg(feature = "tls")]
use crate::tls::TlsServer;

/// The writing side of a connection. Its reading side is in a slab of its own, so that a message can be borrowed while
/// it is sent to others.
#[derive(Debug)]
pub(super) struct Peer<D> {
    pub(super) transport: Transport,
    pub(super) outbound: Outbound,
    pub(super) deadlines: Deadlines,
    pub(super) stage: Stage,
    pub(super) generation: u32,
    /// The entry in the wheel that counts; 0 if there is none.
    pub(super) wheel: u16,
    /// The step of the wheel in which it opened.
    pub(super) opened: u32,
    /// The number of its address among those that are counted.
    pub(super) address: u32,
    /// Its part of published frames, which its queue does not have; nothing is queued then.
    pub(super) stretch: Stretch,
    /// Whether the last write took all that was offered.
    pub(super) writable: bool,
    /// Whether there may be something to read.
    pub(super) readable: bool,
    /// Whether the peer has ended its direction; a read that returns nothing is still to come.
    pub(super) read_closed: bool,
    /// Whether the end of the peer's direction has been read.
    pub(super) eof: bool,
    /// Whether the high watermark has been passed and the low one not been reached again.
    pub(super) congested: bool,
    /// Whether it has used up its quantum of a turn, so that it is served only from the agenda.
    pub(super) heavy: bool,
    /// What is done because all connections together hold too much, and this one most.
    pub(super) squeezed: Squeezed,
    /// Whether nothing is read because of the program, or of a slow reader that it feeds.
    pub(super) held: bool,
    /// Whether it has a rate to keep to.
    pub(super) metered: bool,
    /// Whether our direction is ended.
    pub(super) fin_sent: bool,
    /// What few connections have, separate from what every message touches.
    pub(super) cold: Option<Box<Cold>>,
    pub(super) data: D,
}

/// What few connections have.
#[derive(Debug, Default)]
pub(super) struct Cold {
    /// Its subscriptions.
    pub(super) topics: Vec<Subscription>,
    /// Overrides the settings of the loop.
    pub(super) pressure: Option<Pressure>,
    /// Messages that wait unencoded.
    pub(super) backlog: Option<Box<Backlog>>,
    /// Messages that were dropped since the program last asked.
    pub(super) dropped: u64,
    /// Overrides the settings of the loop.
    pub(super) max_lifetime: Option<Option<Duration>>,
    /// The client that it belongs to.
    pub(super) client: Option<ClientId>,
    /// Whether the program has closed it.
    pub(super) closed_here: bool,
    /// Whether the program has paused it.
    pub(super) paused: bool,
    /// How many slow readers it waits for.
    pub(super) waits: u32,
    /// The connections that wait for it to have read.
    pub(super) producers: Vec<ConnId>,
    /// The client that a trusted proxy speaks for.
    pub(super) forwarded_for: Option<IpAddr>,
    /// What is left of its rate, if it is `metered`.
    pub(super) meter: Option<Meter>,
    /// Whether nothing is read from it because it has exceeded its rate.
    pub(super) slowed: bool,
    /// Whether a proxy has announced by the PROXY protocol that it speaks for nobody.
    pub(super) speaks_for_itself: bool,
    /// What was read and not looked at, because it has used up its quantum.
    pub(super) rest: Rest,
    /// Whether it takes no place of a connection, as it is only told that there is none.
    pub(super) turned_away: bool,
}

/// What keeps a connection from holding more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Squeezed {
    No,
    /// Nothing is read.
    Unread,
    /// What has come is read, and the peer may send no more.
    HeldBack,
}

/// The stage of a connection.
#[derive(Debug)]
pub(super) enum Stage {
    /// An attempt of a client to reach its server, or its connection before it opens; the client keeps its deadlines.
    Connecting(ClientId),
    /// We wait for the TCP connection.
    Dialing(Box<Opening<ClientHandshake>>),
    /// We wait for the server's response.
    Client(Box<Opening<ClientHandshake>>),
    /// We wait for a proxy to name its client.
    Announcing(Box<Announcing>),
    /// We wait for the client's request.
    Server(Box<Opening<ServerHandshake>>),
    /// It carries others, as streams of HTTP/2.
    #[cfg(feature = "http2")]
    Carrier(Box<Carrier>),
    /// The client waits for the program's answer.
    Waiting(Box<Waiting>),
    /// The connection is open.
    Open,
    /// The program knows that it is over. What is queued goes out, then our direction is ended, then the peer's end is
    /// awaited, so that no reset overtakes what the peer has not read (§7.1.1). A bare socket that has been read
    /// completely is closed at once.
    Ending,
    /// To be removed at the end of the turn.
    Dead,
}

/// A handshake, and its deadline.
#[derive(Debug)]
pub(super) struct Opening<H> {
    pub(super) handshake: H,
    pub(super) until: Option<Instant>,
}

/// A connection whose proxy has yet to name its client.
#[derive(Debug)]
pub(super) struct Announcing {
    pub(super) reader: ProxyHeaderReader,
    /// The deadline of the handshake, of which this is a part.
    pub(super) until: Option<Instant>,
    /// Set if the client speaks TLS after that.
    #[cfg(feature = "tls")]
    pub(super) tls: Option<TlsServer>,
}

/// A request with a deferred answer.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) request: Request,
    pub(super) until: Option<Instant>,
    /// What the client has sent after its request.
    pub(super) rest: Vec<u8>,
    pub(super) answer: Option<Answer>,
}

/// The program's answer; an acceptance is queued already.
#[derive(Debug)]
pub(super) enum Answer {
    Accept(Agreement),
    Refuse(Refusal),
}

impl<D> Peer<D> {
    pub(super) fn new(
        transport: Transport,
        outbound: Outbound,
        stage: Stage,
        generation: u32,
        now: Instant,
        data: D,
    ) -> Self {
        Self {
            transport,
            outbound,
            deadlines: Deadlines::new(now),
            stage,
            generation,
            wheel: 0,
            opened: 0,
            address: UNCOUNTED,
            stretch: Stretch::default(),
            writable: true,
            readable: false,
            read_closed: false,
            eof: false,
            congested: false,
            heavy: false,
            squeezed: Squeezed::No,
            held: false,
            metered: false,
            fin_sent: false,
            cold: None,
            data,
        }
    }

    #[inline]
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    pub(super) const fn is_handshaking(&self) -> bool {
        matches!(
            self.stage,
            Stage::Connecting(_)
                | Stage::Announcing(_)
                | Stage::Dialing(_)
                | Stage::Client(_)
                | Stage::Server(_)
                | Stage::Waiting(_)
        )
    }

    /// Returns how a peer that does not read is treated.
    #[inline]
    pub(super) fn pressure(&self, settings: &Settings) -> Pressure {
        match self.cold.as_ref().and_then(|cold| cold.pressure) {
            None => settings.pressure(),
            Some(pressure) => pressure,
        }
    }

    /// Returns whether a write has no further consequences: nobody waits for the peer to read, and its end is not near.
    #[inline]
    pub(super) const fn is_settled(&self) -> bool {
        self.is_open() && !self.congested && !self.outbound.sent_close()
    }

    /// Returns how many bytes wait for it, encoded or not.
    pub(super) fn queued(&self) -> usize {
        let backlog = self.cold.as_ref().and_then(|cold| cold.backlog.as_ref());
        self.outbound.queued() + self.stretch.len() + backlog.map_or(0, |backlog| backlog.bytes())
    }

    /// Returns how many of `len` bytes may be read at once, given its rate.
    pub(super) fn most_at_once(&self, len: usize) -> usize {
        let meter = self.cold.as_ref().and_then(|cold| cold.meter.as_ref());
        meter.map_or(len, |meter| len.min(meter.most_at_once()))
    }

    pub(super) fn is_turned_away(&self) -> bool {
        self.cold.as_ref().is_some_and(|cold| cold.turned_away)
    }

    pub(super) fn cold(&mut self) -> &mut Cold {
        self.cold.get_or_insert_default()
    }

    /// Returns whether input from the peer is read. A server whose answers are not read stops reading, so that they do
    /// not pile up; a client goes on, or both sides would wait for each other for ever.
    #[inline]
    pub(super) const fn listens(&self) -> bool {
        !(self.held
            || matches!(self.squeezed, Squeezed::Unread)
            || self.congested && matches!(self.outbound.role(), Role::Server))
    }

    /// Returns whether any memory is held for it, beyond its own size.
    #[inline]
    pub(super) const fn holds(&self) -> bool {
        self.outbound.holds() || self.heavy || !self.is_open()
    }

    /// Returns how many bytes of memory are held for it, beyond its own size, its transport's, and shared messages.
    pub(super) fn memory(&self) -> usize {
        let stage = match &self.stage {
            Stage::Dialing(opening) | Stage::Client(opening) => {
                size_of_val(&**opening) + opening.handshake.memory()
            }
            Stage::Server(opening) => size_of_val(&**opening) + opening.handshake.memory(),
            Stage::Announcing(announcing) => size_of_val(&**announcing),
            Stage::Waiting(waiting) => {
                size_of_val(&**waiting) + waiting.rest.capacity() + waiting.request.memory()
            }
            #[cfg(feature = "http2")]
            Stage::Carrier(carrier) => size_of_val(&**carrier) + carrier.memory(),
            Stage::Connecting(_) | Stage::Open | Stage::Ending | Stage::Dead => 0,
        };
        let cold = self.cold.as_ref().map_or(0, |cold| {
            cold.rest.bytes.capacity() + cold.backlog.as_ref().map_or(0, |backlog| backlog.memory())
        });
        stage + cold + self.outbound.memory()
    }

    /// Returns whether bytes were read for it and not looked at.
    #[inline]
    pub(super) fn has_rest(&self) -> bool {
        self.heavy && self.cold.as_ref().is_some_and(|cold| !cold.rest.bytes.is_empty())
    }

    /// Drops what was read for it: nothing that comes after its end is looked at.
    pub(super) fn drop_rest(&mut self) {
        if let Some(cold) = &mut self.cold {
            cold.rest = Default::default();
        }
    }

    /// Returns when the loop has to look at this peer, if nothing happens before.
    pub(super) fn deadline(&self, settings: &Settings, wheel: &Wheel) -> Option<Instant> {
        match &self.stage {
            Stage::Dialing(opening) | Stage::Client(opening) => opening.until,
            Stage::Server(opening) => opening.until,
            Stage::Announcing(announcing) => announcing.until,
            #[cfg(feature = "http2")]
            Stage::Carrier(carrier) => carrier.until,
            Stage::Waiting(waiting) => waiting.until,
            Stage::Open => {
                let due = self.deadlines.next(self.outbound.config());
                [due, self.end_of_life(settings, wheel)].into_iter().flatten().min()
            }
            Stage::Ending => self.deadlines.next(self.outbound.config()),
            Stage::Connecting(_) | Stage::Dead => None,
        }
    }

    /// Returns when an open connection has lived for as long as it may.
    pub(super) fn end_of_life(&self, settings: &Settings, wheel: &Wheel) -> Option<Instant> {
        let own = self.cold.as_ref().and_then(|cold| cold.max_lifetime);
        let most = own.unwrap_or(settings.max_lifetime)?;
        if self.outbound.sent_close() { None } else { wheel.time_of(self.opened).checked_add(most) }
    }

    /// Ends a handshake that failed: what it has queued still goes out.
    pub(super) fn end_after(&mut self, answer: &[u8], now: Instant) {
        self.outbound.queue().push(answer);
        self.stage = Stage::Ending;
        self.deadlines.closing(now);
    }

    /// Reads as much as one call returns.
    #[inline(always)]
    pub(super) fn fill(&mut self, buf: &mut [u8]) -> Filled {
        match self.transport.read(buf) {
            Ok(0) => Filled::End,
            Ok(len) => {
                // A short read has drained the socket: the next bytes are a new event. If the peer has ended its
                // direction there is no further event, and the end itself must still be read.
                self.readable = len == buf.len() || self.read_closed || !self.transport.short_read_drains();
                Filled::Bytes(len)
            }
            Err(error) => match error.kind() {
                // A signal, or a layer that has done enough for a turn and has no bytes yet: it is read in the next
                // one.
                io::ErrorKind::Interrupted => Filled::Nothing,
                io::ErrorKind::WouldBlock => {
                    self.readable = false;
                    Filled::Nothing
                }
                _ => Filled::Broken(error),
            },
        }
    }
}

/// The result of a read.
#[derive(Debug)]
pub(super) enum Filled {
    /// This many bytes, at least one.
    Bytes(usize),
    /// Nothing now.
    Nothing,
    /// The end of the peer's direction.
    End,
    Broken(io::Error),
}

impl Announcing {
    pub(super) fn until(until: Option<Instant>) -> Self {
        Self {
            reader: ProxyHeaderReader::new(),
            until,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    #[cfg(feature = "tls")]
    pub(super) fn with_tls(self, tls: Option<TlsServer>) -> Self {
        Self { tls, ..self }
    }

    /// Returns whether what comes after the header is not TLS.
    pub(super) const fn is_plain(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_none();
        #[cfg(not(feature = "tls"))]
        true
    }
}

impl Stage {
    /// Returns why a connection failed whose peer ended it before it opened.
    pub(super) fn eof(&mut self) -> Failed {
        match self {
            Stage::Client(opening) => Failed::Response(opening.handshake.receive_eof()),
            _ => Failed::Eof,
        }
    }

    /// Returns why a connection failed that did not open in time.
    pub(super) fn too_late(&mut self) -> Failed {
        match self {
            Stage::Client(opening) if opening.handshake.refusal().is_some() => {
                Failed::Response(opening.handshake.give_up())
            }
            _ => Failed::Timeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Inbound;

    /// The cost of an idle connection besides its socket: no buffer, no heap entry. 256 bytes are promised in all.
    #[test]
    fn an_idle_connection_is_small() {
        let (writing, reading) = (size_of::<Peer<()>>(), size_of::<Inbound>());
        assert!(writing + reading <= 256, "{writing} + {reading}");
    }
}
