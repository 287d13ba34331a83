//! What the fuzz targets need beside the library: another implementation to differ from.

#[cfg(fuzzing)]
pub mod differential;

/// The target with this name, of the library or of this crate.
#[cfg(fuzzing)]
pub fn target(name: &str) -> Option<fn(&[u8])> {
    match name {
        "differential_server" => Some(differential::server),
        "differential_client" => Some(differential::client),
        _ => bowsprit::fuzzing::target(name),
    }
}
