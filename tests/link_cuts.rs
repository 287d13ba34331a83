//! Two links and an engine, without a socket: wherever a link is cut, between any two bytes that pass over it in either
//! direction, what is published comes once and in order, and what is lost is told to the last message.

#![cfg(feature = "backplane")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bowsprit::backplane::grammar::resp;
use bowsprit::backplane::{Action, Address, BackplaneSettings, Incoming, Link, LinkEvent, NodeId};
use bowsprit::entropy::{Entropy, EntropyError};
use bowsprit::message::Message;

/// The entropy of a test: the same byte, so that each delay is the shortest that may be, or the longest.
struct Same(u8);

impl Entropy for Same {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        out.fill(self.0);
        Ok(())
    }
}

/// What an engine does with channels, and no more.
struct Engine {
    speaks_nats: bool,
    clients: BTreeMap<usize, Client>,
}

#[derive(Default)]
struct Client {
    input: Vec<u8>,
    output: Vec<u8>,
    /// Channels, with the number that NATS knows them by.
    channels: BTreeMap<Vec<u8>, String>,
}

impl Engine {
    fn connect(&mut self, who: usize) {
        let mut client = Client::default();
        if self.speaks_nats {
            client.output.extend_from_slice(b"INFO {\"max_payload\":1000}\r\n");
        }
        self.clients.insert(who, client);
    }

    /// Bytes of a client; what is no whole command waits.
    fn take(&mut self, who: usize, bytes: &[u8]) {
        let Some(client) = self.clients.get_mut(&who) else { return };
        client.input.extend_from_slice(bytes);
        let mut input = std::mem::take(&mut client.input);
        let used = if self.speaks_nats { self.take_nats(who, &input) } else { self.take_redis(who, &input) };
        input.drain(..used);
        self.clients.get_mut(&who).unwrap().input = input;
    }

    fn say(&mut self, who: usize, text: &[u8]) {
        self.clients.get_mut(&who).unwrap().output.extend_from_slice(text);
    }

    fn take_redis(&mut self, who: usize, input: &[u8]) -> usize {
        let mut used = 0;
        while let Ok(resp::Parsed::Done(resp::Value::Array(words), len)) = resp::parse(&input[used..], 1000) {
            used += len;
            let words: Vec<&[u8]> = words
                .iter()
                .map(|word| match word {
                    resp::Value::Bulk(word) => *word,
                    other => panic!("{other:?} in a command"),
                })
                .collect();
            match &words[..] {
                [b"HELLO", ..] => self.say(who, b"%1\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"),
                [b"PING"] => self.say(who, b"+PONG\r\n"),
                [b"SUBSCRIBE", names @ ..] => {
                    for name in names {
                        self.clients.get_mut(&who).unwrap().channels.insert(name.to_vec(), String::new());
                        let mut push = b">3\r\n".to_vec();
                        resp::bulk(&mut push, &[b"subscribe"]);
                        resp::bulk(&mut push, &[name]);
                        push.extend_from_slice(b":1\r\n");
                        self.say(who, &push);
                    }
                }
                [b"PUBLISH", name, payload] => {
                    let mut push = b">3\r\n".to_vec();
                    [b"message", *name, *payload].iter().for_each(|word| resp::bulk(&mut push, &[word]));
                    let listening =
                        self.clients.values_mut().filter(|client| client.channels.contains_key(*name));
                    listening.for_each(|client| client.output.extend_from_slice(&push));
                    self.say(who, b":1\r\n");
                }
                other => panic!("{other:?}"),
            }
        }
        used
    }

    fn take_nats(&mut self, who: usize, input: &[u8]) -> usize {
        let mut used = 0;
        while let Some(end) = input[used..].iter().position(|byte| *byte == b'\n') {
            let line = std::str::from_utf8(&input[used..used + end]).unwrap().trim_end();
            let behind = used + end + 1;
            let words: Vec<&str> = line.split(' ').collect();
            match &words[..] {
                ["CONNECT", ..] | ["PONG"] => {}
                ["PING"] => self.say(who, b"PONG\r\n"),
                ["SUB", name, number] => {
                    let channels = &mut self.clients.get_mut(&who).unwrap().channels;
                    channels.insert(name.as_bytes().to_vec(), (*number).to_owned());
                }
                ["PUB", name, len] => {
                    let len: usize = len.parse().unwrap();
                    let Some(payload) = input.get(behind..behind + len + 2) else { return used };
                    for (_, client) in self.clients.iter_mut().filter(|(other, _)| **other != who) {
                        let Some(number) = client.channels.get(name.as_bytes()) else { continue };
                        client.output.extend(format!("MSG {name} {number} {len}\r\n").into_bytes());
                        client.output.extend_from_slice(payload);
                    }
                    used = behind + len + 2;
                    continue;
                }
                other => panic!("{other:?}"),
            }
            used = behind;
        }
        used
    }
}

struct World {
    now: Instant,
    engine: Engine,
    links: [Link; 2],
    connected: [bool; 2],
    /// The engine is not there.
    is_away: bool,
    /// Whose link is cut, and after how many bytes.
    cut: Option<(usize, usize)>,
    /// What the second link has heard, and how many messages it was told are lost.
    heard: Vec<u32>,
    lost: u64,
    ups: [usize; 2],
}

impl World {
    fn new(url: &str, entropy: u8) -> Self {
        let now = Instant::now();
        let links = [1, 2].map(|node| {
            let address = Address::parse(url).unwrap();
            let settings = BackplaneSettings::default();
            let mut link =
                Link::new(address, settings, (NodeId(node), 1), Box::new(Same(entropy)), now).unwrap();
            if node == 2 {
                link.subscribe("x");
            }
            link
        });
        let engine = Engine { speaks_nats: url.starts_with("nats"), clients: BTreeMap::new() };
        let (heard, connected) = (Vec::new(), [false; 2]);
        Self { now, engine, links, connected, is_away: false, cut: None, heard, lost: 0, ups: [0; 2] }
    }

    /// Passes on bytes until there are none.
    fn settle(&mut self) {
        loop {
            let mut is_done = true;
            for who in 0..2 {
                while let Some(action) = self.links[who].next_action() {
                    self.connected[who] = action == Action::Dial && !self.is_away;
                    self.engine.clients.remove(&who);
                    if action == Action::Dial && self.is_away {
                        self.links[who].lost("away", self.now);
                    } else if action == Action::Dial {
                        self.engine.connect(who);
                        self.links[who].connected(self.now);
                    }
                    is_done = false;
                }
                is_done &= !self.pass(who);
                while let Some(event) = self.links[who].next_event() {
                    match event {
                        LinkEvent::Gap { lost, topic, .. } => {
                            assert_eq!((who, topic.as_deref()), (1, Some("x")));
                            self.lost += lost;
                        }
                        LinkEvent::Up { .. } => self.ups[who] += 1,
                        LinkEvent::Down { why, .. } => assert!(why == "cut" || why == "away", "{why}"),
                        LinkEvent::Presence { .. } => {}
                        other => panic!("{other}"),
                    }
                }
            }
            if is_done {
                return;
            }
        }
    }

    /// Passes on what one link and the engine have for each other, as far as the link lasts. Whether there was something.
    fn pass(&mut self, who: usize) -> bool {
        if !self.connected[who] {
            return false;
        }
        let out = self.links[who].pending(self.now).to_vec();
        let len = self.last(who, out.len());
        self.links[who].advance(len);
        self.engine.take(who, &out[..len]);
        let input = match self.engine.clients.get_mut(&who) {
            Some(client) => std::mem::take(&mut client.output),
            None => Vec::new(),
        };
        let len = len + {
            let len = self.last(who, input.len());
            let Self { links, heard, now, .. } = self;
            links[who].receive(&input[..len], *now, |incoming| match incoming {
                Incoming::Message(message) if who == 1 => {
                    assert_eq!(message.topic, Some("x"));
                    heard.push(
                        String::from_utf8(message.message.as_bytes().to_vec()).unwrap().parse().unwrap(),
                    );
                }
                other => panic!("{other:?}"),
            });
            len
        };
        if self.cut == Some((who, 0)) {
            self.cut = None;
            self.connected[who] = false;
            self.engine.clients.remove(&who);
            self.links[who].lost("cut", self.now);
            return true;
        }
        len > 0
    }

    /// So many of these bytes come through.
    fn last(&mut self, who: usize, len: usize) -> usize {
        match &mut self.cut {
            Some((cut, left)) if *cut == who => {
                let len = len.min(*left);
                *left -= len;
                len
            }
            _ => len,
        }
    }

    fn publish(&mut self, number: u32) {
        self.links[0].publish(Some("x"), Message::Text(&number.to_string()), None, None, self.now);
        self.settle();
    }

    /// The engine is killed.
    fn kill(&mut self) {
        self.is_away = true;
        self.engine.clients.clear();
        for who in 0..2 {
            self.connected[who] = false;
            self.links[who].lost("away", self.now);
        }
    }

    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        self.settle();
        while let Some(next) = self.links.iter().map(Link::next_timeout).min().filter(|next| *next < until) {
            self.now = next.max(self.now);
            let now = self.now;
            self.links.iter_mut().for_each(|link| link.handle_timeout(now));
            self.settle();
        }
        self.now = until;
    }
}

#[test]
fn wherever_a_link_is_cut_nothing_comes_twice_and_what_is_lost_is_told() {
    for url in ["redis://a/p", "nats://a/p"] {
        for who in 0..2 {
            let mut losses = BTreeSet::new();
            for after in 0.. {
                let mut world = World::new(url, 0);
                world.wait(Duration::from_secs(1));
                world.publish(0);
                assert_eq!((&world.heard[..], world.ups), (&[0][..], [1, 1]));
                world.cut = Some((who, after));
                (1..4).for_each(|number| world.publish(number));
                world.wait(Duration::from_secs(2));
                (4..7).for_each(|number| world.publish(number));
                world.wait(Duration::from_secs(7));
                let World { heard, lost, cut, .. } = &world;
                let at = format!("{url}, link {who} cut after {after} bytes: {heard:?}, {lost} lost");
                assert!(heard.is_sorted_by(|one, next| one < next), "{at}");
                assert_eq!(heard.len() as u64 + lost, 7, "{at}");
                assert!(who == 1 || *lost == 0, "what the engine has not answered is sent again; {at}");
                if cut.is_some() {
                    break; // it has lasted to the end
                }
                losses.insert(*lost);
            }
            // The subscriber misses what was published before it was back.
            assert!(who == 0 || losses.iter().any(|lost| *lost > 0), "{url}: {losses:?}");
        }
    }
}

/// Messages may wait for 2 s. However late within that the engine is back, none is too old then.
#[test]
fn an_engine_that_is_back_in_time_loses_nothing() {
    const STEP: Duration = Duration::from_millis(100);
    for url in ["redis://a/p", "nats://a/p"] {
        for entropy in [1, 0x55, 0xff] {
            for steps in 1..19 {
                let mut world = World::new(url, entropy);
                world.wait(Duration::from_secs(1));
                world.publish(0);
                world.kill();
                for number in 1..=steps {
                    world.publish(number);
                    world.wait(STEP);
                }
                world.is_away = false;
                world.wait(Duration::from_secs(7));
                let all: Vec<u32> = (0..=steps).collect();
                assert_eq!((&world.heard, world.lost), (&all, 0), "{url}, away for {steps} times {STEP:?}");
            }
        }
    }
}
