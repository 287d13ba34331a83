//! The loop in the program's own `mio::Poll`, beside other sources.
//!
//! `cargo run --example own_poll --features event-loop -- 127.0.0.1:9001`. The other source is a waker, through which another thread passes on
//! what it reads from stdin: each line goes to all clients.

use std::io::{self, BufRead};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use bowsprit::event_loop::{ConnId, Context, Engine, Handler, Settings, To};
use bowsprit::message::Message;
use mio::{Events, Poll, Token, Waker};

struct Echo;

impl Handler for Echo {
    type Data = ();

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        cx.send(id, message);
    }
}

/// A token of the program's own. All others are the engine's.
const MINE: Token = Token(0);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut engine = Engine::new(Settings::default(), poll.registry(), 1..usize::MAX)?;
    println!("ws://{}/", engine.listen(address.parse()?)?);

    // A `Poll` has one waker; the engine's remotes share it.
    let waker = Arc::new(Waker::new(poll.registry(), MINE)?);
    let remote = engine.remote_with(waker)?;
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if let Err(error) = remote.publish(To::all(), Message::Text(&line)) {
                eprintln!("{line:?} is lost: {error}");
            }
        }
    });

    loop {
        let due = engine.next_deadline().map(|at| at.saturating_duration_since(Instant::now()));
        match poll.poll(&mut events, due) {
            // Nothing has been looked at, so a peer that seems silent may have sent something.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            if engine.owns(event.token()) {
                engine.handle(event, &mut Echo);
            } // otherwise it is MINE, and what it woke the loop for is done below
        }
        engine.on_time(Instant::now(), &mut Echo);
    }
}
