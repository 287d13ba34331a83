use std::net::SocketAddr;

use bowsprit::event_loop::{ConnId, Context, EventLoop, Handler};
use bowsprit::handshake::{Agreement, ClientRequest};
use bowsprit::message::Message;

use crate::tally::{Done, Load, Tally};

struct Clients {
    load: Load,
    tally: Tally,
    open: Vec<ConnId>,
    done: Option<Done>,
}

impl Clients {
    fn send(&self, cx: &mut Context<usize>, id: ConnId) {
        for _ in 0..self.load.in_flight {
            cx.send(id, Message::Binary(&self.load.message));
        }
    }

    /// Few at a time: the server's backlog is bounded.
    fn connect(&self, cx: &mut Context<usize>) {
        let address = SocketAddr::from(([127, 0, 0, 1], self.load.port));
        let request = ClientRequest::new(&address.to_string(), "/").expect("a host");
        cx.connect(address, request).expect("a socket");
    }
}

impl Handler for Clients {
    type Data = usize;

    fn on_open(&mut self, cx: &mut Context<usize>, id: ConnId, _: &Agreement) {
        self.open.push(id);
        if self.open.len() < self.load.connections {
            return self.connect(cx);
        }
        for &id in &self.open {
            self.send(cx, id);
        }
    }

    fn on_message(&mut self, cx: &mut Context<usize>, id: ConnId, message: Message<'_>) {
        assert_eq!(message.len(), self.load.message.len());
        let come = cx.data(id).expect("it is open");
        *come += 1;
        if *come == self.load.in_flight {
            *come = 0;
            self.send(cx, id);
            self.done = self.tally.count(self.load.in_flight);
            if self.done.is_some() {
                cx.stop();
            }
        }
    }
}

pub fn run(load: Load, tally: Tally) -> Done {
    let mut event_loop = EventLoop::new().expect("a selector");
    let mut clients = Clients { load, tally, open: Vec::new(), done: None };
    clients.connect(event_loop.context());
    event_loop.run(&mut clients).expect("the loop runs");
    clients.done.expect("it was stopped once all was measured")
}
