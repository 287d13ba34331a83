//! What a run has found, as text and as JSON.

use std::fmt;

use bowsprit::frame::DataKind;
use bowsprit_lab::Place;
use bowsprit_lab::escape::Json;
use serde::{Deserialize, Serialize};

use super::fleet::{Fleet, Stretch};
use super::plan::{Pace, Receivers, Scenario};
use super::process::resident;
use super::tally::{Errors, Summary};
use crate::output::{one_line, si};

/// The report. Its JSON is part of the interface: members are added, but none changes its meaning under the same
/// [`VERSION`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Report {
    /// Always `bowsprit bench`.
    pub(super) format: String,
    pub(super) version: u32,
    /// Of this program.
    program: String,
    pub(super) label: Option<String>,
    pub(super) url: Place,
    pub(super) setup: Setup,
    /// Connections that opened.
    pub(super) opened: u64,
    /// Seconds that it took to open them, where that was measured.
    pub(super) opening_s: Option<f64>,
    /// What an operation is.
    pub(super) unit: Unit,
    /// Seconds measured.
    pub(super) seconds: f64,
    pub(super) operations: u64,
    pub(super) operations_per_s: f64,
    /// Of payload, one way.
    pub(super) bytes_per_s: f64,
    /// All times are in microseconds.
    pub(super) latency_us: Option<Summary>,
    pub(super) fan_out_us: Option<Summary>,
    pub(super) opening_us: Option<Summary>,
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
}

/// What the server's process took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Server {
    pub(super) busy: Option<f64>,
    pub(super) us_per_operation: Option<f64>,
    /// Bytes of memory.
    pub(super) resident: Option<u64>,
    /// Bytes of memory that a connection added.
    pub(super) per_connection: Option<f64>,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Unit {
    Messages,
    Deliveries,
    Connections,
    /// Connections that stayed.
    Kept,
}

pub(super) const FORMAT: &str = "bowsprit bench";
pub(super) const VERSION: u32 = 1;

impl Report {
    pub(super) fn new(fleet: &Fleet<'_>, unit: Unit, stretch: Stretch) -> Self {
        let plan = fleet.plan;
        let seconds = stretch.elapsed.as_secs_f64().max(1e-9);
        let per_s = stretch.operations as f64 / seconds;
        let size = plan.traffic.payload.len() as u64;
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
                kind: if plan.traffic.kind == DataKind::Text { "text" } else { "binary" }.to_owned(),
                in_flight,
                rate,
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
            client_busy: cost.client.map(|cpu| cpu.as_secs_f64() / seconds),
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

    /// All connections were open after so many nanoseconds.
    pub(super) fn opened_in(&mut self, nanoseconds: u64) {
        self.opening_s = Some(nanoseconds as f64 / 1e9);
    }

    /// The server held `before` bytes without connections and `after` with them.
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
    /// Bytes of memory that the server's process holds, where we know which it is.
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
        let Self { scenario, connections, size, kind, .. } = self;
        write!(f, "{scenario}, {connections} connections, {size} bytes {kind}")?;
        match (self.in_flight, self.rate) {
            (_, Some(rate)) => write!(f, ", {} a second", si(rate)),
            (Some(depth), None) => write!(f, ", {depth} in flight"),
            (None, None) => Ok(()),
        }
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
            write!(
                f,
                "{unit:<12} {}/s, {} in {:.1} s",
                si(self.operations_per_s),
                self.operations,
                self.seconds
            )?;
            if self.bytes_per_s > 0.0 {
                write!(f, ", {:.1} MB/s", self.bytes_per_s / 1e6)?;
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
        if let Some(seconds) = self.opening_s {
            writeln!(f, "{:<12} {}/s", "opened", si(self.opened as f64 / seconds))?;
        }
        if let Some(server) = &self.server {
            write!(f, "{:<12}", "server")?;
            if let Some(us) = server.us_per_operation {
                write!(f, " {us:.3} µs of CPU an operation,")?;
            }
            if let Some(bytes) = server.per_connection {
                write!(f, " {bytes:.0} bytes a connection,")?;
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
