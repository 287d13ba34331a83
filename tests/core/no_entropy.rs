//! A client whose source of masking keys runs dry: nothing weak goes out, and whoever sends is told (RFC 6455 §5.3, §10.3).

use std::sync::Arc;

use crate::support::*;
use bowsprit::Role;
use bowsprit::connection::{CloseFrame, CloseStep, Config, Connection, SendError};
use bowsprit::entropy::{Entropy, EntropyError};
use bowsprit::frame::{DataKind, RawHeader};
use bowsprit::message::{Message, Prepared};

/// Gives so many keys, then none.
struct Few(usize);

impl Entropy for Few {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        self.0 = self.0.checked_sub(1).ok_or(EntropyError)?;
        out.fill(0x5a);
        Ok(())
    }
}

fn client(keys: usize, change: impl FnOnce(&mut Config)) -> Side {
    let conn = Connection::client(Arc::new(config(change)), Box::new(Few(keys)), start());
    Side { conn, ..Side::new(Role::Client, &Arc::default(), start()) }
}

/// Nothing but `frames` whole masked frames has been queued, and nothing more can be.
fn has_failed(side: &mut Side, frames_before: usize) {
    assert_eq!(frames(&side.write()).len(), frames_before);
    assert_eq!(side.conn.close_step(), CloseStep::CloseTcp, "§7.1.7");
    let outbound = &mut side.conn.outbound;
    assert!(outbound.has_failed());
    assert_eq!(outbound.send_text("more"), Err(SendError::NoEntropy));
    assert_eq!(outbound.ping(b""), Err(SendError::NoEntropy));
    assert_eq!(outbound.close(None), Err(SendError::NoEntropy));
    let outcome = side.conn.outcome();
    assert_eq!(outcome.sent, CloseFrame::None, "no Close frame could be masked");
    assert!(!outcome.is_clean());
}

type Send = fn(&mut Side) -> Result<(), SendError>;

#[test]
fn every_frame_of_ours_needs_a_key() {
    let sends: [Send; 7] = [
        |side| side.conn.outbound.send_text("hi"),
        |side| side.conn.outbound.send_binary(b""),
        |side| side.conn.outbound.send_prepared(&Prepared::new(Message::Text("hi"))),
        |side| side.conn.outbound.start_message(DataKind::Text, b"h"),
        |side| side.conn.outbound.ping(b"?"),
        |side| side.conn.outbound.pong(b"!"),
        |side| side.conn.close(None, start()),
    ];
    for send in sends {
        for keys in 0..3 {
            let mut side = client(keys, |_| {});
            for _ in 0..keys {
                side.conn.outbound.send_text("while there are keys").unwrap();
            }
            assert_eq!(send(&mut side), Err(SendError::NoEntropy));
            has_failed(&mut side, keys);
        }
    }
}

#[test]
fn a_message_in_parts_ends_where_the_keys_do() {
    let mut side = client(1, |_| {});
    side.conn.outbound.start_message(DataKind::Text, b"h").unwrap();
    assert_eq!(side.conn.outbound.continue_message(b"i"), Err(SendError::NoEntropy));
    has_failed(&mut side, 1);

    let mut side = client(2, |config| config.fragment_size = std::num::NonZeroUsize::new(1));
    assert_eq!(side.conn.outbound.send_text("four"), Err(SendError::NoEntropy));
    has_failed(&mut side, 2);
}

/// What answers by itself has nobody to tell; the connection ends all the same.
#[test]
fn answers_need_keys_too() {
    for frame in [RawHeader::PING, RawHeader::CLOSE] {
        let mut side = client(0, |_| {});
        side.read(&sent_by(Role::Server, frame, b""), start());
        has_failed(&mut side, 0);
    }
    // A rule broken by the server would be told by a Close frame.
    let mut side = client(0, |_| {});
    side.read(&sent_by(Role::Server, RawHeader { rsv1: true, ..RawHeader::TEXT }, b""), start());
    has_failed(&mut side, 0);
}
