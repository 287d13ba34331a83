//! The lab over HTTP/2, against a front with a planted fault: the cases about the fault fail, and no others do.

mod front;
mod ours;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use bowsprit_lab::http2::Cut;
use bowsprit_lab::report::{Outcome, text};
use bowsprit_lab::runner::{self, Peer, Plan, Target};
use bowsprit_lab::{Carrier, Effort, Level, Options, Selection, Subject};
use front::Fault;

/// Our server, with permessage-deflate on every message.
fn behind() -> SocketAddr {
    static ADDR: OnceLock<SocketAddr> = OnceLock::new();
    *ADDR.get_or_init(ours::serve)
}

fn plan(fault: Fault, cut: Cut, selection: Selection) -> Plan {
    let addr = front::serve(behind(), fault);
    let carrier = Carrier::Http2(cut);
    let options = Options { effort: Effort::Quick, carrier, ..Options::default() };
    let cases = Selection { carrier, ..selection }.choose(Subject::Server).unwrap();
    Plan::new(Target::new(addr, &addr.to_string(), "/"), cases, options, 16)
}

/// Returns the cases that failed, and a text about them.
fn play(plan: &Plan) -> (BTreeSet<&'static str>, String) {
    let (mut failed, mut told) = (BTreeSet::new(), String::new());
    let peer = runner::run(plan, &mut |record, aftermath| {
        let outcome = Outcome { record, aftermath };
        if outcome.record.case.level <= Level::Should && !outcome.passed() {
            failed.insert(outcome.record.case.id);
            told += &text::failure(&outcome, "");
        }
    });
    assert_eq!(peer.unwrap(), Peer::Alive, "{told}");
    (failed, told)
}

#[test]
fn a_right_server_passes_every_case() {
    let (failed, told) = play(&plan(Fault::None, Cut::Whole, Selection::default()));
    assert!(failed.is_empty(), "{told}");
}

#[test]
fn it_does_so_whatever_the_cuts() {
    for cut in [Cut::Bytes, Cut::Padded, Cut::Empty, Cut::Window, Cut::Mixed] {
        let (failed, told) = play(&plan(Fault::None, cut, ours::light()));
        assert!(failed.is_empty(), "{cut}: {told}");
    }
}

#[test]
fn each_case_may_have_a_connection_of_its_own() {
    let selection = Selection { patterns: vec!["7".to_owned(), "3".to_owned()], ..Selection::default() };
    let (failed, told) = play(&Plan { apart: true, ..plan(Fault::None, Cut::Whole, selection) });
    assert!(failed.is_empty(), "{told}");
}

#[test]
fn a_server_that_does_not_announce_extended_connect_is_told_of() {
    let plan = plan(Fault::DoesNotAnnounce, Cut::Whole, Selection::default());
    let error = runner::preflight(&plan.target, plan.options).unwrap_err();
    assert!(error.contains("no SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441 §3)"), "{error}");
    let addr = behind();
    let error = runner::preflight(&Target::new(addr, "localhost", "/"), plan.options).unwrap_err();
    assert!(error.contains("no HTTP/2"), "{error}");
    let survey =
        runner::preflight(&self::plan(Fault::None, Cut::Whole, Selection::default()).target, plan.options);
    assert!(survey.is_ok_and(|survey| survey.echoes && !survey.one_at_a_time && !survey.relays));
}

/// Each fault with the cases that detect it.
const PLANTED: &[(Fault, &[&str])] = &[
    (Fault::TakesAnyProtocol, &["H2W-008.1", "H2W-008.2", "H2W-008.3"]),
    (Fault::TakesAnyVersion, &["H2W-012.1", "H2W-012.2", "H2W-012.3", "H2W-012.4", "H2W-046"]),
    (
        Fault::TakesConnectionFields,
        &["H2W-010.1", "H2W-010.2", "H2W-010.3", "H2W-010.4", "H2W-010.5", "H2W-010.6", "H2W-010.7"],
    ),
    (Fault::TakesPseudoTwice, &["H2W-040.1", "H2W-040.2", "H2W-040.3", "H2W-040.4", "H2W-040.5"]),
    (Fault::TakesPseudoBehind, &["H2W-041.1", "H2W-041.2"]),
    (Fault::TakesUnknownPseudo, &["H2W-041.3", "H2W-041.4"]),
    (Fault::TakesMissingPseudo, &["H2W-007.1", "H2W-007.2", "H2W-007.3", "H2W-007.4", "H2W-007.5"]),
    (Fault::TakesPlainConnect, &["H2W-042.1", "H2W-042.2"]),
    (Fault::TakesBadNames, &["H2W-043.1", "H2W-043.2", "H2W-043.3", "H2W-043.4"]),
    (Fault::TakesBadValues, &["H2W-043.5", "H2W-043.6", "H2W-043.7"]),
    (Fault::TakesProtocolWithGet, &["H2W-006.1", "H2W-006.2", "H2W-006.3", "H2W-006.4"]),
    (Fault::TakesOtherHost, &["H2W-044.1"]),
    (Fault::TakesPaddingForData, &["H2W-017.2", "H2W-017.3", "H2W-017.4"]),
    (Fault::TakesHeadersOnOpen, &["H2W-050.1", "H2W-050.2"]),
    (Fault::TakesZeroUpdate, &["H2W-052.1", "H2W-052.2"]),
    (Fault::TakesOverflow, &["H2W-053.1", "H2W-053.2"]),
    (Fault::TakesIdleStreams, &["H2W-055.1", "H2W-055.2", "H2W-055.3"]),
    (Fault::TakesEvenStreams, &["H2W-056.1"]),
    (Fault::TakesLowerStreams, &["H2W-056.2"]),
    (Fault::TakesLooseContinuation, &["H2W-059.1"]),
    (Fault::TakesBadHpack, &["H2W-065"]),
    (
        Fault::TakesBadSettings,
        &["H2W-032.1", "H2W-032.2", "H2W-032.3", "H2W-033.1", "H2W-033.2", "H2W-033.3"],
    ),
    (Fault::TakesShortFrames, &["H2W-058.1", "H2W-058.2"]),
    (
        Fault::KeepsStreamOpen,
        &[
            "H2W-016.1",
            "H2W-016.2",
            "H2W-016.3",
            "H2W-018.1",
            "H2W-018.2",
            "H2W-018.3",
            "H2W-018.4",
            "H2W-018.5",
            "H2W-020.1",
            "H2W-020.2",
            "H2W-020.3",
            "H2W-020.4",
            "H2W-020.5",
            "H2W-047",
            "H2W-070",
        ],
    ),
    (Fault::KeepsOpenOnEndStream, &["H2W-018.1", "H2W-018.2", "H2W-018.3", "H2W-018.4", "H2W-018.5"]),
    (Fault::LeavesRefusalOpen, &["H2W-046"]),
    (
        Fault::EndsAllOnReset,
        &[
            "H2W-019.1",
            "H2W-019.2",
            "H2W-019.3",
            "H2W-019.4",
            "H2W-019.5",
            "H2W-019.6",
            "H2W-019.7",
            "H2W-021.7",
        ],
    ),
    (Fault::EndsAllOnGoaway, &["H2W-071.1", "H2W-071.2"]),
    (Fault::EndsAllOnUnknownFrame, &["H2W-061.1"]),
    (Fault::EndsAllOnPriority, &["H2W-062.1", "H2W-062.2"]),
    (Fault::EndsAllOnUnknownSetting, &["H2W-030.1", "H2W-030.2", "H2W-031.2"]),
    (
        Fault::SendsWithoutWindow,
        &[
            "H2W-021.1",
            "H2W-021.3",
            "H2W-021.4",
            "H2W-021.5",
            "H2W-021.6",
            "H2W-021.7",
            "H2W-080.1",
            "H2W-080.2",
        ],
    ),
    (Fault::OneStreamBlocksAll, &["H2W-021.3", "H2W-021.4"]),
    (Fault::OpensNoStreamWindow, &["H2W-081.1"]),
    (Fault::OpensNoConnectionWindow, &["H2W-081.1", "H2W-081.2"]),
    (Fault::IgnoresNewWindow, &["H2W-080.1", "H2W-080.2"]),
    (Fault::AnswersNoPing, &["H2W-021.5", "H2W-063.1", "H2W-063.2"]),
    (Fault::AcknowledgesNoSettings, &["H2W-031.1", "H2W-031.2", "H2W-080.2"]),
    (Fault::AnswersUnaskedProtocol, &["H2W-013.1"]),
    (Fault::AnswersUnaskedExtension, &["H2W-013.2"]),
    (Fault::ReadsNoContinuation, &["H2W-036.4", "H2W-036.5"]),
    (Fault::ServesNoPages, &["H2W-075.1", "H2W-075.2", "H2W-075.3"]),
];

#[test]
fn each_fault_fails_the_cases_that_see_it() {
    let next = std::sync::Mutex::new(PLANTED.iter());
    let faults = std::sync::Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let Some((fault, expected)) = next.lock().unwrap().next() else { return };
                    let selection = Selection { patterns: vec!["H2W".to_owned()], ..Selection::default() };
                    let mut plan = plan(*fault, Cut::Whole, selection);
                    plan.options.patience = Some(Duration::from_millis(1200));
                    let (failed, _) = play(&plan);
                    if failed != expected.iter().copied().collect() {
                        faults.lock().unwrap().push(format!("{fault:?}: {failed:?}, expected {expected:?}"));
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
