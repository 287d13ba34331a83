//! Clients of a loop, which outlive their connections.
//!
//! A [`ConnId`] identifies one connection. A [`ClientId`] identifies the wish for one, from the lookup of the name
//! through every lost and renewed connection until the program no longer wants it.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use slab::Slab;

use super::id::{ClientId, ConnId};
use super::timers::{TimerId, Timers};
use super::waker::LoopWaker;
use crate::client::connect::{Attempt, Connector, Lookup};
use crate::client::{ClientConfig, ConnectError, Loss, Reconnect, Stop, Target};
use crate::frame::DataKind;
use crate::message::Message;

/// The state of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientState {
    /// The name is being looked up.
    Resolving,
    /// A TCP connection is being made.
    Connecting,
    /// The proxy has been asked for a tunnel.
    Tunneling,
    /// TLS and the WebSocket handshake are in progress.
    Handshaking,
    /// The connection is open.
    Open,
    /// The closing handshake is in progress.
    Closing,
    /// There is no connection; the next try comes later.
    Waiting,
    /// There is no connection, and no try will come.
    Closed,
}

impl fmt::Display for ClientState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ClientState::Resolving => "resolving",
            ClientState::Connecting => "connecting",
            ClientState::Tunneling => "tunneling",
            ClientState::Handshaking => "handshaking",
            ClientState::Open => "open",
            ClientState::Closing => "closing",
            ClientState::Waiting => "waiting",
            ClientState::Closed => "closed",
        })
    }
}

/// An event in the life of a client.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientEvent<'a> {
    /// The client has entered another state. [`ClientState::Closing`] is not reported: the caller of `close` knows.
    State(ClientState),
    /// A try has failed before a connection was open.
    Unreached(&'a ConnectError),
    /// There is no connection, or no longer one. The next try comes after `delay`.
    Retry {
        /// The number of that try, from 1, since the last stable connection.
        attempt: u32,
        /// The time until then.
        delay: Duration,
        /// Why it is needed.
        cause: &'a Loss,
    },
    /// The last event: there is no connection and no further try.
    End {
        /// Why there is no further try.
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
    /// Clients whose first try comes at the end of this turn.
    pub(super) fresh: Vec<ClientId>,
    /// Clients that the program no longer wants.
    pub(super) dropped: Vec<ClientId>,
    pub(super) timers: Timers,
    pub(super) answers: Option<Arc<Answers>>,
}

/// One client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) generation: u32,
    /// The configuration, as the program wants it.
    pub(super) wanted: ClientConfig,
    /// The current or last target, after redirects.
    pub(super) target: Target,
    pub(super) tries: u32,
    pub(super) reconnect: Reconnect,
    pub(super) state: ClientState,
    /// Present while the client is on its way to a server.
    pub(super) connector: Option<Box<Connector>>,
    pub(super) timer: Option<TimerId>,
    /// The sockets of the running attempts.
    pub(super) attempts: Vec<(Attempt, ConnId)>,
    /// The connection to the server, or to its proxy.
    pub(super) conn: Option<ConnId>,
    /// Whether the program has closed the connection.
    pub(super) closing: bool,
    kept: VecDeque<(DataKind, Box<[u8]>)>,
    kept_bytes: usize,
}

/// Answers of resolvers, from any thread.
pub(super) struct Answers {
    answers: Mutex<Vec<Answer>>,
    pending: AtomicBool,
    waker: LoopWaker,
}

pub(super) struct Answer {
    pub(super) client: ClientId,
    /// The try that has asked; an answer for an earlier one is ignored.
    pub(super) tries: u32,
    pub(super) lookup: Lookup,
    pub(super) result: io::Result<Vec<SocketAddr>>,
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").finish_non_exhaustive()
    }
}

impl Answers {
    pub(super) fn new(waker: LoopWaker) -> Self {
        Self { answers: Mutex::default(), pending: AtomicBool::new(false), waker }
    }

    pub(super) fn push(&self, answer: Answer) {
        // Nothing under the lock can panic.
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
    /// Adds a client whose first try comes at the end of this turn.
    pub(super) fn insert(&mut self, config: ClientConfig) -> ClientId {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let slot = self.slab.insert(Client {
            generation,
            reconnect: Reconnect::new(config.reconnect.clone()),
            target: config.target.clone(),
            wanted: config,
            tries: 0,
            state: ClientState::Waiting,
            connector: None,
            timer: None,
            attempts: Vec::new(),
            conn: None,
            closing: false,
            kept: VecDeque::new(),
            kept_bytes: 0,
        });
        let id = ClientId { slot: slot as u32, generation };
        self.fresh.push(id);
        id
    }

    pub(super) fn get(&mut self, id: ClientId) -> Option<&mut Client> {
        self.slab.get_mut(id.slot as usize).filter(|client| client.generation == id.generation)
    }

    /// Returns the connector of a client that is on its way to a server.
    pub(super) fn connector(&mut self, id: ClientId) -> Option<&mut Connector> {
        self.get(id)?.connector.as_deref_mut()
    }

    pub(super) fn peek(&self, id: ClientId) -> Option<&Client> {
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

    /// Returns whether there is something to do now.
    pub(super) fn has_work(&self) -> bool {
        let answered = self.answers.as_ref().is_some_and(|answers| answers.pending.load(Ordering::Relaxed));
        answered || !self.fresh.is_empty() || !self.dropped.is_empty()
    }

    pub(super) fn take_answers(&self) -> Vec<Answer> {
        self.answers.as_ref().map_or_else(Vec::new, |answers| answers.take())
    }

    /// Has the client visited at `at`, and not before.
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
    /// Keeps a message for the next connection, if no more than `most` bytes are kept then. Returns how many are.
    pub(super) fn keep(&mut self, message: Message<'_>, most: usize) -> Option<usize> {
        // A message costs more than its bytes, so that empty ones reach the limit, too.
        let bytes = self.kept_bytes + message.len() + 64;
        if bytes > most {
            return None;
        }
        self.kept_bytes = bytes;
        self.kept.push_back((message.kind(), message.as_bytes().into()));
        Some(bytes)
    }

    pub(super) fn take_kept(&mut self) -> VecDeque<(DataKind, Box<[u8]>)> {
        self.kept_bytes = 0;
        std::mem::take(&mut self.kept)
    }
}
