//! Clients and servers of other projects: npm `ws`, Node's `http2`, Python `websockets`, Tornado and `h2`, curl.
//!
//! `tests/peers/install` installs all but the last. A test whose peer is missing reports that and passes, unless
//! `BOWSPRIT_REQUIRE_PEERS` is set.

#![cfg(unix)]

#[path = "../../../tests/support/certificates.rs"]
mod certificates;
mod support;

#[path = "../../../tests/support/installed.rs"]
mod installed;

use std::io::Read as _;
use std::path::Path;
use std::process::Command;
use std::thread;

use certificates::Authority;
use installed::skip;
use support::command::{Running, serve};
use support::workspace;

/// A program that interprets the scripts in `tests/peers`, if what they need is installed.
#[derive(Clone, Copy)]
struct Interpreter {
    name: &'static str,
    program: &'static str,
    /// There where it is installed.
    proof: &'static str,
}

const NODE: Interpreter =
    Interpreter { name: "npm ws", program: "node", proof: "target/peers/node/node_modules/ws" };
const PYTHON: Interpreter = Interpreter {
    name: "Python websockets",
    program: "target/peers/venv/bin/python",
    proof: "target/peers/venv/bin/python",
};

const TORNADO: Interpreter = Interpreter {
    name: "Python Tornado",
    program: "target/peers/venv/bin/python",
    proof: "target/peers/venv/bin/python",
};

const H2: Interpreter = Interpreter {
    name: "Python h2",
    program: "target/peers/venv/bin/python",
    proof: "target/peers/venv/bin/python",
};

impl Interpreter {
    fn command(self, script: &str, args: &[&str]) -> Option<Command> {
        let root = &workspace();
        if !root.join(self.proof).exists() {
            skip(self.name, "run tests/peers/install");
            return None;
        }
        let mut command = Command::new(self.program);
        command.current_dir(root).arg(root.join("tests/peers").join(script)).args(args);
        Some(command)
    }
}

/// Settings of ours for compression in every way.
const COMPRESSED: [&[&str]; 4] = [
    &[],
    &["--deflate-threshold", "0", "--deflate-send-context", "window", "--deflate-receive-context", "window"],
    &["--deflate-threshold", "0", "--deflate-send-context", "compressor", "--deflate-send-window", "10"],
    &["--deflate-threshold", "0", "--deflate-send-window", "8", "--deflate-receive-window", "9"],
];

/// The peer's client checks each answer itself, and that compression was agreed.
fn our_server_serves(interpreter: Interpreter, script: &str) {
    let plain = (&[][..], &[][..]);
    for (ours, theirs) in [plain].into_iter().chain(COMPRESSED.map(|ours| (ours, &["--deflate"][..]))) {
        let server = serve(ours);
        let args = [&[&server.url[..]], theirs].concat();
        let Some(mut command) = interpreter.command(script, &args) else { return };
        let (code, stdout, stderr) = Running::start(&mut command).finish();
        assert_eq!(code, 0, "{ours:?}: {stderr}");
        assert!(stdout.contains("closed with 1000"), "{stdout}");
    }
}

fn our_client_is_served(interpreter: Interpreter, script: &str) {
    let sizes = [0, 1, 125, 126, 127, 65_535, 65_536, 300_000];
    let lines = sizes.map(|size| "κόσμε 🌍 ".repeat(size / 16) + "\n").concat();
    let bytes: Vec<u8> = (0..2_000_000_u32).map(|i| (i * 31 + (i >> 9)) as u8).collect();

    let Some(mut command) = interpreter.command(script, &[]) else { return };
    let mut server = Running::start(&mut command);
    let url = server.first_line();
    comes_back(&url, &[], lines.as_bytes());
    comes_back(&url, &["--binary"], &bytes);

    let Some(mut command) = interpreter.command(script, &["--deflate"]) else { return };
    let mut server = Running::start(&mut command);
    let url = server.first_line();
    for ours in COMPRESSED {
        comes_back(&url, ours, lines.as_bytes());
        comes_back(&url, &[&["--binary"], ours].concat(), &bytes);
    }
    let told = Running::bowsprit(&["connect", &url, "--verbose"]).finish().2;
    assert!(told.contains("agreed: permessage-deflate"), "{told}");
}

fn comes_back(url: &str, args: &[&str], bytes: &[u8]) {
    // What is waited for comes, however busy the machine is.
    let mut client = Running::bowsprit(&[&["connect", url, "--wait", "60s"], args].concat());
    let mut stdout = client.stdout();
    let reader = thread::spawn(move || {
        let mut echo = Vec::new();
        stdout.read_to_end(&mut echo).map(|_| echo)
    });
    client.write(bytes);
    let (code, _, stderr) = client.finish();
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(reader.join().unwrap().unwrap() == bytes);
}

#[test]
fn npm_ws_is_served() {
    our_server_serves(NODE, "ws_client.js");
}

#[test]
fn npm_ws_serves() {
    our_client_is_served(NODE, "ws_echo_server.js");
}

#[test]
fn python_websockets_is_served() {
    our_server_serves(PYTHON, "websockets_client.py");
}

#[test]
fn python_websockets_serves() {
    our_client_is_served(PYTHON, "websockets_echo_server.py");
}

/// Its client rejects an answer with parameters that it did not ask for.
#[test]
fn tornado_is_served() {
    our_server_serves(TORNADO, "tornado_client.py");
}

/// It ignores all parameters but windows, and accepts nevertheless.
#[test]
fn tornado_serves() {
    let Some(mut command) = TORNADO.command("tornado_echo_server.py", &["--deflate"]) else { return };
    let mut server = Running::start(&mut command);
    let url = server.first_line();
    let lines = [1, 125, 65_536, 300_000].map(|size| "κόσμε 🌍 ".repeat(size / 16) + "\n").concat();
    comes_back(&url, &[], lines.as_bytes());
    let told = Running::bowsprit(&["connect", &url, "--verbose"]).finish().2;
    assert!(told.contains("agreed: permessage-deflate\n"), "{told}");
    // Whoever asks for it all the same is told what asked.
    let (code, _, told) =
        Running::bowsprit(&["connect", &url, "--deflate-receive-context", "fresh"]).finish();
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("--deflate-receive-context asked for that"), "{told}");
}

/// It drops what it has not answered when it sees our Close frame.
#[test]
fn python_websockets_has_the_time_to_answer() {
    for (args, greeting) in [(&["0"][..], ""), (&["0.1"], ""), (&["0.1", "hello"], "hello\n")] {
        let Some(mut command) = PYTHON.command("websockets_asyncio_server.py", args) else { return };
        let mut server = Running::start(&mut command);
        let url = server.first_line();
        let mut client = Running::client(&url, &[]);
        client.write(b"one\ntwo\n");
        assert_eq!(client.finish(), (0, format!("{greeting}one\ntwo\n"), String::new()), "{args:?}");
        let answer = Running::client(&url, &["-m", "q"]).finish();
        assert_eq!(answer, (0, format!("{greeting}q\n"), String::new()), "{args:?}");
    }
}

/// A raw peer of HTTP/2, in the clear and under TLS: two WebSockets and a page on one connection.
fn raw_peer_of_http2(interpreter: Interpreter, script: &str) {
    let authority = Authority::new();
    let identity = authority.issue(&["localhost"]);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(script);
    std::fs::create_dir_all(&folder).unwrap();
    let [ca, chain, key] =
        ["ca.pem", "chain.pem", "key.pem"].map(|name| folder.join(name).to_str().unwrap().to_owned());
    std::fs::write(&ca, authority.pem()).unwrap();
    std::fs::write(&chain, &identity.certificate_pem).unwrap();
    std::fs::write(&key, &identity.key_pem).unwrap();
    let tls = ["--tls-cert", &chain, "--tls-key", &key];
    for (ours, certificate) in [(&["--http2"][..], None), (&tls[..], Some(&*ca))] {
        let mut server = Running::bowsprit(&[&["serve", "--listen", "127.0.0.1:0"], ours].concat());
        let url = server.first_line();
        let port = url.rsplit(':').next().unwrap().trim_end_matches('/');
        let args: Vec<&str> = [port].into_iter().chain(certificate).collect();
        let Some(mut command) = interpreter.command(script, &args) else { return };
        let (code, stdout, stderr) = Running::start(&mut command).finish();
        assert_eq!((code, &*stdout), (0, "closed with 1000\n"), "{ours:?}: {stderr}");
    }
}

#[test]
fn python_h2() {
    raw_peer_of_http2(H2, "h2_client.py");
}

#[test]
fn node_http2() {
    raw_peer_of_http2(NODE, "http2_client.js");
}

#[test]
fn curl_gets_the_page() {
    if Command::new("curl").arg("--version").output().is_err() {
        return skip("curl", "install it by hand");
    }
    let server = serve(&[]);
    let url = server.url.replace("ws://", "http://");
    let curl = |args: &[&str]| {
        let output = Command::new("curl").args(["--silent", "--noproxy", "*"]).args(args).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(curl(&[&url]).contains("<title>bowsprit</title>"));
    for (args, status) in [
        (&[&url[..]][..], "200"),
        (&["--head", &url], "200"),
        (&["--http1.0", &url], "200"),
        (&["--data", "a=b", &url], "405"),
        (&[&format!("{url}chat")], "426"),
        (&["--header", "Host: evil.example", &url], "421"),
    ] {
        let code = curl(&[&["--output", "/dev/null", "--write-out", "%{http_code}"], args].concat());
        assert_eq!(code, status, "{args:?}");
    }
    // Over HTTP/2 as well, which it begins with where it is told that the server speaks it.
    let server = serve(&["--http2"]);
    let url = server.url.replace("ws://", "http://");
    let told = curl(&["--http2-prior-knowledge", "--write-out", "%{http_version} %{http_code}", &url]);
    assert!(told.contains("<title>bowsprit</title>") && told.ends_with("2 200"), "{told}");
}
