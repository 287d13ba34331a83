//! One fault planted in an otherwise correct peer: the bytes that it receives or sends are altered on their way, so
//! that it accepts what it must not accept, or sends what it must not send.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bowsprit::frame::{MaskKey, Parsed, RawHeader};
use sha1::{Digest as _, Sha1};

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What is altered, and how.
#[derive(Clone, Copy, Debug)]
pub enum Twist {
    None,
    /// Lines of the head that the peer receives.
    HearsHead(fn(&mut Head)),
    /// Lines of the head that the peer sends.
    SaysHead(fn(&mut Head)),
    /// Lines of the head that the peer sends, depending on the head that it has received.
    Answers(fn(&Head, &mut Head)),
    /// Bytes that the peer receives before its head is complete, read by read.
    HearsBytes(fn(&mut Vec<u8>, &mut Memo)),
    /// Headers of frames that the peer receives; payloads pass.
    HearsHeader(fn(&mut RawHeader, &mut Memo) -> Fate),
    /// Whole control frames that the peer receives, unmasked.
    Hears(fn(&mut RawHeader, &mut Vec<u8>, &mut Memo) -> Fate),
    /// Whole compressed messages of one frame that the peer receives, unmasked.
    HearsCompressed(fn(&mut RawHeader, &mut Vec<u8>, &mut Memo) -> Fate),
    /// Whole frames that the peer sends, unmasked.
    Says(fn(&mut RawHeader, &mut Vec<u8>, &mut Memo) -> Fate),
    /// Nothing: the peer itself has the fault.
    Is(Manner),
}

/// Faults that no alteration of bytes can produce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It never gives up on a handshake.
    Patient,
    /// It has no limits.
    Boundless,
    /// Once it has refused a 101 that calls itself empty, it leaves the TCP connection open for another response.
    Clinging,
    /// Once the other side has ended its direction of the TCP connection, it writes nothing more.
    Hasty,
    /// It takes the end of the TCP connection for the end of a message.
    Completing,
    /// It continues to send after its Close.
    Talkative,
    /// When it should fail the connection, it sends nothing more and waits.
    Forgiving,
}

/// What happens to a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Pass,
    Drop,
    /// The frame and everything after it are lost.
    Swallow,
}

/// What a twist may remember about a connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memo {
    /// Whether a fragmented message is open.
    pub open: bool,
    pub count: usize,
    /// Whether extensions were agreed.
    pub extended: bool,
}

/// A head, line by line; each byte is a character. Without any line, the head and everything after it are lost.
#[derive(Clone, Debug, Default)]
pub struct Head(pub Vec<String>);

impl Head {
    pub fn get(&self, name: &str) -> Option<&str> {
        let line = self.0.iter().skip(1).find(|line| is(line, name))?;
        Some(line.split_once(':')?.1.trim())
    }

    pub fn without(&mut self, name: &str) {
        let mut first = true;
        self.0.retain(|line| std::mem::take(&mut first) || !is(line, name));
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.without(name);
        self.0.push(format!("{name}: {value}"));
    }

    pub fn add(&mut self, line: &str) {
        self.0.push(line.to_owned());
    }

    /// Replaces a text in every line.
    pub fn replace(&mut self, from: &str, to: &str) {
        for line in &mut self.0 {
            *line = line.replace(from, to);
        }
    }

    pub fn has(&self, part: &str) -> bool {
        self.0.iter().any(|line| line.contains(part))
    }

    /// Computes the answer to this key, valid or not (RFC 6455 §4.2.2 item 5).
    pub fn accept(key: &str) -> String {
        BASE64.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
    }

    fn of(bytes: &[u8]) -> Self {
        let text: String = bytes.iter().copied().map(char::from).collect();
        Self(text.split("\r\n").map(str::to_owned).collect())
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.join("\r\n").chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
    }

    /// Replaces the first line.
    pub fn first(&mut self, line: &str) {
        self.0[0] = line.to_owned();
    }
}

fn is(line: &str, name: &str) -> bool {
    line.split_once(':').is_some_and(|(this, _)| this.trim().eq_ignore_ascii_case(name))
}

/// One direction of a connection.
pub struct Way {
    twist: Twist,
    is_heard: bool,
    head: Option<Vec<u8>>,
    buf: Vec<u8>,
    /// How many bytes of payload pass unchanged.
    left: u64,
    memo: Memo,
    swallows: bool,
    /// The head that went in this direction.
    passed: Head,
    /// The head that went in the other direction.
    other: Head,
}

impl Way {
    /// Creates the direction to the peer (`is_heard`) or from it.
    pub fn new(twist: Twist, is_heard: bool) -> Self {
        Self {
            twist,
            is_heard,
            head: Some(Vec::new()),
            buf: Vec::new(),
            left: 0,
            memo: Memo::default(),
            swallows: false,
            passed: Head::default(),
            other: Head::default(),
        }
    }

    /// Records the head that the other direction has passed.
    pub fn see(&mut self, other: &Way) {
        if self.head.is_some() && !other.passed.0.is_empty() {
            self.other = other.passed.clone();
        }
    }

    /// Returns what comes out of these bytes.
    pub fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        if matches!(self.twist, Twist::None | Twist::Is(_)) {
            return bytes.to_vec();
        }
        if let (Twist::HearsBytes(twist), true) = (self.twist, self.is_heard) {
            out.extend_from_slice(bytes);
            if let Some(head) = &mut self.head {
                head.extend_from_slice(bytes);
                let is_whole = head.windows(4).any(|four| four == b"\r\n\r\n");
                twist(&mut out, &mut self.memo);
                self.memo.count += 1;
                self.head.take_if(|_| is_whole);
            }
            return out;
        }
        match &mut self.head {
            Some(head) => {
                head.extend_from_slice(bytes);
                // Bytes that are not a head are not altered.
                if head.first().is_some_and(|first| !first.is_ascii_graphic() && *first != b'\r') {
                    return std::mem::take(head);
                }
                let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") else {
                    // Heads that are altered on purpose may have no end like this.
                    if self.is_heard && !matches!(self.twist, Twist::HearsHead(_)) {
                        return std::mem::take(head);
                    }
                    return out;
                };
                let rest = head.split_off(end + 4);
                let text = head[..end].to_vec();
                // This is an interim response, and another response follows.
                if text.starts_with(b"HTTP/1.1 10") && !text.starts_with(b"HTTP/1.1 101") {
                    out.extend_from_slice(&text);
                    out.extend_from_slice(b"\r\n\r\n");
                    *head = Vec::new();
                    out.extend(self.pass(&rest));
                    return out;
                }
                self.head = None;
                self.memo.extended =
                    text.windows(26).any(|part| part.eq_ignore_ascii_case(b"sec-websocket-extensions: "));
                let mut lines = Head::of(&text);
                self.passed = lines.clone();
                match (self.twist, self.is_heard) {
                    (Twist::HearsHead(twist), true) | (Twist::SaysHead(twist), false) => twist(&mut lines),
                    (Twist::Answers(twist), false) => twist(&self.other, &mut lines),
                    _ => {}
                }
                if lines.0.is_empty() {
                    self.swallows = true;
                } else {
                    out.extend_from_slice(&lines.bytes());
                    out.extend_from_slice(b"\r\n\r\n");
                }
                self.buf = rest;
            }
            None => self.buf.extend_from_slice(bytes),
        }
        self.frames(&mut out);
        out
    }

    fn frames(&mut self, out: &mut Vec<u8>) {
        let bends = match self.twist {
            Twist::HearsHeader(_) | Twist::Hears(_) | Twist::HearsCompressed(_) => self.is_heard,
            Twist::Says(_) => !self.is_heard,
            _ => false,
        };
        if self.swallows {
            self.buf.clear();
        }
        if !bends {
            out.append(&mut self.buf);
            return;
        }
        loop {
            let pass = usize::try_from(self.left).unwrap_or(usize::MAX).min(self.buf.len());
            out.extend(self.buf.drain(..pass));
            self.left -= pass as u64;
            if self.swallows {
                self.buf.clear();
            }
            if self.left > 0 || self.buf.is_empty() {
                return;
            }
            let Parsed::Done(mut header, used) = RawHeader::parse(&self.buf) else { return };
            if let Twist::HearsHeader(twist) = self.twist {
                let declared = header.length;
                let fate = twist(&mut header, &mut self.memo);
                self.note(&header, fate);
                match fate {
                    Fate::Pass => {
                        header.encode_into(out);
                        self.buf.drain(..used);
                        self.left = declared;
                    }
                    Fate::Drop if self.buf.len() as u64 >= used as u64 + declared => {
                        self.buf.drain(..used + usize::try_from(declared).unwrap());
                    }
                    Fate::Drop => return,
                    Fate::Swallow => self.swallows = true,
                }
                continue;
            }
            // On the way to the peer, only control frames and compressed frames are altered; other data must not wait
            // here until it is complete.
            let is_whole = match self.twist {
                Twist::HearsCompressed(_) => matches!(header.opcode, 1 | 2) && header.fin && header.rsv1,
                Twist::Hears(_) => header.opcode >= 8 && header.length <= 126,
                _ => true,
            };
            if header.length > 1 << 18 || !is_whole {
                out.extend(self.buf.drain(..used));
                self.left = header.length;
                continue;
            }
            let end = used + usize::try_from(header.length).unwrap();
            let Some(payload) = self.buf.get(used..end) else { return };
            let mut payload = payload.to_vec();
            header.mask.unwrap_or_default().apply(&mut payload);
            self.buf.drain(..end);
            let fate = match self.twist {
                Twist::Hears(twist) | Twist::HearsCompressed(twist) | Twist::Says(twist) => {
                    twist(&mut header, &mut payload, &mut self.memo)
                }
                _ => Fate::Pass,
            };
            self.note(&header, fate);
            match fate {
                Fate::Drop => continue,
                Fate::Swallow => {
                    self.swallows = true;
                    continue;
                }
                Fate::Pass => {}
            }
            let form = header.form;
            let mut header = header.with_length(payload.len() as u64);
            header.form = header.form.max(form);
            if header.mask.is_some() {
                header.mask = Some(MaskKey([0; 4]));
            }
            header.encode_into(out);
            out.extend_from_slice(&payload);
        }
    }

    fn note(&mut self, header: &RawHeader, fate: Fate) {
        if fate == Fate::Pass && header.opcode <= 2 {
            self.memo.open = !header.fin;
        }
    }
}
