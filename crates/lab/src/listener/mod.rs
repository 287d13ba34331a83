//! Examines clients, which connect to us, one case for each connection.
//!
//! The control protocol is that of the Autobahn suite, so harnesses made for the suite work unchanged: `/getCaseCount`,
//! `/runCase?case=N&agent=X`, `/getCaseStatus?case=N&agent=X`, `/getCaseInfo?case=N` and `/updateReports?agent=X`. A
//! case can also be named: `/case/HSC-015?agent=X`. Time and memory are bounded for each connection, whatever the
//! client does. Pages of foreign origins are refused: otherwise any site that the user of a browser visits could play
//! cases and end the exam.

mod client;
mod exam;
mod reply;
mod routes;
mod trunks;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bowsprit::handshake::OriginPolicy;
#[cfg(feature = "tls")]
use bowsprit::tls::{TlsServer, TlsStream};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use super::case::Case;
use super::http2::Examiner;
use super::link::{Link, SCRATCH};
use super::options::Carrier;
use super::pipe::Pipe;
use super::playing::Playing;
use super::socket::{Socket, passes};
use client::{Client, REQUEST, Stage};
use reply::Reply;
use routes::Routes;
use trunks::Trunks;

pub use exam::{Exam, Next, Notice};

/// The most connections at once; more are turned away.
const MAX_VISITORS: usize = 1024;
const LISTENER: Token = Token(usize::MAX);

/// A bound listener.
#[derive(Debug)]
pub struct Listener {
    poll: Poll,
    listener: TcpListener,
    addr: SocketAddr,
    policy: OriginPolicy,
    #[cfg(feature = "tls")]
    tls: Option<TlsServer>,
}

impl Listener {
    /// Binds to an address; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// Returns the error of binding.
    pub fn bind(addr: SocketAddr) -> io::Result<Self> {
        let mut listener = TcpListener::bind(addr)?;
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let addr = listener.local_addr()?;
        let policy = if addr.ip().to_canonical().is_loopback() {
            OriginPolicy::loopback()
        } else {
            OriginPolicy::same_origin()
        };
        Ok(Self {
            poll,
            listener,
            addr,
            policy: policy.allow_local_pages(),
            #[cfg(feature = "tls")]
            tls: None,
        })
    }

    /// Changes which pages may take part: by default those of servers on this machine. Clients that send no `Origin`
    /// may always take part.
    ///
    /// # Errors
    ///
    /// Returns the error of `change`.
    pub fn with_policy<E>(
        mut self,
        change: impl FnOnce(OriginPolicy) -> Result<OriginPolicy, E>,
    ) -> Result<Self, E> {
        self.policy = change(self.policy)?;
        Ok(self)
    }

    /// Accepts connections over TLS.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(self, server: TlsServer) -> Self {
        Self { tls: Some(server), ..self }
    }

    /// Wraps an accepted connection, in TLS if that is set.
    fn socket(&self, stream: TcpStream) -> io::Result<Socket> {
        #[cfg(feature = "tls")]
        if let Some(server) = &self.tls {
            let tls = server.connection().map_err(io::Error::other)?;
            return Ok(Socket::Tls(Box::new(TlsStream::new(tls, stream))));
        }
        Ok(Socket::Tcp(stream))
    }

    /// Returns the address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves clients until `notify` returns [`Next::End`] or nothing happens for too long.
    ///
    /// # Errors
    ///
    /// Returns only errors of our own poll.
    pub fn run(self, exam: &Exam, notify: &mut dyn FnMut(Notice) -> Next) -> io::Result<()> {
        let routes = Routes {
            exam,
            host: self.addr.to_string(),
            statuses: HashMap::new(),
            next: Next::Listen,
            turn: None,
        };
        let (links, trunks) = (BTreeMap::new(), Trunks::default());
        Loop { net: self, routes, links, trunks, next_token: 0, scratch: vec![0; SCRATCH] }.run(notify)
    }
}

struct Loop<'e> {
    net: Listener,
    routes: Routes<'e>,
    links: BTreeMap<usize, Link<Client>>,
    trunks: Trunks,
    next_token: usize,
    scratch: Vec<u8>,
}

impl Loop<'_> {
    fn run(mut self, notify: &mut dyn FnMut(Notice) -> Next) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        let mut again: Vec<usize> = Vec::new();
        let mut last = Instant::now();
        loop {
            if self.routes.exam.interrupt.load(Ordering::Relaxed) {
                return Ok(());
            }
            if self.links.is_empty() {
                let idle = self.routes.exam.idle.is_some_and(|idle| last.elapsed() >= idle);
                if self.routes.next == Next::End || idle || notify(Notice::Quiet) == Next::End {
                    return Ok(());
                }
            }
            let timeout = if again.is_empty() { self.until_deadline() } else { Duration::ZERO };
            match self.net.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            let mut ready = std::mem::take(&mut again);
            let mut pumped = Vec::new();
            for event in &events {
                last = Instant::now();
                match event.token() {
                    LISTENER => self.accept(),
                    Token(token) => ready.push(token),
                }
            }
            self.pump_trunks(&mut ready, &mut pumped);
            ready.sort_unstable();
            ready.dedup();
            for token in ready {
                if self.serve(token) {
                    again.push(token);
                }
            }
            again.append(&mut pumped);
            self.links.values_mut().for_each(|link| link.tick(REQUEST));
            self.reap(notify);
            self.trunks.leave(self.net.poll.registry(), |stream| self.links.contains_key(stream));
        }
    }

    fn accept(&mut self) {
        loop {
            let mut stream = match self.net.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if passes(&error) => continue,
                // Nobody is waiting; a failed accept must not end the exam.
                Err(_) => return,
            };
            if self.links.len() + self.trunks.len() >= MAX_VISITORS {
                continue;
            }
            let token = self.next_token;
            self.next_token += 1;
            let interest = Interest::READABLE | Interest::WRITABLE;
            if self.net.poll.registry().register(&mut stream, Token(token), interest).is_ok() {
                let Ok(socket) = self.net.socket(stream) else { continue };
                match self.routes.exam.options.carrier {
                    Carrier::Http1 => {
                        self.links.insert(token, Link::accepted(Pipe::Socket(socket), Client::new()));
                    }
                    Carrier::Http2(cut) => match self.routes.turn.take() {
                        Some((case, agent)) => self.host(token, socket, case, agent),
                        None => self.trunks.add(token, socket, cut),
                    },
                }
            }
        }
    }

    /// Moves the bytes of connections that carry streams; each newly opened stream is a client like any other.
    fn pump_trunks(&mut self, ready: &mut Vec<usize>, more: &mut Vec<usize>) {
        let seed = self.routes.exam.options.seed;
        for (trunk, stream) in self.trunks.pump(ready, more, &mut self.scratch, seed) {
            if self.links.len() >= MAX_VISITORS {
                continue;
            }
            let token = self.next_token;
            self.next_token += 1;
            self.links.insert(token, Link::accepted(Pipe::Stream(stream), Client::new()));
            self.trunks.carries(trunk, token);
            ready.push(token);
        }
    }

    /// Plays a case about HTTP/2 on a connection that begins with it.
    fn host(&mut self, token: usize, socket: Socket, case: &'static Case, agent: String) {
        let Some(exchange) = case.http2 else { return };
        let examiner = Examiner::hosting(case, exchange, self.routes.exam.options);
        let client = Client { stage: Stage::Case(Playing::Exchange(Box::new(examiner)), agent) };
        self.links.insert(token, Link::accepted(Pipe::Socket(socket), client));
    }

    /// Plays a case about HTTP/2 on the connection on which it was requested, if nothing else uses that connection.
    fn take_over(&mut self, token: usize, case: &'static Case, agent: String) {
        let carrier = if routes::begins_early(case) { None } else { self.trunks.take_over(token) };
        let (Some((trunk, shared)), Some(exchange)) = (carrier, case.http2) else {
            if let Some(link) = self.links.get_mut(&token) {
                link.dialogue.stage = Stage::refuse();
            }
            return;
        };
        let Some(mut link) = self.links.remove(&token) else { return };
        let id = match &mut link.stream {
            Pipe::Stream(stream) => stream.release(),
            Pipe::Socket(_) => None,
        };
        drop(link);
        let (Some(id), Some(shared)) = (id, Rc::into_inner(shared)) else { return };
        let (socket, session) = shared.into_inner().into_parts();
        let examiner = Examiner::taking(case, exchange, session, id, self.routes.exam.options);
        let client = Client { stage: Stage::Case(Playing::Exchange(Box::new(examiner)), agent) };
        let mut link = Link::accepted(Pipe::Socket(socket), client);
        link.write();
        self.links.insert(trunk, link);
    }

    fn serve(&mut self, token: usize) -> bool {
        let Some(link) = self.links.get_mut(&token) else { return false };
        let more = link.pump(&mut self.scratch);
        if let Stage::Requested(now, head, bytes) = &link.dialogue.stage {
            link.dialogue.stage = match routes::foreign(&self.net.policy, head) {
                Some(refused) => refused,
                None => self.routes.answer(*now, head, bytes),
            };
            let handed = match &link.dialogue.stage {
                Stage::Handover(case, agent) => Some((*case, agent.clone())),
                _ => None,
            };
            if let Some((case, agent)) = handed {
                self.take_over(token, case, agent);
            }
            if self.routes.turn.is_some() {
                self.trunks.turn_away(token);
            }
            return true;
        }
        more
    }

    fn until_deadline(&self) -> Duration {
        let now = Instant::now();
        let next = self.links.values().map(|link| link.due(REQUEST)).min();
        let wait = next.map_or(Duration::from_millis(200), |next| next.saturating_duration_since(now));
        wait.clamp(Duration::from_millis(1), Duration::from_millis(200))
    }

    fn reap(&mut self, notify: &mut dyn FnMut(Notice) -> Next) {
        let over = self.links.iter().filter(|(_, link)| link.is_over()).map(|(token, _)| *token);
        for token in over.collect::<Vec<_>>() {
            let Some(mut link) = self.links.remove(&token) else { continue };
            // Dropping the stream closes it in any case.
            if let Some(socket) = link.stream.socket_mut() {
                let _ = self.net.poll.registry().deregister(socket.tcp_mut());
            }
            let notice = match link.dialogue.stage {
                Stage::Case(playing, agent) => self.routes.played(playing.finish(), agent),
                Stage::Replying(Reply { finished: Some(agent), .. }) => Notice::Finished(agent),
                Stage::Replying(Reply { refused: Some(origin), .. }) => Notice::Refused(origin),
                _ => continue,
            };
            if notify(notice) == Next::End {
                self.routes.next = Next::End;
            }
        }
        // Clients that wait for a status can be answered now.
        for link in self.links.values_mut() {
            if let Stage::Replying(reply) = &mut link.dialogue.stage
                && let Some(status) = reply.waits_for.as_ref().and_then(|key| self.routes.statuses.get(key))
            {
                reply.waits_for = None;
                reply.say(&format!("{{\"behavior\": \"{status}\"}}"));
                link.write();
            }
        }
    }
}
