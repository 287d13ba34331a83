//! An HTTP/2 connection with its socket, and a stream of it that is read and written like a TCP connection.
//!
//! The bytes written on a [`Stream`] begin with a request head in the form of HTTP/1.1; the bytes read begin with a
//! response head. END_STREAM is the end of one direction, RST_STREAM a reset (RFC 8441 §5).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::rc::Rc;

use mio::net::TcpStream;

use super::asked;
use super::cut::{Cut, Cutter};
use super::fields;
use super::frame::{Frame, code, code_name, setting};
use super::session::{HOSTED, SETTINGS, STREAM_WINDOW, Session, Side};
use crate::random::Random;
use crate::rule::Violation;
use crate::socket::{Socket, words};

/// How many bytes are read from a connection before others have their turn.
const BUDGET: usize = 1 << 20;
/// The longest request head.
const MOST_HEAD: usize = 1 << 20;

/// A connection that carries streams.
#[derive(Debug)]
pub(crate) struct Trunk {
    socket: Socket,
    session: Session,
    scheme: &'static str,
    cut: Cut,
    connected: bool,
    /// How the connection ended, if it has; an empty text stands for an end in good order.
    ended: Option<(io::ErrorKind, String)>,
    /// How many streams are held.
    users: usize,
    /// How many streams the connection has carried.
    carried: usize,
    /// Whether the connection ended with several streams on it.
    lost: bool,
}

/// A connection that several streams share.
pub(crate) type Shared = Rc<RefCell<Trunk>>;

/// Returns the usual settings, with the windows that the cut starts with.
fn announced(usual: &[(u16, u32)], cut: Cut) -> Vec<(u16, u32)> {
    let of = |&(name, value): &(u16, u32)| match name {
        setting::INITIAL_WINDOW_SIZE if cut.starts_shut() => (name, 0),
        name => (name, value),
    };
    usual.iter().map(of).collect()
}

/// Moves the bytes of the connections that are ready, and makes the slots of their streams ready. `streams` holds
/// slots, each with its connection.
pub(crate) fn pump_trunks(
    trunks: &BTreeMap<usize, Shared>,
    streams: impl Iterator<Item = (usize, Option<usize>)> + Clone,
    scratch: &mut [u8],
    ready: &mut Vec<usize>,
    more: &mut Vec<usize>,
) {
    let mut woken: Vec<usize> = ready.iter().copied().filter(|token| trunks.contains_key(token)).collect();
    woken.sort_unstable();
    woken.dedup();
    for token in woken {
        if trunks[&token].borrow_mut().pump(scratch) {
            more.push(token);
        }
        ready.extend(streams.clone().filter(|(_, trunk)| *trunk == Some(token)).map(|(slot, _)| slot));
    }
}

impl Trunk {
    /// Creates a connection that is still being made.
    pub(crate) fn connecting(socket: Socket, cut: Cut) -> Self {
        Self::with(socket, Session::new(&announced(SETTINGS, cut)), cut)
    }

    /// Creates a connection that a client has made to us, on which WebSockets may be opened.
    pub(crate) fn accepted(socket: Socket, cut: Cut) -> Self {
        Self::with(socket, Session::accepted(&announced(HOSTED, cut)), cut)
    }

    fn with(socket: Socket, mut session: Session, cut: Cut) -> Self {
        session.open_wide();
        let scheme = socket.scheme();
        Self {
            socket,
            session,
            scheme,
            cut,
            connected: false,
            ended: None,
            users: 0,
            carried: 0,
            lost: false,
        }
    }

    /// Returns the streams that the client has opened since the last call, each for a WebSocket or a page. Requests for
    /// other tunnels are refused here.
    pub(crate) fn asked(&mut self) -> Vec<u32> {
        let mut asked = self.session.take_asked();
        asked.retain(|id| {
            let answered = self.session.stream(*id).is_some_and(|half| asked::can_be_answered(&half.fields));
            if !answered {
                self.session.section(*id, &fields::encode([(":status", "501")]), true);
                self.session.forget(*id);
            }
            answered
        });
        self.flush();
        asked
    }

    /// Returns the socket and the session, for a caller that continues from here.
    pub(crate) fn into_parts(self) -> (Socket, Session) {
        (self.socket, self.session)
    }

    /// Returns whether the connection can be taken over: it has no fault, and exactly one stream is held.
    pub(crate) fn is_of_one(&self) -> bool {
        self.users == 1 && self.ended.is_none() && self.session.fault.is_none()
    }

    /// Makes the client open another connection for its next request.
    pub(crate) fn turn_away(&mut self) {
        self.session.raw(&Frame::goaway(i32::MAX as u32, code::NO_ERROR));
        self.flush();
    }

    /// Returns whether the client has shown that it speaks HTTP/2.
    pub(crate) fn has_begun(&self) -> bool {
        self.session.settings_frames > 0
    }

    /// Returns whether nothing more will come.
    pub(crate) fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    /// Returns the TCP connection, to register it.
    pub(crate) fn tcp_mut(&mut self) -> &mut TcpStream {
        self.socket.tcp_mut()
    }

    /// Returns whether streams may still be opened on it, now or later.
    pub(crate) fn is_fresh(&self) -> bool {
        self.ended.is_none()
            && self.session.fault.is_none()
            && self.session.goaway.is_none()
            && self.carried < self.cut.most_streams()
    }

    fn end(&mut self, kind: io::ErrorKind, how: String) {
        if self.ended.is_none() {
            self.lost = self.users > 1;
            self.session.forget_outgoing();
            self.ended = Some((kind, how));
        }
    }

    /// Moves bytes both ways. Returns whether there may be more to move at once.
    pub(crate) fn pump(&mut self, scratch: &mut [u8]) -> bool {
        if self.ended.is_some() || !self.connect() {
            return false;
        }
        self.flush();
        let mut budget = BUDGET;
        while self.ended.is_none() {
            match self.socket.read(scratch) {
                Ok(0) => self.end(io::ErrorKind::ConnectionReset, self.farewell()),
                Ok(length) => {
                    self.session.receive(&scratch[..length]);
                    budget = budget.saturating_sub(length);
                    if budget == 0 {
                        self.flush();
                        return true;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.end(error.kind(), words(&error)),
            }
            if let Some(protocol) = self.socket.other_protocol(b"h2") {
                let how = format!("the server does not choose h2 for this connection (ALPN), but {protocol}");
                self.end(io::ErrorKind::Other, how);
            }
        }
        if self.session.fault.is_some() {
            self.session.raw(&Frame::goaway(0, code::PROTOCOL_ERROR));
            self.flush();
            let how = "we end the connection, as the server breaks a rule on it";
            self.end(io::ErrorKind::ConnectionReset, how.to_owned());
        }
        self.flush();
        false
    }

    /// Returns why the peer ended the connection, as far as it has said.
    fn farewell(&self) -> String {
        match self.session.goaway {
            Some((_, code)) => format!("GOAWAY, {}", code_name(code)),
            None => String::new(),
        }
    }

    fn connect(&mut self) -> bool {
        if !self.connected {
            match self.socket.is_connected() {
                Ok(is_so) => self.connected = is_so,
                Err(error) => self.end(error.kind(), words(&error)),
            }
        }
        self.connected
    }

    /// Writes as much as possible.
    pub(crate) fn flush(&mut self) {
        while self.connected && self.ended.is_none() && !self.session.outgoing().is_empty() {
            match self.socket.write(self.session.outgoing()) {
                Ok(written) => self.session.sent(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The peer's last bytes may still be there to read, which tell more.
                Err(_) => self.session.forget_outgoing(),
            }
        }
        let _ = self.socket.flush();
    }

    /// Returns whether a stream can be opened now.
    fn is_ready(&self) -> io::Result<bool> {
        if let Some(fault) = &self.session.fault {
            return Err(io::Error::other(fault.to_string()));
        }
        if let Some((kind, how)) = &self.ended {
            let how = if how.is_empty() { "the server ended the connection" } else { how };
            return Err(io::Error::new(*kind, how.to_owned()));
        }
        if self.session.side == Side::Server {
            return Ok(true);
        }
        if self.session.settings_frames == 0 {
            return Ok(false);
        }
        if self.session.setting(setting::ENABLE_CONNECT_PROTOCOL) != Some(1) {
            return Err(io::Error::other(
                "the server speaks HTTP/2 and does not allow WebSocket on it: no SETTINGS_ENABLE_CONNECT_PROTOCOL \
                 (RFC 8441 §3)",
            ));
        }
        Ok(self.session.has_room())
    }
}

/// One stream of a connection.
#[derive(Debug)]
pub(crate) struct Stream {
    trunk: Shared,
    cutter: Cutter,
    cut: Cut,
    id: Option<u32>,
    /// The request head, until it is complete.
    head: Vec<u8>,
    /// The part of the peer's head that was not read yet.
    answer: Option<Vec<u8>>,
    /// Whether the heads of interim responses are read, too.
    interim: bool,
    /// Whether the client has opened the stream and our response head is not complete yet.
    answers: bool,
}

impl Stream {
    /// Creates a stream that is not opened yet; its cuts follow from `random`.
    pub(crate) fn new(trunk: &Shared, mut random: Random) -> Self {
        trunk.borrow_mut().users += 1;
        trunk.borrow_mut().carried += 1;
        let cut = trunk.borrow().cut.of_stream(&mut random);
        Self {
            trunk: Rc::clone(trunk),
            cutter: Cutter::new(cut, random),
            cut,
            id: None,
            head: Vec::new(),
            answer: None,
            interim: false,
            answers: false,
        }
    }

    /// Makes interim responses readable before the final one.
    pub(crate) fn with_interim(mut self) -> Self {
        self.interim = true;
        self
    }

    /// Creates a stream that a client has opened; what is read from it begins with the request.
    pub(crate) fn accepted(trunk: &Shared, id: u32, random: Random) -> Self {
        let mut stream = Self::new(trunk, random);
        let mut trunk = stream.trunk.borrow_mut();
        stream.answer = trunk.session.stream(id).map(|half| asked::as_head(&half.fields));
        if trunk.cut.starts_shut() {
            trunk.session.open_stream(id, stream.cut.grant(), STREAM_WINDOW);
        }
        drop(trunk);
        stream.id = Some(id);
        stream.answers = true;
        stream
    }

    /// Releases the stream without sending anything. Returns its number.
    pub(crate) fn release(&mut self) -> Option<u32> {
        self.id.take()
    }

    /// Returns whether the stream can be opened.
    pub(crate) fn is_connected(&self) -> io::Result<bool> {
        self.trunk.borrow().is_ready()
    }

    /// Returns the HTTP/2 rule that the peer has broken on the stream or on the connection.
    pub(crate) fn violation(&self) -> Option<Violation> {
        let trunk = self.trunk.borrow();
        let half = self.id.and_then(|id| trunk.session.stream(id));
        // What came before the fault is read first.
        let has_head = self.answer.as_ref().is_some_and(|head| !head.is_empty());
        if has_head || half.is_some_and(|half| !half.data.is_empty()) {
            return None;
        }
        half.and_then(|half| half.fault.clone()).or_else(|| trunk.session.fault.clone())
    }

    /// Returns whether the connection ended while others had streams on it.
    pub(crate) fn was_lost(&self) -> bool {
        self.trunk.borrow().lost
    }

    /// Ends our direction.
    pub(crate) fn end_writing(&mut self) {
        if let Some(id) = self.id {
            let mut trunk = self.trunk.borrow_mut();
            trunk.session.end(id);
            trunk.flush();
        }
    }

    fn respond(&mut self, id: u32) {
        self.answers = false;
        let block = fields::encode(fields::of_response(&self.head));
        self.trunk.borrow_mut().session.section(id, &block, false);
    }

    fn open(&mut self) {
        let mut trunk = self.trunk.borrow_mut();
        let fields = fields::of_head(&self.head, trunk.scheme);
        let id = trunk.session.open(&fields);
        if trunk.cut.starts_shut() {
            let grant = self.cut.grant();
            trunk.session.open_stream(id, grant, STREAM_WINDOW);
        }
        self.id = Some(id);
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut trunk = self.trunk.borrow_mut();
        let trunk = &mut *trunk;
        let ended = trunk.ended.as_ref().map(|(kind, how)| match &**how {
            "" => Ok(0),
            how => Err(io::Error::new(*kind, how.to_owned())),
        });
        let nothing = || ended.unwrap_or(Err(io::ErrorKind::WouldBlock.into()));
        let Some(id) = self.id else { return nothing() };
        let Some(half) = trunk.session.stream(id) else { return nothing() };
        if let (None, Some(status)) = (&self.answer, half.status) {
            let before = half.interim.iter().filter(|_| self.interim);
            let mut heads: Vec<u8> = before.flat_map(|status| fields::as_head(*status, &[])).collect();
            heads.extend(fields::as_head(status, &half.fields));
            self.answer = Some(heads);
        }
        if let Some(answer) = self.answer.as_mut().filter(|answer| !answer.is_empty()) {
            let length = into.len().min(answer.len());
            into[..length].copy_from_slice(&answer[..length]);
            answer.drain(..length);
            return Ok(length);
        }
        let (ended, reset) = (half.ended, half.reset);
        match trunk.session.take(id, into) {
            0 if ended => Ok(0),
            0 => match reset {
                Some(code) => {
                    let how = format!("RST_STREAM, {}", code_name(code));
                    Err(io::Error::new(io::ErrorKind::ConnectionReset, how))
                }
                None => nothing(),
            },
            length => Ok(length),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(id) = self.id.filter(|_| !self.answers) else {
            let before = self.head.len();
            self.head.extend_from_slice(bytes);
            let from = before.saturating_sub(3);
            let end = self.head[from..].windows(4).position(|four| four == b"\r\n\r\n");
            let Some(end) = end.map(|at| from + at + 4) else {
                return if self.head.len() > MOST_HEAD {
                    Err(io::ErrorKind::InvalidInput.into())
                } else {
                    Ok(bytes.len())
                };
            };
            self.head.truncate(end);
            match self.id {
                Some(id) => self.respond(id),
                None => self.open(),
            }
            return Ok(end - before);
        };
        let mut trunk = self.trunk.borrow_mut();
        let trunk = &mut *trunk;
        let over =
            trunk.session.stream(id).is_none_or(|half| half.reset.is_some() || half.sent_end || half.dropped);
        if trunk.ended.is_some() || over {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        match self.cutter.send(&mut trunk.session, id, bytes) {
            0 => {
                trunk.flush();
                Err(io::ErrorKind::WouldBlock.into())
            }
            sent => Ok(sent),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.trunk.borrow_mut().flush();
        Ok(())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut trunk = self.trunk.borrow_mut();
        trunk.users -= 1;
        if let Some(id) = self.id {
            trunk.session.forget(id);
        }
        trunk.flush();
    }
}
