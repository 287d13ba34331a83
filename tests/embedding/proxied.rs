//! Proxies that say whom they speak for before anything else (the PROXY protocol).

use std::io::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bowsprit::event_loop::{Decision, Failed, Settings};
use bowsprit::handshake::{Acceptance, ForwardedField, ProxyError, TrustedProxies};

use super::support::{Client, Hooks, LONG, REQUEST, Server};

const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x02\xc0\0\x02\x09\xc3\x50\x01\xbb";

fn settings(trusted: &[&str]) -> Settings {
    let mut settings = Settings::default();
    let proxies = trusted
        .iter()
        .try_fold(TrustedProxies::new(ForwardedField::XForwardedFor), |all, one| all.allow(one));
    settings.trusted_proxies = Some(Arc::new(proxies.unwrap()));
    settings.proxy_protocol = true;
    settings
}

/// A server that tells of whom each request came, and of what failed.
fn start(settings: Settings) -> (Server, Receiver<Option<IpAddr>>, Receiver<String>) {
    let ((told, clients), (failures, failed)) = (channel(), channel());
    let server = Server::start(
        settings,
        Hooks {
            request: Some(Box::new(move |cx, id, request| {
                assert_eq!(request.client_addr(), cx.client_addr(id));
                let _ = told.send(request.client_addr());
                Decision::Accept(Acceptance::default())
            })),
            failed: Some(Box::new(move |_, _, failure| {
                let failure = match failure {
                    Failed::Proxy(error) => format!("{error:?}"),
                    other => format!("{other:?}"),
                };
                drop(failures.send(failure));
            })),
            ..Hooks::echo()
        },
    );
    (server, clients, failed)
}

fn with_field(value: &str) -> Vec<u8> {
    str::from_utf8(REQUEST)
        .unwrap()
        .replacen("Host:", &format!("X-Forwarded-For: {value}\r\nHost:"), 1)
        .into_bytes()
}

#[test]
fn a_trusted_proxy_names_its_client_in_front_of_the_request() {
    let (server, clients, _) = start(settings(&["127.0.0.1", "10.0.0.0/8"]));
    for (header, request, client) in [
        (&b"PROXY TCP4 192.0.2.1 192.0.2.9 50000 443\r\n"[..], REQUEST.to_vec(), "192.0.2.1"),
        (b"PROXY TCP6 2001:db8::1 ::1 50000 443\r\n", REQUEST.to_vec(), "2001:db8::1"),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 50000 443\r\n", REQUEST.to_vec(), "192.0.2.7"),
        (V2, REQUEST.to_vec(), "192.0.2.2"),
        // What the client writes itself does not count, whether the proxy knows it or not.
        (V2, with_field("198.51.100.1"), "192.0.2.2"),
        (b"PROXY UNKNOWN\r\n", with_field("198.51.100.1"), "127.0.0.1"),
        // The address in the header is a proxy's again, which writes the field.
        (b"PROXY TCP4 10.0.0.1 192.0.2.9 50000 443\r\n", with_field("192.0.2.3"), "192.0.2.3"),
    ] {
        let whole = [header, &request].concat();
        // In one piece; the header alone; the end of the header with the request.
        for cut in [0, header.len(), header.len() - 1, 3] {
            let mut peer = Client::tcp(server.address);
            peer.stream.write_all(&whole[..cut]).unwrap();
            server.ask(|_| ()); // a turn of its own
            peer.stream.write_all(&whole[cut..]).unwrap();
            assert!(peer.head().starts_with("HTTP/1.1 101 "), "{whole:?}");
            assert_eq!(clients.recv_timeout(LONG).unwrap(), Some(client.parse().unwrap()), "{whole:?}");
            peer.text("x");
            assert_eq!(peer.next_text(), "x");
        }
    }
    assert_eq!(server.ask(|cx| cx.stats().failed.sum()), 0);
}

#[test]
fn a_trusted_proxy_without_a_header_is_cut_off() {
    let (server, _, failed) = start(settings(&["127.0.0.1"]));
    for (bytes, failure) in [
        (REQUEST, ProxyError::Missing),
        (b"PROXY TCP4 192.0.2.1\r\n", ProxyError::Line),
        (
            &[b'\r', b'\n', b'\r', b'\n', 0, b'\r', b'\n', b'Q', b'U', b'I', b'T', b'\n', 0x31],
            ProxyError::Version,
        ),
    ] {
        let mut peer = Client::tcp(server.address);
        peer.stream.write_all(bytes).unwrap();
        assert_eq!(failed.recv_timeout(LONG).unwrap(), format!("{failure:?}"));
        assert!(peer.try_head().is_none());
    }
    assert_eq!(server.ask(|cx| cx.stats().failed.proxy), 3);
    // Or goes away in the middle.
    let mut peer = Client::tcp(server.address);
    peer.stream.write_all(b"PROXY TCP4").unwrap();
    drop(peer);
    assert_eq!(failed.recv_timeout(LONG).unwrap(), "Eof");
}

/// From all others it is what it looks like: no request.
#[test]
fn who_is_not_trusted_cannot_announce_anybody() {
    let (server, clients, failed) = start(settings(&["10.0.0.0/8"]));
    for header in [&b"PROXY TCP4 192.0.2.1 192.0.2.9 50000 443\r\n"[..], V2] {
        let mut peer = Client::tcp(server.address);
        peer.stream.write_all(&[header, REQUEST].concat()).unwrap();
        assert!(peer.head().starts_with("HTTP/1.1 400 "));
        assert!(failed.recv_timeout(LONG).unwrap().starts_with("Request("));
    }
    let mut peer = Client::tcp(server.address);
    peer.stream.write_all(REQUEST).unwrap();
    assert!(peer.head().starts_with("HTTP/1.1 101 "));
    assert_eq!(clients.recv_timeout(LONG).unwrap(), Some("127.0.0.1".parse().unwrap()));
}

#[test]
fn a_header_has_the_time_of_the_handshake() {
    let mut settings = settings(&["127.0.0.1"]);
    settings.handshake_timeout = Duration::from_millis(50);
    let (server, _, failed) = start(settings);
    let mut peer = Client::tcp(server.address);
    peer.stream.write_all(b"PROXY TCP4 ").unwrap();
    assert_eq!(failed.recv_timeout(LONG).unwrap(), "Timeout");
    assert!(peer.try_head().is_none());
}

#[test]
fn limits_hold_for_whom_the_header_names() {
    let mut settings = settings(&["127.0.0.1"]);
    settings.max_per_address = Some(2);
    let (server, _, _) = start(settings);
    let mut open = Vec::new();
    for client in ["192.0.2.1", "192.0.2.2"] {
        for status in ["101", "101", "429"] {
            let mut peer = Client::tcp(server.address);
            let header = format!("PROXY TCP4 {client} 192.0.2.9 50000 443\r\n");
            peer.stream.write_all(&[header.as_bytes(), REQUEST].concat()).unwrap();
            assert_eq!(&peer.head()[9..12], status);
            open.push(peer);
        }
    }
    // A place is free again once its connection is gone.
    drop(open.swap_remove(0));
    server.wait_until(|cx| cx.stats().open == 3);
    let mut peer = Client::tcp(server.address);
    peer.stream.write_all(&[V2, REQUEST].concat()).unwrap();
    assert_eq!(&peer.head()[9..12], "429");
    let mut peer = Client::tcp(server.address);
    let header = b"PROXY TCP4 192.0.2.1 192.0.2.9 50000 443\r\n";
    peer.stream.write_all(&[header, REQUEST].concat()).unwrap();
    assert_eq!(&peer.head()[9..12], "101");
}

/// The header comes in the clear, before TLS: in the same read as what TLS begins with, or before it.
#[cfg(feature = "tls")]
#[test]
fn tls_begins_behind_the_header() {
    use std::io::{self, Read, Write};
    use std::net::TcpStream;

    use bowsprit::tls::TlsStream;
    use bowsprit::tls::rustls::client::UnbufferedClientConnection;
    use bowsprit::tls::rustls::pki_types::ServerName;

    /// A socket whose first write carries the header in front.
    struct Announced(TcpStream, &'static [u8]);

    impl Read for Announced {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.0.read(buf)
        }
    }

    impl Write for Announced {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write_all(&[std::mem::take(&mut self.1), bytes].concat())?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let (authority, tls) = super::tls::Authority::with_server("proxied");
    let mut settings = settings(&["127.0.0.1"]);
    settings.max_per_address = Some(8);
    let (told, clients) = channel();
    let mut address = None;
    let hooks =
        Hooks { open: Some(Box::new(move |cx, id| _ = told.send(cx.client_addr(id)))), ..Hooks::echo() };
    let server = Server::start_with(settings, hooks, |event_loop| {
        address = Some(event_loop.engine().listen_tls("127.0.0.1:0".parse().unwrap(), tls).unwrap());
    });
    let mut open = Vec::new();
    for at in 0..9 {
        let mut socket = Client::tcp(address.unwrap()).stream;
        let name = ServerName::try_from("a.test").unwrap();
        let tls = UnbufferedClientConnection::new(Arc::new(authority.client(None)), name).unwrap();
        if at % 2 != 0 {
            socket.write_all(V2).unwrap();
        }
        let front = if at % 2 == 0 { V2 } else { &[] };
        let mut peer = Client::over(TlsStream::new(tls, Announced(socket, front)));
        peer.stream.handshake().unwrap();
        peer.write(REQUEST);
        let status = if at < 8 { "101" } else { "429" };
        assert_eq!(&peer.head()[9..12], status);
        if at < 8 {
            assert_eq!(clients.recv_timeout(LONG).unwrap(), Some("192.0.2.2".parse().unwrap()));
            peer.text("hello");
            assert_eq!(peer.next_text(), "hello");
            open.push(peer);
        }
    }
    // What follows the header and is no TLS ends the connection with an alert or without.
    let mut peer = Client::tcp(address.unwrap());
    peer.stream.write_all(&[V2, REQUEST].concat()).unwrap();
    let _ = peer.stream.read_to_end(&mut Vec::new());
    server.wait_until(|cx| cx.stats().failed.io == 1 && cx.stats().connections == 8);
}
