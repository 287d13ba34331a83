//! Every rule that a peer can break, told by bytes on the wire (RFC 6455 §7.1.7).

use std::sync::Arc;

use crate::support::*;
use bowsprit::Role;
use bowsprit::connection::{Config, Delivery};
use bowsprit::error::ProtocolError::{self, *};
use bowsprit::frame::{LengthForm, RawHeader};

/// Fails a connection with `bytes`, in every way to hand data over and for every cut.
#[track_caller]
fn breaks(role: Role, bytes: &[u8], expected: ProtocolError, code: u16) {
    for delivery in [Delivery::Messages, Delivery::Frames, Delivery::Both] {
        let settings = Arc::new(config(|config| {
            config.delivery = delivery;
            config.max_frame = 1000;
            config.max_message = 1500;
            config.max_fragments = 4;
            config.max_empty_fragments = 2;
        }));
        let now = start();
        for chop in Chop::every(bytes).chain([Chop::Steps(1)]) {
            let mut side = Side::new(role, &settings, now);
            for read in chop.reads(bytes) {
                side.read(&read, now);
            }
            assert_eq!(side.seen.last(), Some(&Seen::Failed(expected)), "{role:?} {delivery:?}");
            let failures = side.seen.iter().filter(|seen| matches!(seen, Seen::Failed(_))).count();
            assert_eq!(failures, 1, "told once");
            assert!(!side.seen.iter().any(|seen| matches!(seen, Seen::Text(_) | Seen::Binary(_))));
            assert_fails_with(&mut side, code, now);
        }
    }
}

/// The header as the peer of `role` sends it, with no payload behind it: each is refused at the header.
fn header(role: Role, raw: RawHeader) -> Vec<u8> {
    raw_frame(by(role.peer(), raw), b"")
}

#[test]
fn in_the_header() {
    let form = |length, form| RawHeader { length, form, ..RawHeader::BINARY };
    let of = |opcode, length| RawHeader::of(opcode).with_length(length);
    for role in ROLES {
        for raw in [RawHeader::TEXT, RawHeader::BINARY, RawHeader::PING, RawHeader::PONG, RawHeader::CLOSE] {
            let unlike = if role == Role::Server { raw } else { raw.with_mask(KEY) };
            let rule = if role == Role::Server { MaskMissing } else { MaskForbidden };
            breaks(role, &frame(unlike, b""), rule, 1002);
            breaks(role, &raw_frame(unlike.with_length(2), b""), rule, 1002);
            for (rsv1, rsv2, rsv3) in [(true, false, false), (false, true, false), (false, false, true)] {
                breaks(role, &header(role, RawHeader { rsv1, rsv2, rsv3, ..raw }), ReservedBit, 1002);
            }
        }
        for opcode in [0x3, 0x4, 0x5, 0x6, 0x7, 0xb, 0xc, 0xd, 0xe, 0xf] {
            for raw in [of(opcode, 0), of(opcode, 5), of(opcode, 1 << 40), not_fin(of(opcode, 0))] {
                breaks(role, &header(role, raw), ReservedOpcode(opcode), 1002);
            }
        }
        for raw in [RawHeader::PING, RawHeader::PONG, RawHeader::CLOSE] {
            breaks(role, &header(role, raw.with_length(126)), ControlTooLong, 1002);
            breaks(role, &header(role, raw.with_length(u64::MAX)), ControlTooLong, 1002);
            breaks(role, &header(role, not_fin(raw)), ControlFragmented, 1002);
        }
        for (length, long) in [
            (0, LengthForm::Medium),
            (125, LengthForm::Medium),
            (0, LengthForm::Long),
            (126, LengthForm::Long),
            (65_535, LengthForm::Long),
        ] {
            breaks(role, &header(role, form(length, long)), LengthNotMinimal, 1002);
        }
        for length in [1 << 63, u64::MAX - 13, u64::MAX] {
            breaks(role, &header(role, form(length, LengthForm::Long)), LengthTopBit, 1002);
        }
        for length in [1001, 1 << 40, (1 << 63) - 1] {
            breaks(role, &header(role, RawHeader::TEXT.with_length(length)), FrameTooLong, 1009);
        }
    }
}

#[test]
fn in_the_sequence() {
    for role in ROLES {
        let peer = role.peer();
        let open = |raw, payload: &[u8]| sent_by(peer, not_fin(raw), payload);
        let first = open(RawHeader::BINARY, b"x");
        let next = open(RawHeader::CONTINUATION, b"x");
        let cat = |parts: &[&[u8]]| parts.concat();

        for raw in [RawHeader::CONTINUATION, not_fin(RawHeader::CONTINUATION)] {
            breaks(role, &header(role, raw.with_length(5)), ContinuationWithoutMessage, 1002);
        }
        for raw in [RawHeader::TEXT, not_fin(RawHeader::BINARY)] {
            breaks(role, &cat(&[&first, &header(role, raw.with_length(5))]), MessageInsideMessage, 1002);
        }
        breaks(role, &cat(&[&first, &header(role, RawHeader::of(0x5))]), ReservedOpcode(5), 1002);
        let (like, rule) = match role {
            Role::Server => (RawHeader::CONTINUATION, MaskMissing), // §5.1: every frame, not only the first
            Role::Client => (RawHeader::CONTINUATION.with_mask(KEY), MaskForbidden),
        };
        breaks(role, &cat(&[&first, &frame(like, b"x")]), rule, 1002);
        breaks(role, &cat(&[&first, &next, &next, &next, &next]), TooManyFragments, 1008);
        let empty = open(RawHeader::CONTINUATION, b"");
        breaks(role, &cat(&[&first, &empty, &empty, &empty]), TooManyEmptyFragments, 1008);
        let long = open(RawHeader::BINARY, &[7; 1000]);
        let longer = header(role, RawHeader::CONTINUATION.with_length(501));
        let settings = Arc::new(config(|config| config.max_message = 1500));
        let mut side = Side::new(role, &settings, start());
        side.read(&cat(&[&long, &longer]), start());
        assert_eq!(side.seen, [Seen::Failed(MessageTooLong)]);
        assert_fails_with(&mut side, 1009, start());
    }
}

#[test]
fn in_the_payload() {
    for role in ROLES {
        let peer = role.peer();
        let close = |payload: &[u8]| sent_by(peer, RawHeader::CLOSE, payload);
        breaks(role, &close(b"\x03"), ClosePayloadTruncated, 1002);
        for code in [0, 1, 998, 999, 1004, 1005, 1006, 1015, 1016, 1099, 1999, 2001, 2999, 5000, 65_535] {
            breaks(role, &close(&close_payload(code, "so it is")), CloseCodeInvalid(code), 1002);
        }
        for text in NOT_UTF8 {
            breaks(role, &close(&[b"\x03\xe8", *text].concat()), CloseReasonNotUtf8, 1007);
            breaks(role, &sent_by(peer, RawHeader::TEXT, text), TextNotUtf8, 1007);
            let (front, back) = text.split_at(text.len() / 2);
            let fragments = [
                sent_by(peer, not_fin(RawHeader::TEXT), front),
                sent_by(peer, RawHeader::PING, b"between"),
                sent_by(peer, not_fin(RawHeader::CONTINUATION), back),
                sent_by(peer, RawHeader::CONTINUATION, b""),
            ];
            breaks(role, &fragments.concat(), TextNotUtf8, 1007);
        }
    }
}

/// RFC 3629 §3: none of these is text.
const NOT_UTF8: &[&[u8]] = &[
    b"\xff",
    b"ok\x80",
    b"ok\xc3",                   // cut
    b"ok\xe2\x82",               // cut
    b"ok\xf0\x9f\x98",           // cut
    b"\xc0\xaf",                 // overlong
    b"\xe0\x80\xaf",             // overlong
    b"\xf0\x80\x80\xaf",         // overlong
    b"\xed\xa0\x80",             // a surrogate
    b"\xed\xa0\xbd\xed\xb8\x80", // a pair of them
    b"\xf4\x90\x80\x80",         // beyond U+10FFFF
    b"\xfe\xfe\xff\xff",
];

/// What another protocol would say.
#[test]
fn http_is_not_a_frame() {
    let mut pair = Pair::default();
    pair.server.read(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", pair.now);
    assert_eq!(pair.server.seen, [Seen::Failed(ReservedBit)]);
    assert_fails_with(&mut pair.server, 1002, pair.now);
    pair.client.read(b"HTTP/1.1 400 Bad Request\r\n", pair.now);
    assert_fails_with(&mut pair.client, 1002, pair.now);
}

/// All reserved bits, opcodes, FIN and mask: what one frame alone may say, in both roles.
#[test]
fn the_matrix_of_first_bytes() {
    let settings = Arc::new(Config::default());
    let now = start();
    for role in ROLES {
        for first in 0..=255u8 {
            for masked in [false, true] {
                let raw = RawHeader {
                    fin: first & 0x80 != 0,
                    rsv1: first & 0x40 != 0,
                    rsv2: first & 0x20 != 0,
                    rsv3: first & 0x10 != 0,
                    mask: masked.then_some(KEY),
                    ..RawHeader::of(first & 0x0f)
                };
                let mut side = Side::new(role, &settings, now);
                side.read(&frame(raw, b""), now);
                let legal = matches!(first, 0x01 | 0x02 | 0x81 | 0x82 | 0x88 | 0x89 | 0x8a)
                    && masked == (role == Role::Server);
                if legal {
                    assert!(!matches!(side.seen.last(), Some(Seen::Failed(_))), "{first:#x} {masked}");
                } else {
                    assert_fails_with(&mut side, 1002, now);
                }
            }
        }
    }
}

/// What was whole before the fault is delivered, and what was queued goes out before the Close frame.
#[test]
fn a_fault_takes_nothing_back() {
    for role in ROLES {
        let mut pair = Pair::default();
        let now = pair.now;
        let (side, peer) = pair.sides(role);
        side.conn.outbound.send_text("queued").unwrap();
        let peer = peer.role();
        let bytes = [
            sent_by(peer, RawHeader::TEXT, b"whole"),
            sent_by(peer, RawHeader::PING, b"?"),
            sent_by(peer, RawHeader::of(0x7), b""),
        ];
        side.read(&bytes.concat(), now);
        let expected = [Seen::text("whole"), Seen::Ping(b"?".to_vec()), Seen::Failed(ReservedOpcode(7))];
        assert_eq!(side.seen, expected);
        let queued = side.conn.outbound.queued();
        assert_fails_with(side, 1002, now);
        let sent = frames(&side.wrote);
        assert_eq!(sent.len(), 3);
        assert_eq!((&sent[0].1[..], &sent[1].1[..]), (&b"queued"[..], &b"?"[..]));
        assert_eq!(side.wrote.len(), queued);
    }
}
