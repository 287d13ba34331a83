//! The blocking client against servers that do what a test asks of them.
#![cfg(feature = "blocking")]

#[path = "support/port.rs"]
mod port;
#[path = "support/server.rs"]
mod server;

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use bowsprit::blocking::{self, Client, Error, NetStream};
use bowsprit::client::{
    ClientConfig, ConnectError, Loss, Phase, Proxy, ProxyError, ProxySettings, RedirectError, RedirectPolicy,
    Reply,
};
use bowsprit::close::{CloseCode, CloseReason};
use bowsprit::connection::{Config, Due, Event, SendError};
use bowsprit::handshake::ResponseError;
use bowsprit::message::Message;
use server::{accept, drain, header, open, read_head, serve};

const SECOND: Duration = Duration::from_secs(1);

fn config(address: impl std::fmt::Display) -> ClientConfig {
    ClientConfig::new(&format!("ws://{address}/")).unwrap()
}

/// A `Config` with what differs.
fn limits(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

/// Reads one masked frame with a payload of less than 126 bytes: opcode byte, key, payload unmasked.
fn read_frame(stream: &mut impl Read) -> (u8, [u8; 4], Vec<u8>) {
    let mut start = [0; 6];
    stream.read_exact(&mut start).unwrap();
    let [first, length, key @ ..] = start;
    assert!((0x80..0x80 + 126).contains(&length), "masked and short");
    let mut payload = vec![0; usize::from(length - 0x80)];
    stream.read_exact(&mut payload).unwrap();
    payload.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    (first, key, payload)
}

/// An echo server of one connection: answers the next frame with the same, a Close frame by the end.
fn echo(mut stream: TcpStream) {
    open(&mut stream, b"");
    loop {
        let (first, _, payload) = read_frame(&mut stream);
        let answer = [&[first, payload.len() as u8][..], &payload].concat();
        stream.write_all(&answer).unwrap();
        if first == 0x88 {
            return;
        }
    }
}

#[test]
fn send_read_close() {
    let (address, server) = serve(1, echo);
    let mut client = blocking::connect(&format!("ws://{address}/")).unwrap();
    assert_eq!(client.peer_addr(), Some(address));
    assert!(client.local_addr().is_some());
    client.send("hello").unwrap();
    assert_eq!(client.read().unwrap(), Some(Message::Text("hello")));
    client.send(&b"\0\xff"[..]).unwrap();
    assert_eq!(client.read().unwrap(), Some(Message::Binary(b"\0\xff")));
    client.send("").unwrap();
    assert_eq!(client.read().unwrap(), Some(Message::Text("")));
    let outcome = client.close(Some(CloseReason { code: CloseCode::NORMAL, reason: "bye" })).unwrap();
    assert!(outcome.is_clean());
    assert_eq!((outcome.code(), outcome.reason()), (CloseCode::NORMAL, "bye"));
    server.join().unwrap();
}

/// Messages that arrive whole, in pieces, in fragments around a Ping, and read straight to their own buffer.
#[test]
fn messages_are_borrowed_wherever_they_arrived() {
    let large: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
    let sent = large.clone();
    let (address, server) = serve(1, move |mut stream| {
        open(&mut stream, b"\x81\x03one\x81\x03two\x01\x02th\x89\x01!\x80\x03ree");
        for byte in b"\x81\x04four" {
            stream.write_all(&[*byte]).unwrap();
        }
        let mut frame = vec![0x82, 127];
        frame.extend_from_slice(&(sent.len() as u64).to_be_bytes());
        stream.write_all(&frame).unwrap();
        stream.write_all(&sent).unwrap();
        stream.write_all(b"\x81\x04last").unwrap();
        assert_eq!(read_frame(&mut stream).2, b"!");
        stream.write_all(b"\x88\x02\x03\xe9").unwrap();
        drain(&mut stream);
    });
    let mut client = blocking::connect(&format!("ws://{address}/")).unwrap();
    for text in ["one", "two", "three", "four"] {
        assert_eq!(client.read().unwrap(), Some(Message::Text(text)));
    }
    assert!(client.read().unwrap() == Some(Message::Binary(&large)));
    assert_eq!(client.read().unwrap(), Some(Message::Text("last")));
    // The server waits for us to end the connection, which is the wrong way round (§7.1.1): the close timeout ends it.
    assert_eq!(
        client.read_event().unwrap(),
        Some(Event::Close(Some(CloseReason { code: CloseCode::GOING_AWAY, reason: "" })))
    );
    drop(client);
    server.join().unwrap();
}

/// HSC-060, HSC-061: a response in any cut, with frames right behind it. HSC-006: each request has a key of its own.
#[test]
fn a_response_cut_at_each_byte() {
    let length = accept("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==").len() + 7;
    let mut cut = 0;
    let (address, server) = serve(length, move |mut stream| {
        cut += 1;
        let head = read_head(&mut stream);
        let answer = [&accept(&head)[..], b"\x81\x05Hello"].concat();
        let (front, back) = answer.split_at(cut);
        stream.write_all(front).unwrap();
        // Long enough for the client to wake up now and then; no test may depend on it.
        thread::sleep(Duration::from_micros(200));
        stream.write_all(back).unwrap();
        drain(&mut stream);
        header(&head, "sec-websocket-key").unwrap().to_owned()
    });
    for _ in 0..length {
        let mut client = blocking::connect(&format!("ws://{address}/")).unwrap();
        assert_eq!(client.read().unwrap(), Some(Message::Text("Hello")));
    }
    assert_eq!(server.join().unwrap().into_iter().collect::<HashSet<_>>().len(), length);
}

#[test]
fn interim_responses_come_first() {
    let (address, server) = serve(1, |mut stream| {
        let head = read_head(&mut stream);
        let interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
        stream.write_all(&[&interim[..], &accept(&head), b"\x88\x02\x03\xe8"].concat()).unwrap();
        assert_eq!(read_frame(&mut stream).0, 0x88);
    });
    let mut client = blocking::connect(&format!("ws://{address}/")).unwrap();
    assert!(matches!(client.read(), Ok(None)));
    assert!(client.outcome().is_clean());
    server.join().unwrap();
}

#[test]
fn refusals_show_their_status_and_body() {
    for (status, loss_is_fatal) in
        [(401, true), (407, true), (302, true), (403, true), (500, false), (503, false)]
    {
        let (address, server) = serve(1, move |mut stream| {
            read_head(&mut stream);
            let body = "because";
            let head = format!(
                "HTTP/1.1 {status} No\r\nRetry-After: 7\r\nLocation: /x\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all((head + body).as_bytes()).unwrap();
            drain(&mut stream);
        });
        let error = blocking::connect(&format!("ws://{address}/")).unwrap_err();
        let Error::Connect(ConnectError::Response(ResponseError::Refused(response))) = &error else {
            panic!("{error:?}")
        };
        assert_eq!((response.status(), response.body()), (status, &b"because"[..]));
        assert_eq!(error.loss().is_fatal(), loss_is_fatal, "{status}");
        assert_eq!(error.loss(), Loss::Refused(status, Some(7 * SECOND)));
        server.join().unwrap();
    }
}

/// A time to come back is one by the server's clock, where it tells that.
#[test]
fn retry_after_may_be_a_date() {
    for (date, at, expected) in [
        ("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "Sun, 06 Nov 1994 08:50:37 GMT", Some(60 * SECOND)),
        ("", "Sun, 06 Nov 1994 08:50:37 GMT", Some(Duration::ZERO)),
        ("", "whenever", None),
    ] {
        let (address, server) = serve(1, move |mut stream| {
            read_head(&mut stream);
            let head = format!("HTTP/1.1 503 No\r\n{date}Retry-After: {at}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            drain(&mut stream);
        });
        let error = blocking::connect(&format!("ws://{address}/")).unwrap_err();
        assert_eq!(error.loss(), Loss::Refused(503, expected));
        server.join().unwrap();
    }
}

#[test]
fn every_call_keeps_to_its_time() {
    let (address, server) = serve(1, |mut stream| {
        open(&mut stream, b"");
        assert_eq!(read_frame(&mut stream).2, b"still there?");
        stream.write_all(b"\x81\x03yes").unwrap();
        drain(&mut stream);
    });
    let mut client = blocking::connect(&format!("ws://{address}/")).unwrap();
    client.set_timeout(Some(Duration::from_millis(50)));
    let start = Instant::now();
    assert!(matches!(client.read(), Err(Error::Timeout)));
    assert!(start.elapsed() >= Duration::from_millis(50));
    client.set_timeout(Some(60 * SECOND));
    client.send("still there?").unwrap();
    assert_eq!(client.read().unwrap(), Some(Message::Text("yes")), "the connection is whole");
    drop(client);
    server.join().unwrap();
}

/// A peer that reads nothing: the call ends in time, and no message is cut.
#[test]
fn a_write_that_times_out_goes_on_later() {
    let (go, wait) = mpsc::channel::<()>();
    let (address, server) = serve(1, move |mut stream| {
        open(&mut stream, b"");
        wait.recv().unwrap();
        drain(&mut stream)
    });
    let mut client = blocking::connect(&format!("ws://{address}/")).unwrap();
    client.set_timeout(Some(Duration::from_millis(50)));
    let message = vec![0; 1 << 20];
    let mut sent = 0;
    let error = loop {
        match client.send(&message[..]) {
            Ok(()) => sent += 1,
            Err(Error::Timeout) => sent += 1, // it is queued
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Send(SendError::QueueFull)), "{error:?}");
    assert!(client.bytes_to_write() > 0);
    go.send(()).unwrap();
    client.set_timeout(Some(60 * SECOND));
    client.flush().unwrap();
    assert_eq!(client.bytes_to_write(), 0);
    drop(client);
    let bytes = server.join().unwrap().remove(0);
    assert_eq!(bytes.len(), sent * (message.len() + 14));
}

#[test]
fn a_server_that_never_answers_the_close() {
    let (address, server) = serve(1, |mut stream| {
        open(&mut stream, b"");
        drain(&mut stream).len()
    });
    let config =
        config(address).connection(limits(|config| config.close_timeout = Duration::from_millis(100)));
    let client = blocking::connect_with(&config).unwrap();
    let error = client.close(None).unwrap_err();
    assert!(matches!(error, Error::Due(Due::CloseTimeout)), "{error:?}");
    assert_eq!(server.join().unwrap(), [6]);
}

#[test]
fn ends_without_a_close_frame_and_broken_rules_are_told_apart() {
    let (address, server) = serve(2, {
        let mut number = 0;
        move |mut stream| {
            number += 1;
            if number == 1 {
                open(&mut stream, b"\x81\x05Hel");
                return Vec::new();
            }
            open(&mut stream, b"\x83\0");
            drain(&mut stream)
        }
    });
    let mut client = blocking::connect(&format!("ws://{address}/")).unwrap();
    assert!(matches!(client.read(), Err(Error::Eof)));
    assert_eq!(client.outcome().code(), CloseCode::ABNORMAL);
    assert!(matches!(client.read(), Ok(None)), "it is over, once");

    let mut client = blocking::connect(&format!("ws://{address}/")).unwrap();
    assert!(matches!(client.read(), Err(Error::Protocol(_))));
    drop(client);
    let said = server.join().unwrap().remove(1);
    assert_eq!(said[0], 0x88, "the server is told");
}

#[test]
fn pings_keep_the_connection_alive_and_tell_the_latency() {
    let (address, server) = serve(1, |mut stream| {
        open(&mut stream, b"");
        let (first, _, payload) = read_frame(&mut stream);
        assert_eq!((first, payload.as_slice()), (0x89, &b"mine"[..]));
        stream.write_all(b"\x8a\x04mine").unwrap();
        let (first, _, payload) = read_frame(&mut stream); // that of `ping_interval`
        assert_eq!((first, payload.as_slice()), (0x89, &b""[..]));
        stream.write_all(b"\x8a\0").unwrap();
        drain(&mut stream);
    });
    let limits = limits(|config| config.ping_interval = Some(Duration::from_millis(50)));
    let mut client = blocking::connect_with(&config(address).connection(limits)).unwrap();
    client.ping(b"mine").unwrap();
    assert_eq!(client.read_event().unwrap(), Some(Event::Pong(b"mine")));
    assert!(client.latency().last().is_some());
    assert_eq!(client.read_event().unwrap(), Some(Event::Pong(b"")));
    assert!(client.latency().smoothed().is_some());
    drop(client);
    server.join().unwrap();
}

#[test]
fn a_dead_peer_is_noticed() {
    let (address, server) = serve(1, |mut stream| {
        open(&mut stream, b"");
        assert_eq!(read_frame(&mut stream).0, 0x89);
        drain(&mut stream); // no answer
    });
    let limits = limits(|config| {
        config.ping_interval = Some(Duration::from_millis(50));
        config.pong_timeout = Duration::from_millis(100);
    });
    let mut client = blocking::connect_with(&config(address).connection(limits)).unwrap();
    let error = client.read().unwrap_err();
    assert!(matches!(error, Error::Due(Due::Dead)), "{error:?}");
    drop(client);
    server.join().unwrap();
}

/// A message that has begun, and Pings behind it: they are life, but not of the message.
#[test]
fn a_message_that_does_not_go_on_is_noticed() {
    let (address, server) = serve(1, |mut stream| {
        open(&mut stream, b"\x01\x03Hel");
        let mut closing = stream.try_clone().unwrap();
        let until_closed = thread::spawn(move || {
            loop {
                let (first, _, payload) = read_frame(&mut closing);
                if first != 0x8a {
                    return (first, payload);
                }
            }
        });
        while !until_closed.is_finished() {
            // Fails once the client has gone.
            let _ = stream.write_all(b"\x89\x00");
            thread::sleep(Duration::from_millis(5));
        }
        until_closed.join().unwrap()
    });
    let limits = limits(|config| {
        config.message_timeout = Some(Duration::from_millis(100));
        config.idle_timeout = None;
        config.ping_interval = None;
    });
    let mut client = blocking::connect_with(&config(address).connection(limits)).unwrap();
    let error = client.read().unwrap_err();
    assert!(matches!(error, Error::Due(Due::Stalled)), "{error:?}");
    drop(client);
    let told = server.join().unwrap();
    assert_eq!((told[0].0, &told[0].1[..2]), (0x88, &1008_u16.to_be_bytes()[..]));
}

/// A program that was elsewhere when a deadline came: what has come by then counts, the time that was ours does not.
#[test]
fn what_came_while_nobody_read_is_heard_before_a_deadline_counts() {
    const LIMIT: Duration = Duration::from_millis(50);
    for (name, change) in [
        ("message", (|config| config.message_timeout = Some(LIMIT)) as fn(&mut Config)),
        ("idle", |config| config.idle_timeout = Some(LIMIT)),
        ("pong", |config| (config.ping_interval, config.pong_timeout) = (Some(LIMIT / 5), LIMIT)),
    ] {
        let (go, wait) = mpsc::channel();
        let (say, said) = mpsc::channel();
        let (address, server) = serve(1, move |mut stream| {
            open(&mut stream, b"\x01\x03Hel");
            wait.recv().unwrap();
            stream.write_all(b"\x80\x02lo").unwrap();
            say.send(()).unwrap();
            drain(&mut stream);
        });
        let limits = limits(|config| {
            config.idle_timeout = None;
            config.ping_interval = None;
            change(config);
        });
        let mut client = blocking::connect_with(&config(address).connection(limits)).unwrap();
        client.set_timeout(Some(LIMIT / 3));
        assert!(matches!(client.read(), Err(Error::Timeout)), "{name}: half a message");
        go.send(()).unwrap();
        said.recv().unwrap();
        thread::sleep(2 * LIMIT); // elsewhere
        client.set_timeout(None);
        assert_eq!(client.read().unwrap(), Some(Message::Text("Hello")), "{name}");
        drop(client);
        server.join().unwrap();
    }
}

/// CVE-2025-10148: one mask for all frames lets a server have any bytes sent through a proxy.
#[test]
fn masks_never_repeat_a_pattern() {
    let (address, server) = serve(1, |mut stream| {
        open(&mut stream, b"");
        (0..1000).map(|_| read_frame(&mut stream).1).collect::<Vec<_>>()
    });
    let mut client = blocking::connect(&format!("ws://{address}/")).unwrap();
    for _ in 0..1000 {
        client.send("the same text").unwrap();
    }
    let keys = server.join().unwrap().remove(0);
    let distinct: HashSet<_> = keys.iter().collect();
    assert!(distinct.len() >= 999, "{} of 1000 keys differ", distinct.len());
    for place in 0..4 {
        let values: HashSet<_> = keys.iter().map(|key| key[place]).collect();
        assert!(values.len() > 200, "{} values of byte {place}", values.len());
        let steps: HashSet<_> =
            keys.windows(2).map(|pair| pair[1][place].wrapping_sub(pair[0][place])).collect();
        assert!(steps.len() > 200, "{} steps of byte {place}", steps.len());
    }
}

#[test]
fn the_mask_source_can_be_replaced() {
    struct Fixed;
    impl bowsprit::entropy::Entropy for Fixed {
        fn fill(&mut self, out: &mut [u8]) -> Result<(), bowsprit::entropy::EntropyError> {
            out.fill(0x55);
            Ok(())
        }
    }
    let (address, server) = serve(1, |mut stream| {
        open(&mut stream, b"");
        read_frame(&mut stream).1
    });
    let mut client = blocking::connect_with(&config(address).masks(|| Box::new(Fixed))).unwrap();
    client.send("x").unwrap();
    assert_eq!(server.join().unwrap(), [[0x55; 4]]);
}

#[test]
fn requests_say_what_was_asked() {
    let (address, server) = serve(1, |mut stream| open(&mut stream, b""));
    let url = format!("ws://user:p%40ss@{address}/a/b?c=d");
    let config = ClientConfig::new(&url).unwrap().origin("https://Example.com").unwrap();
    let config = config.subprotocol("chat").unwrap().subprotocol("v2").unwrap();
    let config = config.header("Cookie", "session=1f2e").unwrap();
    assert!(config.clone().header("X", "a\r\nb").is_err() && config.clone().header("Host", "b").is_err());
    blocking::connect_with(&config).unwrap();
    let head = server.join().unwrap().remove(0);
    assert!(head.starts_with("GET /a/b?c=d HTTP/1.1\r\n"), "{head}");
    for (name, value) in [
        ("host", address.to_string().as_str()),
        ("origin", "https://example.com"),
        ("sec-websocket-protocol", "chat, v2"),
        ("cookie", "session=1f2e"),
        ("authorization", "Basic dXNlcjpwQHNz"),
    ] {
        assert_eq!(header(&head, name), Some(value));
    }
}

// --- redirects -----------------------------------------------------------------------------------------------------

fn redirect(location: String) -> impl FnMut(TcpStream) -> String + Send {
    move |mut stream| {
        let head = read_head(&mut stream);
        let answer = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).unwrap();
        head
    }
}

#[test]
fn redirects_are_followed_where_asked_and_secrets_are_not_carried_over() {
    let (there, last) = serve(1, |mut stream| open(&mut stream, b""));
    let (here, first) = serve(2, redirect(format!("http://{there}/new?x")));
    let config = config(here).basic_auth("user", "pw").unwrap().header("Cookie", "a=b").unwrap();
    let refused = blocking::connect_with(&config).unwrap_err();
    assert!(
        matches!(refused, Error::Connect(ConnectError::Response(ResponseError::Refused(_)))),
        "off by default"
    );
    let client = blocking::connect_with(&config.redirects(RedirectPolicy::up_to(3))).unwrap();
    drop(client);
    let heads = first.join().unwrap();
    let followed = last.join().unwrap().remove(0);
    assert!(header(&heads[1], "authorization").is_some());
    assert!(followed.starts_with("GET /new?x HTTP/1.1\r\n"));
    assert_eq!(header(&followed, "host"), Some(there.to_string().as_str()));
    assert_eq!((header(&followed, "authorization"), header(&followed, "cookie")), (None, None));
    assert_ne!(header(&heads[1], "sec-websocket-key"), header(&followed, "sec-websocket-key"));
}

#[test]
fn a_redirect_loop_ends() {
    let (address, server) = serve(4, redirect("/again".to_owned()));
    let error = blocking::connect_with(&config(address).redirects(RedirectPolicy::up_to(3))).unwrap_err();
    let Error::Connect(error) = error else { panic!("{error:?}") };
    assert!(matches!(error.root(), ConnectError::Redirect(RedirectError::TooMany)), "{error:?}");
    let again = format!("ws://{address}/again");
    assert_eq!(
        error.to_string(),
        format!(
            "{again} (redirected from ws://{address}/, {again}, {again}): the server redirects too many times"
        )
    );
    server.join().unwrap();
}

// --- names, addresses, time ----------------------------------------------------------------------------------------

/// Answers with what it is given.
fn resolver(answer: Vec<std::net::SocketAddr>) -> impl Fn(&str, u16, Reply) + Send + Sync {
    move |_: &str, _: u16, reply: Reply| reply.send(Ok(answer.clone()))
}

#[test]
fn the_next_address_is_tried_when_one_refuses_or_says_nothing() {
    let (address, server) = serve(1, echo);
    // Nobody listens on the first; the second is full: two connections wait already.
    let refusing = port::reserved();
    let config = ClientConfig::new("ws://name.example/").unwrap().resolver(resolver(vec![refusing, address]));
    let client = blocking::connect_with(&config).unwrap();
    assert_eq!(client.peer_addr(), Some(address));
    client.close(None).unwrap();
    server.join().unwrap();

    let none = ClientConfig::new("ws://name.example/").unwrap().resolver(resolver(vec![]));
    assert!(matches!(blocking::connect_with(&none), Err(Error::Connect(ConnectError::NoAddress))));
    let all = ClientConfig::new("ws://name.example/").unwrap().resolver(resolver(vec![refusing]));
    assert!(matches!(blocking::connect_with(&all), Err(Error::Connect(ConnectError::Connect(_)))));
}

#[test]
fn nothing_takes_longer_than_it_may() {
    let short = Duration::from_millis(60);
    // A resolver that never answers; its reply is kept, as dropping it would be an answer.
    let kept = std::sync::Mutex::new(Vec::new());
    let never = move |_: &str, _: u16, reply: Reply| kept.lock().unwrap().push(reply);
    let config = ClientConfig::new("ws://name.example/").unwrap().resolver(never).connect_timeout(short);
    let error = blocking::connect_with(&config).unwrap_err();
    assert!(matches!(error, Error::Connect(ConnectError::Timeout(Phase::Resolve))), "{error:?}");

    // A server that says nothing, and one that says a byte now and then (HSC-062, HSC-063).
    for drip in [false, true] {
        let (address, server) = serve(1, move |mut stream| {
            let head = read_head(&mut stream);
            for byte in accept(&head).chunks(1) {
                thread::sleep(Duration::from_millis(10));
                if !drip || stream.write_all(byte).is_err() {
                    break;
                }
            }
            drain(&mut stream);
        });
        let config = ClientConfig::new(&format!("ws://{address}/")).unwrap().handshake_timeout(short);
        let error = blocking::connect_with(&config).unwrap_err();
        assert!(matches!(error, Error::Connect(ConnectError::Timeout(Phase::Response))), "{error:?}");
        server.join().unwrap();
    }
}

// --- proxies -------------------------------------------------------------------------------------------------------

fn through(proxy: &str) -> ClientConfig {
    let config = ClientConfig::new("ws://server.example:8080/").unwrap();
    config.proxies(ProxySettings::all(Proxy::parse(proxy).unwrap()))
}

fn tunnel_fault(answer: &'static [u8], patience: Duration) -> ConnectError {
    let (address, server) = serve(1, move |mut stream| {
        let head = read_head(&mut stream);
        stream.write_all(answer).unwrap();
        drain(&mut stream);
        head
    });
    let config = through(&format!("http://u:p@{address}")).connect_timeout(patience);
    let error = blocking::connect_with(&config).unwrap_err();
    let head = server.join().unwrap().remove(0);
    assert!(
        head.starts_with("CONNECT server.example:8080 HTTP/1.1\r\nHost: server.example:8080\r\n"),
        "{head}"
    );
    assert_eq!(header(&head, "proxy-authorization"), Some("Basic dTpw"));
    match error {
        Error::Connect(error) => error,
        error => panic!("{error:?}"),
    }
}

/// PXY-002, PXY-004: credentials are sent, once.
#[test]
fn a_proxy_that_refuses_or_talks_nonsense_or_nothing() {
    use ConnectError::{Proxy, Timeout};
    let answered = |answer| tunnel_fault(answer, 60 * SECOND);
    assert!(matches!(answered(b"HTTP/1.1 407 No\r\n\r\n"), Proxy(ProxyError::Authentication)));
    let refused = answered(b"HTTP/1.1 403 No\r\nContent-Length: 4\r\n\r\nbody");
    assert!(matches!(refused, Proxy(ProxyError::Status(403))));
    assert!(matches!(answered(b"HTTP/1.1 502 No\r\n\r\n"), Proxy(ProxyError::Status(502))));
    assert!(matches!(answered(b"SSH-2.0-OpenSSH_9\r\n"), Proxy(ProxyError::Head(_))));
    assert!(matches!(answered(b"HTTP/1.1 200 OK\r\n\r\nearly"), Proxy(ProxyError::EarlyBytes)));
    for unfinished in [&b"HTTP/1.1 200 OK\r\nX: y"[..], b""] {
        // Time enough to be connected in, on a machine that is busy.
        assert!(matches!(tunnel_fault(unfinished, 3 * SECOND), Timeout(Phase::Proxy)));
    }
}

/// PXY-001, PXY-003.
#[test]
fn a_slow_proxy_and_the_handshake_inside_its_tunnel() {
    let (address, server) = serve(1, |mut stream| {
        read_head(&mut stream);
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" {
            stream.write_all(&[*byte]).unwrap();
            thread::sleep(Duration::from_millis(1));
        }
        let head = read_head(&mut stream);
        stream.write_all(&accept(&head)).unwrap();
        head
    });
    blocking::connect_with(&through(&format!("http://{address}"))).unwrap();
    let head = server.join().unwrap().remove(0);
    assert_eq!(header(&head, "host"), Some("server.example:8080"));
    assert_eq!(header(&head, "proxy-authorization"), None);
}

// --- floods ---------------------------------------------------------------------------------------------------------

/// A server that says `what` again and again, as fast as it can, and reads nothing.
fn flooding(what: Vec<u8>) -> (std::net::SocketAddr, thread::JoinHandle<Vec<()>>) {
    serve(1, move |mut stream| {
        open(&mut stream, b"");
        let much = what.repeat(64 * 1024 / what.len());
        while stream.write_all(&much).is_ok() {}
    })
}

/// X3: whatever the server does, `close` returns in its time, and what is held meanwhile is bounded.
#[test]
fn a_flood_does_not_keep_close_from_ending() {
    let long_ping = [&b"\x89\x7d"[..], &[b'x'; 125]].concat();
    for what in [&b"\x89\0"[..], &long_ping, b"\x8a\0", b"\x81\x02hi", b"\x01\0\x80\0"] {
        let (address, server) = flooding(what.to_vec());
        let limits = limits(|config| {
            config.close_timeout = SECOND / 4;
            config.max_empty_fragments = u32::MAX;
        });
        let mut client = blocking::connect_with(&config(address).connection(limits)).unwrap();
        // Enough of it for our answers to fill the way to the server.
        for _ in 0..300_000 {
            assert!(client.read_event().unwrap().is_some());
        }
        assert!(client.bytes_to_write() <= 128 * 1024, "{}", client.bytes_to_write());
        // Its own time is what ends it; were it held up by the flood, it would not return.
        let error = client.close(None).unwrap_err();
        assert!(matches!(error, Error::Due(Due::CloseTimeout)), "{what:?}: {error:?}");
        server.join().unwrap();
    }
}

/// A server that takes nothing either does not hold `close` up.
#[test]
fn a_server_that_reads_nothing_does_not_keep_close_from_ending() {
    let (go, wait) = mpsc::channel::<()>();
    let (address, server) = serve(1, move |mut stream| {
        open(&mut stream, b"");
        let _ = wait.recv();
    });
    let limits = limits(|config| config.close_timeout = Duration::from_millis(300));
    let mut client = blocking::connect_with(&config(address).connection(limits)).unwrap();
    client.set_timeout(Some(Duration::from_millis(20)));
    let message = vec![0; 1 << 20];
    while !matches!(client.send(&message[..]), Err(Error::Send(SendError::QueueFull))) {}
    client.set_timeout(None);
    assert!(matches!(client.close(None), Err(Error::Due(Due::CloseTimeout))));
    go.send(()).unwrap();
    server.join().unwrap();
}

// --- two threads ---------------------------------------------------------------------------------------------------

#[test]
fn two_halves_on_two_threads() {
    let (address, server) = serve(1, |mut stream| {
        open(&mut stream, b"\x89\x04ping");
        let mut texts = 0;
        loop {
            let (first, _, payload) = read_frame(&mut stream);
            match first {
                0x8a => assert_eq!(payload, b"ping"),
                0x88 => {
                    stream.write_all(b"\x88\x02\x03\xe8").unwrap();
                    return texts;
                }
                _ => {
                    texts += 1;
                    stream.write_all(&[&[first, payload.len() as u8][..], &payload].concat()).unwrap();
                }
            }
        }
    });
    let client: Client<NetStream> = blocking::connect(&format!("ws://{address}/")).unwrap();
    let (mut reader, writer) = client.split().unwrap();
    let reading = thread::spawn(move || {
        let mut read = 0;
        while let Some(message) = reader.read().unwrap() {
            assert_eq!(message, Message::Text("to and fro"));
            read += 1;
        }
        assert!(reader.outcome().is_clean());
        read
    });
    let writing: Vec<_> = (0..3)
        .map(|_| {
            let writer = writer.clone();
            thread::spawn(move || (0..100).for_each(|_| writer.send("to and fro").unwrap()))
        })
        .collect();
    writing.into_iter().for_each(|thread| thread.join().unwrap());
    writer.close(Some(CloseReason { code: CloseCode::NORMAL, reason: "" })).unwrap();
    assert!(matches!(writer.send("late"), Err(Error::Send(SendError::Closing))));
    assert_eq!(server.join().unwrap(), [300]);
    // What came between our Close frame and the server's is read as well.
    assert_eq!(reading.join().unwrap(), 300);
}

/// A server that takes nothing must not keep the reader from reading.
#[test]
fn a_writer_that_waits_does_not_stop_the_reader() {
    let (address, server) = serve(1, |mut stream| {
        open(&mut stream, b"");
        thread::sleep(Duration::from_millis(100));
        stream.write_all(b"\x89\0\x81\x02hi").unwrap();
        thread::sleep(Duration::from_millis(100));
        drain(&mut stream)
    });
    let (mut reader, mut writer) = blocking::connect(&format!("ws://{address}/")).unwrap().split().unwrap();
    writer.set_timeout(Some(60 * SECOND));
    let writing = thread::spawn(move || {
        for _ in 0..16 {
            writer.send(&[7; 1 << 20][..]).unwrap();
        }
        writer.abort();
    });
    reader.set_timeout(Some(60 * SECOND));
    assert_eq!(reader.read().unwrap(), Some(Message::Text("hi")));
    writing.join().unwrap();
    let bytes = server.join().unwrap().remove(0);
    assert!(bytes.len() >= 16 << 20);
}

#[cfg(unix)]
#[test]
fn unix_domain_sockets() {
    use std::os::unix::net::UnixListener;
    let path = std::env::temp_dir().join(format!("bowsprit-blocking-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        open(&mut stream, b"\x81\x02hi")
    });
    let url = format!("ws+unix:{}:/chat", path.display());
    let mut client = blocking::connect(&url).unwrap();
    assert_eq!(client.read().unwrap(), Some(Message::Text("hi")));
    let head = server.join().unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(head.starts_with("GET /chat HTTP/1.1\r\nHost: localhost\r\n"), "{head}");
}
