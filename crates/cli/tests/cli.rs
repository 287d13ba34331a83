//! The built command as a user runs it: exit codes, streams, signals.

#![cfg(unix)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use bowsprit::frame::RawHeader;
use support::command::{BOWSPRIT, Running, Server, serve, serve_by};
use support::peer::{PATIENCE, Peer, REQUEST, assert_close, assert_text, fake_server};
use support::port::reserved;
use support::{close_payload, frame};

fn http(address: SocketAddr, request: &str) -> String {
    let mut peer = Peer::connect(address);
    peer.write(request.as_bytes());
    String::from_utf8(peer.rest()).unwrap()
}

// --- usage -------------------------------------------------------------------------------------------------------

#[test]
fn a_wrong_command_line_exits_2_and_says_what_to_do() {
    for (args, hint) in [
        (&["serve", "--listen", "nowhere"][..], "0.0.0.0:9001"),
        (&["serve", "--port", "9001"], "--listen PORT"),
        (&["serve", "--max-message", "much"], "16M"),
        (&["serve", "--allow-origin", "example.com"], "https://example.com"),
        (&["serve", "--mode", "sing"], "echo"),
        (&["connect"], "URL"),
        (&["connect", "http://127.0.0.1/"], "ws://"),
        (&["connect", "ftp://127.0.0.1:9001"], "ws://"),
        (&["connect", "ws://127.0.0.1/", "-x", "http://proxy"], "--proxy URL"),
        (&["http://127.0.0.1/"], "ws://127.0.0.1/"),
        (&["connect", "wss://127.0.0.1/", "--ca", "/absent"], "/absent"),
        (&["connect", "ws://127.0.0.1/", "--proxy", "ftp://a"], "--proxy"),
        (&["connect", "ws://127.0.0.1/", "--basic", "user"], "USER:PASSWORD"),
        (&["connect", "ws://127.0.0.1/", "--file", "/absent"], "cannot read /absent"),
        (&["connect", "ws://127.0.0.1/", "--file", "/"], "is a folder"),
        (&["connect", "ws://127.0.0.1/", "--separator", "\\q"], "\\x1e"),
        (&["connect", "ws://127.0.0.1/", "--max-tries", "1"], "--reconnect"),
        (&["connect", "ws://127.0.0.1/", "--header", "Host: a b"], "host"),
        (&["connect", "ws://127.0.0.1/", "--resolve", "a:80"], "HOST:PORT:ADDRESS"),
        (&["connect", "ws://127.0.0.1/", "--header", "A: b\r\nC: d"], "header"),
        (&["connect", "ws://127.0.0.1/", "--subprotocol", "a b"], "subprotocol"),
    ] {
        let (code, stdout, stderr) = Running::bowsprit(args).finish();
        assert_eq!((code, stdout.as_str()), (2, ""), "{args:?}: {stderr}");
        assert!(stderr.contains(hint), "{args:?}: {stderr}");
    }
}

#[test]
fn alone_it_says_what_it_can_do() {
    let (code, stdout, stderr) = Running::bowsprit(&[]).finish();
    assert_eq!((code, stderr.as_str()), (0, ""));
    for part in ["Usage: bowsprit", "serve", "Examples:", "bowsprit connect ws://127.0.0.1:9001/"] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
    assert!(!stdout.contains('\x1b'), "no colour into a pipe");
}

#[test]
fn a_taken_port_is_told() {
    let server = serve(&[]);
    let (code, _, stderr) = Running::bowsprit(&["serve", "--listen", &server.address.to_string()]).finish();
    assert_eq!(code, 2);
    assert!(stderr.contains("--listen"), "{stderr}");
}

#[test]
fn counters_are_told_where_they_are_asked_for() {
    let server = serve(&["--metrics", "127.0.0.1:0"]);
    let metrics = server.running.told("counters at http://");
    let metrics = metrics.strip_suffix("/metrics").unwrap().parse().unwrap();
    let mut client = Peer::connect(server.address);
    client.write(REQUEST.as_bytes());
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    let get = |address, path: &str| http(address, &format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"));
    let answer = get(metrics, "/metrics");
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.contains("\nbowsprit_connections_open 1\n"),
        "{answer}"
    );
    assert!(get(metrics, "/").starts_with("HTTP/1.1 404 "));
    assert!(get(server.address, "/metrics").starts_with("HTTP/1.1 426 "), "not where everybody may ask");
    let mut upgrade = Peer::connect(metrics);
    upgrade.write(REQUEST.as_bytes());
    assert!(upgrade.head().starts_with("HTTP/1.1 404 "));
}

#[test]
fn a_path_is_listened_on_and_removed() {
    let path = std::env::temp_dir().join(format!("bowsprit-cli-{}", std::process::id()));
    let server = serve(&["--unix", path.to_str().unwrap()]);
    let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    stream.write_all(REQUEST.as_bytes()).unwrap();
    let mut start = [0; 13];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 101 ");
    drop(stream);
    server.running.signal("INT");
    assert_eq!(server.running.finish().0, 0);
    assert!(!path.exists());
}

// --- connect -----------------------------------------------------------------------------------------------------

#[test]
fn lines_come_back_from_an_echo() {
    let server = serve(&[]);
    let mut client = Running::client(&server.url, &[]);
    client.write("one\ntwo grün\n\nlast".as_bytes());
    assert_eq!(client.finish(), (0, "one\ntwo grün\n\nlast\n".into(), String::new()));
}

/// As people type it.
#[test]
fn a_port_is_enough() {
    let server = serve_by(Command::new(BOWSPRIT).args(["serve", "--listen", "0"]));
    let port = server.address.port();
    for url in
        [format!("localhost:{port}"), format!("127.0.0.1:{port}/chat"), format!(":{port}"), port.to_string()]
    {
        assert_eq!(Running::client(&url, &["-m", "x"]).finish(), (0, "x\n".into(), String::new()), "{url}");
    }
}

#[test]
fn messages_may_hold_line_ends() {
    let server = serve(&[]);
    for (args, input, output) in [
        (&["--separator", "\\0"][..], &b"SEND\na:b\n\nhi\0next\0"[..], "SEND\na:b\n\nhi\0next\0"),
        (&["--separator", "--"], b"a\nb--c", "a\nb--c--"),
        (&["--separator", ""], b"all of\nit\n", "all of\nit\n\n"),
        (&["--separator", "\\x1e", "-b"], b"a\0\x1eb\x1e", "a\0\x1eb\x1e"),
    ] {
        let mut client = Running::client(&server.url, args);
        client.write(input);
        assert_eq!(client.finish(), (0, output.into(), String::new()), "{args:?}");
    }
}

#[test]
fn files_are_binary_messages() {
    let path = |name: &str| std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let (small, large) = (path("small-file"), path("large-file"));
    std::fs::write(&small, b"\0\n\xff").unwrap();
    std::fs::write(&large, vec![b'x'; 6 << 20]).unwrap();
    let server = serve(&[]);
    let small = small.to_str().unwrap();
    let args = ["--file", small, "-m", "text", "--file", small];
    assert_eq!(
        Running::client(&server.url, &args).finish(),
        (0, "text\n0x000aff\n0x000aff\n".into(), String::new())
    );
    let server = serve(&["--max-queued", "64M"]);
    let (code, stdout, stderr) =
        Running::client(&server.url, &["--file", large.to_str().unwrap(), "-b"]).finish();
    assert_eq!((code, stdout.len(), stderr.as_str()), (0, 6 << 20, ""));
}

#[test]
fn a_dialogue_needs_no_end_of_input() {
    let server = serve(&[]);
    let mut client = Running::client(&server.url, &[]);
    let mut stdout = BufReader::new(client.stdout());
    for line in ["first\n", "second\n"] {
        client.write(line.as_bytes());
        let mut echo = String::new();
        stdout.read_line(&mut echo).unwrap();
        assert_eq!(echo, line);
    }
    assert_eq!(client.finish().0, 0);
}

#[test]
fn stdin_may_be_a_file() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("stdin-may-be-a-file");
    let lines: String = (0..50_000).map(|number| format!("line {number}\n")).collect();
    std::fs::write(&path, &lines).unwrap();
    let server = serve(&[]);
    let output = Command::new(BOWSPRIT)
        .args(["connect", &server.url])
        .stdin(std::fs::File::open(&path).unwrap())
        .output()
        .unwrap();
    std::fs::remove_file(path).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout == lines.as_bytes(), "{} bytes came back", output.stdout.len());
}

#[test]
fn bytes_pass_unchanged_with_binary() {
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|i| (i * 31 + (i >> 9)) as u8).collect();
    let server = serve(&[]);
    let mut client = Running::client(&server.url, &["--binary"]);
    let mut stdout = client.stdout();
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).unwrap();
        bytes
    });
    client.write(&bytes);
    client.end_input();
    assert_eq!(client.status().code(), Some(0));
    assert!(reader.join().unwrap() == bytes);
}

#[test]
fn a_line_that_is_no_text_exits_2() {
    let server = serve(&[]);
    let mut client = Running::client(&server.url, &[]);
    client.write(b"good\n\xff\nnever sent\n");
    let (code, stdout, stderr) = client.finish();
    assert_eq!((code, stdout.as_str()), (2, "good\n"));
    assert!(stderr.contains("line 2") && stderr.contains("--binary"), "{stderr}");
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    let server = serve(&[]);
    let mut client = Running::client(&server.url, &[]);
    let mut stdout = BufReader::new(client.stdout());
    client.write(b"one\n");
    stdout.read_line(&mut String::new()).unwrap();
    drop(stdout);
    // More than once: a child of another test that is just being started may hold the reading end for a moment.
    let until = Instant::now() + PATIENCE;
    while client.child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < until, "it does not end");
        let _ = client.child.stdin.as_mut().unwrap().write_all(b"two\n");
        thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(client.status().code(), Some(0), "stdin is still open");
    let (code, _, stderr) = client.finish();
    assert_eq!((code, stderr.as_str()), (0, ""));
}

#[test]
fn nobody_there_exits_3() {
    let free = reserved();
    let (code, stdout, stderr) = Running::client(&format!("ws://{free}/"), &[]).finish();
    assert_eq!((code, stdout.as_str()), (3, ""));
    assert!(stderr.contains(&free.to_string()) && stderr.contains("running"), "{stderr}");

    let (code, _, stderr) = Running::client("ws://no-such-host.invalid/", &[]).finish();
    assert_eq!(code, 3);
    assert!(stderr.contains("no-such-host.invalid"), "{stderr}");
}

#[test]
fn a_refusal_is_shown_and_cannot_act_on_the_terminal() {
    let (url, server) = fake_server(|mut peer| {
        peer.head();
        peer.write(b"HTTP/1.1 401 Un\x1b[31mauthorized\r\n\r\n");
    });
    let (code, stdout, stderr) = Running::client(&url, &[]).finish();
    server.join().unwrap();
    assert_eq!((code, stdout.as_str()), (3, ""));
    assert!(stderr.contains("The server's answer is faulty"), "a control byte in a head: {stderr}");
    assert!(!stderr.contains('\x1b'));

    let (url, server) = fake_server(|mut peer| {
        peer.head();
        peer.write(b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nConnection: close\r\n\r\n");
        peer.write(b"Log in \x1b]0;title\x07first.\r\n");
        peer.write(&[b'x'; 20_000]);
        peer.part();
    });
    let (code, _, stderr) = Running::client(&url, &[]).finish();
    server.join().unwrap();
    assert_eq!(code, 3);
    for part in ["401 Unauthorized", "WWW-Authenticate: Basic", "Log in \\u{1b}]0;title\\u{7}first."] {
        assert!(stderr.contains(part), "{part:?} in {stderr}");
    }
    assert!(stderr.len() < 10_000 && !stderr.contains('\x1b'));
}

#[test]
fn a_server_that_is_none_exits_3() {
    let (url, server) = fake_server(|mut peer| peer.write(b"220 mail.example.com ESMTP\r\n"));
    let (code, _, stderr) = Running::client(&url, &[]).finish();
    assert_eq!(code, 3, "{stderr}");
    server.join().unwrap();

    let (url, server) = fake_server(|mut peer| {
        peer.head();
        peer.until_gone(); // never answers
    });
    let (code, _, stderr) = Running::client(&url, &["--connect-timeout", "0.1"]).finish();
    assert_eq!(code, 3);
    assert!(stderr.contains("--connect-timeout"), "{stderr}");
    server.join().unwrap();
}

#[test]
fn the_end_by_the_server_is_judged() {
    for (end, code, said) in [
        (frame(RawHeader::CLOSE, &close_payload(1000, "bye")), 0, ""),
        (frame(RawHeader::CLOSE, b""), 0, ""),
        (frame(RawHeader::CLOSE, &close_payload(1001, "")), 0, ""),
        (
            frame(RawHeader::CLOSE, &close_payload(1011, "out of \u{202e}paper")),
            1,
            "1011: out of \\u{202e}paper",
        ),
        (frame(RawHeader::CLOSE, &close_payload(4000, "")), 1, "4000"),
        (b"\x83\x00".to_vec(), 1, "RFC 6455 §5.2"),
        (frame(RawHeader::TEXT, b"\xff"), 1, "UTF-8"),
        (Vec::new(), 1, "without a Close frame"),
    ] {
        let (url, server) = fake_server(move |mut peer| {
            peer.accept_upgrade();
            peer.write(&[frame(RawHeader::TEXT, b"before"), end].concat());
            peer.part();
        });
        let mut client = Running::client(&url, &[]);
        let status = client.status();
        let (_, stdout, stderr) = client.finish();
        assert_eq!((status.code(), stdout.as_str()), (Some(code), "before\n"), "{stderr}");
        assert!(stderr.contains(said) && said.is_empty() == stderr.is_empty(), "{said:?}: {stderr}");
        server.join().unwrap();
    }
}

#[test]
fn a_close_that_is_not_answered_ends_in_time() {
    let (url, server) = fake_server(|mut peer| {
        peer.accept_upgrade();
        peer.until_gone();
    });
    let (code, _, stderr) = Running::client(&url, &["--close-timeout", "0.2"]).finish();
    assert_eq!(code, 1);
    assert!(stderr.contains("did not answer"), "{stderr}");
    server.join().unwrap();
}

#[test]
fn what_comes_before_the_answer_to_our_close_is_shown() {
    let (url, server) = fake_server(|mut peer| {
        peer.accept_upgrade();
        let (header, payload) = peer.client_frame();
        assert_eq!((header.opcode, &payload[..]), (RawHeader::CLOSE.opcode, &close_payload(1000, "")[..]));
        peer.write(&frame(RawHeader::TEXT, b"one more"));
        peer.write(&frame(RawHeader::BINARY, b"\x00\xff"));
        peer.write(&frame(RawHeader::CLOSE, &payload));
        peer.part();
    });
    assert_eq!(Running::client(&url, &[]).finish(), (0, "one more\n0x00ff\n".into(), String::new()));
    server.join().unwrap();
}

#[test]
fn the_request_says_what_was_asked_for() {
    let (url, server) = fake_server(|mut peer| {
        let head = peer.head();
        for line in [
            "Origin: https://example.com\r\n",
            "Sec-WebSocket-Protocol: chat, superchat\r\n",
            "X-One: 1\r\n",
            "X-Two: 2: two\r\n",
        ] {
            assert!(head.contains(line), "{head}");
        }
        peer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    });
    let args = ["--origin", "https://example.com", "--subprotocol", "chat,superchat", "-H", "X-One:1"];
    let (code, ..) = Running::client(&url, &[&args[..], &["--header", "X-Two: 2: two"]].concat()).finish();
    assert_eq!(code, 3);
    server.join().unwrap();
}

/// What a browser gives as "copy as cURL".
#[test]
fn pasted_headers_are_taken() {
    let (url, server) = fake_server(|mut peer| {
        let head = peer.head();
        peer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
        head
    });
    let pasted = [
        "Upgrade: websocket",
        "Origin: https://example.com",
        "Cache-Control: no-cache",
        "Accept-Language: en-US,en;q=0.9",
        "Connection: Upgrade",
        "Host: example.org",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: chat, superchat",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        "X-Empty:",
    ];
    let args: Vec<&str> = pasted.iter().flat_map(|line| ["-H", line]).chain(["-s", "chat"]).collect();
    let (code, _, stderr) = Running::client(&url, &args).finish();
    assert_eq!(code, 3);
    let left_out = "left out of -H, as the handshake writes it itself: Upgrade, Connection, Sec-WebSocket-Key, \
                    Sec-WebSocket-Version, Sec-WebSocket-Extensions\n";
    assert!(stderr.contains(left_out), "{stderr}");
    let head = server.join().unwrap();
    for line in [
        "Host: example.org\r\n",
        "Origin: https://example.com\r\n",
        "Cache-Control: no-cache\r\n",
        "Accept-Language: en-US,en;q=0.9\r\n",
        "Sec-WebSocket-Protocol: chat, superchat\r\n",
    ] {
        assert_eq!(head.matches(line).count(), 1, "{line}: {head}");
    }
    for name in ["Host: ", "Upgrade: ", "Connection: ", "Sec-WebSocket-Key: ", "Sec-WebSocket-Version: "] {
        assert_eq!(head.matches(name).count(), 1, "{name}: {head}");
    }
    assert!(!head.contains("X-Empty") && !head.contains("dGhlIHNhbXBsZSBub25jZQ=="), "{head}");
}

#[test]
fn verbose_shows_the_handshake_and_control_frames() {
    let (url, server) = fake_server(|mut peer| {
        peer.accept_upgrade();
        peer.write(&frame(RawHeader::PING, b"are you\nthere"));
        peer.write(&frame(RawHeader::PONG, b""));
        peer.write(&frame(RawHeader::CLOSE, &close_payload(1000, "bye")));
        peer.until_gone();
    });
    let mut client = Running::client(&url, &["-v"]);
    client.status();
    let (code, stdout, stderr) = client.finish();
    server.join().unwrap();
    assert_eq!((code, stdout.as_str()), (0, ""));
    let mut at = 0;
    for part in [
        "> GET / HTTP/1.1",
        "< HTTP/1.1 101 Switching Protocols",
        "< Ping \"are you\\nthere\"",
        "< Pong \"\"",
        "< Close 1000 \"bye\"",
        "> Close 1000",
    ] {
        at += stderr[at..].find(part).unwrap_or_else(|| panic!("{part:?} in {stderr}"));
    }
}

#[test]
fn pings_go_out_on_a_silent_line() {
    let (url, server) = fake_server(|mut peer| {
        peer.accept_upgrade();
        assert_eq!(peer.client_frame().0.opcode, RawHeader::PING.opcode);
        peer.until_gone(); // and never a Pong
    });
    let mut client = Running::client(&url, &["--ping", "0.05", "--pong-timeout", "0.05"]);
    assert_eq!(client.status().code(), Some(1));
    assert!(client.finish().2.contains("within 0.05s; --pong-timeout waits longer"));
    server.join().unwrap();
}

#[test]
fn ctrl_c_closes_the_connection() {
    let (url, server) = fake_server(|mut peer| {
        peer.accept_upgrade();
        peer.write(&frame(RawHeader::TEXT, b"open"));
        let (header, payload) = peer.client_frame();
        assert_eq!((header.opcode, &payload[..]), (RawHeader::CLOSE.opcode, &close_payload(1001, "")[..]));
        peer.write(&frame(RawHeader::CLOSE, &payload));
    });
    let mut client = Running::client(&url, &[]);
    BufReader::new(client.stdout()).read_line(&mut String::new()).unwrap();
    client.signal("INT");
    assert_eq!(client.status().code(), Some(0), "stdin is still open");
    server.join().unwrap();
}

// --- serve -------------------------------------------------------------------------------------------------------

#[test]
fn signals_close_all_connections_and_end_the_server() {
    for signal in ["INT", "TERM"] {
        let mut server = serve(&[]);
        let mut peers: Vec<Peer> = (0..3).map(|_| Peer::open(server.address)).collect();
        let idle = Peer::connect(server.address); // one that has not asked for anything does not delay the end
        server.running.signal(signal);
        for peer in &mut peers {
            assert_close(&peer.frame(), 1001);
            peer.close(1001);
        }
        assert_eq!(server.running.status().code(), Some(0), "{signal}");
        for mut peer in peers {
            assert_eq!(peer.rest(), b"");
        }
        drop(idle);
    }
}

#[test]
fn a_client_that_does_not_answer_delays_the_end_only_so_long() {
    let mut server = serve(&["--close-timeout", "0.2"]);
    let mut peer = Peer::open(server.address);
    server.running.signal("TERM");
    assert_close(&peer.frame(), 1001);
    assert_eq!(server.running.status().code(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut server = serve(&["--close-timeout", "1h"]);
    let mut peer = Peer::open(server.address);
    server.running.signal("INT");
    assert_close(&peer.frame(), 1001);
    server.running.signal("INT");
    assert_eq!(server.running.status().code(), Some(130));
}

#[test]
fn modes_send_where_they_say() {
    for (mode, to_sender, to_others) in
        [("echo", true, false), ("relay", false, true), ("broadcast", true, true)]
    {
        let server = serve(&["--mode", mode]);
        let mut peers: Vec<Peer> = (0..3).map(|_| Peer::open(server.address)).collect();
        peers[0].text("news");
        for (at, peer) in peers.iter_mut().enumerate() {
            peer.send(RawHeader::PING, b"mark");
            if if at == 0 { to_sender } else { to_others } {
                // In the order in which the two have reached the server, which for others is any.
                let frames = [peer.frame(), peer.frame()];
                let news = frames.iter().find(|(header, _)| header.opcode == RawHeader::TEXT.opcode);
                assert_text(news.expect(mode), "news");
            } else if at == 0 {
                assert_eq!(peer.frame().1, b"mark", "{mode}");
            }
        }
    }
}

#[test]
fn the_page_is_served_and_other_requests_are_answered() {
    let server = serve(&[]);
    let host = format!("Host: {}\r\n\r\n", server.address);
    let page = http(server.address, &format!("GET / HTTP/1.1\r\n{host}"));
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    for part in ["text/html; charset=utf-8", "Content-Security-Policy: default-src 'none'", "new WebSocket"] {
        assert!(page.contains(part), "{part}");
    }
    let head = http(server.address, &format!("HEAD / HTTP/1.1\r\n{host}"));
    assert!(page.starts_with(&head) && head.ends_with("\r\n\r\n"), "{head}");
    for (line, status) in [
        ("GET /chat HTTP/1.1", "426 Upgrade Required"),
        ("GET /favicon.ico HTTP/1.1", "404 Not Found"),
        ("POST / HTTP/1.1", "405 Method Not Allowed"),
    ] {
        let answer = http(server.address, &format!("{line}\r\n{host}"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{line}: {answer}");
    }
    let answer = http(server.address, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 421 "), "{answer}");
}

fn request_from(origin: &str, host: &str) -> String {
    REQUEST.replace("Host: 127.0.0.1\r\n", &format!("Host: {host}\r\nOrigin: {origin}\r\n"))
}

#[test]
fn foreign_pages_are_refused_unless_allowed() {
    let answer = |server: &Server, origin: &str, host: &str| {
        let mut peer = Peer::connect(server.address);
        peer.write(request_from(origin, host).as_bytes());
        peer.head()
    };
    let server = serve(&[]);
    let here = server.address.to_string();
    assert!(answer(&server, &format!("http://{here}"), &here).starts_with("HTTP/1.1 101 "));
    let refused = answer(&server, "https://evil.example", &here);
    assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
    assert!(answer(&server, "http://evil.example", "evil.example").starts_with("HTTP/1.1 421 "));
    server.running.signal("TERM");
    let (_, _, stderr) = server.running.finish();
    assert!(stderr.contains("--allow-origin https://evil.example"), "{stderr}");

    let server = serve(&["--allow-origin", "https://good.example", "--allow-host", "good.example"]);
    assert!(answer(&server, "https://good.example", "good.example").starts_with("HTTP/1.1 101 "));
    assert!(answer(&server, "https://evil.example", "good.example").starts_with("HTTP/1.1 403 "));

    let server = serve(&["--any-origin"]);
    assert!(answer(&server, "https://evil.example", "evil.example").starts_with("HTTP/1.1 101 "));
}

#[test]
fn limits_are_those_of_the_command_line() {
    let server = serve(&["--max-message", "1K", "--subprotocol", "b,a"]);
    let mut peer = Peer::connect(server.address);
    let offer = "Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Version";
    peer.write(REQUEST.replace("Sec-WebSocket-Version", offer).as_bytes());
    assert!(peer.head().contains("Sec-WebSocket-Protocol: b\r\n"));
    peer.text(&"x".repeat(1024));
    assert_text(&peer.frame(), &"x".repeat(1024));
    peer.text(&"x".repeat(1025));
    assert_close(&peer.frame(), 1009);

    let server = serve(&["--max-connections", "2"]);
    let _two = [Peer::open(server.address), Peer::open(server.address)];
    let answer = Peer::connect(server.address).rest();
    assert!(answer.starts_with(b"HTTP/1.1 503 "), "{}", answer.escape_ascii());
}

/// Descriptors run out and become free again: no connection is lost, and the server does not spin.
#[test]
fn a_server_without_descriptors_goes_on_when_there_are_some() {
    let command = format!("ulimit -n 24; exec '{BOWSPRIT}' serve --listen 127.0.0.1:0");
    let server = serve_by(Command::new("sh").args(["-c", &command]));
    let peers: Vec<Peer> = (0..40).map(|_| Peer::connect(server.address)).collect();
    drop(peers);
    let mut peer = Peer::open(server.address);
    peer.text("still here");
    assert_text(&peer.frame(), "still here");
    server.running.signal("TERM");
    assert_close(&peer.frame(), 1001);
    peer.close(1001);
    let (code, _, stderr) = server.running.finish();
    assert_eq!(code, 0);
    assert!(stderr.contains("cannot accept for now"), "{stderr}");
    assert!(stderr.lines().count() < 100, "it spins: {stderr}");
}
