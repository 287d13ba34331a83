//! Arguments of `bowsprit test`, and their meaning for the lab.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use bowsprit::handshake::HeaderField;
use bowsprit::tls::TlsServer;
use bowsprit_lab::http2::Cut;
use bowsprit_lab::report::json::Report;
use bowsprit_lab::report::{Deny, Run};
use bowsprit_lab::{Carrier, Effort, Level, Options, Place, Selection, Subject};
use clap::{Subcommand, ValueEnum};

use super::super::request::{HEADING, RequestArgs};
use super::super::trust::Trust;
use super::files::read;
use crate::values::{Time, header, jobs, listen_address};

/// Groups of flags in `--help`.
const CASES: &str = "Which cases";
const PLAY: &str = "How they are played";
const VERDICT: &str = "What fails the run";
const REPORTS: &str = "What is told";

/// Arguments of `bowsprit test`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(super) side: Side,
}

pub(crate) const EXIT_CODES: &str = "Exit codes: 0 what is required passed, 1 it did not, or the peer crashed, hangs or was too late, \
2 the command line is wrong or chooses no case, 3 the peer was not reached or does not echo, \
4 cases were not played, or the run was interrupted.";

#[derive(Debug, Subcommand)]
pub(super) enum Side {
    /// Examine a server: it must echo every message.
    Server(ServerArgs),
    /// Examine a proxy, from both sides: we are the client before it and the server behind it.
    ///
    /// The proxy has to pass requests for the URL on to ADDR:PORT, where this command listens while it runs, and to pass
    /// upgrades through. Each case says what came out: TRANSPARENT, as it was sent; REPAIRED; ALTERED; REFUSED, where the
    /// proxy answered itself; LOST; UNSAFE. What a case accepts beside the first depends on its rule.
    Proxy(ProxyArgs),
    /// Put the JSON reports of several runs side by side.
    Report(ReportArgs),
    /// Examine clients: they connect to us and echo every message.
    ///
    /// The control protocol is the one of the Autobahn suite: /getCaseCount, /runCase?case=N&agent=X,
    /// /updateReports?agent=X and so on. A single case is at /case/ID?agent=X. Over HTTP/2, /nextCase?case=N&agent=X says that
    /// the next connection is for a case, which cases need whose SETTINGS come first.
    Client(ClientArgs),
}

/// Help for `--http2` with a proxy.
const FRONT_HTTP2: &str = "The front speaks HTTP/2 (RFC 8441), and HTTP/1.1 to the origin: each case is played on a connection of its own. \
What has no form in HTTP/2 is NOT APPLICABLE, which fails nothing. Behind TLS by ALPN, without it by prior knowledge";

pub(crate) const PROXY_EXIT_CODES: &str = "Exit codes: 0 what is required passed, 1 it did not, or the proxy is gone, 2 the command line is wrong or chooses no case, \
3 the front was not reached, the origin's address is taken, or the front does not pass upgrades on to it, \
4 cases were not played, or the run was interrupted.";

#[derive(Debug, clap::Args)]
#[command(mut_arg("http2", |arg| arg.help(FRONT_HTTP2)))]
pub(super) struct ProxyArgs {
    /// Where the proxy listens, such as ws://127.0.0.1:8080/chat or wss://proxy.example/; with --http2 http:// and https://
    /// as well.
    #[arg(long, value_name = "URL", required_unless_present = "list")]
    pub(super) front: Option<String>,
    /// Where it passes requests on to, and we listen.
    #[arg(long, value_name = "ADDR:PORT", required_unless_present = "list", value_parser = listen_address)]
    pub(super) origin: Option<SocketAddr>,
    #[command(flatten)]
    pub(super) trust: Trust,
    #[command(flatten)]
    pub(super) http2: Http2,
    /// A header for each request, Host included; may be repeated.
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = header, help_heading = HEADING)]
    pub(super) header: Vec<HeaderField>,
    /// Leave out the heavy cases.
    #[arg(long, help_heading = CASES)]
    pub(super) quick: bool,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Debug, clap::Args)]
pub(super) struct ServerArgs {
    /// Where it is, such as ws://127.0.0.1:9001/ or wss://localhost:9443/; with --http2 http:// and https:// as well.
    #[arg(required_unless_present = "list")]
    pub(super) url: Option<String>,
    #[command(flatten)]
    pub(super) trust: Trust,
    #[command(flatten)]
    pub(super) http2: Http2,
    /// Each case on a connection of its own.
    #[arg(long, requires = "http2", help_heading = PLAY)]
    pub(super) apart: bool,
    #[command(flatten)]
    pub(super) request: RequestArgs,
    /// Play the cases even where the server does not send back what it gets, or passes it on to others.
    #[arg(long, help_heading = PLAY)]
    pub(super) force: bool,
    /// The server speaks first on each connection: skip this many messages [default: as many as it is seen to send]
    #[arg(long, value_name = "MESSAGES", help_heading = PLAY)]
    pub(super) greetings: Option<u32>,
    #[command(flatten)]
    pub(super) behind: Behind,
    #[command(flatten)]
    pub(super) suite: Suite,
    #[command(flatten)]
    pub(super) common: Common,
}

/// What stands before the server.
#[derive(Debug, clap::Args)]
pub(super) struct Behind {
    /// URL is the front of a proxy. Handshakes that it repairs or answers by itself are NOT REACHED in place of failed.
    #[arg(long, conflicts_with = "http2", help_heading = PLAY)]
    pub(super) behind_proxy: bool,
    /// Where the server itself is, as ws://127.0.0.1:9001/: handshakes that fail through the proxy are played there as
    /// well, and are NOT REACHED if they pass, so that the server's own faults stay failed.
    #[arg(long, value_name = "URL", requires = "behind_proxy", help_heading = PLAY)]
    pub(super) origin_url: Option<String>,
}

/// WebSocket over HTTP/2.
#[derive(Debug, clap::Args)]
pub(super) struct Http2 {
    /// Over HTTP/2 (RFC 8441): each WebSocket is a stream, and HTTP/2 itself is examined, too. Behind TLS by ALPN, without it
    /// by prior knowledge.
    #[arg(long, help_heading = PLAY)]
    pub(super) http2: bool,
    /// How the bytes of a WebSocket are cut into DATA frames: whole, bytes, padded, empty, window (ours opens byte by
    /// byte), mixed (each stream in one of these ways, by the seed).
    #[arg(long, value_name = "WAY", default_value_t, requires = "http2", help_heading = PLAY)]
    pub(super) cut: Cut,
}

impl Http2 {
    pub(super) fn carrier(&self) -> Carrier {
        if self.http2 { Carrier::Http2(self.cut) } else { Carrier::Http1 }
    }

    /// Returns the settings as flags of a command.
    pub(super) fn flags(&self) -> String {
        let mut out = String::new();
        if self.http2 {
            out.push_str(" --http2");
        }
        if self.cut != Cut::Whole {
            out += &format!(" --cut {}", self.cut);
        }
        out
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct ReportArgs {
    /// The reports.
    #[arg(required = true, value_name = "PATH")]
    pub(super) reports: Vec<PathBuf>,
    /// Write Markdown; - for standard output.
    #[arg(long, value_name = "PATH")]
    pub(super) markdown: Option<PathBuf>,
    /// Write a page for a browser.
    #[arg(long, value_name = "PATH")]
    pub(super) html: Option<PathBuf>,
}

impl ClientArgs {
    /// Returns how the WebSockets are carried, as flags of a command.
    pub(super) fn flags(&self) -> String {
        let mut out = self.http2.flags();
        if let (Some(chain), Some(key)) = (&self.tls.tls_cert, &self.tls.tls_key) {
            out += &format!(" --tls-cert '{}' --tls-key '{}'", chain.display(), key.display());
        }
        out
    }
}

/// What is shown to clients behind TLS.
#[derive(Debug, clap::Args)]
pub(super) struct TlsIdentity {
    /// Speak TLS with the certificates in this PEM file, the server's own first.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(super) tls_cert: Option<PathBuf>,
    /// The key of the first of them, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(super) tls_key: Option<PathBuf>,
}

impl TlsIdentity {
    /// Returns the TLS settings for clients, if TLS is used.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with a file.
    pub(super) fn server(&self, http2: bool) -> Result<Option<TlsServer>, String> {
        let (Some(chain), Some(key)) = (&self.tls_cert, &self.tls_key) else { return Ok(None) };
        let builder = TlsServer::builder().certificate(chain, key);
        let builder = if http2 { builder.http2() } else { builder };
        builder.build().map(Some).map_err(|error| error.to_string())
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct ClientArgs {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9001", value_parser = listen_address)]
    pub(super) listen: SocketAddr,
    #[command(flatten)]
    pub(super) tls: TlsIdentity,
    #[command(flatten)]
    pub(super) http2: Http2,
    /// Include the cases whose opening handshake a client has to refuse.
    #[arg(long, help_heading = PLAY)]
    pub(super) handshake: bool,
    /// Let pages of this origin take part: https://example.com, https://*.example.com, `null` for local files. Pages of
    /// servers on this machine may anyway, and so may clients that are no browsers.
    #[arg(long, value_name = "ORIGIN", help_heading = PLAY)]
    pub(super) allow_origin: Vec<String>,
    /// Go on listening after a client has asked for its report.
    #[arg(long, help_heading = PLAY)]
    pub(super) stay: bool,
    /// End when no client has come for this long.
    #[arg(long, value_name = "TIME", help_heading = PLAY)]
    pub(super) idle: Option<Time>,
    #[command(flatten)]
    pub(super) suite: Suite,
    #[command(flatten)]
    pub(super) common: Common,
    /// The client, which the exam ends with: {url} in its arguments stands for our URL, and so does BOWSPRIT_URL in its
    /// environment.
    #[arg(last = true)]
    pub(super) command: Vec<String>,
}

/// What only servers and clients can be asked.
#[derive(Debug, clap::Args)]
pub(super) struct Suite {
    /// Leave out most of the heavy cases.
    #[arg(long, help_heading = CASES)]
    pub(super) quick: bool,
    /// Send every message of 12.* and 13.*, 1000 for each case; without it 250, and no more than 64 KiB.
    #[arg(long, conflicts_with = "quick", help_heading = CASES)]
    pub(super) full: bool,
    /// Write the index.json of the Autobahn suite.
    #[arg(long, value_name = "PATH", help_heading = REPORTS)]
    pub(super) index: Option<PathBuf>,
}

impl Suite {
    pub(super) fn effort(&self) -> Effort {
        match (self.quick, self.full) {
            (true, _) => Effort::Quick,
            (false, true) => Effort::Full,
            (false, false) => Effort::Normal,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Common {
    /// Ids, groups (6.2) or globs (HSS-*); may be repeated or joined by commas.
    #[arg(long = "case", short = 'c', value_name = "CASE", value_delimiter = ',', help_heading = CASES)]
    pub(super) cases: Vec<String>,
    /// Leave these out.
    #[arg(long, short = 'x', value_name = "CASE", value_delimiter = ',', help_heading = CASES)]
    pub(super) exclude: Vec<String>,
    /// Only rules of these sections, such as 5.1 or 7692.
    #[arg(long, value_delimiter = ',', help_heading = CASES)]
    pub(super) section: Vec<String>,
    /// Only rules of these levels.
    #[arg(long, value_enum, value_delimiter = ',', help_heading = CASES)]
    pub(super) level: Vec<LevelArg>,
    /// Only cases with one of these tags.
    #[arg(long, value_delimiter = ',', help_heading = CASES)]
    pub(super) tag: Vec<String>,
    /// Include cases that wait for the peer's own timeouts.
    #[arg(long, help_heading = CASES)]
    pub(super) slow: bool,
    /// Only list the chosen cases.
    #[arg(long, help_heading = CASES)]
    pub(super) list: bool,
    /// Masking keys and nonces follow from this number.
    #[arg(long, default_value_t = 1, help_heading = PLAY)]
    pub(super) seed: u64,
    /// How long to wait for the peer, in place of what each case says.
    #[arg(long, value_name = "TIME", help_heading = PLAY)]
    pub(super) timeout: Option<Time>,
    /// How many cases at once.
    #[arg(long, short, value_name = "N", default_value_t = 32, value_parser = jobs, help_heading = PLAY)]
    pub(super) jobs: usize,
    /// Failures of which level fail the run.
    #[arg(long, value_enum, default_value_t = DenyArg::Must, help_heading = VERDICT)]
    pub(super) deny: DenyArg,
    /// What the peer is called in reports.
    #[arg(long, help_heading = REPORTS)]
    pub(super) agent: Option<String>,
    /// Known failures with their reasons; only new ones fail the run.
    #[arg(long, value_name = "PATH", help_heading = VERDICT)]
    pub(super) baseline: Option<PathBuf>,
    /// Write the failures of this run as the start of a baseline.
    #[arg(long, value_name = "PATH", help_heading = VERDICT)]
    pub(super) write_baseline: Option<PathBuf>,
    /// Only the cases that did not pass in this JSON report.
    #[arg(long, value_name = "PATH", help_heading = CASES)]
    pub(super) rerun_failed: Option<PathBuf>,
    /// Tell everything about each case that did not pass, what crossed the wire included.
    #[arg(long, short, help_heading = REPORTS)]
    pub(super) verbose: bool,
    /// Write a JSON report; - for standard output, in place of the text.
    #[arg(long, value_name = "PATH", help_heading = REPORTS)]
    pub(super) json: Option<PathBuf>,
    /// Write JUnit XML.
    #[arg(long, value_name = "PATH", help_heading = REPORTS)]
    pub(super) junit: Option<PathBuf>,
    /// Write Markdown.
    #[arg(long, value_name = "PATH", help_heading = REPORTS)]
    pub(super) markdown: Option<PathBuf>,
    /// Write a page for a browser.
    #[arg(long, value_name = "PATH", help_heading = REPORTS)]
    pub(super) html: Option<PathBuf>,
    /// Write SARIF 2.1.0, for code scanning services.
    #[arg(long, value_name = "PATH", help_heading = REPORTS)]
    pub(super) sarif: Option<PathBuf>,
    /// The file of your repository that findings in SARIF point at, as services show none that point nowhere.
    #[arg(long, value_name = "PATH", requires = "sarif", help_heading = REPORTS)]
    pub(super) sarif_source: Option<PathBuf>,
    /// Write an error or a warning for each cause, as GitHub's runners show them beside a change; - for standard output.
    #[arg(long, value_name = "PATH", help_heading = REPORTS)]
    pub(super) annotations: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum LevelArg {
    Must,
    Should,
    May,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum DenyArg {
    Must,
    Should,
}

impl Common {
    pub(super) fn new_run(&self, agent: &str, place: &Place, subject: Subject) -> Run {
        Run {
            agent: self.agent.clone().unwrap_or_else(|| agent.to_owned()),
            place: place.clone(),
            flags: String::new(),
            subject,
            seed: self.seed,
            duration: Duration::ZERO,
            started: now(),
            outcomes: Vec::new(),
        }
    }

    pub(super) fn selection(&self, effort: Effort) -> Result<Selection, String> {
        let mut patterns = self.cases.clone();
        if let Some(path) = &self.rerun_failed {
            let report =
                Report::from_json(&read(path)?).map_err(|error| format!("{}: {error}", path.display()))?;
            let failed =
                report.runs.into_iter().flat_map(|run| run.cases).filter(|case| !case.passed || case.denied);
            patterns.extend(failed.map(|case| case.id));
            if patterns.is_empty() {
                return Err(format!("nothing failed in {}", path.display()));
            }
        }
        Ok(Selection {
            patterns,
            exclude: self.exclude.clone(),
            sections: self.section.clone(),
            levels: self.level.iter().map(|level| level.level()).collect(),
            tags: self.tag.clone(),
            quick: effort == Effort::Quick,
            slow: self.slow,
            ..Selection::default()
        })
    }

    pub(super) fn options(&self, effort: Effort) -> Result<Options, String> {
        let patience = self.timeout.map(|Time(time)| time);
        Ok(Options { seed: self.seed, effort, patience, ..Options::default() })
    }
}

/// Returns the seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl DenyArg {
    pub(super) fn deny(self) -> Deny {
        match self {
            DenyArg::Must => Deny::Must,
            DenyArg::Should => Deny::Should,
        }
    }
}

impl LevelArg {
    pub(super) fn level(self) -> Level {
        match self {
            LevelArg::Must => Level::Must,
            LevelArg::Should => Level::Should,
            LevelArg::May => Level::May,
        }
    }
}
