//! Timers, lifetimes, and what silence costs.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bowsprit::connection::Config;
use bowsprit::event_loop::{Engine, Settings, Timer};
use bowsprit::message::Message;

use super::support::{Client, Hooks, Server, ends, report, wait};

const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn timers_come_in_order_repeat_and_can_be_cancelled() {
    let (timer, came) = report::<Timer>();
    let server = Server::start(Settings::default(), Hooks { timer, ..Hooks::default() });
    let start = Instant::now();
    let (every, never) = server.ask(|cx| {
        cx.set_timer(60 * MILLISECOND, 2);
        cx.set_timer(20 * MILLISECOND, 1);
        let never = cx.set_timer(40 * MILLISECOND, 9);
        assert!(cx.cancel_timer(never));
        assert!(!cx.cancel_timer(never));
        cx.set_timer(Duration::MAX, 10);
        (cx.set_timer_every(100 * MILLISECOND, 3), never)
    });
    for (tag, after) in [(1, 20), (2, 60), (3, 100), (3, 200)] {
        let timer = wait(&came);
        assert_eq!((timer.tag, timer.connection), (tag, None));
        assert!(start.elapsed() >= after * MILLISECOND, "not before its time");
        assert_ne!(timer.id, never);
    }
    assert!(server.ask(move |cx| cx.cancel_timer(every)));
    server.ask(|cx| cx.set_timer(150 * MILLISECOND, 4));
    assert_eq!(wait(&came).tag, 4, "the cancelled one does not come before it");
}

/// Two timers come due together, and the callback of the first cancels the second.
#[test]
fn a_timer_that_another_one_cancels_does_not_come() {
    let start = Instant::now();
    let poll = mio::Poll::new().unwrap();
    let mut engine: Engine<u32> =
        Engine::new_at(Settings::default(), poll.registry(), 0..200, start).unwrap();
    engine.set_time(start);
    let others = Arc::new(Mutex::new(Vec::new()));
    let (sender, came) = channel();
    let waiting = Arc::clone(&others);
    let mut handler = Hooks {
        timer: Some(Box::new(move |cx, timer| {
            let cancelled = waiting.lock().unwrap().drain(..).all(|id| cx.cancel_timer(id));
            sender.send((timer.tag, cancelled)).unwrap();
        })),
        ..Hooks::default()
    };
    let cx = engine.context();
    let set =
        [cx.set_timer(MILLISECOND, 1), cx.set_timer(MILLISECOND, 2), cx.set_timer_every(MILLISECOND, 3)];
    others.lock().unwrap().extend(&set[1..]);
    engine.on_time(start + 10 * MILLISECOND, &mut handler);
    engine.on_time(start + 20 * MILLISECOND, &mut handler);
    assert_eq!(came.try_iter().collect::<Vec<_>>(), [(1, true)], "the others were still to come, and do not");
}

#[test]
fn a_timer_of_a_connection_ends_with_it() {
    let (timer, came) = report::<Timer>();
    let (open, opened) = report();
    let (close, ended) = ends();
    let server = Server::start(Settings::default(), Hooks { timer, open, close, ..Hooks::default() });
    let (client, _other) = (server.connect(), server.connect());
    let (first, second) = (wait(&opened), wait(&opened));
    server.ask(move |cx| {
        cx.set_timer_for(first, 150 * MILLISECOND, 1);
        cx.set_timer_for(second, 200 * MILLISECOND, 2);
    });
    drop(client);
    wait(&ended);
    let timer = wait(&came);
    assert_eq!((timer.tag, timer.connection), (2, Some(second)));
}

#[test]
fn a_lifetime_ends_with_1001_and_may_differ() {
    let (open, opened) = report();
    let (close, ended) = ends();
    let mut settings = Settings::default();
    settings.max_lifetime = Some(300 * MILLISECOND);
    let mut open = open.unwrap();
    let mut is_first = true;
    // Before its life can be over, however busy the machine is.
    let differ = move |cx: &mut bowsprit::event_loop::Context<u32>, id| {
        if !std::mem::take(&mut is_first) {
            cx.set_max_lifetime(id, None);
        }
        open(cx, id);
    };
    let hooks = Hooks { open: Some(Box::new(differ)), close, ..Hooks::echo() };
    let server = Server::start(settings, hooks);
    let start = Instant::now();
    let (mut mortal, mut immortal) = (server.connect(), server.connect());
    let (first, _) = (wait(&opened), wait(&opened));
    // Being busy does not help.
    let close = loop {
        mortal.text("busy");
        let (header, payload) = mortal.next().expect("a frame");
        if header.opcode == 0x8 {
            break payload;
        }
    };
    assert_eq!(close[..2], 1001_u16.to_be_bytes());
    assert!(start.elapsed() >= 250 * MILLISECOND);
    mortal.close(1001);
    assert_eq!(wait(&ended), (first, "Closed 1001".into()));
    immortal.text("here");
    assert_eq!(immortal.next_text(), "here");
}

#[test]
fn silence_is_answered_and_a_paused_connection_is_not_silent() {
    let (sender, opened) = channel();
    let (close, ended) = ends();
    let mut config = Config::default();
    config.idle_timeout = Some(200 * MILLISECOND);
    let mut settings = Settings::default();
    settings.connection = config.into();
    // The first is paused before its silence can be long, however busy the machine is.
    let mut is_first = true;
    let open = move |cx: &mut bowsprit::event_loop::Context<u32>, id| {
        if std::mem::take(&mut is_first) {
            cx.pause(id);
        }
        sender.send(id).unwrap();
    };
    let server = Server::start(settings, Hooks { open: Some(Box::new(open)), close, ..Hooks::echo() });
    let mut paused = server.connect();
    let id = wait(&opened);
    let mut idle = server.connect();
    let other = wait(&opened);
    paused.text("waits");
    assert_eq!(idle.next_close(), 1001);
    assert_eq!(wait(&ended).0, other);
    server.ask(move |cx| {
        assert_eq!(cx.stats().messages_in, 0, "nothing is read");
        cx.resume(id);
    });
    assert_eq!(paused.next_text(), "waits");
}

/// §10.4: the time of a handshake counts from the moment TCP is there; bytes that trickle in change nothing.
#[test]
fn slow_handshakes_end_in_time_and_cost_others_nothing() {
    let mut settings = Settings::default();
    settings.handshake_timeout = 2000 * MILLISECOND;
    let server = Server::start(settings, Hooks::echo());
    let start = Instant::now();
    let mut quick = server.connect();
    let mut silent: Vec<_> = (0..50).map(|_| Client::tcp(server.address)).collect();
    let mut slow: Vec<_> = (0..50)
        .map(|_| {
            let mut client = Client::tcp(server.address);
            client.write(b"G"); // who has said nothing is told nothing
            client
        })
        .collect();
    for byte in b"ET / HTTP" {
        for client in &mut slow {
            // Fails once the server has had enough.
            let _ = std::io::Write::write_all(&mut client.stream, &[*byte]);
        }
        quick.text("x");
        quick.next_text();
    }
    for client in &mut slow {
        assert!(client.head().starts_with("HTTP/1.1 408 "));
    }
    for client in &mut silent {
        assert!(client.next().is_none());
    }
    assert!(start.elapsed() >= 1900 * MILLISECOND);
    server.wait_until(|cx| cx.stats().failed.timeout == 100);
    server.wait_until(|cx| cx.stats().connections <= 1 + 50);
}

/// A callback blocks the loop for longer than a peer may be silent, while more peers than an event queue holds speak.
#[test]
fn a_callback_that_blocks_is_not_the_silence_of_peers() {
    let needed = 2 * PEERS as u64 + 500;
    let limit = rlimit::increase_nofile_limit(needed).unwrap();
    assert!(limit >= needed, "{limit} descriptors");
    let mut config = Config::default();
    config.idle_timeout = Some(3000 * MILLISECOND);
    let config = Arc::new(config);
    let (sender, blocked) = channel();
    let (go_on, wait_for_all) = channel::<()>();
    let echo = move |cx: &mut bowsprit::event_loop::Context<u32>, id, message: Message<'_>| {
        match message {
            // From now on, as to open so many takes its time, too.
            Message::Text("here") => cx.set_config(id, Arc::clone(&config)),
            Message::Text("block") => {
                sender.send(()).unwrap();
                wait_for_all.recv().unwrap();
                std::thread::sleep(4500 * MILLISECOND);
            }
            _ => {}
        }
        cx.send(id, message);
    };
    let hooks = Hooks { message: Some(Box::new(echo)), ..Hooks::default() };
    let server = Server::start(Settings::default(), hooks);
    let mut clients: Vec<Client> = (0..PEERS).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.text("here");
    }
    clients[0].text("block");
    wait(&blocked);
    for client in &mut clients {
        client.text("last");
    }
    go_on.send(()).unwrap();
    // Whoever was ended for its silence would not get this; nor is a Close frame a text.
    for client in &mut clients {
        while client.next_text() != "last" {}
    }
}

const PEERS: usize = 1200;
