//! The link to other processes: the socket of a [`Link`] in the loop's own `Poll`.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use mio::net::TcpStream;
#[cfg(unix)]
use mio::net::UnixStream;
use mio::{Registry, Token};

use super::addresses::Addresses;
use super::readiness::Readiness;
use super::transport::Transport;
use super::waker::LoopWaker;
use crate::backplane::{Action, Incoming, Link, LinkEvent, Place};
use crate::client::{Reply, Resolver as _, ThreadResolver};
#[cfg(feature = "tls")]
use crate::tls::{Session, TlsClient};

/// A link, with its socket and addresses.
pub(super) struct Backplane {
    pub(super) link: Link,
    #[cfg(feature = "tls")]
    tls: Option<TlsClient>,
    transport: Option<Transport>,
    /// Whether the transport is connected, and the link knows.
    reached: bool,
    addresses: Addresses,
    /// Whether a resolver was asked. It may take longer than the link waits; then its answer is for the next try.
    resolving: bool,
    answer: Arc<Mutex<Option<io::Result<Vec<SocketAddr>>>>>,
    readable: bool,
    read_closed: bool,
    writable: bool,
    /// How many loops want each topic.
    wanted: HashMap<Box<str>, usize>,
}

/// The receivers of what other nodes send, and the registry of the sockets.
pub(super) trait Members {
    fn registry(&self) -> &Registry;
    fn deliver(&mut self, incoming: Incoming<'_>);
}

/// The environment of a link.
pub(super) struct World<'a> {
    pub(super) token: Token,
    pub(super) waker: &'a LoopWaker,
    pub(super) now: Instant,
}

/// How many reads follow each other at once: a busy engine must not keep the others waiting.
const READS: usize = 8;

impl fmt::Debug for Backplane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backplane").field("link", &self.link).finish_non_exhaustive()
    }
}

impl Backplane {
    pub(super) fn new(link: Link, #[cfg(feature = "tls")] tls: Option<TlsClient>) -> Self {
        Self {
            link,
            #[cfg(feature = "tls")]
            tls,
            transport: None,
            reached: false,
            addresses: Addresses::default(),
            resolving: false,
            answer: Arc::default(),
            readable: false,
            read_closed: false,
            writable: false,
            wanted: HashMap::new(),
        }
    }

    /// Records that one more loop wants this topic, or one fewer.
    pub(super) fn want(&mut self, topic: &str, wanted: bool, now: Instant) {
        let loops = self.wanted.entry(topic.into()).or_default();
        *loops = if wanted { *loops + 1 } else { loops.saturating_sub(1) };
        if *loops == 0 {
            self.wanted.remove(topic);
            self.link.unsubscribe(topic, now);
        } else if wanted {
            self.link.subscribe(topic);
        }
    }

    pub(super) fn ready(&mut self, readiness: Readiness) {
        self.writable |= readiness.writable || readiness.error;
        self.read_closed |= readiness.read_closed || readiness.error;
        self.readable |= readiness.readable || self.read_closed;
    }

    /// Returns when there is something to do even if no event comes.
    pub(super) fn next_deadline(&self, now: Instant) -> Instant {
        if self.has_answer() || self.readable || self.link.has_work() {
            now
        } else {
            self.link.next_timeout()
        }
    }

    /// Returns whether the link waits for addresses and they are there.
    fn has_answer(&self) -> bool {
        self.link.is_dialing()
            && self.resolving
            && self.answer.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub(super) fn next_event(&mut self) -> Option<LinkEvent> {
        self.link.next_event()
    }

    /// Handles what has happened: addresses, a connection, bytes, the time.
    pub(super) fn serve(&mut self, world: &World<'_>, members: &mut impl Members, scratch: &mut [u8]) {
        let answer = match self.has_answer() {
            true => self.answer.lock().unwrap_or_else(PoisonError::into_inner).take(),
            false => None,
        };
        self.resolving &= answer.is_none();
        match answer {
            Some(Ok(addresses)) => {
                self.addresses.begin(addresses);
                self.dial_next(world, members.registry(), "its name has no address");
            }
            Some(Err(error)) => self.lost(&format!("its name is not known: {error}"), world.now),
            None => {}
        }
        if self.transport.is_some() && !self.reached && (self.writable || self.readable) {
            self.reach(world, members.registry());
        }
        if self.reached && self.readable {
            self.read(world.now, scratch, members);
        }
        if self.link.next_timeout() <= world.now {
            self.link.handle_timeout(world.now);
        }
        self.flush(world, members.registry());
    }

    /// Does what the link wants, and writes what is pending.
    pub(super) fn flush(&mut self, world: &World<'_>, registry: &Registry) {
        loop {
            while let Some(action) = self.link.next_action() {
                match action {
                    Action::Dial => self.dial(world, registry),
                    Action::Drop => self.drop_transport(),
                    Action::StartTls => self.start_tls(world.now),
                }
            }
            if !self.reached || !self.write(world.now) {
                return;
            }
        }
    }

    fn dial(&mut self, world: &World<'_>, registry: &Registry) {
        self.drop_transport();
        match self.link.address().place().clone() {
            Place::Tcp { host, port } => match host.parse::<IpAddr>() {
                Ok(address) => {
                    self.addresses.begin(vec![SocketAddr::new(address, port)]);
                    self.dial_next(world, registry, "");
                }
                Err(_) if self.resolving => {}
                Err(_) => {
                    self.resolving = true;
                    let (answer, waker) = (Arc::clone(&self.answer), world.waker.clone());
                    let reply = Reply::new(move |addresses| {
                        *answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(addresses);
                        waker.wake();
                    });
                    ThreadResolver.resolve(&host, port, reply);
                }
            },
            #[cfg(unix)]
            Place::Unix(path) => match UnixStream::connect(&path) {
                Ok(stream) => self.take(Transport::Unix(stream), world, registry),
                Err(error) => self.lost(&format!("{}: {error}", path.display()), world.now),
            },
            #[cfg(not(unix))]
            Place::Unix(_) => self.lost("there are no Unix sockets here", world.now),
        }
    }

    /// Tries the next address. If there is none, the link is lost for the reason of the last one.
    fn dial_next(&mut self, world: &World<'_>, registry: &Registry, why: &str) {
        let mut why = why.to_owned();
        while let Some(address) = self.addresses.next() {
            match TcpStream::connect(address) {
                Ok(stream) => return self.take(Transport::Tcp(stream), world, registry),
                Err(error) => why = format!("{address}: {error}"),
            }
        }
        self.lost(&why, world.now);
    }

    fn take(&mut self, mut transport: Transport, world: &World<'_>, registry: &Registry) {
        transport.prepare(true, None);
        match transport.register(registry, world.token) {
            Ok(()) => {
                self.transport = Some(transport);
                (self.reached, self.readable, self.writable) = (false, false, false);
                self.read_closed = false;
            }
            Err(error) => self.lost(&error.to_string(), world.now),
        }
    }

    /// Handles an event of the connection that was begun.
    fn reach(&mut self, world: &World<'_>, registry: &Registry) {
        let Some(transport) = &mut self.transport else { return };
        match transport.is_connected() {
            Ok(false) => {}
            Ok(true) => {
                self.reached = true;
                if self.link.begins_with_tls() {
                    self.start_tls(world.now);
                }
                self.link.connected(world.now);
            }
            Err(error) => {
                self.drop_transport();
                self.dial_next(world, registry, &error.to_string());
            }
        }
    }

    #[cfg(feature = "tls")]
    fn start_tls(&mut self, now: Instant) {
        let (Some(tls), Some(transport)) = (&self.tls, &mut self.transport) else {
            return self.lost("it wants TLS, and the settings have none", now);
        };
        let name = match self.link.address().place() {
            Place::Tcp { host, .. } => host.as_str(),
            Place::Unix(_) => "localhost",
        };
        match tls.connection(name) {
            Ok(connection) => {
                transport.wrap(Session::new(connection));
                (self.readable, self.writable) = (true, true);
                self.link.secured();
            }
            Err(error) => self.lost(&error.to_string(), now),
        }
    }

    #[cfg(not(feature = "tls"))]
    fn start_tls(&mut self, now: Instant) {
        self.lost("it wants TLS, which is feature `tls` of the library", now);
    }

    fn read(&mut self, now: Instant, scratch: &mut [u8], members: &mut impl Members) {
        for _ in 0..READS {
            let Some(transport) = &mut self.transport else { return };
            match transport.read(scratch) {
                Ok(0) => return self.lost("it has ended the connection", now),
                Ok(len) => {
                    let wanted = &self.wanted;
                    self.link.receive(&scratch[..len], now, |incoming| {
                        // A channel is still heard for a while after the last subscriber has left.
                        if let Incoming::Message(delivery) = &incoming
                            && delivery.topic.is_some_and(|topic| !wanted.contains_key(topic))
                        {
                            return;
                        }
                        members.deliver(incoming);
                    });
                    if self.link.is_up() {
                        self.addresses.up();
                    }
                    // If the engine has ended its direction, no event follows, and the end must still be read.
                    if len < scratch.len()
                        && !self.read_closed
                        && self.transport.as_ref().is_some_and(Transport::short_read_drains)
                    {
                        self.readable = false;
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readable = false;
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.lost(&in_words(&error), now),
            }
        }
    }

    /// Writes once. Returns whether there may be more to do.
    fn write(&mut self, now: Instant) -> bool {
        let Some(transport) = &mut self.transport else { return false };
        if self.writable
            && let Err(error) = transport.flush_held()
        {
            self.lost(&in_words(&error), now);
            return true;
        }
        let pending = self.link.pending(now);
        if pending.is_empty() || !self.writable {
            return false;
        }
        match transport.write(pending) {
            Ok(len) => {
                self.link.advance(len);
                true
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.writable = false;
                false
            }
            Err(error) => {
                self.lost(&in_words(&error), now);
                true
            }
        }
    }

    fn lost(&mut self, why: &str, now: Instant) {
        self.drop_transport();
        self.link.lost(why, now);
    }

    /// Drops the descriptor, and with it its registration.
    fn drop_transport(&mut self) {
        self.transport = None;
        self.reached = false;
        (self.readable, self.writable) = (false, false);
    }
}

/// Describes a failed read or write, a certificate's fault above all.
fn in_words(error: &io::Error) -> String {
    #[cfg(feature = "tls")]
    return crate::tls::explain_io(error);
    #[cfg(not(feature = "tls"))]
    error.to_string()
}
