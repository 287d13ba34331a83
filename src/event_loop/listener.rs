//! Listening sockets, and accepting from them. A failed accept never ends the server.

use std::io;
use std::net::{IpAddr, SocketAddr};
#[cfg(unix)]
use std::path::Path;
use std::time::{Duration, Instant};

use mio::event::Source;
use mio::net::TcpListener;
#[cfg(unix)]
use mio::net::UnixListener;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::settings::Settings;
use super::transport::Transport;
#[cfg(feature = "tls")]
use crate::tls::TlsServer;

/// A socket that listens, of any kind that an engine can accept from.
#[derive(Debug)]
#[non_exhaustive]
pub enum ListenSocket {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix-domain socket. Its path remains when the socket is gone.
    #[cfg(unix)]
    Unix(UnixListener),
}

impl ListenSocket {
    /// Listens on a TCP address, with the options of these settings. Port 0 takes a free port.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn tcp(address: SocketAddr, settings: &Settings) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // On Unix this only means not waiting for the last connections of an earlier server (TIME_WAIT).
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        #[cfg(unix)]
        if settings.reuse_port {
            socket.set_reuse_port(true)?;
        }
        // Accepted connections inherit what follows. (A large window can only be agreed on while they open.)
        socket.set_tcp_nodelay(settings.nodelay)?;
        if let Some(bytes) = settings.socket_receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(bytes) = settings.socket_send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(wait) = settings.defer_accept {
            // If a sandbox does not know the option, connections come at once.
            let _ = defer_accept(&socket, wait);
        }
        socket.bind(&address.into())?;
        socket.listen(settings.backlog)?;
        socket.set_nonblocking(true)?;
        Ok(ListenSocket::Tcp(TcpListener::from_std(socket.into())))
    }

    /// Listens on a path in the file system, which must not exist. Everyone with write access to it may connect.
    ///
    /// # Errors
    ///
    /// The system's error.
    #[cfg(unix)]
    pub fn unix(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(ListenSocket::Unix(UnixListener::bind(path)?))
    }

    /// Returns another handle of the same socket, for another loop: the faster one accepts.
    ///
    /// # Errors
    ///
    /// If there is no descriptor left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            ListenSocket::Tcp(socket) => {
                ListenSocket::Tcp(TcpListener::from_std(SockRef::from(socket).try_clone()?.into()))
            }
            #[cfg(unix)]
            ListenSocket::Unix(socket) => {
                let socket = SockRef::from(socket).try_clone()?;
                ListenSocket::Unix(UnixListener::from_std(std::os::fd::OwnedFd::from(socket).into()))
            }
        })
    }

    /// Returns the address, if it is TCP.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            ListenSocket::Tcp(socket) => socket.local_addr().ok(),
            #[cfg(unix)]
            ListenSocket::Unix(_) => None,
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            ListenSocket::Tcp(socket) => socket,
            #[cfg(unix)]
            ListenSocket::Unix(socket) => socket,
        }
    }
}

/// Has the system hold back a connection until its first bytes arrive, or for `wait`.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn defer_accept(socket: &Socket, wait: Duration) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;

    let seconds = libc::c_int::try_from(wait.as_secs().max(1)).unwrap_or(libc::c_int::MAX);
    #[allow(unsafe_code)]
    // SAFETY: the option is a `c_int`, which `seconds` is while the call lasts. The safe call for it is unstable in `std`
    // (rust-lang/rust#119639), and `socket2` and `rustix` have none.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_DEFER_ACCEPT,
            (&raw const seconds).cast(),
            size_of_val(&seconds) as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

impl From<TcpListener> for ListenSocket {
    fn from(socket: TcpListener) -> Self {
        ListenSocket::Tcp(socket)
    }
}

impl TryFrom<std::net::TcpListener> for ListenSocket {
    type Error = io::Error;

    fn try_from(socket: std::net::TcpListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(ListenSocket::Tcp(TcpListener::from_std(socket)))
    }
}

#[cfg(unix)]
impl From<UnixListener> for ListenSocket {
    fn from(socket: UnixListener) -> Self {
        ListenSocket::Unix(socket)
    }
}

#[cfg(unix)]
impl TryFrom<std::os::unix::net::UnixListener> for ListenSocket {
    type Error = io::Error;

    fn try_from(socket: std::os::unix::net::UnixListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(ListenSocket::Unix(UnixListener::from_std(socket)))
    }
}

/// A listening socket and its state in the loop.
#[derive(Debug)]
pub(super) struct Listener {
    socket: ListenSocket,
    /// Set if connections speak TLS.
    #[cfg(feature = "tls")]
    pub(super) tls: Option<TlsServer>,
    /// Whether there may be a connection to accept.
    pub(super) ready: bool,
    /// When to accept again, after the system had no descriptor or memory left, or to keep to the rate.
    pub(super) paused_until: Option<Instant>,
    /// Whether accepted connections inherit TCP_NODELAY.
    pub(super) hands_on_nodelay: bool,
}

/// The result of one attempt to accept.
#[derive(Debug)]
pub(super) enum Accepted {
    /// A connection, and the address that it counts for.
    Stream(Transport, Option<IpAddr>),
    /// Nothing more now.
    Nothing,
    /// The system has run out of something; try again later.
    Exhausted(io::Error),
}

/// How long the system gets to free descriptors or memory. Connections wait in the backlog meanwhile.
const PAUSE: Duration = Duration::from_millis(100);

impl Listener {
    pub(super) fn new(socket: ListenSocket) -> Self {
        // Linux passes it on, which saves one call per connection.
        let hands_on_nodelay = cfg!(target_os = "linux")
            && matches!(&socket, ListenSocket::Tcp(listener)
                if socket2::SockRef::from(listener).tcp_nodelay().unwrap_or(false));
        Self {
            hands_on_nodelay,
            socket,
            #[cfg(feature = "tls")]
            tls: None,
            ready: false,
            paused_until: None,
        }
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.socket.source().register(registry, token, Interest::READABLE)
    }

    pub(super) fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.socket.source().deregister(registry)
    }

    /// Returns whether other sockets listen on the same address (SO_REUSEPORT). What waits at this one waits nowhere
    /// else.
    pub(super) fn shares_address(&self) -> bool {
        match &self.socket {
            #[cfg(unix)]
            ListenSocket::Tcp(socket) => SockRef::from(socket).reuse_port().unwrap_or(false),
            _ => false,
        }
    }

    pub(super) fn accept(&mut self, now: Instant) -> Accepted {
        loop {
            let accepted = match &self.socket {
                ListenSocket::Tcp(socket) => {
                    socket.accept().map(|(stream, from)| (Transport::Tcp(stream), Some(from.ip())))
                }
                #[cfg(unix)]
                ListenSocket::Unix(socket) => {
                    socket.accept().map(|(stream, _)| (Transport::Unix(stream), None))
                }
            };
            match accepted {
                Ok((transport, from)) => return Accepted::Stream(transport, from),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => {
                        self.ready = false;
                        return Accepted::Nothing;
                    }
                    // That connection is gone; the next may be fine.
                    io::ErrorKind::Interrupted
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::ConnectionReset => {}
                    // No edge reports that descriptors are free again, and trying at once would spin.
                    _ => {
                        self.paused_until = Some(now + PAUSE);
                        return Accepted::Exhausted(error);
                    }
                },
            }
        }
    }
}
