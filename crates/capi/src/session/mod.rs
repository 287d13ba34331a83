//! One connection from its first byte on: the handshake, then the library's [`Connection`], as one object.
//!
//! In: bytes, the time, and the program's calls. Out: one event at a time, and bytes. The events hold pointers, since
//! they are for C; these point into the input, or at data held here until the next event is requested.

mod handshake;
mod state;

use std::ffi::CString;
use std::fmt::Display;
use std::ptr;
use std::sync::Arc;

use bowsprit::close::CloseReason;
use bowsprit::connection::{Connection, Due};
use bowsprit::entropy::{Entropy as _, SystemEntropy};
use bowsprit::error::Section;
use bowsprit::extension::{Compression, deflate};
use bowsprit::frame::DataKind;
use bowsprit::handshake::{
    ClientHandshake, ClientRequest, Incoming, Refusal, RefusedResponse, Response, ServerHandshake,
};
use bowsprit::message::{Message, Prepared};
use bowsprit::time::Instant;

use crate::clock::Clock;
use crate::config::Settings;
use crate::error::bow_error;
use crate::error::bow_error::*;
use crate::event::bow_event;
use crate::event::bow_event_kind::*;
use crate::heard::listen;
use crate::opening::bow_request_view;

pub(crate) struct Session {
    settings: Arc<Settings>,
    clock: Clock,
    stage: Stage,
    /// The handshake's answer, which is sent before anything of the connection.
    opening: Vec<u8>,
    /// How many of its bytes are written.
    written: usize,
    /// When the handshake, or the end of a refused one, times out.
    until: Option<Instant>,
    subprotocol: Option<Box<str>>,
    /// Whether permessage-deflate was agreed.
    compressed: bool,
    /// What the last event points at, if it needs anything.
    last: Option<Box<Last>>,
    /// Whether nothing more is expected.
    over: bool,
    /// How the connection failed, if it did.
    error: bow_error,
}

enum Stage {
    /// A server before the request is complete.
    Receiving(Box<ServerHandshake>),
    /// A server whose program has a request to answer.
    Judging(Box<Asked>),
    /// A client before the response is complete.
    Calling(Box<ClientHandshake>),
    Open(Box<Connection>),
    /// Refused by the side that was asked.
    Refused,
}

/// A request that the program has to answer, as C sees it and as it is.
struct Asked {
    view: bow_request_view,
    incoming: Incoming,
}

/// Data of an event that is stored nowhere else.
#[derive(Default)]
struct Last {
    text: CString,
    section: Option<CString>,
    response: Option<Response>,
    refused: Option<Box<RefusedResponse>>,
}

// A view points into the data beside it; everything else may be moved to another thread, and so may the whole.
const _: () = {
    const fn may_change_threads<T: Send>() {}
    may_change_threads::<Connection>();
    may_change_threads::<ServerHandshake>();
    may_change_threads::<ClientHandshake>();
    may_change_threads::<Incoming>();
    may_change_threads::<Last>();
};

impl Session {
    pub(crate) fn server(settings: Arc<Settings>, now: u64) -> Self {
        let handshake = ServerHandshake::new(settings.head);
        Self::new(settings, Stage::Receiving(Box::new(handshake)), now)
    }

    pub(crate) fn client(
        settings: Arc<Settings>,
        mut request: ClientRequest,
        now: u64,
    ) -> Result<Self, bow_error> {
        if let Some(offer) = deflate::offer(settings.core.deflate, request.extensions()) {
            request = request.extension(offer);
        }
        let nonce = SystemEntropy::new().nonce().map_err(|_| BOW_ERROR_NO_ENTROPY)?;
        let handshake = ClientHandshake::new(request, nonce)
            .with_head_limits(settings.head)
            .with_max_refusal_body(settings.max_refusal_body);
        let opening = handshake.request().to_vec();
        Ok(Self { opening, ..Self::new(settings, Stage::Calling(Box::new(handshake)), now) })
    }

    fn new(settings: Arc<Settings>, stage: Stage, now: u64) -> Self {
        let mut clock = Clock::new();
        let until = settings.handshake_timeout.and_then(|time| clock.at(now).checked_add(time));
        Self {
            settings,
            clock,
            stage,
            opening: Vec::new(),
            written: 0,
            until,
            subprotocol: None,
            compressed: false,
            last: None,
            over: false,
            error: BOW_OK,
        }
    }

    /// Returns the next event of the input, or of what is due if nothing more has come.
    pub(crate) fn next(&mut self, input: &mut &mut [u8], now: u64) -> bow_event {
        self.last = None;
        let now = self.clock.at(now);
        if self.over {
            *input = &mut [];
            return bow_event::NONE;
        }
        let event = match &mut self.stage {
            Stage::Receiving(_) => self.read_request(input, now),
            Stage::Judging(_) => bow_event::NONE,
            Stage::Calling(_) => self.read_response(input, now),
            Stage::Open(conn) => match listen(conn, input, now) {
                Ok(event) => event,
                Err(error) => {
                    let text = error.to_string();
                    let (section, code) = (error.section(), error.close_code().0);
                    self.fail(
                        error.into(),
                        &text.trim_end_matches(&format!(" ({section})")),
                        Some(section),
                        code,
                    )
                }
            },
            Stage::Refused => {
                *input = &mut []; // what comes behind a refused request is not for us
                bow_event::NONE
            }
        };
        if event.is_none() { self.expire(now) } else { event }
    }

    /// Handles what is due if nothing has come.
    fn expire(&mut self, now: Instant) -> bow_event {
        if self.until.is_some_and(|until| until <= now) {
            return self.run_out(now);
        }
        let Stage::Open(conn) = &mut self.stage else { return bow_event::NONE };
        let Some(due) = conn.handle_timeout(now) else { return bow_event::NONE };
        self.over = true;
        let sent = conn.outbound.close_sent().map_or(0, |close| close.code.0);
        match due {
            // Both Close frames have passed, or the failure has been reported: the peer merely did not hang up.
            Due::CloseTimeout if conn.inbound.is_over() => bow_event::NONE,
            Due::CloseTimeout => self.fail_as_listed(BOW_PEER_CLOSE_TIMEOUT, 0),
            Due::Stalled => self.fail_as_listed(BOW_PEER_STALLED, sent),
            Due::Idle => self.fail_as_listed(BOW_PEER_IDLE, sent),
            _ => self.fail_as_listed(BOW_PEER_DEAD, sent),
        }
    }

    fn run_out(&mut self, now: Instant) -> bow_event {
        match &mut self.stage {
            // A client that has begun its request gets an answer (RFC 9110 §15.5.9).
            Stage::Receiving(handshake) if !handshake.is_empty() => {
                if let Ok(refusal) = Refusal::new(408) {
                    self.turn_away(refusal.encode(), now);
                }
                self.fail_as_listed(BOW_PEER_HANDSHAKE_TIMEOUT, 408)
            }
            Stage::Calling(handshake) if handshake.refusal().is_some() => {
                let error = handshake.give_up();
                self.unanswered(error)
            }
            Stage::Receiving(_) | Stage::Calling(_) => {
                self.over = true;
                self.fail_as_listed(BOW_PEER_HANDSHAKE_TIMEOUT, 0)
            }
            Stage::Judging(_) | Stage::Open(_) | Stage::Refused => {
                self.over = true;
                bow_event::NONE
            }
        }
    }

    /// Handles the end of the peer's direction of the transport.
    pub(crate) fn eof(&mut self) -> bow_event {
        self.last = None;
        if self.over {
            return bow_event::NONE;
        }
        self.over = true;
        let ended_in_order = match &mut self.stage {
            Stage::Open(conn) => conn.inbound.is_over(),
            Stage::Refused => true,
            Stage::Calling(handshake) => {
                let error = handshake.receive_eof();
                return self.unanswered(error);
            }
            Stage::Receiving(_) | Stage::Judging(_) => false,
        };
        if ended_in_order { bow_event::NONE } else { self.fail_as_listed(BOW_PEER_GONE, 0) }
    }

    fn fail_as_listed(&mut self, error: bow_error, code: u16) -> bow_event {
        self.fail(error, &error.text(), None, code)
    }

    fn fail(
        &mut self,
        error: bow_error,
        text: &dyn Display,
        section: Option<Section>,
        code: u16,
    ) -> bow_event {
        self.error = error;
        // None of our texts has a NUL in it.
        let owned = |text: String| CString::new(text).unwrap_or_default();
        let last = self.last.insert(Box::new(Last {
            text: owned(text.to_string()),
            section: section.map(|section| owned(section.to_string())),
            ..Last::default()
        }));
        bow_event {
            error: error as u32,
            code: code.into(),
            text: last.text.as_ptr(),
            section: last.section.as_ref().map_or(ptr::null(), |section| section.as_ptr()),
            ..bow_event::of(BOW_EVENT_FAILED)
        }
    }

    pub(crate) fn open_conn(&mut self) -> Result<&mut Connection, bow_error> {
        match &mut self.stage {
            _ if self.over => Err(BOW_ERROR_CLOSING),
            Stage::Open(conn) => Ok(conn),
            _ => Err(BOW_ERROR_NOT_OPEN),
        }
    }

    pub(crate) fn send(&mut self, message: Message<'_>, choice: Compression) -> Result<(), bow_error> {
        Ok(self.open_conn()?.outbound.send_with(message, choice)?)
    }

    pub(crate) fn send_prepared(&mut self, message: &Prepared) -> Result<(), bow_error> {
        Ok(self.open_conn()?.outbound.send_prepared(message)?)
    }

    pub(crate) fn start_message(
        &mut self,
        kind: DataKind,
        part: &[u8],
        choice: Compression,
    ) -> Result<(), bow_error> {
        Ok(self.open_conn()?.outbound.start_message_with(kind, part, choice)?)
    }

    pub(crate) fn close(&mut self, reason: Option<CloseReason<'_>>, now: u64) -> Result<(), bow_error> {
        let now = self.clock.at(now);
        Ok(self.open_conn()?.close(reason, now)?)
    }
}
