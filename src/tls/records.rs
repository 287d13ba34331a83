//! How much of what a peer has sent `rustls` keeps until more comes: it does not tell.
//!
//! In: the bytes of the socket, in any cut, and whether anything came of them. Out: the memory that is taken by a record that
//! is not whole (RFC 8446 §5.1), or by a handshake message in several records (§5.1) that is not.

use std::io::{self, Read};

/// Of a record: its type, a version, and the length of what follows.
const HEADER: usize = 5;

/// What `rustls` asks the socket for at a time, and keeps room for in any case: not counted here.
const READ: usize = 4096;

/// The most of one record, and of one handshake message.
const MAX_RECORD: usize = HEADER + 16_384 + 2048;
const MAX_MESSAGE: usize = 64 * 1024;

/// Messages of which nothing comes, as new tickets, are shorter than this.
const UNANSWERED: usize = 2048;

/// Where the peer's records stand.
#[derive(Debug, Default)]
pub(super) struct Records {
    header: [u8; HEADER],
    /// Bytes that have come of the record that is not whole, its header included.
    come: usize,
    /// Bytes of whole records of which nothing has come.
    waiting: usize,
    /// What came is no record: `rustls` ends the connection, or has had bytes that are not known here.
    lost: bool,
}

impl Records {
    pub(super) fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.lost {
            let whole = match self.come {
                come if come < HEADER => HEADER,
                _ => HEADER + usize::from(u16::from_be_bytes([self.header[3], self.header[4]])),
            };
            let (front, rest) = bytes.split_at(bytes.len().min(whole - self.come));
            if self.come < HEADER {
                self.header[self.come..self.come + front.len()].copy_from_slice(front);
            }
            self.come += front.len();
            bytes = rest;
            // From change_cipher_spec to application_data.
            self.lost = !(20..=23).contains(&self.header[0]);
            let is_empty = self.come == HEADER && self.header[3..] == [0, 0];
            if self.come == whole && (whole > HEADER || is_empty) {
                self.waiting = self.waiting.saturating_add(self.come);
                self.come = 0;
            }
        }
    }

    /// Something has come of the records that were whole.
    pub(super) const fn answered(&mut self) {
        self.waiting = 0;
    }

    /// Bytes of memory: for a record in the steps in which a buffer grows; for a message in several of them about what has been
    /// seen of `rustls`, which takes 64 KiB at most.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self { lost: true, .. } => 0,
            Self { waiting, .. } if *waiting > UNANSWERED => {
                2 * (self.come + waiting).min(MAX_MESSAGE / 2) + MAX_MESSAGE / 2
            }
            Self { come: 0, .. } => 0,
            Self { come, .. } => (come + READ).min(MAX_RECORD).next_power_of_two() - READ,
        }
    }
}

/// A socket whose bytes are looked at as they come.
pub(super) struct Watched<'a, S>(pub(super) &'a mut S, pub(super) &'a mut Records);

impl<S: Read> Read for Watched<'_, S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = self.0.read(buf)?;
        self.1.take(&buf[..len]);
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(len: usize) -> Vec<u8> {
        let mut bytes = vec![23, 3, 3];
        bytes.extend((len as u16).to_be_bytes());
        bytes.resize(HEADER + len, 7);
        bytes
    }

    #[test]
    fn whole_records_are_told_from_others_in_any_cut() {
        let wire = [record(100), record(0), record(1), record(16_384), record(300)].concat();
        for step in [1, 2, 5, 6, 999, wire.len()] {
            let mut records = Records::default();
            for piece in wire.chunks(step) {
                records.take(piece);
            }
            assert_eq!((records.come, records.waiting), (0, wire.len()), "{step}");
            records.answered();
            assert_eq!(records.memory(), 0);
            records.take(&wire[..3]);
            assert_eq!((records.come, records.memory()), (3, READ));
        }
    }

    #[test]
    fn memory_grows_with_what_has_come_and_no_further_than_rustls_lets_it() {
        for (come, memory) in [(0, 0), (5000, 12_288), (16_388, 28_672)] {
            let mut records = Records::default();
            records.take(&record(16_384)[..come]);
            assert_eq!(records.memory(), memory, "{come}");
        }
        let mut records = Records::default();
        records.take(&record(500));
        assert_eq!(records.memory(), 0, "a ticket");
        (0..20).for_each(|_| records.take(&record(16_000)));
        assert_eq!(records.memory(), 96 * 1024);
        records.take(b"GET / HTTP/1.1\r\n");
        assert_eq!(records.memory(), 0, "no record");
    }
}
