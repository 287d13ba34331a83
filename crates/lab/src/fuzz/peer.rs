//! The peer to fuzz: how connections to it are made, and whether it is still there.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

#[cfg(feature = "tls")]
use bowsprit::tls::TlsClient;
use socket2::SockRef;

use super::finding::{Finding, Kind};
use super::generate;
use super::oracles::Oracles;
use super::play::{Played, play};
use super::process::{Process, is_crash};
use super::script::Script;
use super::stream::Stream;
use crate::socket::passes;

/// Where connections come from.
#[derive(Debug)]
pub enum Dial {
    /// We connect to a server.
    Connect(SocketAddr),
    /// Clients connect to us.
    Accept(TcpListener),
}

/// A peer.
#[derive(Debug)]
pub struct Peer {
    /// Where its connections come from.
    pub dial: Dial,
    /// The process that runs the peer, if we start it. A client may end and is started again; a server must not end.
    pub process: Option<Process>,
    /// How long the peer may take to be there again once it has gone.
    pub back: Duration,
    /// For a server behind TLS: the trust settings, and the name that its certificate must have.
    #[cfg(feature = "tls")]
    pub tls: Option<(TlsClient, String)>,
}

/// How long connecting may fail before the peer counts as gone: a listener's queue may be full, and ports may be
/// scarce.
const GONE: Duration = Duration::from_secs(2);
/// How long a new client may take to connect.
const ACCEPT: Duration = Duration::from_secs(5);
/// How long a process may take to end after its connections.
const REAPED: Duration = Duration::from_secs(2);

/// Returns whether the server has shown an untrusted certificate, which another attempt would not change.
fn is_untrusted(error: &io::Error) -> bool {
    #[cfg(feature = "tls")]
    return bowsprit::tls::tls_error(error)
        .is_some_and(|error| bowsprit::tls::explain_certificate(error).is_some());
    #[cfg(not(feature = "tls"))]
    {
        let _ = error;
        false
    }
}

impl From<Dial> for Peer {
    /// Creates a peer that others start and that is not started again.
    fn from(dial: Dial) -> Self {
        Self {
            dial,
            process: None,
            back: Duration::ZERO,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl Peer {
    /// Makes a connection.
    ///
    /// # Errors
    ///
    /// Fails if the server is not there, or no client connects.
    pub fn connect(&self, timeout: Duration) -> io::Result<Stream> {
        let stream = match &self.dial {
            Dial::Connect(address) => TcpStream::connect_timeout(address, timeout)?,
            Dial::Accept(listener) => self.accept(listener, timeout)?,
        };
        // Thousands of connections a second would use up the ports while each rests.
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        #[cfg(feature = "tls")]
        if let Some((client, name)) = &self.tls {
            return Stream::under_tls(stream, client, name);
        }
        Ok(stream.into())
    }

    fn accept(&self, listener: &TcpListener, timeout: Duration) -> io::Result<TcpStream> {
        let deadline = Instant::now() + ACCEPT.max(timeout);
        listener.set_nonblocking(true)?;
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false)?;
                    return Ok(stream);
                }
                Err(error) if passes(&error) => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if let Some(process) = &self.process {
                match process.ended() {
                    Some(status) if is_crash(status) => return Err(io::Error::other(status.to_string())),
                    _ => process.start()?, // one connection may be all that a client makes
                }
            }
            if Instant::now() >= deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "no client comes"));
            }
            thread::sleep(Duration::from_micros(200));
        }
    }

    /// Plays one script.
    ///
    /// # Errors
    ///
    /// Fails if there is no connection.
    pub fn play(&self, script: &Script, oracles: &Oracles) -> io::Result<Played> {
        let started = Instant::now();
        loop {
            match self.connect(oracles.timeout).and_then(|stream| play(stream, script, oracles)) {
                Ok(played) => return Ok(played),
                Err(error)
                    if self.crashed().is_some()
                        || is_untrusted(&error)
                        || started.elapsed() > GONE.max(oracles.timeout) =>
                {
                    return Err(error);
                }
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Starts the peer if we can, and waits until it is there.
    ///
    /// # Errors
    ///
    /// Fails if the peer is not there in time.
    pub fn ready(&self) -> io::Result<()> {
        if let Some(process) = &self.process {
            process.start()?;
        }
        let Dial::Connect(address) = &self.dial else { return Ok(()) };
        let deadline = Instant::now() + self.back;
        loop {
            match TcpStream::connect_timeout(address, self.back.max(Duration::from_secs(1))) {
                Ok(_) => return Ok(()),
                Err(error) if self.crashed().is_some() || Instant::now() >= deadline => return Err(error),
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    /// Returns how the process ended, if it is ours and should not have ended.
    pub(super) fn crashed(&self) -> Option<String> {
        let status = self.process.as_ref()?.ended()?;
        let wrong = matches!(self.dial, Dial::Connect(_)) || is_crash(status);
        wrong.then(|| format!("its process has ended: {status}"))
    }

    /// Returns why the peer is gone, if it is: it has ended, accepts no connection, or answers nothing on a new one.
    pub(super) fn gone(&self, oracles: &Oracles) -> Option<String> {
        if let Some(why) = self.crashed() {
            return Some(why);
        }
        let why = match &self.dial {
            Dial::Connect(_) => {
                let plain = generate::plain(oracles.side);
                match self.connect(oracles.timeout).and_then(|stream| play(stream, &plain, oracles)) {
                    Ok(Played { finding: Some(finding), .. }) => match finding.kind {
                        Kind::NoAnswer => "a new connection is not answered".to_owned(),
                        // A connection ends like this when the process is just going down.
                        Kind::HandshakeRefused | Kind::EndedEarly => {
                            return self.play(&plain, oracles).err().map(|error| self.ending(&error));
                        }
                        _ => return None,
                    },
                    Ok(_) => return None,
                    Err(error) => self.ending(&error),
                }
            }
            Dial::Accept(_) => match self.connect(oracles.timeout) {
                Ok(_) => return None,
                Err(error) => self.ending(&error),
            },
        };
        Some(why)
    }

    /// Returns why the peer is gone, if it is, after a finding that may be a sign of that.
    pub(super) fn gone_by(&self, finding: &Finding, oracles: &Oracles) -> Option<String> {
        match (&self.dial, finding.kind) {
            (
                _,
                Kind::Memory
                | Kind::NeighbourWaits
                | Kind::HandshakeAccepted
                | Kind::WrongCode
                | Kind::AnsweredForbidden,
            ) => None,
            (Dial::Connect(_), _) => self.gone(oracles),
            // A client is not asked again: it may make only one connection.
            (Dial::Accept(_), Kind::EndedEarly) => {
                let deadline = Instant::now() + REAPED / 4;
                while self.process.is_some() && self.crashed().is_none() && Instant::now() < deadline {
                    thread::sleep(Duration::from_millis(5));
                }
                self.crashed()
            }
            (Dial::Accept(_), _) => self.crashed(),
        }
    }

    /// Brings the peer back after it was gone.
    ///
    /// # Errors
    ///
    /// Fails if the peer does not come back in time.
    pub(super) fn revive(&self, oracles: &Oracles) -> io::Result<()> {
        let deadline = Instant::now() + self.back;
        if let Some(process) = &self.process {
            process.stop(); // it may hang
        }
        loop {
            let why = match self.ready() {
                // A process that we start answers; otherwise other scripts sent to it meanwhile have ended it.
                Ok(()) if self.process.is_some() => return Ok(()),
                Ok(()) => match self.gone(oracles) {
                    None => return Ok(()),
                    Some(why) => io::Error::other(why),
                },
                Err(error) => error,
            };
            if Instant::now() >= deadline {
                return Err(why);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Returns how the process ended, which says more than that it does not answer.
    fn ending(&self, error: &io::Error) -> String {
        let deadline = Instant::now() + REAPED;
        while self.process.as_ref().is_some_and(|process| process.id().is_some()) && Instant::now() < deadline
        {
            thread::sleep(Duration::from_millis(5));
        }
        self.crashed().unwrap_or_else(|| error.to_string())
    }
}
