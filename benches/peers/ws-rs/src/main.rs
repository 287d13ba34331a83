//! The `ws` crate, on an old mio and no longer maintained: `peer-ws-rs PORT [echo|broadcast]`

use ws::{Builder, Message, Sender, Settings};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().expect("PORT").parse().expect("a number");
    let broadcasts = arguments.next().as_deref() == Some("broadcast");
    let settings = Settings { max_connections: 20_000, tcp_nodelay: true, ..Settings::default() };
    let serve = |out: Sender| {
        move |message: Message| if broadcasts { out.broadcast(message) } else { out.send(message) }
    };
    let socket = Builder::new().with_settings(settings).build(serve).expect("a socket");
    socket.listen(("127.0.0.1", port)).expect("the port is free");
}
