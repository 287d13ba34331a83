//! The server runs: on this thread, or on several beside which this one waits for signals.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bowsprit::event_loop::{ConnId, Context, Engine, Group, Handler, Loops, Settings, Stats};
use bowsprit::message::Message;
use bowsprit::tls::TlsServer;
use mio::Waker;

use super::farewell::{Farewell, SharedFarewell};
use super::handler::Server;
use super::metrics::Metrics;
use super::summary::Summary;
use super::{Args, Talk, sockets};
use crate::driver::{Driver, Turn};
use crate::output::say;

/// Serves until a signal asks for the end and all connections are gone.
///
/// # Errors
///
/// Why there is no server, or none any more.
pub(super) fn serve(args: &Args) -> Result<(), String> {
    // A connection costs a descriptor. Where no more are given, accepting tells.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let farewell = SharedFarewell::default();
    let server = Server::new(args, farewell.clone())?;
    let tls = args.tls.server()?;
    let mut config = args.connection.config();
    config.deflate = args.deflate.config();
    let grace = config.close_timeout;
    let settings = args.server.settings(config);

    let alone = args.threads.get() == 1;
    let own = if alone { settings.clone() } else { Settings::default() };
    let driver = Driver::new(own).map_err(cannot_start)?;
    let mut attendant =
        Attendant { driver, metrics: None, summary: Summary::new(false), tls, grace, talk: args.talk() };
    if let Some(address) = args.metrics {
        let (metrics, taken) = Metrics::listen(attendant.driver.registry(), address)
            .map_err(|error| sockets::cannot(&address, "--metrics", &error))?;
        attendant.metrics = Some(metrics);
        say(format_args!("counters at http://{taken}/metrics"));
    }
    if attendant.tls.is_some() {
        attendant.driver.catch_hangup().map_err(cannot_start)?;
    }
    if alone {
        attendant.alone(args, server)?;
    } else {
        attendant.beside(args, &server, &settings)?;
    }
    let farewell = Farewell::lock(&farewell);
    if args.talk() >= Talk::Verbose || (args.talk() >= Talk::Normal && farewell.has_cut()) {
        say(&*farewell);
    }
    Ok(())
}

fn cannot_start(error: io::Error) -> String {
    format!("cannot start: {error}")
}

fn cannot_wait(error: io::Error) -> String {
    format!("cannot wait for events: {error}")
}

/// Looks after signals, counters and the live line.
struct Attendant {
    driver: Driver<()>,
    metrics: Option<Metrics>,
    summary: Summary,
    tls: Option<TlsServer>,
    /// How long connections may take to close in the end.
    grace: Duration,
    talk: Talk,
}

impl Attendant {
    /// One loop, on this thread.
    fn alone(&mut self, args: &Args, mut server: Server) -> Result<(), String> {
        let _path = sockets::listen(&mut self.driver.engine, args, self.tls.as_ref())?;
        self.attend(&mut server, &Alone).map_err(cannot_wait)
    }

    /// Several loops, on threads of their own.
    fn beside(&mut self, args: &Args, server: &Server, settings: &Settings) -> Result<(), String> {
        let threads = args.threads.get();
        let mut loops = Loops::new(threads, settings).map_err(cannot_start)?;
        let _path = sockets::listen(&mut loops, args, self.tls.as_ref())?;
        let (running, waker) = (Arc::new(AtomicUsize::new(threads)), self.driver.waker());
        let make = |number, _: &Group<()>| {
            server.of_loop(Running { number, count: running.clone(), waker: waker.clone() })
        };
        let mut attended = Ok(());
        let served = loops.run(make, |group| {
            let together = Together { group: group.clone(), running: running.clone() };
            attended = self.attend(&mut Nobody, &together);
            if attended.is_err() {
                group.stop();
            }
        });
        served.and(attended).map_err(cannot_wait)
    }

    /// Until the server is over.
    fn attend<H: Handler<Data = ()>>(&mut self, handler: &mut H, whole: &impl Whole) -> io::Result<()> {
        self.summary = Summary::new(self.talk >= Talk::Normal);
        while !whole.is_over(&mut self.driver.engine) {
            let metrics = self.metrics.as_ref().and_then(Metrics::next_deadline);
            let until = [self.summary.next(), metrics].into_iter().flatten().min();
            let turn = self.driver.turn_with(handler, until, |engine, event| {
                if let Some(metrics) = &mut self.metrics {
                    metrics.handle(event, || whole.stats(engine));
                }
            })?;
            let now = Instant::now();
            if let Some(metrics) = &mut self.metrics {
                metrics.on_time(now);
            }
            match turn {
                Turn::Done => {}
                Turn::AskedToEnd => whole.shut_down(&mut self.driver.engine, self.grace),
                Turn::AskedToReload => self.reload(),
            }
            self.summary.tick(now, || whole.stats(&mut self.driver.engine));
        }
        self.summary.clear();
        Ok(())
    }

    /// Has the certificates read again.
    fn reload(&self) {
        match self.tls.as_ref().map(TlsServer::reload) {
            Some(Err(error)) => say(format_args!("the certificates stay as they were: {error}")),
            Some(Ok(())) if self.talk >= Talk::Normal => say("the certificates have been read again"),
            _ => {}
        }
    }
}

/// One loop or several, as the attendant sees them.
trait Whole {
    fn stats(&self, own: &mut Engine<()>) -> Stats;
    fn shut_down(&self, own: &mut Engine<()>, grace: Duration);
    fn is_over(&self, own: &mut Engine<()>) -> bool;
}

/// The loop is the attendant's own.
struct Alone;

impl Whole for Alone {
    fn stats(&self, own: &mut Engine<()>) -> Stats {
        own.context().stats()
    }

    fn shut_down(&self, own: &mut Engine<()>, grace: Duration) {
        own.context().shutdown(grace);
    }

    fn is_over(&self, own: &mut Engine<()>) -> bool {
        own.take_stop()
    }
}

/// The loops are elsewhere, and the attendant's own has nothing to do.
struct Together {
    group: Group<()>,
    /// Loops that have not ended.
    running: Arc<AtomicUsize>,
}

impl Whole for Together {
    fn stats(&self, _: &mut Engine<()>) -> Stats {
        self.group.stats()
    }

    fn shut_down(&self, _: &mut Engine<()>, grace: Duration) {
        self.group.shutdown(grace);
    }

    fn is_over(&self, _: &mut Engine<()>) -> bool {
        self.running.load(Ordering::Acquire) == 0
    }
}

/// Nobody connects to the attendant's own loop.
struct Nobody;

impl Handler for Nobody {
    type Data = ();

    fn on_message(&mut self, _: &mut Context<()>, _: ConnId, _: Message<'_>) {}
}

/// One of several loops, for as long as it runs; lets the attendant know when it does not.
pub(super) struct Running {
    pub(super) number: usize,
    count: Arc<AtomicUsize>,
    waker: Arc<Waker>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Release);
        if let Err(error) = self.waker.wake() {
            say(format_args!("cannot wake the main thread: {error}"));
        }
    }
}
