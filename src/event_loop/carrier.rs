//! HTTP/2 connections that clients have made: many WebSockets over one socket.
//!
//! A carrier is a connection of the loop like any other, in a stage of its own. Each request on it becomes a connection
//! with its own transport ([`CarriedStream`]) that speaks HTTP/1.1 upward, so that handshakes, handlers and limits see
//! no difference. Both work on one `http2::Connection` behind a lock that only this loop takes. What a stream does to
//! it is written when the loop visits the carrier, and what arrives for a stream makes that stream ready.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::id::ConnId;
use super::stream::Stream;
use crate::handshake::{HeadLimits, HeadReader, Progress};
use crate::http2::{Connection, ErrorCode, Fields, Limits, StreamId, upgrade};
use crate::secret::Secret;

/// A connection that carries others.
#[derive(Debug)]
pub(super) struct Carrier {
    pub(super) link: Arc<CarrierLink>,
    /// The connection of each stream.
    pub(super) streams: HashMap<StreamId, ConnId>,
    /// When it is ended because it carries nothing, in the peers' time.
    pub(super) until: Option<Instant>,
}

/// What a carrier shares with its streams.
#[derive(Debug)]
pub(super) struct CarrierLink {
    front: Mutex<Front>,
    /// The carrier's own id.
    id: ConnId,
    work: Arc<Mutex<Work>>,
}

#[derive(Debug)]
pub(super) struct Front {
    pub(super) connection: Connection,
    /// Streams whose connections are gone.
    pub(super) dropped: Vec<StreamId>,
    /// Whether the loop knows that there is work.
    is_noted: bool,
    /// Whether the socket is gone.
    is_over: bool,
}

/// The work that the streams of all carriers have left for the loop.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Carriers with something to write, or streams to forget.
    pub(super) carriers: Vec<ConnId>,
    /// Connections whose carrier is gone.
    pub(super) orphans: Vec<ConnId>,
}

/// Nothing under this lock can panic half-way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Carrier {
    pub(super) fn new(id: ConnId, work: &Arc<Mutex<Work>>, until: Option<Instant>) -> Self {
        let connection = Connection::server(Limits::default());
        let front = Front { connection, dropped: Vec::new(), is_noted: false, is_over: false };
        let link = CarrierLink { front: Mutex::new(front), id, work: Arc::clone(work) };
        Self { link: Arc::new(link), streams: HashMap::new(), until }
    }

    /// Returns how many bytes of memory are held, beyond its own size.
    pub(super) fn memory(&self) -> usize {
        let streams = self.streams.capacity() * size_of::<(StreamId, ConnId)>();
        size_of::<CarrierLink>() + streams + self.link.front().connection.memory()
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.link.front().is_over = true;
        lock(&self.link.work).orphans.extend(self.streams.values());
    }
}

impl Work {
    /// Returns whether there is no work.
    pub(super) const fn is_empty(&self) -> bool {
        self.carriers.is_empty() && self.orphans.is_empty()
    }
}

impl CarrierLink {
    pub(super) fn front(&self) -> MutexGuard<'_, Front> {
        lock(&self.front)
    }

    /// Asks the loop to visit the carrier.
    fn note(&self, front: &mut Front) {
        if !front.is_noted && !front.is_over {
            front.is_noted = true;
            lock(&self.work).carriers.push(self.id);
        }
    }
}

impl Front {
    /// Starts a visit of the loop: returns the streams to be forgotten.
    pub(super) fn take_dropped(&mut self) -> Vec<StreamId> {
        self.is_noted = false;
        std::mem::take(&mut self.dropped)
    }
}

/// One stream as the transport of a connection.
#[derive(Debug)]
pub(super) struct CarriedStream {
    link: Arc<CarrierLink>,
    id: StreamId,
    /// What is left of the request, in HTTP/1.1 form.
    request: Secret<Vec<u8>>,
    /// The response that is being written.
    response: Option<HeadReader>,
    asks_for_websocket: bool,
    /// Whether the end of the client's direction was read.
    ended: bool,
    addresses: [Option<SocketAddr>; 2],
}

/// The limits for our own answers.
const RESPONSE: HeadLimits = HeadLimits { max_bytes: 1 << 20, max_headers: 2000 };

/// What a stream counts for beyond what its carrier holds for it: mostly the head of a request.
const STATE: usize = 1024;

impl CarriedStream {
    /// # Errors
    ///
    /// The status of the answer, if this is not a request that we serve.
    pub(super) fn new(
        link: &Arc<CarrierLink>,
        id: StreamId,
        fields: &Fields,
        addresses: [Option<SocketAddr>; 2],
    ) -> Result<Self, u16> {
        Ok(Self {
            link: Arc::clone(link),
            id,
            request: Secret::new(upgrade::request_head(fields)?),
            response: Some(HeadReader::response(RESPONSE)),
            asks_for_websocket: fields.get(":protocol").is_some(),
            ended: false,
            addresses,
        })
    }
}

impl Read for CarriedStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if !self.request.expose().is_empty() {
            let len = self.request.expose().len().min(buf.len());
            buf[..len].copy_from_slice(&self.request.expose()[..len]);
            self.request.expose_mut().drain(..len);
            return Ok(len);
        }
        if self.ended {
            return Ok(0);
        }
        let mut front = self.link.front();
        match front.connection.read(self.id, buf) {
            Some(len) => {
                self.ended = len == 0 && !buf.is_empty();
                if !front.connection.pending().is_empty() {
                    self.link.note(&mut front);
                }
                Ok(len)
            }
            None if front.is_over || front.connection.is_over(self.id) => {
                Err(io::ErrorKind::ConnectionReset.into())
            }
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for CarriedStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut front = self.link.front();
        if front.is_over || front.connection.is_over(self.id) {
            return Ok(buf.len()); // discarded: what came before is read first, and reading finds the end
        }
        let taken = match &mut self.response {
            Some(reader) => match reader.receive(buf) {
                Ok(Progress::NeedMore) => buf.len(),
                Ok(Progress::Done { value, used }) => {
                    let fields = upgrade::response_fields(&value, self.asks_for_websocket);
                    self.response = None;
                    front.connection.respond(self.id, &fields, false);
                    used
                }
                // We have written it ourselves.
                Err(_) => {
                    front.connection.reset(self.id, ErrorCode::INTERNAL_ERROR);
                    buf.len()
                }
            },
            None => front.connection.send(self.id, buf),
        };
        self.link.note(&mut front);
        if taken == 0 && !buf.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for CarriedStream {
    fn shutdown_write(&mut self) -> io::Result<()> {
        let mut front = self.link.front();
        front.connection.finish(self.id);
        self.link.note(&mut front);
        Ok(())
    }

    fn hold_back(&mut self, held: bool) -> bool {
        let mut front = self.link.front();
        front.connection.hold_back(self.id, held);
        self.link.note(&mut front);
        true
    }

    fn memory(&self) -> usize {
        STATE
    }

    fn is_http2(&self) -> bool {
        true
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.addresses[0]
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.addresses[1]
    }
}

impl Drop for CarriedStream {
    fn drop(&mut self) {
        let mut front = self.link.front();
        if self.ended {
            front.connection.finish(self.id); // as one end of TCP answers the other
        }
        front.connection.close(self.id);
        front.dropped.push(self.id);
        self.link.note(&mut front);
    }
}
