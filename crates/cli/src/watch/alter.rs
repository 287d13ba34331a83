//! Loses or changes frames on the way: Pongs, and the codes of Closes. Everything else passes unchanged.

use bowsprit::frame::{Parsed, RawHeader};

/// The longest head after which frames are looked for.
const MOST: usize = 64 << 10;

/// The state of one direction.
#[derive(Debug)]
pub(super) struct Alter {
    drop_pongs: bool,
    code: Option<u16>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// In a head, of which these bytes have passed.
    Head(Vec<u8>),
    /// At a header, of which these bytes have come.
    Header(Vec<u8>),
    Payload(Payload),
    /// Frames are not looked for any more.
    Off,
}

#[derive(Debug)]
struct Payload {
    header: RawHeader,
    /// How many bytes have passed.
    at: u64,
    is_dropped: bool,
}

impl Alter {
    pub(super) const fn new(drop_pongs: bool, code: Option<u16>) -> Self {
        let state = if drop_pongs || code.is_some() { State::Head(Vec::new()) } else { State::Off };
        Self { drop_pongs, code, state }
    }

    /// Returns what passes of these bytes.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        if let State::Off = self.state {
            return bytes.to_vec();
        }
        let mut out = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while !rest.is_empty() {
            match &mut self.state {
                State::Off => {
                    out.extend_from_slice(rest);
                    break;
                }
                State::Head(head) => {
                    head.push(rest[0]);
                    out.push(rest[0]);
                    rest = &rest[1..];
                    if head.len() > MOST {
                        self.state = State::Off;
                    } else if head.ends_with(b"\n\r\n") || head.ends_with(b"\n\n") {
                        self.state = behind(head);
                    }
                }
                State::Header(header) => {
                    header.push(rest[0]);
                    rest = &rest[1..];
                    let Parsed::Done(parsed, _) = RawHeader::parse(header) else { continue };
                    let is_dropped = self.drop_pongs && parsed.opcode == 10;
                    if !is_dropped {
                        out.extend_from_slice(header);
                    }
                    self.state = State::Payload(Payload { header: parsed, at: 0, is_dropped });
                    self.end_frame();
                }
                State::Payload(payload) => {
                    let left = payload.header.length - payload.at;
                    // This is at most the length of a slice.
                    let taken = left.min(rest.len() as u64) as usize;
                    let piece = &rest[..taken];
                    rest = &rest[taken..];
                    if !payload.is_dropped {
                        let start = out.len();
                        out.extend_from_slice(piece);
                        if let Some(code) = self.code.filter(|_| payload.header.opcode == 8) {
                            payload.rewrite(&mut out[start..], code);
                        }
                    }
                    payload.at += taken as u64;
                    self.end_frame();
                }
            }
        }
        out
    }

    fn end_frame(&mut self) {
        if let State::Payload(payload) = &self.state
            && payload.at == payload.header.length
        {
            self.state = State::Header(Vec::new());
        }
    }
}

impl Payload {
    /// Rewrites the code, if this is a Close that has one.
    fn rewrite(&self, piece: &mut [u8], code: u16) {
        if self.header.length < 2 {
            return;
        }
        for (place, byte) in (self.at..2).zip(piece) {
            let place = place as usize; // 0 or 1
            let key = self.header.mask.map_or(0, |mask| mask.0[place]);
            *byte = code.to_be_bytes()[place] ^ key;
        }
    }
}

/// Returns the state after a head: frames follow a request and a 101, another head follows an interim response.
fn behind(head: &[u8]) -> State {
    let status = head.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
    match (head.starts_with(b"GET "), status) {
        (true, _) | (_, Some(b"101")) => State::Header(Vec::new()),
        (_, Some([b'1', _, _])) => State::Head(Vec::new()),
        _ => State::Off,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that the result does not depend on the cuts, and returns it.
    fn passed(drop_pongs: bool, code: Option<u16>, bytes: &[u8]) -> Vec<u8> {
        let whole = Alter::new(drop_pongs, code).pass(bytes);
        for size in 1..bytes.len() {
            let mut alter = Alter::new(drop_pongs, code);
            let pieces: Vec<u8> = bytes.chunks(size).flat_map(|piece| alter.pass(piece)).collect();
            assert_eq!(pieces, whole, "cut into {size}");
        }
        whole
    }

    #[test]
    fn pongs_are_lost_and_codes_changed() {
        let head = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
        let with = |frames: &[u8]| [&head[..], frames].concat();
        let frames = with(b"\x81\x01a\x8a\x02hi\x8a\x00\x89\x01p\x88\x03\x03\xe8x\x88\x00");
        assert_eq!(passed(true, None, &frames), with(b"\x81\x01a\x89\x01p\x88\x03\x03\xe8x\x88\x00"));
        let rewritten = passed(false, Some(1011), &frames);
        assert_eq!(rewritten, with(b"\x81\x01a\x8a\x02hi\x8a\x00\x89\x01p\x88\x03\x03\xf3x\x88\x00"));
        // Masked, after a request.
        let request = b"GET / HTTP/1.1\r\n\r\n\x88\x82\x01\x02\x03\x04";
        let masked = passed(false, Some(4000), &[&request[..], &[0x03 ^ 1, 0xe8 ^ 2]].concat());
        assert_eq!(masked, [&request[..], &[0x0f ^ 1, 0xa0 ^ 2]].concat());
    }

    #[test]
    fn what_is_no_frame_passes() {
        for bytes in [
            &b"HTTP/1.1 404 Not Found\r\n\r\n\x8a\x00"[..],
            b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101 OK\r\n\r\n\x81\x00",
            b"\x16\x03\x01 no head at all \x8a\x00",
            b"POST / HTTP/1.1\r\n\r\n\x8a\x00",
        ] {
            assert_eq!(passed(true, Some(1000), bytes), bytes);
        }
    }
}
