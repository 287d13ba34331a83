//! `bowsprit bench` as a user runs it, against servers of this process on free ports.

#[path = "../../../tests/support/port.rs"]
mod port;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bowsprit::close::{CloseCode, CloseReason};
use bowsprit::event_loop::{ConnId, Context, Decision, EventLoop, Handler, To};
use bowsprit::handshake::{Refusal, Request};
use bowsprit::message::Message;
use port::reserved;

/// What a server does with messages, right and wrong.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Echo,
    All,
    Others,
    Longer,
    OtherKind,
    OtherPayload,
    Twice,
    Close,
    Silence,
    Refuse,
}

struct Server(Way);

impl Handler for Server {
    type Data = ();

    fn on_request(&mut self, _: &mut Context<()>, _: ConnId, _: &Request) -> Decision {
        match self.0 {
            Way::Refuse => Decision::Refuse(Refusal::new(403).unwrap()),
            _ => Decision::Accept(Default::default()),
        }
    }

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        let mut bytes = message.as_bytes().to_vec();
        match self.0 {
            Way::Echo => drop(cx.send(id, message)),
            Way::All => drop(cx.publish(To::all(), message)),
            Way::Others => drop(cx.publish(To::all().except(id), message)),
            Way::Longer => {
                bytes.push(0);
                cx.send_binary(id, &bytes);
            }
            Way::OtherKind => drop(cx.send_text(id, "0123456789abcdef")),
            Way::OtherPayload => {
                bytes[7] ^= 1;
                cx.send_binary(id, &bytes);
            }
            Way::Twice => {
                cx.send(id, message);
                cx.send(id, message);
            }
            Way::Close => drop(cx.close(id, Some(CloseReason { code: CloseCode::GOING_AWAY, reason: "" }))),
            Way::Silence | Way::Refuse => {}
        }
    }
}

/// A server in a thread that ends with the test.
fn server(way: Way) -> SocketAddr {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut server = EventLoop::new().unwrap();
        tell.send(server.listen(([127, 0, 0, 1], 0).into()).unwrap()).unwrap();
        server.run(&mut Server(way)).unwrap();
    });
    told.recv_timeout(Duration::from_secs(10)).unwrap()
}

fn bench(address: SocketAddr, options: &str) -> Output {
    let connections: &[&str] = if options.contains("--connections") { &[] } else { &["--connections", "5"] };
    Command::new(env!("CARGO_BIN_EXE_bowsprit"))
        .arg("bench")
        .args(connections)
        .arg(format!("ws://{address}/"))
        .args(if options.contains("--duration") { &[][..] } else { &["--duration", "300ms"] })
        .args(["--warmup", "100ms", "--json"])
        .args(options.split_whitespace())
        .output()
        .unwrap()
}

fn report(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn measure(way: Way, options: &str) -> serde_json::Value {
    let output = bench(server(way), options);
    assert_eq!(output.status.code(), Some(0), "{options}: {output:?}");
    let report = report(&output);
    assert_eq!(report["format"], "bowsprit bench");
    assert_eq!(report["version"], 1);
    assert_eq!(report["errors"], serde_json::json!({}));
    report
}

#[test]
fn echoes_in_every_shape() {
    for options in [
        "",
        "--size 0",
        "--in-flight 16 --sample 1",
        "--size 1000 --text --sample 1",
        "--size 1001 --text=cyrillic --in-flight 3 --sample 1",
        "--size 200K --sample 1 --in-flight 2",
        // Without optimisation, on a busy machine, a round of these takes a second.
        "--size 300K --sample 1 --text=cyrillic --duration 5s",
        "--rate 500 --sample 1",
        "--ramp-up 200ms --rate 50",
    ] {
        let report = measure(Way::Echo, options);
        assert_eq!(report["unit"], "messages");
        assert_eq!(report["opened"], 5);
        let messages = report["operations"].as_u64().unwrap();
        assert!(messages > 0, "{options}: {report}");
        assert!(report["latency_us"]["count"].as_u64().unwrap() >= messages, "{options}");
        assert!(report["latency_us"]["p50"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn a_rate_is_kept() {
    let report = measure(Way::Echo, "--rate 1000");
    // Whatever the answers did. A test machine that is busy may count the messages of a moment before or after.
    let sent = report["latency_us"]["count"].as_f64().unwrap() / report["seconds"].as_f64().unwrap();
    assert!((500.0..=1500.0).contains(&sent), "{report}");
}

#[test]
fn broadcasts_reach_all_or_all_others() {
    for (way, options) in [
        (Way::All, "--broadcast"),
        (Way::All, "--broadcast=all --in-flight 4"),
        (Way::All, "--broadcast --rate 200"),
        (Way::Others, "--broadcast=others --size 100"),
    ] {
        let report = measure(way, options);
        assert_eq!(report["unit"], "deliveries");
        let fan_outs = report["fan_out_us"]["count"].as_u64().unwrap();
        assert!(
            fan_outs > 0 && report["operations"].as_u64().unwrap() >= 4 * (fan_outs - 8).max(1),
            "{report}"
        );
    }
}

#[test]
fn storms_open_and_close() {
    let report = measure(Way::Echo, "--storm");
    assert_eq!(report["unit"], "connections");
    assert!(report["operations"].as_u64().unwrap() > 5, "{report}");
    assert!(report["opening_us"]["count"].as_u64().unwrap() > 5);
}

#[test]
fn idle_connections_are_kept_and_still_echo() {
    let report = measure(Way::Echo, "--idle --connections 50");
    assert_eq!((&report["operations"], &report["opened"]), (&50.into(), &50.into()));
    assert_eq!(report["latency_us"]["count"], 50);
}

#[test]
fn a_wrong_answer_fails_the_peer_and_is_named() {
    for (way, kind) in [
        (Way::Longer, "wrong length"),
        (Way::OtherKind, "wrong kind"),
        (Way::OtherPayload, "wrong payload"),
        (Way::Twice, "unasked"),
        (Way::Close, "closed"),
        (Way::Silence, "unanswered"),
    ] {
        let output = bench(server(way), "--size 16");
        assert_eq!(output.status.code(), Some(1), "{kind}: {output:?}");
        assert_eq!(report(&output)["errors"][kind]["count"], 5, "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(kind), "{output:?}");
    }
}

#[test]
fn no_connection_is_exit_code_3() {
    let refused = bench(server(Way::Refuse), "");
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("403"), "{refused:?}");
    assert!(refused.stdout.is_empty());
    let nobody = reserved();
    assert_eq!(bench(nobody, "").status.code(), Some(3));
}

/// The head says why; the body of it has no end, and nobody waits for one.
#[test]
fn a_refusal_without_an_end_is_told_by_its_status() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\nYou shall not pass");
            kept.push(stream);
        }
    });
    let output = bench(address, "--connect-timeout 60s");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("403 Forbidden"), "{stderr}");
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    let address = ([127, 0, 0, 1], 1).into();
    for options in ["--rate 0", "--rate nan", "--storm --idle", "--rate 1 --in-flight 2", "--connections 0"] {
        assert_eq!(bench(address, options).status.code(), Some(2), "{options}");
    }
}

/// A server that sends Pongs, or Pings whose Pongs it never reads, as fast as it can and never anything else.
#[test]
fn floods_end_with_the_run_or_before() {
    for opcode in [0x8a_u8, 0x89] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let flood = thread::spawn(move || {
            // The first one only looks which address answers.
            let (mut stream, head) = loop {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) > 0 {
                    head.push(byte[0]);
                }
                if !head.is_empty() {
                    break (stream, head);
                }
            };
            let head = String::from_utf8(head).unwrap();
            let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
            let accept = bowsprit::handshake::Key::parse(key.as_bytes()).unwrap().accept();
            write!(stream, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n").unwrap();
            let frames: Vec<u8> = [&[opcode, 125][..], &[0; 125]].concat().repeat(1000);
            while stream.write_all(&frames).is_ok() {}
        });
        let output = bench(address, "--connections 1");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(report(&output)["errors"]["unanswered"].is_object(), "{output:?}");
        flood.join().unwrap();
    }
}

#[test]
fn the_largest_numbers_are_no_trouble() {
    let address = server(Way::Echo);
    for (options, code) in [
        ("--rate 1e8", 0),
        ("--rate 1e300", 2),
        ("--rate nan", 2),
        ("--in-flight 4294967295", 2),
        ("--connections 4294967295", 2),
        ("--size 999999999G", 2),
        ("--size 2G", 2),
        ("--sample 4294967295", 0),
    ] {
        let output = bench(address, options);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("panicked"), "{options}: {said}");
        // A rate that nobody keeps up with leaves messages without an answer.
        let fits = output.status.code() == Some(code)
            || (options == "--rate 1e8" && output.status.code() == Some(1));
        assert!(fits, "{options}: {output:?}");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_run_of_any_length() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let mut child = Command::new(env!("CARGO_BIN_EXE_bowsprit"))
        .args(["bench", &url, "-c", "1", "--duration", "1e9h", "--connect-timeout", "1e9h", "--json"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The first one only looks which address answers; the handler of signals is there before the second.
    let _streams = [listener.accept().unwrap(), listener.accept().unwrap()];
    let killed = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert!(child.wait().unwrap().code().is_some(), "it ends by itself");
}

#[test]
fn two_runs_are_compared() {
    let address = server(Way::Echo);
    let directory = std::env::temp_dir().join(format!("bowsprit-bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    for name in ["a", "b"] {
        let output = bench(address, &format!("--label {name}-run"));
        std::fs::write(directory.join(name), output.stdout).unwrap();
    }
    let compare = |a: &str, b: &str| {
        Command::new(env!("CARGO_BIN_EXE_bowsprit"))
            .args(["bench", "compare"])
            .args([directory.join(a), directory.join(b)])
            .output()
            .unwrap()
    };
    let output = compare("a", "b");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        ["a-run", "b-run", "operations a second", "latency p99.9"].iter().all(|part| text.contains(part))
    );
    assert_eq!(compare("a", "none").status.code(), Some(2));
    std::fs::remove_dir_all(directory).unwrap();
}
