//! `bowsprit bench` as a user runs it, against servers of this process on free ports.

#[path = "../../../tests/support/port.rs"]
mod port;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use bowsprit::close::{CloseCode, CloseReason};
use bowsprit::connection::Config;
use bowsprit::event_loop::{ConnId, Context, Decision, EventLoop, Handler, Settings, To};
use bowsprit::extension::deflate::{DeflateConfig, SendContext};
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
    server_with(way, None)
}

/// Starts a server in a thread that agrees to compression with these settings.
fn server_with(way: Way, deflate: Option<DeflateConfig>) -> SocketAddr {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut config = Config::default();
        config.deflate = deflate;
        let mut settings = Settings::default();
        settings.connection = Arc::new(config);
        settings.http2 = true; // where a client begins with it
        let mut server = EventLoop::with_settings(settings).unwrap();
        tell.send(server.listen(([127, 0, 0, 1], 0).into()).unwrap()).unwrap();
        server.run(&mut Server(way)).unwrap();
    });
    told.recv_timeout(Duration::from_secs(60)).unwrap()
}

fn bench(address: SocketAddr, options: &str) -> Output {
    let connections: &[&str] = if options.contains("--connections") { &[] } else { &["--connections", "5"] };
    let length: &[&str] = match options {
        _ if options.contains("--count") => &[],
        _ if options.contains("--duration") => &["--warmup", "100ms"],
        _ => &["--warmup", "100ms", "--duration", "300ms"],
    };
    let form = if options.contains("--histogram") { &[][..] } else { &["--json"] };
    Command::new(env!("CARGO_BIN_EXE_bowsprit"))
        .arg("bench")
        .args(connections)
        .arg(format!("ws://{address}/"))
        .args(length)
        .args(form)
        .args(options.split_whitespace())
        .output()
        .unwrap()
}

fn report(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn measure(way: Way, options: &str) -> serde_json::Value {
    measure_at(server(way), options)
}

/// Where the machine is too busy for anything to happen in so short a time, it gets more.
fn measure_at(address: SocketAddr, options: &str) -> serde_json::Value {
    let is_bounded = ["--count", "--duration", "--idle"].iter().any(|option| options.contains(option));
    let mut report = measure_once(address, options);
    for longer in ["3s", "20s"] {
        if is_bounded || report["operations"].as_u64() > Some(10) {
            break;
        }
        report = measure_once(address, &format!("{options} --duration {longer}"));
    }
    report
}

fn measure_once(address: SocketAddr, options: &str) -> serde_json::Value {
    let output = bench(address, options);
    assert_eq!(output.status.code(), Some(0), "{options}: {output:?}");
    let report = report(&output);
    assert_eq!(report["format"], "bowsprit bench");
    assert_eq!(report["version"], 1);
    assert_eq!(report["errors"], serde_json::json!({}));
    report
}

/// Over HTTP/2 as over HTTP/1.1, on one connection and on several, also if a message does not fit a window.
#[test]
fn over_http2() {
    for options in [
        "--connections 40",
        "--connections 40 --streams 7 --in-flight 3",
        "--connections 3 --size 300k --sample 1",
        "--connections 20 --rate 500",
        "--connections 64 --storm",
        "--connections 20 --idle",
        "--text=cyrillic --size 1001",
        "--count 300 --in-flight 5",
    ] {
        let report = measure(Way::Echo, &format!("--http2 {options}"));
        assert!(report["operations"].as_u64().unwrap() > 0, "{options}");
        assert_eq!(report["setup"]["streams"], if options.contains("streams") { 7 } else { 100 });
    }
    let report = measure(Way::All, "--http2 --broadcast --connections 10");
    assert!(report["operations"].as_u64().unwrap() > 0);
    assert_eq!(measure(Way::Echo, "")["setup"].get("streams"), None);
    // What goes wrong is told as over HTTP/1.1.
    for (way, kind) in
        [(Way::Refuse, "handshake"), (Way::OtherPayload, "wrong payload"), (Way::Close, "closed")]
    {
        let output = bench(server(way), "--http2 --sample 1");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains(&format!("{kind}: ")), "{told}");
    }
}

/// A server that speaks HTTP/1.1 alone, and one that is gone in the middle.
#[test]
fn http2_with_a_server_that_speaks_none() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        // The first is a try whether somebody is there.
        for stream in listener.incoming().take(2) {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
            let _ = stream.shutdown(Shutdown::Write);
            let _ = std::io::copy(&mut stream, &mut std::io::sink()); // no reset overtakes that
        }
    });
    let output = bench(address, "--http2");
    server.join().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("rule of HTTP/2"), "{told}");
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
        "--text=words --size 500 --sample 1 --seed 7",
        "--text=json --size 70K --sample 1",
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
    // No sooner than that; how much later depends on the machine. Whoever comes late catches up, as a test of the pacer shows.
    let report = measure(Way::Echo, "--rate 1000 --count 300");
    assert_eq!(report["operations"], 300, "{report}");
    assert!(report["seconds"].as_f64().unwrap() >= 0.29, "{report}");
}

/// Exactly that many, whatever else is asked for.
#[test]
fn a_number_of_messages_is_sent() {
    for (way, options, operations) in [
        (Way::Echo, "--count 1", 1),
        (Way::Echo, "--count 7 --in-flight 16", 7),
        (Way::Echo, "--count 1000 --in-flight 3 --size 0", 1000),
        (Way::Echo, "--count 40 --rate 400", 40),
        (Way::All, "--count 20 --broadcast --in-flight 6", 100),
        (Way::Others, "--count 20 --broadcast=others --rate 200", 80),
        (Way::Echo, "--count 23 --storm", 23),
        (Way::Echo, "--count 3 --storm", 3),
    ] {
        let report = measure(way, options);
        assert_eq!(report["operations"], operations, "{options}: {report}");
    }
    // What is lost with its connection does not keep the others.
    let output = bench(server(Way::Close), "--count 100");
    assert_eq!((output.status.code(), &report(&output)["operations"]), (Some(1), &0.into()), "{output:?}");
    for way in [Way::Close, Way::Refuse] {
        let output = bench(server(way), "--count 100 --storm");
        assert_eq!(output.status.code(), Some(if way == Way::Close { 1 } else { 3 }), "{output:?}");
    }
}

#[test]
fn what_the_user_gives_is_sent() {
    let path = std::env::temp_dir().join(format!("bowsprit-bench-file-{}", std::process::id()));
    std::fs::write(&path, b"\xff\x00 of a file").unwrap();
    let file = path.to_str().unwrap();
    for (options, size, kind) in [
        ("--message \u{443}\u{440}\u{430}".to_owned(), 6, "text"),
        (format!("--file {file}"), 12, "binary"),
        (format!("--file {file} --deflate"), 12, "binary"),
    ] {
        let address = server_with(Way::Echo, Some(DeflateConfig::default()));
        let report = measure_at(address, &format!("--count 10 --sample 1 {options}"));
        assert_eq!((&report["setup"]["size"], &report["setup"]["kind"]), (&size.into(), &kind.into()));
    }
    let address = ([127, 0, 0, 1], 1).into();
    for options in [format!("--file {file} --text"), "--file no/such/file".to_owned()] {
        assert_eq!(bench(address, &options).status.code(), Some(2), "{options}");
    }
    std::fs::remove_file(path).unwrap();
}

#[test]
fn compressed_messages_come_back_and_are_weighed() {
    let mut config = DeflateConfig::default();
    config.threshold = 0;
    let plain = measure(Way::Echo, "--count 640 --text=json --size 1000");
    assert!(plain.get("deflate").is_none() && plain["setup"].get("deflate").is_none(), "{plain}");
    let mut sent = Vec::new();
    for context in [SendContext::Fresh, SendContext::Window] {
        config.send_context = context;
        let address = server_with(Way::Echo, Some(config));
        for (options, name) in
            [("", "both"), ("--deflate-context none", "none"), ("--deflate-level 0", "stored")]
        {
            let options = format!("--count 640 --text=json --size 1000 --sample 1 --deflate {options}");
            let deflate = measure_at(address, &options)["deflate"].clone();
            let number = |of: &str, what: &str| deflate[of][what].as_f64().unwrap();
            assert_eq!((number("sent", "messages"), number("received", "messages")), (640.0, 640.0));
            for way in ["sent", "received"] {
                let ratio = 640_000.0 / number(way, "bytes");
                assert!((number(way, "ratio") - ratio).abs() < 1e-9, "{deflate}");
            }
            let agreed = deflate["agreed"][0].as_str().unwrap();
            assert_eq!(agreed.contains("no_context_takeover"), name == "none", "{agreed}");
            let [out, back] = ["sent", "received"].map(|way| number(way, "ratio"));
            assert!(if name == "stored" { out < 1.0 } else { out > 2.0 }, "{name}: {deflate}");
            // The server keeps what it may.
            assert_eq!(back > 3.2, context == SendContext::Window && name != "none", "{name}: {deflate}");
            sent.push(out);
        }
    }
    assert!(sent[0] > 1.1 * sent[1], "a context shows: {sent:?}");
    for options in [
        "--text=words --size 300K --duration 1s --sample 1",
        "--count 50 --storm --text=json --size 2K",
        "--broadcast --text=json --size 500 --count 100 --sample 1",
        "--rate 200 --text=cyrillic --size 5000 --sample 1",
    ] {
        let way = if options.contains("broadcast") { Way::All } else { Way::Echo };
        measure_at(server_with(way, Some(config)), &format!("--deflate {options}"));
    }
    // Who does not compress is not measured.
    let output = bench(server(Way::Echo), "--deflate");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(3) && stderr.contains("agrees to no compression"), "{output:?}");
}

/// Text is for people; a terminal also gets bars, and so does anybody who asks for them.
#[test]
fn latencies_have_buckets_and_bars() {
    let report = measure(Way::Echo, "--count 200");
    let buckets = report["latency_us"]["buckets"].as_array().unwrap();
    let count: u64 = buckets.iter().map(|bucket| bucket["count"].as_u64().unwrap()).sum();
    assert_eq!(count, 200, "{report}");
    let output = bench(server(Way::Echo), "--count 200 --histogram");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\nlatencies\n") && text.contains("<= ") && text.contains("##"), "{text}");
    let address = server(Way::Echo);
    let output = Command::new(env!("CARGO_BIN_EXE_bowsprit"))
        .args(["bench", &format!("ws://{address}/"), "-c", "1", "-n", "10"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("10 in ") && !text.contains("latencies"), "{text}");
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

/// The head gives the reason; its body has no end, and is not waited for.
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
    for options in [
        "--duration 0",
        "--duration 0.5ms",
        "--rate 0",
        "--rate nan",
        "--storm --idle",
        "--rate 1 --in-flight 2",
        "--connections 0",
        "--count 0",
        "--count 5 --idle",
        "--deflate-level 1",
        "--deflate --deflate-level 10",
        "--message a --size 3",
        "--message a --file b",
    ] {
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
