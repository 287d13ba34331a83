//! Which clients may connect, and messages about those that may not: each names the command that would admit them, if
//! there is one.

use bowsprit::handshake::OriginPolicy;

use super::args::Args;
use super::visit::short;
use crate::output::one_line;

impl Args {
    /// Returns which pages may connect, and by which names; `is_loopback` says that only this machine reaches the
    /// server.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the command line.
    pub(super) fn policy(&self, is_loopback: bool) -> Result<OriginPolicy, String> {
        let mut policy = match (self.any_origin, is_loopback) {
            (true, _) => OriginPolicy::any(),
            (false, true) => OriginPolicy::loopback(),
            (false, false) => OriginPolicy::same_origin(),
        };
        for origin in &self.allow_origin {
            policy = policy.allow_origin(origin).map_err(|_| wrong_origin(origin))?;
        }
        for name in &self.allow_host {
            policy = policy.allow_host(name).map_err(|_| {
                format!("--allow-host {name}: use a name or an address such as example.com, without scheme and port")
            })?;
        }
        Ok(policy)
    }
}

fn wrong_origin(origin: &str) -> String {
    let hint = match origin {
        "*" => "to let all pages in, use --any-origin".to_owned(),
        _ if !origin.contains("://") && !origin.contains('*') => {
            format!("an origin has a scheme, such as --allow-origin https://{origin}")
        }
        _ => "use an origin such as https://example.com, https://*.example.com for all names below it, \
              http://localhost:* for all ports, or null"
            .to_owned(),
    };
    format!("--allow-origin {origin}: {hint}")
}

/// Describes a page that was refused.
pub(super) fn origin(policy: &OriginPolicy, origin: &str) -> String {
    let shown = short(one_line(origin.as_bytes()));
    if is_plain(origin) && policy.clone().allow_origin(origin).is_ok() {
        format!("refused a page of {shown}; --allow-origin {origin} would let it in")
    } else {
        format!("refused a page that calls its origin {shown}; only --any-origin would let it in")
    }
}

/// Describes a browser's request for a name that is not known.
pub(super) fn host(policy: &OriginPolicy, host: &str) -> String {
    let shown = short(one_line(host.as_bytes()));
    // The port does not matter, and a literal IPv6 address has colons of its own.
    let name = host.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map_or(host, |(name, _)| name);
    if is_plain(name) && policy.clone().allow_host(name).is_ok() {
        format!("refused a browser that calls this server {shown}; if that is its name: --allow-host {name}")
    } else {
        format!("refused a browser that calls this server {shown}; only --any-origin would let it in")
    }
}

/// Returns whether a text may be pasted into a shell, because nothing in it has a special meaning there.
fn is_plain(text: &str) -> bool {
    text.len() <= 200 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/[]+".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the value after `flag` in a hint.
    fn value<'a>(hint: &'a str, flag: &str) -> Option<&'a str> {
        hint.split_once(flag).map(|(_, rest)| rest.trim_start().split(' ').next().unwrap())
    }

    #[test]
    fn what_a_hint_says_works() {
        for from in [
            "https://example.com",
            "http://localhost:3000",
            "http://localhost/",
            "file://",
            "null",
            "chrome-extension://abcdef",
            "capacitor://localhost",
            "http://[::1]:80",
            "https://a.example/path/x",
        ] {
            let hint = origin(&OriginPolicy::loopback(), from);
            let policy =
                OriginPolicy::loopback().allow_origin(value(&hint, "--allow-origin").expect(&hint)).unwrap();
            assert_eq!(policy.judge(Some(from), "localhost"), Ok(()), "{hint}");
        }
        for from in
            ["about:blank", "http://a http://b", "http://a;reboot", "http://$(reboot)", "https://*.com", "x"]
        {
            let hint = origin(&OriginPolicy::loopback(), from);
            assert_eq!(value(&hint, "--allow-origin"), None, "{hint}");
            assert!(hint.contains("--any-origin"));
            assert_eq!(OriginPolicy::any().judge(Some(from), "localhost"), Ok(()));
        }
        for name in ["example.com", "example.com:9001", "[2001:db8::1]:80", "192.0.2.1", "a.b."] {
            let hint = host(&OriginPolicy::loopback(), name);
            let policy =
                OriginPolicy::loopback().allow_host(value(&hint, "--allow-host").expect(&hint)).unwrap();
            assert_eq!(policy.judge_host(name), Ok(()), "{hint}");
        }
        assert!(host(&OriginPolicy::loopback(), "a$(reboot)").contains("--any-origin"));
    }

    #[test]
    fn wrong_origins_are_told_what_is_right() {
        assert!(wrong_origin("*").contains("--any-origin"));
        let hint = wrong_origin("example.com");
        assert!(
            OriginPolicy::any().allow_origin(value(&hint, "as --allow-origin").unwrap()).is_ok(),
            "{hint}"
        );
        assert!(wrong_origin("https://a.*.com").contains("https://*.example.com"));
    }
}
