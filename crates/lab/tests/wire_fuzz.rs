//! The wire fuzzer finds planted faults: a correct server gives no finding, and each of the faults below, once switched
//! on, is found within a bounded number of iterations, minimised, and reproduced from its file.

#[path = "../../../tests/support/mod.rs"]
mod support;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bowsprit_lab::fuzz::campaign::{self, Campaign, Summary, Watch};
use bowsprit_lab::fuzz::{Dial, Kind, Oracles, Peer, Reproducer, Side, Step, Trace};
use support::broken::{self, Fault, HELD_FOR, LEAK, Server};
use support::peer::PATIENCE;

fn peer(address: SocketAddr) -> Peer {
    Peer::from(Dial::Connect(address))
}

fn campaign(address: SocketAddr, timeout: u64) -> Campaign {
    Campaign {
        seed: 1,
        first: 0,
        count: Some(4000),
        time: None, // a busy machine may take its own
        findings: 1,
        jobs: 4,
        oracles: Oracles {
            side: Side::Server,
            host: address.to_string(),
            target: "/".to_owned(),
            fields: Vec::new(),
            timeout: Duration::from_millis(timeout),
            echo: true,
            neighbour: None,
        },
        place: format!("ws://{address}/").into(),
        watch: None,
        minimise: 120,
        interrupt: Arc::default(),
    }
}

#[test]
fn a_right_server_gives_no_finding() {
    let server = Server::start(Fault::None);
    let campaign = Campaign { count: Some(3000), ..campaign(server.address, 5000) };
    let summary = campaign::run(&campaign, &peer(server.address), &mut |_| {}).unwrap();
    for trace in &summary.traces {
        println!("{}", trace.show(false).into_string());
    }
    assert_eq!(summary.traces.len(), 0);
    assert!(summary.progress.runs >= 3000);
}

/// Finds the fault and returns the trace: one of `kinds`, in at most `steps` steps of `bytes` bytes.
fn finds(fault: Fault, kinds: &[Kind], steps: usize, bytes: usize) -> Trace {
    let waits = [Kind::NotFailed, Kind::NoPong, Kind::NoAnswer, Kind::TcpStaysOpen];
    let timeouts =
        if kinds.iter().any(|kind| waits.contains(kind)) { &[250, 1000, 5000] } else { &[5000; 3] };
    let server = Server::start(fault);
    let server_peer = peer(server.address);
    // A fault that shows by waiting takes all the time it is given, so it gets little; on a slow machine it gets more.
    let mut last = String::new();
    let found = timeouts.iter().find_map(|timeout| {
        let campaign = campaign(server.address, *timeout);
        let summary = campaign::run(&campaign, &server_peer, &mut |_| {}).unwrap();
        last = format!("{:?}", summary.progress);
        let fits = |trace: &Trace| kinds.contains(&trace.finding.kind) && trace.reproduced;
        summary.traces.into_iter().inspect(|trace| last = trace.show(false).into_string()).find(fits)
    });
    let trace = found.unwrap_or_else(|| panic!("{fault:?} is not found: {last}"));
    let (left, size) = (trace.script.steps.len(), trace.script.size());
    assert!(
        left <= steps && size <= bytes,
        "{fault:?}: {left} steps, {size} bytes\n{}",
        trace.show(false).into_string()
    );

    // The coloured output has the same text.
    let coloured = trace.show(true).into_string();
    assert!(coloured.starts_with("\x1b[1;31m"), "{coloured}");
    let sends = trace.script.show().lines().filter(|line| line.starts_with("  send")).count();
    assert_eq!(coloured.matches("\x1b[32m  send").count(), sends);
    let plain = ["\x1b[1;31m", "\x1b[32m", "\x1b[36m", "\x1b[2m", "\x1b[0m"];
    assert_eq!(
        plain.iter().fold(coloured, |text, code| text.replace(code, "")),
        trace.show(false).into_string()
    );

    // The finding is reproduced from its file, and not with a correct server.
    let file = serde_json::to_string(&trace).unwrap();
    let back: Trace = serde_json::from_str(&file).unwrap();
    let oracles = back.oracles(&server.address.to_string(), "/");
    // A finding that depends on how bytes are cut on their way, or on how quick the machine is, may take a few attempts.
    let mut reproducer = Reproducer::new(&server_peer, &oracles, &back.finding, None);
    let again = (0..20).find_map(|_| reproducer.find(&back.script).unwrap());
    assert!(again.is_some(), "{fault:?} is not seen again: {}", trace.show(false).into_string());
    let right = Server::start(Fault::None);
    let patient = Oracles { timeout: PATIENCE, ..oracles };
    let played = peer(right.address).play(&back.script, &patient).unwrap();
    assert_eq!(played.finding, None, "{fault:?}: {}", trace.show(false).into_string());
    trace
}

#[test]
fn planted_faults_in_frames_are_found() {
    // How it shows depends on what came before it in the first iteration that hits it.
    let taken = &[Kind::NotFailed, Kind::AnsweredForbidden, Kind::WrongCode];
    finds(Fault::TakesUnmasked, taken, 3, 24);
    finds(Fault::TakesReservedBits, taken, 3, 24);
    finds(Fault::IgnoresReservedOpcodes, taken, 3, 24);
    finds(Fault::TakesLongForms, taken, 3, 30);
    finds(Fault::WaitsForTopBitLengths, taken, 3, 30);
    finds(Fault::TakesFragmentedControl, taken, 3, 24);
    finds(Fault::TakesLongControl, taken, 3, 160);
    finds(Fault::NeedsWholeHeaders, &[Kind::EndedEarly], 1, 140);
}

#[test]
fn planted_faults_in_messages_are_found() {
    finds(Fault::TakesBadUtf8, &[Kind::NotFailed, Kind::AnsweredForbidden], 2, 20);
    finds(Fault::SaysProtocolErrorForBadUtf8, &[Kind::WrongCode], 2, 20);
    finds(Fault::EchoesFirstFragment, &[Kind::WrongEcho, Kind::AnsweredForbidden], 3, 30);
    finds(Fault::TakesStrayContinuation, &[Kind::NotFailed, Kind::AnsweredForbidden, Kind::WrongCode], 3, 30);
    finds(
        Fault::TakesMessageInsideMessage,
        &[Kind::NotFailed, Kind::AnsweredForbidden, Kind::WrongCode],
        3,
        30,
    );
    finds(Fault::LosesEmptyMessages, &[Kind::WrongEcho], 3, 20);
    let trace = finds(Fault::ChangesAByteAt126, &[Kind::WrongEcho], 1, 140);
    assert!(matches!(&trace.script.steps[..], [Step::Frame(frame)] if frame.payload.len() == 126));
    finds(Fault::EchoesTwice, &[Kind::WrongEcho, Kind::AnsweredForbidden], 2, 20);
    finds(Fault::ForgetsMessageAtPing, &[Kind::WrongEcho], 3, 30);
}

#[test]
fn planted_faults_in_answers_are_found() {
    finds(Fault::AnswersPingWithNothing, &[Kind::NoPong], 0, 0);
    finds(Fault::NeverAnswersPing, &[Kind::NoPong], 0, 0);
    finds(Fault::DropsInsteadOfClose, &[Kind::EndedEarly], 1, 8);
    finds(Fault::AnswersCloseWith1011, &[Kind::WrongCode], 1, 8);
    finds(Fault::EchoesForbiddenCodes, &[Kind::PeerBrokeRule], 1, 8);
    finds(Fault::EchoesAfterClose, &[Kind::PeerBrokeRule], 3, 40);
    finds(Fault::StaysAfterClose, &[Kind::TcpStaysOpen], 1, 8);
    finds(Fault::MasksItsFrames, &[Kind::PeerBrokeRule], 0, 0);
    finds(Fault::SetsReservedBits, &[Kind::PeerBrokeRule], 0, 0);
}

#[test]
fn planted_faults_in_handshakes_are_found() {
    finds(Fault::TakesAnyVersion, &[Kind::HandshakeAccepted], 0, 0);
    finds(Fault::TakesAnyKey, &[Kind::HandshakeAccepted, Kind::PeerBrokeRule], 0, 0);
    finds(Fault::RefusesUpperCaseNames, &[Kind::HandshakeRefused], 0, 0);
}

/// Finds the fault in a client that reconnects after each iteration.
fn finds_in_client(fault: Fault, kinds: &[Kind]) {
    // As of servers: little time for what waits, and more where the machine is too slow for that.
    let timeouts: &[u64] = if kinds.contains(&Kind::NoPong) { &[1000, 5000] } else { &[5000] };
    let mut last = String::new();
    for timeout in timeouts {
        let summary = examine_client(fault, *timeout);
        if fault == Fault::None {
            assert!(summary.traces.is_empty(), "{}", summary.traces[0].show(false).into_string());
            assert!(summary.progress.runs >= 1500);
            return;
        }
        last = format!("{:?}", summary.progress);
        for trace in summary.traces {
            if kinds.contains(&trace.finding.kind) && trace.reproduced && trace.script.size() <= 160 {
                return;
            }
            last = trace.show(false).into_string();
        }
    }
    panic!("{fault:?}: {last}");
}

fn examine_client(fault: Fault, timeout: u64) -> Summary {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = thread::spawn(move || broken::client(address, fault, usize::MAX));
    let campaign = campaign(address, timeout);
    let campaign = Campaign {
        count: Some(if fault == Fault::None { 1500 } else { 4000 }),
        oracles: Oracles { side: Side::Client, ..campaign.oracles },
        ..campaign
    };
    let peer = Peer::from(Dial::Accept(listener));
    let summary = campaign::run(&campaign, &peer, &mut |_| {}).unwrap();
    drop(peer);
    client.join().unwrap();
    summary
}

#[test]
fn a_right_client_gives_no_finding() {
    finds_in_client(Fault::None, &[]);
}

#[test]
fn planted_faults_in_clients_are_found() {
    let taken = &[Kind::NotFailed, Kind::AnsweredForbidden, Kind::WrongCode];
    finds_in_client(Fault::TakesUnmasked, taken); // the other way round: a server's frames have no mask
    finds_in_client(Fault::TakesReservedBits, taken);
    finds_in_client(Fault::TakesLongForms, taken);
    finds_in_client(Fault::TakesBadUtf8, taken);
    finds_in_client(Fault::NeverMasks, &[Kind::PeerBrokeRule]);
    finds_in_client(Fault::AnswersPingWithNothing, &[Kind::NoPong]);
    finds_in_client(Fault::LosesEmptyMessages, &[Kind::WrongEcho]);
    finds_in_client(Fault::AnswersCloseWith1011, &[Kind::WrongCode]);
    for fault in [Fault::TakesAnyAccept, Fault::TakesAnyStatus, Fault::TakesAnySubprotocol] {
        finds_in_client(fault, &[Kind::HandshakeAccepted]);
    }
}

/// The watched process is this one; 64 KiB leak for each Ping.
#[test]
#[cfg(target_os = "linux")]
fn a_planted_leak_is_found() {
    let server = Server::start(Fault::Leaks);
    let campaign = Campaign {
        count: Some(20_000),
        watch: Some(Watch { pid: Some(std::process::id()), most: 100 << 20 }),
        ..campaign(server.address, 5000)
    };
    let summary = campaign::run(&campaign, &peer(server.address), &mut |_| {}).unwrap();
    let trace = &summary.traces[0];
    assert_eq!(trace.finding.kind, Kind::Memory, "{}", trace.show(false).into_string());
    assert!(trace.reproduced && trace.script.size() <= 100, "{}", trace.show(false).into_string());
    LEAK.lock().unwrap().clear();
}

fn watching(within: Duration, campaign: Campaign) -> Campaign {
    Campaign { oracles: Oracles { neighbour: Some(within), ..campaign.oracles }, ..campaign }
}

#[test]
fn a_quiet_neighbour_of_a_right_server_is_answered() {
    let server = Server::start(Fault::None);
    for echo in [true, false] {
        let mut campaign = watching(Duration::from_secs(5), campaign(server.address, 20_000));
        (campaign.count, campaign.oracles.echo) = (Some(400), echo);
        let summary = campaign::run(&campaign, &peer(server.address), &mut |_| {}).unwrap();
        assert_eq!(summary.traces.len(), 0);
        assert_eq!(summary.progress.runs, 400);
    }
}

#[test]
fn who_keeps_a_quiet_neighbour_waiting_is_found() {
    let server = Server::start(Fault::KeepsOthersWaiting);
    let server_peer = peer(server.address);
    // An empty fragment triggers it.
    let does_it =
        |step: &Step| matches!(step, Step::Frame(frame) if frame.opcode == 0 && frame.payload.is_empty());
    // On a busy machine a quiet neighbour may wait for other reasons; then it gets more time.
    let found = [HELD_FOR / 4, HELD_FOR / 2, HELD_FOR * 3 / 4].into_iter().find_map(|within| {
        let campaign = watching(within, campaign(server.address, 20_000));
        let campaign = Campaign { minimise: 12, ..campaign };
        let summary = campaign::run(&campaign, &server_peer, &mut |_| {}).unwrap();
        summary.traces.into_iter().find(|trace| trace.reproduced && trace.script.steps.iter().any(does_it))
    });
    let trace = found.expect("it is found");
    let shown = trace.show(false).into_string();
    assert_eq!(trace.finding.kind, Kind::NeighbourWaits, "{shown}");
    assert!(shown.contains("what one connection says keeps no other waiting"), "{shown}");

    // The finding is reproduced from its file, and not with a correct server.
    let back: Trace = serde_json::from_str(&serde_json::to_string(&trace).unwrap()).unwrap();
    let oracles = back.oracles(&server.address.to_string(), "/");
    let again = Reproducer::new(&server_peer, &oracles, &back.finding, None).find(&back.script).unwrap();
    assert!(again.is_some());
    let right_server = Server::start(Fault::None);
    let right = peer(right_server.address);
    let patient = Oracles { neighbour: Some(Duration::from_secs(5)), ..oracles };
    assert_eq!(Reproducer::new(&right, &patient, &back.finding, None).find(&back.script).unwrap(), None);
}

/// If every answer takes that long, no script is to blame.
#[test]
fn a_server_that_is_slow_by_itself_is_told_before_anything_is_said() {
    let server = Server::start(Fault::None);
    let campaign = watching(Duration::ZERO, campaign(server.address, 5000));
    let error = campaign::run(&campaign, &peer(server.address), &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("even while nothing else is said"), "{error}");
}

#[test]
fn nobody_at_all_is_no_finding() {
    let address = support::port::reserved();
    let summary = campaign::run(&campaign(address, 200), &peer(address), &mut |_| {}).unwrap();
    assert!(summary.unreachable.is_some() && summary.traces.is_empty());
}
