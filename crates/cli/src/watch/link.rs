//! Two connections joined into one: what each side sends is passed on to the other, and so is how it ends.

use std::io::{ErrorKind, Read as _, Write as _};
use std::time::{Duration, Instant};

use bowsprit::tls::explain_io;
use bowsprit_lab::conversation::{Conversation, End, Peer};
use mio::event::Event;
use mio::{Interest, Registry, Token};

use super::faults::{Fate, Shaper};
use super::lane::Lane;
use super::observer::Observer;
use super::place::Target;
use super::socket::Socket;

/// How many bytes one direction passes on before the others have their turn.
const SHARE: usize = 1 << 20;

pub(super) struct Link {
    pub(super) number: u64,
    client: Side,
    server: Side,
    to_server: Lane,
    to_client: Lane,
    /// The number of the server's address that is being tried or was reached.
    tried: usize,
    is_there: bool,
    /// Whether the TLS handshake is complete, too.
    is_ready: bool,
    token: Token,
    started: Instant,
    pub(super) conversation: Conversation,
    /// Whether the effect of faults was reported.
    is_fated: bool,
    /// Whether the link is on the list of those that have something to do.
    pub(super) is_listed: bool,
}

struct Side {
    socket: Socket,
    readable: bool,
    writable: bool,
    has_error: bool,
    /// Whether it sends nothing more, even if not everything was read.
    has_closed: bool,
}

/// What is left to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There is more to do at once.
    More,
    /// There is nothing to do before the next event.
    Wait,
    /// There is nothing left to do.
    Over,
    /// The server could not be reached, for this reason.
    NotReached(String),
}

/// The result of a transfer.
enum Carried {
    More,
    Wait,
    /// The sender has reset the connection.
    Reset,
}

impl Side {
    const fn new(socket: Socket) -> Self {
        Self { socket, readable: true, writable: true, has_error: false, has_closed: false }
    }

    /// Continues the TLS handshake as far as possible. Returns whether it is complete.
    fn shake(&mut self) -> Result<bool, String> {
        let Socket::Tls(stream) = &mut self.socket else { return Ok(true) };
        if !stream.is_handshaking() {
            return Ok(true);
        }
        match stream.handshake() {
            Ok(()) => {
                // Data that came with the last handshake message is here already.
                self.readable = true;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(explain_io(&error)),
        }
    }
}

impl Link {
    /// Connects to the server. The client's connection has `token`, the server's connection the next one.
    pub(super) fn new(
        number: u64,
        mut client: Socket,
        target: &Target,
        observer: &Observer,
        registry: &Registry,
        token: Token,
        faults: Option<[Shaper; 2]>,
    ) -> Result<Self, String> {
        let [to_server, to_client] = faults.map_or([None, None], |both| both.map(Some));
        let both = Interest::READABLE | Interest::WRITABLE;
        let text = |error: std::io::Error| error.to_string();
        registry.register(client.source(), token, both).map_err(text)?;
        let (tried, server) = reach(target, 0, registry, token).inspect_err(|_| client.reset())?;
        Ok(Self {
            number,
            client: Side::new(client),
            server: Side { writable: false, readable: false, ..Side::new(server) },
            to_server: Lane::new(to_server),
            to_client: Lane::new(to_client),
            tried,
            is_there: false,
            is_ready: false,
            token,
            started: Instant::now(),
            conversation: Conversation::new(observer.keep()),
            is_fated: false,
            is_listed: false,
        })
    }

    /// Returns when the server must be reached and the TLS handshake complete.
    pub(super) fn due(&self, patience: Duration) -> Option<Instant> {
        match self.is_ready {
            false => self.started.checked_add(patience),
            true => None,
        }
    }

    /// Returns when faults let bytes pass.
    pub(super) fn wakes(&self) -> Option<Instant> {
        let lanes = [(&self.to_server, &self.server), (&self.to_client, &self.client)];
        // If the side accepts nothing, an event reports when it does.
        let due = lanes.into_iter().filter(|(_, to)| to.writable).filter_map(|(lane, _)| lane.due()).min()?;
        self.started.checked_add(due)
    }

    /// Handles an event of one of its tokens.
    pub(super) fn note(&mut self, event: &Event) {
        let is_client = event.token() == self.token;
        let side = if is_client { &mut self.client } else { &mut self.server };
        side.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        side.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
        side.has_error |= event.is_error();
        side.has_closed |= event.is_read_closed() || event.is_error();
    }

    /// Does everything that is possible now.
    pub(super) fn step(
        &mut self,
        target: &Target,
        observer: &mut Observer,
        registry: &Registry,
        buffer: &mut [u8],
    ) -> Step {
        if !self.is_ready {
            match self.get_ready(target, registry) {
                Ok(true) => {
                    self.is_ready = true;
                    let ends = [self.client.socket.peer_addr(), self.server.socket.peer_addr()];
                    observer.reached(self.number, ends, self.started.elapsed());
                }
                Ok(false) => return Step::Wait,
                Err(why) => {
                    self.reset();
                    return Step::NotReached(why);
                }
            }
        }
        let mut is_more = false;
        for from in [Peer::Client, Peer::Server] {
            match self.carry(from, observer, buffer) {
                Carried::More => is_more = true,
                Carried::Wait => {}
                Carried::Reset => {
                    self.reset();
                    return Step::Over;
                }
            }
        }
        if let Some(step) = self.meet_fate(observer) {
            return step;
        }
        if self.is_torn() {
            self.reset();
            return Step::Over;
        }
        match (self.to_server.is_passed_on && self.to_client.is_passed_on, is_more) {
            (true, _) => Step::Over,
            (false, true) => Step::More,
            (false, false) => Step::Wait,
        }
    }

    /// Returns whether bytes can be passed on: the server is reached, and the TLS handshake complete if TLS is used.
    fn get_ready(&mut self, target: &Target, registry: &Registry) -> Result<bool, String> {
        if !self.is_there {
            self.is_there = self.look(target, registry)?;
        }
        let mut is_ready = self.is_there;
        for (side, peer) in [(&mut self.client, Peer::Client), (&mut self.server, Peer::Server)] {
            if peer == Peer::Client || self.is_there {
                is_ready &= side.shake().map_err(|why| format!("TLS with the {}: {why}", peer.name()))?;
            }
        }
        Ok(is_ready)
    }

    /// Returns whether the server is reached, and tries the next address if one failed.
    fn look(&mut self, target: &Target, registry: &Registry) -> Result<bool, String> {
        if !self.server.writable {
            return Ok(false);
        }
        match self.server.socket.is_connected() {
            Ok(is_there) => {
                self.server.readable |= is_there;
                Ok(is_there)
            }
            Err(error) if self.tried + 1 >= target.addresses() => Err(error.to_string()),
            Err(_) => {
                let _ = registry.deregister(self.server.socket.source());
                let (tried, socket) = reach(target, self.tried + 1, registry, self.token)?;
                self.tried = tried;
                self.server = Side { writable: false, readable: false, ..Side::new(socket) };
                Ok(false)
            }
        }
    }

    /// Passes on what `from` sends.
    fn carry(&mut self, from: Peer, observer: &mut Observer, buffer: &mut [u8]) -> Carried {
        let (source, sink, lane) = match from {
            Peer::Client => (&mut self.client, &mut self.server, &mut self.to_server),
            Peer::Server => (&mut self.server, &mut self.client, &mut self.to_client),
        };
        let mut share = SHARE;
        loop {
            sink.pass(lane, self.started.elapsed());
            if lane.is_finished && !lane.is_blocked() && !lane.is_over() {
                lane.is_passed_on = sink.socket.end_writing();
            }
            if !lane.wants_more() || !source.readable {
                return Carried::Wait;
            }
            if share == 0 {
                return Carried::More;
            }
            let read = source.socket.read(buffer);
            let at = self.started.elapsed();
            match read {
                Ok(len) if len > 0 => {
                    share = share.saturating_sub(len);
                    // The bytes are passed on first; a copy is judged.
                    let bytes = &buffer[..len];
                    sink.take(lane, bytes, at);
                    observer.bytes(self.number, at, from, bytes, &mut self.conversation);
                }
                Ok(_) => {
                    lane.is_finished = true;
                    observer.end(self.number, at, from, End::Finished, &mut self.conversation);
                }
                // TLS was cut off without close_notify.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    lane.is_finished = true;
                    observer.end(self.number, at, from, End::Finished, &mut self.conversation);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => source.readable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    observer.end(self.number, at, from, End::Reset, &mut self.conversation);
                    return Carried::Reset;
                }
            }
        }
    }

    /// Applies a fault to the connection, if it is due.
    fn meet_fate(&mut self, observer: &mut Observer) -> Option<Step> {
        let fate = self.to_server.fate().or(self.to_client.fate())?;
        if !std::mem::replace(&mut self.is_fated, true) {
            observer.fault(self.number, self.started.elapsed(), fate.name());
        }
        match fate {
            Fate::Cut => {
                self.client.socket.end_writing();
                self.server.socket.end_writing();
                Some(Step::Over)
            }
            Fate::Reset => {
                self.reset();
                Some(Step::Over)
            }
            // It lasts until both sides have given up.
            Fate::Stall if self.client.has_closed && self.server.has_closed => Some(Step::Over),
            Fate::Stall => None,
        }
    }

    /// Returns whether a side is gone in a way that no read or write reports.
    fn is_torn(&mut self) -> bool {
        let sides = [
            (&mut self.client, &self.to_server, &self.to_client),
            (&mut self.server, &self.to_client, &self.to_server),
        ];
        for (side, of_it, to_it) in sides {
            // It accepts no more, and everything that it has sent is passed on.
            if to_it.is_broken && of_it.is_finished && !of_it.is_blocked() {
                return true;
            }
            // It has reset the connection, and what it sent before finds no room or has ended.
            if side.has_error && (of_it.is_blocked() || of_it.is_finished) {
                return true;
            }
            // Reading shows how it has ended.
            side.readable |= to_it.is_broken;
        }
        false
    }

    fn reset(&self) {
        self.client.socket.reset();
        self.server.socket.reset();
    }

    /// Ends the link, whatever still waits.
    pub(super) fn finish(mut self, observer: &mut Observer, registry: &Registry) {
        for side in [&mut self.client, &mut self.server] {
            let _ = registry.deregister(side.socket.source()); // dropping it ends it in any case
        }
        observer.close(self.number, self.started.elapsed(), self.conversation);
    }
}

impl Side {
    /// Writes what waits.
    fn pass(&mut self, lane: &mut Lane, now: Duration) {
        if self.writable && self.socket.holds_back() {
            match self.socket.flush() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(_) => lane.give_up(),
                Ok(()) => {}
            }
        }
        while self.writable
            && let Some(bytes) = lane.ready(now)
        {
            match self.socket.write(bytes) {
                Ok(written @ 1..) => lane.passed(now, written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Ok(_) | Err(_) => lane.give_up(),
            }
        }
    }

    /// Writes what has just come, and keeps what finds no room.
    fn take(&mut self, lane: &mut Lane, mut bytes: &[u8], now: Duration) {
        while lane.is_direct() && !bytes.is_empty() && self.writable {
            match self.socket.write(bytes) {
                Ok(written @ 1..) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Ok(_) | Err(_) => return lane.give_up(),
            }
        }
        lane.keep(now, bytes);
    }
}

/// Connects to the address with this number, or to the next one that can be tried.
fn reach(
    target: &Target,
    mut number: usize,
    registry: &Registry,
    token: Token,
) -> Result<(usize, Socket), String> {
    loop {
        match target.connect(number) {
            Ok(mut socket) => {
                let both = Interest::READABLE | Interest::WRITABLE;
                let registered = registry.register(socket.source(), Token(token.0 + 1), both);
                return registered.map(|()| (number, socket)).map_err(|error| error.to_string());
            }
            Err(error) if number + 1 >= target.addresses() => return Err(error.to_string()),
            Err(_) => number += 1,
        }
    }
}
