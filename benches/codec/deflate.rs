//! permessage-deflate (RFC 7692), from a message to its frame and back, with no context kept between messages.

use std::sync::Arc;
use std::time::Instant;

use bowsprit::connection::{Config, Connection};
use bowsprit::extension::deflate::{DeflateConfig, DeflateParams};
use bowsprit::message::Message;
use divan::Bencher;
use divan::counter::BytesCount;

use super::wire::ZERO;

const SIZES: [usize; 6] = [125, 300, 1 << 10, 4 << 10, 16 << 10, 64 << 10];

/// Returns JSON as servers send it: names repeat, numbers do not.
fn json(size: usize) -> String {
    let mut text = String::with_capacity(size + 100);
    let mut number = 12_345_u64;
    while text.len() < size {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (id, price) = (number >> 40, number >> 50);
        text += &format!(r#"{{"instrument":"EX-{}","id":{id},"price":{price}.25,"open":true}},"#, id % 50);
    }
    text.truncate(size);
    text
}

fn server() -> Connection {
    let mut deflate = DeflateConfig::default();
    deflate.threshold = 0;
    let mut config = Config::default();
    config.deflate = Some(deflate);
    let agreed = DeflateParams {
        server_no_context_takeover: true,
        client_no_context_takeover: true,
        ..DeflateParams::default()
    };
    Connection::server(Arc::new(config), Instant::now()).with_deflate(agreed)
}

#[divan::bench(args = SIZES)]
fn compress(bencher: Bencher<'_, '_>, size: usize) {
    let (mut server, text) = (server(), json(size));
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        let _ = server.outbound.send(Message::Text(&text));
        let written = divan::black_box(server.outbound.pending()).len();
        server.outbound.advance(written);
        written
    });
}

#[divan::bench(args = SIZES)]
fn inflate(bencher: Bencher<'_, '_>, size: usize) {
    let text = json(size);
    let mut sender = server();
    let _ = sender.outbound.send(Message::Text(&text));
    let frame = masked(sender.outbound.pending());
    let mut server = server();
    bencher.counter(BytesCount::new(size)).with_inputs(|| frame.clone()).bench_local_refs(|frame| {
        let mut input = &mut frame[..];
        let event = server.inbound.next(&mut input, &mut server.outbound);
        assert!(matches!(event, Ok(Some(_))), "a message");
    });
}

/// Returns a server's frame as a client would send it, masked with zeros.
fn masked(frame: &[u8]) -> Vec<u8> {
    let header = match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    let mut bytes = frame[..header].to_vec();
    bytes[1] |= 0x80;
    bytes.extend_from_slice(&ZERO.0);
    bytes.extend_from_slice(&frame[header..]);
    bytes
}
