use bowsprit::blocking;
use bowsprit::message::Message;

use crate::tally::{Done, Load, Tally};

pub fn run(load: &Load, mut tally: Tally) -> Done {
    assert_eq!(load.connections, 1, "one connection blocks");
    let mut client = blocking::connect(&format!("ws://127.0.0.1:{}/", load.port)).expect("a connection");
    loop {
        for _ in 0..load.in_flight {
            client.outbound().send(Message::Binary(&load.message)).expect("room in the queue");
        }
        client.flush().expect("the server reads");
        for _ in 0..load.in_flight {
            let message = client.read().expect("an echo").expect("the server goes on");
            assert_eq!(message.len(), load.message.len());
        }
        if let Some(done) = tally.count(load.in_flight) {
            return done;
        }
    }
}
