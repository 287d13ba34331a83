//! How a command ends.

use std::process::ExitCode;

/// The exit code of a command. The numbers are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything went as it should.
    Done = 0,
    /// The peer failed, or ended the connection in another way than by a normal close.
    PeerFailed = 1,
    /// The request cannot be carried out. clap also exits with this.
    Usage = 2,
    /// There is no connection: nobody listens, or the upgrade was refused.
    NotConnected = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Shown after the help of commands with these exit codes.
pub(super) const EXIT_CODES: &str = "Exit codes: 0 done, 1 the peer failed or closed abnormally, \
2 the command line or the input is wrong, 3 no connection: nobody listens, or the server refused.";
