//! A front that forwards everything: the target, every field, and every answer with its body.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;

use bowsprit_lab::http2::fields::{self, Field};
use bowsprit_lab::http2::frame::{Frame, MAX_PAYLOAD, flag, kind};

use super::{Fault, Front, Shared};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// Fields that are of no use to the next hop, or belong to the front's own handshake.
const LEFT_OUT: [&str; 5] =
    ["upgrade", "connection", "keep-alive", "transfer-encoding", "sec-websocket-accept"];

impl Front {
    /// Asks the server behind the front. Another thread waits for the answer, so that the client is still read.
    pub(super) fn pass(&self, stream: u32, fields: &[Field], ends: bool) {
        let Ok(mut tcp) = TcpStream::connect(self.behind) else { return self.refuse(stream, "502") };
        let _ = tcp.set_nodelay(true);
        let _ = tcp.write_all(&self.request(fields));
        let mut state = self.lock();
        if let Some(open) = state.streams.get_mut(&stream) {
            open.behind = tcp.try_clone().ok();
            open.early = Some(Vec::new());
            open.they_ended = ends;
        }
        drop(state);
        let shared = Arc::clone(&self.shared);
        thread::spawn(move || shared.answer(stream, tcp));
    }

    fn request(&self, fields: &[Field]) -> Vec<u8> {
        let of = |name: &str| {
            let found = fields.iter().find(|(this, _)| this == name.as_bytes());
            found.map(|(_, value)| &value[..]).unwrap_or_default()
        };
        let mut out = [b"GET ", of(":path"), b" HTTP/1.1\r\nhost: ", of(":authority"), b"\r\n"].concat();
        out.extend_from_slice(b"upgrade: websocket\r\nconnection: Upgrade\r\n");
        if self.fault != Fault::SendsNoKey {
            out.extend_from_slice(format!("sec-websocket-key: {KEY}\r\n").as_bytes());
        }
        for (name, value) in fields.iter().filter(|(name, _)| !name.starts_with(b":")) {
            out.extend([name, &b": "[..], value, b"\r\n"].concat());
        }
        out.extend_from_slice(b"\r\n");
        out
    }
}

impl Shared {
    fn answer(&self, stream: u32, mut tcp: TcpStream) {
        let mut buffer = Vec::new();
        loop {
            let Some((status, fields)) = head(&mut tcp, &mut buffer) else {
                return self.refuse(stream, "502");
            };
            let named = |name: &str| fields.iter().find(|(this, _)| this == name).map(|(_, value)| &**value);
            let has_bad_name = fields.iter().any(|(name, _)| name.contains(' '));
            let both = named("content-length").is_some() && named("transfer-encoding").is_some();
            let told: Vec<&(String, String)> =
                fields.iter().filter(|(name, _)| !LEFT_OUT.contains(&&**name)).collect();
            let head = |status: &str| {
                let lines = told.iter().map(|(name, value)| (&**name, &**value));
                fields::encode(std::iter::once((":status", status)).chain(lines))
            };
            match &*status {
                "101" if named("sec-websocket-accept") == Some(ACCEPT) => {
                    return self.open(stream, tcp, head("200"), &buffer);
                }
                "101" => return self.refuse(stream, "502"),
                interim if interim.starts_with('1') => self.head(stream, head(interim)),
                granted if granted.starts_with('2') && self.fault != Fault::GrantsWhatIsNoUpgrade => {
                    return self.refuse(stream, "502");
                }
                _ if has_bad_name || both => return self.refuse(stream, "502"),
                refused => {
                    let (length, chunked) = (named("content-length"), named("transfer-encoding").is_some());
                    let body = body(&mut tcp, buffer, length.and_then(|length| length.parse().ok()), chunked);
                    self.forget_behind(stream);
                    self.head(stream, head(refused));
                    if self.say(stream, &body) {
                        self.end(stream);
                    }
                    return;
                }
            }
        }
    }

    /// Opens the stream after the server behind the front has switched: the client's early bytes go there, the server's
    /// come back.
    fn open(&self, stream: u32, mut tcp: TcpStream, head: Vec<u8>, rest: &[u8]) {
        self.head(stream, head);
        let mut state = self.state.lock().unwrap();
        let Some(open) = state.streams.get_mut(&stream).filter(|open| !open.gone) else { return };
        let _ = tcp.write_all(&open.early.take().unwrap_or_default());
        // The client may have ended its direction as soon as it saw the answer.
        if open.they_ended && self.fault != Fault::KeepsOpenOnEndStream {
            let _ = tcp.shutdown(Shutdown::Write);
        }
        drop(state);
        let rest = if self.fault == Fault::LosesWhatComesWithTheAnswer { b"" } else { rest };
        if self.say(stream, rest) {
            self.carry(stream, tcp);
        }
    }

    fn refuse(&self, stream: u32, status: &str) {
        self.forget_behind(stream);
        self.head(stream, fields::encode([(":status", status)]));
        self.end(stream);
    }

    fn forget_behind(&self, stream: u32) {
        if let Some(open) = self.state.lock().unwrap().streams.get_mut(&stream) {
            (open.behind, open.early) = (None, None);
        }
    }

    fn head(&self, stream: u32, block: Vec<u8>) {
        let mut state = self.state.lock().unwrap();
        if state.streams.get(&stream).is_none_or(|open| open.gone) {
            return;
        }
        let last = block.len().saturating_sub(1) / MAX_PAYLOAD;
        for (at, part) in block.chunks(MAX_PAYLOAD).enumerate() {
            let kind = if at == 0 { kind::HEADERS } else { kind::CONTINUATION };
            let flags = if at == last { flag::END_HEADERS } else { 0 };
            state.send(&Frame::new(kind, flags, stream, part));
        }
    }

    fn end(&self, stream: u32) {
        let mut state = self.state.lock().unwrap();
        if let Some(open) = state.streams.get_mut(&stream)
            && !open.gone
        {
            open.we_ended = true;
            state.send(&Frame::new(kind::DATA, flag::END_STREAM, stream, *b""));
        }
    }
}

/// Reads the next head: its status, and its fields with names in lower case.
fn head(tcp: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(String, Vec<(String, String)>)> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        more(tcp, buffer)?;
    };
    let rest = buffer.split_off(end);
    let text = String::from_utf8(std::mem::replace(buffer, rest)).ok()?;
    let mut lines = text.trim_end().split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.to_owned();
    let fields = lines.filter_map(|line| line.split_once(':'));
    let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    Some((status, fields.collect()))
}

fn more(tcp: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut scratch = [0; 4096];
    match tcp.read(&mut scratch) {
        Ok(0) | Err(_) => None,
        Ok(length) => {
            buffer.extend_from_slice(&scratch[..length]);
            Some(())
        }
    }
}

/// Reads as much of the body as comes.
fn body(tcp: &mut TcpStream, mut bytes: Vec<u8>, length: Option<usize>, chunked: bool) -> Vec<u8> {
    let is_whole = |bytes: &[u8]| match length {
        _ if chunked => bytes.ends_with(b"0\r\n\r\n"),
        Some(length) => bytes.len() >= length,
        None => false,
    };
    while !is_whole(&bytes) && more(tcp, &mut bytes).is_some() {}
    if !chunked {
        bytes.truncate(length.unwrap_or(usize::MAX));
        return bytes;
    }
    let (mut body, mut at) = (Vec::new(), 0);
    while let Some(line) = bytes[at..].windows(2).position(|two| two == b"\r\n") {
        let size = String::from_utf8_lossy(&bytes[at..at + line]).into_owned();
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default(), 16).unwrap_or(0);
        let Some(chunk) = bytes.get(at + line + 2..at + line + 2 + size).filter(|chunk| !chunk.is_empty())
        else {
            break;
        };
        body.extend_from_slice(chunk);
        at += line + 2 + size + 2;
    }
    body
}
