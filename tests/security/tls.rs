//! What TLS lets in and out.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bowsprit::blocking::{self, Error};
use bowsprit::client::{ClientConfig, ConnectError};
use bowsprit::event_loop::{ConnId, Context, EventLoop, Handler};
use bowsprit::message::Message;
use bowsprit::tls::rustls::{self, CertificateError, ClientConnection, RootCertStore, StreamOwned};
use bowsprit::tls::{TlsClient, TlsServer, tls_error};

use super::certificates::Authority;

struct Echo;

impl Handler for Echo {
    type Data = ();

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        cx.send(id, message);
    }
}

fn listen(authority: &Authority, name: &str) -> (EventLoop<()>, SocketAddr) {
    let identity = authority.issue(&[name]);
    let tls = TlsServer::builder().identity(vec![identity.certificate], identity.key).build().unwrap();
    let mut server = EventLoop::<()>::new().unwrap();
    let address = server.engine().listen_tls("127.0.0.1:0".parse().unwrap(), tls).unwrap();
    (server, address)
}

/// Turns the loop while `work` is done in another thread, and a little longer if `empties`.
fn turn_while<T: Send>(server: &mut EventLoop<()>, empties: bool, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let working = scope.spawn(work);
        let deadline = Instant::now() + Duration::from_secs(60);
        while !working.is_finished() || empties && !server.engine().is_empty() {
            assert!(Instant::now() < deadline, "it takes too long");
            server.turn(&mut Echo, Some(Duration::from_millis(5))).unwrap();
        }
        working.join().unwrap()
    })
}

fn connection(authority: &Authority, name: &str) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    ClientConnection::new(Arc::new(config), name.to_owned().try_into().unwrap()).unwrap()
}

fn secure(authority: &Authority, address: SocketAddr) -> StreamOwned<ClientConnection, TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    StreamOwned::new(connection(authority, "a.test"), stream)
}

/// An echo through TLS: the server is well.
fn is_well(server: &mut EventLoop<()>, authority: &Authority, address: SocketAddr) {
    let echo = turn_while(server, true, || {
        let mut stream = secure(authority, address);
        stream.write_all(&[super::with(""), b"\x81\x82\0\0\0\0hi".to_vec()].concat()).unwrap();
        let mut came = Vec::new();
        while !came.ends_with(b"hi") {
            let mut buf = [0; 1024];
            let len = stream.read(&mut buf).unwrap();
            assert!(len > 0);
            came.extend_from_slice(&buf[..len]);
        }
        came
    });
    assert!(echo.ends_with(b"\r\n\r\n\x81\x02hi"));
}

/// faye: CVE-2020-15133, CVE-2020-15134; Java-WebSocket: CVE-2020-11050.
#[test]
fn cve_2020_15133_a_certificate_for_another_name_is_refused_unasked() {
    let authority = Authority::new();
    let (mut server, address) = listen(&authority, "other.test");
    let url = format!("wss://localhost:{}/", address.port());
    let trusting = TlsClient::builder().ca(authority.certificate()).unwrap().build().unwrap();
    let config = ClientConfig::new(&url).unwrap().tls(trusting);
    let refused = turn_while(&mut server, false, || blocking::connect_with(&config)).map(drop).unwrap_err();
    let Error::Connect(ConnectError::Tls(error)) = &refused else { panic!("{refused:?}") };
    let error = tls_error(error).unwrap();
    assert!(
        matches!(
            error,
            rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
            )
        ),
        "{error:?}"
    );
}

/// Jetty: a TLS record that announces more than any may hold.
#[test]
fn cve_2021_28165_a_large_tls_record_costs_a_connection_and_no_time() {
    let authority = Authority::new();
    let (mut server, address) = listen(&authority, "a.test");
    for kind in [20, 21, 22, 23, 24, 255] {
        for length in [0, 1, 0x4000u16, 0x4001, 0x4800, 0x4801, 0xffff] {
            turn_while(&mut server, true, || {
                let mut stream = TcpStream::connect(address).unwrap();
                let [high, low] = length.to_be_bytes();
                let record = [&[kind, 3, 3, high, low][..], &vec![1; usize::from(length)]].concat();
                // It may have had enough before all is said.
                let _ = stream.write_all(&record);
                let _ = stream.shutdown(Shutdown::Both);
            });
        }
    }
    is_well(&mut server, &authority, address);
}

/// rustls: a ClientHello that is none, or is odd: what ours would say, with any byte changed, left out or cut off.
#[test]
fn rustsec_2024_0399_an_odd_client_hello_ends_its_own_connection_only() {
    let authority = Authority::new();
    let (mut server, address) = listen(&authority, "a.test");
    let mut hello = Vec::new();
    connection(&authority, "a.test").write_tls(&mut hello).unwrap();
    let mut random = super::Random::new(399);
    for round in 0..300 {
        let mut odd = hello.clone();
        match round % 3 {
            0 => odd.truncate(random.below(hello.len())),
            1 => drop(odd.remove(random.below(hello.len()))),
            _ => odd[random.below(hello.len())] ^= 1 << random.below(8),
        }
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(&odd).unwrap();
        drop(stream);
        server.turn(&mut Echo, Some(Duration::ZERO)).unwrap();
    }
    is_well(&mut server, &authority, address);
}

/// rustls: close_notify in the middle of it, with the TCP connection open or half open, is an end and no endless loop.
#[test]
fn rustsec_2024_0336_a_tls_peer_that_ends_half_way_is_gone() {
    let authority = Authority::new();
    let (mut server, address) = listen(&authority, "a.test");
    for half in [false, true] {
        for said in [&b""[..], b"GET / HT", &super::with(""), &[&super::with("")[..], b"\x81\xfe"].concat()] {
            turn_while(&mut server, true, || {
                let mut stream = secure(&authority, address);
                stream.write_all(said).unwrap();
                stream.conn.send_close_notify();
                while stream.conn.wants_write() {
                    stream.conn.write_tls(&mut stream.sock).unwrap();
                }
                if half {
                    stream.sock.shutdown(Shutdown::Write).unwrap();
                }
                // The server ends its direction too, of itself.
                let mut sink = Vec::new();
                let _ = stream.sock.read_to_end(&mut sink);
            });
        }
    }
    is_well(&mut server, &authority, address);
}
