//! The loop without its wait: readiness and time in, callbacks and system calls out.

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::time::Instant;

use mio::event::Event as Readiness;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

use super::context::{ConnId, Context};
use super::handler::{Cause, Decision, Ended, Failed, Handler};
use super::listener::{Accepted, Listener};
use super::peer::{Opening, Stage, Verdict};
use super::settings::Settings;
use super::transport::Transport;
use crate::connection::{self, CloseStep, Due, Event, Inbound, Outbound, close_step};
use crate::error::ProtocolError;
use crate::handshake::{Incoming, Progress, Refusal, ServerHandshake};
use crate::message::MessageBuffer;

/// Connections and listeners, driven by whoever owns the `mio::Poll`.
///
/// [`EventLoop`](super::EventLoop) is this with a `Poll` of its own. To let it live in another one: give it that
/// one's registry and a range of tokens, pass it the [`handle`](Self::handle)d events whose token it
/// [`owns`](Self::owns), call [`finish_turn`](Self::finish_turn) after each batch, and wait no longer than until
/// [`next_deadline`](Self::next_deadline).
#[derive(Debug)]
pub struct Engine<D> {
    cx: Context<D>,
    /// The reading sides, by slot.
    inbounds: Vec<Inbound>,
    listeners: Vec<Listener>,
    first_token: usize,
    scratch: Vec<u8>,
    #[expect(clippy::vec_box, reason = "they move into connections that hold one pointer")]
    buffers: Vec<Box<MessageBuffer>>,
    /// Those that had more to give than one read took.
    resumed: Vec<u32>,
    dead: Vec<u32>,
    due: Vec<(u32, u64)>,
    in_turn: bool,
}

/// Tokens before those of connections.
const LISTENERS: usize = 64;

/// A message of which at least so much is still to come is read straight into its own buffer.
const DIRECT_FROM: usize = 64 * 1024;

/// So much for one connection goes out before the end of the turn.
const FLUSH_FROM: usize = 16 * 1024;

/// Connections accepted in a turn before others get theirs.
const ACCEPTS: usize = 64;

/// Message buffers kept for the next message, and the most that each may hold.
const SPARE_BUFFERS: usize = 16;
const SPARE_BUFFER: usize = 4 << 20;

impl<D: Default> Engine<D> {
    /// An engine without connections, whose tokens are `first_token` and up.
    ///
    /// # Errors
    ///
    /// Where the registry cannot be shared.
    pub fn new(settings: Settings, registry: &Registry, first_token: usize) -> io::Result<Self> {
        let receive_buffer = settings.receive_buffer.max(1024);
        let cx = Context::new(settings, registry.try_clone()?, first_token + LISTENERS, Instant::now());
        Ok(Self {
            cx,
            inbounds: Vec::new(),
            listeners: Vec::new(),
            first_token,
            scratch: vec![0; receive_buffer],
            buffers: Vec::new(),
            resumed: Vec::new(),
            dead: Vec::new(),
            due: Vec::new(),
            in_turn: false,
        })
    }

    /// The context that handlers get.
    pub fn context(&mut self) -> &mut Context<D> {
        self.begin_turn();
        &mut self.cx
    }

    /// Listens on `address`; port 0 takes a free one. Gives the address that was taken.
    ///
    /// # Errors
    ///
    /// Where the address cannot be bound, or 64 listeners are there already.
    pub fn listen(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        self.listen_on(TcpListener::bind(address)?)
    }

    /// Accepts from a listener that exists.
    ///
    /// # Errors
    ///
    /// As [`listen`](Self::listen).
    pub fn listen_on(&mut self, mut socket: TcpListener) -> io::Result<SocketAddr> {
        let number = self.listeners.len();
        if number == LISTENERS {
            return Err(io::Error::other("an engine has at most 64 listeners"));
        }
        let address = socket.local_addr()?;
        let token = Token(self.first_token + number);
        self.cx.registry.register(&mut socket, token, Interest::READABLE)?;
        self.listeners.push(Listener::new(socket));
        Ok(address)
    }

    /// Accepts no more connections.
    pub fn stop_listening(&mut self) {
        for mut listener in self.listeners.drain(..) {
            // Dropping the socket ends it in any case.
            let _ = self.cx.registry.deregister(&mut listener.socket);
        }
    }

    /// Opens a WebSocket as its server over a transport that exists.
    ///
    /// # Errors
    ///
    /// Where the transport could not be registered.
    pub fn adopt(&mut self, transport: Transport) -> io::Result<ConnId> {
        self.begin_turn();
        let handshake = ServerHandshake::new(self.cx.settings.head);
        let stage = Stage::Server(Box::new(Opening { handshake, since: self.cx.now }));
        let outbound = Outbound::server(self.cx.settings.connection.clone());
        self.cx.insert(transport, outbound, stage)
    }

    /// Whether [`Context::stop`] was called since this was asked last.
    pub fn take_stop(&mut self) -> bool {
        mem::take(&mut self.cx.stopping)
    }

    /// Connections of any stage, handshakes and closing ones included.
    pub fn len(&self) -> usize {
        self.cx.peers.len()
    }

    /// Whether there is no connection of any stage.
    pub fn is_empty(&self) -> bool {
        self.cx.peers.is_empty()
    }

    /// Whether events with this token are for this engine.
    pub const fn owns(&self, token: Token) -> bool {
        token.0 >= self.first_token
    }

    /// Takes an event.
    pub fn handle<H: Handler<Data = D>>(&mut self, event: &Readiness, handler: &mut H) {
        let Some(number) = event.token().0.checked_sub(self.first_token) else { return };
        self.begin_turn();
        let Some(slot) = number.checked_sub(LISTENERS) else {
            if let Some(listener) = self.listeners.get_mut(number) {
                listener.ready = true;
                self.accept(number);
            }
            return;
        };
        let Some(peer) = self.cx.peers.get_mut(slot) else { return };
        peer.writable |= event.is_writable();
        peer.read_closed |= event.is_read_closed() || event.is_error();
        peer.readable |= event.is_readable() || peer.read_closed;
        if event.is_writable() || event.is_error() {
            self.writable(handler, slot);
        }
        self.read(handler, slot);
    }

    /// When [`finish_turn`](Self::finish_turn) is to be called even if no event comes.
    pub fn next_deadline(&self) -> Option<Instant> {
        let listeners = self.listeners.iter().filter(|listener| listener.ready);
        let accept = listeners.map(|listener| listener.paused_until.unwrap_or(self.cx.now)).min();
        let work = self.has_work().then_some(self.cx.now);
        [work, accept, self.cx.wheel.next()].into_iter().flatten().min()
    }

    /// Ends a turn: reads on where there was more, does what is due, writes what was sent, removes what is over.
    ///
    /// To be called after each batch of events, an empty one included.
    pub fn finish_turn<H: Handler<Data = D>>(&mut self, handler: &mut H) {
        self.begin_turn();
        for slot in mem::take(&mut self.resumed) {
            if let Some(peer) = self.cx.peers.get_mut(slot as usize) {
                peer.resumed = false;
                self.read(handler, slot as usize);
            }
        }
        for number in 0..self.listeners.len() {
            self.accept(number);
        }
        self.expire(handler);
        // Callbacks of a flush may send again; what they send after so many rounds goes out in the next turn.
        for _ in 0..4 {
            if self.cx.dirty.is_empty() && self.cx.judged.is_empty() {
                break;
            }
            for slot in mem::take(&mut self.cx.judged) {
                self.execute(handler, slot as usize);
            }
            let mut dirty = mem::take(&mut self.cx.dirty);
            for slot in dirty.drain(..) {
                self.cx.peers[slot as usize].dirty = false;
                self.flush(handler, slot as usize, 0);
            }
            if self.cx.dirty.is_empty() {
                self.cx.dirty = dirty; // its memory
            }
        }
        self.reap();
        self.in_turn = false;
    }

    fn has_work(&self) -> bool {
        !(self.resumed.is_empty() && self.cx.dirty.is_empty() && self.cx.judged.is_empty())
    }

    /// One look at the clock serves a whole turn.
    #[inline]
    fn begin_turn(&mut self) {
        if !self.in_turn {
            self.in_turn = true;
            self.cx.now = Instant::now();
        }
    }

    fn accept(&mut self, number: usize) {
        let now = self.cx.now;
        for _ in 0..ACCEPTS {
            let listener = &mut self.listeners[number];
            if !listener.ready || listener.paused_until.is_some_and(|until| now < until) {
                return;
            }
            listener.paused_until = None;
            match listener.accept(now) {
                Accepted::Stream(stream) => self.accepted(stream),
                Accepted::Nothing => return,
                Accepted::Exhausted(error) => {
                    log::warn!("cannot accept for now: {error}");
                    return;
                }
            }
        }
    }

    fn accepted(&mut self, stream: TcpStream) {
        if self.cx.peers.len() >= self.cx.settings.max_connections {
            refuse(stream);
            return;
        }
        if self.cx.settings.nodelay {
            // A socket that is gone already tells so at the first read.
            let _ = stream.set_nodelay(true);
        }
        if let Err(error) = self.adopt(Transport::Tcp(stream)) {
            log::warn!("cannot watch an accepted connection: {error}");
        }
    }

    /// Output may go on.
    fn writable<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        if let Stage::Dialing(_) = peer.stage {
            match peer.transport.is_connected() {
                Ok(false) => return,
                Ok(true) => {
                    let Stage::Dialing(opening) = mem::replace(&mut peer.stage, Stage::Dead) else { return };
                    peer.outbound.queue().push(opening.handshake.request());
                    peer.stage = Stage::Client(opening);
                }
                Err(error) => return self.fail(handler, slot, &Failed::Io(error)),
            }
        }
        if let Err(error) = peer.transport.flush_held() {
            return self.broken(handler, slot, error);
        }
        if peer.outbound.queued() > 0 {
            // Room in the socket means that the peer reads: it lives, though we may not be listening to it now.
            peer.deadlines.heard(self.cx.now);
            self.flush(handler, slot, 0);
        }
    }

    /// Reads once, unless there is nothing to read or the peer has to read first.
    fn read<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize) {
        let Some(peer) = self.cx.peers.get_mut(slot) else { return };
        if !peer.readable || (peer.congested && peer.is_open()) {
            return;
        }
        match peer.stage {
            Stage::Open => self.read_open(handler, slot),
            Stage::Server(_) | Stage::Client(_) => self.read_handshake(handler, slot),
            Stage::Ending => self.read_ending(slot),
            Stage::Dialing(_) | Stage::Dead => return,
        }
        let Some(peer) = self.cx.peers.get_mut(slot) else { return };
        if peer.readable && !peer.resumed && !matches!(peer.stage, Stage::Dead) {
            peer.resumed = true;
            self.resumed.push(slot as u32);
        }
    }

    fn read_open<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize) {
        if self.inbounds.len() <= slot {
            self.inbounds.resize_with(slot + 1, Inbound::new);
        }
        let peer = &mut self.cx.peers[slot];
        let inbound = &mut self.inbounds[slot];
        if !inbound.has_buffer()
            && let Some(buffer) = self.buffers.pop()
        {
            inbound.lend(buffer);
        }
        // No more than stays in the cache until it is unmasked.
        let cached = self.scratch.len();
        let direct = inbound.room(DIRECT_FROM, peer.outbound.config());
        let is_direct = direct.is_some();
        let room = direct.unwrap_or(&mut self.scratch);

        let cached = room.len().min(cached);
        let len = match peer.fill(&mut room[..cached]) {
            Ok(Some(0)) => return self.eof(handler, slot),
            Ok(Some(len)) => len,
            Ok(None) => return self.reclaim(slot),
            Err(error) => return self.broken(handler, slot, error),
        };
        peer.deadlines.heard(self.cx.now);
        if is_direct { self.direct(handler, slot, len) } else { self.process(handler, slot, 0, len) }
    }

    /// Octets of a long message have been read to where they belong.
    fn direct<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize, len: usize) {
        let peer = &mut self.cx.peers[slot];
        match self.inbounds[slot].filled(len, &mut peer.outbound) {
            Ok(None) => return,
            Ok(Some(event)) => deliver(handler, &mut self.cx, slot, event, true),
            Err(error) => self.protocol_error(handler, slot, error),
        }
        self.take_over(slot);
        self.after_events(handler, slot, 0);
    }

    /// Octets `from..to` of the scratch buffer are the next ones of an open connection.
    fn process<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize, from: usize, to: usize) {
        self.cx.lend_queue(slot);
        self.cx.peers[slot].outbound.queue().borrow_from(&self.scratch[..to]);
        let whole = self.scratch.as_ptr_range();
        let mut input = &mut self.scratch[from..to];
        loop {
            let peer = &mut self.cx.peers[slot];
            if !peer.is_open() || peer.verdict.is_some() {
                break;
            }
            match self.inbounds[slot].next(&mut input, &mut peer.outbound) {
                Ok(Some(Event::Message(message))) => {
                    // A message that is not in the scratch buffer was put together in one of its own.
                    let assembled = !message.is_empty() && !whole.contains(&message.as_bytes().as_ptr());
                    deliver(handler, &mut self.cx, slot, Event::Message(message), assembled);
                    if assembled {
                        take_over(&mut self.inbounds[slot], &mut self.cx, slot);
                    }
                }
                Ok(Some(event)) => deliver(handler, &mut self.cx, slot, event, false),
                Ok(None) => break,
                Err(error) => {
                    self.protocol_error(handler, slot, error);
                    break;
                }
            }
        }
        self.after_events(handler, slot, to);
    }

    /// The queue may refer to the message that was just delivered: it gets the buffer.
    fn take_over(&mut self, slot: usize) {
        take_over(&mut self.inbounds[slot], &mut self.cx, slot);
    }

    /// What the events of one read have led to; the first `lent` octets of the scratch buffer may be lent.
    fn after_events<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize, lent: usize) {
        let peer = &mut self.cx.peers[slot];
        let has_lent = peer.outbound.queue().has_lent();
        if has_lent || peer.outbound.queued() >= FLUSH_FROM {
            self.flush(handler, slot, lent);
        } else if peer.outbound.queued() > 0 {
            self.cx.mark_dirty(slot as u32);
        } else {
            self.progress(handler, slot);
        }
        let peer = &mut self.cx.peers[slot];
        peer.outbound.queue().settle(&self.scratch[..lent]);
        self.reclaim(slot);
    }

    /// Takes back what was lent and is not in use.
    fn reclaim(&mut self, slot: usize) {
        self.cx.reclaim_queue(slot);
        if let Some(buffer) = self.inbounds[slot].reclaim() {
            self.keep_buffer(buffer);
        }
    }

    fn keep_buffer(&mut self, buffer: Box<MessageBuffer>) {
        if self.buffers.len() < SPARE_BUFFERS && buffer.capacity() <= SPARE_BUFFER {
            self.buffers.push(buffer);
        }
    }

    fn read_handshake<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        let len = match peer.fill(&mut self.scratch) {
            Ok(Some(0)) => return self.eof(handler, slot),
            Ok(Some(len)) => len,
            Ok(None) => return,
            Err(error) => return self.broken(handler, slot, error),
        };
        let input = &self.scratch[..len];
        match &mut peer.stage {
            Stage::Server(opening) => match opening.handshake.receive(input) {
                Ok(Progress::NeedMore) => {}
                Ok(Progress::Done { value, used }) => self.requested(handler, slot, value, used, len),
                Err(error) => {
                    let answer = opening.handshake.answer(error);
                    self.refuse(handler, slot, &answer, &Failed::Request(error));
                }
            },
            Stage::Client(opening) => match opening.handshake.receive(input) {
                Ok(Progress::NeedMore) => {}
                Ok(Progress::Done { value: response, used }) => {
                    let id = self.id(slot);
                    handler.on_response(&mut self.cx, id, &response);
                    self.open(handler, slot, &response.into_agreement(), used, len);
                }
                Err(error) => self.fail(handler, slot, &Failed::Response(error)),
            },
            _ => {}
        }
    }

    fn requested<H: Handler<Data = D>>(
        &mut self,
        handler: &mut H,
        slot: usize,
        incoming: Incoming,
        used: usize,
        len: usize,
    ) {
        let id = self.id(slot);
        match incoming {
            Incoming::Plain(request) => {
                let refusal = handler.on_plain(&mut self.cx, id, &request);
                let answer = request.answer(&refusal);
                self.refuse(handler, slot, &answer, &Failed::Refused(refusal.status()));
            }
            Incoming::Upgrade(request) => match handler.on_request(&mut self.cx, id, &request) {
                Decision::Refuse(refusal) => {
                    let failed = Failed::Refused(refusal.status());
                    self.refuse(handler, slot, &refusal.encode(), &failed);
                }
                Decision::Accept(acceptance) => match request.accept(&acceptance) {
                    Ok((response, agreement)) => {
                        self.cx.lend_queue(slot);
                        self.cx.peers[slot].outbound.queue().push(&response);
                        self.open(handler, slot, &agreement, used, len);
                    }
                    Err(error) => {
                        log::error!("the handler's answer to a request cannot be sent: {error}");
                        if let Ok(refusal) = Refusal::new(500) {
                            self.refuse(handler, slot, &refusal.encode(), &Failed::Refused(500));
                        }
                    }
                },
            },
        }
    }

    /// The handshake is done; octets `used..len` of the scratch buffer are frames.
    fn open<H: Handler<Data = D>>(
        &mut self,
        handler: &mut H,
        slot: usize,
        agreement: &crate::handshake::Agreement,
        used: usize,
        len: usize,
    ) {
        if self.inbounds.len() <= slot {
            self.inbounds.resize_with(slot + 1, Inbound::new);
        }
        let peer = &mut self.cx.peers[slot];
        peer.stage = Stage::Open;
        peer.deadlines = connection::Deadlines::new(self.cx.now);
        self.cx.watch_deadline(slot);
        let id = self.id(slot);
        handler.on_open(&mut self.cx, id, agreement);
        self.process(handler, slot, used, len);
    }

    /// Answers a handshake and ends the connection.
    fn refuse<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize, answer: &[u8], failed: &Failed) {
        let id = self.id(slot);
        self.cx.peers[slot].end_after(answer, self.cx.now);
        self.cx.watch_deadline(slot);
        handler.on_failed(&mut self.cx, id, failed);
        self.flush(handler, slot, 0);
    }

    /// A connection that has not opened never will.
    fn fail<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize, failed: &Failed) {
        let id = self.id(slot);
        self.kill(slot);
        handler.on_failed(&mut self.cx, id, failed);
    }

    /// What still comes after the end is not looked at.
    fn read_ending(&mut self, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        match peer.fill(&mut self.scratch) {
            Ok(Some(0)) => {
                peer.readable = false;
                peer.eof = true;
                if peer.outbound.queued() == 0 {
                    self.kill(slot);
                }
            }
            Ok(_) => {}
            Err(_) => self.kill(slot),
        }
    }

    /// The peer has ended its direction.
    fn eof<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        peer.readable = false;
        peer.eof = true;
        if peer.is_open() {
            self.over(handler, slot, Cause::Eof);
            return self.flush(handler, slot, 0);
        }
        let failed = peer.stage.eof();
        self.fail(handler, slot, &failed);
    }

    /// Reading failed: nothing goes either way any more.
    fn broken<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize, error: io::Error) {
        if self.cx.peers[slot].is_open() {
            self.over(handler, slot, Cause::Io(error));
            self.kill(slot);
        } else {
            self.fail(handler, slot, &Failed::Io(error));
        }
    }

    fn protocol_error<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize, error: ProtocolError) {
        self.over(handler, slot, Cause::Protocol(error));
    }

    /// Tells the program that an open connection is over.
    fn over<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize, cause: Cause) {
        let id = self.id(slot);
        let peer = &mut self.cx.peers[slot];
        if !peer.is_open() {
            return;
        }
        peer.stage = Stage::Ending;
        peer.deadlines.closing(self.cx.now);
        let outcome = connection::outcome(&self.inbounds[slot], &peer.outbound);
        // Once both Close frames have passed, it does not matter how TCP ends (§7.1.4).
        let cause = if outcome.is_clean() { Cause::Closed } else { cause };
        self.cx.watch_deadline(slot);
        handler.on_close(&mut self.cx, id, &Ended { outcome, cause });
    }

    /// Writes what is queued, then sees what follows from it.
    fn flush<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize, lent: usize) {
        let peer = &mut self.cx.peers[slot];
        if matches!(peer.stage, Stage::Dead) {
            return;
        }
        if peer.flush(&self.scratch[..lent]).is_err() {
            // The peer may have said why before it went: what it has sent is read first, and reading tells the error.
            peer.outbound.queue().clear();
            peer.writable = false;
            peer.read_closed = true;
            peer.readable = true;
            if !peer.resumed {
                peer.resumed = true;
                self.resumed.push(slot as u32);
            }
        }
        let queued = peer.outbound.queued();
        if let Some(buffer) = peer.outbound.queue().take_spent() {
            self.keep_buffer(buffer);
        }
        let peer = &mut self.cx.peers[slot];
        if peer.congested && queued <= self.cx.settings.low_watermark {
            peer.congested = false;
            let is_open = peer.is_open();
            if peer.readable && !peer.resumed {
                peer.resumed = true;
                self.resumed.push(slot as u32);
            }
            if is_open {
                let id = self.id(slot);
                handler.on_drained(&mut self.cx, id);
            }
        }
        self.progress(handler, slot);
        if lent == 0 {
            self.cx.reclaim_queue(slot);
        }
    }

    /// Goes on towards the end, where the connection is on its way there.
    fn progress<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        if peer.is_open() {
            let (sent, failed) = (peer.outbound.sent_close(), peer.outbound.has_failed());
            if !sent {
                return;
            }
            let received = self.inbounds.get(slot).is_some_and(Inbound::received_close);
            match close_step(peer.outbound.role(), failed, sent, received) {
                CloseStep::None | CloseStep::EchoClose => return,
                CloseStep::AwaitClose => {
                    peer.deadlines.closing(self.cx.now);
                    self.cx.watch_deadline(slot);
                    return;
                }
                CloseStep::CloseTcp | CloseStep::AwaitEof => self.over(handler, slot, Cause::Closed),
            }
        }
        let peer = &mut self.cx.peers[slot];
        if !matches!(peer.stage, Stage::Ending) || peer.outbound.queued() > 0 {
            return;
        }
        if peer.eof {
            return self.kill(slot);
        }
        // §7.1.1: the server ends TCP first; a client that was not told to go waits for it.
        let received = self.inbounds.get(slot).is_some_and(Inbound::received_close);
        let (role, failed) = (peer.outbound.role(), peer.outbound.has_failed());
        if close_step(role, failed, peer.outbound.sent_close(), received) != CloseStep::AwaitEof {
            peer.finish_writing();
        }
    }

    /// Does what the program or a policy has decided.
    fn execute<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        let Some(verdict) = peer.verdict.take() else { return };
        let (cause, failed) = match verdict {
            Verdict::Abort => (Cause::Aborted, Failed::Aborted),
            Verdict::Overflow => (Cause::Overflow, Failed::Aborted),
        };
        match peer.stage {
            Stage::Open => {
                self.over(handler, slot, cause);
                self.kill(slot);
            }
            Stage::Ending => self.kill(slot),
            Stage::Dead => {}
            _ => self.fail(handler, slot, &failed),
        }
    }

    /// Looks at those whose deadline may have passed.
    fn expire<H: Handler<Data = D>>(&mut self, handler: &mut H) {
        let mut due = mem::take(&mut self.due);
        self.cx.wheel.expire(self.cx.now, &mut due);
        for (slot, step) in due.drain(..) {
            let slot = slot as usize;
            let Some(peer) = self.cx.peers.get_mut(slot) else { continue };
            if peer.wheel != step {
                continue; // another entry counts
            }
            peer.wheel = 0;
            if peer.deadline(&self.cx.settings).is_some_and(|at| at <= self.cx.now) {
                self.timeout(handler, slot);
            }
            self.cx.watch_deadline(slot);
        }
        self.due = due;
    }

    fn timeout<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        match &peer.stage {
            Stage::Dialing(_) | Stage::Client(_) => self.fail(handler, slot, &Failed::Timeout),
            Stage::Server(opening) => match Refusal::new(408) {
                Ok(refusal) if !opening.handshake.is_empty() => {
                    self.refuse(handler, slot, &refusal.encode(), &Failed::Timeout);
                }
                _ => self.fail(handler, slot, &Failed::Timeout),
            },
            Stage::Open => match connection::expire(&mut peer.deadlines, &mut peer.outbound, self.cx.now) {
                None => self.cx.mark_dirty(slot as u32), // a Ping may have been queued
                Some(Due::CloseTimeout) => {
                    self.over(handler, slot, Cause::Timeout(Due::CloseTimeout));
                    self.kill(slot);
                }
                Some(due) => {
                    self.over(handler, slot, Cause::Timeout(due));
                    self.cx.mark_dirty(slot as u32);
                }
            },
            Stage::Ending => self.kill(slot),
            Stage::Dead => {}
        }
    }

    fn kill(&mut self, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        if !matches!(peer.stage, Stage::Dead) {
            peer.stage = Stage::Dead;
            self.dead.push(slot as u32);
        }
    }

    /// Frees the slots of those that are over. Only here: until now their numbers stood for nobody else.
    fn reap(&mut self) {
        if self.dead.is_empty() {
            return;
        }
        for slot in mem::take(&mut self.dead) {
            let slot = slot as usize;
            if self.cx.peers[slot].dirty
                || self.cx.peers[slot].resumed
                || self.cx.peers[slot].verdict.is_some()
            {
                // Still on a list; the next turn takes it off.
                self.dead.push(slot as u32);
                continue;
            }
            let mut peer = self.cx.peers.remove(slot);
            // Dropping the socket ends it in any case.
            let _ = peer.transport.deregister(&self.cx.registry);
            if let Some(inbound) = self.inbounds.get_mut(slot) {
                *inbound = Inbound::new();
            }
        }
    }

    #[inline]
    fn id(&self, slot: usize) -> ConnId {
        ConnId { slot: slot as u32, generation: self.cx.peers[slot].generation }
    }
}

/// Hands an event to the program. A message that was `assembled` lies in a buffer of its own, which the queue may
/// borrow from.
#[inline]
fn deliver<H: Handler>(
    handler: &mut H,
    cx: &mut Context<H::Data>,
    slot: usize,
    event: Event<'_>,
    assembled: bool,
) {
    let peer = &mut cx.peers[slot];
    let id = ConnId { slot: slot as u32, generation: peer.generation };
    match event {
        Event::Message(message) => {
            if assembled {
                cx.lend_queue(slot);
                cx.peers[slot].outbound.queue().borrow_message(message.as_bytes());
            }
            handler.on_message(cx, id, message);
        }
        Event::Frame(header) => handler.on_frame(cx, id, &header),
        Event::Chunk(chunk) => handler.on_chunk(cx, id, chunk),
        Event::Ping(payload) => handler.on_ping(cx, id, payload),
        Event::Pong(payload) => handler.on_pong(cx, id, payload),
        Event::Close(_) => {} // `on_close` tells, once the answer is on its way
    }
}

/// The queue may refer to the message that was delivered last: if it does it gets the buffer.
fn take_over<D: Default>(inbound: &mut Inbound, cx: &mut Context<D>, slot: usize) {
    let queue = cx.peers[slot].outbound.queue();
    if !queue.has_lent_message() {
        queue.end_message_loan();
    } else if let Some(buffer) = inbound.reclaim() {
        queue.settle_with(buffer);
    }
}

/// Tells a client that there is no room, as far as one write can.
fn refuse(mut stream: TcpStream) {
    use std::io::Write;
    if let Ok(refusal) = Refusal::new(503) {
        let refusal = refusal.with_text("No room for another connection; try again later.");
        let _ = stream.write(&refusal.encode());
        let _ = stream.shutdown(std::net::Shutdown::Write);
    }
}
