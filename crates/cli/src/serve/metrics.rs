//! Counters for Prometheus, at an address of their own, so that scrapers use up no connections and do not count
//! themselves.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use bowsprit::event_loop::{ConnId, Context, Decision, Engine, Handler, Settings, Stats};
use bowsprit::handshake::{OriginPolicy, PlainRequest, Refusal, Request};
use bowsprit::message::Message;
use mio::Registry;
use mio::event::Event;

use super::drain::Health;
use super::hints;
use super::plain::{path_of, status, with};
use crate::driver::OTHERS;
use crate::output::warn;

/// A small server beside the one that it reports on.
pub(super) struct Metrics {
    engine: Engine<()>,
    answers: Answers,
}

struct Answers {
    stats: Stats,
    /// The names under which the counters are served: a foreign page must not read them by a name that it has made
    /// resolve to this machine (DNS rebinding).
    policy: OriginPolicy,
    health: Health,
}

impl Metrics {
    /// Listens, and returns the address, whose port is then known.
    pub(super) fn listen(
        registry: &Registry,
        address: SocketAddr,
        policy: OriginPolicy,
        health: Health,
    ) -> io::Result<(Self, SocketAddr)> {
        let mut settings = Settings::default();
        settings.max_connections = 64;
        settings.receive_buffer = settings.head.max_bytes;
        let mut engine = Engine::new(settings, registry, OTHERS)?;
        let address = engine.listen(address)?;
        Ok((Self { engine, answers: Answers { stats: Stats::default(), policy, health } }, address))
    }

    /// Handles an event; `stats` returns the counters.
    pub(super) fn handle(&mut self, event: &Event, stats: impl FnOnce() -> Stats) {
        self.answers.stats = stats();
        self.engine.handle(event, &mut self.answers);
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.engine.next_deadline()
    }

    /// Called at the end of each turn.
    pub(super) fn on_time(&mut self, now: Instant) {
        self.engine.on_time(now, &mut self.answers);
    }
}

impl Handler for Answers {
    type Data = ();

    fn on_request(&mut self, _: &mut Context<()>, _: ConnId, _: &Request) -> Decision {
        Decision::Refuse(status(404))
    }

    fn on_plain(&mut self, _: &mut Context<()>, _: ConnId, request: &PlainRequest) -> Refusal {
        if let Some(answer) = self.health.answer(request.method(), request.target()) {
            return answer;
        }
        if let Some(host) = request.host()
            && let Err(error) = self.policy.judge_host(host)
        {
            warn("refused for the name in Host", hints::host(&self.policy, host));
            return error.refusal();
        }
        match (request.method(), path_of(request.target())) {
            ("GET" | "HEAD", "/metrics") => Refusal::new(200)
                .and_then(|answer| answer.with_body("text/plain; version=0.0.4", self.stats.to_prometheus()))
                .unwrap_or_else(|_| status(500)),
            ("GET" | "HEAD", _) => status(404),
            _ => with(status(405), "Allow", "GET, HEAD"),
        }
    }

    fn on_message(&mut self, _: &mut Context<()>, _: ConnId, _: Message<'_>) {}
}
