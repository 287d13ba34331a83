//! Scripts from a seed and a number: legal conversations, most of them with one thing made wrong.

use flate2::{Compress, Compression, FlushCompress};

use super::Side;
use super::script::{FrameStep, Opening, Script, Step, Wrong};
use crate::random::Random;
use bowsprit::error::Section;

/// Returns the script of an iteration, which depends only on the arguments.
pub fn script(side: Side, seed: u64, number: u64) -> Script {
    let mut generator =
        Generator { random: Random::for_case(seed, &number.to_string()), side, deflate: false };
    generator.script()
}

/// Returns a valid opening handshake with nothing after it.
pub(super) fn plain(side: Side) -> Script {
    let lines: &[&str] = match side {
        Side::Server => &[
            "GET {target} HTTP/1.1",
            "Host: {host}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        ],
        Side::Client => &[
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Accept: {accept}",
        ],
    };
    let lines = lines.iter().map(|line| (*line).to_owned()).collect();
    Script { opening: Opening { lines, deflate: false, wrong: None }, steps: Vec::new(), cut: 0 }
}

struct Generator {
    random: Random,
    side: Side,
    deflate: bool,
}

/// Lengths at which something changes.
const SIZES: &[usize] = &[
    0, 1, 2, 3, 7, 16, 64, 100, 124, 125, 126, 127, 128, 255, 256, 1000, 1023, 4096, 16_384, 65_535, 65_536,
];
/// Bytes that are not UTF-8, are incomplete, or encode something that must not be encoded like this.
const NOT_UTF8: &[&[u8]] = &[
    b"\xff",
    b"\xc0\x80",
    b"\xc1\xbf",
    b"\xe0\x80\x80",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xf0\x80\x80\x80",
    b"\xf4\x90\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xc3",
    b"\xe2\x82",
    b"\xf0\x9f\x98",
    b"\x80",
    b"\xc3\x28",
];
const CODES: &[u16] = &[
    0, 1, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1011, 1014, 1015, 1016, 1100, 2000, 2999,
    3000, 3999, 4000, 4999, 5000, 65_535,
];

impl Generator {
    fn script(&mut self) -> Script {
        self.deflate = self.one_in(4);
        let opening = self.opening();
        let mut steps = Vec::new();
        if opening.wrong.is_none() {
            for _ in 0..1 + self.random.below(5) {
                self.element(&mut steps);
            }
            if !self.one_in(3) {
                self.turn_wrong(&mut steps);
            }
            if self.one_in(5) {
                self.close(&mut steps);
            }
            self.split_with_pauses(&mut steps);
        }
        let cut = match self.random.below(12) {
            0 => 1,
            1 => 2 + self.random.below(20),
            2 => 100 + self.random.below(2000),
            _ => 0,
        };
        let mut script = Script { opening, steps, cut };
        // One write for each byte would take forever for long scripts.
        if script.cut > 0 && script.size() / script.cut > 300 {
            script.cut = 0;
        }
        script
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.random.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.random.below(of.len())]
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        if self.one_in(2) {
            return vec![self.random.next() as u8; len]; // easy to compress
        }
        (0..len).map(|_| self.random.next() as u8).collect()
    }

    fn text(&mut self, len: usize) -> Vec<u8> {
        let mut text = String::with_capacity(len + 4);
        if self.one_in(2) {
            text.push_str(&"abcdefgh".repeat(len / 8 + 1));
        }
        while text.len() < len {
            let next =
                self.pick(&['a', 'z', ' ', '\0', '"', 'é', '€', '\u{7ff}', '\u{ffff}', '😀', '\u{10ffff}']);
            text.push(next);
        }
        while text.len() > len {
            text.pop();
        }
        text.into_bytes()
    }

    fn size(&mut self) -> usize {
        match self.random.below(10) {
            0 => self.pick(SIZES),
            1 => self.random.below(2000),
            _ => self.pick(&SIZES[..13]),
        }
    }

    fn frame(&mut self, frame: FrameStep) -> FrameStep {
        let mask = match (self.side, self.random.below(10)) {
            (Side::Client, _) => None,
            (Side::Server, 0) => Some([0; 4]),
            (Side::Server, _) => Some(self.random.bytes()),
        };
        FrameStep { mask, ..frame }
    }

    fn control(&mut self, steps: &mut Vec<Step>) {
        let len = if self.one_in(4) { 125 } else { self.random.below(20) };
        let payload = self.bytes(len);
        let opcode = self.pick(&[9, 9, 10]);
        let frame = self.frame(FrameStep::new(opcode, payload));
        steps.push(Step::Frame(frame));
    }

    /// Adds a message or a control frame.
    fn element(&mut self, steps: &mut Vec<Step>) {
        if self.one_in(4) {
            return self.control(steps);
        }
        let (text, len) = (self.one_in(2), self.size());
        let payload = if text { self.text(len) } else { self.bytes(len) };
        self.message(steps, text, &payload);
    }

    fn message(&mut self, steps: &mut Vec<Step>, text: bool, payload: &[u8]) {
        let compressed = self.deflate && self.one_in(2);
        let bytes = if compressed { self.compress(payload) } else { payload.to_vec() };
        let mut cuts: Vec<usize> = match self.random.below(8) {
            0 => (0..1 + self.random.below(3)).map(|_| self.random.below(bytes.len() + 1)).collect(),
            1 if bytes.len() < 60 => (0..=bytes.len()).collect(), // one byte each, and empty ones around
            2 if bytes.len() < 2000 => vec![0; 1 + self.random.below(40)],
            _ => Vec::new(),
        };
        cuts.push(bytes.len());
        cuts.sort_unstable();
        let mut from = 0;
        for (at, &to) in cuts.iter().enumerate() {
            let opcode = match (at, text) {
                (0, true) => 1,
                (0, false) => 2,
                _ => 0,
            };
            let frame = FrameStep {
                fin: at == cuts.len() - 1,
                rsv: if compressed && at == 0 { 4 } else { 0 },
                ..FrameStep::new(opcode, &bytes[from..to])
            };
            let frame = self.frame(frame);
            let last = frame.fin;
            steps.push(Step::Frame(frame));
            if !last && self.one_in(6) {
                self.control(steps);
            }
            from = to;
        }
    }

    /// Compresses a message as one of the many streams that inflate to it (RFC 7692 §7.2.1, §7.2.3).
    fn compress(&mut self, payload: &[u8]) -> Vec<u8> {
        let level = self.pick(&[0, 1, 6, 9]);
        let mut compress = Compress::new(Compression::new(level), false);
        let mut out = Vec::with_capacity(payload.len() + payload.len() / 100 + 256);
        let middle = if self.one_in(3) { payload.len() / 2 } else { 0 };
        for part in [&payload[..middle], &payload[middle..]] {
            if part.is_empty() && middle > 0 {
                continue;
            }
            // This is more room than the worst case needs.
            if compress.compress_vec(part, &mut out, FlushCompress::Sync).is_err() {
                return vec![0];
            }
        }
        if out.ends_with(&[0, 0, 0xff, 0xff]) {
            out.truncate(out.len() - 4);
        }
        if out.is_empty() {
            out.push(0);
        }
        out
    }

    fn close(&mut self, steps: &mut Vec<Step>) {
        let payload = match self.random.below(4) {
            0 => Vec::new(),
            1 => 1000u16.to_be_bytes().to_vec(),
            2 => self.pick(CODES).to_be_bytes().to_vec(),
            _ => {
                let len = self.random.below(124);
                [&self.pick(&[1000u16, 3000, 4999]).to_be_bytes()[..], &self.text(len)].concat()
            }
        };
        let frame = self.frame(FrameStep::new(8, payload));
        steps.push(Step::Frame(frame));
        if self.one_in(3) {
            self.element(steps); // nobody may answer it
        }
    }

    /// Cuts a step in two, with a pause between.
    fn split_with_pauses(&mut self, steps: &mut Vec<Step>) {
        if steps.is_empty() || !self.one_in(40) {
            return;
        }
        let at = self.random.below(steps.len());
        let bytes = steps[at].bytes();
        let cut = self.random.below(bytes.len() + 1);
        let (front, back) = (bytes[..cut].to_vec(), bytes[cut..].to_vec());
        let millis = 1 + self.random.below(10) as u64;
        steps.splice(at..=at, [Step::Bytes(front), Step::Pause(millis), Step::Bytes(back)]);
    }

    /// Makes one thing wrong; occasionally the result is still valid, which the model will find.
    fn turn_wrong(&mut self, steps: &mut Vec<Step>) {
        let at = self.random.below(steps.len());
        let kind = self.random.below(22);
        if let Step::Frame(frame) = &mut steps[at] {
            match kind {
                0 => return frame.fin = !frame.fin,
                1 => return frame.rsv = 1 + (self.random.below(7) as u8),
                2 => return frame.opcode = self.random.below(16) as u8,
                3 => {
                    return frame.mask = match frame.mask {
                        Some(_) => None,
                        None => Some([1, 2, 3, 4]),
                    };
                }
                4 => {
                    return frame.length_bytes =
                        Some(if frame.payload.len() > 125 { 8 } else { [2, 8][at % 2] });
                }
                5 => {
                    let lengths =
                        [1 << 63, u64::MAX, (1 << 63) | 5, 1 << 62, 1 << 32, 1 << 31, (1 << 31) - 1];
                    let long = lengths[self.random.below(lengths.len())];
                    return frame.declares = Some(long);
                }
                6 => {
                    frame.opcode = [8, 9, 10][self.random.below(3)];
                    return frame.payload.resize(126 + self.random.below(400), b'x');
                }
                _ => {}
            }
        }
        let extra = match kind {
            7 | 8 => {
                // Bytes that are not UTF-8, at the start, the end, or across fragments.
                let (bad, before, after) =
                    (self.pick(NOT_UTF8), self.random.below(140), self.random.below(5));
                let text = [self.text(before), bad.to_vec(), self.text(after)].concat();
                let mut message = Vec::new();
                self.message(&mut message, true, &text);
                message
            }
            9 => {
                let code = self.pick(CODES);
                let frame = self.frame(FrameStep::new(8, code.to_be_bytes()));
                vec![Step::Frame(frame)]
            }
            10 => {
                let payload = self.pick(&[
                    &b"\x03"[..],
                    b"\x03\xe8\xff",
                    b"\x03\xe8\xc3",
                    b"\x03\xe8\xed\xa0\x80",
                    b"\0\0",
                ]);
                let frame = self.frame(FrameStep::new(8, payload));
                vec![Step::Frame(frame)]
            }
            11 => {
                let fin = self.one_in(2);
                let frame = self.frame(FrameStep { fin, ..FrameStep::new(0, *b"continued") });
                vec![Step::Frame(frame)]
            }
            12 => {
                let frame = self.frame(FrameStep { fin: false, ..FrameStep::new(1, *b"never ended") });
                vec![Step::Frame(frame)]
            }
            13 => {
                let frame = self.frame(FrameStep { fin: false, ..FrameStep::new(9, *b"half a ping") });
                vec![Step::Frame(frame)]
            }
            14 => return drop(steps.remove(at)),
            15 => {
                let again = steps[at].clone();
                return steps.insert(at, again);
            }
            16 => {
                let other = self.random.below(steps.len());
                return steps.swap(at, other);
            }
            17 => {
                let len = 1 + self.random.below(12);
                vec![Step::Bytes(self.bytes(len))]
            }
            18 | 19 if self.deflate => {
                // A stream with some bits changed.
                let len = self.size();
                let text = self.text(len);
                let mut stream = self.compress(&text);
                for _ in 0..1 + self.random.below(3) {
                    let byte = self.random.below(stream.len());
                    stream[byte] ^= 1 << self.random.below(8);
                }
                let frame = self.frame(FrameStep { rsv: 4, ..FrameStep::new(1, stream) });
                vec![Step::Frame(frame)]
            }
            _ => {
                // Change any bit of a step.
                let mut bytes = steps[at].bytes();
                if bytes.is_empty() {
                    return;
                }
                let byte = self.random.below(bytes.len().min(20));
                bytes[byte] ^= 1 << self.random.below(8);
                steps[at] = Step::Bytes(bytes);
                return;
            }
        };
        steps.splice(at..at, extra);
    }

    fn opening(&mut self) -> Opening {
        let mut opening = Opening { deflate: self.deflate, ..plain(self.side).opening };
        match self.random.below(24) {
            0 => self.wrong_opening(&mut opening),
            1..4 => self.right_opening(&mut opening),
            _ => {}
        }
        opening
    }

    /// Writes the head in another valid way.
    fn right_opening(&mut self, opening: &mut Opening) {
        for _ in 0..1 + self.random.below(3) {
            match self.random.below(5) {
                0 => opening.lines[1..].iter_mut().for_each(|line| {
                    if let Some((name, value)) = line.split_once(':') {
                        *line = format!("{}:{value}", name.to_ascii_uppercase());
                    }
                }),
                1 => {
                    let name =
                        format!("X-{}: {}", self.random.next() % 1000, "v".repeat(self.random.below(200)));
                    let at = 1 + self.random.below(opening.lines.len());
                    opening.lines.insert(at, name);
                }
                2 => {
                    for line in &mut opening.lines {
                        *line = line.replace("Connection: Upgrade", "Connection: keep-alive, Upgrade");
                    }
                }
                3 => opening.lines[1..].reverse(),
                _ => opening.lines.iter_mut().for_each(|line| *line = line.replace("websocket", "WebSocket")),
            }
        }
    }

    fn wrong_opening(&mut self, opening: &mut Opening) {
        // What is replaced, the replacement, and the rule that this breaks.
        type Edit = (&'static str, Option<&'static str>, &'static str, Section);
        let edits: &[Edit] = match self.side {
            Side::Server => &[
                ("Upgrade", None, "there is no Upgrade field", Section::rfc6455("4.2.1")),
                (
                    "Upgrade",
                    Some("Upgrade: h2c"),
                    "Upgrade does not hold websocket",
                    Section::rfc6455("4.2.1"),
                ),
                ("Connection", None, "there is no Connection field", Section::rfc6455("4.2.1")),
                (
                    "Connection",
                    Some("Connection: keep-alive"),
                    "Connection does not hold Upgrade",
                    Section::rfc6455("4.2.1"),
                ),
                ("Sec-WebSocket-Key", None, "there is no Sec-WebSocket-Key", Section::rfc6455("4.2.1")),
                (
                    "Sec-WebSocket-Key",
                    Some("Sec-WebSocket-Key: c2hvcnQ="),
                    "the key is not 16 bytes",
                    Section::rfc6455("4.2.1"),
                ),
                (
                    "Sec-WebSocket-Key",
                    Some("Sec-WebSocket-Key: "),
                    "the key is empty",
                    Section::rfc6455("4.2.1"),
                ),
                (
                    "Sec-WebSocket-Version",
                    None,
                    "there is no Sec-WebSocket-Version",
                    Section::rfc6455("4.2.1"),
                ),
                (
                    "Sec-WebSocket-Version",
                    Some("Sec-WebSocket-Version: 12"),
                    "the version is 12",
                    Section::rfc6455("4.4"),
                ),
                (
                    "Sec-WebSocket-Version",
                    Some("Sec-WebSocket-Version: 256"),
                    "the version is 256",
                    Section::rfc6455("4.4"),
                ),
                ("GET", Some("POST {target} HTTP/1.1"), "the method is POST", Section::rfc6455("4.2.1")),
                ("GET", Some("GET {target} HTTP/1.0"), "the HTTP version is 1.0", Section::rfc6455("4.2.1")),
            ],
            Side::Client => &[
                ("Upgrade", None, "there is no Upgrade field", Section::rfc6455("4.1")),
                ("Upgrade", Some("Upgrade: h2c"), "Upgrade is not websocket", Section::rfc6455("4.1")),
                ("Connection", None, "there is no Connection field", Section::rfc6455("4.1")),
                (
                    "Connection",
                    Some("Connection: keep-alive"),
                    "Connection does not hold Upgrade",
                    Section::rfc6455("4.1"),
                ),
                ("Sec-WebSocket-Accept", None, "there is no Sec-WebSocket-Accept", Section::rfc6455("4.1")),
                (
                    "Sec-WebSocket-Accept",
                    Some("Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
                    "Sec-WebSocket-Accept is of another key",
                    Section::rfc6455("4.1"),
                ),
                ("HTTP", Some("HTTP/1.1 200 OK"), "the status is 200", Section::rfc6455("4.1")),
                (
                    "X",
                    Some("Sec-WebSocket-Protocol: never-offered"),
                    "a subprotocol is chosen that was not offered",
                    Section::rfc6455("4.1"),
                ),
                (
                    "X",
                    Some("Sec-WebSocket-Extensions: x-never-offered"),
                    "an extension is used that was not offered",
                    Section::rfc6455("4.1"),
                ),
            ],
        };
        let (name, line, what, section) = self.pick(edits);
        match opening.lines.iter().position(|line| line.starts_with(name)) {
            Some(at) => drop(opening.lines.splice(at..=at, line.map(str::to_owned))),
            None => opening.lines.extend(line.map(str::to_owned)),
        }
        opening.wrong = Some(Wrong { what: what.to_owned(), section: section.to_string() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::model::{End, expect};

    #[test]
    fn the_same_seed_and_number_make_the_same_script() {
        for number in 0..200 {
            assert_eq!(script(Side::Server, 7, number), script(Side::Server, 7, number));
        }
        assert_ne!(script(Side::Server, 7, 1), script(Side::Server, 8, 1));
    }

    /// Many different rules are broken, and many scripts break none.
    #[test]
    fn scripts_are_right_and_wrong_in_many_ways() {
        for side in [Side::Server, Side::Client] {
            let (mut open, mut closed, mut wrong_heads) = (0, 0, 0);
            let mut sections = std::collections::BTreeSet::new();
            for number in 0..2000 {
                let script = script(side, 1, number);
                wrong_heads += usize::from(script.opening.wrong.is_some());
                let bytes: Vec<u8> = script.steps.iter().flat_map(Step::bytes).collect();
                match expect(&bytes, side == Side::Client, None).end {
                    End::Open => open += 1,
                    End::Closed(_) => closed += 1,
                    End::Fails(rule) => drop(sections.insert(rule.what)),
                    End::Unknown => {}
                }
            }
            assert!(open > 400 && closed > 50 && wrong_heads > 30, "{side:?}: {open} {closed} {wrong_heads}");
            assert!(sections.len() >= 12, "{side:?}: {sections:?}");
        }
    }
}
