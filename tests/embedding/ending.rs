//! How connections and loops end.

use std::collections::BTreeSet;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use bowsprit::event_loop::{Sent, Settings};
use bowsprit::message::Message;

use super::support::{Client, Hooks, Server, ends, report, wait};

#[test]
fn a_shutdown_says_1001_drains_and_reports_who_was_cut() {
    let (open, opened) = report();
    let (close, ended) = ends();
    let (sender, reports) = channel();
    let hooks = Hooks {
        open,
        close,
        shutdown: Some(Box::new(move |_, report| sender.send(report.clone()).unwrap())),
        ..Hooks::default()
    };
    let server = Server::start(Settings::default(), hooks);
    let (mut polite, _rude) = (server.connect(), server.connect());
    let (first, second) = (wait(&opened), wait(&opened));
    let mut young = Client::tcp(server.address);
    young.write(b"GET / HTTP");
    server.wait_until(|cx| cx.stats().connections == 3);
    let start = Instant::now();
    server
        .remote
        .run(move |cx| {
            cx.send_text(first, "the last words");
            cx.shutdown(Duration::from_secs(3)); // enough for the polite one on a busy machine
            assert!(cx.is_shutting_down());
        })
        .unwrap();
    assert_eq!(polite.next_text(), "the last words");
    assert_eq!(polite.next_close(), 1001);
    assert!(young.head().starts_with("HTTP/1.1 503 "));
    assert!(std::net::TcpStream::connect(server.address).is_err(), "nobody listens any more");
    polite.close(1001);
    assert_eq!(wait(&ended), (first, "Closed 1001".into()));
    assert_eq!(wait(&ended), (second, "ShutDown 1006".into()));
    let report = wait(&reports);
    assert_eq!((report.closed, report.cut), (1, vec![second]));
    assert!(start.elapsed() >= Duration::from_secs(3));
    server.join();
}

#[test]
fn a_shutdown_ends_as_soon_as_everybody_is_gone() {
    let (sender, reports) = channel();
    let hooks = Hooks {
        shutdown: Some(Box::new(move |_, report| sender.send(report.clone()).unwrap())),
        ..Hooks::default()
    };
    let server = Server::start(Settings::default(), hooks);
    let mut clients: Vec<_> = (0..20).map(|_| server.connect()).collect();
    server.remote.run(|cx| cx.shutdown(Duration::from_secs(3600))).unwrap();
    for client in &mut clients {
        assert_eq!(client.next_close(), 1001);
        client.close(1001);
    }
    for client in clients {
        drop(client);
    }
    let report = wait(&reports);
    assert_eq!((report.closed, report.cut.len()), (20, 0));
    server.join();
}

/// A name of a connection that is gone names nobody, though its slot is used again.
#[test]
fn ids_of_used_slots_stay_different() {
    let (open, opened) = report();
    let (close, ended) = ends();
    let server = Server::start(Settings::default(), Hooks { open, close, ..Hooks::default() });
    let mut seen = BTreeSet::new();
    let mut old = None;
    for _ in 0..50 {
        let mut client = server.connect();
        let id = wait(&opened);
        assert!(seen.insert(id), "{id} names two connections");
        if let Some(old) = old {
            server.ask(move |cx| {
                assert_eq!(cx.send(old, Message::Text("x")), Sent::Closed);
                assert_eq!(cx.close(old, None), Sent::Closed);
                assert!(!cx.is_open(old) && cx.data(old).is_none() && cx.queued(old) == 0);
                cx.abort(old);
                cx.fail(old);
                cx.pause(old);
                cx.resume(old);
                cx.pause_until_drained(old, id);
                cx.set_max_lifetime(old, Some(Duration::ZERO));
                assert!(cx.subscribe(old, "x").is_err());
                *cx.data(id).unwrap() += 1;
            });
        }
        server.ask(move |cx| cx.send_text(id, "to the new one"));
        assert_eq!(client.next_text(), "to the new one");
        old = Some(id);
        drop(client);
        wait(&ended);
        server.wait_until(|cx| cx.stats().connections == 0);
    }
    let slots: BTreeSet<_> =
        seen.iter().map(|id| id.to_string().split('.').next().unwrap().to_owned()).collect();
    assert!(slots.len() < 10, "slots are used again: {slots:?}");
}

/// Many connections that vanish in one moment: each is told once, and the loop goes on.
#[test]
fn thousands_dropped_at_once() {
    let many: usize = if rlimit() >= 5000 { 2000 } else { 200 };
    let (close, ended) = ends();
    let server = Server::start(Settings::default(), Hooks { close, ..Hooks::echo() });
    let mut witness = server.connect();
    let clients: Vec<_> = (0..many).map(|_| server.connect()).collect();
    server.wait_until(move |cx| cx.stats().open as usize == many + 1);
    for (number, client) in clients.into_iter().enumerate() {
        if number % 2 == 0 { client.reset() } else { drop(client) }
    }
    let ids: BTreeSet<_> = (0..many).map(|_| wait(&ended).0).collect();
    assert_eq!(ids.len(), many);
    witness.text("x");
    assert_eq!(witness.next_text(), "x");
    server.wait_until(|cx| cx.stats().connections == 1);
    assert!(ended.try_recv().is_err(), "nobody is told twice");
}

/// Descriptors that this process may have.
fn rlimit() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    line.and_then(|line| line.split_whitespace().nth(3)?.parse().ok()).unwrap_or(256)
}
