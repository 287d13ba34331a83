//! A [`Connector`] driven by blocking calls: from a URL to an open connection, each step within what is left of its
//! time.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Instant;

use super::client::{Client, remaining, timed};
use super::dialing::Dialing;
use super::error::Error;
use super::socket::{Layers, NetStream, Socket};
use crate::client::connect::{Action, Connector, Input};
use crate::client::{ClientConfig, ConnectError, Phase, Reply, Resolver, SystemResolver, literal};
use crate::handshake::Response;

/// How much of a response is read at once.
const BUFFER: usize = 16 * 1024;

/// Connects as `config` says.
pub(super) fn reach(config: &ClientConfig) -> Result<Client<NetStream>, ConnectError> {
    let resolver = config.resolver.as_deref().unwrap_or(&SystemResolver);
    let mut connector = Connector::new(config.clone(), Instant::now());
    let mut dialing = Dialing::default();
    let mut stream = None;
    let mut buf = [0; BUFFER];
    let mut len = 0;
    loop {
        while let Some(action) = connector.next() {
            match (action, &mut stream) {
                (Action::Resolve(lookup, host, port), _) => {
                    let answer = look_up(resolver, &host, port, connector.deadline());
                    connector.handle(Input::Resolved(lookup, answer), Instant::now());
                }
                (Action::Dial(attempt, address), _) => {
                    if let Err(error) = dialing.start(attempt, &address) {
                        connector.handle(Input::Failed(attempt, error), Instant::now());
                    }
                }
                (Action::Drop(attempt), _) => {
                    if !dialing.drop(attempt) {
                        stream = None;
                    }
                }
                (Action::Write(bytes), Some(stream)) => write(stream, &mut connector, &bytes),
                (Action::StartTls, below) => {
                    let input = match secure(below.take(), &connector) {
                        Ok(secured) => {
                            stream = Some(secured);
                            Input::Secured
                        }
                        Err(error) => fault(error, &connector),
                    };
                    connector.handle(input, Instant::now());
                }
                #[cfg(feature = "http2")]
                (Action::StartHttp2, below) => {
                    let known = crate::http2::Chosen::Known;
                    stream = below.take().map(|below| over_http2(below, known));
                }
                #[cfg(not(feature = "http2"))]
                (Action::StartHttp2, _) => {} // nobody asks for it
                (Action::Open { response, used }, below @ Some(_)) => {
                    let Some(stream) = below.take() else { continue };
                    return Ok(client(stream, *response, &buf[used..len], connector.config()));
                }
                (Action::Failed(error), _) => return Err(error),
                // Without a connection there is nothing to do.
                (Action::Write(_) | Action::Open { .. }, None) => {}
            }
        }
        match &mut stream {
            Some(stream) => len = read(stream, &mut connector, &mut buf),
            None => stream = dialing.wait(&mut connector).map(|wire| NetStream(Layers::Plain(wire))),
        }
    }
}

/// Performs the opening handshake over a connected stream.
pub(super) fn shake_hands<S: Socket>(
    mut stream: S,
    config: &ClientConfig,
) -> Result<Client<S>, ConnectError> {
    let mut connector = Connector::over_connection(config.clone(), Instant::now());
    let mut buf = [0; BUFFER];
    let mut len = 0;
    loop {
        while let Some(action) = connector.next() {
            match action {
                Action::Write(bytes) => write(&mut stream, &mut connector, &bytes),
                Action::Open { response, used } => {
                    return Ok(client(stream, *response, &buf[used..len], config));
                }
                Action::Failed(error) => return Err(error),
                // There is nothing to look up, to connect to or to secure; on failure the caller drops the stream.
                Action::Resolve(..)
                | Action::Dial(..)
                | Action::Drop(_)
                | Action::StartTls
                | Action::StartHttp2 => {}
            }
        }
        len = read(&mut stream, &mut connector, &mut buf);
    }
}

fn client<S: Socket>(stream: S, response: Response, rest: &[u8], config: &ClientConfig) -> Client<S> {
    Client::new(stream, response, rest, config.connection.clone(), (config.masks)())
}

/// Writes. If that fails, the server may have said why before it closed, and the next read finds it.
fn write(stream: &mut impl Socket, connector: &mut Connector, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let result = remaining(connector.deadline()).and_then(|left| {
            stream.set_write_timeout(left)?;
            stream.write(bytes).map_err(timed)
        });
        match result {
            Ok(0) | Err(Error::Io(_)) => return,
            Ok(len) => bytes = &bytes[len..],
            // Or a signal: `remaining` knows.
            Err(_) if connector.deadline().is_some_and(|at| at <= Instant::now()) => return,
            Err(_) => {}
        }
    }
}

/// Reads once, or waits until the time is up, and reports the result. Returns how many bytes were read.
fn read(stream: &mut impl Socket, connector: &mut Connector, buf: &mut [u8]) -> usize {
    let result = remaining(connector.deadline()).and_then(|left| {
        stream.set_read_timeout(left)?;
        stream.read_once(buf).map_err(timed)
    });
    let (input, len) = match result {
        Ok(0) => (Input::Ended, 0),
        Ok(len) => (Input::Received(&buf[..len]), len),
        Err(error) => (fault(error, connector), 0),
    };
    connector.handle(input, Instant::now());
    len
}

/// Converts the error of a failed call.
fn fault(error: Error, connector: &Connector) -> Input<'static> {
    match (error, connector.standing()) {
        (Error::Io(error), Some(standing)) => Input::Failed(standing, error),
        _ => Input::Time,
    }
}

/// Establishes TLS over the stream.
#[cfg(feature = "tls")]
fn secure(below: Option<NetStream>, connector: &Connector) -> Result<NetStream, Error> {
    use crate::tls::TlsStream;

    let Some(NetStream(Layers::Plain(wire))) = below else {
        return Err(Error::Io(io::ErrorKind::NotConnected.into()));
    };
    let mut stream = TlsStream::new(connector.config().tls_connection()?, wire);
    while stream.is_handshaking() || stream.wants_write() {
        let left = remaining(connector.deadline())?;
        stream.set_read_timeout(left)?;
        stream.set_write_timeout(left)?;
        match stream.handshake_once().map_err(timed) {
            Ok(()) | Err(Error::Timeout) => {} // or a signal: `remaining` knows
            Err(error) => return Err(error),
        }
    }
    let stream = NetStream(Layers::Tls(Box::new(stream)));
    #[cfg(feature = "http2")]
    if connector.config().http != crate::client::Http::Http1 {
        let choice = |stream: &NetStream| Some(stream.tls()?.alpn_protocol() == Some(b"h2"));
        let required = connector.config().http == crate::client::Http::Http2;
        return Ok(over_http2(stream, crate::http2::Chosen::ByAlpn { choice, required }));
    }
    Ok(stream)
}

/// Establishes HTTP/2 over the stream.
#[cfg(feature = "http2")]
fn over_http2(below: NetStream, chosen: crate::http2::Chosen<NetStream>) -> NetStream {
    NetStream(Layers::Http2(Box::new(crate::http2::Http2Stream::new(below, chosen, true))))
}

#[cfg(not(feature = "tls"))]
fn secure(_: Option<NetStream>, _: &Connector) -> Result<NetStream, Error> {
    Err(Error::Io(io::ErrorKind::Unsupported.into())) // a target that needs it is refused before
}

/// Returns the addresses of a host; waits for the answer of `resolver`.
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
