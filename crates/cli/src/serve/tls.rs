//! Certificates and keys.

use std::path::PathBuf;

use bowsprit::tls::{ClientCertificate, TlsServer};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsArgs {
    /// Speak TLS, with the certificates in this PEM file, the server's own first. May be given several times, each with a
    /// --tls-key: a client gets the one for the name it asks for (SNI), or else the first. SIGHUP makes it read all
    /// files again; open connections stay.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Vec<PathBuf>,
    /// The key of the first certificate in that file, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Vec<PathBuf>,
    /// Let in only clients that show a certificate signed by an authority in this PEM file.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
    /// With --tls-client-ca, also let in clients that show no certificate.
    #[arg(long, requires = "tls_client_ca")]
    tls_client_optional: bool,
}

impl TlsArgs {
    /// Creates the TLS server, which offers HTTP/2 beside HTTP/1.1 if `http2`.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the command line or a file.
    pub(crate) fn server(&self, http2: bool) -> Result<Option<TlsServer>, String> {
        if self.tls_cert.len() != self.tls_key.len() {
            return Err("give as many --tls-key as --tls-cert, each behind the other".to_owned());
        }
        if self.tls_cert.is_empty() {
            return Ok(None);
        }
        let mut builder = TlsServer::builder();
        self.tell_of_open_keys();
        for (chain, key) in self.tls_cert.iter().zip(&self.tls_key) {
            builder = builder.certificate(chain, key);
        }
        if let Some(authorities) = &self.tls_client_ca {
            let demand = match self.tls_client_optional {
                true => ClientCertificate::Optional,
                false => ClientCertificate::Required,
            };
            builder = builder.client_certificates(authorities, demand);
        }
        if http2 {
            builder = builder.http2();
        }
        builder.build().map(Some).map_err(|error| error.to_string())
    }

    /// Warns about keys that others on this machine can read or change. They are accepted nevertheless: in a container
    /// there may be no others.
    pub(super) fn tell_of_open_keys(&self) {
        #[cfg(unix)]
        for key in &self.tls_key {
            use std::os::unix::fs::PermissionsExt as _;

            use crate::output::{one_line, warn};

            let Ok(found) = std::fs::metadata(key) else { continue }; // reading it tells
            let can = match found.permissions().mode() & 0o006 {
                0 => continue,
                0o004 => "read",
                0o002 => "change",
                _ => "read and change",
            };
            let key = one_line(key.as_os_str().as_encoded_bytes());
            warn(
                "open keys",
                format_args!("anybody on this machine can {can} the key {key}: chmod o-rw {key}"),
            );
        }
    }
}
