//! Which certificates a server presents, and which clients it accepts.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::RootCertStore;
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::Ticketer;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{
    ClientHello, ParsedCertificate, ResolvesServerCert, ServerConfig, UnbufferedServerConnection,
    WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;

use super::error::TlsConfigError;
use super::files::{certificates, private_key, unusable};

/// The configuration of every TLS connection of a server. Clones share it.
///
/// The cryptography is from `ring`: it needs only a C compiler and builds in seconds, where `aws-lc` would need more.
///
/// ```no_run
/// use bowsprit::tls::TlsServer;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tls = TlsServer::builder()
///     .certificate("example.com.pem", "example.com.key") // also for clients that name no server
///     .certificate("example.org.pem", "example.org.key")
///     .build()?;
/// // Later, when the files have been renewed. Open connections stay as they are.
/// tls.reload()?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct TlsServer {
    shared: Arc<Shared>,
}

struct Shared {
    recipe: TlsServerBuilder,
    config: RwLock<Arc<ServerConfig>>,
}

/// Whether clients have to present a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientCertificate {
    /// A client without a certificate is accepted; a client with a bad one is not.
    Optional,
    /// A client without a certificate is not accepted.
    Required,
}

impl TlsServer {
    /// Returns a builder without certificates.
    pub fn builder() -> TlsServerBuilder {
        TlsServerBuilder {
            sources: Vec::new(),
            clients: None,
            #[cfg(feature = "http2")]
            http2: false,
        }
    }

    /// Presents this certificate chain, the server's own certificate first. Both files are PEM or DER.
    ///
    /// # Errors
    ///
    /// Those of [`TlsServerBuilder::build`].
    pub fn from_files(chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, TlsConfigError> {
        Self::builder().certificate(chain, key).build()
    }

    /// Takes a `rustls` configuration made elsewhere. [`reload`](Self::reload) does not change it. Early data is not
    /// accepted, even if the configuration allows it.
    ///
    /// This is the way to use a cryptography provider other than `ring`:
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use bowsprit::tls::TlsServer;
    /// use bowsprit::tls::rustls::crypto::CryptoProvider;
    /// use bowsprit::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    /// use bowsprit::tls::rustls::{Error, ServerConfig};
    ///
    /// fn server(
    ///     provider: CryptoProvider, // as `rustls::crypto::aws_lc_rs::default_provider()`
    ///     chain: Vec<CertificateDer<'static>>,
    ///     key: PrivateKeyDer<'static>,
    /// ) -> Result<TlsServer, Error> {
    ///     let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
    ///         .with_safe_default_protocol_versions()?
    ///         .with_no_client_auth()
    ///         .with_single_cert(chain, key)?;
    ///     config.alpn_protocols = vec![b"http/1.1".to_vec()];
    ///     Ok(TlsServer::from_config(Arc::new(config)))
    /// }
    /// ```
    pub fn from_config(mut config: Arc<ServerConfig>) -> Self {
        if config.max_early_data_size > 0 {
            Arc::make_mut(&mut config).max_early_data_size = 0;
        }
        Self { shared: Arc::new(Shared { recipe: Self::builder(), config: RwLock::new(config) }) }
    }

    /// Reads all files again. New connections use what the files contain now; existing connections keep what they have.
    /// If something is wrong with a file, nothing changes.
    ///
    /// Earlier TLS sessions are not resumed, so that every client gets the new certificates and is checked against the
    /// new authorities.
    ///
    /// # Errors
    ///
    /// Those of [`TlsServerBuilder::build`].
    pub fn reload(&self) -> Result<(), TlsConfigError> {
        if self.shared.recipe.sources.is_empty() {
            return Ok(());
        }
        let config = self.shared.recipe.config()?;
        *self.shared.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.shared.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns a TLS connection for a client that has connected.
    ///
    /// # Errors
    ///
    /// [`TlsConfigError::Tls`] if `rustls` cannot make one.
    pub fn connection(&self) -> Result<UnbufferedServerConnection, TlsConfigError> {
        let config = self.current();
        UnbufferedServerConnection::new(config).map_err(TlsConfigError::Tls)
    }

    /// Returns a connection for a client that only gets a response, which is an HTTP/1.1 one: HTTP/2 is not offered.
    ///
    /// # Errors
    ///
    /// Those of [`connection`](Self::connection).
    #[cfg(feature = "event-loop")]
    pub(crate) fn connection_of_http1(&self) -> Result<UnbufferedServerConnection, TlsConfigError> {
        let config = self.current();
        let mut config = Arc::unwrap_or_clone(config);
        config.alpn_protocols.retain(|protocol| protocol != b"h2");
        UnbufferedServerConnection::new(Arc::new(config)).map_err(TlsConfigError::Tls)
    }
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsServer")
    }
}

/// Builds a [`TlsServer`].
pub struct TlsServerBuilder {
    sources: Vec<Source>,
    clients: Option<(PathBuf, ClientCertificate)>,
    #[cfg(feature = "http2")]
    http2: bool,
}

enum Source {
    Files { chain: PathBuf, key: PathBuf },
    Memory { chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static> },
}

impl TlsServerBuilder {
    /// Presents this certificate chain, the server's own certificate first, to clients that name a server that it is
    /// for (SNI). The first chain added is also presented to all other clients. Both files are PEM or DER.
    #[must_use]
    pub fn certificate(mut self, chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        self.sources.push(Source::Files { chain: chain.as_ref().into(), key: key.as_ref().into() });
        self
    }

    /// Presents a chain as [`certificate`](Self::certificate) does, but takes the chain and its key from memory.
    #[must_use]
    pub fn identity(mut self, chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Self {
        self.sources.push(Source::Memory { chain, key });
        self
    }

    /// Requests a client certificate signed by one of these authorities. The file is PEM or DER.
    #[must_use]
    pub fn client_certificates(mut self, authorities: impl AsRef<Path>, demand: ClientCertificate) -> Self {
        self.clients = Some((authorities.as_ref().into(), demand));
        self
    }

    /// Offers HTTP/2 besides HTTP/1.1 (ALPN `h2`). The code that accepts the connections has to support HTTP/2, as an
    /// event loop does.
    #[cfg(feature = "http2")]
    #[must_use]
    pub const fn http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// Reads the files and builds the server.
    ///
    /// # Errors
    ///
    /// [`TlsConfigError::NoCertificate`] if no certificate was added, [`TlsConfigError::Pem`] if a file cannot be
    /// read or contains nothing usable, [`TlsConfigError::Tls`] if a certificate and its key do not match.
    pub fn build(self) -> Result<TlsServer, TlsConfigError> {
        let config = RwLock::new(self.config()?);
        Ok(TlsServer { shared: Arc::new(Shared { recipe: self, config }) })
    }

    fn config(&self) -> Result<Arc<ServerConfig>, TlsConfigError> {
        if self.sources.is_empty() {
            return Err(TlsConfigError::NoCertificate);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let keys: Result<_, _> = self.sources.iter().map(|source| source.load(&provider)).collect();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsConfigError::Tls)?;
        let builder = match &self.clients {
            None => builder.with_no_client_auth(),
            Some((path, demand)) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(TlsConfigError::Tls)?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                let verifier = match demand {
                    ClientCertificate::Optional => verifier.allow_unauthenticated(),
                    ClientCertificate::Required => verifier,
                };
                let verifier = verifier.build().map_err(|error| unusable(path, error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(ByName { keys: keys? }));
        // Sessions are resumed by tickets, which the clients keep (RFC 8446 §4.6.1, RFC 5077), so a client may come
        // back on any thread. The ticket key belongs to this configuration alone, and changes every six hours.
        config.ticketer = Ticketer::new().map_err(TlsConfigError::Tls)?;
        // RFC 6455 runs over HTTP/1.1. A client that only offers other protocols is refused (RFC 7301 §3.2).
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        #[cfg(feature = "http2")]
        if self.http2 {
            config.alpn_protocols.insert(0, b"h2".to_vec());
        }
        Ok(Arc::new(config))
    }
}

impl Source {
    fn load(&self, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsConfigError> {
        let (chain, key) = match self {
            Source::Memory { chain, key } => (chain.clone(), key.clone_key()),
            Source::Files { chain, key } => (certificates(chain)?, private_key(key)?),
        };
        CertifiedKey::from_der(chain, key, provider).map(Arc::new).map_err(TlsConfigError::Tls)
    }
}

impl fmt::Debug for TlsServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut builder = f.debug_struct("TlsServerBuilder");
        builder.field("certificates", &self.sources.len()).field("clients", &self.clients).finish()
    }
}

/// Selects a certificate by the name that the client asks for.
#[derive(Debug)]
struct ByName {
    /// At least one.
    keys: Vec<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let fits = |key: &&Arc<CertifiedKey>| {
            let certificate = key.cert.first().and_then(|der| ParsedCertificate::try_from(der).ok());
            match (&certificate, &name) {
                (Some(certificate), Some(name)) => verify_server_name(certificate, name).is_ok(),
                _ => false,
            }
        };
        let found = if self.keys.len() > 1 { self.keys.iter().find(fits) } else { None };
        found.or_else(|| self.keys.first()).cloned()
    }
}
