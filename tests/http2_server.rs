//! A loop that serves WebSockets over HTTP/2: many over one socket, with handlers that know of no difference.
#![cfg(all(feature = "http2", feature = "tls", feature = "blocking", feature = "event-loop"))]

#[path = "support/certificates.rs"]
mod certificates;
mod support;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bowsprit::Role;
use bowsprit::blocking;
use bowsprit::client::{ClientConfig, Http};
use bowsprit::close::{CloseCode, CloseReason};
use bowsprit::connection::Config;
use bowsprit::event_loop::{ConnId, Context, Decision, EventLoop, Handler, Remote, Settings};
use bowsprit::frame::RawHeader;
use bowsprit::handshake::{Acceptance, PlainRequest, Refusal, Request};
use bowsprit::http2::{Connection, ErrorCode, Event, Fields, Limits, StreamId};
use bowsprit::message::Message;
use bowsprit::tls::{TlsClient, TlsServer};
use certificates::Authority;
use support::{Seen, Side, sent_by};

/// An echo, a page, and a place that nobody may go to.
struct Echo {
    over_http2: u32,
}

impl Handler for Echo {
    type Data = ();

    fn on_request(&mut self, cx: &mut Context<()>, id: ConnId, request: &Request) -> Decision {
        self.over_http2 += u32::from(cx.is_http2(id));
        assert!(cx.peer_addr(id).is_some_and(|address| address.ip().is_loopback()));
        if request.resource() == "/private" {
            return Decision::Refuse(Refusal::new(403).unwrap().with_text("Not here."));
        }
        let subprotocol = request.choose_subprotocol(&["chat"]).map(str::to_owned);
        Decision::Accept(Acceptance { subprotocol, ..Acceptance::default() })
    }

    fn on_plain(&mut self, _: &mut Context<()>, _: ConnId, request: &PlainRequest) -> Refusal {
        Refusal::new(200).unwrap().with_text(&format!("{} {}", request.method(), request.target()))
    }

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        cx.send(id, message);
    }
}

struct Server {
    address: SocketAddr,
    remote: Remote<()>,
    thread: JoinHandle<u32>,
}

fn server(tls: Option<TlsServer>, change: impl FnOnce(&mut Settings)) -> Server {
    let mut settings = Settings::default();
    settings.http2 = true;
    change(&mut settings);
    let mut event_loop = EventLoop::with_settings(settings).unwrap();
    let any = "127.0.0.1:0".parse().unwrap();
    let address = match tls {
        Some(tls) => event_loop.listen_tls(any, tls).unwrap(),
        None => event_loop.listen(any).unwrap(),
    };
    let remote = event_loop.remote().unwrap();
    let thread = thread::spawn(move || {
        let mut echo = Echo { over_http2: 0 };
        event_loop.run(&mut echo).unwrap();
        echo.over_http2
    });
    Server { address, remote, thread }
}

impl Server {
    /// Ends it; how many WebSockets were asked for over HTTP/2.
    fn end(self) -> u32 {
        self.remote.run(|cx| cx.shutdown(Duration::from_secs(10))).unwrap();
        self.thread.join().unwrap()
    }
}

/// A client of frames, and what has come on its streams.
struct Raw {
    socket: TcpStream,
    connection: Connection,
    heads: BTreeMap<StreamId, Fields>,
    bodies: BTreeMap<StreamId, Vec<u8>>,
    ended: Vec<StreamId>,
    resets: Vec<(StreamId, ErrorCode)>,
    leaves: bool,
    /// Streams that are not read.
    held: Vec<StreamId>,
}

impl Raw {
    fn to(server: &Server) -> Self {
        let socket = TcpStream::connect(server.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self {
            socket,
            connection: Connection::client(Limits::default()),
            heads: BTreeMap::new(),
            bodies: BTreeMap::new(),
            ended: Vec::new(),
            resets: Vec::new(),
            leaves: false,
            held: Vec::new(),
        }
    }

    fn ask(&mut self, fields: &[(&str, &str)], ends: bool) -> StreamId {
        let fields = fields.iter().fold(Fields::new(), |fields, (name, value)| fields.with(name, value));
        self.connection.open(&fields, ends).unwrap()
    }

    fn websocket(&mut self, path: &str) -> StreamId {
        let start =
            [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", path)];
        self.ask(&[&start[..], &[(":authority", "a"), ("sec-websocket-version", "13")]].concat(), false)
    }

    fn flush(&mut self) {
        self.socket.write_all(self.connection.pending()).unwrap();
        self.connection.advance(self.connection.pending().len());
    }

    /// Goes on until that is so.
    #[track_caller]
    fn until(&mut self, so: impl Fn(&Self) -> bool) {
        let mut buf = [0; 16 * 1024];
        loop {
            while let Some(event) = self.connection.next() {
                match event {
                    Event::Response(id, fields) => drop(self.heads.insert(id, fields)),
                    Event::Readable(id) if !self.held.contains(&id) => {
                        while let Some(len) = self.connection.read(id, &mut buf) {
                            if len == 0 {
                                self.ended.push(id);
                                break;
                            }
                            self.bodies.entry(id).or_default().extend(&buf[..len]);
                        }
                    }
                    Event::Reset(id, code) => self.resets.push((id, code)),
                    Event::GoAway(_) => self.leaves = true,
                    _ => {}
                }
            }
            self.flush();
            if so(self) {
                return;
            }
            let len = self.socket.read(&mut buf).unwrap_or_else(|error| {
                panic!("{error}: {:?} {:?} {:?}", self.heads, self.ended, self.resets)
            });
            assert!(len > 0, "the server has gone");
            self.connection.receive(&buf[..len], Instant::now()).unwrap();
        }
    }

    fn body(&self, id: StreamId) -> &[u8] {
        self.bodies.get(&id).map_or(&[], |body| body)
    }

    fn status(&self, id: StreamId) -> Option<u16> {
        self.heads.get(&id).and_then(Fields::status)
    }
}

fn text(text: &str) -> Vec<u8> {
    sent_by(Role::Client, RawHeader::TEXT, text.as_bytes())
}

/// Our own clients, which take it for any server.
#[test]
fn clients_of_ours() {
    let authority = Authority::new();
    for with_tls in [false, true] {
        let tls = with_tls.then(|| {
            let identity = authority.issue(&["localhost"]);
            TlsServer::builder().identity(vec![identity.certificate], identity.key).http2().build().unwrap()
        });
        let server = server(tls, |_| {});
        let url = format!("{}://localhost:{}/", if with_tls { "wss" } else { "ws" }, server.address.port());
        for http in [Http::Http2, Http::Auto, Http::Http1] {
            let config = ClientConfig::new(
                &url.replace("localhost", if with_tls { "localhost" } else { "127.0.0.1" }),
            );
            let tls = TlsClient::builder().ca(authority.certificate()).unwrap().build().unwrap();
            let config = config.unwrap().subprotocol("chat").unwrap().tls(tls).http(http);
            let mut client = blocking::connect_with(&config).unwrap();
            client.set_timeout(Some(Duration::from_secs(10)));
            assert_eq!(client.response().agreement().subprotocol.as_deref(), Some("chat"));
            let long = vec![7; 600_000];
            client.send("hello").unwrap();
            client.send(&long[..]).unwrap();
            assert_eq!(client.read().unwrap(), Some(Message::Text("hello")));
            assert_eq!(client.read().unwrap(), Some(Message::Binary(&long)));
            let reason = CloseReason { code: CloseCode::NORMAL, reason: "" };
            assert!(client.close(Some(reason)).unwrap().is_clean());
        }
        assert_eq!(server.end(), if with_tls { 2 } else { 1 });
    }
}

/// Forty WebSockets, a page and refusals on one socket; each ends by itself.
#[test]
fn many_on_one_socket() {
    let server = server(None, |_| {});
    let mut raw = Raw::to(&server);
    let sockets: Vec<StreamId> = (0..40).map(|_| raw.websocket("/chat")).collect();
    let get = [(":method", "GET"), (":scheme", "http"), (":path", "/page"), (":authority", "a")];
    let page = raw.ask(&get, true);
    let private = raw.websocket("/private");
    let other = raw.ask(
        &[
            (":method", "CONNECT"),
            (":protocol", "connect-udp"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "a"),
        ],
        false,
    );
    raw.until(|raw| raw.heads.len() == 43 && raw.ended.contains(&page) && raw.ended.contains(&private));
    assert_eq!((raw.status(page), raw.body(page)), (Some(200), &b"GET /page\n"[..]));
    assert_eq!((raw.status(private), raw.body(private)), (Some(403), &b"Not here.\n"[..]));
    assert_eq!(raw.status(other), Some(501));
    for (number, id) in sockets.iter().enumerate() {
        assert_eq!(raw.status(*id), Some(200));
        raw.connection.send(*id, &text(&format!("number {number}")));
    }
    raw.until(|raw| sockets.iter().all(|id| !raw.body(*id).is_empty()));
    for (number, id) in sockets.iter().enumerate() {
        let expected = format!("number {number}");
        assert_eq!(raw.body(*id), sent_by(Role::Server, RawHeader::TEXT, expected.as_bytes()));
    }
    // One closes, one ends, one is reset: the others go on.
    let close = sent_by(Role::Client, RawHeader::CLOSE, &1000u16.to_be_bytes());
    raw.connection.send(sockets[0], &close);
    raw.connection.finish(sockets[1]);
    raw.connection.reset(sockets[2], ErrorCode::CANCEL);
    raw.until(|raw| raw.ended.contains(&sockets[0]) && raw.ended.contains(&sockets[1]));
    assert!(raw.body(sockets[0]).ends_with(&[0x88, 2, 3, 0xe8]));
    raw.connection.finish(sockets[0]);
    raw.bodies.clear();
    raw.connection.send(sockets[3], &text("still here"));
    raw.until(|raw| raw.body(sockets[3]).ends_with(b"still here"));
    assert!(raw.resets.is_empty() || raw.resets.iter().all(|(id, _)| *id == other), "{:?}", raw.resets);
    drop(raw);
    assert_eq!(server.end(), 41);
}

/// Who does not read holds up nobody else, and reads it all in the end.
#[test]
fn a_stream_that_is_not_read() {
    let server = server(None, |_| {});
    let mut raw = Raw::to(&server);
    let (slow, quick) = (raw.websocket("/slow"), raw.websocket("/quick"));
    raw.held.push(slow);
    raw.until(|raw| raw.heads.len() == 2);
    let payload = vec![b'x'; 500_000];
    let message = sent_by(Role::Client, RawHeader::TEXT, &payload);
    let mut left = &message[..];
    while !left.is_empty() {
        let sent = raw.connection.send(slow, left);
        left = &left[sent..];
        let before = raw.connection.pending().len();
        raw.flush();
        if sent == 0 && before == 0 {
            // Its window is to be opened: an answer on the other stream shows that something has come.
            let seen = raw.body(quick).len();
            raw.connection.send(quick, &text("ping"));
            raw.until(|raw| raw.body(quick).len() > seen);
        }
    }
    let seen = raw.body(quick).len();
    raw.connection.send(quick, &text("after"));
    raw.until(|raw| raw.body(quick).len() > seen);
    assert!(raw.body(slow).is_empty());
    raw.held.clear();
    let mut buf = [0; 16 * 1024];
    while let Some(len) = raw.connection.read(slow, &mut buf).filter(|len| *len > 0) {
        raw.bodies.entry(slow).or_default().extend(&buf[..len]);
    }
    raw.until(|raw| raw.body(slow).len() >= 500_000);
    let mut config = Config::default();
    config.max_message = 1 << 20;
    let mut side = Side::new(Role::Client, &Arc::new(config), Instant::now());
    side.read(raw.body(slow), Instant::now());
    assert_eq!(side.seen, [Seen::Text(String::from_utf8(payload).unwrap())]);
    drop(raw);
    server.end();
}

/// A shutdown says GOAWAY and closes each WebSocket by 1001; the socket ends with the last of them.
#[test]
fn draining() {
    let server = server(None, |_| {});
    let mut raw = Raw::to(&server);
    let ids = [raw.websocket("/a"), raw.websocket("/b")];
    raw.until(|raw| raw.heads.len() == 2);
    server.remote.run(|cx| cx.shutdown(Duration::from_secs(10))).unwrap();
    raw.until(|raw| raw.leaves && ids.iter().all(|id| raw.body(*id).starts_with(&[0x88])));
    for id in ids {
        raw.connection.send(id, &sent_by(Role::Client, RawHeader::CLOSE, &1001u16.to_be_bytes()));
    }
    raw.until(|raw| ids.iter().all(|id| raw.ended.contains(id)));
    for id in ids {
        raw.connection.finish(id);
    }
    raw.flush();
    assert_eq!(raw.socket.read(&mut [0; 64]).unwrap_or(0), 0, "the end");
    drop(raw);
    assert_eq!(server.thread.join().unwrap(), 2);
}

/// Each WebSocket counts as a connection.
#[test]
fn limits_count_streams() {
    let server = server(None, |settings| settings.max_connections = 3);
    let mut raw = Raw::to(&server);
    let ids: Vec<_> = (0..4).map(|_| raw.websocket("/")).collect();
    raw.until(|raw| raw.heads.len() == 4);
    let statuses: Vec<_> = ids.iter().map(|id| raw.status(*id)).collect();
    assert_eq!(statuses, [Some(200), Some(200), Some(503), Some(503)]);
    drop(raw);
    server.end();
}

/// A client that is gone takes its WebSockets with it, and one that breaks a rule is told so.
#[test]
fn what_ends_the_socket() {
    let server = server(None, |_| {});
    let mut raw = Raw::to(&server);
    raw.websocket("/");
    raw.until(|raw| raw.heads.len() == 1);
    raw.socket.write_all(&[0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap(); // WINDOW_UPDATE of 0
    raw.until(|raw| raw.leaves);
    assert_eq!(raw.socket.read(&mut [0; 64]).unwrap_or(0), 0);
    drop(raw);
    server.end();
}
