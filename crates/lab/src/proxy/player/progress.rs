//! How far a step of several parts is.

use std::time::Duration;

use super::super::case::Side;

/// Where a step of several parts stands.
#[derive(Clone, Debug, Default)]
pub(super) struct StepProgress {
    /// Parts that are done.
    pub(super) done: u32,
    /// A part is under way, in this direction.
    pub(super) under_way: Option<Side>,
    /// When the part began.
    pub(super) since: Duration,
    /// What the parts took.
    pub(super) times: Vec<Duration>,
    /// Bytes written when somebody last looked.
    pub(super) written: u64,
    /// Bytes that had come out then, and when that grew last.
    pub(super) came: u64,
    pub(super) moved: Duration,
}
