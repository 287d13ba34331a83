//! A link to an engine that keeps histories, without a socket: wherever its bytes are cut, the same comes out, and
//! wherever the link itself is cut, nothing comes twice.

#![cfg(feature = "backplane")]

use std::time::{Duration, Instant};

use bowsprit::backplane::envelope::{Envelope, Kind};
use bowsprit::backplane::{
    Action, Address, BackplaneSettings, Incoming, Link, LinkEvent, NodeId, Position, Step,
};
use bowsprit::entropy::{Entropy, EntropyError};
use bowsprit::frame::DataKind;

/// The entropy of a test: none.
struct Zeros;

impl Entropy for Zeros {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        out.fill(0);
        Ok(())
    }
}

const EPOCH: u64 = 0xab;
const TICKET: u64 = 9;

/// What comes out, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Out {
    Live(u64, Vec<u8>),
    Past(u64, Vec<u8>),
    Step(Step),
}

fn link(now: Instant) -> Link {
    let address = Address::parse("redis://a/p?streams").unwrap();
    let mut link =
        Link::new(address, BackplaneSettings::default(), (NodeId(1), 1), Box::new(Zeros), now).unwrap();
    link.subscribe("x");
    link.replay("x", Some(Position { epoch: EPOCH, offset: 3 }), TICKET);
    assert_eq!(link.next_action(), Some(Action::Dial));
    link.connected(now);
    link
}

fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(format!("${}\r\n", bytes.len()).into_bytes());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

fn entries(out: &mut Vec<u8>, offsets: std::ops::RangeInclusive<u64>) {
    out.extend(format!("*{}\r\n", offsets.clone().count()).into_bytes());
    for offset in offsets {
        let kind = Kind::Data(DataKind::Binary);
        let mut payload = Vec::new();
        Envelope { kind, node: NodeId(2), epoch: 1, number: offset, mark: None, key: None }
            .encode(&mut payload);
        payload.extend(body(offset));
        out.extend_from_slice(b"*2\r\n");
        bulk(out, format!("{offset}-0").as_bytes());
        out.extend_from_slice(b"*2\r\n");
        bulk(out, b"m");
        bulk(out, &payload);
    }
}

/// Empty, with line ends, and long enough for a head of several digits.
fn body(offset: u64) -> Vec<u8> {
    match offset % 3 {
        0 => Vec::new(),
        1 => b"\r\n*1\r\n".to_vec(),
        _ => vec![b'$'; 120],
    }
}

/// What an engine says that has five messages, gets two more, and is asked for what came after the third.
fn transcript() -> Vec<u8> {
    let mut out = b"%1\r\n$6\r\nserver\r\n$5\r\nredis\r\n".to_vec();
    bulk(&mut out, &[b'a'; 40]);
    for name in ["p:control", "p:all", "p:topic:x"] {
        out.extend_from_slice(b">3\r\n");
        bulk(&mut out, b"subscribe");
        bulk(&mut out, name.as_bytes());
        out.extend_from_slice(b":1\r\n");
    }
    for _ in 0..2 {
        out.extend_from_slice(b":0\r\n:1\r\n*3\r\n");
        bulk(&mut out, b"00000000000000ab");
        bulk(&mut out, b"5");
        out.extend_from_slice(b"$-1\r\n");
    }
    out.extend_from_slice(b":1\r\n:1\r\n"); // that we are here, and who is
    entries(&mut out, 4..=5);
    out.extend_from_slice(b">3\r\n");
    bulk(&mut out, b"message");
    bulk(&mut out, b"p:topic:x");
    bulk(&mut out, b"00000000000000ab:7:0");
    entries(&mut out, 6..=7);
    out
}

fn receive(link: &mut Link, bytes: &[u8], now: Instant, outs: &mut Vec<Out>) {
    link.receive(bytes, now, |incoming| {
        outs.push(match incoming {
            Incoming::Message(delivery) => {
                let (offset, bytes) = (delivery.at.unwrap().offset, delivery.message.as_bytes().to_vec());
                match delivery.replay {
                    Some(TICKET) => Out::Past(offset, bytes),
                    Some(other) => panic!("nobody has ticket {other}"),
                    None => Out::Live(offset, bytes),
                }
            }
            Incoming::Step { ticket: TICKET, step } => Out::Step(step),
            Incoming::Step { ticket, .. } => panic!("nobody has ticket {ticket}"),
        });
    });
    let len = link.pending(now).len();
    link.advance(len);
}

fn expected() -> Vec<Out> {
    vec![
        Out::Past(4, body(4)),
        Out::Past(5, body(5)),
        Out::Step(Step::Complete(Position { epoch: EPOCH, offset: 5 })),
        Out::Live(6, body(6)),
        Out::Live(7, body(7)),
    ]
}

fn is_well(link: &mut Link) {
    while let Some(event) = link.next_event() {
        assert!(!matches!(event, LinkEvent::Down { .. } | LinkEvent::Refused { .. }), "{event}");
    }
}

#[test]
fn no_cut_of_the_bytes_matters() {
    let (now, bytes) = (Instant::now(), transcript());
    for cut in 0..=bytes.len() {
        let (mut link, mut outs) = (link(now), Vec::new());
        receive(&mut link, &bytes[..cut], now, &mut outs);
        receive(&mut link, &bytes[cut..], now, &mut outs);
        is_well(&mut link);
        assert_eq!(outs, expected(), "cut at {cut}");
    }
    let (mut link, mut outs) = (link(now), Vec::new());
    for byte in bytes.chunks(1) {
        receive(&mut link, byte, now, &mut outs);
    }
    is_well(&mut link);
    assert_eq!(outs, expected(), "byte by byte");
}

#[test]
fn wherever_the_link_is_cut_nothing_comes_twice() {
    let (mut now, bytes) = (Instant::now(), transcript());
    for cut in 0..bytes.len() {
        let (mut link, mut outs) = (link(now), Vec::new());
        receive(&mut link, &bytes[..cut], now, &mut outs);
        // Twice, the second time with an engine that talks of the first as far as it fits.
        for _ in 0..2 {
            link.lost("cut", now);
            for _ in 0..100 {
                now += Duration::from_millis(100);
                link.handle_timeout(now);
                if link.next_action() == Some(Action::Dial) {
                    break;
                }
            }
            link.connected(now);
            receive(&mut link, &bytes, now, &mut outs);
        }
        for kind in [|out: &Out| matches!(out, Out::Live(..)), |out: &Out| matches!(out, Out::Past(..))] {
            let of: Vec<&Out> = outs.iter().filter(|out| kind(out)).collect();
            for (at, out) in of.iter().enumerate() {
                assert!(!of[..at].contains(out), "cut at {cut}: {out:?} twice in {outs:?}");
            }
        }
        let steps = outs.iter().filter(|out| matches!(out, Out::Step(_))).count();
        assert!(steps <= 1, "cut at {cut}: {outs:?}");
    }
}
