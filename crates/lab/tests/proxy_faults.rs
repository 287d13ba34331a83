//! The proxy lab against proxies of our own: correct ones are judged transparent, and each planted fault is detected by
//! the cases that can detect it and by no others.

#[path = "proxies/fault.rs"]
mod fault;
mod front;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use Passage::{Altered, Lost, Refused, Repaired, Unsafe};
use bowsprit_lab::http2::Cut;
use bowsprit_lab::proxy::runner::{self, Peer, Plan, Target, Trouble};
use bowsprit_lab::proxy::{Case, Passage, Record};

use bowsprit_lab::{Carrier, Options, Selection};
use fault::Fault::{self, *};

/// Returns an address that nobody listens on. If all of 127/8 is loopback, the address is on a host of its own, so that
/// no connection made meanwhile takes the port.
fn free() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(2);
    let host = if cfg!(target_os = "linux") { NEXT.fetch_add(1, Ordering::Relaxed) } else { 1 };
    TcpListener::bind(SocketAddr::from(([127, 0, 0, host], 0))).unwrap().local_addr().unwrap()
}

fn chosen() -> Vec<&'static Case> {
    Selection { quick: true, ..Selection::default() }.choose_for_proxies().unwrap()
}

fn target(front: SocketAddr) -> Target {
    Target::new(front, &front.to_string(), "/chat")
}

fn play(fault: Fault, cases: Vec<&'static Case>, options: Options) -> Vec<Record> {
    play_before(fault, cases, options, |behind| behind)
}

/// Plays what is in front of a proxy with this fault.
fn play_before(
    fault: Fault,
    cases: Vec<&'static Case>,
    options: Options,
    front: impl Fn(SocketAddr) -> SocketAddr,
) -> Vec<Record> {
    let origin = free();
    let target = target(front(fault::start(fault, origin)));
    let survey = runner::preflight(&target, origin, options).unwrap();
    assert_eq!(survey.relays, fault == Relay && !options.carrier.is_http2());
    let plan = Plan { relays: survey.relays, ..Plan::new(target, origin, cases, options, 8) };
    let mut records = Vec::new();
    let peer = runner::run(&plan, &mut |record| records.push(record)).unwrap();
    assert_eq!(peer, Peer::Alive, "{fault:?}");
    assert_eq!(records.len(), plan.cases.len(), "{fault:?}");
    records
}

/// Returns everything that is not transparent.
fn seen(records: &[Record]) -> BTreeMap<&'static str, (Passage, bool)> {
    let odd = records.iter().filter(|record| record.passage != Passage::Transparent);
    odd.map(|record| (record.case.id, (record.passage, record.accepted))).collect()
}

#[test]
fn a_relay_of_bytes_is_transparent_in_every_case() {
    let records = play(Relay, chosen(), quick());
    for record in &records {
        assert_eq!(record.passage, Passage::Transparent, "{}: {}", record.case.id, record.reason);
        assert!(record.added.is_empty() && record.difference.is_none(), "{}", record.case.id);
    }
    assert!(records.len() >= 140, "{}", records.len());
}

/// Cases that a correct proxy that understands HTTP must answer itself.
const ITS_OWN: &[&str] = &[
    "END-018", "END-019", "END-020", "END-021", "END-023", "SAF-013", "SAF-014", "SAF-015", "SAF-016",
    "SAF-017", "SAF-019", "SAF-020",
];

type Expected = &'static [(Passage, bool, &'static [&'static str])];

/// Each fault, and how the cases detect it: the verdict, whether it is accepted, the ids. A `?` marks a case that may
/// or may not detect it, because the network joins separate writes.
const FAULTS: &[(Fault, Expected)] = &[
    (None, &[]),
    (
        LosesEarlyDataOfClient,
        &[(Lost, false, &["ERL-001", "ERL-002", "ERL-003?", "ERL-004", "ERL-005", "ERL-013", "ERL-015"])],
    ),
    (
        LosesEarlyDataOfServer,
        &[(
            Lost,
            false,
            &[
                "ERL-006", "ERL-007", "ERL-008", "ERL-009", "ERL-010?", "ERL-011?", "ERL-012", "ERL-013",
                "ERL-014",
            ],
        )],
    ),
    (
        DropsAByteOfClient,
        &[(
            Lost,
            false,
            &[
                "ERL-004", "TUN-001", "TUN-009", "TUN-011", "TUN-013", "TUN-015", "TUN-022", "END-012",
                "END-014",
            ],
        )],
    ),
    (
        FlipsABitOfServer,
        &[(Altered, false, &["ERL-008", "ERL-009", "TUN-014", "TUN-015", "TUN-022", "END-011", "END-013"])],
    ),
    (
        BuffersFourKilobytes,
        &[(
            Lost,
            false,
            &[
                "ANS-002", "ERL-005", "ERL-008", "ERL-009?", "ERL-010?", "ERL-011?", "ERL-012?", "TUN-002",
                "TUN-004", "TUN-005", "TUN-008", "TUN-010", "TUN-012", "TUN-013", "TUN-014?", "TUN-015?",
                "TUN-021", "TUN-022?", "TUN-025", "END-002", "END-004", "END-005", "END-006", "END-016",
                "SAF-007",
            ],
        )],
    ),
    (MergesSubprotocols, &[(Altered, true, &["REQ-023"])]),
    (ReversesLines, &[(Altered, false, &["REQ-010", "REQ-023", "REQ-025", "REQ-026", "REQ-027", "REQ-032"])]),
    (JoinsCookies, &[(Altered, false, &["ANS-005"])]),
    (TakesOutAuthorization, &[(Altered, false, &["REQ-018"])]),
    (DecodesTarget, &[(Altered, false, &["REQ-005"])]),
    (WritesHttpAfterReset, &[(Unsafe, false, &["END-016", "SAF-007", "SAF-021", "SAF-022"])]),
    (
        TunnelsAfterRefusal,
        &[(Unsafe, false, &["SAF-001", "SAF-002", "SAF-003", "SAF-004", "SAF-005", "SAF-006"])],
    ),
    (SwallowsEndOfClient, &[(Lost, false, &["END-008", "END-010", "END-012", "END-013", "SAF-010"])]),
    (AnswersWithoutKey, &[(Refused, true, &["REQ-038", "ANS-016"])]),
    (RepairsAccept, &[(Repaired, true, &["ANS-012", "ANS-013"])]),
    (CutsAtTwoMegabytes, &[(Lost, false, &["END-011"])]),
    (HoldsEndOfServer, &[(Altered, false, &["END-009"])]),
    (
        AddsAPing,
        &[(
            Unsafe,
            false,
            &[
                "ANS-002", "ERL-005", "ERL-008?", "ERL-009", "ERL-010?", "ERL-011?", "ERL-012?", "TUN-002",
                "TUN-004", "TUN-005", "TUN-008", "TUN-010", "TUN-012", "TUN-013", "TUN-014", "TUN-015",
                "TUN-021", "TUN-022", "TUN-025", "END-001", "END-002", "END-004", "END-005", "END-006",
                "END-007", "END-011", "END-013", "END-016", "SAF-007", "SAF-009",
            ],
        )],
    ),
    (TakesChunksOut, &[(Lost, false, &["ANS-019"])]),
    (LeavesClientAlone, &[(Lost, false, &["END-023"])]),
    (
        PassesBadHeads,
        &[(Unsafe, false, &["SAF-013", "SAF-014", "SAF-015", "SAF-016", "SAF-017", "SAF-019", "SAF-020"])],
    ),
    (TakesFewConnections, &[(Refused, false, &["TUN-022"])]),
    (EndsIdleConnections, &[(Lost, false, &["TUN-025"])]),
    (TakesOutInterimAnswers, &[(Altered, true, &["ANS-014", "ANS-015"])]),
    (StaysAway, &[(Altered, false, &["REQ-018"])]),
    // A proxy that rewrites the field has to remove what it names.
    (
        RepairsConnection,
        &[(Repaired, true, &["REQ-035", "REQ-036"]), (Altered, false, &["REQ-026", "REQ-027"])],
    ),
];

#[test]
fn every_fault_is_seen_where_it_is_and_nowhere_else() {
    for group in FAULTS.chunks(4) {
        thread::scope(|scope| {
            for (fault, expected) in group {
                scope.spawn(move || {
                    let play = |cases, options| play(*fault, cases, options);
                    is_seen(&format!("{fault:?}"), quick(), play, ITS_OWN, true, expected);
                });
            }
        });
    }
}

/// `own` lists the cases that the proxy answers itself. `understands` means that it looks for its client only when
/// there is something to send, unlike a proxy that relays bytes.
fn is_seen(
    name: &str,
    options: Options,
    play: impl Fn(Vec<&'static Case>, Options) -> Vec<Record>,
    own: &[&str],
    understands: bool,
    expected: Expected,
) {
    let (mut cases, mut wrong) = (chosen(), Vec::new());
    // On a busy machine an answer may come too late: what is judged wrong is played again, by itself and with more patience.
    for times in [1, 1, 4] {
        let patience = options.patience.map(|patience| times * patience);
        let records = play(cases.clone(), Options { patience, ..options });
        wrong = judged_wrong(name, &records, own, understands, expected);
        cases.retain(|case| wrong.iter().any(|(id, _)| *id == case.id));
        if cases.is_empty() {
            return;
        }
    }
    let told: Vec<String> = wrong.into_iter().map(|(_, told)| told).collect();
    panic!("{}", told.join("\n"));
}

/// Returns the cases whose verdict is another than expected, and what is to be told of each.
fn judged_wrong(
    name: &str,
    records: &[Record],
    own: &[&str],
    understands: bool,
    expected: Expected,
) -> Vec<(&'static str, String)> {
    let mut right: BTreeMap<String, (Passage, bool)> =
        own.iter().map(|id| (format!("PRX-{id}"), (Refused, true))).collect();
    if understands {
        right.insert("PRX-END-017".to_owned(), (Lost, false));
    }
    let mut perhaps = BTreeSet::new();
    for (passage, accepted, ids) in expected {
        for id in *ids {
            let whole = format!("PRX-{}", id.trim_end_matches('?'));
            if id.ends_with('?') {
                perhaps.insert(whole.clone());
            }
            right.insert(whole, (*passage, *accepted));
        }
    }
    let seen = seen(records);
    let mut wrong = Vec::new();
    for record in records {
        let id = record.case.id;
        let is_right = seen.get(id) == right.get(id) || perhaps.contains(id) && !seen.contains_key(id);
        if !is_right {
            let (passage, accepted, reason) = (record.passage, record.accepted, &record.reason);
            wrong.push((id, format!("{name} {id}: {passage} accepted: {accepted}: {reason}")));
        }
    }
    wrong
}

#[test]
fn what_is_in_the_way_is_told_before_the_first_case() {
    let (front, origin) = (free(), free());
    let trouble = |front, origin| runner::preflight(&target(front), origin, quick()).unwrap_err();
    assert!(matches!(trouble(front, origin), Trouble::Front(error) if error.contains("refuses")));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = taken.local_addr().unwrap();
    assert!(matches!(trouble(front, other), Trouble::Listen(error) if error.contains("in use")));
    // It has another origin.
    let elsewhere = fault::start(None, free());
    assert!(matches!(trouble(elsewhere, origin), Trouble::Origin(error) if error.contains("502")));
    // It speaks first, and not HTTP.
    thread::spawn(move || {
        let (mut mail, _) = taken.accept().unwrap();
        mail.write_all(b"220 mail.example ready\r\n").unwrap();
        let _ = mail.read_to_end(&mut Vec::new());
    });
    assert!(matches!(trouble(other, origin), Trouble::Origin(error) if error.contains("220 mail.example")));
}

/// A peer that sends without end is not kept.
#[test]
fn a_front_that_floods_ends_in_bounded_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let front = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                while stream.write_all(&[b'x'; 65536]).is_ok() {}
            });
        }
    });
    let trouble = runner::preflight(&target(front), free(), quick()).unwrap_err();
    assert!(matches!(trouble, Trouble::Origin(error) if error.contains("no head")));
}

fn quick() -> Options {
    Options { patience: Some(Duration::from_millis(1500)), ..Options::default() }
}

/// Every case can be explained, and says what it accepts.
#[test]
fn every_case_is_told_in_words() {
    for case in bowsprit_lab::proxy::cases::all() {
        let text = bowsprit_lab::proxy::explain::case(case);
        assert!(text.contains(case.id) && text.contains("expected  "), "{text}");
    }
}

/// Cases that a correct HTTP/2 front must answer itself. Over HTTP/2 a status of 200 opens the connection, so a 200 of
/// the origin must not come out as a 200.
const ITS_OWN_HTTP2: &[&str] = &[
    "REQ-040", "REQ-041", "ANS-012", "ANS-013", "ANS-027", "END-018", "END-019", "END-020", "END-021",
    "END-023", "SAF-003", "SAF-013", "SAF-014", "SAF-015", "SAF-016", "SAF-017", "SAF-019", "SAF-020",
];

/// Faults of the proxy behind a front that translates HTTP/2 to HTTP/1.1, faults of that front, and the cases that
/// detect them there, however the streams are cut.
const FAULTS_HTTP2: &[(Fault, front::Fault, Cut, Expected)] = &[
    (Relay, front::Fault::None, Cut::Whole, &[]),
    (Relay, front::Fault::None, Cut::Mixed, &[]),
    (None, front::Fault::None, Cut::Padded, &[]),
    (
        LosesEarlyDataOfServer,
        front::Fault::None,
        Cut::Empty,
        &[(
            Lost,
            false,
            &[
                "ERL-006", "ERL-007", "ERL-008", "ERL-009", "ERL-010?", "ERL-011?", "ERL-012", "ERL-013",
                "ERL-014",
            ],
        )],
    ),
    (
        DropsAByteOfClient,
        front::Fault::None,
        Cut::Mixed,
        &[(
            Lost,
            false,
            &[
                "ERL-004", "TUN-001", "TUN-009", "TUN-011", "TUN-013", "TUN-015", "TUN-022", "END-012",
                "END-014",
            ],
        )],
    ),
    (
        FlipsABitOfServer,
        front::Fault::None,
        Cut::Whole,
        &[(Altered, false, &["ERL-008", "ERL-009", "TUN-014", "TUN-015", "TUN-022", "END-011", "END-013"])],
    ),
    (JoinsCookies, front::Fault::None, Cut::Mixed, &[(Altered, false, &["ANS-005"])]),
    (DecodesTarget, front::Fault::None, Cut::Mixed, &[(Altered, false, &["REQ-005"])]),
    (
        WritesHttpAfterReset,
        front::Fault::None,
        Cut::Mixed,
        &[(Unsafe, false, &["END-016", "SAF-007", "SAF-021", "SAF-022"])],
    ),
    (TakesOutInterimAnswers, front::Fault::None, Cut::Mixed, &[(Altered, true, &["ANS-014", "ANS-015"])]),
    (
        Relay,
        front::Fault::LosesWhatComesWithTheAnswer,
        Cut::Mixed,
        &[(
            Lost,
            false,
            &[
                "ERL-006", "ERL-007", "ERL-008", "ERL-009", "ERL-010?", "ERL-011?", "ERL-012", "ERL-013",
                "ERL-014",
            ],
        )],
    ),
    (Relay, front::Fault::GrantsWhatIsNoUpgrade, Cut::Mixed, &[(Unsafe, false, &["ANS-027", "SAF-003"])]),
    (
        Relay,
        front::Fault::KeepsOpenOnEndStream,
        Cut::Mixed,
        &[(Lost, false, &["END-008", "END-010", "END-012", "END-013", "SAF-010"])],
    ),
    (
        Relay,
        front::Fault::KeepsStreamOpen,
        Cut::Mixed,
        &[(
            Lost,
            false,
            &[
                "ERL-014", "END-001", "END-002", "END-007", "END-009", "END-011", "END-014", "END-016",
                "SAF-007", "SAF-009", "SAF-021", "SAF-022",
            ],
        )],
    ),
    (Relay, front::Fault::TakesBadNames, Cut::Whole, &[(Unsafe, false, &["SAF-016"])]),
    (Relay, front::Fault::TakesOtherHost, Cut::Whole, &[(Unsafe, false, &["SAF-013"])]),
];

#[test]
fn every_fault_is_seen_over_http2_where_it_is_and_nowhere_else() {
    for group in FAULTS_HTTP2.chunks(4) {
        thread::scope(|scope| {
            for &(fault, front, cut, expected) in group {
                scope.spawn(move || {
                    let options = Options { carrier: Carrier::Http2(cut), ..quick() };
                    let play = |cases, options| {
                        let records = play_before(fault, cases, options, |behind| front::pass(behind, front));
                        let (absent, played): (Vec<_>, Vec<_>) =
                            records.into_iter().partition(|record| !record.case.only_http1.is_empty());
                        for record in absent {
                            assert_eq!((record.passage, record.accepted), (Passage::NotApplicable, true));
                            assert!(record.reason.contains(record.case.only_http1), "{}", record.reason);
                        }
                        played
                    };
                    let name = format!("{fault:?} behind {front:?}, {cut}");
                    is_seen(&name, options, play, ITS_OWN_HTTP2, fault != Relay, expected);
                });
            }
        });
    }
}

/// A front whose own handshake with the origin is wrong is reported as such before the first case.
#[test]
fn a_front_that_sends_no_key_passes_no_upgrade_on() {
    let origin = free();
    let target = target(front::pass(fault::start(Relay, origin), front::Fault::SendsNoKey));
    let options = Options { carrier: Carrier::Http2(Cut::Whole), ..quick() };
    let trouble = runner::preflight(&target, origin, options).unwrap_err();
    assert!(
        matches!(&trouble, Trouble::Origin(error) if error.contains("Sec-WebSocket-Key") && !error.ends_with("..")),
        "{trouble:?}"
    );
}
