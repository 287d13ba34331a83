//! Sets the soname (install name on macOS) of the shared library, which cargo does not set.
//!
//! Before 1.0 a minor version may break the interface, so it is part of the name (`libbowsprit.so.0.1`).

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let part = |name| env::var(name).unwrap_or_default();
    let (major, minor) = (part("CARGO_PKG_VERSION_MAJOR"), part("CARGO_PKG_VERSION_MINOR"));
    let version = if major == "0" { format!("0.{minor}") } else { major };
    match part("CARGO_CFG_TARGET_OS").as_str() {
        "macos" | "ios" => {
            println!("cargo:rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libbowsprit.{version}.dylib");
        }
        "windows" => {}
        _ => println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libbowsprit.so.{version}"),
    }
}
