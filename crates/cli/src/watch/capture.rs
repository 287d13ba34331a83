//! Writes all traffic to a file for Wireshark.

use std::fs::File;
use std::io::{self, BufWriter};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bowsprit_lab::capture::pcapng::Writer;

use super::record::create;

pub(super) struct Capture {
    pub(super) path: PathBuf,
    pub(super) writer: Writer<BufWriter<File>>,
}

impl Capture {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let writer = Writer::new(BufWriter::new(create(path)?))?;
        Ok(Self { path: path.to_owned(), writer })
    }

    /// Begins a connection, this long after the watch began.
    pub(super) fn open(
        &mut self,
        number: u64,
        ends: [Option<SocketAddr>; 2],
        after: Duration,
    ) -> io::Result<()> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let [client, server] = ends;
        // A Unix-domain socket has no port: use an unassigned one, and a different one for each.
        let own = (Ipv4Addr::LOCALHOST, 49_152 + (number % 16_384) as u16);
        let mut server = server.unwrap_or((Ipv4Addr::LOCALHOST, 80).into());
        if server.port() == 443 {
            server.set_port(80); // else the bytes, which are in the clear, are taken for TLS
        }
        self.writer.open(number, client.unwrap_or(own.into()), server, now.saturating_sub(after))
    }
}
