//! Drives `rustls` for one connection: records in, plaintext and records out, all in buffers of the caller.

use rustls::client::UnbufferedClientConnection;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, ReadEarlyData, UnbufferedStatus, WriteTraffic,
};
use rustls::{CommonState, Error};

/// The most plaintext in one record (RFC 8446 §5.1).
pub(super) const RECORD: usize = 16 * 1024;

/// The most bytes of one record on the wire: in TLS 1.2 it may grow by 2,048 (RFC 5246 §6.2.3).
pub(super) const WIRE_RECORD: usize = 5 + RECORD + 2048;

/// The most bytes that encryption adds to a record. A key update before the first record takes no more than this.
const OVERHEAD: usize = 64;

/// A TLS connection of either role, made by [`TlsClient`](super::TlsClient) or [`TlsServer`](super::TlsServer).
pub struct TlsConnection(Side);

enum Side {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

impl From<UnbufferedClientConnection> for TlsConnection {
    fn from(connection: UnbufferedClientConnection) -> Self {
        Self(Side::Client(connection))
    }
}

impl From<UnbufferedServerConnection> for TlsConnection {
    fn from(connection: UnbufferedServerConnection) -> Self {
        Self(Side::Server(connection))
    }
}

impl std::fmt::Debug for TlsConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsConnection")
    }
}

impl TlsConnection {
    pub(super) fn common(&self) -> &CommonState {
        match &self.0 {
            Side::Client(client) => client,
            Side::Server(server) => server,
        }
    }

    /// Processes as much of `incoming` as possible; it starts with the first byte not consumed so far. Returns how many
    /// bytes are consumed now, and the outcome.
    pub(super) fn run(&mut self, incoming: &mut [u8], step: &mut Step<'_>) -> (usize, Result<Next, Error>) {
        let mut used = 0;
        loop {
            let (discard, next) = self.once(&mut incoming[used..], step);
            used += discard;
            match next {
                Ok(Next::Again) => {}
                Ok(next) => return (used, Ok(next)),
                Err(error) => {
                    // Writes the alert that tells the peer why, after an answer to its key update. Each call writes one
                    // of them.
                    while self.common().wants_write() {
                        let _ = self.once(&mut incoming[used..], step);
                    }
                    return (used, Err(error));
                }
            }
        }
    }

    fn once(&mut self, incoming: &mut [u8], step: &mut Step<'_>) -> (usize, Result<Next, Error>) {
        match &mut self.0 {
            Side::Client(client) => step.act(client.process_tls_records(incoming)),
            Side::Server(server) => match server.process_tls_records(incoming) {
                UnbufferedStatus { discard, state: Ok(ConnectionState::ReadEarlyData(early)) } => {
                    (discard + drop_early(early), Err(Error::General(EARLY.into())))
                }
                status => step.act(status),
            },
        }
    }
}

/// How far our direction has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// More may be written.
    Open,
    /// It ends once the TLS handshake is done.
    Asked,
    /// The `close_notify` has been encrypted.
    Notified,
    /// The socket's own direction has been shut down, too.
    #[cfg_attr(not(feature = "event-loop"), expect(dead_code, reason = "only a loop has it ended here"))]
    Shut,
}

/// A buffer for bytes for the peer. What follows `len` is left over from earlier use.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) room: Vec<u8>,
    pub(super) len: usize,
}

impl Output {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.room[..self.len]
    }

    pub(super) const fn clear(&mut self) {
        self.len = 0;
    }

    /// Returns `len` bytes of room after the bytes that are there.
    fn room(&mut self, len: usize) -> &mut [u8] {
        let end = self.len + len;
        if self.room.len() < end {
            self.room.resize(end, 0);
        }
        &mut self.room[self.len..end]
    }

    fn encrypt<D>(&mut self, write: &mut WriteTraffic<'_, D>, data: &[u8]) -> Result<(), Exhausted> {
        if data.is_empty() {
            return Ok(());
        }
        let room = data.len() + (data.len() / RECORD + 2) * OVERHEAD;
        self.with_room(room, |room| write.encrypt(data, room))
    }

    fn close_notify<D>(&mut self, write: &mut WriteTraffic<'_, D>) -> Result<(), Exhausted> {
        self.with_room(2 * OVERHEAD, |room| write.queue_close_notify(room))
    }

    fn with_room(
        &mut self,
        mut room: usize,
        mut fill: impl FnMut(&mut [u8]) -> Result<usize, EncryptError>,
    ) -> Result<(), Exhausted> {
        loop {
            match fill(self.room(room)) {
                Ok(len) => {
                    self.len += len;
                    return Ok(());
                }
                Err(EncryptError::InsufficientSize(needed)) => room = needed.required_size,
                Err(EncryptError::EncryptExhausted) => return Err(Exhausted),
            }
        }
    }
}

/// No more may be encrypted with the current keys.
struct Exhausted;

/// The input and output of one call for the connection.
pub(super) struct Step<'a> {
    /// Plaintext goes here, and what does not fit goes to `plain`.
    pub(super) buf: &'a mut [u8],
    /// How many bytes of `buf` are filled.
    pub(super) filled: usize,
    pub(super) plain: &'a mut Vec<u8>,
    /// The bytes to encrypt.
    pub(super) data: &'a [u8],
    pub(super) out: &'a mut Output,
    pub(super) ours: &'a mut End,
    pub(super) peer_closed: bool,
}

/// The outcome of a step.
pub(super) enum Next {
    Again,
    /// More bytes from the peer are needed.
    Starved,
    /// `data` has been encrypted.
    Written,
    /// Nothing more can be written.
    Ended,
}

impl Step<'_> {
    /// Does what `status` asks for. Returns how many bytes from the peer are consumed, and what is next.
    fn act<D>(&mut self, status: UnbufferedStatus<'_, '_, D>) -> (usize, Result<Next, Error>) {
        let mut discard = status.discard;
        let state = match status.state {
            Ok(state) => state,
            Err(error) => return (discard, Err(error)),
        };
        let next = match state {
            ConnectionState::ReadTraffic(mut traffic) => {
                while let Some(record) = traffic.next_record() {
                    let record = match record {
                        Ok(record) => record,
                        Err(error) => return (discard, Err(error)),
                    };
                    discard += record.discard;
                    self.take(record.payload);
                }
                Next::Again
            }
            ConnectionState::EncodeTlsData(mut data) => {
                if let Err(EncodeError::InsufficientSize(needed)) = data.encode(&mut []) {
                    let written = data.encode(self.out.room(needed.required_size));
                    self.out.len += written.unwrap_or(0);
                }
                Next::Again
            }
            ConnectionState::TransmitTlsData(data) => {
                data.done();
                Next::Again
            }
            ConnectionState::PeerClosed => {
                self.peer_closed = true;
                Next::Again
            }
            ConnectionState::WriteTraffic(mut write) => {
                let mut done = self.out.encrypt(&mut write, self.data);
                if done.is_ok() && *self.ours == End::Asked {
                    *self.ours = End::Notified;
                    done = self.out.close_notify(&mut write);
                }
                if done.is_ok() { Next::Written } else { Next::Ended }
            }
            ConnectionState::Closed => Next::Ended,
            // This includes states that a later version may add.
            _ => Next::Starved,
        };
        (discard, Ok(next))
    }

    fn take(&mut self, payload: &[u8]) {
        // Plaintext must not overtake what waits already.
        let room = if self.plain.is_empty() { self.buf.len() - self.filled } else { 0 };
        let (now, later) = payload.split_at(payload.len().min(room));
        self.buf[self.filled..self.filled + now.len()].copy_from_slice(now);
        self.filled += now.len();
        self.plain.extend_from_slice(later);
    }
}

/// Early data may have been sent twice (RFC 8446 §8), so it is not delivered. The peer takes it for received, so
/// nothing may follow it.
const EARLY: &str = "early data was accepted, which is not taken here";

/// Drops the early data. Returns how many bytes from the peer are consumed.
fn drop_early(mut early: ReadEarlyData<'_, '_, ServerConnectionData>) -> usize {
    let mut discard = 0;
    while let Some(Ok(record)) = early.next_record() {
        discard += record.discard;
    }
    discard
}
