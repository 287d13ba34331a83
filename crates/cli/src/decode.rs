//! `bowsprit decode`: bytes as annotated frames.

use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::process::ExitCode;

use bowsprit_lab::decode::{Reading, Sender, decode};
use clap::ValueEnum;

use super::dump;
use super::output::for_terminal;

/// Arguments of `bowsprit decode`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The bytes as hexadecimal digits, as a dump (xxd, hexdump -C, od -t x1, Wireshark), as a list, Node Buffer, Python
    /// bytes or base64; - or nothing for standard input.
    #[arg(value_name = "BYTES", conflicts_with = "file", allow_hyphen_values = false)]
    hex: Vec<String>,
    /// A file to read instead; with --raw its bytes, else one of these forms.
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
    let bytes = match bytes(&args) {
        Ok(bytes) => bytes,
        Err(error) => return super::usage(&error),
    };
    let sender = match args.from {
        From::Client => Sender::Client,
        From::Server => Sender::Server,
        From::Guess => Sender::Guess,
    };
    let (text, faults) = decode(&bytes, Reading { sender, deflate: args.deflate });
    let code = super::print(&for_terminal(text));
    if faults == 0 { code } else { ExitCode::FAILURE }
}

fn bytes(args: &Args) -> Result<Vec<u8>, String> {
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
        (None, words) => return dump::bytes(&words.join(" ")),
    };
    if args.raw {
        return Ok(bytes);
    }
    let is_head = [&b"GET "[..], b"HTTP/"].iter().any(|start| bytes.starts_with(start));
    match String::from_utf8(bytes) {
        // A head as it was on the wire; a dump of one starts with digits.
        Ok(text) if is_head => Ok(text.into_bytes()),
        Ok(text) => dump::bytes(&text),
        Err(error) if is_head => Ok(error.into_bytes()),
        Err(_) => Err("this is no text; for the bytes themselves use --raw".to_owned()),
    }
}
