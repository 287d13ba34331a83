//! Events of a connection, as C sees them.

#![allow(unsafe_code, reason = "promises a layout")]

use std::ffi::c_char;
use std::ptr;

use crate::error::bow_error;
use crate::pointers::Versioned;

/// Text or binary: the opcodes of RFC 6455 §5.2.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum bow_data_kind {
    /// UTF-8.
    BOW_TEXT = 1,
    /// Any bytes.
    BOW_BINARY = 2,
}

/// What happened.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum bow_event_kind {
    /// Nothing more: all input is taken, unless a request waits for an answer.
    BOW_EVENT_NONE = 0,
    /// At a server: a valid request to open a WebSocket, from an allowed origin. Look at it (`bow_conn_request`,
    /// `bow_conn_header`), then call `bow_conn_accept` or `bow_conn_refuse`, at once or later. Until then no further
    /// input is taken, and no time limit applies.
    BOW_EVENT_REQUEST = 1,
    /// At a server: a request for something else, such as a page. It can only be refused; with `status` 200 the answer
    /// is a page.
    BOW_EVENT_PLAIN_REQUEST = 2,
    /// At a client: the server has accepted. `bow_conn_header` returns its fields until the next call of
    /// `bow_conn_next`.
    BOW_EVENT_OPEN = 3,
    /// A complete message: `data_kind`, `data`, `len`. Text is UTF-8.
    BOW_EVENT_MESSAGE = 4,
    /// A piece of a message: `data_kind`, `data`, `len`, `frame_ends`, `message_ends`. Text may end inside a character.
    BOW_EVENT_CHUNK = 5,
    /// A Ping: `data`, `len`. It has been answered already, unless `answer_pings` is 0.
    BOW_EVENT_PING = 6,
    /// A Pong: `data`, `len`.
    BOW_EVENT_PONG = 7,
    /// A Close frame: `code` (1005 if it has none) and its reason, in UTF-8, as `data`, `len`. It has been answered
    /// already, and nothing follows but the end of the transport.
    BOW_EVENT_CLOSE = 8,
    /// At a client: the server has answered with the HTTP status `code`. `data` and `len` are the body, `text`
    /// describes the answer in a line, and `bow_conn_header` returns the fields.
    BOW_EVENT_REFUSED = 9,
    /// The connection or its handshake has failed: `error`, `text`, `section`. The message to the peer is queued
    /// already: a Close frame with `code`, or an HTTP response with that status; 0 if the peer is told nothing.
    BOW_EVENT_FAILED = 10,
}

/// What happened, with its details; fields that the kind does not name are zero.
///
/// Set `size` once, `bow_event event = {.size = sizeof event};`, and use the event for any number of calls. What it
/// points at is valid until the next call of `bow_conn_next`, `bow_conn_eof` or `bow_conn_free` for the same
/// connection; some of it lies in your input buffer. It may be sent back to the same connection.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bow_event {
    /// `sizeof` of this struct.
    pub size: usize,
    /// A `bow_event_kind`. A later version may have more: ignore unknown ones.
    pub kind: u32,
    /// A `bow_data_kind`.
    pub data_kind: u32,
    /// The payload; not NUL-terminated.
    pub data: *const u8,
    /// Its length in bytes.
    pub len: usize,
    /// A close code, or an HTTP status.
    pub code: u32,
    /// A `bow_error` from 100 on.
    pub error: u32,
    /// What went wrong, in a sentence that quotes nothing the peer sent.
    pub text: *const c_char,
    /// The section of an RFC that states the rule, such as `RFC 6455 §5.1`, in UTF-8; NULL if there is none.
    pub section: *const c_char,
    /// Whether the frame ends with this chunk.
    pub frame_ends: u32,
    /// Whether the message ends with this chunk.
    pub message_ends: u32,
}

// SAFETY: numbers and pointers, the size first; the numbers of 4 bytes come in pairs, so there is no padding.
unsafe impl Versioned for bow_event {
    const FIRST: usize = size_of::<Self>();
}

/// What to do with the transport once the pending bytes have been written.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum bow_step {
    /// Continue to read and write.
    BOW_STEP_TALK = 0,
    /// End your direction (`shutdown(fd, SHUT_WR)`), and continue to read until the peer has ended its own or the step
    /// changes. Closing at once would reset the connection if something is unread, and the last bytes written would be
    /// lost.
    BOW_STEP_SHUTDOWN = 1,
    /// Close. Pending bytes may be written once more, but need not be waited for.
    BOW_STEP_CLOSE = 2,
}

/// How a connection has ended, or would have if it ended now.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bow_outcome {
    /// `sizeof` of this struct.
    pub size: usize,
    /// Whether both sides have sent a Close frame and nobody broke a rule (RFC 6455 §7.1.4).
    pub clean: u32,
    /// The close code (§7.1.5): the peer's, 1005 if its Close frame had none, 1006 if no Close frame came.
    pub code: u32,
    /// The code of our Close frame; 1005 if it had none, 0 if none was sent.
    pub sent_code: u32,
    /// A `bow_error` from 100 on, if the connection or its handshake failed.
    pub error: u32,
    /// The reason that the peer gave, in UTF-8; valid as long as what an event points at.
    pub reason: bow_slice,
}

// SAFETY: numbers and pointers, the size first; the numbers of 4 bytes come in pairs, so there is no padding.
unsafe impl Versioned for bow_outcome {
    const FIRST: usize = size_of::<Self>();
}

/// Some bytes, or text in UTF-8; not NUL-terminated. `data` is NULL if there are none.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bow_slice {
    /// The first byte.
    pub data: *const c_char,
    /// How many bytes.
    pub len: usize,
}

impl bow_event {
    pub(crate) const NONE: Self = Self {
        size: size_of::<Self>(),
        kind: bow_event_kind::BOW_EVENT_NONE as u32,
        data_kind: 0,
        data: ptr::null(),
        len: 0,
        code: 0,
        error: bow_error::BOW_OK as u32,
        text: ptr::null(),
        section: ptr::null(),
        frame_ends: 0,
        message_ends: 0,
    };

    pub(crate) const fn of(kind: bow_event_kind) -> Self {
        Self { kind: kind as u32, ..Self::NONE }
    }

    pub(crate) const fn with(kind: bow_event_kind, data: &[u8]) -> Self {
        Self { data: data.as_ptr(), len: data.len(), ..Self::of(kind) }
    }

    pub(crate) const fn is_none(&self) -> bool {
        self.kind == bow_event_kind::BOW_EVENT_NONE as u32
    }
}

impl bow_slice {
    pub(crate) const NONE: Self = Self { data: ptr::null(), len: 0 };

    pub(crate) const fn of(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr().cast(), len: bytes.len() }
    }

    pub(crate) fn of_any(bytes: Option<&[u8]>) -> Self {
        bytes.map_or(Self::NONE, Self::of)
    }
}
