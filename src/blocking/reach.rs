//! From a URL to an open connection: each step with what is left of its time.

use std::io;
use std::net::{SocketAddr, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::Instant;

use mio::{Events, Interest, Poll, Token};

use super::client::{Client, remaining, timed};
use super::error::Error;
use super::socket::{Layers, NetStream, Socket, Wire};
use crate::client::{
    ClientConfig, ConnectError, Phase, Race, Reply, Resolver, SystemResolver, Target, literal,
};
use crate::entropy::{Entropy, SystemEntropy};
use crate::extension::deflate;
use crate::handshake::{ClientHandshake, Progress, Response, ResponseError};

/// Connects, following redirects as far as `config` allows.
pub(super) fn reach(config: &ClientConfig) -> Result<Client<NetStream>, ConnectError> {
    let mut config = config.clone();
    let mut redirects = 0;
    loop {
        let refused = match attempt(&config) {
            Err(ConnectError::Response(ResponseError::Refused(refused))) => refused,
            result => return result,
        };
        match config.redirects.follow(&config.target, &refused, redirects) {
            Ok(Some(target)) => config = config.retarget(target)?,
            Ok(None) => return Err(ConnectError::Response(ResponseError::Refused(refused))),
            Err(error) => return Err(ConnectError::Redirect(error)),
        }
        redirects += 1;
    }
}

fn attempt(config: &ClientConfig) -> Result<Client<NetStream>, ConnectError> {
    let until = Instant::now().checked_add(config.connect_timeout);
    let wire = match &config.target {
        Target::Host(url) => dial(config, url.host(), url.port(), until)?,
        #[cfg(unix)]
        Target::Unix(unix) => Wire::Unix(UnixStream::connect(unix.path()).map_err(ConnectError::Connect)?),
        #[cfg(not(unix))]
        Target::Unix(_) => return Err(ConnectError::Connect(io::ErrorKind::Unsupported.into())),
    };
    let until = Instant::now().checked_add(config.handshake_timeout);
    let mut stream = secure(config, wire, until)?;
    let (response, rest) = shake_hands(&mut stream, config, until)?;
    Ok(Client::new(stream, response, &rest, config.connection.clone(), (config.masks)()))
}

/// A TCP connection to the server, or through the proxy that stands before it.
fn dial(config: &ClientConfig, host: &str, port: u16, until: Option<Instant>) -> Result<Wire, ConnectError> {
    let resolver = config.resolver.as_deref().unwrap_or(&SystemResolver);
    let Some(proxy) = config.proxies.proxy_for(&config.target) else {
        return race(config, look_up(resolver, host, port, until)?, until).map(Wire::Tcp);
    };
    let mut tunnel = if proxy.wants_address() {
        let address =
            look_up(resolver, host, port, until)?.first().copied().ok_or(ConnectError::NoAddress)?;
        proxy.tunnel(&address.ip().to_string(), port)?
    } else {
        proxy.tunnel(host, port)?
    };
    let mut stream = race(config, look_up(resolver, proxy.host(), proxy.port(), until)?, until)?;
    let mut buf = [0; 2048];
    loop {
        let fault = |error| phase(error, Phase::Proxy);
        while !tunnel.pending().is_empty() {
            let len = write(&mut stream, tunnel.pending(), until).map_err(fault)?;
            tunnel.advance(len);
        }
        let len = read(&mut stream, &mut buf, until).map_err(fault)?;
        if len == 0 {
            return Err(crate::client::ProxyError::Closed.into());
        }
        if tunnel.receive(&buf[..len])? {
            return Ok(Wire::Tcp(stream));
        }
    }
}

/// The addresses of a host, waiting for the answer of `resolver`.
pub(super) fn look_up(
    resolver: &dyn Resolver,
    host: &str,
    port: u16,
    until: Option<Instant>,
) -> Result<Vec<SocketAddr>, ConnectError> {
    if let Some(addresses) = literal(host, port) {
        return Ok(addresses);
    }
    let (sender, receiver) = mpsc::channel();
    resolver.resolve(host, port, Reply::new(move |answer| drop(sender.send(answer))));
    let answer = match until {
        None => receiver.recv().ok(),
        Some(until) => receiver.recv_timeout(until.saturating_duration_since(Instant::now())).ok(),
    };
    match answer {
        Some(Ok(addresses)) if addresses.is_empty() => Err(ConnectError::NoAddress),
        Some(Ok(addresses)) => Ok(addresses),
        Some(Err(error)) => Err(ConnectError::Resolve(error)),
        None => Err(ConnectError::Timeout(Phase::Resolve)),
    }
}

/// The first of several addresses that answers. The attempts run beside each other, so mio waits for them; what comes
/// out blocks.
fn race(
    config: &ClientConfig,
    addresses: Vec<SocketAddr>,
    until: Option<Instant>,
) -> Result<TcpStream, ConnectError> {
    let mut poll = Poll::new().map_err(ConnectError::Connect)?;
    let mut events = Events::with_capacity(16);
    let mut race = Race::new(addresses, config.attempt_delay);
    let mut running: Vec<Option<mio::net::TcpStream>> = Vec::new();
    let mut last = io::Error::from(io::ErrorKind::NotConnected);
    loop {
        let now = Instant::now();
        if until.is_some_and(|until| until <= now) {
            return Err(ConnectError::Timeout(Phase::Connect));
        }
        while let Some(address) = race.start(now) {
            let token = Token(running.len());
            let started = mio::net::TcpStream::connect(address).and_then(|mut stream| {
                poll.registry().register(&mut stream, token, Interest::WRITABLE)?;
                Ok(stream)
            });
            running.push(match started {
                Ok(stream) => Some(stream),
                Err(error) => {
                    last = error;
                    race.failed();
                    None
                }
            });
        }
        if race.is_lost() {
            return Err(ConnectError::Connect(last));
        }
        let wake = [until, race.next_start()].into_iter().flatten().min();
        let timeout = wake.map(|wake| wake.saturating_duration_since(Instant::now()));
        match poll.poll(&mut events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(ConnectError::Connect(error));
            }
            _ => {}
        }
        for event in &events {
            let slot = &mut running[event.token().0];
            let Some(stream) = slot else { continue };
            let result = match stream.take_error() {
                Ok(Some(error)) | Err(error) => Err(error),
                Ok(None) => stream.peer_addr(),
            };
            match (result, slot.take()) {
                (Ok(_), Some(mut stream)) => {
                    let ready = poll.registry().deregister(&mut stream).and_then(|()| {
                        let stream = TcpStream::from(stream);
                        stream.set_nonblocking(false)?;
                        stream.set_nodelay(true)?;
                        Ok(stream)
                    });
                    return ready.map_err(ConnectError::Connect);
                }
                (Err(error), stream) if error.kind() == io::ErrorKind::NotConnected => *slot = stream,
                (Err(error), _) => {
                    last = error;
                    race.failed();
                }
                (Ok(_), None) => {}
            }
        }
    }
}

#[cfg(feature = "tls")]
fn secure(config: &ClientConfig, wire: Wire, until: Option<Instant>) -> Result<NetStream, ConnectError> {
    use crate::tls::{TlsStream, tls_error};

    let (Target::Host(url), true) = (&config.target, config.target.is_secure()) else {
        return Ok(NetStream(Layers::Plain(wire)));
    };
    let tls = config.tls.as_ref().ok_or(ConnectError::NoTls)?;
    // The name is the server's, whatever proxy the connection goes through.
    let session = tls.connection(url.host()).map_err(|error| ConnectError::Tls(error.into()))?;
    let mut stream = TlsStream::new(session, wire);
    while stream.is_handshaking() || stream.wants_write() {
        let left = remaining(until).map_err(|_| ConnectError::Timeout(Phase::Tls))?;
        let result = stream.set_read_timeout(left).and_then(|()| stream.set_write_timeout(left));
        match result.and_then(|()| stream.handshake()) {
            Ok(()) => {}
            Err(error) if tls_error(&error).is_some() => return Err(ConnectError::Tls(error)),
            Err(error) => match timed(error) {
                Error::Io(error) => return Err(ConnectError::Io(error)),
                _ if until.is_some_and(|until| until <= Instant::now()) => {
                    return Err(ConnectError::Timeout(Phase::Tls));
                }
                _ => {}
            },
        }
    }
    Ok(NetStream(Layers::Tls(Box::new(stream))))
}

#[cfg(not(feature = "tls"))]
fn secure(config: &ClientConfig, wire: Wire, _: Option<Instant>) -> Result<NetStream, ConnectError> {
    if config.target.is_secure() { Err(ConnectError::NoTls) } else { Ok(NetStream(Layers::Plain(wire))) }
}

/// The opening handshake; gives what came behind the response as well.
pub(super) fn shake_hands(
    stream: &mut impl Socket,
    config: &ClientConfig,
    until: Option<Instant>,
) -> Result<(Response, Vec<u8>), ConnectError> {
    let nonce = SystemEntropy::new().nonce();
    let mut request = config.request.clone();
    if let Some(offer) = deflate::offer(config.connection.deflate, request.extensions()) {
        request = request.extension(offer);
    }
    let mut handshake = ClientHandshake::new(request, nonce);
    let mut pending = handshake.request();
    while !pending.is_empty() {
        match write(stream, pending, until) {
            Ok(len) => pending = &pending[len..],
            // A server that refuses at once may have said why before it closed.
            Err(Error::Io(_)) => break,
            Err(error) => return Err(phase(error, Phase::Response)),
        }
    }
    let mut buf = [0; 16 * 1024];
    loop {
        let len = read(stream, &mut buf, until).map_err(|error| match handshake.receive_eof() {
            refused @ ResponseError::Refused(_) => ConnectError::Response(refused),
            _ => phase(error, Phase::Response),
        })?;
        if len == 0 {
            return Err(ConnectError::Response(handshake.receive_eof()));
        }
        match handshake.receive(&buf[..len]) {
            Ok(Progress::NeedMore) => {}
            Ok(Progress::Done { value, used }) => return Ok((value, buf[used..len].to_vec())),
            Err(error) => return Err(ConnectError::Response(error)),
        }
    }
}

fn read(stream: &mut impl Socket, buf: &mut [u8], until: Option<Instant>) -> Result<usize, Error> {
    loop {
        stream.set_read_timeout(remaining(until)?)?;
        match stream.read(buf).map_err(timed) {
            Err(Error::Timeout) => {} // or a signal: `remaining` knows
            result => return result,
        }
    }
}

fn write(stream: &mut impl Socket, bytes: &[u8], until: Option<Instant>) -> Result<usize, Error> {
    loop {
        stream.set_write_timeout(remaining(until)?)?;
        match stream.write(bytes).map_err(timed) {
            Err(Error::Timeout) => {}
            Ok(0) => return Err(Error::Io(io::ErrorKind::WriteZero.into())),
            result => return result,
        }
    }
}

fn phase(error: Error, phase: Phase) -> ConnectError {
    match error {
        Error::Io(error) => ConnectError::Io(error),
        _ => ConnectError::Timeout(phase),
    }
}
