//! `bowsprit connect` on a terminal: editing, history, commands, and what a server can do to the screen.
//!
//! Python's `pty` opens the terminal (`tests/peers/terminal.py`). Without Python the tests report that and pass, unless
//! `BOWSPRIT_REQUIRE_PEERS` is set.
#![cfg(unix)]

mod support;

#[path = "../../../tests/support/installed.rs"]
mod installed;

use std::io::Read as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use bowsprit::frame::RawHeader;
use installed::skip;
use support::command::{BOWSPRIT, Running};
use support::peer::{PATIENCE, Peer, assert_close, fake_server};
use support::{close_payload, frame, workspace};

/// Somebody at a terminal.
struct Typist {
    running: Running,
    shows: Receiver<Vec<u8>>,
    /// What the terminal has shown, and how much of it was checked.
    screen: String,
    seen: usize,
}

/// A folder that is removed with its test; it holds the history.
struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("bowsprit-terminal-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn history(&self) -> String {
        std::fs::read_to_string(self.0.join("bowsprit/history")).unwrap_or_default()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Typist {
    /// Runs `connect`, then reports its exit code and the mode in which it left the terminal.
    fn new(home: &Home, url: &str, args: &[&str]) -> Option<Self> {
        Self::with(home, url, args, |command| command.env("NO_COLOR", "1"))
    }

    fn with(
        home: &Home,
        url: &str,
        args: &[&str],
        change: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Option<Self> {
        if Command::new("python3").arg("--version").output().is_err() {
            skip("Python", "apt-get install python3");
            return None;
        }
        let script = workspace().join("tests/peers/terminal.py");
        let mut command = Command::new("python3");
        command.arg(script).args(["80", "24", "sh", "-c"]);
        command.arg(r#""$@"; echo "ended with $?"; stty -a; echo "that was all""#);
        command.args(["sh", BOWSPRIT, "connect", url]).args(args);
        command.env("XDG_STATE_HOME", &home.0).env("TERM", "xterm").env_remove("http_proxy");
        let mut running = Running::start(change(&mut command));
        let (show, shows) = mpsc::channel();
        let mut stdout = running.stdout();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(len @ 1..) = stdout.read(&mut bytes) {
                if show.send(bytes[..len].to_vec()).is_err() {
                    return;
                }
            }
        });
        Some(Self { running, shows, screen: String::new(), seen: 0 })
    }

    fn types(&mut self, keys: &str) {
        self.running.write(keys.as_bytes());
    }

    /// Waits until the terminal shows `text`, after what it was seen to show before.
    #[track_caller]
    fn sees(&mut self, text: &str) {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.screen[self.seen..].find(text) {
                self.seen += at + text.len();
                return;
            }
            let left = until.saturating_duration_since(Instant::now());
            let shown = self.shows.recv_timeout(left).unwrap_or_else(|_| {
                panic!("{text:?} is not in {:?}", &self.screen[self.seen..]);
            });
            // Nothing here is cut inside a character for long: the tests look for ASCII.
            self.screen.push_str(&String::from_utf8_lossy(&shown));
        }
    }

    /// Waits for the end, after which the terminal is as it was before.
    #[track_caller]
    fn sees_the_end(&mut self, code: i32) {
        self.sees(&format!("ended with {code}"));
        self.sees("that was all");
        let mode = self.screen.rsplit("ended with").next().unwrap();
        for flag in ["icanon", "echo", "isig", "icrnl"] {
            assert!(mode.split_ascii_whitespace().any(|word| word == flag), "no {flag}: {mode}");
        }
        let (on, off) = (self.screen.rfind("\x1b[?2004h"), self.screen.rfind("\x1b[?2004l"));
        assert!(on < off, "pasted text is still marked");
    }
}

/// Returns the next text message, or what else came.
#[track_caller]
fn text(peer: &mut Peer) -> String {
    let (header, payload) = peer.client_frame();
    assert_eq!((header.fin, header.opcode), (true, RawHeader::TEXT.opcode), "{}", payload.escape_ascii());
    String::from_utf8(payload).unwrap()
}

fn says(peer: &mut Peer, text: &str) {
    peer.write(&frame(RawHeader::TEXT, text.as_bytes()));
}

/// Answers the Close frame that has to come next.
#[track_caller]
fn closes(mut peer: Peer, code: u16) {
    let (header, payload) = peer.client_frame();
    assert_close(&(header, payload.clone()), code);
    peer.write(&frame(RawHeader::CLOSE, &payload));
}

const LEFT: &str = "\x1b[D";
const UP: &str = "\x1b[A";
const HOME: &str = "\x1b[H";
const END: &str = "\x1b[F";
const BACKSPACE: &str = "\x7f";
const CTRL_A: &str = "\x01";
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const CTRL_E: &str = "\x05";
const CTRL_R: &str = "\x12";
const CTRL_U: &str = "\x15";
const CTRL_W: &str = "\x17";
const CTRL_Y: &str = "\x19";

#[test]
fn lines_can_be_edited() {
    let home = Home::new("editing");
    let lines = [
        (format!("helo{LEFT}l{END}!"), "hello!"),
        (format!("world{HOME}hello {END}."), "hello world."),
        (format!("xyz{BACKSPACE}{BACKSPACE}{CTRL_A}w{CTRL_E}v"), "wxv"),
        (format!("one two three{CTRL_W}{CTRL_W}four"), "one four"),
        (format!("gone{CTRL_U}kept {CTRL_Y}"), "kept gone"),
        ("grüße 🌍".to_owned() + BACKSPACE + "κ", "grüße κ"),
        // What is pasted is one message, however many lines it has.
        ("\x1b[200~a\rb\x1b[201~".to_owned(), "a\nb"),
    ];
    let expected = lines.clone().map(|(_, line)| line);
    let (url, server) = fake_server(move |mut peer| {
        peer.accept_upgrade();
        for line in expected {
            assert_eq!(text(&mut peer), line);
            says(&mut peer, "next");
        }
        closes(peer, 1000);
    });
    let Some(mut typist) = Typist::new(&home, &url, &[]) else { return };
    typist.sees("> ");
    for (keys, _) in lines {
        typist.types(&(keys + "\r"));
        typist.sees("< next\r\n> "); // what is typed between two lines is edited by the terminal itself
    }
    typist.types(CTRL_D);
    typist.sees_the_end(0);
    server.join().unwrap();
}

#[test]
fn lines_are_remembered() {
    let home = Home::new("history");
    for (args, keys, expected) in [
        (
            &[][..],
            ["first\r".to_owned(), "second\r".to_owned(), format!("{UP}{UP}\r")],
            ["first", "second", "first"],
        ),
        // The next time they are still there, to be searched, too.
        (
            &[],
            [format!("{UP}\r"), format!("{CTRL_R}sec\r"), "third\r".to_owned()],
            ["first", "second", "third"],
        ),
        (
            &["--no-history"],
            [format!("{UP}fourth\r"), "fifth\r".to_owned(), format!("{UP}\r")],
            ["fourth", "fifth", "fifth"],
        ),
    ] {
        let (url, server) = fake_server(move |mut peer| {
            peer.accept_upgrade();
            for line in expected {
                assert_eq!(text(&mut peer), line);
                says(&mut peer, "next");
            }
            // The server ends it: no line is lost with that.
            peer.write(&frame(RawHeader::CLOSE, &close_payload(1000, "")));
            peer.until_gone();
        });
        let Some(mut typist) = Typist::new(&home, &url, args) else { return };
        typist.sees("> ");
        for keys in keys {
            typist.types(&keys);
            typist.sees("< next\r\n> ");
        }
        typist.sees_the_end(0);
        server.join().unwrap();
    }
    let history = home.history();
    assert!(
        history.contains("first") && history.contains("third") && !history.contains("fifth"),
        "{history}"
    );
    let mode = std::fs::metadata(home.0.join("bowsprit/history")).unwrap().permissions();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode) & 0o077,
        0,
        "what was typed is nobody else's business"
    );
}

#[test]
fn commands_send_every_kind_of_frame() {
    let home = Home::new("commands");
    std::fs::write(home.0.join("bytes"), b"\0\xfe\xff").unwrap();
    let file = home.0.join("bytes");
    let (url, server) = fake_server(|mut peer| {
        peer.accept_upgrade();
        let expected: [(bool, u8, &[u8]); 8] = [
            (true, 0x9, b"how far?"),
            (true, 0xa, b"near"),
            (true, 0x2, b"\0\xff\x7e"),
            (true, 0x2, b"\0\xfe\xff"),
            (false, 0x1, b"one "),
            (false, 0x0, b"two "),
            (true, 0x0, b"three"),
            (true, 0x1, b"/slash"),
        ];
        for expected in expected {
            let (header, payload) = peer.client_frame();
            assert_eq!((header.fin, header.opcode, &payload[..]), expected);
            if header.opcode == 0x9 {
                peer.write(&frame(RawHeader::PONG, &payload));
            }
        }
        let (header, payload) = peer.client_frame();
        assert_eq!((header.opcode, &payload[..]), (0x8, &b"\x0f\xa1see you"[..]));
        peer.write(&frame(RawHeader::CLOSE, &payload));
    });
    let Some(mut typist) = Typist::new(&home, &url, &["--verbose"]) else { return };
    typist.sees("agreed: ");
    typist.types("/ping how far?\r");
    typist.sees("> Ping \"how far?\"");
    typist.sees("< Pong \"how far?\" after ");
    typist.sees(" ms");
    typist.types("/pong near\r/binary 00 ff:7E\r");
    typist.types(&format!("/binary @{}\r", file.display()));
    typist.types("/fragment one \r/fragment two \r/end three\r//slash\r");
    // What cannot be done is told, and the session goes on.
    typist.types("/binary @/absent\r");
    typist.sees("bowsprit: cannot read /absent");
    typist.types("/close 1005\r");
    typist.sees("bowsprit: use a code that may travel");
    typist.types("/what\r");
    typist.sees("there is no command /what; see /help");
    typist.types("/help\r");
    typist.sees("/fragment TEXT ");
    typist.types("/close 4001 see you\r");
    typist.sees("> Close 4001 \"see you\"");
    typist.sees("< Close 4001 \"see you\"");
    typist.sees_the_end(0);
    server.join().unwrap();
}

/// Whatever a server says, the terminal only shows it.
#[test]
fn bytes_of_the_server_do_not_act_on_the_terminal() {
    let home = Home::new("hostile");
    let (url, server) = fake_server(|mut peer| {
        peer.accept_upgrade();
        says(&mut peer, "red \x1b[31m title \x1b]0;mine\x07 c1 \u{9b}2J bidi \u{202e}");
        says(&mut peer, "one\r\nbowsprit: two\n< three");
        peer.write(&frame(RawHeader::BINARY, b"\x1b[2J"));
        peer.write(&frame(RawHeader::PING, b"\x1b[5m\xff"));
        assert_eq!(peer.client_frame().0.opcode, 0xa);
        peer.write(&frame(RawHeader::CLOSE, &close_payload(4000, "\x1bc\u{85}")));
        peer.until_gone();
    });
    let Some(mut typist) = Typist::new(&home, &url, &["-v"]) else { return };
    typist.sees("< red \\u{1b}[31m title \\u{1b}]0;mine\\u{7} c1 \\u{9b}2J bidi \\u{202e}");
    typist.sees("< one\\r\r\n  bowsprit: two\r\n  < three\r\n");
    typist.sees("< 0x1b5b324a");
    typist.sees("< Ping \"\\u{1b}[5m\\xff\"");
    typist.sees("closed with 4000: \\u{1b}c\\u{85}");
    typist.sees_the_end(1);
    for sequence in
        ["\x1b[31m", "\x1b]0;", "\x07", "\u{9b}", "\u{202e}", "\x1b[2J", "\x1b[5m", "\x1bc", "\u{85}"]
    {
        assert!(!typist.screen.contains(sequence), "{sequence:?} in {:?}", typist.screen);
    }
    server.join().unwrap();
}

/// Messages are shown above the line that is being edited, which is not lost.
#[test]
fn messages_do_not_disturb_the_line() {
    let home = Home::new("above");
    let (url, server) = fake_server(|mut peer| {
        peer.accept_upgrade();
        assert_eq!(text(&mut peer), "go");
        says(&mut peer, "meanwhile");
        assert_eq!(text(&mut peer), "half and half");
        closes(peer, 1000);
    });
    let Some(mut typist) = Typist::new(&home, &url, &[]) else { return };
    typist.sees("> ");
    typist.types("go\rhalf");
    typist.sees("< meanwhile\r\n> half");
    typist.types(&format!(" and half\r{CTRL_D}"));
    typist.sees_the_end(0);
    server.join().unwrap();
}

/// Everything that a server sent before it closed is shown in order, followed by the meaning of the close code.
#[test]
fn the_last_words_are_shown() {
    const WORDS: usize = 300;
    let home = Home::new("last");
    let (url, server) = fake_server(|mut peer| {
        peer.accept_upgrade();
        assert_eq!(text(&mut peer), "go");
        let words: Vec<u8> =
            (0..WORDS).flat_map(|n| frame(RawHeader::TEXT, format!("word {n}.").as_bytes())).collect();
        peer.write(&[words, frame(RawHeader::CLOSE, &close_payload(1011, "tired"))].concat());
        peer.until_gone();
    });
    let Some(mut typist) = Typist::new(&home, &url, &["--close-code-exit"]) else { return };
    typist.sees("> ");
    typist.types("go\rand a line that nobody wants any more");
    for n in 0..WORDS {
        typist.sees(&format!("< word {n}.\r\n"));
    }
    typist.sees("bowsprit: the server closed with 1011: tired");
    typist.sees_the_end(111);
    server.join().unwrap();
}

/// Many lines at once, each of which comes back: neither side waits for the other forever.
#[test]
fn many_lines_at_once() {
    const LINES: usize = 1000;
    let home = Home::new("many");
    let (url, server) = fake_server(|mut peer| {
        peer.accept_upgrade();
        for n in 0..LINES {
            let line = text(&mut peer);
            assert_eq!(line, format!("line {n}"));
            says(&mut peer, &format!("echo {n}."));
        }
        closes(peer, 1000);
    });
    let Some(mut typist) = Typist::new(&home, &url, &[]) else { return };
    typist.sees("> ");
    let lines: String = (0..LINES).map(|n| format!("line {n}\r")).collect();
    let mut stdin = typist.running.child.stdin.take().unwrap();
    let typing = thread::spawn(move || {
        std::io::Write::write_all(&mut stdin, lines.as_bytes()).unwrap();
        stdin
    });
    for n in 0..LINES {
        typist.sees(&format!("< echo {n}.\r\n"));
    }
    typist.running.child.stdin = Some(typing.join().unwrap());
    typist.types(CTRL_D);
    typist.sees_the_end(0);
    server.join().unwrap();
}

#[test]
fn ctrl_c_closes_and_a_second_one_ends_at_once() {
    let home = Home::new("interrupt");
    let (url, server) = fake_server(|mut peer| {
        peer.accept_upgrade();
        closes(peer, 1001);
    });
    let Some(mut typist) = Typist::new(&home, &url, &[]) else { return };
    typist.sees("> ");
    typist.types(&format!("not sent{CTRL_C}"));
    typist.sees_the_end(0);
    server.join().unwrap();

    let (sender, closing) = mpsc::channel();
    let (url, server) = fake_server(move |mut peer| {
        peer.accept_upgrade();
        assert_close(&peer.client_frame(), 1001);
        sender.send(()).unwrap();
        peer.until_gone(); // no answer
    });
    let Some(mut typist) = Typist::new(&home, &url, &["--close-timeout", "1h"]) else { return };
    typist.sees("> ");
    typist.types(CTRL_C);
    typist.sees("> "); // the next line, which may still be typed
    closing.recv_timeout(PATIENCE).expect("the first one closes");
    typist.types(CTRL_C);
    typist.sees_the_end(130);
    server.join().unwrap();
}

/// The keys work while there is no connection.
#[test]
fn ctrl_c_ends_the_waiting_for_another_connection() {
    let home = Home::new("away");
    let (url, server) = fake_server(|mut peer| {
        peer.accept_upgrade();
        assert_eq!(text(&mut peer), "go");
    });
    let Some(mut typist) = Typist::new(&home, &url, &["--reconnect=1h", "-v"]) else { return };
    typist.sees("> ");
    typist.types("go\r");
    typist.sees("bowsprit: try 1 in 3600.0 s");
    typist.types(CTRL_C);
    typist.sees("interrupted while there was no connection");
    typist.sees_the_end(0);
    server.join().unwrap();
}

/// Lines that are typed meanwhile wait for the next connection.
#[test]
fn lines_wait_for_another_connection() {
    let home = Home::new("waiting");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let accept = |listener: &TcpListener| {
        let mut peer = Peer::of(listener.accept().unwrap().0);
        peer.accept_upgrade();
        peer
    };
    let (again, next) = mpsc::channel();
    let server = thread::spawn(move || {
        drop(accept(&listener));
        let (stream, _) = listener.accept().unwrap();
        next.recv_timeout(PATIENCE).unwrap();
        let mut peer = Peer::of(stream);
        peer.accept_upgrade();
        assert_eq!([text(&mut peer), text(&mut peer)], ["one", "two"]);
        closes(peer, 1000);
    });
    let Some(mut typist) = Typist::new(&home, &url, &["--reconnect"]) else { return };
    typist.sees("> ");
    typist.sees("bowsprit: try 1 in 0.");
    typist.types("one\r");
    typist.sees("not connected: 1 line will be sent");
    typist.types("two\r");
    typist.sees("not connected: 2 lines will be sent");
    again.send(()).unwrap();
    typist.sees("again; now sending 2 lines");
    typist.types(CTRL_D);
    typist.sees_the_end(0);
    server.join().unwrap();
}

#[test]
fn colours_tell_messages_from_talk() {
    let home = Home::new("colours");
    for (name, value, coloured) in
        [("COLORTERM", "", true), ("NO_COLOR", "1", false), ("TERM", "dumb", false)]
    {
        let (url, server) = fake_server(|mut peer| {
            peer.accept_upgrade();
            assert_eq!(text(&mut peer), "go");
            says(&mut peer, "hi");
            peer.write(&frame(RawHeader::CLOSE, &close_payload(1000, "bye")));
            peer.until_gone();
        });
        let Some(mut typist) =
            Typist::with(&home, &url, &[], |command| command.env_remove("NO_COLOR").env(name, value))
        else {
            return;
        };
        typist.types("go\r");
        typist.sees("closed with 1000: bye");
        typist.sees("ended with 0");
        typist.sees("that was all");
        server.join().unwrap();
        let message = typist.screen.contains("\x1b[1m\x1b[36m<\x1b[0m hi");
        let talk = typist.screen.contains("\x1b[2mbowsprit: ");
        assert_eq!((message, talk), (coloured, coloured), "{name}: {:?}", typist.screen);
    }
}

/// Remarks that are not printed for a script.
#[test]
fn a_person_is_told_what_happens() {
    let home = Home::new("told");
    let (url, server) = fake_server(|mut peer| {
        peer.accept_upgrade();
        let (header, payload) = peer.client_frame();
        assert_eq!((header.opcode, &payload[..]), (0x9, &b"hi"[..]));
        peer.write(&frame(RawHeader::PONG, &payload));
        peer.write(&frame(RawHeader::CLOSE, &close_payload(1000, "bye")));
        peer.until_gone();
    });
    let Some(mut typist) = Typist::new(&home, &url, &[]) else { return };
    typist.sees(&format!("bowsprit: connected to {url}; /help tells of commands"));
    typist.sees("> ");
    typist.types("/ping hi\r");
    typist.sees("bowsprit: < Pong \"hi\" after ");
    typist.sees("bowsprit: the server closed with 1000: bye");
    typist.sees_the_end(0);
    server.join().unwrap();
}

/// A terminal that cannot do more than lines.
#[test]
fn a_dumb_terminal_gets_lines() {
    let home = Home::new("dumb");
    let (url, server) = fake_server(|mut peer| {
        peer.accept_upgrade();
        says(&mut peer, "\x1b[31mred");
        assert_eq!(text(&mut peer), "plain");
        closes(peer, 1000);
    });
    if Command::new("python3").arg("--version").output().is_err() {
        return skip("Python", "apt-get install python3");
    }
    let script = workspace().join("tests/peers/terminal.py");
    let mut command = Command::new("python3");
    command.arg(script).args(["80", "24", BOWSPRIT, "connect", &url]);
    let mut running = Running::start(command.env("TERM", "dumb").env("XDG_STATE_HOME", &home.0));
    running.write(b"plain\n\x04");
    running.status();
    let (code, shown, _) = running.finish();
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("\\u{1b}[31mred") && !shown.contains('\x1b'), "{shown:?}");
    server.join().unwrap();
}
