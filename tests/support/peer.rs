//! A peer that knows only TCP and frames, so that it can send anything, at any speed, in any pieces.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bowsprit::Role;
use bowsprit::frame::{Parsed, RawHeader};

use super::{close_payload, sent_by};

/// How long a peer waits for an answer: none takes longer, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The request of RFC 6455 §1.3.
pub const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                           Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// The other side of what is tested.
#[derive(Debug)]
pub struct Peer {
    pub stream: TcpStream,
    /// Bytes that have been read, but not parsed.
    pub ahead: Vec<u8>,
}

/// A frame as it arrived.
pub type Frame = (RawHeader, Vec<u8>);

impl Peer {
    /// Makes a TCP connection.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, ahead: Vec::new() }
    }

    /// Opens a WebSocket, for servers that run by themselves.
    pub fn open(address: SocketAddr) -> Self {
        let mut peer = Self::connect(address);
        peer.write(REQUEST.as_bytes());
        let head = peer.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        peer
    }

    /// Takes over the connection of an accepted client.
    pub fn of(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, ahead: Vec::new() }
    }

    /// Answers a request with 101.
    pub fn accept_upgrade(&mut self) {
        let head = self.head();
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        let accept = bowsprit::handshake::Key::parse(key.as_bytes()).unwrap().accept();
        let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
        self.write(format!("{head}Sec-WebSocket-Accept: {accept}\r\n\r\n").as_bytes());
    }

    /// Reads the next frame of a client.
    pub fn client_frame(&mut self) -> Frame {
        loop {
            if let Parsed::Done(header, used) = RawHeader::parse(&self.ahead)
                && let Some(payload) = self.ahead.get(used..used + header.length as usize)
            {
                let mut payload = payload.to_vec();
                header.mask.expect("§5.1: a client masks every frame").apply_naive(&mut payload);
                self.ahead.drain(..used + payload.len());
                return (header, payload);
            }
            assert_ne!(self.read().unwrap(), 0, "the client ended the connection");
        }
    }

    /// Sends bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends a masked frame.
    pub fn send(&mut self, header: RawHeader, payload: &[u8]) {
        self.write(&sent_by(Role::Client, header, payload));
    }

    pub fn text(&mut self, text: &str) {
        self.send(RawHeader::TEXT, text.as_bytes());
    }

    pub fn close(&mut self, code: u16) {
        self.send(RawHeader::CLOSE, &close_payload(code, ""));
    }

    /// Reads the next HTTP head.
    pub fn head(&mut self) -> String {
        loop {
            if let Some(head) = self.try_head() {
                return head;
            }
            self.more();
        }
    }

    /// Returns the next HTTP head, if it is there.
    pub fn try_head(&mut self) -> Option<String> {
        let end = self.ahead.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
        Some(String::from_utf8(self.ahead.drain(..end).collect()).unwrap())
    }

    /// Reads the next frame.
    pub fn frame(&mut self) -> Frame {
        loop {
            if let Some(frame) = self.try_frame() {
                return frame;
            }
            self.more();
        }
    }

    /// Returns the next frame, if it is there.
    pub fn try_frame(&mut self) -> Option<Frame> {
        let Parsed::Done(header, used) = RawHeader::parse(&self.ahead) else { return None };
        let end = used + header.length as usize;
        if self.ahead.len() < end {
            return None;
        }
        assert_eq!(header.mask, None, "§5.1: a server masks no frame");
        let payload = self.ahead[used..end].to_vec();
        self.ahead.drain(..end);
        Some((header, payload))
    }

    /// Reads everything up to the end of the server's direction, which has to be an orderly one.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.read().unwrap() > 0 {}
        std::mem::take(&mut self.ahead)
    }

    /// Ends our direction, unless the other side was quicker, and waits for the other side's end, of any kind.
    pub fn part(&mut self) {
        match self.stream.shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {} // it has been reset
            result => result.unwrap(),
        }
        self.until_gone();
    }

    /// Waits for the other side's end, of any kind.
    pub fn until_gone(&mut self) {
        while matches!(self.read(), Ok(1..)) {}
    }

    /// Reads what is there. Returns 0 at the end.
    pub fn read(&mut self) -> io::Result<usize> {
        let mut bytes = [0; 64 * 1024];
        let len = self.stream.read(&mut bytes)?;
        self.ahead.extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn more(&mut self) {
        let len = self.read().unwrap();
        assert_ne!(len, 0, "the server ended the connection; before: {}", self.ahead.escape_ascii());
    }

    /// Ends our direction only.
    pub fn finish(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Ends the connection with a reset.
    pub fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// Starts a server for one client, which runs `script` in a thread of its own. Returns its URL.
pub fn fake_server<T: Send + 'static>(
    script: impl FnOnce(Peer) -> T + Send + 'static,
) -> (String, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let server = thread::spawn(move || script(Peer::of(listener.accept().unwrap().0)));
    (url, server)
}

#[track_caller]
pub fn assert_text(frame: &Frame, text: &str) {
    let (header, payload) = frame;
    assert_eq!(*header, RawHeader::TEXT.with_length(text.len() as u64));
    assert_eq!(String::from_utf8_lossy(payload), text);
}

#[track_caller]
pub fn assert_close(frame: &Frame, code: u16) {
    let (header, payload) = frame;
    assert_eq!(header.opcode, RawHeader::CLOSE.opcode, "{header:?} {}", payload.escape_ascii());
    assert_eq!(payload.get(..2), Some(&code.to_be_bytes()[..]), "{}", payload.escape_ascii());
}
