//! From a URL to an open WebSocket, without a socket and without a clock.
//!
//! In: what has happened, as [`Input`]s, and the time of each. Out: what to do next, as [`Action`]s, the last of which is
//! [`Action::Open`] or [`Action::Failed`]. A [`Connector`] looks names up, goes through proxies, tries addresses beside
//! each other, follows redirects, has TLS laid over the connection, sends the request and reads the response, all as its
//! [`ClientConfig`] says, and keeps every deadline of that. To look up, to dial, to read and to write is left to whoever
//! drives it; the blocking client and the event loop do so in a page each.
//!
//! A driver does three things:
//!
//! 1. It does what [`next`](Connector::next) says until that says `None`.
//! 2. It waits: for an answer of the resolver, for attempts, for bytes of the connection that
//!    [stands](Connector::standing), and no longer than until the [`deadline`](Connector::deadline).
//! 3. It tells what came of that to [`handle`](Connector::handle), and begins again.
//!
//! Promises: every attempt that was to be dialed has failed, is to be dropped, or is the one that is open at the end.
//! Nothing is written to a connection before it stands, and nothing after the request. Of a server that refuses, the
//! reason is told as soon as its body has ended, [`EXCERPT`] bytes of it have come, or [`EXCERPT_WAIT`] is over.
//!
//! ```
//! use std::time::Instant;
//!
//! use bowsprit::client::ClientConfig;
//! use bowsprit::client::connect::{Action, Connector, Input};
//!
//! let now = Instant::now(); // any will do: time is an argument
//! let mut connector = Connector::new(ClientConfig::new("ws://192.0.2.1:9001/chat").unwrap(), now);
//! let Some(Action::Dial(attempt, address)) = connector.next() else { panic!() };
//! assert_eq!(address.to_string(), "192.0.2.1:9001");
//! connector.handle(Input::Connected(attempt), now);
//! let Some(Action::Write(request)) = connector.next() else { panic!() };
//! assert!(request.starts_with(b"GET /chat HTTP/1.1\r\n"));
//! connector.handle(Input::Received(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), now);
//! assert!(matches!(connector.next(), Some(Action::Drop(dropped)) if dropped == attempt));
//! let Some(Action::Failed(error)) = connector.next() else { panic!() };
//! assert_eq!(error.to_string(), "The server refuses the upgrade with status 404 Not Found.");
//! ```

mod machine;
mod state;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::config::ClientConfig;
use super::error::{ConnectError, Phase};
use super::target::Target;
use crate::handshake::Response;
use state::State;

/// The most bytes that are read of what a server says beside its refusal.
pub const EXCERPT: usize = 16 * 1024;

/// How long the body of a refusal may take once its head is there. What a server says mostly comes with the head or right
/// behind it.
pub const EXCERPT_WAIT: Duration = Duration::from_millis(250);

/// One try to reach a server.
#[derive(Debug)]
pub struct Connector {
    /// Where to and how; the target is where redirects have led.
    config: ClientConfig,
    /// The targets that redirects have led away from.
    via: Vec<Target>,
    state: State,
    /// When the connection has to be open.
    until: Option<Instant>,
    /// When TLS and the handshake with this server have to be done.
    handshake_until: Option<Instant>,
    /// Attempts that have neither failed nor won.
    running: Vec<Attempt>,
    /// The attempt that has won.
    standing: Option<Attempt>,
    attempts: u32,
    lookups: u32,
    actions: VecDeque<Action>,
}

/// Names an attempt to make a connection, within one [`Connector`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attempt(u32);

/// Names a lookup, within one [`Connector`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lookup(u32);

/// What has happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// The answer to [`Action::Resolve`]; one to an earlier lookup is ignored.
    Resolved(Lookup, Result<Vec<SocketAddr>, ConnectError>),
    /// An attempt has become a connection.
    Connected(Attempt),
    /// An attempt has failed, or the connection that it became: it is over and need not be dropped. (It may be said to be
    /// dropped all the same, where another one takes its place.)
    Failed(Attempt, io::Error),
    /// TLS is laid over the connection that stands, and its handshake is done.
    Secured,
    /// Bytes from the connection that stands; inside TLS, where there is TLS.
    Received(&'a [u8]),
    /// The other side has ended its direction of the connection that stands.
    Ended,
    /// Nothing but that time has passed.
    Time,
}

/// What is to be done.
#[derive(Debug)]
#[non_exhaustive]
pub enum Action {
    /// Look up the addresses of this host, to be told with this port.
    Resolve(Lookup, String, u16),
    /// Begin to connect to this address.
    Dial(Attempt, Address),
    /// Close the socket of this attempt, or what has become of it.
    Drop(Attempt),
    /// Write these bytes to the connection that stands.
    Write(Vec<u8>),
    /// Lay TLS over the connection that stands, for the name of [`Connector::target`]; [`Input::Secured`] or
    /// [`Input::Failed`] tells what came of it.
    StartTls,
    /// Lay HTTP/2 over the connection that stands, without TLS (RFC 9113 §3.3). Where TLS is laid, HTTP/2 is laid over that in
    /// the same step, if [`ClientConfig::http`] says so.
    StartHttp2,
    /// The WebSocket is open over the connection that stands, which is the driver's from now on. Of the last
    /// [`Input::Received`], the bytes from `used` on are frames.
    Open {
        /// The server's response.
        response: Box<Response>,
        /// Bytes of the last input that belong to it.
        used: usize,
    },
    /// The server cannot be reached; no socket is left.
    Failed(ConnectError),
}

/// What to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A Unix-domain socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => path.display().fmt(f),
        }
    }
}

impl Connector {
    /// A try that begins at `now`; [`ClientConfig::connect_timeout`] counts from here.
    pub fn new(config: ClientConfig, now: Instant) -> Self {
        let mut connector = Self::idle(config);
        connector.until = now.checked_add(connector.config.connect_timeout);
        connector.state = connector.begin(now);
        connector
    }

    /// The handshake alone, over a connection that is there, TLS included; [`ClientConfig::handshake_timeout`] counts
    /// from here. Redirects are told and not followed.
    pub fn over_connection(mut config: ClientConfig, now: Instant) -> Self {
        config.redirects = super::redirect::RedirectPolicy::NONE;
        let mut connector = Self::idle(config);
        connector.standing = Some(connector.new_attempt());
        connector.handshake_until = now.checked_add(connector.config.handshake_timeout);
        connector.state = connector.request_upgrade();
        connector
    }

    fn idle(config: ClientConfig) -> Self {
        Self {
            config,
            via: Vec::new(),
            state: State::Over,
            until: None,
            handshake_until: None,
            running: Vec::new(),
            standing: None,
            attempts: 0,
            lookups: 0,
            actions: VecDeque::new(),
        }
    }

    /// What to do next; to be asked until it says `None`.
    #[expect(clippy::should_implement_trait, reason = "it is no iterator: `None` now is not the end")]
    pub fn next(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to tell [`Input::Time`], if nothing happens before; `None` once it is over.
    pub fn deadline(&self) -> Option<Instant> {
        let own = match &self.state {
            State::Over => return None,
            State::Race { race, .. } => race.next_start(),
            State::Refusal { until, .. } => *until,
            _ => None,
        };
        [own, self.until, self.handshake_until].into_iter().flatten().min()
    }

    /// What is going on; `None` once it is over.
    pub const fn phase(&self) -> Option<Phase> {
        match &self.state {
            State::Over => None,
            state => Some(state.phase()),
        }
    }

    /// The attempt that has become the connection to the server or its proxy.
    pub const fn standing(&self) -> Option<Attempt> {
        self.standing
    }

    /// Where to, redirects followed.
    pub fn target(&self) -> &Target {
        &self.config.target
    }

    /// As it is now, redirects followed.
    pub fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// The bytes of the request, while the response is awaited.
    pub fn request(&self) -> Option<&[u8]> {
        match &self.state {
            State::Response(handshake) | State::Refusal { handshake, .. } => Some(handshake.request()),
            _ => None,
        }
    }
}
