//! A million subscribers over 100 nodes: what a node pays for published messages, over real links and a real
//! redis-server. Only the subscribers are simulated: a node knows how many of its own want which topic, and counts a
//! message that comes once for each of them. Sending to them costs what a local broadcast costs.

use std::collections::HashMap;
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bowsprit::backplane::{Action, Address, BackplaneSettings, Incoming, Link, LinkEvent, NodeId};
use bowsprit::entropy::SystemEntropy;
use bowsprit::message::Message;
use rustix::time::{ClockId, clock_gettime};

const NODES: usize = 100;
const SUBSCRIBERS: usize = 1_000_000;
const MESSAGES: usize = 10_000;
/// How many messages are published before all nodes are given time to receive.
const BATCH: usize = 200;
const IDLE: Duration = Duration::from_secs(6);
const PAYLOAD: [u8; 64] = [b'x'; 64];

struct Node {
    link: Link,
    stream: TcpStream,
    /// Topics, each with the number of its subscribers here.
    members: HashMap<String, u32>,
    is_up: bool,
    /// Nanoseconds of CPU time.
    publishing: u64,
    receiving: u64,
    other: u64,
    received: u64,
    reached: u64,
}

/// Returns the nanoseconds of CPU time that this thread has used, system calls included.
fn now_here() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

impl Node {
    fn new(number: usize, port: u16, prefix: &str) -> Self {
        let address = Address::parse(&format!("redis://127.0.0.1:{port}/{prefix}")).unwrap();
        let (now, node) = (Instant::now(), (NodeId(1 + number as u64), 1));
        let mut link =
            Link::new(address, BackplaneSettings::default(), node, Box::new(SystemEntropy::new()), now)
                .unwrap();
        assert_eq!(link.next_action(), Some(Action::Dial));
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_nonblocking(true).unwrap();
        link.connected(now);
        let (members, is_up) = (HashMap::new(), false);
        Self { link, stream, members, is_up, publishing: 0, receiving: 0, other: 0, received: 0, reached: 0 }
    }

    /// Writes what is pending, as far as the socket accepts it.
    fn write(&mut self) {
        let now = Instant::now();
        loop {
            let pending = self.link.pending(now);
            if pending.is_empty() {
                return;
            }
            match self.stream.write(pending) {
                Ok(len) => self.link.advance(len),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Reads once if there is something. Returns whether there was.
    fn read(&mut self, scratch: &mut [u8]) -> bool {
        let (now, begin) = (Instant::now(), now_here());
        let len = match self.stream.read(scratch) {
            Ok(len) => len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => panic!("{error}"),
        };
        assert!(len > 0, "redis-server has ended the connection");
        let (members, mut received, mut reached) = (&self.members, 0, 0);
        self.link.receive(&scratch[..len], now, |incoming| {
            if let Incoming::Message(delivery) = incoming {
                received += 1;
                reached +=
                    u64::from(delivery.topic.and_then(|topic| members.get(topic)).copied().unwrap_or(0));
            }
        });
        let took = now_here() - begin;
        if received > 0 {
            self.receiving += took
        } else {
            self.other += took
        }
        (self.received, self.reached) = (self.received + received, self.reached + reached);
        while let Some(event) = self.link.next_event() {
            match event {
                LinkEvent::Up { .. } => self.is_up = true,
                LinkEvent::Presence { .. } => {}
                event => panic!("{event}"),
            }
        }
        true
    }

    /// Does what is due; a loop would be woken for it.
    fn tick(&mut self) {
        let (now, begin) = (Instant::now(), now_here());
        let is_due = self.link.next_timeout() <= now;
        if is_due {
            self.link.handle_timeout(now);
        }
        if is_due || !self.link.pending(now).is_empty() {
            self.write();
            self.other += now_here() - begin;
        }
    }
}

/// Serves all nodes until nothing has come for `quiet`.
fn settle(nodes: &mut [Node], quiet: Duration, scratch: &mut [u8]) {
    let mut last = Instant::now();
    loop {
        for node in &mut *nodes {
            node.tick();
            while node.read(scratch) {
                last = Instant::now();
            }
        }
        if last.elapsed() >= quiet {
            return;
        }
    }
}

fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// Returns the next number of a well-distributed sequence, the same in each run.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn run(topics: usize, port: u16) {
    let mut scratch = vec![0; 256 << 10];
    let mut nodes: Vec<Node> = Vec::new();
    let mut members = vec![HashMap::new(); NODES];
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    // Every subscriber is in one topic.
    for subscriber in 0..SUBSCRIBERS {
        let topic = (next(&mut random) % topics as u64).to_string();
        *members[subscriber % NODES].entry(topic).or_default() += 1;
    }
    let before = resident();
    let wanted: usize = members.iter().map(HashMap::len).sum();
    for (number, members) in members.into_iter().enumerate() {
        let mut node = Node::new(number, port, &format!("t{topics}"));
        for topic in members.keys() {
            node.link.subscribe(topic);
        }
        node.members = members;
        nodes.push(node);
        while !nodes[number].is_up {
            settle(&mut nodes, Duration::ZERO, &mut scratch);
        }
    }
    settle(&mut nodes, Duration::from_millis(500), &mut scratch);
    let memory = (resident().saturating_sub(before)) as f64 / NODES as f64 / 1024.0;
    // Nothing is published: this measures what nodes report about themselves.
    nodes.iter_mut().for_each(|node| node.other = 0);
    let start = Instant::now();
    while start.elapsed() < IDLE {
        settle(&mut nodes, Duration::ZERO, &mut scratch);
        std::thread::sleep(Duration::from_millis(20));
    }
    let idle =
        nodes.iter().map(|node| node.other).sum::<u64>() as f64 / NODES as f64 / IDLE.as_secs_f64() / 1e7;
    nodes.iter_mut().for_each(|node| (node.receiving, node.received, node.reached) = (0, 0, 0));
    let start = Instant::now();
    let mut expected = 0;
    for batch in 0..MESSAGES / BATCH {
        for message in 0..BATCH {
            let topic = (next(&mut random) % topics as u64).to_string();
            let number = (batch * BATCH + message) % NODES;
            expected += (0..NODES)
                .filter(|at| *at != number && nodes[*at].members.contains_key(&topic))
                .count() as u64;
            let node = &mut nodes[number];
            let begin = now_here();
            node.link.publish(Some(&topic), Message::Binary(&PAYLOAD), None, None, Instant::now());
            node.write();
            node.publishing += now_here() - begin;
        }
        // Everything published has reached every node that wants it.
        let until = Instant::now() + Duration::from_secs(30);
        while nodes.iter().map(|node| node.received).sum::<u64>() < expected {
            settle(&mut nodes, Duration::ZERO, &mut scratch);
            assert!(Instant::now() < until, "something is missing");
        }
    }
    let took = start.elapsed().as_secs_f64();
    let sum = |of: fn(&Node) -> u64| nodes.iter().map(of).sum::<u64>() as f64;
    let (publishing, receiving) = (sum(|node| node.publishing), sum(|node| node.receiving));
    let (received, reached) = (sum(|node| node.received), sum(|node| node.reached));
    let stats: Vec<_> = nodes.iter().map(|node| node.link.stats(Instant::now())).collect();
    assert_eq!(received as u64, expected, "each message, once");
    assert!(stats.iter().all(|stats| stats.lost == 0 && stats.dropped == 0), "nothing is lost here");
    // What a node pays if 1,000 messages a second are published in all nodes together.
    let of_each = |nanoseconds: f64| nanoseconds / MESSAGES as f64 / NODES as f64 * 1000.0 / 1e9 * 100.0;
    println!(
        "| {topics} | {wanted} | {:.1} | {:.0} | {:.2} | {:.2} | {:.2} % | {idle:.3} % | {memory:.0} KiB | {took:.1} s |",
        received / MESSAGES as f64,
        reached / MESSAGES as f64,
        publishing / MESSAGES as f64 / 1000.0,
        receiving / received / 1000.0,
        of_each(publishing + receiving),
    );
}

pub(super) fn simulate(port: u16) {
    println!("{SUBSCRIBERS} subscribers over {NODES} nodes, {MESSAGES} messages of {} bytes", PAYLOAD.len());
    println!(
        "| topics | subscriptions of nodes | other nodes that a message reaches | subscribers it reaches there | us to publish \
         | us to receive | of a processor, each node, at 1,000 messages/s published by all | at rest | memory of a node | took |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for topics in [1, 1_000, 100_000] {
        run(topics, port);
    }
}
