//! What only drivers call that keep the halves of a connection apart, as [`event_loop`](crate::event_loop) and
//! [`blocking`](crate::blocking) do: the methods of [`Connection`](super::Connection), for its parts.

use super::closing::{self, CloseFrames, CloseStep};
use super::deadlines::{Deadlines, Due};
use super::inbound::Inbound;
use super::outbound::Outbound;
use super::outcome::{CloseFrame, Outcome};
use crate::close::{CloseCode, CloseReason};
use crate::time::Instant;

/// [`Connection::close_step`](super::Connection::close_step).
pub(crate) fn close_step(inbound: &Inbound, outbound: &Outbound) -> CloseStep {
    closing::close_step(outbound.role(), CloseFrames::of(inbound, outbound))
}

/// [`Connection::outcome`](super::Connection::outcome).
pub(crate) fn outcome(inbound: &Inbound, outbound: &Outbound) -> Outcome {
    Outcome {
        received: CloseFrame::of(inbound.received_close(), inbound.close_received()),
        sent: CloseFrame::of(outbound.sent_close(), outbound.close_sent()),
        error: inbound.error(),
    }
}

/// [`Connection::handle_timeout`](super::Connection::handle_timeout).
pub(crate) fn expire(deadlines: &mut Deadlines, outbound: &mut Outbound, now: Instant) -> Option<Due> {
    expire_with(deadlines, outbound, now, b"")
}

/// The same; a Ping that is due carries `ping`.
pub(crate) fn expire_with(
    deadlines: &mut Deadlines,
    outbound: &mut Outbound,
    now: Instant,
    ping: &[u8],
) -> Option<Due> {
    let due = deadlines.expire(now, outbound.config())?;
    let reason = match due {
        Due::Ping => {
            // Refused only while closing, and then no Ping is due.
            let _ = outbound.ping(ping);
            return None;
        }
        Due::Idle => "idle for too long",
        Due::Dead => "no answer to a Ping",
        Due::Stalled => "nothing of the message for too long",
        Due::CloseTimeout => return Some(due),
    };
    let code = if due == Due::Stalled { CloseCode::POLICY } else { CloseCode::GOING_AWAY };
    outbound.fail(CloseReason { code, reason });
    deadlines.closing(now);
    Some(due)
}
