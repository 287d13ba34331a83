//! How many may come, from where, how fast; and what happens when the system has no more to give.

use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use bowsprit::connection::Config;
use bowsprit::event_loop::{AcceptRate, Engine, EventLoop, LoopError, Loops, Settings};
use mio::Poll;

use super::support::{Client, Hooks, LONG, REQUEST, Server};

#[test]
fn there_is_room_for_so_many_and_no_more() {
    let mut settings = Settings::default();
    settings.max_connections = 2;
    let server = Server::start(settings, Hooks::echo());
    let (first, mut second) = (server.connect(), server.connect());
    let mut third = Client::tcp(server.address);
    assert!(third.head().starts_with("HTTP/1.1 503 "));
    assert_eq!(server.ask(|cx| cx.stats().failed.no_room), 1);
    drop(first);
    server.wait_until(|cx| cx.stats().connections == 1);
    let mut fourth = server.connect();
    for client in [&mut second, &mut fourth] {
        client.text("x");
        assert_eq!(client.next_text(), "x");
    }
}

/// What no machine has is an error that says so.
#[test]
fn settings_beyond_all_bounds_are_refused() {
    for receive_buffer in [usize::MAX, isize::MAX as usize, 1 << 40] {
        let mut settings = Settings::default();
        settings.receive_buffer = receive_buffer;
        let refused = EventLoop::<u32>::with_settings(settings.clone()).unwrap_err();
        assert_eq!(refused.to_string(), "the receive buffer may hold at most 1073741824 bytes");
        assert!(Loops::<u32>::new(2, &settings).is_err());
    }
    for threads in [usize::MAX, isize::MAX as usize, 1025] {
        let refused = Loops::<u32>::new(threads, &Settings::default()).unwrap_err();
        assert_eq!(refused.to_string(), "a group may have at most 1024 loops");
    }
    // Times and numbers that are never reached are none.
    let mut settings = Settings::default();
    settings.handshake_timeout = Duration::MAX;
    settings.max_lifetime = Some(Duration::MAX);
    settings.tcp_keepalive = Some(Duration::MAX);
    (settings.high_watermark, settings.low_watermark) = (usize::MAX, usize::MAX);
    (settings.remote_commands, settings.remote_bytes) = (usize::MAX, usize::MAX);
    settings.max_subscriptions = usize::MAX;
    settings.backlog = i32::MAX;
    settings.accept_rate = Some(AcceptRate { per_second: u32::MAX, burst: u32::MAX });
    settings.max_per_address = Some(usize::MAX);
    let mut config = Config::default();
    config.idle_timeout = Some(Duration::MAX);
    config.ping_interval = Some(Duration::MAX);
    (config.pong_timeout, config.close_timeout) = (Duration::MAX, Duration::MAX);
    (config.max_message, config.max_queued) = (usize::MAX, usize::MAX);
    settings.connection = config.into();
    let server = Server::start(settings, Hooks::echo());
    server.ask(|cx| {
        cx.set_timer(Duration::MAX, 1);
        cx.set_timer_every(Duration::MAX, 1);
        cx.shutdown(Duration::MAX);
    });
}

#[test]
fn tokens_bound_the_connections_too() {
    let poll = Poll::new().unwrap();
    let new = |tokens| Engine::<u32>::new(Settings::default(), poll.registry(), tokens);
    assert!(new(0..Engine::<u32>::RESERVED_TOKENS).is_err(), "not one connection");
    let mut engine = new(10..10 + Engine::<u32>::RESERVED_TOKENS + 2).unwrap();
    let pair = || {
        let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        (bowsprit::event_loop::Transport::Unix(mio::net::UnixStream::from_std(one)), other)
    };
    let mut others = Vec::new();
    for fits in [true, true, false] {
        let (transport, other) = pair();
        let adopted = engine.adopt(transport);
        assert_eq!(adopted.is_ok(), fits);
        if let Ok(id) = adopted {
            assert!(engine.owns(engine.token_of(id).unwrap()));
        }
        others.push(other);
    }
    assert_eq!(engine.len(), 2);
}

#[test]
fn one_address_gets_so_many_and_no_more() {
    let mut settings = Settings::default();
    settings.max_per_address = Some(2);
    let server = Server::start(settings, Hooks::echo());
    let (first, _second) = (server.connect(), server.connect());
    for _ in 0..3 {
        assert!(Client::tcp(server.address).head().starts_with("HTTP/1.1 429 "));
    }
    drop(first);
    server.wait_until(|cx| cx.stats().connections == 1);
    drop(server.connect());
    assert_eq!(server.ask(|cx| cx.stats().failed.address), 3);
}

#[test]
fn accepting_keeps_to_its_rate() {
    let mut settings = Settings::default();
    settings.accept_rate = Some(AcceptRate { per_second: 20, burst: 5 });
    let server = Server::start(settings, Hooks::echo());
    let start = Instant::now();
    let clients: Vec<_> = (0..15).map(|_| server.connect()).collect();
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(450), "5 at once, then one in 50 ms: {took:?}");
    assert_eq!(server.ask(|cx| cx.stats().open), clients.len() as u64);
}

#[test]
fn accepting_pauses_and_resumes() {
    let server = Server::start(Settings::default(), Hooks::echo());
    server.ask(|cx| cx.pause_accepting());
    let mut client = Client::tcp(server.address); // the system's backlog has it
    client.write(REQUEST);
    for _ in 0..10 {
        assert_eq!(server.ask(|cx| cx.stats().accepted), 0);
    }
    server.ask(|cx| cx.resume_accepting());
    assert!(client.head().starts_with("HTTP/1.1 101 "));
}

const CHILD: &str = "BOWSPRIT_TEST_FEW_DESCRIPTORS";

/// In a process of its own, which may have 64 descriptors: they are used up, the loop waits without spinning, and
/// once some are free it goes on.
#[test]
fn descriptors_that_are_used_up_end_nothing() {
    if std::env::var_os(CHILD).is_some() {
        return few_descriptors();
    }
    let this = std::env::current_exe().unwrap();
    let script =
        "ulimit -n 64 && exec \"$0\" --exact limits::descriptors_that_are_used_up_end_nothing --nocapture";
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(this)
        .env(CHILD, "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

fn few_descriptors() {
    let (sender, errors) = channel();
    let hooks = Hooks {
        error: Some(Box::new(move |_, error| {
            assert!(matches!(error, LoopError::Accept(_)), "{error}");
            sender.send(Instant::now()).unwrap();
        })),
        ..Hooks::echo()
    };
    let server = Server::start(Settings::default(), hooks);
    let mut first = server.connect();
    // Until this process, which is client and server, has none left.
    let mut streams = Vec::new();
    while let Ok(stream) = TcpStream::connect(server.address) {
        streams.push(stream);
    }
    let times: Vec<_> = (0..3).map(|_| errors.recv_timeout(LONG).unwrap()).collect();
    assert!(times[2] - times[0] >= Duration::from_millis(150), "it is not tried without a pause");
    first.text("still served");
    assert_eq!(first.next_text(), "still served");
    drop(streams);
    let mut last = server.connect();
    last.text("and others again");
    assert_eq!(last.next_text(), "and others again");
}
