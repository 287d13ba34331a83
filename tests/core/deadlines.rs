//! What is due when, on a clock that takes no time.

use std::time::Duration;

use crate::support::*;
use bowsprit::Role;
use bowsprit::close::CloseCode;
use bowsprit::connection::{CloseStep, Config, Due};
use bowsprit::frame::RawHeader;

const SECOND: Duration = Duration::from_secs(1);

fn pinging(config: &mut Config) {
    config.ping_interval = Some(30 * SECOND);
    config.pong_timeout = 10 * SECOND;
}

#[test]
fn an_hour_of_pings() {
    for role in ROLES {
        let mut pair = match role {
            Role::Client => Pair::new(config(pinging), Config::default()),
            Role::Server => Pair::new(Config::default(), config(pinging)),
        };
        pair.pass(3600 * SECOND + SECOND);
        let (side, peer) = pair.sides(role);
        assert_eq!(side.given_up, None);
        assert_eq!(peer.saw(), vec![Seen::Ping(vec![]); 120]);
        assert_eq!(side.saw(), vec![Seen::Pong(vec![]); 120]);
    }
}

#[test]
fn a_peer_that_does_not_answer_is_dead() {
    let silent = config(|config| config.answer_pings = false);
    let mut pair = Pair::new(silent, config(pinging));
    pair.pass(39 * SECOND);
    assert_eq!(pair.server.given_up, None);
    pair.pass(SECOND);
    assert_eq!(pair.server.given_up, Some(Due::Dead));
    assert_eq!(pair.server.conn.close_step(), CloseStep::CloseTcp);
    pair.settle();
    assert_eq!(pair.client.saw()[1..], [Seen::Close(Some((1001, "no answer to a Ping".into())))]);
}

/// Documented: anything at all is a sign of life, not only the Pong.
#[test]
fn a_peer_that_talks_is_alive() {
    let silent = config(|config| config.answer_pings = false);
    let mut pair = Pair::new(silent, config(pinging));
    for _ in 0..100 {
        pair.pass(35 * SECOND);
        pair.client.conn.outbound.send_text("busy").unwrap();
        pair.settle();
    }
    assert_eq!(pair.server.given_up, None);
}

#[test]
fn an_idle_connection_ends() {
    let mut pair = Pair::new(Config::default(), config(|config| config.idle_timeout = Some(60 * SECOND)));
    pair.pass(59 * SECOND);
    pair.client.conn.outbound.send_text("").unwrap();
    pair.pass(59 * SECOND);
    assert_eq!(pair.server.given_up, None);
    pair.pass(SECOND);
    assert_eq!(pair.server.given_up, Some(Due::Idle));
    pair.settle();
    assert_eq!(pair.client.conn.outcome().code(), CloseCode::GOING_AWAY);
}

#[test]
fn a_peer_that_never_answers_our_close_is_given_up() {
    for role in ROLES {
        let mut pair = Pair::default();
        let now = pair.now;
        let timeout = Config::default().close_timeout;
        let (side, peer) = pair.sides(role);
        side.conn.close(None, now).unwrap();
        let mut at = now;
        // It goes on talking instead: nothing that it says extends the deadline.
        while at + SECOND < now + timeout {
            at += SECOND;
            assert_eq!(side.conn.handle_timeout(at), None);
            side.read(&sent_by(peer.role(), RawHeader::TEXT, b"still here"), at);
            assert_eq!(side.conn.next_timeout(), Some(now + timeout));
        }
        assert_eq!(side.conn.handle_timeout(now + timeout), Some(Due::CloseTimeout));
        assert_eq!(side.conn.outcome().code(), CloseCode::ABNORMAL, "§7.1.5");
    }
}

/// Once both Close frames are out only the end of the TCP connection is missing, and it may be missing for ever.
#[test]
fn a_tcp_connection_that_never_ends_is_given_up() {
    for role in ROLES {
        let mut pair = Pair::default();
        pair.pass(1000 * SECOND);
        let now = pair.now;
        pair.sides(role).0.conn.close(None, now).unwrap();
        assert_closes_cleanly(&mut pair);
        let timeout = Config::default().close_timeout;
        pair.pass(timeout - SECOND);
        assert_eq!((pair.client.given_up, pair.server.given_up), (None, None));
        pair.pass(SECOND);
        assert_eq!(pair.client.given_up, Some(Due::CloseTimeout));
        assert_eq!(pair.server.given_up, Some(Due::CloseTimeout));
        assert!(pair.outcomes().iter().all(|outcome| outcome.is_clean()));
    }
}

#[test]
fn a_failed_connection_is_given_up() {
    let mut pair = Pair::default();
    pair.server.read(b"GET / HTTP/1.1\r\n", pair.now);
    pair.pass(Config::default().close_timeout);
    assert_eq!(pair.server.given_up, Some(Due::CloseTimeout));
}

/// The halves may be driven apart; the deadline then starts when the time is told.
#[test]
fn a_close_behind_the_connections_back_is_noticed() {
    let mut pair = Pair::default();
    pair.server.conn.outbound.close(None).unwrap();
    assert_eq!(pair.server.conn.handle_timeout(pair.now), None);
    assert_eq!(pair.server.conn.next_timeout(), Some(pair.now + Config::default().close_timeout));
}

#[test]
fn without_timeouts_nothing_is_due() {
    let mut pair = Pair::default();
    assert_eq!(pair.server.conn.next_timeout(), None);
    assert_eq!(pair.server.conn.handle_timeout(pair.now + 1_000_000 * SECOND), None);
}
