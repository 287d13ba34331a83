//! What was typed, and what it asks for.

use std::path::PathBuf;
use std::time::Duration;

use bowsprit::extension::deflate::{DeflateConfig, ReceiveContext, SendContext};
use bowsprit::frame::DataKind;
use bowsprit::handshake::HeaderField;
use bowsprit_lab::Place;
use clap::ValueEnum;

use super::payload::{self, Script, Source};
use super::target::Target;
use super::traffic::Traffic;
use crate::exit::Exit;
use crate::request::RequestArgs;
use crate::trust::Trust;
use crate::values::{Size, Time, examined_url, header, stretch};

/// Groups of flags in `--help`.
const LOAD: &str = "How much, for how long";
const MESSAGES: &str = "Messages";
const COMPRESSION: &str = "Compression (permessage-deflate, RFC 7692)";
const SCENARIO: &str = "What is measured, in place of echoes";
const SERVER: &str = "The server";
const REPORT: &str = "The report";

/// The arguments of a measurement.
#[derive(Debug, clap::Args)]
pub(crate) struct Load {
    /// The server, such as ws://127.0.0.1:9001/
    #[arg(required = true)]
    url: String,
    /// Connections; in a storm, how many are under way at a time.
    #[arg(short, long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..), help_heading = LOAD)]
    connections: u32,
    /// Bytes of payload in a message.
    #[arg(short, long, value_name = "SIZE", default_value_t = Size(16), help_heading = MESSAGES)]
    size: Size,
    /// Messages of a connection that wait for an answer; a broadcast counts as one until everybody has it.
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65_536), help_heading = LOAD)]
    in_flight: u32,
    /// Messages a second, all connections together, due at fixed times whatever the server does.
    #[arg(short, long, value_name = "N", conflicts_with_all = ["in_flight", "storm", "idle"], help_heading = LOAD)]
    rate: Option<f64>,
    /// How long to measure.
    #[arg(short, long, value_name = "TIME", value_parser = stretch, default_value_t = Time(Duration::from_secs(10)), help_heading = LOAD)]
    duration: Time,
    /// Send this many messages, all connections together, instead of measuring for a time; in a storm, open this many
    /// connections. There is no warm-up.
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..), conflicts_with_all = ["duration", "warmup", "idle"], help_heading = LOAD)]
    count: Option<u64>,
    /// How long to run before measuring.
    #[arg(long, value_name = "TIME", default_value_t = Time(Duration::from_secs(1)), help_heading = LOAD)]
    warmup: Time,
    /// Open the connections evenly over this time instead of as fast as they open.
    #[arg(long, value_name = "TIME", default_value_t = Time(Duration::ZERO), help_heading = LOAD)]
    ramp_up: Time,
    /// How long a connection may take to open.
    #[arg(long, value_name = "TIME", default_value_t = Time(Duration::from_secs(10)), help_heading = LOAD)]
    connect_timeout: Time,

    /// Send binary messages (the default).
    #[arg(long, conflicts_with = "text", help_heading = MESSAGES)]
    binary: bool,
    /// Send text: a sentence in ASCII or mostly in letters of two bytes, or random words or JSON.
    #[arg(long, value_enum, value_name = "SCRIPT", num_args = 0..=1, require_equals = true, default_missing_value = "ascii", help_heading = MESSAGES)]
    text: Option<Script>,
    /// Send this text, again and again.
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true, conflicts_with_all = ["binary", "text", "size"], help_heading = MESSAGES)]
    message: Option<String>,
    /// Send the content of this file, again and again: as a binary message, or with --text as a text.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["message", "size"], help_heading = MESSAGES)]
    file: Option<PathBuf>,
    /// What words and JSON are made from: the same number, the same messages.
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = MESSAGES)]
    seed: u64,
    /// Compare the payload of every Nth answer of a connection; length and kind are checked always.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..), help_heading = MESSAGES)]
    sample: u32,

    /// Compress: offer permessage-deflate, as browsers do, and send every message compressed. A server that does not agree
    /// is not measured.
    #[arg(long, help_heading = COMPRESSION)]
    deflate: bool,
    /// How hard to look for repetitions in what we send, 0 to 9; it is done before the run.
    #[arg(long, value_name = "N", default_value_t = DeflateConfig::default().level, value_parser = clap::value_parser!(u8).range(0..=9), requires = "deflate", help_heading = COMPRESSION)]
    deflate_level: u8,
    /// Whether messages may refer to those before them (context takeover).
    #[arg(long, value_enum, value_name = "CONTEXT", default_value_t = Contexts::Both, requires = "deflate", help_heading = COMPRESSION)]
    deflate_context: Contexts,

    /// One connection sends, and the server passes it on to all, or to all but the sender.
    #[arg(long, value_enum, value_name = "TO", num_args = 0..=1, require_equals = true, default_missing_value = "all", group = "scenario", help_heading = SCENARIO)]
    broadcast: Option<Receivers>,
    /// Open, send one message, await its echo, close; again and again.
    #[arg(long, group = "scenario", help_heading = SCENARIO)]
    storm: bool,
    /// Open the connections, keep them for the duration, then see that they still echo.
    #[arg(long, group = "scenario", help_heading = SCENARIO)]
    idle: bool,

    /// A header for the requests; may be repeated.
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = header, help_heading = SERVER)]
    header: Vec<HeaderField>,
    /// The value of Origin.
    #[arg(long, value_name = "ORIGIN", help_heading = SERVER)]
    origin: Option<String>,
    /// Subprotocols to offer, the preferred one first.
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = SERVER)]
    subprotocol: Vec<String>,
    /// Basic authentication.
    #[arg(long, value_name = "USER:PASSWORD", conflicts_with = "bearer", help_heading = SERVER)]
    auth: Option<String>,
    /// Authentication by a token.
    #[arg(long, value_name = "TOKEN", help_heading = SERVER)]
    bearer: Option<String>,
    // This is not flattened: an optional group of arguments has to hold its arguments itself.
    /// Trust these certificates (PEM or DER) and no others.
    #[arg(long, value_name = "FILE", help_heading = SERVER)]
    ca: Option<PathBuf>,
    /// Accept every certificate.
    #[arg(long, help_heading = SERVER)]
    insecure: bool,
    /// WebSockets over HTTP/2 (RFC 8441): ALPN chooses it for wss://, and a ws:// server is known to speak it.
    #[arg(long, help_heading = SERVER)]
    http2: bool,
    /// WebSockets on each HTTP/2 connection.
    #[arg(long, value_name = "N", default_value_t = 100, requires = "http2", value_parser = clap::value_parser!(u32).range(1..), help_heading = LOAD)]
    streams: u32,
    /// The server's process on this machine: its CPU time and memory go into the report (Linux).
    #[arg(long, value_name = "PID", help_heading = REPORT)]
    server_pid: Option<u32>,
    /// A name for this run in the report.
    #[arg(long, value_name = "TEXT", help_heading = REPORT)]
    label: Option<String>,
    /// Show how the latencies are spread even where stdout is no terminal.
    #[arg(long, help_heading = REPORT)]
    pub(super) histogram: bool,
    /// Write the report as JSON.
    #[arg(long, help_heading = REPORT)]
    pub(super) json: bool,
}

/// To whom the server passes a broadcast on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Receivers {
    All,
    Others,
}

/// Who may refer to messages before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Contexts {
    /// Both sides may; we do, and the server as it likes.
    Both,
    /// Neither: the server is asked to compress each message by itself, which not every server takes.
    None,
}

impl Load {
    /// Returns how messages are compressed.
    fn compression(&self) -> Option<DeflateConfig> {
        let mut config = DeflateConfig::default();
        config.level = self.deflate_level;
        config.threshold = 0;
        (config.send_context, config.receive_context) = match self.deflate_context {
            Contexts::Both => (SendContext::Compressor, ReceiveContext::Window),
            Contexts::None => (SendContext::Fresh, ReceiveContext::Fresh),
        };
        self.deflate.then_some(config)
    }

    /// Returns the payload and the kind of message.
    fn source(&self) -> Result<(DataKind, Source), String> {
        match (&self.message, &self.file) {
            (Some(text), _) => Ok((DataKind::Text, Source::Given(text.clone().into_bytes()))),
            (None, Some(path)) => {
                let bytes = payload::read(path)?;
                let is_text = self.text.is_some();
                if is_text && std::str::from_utf8(&bytes).is_err() {
                    return Err(format!("{} is no text in UTF-8: leave out --text", path.display()));
                }
                Ok((if is_text { DataKind::Text } else { DataKind::Binary }, Source::Given(bytes)))
            }
            (None, None) => Ok(match self.text {
                Some(script) => (DataKind::Text, Source::Text(script)),
                None => (DataKind::Binary, Source::Pattern),
            }),
        }
    }
}

/// What is to be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scenario {
    Echo,
    Broadcast(Receivers),
    Storm,
    Idle,
}

/// When messages are due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pace {
    /// This many messages wait for an answer at any time.
    InFlight(u32),
    /// This many messages a second, whatever the answers do.
    Rate(f64),
}

/// When a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Time(Duration),
    /// The run ends once this many messages have been sent and answered.
    Count(u64),
}

/// A measurement, checked and ready to run.
pub(super) struct Plan {
    pub(super) url: Place,
    pub(super) label: Option<String>,
    pub(super) target: Target,
    pub(super) scenario: Scenario,
    pub(super) connections: usize,
    pub(super) pace: Pace,
    pub(super) traffic: Traffic,
    /// The payload in words, unless it is the original pattern.
    pub(super) payload: Option<String>,
    /// How messages are compressed, in words.
    pub(super) compression: Option<String>,
    pub(super) length: Length,
    pub(super) warmup: Duration,
    pub(super) ramp_up: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) server_pid: Option<u32>,
    /// How many WebSockets each HTTP/2 connection carries, if it is HTTP/2.
    pub(super) streams: Option<usize>,
}

/// More messages a second than any machine of today sends one by one.
const FASTEST: f64 = 1e8;

impl Plan {
    pub(super) fn new(load: Load) -> Result<Self, Exit> {
        let scenario = match (load.broadcast, load.storm, load.idle) {
            (Some(to), ..) => Scenario::Broadcast(to),
            (_, true, _) => Scenario::Storm,
            (_, _, true) => Scenario::Idle,
            _ => Scenario::Echo,
        };
        let pace = match load.rate {
            Some(rate) if !(rate > 0.0 && rate <= FASTEST) => {
                return Err(Exit::Usage.because("--rate needs a number above 0 and up to 100 million"));
            }
            Some(rate) => Pace::Rate(rate),
            None => Pace::InFlight(load.in_flight),
        };
        if scenario == Scenario::Broadcast(Receivers::Others) && load.connections < 2 {
            return Err(Exit::Usage.because("--broadcast=others needs at least 2 connections"));
        }
        let (kind, source) = load.source().map_err(|why| Exit::Usage.because(why))?;
        let deflate = load.compression();
        let payload = match (&source, load.text) {
            (Source::Text(script @ (Script::Words | Script::Json)), _) => {
                let name = if *script == Script::Json { "JSON" } else { "words" };
                Some(format!("{name}, seed {}", load.seed))
            }
            (Source::Text(Script::Cyrillic), _) => Some("Cyrillic text".to_owned()),
            (Source::Given(_), _) => Some(format!("{kind:?} of the user's").to_lowercase()),
            _ => None,
        };
        let compression = load.deflate.then(|| {
            let kept = if load.deflate_context == Contexts::Both { "kept" } else { "not kept" };
            format!("compressed, level {}, contexts {kept}", load.deflate_level)
        });
        let traffic =
            Traffic::new(kind, source, load.size.0, load.seed, load.in_flight, load.sample, deflate)
                .map_err(|why| Exit::Usage.because(why))?;
        let request = RequestArgs {
            header: load.header,
            origin: load.origin,
            subprotocol: load.subprotocol,
            auth: load.auth,
            bearer: load.bearer,
        };
        let trust = Trust { ca: load.ca, insecure: load.insecure };
        let url = examined_url(&load.url, trust.is_given()).map_err(|why| Exit::Usage.because(why))?;
        let target = Target::new(&url, &request, deflate, &trust, load.connect_timeout.0, load.http2)?;
        Ok(Self {
            url: Place::of(&url),
            label: load.label,
            target,
            scenario,
            connections: load.connections as usize,
            pace,
            traffic,
            payload,
            compression,
            length: load.count.map_or(Length::Time(load.duration.0), Length::Count),
            warmup: if load.count.is_some() { Duration::ZERO } else { load.warmup.0 },
            ramp_up: load.ramp_up.0,
            connect_timeout: load.connect_timeout.0,
            server_pid: load.server_pid,
            streams: load.http2.then_some(load.streams as usize),
        })
    }
}
