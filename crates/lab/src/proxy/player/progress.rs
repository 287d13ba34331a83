//! The progress of a step that has several parts.

use std::time::Duration;

use super::super::case::Side;

/// The progress of a step that has several parts.
#[derive(Clone, Debug, Default)]
pub(super) struct StepProgress {
    /// How many parts are done.
    pub(super) done: u32,
    /// The direction of the part that is under way.
    pub(super) under_way: Option<Side>,
    /// When the part began.
    pub(super) since: Duration,
    /// How long each part took.
    pub(super) times: Vec<Duration>,
    /// How many bytes were written at the last check.
    pub(super) written: u64,
    /// How many bytes had come out at that time, and when that number last grew.
    pub(super) came: u64,
    pub(super) moved: Duration,
}
