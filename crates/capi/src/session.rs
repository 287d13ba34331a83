//! One connection from its first byte on: the handshake, then the library's [`Connection`], as one object.
//!
//! In: bytes, the time, what the program says. Out: one event at a time, and bytes. The events hold pointers, as their reader
//! is C; what they point at is the input, or what is held here until the next event is asked for.

use std::ffi::CString;
use std::fmt::Display;
use std::ptr;
use std::sync::Arc;

use bowsprit::close::{CloseCode, CloseReason};
use bowsprit::connection::{CloseStep, Connection, Due};
use bowsprit::entropy::{Entropy as _, SystemEntropy};
use bowsprit::error::Section;
use bowsprit::extension::{Compression, deflate};
use bowsprit::frame::DataKind;
use bowsprit::handshake::{
    Acceptance, Agreement, ClientHandshake, ClientRequest, Head, HeaderField, Incoming, Progress, Refusal,
    RefusedResponse, Response, ResponseError, ServerHandshake,
};
use bowsprit::message::{Message, Prepared};
use bowsprit::time::Instant;

use crate::clock::{BOW_NEVER, Clock, number};
use crate::config::Settings;
use crate::error::bow_error;
use crate::error::bow_error::*;
use crate::event::bow_event_kind::*;
use crate::event::{bow_event, bow_outcome, bow_slice, bow_step};
use crate::heard::listen;
use crate::opening::bow_request_view;

pub(crate) struct Session {
    settings: Arc<Settings>,
    clock: Clock,
    stage: Stage,
    /// Of the handshake's answer, what is not written yet; it goes out before what the connection has to say.
    opening: Vec<u8>,
    /// So much of it is written.
    written: usize,
    /// When the handshake, or the end of a refused one, has taken too long.
    until: Option<Instant>,
    subprotocol: Option<Box<str>>,
    /// permessage-deflate was agreed.
    compressed: bool,
    /// The last event's, if it needs any.
    last: Option<Box<Last>>,
    /// Nothing is to be waited for any more.
    over: bool,
    /// How it failed, if it did.
    error: bow_error,
}

enum Stage {
    /// A server, before the request is whole.
    Receiving(Box<ServerHandshake>),
    /// A server whose program has a request to answer.
    Judging(Box<Asked>),
    /// A client, before the response is whole.
    Calling(Box<ClientHandshake>),
    Open(Box<Connection>),
    /// Refused, by whoever was asked.
    Refused,
}

/// What a program has to answer, as C sees it and as it is.
struct Asked {
    view: bow_request_view,
    incoming: Incoming,
}

/// What an event points at that lies nowhere else.
#[derive(Default)]
struct Last {
    text: CString,
    section: Option<CString>,
    response: Option<Response>,
    refused: Option<Box<RefusedResponse>>,
}

// A view points into what lies beside it; all else may change threads, and so may the whole.
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

    pub(crate) fn client(settings: Arc<Settings>, mut request: ClientRequest, now: u64) -> Self {
        if let Some(offer) = deflate::offer(settings.core.deflate, request.extensions()) {
            request = request.extension(offer);
        }
        let handshake = ClientHandshake::new(request, SystemEntropy::new().nonce())
            .with_head_limits(settings.head)
            .with_max_refusal_body(settings.max_refusal_body);
        let opening = handshake.request().to_vec();
        Self { opening, ..Self::new(settings, Stage::Calling(Box::new(handshake)), now) }
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

    /// The next event of what has come, or of what is due where nothing more has.
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

    fn read_request(&mut self, input: &mut &mut [u8], now: Instant) -> bow_event {
        let Stage::Receiving(handshake) = &mut self.stage else { return bow_event::NONE };
        match handshake.receive(input) {
            Ok(Progress::NeedMore) => {
                take(input, usize::MAX);
                bow_event::NONE
            }
            Ok(Progress::Done { value: Incoming::Upgrade(request), used }) => {
                take(input, used);
                if let Err(error) = self.settings.origins.check(&request) {
                    let refusal = error.refusal();
                    self.turn_away(refusal.encode(), now);
                    let section = Some(Section::rfc6455("10.2"));
                    return self.fail(BOW_PEER_ORIGIN, &error, section, refusal.status());
                }
                self.ask(Incoming::Upgrade(request));
                bow_event::of(BOW_EVENT_REQUEST)
            }
            Ok(Progress::Done { value: Incoming::Plain(request), used }) => {
                take(input, used);
                self.ask(Incoming::Plain(request));
                bow_event::of(BOW_EVENT_PLAIN_REQUEST)
            }
            Err(error) => {
                let answer = handshake.answer(error);
                take(input, usize::MAX);
                self.turn_away(answer, now);
                self.fail(BOW_PEER_REQUEST, &error, Some(error.section()), error.status())
            }
        }
    }

    fn ask(&mut self, incoming: Incoming) {
        self.until = None; // the time is the program's now
        let mut asked = Box::new(Asked { view: bow_request_view::NONE, incoming });
        asked.view = match &asked.incoming {
            Incoming::Upgrade(request) => bow_request_view::of(request),
            Incoming::Plain(request) => bow_request_view::of_plain(request),
        };
        self.stage = Stage::Judging(asked);
    }

    fn read_response(&mut self, input: &mut &mut [u8], now: Instant) -> bow_event {
        let Stage::Calling(handshake) = &mut self.stage else { return bow_event::NONE };
        match handshake.receive(input) {
            Ok(Progress::NeedMore) => {
                take(input, usize::MAX);
                bow_event::NONE
            }
            Ok(Progress::Done { value: response, used }) => {
                take(input, used);
                let conn =
                    Connection::client(Arc::clone(&self.settings.core), Box::new(SystemEntropy::new()), now);
                self.open(conn, response.agreement());
                self.last = Some(Box::new(Last { response: Some(response), ..Last::default() }));
                bow_event::of(BOW_EVENT_OPEN)
            }
            Err(error) => {
                take(input, usize::MAX);
                self.unanswered(error)
            }
        }
    }

    /// A client's handshake has come to nothing.
    fn unanswered(&mut self, error: ResponseError) -> bow_event {
        self.over = true;
        self.stage = Stage::Refused;
        let section = error.section();
        match error {
            ResponseError::Refused(refused) => {
                let text = refused.to_string();
                let status = refused.status();
                let event = self.fail(BOW_PEER_REFUSED, &text, Some(section), status);
                let last = self.last.get_or_insert_default();
                let body = last.refused.insert(refused).body();
                bow_event { kind: BOW_EVENT_REFUSED as u32, data: body.as_ptr(), len: body.len(), ..event }
            }
            error => self.fail(BOW_PEER_RESPONSE, &error, Some(section), 0),
        }
    }

    fn open(&mut self, mut conn: Connection, agreement: &Agreement) {
        if let Some(agreed) = agreement.deflate() {
            conn = conn.with_deflate(agreed);
            self.compressed = true;
        }
        self.subprotocol = agreement.subprotocol.as_deref().map(Box::from);
        self.until = None;
        self.stage = Stage::Open(Box::new(conn));
    }

    /// Nothing more comes from a peer that is answered so, as far as we care.
    fn turn_away(&mut self, answer: Vec<u8>, now: Instant) {
        (self.opening, self.written) = (answer, 0);
        self.until = now.checked_add(self.settings.core.close_timeout);
        self.stage = Stage::Refused;
    }

    /// What is due where nothing has come.
    fn expire(&mut self, now: Instant) -> bow_event {
        if self.until.is_some_and(|until| until <= now) {
            return self.run_out(now);
        }
        let Stage::Open(conn) = &mut self.stage else { return bow_event::NONE };
        let Some(due) = conn.handle_timeout(now) else { return bow_event::NONE };
        self.over = true;
        let sent = conn.outbound.close_sent().map_or(0, |close| close.code.0);
        match due {
            // Both Close frames have passed, or the failure has been told: the peer only did not hang up.
            Due::CloseTimeout if conn.inbound.is_over() => bow_event::NONE,
            Due::CloseTimeout => self.fail_as_listed(BOW_PEER_CLOSE_TIMEOUT, 0),
            Due::Stalled => self.fail_as_listed(BOW_PEER_STALLED, sent),
            Due::Idle => self.fail_as_listed(BOW_PEER_IDLE, sent),
            _ => self.fail_as_listed(BOW_PEER_DEAD, sent),
        }
    }

    fn run_out(&mut self, now: Instant) -> bow_event {
        match &mut self.stage {
            // A client that has begun is told (RFC 9110 §15.5.9).
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

    /// The peer's direction of the transport has ended.
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
        // None of ours has a NUL in it.
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

    // --- the handshake -------------------------------------------------------------------------------------------

    pub(crate) fn request(&self) -> Option<&bow_request_view> {
        match &self.stage {
            Stage::Judging(asked) => Some(&asked.view),
            _ => None,
        }
    }

    /// The peer's head, where there is one to look at.
    fn head(&self) -> Option<&Head> {
        match (&self.stage, self.last.as_deref()) {
            (Stage::Judging(asked), _) => Some(match &asked.incoming {
                Incoming::Upgrade(request) => request.head(),
                Incoming::Plain(request) => request.head(),
            }),
            (_, Some(Last { response: Some(response), .. })) => Some(response.head()),
            (_, Some(Last { refused: Some(refused), .. })) => Some(refused.head()),
            _ => None,
        }
    }

    pub(crate) fn header(&self, name: &str) -> bow_slice {
        bow_slice::of_any(self.head().and_then(|head| head.values(name).next()))
    }

    pub(crate) fn header_at(&self, at: usize) -> Option<(bow_slice, bow_slice)> {
        let (name, value) = self.head()?.headers().nth(at)?;
        Some((bow_slice::of(name.as_bytes()), bow_slice::of(value)))
    }

    /// Whether the request offers this subprotocol.
    pub(crate) fn offers(&self, subprotocol: &str) -> bool {
        match &self.stage {
            Stage::Judging(asked) => match &asked.incoming {
                Incoming::Upgrade(request) => request.choose_subprotocol(&[subprotocol]).is_some(),
                Incoming::Plain(_) => false,
            },
            _ => false,
        }
    }

    /// What is to be answered.
    fn asked(&self) -> Result<&Incoming, bow_error> {
        match &self.stage {
            Stage::Judging(_) if self.over => Err(BOW_ERROR_CLOSING),
            Stage::Judging(asked) => Ok(&asked.incoming),
            _ => Err(BOW_ERROR_NO_REQUEST),
        }
    }

    pub(crate) fn accept(
        &mut self,
        (subprotocol, headers): (Option<String>, Vec<HeaderField>),
        now: u64,
    ) -> Result<(), bow_error> {
        let Incoming::Upgrade(request) = self.asked()? else { return Err(BOW_ERROR_NO_REQUEST) };
        let extensions =
            deflate::answer(self.settings.core.deflate, request.extensions()).into_iter().collect();
        let (head, agreement) = request.accept(&Acceptance { subprotocol, extensions, headers })?;
        let now = self.clock.at(now);
        (self.opening, self.written) = (head, 0);
        self.open(Connection::server(Arc::clone(&self.settings.core), now), &agreement);
        Ok(())
    }

    pub(crate) fn refuse(&mut self, refusal: &Refusal, now: u64) -> Result<(), bow_error> {
        let answer = match self.asked()? {
            Incoming::Upgrade(_) => refusal.encode(),
            Incoming::Plain(request) => request.answer(refusal),
        };
        let now = self.clock.at(now);
        self.turn_away(answer, now);
        Ok(())
    }

    pub(crate) fn subprotocol(&self) -> bow_slice {
        bow_slice::of_any(self.subprotocol.as_deref().map(str::as_bytes))
    }

    pub(crate) const fn is_compressed(&self) -> bool {
        self.compressed
    }

    // --- sending -------------------------------------------------------------------------------------------------

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

    // --- what waits ----------------------------------------------------------------------------------------------

    pub(crate) fn pending(&self) -> &[u8] {
        match (self.opening.get(self.written..), &self.stage) {
            (Some(opening), _) if !opening.is_empty() => opening,
            (_, Stage::Open(conn)) => conn.outbound.pending(),
            _ => &[],
        }
    }

    pub(crate) fn advance(&mut self, len: usize) -> Result<(), bow_error> {
        if len > self.pending().len() {
            return Err(BOW_ERROR_ARGUMENT);
        }
        if self.written < self.opening.len() {
            self.written += len;
            if self.written == self.opening.len() {
                (self.opening, self.written) = (Vec::new(), 0);
            }
        } else if let Stage::Open(conn) = &mut self.stage {
            conn.outbound.advance(len);
        }
        Ok(())
    }

    pub(crate) fn queued(&self) -> usize {
        let conn = if let Stage::Open(conn) = &self.stage { conn.outbound.queued() } else { 0 };
        self.opening.len() - self.written + conn
    }

    pub(crate) fn held(&self) -> usize {
        let stage = match &self.stage {
            Stage::Receiving(handshake) => size_of_val(&**handshake) + handshake.memory(),
            Stage::Judging(asked) => {
                size_of_val(&**asked)
                    + match &asked.incoming {
                        Incoming::Upgrade(request) => request.memory(),
                        Incoming::Plain(request) => request.memory(),
                    }
            }
            Stage::Calling(handshake) => size_of_val(&**handshake) + handshake.memory(),
            Stage::Open(conn) => size_of_val(&**conn) + conn.held(),
            Stage::Refused => 0,
        };
        size_of::<Self>() + self.opening.capacity() + stage
    }

    pub(crate) fn step(&self) -> bow_step {
        match &self.stage {
            _ if self.over => bow_step::BOW_STEP_CLOSE,
            Stage::Refused => bow_step::BOW_STEP_SHUTDOWN,
            Stage::Open(conn) if conn.close_step() == CloseStep::CloseTcp => bow_step::BOW_STEP_SHUTDOWN,
            _ => bow_step::BOW_STEP_TALK,
        }
    }

    pub(crate) fn next_timeout(&self) -> u64 {
        let at = match &self.stage {
            _ if self.over => None,
            Stage::Open(conn) => conn.next_timeout(),
            _ => self.until,
        };
        at.map_or(BOW_NEVER, number)
    }

    pub(crate) fn outcome(&self) -> bow_outcome {
        let mut outcome = bow_outcome {
            size: size_of::<bow_outcome>(),
            clean: 0,
            code: CloseCode::ABNORMAL.0.into(),
            sent_code: 0,
            error: self.error as u32,
            reason: bow_slice::NONE,
        };
        if let Stage::Open(conn) = &self.stage {
            let end = conn.outcome();
            outcome.clean = (end.is_clean() && self.error == BOW_OK).into();
            outcome.code = end.code().0.into();
            if conn.outbound.sent_close() {
                let sent = conn.outbound.close_sent().map_or(CloseCode::NO_STATUS, |close| close.code);
                outcome.sent_code = sent.0.into();
            }
            let reason = conn.inbound.close_received().map(|close| close.reason.as_bytes());
            outcome.reason = bow_slice::of_any(reason);
        }
        outcome
    }
}

/// Takes so many bytes off the front, or all.
fn take(input: &mut &mut [u8], len: usize) {
    let len = len.min(input.len());
    *input = &mut std::mem::take(input)[len..];
}
