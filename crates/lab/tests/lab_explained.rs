//! In memory, each case of the catalogue meets a peer that fails it, and the explanation names the case's own rule.
//!
//! `lab_planted.rs` checks whether a fault fails the cases about it and no others; here the question is whether there
//! is a case that nothing can fail.

mod memory;
mod planted;

use std::collections::BTreeSet;

use bowsprit::error::Section;
use bowsprit_lab::report::{Deny, Outcome};
use bowsprit_lab::{Case, Level, Selection, Subject};
use memory::{Noise, play_with};
use planted::{Row, TABLES, WIDE, speaks_of};

use Subject::{Both, Client, Server};

/// Cases that no bytes of a peer can fail: any answer is right, and the question is whether the peer survives, which is
/// asked on another connection.
const LIVES: &[(Subject, &str)] = &[
    (Server, "HSS-114"),
    (Client, "FRG-003"),
    (Client, "PMD-010"),
    (Client, "PMD-014"),
    (Client, "PMD-037"),
];

/// Returns the section that a case of this side names for this fault, if it fails.
fn explained(case: &'static Case, subject: Subject, row: &Row) -> Option<Option<Section>> {
    let (_, whose, twist, _) = row;
    if *whose != Both && *whose != subject {
        return None;
    }
    let record = play_with(case, subject, usize::MAX, Noise::None, *twist);
    let section = record.facts.violation.as_ref().map(|violation| violation.section);
    (Outcome { record, aftermath: None }).denied(Deny::Should).then_some(section)
}

/// Returns the cases that no fault fails, and those whose explanation names another rule.
fn unexplained(subject: Subject) -> (BTreeSet<&'static str>, Vec<String>) {
    let (mut alone, mut astray) = (BTreeSet::new(), Vec::new());
    for case in (Selection { slow: true, ..Selection::default() }).choose(subject).unwrap() {
        // A case that is only observed fails nobody.
        if case.level == Level::May {
            continue;
        }
        let narrow = TABLES.into_iter().flatten().filter(|_| !case.has_tag("heavy"));
        let mut rows = WIDE.iter().chain(narrow);
        let fails = |row: &'static Row| Some((row, explained(case, subject, row)?));
        match rows.find_map(fails) {
            None => {
                alone.insert(case.id);
            }
            Some(((fault, .., expected), Some(section))) if !speaks_of(section, case, expected) => {
                astray.push(format!("{} ({subject}), {fault}: {section}", case.id));
            }
            Some(_) => {}
        }
    }
    (alone, astray)
}

fn check(subject: Subject) {
    let (alone, astray) = unexplained(subject);
    let lives = LIVES.iter().filter(|(whose, _)| *whose == subject).map(|(_, id)| *id).collect();
    assert_eq!(alone, lives, "no peer fails these (left), or need not (right)");
    assert!(astray.is_empty(), "{}", astray.join("\n"));
}

#[test]
fn each_case_for_servers_has_a_peer_that_fails_it() {
    check(Server);
}

#[test]
fn each_case_for_clients_has_a_peer_that_fails_it() {
    check(Client);
}
