//! Paths, signals and values that are out of bounds.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use super::certificates::Authority;
use super::support::command::{Running, serve};
use super::support::peer::{Peer, assert_text};
use super::{Folder, end};

fn path(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("bowsprit-{name}-{}", std::process::id()));
    let _ = fs::remove_file(&path);
    path
}

fn serve_at(path: &Path) -> super::support::command::Server {
    serve(&["--unix", path.to_str().unwrap()])
}

fn refuses(path: &Path, why: &str) {
    let args = ["serve", "--listen", "127.0.0.1:0", "--unix", path.to_str().unwrap()];
    let (code, _, stderr) = Running::bowsprit(&args).finish();
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains(why), "{stderr}");
}

#[test]
fn only_a_socket_that_nobody_listens_on_is_replaced() {
    let path = path("stale");
    fs::write(&path, "precious").unwrap();
    refuses(&path, "no socket");
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    fs::remove_file(&path).unwrap();

    let target = path.with_extension("target");
    std::os::unix::fs::symlink(&target, &path).unwrap();
    refuses(&path, "no socket");
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
    fs::remove_file(&path).unwrap();

    let listener = UnixListener::bind(&path).unwrap();
    let inode = fs::metadata(&path).unwrap().ino();
    refuses(&path, "choose another one with --unix");
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);

    // Its owner is gone, killed perhaps.
    drop(listener);
    let server = serve_at(&path);
    UnixStream::connect(&path).unwrap();
    assert_eq!(end(server).0, 0);
    assert!(!path.exists());
}

#[test]
fn only_what_is_ours_is_removed_at_the_end() {
    let path = path("replaced");
    let server = serve_at(&path);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "somebody else's").unwrap();
    assert_eq!(end(server).0, 0);
    assert_eq!(fs::read(&path).unwrap(), b"somebody else's");
    fs::remove_file(&path).unwrap();

    let server = serve_at(&path);
    fs::remove_file(&path).unwrap();
    let _listener = UnixListener::bind(&path).unwrap();
    assert_eq!(end(server).0, 0);
    assert!(fs::metadata(&path).unwrap().file_type().is_socket());
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_hangup_ends_nothing() {
    for threads in ["1", "2"] {
        let server = serve(&["--threads", threads]);
        let mut peer = Peer::open(server.address);
        server.running.signal("HUP");
        server.running.told("bowsprit: SIGHUP: ");
        peer.text("still here");
        assert_text(&peer.frame(), "still here");
        drop(peer);
        assert_eq!(end(server).0, 0);
    }
}

#[test]
fn values_out_of_bounds_are_told() {
    let most = usize::MAX.to_string();
    for (flag, value) in [
        ("--receive-buffer", most.as_str()),
        ("--receive-buffer", "0"),
        ("--receive-buffer", "1025M"),
        ("--threads", &most),
        ("--threads", "0"),
        ("--threads", "1025"),
    ] {
        let (code, _, stderr) =
            Running::bowsprit(&["serve", "--listen", "127.0.0.1:0", flag, value]).finish();
        assert_eq!(code, 2, "{flag} {value}: {stderr}");
        assert!(
            stderr.contains(flag) && stderr.contains("from 1") && !stderr.contains("panicked"),
            "{stderr}"
        );
    }
}

/// Every limit at its least and at its most: the server starts, answers and ends.
#[test]
fn limits_may_be_anything() {
    let (size, number, time) = (usize::MAX.to_string(), u32::MAX.to_string(), "1e19");
    for (flag, least, most) in [
        ("--max-message", "0", size.as_str()),
        ("--max-frame", "0", &size),
        ("--max-fragments", "0", &number),
        ("--max-empty-fragments", "0", &number),
        ("--fragment-size", "1", &size),
        ("--max-queued", "0", &size),
        ("--close-timeout", "0", time),
        ("--idle-timeout", "0", time),
        ("--ping", "0", time),
        ("--pong-timeout", "0", time),
        ("--max-connections", "0", &size),
        ("--max-per-address", "0", &size),
        ("--accept-rate", "0", &number),
        ("--max-lifetime", "0", time),
        ("--handshake-timeout", "0", time),
        ("--max-head", "0", &size),
        ("--max-headers", "0", &size),
        ("--high-watermark", "0", &size),
        ("--low-watermark", "0", &size),
        ("--receive-buffer", "1K", "1M"),
    ] {
        for value in [least, most] {
            let server = serve(&[flag, value]);
            let mut peer = Peer::connect(server.address);
            peer.write(super::REQUEST.as_bytes());
            if value == most {
                assert!(peer.head().starts_with("HTTP/1.1 101 "), "{flag} {value}");
                peer.text("echo");
                assert_text(&peer.frame(), "echo");
            } else {
                peer.part();
            }
            drop(peer);
            let (code, stderr) = end(server);
            assert!(code == 0 && !stderr.contains("panicked"), "{flag} {value}: {stderr}");
        }
    }
}

#[test]
fn keys_that_others_can_touch_are_told() {
    let (authority, folder) = (Authority::new(), Folder::new("open-key"));
    let identity = folder.identity("server", &authority.issue(&["localhost"]));
    for (mode, told) in [(0o600, None), (0o640, None), (0o644, Some("can read")), (0o622, Some("can change"))]
    {
        fs::set_permissions(&identity[3], fs::Permissions::from_mode(mode)).unwrap();
        let args: Vec<&str> = identity.iter().map(String::as_str).collect();
        let (server, _) = super::serve_tls(&args);
        server.signal("TERM");
        let (code, _, stderr) = server.finish();
        assert_eq!(code, 0);
        match told {
            Some(told) => {
                assert!(stderr.contains(told) && stderr.contains("chmod o-rw"), "{mode:o}: {stderr}")
            }
            None => assert!(!stderr.contains("chmod"), "{mode:o}: {stderr}"),
        }
    }
}
