//! One fault planted in our own server or client, in memory: the cases about it fail, and no others do.
//!
//! A row names the fault and the rules that fail with it, each by one case: if a fault breaks several rules, all of
//! them are named. Heavy cases that a row does not name are left out, as they send much of what others send.

mod memory;
mod planted;

use std::collections::{BTreeMap, BTreeSet};

use bowsprit_lab::report::{Deny, Outcome};
use bowsprit_lab::{Case, Level, Selection, Subject, cases};
use memory::twist::Twist;
use memory::{Noise, play_with};
use planted::{Row, TABLES};

use Subject::{Both, Client, Server};

fn rule(case: &Case) -> (String, &'static str) {
    (case.rule.sections.to_string(), case.rule.text)
}

/// Returns the rules that fail with a fault, each with its cases; `heavy` lists the heavy cases to play.
fn failing(
    subject: Subject,
    twist: Twist,
    heavy: &[&str],
) -> BTreeMap<(String, &'static str), Vec<&'static str>> {
    let mut rules: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for case in (Selection { slow: true, ..Selection::default() }).choose(subject).unwrap() {
        if case.has_tag("heavy") && !heavy.contains(&case.id) {
            continue;
        }
        let record = play_with(case, subject, usize::MAX, Noise::None, twist);
        if (Outcome { record, aftermath: None }).denied(Deny::Should) {
            rules.entry(rule(case)).or_default().push(case.id);
        }
    }
    rules
}

/// Returns the differences from the expectations of this table.
fn surprises(rows: &[Row]) -> String {
    let mut wrong = String::new();
    for (fault, whose, twist, expected) in rows {
        for subject in [Server, Client] {
            if *whose != Both && *whose != subject {
                continue;
            }
            let failing = failing(subject, *twist, expected);
            let expected: BTreeSet<_> = expected
                .iter()
                .map(|id| cases::find(id).unwrap_or_else(|| panic!("there is no case {id}")))
                .filter(|case| case.examines(subject))
                .map(rule)
                .collect();
            for (rule, cases) in &failing {
                if !expected.contains(rule) {
                    wrong += &format!("{fault} ({subject}): fails {rule:?}: {cases:?}\n");
                }
            }
            for rule in expected.iter().filter(|rule| !failing.contains_key(*rule)) {
                wrong += &format!("{fault} ({subject}): does not fail {rule:?}\n");
            }
        }
    }
    wrong
}

/// One test for each table, so that they run side by side.
macro_rules! each_fault_fails_the_cases_that_are_about_it_and_no_others {
    ($($name:ident $table:ident;)*) => {
        $(#[test]
        fn $name() {
            let wrong = surprises(planted::$table);
            assert!(wrong.is_empty(), "{wrong}");
        })*
    };
}

each_fault_fails_the_cases_that_are_about_it_and_no_others! {
    faults_in_frames FRAMES;
    faults_in_requests REQUESTS;
    faults_in_responses RESPONSES;
    faults_in_offers OFFERS;
    faults_in_answers ANSWERS;
    faults_in_compression COMPRESSION;
}

/// Without a planted fault, it is only assumed that the lab detects violations of a rule. The faults for HTTP/2 are in
/// `lab_http2.rs`.
#[test]
fn every_rule_that_can_be_failed_has_a_fault() {
    let planted: BTreeSet<_> = TABLES
        .into_iter()
        .flatten()
        .flat_map(|(.., expected)| expected.iter())
        .map(|id| rule(cases::find(id).unwrap()))
        .collect();
    let without: BTreeSet<_> = cases::all()
        .filter(|case| case.level != Level::May && case.http2.is_none())
        .map(rule)
        .filter(|rule| !planted.contains(rule))
        .collect();
    assert!(without.is_empty(), "{without:#?}");
}
