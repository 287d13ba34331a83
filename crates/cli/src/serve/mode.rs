//! Where messages go, and how much is logged.

use std::str::FromStr;

#[cfg(unix)]
use super::bridge::Target;

/// Where messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Messages go back to the sender.
    Echo,
    /// Messages go to all others.
    Relay,
    /// Messages go to all, including the sender.
    Broadcast,
    /// Messages go to stdout; what is typed goes to all.
    Console,
    /// Each connection has a far end.
    #[cfg(unix)]
    Bridge(Target),
}

impl Mode {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Relay => "relay",
            Self::Broadcast => "broadcast",
            Self::Console => "console",
            #[cfg(unix)]
            Self::Bridge(_) => "bridge",
        }
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        for mode in [Self::Echo, Self::Relay, Self::Broadcast, Self::Console] {
            if mode.name() == text {
                return Ok(mode);
            }
        }
        #[cfg(unix)]
        if let Some(target) = Target::parse(text) {
            return target.map(Self::Bridge);
        }
        Err(if cfg!(unix) {
            "use echo, relay, broadcast, console, tcp:HOST:PORT, unix:PATH or exec:COMMAND"
        } else {
            "use echo, relay, broadcast or console; a far end needs a Unix-like system"
        }
        .to_owned())
    }
}

/// How much is logged on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Talk {
    /// Only what prevents the server from serving.
    Quiet,
    /// Also refused clients, and what can be done about it.
    Normal,
    /// Also each connection.
    Verbose,
    /// Also the start of each message.
    Messages,
}
