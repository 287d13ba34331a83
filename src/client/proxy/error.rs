//! Why there is no way through a proxy.

use std::fmt;

use crate::handshake::HeadError;

/// Why there is no way through a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyError {
    /// The proxy's URL cannot be used.
    Url,
    /// The environment variable with this name cannot be used.
    Variable(String, Box<ProxyError>),
    /// The host cannot be expressed to the proxy.
    Host,
    /// The user name or password cannot be sent.
    Credentials,
    /// The proxy requires credentials, or other ones.
    Authentication,
    /// The proxy accepts only these authentication schemes, and we support only Basic (RFC 9110 §11.7.1).
    Schemes(Vec<String>),
    /// The proxy refuses with this HTTP status.
    Status(u16),
    /// The proxy refuses with this SOCKS code (RFC 1928 §6).
    Socks(u8),
    /// The proxy's HTTP answer is faulty.
    Head(HeadError),
    /// The proxy's answer is not SOCKS version 5.
    Garbage,
    /// The proxy sent more than its answer.
    EarlyBytes,
    /// The proxy closed the connection without an answer.
    Closed,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url => f.write_str(
                "use a proxy such as http://host:3128, socks5://user:password@host or socks5h://host:1080",
            ),
            Self::Variable(name, error) => write!(f, "{name}: {error}"),
            Self::Host => f.write_str("the host cannot be named to the proxy"),
            Self::Credentials => f.write_str("the user name or password cannot be sent to the proxy"),
            Self::Authentication => {
                f.write_str("the proxy asks for a user name and a password, or for others")
            }
            Self::Schemes(schemes) => {
                let schemes = schemes.join(" or ");
                write!(f, "the proxy asks for {schemes}; of what proxies ask for only Basic is spoken here")
            }
            Self::Status(status) => write!(f, "the proxy refuses with status {status}"),
            Self::Socks(code) => write!(f, "the proxy refuses: {} ({code})", reply_text(*code)),
            Self::Head(error) => write!(f, "the proxy's answer is faulty: {error}"),
            Self::Garbage => f.write_str("the proxy's answer is not SOCKS version 5"),
            Self::EarlyBytes => f.write_str("the proxy sends more than its answer"),
            Self::Closed => f.write_str("the proxy closed the connection without an answer"),
        }
    }
}

impl std::error::Error for ProxyError {}

/// Returns the meaning of a reply code (RFC 1928 §6).
const fn reply_text(code: u8) -> &'static str {
    match code {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "time to live expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "unknown code",
    }
}
