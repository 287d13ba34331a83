//! tokio-websockets: `peer-tokio-websockets PORT [send|forward]`
//!
//! `send`: each message is sent and flushed, as in its echo example. `forward`: the stream is forwarded into the sink.

use futures_util::stream::TryStreamExt;
use futures_util::{SinkExt, StreamExt, future};
use tokio::net::{TcpListener, TcpStream};
use tokio_websockets::{Config, Limits, Message, ServerBuilder};

fn is_data(message: &Message) -> bool {
    message.is_text() || message.is_binary()
}

async fn echo(stream: TcpStream, forward: bool) {
    // Frames of unlimited size, so that a message leaves in one frame as it does elsewhere.
    let config = Config::default().frame_size(usize::MAX);
    let builder = ServerBuilder::new().config(config).limits(Limits::unlimited());
    let Ok((_, mut socket)) = builder.accept(stream).await else { return };
    if forward {
        let (sink, stream) = socket.split();
        let _ = stream.try_filter(|message| future::ready(is_data(message))).forward(sink).await;
        return;
    }
    while let Some(Ok(message)) = socket.next().await {
        if is_data(&message) && socket.send(message).await.is_err() {
            return;
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().expect("PORT").parse().expect("a number");
    let forward = arguments.next().as_deref() == Some("forward");
    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        tokio::spawn(tokio::task::unconstrained(echo(stream, forward)));
    }
}
