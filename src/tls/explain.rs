//! Explains in words what is wrong with a server's certificate.

use std::io;

use rustls::CertificateError as Certificate;

use super::tls_error;

/// The command that makes a certificate for a server on this machine, of the kind that clients accept.
const MAKE_ONE: &str = "openssl req -x509 -newkey rsa:2048 -nodes -days 365 -keyout key.pem -out cert.pem \
                        -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
                        -addext basicConstraints=critical,CA:FALSE";

/// Explains why a server's certificate was not accepted. Returns `None` if the error is about something else.
pub fn explain_certificate(error: &rustls::Error) -> Option<String> {
    let rustls::Error::InvalidCertificate(fault) = error else { return None };
    Some(match fault {
        Certificate::UnknownIssuer => "nobody who is trusted has issued the server's certificate".to_owned(),
        Certificate::BadSignature => {
            "whoever is trusted under the name of the issuer has not signed the server's certificate"
                .to_owned()
        }
        Certificate::NotValidForNameContext { expected, presented } => {
            let names: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
            let expected = expected.to_str();
            if names.is_empty() {
                format!(
                    "the server's certificate has no subjectAltName, which is where a client looks for {expected}; one \
                     that has is made by: {MAKE_ONE}"
                )
            } else {
                format!("the server's certificate is for {}, and not for {expected}", names.join(", "))
            }
        }
        Certificate::NotValidForName => "the server's certificate is for another name".to_owned(),
        Certificate::Expired | Certificate::ExpiredContext { .. } => {
            "the server's certificate has expired (or the clock of this machine is wrong)".to_owned()
        }
        Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet (or the clock of this machine is wrong)".to_owned()
        }
        Certificate::Revoked => "the server's certificate was revoked".to_owned(),
        _ if is_ca_as_server(error) => format!(
            "the server shows as its own a certificate that is for authorities (CA:TRUE, as openssl req -x509 makes \
             them): name that certificate itself as trusted, or make one for servers: {MAKE_ONE}"
        ),
        other => format!("the server's certificate cannot be used: {other}"),
    })
}

/// Explains a failed read, write or connection attempt if it is about a certificate, and otherwise returns the error's
/// own text.
pub fn explain_io(error: &io::Error) -> String {
    tls_error(error).and_then(explain_certificate).unwrap_or_else(|| error.to_string())
}

/// Returns whether the server has presented a CA certificate as its own.
pub(super) fn is_ca_as_server(error: &rustls::Error) -> bool {
    let rustls::Error::InvalidCertificate(Certificate::Other(other)) = error else { return false };
    other.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity)
}

/// Returns the name without its kind: `example.com` for `DnsName("example.com")`.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').map_or(name, |(_, rest)| rest.trim_end_matches(')'));
    inner.trim_matches('"')
}
