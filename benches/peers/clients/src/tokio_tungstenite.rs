use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::crowd;
use crate::tally::{Done, Load, Tally};

async fn open(stream: TcpStream, port: u16) -> WebSocketStream<TcpStream> {
    client_async(format!("ws://127.0.0.1:{port}/"), stream).await.expect("a handshake").0
}

async fn round(socket: &mut WebSocketStream<TcpStream>, load: &Load) {
    let message = Message::binary(load.message.clone());
    for _ in 0..load.in_flight {
        socket.feed(message.clone()).await.expect("the server reads");
    }
    socket.flush().await.expect("the server reads");
    for _ in 0..load.in_flight {
        let echo = socket.next().await.expect("the server goes on").expect("an echo");
        assert_eq!(echo.len(), load.message.len());
    }
}

pub fn run(load: Load, tally: Tally) -> Done {
    crowd::run(load, tally, open, round)
}
