//! A blocking client: the shortest full driver of the core, without a loop and without a hidden thread.
//!
//! ```no_run
//! use bowsprit::blocking;
//!
//! # fn main() -> Result<(), blocking::Error> {
//! let mut client = blocking::connect("ws://127.0.0.1:9001/chat")?;
//! client.send("hello")?;
//! while let Some(message) = client.read()? {
//!     println!("{message:?}"); // borrowed from where it arrived
//! }
//! println!("closed with code {}", client.outcome().code().0);
//! # Ok(()) }
//! ```
//!
//! * [`connect`] takes a URL, [`connect_with`] all that a [`ClientConfig`] can hold: headers, proxies, TLS, redirects.
//! * [`handshake`] opens a WebSocket over any [`Socket`], that is, over any `Read + Write` ([`Untimed`] if the stream
//!   has no timeouts).
//! * Every call respects the time that [`Client::set_timeout`] sets, and leaves the connection usable when the time is
//!   up.
//! * [`Client::split`] returns two halves for two threads.
//! * To reconnect, write a loop around [`connect_with`] and a [`Reconnect`](crate::client::Reconnect); see there.

mod client;
mod decoder;
mod dialing;
mod error;
mod reach;
mod reading;
mod socket;
mod split;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub use client::Client;
pub use error::Error;
pub use socket::{NetStream, Socket, Untimed};
pub use split::{Reader, Writer};

use crate::client::{ClientConfig, ConnectError, Resolver};

/// Connects to a `ws:` or `ws+unix:` URL, with the defaults of [`ClientConfig::new`]. With feature `tls` also to a
/// `wss:` URL, trusting the system's certificates.
///
/// # Errors
///
/// [`Error::Config`], [`Error::Connect`].
pub fn connect(url: &str) -> Result<Client<NetStream>, Error> {
    #[allow(unused_mut, reason = "with TLS it changes")]
    let mut config = ClientConfig::new(url)?;
    #[cfg(feature = "tls")]
    if config.target().is_secure() {
        let tls = crate::tls::TlsClient::system_roots()
            .map_err(|error| crate::client::ConnectError::Tls(error.into()))?;
        config = config.tls(tls);
    }
    connect_with(&config)
}

/// Connects as `config` says, except that [`reconnect`](ClientConfig::reconnect) is left to the caller.
///
/// # Errors
///
/// [`Error::Connect`].
pub fn connect_with(config: &ClientConfig) -> Result<Client<NetStream>, Error> {
    Ok(reach::reach(config)?)
}

/// Looks up the addresses of a host and waits for the answer, for at most `timeout` unless the resolver itself blocks.
/// [`connect_with`] does this itself.
///
/// # Errors
///
/// [`ConnectError::Resolve`], [`ConnectError::NoAddress`], [`ConnectError::Timeout`].
pub fn look_up(
    resolver: &dyn Resolver,
    host: &str,
    port: u16,
    timeout: Option<Duration>,
) -> Result<Vec<SocketAddr>, ConnectError> {
    let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    reach::look_up(resolver, host, port, until)
}

/// Opens a WebSocket over a connected stream, within [`ClientConfig::handshake_timeout`]. Only the parts of `config`
/// that concern the request and the connection are used.
///
/// # Errors
///
/// [`Error::Connect`].
pub fn handshake<S: Socket>(stream: S, config: &ClientConfig) -> Result<Client<S>, Error> {
    Ok(reach::shake_hands(stream, config)?)
}
