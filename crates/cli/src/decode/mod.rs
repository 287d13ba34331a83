//! `bowsprit decode`: bytes as annotated frames.

mod out;

use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use bowsprit_lab::capture::saved::{self, Header};
use bowsprit_lab::capture::{har, packets, printed};
use bowsprit_lab::counted;
use bowsprit_lab::decode::{Reading, Sender, read};
use bowsprit_lab::forms::{self, Found};
use clap::ValueEnum;

use super::output::{one_line, say, usage};
use out::{Form, Out, Talks};

/// Arguments of `bowsprit decode`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT)]
pub(crate) struct Args {
    /// The bytes as hexadecimal digits, as a dump (xxd, hexdump -C, od -t x1, Wireshark), as a list, Node Buffer, Python
    /// bytes, C array or string, or base64; - or nothing for standard input.
    #[arg(value_name = "BYTES", conflicts_with = "file", allow_hyphen_values = false)]
    hex: Vec<String>,
    /// A file to read instead: one of these forms, a capture (pcap, pcapng, or what tcpdump -x and tshark -x print), what `watch` has saved, an HTTP archive (HAR)
    /// with WebSocket messages; or, with --raw, the bytes themselves.
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// What is read from a file or standard input are the bytes themselves.
    #[arg(long)]
    raw: bool,
    /// Who sent them.
    #[arg(long, value_enum, default_value_t = By::Guess)]
    from: By,
    /// permessage-deflate is agreed.
    #[arg(long)]
    deflate: bool,
    /// Write lines of JSON in place of text.
    #[arg(long)]
    json: bool,
    /// Write a page in place of text.
    #[arg(long, conflicts_with = "json")]
    html: bool,
}

const EXIT: &str = "Exit codes: 0 no rule was broken, 1 a rule was broken, or the input ends early, 2 the command line is \
wrong, or the input cannot be read.";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    Client,
    Server,
    /// Told from the first frame.
    Guess,
}

/// The most bytes that are read: larger captures should be cut first.
const MOST: u64 = 256 << 20;

pub(crate) fn run(args: Args) -> ExitCode {
    let Given { input, cut } = match input(&args) {
        Ok(given) => given,
        Err(error) => return usage(&error),
    };
    let form = match (args.json, args.html) {
        (true, _) => Form::Json,
        (_, true) => Form::Html,
        _ => Form::Text,
    };
    let mut out = Out::new(form);
    // Each returns why the input ends early, if it does.
    let read = match input {
        Input::Bytes(bytes) => {
            let keep = out.keep();
            let reading = Reading { sender: args.from.sender(), deflate: args.deflate };
            let faults = read(&bytes, reading, keep, |part| out.part(part));
            out.faults = faults;
            Ok(None)
        }
        Input::Saved(bytes) => {
            let mut talks = Talks::new(&mut out, args.deflate);
            let read = saved::read(&bytes[..], |entry| talks.entry(entry));
            talks.finish();
            read.map(|saved| saved.is_cut.then(|| "the file ends inside a line".to_owned()))
        }
        Input::Packets(bytes) => {
            let mut talks = Talks::new(&mut out, args.deflate);
            let read = packets::read(&bytes, |entry| talks.entry(entry));
            talks.finish();
            read.map(|held| tell_of(&held))
        }
        Input::Rows(rows) => {
            let mut talks = Talks::new(&mut out, args.deflate);
            let held = packets::read_bare(rows, |entry| talks.entry(entry));
            talks.finish();
            Ok(tell_of(&held))
        }
        Input::Archive(text) => {
            let keep = out.keep().message;
            let read = har::read(&text, keep, |number, told| out.told(number, told, Duration::ZERO));
            read.map(|held| {
                out.faults += usize::try_from(held.left_out).unwrap_or(usize::MAX);
                tell_of_archive(&held);
                None
            })
        }
    };
    let cut = match read {
        Ok(found) => cut.or(found),
        Err(error) => {
            // What was read so far is useful nevertheless.
            return out.finish().map_or_else(usage, |_| usage(error));
        }
    };
    if let Some(why) = &cut {
        out.faults += 1;
        say(format_args!("the input ends early: {why}"));
    }
    match out.finish() {
        Err(error) => usage(error),
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
    }
}

/// The input to decode, and why there should be more.
struct Given {
    input: Input,
    cut: Option<String>,
}

enum Input {
    /// The bytes of one direction.
    Bytes(Vec<u8>),
    /// A file that `watch` saved.
    Saved(Vec<u8>),
    /// A packet capture.
    Packets(Vec<u8>),
    /// Packets without a container.
    Rows(Vec<printed::Packet>),
    /// An HTTP archive.
    Archive(String),
}

impl From<Input> for Given {
    fn from(input: Input) -> Self {
        Self { input, cut: None }
    }
}

/// Reports what is not shown of a capture, and returns where it ends early.
fn tell_of(held: &packets::Held) -> Option<String> {
    if held.others > 0 || held.left_out > 0 {
        say(format_args!(
            "not shown: {} without HTTP or WebSocket at the start, {} without TCP or of a kind that is not read",
            counted(held.others, "connection"),
            counted(held.left_out, "packet")
        ));
    }
    if held.connections == 0 {
        say("there is no WebSocket connection in this capture");
    }
    held.is_cut.then(|| format!("the capture ends inside packet {}", held.packets + 1))
}

/// Reports what is not shown of an archive.
fn tell_of_archive(held: &har::Held) {
    for reason in &held.reasons {
        say(format_args!("not shown: {reason}"));
    }
    let more = held.left_out - held.reasons.len() as u64;
    if more > 0 {
        say(format_args!("not shown: {more} more"));
    }
}

impl By {
    const fn sender(self) -> Sender {
        match self {
            Self::Client => Sender::Client,
            Self::Server => Sender::Server,
            Self::Guess => Sender::Guess,
        }
    }
}

fn input(args: &Args) -> Result<Given, String> {
    let mut bytes = Vec::new();
    match (&args.file, &args.hex[..]) {
        (Some(path), _) => std::fs::File::open(path)
            .and_then(|file| file.take(MOST).read_to_end(&mut bytes))
            .map_err(|error| format!("{}: {error}", path.display()))?,
        (None, []) if std::io::stdin().is_terminal() => {
            return Err(
                "give the bytes, a --file, or something on standard input; see bowsprit decode --help"
                    .to_owned(),
            );
        }
        (None, words) if words.is_empty() || *words == ["-"] => std::io::stdin()
            .take(MOST)
            .read_to_end(&mut bytes)
            .map_err(|error| format!("standard input: {error}"))?,
        (None, words) => {
            return of_text(words.join(" ")).map_err(|error| match words {
                [path] if Path::new(path).is_file() => {
                    format!(
                        "{} are no bytes, but there is a file of that name: use --file",
                        one_line(path.as_bytes())
                    )
                }
                _ => error,
            });
        }
    };
    if bytes.is_empty() {
        return Err("there is nothing to be read: not one byte".to_owned());
    }
    if args.raw {
        return Ok(Input::Bytes(bytes).into());
    }
    let bytes = match of_file(bytes) {
        Ok(input) => return Ok(input.into()),
        Err(bytes) => bytes,
    };
    let is_head = [&b"GET "[..], b"HTTP/"].iter().any(|start| bytes.starts_with(start));
    match String::from_utf8(bytes) {
        // This is a head as it was on the wire; a dump of one starts with digits.
        Ok(text) if is_head => Ok(Input::Bytes(text.into_bytes()).into()),
        Ok(text) => of_text(text),
        Err(error) if is_head => Ok(Input::Bytes(error.into_bytes()).into()),
        Err(_) => Err("this is no text; for the bytes themselves use --raw".to_owned()),
    }
}

/// Recognizes a file with both directions by its first bytes; otherwise returns the bytes.
fn of_file(bytes: Vec<u8>) -> Result<Input, Vec<u8>> {
    if Header::is_at_start_of(&bytes) {
        Ok(Input::Saved(bytes))
    } else if packets::is_at_start_of(&bytes) {
        Ok(Input::Packets(bytes))
    } else {
        Err(bytes)
    }
}

/// Returns the input that a text stands for.
fn of_text(text: String) -> Result<Given, String> {
    if har::is_at_start_of(&text) {
        return Ok(Input::Archive(text).into());
    }
    if printed::is_in(&text) {
        let printed = printed::packets(&text)?;
        let cut = printed.is_cut.then(|| "the last packet is cut".to_owned());
        return Ok(Given { input: Input::Rows(printed.packets), cut });
    }
    let Found { pieces, notes, cut } = forms::read(&text)?;
    notes.iter().for_each(say);
    // A copy of a whole packet, as Wireshark makes it.
    if pieces.iter().any(|piece| packets::is_packet(piece)) {
        say("these bytes are packets of TCP, and are read as that");
        let packets = pieces.into_iter().filter(|piece| packets::is_packet(piece));
        return Ok(Given {
            input: Input::Rows(packets.map(|packet| (Duration::ZERO, packet)).collect()),
            cut,
        });
    }
    if pieces.len() > 1 {
        say(format_args!("{} pieces are read one behind the other, as one direction", pieces.len()));
    }
    let input = of_file(pieces.concat()).unwrap_or_else(Input::Bytes);
    Ok(Given { input, cut })
}
