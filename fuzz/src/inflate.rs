//! Compressed messages (RFC 7692): any cut gives the same, no more comes out than the limit allows, what another inflater
//! makes of a stream is what ours makes of it, and what we compress comes back from both.

use std::sync::Arc;
use std::time::Instant;

use flate2::{Decompress, FlushDecompress, Status};

use crate::support::{Cuts, Random, Seen, frames};
use bowsprit::connection::{Config, Connection, Event};
use bowsprit::error::ProtocolError;
use bowsprit::extension::deflate::{DeflateConfig, DeflateParams};
use bowsprit::frame::RawHeader;
use bowsprit::message::Message;

/// What a message may inflate to here.
const MOST: usize = 20_000;
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

pub fn run(mut data: &[u8]) {
    let cuts = Cuts::take(&mut data);
    let Some((&bits, data)) = data.split_first() else { return };
    // No byte at all is an empty message to us; to the other it is a block cut short (RFC 7692 §7.2.3.6).
    if !data.is_empty() {
        inflate(&cuts, bits, data);
    }
    compress(bits, data);
}

fn config() -> Arc<Config> {
    let mut deflate = DeflateConfig::default();
    deflate.threshold = 0;
    let mut config = Config::default();
    config.max_message = MOST;
    config.deflate = Some(deflate);
    Arc::new(config)
}

/// `data` is a compressed message, in one frame or two, sent twice with the window kept between.
fn inflate(cuts: &Cuts, bits: u8, data: &[u8]) {
    let half = if bits & 1 == 0 { data.len() } else { data.len() / 2 };
    let first = RawHeader { rsv1: true, fin: half == data.len(), ..RawHeader::BINARY };
    let mut wire = frame(first, &data[..half]);
    if half < data.len() {
        wire.extend(frame(RawHeader::CONTINUATION, &data[half..]));
    }
    wire = wire.repeat(2);
    let take = |pieces: &[&[u8]]| -> Vec<Seen> {
        let mut conn = client();
        let mut seen = Vec::new();
        for piece in pieces {
            let mut bytes = piece.to_vec();
            let mut input = &mut bytes[..];
            loop {
                match conn.inbound.next(&mut input, &mut conn.outbound) {
                    Ok(None) => break,
                    Ok(Some(event)) => Seen::of(&event).push(&mut seen),
                    Err(error) => Seen::Failed(error).push(&mut seen),
                }
            }
            assert!(conn.inbound.held() <= MOST, "{} bytes held", conn.inbound.held());
        }
        seen
    };
    let seen = take(&[&wire]);
    assert_eq!(take(&cuts.pieces(&wire)), seen, "{cuts:?}");

    // The other inflater, on the same stream.
    let mut history = Vec::new();
    for at in 0..2 {
        match (reference(&history, data), seen.get(at)) {
            (Reference::Message(bytes), Some(Seen::Binary(ours))) => {
                assert_eq!(*ours, bytes);
                history.extend(bytes);
            }
            (
                Reference::Message(bytes) | Reference::Cut(bytes),
                Some(Seen::Failed(ProtocolError::MessageTooLong)),
            ) => {
                assert!(bytes.len() > MOST, "{} bytes are not too many", bytes.len());
            }
            (
                Reference::Wrong,
                Some(Seen::Failed(ProtocolError::DeflateInvalid | ProtocolError::MessageTooLong)),
            ) => {}
            // A message ends with a block (§7.2.1).
            (Reference::Cut(_), Some(Seen::Failed(ProtocolError::DeflateInvalid))) => {}
            (Reference::Cut(bytes), other) => panic!("{} bytes, and half a block: {other:?}", bytes.len()),
            // A final block ends a stream (§7.2.3.4); what may follow is not told in one way only.
            (Reference::Ended, _) | (_, None) => return,
            (Reference::Message(bytes), other) => panic!("{} bytes, but ours is {other:?}", bytes.len()),
            (Reference::Wrong, other) => panic!("no DEFLATE, but ours is {other:?}"),
        }
        if matches!(seen.get(at), Some(Seen::Failed(_))) {
            assert_eq!(seen.len(), at + 1);
            return;
        }
    }
}

enum Reference {
    Message(Vec<u8>),
    /// What comes out of a stream that stops inside a block.
    Cut(Vec<u8>),
    Wrong,
    /// A final block, and something behind it.
    Ended,
}

fn reference(history: &[u8], payload: &[u8]) -> Reference {
    // Between two blocks, and nowhere else, this is an empty final one.
    const LAST: [u8; 5] = [1, 0, 0, 0xff, 0xff];
    let mut other = Decompress::new(false);
    if !history.is_empty() {
        other
            .set_dictionary(&history[history.len().saturating_sub(1 << 15)..])
            .expect("raw DEFLATE takes one at any time");
    }
    let mut out = Vec::with_capacity(4096);
    // A sender that keeps the tail is understood by ours: one more of it would begin a block that has no end.
    let tail = if payload.ends_with(&TAIL) { &[][..] } else { &TAIL };
    let mut of_payload = 0;
    for (number, part) in [payload, tail].into_iter().enumerate() {
        let mut at = 0;
        loop {
            let before = other.total_in();
            let status = other.decompress_vec(&part[at..], &mut out, FlushDecompress::Sync);
            at += (other.total_in() - before) as usize;
            match status {
                Err(_) => return Reference::Wrong,
                // The empty block that a sender cuts may be a final one.
                Ok(Status::StreamEnd) if number == 1 && at == part.len() && out.len() == of_payload => {
                    return Reference::Message(out);
                }
                Ok(Status::StreamEnd) => return Reference::Ended,
                Ok(_) => {}
            }
            if out.len() > 2 * MOST {
                return Reference::Message(out);
            }
            if at == part.len() && out.len() < out.capacity() {
                break;
            }
            out.reserve(4096);
        }
        if number == 0 {
            of_payload = out.len();
        }
    }
    let mut nothing = Vec::with_capacity(8);
    match other.decompress_vec(&LAST, &mut nothing, FlushDecompress::Sync) {
        // What comes out of the tail shows that it is no empty block, which alone may be cut.
        Ok(Status::StreamEnd) if nothing.is_empty() && out.len() == of_payload => Reference::Message(out),
        _ => Reference::Cut(out),
    }
}

/// `data` is a message that we compress.
fn compress(bits: u8, data: &[u8]) {
    let data = data.repeat(1 + usize::from(bits >> 4));
    let data = &data[..data.len().min(MOST)];
    let mut server = Connection::server(config(), Instant::now()).with_deflate(DeflateParams::default());
    let mut client = client();
    let mut history = Vec::new();
    for _ in 0..2 {
        server.outbound.send(Message::Binary(data)).expect("nothing waits");
        let mut wire = Vec::new();
        while !server.outbound.pending().is_empty() {
            wire.extend_from_slice(server.outbound.pending());
            let len = server.outbound.pending().len();
            server.outbound.advance(len);
        }
        if let [(header, payload)] = &frames(&wire)[..]
            && header.rsv1
        {
            let Reference::Message(back) = reference(&history, payload) else { panic!("not DEFLATE") };
            assert_eq!(back, data);
            history.extend(back);
        }
        let mut input = &mut wire[..];
        match client.inbound.next(&mut input, &mut client.outbound) {
            Ok(Some(Event::Message(Message::Binary(back)))) => assert_eq!(back, data),
            other => panic!("{other:?}"),
        }
    }
}

fn client() -> Connection {
    Connection::client(config(), Box::new(Random(1)), Instant::now()).with_deflate(DeflateParams::default())
}

/// As a server sends it.
fn frame(header: RawHeader, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    header.with_length(payload.len() as u64).encode_into(&mut bytes);
    bytes.extend_from_slice(payload);
    bytes
}
