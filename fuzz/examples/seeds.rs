//! Writes seeds: what the conformance lab sends in each case to servers and to clients, and the heads of these cases.
//!
//!     cargo run --example seeds -- FOLDER
//!
//! Each target gets a folder of its own below FOLDER. `fuzz/run` minimises them into the corpus.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use bowsprit::handshake::Key;
use bowsprit_lab::{Effort, Options, Player, Subject, cases};

/// Longer inputs teach nothing that shorter ones do not.
const LONGEST: usize = 1500;

fn main() -> std::io::Result<()> {
    let Some(folder) = std::env::args().nth(1) else {
        eprintln!("usage: seeds FOLDER");
        std::process::exit(2);
    };
    let mut written = BTreeSet::new();
    for case in cases::all() {
        if case.has_tag("heavy") {
            continue;
        }
        for (subject, role) in [(Subject::Server, "server"), (Subject::Client, "client")] {
            if !case.examines(subject) {
                continue;
            }
            let (head, frames) = says(case, subject);
            let cuts = [0x02, head.len() as u8];
            save(&folder, &format!("{role}_handshake"), case.id, &[&cuts, &head[..]], &mut written)?;
            save(&folder, "head", case.id, &[&cuts, &head[..]], &mut written)?;
            let setup = [frames.len() as u8];
            save(
                &folder,
                &format!("connection_{role}"),
                case.id,
                &[&cuts, &setup, &frames[..]],
                &mut written,
            )?;
            save(&folder, &format!("differential_{role}"), case.id, &[&frames[..]], &mut written)?;
        }
    }
    println!("{} seeds", written.len());
    Ok(())
}

fn save(
    folder: &str,
    target: &str,
    id: &str,
    parts: &[&[u8]],
    written: &mut BTreeSet<(String, Vec<u8>)>,
) -> std::io::Result<()> {
    let bytes = parts.concat();
    if bytes.len() > LONGEST || !written.insert((target.to_owned(), bytes.clone())) {
        return Ok(());
    }
    let folder = Path::new(folder).join(target);
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(id.replace('/', "-")), bytes)
}

/// Returns the head and the frames that the lab sends to this side.
fn says(case: &'static bowsprit_lab::Case, subject: Subject) -> (Vec<u8>, Vec<u8>) {
    let options = Options { seed: 1, effort: Effort::Quick, ..Options::default() };
    let mut player = Player::new(case, subject, "localhost", "/", options);
    let mut now = Duration::ZERO;
    let mut head = drain(&mut player, now);
    let answer = match subject {
        Subject::Client => {
            "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
                .to_owned()
        }
        _ => {
            let text = String::from_utf8_lossy(&head).into_owned();
            let key = text.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
            let accept =
                key.and_then(|key| Key::parse(key.as_bytes())).map(|key| key.accept()).unwrap_or_default();
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n"
            )
        }
    };
    player.receive(now, answer.as_bytes());
    let mut frames = drain(&mut player, now);
    if subject == Subject::Client {
        // The response comes with the first frames.
        let end = frames.windows(4).position(|four| four == b"\r\n\r\n").map_or(frames.len(), |at| at + 4);
        head = frames.drain(..end).collect();
    }
    for _ in 0..20 {
        if player.is_over() || frames.len() > LONGEST {
            break;
        }
        now = now.max(player.deadline());
        player.tick(now);
        frames.extend(drain(&mut player, now));
    }
    (head, frames)
}

fn drain(player: &mut Player, now: Duration) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(next) = player.outgoing() {
        let len = next.len();
        bytes.extend_from_slice(next);
        player.sent(now, len);
    }
    bytes
}
