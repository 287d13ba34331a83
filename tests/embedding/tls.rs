//! TLS in the loop: names, renewal, client certificates, and streams that end without a word.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bowsprit::connection::Config;
use bowsprit::event_loop::Settings;
use bowsprit::tls::rustls::client::UnbufferedClientConnection;
use bowsprit::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use bowsprit::tls::rustls::{self, ClientConfig, RootCertStore};
use bowsprit::tls::{ClientCertificate, TlsConfigError, TlsServer, TlsStream};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::support::{Client, Hooks, LONG, Server};

/// An authority, and a place for files that goes with it.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = std::env::temp_dir().join(format!("bowsprit-tls-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    /// An authority, and a server that has a certificate of it for `a.test`.
    pub fn with_server(name: &str) -> (Self, TlsServer) {
        let authority = Self::new(name);
        authority.sign("a", "a.test");
        let tls = TlsServer::from_files(authority.path("a", "pem"), authority.path("a", "key")).unwrap();
        (authority, tls)
    }

    /// Signs a certificate for `name` and writes it and its key to files.
    fn sign(&self, file: &str, name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        fs::write(self.path(file, "pem"), certificate.pem()).unwrap();
        fs::write(self.path(file, "key"), key.serialize_pem()).unwrap();
        (certificate.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }

    fn path(&self, file: &str, kind: &str) -> PathBuf {
        self.folder.join(format!("{file}.{kind}"))
    }

    /// A client that trusts the authority.
    pub fn client(
        &self,
        identity: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => builder.with_client_auth_cert(vec![certificate], key).unwrap(),
        }
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn serve(tls: TlsServer) -> (Server, SocketAddr) {
    let mut address = None;
    let server = Server::start_with(Settings::default(), Hooks::echo(), |event_loop| {
        let any = "127.0.0.1:0".parse().unwrap();
        address = Some(event_loop.engine().listen_tls(any, tls).unwrap());
    });
    (server, address.unwrap())
}

pub type Secure = Client<TlsStream<TcpStream>>;

pub fn connect(config: &ClientConfig, address: SocketAddr, name: &str) -> io::Result<Secure> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let tls = UnbufferedClientConnection::new(Arc::new(config.clone()), name).unwrap();
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(LONG))?;
    let mut stream = TlsStream::new(tls, socket);
    stream.handshake()?;
    Ok(Client::over(stream))
}

fn shown(client: &Secure) -> &CertificateDer<'static> {
    &client.stream.tls().peer_certificates().unwrap()[0]
}

fn echo(client: &mut Secure, text: &str) {
    client.text(text);
    assert_eq!(client.next_text(), text);
}

#[test]
fn messages_of_any_size_pass() {
    let (authority, tls) = Authority::with_server("sizes");
    let (_server, address) = serve(tls);
    let mut client = connect(&authority.client(None), address, "a.test").unwrap();
    client.upgrade();
    for len in [0, 1, 125, 126, 16_383, 16_384, 70_000, 3 << 20] {
        // The whole message is on its way before the answer is read: both directions fill up.
        let text = "t".repeat(len);
        let mut writer = std::mem::take(&mut client.pending(&text));
        while !writer.is_empty() {
            let sent = client.stream.write(&writer[..writer.len().min(100_000)]).unwrap();
            writer.drain(..sent);
        }
        assert_eq!(client.next_text().len(), len);
    }
}

/// The client sends its Close frame, reads what is still on its way, then the answer, then the end: of TLS too, in order.
#[test]
fn a_close_ends_tls_too() {
    let (authority, tls) = Authority::with_server("ends");
    let (_server, address) = serve(tls);
    for len in [5, 3 << 20] {
        let mut client = connect(&authority.client(None), address, "a.test").unwrap();
        client.upgrade();
        let mut wire = client.pending(&"t".repeat(len));
        wire.extend(super::support::frame(bowsprit::frame::RawHeader::CLOSE, &1000_u16.to_be_bytes()));
        client.write(&wire);
        assert_eq!(client.next_text().len(), len);
        assert_eq!(client.next_close(), 1000);
        let rest = client.stream.read_to_end(&mut Vec::new());
        assert_eq!(rest.expect("a close_notify in front of the end"), 0);
    }
}

impl Secure {
    fn pending(&self, text: &str) -> Vec<u8> {
        super::support::frame(bowsprit::frame::RawHeader::TEXT, text.as_bytes())
    }
}

#[test]
fn each_name_gets_its_certificate_and_files_are_read_again() {
    let authority = Authority::new("names");
    let (first, _) = authority.sign("a", "a.test");
    let (second, key) = authority.sign("b", "b.test");
    let tls = TlsServer::builder()
        .certificate(authority.path("a", "pem"), authority.path("a", "key"))
        .identity(vec![second.clone()], key)
        .build()
        .unwrap();
    let (_server, address) = serve(tls.clone());
    let mut config = authority.client(None);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut old = connect(&config, address, "a.test").unwrap();
    old.upgrade();
    assert_eq!(shown(&old), &first);
    assert_eq!(old.stream.tls().alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(shown(&connect(&config, address, "b.test").unwrap()), &second);
    assert!(connect(&config, address, "c.test").is_err(), "the default certificate is not for that name");

    let (renewed, _) = authority.sign("a", "a.test");
    tls.reload().unwrap();
    assert_eq!(shown(&connect(&config, address, "a.test").unwrap()), &renewed);
    echo(&mut old, "still there");

    fs::write(authority.path("a", "key"), "nonsense").unwrap();
    assert!(matches!(tls.reload(), Err(TlsConfigError::Pem(..))));
    assert_eq!(shown(&connect(&config, address, "a.test").unwrap()), &renewed, "all stays as it was");

    config.alpn_protocols = vec![b"h2".to_vec()];
    assert!(connect(&config, address, "a.test").is_err(), "nobody speaks HTTP/2 here");
}

#[test]
fn clients_show_certificates_where_they_must() {
    let authority = Authority::new("clients");
    authority.sign("server", "a.test");
    let client = authority.sign("client", "somebody");
    let stranger = Authority::new("strangers").sign("stranger", "somebody");
    for demand in [ClientCertificate::Optional, ClientCertificate::Required] {
        let tls = TlsServer::builder()
            .certificate(authority.path("server", "pem"), authority.path("server", "key"))
            .client_certificates(authority.path("ca", "pem"), demand)
            .build()
            .unwrap();
        let mut address = None;
        let (sender, shown) = std::sync::mpsc::channel();
        let mut hooks = Hooks::echo();
        hooks.open = Some(Box::new(move |cx, id| {
            let certificates = cx.transport(id).unwrap().tls().unwrap().peer_certificates();
            sender.send(certificates.map(|chain| chain[0].clone())).unwrap();
        }));
        let server = Server::start_with(Settings::default(), hooks, |event_loop| {
            let any = "127.0.0.1:0".parse().unwrap();
            address = Some(event_loop.engine().listen_tls(any, tls).unwrap());
        });
        let address = address.unwrap();
        let attempt = |identity| {
            let mut client = connect(&authority.client(identity), address, "a.test").ok()?;
            // In TLS 1.3 a client learns of a refusal only when it reads.
            client.stream.write_all(super::support::REQUEST).ok()?;
            let mut byte = [0];
            client.stream.read_exact(&mut byte).ok().filter(|()| byte == *b"H")
        };
        let identity = |(certificate, key): &(CertificateDer<'static>, PrivateKeyDer<'static>)| {
            Some((certificate.clone(), key.clone_key()))
        };
        assert!(attempt(identity(&client)).is_some());
        assert_eq!(super::support::wait(&shown).as_ref(), Some(&client.0), "the handler sees who it is");
        assert_eq!(attempt(None).is_some(), demand == ClientCertificate::Optional);
        assert!(attempt(identity(&stranger)).is_none());
        server.wait_until(|cx| cx.stats().failed.io >= 1);
    }
}

#[test]
fn certificates_and_keys_have_to_fit() {
    let authority = Authority::new("fit");
    authority.sign("a", "a.test");
    authority.sign("b", "b.test");
    let mixed = TlsServer::from_files(authority.path("a", "pem"), authority.path("b", "key"));
    assert!(matches!(mixed, Err(TlsConfigError::Tls(_))), "{mixed:?}");
    assert!(matches!(TlsServer::builder().build(), Err(TlsConfigError::NoCertificate)));
    let none = TlsServer::from_files(authority.path("none", "pem"), authority.path("a", "key"));
    assert!(matches!(none, Err(TlsConfigError::Pem(..))));
}

/// Whoever speaks no TLS, stops in the middle or goes away leaves no loop that spins: others are served and the
/// deadline of the handshake ends what is left.
#[test]
fn broken_handshakes_end() {
    let (authority, tls) = Authority::with_server("broken");
    let mut address = None;
    let mut settings = Settings::default();
    settings.handshake_timeout = Duration::from_secs(3); // enough for who keeps to the rules on a busy machine
    let server = Server::start_with(settings, Hooks::echo(), |event_loop| {
        let any = "127.0.0.1:0".parse().unwrap();
        address = Some(event_loop.engine().listen_tls(any, tls).unwrap());
    });
    let address = address.unwrap();
    let plain = Client::tcp(address);
    (&plain.stream).write_all(super::support::REQUEST).unwrap();
    let mut silent = Client::tcp(address);
    silent.write(b"\x16\x03\x01\x02\x00\x01\x00"); // the start of a ClientHello
    let gone = Client::tcp(address);
    (&gone.stream).write_all(b"\x16\x03\x01\x02\x00").unwrap();
    drop(gone);
    let half = Client::tcp(address);
    half.stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut good = connect(&authority.client(None), address, "a.test").unwrap();
    good.upgrade();
    echo(&mut good, "served");
    server.wait_until(|cx| cx.stats().failed.sum() == 4);
    echo(&mut good, "still served");
    // A TCP end without close_notify is an end, told once.
    drop(good.stream.into_inner());
    server.wait_until(|cx| cx.stats().closed == 1);
}

/// Who finds no room is told so after the TLS handshake, takes no place, and is not waited for longer than a closing
/// handshake; of a crowd that says nothing only some are held at all.
#[test]
fn a_crowd_without_room_holds_little_and_goes() {
    let (authority, tls) = Authority::with_server("room");
    let mut config = Config::default();
    config.close_timeout = Duration::from_secs(3); // enough for a TLS handshake on a busy machine
    let mut settings = Settings::default();
    settings.connection = config.into();
    settings.max_connections = 1;
    let mut address = None;
    let server = Server::start_with(settings, Hooks::echo(), |event_loop| {
        let any = "127.0.0.1:0".parse().unwrap();
        address = Some(event_loop.engine().listen_tls(any, tls).unwrap());
    });
    let address = address.unwrap();
    let mut first = connect(&authority.client(None), address, "a.test").unwrap();
    first.upgrade();
    let mut crowd: Vec<_> = (0..200).map(|_| Client::tcp(address)).collect();
    server.wait_until(|cx| cx.stats().failed.no_room == 200);
    let most = server.ask(|cx| cx.stats().connections);
    assert!(most <= 1 + 64, "{most} are held");
    for client in &mut crowd {
        assert!(client.try_head().is_none(), "the server ends each");
    }
    server.wait_until(|cx| cx.stats().connections == 1);
    let mut told = connect(&authority.client(None), address, "a.test").unwrap();
    let mut answer = Vec::new();
    told.stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 503 "), "{}", answer.escape_ascii());
    echo(&mut first, "undisturbed");
    // Its place is free once it has gone.
    drop(first);
    server.wait_until(|cx| cx.stats().closed == 1 && cx.stats().connections <= 1);
    connect(&authority.client(None), address, "a.test").unwrap().upgrade();
}
