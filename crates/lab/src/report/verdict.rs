//! How verdicts are written and shown. A new verdict needs a new row in each of these tables.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::judge::{Behaviour, CloseBehaviour};

/// How a verdict looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tone {
    Good,
    Odd,
    Noted,
    /// It says nothing about the peer: there is nothing to examine.
    Absent,
    /// It says nothing about the peer: something stood in front of it.
    Unreached,
    /// It says nothing about the peer: there was no examination.
    Unplayed,
    Bad,
}

/// Returns how a verdict on the behaviour looks.
pub(super) const fn tone(behaviour: Behaviour) -> Tone {
    match behaviour {
        Behaviour::Ok | Behaviour::Transparent => Tone::Good,
        Behaviour::NonStrict | Behaviour::Muddled | Behaviour::Repaired | Behaviour::Altered => Tone::Odd,
        Behaviour::Informational => Tone::Noted,
        Behaviour::Unimplemented | Behaviour::NotApplicable => Tone::Absent,
        Behaviour::NotReached => Tone::Unreached,
        Behaviour::NotPlayed => Tone::Unplayed,
        Behaviour::Failed
        | Behaviour::Late
        | Behaviour::Refused
        | Behaviour::Hung
        | Behaviour::Crashed
        | Behaviour::Lost
        | Behaviour::Unsafe => Tone::Bad,
    }
}

/// Returns the heading of the verdict's column in a table.
pub(super) const fn column(behaviour: Behaviour) -> &'static str {
    match behaviour {
        Behaviour::Informational => "INFO",
        Behaviour::Unimplemented => "UNIMPL.",
        Behaviour::NotApplicable => "N/A",
        other => other.name(),
    }
}

/// Returns all verdicts on the behaviour, from right to wrong.
pub fn behaviours() -> impl Iterator<Item = Behaviour> {
    const fn after(behaviour: Option<Behaviour>) -> Option<Behaviour> {
        match behaviour {
            None => Some(Behaviour::Ok),
            Some(Behaviour::Ok) => Some(Behaviour::Transparent),
            Some(Behaviour::Transparent) => Some(Behaviour::NonStrict),
            Some(Behaviour::NonStrict) => Some(Behaviour::Informational),
            Some(Behaviour::Informational) => Some(Behaviour::Unimplemented),
            Some(Behaviour::Unimplemented) => Some(Behaviour::Repaired),
            Some(Behaviour::Repaired) => Some(Behaviour::Altered),
            Some(Behaviour::Altered) => Some(Behaviour::Failed),
            Some(Behaviour::Failed) => Some(Behaviour::Late),
            Some(Behaviour::Late) => Some(Behaviour::Refused),
            Some(Behaviour::Refused) => Some(Behaviour::Lost),
            Some(Behaviour::Lost) => Some(Behaviour::Unsafe),
            Some(Behaviour::Unsafe) => Some(Behaviour::Hung),
            Some(Behaviour::Hung) => Some(Behaviour::Crashed),
            Some(Behaviour::Crashed) => Some(Behaviour::Muddled),
            Some(Behaviour::Muddled) => Some(Behaviour::NotReached),
            Some(Behaviour::NotReached) => Some(Behaviour::NotApplicable),
            Some(Behaviour::NotApplicable) => Some(Behaviour::NotPlayed),
            Some(Behaviour::NotPlayed) => None,
        }
    }
    std::iter::successors(after(None), |behaviour| after(Some(*behaviour)))
}

/// Returns all verdicts on the ending, from right to wrong.
pub fn closes() -> impl Iterator<Item = CloseBehaviour> {
    const fn after(close: Option<CloseBehaviour>) -> Option<CloseBehaviour> {
        use CloseBehaviour::*;
        match close {
            None => Some(Ok),
            Some(Ok) => Some(Informational),
            Some(Informational) => Some(FailedByClient),
            Some(FailedByClient) => Some(WrongCode),
            Some(WrongCode) => Some(Unclean),
            Some(Unclean) => Some(Failed),
            Some(Failed) => None,
        }
    }
    std::iter::successors(after(None), |close| after(Some(*close)))
}

impl Serialize for Behaviour {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Behaviour {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        let named = behaviours().find(|behaviour| behaviour.name() == name);
        named.ok_or_else(|| serde::de::Error::custom(format_args!("{name:?} is no verdict on a behaviour")))
    }
}

impl Serialize for CloseBehaviour {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for CloseBehaviour {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        let named = closes().find(|close| close.name() == name);
        named.ok_or_else(|| serde::de::Error::custom(format_args!("{name:?} is no verdict on an ending")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_is_read_back() {
        assert!(behaviours().count() >= 5 && closes().count() >= 6);
        for behaviour in behaviours() {
            let text = serde_json::to_string(&behaviour).unwrap();
            assert_eq!(serde_json::from_str::<Behaviour>(&text).unwrap(), behaviour);
        }
        for close in closes() {
            let text = serde_json::to_string(&close).unwrap();
            assert_eq!(serde_json::from_str::<CloseBehaviour>(&text).unwrap(), close);
        }
        assert!(serde_json::from_str::<Behaviour>("\"FINE\"").is_err());
    }
}
