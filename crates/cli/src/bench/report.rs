//! The result of a run, as text and as JSON.

use std::fmt;

use bowsprit::frame::DataKind;
use bowsprit_lab::Place;
use bowsprit_lab::counted;
use bowsprit_lab::escape::Json;
use serde::{Deserialize, Serialize};

use super::fleet::{Fleet, Stretch};
use super::plan::{Pace, Receivers, Scenario};
use super::process::resident;
use super::tally::{Errors, Summary};
use super::units::{bytes, time};
use super::wire::Wire;
use crate::output::{one_line, si};

/// The report. Its JSON is part of the interface: members may be added, but none changes its meaning under the same
/// [`VERSION`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Report {
    /// Always `bowsprit bench`.
    pub(super) format: String,
    pub(super) version: u32,
    /// The version of this program.
    program: String,
    pub(super) label: Option<String>,
    pub(super) url: Place,
    pub(super) setup: Setup,
    /// How many connections opened.
    pub(super) opened: u64,
    /// How many seconds it took to open them, if that was measured.
    pub(super) opening_s: Option<f64>,
    /// The unit of an operation.
    pub(super) unit: Unit,
    /// How many seconds were measured.
    pub(super) seconds: f64,
    pub(super) operations: u64,
    pub(super) operations_per_s: f64,
    /// Bytes of payload a second, one way.
    pub(super) bytes_per_s: f64,
    /// Latencies, in microseconds like all times here.
    pub(super) latency_us: Option<Summary>,
    pub(super) fan_out_us: Option<Summary>,
    pub(super) opening_us: Option<Summary>,
    /// What compression achieved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deflate: Option<Deflate>,
    /// The share of one processor that the load took.
    pub(super) client_busy: Option<f64>,
    pub(super) server: Option<Server>,
    pub(super) errors: Errors,
}

/// What was measured; runs that differ in it are not comparable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Setup {
    pub(super) scenario: String,
    pub(super) connections: u64,
    pub(super) size: u64,
    pub(super) kind: String,
    pub(super) in_flight: Option<u32>,
    pub(super) rate: Option<f64>,
    /// The payload in words, unless it is the original pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) payload: Option<String>,
    /// How the sent messages were compressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deflate: Option<String>,
    /// How many WebSockets each HTTP/2 connection carries; absent over HTTP/1.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) streams: Option<u64>,
}

/// What compression achieved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Deflate {
    /// The server's different answers.
    pub(super) agreed: Vec<String>,
    pub(super) sent: Travelled,
    pub(super) received: Travelled,
}

/// Messages of one direction on the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Travelled {
    pub(super) messages: u64,
    /// Bytes on the wire, with frame headers and without TLS.
    pub(super) bytes: u64,
    /// Bytes of payload per byte on the wire.
    pub(super) ratio: f64,
}

impl Travelled {
    fn new(wire: Wire, size: u64) -> Self {
        let ratio = wire.messages as f64 * size as f64 / wire.bytes.max(1) as f64;
        Self { messages: wire.messages, bytes: wire.bytes, ratio }
    }
}

/// What the server's process used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Server {
    pub(super) busy: Option<f64>,
    pub(super) us_per_operation: Option<f64>,
    /// The memory of the process in bytes.
    pub(super) resident: Option<u64>,
    /// How many bytes of memory a connection added.
    pub(super) per_connection: Option<f64>,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Unit {
    Messages,
    Deliveries,
    Connections,
    /// Connections that stayed open.
    Kept,
}

pub(super) const FORMAT: &str = "bowsprit bench";
pub(super) const VERSION: u32 = 1;

impl Report {
    pub(super) fn new(fleet: &Fleet<'_>, unit: Unit, stretch: Stretch) -> Self {
        let plan = fleet.plan;
        let seconds = stretch.elapsed.as_secs_f64().max(1e-9);
        let per_s = stretch.operations as f64 / seconds;
        let size = plan.traffic.payloads.size as u64;
        let (in_flight, rate) = match plan.pace {
            Pace::InFlight(depth) => (Some(depth), None),
            Pace::Rate(rate) => (None, Some(rate)),
        };
        let tally = &fleet.tally;
        let cost = stretch.cost;
        let opening_us = tally.opening.summary();
        let has_payload = matches!(unit, Unit::Messages | Unit::Deliveries);
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            label: plan.label.clone(),
            url: plan.url.clone(),
            setup: Setup {
                scenario: scenario(plan.scenario).to_owned(),
                connections: plan.connections as u64,
                size,
                kind: if plan.traffic.payloads.kind == DataKind::Text { "text" } else { "binary" }.to_owned(),
                in_flight,
                rate,
                payload: plan.payload.clone(),
                deflate: plan.compression.clone(),
                streams: plan.streams.map(|streams| streams as u64),
            },
            opened: opening_us.as_ref().map_or(0, |summary| summary.count),
            opening_s: None,
            unit,
            seconds,
            operations: stretch.operations,
            operations_per_s: per_s,
            bytes_per_s: if has_payload { per_s * size as f64 } else { 0.0 },
            latency_us: tally.latency.summary(),
            fan_out_us: tally.fan_out.summary(),
            opening_us,
            deflate: plan.traffic.deflate.map(|_| Deflate {
                agreed: fleet.rings.agreed(),
                sent: Travelled::new(tally.sent, size),
                received: Travelled::new(tally.got, size),
            }),
            // The system counts in steps of some milliseconds.
            client_busy: cost.client.filter(|_| seconds > 0.1).map(|cpu| cpu.as_secs_f64() / seconds),
            server: plan.server_pid.map(|_| Server {
                busy: cost.server.map(|cpu| cpu.as_secs_f64() / seconds),
                us_per_operation: cost
                    .server
                    .filter(|_| stretch.operations > 0 && unit != Unit::Kept)
                    .map(|cpu| cpu.as_secs_f64() * 1e6 / stretch.operations as f64),
                resident: cost.server_resident,
                per_connection: None,
            }),
            errors: tally.errors.clone(),
        }
    }

    /// Records that all connections were open after this many nanoseconds.
    pub(super) fn opened_in(&mut self, nanoseconds: u64) {
        self.opening_s = Some(nanoseconds as f64 / 1e9);
    }

    /// Records that the server held `before` bytes without connections and `after` with them.
    pub(super) fn grown(&mut self, before: Option<u64>, after: Option<u64>) {
        if let (Some(server), Some(before), Some(after)) = (&mut self.server, before, after) {
            server.per_connection = Some((after as f64 - before as f64) / self.opened.max(1) as f64);
        }
    }

    pub(super) fn to_json(&self) -> Json {
        // Nothing in it can fail to be written.
        Json::pretty(self).unwrap_or_default()
    }
}

impl Fleet<'_> {
    /// Returns how many bytes of memory the server's process holds, if we know which process it is.
    pub(super) fn resident(&self) -> Option<u64> {
        self.plan.server_pid.and_then(resident)
    }
}

const fn scenario(scenario: Scenario) -> &'static str {
    match scenario {
        Scenario::Echo => "echo",
        Scenario::Broadcast(Receivers::All) => "broadcast",
        Scenario::Broadcast(Receivers::Others) => "broadcast to others",
        Scenario::Storm => "storm",
        Scenario::Idle => "idle",
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scenario, connections, size, .. } = self;
        let kind = self.payload.as_deref().unwrap_or(&self.kind);
        write!(f, "{scenario}, {}", counted(*connections, "connection"))?;
        if let Some(streams) = self.streams {
            write!(f, " as streams of HTTP/2, {streams} on a connection of it")?;
        }
        write!(f, ", {} {kind}", counted(*size, "byte"))?;
        match (self.in_flight, self.rate) {
            (_, Some(rate)) => write!(f, ", {} a second", si(rate)),
            (Some(depth), None) => write!(f, ", {depth} in flight"),
            (None, None) => Ok(()),
        }?;
        if let Some(deflate) = &self.deflate {
            write!(f, ", {deflate}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = self.label.as_deref().map(|label| format!("{label}: ")).unwrap_or_default();
        let head = format!("{label}{} ({})", self.url, self.setup);
        writeln!(f, "{}", one_line(head.as_bytes()))?;
        let unit = match self.unit {
            Unit::Messages => "messages",
            Unit::Deliveries => "deliveries",
            Unit::Connections => "connections",
            Unit::Kept => "connections kept",
        };
        if self.unit == Unit::Kept {
            writeln!(f, "{unit:<12} {} of {} for {:.1} s", self.operations, self.opened, self.seconds)?;
        } else {
            let (per_s, all) = (si(self.operations_per_s), self.operations);
            write!(f, "{unit:<12} {per_s}/s, {all} in {}", time(self.seconds * 1e6))?;
            if self.bytes_per_s > 0.0 {
                write!(f, ", {}/s", bytes(self.bytes_per_s))?;
            }
            writeln!(f)?;
        }
        for (name, times) in
            [("latency", &self.latency_us), ("fan-out", &self.fan_out_us), ("opening", &self.opening_us)]
        {
            if let Some(times) = times {
                writeln!(f, "{name:<12} {times}")?;
            }
        }
        if let Some(deflate) = &self.deflate {
            for (name, way) in [("sent", &deflate.sent), ("received", &deflate.received)] {
                let each = way.bytes as f64 / way.messages.max(1) as f64;
                writeln!(f, "{name:<12} {} a message on the wire, {:.2} : 1", bytes(each), way.ratio)?;
            }
            for agreed in &deflate.agreed {
                writeln!(f, "{:<12} {}", "agreed", one_line(agreed.as_bytes()))?;
            }
        }
        if let Some(seconds) = self.opening_s {
            writeln!(f, "{:<12} {}/s", "opened", si(self.opened as f64 / seconds))?;
        }
        if let Some(server) = &self.server {
            write!(f, "{:<12}", "server")?;
            if let Some(us) = server.us_per_operation {
                write!(f, " {} of CPU an operation,", time(us))?;
            }
            if let Some(each) = server.per_connection {
                write!(f, " {each:.0} bytes a connection,")?;
            }
            if let Some(busy) = server.busy {
                write!(f, " {:.0} % busy,", busy * 100.0)?;
            }
            writeln!(
                f,
                " {:.1} MiB resident",
                server.resident.unwrap_or_default() as f64 / f64::from(1 << 20)
            )?;
        }
        if let Some(busy) = self.client_busy {
            let limit = if busy > 0.95 { ": this load may be the limit, not the server" } else { "" };
            writeln!(f, "{:<12} {:.0} % busy{limit}", "client", busy * 100.0)?;
        }
        let errors: u64 = self.errors.values().map(|errored| errored.count).sum();
        writeln!(f, "{:<12} {errors}", "errors")?;
        for (kind, errored) in &self.errors {
            writeln!(f, "  {}: {}", one_line(kind.as_bytes()), errored.count)?;
        }
        Ok(())
    }
}

/// Shows the distribution of the latencies as bars.
pub(super) fn histogram(summary: &Summary) -> String {
    let mut out = String::new();
    let most = summary.buckets.iter().map(|bucket| bucket.count).max().unwrap_or(0);
    for bucket in &summary.buckets {
        // Even the smallest count has a bar.
        let bar = "#".repeat((bucket.count * BAR).div_ceil(most.max(1)) as usize);
        let share = bucket.count as f64 * 100.0 / summary.count.max(1) as f64;
        let up_to = format!("<= {}", time(bucket.up_to));
        let line = format!("  {up_to:>11} {:>10} {share:5.1} %  {bar}", bucket.count);
        out += line.trim_end();
        out.push('\n');
    }
    out
}

/// How many characters the longest bar has: its line has 74.
const BAR: u64 = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::tally::Times;

    #[test]
    fn bars_are_as_long_as_their_shares() {
        let mut times = Times::new();
        for (us, count) in [(3, 1), (15, 400), (90, 200)] {
            (0..count).for_each(|_| times.add(us * 1000));
        }
        let text = histogram(&times.summary().unwrap());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0].trim(), "<= 5.00 µs          1   0.2 %  #");
        assert_eq!(lines.iter().map(|line| line.matches('#').count()).collect::<Vec<_>>(), [1, 0, 40, 0, 20]);
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{text}");
    }
}
