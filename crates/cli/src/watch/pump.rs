//! The loop: accepts connections, serves those that are ready, ends those that are late.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use bowsprit::event_loop::{ListenSocket, Settings};
use bowsprit::tls::TlsServer;
use mio::event::Event;
use mio::{Events, Interest, Poll, Registry, Token};
use slab::Slab;

use super::args::Args;
use super::child::Child;
use super::faults::FaultArgs;
use super::link::{Link, Step};
use super::observer::Observer;
use super::place::{Target, accepted};
use super::screen::Screen;
use super::socket::Socket;
use crate::exit::Exit;
use crate::output::{say, warn};
#[cfg(unix)]
use crate::serve::OwnPath;
use crate::signals::Signals;

const SIGNALS: Token = Token(0);
const LISTENER: Token = Token(1);
const LINKS: usize = 2;
/// The size of one read.
const BUFFER: usize = 256 << 10;
/// How long accepting pauses if the system has no room for more.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the connections that a command has left behind may still pass data.
const GRACE: Duration = Duration::from_secs(1);

pub(super) struct Pump {
    poll: Poll,
    signals: Signals,
    target: Target,
    tls: Option<TlsServer>,
    listener: Option<ListenSocket>,
    #[cfg(unix)]
    _own: Option<OwnPath>,
    child: Option<Child>,
    links: Slab<Link>,
    /// Links that have something to do without an event.
    ready: Vec<usize>,
    observer: Observer,
    buffer: Box<[u8]>,
    most: usize,
    /// How many connections may still come, if that is limited.
    left: Option<u64>,
    /// Set if connections may wait to be accepted; not before this time.
    accept: Option<Instant>,
    patience: Duration,
    faults: FaultArgs,
    started: Instant,
    number: u64,
}

/// Why a watch is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// As many connections as wanted have passed, or a signal came.
    Done,
    /// The command has ended, successfully or not.
    Command(bool),
}

impl Pump {
    pub(super) fn new(
        args: &Args,
        target: Target,
        tls: Option<TlsServer>,
        screen: Screen,
    ) -> Result<Self, String> {
        let cannot = |error: io::Error| format!("cannot listen: {error}");
        let poll = Poll::new().map_err(cannot)?;
        let signals = Signals::new(poll.registry(), SIGNALS).map_err(cannot)?;
        if tls.is_some() {
            signals.catch_hangup().map_err(cannot)?;
        }
        #[cfg(unix)]
        let (mut listener, own) = match &args.unix {
            Some(path) => {
                let cannot = |error| format!("cannot listen on {}: {error}", path.display());
                OwnPath::listen(path).map(|(socket, own)| (socket, Some(own))).map_err(cannot)?
            }
            None => (listen(args)?, None),
        };
        #[cfg(not(unix))]
        let mut listener = listen(args)?;
        register(&mut listener, poll.registry()).map_err(cannot)?;
        let scheme = if tls.is_some() { "wss" } else { "ws" };
        let url = match (&listener, listener.local_addr()) {
            (_, Some(address)) => format!("{scheme}://{address}{}", target.resource()),
            #[cfg(unix)]
            (_, None) => {
                let path = args.unix.as_deref().unwrap_or(std::path::Path::new(""));
                format!("ws+unix:{}:{}", path.display(), target.resource())
            }
            #[cfg(not(unix))]
            (_, None) => String::new(),
        };
        say(format_args!("listening on {url}"));
        let observer = Observer::new(args, screen, &url, &target.to_string())?;
        let child = match &args.command[..] {
            [] => None,
            command => Some(Child::start(command, &url, &signals)?),
        };
        Ok(Self {
            poll,
            signals,
            target,
            tls,
            listener: Some(listener),
            #[cfg(unix)]
            _own: own,
            child,
            links: Slab::new(),
            ready: Vec::new(),
            observer,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            most: args.max_connections as usize,
            left: args.count(),
            accept: Some(Instant::now()),
            patience: args.connect_timeout.0,
            faults: args.faults.clone(),
            started: Instant::now(),
            number: 0,
        })
    }

    pub(super) fn run(&mut self) -> io::Result<Ended> {
        let mut events = Events::with_capacity(1024);
        let mut over: Option<(Ended, Instant)> = None;
        loop {
            if self.listener.is_none() && self.links.is_empty() && self.child.is_none() {
                return Ok(over.map_or(Ended::Done, |(ended, _)| ended));
            }
            let due = self
                .links
                .iter()
                .flat_map(|(_, link)| [link.due(self.patience), link.wakes()])
                .flatten()
                .min();
            let accept = self.accept.filter(|_| self.has_room());
            let due = [due, accept, over.map(|(_, until)| until)].into_iter().flatten().min();
            let wait = match self.ready.is_empty() {
                true => due.map(|due| due.saturating_duration_since(Instant::now())),
                false => Some(Duration::ZERO),
            };
            match self.poll.poll(&mut events, wait) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => events.clear(),
                Err(error) => return Err(error),
            }
            for event in &events {
                if self.take(event) {
                    return Ok(Ended::Done);
                }
            }
            if let Some(well) = self.child.as_mut().and_then(Child::ended) {
                self.child = None;
                self.listener = None;
                over = Some((Ended::Command(well), Instant::now() + GRACE));
            }
            if over.is_some_and(|(_, until)| until <= Instant::now()) {
                return Ok(over.map_or(Ended::Done, |(ended, _)| ended));
            }
            self.accept_all();
            self.wake();
            for slot in std::mem::take(&mut self.ready) {
                if let Some(link) = self.links.get_mut(slot) {
                    link.is_listed = false;
                    self.step(slot);
                }
            }
            self.end_late();
        }
    }

    /// Handles an event. Returns whether it asks for the end.
    fn take(&mut self, event: &Event) -> bool {
        match event.token() {
            SIGNALS => {
                let asked = self.signals.take();
                if let (true, Some(tls)) = (asked.reload, &self.tls)
                    && let Err(error) = tls.reload()
                {
                    warn("files that cannot be read again", error);
                }
                return asked.end;
            }
            LISTENER => self.accept = Some(Instant::now()),
            Token(token) => {
                let slot = (token - LINKS) / 2;
                if let Some(link) = self.links.get_mut(slot) {
                    link.note(event);
                    self.list(slot);
                }
            }
        }
        false
    }

    fn list(&mut self, slot: usize) {
        if let Some(link) = self.links.get_mut(slot)
            && !std::mem::replace(&mut link.is_listed, true)
        {
            self.ready.push(slot);
        }
    }

    /// Lists the links whose faults let bytes pass again.
    fn wake(&mut self) {
        let now = Instant::now();
        let due = self.links.iter().filter(|(_, link)| link.wakes().is_some_and(|at| at <= now));
        for slot in due.map(|(slot, _)| slot).collect::<Vec<_>>() {
            self.list(slot);
        }
    }

    fn has_room(&self) -> bool {
        self.listener.is_some() && self.links.len() < self.most
    }

    fn accept_all(&mut self) {
        while self.has_room() && self.accept.is_some_and(|at| at <= Instant::now()) {
            let accepted = match &self.listener {
                Some(ListenSocket::Tcp(listener)) => listener
                    .accept()
                    .and_then(|(stream, from)| Ok((accepted(stream, self.tls.as_ref())?, from.to_string()))),
                #[cfg(unix)]
                Some(ListenSocket::Unix(listener)) => {
                    listener.accept().map(|(stream, _)| (Socket::Unix(stream), "a Unix socket".to_owned()))
                }
                _ => return,
            };
            match accepted {
                Ok((socket, from)) => self.open(socket, &from),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.accept = None,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    warn("connections that cannot be accepted", format_args!("cannot accept: {error}"));
                    self.accept = Some(Instant::now() + PAUSE);
                }
            }
        }
    }

    fn open(&mut self, socket: Socket, from: &str) {
        self.number += 1;
        if let Some(left) = &mut self.left {
            *left -= 1;
            if *left == 0 {
                self.listener = None;
            }
        }
        let faults = self.faults.of(self.number);
        self.observer.open(self.number, self.started.elapsed(), from, faults.is_some());
        let token = Token(LINKS + 2 * self.links.vacant_key());
        let link =
            Link::new(self.number, socket, &self.target, &self.observer, self.poll.registry(), token, faults);
        match link {
            Ok(link) => {
                let slot = self.links.insert(link);
                self.list(slot);
            }
            Err(why) => self.observer.not_reached(self.number, &self.target, &why),
        }
    }

    fn step(&mut self, slot: usize) {
        let Some(link) = self.links.get_mut(slot) else { return };
        match link.step(&self.target, &mut self.observer, self.poll.registry(), &mut self.buffer) {
            Step::Wait => {}
            Step::More => self.list(slot),
            Step::Over => {
                self.links.remove(slot).finish(&mut self.observer, self.poll.registry());
            }
            Step::NotReached(why) => {
                self.observer.not_reached(link.number, &self.target, &why);
                self.links.remove(slot);
            }
        }
    }

    /// Gives up on servers that were not reached in time.
    fn end_late(&mut self) {
        let now = Instant::now();
        let late =
            self.links.iter().filter(|(_, link)| link.due(self.patience).is_some_and(|due| due <= now));
        for slot in late.map(|(slot, _)| slot).collect::<Vec<_>>() {
            let link = self.links.remove(slot);
            let why = format!("no answer within {:?}", self.patience);
            self.observer.not_reached(link.number, &self.target, &why);
        }
    }

    /// Prints the summary, and returns the exit code.
    pub(super) fn finish(mut self, ended: Ended) -> Exit {
        for link in self.links.drain() {
            link.finish(&mut self.observer, self.poll.registry());
        }
        let exit = self.observer.finish(self.started.elapsed());
        match (ended, exit) {
            (Ended::Command(false), Exit::Done) => Exit::PeerFailed,
            (_, exit) => exit,
        }
    }
}

fn listen(args: &Args) -> Result<ListenSocket, String> {
    let socket = ListenSocket::tcp(args.listen, &Settings::default());
    socket.map_err(|error| crate::serve::cannot(&args.listen, "--listen", &error))
}

fn register(listener: &mut ListenSocket, registry: &Registry) -> io::Result<()> {
    match listener {
        ListenSocket::Tcp(listener) => registry.register(listener, LISTENER, Interest::READABLE),
        #[cfg(unix)]
        ListenSocket::Unix(listener) => registry.register(listener, LISTENER, Interest::READABLE),
        _ => Err(ErrorKind::Unsupported.into()),
    }
}
