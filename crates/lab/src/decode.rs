//! Bytes of either direction as annotated frames, with what is illegal about them and why.
//!
//! The output is for people who look at what a capture or a fuzzer left behind. Nothing is refused, and a head in front
//! of the frames is shown too. The judgement is limited to what one direction alone shows (RFC 6455 §5). If compression
//! was agreed, messages are inflated on request.

use std::time::Duration;

use super::conversation::{Peer, Told, WireEvent, agreement_of, end_of_head};
use super::reader::{Keep, Reader, SHOWN};

/// Who sent the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// A client, which masks every frame.
    Client,
    /// A server, which masks none.
    Server,
    /// The side that the leading head or the first frame fits.
    Guess,
}

/// How to read the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Who sent them.
    pub sender: Sender,
    /// Whether permessage-deflate is agreed, with both contexts kept.
    pub deflate: bool,
}

/// Returns the bytes in words, and how many faults were found.
pub fn decode(bytes: &[u8], reading: Reading) -> (String, usize) {
    let mut out = String::new();
    let faults = read(bytes, reading, Keep { payload: SHOWN, message: SHOWN }, |told| {
        for line in told.lines() {
            out.push_str(&line.text);
            out.push('\n');
        }
    });
    (out, faults)
}

/// Calls `tell` with each part of the bytes in order. Returns how many faults were found; bytes that end too early
/// count.
pub fn read(bytes: &[u8], reading: Reading, keep: Keep, mut tell: impl FnMut(&Told)) -> usize {
    let mut faults = 0;
    let mut tell = |from, event| {
        faults += match &event {
            WireEvent::Frame(frame) => frame.faults.len() + usize::from(frame.is_cut()),
            WireEvent::Cut { .. } => 1,
            _ => 0,
        };
        tell(&Told { at: Duration::ZERO, from, event });
    };
    let is_request = bytes.starts_with(b"GET ");
    let head =
        if is_request || bytes.starts_with(b"HTTP/") { end_of_head(bytes).unwrap_or(bytes.len()) } else { 0 };
    let sender = match reading.sender {
        Sender::Client => Some(Peer::Client),
        Sender::Server => Some(Peer::Server),
        Sender::Guess if head == 0 => None,
        Sender::Guess => Some(if is_request { Peer::Client } else { Peer::Server }),
    };
    let mut reader = Reader::new(sender, head as u64, keep);
    if reading.deflate {
        reader.inflate_all();
    }
    if head > 0 {
        let from = sender.unwrap_or(Peer::Client);
        let agreement = agreement_of(&bytes[..head], is_request);
        tell(from, WireEvent::Head(bytes[..head].to_vec()));
        if agreement.deflate.is_some() {
            reader.inflate_all();
        }
        tell(from, WireEvent::Agreed(agreement));
    }
    // Read in pieces, so that output can be written before everything is read.
    for piece in bytes[head..].chunks(64 << 10) {
        let mut frames = Vec::new();
        reader.push(piece, |frame| frames.push(frame));
        let from = reader.sender().unwrap_or(Peer::Client);
        frames.into_iter().for_each(|frame| tell(from, WireEvent::Frame(frame)));
    }
    let from = reader.sender().unwrap_or(Peer::Client);
    let (frame, rest) = reader.end();
    if let Some(frame) = frame {
        tell(from, WireEvent::Frame(frame));
    }
    if !rest.is_empty() {
        tell(from, WireEvent::Cut { at: (bytes.len() - rest.len()) as u64, rest });
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(bytes: &[u8], sender: Sender, deflate: bool) -> usize {
        decode(bytes, Reading { sender, deflate }).1
    }

    #[test]
    fn the_examples_of_the_rfc_have_no_fault() {
        // RFC 6455 §5.7 and RFC 7692 §7.2.3.1.
        assert_eq!(faults(b"\x81\x05Hello", Sender::Server, false), 0);
        assert_eq!(faults(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", Sender::Client, false), 0);
        assert_eq!(faults(b"\x01\x03Hel\x80\x02lo\x89\x00\x88\x02\x03\xe8", Sender::Guess, false), 0);
        assert_eq!(faults(b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", Sender::Server, true), 0);
    }

    #[test]
    fn each_fault_is_found() {
        for (bytes, what) in [
            (&b"\x81\x85\0\0\0\0Hello"[..], "masked by a server"),
            (b"\x81\x7e\x00\x05Hello", "long form"),
            (b"\xa1\x00", "RSV2"),
            (b"\xc1\x00", "RSV1"),
            (b"\x83\x00", "reserved opcode"),
            (b"\x09\x00", "fragmented Ping"),
            (b"\x80\x00", "nothing to continue"),
            (b"\x01\x00\x81\x00", "interleaved"),
            (b"\x81\x01\xff", "not UTF-8"),
            (b"\x88\x01a", "Close of one byte"),
            (b"\x88\x02\x03\xed", "code 1005"),
            (b"\x88\x00\x81\x00", "after Close"),
            (b"\x81\x05Hel", "cut payload"),
            (b"\x81", "cut header"),
        ] {
            assert_eq!(faults(bytes, Sender::Server, false), 1, "{what}");
        }
        assert_eq!(faults(b"\x81\x00", Sender::Client, false), 1);
    }

    #[test]
    fn a_header_that_is_cut_tells_what_it_shows() {
        let reading = Reading { sender: Sender::Guess, deflate: false };
        for (bytes, told) in [
            (&b"\x81"[..], "81                           text FIN\n"),
            (b"\x02\xfe\x01", "02 fe 01                     binary, a length of two bytes, masked\n"),
            (b"\xc9\x83\x01\x02", "c9 83 01 02                  Ping FIN RSV1, 3 bytes, masked\n"),
            (
                b"\x8b\x7f",
                "8b 7f                        reserved control opcode FIN, a length of eight bytes\n",
            ),
        ] {
            let (text, faults) = decode(bytes, reading);
            assert!(text.contains(told) && text.contains("inside a header") && faults == 1, "{text}");
        }
    }

    #[test]
    fn a_close_tells_its_code() {
        let reading = Reading { sender: Sender::Guess, deflate: false };
        for (bytes, told) in [
            (&b"\x88\x02\x03\xe8"[..], "= 1000 (normal closure)\n"),
            (b"\x88\x05\x0f\xa1bye", "= 4001 (private use): bye\n"),
            (b"\x88\x03\x03\xf1\x1b", "= 1009 (message too big): "),
        ] {
            let (text, _) = decode(bytes, reading);
            assert!(text.contains(told) && !text.contains('\x1b'), "{text}");
        }
    }

    #[test]
    fn a_head_says_what_was_agreed() {
        let compressed = b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00";
        let reading = Reading { sender: Sender::Guess, deflate: false };
        for (extensions, agreed) in [
            ("Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n", true),
            ("sec-websocket-extensions: x-other\r\nSEC-WEBSOCKET-EXTENSIONS: permessage-deflate\r\n", true),
            ("Sec-WebSocket-Extensions: x-permessage-deflate\r\n", false),
            ("", false),
        ] {
            let head = format!(
                "HTTP/1.1 101 Switching Protocols\r\n{extensions}Sec-WebSocket-Protocol: chat\r\n\r\n"
            );
            let (text, found) = decode(&[head.as_bytes(), compressed].concat(), reading);
            assert_eq!(found == 0, agreed, "{text}");
            assert_eq!(text.contains("= permessage-deflate is agreed"), agreed, "{text}");
            assert!(text.contains("= agreed subprotocol: chat"), "{text}");
        }
    }

    #[test]
    fn any_bytes_end_without_harm() {
        let mut random = super::super::random::Random::new(3);
        for _ in 0..2000 {
            let bytes = random.bytes::<40>();
            for deflate in [false, true] {
                decode(&bytes, Reading { sender: Sender::Guess, deflate });
            }
        }
    }
}
