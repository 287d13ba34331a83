//! A chat with rooms: the path names the room, and what one member says goes to all the others in it.
//!
//! `cargo run --example rooms --features event-loop -- 127.0.0.1:9001`, then from several terminals
//! `bowsprit connect ws://127.0.0.1:9001/kitchen`. `rooms_over_machines` does the same over several processes.

use bowsprit::event_loop::{ConnId, Context, Decision, Ended, EventLoop, Handler, To};
use bowsprit::handshake::{Acceptance, Agreement, Request};
use bowsprit::message::Message;

struct Rooms;

impl Handler for Rooms {
    /// The room that a member is in.
    type Data = String;

    fn on_request(&mut self, cx: &mut Context<String>, id: ConnId, request: &Request) -> Decision {
        if let Some(room) = cx.data(id) {
            request.resource().clone_into(room);
        }
        Decision::Accept(Acceptance::default())
    }

    fn on_open(&mut self, cx: &mut Context<String>, id: ConnId, _: &Agreement) {
        let Some(room) = cx.data(id).cloned() else { return };
        // Refused if a connection has subscribed to too many topics, which one room is not.
        if cx.subscribe(id, &room).is_ok() {
            cx.publish(To::topic(&room).except(id), Message::Text("somebody came in"));
            let others = cx.subscribers(&room) - 1;
            cx.send_text(id, &format!("{others} others are in {room}"));
        }
    }

    fn on_message(&mut self, cx: &mut Context<String>, id: ConnId, message: Message<'_>) {
        let Some(room) = cx.data(id).cloned() else { return };
        cx.publish(To::topic(&room).except(id), message);
    }

    fn on_close(&mut self, cx: &mut Context<String>, id: ConnId, _: &Ended) {
        // The data stay until this callback has returned; the subscription has ended automatically.
        let Some(room) = cx.data(id).cloned() else { return };
        cx.publish(&room, Message::Text("somebody left"));
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    let mut server = EventLoop::new()?;
    println!("ws://{}/ROOM", server.listen(address.parse()?)?);
    server.run(&mut Rooms)?;
    Ok(())
}
