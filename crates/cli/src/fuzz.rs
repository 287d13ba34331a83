//! `bowsprit fuzz`: a structure-aware fuzzer of servers and clients over the wire.

use std::io::{IsTerminal as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bowsprit::handshake::Url;
use bowsprit_lab::Place;
use bowsprit_lab::escape::Json;
use bowsprit_lab::fuzz::campaign::{self, Campaign, Progress, Summary, Watch};
use bowsprit_lab::fuzz::{Dial, Oracles, Peer, Process, Side};
use clap::Subcommand;

use super::exit::Exit;
use super::output::{for_terminal, print, print_json, say};
use super::values::{Size, Time, jobs, listen_address};

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
        /// Where it is, such as ws://127.0.0.1:9001/
        url: String,
        /// Connections at once.
        #[arg(long, short, value_name = "N", default_value_t = 4, value_parser = jobs)]
        jobs: usize,
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
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The number of the first iteration.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    first: u64,
    /// Stop after so many iterations.
    #[arg(long)]
    count: Option<u64>,
    /// Stop after this time [default: 60s, unless --count is given]
    #[arg(long)]
    time: Option<Time>,
    /// Stop with so many different findings; 1 stops at the first.
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    findings: usize,
    /// How long an answer may take.
    #[arg(long, default_value = "1s")]
    timeout: Time,
    /// The peer does not send messages back: only Pings ask whether it is there.
    #[arg(long)]
    no_echo: bool,
    #[command(flatten)]
    process: ProcessArgs,
    /// Watch the memory of this process.
    #[arg(long)]
    pid: Option<u32>,
    /// How much the memory of --pid, or of what --start runs, may grow once it is warm [default: 64M with --pid]
    #[arg(long)]
    memory: Option<Size>,
    /// Scripts played to make one finding small.
    #[arg(long, value_name = "NUMBER", default_value_t = 400)]
    minimise: usize,
    /// The folder for traces.
    #[arg(long, value_name = "FOLDER", default_value = "fuzz-traces")]
    traces: PathBuf,
    /// Print the outcome as JSON.
    #[arg(long)]
    json: bool,
}

/// How a peer comes to be there.
#[derive(Debug, clap::Args)]
pub(super) struct ProcessArgs {
    /// Start the peer with this shell command, and again when it has gone; {url} is where clients connect to. Use `exec`
    /// where it is more than one simple command. Its output goes to peer.log in the folder for traces.
    #[arg(long, value_name = "COMMAND")]
    start: Option<String>,
    /// How long a peer may take to be there, and to be back when it has gone.
    #[arg(long, value_name = "TIME", default_value = "5s")]
    back: Time,
}

impl ProcessArgs {
    /// The peer; `traces` is the folder for its output.
    pub(super) fn peer(&self, dial: Dial, traces: Option<&Path>) -> Result<Peer, String> {
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
        Ok(Peer { dial, process, back: self.back.0 })
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
    let (side, place, dial, host, target, jobs, common) = match args.side {
        FuzzSide::Server { url, jobs, common } => {
            let (address, host, target) = match address_of(&url)? {
                Some(found) => found,
                None => {
                    return Ok(
                        Exit::NotConnected.because(format!("{}: the name has no address", Place::of(&url)))
                    );
                }
            };
            (Side::Server, Place::of(&url), Dial::Connect(address), host, target, jobs, common)
        }
        FuzzSide::Client { listen, common } => {
            let listener =
                TcpListener::bind(listen).map_err(|error| format!("cannot listen on {listen}: {error}"))?;
            let address = listener.local_addr().map_err(|error| error.to_string())?;
            say(format!("clients are fuzzed on ws://{address}/"));
            (
                Side::Client,
                Place::of(&address.to_string()),
                Dial::Accept(listener),
                String::new(),
                String::new(),
                1,
                common,
            )
        }
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
        oracles: Oracles { side, host, target, timeout: common.timeout.0, echo: !common.no_echo },
        place,
        watch: watch(&common)?,
        minimise: common.minimise,
        interrupt: interrupt().map_err(|error| error.to_string())?,
    };
    let peer = common.process.peer(dial, Some(&common.traces))?;
    let watched = std::io::stderr().is_terminal();
    let mut last = std::time::Duration::ZERO;
    let summary = campaign::run(&campaign, &peer, &mut |progress| {
        if watched && progress.elapsed >= last + std::time::Duration::from_millis(250) {
            last = progress.elapsed;
            // Nobody is hurt if it cannot be seen.
            let _ = write!(std::io::stderr(), "\r{}\x1b[K", line(&progress));
        }
    });
    if watched {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    let summary = summary.map_err(|error| format!("the memory of --pid cannot be read: {error}"))?;
    if let Some(error) = &summary.unreachable {
        return Ok(Exit::NotConnected.because(format!("nobody is at {}: {error}", campaign.place)));
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

/// The first SIGINT or SIGTERM asks for an end with what was found so far; the second ends at once.
fn interrupt() -> std::io::Result<Arc<AtomicBool>> {
    let asked = Arc::new(AtomicBool::new(false));
    #[cfg(unix)]
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, asked.clone())?;
        signal_hook::flag::register(signal, asked.clone())?;
    }
    Ok(asked)
}

fn conclude(summary: &Summary, common: &Common) -> Result<Exit, String> {
    let mut text = String::new();
    let mut files = Vec::new();
    if !summary.traces.is_empty() {
        let folder = &common.traces;
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for trace in &summary.traces {
            let file = folder.join(format!("seed-{}-{}.json", trace.seed, trace.number));
            let json = Json::pretty(trace).map_err(|error| error.to_string())?;
            std::fs::write(&file, json.as_str()).map_err(|error| format!("{}: {error}", file.display()))?;
            text.push_str(&trace.show());
            text.push_str(&format!("  again     bowsprit replay {}\n\n", file.display()));
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
        print(&for_terminal(format_args!("{text}{}\n", line(&summary.progress))));
    }
    Ok(if findings > 0 { Exit::PeerFailed } else { Exit::Done })
}

fn line(progress: &Progress) -> String {
    let Progress { runs, elapsed, findings } = progress;
    let seconds = elapsed.as_secs_f64();
    format!(
        "{runs} runs in {seconds:.1} s, {:.0} a second, {findings} findings",
        *runs as f64 / seconds.max(0.001)
    )
}

/// Address, Host field and target of a server.
pub(super) fn address_of(url: &str) -> Result<Option<(SocketAddr, String, String)>, String> {
    use std::net::ToSocketAddrs as _;
    let url = Url::parse(url).map_err(|error| format!("\"{}\": {error}", Place::of(url)))?;
    if url.is_secure() {
        return Err("only ws:// can be fuzzed: put what ends TLS in front".to_owned());
    }
    let host = url.host().trim_start_matches('[').trim_end_matches(']');
    let address = (host, url.port()).to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    Ok(address.map(|address| (address, url.host_header().to_owned(), url.resource().to_owned())))
}
