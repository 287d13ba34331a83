//! A client in an event loop that reconnects whenever its connection is lost. What is sent meanwhile waits.
//!
//! `cargo run --example reconnect --features event-loop -- ws://127.0.0.1:9001/`

use std::time::Duration;

use bowsprit::client::{ClientConfig, ReconnectPolicy, ThreadResolver};
use bowsprit::event_loop::{ClientEvent, ClientId, ConnId, Context, EventLoop, Handler};
use bowsprit::message::Message;

struct Ticker {
    client: ClientId,
    ticks: u32,
}

impl Handler for Ticker {
    type Data = ();

    fn on_message(&mut self, _: &mut Context<()>, _: ConnId, message: Message<'_>) {
        println!("{message:?}");
    }

    fn on_client(&mut self, cx: &mut Context<()>, _: ClientId, event: &ClientEvent<'_>) {
        println!("{event:?}");
        if let ClientEvent::End { .. } = event {
            cx.stop(); // it will not come back
        }
    }

    fn on_timer(&mut self, cx: &mut Context<()>, _: bowsprit::event_loop::Timer) {
        self.ticks += 1;
        cx.send_to(self.client, Message::Text(&format!("tick {}", self.ticks)));
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("usage: reconnect URL")?;
    let mut event_loop = EventLoop::new()?;
    let config = ClientConfig::new(&url)?.resolver(ThreadResolver).reconnect(ReconnectPolicy::exponential());
    let client = event_loop.context().open(config)?;
    event_loop.context().set_timer_every(Duration::from_secs(1), 0);
    event_loop.run(&mut Ticker { client, ticks: 0 })?;
    Ok(())
}
