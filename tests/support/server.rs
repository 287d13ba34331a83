//! Small servers on loopback that send what a test wants. Each runs in a thread that ends with its one task.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bowsprit::handshake::Key;

/// Listens on a free port and runs `serve` with each of `count` connections, one after the other.
pub(crate) fn serve<T: Send + 'static>(
    count: usize,
    mut serve: impl FnMut(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<Vec<T>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = thread::spawn(move || {
        (0..count)
            .map(|_| {
                let (stream, _) = listener.accept().unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
                stream.set_nodelay(true).unwrap();
                serve(stream)
            })
            .collect()
    });
    (address, thread)
}

/// Reads an HTTP head.
pub(crate) fn read_head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap() == 0 {
            break;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Returns the value of a header line.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (this, value) = line.split_once(':')?;
        this.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Returns the usual response to a request.
pub(crate) fn accept(head: &str) -> Vec<u8> {
    let key = Key::parse(header(head, "sec-websocket-key").unwrap().as_bytes()).unwrap();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: keep-alive, upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        key.accept()
    )
    .into_bytes()
}

/// Reads a request, accepts it and sends `more` directly after the response, in the same packet.
pub(crate) fn open(stream: &mut (impl Read + Write), more: &[u8]) -> String {
    let head = read_head(stream);
    let mut answer = accept(&head);
    answer.extend_from_slice(more);
    stream.write_all(&answer).unwrap();
    head
}

/// Reads until the other side ends the connection, in whatever way.
pub(crate) fn drain(stream: &mut impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buf = [0; 4096];
    loop {
        match stream.read(&mut buf) {
            Ok(0) => return all,
            Ok(len) => all.extend_from_slice(&buf[..len]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return all,
        }
    }
}
