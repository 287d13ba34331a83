//! A link to an engine that may send anything. Any cut gives the same messages, events and answers, what waits is
//! bounded, and no answer of an engine does harm, nor does its end at any byte.

use std::time::{Duration, Instant};

use bowsprit::backplane::{Action, Address, BackplaneSettings, Link, NodeId, Position};
use bowsprit::message::Message;
use bowsprit::time;

use crate::support::{Cuts, Zeros};

/// The most bytes that wait for the engine.
const MAX_QUEUED: usize = 4000;

/// Everything that can be observed.
#[derive(Debug, PartialEq)]
struct Taken {
    heard: Vec<String>,
    events: Vec<String>,
    written: Vec<u8>,
    up: bool,
}

pub fn run(mut data: &[u8]) {
    let cuts = Cuts::take(&mut data);
    let Some((setup, bytes)) = data.split_first() else { return };
    let whole = take(*setup, &[bytes]);
    assert_eq!(take(*setup, &cuts.pieces(bytes)), whole, "{cuts:?}");
    let each: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(take(*setup, &each), whole, "byte by byte");
    use_it(*setup, bytes, &cuts);
}

fn begin(setup: u8) -> Link {
    let url = ["redis://a/p", "redis://u:p@a/p?streams=100", "nats://a/p", "nats://tok@a/p"];
    let address = Address::parse(url[usize::from(setup % 4)]).expect("it is one");
    let mut settings = BackplaneSettings::default();
    settings.ordered = setup & 4 != 0;
    (settings.max_queued, settings.max_message) = (MAX_QUEUED, 2000);
    let now = time::at(Duration::ZERO);
    let mut link =
        Link::new(address, settings, (NodeId(1), 1), Box::new(Zeros), now).expect("zeros have no end");
    link.subscribe("x");
    if setup & 8 != 0 {
        link.replay("x", Some(Position { epoch: 0xab, offset: 3 }), 9);
    }
    if setup & 16 != 0 {
        link.publish(None, Message::Text("to all"), Some("key"), None, now);
        link.publish(Some("x"), Message::Binary(&[7; 100]), None, None, now);
    }
    assert_eq!(link.next_action(), Some(Action::Dial));
    link.connected(now);
    link
}

/// Takes the pieces without doing anything in between, so that only their cuts differ.
fn take(setup: u8, pieces: &[&[u8]]) -> Taken {
    let (mut link, now) = (begin(setup), time::at(Duration::ZERO));
    let mut heard = Vec::new();
    for piece in pieces {
        link.receive(piece, now, |incoming| heard.push(format!("{incoming:?}")));
    }
    // The order of topics is not guaranteed, and each link has its own.
    let mut written = link.pending(now).to_vec();
    written.sort_unstable();
    Taken {
        heard,
        events: std::iter::from_fn(|| link.next_event()).map(|event| event.to_string()).collect(),
        written,
        up: link.stats(now).up,
    }
}

/// Publishes and subscribes along the way, writes in parts, and handles every end of the transport.
fn use_it(setup: u8, bytes: &[u8], cuts: &Cuts) {
    let (mut link, mut now) = (begin(setup), time::at(Duration::ZERO));
    for round in 0..3 {
        for (at, piece) in cuts.pieces(bytes).into_iter().enumerate() {
            now += Duration::from_millis(1 + at as u64 % 700);
            link.receive(piece, now, |_| {});
            match (at + round) % 6 {
                0 => drop(link.publish(Some("y"), Message::Text("to the kitchen"), Some(""), None, now)),
                1 => drop(link.publish(None, Message::Binary(&[0; 1500]), None, None, now)),
                2 => link.subscribe("y"),
                3 => link.unsubscribe("x", now),
                4 => link.replay("x", None, at as u64),
                _ => link.handle_timeout(now),
            }
            let pending = link.pending(now).len();
            link.advance(pending.min(1 + at * 37));
            bounded(&mut link);
        }
        link.lost("cut", now);
        assert!(link.pending(now).is_empty() || !link.stats(now).up, "it writes to nobody");
        reach(&mut link, &mut now);
    }
}

/// Lets time pass until the link dials, which it does within seconds.
fn reach(link: &mut Link, now: &mut Instant) {
    for _ in 0..20 {
        bounded(link);
        if std::iter::from_fn(|| link.next_action()).any(|action| action == Action::Dial) {
            link.connected(*now);
            return;
        }
        *now = link.next_timeout().max(*now);
        link.handle_timeout(*now);
    }
    panic!("it does not dial again");
}

fn bounded(link: &mut Link) {
    while link.next_event().is_some() {}
    // One message of any legal size fits in, with a script's name and its key if there is a history.
    let stats = link.stats(time::at(Duration::ZERO));
    assert!(stats.queued <= MAX_QUEUED + 2000 + 600, "{stats:?}");
}
