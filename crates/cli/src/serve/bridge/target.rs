//! The far end, as named on the command line.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;

use super::framing::Framing;

/// The far end of each WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Target {
    /// A host and a port, with the addresses that the host had when the server started.
    Tcp(String, Vec<SocketAddr>),
    /// A Unix-domain socket.
    Unix(PathBuf),
    /// A shell command.
    Exec(String),
}

impl Target {
    /// Parses a far end; `None` if the text is not one.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with it.
    pub(in crate::serve) fn parse(text: &str) -> Option<Result<Self, String>> {
        let (kind, rest) = text.split_once(':')?;
        Some(match kind {
            "tcp" => tcp(rest),
            "unix" if rest.is_empty() => Err("use unix:PATH".to_owned()),
            "unix" => Ok(Self::Unix(rest.into())),
            "exec" if rest.trim().is_empty() => Err("use exec:COMMAND".to_owned()),
            "exec" => Ok(Self::Exec(rest.to_owned())),
            _ => return None,
        })
    }

    pub(super) const fn usual_framing(&self) -> Framing {
        match self {
            Self::Exec(_) => Framing::Lines,
            Self::Tcp(..) | Self::Unix(_) => Framing::Bytes,
        }
    }
}

fn tcp(text: &str) -> Result<Target, String> {
    let addresses = text.to_socket_addrs();
    let addresses: Vec<_> =
        addresses.map_err(|error| format!("{error}; use tcp:HOST:PORT such as tcp:127.0.0.1:22"))?.collect();
    if addresses.is_empty() {
        Err("that name has no address".to_owned())
    } else {
        Ok(Target::Tcp(text.to_owned(), addresses))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(text, _) => f.write_str(text),
            Self::Unix(path) => path.display().fmt(f),
            Self::Exec(command) => write!(f, "`{command}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let address: SocketAddr = "127.0.0.1:22".parse().unwrap();
        for (text, target) in [
            ("tcp:127.0.0.1:22", Target::Tcp("127.0.0.1:22".into(), vec![address])),
            ("unix:/run/a:b", Target::Unix("/run/a:b".into())),
            ("exec:echo a:b", Target::Exec("echo a:b".into())),
        ] {
            assert_eq!(Target::parse(text), Some(Ok(target)));
        }
        for text in ["tcp:", "tcp:localhost", "tcp:22", "tcp::x", "unix:", "exec:", "exec: "] {
            assert!(matches!(Target::parse(text), Some(Err(_))), "{text}");
        }
        for text in ["echo", "udp:127.0.0.1:1", ""] {
            assert_eq!(Target::parse(text), None, "{text}");
        }
    }
}
