//! TLS clients, blocking and in a loop, against servers with certificates made for the test.
#![cfg(all(feature = "tls", feature = "blocking", feature = "event-loop"))]

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/server.rs"]
mod server;
#[path = "support/tickets.rs"]
mod tickets;

use std::io::{Read, Write};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use bowsprit::blocking::{self, Error};
use bowsprit::client::{ClientConfig, ConnectError, Loss, Proxy, ProxySettings, Stop};
use bowsprit::connection::Outcome;
use bowsprit::event_loop::{Cause, ClientEvent, ClientId, ConnId, Context, Ended, EventLoop, Handler};
use bowsprit::handshake::Agreement;
use bowsprit::message::Message;
use bowsprit::tls::{TlsClient, TlsServer, Trust, rustls, tls_error};
use certificates::{Authority, accept_tls, server_config};
use server::{accept, drain, open, read_head, serve};
use tickets::{Tickets, open_keys};

fn client(port: u16, tls: TlsClient) -> ClientConfig {
    ClientConfig::new(&format!("wss://localhost:{port}/")).unwrap().tls(tls)
}

fn trusting(authority: &Authority) -> TlsClient {
    TlsClient::builder().ca(authority.certificate()).unwrap().build().unwrap()
}

/// Returns the TLS error of a failed connection.
fn fault(error: Error) -> rustls::Error {
    match &error {
        Error::Connect(ConnectError::Tls(io)) => {
            assert!(error.loss().is_fatal());
            tls_error(io).unwrap().clone()
        }
        error => panic!("{error:?}"),
    }
}

#[test]
fn blocking_through_tls_whole_and_split() {
    let authority = Authority::new();
    let config = server_config(&authority.issue(&["localhost"]), None);
    let (address, server) = serve(2, move |stream| {
        let mut stream = accept_tls(&config, stream);
        open(&mut stream, b"\x81\x05Hello");
        let name = stream.conn.server_name().map(ToOwned::to_owned);
        let alpn = stream.conn.alpn_protocol().map(<[u8]>::to_vec);
        let mut frame = [0; 6 + 2];
        stream.read_exact(&mut frame).unwrap();
        stream.write_all(&[&[0x82, 127, 0, 0, 0, 0, 0, 0x10, 0, 0][..], &[7; 1 << 20]].concat()).unwrap();
        stream.write_all(b"\x88\x02\x03\xe8").unwrap();
        let mut close = [0; 6 + 2];
        stream.read_exact(&mut close).unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
        (name, alpn)
    });
    let config = client(address.port(), trusting(&authority));

    let mut whole = blocking::connect_with(&config).unwrap();
    assert_eq!(whole.socket().tls().unwrap().protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    assert_eq!(whole.read().unwrap(), Some(Message::Text("Hello")));
    whole.send("hi").unwrap();
    assert!(whole.read().unwrap() == Some(Message::Binary(&[7; 1 << 20])));
    assert!(whole.read().unwrap().is_none() && whole.outcome().is_clean());

    let (mut reader, writer) = blocking::connect_with(&config).unwrap().split().unwrap();
    let reading = thread::spawn(move || {
        assert_eq!(reader.read().unwrap(), Some(Message::Text("Hello")));
        assert!(reader.read().unwrap() == Some(Message::Binary(&[7; 1 << 20])));
        assert!(reader.read().unwrap().is_none() && reader.outcome().is_clean());
    });
    writer.send("hi").unwrap();
    reading.join().unwrap();
    for (name, alpn) in server.join().unwrap() {
        // TLS-001; ALPN is not answered by a server that knows none.
        assert_eq!((name.as_deref(), alpn), (Some("localhost"), None));
    }
}

/// TLS-002: another name, an expired certificate and an unknown issuer are refused, with the reason. There are explicit
/// ways to continue.
#[test]
fn certificates_that_are_not_to_be_trusted() {
    use rustls::CertificateError as Fault;
    let (authority, stranger) = (Authority::new(), Authority::new());
    let other_name = authority.issue(&["example.com"]);
    let expired = authority.issue_with(&["localhost"], |params| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    });
    let unknown = stranger.issue(&["localhost"]);
    let identities = [&other_name, &expired, &unknown].map(|identity| server_config(identity, None));
    let configs = identities.clone();
    let mut number = 0;
    let (address, server) = serve(9, move |stream| {
        let mut stream = accept_tls(&configs[number % 3], stream);
        number += 1;
        // It fails where the client refuses.
        if stream.conn.complete_io(&mut stream.sock).is_ok() {
            open(&mut stream, b"\x81\x02ok");
            drain(&mut stream);
        }
    });
    let port = address.port();
    for expected in 0..3 {
        let found = fault(blocking::connect_with(&client(port, trusting(&authority))).unwrap_err());
        let rustls::Error::InvalidCertificate(found) = found else { panic!("{found:?}") };
        let fits = match expected {
            0 => matches!(found, Fault::NotValidForName | Fault::NotValidForNameContext { .. }),
            1 => matches!(found, Fault::Expired | Fault::ExpiredContext { .. }),
            _ => matches!(found, Fault::UnknownIssuer),
        };
        assert!(fits, "{expected}: {found:?}");
    }
    // Somebody is asked, and sees what is wrong with what.
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let asked = TlsClient::builder().ca(authority.certificate()).unwrap().on_fault(move |fault| {
        log.lock().unwrap().push(fault.error.to_string());
        assert_eq!(fault.server.to_str(), "localhost");
        assert!(!fault.certificate.is_empty());
        Trust::Accept
    });
    let asked = asked.build().unwrap();
    for _ in 0..3 {
        let mut client = blocking::connect_with(&client(port, asked.clone())).unwrap();
        assert_eq!(client.read().unwrap(), Some(Message::Text("ok")));
    }
    assert_eq!(seen.lock().unwrap().len(), 3);
    let insecure = TlsClient::builder().insecure().build().unwrap();
    for _ in 0..3 {
        assert!(blocking::connect_with(&client(port, insecure.clone())).is_ok());
    }
    server.join().unwrap();
    assert!(TlsClient::builder().build().is_err(), "nobody is trusted");
    assert!(TlsClient::bundled_roots().is_ok());
}

#[test]
fn client_certificates_from_files_and_an_address_as_name() {
    let authority = Authority::new();
    let config = server_config(&authority.issue(&["127.0.0.1"]), Some(&authority));
    let (address, server) = serve(2, move |stream| {
        let mut stream = accept_tls(&config, stream);
        if stream.conn.complete_io(&mut stream.sock).is_err() {
            return (None, false);
        }
        open(&mut stream, b"");
        let shown = stream.conn.peer_certificates().map(<[_]>::len);
        (shown, stream.conn.server_name().is_some())
    });
    let me = authority.issue(&["me"]);
    let folder = std::env::temp_dir().join(format!("bowsprit-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let ca = file("ca.pem", &authority.pem());
    let (chain, key) = (file("me.pem", &me.certificate_pem), file("me.key", &me.key_pem));
    let url = format!("wss://{address}/");
    let builder = || TlsClient::builder().ca_file(&ca).unwrap();
    let with = builder().client_certificate(&chain, &key).unwrap().build().unwrap();
    blocking::connect_with(&ClientConfig::new(&url).unwrap().tls(with)).unwrap();
    // In TLS 1.3 the server's refusal comes after the client believes the handshake done (TLS-008).
    let without = ClientConfig::new(&url).unwrap().tls(builder().build().unwrap());
    assert!(blocking::connect_with(&without).is_err());
    assert!(TlsClient::builder().ca_file(&key).is_err(), "no certificate in it");
    assert!(TlsClient::builder().ca_file(folder.join("absent")).is_err());
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(server.join().unwrap(), [(Some(1), false), (None, false)]);
}

/// TLS-004, TLS-005: a cut connection is not a close_notify, and neither is a Close frame.
#[test]
fn truncation_and_close_notify_are_told_apart() {
    let authority = Authority::new();
    let config = server_config(&authority.issue(&["localhost"]), None);
    let mut number = 0;
    let (address, server) = serve(2, move |stream| {
        let mut stream = accept_tls(&config, stream);
        open(&mut stream, b"\x81\x05Hel");
        if number == 1 {
            stream.conn.send_close_notify();
            stream.flush().unwrap();
        }
        number += 1;
    });
    let config = client(address.port(), trusting(&authority));
    let mut cut = blocking::connect_with(&config).unwrap();
    let error = cut.read().unwrap_err();
    let Error::Io(error) = &error else { panic!("{error:?}") };
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    let mut ended = blocking::connect_with(&config).unwrap();
    assert!(matches!(ended.read(), Err(Error::Eof)));
    assert_eq!(ended.outcome().code().0, 1006);
    server.join().unwrap();
}

/// TLS-003: a server picks a protocol that was not offered, in a TLS 1.2 ServerHello, which needs no key.
#[test]
fn a_server_that_picks_a_protocol_that_was_not_offered() {
    let (address, server) = serve(1, |mut stream| {
        let mut record = [0; 5];
        stream.read_exact(&mut record).unwrap();
        let mut hello = vec![0; usize::from(u16::from_be_bytes([record[3], record[4]]))];
        stream.read_exact(&mut hello).unwrap();
        assert!(hello.windows(8).any(|bytes| bytes == b"http/1.1"), "offered");
        assert!(!hello.windows(3).any(|bytes| bytes == b"\x02h2"), "not offered");
        let mut body = [&[3, 3][..], &[7; 32], &[0, 0xc0, 0x2b, 0]].concat(); // TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        body.extend_from_slice(b"\0\x09\0\x10\0\x05\0\x03\x02h2");
        let hello = [&[2, 0, 0, body.len() as u8][..], &body].concat();
        stream.write_all(&[&[22, 3, 3, 0, hello.len() as u8][..], &hello].concat()).unwrap();
        drain(&mut stream)
    });
    let tls = TlsClient::builder().insecure().build().unwrap();
    let fault = fault(blocking::connect_with(&client(address.port(), tls)).unwrap_err());
    let expected = rustls::PeerMisbehaved::SelectedUnofferedApplicationProtocol;
    assert_eq!(fault, rustls::Error::PeerMisbehaved(expected));
    let alert = server.join().unwrap().remove(0);
    assert_eq!((alert[0], alert[5]), (21, 2), "a fatal alert");
}

/// A server that supports none of the offered protocols says so.
#[test]
fn a_server_that_knows_another_protocol_only() {
    let authority = Authority::new();
    let mut config = (*server_config(&authority.issue(&["localhost"]), None)).clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let config = Arc::new(config);
    let (address, server) = serve(1, move |stream| {
        let mut stream = accept_tls(&config, stream);
        assert!(stream.conn.complete_io(&mut stream.sock).is_err());
    });
    let fault = fault(blocking::connect_with(&client(address.port(), trusting(&authority))).unwrap_err());
    assert_eq!(fault, rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol));
    server.join().unwrap();
}

/// TLS-007: a key update in the middle of a message, on request in our direction, too.
#[test]
fn keys_change_in_the_middle_of_a_message() {
    let authority = Authority::new();
    let config = server_config(&authority.issue(&["localhost"]), None);
    let (address, server) = serve(3, move |stream| {
        let mut stream = accept_tls(&config, stream);
        open(&mut stream, b"\x01\x03one\x00\x05 two");
        stream.flush().unwrap();
        for end in [&b"-\x80\x06 three"[..], b"\x89\x01!", b"\x81\x04last"] {
            stream.conn.refresh_traffic_keys().unwrap();
            stream.write_all(end).unwrap();
        }
        stream.write_all(b"\x88\x02\x03\xe8").unwrap();
        // The answers come with new keys.
        let mut answers = [0; 6 + 1 + 6 + 2];
        stream.read_exact(&mut answers).unwrap();
        (answers[0], answers[7])
    });
    let config = client(address.port(), trusting(&authority));

    let mut whole = blocking::connect_with(&config).unwrap();
    assert_eq!(whole.read().unwrap(), Some(Message::Text("one two- three")));
    assert_eq!(whole.read().unwrap(), Some(Message::Text("last")));
    assert!(whole.read().unwrap().is_none());

    let (mut reader, _writer) = blocking::connect_with(&config).unwrap().split().unwrap();
    assert_eq!(reader.read().unwrap(), Some(Message::Text("one two- three")));
    assert_eq!(reader.read().unwrap(), Some(Message::Text("last")));
    assert!(reader.read().unwrap().is_none());

    let seen = run(config, 0);
    assert_eq!(seen.texts, ["one two- three", "last"]);
    assert!(seen.ended[0].0.is_clean(), "{:?}", seen.ended);
    assert_eq!(server.join().unwrap(), [(0x8a, 0x88); 3]);
}

/// The server gets an alert about what broke a connection, also after an answer to its key update; and both halves of a
/// client end.
#[test]
fn a_fault_behind_new_keys_is_answered() {
    let authority = Authority::new();
    let config = server_config(&authority.issue(&["localhost"]), None);
    let (address, server) = serve(2, move |stream| {
        let mut stream = accept_tls(&config, stream);
        open(&mut stream, b"\x81\x05Hello");
        stream.flush().unwrap();
        stream.conn.refresh_traffic_keys().unwrap();
        stream.flush().unwrap();
        stream.sock.write_all(&[&[23, 3, 3, 0, 100][..], &[7; 100]].concat()).unwrap();
        let fault = std::io::copy(&mut stream, &mut std::io::sink()).unwrap_err();
        tls_error(&fault).cloned()
    });
    let config = client(address.port(), trusting(&authority));
    let mut whole = blocking::connect_with(&config).unwrap();
    assert_eq!(whole.read().unwrap(), Some(Message::Text("Hello")));
    assert!(matches!(whole.read(), Err(Error::Io(_))));

    let (mut reader, writer) = blocking::connect_with(&config).unwrap().split().unwrap();
    assert_eq!(reader.read().unwrap(), Some(Message::Text("Hello")));
    assert!(matches!(reader.read(), Err(Error::Io(_))));
    assert!(matches!(writer.send("more"), Err(Error::Io(_))));
    let alert = rustls::Error::AlertReceived(rustls::AlertDescription::BadRecordMac);
    assert_eq!(server.join().unwrap(), vec![Some(alert); 2]);
}

/// A client ends its own direction, whole, split or in a loop: where it fails the connection, and once a closing
/// handshake is done.
#[test]
fn a_client_sends_a_close_notify() {
    let authority = Authority::new();
    let config = server_config(&authority.issue(&["localhost"]), None);
    let frames: [&[u8]; 2] = [b"\x83\0", b"\x88\x02\x03\xe8"];
    let (address, server) = serve(6, {
        let mut number = 0;
        move |stream| {
            let mut stream = accept_tls(&config, stream);
            open(&mut stream, frames[number / 3]);
            if number >= 3 {
                stream.conn.send_close_notify();
            }
            stream.flush().unwrap();
            number += 1;
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).map(|_| heard[0]).map_err(|error| error.kind())
        }
    });
    let config = client(address.port(), trusting(&authority));
    for _ in frames {
        let mut whole = blocking::connect_with(&config).unwrap();
        let told = whole.read().is_ok_and(|end| end.is_none());
        let (mut reader, writer) = blocking::connect_with(&config).unwrap().split().unwrap();
        assert_eq!(reader.read().is_ok_and(|end| end.is_none()), told);
        drop((whole, reader, writer));
        assert_eq!(run(config.clone(), 0).ended[0].0.is_clean(), told);
    }
    assert_eq!(server.join().unwrap(), [Ok(0x88); 6]);
}

/// A loop also sends a close_notify if a server does not end TCP: the program gives the connection up, or the loop's
/// grace is over.
#[test]
fn who_leaves_after_the_closing_handshake_says_so() {
    struct Leaves {
        aborts: bool,
    }

    impl Handler for Leaves {
        type Data = ();

        fn on_message(&mut self, _: &mut Context<()>, _: ConnId, _: Message<'_>) {}

        fn on_close(&mut self, cx: &mut Context<()>, id: ConnId, ended: &Ended) {
            assert!(ended.outcome.is_clean());
            if self.aborts {
                cx.abort(id);
                cx.shutdown(Duration::from_secs(60)); // ends once it is gone
            } else {
                cx.shutdown(Duration::ZERO);
            }
        }
    }

    let authority = Authority::new();
    let config = server_config(&authority.issue(&["localhost"]), None);
    let (address, server) = serve(2, move |stream| {
        let mut stream = accept_tls(&config, stream);
        open(&mut stream, b"\x88\x02\x03\xe8");
        let mut close = [0; 8];
        stream.read_exact(&mut close).unwrap();
        stream.read(&mut close).map_err(|error| error.kind())
    });
    for aborts in [false, true] {
        let mut event_loop = EventLoop::new().unwrap();
        event_loop.context().open(client(address.port(), trusting(&authority))).unwrap();
        event_loop.run(&mut Leaves { aborts }).unwrap();
    }
    assert_eq!(server.join().unwrap(), [Ok(0); 2]);
}

/// A blocking client that fails, and whose server takes nothing, sends no FIN after part of a record.
#[test]
fn no_end_of_tcp_inside_a_record() {
    let authority = Authority::new();
    let config = server_config(&authority.issue(&["localhost"]), None);
    let (say, asked) = mpsc::channel::<()>();
    let (address, server) = serve(2, move |stream| {
        let mut stream = accept_tls(&config, stream);
        open(&mut stream, b"");
        asked.recv().unwrap();
        stream.write_all(b"\x83\0").unwrap(); // no frame
        asked.recv().unwrap();
        // Records as they are, up to where nothing more comes.
        stream.sock.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let end = std::io::copy(&mut stream.sock, &mut std::io::sink());
        end.map_err(|error| error.kind())
    });
    let config = client(address.port(), trusting(&authority));
    let soon = Some(Duration::from_millis(20));
    const MUCH: usize = 3 << 20; // more than sockets hold

    let mut whole = blocking::connect_with(&config).unwrap();
    whole.set_timeout(soon);
    while whole.bytes_to_write() < MUCH {
        assert!(matches!(whole.send(&[7; 1 << 18][..]), Ok(()) | Err(Error::Timeout)));
    }
    say.send(()).unwrap();
    whole.set_timeout(None);
    assert!(matches!(whole.read(), Err(Error::Protocol(_))));
    say.send(()).unwrap();

    let (mut reader, mut writer) = blocking::connect_with(&config).unwrap().split().unwrap();
    writer.set_timeout(soon);
    while writer.bytes_to_write() < MUCH {
        assert!(matches!(writer.send(&[7; 1 << 18][..]), Ok(()) | Err(Error::Timeout)));
    }
    say.send(()).unwrap();
    assert!(matches!(reader.read(), Err(Error::Protocol(_))));
    say.send(()).unwrap();
    assert_eq!(server.join().unwrap(), [Err(std::io::ErrorKind::WouldBlock); 2]);
    drop((whole, reader, writer)); // which ends TCP
}

/// A server that sends tickets without end delays neither a call with a timeout nor the turn of a loop.
#[test]
fn a_flood_of_tickets_holds_up_nobody() {
    let authority = Authority::new();
    let config = open_keys(&server_config(&authority.issue(&["localhost"]), None));
    let (address, server) = serve(3, move |stream| {
        let mut stream = accept_tls(&config, stream);
        open(&mut stream, b"");
        stream.flush().unwrap();
        let rustls::StreamOwned { conn, mut sock } = stream;
        let mut tickets = Tickets::after(conn);
        // More than anybody takes who is not held up: they end the connection before.
        (0..4000).all(|_| sock.write_all(&tickets.records(500)).is_ok())
    });
    let config = client(address.port(), trusting(&authority));
    let soon = Some(Duration::from_millis(50));
    let mut whole = blocking::connect_with(&config).unwrap();
    whole.set_timeout(soon);
    assert!(matches!(whole.read(), Err(Error::Timeout)));
    drop(whole);
    let (mut reader, writer) = blocking::connect_with(&config).unwrap().split().unwrap();
    reader.set_timeout(soon);
    assert!(matches!(reader.read(), Err(Error::Timeout)));
    drop((reader, writer));

    struct Stop(Option<thread::JoinHandle<()>>, bowsprit::event_loop::Remote<()>);
    impl Handler for Stop {
        type Data = ();

        fn on_open(&mut self, _: &mut Context<()>, _: ConnId, _: &Agreement) {
            let remote = self.1.clone();
            self.0 = Some(thread::spawn(move || remote.stop().unwrap()));
        }

        fn on_message(&mut self, _: &mut Context<()>, _: ConnId, _: Message<'_>) {}
    }
    let mut event_loop = EventLoop::new().unwrap();
    let mut handler = Stop(None, event_loop.remote().unwrap());
    event_loop.context().open(config).unwrap();
    event_loop.run(&mut handler).unwrap();
    handler.0.unwrap().join().unwrap();
    drop(event_loop);
    assert_eq!(server.join().unwrap(), [false; 3], "all of the flood was taken");
}

/// The connect timeout applies to a TLS handshake that arrives byte by byte, however soon each byte follows the last.
#[test]
fn a_handshake_that_trickles_has_its_time() {
    let (address, server) = serve(1, |mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        stream.write_all(&[22, 3, 3, 0x40, 0, 2, 0, 0x3f, 0xfc]).unwrap();
        // Until it is gone.
        let waits = |error: std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        (0..16_000).any(|_| stream.write_all(&[0]).is_err() || !stream.read(&mut [0]).is_err_and(waits))
    });
    let tls = TlsClient::builder().insecure().build().unwrap();
    let config = client(address.port(), tls).handshake_timeout(Duration::from_millis(100));
    let error = blocking::connect_with(&config).unwrap_err();
    assert!(matches!(error, Error::Connect(ConnectError::Timeout(_))), "{error:?}");
    assert_eq!(server.join().unwrap(), [true], "it waits for the whole record");
}

/// PXY-009: the certificate has to be the server's, also through a proxy.
#[test]
fn through_a_proxy_to_the_name_of_the_server() {
    let authority = Authority::new();
    let config = server_config(&authority.issue(&["server.example"]), None);
    let (proxy, server) = serve(1, move |mut stream| {
        let head = read_head(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        open(&mut accept_tls(&config, stream), b"");
        head
    });
    let config = ClientConfig::new("wss://server.example/").unwrap().tls(trusting(&authority));
    let config = config.proxies(ProxySettings::all(Proxy::parse(&proxy.to_string()).unwrap()));
    blocking::connect_with(&config).unwrap();
    assert!(server.join().unwrap()[0].starts_with("CONNECT server.example:443 HTTP/1.1\r\n"));
}

/// Any loop resumes a session, for any kind of client, until the certificates are reloaded.
#[test]
fn sessions_are_resumed() {
    use rustls::HandshakeKind::{Full, Resumed};

    /// Tells how it was reached.
    struct Tells(Arc<Mutex<Vec<Option<rustls::HandshakeKind>>>>);

    impl Handler for Tells {
        type Data = ();

        fn on_open(&mut self, cx: &mut Context<()>, id: ConnId, _: &Agreement) {
            let tls = cx.transport(id).unwrap().tls().unwrap();
            self.0.lock().unwrap().push(tls.handshake_kind());
            // A ticket of TLS 1.3 comes with what is read first.
            cx.send_text(id, "open");
        }

        fn on_message(&mut self, _: &mut Context<()>, _: ConnId, _: Message<'_>) {}
    }

    /// A client in a loop, which connects once; how.
    struct Once(Option<rustls::HandshakeKind>);

    impl Handler for Once {
        type Data = ();

        fn on_open(&mut self, cx: &mut Context<()>, id: ConnId, _: &Agreement) {
            self.0 = cx.transport(id).unwrap().tls().unwrap().handshake_kind();
        }

        fn on_message(&mut self, cx: &mut Context<()>, _: ConnId, _: Message<'_>) {
            cx.stop();
        }
    }

    let authority = Authority::new();
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let identity = authority.issue(&["localhost"]);
        let tls = TlsServer::builder().identity(vec![identity.certificate], identity.key).build().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let servers: Vec<_> = (0..2)
            .map(|_| {
                let (told, address) = mpsc::channel();
                let (tls, seen) = (tls.clone(), Arc::clone(&seen));
                let thread = thread::spawn(move || {
                    let mut event_loop = EventLoop::new().unwrap();
                    let any = "127.0.0.1:0".parse().unwrap();
                    let address = event_loop.engine().listen_tls(any, tls).unwrap();
                    told.send((address.port(), event_loop.remote().unwrap())).unwrap();
                    event_loop.run(&mut Tells(seen)).unwrap();
                });
                let (port, remote) = address.recv().unwrap();
                (port, remote, thread)
            })
            .collect();

        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.certificate()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider);
        let config = config.with_protocol_versions(&[version]).unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let trusted = TlsClient::from_config(Arc::new(config));

        let blocking = |server: usize| {
            let config = client(servers[server].0, trusted.clone());
            let mut client = blocking::connect_with(&config).unwrap();
            assert_eq!(client.read().unwrap(), Some(Message::Text("open")));
            let tls = client.socket().tls().unwrap();
            assert_eq!(tls.protocol_version(), Some(version.version));
            tls.handshake_kind()
        };
        let in_a_loop = |server: usize| {
            let mut once = Once(None);
            let mut event_loop = EventLoop::new().unwrap();
            event_loop.context().open(client(servers[server].0, trusted.clone())).unwrap();
            event_loop.run(&mut once).unwrap();
            once.0
        };
        assert_eq!([blocking(0), blocking(0), blocking(1)], [Some(Full), Some(Resumed), Some(Resumed)]);
        assert_eq!([in_a_loop(0), in_a_loop(1)], [Some(Resumed); 2]);
        tls.reload().unwrap();
        assert_eq!([in_a_loop(0), in_a_loop(1), blocking(0)], [Some(Full), Some(Resumed), Some(Resumed)]);
        for (_, remote, thread) in servers {
            remote.run(|cx| cx.stop()).unwrap();
            thread.join().unwrap();
        }
        let expected = [Full, Resumed, Resumed, Resumed, Resumed, Full, Resumed, Resumed].map(Some);
        assert_eq!(*seen.lock().unwrap(), expected, "{:?}", version.version);
    }
}

// --- in a loop -----------------------------------------------------------------------------------------------------

#[derive(Default)]
struct Collect {
    texts: Vec<String>,
    bytes: usize,
    ended: Vec<(Outcome, String)>,
    unreached: Vec<String>,
    tls_faults: usize,
    client: Option<ClientId>,
    echo: usize,
}

impl Handler for Collect {
    type Data = ();

    fn on_open(&mut self, cx: &mut Context<()>, id: ConnId, _: &Agreement) {
        assert!(cx.peer_addr(id).is_some() && cx.local_addr(id).is_some());
        if self.echo > 0 {
            cx.send_binary(id, &vec![9; self.echo]);
        }
    }

    fn on_message(&mut self, _: &mut Context<()>, _: ConnId, message: Message<'_>) {
        match message {
            Message::Text(text) => self.texts.push(text.to_owned()),
            Message::Binary(bytes) => self.bytes += bytes.len(),
        }
    }

    fn on_close(&mut self, _: &mut Context<()>, _: ConnId, ended: &Ended) {
        let cause = match &ended.cause {
            Cause::Io(error) => format!("{:?}", error.kind()),
            cause => format!("{cause:?}"),
        };
        self.ended.push((ended.outcome.clone(), cause));
    }

    fn on_client(&mut self, cx: &mut Context<()>, client: ClientId, event: &ClientEvent<'_>) {
        assert_eq!(self.client, Some(client));
        match event {
            ClientEvent::Unreached(error) => {
                if let ConnectError::Tls(io) = error {
                    assert!(tls_error(io).is_some());
                    self.tls_faults += 1;
                }
                self.unreached.push(error.to_string());
            }
            ClientEvent::End { stop, cause } => {
                assert!(*stop == Stop::Never || **cause == Loss::Local || *stop == Stop::Fatal);
                // Once the connection is gone, with all that belongs to its end.
                cx.shutdown(Duration::from_secs(10));
            }
            _ => {}
        }
    }
}

fn run(config: ClientConfig, echo: usize) -> Collect {
    let mut handler = Collect { echo, ..Collect::default() };
    let mut event_loop = EventLoop::new().unwrap();
    handler.client = Some(event_loop.context().open(config).unwrap());
    event_loop.run(&mut handler).unwrap();
    handler
}

/// TLS-006: many frames in one record, records cut anywhere, one byte at a time; nothing stays behind.
#[test]
fn a_loop_drains_what_tls_holds() {
    let authority = Authority::new();
    let config = server_config(&authority.issue(&["localhost"]), None);
    let mut number = 0;
    let (address, server) = serve(2, move |stream| {
        number += 1;
        let drip = number == 2;
        stream.set_nodelay(true).unwrap();
        let mut stream = accept_tls(&config, stream);
        let head = read_head(&mut stream);
        let frames = b"\x81\x03one".repeat(1000);
        let answer = [&accept(&head)[..], &frames, b"\x88\x02\x03\xe8"].concat();
        if drip {
            // What the TLS server would send, a byte at a time.
            stream.conn.set_buffer_limit(None);
            stream.conn.writer().write_all(&answer).unwrap();
            let mut cipher = Vec::new();
            while stream.conn.wants_write() {
                stream.conn.write_tls(&mut cipher).unwrap();
            }
            cipher.chunks(7).for_each(|chunk| stream.sock.write_all(chunk).unwrap());
        } else {
            stream.write_all(&answer).unwrap();
        }
        let mut close = [0; 8];
        stream.read_exact(&mut close).unwrap();
    });
    for _ in 0..2 {
        let seen = run(client(address.port(), trusting(&authority)), 0);
        assert_eq!(seen.texts.len(), 1000);
        assert!(seen.ended[0].0.is_clean(), "{:?}", seen.ended);
    }
    server.join().unwrap();
}

/// A client sends more than any buffer holds to a server that reads late: what TLS holds back is sent when the socket
/// can take it.
#[test]
fn a_loop_writes_all_to_a_slow_server() {
    let authority = Authority::new();
    let config = server_config(&authority.issue(&["localhost"]), None);
    let size = 3 << 20;
    let (address, server) = serve(1, move |stream| {
        let mut stream = accept_tls(&config, stream);
        open(&mut stream, b"");
        thread::sleep(Duration::from_millis(200));
        let mut message = vec![0; size + 14];
        stream.read_exact(&mut message).unwrap();
        stream.write_all(b"\x82\x01x\x88\x02\x03\xe8").unwrap();
        let mut close = [0; 8];
        stream.read_exact(&mut close).unwrap();
        close[0]
    });
    let seen = run(client(address.port(), trusting(&authority)), size);
    assert_eq!((seen.bytes, seen.ended[0].0.is_clean()), (1, true));
    assert_eq!(server.join().unwrap(), [0x88]);
}

#[test]
fn a_loop_tells_truncation_and_faults_of_certificates() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let config = server_config(&authority.issue(&["localhost"]), None);
    let (address, server) = serve(2, move |stream| {
        let mut stream = accept_tls(&config, stream);
        if stream.conn.complete_io(&mut stream.sock).is_ok() {
            open(&mut stream, b"\x81\x05Hel");
        }
    });
    let cut = run(client(address.port(), trusting(&authority)), 0);
    assert_eq!(cut.ended[0].1, "UnexpectedEof");
    let refused = run(client(address.port(), trusting(&stranger)), 0);
    assert_eq!((refused.tls_faults, refused.unreached.len()), (1, 1), "{:?}", refused.unreached);
    server.join().unwrap();
    let without = ClientConfig::new("wss://localhost/").unwrap();
    let error = EventLoop::<()>::new().unwrap().context().open(without).unwrap_err();
    assert!(error.to_string().contains("ClientConfig::tls"), "{error}");
}
