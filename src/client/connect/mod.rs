//! From a URL to an open WebSocket, without a socket and without a clock.
//!
//! In: what has happened, as [`Input`]s, and the time of each. Out: what to do next, as [`Action`]s, the last of which
//! is [`Action::Open`] or [`Action::Failed`]. A [`Connector`] looks names up, goes through proxies, races addresses,
//! follows redirects, has TLS established over the connection, sends the request and reads the response, all as its
//! [`ClientConfig`] says, and keeps every deadline of that. Its driver looks up, dials, reads and writes; the blocking
//! client and the event loop each do so in a page.
//!
//! A driver does three things:
//!
//! 1. It does what [`next`](Connector::next) returns until that is `None`.
//! 2. It waits: for an answer of the resolver, for attempts, for bytes of the connection that
//!    [stands](Connector::standing), but no longer than until the [`deadline`](Connector::deadline).
//! 3. It reports the result to [`handle`](Connector::handle), and begins again.
//!
//! Promises: every attempt that was to be dialed has failed, is to be dropped, or is the one that is open at the end.
//! Nothing is written to a connection before it stands, and nothing after the request. The reason of a server that
//! refuses is reported as soon as its body has ended, [`EXCERPT`] bytes of it have arrived, or [`EXCERPT_WAIT`] is
//! over.
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

/// The most bytes that are read of the body of a refusal.
pub const EXCERPT: usize = 16 * 1024;

/// How long the body of a refusal may take after its head. Most bodies arrive with the head or right after it.
pub const EXCERPT_WAIT: Duration = Duration::from_millis(250);

/// One attempt to reach a server.
#[derive(Debug)]
pub struct Connector {
    /// The target and how to reach it. Redirects change the target.
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

/// Identifies an attempt to make a connection, within one [`Connector`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attempt(u32);

/// Identifies a lookup, within one [`Connector`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lookup(u32);

/// What has happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// The answer to [`Action::Resolve`]. An answer to an earlier lookup is ignored.
    Resolved(Lookup, Result<Vec<SocketAddr>, ConnectError>),
    /// An attempt has become a connection.
    Connected(Attempt),
    /// An attempt, or the connection that it became, has failed: it is over and need not be dropped. ([`Action::Drop`]
    /// may still name it, if another one takes its place.)
    Failed(Attempt, io::Error),
    /// TLS has been established over the standing connection.
    Secured,
    /// Bytes from the standing connection; from inside TLS, if there is TLS.
    Received(&'a [u8]),
    /// The other side has ended its direction of the standing connection.
    Ended,
    /// Only time has passed.
    Time,
}

/// What is to be done.
#[derive(Debug)]
#[non_exhaustive]
pub enum Action {
    /// Look up the addresses of this host, to be returned with this port.
    Resolve(Lookup, String, u16),
    /// Begin to connect to this address.
    Dial(Attempt, Address),
    /// Close the socket of this attempt, or of what it has become.
    Drop(Attempt),
    /// Write these bytes to the standing connection.
    Write(Vec<u8>),
    /// Establish TLS over the standing connection, for the name of [`Connector::target`]; report the result as
    /// [`Input::Secured`] or [`Input::Failed`].
    StartTls,
    /// Establish HTTP/2 over the standing connection, without TLS (RFC 9113 §3.3). Over TLS, HTTP/2 is established in
    /// the same step as TLS, if [`ClientConfig::http`] asks for it.
    StartHttp2,
    /// The WebSocket is open over the standing connection, which belongs to the driver from now on. The bytes of the
    /// last [`Input::Received`] from `used` on are frames.
    Open {
        /// The server's response.
        response: Box<Response>,
        /// How many bytes of the last input belong to the response.
        used: usize,
    },
    /// The server cannot be reached. No socket is left.
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
    /// Creates a connector that begins at `now`, from when [`ClientConfig::connect_timeout`] counts.
    pub fn new(config: ClientConfig, now: Instant) -> Self {
        let mut connector = Self::idle(config);
        connector.until = now.checked_add(connector.config.connect_timeout);
        connector.state = connector.begin(now);
        connector
    }

    /// Creates a connector for the handshake alone, over an existing connection that includes TLS, if any.
    /// [`ClientConfig::handshake_timeout`] counts from `now`. Redirects are reported and not followed.
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

    /// Returns what to do next. Call it until it returns `None`.
    #[expect(clippy::should_implement_trait, reason = "it is no iterator: `None` now is not the end")]
    pub fn next(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Returns when to report [`Input::Time`], if nothing happens before; `None` once it is over.
    pub fn deadline(&self) -> Option<Instant> {
        let own = match &self.state {
            State::Over => return None,
            State::Race { race, .. } => race.next_start(),
            State::Refusal { until, .. } => *until,
            _ => None,
        };
        [own, self.until, self.handshake_until].into_iter().flatten().min()
    }

    /// Returns what is going on; `None` once it is over.
    pub const fn phase(&self) -> Option<Phase> {
        match &self.state {
            State::Over => None,
            state => Some(state.phase()),
        }
    }

    /// Returns the attempt that has become the connection to the server or its proxy.
    pub const fn standing(&self) -> Option<Attempt> {
        self.standing
    }

    /// Returns the target, after redirects.
    pub fn target(&self) -> &Target {
        &self.config.target
    }

    /// Returns the current configuration, after redirects.
    pub fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// Returns the bytes of the request while the response is awaited.
    pub fn request(&self) -> Option<&[u8]> {
        match &self.state {
            State::Response(handshake) | State::Refusal { handshake, .. } => Some(handshake.request()),
            _ => None,
        }
    }
}
