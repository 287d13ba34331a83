//! The place where the next bytes of a connection are read to.

use super::peer::Peer;
use super::pool::Pool;
use super::share;
use crate::connection::driver::InboundExt as _;
use crate::connection::{Config, Inbound};

/// If at least this much of a message is still to come, it is read straight into its own buffer.
pub(super) const DIRECT_FROM: usize = 64 * 1024;

/// If the last message was at least this long, the next one may be, too: then little more than its header is read
/// first, so that most of it can be read to where it belongs. A shorter one is mostly whole after one read, and needs
/// no other place.
const HEADER_FIRST_FROM: usize = 128 * 1024;
const FIRST_READ: usize = 1024;

/// Returns whether a long message is arriving, or may be.
#[inline]
pub(super) fn is_long(inbound: &Inbound, config: &Config) -> bool {
    inbound.wants_room(DIRECT_FROM, config) || inbound.may_want_room(HEADER_FIRST_FROM, config)
}

/// Returns where the next bytes of a connection go, and whether that is the message's own buffer or the receive buffer.
#[cold]
pub(super) fn choose<'a, D>(
    peer: &Peer<D>,
    inbound: &'a mut Inbound,
    scratch: &'a mut [u8],
    pool: &mut Pool,
) -> (&'a mut [u8], bool) {
    let config = peer.outbound.config();
    // No more than stays in the cache until it is unmasked.
    let cached = if peer.heavy { scratch.len().min(share::READ) } else { scratch.len() };
    let is_first = inbound.may_want_room(HEADER_FIRST_FROM, config);
    let is_direct = inbound.wants_room(DIRECT_FROM, config);
    let room = if is_direct {
        pool.lend_assembly(inbound);
        inbound.room(DIRECT_FROM, config).unwrap_or_default()
    } else {
        scratch
    };
    // The last piece takes a little more with it, to save a read of its own.
    let len = if is_first {
        FIRST_READ
    } else if room.len() < cached + cached / 2 {
        room.len()
    } else {
        cached
    };
    let len = if peer.metered { peer.most_at_once(len) } else { len };
    (&mut room[..len], is_direct)
}
