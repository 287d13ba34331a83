//! Messages that are one frame and here whole, as nearly all are: the short way.

use super::Inbound;
use crate::connection::config::Delivery;
use crate::connection::outbound::Outbound;
#[cfg(feature = "event-loop")]
use crate::connection::send_queue::SendQueue;
use crate::error::ProtocolError;
use crate::frame::{DataKind, Rules};
use crate::message::Message;

impl Inbound {
    /// The next message, where it is one frame that is here whole, as nearly all are; else `None`, and nothing is
    /// taken: [`next_part`](Self::next_part) tells.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    #[inline(always)]
    pub(crate) fn whole_message<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        outbound: &mut Outbound,
    ) -> Result<Option<Message<'b>>, ProtocolError> {
        let Some((rules, longest)) = self.may_be_whole(outbound) else { return Ok(None) };
        match self.decoder.whole_message(input, &rules, longest) {
            Some((kind, payload)) => self.whole(kind, payload, outbound).map(Some),
            None => Ok(None),
        }
    }

    /// The same where it is so short that it is copied wherever it is sent.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    #[inline(always)]
    #[cfg(feature = "event-loop")]
    pub(crate) fn short_message<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        outbound: &mut Outbound,
    ) -> Result<Option<Message<'b>>, ProtocolError> {
        let Some((rules, longest)) = self.may_be_whole(outbound) else { return Ok(None) };
        match self.decoder.whole_message_below::<{ SendQueue::IN_PLACE_FROM }>(input, &rules, longest) {
            Some((kind, payload)) => self.whole(kind, payload, outbound).map(Some),
            None => Ok(None),
        }
    }

    /// The next message, where it is one frame that is whole in `buffer` from `at` on. What is before that has been taken, and
    /// the frame is moved there without its mask, so that it is [there to be sent](super::send_queue::SendQueue::offer) as it
    /// stands.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    #[inline]
    #[cfg(feature = "event-loop")]
    pub(crate) fn whole_message_at<'b>(
        &mut self,
        buffer: &'b mut [u8],
        at: &mut usize,
        outbound: &mut Outbound,
    ) -> Result<Option<Message<'b>>, ProtocolError> {
        let Some((rules, longest)) = self.may_be_whole(outbound) else { return Ok(None) };
        let Some(frame) = self.decoder.whole_frame::<{ usize::MAX }>(&buffer[*at..], &rules, longest) else {
            return Ok(None);
        };
        let payload = outbound.offer(&frame, buffer, *at);
        *at += frame.head + frame.len;
        self.whole(frame.kind, &buffer[payload], outbound).map(Some)
    }

    /// The rules for a message that is one frame, and its greatest length, where such a one may come.
    #[inline(always)]
    fn may_be_whole(&self, outbound: &Outbound) -> Option<(Rules, usize)> {
        let config = outbound.config();
        if self.is_over() || self.message_due || config.delivery != Delivery::Messages {
            return None;
        }
        let longest = self.assembler.longest_whole(&config.limits())?;
        Some((self.rules(outbound), longest))
    }

    #[inline(always)]
    fn whole<'b>(
        &mut self,
        kind: DataKind,
        payload: &'b [u8],
        outbound: &mut Outbound,
    ) -> Result<Message<'b>, ProtocolError> {
        self.assembler.whole(kind, payload).map_err(|error| self.fail(error, outbound))
    }
}
