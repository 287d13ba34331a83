//! What `bowsprit connect` does beyond passing lines on.
#![cfg(unix)]

mod support;

#[path = "../../../tests/support/certificates.rs"]
mod certificates;
#[path = "../../../tests/support/installed.rs"]
mod installed;
#[path = "../../../tests/support/server.rs"]
mod server;

use std::io::{Read, Write};
use std::process::Command;
use std::time::Duration;

use bowsprit::frame::RawHeader;
use certificates::{Authority, accept_tls, self_signed, server_config};
use installed::skip;
use server::{drain, header, open, read_head, serve as fake};
use support::command::{BOWSPRIT, Running, serve};
use support::frame;
use support::peer::{PATIENCE, assert_close, fake_server};
use support::port::reserved;

/// Runs `connect` with an empty stdin. Returns exit code, stdout, stderr.
fn connect(url: &str, args: &[&str]) -> (i32, String, String) {
    // As many answers as messages end it; on a busy machine the first may take longer than it waits by itself.
    let waits = args.iter().any(|arg| ["--wait", "--expect", "--stay"].contains(arg));
    let patient: &[&str] = if waits { &[] } else { &["--wait", "60s"] };
    Running::client(url, &[patient, args].concat()).finish()
}

#[test]
fn one_shot() {
    let server = serve(&[]);
    let args = ["--message", "one", "-m", "two", "--expect", "2"];
    assert_eq!(connect(&server.url, &args), (0, "one\ntwo\n".into(), String::new()));
    // Without a number: what comes before the server's Close frame.
    assert_eq!(connect(&server.url, &["-m", "x"]).0, 0);
    let (code, stdout, stderr) = connect(&server.url, &["-m", "x", "--expect", "2", "--timeout", "5s"]);
    assert_eq!((code, stdout.as_str()), (1, "x\n"));
    assert!(stderr.contains("1 of 2 messages"), "{stderr}");
}

/// An error is reported with the URL at which it happened, and never with a password.
#[test]
fn failures_name_what_failed() {
    let (there, last) = fake(1, |mut stream| {
        read_head(&mut stream);
        let page = "<p>\x1b[31mno</p>\n".repeat(50);
        // Without a length, on a connection that stays open.
        stream.write_all(format!("HTTP/1.1 403 No\r\n\r\n{page}").as_bytes()).unwrap();
        drain(&mut stream);
    });
    let (here, first) = fake(1, move |mut stream| {
        read_head(&mut stream);
        let head = format!("HTTP/1.1 307 X\r\nLocation: ws://{there}/new\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        drain(&mut stream);
    });
    let url = format!("ws://user:secret@{here}/");
    let (code, _, stderr) = connect(&url, &["--redirects", "1", "--connect-timeout", "60s"]);
    assert_eq!(code, 3);
    let named = format!("ws://{there}/new (redirected from ws://{here}/) gave this answer:");
    assert!(stderr.contains(&named) && stderr.contains("status 403 No"), "{stderr}");
    assert!(
        stderr.lines().count() < 16 && !stderr.contains('\x1b') && !stderr.contains("secret"),
        "{stderr}"
    );
    first.join().unwrap();
    last.join().unwrap();

    let (code, _, stderr) = connect("ws://user:secret@localhost:99999/", &[]);
    assert!(code == 2 && stderr.contains("localhost:99999") && !stderr.contains("secret"), "{stderr}");
}

/// A variable that this URL does not use stops nothing.
#[test]
fn proxies_of_the_environment() {
    let server = serve(&[]);
    let run = |no_proxy: &str| {
        let mut command = Command::new(BOWSPRIT);
        command.args(["connect", &server.url, "-m", "x", "--expect", "1"]);
        command.env("all_proxy", "socks://h:1").env("no_proxy", no_proxy);
        Running::start(&mut command).finish()
    };
    assert_eq!(run("127.0.0.1"), (0, "x\n".into(), String::new()));
    let (code, _, stderr) = run("");
    assert!(code == 2 && stderr.contains("all_proxy: ") && stderr.contains("--proxy"), "{stderr}");
}

#[test]
fn a_long_head_needs_a_higher_limit() {
    let (address, server) = fake(3, |mut stream| {
        let head = read_head(&mut stream);
        let answer = String::from_utf8(server::accept(&head)).unwrap();
        let cookies = format!("Set-Cookie: a={}\r\n", "b".repeat(160)).repeat(120);
        let answer = answer.replace("\r\n\r\n", &format!("\r\n{cookies}\r\n"));
        stream.write_all(answer.as_bytes()).unwrap();
        let _ = stream.write_all(b"\x88\x02\x03\xe8");
        drain(&mut stream);
    });
    let url = format!("ws://{address}/");
    let (code, _, stderr) = connect(&url, &[]);
    assert!(code == 3 && stderr.contains("--max-head"), "{stderr}");
    let (code, _, stderr) = connect(&url, &["--max-head", "64k"]);
    assert!(code == 3 && stderr.contains("--max-headers"), "{stderr}");
    assert_eq!(connect(&url, &["--max-head", "64k", "--max-headers", "200"]).0, 0);
    server.join().unwrap();
}

/// The advice after a refusal, if there is something to try; what was tried is not advised again.
#[test]
fn refusals_say_what_may_help() {
    for (status, tried, advice) in [
        ("200 OK", &[][..], "is the path right?"),
        ("404 Not Found", &[], "Is the path right?"),
        ("401 Unauthorized", &[], "--auth USER:PASSWORD or --bearer TOKEN"),
        ("401 Unauthorized", &["--auth", "a:b"], ""),
        ("401 Unauthorized", &["-H", "Cookie: a=b"], ""),
        ("403 Forbidden", &[], "-o http://ADDRESS sends one"),
        ("403 Forbidden", &["-o", "https://example.com"], ""),
        ("403 Forbidden", &["-H", "Origin: https://example.com"], ""),
        ("302 Found\r\nLocation: /elsewhere", &[], "--redirects 1 follows it"),
        ("302 Found", &[], ""),
        ("500 No", &[], ""),
    ] {
        let (address, server) = fake(1, move |mut stream| {
            read_head(&mut stream);
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            drain(&mut stream);
        });
        let (code, _, stderr) = connect(&format!("ws://{address}/a?b"), tried);
        assert_eq!(code, 3, "{stderr}");
        let line = stderr.lines().next().unwrap();
        let words = status.split('\r').next().unwrap();
        let (_, rest) = line.split_once(&format!(" with status {words}.")).expect(line);
        let advice = advice.replace("ADDRESS", &address.to_string());
        assert!(
            if advice.is_empty() { rest.is_empty() } else { rest.contains(&advice) },
            "{tried:?}: {line}"
        );
        server.join().unwrap();
    }
}

/// One that was picked out of none is told as that.
#[test]
fn a_subprotocol_that_nobody_offered_is_refused() {
    let (address, server) = fake(2, |mut stream| {
        let head = read_head(&mut stream);
        let answer = String::from_utf8(server::accept(&head)).unwrap();
        let answer = answer.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: chat\r\n\r\n");
        stream.write_all(answer.as_bytes()).unwrap();
        drain(&mut stream);
    });
    let url = format!("ws://{address}/");
    for (flags, told) in [(&[][..], "-s NAME offers one"), (&["-s", "talk"], "one of the subprotocols")] {
        let (code, _, stderr) = connect(&url, flags);
        assert!(code == 3 && stderr.contains(told), "{stderr}");
    }
    server.join().unwrap();
}

/// A server need not speak any of them (RFC 6455 §4.2.2), but a user who asked for one wants to know.
#[test]
fn a_subprotocol_that_was_not_taken_is_told() {
    let server = serve(&["--subprotocol", "chat"]);
    let run = |names: &str| connect(&server.url, &["-s", names, "-m", "x"]);
    assert_eq!(run("talk,chat"), (0, "x\n".into(), String::new()));
    let (code, stdout, stderr) = run("talk,sing");
    assert_eq!((code, stdout.as_str()), (0, "x\n"));
    assert!(stderr.contains("speaks none of the subprotocols that were offered: talk, sing"), "{stderr}");
}

/// A slow server that drops what it has not answered when it sees a Close frame.
#[test]
fn answers_are_waited_for() {
    let slow = |lines: &'static [&str], greeting: &'static str| {
        fake_server(move |mut peer| {
            peer.accept_upgrade();
            if !greeting.is_empty() {
                peer.write(&frame(RawHeader::TEXT, greeting.as_bytes()));
            }
            for line in lines {
                assert_eq!(peer.client_frame().1, line.as_bytes());
            }
            peer.stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
            assert!(peer.read().is_err(), "no Close frame comes while we think: {:?}", peer.ahead);
            peer.stream.set_read_timeout(Some(PATIENCE)).unwrap();
            for line in lines {
                peer.write(&frame(RawHeader::TEXT, line.as_bytes()));
            }
            let (header, payload) = peer.client_frame();
            assert_close(&(header, payload.clone()), 1000);
            peer.write(&frame(RawHeader::CLOSE, &payload));
        })
    };
    let (url, server) = slow(&["q"], "");
    assert_eq!(connect(&url, &["-m", "q"]), (0, "q\n".into(), String::new()));
    server.join().unwrap();
    let (url, server) = slow(&["one", "two"], "hello");
    let mut client = Running::client(&url, &["--preamble", "one"]);
    client.write(b"two\n");
    assert_eq!(client.finish(), (0, "hello\none\ntwo\n".into(), String::new()));
    server.join().unwrap();
}

#[test]
fn what_comes_too_late_is_told() {
    let late = |answers: &'static [&str]| {
        fake_server(move |mut peer| {
            peer.accept_upgrade();
            assert_eq!(peer.client_frame().1, b"q");
            let (header, payload) = peer.client_frame();
            assert_close(&(header, payload.clone()), 1000);
            for answer in answers {
                peer.write(&frame(RawHeader::TEXT, answer.as_bytes()));
            }
            peer.write(&frame(RawHeader::CLOSE, &payload));
        })
    };
    for (answers, stdout, remark) in [
        (
            &["a", "b"][..],
            "a\nb\n",
            "2 messages came after 0.1s, when we had begun to close; more may be lost",
        ),
        (&[], "", "no answer came within 0.1s; --wait 1s waits longer"),
    ] {
        let (url, server) = late(answers);
        let (code, shown, stderr) = connect(&url, &["-m", "q", "--wait", "100ms"]);
        assert_eq!((code, shown.as_str()), (0, stdout), "{stderr}");
        assert!(stderr.contains(remark), "{stderr}");
        server.join().unwrap();
    }
    // Whoever asks for no wait knows.
    let (url, server) = late(&[]);
    assert_eq!(connect(&url, &["-m", "q", "--wait", "0"]), (0, String::new(), String::new()));
    server.join().unwrap();
    for other in [&["--expect", "1"][..], &["--stay"]] {
        assert_eq!(connect("ws://localhost:1/", &[&["--wait", "1s"], other].concat()).0, 2);
    }
}

/// The command in a message's advice is run as it is written.
#[test]
fn advice_works() {
    // What follows `start` in a message, up to a blank or a mark.
    let advised = |stderr: &str, start: &str| -> String {
        let (_, rest) = stderr.split_once(start).unwrap_or_else(|| panic!("{start:?} is not in {stderr}"));
        rest.split([' ', ';', ',', '\n']).next().unwrap().to_owned()
    };
    // A server that takes so long, and closes when it is told so before.
    let slow = |pause: Duration| {
        fake_server(move |mut peer| {
            peer.accept_upgrade();
            let line = peer.client_frame().1;
            peer.stream.set_read_timeout(Some(pause)).unwrap();
            if peer.read().is_err() {
                peer.write(&frame(RawHeader::TEXT, &line));
            }
            peer.write(&frame(RawHeader::CLOSE, &[3, 232]));
            peer.until_gone();
        })
    };
    let (url, server) = slow(PATIENCE);
    let (_, stdout, stderr) = connect(&url, &["-m", "q", "--wait", "10ms"]);
    assert_eq!(stdout, "");
    server.join().unwrap();
    let wait = advised(&stderr, "; --wait ");
    let (url, server) = slow(Duration::from_millis(50));
    assert_eq!(connect(&url, &["-m", "q", "--wait", &wait]).1, "q\n", "--wait {wait}");
    server.join().unwrap();

    let server = serve(&[]);
    let http = server.url.replace("ws://", "http://");
    let url = advised(&connect(&http, &["-m", "x"]).2, ": use ").trim_end_matches(':').to_owned();
    assert_eq!(connect(&url, &["-m", "x"]).1, "x\n", "{url}");
    let (_, _, stderr) = Running::bowsprit(&["dial", &server.url]).finish();
    let (_, command) = stderr.trim_end().split_once("use bowsprit ").unwrap();
    let args: Vec<&str> = command.split(' ').chain([&*server.url, "-m", "x"]).collect();
    assert_eq!(Running::bowsprit(&args).finish().1, "x\n", "{command}");
    let (_, _, stderr) = connect(&server.url, &["--execute", "x"]);
    assert_eq!(connect(&server.url, &[&advised(&stderr, " use "), "x"]).1, "x\n", "{stderr}");

    let folder = std::env::temp_dir().join(format!("bowsprit-advice-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let own = self_signed(&["localhost"], |_| {});
    let ca = folder.join("own.pem");
    std::fs::write(&ca, &own.certificate_pem).unwrap();
    let config = server_config(&own, None);
    let (address, server) = fake(3, move |stream| {
        let mut stream = accept_tls(&config, stream);
        if stream.conn.complete_io(&mut stream.sock).is_ok() {
            open(&mut stream, b"\x81\x02hi\x88\x02\x03\xe8");
            drain(&mut stream);
        }
    });
    let url = format!("wss://localhost:{}/", address.port());
    let (_, _, stderr) = connect(&url, &["--bundled-roots"]);
    assert!(stderr.contains("--ca FILE"), "{stderr}");
    assert_eq!(connect(&url, &["--ca", ca.to_str().unwrap()]).1, "hi\n");
    assert!(stderr.contains("-k accepts any"), "{stderr}");
    assert_eq!(connect(&url, &["-k"]).1, "hi\n");
    server.join().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn expectations_that_the_server_cuts_short_fail() {
    let (address, server) = fake(1, |mut stream| {
        open(&mut stream, b"\x81\x01x\x88\x02\x03\xe8");
        drain(&mut stream);
    });
    let (code, stdout, stderr) = connect(&format!("ws://{address}/"), &["-m", "x", "--expect", "2"]);
    assert_eq!((code, stdout.as_str()), (1, "x\n"), "{stderr}");
    server.join().unwrap();
}

#[test]
fn json_lines() {
    let (address, server) = fake(1, |mut stream| {
        open(&mut stream, b"\x89\x01p\x81\x03\"\xc2\x9b\x82\x02\0\xff\x88\x05\x0f\xa1bye");
        drain(&mut stream);
    });
    let (code, stdout, _) = connect(&format!("ws://{address}/"), &["--json"]);
    assert_eq!(code, 1, "an unusual code");
    let events: Vec<serde_json::Value> =
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (line, event) in stdout.lines().zip(&events) {
        let direction = if event["type"] == "open" { "" } else { r#""direction":"in","# };
        let start = format!(r#"{{"time":{},{direction}"type":{},"#, event["time"], event["type"]);
        assert!(line.starts_with(&start) && event["time"].as_str().unwrap().ends_with('Z'), "{line}");
    }
    assert!(stdout.contains(r#""data":"\"\u009b""#), "a terminal would act on it: {stdout}");
    let types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["open", "ping", "text", "binary", "close"]);
    assert_eq!(events[2]["data"], "\"\u{9b}");
    assert_eq!(events[3]["base64"], "AP8=");
    assert_eq!((&events[4]["code"], &events[4]["reason"]), (&4001.into(), &"bye".into()));
    server.join().unwrap();
}

#[test]
fn json_lines_are_read_too() {
    let server = serve(&[]);
    let mut client = Running::client(&server.url, &["--json", "-v"]);
    client.write(
        br#"{"type":"text","data":"a\nb"}
{"type":"open","address":"of another connection"}

{"type":"binary","base64":"AP8="}
{"type":"ping","data":"p"}
"#,
    );
    let (code, stdout, stderr) = client.finish();
    assert_eq!(code, 0, "{stderr}");
    let events: Vec<serde_json::Value> =
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen = |direction: &str, kind: &str| {
        let mut found =
            events.iter().filter(|event| event["direction"] == direction && event["type"] == kind);
        (found.next().cloned().unwrap_or_default(), found.count())
    };
    for direction in ["out", "in"] {
        let (text, others) = seen(direction, "text");
        assert_eq!((&text["data"], others), (&"a\nb".into(), 0), "{stdout}");
        assert_eq!(seen(direction, "binary").0["base64"], "AP8=", "{stdout}");
    }
    let latency = &seen("in", "pong").0["latency_ms"];
    assert!(latency.is_f64() && latency.to_string().split('.').nth(1).unwrap().len() <= 3, "{latency}");
    // Bytes in, JSON out.
    let mut client = Running::client(&server.url, &["--json", "-b"]);
    client.write(b"\0\n");
    assert!(client.finish().1.contains(r#""type":"binary","base64":"AAo=""#));
    let mut client = Running::client(&server.url, &["--json"]);
    client.write(b"hello\n");
    let (code, _, stderr) = client.finish();
    assert!(code == 2 && stderr.contains(r#"is such as {"type":"text","data":"hello"}"#), "{stderr}");
}

/// The output of one connection is the input of another.
#[test]
fn json_lines_go_from_one_connection_to_another() {
    let (first, second) = (serve(&[]), serve(&[]));
    let (_, lines, _) = connect(&first.url, &["--json", "-m", "x", "-m", "y"]);
    let mut client = Running::client(&second.url, &["--json", "--stay"]);
    client.write(lines.as_bytes());
    let (code, stdout, stderr) = client.finish();
    assert_eq!((code, stdout.matches(r#""type":"text""#).count()), (0, 2), "{stdout} {stderr}");
}

/// As a path from where we are.
#[test]
fn sockets_have_paths() {
    let folder = std::env::temp_dir().join(format!("bowsprit-unix-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let _server = serve(&["--unix", folder.join("u.sock").to_str().unwrap()]);
    for url in ["ws+unix:u.sock", "ws+unix:./u.sock:/chat"] {
        let mut command = Command::new(BOWSPRIT);
        command.args(["connect", url, "-m", "x"]).current_dir(&folder);
        assert_eq!(Running::start(&mut command).finish(), (0, "x\n".into(), String::new()), "{url}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn binary_messages_in_base64_and_exit_codes_from_close_codes() {
    for (code, exit) in [(1000u16, 0), (1001, 101), (1011, 111), (3000, 130), (4007, 157), (4999, 255)] {
        let (address, server) = fake(1, move |mut stream| {
            let [high, low] = code.to_be_bytes();
            open(&mut stream, &[&b"\x82\x02\0\xff\x88\x02"[..], &[high, low]].concat());
            drain(&mut stream);
        });
        let (found, stdout, _) = connect(&format!("ws://{address}/"), &["--base64", "--close-code-exit"]);
        assert_eq!((found, stdout.as_str()), (exit, "AP8=\n"), "{code}");
        server.join().unwrap();
    }
    let (address, server) = fake(1, |mut stream| drop(open(&mut stream, b"")));
    assert_eq!(connect(&format!("ws://{address}/"), &["--close-code-exit"]).0, 106);
    server.join().unwrap();
}

#[test]
fn commands() {
    let (url, server) = fake_server(|mut peer| {
        peer.accept_upgrade();
        let mut frames = Vec::new();
        loop {
            let (header, payload) = peer.client_frame();
            frames.push((header.fin, header.opcode, payload.clone()));
            let answer = match header.opcode {
                0x9 => RawHeader::PONG,
                0x8 => RawHeader::CLOSE,
                _ => continue,
            };
            peer.write(&frame(answer, &payload));
            if header.opcode == 0x8 {
                return frames;
            }
        }
    });
    let mut client = Running::client(&url, &["--commands", "-v"]);
    client.write(b"plain\n//slash\n/ping hi\n/pong yo\n/binary 00ff\n/fragment a\n/fragment b\n/end c\n/close 4001 see you\n");
    client.status();
    let (code, _, stderr) = client.finish();
    assert_eq!(code, 0, "{stderr}");
    let frames = server.join().unwrap();
    let expected: [(bool, u8, &[u8]); 9] = [
        (true, 0x1, b"plain"),
        (true, 0x1, b"/slash"),
        (true, 0x9, b"hi"),
        (true, 0xa, b"yo"),
        (true, 0x2, b"\0\xff"),
        (false, 0x1, b"a"),
        (false, 0x0, b"b"),
        (true, 0x0, b"c"),
        (true, 0x8, b"\x0f\xa1see you"),
    ];
    let seen = frames.iter().map(|(fin, opcode, payload)| (*fin, *opcode, &payload[..]));
    assert!(seen.eq(expected), "{frames:?}");
    assert!(stderr.contains("< Pong \"hi\" after ") && stderr.contains(" ms\n"), "{stderr}");
    assert!(stderr.contains("> Close 4001 \"see you\""), "{stderr}");
    // Without --commands a slash is text.
    let server = serve(&[]);
    let mut client = Running::client(&server.url, &[]);
    client.write(b"/ping\n");
    assert_eq!(client.finish().1, "/ping\n");
    let mut client = Running::client(&server.url, &["--commands"]);
    client.write(b"/nonsense\n");
    assert_eq!(client.finish().0, 2);
}

#[test]
fn it_connects_again_and_says_the_preamble() {
    let mut number = 0;
    let (address, server) = fake(3, move |mut stream| {
        number += 1;
        open(&mut stream, b"\x81\x02hi");
        let mut preamble = [0; 6 + 3];
        stream.read_exact(&mut preamble).unwrap();
        if number == 3 {
            let mut close = [0; 8];
            stream.read_exact(&mut close).unwrap();
            stream.write_all(b"\x88\x02\x03\xe8").unwrap();
        }
    });
    let args = ["--reconnect=100ms", "--preamble", "sub", "--expect", "3"];
    let mut client = Running::client(&format!("ws://{address}/"), &args);
    client.status();
    let (code, stdout, stderr) = client.finish();
    assert_eq!((code, stdout.as_str()), (0, "hi\nhi\nhi\n"), "{stderr}");
    assert!(stderr.contains("try 1 in 0.1 s"), "{stderr}");
    server.join().unwrap();

    let nobody = reserved();
    let (code, _, stderr) = connect(&format!("ws://{nobody}/"), &["--reconnect=100ms", "--max-tries", "2"]);
    assert_eq!((code, stderr.matches("is the server running").count()), (3, 3), "{stderr}");
}

#[test]
fn through_tls() {
    let authority = Authority::new();
    let config = server_config(&authority.issue(&["localhost"]), Some(&authority));
    let folder = std::env::temp_dir().join(format!("bowsprit-connect-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).unwrap();
        folder.join(name).to_str().unwrap().to_owned()
    };
    let me = authority.issue(&["me"]);
    let (ca, stranger) = (file("ca.pem", &authority.pem()), file("stranger.pem", &Authority::new().pem()));
    let cert = file("me.pem", &(me.certificate_pem.clone() + &me.key_pem));
    let log = folder.join("keys").to_str().unwrap().to_owned();
    let (address, server) = fake(3, move |stream| {
        let mut stream = accept_tls(&config, stream);
        if stream.conn.complete_io(&mut stream.sock).is_ok() {
            open(&mut stream, b"\x81\x02hi\x88\x02\x03\xe8");
            let mut close = [0; 8];
            stream.read_exact(&mut close).unwrap();
        }
    });
    let url = format!("wss://localhost:{}/", address.port());
    let args = ["--ca", &ca, "--cert", &cert, "--tls-key-log", &log];
    let (code, stdout, stderr) = connect(&url, &args);
    assert_eq!((code, stdout.as_str()), (0, "hi\n"), "{stderr}");
    assert!(std::fs::read_to_string(&log).unwrap().contains("CLIENT_TRAFFIC_SECRET_0 "));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&log).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "secrets are for their owner alone");
    let (code, _, stderr) = connect(&url, &["--ca", &stranger, "--cert", &cert]);
    assert_eq!(code, 3);
    assert!(stderr.contains(&format!("has issued it is in {stranger}; -k accepts any")), "{stderr}");
    let (code, stdout, _) = connect(&url, &["--ca", &stranger, "--cert", &cert, "--insecure"]);
    assert_eq!((code, stdout.as_str()), (0, "hi\n"));
    server.join().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}

/// TLS ends before TCP does: whether the server ends both after the closing handshake, or leaves that to the client.
#[test]
fn tls_is_ended_before_tcp() {
    let own = self_signed(&["localhost"], |_| {});
    let config = server_config(&own, None);
    for server_ends in [false, true] {
        let config = config.clone();
        let (address, server) = fake(1, move |stream| {
            let mut stream = accept_tls(&config, stream);
            open(&mut stream, b"\x88\x02\x03\xe8");
            let mut close = [0; 8];
            stream.read_exact(&mut close).unwrap();
            if server_ends {
                stream.conn.send_close_notify();
                stream.flush().unwrap();
            }
            stream.read(&mut close) // fails where TCP ends alone
        });
        let (code, _, stderr) = connect(&format!("wss://localhost:{}/", address.port()), &["-k"]);
        assert_eq!(code, 0, "{stderr}");
        assert_eq!(server.join().unwrap().remove(0).unwrap(), 0);
    }
}

/// It need not be fit for a server then, as those of `openssl req -x509` are not; its names and its time still count.
#[test]
fn a_certificate_can_be_trusted_by_itself() {
    let folder = std::env::temp_dir().join(format!("bowsprit-own-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, content: &[u8]| {
        std::fs::write(folder.join(name), content).unwrap();
        folder.join(name).to_str().unwrap().to_owned()
    };
    let expired = |params: &mut rcgen::CertificateParams| params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let authority = Authority::new();
    let own = self_signed(&["localhost"], |_| {});
    let pem = own.certificate_pem.as_bytes();
    let utf16: Vec<u8> = pem.iter().flat_map(|&byte| [byte, 0]).collect();
    let accepted = [
        file("own.pem", pem),
        file("bom.pem", &[b"\xef\xbb\xbf", pem].concat()),
        file("utf16.pem", &[b"\xff\xfe", &utf16[..]].concat()),
        file("own.der", &own.certificate),
    ];
    let hi = |identity: &certificates::Identity| {
        let config = server_config(identity, None);
        let (address, server) = fake(1, move |stream| {
            let mut stream = accept_tls(&config, stream);
            if stream.conn.complete_io(&mut stream.sock).is_ok() {
                open(&mut stream, b"\x81\x02hi\x88\x02\x03\xe8");
                drain(&mut stream);
            }
        });
        (format!("wss://localhost:{}/", address.port()), server)
    };
    for ca in &accepted {
        let (url, server) = hi(&own);
        assert_eq!(connect(&url, &["--ca", ca]), (0, "hi\n".into(), String::new()), "{ca}");
        server.join().unwrap();
    }
    // One that somebody else has issued can be named itself, too.
    let issued = authority.issue(&["localhost"]);
    let (url, server) = hi(&issued);
    let ca = file("issued.pem", issued.certificate_pem.as_bytes());
    assert_eq!(connect(&url, &["--ca", &ca]).0, 0);
    server.join().unwrap();
    for (identity, ca, why) in [
        (
            self_signed(&["example.com"], |_| {}),
            None,
            "is for example.com, and not for localhost; -k accepts any",
        ),
        (self_signed(&[], |_| {}), None, "has no subjectAltName"),
        (self_signed(&["localhost"], expired), None, "has expired"),
        (authority.issue_with(&["localhost"], expired), None, "has expired"),
        (self_signed(&["localhost"], |_| {}), Some(&accepted[0]), "for authorities (CA:TRUE"),
        (issued, Some(&accepted[0]), "neither it nor whoever has issued it is in"),
    ] {
        let (url, server) = hi(&identity);
        let itself = file("itself.pem", identity.certificate_pem.as_bytes());
        let (code, _, stderr) = connect(&url, &["--ca", ca.unwrap_or(&itself)]);
        assert_eq!(code, 3, "{stderr}");
        assert!(stderr.contains(why), "{why}: {stderr}");
        server.join().unwrap();
    }
    let key = file(
        "key.pem",
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let (code, _, stderr) =
        connect("wss://localhost:1/", &["--ca", &accepted[0], "--cert", &accepted[0], "--key", &key]);
    assert_eq!(code, 2);
    assert!(stderr.contains(&format!("openssl pkey -in {key} -out key.pem")), "{stderr}");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Under the name of the URL, in the request and in TLS.
#[test]
fn a_server_can_be_reached_elsewhere() {
    let folder = std::env::temp_dir().join(format!("bowsprit-route-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let ca = folder.join("ca.pem");
    let authority = Authority::new();
    std::fs::write(&ca, authority.pem()).unwrap();
    let config = server_config(&authority.issue(&["server.example"]), None);
    let (address, server) = fake(3, move |stream| {
        let mut stream = accept_tls(&config, stream);
        let head = open(&mut stream, b"\x88\x02\x03\xe8");
        drain(&mut stream);
        (header(&head, "host").unwrap().to_owned(), stream.conn.server_name().map(ToOwned::to_owned))
    });
    let port = address.port();
    let url = "wss://me:pw@server.example:7/chat";
    for (url, flag, route) in [
        (url, "--connect-to", format!("server.example:7:localhost:{port}")),
        (url, "--connect-to", format!("::127.0.0.1:{port}")),
        (&format!("wss://server.example:{port}"), "--resolve", format!("server.example:{port}:127.0.0.1")),
    ] {
        let (code, _, stderr) =
            connect(url, &[flag, &route, "--ca", ca.to_str().unwrap(), "--proxy", "none"]);
        assert_eq!((code, stderr.as_str()), (0, ""), "{route}");
    }
    for ((host, name), expected) in server.join().unwrap().into_iter().zip([
        "server.example:7",
        "server.example:7",
        &format!("server.example:{port}"),
    ]) {
        assert_eq!((host.as_str(), name.as_deref()), (expected, Some("server.example")));
    }
    // What goes wrong is told by the name of the URL.
    let nobody = reserved();
    let route = format!("::127.0.0.1:{}", nobody.port());
    let (code, _, stderr) = connect("ws://server.example/", &["--connect-to", &route, "--proxy", "none"]);
    assert!(code == 3 && stderr.contains("cannot connect to ws://server.example/"), "{stderr}");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Also the other way round: the server speaks no TLS, or nothing else.
#[test]
fn tls_on_one_side_only() {
    let server = serve(&[]);
    let (code, _, stderr) = connect(&server.url.replace("ws://", "wss://"), &["--insecure"]);
    assert_eq!(code, 3);
    assert!(stderr.contains("does the server speak TLS there? ws:// is without"), "{stderr}");
    let authority = Authority::new();
    let config = server_config(&authority.issue(&["localhost"]), None);
    let (address, server) = fake(1, move |stream| {
        let mut stream = accept_tls(&config, stream);
        assert!(stream.conn.complete_io(&mut stream.sock).is_err());
        let _ = stream.conn.write_tls(&mut stream.sock); // an alert
    });
    let (code, _, stderr) = connect(&format!("ws://localhost:{}/", address.port()), &[]);
    assert_eq!(code, 3);
    assert!(stderr.contains("if the server speaks TLS, use wss://"), "{stderr}");
    server.join().unwrap();
    for flag in [&["--ca", "x"][..], &["--cert", "x"], &["--tls-key-log", "x"], &["--bundled-roots"]] {
        let (code, _, stderr) = connect("ws://localhost:1/", flag);
        assert!(code == 2 && stderr.contains("for wss:// URLs"), "{stderr}");
    }
}

/// For those who only listen.
#[test]
fn it_can_stay_when_stdin_has_ended() {
    for message in [&[][..], &["--message", "x"]] {
        let (url, server) = fake_server(move |mut peer| {
            peer.accept_upgrade();
            if !message.is_empty() {
                assert_eq!(peer.client_frame().1, b"x");
            }
            peer.write(&frame(RawHeader::PING, b"")); // its answer shows that the client is still there
            assert_eq!(peer.client_frame().0.opcode, 0xa);
            peer.write(&[frame(RawHeader::TEXT, b"late"), frame(RawHeader::CLOSE, b"\x03\xe8")].concat());
            peer.until_gone();
        });
        let (code, stdout, stderr) = connect(&url, &[&["--stay"], message].concat());
        assert_eq!((code, stdout.as_str()), (0, "late\n"), "{stderr}");
        server.join().unwrap();
    }
    let server = serve(&[]);
    assert_eq!(
        connect(&server.url, &["--stay", "--timeout", "5s", "-m", "x"]),
        (0, "x\n".into(), String::new())
    );
    assert_eq!(connect(&server.url, &["--expect", "0"]).0, 2);
}

#[test]
fn a_proxy_that_is_not_there_is_named() {
    let nobody = reserved();
    let proxy = format!("socks5h://{nobody}");
    let (code, _, stderr) = connect("ws://server.example/", &["--proxy", &proxy]);
    assert_eq!(code, 3);
    assert!(stderr.contains(&format!("cannot connect to the proxy {proxy}: ")), "{stderr}");
}

#[test]
fn proxies_from_the_command_line_and_the_environment() {
    let (address, server) = fake(2, |mut stream| {
        let head = read_head(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        open(&mut stream, b"\x88\x02\x03\xe8");
        drain(&mut stream);
        head
    });
    let (code, _, stderr) = connect("ws://server.example/", &["--proxy", &format!("http://u:p@{address}")]);
    assert_eq!(code, 0, "{stderr}");
    let mut command = Command::new(BOWSPRIT);
    command.args(["connect", "ws://server.example/", "--bearer", "token"]);
    let (code, _, stderr) =
        Running::start(command.env("http_proxy", address.to_string()).env_remove("no_proxy")).finish();
    assert_eq!(code, 0, "{stderr}");
    let heads = server.join().unwrap();
    assert_eq!(header(&heads[0], "proxy-authorization"), Some("Basic dTpw"));
    assert!(heads[1].starts_with("CONNECT server.example:80 "));
}

#[test]
fn completions_and_the_manual_come_from_the_command() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, stdout, _) = Running::bowsprit(&["completions", shell]).finish();
        assert!(code == 0 && stdout.contains("close-code-exit"), "{shell}");
    }
    let (code, stdout, _) = Running::bowsprit(&["man"]).finish();
    assert!(code == 0 && stdout.contains(".TH") && stdout.contains("close\\-code\\-exit"), "{stdout}");
}

/// What each shell proposes, asked in its own way.
#[test]
fn completions_complete() {
    let folder = std::env::temp_dir().join(format!("bowsprit-completions-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (shell, file, ask) in [
        (
            "bash",
            "bowsprit.bash",
            "source bowsprit.bash && COMP_WORDS=(bowsprit connect --redi) COMP_CWORD=2 && \
             _bowsprit bowsprit --redi connect && echo ${COMPREPLY[@]}",
        ),
        // Its completions work in an editor only; here they are read and taken for the command.
        (
            "zsh",
            "_bowsprit",
            "fpath=($PWD $fpath); autoload -Uz compinit && compinit -u -d dump && \
             [ $_comps[bowsprit] = _bowsprit ] && autoload +X _bowsprit && functions _bowsprit | grep -o -- --redirects",
        ),
        ("fish", "bowsprit.fish", "source bowsprit.fish; complete -C 'bowsprit connect --redi'"),
    ] {
        let (_, script, _) = Running::bowsprit(&["completions", shell]).finish();
        std::fs::write(folder.join(file), script).unwrap();
        let Ok(output) =
            Command::new(shell).args(["-c", ask]).current_dir(&folder).env("HOME", &folder).output()
        else {
            skip(shell, &format!("apt-get install {shell}"));
            continue;
        };
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("--redirects"), "{shell}: {said} {}", String::from_utf8_lossy(&output.stderr));
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn there_is_a_page_for_each_command() {
    let folder = std::env::temp_dir().join(format!("bowsprit-man-{}", std::process::id()));
    let (code, _, stderr) = Running::bowsprit(&["man", "--dir", folder.to_str().unwrap()]).finish();
    assert_eq!(code, 0, "{stderr}");
    for name in [
        "bowsprit",
        "bowsprit-connect",
        "bowsprit-test-server",
        "bowsprit-fuzz-client",
        "bowsprit-bench-compare",
    ] {
        let page = std::fs::read_to_string(folder.join(format!("{name}.1"))).expect(name);
        assert!(page.contains(&format!(".TH {name} 1")) && page.contains("Examples:"), "{page}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
    let (code, one, _) = Running::bowsprit(&["man", "test", "server"]).finish();
    assert!(
        code == 0 && one.matches(".TH ").count() == 1 && one.contains("bowsprit\\-test\\-server"),
        "{one}"
    );
    assert_eq!(Running::bowsprit(&["man", "nonsense"]).finish().0, 2);
}

#[test]
fn the_manual_is_set_without_complaint() {
    let (_, page, _) = Running::bowsprit(&["man"]).finish();
    let file = std::env::temp_dir().join(format!("bowsprit-{}.1", std::process::id()));
    std::fs::write(&file, page).unwrap();
    let groff = Command::new("groff").args(["-man", "-ww", "-Tascii"]).arg(&file).output();
    std::fs::remove_file(&file).unwrap();
    let Ok(output) = groff else { return skip("groff", "apt-get install groff-base") };
    let (text, complaints) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("bowsprit-connect(1)") && complaints.is_empty(), "{complaints}");
}
