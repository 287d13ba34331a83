//! The counters of a loop.

use std::fmt::{self, Write};

use super::ended::Failed;
use crate::client::{ConnectError, Phase};
use crate::close::CloseCode;

/// Counters of a loop since it began; see [`Context::stats`](super::Context::stats).
///
/// They are plain numbers of one thread: counting costs an addition. [`add`](Self::add) sums those of several loops.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Connections from listeners, and adopted ones.
    pub accepted: u64,
    /// Connections that were dialed.
    pub dialed: u64,
    /// Handshakes that were completed, in either role.
    pub opened: u64,
    /// Open connections that have ended.
    pub closed: u64,
    /// Connections of any stage, now.
    pub connections: u64,
    /// Open connections, now.
    pub open: u64,
    /// Messages that were delivered whole.
    pub messages_in: u64,
    /// Messages that were queued.
    pub messages_out: u64,
    /// Bytes read, including handshakes.
    pub bytes_in: u64,
    /// Bytes written, including handshakes.
    pub bytes_out: u64,
    /// Bytes that wait for peers, now.
    pub queued: u64,
    /// Messages that were dropped because too much waited ([`Overflow::DropData`](super::Overflow::DropData) and
    /// `DropOldest`).
    pub dropped: u64,
    /// Messages that were replaced by newer ones of the same key because their reader is slow
    /// ([`Context::send_latest`](super::Context::send_latest)).
    pub conflated: u64,
    /// Connections that were ended because too much waited ([`Overflow::Close`](super::Overflow::Close)).
    pub overflowed: u64,
    /// How often nothing was read from a connection for a while because it had sent more than its [`Rate`](super::Rate)
    /// allows.
    pub slowed: u64,
    /// Messages that were dropped because they exceeded a rate.
    pub rate_dropped: u64,
    /// Connections that were ended with code 1008 because they exceeded a rate.
    pub rate_closed: u64,
    /// Bytes held for connections, now ([`Settings::max_held`](super::Settings::max_held)).
    pub held: u64,
    /// Connections that were ended because all together held too much, and these held most.
    pub over_budget: u64,
    /// Messages to the whole group that another loop did not take because it was behind or gone.
    pub behind: u64,
    /// Attempts to accept that failed because the system had no descriptors or no memory.
    pub accept_errors: u64,
    /// Connections that failed before they opened.
    pub failed: FailedStats,
    /// How open connections ended, by the code of §7.1.5: 1006 if no Close frame came.
    pub close_codes: CloseCodes,
    /// Topics, now.
    pub topics: u64,
    /// The link to other processes, if there is one.
    #[cfg(feature = "backplane")]
    pub backplane: Option<crate::backplane::LinkStats>,
}

/// Connections that failed before they opened, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailedStats {
    /// There was no room ([`Settings::max_connections`](super::Settings::max_connections)).
    pub no_room: u64,
    /// There were too many from one address ([`Settings::max_per_address`](super::Settings::max_per_address)).
    pub address: u64,
    /// The request broke a rule.
    pub request: u64,
    /// The program refused, or the request asked for no upgrade.
    pub refused: u64,
    /// A trusted proxy did not name its client ([`Settings::proxy_protocol`](super::Settings::proxy_protocol)).
    pub proxy: u64,
    /// A server's response broke a rule, or refused.
    pub response: u64,
    /// The handshake took too long.
    pub timeout: u64,
    /// The peer went away.
    pub eof: u64,
    /// The transport failed, TLS included.
    pub io: u64,
    /// The program gave it up.
    pub aborted: u64,
}

/// How often each close code came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CloseCodes {
    /// 1000 to 1015.
    standard: [u64; 16],
    libraries: u64,
    applications: u64,
}

impl CloseCodes {
    pub(super) const fn count(&mut self, code: CloseCode) {
        match code.0 {
            1000..=1015 => self.standard[(code.0 - 1000) as usize] += 1,
            3000..=3999 => self.libraries += 1,
            _ => self.applications += 1,
        }
    }

    /// Returns how often this code came. Codes from 3000 to 3999 are counted together, and so are those from 4000 to
    /// 4999.
    pub const fn of(&self, code: CloseCode) -> u64 {
        match code.0 {
            1000..=1015 => self.standard[(code.0 - 1000) as usize],
            3000..=3999 => self.libraries,
            4000..=4999 => self.applications,
            _ => 0,
        }
    }

    /// Returns each code that came, and how often.
    fn labels(&self) -> impl Iterator<Item = (String, u64)> {
        let standard = (1000..).zip(self.standard).map(|(code, count): (u16, u64)| (code.to_string(), count));
        let others = [("3000-3999".to_owned(), self.libraries), ("4000-4999".to_owned(), self.applications)];
        standard.chain(others).filter(|(_, count)| *count > 0)
    }
}

impl Stats {
    /// Adds the numbers of another loop.
    pub fn add(&mut self, other: &Self) {
        let Stats {
            accepted,
            dialed,
            opened,
            closed,
            connections,
            open,
            messages_in,
            messages_out,
            bytes_in,
            bytes_out,
            queued,
            dropped,
            conflated,
            overflowed,
            slowed,
            rate_dropped,
            rate_closed,
            held,
            over_budget,
            behind,
            accept_errors,
            failed,
            close_codes,
            topics,
            #[cfg(feature = "backplane")]
            backplane,
        } = other;
        // A group has one link.
        #[cfg(feature = "backplane")]
        {
            self.backplane = self.backplane.or(*backplane);
        }
        for (sum, more) in [
            (&mut self.accepted, accepted),
            (&mut self.dialed, dialed),
            (&mut self.opened, opened),
            (&mut self.closed, closed),
            (&mut self.connections, connections),
            (&mut self.open, open),
            (&mut self.messages_in, messages_in),
            (&mut self.messages_out, messages_out),
            (&mut self.bytes_in, bytes_in),
            (&mut self.bytes_out, bytes_out),
            (&mut self.queued, queued),
            (&mut self.dropped, dropped),
            (&mut self.conflated, conflated),
            (&mut self.overflowed, overflowed),
            (&mut self.slowed, slowed),
            (&mut self.rate_dropped, rate_dropped),
            (&mut self.rate_closed, rate_closed),
            (&mut self.held, held),
            (&mut self.over_budget, over_budget),
            (&mut self.behind, behind),
            (&mut self.accept_errors, accept_errors),
            (&mut self.topics, topics),
            (&mut self.close_codes.libraries, &close_codes.libraries),
            (&mut self.close_codes.applications, &close_codes.applications),
        ] {
            *sum += more;
        }
        for (sum, (_, more)) in self.failed.counts_mut().into_iter().zip(failed.counts()) {
            *sum += more;
        }
        for (sum, more) in self.close_codes.standard.iter_mut().zip(close_codes.standard) {
            *sum += more;
        }
    }

    /// Returns the numbers in the text format of Prometheus.
    ///
    /// ```
    /// use bowsprit::event_loop::Stats;
    ///
    /// let text = Stats::default().to_prometheus();
    /// assert!(text.contains("# TYPE bowsprit_messages_in_total counter\nbowsprit_messages_in_total 0\n"));
    /// ```
    pub fn to_prometheus(&self) -> String {
        let mut text = String::with_capacity(4096);
        // Writing to a string does not fail.
        let _ = self.write_prometheus(&mut text);
        text
    }

    fn write_prometheus(&self, out: &mut String) -> fmt::Result {
        let counters = [
            ("connections_accepted", "Connections accepted or adopted", self.accepted),
            ("connections_dialed", "Connections dialed", self.dialed),
            ("connections_opened", "Handshakes completed", self.opened),
            ("connections_closed", "Open connections that ended", self.closed),
            ("messages_in", "Messages delivered whole", self.messages_in),
            ("messages_out", "Messages queued", self.messages_out),
            ("bytes_in", "Bytes read, handshakes included", self.bytes_in),
            ("bytes_out", "Bytes written, handshakes included", self.bytes_out),
            ("messages_dropped", "Messages dropped for slow readers", self.dropped),
            ("messages_conflated", "Messages replaced by newer ones for slow readers", self.conflated),
            ("connections_overflowed", "Connections ended as slow readers", self.overflowed),
            ("rate_slowed", "Times that a connection was not read from for its rate", self.slowed),
            (
                "rate_messages_dropped",
                "Messages dropped as they were more than the rate allows",
                self.rate_dropped,
            ),
            (
                "rate_connections_closed",
                "Connections ended as they sent more than the rate allows",
                self.rate_closed,
            ),
            ("connections_over_budget", "Connections ended as too much was held for all", self.over_budget),
            ("group_messages_lost", "Messages that another loop was too far behind to take", self.behind),
            ("accept_errors", "Failed attempts to accept", self.accept_errors),
        ];
        for (name, help, value) in counters {
            writeln!(out, "# HELP bowsprit_{name}_total {help}.\n# TYPE bowsprit_{name}_total counter")?;
            writeln!(out, "bowsprit_{name}_total {value}")?;
        }
        let gauges = [
            ("connections", "Connections of any stage", self.connections),
            ("connections_open", "Open connections", self.open),
            ("queued_bytes", "Bytes that wait for peers", self.queued),
            ("held_bytes", "Bytes held for connections", self.held),
            ("topics", "Topics with subscribers", self.topics),
        ];
        for (name, help, value) in gauges {
            writeln!(out, "# HELP bowsprit_{name} {help}.\n# TYPE bowsprit_{name} gauge")?;
            writeln!(out, "bowsprit_{name} {value}")?;
        }
        #[cfg(feature = "backplane")]
        if let Some(link) = &self.backplane {
            write_link(out, link)?;
        }
        let name = "bowsprit_handshakes_failed_total";
        writeln!(out, "# HELP {name} Connections that failed before they opened.\n# TYPE {name} counter")?;
        for (reason, count) in self.failed.counts() {
            writeln!(out, "{name}{{reason=\"{reason}\"}} {count}")?;
        }
        let name = "bowsprit_close_codes_total";
        writeln!(out, "# HELP {name} Ends of open connections by close code.\n# TYPE {name} counter")?;
        for (code, count) in self.close_codes.labels() {
            writeln!(out, "{name}{{code=\"{code}\"}} {count}")?;
        }
        Ok(())
    }
}

/// Writes the numbers of the link to other processes.
#[cfg(feature = "backplane")]
fn write_link(out: &mut String, link: &crate::backplane::LinkStats) -> fmt::Result {
    for (name, help, value) in [
        ("published", "Messages for other nodes", link.published),
        ("received", "Messages of other nodes", link.received),
        ("echoes", "Messages of our own that came back", link.echoes),
        ("repeated", "Messages of other nodes that came twice", link.repeated),
        ("dropped", "Messages for other nodes that had to go", link.dropped),
        ("gaps", "Times that messages of other nodes were missing", link.gaps),
        ("lost", "Messages of other nodes that were missing", link.lost),
        ("reconnects", "Links after the first", link.reconnects),
        ("replayed", "Messages that were read again for those who came back", link.replayed),
        ("too_old", "Times that those who came back were too late for that", link.too_old),
    ] {
        writeln!(out, "# HELP bowsprit_backplane_{name}_total {help}.")?;
        writeln!(
            out,
            "# TYPE bowsprit_backplane_{name}_total counter\nbowsprit_backplane_{name}_total {value}"
        )?;
    }
    for (name, help, value) in [
        ("up", "Whether there is a link to the engine", u64::from(link.up)),
        ("nodes", "Other nodes that are heard of", link.nodes as u64),
        ("present", "How many are present at all nodes", link.present),
        ("queue_bytes", "Bytes that wait for the engine or for its answer", link.queued as u64),
    ] {
        writeln!(out, "# HELP bowsprit_backplane_{name} {help}.")?;
        writeln!(out, "# TYPE bowsprit_backplane_{name} gauge\nbowsprit_backplane_{name} {value}")?;
    }
    let (name, help) = ("bowsprit_backplane_lag_seconds", "How long the oldest of these has waited");
    writeln!(out, "# HELP {name} {help}.\n# TYPE {name} gauge\n{name} {}", link.lag.as_secs_f64())
}

impl FailedStats {
    pub(super) const fn count(&mut self, failed: &Failed) {
        let count = match failed {
            Failed::Request(_) => &mut self.request,
            Failed::Refused(_) => &mut self.refused,
            Failed::Proxy(_) => &mut self.proxy,
            Failed::Response(_) => &mut self.response,
            Failed::Timeout => &mut self.timeout,
            Failed::Eof => &mut self.eof,
            Failed::Io(_) => &mut self.io,
            Failed::Aborted => &mut self.aborted,
        };
        *count += 1;
    }

    /// Counts a client that has not reached its server. What went wrong before it was connected failed no handshake.
    pub(super) fn count_unreached(&mut self, error: &ConnectError) {
        let count = match error.root() {
            ConnectError::Response(_) | ConnectError::Redirect(_) => &mut self.response,
            ConnectError::Timeout(Phase::Tls | Phase::Response) => &mut self.timeout,
            ConnectError::Tls(_) | ConnectError::Io(_) => &mut self.io,
            _ => return,
        };
        *count += 1;
    }

    /// Returns the sum of all.
    pub fn sum(&self) -> u64 {
        self.counts().iter().map(|(_, count)| count).sum()
    }

    /// Returns each reason in a word, and how often it occurred.
    pub const fn counts(&self) -> [(&'static str, u64); 10] {
        [
            ("no_room", self.no_room),
            ("address", self.address),
            ("request", self.request),
            ("refused", self.refused),
            ("proxy", self.proxy),
            ("response", self.response),
            ("timeout", self.timeout),
            ("eof", self.eof),
            ("io", self.io),
            ("aborted", self.aborted),
        ]
    }

    const fn counts_mut(&mut self) -> [&mut u64; 10] {
        [
            &mut self.no_room,
            &mut self.address,
            &mut self.request,
            &mut self.refused,
            &mut self.proxy,
            &mut self.response,
            &mut self.timeout,
            &mut self.eof,
            &mut self.io,
            &mut self.aborted,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_text() {
        let mut stats = Stats { messages_in: 3, open: 2, ..Stats::default() };
        stats.failed.timeout = 1;
        stats.failed.aborted = 4;
        stats.close_codes.count(CloseCode::NORMAL);
        stats.close_codes.count(CloseCode(4242));
        let mut sum = stats.clone();
        sum.add(&stats);
        assert_eq!((sum.messages_in, sum.open, sum.failed.sum()), (6, 4, 10));
        assert_eq!(sum.close_codes.of(CloseCode::NORMAL), 2);
        assert_eq!(sum.close_codes.of(CloseCode(4000)), 2);
        let text = sum.to_prometheus();
        for line in [
            "bowsprit_messages_in_total 6",
            "bowsprit_connections_open 4",
            "bowsprit_handshakes_failed_total{reason=\"timeout\"} 2",
            "bowsprit_handshakes_failed_total{reason=\"aborted\"} 8",
            "bowsprit_close_codes_total{code=\"1000\"} 2",
            "bowsprit_close_codes_total{code=\"4000-4999\"} 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("code=\"1001\""));
        #[cfg(feature = "backplane")]
        let text = {
            let link = crate::backplane::LinkStats {
                lag: std::time::Duration::from_millis(1500),
                ..Default::default()
            };
            sum.backplane = Some(link);
            let text = sum.to_prometheus();
            assert!(text.contains("\nbowsprit_backplane_lag_seconds 1.5\n"), "{text}");
            text
        };
        // Every sample follows the type of its family, as the format requires.
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let family = line.split(['{', ' ']).next().unwrap();
            assert!(text.contains(&format!("# TYPE {family} ")), "{line}");
        }
    }
}
