//! One fault planted in our own server or client, in memory: the cases that are about it fail, and no others do.
//!
//! A row names the fault and, by one case each, the rules that fail with it: where one fault breaks several rules, all of
//! them are named. Heavy cases are left out, as they send much of what others send.

mod memory;

use std::collections::{BTreeMap, BTreeSet};

use bowsprit::frame::{LengthForm, MaskKey};
use bowsprit_lab::report::{Deny, Outcome};
use bowsprit_lab::{Case, Selection, Subject, cases};
use memory::twist::Fate::{Drop, Pass, Swallow};
use memory::twist::{Fate, Twist};
use memory::{Noise, play_with};

/// A fault, whose it is, and the rules that break with it, each by a case that is about it.
type Row = (&'static str, Subject, Twist, &'static [&'static str]);

use Subject::{Both, Client, Server};
use Twist::{Hears, HearsHead, HearsHeader, Says, SaysHead};

fn drop_if(is_so: bool) -> Fate {
    if is_so { Drop } else { Pass }
}

const FRAMES: &[Row] = &[
    (
        "takes RSV2 and RSV3",
        Both,
        HearsHeader(|header, _| {
            (header.rsv2, header.rsv3) = (false, false);
            Pass
        }),
        &["3.1", "EXT-019.1", "CLS-031", "CLS-032", "CLS-039.2"],
    ),
    (
        "takes RSV1 without an extension",
        Both,
        HearsHeader(|header, memo| {
            header.rsv1 &= memo.extended;
            Pass
        }),
        &["3.1"],
    ),
    (
        "takes RSV1 on continuation frames",
        Both,
        HearsHeader(|header, memo| {
            header.rsv1 &= !(memo.extended && header.opcode == 0);
            Pass
        }),
        &["PMD-001"],
    ),
    (
        "leaves unknown opcodes out",
        Both,
        HearsHeader(|header, _| drop_if(matches!(header.opcode, 3..=7 | 11..) && header.length < 1 << 20)),
        &["4.1.1", "FRM-035", "HSS-110"],
    ),
    (
        "takes frames with the wrong mask",
        Server,
        HearsHeader(|header, _| {
            header.mask = header.mask.or(Some(MaskKey([0; 4])));
            Pass
        }),
        &["FRM-001.1"],
    ),
    (
        "takes lengths in longer forms",
        Both,
        HearsHeader(|header, _| {
            header.form = LengthForm::minimal(header.length);
            Pass
        }),
        &["FRM-016.1"],
    ),
    (
        "waits for lengths beyond 2^63",
        Both,
        HearsHeader(|header, _| if header.length >> 63 == 1 { Swallow } else { Pass }),
        &["FRM-018"],
    ),
    (
        "waits for lengths beyond its limit",
        Both,
        HearsHeader(
            |header, _| {
                if header.length >> 63 == 0 && header.length > 1 << 60 { Swallow } else { Pass }
            },
        ),
        &["FRM-019"],
    ),
    (
        "waits for the payload of what is wrong already",
        Both,
        HearsHeader(|header, _| if header.length == 1 << 40 && !header.rsv1 { Swallow } else { Pass }),
        &["FRM-025.1"],
    ),
    (
        "takes control frames without FIN",
        Both,
        HearsHeader(|header, _| {
            header.fin |= header.opcode >= 8;
            Pass
        }),
        &["5.1"],
    ),
    (
        "leaves long control frames out",
        Both,
        HearsHeader(|header, _| {
            drop_if(header.opcode >= 8 && header.length > 125 && header.length < 1 << 20)
        }),
        &["2.5"],
    ),
    (
        "leaves stray continuation frames out",
        Both,
        HearsHeader(|header, memo| {
            drop_if(header.opcode == 0 && !memo.open && !header.rsv1 && !header.rsv2 && !header.rsv3)
        }),
        &["5.9", "FRM-001.3"],
    ),
    (
        "goes on with a message where a new one starts",
        Both,
        HearsHeader(|header, memo| {
            if matches!(header.opcode, 1 | 2) && memo.open {
                header.opcode = 0;
            }
            Pass
        }),
        &["5.18"],
    ),
    (
        "takes close codes that nobody may send",
        Both,
        Hears(|header, payload, _| {
            if let (8, Some(0..=999 | 1004..=1006 | 1015)) = (header.opcode, code(payload)) {
                payload[..2].copy_from_slice(&1000u16.to_be_bytes());
            }
            Pass
        }),
        &["7.9.1"],
    ),
    (
        "takes close codes that are not defined",
        Both,
        Hears(|header, payload, _| {
            if let (8, Some(1016..=2999)) = (header.opcode, code(payload)) {
                payload[..2].copy_from_slice(&1000u16.to_be_bytes());
            }
            Pass
        }),
        &["7.9.1", "CLS-007"],
    ),
    (
        "calls registered close codes wrong",
        Both,
        Hears(|header, payload, _| {
            if let (8, Some(1012..=1014)) = (header.opcode, code(payload)) {
                payload[..2].copy_from_slice(&999u16.to_be_bytes());
            }
            Pass
        }),
        &["CLS-001"],
    ),
    (
        "calls close codes of programs wrong",
        Both,
        Hears(|header, payload, _| {
            if let (8, Some(3000..=4999)) = (header.opcode, code(payload)) {
                payload[..2].copy_from_slice(&999u16.to_be_bytes());
            }
            Pass
        }),
        &["7.7.1"],
    ),
    (
        "takes a Close of one byte",
        Both,
        Hears(|header, payload, _| {
            if header.opcode == 8 && payload.len() == 1 {
                *payload = 1000u16.to_be_bytes().to_vec();
            }
            Pass
        }),
        &["7.3.2"],
    ),
    (
        "calls an empty Close wrong",
        Both,
        Hears(|header, payload, _| {
            if header.opcode == 8 && payload.is_empty() {
                payload.push(0);
            }
            Pass
        }),
        &["7.3.1"],
    ),
    (
        "takes reasons that are not UTF-8",
        Both,
        Hears(|header, payload, _| {
            if header.opcode == 8 && payload.len() > 2 && std::str::from_utf8(&payload[2..]).is_err() {
                payload.truncate(2);
            }
            Pass
        }),
        &["7.5.1", "CLS-023.1"],
    ),
    (
        "never answers a Ping",
        Both,
        Says(|header, _, _| drop_if(header.opcode == 10)),
        &["2.1", "2.9", "2.10", "5.6", "FRM-036.1", "PMD-007", "UTF-002", "CTL-011"],
    ),
    (
        "answers Pings with nothing",
        Both,
        Says(|header, payload, _| {
            if header.opcode == 10 {
                payload.clear();
            }
            Pass
        }),
        &["2.1", "2.9", "2.10", "5.6", "FRM-036.1", "PMD-007", "UTF-002", "CTL-011"],
    ),
    (
        "loses empty messages",
        Both,
        Says(|header, payload, _| {
            drop_if(matches!(header.opcode, 1 | 2) && header.fin && payload.is_empty())
        }),
        &["1.1.1", "PMD-009", "FRM-007", "6.1.1"],
    ),
    (
        "changes a byte at 126",
        Both,
        Says(|header, payload, _| {
            if header.opcode <= 2 && payload.len() == 126 {
                payload[125] ^= 1;
            }
            Pass
        }),
        &["1.1.1"],
    ),
    (
        "echoes binary messages as text",
        Both,
        Says(|header, _, _| {
            header.opcode = if header.opcode == 2 { 1 } else { header.opcode };
            Pass
        }),
        &["1.2.1", "FRM-008.1", "UTF-005", "PMD-004", "LIM-017.5", "PMD-007.2"],
    ),
    (
        "says 1011 for text that is not UTF-8",
        Both,
        Says(|header, payload, _| {
            if header.opcode == 8 && code(payload) == Some(1007) {
                *payload = 1011u16.to_be_bytes().to_vec();
            }
            Pass
        }),
        &["6.3.1", "6.4.1", "PMD-025", "7.5.1", "CLS-023.1", "7.7.1"],
    ),
];

const SERVER_HEADS: &[Row] = &[
    (
        "takes requests without a key",
        Server,
        HearsHead(|head| {
            if head.get("sec-websocket-key").is_none() {
                head.set("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==");
            }
        }),
        &["HSS-058", "HSS-119"],
    ),
    (
        "takes any version",
        Server,
        HearsHead(|head| head.set("Sec-WebSocket-Version", "13")),
        &["HSS-075", "HSS-076.1", "HSS-118", "HSS-084"],
    ),
    (
        "takes requests without Upgrade",
        Server,
        HearsHead(|head| head.set("Upgrade", "websocket")),
        &["HSS-039"],
    ),
    (
        "takes requests without Connection",
        Server,
        HearsHead(|head| head.set("Connection", "Upgrade")),
        &["HSS-048"],
    ),
    (
        "takes any method",
        Server,
        HearsHead(|head| {
            if let Some((_, rest)) = head.0[0].clone().split_once(' ') {
                head.first(&format!("GET {rest}"));
            }
        }),
        &["HSS-004"],
    ),
    (
        "takes requests without Host",
        Server,
        HearsHead(|head| {
            if head.get("host").is_none() {
                head.add("Host: a");
            }
        }),
        &["HSS-032"],
    ),
    (
        "has a Content-Length in its 101",
        Server,
        SaysHead(|head| {
            if head.0[0].contains(" 101 ") {
                head.add("Content-Length: 0");
            }
        }),
        &["HSS-121"],
    ),
    (
        "chooses a subprotocol that nobody offered",
        Server,
        SaysHead(|head| {
            if head.0[0].contains(" 101 ") {
                head.add("Sec-WebSocket-Protocol: unasked");
            }
        }),
        &["SUB-001", "SUB-009"],
    ),
    (
        "leaves a window of 15 bits unsaid",
        Server,
        SaysHead(|head| {
            if let Some(line) = head.0.iter_mut().find(|line| line.contains("server_max_window_bits=15")) {
                *line = line.replace("; server_max_window_bits=15", "");
            }
        }),
        &["PMN-027"],
    ),
    (
        "does not name the version that it speaks",
        Server,
        SaysHead(|head| {
            if !head.0[0].contains(" 101 ") {
                head.without("Sec-WebSocket-Version");
            }
        }),
        &["HSS-076.1"],
    ),
    (
        "does not say what a 426 is about",
        Server,
        SaysHead(|head| {
            if head.0[0].contains(" 426 ") {
                head.without("Upgrade");
            }
        }),
        &["HSS-084"],
    ),
    (
        "has an Accept in what refuses",
        Server,
        SaysHead(|head| {
            if !head.0[0].contains(" 101 ") {
                head.add("Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
            }
        }),
        &["HSS-118"],
    ),
];

const CLIENT_HEADS: &[Row] = &[
    (
        "takes responses without Upgrade",
        Client,
        HearsHead(|head| head.set("Upgrade", "websocket")),
        &["HSC-036"],
    ),
    (
        "takes responses without Connection",
        Client,
        HearsHead(|head| head.set("Connection", "Upgrade")),
        &["HSC-039"],
    ),
    (
        "takes a 200",
        Client,
        HearsHead(|head| {
            if head.0[0].contains(" 200 ") {
                head.first("HTTP/1.1 101 Switching Protocols");
            }
        }),
        &["HSC-015"],
    ),
    (
        "takes a 101 of HTTP/1.0",
        Client,
        HearsHead(|head| {
            let line = head.0[0].replace("HTTP/1.0", "HTTP/1.1");
            head.first(&line);
        }),
        &["HSC-032"],
    ),
    (
        "takes subprotocols that it did not offer",
        Client,
        HearsHead(|head| {
            head.without("Sec-WebSocket-Protocol");
        }),
        &["SUB-012", "SUB-014"],
    ),
    (
        "takes an Accept of any value",
        Client,
        HearsHead(|head| {
            if let Some(accept) = head.get("x-right").map(str::to_owned) {
                head.set("Sec-WebSocket-Accept", &accept);
            }
        }),
        &[],
    ),
];

fn code(payload: &[u8]) -> Option<u16> {
    payload.first_chunk().map(|code| u16::from_be_bytes(*code))
}

fn rule(case: &Case) -> (String, &'static str) {
    (case.rule.sections.to_string(), case.rule.text)
}

/// The rules that fail with a fault, each with its cases.
fn failing(subject: Subject, twist: Twist) -> BTreeMap<(String, &'static str), Vec<&'static str>> {
    let mut rules: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for case in (Selection { quick: true, ..Selection::default() }).choose(subject).unwrap() {
        if case.has_tag("heavy") {
            continue;
        }
        let record = play_with(case, subject, usize::MAX, Noise::None, twist);
        if (Outcome { record, aftermath: None }).denied(Deny::Should) {
            rules.entry(rule(case)).or_default().push(case.id);
        }
    }
    rules
}

fn each_breaks_its_rules(rows: &[Row]) {
    let mut wrong = String::new();
    for (fault, whose, twist, expected) in rows {
        for subject in [Server, Client] {
            if *whose != Both && *whose != subject {
                continue;
            }
            let failing = failing(subject, *twist);
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
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn faults_in_frames_fail_the_cases_that_are_about_them() {
    each_breaks_its_rules(FRAMES);
}

#[test]
fn faults_in_requests_and_answers_fail_the_cases_that_are_about_them() {
    each_breaks_its_rules(SERVER_HEADS);
    each_breaks_its_rules(CLIENT_HEADS);
}
