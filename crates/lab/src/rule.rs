//! Rules, the sections that state them, and violations.

use std::fmt;

use bowsprit::error::Section;

/// A requirement in one sentence, with the sections that state it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The sections that state it: in most cases one.
    pub sections: Sections,
    /// The requirement.
    pub text: &'static str,
}

/// Sections of RFCs: `RFC 6455 §5.2, §7.1.7; RFC 1951 §3.2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sections(pub &'static [Section]);

impl Sections {
    /// Returns whether this text, as a person writes it, means one of the sections: an RFC (`7692`), a section or one
    /// that contains it (`5.5`), or both (`RFC 6455 §5.5`).
    pub fn meant_by(self, text: &str) -> bool {
        let text = text.replace("RFC", " ").replace('§', " ");
        let is_it = |section: &Section, word: &str| {
            let within = section.number.strip_prefix(word).is_some_and(|rest| rest.starts_with('.'));
            section.rfc.to_string() == word || section.number == word || within
        };
        self.0.iter().any(|section| text.split_whitespace().all(|word| is_it(section, word)))
    }
}

impl fmt::Display for Sections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        let mut last = None;
        for section in self.0 {
            match last {
                None => text.push_str(&section.to_string()),
                // The number of the RFC is written once.
                Some(rfc) if rfc == section.rfc => {
                    text.push_str(", ");
                    text.push_str(&format!("{section:#}"));
                }
                Some(_) => {
                    text.push_str("; ");
                    text.push_str(&section.to_string());
                }
            }
            last = Some(section.rfc);
        }
        f.pad(&text)
    }
}

/// A rule that the peer broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What the peer did, in a sentence without the full stop.
    pub what: String,
    /// The section that states the rule.
    pub section: Section,
}

impl Violation {
    /// Creates a violation from the section that states the rule and what the peer did.
    pub fn new(section: Section, what: impl Into<String>) -> Self {
        Self { what: what.into(), section }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}).", self.what, self.section)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: Sections =
        Sections(&[Section::rfc6455("5.2"), Section::rfc6455("7.1.7"), Section::new(1951, "3.2").item("2")]);

    #[test]
    fn the_number_of_an_rfc_is_said_once() {
        assert_eq!(MANY.to_string(), "RFC 6455 §5.2, §7.1.7; RFC 1951 §3.2 item 2");
        let violation = Violation::new(Section::rfc7692("6.1"), "RSV1 is set");
        assert_eq!(violation.to_string(), "RSV1 is set (RFC 7692 §6.1).");
    }

    #[test]
    fn people_mean_sections_in_many_ways() {
        for (text, meant) in [
            ("5.2", true),
            ("7.1", true),
            ("7.1.7", true),
            ("7", true),
            ("6455", true),
            ("RFC 6455 §5.2", true),
            ("6455 5.2", true),
            ("1951", true),
            ("RFC1951 §3.2", true),
            ("1951 5.2", false),
            ("5", true),
            ("7.1.77", false),
            ("7.11", false),
            ("5.99", false),
            ("7692", false),
        ] {
            assert_eq!(MANY.meant_by(text), meant, "{text}");
        }
    }
}
