//! What a run leaves behind: text, files, an exit status.

use std::path::Path;
use std::process::ExitCode;

use bowsprit_lab::Behaviour;
use bowsprit_lab::baseline::Baseline;
use bowsprit_lab::report::json::{Report, RunReport};
use bowsprit_lab::report::{Style, autobahn, html, junit, markdown, text};

use super::super::output::{colours, print, print_bytes};
use super::super::say;
use super::End;
use super::args::{Common, ReportArgs};

impl Common {
    /// Prints and writes the reports, and says how it went. `index`: where to write that of the Autobahn suite.
    pub(super) fn conclude(&self, report: &Report, index: Option<&Path>) -> Result<End, String> {
        let mut end = End::Passed;
        let style = Style { verbose: self.verbose, colour: colours() };
        for run in &report.runs {
            if !self.prints_a_file(index) {
                print(&text::report(run, style));
            }
            if !self.is_fine(run)? {
                end = End::Failed;
            } else if end == End::Passed && run.count(Behaviour::NotPlayed) > 0 {
                end = End::Incomplete;
            }
        }
        self.write_reports(report, index)?;
        if let Some(path) = &self.write_baseline {
            let lines: String = report.runs.iter().map(|run| Baseline::of(&run.cases)).collect();
            write(path, &lines)?;
        }
        Ok(end)
    }

    /// Whether nothing fails the run that is not known to fail.
    fn is_fine(&self, run: &RunReport) -> Result<bool, String> {
        let Some(path) = &self.baseline else { return Ok(run.passed) };
        let baseline =
            Baseline::parse(&read(path)?).map_err(|error| format!("{}: {error}", path.display()))?;
        let comparison = baseline.compare(&run.cases);
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
    fn prints_a_file(&self, index: Option<&Path>) -> bool {
        [&self.json, &self.junit, &self.markdown, &self.html]
            .iter()
            .map(|path| path.as_deref())
            .chain([index])
            .any(|path| path == Some(Path::new("-")))
    }

    fn write_reports(&self, report: &Report, index: Option<&Path>) -> Result<(), String> {
        type Form = fn(&Report) -> String;
        let forms: [(Option<&Path>, Form); 5] = [
            (self.json.as_deref(), |report| report.to_json().to_string()),
            (self.junit.as_deref(), |report| junit::report(report).into_string()),
            (self.markdown.as_deref(), |report| markdown::report(report).into_string()),
            (self.html.as_deref(), |report| html::page(report).into_string()),
            (index, |report| autobahn::index(report).to_string()),
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
