//! Connections at the origin, and the cases they belong to.

use std::io;
use std::time::{Duration, Instant};

use super::super::head::MOST;
use super::super::mailbox::Mailbox;
use super::super::player::mark_in;
use super::Runner;
use super::slot::{Seat, reset};
use crate::link::Link;
use crate::pipe::Pipe;
use crate::socket::{Socket, passes};

/// How long a connection at the origin may remain without the mark of a case.
const NAMELESS: Duration = Duration::from_secs(10);
/// The most connections at the origin that belong to no case.
const MOST_NAMELESS: usize = 256;

impl Runner<'_> {
    pub(super) fn accept(&mut self) -> io::Result<()> {
        loop {
            let Some(listener) = &self.listener else { return Ok(()) };
            match listener.accept() {
                Ok((stream, _)) => {
                    let token = self.token();
                    if self.nameless.len() >= MOST_NAMELESS {
                        continue;
                    }
                    let stream = self.register(Socket::Tcp(stream), token)?;
                    let link = Link::accepted(Pipe::Socket(stream), Mailbox::default());
                    self.seats.insert(token, Seat::Nameless);
                    self.nameless.insert(token, (link, Instant::now()));
                }
                Err(error) if passes(&error) => {}
                // Nobody is waiting, or there is no descriptor.
                Err(_) => return Ok(()),
            }
        }
    }

    /// Reads a connection that belongs to no case yet. Returns the case to which it belongs now.
    pub(super) fn name(&mut self, token: usize) -> Option<usize> {
        let (link, _) = self.nameless.get_mut(&token)?;
        link.pump(&mut self.scratch);
        let mark = mark_in(&link.dialogue.inbox);
        if mark.is_none() {
            if link.dialogue.ended.is_some() || link.dialogue.inbox.len() > MOST {
                self.nameless.remove(&token);
                self.seats.remove(&token);
            }
            return None;
        }
        let (link, _) = self.nameless.remove(&token)?;
        self.attach(token, link, &mark?)
    }

    /// Gives a connection at the origin to the case with this mark.
    pub(super) fn attach(&mut self, token: usize, link: Link<Mailbox>, mark: &str) -> Option<usize> {
        let found = self.slots.iter_mut().find(|(_, slot)| slot.player.mark == mark);
        let Some((at, slot)) = found else {
            self.seats.remove(&token);
            return None;
        };
        if slot.origin.is_some() || slot.player.has_reached() {
            slot.player.came_again(slot.started.elapsed());
            reset(&link);
            self.seats.remove(&token);
            return None;
        }
        slot.origin = Some(link);
        self.seats.insert(token, Seat::Origin(*at));
        Some(*at)
    }

    /// Drops connections that belong to no case and have used up their time.
    pub(super) fn forget_nameless(&mut self) {
        self.nameless.retain(|_, (link, since)| !link.is_over() && since.elapsed() < NAMELESS);
        let nameless = &self.nameless;
        self.seats.retain(|token, seat| !matches!(seat, Seat::Nameless) || nameless.contains_key(token));
    }
}
