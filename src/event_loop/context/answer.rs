//! Deferred answers to requests.

use std::fmt;

use super::Context;
use crate::event_loop::agenda::Verdict;
use crate::event_loop::id::ConnId;
use crate::event_loop::peer::{Answer, Peer, Stage, Waiting};
use crate::extension::deflate;
use crate::handshake::{AcceptError, Acceptance, Refusal, Request};

/// Why the answer to a request was not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnswerError {
    /// No request of this connection waits for an answer: it has been answered or given up.
    NotWaiting,
    /// The answer does not fit the request, which still waits.
    Unfit(AcceptError),
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AnswerError::NotWaiting => f.write_str("no request of this connection waits for an answer"),
            AnswerError::Unfit(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AnswerError {}

impl<D: Default> Context<D> {
    /// Accepts a request that was [deferred](crate::event_loop::Decision::Later). What is sent from now on follows the
    /// acceptance; [`on_open`](crate::event_loop::Handler::on_open) is called after the current callback.
    ///
    /// # Errors
    ///
    /// If the request no longer waits, or the answer does not fit it.
    pub fn accept(&mut self, id: ConnId, acceptance: &Acceptance) -> Result<(), AnswerError> {
        let acceptance = self.request(id).map(|request| self.complete(acceptance.clone(), request));
        let acceptance = acceptance.ok_or(AnswerError::NotWaiting)?;
        let waiting = self.waiting(id)?;
        let (response, agreement) = waiting.request.accept(&acceptance).map_err(AnswerError::Unfit)?;
        waiting.answer = Some(Answer::Accept(agreement));
        self.queue_of(id.slot as usize).push(&response);
        self.agenda.decide(id.slot as usize, Verdict::Answer);
        Ok(())
    }

    /// Refuses a request that was [deferred](crate::event_loop::Decision::Later).
    ///
    /// # Errors
    ///
    /// If the request no longer waits.
    pub fn refuse(&mut self, id: ConnId, refusal: Refusal) -> Result<(), AnswerError> {
        self.waiting(id)?.answer = Some(Answer::Refuse(refusal));
        self.agenda.decide(id.slot as usize, Verdict::Answer);
        Ok(())
    }

    /// Returns the request of a connection that waits for its answer.
    pub fn request(&self, id: ConnId) -> Option<&Request> {
        match &self.peer(id)?.stage {
            Stage::Waiting(waiting) => Some(&waiting.request),
            _ => None,
        }
    }

    /// Completes an acceptance with the answer to an offer of permessage-deflate, unless the handler has given one.
    pub(in crate::event_loop) fn complete(
        &self,
        mut acceptance: Acceptance,
        request: &Request,
    ) -> Acceptance {
        let answer = deflate::answer(self.settings.connection.deflate, request.extensions());
        if let Some(answer) = answer
            && !acceptance.extensions.iter().any(|extension| extension.name() == answer.name())
        {
            acceptance.extensions.push(answer);
        }
        acceptance
    }

    fn waiting(&mut self, id: ConnId) -> Result<&mut Waiting, AnswerError> {
        if self.peer(id).is_some() && self.agenda.is_decided(id.slot as usize) {
            return Err(AnswerError::NotWaiting);
        }
        let peer = self.peers.get_mut(id.slot as usize).filter(|peer| peer.generation == id.generation);
        match peer {
            Some(Peer { stage: Stage::Waiting(waiting), .. }) if waiting.answer.is_none() => Ok(waiting),
            _ => Err(AnswerError::NotWaiting),
        }
    }
}
