//! The examiner examines its own house: every case against our own server and our own client, over sockets.
//! No exceptions list. Here a loaded machine may make an answer late, and so NON-STRICT; `lab_memory.rs` allows not even
//! that.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use bowsprit::blocking;
use bowsprit::client::ClientConfig;
use bowsprit::connection::Config;
use bowsprit::event_loop::{ConnId, Context, EventLoop, Handler, Settings};
use bowsprit::message::Message;
use bowsprit_lab::listener::{Exam, Listener, Next, Notice};
use bowsprit_lab::report::{Outcome, text};
use bowsprit_lab::runner::{self, Peer, Plan, Target};
use bowsprit_lab::{Effort, Level, Options, Selection, Subject};

struct Echo;

impl Handler for Echo {
    type Data = ();

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        cx.send(id, message);
    }
}

/// The defaults, and permessage-deflate on every message.
fn config() -> Arc<Config> {
    let mut config = Config::default();
    let mut deflate = bowsprit::extension::deflate::DeflateConfig::default();
    deflate.threshold = 0;
    config.deflate = Some(deflate);
    Arc::new(config)
}

/// Our server, on a thread that ends with the test.
fn serve() -> SocketAddr {
    let mut settings = Settings::default();
    settings.connection = config();
    let mut server = EventLoop::with_settings(settings).unwrap();
    let addr = server.listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    thread::spawn(move || server.run(&mut Echo));
    addr
}

#[test]
fn our_server_passes_every_case() {
    let addr = serve();
    let cases = Selection::default().choose(Subject::Server).unwrap();
    let target = Target::new(addr, &addr.to_string(), "/");
    let plan = Plan::new(target, cases, Options { effort: Effort::Quick, ..Options::default() }, 16);
    let mut denied = String::new();
    let mut played = 0;
    let peer = runner::run(&plan, &mut |record, aftermath| {
        played += 1;
        let outcome = Outcome { record, aftermath };
        if outcome.record.case.level <= Level::Should && !outcome.passed() {
            denied += &text::failure(&outcome, "");
        }
    });
    assert_eq!(peer.unwrap(), Peer::Alive);
    assert_eq!(played, plan.cases.len());
    assert!(denied.is_empty(), "{denied}");
}

/// Connects to this path and echoes whatever comes, until the end of the connection, however it ends.
fn echo_client(place: &str, path: &str) {
    let config = ClientConfig::new(&format!("ws://{place}{path}")).unwrap().connection(config());
    let Ok(mut client) = blocking::connect_with(&config) else { return };
    client.set_timeout(Some(Duration::from_secs(20)));
    while let Ok(Some(message)) = client.read() {
        let sent = match message {
            Message::Text(text) => {
                let text = text.to_owned();
                client.send(&*text)
            }
            Message::Binary(bytes) => {
                let bytes = bytes.to_vec();
                client.send(&*bytes)
            }
        };
        if sent.is_err() {
            // The rest of the closing handshake is still to be read.
            while let Ok(Some(_)) = client.read() {}
            return;
        }
    }
}

#[test]
fn our_client_passes_every_case() {
    let cases = Selection::default().choose(Subject::Client).unwrap();
    let count = cases.len();
    let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let place = listener.addr().to_string();
    let options = Options { effort: Effort::Quick, ..Options::default() };
    let exam = Exam { idle: Some(Duration::from_secs(30)), ..Exam::new(cases, options) };
    let next = Arc::new(AtomicUsize::new(1));
    for _ in 0..16 {
        let (next, place) = (Arc::clone(&next), place.clone());
        thread::spawn(move || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number > count {
                    return;
                }
                echo_client(&place, &format!("/runCase?case={number}&agent=bowsprit"));
            }
        });
    }
    let mut denied = String::new();
    let mut played = 0;
    let end = listener.run(&exam, &mut |notice| {
        if let Notice::Played(_, record) = notice {
            played += 1;
            let outcome = Outcome { record: *record, aftermath: None };
            if outcome.record.case.level <= Level::Should && !outcome.passed() {
                denied += &text::failure(&outcome, "");
            }
        }
        if played == count { Next::End } else { Next::Listen }
    });
    end.unwrap();
    assert_eq!(played, count);
    assert!(denied.is_empty(), "{denied}");
}
