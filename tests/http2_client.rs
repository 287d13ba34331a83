//! WebSockets of our clients over HTTP/2, blocking and in a loop, against servers of a few lines.
#![cfg(all(feature = "http2", feature = "tls", feature = "blocking", feature = "event-loop"))]

#[path = "support/certificates.rs"]
mod certificates;
#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "support/server.rs"]
mod server;
mod support;

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bowsprit::Role;
use bowsprit::blocking;
use bowsprit::client::{ClientConfig, ConnectError, Http, Loss};
use bowsprit::close::{CloseCode, CloseReason};
use bowsprit::connection::Config;
use bowsprit::event_loop::{Cause, ClientEvent, ClientId, ConnId, Context, Ended, EventLoop, Handler, Sent};
use bowsprit::handshake::{Agreement, ResponseError};
use bowsprit::http2::{
    Chosen, Connection, ErrorCode, Event, Fields, Http2Failure, Http2Stream, Limits, StreamId, http2_failure,
};
use bowsprit::message::Message;
use bowsprit::tls::{TlsClient, rustls};
use certificates::{Authority, accept_tls, server_config};
use server::serve;
use support::{Seen, Side};

/// What a server of these tests does with a request.
enum Answer {
    Echo,
    Refuse(u16, &'static str),
    Reset(ErrorCode),
}

/// Serves one connection of HTTP/2 until its client goes, with an echo on each stream; gives the requests.
fn http2(mut socket: impl Read + Write, answer: impl Fn(&Fields) -> Answer) -> Vec<Fields> {
    let mut limits = Limits::default();
    limits.window = 65_535; // the least: many windows are needed for what is sent here
    let mut connection = Connection::server(limits);
    let mut streams: BTreeMap<StreamId, (Side, Vec<u8>)> = BTreeMap::new();
    let (mut requests, mut buf) = (Vec::new(), vec![0; 16 * 1024]);
    loop {
        while let Some(event) = connection.next() {
            match event {
                Event::Request(id, fields) => {
                    match answer(&fields) {
                        Answer::Echo => {
                            let mut config = Config::default();
                            config.max_message = 64 << 20;
                            let mut side = Side::new(Role::Server, &Arc::new(config), Instant::now());
                            side.echoes = true;
                            streams.insert(id, (side, Vec::new()));
                            let response = Fields::new().with(":status", "200");
                            let response =
                                response.with("sec-websocket-protocol", "chat").with("x-from", "here");
                            connection.respond(id, &response, false);
                        }
                        Answer::Refuse(status, body) => {
                            let response = Fields::new().with(":status", status.to_string());
                            connection.respond(id, &response.with("location", "/elsewhere"), false);
                            connection.send(id, body.as_bytes());
                            connection.finish(id);
                        }
                        Answer::Reset(code) => connection.reset(id, code),
                    }
                    requests.push(fields);
                }
                Event::Readable(id) => {
                    let Some((side, to_send)) = streams.get_mut(&id) else { continue };
                    while let Some(len) = connection.read(id, &mut buf).filter(|len| *len > 0) {
                        side.read(&buf[..len], Instant::now());
                        to_send.extend(side.write());
                    }
                }
                Event::Reset(id, _) => drop(streams.remove(&id)),
                _ => {}
            }
        }
        streams.retain(|id, (side, to_send)| {
            let sent = connection.send(*id, to_send);
            to_send.drain(..sent);
            let is_over = to_send.is_empty() && side.seen.iter().any(|seen| matches!(seen, Seen::Close(..)));
            if is_over {
                connection.finish(*id);
            }
            !is_over
        });
        if !connection.pending().is_empty() {
            if socket.write_all(connection.pending()).and_then(|()| socket.flush()).is_err() {
                return requests;
            }
            connection.advance(connection.pending().len());
            continue;
        }
        match socket.read(&mut buf) {
            Ok(len) if len > 0 => connection.receive(&buf[..len], Instant::now()).unwrap(),
            _ => return requests,
        }
    }
}

fn plain(port: u16) -> ClientConfig {
    let config = ClientConfig::new(&format!("ws://127.0.0.1:{port}/chat?x=1")).unwrap();
    config.http(Http::Http2).subprotocol("chat").unwrap().header("Cookie", "a=b").unwrap()
}

fn secure(port: u16, authority: &Authority, http: Http) -> ClientConfig {
    let tls = TlsClient::builder().ca(authority.certificate()).unwrap().build().unwrap();
    let config = ClientConfig::new(&format!("wss://localhost:{port}/")).unwrap();
    config.tls(tls).http(http).subprotocol("chat").unwrap()
}

/// A server's TLS that chooses among these.
fn choosing(authority: &Authority, protocols: &[&str]) -> Arc<rustls::ServerConfig> {
    let mut config = rustls::ServerConfig::clone(&server_config(&authority.issue(&["localhost"]), None));
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// The text and the long message come back, and the end is clean.
fn talks(config: &ClientConfig) {
    let mut client = blocking::connect_with(config).unwrap();
    client.set_timeout(Some(Duration::from_secs(60)));
    assert_eq!(client.response().agreement().subprotocol.as_deref(), Some("chat"));
    assert_eq!(client.response().header("x-from"), Some(&b"here"[..]));
    client.send("hello").unwrap();
    assert_eq!(client.read().unwrap(), Some(Message::Text("hello")));
    // Longer than all windows: writing waits for the server to read, which has to be read for that.
    let long: Vec<u8> = (0..600_000u32).map(|at| at as u8).collect();
    client.send(&long[..]).unwrap();
    assert_eq!(client.read().unwrap(), Some(Message::Binary(&long)));
    let outcome = client.close(Some(CloseReason { code: CloseCode::NORMAL, reason: "" })).unwrap();
    assert!(outcome.is_clean());
}

#[test]
fn blocking_without_tls() {
    let (address, server) = serve(1, |stream| http2(stream, |_| Answer::Echo));
    talks(&plain(address.port()));
    let requests = server.join().unwrap().remove(0);
    let value = |name| requests[0].get(name).map(|value| String::from_utf8_lossy(value).into_owned());
    for (name, expected) in [
        (":method", Some("CONNECT")),
        (":protocol", Some("websocket")),
        (":scheme", Some("http")),
        (":path", Some("/chat?x=1")),
        ("cookie", Some("a=b")),
        ("sec-websocket-protocol", Some("chat")),
        ("sec-websocket-version", Some("13")),
        ("sec-websocket-key", None),
        ("upgrade", None),
        ("connection", None),
        ("host", None),
    ] {
        assert_eq!(value(name).as_deref(), expected, "{name}");
    }
    assert_eq!(value(":authority"), Some(address.to_string()));
}

#[test]
fn blocking_through_tls() {
    let authority = Authority::new();
    for http in [Http::Http2, Http::Auto] {
        let tls = choosing(&authority, &["h2", "http/1.1"]);
        let (address, server) = serve(1, move |stream| http2(accept_tls(&tls, stream), |_| Answer::Echo));
        talks(&secure(address.port(), &authority, http));
        assert_eq!(server.join().unwrap()[0][0].get(":scheme"), Some(&b"https"[..]));
    }
}

/// A server that does not choose HTTP/2 is an error where nothing else will do, and HTTP/1.1 where it may.
#[test]
fn a_server_of_http1() {
    let authority = Authority::new();
    for (protocols, http) in [(&[][..], Http::Http2), (&["http/1.1"], Http::Auto), (&[], Http::Auto)] {
        let tls = choosing(&authority, protocols);
        let (address, server) = serve(1, move |stream| {
            let mut stream = accept_tls(&tls, stream);
            if http == Http::Auto {
                let head = server::read_head(&mut stream);
                let answer = String::from_utf8(server::accept(&head)).unwrap();
                let fields = "Sec-WebSocket-Protocol: chat\r\nX-From: here\r\n\r\n";
                stream.write_all(answer.replace("\r\n\r\n", &format!("\r\n{fields}")).as_bytes()).unwrap();
                stream.write_all(b"\x81\x02hi").unwrap();
            }
            let _ = stream.flush();
            let _ = stream.read(&mut [0; 64]);
        });
        let outcome = blocking::connect_with(&secure(address.port(), &authority, http));
        match (outcome, http) {
            (Ok(mut client), Http::Auto) => assert_eq!(client.read().unwrap(), Some(Message::Text("hi"))),
            (Err(error), Http::Http2) => {
                let blocking::Error::Connect(error) = error else { panic!("{error}") };
                assert!(matches!(error, ConnectError::Http2(Http2Failure::NotSpoken)), "{error:?}");
                assert!(error.loss().is_fatal());
            }
            (outcome, _) => panic!("{outcome:?}"),
        }
        server.join().unwrap();
    }
}

/// A server that speaks HTTP/2 and takes no WebSockets over it: `auto` makes a second connection.
#[test]
fn a_server_that_takes_none_over_http2() {
    let authority = Authority::new();
    for http in [Http::Http2, Http::Auto] {
        let count = if http == Http::Auto { 2 } else { 1 };
        let tls = choosing(&authority, &["h2", "http/1.1"]);
        let (address, server) = serve(count, move |stream| {
            let mut stream = accept_tls(&tls, stream);
            let mut first = [0; 3];
            stream.read_exact(&mut first).unwrap();
            match &first {
                b"PRI" => {
                    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
                    let _ = stream.flush();
                    while stream.read(&mut [0; 256]).is_ok_and(|len| len > 0) {}
                }
                _ => {
                    let head = server::read_head(&mut stream);
                    stream.write_all(&server::accept(&format!("GET{head}"))).unwrap();
                    stream.write_all(b"\x81\x02hi").unwrap();
                    let _ = stream.read(&mut [0; 64]);
                }
            }
            first
        });
        match (blocking::connect_with(&secure(address.port(), &authority, http)), http) {
            (Ok(mut client), Http::Auto) => assert_eq!(client.read().unwrap(), Some(Message::Text("hi"))),
            (Err(blocking::Error::Connect(error)), Http::Http2) => {
                assert!(matches!(error, ConnectError::Http2(Http2Failure::NotAllowed)), "{error:?}");
            }
            (outcome, _) => panic!("{outcome:?}"),
        }
        let firsts = server.join().unwrap();
        assert_eq!(firsts, if http == Http::Auto { vec![*b"PRI", *b"GET"] } else { vec![*b"PRI"] });
    }
}

#[test]
fn refusals_and_resets() {
    let (address, server) = serve(3, |stream| {
        http2(stream, |fields| match fields.get("x-want") {
            Some(b"refusal") => Answer::Refuse(403, "Not from there.\n"),
            Some(b"reset") => Answer::Reset(ErrorCode::REFUSED_STREAM),
            _ => Answer::Echo,
        })
    });
    let asking = |want| blocking::connect_with(&plain(address.port()).header("X-Want", want).unwrap());
    match asking("refusal") {
        Err(blocking::Error::Connect(ConnectError::Response(ResponseError::Refused(refused)))) => {
            assert_eq!((refused.status(), refused.body()), (403, &b"Not from there.\n"[..]));
            assert_eq!(refused.header("location"), Some(&b"/elsewhere"[..]));
        }
        other => panic!("{other:?}"),
    }
    match asking("reset") {
        Err(blocking::Error::Connect(error)) => {
            let code = ErrorCode::REFUSED_STREAM;
            assert!(
                matches!(error, ConnectError::Http2(Http2Failure::Reset(this)) if this == code),
                "{error:?}"
            );
            assert!(matches!(error.loss(), Loss::Broken));
        }
        other => panic!("{other:?}"),
    }
    let client = asking("echo").unwrap();
    let error = client.split().unwrap_err();
    assert!(
        matches!(&error, blocking::Error::Io(io) if io.kind() == std::io::ErrorKind::Unsupported),
        "{error}"
    );
    server.join().unwrap();
}

/// A client of a loop that sends far more than the windows hold while it does not read, then reads it all.
#[derive(Default)]
struct Sender {
    sent: usize,
    came: usize,
    over_http2: bool,
    ended: Option<bool>,
}

/// More than [`Settings::high_watermark`](bowsprit::event_loop::Settings::high_watermark).
const MESSAGES: usize = 60;

impl Handler for Sender {
    type Data = ();

    fn on_open(&mut self, cx: &mut Context<()>, id: ConnId, agreement: &Agreement) {
        assert_eq!(agreement.subprotocol.as_deref(), Some("chat"));
        self.over_http2 = cx.is_http2(id);
        cx.pause(id);
        for number in 0..MESSAGES {
            self.sent += usize::from(matches!(
                cx.send_binary(id, &vec![number as u8; 20_000]),
                Sent::Now | Sent::Queued(_)
            ));
        }
    }

    /// Most has gone out, though nothing was read for the program meanwhile.
    fn on_drained(&mut self, cx: &mut Context<()>, id: ConnId) {
        assert_eq!(self.came, 0);
        cx.resume(id);
    }

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        assert_eq!(message, Message::Binary(&vec![self.came as u8; 20_000]));
        self.came += 1;
        if self.came == MESSAGES {
            cx.close(id, Some(CloseReason { code: CloseCode::NORMAL, reason: "" }));
        }
    }

    fn on_close(&mut self, cx: &mut Context<()>, _: ConnId, ended: &Ended) {
        self.ended = Some(matches!(ended.cause, Cause::Closed));
        cx.stop();
    }

    fn on_client(&mut self, _: &mut Context<()>, _: ClientId, event: &ClientEvent<'_>) {
        if let ClientEvent::Unreached(error) = event {
            panic!("{error}");
        }
    }
}

#[test]
fn a_loop_with_tls_and_without() {
    let authority = Authority::new();
    for with_tls in [false, true] {
        let tls = choosing(&authority, &["h2"]);
        let (address, server) = serve(1, move |stream: TcpStream| match with_tls {
            true => http2(accept_tls(&tls, stream), |_| Answer::Echo),
            false => http2(stream, |_| Answer::Echo),
        });
        let config = match with_tls {
            true => secure(address.port(), &authority, Http::Http2),
            false => plain(address.port()),
        };
        let mut event_loop = EventLoop::new().unwrap();
        event_loop.context().open(config).unwrap();
        let mut sender = Sender::default();
        event_loop.run(&mut sender).unwrap();
        assert!(sender.over_http2);
        assert_eq!((sender.sent, sender.came, sender.ended), (MESSAGES, MESSAGES, Some(true)));
        drop(event_loop);
        server.join().unwrap();
    }
}

/// A wire in memory: what a server says, and what was said to it.
#[derive(Default)]
struct Pipe {
    said: VecDeque<u8>,
    heard: Vec<u8>,
    /// Whether a signal interrupts every other call, and whether the next one is such.
    signals: bool,
    signal: bool,
}

impl Pipe {
    fn signal(&mut self) -> io::Result<()> {
        self.signal = self.signals && !self.signal;
        if self.signal { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    }
}

impl Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.signal()?;
        if self.said.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { self.said.read(buf) }
    }
}

impl Write for Pipe {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.signal()?;
        self.heard.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.signal()
    }
}

/// What was written is written once, though a signal interrupts every other call of the stream below.
#[test]
fn signals_while_it_is_read_and_written() {
    let mut server = Connection::server(Limits::default());
    let mut stream = Http2Stream::new(Pipe { signals: true, ..Pipe::default() }, Chosen::Known, false);
    let talk = |stream: &mut Http2Stream<Pipe>, server: &mut Connection| {
        server.receive(&std::mem::take(&mut stream.below_mut().heard), Instant::now()).unwrap();
        stream.below_mut().said.extend(server.pending());
        server.advance(server.pending().len());
        stream.carry_on().unwrap();
    };
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    assert_eq!(stream.write(request).unwrap(), request.len());
    talk(&mut stream, &mut server);
    talk(&mut stream, &mut server);
    let id = std::iter::from_fn(|| server.next())
        .find_map(|event| if let Event::Request(id, _) = event { Some(id) } else { None });
    let id = id.expect("a request");
    server.respond(id, &Fields::new().with(":status", "200"), false);
    talk(&mut stream, &mut server);
    let mut buf = [0; 1000];
    let len = stream.read(&mut buf).unwrap();
    assert!(buf[..len].starts_with(b"HTTP/1.1 101 "));
    for part in [&b"once"[..], b" and ", b"no more"] {
        assert_eq!(stream.write(part).unwrap(), part.len());
    }
    stream.flush().unwrap();
    stream.end().unwrap();
    talk(&mut stream, &mut server);
    let len = server.read(id, &mut buf).unwrap();
    assert_eq!(&buf[..len], b"once and no more");
}

/// Who waits for a window to write, and is not read meanwhile, hears of a reset, as no window will open any more; what came
/// before is read all the same.
#[test]
fn a_reset_while_a_write_waits() {
    for came in [&b""[..], b"hello"] {
        let mut server = Connection::server(Limits::default());
        let mut stream = Http2Stream::new(Pipe::default(), Chosen::Known, false);
        let talk = |stream: &mut Http2Stream<Pipe>, server: &mut Connection| {
            server.receive(&std::mem::take(&mut stream.below_mut().heard), Instant::now()).unwrap();
            stream.below_mut().said.extend(server.pending());
            server.advance(server.pending().len());
            stream.carry_on().unwrap();
        };
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
            .unwrap();
        talk(&mut stream, &mut server);
        talk(&mut stream, &mut server);
        let id = std::iter::from_fn(|| server.next())
            .find_map(|event| if let Event::Request(id, _) = event { Some(id) } else { None });
        let id = id.expect("a request");
        server.respond(id, &Fields::new().with(":status", "200"), false);
        talk(&mut stream, &mut server);
        let mut buf = [0; 1000];
        let len = stream.read(&mut buf).unwrap();
        assert!(buf[..len].starts_with(b"HTTP/1.1 101 "));
        let blocked = loop {
            if let Err(error) = stream.write(&[0; 10_000]) {
                break error;
            }
            talk(&mut stream, &mut server);
        };
        assert_eq!(blocked.kind(), io::ErrorKind::WouldBlock);
        assert!(!stream.takes_more());
        server.send(id, came);
        server.reset(id, ErrorCode::CANCEL);
        talk(&mut stream, &mut server);
        assert!(stream.takes_more(), "the write is to be tried again");
        if !came.is_empty() {
            assert_eq!(stream.write(b"goes nowhere").unwrap(), 12);
            let len = stream.read(&mut buf).unwrap();
            assert_eq!(&buf[..len], came);
        }
        let told = [stream.write(b"late").unwrap_err(), stream.read(&mut buf).unwrap_err()];
        for error in told {
            assert!(matches!(http2_failure(&error), Some(Http2Failure::Reset(ErrorCode::CANCEL))), "{error}");
        }
    }
}
