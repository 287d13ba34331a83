//! `bowsprit decode`: bytes as annotated frames.

mod dump;
mod out;
mod tcpdump;

use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use bowsprit_lab::capture::saved::{self, Header};
use bowsprit_lab::capture::{har, packets};
use bowsprit_lab::decode::{Reading, Sender, read};
use clap::ValueEnum;

use super::output::{count, one_line, say, usage};
use out::{Form, Out, Talks};

/// Arguments of `bowsprit decode`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The bytes as hexadecimal digits, as a dump (xxd, hexdump -C, od -t x1, Wireshark), as a list, Node Buffer, Python
    /// bytes or base64; - or nothing for standard input.
    #[arg(value_name = "BYTES", conflicts_with = "file", allow_hyphen_values = false)]
    hex: Vec<String>,
    /// A file to read instead: one of these forms, a capture (pcap, pcapng, or what tcpdump -x prints), what `watch` has saved, an HTTP archive (HAR)
    /// with WebSocket messages; or, with --raw, the bytes themselves.
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// What is read from a file or standard input are the bytes themselves.
    #[arg(long)]
    raw: bool,
    /// Who sent them.
    #[arg(long, value_enum, default_value_t = From::Guess)]
    from: From,
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

#[derive(Clone, Copy, Debug, ValueEnum)]
enum From {
    Client,
    Server,
    /// Told from the first frame.
    Guess,
}

/// No more is read: a capture that large wants cutting first.
const MOST: u64 = 256 << 20;

pub(crate) fn run(args: Args) -> ExitCode {
    let input = match input(&args) {
        Ok(input) => input,
        Err(error) => return usage(&error),
    };
    let form = match (args.json, args.html) {
        (true, _) => Form::Json,
        (_, true) => Form::Html,
        _ => Form::Text,
    };
    let mut out = Out::new(form);
    let read = match input {
        Input::Bytes(bytes) => {
            let keep = out.keep();
            let reading = Reading { sender: args.from.sender(), deflate: args.deflate };
            let faults = read(&bytes, reading, keep, |part| out.part(part));
            out.faults = faults;
            Ok(())
        }
        Input::Saved(bytes) => {
            let mut talks = Talks::new(&mut out, args.deflate);
            let read = saved::read(&bytes[..], |entry| talks.entry(entry)).map(drop);
            talks.finish();
            read
        }
        Input::Packets(bytes) => {
            let mut talks = Talks::new(&mut out, args.deflate);
            let read = packets::read(&bytes, |entry| talks.entry(entry)).map(|held| tell_of(&held));
            talks.finish();
            read
        }
        Input::Rows(rows) => {
            let mut talks = Talks::new(&mut out, args.deflate);
            tell_of(&packets::read_bare(rows, |entry| talks.entry(entry)));
            talks.finish();
            Ok(())
        }
        Input::Archive(text) => {
            let keep = out.keep().message;
            har::read(&text, keep, |number, told| out.told(number, told, Duration::ZERO)).map(drop)
        }
    };
    match (out.finish(), read) {
        (_, Err(error)) => usage(error),
        (Err(error), _) => usage(error),
        (Ok(0), _) => ExitCode::SUCCESS,
        (Ok(_), _) => ExitCode::FAILURE,
    }
}

/// What there is to decode.
enum Input {
    /// One direction.
    Bytes(Vec<u8>),
    /// What `watch` has saved.
    Saved(Vec<u8>),
    /// A capture of packets.
    Packets(Vec<u8>),
    /// The same as tcpdump prints it.
    Rows(Vec<tcpdump::Packet>),
    /// An HTTP archive.
    Archive(String),
}

/// Says what of a capture is not shown.
fn tell_of(held: &packets::Held) {
    if held.is_cut {
        say(format_args!("the capture ends inside packet {}", held.packets + 1));
    }
    if held.others > 0 || held.left_out > 0 {
        say(format_args!(
            "not shown: {} that begin neither as HTTP nor as WebSocket, {} that are no TCP or of a kind that is not read",
            count(held.others, "connection"),
            count(held.left_out, "packet")
        ));
    }
    if held.connections == 0 {
        say("there is no WebSocket connection in this capture");
    }
}

impl From {
    const fn sender(self) -> Sender {
        match self {
            Self::Client => Sender::Client,
            Self::Server => Sender::Server,
            Self::Guess => Sender::Guess,
        }
    }
}

fn input(args: &Args) -> Result<Input, String> {
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
            let read = dump::bytes(&words.join(" "));
            return read.map(Input::Bytes).map_err(|error| match words {
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
        return Ok(Input::Bytes(bytes));
    }
    if Header::is_at_start_of(&bytes) {
        return Ok(Input::Saved(bytes));
    }
    if packets::is_at_start_of(&bytes) {
        return Ok(Input::Packets(bytes));
    }
    let is_head = [&b"GET "[..], b"HTTP/"].iter().any(|start| bytes.starts_with(start));
    match String::from_utf8(bytes) {
        // A head as it was on the wire; a dump of one starts with digits.
        Ok(text) if is_head => Ok(Input::Bytes(text.into_bytes())),
        Ok(text) if tcpdump::is_in(&text) => tcpdump::packets(&text).map(Input::Rows),
        Ok(text) if har::is_at_start_of(&text) => Ok(Input::Archive(text)),
        Ok(text) => dump::bytes(&text).map(Input::Bytes),
        Err(error) if is_head => Ok(Input::Bytes(error.into_bytes())),
        Err(_) => Err("this is no text; for the bytes themselves use --raw".to_owned()),
    }
}
