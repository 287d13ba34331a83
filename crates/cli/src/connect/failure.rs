//! Why there is no connection, in words.

use std::io;

use bowsprit::client::{ConnectError, Target};
use bowsprit::handshake::{HeadError, RefusedResponse, ResponseError};
use bowsprit::http2::Http2Failure;
use bowsprit::tls::{explain_certificate, rustls, tls_error};

use super::output::Output;
use crate::deflate::faulty;
use crate::output::one_line;
use crate::secret::without_secret;

/// The most bytes shown of the body of a refusal.
const SHOWN_BODY: usize = 1024;

/// The most lines shown of the body of a refusal.
const SHOWN_LINES: usize = 8;

/// The route to the server.
pub(super) struct Way<'a> {
    pub(super) target: &'a str,
    /// The proxy in front of it.
    pub(super) proxy: Option<&'a str>,
    /// The file of certificates that the user trusts.
    pub(super) ca: Option<&'a str>,
    pub(super) asked: Asked,
}

/// What the request contained, or how its answer is handled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) origin: bool,
    pub(super) credentials: bool,
    pub(super) redirects: bool,
    pub(super) subprotocols: bool,
}

/// Reports why the target was not reached.
pub(super) fn tell(output: &mut Output, way: &Way<'_>, error: &ConnectError) {
    // The target that failed, and how we got there.
    let target = &match error {
        ConnectError::Redirected(redirected) => {
            let via = redirected.via.iter().map(shown).collect::<Vec<_>>().join(", ");
            format!("{} (redirected from {via})", shown(&redirected.target))
        }
        _ => way.target.to_owned(),
    };
    // The host that we look up and connect to.
    let first = match way.proxy {
        Some(proxy) => format!("the proxy {proxy}"),
        None => target.clone(),
    };
    let root = error.root();
    let text = match root {
        ConnectError::Response(ResponseError::Refused(response)) => {
            if let ConnectError::Redirected(_) = error {
                output.note(format_args!("{target} gave this answer:"));
            }
            return show_refusal(output, response, &advice(target, way.asked, response));
        }
        ConnectError::Response(ResponseError::Head(HeadError::TooLong | HeadError::StartLineTooLong)) => {
            format!("{target}: the head of the server's answer is too long; see --max-head")
        }
        ConnectError::Response(ResponseError::Head(HeadError::TooManyHeaders)) => {
            format!("{target}: the head of the server's answer has too many lines; see --max-headers")
        }
        ConnectError::Response(ResponseError::Head(HeadError::NotHttp)) if target.starts_with("ws:") => {
            format!("{target} does not speak HTTP; if the server speaks TLS, use wss://")
        }
        ConnectError::Response(ResponseError::Deflate(error)) => format!("{target}: {}", faulty(*error)),
        ConnectError::Response(ResponseError::SubprotocolNotOffered) if !way.asked.subprotocols => {
            format!("{target} picks a subprotocol, though none was offered; -s NAME offers one")
        }
        ConnectError::Response(error @ ResponseError::ClosedBeforeResponse) if target.starts_with("ws:") => {
            format!("{target}: {error} If it speaks TLS, use wss://")
        }
        ConnectError::Response(error) => {
            format!("{target} is no WebSocket server as it should be: {error}")
        }
        ConnectError::Resolve(error) => format!("cannot find the address of {first}: {error}"),
        ConnectError::Connect(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            let who = if way.proxy.is_some() { "proxy" } else { "server" };
            format!("cannot connect to {first}: {error}; is the {who} running?")
        }
        ConnectError::Connect(error) => format!("cannot connect to {first}: {error}"),
        ConnectError::Proxy(error) => format!("{first}: {error}"),
        ConnectError::Tls(fault) => format!("{target}: {}", tls_fault(fault, way.ca)),
        ConnectError::Http2(Http2Failure::NotSpoken | Http2Failure::NotAllowed) => {
            format!(
                "{target}: {root}; --http auto falls back to HTTP/1.1 over wss://, and without --http2 it is asked for alone"
            )
        }
        ConnectError::Http2(Http2Failure::Protocol(_) | Http2Failure::Ended) if target.starts_with("ws:") => {
            format!("{target}: {root}; without TLS --http2 is for servers that are known to speak it")
        }
        ConnectError::Timeout(_) => format!("{target}: {root}; see --connect-timeout"),
        root => format!("{target}: {root}"),
    };
    output.note(text);
}

fn shown(target: &Target) -> String {
    one_line(target.to_string().as_bytes())
}

/// Shows the answer of a server that refuses.
fn show_refusal(output: &mut Output, response: &RefusedResponse, advice: &str) {
    output.note(format_args!("{response}{advice}"));
    show_head(output, '<', response.head().bytes());
    let body = response.body();
    let shown = &body[..body.len().min(SHOWN_BODY)];
    let mut lines = lines_of(shown);
    for line in lines.by_ref().take(SHOWN_LINES) {
        output.note(format_args!("  {}", one_line(line)));
    }
    if lines.next().is_some() || shown.len() < body.len() || response.is_truncated() {
        output.note("  ... and more");
    }
}

/// Returns advice to follow the server's answer; empty if there is none.
fn advice(target: &str, asked: Asked, response: &RefusedResponse) -> String {
    match response.status() {
        200..=299 => " A web server answers there, and no WebSocket: is the path right?".to_owned(),
        301 | 302 | 303 | 307 | 308 if !asked.redirects && response.header("location").is_some() => {
            " --redirects 1 follows it.".to_owned()
        }
        401 if !asked.credentials => " --auth USER:PASSWORD or --bearer TOKEN says who asks.".to_owned(),
        403 if !asked.origin => match origin_of(target) {
            Some(origin) => format!(" Some servers want the Origin of a page: -o {origin} sends one."),
            None => String::new(),
        },
        404 => " Is the path right?".to_owned(),
        _ => String::new(),
    }
}

/// Returns the origin that the server's own pages would have.
fn origin_of(target: &str) -> Option<String> {
    let (scheme, rest) = target.split_once("://")?;
    let authority = rest.split(['/', '?', ' ']).next()?;
    let scheme = if scheme == "wss" { "https" } else { "http" };
    Some(format!("{scheme}://{authority}"))
}

/// Shows the lines of an HTTP head without credentials.
pub(super) fn show_head(output: &mut Output, direction: char, bytes: &[u8]) {
    for line in lines_of(bytes) {
        output.note(format_args!("{direction} {}", without_secret(one_line(line))));
    }
}

/// Returns why TLS has failed, and what may help.
fn tls_fault(fault: &io::Error, ca: Option<&str>) -> String {
    use rustls::AlertDescription::{BadCertificate, CertificateRequired, HandshakeFailure};
    use rustls::{CertificateError, Error};
    let Some(error) = tls_error(fault) else { return format!("TLS failed: {fault}") };
    let words = explain_certificate(error).unwrap_or_else(|| format!("TLS failed: {error}"));
    let advice = match (error, ca) {
        (Error::InvalidCertificate(CertificateError::UnknownIssuer), None) => {
            "; trust it, or whoever has issued it, with --ca FILE, or accept any with -k"
        }
        (Error::InvalidCertificate(CertificateError::UnknownIssuer), Some(ca)) => {
            return format!(
                "{words}: neither it nor whoever has issued it is in {ca}; -k accepts any certificate"
            );
        }
        (Error::InvalidCertificate(CertificateError::Other(_) | CertificateError::BadSignature), _) => {
            "; --ca FILE trusts a certificate itself, -k accepts any"
        }
        (Error::InvalidCertificate(_), _) => "; -k accepts any certificate",
        (Error::InvalidMessage(_), _) => "; does the server speak TLS there? ws:// is without",
        (Error::AlertReceived(BadCertificate | CertificateRequired | HandshakeFailure), _) => {
            "; if the server wants a certificate of you, see --cert"
        }
        _ => "",
    };
    format!("{words}{advice}")
}

/// Returns the lines that are not empty.
fn lines_of(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = bytes.split(|&byte| byte == b'\n');
    lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line)).filter(|line| !line.is_empty())
}
