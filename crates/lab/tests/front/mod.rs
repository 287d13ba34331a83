//! A front that speaks HTTP/2 to the lab and HTTP/1.1 to a server behind it, correct except for one planted fault.
//!
//! It uses the lab's frames, which judge nothing; the rules are written here separately. One thread reads a connection,
//! and one more for each stream carries back what the server behind it sends.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

mod whole;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use bowsprit_lab::http2::fields::{self, Field};
use bowsprit_lab::http2::frame::{Frame, FrameReader, MAX_PAYLOAD, PREFACE, code, flag, kind, setting};

/// The fault of the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    DoesNotAnnounce,
    TakesAnyProtocol,
    TakesAnyVersion,
    TakesConnectionFields,
    TakesPseudoTwice,
    TakesPseudoBehind,
    TakesUnknownPseudo,
    TakesMissingPseudo,
    TakesPlainConnect,
    TakesBadNames,
    TakesBadValues,
    TakesProtocolWithGet,
    TakesOtherHost,
    TakesPaddingForData,
    TakesHeadersOnOpen,
    TakesZeroUpdate,
    TakesOverflow,
    TakesIdleStreams,
    TakesEvenStreams,
    TakesLowerStreams,
    TakesLooseContinuation,
    TakesBadHpack,
    TakesBadSettings,
    TakesLongFrames,
    TakesShortFrames,
    KeepsStreamOpen,
    KeepsOpenOnEndStream,
    LeavesRefusalOpen,
    EndsAllOnReset,
    EndsAllOnGoaway,
    EndsAllOnUnknownFrame,
    EndsAllOnPriority,
    EndsAllOnUnknownSetting,
    SendsWithoutWindow,
    OneStreamBlocksAll,
    OpensNoStreamWindow,
    OpensNoConnectionWindow,
    IgnoresNewWindow,
    AnswersNoPing,
    AcknowledgesNoSettings,
    AnswersUnaskedProtocol,
    AnswersUnaskedExtension,
    ReadsNoContinuation,
    ServesNoPages,
    SendsNoKey,
    GrantsWhatIsNoUpgrade,
    LosesWhatComesWithTheAnswer,
}

/// How many concurrent streams a front accepts if it announces a limit.
const MOST_STREAMS: u32 = 8;

/// Starts a front for this server.
pub fn serve(behind: SocketAddr, fault: Fault) -> SocketAddr {
    start(behind, fault, false)
}

/// Starts a front that forwards the whole of every request and answer.
pub fn pass(behind: SocketAddr, fault: Fault) -> SocketAddr {
    start(behind, fault, true)
}

fn start(behind: SocketAddr, fault: Fault, whole: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for tcp in listener.incoming().flatten() {
            let _ = tcp.set_nodelay(true);
            thread::spawn(move || Front::run(tcp, behind, fault, whole));
        }
    });
    addr
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Held while waiting for a window, if one stream blocks all.
    turn: Mutex<()>,
    fault: Fault,
}

struct State {
    out: TcpStream,
    window: i64,
    initial: i64,
    streams: BTreeMap<u32, Open>,
}

struct Open {
    window: i64,
    behind: Option<TcpStream>,
    /// What the client has sent before the server behind has answered, if that waits.
    early: Option<Vec<u8>>,
    /// Whether our direction has ended, and the client's.
    we_ended: bool,
    they_ended: bool,
    /// Whether either side has sent RST_STREAM.
    gone: bool,
}

impl State {
    fn send(&mut self, frame: &Frame) {
        let mut bytes = Vec::new();
        frame.encode_into(&mut bytes);
        let _ = self.out.write_all(&bytes);
    }

    fn reset(&mut self, stream: u32, code: u32) {
        if let Some(open) = self.streams.get_mut(&stream) {
            open.leave();
        }
        self.send(&Frame::reset(stream, code));
    }
}

impl Open {
    fn leave(&mut self) {
        self.gone = true;
        if let Some(behind) = self.behind.take() {
            let _ = behind.shutdown(Shutdown::Both);
        }
    }
}

/// An error that has to end the connection with this code.
struct Fatal(u32);

struct Front {
    shared: Arc<Shared>,
    behind: SocketAddr,
    fault: Fault,
    /// Whether it forwards whole heads.
    whole: bool,
    last: u32,
    fields: fields::Reader,
    /// An incomplete field section: its stream, END_STREAM, its bytes.
    section: Option<(u32, bool, Vec<u8>)>,
    /// How many empty DATA frames without END_STREAM have come.
    empty: u32,
}

/// How many of them on one connection count as an attack, as in Node's http2.
const MOST_EMPTY: u32 = 1000;

impl Front {
    fn run(mut tcp: TcpStream, behind: SocketAddr, fault: Fault, whole: bool) {
        let mut preface = [0; PREFACE.len()];
        if tcp.read_exact(&mut preface).is_err() || preface != PREFACE {
            return;
        }
        let state = State {
            out: tcp.try_clone().unwrap(),
            window: 65_535,
            initial: 65_535,
            streams: BTreeMap::new(),
        };
        let shared =
            Shared { state: Mutex::new(state), changed: Condvar::new(), turn: Mutex::new(()), fault };
        let mut front = Self {
            shared: Arc::new(shared),
            behind,
            fault,
            whole,
            last: 0,
            fields: fields::Reader::default(),
            section: None,
            empty: 0,
        };
        let allowed = u32::from(fault != Fault::DoesNotAnnounce);
        let mut settings = vec![(setting::ENABLE_CONNECT_PROTOCOL, allowed)];
        if whole {
            settings.push((setting::MAX_CONCURRENT_STREAMS, MOST_STREAMS));
        }
        front.lock().send(&Frame::settings(&settings));
        let most = if fault == Fault::TakesLongFrames { 1 << 20 } else { MAX_PAYLOAD };
        let mut reader = FrameReader::with_most(most);
        let mut scratch = vec![0; 64 * 1024];
        let code = 'all: loop {
            match tcp.read(&mut scratch) {
                Ok(0) | Err(_) => break None,
                Ok(length) => reader.push(&scratch[..length]),
            }
            loop {
                match reader.next_frame() {
                    Ok(None) => break,
                    Ok(Some(frame)) => {
                        if let Err(Fatal(code)) = front.on_frame(&frame) {
                            break 'all Some(code);
                        }
                    }
                    Err(_) => break 'all Some(code::FRAME_SIZE_ERROR),
                }
            }
        };
        let mut state = front.lock();
        if let Some(code) = code {
            state.send(&Frame::goaway(front.last, code));
        }
        state.streams.values_mut().for_each(Open::leave);
        drop(state);
        front.shared.changed.notify_all();
        // Unread bytes would turn the end into a reset, which would destroy the GOAWAY.
        let _ = tcp.shutdown(Shutdown::Write);
        while tcp.read(&mut scratch).is_ok_and(|length| length > 0) {}
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    /// Returns an error of the connection, unless this fault hides it.
    fn fatal(&self, code: u32, hides: Fault) -> Result<(), Fatal> {
        if self.has(hides) { Ok(()) } else { Err(Fatal(code)) }
    }

    fn on_frame(&mut self, frame: &Frame) -> Result<(), Fatal> {
        let (stream, length) = (frame.stream, frame.payload.len());
        let inside = self.section.as_ref().map(|section| section.0);
        if inside.is_some_and(|inside| frame.kind != kind::CONTINUATION || stream != inside) {
            return Err(Fatal(code::PROTOCOL_ERROR));
        }
        if stream > self.last && matches!(frame.kind, kind::DATA | kind::RST_STREAM | kind::WINDOW_UPDATE) {
            return self.fatal(code::PROTOCOL_ERROR, Fault::TakesIdleStreams);
        }
        match frame.kind {
            kind::DATA => self.on_data(frame),
            kind::HEADERS => self.on_headers(frame),
            kind::PRIORITY => match self.has(Fault::EndsAllOnPriority) {
                true => Err(Fatal(code::PROTOCOL_ERROR)),
                false => Ok(()),
            },
            kind::CONTINUATION => match &mut self.section {
                Some(section) => {
                    section.2.extend_from_slice(&frame.payload);
                    self.end_of_section(frame)
                }
                None => self.fatal(code::PROTOCOL_ERROR, Fault::TakesLooseContinuation),
            },
            kind::RST_STREAM if length != 4 => self.fatal(code::FRAME_SIZE_ERROR, Fault::TakesShortFrames),
            kind::RST_STREAM => {
                if let Some(open) = self.lock().streams.get_mut(&stream) {
                    open.leave();
                }
                self.shared.changed.notify_all();
                if self.has(Fault::EndsAllOnReset) { Err(Fatal(code::INTERNAL_ERROR)) } else { Ok(()) }
            }
            kind::SETTINGS => self.on_settings(frame),
            kind::PUSH_PROMISE => Err(Fatal(code::PROTOCOL_ERROR)),
            kind::PING if stream != 0 => Err(Fatal(code::PROTOCOL_ERROR)),
            kind::PING if length != 8 => self.fatal(code::FRAME_SIZE_ERROR, Fault::TakesShortFrames),
            kind::PING => {
                if !frame.has(flag::ACK) && !self.has(Fault::AnswersNoPing) {
                    self.lock().send(&Frame::new(kind::PING, flag::ACK, 0, frame.payload.clone()));
                }
                Ok(())
            }
            kind::GOAWAY if stream != 0 => Err(Fatal(code::PROTOCOL_ERROR)),
            kind::GOAWAY if self.has(Fault::EndsAllOnGoaway) => Err(Fatal(code::NO_ERROR)),
            kind::GOAWAY => Ok(()),
            kind::WINDOW_UPDATE => self.on_window_update(frame),
            _ if self.has(Fault::EndsAllOnUnknownFrame) => Err(Fatal(code::PROTOCOL_ERROR)),
            _ => Ok(()),
        }
    }

    fn on_data(&mut self, frame: &Frame) -> Result<(), Fatal> {
        let stream = frame.stream;
        let mut data = match frame.unpadded() {
            Some(data) if stream != 0 => data,
            _ => return Err(Fatal(code::PROTOCOL_ERROR)),
        };
        if self.has(Fault::TakesPaddingForData) {
            data = &frame.payload;
        }
        self.empty += u32::from(frame.payload.is_empty() && !frame.has(flag::END_STREAM));
        // A frame is far shorter than 2^32 bytes.
        let length = frame.payload.len() as u32;
        let mut state = self.lock();
        if self.empty > MOST_EMPTY {
            let open: Vec<u32> = state.streams.keys().copied().collect();
            open.into_iter().for_each(|stream| state.reset(stream, code::INTERNAL_ERROR));
            return Err(Fatal(code::ENHANCE_YOUR_CALM));
        }
        if length > 0 && !self.has(Fault::OpensNoConnectionWindow) {
            state.send(&Frame::window_update(0, length));
        }
        let Some(open) = state.streams.get_mut(&stream) else { return Ok(()) };
        if open.gone {
            return Ok(());
        }
        if open.they_ended {
            state.reset(stream, code::STREAM_CLOSED);
            return Ok(());
        }
        let ends = frame.has(flag::END_STREAM);
        open.they_ended = ends;
        let waits = open.early.as_mut().map(|early| early.extend_from_slice(data)).is_some();
        let behind = open.behind.as_ref().and_then(|behind| behind.try_clone().ok());
        if length > 0 && !ends && !self.has(Fault::OpensNoStreamWindow) {
            state.send(&Frame::window_update(stream, length));
        }
        drop(state);
        if let Some(mut behind) = behind.filter(|_| !waits) {
            let _ = behind.write_all(data);
            if ends && !self.has(Fault::KeepsOpenOnEndStream) {
                let _ = behind.shutdown(Shutdown::Write);
            }
        }
        Ok(())
    }

    fn on_headers(&mut self, frame: &Frame) -> Result<(), Fatal> {
        let Some(mut block) = frame.unpadded() else { return Err(Fatal(code::PROTOCOL_ERROR)) };
        if frame.has(flag::PRIORITY) {
            block = block.get(5..).ok_or(Fatal(code::FRAME_SIZE_ERROR))?;
        }
        if frame.stream.is_multiple_of(2) {
            self.fatal(code::PROTOCOL_ERROR, Fault::TakesEvenStreams)?;
        }
        let known = self.lock().streams.contains_key(&frame.stream);
        if frame.stream < self.last && !known {
            self.fatal(code::PROTOCOL_ERROR, Fault::TakesLowerStreams)?;
        }
        self.last = self.last.max(frame.stream);
        self.section = Some((frame.stream, frame.has(flag::END_STREAM), block.to_vec()));
        self.end_of_section(frame)
    }

    fn end_of_section(&mut self, frame: &Frame) -> Result<(), Fatal> {
        if !frame.has(flag::END_HEADERS) {
            return Ok(());
        }
        let Some((stream, ends, block)) = self.section.take() else { return Ok(()) };
        if frame.kind == kind::CONTINUATION && self.has(Fault::ReadsNoContinuation) {
            self.lock().send(&Frame::reset(stream, code::INTERNAL_ERROR));
            return Ok(());
        }
        let Ok(fields) = self.fields.read(&block) else {
            return self.fatal(code::COMPRESSION_ERROR, Fault::TakesBadHpack);
        };
        let mut state = self.lock();
        if let Some(open) = state.streams.get(&stream) {
            if !open.gone && !self.has(Fault::TakesHeadersOnOpen) {
                state.reset(stream, code::PROTOCOL_ERROR);
            }
            return Ok(());
        }
        let active = |open: &&Open| !(open.gone || open.we_ended && open.they_ended);
        if self.whole && state.streams.values().filter(active).count() >= MOST_STREAMS as usize {
            state.send(&Frame::reset(stream, code::REFUSED_STREAM));
            return Ok(());
        }
        let window = state.initial;
        let open = Open { window, behind: None, early: None, we_ended: false, they_ended: ends, gone: false };
        state.streams.insert(stream, open);
        drop(state);
        match self.judge(&fields) {
            Judged::Malformed => self.lock().reset(stream, code::PROTOCOL_ERROR),
            Judged::Refused(status) => self.refuse(stream, status),
            Judged::Page => self.page(stream),
            Judged::Socket if self.whole => self.pass(stream, &fields, ends),
            Judged::Socket => self.open(stream, &fields, ends),
        }
        Ok(())
    }

    fn refuse(&self, stream: u32, status: &str) {
        let block = fields::encode([(":status", status), ("sec-websocket-version", "13")]);
        let ends = if self.has(Fault::LeavesRefusalOpen) { 0 } else { flag::END_STREAM };
        let mut state = self.lock();
        state.send(&Frame::new(kind::HEADERS, flag::END_HEADERS | ends, stream, block));
        if let Some(open) = state.streams.get_mut(&stream) {
            open.we_ended = true;
        }
    }

    fn page(&self, stream: u32) {
        if self.has(Fault::ServesNoPages) {
            return;
        }
        let mut state = self.lock();
        state.send(&Frame::new(
            kind::HEADERS,
            flag::END_HEADERS,
            stream,
            fields::encode([(":status", "200")]),
        ));
        state.send(&Frame::new(kind::DATA, flag::END_STREAM, stream, *b"page"));
    }

    /// Opens a WebSocket at the server behind the front.
    fn open(&self, stream: u32, fields: &[Field], ends: bool) {
        let lines: String = fields
            .iter()
            .filter(|(name, _)| name == b"sec-websocket-protocol" || name == b"sec-websocket-extensions")
            .map(|(name, value)| {
                format!("{}: {}\r\n", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
            })
            .collect();
        let Ok(mut tcp) = TcpStream::connect(self.behind) else { return self.refuse(stream, "502") };
        let _ = tcp.set_nodelay(true);
        let request = format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{lines}\r\n"
        );
        let _ = tcp.write_all(request.as_bytes());
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && tcp.read(&mut byte).is_ok_and(|length| length == 1) {
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let status = head.split(' ').nth(1).unwrap_or("502");
        if status != "101" {
            return self.refuse(stream, status);
        }
        let mut answer = vec![(":status".to_owned(), "200".to_owned())];
        for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
            let name = name.to_ascii_lowercase();
            if name == "sec-websocket-protocol" || name == "sec-websocket-extensions" {
                answer.push((name, value.to_owned()));
            }
        }
        if self.has(Fault::AnswersUnaskedProtocol) && !lines.contains("protocol") {
            answer.push(("sec-websocket-protocol".to_owned(), "chat".to_owned()));
        }
        if self.has(Fault::AnswersUnaskedExtension) && !lines.contains("extensions") {
            answer.push(("sec-websocket-extensions".to_owned(), "x-own".to_owned()));
        }
        let mut state = self.lock();
        state.send(&Frame::new(kind::HEADERS, flag::END_HEADERS, stream, fields::encode(answer)));
        if let Some(open) = state.streams.get_mut(&stream) {
            open.behind = tcp.try_clone().ok();
        }
        drop(state);
        if ends {
            let _ = tcp.shutdown(Shutdown::Write);
        }
        let shared = Arc::clone(&self.shared);
        thread::spawn(move || shared.carry(stream, tcp));
    }

    fn judge(&self, fields: &[Field]) -> Judged {
        let values = |name: &str| -> Vec<&[u8]> {
            fields.iter().filter(|(this, _)| this == name.as_bytes()).map(|(_, value)| &value[..]).collect()
        };
        let one = |name: &str| values(name).first().copied();
        let tchar = |byte: &u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(byte)
        };
        let mut regular = false;
        for (name, value) in fields {
            if let Some(pseudo) = name.strip_prefix(b":") {
                let known = [&b"method"[..], b"protocol", b"scheme", b"path", b"authority"].contains(&pseudo);
                if regular && !self.has(Fault::TakesPseudoBehind)
                    || !known && !self.has(Fault::TakesUnknownPseudo)
                    || known
                        && fields.iter().filter(|(this, _)| this == name).count() > 1
                        && !self.has(Fault::TakesPseudoTwice)
                {
                    return Judged::Malformed;
                }
                continue;
            }
            regular = true;
            if (name.is_empty() || !name.iter().all(tchar)) && !self.has(Fault::TakesBadNames) {
                return Judged::Malformed;
            }
            let wrong = value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n'))
                || [value.first(), value.last()].iter().any(|edge| matches!(edge, Some(b' ' | b'\t')));
            if wrong && !self.has(Fault::TakesBadValues) {
                return Judged::Malformed;
            }
            let of_connection =
                ["connection", "upgrade", "keep-alive", "proxy-connection", "transfer-encoding"]
                    .iter()
                    .any(|this| name == this.as_bytes())
                    || name == b"te" && value != b"trailers";
            if of_connection && !self.has(Fault::TakesConnectionFields) {
                return Judged::Malformed;
            }
        }
        let (method, protocol) = (one(":method"), one(":protocol"));
        let host_differs =
            one("host").is_some_and(|host| one(":authority").is_some_and(|named| named != host));
        let nameless = one("host").is_none() && one(":authority").is_none();
        if host_differs && !self.has(Fault::TakesOtherHost) || nameless {
            return Judged::Malformed;
        }
        match (method, protocol) {
            (Some(b"CONNECT"), Some(protocol)) => {
                let whole =
                    one(":scheme").is_some() && one(":path").is_some_and(|path| path.starts_with(b"/"));
                if !whole && !self.has(Fault::TakesMissingPseudo) {
                    return Judged::Malformed;
                }
                if protocol != b"websocket" && !self.has(Fault::TakesAnyProtocol) {
                    return Judged::Refused("501");
                }
                // RFC 9113 §8.5: a CONNECT has no content.
                if self.whole && one("content-length").is_some() {
                    return Judged::Malformed;
                }
                if values("sec-websocket-version") != [b"13"] && !self.has(Fault::TakesAnyVersion) {
                    return Judged::Refused("400");
                }
                Judged::Socket
            }
            (_, Some(_)) if self.has(Fault::TakesProtocolWithGet) => Judged::Socket,
            (Some(b"CONNECT"), None) if self.has(Fault::TakesPlainConnect) => Judged::Socket,
            (_, Some(_)) => Judged::Malformed,
            (Some(b"GET"), None) if one(":scheme").is_some() && one(":path").is_some() => Judged::Page,
            _ => Judged::Malformed,
        }
    }

    fn on_settings(&self, frame: &Frame) -> Result<(), Fatal> {
        let wrong = |code| self.fatal(code, Fault::TakesBadSettings);
        if frame.stream != 0 {
            return wrong(code::PROTOCOL_ERROR);
        }
        if frame.has(flag::ACK) {
            return if frame.payload.is_empty() { Ok(()) } else { wrong(code::FRAME_SIZE_ERROR) };
        }
        if !frame.payload.len().is_multiple_of(6) {
            return wrong(code::FRAME_SIZE_ERROR);
        }
        let mut state = self.lock();
        for (name, value) in frame.list_of_settings() {
            match name {
                setting::ENABLE_PUSH if value > 1 => return wrong(code::PROTOCOL_ERROR),
                setting::INITIAL_WINDOW_SIZE if value > i32::MAX as u32 => {
                    return wrong(code::FLOW_CONTROL_ERROR);
                }
                setting::MAX_FRAME_SIZE if !(16_384..=0xff_ffff).contains(&value) => {
                    return wrong(code::PROTOCOL_ERROR);
                }
                setting::INITIAL_WINDOW_SIZE => {
                    let change = i64::from(value) - state.initial;
                    state.initial = i64::from(value);
                    if !self.has(Fault::IgnoresNewWindow) {
                        state.streams.values_mut().for_each(|open| open.window += change);
                    }
                }
                0..=9 => {}
                _ if self.has(Fault::EndsAllOnUnknownSetting) => return Err(Fatal(code::PROTOCOL_ERROR)),
                _ => {}
            }
        }
        if !self.has(Fault::AcknowledgesNoSettings) {
            state.send(&Frame::new(kind::SETTINGS, flag::ACK, 0, *b""));
        }
        drop(state);
        self.shared.changed.notify_all();
        Ok(())
    }

    fn on_window_update(&self, frame: &Frame) -> Result<(), Fatal> {
        let Some(increment) = frame.number(0) else { return Err(Fatal(code::FRAME_SIZE_ERROR)) };
        let (increment, most) = (i64::from(increment & 0x7fff_ffff), i64::from(i32::MAX));
        let mut state = self.lock();
        let window = match frame.stream {
            0 => &mut state.window,
            stream => match state.streams.get_mut(&stream) {
                Some(open) if !open.gone => &mut open.window,
                _ => return Ok(()),
            },
        };
        let (zero, over) = (increment == 0, *window + increment > most);
        if zero && self.has(Fault::TakesZeroUpdate) || over && self.has(Fault::TakesOverflow) {
            return Ok(());
        }
        *window += increment;
        if zero || over {
            let code = if zero { code::PROTOCOL_ERROR } else { code::FLOW_CONTROL_ERROR };
            if frame.stream == 0 {
                return Err(Fatal(code));
            }
            state.reset(frame.stream, code);
        }
        drop(state);
        self.shared.changed.notify_all();
        Ok(())
    }
}

/// The kind of a request.
enum Judged {
    Malformed,
    Refused(&'static str),
    Page,
    Socket,
}

impl Shared {
    /// Carries back what the server behind the front sends.
    fn carry(&self, stream: u32, mut behind: TcpStream) {
        let mut scratch = vec![0; 16 * 1024];
        loop {
            match behind.read(&mut scratch) {
                Ok(0) => break,
                Ok(length) => {
                    if !self.say(stream, &scratch[..length]) {
                        return;
                    }
                }
                Err(_) if self.fault == Fault::KeepsStreamOpen => return,
                Err(_) => {
                    let mut state = self.state.lock().unwrap();
                    if state.streams.get(&stream).is_some_and(|open| !open.gone) {
                        state.reset(stream, code::CONNECT_ERROR);
                    }
                    return;
                }
            }
        }
        if self.fault == Fault::KeepsStreamOpen {
            return;
        }
        let mut state = self.state.lock().unwrap();
        if let Some(open) = state.streams.get_mut(&stream)
            && !open.gone
        {
            open.we_ended = true;
            state.send(&Frame::new(kind::DATA, flag::END_STREAM, stream, *b""));
        }
    }

    /// Sends DATA as far as the windows allow. Returns false if the stream is gone.
    fn say(&self, stream: u32, mut bytes: &[u8]) -> bool {
        let _turn = (self.fault == Fault::OneStreamBlocksAll).then(|| self.turn.lock().unwrap());
        while !bytes.is_empty() {
            let mut state = self.state.lock().unwrap();
            let length = loop {
                let Some(open) = state.streams.get(&stream).filter(|open| !open.gone) else { return false };
                let window = if self.fault == Fault::SendsWithoutWindow { 16_384 } else { open.window };
                let window = window.min(state.window).min(16_384);
                if window > 0 {
                    break bytes.len().min(window as usize);
                }
                state = self.changed.wait(state).unwrap();
            };
            let (now, later) = bytes.split_at(length);
            state.window -= length as i64;
            if let Some(open) = state.streams.get_mut(&stream) {
                open.window -= length as i64;
            }
            state.send(&Frame::new(kind::DATA, 0, stream, now));
            bytes = later;
        }
        true
    }
}
