//! Options for the request of every command that connects: header fields, an Origin, subprotocols, credentials.

use bowsprit::client::ClientConfig;
use bowsprit::handshake::{ClientHandshake, HeaderField};

use super::values::{header, origin};

/// Their heading in `--help`.
pub(super) const HEADING: &str = "The request";

/// The flags, the same for all.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct RequestArgs {
    /// A header for the request, Host included; may be repeated. What the handshake writes itself is left out.
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = header, help_heading = HEADING)]
    pub(super) header: Vec<HeaderField>,
    /// The value of Origin.
    #[arg(short = 'o', long, value_name = "ORIGIN", value_parser = origin, help_heading = HEADING)]
    pub(super) origin: Option<String>,
    /// Subprotocols to offer, the preferred one first.
    #[arg(short = 's', long, value_name = "NAME", value_delimiter = ',', help_heading = HEADING)]
    pub(super) subprotocol: Vec<String>,
    /// Basic authentication.
    #[arg(long, visible_alias = "basic", value_name = "USER:PASSWORD", conflicts_with = "bearer", help_heading = HEADING)]
    pub(super) auth: Option<String>,
    /// Authentication by a token.
    #[arg(long, value_name = "TOKEN", help_heading = HEADING)]
    pub(super) bearer: Option<String>,
}

impl RequestArgs {
    /// Adds the options to a client configuration. Returns it with the names of the header fields that were left out.
    pub(super) fn apply(&self, mut config: ClientConfig) -> Result<(ClientConfig, Vec<String>), String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        if let Some(origin) = &self.origin {
            config = config.origin(origin).map_err(|error| text(&error))?;
        }
        for name in &self.subprotocol {
            config = config.subprotocol(name).map_err(|error| text(&error))?;
        }
        let (mut config, left_out) = add(config, &self.header, self.origin.is_some())?;
        if let Some(auth) = &self.auth {
            let (user, password) = auth.split_once(':').ok_or("use --auth USER:PASSWORD")?;
            config = config.basic_auth(user, password).map_err(|error| text(&error))?;
        }
        if let Some(token) = &self.bearer {
            config = config.bearer_auth(token).map_err(|error| text(&error))?;
        }
        Ok((config, left_out))
    }

    /// Returns whether the request names a page as its origin.
    pub(super) fn names_origin(&self) -> bool {
        self.origin.is_some() || self.has("origin")
    }

    /// Returns whether the request has credentials; the user-info of a URL counts, too.
    pub(super) fn has_credentials(&self) -> bool {
        self.auth.is_some() || self.bearer.is_some() || self.has("authorization") || self.has("cookie")
    }

    fn has(&self, name: &str) -> bool {
        self.header.iter().any(|field| field.name().eq_ignore_ascii_case(name) && !field.value().is_empty())
    }

    /// Returns the Host field, and the lines that the options and the user-info of the URL add to a request, for
    /// callers that write requests themselves.
    pub(super) fn lines(&self, url: &str) -> Result<(String, Vec<String>), String> {
        const OWN: [&str; 5] =
            ["host", "upgrade", "connection", "sec-websocket-key", "sec-websocket-version"];
        let (config, _) = self.apply(ClientConfig::new(url).map_err(|error| error.to_string())?)?;
        let handshake = ClientHandshake::new(config.request().clone(), [0; 16]);
        let head = String::from_utf8_lossy(handshake.request()).into_owned();
        let lines = head.split("\r\n").skip(1).filter(|line| {
            line.split_once(':').is_some_and(|(name, _)| !OWN.contains(&&*name.to_ascii_lowercase()))
        });
        let host = head.split("\r\n").find_map(|line| line.strip_prefix("Host: ")).unwrap_or_default();
        Ok((host.to_owned(), lines.map(str::to_owned).collect()))
    }

    /// Returns equivalent flags for showing a command, without what may be secret.
    pub(super) fn flags(&self) -> String {
        let mut out = String::new();
        for field in &self.header {
            out += &format!(" --header '{}: ...'", field.name());
        }
        for (flag, value) in [
            ("origin", &self.origin),
            ("subprotocol", &Some(self.subprotocol.join(",")).filter(|all| !all.is_empty())),
        ] {
            if let Some(value) = value {
                out += &format!(" --{flag} '{value}'");
            }
        }
        for (flag, value) in [("auth", &self.auth), ("bearer", &self.bearer)] {
            if value.is_some() {
                out += &format!(" --{flag} ...");
            }
        }
        out
    }
}

/// Adds the fields to the request. Returns those that were left out because the handshake writes them itself.
///
/// This way a request that a browser has copied "as cURL" can be pasted. A field without a value is left out, too, as
/// in curl.
fn add(
    mut config: ClientConfig,
    fields: &[HeaderField],
    has_origin: bool,
) -> Result<(ClientConfig, Vec<String>), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let mut left_out = Vec::new();
    for field in fields {
        let (name, value) = (field.name(), field.value());
        match &*name.to_ascii_lowercase() {
            _ if value.is_empty() => {}
            "host" => config = config.host(value).map_err(|error| text(&error))?,
            // The flag says it more plainly.
            "origin" if has_origin => left_out.push(name.to_owned()),
            "origin" => config = config.origin(value).map_err(|error| text(&error))?,
            "sec-websocket-protocol" => {
                for protocol in value.split(',').map(str::trim).filter(|protocol| !protocol.is_empty()) {
                    if !config.request().subprotocols().iter().any(|offered| offered == protocol) {
                        config = config.subprotocol(protocol).map_err(|error| text(&error))?;
                    }
                }
            }
            "upgrade" | "connection" | "content-length" | "transfer-encoding" => {
                left_out.push(name.to_owned())
            }
            lower if lower.starts_with("sec-websocket-") => left_out.push(name.to_owned()),
            _ => config = config.header(name, value).map_err(|error| text(&error))?,
        }
    }
    Ok((config, left_out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_what_is_asked_for_and_the_user_info() {
        let args = RequestArgs {
            header: vec![header("X-Room: 7").unwrap()],
            origin: Some("http://a.example".into()),
            subprotocol: vec!["chat".into(), "talk".into()],
            ..RequestArgs::default()
        };
        let (host, mut lines) = args.lines("ws://user:secret@localhost/").unwrap();
        assert_eq!(host, "localhost");
        lines.sort();
        let expected = [
            "Authorization: Basic dXNlcjpzZWNyZXQ=",
            "Origin: http://a.example",
            "Sec-WebSocket-Protocol: chat, talk",
            "X-Room: 7",
        ];
        assert_eq!(lines, expected);
        assert_eq!(RequestArgs::default().lines("ws://localhost/").unwrap().1, [""; 0]);
        let secret = RequestArgs { auth: Some("a:b".into()), ..args };
        assert_eq!(
            secret.flags(),
            " --header 'X-Room: ...' --origin 'http://a.example' --subprotocol 'chat,talk' --auth ..."
        );
    }
}
