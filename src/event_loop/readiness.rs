//! What a source is ready for, without an event of mio.

use mio::event::Event;

/// What a socket is ready for. [`Engine::ready`](super::Engine::ready) takes it if there is no `mio::Poll`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Readiness {
    /// There may be something to read.
    pub readable: bool,
    /// There may be room to write.
    pub writable: bool,
    /// The peer has ended its direction.
    pub read_closed: bool,
    /// The socket has failed; reading returns the error.
    pub error: bool,
}

impl Readiness {
    /// Something to read.
    pub const READABLE: Self = Self { readable: true, writable: false, read_closed: false, error: false };
    /// Room to write.
    pub const WRITABLE: Self = Self { readable: false, writable: true, read_closed: false, error: false };
}

impl From<&Event> for Readiness {
    #[inline]
    fn from(event: &Event) -> Self {
        Self {
            readable: event.is_readable(),
            writable: event.is_writable(),
            read_closed: event.is_read_closed(),
            error: event.is_error(),
        }
    }
}
