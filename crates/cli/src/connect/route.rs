//! `--resolve` and `--connect-to`, as in curl: where to connect to instead, under the name of the URL.

use std::net::IpAddr;
use std::str::FromStr;

use bowsprit::client::Target;

/// Where connections for some host and port go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// The host and port of the URL; `None` means any.
    host: Option<String>,
    port: Option<u16>,
    /// The host and port to connect to; `None` means the same.
    to_host: Option<String>,
    to_port: Option<u16>,
}

impl Route {
    /// Parses `HOST:PORT:ADDRESS[,ADDRESS...]`; the host may be `*`.
    pub(super) fn resolve(text: &str) -> Result<Self, String> {
        let wrong = "use HOST:PORT:ADDRESS, such as example.com:443:127.0.0.1";
        // In curl, a + lets the entry time out, which is longer than one connection lasts.
        let (host, rest) = host(text.strip_prefix('+').unwrap_or(text)).ok_or(wrong)?;
        let (port, addresses) = rest.split_once(':').ok_or(wrong)?;
        let first = addresses.split(',').next().unwrap_or_default();
        let bare = first.strip_prefix('[').and_then(|first| first.strip_suffix(']')).unwrap_or(first);
        let address: IpAddr = bare.parse().map_err(|_| wrong)?;
        Ok(Self {
            host: Some(host).filter(|host| host != "*"),
            port: Some(port.parse().map_err(|_| wrong)?),
            to_host: Some(address.to_string()),
            to_port: None,
        })
    }

    /// Returns the host and port to connect to in place of these, if this route applies.
    fn of(&self, host: &str, port: u16) -> Option<(String, u16)> {
        let is_meant = self.host.as_deref().is_none_or(|ours| ours.eq_ignore_ascii_case(host))
            && self.port.is_none_or(|ours| ours == port);
        is_meant
            .then(|| (self.to_host.clone().unwrap_or_else(|| host.to_owned()), self.to_port.unwrap_or(port)))
    }
}

/// Parses `HOST1:PORT1:HOST2:PORT2`, each of which may be empty.
impl FromStr for Route {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "use HOST1:PORT1:HOST2:PORT2, such as example.com:443:localhost:9443; what is empty is any, or the same";
        let port = |text: &str| match text {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| wrong),
        };
        let name = |host: String| Some(host).filter(|host| !host.is_empty());
        let (from, rest) = host(text).ok_or(wrong)?;
        let (from_port, rest) = rest.split_once(':').ok_or(wrong)?;
        let (to, to_port) = host(rest).ok_or(wrong)?;
        Ok(Self { host: name(from), port: port(from_port)?, to_host: name(to), to_port: port(to_port)? })
    }
}

/// Splits off a host, which may be an IPv6 address in brackets, and returns what follows the colon after it.
fn host(text: &str) -> Option<(String, &str)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        return Some((address.to_owned(), rest.strip_prefix(':')?));
    }
    let (host, rest) = text.split_once(':')?;
    Some((host.to_owned(), rest))
}

/// Returns where to connect to in place of the target: its URL, and the host in it.
pub(super) fn choose(routes: &[Route], target: &Target) -> Option<(String, String)> {
    let Target::Host(url) = target else { return None };
    let (host, port) = routes.iter().find_map(|route| route.of(url.host(), url.port()))?;
    let scheme = if url.is_secure() { "wss" } else { "ws" };
    let authority = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    Some((format!("{scheme}://{authority}{}", url.resource()), host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes() {
        for (route, url, chosen) in [
            (Route::resolve("a:80:127.0.0.1"), "ws://a/x?y", Some(("ws://127.0.0.1:80/x?y", "127.0.0.1"))),
            (Route::resolve("A:443:[::1],127.0.0.1"), "wss://a", Some(("wss://[::1]:443/", "::1"))),
            (Route::resolve("+*:80:::1"), "ws://b", Some(("ws://[::1]:80/", "::1"))),
            (Route::resolve("a:81:127.0.0.1"), "ws://a", None),
            (Route::resolve("b:80:127.0.0.1"), "ws://a", None),
            ("a:80:b:81".parse(), "ws://a", Some(("ws://b:81/", "b"))),
            ("::b:81".parse(), "ws://a", Some(("ws://b:81/", "b"))),
            ("a::b:".parse(), "ws://a:9", Some(("ws://b:9/", "b"))),
            (":::81".parse(), "ws://a", Some(("ws://a:81/", "a"))),
            ("[::1]:80:[::2]:81".parse(), "ws://[::1]/", Some(("ws://[::2]:81/", "::2"))),
            ("a:80:b:81".parse(), "ws+unix:/a", None),
        ] {
            let route = route.unwrap();
            let found = choose(std::slice::from_ref(&route), &Target::parse(url).unwrap());
            assert_eq!(found, chosen.map(|(url, host)| (url.to_owned(), host.to_owned())), "{route:?} {url}");
        }
        for text in ["", "a", "a:80", "a:80:b", "a:x:127.0.0.1", "a:80:", "[::1:80:127.0.0.1"] {
            assert!(Route::resolve(text).is_err(), "{text}");
        }
        for text in ["", "a", "a:80", "a:80:b", "a:x:b:1", "a:1:b:65536"] {
            assert!(text.parse::<Route>().is_err(), "{text}");
        }
    }
}
