//! What the server does with connections and messages; one for each loop.

use bowsprit::event_loop::{ConnId, Context, Decision, Ended, Failed, Handler, LoopError, ShutdownReport};
use bowsprit::handshake::{Acceptance, Agreement, OriginError, OriginPolicy, PlainRequest, Refusal, Request};
use bowsprit::message::Message;

use super::farewell::{Farewell, SharedFarewell};
use super::run::Running;
use super::{Args, Mode, Talk, plain};
use crate::deflate::agreed;
use crate::output::{one_line, say};

pub(super) struct Server {
    mode: Mode,
    subprotocols: Vec<String>,
    policy: OriginPolicy,
    talk: Talk,
    farewell: SharedFarewell,
    /// The loop that it is for, where there are several.
    running: Option<Running>,
}

impl Server {
    /// # Errors
    ///
    /// What is wrong with the command line.
    pub(super) fn new(args: &Args, farewell: SharedFarewell) -> Result<Self, String> {
        let mut policy = if args.any_origin {
            OriginPolicy::any()
        } else if args.is_loopback() {
            OriginPolicy::loopback()
        } else {
            OriginPolicy::same_origin()
        };
        for origin in &args.allow_origin {
            policy = policy.allow_origin(origin).map_err(|_| {
                format!("--allow-origin {origin}: use an origin such as https://example.com, or null")
            })?;
        }
        for name in &args.allow_host {
            policy = policy.allow_host(name).map_err(|_| {
                format!("--allow-host {name}: use a name such as example.com, without a port")
            })?;
        }
        Ok(Self {
            mode: args.mode,
            subprotocols: args.subprotocol.clone(),
            policy,
            talk: args.talk(),
            farewell,
            running: None,
        })
    }

    /// The same for one of several loops.
    pub(super) fn of_loop(&self, running: Running) -> Self {
        Self {
            mode: self.mode,
            subprotocols: self.subprotocols.clone(),
            policy: self.policy.clone(),
            talk: self.talk,
            farewell: self.farewell.clone(),
            running: Some(running),
        }
    }

    fn refuse(&self, error: OriginError, origin: Option<&str>, host: &str) -> Refusal {
        let (origin, host) = (one_line(origin.unwrap_or_default().as_bytes()), one_line(host.as_bytes()));
        match error {
            _ if self.talk < Talk::Normal => {}
            OriginError::Host => say(format_args!(
                "refused a browser that calls this server {host}; start with --allow-host NAME if that is its name"
            )),
            _ => say(format_args!(
                "refused a page of {origin}; start with --allow-origin {origin} if it may connect"
            )),
        }
        error
            .refusal()
            .with_text(&format!("{error} See --allow-origin and --allow-host in `bowsprit serve --help`."))
    }

    /// Tells of a connection, which has a name of its own in its loop only.
    fn tell(&self, id: ConnId, what: std::fmt::Arguments<'_>) {
        match &self.running {
            _ if self.talk < Talk::Verbose => {}
            None => say(format_args!("{id} {what}")),
            Some(running) => say(format_args!("{}:{id} {what}", running.number)),
        }
    }
}

impl Handler for Server {
    type Data = ();

    fn on_request(&mut self, _: &mut Context<()>, _: ConnId, request: &Request) -> Decision {
        if let Err(error) = self.policy.check(request) {
            return Decision::Refuse(self.refuse(error, request.origin(), request.host()));
        }
        let supported: Vec<&str> = self.subprotocols.iter().map(String::as_str).collect();
        let subprotocol = request.choose_subprotocol(&supported).map(str::to_owned);
        Decision::Accept(Acceptance { subprotocol, ..Acceptance::default() })
    }

    fn on_plain(&mut self, _: &mut Context<()>, _: ConnId, request: &PlainRequest) -> Refusal {
        // A rebound name is to learn nothing, not even that this server is here.
        if let Some(host) = request.host()
            && let Err(error) = self.policy.judge_host(host)
        {
            return self.refuse(error, None, host);
        }
        plain::answer(request.method(), request.target(), self.mode)
    }

    fn on_open(&mut self, _: &mut Context<()>, id: ConnId, agreement: &Agreement) {
        if self.talk >= Talk::Verbose {
            let subprotocol = agreement.subprotocol.as_deref().unwrap_or("none");
            let compression = agreed(agreement.deflate());
            self.tell(id, format_args!("opened, subprotocol {subprotocol}, {compression}"));
        }
    }

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        match (self.mode, &self.running) {
            (Mode::Echo, _) => {
                cx.send(id, message);
            }
            (Mode::Relay, None) => {
                cx.broadcast_others(message, id);
            }
            (Mode::Broadcast, None) => {
                cx.broadcast(message);
            }
            (Mode::Relay, Some(_)) => {
                cx.broadcast_everywhere_others(message, id);
            }
            (Mode::Broadcast, Some(_)) => {
                cx.broadcast_everywhere(message);
            }
        }
    }

    fn on_close(&mut self, cx: &mut Context<()>, id: ConnId, ended: &Ended) {
        if cx.is_shutting_down() {
            Farewell::lock(&self.farewell).note(cx.peer_address(id), ended);
        }
        if self.talk >= Talk::Verbose {
            let reason = one_line(ended.outcome.reason().as_bytes());
            self.tell(id, format_args!("closed, {} {reason} ({:?})", ended.outcome.code(), ended.cause));
        }
    }

    fn on_failed(&mut self, _: &mut Context<()>, id: ConnId, failed: &Failed) {
        self.tell(id, format_args!("did not open: {failed:?}"));
    }

    fn on_error(&mut self, _: &mut Context<()>, error: &LoopError) {
        if self.talk >= Talk::Normal {
            say(error);
        }
    }

    fn on_shutdown(&mut self, _: &mut Context<()>, report: &ShutdownReport) {
        Farewell::lock(&self.farewell).closed += report.closed;
    }
}
