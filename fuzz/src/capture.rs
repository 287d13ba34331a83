//! Files that hold both directions. Whatever they contain, reading them ends and reports no more bytes than the file
//! holds, and a connection that is over stays so. The first byte says which kind of file the rest is.

use std::collections::BTreeSet;
use std::time::Duration;

use bowsprit_lab::capture::{Entry, What, har, packets, saved};
use bowsprit_lab::conversation::Conversation;
use bowsprit_lab::reader::Keep;

const KEEP: Keep = Keep { payload: 64, message: 64 };

pub fn run(data: &[u8]) {
    let Some((kind, file)) = data.split_first() else { return };
    let mut heard = Heard::default();
    match kind % 4 {
        0 => {
            let whole = packets::read(file, |entry| heard.entry(entry));
            if let Ok(held) = whole {
                assert!(held.connections <= held.packets && held.left_out <= held.packets, "{held:?}");
                assert!(held.packets <= file.len() as u64, "{held:?}");
            }
        }
        // As tcpdump prints packets: a byte for the length, then the packet.
        1 => {
            let mut rest = file;
            let rows = std::iter::from_fn(|| {
                let (&length, behind) = rest.split_first()?;
                let (packet, behind) = behind.split_at(behind.len().min(usize::from(length)));
                rest = behind;
                Some((Duration::from_millis(behind.len() as u64), packet.to_vec()))
            });
            let held = packets::read_bare(rows, |entry| heard.entry(entry));
            assert!(held.connections <= file.len() as u64, "{held:?}");
        }
        2 => {
            let whole = saved::read(file, |entry| heard.entry(entry));
            // What cannot be read is reported with its line, and a file without any line is an error.
            assert!(whole.is_ok() || whole.is_err_and(|error| !error.is_empty()));
        }
        _ => {
            let mut bytes = 0;
            let _ = har::read(&String::from_utf8_lossy(file), KEEP.message, |_, told| {
                bytes += told.lines().iter().map(|line| line.text.len()).sum::<usize>();
            });
            // Each message of one byte is reported with a line.
            assert!(bytes <= 4096 + file.len() * 400, "{} bytes become {bytes} of text", file.len());
            return;
        }
    }
    assert!(heard.bytes <= file.len(), "{} bytes out of {}", heard.bytes, file.len());
}

/// What was reported of a file, and its connections.
#[derive(Default)]
struct Heard {
    bytes: usize,
    open: BTreeSet<u64>,
    over: BTreeSet<u64>,
    /// The connection that was reported last, judged as `decode` does.
    last: Option<(u64, Conversation)>,
}

impl Heard {
    fn entry(&mut self, Entry { connection, at, what }: Entry) {
        let (_, conversation) = match self.last.take() {
            Some(last) if last.0 == connection => self.last.insert(last),
            _ => self.last.insert((connection, Conversation::new(KEEP))),
        };
        let mut tell = |told: bowsprit_lab::conversation::Told| {
            let _ = told.lines();
        };
        match what {
            What::Open => drop(self.open.insert(connection)),
            What::Middle => {
                self.open.insert(connection);
                conversation.open_already(at.subsec_nanos() % 2 == 1);
            }
            What::Bytes(from, bytes) => {
                self.bytes += bytes.len();
                conversation.receive(at, from, &bytes, &mut tell);
            }
            What::Lost(from, bytes) => conversation.lose(at, from, bytes, &mut tell),
            What::End(from, how) => conversation.end(at, from, how, &mut tell),
            What::Over => {
                self.over.insert(connection);
                conversation.cut_off(at, &mut tell);
            }
        }
    }
}
