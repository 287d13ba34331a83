//! How connections end.

use super::*;

#[test]
fn the_server_ends_tcp_first() {
    let mut world = World::echo();
    let (mut peer, _) = world.open();
    peer.send(RawHeader::CLOSE, &close_payload(1000, "bye"));
    let (header, payload) = world.frame(&mut peer);
    assert_eq!((header.opcode, payload), (0x8, close_payload(1000, "")), "§5.5.1: an answer echoes the code");
    assert_eq!(world.rest(&mut peer), b"", "§7.1.1");
    let (_, cause, outcome) = world.told_closed();
    assert!(matches!(cause, Cause::Closed) && outcome.is_clean());
    assert_eq!(outcome.reason(), "bye");
    // Nothing is unread: to close the socket is to end it, and nobody has to wait for the peer.
    world.until_empty();
    drop(peer);
}

/// What follows a Close frame is against the rules, but no reason to take our answer to it away by a reset.
#[test]
fn a_close_is_answered_also_to_a_peer_that_goes_on_talking() {
    goes_on_talking(b"\x88\x80\0\0\0\0", |(header, payload)| {
        assert_eq!((header.opcode, payload), (0x8, &Vec::new()));
    });
}

#[test]
fn a_peer_that_does_not_end_tcp_is_cut_in_time() {
    let mut world = World::with(|settings| {
        settings.connection = Arc::new(config(|config| config.close_timeout = Duration::from_millis(100)));
    });
    let (mut answered, _) = world.open();
    answered.close(1000);
    world.told_closed();
    let (silent, id) = world.open();
    world.cx().close(id, BYE);
    let (_, cause, outcome) = world.told_closed();
    assert!(matches!(cause, Cause::Timeout(Due::CloseTimeout)) && !outcome.is_clean());
    world.until_empty();
    drop((answered, silent));
}

#[test]
fn a_broken_rule_is_told_to_both_sides() {
    let mut world = World::echo();
    let (mut peer, _) = world.open();
    peer.text("before");
    peer.write(b"\x81\x05Hello"); // no mask
    assert_text(&world.frame(&mut peer), "before");
    assert_close(&world.frame(&mut peer), 1002);
    assert_eq!(world.rest(&mut peer), b"");
    world.told();
    let (_, cause, outcome) = world.told_closed();
    assert!(matches!(cause, Cause::Protocol(ProtocolError::MaskMissing)), "{cause:?}");
    assert_eq!(outcome.error, Some(ProtocolError::MaskMissing));
    drop(peer);
    world.until_empty();
}

/// What is unread when a socket is closed makes the system send a reset, which can overtake the Close frame.
#[test]
fn a_broken_rule_is_told_also_to_a_peer_that_goes_on_talking() {
    goes_on_talking(b"\x83\x00", |frame| assert_close(frame, 1002));
}

/// Peers send `start` with much behind it, read the answer, send as much again, and see an orderly end.
fn goes_on_talking(start: &[u8], assert_answer: impl Fn(&Frame)) {
    let mut world = World::echo();
    for _ in 0..20 {
        let (mut peer, _) = world.open();
        let mut bytes = start.to_vec();
        bytes.resize(1 << 20, 0);
        world.write(&mut peer, &bytes);
        assert_answer(&world.frame(&mut peer));
        world.write(&mut peer, &bytes);
        assert_eq!(world.rest(&mut peer), b"");
        world.told_closed();
    }
}

#[test]
fn a_reset_ends_one_connection_only() {
    let mut world = World::echo();
    let (mut other, _) = world.open();
    for half_a_frame in [&b""[..], b"\x81", b"\x81\xfe\x10\x00\x01\x02\x03\x04half"] {
        let (mut peer, id) = world.open();
        peer.write(half_a_frame);
        world.turn();
        peer.reset();
        let (closed, cause, outcome) = world.told_closed();
        assert_eq!(closed, id);
        assert!(
            matches!(&cause, Cause::Io(error) if error.kind() == io::ErrorKind::ConnectionReset),
            "{cause:?}"
        );
        assert_eq!(outcome.code(), CloseCode::ABNORMAL);
    }
    other.text("still here");
    assert_text(&world.frame(&mut other), "still here");
    assert_eq!(world.event_loop.engine().len(), 1);
}

#[test]
fn many_resets_at_once() {
    let mut world = World::new();
    world.probe.relays = true;
    let peers: Vec<Peer> = (0..300).map(|_| world.open().0).collect();
    for peer in peers {
        peer.reset();
    }
    world.until_empty();
    let closed = world.probe.told.drain(..).filter(|told| matches!(told, Told::Closed(..))).count();
    assert_eq!(closed, 300);
}

#[test]
fn a_half_closed_peer_gets_its_answer() {
    let mut world = World::echo();
    let (mut peer, _) = world.open();
    let big = vec![b'x'; 3_000_000];
    world.write(&mut peer, &sent_by(Role::Client, RawHeader::TEXT, &big));
    peer.text("last");
    peer.finish();
    assert!(world.frame(&mut peer).1 == big);
    assert_text(&world.frame(&mut peer), "last");
    assert_eq!(world.rest(&mut peer), b"");
    let (_, cause, outcome) = world.until_closed();
    assert!(matches!(cause, Cause::Eof), "{cause:?}");
    assert_eq!(outcome.code(), CloseCode::ABNORMAL);
    world.until_empty();
}

#[test]
fn a_half_closed_peer_is_answered_a_close() {
    let mut world = World::echo();
    let (mut peer, _) = world.open();
    peer.close(1000);
    peer.finish();
    assert_close(&world.frame(&mut peer), 1000);
    assert_eq!(world.rest(&mut peer), b"");
    assert!(matches!(world.told_closed().1, Cause::Closed));
    world.until_empty();
}

#[test]
fn names_of_slots_are_not_used_again() {
    let mut world = World::echo();
    let (peer, old) = world.open();
    *world.cx().data(old).unwrap() = 7;
    peer.reset();
    world.told_closed();
    world.until_empty();
    let (mut peer, new) = world.open();
    assert_ne!(old, new);
    assert_eq!(world.cx().data(old), None);
    assert_eq!(world.cx().data(new), Some(&mut 0));
    assert_eq!(world.cx().send_text(old, "to nobody"), Sent::Closed);
    assert_eq!(world.cx().close(old, BYE), Sent::Closed);
    world.cx().abort(old);
    peer.text("to me");
    assert_text(&world.frame(&mut peer), "to me");
}
