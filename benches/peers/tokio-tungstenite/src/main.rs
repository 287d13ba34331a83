//! tokio-tungstenite: `peer-tokio-tungstenite PORT [forward|send|broadcast]`
//!
//! `forward`: the stream is forwarded into the sink, as in its echo example, which flushes when no more input is ready.
//! `send`: each message is sent and flushed, as most programs do. `broadcast`: a channel for each connection, as in its
//! server example.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use futures_util::stream::TryStreamExt;
use futures_util::{SinkExt, StreamExt, future};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::{LocalSet, spawn_local};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

type Socket = WebSocketStream<TcpStream>;
type Everybody = Rc<RefCell<HashMap<u64, UnboundedSender<Message>>>>;

fn is_data(message: &Message) -> bool {
    message.is_text() || message.is_binary()
}

async fn forward(socket: Socket) {
    let (sink, stream) = socket.split();
    let _ = stream.try_filter(|message| future::ready(is_data(message))).forward(sink).await;
}

async fn send(mut socket: Socket) {
    while let Some(Ok(message)) = socket.next().await {
        if is_data(&message) && socket.send(message).await.is_err() {
            return;
        }
    }
}

async fn broadcast(socket: Socket, id: u64, everybody: Everybody) {
    let (sender, mut messages) = unbounded_channel();
    everybody.borrow_mut().insert(id, sender);
    let (mut sink, mut stream) = socket.split();
    let receive = async {
        while let Some(Ok(message)) = stream.next().await {
            if is_data(&message) {
                for receiver in everybody.borrow().values() {
                    let _ = receiver.send(message.clone());
                }
            }
        }
    };
    let deliver = async {
        while let Some(message) = messages.recv().await {
            let mut next = Some(message);
            while let Some(message) = next {
                if sink.feed(message).await.is_err() {
                    return;
                }
                next = messages.try_recv().ok();
            }
            if sink.flush().await.is_err() {
                return;
            }
        }
    };
    tokio::select! { () = receive => {} () = deliver => {} }
    everybody.borrow_mut().remove(&id);
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().expect("PORT").parse().expect("a number");
    let mode = arguments.next().unwrap_or_default();
    let serve = async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
        let everybody = Everybody::default();
        let mut id = 0;
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            id += 1;
            let (mode, everybody) = (mode.clone(), everybody.clone());
            spawn_local(async move {
                let Ok(socket) = tokio_tungstenite::accept_async(stream).await else { return };
                match mode.as_str() {
                    "send" => send(socket).await,
                    "broadcast" => broadcast(socket, id, everybody).await,
                    _ => forward(socket).await,
                }
            });
        }
    };
    LocalSet::new().run_until(serve).await;
}
