//! permessage-deflate over real sockets: servers and clients in one loop.
#![cfg(all(feature = "deflate", feature = "event-loop"))]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bowsprit::connection::{Compression, Config};
use bowsprit::event_loop::{ConnId, Context, Ended, EventLoop, Failed, Handler, Settings};
use bowsprit::extension::deflate::{DeflateConfig, DeflateParams, ReceiveContext, SendContext, WindowBits};
use bowsprit::handshake::{Agreement, ClientRequest};
use bowsprit::message::Message;

/// Clients send; the server echoes, or broadcasts what asks for it.
#[derive(Default)]
struct Both {
    clients: Vec<ConnId>,
    agreed: Vec<Option<DeflateParams>>,
    heard: Vec<(ConnId, String)>,
    failed: Option<String>,
}

impl Handler for Both {
    type Data = ();

    fn on_open(&mut self, _: &mut Context<()>, _: ConnId, agreement: &Agreement) {
        self.agreed.push(agreement.deflate());
    }

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        let Message::Text(text) = message else { return };
        if self.clients.contains(&id) {
            self.heard.push((id, text.to_owned()));
        } else if text.starts_with("all:") {
            let clients = self.clients.clone();
            cx.publish_where(|id| !clients.contains(&id), message);
        } else {
            cx.send(id, message);
        }
    }

    fn on_close(&mut self, _: &mut Context<()>, _: ConnId, ended: &Ended) {
        self.failed = Some(format!("{ended:?}"));
    }

    fn on_failed(&mut self, _: &mut Context<()>, _: ConnId, failed: &Failed) {
        self.failed = Some(format!("{failed:?}"));
    }
}

struct Loop {
    turns: EventLoop<()>,
    address: SocketAddr,
    both: Both,
}

impl Loop {
    fn new(deflate: Option<DeflateConfig>) -> Self {
        let mut config = Config::default();
        config.deflate = deflate;
        let mut settings = Settings::default();
        settings.connection = Arc::new(config);
        let mut turns = EventLoop::with_settings(settings).unwrap();
        let address = turns.listen(([127, 0, 0, 1], 0).into()).unwrap();
        Self { turns, address, both: Both::default() }
    }

    fn connect(&mut self, clients: usize) {
        for _ in 0..clients {
            let request = ClientRequest::new("localhost", "/").unwrap();
            let id = self.turns.context().connect(self.address, request).unwrap();
            self.both.clients.push(id);
        }
        self.until(|both| both.agreed.len() == 2 * clients);
    }

    fn until(&mut self, done: impl Fn(&Both) -> bool) {
        let by = Instant::now() + Duration::from_secs(60);
        while !done(&self.both) {
            assert!(Instant::now() < by && self.both.failed.is_none(), "{:?}", self.both.failed);
            self.turns.turn(&mut self.both, Some(Duration::from_millis(100))).unwrap();
        }
    }

    /// One client sends, and `heard` of them hear it.
    fn say(&mut self, from: usize, text: &str, choice: Compression, heard: usize) {
        self.both.heard.clear();
        let id = self.both.clients[from];
        self.turns.context().send_compressed(id, Message::Text(text), choice);
        self.until(|both| both.heard.len() == heard);
        assert!(self.both.heard.iter().all(|(_, said)| said == text));
    }
}

fn deflate(change: impl FnOnce(&mut DeflateConfig)) -> Option<DeflateConfig> {
    let mut deflate = DeflateConfig::default();
    deflate.threshold = 0;
    change(&mut deflate);
    Some(deflate)
}

#[test]
fn echoes_under_all_contexts() {
    for (send, receive) in [
        (SendContext::Fresh, ReceiveContext::Fresh),
        (SendContext::Window, ReceiveContext::Window),
        (SendContext::Compressor, ReceiveContext::Window),
    ] {
        let mut both_sides = Loop::new(deflate(|deflate| {
            deflate.send_context = send;
            deflate.receive_context = receive;
        }));
        both_sides.connect(2);
        let large = "κόσμε, large and repetitive; ".repeat(2_000);
        for text in ["", "small", &large, "small", &large] {
            for client in [0, 1] {
                for choice in [Compression::Auto, Compression::On, Compression::Off] {
                    both_sides.say(client, text, choice, 1);
                }
            }
        }
        let pool = both_sides.turns.context().deflate();
        assert!(pool.received().ratio() > 20.0, "{:?}", pool.received());
        assert!(pool.memory() < 2 << 20, "{}", pool.memory());
    }
}

#[test]
fn what_is_broadcast_is_compressed_once() {
    let mut both_sides = Loop::new(deflate(|_| {}));
    both_sides.connect(20);
    let before = both_sides.turns.context().deflate().sent().messages;
    let news = "all: the same for everybody; ".repeat(1000);
    both_sides.say(3, &news, Compression::Off, 20);
    let sent = both_sides.turns.context().deflate().sent();
    assert_eq!(sent.messages, before + 1, "{sent:?}");
}

#[test]
fn windows_are_agreed_and_kept_to() {
    let small = WindowBits::new(9).unwrap();
    let mut both_sides = Loop::new(deflate(|deflate| {
        deflate.send_context = SendContext::Window;
        deflate.receive_context = ReceiveContext::Window;
        deflate.send_window = small;
        deflate.receive_window = Some(small);
    }));
    both_sides.connect(1);
    let agreed = DeflateParams {
        server_max_window_bits: small,
        client_max_window_bits: small,
        ..DeflateParams::default()
    };
    assert_eq!(both_sides.both.agreed, [Some(agreed); 2]);
    both_sides.say(0, &"a window of 512 bytes ".repeat(500), Compression::Auto, 1);
}

#[test]
fn without_it_nothing_is_offered_and_offers_are_passed_over() {
    let mut both_sides = Loop::new(None);
    both_sides.connect(1);
    assert_eq!(both_sides.both.agreed, [None; 2]);
    both_sides.say(0, "plain", Compression::On, 1);

    assert!(!answer(&mut both_sides, "permessage-deflate").contains("Extensions"));
}

/// Offers as the wire has them, and the answer.
#[test]
fn offers_are_answered() {
    let mut server = Loop::new(deflate(|deflate| {
        deflate.send_context = SendContext::Window;
        deflate.receive_context = ReceiveContext::Window;
        deflate.receive_window = Some(WindowBits::MAX);
    }));
    for (offer, answered) in [
        ("permessage-deflate", Some("permessage-deflate")),
        ("x-unknown; a=1; b=\"two\", permessage-deflate", Some("permessage-deflate")),
        (
            "permessage-deflate; server_max_window_bits=7, permessage-deflate; server_max_window_bits=\"10\"",
            Some("permessage-deflate; server_max_window_bits=10"),
        ),
        (
            "permessage-deflate; foo\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=9",
            Some("permessage-deflate; client_max_window_bits=9"),
        ),
        ("permessage-deflate; server_no_context_takeover=1", None),
        ("x-webkit-deflate-frame, permessage-bzip2, constructor, __proto__", None),
    ] {
        let head = answer(&mut server, offer);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let line = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
        assert_eq!(line, answered, "{offer}");
    }
}

/// The head of the server's response to `offer`.
fn answer(server: &mut Loop, offer: &str) -> String {
    let mut socket = TcpStream::connect(server.address).unwrap();
    let request = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Extensions: {offer}\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).unwrap();
    let opened = server.both.agreed.len();
    server.until(|both| both.agreed.len() > opened);
    let mut head = vec![0; 1024];
    server.turns.turn(&mut server.both, Some(Duration::ZERO)).unwrap();
    let len = socket.read(&mut head).unwrap();
    // The server hears of the end when this is dropped.
    server.both.failed = None;
    drop(socket);
    while server.both.failed.is_none() {
        server.turns.turn(&mut server.both, Some(Duration::from_millis(100))).unwrap();
    }
    server.both.failed = None;
    String::from_utf8(head[..len].to_vec()).unwrap()
}

/// The client without a loop: messages, pieces, and both.
#[cfg(feature = "blocking")]
#[test]
fn the_blocking_client_inflates() {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use bowsprit::blocking;
    use bowsprit::client::ClientConfig;
    use bowsprit::connection::{Delivery, Event};

    let windows = deflate(|deflate| {
        deflate.send_context = SendContext::Window;
        deflate.receive_context = ReceiveContext::Window;
    });
    let mut server = Loop::new(windows);
    let url = format!("ws://{}/", server.address);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let turning = std::thread::spawn(move || {
        while !stopped.load(Relaxed) {
            server.turns.turn(&mut server.both, Some(Duration::from_millis(20))).unwrap();
        }
    });
    for delivery in [Delivery::Messages, Delivery::Frames, Delivery::Both] {
        let mut config = Config::default();
        config.delivery = delivery;
        config.deflate = windows;
        let config = ClientConfig::new(&url).unwrap().connection(config);
        let mut client = blocking::connect_with(&config).unwrap();
        assert!(client.response().agreement().deflate().is_some());
        for text in ["small", &"large and repetitive; ".repeat(5000), "small"] {
            client.send(Message::Text(text)).unwrap();
            let (mut whole, mut pieces) = (None, Vec::new());
            loop {
                match client.read_event().unwrap().unwrap() {
                    Event::Message(message) => whole = Some(message.as_bytes().to_vec()),
                    Event::Chunk(chunk) => {
                        pieces.extend_from_slice(chunk.payload);
                        if chunk.message_ends && delivery == Delivery::Frames {
                            whole = Some(std::mem::take(&mut pieces));
                        }
                    }
                    _ => {}
                }
                if let Some(whole) = &whole {
                    assert_eq!(whole, text.as_bytes());
                    assert!(delivery != Delivery::Both || pieces == whole[..]);
                    break;
                }
            }
        }
    }
    stop.store(true, Relaxed);
    turning.join().unwrap();
}
