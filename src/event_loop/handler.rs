//! What a program does with its connections.

use std::io;

use super::clients::ClientEvent;
use super::context::{Context, Task};
use super::ended::ShutdownReport;
use super::ended::{Ended, Failed};
#[cfg(feature = "backplane")]
use super::follows::Replayed;
use super::id::{ClientId, ConnId};
use super::rate::RateExceeded;
use super::timers::Timer;
#[cfg(feature = "backplane")]
use crate::backplane::LinkEvent;
use crate::client::ClientConfig;
use crate::connection::Chunk;
use crate::frame::Header;
use crate::handshake::{Acceptance, Agreement, Head, PlainRequest, Refusal, Request, RequestError, Response};
use crate::message::Message;

/// The callbacks of a loop. All but [`on_message`](Self::on_message) have a default.
///
/// Each gets the [`ConnId`] of its connection, and the [`Context`], which sends, closes and broadcasts. No method of
/// the context calls back: what it is asked for is done when the callback has returned.
///
/// For every connection that opens, [`on_open`](Self::on_open) comes first and [`on_close`](Self::on_close) last,
/// each once.
pub trait Handler {
    /// The program's data of each connection; see [`Context::data`].
    type Data: Default;

    /// Called when a client asks to open a connection (RFC 6455 §4.2) with a request that keeps every rule. An offer of
    /// permessage-deflate is answered automatically as [`Config::deflate`](crate::connection::Config::deflate) says.
    fn on_request(&mut self, cx: &mut Context<Self::Data>, id: ConnId, request: &Request) -> Decision {
        let _ = (cx, id, request);
        Decision::Accept(Acceptance::default())
    }

    /// Called for a WebSocket request that is well-formed HTTP but breaks a rule, to show who sent it. It is answered
    /// automatically, and [`on_failed`](Self::on_failed) follows.
    fn on_bad_request(&mut self, cx: &mut Context<Self::Data>, id: ConnId, head: &Head, error: RequestError) {
        let _ = (cx, id, head, error);
    }

    /// Called for a request that does not ask for a WebSocket. The answer ends the connection.
    fn on_plain(&mut self, cx: &mut Context<Self::Data>, id: ConnId, request: &PlainRequest) -> Refusal {
        let _ = (cx, id, request);
        Refusal::upgrade_required()
    }

    /// Called when a server has accepted our request; [`on_open`](Self::on_open) follows.
    fn on_response(&mut self, cx: &mut Context<Self::Data>, id: ConnId, response: &Response) {
        let _ = (cx, id, response);
    }

    /// Called when the connection is open, in either role.
    fn on_open(&mut self, cx: &mut Context<Self::Data>, id: ConnId, agreement: &Agreement) {
        let _ = (cx, id, agreement);
    }

    /// Called when a message is whole.
    fn on_message(&mut self, cx: &mut Context<Self::Data>, id: ConnId, message: Message<'_>);

    /// Called when a data frame starts ([`Delivery::Frames`](crate::connection::Delivery::Frames) and `Both`).
    fn on_frame(&mut self, cx: &mut Context<Self::Data>, id: ConnId, header: &Header) {
        let _ = (cx, id, header);
    }

    /// Called for the next bytes of the current data frame.
    fn on_chunk(&mut self, cx: &mut Context<Self::Data>, id: ConnId, chunk: Chunk<'_>) {
        let _ = (cx, id, chunk);
    }

    /// Called for a Ping. It is answered already unless
    /// [`Config::answer_pings`](crate::connection::Config::answer_pings) is off.
    fn on_ping(&mut self, cx: &mut Context<Self::Data>, id: ConnId, payload: &[u8]) {
        let _ = (cx, id, payload);
    }

    /// Called for a Pong. [`Context::round_trip`] returns how long it took if it answers a Ping of the loop's own or of
    /// [`Context::ping_timed`].
    fn on_pong(&mut self, cx: &mut Context<Self::Data>, id: ConnId, payload: &[u8]) {
        let _ = (cx, id, payload);
    }

    /// Called when what waited for a slow reader has gone down to
    /// [`Settings::low_watermark`](super::Settings::low_watermark) after it had passed the high one.
    fn on_drained(&mut self, cx: &mut Context<Self::Data>, id: ConnId) {
        let _ = (cx, id);
    }

    /// Called when a connection has sent more than its [`Rate`](super::Rate) allows and is slowed down, or a message of
    /// it was dropped. If it is closed for that, [`on_close`](Self::on_close) is called instead.
    fn on_rate_exceeded(&mut self, cx: &mut Context<Self::Data>, id: ConnId, exceeded: RateExceeded) {
        let _ = (cx, id, exceeded);
    }

    /// Called when an open connection is over: nothing more comes, and nothing can be sent.
    fn on_close(&mut self, cx: &mut Context<Self::Data>, id: ConnId, ended: &Ended) {
        let _ = (cx, id, ended);
    }

    /// Called when a connection that never opened is over.
    fn on_failed(&mut self, cx: &mut Context<Self::Data>, id: ConnId, failed: &Failed) {
        let _ = (cx, id, failed);
    }

    /// Called for events of a client ([`Context::open`]). The default logs failed tries as warnings.
    fn on_client(&mut self, cx: &mut Context<Self::Data>, client: ClientId, event: &ClientEvent<'_>) {
        if let ClientEvent::Unreached(error) = event {
            let target = cx.client_target(client).map(ToString::to_string).unwrap_or_default();
            // It may contain a certificate's name, which is the peer's text.
            log::warn!("{client} has not reached {target}: {}", error.to_string().escape_debug());
        }
    }

    /// Called when a client sets out for its server, for the `attempt`th time in its life. The URL, the headers and
    /// everything else in `config` can be changed, for this try and those after it.
    fn on_try(
        &mut self,
        cx: &mut Context<Self::Data>,
        client: ClientId,
        attempt: u32,
        config: &mut ClientConfig,
    ) {
        let _ = (cx, client, attempt, config);
    }

    /// Called when a timer fires ([`Context::set_timer`] and its like).
    fn on_timer(&mut self, cx: &mut Context<Self::Data>, timer: Timer) {
        let _ = (cx, timer);
    }

    /// Called after another thread has called [`Remote::wake`](super::Remote::wake), once or several times.
    fn on_wake(&mut self, cx: &mut Context<Self::Data>) {
        let _ = cx;
    }

    /// Called for a task of another thread ([`Remote::run`](super::Remote::run)). The default runs it.
    fn on_task(&mut self, cx: &mut Context<Self::Data>, task: Task<Self::Data>) {
        task(cx);
    }

    /// Called when something goes wrong that belongs to no connection. The loop goes on.
    fn on_error(&mut self, cx: &mut Context<Self::Data>, error: &LoopError) {
        let _ = cx;
        log::warn!("{error}");
    }

    /// Called for events of the link to other processes ([`Engine::join_backplane`](super::Engine::join_backplane)).
    /// The default logs them.
    #[cfg(feature = "backplane")]
    fn on_backplane(&mut self, cx: &mut Context<Self::Data>, event: &LinkEvent) {
        let _ = cx;
        log::warn!("backplane: {event}");
    }

    /// Called with a message for a connection that follows a topic ([`Context::replay`]), or with how far it has come.
    #[cfg(feature = "backplane")]
    fn on_replay(&mut self, cx: &mut Context<Self::Data>, id: ConnId, topic: &str, replayed: &Replayed<'_>) {
        let _ = (cx, id, topic, replayed);
    }

    /// Called when a shutdown ([`Context::shutdown`]) is done: no connection is left.
    fn on_shutdown(&mut self, cx: &mut Context<Self::Data>, report: &ShutdownReport) {
        let _ = (cx, report);
    }
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// Open the connection.
    Accept(Acceptance),
    /// Answer with this response and end the connection.
    Refuse(Refusal),
    /// The answer comes with [`Context::accept`] or [`Context::refuse`], within
    /// [`Settings::handshake_timeout`](super::Settings::handshake_timeout); after that the answer is 503. Nothing is read
    /// from the client meanwhile; if it goes away, [`Handler::on_failed`] is called.
    Later,
}

/// Errors that belong to no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoopError {
    /// The system cannot accept a connection for now, as it has no descriptors or memory left. The loop tries again.
    Accept(io::Error),
    /// A connection was accepted and could not be used.
    Adopt(io::Error),
    /// The program's answer to a request could not be sent; the client got a 500.
    Answer(crate::handshake::AcceptError),
}

impl std::fmt::Display for LoopError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LoopError::Accept(error) => write!(f, "cannot accept for now: {error}"),
            LoopError::Adopt(error) => write!(f, "cannot use an accepted connection: {error}"),
            LoopError::Answer(error) => write!(f, "the answer to a request cannot be sent: {error}"),
        }
    }
}

impl std::error::Error for LoopError {}
