//! `bowsprit watch` between two programs: what passes, how it ends, what is reported.

#![cfg(unix)]

mod support;

#[path = "../../../tests/support/certificates.rs"]
mod certificates;
#[path = "../../../tests/support/installed.rs"]
mod installed;

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use bowsprit::Role;
use bowsprit::frame::RawHeader;
use certificates::Authority;
use installed::skip;
use socket2::SockRef;
use support::command::{BOWSPRIT, Running, serve};
use support::peer::{PATIENCE, REQUEST};
use support::port::reserved;
use support::{Random, not_fin, sent_by, workspace};

/// The answer to [`REQUEST`].
const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A watch in front of `target`, and where to connect.
fn watch(target: &str, args: &[&str]) -> (Running, SocketAddr) {
    let all = [&["watch", "--listen", "127.0.0.1:0", target], args].concat();
    let running = Running::bowsprit(&all);
    let url = running.told("listening on ");
    let address = url.split("//").nth(1).unwrap().split('/').next().unwrap().parse().unwrap();
    (running, address)
}

/// A watch between two sockets of ours: the client's and the server's end of one connection.
fn between(args: &[&str]) -> (Running, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("ws://{}/", listener.local_addr().unwrap());
    let (running, address) = watch(&target, &[args, &["-n", "1"]].concat());
    let client = TcpStream::connect(address).unwrap();
    let (server, _) = listener.accept().unwrap();
    for stream in [&client, &server] {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
    }
    (running, client, server)
}

fn read_exactly(mut from: &TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes).unwrap();
    bytes
}

fn client_frame(header: RawHeader, payload: &[u8]) -> Vec<u8> {
    sent_by(Role::Client, header, payload)
}

/// A connection in which each side sends this behind its head, and then ends it.
fn talk(args: &[&str], client_says: &[u8], server_says: &[u8]) -> (i32, String, String) {
    let (running, client, server) = between(args);
    (&client).write_all(REQUEST.as_bytes()).unwrap();
    assert_eq!(read_exactly(&server, REQUEST.len()), REQUEST.as_bytes());
    (&server).write_all(&[RESPONSE.as_bytes(), server_says].concat()).unwrap();
    assert_eq!(read_exactly(&client, RESPONSE.len()), RESPONSE.as_bytes());
    (&client).write_all(client_says).unwrap();
    assert_eq!(read_exactly(&client, server_says.len()), server_says);
    assert_eq!(read_exactly(&server, client_says.len()), client_says);
    server.shutdown(Shutdown::Write).unwrap();
    assert_eq!((&client).read(&mut [0]).unwrap(), 0);
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!((&server).read(&mut [0]).unwrap(), 0);
    running.finish()
}

/// Arbitrary bytes, in any pieces, in both directions at once.
#[test]
fn bytes_pass_as_they_are() {
    let slow: &[&str] = &["--quiet", "--delay", "5ms", "--jitter", "9ms", "--split", "9999", "--rate", "9M"];
    for (seed, is_opened, args) in [(1, false, &["--quiet"][..]), (2, true, &["--quiet"]), (3, true, slow)] {
        let (running, client, server) = between(args);
        let mut random = Random::new(seed);
        let mut bytes = [random.bytes(300_000), random.bytes(700_000)];
        if is_opened {
            bytes[0].splice(0..0, REQUEST.bytes());
            bytes[1].splice(0..0, RESPONSE.bytes());
        }
        let [to_server, to_client] = &bytes;
        thread::scope(|scope| {
            for (from, bytes, seed) in [(&client, to_server, 10 + seed), (&server, to_client, 20 + seed)] {
                scope.spawn(move || {
                    let (mut from, mut rest, mut random) = (from, &bytes[..], Random::new(seed));
                    while !rest.is_empty() {
                        let most = *random.pick(&[3, 100, 70_000]);
                        let size = (1 + random.below(most)).min(rest.len());
                        from.write_all(&rest[..size]).unwrap();
                        rest = &rest[size..];
                    }
                    from.shutdown(Shutdown::Write).unwrap();
                });
            }
            for (mut to, bytes) in [(&server, to_server), (&client, to_client)] {
                scope.spawn(move || {
                    let mut got = Vec::new();
                    to.read_to_end(&mut got).unwrap();
                    assert!(got == *bytes, "{} of {} bytes", got.len(), bytes.len());
                });
            }
        });
        let (_, stdout, _) = running.finish();
        assert!(stdout.contains(&format!("client: {} bytes", to_server.len())), "{stdout}");
    }
}

#[test]
fn half_a_connection_ends_and_the_other_half_goes_on() {
    for client_first in [true, false] {
        let (running, client, server) = between(&[]);
        let (first, second) = if client_first { (&client, &server) } else { (&server, &client) };
        let (mut one, mut other) = (first, second);
        one.write_all(b"before").unwrap();
        one.shutdown(Shutdown::Write).unwrap();
        let mut got = Vec::new();
        other.read_to_end(&mut got).unwrap();
        assert_eq!(got, b"before");
        other.write_all(b"still here").unwrap();
        assert_eq!(read_exactly(first, 10), b"still here");
        other.shutdown(Shutdown::Write).unwrap();
        assert_eq!(one.read(&mut [0]).unwrap(), 0);
        let (_, stdout, _) = running.finish();
        let ends: Vec<_> = stdout.lines().filter(|line| line.contains("sends nothing more")).collect();
        assert_eq!((ends.len(), ends[0].contains("the client")), (2, client_first), "{stdout}");
    }
}

#[test]
fn a_reset_is_passed_on() {
    for by_client in [true, false] {
        let (running, client, server) = between(&[]);
        let (one, other) = if by_client { (client, server) } else { (server, client) };
        (&one).write_all(b"before").unwrap();
        assert_eq!(read_exactly(&other, 6), b"before");
        SockRef::from(&one).set_linger(Some(Duration::ZERO)).unwrap();
        drop(one);
        let error = (&other).read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
        let (_, stdout, _) = running.finish();
        let who = if by_client { "the client resets" } else { "the server resets" };
        assert!(stdout.contains(who), "{stdout}");
    }
}

/// Returns the resident memory of a process in bytes.
fn memory(running: &Running) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

/// A slow reader slows down the server as it would without us, and gets what the server sent once it reads. Its reset
/// ends everything.
#[test]
fn a_client_that_does_not_read_costs_nothing() {
    let (running, client, server) = between(&["--quiet"]);
    server.set_nonblocking(true).unwrap();
    let (block, mut sent) = (vec![b'x'; 1 << 20], 0_usize);
    let mut quiet = 0;
    while quiet < 20 {
        match (&server).write(&block) {
            Ok(length) => {
                sent += length;
                quiet = 0;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                quiet += 1;
                thread::sleep(Duration::from_millis(10)); // that nothing more is taken is no event
            }
            Err(error) => panic!("{error}"),
        }
        assert!(sent < 256 << 20, "somebody keeps it all");
    }
    assert!(memory(&running) < 64 << 20, "{} bytes", memory(&running));
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut got = vec![0; 1 << 16];
            let mut left = sent;
            while left > 0 {
                left -= (&client).read(&mut got).unwrap();
            }
        });
    });
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    server.set_nonblocking(false).unwrap();
    assert!((&server).read(&mut [0]).is_err());
    running.finish();
}

/// If nobody reads stdout, the traffic continues, and the end reports what was left out.
#[test]
fn a_screen_that_nobody_reads_slows_nothing() {
    let (mut running, client, server) = between(&["--json"]);
    (&client).write_all(REQUEST.as_bytes()).unwrap();
    (&server).write_all(RESPONSE.as_bytes()).unwrap();
    read_exactly(&client, RESPONSE.len());
    read_exactly(&server, REQUEST.len());
    let ping = client_frame(RawHeader::TEXT, b"a line of JSON for each");
    let all = ping.repeat(100_000);
    thread::scope(|scope| {
        scope.spawn(|| (&client).write_all(&all).unwrap());
        assert!(read_exactly(&server, all.len()) == all);
    });
    let stdout = running.stdout();
    drop((client, server));
    let lines: Vec<_> = io::BufRead::lines(io::BufReader::new(stdout)).map(Result::unwrap).collect();
    let parsed: Vec<serde_json::Value> =
        lines.iter().map(|line| serde_json::from_str(line).expect(line)).collect();
    let lost: u64 = parsed.iter().filter_map(|line| line["lines"].as_u64()).sum();
    let shown = parsed.iter().filter(|line| line["event"] == "frame").count() as u64;
    assert!(lost > 0 && shown + lost >= 100_000 && shown < 100_000, "{shown} shown, {lost} lost");
    running.finish();
}

#[test]
fn a_server_that_is_not_there_is_told() {
    let free = reserved();
    let (running, address) = watch(&format!("ws://{free}/"), &["-n", "1"]);
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(!matches!(client.read(&mut [0]), Ok(1..)));
    let (code, stdout, stderr) = running.finish();
    assert!(
        code == 3 && stderr.contains("cannot reach ") && stderr.contains(": Connection refused"),
        "{code} {stderr}"
    );
    assert!(stdout.contains("1 without a server"), "{stdout}");
    for (args, why) in [
        (&["watch", "ws://127.0.0.1:1/", "--listen", "nowhere"][..], "--listen"),
        (&["watch", "http://127.0.0.1:1/"], "use ws://"),
        (&["watch", "ws://127.0.0.1:1/", "--tls-cert", "/nowhere"], "--tls-key"),
        (&["watch", "ws://127.0.0.1:1/", "--save", "/nowhere/x", "--listen", "0"], "/nowhere/x"),
        (&["watch", "ws://127.0.0.1:1/", "--listen", "0", "--", "/nowhere/command"], "/nowhere/command"),
    ] {
        let (code, _, stderr) = Running::bowsprit(args).finish();
        assert!(code == 2 && stderr.contains(why), "{args:?}: {code} {stderr}");
    }
}

#[test]
fn each_broken_rule_is_told_and_ends_in_exit_code_1() {
    let text = client_frame(RawHeader::TEXT, b"fine");
    let (code, stdout, _) = talk(&[], &text, b"\x81\x02ok");
    assert!(code == 0 && stdout.contains("no rule was broken") && !stdout.contains("\n\n"), "{stdout}");
    let unmasked: &[u8] = b"\x81\x04oops";
    for (client, server, told) in [
        (unmasked, &b""[..], "client: A client must mask every frame (RFC 6455 §5.1)."),
        (&text, b"\x81\x02\xc3\x28", "server: The text is not UTF-8 from byte 0 on (RFC 6455 §8.1)."),
        (&text, b"\x88\x02\x03\xed", "server: No endpoint may send the code 1005 (RFC 6455 §7.4)."),
    ] {
        for args in [&[][..], &["--quiet"], &["--json"], &["--only", "ping"]] {
            let (code, stdout, _) = talk(args, client, server);
            assert_eq!(code, 1, "{stdout}");
            assert!(
                stdout.contains(told.split_once(": ").unwrap().1.split(" (RFC").next().unwrap()),
                "{stdout}"
            );
            assert!(args.contains(&"--json") || stdout.contains(&format!("1 x {told}")), "{stdout}");
        }
    }
}

#[test]
fn what_is_shown_can_be_chosen() {
    let says = [
        client_frame(RawHeader::TEXT, b"apples"),
        client_frame(RawHeader::TEXT, b"pears"),
        client_frame(RawHeader::PING, b"p"),
    ]
    .concat();
    let answer = [&b"\x8a\x01p"[..], b"\x88\x02\x03\xe8"].concat();
    for (args, shown, hidden) in [
        (&["--only", "text"][..], &["apples", "pears"][..], &["Ping", "Close", "GET"][..]),
        (&["--only", "close,pong"], &["Close", "Pong"], &["apples", "Ping", "GET"]),
        (&["--grep", "pear"], &["pears"], &["apples", "Ping", "GET"]),
        (&["--quiet"], &["1 connection, 1 opened"], &["apples", "Ping", "GET"]),
        (&[], &["GET /chat", "101 Switching", "apples", "Ping", "= 1000 (normal closure)"], &[]),
    ] {
        let (_, stdout, _) = talk(args, &says, &answer);
        for word in shown {
            assert!(stdout.contains(word), "{args:?}: no {word} in {stdout}");
        }
        for word in hidden {
            assert!(!stdout.contains(word), "{args:?}: {word} in {stdout}");
        }
    }
}

/// What a client sees of an answer that is cut, reset or stalled at byte 1000, and of one that is not.
#[test]
fn a_bad_network_is_at_hand() {
    let answer = [RESPONSE.as_bytes(), &b"\x82\x7e\x10\x00"[..], &[1; 4096]].concat();
    let see = |args: &[&str]| {
        let (mut running, client, server) = between(&[args, &["--seed", "3"]].concat());
        (&client).write_all(REQUEST.as_bytes()).unwrap();
        read_exactly(&server, REQUEST.len());
        (&server).write_all(&answer).unwrap();
        let got = read_exactly(&client, if args.contains(&"1000") { 1000 } else { answer.len() });
        assert!(answer.starts_with(&got));
        // Where nothing comes, nothing comes for however long.
        client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let then = (&client).read(&mut [0]).map_err(|error| error.kind());
        drop((client, server));
        let told = io::read_to_string(running.stdout()).unwrap();
        running.finish();
        (then, told)
    };
    let (then, told) = see(&["--cut-after", "1000"]);
    assert!(then == Ok(0) && told.contains("cut here"), "{then:?} {told}");
    let (then, told) = see(&["--reset", "1000"]);
    assert!(then == Err(ErrorKind::ConnectionReset) && told.contains("reset here"), "{then:?} {told}");
    let (then, told) = see(&["--stall", "1000"]);
    assert!(then == Err(ErrorKind::WouldBlock) && told.contains("stalled here"), "{then:?} {told}");
    let (then, told) = see(&["--reset", "99", "--share", "0"]);
    assert!(then == Err(ErrorKind::WouldBlock) && !told.contains("here"), "{then:?} {told}");
}

#[test]
fn pongs_are_lost_and_closes_changed_on_the_way() {
    let (running, client, server) = between(&["--drop-pongs", "--rewrite-close", "4001"]);
    (&client).write_all(REQUEST.as_bytes()).unwrap();
    read_exactly(&server, REQUEST.len());
    (&server).write_all(RESPONSE.as_bytes()).unwrap();
    read_exactly(&client, RESPONSE.len());
    let frames = [
        client_frame(RawHeader::PONG, b"gone"),
        client_frame(RawHeader::TEXT, b"stays"),
        client_frame(RawHeader::CLOSE, b"\x03\xe8"),
    ];
    (&client).write_all(&frames.concat()).unwrap();
    let changed = client_frame(RawHeader::CLOSE, b"\x0f\xa1");
    assert_eq!(read_exactly(&server, frames[1].len() + changed.len()), [&frames[1][..], &changed].concat());
    drop((client, server));
    let (_, stdout, _) = running.finish();
    // Judged and shown is what the client has sent.
    assert!(
        stdout.contains("with faults") && stdout.contains("Pong") && stdout.contains("= 1000"),
        "{stdout}"
    );
}

/// The saved file is read again: the same frames and faults, as text, JSON and a page.
#[test]
fn what_was_saved_is_decoded() {
    let file = std::env::temp_dir().join(format!("bowsprit-watch-save-{}.jsonl", std::process::id()));
    let path = file.to_str().unwrap();
    let text = client_frame(RawHeader::TEXT, b"to be kept");
    let (_, told, _) = talk(&["--save", path], &text, b"\x81\x02\xc3\x28");
    let (code, decoded, _) = Running::bowsprit(&["decode", "--file", path]).finish();
    let frames = |text: &str| {
        let lines = text.lines().filter(|line| line.starts_with("#1  ")).map(|line| line[24..].to_owned());
        lines.collect::<Vec<_>>()
    };
    let watched = frames(&told[..told.find("#1 over").unwrap()]);
    assert_eq!(frames(&decoded), watched[..]);
    assert!(code == 1 && decoded.contains("to be kept") && decoded.contains("not UTF-8"), "{decoded}");
    let (_, json, _) = Running::bowsprit(&["decode", "--json", "--file", path]).finish();
    let lines: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["message"]["data"] == "to be kept"), "{json}");
    let (_, page, _) = Running::bowsprit(&["decode", "--html", "--file", path]).finish();
    assert!(page.contains("to be kept") && page.ends_with("</html>\n"), "{page}");
    // Only its owner may read it.
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    std::fs::remove_file(&file).unwrap();
}

/// The client's side is played again, to a server that answers it, and to one that breaks a rule.
#[test]
fn what_was_saved_is_replayed() {
    let file = std::env::temp_dir().join(format!("bowsprit-watch-replay-{}.jsonl", std::process::id()));
    let path = file.to_str().unwrap();
    let server = serve(&[]);
    let (watching, address) = watch(&server.url, &["-n", "1", "--quiet", "--save", path]);
    let url = format!("ws://{address}/");
    let (code, _, stderr) =
        Running::bowsprit(&["connect", &url, "-m", "once more", "--expect", "1"]).finish();
    assert_eq!(code, 0, "{stderr}");
    watching.finish();
    let (code, told, stderr) = Running::bowsprit(&["replay", path]).finish();
    assert!(code == 0 && told.matches("once more").count() == 2 && told.contains("= 1000"), "{told}{stderr}");
    let (code, told, _) = Running::bowsprit(&["replay", path, "--show"]).finish();
    assert!(code == 0 && told.contains(&server.url), "{told}");
    // The key of the saved request is not the one that this answer is for.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let replay = Running::bowsprit(&["replay", path, "--url", &url]);
    let (mut stream, _) = listener.accept().unwrap();
    let mut got = Vec::new();
    while !got.ends_with(b"\r\n\r\n") {
        got.extend(read_exactly(&stream, 1));
    }
    stream.write_all(RESPONSE.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let (code, told, _) = replay.finish();
    assert!(code == 1 && told.contains("§4.2.2 item 5.4"), "{told}");
    for (args, why) in [
        (&["replay", path, "--connection", "7"][..], "nothing of a client"),
        (&["replay", path, "--url", "wss://127.0.0.1:1/"], "only a server at ws://"),
    ] {
        let (code, _, stderr) = Running::bowsprit(args).finish();
        assert!(code == 2 && stderr.contains(why), "{stderr}");
    }
    std::fs::remove_file(&file).unwrap();
}

/// Wireshark reads what passed: every frame, none of them malformed, including long ones and fragments. So do we.
#[test]
fn what_passes_is_a_capture() {
    let file = std::env::temp_dir().join(format!("bowsprit-watch-capture-{}.pcapng", std::process::id()));
    let path = file.to_str().unwrap();
    let says = [
        client_frame(RawHeader::TEXT, b"to be captured"),
        client_frame(not_fin(RawHeader::TEXT), b"in two "),
        client_frame(RawHeader::CONTINUATION, b"pieces"),
        client_frame(RawHeader::BINARY, &[7; 200_000]),
        client_frame(RawHeader::CLOSE, b"\x03\xe8"),
    ]
    .concat();
    let (_, told, _) = talk(&["--pcapng", path], &says, b"\x89\x04ping\x88\x02\x03\xe8");
    let (code, decoded, stderr) = Running::bowsprit(&["decode", "--file", path]).finish();
    assert_eq!(code, 0, "{stderr}");
    let frames = |text: &str| {
        let lines = text.lines().filter(|line| line.contains(" FIN, ") || line.contains("text, "));
        lines.map(|line| line[24..].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(frames(&decoded), frames(&told));
    if Command::new("tshark").arg("--version").output().is_err() {
        return skip("tshark", "install Debian's tshark");
    }
    let run = |args: &[&str]| {
        let mut command = Command::new("tshark");
        let (code, stdout, stderr) = Running::start(command.args(["-Q", "-r", path]).args(args)).finish();
        assert_eq!(code, 0, "{stderr}");
        stdout
    };
    assert_eq!(run(&["-Y", "_ws.malformed || _ws.expert.severity >= 0x600000"]), "");
    let fields = run(&["-Y", "websocket", "-T", "fields", "-e", "websocket.opcode", "-E", "aggregator= "]);
    let mut opcodes: Vec<&str> = fields.split_whitespace().collect();
    opcodes.sort_unstable();
    assert_eq!(opcodes, ["0", "1", "1", "2", "8", "8", "9"]);
    let text = run(&["-Y", "websocket", "-T", "fields", "-e", "websocket.payload.text"]);
    assert!(text.contains("to be captured"), "{text}");
    // In the other container, as they write it, too.
    let other = format!("{path}.pcap");
    run(&["-F", "pcap", "-w", &other]);
    let (_, again, _) = Running::bowsprit(&["decode", "--file", &other]).finish();
    assert_eq!(frames(&again), frames(&told));
    for path in [path, &other] {
        std::fs::remove_file(path).unwrap();
    }
}

/// A peer's text is shown and does nothing.
#[test]
fn nothing_of_a_peer_acts_on_a_terminal() {
    for args in [&[][..], &["--json"]] {
        let (_, stdout, _) = talk(
            args,
            &client_frame(RawHeader::TEXT, b"\x1b[31m\x07\xe2\x80\xae"),
            b"\x88\x05\x03\xe8\x1b[2",
        );
        let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!stdout.contains(acts), "{stdout:?}");
    }
}

#[test]
fn a_command_runs_inside_and_its_end_is_ours() {
    let server = serve(&[]);
    let run = |command: &[&str]| {
        let args = [&["watch", "--quiet", "--listen", "127.0.0.1:0", &server.url, "--"], command].concat();
        Running::bowsprit(&args).finish()
    };
    let (code, stdout, stderr) = run(&[BOWSPRIT, "connect", "{url}", "-m", "hello"]);
    assert!(
        code == 0 && stdout.contains("1 connection, 1 opened") && stdout.contains("hello"),
        "{stdout}{stderr}"
    );
    let (code, _, stderr) = run(&["sh", "-c", "test -n \"$BOWSPRIT_WATCH_URL\" && exit 7"]);
    assert!(code == 1 && stderr.contains("exit status: 7"), "{stderr}");
}

/// The lab's report on a server is the same with and without a watch in between, and the watch sees the lab's faults.
#[test]
fn the_lab_sees_no_difference() {
    let server = serve(&[]);
    let (mut running, address) = watch(&server.url, &["--quiet"]);
    let stdout = running.stdout();
    let reader = thread::spawn(move || io::read_to_string(stdout).unwrap());
    let run = |url: &str, cases: &[String]| {
        let cases = cases.join(",");
        let chosen: &[&str] = if cases.is_empty() { &[] } else { &["--case", &cases] };
        let args = [&["test", "server", url, "--quick", "--json", "-", "--seed", "1"], chosen].concat();
        let (code, stdout, stderr) = Running::bowsprit(&args).finish_within(600);
        assert!(code == 0, "{stderr}");
        let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        let cases = report["runs"][0]["cases"].as_array().unwrap().iter();
        let field = |case: &serde_json::Value, name: &str| case[name].as_str().unwrap().to_owned();
        cases.map(|case| (field(case, "id"), field(case, "behaviour"))).collect::<Vec<_>>()
    };
    let differ = |cases: &[String]| {
        let (direct, watched) = (run(&server.url, cases), run(&format!("ws://{address}/"), cases));
        assert!(direct.len() > if cases.is_empty() { 100 } else { 0 });
        let pairs = direct.into_iter().zip(watched).filter(|(a, b)| a != b);
        pairs.inspect(|pair| println!("{pair:?}")).map(|((id, _), _)| id).collect::<Vec<_>>()
    };
    // How soon a server says that a rule is broken depends on how busy the machine is: what differs is played again.
    let mut different = differ(&[]);
    for _ in 0..5 {
        if !different.is_empty() {
            different = differ(&different);
        }
    }
    assert!(different.is_empty(), "{different:?}");
    running.signal("INT");
    let (code, ..) = running.finish();
    let told = reader.join().unwrap();
    assert_eq!(code, 1, "the lab breaks rules: {told}");
    assert!(!told.contains(" x server: "), "our server breaks none: {told}");
}

#[test]
fn tls_on_both_sides() {
    let authority = Authority::new();
    let folder = std::env::temp_dir().join(format!("bowsprit-watch-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, text: &str| {
        let path: PathBuf = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let identity = authority.issue(&["localhost"]);
    let ca = file("ca.pem", &authority.pem());
    let (cert, key) = (file("cert.pem", &identity.certificate_pem), file("key.pem", &identity.key_pem));
    let tls = ["--tls-cert", &cert, "--tls-key", &key];
    let mut serving = Running::bowsprit(&[&["serve", "--listen", "127.0.0.1:0"], &tls[..]].concat());
    let port = serving.first_line().trim_end_matches('/').rsplit(':').next().unwrap().to_owned();
    let target = format!("wss://localhost:{port}/");
    let (watching, address) = watch(&target, &[&["-n", "1", "--ca", &ca], &tls[..]].concat());
    let url = format!("wss://localhost:{}/", address.port());
    let (code, stdout, stderr) =
        Running::bowsprit(&["connect", &url, "--ca", &ca, "-m", "under cover"]).finish();
    assert!(code == 0 && stdout.contains("under cover"), "{stderr}");
    let (code, stdout, _) = watching.finish();
    assert!(
        code == 0 && stdout.contains("under cover") && stdout.contains("1000 (normal closure)"),
        "{stdout}"
    );
    // A certificate that nobody trusts, and a client that speaks no TLS.
    let (watching, address) = watch(&target, &["-n", "1"]);
    let mut client = TcpStream::connect(address).unwrap();
    assert!(!matches!(client.read(&mut [0]), Ok(1..)));
    let (code, _, stderr) = watching.finish();
    assert!(code == 3 && stderr.contains("TLS with the server"), "{stderr}");
    let (watching, address) = watch(&target, &[&["-n", "1", "--ca", &ca], &tls[..]].concat());
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(REQUEST.as_bytes()).unwrap();
    let (code, _, stderr) = watching.finish();
    assert!(code == 3 && stderr.contains("TLS with the client"), "{stderr}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn unix_sockets_on_both_sides() {
    let folder = std::env::temp_dir().join(format!("bowsprit-watch-unix-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (behind, front) = (path("server.sock"), path("watch.sock"));
    let _server = serve(&["--unix", &behind]);
    let watching = Running::bowsprit(&["watch", "--unix", &front, &format!("ws+unix:{behind}"), "--once"]);
    let url = watching.told("listening on ");
    let (code, stdout, stderr) = Running::bowsprit(&["connect", &url, "-m", "locally"]).finish();
    assert!(code == 0 && stdout.contains("locally"), "{stderr}");
    let (code, stdout, _) = watching.finish();
    assert!(code == 0 && stdout.contains("locally"), "{stdout}");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// npm `ws` and Python `websockets`: neither breaks a rule, and neither notices that somebody is in between.
#[test]
fn between_programs_that_are_not_ours() {
    let root = &workspace();
    let python = root.join("target/peers/venv/bin/python");
    if !python.exists() || !root.join("target/peers/node/node_modules/ws").exists() {
        return skip("npm ws and Python websockets", "run tests/peers/install");
    }
    let script = |name: &str| root.join("tests/peers").join(name);
    for args in [&[][..], &["--deflate"]] {
        let mut command = Command::new(&python);
        let command = command.current_dir(root).arg(script("websockets_echo_server.py")).args(args);
        let mut server = Running::start(command);
        let target = server.first_line();
        let (watching, address) = watch(&target, &["--quiet"]);
        let url = format!("ws://{address}/");
        let mut command = Command::new("node");
        let command = command.current_dir(root).arg(script("ws_client.js")).arg(&url).args(args);
        let (code, stdout, stderr) = Running::start(command).finish();
        assert!(code == 0 && stdout.contains("closed with 1000"), "{stdout}{stderr}");
        watching.signal("INT");
        let (code, stdout, _) = watching.finish();
        assert!(code == 0 && stdout.contains("no rule was broken"), "{stdout}");
    }
}
