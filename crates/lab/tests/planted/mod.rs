//! The faults, one table for each part of the RFCs.

#![allow(dead_code, unused_imports, reason = "each test binary uses its part")]

mod extensions;
mod frames;
mod requests;
mod responses;
mod wide;

pub(crate) use extensions::{ANSWERS, COMPRESSION, OFFERS};
pub(crate) use frames::FRAMES;
pub(crate) use requests::REQUESTS;
pub(crate) use responses::RESPONSES;
pub(crate) use wide::WIDE;

use bowsprit::error::Section;
use bowsprit_lab::{Case, Subject, cases};

use crate::memory::twist::Twist;

/// A fault, the side that has it, and the rules that it breaks, each by a case about it.
pub(crate) type Row = (&'static str, Subject, Twist, &'static [&'static str]);

/// All of them.
pub(crate) const TABLES: [&[Row]; 6] = [FRAMES, REQUESTS, RESPONSES, OFFERS, ANSWERS, COMPRESSION];

/// Returns whether an explanation that names this section is about the rule of a case, or about one that the fault
/// breaks. One of the two sections may be a part of the other.
pub(crate) fn speaks_of(section: Section, case: &Case, expected: &[&str]) -> bool {
    let holds = |whole: &str, part: &str| {
        part.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let is_it = |rule: &Section| {
        section.rfc == rule.rfc && (holds(rule.number, section.number) || holds(section.number, rule.number))
    };
    let broken = expected.iter().filter_map(|id| cases::find(id));
    broken.chain([case]).any(|case| case.rule.sections.0.iter().any(is_it))
}
