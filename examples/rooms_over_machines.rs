//! A chat with rooms over several machines: the path names the room, a Redis or NATS engine joins the processes, and
//! what one member says goes to all the others in the room, wherever they are connected.
//!
//! On each machine, with the address of the one engine:
//!
//! `cargo run --example rooms_over_machines --features backplane -- 0.0.0.0:9001 redis://127.0.0.1:6379/chat`
//!
//! then from several terminals `bowsprit connect ws://127.0.0.1:9001/kitchen`
//!
//! With `redis://127.0.0.1:6379/chat?streams` rooms have a history: each message comes with its position, and a member
//! that comes back, to any machine, as `ws://127.0.0.1:9001/kitchen?since=PLACE` gets what was said meanwhile.

use bowsprit::backplane::{BackplaneSettings, LinkEvent, Position};
use bowsprit::event_loop::{ConnId, Context, Decision, Ended, EventLoop, Handler, Replayed, To};
use bowsprit::handshake::{Acceptance, Agreement, Request};
use bowsprit::message::Message;

struct Rooms;

#[derive(Clone, Default)]
struct Member {
    room: String,
    /// The position up to which it has heard the room, if it was here before.
    since: Option<Position>,
}

/// Tells the others in the room of a member, here and elsewhere.
fn tell(cx: &mut Context<Member>, id: ConnId, text: &str) {
    let Some(Member { room, .. }) = cx.data(id).cloned() else { return };
    cx.publish(To::topic(&room).except(id).everywhere(), text);
}

impl Handler for Rooms {
    type Data = Member;

    fn on_request(&mut self, cx: &mut Context<Member>, id: ConnId, request: &Request) -> Decision {
        if let Some(member) = cx.data(id) {
            let (room, since) = request.resource().split_once("?since=").unwrap_or((request.resource(), ""));
            *member = Member { room: room.to_owned(), since: since.parse().ok() };
        }
        Decision::Accept(Acceptance::default())
    }

    fn on_open(&mut self, cx: &mut Context<Member>, id: ConnId, _: &Agreement) {
        let Some(Member { room, since }) = cx.data(id).cloned() else { return };
        // One or the other: with a history, or without one.
        if cx.replay(id, &room, since).is_err() && cx.subscribe(id, &room).is_ok() {
            tell(cx, id, "somebody came in");
            let others = cx.subscribers(&room) - 1;
            cx.send_text(id, &format!("you are in {room}, with {others} others on this machine"));
        }
    }

    fn on_message(&mut self, cx: &mut Context<Member>, id: ConnId, message: Message<'_>) {
        let Some(Member { room, .. }) = cx.data(id).cloned() else { return };
        cx.publish(To::topic(&room).except(id).everywhere(), message);
    }

    /// Sends a member what the history of the room has, and then what is new.
    fn on_replay(&mut self, cx: &mut Context<Member>, id: ConnId, _: &str, replayed: &Replayed<'_>) {
        let line = match replayed {
            Replayed::Message { at, message: Message::Text(text) } => format!("{at} {text}"),
            Replayed::Complete { at } => format!("{at} that is all that you missed"),
            Replayed::TooOld { at } => format!("{at} some of what you missed is no longer kept"),
            _ => return,
        };
        cx.send_text(id, &line);
    }

    fn on_close(&mut self, cx: &mut Context<Member>, id: ConnId, _: &Ended) {
        tell(cx, id, "somebody left");
    }

    /// The link to the engine, and what was lost on it. Members on the same machine notice neither.
    fn on_backplane(&mut self, cx: &mut Context<Member>, event: &LinkEvent) {
        println!("{event}");
        if let LinkEvent::Gap { topic: Some(room), lost, .. } = event {
            cx.publish(room, Message::Text(&format!("messages from another machine lost: {lost}")));
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
