//! Lengths, masks, and nothing on the wire but what was said.

use super::*;

#[test]
fn cve_2020_27813_no_length_overflows() {
    for role in ROLES {
        for delivery in [Delivery::Messages, Delivery::Frames, Delivery::Both] {
            // Every edge, alone and behind a fragment, so that sums wrap if anything does.
            let edges = [31, 32, 62, 63].map(|bit| 1u64 << bit);
            let lengths =
                edges.iter().flat_map(|edge| [edge - 1, *edge, edge + 1]).chain([u64::MAX, u64::MAX - 1]);
            for length in lengths {
                for before in [0, 1, 2, 126] {
                    let mut side = side(role, |config| {
                        config.delivery = delivery;
                        config.max_frame = u64::MAX;
                        config.max_message = usize::MAX;
                    });
                    let peer = role.peer();
                    read(&mut side, &sent_by(peer, not_fin(RawHeader::BINARY), &vec![7; before]));
                    read(
                        &mut side,
                        &raw_frame(by(peer, RawHeader::CONTINUATION.with_length(length)), b"abc"),
                    );
                    let expected = match length {
                        length if length >> 63 != 0 => Some(ProtocolError::LengthTopBit),
                        length
                            if usize::try_from(length)
                                .ok()
                                .and_then(|len| len.checked_add(before))
                                .is_none() =>
                        {
                            Some(ProtocolError::MessageTooLong)
                        }
                        _ => None,
                    };
                    assert_eq!(failed(&side), expected, "{before} + {length}");
                    assert!(side.conn.inbound.held() <= before + 3);
                }
            }
        }
    }
}

#[test]
fn cve_2020_13935_a_length_with_its_top_bit_ends_it_at_once() {
    for role in ROLES {
        for length in [1 << 63, u64::MAX] {
            let mut side = side(role, |_| {});
            let header = RawHeader { length, form: LengthForm::Long, ..by(role.peer(), RawHeader::TEXT) };
            in_time(|| read(&mut side, &raw_frame(header, &[b'x'; 100_000])));
            assert_fails_with(&mut side, 1002, start());
        }
    }
}

#[test]
fn libhv_769_a_length_that_ends_behind_the_input_reads_nothing_else() {
    for role in ROLES {
        for length in [0usize, 1, 124, 125, 126, 127, 65_535, 65_536] {
            let payload: Vec<u8> = (0..length).map(|at| at as u8 | 0x80).collect();
            let wire = sent_by(role.peer(), RawHeader::BINARY, &payload);
            let mut whole = side(role, |_| {});
            read(&mut whole, &wire);
            assert_eq!(whole.seen, [Seen::Binary(payload)]);
            let mut cut = side(role, |_| {});
            read(&mut cut, &wire[..wire.len() - 1]);
            assert_eq!((cut.seen.len(), failed(&cut)), (0, None));
        }
    }
}

#[test]
fn facil_io_169_a_frame_without_a_mask_is_never_delivered() {
    for header in [
        RawHeader::TEXT,
        RawHeader::BINARY,
        RawHeader::CONTINUATION,
        RawHeader::PING,
        RawHeader::PONG,
        RawHeader::CLOSE,
    ] {
        let mut server = side(Role::Server, |_| {});
        read(&mut server, &frame(header, b""));
        assert_eq!(server.seen, [Seen::Failed(ProtocolError::MaskMissing)]);
        assert_fails_with(&mut server, 1002, start());
    }
}

#[test]
#[cfg(feature = "entropy")]
fn cve_2025_10148_every_frame_has_a_mask_of_its_own() {
    let now = start();
    let masks = Box::new(bowsprit::entropy::SystemEntropy::new());
    let mut client = bowsprit::connection::Connection::client(Arc::new(Config::default()), masks, now);
    // What a proxy might take for a request must not stand on the wire.
    let poison = b"GET /ad.js HTTP/1.1\r\nHost: example.com\r\n\r\n";
    for _ in 0..1000 {
        client.outbound.send_binary(poison).unwrap();
    }
    let wire = client.outbound.pending().to_vec();
    let keys: std::collections::HashSet<[u8; 4]> =
        frames(&wire).iter().map(|(header, _)| header.mask.expect("§5.3").0).collect();
    assert!(keys.len() > 990, "{} keys for 1000 frames", keys.len());
    assert!(!wire.windows(8).any(|window| poison.starts_with(window)));
    // Huang et al. 2011: each bit of a key is a coin.
    for bit in 0..32 {
        let ones = keys.iter().filter(|key| u32::from_be_bytes(**key) >> bit & 1 == 1).count();
        assert!((350..650).contains(&ones), "bit {bit} is set in {ones} of {}", keys.len());
    }
}

#[test]
fn cve_2026_45736_nothing_goes_out_but_what_was_said() {
    for role in ROLES {
        let mut side = side(role, |_| {});
        side.conn.outbound.ping(b"1").unwrap();
        side.conn.outbound.send_text("").unwrap();
        side.conn.outbound.close(reason(1000, "bye")).unwrap();
        let sent: Vec<Vec<u8>> = frames(&side.write()).into_iter().map(|(_, payload)| payload).collect();
        assert_eq!(sent, [b"1".to_vec(), Vec::new(), close_payload(1000, "bye")]);
    }
}
