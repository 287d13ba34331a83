//! The lab through `bowsprit watch`: the watch names exactly the faults that the lab provokes, and both sides get the
//! same bytes.

#![cfg(unix)]

mod support;

#[path = "../../../tests/support/installed.rs"]
mod installed;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use bowsprit_lab::case::By;
use bowsprit_lab::runner::{self, Plan, Target};
use bowsprit_lab::{Case, Effort, Options, Selection, Subject};
use installed::skip;
use serde_json::Value;
use support::command::Running;
use support::workspace;

/// What crossed each connection, by direction: from the client, from the server.
type Crossed = Vec<[Vec<u8>; 2]>;

/// The threads that carry each direction until all of it has crossed.
type Carriers = [JoinHandle<Vec<u8>>; 2];

/// Passes bytes on to `target`, and keeps them.
struct Tap {
    address: SocketAddr,
    carriers: Arc<Mutex<Vec<Carriers>>>,
}

impl Tap {
    fn before(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let carriers = Arc::default();
        let kept: Arc<Mutex<Vec<_>>> = Arc::clone(&carriers);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(target).unwrap());
                let ways = [(&client, &server), (&server, &client)];
                kept.lock().unwrap().push(ways.map(|(from, to)| {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || carry(&from, &to))
                }));
            }
        });
        Self { address, carriers }
    }

    /// Returns what has crossed once everything is over, sorted: connections come to the two sides of a watch in any
    /// order.
    fn crossed(&self) -> Crossed {
        let carriers = std::mem::take(&mut *self.carriers.lock().unwrap());
        let mut crossed: Crossed =
            carriers.into_iter().map(|ways| ways.map(|carrier| carrier.join().unwrap())).collect();
        crossed.sort_unstable();
        crossed
    }
}

/// Passes bytes on until the end, even if nobody reads them. Returns the bytes.
fn carry(mut from: &TcpStream, mut to: &TcpStream) -> Vec<u8> {
    let (mut buffer, mut kept) = (vec![0; 64 << 10], Vec::new());
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..length]);
        let _ = to.write_all(&buffer[..length]);
    }
    let _ = to.shutdown(Shutdown::Write);
    kept
}

/// A watch between two taps, which saves all traffic, as a trace and as a capture.
struct Watched {
    watch: Running,
    front: Tap,
    back: Tap,
    saved: PathBuf,
}

impl Watched {
    fn before(server: SocketAddr) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let saved = std::env::temp_dir().join(format!("bowsprit-watch-lab-{}-{number}", std::process::id()));
        std::fs::create_dir(&saved).unwrap();
        let back = Tap::before(server);
        let target = format!("ws://{}/", back.address);
        let (trace, capture) = (saved.join("trace"), saved.join("capture"));
        let files = ["--save", trace.to_str().unwrap(), "--pcapng", capture.to_str().unwrap()];
        let watch = [&["watch", "--quiet", "--listen", "127.0.0.1:0", &target], &files[..]].concat();
        let watch = Running::bowsprit(&watch);
        let front = Tap::before(address_of(&watch.told("listening on ")));
        Self { watch, front, back, saved }
    }

    /// Ends the watch once all connections are over. Returns what it has saved, line by line. Both sides got the same
    /// bytes, and Wireshark finds nothing malformed in the capture.
    fn finish(self) -> Vec<Value> {
        let (front, back) = (self.front.crossed(), self.back.crossed());
        self.watch.signal("INT");
        self.watch.finish();
        assert_eq!(front.len(), back.len());
        assert!(front == back, "what crosses the two sides of a watch is not the same");
        let file = |name: &str| self.saved.join(name).to_str().unwrap().to_owned();
        let (_, told, stderr) =
            Running::bowsprit(&["decode", "--json", "--file", &file("trace")]).finish_within(120);
        assert!(!told.is_empty(), "{stderr}");
        if Command::new("tshark").arg("--version").output().is_ok() {
            let mut tshark = Command::new("tshark");
            let tshark = tshark.args(["-Q", "-r", &file("capture"), "-Y", "_ws.malformed"]);
            let (code, malformed, stderr) = Running::start(tshark).finish_within(120);
            assert!(code == 0 && malformed.is_empty(), "{malformed}{stderr}");
        } else {
            skip("tshark", "install Debian's tshark");
        }
        std::fs::remove_dir_all(&self.saved).unwrap();
        told.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn address_of(url: &str) -> SocketAddr {
    url.split("//").nth(1).unwrap().split('/').next().unwrap().parse().unwrap()
}

/// What the lab sends after its own Close, that of the case or its answer to the peer's. Whether it gets to send this
/// depends on who ends the TCP connection when.
const BEHIND: &str = "behind a Close";

/// Returns the sections of the rules that each side breaks on a connection, by what its request asks for.
fn broken(told: &[Value]) -> BTreeMap<String, [BTreeSet<String>; 2]> {
    let mut asked = BTreeMap::new();
    let mut broken: BTreeMap<String, [BTreeSet<String>; 2]> = BTreeMap::new();
    for line in told {
        let connection = line["connection"].as_u64();
        let is_server = line["from"] == "server";
        if line["event"] == "head" && !is_server {
            let target = line["lines"][0].as_str().unwrap().split(' ').nth(1).unwrap();
            asked.insert(connection, target.to_owned());
            broken.entry(target.to_owned()).or_default();
        }
        let Some(target) = asked.get(&connection) else { continue };
        let faults = line["faults"].as_array().into_iter().flatten().chain(line.get("section").map(|_| line));
        for fault in faults {
            let is_behind = fault["what"].as_str().unwrap().contains("follows");
            let section = if is_behind { BEHIND } else { fault["section"].as_str().unwrap() };
            broken.entry(target.clone()).or_default()[usize::from(is_server)].insert(section.to_owned());
        }
    }
    broken
}

const FAMILIES: [&str; 14] =
    ["1", "2", "3", "4", "5", "6.1", "6.2", "6.3", "7", "FRM", "FRG", "CTL", "CLS", "UTF"];

/// The sections that the lab breaks if they differ from those of the rule that a case is about, by the start of its id.
const OTHERS: &[(&str, &[&str])] = &[
    ("5.1", &["5.4", "5.5"]),
    ("5.2", &["5.4", "5.5"]),
    ("FRM-001.3", &["5.1", "5.4"]),
    ("FRM-003", &["5.1"]),
    ("FRM-024.0.", &["5.2", "5.4"]),
    ("FRM-025.2", &["5.2", "5.5"]),
    ("FRM-027", &["5.2", "5.5"]),
    ("CTL-001", &["5.5"]),
    ("CLS-007", &["7.4"]),
    ("CLS-008", &["7.4"]),
    ("CLS-009", &["7.4"]),
    ("CLS-010", &["7.4"]),
    ("CLS-031", &["5.2"]),
    ("CLS-032", &["5.2", "8.1"]),
    ("CLS-039.2", &["5.2"]),
    // A limit of the peer's own, and the end of the TCP connection: no rule of the sender.
    ("FRM-019", &[]),
    ("FRM-032", &[]),
    ("FRM-033", &[]),
    ("CLS-038", &[]),
];

/// Returns what the lab breaks in a case.
fn provoked(case: &Case) -> BTreeSet<String> {
    let others = OTHERS.iter().find(|(id, _)| match id.ends_with('.') || id.contains('-') {
        true => case.id.starts_with(id),
        false => case.id == *id,
    });
    let is_failed = match case.expect.close.by {
        By::Peer => true,
        By::Script => !case.expect.close.codes.contains(&1000),
        By::Us | By::Anyone => false,
    };
    let sections = case.rule.sections.to_string().replace("RFC 6455 ", "");
    match others {
        Some((_, sections)) => sections.iter().map(|section| format!("RFC 6455 §{section}")).collect(),
        // §7.1.7 is how a connection is failed, which is for the peer.
        None if is_failed => sections
            .split(", ")
            .filter(|section| *section != "§7.1.7")
            .map(|section| format!("RFC 6455 {section}"))
            .collect(),
        None => BTreeSet::new(),
    }
}

/// Compares what each side has broken, as the watch reports it, with what the lab provokes in each case. `subject` is
/// the side that the lab examines.
fn check(
    subject: Subject,
    cases: &[&'static Case],
    broken: impl Fn(&Case) -> (BTreeSet<String>, BTreeSet<String>),
) {
    assert!(cases.len() > 200, "{}", cases.len());
    let (mut wrong, mut behind) = (Vec::new(), 0);
    for case in cases {
        let (mut by_lab, by_peer) = broken(case);
        behind += usize::from(by_lab.remove(BEHIND));
        let mut right = provoked(case);
        if case.id == "FRM-035" && subject == Subject::Server {
            // HTTP has no mask.
            right.insert("RFC 6455 §5.1".to_owned());
        }
        // Byte by byte, the peer may have ended the connection before a header is whole.
        let is_cut = matches!(case.id, "4.1.5" | "4.2.5") && by_lab.is_empty();
        if by_lab != right && !is_cut || !by_peer.is_empty() {
            wrong
                .push(format!("{} {}: {by_lab:?}, not {right:?}; the peer {by_peer:?}", case.id, case.title));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(behind > 0, "nothing was sent behind a Close");
}

/// Selects cases about frames that are not about their number or size.
fn frame_cases(subject: Subject) -> Vec<&'static Case> {
    let selection =
        Selection { patterns: FAMILIES.map(str::to_owned).to_vec(), quick: true, ..Selection::default() };
    selection.choose(subject).unwrap()
}

/// Plays cases against a server behind a watch, each on a path of its own.
fn examine(address: SocketAddr, cases: &[&'static Case]) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let target = Target::new(address, &address.to_string(), &format!("/{}", case.id));
                    let options = Options { effort: Effort::Quick, ..Options::default() };
                    let plan = Plan::new(target, vec![case], options, 1);
                    runner::run(&plan, &mut |_, _| {}).unwrap();
                }
            });
        }
    });
}

#[test]
fn what_the_lab_provokes_before_a_server_is_named() {
    let root = &workspace();
    let python = root.join("target/peers/venv/bin/python");
    if !python.exists() {
        return skip("Python websockets", "run tests/peers/install");
    }
    let mut command = Command::new(&python);
    let script: PathBuf = root.join("tests/peers/websockets_echo_server.py");
    let mut server = Running::start(command.current_dir(root).arg(script));
    let url = server.first_line();
    let watched = Watched::before(address_of(&url));
    let cases = frame_cases(Subject::Server);
    examine(watched.front.address, &cases);
    let broken = broken(&watched.finish());
    let named = |case: &Case| &broken[&format!("/{}", case.id)];
    check(Subject::Server, &cases, |case| (named(case)[0].clone(), named(case)[1].clone()));
}

#[test]
fn what_the_lab_provokes_before_a_client_is_named() {
    let root = &workspace();
    if !root.join("target/peers/node/node_modules/ws").exists() {
        return skip("npm ws", "run tests/peers/install");
    }
    let families = FAMILIES.join(",");
    let lab = ["test", "client", "--listen", "127.0.0.1:0", "--quick", "--case", &families];
    let lab = Running::bowsprit(&lab);
    let url = lab.told(" cases on ");
    let watched = Watched::before(address_of(&url));
    let mut command = Command::new("node");
    let script = root.join("tests/peers/ws_autobahn_client.js");
    let command = command.current_dir(root).arg(script).arg(format!("ws://{}", watched.front.address));
    let (code, _, stderr) = Running::start(command).finish_within(120);
    assert_eq!(code, 0, "{stderr}");
    lab.signal("INT");
    let (_, stdout, stderr) = lab.finish();
    assert!(stdout.contains("all required cases passed"), "{stdout}{stderr}");
    let broken = broken(&watched.finish());
    let cases = frame_cases(Subject::Client);
    let numbers: BTreeMap<&str, usize> =
        cases.iter().zip(1..).map(|(case, number)| (case.id, number)).collect();
    let named = |case: &Case| &broken[&format!("/runCase?case={}&agent=ws", numbers[case.id])];
    check(Subject::Client, &cases, |case| (named(case)[1].clone(), named(case)[0].clone()));
}
