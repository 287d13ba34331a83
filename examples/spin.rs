//! A server for few clients that want fast answers: before it sleeps, it polls for events for a while.
//!
//! `cargo run --release --example spin --features event-loop -- 127.0.0.1:9001 50` (microseconds)

use std::time::Duration;

use bowsprit::event_loop::{ConnId, Context, EventLoop, Handler, Settings};
use bowsprit::message::Message;

struct Echo;

impl Handler for Echo {
    type Data = ();

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        cx.send(id, message);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:9001".into());
    let micros = args.next().unwrap_or_else(|| "50".into());
    let mut settings = Settings::default();
    settings.spin = Duration::from_micros(micros.parse()?);
    let mut server = EventLoop::with_settings(settings)?;
    println!("ws://{}/", server.listen(address.parse()?)?);
    server.run(&mut Echo)?;
    Ok(())
}
