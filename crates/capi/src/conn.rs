//! Connections, as C sees them.

#![allow(unsafe_code, reason = "exports symbols")]

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use bowsprit::close::{CloseCode, CloseReason};
use bowsprit::extension::Compression;
use bowsprit::frame::DataKind;

use crate::clock::BOW_NEVER;
use crate::config::bow_config;
use crate::error::bow_error;
use crate::error::bow_error::*;
use crate::event::{bow_event, bow_outcome, bow_slice, bow_step};
use crate::guard::{Guarded, catch};
use crate::opening::{
    acceptance, bow_acceptance, bow_refusal, bow_request, bow_request_view, client_request, refusal,
};
use crate::pointers::{bytes, bytes_mut, check_versioned, hand_over, list, take_back, text, write_versioned};
use crate::prepared::{bow_prepared, message};
use crate::session::Session;

/// A connection in either role, from its first byte on: the handshake, then frames. One thread at a time may use it.
pub struct bow_conn {
    session: Guarded<Session>,
}

/// Whether a message is sent compressed, if that was agreed. A secret should not be compressed together with data that
/// an attacker chooses: the length would reveal what they have in common (RFC 7692 §8).
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum bow_compression {
    /// Yes, if it is at least as long as `deflate_threshold` and becomes shorter.
    BOW_COMPRESS_AUTO = 0,
    /// Yes, even if it becomes longer.
    BOW_COMPRESS_ON = 1,
    /// No.
    BOW_COMPRESS_OFF = 2,
}

/// Makes a server's connection that was accepted at `now`. Free it with `bow_conn_free`.
///
/// Errors: `BOW_ERROR_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_server(
    config: *const bow_config,
    now: u64,
    conn: *mut *mut bow_conn,
) -> bow_error {
    catch(|| {
        // SAFETY: both pointers are NULL or valid.
        unsafe {
            hand_over(conn, || {
                let settings = Arc::clone(&config.as_ref().ok_or(BOW_ERROR_NULL)?.settings);
                Ok(bow_conn { session: Guarded::new(Session::server(settings, now)) })
            })
        }
    })
}

/// Makes a client's connection over a transport that is established; the request is pending. Mask keys and the nonce
/// come from the operating system. Free it with `bow_conn_free`.
///
/// Errors: `BOW_ERROR_NULL`, `BOW_ERROR_SIZE`, `BOW_ERROR_NOT_UTF8`, `BOW_ERROR_HOST`, `BOW_ERROR_RESOURCE`,
/// `BOW_ERROR_ORIGIN`, `BOW_ERROR_SUBPROTOCOL`, `BOW_ERROR_HEADER`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_client(
    config: *const bow_config,
    request: *const bow_request,
    now: u64,
    conn: *mut *mut bow_conn,
) -> bow_error {
    catch(|| {
        // SAFETY: each pointer is NULL or valid.
        unsafe {
            hand_over(conn, || {
                let settings = Arc::clone(&config.as_ref().ok_or(BOW_ERROR_NULL)?.settings);
                let request = client_request(request)?;
                Ok(bow_conn { session: Guarded::new(Session::client(settings, request, now)?) })
            })
        }
    })
}

/// Frees a connection; does nothing for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_free(conn: *mut bow_conn) {
    // SAFETY: NULL, or made by one of the two above and not freed yet.
    unsafe { take_back(conn) }
}

/// Takes the next event from the front of the input, which was read at `now`, and makes `*input` and `*len` the rest.
/// The bytes are changed in place (unmasked). Call it until the event is `BOW_EVENT_NONE`: then everything is taken,
/// and the input is not needed any more. Only while a request waits for its answer is input left; pass it again
/// afterwards.
///
/// Once nothing is left, it also does what is due by `now`, so call it with `*len` 0 when the time of
/// `bow_conn_next_timeout` has come. `*input` may be NULL then, but `input` and `len` themselves must not be.
///
/// Errors: `BOW_ERROR_NULL`, `BOW_ERROR_SIZE`, `BOW_ERROR_ARGUMENT` for an impossible length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_next(
    conn: *mut bow_conn,
    input: *mut *mut u8,
    len: *mut usize,
    now: u64,
    event: *mut bow_event,
) -> bow_error {
    // SAFETY: each pointer is NULL or valid.
    unsafe {
        with(conn, |session| {
            check_versioned(event)?;
            let (input, len) = (input.as_mut().ok_or(BOW_ERROR_NULL)?, len.as_mut().ok_or(BOW_ERROR_NULL)?);
            let mut rest = bytes_mut(*input, *len)?;
            let happened = session.next(&mut rest, now);
            let taken = *len - rest.len();
            if taken > 0 {
                (*input, *len) = (input.add(taken), rest.len());
            }
            write_versioned(event, &happened)
        })
    }
}

/// Tells the connection that the peer has ended its direction of the transport (`read` gave 0, or failed), after
/// `bow_conn_next` has taken everything that was read before. The event is `BOW_EVENT_NONE` if nothing was missing;
/// `BOW_EVENT_FAILED` if a Close frame or a request was missing (`BOW_PEER_GONE`), or a response (`BOW_PEER_RESPONSE`);
/// `BOW_EVENT_REFUSED` at a client whose server ends its refusal like this. The step is `BOW_STEP_CLOSE` afterwards.
///
/// Errors: `BOW_ERROR_NULL`, `BOW_ERROR_SIZE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_eof(conn: *mut bow_conn, event: *mut bow_event) -> bow_error {
    // SAFETY: each pointer is NULL or valid.
    unsafe {
        with(conn, |session| {
            check_versioned(event)?;
            write_versioned(event, &session.eof())
        })
    }
}

/// Returns the request that waits for an answer; NULL if none waits. It is valid until that request is answered.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_request(conn: *const bow_conn) -> *const bow_request_view {
    // SAFETY: NULL, or a connection.
    unsafe {
        ask(conn, std::ptr::null(), |session| session.request().map_or(std::ptr::null(), std::ptr::from_ref))
    }
}

/// Returns the value of the peer's first header field with this name, ignoring case: of a request until it is answered,
/// of a response (`BOW_EVENT_OPEN`, `BOW_EVENT_REFUSED`) until the next call of `bow_conn_next`. A value holds no
/// control characters but tabs; it need not be UTF-8. NULL if there is no such field.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_header(conn: *const bow_conn, name: *const c_char) -> bow_slice {
    // SAFETY: each pointer is NULL or valid.
    unsafe {
        ask(conn, bow_slice::NONE, |session| match text(name) {
            Ok(Some(name)) => session.header(name),
            _ => bow_slice::NONE,
        })
    }
}

/// Gets the name and the value of the header field with this number, counted from 0 in the order in which the fields
/// came. Both are NULL if there is no field with this number. They are valid as long as those of `bow_conn_header`.
///
/// Errors: `BOW_ERROR_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_header_at(
    conn: *const bow_conn,
    at: usize,
    name: *mut bow_slice,
    value: *mut bow_slice,
) -> bow_error {
    // SAFETY: each pointer is NULL or valid.
    unsafe {
        let found = ask(conn, None, |session| session.header_at(at));
        let (Some(_), Some(to_name), Some(to_value)) = (conn.as_ref(), name.as_mut(), value.as_mut()) else {
            return BOW_ERROR_NULL;
        };
        (*to_name, *to_value) = found.unwrap_or((bow_slice::NONE, bow_slice::NONE));
        BOW_OK
    }
}

/// Returns the first of `supported` that the request offers, so the server's order of preference decides; NULL if it
/// offers none of them. The result is one of the pointers in `supported`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_choose_subprotocol(
    conn: *const bow_conn,
    supported: *const *const c_char,
    count: usize,
) -> *const c_char {
    // SAFETY: each pointer is NULL or valid.
    unsafe {
        ask(conn, std::ptr::null(), |session| {
            let supported = list(supported, count).unwrap_or(&[]).iter().copied();
            let mut offered =
                supported.filter(|&name| matches!(text(name), Ok(Some(name)) if session.offers(name)));
            offered.next().unwrap_or(std::ptr::null())
        })
    }
}

/// Accepts the request: the 101 is pending, and the connection is open. `acceptance` may be NULL. permessage-deflate is
/// answered according to the settings.
///
/// Errors: `BOW_ERROR_NULL`; `BOW_ERROR_NO_REQUEST`, also for a plain request; `BOW_ERROR_CLOSING` if the client has
/// gone; `BOW_ERROR_SIZE`, `BOW_ERROR_NOT_UTF8`, `BOW_ERROR_SUBPROTOCOL`, `BOW_ERROR_HEADER`; the request still waits
/// then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_accept(
    conn: *mut bow_conn,
    answer: *const bow_acceptance,
    now: u64,
) -> bow_error {
    // SAFETY: each pointer is NULL or valid.
    unsafe { with(conn, |session| session.accept(acceptance(answer)?, now)) }
}

/// Refuses the request: the response is pending, and the connection ends after it. Use 426 for requests that should
/// have asked for a WebSocket.
///
/// Errors: `BOW_ERROR_NULL`, `BOW_ERROR_NO_REQUEST`; `BOW_ERROR_CLOSING` if the client has gone; `BOW_ERROR_SIZE`,
/// `BOW_ERROR_NOT_UTF8`, `BOW_ERROR_STATUS`, `BOW_ERROR_HEADER`, `BOW_ERROR_CONTENT_TYPE`; the request still waits
/// then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_refuse(
    conn: *mut bow_conn,
    answer: *const bow_refusal,
    now: u64,
) -> bow_error {
    // SAFETY: each pointer is NULL or valid.
    unsafe { with(conn, |session| session.refuse(&refusal(answer)?, now)) }
}

/// Returns the subprotocol that was agreed; NULL if there is none or the connection is not open yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_subprotocol(conn: *const bow_conn) -> bow_slice {
    // SAFETY: NULL, or a connection.
    unsafe { ask(conn, bow_slice::NONE, Session::subprotocol) }
}

/// Returns whether permessage-deflate was agreed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_is_compressed(conn: *const bow_conn) -> bool {
    // SAFETY: NULL, or a connection.
    unsafe { ask(conn, false, Session::is_compressed) }
}

/// Queues a message; `kind` is a `bow_data_kind`. Text has to be UTF-8. The bytes are copied. Here and in all functions
/// that send, `data` may be NULL if `len` is 0.
///
/// Errors: `BOW_ERROR_NULL`, `BOW_ERROR_ARGUMENT`, `BOW_ERROR_NOT_UTF8`, `BOW_ERROR_NOT_OPEN`, `BOW_ERROR_CLOSING`,
/// `BOW_ERROR_QUEUE_FULL`, `BOW_ERROR_MESSAGE_OPEN`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_send(
    conn: *mut bow_conn,
    kind: u32,
    data: *const c_void,
    len: usize,
) -> bow_error {
    // SAFETY: each pointer is NULL or valid.
    unsafe { bow_conn_send_with(conn, kind, data, len, bow_compression::BOW_COMPRESS_AUTO as u32) }
}

/// Queues a message as `bow_conn_send` does, compressed or not as `compression`, a `bow_compression`, says.
///
/// Errors: as `bow_conn_send`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_send_with(
    conn: *mut bow_conn,
    kind: u32,
    data: *const c_void,
    len: usize,
    compression: u32,
) -> bow_error {
    // SAFETY: each pointer is NULL or valid.
    unsafe {
        with(conn, |session| {
            session.open_conn()?; // before the text is looked at
            session.send(message(kind, bytes(data, len)?)?, choice(compression)?)
        })
    }
}

/// Queues a prepared message. A client masks it anew.
///
/// Errors: `BOW_ERROR_NULL`, `BOW_ERROR_NOT_OPEN`, `BOW_ERROR_CLOSING`, `BOW_ERROR_QUEUE_FULL`,
/// `BOW_ERROR_MESSAGE_OPEN`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_send_prepared(
    conn: *mut bow_conn,
    prepared: *const bow_prepared,
) -> bow_error {
    // SAFETY: each pointer is NULL or valid.
    unsafe { with(conn, |session| session.send_prepared(&prepared.as_ref().ok_or(BOW_ERROR_NULL)?.message)) }
}

/// Queues the first part of a message that is sent in parts, as a frame of its own. Pings, Pongs and a Close may be sent
/// between parts; other messages may not. A character may be cut between two parts.
///
/// Errors: as `bow_conn_send`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_start_message(
    conn: *mut bow_conn,
    kind: u32,
    data: *const c_void,
    len: usize,
    compression: u32,
) -> bow_error {
    // SAFETY: each pointer is NULL or valid.
    unsafe {
        with(conn, |session| {
            let kind = match kind {
                1 => DataKind::Text,
                2 => DataKind::Binary,
                _ => return Err(BOW_ERROR_ARGUMENT),
            };
            session.start_message(kind, bytes(data, len)?, choice(compression)?)
        })
    }
}

/// Queues a further part of a message that is sent in parts.
///
/// Errors: as `bow_conn_send`, with `BOW_ERROR_NO_MESSAGE_OPEN` in place of `BOW_ERROR_MESSAGE_OPEN`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_continue_message(
    conn: *mut bow_conn,
    data: *const c_void,
    len: usize,
) -> bow_error {
    // SAFETY: each pointer is NULL or valid.
    unsafe { with(conn, |session| Ok(session.open_conn()?.outbound.continue_message(bytes(data, len)?)?)) }
}

/// Queues the last part of a message that is sent in parts.
///
/// Errors: as `bow_conn_continue_message`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_finish_message(
    conn: *mut bow_conn,
    data: *const c_void,
    len: usize,
) -> bow_error {
    // SAFETY: each pointer is NULL or valid.
    unsafe { with(conn, |session| Ok(session.open_conn()?.outbound.finish_message(bytes(data, len)?)?)) }
}

/// Queues a Ping with up to 125 bytes.
///
/// Errors: `BOW_ERROR_NULL`, `BOW_ERROR_NOT_OPEN`, `BOW_ERROR_CLOSING`, `BOW_ERROR_CONTROL_TOO_LONG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_ping(conn: *mut bow_conn, data: *const c_void, len: usize) -> bow_error {
    // SAFETY: each pointer is NULL or valid.
    unsafe { with(conn, |session| Ok(session.open_conn()?.outbound.ping(bytes(data, len)?)?)) }
}

/// Queues a Pong with up to 125 bytes, for programs that set `answer_pings` to 0.
///
/// Errors: as `bow_conn_ping`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_pong(conn: *mut bow_conn, data: *const c_void, len: usize) -> bow_error {
    // SAFETY: each pointer is NULL or valid.
    unsafe { with(conn, |session| Ok(session.open_conn()?.outbound.pong(bytes(data, len)?)?)) }
}

/// Begins the closing handshake: queues a Close frame with this code and reason, or with neither if `code` is 0.
/// Nothing can be sent after it; continue to read until the step says otherwise. `reason` is UTF-8 of up to 123 bytes
/// and a NUL, or NULL. A handshake that is not complete cannot be closed: refuse it, or free the connection and close
/// the transport.
///
/// Errors: `BOW_ERROR_NULL`, `BOW_ERROR_NOT_OPEN`, `BOW_ERROR_CLOSING`, `BOW_ERROR_CLOSE_CODE`, `BOW_ERROR_NOT_UTF8`,
/// `BOW_ERROR_REASON_TOO_LONG`; `BOW_ERROR_ARGUMENT` for a reason without a code.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_close(
    conn: *mut bow_conn,
    code: u32,
    reason: *const c_char,
    now: u64,
) -> bow_error {
    // SAFETY: each pointer is NULL or valid.
    unsafe {
        with(conn, |session| {
            let reason = text(reason)?.unwrap_or("");
            let reason = match u16::try_from(code).map_err(|_| BOW_ERROR_CLOSE_CODE)? {
                0 if reason.is_empty() => None,
                0 => return Err(BOW_ERROR_ARGUMENT),
                code => Some(CloseReason { code: CloseCode(code), reason }),
            };
            session.close(reason, now)
        })
    }
}

/// Returns the next contiguous bytes to write; the length is 0 once nothing is pending. They are valid until the next
/// call for the same connection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_pending(conn: *const bow_conn) -> bow_slice {
    // SAFETY: NULL, or a connection.
    unsafe { ask(conn, bow_slice::NONE, |session| bow_slice::of(session.pending())) }
}

/// Tells the connection that this many of the pending bytes have been written.
///
/// Errors: `BOW_ERROR_NULL`; `BOW_ERROR_ARGUMENT` if fewer are pending.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_written(conn: *mut bow_conn, len: usize) -> bow_error {
    // SAFETY: NULL, or a connection.
    unsafe { with(conn, |session| session.advance(len)) }
}

/// Returns how many bytes wait to be written in total.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_queued(conn: *const bow_conn) -> usize {
    // SAFETY: NULL, or a connection.
    unsafe { ask(conn, 0, Session::queued) }
}

/// Returns how many bytes of memory the connection holds, including itself, for a bound over all connections. A
/// prepared message that several connections send counts for each of them in equal parts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_held(conn: *const bow_conn) -> usize {
    // SAFETY: NULL, or a connection.
    unsafe { ask(conn, 0, Session::held) }
}

/// Returns what to do with the transport once the pending bytes have been written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_step(conn: *const bow_conn) -> bow_step {
    // SAFETY: NULL, or a connection.
    unsafe { ask(conn, bow_step::BOW_STEP_CLOSE, Session::step) }
}

/// Returns when `bow_conn_next` has to be called unless something comes before; `BOW_NEVER` if it need not be. The time
/// changes with every call, so ask each time before you wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_next_timeout(conn: *const bow_conn) -> u64 {
    // SAFETY: NULL, or a connection.
    unsafe { ask(conn, BOW_NEVER, Session::next_timeout) }
}

/// Gets how the connection has ended, or would have if it ended now.
///
/// Errors: `BOW_ERROR_NULL`, `BOW_ERROR_SIZE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bow_conn_outcome(conn: *mut bow_conn, outcome: *mut bow_outcome) -> bow_error {
    // SAFETY: each pointer is NULL or valid.
    unsafe { with(conn, |session| write_versioned(outcome, &session.outcome())) }
}

/// Runs a function on a connection.
///
/// # Safety
///
/// `conn` is NULL, or a connection that is not used by anybody else during the call.
unsafe fn with(conn: *mut bow_conn, run: impl FnOnce(&mut Session) -> Result<(), bow_error>) -> bow_error {
    if !conn.is_aligned() {
        return BOW_ERROR_NULL;
    }
    // SAFETY: the caller's promise.
    match unsafe { conn.as_mut() } {
        Some(conn) => conn.session.run(run),
        None => BOW_ERROR_NULL,
    }
}

/// Asks a connection; `instead` is the answer if it cannot be asked.
///
/// # Safety
///
/// `conn` is NULL, or a connection that nobody changes during the call.
unsafe fn ask<R>(conn: *const bow_conn, instead: R, ask: impl FnOnce(&Session) -> R) -> R {
    if !conn.is_aligned() {
        return instead;
    }
    // SAFETY: the caller's promise.
    match unsafe { conn.as_ref() } {
        Some(conn) => conn.session.ask(instead, ask),
        None => instead,
    }
}

const fn choice(compression: u32) -> Result<Compression, bow_error> {
    match compression {
        0 => Ok(Compression::Auto),
        1 => Ok(Compression::On),
        2 => Ok(Compression::Off),
        _ => Err(BOW_ERROR_ARGUMENT),
    }
}
