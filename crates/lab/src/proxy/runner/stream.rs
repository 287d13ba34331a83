//! The client's transport in a case: a connection of its own, or an HTTP/2 stream.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use super::super::case::Case;
use super::Runner;
use super::slot::Seat;
use crate::http2::{Stream, Trunk};
use crate::options::Carrier;
use crate::pipe::Pipe;
use crate::random::Random;

impl Runner<'_> {
    /// Makes the transport of a slot's client, and returns the connection if it is a stream of one. Cases do not share
    /// a connection, so none is affected by what another has done to it; the copies of one case do share.
    pub(super) fn pipe(
        &mut self,
        case: &'static Case,
        copy: u16,
        at: usize,
    ) -> io::Result<(Option<usize>, Pipe)> {
        let Carrier::Http2(cut) = self.plan.options.carrier else {
            let socket = self.register(self.plan.target.connect()?, at)?;
            return Ok((None, Pipe::Socket(socket)));
        };
        let of_it = self.slots.values().filter(|slot| std::ptr::eq(slot.player.case, case));
        let shared = of_it.filter_map(|slot| slot.trunk).next();
        let trunk = match shared {
            Some(trunk) => trunk,
            None => {
                let trunk = self.token();
                let socket = self.register(self.plan.target.connect()?, trunk)?;
                self.trunks.insert(trunk, Rc::new(RefCell::new(Trunk::connecting(socket, cut))));
                self.seats.insert(trunk, Seat::Trunk);
                trunk
            }
        };
        let random = Random::for_case(self.plan.options.seed ^ u64::from(copy) << 32, case.id);
        let stream = Stream::new(&self.trunks[&trunk], random).with_interim();
        Ok((Some(trunk), Pipe::Stream(stream)))
    }

    /// Records that a slot is gone: its connection has room for another stream, or goes as well if that was the last
    /// one.
    pub(super) fn leave(&mut self, trunk: Option<usize>) {
        let Some(token) = trunk else { return };
        self.roomy.extend(self.slots.iter().filter(|(_, slot)| slot.trunk == trunk).map(|(at, _)| *at));
        if self.trunks.get(&token).is_some_and(|shared| Rc::strong_count(shared) == 1) {
            self.trunks.remove(&token);
            self.seats.remove(&token);
        }
    }
}
