//! The arguments of `bowsprit replay`.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::fuzz::ProcessArgs;
use crate::request::RequestArgs;
use crate::trust::Trust;
use crate::values::{Size, listen_address};

/// Play a finding of `bowsprit fuzz` again, and tell whether it still is one; or say again what `watch --save` has heard
///
/// Of a file of `watch --save` the client's side is played, connection by connection, and what the server answers now is
/// shown and judged; exit code 1 if it breaks a rule.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file that `bowsprit fuzz` or `bowsprit watch` saved.
    pub(super) file: PathBuf,
    /// Of a file of `watch`, only the connection with this number.
    #[arg(long, value_name = "N")]
    pub(super) connection: Option<u64>,
    /// Another server than the one it was found in.
    #[arg(long, conflicts_with = "listen")]
    pub(super) url: Option<String>,
    /// Another place to wait for a client than the one it was found at.
    #[arg(long, value_parser = listen_address)]
    pub(super) listen: Option<SocketAddr>,
    #[command(flatten)]
    pub(super) trust: Trust,
    #[command(flatten)]
    pub(super) request: RequestArgs,
    #[command(flatten)]
    pub(super) process: ProcessArgs,
    /// The process whose memory is looked at, for a finding about that.
    #[arg(long)]
    pub(super) pid: Option<u32>,
    /// How much its memory may grow in the long run; here it is played a few times only.
    #[arg(long, default_value = "64M", requires = "pid")]
    pub(super) memory: Size,
    /// Only tell what is in the file.
    #[arg(long)]
    pub(super) show: bool,
}
