//! The loop without its wait: readiness and time in, callbacks and system calls out.

use std::io;
use std::mem;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use mio::event;
use mio::{Registry, Token, Waker};

use super::context::{Context, NOBODY};
use super::handler::{Cause, Decision, Ended, Failed, Handler, LoopError};
use super::id::{ConnId, Owner, RESERVED, Tokens};
use super::limits::Admission;
use super::listener::Listener;
use super::peer::{Stage, Verdict};
use super::reaching::loss_of;
use super::readiness::Readiness;
use super::remote::Remote;
use super::settings::Settings;
use crate::close::{CloseCode, CloseReason};
use crate::connection::{self, CloseStep, Due, Event, Inbound, close_step};
use crate::error::ProtocolError;
use crate::handshake::{Incoming, Progress, Refusal};
use crate::message::{Message, MessageBuffer};

/// Connections and listeners, driven by whoever owns the `mio::Poll`.
///
/// [`EventLoop`](super::EventLoop) is this with a `Poll` of its own. To let it live in another one:
///
/// 1. give it that one's registry and a range of tokens that nobody else uses;
/// 2. pass it each event whose token it [`owns`](Self::owns) ([`handle`](Self::handle));
/// 3. call [`on_time`](Self::on_time) after each batch of events, an empty one included;
/// 4. wait no longer than until [`next_deadline`](Self::next_deadline).
///
/// ```no_run
/// # use bowsprit::event_loop::{ConnId, Context, Engine, Handler, Settings};
/// # use bowsprit::message::Message;
/// # use std::time::Instant;
/// # struct Echo;
/// # impl Handler for Echo {
/// #     type Data = ();
/// #     fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) { cx.send(id, message); }
/// # }
/// # fn main() -> std::io::Result<()> {
/// let mut poll = mio::Poll::new()?;
/// let mut events = mio::Events::with_capacity(1024);
/// let mut engine = Engine::new(Settings::default(), poll.registry(), 1000..50_000)?;
/// engine.listen("127.0.0.1:0".parse().unwrap())?;
/// loop {
///     let timeout = engine.next_deadline().map(|at| at.saturating_duration_since(Instant::now()));
///     poll.poll(&mut events, timeout)?;
///     for event in &events {
///         if engine.owns(event.token()) {
///             engine.handle(event, &mut Echo);
///         } // else it belongs to another source of the program
///     }
///     engine.on_time(Instant::now(), &mut Echo);
/// }
/// # }
/// ```
///
/// Where no `Poll` brings the events, as in a simulation or a fuzzer, [`ready`](Self::ready) takes readiness as
/// plain values, and [`set_time`](Self::set_time) makes time an argument.
#[derive(Debug)]
pub struct Engine<D> {
    pub(super) cx: Context<D>,
    /// The reading sides, by slot.
    inbounds: Vec<Inbound>,
    pub(super) listeners: Vec<Listener>,
    pub(super) scratch: Vec<u8>,
    #[expect(clippy::vec_box, reason = "they move into connections that hold one pointer")]
    buffers: Vec<Box<MessageBuffer>>,
    /// Those that had more to give than one read took.
    resumed: Vec<u32>,
    /// Empty: memory for the next list of those.
    resuming: Vec<u32>,
    dead: Vec<u32>,
    due: Vec<(u32, u16)>,
}

/// A longer receive buffer is a mistake: nothing is gained from far less on.
const MAX_RECEIVE_BUFFER: usize = 1 << 30;

/// A message of which at least so much is still to come is read straight into its own buffer.
const DIRECT_FROM: usize = 64 * 1024;

/// Reads of one connection that follow each other at once while a long message comes: what has come of it is still in the
/// cache when it goes on, and fewer messages are on their way at a time (benches/NOTES.md, "align").
const MAX_READS: u32 = 16;

/// Where the last message was so long, the next one may be: only its header and little more is read first, so that most
/// of it can be read to where it belongs. A shorter one is mostly whole after one read, and needs no other place.
const HEADER_FIRST_FROM: usize = 128 * 1024;
const FIRST_READ: usize = 1024;

/// So much for one connection goes out before the end of the turn.
const FLUSH_FROM: usize = 16 * 1024;

/// Message buffers kept for the next message, and the memory that all of them may hold.
const SPARE_BUFFERS: usize = 16;
const SPARE_BUFFERS_MEMORY: usize = 8 << 20;

impl<D: Default> Engine<D> {
    /// Tokens that an engine needs beside one for each connection.
    pub const RESERVED_TOKENS: usize = RESERVED;

    /// An engine without connections that uses these tokens, [`RESERVED_TOKENS`](Self::RESERVED_TOKENS) of them for
    /// itself: so many fewer connections can there be at once. `1000..usize::MAX` is a fine range: in a long one, of more
    /// than 2^25 tokens, a token does not stand for two connections one after the other, so that an event that comes
    /// late finds nobody.
    ///
    /// # Errors
    ///
    /// Where the range leaves no token for a connection, where [`Settings::receive_buffer`] is more than there may be,
    /// and where the registry cannot be shared.
    pub fn new(settings: Settings, registry: &Registry, tokens: Range<usize>) -> io::Result<Self> {
        Self::new_at(settings, registry, tokens, Instant::now())
    }

    /// An engine whose time begins at `now`; see [`set_time`](Self::set_time).
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn new_at(
        settings: Settings,
        registry: &Registry,
        tokens: Range<usize>,
        now: Instant,
    ) -> io::Result<Self> {
        let tokens = Tokens::new(tokens)?;
        let receive_buffer = settings.receive_buffer.max(1024);
        if receive_buffer > MAX_RECEIVE_BUFFER {
            let most = format!("the receive buffer may hold at most {MAX_RECEIVE_BUFFER} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, most));
        }
        let cx = Context::new(settings, registry.try_clone()?, tokens, now);
        Ok(Self {
            cx,
            inbounds: Vec::new(),
            listeners: Vec::new(),
            scratch: vec![0; receive_buffer],
            buffers: Vec::new(),
            resumed: Vec::new(),
            resuming: Vec::new(),
            dead: Vec::new(),
            due: Vec::new(),
        })
    }

    /// Sets the time of the turn that now begins. From here on the engine never looks at the clock: its time is what
    /// it is told here and by [`on_time`](Self::on_time), so that a run can be repeated exactly.
    pub fn set_time(&mut self, now: Instant) {
        self.cx.give_time(now);
    }

    /// The settings.
    pub const fn settings(&self) -> &Settings {
        self.cx.settings()
    }

    /// The time of this turn: one look at the clock serves all of it.
    pub(super) fn turn_time(&mut self) -> Instant {
        self.begin_turn();
        self.cx.now()
    }

    /// Makes this loop one of a group, whose loops share their limits. It has no connection yet.
    pub(super) fn join(&mut self, siblings: Arc<[Remote<D>]>, admission: Arc<Admission>) {
        self.cx.siblings = siblings;
        self.cx.admission = admission;
    }

    /// A handle for other threads; see [`Remote`].
    ///
    /// # Errors
    ///
    /// Where no `mio::Waker` can be made.
    pub fn remote(&mut self) -> io::Result<Remote<D>> {
        self.cx.inbox.remote(&self.cx.registry, self.cx.tokens.waker())
    }

    /// A handle for other threads that wakes the loop through the program's own `mio::Waker`, of which a `Poll` may
    /// have but one.
    ///
    /// # Errors
    ///
    /// Where [`remote`](Self::remote) has made one already.
    pub fn remote_with(&mut self, waker: Arc<Waker>) -> io::Result<Remote<D>> {
        self.cx.inbox.remote_with(waker)
    }

    /// The context that handlers get.
    pub fn context(&mut self) -> &mut Context<D> {
        self.cx.look_at_clock();
        &mut self.cx
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
        self.cx.tokens.contains(token)
    }

    /// The tokens of this engine.
    pub const fn tokens(&self) -> &Range<usize> {
        self.cx.tokens.range()
    }

    /// The token of a connection: what a simulation calls [`ready`](Self::ready) with. `None` once it is gone.
    pub fn token_of(&self, id: ConnId) -> Option<Token> {
        self.cx.peer(id).map(|_| self.cx.tokens.connection(id))
    }

    /// Takes an event. One that is not for this engine, or for a connection that is gone, does nothing.
    pub fn handle<H: Handler<Data = D>>(&mut self, event: &event::Event, handler: &mut H) {
        self.ready(event.token(), Readiness::from(event), handler);
    }

    /// Takes readiness from elsewhere than a `mio::Poll`.
    pub fn ready<H: Handler<Data = D>>(&mut self, token: Token, readiness: Readiness, handler: &mut H) {
        let Some(owner) = self.cx.tokens.owner(token) else { return };
        self.begin_turn();
        self.cx.clock.count_event();
        let name = match owner {
            Owner::Connection(name) => name,
            Owner::Listener(number) => {
                if let Some(listener) = self.listeners.get_mut(number) {
                    listener.ready = true;
                    self.accept(handler, number);
                }
                return;
            }
            Owner::Waker => return, // `on_time` looks after what it wakes for
        };
        let slot = name.slot;
        let Some(peer) = self.cx.peers.get_mut(slot).filter(|peer| name.is_of(peer.generation)) else {
            return; // late: whoever it is for is gone
        };
        let Readiness { readable, writable, read_closed, error } = readiness;
        peer.writable |= writable;
        peer.read_closed |= read_closed || error;
        peer.readable |= readable || peer.read_closed;
        if writable || error {
            self.writable(handler, slot);
        }
        self.read(handler, slot);
    }

    /// When [`on_time`](Self::on_time) is to be called even if no event comes.
    pub fn next_deadline(&self) -> Option<Instant> {
        let now = self.cx.now();
        let listeners = self.listeners.iter().filter(|listener| listener.ready && self.cx.accepting);
        let accept = listeners.map(|listener| listener.paused_until.unwrap_or(now)).min();
        let work = (self.has_work() || self.cx.inbox.has_mail()).then_some(now);
        let peers = self.cx.first_deadline().map(|at| self.cx.clock.program_time(at));
        [work, accept, peers, self.cx.timers.next()].into_iter().flatten().min()
    }

    /// Ends a turn: reads on where there was more, does what is due, writes what was sent, removes what is over.
    ///
    /// To be called after each batch of events, an empty one included. `now` counts for deadlines; it never goes
    /// back.
    pub fn on_time<H: Handler<Data = D>>(&mut self, now: Instant, handler: &mut H) {
        self.cx.set_time(now);
        self.obey(handler);
        for slot in mem::take(&mut self.cx.released) {
            // It may be another connection by now, which is read from then without need.
            self.read(handler, slot as usize);
        }
        let mut resuming = mem::take(&mut self.resuming);
        mem::swap(&mut resuming, &mut self.resumed);
        for slot in resuming.drain(..) {
            if let Some(peer) = self.cx.peers.get_mut(slot as usize) {
                peer.resumed = false;
                self.read(handler, slot as usize);
            }
        }
        self.resuming = resuming;
        for number in 0..self.listeners.len() {
            self.accept(handler, number);
        }
        let due = self.cx.due_by(self.listeners.len());
        if let Some(due) = due {
            self.expire(handler, due);
        }
        self.ring(handler);
        self.serve_clients(handler, due);
        self.wind_up(handler);
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
        self.finish_shutdown(handler, due);
        self.cx.clock.end_turn();
    }

    /// Does what other threads have asked for.
    fn obey<H: Handler<Data = D>>(&mut self, handler: &mut H) {
        if !self.cx.inbox.has_mail() {
            return;
        }
        let mail = self.cx.inbox.take();
        for command in mail.commands {
            command.execute(&mut self.cx, handler);
        }
        self.cx.stopping |= mail.stop;
        if mail.wake {
            handler.on_wake(&mut self.cx);
        }
    }

    /// Tells the program of timers whose time has come.
    fn ring<H: Handler<Data = D>>(&mut self, handler: &mut H) {
        let last = self.cx.timers.last();
        while let Some(timer) = self.cx.timers.take_due(self.cx.now(), last) {
            if timer.connection.is_none_or(|id| self.cx.is_open(id)) {
                handler.on_timer(&mut self.cx, timer);
            }
        }
    }

    fn has_work(&self) -> bool {
        let cx = &self.cx;
        !(self.resumed.is_empty() && cx.dirty.is_empty() && cx.judged.is_empty() && cx.released.is_empty())
            || cx.clients.has_work()
            || cx.clock.is_hearing()
            || cx.shutdown.as_ref().is_some_and(|shutdown| !shutdown.begun)
    }

    /// One look at the clock serves a whole turn.
    #[inline]
    pub(super) fn begin_turn(&mut self) {
        self.cx.begin_turn();
    }

    /// The loop waits from `now` on.
    pub(super) fn begin_wait(&mut self, now: Instant) {
        self.cx.clock.begin_wait(now);
    }

    /// Output may go on.
    pub(super) fn writable<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        if let Stage::Reaching(_) = peer.stage {
            return self.reaching(handler, slot);
        }
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
            peer.deadlines.heard(self.cx.clock.peer_time());
            self.flush(handler, slot, 0);
        }
    }

    /// Reads once, unless there is nothing to read or the peer has to read first.
    pub(super) fn read<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize) {
        let Some(peer) = self.cx.peers.get_mut(slot) else { return };
        if !peer.readable || (peer.is_open() && !peer.listens()) {
            return;
        }
        match peer.stage {
            Stage::Open => {
                self.cx.reading = slot as u32;
                let mut reads = 1;
                while self.read_open(handler, slot) && reads < MAX_READS {
                    reads += 1;
                }
                self.cx.reading = NOBODY;
            }
            Stage::Waiting(_) => return self.read_waiting(handler, slot),
            Stage::Reaching(_) => return self.reaching(handler, slot),
            Stage::Server(_) | Stage::Client(_) => self.read_handshake(handler, slot),
            Stage::Ending => self.read_ending(slot),
            Stage::Dialing(_) | Stage::Dead => return,
        }
        if self.cx.peers.get(slot).is_some_and(|peer| !matches!(peer.stage, Stage::Dead)) {
            self.resume(slot);
        }
    }

    /// Where there may be more to read, sees to it that it is read in the next turn.
    #[inline]
    fn resume(&mut self, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        if peer.readable && !peer.resumed {
            peer.resumed = true;
            self.resumed.push(slot as u32);
        }
    }

    /// Reads once; says whether more of a long message is there.
    fn read_open<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize) -> bool {
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
        let first = inbound.may_want_room(HEADER_FIRST_FROM, peer.outbound.config());
        let direct = inbound.room(DIRECT_FROM, peer.outbound.config());
        let is_direct = direct.is_some();
        let room = direct.unwrap_or(&mut self.scratch);

        // The last piece takes a little more with it rather than leave it for a read of its own.
        let len = if first {
            FIRST_READ
        } else if room.len() < cached + cached / 2 {
            room.len()
        } else {
            cached
        };
        match peer.fill(&mut room[..len]) {
            Ok(Some(0)) => self.eof(handler, slot),
            Ok(Some(len)) => {
                peer.deadlines.heard(self.cx.clock.peer_time());
                self.cx.stats.bytes_in += len as u64;
                if is_direct {
                    self.direct(handler, slot, len);
                } else {
                    self.process(handler, slot, 0, len);
                }
                return self.goes_on(slot, is_direct);
            }
            Ok(None) => self.reclaim(slot),
            Err(error) => self.broken(handler, slot, error),
        }
        false
    }

    /// Whether more of a message that has a room of its own is there to be read, and wanted.
    fn goes_on(&mut self, slot: usize, was_direct: bool) -> bool {
        let (peer, inbound) = (&self.cx.peers[slot], &mut self.inbounds[slot]);
        let wanted = peer.readable && peer.is_open() && peer.listens() && peer.verdict.is_none();
        let least = if was_direct { 1 } else { DIRECT_FROM };
        wanted && inbound.room(least, peer.outbound.config()).is_some()
    }

    /// Bytes of a long message have been read to where they belong.
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

    /// Bytes `from..to` of the scratch buffer are the next ones of an open connection.
    fn process<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize, from: usize, to: usize) {
        self.cx.lend_queue(slot);
        self.cx.peers[slot].outbound.queue().borrow_from(&self.scratch[..to]);
        self.inbounds[slot].lend_inflater(&mut self.cx.deflate);
        let whole = self.scratch.as_ptr_range();
        let mut input = &mut self.scratch[from..to];
        loop {
            let peer = &mut self.cx.peers[slot];
            if !peer.is_open() || peer.verdict.is_some() {
                break;
            }
            let inbound = &mut self.inbounds[slot];
            match inbound.whole_message(&mut input, &mut peer.outbound) {
                Ok(None) => {}
                Ok(Some(message)) => {
                    deliver_message(handler, &mut self.cx, slot, message);
                    if input.is_empty() {
                        break;
                    }
                    continue;
                }
                Err(error) => {
                    self.protocol_error(handler, slot, error);
                    break;
                }
            }
            match inbound.next_part(&mut input, &mut peer.outbound) {
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

    /// What the events of one read have led to; the first `lent` bytes of the scratch buffer may be lent.
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
        self.inbounds[slot].reclaim_inflater(&mut self.cx.deflate);
        if let Some(buffer) = self.inbounds[slot].reclaim() {
            self.keep_buffer(buffer);
        }
    }

    #[inline(never)]
    fn keep_buffer(&mut self, buffer: Box<MessageBuffer>) {
        let held: usize = self.buffers.iter().map(|buffer| buffer.capacity()).sum();
        if self.buffers.len() < SPARE_BUFFERS && held + buffer.capacity() <= SPARE_BUFFERS_MEMORY {
            self.buffers.push(buffer);
        }
    }

    pub(super) fn read_handshake<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        let len = match peer.fill(&mut self.scratch) {
            Ok(Some(0)) => return self.eof(handler, slot),
            Ok(Some(len)) => len,
            Ok(None) => return,
            Err(error) => return self.broken(handler, slot, error),
        };
        self.cx.stats.bytes_in += len as u64;
        let input = &self.scratch[..len];
        match &mut peer.stage {
            Stage::Server(opening) => match opening.handshake.receive(input) {
                Ok(Progress::NeedMore) => {}
                Ok(Progress::Done { value, used }) => self.requested(handler, slot, value, used, len),
                Err(error) => {
                    let answer = opening.handshake.answer(error);
                    if let Some(head) = opening.handshake.refused_head().cloned() {
                        let id = self.id(slot);
                        handler.on_bad_request(&mut self.cx, id, &head, error);
                    }
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
                Decision::Later => {
                    let rest = self.scratch[used..len].to_vec();
                    self.wait(slot, request, rest);
                }
                Decision::Accept(acceptance) => match request.accept(&self.cx.complete(acceptance, &request))
                {
                    Ok((response, agreement)) => {
                        self.cx.lend_queue(slot);
                        self.cx.peers[slot].outbound.queue().push(&response);
                        self.open(handler, slot, &agreement, used, len);
                    }
                    Err(error) => {
                        handler.on_error(&mut self.cx, &LoopError::Answer(error));
                        self.refuse(handler, slot, &Refusal::trusted(500).encode(), &Failed::Refused(500));
                    }
                },
            },
        }
    }

    /// The handshake is done; bytes `used..len` of the scratch buffer are frames.
    pub(super) fn open<H: Handler<Data = D>>(
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
        if let Some(agreed) = agreement.deflate() {
            self.inbounds[slot].use_deflate(agreed, peer.outbound.role());
            peer.outbound.use_deflate(agreed);
        }
        peer.deadlines = connection::Deadlines::new(self.cx.clock.peer_time());
        peer.opened = self.cx.wheel.step_of(self.cx.clock.peer_time());
        self.cx.stats.opened += 1;
        self.cx.watch_deadline(slot);
        let id = self.id(slot);
        handler.on_open(&mut self.cx, id, agreement);
        if self.cx.peers[slot].extras.is_some() {
            self.client_opened(handler, id);
        }
        self.process(handler, slot, used, len);
    }

    /// Answers a handshake and ends the connection.
    pub(super) fn refuse<H: Handler<Data = D>>(
        &mut self,
        handler: &mut H,
        slot: usize,
        answer: &[u8],
        failed: &Failed,
    ) {
        let id = self.id(slot);
        self.cx.peers[slot].end_after(answer, self.cx.clock.peer_time());
        self.cx.watch_deadline(slot);
        self.cx.stats.failed.count(failed);
        handler.on_failed(&mut self.cx, id, failed);
        self.flush(handler, slot, 0);
    }

    /// A connection that has not opened never will. One whose end the program knows is only removed.
    pub(super) fn fail<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize, failed: &Failed) {
        if !self.cx.peers[slot].is_handshaking() {
            return self.kill(slot);
        }
        let id = self.id(slot);
        self.cx.stats.failed.count(failed);
        if self.client_failed(handler, slot, failed) {
            return;
        }
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
            Ok(Some(len)) => {
                if let Some(inbound) = self.inbounds.get_mut(slot) {
                    inbound.ignore(len);
                }
            }
            Ok(None) => {}
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
    pub(super) fn over<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize, cause: Cause) {
        let id = self.id(slot);
        let peer = &mut self.cx.peers[slot];
        if !peer.is_open() {
            return;
        }
        peer.stage = Stage::Ending;
        peer.deadlines.closing(self.cx.clock.peer_time());
        let outcome = connection::outcome(&self.inbounds[slot], &peer.outbound);
        // Once both Close frames have passed, it does not matter how TCP ends (§7.1.4).
        let cause = if outcome.is_clean() { Cause::Closed } else { cause };
        self.cx.watch_deadline(slot);
        self.cx.leave_all(slot as u32);
        self.cx.count_end(id, &outcome);
        let loss = self.cx.client_of(id).map(|_| loss_of(&outcome, &cause));
        handler.on_close(&mut self.cx, id, &Ended { outcome, cause });
        if let Some(loss) = loss {
            self.client_over(handler, id, &loss);
        }
    }

    /// Writes what is queued, then sees what follows from it.
    pub(super) fn flush<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize, lent: usize) {
        let peer = &mut self.cx.peers[slot];
        if matches!(peer.stage, Stage::Dead) {
            return;
        }
        if peer.flush(&self.scratch[..lent], &mut self.cx.stats.bytes_out).is_err() {
            self.not_writable(slot);
        }
        let peer = &mut self.cx.peers[slot];
        let is_congested = peer.congested;
        if let Some(buffer) = peer.outbound.take_spent() {
            self.keep_buffer(buffer);
        }
        if is_congested {
            self.drain(handler, slot);
        }
        self.progress(handler, slot);
        if lent == 0 {
            self.cx.reclaim_queue(slot);
        }
    }

    /// A write has failed. The peer may have said why before it went: what it has sent is read first, and reading tells
    /// the error.
    #[cold]
    fn not_writable(&mut self, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        peer.outbound.queue().clear();
        peer.writable = false;
        peer.read_closed = true;
        peer.readable = true;
        self.resume(slot);
    }

    /// Tells those who wait for it that a slow reader has read enough, if it has.
    #[cold]
    fn drain<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        if peer.outbound.queued() > peer.pressure(&self.cx.settings).low_watermark {
            return;
        }
        peer.congested = false;
        let is_open = peer.is_open();
        self.resume(slot);
        self.cx.release_feeders(slot as u32);
        if is_open {
            let id = self.id(slot);
            handler.on_drained(&mut self.cx, id);
        }
    }

    /// Goes on towards the end, where the connection is on its way there.
    #[inline]
    fn progress<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize) {
        let peer = &self.cx.peers[slot];
        if !peer.is_open() || peer.outbound.sent_close() {
            self.progress_to_end(handler, slot);
        }
    }

    #[inline(never)]
    fn progress_to_end<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        if peer.is_open() {
            let (sent, failed) = (peer.outbound.sent_close(), peer.outbound.has_failed());
            let received = self.inbounds.get(slot).is_some_and(Inbound::received_close);
            match close_step(peer.outbound.role(), failed, sent, received) {
                CloseStep::None | CloseStep::EchoClose => return,
                CloseStep::AwaitClose => {
                    peer.deadlines.closing(self.cx.clock.peer_time());
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
        if close_step(role, failed, peer.outbound.sent_close(), received) == CloseStep::AwaitEof {
            return;
        }
        // A socket that is closed while something is unread is reset, which may overtake our Close frame. Nothing is where
        // the peer's was the last that came; else our direction is ended, and what comes is read until the peer ends. A
        // stream over a socket may hold bytes back and has an end of its own to tell (TLS: close_notify).
        let nothing_unread = !peer.readable && self.inbounds.get(slot).is_some_and(Inbound::ends_with_close);
        if nothing_unread && !failed && peer.transport.is_socket() {
            return self.kill(slot);
        }
        peer.finish_writing();
    }

    /// Does what the program or a policy has decided.
    fn execute<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        let Some(verdict) = peer.verdict.take() else { return };
        let (cause, failed) = match verdict {
            Verdict::Abort => (Cause::Aborted, Failed::Aborted),
            Verdict::Overflow => {
                self.cx.stats.overflowed += 1;
                (Cause::Overflow, Failed::Aborted)
            }
            Verdict::Fail => {
                if peer.is_open() {
                    return self.fail_open(handler, slot);
                }
                (Cause::Failed, Failed::Aborted)
            }
            Verdict::Answer => return self.answer(handler, slot),
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
    fn expire<H: Handler<Data = D>>(&mut self, handler: &mut H, now: Instant) {
        let mut due = mem::take(&mut self.due);
        self.cx.wheel.expire(now, &mut due);
        for (slot, step) in due.drain(..) {
            let slot = slot as usize;
            let Some(peer) = self.cx.peers.get_mut(slot) else { continue };
            if peer.wheel != step {
                continue; // another entry counts
            }
            peer.wheel = 0;
            if peer.deadline(&self.cx.settings, &self.cx.wheel).is_some_and(|at| at <= now) {
                self.timeout(handler, slot, now);
            }
            self.cx.watch_deadline(slot);
        }
        self.due = due;
    }

    fn timeout<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize, now: Instant) {
        let ping = self.cx.timed_ping(self.id(slot));
        let peer = &mut self.cx.peers[slot];
        if peer.verdict.is_some() {
            return; // what is decided comes first
        }
        match &peer.stage {
            Stage::Waiting(_) => {
                self.refuse(handler, slot, &Refusal::trusted(503).encode(), &Failed::Timeout);
            }
            Stage::Dialing(_) | Stage::Client(_) => self.fail(handler, slot, &Failed::Timeout),
            Stage::Server(opening) => match Refusal::new(408) {
                Ok(refusal) if !opening.handshake.is_empty() => {
                    self.refuse(handler, slot, &refusal.encode(), &Failed::Timeout);
                }
                _ => self.fail(handler, slot, &Failed::Timeout),
            },
            Stage::Open
                if peer.end_of_life(&self.cx.settings, &self.cx.wheel).is_some_and(|at| at <= now) =>
            {
                let reason =
                    CloseReason { code: CloseCode::GOING_AWAY, reason: "open for as long as it may be" };
                let _ = peer.outbound.close(Some(reason));
                peer.deadlines.closing(now);
                self.cx.mark_dirty(slot as u32);
            }
            // Whoever is not listened to has not fallen silent.
            Stage::Open if peer.held && !peer.outbound.sent_close() => peer.deadlines.heard(now),
            Stage::Open => match connection::expire_with(&mut peer.deadlines, &mut peer.outbound, now, &ping)
            {
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
            Stage::Reaching(_) | Stage::Dead => {}
        }
    }

    pub(super) fn kill(&mut self, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        if !matches!(peer.stage, Stage::Dead) {
            peer.stage = Stage::Dead;
            self.dead.push(slot as u32);
        }
    }

    /// Frees the slots of those that are over. Only here: until now their numbers stood for nobody else.
    pub(super) fn reap(&mut self) {
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
            self.cx.admission.leave_from(peer.address);
            if peer.is_turned_away() {
                self.cx.turned_away -= 1;
            } else {
                self.cx.admission.leave();
            }
            // Dropping the socket ends it in any case.
            let _ = peer.transport.deregister(&self.cx.registry);
            if let Some(inbound) = self.inbounds.get_mut(slot) {
                *inbound = Inbound::new();
            }
        }
    }

    #[inline]
    pub(super) fn id(&self, slot: usize) -> ConnId {
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
            deliver_message(handler, cx, slot, message);
        }
        Event::Frame(header) => handler.on_frame(cx, id, &header),
        Event::Chunk(chunk) => handler.on_chunk(cx, id, chunk),
        Event::Ping(payload) => handler.on_ping(cx, id, payload),
        Event::Pong(payload) => handler.on_pong(cx, id, payload),
        Event::Close(_) => {} // `on_close` tells, once the answer is on its way
    }
}

#[inline]
fn deliver_message<H: Handler>(
    handler: &mut H,
    cx: &mut Context<H::Data>,
    slot: usize,
    message: Message<'_>,
) {
    cx.stats.messages_in += 1;
    let id = cx.id(slot as u32);
    handler.on_message(cx, id, message);
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
