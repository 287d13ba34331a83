//! The bytes to send: payloads in frames that are masked, compressed and encoded before they are needed.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use bowsprit::connection::{Config, Connection};
use bowsprit::entropy::SystemEntropy;
use bowsprit::extension::Compression;
use bowsprit::extension::deflate::{DeflateConfig, DeflateParams};
use bowsprit::frame::DataKind;
use bowsprit::message::Message;

use super::fault::Fault;
use super::payload::{Payloads, Script, Source};

/// What all connections send, whatever they agree on.
pub(super) struct Traffic {
    pub(super) payloads: Payloads,
    /// The payload of one in this many answers is compared.
    pub(super) sample: u32,
    /// How messages are compressed; `None` if they are not.
    pub(super) deflate: Option<DeflateConfig>,
    frames: usize,
}

/// Consecutive frames for connections that agreed on the same parameters.
///
/// They are sent again and again, which reuses masking keys: §5.3 wants fresh ones against pages in a browser that
/// attack proxies with a payload of their choice. Nobody chooses this payload, and the server cannot tell.
///
/// With context takeover each frame refers to those before it, and the first one to nothing, so that it may follow the
/// last one.
pub(super) struct Ring {
    agreed: Option<DeflateParams>,
    bytes: Vec<u8>,
    /// The position at which each frame ends.
    ends: Vec<usize>,
}

/// The rings of a run, each made when the first connection needs it.
pub(super) struct Rings<'p> {
    pub(super) traffic: &'p Traffic,
    rings: Vec<Ring>,
}

/// The most bytes of encoded frames, unless a single one is longer: bytes that are written repeatedly stay in the
/// cache.
const RING: usize = 2 << 20;

/// The most frames: more distinct keys add nothing.
const FRAMES: usize = 1024;

/// How many messages differ: with a kept context, only the first of that many has nothing before it.
const DISTINCT: usize = 64;

/// The most rings: a server that agrees to more than this many sets of parameters is not measured.
const AGREEMENTS: usize = 16;

impl Traffic {
    pub(super) fn new(
        kind: DataKind,
        source: Source,
        size: usize,
        seed: u64,
        in_flight: u32,
        sample: u32,
        deflate: Option<DeflateConfig>,
    ) -> Result<Self, &'static str> {
        let length = if let Source::Given(bytes) = &source { bytes.len() } else { size };
        let differ = matches!(source, Source::Text(Script::Words | Script::Json));
        // Twice as many as are in flight, so that a run of messages can start at half of them without a seam.
        let wanted = (2 * in_flight as usize).clamp(if differ { DISTINCT } else { 16 }, FRAMES);
        let frames = wanted.min(RING / (length.saturating_add(14))).max(1);
        let payloads = Payloads::new(kind, source, size, frames, seed)?;
        Ok(Self { payloads, sample, deflate, frames })
    }
}

impl Ring {
    fn new(traffic: &Traffic, agreed: Option<DeflateParams>) -> Result<Self, String> {
        let mut config = Config::default();
        config.deflate = traffic.deflate;
        config.max_queued = usize::MAX;
        let masks = Box::new(SystemEntropy::new());
        let mut core = Connection::client(Arc::new(config), masks, Instant::now());
        if let Some(agreed) = agreed {
            core = core.with_deflate(agreed);
        }
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for number in 0..traffic.frames as u64 {
            let payload = traffic.payloads.of(number);
            let message = match traffic.payloads.kind {
                DataKind::Binary => Message::Binary(payload),
                DataKind::Text => {
                    Message::Text(std::str::from_utf8(payload).map_err(|error| error.to_string())?)
                }
            };
            core.outbound.send_with(message, Compression::On).map_err(|error| error.to_string())?;
            while core.outbound.queued() > 0 {
                let pending = core.outbound.pending();
                let len = pending.len();
                bytes.extend_from_slice(pending);
                core.outbound.advance(len);
            }
            ends.push(bytes.len());
        }
        Ok(Self { agreed, bytes, ends })
    }

    /// Returns where up to `count` frames lie contiguously, from number `next` on, and how many they are.
    pub(super) fn run(&self, next: usize, count: usize) -> (Range<usize>, usize) {
        let first = next % self.ends.len();
        let count = count.min(self.ends.len() - first);
        let start = first.checked_sub(1).map_or(0, |before| self.ends[before]);
        let end = if count == 0 { start } else { self.ends[first + count - 1] };
        (start..end, count)
    }

    /// Returns encoded bytes.
    pub(super) fn bytes(&self, place: Range<usize>) -> &[u8] {
        &self.bytes[place]
    }
}

impl<'p> Rings<'p> {
    pub(super) const fn new(traffic: &'p Traffic) -> Self {
        Self { traffic, rings: Vec::new() }
    }

    /// Returns the number of the ring for connections that agreed on this.
    pub(super) fn number(&mut self, agreed: Option<DeflateParams>) -> Result<usize, Fault> {
        if agreed.is_none() && self.traffic.deflate.is_some() {
            return Err(Fault::NoDeflate);
        }
        if let Some(number) = self.rings.iter().position(|ring| ring.agreed == agreed) {
            return Ok(number);
        }
        if self.rings.len() == AGREEMENTS {
            return Err(Fault::Unsteady);
        }
        self.rings.push(Ring::new(self.traffic, agreed).map_err(Fault::Encoding)?);
        Ok(self.rings.len() - 1)
    }

    #[inline]
    pub(super) fn ring(&self, number: usize) -> &Ring {
        &self.rings[number]
    }

    /// Returns the different compression parameters that connections agreed on.
    pub(super) fn agreed(&self) -> Vec<String> {
        let agreed = self.rings.iter().filter_map(|ring| ring.agreed);
        agreed.map(|agreed| agreed.to_extension().to_string()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bowsprit::connection::Event;
    use bowsprit::extension::deflate::{DeflateOffer, SendContext};

    fn traffic(kind: DataKind, source: Source, size: usize, deflate: Option<DeflateConfig>) -> Traffic {
        Traffic::new(kind, source, size, 1, 3, 1, deflate).unwrap()
    }

    fn deflate(context: SendContext) -> DeflateConfig {
        let mut config = DeflateConfig::default();
        config.send_context = context;
        config
    }

    /// Returns what our server with default settings agrees to.
    fn agreed(config: DeflateConfig) -> DeflateParams {
        DeflateConfig::default().choose(&[DeflateOffer::new(&config).to_extension()]).unwrap()
    }

    /// Plays the ring `times` times to a server, which finds the payloads in order.
    fn play(traffic: &Traffic, agreed: Option<DeflateParams>, times: usize) -> Ring {
        let ring = Ring::new(traffic, agreed).unwrap();
        let mut server = Connection::server(Arc::new(Config::default()), Instant::now());
        if let Some(agreed) = agreed {
            server = server.with_deflate(agreed);
        }
        let mut bytes = ring.bytes.repeat(times);
        let mut input = &mut bytes[..];
        let mut messages = 0;
        while let Some(event) = server.inbound.next(&mut input, &mut server.outbound).unwrap() {
            if let Event::Message(message) = event {
                assert!(
                    message.as_bytes() == traffic.payloads.of(messages)
                        && message.kind() == traffic.payloads.kind
                );
                messages += 1;
            }
        }
        assert_eq!(messages, (ring.ends.len() * times) as u64);
        ring
    }

    #[test]
    fn every_frame_of_the_ring_carries_its_payload() {
        for (kind, source, size) in [
            (DataKind::Binary, Source::Pattern, 0),
            (DataKind::Binary, Source::Pattern, 70_000),
            (DataKind::Text, Source::Text(Script::Ascii), 126),
            (DataKind::Text, Source::Text(Script::Cyrillic), 1001),
            (DataKind::Text, Source::Text(Script::Words), 300),
            (DataKind::Text, Source::Text(Script::Json), 5000),
            (DataKind::Binary, Source::Given(vec![0xff; 9]), 16),
        ] {
            play(&traffic(kind, source.clone(), size, None), None, 1);
            for context in [SendContext::Fresh, SendContext::Window, SendContext::Compressor] {
                let config = deflate(context);
                let traffic = traffic(kind, source.clone(), size, Some(config));
                play(&traffic, Some(agreed(config)), 3);
            }
        }
    }

    #[test]
    fn a_context_that_is_kept_makes_frames_shorter() {
        let [fresh, kept] = [SendContext::Fresh, SendContext::Compressor].map(|context| {
            let config = deflate(context);
            let json = Source::Text(Script::Json);
            play(&traffic(DataKind::Text, json, 300, Some(config)), Some(agreed(config)), 2)
        });
        assert!(kept.bytes.len() * 10 < fresh.bytes.len() * 9, "{} {}", kept.bytes.len(), fresh.bytes.len());
        assert!(fresh.bytes.len() < 64 * 250);
    }

    #[test]
    fn a_run_ends_at_the_seam() {
        let traffic = Traffic::new(DataKind::Binary, Source::Pattern, 10, 1, 8, 1, None).unwrap();
        let mut rings = Rings::new(&traffic);
        let number = rings.number(None).unwrap();
        let ring = rings.ring(number);
        assert_eq!(ring.ends.len(), 16);
        let (place, count) = ring.run(14, 8);
        assert_eq!((place.end, count), (ring.bytes.len(), 2));
        let (place, count) = ring.run(16, 8);
        assert_eq!((place.start, count), (0, 8));
        assert_eq!(ring.run(3, 0), (3 * ring.ends[0]..3 * ring.ends[0], 0));
    }

    #[test]
    fn each_agreement_has_its_ring() {
        let config = deflate(SendContext::Window);
        let traffic = traffic(DataKind::Text, Source::Text(Script::Json), 100, Some(config));
        let mut rings = Rings::new(&traffic);
        assert!(matches!(rings.number(None), Err(Fault::NoDeflate)));
        let first = agreed(config);
        let other = DeflateParams { client_no_context_takeover: true, ..first };
        assert_eq!(rings.number(Some(first)).unwrap(), 0);
        assert_eq!(rings.number(Some(other)).unwrap(), 1);
        assert_eq!(rings.number(Some(first)).unwrap(), 0);
        assert_eq!(rings.agreed().len(), 2);
    }
}
