//! A server that sends every message back while it is still arriving: what each read brings of it becomes a frame of
//! the answer, so that nothing waits for the end of a long message, and nothing of it is kept.
//!
//! `cargo run --release --example forward --features event-loop -- 127.0.0.1:9001`

use std::sync::Arc;

use bowsprit::connection::{Chunk, Config, Delivery};
use bowsprit::event_loop::{ConnId, Context, EventLoop, Handler, Sent, Settings};
use bowsprit::frame::DataKind;
use bowsprit::message::Message;

struct Forward;

impl Handler for Forward {
    /// Whether the beginning of a message has gone back already.
    type Data = bool;

    fn on_chunk(&mut self, cx: &mut Context<bool>, id: ConnId, chunk: Chunk<'_>) {
        let Some(open) = cx.data(id) else { return };
        let begun = std::mem::replace(open, !chunk.message_ends);
        let sent = match (begun, chunk.message_ends) {
            (false, false) => cx.start_message(id, chunk.kind, chunk.payload),
            (true, false) => cx.continue_message(id, chunk.payload),
            (true, true) => cx.finish_message(id, chunk.payload),
            // All of it at once. Text has been checked chunk by chunk; a whole message does not end inside a character.
            (false, true) => match (chunk.kind, std::str::from_utf8(chunk.payload)) {
                (DataKind::Text, Ok(text)) => cx.send_text(id, text),
                _ => cx.send_binary(id, chunk.payload),
            },
        };
        if matches!(sent, Sent::Dropped | Sent::Refused(_)) {
            cx.abort(id); // a message with a gap in it would be worse than none
        }
    }

    fn on_message(&mut self, _: &mut Context<bool>, _: ConnId, _: Message<'_>) {
        // Messages are delivered only in chunks.
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    let mut config = Config::default();
    config.delivery = Delivery::Frames;
    let mut settings = Settings::default();
    settings.connection = Arc::new(config);
    let mut server = EventLoop::with_settings(settings)?;
    println!("ws://{}/", server.listen(address.parse()?)?);
    server.run(&mut Forward)?;
    Ok(())
}
