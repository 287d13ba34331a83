//! The lab as a server of HTTP/2: our own client passes every case that is about frames, however they are cut.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use bowsprit::blocking;
use bowsprit::client::{ClientConfig, Http};
use bowsprit::connection::Config;
use bowsprit::message::Message;
use bowsprit_lab::http2::Cut;
use bowsprit_lab::listener::{Exam, Listener, Next, Notice};
use bowsprit_lab::report::{Outcome, text};
use bowsprit_lab::{Carrier, Effort, Level, Options, Record, Selection, Subject};

/// The defaults, and permessage-deflate on every message.
fn config() -> Arc<Config> {
    let mut config = Config::default();
    let mut deflate = bowsprit::extension::deflate::DeflateConfig::default();
    deflate.threshold = 0;
    config.deflate = Some(deflate);
    Arc::new(config)
}

/// Connects to this path and echoes whatever comes, until the end of the stream, however it ends.
fn echo_client(place: &str, path: &str) {
    let config_of = ClientConfig::new(&format!("ws://{place}{path}")).unwrap();
    let config = config_of.connection(config()).http(Http::Http2);
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

/// Plays these cases with whoever comes.
fn examine(selection: Selection, cut: Cut, come: impl FnOnce(SocketAddr, usize)) -> Vec<Record> {
    let carrier = Carrier::Http2(cut);
    let cases = Selection { carrier, ..selection }.choose(Subject::Client).unwrap();
    let count = cases.len();
    assert!(count > 0);
    let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    come(listener.addr(), count);
    let options = Options { effort: Effort::Quick, carrier, ..Options::default() };
    let exam = Exam { idle: Some(Duration::from_secs(30)), ..Exam::new(cases, options) };
    let mut played = Vec::new();
    let end = listener.run(&exam, &mut |notice| {
        if let Notice::Played(_, record) = notice {
            played.push(*record);
        }
        if played.len() == count { Next::End } else { Next::Listen }
    });
    end.unwrap();
    assert_eq!(played.len(), count);
    played
}

fn ours(addr: SocketAddr, count: usize) {
    let next = Arc::new(AtomicUsize::new(1));
    for _ in 0..16 {
        let next = Arc::clone(&next);
        thread::spawn(move || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number > count {
                    return;
                }
                echo_client(&addr.to_string(), &format!("/runCase?case={number}&agent=bowsprit"));
            }
        });
    }
}

fn denied(played: Vec<Record>) -> String {
    let outcomes = played.into_iter().map(|record| Outcome { record, aftermath: None });
    let denied = outcomes.filter(|outcome| outcome.record.case.level <= Level::Should && !outcome.passed());
    denied.map(|outcome| text::failure(&outcome, "")).collect()
}

#[test]
fn our_client_passes_every_case() {
    let denied = denied(examine(Selection::default(), Cut::Whole, ours));
    assert!(denied.is_empty(), "{denied}");
}

/// Heavy cases send much of what others send.
#[test]
fn it_does_so_whatever_the_cuts() {
    for cut in [Cut::Bytes, Cut::Padded, Cut::Empty, Cut::Window, Cut::Mixed] {
        let selection = Selection {
            patterns: ["1", "2", "5", "6.2", "7", "FRM", "PMD", "CLS"].map(str::to_owned).into(),
            without_tags: vec!["heavy".to_owned()],
            ..Selection::default()
        };
        let denied = denied(examine(selection, cut, ours));
        assert!(denied.is_empty(), "{cut}: {denied}");
    }
}
