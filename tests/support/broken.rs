//! Peers that are right in every point, or wrong in one that is switched on: a server on raw sockets and a client.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bowsprit::Role;
use bowsprit::frame::{LengthForm, MaskKey, Parsed, RawHeader};
use bowsprit::handshake::Key;

use super::peer::PATIENCE;

/// What is wrong with a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    TakesUnmasked,
    TakesReservedBits,
    IgnoresReservedOpcodes,
    TakesLongForms,
    WaitsForTopBitLengths,
    TakesBadUtf8,
    SaysProtocolErrorForBadUtf8,
    TakesFragmentedControl,
    TakesLongControl,
    EchoesFirstFragment,
    TakesStrayContinuation,
    TakesMessageInsideMessage,
    AnswersPingWithNothing,
    NeverAnswersPing,
    LosesEmptyMessages,
    ChangesAByteAt126,
    EchoesTwice,
    ForgetsMessageAtPing,
    DropsInsteadOfClose,
    AnswersCloseWith1011,
    EchoesForbiddenCodes,
    EchoesAfterClose,
    StaysAfterClose,
    MasksItsFrames,
    SetsReservedBits,
    TakesAnyVersion,
    TakesAnyKey,
    RefusesUpperCaseNames,
    NeedsWholeHeaders,
    Leaks,
    /// A piece that holds nothing keeps everybody waiting.
    KeepsOthersWaiting,
    // Of clients only.
    TakesAnyAccept,
    TakesAnyStatus,
    TakesAnySubprotocol,
    NeverMasks,
    // Those end or hang the whole process.
    Aborts,
    Hangs,
}

/// An echo server on raw sockets, a thread for each connection.
pub struct Server {
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
    /// Told of each connection.
    came: Receiver<()>,
}

pub static LEAK: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

impl Server {
    pub fn start(fault: Fault) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), fault)
    }

    pub fn start_at(address: SocketAddr, fault: Fault) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (comes, came) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let _ = comes.send(());
                thread::spawn(move || {
                    // A connection that breaks is over, that is all.
                    let _ = Conn::new(stream, Role::Server, fault).serve();
                });
            }
        });
        Self { address, stop, came }
    }
}

impl Server {
    pub fn wait_for_connections(&self, count: usize) {
        for _ in 0..count {
            self.came.recv_timeout(PATIENCE).expect("somebody connects");
        }
    }
}

/// Connects and echoes, again and again, until nobody listens any more or `times` is reached.
pub fn client(address: SocketAddr, fault: Fault, times: usize) {
    for _ in 0..times {
        let Ok(stream) = TcpStream::connect(address) else { return };
        let _ = Conn::new(stream, Role::Client, fault).join();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

struct Conn {
    stream: TcpStream,
    role: Role,
    fault: Fault,
    bytes: Vec<u8>,
    /// Bytes of frames that were read in blocks.
    read: usize,
    message: Option<(u8, Vec<u8>)>,
    closed: bool,
}

/// The code of the Close frame with which the connection is failed.
type Fails = u16;

/// Held by who keeps others waiting, for so long.
static TURN: Mutex<()> = Mutex::new(());
pub const HELD_FOR: Duration = Duration::from_secs(1);

/// Set once a peer that hangs has met what it hangs on: from then on nobody is served.
static HANGS: AtomicBool = AtomicBool::new(false);

impl Conn {
    fn new(stream: TcpStream, role: Role, fault: Fault) -> Self {
        Self { stream, role, fault, bytes: Vec::new(), read: 0, message: None, closed: false }
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn more(&mut self) -> io::Result<bool> {
        let mut buf = [0; 4096];
        let len = self.stream.read(&mut buf)?;
        self.bytes.extend_from_slice(&buf[..len]);
        Ok(len > 0)
    }

    /// Reads to the end of a block of twelve bytes, so that headers are cut at the same places however TCP joins or cuts
    /// what was written; to where the peer waits for an answer, if that comes before.
    fn more_of_a_block(&mut self) -> io::Result<bool> {
        let mut block = [0; 12];
        loop {
            let room = block.len() - self.read % block.len();
            let len = self.stream.read(&mut block[..room])?;
            self.bytes.extend_from_slice(&block[..len]);
            self.read += len;
            if len == 0 || len == room {
                return Ok(len > 0);
            }
            self.stream.set_read_timeout(Some(Duration::from_millis(20)))?;
            let comes = self.stream.peek(&mut [0]);
            self.stream.set_read_timeout(Some(PATIENCE))?;
            match comes {
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Ok(true);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn serve(mut self) -> io::Result<()> {
        let Some(head) = self.head()? else { return Ok(()) };
        let Some(accept) = self.judge(&head) else {
            let refusal = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            self.stream.write_all(refusal)?;
            return self.end();
        };
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        self.stream.write_all(answer.as_bytes())?;
        self.talk()
    }

    fn join(mut self) -> io::Result<()> {
        let key = Key::from_nonce([7; 16]);
        let request = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {}\r\nSec-WebSocket-Version: 13\r\n\r\n",
            key.text()
        );
        self.stream.write_all(request.as_bytes())?;
        let Some(head) = self.head()? else { return Ok(()) };
        if !self.judge_response(&head, &key.accept()) {
            return self.end();
        }
        self.talk()
    }

    fn head(&mut self) -> io::Result<Option<String>> {
        self.stream.set_nodelay(true)?;
        self.stream.set_read_timeout(Some(PATIENCE))?;
        let end = loop {
            if HANGS.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_secs(600)); // what it does is nothing, until it is ended
            }
            if let Some(at) = self.bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if self.bytes.len() > 20_000 || !self.more()? {
                return Ok(None);
            }
        };
        let head: Vec<u8> = self.bytes.drain(..end).collect();
        Ok(Some(String::from_utf8_lossy(&head).into_owned()))
    }

    /// From the first frame to the end of the connection.
    fn talk(mut self) -> io::Result<()> {
        let code = loop {
            match self.frame()? {
                Ok(Some(true)) => {}
                Ok(Some(false)) => break None,
                Ok(None) => {
                    let in_blocks = self.is(Fault::NeedsWholeHeaders);
                    if in_blocks && !self.bytes.is_empty() && self.bytes.len() < 2 {
                        break Some(1002);
                    }
                    if !(if in_blocks { self.more_of_a_block()? } else { self.more()? }) {
                        return Ok(());
                    }
                }
                Err(code) => break Some(code),
            }
        };
        if let Some(code) = code {
            self.send(8, &code.to_be_bytes())?;
        }
        if self.is(Fault::StaysAfterClose) && code.is_none() {
            while self.more()? {}
        }
        self.end()
    }

    /// Ends the connection behind what was sent: what is still on its way would reset it before that is read.
    fn end(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        while self.more()? {
            self.bytes.clear();
        }
        Ok(())
    }

    fn judge_response(&self, head: &str, accept: &str) -> bool {
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap_or_default();
        let fields: Vec<(String, &str)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
            .collect();
        let value = |name: &str| fields.iter().find(|(this, _)| this == name).map(|(_, value)| *value);
        let holds = |name: &str, token: &str| {
            value(name)
                .is_some_and(|value| value.split(',').any(|one| one.trim().eq_ignore_ascii_case(token)))
        };
        (status.starts_with("HTTP/1.1 101 ") || self.is(Fault::TakesAnyStatus))
            && holds("upgrade", "websocket")
            && holds("connection", "upgrade")
            && (value("sec-websocket-accept") == Some(accept) || self.is(Fault::TakesAnyAccept))
            && (value("sec-websocket-protocol").is_none() || self.is(Fault::TakesAnySubprotocol))
            && value("sec-websocket-extensions").is_none()
    }

    /// The accept of a request that is right.
    fn judge(&self, head: &str) -> Option<String> {
        let mut lines = head.split("\r\n");
        let request = lines.next()?;
        let fields: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
        let value = |name: &str| -> Option<&str> {
            let same = |this: &str| match self.fault {
                Fault::RefusesUpperCaseNames => this == name,
                _ => this.eq_ignore_ascii_case(name),
            };
            let mut values = fields.iter().filter(|(this, _)| same(this)).map(|(_, value)| value.trim());
            values.next()
        };
        let holds = |name: &str, token: &str| {
            value(name)
                .is_some_and(|value| value.split(',').any(|one| one.trim().eq_ignore_ascii_case(token)))
        };
        let version = value("Sec-WebSocket-Version") == Some("13") || self.is(Fault::TakesAnyVersion);
        let right = request.starts_with("GET ")
            && request.ends_with(" HTTP/1.1")
            && value("Host").is_some()
            && holds("Upgrade", "websocket")
            && holds("Connection", "upgrade")
            && version;
        let key = Key::parse(value("Sec-WebSocket-Key").unwrap_or_default().as_bytes());
        match (right, key, self.fault) {
            (true, Some(key), _) => Some(key.accept()),
            (true, None, Fault::TakesAnyKey) => Some(Key::from_nonce([0; 16]).accept()),
            _ => None,
        }
    }

    /// Takes a frame; `None`: it is not whole; `false`: the connection is over.
    fn frame(&mut self) -> io::Result<Result<Option<bool>, Fails>> {
        let Parsed::Done(header, used) = RawHeader::parse(&self.bytes) else { return Ok(Ok(None)) };
        if let Err(code) = self.check(&header) {
            return Ok(Err(code));
        }
        let Some(end) = usize::try_from(header.length).ok().and_then(|length| used.checked_add(length))
        else {
            return Ok(Ok(None));
        };
        if self.bytes.len() < end {
            return Ok(Ok(None));
        }
        let mut payload = self.bytes[used..end].to_vec();
        self.bytes.drain(..end);
        header.mask.unwrap_or_default().apply_naive(&mut payload);
        if self.is(Fault::KeepsOthersWaiting) {
            drop(TURN.lock());
        }
        if self.closed && !self.is(Fault::EchoesAfterClose) {
            return Ok(Ok(Some(false)));
        }
        match header.opcode {
            8 => return self.close(&payload),
            9 => {
                if self.is(Fault::ForgetsMessageAtPing)
                    && let Some((_, bytes)) = &mut self.message
                {
                    bytes.clear();
                }
                if self.is(Fault::Leaks) {
                    LEAK.lock().unwrap().push(vec![7; 64 * 1024]);
                }
                match self.fault {
                    Fault::NeverAnswersPing => {}
                    Fault::AnswersPingWithNothing => self.send(10, b"")?,
                    _ => self.send(10, &payload)?,
                }
            }
            10 | 3..=7 | 11.. => {}
            opcode => {
                if opcode == 0 && payload.is_empty() {
                    match self.fault {
                        Fault::Aborts => std::process::abort(),
                        Fault::Hangs => {
                            HANGS.store(true, Ordering::Relaxed);
                            thread::sleep(Duration::from_secs(600));
                        }
                        Fault::KeepsOthersWaiting => {
                            let _turn = TURN.lock();
                            thread::sleep(HELD_FOR);
                        }
                        _ => {}
                    }
                }
                if opcode != 0 || self.message.is_none() {
                    self.message = Some((if opcode == 0 { 2 } else { opcode }, Vec::new()));
                }
                let early = self.is(Fault::EchoesFirstFragment);
                if let Some((_, bytes)) = &mut self.message {
                    bytes.extend(payload);
                }
                if (header.fin || early)
                    && let Some((opcode, bytes)) = self.message.take()
                {
                    return self.echo(opcode, bytes);
                }
            }
        }
        Ok(Ok(Some(true)))
    }

    fn echo(&mut self, opcode: u8, mut bytes: Vec<u8>) -> io::Result<Result<Option<bool>, Fails>> {
        if opcode == 1 && std::str::from_utf8(&bytes).is_err() {
            match self.fault {
                // Nobody sends text that is none: it goes back as bytes.
                Fault::TakesBadUtf8 => return self.send(2, &bytes).map(|()| Ok(Some(true))),
                Fault::SaysProtocolErrorForBadUtf8 => return Ok(Err(1002)),
                _ => return Ok(Err(1007)),
            }
        }
        if bytes.is_empty() && self.is(Fault::LosesEmptyMessages) {
            return Ok(Ok(Some(true)));
        }
        if bytes.len() == 126 && self.is(Fault::ChangesAByteAt126) {
            bytes[125] = b'!';
        }
        if self.is(Fault::EchoesTwice) && bytes.len() == 1 {
            self.send(opcode, &bytes)?;
        }
        self.send(opcode, &bytes)?;
        Ok(Ok(Some(true)))
    }

    fn check(&self, header: &RawHeader) -> Result<(), Fails> {
        let fault = self.fault;
        let control = header.opcode >= 8;
        let wrong = (header.rsv1 || header.rsv2 || header.rsv3) && fault != Fault::TakesReservedBits
            || matches!(header.opcode, 3..=7 | 11..) && fault != Fault::IgnoresReservedOpcodes
            || header.mask.is_some() != (self.role == Role::Server) && fault != Fault::TakesUnmasked
            || control && !header.fin && fault != Fault::TakesFragmentedControl
            || control && header.length > 125 && fault != Fault::TakesLongControl
            || header.length >> 63 != 0 && fault != Fault::WaitsForTopBitLengths
            || header.form != LengthForm::minimal(header.length) && fault != Fault::TakesLongForms
            || header.opcode == 0
                && self.message.is_none()
                && fault != Fault::TakesStrayContinuation
                && fault != Fault::EchoesFirstFragment
            || matches!(header.opcode, 1 | 2)
                && self.message.is_some()
                && fault != Fault::TakesMessageInsideMessage;
        match wrong {
            true => Err(1002),
            false if header.length > 1 << 20 && fault != Fault::WaitsForTopBitLengths => Err(1009),
            false => Ok(()),
        }
    }

    fn close(&mut self, payload: &[u8]) -> io::Result<Result<Option<bool>, Fails>> {
        let code = match payload {
            [] => None,
            [_] => return Ok(Err(1002)),
            [_, _, reason @ ..] if std::str::from_utf8(reason).is_err() => return Ok(Err(1007)),
            [high, low, ..] => Some(u16::from_be_bytes([*high, *low])),
        };
        let may_travel = code.is_none_or(|code| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999));
        if !may_travel && !self.is(Fault::EchoesForbiddenCodes) {
            return Ok(Err(1002));
        }
        match self.fault {
            Fault::DropsInsteadOfClose => {}
            Fault::AnswersCloseWith1011 => self.send(8, &1011u16.to_be_bytes())?,
            _ => self.send(8, &payload[..payload.len().min(2)])?,
        }
        self.closed = true;
        Ok(Ok(Some(self.is(Fault::EchoesAfterClose) && !self.bytes.is_empty())))
    }

    fn send(&mut self, opcode: u8, payload: &[u8]) -> io::Result<()> {
        let mut header = RawHeader::of(opcode).with_length(payload.len() as u64);
        let masks = match self.role {
            Role::Server => self.is(Fault::MasksItsFrames),
            Role::Client => !self.is(Fault::NeverMasks),
        };
        if masks {
            header = header.with_mask(MaskKey([0; 4])); // which leaves the payload as it is
        }
        header.rsv3 = self.is(Fault::SetsReservedBits) && opcode == 10;
        let mut bytes = Vec::new();
        header.encode_into(&mut bytes);
        bytes.extend_from_slice(payload);
        self.stream.write_all(&bytes)
    }
}
