//! The examiner examines our own implementation over sockets: every case against our own server and our own client.
//! There is no list of exceptions. Here a loaded machine may make an answer late and thus NON-STRICT; `lab_memory.rs`
//! does not allow even that.

mod ours;

use std::net::SocketAddr;
use std::time::Duration;

use bowsprit_lab::listener::{Exam, Listener, Next, Notice};
use bowsprit_lab::report::{Outcome, text};
use bowsprit_lab::runner::{self, Peer, Plan, Target};
use bowsprit_lab::{Effort, Level, Options, Selection, Subject};

#[test]
fn our_server_passes_every_case() {
    let addr = ours::serve();
    let cases = Selection::default().choose(Subject::Server).unwrap();
    let target = Target::new(addr, &addr.to_string(), "/");
    let plan = Plan::new(target, cases, Options { effort: Effort::Quick, ..Options::default() }, 16);
    let mut denied = String::new();
    let mut played = 0;
    let peer = runner::run(&plan, &mut |record, aftermath| {
        played += 1;
        let outcome = Outcome { record, aftermath };
        if outcome.record.case.level <= Level::Should && !outcome.passed() {
            denied += &text::failure(&outcome, "");
        }
    });
    assert_eq!(peer.unwrap(), Peer::Alive);
    assert_eq!(played, plan.cases.len());
    assert!(denied.is_empty(), "{denied}");
}

#[test]
fn our_client_passes_every_case() {
    let cases = Selection::default().choose(Subject::Client).unwrap();
    let count = cases.len();
    let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let options = Options { effort: Effort::Quick, ..Options::default() };
    let exam = Exam { idle: Some(Duration::from_secs(30)), ..Exam::new(cases, options) };
    ours::come(listener.addr(), count, |config| config);
    let mut denied = String::new();
    let mut played = 0;
    let end = listener.run(&exam, &mut |notice| {
        if let Notice::Played(_, record) = notice {
            played += 1;
            let outcome = Outcome { record: *record, aftermath: None };
            if outcome.record.case.level <= Level::Should && !outcome.passed() {
                denied += &text::failure(&outcome, "");
            }
        }
        if played == count { Next::End } else { Next::Listen }
    });
    end.unwrap();
    assert_eq!(played, count);
    assert!(denied.is_empty(), "{denied}");
}
