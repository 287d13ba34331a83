//! The driver over streams in memory, with tokio's clock stopped: what takes a minute takes no time.

use std::sync::Arc;
use std::time::Duration;

use bowsprit::close::CloseCode;
use bowsprit::connection::{Config, Due};
use bowsprit::extension::deflate::DeflateConfig;
use bowsprit::handshake::{ClientRequest, OriginPolicy};
use bowsprit::message;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::{Instant, sleep};
use tokio_example::{Error, HandshakeError, Message, WebSocket, accept, connect};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

fn config(change: impl FnOnce(&mut Config)) -> Arc<Config> {
    let mut config = Config::default();
    change(&mut config);
    Arc::new(config)
}

fn compressing() -> Arc<Config> {
    config(|config| config.deflate = Some(DeflateConfig::default()))
}

/// Returns a server's connection, and its client's stream after the handshake.
async fn raw(room: usize, config: Arc<Config>) -> (WebSocket<DuplexStream>, DuplexStream) {
    let (ours, mut theirs) = duplex(room);
    let client = async move {
        theirs.write_all(REQUEST).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(theirs.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "));
        theirs
    };
    let origins = OriginPolicy::loopback();
    let (accepted, theirs) = tokio::join!(accept(ours, config, &origins), client);
    (accepted.unwrap().socket, theirs)
}

async fn echo(stream: DuplexStream, config: Arc<Config>) -> WebSocket<DuplexStream> {
    let mut socket = accept(stream, config, &OriginPolicy::loopback()).await.unwrap().socket;
    while let Some(message) = socket.recv().await.unwrap() {
        socket.send(message.as_ref()).await.unwrap();
    }
    socket
}

#[tokio::test(start_paused = true)]
async fn messages_go_around_compressed_through_a_narrow_pipe_and_the_end_is_clean() {
    let (ours, theirs) = duplex(100);
    let server = tokio::spawn(echo(ours, compressing()));
    let request = ClientRequest::new("localhost", "/chat").unwrap();
    let mut client = connect(theirs, request, compressing()).await.unwrap().socket;
    let long: String = (0..50_000).map(|number| number.to_string()).collect();
    for text in ["", "Hello", &long] {
        client.send(message::Message::Text(text)).await.unwrap();
        assert_eq!(client.recv().await.unwrap(), Some(Message::Text(text.to_owned())));
    }
    assert!(client.is_compressed());
    client.close(CloseCode::NORMAL, "done").unwrap();
    assert_eq!(client.recv().await.unwrap(), None);
    let server = server.await.unwrap();
    for outcome in [client.outcome(), server.outcome()] {
        assert!(outcome.is_clean() && outcome.code() == CloseCode::NORMAL, "{outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_is_told_to_the_peer_before_it_is_returned() {
    let (mut server, mut client) = raw(4096, config(|_| {})).await;
    client.write_all(b"\x81\x02hi").await.unwrap(); // §5.1: not masked
    let (error, said) = tokio::join!(server.recv(), async {
        let mut said = Vec::new();
        client.read_to_end(&mut said).await.unwrap();
        said
    });
    assert!(matches!(&error, Err(Error::Protocol(error)) if error.section().number == "5.1"), "{error:?}");
    assert_eq!(&said[..1], b"\x88");
    assert_eq!(said[2..4], 1002_u16.to_be_bytes());
}

#[tokio::test(start_paused = true)]
async fn an_end_without_a_close_frame_is_1006() {
    let (mut server, client) = raw(4096, config(|_| {})).await;
    drop(client);
    assert_eq!(server.recv().await.unwrap(), None);
    assert_eq!(server.outcome().code(), CloseCode(1006));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_gone_without_a_word_is_found_by_a_ping() {
    let pings = config(|config| {
        config.ping_interval = Some(Duration::from_secs(30));
        config.pong_timeout = Duration::from_secs(10);
    });
    let (mut server, mut client) = raw(4096, pings).await;
    let started = Instant::now();
    let error = server.recv().await;
    assert!(matches!(error, Err(Error::TimedOut(Due::Dead))), "{error:?}");
    assert!((40..42).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    assert_eq!(client.read_u8().await.unwrap(), 0x89, "a Ping came");
}

#[tokio::test(start_paused = true)]
async fn a_closing_handshake_that_is_not_answered_ends_in_time() {
    let (mut server, _client) = raw(4096, config(|_| {})).await;
    server.close(CloseCode::GOING_AWAY, "").unwrap();
    let error = server.recv().await;
    assert!(matches!(error, Err(Error::TimedOut(Due::CloseTimeout))), "{error:?}");
    assert!(matches!(server.send(message::Message::Text("")).await, Err(Error::Send(_))));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_slows_its_sender_down_and_one_that_does_not_read_ends_it() {
    let (mut server, mut client) = raw(1000, config(|_| {})).await;
    let bytes = vec![0; 100_000];
    let reading = tokio::spawn(async move {
        let mut left = 3 * bytes.len();
        while left > 0 {
            sleep(Duration::from_secs(20)).await; // slow, but not dead
            left -= client.read(&mut vec![0; 50_000.min(left)]).await.unwrap();
        }
        client
    });
    let started = Instant::now();
    let bytes = vec![0; 100_000];
    for _ in 0..3 {
        server.send(message::Message::Binary(&bytes)).await.unwrap();
    }
    assert!(started.elapsed() > Duration::from_secs(1000), "{:?}", started.elapsed());
    reading.abort();
    let (mut server, _client) = raw(1000, config(|_| {})).await;
    let error = server.send(message::Message::Binary(&bytes)).await;
    assert!(matches!(error, Err(Error::SlowReader)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_dropped_at_every_await_loses_nothing() {
    let (mut server, mut client) = raw(4096, config(|_| {})).await;
    // RFC 6455 §5.7: "Hello", masked; then a Ping, and "Hello" in two fragments.
    let mut bytes = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58".to_vec();
    bytes.extend(b"\x89\x80\0\0\0\0\x01\x83\0\0\0\0Hel\x80\x82\0\0\0\0lo");
    let mut got = Vec::new();
    for byte in bytes {
        client.write_all(&[byte]).await.unwrap();
        tokio::select! {
            message = server.recv() => got.push(message.unwrap().unwrap()),
            () = sleep(Duration::from_millis(1)) => {}
        }
    }
    assert_eq!(got, vec![Message::Text("Hello".to_owned()); 2]);
    let mut answer = [0; 2];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, *b"\x8a\0", "the Ping is answered");
}

#[tokio::test(start_paused = true)]
async fn what_comes_right_behind_the_request_is_not_lost() {
    let (ours, mut theirs) = duplex(4096);
    let bytes = [REQUEST, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"].concat();
    theirs.write_all(&bytes).await.unwrap();
    let mut socket = accept(ours, config(|_| {}), &OriginPolicy::loopback()).await.unwrap().socket;
    assert_eq!(socket.recv().await.unwrap(), Some(Message::Text("Hello".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_shake_hands_is_answered_or_given_up() {
    let refused = |request: &'static [u8]| async move {
        let (ours, mut theirs) = duplex(4096);
        theirs.write_all(request).await.unwrap();
        let origins = OriginPolicy::loopback();
        let (error, answer) = tokio::join!(accept(ours, config(|_| {}), &origins), async {
            let mut answer = Vec::new();
            let _ = tokio::time::timeout(Duration::from_secs(60), theirs.read_to_end(&mut answer)).await;
            String::from_utf8(answer).unwrap()
        });
        (error.err().unwrap(), answer)
    };
    let (error, answer) = refused(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(matches!(error, HandshakeError::Plain) && answer.starts_with("HTTP/1.1 426 "), "{answer}");
    let (error, answer) = refused(b"nonsense\r\n\r\n").await;
    assert!(matches!(error, HandshakeError::Request(_)) && answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let (error, answer) = refused(b"GET / HT").await;
    assert!(matches!(error, HandshakeError::TimedOut) && answer.is_empty(), "{answer}");
}
