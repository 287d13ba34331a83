//! What is held of what a peer sends, and of what it does not read.

use super::*;

#[test]
fn rustsec_2020_0043_the_queue_of_a_peer_that_never_reads_is_bounded() {
    for role in ROLES {
        let mut side = side(role, |config| config.max_queued = 100_000);
        let mut refused = 0;
        for _ in 0..10_000 {
            refused += usize::from(side.conn.outbound.send_binary(&[7; 1000]).is_err());
            read(&mut side, &sent_by(role.peer(), RawHeader::PING, &[7; 125]));
        }
        assert!(refused > 9_000);
        assert!(side.conn.outbound.queued() < 102_000, "{} bytes", side.conn.outbound.queued());
    }
}

#[test]
fn rustsec_2022_0035_a_declared_length_is_a_promise_and_no_memory() {
    for role in ROLES {
        for length in [1 << 25, 1 << 40, (1 << 63) - 1] {
            let mut side = side(role, |_| {});
            read(&mut side, &raw_frame(by(role.peer(), RawHeader::BINARY.with_length(length)), b""));
            assert_eq!(failed(&side), Some(ProtocolError::FrameTooLong), "at the header");
            assert_eq!(side.conn.inbound.held(), 0);
        }
        let mut side = side(role, |config| {
            config.max_frame = u64::MAX;
            config.max_message = usize::MAX;
        });
        read(&mut side, &raw_frame(by(role.peer(), RawHeader::BINARY.with_length(1 << 40)), b"x"));
        assert_eq!(failed(&side), None);
        assert!(side.conn.inbound.held() <= 1);
    }
}

#[test]
fn cve_2016_10542_a_message_has_a_limit_to_the_byte() {
    for role in ROLES {
        for (len, fails) in [(1000, None), (1001, Some(ProtocolError::MessageTooLong))] {
            let mut side = side(role, |config| config.max_message = 1000);
            let payload = vec![7; len];
            read(&mut side, &sent_by(role.peer(), not_fin(RawHeader::BINARY), &payload[..600]));
            read(&mut side, &sent_by(role.peer(), RawHeader::CONTINUATION, &payload[600..]));
            assert_eq!(failed(&side), fails);
        }
    }
}

#[test]
fn cve_2018_21035_the_limits_are_there_without_asking_and_small() {
    let config = Config::default();
    assert!(config.max_message <= 16 << 20 && config.max_frame <= 16 << 20 && config.max_queued <= 16 << 20);
    assert!(config.max_fragments <= 1 << 20 && config.max_empty_fragments <= 1024);
    let head = HeadLimits::default();
    assert!(head.max_bytes <= 64 << 10 && head.max_headers <= 200);
}

#[test]
fn cve_2026_48779_a_fragment_costs_no_more_than_it_carries() {
    for role in ROLES {
        let mut side = side(role, |_| {});
        read(&mut side, &sent_by(role.peer(), not_fin(RawHeader::BINARY), b"x"));
        let fragment = sent_by(role.peer(), not_fin(RawHeader::CONTINUATION), b"x").repeat(1000);
        for _ in 0..131 {
            read(&mut side, &fragment);
        }
        assert_eq!((failed(&side), side.conn.inbound.held()), (None, 131_001));
        let empty = sent_by(role.peer(), not_fin(RawHeader::CONTINUATION), b"").repeat(1100);
        read(&mut side, &empty);
        assert_eq!(failed(&side), Some(ProtocolError::TooManyEmptyFragments));
    }
}

#[test]
fn cve_2026_12151_fragments_are_counted() {
    for role in ROLES {
        let mut side = side(role, |config| config.max_fragments = 100);
        read(&mut side, &sent_by(role.peer(), not_fin(RawHeader::TEXT), b"x"));
        read(&mut side, &sent_by(role.peer(), not_fin(RawHeader::CONTINUATION), b"x").repeat(99));
        assert_eq!(failed(&side), None);
        read(&mut side, &sent_by(role.peer(), RawHeader::CONTINUATION, b"x"));
        assert_fails_with(&mut side, 1008, start());
    }
}

/// NATS: Pings, Pongs, empty messages and half-sent fragments without end, to a side that is never written out.
#[test]
fn ghsa_8r68_gvr4_jh7j_a_flood_costs_what_the_settings_say() {
    for role in ROLES {
        let peer = role.peer();
        for (header, payload) in [
            (RawHeader::PING, &[7; 125][..]),
            (RawHeader::PONG, &[7; 125]),
            (RawHeader::TEXT, b""),
            (RawHeader::BINARY, b"x"),
        ] {
            let mut side = side(role, |_| {});
            let flood = sent_by(peer, header, payload).repeat(1000);
            for _ in 0..50 {
                read(&mut side, &flood);
                side.seen.clear();
            }
            assert_eq!((failed(&side), side.conn.inbound.held()), (None, 0));
            let queued = side.conn.outbound.queued();
            assert!(queued <= Config::default().max_queued + 200, "{queued} bytes wait");
        }
    }
}

#[test]
fn cve_2026_19204_an_unknown_opcode_is_refused_before_its_payload() {
    for role in ROLES {
        for opcode in [3, 7, 11, 15] {
            let mut side = side(role, |_| {});
            read(&mut side, &raw_frame(by(role.peer(), RawHeader::of(opcode).with_length(1 << 40)), b""));
            assert_fails_with(&mut side, 1002, start());
        }
    }
}
