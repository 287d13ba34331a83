//! Pings and Pongs (RFC 6455 §5.5.2, §5.5.3).

use std::sync::Arc;

use crate::support::*;
use bowsprit::Role;
use bowsprit::connection::driver::OutboundExt as _;
use bowsprit::connection::{Config, Connection, SendError};
use bowsprit::frame::RawHeader;

fn pongs(bytes: &[u8]) -> Vec<Vec<u8>> {
    let pong = |(header, payload): (RawHeader, Vec<u8>)| (header.opcode == 0xa).then_some(payload);
    frames(bytes).into_iter().filter_map(pong).collect()
}

fn pings(sender: Role, payloads: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    payloads.flat_map(|payload| sent_by(sender, RawHeader::PING, &payload)).collect()
}

#[test]
fn every_ping_is_answered_in_order() {
    for role in ROLES {
        let mut pair = Pair::default();
        let now = pair.now;
        let (side, peer) = pair.sides(role);
        let payloads: Vec<Vec<u8>> = (0..=125).map(|len| vec![len as u8; len]).collect();
        side.read(&pings(peer.role(), payloads.clone().into_iter()), now);
        assert_eq!(side.saw().len(), payloads.len());
        assert_eq!(pongs(&side.write()), payloads);
    }
}

#[test]
fn a_thousand_pings_in_one_read() {
    let mut pair = Pair::default();
    let payloads = || (0..1000u32).map(|i| i.to_be_bytes().to_vec());
    pair.server.read(&pings(Role::Client, payloads()), pair.now);
    assert_eq!(pongs(&pair.server.write()), payloads().collect::<Vec<_>>());
}

#[test]
fn answering_can_be_left_to_the_caller() {
    let mut pair = Pair::new(Config::default(), config(|config| config.answer_pings = false));
    pair.client.conn.outbound.ping(b"?").unwrap();
    pair.settle();
    assert_eq!(pair.server.saw(), [Seen::Ping(b"?".to_vec())]);
    assert_eq!(pair.client.saw(), []);
    pair.server.conn.outbound.pong(b"?").unwrap();
    pair.settle();
    assert_eq!(pair.client.saw(), [Seen::Pong(b"?".to_vec())]);
}

/// §5.5.3: "A response to an unsolicited Pong frame is not expected."
#[test]
fn a_pong_is_seen_and_not_answered() {
    let mut pair = Pair::default();
    pair.client.conn.outbound.pong(b"nobody asked").unwrap();
    pair.settle();
    assert_eq!(pair.server.saw(), [Seen::Pong(b"nobody asked".to_vec())]);
    assert_eq!(pair.server.wrote, b"");
}

#[test]
fn pings_are_not_answered_once_the_close_is_sent() {
    let mut pair = Pair::default();
    pair.server.conn.close(None, pair.now).unwrap();
    let close = pair.server.write();
    pair.server.read(&pings(Role::Client, [b"late".to_vec()].into_iter()), pair.now);
    assert_eq!(pair.server.saw(), [Seen::Ping(b"late".to_vec())]);
    assert_eq!(pair.server.write(), b"");
    pair.client.read(&close, pair.now);
    assert_closes_cleanly(&mut pair);
}

/// A peer that pings and does not read: what waits for it is bounded, and the last Ping is answered in the end.
#[test]
fn a_flood_of_pings_is_bounded() {
    for role in ROLES {
        let mut pair = Pair::default();
        let now = pair.now;
        let (side, peer) = pair.sides(role);
        let mut payload = vec![0; 125];
        for i in 0..5_000u32 {
            payload[..4].copy_from_slice(&i.to_be_bytes());
            side.read(&sent_by(peer.role(), RawHeader::PING, &payload), now);
            side.seen.clear();
        }
        let queued = side.conn.outbound.queued();
        assert!(queued <= 64 * 1024 + 2 * 131, "{queued} bytes wait");
        let pongs = pongs(&side.write());
        let numbers: Vec<u32> =
            pongs.iter().map(|pong| u32::from_be_bytes(*pong.first_chunk().unwrap())).collect();
        assert!(numbers.is_sorted());
        assert_eq!(*numbers.last().unwrap(), 4_999, "the latest is answered");
        let answered = numbers.len() - 1;
        assert!(numbers[..answered].iter().copied().eq(0..answered as u32));
    }
}

/// The limit for data does not hold back a Pong.
#[test]
fn a_ping_is_answered_while_the_queue_is_full() {
    let mut pair = Pair::new(Config::default(), config(|config| config.max_queued = 10));
    pair.server.conn.outbound.send_binary(&[0; 20]).unwrap();
    assert_eq!(pair.server.conn.outbound.send_binary(b""), Err(SendError::QueueFull));
    pair.server.read(&pings(Role::Client, [b"?".to_vec()].into_iter()), pair.now);
    assert_eq!(pongs(&pair.server.write()), [b"?"]);
}

/// A server with more than 64 KiB waiting, and a Ping that waits behind them.
fn with_a_late_ping() -> Pair {
    let mut pair = Pair::default();
    pair.server.conn.outbound.send_binary(&[0; 70_000]).unwrap();
    pair.server.read(&pings(Role::Client, [b"early".to_vec(), b"late".to_vec()].into_iter()), pair.now);
    pair
}

#[test]
fn a_late_ping_is_answered_before_our_close() {
    let mut pair = with_a_late_ping();
    pair.server.conn.close(None, pair.now).unwrap();
    assert_closes_cleanly(&mut pair);
    assert_eq!(pair.client.saw()[1..], [Seen::Pong(b"late".to_vec()), Seen::Close(None)]);
}

#[test]
fn a_late_ping_is_not_answered_after_the_peers_close() {
    let mut pair = with_a_late_ping();
    pair.server.read(&sent_by(Role::Client, RawHeader::CLOSE, b""), pair.now);
    let opcodes: Vec<u8> = frames(&pair.server.write()).iter().map(|(header, _)| header.opcode).collect();
    assert_eq!(opcodes, [0x2, 0x8]);
}

/// A queue is lent to one connection after the other; nothing of one goes out on the next.
#[test]
fn a_late_ping_stays_with_its_connection() {
    let mut pair = with_a_late_ping();
    let outbound = &mut pair.server.conn.outbound;
    let len = outbound.queued();
    outbound.queue().advance(len);
    let queue = outbound.reclaim_queue().expect("all is written");

    let mut other = Connection::server(Arc::new(Config::default()), pair.now);
    other.outbound.lend_queue(queue);
    other.outbound.send_text("mine").unwrap();
    other.outbound.advance(2);
    assert_eq!(other.outbound.pending(), b"mine");
    other.outbound.advance(4);
    assert_eq!(other.outbound.pending(), b"");

    outbound.advance(0);
    assert_eq!(pongs(&pair.server.write()), [b"late"]);
}
