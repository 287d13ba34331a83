//! Peers that do not read, or that send nothing of use.

use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use bowsprit::connection::{Chunk, Config, Delivery};
use bowsprit::event_loop::{ConnId, Context, Ended, EventLoop, Handler, Overflow, Sent, Settings, To};
use bowsprit::frame::RawHeader;
use bowsprit::handshake::Agreement;
use bowsprit::message::Message;

use super::support::{Client, Hooks, LONG, Server, ends, frame, report, wait};

const KIB: usize = 1024;

/// Small buffers everywhere, so that little makes a peer a slow reader.
fn tight(overflow: Overflow) -> Settings {
    let mut config = Config::default();
    config.max_queued = 512 * KIB;
    let mut settings = Settings::default();
    settings.connection = config.into();
    settings.overflow = overflow;
    (settings.high_watermark, settings.low_watermark) = (256 * KIB, 64 * KIB);
    settings.socket_send_buffer = Some(16 * KIB);
    settings
}

/// What a message leads to, and word of every one after which more than the high watermark waits for somebody. That is what
/// stops a producer; some of it may go out before anybody looks, and it stays stopped until no more than the low one waits.
#[expect(clippy::type_complexity, reason = "one of the hooks")]
fn until_slow(
    mut act: impl FnMut(&mut Context<u32>, ConnId, Message<'_>) + Send + 'static,
) -> (Option<Box<dyn FnMut(&mut Context<u32>, ConnId, Message<'_>) + Send>>, Receiver<()>) {
    let (sender, slow) = channel();
    let message = move |cx: &mut Context<u32>, id, message: Message<'_>| {
        act(cx, id, message);
        if cx.connections().any(|other| cx.queued(other) > 256 * KIB) {
            let _ = sender.send(()); // the test may have heard enough
        }
    };
    (Some(Box::new(message)), slow)
}

/// One reader never reads; the others get everything, and the server holds no more for it than it says.
#[test]
fn a_reader_that_never_reads_costs_a_bounded_amount_and_others_nothing() {
    for overflow in [Overflow::Close, Overflow::DropData] {
        let (open, opened) = report();
        let (close, ended) = ends();
        let server = Server::start(tight(overflow), Hooks { open, close, ..Hooks::default() });
        let stuck = server.connect();
        let id = wait(&opened);
        let mut readers: Vec<_> = (0..3).map(|_| server.connect()).collect();
        let text = "x".repeat(16 * KIB);
        for round in 0..300 {
            let message = text.clone();
            let (queued, dropped) = server.ask(move |cx| {
                cx.publish(To::all(), Message::Text(&message));
                (cx.queued(id), cx.stats().dropped)
            });
            assert!(queued <= 512 * KIB + text.len() + 14, "{queued} bytes wait");
            for reader in &mut readers {
                assert_eq!(reader.next_text().len(), text.len(), "round {round}, {dropped} dropped");
            }
        }
        match overflow {
            Overflow::Close => {
                assert_eq!(wait(&ended), (id, "Overflow 1006".into()));
                server.wait_until(|cx| cx.stats().overflowed == 1 && cx.stats().connections == 3);
            }
            _ => {
                let stats = server.ask(|cx| cx.stats());
                assert!(stats.dropped > 100 && stats.open == 4, "{stats:?}");
                // Control frames are never dropped, even now.
                assert!(server.ask(move |cx| cx.ping(id, b"still here")).is_queued());
            }
        }
        drop(stuck);
    }
}

/// The slow reader slows its producer down: nothing is lost, nothing is held beyond the watermarks.
#[test]
fn a_slow_reader_blocks_its_producer() {
    const MESSAGES: usize = 400;
    let (open, opened) = report();
    let (sender, drained) = channel();
    let (message, slow) = until_slow(|cx, id, message| {
        assert_eq!(cx.publish(To::all().except(id), message).here, 1);
    });
    let hooks = Hooks {
        open,
        message,
        drained: Some(Box::new(move |_, id| sender.send(id).unwrap())),
        ..Hooks::default()
    };
    let mut settings = tight(Overflow::Block);
    settings.receive_buffer = 64 * KIB;
    let server = Server::start(settings, hooks);
    let mut reader = server.connect();
    let id = wait(&opened);
    let mut producer = server.connect();
    wait(&opened);
    let text = "y".repeat(16 * KIB);
    let bytes = frame(RawHeader::TEXT, text.as_bytes());
    let writer = std::thread::spawn(move || {
        for _ in 0..MESSAGES {
            producer.write(&bytes);
        }
        producer
    });
    wait(&slow);
    for _ in 0..MESSAGES {
        let queued = server.ask(move |cx| cx.queued(id));
        assert!(queued < 256 * KIB + 64 * KIB + 2 * 16 * KIB, "{queued} bytes wait");
        assert_eq!(reader.next_text().len(), text.len());
    }
    assert_eq!(wait(&drained), id);
    drop(writer.join().unwrap());
    server.wait_until(|cx| cx.stats().dropped == 0 && cx.stats().overflowed == 0);
}

/// Passes the pieces of each message on as they come.
struct Pieces {
    receiver: Option<ConnId>,
    most: Sender<usize>,
    open: bool,
}

impl Handler for Pieces {
    type Data = u32;

    fn on_open(&mut self, _: &mut Context<u32>, id: ConnId, _: &Agreement) {
        self.receiver.get_or_insert(id);
    }

    fn on_chunk(&mut self, cx: &mut Context<u32>, _: ConnId, chunk: Chunk<'_>) {
        let Some(to) = self.receiver else { return };
        let sent = match (self.open, chunk.message_ends) {
            (false, false) => cx.start_message(to, chunk.kind, chunk.payload),
            (true, false) => cx.continue_message(to, chunk.payload),
            (_, true) => cx.finish_message(to, chunk.payload),
        };
        assert!(sent.is_queued(), "{sent:?}");
        self.open = !chunk.message_ends;
        self.most.send(cx.queued(to)).unwrap();
    }

    fn on_message(&mut self, _: &mut Context<u32>, _: ConnId, _: Message<'_>) {
        panic!("nobody wants whole messages");
    }
}

/// A message of one frame that is longer than all that the server may hold passes through it.
#[test]
fn a_message_larger_than_what_is_held_passes_through() {
    const LEN: usize = 16 << 20;
    let mut config = Config::default();
    config.delivery = Delivery::Frames;
    (config.max_message, config.max_frame) = (usize::MAX, u64::MAX);
    config.max_queued = 512 * KIB;
    let mut settings = tight(Overflow::Block);
    settings.connection = config.into();
    settings.receive_buffer = 64 * KIB;
    settings.socket_send_buffer = None; // a small one waits for an acknowledgement again and again
    let (most, held) = channel();
    let server = Server::start(settings, Pieces { receiver: None, most, open: false });
    let mut reader = server.connect();
    let mut producer = server.connect();
    let payload: Vec<u8> = (0..LEN).map(|at| (at % 251) as u8).collect();
    let bytes = frame(RawHeader::BINARY, &payload);
    let writer = std::thread::spawn(move || {
        producer.write(&bytes);
        producer
    });
    let mut received = 0;
    loop {
        let (header, part) = reader.next().expect("a part of the message");
        assert!(part == payload[received..received + part.len()], "at {received}");
        received += part.len();
        if header.fin {
            break;
        }
    }
    assert_eq!(received, LEN);
    drop(writer.join().unwrap());
    drop(server);
    let most = held.iter().max().unwrap();
    assert!(most <= 256 * KIB + 2 * 64 * KIB, "{most} bytes waited");
}

/// A producer that waits for a reader goes on when the reader goes away.
#[test]
fn a_producer_is_released_when_its_reader_dies() {
    let (open, opened) = report();
    let (message, slow) = until_slow(|cx, id, message| {
        if cx.publish(To::all().except(id), message).here == 0 {
            cx.send(id, message);
        }
    });
    let hooks = Hooks { open, message, ..Hooks::default() };
    let server = Server::start(tight(Overflow::Block), hooks);
    let reader = server.connect();
    wait(&opened);
    let mut producer = server.connect();
    let bytes = frame(RawHeader::TEXT, "y".repeat(16 * KIB).as_bytes());
    let mut clone = Client::over(producer.stream.try_clone().unwrap());
    let writer = std::thread::spawn(move || {
        for _ in 0..200 {
            clone.write(&bytes);
        }
        clone.text("last");
    });
    wait(&slow);
    drop(reader);
    while producer.next_text() != "last" {}
    writer.join().unwrap();
}

#[test]
fn a_connection_may_be_pressed_in_its_own_way() {
    let (open, opened) = report();
    let server = Server::start(tight(Overflow::Close), Hooks { open, ..Hooks::default() });
    let _stuck = server.connect();
    let id = wait(&opened);
    let last = server.ask(move |cx| {
        let mut pressure = cx.settings().pressure();
        pressure.overflow = Overflow::DropData;
        cx.set_pressure(id, pressure);
        let bytes = vec![0; 64 * KIB];
        (0..1000).map(|_| cx.send_binary(id, &bytes)).last()
    });
    assert_eq!(last, Some(Sent::Dropped));
    assert!(server.ask(move |cx| cx.is_open(id)));
}

/// What one flood costs: bounded memory, and a second connection is still served.
fn flood(bytes: Vec<u8>, times: usize, expected: &str) {
    let (close, ended) = ends();
    let server = Server::start(tight(Overflow::Close), Hooks { close, ..Hooks::echo() });
    let mut flooder = server.connect();
    let mut other = server.connect();
    let mut failed = false;
    for round in 0..times {
        failed |= flooder.stream.write_all(&bytes).is_err();
        if round % 64 == 0 {
            other.text("x");
            other.next_text();
            let queued = server.ask(|cx| cx.stats().queued);
            assert!(queued <= 512 * KIB as u64 + 1024, "{queued}");
        }
        if failed {
            break;
        }
    }
    drop(flooder);
    assert!(wait(&ended).1.starts_with(expected));
    other.text("x");
    other.next_text();
}

#[test]
fn a_flood_of_pings_that_nobody_reads_the_answers_of() {
    let ping = frame(RawHeader::PING, &[1; 125]);
    flood(ping.repeat(500), 300, "");
}

#[test]
fn a_flood_of_empty_fragments_breaks_a_limit() {
    let first = frame(RawHeader { fin: false, ..RawHeader::TEXT }, b"");
    let next = frame(RawHeader { fin: false, ..RawHeader::CONTINUATION }, b"");
    flood([first, next.repeat(2000)].concat(), 10, "Protocol(TooManyEmptyFragments)");
}

#[test]
fn tiny_segments_are_put_together() {
    let server = Server::start(Settings::default(), Hooks::echo());
    let mut client = server.connect();
    let text = "z".repeat(300);
    let bytes = frame(RawHeader::TEXT, text.as_bytes());
    for _ in 0..10 {
        for byte in &bytes {
            client.write(&[*byte]); // TCP_NODELAY is set: each is a segment
        }
        assert_eq!(client.next_text(), text);
    }
}

#[test]
fn resets_in_the_middle_of_a_frame_end_one_connection() {
    let (close, ended) = ends();
    let server = Server::start(Settings::default(), Hooks { close, ..Hooks::echo() });
    let mut other = server.connect();
    let bytes = frame(RawHeader::TEXT, &[b'a'; 200_000]);
    for len in [1, 3, 7, 100, 100_000, 150_000] {
        let mut client = server.connect();
        client.write(&bytes[..len]);
        server.wait_until(|cx| cx.stats().bytes_in > 0);
        client.reset();
        let (_, how) = wait(&ended);
        assert!(how.starts_with("Io") || how.starts_with("Eof"), "{how}");
        other.text("x");
        other.next_text();
    }
}

/// A peer that has ended its direction still gets what it asked for, and then the end.
#[test]
fn half_closed_peers_get_their_answers() {
    let (close, ended) = ends();
    let server = Server::start(Settings::default(), Hooks { close, ..Hooks::echo() });
    let mut client = server.connect();
    let large = "w".repeat(3 << 20);
    client.text(&large);
    client.text("and this");
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.next_text().len(), large.len());
    assert_eq!(client.next_text(), "and this");
    assert!(client.next().is_none());
    assert_eq!(wait(&ended).1, "Eof 1006");
    server.wait_until(|cx| cx.stats().connections == 0);
}

/// The watermarks of one connection: reading from it stops above the high one and goes on below the low one.
#[test]
fn a_peer_that_does_not_read_is_not_read_from() {
    let (open, opened) = report();
    let (sender, drained) = channel();
    let (message, slow) = until_slow(|cx, id, message| {
        cx.send(id, message);
    });
    let hooks = Hooks {
        open,
        message,
        drained: Some(Box::new(move |cx, id| sender.send(cx.queued(id)).unwrap())),
        ..Hooks::default()
    };
    let server = Server::start(tight(Overflow::Close), hooks);
    let mut client = server.connect();
    wait(&opened);
    let bytes = frame(RawHeader::TEXT, "v".repeat(8 * KIB).as_bytes());
    let mut clone = Client::over(client.stream.try_clone().unwrap());
    let writer = std::thread::spawn(move || {
        for _ in 0..500 {
            clone.write(&bytes);
        }
    });
    wait(&slow);
    for _ in 0..500 {
        client.next_text();
    }
    writer.join().unwrap();
    assert!(drained.recv_timeout(LONG).unwrap() <= 64 * KIB);
    assert!(server.ask(|cx| cx.stats().overflowed) == 0);
}

/// A producer waits for a reader that ends, in any way and at any time: it is read from again.
#[test]
fn whoever_waits_for_a_reader_goes_on_when_it_ends() {
    type End = (&'static str, fn(&mut Context<u32>, ConnId), fn(Client));
    let ways: [End; 6] = [
        ("abort", |cx, reader| cx.abort(reader), drop),
        ("fail", |cx, reader| cx.fail(reader), std::mem::forget),
        ("close", |cx, reader| assert!(cx.close(reader, None).is_queued()), std::mem::forget),
        ("overflow", fill, std::mem::forget),
        ("gone", |_, _| {}, drop),
        ("reset", |_, _| {}, Client::reset),
    ];
    for (way, act, leave) in ways {
        // Before its end, as it is told, and once it is over and what waits for it still goes out.
        for when in ["before", "told", "after"] {
            let mut settings = tight(Overflow::Close);
            let mut config = Config::clone(&settings.connection);
            config.close_timeout = Duration::from_millis(200);
            settings.connection = config.into();
            let (open, opened) = report();
            let (sender, ended) = channel();
            let close = move |cx: &mut Context<u32>, reader, _: &Ended| {
                let producer = cx.connections().next();
                if let ("told", Some(producer)) = (when, producer) {
                    cx.pause_until_drained(producer, reader);
                }
                sender.send(reader).unwrap();
            };
            let server =
                Server::start(settings, Hooks { open, close: Some(Box::new(close)), ..Hooks::echo() });
            let mut producer_side = server.connect();
            let producer = wait(&opened);
            let reader_side = server.connect();
            let reader = wait(&opened);
            server.ask(move |cx| {
                for _ in 0..30 {
                    assert!(cx.send_text(reader, &"x".repeat(16 * KIB)).is_queued());
                }
            });
            // What goes out has gone out: the rest waits.
            server.ask(move |cx| {
                assert!(cx.queued(reader) > 64 * KIB, "{} wait", cx.queued(reader));
                if when == "before" {
                    cx.pause_until_drained(producer, reader);
                }
                act(cx, reader);
            });
            leave(reader_side);
            assert_eq!(wait(&ended), reader);
            if when == "after" {
                server.ask(move |cx| cx.pause_until_drained(producer, reader));
            }
            producer_side.text("heard?");
            assert_eq!(producer_side.next_text(), "heard?", "{way}, {when}");
        }
    }
}

fn fill(cx: &mut Context<u32>, reader: ConnId) {
    while cx.send_text(reader, &"x".repeat(64 * KIB)).is_queued() {}
}

/// Messages that several connections shared are let go of, though nothing more happens.
#[test]
fn a_loop_with_nothing_to_do_keeps_nothing_of_its_broadcasts() {
    let mut settings = Settings::default();
    settings.socket_send_buffer = Some(16 * KIB);
    let mut server = EventLoop::with_settings(settings).unwrap();
    let address = server.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let mut hooks = Hooks::default();
    let readers = std::thread::spawn(move || [Client::connect(address), Client::connect(address)]);
    while server.context().stats().open < 2 {
        server.turn(&mut hooks, Some(LONG)).unwrap();
    }
    let _readers = readers.join().unwrap();
    for _ in 0..300 {
        let reach = server.context().publish(To::all(), Message::Binary(&[7; 10 * KIB]));
        assert_eq!(reach.here, 2);
    }
    server.turn(&mut hooks, Some(LONG)).unwrap();
    assert!(server.context().stats().held > 1 << 20, "they wait for readers that do not read");
    for id in server.context().connections().collect::<Vec<_>>() {
        server.context().abort(id);
    }
    // As long as the loop itself wants a turn.
    while server.engine().next_deadline().is_some_and(|at| at < Instant::now() + Duration::from_secs(1)) {
        server.turn(&mut hooks, None).unwrap();
    }
    assert_eq!((server.context().stats().connections, server.context().stats().held), (0, 0));
}
