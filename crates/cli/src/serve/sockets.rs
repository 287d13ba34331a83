//! The sockets that the server listens on: addresses, paths, inherited sockets; with or without TLS.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::net::SocketAddr;

use bowsprit::event_loop::{Engine, ListenSocket, Loops};
use bowsprit::tls::TlsServer;

use super::args::Args;
#[cfg(unix)]
use super::own_path::OwnPath;
use super::visit::Visit;
use crate::output::say;

impl Args {
    /// Returns whether only this machine can reach the server.
    pub(super) fn is_loopback(&self) -> bool {
        #[cfg(unix)]
        if self.systemd {
            return false; // nobody knows
        }
        self.listen.ip().to_canonical().is_loopback()
    }
}

/// One loop, or several that form one server.
pub(super) trait Listening {
    fn listen(&mut self, address: SocketAddr, tls: Option<&TlsServer>) -> io::Result<SocketAddr>;
    fn listen_on(&mut self, socket: ListenSocket, tls: Option<&TlsServer>) -> io::Result<()>;
}

impl Listening for Engine<Visit> {
    fn listen(&mut self, address: SocketAddr, tls: Option<&TlsServer>) -> io::Result<SocketAddr> {
        match tls {
            None => Engine::listen(self, address),
            Some(tls) => self.listen_tls(address, tls.clone()),
        }
    }

    fn listen_on(&mut self, socket: ListenSocket, tls: Option<&TlsServer>) -> io::Result<()> {
        match tls {
            None => Engine::listen_on(self, socket),
            Some(tls) => self.listen_tls_on(socket, tls.clone()),
        }
    }
}

impl Listening for Loops<Visit> {
    fn listen(&mut self, address: SocketAddr, tls: Option<&TlsServer>) -> io::Result<SocketAddr> {
        match tls {
            None => Loops::listen(self, address),
            Some(tls) => self.listen_tls(address, tls),
        }
    }

    fn listen_on(&mut self, socket: ListenSocket, tls: Option<&TlsServer>) -> io::Result<()> {
        match tls {
            None => Loops::listen_on(self, socket),
            Some(tls) => self.listen_tls_on(socket, tls),
        }
    }
}

/// What has to be removed at the end.
#[cfg(unix)]
pub(super) type Own = OwnPath;
#[cfg(not(unix))]
pub(super) type Own = ();

/// Listens wherever the command line says, and prints where: the first URL on stdout, others on stderr.
///
/// # Errors
///
/// Returns why that is not possible.
pub(super) fn listen(
    on: &mut impl Listening,
    args: &Args,
    tls: Option<&TlsServer>,
) -> Result<Option<Own>, String> {
    let mut urls = Vec::new();
    let scheme = if tls.is_some() { "wss" } else { "ws" };
    #[cfg(unix)]
    let passed = if args.systemd { passed()? } else { Vec::new() };
    #[cfg(not(unix))]
    let passed = Vec::<ListenSocket>::new();
    for socket in passed {
        let cannot = |error| format!("cannot listen on a socket that was passed: {error}");
        match socket.local_addr() {
            Some(address) => {
                urls.push(format!("{scheme}://{address}/"));
                on.listen_on(socket, tls).map_err(cannot)?;
            }
            None => {
                urls.push(path_url(&socket));
                on.listen_on(socket, None).map_err(cannot)?;
            }
        }
    }
    if urls.is_empty() {
        let address = args.listen;
        let taken = on.listen(address, tls).map_err(|error| cannot(&address, "--listen", &error))?;
        urls.push(format!("{scheme}://{taken}/"));
    }
    #[cfg(not(unix))]
    let own = None;
    #[cfg(unix)]
    let own = match &args.unix {
        Some(path) => {
            let cannot = |error| cannot(&path.display(), "--unix", &error);
            let (socket, taken) = OwnPath::listen(path).map_err(cannot)?;
            on.listen_on(socket, None).map_err(cannot)?;
            urls.push(path.display().to_string());
            Some(taken)
        }
        None => None,
    };
    let mut urls = urls.iter();
    if let Some(url) = urls.next() {
        // Flushed at once, even to a pipe. A caller that does not read it knows the address already.
        let mut stdout = io::stdout().lock();
        let _ = writeln!(stdout, "{url}").and_then(|()| stdout.flush());
    }
    for url in urls {
        say(format_args!("listening on {url}"));
    }
    Ok(own)
}

pub(crate) fn cannot(what: &dyn Display, flag: &str, error: &io::Error) -> String {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => format!("; choose another one with {flag}"),
        io::ErrorKind::PermissionDenied => "; ports below 1024 may need a permission".to_owned(),
        _ => String::new(),
    };
    format!("cannot listen on {what}: {error}{hint}")
}

/// Returns the sockets that a supervisor has opened for us (sd_listen_fds(3)).
#[cfg(unix)]
fn passed() -> Result<Vec<ListenSocket>, String> {
    let mut fds = listenfd::ListenFd::from_env();
    if fds.len() == 0 {
        return Err(
            "--systemd: no socket was passed (LISTEN_FDS and LISTEN_PID say none for this process)".into()
        );
    }
    (0..fds.len()).map(|number| take(&mut fds, number).map_err(|why| format!("--systemd: {why}"))).collect()
}

#[cfg(unix)]
fn take(fds: &mut listenfd::ListenFd, number: usize) -> Result<ListenSocket, String> {
    let wrong = |error: io::Error| format!("socket {number} is of no use here: {error}");
    let tcp = fds.take_tcp_listener(number).ok().flatten().map(ListenSocket::try_from);
    let socket = match tcp {
        Some(socket) => socket.map_err(wrong)?,
        None => match fds.take_unix_listener(number).map_err(wrong)?.map(ListenSocket::try_from) {
            Some(socket) => socket.map_err(wrong)?,
            None => return Err(format!("socket {number} is gone")),
        },
    };
    if listens(&socket).map_err(wrong)? {
        Ok(socket)
    } else {
        Err(format!("socket {number} does not listen; a unit of systemd has to say Accept=no"))
    }
}

#[cfg(target_os = "linux")]
fn listens(socket: &ListenSocket) -> io::Result<bool> {
    use socket2::SockRef;
    match socket {
        ListenSocket::Tcp(socket) => SockRef::from(socket).is_listener(),
        ListenSocket::Unix(socket) => SockRef::from(socket).is_listener(),
        _ => Ok(true),
    }
}

/// On other systems, accepting reports it.
#[cfg(all(unix, not(target_os = "linux")))]
fn listens(_: &ListenSocket) -> io::Result<bool> {
    Ok(true)
}

/// Returns a name for a socket that is not TCP.
fn path_url(socket: &ListenSocket) -> String {
    match socket {
        #[cfg(unix)]
        ListenSocket::Unix(socket) => match socket.local_addr() {
            Ok(address) => match address.as_pathname() {
                Some(path) => path.display().to_string(),
                None => "a Unix socket without a path".to_owned(),
            },
            Err(error) => format!("a Unix socket ({error})"),
        },
        other => format!("{other:?}"),
    }
}
