//! What a session has to write, what it holds, and its state.

use bowsprit::close::CloseCode;
use bowsprit::connection::CloseStep;
use bowsprit::handshake::Incoming;

use super::{Session, Stage};
use crate::clock::{BOW_NEVER, number};
use crate::error::bow_error;
use crate::error::bow_error::*;
use crate::event::{bow_outcome, bow_slice, bow_step};

impl Session {
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
            if !end.sent.is_none() {
                outcome.sent_code = end.sent.code().0.into();
            }
            let reason = conn.inbound.close_received().map(|close| close.reason.as_bytes());
            outcome.reason = bow_slice::of_any(reason);
        }
        outcome
    }
}
