//! What the loop itself costs, without the system: its streams are in memory, so what remains is our own work.
//!
//!     cargo bench --bench turn               everything
//!     cargo bench --bench turn -- broadcast  one part
//!
//! The whole cost of a message is a figure from here and the cost of the system calls (`benches/compare` against
//! `null`). `benches/NOTES.md` says what these figures have led to.

mod stream;

use std::rc::Rc;

use bowsprit::event_loop::{ConnId, Context, Engine, Handler, Isolated, Readiness, Settings, To, Transport};
use bowsprit::frame::{DataKind, MaskKey, RawHeader};
use bowsprit::message::{Message, Prepared};
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use mio::{Poll, Token};
use stream::{InMemory, arrive};

fn main() {
    divan::main();
}

struct Echo;

impl Handler for Echo {
    type Data = u64;

    fn on_message(&mut self, cx: &mut Context<u64>, id: ConnId, message: Message<'_>) {
        cx.send(id, message);
    }
}

/// What one read brings: how many messages, and of how many bytes.
const READS: [(usize, usize); 6] =
    [(1, 16), (16, 16), (16, 125), (16, 1 << 10), (4, 16 << 10), (1, 64 << 10)];

#[divan::bench(args = READS)]
fn echo(bencher: Bencher<'_, '_>, (depth, size): (usize, usize)) {
    echoed(bencher, Echo, depth, size, DataKind::Binary, "7");
}

/// Echoes with a handler whose panics would be caught.
#[divan::bench(args = READS)]
fn echo_isolated(bencher: Bencher<'_, '_>, (depth, size): (usize, usize)) {
    echoed(bencher, Isolated(Echo), depth, size, DataKind::Binary, "7");
}

#[divan::bench(args = READS)]
fn echo_of_text(bencher: Bencher<'_, '_>, (depth, size): (usize, usize)) {
    echoed(bencher, Echo, depth, size, DataKind::Text, "7");
}

/// Echoes letters of two bytes, so that a check for ASCII does not skip them.
#[divan::bench(args = READS)]
fn echo_of_cyrillic(bencher: Bencher<'_, '_>, (depth, size): (usize, usize)) {
    echoed(bencher, Echo, depth, size, DataKind::Text, "ж");
}

/// Echoes one message a turn on one connection after the other: the cost to others of each further connection.
#[divan::bench(args = [10, 1_000, 15_000])]
fn echo_among(bencher: Bencher<'_, '_>, connections: usize) {
    let mut server = Server::open(Echo, connections);
    let read = reads(1, 125, DataKind::Binary, "7");
    let mut next = 0;
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for _ in 0..BATCH {
            server.arrive(next, &read);
            next = (next + 1) % connections;
        }
        server.turn();
    });
}

/// How many connections send something in a turn.
const BATCH: usize = 10;

/// Sends one message to each of a thousand connections, with this many broadcasts in one turn.
#[divan::bench(args = [1, 8])]
fn broadcast(bencher: Bencher<'_, '_>, messages: usize) {
    const RECEIVERS: usize = 1000;
    let mut server = Server::open(Echo, RECEIVERS);
    let mut stream = [0; 64];
    let counter = ItemsCount::new(RECEIVERS * messages);
    bencher.counter(counter).bench_local(|| {
        for number in 0..messages {
            stream[0] = number as u8;
            server.engine.context().publish(To::all(), Message::Binary(&stream));
        }
        server.turn();
    });
}

/// Publishes messages to a topic of a thousand connections, encoded once for all rounds.
#[divan::bench(args = [1, 8])]
fn publish(bencher: Bencher<'_, '_>, messages: usize) {
    const RECEIVERS: usize = 1000;
    let mut server = Server::open(Echo, RECEIVERS);
    let cx = server.engine.context();
    let ids: Vec<ConnId> = cx.connections().collect();
    for &id in &ids {
        cx.subscribe(id, "all").expect("an open connection subscribes");
    }
    let prepared = Prepared::new(Message::Binary(&[0; 64]));
    bencher.counter(ItemsCount::new(RECEIVERS * messages)).bench_local(|| {
        for _ in 0..messages {
            server.engine.context().publish("all", &prepared);
        }
        server.turn();
    });
}

/// Publishes one message to each of a thousand of ten thousand topics, of ten subscribers each.
#[divan::bench]
fn publish_to_topics(bencher: Bencher<'_, '_>) {
    const CONNECTIONS: usize = 1000;
    const TOPICS: usize = 10_000;
    const SUBSCRIBERS: usize = 10;
    const PUBLISHED: usize = 1000;
    let mut server = Server::open(Echo, CONNECTIONS);
    let cx = server.engine.context();
    let ids: Vec<ConnId> = cx.connections().collect();
    let names: Vec<String> = (0..TOPICS).map(|number| format!("topic/{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        for subscriber in 0..SUBSCRIBERS {
            let id = ids[(number * SUBSCRIBERS + subscriber * 37) % CONNECTIONS];
            cx.subscribe(id, name).expect("an open connection subscribes");
        }
    }
    let mut next = 0;
    bencher.counter(ItemsCount::new(PUBLISHED * SUBSCRIBERS)).bench_local(|| {
        for _ in 0..PUBLISHED {
            server.engine.context().publish(&*names[next], Message::Binary(&[0; 64]));
            next = (next + 7) % TOPICS;
        }
        server.turn();
    });
}

fn echoed<H: Handler<Data = u64>>(
    bencher: Bencher<'_, '_>,
    handler: H,
    depth: usize,
    size: usize,
    kind: DataKind,
    letter: &str,
) {
    const CONNECTIONS: usize = 64;
    let mut server = Server::open(handler, CONNECTIONS);
    let read = reads(depth, size, kind, letter);
    let count = CONNECTIONS * depth;
    bencher.counter(ItemsCount::new(count)).counter(BytesCount::new(count * size)).bench_local(|| {
        for number in 0..CONNECTIONS {
            server.arrive(number, &read);
        }
        server.turn();
    });
}

/// Returns what one read brings: `depth` messages of at most `size` bytes of one repeated letter.
fn reads(depth: usize, size: usize, kind: DataKind, letter: &str) -> Rc<[u8]> {
    let key = MaskKey([0x37, 0xfa, 0x21, 0x3d]);
    let mut payload = letter.repeat(size / letter.len()).into_bytes();
    key.apply(&mut payload);
    let mut read = Vec::new();
    for _ in 0..depth {
        RawHeader::of(kind.opcode()).with_length(payload.len() as u64).with_mask(key).encode_into(&mut read);
        read.extend_from_slice(&payload);
    }
    Rc::from(read)
}

/// An engine with open connections.
struct Server<H> {
    engine: Engine<u64>,
    handler: H,
    tokens: Vec<Token>,
    _poll: Poll,
}

impl<H: Handler<Data = u64>> Server<H> {
    fn open(handler: H, connections: usize) -> Self {
        let poll = Poll::new().expect("a poll");
        let now = std::time::Instant::now();
        let mut engine = Engine::new_at(Settings::default(), poll.registry(), 0..usize::MAX, now)
            .expect("room for connections");
        let mut tokens = Vec::new();
        for _ in 0..connections {
            let id = engine.adopt(Transport::other(InMemory)).expect("a stream that is always registered");
            tokens.push(engine.token_of(id).expect("it is there"));
        }
        let mut server = Self { engine, handler, tokens, _poll: poll };
        for number in 0..connections {
            server.arrive(number, &Rc::from(REQUEST));
        }
        server.turn();
        assert_eq!(server.engine.context().connections().count(), connections, "all are open");
        server
    }

    fn arrive(&mut self, number: usize, bytes: &Rc<[u8]>) {
        arrive(Rc::clone(bytes));
        self.engine.ready(self.tokens[number], Readiness::READABLE, &mut self.handler);
    }

    fn turn(&mut self) {
        let now = self.engine.context().now();
        self.engine.on_time(now, &mut self.handler);
        // What a turn leaves for the next one belongs to it.
        while self.engine.next_deadline().is_some_and(|at| at <= now) {
            self.engine.on_time(now, &mut self.handler);
        }
    }
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
