//! How a run ends.

use std::process::ExitCode;

/// Exit status where the peer could not be reached.
pub(super) const UNREACHABLE: u8 = 3;

/// How a run ends. Its numbers are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// What was required has passed.
    Passed = 0,
    /// It was not all played.
    Incomplete = 4,
    /// Something required has failed, or the peer has crashed or hangs.
    Failed = 1,
}

impl From<End> for ExitCode {
    fn from(end: End) -> Self {
        ExitCode::from(end as u8)
    }
}
