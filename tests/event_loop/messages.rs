//! Messages through a loop.

use super::*;

#[test]
fn every_size_comes_back() {
    let mut world = World::echo();
    let (mut peer, _) = world.open();
    for size in [0, 1, 125, 126, 65_535, 65_536, 262_143, 262_144, 262_145, 3_000_000] {
        let payload: Vec<u8> = (0..size).map(|i: u32| (i * 31 + (i >> 8)) as u8).collect();
        world.write(&mut peer, &sent_by(Role::Client, RawHeader::BINARY, &payload));
        let (header, echo) = world.frame(&mut peer);
        assert_eq!(header, RawHeader::BINARY.with_length(size.into()));
        assert!(echo == payload, "{size}");
    }
    assert!(world.probe.sent.iter().all(|sent| matches!(sent, Sent::Now | Sent::Queued(_))));
}

#[test]
fn frames_glued_to_the_request_are_not_lost() {
    let mut world = World::echo();
    let mut peer = world.connect();
    let bytes = [
        REQUEST.as_bytes(),
        &sent_by(Role::Client, RawHeader::TEXT, b"one"),
        &sent_by(Role::Client, RawHeader::TEXT, b"two")[..4],
    ];
    peer.write(&bytes.concat());
    world.head(&mut peer);
    assert_text(&world.frame(&mut peer), "one");
    peer.write(&sent_by(Role::Client, RawHeader::TEXT, b"two")[4..]);
    assert_text(&world.frame(&mut peer), "two");
}

#[test]
fn a_byte_at_a_time_is_fast_enough() {
    let mut world = World::echo();
    let mut peer = world.connect();
    let message = sent_by(Role::Client, RawHeader::TEXT, &[b'x'; 300]);
    for byte in [REQUEST.as_bytes(), &message].concat() {
        peer.write(&[byte]);
        world.turn();
    }
    world.head(&mut peer);
    assert_text(&world.frame(&mut peer), &"x".repeat(300));
}

#[test]
fn a_relay_reaches_all_but_the_sender() {
    let mut world = World::new();
    world.probe.relays = true;
    let mut peers: Vec<Peer> = (0..5).map(|_| world.open().0).collect();
    peers[2].text("news");
    // A second one from elsewhere shows that nothing came back to the first sender before it.
    world.until(|world| world.probe.told.pop_front());
    peers[3].text("more");
    for (at, peer) in peers.iter_mut().enumerate() {
        if at != 2 {
            assert_text(&world.frame(peer), "news");
        }
        if at != 3 {
            assert_text(&world.frame(peer), "more");
        }
    }
}

#[test]
fn what_a_turn_sends_goes_out_in_order() {
    let mut world = World::acting(Callback::Open, |cx, id| {
        for number in 0..1000 {
            assert_eq!(cx.send_text(id, &number.to_string()), Sent::Now);
        }
        assert_eq!(cx.ping(id, b"end"), Sent::Now);
    });
    let (mut peer, _) = world.open();
    for number in 0..1000 {
        assert_text(&world.frame(&mut peer), &number.to_string());
    }
    assert_eq!(world.frame(&mut peer).1, b"end");
}

#[test]
fn both_roles_live_in_one_loop() {
    let mut world = World::echo();
    let address = world.address;
    let request = ClientRequest::new("127.0.0.1", "/").unwrap();
    let client = world.cx().connect(address, request).unwrap();
    let [first, second] = [world.told_open(), world.told_open()];
    assert!(first == client || second == client);
    world.probe.echoes = false;
    assert_eq!(world.cx().send_text(client, "hello"), Sent::Now);
    assert!(matches!(world.told(), Told::Text(id, text) if id != client && text == "hello"));
    world.cx().close(client, BYE);
    for _ in 0..2 {
        let (_, cause, outcome) = world.told_closed();
        assert!(matches!(cause, Cause::Closed) && outcome.is_clean(), "{cause:?} {outcome:?}");
        assert_eq!(outcome.code(), CloseCode::NORMAL);
    }
    world.until_empty();
}

#[test]
fn nobody_to_connect_to_is_told() {
    let mut world = World::new();
    let nobody = reserved();
    world.cx().connect(nobody, ClientRequest::new("a", "/").unwrap()).unwrap();
    let failed = world.told_failed();
    assert!(
        matches!(&failed, Failed::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused),
        "{failed:?}"
    );
    world.until_empty();
}
