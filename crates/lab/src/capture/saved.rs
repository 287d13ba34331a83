//! The format of `bowsprit watch --save`: a line of JSON for each entry.
//!
//! The first line describes the file. Each other line has a `connection` and the `seconds` since its start, and either
//! `"event": "open"` (its seconds count from the start of the watch), `from` with `bytes` in base64, or `from` with an
//! `end`.

use std::io::BufRead;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

pub use super::{Entry, What};
use crate::conversation::{End, Peer};

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The kind of file: always `watch`.
    bowsprit: String,
    /// The version of the line format: 1.
    version: u32,
    /// The URL that the client connected to.
    pub url: String,
    /// The server.
    pub target: String,
    /// When the watch began (RFC 3339).
    pub began: String,
}

#[derive(Serialize, Deserialize)]
struct Line {
    connection: u64,
    seconds: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<String>,
}

impl Header {
    /// Creates the header of a watch that begins now.
    pub fn new(url: &str, target: &str, began: &str) -> Self {
        Self {
            bowsprit: "watch".to_owned(),
            version: 1,
            url: url.to_owned(),
            target: target.to_owned(),
            began: began.to_owned(),
        }
    }

    /// Returns the header as its line in the file.
    pub fn line(&self) -> String {
        // Nothing in the header can fail to be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Returns whether a file begins like a saved watch.
    pub fn is_at_start_of(bytes: &[u8]) -> bool {
        bytes.starts_with(b"{\"bowsprit\":\"watch\"")
    }
}

impl Entry {
    /// Returns the entry as its line in the file.
    pub fn line(&self) -> String {
        let mut line = Line {
            connection: self.connection,
            seconds: self.at.as_secs_f64(),
            event: None,
            from: None,
            bytes: None,
            end: None,
        };
        match &self.what {
            What::Open => line.event = Some("open".to_owned()),
            What::Bytes(from, bytes) => {
                line.from = Some(from.name().to_owned());
                line.bytes = Some(STANDARD.encode(bytes));
            }
            // A watch loses nothing.
            What::Middle | What::Lost(..) | What::Over => {}
            What::End(from, how) => {
                line.from = Some(from.name().to_owned());
                line.end = Some(if *how == End::Reset { "reset" } else { "finished" }.to_owned());
            }
        }
        serde_json::to_string(&line).unwrap_or_default()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let line: Line = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let at = Duration::try_from_secs_f64(line.seconds).map_err(|error| error.to_string())?;
        let from = match line.from.as_deref() {
            None => None,
            Some("client") => Some(Peer::Client),
            Some("server") => Some(Peer::Server),
            Some(_) => return Err("from is client or server".to_owned()),
        };
        let what = match (line.event.as_deref(), from, line.bytes, line.end.as_deref()) {
            (Some("open"), None, None, None) => What::Open,
            (None, Some(from), Some(bytes), None) => {
                What::Bytes(from, STANDARD.decode(bytes).map_err(|error| error.to_string())?)
            }
            (None, Some(from), None, Some("finished")) => What::End(from, End::Finished),
            (None, Some(from), None, Some("reset")) => What::End(from, End::Reset),
            _ => return Err("it is none of open, bytes and end".to_owned()),
        };
        Ok(Self { connection: line.connection, at, what })
    }
}

/// What was read from a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The first line of the file.
    pub header: Header,
    /// Whether the last line is cut, as when a watch is killed.
    pub is_cut: bool,
}

/// Reads a file line by line and reports each entry.
///
/// # Errors
///
/// Returns what cannot be read, with the number of its line. A cut last line is skipped.
pub fn read(mut from: impl BufRead, mut tell: impl FnMut(Entry)) -> Result<Saved, String> {
    let mut text = String::new();
    let mut number = 0;
    let (mut header, mut is_cut) = (None, false);
    loop {
        text.clear();
        number += 1;
        let length = from.read_line(&mut text).map_err(|error| format!("line {number}: {error}"))?;
        let is_unended = !text.ends_with('\n');
        let line = text.trim();
        match header {
            _ if length == 0 => {
                let header = header.ok_or_else(|| "this is empty".to_owned())?;
                return Ok(Saved { header, is_cut });
            }
            None => {
                let found: Header =
                    serde_json::from_str(line).map_err(|error| format!("line {number}: {error}"))?;
                if found.bowsprit != "watch" || found.version != 1 {
                    return Err("this was saved by another version of bowsprit".to_owned());
                }
                header = Some(found);
            }
            Some(_) if line.is_empty() => {}
            Some(_) => match Entry::parse(line) {
                Ok(entry) => tell(entry),
                Err(_) if is_unended => is_cut = true,
                Err(error) => return Err(format!("line {number}: {error}")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<Entry> {
        let entry = |connection, millis, what| Entry { connection, at: Duration::from_millis(millis), what };
        vec![
            entry(1, 0, What::Open),
            entry(1, 1, What::Bytes(Peer::Client, b"GET \xff\0".to_vec())),
            entry(2, 2, What::Bytes(Peer::Server, Vec::new())),
            entry(1, 3, What::End(Peer::Server, End::Finished)),
            entry(1, 4, What::End(Peer::Client, End::Reset)),
        ]
    }

    fn file() -> String {
        let lines: Vec<_> = entries().iter().map(Entry::line).collect();
        format!(
            "{}\n{}\n",
            Header::new("ws://a/", "ws://b/", "2026-11-28T00:00:00Z").line(),
            lines.join("\n")
        )
    }

    #[test]
    fn what_is_written_is_read() {
        let mut found = Vec::new();
        let Saved { header, is_cut } = read(file().as_bytes(), |entry| found.push(entry)).unwrap();
        assert_eq!((header.target.as_str(), found, is_cut), ("ws://b/", entries(), false));
        assert!(Header::is_at_start_of(file().as_bytes()));
    }

    #[test]
    fn a_file_that_is_cut_anywhere_is_read_up_to_there() {
        let (file, all) = (file(), entries());
        let header = file.find('\n').unwrap();
        for cut in 0..file.len() {
            let mut found = Vec::new();
            let read = read(&file.as_bytes()[..cut], |entry| found.push(entry));
            assert_eq!(read.is_ok(), cut >= header, "cut at {cut}");
            assert_eq!(found, all[..found.len()]);
            // After a whole line, nothing shows that there was more.
            let (before, behind) = file.split_at(cut);
            let is_in_line = !before.ends_with('\n') && !behind.starts_with('\n');
            assert!(read.is_ok_and(|saved| saved.is_cut == is_in_line) || cut < header, "cut at {cut}");
        }
    }

    #[test]
    fn what_is_no_entry_is_refused_with_its_line() {
        for line in [
            "{}",
            "[]",
            r#"{"connection":1,"seconds":-1,"event":"open"}"#,
            r#"{"connection":1,"seconds":1e300,"event":"open"}"#,
            r#"{"connection":1,"seconds":0,"from":"nobody","bytes":""}"#,
            r#"{"connection":1,"seconds":0,"from":"client","bytes":"?"}"#,
            r#"{"connection":1,"seconds":0,"from":"client","bytes":"","end":"reset"}"#,
        ] {
            let text = format!("{}{line}\n", file());
            assert!(read(text.as_bytes(), |_| ()).unwrap_err().starts_with("line 7: "), "{line}");
        }
    }
}
