//! `--mode tcp:…`, `unix:…` and `exec:…`: each WebSocket gets a far end of its own, a connection or a command, and
//! bytes are passed both ways.
//!
//! A slow side slows down the other: while much waits for the far end, nothing is read from the WebSocket, and vice
//! versa. Ends are passed on as far as a WebSocket can express them: the end of the far end's output is a Close frame
//! with 1000 (for a command with its exit code, and 1011 unless that is 0), and a Close frame, or the loss of the
//! WebSocket, ends the far end's input; what the far end still sends then is not read.

mod far;
mod framing;
mod target;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bowsprit::close::{CloseCode, CloseReason};
use bowsprit::event_loop::{
    ConnId, Context, Decision, Ended, Failed, Handler, LoopError, Sent, Timer, TimerId,
};
use bowsprit::handshake::{Acceptance, Agreement, Head, PlainRequest, Request, RequestError};
use bowsprit::message::Message;
use mio::event::Event;
use mio::{Registry, Token};
use slab::Slab;

use super::attended::Attended;
use super::handler::Server;
use super::plain::status;
use super::visit::Visit;
use crate::driver::FARS;
use crate::output::{one_line, warn};
use far::{Far, ReadOutcome};
pub(super) use framing::Framing;
use framing::{Lines, MAX_LINE};
pub(super) use target::Target;

/// How many bytes may wait in either direction before their producer has to wait.
const ENOUGH: usize = 256 << 10;
/// How often one far end is read before others get their turn.
const READS: usize = 8;

pub(super) struct Bridge {
    server: Server,
    target: Target,
    framing: Framing,
    registry: Registry,
    links: Slab<BridgeLink>,
    /// The links of WebSockets that are open.
    of: HashMap<ConnId, usize>,
    /// Links from which there may be more to read.
    ready: Vec<usize>,
    buffer: Vec<u8>,
    /// Set when a command has ended.
    ended: Arc<AtomicBool>,
    /// How long a far end may continue when nobody listens to it any more.
    grace: Duration,
}

/// A WebSocket and its far end.
struct BridgeLink {
    /// The WebSocket; `None` once it is over.
    socket: Option<ConnId>,
    far: Far,
    lines: Lines,
    /// The answer to the request once the far end is reached.
    acceptance: Option<Acceptance>,
    is_open: bool,
    /// Whether reading from the WebSocket is paused, because much waits for the far end.
    is_paused: bool,
    /// Whether the link is in [`Bridge::ready`].
    is_listed: bool,
    timer: Option<TimerId>,
}

impl Bridge {
    pub(super) fn new(
        server: Server,
        target: Target,
        framing: Option<Framing>,
        registry: Registry,
        ended: Arc<AtomicBool>,
        grace: Duration,
    ) -> Self {
        Self {
            framing: framing.unwrap_or(target.usual_framing()),
            server,
            target,
            registry,
            links: Slab::new(),
            of: HashMap::new(),
            ready: Vec::new(),
            buffer: vec![0; 64 << 10],
            ended,
            grace,
        }
    }

    /// Connects to the far end of an accepted WebSocket.
    fn reach(
        &mut self,
        cx: &Context<Visit>,
        id: ConnId,
        request: &Request,
        acceptance: Acceptance,
    ) -> Decision {
        let entry = self.links.vacant_entry();
        let token = FARS.start + 2 * entry.key();
        if token + 1 >= FARS.end {
            return Decision::Refuse(status(503));
        }
        let (peer, subprotocol) = (cx.peer_addr(id), acceptance.subprotocol.as_deref());
        match Far::reach(&self.target, request, peer, subprotocol, &self.registry, Token(token)) {
            Ok(far) => {
                let is_there = far.is_there();
                self.of.insert(id, entry.key());
                entry.insert(BridgeLink {
                    socket: Some(id),
                    far,
                    lines: Lines::default(),
                    acceptance: (!is_there).then(|| acceptance.clone()),
                    is_open: false,
                    is_paused: false,
                    is_listed: false,
                    timer: None,
                });
                if is_there { Decision::Accept(acceptance) } else { Decision::Later }
            }
            Err(error) => {
                self.unreachable(&error);
                Decision::Refuse(status(502))
            }
        }
    }

    fn unreachable(&self, error: &io::Error) {
        let target = one_line(self.target.to_string().as_bytes());
        warn("far ends not reached", format_args!("cannot reach {target}: {error}"));
    }

    /// Notes that there may be something to read.
    fn list(&mut self, slot: usize) {
        if let Some(link) = self.links.get_mut(slot)
            && !std::mem::replace(&mut link.is_listed, true)
        {
            self.ready.push(slot);
        }
    }

    /// Accepts the WebSocket if the far end is reached, or refuses it if it cannot be.
    fn reached(&mut self, cx: &mut Context<Visit>, slot: usize) {
        let Some(link) = self.links.get_mut(slot) else { return };
        let (Some(acceptance), Some(id)) = (&link.acceptance, link.socket) else { return };
        match link.far.connected(&self.registry) {
            Ok(false) => {}
            Ok(true) => {
                // The client may have gone meanwhile, which is reported separately.
                let _ = cx.accept(id, acceptance);
                link.acceptance = None;
            }
            Err(error) => {
                self.of.remove(&id);
                self.links.remove(slot).far.drop_from(&self.registry);
                self.unreachable(&error);
                let _ = cx.refuse(id, status(502)); // as above
            }
        }
    }

    /// Passes on what the far end has sent, as long as the WebSocket accepts it.
    fn pump(&mut self, cx: &mut Context<Visit>, slot: usize) {
        let Some(link) = self.links.get_mut(slot) else { return };
        if link.acceptance.is_some() || (link.socket.is_some() && !link.is_open) {
            return;
        }
        for _ in 0..READS {
            if link.socket.is_some_and(|id| cx.queued(id) > ENOUGH) {
                return self.list(slot);
            }
            match link.far.read(&mut self.buffer) {
                ReadOutcome::Bytes(len) => {
                    let Some(id) = link.socket else { continue };
                    let bytes = &self.buffer[..len];
                    let sent = match self.framing {
                        Framing::Bytes => cx.send_binary(id, bytes) != Sent::Closed,
                        Framing::Lines => link.lines.push(bytes, |line| send_line(cx, id, line)).is_ok(),
                    };
                    if !sent && link.lines.is_too_long() {
                        let reason = format!("a line is longer than {MAX_LINE} bytes");
                        cx.close(id, Some(CloseReason { code: CloseCode::INTERNAL_ERROR, reason: &reason }));
                        link.far.stop_reading();
                    }
                }
                ReadOutcome::Nothing => return self.end_if_over(cx, slot),
                ReadOutcome::End => {
                    if let Some(id) = link.socket {
                        link.lines.rest(|line| send_line(cx, id, line));
                    }
                    return self.end_if_over(cx, slot);
                }
            }
        }
        self.list(slot);
    }

    /// Closes the WebSocket once the far end has ended, and forgets the link once both have.
    fn end_if_over(&mut self, cx: &mut Context<Visit>, slot: usize) {
        let Some(link) = self.links.get_mut(slot) else { return };
        let Some(end) = link.far.end() else { return };
        match link.socket {
            // What the client still sends before it closes is passed on, too.
            Some(id) => {
                let (code, reason) = end.close();
                cx.close(id, Some(CloseReason { code, reason: &reason }));
            }
            None => {
                if let Some(timer) = link.timer {
                    cx.cancel_timer(timer);
                }
                self.links.remove(slot).far.drop_from(&self.registry);
            }
        }
    }

    /// Writes what waits for the far end, and resumes the WebSocket once little is left.
    fn flush(&mut self, cx: &mut Context<Visit>, slot: usize) {
        let Some(link) = self.links.get_mut(slot) else { return };
        link.far.flush(&self.registry);
        let Some(id) = link.socket else { return };
        let waits = link.far.waiting() > ENOUGH;
        if waits != link.is_paused {
            link.is_paused = waits;
            if waits { cx.pause(id) } else { cx.resume(id) }
        }
    }

    /// Ends the far end's input, because the WebSocket is over.
    fn leave(&mut self, cx: &mut Context<Visit>, id: ConnId) {
        let Some(slot) = self.of.remove(&id) else { return };
        let link = &mut self.links[slot];
        link.socket = None;
        if link.acceptance.is_some() {
            return self.links.remove(slot).far.drop_from(&self.registry);
        }
        link.far.finish();
        link.far.flush(&self.registry);
        link.timer = Some(cx.set_timer(self.grace, 0));
        self.list(slot);
    }

    /// Handles commands that have ended.
    fn reap(&mut self, cx: &mut Context<Visit>) {
        if !self.ended.swap(false, Ordering::SeqCst) {
            return;
        }
        let ended = self.links.iter_mut().filter_map(|(slot, link)| link.far.reap().then_some(slot));
        for slot in ended.collect::<Vec<_>>() {
            // Its last output may still be in the pipe.
            self.pump(cx, slot);
        }
    }
}

impl Attended for Bridge {
    fn on_event(&mut self, cx: &mut Context<Visit>, event: &Event) {
        let slot = (event.token().0 - FARS.start) / 2;
        let Some(link) = self.links.get_mut(slot) else { return };
        link.far.note(event);
        self.reached(cx, slot);
        self.flush(cx, slot);
        self.list(slot);
    }

    fn on_turn(&mut self, cx: &mut Context<Visit>) {
        self.reap(cx);
        for slot in std::mem::take(&mut self.ready) {
            if let Some(link) = self.links.get_mut(slot) {
                link.is_listed = false;
                self.pump(cx, slot);
            }
        }
    }

    fn is_busy(&self, cx: &Context<Visit>) -> bool {
        self.ready.iter().filter_map(|&slot| self.links.get(slot)).any(|link| {
            // A link whose WebSocket has to be read first is checked in each turn, and that reading is an event.
            link.socket.is_none_or(|id| cx.queued(id) <= ENOUGH)
        })
    }

    /// When the server ends, commands get the same time to end as when their client leaves.
    fn is_done(&self) -> bool {
        self.links.is_empty()
    }
}

/// Sends a line as text, or as binary if it is not UTF-8.
fn send_line(cx: &mut Context<Visit>, id: ConnId, line: &[u8]) {
    match std::str::from_utf8(line) {
        Ok(text) => cx.send_text(id, text),
        Err(_) => cx.send_binary(id, line),
    };
}

impl Handler for Bridge {
    type Data = Visit;

    fn on_request(&mut self, cx: &mut Context<Visit>, id: ConnId, request: &Request) -> Decision {
        match self.server.on_request(cx, id, request) {
            Decision::Accept(acceptance) => self.reach(cx, id, request, acceptance),
            other => other,
        }
    }

    fn on_bad_request(&mut self, cx: &mut Context<Visit>, id: ConnId, head: &Head, error: RequestError) {
        self.server.on_bad_request(cx, id, head, error);
    }

    fn on_plain(
        &mut self,
        cx: &mut Context<Visit>,
        id: ConnId,
        request: &PlainRequest,
    ) -> bowsprit::handshake::Refusal {
        self.server.on_plain(cx, id, request)
    }

    fn on_open(&mut self, cx: &mut Context<Visit>, id: ConnId, agreement: &Agreement) {
        self.server.on_open(cx, id, agreement);
        if let Some(&slot) = self.of.get(&id) {
            self.links[slot].is_open = true;
            self.list(slot);
        }
    }

    fn on_message(&mut self, cx: &mut Context<Visit>, id: ConnId, message: Message<'_>) {
        self.server.on_message(cx, id, message);
        let Some(&slot) = self.of.get(&id) else { return };
        let far = &mut self.links[slot].far;
        far.push(message.as_bytes());
        if self.framing == Framing::Lines {
            far.push(b"\n");
        }
        self.flush(cx, slot);
    }

    fn on_ping(&mut self, cx: &mut Context<Visit>, id: ConnId, payload: &[u8]) {
        self.server.on_ping(cx, id, payload);
    }

    fn on_pong(&mut self, cx: &mut Context<Visit>, id: ConnId, payload: &[u8]) {
        self.server.on_pong(cx, id, payload);
    }

    fn on_close(&mut self, cx: &mut Context<Visit>, id: ConnId, ended: &Ended) {
        self.server.on_close(cx, id, ended);
        self.leave(cx, id);
    }

    fn on_failed(&mut self, cx: &mut Context<Visit>, id: ConnId, failed: &Failed) {
        self.server.on_failed(cx, id, failed);
        self.leave(cx, id);
    }

    fn on_error(&mut self, cx: &mut Context<Visit>, error: &LoopError) {
        self.server.on_error(cx, error);
    }

    fn on_timer(&mut self, cx: &mut Context<Visit>, timer: Timer) {
        let of = self.links.iter().find(|(_, link)| link.timer == Some(timer.id)).map(|(slot, _)| slot);
        let Some(slot) = of else { return self.server.on_timer(cx, timer) };
        // It is asked to end first, and forced later.
        if self.links[slot].far.end_now() {
            self.links[slot].timer = Some(cx.set_timer(self.grace, 0));
        } else {
            self.links.remove(slot).far.drop_from(&self.registry);
        }
    }
}
