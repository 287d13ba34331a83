//! What a handler is told, and what it can answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use bowsprit::connection::Delivery;
use bowsprit::event_loop::{AnswerError, ConnId, Context, Decision, Failed, Handler, Isolated, Settings};
use bowsprit::frame::RawHeader;
use bowsprit::handshake::{AcceptError, Acceptance, HeaderField, Refusal};
use bowsprit::message::Message;

use super::support::{Client, Hooks, REQUEST, Server, ends, frame, report, wait};

/// A server that answers no request at once, and what it was asked.
fn later(hooks: Hooks, settings: Settings) -> (Server, std::sync::mpsc::Receiver<ConnId>) {
    let (sender, asked) = channel();
    let request = Some(Box::new(move |cx: &mut Context<u32>, id, request: &_| {
        let _: &bowsprit::handshake::Request = request;
        assert_eq!(cx.accept(id, &Acceptance::default()), Err(AnswerError::NotWaiting), "not yet");
        sender.send(id).unwrap();
        Decision::Later
    }) as Box<_>);
    (Server::start(settings, Hooks { request, ..hooks }), asked)
}

#[test]
fn a_request_may_be_accepted_later() {
    let (server, asked) = later(Hooks::echo(), Settings::default());
    let mut client = Client::tcp(server.address);
    // Whoever is sure of the answer sends at once: it must not be lost.
    client.write(&[REQUEST, &frame(RawHeader::TEXT, b"early")].concat());
    let id = wait(&asked);
    server.ask(move |cx| {
        assert_eq!(cx.request(id).unwrap().resource(), "/chat");
        assert!(!cx.is_open(id));
        let unfit = Acceptance::default().with_subprotocol("none".to_owned());
        let error = AnswerError::Unfit(AcceptError::SubprotocolNotOffered("none".into()));
        assert_eq!(cx.accept(id, &unfit), Err(error));
        let cookie = HeaderField::new("Set-Cookie", "a=1").unwrap();
        let acceptance = Acceptance::default().with_header(cookie);
        assert_eq!(cx.accept(id, &acceptance), Ok(()));
        assert_eq!(cx.accept(id, &acceptance), Err(AnswerError::NotWaiting), "once");
    });
    client.text("late");
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("Set-Cookie: a=1"), "{head}");
    assert_eq!((client.next_text(), client.next_text()), ("early".into(), "late".into()));
}

#[test]
fn a_request_may_be_refused_later() {
    let (server, asked) = later(Hooks::default(), Settings::default());
    let mut client = Client::tcp(server.address);
    client.write(REQUEST);
    let id = wait(&asked);
    server.ask(move |cx| {
        assert_eq!(cx.refuse(id, Refusal::new(403).unwrap()), Ok(()));
        assert_eq!(cx.refuse(id, Refusal::new(404).unwrap()), Err(AnswerError::NotWaiting));
    });
    assert!(client.head().starts_with("HTTP/1.1 403 "));
    server.wait_until(|cx| cx.stats().failed.refused == 1);
}

#[test]
fn the_time_to_answer_is_bounded_and_a_client_may_give_up() {
    let hooks = || {
        let (sender, failed) = channel();
        let told = move |_: &mut Context<u32>, id, failed: &Failed| {
            sender.send((id, format!("{failed:?}"))).unwrap();
        };
        (Hooks { failed: Some(Box::new(told)), ..Hooks::default() }, failed)
    };
    let mut settings = Settings::default();
    settings.handshake_timeout = Duration::from_millis(300);
    let (bounded, failed) = hooks();
    let (server, asked) = later(bounded, settings);
    let mut client = Client::tcp(server.address);
    client.write(REQUEST);
    let id = wait(&asked);
    assert!(client.head().starts_with("HTTP/1.1 503 "));
    assert_eq!(wait(&failed), (id, format!("{:?}", Failed::Timeout)));

    // With time enough for the client to be the first who gives up.
    let (unhurried, failed) = hooks();
    let (server, asked) = later(unhurried, Settings::default());
    let mut client = Client::tcp(server.address);
    client.write(REQUEST);
    let id = wait(&asked);
    drop(client);
    assert_eq!(wait(&failed), (id, format!("{:?}", Failed::Eof)));
    server.ask(move |cx| assert_eq!(cx.accept(id, &Acceptance::default()), Err(AnswerError::NotWaiting)));
}

#[test]
fn a_pong_tells_the_round_trip_and_nobody_can_forge_it() {
    let (open, opened) = report();
    let (sender, pongs) = channel();
    let hooks = Hooks {
        open,
        pong: Some(Box::new(move |cx, id, payload| sender.send(cx.round_trip(id, payload)).unwrap())),
        ..Hooks::default()
    };
    let server = Server::start(Settings::default(), hooks);
    let mut client = server.connect();
    let id = wait(&opened);
    let start = std::time::Instant::now();
    server.ask(move |cx| assert!(cx.ping_timed(id).is_queued()));
    let (header, payload) = client.next().unwrap();
    assert_eq!(header.opcode, 0x9);
    client.write(&frame(RawHeader::PONG, &payload));
    let round_trip = wait(&pongs).expect("it is ours");
    assert!(round_trip <= start.elapsed());
    // A later time would make the peer look faster than it is.
    let mut forged = payload.clone();
    forged[0] ^= 1;
    for payload in [&forged[..], b"", &payload[..15], &[0; 16]] {
        client.write(&frame(RawHeader::PONG, payload));
        assert_eq!(wait(&pongs), None);
    }
}

#[test]
fn keep_alive_pings_can_be_measured() {
    let (sender, pongs) = channel();
    let mut settings = Settings::default();
    let mut config = bowsprit::connection::Config::default();
    config.ping_interval = Some(Duration::from_millis(100));
    settings.connection = config.into();
    let hooks = Hooks {
        pong: Some(Box::new(move |cx, id, payload| sender.send(cx.round_trip(id, payload)).unwrap())),
        ..Hooks::default()
    };
    let server = Server::start(settings, hooks);
    let mut client = server.connect();
    for _ in 0..2 {
        let (header, payload) = client.next().unwrap();
        assert_eq!(header.opcode, 0x9);
        client.write(&frame(RawHeader::PONG, &payload));
        assert!(wait(&pongs).is_some());
    }
}

struct Fragile;

impl Handler for Fragile {
    type Data = u32;

    fn on_request(
        &mut self,
        _: &mut Context<u32>,
        _: ConnId,
        request: &bowsprit::handshake::Request,
    ) -> Decision {
        assert!(request.origin().is_none(), "as the test wants it");
        Decision::Accept(Acceptance::default())
    }

    fn on_message(&mut self, cx: &mut Context<u32>, id: ConnId, message: Message<'_>) {
        assert!(message.as_bytes() != b"panic", "as the test wants it");
        cx.send(id, message);
    }

    fn on_close(&mut self, _: &mut Context<u32>, _: ConnId, _: &bowsprit::event_loop::Ended) {
        panic!("as the test wants it");
    }
}

#[test]
fn a_panic_ends_one_connection() {
    let server = Server::start(Settings::default(), Isolated(Fragile));
    let (mut good, mut bad) = (server.connect(), server.connect());
    bad.write(&[frame(RawHeader::TEXT, b"panic"), frame(RawHeader::TEXT, b"ignored")].concat());
    assert_eq!(bad.next_close(), 1011);
    assert!(bad.next().is_none());
    let mut refused = Client::tcp(server.address);
    let request = String::from_utf8(REQUEST.to_vec()).unwrap();
    refused.write(request.replace("Host:", "Origin: https://example.com\r\nHost:").as_bytes());
    assert!(refused.head().starts_with("HTTP/1.1 500 "));
    server.remote.run(|_| panic!("as the test wants it")).unwrap();
    good.text("still there");
    assert_eq!(good.next_text(), "still there");
}

#[test]
fn one_connection_may_have_settings_of_its_own() {
    let (sender, chunks) = channel();
    let (close, ended) = ends();
    let hooks = Hooks {
        open: Some(Box::new(|cx, id| {
            let mut config = (*cx.settings().connection).clone();
            config.delivery = Delivery::Frames;
            config.max_message = 10;
            if cx.connections().count() == 1 {
                cx.set_config(id, config.into());
            }
        })),
        chunk: Some(Box::new(move |_, id| sender.send(id).unwrap())),
        close,
        ..Hooks::echo()
    };
    let server = Server::start(Settings::default(), hooks);
    let (mut first, mut second) = (server.connect(), server.connect());
    second.text("whole");
    assert_eq!(second.next_text(), "whole");
    first.text("in chunks");
    let id = wait(&chunks);
    first.text("longer than ten bytes");
    assert_eq!(first.next_close(), 1009);
    assert_eq!(wait(&ended).0, id);
    second.text("longer than ten bytes");
    assert_eq!(second.next_text(), "longer than ten bytes");
}

#[test]
fn everything_is_counted() {
    let server = Server::start(Settings::default(), Hooks::echo());
    let mut client = server.connect();
    client.text("hello");
    client.next_text();
    client.close(1000);
    assert_eq!(client.next_close(), 1000);
    let mut other = server.connect();
    other.close(4000);
    other.next_close();
    let mut broken = Client::tcp(server.address);
    broken.write(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n");
    broken.head();
    let mut plain = Client::tcp(server.address);
    plain.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    plain.head();
    drop(Client::tcp(server.address));
    drop((client, other, broken, plain));
    server.wait_until(|cx| cx.stats().connections == 0 && cx.stats().failed.eof == 1);
    let stats = server.ask(|cx| cx.stats());
    assert_eq!((stats.accepted, stats.opened, stats.closed, stats.open), (5, 2, 2, 0));
    assert_eq!((stats.messages_in, stats.messages_out, stats.dropped, stats.queued), (1, 1, 0, 0));
    let failed = stats.failed;
    assert_eq!((failed.request, failed.refused, failed.eof, failed.sum()), (1, 1, 1, 3));
    assert_eq!(stats.close_codes.of(bowsprit::close::CloseCode::NORMAL), 1);
    assert!(stats.bytes_in > 2 * REQUEST.len() as u64 && stats.bytes_out > 200);
    assert!(stats.to_prometheus().contains("bowsprit_close_codes_total{code=\"4000-4999\"} 1\n"));
}

/// The busy loop and the bounded spin are the same loop.
#[test]
fn spinning_changes_nothing_but_the_time() {
    for spin in [Duration::from_micros(50), Duration::MAX] {
        let mut settings = Settings::default();
        settings.spin = spin;
        let (timer, came) = report();
        let server = Server::start(settings, Hooks { timer, ..Hooks::echo() });
        let mut client = server.connect();
        for _ in 0..100 {
            client.text("x");
            client.next_text();
        }
        server.ask(|cx| cx.set_timer(Duration::from_millis(1), 5));
        assert_eq!(wait(&came).tag, 5);
    }
}

/// `on_close` comes once and last, whatever a callback does to its own connection.
#[test]
fn connections_may_be_ended_inside_every_callback() {
    type End = fn(&mut Context<u32>, ConnId);
    const ENDS: [End; 3] = [
        |cx, id| _ = cx.close(id, None),
        |cx, id| cx.abort(id),
        |cx, id| {
            cx.fail(id);
            cx.abort(id);
            cx.close(id, None);
        },
    ];
    for end in ENDS {
        for callback in ["open", "message", "ping", "pong", "close", "timer", "drained", "task"] {
            let (close, ended) = ends();
            let mut close = close.unwrap();
            let is_over = std::sync::Arc::new(AtomicBool::new(false));
            let over = is_over.clone();
            let at = move |name| {
                let (over, here) = (is_over.clone(), name == callback);
                move |cx: &mut Context<u32>, id| {
                    assert!(!over.load(Ordering::Relaxed), "{callback}: {name} after close");
                    if here {
                        end(cx, id);
                    }
                }
            };
            let hooks = Hooks {
                open: Some(Box::new({
                    let at = at("open");
                    move |cx, id| {
                        at(cx, id);
                        cx.set_timer_for(id, Duration::from_millis(1), 0);
                    }
                })),
                message: Some(Box::new({
                    let at = at("message");
                    move |cx, id, message| {
                        at(cx, id);
                        cx.send(id, message);
                    }
                })),
                ping: Some(Box::new(at("ping"))),
                pong: Some(Box::new({
                    let at = at("pong");
                    move |cx, id, _| at(cx, id)
                })),
                drained: Some(Box::new(at("drained"))),
                timer: Some(Box::new({
                    let at = at("timer");
                    move |cx, timer| at(cx, timer.connection.unwrap())
                })),
                close: Some(Box::new(move |cx, id, ended| {
                    assert!(!over.swap(true, Ordering::Relaxed), "{callback}: closed twice");
                    if callback == "close" {
                        end(cx, id);
                    }
                    close(cx, id, ended);
                })),
                ..Hooks::default()
            };
            let mut settings = Settings::default();
            (settings.high_watermark, settings.low_watermark) = (1000, 500);
            let server = Server::start(settings, hooks);
            let mut client = Client::tcp(server.address);
            client.write(REQUEST);
            if !client.try_head().is_some_and(|head| head.starts_with("HTTP/1.1 101 ")) {
                assert_eq!(callback, "open", "what was not sent yet when it was aborted is lost");
                wait(&ended);
                continue;
            }
            let large = "x".repeat(2000);
            client.write(
                &[
                    frame(RawHeader::PING, b"?"),
                    frame(RawHeader::PONG, b"!"),
                    frame(RawHeader::TEXT, large.as_bytes()),
                ]
                .concat(),
            );
            if callback == "task" {
                server
                    .remote
                    .run(move |cx| {
                        let ids: Vec<_> = cx.connections().collect();
                        ids.into_iter().for_each(|id| end(cx, id));
                    })
                    .unwrap();
            } else if callback == "close" {
                client.write(&frame(RawHeader::CLOSE, b""));
            }
            while let Some((header, _)) = client.next() {
                if header.opcode == 0x8 {
                    client.close(1000);
                }
            }
            wait(&ended);
            drop(client);
            server.wait_until(|cx| cx.stats().connections == 0);
        }
    }
}
