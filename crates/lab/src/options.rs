//! What can be set for a whole run.

use std::time::Duration;

use super::case::Echo;

/// How cases are played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Masking keys and nonces follow from it.
    pub seed: u64,
    /// How much time may be spent.
    pub effort: Effort,
    /// Replaces the patience of every case.
    pub patience: Option<Duration>,
    /// The server speaks first: so many messages, which are no part of any case.
    pub greetings: u32,
}

/// How much time a run may spend on what is long by nature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// At most a hundred messages and 32 KiB for each echo run; waits are halved.
    Quick,
    /// At most 250 messages and 256 KiB for each echo run.
    Normal,
    /// Every message of every case.
    Full,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 1, effort: Effort::Normal, patience: None, greetings: 0 }
    }
}

impl Effort {
    /// How many messages of an echo run are sent; never fewer than four.
    pub(super) fn messages(self, echo: &Echo) -> u32 {
        let (most, bytes) = match self {
            Effort::Quick => (100, 32 << 10),
            Effort::Normal => (250, 256 << 10),
            Effort::Full => return echo.count,
        };
        let enough = u32::try_from(bytes / echo.size.max(1)).unwrap_or(most);
        echo.count.min(enough.clamp(4, most))
    }

    /// How long a wait of a script takes.
    pub(super) fn wait(self, millis: u16) -> Duration {
        let wait = Duration::from_millis(millis.into());
        if self == Effort::Quick { wait / 2 } else { wait }
    }
}
