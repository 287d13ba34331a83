//! The blocking client over streams that are no sockets, and the time that each of its calls may take.
#![cfg(feature = "blocking")]

#[path = "support/server.rs"]
mod server;

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bowsprit::blocking::{self, Error, Untimed};
use bowsprit::client::{ClientConfig, ConnectError};
use bowsprit::close::{CloseCode, CloseReason};
use bowsprit::connection::{Config, Due, Event};
use bowsprit::handshake::ResponseError;
use bowsprit::message::Message;
use server::{accept, drain, header, open, read_head, serve};

const SECOND: Duration = Duration::from_secs(1);

/// Bytes that wait for a server which does not read.
const MUCH: usize = 3 << 20;

/// Two pipes: a stream of bytes that no address leads to.
#[derive(Debug)]
struct Duplex(PipeReader, PipeWriter);

impl Read for Duplex {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for Duplex {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.1.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.1.flush()
    }
}

fn duplex() -> (Duplex, Duplex) {
    let ((left, to_left), (right, to_right)) = (io::pipe().unwrap(), io::pipe().unwrap());
    (Duplex(left, to_right), Duplex(right, to_left))
}

/// A stream that takes and gives a byte at a time, with a signal before each.
struct Drip<S>(S, bool);

impl<S> Drip<S> {
    fn signal(&mut self) -> io::Result<()> {
        self.1 = !self.1;
        if self.1 { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    }
}

impl<S: Read> Read for Drip<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.signal()?;
        self.0.read(&mut buf[..1])
    }
}

impl<S: Write> Write for Drip<S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.signal()?;
        self.0.write(&buf[..1])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.signal()?;
        self.0.flush()
    }
}

/// Accepts, sends a fragmented message around a Ping, and reads what a client answers to that.
fn server(mut stream: impl Read + Write) -> (String, Vec<u8>) {
    let head = open(&mut stream, b"\x01\x03one\x89\x01!\x80\x04 two");
    let mut said = vec![0; 6 + 1 + 6 + 3 + 6 + 2];
    stream.read_exact(&mut said).unwrap();
    stream.write_all(b"\x88\x02\x03\xe8").unwrap();
    (head, said)
}

fn config() -> ClientConfig {
    ClientConfig::new("ws://pipe.example/chat").unwrap().subprotocol("chat").unwrap()
}

fn talk(stream: impl Read + Write) {
    let mut client = blocking::handshake(Untimed(stream), &config()).unwrap();
    assert_eq!(client.read().unwrap(), Some(Message::Text("one two")));
    client.send("yes").unwrap();
    assert_eq!(client.bytes_to_write(), 0);
    let outcome = client.close(Some(CloseReason { code: CloseCode::NORMAL, reason: "" })).unwrap();
    assert!(outcome.is_clean(), "{outcome:?}");
}

#[test]
fn over_any_read_and_write() {
    for drip in [false, true] {
        let (here, there) = duplex();
        let serving = thread::spawn(move || server(there));
        if drip {
            talk(Drip(here, false))
        } else {
            talk(here)
        }
        let (head, said) = serving.join().unwrap();
        assert!(head.starts_with("GET /chat HTTP/1.1\r\nHost: pipe.example\r\n"), "{head}");
        assert_eq!(header(&head, "sec-websocket-protocol"), Some("chat"));
        let firsts = [said[0], said[7], said[16]];
        assert_eq!(firsts, [0x8a, 0x81, 0x88], "a Pong, the text, a Close frame");
    }
}

#[test]
fn a_stream_that_ends_or_refuses_in_the_handshake() {
    let (here, there) = duplex();
    drop(there);
    let error = blocking::handshake(Untimed(here), &config()).unwrap_err();
    assert!(matches!(error, Error::Connect(_)), "{error:?}");

    let (here, mut there) = duplex();
    let serving = thread::spawn(move || {
        read_head(&mut there);
        there.write_all(b"HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno").unwrap();
    });
    let error = blocking::handshake(Untimed(here), &config()).unwrap_err();
    let Error::Connect(ConnectError::Response(ResponseError::Refused(response))) = error else { panic!() };
    assert_eq!((response.status(), response.body()), (401, &b"no"[..]));
    serving.join().unwrap();
}

/// A server that reads nothing until it is told to: no call waits longer for it than it may, and all of it still goes
/// out once the server reads.
#[test]
fn every_call_that_writes_keeps_to_its_time() {
    let (go, wait) = mpsc::channel::<()>();
    let (address, server) = serve(1, move |mut stream: TcpStream| {
        open(&mut stream, b"");
        wait.recv().unwrap();
        stream.set_read_timeout(Some(60 * SECOND)).unwrap();
        drain(&mut stream)
    });
    let mut limits = Config::default();
    limits.close_timeout = 60 * SECOND;
    let config = ClientConfig::new(&format!("ws://{address}/")).unwrap().connection(limits);
    let mut client = blocking::connect_with(&config).unwrap();
    client.set_timeout(Some(Duration::from_millis(20)));
    let part = vec![7; 1 << 18];
    let mut sent = 0;
    // More than the system takes when it makes its buffers larger.
    while client.bytes_to_write() < MUCH {
        sent += 1;
        assert!(matches!(client.send(&part[..]), Ok(()) | Err(Error::Timeout)));
    }
    assert!(matches!(client.flush(), Err(Error::Timeout)));
    assert!(matches!(client.ping(b"ping"), Err(Error::Timeout)));
    assert!(matches!(client.pong(b"pong"), Err(Error::Timeout)));
    assert!(matches!(client.send("text"), Err(Error::Timeout)));
    assert!(matches!(client.read(), Err(Error::Timeout)));
    assert!(matches!(client.read_event(), Err(Error::Timeout)));
    assert!(matches!(client.start_close(None), Err(Error::Timeout)));
    assert!(client.bytes_to_write() > 0);
    go.send(()).unwrap();
    client.set_timeout(Some(60 * SECOND));
    client.flush().unwrap();
    assert_eq!(client.bytes_to_write(), 0);
    drop(client);
    let bytes = server.join().unwrap().remove(0);
    // In order, and whole: the messages, Ping, Pong, text, an empty Close frame.
    assert_eq!(bytes.len(), sent * (14 + part.len()) + 3 * (6 + 4) + 6);
    let tail = &bytes[bytes.len() - 36..];
    assert_eq!([tail[0], tail[10], tail[20], tail[30]], [0x89, 0x8a, 0x81, 0x88]);
}

/// A server that sends much before it reads: whoever reads does not wait until it takes what was sent to it.
#[test]
fn reading_does_not_wait_for_writing() {
    let much = 8 << 20;
    let (address, server) = serve(1, move |mut stream: TcpStream| {
        open(&mut stream, b"");
        let mut message = vec![0x82, 127];
        message.extend_from_slice(&(much as u64).to_be_bytes());
        message.resize(10 + much, 7);
        stream.write_all(&message).unwrap();
        stream.set_read_timeout(Some(60 * SECOND)).unwrap();
        drain(&mut stream).len()
    });
    let mut client = blocking::connect(&format!("ws://{address}/")).unwrap();
    client.set_timeout(Some(Duration::from_millis(20)));
    while client.bytes_to_write() < MUCH {
        assert!(matches!(client.send(&[7; 1 << 18][..]), Ok(()) | Err(Error::Timeout)));
    }
    client.set_timeout(None);
    assert_eq!(client.read().unwrap().map(|message| message.len()), Some(much));
    client.flush().unwrap();
    drop(client);
    assert!(server.join().unwrap()[0] > MUCH);
}

/// `close` is bounded by its own time, whatever the calls may take.
#[test]
fn close_ends_in_its_time_where_nothing_can_be_written() {
    let (go, wait) = mpsc::channel::<()>();
    let (address, server) = serve(1, move |mut stream: TcpStream| {
        open(&mut stream, b"");
        wait.recv().unwrap();
    });
    let mut limits = Config::default();
    limits.close_timeout = Duration::from_millis(200);
    let config = ClientConfig::new(&format!("ws://{address}/")).unwrap().connection(limits);
    let mut client = blocking::connect_with(&config).unwrap();
    client.set_timeout(Some(Duration::from_millis(20)));
    while client.bytes_to_write() < MUCH {
        assert!(matches!(client.send(&[7; 1 << 18][..]), Ok(()) | Err(Error::Timeout)));
    }
    let error = client.close(None).unwrap_err();
    assert!(matches!(error, Error::Due(Due::CloseTimeout)), "{error:?}");
    go.send(()).unwrap();
    server.join().unwrap();
}

#[test]
fn each_half_keeps_to_its_own_time() {
    let (go, wait) = mpsc::channel::<()>();
    let (address, server) = serve(1, move |mut stream: TcpStream| {
        let head = read_head(&mut stream);
        stream.write_all(&accept(&head)).unwrap();
        wait.recv().unwrap();
        stream.write_all(b"\x8a\x01x").unwrap();
        drain(&mut stream);
    });
    let client = blocking::connect(&format!("ws://{address}/")).unwrap();
    let (mut reader, mut writer) = client.split().unwrap();
    reader.set_timeout(Some(Duration::from_millis(20)));
    assert!(matches!(reader.read(), Err(Error::Timeout)));
    writer.set_timeout(Some(Duration::from_millis(20)));
    while writer.bytes_to_write() < MUCH {
        assert!(matches!(writer.send(&[7; 1 << 18][..]), Ok(()) | Err(Error::Timeout)));
    }
    assert!(matches!(writer.ping(b"x"), Err(Error::Timeout)));
    assert!(matches!(reader.read_event(), Err(Error::Timeout)));
    go.send(()).unwrap();
    reader.set_timeout(Some(60 * SECOND));
    assert_eq!(reader.read_event().unwrap(), Some(Event::Pong(b"x")));
    writer.set_timeout(Some(60 * SECOND));
    writer.send("end").unwrap();
    assert_eq!(writer.bytes_to_write(), 0);
    writer.abort();
    server.join().unwrap();
}
