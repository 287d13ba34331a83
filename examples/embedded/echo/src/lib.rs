//! Both sides of an echo on the core alone, for anything that has an allocator: bytes and the time in, bytes out. No
//! socket, no clock, no operating system.

#![no_std]

extern crate alloc;

pub mod recording;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bowsprit::connection::{CloseStep, Config, Connection, Event};
use bowsprit::entropy::Entropy;
use bowsprit::handshake::{
    Acceptance, ClientHandshake, ClientRequest, HeadLimits, Incoming, Progress, Refusal, ServerHandshake,
};
use bowsprit::time::{self, Instant};

/// How long the peer may take for its part of the handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// One end of a connection, from its first byte to its last.
pub struct Echo {
    stage: Stage,
    config: Arc<Config>,
    opened: Instant,
    /// What has to be sent before anything of the connection: our part of the handshake.
    head: Vec<u8>,
}

enum Stage {
    Server(ServerHandshake),
    Client(Box<ClientHandshake>, Option<Box<dyn Entropy + Send>>),
    Open(Box<Connection>),
    Over,
}

impl Echo {
    /// Creates the server's end of a TCP connection that was accepted at `now`. A server masks nothing, and so needs no
    /// randomness.
    pub fn server(now: Duration) -> Self {
        let stage = Stage::Server(ServerHandshake::new(HeadLimits::default()));
        Self { stage, config: Arc::default(), opened: time::at(now), head: Vec::new() }
    }

    /// Creates the client's end of a TCP connection that was made at `now`. `entropy` provides the nonce of the
    /// handshake and the masking keys, which must be unpredictable to others (RFC 6455 §10.3). Returns `None` if it has
    /// none to give, or the host is invalid.
    pub fn client(host: &str, mut entropy: Box<dyn Entropy + Send>, now: Duration) -> Option<Self> {
        let request = ClientRequest::new(host, "/").ok()?;
        let handshake = ClientHandshake::new(request, entropy.nonce().ok()?);
        let head = handshake.request().into();
        let stage = Stage::Client(Box::new(handshake), Some(entropy));
        Some(Self { stage, config: Arc::default(), opened: time::at(now), head })
    }

    /// Takes bytes from the peer.
    pub fn receive(&mut self, bytes: &mut [u8], now: Duration) {
        let now = time::at(now);
        let used = match &mut self.stage {
            Stage::Server(handshake) => match handshake.receive(bytes) {
                Ok(Progress::NeedMore) => return,
                Ok(Progress::Done { value: Incoming::Upgrade(request), used }) => {
                    // It chooses nothing, and so nothing that was not offered.
                    let Ok((response, _)) = request.accept(&Acceptance::default()) else { return self.end() };
                    self.head = response;
                    self.stage = Stage::Open(Box::new(Connection::server(Arc::clone(&self.config), now)));
                    used
                }
                Ok(Progress::Done { value: Incoming::Plain(request), .. }) => {
                    self.head = request.answer(&Refusal::upgrade_required());
                    return self.end();
                }
                Err(error) => {
                    self.head = handshake.answer(error);
                    return self.end();
                }
            },
            Stage::Client(handshake, entropy) => match handshake.receive(bytes) {
                Ok(Progress::NeedMore) => return,
                Ok(Progress::Done { used, .. }) => {
                    let Some(masks) = entropy.take() else { return self.end() };
                    let connection = Connection::client(Arc::clone(&self.config), masks, now);
                    self.stage = Stage::Open(Box::new(connection));
                    used
                }
                Err(_) => return self.end(),
            },
            Stage::Open(_) => 0,
            Stage::Over => return,
        };
        let Stage::Open(connection) = &mut self.stage else { return };
        let mut input = &mut bytes[used..];
        if !input.is_empty() {
            connection.deadlines.heard(now);
        }
        let Connection { inbound, outbound, deadlines } = &mut **connection;
        // After an error the Close frame that reports it is queued already.
        while let Ok(Some(event)) = inbound.next(&mut input, outbound) {
            if let Event::Message(message) = event {
                let _ = outbound.send(message); // refused only if this side is closing, or the peer reads nothing
            }
        }
        if outbound.sent_close() {
            deadlines.closing(now);
        }
    }

    /// Moves what has to be sent to the end of `out`.
    pub fn send_into(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.head);
        let Stage::Open(connection) = &mut self.stage else { return };
        while !connection.outbound.pending().is_empty() {
            out.extend_from_slice(connection.outbound.pending());
            connection.outbound.advance(connection.outbound.pending().len());
        }
    }

    /// Returns when [`tick`](Self::tick) has to be called, unless bytes come before.
    pub fn next_timeout(&self) -> Option<Duration> {
        match &self.stage {
            Stage::Server(_) | Stage::Client(..) => Some(self.opened + HANDSHAKE_TIMEOUT),
            Stage::Open(connection) => connection.next_timeout(),
            Stage::Over => None,
        }
        .map(|at| at.duration_since(time::at(Duration::ZERO)))
    }

    /// Does what is due at this time.
    pub fn tick(&mut self, now: Duration) {
        let now = time::at(now);
        let over = match &mut self.stage {
            Stage::Server(_) | Stage::Client(..) => self.opened + HANDSHAKE_TIMEOUT <= now,
            Stage::Open(connection) => {
                let over = connection.handle_timeout(now).is_some();
                while over && !connection.outbound.pending().is_empty() {
                    self.head.extend_from_slice(connection.outbound.pending());
                    connection.outbound.advance(connection.outbound.pending().len());
                }
                over
            }
            Stage::Over => false,
        };
        if over {
            self.end();
        }
    }

    /// Returns whether the TCP connection has to be closed once everything is sent.
    pub fn is_over(&self) -> bool {
        match &self.stage {
            Stage::Open(connection) => connection.close_step() == CloseStep::CloseTcp,
            Stage::Over => true,
            Stage::Server(_) | Stage::Client(..) => false,
        }
    }

    fn end(&mut self) {
        self.stage = Stage::Over;
    }
}
