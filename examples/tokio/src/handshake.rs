//! Both sides of the opening handshake (RFC 6455 §4).

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bowsprit::connection::{Config, Connection};
use bowsprit::entropy::{Entropy as _, SystemEntropy};
use bowsprit::extension::deflate;
use bowsprit::handshake::{
    Acceptance, ClientHandshake, ClientRequest, HeadLimits, Incoming, OriginPolicy, Progress, Refusal,
    Request, RequestError, Response, ResponseError, ServerHandshake,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};

use crate::websocket::{READ, WebSocket, part};

/// How long the other side may take, however it sends its part.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A client that was accepted, and its request.
pub struct Accepted<S> {
    pub socket: WebSocket<S>,
    pub request: Request,
}

/// A server that accepted us, and its response.
pub struct Connected<S> {
    pub socket: WebSocket<S>,
    pub response: Response,
}

/// Why there is no WebSocket.
#[derive(Debug)]
pub enum HandshakeError {
    /// The transport failed or ended.
    Io(io::Error),
    /// The time was up.
    TimedOut,
    /// The request broke a rule, and the client has been told.
    Request(RequestError),
    /// The client's page may not connect, and the client has been told.
    Origin,
    /// The request was HTTP without an upgrade; it was answered 426.
    Plain,
    /// The server refused, or its response broke a rule.
    Response(Box<ResponseError>),
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::TimedOut => f.write_str("the handshake took too long"),
            Self::Request(error) => error.fmt(f),
            Self::Origin => f.write_str("the Origin may not connect"),
            Self::Plain => f.write_str("a request without an upgrade"),
            Self::Response(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for HandshakeError {}

impl From<io::Error> for HandshakeError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Accepts a client; the server's side. Every client that `origins` admits is accepted. A program with further
/// conditions checks them between `receive` and `accept` here.
///
/// # Errors
///
/// There is no WebSocket. If HTTP has an answer to that, it has been sent.
pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    config: Arc<Config>,
    origins: &OriginPolicy,
) -> Result<Accepted<S>, HandshakeError> {
    let within = timeout(TIMEOUT, async {
        let mut buf = vec![0; READ];
        let mut handshake = ServerHandshake::new(HeadLimits::default());
        loop {
            let len = read(&mut stream, &mut buf).await?;
            let (answer, error) = match handshake.receive(&buf[..len]) {
                Ok(Progress::NeedMore) => continue,
                Ok(Progress::Done { value: Incoming::Upgrade(request), used }) => {
                    match origins.check(&request) {
                        Ok(()) => {
                            let mut acceptance = Acceptance::default();
                            acceptance
                                .extensions
                                .extend(deflate::answer(config.deflate, request.extensions()));
                            let (response, agreement) =
                                request.accept(&acceptance).expect("nothing is chosen that was not offered");
                            stream.write_all(&response).await?;
                            stream.flush().await?;
                            return Ok((request, agreement, buf, used..len));
                        }
                        Err(error) => (error.refusal().encode(), HandshakeError::Origin),
                    }
                }
                Ok(Progress::Done { value: Incoming::Plain(request), .. }) => {
                    (request.answer(&Refusal::upgrade_required()), HandshakeError::Plain)
                }
                Err(error) => (handshake.answer(error), HandshakeError::Request(error)),
            };
            stream.write_all(&answer).await?;
            part(&mut stream, &mut buf).await?;
            return Err(error);
        }
    });
    let (request, agreement, buf, rest) = within.await.map_err(|_| HandshakeError::TimedOut)??;
    let mut conn = Connection::server(config, Instant::now().into_std());
    if let Some(agreed) = agreement.deflate() {
        conn = conn.with_deflate(agreed);
    }
    Ok(Accepted { socket: WebSocket::new(stream, conn, buf, rest), request })
}

/// Connects to a server; the client's side.
///
/// # Errors
///
/// There is no WebSocket, and the stream cannot be used any further.
pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    mut request: ClientRequest,
    config: Arc<Config>,
) -> Result<Connected<S>, HandshakeError> {
    if let Some(offer) = deflate::offer(config.deflate, request.extensions()) {
        request = request.extension(offer);
    }
    let nonce = SystemEntropy::new().nonce().map_err(io::Error::other)?;
    let mut handshake = ClientHandshake::new(request, nonce);
    let within = timeout(TIMEOUT, async {
        stream.write_all(handshake.request()).await?;
        stream.flush().await?;
        let mut buf = vec![0; READ];
        loop {
            let len = read(&mut stream, &mut buf).await?;
            match handshake.receive(&buf[..len]) {
                Ok(Progress::NeedMore) => {}
                Ok(Progress::Done { value: response, used }) => return Ok((response, buf, used..len)),
                Err(error) => return Err(HandshakeError::Response(Box::new(error))),
            }
        }
    });
    let (response, buf, rest) = within.await.map_err(|_| HandshakeError::TimedOut)??;
    let mut conn = Connection::client(config, Box::new(SystemEntropy::new()), Instant::now().into_std());
    if let Some(agreed) = response.agreement().deflate() {
        conn = conn.with_deflate(agreed);
    }
    Ok(Connected { socket: WebSocket::new(stream, conn, buf, rest), response })
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S, buf: &mut [u8]) -> io::Result<usize> {
    match stream.read(buf).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        len => Ok(len),
    }
}
