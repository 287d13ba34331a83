//! One fault planted in a peer that is right otherwise: what it hears or says is bent on its way, so that it takes what
//! it must not take, or says what it must not say.

use bowsprit::frame::{MaskKey, Parsed, RawHeader};

/// What is bent, and how.
#[derive(Clone, Copy, Debug)]
pub enum Twist {
    None,
    /// Lines of the head that the peer gets.
    HearsHead(fn(&mut Head)),
    /// Lines of the head that the peer sends.
    SaysHead(fn(&mut Head)),
    /// Headers of frames that the peer gets; payloads pass.
    HearsHeader(fn(&mut RawHeader, &mut Memo) -> Fate),
    /// Whole frames that the peer gets, unmasked.
    Hears(fn(&mut RawHeader, &mut Vec<u8>, &mut Memo) -> Fate),
    /// Whole frames that the peer sends, unmasked.
    Says(fn(&mut RawHeader, &mut Vec<u8>, &mut Memo) -> Fate),
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Pass,
    Drop,
    /// It, and all that follows.
    Swallow,
}

/// What a twist may remember of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memo {
    /// A fragmented message is open.
    pub open: bool,
    pub count: usize,
    /// Extensions were agreed.
    pub extended: bool,
}

/// A head, line by line.
#[derive(Clone, Debug)]
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

    /// The first line but its lines after.
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
    /// Payload that passes.
    left: u64,
    memo: Memo,
    swallows: bool,
}

impl Way {
    /// What the peer hears, or what it says.
    pub fn new(twist: Twist, is_heard: bool) -> Self {
        Self {
            twist,
            is_heard,
            head: Some(Vec::new()),
            buf: Vec::new(),
            left: 0,
            memo: Memo::default(),
            swallows: false,
        }
    }

    /// What comes out of these bytes.
    pub fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        if matches!(self.twist, Twist::None) {
            return bytes.to_vec();
        }
        match &mut self.head {
            Some(head) => {
                head.extend_from_slice(bytes);
                // What is no head is nothing to bend.
                if head.first().is_some_and(|first| !first.is_ascii_graphic() && *first != b'\r') {
                    return std::mem::take(head);
                }
                let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") else {
                    // Heads that are bent on purpose may have no end like this.
                    if self.is_heard && !matches!(self.twist, Twist::HearsHead(_)) {
                        return std::mem::take(head);
                    }
                    return out;
                };
                let rest = head.split_off(end + 4);
                let text = head[..end].to_vec();
                // An interim response, with another behind it.
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
                match (self.twist, self.is_heard, String::from_utf8(text.clone())) {
                    (Twist::HearsHead(twist), true, Ok(text)) | (Twist::SaysHead(twist), false, Ok(text)) => {
                        let mut lines = Head(text.split("\r\n").map(str::to_owned).collect());
                        twist(&mut lines);
                        out.extend_from_slice(lines.0.join("\r\n").as_bytes());
                    }
                    _ => out.extend_from_slice(&text),
                }
                out.extend_from_slice(b"\r\n\r\n");
                self.buf = rest;
            }
            None => self.buf.extend_from_slice(bytes),
        }
        self.frames(&mut out);
        out
    }

    fn frames(&mut self, out: &mut Vec<u8>) {
        let bends = match self.twist {
            Twist::HearsHeader(_) | Twist::Hears(_) => self.is_heard,
            Twist::Says(_) => !self.is_heard,
            _ => false,
        };
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
            // What is bent on its way in are control frames; data must not wait here until they are whole.
            if header.length > 1 << 18 || self.is_heard && (header.opcode < 8 || header.length > 125) {
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
                Twist::Hears(twist) | Twist::Says(twist) => twist(&mut header, &mut payload, &mut self.memo),
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
