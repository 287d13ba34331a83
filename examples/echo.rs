//! The smallest server: every message goes back to its sender.
//!
//! `cargo run --release --example echo --features event-loop -- 127.0.0.1:9001`

use bowsprit::event_loop::{ConnId, Context, EventLoop, Handler};
use bowsprit::message::Message;

struct Echo;

impl Handler for Echo {
    type Data = ();

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        cx.send(id, message);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    let mut server = EventLoop::new()?;
    println!("ws://{}/", server.listen(address.parse()?)?);
    server.run(&mut Echo)?;
    Ok(())
}
