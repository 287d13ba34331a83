//! The closing handshake (RFC 6455 §5.5.1, §7.1, §7.4).

use std::sync::Arc;

use crate::support::*;
use bowsprit::Role;
use bowsprit::close::CloseCode;
use bowsprit::connection::{CloseStep, Config};
use bowsprit::frame::{DataKind, RawHeader};

#[test]
fn either_side_begins() {
    for role in ROLES {
        for close in [None, reason(1000, ""), reason(1001, "gone"), reason(3000, ""), reason(4999, "é")] {
            let mut pair = Pair::default();
            let now = pair.now;
            let (side, peer) = pair.sides(role);
            assert_eq!(side.conn.close_step(), CloseStep::None);
            side.conn.close(close, now).unwrap();
            assert_eq!(side.conn.close_step(), CloseStep::AwaitClose);
            assert_eq!(peer.conn.close_step(), CloseStep::None);
            assert_closes_cleanly(&mut pair);

            let (side, peer) = pair.sides(role);
            let code = close.map(|close| close.code);
            let said = close.map(|close| (close.code.0, close.reason.to_owned()));
            assert_eq!(peer.saw(), [Seen::Close(said)]);
            assert_eq!(side.saw(), [Seen::Close(code.map(|code| (code.0, String::new())))], "an echo");
            for side in [side, peer] {
                // §7.1.5: 1005 where the Close frame had no code
                assert_eq!(side.conn.outcome().code(), code.unwrap_or(CloseCode::NO_STATUS));
            }
        }
    }
}

#[test]
fn both_sides_begin_at_once() {
    let mut pair = Pair::default();
    pair.client.conn.close(reason(4001, "client"), pair.now).unwrap();
    pair.server.conn.close(reason(4002, "server"), pair.now).unwrap();
    assert_closes_cleanly(&mut pair);
    assert_eq!(pair.client.saw(), [Seen::Close(Some((4002, "server".into())))]);
    assert_eq!(pair.server.saw(), [Seen::Close(Some((4001, "client".into())))]);
}

/// §7.1.2: what was queued before the Close frame still goes out, in order.
#[test]
fn messages_before_the_close_are_delivered() {
    let mut pair = Pair { chop: Chop::Random(5, 50), ..Pair::default() };
    for i in 0..1000 {
        pair.client.conn.outbound.send_text(&i.to_string()).unwrap();
    }
    pair.client.conn.close(reason(1000, "done"), pair.now).unwrap();
    assert_closes_cleanly(&mut pair);
    let saw = pair.server.saw();
    assert_eq!(saw.len(), 1001);
    assert!((0..1000).all(|i| saw[i] == Seen::Text(i.to_string())));
}

/// §5.5.1: a peer may go on until it has seen our Close frame.
#[test]
fn what_the_peer_says_before_its_close_is_heard() {
    let mut pair = Pair::default();
    pair.server.conn.close(None, pair.now).unwrap();
    pair.client.conn.outbound.send_text("last words").unwrap();
    pair.carry(Role::Client);
    assert_eq!(pair.server.saw(), [Seen::text("last words")]);
    assert_closes_cleanly(&mut pair);
}

/// §5.5.1: nothing counts that follows a Close frame, a fault included.
#[test]
fn what_the_peer_says_after_its_close_is_ignored() {
    for role in ROLES {
        let peer = role.peer();
        let bytes = [
            sent_by(peer, RawHeader::CLOSE, &close_payload(1000, "bye")),
            sent_by(peer, RawHeader::TEXT, b"after"),
            sent_by(peer, RawHeader::PING, b"after"),
            sent_by(peer, RawHeader::CLOSE, &close_payload(1002, "again")),
            b"\xff\xff\xff\xff".to_vec(),
        ]
        .concat();
        for chop in Chop::every(&bytes).chain([Chop::Steps(1)]) {
            let mut pair = Pair::default();
            let now = pair.now;
            let (side, _) = pair.sides(role);
            for read in chop.reads(&bytes) {
                side.read(&read, now);
            }
            assert_eq!(side.saw(), [Seen::Close(Some((1000, "bye".into())))]);
            let sent = frames(&side.write());
            assert_eq!(sent.len(), 1);
            assert_eq!(sent[0].1, close_payload(1000, ""));
            assert!(side.conn.outcome().is_clean());
        }
    }
}

/// §5.4: a Close frame is a control frame and may stand in the middle of a message, which then never ends.
#[test]
fn a_close_in_the_middle_of_a_message() {
    for role in ROLES {
        let mut pair = Pair::default();
        let now = pair.now;
        let (side, _) = pair.sides(role);
        side.conn.outbound.start_message(DataKind::Text, b"half a mess").unwrap();
        side.conn.close(reason(1001, ""), now).unwrap();
        assert_closes_cleanly(&mut pair);
        let (_, peer) = pair.sides(role);
        assert_eq!(peer.saw(), [Seen::Close(Some((1001, String::new())))]);
        assert!(!peer.conn.inbound.is_between_messages());
    }
}

/// §7.1.7: the first fault decides, and one Close frame tells it.
#[test]
fn of_two_faults_the_first_decides() {
    let mut pair = Pair::default();
    let faults = [sent_by(Role::Client, RawHeader::TEXT, b"\xff"), b"\x83\x80\0\0\0\0".to_vec()].concat();
    pair.server.read(&faults, pair.now);
    assert_fails_with(&mut pair.server, 1007, pair.now);
    assert_eq!(frames(&pair.server.wrote).len(), 1);
}

/// The peer of whoever fails the connection answers, and knows why.
#[test]
fn a_failure_is_told_and_answered() {
    for role in ROLES {
        let mut pair = Pair::default();
        let now = pair.now;
        let (side, peer) = pair.sides(role);
        side.read(&sent_by(peer.role(), RawHeader::of(0x3), b""), now);
        pair.settle();
        let (side, peer) = pair.sides(role);
        assert_eq!(peer.saw(), [Seen::Close(Some((1002, "the opcode is reserved".into())))]);
        assert_eq!(side.saw().len(), 1, "the answer is not looked at");
        assert_eq!(peer.conn.outcome().code(), CloseCode::PROTOCOL_ERROR);
        assert_eq!(side.conn.outcome().code(), CloseCode::ABNORMAL, "§7.1.5: no Close frame was received");
        assert_eq!(frames(&peer.wrote).len(), 1);
    }
}

/// A fault while we wait for the peer's Close frame: ours is out already.
#[test]
fn a_fault_after_our_close_sends_no_second_one() {
    for role in ROLES {
        let mut pair = Pair::default();
        let now = pair.now;
        let (side, peer) = pair.sides(role);
        side.conn.close(reason(1000, ""), now).unwrap();
        let sent = side.write();
        side.read(&sent_by(peer.role(), RawHeader::of(0xb), b""), now);
        assert!(matches!(side.saw()[..], [Seen::Failed(_)]));
        assert_eq!(side.write(), b"");
        assert_eq!(frames(&sent).len(), 1);
        assert_eq!(side.conn.close_step(), CloseStep::CloseTcp);
        assert!(!side.conn.outcome().is_clean());
    }
}

#[test]
fn a_connection_that_just_ends_was_abnormal() {
    let pair = Pair::default();
    for outcome in pair.outcomes() {
        assert!(!outcome.is_clean());
        assert_eq!(outcome.code(), CloseCode::ABNORMAL);
        assert_eq!(outcome.reason(), "");
    }
}

/// Every code there is, against the table of §7.4 and the IANA registry.
#[test]
fn every_code_is_accepted_or_refused() {
    let config = Arc::new(Config::default());
    let now = start();
    for role in ROLES {
        for code in 0..=u16::MAX {
            let mut side = Side::new(role, &config, now);
            side.read(&sent_by(role.peer(), RawHeader::CLOSE, &code.to_be_bytes()), now);
            let sent = frames(&side.write());
            let answer = u16::from_be_bytes(*sent[0].1.first_chunk().unwrap());
            if matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                assert_eq!(side.saw(), [Seen::Close(Some((code, String::new())))]);
                assert_eq!(answer, code, "an echo");
            } else {
                assert_eq!(answer, 1002, "{code}");
                assert!(!side.conn.inbound.received_close(), "{code}");
            }
        }
    }
}
