//! Examining a client: the connection is the client's, and one of its streams is the WebSocket.

use super::super::asked;
use super::super::exchange::{Exchange, Move};
use super::super::fields;
use super::super::session::Session;
use super::Examiner;
use crate::case::{Case, Subject};
use crate::options::Options;

impl Examiner {
    /// Creates a player of this case against a client that has made a connection; its requests are still to come.
    pub(crate) fn hosting(case: &'static Case, exchange: &'static Exchange, options: Options) -> Self {
        let mut session = Session::accepted(exchange.settings);
        session.trace_from_here();
        session.open_wide();
        Self::with(case, exchange, Subject::Client, Vec::new(), session, options)
    }

    /// Creates a player of this case on a connection on which this stream has requested the case.
    pub(crate) fn taking(
        case: &'static Case,
        exchange: &'static Exchange,
        mut session: Session,
        stream: u32,
        options: Options,
    ) -> Self {
        session.trace_from_here();
        let mut examiner = Self::with(case, exchange, Subject::Client, Vec::new(), session, options);
        examiner.own = Some(stream);
        examiner.read(std::time::Duration::ZERO);
        examiner.advance(std::time::Duration::ZERO);
        examiner
    }

    /// Returns the wire number of a stream that a case names.
    pub(super) fn number(&self, stream: u32) -> u32 {
        match (self.subject, stream, self.own) {
            (Subject::Client, 1, Some(own)) => own,
            _ => stream,
        }
    }

    /// Returns a move with wire numbers.
    pub(super) fn numbered(&self, step: Move) -> Move {
        let n = |stream| self.number(stream);
        match step {
            Move::Frame(kind, flags, stream, payload) => Move::Frame(kind, flags, n(stream), payload),
            Move::Frames(times, kind, flags, stream, payload) => {
                Move::Frames(times, kind, flags, n(stream), payload)
            }
            Move::Say(stream, text, cutting) => Move::Say(n(stream), text, cutting),
            Move::SayLong(stream, length) => Move::SayLong(n(stream), length),
            Move::Data(stream, bytes) => Move::Data(n(stream), bytes),
            Move::Close(stream, code) => Move::Close(n(stream), code),
            Move::End(stream) => Move::End(n(stream)),
            Move::Reset(stream, code) => Move::Reset(n(stream), code),
            Move::Window(stream, bytes) => Move::Window(n(stream), bytes),
            Move::Starve(stream) => Move::Starve(n(stream)),
            step => step,
        }
    }

    /// Handles the client's requests. The first request for a WebSocket is that of the case; pages are served, so that
    /// browsers have a connection that their WebSocket can use.
    pub(super) fn take_asked(&mut self) {
        for stream in self.session.take_asked() {
            let asked = self.session.stream(stream).map(|half| asked::asks_for_websocket(&half.fields));
            match asked {
                Some(true) if self.own.is_none() => self.own = Some(stream),
                Some(websocket) => {
                    let status = if websocket { "503" } else { "200" };
                    self.session.section(stream, &fields::encode([(":status", status)]), true);
                    self.session.forget(stream);
                }
                None => {}
            }
        }
    }
}
