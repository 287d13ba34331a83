//! The bodies of the fuzz targets: functions of a byte slice that assert.
//!
//! `fuzz_targets/` drives them with libFuzzer; anything else that calls a function with bytes (AFL++, honggfuzz, a loop
//! over files) can drive them, too. Each function panics if a promise of its layer is broken, and depends only on its
//! input: it uses no socket, and no time but what the input provides. They use the public API alone.

pub mod capture;
pub mod connection;
#[path = "../../tests/support/far_side.rs"]
pub mod connector;
pub mod conversation;
pub mod decode;
pub mod differential;
pub mod dump;
#[path = "../../tests/support/simulation.rs"]
pub mod event_loop;
pub mod examiner;
pub mod extension;
pub mod handshake;
pub mod head;
pub mod http2;
pub mod inflate;
pub mod link;
pub mod mask;
pub mod operations;
pub mod proxy_header;
pub mod raw_header;
#[path = "../../tests/support/streams.rs"]
pub mod streams;
mod support;
pub mod tunnel;
pub mod turn;
pub mod url;
pub mod utf8;

/// Every target by its name.
pub const TARGETS: &[(&str, fn(&[u8]))] = &[
    ("raw_header", raw_header::run),
    ("mask", mask::run),
    ("utf8", utf8::run),
    ("head", head::run),
    ("http2", http2::run),
    ("proxy_header", proxy_header::run),
    ("server_handshake", handshake::server),
    ("client_handshake", handshake::client),
    ("extension", extension::run),
    ("url", url::run),
    ("tunnel", tunnel::run),
    ("connector", connector::run),
    ("connection_server", connection::server),
    ("connection_client", connection::client),
    ("link", link::run),
    ("operations", operations::run),
    ("event_loop", event_loop::run),
    ("event_loop_http2", streams::one_each),
    ("streams", streams::run),
    ("turn", turn::run),
    ("inflate", inflate::run),
    ("examiner", examiner::run),
    ("decode", decode::run),
    ("dump", dump::run),
    ("capture", capture::run),
    ("conversation", conversation::run),
    ("differential_server", differential::server),
    ("differential_client", differential::client),
];

/// Returns the target with this name.
pub fn target(name: &str) -> Option<fn(&[u8])> {
    TARGETS.iter().find(|(this, _)| *this == name).map(|(_, run)| *run)
}
