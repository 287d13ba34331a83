//! Whom a client trusts, and which certificate it presents.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, UnbufferedClientConnection, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, KeyLog, RootCertStore, SignatureScheme};

use super::error::TlsConfigError;
use super::explain::is_ca_as_server;
use super::files::{certificates, private_key, unusable};

/// The configuration of every TLS connection of a client; cheap to clone.
///
/// ```no_run
/// use bowsprit::tls::TlsClient;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let system = TlsClient::system_roots()?; // what other programs on this machine trust
/// let own = TlsClient::builder().ca_file("ca.pem")?.client_certificate("me.pem", "me.key")?.build()?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    /// A host to connect to, and the name whose certificate it is asked for.
    renamed: Option<(String, String)>,
}

impl TlsClient {
    /// Trusts the certificates that the system trusts.
    ///
    /// # Errors
    ///
    /// [`TlsConfigError::NoRoots`] if the system has no usable certificates.
    pub fn system_roots() -> Result<Self, TlsConfigError> {
        Self::builder().system_roots()?.build()
    }

    /// Trusts Mozilla's list of certificate authorities, as of when this crate was built.
    ///
    /// # Errors
    ///
    /// None is known.
    pub fn bundled_roots() -> Result<Self, TlsConfigError> {
        Self::builder().bundled_roots().build()
    }

    /// Returns a builder that trusts nobody yet.
    pub fn builder() -> TlsClientBuilder {
        TlsClientBuilder {
            roots: RootCertStore::empty(),
            named: Vec::new(),
            identity: None,
            judge: None,
            key_log: None,
            renamed: None,
            alpn: vec![b"http/1.1".to_vec()],
        }
    }

    /// Takes a `rustls` configuration made elsewhere.
    pub fn from_config(config: Arc<ClientConfig>) -> Self {
        Self { config, renamed: None }
    }

    /// Returns a TLS connection to the server with this name or IP address, which the server's certificate must
    /// contain. The client sends a name to the server (SNI), but not an address (RFC 6066 §3).
    ///
    /// # Errors
    ///
    /// [`TlsConfigError::ServerName`] if `host` is neither a DNS name nor an IP address.
    pub fn connection(&self, host: &str) -> Result<UnbufferedClientConnection, TlsConfigError> {
        UnbufferedClientConnection::new(Arc::clone(&self.config), self.name_of(host)?)
            .map_err(TlsConfigError::Tls)
    }

    fn name_of(&self, host: &str) -> Result<ServerName<'static>, TlsConfigError> {
        // The zone of an IPv6 address has a meaning on this machine only.
        let host = host.split('%').next().unwrap_or(host);
        let host = match &self.renamed {
            Some((renamed, name)) if renamed == host => name,
            _ => host,
        };
        ServerName::try_from(host.to_owned()).map_err(|_| TlsConfigError::ServerName)
    }
}

#[cfg(feature = "http2")]
impl TlsClient {
    /// Does what [`connection`](Self::connection) does, but offers these protocols by ALPN instead of the configured
    /// ones.
    pub(crate) fn connection_offering(
        &self,
        host: &str,
        protocols: &[&str],
    ) -> Result<UnbufferedClientConnection, TlsConfigError> {
        let protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let name = self.name_of(host)?;
        UnbufferedClientConnection::new_with_alpn(Arc::clone(&self.config), name, protocols)
            .map_err(TlsConfigError::Tls)
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsClient")
    }
}

/// Builds a [`TlsClient`].
pub struct TlsClientBuilder {
    roots: RootCertStore,
    /// The roots that were added one by one: a server may present one of them as its own certificate.
    named: Vec<CertificateDer<'static>>,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    judge: Option<Judge>,
    key_log: Option<Arc<dyn KeyLog>>,
    renamed: Option<(String, String)>,
    /// The protocols to offer by ALPN.
    alpn: Vec<Vec<u8>>,
}

type Judge = Arc<dyn Fn(&Fault<'_>) -> Trust + Send + Sync>;

/// A server's certificate that failed the check, and why.
#[derive(Debug)]
#[non_exhaustive]
pub struct Fault<'a> {
    /// The name or address that the client wanted to reach.
    pub server: &'a ServerName<'a>,
    /// The certificate, in DER.
    pub certificate: &'a [u8],
    /// What is wrong with it: another name, expired, an unknown issuer.
    pub error: &'a rustls::Error,
}

/// What to do about a [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// Give up the connection.
    Refuse,
    /// Continue with the connection.
    Accept,
}

impl TlsClientBuilder {
    /// Adds the certificates that the system trusts.
    ///
    /// # Errors
    ///
    /// [`TlsConfigError::NoRoots`] if the system has no usable certificates.
    pub fn system_roots(mut self) -> Result<Self, TlsConfigError> {
        let found = rustls_native_certs::load_native_certs();
        // Some systems have certificates that cannot be parsed; the others are still used.
        let (added, _) = self.roots.add_parsable_certificates(found.certs);
        if added == 0 {
            return Err(TlsConfigError::NoRoots);
        }
        Ok(self)
    }

    /// Adds Mozilla's list of certificate authorities.
    #[must_use]
    pub fn bundled_roots(mut self) -> Self {
        self.roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        self
    }

    /// Adds the certificates in a PEM or DER file, as [`ca`](Self::ca) does.
    ///
    /// # Errors
    ///
    /// [`TlsConfigError::Pem`] if the file cannot be read, or contains no certificate or an unusable one.
    pub fn ca_file(mut self, path: impl AsRef<Path>) -> Result<Self, TlsConfigError> {
        let path = path.as_ref();
        for certificate in certificates(path)? {
            self = self.ca(certificate).map_err(|error| unusable(path, not_trusted(path, &error)))?;
        }
        Ok(self)
    }

    /// Adds a certificate to trust. The client then trusts certificates signed by it, and the certificate itself if a
    /// server presents it as its own (a self-signed one, for example), it contains the server's name and it has not
    /// expired.
    ///
    /// # Errors
    ///
    /// [`TlsConfigError::Tls`] if the bytes are not a certificate.
    pub fn ca(mut self, certificate: CertificateDer<'static>) -> Result<Self, TlsConfigError> {
        self.roots.add(certificate.clone()).map_err(TlsConfigError::Tls)?;
        self.named.push(certificate);
        Ok(self)
    }

    /// Presents this certificate chain, the client's own certificate first, to servers that request one. Both files are
    /// PEM or DER.
    ///
    /// # Errors
    ///
    /// [`TlsConfigError::Pem`] if a file cannot be read or contains nothing usable.
    pub fn client_certificate(
        self,
        chain: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsConfigError> {
        let key = private_key(key.as_ref())?;
        Ok(self.identity(certificates(chain.as_ref())?, key))
    }

    /// Presents this certificate chain, the client's own certificate first, to servers that request one.
    #[must_use]
    pub fn identity(mut self, chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Self {
        self.identity = Some((chain, key));
        self
    }

    /// Asks the server at `host` for the certificate of `name`, and checks the certificate for that name. This is for
    /// servers that are reached under a name other than their own.
    #[must_use]
    pub fn server_name(mut self, host: &str, name: &str) -> Self {
        self.renamed = Some((host.to_owned(), name.to_owned()));
        self
    }

    /// Asks `judge` before a connection fails because of a certificate, as `QWebSocket::sslErrors` does. The rest of
    /// TLS still applies: the server has to prove that the certificate is its own.
    #[must_use]
    pub fn on_fault(mut self, judge: impl Fn(&Fault<'_>) -> Trust + Send + Sync + 'static) -> Self {
        self.judge = Some(Arc::new(judge));
        self
    }

    /// Offers these protocols by ALPN (RFC 7301) instead of `http/1.1`, over which WebSocket runs in this crate.
    #[must_use]
    pub fn alpn<'a>(mut self, protocols: impl IntoIterator<Item = &'a str>) -> Self {
        self.alpn = protocols.into_iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        self
    }

    /// **Dangerous.** Accepts every certificate, so anyone between client and server can read and change everything.
    #[must_use]
    pub fn insecure(self) -> Self {
        self.on_fault(|_| Trust::Accept)
    }

    /// Writes the secrets of each connection to the file named by the environment variable `SSLKEYLOGFILE`, for
    /// Wireshark. Without this call the variable has no effect.
    #[must_use]
    pub fn key_log(mut self) -> Self {
        self.key_log = Some(Arc::new(rustls::KeyLogFile::new()));
        self
    }

    /// Appends the secrets of each connection to this file, for Wireshark. On Unix a new file is accessible to its
    /// owner only.
    ///
    /// # Errors
    ///
    /// [`TlsConfigError::KeyLog`] if the file cannot be opened for writing.
    pub fn key_log_file(mut self, path: impl AsRef<Path>) -> Result<Self, TlsConfigError> {
        let mut options = File::options();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path.as_ref());
        let file =
            file.map_err(|error| TlsConfigError::KeyLog(path.as_ref().display().to_string(), error))?;
        self.key_log = Some(Arc::new(LogFile(Mutex::new(file))));
        Ok(self)
    }

    /// Builds the client.
    ///
    /// # Errors
    ///
    /// [`TlsConfigError::NoRoots`] if nobody is trusted, [`TlsConfigError::Tls`] if the client's certificate and key do
    /// not match.
    pub fn build(self) -> Result<TlsClient, TlsConfigError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsConfigError::Tls)?;
        let usual = if self.roots.is_empty() {
            None
        } else {
            let builder =
                WebPkiServerVerifier::builder_with_provider(Arc::new(self.roots), Arc::clone(&provider));
            Some(builder.build().map_err(|_| TlsConfigError::NoRoots)?)
        };
        let builder = match (self.judge, usual) {
            (None, None) => return Err(TlsConfigError::NoRoots),
            (None, Some(usual)) if self.named.is_empty() => builder.with_webpki_verifier(usual),
            (judge, usual) => {
                let verifier = Judging { usual, named: self.named, judge, provider };
                builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
            }
        };
        let mut config = match self.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(TlsConfigError::Tls)?,
        };
        // A server that selects a protocol that was not offered is refused (RFC 7301 §3.2).
        config.alpn_protocols = self.alpn;
        config.resumption = Resumption::in_memory_sessions(64);
        if let Some(key_log) = self.key_log {
            config.key_log = key_log;
        }
        Ok(TlsClient { config: Arc::new(config), renamed: self.renamed })
    }
}

impl fmt::Debug for TlsClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut builder = f.debug_struct("TlsClientBuilder");
        builder.field("roots", &self.roots.len()).field("identity", &self.identity.is_some());
        builder.field("on_fault", &self.judge.is_some()).field("key_log", &self.key_log.is_some()).finish()
    }
}

/// A file of secrets in the format that NSS introduced: a label, the client random, the secret.
#[derive(Debug)]
struct LogFile(Mutex<File>);

impl KeyLog for LogFile {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(line.as_bytes()) {
            // A connection is worth more than its log, so it goes on.
            drop(error);
        }
    }
}

/// A verifier that makes the usual check, then accepts certificates that are trusted themselves, then asks `judge`.
struct Judging {
    usual: Option<Arc<WebPkiServerVerifier>>,
    named: Vec<CertificateDer<'static>>,
    judge: Option<Judge>,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Judging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Judging")
    }
}

impl Judging {
    /// Accepts a certificate that the usual check has refused with this error, if the certificate itself was added as
    /// trusted. Its signature does not matter then. The usual check reports an expired certificate before any of the
    /// errors that are overridden here.
    fn is_named(
        &self,
        end_entity: &CertificateDer<'_>,
        server_name: &ServerName<'_>,
        error: rustls::Error,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use CertificateError::{BadSignature, UnknownIssuer};
        let about_signer = is_ca_as_server(&error)
            || matches!(error, rustls::Error::InvalidCertificate(UnknownIssuer | BadSignature));
        if !about_signer || !self.named.iter().any(|named| named == end_entity) {
            return Err(error);
        }
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        Ok(ServerCertVerified::assertion())
    }
}

impl ServerCertVerifier for Judging {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let result = match &self.usual {
            Some(usual) => {
                usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            None => Err(rustls::CertificateError::UnknownIssuer.into()),
        };
        let result = result.or_else(|error| self.is_named(end_entity, server_name, error));
        result.or_else(|error| {
            let fault = Fault { server: server_name, certificate: end_entity, error: &error };
            match self.judge.as_ref().map(|judge| judge(&fault)) {
                Some(Trust::Accept) => Ok(ServerCertVerified::assertion()),
                Some(Trust::Refuse) | None => Err(error),
            }
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn not_trusted(path: &Path, error: &TlsConfigError) -> String {
    let file = path.display();
    format!(
        "it holds no certificate that can be read ({error}); if it is PKCS #12, take the certificates out with: \
         openssl pkcs12 -nokeys -in {file} -out certs.pem"
    )
}
