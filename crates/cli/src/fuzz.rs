//! `bowsprit fuzz`: a structure-aware fuzzer of servers and clients over the wire.

use std::io::{IsTerminal as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use bowsprit::handshake::Url;
use bowsprit::tls::TlsClient;
use bowsprit_lab::Place;
use bowsprit_lab::counted;
use bowsprit_lab::escape::{Clean, Json};
use bowsprit_lab::fuzz::campaign::{self, Campaign, Progress, Summary, Watch};
use bowsprit_lab::fuzz::{Dial, Oracles, Peer, Process, Side};
use clap::Subcommand;

use super::exit::Exit;
use super::output::{colours, print, print_json, say};
use super::request::RequestArgs;
use super::signals::asked_to_end;
use super::trust::{Trust, advised};
use super::values::{Size, Time, examined_url, jobs, listen_address, stretch};

/// Groups of flags in `--help`.
const MUCH: &str = "How much";
const EXPECTED: &str = "What is expected";
const PEER: &str = "The peer";
const FOUND: &str = "What was found";

/// Fuzz a WebSocket server or client over the wire, and judge what it answers
///
/// Every iteration is one connection, made from the seed and its number. A finding is played again, made small, saved
/// as a file for `bowsprit replay`, and told with what the RFC says.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    side: FuzzSide,
}

#[derive(Debug, Subcommand)]
enum FuzzSide {
    /// Fuzz a server.
    Server {
        /// Where it is, such as ws://127.0.0.1:9001/ or wss://localhost:9443/
        url: String,
        #[command(flatten)]
        trust: Trust,
        #[command(flatten)]
        request: RequestArgs,
        /// Connections at once.
        #[arg(long, short, value_name = "N", default_value_t = 4, value_parser = jobs, help_heading = MUCH)]
        jobs: usize,
        /// A quiet connection is asked beside all others, and gets its answer within this time, such as 100ms:
        /// a server that one connection can keep busy is a finding.
        #[arg(long, value_name = "TIME", help_heading = EXPECTED)]
        neighbour_within: Option<Time>,
        #[command(flatten)]
        common: Common,
    },
    /// Fuzz clients: each connection that one makes to us is an iteration.
    Client {
        /// Where to listen; port 0 takes a free one.
        #[arg(long, default_value = "127.0.0.1:9001", value_parser = listen_address)]
        listen: SocketAddr,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, clap::Args)]
struct Common {
    /// All iterations follow from this number.
    #[arg(long, default_value_t = 1, help_heading = MUCH)]
    seed: u64,
    /// The number of the first iteration.
    #[arg(long, value_name = "NUMBER", default_value_t = 0, help_heading = MUCH)]
    first: u64,
    /// Stop after this many iterations.
    #[arg(long, value_name = "N", help_heading = MUCH)]
    count: Option<u64>,
    /// Stop after this time [default: 60s, unless --count is given]
    #[arg(long, value_parser = stretch, help_heading = MUCH)]
    time: Option<Time>,
    /// Stop after this many different findings; 1 stops at the first.
    #[arg(long, value_name = "NUMBER", default_value_t = 20, help_heading = MUCH)]
    findings: usize,
    /// How long an answer may take.
    #[arg(long, default_value = "1s", help_heading = EXPECTED)]
    timeout: Time,
    /// The peer does not send messages back: only Pings ask whether it is there.
    #[arg(long, help_heading = EXPECTED)]
    no_echo: bool,
    #[command(flatten)]
    process: ProcessArgs,
    /// Watch the memory of this process.
    #[arg(long, help_heading = PEER)]
    pid: Option<u32>,
    /// How much the memory of --pid, or of what --start runs, may grow once it is warm [default: 64M with --pid]
    #[arg(long, help_heading = PEER)]
    memory: Option<Size>,
    /// Scripts played to make one finding small.
    #[arg(long, value_name = "NUMBER", default_value_t = 400, help_heading = FOUND)]
    minimise: usize,
    /// The folder for traces.
    #[arg(long, value_name = "FOLDER", default_value = "fuzz-traces", help_heading = FOUND)]
    traces: PathBuf,
    /// Print the outcome as JSON.
    #[arg(long, help_heading = FOUND)]
    json: bool,
}

/// How a peer comes to be there.
#[derive(Debug, clap::Args)]
pub(super) struct ProcessArgs {
    /// Start the peer with this shell command, and again when it has gone; {url} is where clients connect to. Use `exec`
    /// where it is more than one simple command. Its output goes to peer.log in the folder for traces.
    #[arg(long, value_name = "COMMAND", help_heading = PEER)]
    start: Option<String>,
    /// How long a peer may take to start, and to come back once it has gone.
    #[arg(long, value_name = "TIME", default_value = "5s", help_heading = PEER)]
    back: Time,
}

impl ProcessArgs {
    /// Creates the peer; `traces` is the folder for its output.
    pub(super) fn peer(
        &self,
        dial: Dial,
        tls: Option<(TlsClient, String)>,
        traces: Option<&Path>,
    ) -> Result<Peer, String> {
        let process = match &self.start {
            None => None,
            Some(command) => {
                let mut command = command.clone();
                if let Dial::Accept(listener) = &dial {
                    let address = listener.local_addr().map_err(|error| error.to_string())?;
                    command = command.replace("{url}", &format!("ws://{address}/"));
                }
                if let Some(folder) = traces {
                    std::fs::create_dir_all(folder)
                        .map_err(|error| format!("{}: {error}", folder.display()))?;
                }
                Some(Process::new(command, traces.map(|folder| folder.join("peer.log"))))
            }
        };
        Ok(Peer { dial, process, back: self.back.0, tls })
    }

    pub(super) fn starts(&self) -> bool {
        self.start.is_some()
    }
}

pub(crate) fn run(args: Args) -> Exit {
    match fuzz(args) {
        Ok(exit) => exit,
        Err(error) => Exit::Usage.because(error),
    }
}

fn fuzz(args: Args) -> Result<Exit, String> {
    let (side, place, dial, server, jobs, neighbour, common) = match args.side {
        FuzzSide::Server { url, trust, request, jobs, neighbour_within, common } => {
            let Some(server) = Server::new(&url, &trust, &request)? else {
                let url = Place::of(&url);
                return Ok(Exit::NotConnected.because(format!("{url}: the name has no address")));
            };
            let (place, dial) = (Place::of(&server.url), Dial::Connect(server.address));
            (Side::Server, place, dial, Some(server), jobs, neighbour_within, common)
        }
        FuzzSide::Client { listen, common } => {
            let listener =
                TcpListener::bind(listen).map_err(|error| format!("cannot listen on {listen}: {error}"))?;
            let address = listener.local_addr().map_err(|error| error.to_string())?;
            say(format!("clients are fuzzed on ws://{address}/"));
            (Side::Client, Place::of(&address.to_string()), Dial::Accept(listener), None, 1, None, common)
        }
    };
    let (oracles, tls) = match server {
        Some(Server { host, target, fields, tls, .. }) => {
            let neighbour = neighbour.map(|within| within.0);
            (Oracles { host, target, fields, neighbour, ..oracles_of(side, &common) }, tls)
        }
        None => (oracles_of(side, &common), None),
    };
    let campaign = Campaign {
        seed: common.seed,
        first: common.first,
        count: common.count,
        time: match (common.time, common.count) {
            (Some(time), _) => Some(time.0),
            (None, Some(_)) => None,
            (None, None) => Some(std::time::Duration::from_secs(60)),
        },
        findings: common.findings.max(1),
        jobs,
        oracles,
        place,
        watch: watch(&common)?,
        minimise: common.minimise,
        interrupt: asked_to_end().map_err(|error| error.to_string())?,
    };
    let peer = common.process.peer(dial, tls, Some(&common.traces))?;
    let watched = std::io::stderr().is_terminal();
    let mut last = std::time::Duration::ZERO;
    let summary = campaign::run(&campaign, &peer, &mut |progress| {
        if watched && progress.elapsed >= last + std::time::Duration::from_millis(250) {
            last = progress.elapsed;
            // It does no harm if this cannot be shown.
            let _ = write!(std::io::stderr(), "\r{}\x1b[K", line(&progress));
        }
    });
    if watched {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    let summary = summary.map_err(|error| error.to_string())?;
    if let Some(error) = &summary.unreachable {
        let place = &campaign.place;
        return Ok(Exit::NotConnected
            .because(format!("cannot connect to {place}: {}", advised(place.as_str(), error))));
    }
    conclude(&summary, &common)
}

fn watch(common: &Common) -> Result<Option<Watch>, String> {
    match (common.pid, common.memory, common.process.starts()) {
        (None, Some(_), false) => Err("--memory needs to know of which process: --pid or --start".to_owned()),
        (None, None, _) => Ok(None),
        (pid, memory, _) => Ok(Some(Watch { pid, most: memory.map_or(64 << 20, |size| size.0 as u64) })),
    }
}

fn conclude(summary: &Summary, common: &Common) -> Result<Exit, String> {
    let mut text = Clean::new();
    let mut files = Vec::new();
    if !summary.traces.is_empty() {
        let folder = &common.traces;
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for trace in &summary.traces {
            let file = folder.join(format!("seed-{}-{}.json", trace.seed, trace.number));
            let json = Json::pretty(trace).map_err(|error| error.to_string())?;
            std::fs::write(&file, json.as_str()).map_err(|error| format!("{}: {error}", file.display()))?;
            text.add(&trace.show(colours()));
            text.own("  again     bowsprit replay ").text(file.display()).own("\n\n");
            files.push(file.display().to_string());
        }
    }
    let Progress { runs, elapsed, findings } = summary.progress;
    if common.json {
        let out = serde_json::json!({
            "seed": common.seed,
            "first": common.first,
            "runs": runs,
            "seconds": elapsed.as_secs_f64(),
            "findings": findings,
            "seen": summary.seen,
            "files": files,
            "traces": summary.traces,
        });
        print_json(&Json::pretty(&out).map_err(|error| error.to_string())?);
    } else {
        let colour = match (colours(), findings) {
            (false, _) => "",
            (true, 0) => "\x1b[32m",
            (true, _) => "\x1b[31m",
        };
        text.own(colour).text(line(&summary.progress)).own(if colours() { "\x1b[0m\n" } else { "\n" });
        print(&text);
    }
    Ok(if findings > 0 { Exit::PeerFailed } else { Exit::Done })
}

fn line(progress: &Progress) -> String {
    let Progress { runs, elapsed, findings } = progress;
    let seconds = elapsed.as_secs_f64();
    format!(
        "{} in {seconds:.1} s, {:.0} a second, {}",
        counted(*runs, "run"),
        *runs as f64 / seconds.max(0.001),
        counted(*findings, "finding")
    )
}

fn oracles_of(side: Side, common: &Common) -> Oracles {
    Oracles {
        side,
        host: String::new(),
        target: String::new(),
        fields: Vec::new(),
        timeout: common.timeout.0,
        echo: !common.no_echo,
        neighbour: None,
    }
}

/// A server, and what every request to it contains.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// The URL as typed, with its scheme.
    pub(super) url: String,
    pub(super) host: String,
    pub(super) target: String,
    /// Further lines of each request.
    pub(super) fields: Vec<String>,
    pub(super) tls: Option<(TlsClient, String)>,
}

impl Server {
    /// Creates it from a URL and the flags; `None` if its name has no address.
    pub(super) fn new(url: &str, trust: &Trust, request: &RequestArgs) -> Result<Option<Self>, String> {
        use std::net::ToSocketAddrs as _;
        let url = examined_url(url, trust.is_given())?;
        let parsed = Url::parse(&url).map_err(|error| format!("\"{}\": {error}", Place::of(&url)))?;
        let (host, fields) = request.lines(&url)?;
        let name = parsed.host().trim_matches(['[', ']']).to_owned();
        if !parsed.is_secure() && trust.is_given() {
            return Err("--ca and --insecure are for wss://".to_owned());
        }
        let tls = if parsed.is_secure() { Some((trust.client(false)?, name.clone())) } else { None };
        let addresses = (&*name, parsed.port()).to_socket_addrs().ok();
        let Some(address) = addresses.and_then(|mut addresses| addresses.next()) else { return Ok(None) };
        let target = parsed.resource().to_owned();
        Ok(Some(Self { address, url, host, target, fields, tls }))
    }
}
