//! The examiner examines our own implementation in memory: every case against our own server and our own client,
//! without a socket and without a clock. Bytes arrive as they were written, and once more one by one. There is no list
//! of exceptions.

mod memory;

use bowsprit_lab::report::{Deny, Outcome, text};
use bowsprit_lab::{Behaviour, Selection, Subject};
use memory::{Noise, play};

fn passes_every_case(subject: Subject) {
    let cases = Selection { slow: true, ..Selection::default() }.choose(subject).unwrap();
    let mut denied = String::new();
    for case in cases {
        let cuts: &[usize] = if case.has_tag("heavy") { &[usize::MAX] } else { &[usize::MAX, 1] };
        for &cut in cuts {
            let outcome = Outcome { record: play(case, subject, cut, Noise::None), aftermath: None };
            assert_ne!(outcome.record.verdict.behaviour, Behaviour::Unimplemented, "{}", case.id);
            if outcome.denied(Deny::Should) {
                denied += &text::failure(&outcome, &format!("in memory, cut after {cut}"));
            }
        }
    }
    assert!(denied.is_empty(), "{denied}");
}

#[test]
fn our_server_passes_every_case_in_memory() {
    passes_every_case(Subject::Server);
}

#[test]
fn our_client_passes_every_case_in_memory() {
    passes_every_case(Subject::Client);
}

/// No verdict changes if the peer also sends what the RFC allows at any time, however it cuts its bytes.
fn no_noise_changes_a_verdict(subject: Subject) {
    const NOISES: [Noise; 6] = [
        Noise::Pings,
        Noise::Pongs(b""),
        Noise::Pongs(b"unasked"),
        Noise::Fragments(3),
        Noise::Everything,
        Noise::HalfFrames,
    ];
    let cases = Selection { slow: true, ..Selection::default() }.choose(subject).unwrap();
    let mut changed = String::new();
    for case in cases {
        // For heavy cases, the noises of one kind are enough.
        let noises = if case.has_tag("heavy") { &NOISES[4..5] } else { &NOISES };
        for &noise in noises {
            let outcome = Outcome { record: play(case, subject, usize::MAX, noise), aftermath: None };
            if outcome.denied(Deny::Should) {
                changed += &text::failure(&outcome, &format!("in memory, with noise: {noise:?}"));
            }
        }
    }
    assert!(changed.is_empty(), "{}", &changed[..changed.len().min(8000)]);
}

#[test]
fn no_noise_changes_a_verdict_on_our_server() {
    no_noise_changes_a_verdict(Subject::Server);
}

#[test]
fn no_noise_changes_a_verdict_on_our_client() {
    no_noise_changes_a_verdict(Subject::Client);
}
