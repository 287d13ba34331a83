//! A loop that serves WebSockets over HTTP/2: many over one socket, with handlers that know of no difference.
#![cfg(all(feature = "http2", feature = "tls", feature = "blocking", feature = "event-loop"))]

#[path = "support/certificates.rs"]
mod certificates;
mod support;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bowsprit::Role;
use bowsprit::blocking;
use bowsprit::client::{ClientConfig, Http};
use bowsprit::close::{CloseCode, CloseReason};
use bowsprit::connection::Config;
use bowsprit::event_loop::{ConnId, Context, Decision, EventLoop, Handler, Remote, Settings, Stats};
use bowsprit::frame::RawHeader;
use bowsprit::handshake::{
    Acceptance, ForwardedField, OriginPolicy, PlainRequest, Refusal, Request, TrustedProxies,
};
use bowsprit::http2::{Connection, ErrorCode, Event, Fields, Limits, StreamId};
use bowsprit::message::Message;
use bowsprit::tls::{TlsClient, TlsServer, rustls};
use certificates::Authority;
use support::{Seen, Side, sent_by};

/// An echo for pages of its own origin, which reads nothing from `/deaf`; a page that says for whom it is; and a place that
/// nobody may go to.
struct Echo {
    over_http2: u32,
}

impl Handler for Echo {
    type Data = ();

    fn on_request(&mut self, cx: &mut Context<()>, id: ConnId, request: &Request) -> Decision {
        self.over_http2 += u32::from(cx.is_http2(id));
        assert!(cx.peer_addr(id).is_some_and(|address| address.ip().is_loopback()));
        assert_eq!(request.client_addr(), cx.client_addr(id));
        if let Err(error) = OriginPolicy::same_origin().allow_host("a").unwrap().check(request) {
            return Decision::Refuse(error.refusal());
        }
        match request.resource() {
            "/private" => return Decision::Refuse(Refusal::new(403).unwrap().with_text("Not here.")),
            "/deaf" => cx.pause(id),
            _ => {}
        }
        let subprotocol = request.choose_subprotocol(&["chat"]).map(str::to_owned);
        Decision::Accept(Acceptance::default().with_subprotocol(subprotocol))
    }

    fn on_plain(&mut self, cx: &mut Context<()>, id: ConnId, request: &PlainRequest) -> Refusal {
        let text = match request.target() {
            "/client" => cx.client_addr(id).unwrap().to_string(),
            target => format!("{} {target}", request.method()),
        };
        Refusal::new(200).unwrap().with_text(&text)
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
    /// Waits until the loop has come by.
    fn turn(&self, then: impl FnOnce(&mut Context<()>) + Send + 'static) {
        let (done, is_done) = channel();
        let run = move |cx: &mut Context<()>| {
            then(cx);
            done.send(()).unwrap();
        };
        self.remote.run(run).unwrap();
        is_done.recv_timeout(Duration::from_secs(60)).unwrap();
    }

    fn stats(&self) -> Stats {
        let (told, stats) = channel();
        self.turn(move |cx| told.send(cx.stats()).unwrap());
        stats.recv().unwrap()
    }

    /// Ends it; how many WebSockets were asked for over HTTP/2.
    fn end(self) -> u32 {
        self.remote.run(|cx| cx.shutdown(Duration::from_secs(60))).unwrap();
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
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
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
        self.websocket_with(path, &[])
    }

    fn websocket_with(&mut self, path: &str, more: &[(&str, &str)]) -> StreamId {
        let start =
            [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", path)];
        let fields = [&start[..], &[(":authority", "a"), ("sec-websocket-version", "13")], more].concat();
        self.ask(&fields, false)
    }

    fn page(&mut self, path: &str, more: &[(&str, &str)]) -> StreamId {
        let start = [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "a")];
        self.ask(&[&start[..], more].concat(), true)
    }

    /// Sends a text and waits for it to come back.
    fn echoes(&mut self, id: StreamId, said: &str) {
        let expected = self.body(id).len() + said.len() + 2;
        assert_eq!(self.connection.send(id, &text(said)), said.len() + 6);
        self.until(|raw| raw.body(id).len() == expected);
        assert!(self.body(id).ends_with(said.as_bytes()));
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
            client.set_timeout(Some(Duration::from_secs(60)));
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

/// However the first bytes are cut, also those of methods that begin as HTTP/2 does.
#[test]
fn the_first_bytes() {
    let server = server(None, |_| {});
    for cut in 1..30 {
        let before = server.stats().bytes_in;
        let mut raw = Raw::to(&server);
        let id = raw.websocket("/");
        raw.socket.set_nodelay(true).unwrap();
        raw.socket.write_all(&raw.connection.pending()[..cut]).unwrap();
        raw.connection.advance(cut);
        while server.stats().bytes_in < before + cut as u64 {}
        raw.until(|raw| raw.status(id) == Some(200));
        drop(raw);
        while server.stats().connections > 0 {}
    }
    for [first, rest] in [["P", "OST"], ["PR", "OPFIND"], ["PRO", "PATCH"], ["G", "ET"]] {
        let before = server.stats().bytes_in;
        let mut socket = TcpStream::connect(server.address).unwrap();
        socket.write_all(first.as_bytes()).unwrap();
        while server.stats().bytes_in == before {}
        socket.write_all(format!("{rest} / HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 "), "{first}{rest}: {answer}");
    }
    server.end();
}

/// Forty WebSockets, a page and refusals on one socket; each ends by itself.
#[test]
fn many_on_one_socket() {
    let server = server(None, |_| {});
    let mut raw = Raw::to(&server);
    let sockets: Vec<StreamId> = (0..40).map(|_| raw.websocket("/chat")).collect();
    let page = raw.page("/page", &[]);
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

/// Who does not read, and so is not read either, may end its stream or go all the same: nothing of it stays.
#[test]
fn a_stream_that_is_not_read_ends() {
    // So many messages fill the window and the queue; the others lie unread in the stream.
    for (messages, goes) in [(15, false), (25, false), (15, true), (25, true)] {
        let server =
            server(None, |settings| (settings.high_watermark, settings.low_watermark) = (10_000, 2_000));
        let mut raw = Raw::to(&server);
        let (slow, quick) = (raw.websocket("/slow"), raw.websocket("/quick"));
        raw.held.push(slow);
        raw.until(|raw| raw.heads.len() == 2);
        let message = sent_by(Role::Client, RawHeader::BINARY, &[b'x'; 10_000]).repeat(messages);
        let mut sent = 0;
        while sent < message.len() {
            sent += raw.connection.send(slow, &message[sent..]);
            raw.flush();
            raw.echoes(quick, "all of this has come");
        }
        raw.echoes(quick, "and this");
        assert!(server.stats().queued > 10_000, "it is read no more");
        if goes {
            drop(raw);
        } else {
            raw.connection.reset(slow, ErrorCode::CANCEL);
            raw.echoes(quick, "the reset has come");
        }
        let since = Instant::now();
        while server.stats().open > u64::from(!goes) {
            assert!(since.elapsed() < Duration::from_secs(60), "{messages} messages: it stays");
        }
        server.turn(Context::stop);
        server.thread.join().unwrap();
    }
}

/// From a stream that the program does not read comes no more than its window holds, while others go on.
#[test]
fn a_stream_that_the_program_does_not_read() {
    let server = server(None, |_| {});
    let mut raw = Raw::to(&server);
    let (deaf, quick) = (raw.websocket("/deaf"), raw.websocket("/quick"));
    raw.until(|raw| raw.heads.len() == 2);
    let message = sent_by(Role::Client, RawHeader::TEXT, &vec![b'x'; 300_000]);
    let window = Limits::default().window as usize;
    let mut sent = 0;
    for round in 0..10 {
        loop {
            let len = raw.connection.send(deaf, &message[sent..]);
            raw.flush();
            if len == 0 {
                break;
            }
            sent += len;
        }
        // What would have opened its window has come before this.
        raw.echoes(quick, &format!("round {round}"));
    }
    assert_eq!(sent, window);
    assert!(raw.body(deaf).is_empty());
    server.turn(|cx| {
        let all: Vec<ConnId> = cx.connections().collect();
        all.into_iter().for_each(|id| cx.resume(id));
    });
    let mut round = 0;
    while sent < message.len() {
        let len = raw.connection.send(deaf, &message[sent..]);
        raw.flush();
        if len == 0 {
            round += 1;
            raw.echoes(quick, &format!("round {round}"));
        }
        sent += len;
    }
    let expected = sent_by(Role::Server, RawHeader::TEXT, &vec![b'x'; 300_000]);
    raw.until(|raw| raw.body(deaf).len() == expected.len());
    assert_eq!(raw.body(deaf), expected);
    drop(raw);
    server.end();
}

/// A page of elsewhere is refused on its stream, and nobody beside it notices.
#[test]
fn origins() {
    let server = server(None, |_| {});
    let mut raw = Raw::to(&server);
    let own = raw.websocket("/");
    for (origin, status) in [
        ("http://a", 200),
        ("https://a", 200),
        ("http://a:8080", 403),
        ("https://evil.example", 403),
        ("null", 403),
        ("http://a, http://a", 403),
    ] {
        let id = raw.websocket_with("/", &[("origin", origin)]);
        raw.until(|raw| raw.status(id).is_some());
        assert_eq!(raw.status(id), Some(status), "{origin}");
    }
    // A name that is made to resolve to us.
    let rebound = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "evil.example"),
        ("sec-websocket-version", "13"),
        ("origin", "http://evil.example"),
    ];
    let id = raw.ask(&rebound, false);
    raw.until(|raw| raw.status(id).is_some());
    assert_eq!(raw.status(id), Some(421));
    raw.echoes(own, "still here");
    drop(raw);
    server.end();
}

/// Each WebSocket counts for the address that it comes from, and so does the socket.
#[test]
fn limits_of_an_address() {
    let server = server(None, |settings| settings.max_per_address = Some(3));
    let mut raw = Raw::to(&server);
    let ids = [(); 3].map(|()| raw.websocket("/"));
    raw.until(|raw| ids.iter().all(|id| raw.status(*id).is_some()));
    assert_eq!(ids.map(|id| raw.status(id)), [Some(200), Some(200), Some(429)]);
    // Whoever comes by another socket finds no room either.
    let mut other = TcpStream::connect(server.address).unwrap();
    let mut answer = String::new();
    other.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    // One that has ended makes room for another.
    raw.connection.finish(ids[0]);
    raw.until(|raw| raw.ended.contains(&ids[0]));
    server.turn(|_| ());
    let next = raw.websocket("/");
    raw.until(|raw| raw.status(next).is_some());
    assert_eq!(raw.status(next), Some(200));
    raw.echoes(next, "there is room");
    raw.echoes(ids[1], "still here");
    // And so does the end of the socket, for all that it has carried.
    drop(raw);
    while server.stats().connections > 0 {}
    let mut raw = Raw::to(&server);
    let ids = [(); 2].map(|()| raw.websocket("/"));
    raw.until(|raw| ids.iter().all(|id| raw.status(*id).is_some()));
    assert_eq!(ids.map(|id| raw.status(id)), [Some(200); 2]);
    drop(raw);
    server.end();
}

fn behind_proxies(settings: &mut Settings, announce: bool) {
    let proxies = TrustedProxies::new(ForwardedField::XForwardedFor).allow("127.0.0.1").unwrap();
    settings.trusted_proxies = Some(Arc::new(proxies.allow("10.0.0.0/8").unwrap()));
    settings.proxy_protocol = announce;
}

/// A front that speaks HTTP/2 names the client of each stream, and each counts by itself.
#[test]
fn a_front_that_names_the_client_of_each_stream() {
    let server = server(None, |settings| {
        behind_proxies(settings, false);
        settings.max_per_address = Some(2);
    });
    let mut raw = Raw::to(&server);
    for client in ["192.0.2.1", "192.0.2.2"] {
        let field = [("x-forwarded-for", client)];
        let page = raw.page("/client", &field);
        raw.until(|raw| raw.ended.contains(&page));
        assert_eq!(raw.body(page), format!("{client}\n").as_bytes());
        server.turn(|_| ());
        let ids = [(); 3].map(|()| raw.websocket_with("/", &field));
        raw.until(|raw| ids.iter().all(|id| raw.status(*id).is_some()));
        assert_eq!(ids.map(|id| raw.status(id)), [Some(200), Some(200), Some(429)]);
    }
    drop(raw);
    server.end();
}

/// What a proxy announces in front of HTTP/2 holds for each stream, whatever the client writes in a request itself.
#[test]
fn a_proxy_that_announces_the_client() {
    let server = server(None, |settings| {
        behind_proxies(settings, true);
        settings.max_per_address = Some(3);
    });
    let field = [("x-forwarded-for", "192.0.2.7")];
    for (header, client) in [
        ("PROXY TCP4 192.0.2.1 192.0.2.9 50000 443\r\n", "192.0.2.1"),
        ("PROXY UNKNOWN\r\n", "127.0.0.1"),
        // A proxy's again, which writes the field.
        ("PROXY TCP4 10.0.0.1 192.0.2.9 50000 443\r\n", "192.0.2.7"),
    ] {
        // In one piece; the header alone; its end with what follows; in the middle of the preface.
        for cut in [0, header.len(), header.len() - 1, header.len() + 5] {
            let mut raw = Raw::to(&server);
            let page = raw.page("/client", &field);
            let whole = [header.as_bytes(), raw.connection.pending()].concat();
            raw.connection.advance(raw.connection.pending().len());
            raw.socket.write_all(&whole[..cut]).unwrap();
            server.turn(|_| ());
            raw.socket.write_all(&whole[cut..]).unwrap();
            raw.until(|raw| raw.ended.contains(&page));
            assert_eq!(raw.body(page), format!("{client}\n").as_bytes(), "{header:?} {cut}");
            server.turn(|_| ());
            let ids = [(); 4].map(|()| raw.websocket_with("/", &field));
            raw.until(|raw| ids.iter().all(|id| raw.status(*id).is_some()));
            // The socket counts for whom it was announced, unless that is a proxy.
            let of_a_proxy = header.contains("10.0.0.1");
            let third = if of_a_proxy { 200 } else { 429 };
            let expected = [200, 200, third, 429].map(Some);
            assert_eq!(ids.map(|id| raw.status(id)), expected, "{header:?} {cut}");
            drop(raw);
            while server.stats().connections > 0 {}
        }
    }
    server.end();
}

/// A shutdown says GOAWAY and closes each WebSocket by 1001; the socket ends with the last of them.
#[test]
fn draining() {
    let server = server(None, |_| {});
    let mut raw = Raw::to(&server);
    let ids = [raw.websocket("/a"), raw.websocket("/b")];
    raw.until(|raw| raw.heads.len() == 2);
    server.remote.run(|cx| cx.shutdown(Duration::from_secs(60))).unwrap();
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

/// A client for which ALPN has chosen HTTP/2, and which says nothing, hears nothing that is not HTTP/2: neither when the
/// time of its handshake is over, nor at a shutdown, nor where its TLS handshake is not done.
#[test]
fn silent_clients() {
    let authority = Authority::new();
    for (protocol, greets, ends_by_time) in [
        ("h2", true, true),
        ("h2", true, false),
        ("h2", false, true),
        ("h2", false, false),
        ("http/1.1", true, false),
    ] {
        let identity = authority.issue(&["localhost"]);
        let tls = TlsServer::builder().identity(vec![identity.certificate], identity.key).http2().build();
        let server = server(Some(tls.unwrap()), |settings| {
            if ends_by_time {
                settings.handshake_timeout = Duration::from_secs(3); // enough for TLS on a busy machine
            }
        });
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.certificate()).unwrap();
        let mut config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.into()];
        let mut tls =
            rustls::ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        let mut socket = TcpStream::connect(server.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        while greets && (tls.is_handshaking() || tls.wants_write()) {
            tls.complete_io(&mut socket).unwrap();
        }
        while server.stats().accepted == 0 {}
        if !ends_by_time {
            server.remote.run(|cx| cx.shutdown(Duration::from_secs(60))).unwrap();
        }
        let mut said = Vec::new();
        if greets {
            // An end without close_notify is one, too.
            let _ = rustls::Stream::new(&mut tls, &mut socket).read_to_end(&mut said);
        } else {
            let _ = socket.read_to_end(&mut said);
            assert_eq!(said, b"", "it has not said hello");
        }
        match (protocol, greets && !ends_by_time) {
            ("h2", true) => {
                let mut client = Connection::client(Limits::default());
                client.receive(&said, Instant::now()).unwrap();
                let events: Vec<_> = std::iter::from_fn(|| client.next()).collect();
                assert_eq!(events, [Event::Ready, Event::GoAway(ErrorCode::NO_ERROR)]);
            }
            ("h2", false) => assert_eq!(said, b""),
            _ => assert!(said.starts_with(b"HTTP/1.1 503 "), "{}", String::from_utf8_lossy(&said)),
        }
        drop(socket);
        if ends_by_time {
            server.end();
        } else {
            server.thread.join().unwrap();
        }
    }
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
