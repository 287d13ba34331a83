//! Compressed messages (RFC 7692). Any cut gives the same result, no more comes out than the limit allows, our inflater
//! and another one agree on a stream, and both inflate what we compress.

use std::sync::Arc;
use std::time::Instant;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use crate::support::{Cuts, Random, Seen, frames};
use bowsprit::connection::{Config, Connection, Event};
use bowsprit::error::ProtocolError;
use bowsprit::extension::deflate::{DeflateConfig, DeflateParams};
use bowsprit::frame::RawHeader;
use bowsprit::message::Message;

/// The most bytes that a message may inflate to here.
const MOST: usize = 20_000;
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

pub fn run(mut data: &[u8]) {
    let cuts = Cuts::take(&mut data);
    let Some((&bits, data)) = data.split_first() else { return };
    // To us, no bytes are an empty message; to the other inflater, a truncated block (RFC 7692 §7.2.3.6).
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

/// Inflates `data` as a compressed message, in one frame or two, sent twice with a kept window.
fn inflate(cuts: &Cuts, bits: u8, data: &[u8]) {
    let half = if bits & 1 == 0 { data.len() } else { data.len() / 2 };
    let first = RawHeader { rsv1: true, fin: half == data.len(), ..RawHeader::BINARY };
    let mut wire = frame(first, &data[..half]);
    if half < data.len() {
        wire.extend(frame(RawHeader::CONTINUATION, &data[half..]));
    }
    wire = wire.repeat(2);
    let take = |pieces: &[&[u8]], most: usize| -> Vec<Seen> {
        let mut conn = client();
        let mut seen = Vec::new();
        for piece in pieces {
            let mut bytes = piece.to_vec();
            let mut input = &mut bytes[..];
            loop {
                let (mut work, left) = (most, input.len());
                match conn.inbound.next_within(&mut input, &mut conn.outbound, &mut work) {
                    Ok(None) if input.is_empty() => break,
                    // It has used up its work; it continues with new work and makes progress.
                    Ok(None) => assert!(work == 0 && input.len() < left, "{work} left of {most}"),
                    Ok(Some(event)) => Seen::of(&event).push(&mut seen),
                    Err(error) => Seen::Failed(error).push(&mut seen),
                }
            }
            assert!(conn.inbound.held() <= MOST, "{} bytes held", conn.inbound.held());
        }
        seen
    };
    let seen = take(&[&wire], usize::MAX);
    assert_eq!(take(&cuts.pieces(&wire), usize::MAX), seen, "{cuts:?}");
    assert_eq!(take(&cuts.pieces(&wire), 1), seen, "{cuts:?}, little by little");

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
            // A final block ends a stream (§7.2.3.4); what may follow can be read in more than one way.
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
    /// The output of a stream that stops inside a block.
    Cut(Vec<u8>),
    Wrong,
    /// A final block with something after it.
    Ended,
}

fn reference(history: &[u8], payload: &[u8]) -> Reference {
    // Between two blocks, and nowhere else, these bytes are an empty final block.
    const LAST: [u8; 5] = [1, 0, 0, 0xff, 0xff];
    let mut engine = Box::<DecompressorOxide>::default();
    // The window, followed by the output.
    let mut out = history[history.len().saturating_sub(1 << 15)..].to_vec();
    let start = out.len();
    let mut at = start;
    out.resize(start + 2 * MOST + 512, 0);
    // Ours understands a sender that keeps the tail: a second tail would begin a block without an end.
    let tail = if payload.ends_with(&TAIL) { &[][..] } else { &TAIL };
    let flags = TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let mut of_payload = start;
    for (number, part) in [payload, tail].into_iter().enumerate() {
        let (status, read, written) = decompress(&mut engine, part, &mut out, at, flags);
        at += written;
        match status {
            TINFLStatus::NeedsMoreInput => {}
            TINFLStatus::HasMoreOutput => return Reference::Message(out[start..at].to_vec()),
            // The empty block that a sender cuts off may be a final one.
            TINFLStatus::Done if number == 1 && read == part.len() && at == of_payload => {
                return Reference::Message(out[start..at].to_vec());
            }
            TINFLStatus::Done => return Reference::Ended,
            _ => return Reference::Wrong,
        }
        if number == 0 {
            of_payload = at;
        }
    }
    let whole = out[start..at].to_vec();
    match decompress(&mut engine, &LAST, &mut out, at, flags) {
        // Output from the tail shows that the tail was not an empty block, and only an empty block may be cut off.
        (TINFLStatus::Done, _, 0) if at == of_payload => Reference::Message(whole),
        _ => Reference::Cut(whole),
    }
}

/// Compresses `data` as a message.
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
    Connection::client(config(), Box::new(Random::new(1)), Instant::now())
        .with_deflate(DeflateParams::default())
}

/// Returns the frame as a server sends it.
fn frame(header: RawHeader, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    header.with_length(payload.len() as u64).encode_into(&mut bytes);
    bytes.extend_from_slice(payload);
    bytes
}
