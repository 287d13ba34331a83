//! A case in play: both connections, and what is done on them.

use std::time::{Duration, Instant};

use super::super::mailbox::Mailbox;
use super::super::player::{Player, Wires};
use crate::link::Link;

/// How long a TCP connection to the front may take.
pub(super) const CONNECT: Duration = Duration::from_secs(4);

/// A case in play.
pub(super) struct Slot {
    pub(super) player: Player,
    pub(super) started: Instant,
    pub(super) client: Option<Link<Mailbox>>,
    /// The connection that carries the client's stream.
    pub(super) trunk: Option<usize>,
    pub(super) origin: Option<Link<Mailbox>>,
}

/// The owner of a token's connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Seat {
    Client(usize),
    Origin(usize),
    /// A connection that carries streams of clients.
    Trunk,
    /// A connection without an owner so far.
    Nameless,
}

impl Slot {
    pub(super) fn turn(&mut self) {
        let wires = Wires {
            client: self.client.as_mut().map(|link| &mut link.dialogue),
            origin: self.origin.as_mut().map(|link| &mut link.dialogue),
        };
        self.player.turn(self.started.elapsed(), wires);
    }

    /// Returns a state that changes whenever something happens.
    pub(super) fn state(&self) -> (usize, [(u64, bool, bool, usize); 2]) {
        let of = |link: &Option<Link<Mailbox>>| match link {
            Some(link) => {
                let mailbox = &link.dialogue;
                (
                    mailbox.written,
                    mailbox.ended.is_some(),
                    mailbox.out.is_empty(),
                    mailbox.inbox.len() + mailbox.half as usize,
                )
            }
            None => (0, false, false, usize::MAX),
        };
        (self.player.position(), [of(&self.client), of(&self.origin)])
    }
}

pub(super) fn due(slot: &Slot) -> Instant {
    let links = [&slot.client, &slot.origin].into_iter().flatten().map(|link| link.due(CONNECT)).min();
    let player = slot.started + slot.player.deadline();
    links.map_or(player, |link| link.min(player))
}

/// Ends a connection by a reset.
pub(super) fn reset(link: &Link<Mailbox>) {
    // If that fails, the connection ends in order, and the case will show it.
    if let Some(socket) = link.stream.socket() {
        let _ = socket2::SockRef::from(socket.tcp()).set_linger(Some(Duration::ZERO));
    }
}
