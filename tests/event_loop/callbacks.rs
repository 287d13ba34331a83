//! What is done from inside callbacks.

use super::*;

#[test]
fn close_from_inside_each_callback() {
    for callback in [Callback::Open, Callback::Message, Callback::Ping, Callback::Pong] {
        let mut world = World::acting(callback, |cx, id| {
            cx.send_text(id, "before");
            assert_eq!(cx.close(id, BYE), Sent::Now);
            assert_eq!(cx.send_text(id, "after"), Sent::Closed);
            assert_eq!(cx.close(id, BYE), Sent::Closed);
            assert!(!cx.is_open(id));
        });
        let (mut peer, _) = world.open();
        match callback {
            Callback::Message => peer.text("now"),
            Callback::Ping => peer.send(RawHeader::PING, b""),
            Callback::Pong => peer.send(RawHeader::PONG, b""),
            _ => {}
        }
        let mut frame = world.frame(&mut peer);
        if callback == Callback::Ping {
            frame = world.frame(&mut peer); // the Pong went first
        }
        assert_text(&frame, "before");
        assert_close(&world.frame(&mut peer), 1000);
        peer.close(1000);
        assert_eq!(world.rest(&mut peer), b"", "{callback:?}");
        let (_, cause, outcome) = world.until_closed();
        assert!(matches!(cause, Cause::Closed) && outcome.is_clean(), "{callback:?}");
    }
}

#[test]
fn abort_from_inside_each_callback() {
    use Callback::*;
    for callback in [Request, Plain, Open, Message, Ping, Pong, Close, Failed] {
        let mut world = World::acting(callback, |cx, id| {
            cx.abort(id);
            cx.abort(id);
            assert_eq!(cx.send_text(id, "after"), Sent::Closed);
        });
        let mut peer = world.connect();
        match callback {
            Plain => peer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
            Failed => peer.write(b"GET / HTTP/1.1\r\n\r\n"),
            _ => peer.write(REQUEST.as_bytes()),
        }
        match callback {
            Message => peer.text("now"),
            Ping => peer.send(RawHeader::PING, b""),
            Pong => peer.send(RawHeader::PONG, b""),
            Close => peer.close(1000),
            _ => {}
        }
        world.until(|world| (!world.probe.told.is_empty()).then_some(()));
        world.until_empty();
        let ends = world.probe.told.iter().filter(|told| matches!(told, Told::Closed(..) | Told::Failed(..)));
        assert_eq!(ends.count(), 1, "{callback:?}: {:?}", world.probe.told);
    }
}

#[test]
fn others_can_be_closed_from_inside_a_callback() {
    let mut world = World::acting(Callback::Message, |cx, id| {
        let others: Vec<ConnId> = cx.connections().filter(|other| *other != id).collect();
        for (at, other) in others.into_iter().enumerate() {
            if at % 2 == 0 {
                cx.abort(other);
            } else {
                cx.close(other, BYE);
            }
        }
    });
    let mut peers: Vec<Peer> = (0..6).map(|_| world.open().0).collect();
    // All talk in the same turn, so that the closed ones have something to say still.
    for peer in &mut peers {
        peer.text("all the same");
        peer.finish();
    }
    world.until_empty();
    let closed = world.probe.told.iter().filter(|told| matches!(told, Told::Closed(..))).count();
    assert_eq!(closed, 6, "{:?}", world.probe.told);
}
