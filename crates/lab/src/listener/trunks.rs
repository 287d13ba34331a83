//! HTTP/2 connections made by clients, and their streams: each stream is a client like any other.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use mio::Registry;

use super::client::REQUEST;
use crate::http2::{Cut, Shared, Stream, Trunk};
use crate::random::Random;
use crate::socket::Socket;

/// The open connections.
#[derive(Debug, Default)]
pub(super) struct Trunks {
    open: BTreeMap<usize, Carrier>,
}

#[derive(Debug)]
struct Carrier {
    trunk: Shared,
    begun: Instant,
    /// The tokens of the connection's streams.
    streams: Vec<usize>,
}

impl Trunks {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Adds a connection that a client has made.
    pub(super) fn add(&mut self, token: usize, socket: Socket, cut: Cut) {
        let trunk = Rc::new(RefCell::new(Trunk::accepted(socket, cut)));
        self.open.insert(token, Carrier { trunk, begun: Instant::now(), streams: Vec::new() });
    }

    /// Moves the bytes of the connections that are ready. Their streams become ready with them; streams that clients
    /// have opened are returned, each with the token of its connection.
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
                // The cuts of a stream follow from the seed and the number of the stream.
                let random = Random::for_case(seed, &id.to_string());
                opened.push((token, Stream::accepted(&carrier.trunk, id, random)));
            }
            ready.extend(&carrier.streams);
        }
        opened
    }

    /// Returns the connection that carries this stream and no other, and leaves it to the caller.
    pub(super) fn take_over(&mut self, stream: usize) -> Option<(usize, Shared)> {
        let carries =
            |carrier: &Carrier| carrier.streams.contains(&stream) && carrier.trunk.borrow().is_of_one();
        let token = self.open.iter().find(|(_, carrier)| carries(carrier)).map(|(token, _)| *token)?;
        self.open.remove(&token).map(|carrier| (token, carrier.trunk))
    }

    /// Makes the client of this stream open another connection for its next request.
    pub(super) fn turn_away(&mut self, stream: usize) {
        if let Some(carrier) = self.open.values().find(|carrier| carrier.streams.contains(&stream)) {
            carrier.trunk.borrow_mut().turn_away();
        }
    }

    /// Records that a stream of this connection has that token.
    pub(super) fn carries(&mut self, token: usize, stream: usize) {
        if let Some(carrier) = self.open.get_mut(&token) {
            carrier.streams.push(stream);
        }
    }

    /// Removes streams that are not served any more, and connections that have ended or on which nothing was ever sent.
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
