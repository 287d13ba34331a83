//! Turn by turn: the program owns the thread and gives the loop a share of it.
//!
//! `cargo run --example turns --features event-loop -- 127.0.0.1:9001`, then connect with any client. Twenty times a second the program does
//! a step of its own work, and every client hears of it.

use std::time::{Duration, Instant};

use bowsprit::event_loop::{ConnId, Context, EventLoop, Handler, To};
use bowsprit::message::Message;

struct Echo;

impl Handler for Echo {
    type Data = ();

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        cx.send(id, message);
    }
}

const FRAME: Duration = Duration::from_millis(50);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    let mut server = EventLoop::new()?;
    println!("ws://{}/", server.listen(address.parse()?)?);
    let mut next_frame = Instant::now();
    for step in 0_u64.. {
        // Handles whatever comes while the program waits for its next step.
        next_frame += FRAME;
        while let Some(left) = next_frame.checked_duration_since(Instant::now()) {
            server.turn(&mut Echo, Some(left))?;
        }
        server.context().publish(To::all(), Message::Text(&format!("step {step}")));
    }
    Ok(())
}
