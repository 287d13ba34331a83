//! Why there is no connection, in words.

use std::io;

use bowsprit::client::ConnectError;
use bowsprit::handshake::{HeadError, RefusedResponse, ResponseError};
use bowsprit::tls::{rustls, tls_error};

use super::output::Output;
use crate::deflate::faulty;
use crate::output::one_line;

/// The most bytes shown of the body of a refusal.
const SHOWN_BODY: usize = 4096;

/// Says why `target` was not reached; `proxy` is the one before it.
pub(super) fn tell(output: &mut Output, target: &str, proxy: Option<&str>, error: &ConnectError) {
    // Whom we look up and connect to.
    let first = match proxy {
        Some(proxy) => format!("the proxy {proxy}"),
        None => target.to_owned(),
    };
    let text = match error {
        ConnectError::Response(ResponseError::Refused(response)) => return show_refusal(output, response),
        ConnectError::Response(ResponseError::Head(HeadError::NotHttp)) if target.starts_with("ws:") => {
            format!("{target} does not speak HTTP; if the server speaks TLS, use wss://")
        }
        ConnectError::Response(ResponseError::Deflate(error)) => format!("{target}: {}", faulty(*error)),
        ConnectError::Response(error) => {
            format!("{target} is no WebSocket server as it should be: {error}")
        }
        ConnectError::Resolve(error) => format!("cannot find the address of {first}: {error}"),
        ConnectError::Connect(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            format!("cannot connect to {first}: {error}; is the server running?")
        }
        ConnectError::Connect(error) => format!("cannot connect to {first}: {error}"),
        ConnectError::Proxy(error) => format!("{first}: {error}"),
        ConnectError::Tls(fault) => format!("{target}: {error}{}", advice(fault)),
        ConnectError::Timeout(_) => format!("{target}: {error}; see --connect-timeout"),
        error => format!("{target}: {error}"),
    };
    output.note(text);
}

/// The answer of a server that refuses.
fn show_refusal(output: &mut Output, response: &RefusedResponse) {
    output.note(response);
    show_head(output, '<', response.head().bytes());
    let body = response.body();
    let shown = &body[..body.len().min(SHOWN_BODY)];
    for line in lines_of(shown) {
        output.note(format_args!("  {}", one_line(line)));
    }
    if shown.len() < body.len() || response.is_truncated() {
        output.note("  ... and more");
    }
}

/// The lines of an HTTP head.
pub(super) fn show_head(output: &mut Output, direction: char, bytes: &[u8]) {
    for line in lines_of(bytes) {
        output.note(format_args!("{direction} {}", one_line(line)));
    }
}

/// What may help where TLS has failed.
fn advice(fault: &io::Error) -> &'static str {
    use rustls::AlertDescription::{BadCertificate, CertificateRequired, HandshakeFailure};
    match tls_error(fault) {
        Some(rustls::Error::InvalidCertificate(_)) => "; see --ca, or --insecure",
        Some(rustls::Error::InvalidMessage(_)) => "; does the server speak TLS there? ws:// is without",
        Some(rustls::Error::AlertReceived(BadCertificate | CertificateRequired | HandshakeFailure)) => {
            "; see --cert"
        }
        _ => "",
    }
}

/// The lines that hold something.
fn lines_of(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = bytes.split(|&byte| byte == b'\n');
    lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line)).filter(|line| !line.is_empty())
}
