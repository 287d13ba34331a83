//! The handshake: its results, and the program's answers.

use std::sync::Arc;

use bowsprit::connection::Connection;
use bowsprit::entropy::SystemEntropy;
use bowsprit::error::Section;
use bowsprit::extension::deflate;
use bowsprit::handshake::{
    Acceptance, Agreement, Head, HeaderField, Incoming, Progress, Refusal, ResponseError,
};
use bowsprit::time::Instant;

use super::{Asked, Last, Session, Stage};
use crate::error::bow_error;
use crate::error::bow_error::*;
use crate::event::bow_event_kind::*;
use crate::event::{bow_event, bow_slice};
use crate::opening::bow_request_view;

impl Session {
    pub(super) fn read_request(&mut self, input: &mut &mut [u8], now: Instant) -> bow_event {
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

    pub(super) fn read_response(&mut self, input: &mut &mut [u8], now: Instant) -> bow_event {
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

    /// Handles the failure of a client's handshake.
    pub(super) fn unanswered(&mut self, error: ResponseError) -> bow_event {
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

    /// Sends the last answer to a peer and ignores what the peer sends from then on.
    pub(super) fn turn_away(&mut self, answer: Vec<u8>, now: Instant) {
        (self.opening, self.written) = (answer, 0);
        self.until = now.checked_add(self.settings.core.close_timeout);
        self.stage = Stage::Refused;
    }

    pub(crate) fn request(&self) -> Option<&bow_request_view> {
        match &self.stage {
            Stage::Judging(asked) => Some(&asked.view),
            _ => None,
        }
    }

    /// Returns the peer's head, if there is one to look at.
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

    /// Returns whether the request offers this subprotocol.
    pub(crate) fn offers(&self, subprotocol: &str) -> bool {
        match &self.stage {
            Stage::Judging(asked) => match &asked.incoming {
                Incoming::Upgrade(request) => request.choose_subprotocol(&[subprotocol]).is_some(),
                Incoming::Plain(_) => false,
            },
            _ => false,
        }
    }

    /// Returns the request to answer.
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
        let mut acceptance = Acceptance::default().with_subprotocol(subprotocol);
        acceptance.extensions.extend(deflate::answer(self.settings.core.deflate, request.extensions()));
        acceptance.headers = headers;
        let (head, agreement) = request.accept(&acceptance)?;
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
}

/// Takes `len` bytes off the front, or all if there are fewer.
fn take(input: &mut &mut [u8], len: usize) {
    let len = len.min(input.len());
    *input = &mut std::mem::take(input)[len..];
}
