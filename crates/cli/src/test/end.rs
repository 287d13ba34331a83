//! How a run ends.

use std::process::ExitCode;

/// The exit code if the peer could not be reached.
pub(super) const UNREACHABLE: u8 = 3;

/// The exit code of a run. The numbers are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Everything required has passed.
    Passed = 0,
    /// Not everything was played.
    Incomplete = 4,
    /// Something required has failed, or the peer has crashed or hangs.
    Failed = 1,
}

impl From<End> for ExitCode {
    fn from(end: End) -> Self {
        ExitCode::from(end as u8)
    }
}
