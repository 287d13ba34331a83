//! One loop per thread.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::handler::Handler;
use super::listener::ListenSocket;
use super::remote::Remote;
use super::settings::Settings;
use super::{EventLoop, Stats};
use crate::message::{Message, Prepared};

/// Handles on all loops of a group.
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
    /// A handle on each loop.
    pub fn remotes(&self) -> &[Remote<D>] {
        &self.remotes
    }

    /// Sends a message to the subscribers of a topic in every loop, encoded once; says how many loops did not take it.
    pub fn publish(&self, topic: &str, message: Message<'_>) -> usize {
        let prepared = Prepared::new(message);
        self.count_refusals(|remote| remote.publish_prepared(topic, &prepared).is_ok())
    }

    /// Sends a message to every open connection of every loop, encoded once; says how many loops did not take it.
    pub fn broadcast(&self, message: Message<'_>) -> usize {
        let prepared = Prepared::new(message);
        self.count_refusals(|remote| remote.broadcast_prepared(&prepared).is_ok())
    }

    /// Lets every loop return.
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

    /// Asks every loop for its counters and waits for the sum. Not to be called on the thread of a loop, which it
    /// would wait for.
    pub fn stats(&self) -> Stats
    where
        D: Default,
    {
        let (sender, answers) = std::sync::mpsc::channel();
        self.count_refusals(|remote| {
            let sender = sender.clone();
            // Nobody listens any more where the caller is gone.
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

/// Runs one loop on each of `threads` threads, all of which listen on `address`, until one of them stops; then all do.
/// A shutdown of the [`Group`] ends each in its own time.
///
/// The system shares connections out among the loops (SO_REUSEPORT). A connection stays on its thread, so handlers
/// lock nothing: `make` makes one for each thread, given its number and handles on all loops. What is to reach the
/// connections of other loops goes through [`Context::publish_everywhere`](super::Context::publish_everywhere), its
/// like, or the [`Group`]. `started` is called with the address, whose port is known then, before the first
/// connection is accepted.
///
/// The calling thread runs no loop; it waits. All threads are gone when this returns.
///
/// # Errors
///
/// Where a loop cannot be made or the address not be bound, and what [`EventLoop::run`] says.
///
/// # Panics
///
/// Where a handler did, once the other loops have stopped.
pub fn run_threads<H: Handler>(
    threads: usize,
    settings: &Settings,
    address: SocketAddr,
    make: impl Fn(usize, &Group<H::Data>) -> H + Sync,
    started: impl FnOnce(SocketAddr, &Group<H::Data>),
) -> io::Result<()>
where
    H::Data: Send,
{
    let threads = threads.max(1);
    let settings = Settings { reuse_port: threads > 1 || settings.reuse_port, ..settings.clone() };
    let mut bound = address;
    let mut loops = Vec::with_capacity(threads);
    let mut remotes = Vec::with_capacity(threads);
    for _ in 0..threads {
        let mut event_loop = EventLoop::with_settings(settings.clone())?;
        let socket = ListenSocket::tcp(bound, &settings)?;
        bound = socket.local_address().unwrap_or(bound);
        event_loop.engine().listen_on(socket)?;
        remotes.push(event_loop.remote()?);
        loops.push(event_loop);
    }
    for (number, event_loop) in loops.iter_mut().enumerate() {
        let others = remotes.iter().enumerate().filter(|(other, _)| *other != number);
        event_loop.engine().join(others.map(|(_, remote)| remote.clone()).collect());
    }
    let group = Group { remotes: remotes.into() };
    started(bound, &group);

    let result = Mutex::new(Ok(()));
    thread::scope(|scope| {
        for (number, mut event_loop) in loops.into_iter().enumerate() {
            let (group, make, result) = (&group, &make, &result);
            let run = move || {
                // However it ends, the others do not go on alone; unless it was shut down, as they then are too and
                // have connections of their own to see off.
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
                break;
            }
        }
    });
    result.into_inner().unwrap_or_else(PoisonError::into_inner)
}

struct StopAll<'a, D>(&'a Group<D>);

impl<D> Drop for StopAll<'_, D> {
    fn drop(&mut self) {
        self.0.stop();
    }
}
