//! The transitions of a [`Connector`]: what each input does in each state.

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::time::Instant;

use super::state::State;
use super::{Action, Address, Attempt, Connector, EXCERPT, EXCERPT_WAIT, Input, Lookup};
#[cfg(feature = "http2")]
use crate::client::config::Http;
use crate::client::error::{ConnectError, Redirected};
use crate::client::proxy::{ProxyError, Tunnel};
use crate::client::race::Race;
use crate::client::resolve::literal;
use crate::client::target::Target;
use crate::entropy::Entropy;
use crate::handshake::{ClientHandshake, Progress, RefusedResponse, ResponseError};

impl Connector {
    /// Handles what has happened. Deadlines are checked only for [`Input::Time`]: what has arrived late has still
    /// arrived.
    pub fn handle(&mut self, input: Input<'_>, now: Instant) {
        use Input::{Connected, Ended, Failed, Received, Resolved, Secured};
        self.state = match (mem::replace(&mut self.state, State::Over), input) {
            (State::LookupServer, Resolved(lookup, answer)) if self.awaits(lookup) => {
                self.server_resolved(answer, now)
            }
            (State::Lookup { tunnel }, Resolved(lookup, answer)) if self.awaits(lookup) => {
                self.resolved(answer, tunnel, now)
            }
            (State::Race { tunnel, .. }, Connected(attempt)) if self.running.contains(&attempt) => {
                self.won(attempt, tunnel, now)
            }
            (State::Race { race, tunnel, .. }, Failed(attempt, error)) if self.running.contains(&attempt) => {
                self.running.retain(|running| *running != attempt);
                self.lost(race, tunnel, error, now)
            }
            (State::Race { race, tunnel, last }, Input::Time) if !self.is_late(now) => {
                self.start_due(race, tunnel, last, now)
            }
            (State::Tunnel(tunnel), Received(bytes)) => self.tunneled(tunnel, bytes, now),
            (State::Tunnel(_), Ended) => self.fail(ProxyError::Closed.into()),
            (State::Tls, Secured) => self.request_upgrade(),
            // The server sends before it has the request, inside TLS; the handshake judges what it sends.
            (State::Tls, Received(bytes)) => match self.request_upgrade() {
                State::Response(handshake) => self.answered(handshake, bytes, now),
                state => state,
            },
            (State::Tls, Ended) => self.fail(ConnectError::Io(io::ErrorKind::UnexpectedEof.into())),
            (State::Response(handshake), Received(bytes)) => self.answered(handshake, bytes, now),
            (State::Response(mut handshake), Ended) => {
                self.fail(ConnectError::Response(handshake.receive_eof()))
            }
            (State::Refusal { mut handshake, until }, Received(bytes)) => match handshake.receive(bytes) {
                Ok(_) => State::Refusal { handshake, until },
                Err(error) => self.refused(error, now),
            },
            (State::Refusal { mut handshake, .. }, Ended) => self.refused(handshake.receive_eof(), now),
            (State::Refusal { mut handshake, .. }, Failed(attempt, _)) if self.standing == Some(attempt) => {
                self.standing = None;
                self.refused(handshake.give_up(), now)
            }
            (State::Refusal { mut handshake, until }, Input::Time)
                if until.is_some_and(|until| until <= now) || self.is_late(now) =>
            {
                self.refused(handshake.give_up(), now)
            }
            #[cfg(feature = "http2")]
            (State::Tls | State::Response(_), Failed(attempt, error))
                if self.standing == Some(attempt) && self.goes_back(&error) =>
            {
                self.drop_all();
                self.config.http = Http::Http1;
                self.handshake_until = None;
                self.begin(now)
            }
            (State::Tunnel(_) | State::Tls | State::Response(_), Failed(attempt, error))
                if self.standing == Some(attempt) =>
            {
                self.standing = None;
                self.fail(ConnectError::of_connection(error))
            }
            (
                state @ (State::LookupServer
                | State::Lookup { .. }
                | State::Race { .. }
                | State::Tunnel(_)
                | State::Tls
                | State::Response(_)),
                Input::Time,
            ) if self.is_late(now) => self.fail(ConnectError::Timeout(state.phase())),
            // From an earlier lookup, from a dropped attempt, too early or too late: it changes nothing.
            (
                state @ (State::LookupServer
                | State::Lookup { .. }
                | State::Race { .. }
                | State::Tunnel(_)
                | State::Tls
                | State::Response(_)
                | State::Refusal { .. }
                | State::Over),
                Resolved(..) | Connected(_) | Failed(..) | Secured | Received(_) | Ended | Input::Time,
            ) => state,
        };
    }

    /// Begins to connect to the current target.
    pub(super) fn begin(&mut self, now: Instant) -> State {
        if self.config.target.is_secure() && !self.config.has_tls() {
            return self.fail(ConnectError::NoTls);
        }
        let (host, port) = match &self.config.target {
            Target::Host(url) => (url.host().to_owned(), url.port()),
            Target::Unix(unix) => {
                let address = Address::Unix(unix.path().to_owned());
                self.dial(address);
                return State::Race {
                    race: Race::new([], self.config.attempt_delay),
                    tunnel: None,
                    last: None,
                };
            }
        };
        match self.config.proxies.proxy_for(&self.config.target) {
            Err(error) => self.fail(error.into()),
            Ok(None) => self.look_up(&host, port, State::Lookup { tunnel: None }, now),
            Ok(Some(proxy)) if proxy.wants_address() => self.look_up(&host, port, State::LookupServer, now),
            Ok(Some(proxy)) => {
                let (name, port) = (proxy.host().to_owned(), proxy.port());
                self.look_up(&name, port, State::Lookup { tunnel: Some(host) }, now)
            }
        }
    }

    /// Asks for addresses, unless they are known; `state` is what waits for them.
    fn look_up(&mut self, host: &str, port: u16, state: State, now: Instant) -> State {
        if let Some(addresses) = literal(host, port) {
            return match state {
                State::LookupServer => self.server_resolved(Ok(addresses), now),
                State::Lookup { tunnel } => self.resolved(Ok(addresses), tunnel, now),
                state => state,
            };
        }
        self.lookups += 1;
        self.actions.push_back(Action::Resolve(Lookup(self.lookups), host.to_owned(), port));
        state
    }

    fn awaits(&self, lookup: Lookup) -> bool {
        lookup.0 == self.lookups
    }

    /// Takes the server's addresses, and looks up those of its proxy.
    fn server_resolved(&mut self, answer: Result<Vec<SocketAddr>, ConnectError>, now: Instant) -> State {
        let address = match answer.map(|addresses| addresses.first().copied()) {
            Ok(Some(address)) => address.ip().to_string(),
            Ok(None) => return self.fail(ConnectError::NoAddress),
            Err(error) => return self.fail(error),
        };
        match self.config.proxies.proxy_for(&self.config.target) {
            Ok(Some(proxy)) => {
                let (host, port) = (proxy.host().to_owned(), proxy.port());
                self.look_up(&host, port, State::Lookup { tunnel: Some(address) }, now)
            }
            Ok(None) => self.fail(ConnectError::NoAddress), // there was one when the lookup began
            Err(error) => self.fail(error.into()),
        }
    }

    fn resolved(
        &mut self,
        answer: Result<Vec<SocketAddr>, ConnectError>,
        tunnel: Option<String>,
        now: Instant,
    ) -> State {
        match answer {
            Ok(addresses) if addresses.is_empty() => self.fail(ConnectError::NoAddress),
            Ok(addresses) => {
                let race = Race::new(addresses, self.config.attempt_delay);
                self.start_due(race, tunnel, None, now)
            }
            Err(error) => self.fail(error),
        }
    }

    /// Starts the attempts that are due.
    fn start_due(
        &mut self,
        mut race: Race,
        tunnel: Option<String>,
        last: Option<io::Error>,
        now: Instant,
    ) -> State {
        while let Some(address) = race.start(now) {
            self.dial(Address::Tcp(address));
        }
        State::Race { race, tunnel, last }
    }

    fn dial(&mut self, address: Address) {
        let attempt = self.new_attempt();
        self.running.push(attempt);
        self.actions.push_back(Action::Dial(attempt, address));
    }

    pub(super) fn new_attempt(&mut self) -> Attempt {
        self.attempts += 1;
        Attempt(self.attempts)
    }

    /// Handles a failed attempt: the next one need not wait for its turn.
    fn lost(&mut self, mut race: Race, tunnel: Option<String>, error: io::Error, now: Instant) -> State {
        race.failed();
        match self.start_due(race, tunnel, Some(error), now) {
            State::Race { race, last: Some(error), .. } if race.is_lost() => {
                self.fail(ConnectError::Connect(error))
            }
            state => state,
        }
    }

    /// Handles the first attempt that connects, to the server or to the proxy.
    fn won(&mut self, attempt: Attempt, tunnel: Option<String>, now: Instant) -> State {
        self.standing = Some(attempt);
        for loser in mem::take(&mut self.running) {
            if loser != attempt {
                self.actions.push_back(Action::Drop(loser));
            }
        }
        let Some(host) = tunnel else { return self.arrived(now) };
        let port = self.config.target.host_port().map_or(0, |(_, port)| port);
        let proxy = self.config.proxies.proxy_for(&self.config.target);
        let tunnel = proxy.and_then(|proxy| proxy.map(|proxy| proxy.tunnel(&host, port)).transpose());
        match tunnel {
            Ok(Some(mut tunnel)) => {
                self.say(&mut tunnel);
                State::Tunnel(tunnel)
            }
            Ok(None) => self.arrived(now),
            Err(error) => self.fail(error.into()),
        }
    }

    /// Handles bytes of the proxy.
    fn tunneled(&mut self, mut tunnel: Tunnel, bytes: &[u8], now: Instant) -> State {
        match tunnel.receive(bytes) {
            Ok(false) => {
                self.say(&mut tunnel);
                State::Tunnel(tunnel)
            }
            Ok(true) => self.arrived(now),
            Err(error) => self.fail(error.into()),
        }
    }

    fn say(&mut self, tunnel: &mut Tunnel) {
        let bytes = tunnel.pending().to_vec();
        tunnel.advance(bytes.len());
        if !bytes.is_empty() {
            self.actions.push_back(Action::Write(bytes));
        }
    }

    /// Continues once the way to the server is open: TLS, if the URL asks for it, and the WebSocket handshake.
    fn arrived(&mut self, now: Instant) -> State {
        self.handshake_until = now.checked_add(self.config.handshake_timeout);
        if self.config.target.is_secure() {
            self.actions.push_back(Action::StartTls);
            return State::Tls;
        }
        if self.config.has_prior_knowledge() {
            self.actions.push_back(Action::StartHttp2);
        }
        self.request_upgrade()
    }

    /// Sends the request.
    pub(super) fn request_upgrade(&mut self) -> State {
        let request = self.config.request.clone();
        let nonce = match (self.config.masks)().nonce() {
            Ok(nonce) => nonce,
            Err(error) => return self.fail(ConnectError::Entropy(error)),
        };
        let handshake = ClientHandshake::offering(request, self.config.connection.deflate, nonce)
            .with_head_limits(self.config.head_limits)
            .with_max_refusal_body(EXCERPT);
        self.actions.push_back(Action::Write(handshake.request().to_vec()));
        State::Response(handshake)
    }

    /// Handles bytes of the server in answer to the request.
    fn answered(&mut self, mut handshake: ClientHandshake, bytes: &[u8], now: Instant) -> State {
        match handshake.receive(bytes) {
            Ok(Progress::Done { value, used }) => {
                self.standing = None;
                self.actions.push_back(Action::Open { response: Box::new(value), used });
                State::Over
            }
            Ok(Progress::NeedMore) => match handshake.refusal().map(|response| self.redirect(response)) {
                None => State::Response(handshake),
                // The body of a redirect is only for those who do not follow it.
                Some(Ok(Some(target))) => self.follow(target, now),
                Some(Ok(None)) => State::Refusal { handshake, until: now.checked_add(EXCERPT_WAIT) },
                Some(Err(error)) => self.fail(error),
            },
            Err(error) => self.refused(error, now),
        }
    }

    /// Handles a failed handshake: the server refuses, or there is another reason.
    fn refused(&mut self, error: ResponseError, now: Instant) -> State {
        let ResponseError::Refused(response) = &error else {
            return self.fail(ConnectError::Response(error));
        };
        match self.redirect(response) {
            Ok(Some(target)) => self.follow(target, now),
            Ok(None) => self.fail(ConnectError::Response(error)),
            Err(error) => self.fail(error),
        }
    }

    /// Returns where a refusal redirects to, if it does.
    fn redirect(&self, response: &RefusedResponse) -> Result<Option<Target>, ConnectError> {
        let before = u32::try_from(self.via.len()).unwrap_or(u32::MAX);
        let target = self.config.redirects.follow(&self.config.target, response, before);
        target.map_err(ConnectError::Redirect)
    }

    /// Follows a redirect. The deadline of the handshake with the old server no longer applies.
    fn follow(&mut self, target: Target, now: Instant) -> State {
        self.drop_all();
        let before = self.config.target.clone();
        match self.config.clone().retarget(target) {
            Ok(config) => {
                self.config = config;
                self.via.push(before);
                self.handshake_until = None;
                self.begin(now)
            }
            Err(error) => self.fail(error.into()),
        }
    }

    /// Returns whether HTTP/1.1 may be tried after HTTP/2 has failed like this.
    #[cfg(feature = "http2")]
    fn goes_back(&self, error: &io::Error) -> bool {
        use crate::http2::{ErrorCode, Http2Failure, http2_failure};
        let wants_http1 = matches!(
            http2_failure(error),
            Some(Http2Failure::NotAllowed | Http2Failure::Reset(ErrorCode::HTTP_1_1_REQUIRED))
        );
        wants_http1 && self.config.http == Http::Auto
    }

    fn is_late(&self, now: Instant) -> bool {
        let until = [self.until, self.handshake_until].into_iter().flatten().min();
        until.is_some_and(|until| until <= now)
    }

    fn drop_all(&mut self) {
        let left = mem::take(&mut self.running).into_iter().chain(self.standing.take());
        self.actions.extend(left.map(Action::Drop));
    }

    fn fail(&mut self, error: ConnectError) -> State {
        self.drop_all();
        let error = match self.via.is_empty() {
            true => error,
            false => ConnectError::Redirected(Box::new(Redirected {
                target: self.config.target.clone(),
                via: mem::take(&mut self.via),
                error,
            })),
        };
        self.actions.push_back(Action::Failed(error));
        State::Over
    }
}
