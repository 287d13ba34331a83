use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, Role, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::crowd;
use crate::tally::{Done, Load, Tally};

/// Its own handshake wants a whole HTTP library, which no message passes through.
async fn open(mut stream: TcpStream, port: u16) -> FragmentCollector<TcpStream> {
    let request = format!(
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("the server reads");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a response"));
    }
    assert!(head.starts_with(b"HTTP/1.1 101"));
    FragmentCollector::new(WebSocket::after_handshake(stream, Role::Client))
}

async fn round(socket: &mut FragmentCollector<TcpStream>, load: &Load) {
    for _ in 0..load.in_flight {
        let frame = Frame::binary(Payload::Borrowed(&load.message));
        socket.write_frame(frame).await.expect("the server reads");
    }
    for _ in 0..load.in_flight {
        let frame = socket.read_frame().await.expect("an echo");
        assert!(frame.opcode == OpCode::Binary && frame.payload.len() == load.message.len());
    }
}

pub fn run(load: Load, tally: Tally) -> Done {
    crowd::run(load, tally, open, round)
}
