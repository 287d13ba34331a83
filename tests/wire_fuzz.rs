//! The wire fuzzer finds what is planted: a server that is right in every point gives no finding, and with each of the
//! faults below switched on one is found within a bounded number of iterations, made small, and comes out again from
//! its file.

#![cfg(feature = "lab")]

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bowsprit::frame::{LengthForm, Parsed, RawHeader};
use bowsprit::handshake::Key;
use bowsprit::lab::fuzz::campaign::{self, Campaign, Dial};
use bowsprit::lab::fuzz::{Kind, Oracles, Side, Step, Trace};

/// What is wrong with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
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
    ChangesAnOctetAt126,
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
}

/// An echo server on raw sockets, a thread for each connection.
struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
}

static LEAK: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

impl Server {
    fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                thread::spawn(move || {
                    // A connection that breaks is over, that is all.
                    let _ = Conn { stream, fault, octets: Vec::new(), message: None, closed: false }.serve();
                });
            }
        });
        Self { address, stop }
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
    fault: Fault,
    octets: Vec<u8>,
    message: Option<(u8, Vec<u8>)>,
    closed: bool,
}

/// The code of the Close frame with which the connection is failed.
type Fails = u16;

impl Conn {
    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn more(&mut self) -> io::Result<bool> {
        let mut buf = [0; 4096];
        let len = self.stream.read(&mut buf)?;
        self.octets.extend_from_slice(&buf[..len]);
        Ok(len > 0)
    }

    fn serve(mut self) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        self.stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let end = loop {
            if let Some(at) = self.octets.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if self.octets.len() > 20_000 || !self.more()? {
                return Ok(());
            }
        };
        let head: Vec<u8> = self.octets.drain(..end).collect();
        let Some(accept) = self.judge(&String::from_utf8_lossy(&head)) else {
            return self
                .stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        };
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        self.stream.write_all(answer.as_bytes())?;
        let code = loop {
            match self.frame()? {
                Ok(Some(true)) => {}
                Ok(Some(false)) => break None,
                Ok(None) => {
                    if self.is(Fault::NeedsWholeHeaders) && !self.octets.is_empty() && self.octets.len() < 2 {
                        break Some(1002);
                    }
                    if !self.more()? {
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
        self.stream.shutdown(Shutdown::Write)?;
        // What is still on its way would reset the connection before the Close frame is read.
        while self.more()? {
            self.octets.clear();
        }
        Ok(())
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
        let Parsed::Done(header, used) = RawHeader::parse(&self.octets) else { return Ok(Ok(None)) };
        if let Err(code) = self.check(&header) {
            return Ok(Err(code));
        }
        let Some(end) = usize::try_from(header.length).ok().and_then(|length| used.checked_add(length))
        else {
            return Ok(Ok(None));
        };
        if self.octets.len() < end {
            return Ok(Ok(None));
        }
        let mut payload = self.octets[used..end].to_vec();
        self.octets.drain(..end);
        header.mask.unwrap_or_default().apply_naive(&mut payload);
        if self.closed && !self.is(Fault::EchoesAfterClose) {
            return Ok(Ok(Some(false)));
        }
        match header.opcode {
            8 => return self.close(&payload),
            9 => {
                if self.is(Fault::ForgetsMessageAtPing)
                    && let Some((_, octets)) = &mut self.message
                {
                    octets.clear();
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
                if opcode != 0 || self.message.is_none() {
                    self.message = Some((if opcode == 0 { 2 } else { opcode }, Vec::new()));
                }
                let early = self.is(Fault::EchoesFirstFragment);
                if let Some((_, octets)) = &mut self.message {
                    octets.extend(payload);
                }
                if (header.fin || early)
                    && let Some((opcode, octets)) = self.message.take()
                {
                    return self.echo(opcode, octets);
                }
            }
        }
        Ok(Ok(Some(true)))
    }

    fn echo(&mut self, opcode: u8, mut octets: Vec<u8>) -> io::Result<Result<Option<bool>, Fails>> {
        if opcode == 1 && std::str::from_utf8(&octets).is_err() {
            match self.fault {
                // Nobody sends text that is none: it goes back as octets.
                Fault::TakesBadUtf8 => return self.send(2, &octets).map(|()| Ok(Some(true))),
                Fault::SaysProtocolErrorForBadUtf8 => return Ok(Err(1002)),
                _ => return Ok(Err(1007)),
            }
        }
        if octets.is_empty() && self.is(Fault::LosesEmptyMessages) {
            return Ok(Ok(Some(true)));
        }
        if octets.len() == 126 && self.is(Fault::ChangesAnOctetAt126) {
            octets[125] = b'!';
        }
        if self.is(Fault::EchoesTwice) && octets.len() == 1 {
            self.send(opcode, &octets)?;
        }
        self.send(opcode, &octets)?;
        Ok(Ok(Some(true)))
    }

    fn check(&self, header: &RawHeader) -> Result<(), Fails> {
        let fault = self.fault;
        let control = header.opcode >= 8;
        let wrong = (header.rsv1 || header.rsv2 || header.rsv3) && fault != Fault::TakesReservedBits
            || matches!(header.opcode, 3..=7 | 11..) && fault != Fault::IgnoresReservedOpcodes
            || header.mask.is_none() && fault != Fault::TakesUnmasked
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
        Ok(Ok(Some(self.is(Fault::EchoesAfterClose) && !self.octets.is_empty())))
    }

    fn send(&mut self, opcode: u8, payload: &[u8]) -> io::Result<()> {
        let mut header = RawHeader::of(opcode).with_length(payload.len() as u64);
        if self.is(Fault::MasksItsFrames) {
            header = header.with_mask(bowsprit::frame::MaskKey([0; 4]));
        }
        header.rsv3 = self.is(Fault::SetsReservedBits) && opcode == 10;
        let mut octets = Vec::new();
        header.encode_into(&mut octets);
        octets.extend_from_slice(payload);
        self.stream.write_all(&octets)
    }
}

fn campaign(address: SocketAddr, timeout: u64) -> Campaign {
    Campaign {
        seed: 1,
        first: 0,
        count: Some(4000),
        time: Some(Duration::from_secs(60)),
        findings: 1,
        jobs: 4,
        oracles: Oracles {
            side: Side::Server,
            host: address.to_string(),
            target: "/".to_owned(),
            timeout: Duration::from_millis(timeout),
            echo: true,
        },
        place: format!("ws://{address}/"),
        watch: None,
        minimise: 120,
    }
}

#[test]
fn a_right_server_gives_no_finding() {
    let server = Server::start(Fault::None);
    let campaign = Campaign { count: Some(3000), ..campaign(server.address, 5000) };
    let summary = campaign::run(&campaign, &Dial::Connect(server.address), &mut |_| {}).unwrap();
    for trace in &summary.traces {
        println!("{}", trace.show());
    }
    assert_eq!(summary.traces.len(), 0);
    assert!(summary.progress.runs >= 3000);
}

/// Finds the fault, and gives what was found: one of `kinds`, in at most `steps` steps of `octets` octets.
fn finds(fault: Fault, kinds: &[Kind], steps: usize, octets: usize) -> Trace {
    let waits = [Kind::NotFailed, Kind::NoPong, Kind::NoAnswer, Kind::TcpStaysOpen];
    let timeout = if kinds.iter().any(|kind| waits.contains(kind)) { 250 } else { 2000 };
    let server = Server::start(fault);
    let campaign = campaign(server.address, timeout);
    let dial = Dial::Connect(server.address);
    let mut summary = campaign::run(&campaign, &dial, &mut |_| {}).unwrap();
    let trace =
        summary.traces.pop().unwrap_or_else(|| panic!("{fault:?} is not found in {:?}", summary.progress));
    assert!(kinds.contains(&trace.finding.kind), "{fault:?}: {}", trace.show());
    assert!(trace.reproduced, "{fault:?}: {}", trace.show());
    let (left, size) = (trace.script.steps.len(), trace.script.size());
    assert!(left <= steps && size <= octets, "{fault:?}: {left} steps, {size} octets\n{}", trace.show());

    // From its file it comes out again, and not with a server that is right.
    let file = serde_json::to_string(&trace).unwrap();
    let back: Trace = serde_json::from_str(&file).unwrap();
    let oracles = back.oracles(&server.address.to_string(), "/");
    // What depends on how octets are cut on their way may take a few attempts.
    let again = (0..20).find_map(|_| campaign::once(&dial, &back.script, &oracles).unwrap().finding);
    let again = again.unwrap_or_else(|| panic!("{fault:?} is not seen again: {}", trace.show()));
    assert_eq!(again.key(), trace.finding.key(), "{fault:?}");
    let right = Server::start(Fault::None);
    let played = campaign::once(&Dial::Connect(right.address), &back.script, &oracles).unwrap();
    assert_eq!(played.finding, None, "{fault:?}: {}", trace.show());
    trace
}

#[test]
fn planted_faults_in_frames_are_found() {
    // What gives it away depends on what came before it in the first iteration that hits it.
    let taken = &[Kind::NotFailed, Kind::AnsweredForbidden, Kind::WrongCode];
    finds(Fault::TakesUnmasked, taken, 3, 24);
    finds(Fault::TakesReservedBits, taken, 3, 24);
    finds(Fault::IgnoresReservedOpcodes, taken, 3, 24);
    finds(Fault::TakesLongForms, taken, 3, 30);
    finds(Fault::WaitsForTopBitLengths, taken, 3, 30);
    finds(Fault::TakesFragmentedControl, taken, 3, 24);
    finds(Fault::TakesLongControl, taken, 3, 160);
    finds(Fault::NeedsWholeHeaders, &[Kind::EndedEarly], 3, 30);
}

#[test]
fn planted_faults_in_messages_are_found() {
    finds(Fault::TakesBadUtf8, &[Kind::NotFailed, Kind::AnsweredForbidden], 2, 20);
    finds(Fault::SaysProtocolErrorForBadUtf8, &[Kind::WrongCode], 2, 20);
    finds(Fault::EchoesFirstFragment, &[Kind::WrongEcho, Kind::AnsweredForbidden], 3, 30);
    finds(Fault::TakesStrayContinuation, &[Kind::NotFailed, Kind::AnsweredForbidden, Kind::WrongCode], 3, 30);
    finds(
        Fault::TakesMessageInsideMessage,
        &[Kind::NotFailed, Kind::AnsweredForbidden, Kind::WrongCode],
        3,
        30,
    );
    finds(Fault::LosesEmptyMessages, &[Kind::WrongEcho], 3, 20);
    let trace = finds(Fault::ChangesAnOctetAt126, &[Kind::WrongEcho], 1, 140);
    assert!(matches!(&trace.script.steps[..], [Step::Frame(frame)] if frame.payload.len() == 126));
    finds(Fault::EchoesTwice, &[Kind::WrongEcho], 2, 20);
    finds(Fault::ForgetsMessageAtPing, &[Kind::WrongEcho], 3, 30);
}

#[test]
fn planted_faults_in_answers_are_found() {
    finds(Fault::AnswersPingWithNothing, &[Kind::NoPong], 0, 0);
    finds(Fault::NeverAnswersPing, &[Kind::NoPong], 0, 0);
    finds(Fault::DropsInsteadOfClose, &[Kind::EndedEarly], 1, 8);
    finds(Fault::AnswersCloseWith1011, &[Kind::WrongCode], 1, 8);
    finds(Fault::EchoesForbiddenCodes, &[Kind::PeerBrokeRule], 1, 8);
    finds(Fault::EchoesAfterClose, &[Kind::PeerBrokeRule], 3, 40);
    finds(Fault::StaysAfterClose, &[Kind::TcpStaysOpen], 1, 8);
    finds(Fault::MasksItsFrames, &[Kind::PeerBrokeRule], 0, 0);
    finds(Fault::SetsReservedBits, &[Kind::PeerBrokeRule], 0, 0);
}

#[test]
fn planted_faults_in_handshakes_are_found() {
    finds(Fault::TakesAnyVersion, &[Kind::HandshakeAccepted], 0, 0);
    finds(Fault::TakesAnyKey, &[Kind::HandshakeAccepted, Kind::PeerBrokeRule], 0, 0);
    finds(Fault::RefusesUpperCaseNames, &[Kind::HandshakeRefused], 0, 0);
}

/// The process that is watched is this one; what leaks is 64 KiB for each Ping.
#[test]
#[cfg(target_os = "linux")]
fn a_planted_leak_is_found() {
    let server = Server::start(Fault::Leaks);
    let campaign = Campaign {
        count: Some(20_000),
        watch: Some((std::process::id(), 100 << 20)),
        ..campaign(server.address, 5000)
    };
    let summary = campaign::run(&campaign, &Dial::Connect(server.address), &mut |_| {}).unwrap();
    let trace = &summary.traces[0];
    assert_eq!(trace.finding.kind, Kind::Memory, "{}", trace.show());
    assert!(trace.reproduced && trace.script.size() <= 100, "{}", trace.show());
    LEAK.lock().unwrap().clear();
}

#[test]
fn nobody_at_all_is_no_finding() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let summary = campaign::run(&campaign(address, 200), &Dial::Connect(address), &mut |_| {}).unwrap();
    assert!(summary.unreachable.is_some() && summary.traces.is_empty());
}
