//! permessage-deflate over whole connections (RFC 7692), in memory.
#![cfg(feature = "deflate")]

use std::sync::Arc;
use std::time::Instant;

use bowsprit::connection::driver::{InboundExt as _, OutboundExt as _};
use bowsprit::connection::{Compression, Config, Connection, Delivery, Event};
use bowsprit::entropy::{Entropy, EntropyError};
use bowsprit::error::ProtocolError;
use bowsprit::extension::deflate::{
    DeflateConfig, DeflateOffer, DeflateParams, DeflatePool, ReceiveContext, SendContext, WindowBits,
};
use bowsprit::frame::{DataKind, MaskKey, RawHeader};
use bowsprit::message::{Message, Prepared};

const KEY: MaskKey = MaskKey([0x37, 0xfa, 0x21, 0x3d]);

/// RFC 7692 §7.2.3.1 and §7.2.3.2.
const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
const HELLO_AGAIN: [u8; 5] = [0xf2, 0x00, 0x11, 0x00, 0x00];

fn config(change: impl FnOnce(&mut Config, &mut DeflateConfig)) -> Arc<Config> {
    let mut config = Config::default();
    let mut deflate = DeflateConfig::default();
    deflate.threshold = 0;
    change(&mut config, &mut deflate);
    config.deflate = Some(deflate);
    Arc::new(config)
}

/// A server that agreed to keep the windows of both sides.
fn server(config: Arc<Config>) -> Connection {
    Connection::server(config, Instant::now()).with_deflate(DeflateParams::default())
}

fn frame(header: RawHeader, payload: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    header.with_length(payload.len() as u64).with_mask(KEY).encode_into(&mut wire);
    let start = wire.len();
    wire.extend_from_slice(payload);
    KEY.apply(&mut wire[start..]);
    wire
}

fn compressed(header: RawHeader, payload: &[u8]) -> Vec<u8> {
    frame(RawHeader { rsv1: true, ..header }, payload)
}

fn not_last(header: RawHeader) -> RawHeader {
    RawHeader { fin: false, ..header }
}

/// What a connection has said, without borrows; chunks of one message are joined.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Message(DataKind, Vec<u8>),
    Pieces(Vec<u8>),
    Ping,
    Failed(ProtocolError),
}

/// Feeds `wire` in cuts of `cut` bytes.
fn feed(conn: &mut Connection, wire: &[u8], cut: usize) -> Vec<Said> {
    let mut said = Vec::new();
    let mut pieces = Vec::new();
    let mut wire = wire.to_vec();
    for mut input in wire.chunks_mut(cut) {
        loop {
            match conn.inbound.next(&mut input, &mut conn.outbound) {
                Ok(None) => break,
                Ok(Some(Event::Message(message))) => {
                    said.push(Said::Message(message.kind(), message.as_bytes().to_vec()));
                }
                Ok(Some(Event::Chunk(chunk))) => {
                    pieces.extend_from_slice(chunk.payload);
                    if chunk.message_ends {
                        said.push(Said::Pieces(std::mem::take(&mut pieces)));
                    }
                }
                Ok(Some(Event::Ping(_))) => said.push(Said::Ping),
                Ok(Some(_)) => {}
                Err(error) => said.push(Said::Failed(error)),
            }
        }
    }
    said
}

/// The same in every cut; on a server that keeps windows.
fn check(wire: &[u8], expected: &[Said]) {
    for cut in (1..=wire.len().min(64)).chain([usize::MAX]) {
        let mut conn = server(config(|_, _| {}));
        assert_eq!(feed(&mut conn, wire, cut), expected, "cut at {cut}");
    }
}

fn text(text: &str) -> Said {
    Said::Message(DataKind::Text, text.as_bytes().to_vec())
}

/// A DEFLATE stream that comes to `len` zeros, cut as §7.2.1 says.
fn zeros(len: usize) -> Vec<u8> {
    let mut conn = server(config(|_, deflate| deflate.level = 9));
    conn.outbound.send_binary(&vec![0; len]).unwrap();
    let header = if conn.outbound.pending()[1] < 126 { 2 } else { 4 };
    conn.outbound.pending()[header..].to_vec()
}

#[test]
fn messages_in_frames_of_any_kind() {
    let [a, b] = [&HELLO[..3], &HELLO[3..]];
    let empty = |header| frame(header, b"");
    for (wire, expected) in [
        (compressed(RawHeader::TEXT, &HELLO), vec![text("Hello")]),
        // §7.2.3.2: the window goes on to the next message.
        (
            [compressed(RawHeader::TEXT, &HELLO), compressed(RawHeader::TEXT, &HELLO_AGAIN)].concat(),
            vec![text("Hello"), text("Hello")],
        ),
        // A message that is not compressed does not enter the window.
        (
            [
                compressed(RawHeader::TEXT, &HELLO),
                frame(RawHeader::BINARY, b"plain"),
                compressed(RawHeader::TEXT, &HELLO_AGAIN),
            ]
            .concat(),
            vec![text("Hello"), Said::Message(DataKind::Binary, b"plain".to_vec()), text("Hello")],
        ),
        // Fragments with a Ping between them, and empty ones anywhere.
        (
            [
                compressed(not_last(RawHeader::TEXT), a),
                frame(RawHeader::PING, b"?"),
                frame(RawHeader::CONTINUATION, b),
            ]
            .concat(),
            vec![Said::Ping, text("Hello")],
        ),
        (
            [
                compressed(not_last(RawHeader::TEXT), b""),
                frame(not_last(RawHeader::CONTINUATION), a),
                empty(not_last(RawHeader::CONTINUATION)),
                frame(not_last(RawHeader::CONTINUATION), b),
                empty(RawHeader::CONTINUATION),
            ]
            .concat(),
            vec![text("Hello")],
        ),
        // Empty messages: one byte of payload, or none.
        (compressed(RawHeader::TEXT, &[0x00]), vec![text("")]),
        (compressed(RawHeader::TEXT, &[]), vec![text("")]),
    ] {
        check(&wire, &expected);
    }
}

#[test]
fn fragments_at_every_byte() {
    for cut in 0..=HELLO.len() {
        let wire = [
            compressed(not_last(RawHeader::TEXT), &HELLO[..cut]),
            frame(RawHeader::CONTINUATION, &HELLO[cut..]),
        ]
        .concat();
        check(&wire, &[text("Hello")]);
    }
}

#[test]
fn rsv1_marks_first_frames_only() {
    use ProtocolError::*;
    let set = |header| RawHeader { rsv1: true, ..header };
    for (wire, error) in [
        (frame(set(RawHeader::PING), b""), CompressedBitMisplaced),
        (frame(set(RawHeader::PONG), b""), CompressedBitMisplaced),
        (frame(set(RawHeader::CLOSE), b"\x03\xe8"), CompressedBitMisplaced),
        (
            [compressed(not_last(RawHeader::TEXT), b""), frame(set(RawHeader::CONTINUATION), &HELLO)]
                .concat(),
            CompressedBitMisplaced,
        ),
        (
            [frame(not_last(RawHeader::TEXT), b"a"), frame(set(RawHeader::CONTINUATION), &HELLO)].concat(),
            CompressedBitMisplaced,
        ),
        (compressed(RawHeader { rsv2: true, ..RawHeader::TEXT }, &HELLO), ReservedBit),
        (compressed(RawHeader { rsv3: true, ..RawHeader::TEXT }, &HELLO), ReservedBit),
    ] {
        check(&wire, &[Said::Failed(error)]);
        assert_eq!(error.close_code().0, 1002);
    }
    // Nothing was agreed.
    let mut conn = Connection::server(config(|_, _| {}), Instant::now());
    let said = feed(&mut conn, &compressed(RawHeader::TEXT, &HELLO), usize::MAX);
    assert_eq!(said, [Said::Failed(ReservedBit)]);
}

#[test]
fn what_is_not_deflate_fails_with_1007() {
    for payload in [&[0x06][..], &HELLO_AGAIN, &[0xf2, 0x48, 0xcd], &[0x78, 0x9c, 0xf3, 0x48, 0xcd, 0xc9]] {
        check(&compressed(RawHeader::BINARY, payload), &[Said::Failed(ProtocolError::DeflateInvalid)]);
    }
    assert_eq!(ProtocolError::DeflateInvalid.close_code().0, 1007);
}

/// The peer agreed to start each message afresh, and refers back all the same.
#[test]
fn a_window_that_was_given_up_is_gone() {
    let agreed = DeflateParams { client_no_context_takeover: true, ..DeflateParams::default() };
    let mut conn = Connection::server(config(|_, _| {}), Instant::now()).with_deflate(agreed);
    let wire = [compressed(RawHeader::TEXT, &HELLO), compressed(RawHeader::TEXT, &HELLO_AGAIN)].concat();
    let said = feed(&mut conn, &wire, usize::MAX);
    assert_eq!(said, [text("Hello"), Said::Failed(ProtocolError::DeflateInvalid)]);
}

/// A client that agreed to 256 bytes refers to a message further back.
#[test]
fn of_the_messages_before_the_agreed_window_is_kept() {
    for (between, expected) in [(251, text("Hello")), (252, Said::Failed(ProtocolError::DeflateInvalid))] {
        let agreed = DeflateParams { client_max_window_bits: WindowBits::MIN, ..DeflateParams::default() };
        let mut conn = Connection::server(config(|_, _| {}), Instant::now()).with_deflate(agreed);
        // A stored block, then a fixed one: 'H', then four bytes from `5 + between` back.
        let filler: Vec<u8> =
            [&[0x00, between as u8, 0x00, !(between as u8), 0xff][..], &vec![b'.'; between], &[0x00]]
                .concat();
        let mut bits = Bits::default();
        bits.put(0b010, 3); // BFINAL 0, BTYPE 01
        bits.put_code(0b0000010, 7); // length code 258: 4 bytes
        let distance = 5 + between; // of 257 to 384: code 16 with 7 extra bits; of 193 to 256: code 15 with 6
        if distance > 256 {
            bits.put_code(16, 5);
            bits.put(distance - 257, 7);
        } else {
            bits.put_code(15, 5);
            bits.put(distance - 193, 6);
        }
        bits.put_code(0b0110000 + usize::from(b'o'), 8);
        bits.put_code(0, 7); // end of block
        bits.put(0, 3); // the header of a stored block
        let wire = [
            compressed(RawHeader::TEXT, &HELLO),
            compressed(RawHeader::TEXT, &filler),
            compressed(RawHeader::TEXT, &bits.bytes),
        ]
        .concat();
        let said = feed(&mut conn, &wire, usize::MAX);
        assert_eq!(said[2], expected, "{between} bytes between");
    }
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: usize,
}

impl Bits {
    fn put(&mut self, value: usize, count: usize) {
        for bit in 0..count {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= (((value >> bit) & 1) as u8) << (self.used % 8);
            self.used += 1;
        }
    }

    /// Huffman codes start with their most significant bit (RFC 1951 §3.1.1).
    fn put_code(&mut self, code: usize, count: usize) {
        for bit in (0..count).rev() {
            self.put(code >> bit & 1, 1);
        }
    }
}

#[test]
fn text_is_checked_inflated() {
    let stored = |bytes: &[u8]| {
        let len = bytes.len() as u8;
        [&[0x00, len, 0x00, !len, 0xff][..], bytes].concat()
    };
    let message = |parts: &[&[u8]]| {
        let blocks: Vec<u8> = parts.iter().flat_map(|part| stored(part)).chain([0x00]).collect();
        compressed(RawHeader::TEXT, &blocks)
    };
    // A character that is cut between blocks, and one that never ends.
    check(&message(&[b"\xce", b"\xba"]), &[text("κ")]);
    check(&message(&[b"\xce"]), &[Said::Failed(ProtocolError::TextNotUtf8)]);
    check(&message(&[b"ok", b"\xff"]), &[Said::Failed(ProtocolError::TextNotUtf8)]);
    // Bad bytes fail before the message ends, once so much of it has come that it is inflated.
    let mut conn = server(config(|_, _| {}));
    let mut blocks = stored(b"\xf4\x90");
    (0..16).for_each(|_| blocks.extend(stored(&[b'.'; 255])));
    let short = compressed(not_last(RawHeader::TEXT), &blocks[..blocks.len() - 255]);
    assert_eq!(feed(&mut server(config(|_, _| {})), &short, usize::MAX), []);
    let long = compressed(not_last(RawHeader::TEXT), &blocks);
    let said = feed(&mut conn, &long, usize::MAX);
    assert_eq!(said, [Said::Failed(ProtocolError::TextNotUtf8)]);
}

#[test]
fn bombs_end_at_the_limit() {
    const LIMIT: usize = 300_000;
    for delivery in [Delivery::Messages, Delivery::Frames, Delivery::Both] {
        let conn = || {
            server(config(|config, _| {
                config.max_message = LIMIT;
                config.delivery = delivery;
            }))
        };
        let exact = compressed(RawHeader::BINARY, &zeros(LIMIT));
        let said = feed(&mut conn(), &exact, usize::MAX);
        match said.last() {
            Some(Said::Message(_, bytes) | Said::Pieces(bytes)) => assert_eq!(bytes.len(), LIMIT),
            other => panic!("{delivery:?}: {other:?}"),
        }
        let bomb = zeros(16 * LIMIT);
        for payload in [&zeros(LIMIT + 1), &bomb] {
            let wire = compressed(RawHeader::BINARY, payload);
            let mut conn = conn();
            let said = feed(&mut conn, &wire, usize::MAX);
            assert_eq!(said.last(), Some(&Said::Failed(ProtocolError::MessageTooLong)), "{delivery:?}");
            assert_eq!(conn.outbound.close_sent().unwrap().code.0, 1009);
            let held = conn.inbound.reclaim().map_or(0, |buffer| buffer.capacity());
            assert!(held <= LIMIT, "{held} bytes for a limit of {LIMIT}");
        }
        // In many small fragments, the limit is that of the message.
        let mut wire = compressed(not_last(RawHeader::BINARY), &[]);
        for piece in bomb.chunks(3) {
            wire.extend(frame(not_last(RawHeader::CONTINUATION), piece));
        }
        let said = feed(&mut conn(), &wire, 4096);
        assert_eq!(said.last(), Some(&Said::Failed(ProtocolError::MessageTooLong)), "{delivery:?}");
    }
}

/// What is not compressible is a little longer on the wire; the header of what is far too long is refused.
#[test]
fn announced_bytes_are_bounded() {
    let limit = |config: &mut Config| config.max_message = 1000;
    let noise: Vec<u8> = (0..1000u32).map(|i| (i.wrapping_mul(i).wrapping_mul(7919) >> 5) as u8).collect();
    let mut conn = server(config(|_, deflate| deflate.level = 0));
    conn.outbound.send_with(Message::Binary(&noise), Compression::On).unwrap();
    let payload = conn.outbound.pending()[4..].to_vec();
    assert!(payload.len() > noise.len());
    let said =
        feed(&mut server(config(|config, _| limit(config))), &compressed(RawHeader::BINARY, &payload), 100);
    assert_eq!(said, [Said::Message(DataKind::Binary, noise)]);

    for (length, error) in [(4000, ProtocolError::MessageTooLong), (1 << 30, ProtocolError::FrameTooLong)] {
        let mut wire = Vec::new();
        RawHeader { rsv1: true, ..RawHeader::BINARY }
            .with_length(length)
            .with_mask(KEY)
            .encode_into(&mut wire);
        let mut conn = server(config(|config, _| limit(config)));
        assert_eq!(feed(&mut conn, &wire, usize::MAX), [Said::Failed(error)]);
    }
}

/// Streams that make much work of few bytes, or never come to anything.
#[test]
fn work_is_linear_in_what_comes() {
    let empty_stored = [0x00, 0x00, 0x00, 0xff, 0xff].repeat(100_000);
    let ends = [0x03, 0x00].repeat(100_000);
    // A dynamic block of the least size, again and again: the tables are built for each.
    for (payload, expected) in [
        (&empty_stored, Said::Message(DataKind::Binary, vec![])),
        (&ends, Said::Failed(ProtocolError::DeflateInvalid)),
    ] {
        let start = Instant::now();
        let said = feed(&mut server(config(|_, _| {})), &compressed(RawHeader::BINARY, payload), 1000);
        assert_eq!(said, [expected]);
        assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    }
}

#[test]
fn chunks_are_inflated() {
    let text = "one two three ".repeat(10_000);
    let mut sender = server(config(|_, _| {}));
    sender.outbound.send_text(&text).unwrap();
    let payload = sender.outbound.pending()[4..].to_vec();
    for cut in [1, 7, 100, usize::MAX] {
        let wire = [
            compressed(not_last(RawHeader::TEXT), &payload[..50]),
            frame(RawHeader::PING, b""),
            frame(RawHeader::CONTINUATION, &payload[50..]),
        ]
        .concat();
        let frames = feed(&mut server(config(|config, _| config.delivery = Delivery::Frames)), &wire, cut);
        assert_eq!(frames, [Said::Ping, Said::Pieces(text.clone().into_bytes())], "cut at {cut}");
        let both = feed(&mut server(config(|config, _| config.delivery = Delivery::Both)), &wire, cut);
        let whole = Said::Message(DataKind::Text, text.clone().into_bytes());
        assert_eq!(both, [Said::Ping, Said::Pieces(text.clone().into_bytes()), whole], "cut at {cut}");
    }
}

struct Counting(u8);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        for byte in out {
            self.0 = self.0.wrapping_mul(5).wrapping_add(3);
            *byte = self.0;
        }
        Ok(())
    }
}

/// A client and a server, joined by what each has queued.
struct Pair {
    client: Connection,
    server: Connection,
}

impl Pair {
    fn new(config: &Arc<Config>) -> Self {
        let deflate = config.deflate.unwrap();
        let offer = DeflateOffer::new(&deflate);
        let agreed = deflate.choose(&[offer.to_extension()]).unwrap();
        assert_eq!(offer.accept(&agreed.to_extension()), Ok(agreed));
        let now = Instant::now();
        Self {
            client: Connection::client(config.clone(), Box::new(Counting(7)), now).with_deflate(agreed),
            server: Connection::server(config.clone(), now).with_deflate(agreed),
        }
    }

    /// What the other side makes of what `from` has queued, and how many bytes that was.
    fn carry(from: &mut Connection, to: &mut Connection, cut: usize) -> (Vec<Said>, usize) {
        let mut wire = Vec::new();
        while !from.outbound.pending().is_empty() {
            wire.extend_from_slice(from.outbound.pending());
            let len = from.outbound.pending().len();
            from.outbound.advance(len);
        }
        (feed(to, &wire, cut), wire.len())
    }
}

#[test]
fn both_sides_under_all_settings() {
    let windows = [8, 9, 11, 15].map(|bits| WindowBits::new(bits).unwrap());
    let mut pool = DeflatePool::new();
    for window in windows {
        for (send_context, receive_context) in [
            (SendContext::Fresh, ReceiveContext::Fresh),
            (SendContext::Window, ReceiveContext::Window),
            (SendContext::Compressor, ReceiveContext::Window),
        ] {
            for fragment in [None, std::num::NonZeroUsize::new(100)] {
                let config = config(|config, deflate| {
                    config.fragment_size = fragment;
                    deflate.send_window = window;
                    deflate.receive_window = Some(window);
                    deflate.send_context = send_context;
                    deflate.receive_context = receive_context;
                });
                let mut pair = Pair::new(&config);
                for turn in 0..6 {
                    let messages = [
                        String::new(),
                        format!("turn {turn}"),
                        format!("{{\"turn\":{turn},\"text\":\"κόσμε\"}}").repeat(100),
                    ];
                    exchange(&mut pair.client, &mut pair.server, &messages, turn, &mut pool);
                    exchange(&mut pair.server, &mut pair.client, &messages, turn, &mut pool);
                }
            }
        }
    }
    assert!(pool.sent().messages > 0 && pool.received().messages > 0);
    assert!(pool.received().ratio() > 2.0, "{:?}", pool.received());
    assert!(pool.memory() < 4 << 20);
}

fn exchange(
    from: &mut Connection,
    to: &mut Connection,
    messages: &[String],
    turn: usize,
    pool: &mut DeflatePool,
) {
    from.outbound.lend_compressor(pool);
    for message in messages {
        match turn {
            0 => from.outbound.send_with(Message::Text(message), Compression::On).unwrap(),
            1 => from.outbound.send_with(Message::Text(message), Compression::Off).unwrap(),
            2 => from.outbound.send_prepared(&Prepared::new(Message::Text(message))).unwrap(),
            3 => {
                let (a, b) = message.as_bytes().split_at(message.len() / 3);
                from.outbound.start_message_with(DataKind::Text, a, Compression::On).unwrap();
                from.outbound.reclaim_compressor(pool);
                from.outbound.ping(b"").unwrap();
                from.outbound.continue_message(b"").unwrap();
                from.outbound.finish_message(b).unwrap();
            }
            _ => from.outbound.send_text(message).unwrap(),
        }
    }
    from.outbound.reclaim_compressor(pool);
    to.inbound.lend_inflater(pool);
    let (mut said, _) = Pair::carry(from, to, [usize::MAX, 1, 13][turn % 3]);
    to.inbound.reclaim_inflater(pool);
    said.retain(|said| *said != Said::Ping);
    let expected: Vec<Said> = messages.iter().map(|message| text(message)).collect();
    assert!(said == expected, "turn {turn}, {} messages: {:?}", said.len(), said.last());
    // Pongs.
    Pair::carry(to, from, usize::MAX);
}

#[test]
fn a_choice_for_each_message() {
    let config = config(|_, deflate| deflate.threshold = 100);
    let mut conn = server(config);
    let mut marked = |len: usize, choice: Compression| {
        conn.outbound.send_with(Message::Text(&"x".repeat(len)), choice).unwrap();
        let first = conn.outbound.pending()[0];
        let all = conn.outbound.pending().len();
        conn.outbound.advance(all);
        assert_eq!(first & !0x40, 0x81);
        first & 0x40 != 0
    };
    assert!(!marked(99, Compression::Auto));
    assert!(marked(100, Compression::Auto));
    assert!(marked(10, Compression::On));
    assert!(!marked(1000, Compression::Off));
}

/// Connections that keep no window own nothing between messages.
#[test]
fn idle_connections_own_nothing() {
    let config = config(|_, deflate| deflate.receive_context = ReceiveContext::Fresh);
    let mut pool = DeflatePool::new();
    let mut pair = Pair::new(&config);
    let message = "idle ".repeat(1000);
    exchange(&mut pair.client, &mut pair.server, &[message], 4, &mut pool);
    assert!(pair.client.outbound.compressor().is_none());
    assert!(pair.server.inbound.inflater().is_none());
    assert_eq!((pool.sent().messages, pool.received().messages), (1, 1));
}

/// Connections that keep a window own that.
#[test]
fn idle_connections_own_their_window() {
    let window = WindowBits::new(10).unwrap();
    let config = config(|_, deflate| {
        deflate.send_window = window;
        deflate.receive_window = Some(window);
        deflate.send_context = SendContext::Window;
        deflate.receive_context = ReceiveContext::Window;
    });
    let mut pool = DeflatePool::new();
    let mut pair = Pair::new(&config);
    let message = "idle ".repeat(1000);
    for _ in 0..3 {
        exchange(&mut pair.client, &mut pair.server, std::slice::from_ref(&message), 4, &mut pool);
        let sending = pair.client.outbound.compressor().unwrap().memory();
        let receiving = pair.server.inbound.inflater().unwrap().memory();
        assert!(sending < 1024 + 512 && receiving < 1024 + 512, "{sending} {receiving}");
    }
}

/// A driver that gives little work at a time gets the same events, and no call does much more than that.
#[test]
fn work_is_shared_out() {
    const WORK: usize = 64 * 1024;
    let plain = [vec![b'x'; 5_000_000], (0..200_000u32).flat_map(u32::to_le_bytes).collect()].concat();
    for delivery in [Delivery::Messages, Delivery::Frames, Delivery::Both] {
        let settings = || config(|config, _| config.delivery = delivery);
        let mut sender = server(settings());
        sender.outbound.send_with(Message::Binary(&plain), Compression::On).unwrap();
        let payload = sender.outbound.pending()[10..].to_vec();
        let mut wire = compressed(RawHeader::BINARY, &payload);
        wire.extend(frame(RawHeader::TEXT, b"behind it"));
        let mut conn = server(settings());
        let mut input = &mut wire[..];
        let (mut got, mut calls) = (Vec::new(), 0);
        let mut behind = false;
        while !input.is_empty() {
            let mut work = WORK;
            let before = conn.inbound.held();
            loop {
                match conn.inbound.next_within(&mut input, &mut conn.outbound, &mut work).unwrap() {
                    Some(Event::Message(Message::Text(text))) => behind = text == "behind it",
                    Some(Event::Message(message)) => got = message.as_bytes().to_vec(),
                    Some(Event::Chunk(chunk)) if delivery == Delivery::Frames && !behind => {
                        got.extend_from_slice(chunk.payload);
                    }
                    Some(_) => {}
                    None => break,
                }
            }
            calls += 1;
            assert!(conn.inbound.held().saturating_sub(before) <= WORK + 512 * 1024 * 11 / 10);
        }
        got.truncate(plain.len());
        assert!(got == plain, "{delivery:?}");
        assert!(calls > 5, "{calls}");
    }
}

/// What is whole and short goes another way through the inflater, and means the same: the limit, text, and what the next one may refer to.
#[test]
fn a_short_message_means_the_same_whole_and_in_pieces() {
    for len in [30usize, 100, 258, 300, 1000, 5000, 20_000] {
        for (kind, last) in [(RawHeader::TEXT, b'z'), (RawHeader::BINARY, 0xff), (RawHeader::TEXT, 0xff)] {
            let mut plain: Vec<u8> = b"all that ".iter().copied().cycle().take(len).collect();
            plain[len - 1] = last;
            let mut sender = server(config(|_, _| {}));
            sender.outbound.send_binary(&plain).unwrap();
            let header = if sender.outbound.pending()[1] < 126 { 2 } else { 4 };
            let payload = sender.outbound.pending()[header..].to_vec();
            assert!(sender.outbound.pending()[0] & 0x40 != 0 && payload.len() <= 512, "{len}");
            let wire = [compressed(kind, &payload), compressed(RawHeader::BINARY, &HELLO)].concat();
            for limit in [1, len - 1, len, len + 1, 1 << 20] {
                let mut whole = server(config(|config, _| config.max_message = limit.max(5)));
                let said = feed(&mut whole, &wire, usize::MAX);
                for cut in [1, 2, 7, payload.len()] {
                    let mut pieces = server(config(|config, _| config.max_message = limit.max(5)));
                    assert_eq!(said, feed(&mut pieces, &wire, cut), "{len} {limit} cut at {cut}");
                    assert_eq!(whole.outbound.pending(), pieces.outbound.pending());
                }
                let is_right = len <= limit.max(5) && (kind == RawHeader::BINARY || last == b'z');
                assert_eq!(
                    matches!(said[..], [Said::Message(..), Said::Message(..)]),
                    is_right,
                    "{len} {limit}"
                );
            }
        }
    }
}
