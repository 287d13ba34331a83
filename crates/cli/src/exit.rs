//! How a command ends.

use std::process::ExitCode;

/// The end of a command, for scripts. Its numbers are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All went as it should.
    Done = 0,
    /// The peer failed, or ended the connection otherwise than by a normal close.
    PeerFailed = 1,
    /// What was asked for cannot be done. Also what clap exits with.
    Usage = 2,
    /// There is no connection: nobody listens there, or the upgrade was refused.
    NotConnected = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Behind the help of commands that end so.
pub(super) const EXIT_CODES: &str = "Exit codes: 0 done, 1 the peer failed or closed abnormally, \
2 the command line or the input is wrong, 3 no connection: nobody listens, or the server refused.";
