//! What a proxy made of what was sent: the verdict on a case.

use std::fmt;

/// What a proxy made of what it was given, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Passage {
    /// It came out as it was sent, in all that the case is about.
    Transparent,
    /// What was wrong came out right.
    Repaired,
    /// It came out otherwise than it was sent, or later.
    Altered,
    /// The proxy answered itself, or ended the connection, and did not pass it on.
    Refused,
    /// It did not come out, wholly or in part, and nobody was told.
    Lost,
    /// Something came out that must not: what the other side never sent, or what a rule tells the proxy to stop.
    Unsafe,
    /// The proxy took no connection any more, or answered nobody.
    Gone,
    /// Over what it is reached by there is nothing to play.
    NotApplicable,
    /// It was not played, for a reason that is not its own.
    NotPlayed,
}

impl Passage {
    /// The name in reports.
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
