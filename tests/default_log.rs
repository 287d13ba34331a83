//! For a program that overrides only the required callback, what it has forgotten is logged.
#![cfg(feature = "event-loop")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use bowsprit::client::{ClientConfig, RedirectPolicy};
use bowsprit::event_loop::{ClientState, ConnId, Context, EventLoop, Handler};
use bowsprit::message::Message;

/// Keeps what is logged. There is one for the whole program, so this file has one test.
struct Kept(Mutex<Vec<String>>);

static LOG: Kept = Kept(Mutex::new(Vec::new()));

impl log::Log for Kept {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.0.lock().unwrap().push(format!("{} {}", record.level(), record.args()));
    }

    fn flush(&self) {}
}

struct Mute;

impl Handler for Mute {
    type Data = ();

    fn on_message(&mut self, _: &mut Context<()>, _: ConnId, _: Message<'_>) {}
}

/// `open` cannot know that a redirect will lead to `wss`, for which there is no TLS.
#[test]
fn a_server_that_is_not_reached_is_logged_with_what_is_missing() {
    log::set_logger(&LOG).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        let answer = "HTTP/1.1 307 X\r\nLocation: wss://192.0.2.1/\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).unwrap();
    });
    let config = ClientConfig::new(&format!("ws://{address}/")).unwrap().redirects(RedirectPolicy::up_to(1));
    let mut event_loop = EventLoop::new().unwrap();
    let client = event_loop.context().open(config).unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while event_loop.context().client_state(client) != ClientState::Closed {
        event_loop.turn(&mut Mute, Some(Duration::from_secs(1))).unwrap();
        assert!(Instant::now() < until, "it does not end");
    }
    server.join().unwrap();
    let told = LOG.0.lock().unwrap().join("\n");
    assert!(told.contains("has not reached") && told.contains("ClientConfig::tls"), "{told}");
    assert!(told.contains("wss://192.0.2.1/") && told.starts_with("WARN "), "{told}");
}
