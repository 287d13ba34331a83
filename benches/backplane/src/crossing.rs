//! Messages from one node to the client of another: over a link in the loop's own `Poll`, and as a program would do it
//! with the `redis` crate, in threads beside its loops. The loops, the client and the redis-server are the same.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bowsprit::backplane::{BackplaneSettings, LinkEvent};
use bowsprit::event_loop::{ConnId, Context, EventLoop, Handler, Remote, To};
use bowsprit::handshake::Agreement;
use bowsprit::message::Message;

use super::bare::Bare;
use super::socketio::SocketIo;
use super::{median, processor_time, this_thread};

pub(super) const MESSAGES: usize = 200_000;
pub(super) const PAYLOAD: [u8; 64] = [b'x'; 64];
/// The size of a server's frame: two bytes of header, no mask.
const FRAME: usize = 2 + PAYLOAD.len();
/// How many messages are published in one turn.
const CHUNK: usize = 256;
pub(super) const ROUNDS: usize = 400;
/// The pause between two timed messages, so that everything sleeps when one comes: 200 a second.
pub(super) const PAUSE: Duration = Duration::from_millis(5);
const RUNS: usize = 5;
const TOPIC: &str = "x";

/// Messages a second, and microseconds of CPU time for each at the publishing and at the receiving node.
pub(super) type Figures = [f64; 3];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// `Engine::join_backplane`.
    Link,
    /// The `redis` crate.
    Crate,
    /// No other node: the client is on the same loop.
    Local,
}

struct App {
    events: Sender<()>,
    way: Way,
    /// Whether its clients subscribe to the topic.
    listens: bool,
    /// The channel to the thread that publishes with the `redis` crate.
    publisher: Option<SyncSender<Vec<u8>>>,
}

impl Handler for App {
    type Data = ();

    fn on_open(&mut self, cx: &mut Context<()>, id: ConnId, _: &Agreement) {
        if self.listens {
            cx.subscribe(id, TOPIC).unwrap();
        }
        let _ = self.events.send(());
    }

    /// Relays what a client sends, as a chat does; the clients that are counted on send nothing.
    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        let others = To::topic(TOPIC).except(id);
        match &self.publisher {
            _ if self.way == Way::Link => drop(cx.publish(others.everywhere(), message)),
            Some(publisher) => {
                publisher.try_send(message.as_bytes().to_vec()).expect("one message at a time")
            }
            None => drop(cx.publish(others, message)),
        }
    }

    fn on_backplane(&mut self, _: &mut Context<()>, event: &LinkEvent) {
        if let LinkEvent::Up { .. } = event {
            let _ = self.events.send(());
        }
    }
}

/// A loop in a thread of its own.
struct Node {
    remote: Remote<()>,
    address: SocketAddr,
    thread: i32,
    events: std::sync::mpsc::Receiver<()>,
    handle: Option<JoinHandle<()>>,
}

impl Node {
    fn start(
        way: Way,
        listens: bool,
        backplane: Option<String>,
        publisher: Option<SyncSender<Vec<u8>>>,
    ) -> Self {
        let (ready, started) = channel();
        let (sender, events) = channel();
        let handle = thread::spawn(move || {
            let mut event_loop = EventLoop::new().unwrap();
            let address = event_loop.listen("127.0.0.1:0".parse().unwrap()).unwrap();
            if let Some(url) = &backplane {
                event_loop.engine().join_backplane(url, BackplaneSettings::default()).unwrap();
            }
            ready.send((event_loop.remote().unwrap(), address, this_thread())).unwrap();
            event_loop.run(&mut App { events: sender, way, listens, publisher }).unwrap();
        });
        let (remote, address, thread) = started.recv().unwrap();
        Self { remote, address, thread, events, handle: Some(handle) }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.remote.stop();
        if let Some(handle) = self.handle.take() {
            handle.join().unwrap();
        }
    }
}

/// Two nodes, with a client of the second one and a client of the node that publishes.
struct World {
    way: Way,
    from: Node,
    to: Node,
    client: TcpStream,
    speaker: TcpStream,
    /// The channel to the thread that publishes with the `redis` crate.
    publisher: Option<SyncSender<Vec<u8>>>,
    /// The threads that publish, and the threads that receive.
    threads: [Vec<i32>; 2],
}

impl World {
    fn new(way: Way, port: u16) -> Self {
        let url = (way == Way::Link).then(|| format!("redis://127.0.0.1:{port}/bench"));
        let (publisher, publishing) =
            (way == Way::Crate).then(|| publish_in_a_thread(redis_at(port))).unzip();
        let [from, to] =
            [false, true].map(|listens| Node::start(way, listens, url.clone(), publisher.clone()));
        if way == Way::Link {
            from.events.recv().unwrap();
            to.events.recv().unwrap();
        }
        let client = connect(to.address);
        to.events.recv().unwrap();
        let speaks_to = if way == Way::Local { &to } else { &from };
        let speaker = connect(speaks_to.address);
        speaks_to.events.recv().unwrap();
        let mut threads = [vec![from.thread], vec![to.thread]];
        threads[0].extend(publishing);
        if way == Way::Crate {
            threads[1].push(receive_in_a_thread(redis_at(port), to.remote.clone()));
        }
        let mut world = Self { way, from, to, client, speaker, publisher, threads };
        // Everything is connected once one message has come.
        while !{
            world.publish(1);
            world.client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            world.client.read_exact(&mut [0; FRAME]).is_ok()
        } {}
        world.client.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        while world.client.read(&mut [0; 4096]).is_ok() {}
        world.client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        world
    }

    /// Publishes `count` messages in one turn of the first loop. Returns for how many of them there was room.
    fn publish(&self, count: usize) -> usize {
        let (sender, published) = sync_channel(1);
        let (way, publisher) = (self.way, self.publisher.clone());
        let node = if way == Way::Local { &self.to } else { &self.from };
        node.remote
            .run(move |cx| {
                let mut done = 0;
                match (way, publisher) {
                    (Way::Crate, Some(publisher)) => {
                        done =
                            (0..count).take_while(|_| publisher.try_send(PAYLOAD.to_vec()).is_ok()).count();
                    }
                    (Way::Local, _) => {
                        for _ in 0..count {
                            done += 1;
                            cx.publish(To::topic(TOPIC), Message::Binary(&PAYLOAD));
                        }
                    }
                    _ if cx.backplane_stats().is_some_and(|stats| stats.queued < 2 << 20) => {
                        for _ in 0..count {
                            done += 1;
                            cx.publish(To::topic(TOPIC).everywhere(), Message::Binary(&PAYLOAD));
                        }
                    }
                    _ => {}
                }
                let _ = sender.send(done);
            })
            .unwrap();
        published.recv().unwrap()
    }

    fn processor_time(&self) -> [Duration; 2] {
        [0, 1].map(|side: usize| self.threads[side].iter().map(|thread| processor_time(*thread)).sum())
    }

    fn throughput(&self) -> Figures {
        let mut reader = self.client.try_clone().unwrap();
        let reading = thread::spawn(move || {
            let mut left = MESSAGES * FRAME;
            let mut buffer = vec![0; 256 << 10];
            while left > 0 {
                let len = reader.read(&mut buffer).unwrap();
                assert!(len > 0 && len <= left, "each message, once");
                left -= len;
            }
            Instant::now()
        });
        let before = self.processor_time();
        let start = Instant::now();
        let mut published = 0;
        while published < MESSAGES {
            let done = self.publish(CHUNK.min(MESSAGES - published));
            published += done;
            if done == 0 {
                thread::sleep(Duration::from_micros(200));
            }
        }
        let took = reading.join().unwrap().duration_since(start).as_secs_f64();
        let after = self.processor_time();
        let each = |side: usize| (after[side] - before[side]).as_secs_f64() * 1e6 / MESSAGES as f64;
        [MESSAGES as f64 / took, each(0), each(1)]
    }

    /// Returns the median time in microseconds from when one client writes a message until the other has it.
    fn latency(&mut self) -> f64 {
        let mut frame = vec![0x82, 0x80 | PAYLOAD.len() as u8, 0, 0, 0, 0];
        frame.extend(PAYLOAD);
        let mut times = vec![0.0; ROUNDS];
        for time in &mut times {
            thread::sleep(PAUSE);
            let start = Instant::now();
            self.speaker.write_all(&frame).unwrap();
            self.client.read_exact(&mut [0; FRAME]).unwrap();
            *time = start.elapsed().as_secs_f64() * 1e6;
        }
        median(&mut times)
    }
}

fn redis_at(port: u16) -> redis::Client {
    redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap()
}

/// Starts the thread with the `redis` crate's side of the publishing node.
fn publish_in_a_thread(client: redis::Client) -> (SyncSender<Vec<u8>>, i32) {
    let (sender, messages) = sync_channel::<Vec<u8>>(65_536);
    let (started, tid) = channel();
    let mut connection = client.get_connection().unwrap();
    thread::spawn(move || {
        started.send(this_thread()).unwrap();
        while let Ok(first) = messages.recv() {
            // All waiting messages go out at once.
            let mut pipe = redis::pipe();
            pipe.publish("bench:x", first).ignore();
            for message in messages.try_iter().take(CHUNK - 1) {
                pipe.publish("bench:x", message).ignore();
            }
            pipe.query::<()>(&mut connection).unwrap();
        }
    });
    (sender, tid.recv().unwrap())
}

/// Starts the thread with the `redis` crate's side of the receiving node.
fn receive_in_a_thread(client: redis::Client, remote: Remote<()>) -> i32 {
    let (started, tid) = channel();
    let mut connection = client.get_connection().unwrap();
    thread::spawn(move || {
        let mut subscription = connection.as_pubsub();
        subscription.subscribe("bench:x").unwrap();
        started.send(this_thread()).unwrap();
        while let Ok(message) = subscription.get_message() {
            // The loop may be behind; if it is gone, this ends.
            let until = Instant::now() + Duration::from_secs(5);
            while remote.publish(To::topic(TOPIC), Message::Binary(message.get_payload_bytes())).is_err() {
                if Instant::now() > until {
                    return;
                }
                thread::yield_now();
            }
        }
    });
    tid.recv().unwrap()
}

fn connect(address: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_nodelay(true).unwrap();
    client
        .write_all(
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        )
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    client
}

/// Prints the medians of several runs, and returns them.
fn summary(name: &str, figures: &mut [Vec<f64>; 3]) -> Figures {
    let medians = figures.each_mut().map(|values| median(values));
    let range = |at: usize| format!("({:.2} to {:.2})", figures[at][0], figures[at][RUNS - 1]);
    println!(
        "{name}: {:.0}/s ({:.0} to {:.0}), publishing node {:.2} us {}, receiving node {:.2} us {}",
        medians[0],
        figures[0][0],
        figures[0][RUNS - 1],
        medians[1],
        range(1),
        medians[2],
        range(2)
    );
    medians
}

fn compared(ours: Figures, other: Figures, name: &str) {
    let ratio = |at: usize| ours[at] / other[at];
    println!(
        "Link / {name}: throughput {:.2}, publishing {:.2}, receiving {:.2}",
        ratio(0),
        ratio(1),
        ratio(2)
    );
}

fn heading() {
    println!(
        "{MESSAGES} messages of {} bytes, {RUNS} runs that take turns: median (least to most)",
        PAYLOAD.len()
    );
}

pub(super) fn compare_with_socketio(port: u16) {
    let mut link = World::new(Way::Link, port);
    let mut socketio = SocketIo::new(port);
    heading();
    let mut figures = [const { [const { Vec::new() }; 3] }; 2];
    let mut latencies = [const { Vec::new() }; 2];
    for _ in 0..RUNS {
        for (figures, values) in figures.iter_mut().zip([link.throughput(), socketio.throughput()]) {
            figures.iter_mut().zip(values).for_each(|(figure, value)| figure.push(value));
        }
        for (latencies, value) in latencies.iter_mut().zip([link.latency(), socketio.latency()]) {
            latencies.push(value);
        }
    }
    let [ours, theirs] = &mut figures;
    compared(summary("Link", ours), summary("Socket.IO", theirs), "Socket.IO");
    let [ours, theirs] = latencies.each_mut().map(|values| median(values));
    println!(
        "median latency of {ROUNDS}: Link {ours:.0} us, Socket.IO {theirs:.0} us ({:.2})",
        ours / theirs
    );
}

pub(super) fn compare(port: u16) {
    let ways = [Way::Link, Way::Crate];
    let worlds = ways.map(|way| World::new(way, port));
    heading();
    let mut figures = [const { [const { Vec::new() }; 3] }; 2];
    for _ in 0..RUNS {
        for (world, figures) in worlds.iter().zip(&mut figures) {
            for (figure, value) in figures.iter_mut().zip(world.throughput()) {
                figure.push(value);
            }
        }
    }
    let [ours, others] = &mut figures;
    compared(summary("Link", ours), summary("Crate", others), "Crate");
    drop(worlds);
    // One after the other in each run, because they mostly wait for each other.
    let mut worlds = [Way::Link, Way::Crate, Way::Local].map(|way| World::new(way, port));
    let mut bare = [Bare::across(port), Bare::alone()];
    let mut latencies = [const { Vec::new() }; 5];
    for _ in 0..RUNS {
        let took = worlds.iter_mut().map(World::latency).chain(bare.iter_mut().map(Bare::latency));
        for (latencies, value) in latencies.iter_mut().zip(took.collect::<Vec<_>>()) {
            latencies.push(value);
        }
    }
    let [link, other, local, across, alone] = latencies.each_mut().map(|values| median(values));
    println!(
        "median latency of {ROUNDS}: Link {link:.0} us, Crate {other:.0} us, one node alone {local:.0} us; \
         bytes passed on: across {across:.0} us, one thread alone {alone:.0} us"
    );
    println!(
        "Link / Crate {:.2}, Link / one node {:.2}; bytes passed on: across / alone {:.2}, Link / across {:.2}",
        link / other,
        link / local,
        across / alone,
        link / across
    );
}
