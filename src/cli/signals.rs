//! SIGINT and SIGTERM: the first asks for an orderly end, the second ends at once.

use std::io;

use mio::{Registry, Token};

/// The signals as a mio source.
#[derive(Debug)]
pub(super) struct Signals {
    #[cfg(unix)]
    pipe: mio::net::UnixStream,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        use std::os::unix::net::UnixStream;
        use std::sync::Arc;
        use std::sync::atomic::AtomicBool;

        use signal_hook::consts::{SIGINT, SIGTERM};

        let (pipe, end) = UnixStream::pair()?;
        pipe.set_nonblocking(true)?;
        let mut pipe = mio::net::UnixStream::from_std(pipe);
        registry.register(&mut pipe, token, mio::Interest::READABLE)?;
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag down, the second finds it up. What the handler does is
            // done even while we wait for somebody to read our stdout.
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, asked.clone())?;
            signal_hook::flag::register(signal, asked.clone())?;
            signal_hook::low_level::pipe::register(signal, end.try_clone()?)?;
        }
        Ok(Self { pipe })
    }

    /// Takes what has come, so that the next signal is a new event.
    pub(super) fn take(&mut self) {
        use std::io::Read as _;
        let mut octets = [0; 16];
        while matches!(self.pipe.read(&mut octets), Ok(1..)) {}
    }
}

/// Elsewhere the system ends the process.
#[cfg(not(unix))]
impl Signals {
    pub(super) fn new(_: &Registry, _: Token) -> io::Result<Self> {
        Ok(Self {})
    }

    pub(super) fn take(&mut self) {}
}
