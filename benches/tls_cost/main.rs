//! What TLS costs a server: full and resumed handshakes, records of several sizes, and memory of idle connections.
//!
//! `cargo bench --bench tls_cost`
//!
//! Both ends are in memory and on one thread; only the server's work is counted, the fastest of several rounds.

#[path = "../../tests/support/certificates.rs"]
mod certificates;
#[path = "../../tests/support/counting.rs"]
mod counting;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bowsprit::tls::rustls::client::Resumption;
use bowsprit::tls::rustls::{self, HandshakeKind};
use bowsprit::tls::{TlsClient, TlsServer, TlsStream};
use certificates::Authority;
use counting::COUNTS;

type Bytes = Rc<RefCell<VecDeque<u8>>>;

/// One end of a wire: the bytes it reads and the bytes it writes.
struct End(Bytes, Bytes);

impl Read for End {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.0.borrow_mut().read(buf)? {
            0 => Err(ErrorKind::WouldBlock.into()),
            len => Ok(len),
        }
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.borrow_mut().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Pair {
    client: TlsStream<End>,
    server: TlsStream<End>,
    /// The time that the server took for its handshake.
    took: Duration,
    /// Kept when the ends are dropped.
    _wires: [Bytes; 2],
}

type Failure = Box<dyn std::error::Error>;

impl Pair {
    fn open(client: &TlsClient, server: &TlsServer) -> Result<Self, Failure> {
        let (up, down) = (Bytes::default(), Bytes::default());
        let wires = [Rc::clone(&up), Rc::clone(&down)];
        let mut client =
            TlsStream::new(client.connection("localhost")?, End(Rc::clone(&down), Rc::clone(&up)));
        let start = Instant::now();
        let mut server = TlsStream::new(server.connection()?, End(up, down));
        let mut took = start.elapsed();
        client.flush()?;
        while client.is_handshaking() || server.is_handshaking() {
            let start = Instant::now();
            drain(&mut server)?;
            took += start.elapsed();
            drain(&mut client)?;
        }
        // The last flight of a client that resumes in TLS 1.2, or of a server that sends tickets.
        drain(&mut client)?;
        Ok(Self { client, server, took, _wires: wires })
    }
}

/// Reads until there is nothing more.
fn drain(stream: &mut TlsStream<End>) -> io::Result<usize> {
    let (mut all, mut buf) = (0, [0; 65_536]);
    loop {
        match stream.read(&mut buf) {
            Ok(len) => all += len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(all),
            Err(error) => return Err(error),
        }
    }
}

fn client(
    authority: &Authority,
    version: &'static rustls::SupportedProtocolVersion,
    resumption: Resumption,
) -> Result<TlsClient, Failure> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.certificate())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version])?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.resumption = resumption;
    Ok(TlsClient::from_config(Arc::new(config)))
}

fn main() -> Result<(), Failure> {
    let authority = Authority::new();
    let identity = authority.issue(&["localhost"]);
    let server = TlsServer::builder().identity(vec![identity.certificate], identity.key).build()?;

    println!("{:<24} {:>10} {:>14}", "handshake", "µs", "a second");
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        for (kind, resumption) in [
            (HandshakeKind::Full, Resumption::disabled()),
            (HandshakeKind::Resumed, Resumption::in_memory_sessions(64)),
        ] {
            let client = client(&authority, version, resumption)?;
            Pair::open(&client, &server)?;
            let mut fastest = Duration::MAX;
            for _ in 0..20 {
                let mut took = Duration::ZERO;
                for _ in 0..50 {
                    let pair = Pair::open(&client, &server)?;
                    assert_eq!(pair.server.tls().handshake_kind(), Some(kind));
                    took += pair.took;
                }
                fastest = fastest.min(took / 50);
            }
            let what = format!("{:?}, {kind:?}", version.version);
            println!(
                "{what:<24} {:>10.1} {:>14.0}",
                fastest.as_secs_f64() * 1e6,
                1.0 / fastest.as_secs_f64()
            );
        }
    }

    println!("\n{:<24} {:>10} {:>14}", "echo of", "µs", "MB/s");
    let trusting = client(&authority, &rustls::version::TLS13, Resumption::disabled())?;
    for (size, times) in [(16, 2000), (1024, 2000), (16_384, 200), (1 << 20, 10)] {
        let mut pair = Pair::open(&trusting, &server)?;
        let (message, mut buf) = (vec![7; size], vec![0; 1 << 20]);
        let mut fastest = Duration::MAX;
        for _ in 0..20 {
            let mut took = Duration::ZERO;
            for _ in 0..times {
                pair.client.write_all(&message)?;
                let start = Instant::now();
                let mut come = 0;
                while come < size {
                    come += pair.server.read(&mut buf[come..])?;
                }
                pair.server.write_all(&buf[..come])?;
                took += start.elapsed();
                assert_eq!(drain(&mut pair.client)?, size);
            }
            fastest = fastest.min(took / times);
        }
        println!(
            "{:<24} {:>10.2} {:>14.0}",
            format!("{size} bytes"),
            fastest.as_secs_f64() * 1e6,
            size as f64 / fastest.as_secs_f64() / 1e6
        );
    }

    println!("\n{:<24} {:>10} {:>14}", "idle, bytes", "server", "client");
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let client = client(&authority, version, Resumption::disabled())?;
        let mut pair = Pair::open(&client, &server)?;
        pair.client.write_all(&[7; 100_000])?;
        drain(&mut pair.server)?;
        pair.server.write_all(&[7; 100_000])?;
        drain(&mut pair.client)?;
        let itself = size_of::<TlsStream<End>>() as isize;
        let freed = |stream: TlsStream<End>| {
            let before = COUNTS.get().live;
            drop(stream);
            before - COUNTS.get().live + itself
        };
        let (server, client) = (freed(pair.server), freed(pair.client));
        println!("{:<24} {server:>10} {client:>14}", format!("{:?}", version.version));
    }
    Ok(())
}
