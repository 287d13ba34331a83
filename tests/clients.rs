//! Clients of a loop: reaching a server, losing it, coming back.
#![cfg(feature = "event-loop")]

#[path = "support/port.rs"]
mod port;
#[path = "support/server.rs"]
mod server;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use bowsprit::client::{
    Backoff, ClientConfig, ConnectError, Loss, Phase, Proxy, ProxySettings, ReconnectPolicy, RedirectPolicy,
    Reply, Stop, Target, ThreadResolver, WhileDisconnected,
};
use bowsprit::close::{CloseCode, CloseReason};
use bowsprit::event_loop::{
    ClientEvent, ClientId, ClientState, ConnId, Context, Ended, EventLoop, Failed, Handler, Sent,
};
use bowsprit::handshake::Agreement;
use bowsprit::message::Message;
use server::{accept, drain, header, open, read_head, serve};

/// Writes down what happens and ends the loop with its last client.
#[derive(Default)]
struct Log {
    lines: Vec<String>,
    messages: Vec<String>,
    /// Sent whenever a connection opens.
    preamble: Option<&'static str>,
    /// Close the client after so many messages.
    enough: usize,
    /// Another URL for the tries after the first.
    next_url: Option<String>,
    tries: u32,
}

impl Handler for Log {
    type Data = ();

    fn on_try(&mut self, _: &mut Context<()>, _: ClientId, attempt: u32, config: &mut ClientConfig) {
        self.tries += 1;
        assert_eq!(attempt, self.tries);
        if attempt > 1
            && let Some(url) = &self.next_url
        {
            *config = config.clone().retarget(Target::parse(url).unwrap()).unwrap();
        }
        *config = config.clone().header("X-Try", &attempt.to_string()).unwrap();
    }

    fn on_open(&mut self, cx: &mut Context<()>, id: ConnId, _: &Agreement) {
        let client = cx.client_of(id).unwrap();
        assert_eq!(cx.connection_of(client), Some(id));
        if let Some(text) = self.preamble {
            cx.send_text(id, text);
        }
    }

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        if let Message::Text(text) = message {
            self.messages.push(text.to_owned());
        }
        if self.messages.len() == self.enough {
            let client = cx.client_of(id).unwrap();
            cx.close_client(client, Some(CloseReason { code: CloseCode::NORMAL, reason: "" }));
            assert_eq!(cx.client_state(client), ClientState::Closing);
        }
    }

    fn on_close(&mut self, _: &mut Context<()>, _: ConnId, ended: &Ended) {
        self.lines.push(format!("closed {}", ended.outcome.code().0));
    }

    fn on_failed(&mut self, _: &mut Context<()>, _: ConnId, failed: &Failed) {
        panic!("clients hear of it otherwise: {failed:?}");
    }

    fn on_client(&mut self, cx: &mut Context<()>, client: ClientId, event: &ClientEvent<'_>) {
        match event {
            ClientEvent::State(state) => {
                assert_eq!(cx.client_state(client), *state);
                self.lines.push(format!("{state:?}"));
            }
            ClientEvent::Unreached(error) => self.lines.push(format!("unreached: {}", name(error))),
            ClientEvent::Retry { attempt, delay, cause } => {
                self.lines.push(format!("retry {attempt} after {} ms: {cause}", delay.as_millis()));
            }
            ClientEvent::End { stop, cause } => {
                self.lines.push(format!("end {stop:?}: {cause}"));
                cx.stop();
            }
            _ => {}
        }
    }
}

/// The variant alone: what the system says differs.
fn name(error: &ConnectError) -> String {
    match error {
        ConnectError::Connect(_)
        | ConnectError::Io(_)
        | ConnectError::Resolve(_)
        | ConnectError::Response(_) => format!("{error:?}").split('(').next().unwrap().to_owned(),
        error => format!("{error:?}"),
    }
}

fn run_with(mut log: Log, config: ClientConfig, start: impl FnOnce(&mut Context<()>, ClientId)) -> Log {
    let mut event_loop = EventLoop::new().unwrap();
    let cx = event_loop.context();
    let client = cx.open(config).unwrap();
    start(cx, client);
    // Nothing here takes so long; a stuck loop fails the test and does not hang it.
    let until = Instant::now() + Duration::from_secs(60);
    while !event_loop.engine().take_stop() {
        event_loop.turn(&mut log, Some(Duration::from_secs(1))).unwrap();
        assert!(Instant::now() < until, "{:?}", log.lines);
    }
    assert_eq!(event_loop.context().client_state(client), ClientState::Closed);
    assert_eq!(event_loop.context().clients().count(), 0);
    log
}

/// A shutdown leaves no client behind, wherever it stands, and lets no new one in.
#[test]
fn a_shutdown_ends_every_client() {
    /// Never answers, so that its client goes on looking.
    #[derive(Debug)]
    struct Silent;

    impl bowsprit::client::Resolver for Silent {
        fn resolve(&self, _: &str, _: u16, reply: Reply) {
            std::mem::forget(reply);
        }
    }

    struct Late(Log);

    impl Handler for Late {
        type Data = ();

        fn on_message(&mut self, _: &mut Context<()>, _: ConnId, _: Message<'_>) {}

        fn on_client(&mut self, cx: &mut Context<()>, client: ClientId, event: &ClientEvent<'_>) {
            if cx.is_shutting_down() {
                let nowhere = "127.0.0.1:1".parse().unwrap();
                assert_eq!(cx.open(config(nowhere)).unwrap_err().to_string(), "the loop shuts down");
            }
            let _ = client;
            if let ClientEvent::End { stop, .. } = event {
                self.0.lines.push(format!("{stop:?}"));
            }
        }
    }

    let unused = port::reserved();
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut resolving = ClientConfig::new("ws://nowhere.test/").unwrap();
    resolving = resolving.resolver(Silent);
    let mut waiting = config(unused);
    waiting = waiting.reconnect(ReconnectPolicy::with(Backoff::Fixed(Duration::from_secs(3600))));
    let handshaking = config(mute.local_addr().unwrap());
    let mut event_loop = EventLoop::new().unwrap();
    let cx = event_loop.context();
    let clients = [resolving, waiting, handshaking.clone()].map(|config| cx.open(config).unwrap());
    let states = [ClientState::Resolving, ClientState::Waiting, ClientState::Handshaking];
    let mut log = Late(Log::default());
    let until = Instant::now() + Duration::from_secs(60);
    while clients.map(|client| event_loop.context().client_state(client)) != states {
        event_loop.turn(&mut log, Some(Duration::from_millis(20))).unwrap();
        assert!(Instant::now() < until);
    }
    let cx = event_loop.context();
    cx.open(handshaking.clone()).unwrap(); // its first try is still to come
    cx.shutdown(Duration::from_secs(3600));
    assert!(cx.open(handshaking).is_err());
    event_loop.run(&mut log).unwrap();
    assert_eq!(log.0.lines, ["Done"; 4]);
    assert_eq!(event_loop.context().clients().count(), 0);
    assert!(event_loop.engine().is_empty());
    // What is over is over: the loop may be used again.
    assert!(event_loop.context().open(config(unused)).is_ok());
}

fn run(log: Log, config: ClientConfig) -> Log {
    run_with(log, config, |_, _| {})
}

fn config(address: SocketAddr) -> ClientConfig {
    ClientConfig::new(&format!("ws://{address}/")).unwrap()
}

fn quick() -> ReconnectPolicy {
    ReconnectPolicy::with(Backoff::Fixed(Duration::from_millis(100)))
}

/// Answers a Close frame of ours and waits for the end.
fn finish(mut stream: TcpStream) {
    let mut close = [0; 8];
    if stream.read_exact(&mut close).is_ok() {
        let _ = stream.write_all(b"\x88\x02\x03\xe8");
    }
}

#[test]
fn one_connection_from_lookup_to_end() {
    let (address, server) = serve(1, |mut stream| {
        open(&mut stream, b"\x81\x02hi");
        finish(stream);
    });
    // `localhost` is not looked up; what IPv6 refuses IPv4 accepts.
    let config = ClientConfig::new(&format!("ws://localhost:{}/", address.port())).unwrap();
    let log = run(Log { enough: 1, ..Log::default() }, config);
    assert_eq!(log.messages, ["hi"]);
    assert_eq!(
        log.lines,
        ["Connecting", "Handshaking", "Open", "closed 1000", "Closed", "end Done: closed by us"]
    );
    server.join().unwrap();
}

/// RCN-007 as well: what was sent while there was a connection is not sent again.
#[test]
fn it_comes_back_says_the_preamble_again_and_keeps_what_was_sent_meanwhile() {
    let mut number = 0;
    let (address, server) = serve(3, move |mut stream| {
        number += 1;
        let head = open(&mut stream, b"");
        let mut said = vec![0; if number == 1 { 2 * (6 + 3) } else { 6 + 3 }];
        stream.read_exact(&mut said).unwrap();
        stream.write_all(b"\x81\x02ok").unwrap();
        match number {
            1 => {}                                              // it just goes
            2 => stream.write_all(b"\x88\x02\x03\xe9").unwrap(), // it goes away
            _ => finish(stream),
        }
        head.matches("X-Try").count()
    });
    let log = Log { preamble: Some("sub"), enough: 3, ..Log::default() };
    let config = config(address).reconnect(quick()).while_disconnected(WhileDisconnected::Queue(200));
    let log = run_with(log, config, |cx, client| {
        assert!(matches!(cx.send_to(client, Message::Text("one")), Sent::Queued(_)));
        let large = "x".repeat(200);
        assert_eq!(cx.send_to(client, Message::Text(&large)), Sent::Dropped);
    });
    assert_eq!(log.messages, ["ok", "ok", "ok"]);
    assert_eq!(server.join().unwrap(), [1, 2, 3], "what `on_try` changes stays");
    let retries: Vec<_> = log.lines.iter().filter(|line| line.starts_with("retry")).collect();
    assert_eq!(
        retries,
        [
            "retry 1 after 100 ms: the connection broke or could not be made",
            "retry 2 after 100 ms: closed with code 1001"
        ]
    );
    assert_eq!(log.lines.last().unwrap(), "end Done: closed by us");
}

#[test]
fn messages_are_refused_while_away_unless_asked_otherwise() {
    let mut event_loop = EventLoop::<()>::new().unwrap();
    let cx = event_loop.context();
    let client = cx.open(ClientConfig::new("ws://127.0.0.1:9/").unwrap()).unwrap();
    assert_eq!(cx.send_to(client, Message::Text("x")), Sent::Closed);
}

#[test]
fn the_url_can_change_between_tries() {
    let (good, server) = serve(1, |mut stream| {
        open(&mut stream, b"\x81\x02hi");
        finish(stream);
    });
    let nobody = port::reserved();
    let log = Log { enough: 1, next_url: Some(format!("ws://{good}/")), ..Log::default() };
    let log = run(log, config(nobody).reconnect(quick()));
    assert_eq!(log.lines[..3], ["Connecting", "unreached: Connect", "Waiting"]);
    assert_eq!((log.tries, log.messages.len()), (2, 1));
    server.join().unwrap();
}

#[test]
fn tries_end_at_their_limit_and_at_what_cannot_be_mended() {
    let nobody = port::reserved();
    let log = run(Log::default(), config(nobody).reconnect(quick().max_tries(2)));
    assert_eq!(log.tries, 3);
    assert!(log.lines.last().unwrap().starts_with("end Exhausted"));

    let (address, server) = serve(1, |mut stream| {
        read_head(&mut stream);
        stream.write_all(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n").unwrap();
        drain(&mut stream);
    });
    let log = run(Log::default(), config(address).reconnect(quick()));
    assert_eq!(log.lines.last().unwrap(), "end Fatal: refused with status 401");
    server.join().unwrap();

    let (address, server) = serve(1, |mut stream| {
        open(&mut stream, b"\x88\x02\x03\xf0");
        drain(&mut stream);
    });
    let log = run(Log::default(), config(address).reconnect(quick()));
    assert_eq!(log.lines.last().unwrap(), "end Fatal: closed with code 1008");
    server.join().unwrap();
}

#[test]
fn redirects_proxies_and_tunnels() {
    let (there, last) = serve(1, |mut stream| {
        let head = open(&mut stream, b"\x81\x02hi");
        finish(stream);
        head
    });
    let location = format!("ws://{there}/new");
    let (here, first) = serve(1, move |mut stream| {
        read_head(&mut stream);
        let answer = format!("HTTP/1.1 307 X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).unwrap();
    });
    // An HTTP proxy that passes two tunnels on, the first of which is redirected.
    let (proxy, tunnels) = serve(2, move |mut stream| {
        let head = read_head(&mut stream);
        let target = head.split(' ').nth(1).unwrap().to_owned();
        for byte in b"HTTP/1.1 200 OK\r\n\r\n" {
            stream.write_all(&[*byte]).unwrap();
        }
        pass_on(stream, target.parse().unwrap());
        target
    });
    let config = config(here).redirects(RedirectPolicy::up_to(1)).basic_auth("u", "p").unwrap();
    let config = config.proxies(ProxySettings::all(Proxy::parse(&format!("http://{proxy}")).unwrap()));
    let log = run(Log { enough: 1, ..Log::default() }, config);
    assert_eq!(log.messages, ["hi"], "{:?}", log.lines);
    assert!(log.lines.contains(&"Tunneling".to_owned()));
    assert_eq!(tunnels.join().unwrap(), [here.to_string(), there.to_string()]);
    let head = last.join().unwrap().remove(0);
    assert!(head.starts_with("GET /new ") && header(&head, "authorization").is_none());
    first.join().unwrap();
}

/// Both directions, until both have ended.
fn pass_on(client: TcpStream, to: SocketAddr) {
    let server = TcpStream::connect(to).unwrap();
    let copy = |mut from: TcpStream, mut to: TcpStream| {
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        })
    };
    let up = copy(client.try_clone().unwrap(), server.try_clone().unwrap());
    copy(server, client).join().unwrap();
    up.join().unwrap();
}

#[test]
fn socks_with_a_name_that_the_proxy_looks_up() {
    let (proxy, server) = serve(1, |mut stream| {
        let mut greeting = [0; 4];
        stream.read_exact(&mut greeting).unwrap();
        assert_eq!(greeting, *b"\x05\x02\0\x02");
        stream.write_all(b"\x05\x02").unwrap();
        let mut credentials = [0; 1 + 2 + 2];
        stream.read_exact(&mut credentials).unwrap();
        assert_eq!(credentials, *b"\x01\x01u\x01p");
        stream.write_all(b"\x01\0").unwrap();
        let mut request = [0; 4 + 1 + 14 + 2];
        stream.read_exact(&mut request).unwrap();
        assert_eq!(request, *b"\x05\x01\0\x03\x0eserver.example\0\x50");
        for byte in b"\x05\0\0\x01\0\0\0\0\0\0" {
            stream.write_all(&[*byte]).unwrap();
        }
        open(&mut stream, b"\x81\x02hi");
        finish(stream);
    });
    let config = ClientConfig::new("ws://server.example/").unwrap();
    let config = config.proxies(ProxySettings::all(Proxy::parse(&format!("socks5h://u:p@{proxy}")).unwrap()));
    let log = run(Log { enough: 1, ..Log::default() }, config);
    assert_eq!(log.messages, ["hi"], "{:?}", log.lines);
    server.join().unwrap();
}

#[test]
fn names_are_looked_up_elsewhere() {
    let (address, server) = serve(2, |mut stream| {
        open(&mut stream, b"\x81\x02hi");
        finish(stream);
    });
    let url = format!("ws://name.example:{}/", address.port());
    let config = || ClientConfig::new(&url).unwrap();
    // A program that forgot something hears of it at once.
    let told = |url: &str| EventLoop::<()>::new().unwrap().context().open(ClientConfig::new(url).unwrap());
    for (url, missing) in
        [(url.as_str(), "ClientConfig::resolver"), ("wss://192.0.2.1/", "ClientConfig::tls")]
    {
        let error = told(url).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains(missing), "{error}");
    }

    // The first address refuses; the answer comes from another thread.
    let nobody = port::reserved();
    let later = move |host: &str, _: u16, reply: Reply| {
        assert_eq!(host, "name.example");
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            reply.send(Ok(vec![nobody, address]));
        });
    };
    let log = run(Log { enough: 1, ..Log::default() }, config().resolver(later));
    assert_eq!(log.lines[..3], ["Resolving", "Connecting", "Handshaking"]);

    // A name that only the system knows: an address in a form that is none here.
    let url = format!("ws://127.1:{}/", address.port());
    let config = ClientConfig::new(&url).unwrap().resolver(ThreadResolver);
    let log = run(Log { enough: 1, ..Log::default() }, config);
    assert_eq!(log.lines[0], "Resolving");
    server.join().unwrap();
}

#[test]
fn everything_ends_in_time() {
    let short = Duration::from_millis(60);
    let kept = std::sync::Mutex::new(Vec::new());
    let never = move |_: &str, _: u16, reply: Reply| kept.lock().unwrap().push(reply);
    let config = ClientConfig::new("ws://name.example/").unwrap().resolver(never).connect_timeout(short);
    assert_eq!(run(Log::default(), config).lines[1], "unreached: Timeout(Resolve)");

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let log = run(Log::default(), self::config(address).handshake_timeout(short));
    assert_eq!(log.lines[2], format!("unreached: Timeout({:?})", Phase::Response));

    let proxy = ProxySettings::all(Proxy::parse(&address.to_string()).unwrap());
    // Time enough to be connected in, on a machine that is busy.
    let config = self::config(address).connect_timeout(Duration::from_secs(3)).proxies(proxy);
    assert_eq!(run(Log::default(), config).lines[2], "unreached: Timeout(Proxy)");

    // A backlog that is full: the kernel answers no further attempt.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    full.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    let waiting = TcpStream::connect(address).unwrap();
    let log = run(Log::default(), self::config(address).connect_timeout(short));
    assert_eq!(log.lines[1], "unreached: Timeout(Connect)");

    // The same beside one that answers: it gets its turn after the attempt delay.
    let (good, server) = serve(1, |mut stream| {
        open(&mut stream, b"\x81\x02hi");
        finish(stream);
    });
    let both = move |_: &str, _: u16, reply: Reply| reply.send(Ok(vec![address, good]));
    let config = ClientConfig::new("ws://name.example/").unwrap().resolver(both);
    let start = Instant::now();
    let log = run(Log { enough: 1, ..Log::default() }, config);
    assert_eq!(log.messages, ["hi"]);
    assert!(start.elapsed() >= Duration::from_millis(250));
    server.join().unwrap();
    drop(waiting);
}

#[test]
fn a_client_can_be_given_up_anywhere_on_its_way() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    for turns in 0..4 {
        for abort in [false, true] {
            let mut log = Log::default();
            let mut event_loop = EventLoop::new().unwrap();
            let client = event_loop.context().open(config(address).reconnect(quick())).unwrap();
            for _ in 0..turns {
                event_loop.turn(&mut log, Some(Duration::from_millis(5))).unwrap();
            }
            match abort {
                true => event_loop.context().abort_client(client),
                false => event_loop.context().close_client(client, None),
            }
            event_loop.run(&mut log).unwrap();
            assert_eq!(log.lines.last().unwrap(), &format!("end {:?}: {}", Stop::Done, Loss::Local));
            assert_eq!(event_loop.context().client_state(client), ClientState::Closed);
            event_loop.turn(&mut log, Some(Duration::ZERO)).unwrap();
            assert!(event_loop.engine().is_empty());
        }
    }
}

#[test]
fn many_clients_in_one_loop() {
    const CLIENTS: usize = 200;
    let (address, server) = serve(CLIENTS, |mut stream| {
        let head = read_head(&mut stream);
        stream.write_all(&[&accept(&head)[..], b"\x81\x02hi\x88\x02\x03\xe8"].concat()).unwrap();
    });
    #[derive(Default)]
    struct Count(usize, usize);
    impl Handler for Count {
        type Data = ();
        fn on_message(&mut self, _: &mut Context<()>, _: ConnId, _: Message<'_>) {
            self.0 += 1;
        }
        fn on_client(&mut self, cx: &mut Context<()>, _: ClientId, event: &ClientEvent<'_>) {
            if let ClientEvent::End { .. } = event {
                self.1 += 1;
                if self.1 == CLIENTS {
                    cx.stop();
                }
            }
        }
    }
    let mut event_loop = EventLoop::new().unwrap();
    for _ in 0..CLIENTS {
        event_loop.context().open(config(address)).unwrap();
    }
    let mut count = Count::default();
    event_loop.run(&mut count).unwrap();
    assert_eq!((count.0, count.1), (CLIENTS, CLIENTS));
    server.join().unwrap();
}

#[cfg(unix)]
#[test]
fn unix_domain_sockets() {
    use std::os::unix::net::UnixListener;
    let path = std::env::temp_dir().join(format!("bowsprit-clients-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        open(&mut stream, b"\x81\x02hi\x88\x02\x03\xe8");
        drain(&mut stream);
    });
    let url = format!("ws+unix:{}:/chat", path.display());
    let log = run(Log::default(), ClientConfig::new(&url).unwrap());
    assert_eq!(log.messages, ["hi"], "{:?}", log.lines);
    server.join().unwrap();
    std::fs::remove_file(&path).unwrap();
    let gone = run(Log::default(), ClientConfig::new(&url).unwrap());
    assert_eq!(gone.lines[1], "unreached: Connect");
}
