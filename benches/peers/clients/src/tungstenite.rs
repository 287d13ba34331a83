use tungstenite::Message;

use crate::tally::{Done, Load, Tally};

pub fn run(load: &Load, mut tally: Tally) -> Done {
    assert_eq!(load.connections, 1, "one connection blocks");
    let (mut socket, _) =
        tungstenite::connect(format!("ws://127.0.0.1:{}/", load.port)).expect("a connection");
    if let tungstenite::stream::MaybeTlsStream::Plain(stream) = socket.get_ref() {
        stream.set_nodelay(true).expect("a socket");
    }
    let message = Message::binary(load.message.clone());
    loop {
        for _ in 0..load.in_flight {
            socket.write(message.clone()).expect("room in the buffer");
        }
        socket.flush().expect("the server reads");
        for _ in 0..load.in_flight {
            assert_eq!(socket.read().expect("an echo").len(), load.message.len());
        }
        if let Some(done) = tally.count(load.in_flight) {
            return done;
        }
    }
}
