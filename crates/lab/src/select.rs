//! Which cases are played: by id, glob, group, section, level, role and tag.

use super::case::{Case, Level, Subject};
use super::options::Carrier;
use super::rule::Sections;
use super::{cases, proxy};
use crate::counted;

/// A selection of cases. Empty lists select everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Ids or globs; `*` stands for any bytes, `?` for one. A group such as `6.2` selects all its cases.
    pub patterns: Vec<String>,
    /// Ids or globs of cases that are left out.
    pub exclude: Vec<String>,
    /// Parts of section names: `5.1`, `7692`.
    pub sections: Vec<String>,
    /// Levels.
    pub levels: Vec<Level>,
    /// Tags, at least one of which a case must have.
    pub tags: Vec<String>,
    /// Tags that a case must not have, unless the case is named.
    pub without_tags: Vec<String>,
    /// Leave out heavy and slow cases.
    pub quick: bool,
    /// Include cases that wait for the peer's own timeouts.
    pub slow: bool,
    /// What the cases are played over. If [`Subject::Both`] is asked for, nothing is played and this does not restrict
    /// the selection.
    pub carrier: Carrier,
}

/// The tag of cases that run only when asked for.
const SLOW: &str = "slow";
/// The heavy cases that `--quick` keeps: a small one of each kind.
const QUICK_HEAVY: &[&str] = &["9.1.1", "9.2.1", "9.3.4", "9.4.4", "9.5.6", "9.6.6", "9.7.1", "9.8.1"];

impl Selection {
    /// Returns the selected cases that examine this side, in the order of the catalogue.
    ///
    /// # Errors
    ///
    /// Returns the first pattern that matches no case, or says that no case fits everything that is asked for.
    pub fn choose(&self, subject: Subject) -> Result<Vec<&'static Case>, String> {
        // If nothing is played, the carrier does not matter.
        let carried = |case: &Case| subject == Subject::Both || self.carrier.carries(case);
        let examines = |case: &Case| case.examines(subject) && carried(case);
        self.choose_from(cases::all(), examines, &subject.to_string())
    }

    /// Returns the selected cases for proxies, in the order of their catalogue.
    ///
    /// # Errors
    ///
    /// Fails as [`choose`](Self::choose) does.
    pub fn choose_for_proxies(&self) -> Result<Vec<&'static proxy::Case>, String> {
        self.choose_from(proxy::cases::all(), |_| true, "proxies")
    }

    fn choose_from<C: Listed>(
        &self,
        all: impl Iterator<Item = &'static C> + Clone,
        examines: impl Fn(&C) -> bool,
        subject: &str,
    ) -> Result<Vec<&'static C>, String> {
        for pattern in self.patterns.iter().chain(&self.exclude) {
            if !all.clone().any(|case| fits(pattern, case)) {
                let sections = all.clone().filter(|case| case.sections().meant_by(pattern)).count();
                let hint = if sections > 0 {
                    format!(", but --section {pattern} selects {}", counted(sections, "case"))
                } else {
                    String::new()
                };
                return Err(format!("no case fits \"{pattern}\"{hint}; --list tells which there are"));
            }
        }
        for tag in &self.tags {
            if !all.clone().any(|case| case.has_tag(tag)) {
                return Err(format!("no case bears the tag \"{tag}\""));
            }
        }
        let chosen: Vec<_> = all.filter(|case| examines(case) && self.has(*case)).collect();
        if chosen.is_empty() {
            return Err(format!("no case for {subject} fits all that is asked for"));
        }
        Ok(chosen)
    }

    fn has(&self, case: &impl Listed) -> bool {
        let any = |list: &[String], fit: &dyn Fn(&str) -> bool| {
            list.is_empty() || list.iter().any(|item| fit(item))
        };
        let named = self.patterns.iter().any(|pattern| pattern.eq_ignore_ascii_case(case.id()));
        any(&self.patterns, &|pattern| fits(pattern, case))
            && !self.exclude.iter().any(|pattern| fits(pattern, case))
            && any(&self.sections, &|section| case.sections().meant_by(section))
            && (self.levels.is_empty() || self.levels.contains(&case.level()))
            && any(&self.tags, &|tag| case.has_tag(tag))
            && (named || !self.without_tags.iter().any(|tag| case.has_tag(tag)))
            && (named || self.slow || !case.has_tag(SLOW))
            && (named || !self.quick || is_quick(case))
    }
}

/// What cases are selected by.
trait Listed {
    fn id(&self) -> &'static str;
    fn sections(&self) -> Sections;
    fn level(&self) -> Level;
    fn tags(&self) -> &'static [&'static str];

    fn has_tag(&self, tag: &str) -> bool {
        self.tags().contains(&tag)
    }
}

macro_rules! listed {
    ($($case:ty),*) => {$(
        impl Listed for $case {
            fn id(&self) -> &'static str {
                self.id
            }
            fn sections(&self) -> Sections {
                self.rule.sections
            }
            fn level(&self) -> Level {
                self.level
            }
            fn tags(&self) -> &'static [&'static str] {
                self.tags
            }
        }
    )*};
}

listed!(Case, proxy::Case);

fn is_quick(case: &impl Listed) -> bool {
    if case.has_tag("deflate") && case.has_tag("heavy") {
        // One message size without fragments and one with fragments, of each group.
        return case.id().ends_with(".3") || case.id().ends_with(".11");
    }
    !case.has_tag("heavy") || QUICK_HEAVY.contains(&case.id())
}

fn fits(pattern: &str, case: &impl Listed) -> bool {
    let id = case.id().to_ascii_lowercase();
    let pattern = pattern.to_ascii_lowercase();
    let in_group = id.strip_prefix(pattern.as_str()).is_some_and(|rest| rest.starts_with(['.', '-']));
    in_group || glob(pattern.as_bytes(), id.as_bytes())
}

/// Matches a shell pattern with `*` and `?`, without recursion.
pub(super) fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, t) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(selection: Selection) -> usize {
        selection.choose(Subject::Server).unwrap().len()
    }

    fn with(patterns: &[&str]) -> Selection {
        Selection {
            patterns: patterns.iter().map(|pattern| pattern.to_string()).collect(),
            ..Selection::default()
        }
    }

    #[test]
    fn globs() {
        for (pattern, text, fit) in [
            ("*", "", true),
            ("6.*.1", "6.22.1", true),
            ("6.*.1", "6.22.10", false),
            ("?.1", "6.1", true),
            ("a*b*c", "aXbXbc", true),
            ("a*b*c", "aXc", false),
            ("", "a", false),
        ] {
            assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), fit, "{pattern} {text}");
        }
    }

    /// No heavy case is left out by default, not even the largest messages and the most compressed ones; `--quick`
    /// keeps some of each kind.
    #[test]
    fn what_is_heavy_is_played_by_default() {
        let heavy = |quick: bool, group: &str| {
            let selection = Selection { quick, ..with(&[group]) };
            let chosen = selection.choose(Subject::Server).unwrap();
            chosen.iter().filter(|case| case.has_tag("heavy")).count()
        };
        assert_eq!([heavy(false, "9"), heavy(false, "12"), heavy(false, "13")], [54, 90, 126]);
        assert_eq!([heavy(true, "9"), heavy(true, "12"), heavy(true, "13")], [8, 10, 14]);
        for id in ["9.1.6", "9.2.6", "9.3.1", "12.3.18", "13.7.18"] {
            assert!(with(&[]).choose(Subject::Server).unwrap().iter().any(|case| case.id == id), "{id}");
        }
    }

    #[test]
    fn ids_groups_and_sections_choose() {
        assert_eq!(count(with(&["6.4.1"])), 1);
        assert_eq!(count(with(&["6.4"])), 4);
        assert_eq!(count(with(&["1"])), 16);
        assert_eq!(count(Selection { tags: vec!["autobahn".into()], ..with(&[]) }), 517);
        assert!(with(&["99.*"]).choose(Subject::Server).is_err());
        let by_section =
            |section: &str| count(Selection { sections: vec![section.into()], ..with(&["3.*", "6.*"]) });
        assert_eq!(by_section("5.2"), 7);
        assert_eq!(by_section("8"), by_section("8.1"));
        let none = Selection { sections: vec!["8".into()], ..with(&["3.*"]) };
        assert!(none.choose(Subject::Server).unwrap_err().contains("no case for servers"));
        assert_eq!(by_section("6455"), 152);
    }

    #[test]
    fn what_is_named_is_chosen_whatever_else_is_left_out() {
        assert_eq!(count(Selection { quick: true, ..with(&["9.1.6"]) }), 1);
        assert_eq!(count(Selection { quick: true, ..with(&["9.1"]) }), 1);
    }
}
