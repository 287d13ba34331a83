//! The chat server that comes with Qt's WebSockets, rewritten: what one client says goes to all the others.
//!
//! `cargo run --example chat --features event-loop -- 127.0.0.1:1234`
//!
//! | There | Here |
//! |---|---|
//! | `new QWebSocketServer("Chat Server", NonSecureMode)` | `EventLoop::new()` |
//! | `listen(QHostAddress::Any, port)` | `listen(address)` |
//! | `newConnection`, `nextPendingConnection()` | `on_open` |
//! | `m_clients << pSocket` | nothing: the loop knows its connections |
//! | `textMessageReceived` → `processMessage` | `on_message` |
//! | `for (QWebSocket *c : m_clients) if (c != sender) c->sendTextMessage(m)` | `publish(To::all().except(id), …)` |
//! | `disconnected` → `socketDisconnected`, `deleteLater()` | `on_close`; nothing is left to delete |

use bowsprit::event_loop::{ConnId, Context, Ended, EventLoop, Handler, To};
use bowsprit::handshake::Agreement;
use bowsprit::message::Message;

struct ChatServer;

impl Handler for ChatServer {
    type Data = ();

    fn on_open(&mut self, cx: &mut Context<()>, id: ConnId, _: &Agreement) {
        match cx.peer_addr(id) {
            Some(address) => println!("{id} is {address}"),
            None => println!("{id}"),
        }
    }

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        // Encoded once, however many receivers there are; written once to each, however much this turn sends.
        cx.publish(To::all().except(id), message);
    }

    fn on_close(&mut self, _: &mut Context<()>, id: ConnId, ended: &Ended) {
        println!("{id} left: {}", ended.outcome.code());
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:1234".into());
    let mut server = EventLoop::new()?;
    println!("chat at ws://{}/", server.listen(address.parse()?)?);
    server.run(&mut ChatServer)?;
    Ok(())
}
