//! Clients of a loop: what outlives a connection.
//!
//! A [`ConnId`] names one connection; a [`ClientId`] names the wish for one, from the lookup of the name over each
//! connection that is lost and made anew until nobody wants it any more.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use slab::Slab;

use super::context::{Context, Sent, shutting_down};
use super::id::{ClientId, ConnId};
use super::timers::{TimerId, Timers};
use super::waker::LoopWaker;
use crate::client::{Away, ClientConfig, ConnectError, Loss, Phase, Race, Reconnect, Stop, Target};
use crate::close::CloseReason;
use crate::frame::DataKind;
use crate::message::Message;

/// Where a client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientState {
    /// The name is being looked up.
    Resolving,
    /// A TCP connection is being made.
    Connecting,
    /// The proxy is asked for a tunnel.
    Tunneling,
    /// TLS and the WebSocket handshake are going on.
    Handshaking,
    /// Messages travel.
    Open,
    /// The closing handshake is going on.
    Closing,
    /// There is no connection; the next try comes later.
    Waiting,
    /// There is no connection, and no try will come.
    Closed,
}

/// What happens to a client.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientEvent<'a> {
    /// It goes on to another state. [`ClientState::Closing`] is not told: whoever closes knows.
    State(ClientState),
    /// A try has failed before a connection was open.
    Unreached(&'a ConnectError),
    /// There is no connection, or no longer one. The next try comes after `delay`.
    Retry {
        /// Which try it will be, from 1, since the last connection that lasted.
        attempt: u32,
        /// How long until then.
        delay: Duration,
        /// Why one is needed.
        cause: &'a Loss,
    },
    /// The last event: there is no connection, and no other try.
    End {
        /// Why none.
        stop: Stop,
        /// What happened last.
        cause: &'a Loss,
    },
}

/// All clients of a loop.
#[derive(Debug, Default)]
pub(super) struct Clients {
    pub(super) slab: Slab<Client>,
    generation: u32,
    /// Those whose first try is to come at the end of this turn.
    pub(super) fresh: Vec<ClientId>,
    /// Those that the program wants no more.
    pub(super) dropped: Vec<ClientId>,
    pub(super) timers: Timers,
    pub(super) answers: Option<Arc<Answers>>,
}

/// One client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) generation: u32,
    /// As the program wants it.
    pub(super) wanted: ClientConfig,
    /// As it is now, redirects followed.
    pub(super) config: ClientConfig,
    pub(super) redirects: u32,
    pub(super) tries: u32,
    pub(super) reconnect: Reconnect,
    pub(super) state: ClientState,
    pub(super) step: Step,
    /// Which lookup or wait counts; what belongs to an earlier one is ignored.
    pub(super) number: u64,
    pub(super) timer: Option<TimerId>,
    /// The attempts of the race, or the one connection.
    pub(super) attempts: Vec<ConnId>,
    pub(super) conn: Option<ConnId>,
    /// The program has closed the connection.
    pub(super) closing: bool,
    kept: VecDeque<(DataKind, Box<[u8]>)>,
    kept_bytes: usize,
}

/// What is being waited for before there is one connection.
#[derive(Debug)]
pub(super) enum Step {
    None,
    /// The addresses of the server, for a proxy that wants no names.
    ResolveServer,
    /// The addresses to connect to; with what the proxy is to be asked for.
    Resolve(Option<String>),
    Race {
        race: Race,
        /// What the proxy is to be asked for.
        tunnel: Option<String>,
        last: Option<io::Error>,
        until: Option<std::time::Instant>,
    },
    Retry,
}

/// Answers of resolvers, from any thread.
pub(super) struct Answers {
    answers: Mutex<Vec<Answer>>,
    pending: AtomicBool,
    waker: LoopWaker,
}

pub(super) struct Answer {
    pub(super) client: ClientId,
    pub(super) number: u64,
    pub(super) result: io::Result<Vec<SocketAddr>>,
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").finish_non_exhaustive()
    }
}

impl Answers {
    pub(super) fn push(&self, answer: Answer) {
        // Nothing that can panic runs under the lock.
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
        self.pending.store(true, Ordering::Release);
        self.waker.wake();
    }

    fn take(&self) -> Vec<Answer> {
        if !self.pending.swap(false, Ordering::Acquire) {
            return Vec::new();
        }
        std::mem::take(&mut *self.answers.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Clients {
    pub(super) fn get(&mut self, id: ClientId) -> Option<&mut Client> {
        self.slab.get_mut(id.slot as usize).filter(|client| client.generation == id.generation)
    }

    fn peek(&self, id: ClientId) -> Option<&Client> {
        self.slab.get(id.slot as usize).filter(|client| client.generation == id.generation)
    }

    pub(super) fn remove(&mut self, id: ClientId) {
        if let Some(client) = self.get(id)
            && let Some(timer) = client.timer.take()
        {
            self.timers.cancel(timer);
        }
        if self.peek(id).is_some() {
            self.slab.remove(id.slot as usize);
        }
    }

    /// Whether there is something to do now.
    pub(super) fn has_work(&self) -> bool {
        let answered = self.answers.as_ref().is_some_and(|answers| answers.pending.load(Ordering::Relaxed));
        answered || !self.fresh.is_empty() || !self.dropped.is_empty()
    }

    pub(super) fn take_answers(&self) -> Vec<Answer> {
        self.answers.as_ref().map_or_else(Vec::new, |answers| answers.take())
    }

    /// Has the client looked at when `at` has come, and not before.
    pub(super) fn set_timer(&mut self, id: ClientId, at: Option<std::time::Instant>) {
        let Some(client) = self.slab.get_mut(id.slot as usize) else { return };
        if let Some(timer) = client.timer.take() {
            self.timers.cancel(timer);
        }
        if at.is_some() {
            client.timer = Some(self.timers.set(at, None, u64::from(id.slot), None));
        }
    }
}

impl Client {
    pub(super) fn take_kept(&mut self) -> VecDeque<(DataKind, Box<[u8]>)> {
        self.kept_bytes = 0;
        std::mem::take(&mut self.kept)
    }
}

impl<D: Default> Context<D> {
    /// Opens a client: looks the name up, connects, through a proxy and TLS where need be, and again after a loss, all
    /// as `config` says. The first try comes at the end of this turn.
    ///
    /// [`on_open`](super::Handler::on_open) tells of each connection, and is the place to send what a server has to be
    /// told first; [`on_client`](super::Handler::on_client) tells of all that comes before and after. For a
    /// connection of a client that never opened [`on_failed`](super::Handler::on_failed) is not called.
    ///
    /// RFC 6455 §4.1 has a client open one connection to an address after the other; whoever opens thousands from one
    /// loop has reasons, so here they are opened at once.
    ///
    /// # Errors
    ///
    /// Where a resolver is set and no `mio::Waker` can be made that wakes the loop for its answers, and while the loop
    /// [shuts down](Context::shutdown).
    pub fn open(&mut self, config: ClientConfig) -> io::Result<ClientId> {
        if self.is_shutting_down() {
            return Err(shutting_down());
        }
        if config.resolver.is_some() && self.clients.answers.is_none() {
            self.waker.make(&self.registry, self.tokens.waker())?;
            let waker = self.waker.clone();
            self.clients.answers =
                Some(Arc::new(Answers { answers: Mutex::default(), pending: AtomicBool::new(false), waker }));
        }
        let clients = &mut self.clients;
        clients.generation = clients.generation.wrapping_add(1);
        let generation = clients.generation;
        let slot = clients.slab.insert(Client {
            generation,
            reconnect: Reconnect::new(config.reconnect.clone()),
            config: config.clone(),
            wanted: config,
            redirects: 0,
            tries: 0,
            state: ClientState::Waiting,
            step: Step::None,
            number: 0,
            timer: None,
            attempts: Vec::new(),
            conn: None,
            closing: false,
            kept: VecDeque::new(),
            kept_bytes: 0,
        });
        let id = ClientId { slot: slot as u32, generation };
        clients.fresh.push(id);
        Ok(id)
    }

    /// The open connection of a client.
    pub fn connection_of(&self, client: ClientId) -> Option<ConnId> {
        self.clients.peek(client)?.conn.filter(|id| self.peer(*id).is_some_and(|peer| peer.is_open()))
    }

    /// The client that a connection belongs to.
    pub fn client_of(&self, id: ConnId) -> Option<ClientId> {
        self.peer(id)?.cold.as_ref()?.client
    }

    /// Where a client stands; [`ClientState::Closed`] once it is gone.
    pub fn client_state(&self, client: ClientId) -> ClientState {
        match self.clients.peek(client) {
            None => ClientState::Closed,
            Some(Client { state: ClientState::Open, conn: Some(id), .. }) if !self.is_open(*id) => {
                ClientState::Closing
            }
            Some(client) => client.state,
        }
    }

    /// The bytes of the request that a client has sent, while it waits for the answer.
    pub fn client_request(&self, client: ClientId) -> Option<&[u8]> {
        self.handshake_request(self.clients.peek(client)?.conn?)
    }

    /// What a client connects to: where redirects have led.
    pub fn client_target(&self, client: ClientId) -> Option<&Target> {
        self.clients.peek(client).map(|client| &client.config.target)
    }

    /// Sends a message over the connection of a client. While it has none, [`ClientConfig::while_away`] says what
    /// becomes of it: kept until the next one opens ([`Sent::Queued`]), too much for that ([`Sent::Dropped`]), or
    /// refused ([`Sent::Closed`]).
    ///
    /// What a connection had not sent when it was lost is lost with it, as nobody knows how much of it arrived; only
    /// what was sent while there was none is kept.
    pub fn send_to(&mut self, client: ClientId, message: Message<'_>) -> Sent {
        if let Some(id) = self.connection_of(client) {
            return self.send(id, message);
        }
        let Some(client) = self.clients.get(client) else { return Sent::Closed };
        let Away::Queue(most) = client.wanted.away else { return Sent::Closed };
        if client.closing || client.state == ClientState::Closed {
            return Sent::Closed;
        }
        // A message costs more than its bytes: whoever sends empty ones must come to an end, too.
        let bytes = client.kept_bytes + message.len() + 64;
        if bytes > most {
            return Sent::Dropped;
        }
        client.kept_bytes = bytes;
        client.kept.push_back((message.kind(), message.as_bytes().into()));
        Sent::Queued(bytes)
    }

    /// Closes a client: begins the closing handshake of its connection, if it has one, and tries no more.
    /// [`ClientEvent::End`] is the last that is heard of it.
    pub fn close_client(&mut self, client: ClientId, reason: Option<CloseReason<'_>>) {
        let Some(found) = self.clients.get(client) else { return };
        found.closing = true;
        match self.connection_of(client) {
            Some(id) => {
                self.close(id, reason);
            }
            None => self.clients.dropped.push(client),
        }
    }

    /// Ends a client at once, without a closing handshake.
    pub fn abort_client(&mut self, client: ClientId) {
        let Some(found) = self.clients.get(client) else { return };
        found.closing = true;
        match found.conn {
            Some(id) => self.abort(id),
            None => self.clients.dropped.push(client),
        }
    }

    /// The clients that are not closed.
    pub fn clients(&self) -> impl Iterator<Item = ClientId> + '_ {
        self.clients
            .slab
            .iter()
            .map(|(slot, client)| ClientId { slot: slot as u32, generation: client.generation })
    }
}

/// Which time was up, for one that had got so far.
pub(super) const fn phase_of(state: ClientState) -> Phase {
    match state {
        ClientState::Resolving => Phase::Resolve,
        ClientState::Tunneling => Phase::Proxy,
        ClientState::Connecting => Phase::Connect,
        _ => Phase::Response,
    }
}
