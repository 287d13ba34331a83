//! A TLS stream over bytes in memory: how they are cut on arrival does not matter, and they are sent in few writes.
#![cfg(feature = "tls")]

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/tickets.rs"]
mod tickets;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::rc::Rc;
use std::sync::Arc;

use bowsprit::tls::rustls::client::UnbufferedClientConnection;
use bowsprit::tls::rustls::server::UnbufferedServerConnection;
use bowsprit::tls::rustls::{
    self, ClientConfig, ProtocolVersion, RootCertStore, ServerConfig, SupportedProtocolVersion,
};
use bowsprit::tls::{TlsServer, TlsStream, tls_error};
use certificates::{Authority, server_config};
use tickets::{Tickets, open_keys};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

/// The bytes on their way from each side, and how many of them one call takes.
struct Wire {
    bytes: [VecDeque<u8>; 2],
    step: usize,
    /// Bytes that are still taken before a write would block.
    room: usize,
    /// Calls of each side that have written or read something.
    writes: [usize; 2],
    reads: [usize; 2],
    ended: bool,
    /// Whether a signal interrupts every other call, and whether the next one is such.
    signals: bool,
    signal: bool,
}

impl Wire {
    fn new(step: usize) -> Self {
        Self {
            bytes: Default::default(),
            step,
            room: usize::MAX,
            writes: [0; 2],
            reads: [0; 2],
            ended: false,
            signals: false,
            signal: false,
        }
    }

    fn signal(&mut self) -> io::Result<()> {
        self.signal = self.signals && !self.signal;
        if self.signal { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    }
}

struct End(Rc<RefCell<Wire>>, usize);

impl Read for End {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let wire = &mut *self.0.borrow_mut();
        wire.signal()?;
        let len = buf.len().min(wire.step);
        match wire.bytes[1 - self.1].read(&mut buf[..len])? {
            0 if !wire.ended => Err(io::ErrorKind::WouldBlock.into()),
            len => {
                wire.reads[self.1] += usize::from(len > 0);
                Ok(len)
            }
        }
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let wire = &mut *self.0.borrow_mut();
        wire.signal()?;
        let len = bytes.len().min(wire.step).min(wire.room);
        if len == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        wire.room -= len;
        wire.bytes[self.1].extend(&bytes[..len]);
        wire.writes[self.1] += 1;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.borrow_mut().signal()
    }
}

/// One whose times have always passed.
#[cfg(feature = "blocking")]
impl bowsprit::blocking::Socket for End {
    fn set_read_timeout(&mut self, _: Option<std::time::Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&mut self, _: Option<std::time::Duration>) -> io::Result<()> {
        Ok(())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.borrow_mut().ended = true;
        Ok(())
    }
}

type Stream = TlsStream<End>;

fn configs(version: &'static SupportedProtocolVersion) -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let authority = Authority::new();
    let server = server_config(&authority.issue(&["localhost"]), None);
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    (Arc::new(client.with_root_certificates(roots).with_no_client_auth()), server)
}

/// Returns both ends. Nothing is sent yet.
fn ends(version: &'static SupportedProtocolVersion, step: usize) -> (Rc<RefCell<Wire>>, Stream, Stream) {
    let (client, server) = configs(version);
    let wire = Rc::new(RefCell::new(Wire::new(step)));
    let end = |side| End(Rc::clone(&wire), side);
    let client = UnbufferedClientConnection::new(client, "localhost".try_into().unwrap()).unwrap();
    let client = TlsStream::new(client, end(0));
    let server = TlsStream::new(UnbufferedServerConnection::new(server).unwrap(), end(1));
    (wire, client, server)
}

/// Reads what is there, in reads of this size, until nothing is left or the end has come.
fn drain(stream: &mut Stream, size: usize) -> (Vec<u8>, io::Result<usize>) {
    let (mut all, mut buf) = (Vec::new(), vec![0; size]);
    loop {
        match stream.read(&mut buf) {
            Ok(len) if len > 0 => all.extend_from_slice(&buf[..len]),
            end => return (all, end),
        }
    }
}

fn opened(version: &'static SupportedProtocolVersion) -> (Rc<RefCell<Wire>>, Stream, Stream) {
    let (wire, mut client, mut server) = ends(version, usize::MAX);
    client.flush().unwrap();
    for _ in 0..3 {
        let _ = drain(&mut server, 1000);
        let _ = drain(&mut client, 1000);
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    (wire, client, server)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

#[test]
fn a_signal_is_no_reason_to_give_up() {
    for version in VERSIONS {
        let (wire, mut client, mut server) = ends(version, 1000);
        wire.borrow_mut().signals = true;
        client.flush().unwrap();
        for _ in 0..3 {
            let _ = drain(&mut server, 1000);
            let _ = drain(&mut client, 1000);
        }
        let sent = pattern(20_000);
        assert_eq!(server.write(&sent).unwrap(), sent.len());
        server.flush().unwrap();
        server.close_notify().unwrap();
        let (came, end) = drain(&mut client, 1000);
        assert!(came == sent && end.unwrap() == 0, "{version:?}");
    }
}

/// In whatever pieces the socket gives and takes: what was written before the TLS handshake, what is written after it,
/// and the end.
#[test]
fn no_cut_matters() {
    for version in VERSIONS {
        for (step, size) in
            [(1, 1), (1, 70_000), (7, 1000), (1000, 16_384), (usize::MAX, 5), (usize::MAX, 70_000)]
        {
            let what = format!("{version:?}, {step} at a time, reads of {size}");
            let (_wire, mut client, mut server) = ends(version, step);
            let early = pattern(40_000);
            assert_eq!(client.write(&early[..20_000]).unwrap(), 20_000);
            assert_eq!(client.write(&early[20_000..]).unwrap(), 20_000);
            let mut heard = Vec::new();
            for _ in 0..3 {
                heard.extend(drain(&mut server, size).0);
                let _ = drain(&mut client, size);
            }
            assert!(heard == early, "{what}");
            assert_eq!(client.tls().protocol_version(), server.tls().protocol_version());
            for len in [1, 16_383, 16_384, 16_385, 100_000] {
                let sent = pattern(len);
                server.write_all(&sent).unwrap();
                assert!(drain(&mut client, size).0 == sent, "{what}, {len} bytes");
            }
            server.write_all(b"last").unwrap();
            server.close_notify().unwrap();
            let (last, end) = drain(&mut client, size);
            assert_eq!((&last[..], end.unwrap()), (&b"last"[..], 0), "{what}");
            client.write_all(b"heard").unwrap();
            client.close_notify().unwrap();
            assert_eq!(drain(&mut server, size).0, b"heard", "{what}");
            assert!(server.buffered() == 0, "{what}: {}", server.buffered());
        }
    }
}

/// What a read makes ready to be sent goes out with it, as no event may come before the next one: here what was written
/// before the handshake was done, by its last flight, which the client's first words follow in the same read.
#[test]
fn a_read_sends_what_it_has_made_ready() {
    let (_wire, mut client, mut server) = ends(&rustls::version::TLS13, usize::MAX);
    client.write_all(b"request").unwrap();
    server.write_all(b"answer").unwrap();
    server.close_notify().unwrap();
    let mut buf = [0; 100];
    assert!(server.read(&mut buf).is_err(), "a ClientHello alone");
    let _ = drain(&mut client, 100);
    assert_eq!(server.read(&mut buf).unwrap(), 7);
    assert_eq!(&buf[..7], b"request");
    let (answer, end) = drain(&mut client, 100);
    assert_eq!((&answer[..], end.unwrap()), (&b"answer"[..], 0));
}

/// A header and its payload share a record, and several records share a write, however they are cut.
#[test]
fn several_records_go_out_in_one_write() {
    for version in VERSIONS {
        let (wire, mut client, mut server) = opened(version);
        let payload = pattern(1 << 20);
        let all = [&[1; 10][..], &payload, &[2; 3]].concat();
        let slices = [
            &all[..10],
            &all[10..30_000],
            &all[30_000..30_001],
            &all[30_001..all.len() - 3],
            &all[all.len() - 3..],
        ];
        let slices = slices.map(IoSlice::new);
        wire.borrow_mut().writes[1] = 0;
        assert_eq!(server.write_vectored(&slices).unwrap(), all.len());
        let writes = wire.borrow().writes[1];
        assert!(writes <= 13, "{version:?}: {writes} writes");
        let on_wire = wire.borrow().bytes[1].len();
        assert!(on_wire < all.len() + 70 * 30, "{version:?}: {} bytes about records", on_wire - all.len());
        assert!(drain(&mut client, 300_000).0 == all);
        wire.borrow_mut().writes[1] = 0;
        for len in [0, 1, 16_384, 65_536] {
            assert_eq!(server.write_vectored(&[IoSlice::new(&payload[..len])]).unwrap(), len);
        }
        assert_eq!(wire.borrow().writes[1], 3);
        assert_eq!(drain(&mut client, 300_000).0.len(), 1 + 16_384 + 65_536);
        // Nor does a header more than a power of two make two of one.
        for (payloads, len) in [(4, 16_384), (1, 65_536)] {
            let message = [IoSlice::new(&[3; 10]), IoSlice::new(&payload[..len])];
            let slices = message.repeat(payloads);
            *wire.borrow_mut() = Wire::new(usize::MAX);
            assert_eq!(server.write_vectored(&slices).unwrap(), payloads * (10 + len));
            assert_eq!(drain(&mut client, 300_000).0.len(), payloads * (10 + len));
            assert_eq!((wire.borrow().writes[1], wire.borrow().reads[0]), (1, 1), "{version:?}, {len}");
        }
    }
}

/// Nor before the handshake, which a `close_notify` waits for. It is told, and another call finishes what was begun.
#[cfg(feature = "blocking")]
#[test]
fn tcp_does_not_end_inside_a_record() {
    use bowsprit::blocking::Socket;

    for version in VERSIONS {
        let (wire, mut client, mut server) = opened(version);
        let sent = pattern(40_000);
        wire.borrow_mut().room = 20_000;
        assert_eq!(server.write(&sent).unwrap(), sent.len());
        for room in [0, 10_000] {
            wire.borrow_mut().room = room;
            let error = Socket::shutdown_write(&mut server).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert!(!wire.borrow().ended, "{version:?}");
        }
        wire.borrow_mut().room = usize::MAX;
        Socket::shutdown_write(&mut server).unwrap();
        assert!(wire.borrow().ended);
        let (heard, end) = drain(&mut client, 1000);
        assert!(heard == sent && end.unwrap() == 0, "{version:?}: {}", heard.len());

        let (wire, mut client, _) = ends(version, usize::MAX);
        client.write_all(b"early").unwrap();
        assert!(Socket::shutdown_write(&mut client).is_err());
        assert!(!wire.borrow().ended, "{version:?}");
    }
}

/// The cipher suite is the client's first one that both support: a client without AES in hardware gets ChaCha20.
#[test]
fn the_client_chooses_the_cipher_suite() {
    let authority = Authority::new();
    let identity = authority.issue(&["localhost"]);
    let server = TlsServer::builder().identity(vec![identity.certificate], identity.key).build().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate()).unwrap();
    for version in VERSIONS {
        let mut provider = rustls::crypto::ring::default_provider();
        provider.cipher_suites.retain(|suite| suite.version().version == version.version);
        for _ in 0..provider.cipher_suites.len() {
            provider.cipher_suites.rotate_left(1);
            let first =
                provider.cipher_suites.iter().find(|suite| !format!("{:?}", suite.suite()).contains("_RSA_"));
            let builder = ClientConfig::builder_with_provider(Arc::new(provider.clone()));
            let builder = builder.with_protocol_versions(&[version]).unwrap();
            let config = Arc::new(builder.with_root_certificates(roots.clone()).with_no_client_auth());
            let wire = Rc::new(RefCell::new(Wire::new(usize::MAX)));
            let client = UnbufferedClientConnection::new(config, "localhost".try_into().unwrap()).unwrap();
            let mut client = TlsStream::new(client, End(Rc::clone(&wire), 0));
            let mut server = TlsStream::new(server.connection().unwrap(), End(wire, 1));
            client.flush().unwrap();
            let _ = drain(&mut server, 100);
            let _ = drain(&mut client, 100);
            assert_eq!(server.tls().negotiated_cipher_suite(), first.copied());
        }
    }
}

/// An error is reported once everything before it has been read, and from then on always. The peer gets an alert.
#[test]
fn faults_and_ends_are_told_in_their_place_and_stay() {
    for version in VERSIONS {
        let (wire, mut client, mut server) = opened(version);
        client.write_all(b"good").unwrap();
        client.write_all(b"bad").unwrap();
        *wire.borrow_mut().bytes[0].back_mut().unwrap() ^= 1;
        let (good, fault) = drain(&mut server, 100);
        assert_eq!(good, b"good");
        assert_eq!(tls_error(&fault.unwrap_err()), Some(&rustls::Error::DecryptError));
        assert_eq!(tls_error(&server.read(&mut [0]).unwrap_err()), Some(&rustls::Error::DecryptError));
        assert!(server.write(b"no more").is_err());
        let told = drain(&mut client, 100).1.unwrap_err();
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::BadRecordMac);
        assert_eq!(tls_error(&told), Some(&alert));

        let (wire, mut client, mut server) = opened(version);
        client.write_all(b"cut").unwrap();
        wire.borrow_mut().ended = true;
        let (cut, end) = drain(&mut server, 100);
        assert_eq!((&cut[..], end.unwrap_err().kind()), (&b"cut"[..], io::ErrorKind::UnexpectedEof));
        assert_eq!(server.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
    let (wire, mut client, _server) = ends(VERSIONS[0], usize::MAX);
    wire.borrow_mut().ended = true;
    assert_eq!(client.handshake().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

/// A ClientHello that never ends is kept up to a bound.
#[test]
fn a_handshake_message_without_end_is_refused() {
    let (wire, _client, mut server) = ends(VERSIONS[0], usize::MAX);
    let mut record = vec![22, 3, 1, 0x3e, 0x80];
    record.resize(5 + 16_000, 0);
    record[5..9].copy_from_slice(&[1, 0, 0xff, 0xf0]);
    for number in 0.. {
        wire.borrow_mut().bytes[0].extend(&record);
        record[5..9].fill(0);
        let end = drain(&mut server, 100).1.unwrap_err();
        assert!(server.buffered() <= 64 * 1024, "{}", server.buffered());
        if end.kind() != io::ErrorKind::WouldBlock {
            assert!(number >= 3 && tls_error(&end).is_some(), "{number}: {end}");
            break;
        }
    }
}

/// The answer to a request for a key update is sent with what is written next.
#[test]
fn new_keys_are_answered() {
    let (client, server) = configs(VERSIONS[0]);
    let mut peer = rustls::ClientConnection::new(client, "localhost".try_into().unwrap()).unwrap();
    let wire = Wire::new(usize::MAX);
    let wire = Rc::new(RefCell::new(wire));
    let server = UnbufferedServerConnection::new(server).unwrap();
    let mut server = TlsStream::new(server, End(Rc::clone(&wire), 1));
    let mut peers = End(Rc::clone(&wire), 0);
    while peer.is_handshaking() {
        while peer.wants_write() {
            peer.write_tls(&mut peers).unwrap();
        }
        let _ = drain(&mut server, 100);
        let _ = peer.read_tls(&mut peers);
        peer.process_new_packets().unwrap();
    }
    assert_eq!(peer.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    for round in 0..3 {
        peer.refresh_traffic_keys().unwrap();
        peer.writer().write_all(b"renewed").unwrap();
        while peer.wants_write() {
            peer.write_tls(&mut peers).unwrap();
        }
        assert_eq!(drain(&mut server, 100).0, b"renewed", "{round}");
        server.write_all(b"yes").unwrap();
        while peer.read_tls(&mut peers).is_ok() {
            peer.process_new_packets().unwrap();
        }
        let mut heard = [0; 3];
        peer.reader().read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"yes");
    }
}

/// Nothing follows a close_notify, and nothing is kept for a handshake that has failed.
#[test]
fn what_nobody_will_read_is_not_taken() {
    for version in VERSIONS {
        let (_wire, mut client, mut server) = opened(version);
        server.write_all(b"last").unwrap();
        server.close_notify().unwrap();
        assert_eq!(server.write(b"more").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        let (last, end) = drain(&mut client, 100);
        assert_eq!((&last[..], end.unwrap()), (&b"last"[..], 0));
        client.write_all(b"heard").unwrap();
        assert_eq!(drain(&mut server, 100).0, b"heard");

        let (wire, mut client, mut server) = ends(version, usize::MAX);
        client.write_all(b"early").unwrap();
        client.close_notify().unwrap();
        assert_eq!(client.write(b"late").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        for _ in 0..3 {
            let (heard, end) = drain(&mut server, 100);
            if !heard.is_empty() {
                assert_eq!((&heard[..], end.unwrap()), (&b"early"[..], 0));
            }
            let _ = drain(&mut client, 100);
        }
        assert!(server.read(&mut [0]).is_ok_and(|len| len == 0));

        drop((client, server, wire));
        let (wire, mut client, _server) = ends(version, usize::MAX);
        client.write_all(b"early").unwrap();
        wire.borrow_mut().bytes[1].extend(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        assert!(client.read(&mut [0]).is_err());
        assert!(tls_error(&client.write(b"more").unwrap_err()).is_some());
        let (wire, mut client, _server) = ends(version, usize::MAX);
        wire.borrow_mut().ended = true;
        assert!(client.read(&mut [0]).is_err());
        assert_eq!(client.write(b"more").unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}

/// A client as it is used, and what comes to it behind the TLS handshake with a peer whose keys are known.
fn opened_to_tickets() -> (Rc<RefCell<Wire>>, Stream, Tickets) {
    let (client, server) = configs(VERSIONS[0]);
    let mut peer = rustls::ServerConnection::new(open_keys(&server)).unwrap();
    let wire = Wire::new(usize::MAX);
    let wire = Rc::new(RefCell::new(wire));
    let client = UnbufferedClientConnection::new(client, "localhost".try_into().unwrap()).unwrap();
    let mut client = TlsStream::new(client, End(Rc::clone(&wire), 0));
    let mut peers = End(Rc::clone(&wire), 1);
    while peer.is_handshaking() {
        let _ = drain(&mut client, 100);
        let _ = peer.read_tls(&mut peers);
        peer.process_new_packets().unwrap();
        while peer.wants_write() {
            peer.write_tls(&mut peers).unwrap();
        }
    }
    let _ = drain(&mut client, 100);
    (wire, client, Tickets::after(peer))
}

/// A peer that sends nothing but TLS messages cannot keep the caller in one call, or take up memory.
#[test]
fn a_flood_without_plaintext_gives_the_caller_back() {
    let (wire, mut client, mut tickets) = opened_to_tickets();
    let flood = tickets.records(10_000);
    wire.borrow_mut().bytes[1].extend(&flood);
    wire.borrow_mut().bytes[1].extend(tickets.record(rustls::ContentType::ApplicationData, b"at last"));
    let (mut buf, mut calls) = ([0; 1000], 0);
    let len = loop {
        let before = wire.borrow().bytes[1].len();
        match client.read(&mut buf) {
            Ok(len) => break len,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::Interrupted);
                let taken = before - wire.borrow().bytes[1].len();
                assert!((64 * 1024..128 * 1024).contains(&taken), "{taken}");
                assert!(client.buffered() < 20 * 1024, "{}", client.buffered());
                calls += 1;
            }
        }
    };
    assert_eq!(&buf[..len], b"at last");
    assert!((3..=flood.len() / 65_536).contains(&calls), "{calls}");
}

/// Empty records soon end the connection (32 of them), and so do requests for key updates.
#[test]
fn empty_records_are_refused() {
    let (wire, mut client, mut tickets) = opened_to_tickets();
    for _ in 0..33 {
        wire.borrow_mut().bytes[1].extend(tickets.record(rustls::ContentType::ApplicationData, b""));
    }
    let fault = client.read(&mut [0]).unwrap_err();
    let expected = rustls::Error::PeerMisbehaved(rustls::PeerMisbehaved::TooManyEmptyFragments);
    assert_eq!(tls_error(&fault), Some(&expected));
    assert_eq!(client.buffered(), client_certificates(&client));
}

fn client_certificates(client: &Stream) -> usize {
    let chain = client.tls().peer_certificates().unwrap();
    chain.iter().map(|certificate| size_of_val(certificate) + certificate.len()).sum()
}

/// Early data may have been sent twice: a server does not accept it, whatever its configuration says, and where one was
/// told to all the same, no connection goes on behind what it does not give.
#[test]
fn early_data_is_not_taken() {
    let (client, server) = configs(VERSIONS[0]);
    let mut client = (*client).clone();
    client.enable_early_data = true;
    let client = Arc::new(client);
    let mut server = (*server).clone();
    server.max_early_data_size = 1000;
    let server = Arc::new(server);
    let safe = TlsServer::from_config(Arc::clone(&server));
    let raw = || UnbufferedServerConnection::new(Arc::clone(&server)).unwrap();
    let shown: [&dyn Fn() -> UnbufferedServerConnection; 2] = [&|| safe.connection().unwrap(), &raw];
    for (is_raw, connection) in shown.into_iter().enumerate() {
        for resumes in [false, true] {
            let name = "localhost".try_into().unwrap();
            let mut peer = rustls::ClientConnection::new(Arc::clone(&client), name).unwrap();
            let wire = Rc::new(RefCell::new(Wire::new(usize::MAX)));
            let mut server = TlsStream::new(connection(), End(Rc::clone(&wire), 1));
            let mut peers = End(Rc::clone(&wire), 0);
            let offers = is_raw == 1 && resumes;
            assert_eq!(peer.early_data().is_some(), offers);
            if let Some(mut early) = peer.early_data() {
                early.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            }
            let mut fault = None;
            for _ in 0..4 {
                while peer.wants_write() {
                    peer.write_tls(&mut peers).unwrap();
                }
                let (heard, end) = drain(&mut server, 100);
                assert!(heard.is_empty());
                fault = end.err().filter(|error| error.kind() != io::ErrorKind::WouldBlock);
                let _ = peer.read_tls(&mut peers);
                let _ = peer.process_new_packets();
            }
            assert_eq!(fault.is_some(), offers, "{fault:?}");
        }
    }
}
