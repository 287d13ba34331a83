//! Real engines of a backplane: redis-server and nats-server, as Debian packages them.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::installed::skip;
use super::support::peer::PATIENCE;
use super::support::port::reserved;

/// A server of an engine, which does not outlive its test.
pub(crate) struct Server {
    kind: Kind,
    pub(crate) port: u16,
    args: Vec<String>,
    child: Child,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Redis,
    Nats,
}

pub(crate) const KINDS: [Kind; 2] = [Kind::Redis, Kind::Nats];

impl Server {
    /// Returns `None` if the engine is not installed.
    pub(crate) fn start(kind: Kind, args: &[&str]) -> Option<Self> {
        let program = kind.program();
        if Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_err()
        {
            skip(program, "apt-get install redis-server nats-server");
            return None;
        }
        let port = reserved().port();
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let child = kind.spawn(port, &args);
        Some(Self { kind, port, args, child }.up())
    }

    /// Waits until the engine accepts connections, for which there is no event.
    fn up(mut self) -> Self {
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < until, "{:?} does not listen", self.kind);
            assert!(self.child.try_wait().unwrap().is_none(), "{:?} has ended", self.kind);
            thread::sleep(Duration::from_millis(5));
        }
        self
    }

    pub(crate) fn url(&self) -> String {
        let scheme = match self.kind {
            Kind::Redis => "redis",
            Kind::Nats => "nats",
        };
        format!("{scheme}://127.0.0.1:{}/test", self.port)
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn start_again(&mut self) {
        self.child = self.kind.spawn(self.port, &self.args);
    }

    /// Returns the whole answer of Redis to a command.
    pub(crate) fn redis(&self, command: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        answers.strip_suffix("+OK\r\n").expect("the answer to QUIT").to_owned()
    }
}

impl Kind {
    fn program(self) -> &'static str {
        match self {
            Self::Redis => "redis-server",
            Self::Nats => "nats-server",
        }
    }

    fn spawn(self, port: u16, args: &[String]) -> Child {
        let mut command = Command::new(self.program());
        match self {
            Self::Redis => {
                command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"])
            }
            Self::Nats => command.args(["-a", "127.0.0.1", "-p"]),
        };
        command.arg(port.to_string()).args(args).current_dir(std::env::temp_dir());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
