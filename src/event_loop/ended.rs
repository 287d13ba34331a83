//! How connections and loops have ended, as reported to the program.

use std::fmt;
use std::io;

use super::id::ConnId;
use crate::connection::{Due, Outcome};
use crate::error::ProtocolError;
use crate::handshake::{ProxyError, RequestError, ResponseError};

/// How an open connection ended.
#[derive(Debug)]
pub struct Ended {
    /// The Close frames of both sides.
    pub outcome: Outcome,
    /// What ended it.
    pub cause: Cause,
}

/// What ends an open connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The closing handshake is done (§7.1.4).
    Closed,
    /// The peer broke a rule.
    Protocol(ProtocolError),
    /// The peer ended the TCP connection without a closing handshake.
    Eof,
    /// The transport failed.
    Io(io::Error),
    /// A deadline passed.
    Timeout(Due),
    /// More waited for the peer than [`Config::max_queued`](crate::connection::Config::max_queued) and
    /// [`Overflow::Close`](super::Overflow::Close) is the policy.
    Overflow,
    /// All connections together held more than [`Settings::max_held`](super::Settings::max_held), and this one most.
    OverBudget,
    /// The peer has sent more than its [`Rate`](super::Rate) allows, and
    /// [`RatePolicy::Close`](super::RatePolicy::Close) is the policy.
    RateExceeded,
    /// The program gave it up ([`Context::abort`](super::Context::abort)).
    Aborted,
    /// The program failed it ([`Context::fail`](super::Context::fail)) because of an unexpected condition.
    Failed,
    /// The grace of [`Context::shutdown`](super::Context::shutdown) is over.
    ShutDown,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Closed => f.write_str("the closing handshake is done"),
            Cause::Protocol(error) => write!(f, "the peer broke a rule: {error}"),
            Cause::Eof => f.write_str("the peer ended the connection without a Close frame"),
            Cause::Io(error) => write!(f, "the connection broke: {error}"),
            Cause::Timeout(Due::Idle) => f.write_str("the peer has been silent for too long"),
            Cause::Timeout(Due::CloseTimeout) => {
                f.write_str("the peer did not answer the Close frame in time")
            }
            Cause::Timeout(Due::Dead | Due::Ping) => f.write_str("the peer did not answer a Ping in time"),
            Cause::Timeout(Due::Stalled) => f.write_str("the peer has begun a message and does not go on"),
            Cause::Overflow => f.write_str("the peer reads more slowly than is written to it"),
            Cause::OverBudget => f.write_str("the connections of the loop held too much together"),
            Cause::RateExceeded => f.write_str("the peer sent more than its rate allows"),
            Cause::Aborted => f.write_str("the program gave the connection up"),
            Cause::Failed => f.write_str("the program met a condition that it did not expect"),
            Cause::ShutDown => f.write_str("the time to shut down was over"),
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Request(error) => error.fmt(f),
            Failed::Refused(status) => write!(f, "the request was answered with status {status}"),
            Failed::Proxy(error) => write!(f, "a trusted proxy is not understood: {error}"),
            Failed::Response(error) => error.fmt(f),
            Failed::Timeout => f.write_str("the handshake was not done in time"),
            Failed::Eof => f.write_str("the peer ended the connection before the handshake was done"),
            Failed::Io(error) => write!(f, "the connection broke or could not be made: {error}"),
            Failed::Aborted => f.write_str("the program gave the connection up"),
        }
    }
}

/// Why a connection did not open.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failed {
    /// A client's request broke a rule, and has been answered.
    Request(RequestError),
    /// The program refused a client's request, which has been answered with this status.
    Refused(u16),
    /// A trusted proxy did not name its client by the PROXY protocol
    /// ([`Settings::proxy_protocol`](super::Settings::proxy_protocol)).
    Proxy(ProxyError),
    /// A server's response broke a rule, or refuses.
    Response(ResponseError),
    /// The handshake took longer than [`Settings::handshake_timeout`](super::Settings::handshake_timeout).
    Timeout,
    /// The peer ended the TCP connection before the handshake was done.
    Eof,
    /// The transport failed, or no connection could be made.
    Io(io::Error),
    /// The program gave it up.
    Aborted,
}

/// How a shutdown went; see [`Context::shutdown`](super::Context::shutdown).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Open connections whose closing handshake was done in time.
    pub closed: usize,
    /// Open connections that were cut: the time was up, or the peer went away without a Close frame.
    pub cut: Vec<ConnId>,
}
