//! The examiner examines its own house: every case against our own server, over sockets. No exceptions list.

#![cfg(all(feature = "lab", feature = "event-loop"))]

use std::net::SocketAddr;
use std::thread;

use bowsprit::event_loop::{ConnId, Context, EventLoop, Handler};
use bowsprit::lab::report::{Deny, Outcome};
use bowsprit::lab::runner::{self, Peer, Plan, Target};
use bowsprit::lab::{Effort, Options, Selection, Subject, explain};
use bowsprit::message::Message;

struct Echo;

impl Handler for Echo {
    type Data = ();

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        cx.send(id, message);
    }
}

/// Our server, on a thread that ends with the test.
fn serve() -> SocketAddr {
    let mut server = EventLoop::new().unwrap();
    let addr = server.listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    thread::spawn(move || server.run(&mut Echo));
    addr
}

#[test]
fn our_server_passes_every_case() {
    let addr = serve();
    let cases = Selection::default().choose(Subject::Server).unwrap();
    let plan = Plan {
        target: Target { addr, host: addr.to_string(), path: "/".to_owned() },
        cases,
        options: Options { effort: Effort::Quick, ..Options::default() },
        jobs: 16,
    };
    let mut denied = String::new();
    let mut played = 0;
    let peer = runner::run(&plan, &mut |record, aftermath| {
        played += 1;
        let outcome = Outcome { record, aftermath };
        if outcome.denied(Deny::Should) {
            denied += &explain::failure(&outcome.record, "");
        }
    });
    assert_eq!(peer.unwrap(), Peer::Alive);
    assert_eq!(played, plan.cases.len());
    assert!(denied.is_empty(), "{denied}");
}
