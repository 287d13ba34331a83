//! Commands from other threads.

use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use bowsprit::close::{CloseCode, CloseReason};
use bowsprit::event_loop::{
    Engine, Group, ListenSocket, Loops, Remote, RemoteError, Settings, To, run_threads,
};
use bowsprit::frame::RawHeader;
use bowsprit::message::Message;
use mio::{Events, Poll, Token, Waker};

use super::support::{Client, Hooks, LONG, Server, ends, frame, report, wait};

#[test]
fn another_thread_sends_closes_and_runs() {
    let (open, opened) = report();
    let (close, ended) = ends();
    let server = Server::start(Settings::default(), Hooks { open, close, ..Hooks::default() });
    let mut client = server.connect();
    let id = wait(&opened);
    server.remote.send(id, Message::Text("one")).unwrap();
    server.remote.run(move |cx| assert!(cx.send_text(id, "two").is_queued())).unwrap();
    server.remote.publish(To::all(), Message::Text("three")).unwrap();
    server.remote.run(move |cx| assert_eq!(cx.subscribe(id, "news"), Ok(true))).unwrap();
    server.remote.publish("news", Message::Text("four")).unwrap();
    for expected in ["one", "two", "three", "four"] {
        assert_eq!(client.next_text(), expected);
    }
    server.remote.close(id, Some(CloseReason { code: CloseCode::NORMAL, reason: "" })).unwrap();
    assert_eq!(client.next_close(), 1000);
    client.close(1000);
    assert_eq!(wait(&ended), (id, "Closed 1000".into()));
    assert_eq!(server.remote.send(id, Message::Text("late")), Ok(()), "what becomes of it the loop knows");
}

#[test]
fn many_wakes_are_one_callback_and_none_is_lost() {
    let (wake, woken) = report();
    let server = Server::start(Settings::default(), Hooks { wake, ..Hooks::default() });
    for _ in 0..1000 {
        server.remote.wake().unwrap();
        if woken.recv_timeout(LONG).is_err() {
            panic!("a wake was lost");
        }
        while woken.try_recv().is_ok() {}
    }
}

#[test]
fn a_full_queue_is_a_result_and_a_gone_loop_another() {
    let settings = {
        let mut settings = Settings::default();
        settings.remote_commands = 10;
        settings.remote_bytes = 1000;
        settings
    };
    let server = Server::start(settings, Hooks::default());
    let gate = Arc::new(Barrier::new(2));
    let held = Arc::clone(&gate);
    let (sender, reached) = channel();
    server
        .remote
        .run(move |_| {
            sender.send(()).unwrap();
            held.wait();
        })
        .unwrap();
    wait(&reached); // the loop has emptied its queue and stands still
    for _ in 0..10 {
        server.remote.run(|_| {}).unwrap();
    }
    assert_eq!(server.remote.run(|_| {}), Err(RemoteError::Full));
    assert_eq!(server.remote.publish(To::all(), Message::Text("")), Err(RemoteError::Full));
    assert_eq!(server.remote.wake(), Ok(()), "it needs no place");
    gate.wait();
    server.wait_for_room();

    let (held, (sender, reached)) = (Arc::clone(&gate), channel());
    let hold = move |_: &mut _| {
        sender.send(()).unwrap();
        held.wait();
    };
    server.remote.run(hold).unwrap();
    wait(&reached);
    let large = "x".repeat(600);
    server.remote.publish(To::all(), Message::Text(&large)).unwrap();
    assert_eq!(server.remote.publish(To::all(), Message::Text(&large)), Err(RemoteError::Full));
    gate.wait();

    let remote = server.remote.clone();
    drop(server);
    assert_eq!(remote.wake(), Err(RemoteError::Gone));
    assert_eq!(remote.run(|_| {}), Err(RemoteError::Gone));
}

/// Two loops that flood each other would stand still for ever if a full queue made one wait.
#[test]
fn loops_that_flood_each_other_go_on() {
    fn flood(to: Remote<u32>, left: u32) -> impl FnOnce(&mut bowsprit::event_loop::Context<u32>) + Send {
        move |cx| {
            for _ in 0..100 {
                let _ = to.publish(To::all(), Message::Text("x"));
            }
            if left > 0 {
                let back = to.clone();
                let _ = to.run(flood(back, left - 1));
            }
            cx.set_timer(Duration::from_secs(100), 0);
        }
    }
    let mut settings = Settings::default();
    settings.remote_commands = 50;
    let (one, two) =
        (Server::start(settings.clone(), Hooks::default()), Server::start(settings, Hooks::default()));
    one.remote.run(flood(two.remote.clone(), 50)).unwrap();
    let _ = two.remote.run(flood(one.remote.clone(), 50));
    for server in [&one, &two] {
        // Full at times, but never stuck.
        server.wait_for_room();
    }
}

impl Server {
    fn wait_for_room(&self) {
        let (sender, answer) = channel::<()>();
        loop {
            let sender = sender.clone();
            match self.remote.run(move |_| sender.send(()).unwrap()) {
                Ok(()) => break wait(&answer),
                Err(error) => assert_eq!(error, RemoteError::Full),
            }
            thread::yield_now();
        }
    }
}

#[test]
fn a_remote_works_inside_a_foreign_poll_and_with_its_waker() {
    let mut poll = Poll::new().unwrap();
    let waker = Arc::new(Waker::new(poll.registry(), Token(7)).unwrap());
    let mut engine: Engine<u32> = Engine::new(Settings::default(), poll.registry(), 100..1000).unwrap();
    let remote = engine.remote_with(waker).unwrap();
    let (wake, woken) = report();
    let mut handler = Hooks { wake, ..Hooks::default() };
    let thread = thread::spawn(move || remote.wake().unwrap());
    let mut events = Events::with_capacity(8);
    while woken.try_recv().is_err() {
        poll.poll(&mut events, Some(LONG)).unwrap();
        assert!(!events.is_empty(), "the waker wakes");
        for event in &events {
            assert!(!engine.owns(event.token()));
        }
        engine.on_time(std::time::Instant::now(), &mut handler);
    }
    thread.join().unwrap();
    let other = Arc::new(Waker::new(Poll::new().unwrap().registry(), Token(0)).unwrap());
    assert!(engine.remote_with(other).is_err());
}

#[test]
fn threads_share_a_port_and_what_is_published_everywhere_reaches_all() {
    let (sender, started) = channel();
    let runner = thread::spawn(move || {
        let make = |_: usize, _: &Group<u32>| Hooks {
            open: Some(Box::new(|cx, id| assert_eq!(cx.subscribe(id, "all"), Ok(true)))),
            message: Some(Box::new(|cx, _, message| {
                assert_eq!(cx.publish(To::topic("all").everywhere(), message).behind, 0);
            })),
            ..Hooks::default()
        };
        let address = "127.0.0.1:0".parse().unwrap();
        run_threads(3, &Settings::default(), address, make, |address, group| {
            sender.send((address, group.clone())).unwrap();
        })
    });
    let (address, group) = wait(&started);
    let mut clients: Vec<Client> = (0..60).map(|_| Client::connect(address)).collect();
    let counts: Vec<u64> = group
        .remotes()
        .iter()
        .map(|remote| {
            let (sender, answer) = channel();
            remote.run(move |cx| sender.send(cx.stats().open).unwrap()).unwrap();
            wait(&answer)
        })
        .collect();
    assert_eq!(counts.iter().sum::<u64>(), 60);
    assert!(counts.iter().filter(|count| **count > 0).count() > 1, "the system shares them out: {counts:?}");
    clients[0].text("to everybody");
    for client in &mut clients {
        assert_eq!(client.next_text(), "to everybody");
    }
    assert_eq!(group.publish(To::all(), Message::Text("and again")), 0);
    for client in &mut clients {
        assert_eq!(client.next_text(), "and again");
    }
    let stats = group.stats();
    assert_eq!((stats.open, stats.messages_in, stats.messages_out), (60, 1, 120));
    // Each loop sees its own connections off, also those that take longer than the others.
    group.shutdown(Duration::from_secs(3600));
    for client in &mut clients {
        assert_eq!(client.next_close(), 1001);
    }
    for mut client in clients {
        client.close(1001);
        assert!(client.next().is_none());
    }
    runner.join().unwrap().unwrap();
    assert_eq!(group.publish(To::all(), Message::Text("nobody")), 3);
}

/// Of one listener that all loops share, whoever is free accepts; one may be left out of what goes everywhere.
#[test]
fn loops_share_a_listener_and_leave_the_sender_out() {
    let mut loops = Loops::<u32>::new(2, &Settings::default()).unwrap();
    let socket = ListenSocket::tcp("127.0.0.1:0".parse().unwrap(), &Settings::default()).unwrap();
    let address = socket.local_addr().unwrap();
    loops.listen_on(socket).unwrap();
    let own = loops.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let make = |_: usize, _: &Group<u32>| Hooks {
        open: Some(Box::new(|cx, id| assert_eq!(cx.subscribe(id, "all"), Ok(true)))),
        message: Some(Box::new(|cx, id, message| {
            let everywhere = match message {
                Message::Text("stop") => return cx.stop_everywhere(),
                Message::Text(_) => cx.publish(To::topic("all").except(id).everywhere(), message),
                Message::Binary(_) => cx.publish(To::all().except(id).everywhere(), message),
            };
            assert_eq!(everywhere.behind, 0);
        })),
        ..Hooks::default()
    };
    loops
        .run(make, |group| {
            let mut clients: Vec<Client> =
                (0..24).map(|at| Client::connect(if at % 2 == 0 { address } else { own })).collect();
            for opcode in [RawHeader::TEXT, RawHeader::BINARY] {
                clients[0].write(&frame(opcode, b"to the others"));
                for client in &mut clients[1..] {
                    let (header, payload) = client.next().unwrap();
                    assert_eq!((header.opcode, &payload[..]), (opcode.opcode, &b"to the others"[..]));
                }
            }
            assert_eq!(group.stats().messages_out, 2 * 23);
            clients[0].write(&frame(RawHeader::TEXT, b"stop"));
        })
        .unwrap();
}
