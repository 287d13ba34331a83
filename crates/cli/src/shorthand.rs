//! `bowsprit URL` and `bowsprit -l PORT`: the two most frequent uses, with their command left out.
//!
//! No command has a colon or a digit in its name, so this is unambiguous.

use std::ffi::OsString;

use clap::Command;

use super::values::is_url;

/// Returns the command line with the command that it stands for.
pub(super) fn expand(root: &Command, mut typed: Vec<OsString>) -> Vec<OsString> {
    let words: Vec<&str> = typed.iter().skip(1).map(|word| word.to_str().unwrap_or_default()).collect();
    let meant: &[&str] = match words.first() {
        Some(first) if is_place(first) => &["connect"],
        // Flags in front of a URL, as in `bowsprit -k wss://localhost:9443/`.
        Some(first) if first.starts_with('-') && !is_of_root(root, first) => {
            let has_mode = words.iter().any(|word| *word == "--mode" || word.starts_with("--mode="));
            match listens(first) {
                true if has_mode => &["serve"],
                true => &["serve", "--mode", "console"],
                // A word with a colon is not a bare port, which could be the value of a flag.
                false if words.iter().any(|word| is_url(word) || (word.contains(':') && is_place(word))) => {
                    &["connect"]
                }
                false => &[],
            }
        }
        _ => &[],
    };
    let meant: Vec<OsString> = meant.iter().map(OsString::from).collect();
    typed.splice(1..1, meant);
    typed
}

/// Returns whether this is a URL, `HOST:PORT`, `:PORT` or a port. Addresses of websocat are handled elsewhere.
fn is_place(word: &str) -> bool {
    let word = word.trim();
    let authority = word.split(['/', '?']).next().unwrap_or_default();
    let port = authority.rsplit_once(':').map_or(authority, |(_, port)| port);
    let is_listener = word.starts_with("ws-l:") || word.starts_with("ws-listen:");
    let is_port = port.parse::<u16>().is_ok() && !port.starts_with('+');
    is_url(word)
        || word.starts_with("http://")
        || word.starts_with("https://")
        || (!is_listener && !word.starts_with('-') && is_port)
}

/// Returns whether this is `-l`, `-l9001`, `--listen`, or `--listen=9001`.
fn listens(flag: &str) -> bool {
    flag == "--listen" || flag.starts_with("--listen=") || (flag.starts_with("-l") && !flag.starts_with("--"))
}

/// Returns whether the flag is one of `bowsprit` itself.
fn is_of_root(root: &Command, flag: &str) -> bool {
    ["-h", "--help", "-V", "--version"].contains(&flag)
        || root
            .get_arguments()
            .any(|arg| flag.strip_prefix("--").is_some_and(|long| arg.get_long() == Some(long)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::command;

    fn expanded(line: &str) -> String {
        let typed = line.split(' ').map(OsString::from).collect();
        let words = expand(&command(), typed);
        words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_place_is_connected_to() {
        for rest in [
            "ws://127.0.0.1:9001/",
            "WSS://example.com -m hi",
            "ws+unix:/run/app.sock",
            "http://127.0.0.1/",
            "localhost:9001",
            "[::1]:9001/chat",
            ":9001",
            "9001 -m hi",
            "\tws://a/",
            "example.com:80/chat?a=b",
            "-k wss://localhost:9443/",
            "-H X-A:b -v ws://a/",
            "-b localhost:9001",
            "-k -m hi :9443/chat",
        ] {
            assert_eq!(expanded(&format!("bowsprit {rest}")), format!("bowsprit connect {rest}"));
        }
    }

    #[test]
    fn a_listener_shows_what_comes() {
        for rest in ["-l 9001", "-l9001", "--listen 9001", "--listen=0.0.0.0:80 -v"] {
            assert_eq!(
                expanded(&format!("bowsprit {rest}")),
                format!("bowsprit serve --mode console {rest}")
            );
        }
        for rest in ["-l 9001 --mode relay", "-l :9001 --mode=echo"] {
            assert_eq!(expanded(&format!("bowsprit {rest}")), format!("bowsprit serve {rest}"));
        }
    }

    #[test]
    fn all_else_is_left_as_it_is() {
        for line in [
            "bowsprit",
            "bowsprit serve -l 9001",
            "bowsprit connect ws://a/",
            "bowsprit test ws://a/",
            "bowsprit sing ws://a/",
            "bowsprit --help",
            "bowsprit -V",
            "bowsprit -v",
            "bowsprit -s 9001",
            "bowsprit ws-l:127.0.0.1:9001 mirror:",
            "bowsprit localhost",
            "bowsprit 70000",
        ] {
            assert_eq!(expanded(line), line);
        }
        for sub in command().get_subcommands() {
            assert!(!is_place(sub.get_name()), "{}", sub.get_name());
        }
    }
}
