//! The event loop: an engine with its own `Poll`.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use super::context::Context;
use super::engine::Engine;
use super::handler::Handler;
use super::remote::Remote;
use super::settings::Settings;

/// An [`Engine`] with a `mio::Poll` of its own.
#[derive(Debug)]
pub struct EventLoop<D> {
    poll: Poll,
    events: Events,
    engine: Engine<D>,
}

/// The most events of one wait.
const EVENTS: usize = 1024;

impl<D: Default> EventLoop<D> {
    /// Creates a loop with the default settings.
    ///
    /// # Errors
    ///
    /// If the system has no selector left.
    pub fn new() -> io::Result<Self> {
        Self::with_settings(Settings::default())
    }

    /// Creates a loop with these settings.
    ///
    /// # Errors
    ///
    /// See [`new`](Self::new).
    pub fn with_settings(settings: Settings) -> io::Result<Self> {
        let poll = Poll::new()?;
        let engine = Engine::new(settings, poll.registry(), 0..usize::MAX)?;
        Ok(Self { poll, events: Events::with_capacity(EVENTS), engine })
    }

    /// Listens on `address`; see [`Engine::listen`].
    ///
    /// # Errors
    ///
    /// See [`Engine::listen`].
    pub fn listen(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        self.engine.listen(address)
    }

    /// Listens on an address for TLS; see [`Engine::listen_tls`].
    ///
    /// # Errors
    ///
    /// See [`Engine::listen_tls`].
    #[cfg(feature = "tls")]
    pub fn listen_tls(&mut self, address: SocketAddr, tls: crate::tls::TlsServer) -> io::Result<SocketAddr> {
        self.engine.listen_tls(address, tls)
    }

    /// Listens on a path in the file system; see [`ListenSocket::unix`](super::ListenSocket::unix).
    ///
    /// # Errors
    ///
    /// See [`Engine::listen`].
    #[cfg(unix)]
    pub fn listen_unix(&mut self, path: impl AsRef<std::path::Path>) -> io::Result<()> {
        self.engine.listen_unix(path)
    }

    /// Returns a handle for other threads.
    ///
    /// # Errors
    ///
    /// See [`Engine::remote`].
    pub fn remote(&mut self) -> io::Result<Remote<D>> {
        self.engine.remote()
    }

    /// Returns the engine.
    pub fn engine(&mut self) -> &mut Engine<D> {
        &mut self.engine
    }

    /// Returns the context that handlers get.
    pub fn context(&mut self) -> &mut Context<D> {
        self.engine.context()
    }

    /// Runs until a handler calls [`Context::stop`].
    ///
    /// # Errors
    ///
    /// If the system cannot wait for events. An error of a connection ends only that connection.
    pub fn run<H: Handler<Data = D>>(&mut self, handler: &mut H) -> io::Result<()> {
        while !self.engine.take_stop() {
            self.turn(handler, None)?;
        }
        Ok(())
    }

    /// Runs one turn: waits for events, for at most `timeout`, and does what there is to do.
    ///
    /// # Errors
    ///
    /// See [`run`](Self::run).
    pub fn turn<H: Handler<Data = D>>(
        &mut self,
        handler: &mut H,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        self.wait(timeout)?;
        for event in &self.events {
            self.engine.handle(event, handler);
        }
        let now = self.engine.turn_time();
        self.engine.on_time(now, handler);
        Ok(())
    }

    /// Waits for events, for at most `timeout` and until something is due. Before that, polls without a pause for as
    /// long as [`Settings::spin`] says.
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let due = self.engine.next_deadline();
        let spin = self.engine.settings().spin;
        if spin.is_zero() {
            let due = due.map(|at| {
                let now = Instant::now();
                self.engine.begin_wait(now);
                at.saturating_duration_since(now)
            });
            return self.poll([timeout, due].into_iter().flatten().min());
        }
        let start = Instant::now();
        self.engine.begin_wait(start);
        let until = [timeout.and_then(|timeout| start.checked_add(timeout)), due].into_iter().flatten().min();
        loop {
            self.poll(Some(Duration::ZERO))?;
            let now = Instant::now();
            if !self.events.is_empty() || until.is_some_and(|until| until <= now) {
                return Ok(());
            }
            if now - start >= spin {
                return self.poll(until.map(|until| until - now));
            }
            std::hint::spin_loop();
        }
    }

    fn poll(&mut self, mut timeout: Option<Duration>) -> io::Result<()> {
        loop {
            match self.poll.poll(&mut self.events, timeout) {
                // As after SIGSTOP: nothing has been looked at, so a peer that seems silent may have sent something.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => timeout = Some(Duration::ZERO),
                result => return result,
            }
        }
    }
}
