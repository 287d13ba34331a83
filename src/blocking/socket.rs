//! What a blocking client reads from and writes to.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::Duration;

#[cfg(feature = "http2")]
use crate::http2::Http2Stream;
#[cfg(feature = "tls")]
use crate::tls::TlsStream;

/// A byte stream that blocks, but never longer than it is told to.
pub trait Socket: Read + Write {
    /// Limits how long a read may wait; `None` is no limit. After that time a read fails with `WouldBlock` or
    /// `TimedOut`.
    ///
    /// # Errors
    ///
    /// The error of the stream.
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// Reads without waiting a second time: if what arrived yields no bytes, such as half a TLS record, it fails with
    /// `Interrupted`, so that the caller can check the clock. The default, for streams that return whatever arrives,
    /// just reads.
    ///
    /// # Errors
    ///
    /// The error of the stream.
    fn read_once(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read(buf)
    }

    /// Limits how long a write may wait, as [`set_read_timeout`](Self::set_read_timeout) does for reads.
    ///
    /// # Errors
    ///
    /// The error of the stream.
    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// Tells the peer that nothing more will be written. If the stream still holds back accepted bytes, such as part of
    /// a TLS record, and cannot write them in time, it fails with `WouldBlock` or `TimedOut` and ends nothing; it may
    /// be called again.
    ///
    /// # Errors
    ///
    /// The error of the stream.
    fn shutdown_write(&mut self) -> io::Result<()>;
}

impl Socket for TcpStream {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        TcpStream::set_read_timeout(self, timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        TcpStream::set_write_timeout(self, timeout)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

#[cfg(unix)]
impl Socket for UnixStream {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        UnixStream::set_read_timeout(self, timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        UnixStream::set_write_timeout(self, timeout)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

#[cfg(feature = "tls")]
impl<S: Socket> Socket for TlsStream<S> {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket_mut().set_read_timeout(timeout)
    }

    fn read_once(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read_once(buf)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket_mut().set_write_timeout(timeout)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.close_notify()?;
        // A FIN must not come inside a record, nor before the handshake that it waits for.
        if self.wants_write() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.socket_mut().shutdown_write()
    }
}

/// Wraps any `Read + Write` without timeouts: each call waits as long as the stream does.
#[derive(Debug)]
pub struct Untimed<S>(pub S);

impl<S: Read> Read for Untimed<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl<S: Write> Write for Untimed<S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<S: Read + Write> Socket for Untimed<S> {
    fn set_read_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        loop {
            match self.0.flush() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

/// The stream of [`connect`](super::connect): TCP or a Unix-domain socket, with TLS or without.
#[derive(Debug)]
pub struct NetStream(pub(super) Layers);

#[derive(Debug)]
pub(super) enum Layers {
    Plain(Wire),
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<Wire>>),
    #[cfg(feature = "http2")]
    Http2(Box<Http2Stream<NetStream>>),
}

/// A socket of the operating system.
#[derive(Debug)]
pub(super) struct Wire {
    kind: Kind,
    reads: Told,
    writes: Told,
}

/// The timeout that a socket was told last: telling it is a system call. The socket may wait for less than intended, as
/// callers whose wait ends early ask again, so a nearly right timeout will do.
#[derive(Debug, Default)]
struct Told(Option<Option<Duration>>);

impl Told {
    /// Makes calls wait for at most `timeout`, and not much less.
    fn tell(
        &mut self,
        timeout: Option<Duration>,
        tell: impl FnOnce(Option<Duration>) -> io::Result<()>,
    ) -> io::Result<()> {
        let will_do = match (self.0, timeout) {
            (Some(Some(told)), None) => told >= LONG,
            (Some(Some(told)), Some(timeout)) => told <= timeout && told >= timeout / 2,
            (told, timeout) => told == Some(timeout),
        };
        if !will_do {
            self.0 = None;
            let timeout = timeout.map(rounded);
            tell(timeout)?;
            self.0 = Some(timeout);
        }
        Ok(())
    }
}

/// Waiting this long repeatedly is as good as waiting for ever.
const LONG: Duration = Duration::from_secs(1);

/// Rounds a duration down, by at most a fifth, to its three leading bits, so that the rest of the same time a little
/// later usually rounds to the same. Durations below eight milliseconds are kept.
fn rounded(timeout: Duration) -> Duration {
    let nanos = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
    let kept = u64::MAX << 61_u32.saturating_sub(nanos.leading_zeros());
    if timeout < Duration::from_millis(8) { timeout } else { Duration::from_nanos(nanos & kept) }
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl From<Kind> for Wire {
    fn from(kind: Kind) -> Self {
        Self { kind, reads: Told::default(), writes: Told::default() }
    }
}

impl From<TcpStream> for Wire {
    fn from(stream: TcpStream) -> Self {
        Kind::Tcp(stream).into()
    }
}

#[cfg(unix)]
impl From<UnixStream> for Wire {
    fn from(stream: UnixStream) -> Self {
        Kind::Unix(stream).into()
    }
}

impl NetStream {
    fn wire(&self) -> &Wire {
        match &self.0 {
            Layers::Plain(wire) => wire,
            #[cfg(feature = "tls")]
            Layers::Tls(tls) => tls.socket(),
            #[cfg(feature = "http2")]
            Layers::Http2(http2) => http2.below().wire(),
        }
    }

    /// Returns the address of the other side, which is the proxy if there is one. A Unix-domain socket has none.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        match &self.wire().kind {
            Kind::Tcp(tcp) => tcp.peer_addr().ok(),
            #[cfg(unix)]
            Kind::Unix(_) => None,
        }
    }

    /// Returns the address of this side.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.wire().kind {
            Kind::Tcp(tcp) => tcp.local_addr().ok(),
            #[cfg(unix)]
            Kind::Unix(_) => None,
        }
    }

    /// Returns the TLS connection, if there is one, with its version, cipher suite and the server's certificates.
    #[cfg(feature = "tls")]
    pub fn tls(&self) -> Option<&rustls::CommonState> {
        match &self.0 {
            Layers::Plain(_) => None,
            Layers::Tls(tls) => Some(tls.tls()),
            #[cfg(feature = "http2")]
            Layers::Http2(http2) => http2.below().tls(),
        }
    }
}

/// Does the same thing for each kind of stream.
macro_rules! each {
    ($self:expr, $stream:ident => $do:expr) => {
        match $self {
            Kind::Tcp($stream) => $do,
            #[cfg(unix)]
            Kind::Unix($stream) => $do,
        }
    };
}

impl Wire {
    /// Returns another handle of the socket. Timeouts belong to the socket: one handle may set that of reads, the other
    /// that of writes.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(match &self.kind {
            Kind::Tcp(tcp) => tcp.try_clone()?.into(),
            #[cfg(unix)]
            Kind::Unix(unix) => unix.try_clone()?.into(),
        })
    }

    pub(super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        each!(&self.kind, stream => stream.shutdown(how))
    }
}

impl Read for Wire {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        each!(&mut self.kind, stream => stream.read(buf))
    }
}

impl Write for Wire {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        each!(&mut self.kind, stream => stream.write(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Socket for Wire {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let Self { kind, reads, .. } = self;
        reads.tell(timeout, |timeout| each!(kind, stream => Socket::set_read_timeout(stream, timeout)))
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let Self { kind, writes, .. } = self;
        writes.tell(timeout, |timeout| each!(kind, stream => Socket::set_write_timeout(stream, timeout)))
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        each!(&mut self.kind, stream => stream.shutdown_write())
    }
}

macro_rules! each_layer {
    ($self:expr, $stream:ident => $do:expr) => {
        match &mut $self.0 {
            Layers::Plain($stream) => $do,
            #[cfg(feature = "tls")]
            Layers::Tls($stream) => $do,
            #[cfg(feature = "http2")]
            Layers::Http2($stream) => $do,
        }
    };
}

impl Read for NetStream {
    /// The layer above may not wait twice either.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        each_layer!(self, stream => stream.read_once(buf))
    }
}

impl Write for NetStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        each_layer!(self, stream => stream.write(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        each_layer!(self, stream => stream.flush())
    }
}

impl Socket for NetStream {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        each_layer!(self, stream => stream.set_read_timeout(timeout))
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        each_layer!(self, stream => stream.set_write_timeout(timeout))
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        each_layer!(self, stream => stream.shutdown_write())
    }
}

/// A write waits for windows, which reading opens, and a read may have to write: both may take as long as either.
#[cfg(feature = "http2")]
impl Socket for Http2Stream<NetStream> {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.below_mut().set_read_timeout(timeout)?;
        self.below_mut().set_write_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        Socket::set_read_timeout(self, timeout)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        if self.is_http2() { self.end() } else { self.below_mut().shutdown_write() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the timeouts that a socket is told for these, one after the other.
    fn told(timeouts: impl IntoIterator<Item = Option<Duration>>) -> Vec<Option<Duration>> {
        let (mut told, mut calls) = (Told::default(), Vec::new());
        for timeout in timeouts {
            let tell = |timeout| {
                calls.push(timeout);
                Ok(())
            };
            told.tell(timeout, tell).unwrap();
        }
        calls
    }

    #[test]
    fn a_socket_is_told_once_and_never_too_much() {
        let micros = Duration::from_micros;
        assert_eq!(told([None, None, None]), [None]);
        let left = (0..1000).map(|passed| Some(micros(10_000_000 - passed)));
        assert_eq!(told(left.clone()), [Some(Duration::from_nanos(8_589_934_592))]);
        assert_eq!(told(left.chain([None])).len(), 1, "what waits for ever may wait again");
        assert_eq!(told([Some(micros(1000)), None]), [Some(micros(1000)), None]);
        assert_eq!(told([None, Some(micros(1000))]), [None, Some(micros(1000))]);
        for micros in (1000..).step_by(7777).take(10_000) {
            let timeout = Duration::from_micros(micros);
            let rounded = rounded(timeout);
            assert!(rounded <= timeout && rounded >= timeout * 4 / 5, "{timeout:?} became {rounded:?}");
        }
        assert!(rounded(Duration::MAX) > Duration::from_secs(1 << 33));
    }

    #[test]
    fn a_socket_that_did_not_listen_is_told_again() {
        let mut told = Told::default();
        assert!(told.tell(None, |_| Err(io::ErrorKind::Other.into())).is_err());
        let mut calls = 0;
        told.tell(None, |_| {
            calls += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(calls, 1);
    }
}
