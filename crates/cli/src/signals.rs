//! SIGINT and SIGTERM: the first asks for an orderly end, the second ends the process at once. SIGHUP asks for files to
//! be read again, for commands that use it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
#[cfg(unix)]
use std::sync::atomic::Ordering;

use mio::{Registry, Token};

/// Returns a flag that the first SIGINT or SIGTERM sets, for callers that poll it; the second ends the process.
pub(super) fn asked_to_end() -> io::Result<Arc<AtomicBool>> {
    let asked = Arc::new(AtomicBool::new(false));
    #[cfg(unix)]
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // In this order, the first signal finds the flag unset and the second finds it set. The handler acts even while
        // we wait for somebody to read our stdout.
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, asked.clone())?;
        signal_hook::flag::register(signal, asked.clone())?;
    }
    Ok(asked)
}

/// The signals as a mio source.
#[derive(Debug)]
pub(super) struct Signals {
    #[cfg(unix)]
    unix: Unix,
}

/// What signals have asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) end: bool,
    pub(super) reload: bool,
}

#[cfg(unix)]
#[derive(Debug)]
struct Unix {
    pipe: mio::net::UnixStream,
    /// The pipe that signals write to.
    end: std::os::unix::net::UnixStream,
    asked_to_end: Arc<AtomicBool>,
    asked_to_reload: Arc<AtomicBool>,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        use std::os::unix::net::UnixStream;

        use signal_hook::consts::{SIGINT, SIGTERM};

        let (pipe, end) = UnixStream::pair()?;
        pipe.set_nonblocking(true)?;
        let mut pipe = mio::net::UnixStream::from_std(pipe);
        registry.register(&mut pipe, token, mio::Interest::READABLE)?;
        let asked = asked_to_end()?;
        for signal in [SIGINT, SIGTERM] {
            signal_hook::low_level::pipe::register(signal, end.try_clone()?)?;
        }
        Ok(Self { unix: Unix { pipe, end, asked_to_end: asked, asked_to_reload: Arc::default() } })
    }

    /// From now on, SIGHUP is [`Asked::reload`] and does not end the process.
    pub(super) fn catch_hangup(&self) -> io::Result<()> {
        use signal_hook::consts::SIGHUP;

        signal_hook::flag::register(SIGHUP, self.unix.asked_to_reload.clone())?;
        signal_hook::low_level::pipe::register(SIGHUP, self.unix.end.try_clone()?)?;
        Ok(())
    }

    /// From now on, SIGCHLD is an event and sets this flag.
    pub(super) fn catch_children(&self) -> io::Result<Arc<AtomicBool>> {
        use signal_hook::consts::SIGCHLD;

        let ended = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGCHLD, ended.clone())?;
        signal_hook::low_level::pipe::register(SIGCHLD, self.unix.end.try_clone()?)?;
        Ok(ended)
    }

    /// Takes the signals that have come, so that the next one is a new event.
    pub(super) fn take(&mut self) -> Asked {
        use std::io::Read as _;
        let mut bytes = [0; 16];
        loop {
            match self.unix.pipe.read(&mut bytes) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
            }
        }
        Asked {
            // The flag stays set, because the second signal ends the process.
            end: self.unix.asked_to_end.load(Ordering::SeqCst),
            reload: self.unix.asked_to_reload.swap(false, Ordering::SeqCst),
        }
    }
}

/// On other systems, the system ends the process.
#[cfg(not(unix))]
impl Signals {
    pub(super) fn new(_: &Registry, _: Token) -> io::Result<Self> {
        Ok(Self {})
    }

    pub(super) fn catch_hangup(&self) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn take(&mut self) -> Asked {
        Asked::default()
    }
}
