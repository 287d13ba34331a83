//! Connections of HTTP/2 that clients have made, and the streams on them: each is a client like any other.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use mio::Registry;

use super::client::REQUEST;
use crate::http2::{Cut, Shared, Stream, Trunk};
use crate::random::Random;
use crate::socket::Socket;

/// The connections that are open.
#[derive(Debug, Default)]
pub(super) struct Trunks {
    open: BTreeMap<usize, Carrier>,
}

#[derive(Debug)]
struct Carrier {
    trunk: Shared,
    begun: Instant,
    /// The tokens of its streams.
    streams: Vec<usize>,
}

impl Trunks {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// A client has connected.
    pub(super) fn add(&mut self, token: usize, socket: Socket, cut: Cut) {
        let trunk = Rc::new(RefCell::new(Trunk::accepted(socket, cut)));
        self.open.insert(token, Carrier { trunk, begun: Instant::now(), streams: Vec::new() });
    }

    /// Moves the bytes of those connections that are ready. Their streams become ready with them; those that clients have
    /// opened are handed over, each with the token of its connection.
    pub(super) fn pump(
        &mut self,
        ready: &mut Vec<usize>,
        more: &mut Vec<usize>,
        scratch: &mut [u8],
        seed: u64,
    ) -> Vec<(usize, Stream)> {
        let mut opened = Vec::new();
        for token in ready.clone() {
            let Some(carrier) = self.open.get_mut(&token) else { continue };
            if carrier.trunk.borrow_mut().pump(scratch) {
                more.push(token);
            }
            let asked = carrier.trunk.borrow_mut().asked();
            for id in asked {
                // The cuts of a stream follow from the seed and its number.
                let random = Random::for_case(seed, &id.to_string());
                opened.push((token, Stream::accepted(&carrier.trunk, id, random)));
            }
            ready.extend(&carrier.streams);
        }
        opened
    }

    /// The connection that carries this stream and no other, to be carried on by somebody else.
    pub(super) fn take_over(&mut self, stream: usize) -> Option<(usize, Shared)> {
        let carries =
            |carrier: &Carrier| carrier.streams.contains(&stream) && carrier.trunk.borrow().is_of_one();
        let token = self.open.iter().find(|(_, carrier)| carries(carrier)).map(|(token, _)| *token)?;
        self.open.remove(&token).map(|carrier| (token, carrier.trunk))
    }

    /// Has the client of this stream make another connection for what it asks next.
    pub(super) fn turn_away(&mut self, stream: usize) {
        if let Some(carrier) = self.open.values().find(|carrier| carrier.streams.contains(&stream)) {
            carrier.trunk.borrow_mut().turn_away();
        }
    }

    /// A stream of this connection is served with that token.
    pub(super) fn carries(&mut self, token: usize, stream: usize) {
        if let Some(carrier) = self.open.get_mut(&token) {
            carrier.streams.push(stream);
        }
    }

    /// Lets go of streams that nobody serves any more, and of connections that have ended, or on which nothing was ever
    /// said.
    pub(super) fn leave(&mut self, registry: &Registry, is_served: impl Fn(&usize) -> bool) {
        self.open.retain(|_, carrier| {
            carrier.streams.retain(&is_served);
            let mut trunk = carrier.trunk.borrow_mut();
            let silent = !trunk.has_begun() && carrier.begun.elapsed() >= REQUEST;
            let over = silent || trunk.is_over() && carrier.streams.is_empty();
            if over {
                let _ = registry.deregister(trunk.tcp_mut());
            }
            !over
        });
    }
}
