//! `bowsprit connect`: a client between stdin and stdout.

mod answers;
mod failure;
mod json;
mod lines;
mod mode;
mod output;
mod route;
mod screen;
mod session;
mod terminal;

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bowsprit::client::{
    Backoff, ClientConfig, Http, Proxy, ProxySettings, ReconnectPolicy, RedirectPolicy, Target,
    ThreadResolver, without_user_info,
};
use bowsprit::connection::Config;
use bowsprit::event_loop::Settings;
use bowsprit::handshake::{HeadLimits, RequestBuildError};
use bowsprit::tls::{TlsClient, TlsConfigError};

use super::deflate::DeflateArgs;
use super::driver::Driver;
use super::exit::Exit;
use super::input::Separator;
use super::limits::ConnectionArgs;
use super::output::{one_line, say};
use super::request::RequestArgs;
use super::values::{Size, Time, server_url};
use failure::Asked;
use route::Route;
use session::{Outgoing, Plan, Session};

/// Connect to a server: lines from stdin go out as messages, messages go to stdout
///
/// Each line of stdin is sent as a text message. Each text message goes to stdout with a line end behind it, a binary
/// one as hexadecimal digits behind 0x. After the last line the command waits for the answers, then closes with 1000;
/// the table below says for how long. Ctrl-C closes with 1001; a second one ends at once.
///
/// On a terminal lines can be edited, earlier ones are kept, and /help tells of commands.
#[derive(Debug, clap::Args)]
#[command(after_long_help = WHEN_IT_ENDS)]
pub(crate) struct Args {
    /// Where to connect, such as ws://127.0.0.1:9001/chat, wss://example.com, ws+unix:/run/app.sock:/chat, or HOST:PORT
    url: String,
    #[command(flatten)]
    request: RequestArgs,
    /// Send the bytes of stdin as binary messages, and write the bytes of all messages to stdout as they are.
    #[arg(short, long, help_heading = MESSAGES)]
    binary: bool,
    /// Show binary messages in base64 and not in hexadecimal digits.
    #[arg(long, conflicts_with = "binary", help_heading = MESSAGES)]
    base64: bool,
    /// Write each message and each event as a line of JSON, and read such lines: {"type":"text","data":"hello"}. With -b
    /// stdin is bytes all the same; with -v what is sent is written, too.
    #[arg(long, conflicts_with = "commands", help_heading = MESSAGES)]
    json: bool,
    /// What stands between two messages on stdin, and behind each on stdout, in place of a line end: text in which \0,
    /// \n, \r, \t and \x1e stand for single bytes. If it is empty (''), all of stdin is one message.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, conflicts_with_all = ["json", "commands"], help_heading = MESSAGES)]
    separator: Option<Separator>,
    /// Take commands such as /ping from a stdin that is no terminal, too.
    #[arg(long, conflicts_with = "binary", help_heading = MESSAGES)]
    commands: bool,
    /// Do not keep the lines that are typed on a terminal for the next time.
    #[arg(long, help_heading = MESSAGES)]
    no_history: bool,
    /// Send this message in place of stdin; may be repeated.
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true, help_heading = MESSAGES)]
    message: Vec<String>,
    /// Send this file as one binary message in place of stdin, behind each --message; may be repeated.
    #[arg(long, value_name = "PATH", help_heading = MESSAGES)]
    file: Vec<PathBuf>,
    /// Close once this many messages have come, and not before; no more are shown.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = END)]
    expect: Option<u64>,
    /// Never close after the last line: wait until the server closes, for Ctrl-C or --timeout.
    #[arg(long, help_heading = END)]
    stay: bool,
    /// After the last line, close when nothing has come for this long; 0 closes at once.
    #[arg(long, value_name = "TIME", default_value = "1s", conflicts_with_all = ["expect", "stay"], help_heading = END)]
    wait: Time,
    /// Close after this long in any case; with --expect that is a failure.
    #[arg(long, value_name = "TIME", help_heading = END)]
    timeout: Option<Time>,
    /// How long it may take until the connection is open, redirects included.
    #[arg(long, value_name = "TIME", default_value_t = Time(Settings::default().handshake_timeout), help_heading = CONNECTING)]
    connect_timeout: Time,
    /// The most bytes of the head of the server's answer.
    #[arg(long, value_name = "SIZE", default_value_t = Size(HeadLimits::default().max_bytes), help_heading = CONNECTING)]
    max_head: Size,
    /// The most field lines of that head.
    #[arg(long, value_name = "N", default_value_t = HeadLimits::default().max_headers, help_heading = CONNECTING)]
    max_headers: usize,
    /// Connect again when the connection is lost: at once at first, then after a random time that grows to 60s; or
    /// always after this time.
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, help_heading = CONNECTING)]
    reconnect: Option<Option<Time>>,
    /// The most tries in a row with --reconnect.
    #[arg(long, value_name = "N", requires = "reconnect", help_heading = CONNECTING)]
    max_tries: Option<u32>,
    /// Send this message whenever a connection opens, before others; may be repeated.
    #[arg(long, value_name = "TEXT", help_heading = MESSAGES)]
    preamble: Vec<String>,
    /// Follow at most this many redirects.
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = REQUEST)]
    redirects: u32,
    /// Exit with the close code: 0 for 1000, its last two digits and 100 for 1001 to 1015, 130 for 3000 to 3999, 150
    /// and more for 4000 and more.
    #[arg(long, help_heading = END)]
    close_code_exit: bool,
    /// Show the handshake, Pings, Pongs and Close frames on stderr, with the time, and how long answers took.
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    way: WayArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    deflate: DeflateArgs,
}

impl Args {
    fn limits(&self) -> Config {
        let mut config = self.connection.config();
        config.deflate = self.deflate.config();
        config
    }
}

/// The way to the server.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The way to the server")]
struct WayArgs {
    /// Connect to ADDRESS where the URL has this host and port, under the name of the URL, as in curl; may be repeated.
    #[arg(long, value_name = "HOST:PORT:ADDRESS", value_parser = Route::resolve)]
    resolve: Vec<Route>,
    /// Connect to HOST2:PORT2 where the URL has HOST1:PORT1, under the name of the URL, as in curl; what is empty is any,
    /// or the same; may be repeated.
    #[arg(long, value_name = "HOST1:PORT1:HOST2:PORT2")]
    connect_to: Vec<Route>,
    /// The proxy: http://, socks5:// or socks5h://, or none [default: what http_proxy and the like say].
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// Which HTTP to open the WebSocket over: auto is HTTP/2 where a wss:// server speaks it and takes WebSockets over it
    /// (RFC 8441), else HTTP/1.1.
    #[arg(long, value_enum, value_name = "VERSION", default_value_t = HttpArg::One)]
    http: HttpArg,
    /// HTTP/2 and nothing else, as --http 2: agreed on by ALPN for wss://, taken for granted for ws://.
    #[arg(long, conflicts_with = "http")]
    http2: bool,
    /// Trust these certificates (PEM or DER), and whatever they have signed, and nothing else.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Trust Mozilla's list of authorities and not the system's.
    #[arg(long, conflicts_with = "ca")]
    bundled_roots: bool,
    /// Show this certificate (PEM or DER) to a server that asks for one.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Its key (PEM or DER) [default: in the same file].
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Accept every certificate. Whoever sits between can read and change everything.
    #[arg(short = 'k', long)]
    insecure: bool,
    /// Write the secrets of the TLS connection to this file, for Wireshark.
    #[arg(long, value_name = "FILE")]
    tls_key_log: Option<PathBuf>,
}

/// What the user calls them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum HttpArg {
    #[value(name = "1.1")]
    One,
    #[value(name = "2")]
    Two,
    Auto,
}

pub(crate) fn run(args: Args) -> i32 {
    let Setup { config, target, proxy, has_user } = match config(&args) {
        Ok(way) => way,
        Err(why) => return Exit::Usage.because(why) as i32,
    };
    let settings = {
        let mut settings = Settings::default();
        settings.handshake_timeout = args.connect_timeout.0;
        settings.connection = Arc::new(args.limits());
        settings
    };
    let mut driver = match Driver::new(settings) {
        Ok(driver) => driver,
        Err(error) => return Exit::Usage.because(format_args!("cannot start: {error}")) as i32,
    };
    if let Some(why) = args.file.iter().find_map(|path| unreadable(path)) {
        return Exit::Usage.because(why) as i32;
    }
    let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let edit = is_terminal
        && !args.binary
        && !args.json
        && args.message.is_empty()
        && args.file.is_empty()
        && args.separator.is_none();
    let plan = Plan {
        target,
        proxy,
        ca: args.way.ca.as_ref().map(|ca| one_line(ca.as_os_str().as_encoded_bytes())),
        messages: {
            let texts = args.message.into_iter().map(Outgoing::Text);
            texts.chain(args.file.into_iter().map(Outgoing::File)).collect()
        },
        separator: args.separator,
        preamble: args.preamble,
        expect: args.expect,
        wait: match args.expect {
            _ if args.stay => None,
            Some(_) => None,
            // A person has seen the answers.
            None if edit => Some(Duration::ZERO),
            None => Some(args.wait.0),
        },
        until: args.timeout.and_then(|timeout| Instant::now().checked_add(timeout.0)),
        close_timeout: args.connection.config().close_timeout,
        pong_timeout: args.connection.config().pong_timeout,
        asked: Asked {
            origin: args.request.names_origin(),
            credentials: args.request.has_credentials() || has_user,
            redirects: args.redirects > 0,
            subprotocols: !config.request().subprotocols().is_empty(),
        },
        subprotocols: config.request().subprotocols().to_vec(),
        binary: args.binary,
        base64: args.base64,
        json: args.json,
        commands: args.commands,
        edit,
        keep_history: !args.no_history,
        verbose: args.verbose,
        close_code_exit: args.close_code_exit,
    };
    match Session::new(plan, driver.waker()).run(&mut driver, config) {
        Ok(code) => code,
        Err(error) => Exit::Usage.because(format_args!("cannot wait for events: {error}")) as i32,
    }
}

/// Returns why a file cannot be sent; checked before connecting.
fn unreadable(path: &Path) -> Option<String> {
    let shown = one_line(path.as_os_str().as_encoded_bytes());
    match std::fs::File::open(path).and_then(|file| file.metadata()) {
        Err(error) => Some(format!("cannot read {shown}: {error}")),
        Ok(data) if data.is_dir() => Some(format!("{shown} is a folder; name a file")),
        Ok(_) => None,
    }
}

struct Setup {
    config: ClientConfig,
    /// The target as the user wrote it.
    target: String,
    /// The proxy in front of it.
    proxy: Option<String>,
    /// Whether the URL has user-info.
    has_user: bool,
}

/// Turns what the user typed into the library's types.
fn config(args: &Args) -> Result<Setup, String> {
    let shown = one_line(without_user_info(&args.url).as_bytes());
    let named = |error: &dyn std::fmt::Display| format!("{shown}: {error}");
    let text = |error: &dyn std::fmt::Display| error.to_string();
    // A user who relaxes or tightens certificate checks means TLS.
    let is_about_tls = args.way.is_about_tls() || args.way.insecure;
    let url = server_url(&args.url, is_about_tls).map_err(|error| named(&error))?;
    let target = Target::parse(&url).map_err(|error| named(&error))?;
    let has_user = matches!(&target, Target::Host(url) if url.user_info().is_some());
    let (config, renamed) = match route::choose(&args.way.routes(), &target) {
        None => (ClientConfig::to(target).map_err(|error| named(&error))?, None),
        Some((url, host)) => {
            let config = ClientConfig::new(&url).map_err(|error| text(&error))?;
            (under_the_name_of(&target, config).map_err(|error| text(&error))?, Some((host, target)))
        }
    };
    let (mut config, left_out) = args.request.apply(config)?;
    if !left_out.is_empty() {
        say(format_args!("left out of -H, as the handshake writes it itself: {}", left_out.join(", ")));
    }
    if let Some(time) = &args.reconnect {
        let mut policy = match time {
            // A person or a script waits for it, so the first retry is immediate.
            None => ReconnectPolicy::with(Backoff::Exponential { first: FIRST_RETRY, cap: LONGEST_RETRY }),
            Some(time) => ReconnectPolicy::with(Backoff::Fixed(time.0)),
        };
        policy.max_tries = args.max_tries;
        config = config.reconnect(policy);
    }
    let proxies = match args.way.proxy.as_deref() {
        None => ProxySettings::from_env(),
        Some("none" | "") => ProxySettings::none(),
        Some(url) => ProxySettings::all(Proxy::parse(url).map_err(|error| format!("--proxy: {error}"))?),
    };
    if config.target().is_secure() || args.redirects > 0 {
        config = config.tls(args.way.tls(renamed.as_ref()).map_err(|error| text(&error))?);
    } else if args.way.is_about_tls() {
        return Err(named(&"--ca, --bundled-roots, --cert and --tls-key-log are for wss:// URLs"));
    }
    let proxy = proxies.proxy_for(config.target()).map(|proxy| proxy.map(ToString::to_string));
    let proxy = proxy.map_err(|error| format!("{error}, or see --proxy"))?;
    let config = config
        .proxies(proxies)
        .redirects(RedirectPolicy::up_to(args.redirects))
        .resolver(ThreadResolver)
        .http(args.way.http())
        .connect_timeout(args.connect_timeout.0)
        .handshake_timeout(args.connect_timeout.0)
        .head_limits(HeadLimits::new(args.max_head.0, args.max_headers))
        .connection(args.limits());
    let target = renamed.as_ref().map_or(config.target(), |(_, target)| target);
    let target = one_line(target.to_string().as_bytes());
    Ok(Setup { target, config, proxy, has_user })
}

/// Makes the request for the target, wherever the connection goes.
fn under_the_name_of(target: &Target, config: ClientConfig) -> Result<ClientConfig, RequestBuildError> {
    let config = config.host(target.host_header())?;
    match target {
        Target::Host(url) if url.user_info().is_some() => {
            let (user, password) = url.user_info().unwrap_or_default();
            config.basic_auth(user, password)
        }
        _ => Ok(config),
    }
}

impl WayArgs {
    fn is_about_tls(&self) -> bool {
        self.ca.is_some() || self.bundled_roots || self.cert.is_some() || self.tls_key_log.is_some()
    }

    fn http(&self) -> Http {
        match self.http {
            _ if self.http2 => Http::Http2,
            HttpArg::Two => Http::Http2,
            HttpArg::Auto => Http::Auto,
            HttpArg::One => Http::Http1,
        }
    }

    fn routes(&self) -> Vec<Route> {
        self.resolve.iter().chain(&self.connect_to).cloned().collect()
    }

    /// Configures TLS for a target that may be reached at a host with another name.
    fn tls(&self, renamed: Option<&(String, Target)>) -> Result<TlsClient, TlsConfigError> {
        let mut builder = TlsClient::builder();
        if let Some((host, target)) = renamed
            && let Some((name, _)) = target.host_port()
        {
            builder = builder.server_name(host, name);
        }
        builder = match &self.ca {
            Some(ca) => builder.ca_file(ca)?,
            None if self.bundled_roots => builder.bundled_roots(),
            None if self.insecure => builder,
            None => builder.system_roots()?,
        };
        if let Some(cert) = &self.cert {
            builder = builder.client_certificate(cert, self.key.as_ref().unwrap_or(cert))?;
        }
        if self.insecure {
            builder = builder.insecure();
        }
        if let Some(path) = &self.tls_key_log {
            builder = builder.key_log_file(path)?;
        }
        builder.build()
    }
}

/// Groups of flags in `--help`.
const REQUEST: &str = super::request::HEADING;
const MESSAGES: &str = "Messages";
const END: &str = "When it ends";
const CONNECTING: &str = "Connecting and reconnecting";

/// What ends a connection whose server does not close it.
const WHEN_IT_ENDS: &str = "\
When it closes, after the last line of stdin or the last --message:
  (nothing said)   as many messages as were sent have come, or nothing has come for 1s
  --wait TIME      the same with another time; 0 closes at once
  --expect N       N messages have come; if the connection ends before, that is a failure (exit code 1)
  --stay           never
On a terminal Ctrl-D closes at once. At any time: Ctrl-C, /close, --timeout TIME, and a Close frame of the server.";

/// The longest wait before the first retry, and before any retry.
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
