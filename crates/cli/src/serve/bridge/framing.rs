//! How bytes of the far end become messages.

use clap::ValueEnum;

/// Where messages begin and end at the far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::serve) enum Framing {
    /// Bytes as they come, in messages of any length.
    Bytes,
    /// Each line is a text message.
    Lines,
}

/// The longest line: what a message may hold in most places.
pub(super) const MAX_LINE: usize = 16 << 20;

/// Cuts bytes into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The start of an unfinished line.
    start: Vec<u8>,
    is_too_long: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Lines {
    /// Passes on each line that is complete now, without its end.
    ///
    /// # Errors
    ///
    /// Fails if a line is too long; nothing comes after that.
    pub(super) fn push(&mut self, bytes: &[u8], mut line: impl FnMut(&[u8])) -> Result<(), TooLong> {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.is_too_long || self.start.len() + part.len() > MAX_LINE {
                self.is_too_long = true;
                self.start = Vec::new();
                return Err(TooLong);
            }
            if !part.ends_with(b"\n") {
                self.start.extend_from_slice(part);
            } else if self.start.is_empty() {
                line(without_end(part));
            } else {
                self.start.extend_from_slice(part);
                line(without_end(&self.start));
                self.start.clear();
            }
        }
        Ok(())
    }

    /// Passes on an unfinished last line.
    pub(super) fn rest(&mut self, mut line: impl FnMut(&[u8])) {
        let rest = std::mem::take(&mut self.start);
        if !rest.is_empty() {
            line(&rest);
        }
    }

    pub(super) const fn is_too_long(&self) -> bool {
        self.is_too_long
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_in_any_cut() {
        let bytes = b"one\r\n\ntwo\nthr\xffee\n\r\rfour";
        for step in 1..=bytes.len() {
            let (mut lines, mut all) = (Lines::default(), Vec::new());
            for part in bytes.chunks(step) {
                lines.push(part, |line| all.push(line.to_vec())).unwrap();
            }
            lines.rest(|line| all.push(line.to_vec()));
            assert_eq!(all, [&b"one"[..], b"", b"two", b"thr\xffee", b"\r\rfour"], "{step}");
        }
    }

    #[test]
    fn a_line_has_a_bound() {
        let mut lines = Lines::default();
        let part = vec![b'x'; 1 << 20];
        let taken = (0..100).take_while(|_| lines.push(&part, |_| ()).is_ok()).count();
        assert_eq!((taken, lines.is_too_long(), lines.start.capacity()), (MAX_LINE >> 20, true, 0));
        assert_eq!(lines.push(b"\n", |_| panic!()), Err(TooLong));
    }
}
