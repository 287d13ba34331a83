//! Messages in both directions (RFC 6455 §5.4, §5.6, §5.7).

use crate::support::*;
use bowsprit::Role;
use bowsprit::connection::driver::InboundExt as _;
use bowsprit::frame::{LengthForm, RawHeader};

/// Around every change of the length's form, and one that no single read brings.
const SIZES: [usize; 9] = [0, 1, 2, 125, 126, 127, 65_535, 65_536, 1 << 20];

/// The examples of §5.7, as the side that may send them sends them.
#[test]
fn examples_of_the_rfc() {
    let hello = || Seen::text("Hello");
    let binary = |len: usize| Seen::Binary(vec![7; len]);
    let with_payload = |header: &[u8], len: usize| [header, &vec![7; len]].concat();
    for (sender, bytes, expected, answer) in [
        (Role::Server, b"\x81\x05Hello".to_vec(), hello(), vec![]),
        (Role::Client, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58".to_vec(), hello(), vec![]),
        (Role::Server, b"\x01\x03Hel\x80\x02lo".to_vec(), hello(), vec![]),
        (Role::Server, b"\x89\x05Hello".to_vec(), Seen::Ping(b"Hello".to_vec()), b"Hello".to_vec()),
        (
            Role::Client,
            b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58".to_vec(),
            Seen::Pong(b"Hello".to_vec()),
            vec![],
        ),
        (Role::Server, with_payload(b"\x82\x7e\x01\x00", 256), binary(256), vec![]),
        (Role::Server, with_payload(b"\x82\x7f\0\0\0\0\0\x01\0\0", 65_536), binary(65_536), vec![]),
    ] {
        let mut pair = Pair::default();
        let now = pair.now;
        let (_, receiver) = pair.sides(sender);
        receiver.read(&bytes, now);
        assert_eq!(receiver.saw(), [expected]);
        let answers: Vec<_> = frames(&receiver.write());
        assert_eq!(answers.iter().map(|(_, payload)| payload.clone()).collect::<Vec<_>>().concat(), answer);
    }
}

#[test]
fn echo_at_every_edge_of_size_in_any_cut() {
    for chop in [Chop::Whole, Chop::Steps(4096), Chop::Random(3, 3000)] {
        let mut pair = Pair { chop, ..Pair::default() };
        pair.server.echoes = true;
        for size in SIZES {
            let bytes = Random::new(size as u64).bytes(size);
            let text: String = "κόσμε ".chars().cycle().take(size / 2).collect();
            pair.client.conn.outbound.send_binary(&bytes).unwrap();
            pair.client.conn.outbound.send_text(&text).unwrap();
            pair.settle();
            let expected = [Seen::Binary(bytes), Seen::Text(text)];
            assert!(pair.server.saw() == expected, "{size} to the server");
            assert!(pair.client.saw() == expected, "{size} to the client");
        }
        // §5.2: the minimal number of bytes; §5.1: masked by the client and nobody else
        for side in [&pair.client, &pair.server] {
            for (header, _) in frames(&side.wrote) {
                assert_eq!(header.form, LengthForm::minimal(header.length));
                assert_eq!(header.mask.is_some(), side.role() == Role::Client);
            }
        }
    }
}

#[test]
fn small_messages_arrive_byte_by_byte() {
    let mut pair = Pair { chop: Chop::Steps(1), ..Pair::default() };
    pair.server.echoes = true;
    for size in 0..300 {
        pair.client.conn.outbound.send_binary(&vec![size as u8; size]).unwrap();
        pair.settle();
        assert_eq!(pair.client.saw(), [Seen::Binary(vec![size as u8; size])]);
    }
}

#[test]
fn ten_thousand_frames_in_one_read() {
    for role in ROLES {
        let mut pair = Pair::default();
        let now = pair.now;
        let (receiver, sender) = pair.sides(role);
        let mut bytes = Vec::new();
        for i in 0..10_000u32 {
            bytes.extend(sent_by(sender.role(), RawHeader::TEXT, i.to_string().as_bytes()));
        }
        receiver.read(&bytes, now);
        let saw = receiver.saw();
        assert_eq!(saw.len(), 10_000);
        assert!(saw.iter().enumerate().all(|(i, seen)| *seen == Seen::Text(i.to_string())));
    }
}

/// §5.4: control frames may stand between the fragments of a message, and are seen at once.
#[test]
fn fragments_with_control_frames_between() {
    for role in ROLES {
        let peer = role.peer();
        let bytes = [
            sent_by(peer, not_fin(RawHeader::TEXT), "κό".as_bytes()),
            sent_by(peer, RawHeader::PING, b"1"),
            sent_by(peer, not_fin(RawHeader::CONTINUATION), b"\xcf"), // §5.6: half a character
            sent_by(peer, RawHeader::PONG, b"2"),
            sent_by(peer, not_fin(RawHeader::CONTINUATION), b""),
            sent_by(peer, RawHeader::PING, b""),
            sent_by(peer, RawHeader::CONTINUATION, b"\x83\xce\xbc\xce\xb5"),
            sent_by(peer, RawHeader::BINARY, b"\xff"),
        ]
        .concat();
        for chop in Chop::every(&bytes).chain([Chop::Steps(1)]) {
            let mut pair = Pair::default();
            let now = pair.now;
            let (side, _) = pair.sides(role);
            for read in chop.reads(&bytes) {
                side.read(&read, now);
            }
            let expected = [
                Seen::Ping(b"1".to_vec()),
                Seen::Pong(b"2".to_vec()),
                Seen::Ping(vec![]),
                Seen::text("κόσμε"),
                Seen::Binary(vec![0xff]),
            ];
            assert_eq!(side.saw(), expected);
            assert!(side.conn.inbound.is_between_messages());
        }
    }
}

/// RFC 3629: all of these are characters, and a byte order mark is text like any other.
#[test]
fn text_is_given_as_it_came() {
    let text = "\u{feff}\0\u{fffe}\u{ffff}\u{e000}\u{10ffff}\r\n\x1b[31m";
    let mut pair = Pair::default();
    pair.client.conn.outbound.send_text(text).unwrap();
    pair.settle();
    assert_eq!(pair.server.saw(), [Seen::text(text)]);
}

/// A key of zeroes is a key (§5.3), and an empty frame has one as well.
#[test]
fn any_key_masks() {
    let mut pair = Pair::default();
    pair.server.read(b"\x81\x82\0\0\0\0hi\x82\x80\x01\x02\x03\x04", pair.now);
    assert_eq!(pair.server.saw(), [Seen::text("hi"), Seen::Binary(vec![])]);
}

/// A driver may read what follows of a long frame straight to where it is needed.
#[test]
fn long_frames_are_read_past_the_input() {
    let text = "κόσμε".repeat(40_000);
    for role in ROLES {
        for (before, step) in [(0, 1000), (1, usize::MAX), (7, 65_536), (200_000, 33)] {
            let mut pair = Pair::default();
            let now = pair.now;
            let (side, peer) = pair.sides(role);
            peer.conn.outbound.send_text(&text).unwrap();
            peer.conn.outbound.ping(b"next").unwrap();
            let bytes = peer.write();
            let RawHeader { length, .. } = frames(&bytes)[0].0;
            let header = bytes.len() - length as usize - if role == Role::Client { 6 } else { 10 };
            let (front, mut rest) = bytes.split_at(header + before);
            side.read(front, now);
            let (inbound, outbound) = (&mut side.conn.inbound, &mut side.conn.outbound);
            let mut message = None;
            while let Some(room) = inbound.room(1, outbound.config()) {
                let len = room.len().min(step).min(rest.len());
                room[..len].copy_from_slice(&rest[..len]);
                rest = &rest[len..];
                if let Some(event) = inbound.filled(len, outbound).unwrap() {
                    message = Some(Seen::from(event));
                }
            }
            assert!(message == Some(Seen::text(&text)), "{role:?}, {before} before, reads of {step}");
            assert_eq!(inbound.filled(1, outbound), Ok(None), "no frame, no bytes");
            assert_eq!(inbound.reclaim().map(|buffer| buffer.len()), Some(text.len()));
            side.read(rest, now);
            assert_eq!(side.saw(), [Seen::Ping(b"next".to_vec())]);
        }
    }
}

#[test]
fn no_more_arrives_than_the_frame_has() {
    let mut pair = Pair::default();
    pair.client.read(b"\x82\x05ab", pair.now);
    let (inbound, outbound) = (&mut pair.client.conn.inbound, &mut pair.client.conn.outbound);
    inbound.room(1, outbound.config()).unwrap().copy_from_slice(b"cde");
    let event = inbound.filled(usize::MAX, outbound).unwrap().map(Seen::from);
    assert_eq!(event, Some(Seen::Binary(b"abcde".to_vec())));
}
