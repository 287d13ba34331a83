//! Servers that share messages over real engines.

#![cfg(unix)]

#[path = "../../../tests/support/engine.rs"]
mod engine;
#[path = "../../../tests/support/installed.rs"]
mod installed;
mod support;

use engine::{KINDS, Server};
use support::command::{Running, serve};
use support::peer::{Peer, assert_text};

/// Chats until a message of one reaches the other: the engine has to know both.
fn meet(one: &mut Peer, other: &mut Peer) {
    other.stream.set_read_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
    while other.read().is_err() {
        one.text("hello");
    }
    other.stream.set_read_timeout(Some(support::peer::PATIENCE)).unwrap();
    while other.frame().1 == b"hello" && !other.ahead.is_empty() {}
}

#[test]
fn two_servers_make_one_chat() {
    for kind in KINDS {
        let Some(engine) = Server::start(kind, &[]) else { return };
        for threads in ["1", "3"] {
            let args = ["--mode", "relay", "--threads", threads, "--backplane", &engine.url()];
            let servers = [(); 2].map(|()| serve(&args));
            let [mut one, mut other] = [0, 1].map(|at| Peer::open(servers[at].address));
            meet(&mut one, &mut other);
            one.text("over there");
            while other.frame().1 != b"over there" {}
            other.text("and back");
            assert_text(&one.frame(), "and back");
        }
    }
}

#[test]
fn what_cannot_be_shared_is_said() {
    for (args, hint) in [
        (&["--backplane", "redis://127.0.0.1/"][..], "--mode relay"),
        (&["--mode", "relay", "--backplane", "127.0.0.1:6379"], "redis://"),
        (&["--mode", "relay", "--backplane", "redis://u:geheim@127.0.0.1:99999/"], "port"),
    ] {
        let (code, _, stderr) =
            Running::bowsprit(&[&["serve", "--listen", "127.0.0.1:0"], args].concat()).finish();
        assert_ne!(code, 0);
        assert!(stderr.contains(hint) && !stderr.contains("geheim"), "{stderr}");
    }
}

#[test]
fn an_engine_that_is_away_is_told_and_keeps_nobody_from_talking() {
    let Some(mut engine) = Server::start(KINDS[0], &[]) else { return };
    engine.kill();
    let server = serve(&["--mode", "relay", "--backplane", &engine.url()]);
    server.running.told("backplane: down");
    let (mut one, mut other) = (Peer::open(server.address), Peer::open(server.address));
    one.text("hello");
    assert_text(&other.frame(), "hello");
    engine.start_again();
    server.running.told("backplane: up");
}
