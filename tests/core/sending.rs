//! What may be sent, and how it looks on the wire (RFC 6455 §5.1, §5.3, §5.4, §5.6).

use std::collections::HashSet;
use std::num::NonZeroUsize;

use crate::support::*;
use bowsprit::Role;
use bowsprit::close::{CloseCode, MAX_REASON};
use bowsprit::connection::{Config, SendError};
use bowsprit::frame::{DataKind, RawHeader};
use bowsprit::message::{Message, Prepared};

/// Opcode, FIN and payload of each frame.
fn shape(bytes: &[u8]) -> Vec<(u8, bool, Vec<u8>)> {
    frames(bytes).into_iter().map(|(header, payload)| (header.opcode, header.fin, payload)).collect()
}

fn both(config: &Config) -> Pair {
    Pair::new(config.clone(), config.clone())
}

#[test]
fn a_message_in_parts() {
    for role in ROLES {
        let mut pair = Pair::default();
        let (side, _) = pair.sides(role);
        let outbound = &mut side.conn.outbound;
        outbound.start_message(DataKind::Text, "κ\u{3cc}".as_bytes().split_last().unwrap().1).unwrap();
        outbound.ping(b"between").unwrap();
        outbound.continue_message(b"").unwrap();
        outbound.continue_message(b"\x8c").unwrap();
        outbound.finish_message("σμε".as_bytes()).unwrap();
        outbound.send_binary(b"next").unwrap();
        pair.settle();
        let (side, peer) = pair.sides(role);
        assert_eq!(
            shape(&side.wrote),
            [
                (0x1, false, b"\xce\xba\xcf".to_vec()),
                (0x9, true, b"between".to_vec()),
                (0x0, false, vec![]),
                (0x0, false, vec![0x8c]),
                (0x0, true, "σμε".into()),
                (0x2, true, b"next".to_vec()),
            ]
        );
        let expected = [Seen::Ping(b"between".to_vec()), Seen::text("κόσμε"), Seen::Binary(b"next".to_vec())];
        assert_eq!(peer.saw(), expected);
    }
}

/// §5.5.2: a Pong does not wait for the end of a message, and §5.4: it may not have to.
#[test]
fn a_pong_goes_between_parts() {
    let mut pair = Pair::default();
    pair.client.conn.outbound.start_message(DataKind::Binary, b"1").unwrap();
    pair.client.read(&sent_by(Role::Server, RawHeader::PING, b"?"), pair.now);
    pair.client.conn.outbound.finish_message(b"2").unwrap();
    let shape = shape(&pair.client.write());
    assert_eq!(shape.iter().map(|frame| frame.0).collect::<Vec<_>>(), [0x2, 0xa, 0x0]);
}

#[test]
fn long_messages_go_out_in_fragments() {
    let config = config(|config| config.fragment_size = NonZeroUsize::new(10));
    for role in ROLES {
        for (len, expected) in [
            (0, &[0][..]),
            (1, &[1]),
            (9, &[9]),
            (10, &[10]),
            (11, &[10, 1]),
            (20, &[10, 10]),
            (35, &[10, 10, 10, 5]),
        ] {
            let mut pair = both(&config);
            let payload = "x".repeat(len);
            let prepared = Prepared::new(Message::Text(&payload));
            let (side, _) = pair.sides(role);
            side.conn.outbound.send_text(&payload).unwrap();
            side.conn.outbound.send_prepared(&prepared).unwrap();
            pair.settle();
            let (side, peer) = pair.sides(role);
            assert_eq!(peer.saw(), [Seen::text(&payload), Seen::text(&payload)]);
            let shape = shape(&side.wrote);
            assert_eq!(shape.len(), 2 * expected.len());
            for (at, (opcode, fin, payload)) in shape.iter().enumerate() {
                let at = at % expected.len();
                assert_eq!(payload.len(), expected[at], "{len}");
                assert_eq!(*opcode, if at == 0 { 0x1 } else { 0x0 });
                assert_eq!(*fin, at == expected.len() - 1);
            }
        }
    }
}

/// §5.3, §10.3: every frame of a client has a mask of its own, empty and control frames included.
#[test]
fn masks_are_fresh() {
    let mut pair = Pair::default();
    let outbound = &mut pair.client.conn.outbound;
    for _ in 0..2500 {
        outbound.send_text("the same").unwrap();
        outbound.ping(b"").unwrap();
        outbound.send_binary(b"").unwrap();
        outbound.pong(b"the same").unwrap();
    }
    outbound.close(None).unwrap();
    let frames = frames(&pair.client.write());
    let keys: HashSet<_> = frames.iter().map(|(header, _)| header.mask.expect("§5.1: masked")).collect();
    assert!(keys.len() >= frames.len() - 1, "{} keys for {} frames", keys.len(), frames.len());
}

#[test]
fn a_server_masks_nothing() {
    let mut pair = Pair::default();
    let outbound = &mut pair.server.conn.outbound;
    outbound.send_text("plain").unwrap();
    outbound.send_prepared(&Prepared::new(Message::Binary(&[1; 5000]))).unwrap();
    outbound.start_message(DataKind::Text, b"").unwrap();
    outbound.finish_message(b"").unwrap();
    outbound.ping(b"").unwrap();
    outbound.pong(b"").unwrap();
    outbound.close(None).unwrap();
    let frames = frames(&pair.server.write());
    assert_eq!(frames.len(), 7);
    assert!(frames.iter().all(|(header, _)| header.mask.is_none()));
}

/// Each refusal leaves the connection as it was.
#[test]
fn what_may_not_be_sent_is_refused() {
    for role in ROLES {
        let mut pair = both(&config(|config| config.max_queued = 100));
        let (side, _) = pair.sides(role);
        let outbound = &mut side.conn.outbound;
        let long_reason = "x".repeat(MAX_REASON + 1);

        assert_eq!(outbound.continue_message(b""), Err(SendError::NoMessageOpen));
        assert_eq!(outbound.finish_message(b""), Err(SendError::NoMessageOpen));
        assert_eq!(outbound.start_message(DataKind::Text, b"\xff"), Err(SendError::NotUtf8));
        assert_eq!(outbound.continue_message(b""), Err(SendError::NoMessageOpen), "it has not begun");
        assert_eq!(outbound.ping(&[0; 126]), Err(SendError::ControlTooLong));
        assert_eq!(outbound.pong(&[0; 126]), Err(SendError::ControlTooLong));
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
            assert_eq!(outbound.close(reason(code, "")), Err(SendError::CloseCode), "{code}");
        }
        assert_eq!(outbound.close(reason(1000, &long_reason)), Err(SendError::ReasonTooLong));
        assert_eq!(outbound.queued(), 0, "nothing of this is sent");

        outbound.start_message(DataKind::Text, b"\xce").unwrap();
        let queued = outbound.queued();
        assert_eq!(outbound.start_message(DataKind::Text, b""), Err(SendError::MessageOpen));
        assert_eq!(outbound.send_text(""), Err(SendError::MessageOpen));
        assert_eq!(outbound.send_prepared(&Prepared::new(Message::Text(""))), Err(SendError::MessageOpen));
        assert_eq!(outbound.continue_message(b"\xce"), Err(SendError::NotUtf8));
        assert_eq!(outbound.finish_message(b""), Err(SendError::NotUtf8), "half a character");
        assert_eq!(outbound.queued(), queued);
        outbound.finish_message(b"\xba").unwrap();

        outbound.send_binary(&[0; 100]).unwrap();
        assert_eq!(outbound.send_text(""), Err(SendError::QueueFull));
        assert_eq!(outbound.start_message(DataKind::Binary, b""), Err(SendError::QueueFull));
        outbound.ping(b"control frames pass").unwrap();
        outbound.close(reason(1000, &long_reason[1..])).unwrap();

        let queued = outbound.queued();
        for refused in [
            outbound.send_text(""),
            outbound.send_binary(b""),
            outbound.send_prepared(&Prepared::new(Message::Text(""))),
            outbound.start_message(DataKind::Text, b""),
            outbound.continue_message(b""),
            outbound.finish_message(b""),
            outbound.ping(b""),
            outbound.pong(b""),
            outbound.close(None),
        ] {
            assert_eq!(refused, Err(SendError::Closing));
        }
        assert_eq!(outbound.queued(), queued, "§5.5.1: nothing follows a Close frame");

        pair.settle();
        let (_, peer) = pair.sides(role);
        assert_eq!(peer.saw().first(), Some(&Seen::text("κ")));
        assert_closes_cleanly(&mut pair);
    }
}

/// `0` bytes may wait: not even one message.
#[test]
fn the_queue_takes_a_message_while_it_is_under_its_mark() {
    let frame = 2 + 10;
    for (mark, taken) in [(0, 0), (1, 1), (frame, 1), (frame + 1, 2), (5 * frame, 5)] {
        let mut pair = Pair::new(Config::default(), config(|config| config.max_queued = mark));
        let outbound = &mut pair.server.conn.outbound;
        let sent = (0..10).take_while(|_| outbound.send_binary(&[0; 10]).is_ok()).count();
        assert_eq!(sent, taken, "{mark}");
        assert_eq!(outbound.queued(), taken * frame);
        if mark > 0 {
            outbound.advance(outbound.queued());
            outbound.send_binary(&[0; 10]).unwrap();
        }
    }
}

/// A reason of ours is cut between characters by nobody but who wrote it; one that fits travels whole.
#[test]
fn the_longest_reason_travels() {
    let long = format!("{}é", "x".repeat(MAX_REASON - 2));
    let mut pair = Pair::default();
    pair.client.conn.outbound.close(reason(4999, &long)).unwrap();
    assert_closes_cleanly(&mut pair);
    assert_eq!(pair.server.saw(), [Seen::Close(Some((4999, long.clone())))]);
    assert_eq!(pair.server.conn.outcome().reason(), long);
    assert_eq!(pair.client.conn.outcome().code(), CloseCode(4999), "the answer echoes the code");
}
