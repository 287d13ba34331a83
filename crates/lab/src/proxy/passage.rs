//! The verdict on a case: what a proxy did with what was sent.

use std::fmt;

/// What a proxy did with what it was given, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Passage {
    /// It came out as it was sent, in everything that the case is about.
    Transparent,
    /// What was wrong came out right.
    Repaired,
    /// It came out changed, or later.
    Altered,
    /// The proxy answered itself or ended the connection, and did not forward it.
    Refused,
    /// It did not come out, in whole or in part, and nobody was told.
    Lost,
    /// Something came out that must not: something that the other side never sent, or that a rule tells the proxy to
    /// stop.
    Unsafe,
    /// The proxy accepted no more connections, or answered nobody.
    Gone,
    /// The case does not apply to the transport that the proxy is reached over.
    NotApplicable,
    /// The case was not played, for a reason that is not its own.
    NotPlayed,
}

impl Passage {
    /// Returns the name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Passage::Transparent => "TRANSPARENT",
            Passage::Repaired => "REPAIRED",
            Passage::Altered => "ALTERED",
            Passage::Refused => "REFUSED",
            Passage::Lost => "LOST",
            Passage::Unsafe => "UNSAFE",
            Passage::Gone => "CRASHED",
            Passage::NotApplicable => "NOT APPLICABLE",
            Passage::NotPlayed => "NOT PLAYED",
        }
    }
}

impl fmt::Display for Passage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
