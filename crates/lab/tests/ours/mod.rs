//! Our own server and client, as the lab examines them.

#![allow(dead_code, reason = "each test binary uses its part")]

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
use bowsprit_lab::Selection;

struct Echo;

impl Handler for Echo {
    type Data = ();

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        cx.send(id, message);
    }
}

/// Returns the defaults, with permessage-deflate on every message.
fn config() -> Arc<Config> {
    let mut config = Config::default();
    let mut deflate = bowsprit::extension::deflate::DeflateConfig::default();
    deflate.threshold = 0;
    config.deflate = Some(deflate);
    Arc::new(config)
}

/// Starts our server on a thread that ends with the test.
pub(crate) fn serve() -> SocketAddr {
    let mut settings = Settings::default();
    settings.connection = config();
    let mut server = EventLoop::with_settings(settings).unwrap();
    let addr = server.listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    thread::spawn(move || server.run(&mut Echo));
    addr
}

/// A change to our client's configuration for a case.
pub(crate) type Change = fn(ClientConfig) -> ClientConfig;

/// Connects to this path and echoes whatever comes, until the connection ends in any way.
pub(crate) fn echo_client(addr: SocketAddr, path: &str, change: Change) {
    let config = change(ClientConfig::new(&format!("ws://{addr}{path}")).unwrap().connection(config()));
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
            // The rest of the closing handshake still has to be read.
            while let Ok(Some(_)) = client.read() {}
            return;
        }
    }
}

/// Connects our client once for each of `count` cases, several at a time.
pub(crate) fn come(addr: SocketAddr, count: usize, change: Change) {
    let next = Arc::new(AtomicUsize::new(1));
    for _ in 0..16 {
        let next = Arc::clone(&next);
        thread::spawn(move || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number > count {
                    return;
                }
                echo_client(addr, &format!("/runCase?case={number}&agent=bowsprit"), change);
            }
        });
    }
}

/// Selects cases about frames that are neither long nor many: heavy ones send much of what others send.
pub(crate) fn light() -> Selection {
    Selection {
        patterns: ["1", "2", "5", "6.2", "7", "FRM", "PMD", "CLS"].map(str::to_owned).into(),
        without_tags: vec!["heavy".to_owned()],
        ..Selection::default()
    }
}
