//! What a terminal does with what is typed: to be put back as it was.

#[cfg(unix)]
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// The mode of the terminal that is stdin.
pub(super) struct Mode {
    #[cfg(unix)]
    termios: Termios,
}

#[cfg(unix)]
impl Mode {
    /// As it is now; `None` where stdin is no terminal.
    pub(super) fn now() -> Option<Self> {
        tcgetattr(std::io::stdin()).ok().map(|termios| Self { termios })
    }

    pub(super) fn restore(&self) {
        // Fails where the terminal is gone.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Drain, &self.termios);
    }
}

/// Elsewhere the console keeps a mode for each program.
#[cfg(not(unix))]
impl Mode {
    pub(super) fn now() -> Option<Self> {
        Some(Self {})
    }

    pub(super) fn restore(&self) {}
}
