//! The engine in our own `mio::Poll`, beside signals and a waker.

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
    /// Asked to read files again; only after [`Driver::catch_hangup`].
    AskedToReload,
}

const SIGNALS: Token = Token(0);
const WAKER: Token = Token(1);
/// Tokens for other things that a command waits for.
pub(super) const OTHERS: Range<usize> = 2..1000;
/// Tokens for the far ends of a bridge.
pub(super) const FARS: Range<usize> = 1000..1 << 24;
const ENGINE: Range<usize> = FARS.end..usize::MAX;

impl<D: Default> Driver<D> {
    pub(super) fn new(settings: Settings) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let mut engine = Engine::new(settings, poll.registry(), ENGINE)?;
        // A `Poll` has one waker, so answers of the engine's resolvers come through ours.
        engine.remote_with(waker.clone())?;
        Ok(Self {
            engine,
            signals: Signals::new(poll.registry(), SIGNALS)?,
            waker,
            events: Events::with_capacity(1024),
            poll,
        })
    }

    /// Returns the waker, which ends the wait of a turn from another thread.
    pub(super) fn waker(&self) -> Arc<Waker> {
        self.waker.clone()
    }

    /// Returns the registry, for sources with tokens in [`OTHERS`].
    pub(super) fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// From now on, SIGHUP is [`Turn::AskedToReload`] and does not end the process.
    pub(super) fn catch_hangup(&self) -> io::Result<()> {
        self.signals.catch_hangup()
    }

    /// From now on, the end of a child process is an event and sets this flag.
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

    /// Waits for events as [`turn`](Self::turn) does. `other` gets the events with tokens in [`OTHERS`] and [`FARS`],
    /// and `None` once all of them are handed out.
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
    /// Waits for events, at most until `due`; polls first, as [`Settings::spin`] says.
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
                // A signal came, such as SIGCONT after SIGSTOP: nothing has been read yet, so a peer that seems silent
                // may have sent something. What a handler has written to its pipe is there, too.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => wait = Some(Duration::ZERO),
                result => return result,
            }
        }
    }
}
