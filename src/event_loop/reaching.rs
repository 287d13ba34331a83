//! The part of an engine that reaches servers for its clients.
//!
//! Each attempt of a race is a connection like any other, in a stage of its own; the first that stands goes on through
//! the proxy and TLS to the handshake, and the others are dropped.

use std::io::{self, ErrorKind};
use std::time::Instant;

use mio::net::TcpStream;

use super::clients::{Answer, ClientEvent, ClientState, Step, phase_of};
use super::ended::{Cause, Failed};
use super::handler::Handler;
use super::id::{ClientId, ConnId};
use super::peer::{Opening, Reaching, Stage};
use super::transport::Transport;
use super::turn::Turn;
use crate::client::{
    ConnectError, Loss, Next, Phase, ProxyError, Race, Reply, Stop, Target, Tunnel, literal,
};
use crate::close::CloseCode;
use crate::connection::{Outbound, Outcome};
use crate::entropy::{Entropy, SystemEntropy};
use crate::extension::deflate;
use crate::handshake::{ClientHandshake, ResponseError};
use crate::message::Message;

impl<H: Handler> Turn<'_, H> {
    /// Does for the clients what has come up: first tries, answers of resolvers, times that are up.
    ///
    /// Their times count up to `due`, in the time of the peers; not at all where there is something to be heard first.
    pub(super) fn serve_clients(&mut self, due: Option<Instant>) {
        if self.cx.clients.slab.is_empty() {
            return;
        }
        for client in std::mem::take(&mut self.cx.clients.fresh) {
            self.begin(client);
        }
        for client in std::mem::take(&mut self.cx.clients.dropped) {
            self.lost(client, &Loss::Local);
        }
        for Answer { client, number, result } in self.cx.clients.take_answers() {
            if self.cx.clients.get(client).is_some_and(|client| client.number == number) {
                self.resolved(client, result);
            }
        }
        let Some(due) = due else { return };
        let last = self.cx.clients.timers.last();
        while let Some(timer) = self.cx.clients.timers.take_due(due, last) {
            let Some(client) = self.cx.clients.slab.get_mut(timer.tag as usize) else { continue };
            if client.timer == Some(timer.id) {
                client.timer = None;
                let id = ClientId { slot: timer.tag as u32, generation: client.generation };
                self.client_due(id);
            }
        }
    }

    /// A new try, to where the program wants it.
    fn begin(&mut self, id: ClientId) {
        let Some(client) = self.cx.clients.get(id) else { return };
        client.tries += 1;
        client.redirects = 0;
        let (tries, mut wanted) = (client.tries, client.wanted.clone());
        self.handler.on_try(self.cx, id, tries, &mut wanted);
        let Some(client) = self.cx.clients.get(id) else { return };
        client.config = wanted.clone();
        client.wanted = wanted;
        self.reach(id);
    }

    /// From the target's name on.
    fn reach(&mut self, id: ClientId) {
        let Some(client) = self.cx.clients.get(id) else { return };
        if client.closing {
            return self.lost(id, &Loss::Local);
        }
        let config = client.config.clone();
        let (host, port) = match &config.target {
            Target::Host(url) => (url.host(), url.port()),
            #[cfg(unix)]
            Target::Unix(unix) => return self.reach_unix(id, unix.path()),
            #[cfg(not(unix))]
            Target::Unix(_) => {
                let error = ConnectError::Connect(ErrorKind::Unsupported.into());
                return self.unreached(id, &error);
            }
        };
        #[cfg(not(feature = "tls"))]
        let has_tls = false;
        #[cfg(feature = "tls")]
        let has_tls = config.tls.is_some();
        if config.target.is_secure() && !has_tls {
            return self.unreached(id, &ConnectError::NoTls);
        }
        match config.proxies.proxy_for(&config.target) {
            None => self.look_up(id, Step::Resolve(None), host, port),
            Some(proxy) if proxy.wants_address() => {
                self.look_up(id, Step::ResolveServer, host, port);
            }
            Some(proxy) => {
                let step = Step::Resolve(Some(host.to_owned()));
                self.look_up(id, step, proxy.host(), proxy.port());
            }
        }
    }

    fn look_up(&mut self, id: ClientId, step: Step, host: &str, port: u16) {
        let now = self.cx.clock.peer_time();
        let Some(client) = self.cx.clients.get(id) else { return };
        client.number += 1;
        client.step = step;
        let number = client.number;
        if let Some(addresses) = literal(host, port) {
            return self.resolved(id, Ok(addresses));
        }
        let until = now.checked_add(client.config.connect_timeout);
        let resolver = client.config.resolver.clone();
        let (Some(resolver), Some(answers)) = (resolver, self.cx.clients.answers.clone()) else {
            return self.unreached(id, &ConnectError::NoResolver);
        };
        self.cx.clients.set_timer(id, until);
        self.enter_state(id, ClientState::Resolving);
        let reply = Reply::new(move |result| answers.push(Answer { client: id, number, result }));
        resolver.resolve(host, port, reply);
    }

    fn resolved(&mut self, id: ClientId, result: io::Result<Vec<std::net::SocketAddr>>) {
        let now = self.cx.clock.peer_time();
        let Some(client) = self.cx.clients.get(id) else { return };
        let addresses = match result {
            Ok(addresses) if !addresses.is_empty() => addresses,
            Ok(_) => return self.unreached(id, &ConnectError::NoAddress),
            Err(error) => return self.unreached(id, &ConnectError::Resolve(error)),
        };
        match std::mem::replace(&mut client.step, Step::None) {
            Step::ResolveServer => {
                let config = client.config.clone();
                let Some(proxy) = config.proxies.proxy_for(&config.target) else { return };
                let step = Step::Resolve(Some(addresses[0].ip().to_string()));
                self.look_up(id, step, proxy.host(), proxy.port());
            }
            Step::Resolve(tunnel) => {
                let race = Race::new(addresses, client.config.attempt_delay);
                let until = now.checked_add(client.config.connect_timeout);
                client.step = Step::Race { race, tunnel, last: None, until };
                self.enter_state(id, ClientState::Connecting);
                self.run_race(id);
            }
            Step::None | Step::Race { .. } | Step::Retry => {}
        }
    }

    /// Starts the attempts that are due.
    fn run_race(&mut self, id: ClientId) {
        let now = self.cx.clock.peer_time();
        loop {
            let Some(client) = self.cx.clients.get(id) else { return };
            let Step::Race { race, until, last, .. } = &mut client.step else { return };
            if until.is_some_and(|until| until <= now) {
                return self.unreached(id, &ConnectError::Timeout(Phase::Connect));
            }
            if race.is_lost() {
                let error = last.take().unwrap_or_else(|| ErrorKind::NotConnected.into());
                return self.unreached(id, &ConnectError::Connect(error));
            }
            let until = *until;
            let Some(address) = race.start(now) else {
                let next = [race.next_start(), until].into_iter().flatten().min();
                return self.cx.clients.set_timer(id, next);
            };
            let started = TcpStream::connect(address).map(Transport::Tcp);
            if let Err(error) = started.and_then(|transport| self.start_attempt(id, transport)) {
                self.attempt_failed(id, error);
            }
        }
    }

    #[cfg(unix)]
    fn reach_unix(&mut self, id: ClientId, path: &std::path::Path) {
        let now = self.cx.clock.peer_time();
        self.enter_state(id, ClientState::Connecting);
        let Some(client) = self.cx.clients.get(id) else { return };
        let until = now.checked_add(client.config.connect_timeout);
        client.step =
            Step::Race { race: Race::new([], client.config.attempt_delay), tunnel: None, last: None, until };
        let started = mio::net::UnixStream::connect(path).map(Transport::Unix);
        match started.and_then(|transport| self.start_attempt(id, transport)) {
            Ok(()) => self.cx.clients.set_timer(id, until),
            Err(error) => self.unreached(id, &ConnectError::Connect(error)),
        }
    }

    fn start_attempt(&mut self, id: ClientId, transport: Transport) -> io::Result<()> {
        transport.prepare(self.cx.settings.nodelay, self.cx.settings.tcp_keepalive);
        let Some(client) = self.cx.clients.get(id) else { return Ok(()) };
        let outbound = Outbound::client(client.config.connection.clone(), (client.config.masks)());
        let stage = Stage::Reaching(Box::new(Reaching { client: id, tunnel: None }));
        let conn = self.cx.insert(transport, outbound, stage)?;
        self.cx.stats.dialed += 1;
        if let Some(client) = self.cx.clients.get(id) {
            client.attempts.push(conn);
        }
        Ok(())
    }

    fn attempt_failed(&mut self, id: ClientId, error: io::Error) {
        if let Some(client) = self.cx.clients.get(id)
            && let Step::Race { race, last, .. } = &mut client.step
        {
            race.failed();
            *last = Some(error);
        }
    }

    /// Something is ready at a connection on its way.
    pub(super) fn reaching(&mut self, slot: usize) {
        let conn = self.id(slot);
        let peer = &mut self.cx.peers[slot];
        let Stage::Reaching(reaching) = &mut peer.stage else { return };
        let id = reaching.client;
        if reaching.tunnel.is_some() {
            return self.tunnel(slot, id);
        }
        match peer.transport.is_connected() {
            Ok(false) => {}
            Ok(true) => self.won(id, conn),
            Err(error) => {
                self.kill(slot);
                self.forget_attempt(id, conn);
                self.attempt_failed(id, error);
                self.run_race(id);
            }
        }
    }

    fn forget_attempt(&mut self, id: ClientId, conn: ConnId) {
        if let Some(client) = self.cx.clients.get(id) {
            client.attempts.retain(|attempt| *attempt != conn);
        }
    }

    /// The first of the attempts stands.
    fn won(&mut self, id: ClientId, conn: ConnId) {
        let Some(client) = self.cx.clients.get(id) else { return };
        let Step::Race { tunnel, until, .. } = std::mem::replace(&mut client.step, Step::None) else {
            return;
        };
        let losers = std::mem::replace(&mut client.attempts, vec![conn]);
        client.conn = Some(conn);
        for loser in losers {
            if loser != conn && self.cx.peer(loser).is_some() {
                self.kill(loser.slot as usize);
            }
        }
        let slot = conn.slot as usize;
        let Some(host) = tunnel else { return self.secure(slot, id) };
        self.cx.clients.set_timer(id, until);
        let Some(client) = self.cx.clients.get(id) else { return };
        let config = &client.config;
        let port = config.target.host_port().map_or(0, |(_, port)| port);
        let tunnel = match config.proxies.proxy_for(&config.target).map(|proxy| proxy.tunnel(&host, port)) {
            Some(Ok(tunnel)) => tunnel,
            Some(Err(error)) => return self.unreached(id, &error.into()),
            None => return,
        };
        if let Stage::Reaching(reaching) = &mut self.cx.peers[slot].stage {
            reaching.tunnel = Some(tunnel);
        }
        self.enter_state(id, ClientState::Tunneling);
        self.tunnel(slot, id);
    }

    /// Talks to the proxy as far as it goes now.
    fn tunnel(&mut self, slot: usize, id: ClientId) {
        let Some(peer) = self.cx.peers.get_mut(slot) else { return };
        let Stage::Reaching(reaching) = &mut peer.stage else { return };
        let Some(tunnel) = &mut reaching.tunnel else { return };
        match talk(&mut peer.transport, tunnel, self.scratch) {
            Ok(false) => {}
            Ok(true) => self.secure(slot, id),
            Err(error) => self.unreached(id, &error),
        }
    }

    /// The way to the server is free: TLS, if the URL asks for it, and the WebSocket handshake.
    fn secure(&mut self, slot: usize, id: ClientId) {
        self.cx.clients.set_timer(id, None);
        let Some(client) = self.cx.clients.get(id) else { return };
        let config = client.config.clone();
        #[cfg(feature = "tls")]
        if let (Target::Host(url), true, Some(tls)) = (&config.target, config.target.is_secure(), &config.tls)
        {
            // The name is the server's, whatever proxy the connection goes through.
            match tls.connection(url.host()) {
                Ok(tls) => self.cx.peers[slot].transport.wrap(tls),
                Err(error) => return self.unreached(id, &ConnectError::Tls(error.into())),
            }
        }
        let nonce = SystemEntropy::new().nonce();
        let mut request = config.request.clone();
        if let Some(offer) = deflate::offer(config.connection.deflate, request.extensions()) {
            request = request.extension(offer);
        }
        let handshake = ClientHandshake::new(request, nonce);
        // The loop gives every handshake the same time; this one may have another.
        let now = self.cx.clock.peer_time();
        let loop_time = self.cx.settings.handshake_timeout;
        let since = now
            .checked_add(config.handshake_timeout)
            .and_then(|until| until.checked_sub(loop_time))
            .unwrap_or(now);
        let peer = &mut self.cx.peers[slot];
        peer.outbound.queue().push(handshake.request());
        peer.stage = Stage::Client(Box::new(Opening { handshake, since }));
        peer.cold().client = Some(id);
        peer.writable = true;
        peer.readable = true; // what came with the tunnel's last bytes; a read that finds nothing costs little
        self.cx.watch_deadline(slot);
        self.enter_state(id, ClientState::Handshaking);
        self.flush(slot);
        self.read(slot);
    }

    /// A connection of a client has opened, and the program has been told.
    pub(super) fn client_opened(&mut self, conn: ConnId) {
        let now = self.cx.clock.peer_time();
        let Some(id) = self.cx.client_of(conn) else { return };
        let Some(client) = self.cx.clients.get(id) else { return };
        client.reconnect.opened(now);
        client.redirects = 0;
        let kept = client.take_kept();
        self.enter_state(id, ClientState::Open);
        for (kind, bytes) in kept {
            let message = match kind {
                crate::frame::DataKind::Binary => Message::Binary(&bytes),
                // It was text when it was kept.
                crate::frame::DataKind::Text => match std::str::from_utf8(&bytes) {
                    Ok(text) => Message::Text(text),
                    Err(_) => continue,
                },
            };
            self.cx.send(conn, message);
        }
    }

    /// A connection of a client has failed before it was open; says whether it was one.
    pub(super) fn client_failed(&mut self, slot: usize, failed: &Failed) -> bool {
        let conn = self.id(slot);
        let id = match &self.cx.peers[slot].stage {
            Stage::Reaching(reaching) => Some(reaching.client),
            _ => self.cx.client_of(conn),
        };
        let Some(id) = id else { return false };
        self.kill(slot);
        if let Failed::Aborted = failed {
            self.lost(id, &Loss::Local);
            return true;
        }
        let error = connect_error(failed);
        if let ConnectError::Response(ResponseError::Refused(response)) = &error
            && let Some(client) = self.cx.clients.get(id)
        {
            let config = &client.config;
            match config.redirects.follow(&config.target, response, client.redirects) {
                Ok(None) => {}
                Ok(Some(target)) => {
                    client.redirects += 1;
                    client.attempts.clear();
                    client.conn = None;
                    match client.config.clone().retarget(target) {
                        Ok(config) => {
                            client.config = config;
                            self.reach(id);
                        }
                        Err(error) => self.unreached(id, &error.into()),
                    }
                    return true;
                }
                Err(error) => {
                    self.unreached(id, &ConnectError::Redirect(error));
                    return true;
                }
            }
        }
        self.unreached(id, &error);
        true
    }

    /// A connection of a client that was open is over, and the program has been told.
    pub(super) fn client_over(&mut self, conn: ConnId, loss: &Loss) {
        let Some(id) = self.cx.client_of(conn) else { return };
        let by_us =
            self.cx.peer(conn).and_then(|peer| peer.cold.as_ref()).is_some_and(|cold| cold.closed_here);
        self.lost(id, if by_us { &Loss::Local } else { loss });
    }

    /// A try has failed.
    fn unreached(&mut self, id: ClientId, error: &ConnectError) {
        self.drop_attempts(id);
        self.handler.on_client(self.cx, id, &ClientEvent::Unreached(error));
        self.lost(id, &error.loss());
    }

    fn drop_attempts(&mut self, id: ClientId) {
        let Some(client) = self.cx.clients.get(id) else { return };
        client.step = Step::None;
        client.number += 1;
        client.conn = None;
        for attempt in std::mem::take(&mut client.attempts) {
            // One that is over tells its end by itself.
            let reaching =
                |stage: &Stage| matches!(stage, Stage::Reaching(_) | Stage::Dialing(_) | Stage::Client(_));
            if self.cx.peer(attempt).is_some_and(|peer| reaching(&peer.stage)) {
                self.kill(attempt.slot as usize);
            }
        }
    }

    /// There is no connection, or no longer one: again, or the end?
    pub(super) fn lost(&mut self, id: ClientId, loss: &Loss) {
        self.drop_attempts(id);
        let now = self.cx.clock.peer_time();
        let is_shutting_down = self.cx.is_shutting_down();
        let Some(client) = self.cx.clients.get(id) else { return };
        let next = if client.closing || is_shutting_down {
            Next::Stop(Stop::Done)
        } else {
            client.reconnect.lost(loss, now, &mut SystemEntropy::new())
        };
        match next {
            Next::Retry { attempt, delay } => {
                client.step = Step::Retry;
                self.cx.clients.set_timer(id, now.checked_add(delay));
                self.enter_state(id, ClientState::Waiting);
                let event = ClientEvent::Retry { attempt, delay, cause: loss };
                self.handler.on_client(self.cx, id, &event);
            }
            Next::Stop(stop) => {
                self.cx.clients.set_timer(id, None);
                self.enter_state(id, ClientState::Closed);
                self.handler.on_client(self.cx, id, &ClientEvent::End { stop, cause: loss });
                self.cx.clients.remove(id);
            }
        }
    }

    /// A time that a client has waited for has come.
    fn client_due(&mut self, id: ClientId) {
        let Some(client) = self.cx.clients.get(id) else { return };
        match &client.step {
            Step::Retry => self.begin(id),
            Step::Race { .. } => self.run_race(id),
            Step::ResolveServer | Step::Resolve(_) | Step::None => {
                let error = ConnectError::Timeout(phase_of(client.state));
                self.unreached(id, &error);
            }
        }
    }

    fn enter_state(&mut self, id: ClientId, state: ClientState) {
        let Some(client) = self.cx.clients.get(id) else { return };
        if client.state != state {
            client.state = state;
            self.handler.on_client(self.cx, id, &ClientEvent::State(state));
        }
    }
}

/// Says what the proxy waits for and hears what it says; whether the tunnel is open.
fn talk(transport: &mut Transport, tunnel: &mut Tunnel, buf: &mut [u8]) -> Result<bool, ConnectError> {
    loop {
        while !tunnel.pending().is_empty() {
            match transport.write(tunnel.pending()) {
                Ok(0) => return Err(ConnectError::Io(ErrorKind::WriteZero.into())),
                Ok(len) => tunnel.advance(len),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(ConnectError::Io(error)),
            }
        }
        match transport.read(buf) {
            Ok(0) => return Err(ProxyError::Closed.into()),
            Ok(len) if tunnel.receive(&buf[..len])? => return Ok(true),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(ConnectError::Io(error)),
        }
    }
}

/// What a client hears of a connection that did not open.
fn connect_error(failed: &Failed) -> ConnectError {
    match failed {
        Failed::Response(error) => ConnectError::Response(error.clone()),
        Failed::Timeout => ConnectError::Timeout(Phase::Response),
        Failed::Io(error) => {
            #[cfg(feature = "tls")]
            if let Some(tls) = crate::tls::tls_error(error) {
                return ConnectError::Tls(io::Error::new(error.kind(), tls.clone()));
            }
            ConnectError::Io(match error.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None => io::Error::new(error.kind(), error.to_string()),
            })
        }
        Failed::Eof | Failed::Request(_) | Failed::Refused(_) | Failed::Aborted => {
            ConnectError::Io(ErrorKind::UnexpectedEof.into())
        }
    }
}

/// What the end of an open connection means to its client.
pub(super) fn loss_of(outcome: &Outcome, cause: &Cause) -> Loss {
    match cause {
        Cause::Closed => Loss::Closed(outcome.code()),
        Cause::Protocol(_) => Loss::Protocol,
        Cause::Timeout(_) => Loss::Timeout,
        Cause::Aborted | Cause::Failed | Cause::ShutDown => Loss::Local,
        // It may have said why before it went.
        Cause::Eof | Cause::Io(_) | Cause::Overflow if outcome.code() != CloseCode::ABNORMAL => {
            Loss::Closed(outcome.code())
        }
        Cause::Eof | Cause::Io(_) | Cause::Overflow => Loss::Broken,
    }
}
