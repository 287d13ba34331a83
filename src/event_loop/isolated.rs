//! A handler whose panics end one connection and not the server.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::clients::ClientEvent;
use super::context::{Context, Task};
use super::ended::{Ended, Failed, ShutdownReport};
use super::handler::{Decision, Handler, LoopError};
use super::id::{ClientId, ConnId};
use super::timers::Timer;
use crate::client::ClientConfig;
use crate::connection::Chunk;
use crate::frame::Header;
use crate::handshake::{Agreement, Head, PlainRequest, Refusal, Request, RequestError, Response};
use crate::message::Message;

/// Wraps a handler: if one of its callbacks panics, the connection that it was called for is failed with code 1011
/// ([`Context::fail`]), or its request is answered 500, and the loop goes on.
///
/// This is a wrapper, and not what every loop does, for a reason: only the program can know what a panic leaves of the
/// handler's own state, so the program has to ask for it. Without it a panic leaves
/// [`EventLoop::run`](super::EventLoop::run). In a program built with `panic = "abort"` nothing can be caught.
///
/// ```no_run
/// use bowsprit::event_loop::{EventLoop, Isolated};
/// # use bowsprit::event_loop::{ConnId, Context, Handler};
/// # use bowsprit::message::Message;
/// # struct Fragile;
/// # impl Handler for Fragile {
/// #     type Data = ();
/// #     fn on_message(&mut self, _: &mut Context<()>, _: ConnId, _: Message<'_>) {}
/// # }
///
/// # fn main() -> std::io::Result<()> {
/// EventLoop::new()?.run(&mut Isolated(Fragile))
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Isolated<H>(pub H);

impl<H: Handler> Isolated<H> {
    /// Calls the handler. Returns `None` if it panicked.
    #[inline]
    fn guard<R>(
        &mut self,
        cx: &mut Context<H::Data>,
        call: impl FnOnce(&mut H, &mut Context<H::Data>) -> R,
    ) -> Option<R> {
        // Every call on the context is completed before a callback goes on, so a panic leaves the context sound.
        catch_unwind(AssertUnwindSafe(|| call(&mut self.0, cx))).ok()
    }

    #[inline]
    fn or_fail(
        &mut self,
        cx: &mut Context<H::Data>,
        id: ConnId,
        call: impl FnOnce(&mut H, &mut Context<H::Data>),
    ) {
        if self.guard(cx, call).is_none() {
            log::error!("the handler panicked; connection {id} is failed for it");
            cx.fail(id);
        }
    }

    fn or_log(&mut self, cx: &mut Context<H::Data>, call: impl FnOnce(&mut H, &mut Context<H::Data>)) {
        if self.guard(cx, call).is_none() {
            log::error!("the handler panicked outside of any connection");
        }
    }
}

impl<H: Handler> Handler for Isolated<H> {
    type Data = H::Data;

    fn on_request(&mut self, cx: &mut Context<H::Data>, id: ConnId, request: &Request) -> Decision {
        let decision = self.guard(cx, |handler, cx| handler.on_request(cx, id, request));
        decision.unwrap_or_else(|| Decision::Refuse(Refusal::trusted(500)))
    }

    fn on_bad_request(&mut self, cx: &mut Context<H::Data>, id: ConnId, head: &Head, error: RequestError) {
        self.or_fail(cx, id, |handler, cx| handler.on_bad_request(cx, id, head, error));
    }

    fn on_plain(&mut self, cx: &mut Context<H::Data>, id: ConnId, request: &PlainRequest) -> Refusal {
        let refusal = self.guard(cx, |handler, cx| handler.on_plain(cx, id, request));
        refusal.unwrap_or_else(|| Refusal::trusted(500))
    }

    fn on_response(&mut self, cx: &mut Context<H::Data>, id: ConnId, response: &Response) {
        self.or_fail(cx, id, |handler, cx| handler.on_response(cx, id, response));
    }

    fn on_open(&mut self, cx: &mut Context<H::Data>, id: ConnId, agreement: &Agreement) {
        self.or_fail(cx, id, |handler, cx| handler.on_open(cx, id, agreement));
    }

    #[inline]
    fn on_message(&mut self, cx: &mut Context<H::Data>, id: ConnId, message: Message<'_>) {
        self.or_fail(cx, id, |handler, cx| handler.on_message(cx, id, message));
    }

    fn on_frame(&mut self, cx: &mut Context<H::Data>, id: ConnId, header: &Header) {
        self.or_fail(cx, id, |handler, cx| handler.on_frame(cx, id, header));
    }

    fn on_chunk(&mut self, cx: &mut Context<H::Data>, id: ConnId, chunk: Chunk<'_>) {
        self.or_fail(cx, id, |handler, cx| handler.on_chunk(cx, id, chunk));
    }

    fn on_ping(&mut self, cx: &mut Context<H::Data>, id: ConnId, payload: &[u8]) {
        self.or_fail(cx, id, |handler, cx| handler.on_ping(cx, id, payload));
    }

    fn on_pong(&mut self, cx: &mut Context<H::Data>, id: ConnId, payload: &[u8]) {
        self.or_fail(cx, id, |handler, cx| handler.on_pong(cx, id, payload));
    }

    fn on_drained(&mut self, cx: &mut Context<H::Data>, id: ConnId) {
        self.or_fail(cx, id, |handler, cx| handler.on_drained(cx, id));
    }

    fn on_close(&mut self, cx: &mut Context<H::Data>, id: ConnId, ended: &Ended) {
        self.or_fail(cx, id, |handler, cx| handler.on_close(cx, id, ended));
    }

    fn on_failed(&mut self, cx: &mut Context<H::Data>, id: ConnId, failed: &Failed) {
        self.or_fail(cx, id, |handler, cx| handler.on_failed(cx, id, failed));
    }

    fn on_client(&mut self, cx: &mut Context<H::Data>, client: ClientId, event: &ClientEvent<'_>) {
        self.or_log(cx, |handler, cx| handler.on_client(cx, client, event));
    }

    fn on_try(
        &mut self,
        cx: &mut Context<H::Data>,
        client: ClientId,
        attempt: u32,
        config: &mut ClientConfig,
    ) {
        self.or_log(cx, |handler, cx| handler.on_try(cx, client, attempt, config));
    }

    fn on_timer(&mut self, cx: &mut Context<H::Data>, timer: Timer) {
        match timer.connection {
            Some(id) => self.or_fail(cx, id, |handler, cx| handler.on_timer(cx, timer)),
            None => self.or_log(cx, |handler, cx| handler.on_timer(cx, timer)),
        }
    }

    fn on_wake(&mut self, cx: &mut Context<H::Data>) {
        self.or_log(cx, |handler, cx| handler.on_wake(cx));
    }

    fn on_task(&mut self, cx: &mut Context<H::Data>, task: Task<H::Data>) {
        self.or_log(cx, |handler, cx| handler.on_task(cx, task));
    }

    #[cfg(feature = "backplane")]
    fn on_backplane(&mut self, cx: &mut Context<H::Data>, event: &crate::backplane::LinkEvent) {
        self.or_log(cx, |handler, cx| handler.on_backplane(cx, event));
    }

    fn on_error(&mut self, cx: &mut Context<H::Data>, error: &LoopError) {
        self.or_log(cx, |handler, cx| handler.on_error(cx, error));
    }

    fn on_shutdown(&mut self, cx: &mut Context<H::Data>, report: &ShutdownReport) {
        self.or_log(cx, |handler, cx| handler.on_shutdown(cx, report));
    }
}
