//! Connections that stay open and silent; Pings of the server are answered.

use super::echo;
use super::fault::Fault;
use super::fleet::{Fleet, Left, Scene, Stopped};
use super::link::Link;
use super::report::{Report, Unit};
use super::tally::Tally;

/// Opens the connections, keeps them open, then checks that each still echoes.
pub(super) fn run(fleet: &mut Fleet<'_>) -> Result<Report, Stopped> {
    let before = fleet.resident();
    let mut scene = Idle;
    fleet.open_all(&mut scene)?;
    let opened_in = fleet.now();
    let stretch = fleet.stretch(&mut scene)?;
    let after = fleet.resident();
    for number in 0..fleet.links.len() {
        let now = fleet.now();
        if let Some(link) = &mut fleet.links[number] {
            echo::send(link, now);
        }
        fleet.write(number);
    }
    let operations = fleet.open as u64;
    fleet.finish(&mut scene)?;
    let mut report = Report::new(fleet, Unit::Kept, super::fleet::Stretch { operations, ..stretch });
    report.opened_in(opened_in);
    report.grown(before, after);
    Ok(report)
}

struct Idle;

impl Scene for Idle {
    fn answered(&mut self, link: &mut Link, messages: u32, now: u64, tally: &mut Tally) -> Result<(), Fault> {
        echo::count(link, messages, now, tally)
    }

    fn stop(&mut self) {}

    fn left(&self) -> Left {
        Left::Nothing
    }
}
