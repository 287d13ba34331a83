//! The view for a terminal: what did not pass, by cause, then a summary by theme.

use super::causes::{Cause, causes, verdict_line};
use super::json::{CaseReport, RunReport};
use super::run::Outcome;
use super::verdict::{Tone, behaviours, column, tone};
use crate::counted;
use crate::escape::{Clean, Terminal};
use crate::judge::Behaviour;

/// How many cases of a cause have a line of their own; the others are listed by id.
const LINES: usize = 10;
/// Columns for lists of ids.
const WIDTH: usize = 100;

/// How much is shown, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Show everything about each case that did not pass, including its trace.
    pub verbose: bool,
    /// Use colours.
    pub colour: bool,
}

/// Writes the failures, then a summary by theme.
pub fn report(run: &RunReport, style: Style) -> Clean<Terminal> {
    let mut out = Writer { out: Clean::new(), style };
    let causes = causes(run);
    for cause in &causes {
        out.cause(cause);
    }
    if let Some(first) = causes.first().and_then(|cause| cause.cases.first())
        && !style.verbose
    {
        out.paint(DIM, |out| {
            out.own(
                "-v shows what was expected, what crossed the wire and how to play a case again, as in\n  ",
            );
            out.text(&first.again).own(" -v\n\n");
        });
    }
    out.unreached(run);
    out.summary(run);
    out.out
}

/// Writes why a case did not pass, with everything needed to reproduce it.
pub fn failure(outcome: &Outcome, again: &str) -> String {
    let mut out = Writer { out: Clean::new(), style: Style::default() };
    out.details(&CaseReport::of(outcome, again.to_owned()));
    out.out.into_string()
}

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

const fn colour(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "\x1b[32m",
        Tone::Odd => "\x1b[33m",
        Tone::Noted => "\x1b[34m",
        Tone::Absent | Tone::Unreached | Tone::Unplayed => DIM,
        Tone::Bad => "\x1b[31m",
    }
}

struct Writer {
    out: Clean<Terminal>,
    style: Style,
}

impl Writer {
    fn paint(&mut self, colour: &'static str, write: impl FnOnce(&mut Clean<Terminal>)) {
        if self.style.colour {
            self.out.own(colour);
        }
        write(&mut self.out);
        if self.style.colour {
            self.out.own(PLAIN);
        }
    }

    /// Writes a cause and its cases.
    fn cause(&mut self, cause: &Cause<'_>) {
        let denied = cause.denied();
        let mark = if denied > 0 { Tone::Bad } else { Tone::Odd };
        self.paint(colour(mark), |out| {
            out.text(counted(cause.cases.len(), "case"));
            if denied < cause.cases.len() {
                out.own(", ").text(denied).own(" required");
            }
        });
        self.out.own(": ");
        self.paint(BOLD, |out| {
            out.text(&cause.text);
        });
        self.out.own("\n");
        if self.style.verbose {
            for case in &cause.cases {
                self.out.own("\n");
                self.details(case);
            }
        } else {
            let common = cause.verdict();
            if let (Some(verdict), 2..) = (&common, cause.cases.len()) {
                self.paint(DIM, |out| {
                    out.own("  ").text(verdict).own("\n");
                });
            }
            let says = common.is_none() || cause.cases.len() == 1;
            cause.cases.iter().take(LINES).for_each(|case| self.case(case, says));
            self.ids(cause.cases.get(LINES..).unwrap_or_default());
        }
        self.out.own("\n");
    }

    /// Writes a case on one line, with its verdict if `says`.
    fn case(&mut self, case: &CaseReport, says: bool) {
        self.out.own("  ").text(format_args!("{:<11} ", case.id));
        let mark = colour(if case.denied { Tone::Bad } else { Tone::Odd });
        self.paint(mark, |out| {
            out.text(format_args!("{:<7}", case.level));
        });
        self.out.text(&case.title);
        if says {
            self.paint(DIM, |out| {
                out.own("  ").text(verdict_line(case));
            });
        }
        self.out.own("\n");
    }

    /// Writes what a proxy has kept from the server or changed.
    fn unreached(&mut self, run: &RunReport) {
        let unreached: Vec<_> =
            run.cases.iter().filter(|case| tone(case.behaviour) == Tone::Unreached).collect();
        if unreached.is_empty() {
            return;
        }
        self.out.text(counted(unreached.len(), "case"));
        self.out.own(" did not reach the server as they were sent, and say nothing of it:\n");
        if self.style.verbose {
            for case in unreached {
                self.case(case, true);
            }
        } else {
            self.list(" ".to_owned(), &unreached);
        }
        self.out.own("\n");
    }

    fn ids(&mut self, cases: &[&CaseReport]) {
        if !cases.is_empty() {
            self.list(format!("  and {} more:", cases.len()), cases);
        }
    }

    fn list(&mut self, mut line: String, cases: &[&CaseReport]) {
        for case in cases {
            if line.len() + case.id.len() >= WIDTH {
                self.out.text(&line).own("\n");
                line = "   ".to_owned();
            }
            line.push(' ');
            line.push_str(&case.id);
        }
        self.out.text(line).own("\n");
    }

    /// Writes everything about a case.
    fn details(&mut self, case: &CaseReport) {
        self.paint(BOLD, |out| {
            out.text(&case.id).own("  ").text(&case.title);
        });
        self.out.own("\n");
        for (name, value) in case.facts() {
            self.fact(name, value);
        }
        for line in &case.log {
            line.write(&mut self.out, "  ");
        }
        if let Some(aftermath) = &case.aftermath {
            self.fact("after", aftermath);
        }
        self.fact("again", &case.again);
    }

    fn fact(&mut self, name: &'static str, value: impl std::fmt::Display) {
        self.paint(DIM, |out| {
            out.text(format_args!("  {name:<10}"));
        });
        self.out.text(value).own("\n");
    }

    /// Writes counts by theme and the verdict on the whole run.
    fn summary(&mut self, run: &RunReport) {
        let best = if run.is_of_proxy() { Behaviour::Transparent } else { Behaviour::Ok };
        let columns: Vec<_> =
            behaviours().filter(|behaviour| *behaviour == best || run.count(*behaviour) > 0).collect();
        self.paint(BOLD, |out| {
            out.text(format_args!("{:<40}", run.agent));
            for behaviour in &columns {
                out.text(format_args!(" {:>11}", column(*behaviour)));
            }
            out.own(if run.is_of_proxy() { "" } else { "  BAD CLOSE" });
        });
        self.out.own("\n");
        let mut groups: Vec<&str> = Vec::new();
        for case in &run.cases {
            if !groups.contains(&case.family()) {
                groups.push(case.family());
            }
        }
        for name in groups {
            let cases: Vec<&CaseReport> = run.cases.iter().filter(|case| case.family() == name).collect();
            let theme = cases.first().map_or("", |case| &case.theme);
            self.out.text(format_args!("{:<40}", format!("{name:<4} {theme}")));
            for behaviour in &columns {
                let of_it = || cases.iter().filter(|case| case.behaviour == *behaviour);
                // A case for a proxy may accept a verdict that is bad in others.
                let is_fine = run.is_of_proxy() && of_it().all(|case| case.passed);
                let tone =
                    if is_fine && tone(*behaviour) == Tone::Bad { Tone::Odd } else { tone(*behaviour) };
                self.count(of_it().count(), tone);
            }
            let is_bad_close = |case: &&&CaseReport| tone(case.behaviour) != Tone::Bad && !case.passed;
            if !run.is_of_proxy() {
                self.count(cases.iter().filter(is_bad_close).count(), Tone::Bad);
            }
            self.out.own("\n");
        }
        self.verdict(run);
    }

    fn count(&mut self, count: usize, tone: Tone) {
        let mark = if count == 0 { DIM } else { colour(tone) };
        self.paint(mark, |out| {
            out.text(format_args!(" {count:>11}"));
        });
    }

    fn verdict(&mut self, run: &RunReport) {
        let is_unplayed = |case: &CaseReport| tone(case.behaviour) == Tone::Unplayed;
        let denied = run.cases.iter().filter(|case| case.denied).count();
        let unplayed = run.cases.iter().filter(|case| is_unplayed(case)).count();
        let mut failed: Vec<String> = Vec::new();
        for level in ["must", "should", "may"] {
            let fails = |case: &&CaseReport| !case.passed && !is_unplayed(case) && case.level == level;
            match run.cases.iter().filter(fails).count() {
                0 => {}
                count => failed.push(format!("{count} {level}")),
            }
        }
        let failed = if failed.is_empty() { "none".to_owned() } else { failed.join(", ") };
        let seconds = run.duration_ms as f64 / 1000.0;
        self.out.text(format_args!(
            "{} in {seconds:.2} s, seed {}; failed: {failed}; ",
            counted(run.cases.len(), "case"),
            run.seed
        ));
        let verdict = match (denied, unplayed) {
            (0, 0) => "all required cases passed".to_owned(),
            (0, unplayed) => format!("{} not played", were(unplayed)),
            (denied, 0) => format!("{} did not pass", counted(denied, "required case")),
            (denied, unplayed) => {
                format!("{} did not pass, {} not played", counted(denied, "required case"), were(unplayed))
            }
        };
        let mark = if denied + unplayed == 0 { Tone::Good } else { Tone::Bad };
        self.paint(colour(mark), |out| {
            out.text(verdict);
        });
        self.out.own("\n");
    }
}

fn were(count: usize) -> String {
    format!("{} {}", counted(count, "case"), if count == 1 { "was" } else { "were" })
}
