//! The transports of cases: sockets of their own, or streams of one connection.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use mio::{Interest, Token};

use super::Runner;
use super::probe::PROBE;
use crate::case::Case;
use crate::http2::{self, Stream, Trunk};
use crate::options::Carrier;
use crate::pipe::Pipe;
use crate::random::Random;
use crate::socket::Socket;

impl Runner<'_> {
    /// Makes the transport of a case: a token, the connection if it is a stream of one, and the pipe.
    pub(super) fn pipe(&mut self, case: &'static Case) -> io::Result<(usize, Option<usize>, Pipe)> {
        let cut = match self.plan.options.carrier {
            Carrier::Http2(cut) if case.http2.is_none() => cut,
            _ => {
                let (token, socket) = self.connect()?;
                return Ok((token, None, Pipe::Socket(socket)));
            }
        };
        // A probe has to show that the server accepts connections.
        let apart = self.plan.apart || self.alone.is_some() || std::ptr::eq(case, &raw const PROBE);
        let usable = |token: &usize| self.trunks.get(token).is_some_and(|trunk| trunk.borrow().is_fresh());
        let token = match self.current.filter(usable).filter(|_| !apart) {
            Some(token) => token,
            None => {
                let (token, socket) = self.connect()?;
                self.trunks.insert(token, Rc::new(RefCell::new(Trunk::connecting(socket, cut))));
                if !apart {
                    self.current = Some(token);
                }
                token
            }
        };
        let trunk = &self.trunks[&token];
        let stream = Stream::new(trunk, Random::for_case(self.plan.options.seed, case.id));
        self.next_token += 1;
        self.fresh.push(self.next_token - 1);
        Ok((self.next_token - 1, Some(token), Pipe::Stream(stream)))
    }

    fn connect(&mut self) -> io::Result<(usize, Socket)> {
        let mut socket = self.plan.target.connect()?;
        let token = self.next_token;
        self.next_token += 1;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(socket.tcp_mut(), Token(token), interest)?;
        Ok((token, socket))
    }

    /// Moves the bytes of connections that carry streams, and makes their streams ready.
    pub(super) fn pump_trunks(&mut self, ready: &mut Vec<usize>, more: &mut Vec<usize>) {
        let streams = self.slots.iter().map(|(slot, held)| (*slot, held.trunk));
        http2::pump_trunks(&self.trunks, streams, &mut self.scratch, ready, more);
    }

    /// Records that a stream is over: its connection may have room for another, or nothing more to do.
    pub(super) fn leave(&mut self, trunk: usize) {
        let waiting =
            self.slots.iter().filter(|(_, slot)| slot.trunk == Some(trunk)).map(|(token, _)| *token);
        self.fresh.extend(waiting);
        let Some(shared) = self.trunks.get(&trunk) else { return };
        let held = self.current == Some(trunk) && shared.borrow().is_fresh();
        if !held && Rc::strong_count(shared) == 1 {
            let _ = self.poll.registry().deregister(shared.borrow_mut().tcp_mut());
            self.trunks.remove(&trunk);
        }
    }
}
