//! How connections and loops have ended, as the program is told.

use std::io;

use super::id::ConnId;
use crate::connection::{Due, Outcome};
use crate::error::ProtocolError;
use crate::handshake::{RequestError, ResponseError};

/// How an open connection ended.
#[derive(Debug)]
pub struct Ended {
    /// What both sides said.
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
    /// The program gave it up ([`Context::abort`]).
    Aborted,
    /// The program failed it ([`Context::fail`]): it met a condition that it did not expect.
    Failed,
    /// The grace of [`Context::shutdown`] is over.
    ShutDown,
}

/// Why a connection did not open.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failed {
    /// A client's request broke a rule; it has been answered.
    Request(RequestError),
    /// A client's request was refused by the program; it has been answered with this status.
    Refused(u16),
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
    /// Open connections that were cut: the time was up, or the peer went away without a word.
    pub cut: Vec<ConnId>,
}
