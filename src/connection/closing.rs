//! The closing handshake as one table (RFC 6455 §5.5.1, §7.1).
//!
//! Closing is two facts: whether we have sent a Close frame, and whether we have received one. Each half of the
//! connection owns its own. Only this table says what follows from them.

use super::inbound::Inbound;
use super::outbound::Outbound;
use crate::role::Role;

/// The next step towards the end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseStep {
    /// Nothing: the connection is open.
    None,
    /// Answer the peer's Close frame.
    EchoClose,
    /// Wait for the peer's Close frame, until the close deadline.
    AwaitClose,
    /// Send what is queued, then end our direction of the TCP connection and wait for the peer's end, until the close
    /// deadline. (If nothing is unread, closing the socket does both.)
    CloseTcp,
    /// Wait for the server to end the TCP connection, until the close deadline.
    AwaitEof,
}

/// Which Close frames have passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseFrames {
    /// None has been sent, in either direction.
    None,
    /// Ours has been sent or queued.
    Sent,
    /// The peer's has arrived.
    Received,
    /// Both.
    Both,
    /// We have failed the connection (§7.1.7), and nothing that arrives matters.
    Failed,
}

impl CloseFrames {
    /// Combines what both halves of a connection report.
    pub(super) fn of(inbound: &Inbound, outbound: &Outbound) -> Self {
        match (outbound.sent_close(), inbound.received_close()) {
            _ if outbound.has_failed() => CloseFrames::Failed,
            (true, true) => CloseFrames::Both,
            (true, false) => CloseFrames::Sent,
            (false, true) => CloseFrames::Received,
            (false, false) => CloseFrames::None,
        }
    }
}

/// Returns the step that follows from what both sides have done.
pub const fn close_step(role: Role, frames: CloseFrames) -> CloseStep {
    match (role, frames) {
        (_, CloseFrames::Failed) => CloseStep::CloseTcp, // §7.1.7: fail the connection
        (_, CloseFrames::None) => CloseStep::None,
        (_, CloseFrames::Received) => CloseStep::EchoClose, // §5.5.1: MUST send a Close frame in response
        (_, CloseFrames::Sent) => CloseStep::AwaitClose,    // §7.1.3
        (Role::Server, CloseFrames::Both) => CloseStep::CloseTcp, // §7.1.1: the server closes first
        (Role::Client, CloseFrames::Both) => CloseStep::AwaitEof, // §7.1.1: the client waits for the server
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_in_full() {
        for (frames, server, client) in [
            (CloseFrames::None, CloseStep::None, CloseStep::None),
            (CloseFrames::Received, CloseStep::EchoClose, CloseStep::EchoClose),
            (CloseFrames::Sent, CloseStep::AwaitClose, CloseStep::AwaitClose),
            (CloseFrames::Both, CloseStep::CloseTcp, CloseStep::AwaitEof),
            (CloseFrames::Failed, CloseStep::CloseTcp, CloseStep::CloseTcp),
        ] {
            assert_eq!(close_step(Role::Server, frames), server);
            assert_eq!(close_step(Role::Client, frames), client);
        }
    }
}
