//! Compares what a connection says that it holds with what the allocator counts, and with what it has received, in any
//! form.

#[cfg(feature = "tls")]
#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/counting.rs"]
mod counting;
#[cfg(feature = "event-loop")]
#[path = "support/in_memory.rs"]
mod in_memory;
mod support;

use std::sync::Arc;

use bowsprit::Role;
use bowsprit::connection::driver::{InboundExt as _, OutboundExt as _};
use bowsprit::connection::{Config, Connection, Event};
use bowsprit::frame::RawHeader;
use bowsprit::message::{Message, MessageBuffer, Prepared};
use counting::COUNTS;
use support::*;

/// A connection, and how much more is allocated than before it was made.
struct Weighed {
    conn: Connection,
    before: isize,
    received: usize,
}

impl Weighed {
    fn new(role: Role, settings: &Arc<Config>) -> Self {
        let conn = Side::new(role, settings, start()).conn;
        let before = COUNTS.get().live - conn.held() as isize;
        Self { conn, before, received: 0 }
    }

    /// Takes a read whose memory is the driver's; nothing is answered.
    fn read(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        let Connection { inbound, outbound, .. } = &mut self.conn;
        let mut input = &mut bytes[..];
        while inbound.next(&mut input, outbound).is_ok_and(|event| event.is_some()) {}
        self.received += bytes.len();
    }

    /// What is held, once it is found to be what the allocator counts, within 5 %.
    fn held(&self, what: &str) -> usize {
        let held = self.conn.held();
        let live = (COUNTS.get().live - self.before) as usize;
        assert!(held.abs_diff(live) <= live / 20, "{what}: {held} said, {live} counted");
        held
    }

    /// The bounds that the documentation of the limits states for what is not compressed.
    fn is_in_proportion(&self, what: &str) {
        let (held, received) = (self.held(what), self.received);
        let most = if received < 65_536 { 8 * received + 512 } else { 4 * received };
        assert!(held <= most, "{what}: {held} held of {received} received");
    }
}

fn settings() -> Arc<Config> {
    Arc::new(config(|config| config.max_message = 1 << 20))
}

/// However a message comes, and however little of it.
#[test]
fn what_is_held_is_in_proportion_to_what_was_received() {
    for role in ROLES {
        let peer = role.peer();
        let long = raw_frame(by(peer, RawHeader::BINARY.with_length(1 << 20)), &[7; 300_000]);
        let mut fragments = sent_by(peer, not_fin(RawHeader::TEXT), b"a");
        let mut empty = fragments.clone();
        for _ in 0..1000 {
            fragments.extend(sent_by(peer, not_fin(RawHeader::CONTINUATION), &[b'x'; 90]));
            empty.extend(sent_by(peer, not_fin(RawHeader::CONTINUATION), b""));
        }
        let whole = sent_by(peer, RawHeader::BINARY, &[7; 5000]).repeat(4);
        let pings = sent_by(peer, RawHeader::PING, &[7; 125]).repeat(2000);
        let control = raw_frame(by(peer, RawHeader::PONG.with_length(125)), &[7; 100]);
        let close = sent_by(peer, RawHeader::CLOSE, &close_payload(1000, "done with it"));
        let shapes = [
            ("a long frame", &long),
            ("fragments", &fragments),
            ("empty fragments", &empty),
            ("whole messages", &whole),
            ("Pings", &pings),
            ("half a control frame", &control),
            ("a Close frame", &close),
        ];
        for (name, wire) in shapes {
            for step in [1, 333, 4096, 65_536, usize::MAX] {
                let what = format!("{role:?}, {name}, reads of {step}");
                let mut weighed = Weighed::new(role, &settings());
                let pieces = if step == 1 { &wire[..wire.len().min(3000)] } else { wire };
                for read in pieces.chunks(step.min(wire.len())) {
                    weighed.read(read);
                    weighed.is_in_proportion(&what);
                }
            }
        }
    }
}

/// For a driver that reads to where a message is put together, and lends it a buffer that has been larger.
#[test]
fn room_and_lent_buffers_are_counted_and_given_back() {
    let mut weighed = Weighed::new(Role::Client, &settings());
    let mut large = Box::new(MessageBuffer::new());
    large.extend(&vec![7; 1 << 20]);
    weighed.conn.inbound.lend(large);
    weighed.read(&raw_frame(RawHeader::BINARY.with_length(1 << 20), b"sixteen bytes .."));
    assert!(weighed.held("lent") >= 1 << 20);
    drop(weighed.conn.inbound.reclaim_oversized().expect("far too large for sixteen bytes"));
    weighed.is_in_proportion("given back");
    for step in [1, 100, 5000, usize::MAX] {
        for _ in 0..20 {
            let config = weighed.conn.outbound.config();
            let Some(room) = weighed.conn.inbound.room(1, config) else { break };
            let len = room.len().min(step);
            let event = weighed.conn.inbound.filled(len, &mut weighed.conn.outbound);
            let ends = event.is_ok_and(|event| event.is_some());
            weighed.received += len;
            if ends {
                break;
            }
            weighed.is_in_proportion("room");
            assert!(weighed.conn.inbound.reclaim_oversized().is_none(), "it fits");
        }
    }
}

/// What waits for a peer that does not read: at most twice what it is, and nothing once it has gone out.
#[test]
fn a_slow_reader_holds_what_waits() {
    for role in ROLES {
        for size in [16, 1000, 5000, 300_000] {
            let mut weighed = Weighed::new(role, &settings());
            while weighed.conn.outbound.send_binary(&vec![7; size]).is_ok() {
                let held = weighed.held("waits");
                assert!(held <= 3 * weighed.conn.outbound.queued() + 1024, "{held}");
            }
            while weighed.conn.outbound.queued() > 0 {
                let len = weighed.conn.outbound.queued().min(100_000);
                weighed.conn.outbound.advance(len);
                weighed.held("goes out");
            }
            drop(weighed.conn.outbound.reclaim_queue());
            assert!(weighed.held("nothing waits") <= 64);
        }
    }
}

/// What several connections send is held once; each of them has a part.
#[test]
fn what_is_shared_is_counted_once() {
    let prepared = Prepared::new(Message::Binary(&[7; 1 << 20]));
    let mut conns: Vec<Connection> =
        (0..10).map(|_| Side::new(Role::Server, &settings(), start()).conn).collect();
    for conn in &mut conns {
        conn.outbound.send_prepared(&prepared).unwrap();
    }
    drop(prepared);
    let held: usize = conns.iter().map(Connection::held).sum();
    assert!(held.abs_diff(1 << 20) < 10 * 1024, "{held}");
    conns.truncate(1);
    assert!(conns[0].held() > 1 << 20);
}

/// An echo queues what it has received; the buffer that the queue took is counted there.
#[test]
fn a_buffer_that_moves_is_counted_where_it_is() {
    let wire = sent_by(Role::Client, RawHeader::BINARY, &[7; 100_000]);
    let mut weighed = Weighed::new(Role::Server, &settings());
    for read in wire.chunks(10_000) {
        let mut bytes = read.to_vec();
        let Connection { inbound, outbound, .. } = &mut weighed.conn;
        let mut input = &mut bytes[..];
        let Some(Event::Message(message)) = inbound.next(&mut input, outbound).unwrap() else { continue };
        outbound.queue().borrow_message(message.as_bytes());
        outbound.send(message).unwrap();
        let buffer = inbound.reclaim().unwrap();
        outbound.queue().settle_with(buffer);
    }
    assert!(weighed.held("in the queue") > 100_000);
    weighed.conn.outbound.advance(weighed.conn.outbound.queued());
    assert!(weighed.held("written") > 100_000, "it waits to be taken back");
    drop(weighed.conn.outbound.take_spent());
    assert!(weighed.held("taken back") < 5000);
}

#[cfg(feature = "deflate")]
mod compressed {
    use bowsprit::connection::Compression;
    use bowsprit::extension::deflate::{DeflateConfig, DeflateParams, DeflatePool};

    use super::*;

    fn settings() -> Arc<Config> {
        Arc::new(config(|config| config.deflate = Some(DeflateConfig::default())))
    }

    fn weighed() -> Weighed {
        let mut weighed = Weighed::new(Role::Server, &settings());
        weighed.conn = weighed.conn.with_deflate(DeflateParams::default());
        weighed
    }

    /// A compressed message of `len` bytes, as its payload.
    fn payload(bytes: &[u8]) -> Vec<u8> {
        let mut sender = weighed();
        sender.conn.outbound.send_with(Message::Binary(bytes), Compression::On).unwrap();
        let frame = frames(sender.conn.outbound.pending());
        frame[0].1.clone()
    }

    fn rsv1(header: RawHeader) -> RawHeader {
        RawHeader { rsv1: true, ..header }
    }

    /// A few compressed bytes are held as they are; what inflates comes with more of them.
    #[test]
    fn a_message_that_has_only_begun_holds_no_inflater() {
        let payload = payload(&vec![b'x'; 4 << 20]);
        let mut weighed = weighed();
        let header = rsv1(not_fin(by(Role::Client, RawHeader::BINARY)));
        weighed.read(&raw_frame(header.with_length(payload.len() as u64 + 1), &payload[..13]));
        assert!(weighed.held("13 bytes") <= 1024);
    }

    #[test]
    fn what_inflates_is_counted() {
        for plain in [&vec![b'x'; 12 << 20][..], &Random::new(7).bytes(300_000)] {
            let payload = payload(plain);
            let mut weighed = weighed();
            weighed.read(&sent_by(Role::Client, rsv1(not_fin(RawHeader::BINARY)), b""));
            for piece in payload.chunks(500) {
                weighed.read(&sent_by(Role::Client, not_fin(RawHeader::CONTINUATION), piece));
                weighed.held("inflating");
            }
            let inflated = weighed.conn.inbound.held();
            assert!(inflated * 10 > plain.len() * 9, "{inflated}");
            assert!(weighed.held("inflated") <= 4 * inflated, "beside the inflater, which is little by now");
            weighed.read(&sent_by(Role::Client, RawHeader::CONTINUATION, b""));
            let mut pool = DeflatePool::new();
            weighed.conn.inbound.reclaim_inflater(&mut pool);
            assert!(pool.memory() > 0);
            drop((pool, weighed.conn.inbound.reclaim()));
            let held = weighed.held("given back");
            assert!(held <= 32_768 + 512, "{held}: more than the next message may refer to");
        }
    }

    /// A connection that waits for the rest of a few bytes leaves what inflates to the others.
    #[test]
    fn what_inflates_is_lent_to_whoever_has_begun() {
        let bytes = payload(&[b'x'; 3000]);
        let mut pool = DeflatePool::new();
        let (mut waits, mut works) = (weighed(), weighed());
        let (first, rest) = bytes.split_at(bytes.len() / 2);
        let mut lent = |weighed: &mut Weighed, wire: &[u8]| {
            weighed.conn.inbound.lend_inflater(&mut pool);
            weighed.read(wire);
            weighed.conn.inbound.reclaim_inflater(&mut pool);
            pool.memory()
        };
        let whole = sent_by(Role::Client, rsv1(RawHeader::BINARY), &bytes);
        let memory = lent(&mut works, &whole);
        assert!(memory > 40_000);
        assert!(lent(&mut waits, &sent_by(Role::Client, rsv1(not_fin(RawHeader::BINARY)), first)) >= memory);
        assert!(waits.conn.held() < 1024, "{}", waits.conn.held());
        assert!(lent(&mut works, &whole) >= memory, "one for both");
        assert!(lent(&mut waits, &sent_by(Role::Client, RawHeader::CONTINUATION, rest)) >= memory);
        assert_eq!(waits.conn.inbound.assembled(), Some(Message::Binary(&[b'x'; 3000])));
    }
}

/// The loop counts what all connections hold, and ends those that hold most where it is too much.
#[cfg(feature = "event-loop")]
mod the_loop {
    use bowsprit::event_loop::{Cause, ConnId, Context, Ended, Handler, Overflow, Readiness, To};

    use super::in_memory::{WIRES, World};
    use super::*;

    #[derive(Default)]
    struct Echo {
        over_budget: usize,
    }

    impl Handler for Echo {
        type Data = ();

        fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
            cx.send(id, message);
        }

        fn on_close(&mut self, _: &mut Context<()>, _: ConnId, ended: &Ended) {
            self.over_budget += usize::from(matches!(ended.cause, Cause::OverBudget));
        }
    }

    #[cfg(feature = "deflate")]
    fn is_close_with_1013(wire: &[u8]) -> bool {
        matches!(wire, [0x88, _, 0x03, 0xf5, reason @ ..] if !reason.is_empty())
    }

    /// What the loop has counted more than before is what the allocator has, within 5 %, whatever the connections hold.
    #[test]
    fn the_count_is_what_is_allocated() {
        const CONNECTIONS: usize = 60;
        let mut world = World::new(Echo::default(), CONNECTIONS, |_| ());
        let prepared = Prepared::new(Message::Binary(&vec![7; 50_000]));
        // Room in lists that only ever grow.
        world.fill(true);
        (0..CONNECTIONS)
            .for_each(|number| world.arrive(number, &sent_by(Role::Client, RawHeader::TEXT, b"1")));
        world.turn();
        let (live, held) = (COUNTS.get().live, world.held());
        let check = |world: &mut World<Echo>, what: &str, least: usize| {
            let counted = world.held() - held;
            let live = (COUNTS.get().live - live) as usize;
            assert!(counted >= least, "{what}: {counted}");
            assert!(counted.abs_diff(live) <= live / 20, "{what}: {counted} counted, {live} allocated");
        };
        for number in 0..20 {
            let message = raw_frame(by(Role::Client, RawHeader::BINARY.with_length(1 << 20)), &[7; 90_000]);
            message.chunks(1000 * (1 + number)).for_each(|piece| world.arrive(number, piece));
        }
        world.turn();
        check(&mut world, "messages that are not whole", 20 * 90_000);
        for number in 20..40 {
            let echoed = sent_by(Role::Client, RawHeader::BINARY, &[7; 500]).repeat(100);
            world.arrive(number, &echoed);
            world.arrive(number, &sent_by(Role::Client, RawHeader::BINARY, &[7; 70_000]));
        }
        world.turn();
        check(&mut world, "answers that nobody reads", 20 * 90_000 + 20 * 120_000);
        for _ in 0..10 {
            world.engine.context().publish(To::all(), &prepared);
            world.engine.context().publish(To::all(), Message::Binary(&vec![7; 50_000]));
        }
        drop(prepared);
        world.turn();
        check(&mut world, "messages that are shared", 20 * 90_000 + 20 * 120_000 + 11 * 50_000);
        world.fill(false);
        for number in 0..CONNECTIONS {
            world.engine.ready(world.conns[number].1, Readiness::WRITABLE, &mut world.handler);
            WIRES.with_borrow_mut(|wires| wires[number].from = Vec::new());
        }
        for _ in 0..100 {
            world.turn();
        }
        for number in 0..CONNECTIONS {
            world.engine.context().abort(world.conns[number].0);
        }
        world.turn();
        assert_eq!(world.held(), 0, "all are gone");
    }

    /// Whoever breaks a rule in a message stays until its end comes; what came of the message goes at once, and so does
    /// what was read behind it.
    #[test]
    fn a_message_goes_with_its_connection() {
        let mut world = World::new(Echo::default(), 1, |_| ());
        let held = world.held();
        world.arrive(0, &sent_by(Role::Client, not_fin(RawHeader::BINARY), &[7; 500_000]));
        world.turn();
        assert!(world.held() > 500_000);
        world.arrive(0, &sent_by(Role::Client, RawHeader::BINARY, b"another one within").repeat(5000));
        world.turn();
        assert!(!WIRES.with_borrow(|wires| wires[0].is_gone), "its end has not come");
        assert!(world.held() <= held + 1024, "{} held, {held} before", world.held());
    }

    /// 200 connections, each with a compressed message that is not whole: 16 KB that inflate to 16 MiB.
    #[cfg(feature = "deflate")]
    #[test]
    fn unfinished_messages_end_at_the_budget() {
        use bowsprit::extension::deflate::DeflateConfig;

        const MOST: usize = 48 << 20;
        let mut world = World::new(Echo::default(), 51, |settings| {
            settings.max_held = MOST;
            let deflate = Some(DeflateConfig::default());
            settings.connection = Arc::new(config(|config| config.deflate = deflate));
        });
        let mut sender = Side::new(
            Role::Server,
            &Arc::new(config(|config| {
                config.deflate = Some(DeflateConfig::default());
                config.max_queued = usize::MAX;
            })),
            start(),
        )
        .conn
        .with_deflate(Default::default());
        sender.outbound.send_binary(&vec![0; (16 << 20) - 1]).unwrap();
        let payload = frames(sender.outbound.pending())[0].1.clone();
        assert!(payload.len() < 17_000);
        drop(sender);
        let rsv1 = RawHeader { rsv1: true, ..not_fin(RawHeader::BINARY) };
        let bomb = sent_by(Role::Client, rsv1, &payload[..payload.len() - 100]);
        let before = COUNTS.get().live;
        for number in 1..=50 {
            world.arrive(number, &bomb);
            world.turn();
            let live = COUNTS.get().live - before;
            assert!(live <= (MOST + MOST / 20) as isize, "{live} allocated for a budget of {MOST}");
            // Whoever holds nothing notices nothing.
            world.arrive(0, &sent_by(Role::Client, RawHeader::TEXT, b"still here"));
            world.turn();
            let answer = WIRES.with_borrow_mut(|wires| std::mem::take(&mut wires[0].from));
            assert_eq!(answer, b"\x81\x0astill here");
        }
        let stats = world.engine.context().stats();
        assert!(stats.over_budget >= 40 && stats.held <= MOST as u64, "{stats:?}");
        assert_eq!(world.handler.over_budget as u64, stats.over_budget);
        let told =
            WIRES.with_borrow(|wires| wires.iter().filter(|wire| is_close_with_1013(&wire.from)).count());
        assert_eq!(told as u64, stats.over_budget, "each is told why");
    }

    /// So many peers, where messages are dropped and not connections; only the first reads what it asks for.
    fn readers_that_stop(count: usize, most: usize) -> World<Echo> {
        let mut world = World::new(Echo::default(), count, |settings| {
            settings.max_held = most;
            settings.overflow = Overflow::DropData;
        });
        world.fill(true);
        WIRES.with_borrow_mut(|wires| wires[0].is_full = false);
        world
    }

    /// Peers that read nothing of what they ask for.
    #[test]
    fn slow_readers_end_at_the_budget() {
        const MOST: usize = 8 << 20;
        let mut world = readers_that_stop(41, MOST);
        let before = COUNTS.get().live;
        for _ in 0..20 {
            for number in 1..=40 {
                let echoed = sent_by(Role::Client, RawHeader::BINARY, &[7; 3000]).repeat(40);
                if !WIRES.with_borrow(|wires| wires[number].is_gone) {
                    world.arrive(number, &echoed);
                }
            }
            WIRES.with_borrow_mut(|wires| wires[1..].iter_mut().for_each(|wire| wire.to = Vec::new()));
            world.turn();
            let live = COUNTS.get().live - before;
            assert!(live <= (MOST + MOST / 10) as isize, "{live} allocated for a budget of {MOST}");
        }
        world.arrive(0, &sent_by(Role::Client, RawHeader::TEXT, b"still here"));
        world.turn();
        assert_eq!(WIRES.with_borrow(|wires| wires[0].from.clone()), b"\x81\x0astill here");
        assert!(world.engine.context().stats().held <= MOST as u64);
    }

    /// Peers that read nothing of what they asked for and say Close: what waits for them counts until it is gone, and
    /// it is they who are ended for it, not those that go on.
    #[test]
    fn who_closes_without_reading_ends_at_the_budget() {
        const MOST: usize = 8 << 20;
        let mut world = readers_that_stop(161, MOST);
        let before = COUNTS.get().live;
        for number in 1..=160 {
            let mut echoed = sent_by(Role::Client, RawHeader::BINARY, &[7; 3000]).repeat(40);
            echoed.extend(sent_by(Role::Client, RawHeader::CLOSE, b"\x03\xe8"));
            world.arrive(number, &echoed);
            WIRES.with_borrow_mut(|wires| wires[number].to = Vec::new());
            world.turn();
            let live = COUNTS.get().live - before;
            assert!(live <= (MOST + MOST / 10) as isize, "{live} allocated for a budget of {MOST}");
        }
        world.arrive(0, &sent_by(Role::Client, RawHeader::TEXT, b"still here"));
        world.turn();
        assert_eq!(WIRES.with_borrow(|wires| wires[0].from.clone()), b"\x81\x0astill here");
        let stats = world.engine.context().stats();
        assert!(stats.held <= MOST as u64 && stats.over_budget > 0, "{stats:?}");
    }
}

/// What TLS keeps is a stated figure, beside which half a record and one that is not sent are counted: both against
/// what the allocator counts.
#[cfg(feature = "tls")]
mod under_tls {
    use std::cell::RefCell;
    use std::collections::VecDeque;
    use std::io::{self, Read, Write};
    use std::rc::Rc;

    use bowsprit::tls::TlsStream;
    use bowsprit::tls::rustls::client::UnbufferedClientConnection;
    use bowsprit::tls::rustls::pki_types::ServerName;
    use bowsprit::tls::rustls::server::UnbufferedServerConnection;
    use bowsprit::tls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};

    use super::certificates::{Authority, server_config};
    use super::*;

    /// What is on its way from each side, and how much more fits there.
    struct Wire {
        bytes: [VecDeque<u8>; 2],
        room: [usize; 2],
    }

    struct End(Rc<RefCell<Wire>>, usize);

    impl Read for End {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            match self.0.borrow_mut().bytes[1 - self.1].read(buf)? {
                0 => Err(io::ErrorKind::WouldBlock.into()),
                len => Ok(len),
            }
        }
    }

    impl Write for End {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let wire = &mut *self.0.borrow_mut();
            let len = bytes.len().min(wire.room[self.1]);
            wire.room[self.1] -= len;
            wire.bytes[self.1].extend(&bytes[..len]);
            if len == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(len) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Both ends of a connection.
    struct Ends {
        /// Shared by all connections that are made from it.
        _configs: (Arc<ServerConfig>, Arc<ClientConfig>),
        wire: Rc<RefCell<Wire>>,
        client: TlsStream<End>,
        server: TlsStream<End>,
    }

    impl Ends {
        fn new(version: &'static rustls::SupportedProtocolVersion) -> Self {
            let authority = Authority::new();
            let server = server_config(&authority.issue(&["localhost"]), None);
            let mut roots = RootCertStore::empty();
            roots.add(authority.certificate()).unwrap();
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let client = ClientConfig::builder_with_provider(provider);
            let client = client.with_protocol_versions(&[version]).unwrap();
            let client = Arc::new(client.with_root_certificates(roots).with_no_client_auth());
            let name = ServerName::try_from("localhost").unwrap();
            let wire = Rc::new(RefCell::new(Wire { bytes: Default::default(), room: [usize::MAX; 2] }));
            let end = |side| End(Rc::clone(&wire), side);
            Self {
                _configs: (Arc::clone(&server), Arc::clone(&client)),
                client: TlsStream::new(UnbufferedClientConnection::new(client, name).unwrap(), end(0)),
                server: TlsStream::new(UnbufferedServerConnection::new(server).unwrap(), end(1)),
                wire,
            }
        }

        fn open(version: &'static rustls::SupportedProtocolVersion) -> Self {
            let mut this = Self::new(version);
            for _ in 0..4 {
                let _ = this.client.flush();
                read(&mut this.client);
                read(&mut this.server);
            }
            assert!(!this.client.is_handshaking() && !this.server.is_handshaking());
            this
        }

        /// What the server says that it holds, once it is found to be what is freed with it. And so for the client.
        fn held(self, what: &str) -> usize {
            let name = |side: &str| format!("{what}, {side}");
            held_by(self.client, &name("client"));
            held_by(self.server, &name("server"))
        }
    }

    fn held_by(stream: TlsStream<End>, what: &str) -> usize {
        let said = stream.memory() + stream.buffered();
        let before = COUNTS.get().live;
        drop(stream);
        let freed = (before - COUNTS.get().live) as usize;
        assert!(said >= freed && said - freed <= freed / 10 + 512, "{what}: {said} said, {freed} freed");
        said
    }

    fn read(stream: &mut TlsStream<End>) {
        while stream.read(&mut [0; 20_000]).is_ok_and(|len| len > 0) {}
    }

    #[test]
    fn what_tls_keeps_is_what_is_stated_for_it() {
        for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
            let name = |what: &str| format!("{version:?}, {what}");
            let idle = Ends::open(version).held(&name("idle"));
            assert_eq!(idle, 2560);
            let with_itself = idle + size_of::<TlsStream<End>>();
            assert!(with_itself <= 4096, "{with_itself}: what the documentation of the limits says");

            let mut after = Ends::open(version);
            after.client.write_all(&[7; 100_000]).unwrap();
            read(&mut after.server);
            after.server.write_all(&[7; 100_000]).unwrap();
            assert_eq!(after.held(&name("idle again")), idle);

            // Of a record all is there but its last byte, in one read or in many.
            for step in [1, 700, 5000, usize::MAX] {
                for len in [1, 3000, 9000, 16_384] {
                    let mut half = Ends::open(version);
                    half.client.write_all(&vec![7; len]).unwrap();
                    let mut record: Vec<u8> = half.wire.borrow_mut().bytes[0].drain(..).collect();
                    record.pop();
                    for piece in record.chunks(step.min(record.len())) {
                        half.wire.borrow_mut().bytes[0].extend(piece);
                        read(&mut half.server);
                    }
                    let held = half.held(&name(&format!("{len} bytes but one, in reads of {step}")));
                    assert!(held - idle <= 4 * record.len() + 4096, "{held} of {}", record.len());
                }
            }

            let mut unsent = Ends::open(version);
            unsent.wire.borrow_mut().room[1] = 0;
            while unsent.server.write(&[7; 16_384]).is_ok() {}
            unsent.client.write_all(&[7; 16_384]).unwrap();
            unsent.wire.borrow_mut().bytes[0].pop_back();
            read(&mut unsent.server);
            unsent.held(&name("half a record, and one that is not sent"));
        }
    }

    /// A message of the TLS handshake that goes on and on, in whole records: its end is rustls's to set.
    #[test]
    fn a_tls_handshake_that_is_not_whole_is_counted() {
        for records in [1, 2, 3] {
            let mut ends = Ends::new(&rustls::version::TLS13);
            let mut hello = vec![1, 0, 0xff, 0xf0];
            hello.resize(records * 16_000, 0);
            for piece in hello.chunks(16_000) {
                ends.wire.borrow_mut().bytes[0]
                    .extend([22, 3, 1].into_iter().chain((16_000_u16).to_be_bytes()));
                ends.wire.borrow_mut().bytes[0].extend(piece);
                read(&mut ends.server);
            }
            ends.held(&format!("{records} records of a ClientHello"));
        }
    }
}
