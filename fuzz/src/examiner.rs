//! The player of the conformance lab against hostile peers. Whatever they send, in any cut, it comes to the same
//! verdict, in bounded time.

use std::time::Duration;

use crate::support::Cuts;
use bowsprit::handshake::Key;
use bowsprit_lab::{Effort, Options, Player, Record, Subject, Wants, cases};

/// A player that has not ended after this many steps counts as endless.
const STEPS: usize = 100_000;

pub fn run(mut data: &[u8]) {
    let cuts = Cuts::take(&mut data);
    let Some((&[high, low, bits], stream)) = data.split_first_chunk() else { return };
    let all: Vec<_> = cases::all().collect();
    let case = all[usize::from(u16::from_be_bytes([high, low])) % all.len()];
    if case.has_tag("heavy") {
        return; // megabytes for each input
    }
    let subject = match case.subject {
        Subject::Both if bits & 1 == 0 => Subject::Server,
        Subject::Both => Subject::Client,
        one => one,
    };
    let opens = bits & 2 == 0;
    let play = |pieces: &[&[u8]]| {
        let options = Options { effort: Effort::Quick, ..Options::default() };
        play(Player::new(case, subject, "localhost", "/", options), subject, opens, pieces)
    };
    let whole = play(&[stream]);
    let cut = play(&cuts.pieces(stream));
    assert_eq!(cut.facts.violation, whole.facts.violation, "{} {cuts:?}", case.id);
    assert!(!whole.verdict.reason.is_empty() || whole.verdict.behaviour == bowsprit_lab::Behaviour::Ok);
    assert!(!whole.verdict.reason.chars().any(char::is_control), "nothing of a peer reaches a terminal raw");
}

fn play(mut player: Player, subject: Subject, opens: bool, pieces: &[&[u8]]) -> Record {
    let mut now = Duration::ZERO;
    let mut sent = Vec::new();
    drain(&mut player, now, &mut sent);
    if opens {
        let opening = match subject {
            Subject::Client => REQUEST.to_vec(),
            _ => {
                let text = String::from_utf8_lossy(&sent);
                let key = text.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
                let key = key.and_then(|key| Key::parse(key.as_bytes()));
                let accept = key.map(|key| key.accept()).unwrap_or_default();
                format!("{RESPONSE}{accept}\r\n\r\n").into_bytes()
            }
        };
        player.receive(now, &opening);
        drain(&mut player, now, &mut sent);
    }
    for piece in pieces {
        if player.is_over() {
            break;
        }
        player.receive(now, piece);
        drain(&mut player, now, &mut sent);
    }
    for step in 0.. {
        if player.is_over() {
            break;
        }
        assert!(step < STEPS, "the player goes on for ever");
        match player.wants() {
            Wants::Drop => player.dropped(now),
            Wants::HalfClose => player.half_closed(now),
            Wants::Nothing if step == 3 => player.eof(now, None),
            Wants::Nothing => {
                now = now.max(player.deadline());
                player.tick(now);
            }
        }
        drain(&mut player, now, &mut sent);
    }
    player.finish()
}

fn drain(player: &mut Player, now: Duration, out: &mut Vec<u8>) {
    for _ in 0..STEPS {
        let Some(bytes) = player.outgoing() else { return };
        let len = bytes.len();
        if out.len() < 4096 {
            out.extend_from_slice(bytes);
        }
        player.sent(now, len);
    }
    panic!("the player writes for ever");
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const RESPONSE: &str =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";
