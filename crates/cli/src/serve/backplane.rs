//! Other servers with which messages are shared, over an existing engine.

use std::io;
use std::path::PathBuf;

use bowsprit::backplane::{Address, BackplaneSettings, LinkEvent};
use bowsprit::tls::TlsClient;

use super::mode::{Mode, Talk};
use crate::output::{one_line, say, warn};
use crate::values::{Size, Time};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Other servers")]
pub(super) struct BackplaneArgs {
    /// Share what --mode relay or broadcast sends with other servers that name the same engine and PREFIX:
    /// redis://[USER:PASSWORD@]HOST[:6379]/PREFIX, rediss:// (TLS), redis+unix:///PATH?prefix=PREFIX, nats://HOST[:4222]/PREFIX,
    /// tls://HOST (NATS over TLS). With ?streams or ?streams=NUMBER behind it, Redis keeps the last messages (10,000): no
    /// outage loses any, and a client that comes back to ws://.../?since=EPOCH:OFFSET gets what it missed. A password is better kept out of the list of processes: without this flag the URL
    /// is taken from the environment, BOWSPRIT_BACKPLANE.
    #[arg(long, value_name = "URL")]
    backplane: Option<String>,
    /// The most bytes that wait for the engine while it is away or slow; then the oldest messages are dropped.
    #[arg(long, value_name = "SIZE", default_value_t = Size(BackplaneSettings::default().max_queued))]
    backplane_queue: Size,
    /// How long a message may wait for the engine.
    #[arg(long, value_name = "TIME", default_value_t = Time(BackplaneSettings::default().max_age))]
    backplane_max_age: Time,
    /// Send messages through the engine to the clients of this server, too, so that over Redis all clients of all
    /// servers see one order. While the engine is away, nothing reaches anybody; what waits no longer than --backplane-max-age comes
    /// later.
    #[arg(long)]
    backplane_ordered: bool,
    /// Trust the certificates in this file to name the engine, in place of the system's.
    #[arg(long, value_name = "FILE")]
    backplane_ca: Option<PathBuf>,
}

/// A backplane to join.
pub(super) struct Backplane {
    url: String,
    settings: BackplaneSettings,
    has_history: bool,
}

impl BackplaneArgs {
    /// Returns the backplane to join; `None` if there are no other servers.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the command line.
    pub(super) fn backplane(&self, mode: &Mode, max_message: usize) -> Result<Option<Backplane>, String> {
        let environment = || std::env::var("BOWSPRIT_BACKPLANE").ok().filter(|url| !url.is_empty());
        let Some(url) = self.backplane.clone().or_else(environment) else { return Ok(None) };
        if !matches!(mode, Mode::Relay | Mode::Broadcast) {
            return Err(
                "--backplane: there is nothing to share; add --mode relay or --mode broadcast".to_owned()
            );
        }
        let address = Address::parse(&url).map_err(|error| format!("--backplane: {error}"))?;
        let mut settings = BackplaneSettings::default();
        // Messages of clients here go out, and those of clients of other servers, whose limit is unknown, come in.
        settings.max_message = settings.max_message.max(max_message);
        settings.max_queued = self.backplane_queue.0;
        settings.max_age = self.backplane_max_age.0;
        settings.ordered = self.backplane_ordered;
        settings.tls = match &self.backplane_ca {
            Some(file) => {
                let tls = TlsClient::builder().ca_file(file).and_then(|builder| builder.build());
                Some(tls.map_err(|error| format!("--backplane-ca: {error}"))?)
            }
            // An engine may ask for TLS although the URL does not; a system without certificates has none.
            None => match TlsClient::system_roots() {
                Err(error) if address.tls() => return Err(format!("--backplane: {error}")),
                roots => roots.ok(),
            },
        };
        Ok(Some(Backplane { url, settings, has_history: address.streams().is_some() }))
    }
}

impl Backplane {
    /// Returns whether the engine keeps messages.
    pub(super) fn has_history(&self) -> bool {
        self.has_history
    }

    /// Makes a server join the backplane.
    pub(super) fn join(
        self,
        join: impl FnOnce(&str, BackplaneSettings) -> io::Result<()>,
    ) -> Result<(), String> {
        join(&self.url, self.settings).map_err(|error| format!("--backplane: {error}"))
    }
}

/// Reports an event of the link to the operator.
pub(super) fn tell(event: &LinkEvent, talk: Talk) {
    if talk < Talk::Normal || matches!(event, LinkEvent::Presence { .. }) {
        return;
    }
    let text = one_line(format!("backplane: {event}").as_bytes());
    match event {
        LinkEvent::Up { .. } => say(text),
        LinkEvent::Down { why, .. } => {
            let hint =
                if why.contains("certificate") { "; --backplane-ca FILE says which are trusted" } else { "" };
            warn("losses of the backplane", format_args!("{text}{hint}"));
        }
        LinkEvent::Gap { .. } | LinkEvent::Trimmed { .. } | LinkEvent::Reset { .. } => warn("gaps", text),
        LinkEvent::Dropped { .. } => warn("drops", text),
        _ => warn("refusals of the backplane", text),
    }
}
