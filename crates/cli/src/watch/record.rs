//! Writes all traffic to a file: a line of JSON for each entry, which `decode` and `replay` read.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bowsprit_lab::capture::saved::{self, Entry, What};
use bowsprit_lab::conversation::{End, Peer};

pub(super) struct Record {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Record {
    pub(super) fn create(path: &Path, url: &str, target: &str) -> io::Result<Self> {
        let mut record = Self { path: path.to_owned(), file: BufWriter::new(create(path)?) };
        let began = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        record.line(&saved::Header::new(url, target, &began).line())?;
        Ok(record)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn open(&mut self, connection: u64, at: Duration) -> io::Result<()> {
        self.entry(connection, at, What::Open)
    }

    pub(super) fn bytes(
        &mut self,
        connection: u64,
        at: Duration,
        from: Peer,
        bytes: &[u8],
    ) -> io::Result<()> {
        self.entry(connection, at, What::Bytes(from, bytes.to_vec()))
    }

    pub(super) fn end(&mut self, connection: u64, at: Duration, from: Peer, how: End) -> io::Result<()> {
        self.entry(connection, at, What::End(from, how))
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    fn entry(&mut self, connection: u64, at: Duration, what: What) -> io::Result<()> {
        self.line(&Entry { connection, at, what }.line())
    }

    fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.file, "{text}")
    }
}

/// Creates a file that only its owner may read, because it may hold cookies and passwords.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
