//! What a run leaves behind: text, files, an exit status.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bowsprit_lab::baseline::Baseline;
use bowsprit_lab::report::json::Report;
use bowsprit_lab::report::{Deny, Run, Style, autobahn, html, junit, markdown, text};

use super::super::output::{colours, print, print_bytes};
use super::super::say;
use super::End;
use super::args::{Common, ReportArgs};

impl Common {
    /// Prints and writes the reports, and says how it went.
    pub(super) fn conclude<'r>(&self, runs: impl Iterator<Item = &'r mut Run>) -> Result<End, String> {
        let deny = self.deny.deny();
        let mut end = End::Passed;
        let runs: Vec<&mut Run> = runs.collect();
        let runs: Vec<&Run> = runs
            .into_iter()
            .map(|run| {
                run.sort();
                &*run
            })
            .collect();
        let report = Report::new(&runs, deny);
        let style = Style { verbose: self.verbose, colour: colours() };
        for (run, told) in runs.iter().zip(&report.runs) {
            if !self.prints_a_file() {
                print(&text::report(told, style));
            }
            if !self.is_fine(run, deny)? {
                end = End::Failed;
            } else if end == End::Passed && run.outcomes.iter().any(|outcome| !outcome.was_played()) {
                end = End::Incomplete;
            }
        }
        self.write_reports(&report)?;
        if let Some(path) = &self.write_baseline {
            let lines: String = runs.iter().map(|run| Baseline::of(&run.outcomes, deny)).collect();
            write(path, &lines)?;
        }
        Ok(end)
    }

    /// Whether nothing fails the run that is not known to fail.
    fn is_fine(&self, run: &Run, deny: Deny) -> Result<bool, String> {
        let Some(path) = &self.baseline else {
            return Ok(!run.outcomes.iter().any(|outcome| outcome.denied(deny)));
        };
        let baseline =
            Baseline::parse(&read(path)?).map_err(|error| format!("{}: {error}", path.display()))?;
        let comparison = baseline.compare(&run.outcomes, deny);
        for (id, reason) in &comparison.known {
            say(format!("{id} fails as known: {reason}"));
        }
        for id in &comparison.mended {
            say(format!("{id} passes now: take it out of {}", path.display()));
        }
        for id in &comparison.new {
            say(format!("{id} fails, and {} does not know of it", path.display()));
        }
        Ok(comparison.new.is_empty())
    }

    /// Whether one of the files goes to standard output.
    fn prints_a_file(&self) -> bool {
        [&self.json, &self.junit, &self.markdown, &self.html, &self.index]
            .iter()
            .any(|path| path.as_deref() == Some(Path::new("-")))
    }

    fn write_reports(&self, report: &Report) -> Result<(), String> {
        type Form = fn(&Report) -> String;
        let forms: [(&Option<PathBuf>, Form); 5] = [
            (&self.json, |report| report.to_json().to_string()),
            (&self.junit, |report| junit::report(report).into_string()),
            (&self.markdown, |report| markdown::report(report).into_string()),
            (&self.html, |report| html::page(report).into_string()),
            (&self.index, |report| autobahn::index(report).to_string()),
        ];
        for (path, form) in forms {
            if let Some(path) = path {
                write(path, &form(report))?;
            }
        }
        Ok(())
    }
}

/// Puts reports side by side.
pub(super) fn report(args: &ReportArgs) -> Result<ExitCode, String> {
    let mut whole: Option<Report> = None;
    for path in &args.reports {
        let report =
            Report::from_json(&read(path)?).map_err(|error| format!("{}: {error}", path.display()))?;
        match &mut whole {
            Some(whole) => whole.runs.extend(report.runs),
            None => whole = Some(report),
        }
    }
    let whole = whole.ok_or("there is no report")?;
    match (&args.markdown, &args.html) {
        (None, None) => return Ok(print_bytes(markdown::report(&whole).as_str().as_bytes())),
        (md, page) => {
            md.iter().try_for_each(|path| write(path, markdown::report(&whole).as_str()))?;
            page.iter().try_for_each(|path| write(path, html::page(&whole).as_str()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    if path == Path::new("-") {
        print_bytes(text.as_bytes());
        return Ok(());
    }
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
