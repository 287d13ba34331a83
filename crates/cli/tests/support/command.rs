//! Commands that run beside a test and end with it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::peer::PATIENCE;

pub const BOWSPRIT: &str = env!("CARGO_BIN_EXE_bowsprit");

/// A running command, which ends with its test.
pub struct Running {
    pub child: Child,
    stderr: Arc<Told>,
}

/// What a command has written to stderr so far.
#[derive(Default)]
struct Told {
    /// The text, and whether it is complete.
    state: Mutex<(String, bool)>,
    changed: Condvar,
}

impl Told {
    /// Waits until `find` finds something, or the output ends.
    fn wait<T>(&self, find: impl Fn(&str, bool) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        let mut state = self.state.lock().unwrap();
        loop {
            let (text, is_all) = &*state;
            if let Some(found) = find(text, *is_all) {
                return found;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!is_all && !left.is_zero(), "not what is waited for: {text}");
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    fn gather(&self, from: impl Read) {
        let mut from = BufReader::new(from);
        loop {
            let mut line = Vec::new();
            let len = from.read_until(b'\n', &mut line).unwrap();
            let mut state = self.state.lock().unwrap();
            state.0.push_str(std::str::from_utf8(&line).unwrap());
            state.1 = len == 0;
            self.changed.notify_all();
            if len == 0 {
                return;
            }
        }
    }
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        Self::start_with(command, Stdio::piped())
    }

    /// Starts the command with another stdin.
    pub fn start_with(command: &mut Command, stdin: Stdio) -> Self {
        let mut child = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (from, stderr) = (child.stderr.take().unwrap(), Arc::new(Told::default()));
        let told = stderr.clone();
        thread::spawn(move || told.gather(from));
        Self { stderr, child }
    }

    /// Waits for a line of stderr that starts with `prefix`, and returns the rest of it.
    pub fn told(&self, prefix: &str) -> String {
        self.stderr.wait(|text, _| {
            let (_, rest) = text.split_once(prefix)?;
            Some(rest.split_once('\n')?.0.to_owned())
        })
    }

    /// Waits for the first line of stderr.
    pub fn first_line_of_stderr(&self) -> String {
        self.stderr.wait(|text, _| Some(text.split_inclusive('\n').next()?.to_owned()))
    }

    pub fn bowsprit(args: &[&str]) -> Self {
        Self::start(Command::new(BOWSPRIT).args(args))
    }

    /// Starts `connect` to `url`.
    pub fn client(url: &str, args: &[&str]) -> Self {
        Self::bowsprit(&[&["connect", url], args].concat())
    }

    pub fn stdout(&mut self) -> ChildStdout {
        self.child.stdout.take().unwrap()
    }

    /// Returns the first line of stdout; what follows it is lost.
    pub fn first_line(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.stdout()).read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.child.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    pub fn end_input(&mut self) {
        drop(self.child.stdin.take());
    }

    pub fn signal(&self, name: &str) {
        let killed = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    /// Waits for the command to end.
    pub fn status(&mut self) -> ExitStatus {
        self.status_within(PATIENCE)
    }

    fn status_within(&mut self, patience: Duration) -> ExitStatus {
        let until = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "it does not end");
            thread::sleep(Duration::from_millis(2)); // a child's end is no event that std can wait for with a limit
        }
    }

    /// Runs a command. Returns exit code, stdout, stderr.
    pub fn finish(self) -> (i32, String, String) {
        self.finish_within(PATIENCE.as_secs())
    }

    /// Runs a command that takes long. Returns exit code, stdout, stderr.
    pub fn finish_within(mut self, seconds: u64) -> (i32, String, String) {
        self.end_input();
        let stdout = self.child.stdout.take().map(drain);
        let code = self.status_within(Duration::from_secs(seconds)).code().expect("it ended by itself");
        let stdout = stdout.map(|stdout| stdout.join().unwrap()).unwrap_or_default();
        (code, stdout, self.stderr.wait(|text, is_all| is_all.then(|| text.to_owned())))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn drain(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    })
}

/// Starts `bowsprit serve` on a free port.
pub struct Server {
    pub running: Running,
    pub url: String,
    pub address: SocketAddr,
}

pub fn serve(args: &[&str]) -> Server {
    serve_by(Command::new(BOWSPRIT).args(["serve", "--listen", "127.0.0.1:0"]).args(args))
}

pub fn serve_by(command: &mut Command) -> Server {
    let mut running = Running::start(command);
    let url = running.first_line();
    let address = url.strip_prefix("ws://").and_then(|url| url.strip_suffix('/')).unwrap().parse().unwrap();
    Server { running, url, address }
}
