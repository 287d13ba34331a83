//! The blocking client and the loop's client against the same servers: both report a failure in the same words.
#![cfg(all(feature = "blocking", feature = "event-loop"))]

#[path = "support/port.rs"]
mod port;
#[allow(dead_code, reason = "here no server opens")]
#[path = "support/server.rs"]
mod server;

use std::io::{Read as _, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use bowsprit::blocking;
use bowsprit::client::{ClientConfig, Proxy, ProxySettings, RedirectPolicy, Reply};
use bowsprit::entropy::{Entropy, EntropyError};
use bowsprit::event_loop::{ClientEvent, ClientId, ConnId, Context, EventLoop, Handler};
use bowsprit::handshake::HeadLimits;
use bowsprit::message::Message;
use server::{drain, read_head, serve};

fn config(address: SocketAddr) -> ClientConfig {
    ClientConfig::new(&format!("ws://{address}/")).unwrap()
}

/// What the blocking client says.
fn blocking(config: &ClientConfig) -> String {
    blocking::connect_with(config).unwrap_err().to_string()
}

/// What the client of a loop says.
fn in_a_loop(config: ClientConfig) -> String {
    #[derive(Default)]
    struct Told(Vec<String>);
    impl Handler for Told {
        type Data = ();
        fn on_message(&mut self, _: &mut Context<()>, _: ConnId, _: Message<'_>) {}
        fn on_client(&mut self, cx: &mut Context<()>, _: ClientId, event: &ClientEvent<'_>) {
            match event {
                ClientEvent::Unreached(error) => self.0.push(error.to_string()),
                ClientEvent::End { .. } => cx.stop(),
                _ => {}
            }
        }
    }
    let mut event_loop = EventLoop::new().unwrap();
    // What can never work is told at once.
    if let Err(error) = event_loop.context().open(config) {
        return error.to_string();
    }
    let mut told = Told::default();
    let until = Instant::now() + Duration::from_secs(60);
    while !event_loop.engine().take_stop() {
        event_loop.turn(&mut told, Some(Duration::from_secs(1))).unwrap();
        assert!(Instant::now() < until, "it does not end");
    }
    assert!(event_loop.engine().is_empty(), "no socket is left");
    assert_eq!(told.0.len(), 1, "{told:?}", told = told.0);
    told.0.remove(0)
}

/// Both clients in turn against a server that takes so many connections from each; what they say is the same.
fn same(
    connections: usize,
    serve_one: impl FnMut(TcpStream) + Send + 'static,
    config: impl Fn(SocketAddr) -> ClientConfig,
) -> String {
    let (address, server) = serve(2 * connections, serve_one);
    let config = config(address);
    let told = blocking(&config);
    assert_eq!(in_a_loop(config), told);
    server.join().unwrap();
    told.replace(&address.to_string(), "HERE")
}

/// Reads a request, says `answer`, and waits until the client goes.
fn saying(answer: &'static [u8]) -> impl FnMut(TcpStream) + Send {
    move |mut stream| {
        read_head(&mut stream);
        let _ = stream.write_all(answer);
        drain(&mut stream);
    }
}

/// Reads a request, says `answer`, and goes.
fn going(answer: &'static [u8]) -> impl FnMut(TcpStream) + Send {
    move |mut stream| {
        read_head(&mut stream);
        let _ = stream.write_all(answer);
    }
}

#[test]
fn servers_that_refuse() {
    let refused = "The server refuses the upgrade with status 404 Not Found.";
    for answer in [
        &b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nbody"[..],
        // Without a length, on a connection that stays open; with one that never comes.
        b"HTTP/1.1 404 Not Found\r\n\r\nbody",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 99\r\n\r\nbody",
        b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n",
    ] {
        assert_eq!(same(1, saying(answer), config), refused);
        assert_eq!(same(1, going(answer), config), refused);
    }
    // Without end: told at once, not when the time is up.
    let endless = |mut stream: TcpStream| {
        read_head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    };
    assert_eq!(same(1, endless, config), "The server refuses the upgrade with status 200 OK.");
}

#[test]
fn servers_that_answer_wrongly_or_not_at_all() {
    for (answer, told) in [
        (&b""[..], "The server closed the connection without an answer; check the port."),
        (
            b"HTTP/1.1 101 X\r\nUpg",
            "The server has to send its whole answer before it closes the connection.",
        ),
        (b"HTTP/1.1 101 X\r\n\r\n", "The server has to send Upgrade: websocket."),
        (
            b"SSH-2.0-OpenSSH\r\n",
            "The server's answer is faulty: This is not HTTP: speak HTTP/1.1 without TLS on this port.",
        ),
    ] {
        assert_eq!(same(1, going(answer), config), told);
    }
    let limited = |address| config(address).head_limits(HeadLimits::new(64, 100));
    let long = b"HTTP/1.1 404 No\r\nX: 0123456789012345678901234567890123456789012345678901234567890123456789\r\n\r\n";
    assert_eq!(
        same(1, saying(long), limited),
        "The head of the server's answer is longer than HeadLimits::max_bytes. ClientConfig::head_limits sets them."
    );
    // The one counts from the connection on; the other has to be enough to be connected in on a busy machine.
    let (short, enough) = (Duration::from_millis(60), Duration::from_secs(3));
    let silent = |mut stream: TcpStream| drop(drain(&mut stream));
    let told = "the server did not answer in time";
    assert_eq!(same(1, silent, |address| config(address).handshake_timeout(short)), told);
    assert_eq!(same(1, silent, |address| config(address).connect_timeout(enough)), told);
}

#[test]
fn redirects() {
    let following = |address| config(address).redirects(RedirectPolicy::up_to(2));
    let again = b"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n";
    assert_eq!(
        same(3, saying(again), following),
        "ws://HERE/again (redirected from ws://HERE/, ws://HERE/again): the server redirects too many times"
    );
    let elsewhere = b"HTTP/1.1 302 Found\r\nLocation: wss://192.0.2.1/\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(
        same(1, saying(elsewhere), following),
        "wss://192.0.2.1/ (redirected from ws://HERE/): a wss:// URL needs TLS: set ClientConfig::tls, of feature \"tls\""
    );
    let nowhere = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(same(1, saying(nowhere), following), "the server redirects without a usable Location");
    assert_eq!(
        same(1, saying(nowhere), config),
        "The server refuses the upgrade with status 302 Found.",
        "none is followed unasked"
    );
}

fn through(scheme: &'static str) -> impl Fn(SocketAddr) -> ClientConfig {
    move |proxy| {
        let proxies = ProxySettings::all(Proxy::parse(&format!("{scheme}://{proxy}")).unwrap());
        let config = ClientConfig::new("ws://192.0.2.1/").unwrap().proxies(proxies);
        config.connect_timeout(Duration::from_secs(60))
    }
}

#[test]
fn proxies() {
    for (answer, told) in [
        (&b"HTTP/1.1 407 No\r\n\r\n"[..], "the proxy asks for a user name and a password, or for others"),
        (b"HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\n", "the proxy refuses with status 403"),
        (b"HTTP/1.1 200 OK\r\n\r\nearly", "the proxy sends more than its answer"),
    ] {
        assert_eq!(same(1, saying(answer), through("http")), told);
    }
    // Time enough to be connected in, on a machine that is busy.
    let soon = |proxy| through("http")(proxy).connect_timeout(Duration::from_secs(3));
    assert_eq!(same(1, saying(b""), soon), "the proxy gave no answer in time");
    assert_eq!(same(1, going(b""), through("http")), "the proxy closed the connection without an answer");
    let socks = |answers: &'static [&'static [u8]]| {
        move |mut stream: TcpStream| {
            use std::io::Read;
            for answer in answers {
                let _ = stream.read(&mut [0; 300]);
                let _ = stream.write_all(answer);
            }
            drain(&mut stream);
        }
    };
    const ANSWERS: [(&[&[u8]], &str); 3] = [
        (&[b"\x05\xff"], "the proxy asks for a user name and a password, or for others"),
        (&[b"\x05\0", b"\x05\x05\0\x01\0\0\0\0\0\0"], "the proxy refuses: connection refused (5)"),
        (&[b"HTTP/1.1 400 Bad Request\r\n\r\n"], "the proxy's answer is not SOCKS version 5"),
    ];
    for (answers, told) in ANSWERS {
        assert_eq!(same(1, socks(answers), through("socks5")), told);
    }
}

#[test]
fn servers_that_are_not_there() {
    let nobody = port::reserved();
    let told = blocking(&config(nobody));
    assert!(told.starts_with("no connection could be made: "), "{told}");
    assert_eq!(in_a_loop(config(nobody)), told);

    let named = || ClientConfig::new("ws://name.example/").unwrap();
    let nothing = |_: &str, _: u16, reply: Reply| reply.send(Ok(Vec::new()));
    let failing =
        |_: &str, _: u16, reply: Reply| reply.send(Err(std::io::ErrorKind::PermissionDenied.into()));
    let dropping = |_: &str, _: u16, _: Reply| {};
    let kept = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let never = move |_: &str, _: u16, reply: Reply| kept.lock().unwrap().push(reply);
    for (config, told) in [
        (named().resolver(nothing), "the host's name has no address"),
        (named().resolver(failing), "the host's name could not be looked up: permission denied"),
        (named().resolver(dropping), "the host's name could not be looked up: the resolver gave no answer"),
        (
            named().resolver(never).connect_timeout(Duration::from_millis(60)),
            "looking the host's name up took too long",
        ),
        (
            ClientConfig::new("ws+unix:/nowhere/at/all").unwrap(),
            "no connection could be made: No such file or directory (os error 2)",
        ),
        (
            ClientConfig::new("wss://192.0.2.1/").unwrap(),
            "a wss:// URL needs TLS: set ClientConfig::tls, of feature \"tls\"",
        ),
        (
            named().proxies(ProxySettings::from_lookup(|name| {
                (name == "all_proxy").then(|| "ftp://u:secret@a".to_owned())
            })),
            "all_proxy: use a proxy such as http://host:3128, socks5://user:password@host or socks5h://host:1080",
        ),
    ] {
        assert_eq!(blocking(&config), told);
        assert_eq!(in_a_loop(config), told);
    }
}

#[cfg(feature = "tls")]
#[test]
fn servers_without_tls_and_with_another() {
    let tls = bowsprit::tls::TlsClient::builder().insecure().build().unwrap();
    let secure =
        |address: SocketAddr| ClientConfig::new(&format!("wss://{address}/")).unwrap().tls(tls.clone());
    let plain = |mut stream: TcpStream| {
        use std::io::Read;
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        drain(&mut stream);
    };
    let told = same(1, plain, secure);
    assert!(told.starts_with("TLS failed: "), "{told}");
    let silent = |mut stream: TcpStream| drop(drain(&mut stream));
    let soon = |address| secure(address).handshake_timeout(Duration::from_secs(1));
    assert_eq!(same(1, silent, soon), "TLS was not agreed on in time");
    let gone = |mut stream: TcpStream| {
        use std::io::Read;
        let _ = stream.read(&mut [0; 4096]);
    };
    let told = same(1, gone, secure);
    assert!(told.starts_with("the connection broke: "), "{told}");
}

/// No nonce, no request (RFC 6455 §4.1).
#[test]
fn a_source_of_entropy_that_is_empty() {
    struct Empty;
    impl Entropy for Empty {
        fn fill(&mut self, _: &mut [u8]) -> Result<(), EntropyError> {
            Err(EntropyError)
        }
    }
    let nothing_comes = |mut stream: TcpStream| assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap(), 0);
    let told = same(1, nothing_comes, |address| config(address).masks(|| Box::new(Empty)));
    assert_eq!(told, EntropyError.to_string());
}
