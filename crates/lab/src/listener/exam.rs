//! What is played with clients, and what is told of it.

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
    /// How to play them.
    pub options: Options,
    /// Ends the exam when nothing happens for so long.
    pub idle: Option<Duration>,
    /// Set from elsewhere, it ends the exam.
    pub interrupt: Arc<AtomicBool>,
}

impl Exam {
    /// These cases, numbered from 1 in this order; whoever runs it ends it.
    pub fn new(cases: Vec<&'static Case>, options: Options) -> Self {
        Self { cases, options, idle: None, interrupt: Arc::default() }
    }
}

/// What happened at the listener.
#[derive(Debug)]
pub enum Notice {
    /// A case was played with this agent.
    Played(String, Box<Record>),
    /// The agent asked for its report: it has played all it wants to.
    Finished(String),
    /// A page of this origin may not take part, and was refused.
    Refused(String),
    /// Nobody is being served just now; told several times a second.
    Quiet,
}

/// Whether to go on listening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Go on.
    Listen,
    /// Let those that are being served finish, and end.
    End,
}
