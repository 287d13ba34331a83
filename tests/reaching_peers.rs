//! Our clients against servers and proxies of others: npm `ws`, Python `websockets`, tinyproxy, microsocks.
//!
//! `tests/peers/install` installs the first two, Debian packages the proxies. A test whose peer is missing says so and
//! passes, unless `BOWSPRIT_REQUIRE_PEERS` is set.
#![cfg(all(feature = "blocking", feature = "event-loop", unix))]

#[cfg(feature = "tls")]
#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/installed.rs"]
mod installed;
#[path = "support/port.rs"]
mod port;

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use bowsprit::blocking::{self, Error};
use bowsprit::client::{ClientConfig, ConnectError, Proxy, ProxyError, ProxySettings, ThreadResolver};
use bowsprit::close::{CloseCode, CloseReason};
use bowsprit::event_loop::{ClientEvent, ClientId, ConnId, Context, EventLoop, Handler};
use bowsprit::handshake::Agreement;
use bowsprit::message::Message;
use installed::skip;

/// A program that ends with the test.
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// An echo server of another library, and its URL.
fn echo_server(
    name: &str,
    program: &str,
    proof: &str,
    script: &str,
    args: &[&str],
) -> Option<(Peer, String)> {
    if !root().join(proof).exists() {
        skip(name, "run tests/peers/install");
        return None;
    }
    let mut command = Command::new(program);
    command.current_dir(root()).arg(root().join("tests/peers").join(script)).args(args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
    Some((Peer(child), url.trim().to_owned()))
}

fn npm_ws(args: &[&str]) -> Option<(Peer, String)> {
    echo_server("npm ws", "node", "target/peers/node/node_modules/ws", "ws_echo_server.js", args)
}

fn python_websockets(args: &[&str]) -> Option<(Peer, String)> {
    let python = "target/peers/venv/bin/python";
    echo_server("Python websockets", python, python, "websockets_echo_server.py", args)
}

/// A proxy of Debian's that listens on `port`.
fn proxy(name: &str, port: u16, args: &[&str]) -> Option<Peer> {
    let mut command = Command::new(name);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(child) = command.spawn() else {
        skip(name, &format!("apt-get install {name}"));
        return None;
    };
    let mut peer = Peer(child);
    let until = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(peer.0.try_wait().unwrap().is_none(), "{name} has ended");
        assert!(Instant::now() < until, "{name} does not listen");
        thread::sleep(Duration::from_millis(20));
    }
    Some(peer)
}

fn tinyproxy(port: u16, more: &str) -> Option<(Peer, PathBuf)> {
    let file = std::env::temp_dir().join(format!("bowsprit-tinyproxy-{port}.conf"));
    let config = format!("Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\n{more}\n");
    std::fs::write(&file, config).unwrap();
    proxy("tinyproxy", port, &["-d", "-c", file.to_str().unwrap()]).map(|peer| (peer, file))
}

fn comes_back(config: &ClientConfig) {
    let mut client = blocking::connect_with(config).unwrap();
    client.set_timeout(Some(Duration::from_secs(20)));
    client.send("grüße").unwrap();
    assert_eq!(client.read().unwrap(), Some(Message::Text("grüße")));
    let large: Vec<u8> = (0..1_000_000u32).map(|i| (i % 253) as u8).collect();
    client.send(&large[..]).unwrap();
    assert!(client.read().unwrap() == Some(Message::Binary(&large)));
    client.ping(b"how far?").unwrap();
    client.send("end").unwrap();
    assert_eq!(client.read().unwrap(), Some(Message::Text("end")));
    assert!(client.latency().last().is_some());
    let outcome = client.close(Some(CloseReason { code: CloseCode::NORMAL, reason: "bye" })).unwrap();
    assert!(outcome.is_clean() && outcome.code() == CloseCode::NORMAL, "{outcome:?}");
}

/// The same in a loop.
fn comes_back_in_a_loop(config: ClientConfig) {
    #[derive(Default)]
    struct Echo(Vec<String>);
    impl Handler for Echo {
        type Data = ();
        fn on_open(&mut self, cx: &mut Context<()>, id: ConnId, _: &Agreement) {
            cx.send_text(id, "hello");
        }
        fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
            assert_eq!(message, Message::Text("hello"));
            let client = cx.client_of(id).unwrap();
            cx.close_client(client, Some(CloseReason { code: CloseCode::NORMAL, reason: "" }));
        }
        fn on_client(&mut self, cx: &mut Context<()>, _: ClientId, event: &ClientEvent<'_>) {
            self.0.push(format!("{event:?}"));
            if let ClientEvent::End { .. } = event {
                cx.stop();
            }
        }
    }
    let mut event_loop = EventLoop::new().unwrap();
    event_loop.context().open(config).unwrap();
    let mut echo = Echo::default();
    event_loop.run(&mut echo).unwrap();
    assert!(echo.0.iter().any(|event| event == "State(Open)"), "{:?}", echo.0);
}

#[test]
fn npm_ws_and_python_websockets_serve() {
    for (_peer, url) in [npm_ws(&[]), python_websockets(&[])].into_iter().flatten() {
        let config = ClientConfig::new(&url).unwrap();
        comes_back(&config);
        comes_back_in_a_loop(config);
    }
}

#[test]
fn through_tinyproxy() {
    let port = port::reserved().port();
    let Some((_proxy, file)) = tinyproxy(port, "BasicAuth user secret") else { return };
    if let Some((_peer, url)) = npm_ws(&[]) {
        let config = |proxy: &str| {
            let proxies = ProxySettings::all(Proxy::parse(proxy).unwrap());
            ClientConfig::new(&url).unwrap().proxies(proxies)
        };
        let right = config(&format!("http://user:secret@127.0.0.1:{port}"));
        comes_back(&right);
        comes_back_in_a_loop(right);
        for wrong in ["http://", "http://user:wrong@"] {
            let error = blocking::connect_with(&config(&format!("{wrong}127.0.0.1:{port}"))).unwrap_err();
            assert!(
                matches!(
                    error,
                    Error::Connect(ConnectError::Proxy(ProxyError::Authentication | ProxyError::Status(401)))
                ),
                "{error:?}"
            );
        }
    }
    std::fs::remove_file(file).unwrap();
}

#[test]
fn through_microsocks() {
    let (open, closed) = (port::reserved().port(), port::reserved().port());
    let Some(_open) = proxy("microsocks", open, &["-i", "127.0.0.1", "-p", &open.to_string()]) else {
        return;
    };
    let args = ["-i", "127.0.0.1", "-p", &closed.to_string(), "-u", "user", "-P", "secret"];
    let Some(_closed) = proxy("microsocks", closed, &args) else { return };
    let Some((_peer, url)) = python_websockets(&[]) else { return };
    let named = url.replace("127.0.0.1", "localhost");
    for (url, proxy) in [
        (&url, format!("socks5://127.0.0.1:{open}")),
        (&named, format!("socks5h://127.0.0.1:{open}")),
        (&named, format!("socks5h://user:secret@127.0.0.1:{closed}")),
    ] {
        let proxies = ProxySettings::all(Proxy::parse(&proxy).unwrap());
        let config = ClientConfig::new(url).unwrap().resolver(ThreadResolver).proxies(proxies);
        comes_back(&config);
        comes_back_in_a_loop(config);
    }
    for wrong in ["socks5://", "socks5://user:wrong@"] {
        let proxies = ProxySettings::all(Proxy::parse(&format!("{wrong}127.0.0.1:{closed}")).unwrap());
        let error = blocking::connect_with(&ClientConfig::new(&url).unwrap().proxies(proxies)).unwrap_err();
        let refused = matches!(
            error,
            Error::Connect(ConnectError::Proxy(ProxyError::Authentication | ProxyError::Closed))
        );
        assert!(refused, "{error:?}");
    }
}

/// The TLS of others: OpenSSL, in Node and in Python.
#[cfg(feature = "tls")]
mod tls {
    use super::*;
    use crate::certificates::Authority;
    use bowsprit::tls::TlsClient;

    /// A certificate for 127.0.0.1 in two files, and who trusts it.
    fn identity(name: &str) -> (PathBuf, [String; 2], TlsClient) {
        let authority = Authority::new();
        let identity = authority.issue(&["127.0.0.1"]);
        let folder = std::env::temp_dir().join(format!("bowsprit-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let files = [("certificate.pem", identity.certificate_pem), ("key.pem", identity.key_pem)];
        let files = files.map(|(name, text)| {
            std::fs::write(folder.join(name), text).unwrap();
            folder.join(name).to_str().unwrap().to_owned()
        });
        let client = TlsClient::builder().ca(authority.certificate()).unwrap().build().unwrap();
        (folder, files, client)
    }

    #[test]
    fn npm_ws_and_python_websockets_serve_through_tls() {
        let (folder, [certificate, key], client) = identity("peers-tls");
        let args = ["--tls", &certificate, &key];
        for (_peer, url) in [npm_ws(&args), python_websockets(&args)].into_iter().flatten() {
            let config = ClientConfig::new(&url).unwrap();
            assert!(matches!(blocking::connect_with(&config), Err(Error::Connect(ConnectError::NoTls))));
            let config = config.tls(client.clone());
            comes_back(&config);
            comes_back_in_a_loop(config);
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// TLS-007: another handshake is not for us to make. OpenSSL ends the connection over that; nobody waits for ever.
    #[test]
    fn a_renegotiation_in_the_middle_of_a_message_is_declined() {
        let (folder, [certificate, key], client) = identity("peers-renegotiation");
        if let Some((_peer, url)) = npm_ws(&["--tls", &certificate, &key, "--renegotiate"]) {
            let config = ClientConfig::new(&url).unwrap().tls(client);
            let mut client = blocking::connect_with(&config).unwrap();
            client.set_timeout(Some(Duration::from_secs(20)));
            client.send("in two parts").unwrap();
            match client.read() {
                Ok(message) => assert_eq!(message, Some(Message::Text("in two parts"))),
                Err(error) => assert!(!matches!(error, Error::Timeout), "it stalls"),
            }
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
