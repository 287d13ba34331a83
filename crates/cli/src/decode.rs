//! `bowsprit decode`: bytes as annotated frames.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;

use bowsprit_lab::decode::{Reading, Sender, decode, from_hex};
use clap::ValueEnum;

/// Arguments of `bowsprit decode`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The bytes as hex digits, or - for standard input.
    #[arg(value_name = "HEX", required_unless_present = "file", conflicts_with = "file")]
    hex: Vec<String>,
    /// A file to read instead; with --raw its bytes, else its hex digits.
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
    let code = super::print(&text);
    if faults == 0 { code } else { ExitCode::FAILURE }
}

fn bytes(args: &Args) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    match (&args.file, &args.hex[..]) {
        (Some(path), _) => std::fs::File::open(path)
            .and_then(|file| file.take(MOST).read_to_end(&mut bytes))
            .map_err(|error| format!("{}: {error}", path.display()))?,
        (None, [only]) if only == "-" => std::io::stdin()
            .take(MOST)
            .read_to_end(&mut bytes)
            .map_err(|error| format!("standard input: {error}"))?,
        (None, words) => return from_hex(&words.join(" ")),
    };
    if args.raw {
        return Ok(bytes);
    }
    let text =
        String::from_utf8(bytes).map_err(|_| "these are no hex digits; for bytes use --raw".to_owned())?;
    from_hex(&text)
}
