//! The input mode of a terminal, so that it can be restored.

#[cfg(unix)]
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// The mode of the terminal that is stdin.
pub(super) struct Mode {
    #[cfg(unix)]
    termios: Termios,
}

#[cfg(unix)]
impl Mode {
    /// Returns the current mode; `None` if stdin is not a terminal.
    pub(super) fn now() -> Option<Self> {
        tcgetattr(std::io::stdin()).ok().map(|termios| Self { termios })
    }

    pub(super) fn restore(&self) {
        // This fails if the terminal is gone.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Drain, &self.termios);
    }
}

/// On other systems the console keeps a mode for each program.
#[cfg(not(unix))]
impl Mode {
    pub(super) fn now() -> Option<Self> {
        Some(Self {})
    }

    pub(super) fn restore(&self) {}
}
