//! Files to read and to write; `-` is standard output.

use std::path::Path;

use crate::output::print_bytes;

pub(super) fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), String> {
    if path == Path::new("-") {
        print_bytes(text.as_bytes());
        return Ok(());
    }
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
