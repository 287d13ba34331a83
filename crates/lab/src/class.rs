//! How right an outcome is, for every kind of case.

/// How right an outcome is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// What the rule asks for.
    Ok,
    /// Within the rule, against a recommendation.
    NonStrict,
    /// Neither right nor wrong.
    Informational,
}
