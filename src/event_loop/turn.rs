//! The state that the phases of a turn work on.

use super::context::Context;
use super::handler::Handler;
use super::id::ConnId;
use super::listener::Listener;
use crate::connection::Inbound;

/// An engine and the handler of a turn. The phases are in files of their own: `accepting`, `receive`, `opening`,
/// `send`, `ending`, `deadlines`, `shutdown`; their order is in `engine`.
#[derive(Debug)]
pub(super) struct Turn<'a, H: Handler> {
    pub(super) cx: &'a mut Context<H::Data>,
    /// The receiving halves of connections, by slot.
    pub(super) inbounds: &'a mut Vec<Inbound>,
    pub(super) listeners: &'a mut Vec<Listener>,
    /// The receive buffer that all connections share.
    pub(super) scratch: &'a mut [u8],
    pub(super) handler: &'a mut H,
}

impl<H: Handler> Turn<'_, H> {
    /// Returns the id of the connection in this slot, which must exist.
    #[inline]
    pub(super) fn id(&self, slot: usize) -> ConnId {
        self.cx.id(slot)
    }

    /// Continues in the next turn if there may be more to read, or something that was read is left.
    #[inline]
    pub(super) fn read_later(&mut self, slot: usize) {
        let peer = &self.cx.peers[slot];
        if peer.readable || peer.has_rest() {
            self.cx.agenda.read(slot);
        }
    }

    /// Returns the slots that are taken.
    pub(super) fn slots(&self) -> Vec<usize> {
        self.cx.peers.iter().map(|(slot, _)| slot).collect()
    }
}
