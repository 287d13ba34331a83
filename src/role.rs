//! Which side of the connection we are, and the few answers that differ by side.

/// Our side of a connection.
///
/// The two sides obey the same rules but for a handful of points. Each such point is a method here, so that the rest of
/// the crate never tests the side itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// We opened the connection.
    Client,
    /// We accepted the connection.
    Server,
}

impl Role {
    /// Returns whether frames that we send are masked (RFC 6455 §5.1: a client masks every frame).
    pub const fn masks(self) -> bool {
        matches!(self, Role::Client)
    }

    /// Returns whether frames that we receive must be masked (RFC 6455 §5.1).
    pub const fn peer_masks(self) -> bool {
        self.peer().masks()
    }

    /// Returns the other side.
    pub const fn peer(self) -> Role {
        match self {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        }
    }
}
