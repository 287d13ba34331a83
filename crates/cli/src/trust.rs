//! Which certificates to trust for `wss://`: the flags of every command that examines, and advice if none is trusted.

use std::fmt::Display;
use std::path::PathBuf;

use bowsprit::tls::TlsClient;

/// Named for each flag, or they would stand under the heading before them.
const TLS: &str = "TLS";

/// The flags, the same for all.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Trust {
    /// Trust these certificates (PEM or DER) and no others.
    #[arg(long, value_name = "FILE", help_heading = TLS)]
    pub(super) ca: Option<PathBuf>,
    /// Accept every certificate.
    #[arg(long, help_heading = TLS)]
    pub(super) insecure: bool,
}

impl Trust {
    pub(super) fn client(&self, http2: bool) -> Result<TlsClient, String> {
        let mut builder = TlsClient::builder();
        if http2 {
            builder = builder.alpn(["h2"]);
        }
        let builder = match &self.ca {
            Some(ca) => builder.ca_file(ca),
            None if self.insecure => Ok(builder.insecure()),
            None => builder.system_roots(),
        };
        builder.and_then(|builder| builder.build()).map_err(|error| error.to_string())
    }

    /// Returns whether any of the flags was given.
    pub(super) fn is_given(&self) -> bool {
        self.ca.is_some() || self.insecure
    }

    /// Returns the settings as flags of a command.
    pub(super) fn flags(&self) -> String {
        let ca = self.ca.as_ref().map(|ca| format!(" --ca '{}'", ca.display())).unwrap_or_default();
        if self.insecure { ca + " --insecure" } else { ca }
    }
}

/// Returns why a server was not reached, with the flags that may help.
pub(super) fn advised(url: &str, why: impl Display) -> String {
    let why = why.to_string();
    let advice = if why.contains("certificate") && !why.contains("--insecure") {
        "; --ca FILE trusts a certificate, --insecure accepts any"
    } else if why.contains("onnection refused") {
        "; is the server running?"
    } else if why.contains("InvalidContentType") && url.starts_with("wss:") {
        "; does the server speak TLS there? ws:// is without"
    } else {
        ""
    };
    why + advice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_fits() {
        for (url, why, advice) in [
            ("wss://a/", "the server's certificate has expired", "--ca FILE"),
            ("ws://a/", "Connection refused (os error 111)", "is the server running?"),
            ("wss://a/", "received corrupt message of type InvalidContentType", "ws:// is without"),
        ] {
            assert!(advised(url, why).contains(advice), "{why}");
        }
        assert_eq!(advised("ws://a/", "no answer in time"), "no answer in time");
    }
}
