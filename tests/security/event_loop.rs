//! One connection is one connection.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bowsprit::connection::Config;
use bowsprit::event_loop::{ConnId, Context, Ended, EventLoop, Handler, Settings};
use bowsprit::handshake::Agreement;
use bowsprit::message::Message;

struct Echo;

impl Handler for Echo {
    type Data = ();

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        cx.send(id, message);
    }
}

/// Turns the loop until `done`.
fn turn_until(server: &mut EventLoop<()>, mut done: impl FnMut(&mut EventLoop<()>) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done(server) {
        assert!(Instant::now() < deadline, "it takes too long");
        server.turn(&mut Echo, Some(Duration::from_millis(5))).unwrap();
    }
}

fn open(server: &mut EventLoop<()>, address: std::net::SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&super::with("")).unwrap();
    stream.set_nonblocking(true).unwrap();
    let mut head = Vec::new();
    turn_until(server, |_| {
        let mut buf = [0; 1024];
        if let Ok(len) = stream.read(&mut buf) {
            head.extend_from_slice(&buf[..len]);
        }
        head.ends_with(b"\r\n\r\n")
    });
    stream
}

/// Each keeps within its own limits, and all together hold what no machine has.
#[test]
fn each_within_its_limits_and_all_within_a_budget() {
    let mut config = Config::default();
    config.close_timeout = Duration::from_secs(3600); // so long is what was told there to be read
    let mut settings = Settings::default();
    settings.connection = config.into();
    settings.max_held = 8 << 20;
    let mut server = EventLoop::<()>::with_settings(settings).unwrap();
    let address = server.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let mut healthy = open(&mut server, address);
    let mut unfinished: Vec<TcpStream> = (0..24).map(|_| open(&mut server, address)).collect();
    let part = [&b"\x82\xff\0\0\0\0\0\x10\0\0\0\0\0\0"[..], &[7; 900_000]].concat();
    for stream in &mut unfinished {
        let mut rest = &part[..];
        turn_until(&mut server, |_| {
            rest = &rest[stream.write(rest).unwrap_or(0)..];
            rest.is_empty()
        });
    }
    // Each that is ended is told why, and that is enough.
    let mut told = vec![false; unfinished.len()];
    turn_until(&mut server, |server| {
        for (told, stream) in told.iter_mut().zip(&unfinished) {
            let mut close = [0; 4];
            *told |= stream.peek(&mut close).is_ok_and(|len| len == 4) && close[2..] == 1013u16.to_be_bytes();
        }
        let stats = server.context().stats();
        let told = told.iter().filter(|told| **told).count() as u64;
        stats.over_budget >= 10 && told == stats.over_budget && stats.held <= 8 << 20
    });
    assert!(server.context().stats().over_budget <= 20, "eight of them fit in");
    healthy.write_all(b"\x81\x82\0\0\0\0hi").unwrap();
    let mut answer = [0; 4];
    turn_until(&mut server, |_| healthy.read(&mut answer).is_ok_and(|len| len == 4));
    assert_eq!(&answer, b"\x81\x02hi");
}

/// One read brings thousands of messages; whoever says one thing meanwhile has the answer after that turn.
#[test]
fn a_flood_keeps_nobody_waiting() {
    let mut server = EventLoop::<()>::new().unwrap();
    let address = server.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let mut flood = open(&mut server, address);
    let mut quiet = open(&mut server, address);
    let many = b"\x82\x82\0\0\0\0hi".repeat(20_000);
    let mut rest = &many[..];
    let before = server.context().stats().messages_in;
    rest = &rest[flood.write(rest).unwrap()..];
    assert!(many.len() - rest.len() > 50_000, "the socket takes little");
    quiet.write_all(b"\x81\x82\0\0\0\0hi").unwrap();
    let mut answer = [0; 4];
    turn_until(&mut server, |_| quiet.read(&mut answer).is_ok_and(|len| len == 4));
    let meanwhile = server.context().stats().messages_in - before;
    assert!(meanwhile < 5000, "{meanwhile} of the flood came before it");
}

/// Tomcat: CVE-2021-42340; Undertow: CVE-2021-3690.
#[test]
fn cve_2021_42340_nothing_is_kept_after_a_close() {
    let mut server = EventLoop::<()>::new().unwrap();
    let address = server.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    for round in 0..150 {
        let mut stream = open(&mut server, address);
        let said: &[u8] = match round % 4 {
            0 => b"\x88\x82\0\0\0\0\x03\xe8", // a clean close
            1 => b"\xff\xff",                 // a broken rule
            2 => b"\x01\xfe\x10\x00\0\0\0\0half a message",
            _ => b"",
        };
        stream.write_all(said).unwrap();
        drop(stream);
    }
    turn_until(&mut server, |server| server.engine().is_empty());
}

/// Topics as a model has them, whatever is joined, left, published and closed in whatever order.
#[test]
fn cve_2020_36406_topics_are_what_a_model_says() {
    use std::collections::{BTreeMap, BTreeSet};

    let mut server = EventLoop::<()>::new().unwrap();
    let address = server.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let mut random = super::Random::new(36406);
    let mut model: BTreeMap<String, BTreeSet<ConnId>> = BTreeMap::new();
    let mut streams: Vec<(ConnId, TcpStream)> = Vec::new();
    for _ in 0..600 {
        let topic = "t/".repeat(random.below(4)) + &random.below(5).to_string();
        let choice = random.below(10);
        if streams.len() < 3 || choice == 0 && streams.len() < 12 {
            let known: BTreeSet<ConnId> = server.context().connections().collect();
            let stream = open(&mut server, address);
            let id = server.context().connections().find(|id| !known.contains(id)).unwrap();
            streams.push((id, stream));
            continue;
        }
        let at = random.below(streams.len());
        let id = streams[at].0;
        let cx = server.context();
        match choice {
            1..=4 => {
                let is_new = model.entry(topic.clone()).or_default().insert(id);
                assert_eq!(cx.subscribe(id, &topic), Ok(is_new));
            }
            5 | 6 => {
                let was_there = model.get_mut(&topic).is_some_and(|ids| ids.remove(&id));
                assert_eq!(cx.unsubscribe(id, &topic), was_there);
            }
            7 | 8 => {
                let ids = model.get(&topic).cloned().unwrap_or_default();
                assert_eq!(cx.publish(&topic, Message::Text("x")).here, ids.len());
                assert_eq!(cx.subscribers_of(&topic).collect::<BTreeSet<_>>(), ids);
            }
            _ => {
                drop(streams.swap_remove(at));
                turn_until(&mut server, |server| !server.context().connections().any(|this| this == id));
                for ids in model.values_mut() {
                    ids.remove(&id);
                }
            }
        }
        model.retain(|_, ids| !ids.is_empty());
        let cx = server.context();
        let topics: BTreeMap<String, usize> =
            cx.topics().map(|(name, count)| (name.to_owned(), count)).collect();
        assert_eq!(topics, model.iter().map(|(name, ids)| (name.clone(), ids.len())).collect());
    }
}

/// What a handler may do to connections while it is called for one of them: close, abort, send, all at once.
struct Reckless(super::Random);

impl Reckless {
    fn act(&mut self, cx: &mut Context<()>) {
        let all: Vec<ConnId> = cx.connections().collect();
        for _ in 0..3 {
            let id = all[self.0.below(all.len())];
            match self.0.below(6) {
                0 => cx.abort(id),
                1 => drop(cx.close(id, None)),
                2 => drop(cx.subscribe(id, "all")),
                3 => drop(cx.publish("all", Message::Text("x"))),
                4 => drop(cx.set_timer_for(id, Duration::ZERO, 0)),
                _ => drop(cx.send_text(id, "y")),
            }
        }
    }
}

impl Handler for Reckless {
    type Data = ();

    fn on_open(&mut self, cx: &mut Context<()>, _: ConnId, _: &Agreement) {
        self.act(cx);
    }

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        self.act(cx);
        cx.send(id, message); // perhaps to one that is no more
        self.act(cx);
    }

    fn on_close(&mut self, cx: &mut Context<()>, id: ConnId, _: &Ended) {
        assert!(!cx.is_open(id));
        cx.abort(id);
    }
}

#[test]
fn uwebsockets_1583_a_callback_may_end_any_connection() {
    let mut server = EventLoop::<()>::new().unwrap();
    let address = server.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let mut handler = Reckless(super::Random::new(1583));
    let mut random = super::Random::new(1);
    let mut streams = Vec::new();
    let mut opened = 0;
    let deadline = Instant::now() + Duration::from_secs(60);
    while opened < 300 {
        assert!(Instant::now() < deadline, "it takes too long");
        if streams.len() < 8 {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_nonblocking(true).unwrap();
            let said = [super::with(""), b"\x81\x82\0\0\0\0hi".repeat(1 + random.below(20))].concat();
            opened += usize::from(stream.write(&said).is_ok());
            streams.push(stream);
        }
        server.turn(&mut handler, Some(Duration::ZERO)).unwrap();
        let mut buf = [0; 4096];
        streams.retain_mut(|stream| match stream.read(&mut buf) {
            Ok(len) => len > 0,
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        });
        if random.below(20) == 0 {
            streams.pop();
        }
    }
    drop(streams);
    while !server.engine().is_empty() {
        assert!(Instant::now() < deadline, "connections are left");
        server.turn(&mut handler, Some(Duration::from_millis(5))).unwrap();
    }
}

/// libwebsockets: the upgrade and the end of a connection race each other; here at every byte of the handshake.
#[test]
fn cve_2025_11677_an_upgrade_may_end_at_any_byte() {
    let mut server = EventLoop::<()>::new().unwrap();
    let address = server.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let request = [super::with(""), b"\x88\x80\0\0\0\0".to_vec()].concat();
    for cut in 0..=request.len() {
        for resets in [false, true] {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(&request[..cut]).unwrap();
            if resets {
                socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
            }
            server.turn(&mut Echo, Some(Duration::ZERO)).unwrap();
            drop(stream);
            server.turn(&mut Echo, Some(Duration::ZERO)).unwrap();
        }
    }
    turn_until(&mut server, |server| server.engine().is_empty());
    let stats = server.context().stats();
    assert_eq!(stats.connections, 0);
    assert!(stats.accepted >= request.len() as u64, "{stats:?}");
}

/// mio: a token that comes after its registration has ended is nobody's.
#[test]
fn rustsec_2024_0019_a_late_token_reaches_nobody() {
    use bowsprit::event_loop::Readiness;

    let mut server = EventLoop::<()>::new().unwrap();
    let address = server.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let late = Readiness { readable: true, writable: true, read_closed: true, error: true };
    let mut tokens = Vec::new();
    for _ in 0..5 {
        let stream = open(&mut server, address);
        let id = server.context().connections().next().unwrap();
        tokens.push(server.engine().token_of(id).unwrap());
        drop(stream);
        turn_until(&mut server, |server| server.engine().is_empty());
        assert_eq!(server.engine().token_of(id), None);
    }
    let mut bystander = open(&mut server, address);
    let own = server.context().connections().next().unwrap();
    let own = server.engine().token_of(own).unwrap();
    assert!(!tokens.contains(&own), "its slot had other tokens before");
    for token in tokens {
        for late in [
            late,
            Readiness::READABLE,
            Readiness { read_closed: true, ..Readiness::default() },
            Readiness { error: true, ..Readiness::default() },
        ] {
            server.engine().ready(token, late, &mut Echo);
        }
    }
    // Even its own says too much: what is true is found out by reading.
    server.engine().ready(own, Readiness { error: false, read_closed: false, ..late }, &mut Echo);
    bystander.write_all(b"\x81\x82\0\0\0\0hi").unwrap();
    let mut echo = Vec::new();
    turn_until(&mut server, |_| {
        let mut buf = [0; 64];
        if let Ok(len) = bystander.read(&mut buf) {
            echo.extend_from_slice(&buf[..len]);
        }
        echo == b"\x81\x02hi"
    });
}

/// engine.io: CVE-2023-31125, CVE-2026-59725.
#[test]
fn cve_2023_31125_a_peer_ends_its_own_connection_only() {
    let mut server = EventLoop::<()>::new().unwrap();
    let address = server.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let mut bystander = open(&mut server, address);
    let mut random = super::Random::new(9);
    for _ in 0..40 {
        let mut stream = open(&mut server, address);
        let len = 1 + random.below(60);
        stream.write_all(&random.bytes(len)).unwrap();
    }
    bystander.write_all(b"\x81\x82\0\0\0\0hi").unwrap();
    let mut echo = Vec::new();
    turn_until(&mut server, |_| {
        let mut buf = [0; 64];
        if let Ok(len) = bystander.read(&mut buf) {
            echo.extend_from_slice(&buf[..len]);
        }
        !echo.is_empty()
    });
    assert_eq!(echo, b"\x81\x02hi");
}
