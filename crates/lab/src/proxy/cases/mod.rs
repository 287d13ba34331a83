//! Every case for a proxy, one file for each family.

use super::case::Case;

mod answer;
mod early;
mod end;
mod request;
mod safety;
mod tunnel;

/// Returns all cases in the order in which they are listed.
pub fn all() -> impl Iterator<Item = &'static Case> + Clone {
    [request::CASES, answer::CASES, early::CASES, tunnel::CASES, end::CASES, safety::CASES]
        .into_iter()
        .flatten()
}

/// Returns what a family of cases is about.
pub fn theme(family: &str) -> &'static str {
    THEMES.iter().find(|(this, _)| *this == family).map_or("", |(_, theme)| theme)
}

/// The families in order, each with what it is about.
pub const THEMES: &[(&str, &str)] = &[
    ("PRX-REQ", "the request"),
    ("PRX-ANS", "the answer"),
    ("PRX-ERL", "early data"),
    ("PRX-TUN", "the tunnel"),
    ("PRX-END", "the end"),
    ("PRX-SAF", "safety"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_every_case_says_what_it_is() {
        let mut ids = HashSet::new();
        for case in all() {
            assert!(ids.insert(case.id), "{} twice", case.id);
            assert!(
                !case.title.is_empty() && !case.rule.text.is_empty() && !case.script.is_empty(),
                "{}",
                case.id
            );
            assert!(!case.rule.sections.0.is_empty() && !theme(case.family()).is_empty(), "{}", case.id);
            assert!(case.copies > 0 && case.patience > 0, "{}", case.id);
        }
        assert!(ids.len() >= 70, "{}", ids.len());
        assert!(THEMES.iter().all(|(family, _)| all().any(|case| case.family() == *family)));
    }
}
