//! Which clients are admitted, which are not, and whether the advice to them helps.

use std::net::SocketAddr;
use std::process::Command;

use super::installed::skip;
use super::support::command::{Running, Server, serve};
use super::support::folder::Folder;
use super::support::peer::{Peer, REQUEST};

fn answer(address: SocketAddr, request: &str) -> String {
    let mut peer = Peer::connect(address);
    peer.write(request.as_bytes());
    String::from_utf8(peer.rest()).unwrap()
}

fn upgrade(address: SocketAddr, request: &str) -> String {
    let mut peer = Peer::connect(address);
    peer.write(request.as_bytes());
    peer.head()
}

fn metrics(server: &Server) -> SocketAddr {
    server.running.told("counters at http://").strip_suffix("/metrics").unwrap().parse().unwrap()
}

/// RFC 9110 §7.8: another protocol in Upgrade is an offer that may be ignored.
#[test]
fn an_offer_of_http_2_gets_the_page() {
    let server = serve(&["--metrics", "127.0.0.1:0"]);
    let metrics = metrics(&server);
    for (address, target) in [(server.address, "/"), (metrics, "/metrics")] {
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
             HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n\r\n"
        );
        assert!(answer(address, &request).starts_with("HTTP/1.1 200 "), "{target}");
    }
    // With a field that is ours it is meant for us.
    let request = REQUEST.replace("Upgrade: websocket", "Upgrade: h2c");
    assert!(answer(server.address, &request).starts_with("HTTP/1.1 426 "));
}

/// The example of RFC 6455 §4.1, whose last character encodes more than 16 bytes need. The answer is computed from the
/// text as sent: the SHA-1 of the text and the GUID, as Python's `hashlib` computes it.
#[test]
fn the_key_of_the_rfc_is_taken() {
    let server = serve(&[]);
    let head =
        upgrade(server.address, &REQUEST.replace("dGhlIHNhbXBsZSBub25jZQ==", "AQIDBAUGBwgJCgsMDQ4PEC=="));
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains("Sec-WebSocket-Accept: OfS0wDaT5NoxF2gqm7Zj2YtetzM=\r\n"), "{head}");
}

#[test]
fn an_empty_line_of_subprotocols_is_taken_where_it_is_asked_for() {
    let request = REQUEST.replace("Host:", "Sec-WebSocket-Protocol:\r\nHost:");
    let strict = serve(&["--subprotocol", "chat"]);
    assert!(answer(strict.address, &request).starts_with("HTTP/1.1 400 "));
    for threads in ["1", "2"] {
        let args = ["--subprotocol", "chat", "--threads", threads, "--lenient", "empty-subprotocol"];
        let head = upgrade(serve(&args).address, &request);
        assert!(head.starts_with("HTTP/1.1 101 ") && !head.contains("Sec-WebSocket-Protocol"), "{head}");
    }
    let (code, _, stderr) = Running::bowsprit(&["serve", "--lenient", "everything"]).finish();
    assert_eq!(code, 2);
    assert!(stderr.contains("empty-subprotocol"), "{stderr}");
}

/// A client of tcllib: sends a text, prints what comes back.
const TCL: &str = r#"
package require websocket
proc handler {sock type msg} {
    switch -- $type {
        connect { ::websocket::send $sock text "from tcl" }
        text { puts "echoed $msg"; exit 0 }
        close - disconnect - error { puts "$type"; exit 1 }
    }
}
after 15000 { puts "timeout"; exit 2 }
::websocket::open [lindex $argv 0] handler
vwait forever
"#;

#[test]
fn tcllib_connects_where_leniency_is_asked_for() {
    let script = Folder::new("tcllib").write("client.tcl", TCL);
    let run = |url: &str| Command::new("tclsh").arg(&script).arg(url).output();
    let lenient = serve(&["--lenient", "empty-subprotocol"]);
    let output = match run(&lenient.url) {
        Ok(output) if !String::from_utf8_lossy(&output.stderr).contains("can't find package") => output,
        _ => return skip("tcllib", "apt-get install tcllib"),
    };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "echoed from tcl\n", "{output:?}");
    let output = run(&serve(&[]).url).unwrap();
    assert!(!String::from_utf8_lossy(&output.stdout).contains("echoed"), "{output:?}");
}

/// A user who follows the hint on stderr succeeds.
#[test]
fn hints_work() {
    for (line, flag) in [
        ("Origin: https://example.com", "--allow-origin"),
        ("Origin: http://localhost:3000/", "--allow-origin"),
        ("Origin: https://example.com/path/", "--allow-origin"),
        ("Origin: file://", "--allow-origin"),
        ("Origin: null", "--allow-origin"),
        ("Origin: http://a;reboot", "--any-origin"),
    ] {
        let request = REQUEST.replace("Host:", &format!("{line}\r\nHost:"));
        let server = serve(&[]);
        assert!(answer(server.address, &request).starts_with("HTTP/1.1 403 "), "{line}");
        let hint = server.running.told("bowsprit: refused a page ");
        let words: Vec<&str> = hint.split(' ').collect();
        let at = words.iter().position(|word| *word == flag).expect(&hint);
        let value = words.get(at + 1).filter(|_| flag == "--allow-origin");
        let args: Vec<&str> = [flag].into_iter().chain(value.copied()).collect();
        assert!(upgrade(serve(&args).address, &request).starts_with("HTTP/1.1 101 "), "{args:?}: {line}");
    }
    for (host, method) in
        [("example.com:9001", "websocket"), ("[2001:db8::1]:80", "websocket"), ("a.example", "page")]
    {
        let request = match method {
            "page" => format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            _ => REQUEST.replace("Host: 127.0.0.1", &format!("Origin: http://{host}\r\nHost: {host}")),
        };
        let server = serve(&[]);
        assert!(answer(server.address, &request).starts_with("HTTP/1.1 421 "), "{host}");
        let hint = server.running.told("bowsprit: refused a browser ");
        let name = hint.split_once("--allow-host ").expect(&hint).1;
        let head = upgrade(serve(&["--allow-host", name]).address, &request);
        assert!(head.starts_with(if method == "page" { "HTTP/1.1 200 " } else { "HTTP/1.1 101 " }), "{name}");
    }
}

#[test]
fn origins_are_compared_as_such_and_patterns_are_understood() {
    let args = ["--allow-origin", "https://*.example.com,http://localhost:*"];
    let both: Vec<&str> = args[1].split(',').flat_map(|origin| [args[0], origin]).collect();
    let server = serve(&both);
    for (origin, status) in [
        ("https://app.example.com", "101"),
        ("https://app.example.com/", "101"),
        ("http://localhost:3000", "101"),
        ("https://example.com", "403"),
        ("https://app.example.com.evil.example", "403"),
        ("http://localhost.evil.example", "403"),
        ("http://app.example.com", "403"),
    ] {
        let request = REQUEST.replace("Host:", &format!("Origin: {origin}\r\nHost:"));
        assert!(upgrade(server.address, &request).starts_with(&format!("HTTP/1.1 {status} ")), "{origin}");
    }
    for (args, hint) in [
        (["--allow-origin", "*"], "--any-origin"),
        (["--allow-origin", "example.com"], "--allow-origin https://example.com"),
        (["--allow-origin", "https://a.*.com"], "https://*.example.com"),
        (["--allow-host", "example.com:80"], "without scheme and port"),
    ] {
        let (code, _, stderr) =
            Running::bowsprit(&[&["serve", "--listen", "127.0.0.1:0"], &args[..]].concat()).finish();
        assert_eq!(code, 2);
        assert!(stderr.contains(hint), "{args:?}: {stderr}");
    }
}

/// RFC 9112 §3.2.2: the host of an absolute target counts, whatever `Host` says. A name that somebody has made resolve
/// to this machine (DNS rebinding) learns nothing, not from the counters either.
#[test]
fn the_name_that_is_meant_counts_everywhere() {
    let server = serve(&["--metrics", "127.0.0.1:0", "--allow-host", "mine.example"]);
    let metrics = metrics(&server);
    for (address, path) in [(server.address, "/"), (metrics, "/metrics")] {
        for (target, host, status) in [
            ("", "localhost", "200"),
            ("", "mine.example", "200"),
            ("", "evil.example", "421"),
            ("http://evil.example", "localhost", "421"),
            ("http://evil.example:80", "localhost", "421"),
            ("http://localhost", "evil.example", "200"),
            ("HTTP://mine.example", "localhost", "200"),
            ("http://localhost@evil.example", "localhost", "400"),
        ] {
            let request = format!("GET {target}{path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            let answer = answer(address, &request);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}{answer}");
        }
    }
    let request = REQUEST
        .replace("/chat", "http://evil.example/chat")
        .replace("Host:", "Origin: http://localhost\r\nHost:");
    assert!(answer(server.address, &request).starts_with("HTTP/1.1 421 "));
}
