//! Peers that do not read, or say nothing.

use super::*;

/// A message that no socket buffer takes in whole together with a few more.
fn big() -> String {
    "x".repeat(1 << 20)
}

#[test]
fn a_reader_that_does_not_read_is_ended() {
    let mut world = World::new();
    let (_stuck, id) = world.open();
    let (mut other, _) = world.open();
    let big = big();
    let mut queued = 0;
    let cause = world.until(|world| {
        match world.cx().send_text(id, &big) {
            Sent::Queued(bytes) => queued = queued.max(bytes),
            Sent::Now => {}
            Sent::Closed => {}
            sent => panic!("{sent:?}"),
        }
        match world.probe.told.pop_front()? {
            Told::Closed(closed, cause, _) if closed == id => Some(cause),
            _ => None, // drained, while the system's buffers still grow
        }
    });
    assert!(matches!(cause, Cause::Overflow), "{cause:?}");
    // 4 MiB, and the last message that was accepted may pass the mark.
    assert!(queued < (5 << 20) + 100, "{queued}");
    world.probe.echoes = true;
    other.text("not slowed");
    assert_text(&world.frame(&mut other), "not slowed");
    assert_eq!(world.event_loop.engine().len(), 1);
}

#[test]
fn a_reader_that_does_not_read_loses_data_but_no_control_frame() {
    let mut world = World::with(|settings| settings.overflow = Overflow::DropData);
    let (mut peer, id) = world.open();
    let big = big();
    let mut accepted = 0;
    world.until(|world| match world.cx().send_text(id, &big) {
        Sent::Dropped => Some(()),
        _ => {
            accepted += 1;
            None
        }
    });
    assert!(matches!(world.cx().ping(id, b"still there?"), Sent::Queued(_)));
    assert_eq!(world.cx().send_text(id, &big), Sent::Dropped);
    for _ in 0..accepted {
        assert!(world.frame(&mut peer).1 == big.as_bytes());
    }
    assert_eq!(world.frame(&mut peer).1, b"still there?");
    assert!(matches!(world.told(), Told::Drained(drained) if drained == id));
    assert_eq!(world.cx().send_text(id, "again"), Sent::Now);
    assert_text(&world.frame(&mut peer), "again");
}

#[test]
fn a_peer_that_does_not_read_echoes_is_not_read_from() {
    let mut world = World::echo();
    let (mut peer, _) = world.open();
    let message = sent_by(Role::Client, RawHeader::BINARY, &vec![7; 1 << 16]);
    // It sends as long as it can, and the loop is idle in between: 64 turns without progress.
    let (mut sent, mut stuck) = (0, 0);
    let mut rest = &message[..];
    while stuck < 64 {
        match io::Write::write(&mut peer.stream, rest) {
            Ok(len) => {
                stuck = 0;
                rest = &rest[len..];
                if rest.is_empty() {
                    sent += 1;
                    rest = &message;
                }
            }
            Err(_) => {
                stuck += 1;
                world.turn();
            }
        }
        assert!(sent < 1000, "{sent} messages of 64 KiB were taken from a peer that does not read");
    }
    assert!(world.probe.sent.iter().all(|sent| matches!(sent, Sent::Now | Sent::Queued(_))));
    // Then it reads, and everything is there.
    for _ in 0..sent {
        assert_eq!(world.frame(&mut peer).1.len(), 1 << 16);
    }
    world.write(&mut peer, rest);
    assert_eq!(world.frame(&mut peer).1.len(), 1 << 16);
}

#[test]
fn a_flood_of_pings_is_bounded() {
    let mut world = World::new();
    let (mut peer, id) = world.open();
    let pings = sent_by(Role::Client, RawHeader::PING, &[b'p'; 125]).repeat(1000);
    let mut most = 0;
    for _ in 0..200 {
        let _ = io::Write::write(&mut peer.stream, &pings);
        world.turn();
        most = most.max(world.cx().queued(id));
    }
    assert!(most < 200 << 10, "{most} bytes of Pongs wait");
    assert!(world.cx().is_open(id));
}

#[test]
fn a_flood_of_empty_fragments_is_ended() {
    let mut world = World::new();
    let (mut peer, _) = world.open();
    peer.send(not_fin(RawHeader::TEXT), b"");
    let empty = sent_by(Role::Client, not_fin(RawHeader::CONTINUATION), b"");
    world.write(&mut peer, &empty.repeat(2000));
    assert_close(&world.frame(&mut peer), 1008);
    assert!(matches!(world.told_closed().1, Cause::Protocol(ProtocolError::TooManyEmptyFragments)));
}

#[test]
fn a_silent_peer_is_pinged_and_given_up() {
    let mut world = World::with(|settings| {
        settings.connection = Arc::new(config(|config| {
            config.ping_interval = Some(Duration::from_millis(50));
            config.pong_timeout = Duration::from_millis(50);
        }));
    });
    let (mut peer, id) = world.open();
    for _ in 0..3 {
        let (header, payload) = world.frame(&mut peer);
        assert_eq!(header.opcode, RawHeader::PING.opcode);
        peer.send(RawHeader::PONG, &payload);
        assert!(matches!(world.told(), Told::Pong(pong) if pong == id));
    }
    let (_, cause, _) = world.told_closed();
    assert!(matches!(cause, Cause::Timeout(Due::Dead)), "{cause:?}");
    world.frame(&mut peer);
    assert_close(&world.frame(&mut peer), 1001);
}

#[test]
fn an_idle_peer_is_closed() {
    let mut world = World::with(|settings| {
        settings.connection =
            Arc::new(config(|config| config.idle_timeout = Some(Duration::from_millis(100))));
    });
    let (mut peer, _) = world.open();
    assert_close(&world.frame(&mut peer), 1001);
    assert!(matches!(world.told_closed().1, Cause::Timeout(Due::Idle)));
}
