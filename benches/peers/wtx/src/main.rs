//! Echo with wtx, written like its own example, without TLS: `peer-wtx PORT`

use tokio::net::{TcpListener, TcpStream};
use wtx::collection::Vector;
use wtx::web_socket::{OpCode, WebSocketAcceptor, WebSocketBuffer, WebSocketPayloadOrigin};

async fn echo(stream: TcpStream) -> wtx::Result<()> {
    let mut socket = WebSocketAcceptor::default().wsb(WebSocketBuffer::new()).accept(stream).await?;
    let (mut common, mut reader, mut writer) = socket.split_mut();
    let mut buffer = Vector::new();
    loop {
        let mut frame = reader.read_frame(&mut buffer, &mut common, WebSocketPayloadOrigin::Adaptive).await?;
        match frame.op_code() {
            OpCode::Binary | OpCode::Text => writer.write_frame(&mut common, &mut frame).await?,
            OpCode::Close => return Ok(()),
            _ => {}
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let port: u16 = std::env::args().nth(1).expect("PORT").parse().expect("a number");
    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        tokio::spawn(tokio::task::unconstrained(async { echo(stream).await }));
    }
}
