//! What is played with clients, and what is reported about it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::case::Case;
use crate::options::Options;
use crate::player::Record;

/// What to play with the clients that come.
#[derive(Clone, Debug)]
pub struct Exam {
    /// The cases, numbered from 1 in this order.
    pub cases: Vec<&'static Case>,
    /// How the cases are played.
    pub options: Options,
    /// Ends the exam when nothing happens for this long.
    pub idle: Option<Duration>,
    /// Ends the exam when it is set.
    pub interrupt: Arc<AtomicBool>,
}

impl Exam {
    /// Creates an exam of these cases, numbered from 1 in this order, without an idle limit.
    pub fn new(cases: Vec<&'static Case>, options: Options) -> Self {
        Self { cases, options, idle: None, interrupt: Arc::default() }
    }
}

/// What happened at the listener.
#[derive(Debug)]
pub enum Notice {
    /// A case was played with this agent.
    Played(String, Box<Record>),
    /// The agent asked for its report, so it has played all that it wants to.
    Finished(String),
    /// A page of this origin was refused.
    Refused(String),
    /// Nobody is being served at the moment; this is reported several times a second.
    Quiet,
}

/// Whether to go on listening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Keep listening.
    Listen,
    /// Let the clients that are being served finish, then end.
    End,
}
