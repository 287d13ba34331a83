//! `bowsprit fuzz`: a structure-aware fuzzer of servers and clients over the wire.

use std::io::{IsTerminal as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use bowsprit::handshake::Url;
use bowsprit::lab::fuzz::campaign::{self, Campaign, Dial, Progress, Summary};
use bowsprit::lab::fuzz::{Oracles, Side};
use clap::Subcommand;

use super::args::{Size, Time, listen_address};
use super::exit::Exit;
use super::output::{print, say};

/// Say thousands of wrong things a second to a WebSocket server or client, and judge what it answers.
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
        #[arg(long, short, default_value_t = 4)]
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
    /// Watch the memory of this process.
    #[arg(long)]
    pid: Option<u32>,
    /// How much the memory of --pid may grow, once it is warm.
    #[arg(long, default_value = "64M", requires = "pid")]
    memory: Size,
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
                None => return Ok(Exit::NotConnected.because(format!("{url}: the name has no address"))),
            };
            (Side::Server, url, Dial::Connect(address), host, target, jobs, common)
        }
        FuzzSide::Client { listen, common } => {
            let listener =
                TcpListener::bind(listen).map_err(|error| format!("cannot listen on {listen}: {error}"))?;
            let address = listener.local_addr().map_err(|error| error.to_string())?;
            say(format!("clients are fuzzed on ws://{address}/"));
            (
                Side::Client,
                address.to_string(),
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
        watch: common.pid.map(|pid| (pid, common.memory.0 as u64)),
        minimise: common.minimise,
    };
    let watched = std::io::stderr().is_terminal();
    let mut last = std::time::Duration::ZERO;
    let summary = campaign::run(&campaign, &dial, &mut |progress| {
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

fn conclude(summary: &Summary, common: &Common) -> Result<Exit, String> {
    let mut text = String::new();
    let mut files = Vec::new();
    if !summary.traces.is_empty() {
        let folder = &common.traces;
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for trace in &summary.traces {
            let file = folder.join(format!("seed-{}-{}.json", trace.seed, trace.number));
            let json = serde_json::to_string_pretty(trace).map_err(|error| error.to_string())?;
            std::fs::write(&file, json + "\n").map_err(|error| format!("{}: {error}", file.display()))?;
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
        print(&format!("{out:#}\n"));
    } else {
        print(&format!("{text}{}\n", line(&summary.progress)));
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
    let url = Url::parse(url).map_err(|error| format!("\"{url}\": {error}"))?;
    if url.is_secure() {
        return Err("only ws:// can be fuzzed: put what ends TLS in front".to_owned());
    }
    let host = url.host().trim_start_matches('[').trim_end_matches(']');
    let address = (host, url.port()).to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    Ok(address.map(|address| (address, url.host_header().to_owned(), url.resource().to_owned())))
}
