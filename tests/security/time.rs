//! Work in proportion to the input, whatever the input.

use super::*;

#[test]
fn rustsec_2023_0065_a_head_in_small_reads_is_looked_at_once() {
    in_time(|| {
        let head = with(&format!("X: {}\r\n", "a".repeat(300_000)));
        let mut handshake = ServerHandshake::new(WIDE);
        let mut done = false;
        for byte in &head {
            done |= matches!(handshake.receive(&[*byte]), Ok(Progress::Done { .. }));
        }
        assert!(done);
    });
}

#[test]
fn cve_2021_32640_blanks_and_commas_take_no_longer_than_letters() {
    for unit in [" ", ",", " ,", "\t", "a ,", "a, "] {
        let value = unit.repeat(65_536 / unit.len());
        for name in ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Connection", "Upgrade"] {
            in_time(|| drop(judge(&with(&format!("{name}: {value}\r\n")), WIDE)));
        }
    }
}

#[test]
fn cve_2020_7662_quotes_and_backslashes_take_no_longer_than_letters() {
    for unit in ["\"", "\\", "\\\"", "a=\"\\", ";a=\"", "\"\\\\\"", "; "] {
        let value = format!("a; b=\"{}", unit.repeat(65_536 / unit.len()));
        in_time(|| drop(params::parse([value.as_bytes()])));
        in_time(|| drop(judge(&with(&format!("Sec-WebSocket-Extensions: {value}\r\n")), WIDE)));
    }
}

#[test]
fn cve_2025_5399_no_frame_makes_it_go_round_for_ever() {
    in_time(|| {
        let mut random = Random::new(1);
        for _ in 0..5000 {
            for role in ROLES {
                let len = random.below(40);
                let bytes = random.bytes(len);
                let mut side = side(role, |_| {});
                read(&mut side, &bytes);
                assert!(side.seen.len() <= bytes.len());
            }
        }
    });
}

#[test]
fn websocketpp_789_a_handshake_is_timed_from_its_start() {
    // The core has no clock for it: the loop has (`slow_handshakes_end_in_time_whatever_they_send` of
    // tests/event_loop.rs). What the core owes is not to grow while it waits.
    let mut handshake = ServerHandshake::new(HeadLimits::default());
    let mut refused = None;
    for count in 0.. {
        if let Err(error) = handshake.receive(b"GET / HTTP/1.1\r\n".get(count..=count).unwrap_or(b"a")) {
            refused = Some(error);
            break;
        }
        assert!(count <= HeadLimits::default().max_bytes);
    }
    assert!(matches!(refused, Some(RequestError::Head(HeadError::TooLong))), "{refused:?}");
}
