//! The engine in a `mio::Poll` of ours, beside signals and a waker.

use std::io;
use std::ops::Range;
use std::sync::Arc;
#[cfg(unix)]
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use bowsprit::event_loop::{Engine, Handler, Settings};
use mio::event::Event;
use mio::{Events, Poll, Registry, Token, Waker};

use super::signals::Signals;

pub(super) struct Driver<D> {
    pub(super) engine: Engine<D>,
    poll: Poll,
    events: Events,
    signals: Signals,
    waker: Arc<Waker>,
}

/// Whether a turn has brought a signal that asks for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Done,
    AskedToEnd,
    /// To read files again; after [`Driver::catch_hangup`] only.
    AskedToReload,
}

const SIGNALS: Token = Token(0);
const WAKER: Token = Token(1);
/// For what else a command waits for.
pub(super) const OTHERS: Range<usize> = 2..1000;
/// For far ends of a bridge.
pub(super) const FARS: Range<usize> = 1000..1 << 24;
const ENGINE: Range<usize> = FARS.end..usize::MAX;

impl<D: Default> Driver<D> {
    pub(super) fn new(settings: Settings) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let mut engine = Engine::new(settings, poll.registry(), ENGINE)?;
        // A `Poll` has one waker: what the engine's resolvers answer comes through ours.
        engine.remote_with(waker.clone())?;
        Ok(Self {
            engine,
            signals: Signals::new(poll.registry(), SIGNALS)?,
            waker,
            events: Events::with_capacity(1024),
            poll,
        })
    }

    /// Ends the wait of a turn from another thread.
    pub(super) fn waker(&self) -> Arc<Waker> {
        self.waker.clone()
    }

    /// Where to register what has the tokens [`OTHERS`].
    pub(super) fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// From now on SIGHUP is [`Turn::AskedToReload`], and not an end.
    pub(super) fn catch_hangup(&self) -> io::Result<()> {
        self.signals.catch_hangup()
    }

    /// From now on the end of a child is an event, and raises this flag.
    #[cfg(unix)]
    pub(super) fn catch_children(&self) -> io::Result<Arc<AtomicBool>> {
        self.signals.catch_children()
    }

    /// Waits for events, at most until `until`, and handles them.
    pub(super) fn turn<H: Handler<Data = D>>(
        &mut self,
        handler: &mut H,
        until: Option<Instant>,
    ) -> io::Result<Turn> {
        self.turn_with(handler, until, |_, _, _| ())
    }

    /// As [`turn`](Self::turn); `other` gets events whose tokens are of [`OTHERS`] and [`FARS`], and nothing once all are
    /// handed out.
    pub(super) fn turn_with<H: Handler<Data = D>>(
        &mut self,
        handler: &mut H,
        until: Option<Instant>,
        mut other: impl FnMut(&mut H, &mut Engine<D>, Option<&Event>),
    ) -> io::Result<Turn> {
        let due = [until, self.engine.next_deadline()].into_iter().flatten().min();
        self.wait(due)?;
        let mut turn = Turn::Done;
        for event in &self.events {
            match event.token() {
                SIGNALS => {
                    let asked = self.signals.take();
                    if asked.end {
                        turn = Turn::AskedToEnd;
                    } else if asked.reload {
                        turn = Turn::AskedToReload;
                    }
                }
                WAKER => {}
                Token(token) if token < ENGINE.start => other(handler, &mut self.engine, Some(event)),
                _ => self.engine.handle(event, handler),
            }
        }
        other(handler, &mut self.engine, None);
        self.engine.on_time(Instant::now(), handler);
        Ok(turn)
    }
    /// Waits for events, at most until `due`; first awake, as [`Settings::spin`] says.
    fn wait(&mut self, due: Option<Instant>) -> io::Result<()> {
        let spin = self.engine.settings().spin;
        if !spin.is_zero() {
            let start = Instant::now();
            let mut now = start;
            while now - start < spin && due.is_none_or(|due| now < due) {
                self.poll(Some(Duration::ZERO))?;
                if !self.events.is_empty() {
                    return Ok(());
                }
                std::hint::spin_loop();
                now = Instant::now();
            }
        }
        self.poll(due.map(|due| due.saturating_duration_since(Instant::now())))
    }

    fn poll(&mut self, mut wait: Option<Duration>) -> io::Result<()> {
        loop {
            match self.poll.poll(&mut self.events, wait) {
                // A signal, as SIGCONT after SIGSTOP: nothing has been looked at, so that who seems to be silent may have
                // spoken. What a handler has written to its pipe is there, too.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => wait = Some(Duration::ZERO),
                result => return result,
            }
        }
    }
}
