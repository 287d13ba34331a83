//! What a program does with its connections.

use std::io;

use super::context::{ConnId, Context};
use crate::connection::{Chunk, Due, Outcome};
use crate::error::ProtocolError;
use crate::frame::Header;
use crate::handshake::{
    Acceptance, Agreement, PlainRequest, Refusal, Request, RequestError, Response, ResponseError,
};
use crate::message::Message;

/// Callbacks of the loop. All but [`on_message`](Self::on_message) have a default.
///
/// Each names the connection by its [`ConnId`]; the [`Context`] sends, closes and broadcasts. Nothing that is
/// called on the context calls back: what it asks for is done when the callback has returned.
///
/// For every connection that opens, [`on_open`](Self::on_open) comes first and [`on_close`](Self::on_close) last,
/// each once.
pub trait Handler {
    /// What the program keeps for each connection; see [`Context::data`].
    type Data: Default;

    /// A client asks to open a connection (RFC 6455 §4.2); the request is right in every point.
    fn on_request(&mut self, cx: &mut Context<Self::Data>, id: ConnId, request: &Request) -> Decision {
        let _ = (cx, id, request);
        Decision::Accept(Acceptance::default())
    }

    /// A request that does not ask for a WebSocket. The answer ends the connection.
    fn on_plain(&mut self, cx: &mut Context<Self::Data>, id: ConnId, request: &PlainRequest) -> Refusal {
        let _ = (cx, id, request);
        Refusal::upgrade_required()
    }

    /// A server has accepted our request; [`on_open`](Self::on_open) follows.
    fn on_response(&mut self, cx: &mut Context<Self::Data>, id: ConnId, response: &Response) {
        let _ = (cx, id, response);
    }

    /// The connection is open, in either role.
    fn on_open(&mut self, cx: &mut Context<Self::Data>, id: ConnId, agreement: &Agreement) {
        let _ = (cx, id, agreement);
    }

    /// A message is whole.
    fn on_message(&mut self, cx: &mut Context<Self::Data>, id: ConnId, message: Message<'_>);

    /// A data frame starts ([`Delivery::Frames`](crate::connection::Delivery::Frames) and `Both`).
    fn on_frame(&mut self, cx: &mut Context<Self::Data>, id: ConnId, header: &Header) {
        let _ = (cx, id, header);
    }

    /// The next octets of that frame.
    fn on_chunk(&mut self, cx: &mut Context<Self::Data>, id: ConnId, chunk: Chunk<'_>) {
        let _ = (cx, id, chunk);
    }

    /// A Ping; it is answered already unless [`Config::answer_pings`](crate::connection::Config::answer_pings) is
    /// off.
    fn on_ping(&mut self, cx: &mut Context<Self::Data>, id: ConnId, payload: &[u8]) {
        let _ = (cx, id, payload);
    }

    /// A Pong.
    fn on_pong(&mut self, cx: &mut Context<Self::Data>, id: ConnId, payload: &[u8]) {
        let _ = (cx, id, payload);
    }

    /// What waited for a slow reader has gone down to [`Settings::low_watermark`](super::Settings::low_watermark)
    /// after it had passed the high one.
    fn on_drained(&mut self, cx: &mut Context<Self::Data>, id: ConnId) {
        let _ = (cx, id);
    }

    /// The connection is over: nothing more comes, and nothing can be sent.
    fn on_close(&mut self, cx: &mut Context<Self::Data>, id: ConnId, ended: &Ended) {
        let _ = (cx, id, ended);
    }

    /// A connection that never opened is over.
    fn on_failed(&mut self, cx: &mut Context<Self::Data>, id: ConnId, failed: &Failed) {
        let _ = (cx, id, failed);
    }
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Open the connection.
    Accept(Acceptance),
    /// Answer with this response and end the connection.
    Refuse(Refusal),
}

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
    /// The program gave it up ([`Context::abort`]).
    Aborted,
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
