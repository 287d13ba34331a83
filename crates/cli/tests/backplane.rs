//! Servers that share messages over real engines.

#![cfg(unix)]

#[path = "../../../tests/support/certificates.rs"]
mod certificates;
#[path = "../../../tests/support/engine.rs"]
mod engine;
#[path = "../../../tests/support/installed.rs"]
mod installed;
mod support;

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use engine::{KINDS, Server};
use serde_json::Value;
use support::command::{Running, serve};
use support::peer::{Peer, REQUEST, assert_text};

/// Chats until a message of one client reaches the other, because the engine has to know both.
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

/// Reads a message, and splits it into the position and the rest.
fn told(peer: &mut Peer) -> (String, String) {
    let text = String::from_utf8(peer.frame().1).unwrap();
    let end = text.find([' ', '\n']).unwrap_or_else(|| panic!("{text}"));
    (text[..end].to_owned(), text[end..].to_owned())
}

fn since(address: SocketAddr, position: &str) -> Peer {
    let mut peer = Peer::connect(address);
    peer.write(REQUEST.replacen("/chat", &format!("/chat?since={position}"), 1).as_bytes());
    assert!(peer.head().starts_with("HTTP/1.1 101 "));
    peer
}

#[test]
fn who_comes_back_gets_what_was_said() {
    let Some(mut engine) = Server::start(KINDS[0], &[]) else { return };
    let url = format!("{}?streams=100", engine.url());
    for mode in ["relay", "broadcast"] {
        let servers = [(); 2].map(|()| serve(&["--mode", mode, "--backplane", &url]));
        let mut listener = since(servers[0].address, "");
        let (begin, what) = told(&mut listener);
        assert_eq!(what, " complete");
        let mut plain = Peer::open(servers[0].address);
        let mut speaker = since(servers[1].address, &begin);
        assert_eq!(told(&mut speaker), (begin.clone(), " complete".into()));
        speaker.text("said meanwhile");
        assert_text(&plain.frame(), "said meanwhile");
        let (at, what) = told(&mut listener);
        assert_eq!(what, "\nsaid meanwhile");
        let own = if mode == "relay" { " own" } else { "\nsaid meanwhile" };
        assert_eq!(told(&mut speaker), (at.clone(), own.into()));
        for server in &servers {
            let mut back = since(server.address, &begin.replace(':', "%3A"));
            assert_eq!(told(&mut back), (at.clone(), "\nsaid meanwhile".into()));
            assert_eq!(told(&mut back), (at.clone(), " complete".into()));
        }
        assert!(engine.redis("FLUSHALL").starts_with("+OK"));
        speaker.text("from here on");
        assert_text(&plain.frame(), "from here on");
        assert_eq!(told(&mut since(servers[0].address, &at)).1, " too-old");
    }
    engine.kill();
}

/// Returns the answer to a GET.
fn get(address: SocketAddr, target: &str, host: &str) -> String {
    let mut peer = Peer::connect(address);
    peer.write(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
    String::from_utf8(peer.rest()).unwrap()
}

/// Returns the value of the counter `name` of a server.
fn counter(server: &support::command::Server, metrics: &str, name: &str) -> u64 {
    let text = get(metrics.parse().unwrap(), "/metrics", metrics);
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{} has no {name}: {text}", server.address)).parse().unwrap()
}

#[test]
fn clients_are_counted_on_all_servers_until_theirs_is_killed() {
    for kind in KINDS {
        let Some(engine) = Server::start(kind, &[]) else { return };
        let args =
            ["--mode", "relay", "--metrics", "127.0.0.1:0", "--backplane", &engine.url()].map(str::to_owned);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let [one, other] = [(); 2].map(|()| serve(&args));
        let told = one.running.told("counters at http://");
        let metrics = told.strip_suffix("/metrics").unwrap();
        let until = |name: &str, value: u64| {
            let until = Instant::now() + support::peer::PATIENCE;
            while counter(&one, metrics, name) != value {
                assert!(Instant::now() < until, "{kind:?}: {name} is not {value}");
                thread::sleep(Duration::from_millis(20));
            }
        };
        let _clients = [&one, &one, &other].map(|server| Peer::open(server.address));
        until("bowsprit_backplane_present", 3);
        until("bowsprit_backplane_nodes", 1);
        other.running.signal("KILL");
        until("bowsprit_backplane_present", 2);
        until("bowsprit_backplane_nodes", 0);
    }
}

#[test]
fn what_cannot_be_come_back_to_is_refused() {
    let Some(engine) = Server::start(KINDS[0], &[]) else { return };
    let url = format!("{}?streams", engine.url());
    for (args, since, hint) in [
        (&["--mode", "relay", "--backplane", &url][..], "?since=yesterday", "EPOCH:OFFSET"),
        (&["--mode", "relay"], "?since", "?streams"),
    ] {
        let server = serve(args);
        let mut peer = Peer::connect(server.address);
        peer.write(REQUEST.replacen("/chat", &format!("/chat{since}"), 1).as_bytes());
        assert!(peer.head().starts_with("HTTP/1.1 400 "));
        let body = peer.rest();
        assert!(String::from_utf8_lossy(&body).contains(hint), "{}", body.escape_ascii());
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
    // Longer than any clock goes.
    let age = format!("{}s", i64::MAX);
    let args = ["--mode", "relay", "--backplane-max-age", &age, "--backplane", &engine.url()];
    let server = serve(&args);
    server.running.told("backplane: down");
    let (mut one, mut other) = (Peer::open(server.address), Peer::open(server.address));
    one.text("hello");
    assert_text(&other.frame(), "hello");
    engine.start_again();
    server.running.told("backplane: up");
}

/// The newest message of each sender is enough for a slow reader, on whichever server the sender is. Senders of two
/// servers are distinct, although their connections have the same names there.
#[test]
fn slow_readers_get_the_newest_of_senders_at_all_servers() {
    let Some(engine) = Server::start(KINDS[0], &[]) else { return };
    for (way, threads) in [("", "1"), ("", "3"), ("--backplane-ordered", "1"), ("?streams", "3")] {
        let (url, ordered) = match way.strip_prefix('?') {
            Some(_) => (format!("{}{way}", engine.url()), None),
            None => (engine.url(), Some(way).filter(|way| !way.is_empty())),
        };
        let slow_reader = ["--slow-reader", "latest", "--tell-dropped", "--max-queued", "256K"];
        let watermarks = ["--high-watermark", "64K", "--low-watermark", "16K"];
        let patient = ["--backplane-max-age", "60s"]; // this machine may be busy
        let backplane = ["--mode", "relay", "--threads", threads, "--backplane", &url];
        let counters = ["--metrics", "127.0.0.1:0"];
        let args: Vec<&str> = [&backplane[..], &patient, &slow_reader, &watermarks, &counters]
            .concat()
            .into_iter()
            .chain(ordered)
            .collect();
        let servers = [(); 2].map(|()| serve(&args));
        let metrics = servers[1].running.told("counters at http://");
        let metrics = metrics.strip_suffix("/metrics").unwrap();
        let mut senders = [0, 0, 1].map(|at: usize| Peer::open(servers[at].address));
        let (mut slow, mut fast) = (Peer::open(servers[1].address), Peer::open(servers[1].address));
        meet(&mut senders[0], &mut fast);
        let padding = "x".repeat(32 << 10);
        const EACH: usize = 200;
        for number in 0..EACH {
            for at in 0..senders.len() {
                let text = format!("{at} {number} {padding}");
                senders[at].text(&text);
                // All others have it, so it is with the slow one, too, or about to be.
                while fast.frame().1 != text.as_bytes() {}
                for other in (0..senders.len()).filter(|other| *other != at) {
                    while senders[other].frame().1 != text.as_bytes() {}
                }
            }
        }
        let mut last = [None; 3];
        while last != [Some(EACH - 1); 3] {
            let text = String::from_utf8(slow.frame().1).unwrap();
            let mut words = text.split(' ').map(|word| word.parse::<usize>());
            let (Some(Ok(at)), Some(Ok(number))) = (words.next(), words.next()) else { continue };
            assert!(last[at] < Some(number), "{way}: {number} after {last:?}");
            last[at] = Some(number);
        }
        let replaced = counter(&servers[1], metrics, "bowsprit_messages_conflated_total");
        assert!(replaced > 0, "{way} in {threads} threads");
        assert_eq!(counter(&servers[1], metrics, "bowsprit_messages_dropped_total"), 0, "{way}");
    }
}

/// The page gets the state of the link from any loop, and a request by another host name does not get it.
#[test]
fn the_page_is_told_how_the_link_is() {
    let Some(mut engine) = Server::start(KINDS[0], &[]) else { return };
    for threads in ["1", "3"] {
        let url = engine.url();
        let args = ["--mode", "relay", "--threads", threads, "--backplane", &url];
        let servers = [(); 2].map(|()| serve(&args));
        let [mut one, mut other] = [0, 1].map(|at: usize| Peer::open(servers[at].address));
        let page = get(servers[0].address, "/", "localhost");
        assert!(page.contains("data-others=\"/backplane\""), "{page}");
        assert!(get(servers[0].address, "/backplane", "rebound.example").starts_with("HTTP/1.1 421 "));
        let told = |at: usize| -> Value {
            let answer = get(servers[at].address, "/backplane", "localhost");
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(
                head.contains("Content-Type: application/json\r\n") && head.contains("no-store"),
                "{head}"
            );
            serde_json::from_str(body).unwrap()
        };
        let until = |at: usize, is_it: &dyn Fn(&Value) -> bool| -> Value {
            let until = Instant::now() + support::peer::PATIENCE;
            loop {
                let told = told(at);
                if is_it(&told) {
                    return told;
                }
                assert!(Instant::now() < until, "{told}");
                thread::sleep(Duration::from_millis(20)); // no event tells
            }
        };
        meet(&mut one, &mut other);
        let told = until(0, &|told| told["up"] == true && told["servers"] == 1 && told["clients"] == 2);
        assert!(told["why"].is_null() && told["lost"] == 0 && told["dropped"] == 0, "{told}");
        let published = until(0, &|told| told["published"].as_u64() > Some(0))["published"].as_u64();
        until(1, &|told| told["received"].as_u64() >= published);
        engine.kill();
        let told = until(1, &|told| told["up"] == false && told["why"].is_string());
        assert!(!told["why"].as_str().unwrap().is_empty());
        engine.start_again();
        until(1, &|told| told["up"] == true);
    }
    let alone = serve(&["--mode", "relay"]);
    assert!(get(alone.address, "/", "localhost").contains("data-others=\"\""));
    assert!(get(alone.address, "/backplane", "localhost").starts_with("HTTP/1.1 426 "));
}

/// Every way to reach an engine and to log in there, with any engine that is installed; no output holds a secret.
#[test]
fn engines_are_reached_under_tls_by_paths_and_with_credentials() {
    let authority = certificates::Authority::new();
    let identity = authority.issue(&["localhost"]);
    let folder = std::env::temp_dir().join(format!("bowsprit-engines-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.join(name);
        std::fs::write(&path, content).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let (ca, chain) = (file("ca.pem", &authority.pem()), file("chain.pem", &identity.certificate_pem));
    let (key, path) = (file("key.pem", &identity.key_pem), folder.join("redis.sock").display().to_string());
    let port = support::port::reserved().port().to_string();
    let redis_args = [
        ["--requirepass", "s3cret"],
        ["--unixsocket", &path],
        ["--tls-port", &port],
        ["--tls-auth-clients", "no"],
        ["--tls-cert-file", &chain],
        ["--tls-key-file", &key],
        ["--tls-ca-cert-file", &ca],
    ];
    let Some(redis) = Server::start(KINDS[0], redis_args.as_flattened()) else { return };
    let nats = |args: &[&str]| Server::start(KINDS[1], args);
    let (Some(token), Some(user), Some(tls)) = (
        nats(&["--auth", "s3cret"]),
        nats(&["--user", "ann", "--pass", "s3cret"]),
        nats(&["--tls", "--tlscert", &chain, "--tlskey", &key]),
    ) else {
        return;
    };
    for url in [
        format!("redis://:s3cret@127.0.0.1:{}/x", redis.port),
        format!("redis+unix://:s3cret@{path}?prefix=x"),
        format!("rediss://:s3cret@localhost:{port}/x"),
        format!("nats://s3cret@127.0.0.1:{}/x", token.port),
        format!("nats://ann:s3cret@127.0.0.1:{}/x", user.port),
        format!("tls://localhost:{}/x", tls.port),
    ] {
        let args = ["--mode", "relay", "--backplane-ca", &ca, "--backplane", &url];
        let servers = [(); 2].map(|()| serve(&args));
        let [mut one, mut other] = [0, 1].map(|at: usize| Peer::open(servers[at].address));
        meet(&mut one, &mut other);
        one.text(&url);
        while other.frame().1 != url.as_bytes() {}
        if url.contains("localhost") {
            // Without the authority nobody is who they say.
            let server = serve(&["--mode", "relay", "--backplane", &url]);
            let why = server.running.told("backplane: down");
            assert!(why.contains("nobody who is trusted") && why.contains("--backplane-ca"), "{why}");
        }
        if !url.contains("s3cret") {
            continue;
        }
        // The other secret is none.
        let wrong = url.replace("s3cret", "wr0ng");
        let server = serve(&["-v", "--mode", "relay", "--backplane-ca", &ca, "--backplane", &wrong]);
        let why = server.running.told("backplane: refused: ");
        assert!(why.contains("password"), "{url}: {why}");
        server.running.signal("TERM");
        let (_, _, stderr) = server.running.finish();
        assert!(!stderr.contains("wr0ng"), "{stderr}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Messages as long as clients here may send reach other servers, and messages that an engine refuses are reported.
#[test]
fn long_messages_reach_other_servers_or_are_told() {
    const LONG: usize = 18 << 20;
    let limit = [("--max-message", "20M"), ("--max-frame", "20M"), ("--max-queued", "64M")];
    let limit: Vec<&str> = limit.iter().flat_map(|(flag, value)| [*flag, *value]).collect();
    let Some(engine) = Server::start(KINDS[0], &[]) else { return };
    let url = engine.url();
    let backplane = ["--mode", "relay", "--backplane-max-age", "60s", "--backplane", &url];
    let servers = [(); 2].map(|()| serve(&[&backplane[..], &limit].concat()));
    let [mut one, mut other] = [0, 1].map(|at: usize| Peer::open(servers[at].address));
    meet(&mut one, &mut other);
    let long = "x".repeat(LONG);
    one.text(&long);
    assert!(other.frame().1 == long.as_bytes());
    for threads in ["1", "2"] {
        let Some(engine) = Server::start(KINDS[1], &[]) else { return };
        let url = engine.url();
        let server = serve(&["--mode", "relay", "--threads", threads, "--backplane", &url]);
        server.running.told("backplane: up");
        Peer::open(server.address).text(&"x".repeat(2 << 20)); // nats-server takes 1 MiB
        let why = server.running.told("backplane: refused: ");
        assert!(why.contains("2097152 bytes") && why.contains("max_payload"), "{why}");
        server.running.told("backplane: messages to other nodes dropped: 1");
    }
}

/// Errors of engines in their own words, and what becomes of the link.
#[test]
fn engines_that_refuse_say_why() {
    let redis = |args: &[&str]| Server::start(KINDS[0], args);
    let Some(master) = redis(&[]) else { return };
    let port = master.port.to_string();
    let master_at = format!("127.0.0.1 {port}");
    let Some(replica) = redis(&["--replicaof", &master_at]) else { return };
    let told = |url: &str, what: &str| {
        let server = serve(&["--mode", "relay", "--backplane", url]);
        let why = server.running.told(what);
        (server, why)
    };
    let (_, why) = told(&replica.url(), "backplane: refused: ");
    assert!(why.contains("replica") && why.contains("master"), "{why}");
    let (_, why) = told(&format!("{}?db=99", master.url()), "backplane: refused: ");
    assert!(why.contains("no such database"), "{why}");
    // Users who may not use the channels, or not all of them.
    assert!(
        master.redis("ACL SETUSER u on >s resetchannels &test:all &test:control ~* +@all").starts_with("+OK")
    );
    let of_user = |prefix: &str| format!("redis://u:s@127.0.0.1:{}/{prefix}", master.port);
    told(&of_user("test"), "backplane: up");
    let (_, why) = told(&of_user("other"), "backplane: refused: ");
    assert!(why.contains("NOPERM"), "{why}");
    // No memory: channels need none, and histories begin once there is some.
    assert!(master.redis("CONFIG SET maxmemory 1mb").starts_with("+OK"));
    told(&master.url(), "backplane: up");
    let url = format!("{}?streams", master.url());
    let (server, why) = told(&url, "backplane: refused: ");
    assert!(why.contains("no memory left"), "{why}");
    server.running.told("backplane: up");
    assert!(master.redis("CONFIG SET maxmemory 0").starts_with("+OK"));
    let other = serve(&["--mode", "relay", "--backplane", &url]);
    let [mut one, mut two] = [Peer::open(server.address), Peer::open(other.address)];
    meet(&mut two, &mut one);
    assert!(master.redis("CONFIG SET maxclients 1").starts_with("+OK"));
    let (_, why) = told(&master.url(), "backplane: down");
    assert!(why.contains("no room"), "{why}");
}
