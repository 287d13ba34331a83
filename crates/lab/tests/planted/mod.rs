//! The faults, one table for each part of the RFCs.

mod extensions;
mod frames;
mod requests;
mod responses;

pub(crate) use extensions::{ANSWERS, COMPRESSION, OFFERS};
pub(crate) use frames::FRAMES;
pub(crate) use requests::REQUESTS;
pub(crate) use responses::RESPONSES;

use bowsprit_lab::Subject;

use crate::memory::twist::Twist;

/// A fault, whose it is, and the rules that break with it, each by a case that is about it.
pub(crate) type Row = (&'static str, Subject, Twist, &'static [&'static str]);

/// All of them.
pub(crate) const TABLES: [&[Row]; 6] = [FRAMES, REQUESTS, RESPONSES, OFFERS, ANSWERS, COMPRESSION];
