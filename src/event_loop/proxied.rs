//! Connections through a trusted proxy, and how it names its client: by a header of the PROXY protocol in front of
//! everything else, TLS included, or by a field of the request.

#[cfg(feature = "tls")]
use std::io;
use std::net::IpAddr;
use std::ops::Range;

use super::ended::Failed;
use super::handler::Handler;
use super::peer::{Opening, Stage};
use super::settings::Settings;
use super::turn::Turn;
use crate::handshake::{Head, Progress, ProxyHeader, Refusal, ServerHandshake, TrustedProxies};
#[cfg(feature = "tls")]
use crate::tls::{Session, TlsServer};

/// How many bytes are read at a time while a header is awaited. What comes after it in the same read is passed on.
const READ: usize = 4096;

/// Returns whether a connection from this address begins with a header of the PROXY protocol.
pub(super) fn is_announced(settings: &Settings, from: Option<IpAddr>) -> bool {
    settings.proxy_protocol && trusted(settings, from).is_some()
}

/// Returns the trusted proxies, if one of them is at this address.
pub(super) fn trusted(settings: &Settings, from: Option<IpAddr>) -> Option<&TrustedProxies> {
    settings.trusted_proxies.as_deref().filter(|proxies| from.is_some_and(|from| proxies.trust(from)))
}

impl<H: Handler> Turn<'_, H> {
    /// Reads the next part of a proxy's header.
    pub(super) fn read_announcement(&mut self, slot: usize) {
        let most = self.scratch.len().min(READ);
        let Some(len) = self.read_head(slot, most) else { return };
        let Stage::Announcing(announcing) = &mut self.cx.peers[slot].stage else { return };
        match announcing.reader.receive(&self.scratch[..len]) {
            Ok(Progress::NeedMore) => {}
            Ok(Progress::Done { value, used }) => self.announced(slot, value, used..len),
            Err(error) => self.fail(slot, &Failed::Proxy(error)),
        }
    }

    /// Handles a proxy's header; `behind` is the range of what its client has sent.
    fn announced(&mut self, slot: usize, header: ProxyHeader, behind: Range<usize>) {
        let Settings { head, leniency, .. } = self.cx.settings;
        let peer = &mut self.cx.peers[slot];
        let Stage::Announcing(announcing) = &mut peer.stage else { return };
        let handshake = ServerHandshake::new(head).with_leniency(leniency);
        let (until, is_plain) = (announcing.until, announcing.is_plain());
        #[cfg(feature = "tls")]
        let tls = announcing.tls.take();
        peer.stage = Stage::Server(Box::new(Opening { handshake, until }));
        let has_room = self.count_announced(slot, header);
        #[cfg(feature = "tls")]
        if let Some(tls) = tls
            && let Err(error) = self.lay_tls_behind(slot, &tls, behind.clone(), has_room)
        {
            return self.fail(slot, &Failed::Io(error));
        }
        if !has_room {
            return self.too_many(slot);
        }
        if is_plain
            && !behind.is_empty()
            && let Some(frames) = self.take_handshake(slot, behind)
        {
            self.take_frames(self.id(slot), frames);
        }
    }

    /// Establishes TLS over a connection of which these bytes have been read already; if it does not stay, only for an
    /// answer.
    #[cfg(feature = "tls")]
    fn lay_tls_behind(
        &mut self,
        slot: usize,
        tls: &TlsServer,
        behind: Range<usize>,
        stays: bool,
    ) -> io::Result<()> {
        let tls = if stays { tls.connection()? } else { tls.connection_of_http1()? };
        let mut session = Session::new(tls);
        session.begin(&mut self.scratch[behind])?;
        let peer = &mut self.cx.peers[slot];
        let bare = peer.transport.memory();
        peer.transport.wrap(session);
        self.cx.budget.enter(peer.transport.memory() - bare);
        // TLS has something to answer, and may hold what was read.
        peer.readable = true;
        Ok(())
    }

    /// Counts the client that a proxy has announced, unless that is a proxy again, whose request names another. Returns
    /// whether the limit allows it.
    fn count_announced(&mut self, slot: usize, header: ProxyHeader) -> bool {
        let peer = &mut self.cx.peers[slot];
        let client = match header.source() {
            Some(source) => {
                let client = source.ip().to_canonical();
                peer.cold().forwarded_for = Some(client);
                if trusted(&self.cx.settings, Some(client)).is_some() {
                    return true;
                }
                client
            }
            None => {
                // A proxy that forwards bytes forwards a request's fields as its client wrote them.
                peer.cold().speaks_for_itself = true;
                let Some(from) = peer.transport.peer_addr() else { return true };
                from.ip()
            }
        };
        self.count_client(slot, client)
    }

    /// Applies what a proxy has announced in front of HTTP/2 to a stream on that connection.
    #[cfg(feature = "http2")]
    pub(super) fn announced_as(&mut self, stream: usize, carrier: usize) {
        let Some(cold) = self.cx.peers[carrier].cold.as_deref() else { return };
        let (client, speaks_for_itself) = (cold.forwarded_for, cold.speaks_for_itself);
        let cold = self.cx.peers[stream].cold();
        (cold.forwarded_for, cold.speaks_for_itself) = (client, speaks_for_itself);
    }

    /// If the peer is a trusted proxy, finds its client in the request, and counts it. Returns whether the limit allows
    /// it.
    pub(super) fn ask_proxy(&mut self, slot: usize, head: &Head) -> bool {
        if self.cx.settings.trusted_proxies.is_none() {
            return true;
        }
        let peer = &mut self.cx.peers[slot];
        let announced = match peer.cold.as_deref() {
            Some(cold) if cold.speaks_for_itself => return true,
            Some(cold) => cold.forwarded_for,
            None => None,
        };
        let from = announced.or_else(|| peer.transport.peer_addr().map(|from| from.ip()));
        let Some((proxies, from)) = trusted(&self.cx.settings, from).zip(from) else { return true };
        let client = proxies.client(from, head);
        peer.cold().forwarded_for = Some(client);
        self.count_client(slot, client)
    }

    fn count_client(&mut self, slot: usize, client: IpAddr) -> bool {
        let Some(most) = self.cx.settings.max_per_address else { return true };
        match self.cx.admission.enter_from(client, most) {
            Some(number) => {
                self.cx.peers[slot].address = number;
                true
            }
            None => false,
        }
    }

    /// Tells a client that there are too many from its address.
    pub(super) fn too_many(&mut self, slot: usize) {
        let refusal = Refusal::trusted(429).with_text("Too many connections from this address.");
        self.refuse(slot, &refusal.encode(), &Failed::Refused(429));
    }
}
