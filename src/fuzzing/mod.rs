//! The bodies of the fuzz targets: functions of a byte slice that assert.
//!
//! Compiled under `--cfg fuzzing` only, but for the simulation of the event loop, which is a test as well. `fuzz/`
//! drives them with libFuzzer; whatever else calls a function with bytes (AFL++, honggfuzz, a loop over files) drives
//! the same. Each one panics where a promise of its layer is broken, and is a function of its input: no socket and no
//! time but what the input makes.

#![allow(missing_docs, reason = "each module says what it asserts")]

#[cfg(fuzzing)]
pub mod connection;
#[cfg(all(fuzzing, feature = "lab"))]
pub mod decode;
#[cfg(feature = "event-loop")]
pub mod event_loop;
#[cfg(all(fuzzing, feature = "lab"))]
pub mod examiner;
#[cfg(fuzzing)]
pub mod extension;
#[cfg(fuzzing)]
pub mod handshake;
#[cfg(fuzzing)]
pub mod head;
#[cfg(all(fuzzing, feature = "deflate", feature = "lab"))]
pub mod inflate;
#[cfg(fuzzing)]
pub mod mask;
#[cfg(fuzzing)]
pub mod operations;
#[cfg(fuzzing)]
pub mod raw_header;
#[cfg(fuzzing)]
mod support;
#[cfg(all(fuzzing, feature = "client"))]
pub mod tunnel;
#[cfg(all(fuzzing, feature = "url"))]
pub mod url;
#[cfg(fuzzing)]
pub mod utf8;

/// Every target by its name.
#[cfg(fuzzing)]
pub const TARGETS: &[(&str, fn(&[u8]))] = &[
    ("raw_header", raw_header::run),
    ("mask", mask::run),
    ("utf8", utf8::run),
    ("head", head::run),
    ("server_handshake", handshake::server),
    ("client_handshake", handshake::client),
    ("extension", extension::run),
    #[cfg(feature = "url")]
    ("url", url::run),
    #[cfg(feature = "client")]
    ("tunnel", tunnel::run),
    ("connection_server", connection::server),
    ("connection_client", connection::client),
    ("operations", operations::run),
    #[cfg(feature = "event-loop")]
    ("event_loop", event_loop::run),
    #[cfg(all(feature = "deflate", feature = "lab"))]
    ("inflate", inflate::run),
    #[cfg(feature = "lab")]
    ("examiner", examiner::run),
    #[cfg(feature = "lab")]
    ("decode", decode::run),
];

/// The target with this name.
#[cfg(fuzzing)]
pub fn target(name: &str) -> Option<fn(&[u8])> {
    TARGETS.iter().find(|(this, _)| *this == name).map(|(_, run)| *run)
}
