//! One loop per thread.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::audience::To;
use super::engine::Engine;
use super::handler::Handler;
use super::limits::Admission;
use super::listener::ListenSocket;
use super::poll::EventLoop;
use super::remote::{Others, Remote};
use super::settings::Settings;
use super::stats::Stats;
use crate::message::Prepared;
#[cfg(feature = "tls")]
use crate::tls::TlsServer;

/// Handles of all loops of a group.
pub struct Group<D> {
    remotes: Arc<[Remote<D>]>,
}

impl<D> Clone for Group<D> {
    fn clone(&self) -> Self {
        Self { remotes: Arc::clone(&self.remotes) }
    }
}

impl<D> fmt::Debug for Group<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("loops", &self.remotes.len()).finish()
    }
}

impl<D> Group<D> {
    /// Returns a handle of each loop.
    pub fn remotes(&self) -> &[Remote<D>] {
        &self.remotes
    }

    /// Sends a message to an [audience](To) in every loop, encoded once, and also to other nodes if that is everywhere.
    /// Returns how many loops did not take it.
    pub fn publish<'a>(&self, to: impl Into<To<'a>>, message: impl Into<Prepared>) -> usize {
        let (to, message) = (to.into(), message.into());
        if to.everywhere {
            // The first has the link to other nodes, and passes it on to the others.
            return self.remotes.first().map_or(0, |first| usize::from(first.publish(to, &message).is_err()));
        }
        self.count_refusals(|remote| remote.publish(to, &message).is_ok())
    }

    /// Makes every loop return.
    pub fn stop(&self) {
        self.count_refusals(|remote| remote.stop().is_ok());
    }

    /// Shuts every loop down; see [`Context::shutdown`](super::Context::shutdown). Each ends once its own connections
    /// are gone.
    pub fn shutdown(&self, grace: Duration)
    where
        D: Default,
    {
        self.count_refusals(|remote| remote.run(move |cx| cx.shutdown(grace)).is_ok());
    }

    /// Asks every loop for its counters and waits for the sum. It must not be called on the thread of a loop, which it
    /// would wait for.
    pub fn stats(&self) -> Stats
    where
        D: Default,
    {
        let (sender, answers) = std::sync::mpsc::channel();
        self.count_refusals(|remote| {
            let sender = sender.clone();
            // If the caller is gone, nobody listens any more.
            remote.run(move |cx| drop(sender.send(cx.stats()))).is_ok()
        });
        drop(sender);
        let mut sum = Stats::default();
        for stats in answers {
            sum.add(&stats);
        }
        sum
    }

    fn count_refusals(&self, ask: impl Fn(&Remote<D>) -> bool) -> usize {
        self.remotes.iter().filter(|remote| !ask(remote)).count()
    }
}

/// Several loops, each on a thread of its own, which together are one server: every loop listens on the same addresses,
/// the limits on connections hold for all together, and messages reach the connections of other loops through
/// [`To::everywhere`] or the [`Group`].
///
/// A connection stays on its thread, so handlers lock nothing. For the same reason
/// [`Overflow::Block`](super::Overflow::Block) slows only producers of the reader's own loop, and a loop that is too
/// far behind does not take a message from another one, which [`Stats::behind`] counts.
///
/// ```no_run
/// use bowsprit::event_loop::{ConnId, Context, Handler, Loops, Settings, To};
/// use bowsprit::message::Message;
///
/// struct Chat;
///
/// impl Handler for Chat {
///     type Data = ();
///
///     fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
///         cx.publish(To::all().except(id).everywhere(), message);
///     }
/// }
///
/// # fn main() -> std::io::Result<()> {
/// let mut loops = Loops::new(4, &Settings::default())?;
/// println!("ws://{}/", loops.listen("127.0.0.1:0".parse().unwrap())?);
/// loops.run(|_, _| Chat, |_| ())
/// # }
/// ```
#[derive(Debug)]
pub struct Loops<D> {
    loops: Vec<EventLoop<D>>,
    group: Group<D>,
}

impl<D: Default + 'static> Loops<D> {
    /// Creates loops for this many threads, from 1 to 1,024.
    ///
    /// # Errors
    ///
    /// If there are more, and the errors of [`EventLoop::new`].
    pub fn new(threads: usize, settings: &Settings) -> io::Result<Self> {
        if threads > MAX_LOOPS {
            let most = format!("a group may have at most {MAX_LOOPS} loops");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, most));
        }
        let mut loops = Vec::with_capacity(threads);
        let mut remotes = Vec::with_capacity(threads);
        for _ in 0..threads.max(1) {
            let mut event_loop = EventLoop::with_settings(settings.clone())?;
            remotes.push(event_loop.remote()?);
            loops.push(event_loop);
        }
        let admission = Arc::new(Admission::new(settings.accept_rate, Instant::now()));
        for (number, event_loop) in loops.iter_mut().enumerate() {
            let others = remotes.iter().enumerate().filter(|(other, _)| *other != number);
            let remotes = others.map(|(_, remote)| remote.clone()).collect();
            event_loop.engine().join(Others { own: number, remotes }, Arc::clone(&admission));
        }
        Ok(Self { loops, group: Group { remotes: remotes.into() } })
    }

    /// Has every loop listen on `address` with a socket of its own, among which the system distributes connections
    /// (SO_REUSEPORT). Port 0 takes a free port. Returns the address that was bound.
    ///
    /// # Errors
    ///
    /// The errors of [`Engine::listen`]; also if another socket listens there, unless [`Settings::reuse_port`] allows
    /// it.
    pub fn listen(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        self.listen_each(address, Engine::listen_on)
    }

    /// Has the group join other processes, with one link for all its loops; see [`Engine::join_backplane`]. The handler
    /// of the first loop gets its events.
    ///
    /// # Errors
    ///
    /// See [`Engine::join_backplane`].
    #[cfg(feature = "backplane")]
    pub fn join_backplane(
        &mut self,
        url: &str,
        settings: crate::backplane::BackplaneSettings,
    ) -> io::Result<()> {
        let (first, others) = self.loops.split_first_mut().expect("a group has a loop");
        first.engine().join_backplane(url, settings)?;
        let (ordered, has_history) = (first.engine().cx.ordered, first.engine().cx.has_history);
        let presence = first.engine().cx.presence.clone();
        for other in others {
            other.engine().cx.use_gateway(ordered, has_history);
            other.engine().cx.presence.clone_from(&presence);
        }
        Ok(())
    }

    /// Has every loop listen on `address` for TLS; see [`listen`](Self::listen).
    ///
    /// # Errors
    ///
    /// See [`listen`](Self::listen).
    #[cfg(feature = "tls")]
    pub fn listen_tls(&mut self, address: SocketAddr, tls: &TlsServer) -> io::Result<SocketAddr> {
        self.listen_each(address, |engine, socket| engine.listen_tls_on(socket, tls.clone()))
    }

    /// Has every loop accept from one listener, whichever is free.
    ///
    /// # Errors
    ///
    /// The errors of [`Engine::listen_on`], and if there is no descriptor left.
    pub fn listen_on(&mut self, socket: impl Into<ListenSocket>) -> io::Result<()> {
        self.share(socket.into(), Engine::listen_on)
    }

    /// Has every loop accept TLS from one listener; see [`listen_on`](Self::listen_on).
    ///
    /// # Errors
    ///
    /// See [`listen_on`](Self::listen_on).
    #[cfg(feature = "tls")]
    pub fn listen_tls_on(&mut self, socket: impl Into<ListenSocket>, tls: &TlsServer) -> io::Result<()> {
        self.share(socket.into(), |engine, socket| engine.listen_tls_on(socket, tls.clone()))
    }

    fn listen_each(
        &mut self,
        mut address: SocketAddr,
        listen: impl Fn(&mut Engine<D>, ListenSocket) -> io::Result<()>,
    ) -> io::Result<SocketAddr> {
        let mut settings = self.loops[0].engine().settings().clone();
        if self.loops.len() > 1 && !settings.reuse_port {
            // Beside a socket that shares its port, and only there, another one that does would go unnoticed.
            drop(ListenSocket::tcp(address, &settings)?);
            settings.reuse_port = true;
        }
        for event_loop in &mut self.loops {
            let socket = ListenSocket::tcp(address, &settings)?;
            address = socket.local_addr().unwrap_or(address);
            listen(event_loop.engine(), socket)?;
        }
        Ok(address)
    }

    fn share(
        &mut self,
        socket: ListenSocket,
        listen: impl Fn(&mut Engine<D>, ListenSocket) -> io::Result<()>,
    ) -> io::Result<()> {
        for event_loop in &mut self.loops[1..] {
            listen(event_loop.engine(), socket.try_clone()?)?;
        }
        listen(self.loops[0].engine(), socket)
    }

    /// Returns handles of all loops.
    pub const fn group(&self) -> &Group<D> {
        &self.group
    }

    /// Runs each loop on a thread of its own until one of them stops; then all do. A shutdown of the [`Group`] ends
    /// each in its own time. `make` makes a handler for each thread, on it, given its number and handles of all loops.
    /// `beside` runs meanwhile on the calling thread, which has no loop. All threads are gone when this returns.
    ///
    /// # Errors
    ///
    /// If a thread cannot be started, and the errors of [`EventLoop::run`].
    ///
    /// # Panics
    ///
    /// If a handler panicked, once the other loops have stopped.
    pub fn run<H: Handler<Data = D>>(
        self,
        make: impl Fn(usize, &Group<D>) -> H + Sync,
        beside: impl FnOnce(&Group<D>),
    ) -> io::Result<()>
    where
        D: Send,
    {
        let Self { loops, group } = self;
        let result = Mutex::new(Ok(()));
        thread::scope(|scope| {
            for (number, mut event_loop) in loops.into_iter().enumerate() {
                let (group, make, result) = (&group, &make, &result);
                let run = move || {
                    // However it ends, the others do not go on alone; unless it was shut down, as then they are too and
                    // have connections of their own to close.
                    let stop = StopAll(group);
                    let ended = event_loop.run(&mut make(number, group));
                    if event_loop.context().was_shut_down {
                        std::mem::forget(stop);
                    }
                    if ended.is_err() {
                        *result.lock().unwrap_or_else(PoisonError::into_inner) = ended;
                    }
                };
                let named = thread::Builder::new().name(format!("loop {number}")).spawn_scoped(scope, run);
                if let Err(error) = named {
                    group.stop();
                    *result.lock().unwrap_or_else(PoisonError::into_inner) = Err(error);
                    return;
                }
            }
            beside(&group);
        });
        result.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs [`Loops`] that listen on one address. `started` is called with the bound address before the first connection is
/// accepted. The calling thread waits.
///
/// # Errors
///
/// The errors of [`Loops::new`], [`Loops::listen`] and [`Loops::run`].
///
/// # Panics
///
/// See [`Loops::run`].
pub fn run_threads<H: Handler>(
    threads: usize,
    settings: &Settings,
    address: SocketAddr,
    make: impl Fn(usize, &Group<H::Data>) -> H + Sync,
    started: impl FnOnce(SocketAddr, &Group<H::Data>),
) -> io::Result<()>
where
    H::Data: Send + 'static,
{
    let mut loops = Loops::new(threads, settings)?;
    let address = loops.listen(address)?;
    started(address, loops.group());
    loops.run(make, |_| ())
}

/// Each loop has a handle of each other one, and a thread of its own.
const MAX_LOOPS: usize = 1024;

struct StopAll<'a, D>(&'a Group<D>);

impl<D> Drop for StopAll<'_, D> {
    fn drop(&mut self) {
        self.0.stop();
    }
}
