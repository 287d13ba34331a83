//! Data frames, frame by frame and beside the messages that they make.

use crate::support::*;
use bowsprit::Role;
use bowsprit::connection::driver::InboundExt as _;
use bowsprit::connection::{Config, Delivery};
use bowsprit::frame::{DataKind, Header, RawHeader, Rules};

fn header(sender: Role, raw: RawHeader, len: usize) -> Seen {
    let rules = Rules { role: sender.peer(), compression: false, max_frame: u64::MAX };
    Seen::Frame(Header::check(&by(sender, raw).with_length(len as u64), &rules).unwrap())
}

fn chunk(kind: DataKind, payload: &[u8], frame_ends: bool, message_ends: bool) -> Seen {
    Seen::Chunk { kind, payload: payload.to_vec(), frame_ends, message_ends }
}

fn side(role: Role, delivery: Delivery) -> (Side, bowsprit::time::Instant) {
    let config = || config(|config| config.delivery = delivery);
    let pair = Pair::new(config(), config());
    (if role == Role::Client { pair.client } else { pair.server }, pair.now)
}

#[test]
fn frames_as_they_arrive() {
    use DataKind::{Binary, Text};
    for role in ROLES {
        let peer = role.peer();
        let bytes = [
            sent_by(peer, not_fin(RawHeader::TEXT), b"a\xc3"),
            sent_by(peer, RawHeader::PING, b"?"),
            sent_by(peer, not_fin(RawHeader::CONTINUATION), b""),
            sent_by(peer, RawHeader::CONTINUATION, b"\xa9z"),
            sent_by(peer, RawHeader::BINARY, b""),
            sent_by(peer, RawHeader::CLOSE, b""),
        ];
        let frames = [
            header(peer, not_fin(RawHeader::TEXT), 2),
            chunk(Text, b"a\xc3", true, false),
            Seen::Ping(b"?".to_vec()),
            header(peer, not_fin(RawHeader::CONTINUATION), 0),
            chunk(Text, b"", true, false),
            header(peer, RawHeader::CONTINUATION, 2),
            chunk(Text, b"\xa9z", true, true),
        ];
        let end = [header(peer, RawHeader::BINARY, 0), chunk(Binary, b"", true, true)];

        let (mut side, now) = self::side(role, Delivery::Frames);
        side.read(&bytes.concat(), now);
        assert_eq!(side.saw(), [&frames[..], &end, &[Seen::Close(None)]].concat());
        assert_eq!(side.conn.inbound.held(), 0, "nothing is held");

        let (mut side, now) = self::side(role, Delivery::Both);
        side.read(&bytes.concat(), now);
        let expected = [&frames[..], &[Seen::text("aéz")], &end, &[Seen::Binary(vec![]), Seen::Close(None)]];
        assert_eq!(side.saw(), expected.concat());
    }
}

#[test]
fn chunks_follow_the_reads() {
    let (mut side, now) = side(Role::Client, Delivery::Both);
    let mut seen = Vec::new();
    for read in [&b"\x01\x04he"[..], b"ll", b"", b"\x80", b"\x01", b"o"] {
        side.read(read, now);
        seen.push(side.saw());
    }
    let kind = DataKind::Text;
    let expected = [
        vec![header(Role::Server, not_fin(RawHeader::TEXT), 4), chunk(kind, b"he", false, false)],
        vec![chunk(kind, b"ll", true, false)],
        vec![],
        vec![],
        vec![header(Role::Server, RawHeader::CONTINUATION, 1)],
        vec![chunk(kind, b"o", true, true), Seen::text("hello")],
    ];
    assert_eq!(seen, expected);
}

/// A message that is still to be handed over is not taken away with its buffer.
#[test]
fn the_buffer_stays_until_its_message_is_handed_over() {
    let (mut side, now) = side(Role::Client, Delivery::Both);
    let mut bytes = *b"\x81\x02hi";
    let mut input = &mut bytes[..];
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.extend(side.conn.next(&mut input, now).unwrap().map(Seen::from));
        assert_eq!(side.conn.inbound.reclaim().is_some(), seen.len() == 3);
    }
    assert_eq!(seen[2], Seen::text("hi"));
}

/// §8.1: the chunk that carries the first bad byte is refused, though its frame goes on.
#[test]
fn bad_text_ends_it_at_its_chunk() {
    for delivery in [Delivery::Messages, Delivery::Frames, Delivery::Both] {
        for role in ROLES {
            let (mut side, now) = side(role, delivery);
            let bytes = raw_frame(by(role.peer(), RawHeader::TEXT.with_length(1000)), b"good\xc0");
            let (good, bad) = bytes.split_at(bytes.len() - 1);
            side.read(good, now);
            assert!(!matches!(side.seen.last(), Some(Seen::Failed(_))));
            side.read(bad, now);
            assert_fails_with(&mut side, 1007, now);
        }
    }
}

/// What is not held may be longer than what would be.
#[test]
fn frames_need_no_memory() {
    let len = 100 << 20;
    let config = config(|config| {
        config.delivery = Delivery::Frames;
        config.max_message = len;
        config.max_frame = len as u64;
    });
    let mut pair = Pair::new(config.clone(), Config::default());
    let mut bytes = Vec::new();
    RawHeader::BINARY.with_length(len as u64).encode_into(&mut bytes);
    pair.client.read(&bytes, pair.now);
    let mut block = vec![0; 1 << 20];
    for left in (0..100).rev() {
        let mut input = &mut block[..];
        let event = pair.client.conn.next(&mut input, pair.now).unwrap().map(Seen::from);
        let Some(Seen::Chunk { payload, message_ends, .. }) = event else {
            panic!("{left} to go: {event:?}")
        };
        assert_eq!((payload.len(), message_ends), (1 << 20, left == 0));
        assert_eq!(pair.client.conn.inbound.held(), 0);
    }
}
