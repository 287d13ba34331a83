//! What the server does with connections and messages; each loop has a handler.

use std::hash::{BuildHasher as _, RandomState};

use bowsprit::backplane::LinkEvent;
use bowsprit::close::{CloseReason, OwnedClose};
use bowsprit::event_loop::{
    ConnId, Context, Decision, Ended, Failed, Handler, LoopError, RateExceeded, Replayed, Sent, Timer, To,
};
use bowsprit::handshake::{
    Acceptance, Agreement, Head, OriginError, OriginPolicy, PlainRequest, Refusal, Request, RequestError,
};
use bowsprit::message::Message;
use bowsprit_lab::counted;

use super::args::Args;
use super::attended::{Attended, Running};
use super::backplane::{self, Backplane};
use super::board::{self, Board};
use super::console::Screen;
use super::drain::{CLOSE, Health};
use super::farewell::{Farewell, SharedFarewell};
use super::mode::{Mode, Talk};
use super::since::{self, Teller};
use super::visit::{Record, Visit, short};
use super::{hints, plain};
use crate::deflate::agreed;
use crate::output::{hex, one_line, say, warn};

pub(super) struct Server {
    mode: Mode,
    subprotocols: Vec<String>,
    policy: OriginPolicy,
    talk: Talk,
    /// Where messages are shown in [`Mode::Console`].
    screen: Option<Screen>,
    health: Health,
    /// Whether a slow reader needs only the newest message of each sender.
    latest: bool,
    /// Distinguishes senders of this process from those of others with the same names.
    process: u64,
    /// Whether slow readers are told what they have missed.
    tells_dropped: bool,
    /// How connections are closed at the end.
    close: OwnedClose,
    farewell: SharedFarewell,
    /// Whether messages are kept for clients that come back.
    has_history: bool,
    teller: Teller,
    /// What the page shows about other servers, if there may be any.
    board: Option<Board>,
    /// Whether this loop has the link and reports to the others.
    refreshes: bool,
    /// The loop of this handler, if there are several.
    running: Option<Running>,
}

impl Server {
    /// # Errors
    ///
    /// Returns what is wrong with the command line.
    pub(super) fn new(
        args: &Args,
        screen: Option<Screen>,
        health: Health,
        farewell: SharedFarewell,
        backplane: Option<&Backplane>,
    ) -> Result<Self, String> {
        Ok(Self {
            mode: args.mode.clone(),
            subprotocols: args.subprotocol.clone(),
            policy: args.policy(args.is_loopback())?,
            talk: args.talk(),
            screen,
            health,
            latest: args.server.latest_of_each(),
            process: RandomState::new().hash_one(()),
            tells_dropped: args.server.tells_dropped(),
            close: args.drain.close(),
            farewell,
            has_history: backplane.is_some_and(Backplane::has_history),
            teller: Teller::default(),
            board: backplane.map(|_| Board::default()),
            refreshes: false,
            running: None,
        })
    }

    /// Creates the handler of one of several loops.
    pub(super) fn of_loop(&self, running: Running) -> Self {
        Self {
            mode: self.mode.clone(),
            subprotocols: self.subprotocols.clone(),
            policy: self.policy.clone(),
            talk: self.talk,
            screen: self.screen,
            health: self.health.clone(),
            latest: self.latest,
            process: self.process,
            tells_dropped: self.tells_dropped,
            close: self.close.clone(),
            farewell: self.farewell.clone(),
            has_history: self.has_history,
            teller: Teller::default(),
            board: self.board.clone(),
            refreshes: false,
            running: Some(running),
        }
    }

    fn refuse(&self, error: OriginError, origin: Option<&str>, host: &str) -> Refusal {
        match error {
            _ if self.talk < Talk::Normal => {}
            OriginError::Host => warn("refused for the name in Host", hints::host(&self.policy, host)),
            _ => warn("pages refused", hints::origin(&self.policy, origin.unwrap_or_default())),
        }
        error
            .refusal()
            .with_text(&format!("{error} See --allow-origin and --allow-host in `bowsprit serve --help`."))
    }

    /// Sends a message of `from` to many connections.
    fn publish(&self, cx: &mut Context<Visit>, to: To<'_>, from: ConnId, message: Message<'_>) {
        let key = self.latest.then(|| format!("{:016x} {}", self.process, self.number(from)));
        let to = key.as_deref().map_or(to, |key| to.latest(key));
        let behind = cx.publish(to.everywhere(), message).behind;
        if behind > 0 && self.talk >= Talk::Normal {
            let what = format_args!(
                "a message did not reach {}, too far behind to take it",
                counted(behind, "thread")
            );
            warn("messages lost between threads", what);
        }
    }

    /// Records the client and its request, if that is of interest.
    fn visit<'c>(&self, cx: &'c mut Context<Visit>, id: ConnId, head: &Head) -> Option<&'c mut Record> {
        if self.talk < Talk::Verbose {
            return None;
        }
        let (peer, client) = (cx.peer_addr(id), cx.client_addr(id));
        cx.data(id).map(|visit| visit.begin(peer, client, head))
    }

    /// Returns a name for a connection that is unique among all loops.
    fn number(&self, id: ConnId) -> String {
        match &self.running {
            Some(running) => format!("{}:{id}", running.number),
            None => id.to_string(),
        }
    }

    /// Returns the name of a connection in log lines, which is unique only in its loop.
    fn name(&self, cx: &mut Context<Visit>, id: ConnId) -> String {
        let peer = cx.peer_addr(id).or_else(|| cx.data(id)?.peer());
        let number = self.number(id);
        let client = cx.data(id).and_then(|visit| visit.client());
        match (client, peer) {
            (Some(client), Some(peer)) => format!("{number} {client} by {peer}"),
            (_, Some(peer)) => format!("{number} {peer}"),
            _ => number,
        }
    }

    /// Reports something about a connection.
    fn tell(&self, cx: &mut Context<Visit>, id: ConnId, what: impl FnOnce(&mut Visit) -> Option<String>) {
        if self.talk >= Talk::Verbose
            && let Some(what) = cx.data(id).and_then(what)
        {
            say(format_args!("{} {what}", self.name(cx, id)));
        }
    }

    /// Shows the start of a message.
    fn show(&self, cx: &mut Context<Visit>, id: ConnId, kind: &str, payload: &[u8], is_text: bool) {
        if self.talk < Talk::Messages {
            return;
        }
        let start = &payload[..payload.len().min(1024)];
        let text = short(if is_text { one_line(start) } else { hex(start) });
        self.tell(cx, id, |_| Some(format!("received {kind}, {}: {text}", counted(payload.len(), "byte"))));
    }
}

impl Attended for Server {}

impl Handler for Server {
    type Data = Visit;

    fn on_request(&mut self, cx: &mut Context<Visit>, id: ConnId, request: &Request) -> Decision {
        let record = self.visit(cx, id, request.head());
        if let Err(error) = self.policy.check(request) {
            let refusal = self.refuse(error, request.origin(), request.host());
            if let Some(record) = record {
                record.refused(refusal.body());
            }
            return Decision::Refuse(refusal);
        }
        if self.health.is_closing() {
            let refusal = self.health.too_late();
            if let Some(record) = record {
                record.refused(refusal.body());
            }
            return Decision::Refuse(refusal);
        }
        match since::asked(request.resource(), self.has_history) {
            Ok(None) => {}
            Ok(Some(since)) => {
                if let Some(visit) = cx.data(id) {
                    visit.since = Some(Box::new(since));
                }
            }
            Err(refusal) => {
                if let Some(record) = cx.data(id).and_then(Visit::record) {
                    record.refused(refusal.body());
                }
                return Decision::Refuse(refusal);
            }
        }
        let supported: Vec<&str> = self.subprotocols.iter().map(String::as_str).collect();
        let subprotocol = request.choose_subprotocol(&supported).map(str::to_owned);
        Decision::Accept(Acceptance::default().with_subprotocol(subprotocol))
    }

    fn on_bad_request(&mut self, cx: &mut Context<Visit>, id: ConnId, head: &Head, _: RequestError) {
        self.visit(cx, id, head);
    }

    fn on_plain(&mut self, cx: &mut Context<Visit>, id: ConnId, request: &PlainRequest) -> Refusal {
        // Balancers use any name, and what they learn is not secret.
        if let Some(answer) = self.health.answer(request.method(), request.target()) {
            return answer;
        }
        let record = self.visit(cx, id, request.head());
        // A rebound name must learn nothing, not even that this server exists.
        if let Some(host) = request.host()
            && let Err(error) = self.policy.judge_host(host)
        {
            let refusal = self.refuse(error, None, host);
            if let Some(record) = record {
                record.refused(refusal.body());
            }
            return refusal;
        }
        if let Some(board) = &self.board {
            board.refresh(cx.backplane_stats());
        }
        plain::answer(request.method(), request.target(), &self.mode, self.board.as_ref())
    }

    fn on_open(&mut self, cx: &mut Context<Visit>, id: ConnId, agreement: &Agreement) {
        self.tell(cx, id, |visit| {
            Some(visit.record()?.opened(agreement.subprotocol.as_deref(), &agreed(agreement.deflate())))
        });
        cx.enter(id, since::TOPIC, ""); // where there are other servers, which count with us
        if self.has_history {
            // The connection is open and has no subscription yet, so neither can fail.
            let _ = match cx.data(id).and_then(|visit| visit.since.take()) {
                Some(since) => cx.replay(id, since::TOPIC, *since).is_ok(),
                None => cx.subscribe(id, since::TOPIC).is_ok(),
            };
        }
    }

    fn on_message(&mut self, cx: &mut Context<Visit>, id: ConnId, message: Message<'_>) {
        let payload = message.as_bytes();
        if self.talk >= Talk::Verbose {
            if let Some(record) = cx.data(id).and_then(Visit::record) {
                record.received.count(payload.len());
            }
            let is_text = matches!(message, Message::Text(_));
            self.show(cx, id, if is_text { "text" } else { "binary" }, payload, is_text);
        }
        match &self.mode {
            Mode::Echo => {
                if matches!(cx.send(id, message), Sent::Now | Sent::Queued(_))
                    && let Some(record) = cx.data(id).and_then(Visit::record)
                {
                    record.sent.count(payload.len());
                }
            }
            Mode::Relay | Mode::Broadcast => {
                let to = if self.has_history { To::topic(since::TOPIC) } else { To::all() };
                let to = if self.mode == Mode::Relay { to.except(id) } else { to };
                self.publish(cx, to, id, message);
            }
            #[cfg(unix)]
            Mode::Bridge(_) => {} // whose it is
            Mode::Console => {
                if let Some(screen) = self.screen {
                    screen.show(&self.name(cx, id), message);
                }
            }
        }
    }

    fn on_ping(&mut self, cx: &mut Context<Visit>, id: ConnId, payload: &[u8]) {
        self.show(cx, id, "Ping", payload, false);
    }

    fn on_pong(&mut self, cx: &mut Context<Visit>, id: ConnId, payload: &[u8]) {
        self.show(cx, id, "Pong", payload, false);
    }

    fn on_rate_exceeded(&mut self, cx: &mut Context<Visit>, id: ConnId, exceeded: RateExceeded) {
        if self.talk < Talk::Normal {
            return;
        }
        // The name differs in each line; what repeats is folded.
        let name = self.name(cx, id);
        match exceeded {
            RateExceeded::Dropped(_) => warn(
                "messages dropped for --rate",
                format_args!("{name} sends too fast: a message is dropped"),
            ),
            _ if self.talk >= Talk::Verbose => {
                warn("waits for --rate", format_args!("{name} sends too fast: it has to wait"))
            }
            _ => {}
        }
    }

    fn on_drained(&mut self, cx: &mut Context<Visit>, id: ConnId) {
        let dropped = cx.take_dropped(id);
        if dropped == 0 {
            return;
        }
        self.tell(cx, id, |_| {
            Some(format!(
                "reads again, after {} to it had been dropped or replaced",
                counted(dropped, "message")
            ))
        });
        if self.tells_dropped {
            cx.send(id, Message::Text(&format!("{{\"dropped\":{dropped}}}")));
        }
    }

    fn on_close(&mut self, cx: &mut Context<Visit>, id: ConnId, ended: &Ended) {
        if self.health.is_closing() || cx.is_shutting_down() {
            Farewell::lock(&self.farewell).note(cx.peer_addr(id), ended);
        }
        self.tell(cx, id, |visit| Some(visit.closed(&self.mode, ended)));
    }

    fn on_failed(&mut self, cx: &mut Context<Visit>, id: ConnId, failed: &Failed) {
        self.tell(cx, id, |visit| Some(visit.failed(failed)));
    }

    fn on_replay(&mut self, cx: &mut Context<Visit>, id: ConnId, _: &str, replayed: &Replayed<'_>) {
        self.teller.tell(cx, id, replayed);
    }

    fn on_backplane(&mut self, cx: &mut Context<Visit>, event: &LinkEvent) {
        backplane::tell(event, self.talk);
        let Some(board) = &self.board else { return };
        board.note(event);
        board.refresh(cx.backplane_stats());
        if !self.refreshes && self.running.is_some() {
            self.refreshes = true;
            cx.set_timer_every(board::EVERY, board::REFRESH);
        }
    }

    fn on_error(&mut self, _: &mut Context<Visit>, error: &LoopError) {
        if self.talk >= Talk::Normal {
            match error {
                LoopError::Accept(_) => warn("failures to accept", error),
                _ => warn("failures", error),
            }
        }
    }

    fn on_timer(&mut self, cx: &mut Context<Visit>, timer: Timer) {
        if let (board::REFRESH, Some(board)) = (timer.tag, &self.board) {
            board.refresh(cx.backplane_stats());
        }
        if let (CLOSE, Some(id)) = (timer.tag, timer.connection) {
            let OwnedClose { code, reason } = &self.close;
            cx.close(id, Some(CloseReason { code: *code, reason }));
        }
    }
}
