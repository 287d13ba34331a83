//! A node of a backplane: loops linked to an engine, in threads that end with the node.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use bowsprit::backplane::{BackplaneSettings, LinkEvent, LinkStats};
use bowsprit::event_loop::{Group, Handler, Loops, Settings};

use super::support::peer::{PATIENCE, Peer};

pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    pub(crate) group: Group<()>,
    events: Receiver<LinkEvent>,
    thread: Option<JoinHandle<()>>,
}

impl Node {
    /// Runs `threads` loops, each with a handler from `app`, which passes on the link's events.
    pub(crate) fn join<H: Handler<Data = ()> + 'static>(
        url: &str,
        threads: usize,
        settings: BackplaneSettings,
        app: fn(Sender<LinkEvent>) -> H,
    ) -> Self {
        let mut loops = Loops::new(threads, &Settings::default()).unwrap();
        let address = loops.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        loops.join_backplane(url, settings).unwrap();
        let group = loops.group().clone();
        let (sender, events) = channel();
        let thread = thread::spawn(move || {
            loops.run(move |_, _| app(sender.clone()), |_| ()).unwrap();
        });
        Self { address, group, events, thread: Some(thread) }
    }

    /// Waits until the link is up.
    pub(crate) fn up(self) -> Self {
        self.until_up();
        self
    }

    pub(crate) fn until_up(&self) {
        self.until(|event| matches!(event, LinkEvent::Up { .. }));
    }

    pub(crate) fn until_down(&self) -> LinkEvent {
        self.until(|event| matches!(event, LinkEvent::Down { .. }))
    }

    /// Waits for the first event for which `is_it` holds, and drops all before it.
    pub(crate) fn until(&self, is_it: impl Fn(&LinkEvent) -> bool) -> LinkEvent {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(left).expect("the event is still missing");
            if is_it(&event) {
                return event;
            }
        }
    }

    pub(crate) fn open(&self) -> Peer {
        Peer::open(self.address)
    }

    pub(crate) fn stats(&self) -> LinkStats {
        self.group.stats().backplane.unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.group.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
