//! Counts what the core allocates: nothing for frames that arrive whole, nothing for what a header merely promises, and
//! never much more than has arrived.

#[path = "support/counting.rs"]
mod counting;
mod support;

use std::sync::Arc;

use bowsprit::Role;
use bowsprit::connection::driver::{InboundExt as _, OutboundExt as _};
use bowsprit::connection::{Config, Connection, Delivery, Event};
use bowsprit::frame::RawHeader;
use bowsprit::message::MessageBuffer;
use counting::{COUNTS, allocations};
use support::*;

fn connection(role: Role, settings: &Arc<Config>) -> Connection {
    Side::new(role, settings, start()).conn
}

fn unlimited() -> Config {
    config(|config| {
        config.max_message = usize::MAX;
        config.max_frame = u64::MAX;
    })
}

/// Takes a read as a driver does that keeps nothing of it.
fn read(conn: &mut Connection, input: &mut [u8]) {
    let Connection { inbound, outbound, .. } = conn;
    let mut input = input;
    while inbound.next(&mut input, outbound).is_ok_and(|event| event.is_some()) {}
}

#[test]
fn the_counting_counts() {
    let (calls, peak, live) = allocations(|| drop(vec![0u8; 1000]));
    assert_eq!((calls, peak, live), (1, 1000, 0));
}

#[test]
fn an_echo_of_whole_frames_allocates_nothing() {
    for role in ROLES {
        let mut conn = connection(role, &Arc::new(Config::default()));
        let peer = role.peer();
        let wire = [
            sent_by(peer, RawHeader::TEXT, "κόσμε".as_bytes()),
            sent_by(peer, RawHeader::BINARY, &[7; 3000]),
            sent_by(peer, RawHeader::PING, b"?"),
            sent_by(peer, RawHeader::TEXT, &[b'x'; 50_000]),
            sent_by(peer, RawHeader::BINARY, b""),
        ]
        .concat();
        let mut buf = wire.clone();
        let mut turn = || {
            buf.copy_from_slice(&wire);
            let Connection { inbound, outbound, .. } = &mut conn;
            let mut input = &mut buf[..];
            while let Some(event) = inbound.next(&mut input, outbound).unwrap() {
                if let Event::Message(message) = event {
                    outbound.send(message).unwrap();
                }
            }
            outbound.advance(outbound.queued());
        };
        turn(); // the queue grows to what a turn needs, and is kept
        let (calls, ..) = allocations(|| (0..100).for_each(|_| turn()));
        assert_eq!(calls, 0, "{role:?}");
    }
}

/// A header that promises a tebibyte, in one read and byte by byte.
#[test]
fn a_promise_allocates_nothing() {
    for role in ROLES {
        for delivery in [Delivery::Messages, Delivery::Frames, Delivery::Both] {
            let settings = Arc::new(config(|config| {
                *config = unlimited();
                config.delivery = delivery;
            }));
            for step in [1, 14] {
                let mut bytes = raw_frame(by(role.peer(), RawHeader::BINARY.with_length(1 << 40)), b"");
                let mut conn = connection(role, &settings);
                let (calls, ..) =
                    allocations(|| bytes.chunks_mut(step).for_each(|input| read(&mut conn, input)));
                assert_eq!(calls, 0, "{role:?} {delivery:?}");
            }
        }
    }
}

/// What is refused costs the Close frame that says so.
#[test]
fn a_refusal_costs_little() {
    for role in ROLES {
        for length in [1 << 40, 1 << 63, u64::MAX] {
            let mut conn = connection(role, &Arc::new(Config::default()));
            let mut bytes = raw_frame(by(role.peer(), RawHeader::BINARY.with_length(length)), b"");
            let (_, peak, _) = allocations(|| read(&mut conn, &mut bytes));
            assert!(conn.inbound.error().is_some());
            assert!(peak <= 1024, "{peak} bytes");
        }
    }
}

/// The bound that [`MessageBuffer`] states: what has arrived, twice.
#[test]
fn a_message_in_progress_holds_what_has_arrived_twice() {
    for step in [1, 7, 1000, 65_536] {
        let mut conn = connection(Role::Client, &Arc::new(unlimited()));
        read(&mut conn, &mut raw_frame(RawHeader::BINARY.with_length(1 << 40), b""));
        let mut block = vec![7; step];
        let mut arrived = 0;
        let before = COUNTS.get().live;
        while arrived < 300_000 {
            read(&mut conn, &mut block);
            arrived += step;
            let live = (COUNTS.get().live - before) as usize;
            assert!(live <= 2 * arrived + 256, "{live} bytes for {arrived} that arrived");
        }
        assert_eq!(conn.inbound.held(), arrived);
    }
}

/// The same for a driver that reads past the input: it is offered moderate reads once a little has arrived.
#[test]
fn room_is_offered_for_what_has_arrived() {
    for step in [100, 5000, usize::MAX] {
        let mut conn = connection(Role::Client, &Arc::new(unlimited()));
        read(&mut conn, &mut raw_frame(RawHeader::BINARY.with_length(1 << 40), b"first"));
        let mut arrived = 5;
        let before = COUNTS.get().live;
        while arrived < 2_000_000 {
            let (inbound, outbound) = (&mut conn.inbound, &mut conn.outbound);
            let len = inbound.room(1, outbound.config()).unwrap().len().min(step);
            let live = (COUNTS.get().live - before) as usize;
            let bound = MessageBuffer::fair(arrived) + 256;
            assert!(live <= bound, "{live} bytes for {arrived} that arrived");
            assert_eq!(inbound.filled(len, outbound), Ok(None));
            arrived += len;
        }
    }
}

/// A fragment costs nothing to hold beside what it carries.
#[test]
fn fragments_share_one_buffer() {
    let mut conn = connection(Role::Client, &Arc::new(Config::default()));
    let mut wire = frame(not_fin(RawHeader::BINARY), b"x");
    for _ in 1..65_536 {
        wire.extend(frame(not_fin(RawHeader::CONTINUATION), b"x"));
    }
    let (_, peak, live) = allocations(|| wire.chunks_mut(1000).for_each(|input| read(&mut conn, input)));
    assert_eq!(conn.inbound.held(), 65_536);
    assert!(peak <= 3 * 65_536 && live <= 2 * 65_536 + 256, "{peak} at the peak, {live} in the end");
}

/// A peer that sends and does not read costs what the settings say.
#[test]
fn a_flood_of_pings_has_a_ceiling() {
    for role in ROLES {
        let mut conn = connection(role, &Arc::new(Config::default()));
        let ping = sent_by(role.peer(), RawHeader::PING, &[7; 125]);
        let mut input = ping.repeat(100);
        let wire = input.clone();
        let (_, peak, _) = allocations(|| {
            for _ in 0..100 {
                input.copy_from_slice(&wire);
                read(&mut conn, &mut input);
            }
        });
        assert!(peak <= 256 * 1024, "{peak} bytes for 1.25 MB of Pings");
    }
}

#[test]
fn a_queue_has_a_ceiling() {
    let settings = Arc::new(config(|config| config.max_queued = 1 << 20));
    for role in ROLES {
        let mut conn = connection(role, &settings);
        let (_, peak, _) = allocations(|| while conn.outbound.send_binary(&[7; 1000]).is_ok() {});
        assert!(conn.outbound.queued() < (1 << 20) + 1100);
        assert!(peak <= 4 << 20, "{peak} bytes");
    }
}

/// A connection that has nothing to do gives its buffers back and owns none, whatever it did before.
#[test]
fn an_idle_connection_owns_no_buffer() {
    for role in ROLES {
        let mut conn = connection(role, &Arc::new(Config::default()));
        let mut wire = [
            sent_by(role.peer(), not_fin(RawHeader::BINARY), &[7; 100_000]),
            sent_by(role.peer(), RawHeader::PING, b"?"),
            sent_by(role.peer(), RawHeader::CONTINUATION, &[7; 100_000]),
            sent_by(role.peer(), RawHeader::TEXT, b"whole"),
        ]
        .concat();
        let (_, _, live) = allocations(|| {
            wire.chunks_mut(5000).for_each(|input| read(&mut conn, input));
            conn.outbound.send_binary(&[7; 100_000]).unwrap();
            conn.outbound.advance(conn.outbound.queued());
            assert!(conn.outbound.reclaim_queue().is_some());
            assert!(conn.inbound.reclaim().is_some());
        });
        assert_eq!(live, 0);
    }
    assert!(size_of::<Connection>() <= 272, "{} bytes", size_of::<Connection>());
}

/// What the nastiest peers can make us hold, held against what they sent.
#[test]
fn memory_is_bounded_by_what_was_received() {
    let close_to = |role: Role, header: RawHeader| sent_by(role.peer(), header, b"");
    for role in ROLES {
        let peer = role.peer();
        let first = sent_by(peer, not_fin(RawHeader::BINARY), b"");
        let inputs: [(&str, Vec<u8>, Vec<u8>); 6] = [
            ("empty fragments", first.clone(), close_to(role, not_fin(RawHeader::CONTINUATION))),
            ("fragments of a byte", first.clone(), sent_by(peer, not_fin(RawHeader::CONTINUATION), b"x")),
            ("long headers", raw_frame(by(peer, RawHeader::BINARY.with_length(1 << 20)), b""), b"x".to_vec()),
            ("Pings", Vec::new(), sent_by(peer, RawHeader::PING, &[7; 125])),
            ("half a control frame", raw_frame(by(peer, RawHeader::PING.with_length(125)), b""), Vec::new()),
            ("Pongs inside a message", first, sent_by(peer, RawHeader::PONG, &[7; 125])),
        ];
        for (name, start, unit) in inputs {
            let mut conn = connection(role, &Arc::new(Config::default()));
            let before = COUNTS.get().live;
            let mut received = 0;
            for round in 0..20_000 {
                let mut bytes = if round == 0 { start.clone() } else { unit.clone() };
                received += bytes.len();
                read(&mut conn, &mut bytes);
                drop(bytes);
                let live = (COUNTS.get().live - before).max(0) as usize;
                let queued = 3 * conn.outbound.queued();
                let bound = 2 * received.min(Config::default().max_message) + queued + 1024;
                assert!(
                    live <= bound,
                    "{role:?} {name}: {live} bytes for {received}, {queued} of them to be sent"
                );
            }
        }
    }
}

/// A head of the greatest length, in one line or in many, byte by byte: no more than twice what has arrived, and
/// nothing once it is refused.
#[test]
fn a_head_holds_what_has_arrived_twice() {
    use bowsprit::handshake::{HeadLimits, ServerHandshake};

    let limits = HeadLimits::default();
    let start = "GET / HTTP/1.1\r\n".to_owned();
    let lines = [
        start.clone() + &"x".repeat(limits.max_bytes),
        start.clone() + "x: " + &" ".repeat(limits.max_bytes),
        start + &format!("{}: {}\r\n", "n".repeat(70), "v".repeat(70)).repeat(limits.max_headers * 2),
        "G".repeat(2 * limits.max_bytes),
    ];
    for head in lines {
        for step in [1, 1000] {
            let before = COUNTS.get().live;
            let mut handshake = ServerHandshake::new(limits);
            let mut arrived = 0;
            let mut refused = false;
            for bytes in head.as_bytes().chunks(step) {
                arrived += bytes.len();
                refused |= handshake.receive(bytes).is_err();
                let live = (COUNTS.get().live - before) as usize;
                assert!(live <= 2 * arrived.min(limits.max_bytes) + 1024, "{live} bytes for {arrived}");
            }
            assert!(refused);
        }
    }
}

/// Half a DEFLATE block holds one window, whatever its size promises.
#[test]
#[cfg(feature = "deflate")]
fn half_a_compressed_block_holds_a_window() {
    use bowsprit::extension::deflate::{DeflateConfig, DeflateParams};
    for role in ROLES {
        let mut settings = Config::default();
        settings.deflate = Some(DeflateConfig::default());
        let mut conn =
            Side::new(role, &Arc::new(settings), start()).conn.with_deflate(DeflateParams::default());
        let rsv1 = RawHeader { rsv1: true, ..by(role.peer(), RawHeader::BINARY) };
        // A stored block of 65,535 bytes, of which one comes.
        let block = [0x00, 0xff, 0xff, 0x00, 0x00, b'x'];
        let mut bytes = raw_frame(rsv1.with_length(1 << 20), &block);
        let before = COUNTS.get().live;
        read(&mut conn, &mut bytes);
        assert_eq!(conn.inbound.error(), None);
        let live = COUNTS.get().live - before;
        assert!(live <= 160 * 1024, "{role:?}: {live} bytes");
    }
}

/// The loop: readiness in, an echo of whole frames out, and nothing allocated on the way.
#[cfg(feature = "event-loop")]
mod the_loop {
    use std::cell::{Cell, RefCell};
    use std::io::{self, Cursor, Read, Write};

    use bowsprit::event_loop::{
        ConnId, Context, Engine, Handler, Readiness, Settings, Stream, To, Transport,
    };
    use bowsprit::message::Message;
    use mio::Poll;

    use super::*;

    thread_local! {
        /// To the loop, from the loop.
        static WIRE: RefCell<(Cursor<Vec<u8>>, Vec<u8>)> =
            const { RefCell::new((Cursor::new(Vec::new()), Vec::new())) };
    }

    thread_local! {
        /// Nothing can be written.
        static STUCK: Cell<bool> = const { Cell::new(false) };
    }

    const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

    /// Has the loop read `bytes` next, and forgets what it has written.
    fn say(bytes: &[u8]) {
        WIRE.with_borrow_mut(|(to, from)| {
            from.clear();
            to.get_mut().clear();
            to.get_mut().extend_from_slice(bytes);
            to.set_position(0);
        });
    }

    struct Fake;

    impl Read for Fake {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            WIRE.with_borrow_mut(|(to, _)| match to.read(buf)? {
                0 => Err(io::ErrorKind::WouldBlock.into()),
                len => Ok(len),
            })
        }
    }

    impl Write for Fake {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            if STUCK.get() {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            WIRE.with_borrow_mut(|(_, from)| from.extend_from_slice(buf));
            Ok(buf.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Stream for Fake {
        fn shutdown_write(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A thousand readers that read nothing for a while: once they are gone, what they needed is given back.
    #[test]
    fn slow_readers_leave_little_behind() {
        let poll = Poll::new().unwrap();
        let now = start();
        let mut engine: Engine<()> =
            Engine::new_at(Settings::default(), poll.registry(), 0..5000, now).unwrap();
        engine.set_time(now);
        let (_, peak, left) = allocations(|| {
            let ids: Vec<_> = (0..1000)
                .map(|_| {
                    let id = engine.adopt(Transport::other(Fake)).unwrap();
                    say(HEAD);
                    engine.ready(engine.token_of(id).unwrap(), Readiness::READABLE, &mut Echo);
                    id
                })
                .collect();
            engine.on_time(now, &mut Echo);
            STUCK.set(true);
            for _ in 0..60 {
                assert_eq!(engine.context().publish(To::all(), Message::Binary(&[7; 1000])).here, 1000);
                engine.on_time(now, &mut Echo);
            }
            STUCK.set(false);
            for id in ids {
                assert!(engine.context().queued(id) > 60_000);
                say(b"");
                engine.ready(engine.token_of(id).unwrap(), Readiness::WRITABLE, &mut Echo);
                assert_eq!(engine.context().queued(id), 0);
                engine.context().abort(id);
            }
            engine.on_time(now, &mut Echo);
            assert!(engine.is_empty());
            WIRE.take();
        });
        assert!(peak > 60_000_000, "{peak} bytes were needed");
        assert!(left < 6 << 20, "{left} bytes are kept");
    }

    struct Echo;

    impl Handler for Echo {
        type Data = ();

        fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
            cx.send(id, message);
        }
    }

    #[test]
    fn an_echo_through_the_loop_allocates_nothing() {
        let poll = Poll::new().unwrap();
        let now = start();
        let mut engine: Engine<()> =
            Engine::new_at(Settings::default(), poll.registry(), 0..200, now).unwrap();
        engine.set_time(now);
        let id = engine.adopt(Transport::other(Fake)).unwrap();
        let token = engine.token_of(id).unwrap();
        let mut turn = |bytes: &[u8]| {
            say(bytes);
            engine.ready(token, Readiness::READABLE, &mut Echo);
            engine.on_time(now, &mut Echo);
            WIRE.with_borrow(|(_, from)| from.len())
        };
        assert!(turn(HEAD) > 100);
        let wire = [
            sent_by(Role::Client, RawHeader::TEXT, "κόσμε".as_bytes()),
            sent_by(Role::Client, RawHeader::BINARY, &[7; 3000]),
            sent_by(Role::Client, RawHeader::PING, b"?"),
            sent_by(Role::Client, RawHeader::TEXT, &[b'x'; 50_000]),
        ]
        .concat();
        for _ in 0..3 {
            turn(&wire); // buffers grow to what a turn needs, and are kept
        }
        let mut answered = 0;
        let (calls, ..) = allocations(|| (0..100).for_each(|_| answered = turn(&wire)));
        assert!(answered > 53_000, "{answered} bytes come back");
        assert_eq!(calls, 0, "allocations in 100 turns");
    }
}

/// A mebibyte of zeros in a kilobyte, again and again: what is allocated ends at the limit, beside the inflater.
#[cfg(feature = "deflate")]
#[test]
fn a_bomb_allocates_no_more_than_the_limit() {
    use bowsprit::error::ProtocolError;
    use bowsprit::extension::deflate::{DeflateConfig, DeflateParams};

    const LIMIT: usize = 200_000;
    const INFLATER: usize = 47_552 + 2 * 32_768 + 1024;
    let settings = Arc::new(config(|config| {
        config.max_message = LIMIT;
        config.deflate = Some(DeflateConfig::default());
    }));
    let connection = || connection(Role::Server, &settings).with_deflate(DeflateParams::default());
    let mut sender = connection();
    sender.outbound.send_binary(&vec![0; 32 << 20]).unwrap();
    let frame = sender.outbound.pending();
    let payload = &frame[if frame[1] < 126 { 2 } else { 4 }..];
    let mut wire = sent_by(Role::Client, RawHeader { rsv1: true, ..RawHeader::BINARY }, payload);

    let mut conn = connection();
    let (_, peak, _) = allocations(|| read(&mut conn, &mut wire));
    assert_eq!(conn.inbound.error(), Some(ProtocolError::MessageTooLong));
    assert!(peak <= LIMIT + INFLATER, "{peak} bytes for a message of at most {LIMIT}");
}
