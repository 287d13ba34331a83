//! Reaching a server: what to connect to, how, and what to do when that fails (RFC 6455 §4.1, §7.2.3).
//!
//! No file here touches a socket. The clock is read only if a server names a date to come back and does not send its
//! own. [`blocking`](crate::blocking) and [`event_loop`](crate::event_loop) drive these pieces, and any other driver
//! can:
//!
//! | Piece | In | Out |
//! |---|---|---|
//! | [`Target`] | a URL | host and port, or the path of a Unix-domain socket |
//! | [`ProxySettings`] | the environment | a [`Proxy`] for a target, or none |
//! | [`Resolver`] | a name | addresses |
//! | [`connect::Connector`] | what happened | what to do next, from the URL to the open WebSocket |
//! | [`Race`] | addresses, the time | which one to try when (RFC 8305) |
//! | [`Tunnel`] | the proxy's bytes | ours, and an open tunnel (HTTP CONNECT, SOCKS 5) |
//! | [`RedirectPolicy`] | a refusal | another target |
//! | [`Reconnect`] | a loss, the time | how long to wait, or to stop |
//!
//! [`ClientConfig`] holds the choices that a program makes.

mod config;
pub mod connect;
mod error;
mod proxy;
pub mod qwebsocket;
mod race;
mod reconnect;
mod redirect;
mod resolve;
mod target;

#[cfg(feature = "http2")]
pub use config::Http;
pub use config::{ClientConfig, ClientConfigError, WhileDisconnected};
pub use error::{ConnectError, Phase, Redirected};
pub use proxy::{Proxy, ProxyError, ProxyKind, ProxySettings, Socks5, Tunnel};
pub use race::{ATTEMPT_DELAY, Race};
pub use reconnect::{
    Backoff, Loss, MAX_RETRY_AFTER, MIN_DELAY, Next, Reconnect, ReconnectPolicy, Stop, retry_after,
};
pub use redirect::{RedirectError, RedirectPolicy};
pub use resolve::{Reply, Resolver, SystemResolver, ThreadResolver, literal};
pub use target::{Target, UnixTarget, without_user_info};
