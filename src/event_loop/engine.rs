//! The loop without its wait: readiness and time in, callbacks and system calls out.

use std::io;
use std::mem;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use mio::event;
use mio::{Registry, Token, Waker};

use super::audience::To;
use super::context::Context;
#[cfg(feature = "backplane")]
use super::follows::Brought;
use super::handler::Handler;
use super::id::{ConnId, Owner, RESERVED, Tokens};
use super::limits::Admission;
use super::listener::Listener;
use super::readiness::Readiness;
use super::remote::{Command, Inbox, Mail, Others, Remote};
use super::settings::Settings;
use super::turn::Turn;
use crate::close::OwnedClose;
use crate::connection::Inbound;

/// Connections and listeners, driven by the owner of a `mio::Poll`.
///
/// [`EventLoop`](super::EventLoop) is an engine with a `Poll` of its own. To run an engine in another `Poll`:
///
/// 1. give it that `Poll`'s registry and a range of tokens that nothing else uses;
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
///         } // otherwise it belongs to another source of the program
///     }
///     engine.on_time(Instant::now(), &mut Echo);
/// }
/// # }
/// ```
///
/// If no `Poll` delivers the events, as in a simulation or a fuzzer, [`ready`](Self::ready) takes readiness as plain
/// values, and [`set_time`](Self::set_time) makes time an argument.
#[derive(Debug)]
pub struct Engine<D> {
    pub(super) cx: Context<D>,
    /// The receiving halves, by slot.
    inbounds: Vec<Inbound>,
    pub(super) listeners: Vec<Listener>,
    scratch: Vec<u8>,
    /// What other threads have asked for.
    inbox: Inbox<D>,
}

/// The maximum receive buffer. More is a mistake: far less is already as good.
const MAX_RECEIVE_BUFFER: usize = 1 << 30;

impl<D: Default> Engine<D> {
    /// Tokens that an engine needs besides one for each connection.
    pub const RESERVED_TOKENS: usize = RESERVED;

    /// Creates an engine without connections that uses these tokens, [`RESERVED_TOKENS`](Self::RESERVED_TOKENS) of them
    /// for itself; the rest bounds the number of connections at once. `1000..usize::MAX` is a fine range. In a long
    /// range, of more than 2^25 tokens, two successive connections do not share a token, so that a late event finds no
    /// connection.
    ///
    /// # Errors
    ///
    /// If the range leaves no token for a connection, if [`Settings::receive_buffer`] is too large, or if the registry
    /// cannot be cloned.
    pub fn new(settings: Settings, registry: &Registry, tokens: Range<usize>) -> io::Result<Self> {
        Self::new_at(settings, registry, tokens, Instant::now())
    }

    /// Creates an engine whose time begins at `now`; see [`set_time`](Self::set_time).
    ///
    /// # Errors
    ///
    /// See [`new`](Self::new).
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
        let inbox = Inbox::new(&cx.settings, cx.waker.clone());
        Ok(Self { cx, inbounds: Vec::new(), listeners: Vec::new(), scratch: vec![0; receive_buffer], inbox })
    }

    /// Sets the time of the turn that now begins. From here on the engine never reads the clock: its time is what it is
    /// given here and by [`on_time`](Self::on_time), so that a run can be repeated exactly.
    pub fn set_time(&mut self, now: Instant) {
        self.cx.give_time(now);
    }

    /// Returns the settings.
    pub const fn settings(&self) -> &Settings {
        self.cx.settings()
    }

    /// Makes this loop one of a group, whose loops share their limits. It must not have a connection yet.
    pub(super) fn join(&mut self, siblings: Others<D>, admission: Arc<Admission>)
    where
        D: 'static,
    {
        #[cfg(feature = "backplane")]
        {
            self.cx.place = siblings.own;
        }
        self.cx.siblings = Box::new(siblings);
        self.cx.admission = admission;
    }

    /// Returns a handle for other threads; see [`Remote`].
    ///
    /// # Errors
    ///
    /// If no `mio::Waker` can be made.
    pub fn remote(&mut self) -> io::Result<Remote<D>> {
        self.cx.waker.make(&self.cx.registry, self.cx.tokens.waker())?;
        Ok(self.inbox.remote())
    }

    /// Returns a handle for other threads that wakes the loop through the program's own `mio::Waker`, as a `Poll` may
    /// have only one.
    ///
    /// # Errors
    ///
    /// If [`remote`](Self::remote) has made one already.
    pub fn remote_with(&mut self, waker: Arc<Waker>) -> io::Result<Remote<D>> {
        self.cx.waker.use_of(waker)?;
        Ok(self.inbox.remote())
    }

    /// Returns the context that handlers get.
    pub fn context(&mut self) -> &mut Context<D> {
        self.cx.look_at_clock();
        &mut self.cx
    }

    /// Returns whether [`Context::stop`] was called since the last call of this method.
    pub fn take_stop(&mut self) -> bool {
        mem::take(&mut self.cx.stopping)
    }

    /// Returns the number of connections of any stage, including handshakes and closing ones.
    pub fn len(&self) -> usize {
        self.cx.peers.len()
    }

    /// Returns whether there is no connection of any stage.
    pub fn is_empty(&self) -> bool {
        self.cx.peers.is_empty()
    }

    /// Returns whether events with this token are for this engine.
    pub const fn owns(&self, token: Token) -> bool {
        self.cx.tokens.contains(token)
    }

    /// Returns the tokens of this engine.
    pub const fn tokens(&self) -> &Range<usize> {
        self.cx.tokens.range()
    }

    /// Returns the token of a connection, for [`ready`](Self::ready) in a simulation; `None` once it is gone.
    pub fn token_of(&self, id: ConnId) -> Option<Token> {
        self.cx.peer(id).map(|_| self.cx.tokens.connection(id))
    }

    /// Handles an event. An event for another source, or for a connection that is gone, does nothing.
    pub fn handle<H: Handler<Data = D>>(&mut self, event: &event::Event, handler: &mut H) {
        self.ready(event.token(), Readiness::from(event), handler);
    }

    /// Handles readiness from elsewhere than a `mio::Poll`.
    pub fn ready<H: Handler<Data = D>>(&mut self, token: Token, readiness: Readiness, handler: &mut H) {
        let Some(owner) = self.cx.tokens.owner(token) else { return };
        self.cx.begin_turn();
        self.cx.clock.count_event();
        match owner {
            Owner::Waker => {} // `on_time` looks after what it wakes for
            #[cfg(feature = "backplane")]
            Owner::Backplane => {
                if let Some(backplane) = &mut self.cx.backplane {
                    backplane.ready(readiness);
                }
            }
            Owner::Listener(number) => {
                if let Some(listener) = self.listeners.get_mut(number) {
                    listener.ready = true;
                    self.turn(handler).accept(number);
                }
            }
            Owner::Connection(name) => {
                let slot = name.slot;
                let Some(peer) = self.cx.peers.get_mut(slot).filter(|peer| name.is_of(peer.generation))
                else {
                    return; // too late: its connection is gone
                };
                let Readiness { readable, writable, read_closed, error } = readiness;
                peer.writable |= writable;
                peer.read_closed |= read_closed || error;
                peer.readable |= readable || peer.read_closed;
                let is_served_now = !(writable | error | peer.heavy) && peer.is_open();
                let mut turn = self.turn(handler);
                if is_served_now {
                    turn.serve(slot, true);
                } else {
                    if writable || error {
                        turn.writable(slot);
                    }
                    turn.read(slot);
                }
            }
        }
    }

    /// Returns when [`on_time`](Self::on_time) has to be called even if no event comes.
    pub fn next_deadline(&self) -> Option<Instant> {
        let now = self.cx.now();
        let listeners = self.listeners.iter().filter(|listener| listener.ready && self.cx.accepting);
        let accept = listeners.map(|listener| listener.paused_until.unwrap_or(now)).min();
        let work = self.has_work().then_some(now);
        let peers = self.cx.first_deadline().map(|at| self.cx.clock.program_time(at));
        #[cfg(feature = "backplane")]
        let nodes = {
            let link = self.cx.backplane.as_ref().map(|backplane| backplane.next_deadline(now));
            let followers = self.cx.follows.next().map(|wait| now + wait);
            let told = self.cx.follows.has_work().then_some(now);
            [link, followers, told].into_iter().flatten().min()
        };
        #[cfg(not(feature = "backplane"))]
        let nodes = None;
        let shared = self.cx.budget.shared.next_deadline(now);
        let paused = self.cx.budget.look_at;
        let spare = self.cx.pool.trim_at();
        [work, accept, peers, nodes, shared, paused, spare, self.cx.timers.next(), self.cx.slowed.next()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Ends a turn: reads on where there was more, does what is due, writes what was sent, removes what is over.
    ///
    /// Call it after each batch of events, including an empty one. An empty batch means silence, so if a signal has
    /// interrupted the wait (`EINTR`, as after SIGSTOP), look for events once more before. `now` counts for deadlines;
    /// it must not go back.
    pub fn on_time<H: Handler<Data = D>>(&mut self, now: Instant, handler: &mut H) {
        self.cx.set_time(now);
        let mail = self.inbox.has_mail().then(|| self.inbox.take());
        let mut turn = self.turn(handler);
        if let Some(mail) = mail {
            turn.run_commands(mail);
        }
        if std::mem::take(&mut turn.cx.closes_listeners) {
            turn.stop_listening_for_others();
        }
        turn.speed_up();
        turn.read_on();
        turn.accept_all();
        let due = turn.cx.due_by(turn.listeners.len());
        if let Some(due) = due {
            turn.expire(due);
        }
        turn.run_timers();
        turn.serve_clients(due);
        #[cfg(feature = "backplane")]
        {
            turn.serve_backplane();
            turn.tell_followers();
        }
        turn.begin_shutdown();
        turn.write_all();
        #[cfg(feature = "backplane")]
        turn.flush_backplane();
        turn.keep_to_budget();
        turn.remove_dead();
        turn.finish_shutdown(due);
        self.cx.work.begin();
        self.cx.clock.end_turn();
    }

    /// Returns the time of this turn: the clock is read once for all of it.
    pub(super) fn turn_time(&mut self) -> Instant {
        self.cx.begin_turn();
        self.cx.now()
    }

    /// Begins a wait at `now`.
    pub(super) fn begin_wait(&mut self, now: Instant) {
        self.cx.clock.begin_wait(now);
    }

    fn has_work(&self) -> bool {
        let cx = &self.cx;
        #[cfg(feature = "http2")]
        if cx.has_carried_work() {
            return true;
        }
        cx.agenda.has_work()
            || self.inbox.has_mail()
            || cx.closes_listeners
            || cx.clients.has_work()
            || cx.clock.is_hearing()
            || cx.shutdown.as_ref().is_some_and(|shutdown| !shutdown.begun)
    }

    #[inline]
    fn turn<'a, H: Handler<Data = D>>(&'a mut self, handler: &'a mut H) -> Turn<'a, H> {
        let Self { cx, inbounds, listeners, scratch, .. } = self;
        Turn { cx, inbounds, listeners, scratch, handler }
    }
}

impl<H: Handler> Turn<'_, H> {
    /// Runs the commands of other threads.
    fn run_commands(&mut self, mail: Mail<H::Data>) {
        for command in mail.commands {
            self.run_command(command);
        }
        self.cx.stopping |= mail.stop;
        if mail.wake {
            self.handler.on_wake(self.cx);
        }
    }

    fn run_command(&mut self, command: Command<H::Data>) {
        match command {
            Command::Send(id, message) => {
                self.cx.send_prepared(id, &message);
            }
            Command::Publish { topic, except, everywhere, key, message } => {
                self.cx.publish(
                    To { topic: topic.as_deref(), except, everywhere, key: key.as_deref() },
                    &message,
                );
            }
            #[cfg(feature = "backplane")]
            Command::ToNodes { topic, key, message, mark } => {
                let (topic, key) = (topic.as_deref(), key.as_deref());
                self.cx.send_to_nodes(To { topic, key, ..To::all() }, &message, mark);
            }
            #[cfg(feature = "backplane")]
            Command::Want(topic, wanted) => self.cx.want_topic(&topic, wanted),
            #[cfg(feature = "backplane")]
            Command::Replay(topic, since, ticket) => {
                if let Some(backplane) = &mut self.cx.backplane {
                    backplane.link.replay(&topic, since, ticket);
                }
            }
            #[cfg(feature = "backplane")]
            Command::Presence => {} // the end of the turn writes it
            #[cfg(feature = "backplane")]
            Command::Bring(brought) => {
                if let Brought::Live { topic, key, except, message, .. } = &brought {
                    let (topic, key) = (Some(&**topic), key.as_deref());
                    self.cx.publish(To { topic, except: *except, everywhere: false, key }, message);
                }
                self.cx.follows.bring(brought);
            }
            Command::Close(id, reason) => {
                self.cx.close(id, reason.as_ref().map(OwnedClose::as_reason));
            }
            Command::Abort(id) => self.cx.abort(id),
            Command::Run(task) => self.handler.on_task(self.cx, task),
        }
    }

    /// Calls the program for timers that are due.
    fn run_timers(&mut self) {
        let last = self.cx.timers.last();
        while let Some(timer) = self.cx.timers.take_due(self.cx.now(), last) {
            if timer.connection.is_none_or(|id| self.cx.is_open(id)) {
                self.handler.on_timer(self.cx, timer);
            }
        }
    }
}
