//! How the bytes of a WebSocket are cut into DATA frames, and how the window for the peer's bytes is opened.

use std::fmt;
use std::str::FromStr;

use super::frame::{Frame, kind};
use super::session::{Grant, Session};
use crate::random::Random;

/// How many bytes of a stream are cut finely; the rest is cut into pieces of a KiB, so that long messages end.
const FINELY: usize = 2048;
/// The most empty DATA frames on one stream: servers take a large number of them for an attack.
const MOST_EMPTY: u32 = 16;
/// The most streams with empty frames on one connection, since servers count those of all its streams: Node's http2
/// resets every stream after 1000.
const MOST_WITH_EMPTY: usize = 32;
/// The most bytes that padding takes, its length field included.
const PADDING: usize = 256;

/// A way to cut bytes into DATA frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cut {
    /// Each write is one DATA frame, as far as windows allow: many WebSocket frames in one.
    #[default]
    Whole,
    /// Each DATA frame has one byte: one WebSocket frame over many.
    Bytes,
    /// Every DATA frame is padded.
    Padded,
    /// Empty DATA frames are sent in between.
    Empty,
    /// The peer's window is opened byte by byte.
    Window,
    /// The seed chooses one of these ways for each stream.
    Mixed,
}

const NAMES: [(Cut, &str); 6] = [
    (Cut::Whole, "whole"),
    (Cut::Bytes, "bytes"),
    (Cut::Padded, "padded"),
    (Cut::Empty, "empty"),
    (Cut::Window, "window"),
    (Cut::Mixed, "mixed"),
];

impl Cut {
    /// Returns how many streams a connection may carry in total.
    pub(super) const fn most_streams(self) -> usize {
        match self {
            Cut::Empty | Cut::Mixed => MOST_WITH_EMPTY,
            _ => usize::MAX,
        }
    }

    /// Returns whether streams start without a window, so that each can open its own.
    pub(crate) fn starts_shut(self) -> bool {
        matches!(self, Cut::Window | Cut::Mixed)
    }

    /// Returns the way in which one stream is cut.
    pub(crate) fn of_stream(self, random: &mut Random) -> Self {
        match self {
            Cut::Mixed => NAMES[usize::from(random.bytes::<1>()[0]) % (NAMES.len() - 1)].0,
            cut => cut,
        }
    }

    pub(crate) fn grant(self) -> Grant {
        if self == Cut::Window { Grant::Dribble } else { Grant::Freely }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(cut, _)| cut == self).map_or("", |(_, name)| name);
        f.pad(name)
    }
}

impl FromStr for Cut {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || NAMES.map(|(_, name)| name).join(", ");
        let found = NAMES.iter().find(|(_, name)| *name == text);
        found
            .map(|(cut, _)| *cut)
            .ok_or_else(|| format!("\"{}\" is none of {}", text.escape_debug(), names()))
    }
}

/// Cuts the bytes for one stream.
#[derive(Debug)]
pub(super) struct Cutter {
    cut: Cut,
    random: Random,
    written: usize,
    empty: u32,
}

impl Cutter {
    pub(super) fn new(cut: Cut, random: Random) -> Self {
        Self { cut, random, written: 0, empty: 0 }
    }

    /// Sends as many of the bytes as windows allow. Returns how many were sent.
    pub(super) fn send(&mut self, session: &mut Session, stream: u32, bytes: &[u8]) -> usize {
        let mut sent = 0;
        while sent < bytes.len() {
            let room = session.room(stream);
            let piece = match self.cut {
                Cut::Bytes if self.written < FINELY => 1,
                Cut::Bytes | Cut::Padded => 1024,
                _ => usize::MAX,
            };
            let padded = self.cut == Cut::Padded && room > PADDING;
            let length = piece.min(bytes.len() - sent).min(if padded { room - PADDING } else { room });
            if length == 0 {
                break;
            }
            if self.cut == Cut::Empty && self.empty < MOST_EMPTY {
                self.empty += 1;
                session.data(&Frame::new(kind::DATA, 0, stream, b""));
            }
            let data = &bytes[sent..sent + length];
            let frame = if padded {
                Frame::padded_data(stream, 0, data, self.random.bytes::<1>()[0])
            } else {
                Frame::new(kind::DATA, 0, stream, data)
            };
            session.data(&frame);
            sent += length;
            self.written += length;
        }
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http2::frame::{FrameReader, MAX_PAYLOAD, flag};
    use crate::http2::session::SETTINGS;

    /// Returns the DATA frames that carry this many bytes.
    fn frames(cut: Cut, length: usize) -> Vec<Frame> {
        let mut session = Session::new(SETTINGS);
        let stream = session.open(&[]);
        let at = session.outgoing().len();
        let bytes = vec![b'x'; length];
        assert_eq!(Cutter::new(cut, Random::for_case(1, "cut")).send(&mut session, stream, &bytes), length);
        let mut reader = FrameReader::with_most(MAX_PAYLOAD);
        reader.push(&session.outgoing()[at..]);
        std::iter::from_fn(|| reader.next_frame().unwrap()).collect()
    }

    #[test]
    fn every_way_carries_every_byte() {
        for (cut, count) in
            [(Cut::Whole, 1), (Cut::Bytes, 2048 + 2), (Cut::Padded, 4), (Cut::Empty, 2), (Cut::Window, 1)]
        {
            let frames = frames(cut, 4096);
            assert_eq!(frames.len(), count, "{cut}");
            let bytes: usize = frames.iter().map(|frame| frame.unpadded().unwrap().len()).sum();
            assert_eq!(bytes, 4096, "{cut}");
            assert_eq!(frames.iter().all(|frame| frame.has(flag::PADDED)), cut == Cut::Padded);
        }
    }

    #[test]
    fn no_more_is_sent_than_the_window_allows() {
        let mut session = Session::new(SETTINGS);
        let stream = session.open(&[]);
        let mut cutter = Cutter::new(Cut::Padded, Random::for_case(1, "cut"));
        let sent = cutter.send(&mut session, stream, &[0; 100_000]);
        assert!(sent < 65_535 && sent > 50_000, "{sent}");
        assert_eq!(session.room(stream), 0);
    }

    #[test]
    fn a_connection_has_far_fewer_empty_frames_than_an_attack() {
        const { assert!(MOST_WITH_EMPTY * MOST_EMPTY as usize <= 600) }
    }

    #[test]
    fn names_are_read_back() {
        for (cut, name) in NAMES {
            assert_eq!((name.parse(), cut.to_string()), (Ok(cut), name.to_owned()));
        }
        assert!("x".parse::<Cut>().unwrap_err().contains("whole, bytes"));
    }
}
