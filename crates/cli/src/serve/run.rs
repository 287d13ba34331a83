//! Runs the server, on this thread or on several beside which this one waits for signals.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bowsprit::close::OwnedClose;
use bowsprit::event_loop::{ConnId, Context, Engine, Group, Handler, Loops, Settings, Stats, To};
use bowsprit::message::Message;
use bowsprit::tls::TlsServer;

use super::args::Args;
use super::attended::{Attended, Running};
use super::backplane::Backplane;
#[cfg(unix)]
use super::bridge::Bridge;
use super::console::{Keyboard, Screen};
use super::drain::{Drain, DrainStep, close_over};
use super::farewell::{Farewell, SharedFarewell};
use super::handler::Server;
use super::metrics::Metrics;
use super::mode::{Mode, Talk};
use super::sockets;
use super::summary::Summary;
use super::visit::{Visit, short};
use crate::driver::{Driver, FARS, Turn};
use crate::output::{say, warn};

/// Clients of a WebSocket server speak first. A connection that has sent nothing for this long is accepted
/// nevertheless, and given the time for a handshake.
const DEFER_ACCEPT: Duration = Duration::from_secs(1);

/// Serves until a signal asks for the end and all connections are gone.
///
/// # Errors
///
/// Returns why there is no server, or none any more.
pub(super) fn serve(args: &Args) -> Result<(), String> {
    // Each connection takes a descriptor. If there are no more, accepting reports it.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let farewell = SharedFarewell::default();
    let screen = match args.mode {
        Mode::Console => Some(Screen::start().map_err(cannot_start)?),
        _ => None,
    };
    let health = args.drain.health();
    let backplane = args.backplane.backplane(&args.mode, args.connection.config().max_message)?;
    let server = Server::new(args, screen, health.clone(), farewell.clone(), backplane.as_ref())?;
    let tls = args.tls.server(!args.no_http2)?;
    let mut config = args.connection.config();
    config.deflate = args.deflate.config();
    let grace = config.close_timeout;
    let mut settings = args.server.settings(config);
    settings.leniency = args.leniency();
    settings.trusted_proxies = args.drain.trusted_proxies()?;
    settings.proxy_protocol = args.drain.proxy_protocol();
    settings.http2 = args.http2;
    settings.spin = args.spin.0;
    settings.reuse_port = args.reuse_port();
    settings.defer_accept = Some(DEFER_ACCEPT);

    let alone = args.threads.get() == 1;
    let own = if alone { settings.clone() } else { Settings::default() };
    let driver = Driver::new(own).map_err(cannot_start)?;
    let mut attendant = Attendant {
        driver,
        metrics: None,
        keyboard: None,
        summary: Summary::new(false),
        tls,
        drain: args.drain.drain(health.clone()),
        grace,
        talk: args.talk(),
    };
    if let Some(address) = args.metrics {
        let policy = args.policy(address.ip().to_canonical().is_loopback())?;
        let (metrics, taken) = Metrics::listen(attendant.driver.registry(), address, policy, health)
            .map_err(|error| sockets::cannot(&address, "--metrics", &error))?;
        attendant.metrics = Some(metrics);
        say(format_args!("counters at http://{taken}/metrics"));
    }
    attendant.driver.catch_hangup().map_err(cannot_start)?;
    if args.mode == Mode::Console {
        attendant.keyboard = Some(Keyboard::start(attendant.driver.waker()));
    }
    if alone {
        attendant.alone(args, server, backplane)?;
    } else if is_bridge(args) {
        return Err("--threads: a bridge has one thread".to_owned());
    } else {
        attendant.beside(args, &server, &settings, backplane)?;
    }
    if let Some(screen) = screen {
        screen.finish();
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
    driver: Driver<Visit>,
    metrics: Option<Metrics>,
    /// Set in [`Mode::Console`].
    keyboard: Option<Keyboard>,
    summary: Summary,
    tls: Option<TlsServer>,
    drain: Drain,
    /// How long connections may take to close at the end.
    grace: Duration,
    talk: Talk,
}

impl Attendant {
    /// Runs one loop on this thread.
    fn alone(&mut self, args: &Args, mut server: Server, backplane: Option<Backplane>) -> Result<(), String> {
        #[cfg(unix)]
        if let Mode::Bridge(target) = &args.mode {
            let ended = self.driver.catch_children().map_err(cannot_start)?;
            let registry = self.driver.registry().try_clone().map_err(cannot_start)?;
            let target = target.clone();
            let mut bridge = Bridge::new(server, target, args.framing, registry, ended, self.grace);
            let _path = sockets::listen(&mut self.driver.engine, args, self.tls.as_ref())?;
            return self.attend(&mut bridge, &Alone).map_err(cannot_wait);
        }
        let _path = sockets::listen(&mut self.driver.engine, args, self.tls.as_ref())?;
        if let Some(backplane) = backplane {
            backplane.join(|url, settings| self.driver.engine.join_backplane(url, settings))?;
        }
        self.attend(&mut server, &Alone).map_err(cannot_wait)
    }

    /// Runs several loops on threads of their own.
    fn beside(
        &mut self,
        args: &Args,
        server: &Server,
        settings: &Settings,
        backplane: Option<Backplane>,
    ) -> Result<(), String> {
        let threads = args.threads.get();
        let mut loops = Loops::new(threads, settings).map_err(cannot_start)?;
        let _path = sockets::listen(&mut loops, args, self.tls.as_ref())?;
        if let Some(backplane) = backplane {
            backplane.join(|url, settings| loops.join_backplane(url, settings))?;
        }
        let (running, waker) = (Arc::new(AtomicUsize::new(threads)), self.driver.waker());
        let make = |number, _: &Group<Visit>| {
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

    /// Attends until the server is over.
    fn attend<H: Attended>(&mut self, handler: &mut H, whole: &impl Whole) -> io::Result<()> {
        self.summary = Summary::new(self.talk >= Talk::Normal);
        let mut is_over = false;
        loop {
            is_over |= whole.is_over(&mut self.driver.engine);
            if is_over && handler.is_done() {
                break;
            }
            let metrics = self.metrics.as_ref().and_then(Metrics::next_deadline);
            let busy = handler.is_busy(self.driver.engine.context()).then(Instant::now);
            let until = [self.summary.next(), metrics, self.drain.next(), busy].into_iter().flatten().min();
            let turn = self.driver.turn_with(handler, until, |handler, engine, event| match event {
                None => handler.on_turn(engine.context()),
                Some(event) if FARS.contains(&event.token().0) => handler.on_event(engine.context(), event),
                Some(event) => {
                    if let Some(metrics) = &mut self.metrics {
                        metrics.handle(event, || whole.stats(engine));
                    }
                }
            })?;
            let now = Instant::now();
            if let Some(metrics) = &mut self.metrics {
                metrics.on_time(now);
            }
            match turn {
                Turn::Done => {}
                Turn::AskedToEnd => self.drain.begin(now),
                Turn::AskedToReload => self.reload(),
            }
            while let Some(step) = self.drain.step(now) {
                match step {
                    DrainStep::StopListening => whole.stop_listening(&mut self.driver.engine),
                    DrainStep::Close(spread, close) => whole.close(&mut self.driver.engine, spread, close),
                    DrainStep::ShutDown => whole.shut_down(&mut self.driver.engine, self.grace),
                }
            }
            self.read_keyboard(whole);
            self.summary.tick(now, || whole.stats(&mut self.driver.engine));
        }
        self.summary.clear();
        Ok(())
    }

    /// Reloads the certificates.
    fn reload(&self) {
        match self.tls.as_ref().map(TlsServer::reload) {
            Some(Err(error)) => say(format_args!("the certificates stay as they were: {error}")),
            _ if self.talk < Talk::Normal => {}
            Some(Ok(())) => say("the certificates have been read again"),
            None => say("SIGHUP: there are no certificates to read again"),
        }
    }

    /// Sends what was typed.
    fn read_keyboard(&mut self, whole: &impl Whole) {
        let Some(keyboard) = &mut self.keyboard else { return };
        while let Some(line) = keyboard.line() {
            match line {
                Ok(line) if whole.stats(&mut self.driver.engine).open == 0 => {
                    warn("lines for nobody", format_args!("nobody is connected to get {:?}", short(line)));
                }
                Ok(line) => whole.broadcast(&mut self.driver.engine, Message::Text(&line)),
                Err(why) => say(why),
            }
        }
    }
}

#[cfg(unix)]
const fn is_bridge(args: &Args) -> bool {
    matches!(args.mode, Mode::Bridge(_))
}

#[cfg(not(unix))]
const fn is_bridge(_: &Args) -> bool {
    false
}

impl Attended for Nobody {}

/// One loop or several, as the attendant sees them.
trait Whole {
    fn stats(&self, own: &mut Engine<Visit>) -> Stats;
    fn broadcast(&self, own: &mut Engine<Visit>, message: Message<'_>);
    /// Closes connections, spread over a time.
    fn close(&self, own: &mut Engine<Visit>, spread: Duration, close: OwnedClose);
    /// Stops accepting connections.
    fn stop_listening(&self, own: &mut Engine<Visit>);
    fn shut_down(&self, own: &mut Engine<Visit>, grace: Duration);
    fn is_over(&self, own: &mut Engine<Visit>) -> bool;
}

/// The only loop is the attendant's own.
struct Alone;

impl Whole for Alone {
    fn stats(&self, own: &mut Engine<Visit>) -> Stats {
        own.context().stats()
    }

    fn broadcast(&self, own: &mut Engine<Visit>, message: Message<'_>) {
        own.context().publish(To::all(), message);
    }

    fn close(&self, own: &mut Engine<Visit>, spread: Duration, close: OwnedClose) {
        close_over(own.context(), spread, &close);
    }

    fn stop_listening(&self, own: &mut Engine<Visit>) {
        own.context().stop_listening();
    }

    fn shut_down(&self, own: &mut Engine<Visit>, grace: Duration) {
        own.context().shutdown(grace);
    }

    fn is_over(&self, own: &mut Engine<Visit>) -> bool {
        own.take_stop()
    }
}

/// The loops run elsewhere, and the attendant's own has nothing to do.
struct Together {
    group: Group<Visit>,
    /// How many loops have not ended.
    running: Arc<AtomicUsize>,
}

impl Whole for Together {
    fn stats(&self, _: &mut Engine<Visit>) -> Stats {
        self.group.stats()
    }

    fn broadcast(&self, _: &mut Engine<Visit>, message: Message<'_>) {
        if self.group.publish(To::all(), message) > 0 {
            warn("lines lost", "some of the threads are too far behind to get what was typed");
        }
    }

    fn close(&self, _: &mut Engine<Visit>, spread: Duration, close: OwnedClose) {
        for remote in self.group.remotes() {
            let close = close.clone();
            // A loop that is behind closes its connections at the end, with 1001.
            let _ = remote.run(move |cx| close_over(cx, spread, &close));
        }
    }

    fn stop_listening(&self, _: &mut Engine<Visit>) {
        for remote in self.group.remotes() {
            // A loop that is behind refuses further clients itself.
            let _ = remote.run(Context::stop_listening);
        }
    }

    fn shut_down(&self, _: &mut Engine<Visit>, grace: Duration) {
        self.group.shutdown(grace);
    }

    fn is_over(&self, _: &mut Engine<Visit>) -> bool {
        self.running.load(Ordering::Acquire) == 0
    }
}

/// A handler for the attendant's own loop, to which nobody connects.
struct Nobody;

impl Handler for Nobody {
    type Data = Visit;

    fn on_message(&mut self, _: &mut Context<Visit>, _: ConnId, _: Message<'_>) {}
}
