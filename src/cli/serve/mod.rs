//! `bowsprit serve`: a server that echoes, relays or broadcasts.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bowsprit::close::{CloseCode, CloseReason};
use bowsprit::event_loop::{ConnId, Context, Decision, Ended, Failed, Handler};
use bowsprit::handshake::{
    Acceptance, Agreement, HeaderField, OriginError, OriginPolicy, PlainRequest, Refusal, Request,
};
use bowsprit::message::Message;
use bowsprit::tls::{ClientCertificate, TlsServer};
use clap::ValueEnum;

use super::args::{EXIT_CODES, listen_address};
use super::deflate::{DeflateArgs, agreed};
use super::driver::{Driver, Turn};
use super::exit::Exit;
use super::limits::{ConnectionArgs, ServerArgs};
use super::output::{one_line, say};

/// Serve WebSocket connections: echo, relay to the others, or broadcast to all
///
/// The URL is the first line on stdout. A browser that opens it as http:// gets a page that connects to the server.
/// Ctrl-C closes all connections with 1001 and ends; a second one ends at once.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Args {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9001", value_parser = listen_address)]
    listen: SocketAddr,
    /// Listen on this path too: a Unix-domain socket. It must not exist, and is removed at the end.
    #[cfg(unix)]
    #[arg(long, value_name = "PATH")]
    unix: Option<PathBuf>,
    /// Speak TLS, with the certificates in this PEM file, the server's own first.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of the first of them, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Let in only clients that show a certificate signed by an authority in this PEM file.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
    /// Tell counters at this address, as /metrics in the text format of Prometheus, in the clear.
    #[arg(long, value_name = "ADDR:PORT", value_parser = listen_address)]
    metrics: Option<SocketAddr>,
    /// Where messages go.
    #[arg(long, value_enum, default_value_t = Mode::Echo)]
    mode: Mode,
    /// Subprotocols to speak, the preferred one first.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    subprotocol: Vec<String>,
    /// Let pages of this origin connect, such as https://example.com; `null` for local files. Pages that come from
    /// this server itself always may.
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// Let browsers reach the server by this name. Loopback names always work, and unless it listens on a loopback
    /// address any IP address.
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    /// Let any page connect, by any name: every site that the user of a browser visits can then talk to this server.
    #[arg(long, conflicts_with_all = ["allow_origin", "allow_host"])]
    any_origin: bool,
    /// Tell on stderr of connections that open, close or fail.
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    deflate: DeflateArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Back to the sender.
    Echo,
    /// To all others.
    Relay,
    /// To all, the sender included.
    Broadcast,
}

pub(crate) fn run(args: Args) -> Exit {
    let mut server = match Server::new(&args) {
        Ok(server) => server,
        Err(why) => return Exit::Usage.because(why),
    };
    let mut config = args.connection.config();
    config.deflate = args.deflate.config();
    let drain = config.close_timeout;
    let mut driver = match Driver::new(args.server.settings(config)) {
        Ok(driver) => driver,
        Err(error) => return Exit::Usage.because(format_args!("cannot start: {error}")),
    };
    if let Err(why) = listen(&mut driver, &mut server, &args) {
        return Exit::Usage.because(why);
    }
    let served = serve(&mut driver, &mut server, drain);
    #[cfg(unix)]
    if let Some(path) = &args.unix {
        let _ = std::fs::remove_file(path); // whoever has removed it was faster
    }
    match served {
        Ok(()) => Exit::Done,
        Err(error) => Exit::Usage.because(format_args!("cannot wait for events: {error}")),
    }
}

/// Listens wherever the command line says. The address is the first line of stdout, those of others go to stderr.
fn listen(driver: &mut Driver<()>, server: &mut Server, args: &Args) -> Result<(), String> {
    let cannot = |what: &dyn Display, flag: &str, error: &io::Error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => format!("; choose another one with {flag}"),
            io::ErrorKind::PermissionDenied => "; ports below 1024 may need a permission".to_owned(),
            _ => String::new(),
        };
        format!("cannot listen on {what}: {error}{hint}")
    };
    let engine = &mut driver.engine;
    if let Some(address) = args.metrics {
        let taken = engine.listen(address).map_err(|error| cannot(&address, "--metrics", &error))?;
        server.metrics = Some(taken);
        say(format_args!("counters at http://{taken}/metrics"));
    }
    #[cfg(unix)]
    if let Some(path) = &args.unix {
        engine.listen_unix(path).map_err(|error| cannot(&path.display(), "--unix", &error))?;
        say(format_args!("listening on {}", path.display()));
    }
    let listening = match (&args.tls_cert, &args.tls_key) {
        (Some(chain), Some(key)) => {
            let mut builder = TlsServer::builder().certificate(chain, key);
            if let Some(authorities) = &args.tls_client_ca {
                builder = builder.client_certificates(authorities, ClientCertificate::Required);
            }
            let tls = builder.build().map_err(|error| error.to_string())?;
            engine.listen_tls(args.listen, tls).map(|address| ("wss", address))
        }
        _ => engine.listen(args.listen).map(|address| ("ws", address)),
    };
    let (scheme, address) = listening.map_err(|error| cannot(&args.listen, "--listen", &error))?;
    // At once also where stdout is a pipe. Whoever does not read it knows the address already.
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{scheme}://{address}/").and_then(|()| stdout.flush());
    Ok(())
}

/// Serves until a signal asks for the end, then closes all connections and waits for them, but at most for `drain`.
fn serve(driver: &mut Driver<()>, server: &mut Server, drain: Duration) -> io::Result<()> {
    while driver.turn(server, None)? != Turn::AskedToEnd {}

    server.stopping = true;
    driver.engine.stop_listening();
    let cx = driver.engine.context();
    let open: Vec<ConnId> = cx.connections().collect();
    for &id in &open {
        cx.close(id, Some(GOING_DOWN));
    }
    if server.verbose {
        say(format_args!("closing {} connections; once more ends at once", open.len()));
    }
    let by = Instant::now() + drain;
    while driver.engine.context().connections().next().is_some() && Instant::now() < by {
        driver.turn(server, Some(by))?;
    }
    let cut = driver.engine.context().connections().count();
    if cut > 0 {
        say(format_args!("{cut} connections did not answer the Close frame in time and were cut"));
    }
    Ok(())
}

const GOING_DOWN: CloseReason<'static> =
    CloseReason { code: CloseCode::GOING_AWAY, reason: "the server goes down" };

struct Server {
    mode: Mode,
    subprotocols: Vec<String>,
    policy: OriginPolicy,
    verbose: bool,
    stopping: bool,
    /// Where counters are told, and nothing else.
    metrics: Option<SocketAddr>,
}

impl Server {
    fn new(args: &Args) -> Result<Self, String> {
        let mut policy = if args.any_origin {
            OriginPolicy::any()
        } else if args.listen.ip().to_canonical().is_loopback() {
            OriginPolicy::loopback()
        } else {
            OriginPolicy::same_origin()
        };
        for origin in &args.allow_origin {
            policy = policy.allow_origin(origin).map_err(|_| {
                format!("--allow-origin {origin}: use an origin such as https://example.com, or null")
            })?;
        }
        for name in &args.allow_host {
            policy = policy.allow_host(name).map_err(|_| {
                format!("--allow-host {name}: use a name such as example.com, without a port")
            })?;
        }
        Ok(Self {
            mode: args.mode,
            subprotocols: args.subprotocol.clone(),
            policy,
            verbose: args.verbose,
            stopping: false,
            metrics: None,
        })
    }

    /// Whether a connection has come in where counters are told.
    fn is_for_metrics(&self, cx: &Context<()>, id: ConnId) -> bool {
        match (self.metrics, cx.local_address(id)) {
            (Some(metrics), Some(local)) => {
                let any = metrics.ip().is_unspecified();
                metrics.port() == local.port() && (any || metrics.ip() == local.ip())
            }
            _ => false,
        }
    }

    fn refuse(&self, error: OriginError, origin: Option<&str>, host: &str) -> Refusal {
        let (origin, host) = (one_line(origin.unwrap_or_default().as_bytes()), one_line(host.as_bytes()));
        match error {
            OriginError::Host => say(format_args!(
                "refused a browser that calls this server {host}; start with --allow-host NAME if that is its name"
            )),
            _ => say(format_args!(
                "refused a page of {origin}; start with --allow-origin {origin} if it may connect"
            )),
        }
        error
            .refusal()
            .with_text(&format!("{error} See --allow-origin and --allow-host in `bowsprit serve --help`."))
    }
}

impl Handler for Server {
    type Data = ();

    fn on_request(&mut self, cx: &mut Context<()>, id: ConnId, request: &Request) -> Decision {
        if self.is_for_metrics(cx, id) {
            return Decision::Refuse(status(404));
        }
        if self.stopping {
            return Decision::Refuse(status(503));
        }
        if let Err(error) = self.policy.check(request) {
            return Decision::Refuse(self.refuse(error, request.origin(), request.host()));
        }
        let supported: Vec<&str> = self.subprotocols.iter().map(String::as_str).collect();
        let subprotocol = request.choose_subprotocol(&supported).map(str::to_owned);
        Decision::Accept(Acceptance { subprotocol, ..Acceptance::default() })
    }

    fn on_plain(&mut self, cx: &mut Context<()>, id: ConnId, request: &PlainRequest) -> Refusal {
        // A rebound name is to learn nothing, not even that this server is here.
        if let Some(host) = request.host()
            && let Err(error) = self.policy.judge_host(host)
        {
            return self.refuse(error, None, host);
        }
        if self.is_for_metrics(cx, id) {
            return answer_metrics(request.method(), request.target(), cx);
        }
        answer_plain(request.method(), request.target())
    }

    fn on_open(&mut self, _: &mut Context<()>, id: ConnId, agreement: &Agreement) {
        if self.verbose {
            let subprotocol = agreement.subprotocol.as_deref().unwrap_or("none");
            let compression = agreed(agreement.deflate());
            say(format_args!("{id} opened, subprotocol {subprotocol}, {compression}"));
        }
    }

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        match self.mode {
            Mode::Echo => {
                cx.send(id, message);
            }
            Mode::Relay => {
                cx.broadcast_others(message, id);
            }
            Mode::Broadcast => {
                cx.broadcast(message);
            }
        }
    }

    fn on_close(&mut self, _: &mut Context<()>, id: ConnId, ended: &Ended) {
        if self.verbose {
            let reason = one_line(ended.outcome.reason().as_bytes());
            say(format_args!("{id} closed, {} {reason} ({:?})", ended.outcome.code(), ended.cause));
        }
    }

    fn on_failed(&mut self, _: &mut Context<()>, id: ConnId, failed: &Failed) {
        if self.verbose {
            say(format_args!("{id} did not open: {failed:?}"));
        }
    }
}

/// The counters at `/metrics`.
fn answer_metrics(method: &str, target: &str, cx: &Context<()>) -> Refusal {
    match (method, target.split('?').next()) {
        ("GET" | "HEAD", Some("/metrics")) => Refusal::new(200)
            .and_then(|answer| answer.with_body("text/plain; version=0.0.4", cx.stats().to_prometheus()))
            .unwrap_or_else(|_| status(500)),
        ("GET" | "HEAD", _) => status(404),
        _ => with(status(405), "Allow", "GET, HEAD"),
    }
}

/// The page at `/`; every other path is for WebSocket clients.
fn answer_plain(method: &str, target: &str) -> Refusal {
    if !matches!(method, "GET" | "HEAD") {
        return with(status(405), "Allow", "GET, HEAD");
    }
    let path = target.split('?').next().unwrap_or_default();
    // An absolute target is for proxies, and says the host once more.
    let path = path.split_once("://").map_or(path, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
    match path {
        "/" => page().unwrap_or_else(|_| status(500)),
        "/favicon.ico" | "/robots.txt" => status(404),
        _ => Refusal::upgrade_required(),
    }
}

fn page() -> Result<Refusal, bowsprit::handshake::RefusalError> {
    let page = Refusal::new(200)?.with_body("text/html; charset=utf-8", PAGE)?;
    let page = with(page, "Content-Security-Policy", CONTENT_SECURITY_POLICY);
    let page = with(page, "X-Content-Type-Options", "nosniff");
    Ok(with(page, "Cache-Control", "no-store"))
}

const PAGE: &str = include_str!("page.html");

/// The page loads nothing, is framed by nobody, and connects to WebSocket servers only.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; \
    style-src 'unsafe-inline'; img-src data:; connect-src ws: wss:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

fn status(status: u16) -> Refusal {
    Refusal::new(status).unwrap_or_else(|_| Refusal::upgrade_required())
}

/// `refusal` with a field that is one of ours.
fn with(refusal: Refusal, name: &str, value: &str) -> Refusal {
    match HeaderField::new(name, value) {
        Ok(field) => refusal.clone().with_header(field).unwrap_or(refusal),
        Err(_) => refusal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_requests_get_what_fits() {
        for (method, target, status) in [
            ("GET", "/", 200),
            ("HEAD", "/", 200),
            ("GET", "/?a=b", 200),
            ("GET", "http://127.0.0.1:9001/", 200),
            ("GET", "http://127.0.0.1:9001", 200),
            ("GET", "/chat", 426),
            ("GET", "/favicon.ico", 404),
            ("POST", "/", 405),
            ("OPTIONS", "*", 405),
        ] {
            assert_eq!(answer_plain(method, target).status(), status, "{method} {target}");
        }
        assert!(answer_plain("PUT", "/").headers().iter().any(|field| field.is("Allow")));
        let page = answer_plain("GET", "/");
        assert_eq!(page.headers().len(), 3);
        assert!(page.body().starts_with(b"<!doctype html>"));
    }
}
