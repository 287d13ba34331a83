//! Which proxy to use for which server: what the environment says, and what is reached directly.

use std::net::IpAddr;

use super::Proxy;
use super::error::ProxyError;
use crate::client::target::Target;

/// Which proxy to use for which server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxySettings {
    ws: Option<Result<Proxy, ProxyError>>,
    wss: Option<Result<Proxy, ProxyError>>,
    /// Servers that are reached without a proxy.
    direct: Vec<String>,
}

impl ProxySettings {
    /// Uses no proxy at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// Uses the same proxy for every server.
    pub fn all(proxy: Proxy) -> Self {
        Self { ws: Some(Ok(proxy.clone())), wss: Some(Ok(proxy)), direct: Vec::new() }
    }

    /// Reads the environment: `ws_proxy`, `http_proxy` or `all_proxy` for `ws`, `wss_proxy`, `https_proxy` or
    /// `all_proxy` for `wss`, the first that is set and not empty, lower case before upper case, and `no_proxy`.
    ///
    /// `HTTP_PROXY` in upper case is ignored: in a program that serves CGI requests a client could set it.
    ///
    /// A variable that cannot be used is an error of [`proxy_for`](Self::proxy_for), and only for servers that it
    /// concerns.
    pub fn from_env() -> Self {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Does what [`from_env`](Self::from_env) does, with the environment that `lookup` provides.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
        let first = |names: &[&str]| {
            let (name, value) = names.iter().find_map(|name| Some((*name, set(name)?)))?;
            let proxy = Proxy::parse(value.trim());
            Some(proxy.map_err(|error| ProxyError::Variable(name.to_owned(), Box::new(error))))
        };
        let direct = set("no_proxy").or_else(|| set("NO_PROXY")).unwrap_or_default();
        Self {
            ws: first(&["ws_proxy", "WS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY"]),
            wss: first(&["wss_proxy", "WSS_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            direct: Self::list(&direct),
        }
    }

    /// Returns these settings with the servers of a list such as that of `NO_PROXY` reached directly: names (and all
    /// below them), addresses, networks such as `10.0.0.0/8`, each with or without a port, or `*` for all.
    #[must_use]
    pub fn except(mut self, list: &str) -> Self {
        self.direct.extend(Self::list(list));
        self
    }

    fn list(text: &str) -> Vec<String> {
        let entries = text.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
        entries.map(str::to_ascii_lowercase).collect()
    }

    /// Returns the proxy for a server, if there is one.
    ///
    /// # Errors
    ///
    /// [`ProxyError::Variable`] if the environment names one that cannot be used.
    pub fn proxy_for(&self, target: &Target) -> Result<Option<&Proxy>, ProxyError> {
        let Some((host, port)) = target.host_port() else { return Ok(None) };
        if self.direct.iter().any(|entry| is_listed(entry, host, port)) {
            return Ok(None);
        }
        let proxy = if target.is_secure() { &self.wss } else { &self.ws };
        proxy.as_ref().map(Result::as_ref).transpose().map_err(Clone::clone)
    }
}

fn is_listed(entry: &str, host: &str, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    if let Ok(address) = host.parse::<IpAddr>() {
        if let Some((network, bits)) = entry.split_once('/') {
            return match (network.parse(), bits.parse()) {
                (Ok(network), Ok(bits)) => is_within(address, network, bits),
                _ => false,
            };
        }
        let plain = entry.trim_start_matches('[');
        if let Ok(listed) = plain.trim_end_matches(']').parse::<IpAddr>() {
            return listed == address;
        }
    }
    let (name, wanted) = match entry.rsplit_once(':') {
        Some((name, wanted)) => (name, Some(wanted)),
        None => (entry, None),
    };
    if wanted.is_some_and(|wanted| wanted.parse() != Ok(port)) {
        return false;
    }
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let name = name.strip_prefix("*.").or_else(|| name.strip_prefix('.')).unwrap_or(name);
    let name = name.strip_suffix('.').unwrap_or(name);
    let below = |rest: &str| rest.ends_with('.') && host.parse::<IpAddr>().is_err();
    !name.is_empty() && host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || below(rest))
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) if bits <= 32 => {
            (a.to_bits() ^ b.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) if bits <= 128 => {
            (a.to_bits() ^ b.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PXY-008.
    #[test]
    fn the_environment_and_its_exceptions() {
        let environment = |name: &str| match name {
            "http_proxy" => Some("http://plain:1".to_owned()),
            "HTTPS_PROXY" => Some("secure:2".to_owned()),
            "all_proxy" => Some("socks5://all".to_owned()),
            "no_proxy" => Some(
                "internal.example, .dot.example,10.0.0.0/8 192.0.2.7,fd00::/8,only.example:9001,[::1]".into(),
            ),
            _ => None,
        };
        let settings = ProxySettings::from_lookup(environment);
        for (url, proxy) in [
            ("ws://example.com/", Some("http://plain:1")),
            ("wss://example.com/", Some("http://secure:2")),
            ("ws://internal.example/", None),
            ("ws://INTERNAL.example./", None),
            ("ws://a.internal.example/", None),
            ("ws://notinternal.example/", Some("http://plain:1")),
            ("ws://dot.example/", None),
            ("ws://a.dot.example/", None),
            ("ws://10.1.2.3/", None),
            ("ws://11.1.2.3/", Some("http://plain:1")),
            ("ws://192.0.2.7:5/", None),
            ("ws://192.0.2.70/", Some("http://plain:1")),
            ("ws://[fd12::1]/", None),
            ("ws://[fe80::1]/", Some("http://plain:1")),
            ("ws://[::1]:7/", None),
            ("ws://only.example:9001/", None),
            ("ws://only.example/", Some("http://plain:1")),
            ("ws+unix:/run/a", None),
        ] {
            let target = Target::parse(url).unwrap();
            let found = settings.proxy_for(&target).unwrap().map(ToString::to_string);
            assert_eq!(found.as_deref(), proxy, "{url}");
        }
        let all = ProxySettings::all(Proxy::parse("a").unwrap()).except("*");
        assert_eq!(all.proxy_for(&Target::parse("ws://b/").unwrap()), Ok(None));
        let upper = ProxySettings::from_lookup(|name| (name == "HTTP_PROXY").then(|| "evil".to_owned()));
        assert_eq!(upper, ProxySettings::none());
    }

    /// A setting that cannot be used is an error only for the servers that it concerns.
    #[test]
    fn a_variable_is_judged_where_it_is_used() {
        let settings = ProxySettings::from_lookup(|name| match name {
            "all_proxy" => Some("socks://a:1".to_owned()),
            "https_proxy" => Some("http://b:2".to_owned()),
            "no_proxy" => Some("127.0.0.1".to_owned()),
            _ => None,
        });
        let proxy_for =
            |url: &str| settings.proxy_for(&Target::parse(url).unwrap()).map(|proxy| proxy.cloned());
        assert_eq!(proxy_for("ws://127.0.0.1:9001/"), Ok(None));
        assert_eq!(proxy_for("ws+unix:/run/a"), Ok(None));
        assert_eq!(proxy_for("wss://c/"), Ok(Some(Proxy::parse("b:2").unwrap())));
        let error = proxy_for("ws://c/").unwrap_err();
        assert_eq!(error, ProxyError::Variable("all_proxy".to_owned(), Box::new(ProxyError::Url)));
        assert!(error.to_string().starts_with("all_proxy: use a proxy such as http://"), "{error}");
    }
}
