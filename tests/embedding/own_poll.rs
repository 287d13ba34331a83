//! The engine in somebody else's `Poll`, and in none.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bowsprit::connection::Config;
use bowsprit::event_loop::{
    Decision, Engine, ListenSocket, Readiness, Sent, Settings, Stream, To, Transport,
};
use bowsprit::frame::{DataKind, RawHeader};
use bowsprit::handshake::Acceptance;
use bowsprit::message::{Message, Prepared};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};

use super::processor::time_of;
use super::support::{Client, Hooks, LONG, REQUEST, ends, frame, report};

/// Two engines and a UDP socket in one `Poll`.
#[test]
fn engines_live_beside_other_sources() {
    let mut poll = Poll::new().unwrap();
    let mut events = Events::with_capacity(64);
    let mut udp = UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let udp_address = udp.local_addr().unwrap();
    poll.registry().register(&mut udp, Token(500), Interest::READABLE).unwrap();
    let mut engines: Vec<Engine<u32>> = [0..500, 501..2000]
        .map(|tokens| Engine::new(Settings::default(), poll.registry(), tokens).unwrap())
        .into();
    assert!(!engines[0].owns(Token(500)) && !engines[1].owns(Token(500)));
    let addresses: Vec<_> =
        engines.iter_mut().map(|engine| engine.listen("127.0.0.1:0".parse().unwrap()).unwrap()).collect();

    let client = std::thread::spawn(move || {
        for address in addresses {
            let mut client = Client::connect(address);
            for _ in 0..20 {
                client.text("hello");
                assert_eq!(client.next_text(), "hello");
            }
        }
        std::net::UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"done", udp_address).unwrap();
    });
    let mut handler = Hooks::echo();
    let mut is_done = false;
    while !is_done {
        let due = engines.iter().filter_map(Engine::next_deadline).min();
        let wait = due.map_or(LONG, |at| at.saturating_duration_since(Instant::now()));
        poll.poll(&mut events, Some(wait)).unwrap();
        for event in &events {
            if event.token() == Token(500) {
                let mut datagram = [0; 16];
                is_done = udp.recv(&mut datagram).is_ok_and(|len| &datagram[..len] == b"done");
            }
            // Whoever does not own the token does nothing with it.
            engines.iter_mut().for_each(|engine| engine.handle(event, &mut handler));
        }
        engines.iter_mut().for_each(|engine| engine.on_time(Instant::now(), &mut handler));
    }
    client.join().unwrap();
}

/// The far end of a stream in memory.
#[derive(Clone, Default)]
struct Wire(Arc<Mutex<Ends>>);

#[derive(Default)]
struct Ends {
    to_server: VecDeque<u8>,
    to_client: Vec<u8>,
    reads: usize,
    writes: usize,
    is_shut: bool,
    is_gone: bool,
    /// A signal interrupts the next read.
    signal: bool,
    /// One interrupts every other call that writes.
    signals: bool,
}

impl Ends {
    fn interrupt(&mut self) -> io::Result<()> {
        self.signal = self.signals && !self.signal;
        if self.signal { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    }
}

struct Simulated(Wire);

impl Read for Simulated {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut ends = self.0.0.lock().unwrap();
        ends.reads += 1;
        if std::mem::take(&mut ends.signal) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        match ends.to_server.read(buf)? {
            0 if ends.is_gone => Err(io::ErrorKind::ConnectionReset.into()),
            0 => Err(io::ErrorKind::WouldBlock.into()),
            len => Ok(len),
        }
    }
}

impl Write for Simulated {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut ends = self.0.0.lock().unwrap();
        ends.interrupt()?;
        ends.writes += 1;
        ends.to_client.write(buf)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut ends = self.0.0.lock().unwrap();
        ends.interrupt()?;
        ends.writes += 1;
        ends.to_client.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Simulated {
    fn shutdown_write(&mut self) -> io::Result<()> {
        let mut ends = self.0.0.lock().unwrap();
        ends.interrupt()?;
        ends.is_shut = true;
        Ok(())
    }

    fn writable(&mut self) -> io::Result<()> {
        self.0.0.lock().unwrap().interrupt()
    }
}

impl Wire {
    fn send(&self, bytes: &[u8]) {
        self.0.lock().unwrap().to_server.extend(bytes);
    }

    fn reads(&self) -> usize {
        self.0.lock().unwrap().reads
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap().to_client)
    }
}

/// An hour of pings without a socket, without an event of mio, and without waiting.
#[test]
fn an_hour_passes_in_no_time() {
    let poll = Poll::new().unwrap();
    let start = Instant::now();
    let mut config = Config::default();
    config.ping_interval = Some(Duration::from_secs(30));
    config.pong_timeout = Duration::from_secs(10);
    let mut settings = Settings::default();
    settings.connection = config.into();
    let mut engine: Engine<u32> = Engine::new_at(settings, poll.registry(), 0..200, start).unwrap();
    engine.set_time(start);
    let (timer, timers) = report();
    let mut handler = Hooks { timer, ..Hooks::echo() };
    let wire = Wire::default();
    let id = engine.adopt(Transport::other(Simulated(wire.clone()))).unwrap();
    let token = engine.token_of(id).unwrap();
    wire.send(REQUEST);
    wire.send(&frame(RawHeader::TEXT, b"hello"));
    engine.ready(token, Readiness::READABLE, &mut handler);
    engine.on_time(start, &mut handler);
    let answer = String::from_utf8_lossy(&wire.take()).into_owned();
    assert!(
        answer.starts_with("HTTP/1.1 101 ") && answer.ends_with("\r\n\r\n\u{fffd}\u{5}hello"),
        "{answer:?}"
    );

    engine.context().set_timer_every(Duration::from_secs(60), 1);
    let (mut now, mut pings) = (start, 0);
    while now < start + Duration::from_secs(3600) {
        now = now.max(engine.next_deadline().expect("a Ping is due"));
        engine.on_time(now, &mut handler);
        let sent = wire.take();
        if let [0x89, 16, payload @ ..] = &sent[..] {
            pings += 1;
            wire.send(&frame(RawHeader::PONG, payload));
            engine.ready(token, Readiness::READABLE, &mut handler);
            engine.on_time(now, &mut handler);
        } else {
            assert!(sent.is_empty(), "{sent:?}");
        }
    }
    assert!((119..=120).contains(&pings), "{pings} Pings");
    assert_eq!(timers.try_iter().count(), 60);
    // Now it falls silent.
    let mut told = wire.take();
    while !told.ends_with(b"\x03\xe9no answer to a Ping") {
        now = now.max(engine.next_deadline().expect("a Ping, then the end"));
        engine.on_time(now, &mut handler);
        told.extend(wire.take());
    }
    assert!(now <= start + Duration::from_secs(3600 + 41));
    while !engine.is_empty() {
        now = now.max(engine.next_deadline().expect("its end"));
        engine.on_time(now, &mut handler);
    }
    engine.ready(token, Readiness { error: true, ..Readiness::READABLE }, &mut handler); // an old event
}

/// A stream that does not say whether a short read has taken all there was is asked once more at once, and has no turn for
/// that alone.
#[test]
fn a_stream_is_read_until_nothing_is_left() {
    let poll = Poll::new().unwrap();
    let start = Instant::now();
    let mut engine: Engine<u32> =
        Engine::new_at(Settings::default(), poll.registry(), 0..200, start).unwrap();
    engine.set_time(start);
    let mut handler = Hooks::echo();
    let wire = Wire::default();
    let id = engine.adopt(Transport::other(Simulated(wire.clone()))).unwrap();
    let token = engine.token_of(id).unwrap();
    wire.send(REQUEST);
    engine.ready(token, Readiness::READABLE, &mut handler);
    while engine.next_deadline().is_some_and(|at| at <= start) {
        engine.on_time(start, &mut handler);
    }
    wire.take();

    let before = wire.reads();
    wire.send(&frame(RawHeader::TEXT, b"hello"));
    engine.ready(token, Readiness::READABLE, &mut handler);
    assert_eq!(wire.reads() - before, 2);
    engine.on_time(start, &mut handler);
    assert_eq!(wire.reads() - before, 2);
    assert_eq!(wire.take(), b"\x81\x05hello");
    assert!(engine.next_deadline().is_none_or(|at| at > start));

    // A signal is no reason to give up.
    wire.send(&frame(RawHeader::TEXT, b"again"));
    wire.0.lock().unwrap().signal = true;
    engine.ready(token, Readiness::READABLE, &mut handler);
    engine.on_time(start, &mut handler);
    assert_eq!(wire.take(), b"\x81\x05again");
    assert_eq!(wire.reads() - before, 5);
}

/// Nor is one in the middle of anything else that a stream is asked for.
#[test]
fn signals_while_a_stream_is_written_and_ended() {
    let poll = Poll::new().unwrap();
    let start = Instant::now();
    let mut engine: Engine<u32> =
        Engine::new_at(Settings::default(), poll.registry(), 0..200, start).unwrap();
    engine.set_time(start);
    let mut handler = Hooks::echo();
    let wire = Wire::default();
    wire.0.lock().unwrap().signals = true;
    let id = engine.adopt(Transport::other(Simulated(wire.clone()))).unwrap();
    let token = engine.token_of(id).unwrap();
    wire.send(REQUEST);
    wire.send(&frame(RawHeader::TEXT, b"hello"));
    wire.send(&frame(RawHeader::CLOSE, b"\x03\xe8"));
    let mut told = Vec::new();
    for readiness in [Readiness::READABLE, Readiness::WRITABLE] {
        engine.ready(token, readiness, &mut handler);
        while engine.next_deadline().is_some_and(|at| at <= start) {
            engine.on_time(start, &mut handler);
        }
        told.extend(wire.take());
    }
    assert!(told.ends_with(b"\x81\x05hello\x88\x02\x03\xe8"), "{told:?}");
    assert!(wire.0.lock().unwrap().is_shut);
}

/// More peers have something to say than an event queue brings at a time, and the turn comes late, as the process slept
/// or a callback took long: all of them are heard before one is taken for silent.
#[test]
fn a_late_turn_hears_everybody_before_it_ends_anybody() {
    const PEERS: usize = 3000;
    const EVENTS: usize = 1024;
    const SECOND: Duration = Duration::from_secs(1);
    for slept in [false, true] {
        let poll = Poll::new().unwrap();
        let start = Instant::now();
        let mut config = Config::default();
        config.idle_timeout = Some(4 * SECOND);
        let mut settings = Settings::default();
        settings.connection = config.into();
        let mut engine: Engine<u32> = Engine::new_at(settings, poll.registry(), 0..2 * PEERS, start).unwrap();
        engine.set_time(start);
        let (close, ended) = ends();
        let mut handler = Hooks { close, ..Hooks::echo() };
        let peers: Vec<_> = (0..PEERS)
            .map(|_| {
                let wire = Wire::default();
                let id = engine.adopt(Transport::other(Simulated(wire.clone()))).unwrap();
                let token = engine.token_of(id).unwrap();
                wire.send(REQUEST);
                engine.ready(token, Readiness::READABLE, &mut handler);
                (wire, token)
            })
            .collect();
        engine.on_time(start, &mut handler);

        // All say something after a second.
        let mut now = start + SECOND;
        peers.iter().for_each(|(wire, _)| wire.send(&frame(RawHeader::TEXT, b"here")));
        let mut batches = peers.chunks(EVENTS);
        if slept {
            now += 20 * SECOND;
        } else {
            engine.set_time(now);
            for (_, token) in batches.next().unwrap() {
                engine.ready(*token, Readiness::READABLE, &mut handler);
            }
            now += 6 * SECOND; // a callback took so long
        }
        engine.on_time(now, &mut handler);
        for batch in batches {
            now += SECOND / 100;
            engine.set_time(now);
            for (_, token) in batch {
                engine.ready(*token, Readiness::READABLE, &mut handler);
            }
            engine.on_time(now, &mut handler);
        }
        engine.on_time(now, &mut handler);
        assert_eq!(ended.try_iter().count(), 0, "slept: {slept}");
        assert!(engine.next_deadline().is_some_and(|at| at > now));

        // Those who are silent from then on end, in time.
        let heard = now;
        let mut silent = 0;
        while silent < PEERS {
            now = now.max(engine.next_deadline().expect("their deadlines come"));
            assert!(now <= heard + 5 * SECOND, "{silent}");
            engine.on_time(now, &mut handler);
            silent += ended.try_iter().filter(|(_, why)| why == "Timeout(Idle) 1006").count();
        }
    }
}

/// Events of a connection that is gone do nothing to the one that has its slot: it is not even read from.
#[test]
fn a_late_event_finds_nobody() {
    let lates = [
        Readiness::READABLE,
        Readiness { read_closed: true, ..Readiness::default() },
        Readiness { error: true, ..Readiness::default() },
        Readiness { readable: true, writable: true, read_closed: true, error: true },
    ];
    for waits in [false, true] {
        let poll = Poll::new().unwrap();
        let mut engine: Engine<u32> =
            Engine::new(Settings::default(), poll.registry(), 0..usize::MAX).unwrap();
        let (sender, ends) = std::sync::mpsc::channel();
        let other = sender.clone();
        let request = move |_: &mut _, _, _: &_| {
            if waits { Decision::Later } else { Decision::Accept(Acceptance::default()) }
        };
        let mut handler = Hooks {
            request: Some(Box::new(request)),
            close: Some(Box::new(move |_, id, _| sender.send(id).unwrap())),
            failed: Some(Box::new(move |_, id, _| other.send(id).unwrap())),
            ..Hooks::echo()
        };
        let mut tokens = Vec::new();
        for _ in 0..3 {
            let wire = Wire::default();
            let id = engine.adopt(Transport::other(Simulated(wire.clone()))).unwrap();
            let token = engine.token_of(id).unwrap();
            assert!(id.to_string().starts_with("0."), "{id} is in the same slot");
            wire.send(REQUEST);
            engine.ready(token, Readiness::READABLE, &mut handler);
            engine.on_time(Instant::now(), &mut handler);

            let reads = wire.reads();
            for token in &tokens {
                for late in lates {
                    engine.ready(*token, late, &mut handler);
                    engine.on_time(Instant::now(), &mut handler);
                }
            }
            assert_eq!(wire.reads(), reads);
            assert_eq!(ends.try_iter().count(), 0);
            engine.context().abort(id);
            engine.on_time(Instant::now(), &mut handler);
            assert_eq!(ends.try_iter().collect::<Vec<_>>(), [id]);
            assert!(engine.is_empty());
            tokens.push(token);
        }
    }
}

/// Echoes, two topics, a broadcast, a prepared message, a message in parts, a Ping: whatever a turn sends to a
/// connection is one write, and so is what several events of the turn lead to.
#[test]
fn what_a_turn_sends_is_one_write_for_each_connection() {
    let poll = Poll::new().unwrap();
    let mut engine: Engine<u32> = Engine::new(Settings::default(), poll.registry(), 0..200).unwrap();
    let prepared = Prepared::new(Message::Text("prepared"));
    let mut handler = Hooks {
        open: Some(Box::new(|cx, id| {
            for topic in ["a", "b"] {
                assert_eq!(cx.subscribe(id, topic), Ok(true));
            }
        })),
        message: Some(Box::new(move |cx, id, message| {
            assert_eq!(cx.send(id, message), Sent::Now);
            assert_eq!(cx.publish("a", message).here, 3);
            assert_eq!(cx.publish("b", message).here, 3);
            assert_eq!(cx.publish(To::all().except(id), message).here, 2);
            assert_eq!(cx.publish("a", &prepared).here, 3);
            cx.start_message(id, DataKind::Binary, b"one ");
            cx.continue_message(id, b"two ");
            cx.finish_message(id, b"three");
            cx.ping(id, b"?");
        })),
        ..Hooks::default()
    };
    let mut ends: Vec<_> = (0..3)
        .map(|_| {
            let wire = Wire::default();
            wire.send(REQUEST);
            let id = engine.adopt(Transport::other(Simulated(wire.clone()))).unwrap();
            let token = engine.token_of(id).unwrap();
            engine.ready(token, Readiness::READABLE, &mut handler);
            (token, wire)
        })
        .collect();
    engine.on_time(Instant::now(), &mut handler);
    for (_, wire) in &mut ends {
        wire.take();
        wire.0.lock().unwrap().writes = 0;
    }
    for (token, wire) in &ends {
        wire.send(&frame(RawHeader::TEXT, b"hello"));
        wire.send(&frame(RawHeader::BINARY, &[7; 300]));
        engine.ready(*token, Readiness::READABLE, &mut handler);
    }
    for (_, wire) in &ends {
        assert_eq!(wire.0.lock().unwrap().writes, 0, "nothing goes out before the end of the turn");
    }
    engine.on_time(Instant::now(), &mut handler);
    for (_, wire) in &ends {
        let bytes = wire.take();
        assert!(bytes.ends_with(b"\x80\x05three\x89\x01?") || bytes.ends_with(b"\x81\x08prepared"));
        assert_eq!(wire.0.lock().unwrap().writes, 1, "{} bytes", bytes.len());
    }
}

/// More than a process has descriptors for, all gone in one turn: each is told once, the slots are free, and what the
/// turn costs grows with their number alone.
#[test]
fn ten_thousand_vanish_in_one_turn() {
    const MANY: usize = 10_000;
    let poll = Poll::new().unwrap();
    let mut engine: Engine<u32> = Engine::new(Settings::default(), poll.registry(), 0..usize::MAX).unwrap();
    let (close, ended) = super::support::ends();
    let mut handler = Hooks {
        // Whoever is still there hears of each that goes.
        open: Some(Box::new(|cx, id| assert_eq!(cx.subscribe(id, "all"), Ok(true)))),
        close,
        ..Hooks::default()
    };
    for round in 0..2 {
        let mut wires = Vec::new();
        for _ in 0..MANY {
            let wire = Wire::default();
            wire.send(REQUEST);
            let id = engine.adopt(Transport::other(Simulated(wire.clone()))).unwrap();
            let slot: usize = id.to_string().split('.').next().unwrap().parse().unwrap();
            assert!(slot < MANY, "slots are used again");
            let token = engine.token_of(id).unwrap();
            engine.ready(token, Readiness::READABLE, &mut handler);
            wires.push((token, wire));
        }
        engine.on_time(Instant::now(), &mut handler);
        assert_eq!(engine.context().subscribers("all"), MANY);
        let took = time_of(|| {
            for (token, wire) in &wires {
                wire.0.lock().unwrap().is_gone = true;
                let gone = Readiness { error: true, read_closed: true, ..Readiness::READABLE };
                engine.ready(*token, gone, &mut handler);
            }
            engine.on_time(Instant::now(), &mut handler);
        });
        assert!(engine.is_empty() && engine.context().subscribers("all") == 0);
        assert_eq!(ended.try_iter().count(), MANY, "round {round}");
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
}

/// Of two that share an address the one that stops listening answers what waits at its own socket, which nobody else would.
#[test]
fn what_waits_at_a_shared_address_is_not_reset() {
    let mut poll = Poll::new().unwrap();
    let mut settings = Settings::default();
    settings.reuse_port = true;
    let [mut old, mut new] = [0..500, 500..1000]
        .map(|tokens| Engine::<u32>::new(settings.clone(), poll.registry(), tokens).unwrap());
    let address = old.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    assert_eq!(new.listen(address).unwrap(), address);
    let mut handler = Hooks::echo();
    let mut clients: Vec<_> = (0..40).map(|_| Client::tcp(address)).collect();
    for client in &mut clients {
        client.write(REQUEST);
    }
    // No event tells of them: what is ready at the end of a turn may not have been when its events were taken.
    old.context().stop_listening();
    assert!(old.next_deadline().is_some_and(|at| at <= Instant::now()));
    old.on_time(Instant::now(), &mut handler);
    let waited = old.context().stats().connections;
    assert!(cfg!(not(target_os = "linux")) || waited > 0, "the system shares connections out");
    clients.extend((0..10).map(|_| Client::tcp(address)));
    for client in &mut clients[40..] {
        client.write(REQUEST);
    }
    let mut events = Events::with_capacity(64);
    let until = Instant::now() + LONG;
    while old.context().stats().open + new.context().stats().open < 50 {
        assert!(Instant::now() < until, "{:?} {:?}", old.context().stats(), new.context().stats());
        poll.poll(&mut events, Some(LONG)).unwrap();
        for event in &events {
            old.handle(event, &mut handler);
            new.handle(event, &mut handler);
        }
        old.on_time(Instant::now(), &mut handler);
        new.on_time(Instant::now(), &mut handler);
    }
    assert_eq!(old.context().stats().open, waited, "what came later came to the other");
    for client in &mut clients {
        assert!(client.head().starts_with("HTTP/1.1 101 "));
    }
}

#[test]
fn unix_sockets_and_adopted_listeners() {
    let path = std::env::temp_dir().join(format!("bowsprit-test-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let std_listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let adopted = std_listener.local_addr().unwrap();
    let listen = path.clone();
    let server = super::support::Server::start_with(Settings::default(), Hooks::echo(), move |event_loop| {
        event_loop.listen_unix(&listen).unwrap();
        event_loop.engine().listen_on(ListenSocket::try_from(std_listener).unwrap()).unwrap();
    });
    let stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let mut client = Client::over(stream);
    client.upgrade();
    client.text("over a path");
    assert_eq!(client.next_text(), "over a path");
    let mut client = Client::connect(adopted);
    client.text("over an adopted listener");
    assert_eq!(client.next_text(), "over an adopted listener");
    server.ask(|cx| {
        let ids: Vec<_> = cx.connections().collect();
        let addresses: Vec<_> = ids.iter().filter_map(|id| cx.peer_addr(*id)).collect();
        assert_eq!(addresses.len(), 1, "{addresses:?}");
    });
    std::fs::remove_file(path).unwrap();
}

#[test]
fn sockets_get_the_options_that_were_asked_for() {
    let mut settings = Settings::default();
    settings.tcp_keepalive = Some(Duration::from_secs(77));
    settings.socket_send_buffer = Some(65_536);
    settings.socket_receive_buffer = Some(32_768);
    settings.nodelay = true;
    let server = super::support::Server::start(settings, Hooks::echo());
    let _client = server.connect();
    server.wait_until(|cx| cx.stats().open == 1);
    server.ask(|cx| {
        let id = cx.connections().next().unwrap();
        let Some(Transport::Tcp(stream)) = cx.transport(id) else { panic!("it is TCP") };
        assert!(stream.nodelay().unwrap());
        let socket = socket2::SockRef::from(stream);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(77));
        assert!((65_536..1 << 18).contains(&socket.send_buffer_size().unwrap()));
        assert!((32_768..1 << 18).contains(&socket.recv_buffer_size().unwrap()));
    });
}
