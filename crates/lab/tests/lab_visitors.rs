//! Bad clients, and peers that are no clients: none ends the exam, and the good one among them is examined
//! nevertheless.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use bowsprit_lab::listener::{Exam, Listener, Next, Notice};
use bowsprit_lab::{Behaviour, Options, Record, Selection, Subject};

/// Where what is waited for comes, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);
/// For who never says a word.
const SHORT: Duration = Duration::from_millis(300);

/// Examines the clients that come with these cases until `enough` were played.
fn examine(patterns: &[&str], enough: usize, clients: &[fn(SocketAddr)]) -> Vec<(String, Record)> {
    examine_with(PATIENCE, patterns, enough, clients)
}

/// Likewise, with so much patience.
fn examine_with(
    patience: Duration,
    patterns: &[&str],
    enough: usize,
    clients: &[fn(SocketAddr)],
) -> Vec<(String, Record)> {
    let patterns = patterns.iter().map(|pattern| pattern.to_string()).collect();
    let cases = Selection { patterns, ..Selection::default() }.choose(Subject::Client).unwrap();
    let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let addr = listener.addr();
    for client in clients {
        let client = *client;
        thread::spawn(move || client(addr));
    }
    let options = Options { patience: Some(patience), ..Options::default() };
    let exam = Exam { idle: Some(PATIENCE), ..Exam::new(cases, options) };
    let mut played = Vec::new();
    listener
        .run(&exam, &mut |notice| {
            if let Notice::Played(agent, record) = notice {
                played.push((agent, *record));
            }
            if played.len() >= enough { Next::End } else { Next::Listen }
        })
        .unwrap();
    played
}

/// Asks to play the first case, and reads the head of the answer.
fn upgrade(addr: SocketAddr, agent: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).unwrap();
    write!(
        stream,
        "GET /runCase?case=1&agent={agent} HTTP/1.1\r\nHost: {addr}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    .unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    stream
}

/// Echoes case 1.1.2, which is a short text, and answers the Close.
fn good(addr: SocketAddr) {
    let mut stream = upgrade(addr, "good");
    let mut frame = [0; 2];
    while stream.read_exact(&mut frame).is_ok() {
        let mut payload = vec![0; usize::from(frame[1])];
        stream.read_exact(&mut payload).unwrap();
        // The masking key is zero, which is allowed.
        let answer = [&[frame[0], 0x80 | frame[1], 0, 0, 0, 0][..], &payload].concat();
        let _ = stream.write_all(&answer);
    }
}

#[test]
fn the_good_one_is_examined_whatever_the_others_do() {
    let bad: [fn(SocketAddr); 6] = [
        // It leaves at once.
        |addr| drop(TcpStream::connect(addr)),
        // It never sends anything.
        |addr| {
            let _ = TcpStream::connect(addr).unwrap().read(&mut [0]);
        },
        // It speaks another protocol.
        |addr| {
            let mut stream = TcpStream::connect(addr).unwrap();
            let _ = stream.write_all(&[0x16, 3, 1, 0, 200]);
            let _ = stream.read(&mut [0]);
        },
        // It sends a head without end.
        |addr| {
            let mut stream = TcpStream::connect(addr).unwrap();
            let _ = stream.write_all(b"GET / HTTP/1.1\r\n");
            while stream
                .write_all(b"X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n")
                .is_ok()
            {}
        },
        // It asks for something that does not exist.
        |addr| {
            let mut stream = TcpStream::connect(addr).unwrap();
            let _ = write!(stream, "GET /runCase?case=99999999999999999999 HTTP/1.1\r\nHost: {addr}\r\n\r\n");
            let _ = stream.read(&mut [0]);
        },
        // It leaves in the middle of a page.
        |addr| {
            let mut stream = TcpStream::connect(addr).unwrap();
            let _ = stream.write_all(b"GET /getCaseCount HTTP/1.1\r\nHo");
        },
    ];
    let mut clients = bad.to_vec();
    clients.push(good);
    let played = examine(&["1.1.2"], 1, &clients);
    let (agent, record) = &played[0];
    assert_eq!(
        (agent.as_str(), record.verdict.behaviour),
        ("good", Behaviour::Ok),
        "{}",
        record.verdict.reason
    );
    assert!(record.verdict.strictly_passed(), "{}", record.verdict.close_reason);
}

/// A client that asks for a page may end its direction with the request: it is answered, and delays nobody.
#[test]
fn a_page_is_asked_for_and_nothing_else_said() {
    static ANSWER: OnceLock<TcpStream> = OnceLock::new();
    let asks: fn(SocketAddr) = |addr| {
        let mut stream = TcpStream::connect(addr).unwrap();
        write!(stream, "GET / HTTP/1.1\r\nHost: {addr}\r\n\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        ANSWER.set(stream).unwrap();
        good(addr);
    };
    let (agent, record) = examine(&["1.1.2"], 1, &[asks]).remove(0);
    assert_eq!((agent.as_str(), record.verdict.behaviour), ("good", Behaviour::Ok));
    let mut answer = String::new();
    ANSWER.get().unwrap().read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}

/// Plays one case with this client, and returns the record.
fn verdict(client: fn(SocketAddr)) -> Record {
    examine(&["1.1.2"], 1, &[client]).remove(0).1
}

#[test]
fn each_bad_one_gets_its_verdict() {
    let record = verdict(|addr| drop(upgrade(addr, "gone")));
    assert_eq!(record.verdict.behaviour, Behaviour::Failed, "it closes at once");

    let silent: fn(SocketAddr) = |addr| {
        let mut stream = upgrade(addr, "silent");
        while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
        // It never closes either; the exam does.
        let (_keep, wait) = mpsc::channel::<()>();
        let _ = wait.recv_timeout(PATIENCE);
        drop(stream);
    };
    let record = examine_with(SHORT, &["1.1.2"], 1, &[silent]).remove(0).1;
    assert_eq!(record.verdict.behaviour, Behaviour::Failed);
    assert!(record.facts.timed_out, "{}", record.verdict.reason);

    let record = verdict(|addr| {
        let mut stream = upgrade(addr, "garbage");
        let _ = stream.write_all(&[0xff; 64]);
        let _ = stream.read(&mut [0; 4096]);
    });
    assert!(record.verdict.reason.contains("RSV"), "{}", record.verdict.reason);

    let record = verdict(|addr| {
        let mut stream = upgrade(addr, "unmasked");
        let _ = stream.write_all(b"\x81\x05Hello");
        let _ = stream.read(&mut [0; 4096]);
    });
    assert!(record.verdict.reason.contains("must mask"), "{}", record.verdict.reason);

    let record = verdict(|addr| {
        let mut stream = upgrade(addr, "flood");
        let flood = [&[0x82, 0xfe, 0x40, 0x00, 0, 0, 0, 0][..], &[7; 0x4000]].concat();
        while stream.write_all(&flood).is_ok() {}
    });
    assert_eq!(record.verdict.behaviour, Behaviour::Failed, "{}", record.verdict.reason);

    // A message that grows without end, and a frame that announces as much.
    let record = verdict(|addr| {
        let mut stream = upgrade(addr, "endless");
        let mut frame = [&[0x02, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0][..], &[7; 1 << 20]].concat();
        while stream.write_all(&frame).is_ok() {
            frame[0] = 0;
        }
    });
    assert_eq!(record.verdict.behaviour, Behaviour::Failed, "{}", record.verdict.reason);
    let record = verdict(|addr| {
        let mut stream = upgrade(addr, "promise");
        let _ = stream.write_all(&[0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        let _ = stream.read(&mut [0; 4096]);
    });
    assert!(record.verdict.reason.contains("declares a frame"), "{}", record.verdict.reason);
}

/// Otherwise any site that the user of a browser visits could play cases and end the exam.
#[test]
fn foreign_pages_take_no_part() {
    let answer = |addr: SocketAddr, target: &str, host: &str, origin: &str| {
        let mut stream = TcpStream::connect(addr).unwrap();
        write!(
            stream,
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{origin}\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        .unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        String::from_utf8(status[9..].to_vec()).unwrap()
    };
    let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let listener = listener.with_policy(|policy| policy.allow_origin("https://exam.example")).unwrap();
    let addr = listener.addr();
    let asked = thread::spawn(move || {
        let here = addr.to_string();
        for target in
            ["/runCase?case=1&agent=x", "/updateReports?agent=x", "/case/1.1.1?agent=x", "/getCaseCount"]
        {
            for (host, origin, status) in [
                (here.as_str(), "Origin: https://evil.example\r\n", "403"),
                (&here, "Origin: null\r\n", "403"),
                ("evil.example", "Origin: http://evil.example\r\n", "403"),
                (&here, "Origin: http://localhost:3000\r\n", "101"),
                (&here, "Origin: https://exam.example\r\n", "101"),
                (&here, "", "101"),
            ] {
                if target.starts_with("/updateReports") && status == "101" {
                    continue; // would end the exam
                }
                assert_eq!(answer(addr, target, host, origin), status, "{target} {origin}");
            }
        }
        assert_eq!(answer(addr, "/updateReports?agent=x", &here, ""), "101");
    });
    let cases = Selection { patterns: vec!["1.1".to_owned()], ..Selection::default() };
    let options = Options { patience: Some(PATIENCE), ..Options::default() };
    let exam = Exam {
        idle: Some(Duration::from_secs(30)),
        ..Exam::new(cases.choose(Subject::Client).unwrap(), options)
    };
    let (mut refused, mut finished) = (Vec::new(), Vec::new());
    listener
        .run(&exam, &mut |notice| {
            match notice {
                Notice::Refused(origin) => refused.push(origin),
                Notice::Finished(agent) => finished.push(agent),
                _ => {}
            }
            if finished.is_empty() { Next::Listen } else { Next::End }
        })
        .unwrap();
    asked.join().unwrap();
    assert_eq!(finished, ["x"], "nobody else ends the exam");
    assert_eq!(refused.iter().filter(|origin| *origin == "https://evil.example").count(), 4);
}
