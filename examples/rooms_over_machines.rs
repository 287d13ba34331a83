//! A chat with rooms over several machines: the path names the room, a Redis or a NATS joins the processes, and what one
//! member says goes to all the others in the room, wherever they are connected.
//!
//! On each machine, with the address of the one engine:
//!
//! `cargo run --example rooms_over_machines --features backplane -- 0.0.0.0:9001 redis://127.0.0.1:6379/chat`
//!
//! then from several terminals `bowsprit connect ws://127.0.0.1:9001/kitchen`

use bowsprit::backplane::{BackplaneSettings, LinkEvent};
use bowsprit::event_loop::{ConnId, Context, Decision, Ended, EventLoop, Handler, To};
use bowsprit::handshake::{Acceptance, Agreement, Request};
use bowsprit::message::Message;

struct Rooms;

/// Tells the others in the room of a member, here and elsewhere.
fn tell(cx: &mut Context<String>, id: ConnId, text: &str) {
    let Some(room) = cx.data(id).cloned() else { return };
    cx.publish(To::topic(&room).except(id).everywhere(), text);
}

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
        // Refused where a connection is on too many topics already, which one room is not.
        if cx.subscribe(id, &room).is_ok() {
            tell(cx, id, "somebody came in");
            let others = cx.subscribers(&room) - 1;
            cx.send_text(id, &format!("you are in {room}, with {others} others on this machine"));
        }
    }

    fn on_message(&mut self, cx: &mut Context<String>, id: ConnId, message: Message<'_>) {
        let Some(room) = cx.data(id).cloned() else { return };
        cx.publish(To::topic(&room).except(id).everywhere(), message);
    }

    fn on_close(&mut self, cx: &mut Context<String>, id: ConnId, _: &Ended) {
        tell(cx, id, "somebody left");
    }

    /// The link to the engine, and what was lost on it. Members on the same machine notice nothing of either.
    fn on_backplane(&mut self, cx: &mut Context<String>, event: &LinkEvent) {
        println!("{event}");
        if let LinkEvent::Gap { topic: Some(room), lost, .. } = event {
            cx.publish(room, Message::Text(&format!("{lost} messages from another machine were lost")));
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:9001".into());
    let engine = args.next().unwrap_or_else(|| "redis://127.0.0.1:6379/chat".into());
    let mut server = EventLoop::new()?;
    println!("ws://{}/ROOM", server.listen(address.parse()?)?);
    server.engine().join_backplane(&engine, BackplaneSettings::default())?;
    server.run(&mut Rooms)?;
    Ok(())
}
