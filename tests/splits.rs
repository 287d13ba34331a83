//! Cuts never matter: the same bytes give the same events, the same answers and the same end, whole, one byte a read
//! and cut at random, for streams that are legal and for streams that are not.
//!
//! The pieces in which a payload is handed over frame by frame do follow the reads; they are compared joined. Where text
//! turns bad in the middle of a frame, how much of that frame was handed over before is the reads' as well.

mod support;

use std::sync::Arc;

use bowsprit::Role;
use bowsprit::connection::driver::InboundExt as _;
use bowsprit::connection::{Config, Delivery};
use bowsprit::error::ProtocolError;
use bowsprit::frame::{LengthForm, MaskKey, RawHeader};
use support::*;

const DELIVERIES: [Delivery; 3] = [Delivery::Messages, Delivery::Frames, Delivery::Both];

/// All that can be told from outside of how a stream was taken.
#[derive(Debug, PartialEq)]
struct Taken {
    seen: Vec<Seen>,
    answered: Vec<u8>,
    is_between_messages: bool,
}

fn settings(delivery: Delivery) -> Arc<Config> {
    Arc::new(config(|config| {
        config.delivery = delivery;
        config.max_message = 3000;
        config.max_frame = 2000;
        config.max_fragments = 12;
        config.max_empty_fragments = 4;
    }))
}

fn take(role: Role, settings: &Arc<Config>, bytes: &[u8], chop: Chop) -> Taken {
    let now = start();
    let mut side = Side::new(role, settings, now);
    for read in chop.reads(bytes) {
        side.read(&read, now);
    }
    taken(side)
}

/// The same, by a driver that reads past the input whenever it may.
fn take_with_room(role: Role, settings: &Arc<Config>, bytes: &[u8], random: &mut Random) -> Taken {
    let now = start();
    let mut side = Side::new(role, settings, now);
    let mut rest = bytes;
    while !rest.is_empty() {
        let len = (1 + random.below(300)).min(rest.len());
        let (inbound, outbound) = (&mut side.conn.inbound, &mut side.conn.outbound);
        if random.one_in(8) {
            drop(inbound.reclaim()); // refused while it is in use
        }
        match inbound.room(1 + random.below(50), outbound.config()) {
            Some(room) => {
                let len = len.min(room.len());
                room[..len].copy_from_slice(&rest[..len]);
                rest = &rest[len..];
                match inbound.filled(len, outbound) {
                    Ok(None) => {}
                    Ok(Some(event)) => side.seen.push(event.into()),
                    Err(error) => side.seen.push(Seen::Failed(error)),
                }
            }
            None => {
                let (read, after) = rest.split_at(len);
                side.read(read, now);
                rest = after;
            }
        }
    }
    taken(side)
}

fn taken(mut side: Side) -> Taken {
    let answered = side.write();
    Taken { is_between_messages: side.conn.inbound.is_between_messages(), seen: joined(side.seen), answered }
}

/// Chunks of one frame become one; of a frame in which text turned bad, none is left.
fn joined(seen: Vec<Seen>) -> Vec<Seen> {
    let mut out: Vec<Seen> = Vec::new();
    for seen in seen {
        match (out.last_mut(), seen) {
            (
                Some(Seen::Chunk { payload, frame_ends: ends @ false, message_ends: end, .. }),
                Seen::Chunk { payload: more, frame_ends, message_ends, .. },
            ) => {
                payload.extend(more);
                (*ends, *end) = (frame_ends, message_ends);
            }
            (
                Some(Seen::Chunk { frame_ends: false, .. }),
                failed @ Seen::Failed(ProtocolError::TextNotUtf8),
            ) => {
                *out.last_mut().expect("matched") = failed;
            }
            (_, seen) => out.push(seen),
        }
    }
    out
}

/// Legal messages and control frames of a peer, and what they say. A Close frame may end them.
fn legal(sender: Role, random: &mut Random) -> (Vec<Vec<u8>>, Vec<Seen>) {
    let mut frames = Vec::new();
    let mut said = Vec::new();
    for _ in 0..1 + random.below(8) {
        let text = random.one_in(2);
        let payload = if text { characters(random).into_bytes() } else { bytes(random) };
        let mut parts = Vec::new();
        let mut rest = &payload[..];
        while random.one_in(2) && parts.len() < 3 {
            let (part, after) = rest.split_at(random.below(rest.len() + 1));
            parts.push(part);
            rest = after;
        }
        parts.push(rest);
        for (at, part) in parts.iter().enumerate() {
            while random.one_in(4) {
                let payload = random.next().to_be_bytes().repeat(16)[..random.below(126)].to_vec();
                let (raw, seen): (_, fn(_) -> _) = match random.one_in(2) {
                    true => (RawHeader::PING, Seen::Ping),
                    false => (RawHeader::PONG, Seen::Pong),
                };
                frames.push(sent(sender, raw, &payload, random));
                said.push(seen(payload));
            }
            let raw = match (at, text) {
                (0, true) => RawHeader::TEXT,
                (0, false) => RawHeader::BINARY,
                _ => RawHeader::CONTINUATION,
            };
            frames.push(sent(sender, RawHeader { fin: at == parts.len() - 1, ..raw }, part, random));
        }
        said.push(if text { Seen::Text(String::from_utf8(payload).unwrap()) } else { Seen::Binary(payload) });
    }
    if random.one_in(3) {
        frames.push(sent(sender, RawHeader::CLOSE, &close_payload(1000, "bye"), random));
        said.push(Seen::Close(Some((1000, "bye".into()))));
    }
    (frames, said)
}

fn sent(sender: Role, raw: RawHeader, payload: &[u8], random: &mut Random) -> Vec<u8> {
    let key = MaskKey((random.next() as u32).to_be_bytes());
    frame(if sender.masks() { raw.with_mask(key) } else { raw }, payload)
}

fn bytes(random: &mut Random) -> Vec<u8> {
    let len = *random.pick(&[0, 1, 5, 125, 126, 300, 1000]);
    random.bytes(len)
}

fn characters(random: &mut Random) -> String {
    let len = *random.pick(&[0, 1, 5, 40, 130]);
    (0..len).map(|_| *random.pick(&['a', '\0', 'é', '€', '\u{ffff}', '😀', '\u{10ffff}'])).collect()
}

/// Makes something else of the frames: a fault, or other legal ones.
fn corrupt(sender: Role, mut frames: Vec<Vec<u8>>, random: &mut Random) -> Vec<u8> {
    for _ in 0..1 + random.below(2) {
        let at = random.below(frames.len());
        match random.below(12) {
            0 => drop(frames.remove(at)),
            1 => frames.insert(at, frames[random.below(frames.len())].clone()),
            2 => frames.truncate(at + 1),
            3 => frames[at][0] = random.next() as u8,
            4 => frames[at][1] = random.next() as u8,
            5 => {
                let raw = RawHeader { fin: random.one_in(2), ..RawHeader::of(random.below(16) as u8) };
                let payload = bytes(random);
                frames.insert(at, sent(sender, raw, &payload, random));
            }
            6 => {
                let (code, cut) = (random.next() as u16 % 5100, random.below(6));
                let payload = &close_payload(code, "€")[..cut.min(5)];
                frames.insert(at, sent(sender, RawHeader::CLOSE, payload, random));
            }
            7 => {
                let form = *random.pick(&[LengthForm::Medium, LengthForm::Long]);
                let length = *random.pick(&[0, 125, 126, 1 << 16, 1 << 63, u64::MAX]);
                let raw = RawHeader { length, form, ..by(sender, RawHeader::BINARY) };
                frames.insert(at, raw_frame(raw, b""));
            }
            8 => {
                let payload = &b"x"[..random.below(2)];
                let fragment = sent(sender, not_fin(RawHeader::CONTINUATION), payload, random);
                frames.splice(at..at, vec![fragment; random.below(20)]);
            }
            _ => {
                let byte = random.below(frames[at].len());
                frames[at][byte] ^= 1 << random.below(8);
            }
        }
        if frames.is_empty() {
            break;
        }
    }
    let mut bytes = frames.concat();
    if random.one_in(4) {
        bytes.truncate(random.below(bytes.len() + 1));
    }
    bytes
}

/// Compares all cuts and gives what the whole was.
fn compare(role: Role, bytes: &[u8], random: &mut Random) -> Taken {
    let mut whole = None;
    for delivery in DELIVERIES {
        let settings = settings(delivery);
        let expected = take(role, &settings, bytes, Chop::Whole);
        let mut cuts =
            vec![Chop::Steps(1), Chop::Steps(2 + random.below(20)), Chop::At(random.below(bytes.len() + 1))];
        cuts.extend([3, 50, 1500].map(|longest| Chop::Random(random.next(), longest)));
        for chop in cuts {
            let taken = take(role, &settings, bytes, chop.clone());
            assert!(taken == expected, "{role:?} {delivery:?} {chop:?}\n{taken:?}\n{expected:?}\n{bytes:x?}");
        }
        let taken = take_with_room(role, &settings, bytes, random);
        assert!(taken == expected, "{role:?} {delivery:?} with room\n{taken:?}\n{expected:?}\n{bytes:x?}");
        whole.get_or_insert(expected);
    }
    whole.expect("compared")
}

#[test]
fn of_legal_streams() {
    for seed in 0..150 {
        for role in ROLES {
            let random = &mut Random::new(seed);
            let (frames, said) = legal(role.peer(), random);
            let whole = compare(role, &frames.concat(), random);
            assert!(whole.seen == said, "{role:?} {seed}");
            assert!(whole.is_between_messages);
        }
    }
}

#[test]
fn of_corrupted_streams() {
    let mut failed = 0;
    let mut rules = std::collections::HashSet::new();
    for seed in 0..400 {
        for role in ROLES {
            let random = &mut Random::new(seed);
            let (frames, _) = legal(role.peer(), random);
            let bytes = corrupt(role.peer(), frames, random);
            let whole = compare(role, &bytes, random);
            if let Some(Seen::Failed(error)) = whole.seen.last() {
                failed += 1;
                rules.insert(std::mem::discriminant(error));
            }
        }
    }
    // The test tests what it says: many streams fail, and of many faults.
    assert!(failed > 200, "{failed} streams failed");
    assert!(rules.len() >= 12, "of {} faults", rules.len());
}

/// Bytes that nobody meant as frames.
#[test]
fn of_noise() {
    for seed in 0..250 {
        for role in ROLES {
            let random = &mut Random::new(seed);
            let len = 1 + random.below(60);
            let mut bytes = random.bytes(len);
            bytes[0] = *random.pick(&[0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8a]);
            if let Some(second) = bytes.get_mut(1) {
                *second = *second & 0x7f | if role == Role::Server { 0x80 } else { 0 };
            }
            compare(role, &bytes, random);
        }
    }
}

/// Every place to cut a stream that holds a bit of everything.
#[test]
fn at_every_place() {
    for role in ROLES {
        let peer = role.peer();
        let stream = [
            sent_by(peer, not_fin(RawHeader::TEXT), "aé€".as_bytes()),
            sent_by(peer, RawHeader::PING, b"ping"),
            sent_by(peer, RawHeader::CONTINUATION, "😀".as_bytes()),
            sent_by(peer, RawHeader::BINARY, &[7; 300]),
            sent_by(peer, RawHeader::BINARY, b""),
            sent_by(peer, RawHeader::PONG, b""),
            sent_by(peer, RawHeader::CLOSE, &close_payload(1000, "é")),
            sent_by(peer, RawHeader::TEXT, b"ignored"),
        ]
        .concat();
        for delivery in DELIVERIES {
            let settings = settings(delivery);
            let expected = take(role, &settings, &stream, Chop::Whole);
            for chop in Chop::every(&stream) {
                assert_eq!(take(role, &settings, &stream, chop), expected);
            }
        }
    }
}
