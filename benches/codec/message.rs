//! Whole frames, from the bytes of a read to the event: header, judgement, unmasking, UTF-8, delivery.

use std::sync::Arc;

use bowsprit::Role;
use bowsprit::connection::{Config, Event, Inbound, Outbound};
use bowsprit::frame::{DataKind, FrameDecoder, Header, MaskKey, Parsed, Part, RawHeader, Rules};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};

use super::wire::{ASCII, CYRILLIC, KEY, ZERO, frames, frames_in_a_pass, text};

const SIZES: [usize; 5] = [16, 125, 1 << 10, 16 << 10, 64 << 10];

const RULES: Rules = Rules { role: Role::Server, compression: false, max_frame: 16 << 20 };

/// The parts of the codec called one by one, without the state of a decoder: the least that a frame costs.
#[divan::bench(args = SIZES)]
fn header_and_unmasking(bencher: Bencher<'_, '_>, size: usize) {
    let mut wire = frames(DataKind::Binary, &vec![7; size], KEY);
    let count = frames_in_a_pass(size);
    bencher.counter(ItemsCount::new(count)).counter(BytesCount::new(count * size)).bench_local(|| {
        let mut input = black_box(&mut wire[..]);
        while let Parsed::Done(raw, used) = RawHeader::parse(input) {
            let Ok(header) = Header::check(&raw, &RULES) else { break };
            let (frame, rest) = input.split_at_mut(used + header.length() as usize);
            if let Some(key) = header.mask() {
                key.apply(&mut frame[used..]);
            }
            black_box(frame.as_ptr());
            input = rest;
        }
    });
}

/// The codec alone: headers are read and judged, payload is unmasked in place.
#[divan::bench(args = SIZES)]
fn frames_only(bencher: Bencher<'_, '_>, size: usize) {
    let mut wire = frames(DataKind::Binary, &vec![7; size], KEY);
    let count = frames_in_a_pass(size);
    let mut decoder = FrameDecoder::new();
    bencher.counter(ItemsCount::new(count)).counter(BytesCount::new(count * size)).bench_local(|| {
        let mut input = black_box(&mut wire[..]);
        while let Ok(Some(part)) = decoder.next(&mut input, &RULES) {
            match part {
                Part::Header(header) => _ = black_box(header.length()),
                Part::Payload { chunk, last } => _ = black_box((chunk.as_ptr(), chunk.len(), last)),
            }
        }
    });
}

#[divan::bench(args = SIZES)]
fn binary(bencher: Bencher<'_, '_>, size: usize) {
    receive(bencher, DataKind::Binary, &vec![7; size], KEY);
}

#[divan::bench(args = SIZES)]
fn ascii(bencher: Bencher<'_, '_>, size: usize) {
    receive(bencher, DataKind::Text, text(ASCII, size).as_bytes(), ZERO);
}

#[divan::bench(args = SIZES)]
fn two_byte_text(bencher: Bencher<'_, '_>, size: usize) {
    receive(bencher, DataKind::Text, text(CYRILLIC, size).as_bytes(), ZERO);
}

/// Receiving and answering: each message goes to the send queue, whose bytes a driver would write.
#[divan::bench(args = SIZES)]
fn echo(bencher: Bencher<'_, '_>, size: usize) {
    let mut wire = frames(DataKind::Binary, &vec![7; size], KEY);
    let count = frames_in_a_pass(size);
    let mut inbound = Inbound::new();
    let mut outbound = Outbound::server(Arc::new(Config::default()));
    bencher.counter(ItemsCount::new(count)).counter(BytesCount::new(count * size)).bench_local(|| {
        let mut input = black_box(&mut wire[..]);
        while let Ok(Some(event)) = inbound.next(&mut input, &mut outbound) {
            if let Event::Message(message) = event {
                let _ = outbound.send(message);
            }
        }
        black_box(outbound.pending());
        outbound.advance(outbound.queued());
    });
}

fn receive(bencher: Bencher<'_, '_>, kind: DataKind, payload: &[u8], key: MaskKey) {
    let mut wire = frames(kind, payload, key);
    let count = frames_in_a_pass(payload.len());
    let mut inbound = Inbound::new();
    let mut outbound = Outbound::server(Arc::new(Config::default()));
    bencher.counter(ItemsCount::new(count)).counter(BytesCount::new(count * payload.len())).bench_local(
        || {
            let mut input = black_box(&mut wire[..]);
            let mut received = 0;
            while let Ok(Some(event)) = inbound.next(&mut input, &mut outbound) {
                black_box(&event);
                received += 1;
            }
            assert_eq!(received, count);
        },
    );
}
