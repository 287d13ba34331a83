//! Bytes of either direction as annotated frames, with what is illegal about them and why.
//!
//! For eyes: what a capture or a fuzzer left behind. Nothing is refused; a head in front of the frames is
//! shown too. Judged is what one direction alone shows (RFC 6455 §5): compression, if it was agreed, is
//! inflated when asked for.

use std::fmt::Write as _;

use bowsprit::error::Section;
use bowsprit::frame::{LengthForm, Parsed, RawHeader};

use super::deflate::{Agreed, Codec};
use super::escape::{hex, visible};
use super::explain::opcode_name;
use super::rule::Violation;

/// Bytes of a payload that are shown.
const SHOWN: usize = 64;

/// Who sent the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// A client: every frame is masked.
    Client,
    /// A server: none is.
    Server,
    /// Whoever the first frame fits.
    Guess,
}

/// How to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Who sent them.
    pub sender: Sender,
    /// Whether permessage-deflate is agreed, with both contexts kept.
    pub deflate: bool,
}

/// The bytes in words, and how many faults were found.
pub fn decode(bytes: &[u8], reading: Reading) -> (String, usize) {
    let mut decoder = Decoder {
        out: String::new(),
        faults: 0,
        sender: reading.sender,
        codec: reading.deflate.then(whole_context),
        message: None,
        closed: false,
    };
    let at = decoder.head(bytes);
    decoder.frames(bytes, at);
    (decoder.out, decoder.faults)
}

/// The bytes behind hex digits; blanks, line ends, `0x`, `:` and `,` between them do not count.
///
/// # Errors
///
/// What is no hex digit.
pub fn from_hex(text: &str) -> Result<Vec<u8>, String> {
    let text = text.replace("0x", " ").replace("\\x", " ");
    let mut digits = Vec::new();
    for c in text.chars().filter(|c| !c.is_whitespace() && !matches!(c, ':' | ',' | '-')) {
        let digit = c.to_digit(16).ok_or_else(|| format!("'{}' is no hex digit", c.escape_default()))?;
        digits.push(digit as u8);
    }
    match digits.as_chunks() {
        (pairs, []) => Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect()),
        _ => Err("the number of hex digits is odd".to_owned()),
    }
}

/// Keeps all that any agreement may keep: whoever keeps less is understood, too.
fn whole_context() -> Codec {
    Codec::new(Agreed { our_reset: false, our_bits: 15, their_reset: false, their_bits: 15 })
}

struct Decoder {
    out: String,
    faults: usize,
    sender: Sender,
    codec: Option<Codec>,
    /// The open message: text or not, compressed or not, its bytes.
    message: Option<(bool, bool, Vec<u8>)>,
    closed: bool,
}

impl Decoder {
    fn fault(&mut self, what: &str, section: Section) {
        self.faults += 1;
        let _ = writeln!(self.out, "         ! {}", Violation::new(section, what));
    }

    /// The bytes stop where a frame goes on.
    fn cut(&mut self, place: &str) {
        self.faults += 1;
        let _ = writeln!(self.out, "         ! The bytes end inside {place}.");
    }

    /// A head in front of the frames, if there is one; where the frames start.
    fn head(&mut self, bytes: &[u8]) -> usize {
        let is_head = [&b"GET "[..], b"HTTP/"].iter().any(|start| bytes.starts_with(start));
        if !is_head {
            return 0;
        }
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
        for line in bytes[..end].split(|byte| *byte == b'\n').filter(|line| line.len() > 1) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let _ = writeln!(self.out, "         {}", visible(line));
        }
        let is_request = bytes.starts_with(b"GET ");
        if self.sender == Sender::Guess {
            self.sender = if is_request { Sender::Client } else { Sender::Server };
        }
        self.agreement(&bytes[..end], is_request);
        end
    }

    /// What the head says of the frames behind it.
    fn agreement(&mut self, head: &[u8], is_request: bool) {
        let named = |wanted: &str| {
            let lines = head.split(|byte| *byte == b'\n').filter_map(|line| str::from_utf8(line).ok());
            let values = lines.filter_map(|line| line.split_once(':'));
            let values = values.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
            values.map(|(_, value)| value.trim().to_owned()).collect::<Vec<_>>().join(", ")
        };
        let extensions = named("Sec-WebSocket-Extensions");
        let is_deflate = |element: &str| {
            element
                .split(';')
                .next()
                .is_some_and(|name| name.trim().eq_ignore_ascii_case("permessage-deflate"))
        };
        if extensions.split(',').any(is_deflate) && self.codec.is_none() {
            self.codec = Some(whole_context());
            let _ = writeln!(
                self.out,
                "         = permessage-deflate is {}",
                if is_request { "offered here, and taken as agreed" } else { "agreed" }
            );
        }
        let subprotocol = named("Sec-WebSocket-Protocol");
        if !subprotocol.is_empty() {
            let verb = if is_request { "offered" } else { "agreed" };
            let _ = writeln!(self.out, "         = {verb} subprotocol: {}", visible(subprotocol.as_bytes()));
        }
    }

    fn frames(&mut self, bytes: &[u8], mut at: usize) {
        while at < bytes.len() {
            let rest = &bytes[at..];
            let Parsed::Done(header, used) = RawHeader::parse(rest) else {
                let _ = writeln!(self.out, "{at:08x} {}", hex(rest));
                self.cut("a header");
                return;
            };
            if self.sender == Sender::Guess {
                self.sender = if header.mask.is_some() { Sender::Client } else { Sender::Server };
            }
            let body = &rest[used..];
            // The comparison comes before the cast, so that it keeps the value.
            let whole = header.length <= body.len() as u64;
            let mut payload = body[..if whole { header.length as usize } else { body.len() }].to_vec();
            if let Some(key) = header.mask {
                key.apply(&mut payload);
            }
            let _ = writeln!(self.out, "{at:08x} {:<28} {}", hex(&rest[..used]), describe(&header));
            self.show(&payload);
            self.judge_header(&header);
            if !whole {
                let missing = header.length - body.len() as u64;
                self.cut(&format!("the payload: {missing} are missing"));
                return;
            }
            self.judge_payload(&header, &payload);
            at += used + payload.len();
        }
    }

    fn show(&mut self, payload: &[u8]) {
        for (row, chunk) in payload[..payload.len().min(SHOWN)].chunks(16).enumerate() {
            let _ = writeln!(self.out, "         {:>4}  {:<48} {}", row * 16, hex(chunk), visible(chunk));
        }
        if payload.len() > SHOWN {
            let _ = writeln!(self.out, "               ... {} bytes in all", payload.len());
        }
    }

    fn judge_header(&mut self, header: &RawHeader) {
        let control = header.opcode >= 8;
        let faults: [(bool, &str, Section); 10] = [
            (
                self.sender == Sender::Client && header.mask.is_none(),
                "A client must mask every frame",
                Section::rfc6455("5.1"),
            ),
            (
                self.sender == Sender::Server && header.mask.is_some(),
                "A server must not mask its frames",
                Section::rfc6455("5.1"),
            ),
            (
                header.form != LengthForm::minimal(header.length),
                "The length is not in its shortest form",
                Section::rfc6455("5.2"),
            ),
            (
                header.length >> 63 != 0,
                "The most significant bit of the length must be 0",
                Section::rfc6455("5.2"),
            ),
            (header.rsv2 || header.rsv3, "RSV2 and RSV3 must be 0", Section::rfc6455("5.2")),
            (
                header.rsv1 && self.codec.is_none(),
                "RSV1 must be 0 unless permessage-deflate is agreed",
                Section::rfc6455("5.2"),
            ),
            (
                header.rsv1 && self.codec.is_some() && !matches!(header.opcode, 1 | 2),
                "RSV1 stands only on the first frame of a message",
                Section::rfc7692("6.1"),
            ),
            (matches!(header.opcode, 3..=7 | 11..=15), "The opcode is reserved", Section::rfc6455("5.2")),
            (control && !header.fin, "A control frame must not be fragmented", Section::rfc6455("5.5")),
            (
                control && header.length > 125,
                "A control frame has at most 125 bytes",
                Section::rfc6455("5.5"),
            ),
        ];
        for (holds, what, section) in faults {
            if holds {
                self.fault(what, section);
            }
        }
        if self.closed {
            self.fault("Nothing may follow a Close", Section::rfc6455("5.5.1"));
        }
    }

    fn judge_payload(&mut self, header: &RawHeader, payload: &[u8]) {
        match header.opcode {
            8 => return self.judge_close(payload),
            0 => match &mut self.message {
                Some((.., bytes)) => bytes.extend_from_slice(payload),
                None => return self.fault("There is no message to continue", Section::rfc6455("5.4")),
            },
            1 | 2 => {
                if self.message.is_some() {
                    self.fault("A new message starts before the open one has ended", Section::rfc6455("5.4"));
                }
                self.message = Some((header.opcode == 1, header.rsv1, payload.to_vec()));
            }
            _ => return,
        }
        if !header.fin {
            return;
        }
        let Some((text, compressed, mut bytes)) = self.message.take() else { return };
        if let (true, Some(codec)) = (compressed, self.codec.as_mut()) {
            match codec.decompress(&bytes) {
                Ok(inflated) => {
                    let _ = writeln!(self.out, "         = inflates to {} bytes", inflated.len());
                    self.show(&inflated);
                    bytes = inflated;
                }
                Err(fault) => return self.fault(&format!("The message {}", fault.what), fault.section),
            }
        }
        if let (true, Err(error)) = (text, str::from_utf8(&bytes)) {
            self.fault(
                &format!("The text is not UTF-8 from byte {} on", error.valid_up_to()),
                Section::rfc6455("8.1"),
            );
        }
    }

    fn judge_close(&mut self, payload: &[u8]) {
        self.closed = true;
        match payload {
            [] => {}
            [_] => self.fault("A Close holds nothing or a code of two bytes", Section::rfc6455("5.5.1")),
            [high, low, reason @ ..] => {
                let code = u16::from_be_bytes([*high, *low]);
                let colon = if reason.is_empty() { "" } else { ": " };
                let _ =
                    writeln!(self.out, "         = {code} ({}){colon}{}", close_name(code), visible(reason));
                if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                    self.fault(&format!("No endpoint may send the code {code}"), Section::rfc6455("7.4"));
                }
                if str::from_utf8(reason).is_err() {
                    self.fault("The reason is not UTF-8", Section::rfc6455("5.5.1"));
                }
            }
        }
    }
}

/// What a code means (RFC 6455 §7.4 and IANA's registry).
const fn close_name(code: u16) -> &'static str {
    match code {
        1000 => "normal closure",
        1001 => "going away",
        1002 => "protocol error",
        1003 => "unsupported data",
        1005 => "no status received, never sent",
        1006 => "abnormal closure, never sent",
        1007 => "invalid frame payload data",
        1008 => "policy violation",
        1009 => "message too big",
        1010 => "mandatory extension",
        1011 => "internal error",
        1012 => "service restart",
        1013 => "try again later",
        1014 => "bad gateway",
        1015 => "TLS handshake, never sent",
        0..=999 => "not used",
        1004 | 1016..=2999 => "reserved",
        3000..=3999 => "registered by a library or framework",
        4000..=4999 => "private use",
        _ => "out of range",
    }
}

fn describe(header: &RawHeader) -> String {
    let mut out = opcode_name(header.opcode).to_owned();
    if !matches!(header.opcode, 0..=2 | 8..=10) {
        let _ = write!(out, " {:#x}", header.opcode);
    }
    for (set, name) in
        [(header.fin, "FIN"), (header.rsv1, "RSV1"), (header.rsv2, "RSV2"), (header.rsv3, "RSV3")]
    {
        if set {
            let _ = write!(out, " {name}");
        }
    }
    let _ = write!(out, ", {} bytes", header.length);
    if let Some(key) = header.mask {
        let _ = write!(out, ", masking key {}", hex(&key.0));
    }
    out
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
    fn hex_comes_in_many_forms() {
        for text in ["810548", "81 05\n48", "0x81, 0x05, 0x48", "81:05:48", "\\x81\\x05\\x48"] {
            assert_eq!(from_hex(text).unwrap(), [0x81, 5, 0x48], "{text}");
        }
        assert!(from_hex("8").is_err() && from_hex("xy").is_err());
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
