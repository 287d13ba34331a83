//! How a run ends.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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

/// The first SIGINT or SIGTERM asks for an end with what there is so far; the second ends at once.
pub(super) fn asked_to_end() -> std::io::Result<Arc<AtomicBool>> {
    let asked = Arc::new(AtomicBool::new(false));
    #[cfg(unix)]
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, asked.clone())?;
        signal_hook::flag::register(signal, asked.clone())?;
    }
    Ok(asked)
}
