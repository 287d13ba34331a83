//! An HTTP/2 connection that carries several WebSockets: each of them is a link whose socket is a stream.
//!
//! As in the library, a stream speaks HTTP/1.1 upward. What a stream writes is queued, and sent together with what its
//! siblings have written when the fleet flushes; what comes in for a stream names the link that should read it.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;
use std::time::Instant;

use bowsprit::handshake::{HeadLimits, HeadReader, Progress};
use bowsprit::http2::{Connection, Event, Fields, Http2Failure, Limits, StreamId, upgrade};
use mio::net::TcpStream;

use super::socket::{Socket, put};

/// A connection that several links share.
pub(super) type Shared = Rc<RefCell<Trunk>>;

/// The HTTP/2 connection.
pub(super) struct Trunk {
    socket: Socket,
    connection: Connection,
    is_connected: bool,
    /// Why the connection cannot continue.
    failure: Option<(ErrorKind, String)>,
    /// The link of each stream.
    links: BTreeMap<StreamId, usize>,
    /// Requests that wait for the server's settings, or for room for another stream.
    waiting: VecDeque<(usize, Fields)>,
    /// Streams that were opened for links that do not know it yet.
    opened: BTreeMap<usize, StreamId>,
    /// The server's answers that their links have not read yet.
    heads: BTreeMap<StreamId, Fields>,
}

/// How often one connection is read in a turn.
const READS: usize = 8;

/// The limits for our own request.
const REQUEST: HeadLimits = HeadLimits::new(1 << 20, 2000);

impl Trunk {
    pub(super) fn new(socket: Socket) -> Shared {
        let trunk = Self {
            socket,
            connection: Connection::client(Limits::default()),
            is_connected: false,
            failure: None,
            links: BTreeMap::new(),
            waiting: VecDeque::new(),
            opened: BTreeMap::new(),
            heads: BTreeMap::new(),
        };
        Rc::new(RefCell::new(trunk))
    }

    pub(super) fn tcp(&mut self) -> &mut TcpStream {
        self.socket.tcp()
    }

    /// Returns whether further streams may be opened on it.
    pub(super) fn is_fresh(&self) -> bool {
        self.failure.is_none() && !self.connection.is_going_away()
    }

    /// Moves bytes both ways. The links that have something to do are added to `ready`, possibly more than once.
    /// Returns whether there may be more to read that no event will announce.
    pub(super) fn pump(&mut self, scratch: &mut [u8], ready: &mut Vec<usize>) -> bool {
        let result = self.try_pump(scratch, ready);
        let more = result.unwrap_or_else(|error| {
            self.fail(error.kind(), &error.to_string(), ready);
            false
        });
        self.flush(ready);
        more
    }

    fn try_pump(&mut self, scratch: &mut [u8], ready: &mut Vec<usize>) -> io::Result<bool> {
        if self.failure.is_some() || !self.connect()? {
            return Ok(false);
        }
        for _ in 0..READS {
            let len = match self.socket.read(scratch) {
                Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, Http2Failure::Ended)),
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.agree()?;
                    return Ok(false);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.agree()?;
            self.connection
                .receive(&scratch[..len], Instant::now())
                .map_err(|error| io::Error::from(Http2Failure::Protocol(error)))?;
            self.take_events(ready)?;
        }
        Ok(true)
    }

    /// Returns whether TCP is connected.
    fn connect(&mut self) -> io::Result<bool> {
        if !self.is_connected {
            self.is_connected = self.socket.is_connected()?;
        }
        Ok(self.is_connected)
    }

    /// Checks that the server has chosen HTTP/2, if TLS is used.
    fn agree(&self) -> io::Result<()> {
        match &self.socket {
            Socket::Tls(tls) if !tls.tls().is_handshaking() && tls.tls().alpn_protocol() != Some(b"h2") => {
                Err(Http2Failure::NotSpoken.into())
            }
            _ => Ok(()),
        }
    }

    fn fail(&mut self, kind: ErrorKind, why: &str, ready: &mut Vec<usize>) {
        if self.failure.is_none() {
            self.failure = Some((kind, why.to_owned()));
            ready.extend(self.links.values());
            ready.extend(self.waiting.iter().map(|(link, _)| link));
        }
    }

    fn take_events(&mut self, ready: &mut Vec<usize>) -> io::Result<()> {
        while let Some(event) = self.connection.next() {
            let id = match event {
                Event::Ready if !self.connection.allows_websockets() => {
                    return Err(Http2Failure::NotAllowed.into());
                }
                Event::Ready => {
                    self.open_waiting();
                    continue;
                }
                Event::Response(id, fields) => {
                    if fields.status().is_some_and(|status| status >= 200) {
                        self.heads.insert(id, fields);
                    }
                    id
                }
                Event::Readable(id) | Event::Writable(id) | Event::Reset(id, _) => id,
                _ => continue,
            };
            ready.extend(self.links.get(&id));
        }
        Ok(())
    }

    /// Opens streams for waiting requests, as far as the server accepts them.
    fn open_waiting(&mut self) {
        while let Some((link, request)) = self.waiting.front()
            && self.connection.is_ready()
            && let Ok(id) = self.connection.open(request, false)
        {
            self.links.insert(id, *link);
            self.opened.insert(*link, id);
            self.waiting.pop_front();
        }
    }

    /// Writes what is queued; the links for which this makes room are added to `ready`.
    pub(super) fn flush(&mut self, ready: &mut Vec<usize>) {
        if let Err(error) = self.try_flush(ready) {
            self.fail(error.kind(), &error.to_string(), ready);
        }
    }

    fn try_flush(&mut self, ready: &mut Vec<usize>) -> io::Result<()> {
        if self.failure.is_some() || !self.is_connected {
            return Ok(());
        }
        while !self.connection.pending().is_empty() {
            match put(&mut self.socket, self.connection.pending())? {
                None => break,
                Some(len) => self.connection.advance(len),
            }
        }
        self.socket.push()?;
        self.take_events(ready)
    }
}

/// One stream, as the socket of a link.
pub(super) struct Carried {
    trunk: Shared,
    link: usize,
    request: Option<HeadReader>,
    is_secure: bool,
    /// The Sec-WebSocket-Accept that an HTTP/1.1 answer would have.
    accept: String,
    id: Option<StreamId>,
    /// The part of the answer that was not read yet.
    head: Vec<u8>,
    /// Whether the server's direction has ended.
    ended: bool,
}

impl Carried {
    /// Creates a stream of `trunk` for this link; it is opened once the request is written.
    pub(super) fn new(trunk: Shared, link: usize) -> Self {
        let is_secure = matches!(trunk.borrow().socket, Socket::Tls(_));
        Self {
            trunk,
            link,
            request: Some(HeadReader::request(REQUEST)),
            is_secure,
            accept: String::new(),
            id: None,
            head: Vec::new(),
            ended: false,
        }
    }

    /// Returns the stream, once it is opened.
    fn id(&mut self) -> Option<StreamId> {
        if self.id.is_none() {
            self.id = self.trunk.borrow_mut().opened.remove(&self.link);
        }
        self.id
    }
}

impl Read for Carried {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let id = self.id();
        let mut trunk = self.trunk.borrow_mut();
        if let Some(id) = id {
            if let Some(fields) = trunk.heads.remove(&id) {
                self.head = upgrade::response_head(&fields, &self.accept);
            }
            if !self.head.is_empty() {
                let len = self.head.len().min(buf.len());
                buf[..len].copy_from_slice(&self.head[..len]);
                self.head.drain(..len);
                return Ok(len);
            }
            if let Some(len) = trunk.connection.read(id, buf) {
                self.ended |= len == 0;
                return Ok(len);
            }
        }
        match (&trunk.failure, id) {
            (Some((kind, why)), _) => Err(io::Error::new(*kind, why.clone())),
            (None, Some(id)) if trunk.connection.is_over(id) => Err(ErrorKind::ConnectionReset.into()),
            _ => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Carried {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(reader) = &mut self.request {
            return match reader.receive(bytes) {
                Ok(Progress::NeedMore) => Ok(bytes.len()),
                Ok(Progress::Done { value, used }) => {
                    self.request = None;
                    let (fields, accept) = upgrade::connect_fields(&value, self.is_secure);
                    self.accept = accept;
                    let mut trunk = self.trunk.borrow_mut();
                    trunk.waiting.push_back((self.link, fields));
                    trunk.open_waiting();
                    Ok(used)
                }
                Err(error) => Err(io::Error::other(error)),
            };
        }
        let Some(id) = self.id() else { return Err(ErrorKind::WouldBlock.into()) };
        let mut trunk = self.trunk.borrow_mut();
        if trunk.failure.is_some() || trunk.connection.is_over(id) {
            return Err(ErrorKind::ConnectionReset.into());
        }
        match trunk.connection.send(id, bytes) {
            0 if !bytes.is_empty() => Err(ErrorKind::WouldBlock.into()),
            len => Ok(len),
        }
    }

    /// Does nothing: the fleet flushes all streams together.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        let id = self.id();
        let mut trunk = self.trunk.borrow_mut();
        trunk.waiting.retain(|(link, _)| *link != self.link);
        if let Some(id) = id {
            if self.ended {
                trunk.connection.finish(id);
            }
            trunk.connection.close(id);
            trunk.links.remove(&id);
            trunk.heads.remove(&id);
            trunk.open_waiting();
        }
    }
}
