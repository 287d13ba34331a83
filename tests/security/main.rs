//! What has gone wrong in WebSocket software before, a test for each way it could go wrong here, named after the first
//! advisory of its kind. SECURITY.md links each row to its tests.

#[cfg(all(feature = "tls", feature = "blocking", feature = "event-loop"))]
#[path = "../support/certificates.rs"]
mod certificates;
mod compression;
#[cfg(feature = "event-loop")]
mod event_loop;
mod frames;
mod handshake;
mod memory;
#[path = "../support/processor.rs"]
mod processor;
#[path = "../support/mod.rs"]
mod support;
mod time;
#[cfg(all(feature = "tls", feature = "blocking", feature = "event-loop"))]
mod tls;

use std::sync::Arc;
use std::time::Duration;

use bowsprit::Role;
use bowsprit::connection::{Config, Delivery};
use bowsprit::error::ProtocolError;
use bowsprit::extension::params;
use bowsprit::frame::{LengthForm, RawHeader};
use bowsprit::handshake::{
    Acceptance, ClientHandshake, ClientRequest, HeadError, HeadLimits, HeaderField, Incoming, OriginPolicy,
    Progress, Refusal, RequestError, ResponseError, ServerHandshake,
};
use support::*;

const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

/// The request with these lines behind it.
fn with(lines: &str) -> Vec<u8> {
    format!("{REQUEST}{lines}\r\n").into_bytes()
}

fn judge(request: &[u8], limits: HeadLimits) -> Result<Progress<Incoming>, RequestError> {
    ServerHandshake::new(limits).receive(request)
}

fn accepted(request: &[u8]) -> bool {
    matches!(judge(request, HeadLimits::default()), Ok(Progress::Done { value: Incoming::Upgrade(_), .. }))
}

const WIDE: HeadLimits = HeadLimits::new(1 << 20, 2000);

/// Work in proportion to its input takes far less than this, even here; work that grows with its square far more.
#[track_caller]
fn in_time(work: impl FnOnce()) {
    let took = processor::time_of(work);
    assert!(took < Duration::from_secs(20), "{took:?}");
}

fn side(role: Role, change: impl FnOnce(&mut Config)) -> Side {
    Side::new(role, &Arc::new(config(change)), start())
}

fn read(side: &mut Side, bytes: &[u8]) {
    side.read(bytes, start());
}

fn failed(side: &Side) -> Option<ProtocolError> {
    side.conn.inbound.error()
}

const SOURCES: [&str; 7] = [
    include_str!("compression.rs"),
    include_str!("event_loop.rs"),
    include_str!("frames.rs"),
    include_str!("handshake.rs"),
    include_str!("memory.rs"),
    include_str!("time.rs"),
    include_str!("tls.rs"),
];

/// Each row of the table in SECURITY.md names a test of these files at least, and each of those is there; each test here
/// that is named after an advisory stands in the table.
#[test]
fn the_table_and_the_tests_are_of_each_other() {
    let table = include_str!("../../SECURITY.md");
    let tests: Vec<&str> = SOURCES
        .iter()
        .flat_map(|source| source.lines())
        .filter_map(|line| line.trim_start().strip_prefix("fn "))
        .filter_map(|line| line.split_once("() {").map(|(name, _)| name))
        .collect();
    let rows: Vec<&str> = table
        .lines()
        .skip_while(|line| !line.starts_with("| attack |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert!(rows.len() >= 30, "{} rows", rows.len());
    let mut named = Vec::new();
    for row in rows {
        let own: Vec<&str> = row
            .split('`')
            .filter_map(|item| item.strip_prefix("security::"))
            .map(|name| name.rsplit("::").next().unwrap().trim_end_matches('…'))
            .collect();
        // What only the command, the lab, the C interface or an engine beside us can do wrong is tested beside them.
        let elsewhere = row.split('`').any(|item| {
            let Some((file, name)) = item.trim_end_matches('…').rsplit_once("::") else { return false };
            let file = file.replace("::", "/");
            let folders = [
                "tests",
                "crates/capi/src",
                "crates/capi/tests",
                "crates/cli/tests",
                "crates/cli/src/serve",
                "crates/lab/src",
                "crates/lab/tests",
            ];
            folders.iter().any(|folder| {
                let path = format!("{}/{folder}/{file}.rs", env!("CARGO_MANIFEST_DIR"));
                std::fs::read_to_string(path).is_ok_and(|source| source.contains(&format!("fn {name}")))
            })
        });
        assert!(!own.is_empty() || elsewhere, "no test of its own: {row}");
        for name in &own {
            assert!(tests.iter().any(|test| test.starts_with(name)), "{name} is not there: {row}");
        }
        named.extend(own);
    }
    let prefixes =
        ["rustsec_", "cve_", "ghsa_", "ws_", "crime_", "libhv_", "facil_io_", "websocket", "uwebsockets_"];
    for test in tests.iter().filter(|test| prefixes.iter().any(|prefix| test.starts_with(prefix))) {
        assert!(named.iter().any(|name| test.starts_with(name)), "{test} is not in SECURITY.md");
    }
}
