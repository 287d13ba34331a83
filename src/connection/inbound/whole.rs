//! A fast path for messages that are one frame and have arrived whole, as nearly all do.

use super::Inbound;
use crate::connection::config::Delivery;
use crate::connection::outbound::Outbound;
#[cfg(feature = "event-loop")]
use crate::connection::send_queue::SendQueue;
use crate::error::ProtocolError;
use crate::frame::{DataKind, Rules};
use crate::message::Message;

impl Inbound {
    /// Takes the next message if it is one frame that has arrived whole, as nearly all do. Otherwise returns `None` and
    /// takes nothing; use [`next_part`](Self::next_part) then.
    ///
    /// # Errors
    ///
    /// See [`next`](Self::next).
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

    /// Does what [`whole_message`](Self::whole_message) does, for messages so short that they are copied wherever they
    /// are sent.
    ///
    /// # Errors
    ///
    /// See [`next`](Self::next).
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

    /// Takes the next message if it is one frame that is whole in `buffer` from `at` on. The bytes before that have
    /// been taken, and the frame moves there without its mask, so that it can be [sent as it
    /// stands](crate::connection::send_queue::SendQueue::offer).
    ///
    /// # Errors
    ///
    /// See [`next`](Self::next).
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

    /// Returns the rules and the maximum length for a message that is one frame, if such a message may come.
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
