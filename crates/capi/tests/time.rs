//! Deadlines, limits and memory, as C sees them, on a clock that the test advances.
//!
//! `misuse.c` has what C can get wrong, and every cut of the input.

#![allow(unsafe_code, reason = "calls what is made for C")]

use std::ffi::CStr;
use std::ptr;

use bowsprit_c::bow_error::*;
use bowsprit_c::bow_event_kind::*;
use bowsprit_c::*;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

struct Conn(*mut bow_conn);

/// A copy of an event.
#[derive(Debug, PartialEq)]
struct Said {
    kind: u32,
    error: u32,
    code: u32,
    text: String,
}

impl Conn {
    fn server(change: impl FnOnce(&mut bow_options)) -> Self {
        // SAFETY: everything pointed at is there; the size is that of the struct.
        unsafe {
            let mut options = std::mem::zeroed::<bow_options>();
            assert_eq!(bow_options_init(&mut options, size_of::<bow_options>()), BOW_OK);
            change(&mut options);
            let (mut config, mut conn) = (ptr::null_mut(), ptr::null_mut());
            assert_eq!(bow_config_new(&options, &mut config), BOW_OK);
            assert_eq!(bow_conn_server(config, 1000, &mut conn), BOW_OK);
            bow_config_free(config);
            Self(conn)
        }
    }

    fn client(resource: &CStr) -> Self {
        // SAFETY: everything pointed at is there; the size is that of the struct.
        unsafe {
            let (mut config, mut conn) = (ptr::null_mut(), ptr::null_mut());
            assert_eq!(bow_config_new(ptr::null(), &mut config), BOW_OK);
            let mut request = std::mem::zeroed::<bow_request>();
            request.size = size_of::<bow_request>();
            request.host = c"localhost".as_ptr();
            request.resource = resource.as_ptr();
            assert_eq!(bow_conn_client(config, &request, 1000, &mut conn), BOW_OK);
            bow_config_free(config);
            Self(conn)
        }
    }

    fn open(change: impl FnOnce(&mut bow_options)) -> Self {
        let mut conn = Self::server(change);
        assert_eq!(conn.next(REQUEST, 1000).kind, BOW_EVENT_REQUEST as u32);
        // SAFETY: a connection, and no acceptance.
        assert_eq!(unsafe { bow_conn_accept(conn.0, ptr::null(), 1000) }, BOW_OK);
        conn.written();
        conn
    }

    /// Returns the next event of a read at `now`, which it takes completely.
    fn next(&mut self, bytes: &[u8], now: u64) -> Said {
        let mut bytes = bytes.to_vec();
        let (mut input, mut len) = (bytes.as_mut_ptr(), bytes.len());
        // SAFETY: a connection, and an event of its size.
        unsafe {
            let mut event = std::mem::zeroed::<bow_event>();
            event.size = size_of::<bow_event>();
            assert_eq!(bow_conn_next(self.0, &mut input, &mut len, now, &mut event), BOW_OK);
            assert_eq!(len, 0);
            let text = if event.text.is_null() { c"" } else { CStr::from_ptr(event.text) };
            let text = text.to_str().unwrap().to_owned();
            Said { kind: event.kind, error: event.error, code: event.code, text }
        }
    }

    fn due(&self) -> u64 {
        // SAFETY: a connection.
        unsafe { bow_conn_next_timeout(self.0) }
    }

    fn step(&self) -> bow_step {
        // SAFETY: a connection.
        unsafe { bow_conn_step(self.0) }
    }

    fn held(&self) -> usize {
        // SAFETY: a connection.
        unsafe { bow_conn_held(self.0) }
    }

    /// Returns everything that was pending, and marks it as written.
    fn written(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            // SAFETY: a connection, and what it says is pending.
            unsafe {
                let pending = bow_conn_pending(self.0);
                if pending.len == 0 {
                    return all;
                }
                all.extend_from_slice(std::slice::from_raw_parts(pending.data.cast(), pending.len));
                assert_eq!(bow_conn_written(self.0, pending.len), BOW_OK);
            }
        }
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        // SAFETY: made above, and freed here alone.
        unsafe { bow_conn_free(self.0) }
    }
}

const QUIET: u32 = BOW_EVENT_NONE as u32;

fn failed(error: bow_error, code: u32, said: &Said) {
    assert_eq!((said.kind, said.error, said.code), (BOW_EVENT_FAILED as u32, error as u32, code), "{said:?}");
    assert!(!said.text.is_empty());
}

#[test]
fn a_handshake_takes_ten_seconds_at_most() {
    // Nothing came, so no answer is sent.
    let mut conn = Conn::server(|_| ());
    assert_eq!(conn.due(), 11_000);
    assert_eq!(conn.next(b"", 10_999).kind, QUIET);
    failed(BOW_PEER_HANDSHAKE_TIMEOUT, 0, &conn.next(b"", 11_000));
    assert_eq!((conn.step(), conn.due()), (bow_step::BOW_STEP_CLOSE, BOW_NEVER));

    // A client that sends slowly gains nothing by it, and gets an answer; then it has some time to read that.
    let mut conn = Conn::server(|_| ());
    for (at, byte) in REQUEST[..50].iter().enumerate() {
        assert_eq!(conn.next(&[*byte], 1000 + at as u64 * 100).kind, QUIET);
    }
    failed(BOW_PEER_HANDSHAKE_TIMEOUT, 408, &conn.next(b"", 11_000));
    assert!(conn.written().starts_with(b"HTTP/1.1 408 "));
    assert_eq!((conn.step(), conn.due()), (bow_step::BOW_STEP_SHUTDOWN, 16_000));
    assert_eq!(conn.next(b"", 16_000).kind, QUIET);
    assert_eq!(conn.step(), bow_step::BOW_STEP_CLOSE);

    // While the program decides, nothing is due, and the time it takes does not count against the client.
    let mut conn = Conn::server(|_| ());
    assert_eq!(conn.next(REQUEST, 2000).kind, BOW_EVENT_REQUEST as u32);
    assert_eq!(conn.due(), BOW_NEVER);
    assert_eq!(conn.next(b"", 1 << 40).kind, QUIET);

    let mut conn = Conn::client(c"/");
    assert!(conn.written().starts_with(b"GET / HTTP/1.1\r\nHost: localhost\r\n"));
    assert_eq!(conn.due(), 11_000);
    failed(BOW_PEER_HANDSHAKE_TIMEOUT, 0, &conn.next(b"HTTP/1.1 1", 11_000));
}

/// The part of a refusal that has come is reported if the rest does not come.
#[test]
fn a_refusal_without_an_end() {
    let mut conn = Conn::client(c"/");
    assert_eq!(conn.next(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\nfive", 2000).kind, QUIET);
    let said = conn.next(b"", 11_000);
    assert_eq!((said.kind, said.code), (BOW_EVENT_REFUSED as u32, 403));
    assert_eq!(said.text, "The server refuses the upgrade with status 403 Forbidden.");
    // SAFETY: a connection and a name.
    assert_eq!(unsafe { bow_conn_header(conn.0, c"content-length".as_ptr()) }.len, 2);
    assert_eq!(conn.step(), bow_step::BOW_STEP_CLOSE);
}

#[test]
fn a_silent_peer_is_pinged_and_then_dead() {
    let mut conn = Conn::open(|options| (options.ping_interval, options.pong_timeout) = (30_000, 20_000));
    assert_eq!(conn.due(), 31_000);
    assert_eq!(conn.next(b"", 31_000).kind, QUIET);
    assert_eq!(conn.written(), b"\x89\0");
    assert_eq!(conn.due(), 51_000);
    // Input that is ready counts although the time has come: it is read first.
    assert_eq!(conn.next(b"\x8a\x80\0\0\0\0", 51_000).kind, BOW_EVENT_PONG as u32);
    assert_eq!(conn.due(), 81_000);
    assert_eq!(conn.next(b"", 81_000).kind, QUIET);
    failed(BOW_PEER_DEAD, 1001, &conn.next(b"", 101_000));
    assert_eq!(conn.step(), bow_step::BOW_STEP_CLOSE);
}

#[test]
fn idle_and_stalled_peers_end() {
    let mut conn = Conn::open(|options| options.idle_timeout = 5000);
    failed(BOW_PEER_IDLE, 1001, &conn.next(b"", 6000));
    assert_eq!(conn.written(), b"\x88\x13\x03\xe9idle for too long");

    let mut conn = Conn::open(|_| ());
    assert_eq!(conn.due(), BOW_NEVER);
    assert_eq!(conn.next(b"\x01\x85\0\0\0\0he", 2000).kind, QUIET);
    assert_eq!(conn.due(), 32_000);
    assert_eq!(conn.next(b"l", 31_000).kind, QUIET);
    failed(BOW_PEER_STALLED, 1008, &conn.next(b"", 61_000));
}

#[test]
fn the_closing_handshake_takes_five_seconds_at_most() {
    let mut conn = Conn::open(|_| ());
    // SAFETY: a connection and a reason.
    assert_eq!(unsafe { bow_conn_close(conn.0, 1000, c"bye".as_ptr(), 3000) }, BOW_OK);
    assert_eq!((conn.due(), conn.step()), (8000, bow_step::BOW_STEP_TALK));
    failed(BOW_PEER_CLOSE_TIMEOUT, 0, &conn.next(b"", 8000));

    // If it has ended and the peer merely does not hang up, nothing has failed.
    let mut conn = Conn::open(|_| ());
    assert_eq!(conn.next(b"\x88\x82\0\0\0\0\x03\xe8", 3000).kind, BOW_EVENT_CLOSE as u32);
    assert_eq!((conn.due(), conn.step()), (8000, bow_step::BOW_STEP_SHUTDOWN));
    assert_eq!(conn.next(b"", 8000).kind, QUIET);
    assert_eq!(conn.step(), bow_step::BOW_STEP_CLOSE);
}

/// A clock that goes back stands still.
#[test]
fn time_that_goes_back_does_no_harm() {
    let mut conn = Conn::open(|options| options.idle_timeout = 5000);
    assert_eq!(conn.next(b"\x89\x80\0\0\0\0", 5000).kind, BOW_EVENT_PING as u32);
    assert_eq!(conn.next(b"", 0).kind, QUIET);
    assert_eq!(conn.due(), 10_000);
    failed(BOW_PEER_IDLE, 1001, &conn.next(b"", u64::MAX));
}

#[test]
fn a_promise_allocates_nothing() {
    let mut conn = Conn::open(|_| ());
    let empty = conn.held();
    assert!(empty < 2048, "{empty} bytes for a connection that is open");
    // 16 MiB are announced, one byte comes.
    assert_eq!(conn.next(b"\x82\xff\0\0\0\0\x01\0\0\0\0\0\0\0x", 2000).kind, QUIET);
    assert!(conn.held() < empty + 4096, "{} bytes for one", conn.held());
    // One byte more than allowed.
    let mut conn = Conn::open(|options| options.max_message = 10);
    failed(BOW_PEER_MESSAGE_TOO_LONG, 1009, &conn.next(b"\x82\x8b\0\0\0\0", 2000));
}

#[test]
fn a_peer_that_does_not_read_fills_a_queue_and_no_more() {
    let mut conn = Conn::open(|options| options.max_queued = 1000);
    let message = [0_u8; 400];
    // SAFETY: a connection and bytes.
    let send = || unsafe { bow_conn_send(conn.0, 2, message.as_ptr().cast(), message.len()) };
    assert_eq!([send(), send(), send(), send()], [BOW_OK, BOW_OK, BOW_OK, BOW_ERROR_QUEUE_FULL]);
    // SAFETY: a connection.
    assert_eq!(unsafe { bow_conn_queued(conn.0) }, 3 * 404);
    assert_eq!(conn.written().len(), 3 * 404);
}

#[test]
fn foreign_pages_are_turned_away() {
    let request = |origin: &str| {
        [&REQUEST[..REQUEST.len() - 2], format!("Origin: {origin}\r\n\r\n").as_bytes()].concat()
    };
    let mut conn = Conn::server(|_| ());
    failed(BOW_PEER_ORIGIN, 403, &conn.next(&request("https://evil.example"), 2000));
    assert!(conn.written().starts_with(b"HTTP/1.1 403 "));
    assert_eq!(conn.step(), bow_step::BOW_STEP_SHUTDOWN);
    let mut conn = Conn::server(|_| ());
    assert_eq!(conn.next(&request("http://localhost"), 2000).kind, BOW_EVENT_REQUEST as u32);
    let mut conn = Conn::server(|options| options.origins = bow_origins::BOW_ORIGINS_ANY as u32);
    assert_eq!(conn.next(&request("https://evil.example"), 2000).kind, BOW_EVENT_REQUEST as u32);
}

/// The data of an event may be sent to the same connection, also if it was put together inside.
#[test]
fn an_echo_of_what_came_in_pieces() {
    let mut conn = Conn::open(|_| ());
    assert_eq!(conn.next(b"\x01\x82\0\0\0\0he", 2000).kind, QUIET);
    let mut bytes = *b"\x80\x83\0\0\0\0llo";
    let (mut input, mut len) = (bytes.as_mut_ptr(), bytes.len());
    // SAFETY: a connection, and an event of its size.
    unsafe {
        let mut event = std::mem::zeroed::<bow_event>();
        event.size = size_of::<bow_event>();
        assert_eq!(bow_conn_next(conn.0, &mut input, &mut len, 2000, &mut event), BOW_OK);
        assert_eq!((event.kind, event.data_kind, event.len), (BOW_EVENT_MESSAGE as u32, 1, 5));
        assert_eq!(bow_conn_send(conn.0, event.data_kind, event.data.cast(), event.len), BOW_OK);
        assert_eq!(bow_conn_send(conn.0, event.data_kind, event.data.cast(), event.len), BOW_OK);
    }
    assert_eq!(conn.written(), b"\x81\x05hello\x81\x05hello");
}

/// Several connections share one encoded message.
#[test]
fn a_prepared_message_goes_to_many() {
    let mut conns: Vec<Conn> = (0..3).map(|_| Conn::open(|_| ())).collect();
    let text = "x".repeat(10_000);
    // SAFETY: bytes, connections, and a message that is freed once.
    unsafe {
        let mut news = ptr::null_mut();
        assert_eq!(bow_prepared_new(1, text.as_ptr().cast(), text.len(), &mut news), BOW_OK);
        for conn in &conns {
            assert_eq!(bow_conn_send_prepared(conn.0, news), BOW_OK);
        }
        bow_prepared_free(news);
    }
    for conn in &conns {
        assert!(conn.held() < 5000 + 2048, "a third of it, and itself: {}", conn.held());
    }
    for conn in &mut conns {
        assert_eq!(conn.written().len(), 4 + text.len());
    }
}
