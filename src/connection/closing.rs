//! The closing handshake as one table (RFC 6455 §5.5.1, §7.1).
//!
//! Closing is two facts: whether we have sent a Close frame, and whether we have received one. Each half of the
//! connection owns its own. What follows from them stands here, and nowhere else.

use crate::role::Role;

/// What is to be done next towards the end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseStep {
    /// Nothing: the connection is open.
    None,
    /// Answer the peer's Close frame.
    EchoClose,
    /// Wait for the peer's Close frame, until the close deadline.
    AwaitClose,
    /// Send what is queued, then end our direction of the TCP connection and wait for the peer's end, until the
    /// close deadline. (Where nothing is unread, closing the socket does both.)
    CloseTcp,
    /// Wait for the server to end the TCP connection, until the close deadline.
    AwaitEof,
}

/// The step that follows from what both sides have done.
pub const fn close_step(role: Role, failed: bool, sent: bool, received: bool) -> CloseStep {
    match (role, failed, sent, received) {
        (_, true, _, _) => CloseStep::CloseTcp, // §7.1.7: fail the connection
        (_, false, false, false) => CloseStep::None,
        (_, false, false, true) => CloseStep::EchoClose, // §5.5.1: MUST send a Close frame in response
        (_, false, true, false) => CloseStep::AwaitClose, // §7.1.3
        (Role::Server, false, true, true) => CloseStep::CloseTcp, // §7.1.1: the server closes first
        (Role::Client, false, true, true) => CloseStep::AwaitEof, // §7.1.1: the client waits for the server
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_in_full() {
        use CloseStep::*;
        for (sent, received, server, client) in [
            (false, false, None, None),
            (false, true, EchoClose, EchoClose),
            (true, false, AwaitClose, AwaitClose),
            (true, true, CloseTcp, AwaitEof),
        ] {
            assert_eq!(close_step(Role::Server, false, sent, received), server);
            assert_eq!(close_step(Role::Client, false, sent, received), client);
            assert_eq!(close_step(Role::Server, true, sent, received), CloseTcp);
            assert_eq!(close_step(Role::Client, true, sent, received), CloseTcp);
        }
    }
}
