//! One far end: a connection, or a command with two pipes. It never blocks the loop.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};

use bowsprit::close::CloseCode;
use bowsprit::handshake::Request;
use mio::event::{Event, Source};
use mio::net::{TcpStream, UnixStream};
use mio::unix::pipe::{Receiver, Sender};
use mio::{Interest, Registry, Token};
use rustix::process::{Pid, Signal, kill_process_group};

use super::target::Target;

pub(super) struct Far {
    way: Way,
    token: Token,
    /// Bytes that wait to be written to it.
    out: VecDeque<u8>,
    readable: bool,
    writable: bool,
    /// Whether nothing more comes from it.
    read_ended: bool,
    /// Whether its input ends once nothing waits to be written.
    finishing: bool,
    /// Whether its input has ended.
    write_ended: bool,
}

enum Way {
    /// The addresses yet to be tried, and the connection that is being tried or was established.
    Tcp {
        stream: TcpStream,
        others: std::vec::IntoIter<SocketAddr>,
        is_there: bool,
    },
    Unix(UnixStream),
    Process(Process),
}

struct Process {
    child: Child,
    stdin: Option<Sender>,
    stdout: Receiver,
    status: Option<ExitStatus>,
    /// Whether it was asked to end.
    is_asked: bool,
}

/// The result of one read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReadOutcome {
    Bytes(usize),
    /// There is nothing to read now.
    Nothing,
    /// There will be nothing to read any more.
    End,
}

/// How a far end has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Connection,
    Process(ExitStatus),
}

impl End {
    /// Returns the close code and reason for the WebSocket.
    pub(super) fn close(self) -> (CloseCode, String) {
        match self {
            Self::Connection => (CloseCode::NORMAL, String::new()),
            Self::Process(status) => match (status.code(), status.signal()) {
                (Some(0), _) => (CloseCode::NORMAL, String::new()),
                (Some(code), _) => (CloseCode::INTERNAL_ERROR, format!("exit code {code}")),
                (None, Some(signal)) => (CloseCode::INTERNAL_ERROR, format!("ended by signal {signal}")),
                (None, None) => (CloseCode::INTERNAL_ERROR, String::new()),
            },
        }
    }
}

impl Far {
    /// Connects to the target or starts the command. A socket has one token, a command two: its output has `token`, its
    /// input the next one.
    pub(super) fn reach(
        target: &Target,
        request: &Request,
        peer: Option<SocketAddr>,
        subprotocol: Option<&str>,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        let both = Interest::READABLE | Interest::WRITABLE;
        let way = match target {
            Target::Tcp(_, addresses) => {
                let mut others = addresses.clone().into_iter();
                let mut stream = connect(&mut others)?;
                registry.register(&mut stream, token, both)?;
                Way::Tcp { stream, others, is_there: false }
            }
            Target::Unix(path) => {
                let mut stream = UnixStream::connect(path)?;
                registry.register(&mut stream, token, both)?;
                Way::Unix(stream)
            }
            Target::Exec(command) => {
                let mut process = Process::start(command, request, peer, subprotocol)?;
                registry.register(&mut process.stdout, token, Interest::READABLE)?;
                if let Some(stdin) = &mut process.stdin {
                    registry.register(stdin, Token(token.0 + 1), Interest::WRITABLE)?;
                }
                Way::Process(process)
            }
        };
        Ok(Self {
            way,
            token,
            out: VecDeque::new(),
            readable: false,
            writable: false,
            read_ended: false,
            finishing: false,
            write_ended: false,
        })
    }

    /// Returns whether it is reached.
    pub(super) const fn is_there(&self) -> bool {
        match &self.way {
            Way::Tcp { is_there, .. } => *is_there,
            Way::Unix(_) | Way::Process(_) => true,
        }
    }

    /// Returns whether it is reached now, and tries the next address if one failed.
    ///
    /// # Errors
    ///
    /// Returns why the last address was not reached.
    pub(super) fn connected(&mut self, registry: &Registry) -> io::Result<bool> {
        let Way::Tcp { stream, others, is_there } = &mut self.way else { return Ok(true) };
        if *is_there || !self.writable {
            return Ok(*is_there);
        }
        let error = match (stream.take_error(), stream.peer_addr()) {
            (Ok(None), Ok(_)) => {
                *is_there = true;
                let _ = stream.set_nodelay(true); // one that is gone tells at the first read
                return Ok(true);
            }
            (Ok(None), Err(error)) if error.kind() == ErrorKind::NotConnected => return Ok(false),
            (Ok(Some(error)) | Err(error), _) | (_, Err(error)) => error,
        };
        if others.len() == 0 {
            return Err(error);
        }
        registry.deregister(stream)?;
        *stream = connect(others)?;
        (self.readable, self.writable) = (false, false);
        registry.register(stream, self.token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(false)
    }

    /// Handles an event of one of its tokens.
    pub(super) fn note(&mut self, event: &Event) {
        self.readable |= event.is_readable() || event.is_read_closed();
        self.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> ReadOutcome {
        if self.read_ended {
            return ReadOutcome::End;
        }
        // The last output of a command that has ended is there, possibly without an event.
        if !self.readable && self.status().is_none() {
            return ReadOutcome::Nothing;
        }
        let read = match &mut self.way {
            Way::Tcp { stream, .. } => stream.read(buffer),
            Way::Unix(stream) => stream.read(buffer),
            Way::Process(process) => process.stdout.read(buffer),
        };
        match read {
            Ok(0) => self.read_ended = true,
            Ok(len) => return ReadOutcome::Bytes(len),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = false;
                // After the command has ended, somebody else holds the pipe.
                self.read_ended = self.status().is_some();
            }
            Err(_) => self.read_ended = true,
        }
        if self.read_ended { ReadOutcome::End } else { ReadOutcome::Nothing }
    }

    /// Discards what it still sends.
    pub(super) const fn stop_reading(&mut self) {
        self.read_ended = true;
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        if !self.finishing && !self.write_ended {
            self.out.extend(bytes);
        }
    }

    /// Returns how many bytes wait to be written to it.
    pub(super) fn waiting(&self) -> usize {
        self.out.len()
    }

    /// Ends its input after the waiting bytes.
    pub(super) const fn finish(&mut self) {
        self.finishing = true;
    }

    /// Writes as much as it accepts.
    pub(super) fn flush(&mut self, registry: &Registry) {
        while !self.out.is_empty() && self.writable && !self.write_ended {
            let (front, _) = self.out.as_slices();
            let written = match &mut self.way {
                Way::Tcp { stream, .. } => stream.write(front),
                Way::Unix(stream) => stream.write(front),
                Way::Process(Process { stdin: Some(stdin), .. }) => stdin.write(front),
                Way::Process(_) => Ok(0),
            };
            match written {
                Ok(written @ 1..) => drop(self.out.drain(..written)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                // It accepts nothing more, but its output is still of interest.
                Ok(0) | Err(_) => self.end_writing(registry),
            }
        }
        if self.finishing && self.out.is_empty() {
            self.end_writing(registry);
        }
    }

    fn end_writing(&mut self, registry: &Registry) {
        self.out = VecDeque::new();
        if std::mem::replace(&mut self.write_ended, true) {
            return;
        }
        // Each of these fails if it is gone already, which the next read reports.
        match &mut self.way {
            Way::Tcp { stream, .. } => drop(stream.shutdown(Shutdown::Write)),
            Way::Unix(stream) => drop(stream.shutdown(Shutdown::Write)),
            Way::Process(process) => {
                if let Some(mut stdin) = process.stdin.take() {
                    let _ = registry.deregister(&mut stdin);
                }
            }
        }
    }

    fn status(&self) -> Option<ExitStatus> {
        match &self.way {
            Way::Process(process) => process.status,
            _ => None,
        }
    }

    /// Returns whether it is a command that has just ended.
    pub(super) fn reap(&mut self) -> bool {
        let Way::Process(process) = &mut self.way else { return false };
        if process.status.is_none() {
            process.status = process.child.try_wait().ok().flatten();
            return process.status.is_some();
        }
        false
    }

    /// Returns how it has ended, once all its output was read.
    pub(super) fn end(&self) -> Option<End> {
        match &self.way {
            _ if !self.read_ended => None,
            Way::Tcp { .. } | Way::Unix(_) => Some(End::Connection),
            // A command that has closed its output may still read.
            Way::Process(process) => process.status.map(End::Process),
        }
    }

    /// Ends it, because nobody reads its output any more. A command is asked to end first; returns whether it gets some
    /// time for that.
    pub(super) fn end_now(&mut self) -> bool {
        match &mut self.way {
            Way::Process(process) if process.status.is_none() && !process.is_asked => {
                process.is_asked = true;
                process.signal(Signal::TERM);
                true
            }
            _ => false,
        }
    }

    pub(super) fn drop_from(mut self, registry: &Registry) {
        let source: &mut dyn Source = match &mut self.way {
            Way::Tcp { stream, .. } => stream,
            Way::Unix(stream) => stream,
            Way::Process(process) => &mut process.stdout,
        };
        let _ = registry.deregister(source); // dropping it ends it in any case
        self.end_writing(registry);
    }
}

fn connect(addresses: &mut impl Iterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut last = io::Error::from(ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpStream::connect(address) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Process {
    /// Starts a shell command, with the request's variables of CGI (RFC 3875 §4.1) in its environment.
    fn start(
        command: &str,
        request: &Request,
        peer: Option<SocketAddr>,
        subprotocol: Option<&str>,
    ) -> io::Result<Self> {
        let mut shell = Command::new("/bin/sh");
        // It gets its own process group: what it starts ends with it, and Ctrl-C goes to the server, which ends it.
        shell.arg("-c").arg(command).process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let resource = request.resource();
        let (path, query) = resource.split_once('?').unwrap_or((resource, ""));
        shell.envs([
            ("GATEWAY_INTERFACE", "CGI/1.1"),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("REQUEST_METHOD", "GET"),
            ("REQUEST_URI", resource),
            ("PATH_INFO", path),
            ("QUERY_STRING", query),
            ("HTTP_HOST", request.host()),
            ("SEC_WEBSOCKET_PROTOCOL", subprotocol.unwrap_or_default()),
        ]);
        if let Some(client) = request.client_addr() {
            shell.env("REMOTE_ADDR", client.to_string());
        }
        if let Some(peer) = peer {
            shell.env("REMOTE_PORT", peer.port().to_string());
        }
        for (name, variable) in
            [("origin", "HTTP_ORIGIN"), ("user-agent", "HTTP_USER_AGENT"), ("cookie", "HTTP_COOKIE")]
        {
            match request.header(name) {
                Some(value) => shell.env(variable, OsStr::from_bytes(value)),
                None => shell.env_remove(variable),
            };
        }
        let mut child = shell.spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (stdin, stdout) = pipes.ok_or_else(|| io::Error::other("a command without pipes"))?;
        let (stdin, stdout) = (Sender::from(stdin), Receiver::from(stdout));
        stdin.set_nonblocking(true)?;
        stdout.set_nonblocking(true)?;
        Ok(Self { child, stdin: Some(stdin), stdout, status: None, is_asked: false })
    }

    /// Sends a signal to it and everything that it has started.
    fn signal(&self, signal: Signal) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, signal); // it may be gone
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.status.is_none() {
            self.signal(Signal::KILL);
            let _ = self.child.wait(); // no zombie is left; what is killed ends at once
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_as_far_as_a_websocket_can() {
        let close = |raw| End::Process(ExitStatus::from_raw(raw)).close();
        assert_eq!(close(0), (CloseCode::NORMAL, String::new()));
        assert_eq!(close(3 << 8), (CloseCode::INTERNAL_ERROR, "exit code 3".to_owned()));
        assert_eq!(close(9), (CloseCode::INTERNAL_ERROR, "ended by signal 9".to_owned()));
        assert_eq!(End::Connection.close(), (CloseCode::NORMAL, String::new()));
    }
}
