//! The results of a run: text, files, an exit code.

use std::path::Path;
use std::process::ExitCode;

use bowsprit_lab::baseline::Baseline;
use bowsprit_lab::report::json::{Report, RunReport};
use bowsprit_lab::report::{Style, annotations, autobahn, html, junit, markdown, sarif, text};
use bowsprit_lab::{Behaviour, cases, proxy};

use super::super::output::{colours, print, print_bytes, say};
use super::args::{Common, ReportArgs};
use super::end::End;
use super::files::{read, write};

impl Common {
    /// Prints and writes the reports, and returns how the run ended. `index` is where to write the Autobahn suite's
    /// index.
    pub(super) fn conclude(&self, mut report: Report, index: Option<&Path>) -> Result<End, String> {
        let mut end = End::Passed;
        let baseline = self.known_failures()?;
        if let Some((baseline, _)) = &baseline {
            for case in report.runs.iter_mut().flat_map(|run| &mut run.cases).filter(|case| case.denied) {
                case.known = baseline.reason(&case.id).map(str::to_owned);
            }
        }
        let style = Style { verbose: self.verbose, colour: colours() };
        for run in &report.runs {
            if !self.prints_a_file(index) {
                print(&text::report(run, style));
            }
            let fine = baseline.as_ref().map_or(run.passed, |(baseline, path)| is_fine(run, baseline, path));
            if !fine {
                end = End::Failed;
            } else if end == End::Passed && run.count(Behaviour::NotPlayed) > 0 {
                end = End::Incomplete;
            }
        }
        self.write_reports(&report, index)?;
        if let Some(path) = &self.write_baseline {
            let lines: String = report.runs.iter().map(|run| Baseline::of(&run.cases)).collect();
            write(path, &lines)?;
        }
        Ok(end)
    }

    pub(super) fn known_failures(&self) -> Result<Option<(Baseline, &Path)>, String> {
        let Some(path) = &self.baseline else { return Ok(None) };
        let baseline =
            Baseline::parse(&read(path)?).map_err(|error| format!("{}: {error}", path.display()))?;
        let ids = cases::all().map(|case| case.id).chain(proxy::cases::all().map(|case| case.id));
        match baseline.stranger(ids) {
            Some(id) => Err(format!("{}: there is no case {id}", path.display())),
            None => Ok(Some((baseline, path))),
        }
    }

    /// Returns whether one of the files goes to standard output.
    fn prints_a_file(&self, index: Option<&Path>) -> bool {
        [&self.json, &self.junit, &self.markdown, &self.html, &self.sarif, &self.annotations]
            .iter()
            .map(|path| path.as_deref())
            .chain([index])
            .any(|path| path == Some(Path::new("-")))
    }

    fn write_reports(&self, report: &Report, index: Option<&Path>) -> Result<(), String> {
        type Form = fn(&Common, &Report) -> String;
        let forms: [(Option<&Path>, Form); 7] = [
            (self.json.as_deref(), |_, report| report.to_json().to_string()),
            (self.junit.as_deref(), |_, report| junit::report(report).into_string()),
            (self.markdown.as_deref(), |_, report| markdown::report(report).into_string()),
            (self.html.as_deref(), |_, report| html::page(report).into_string()),
            (index, |_, report| autobahn::index(report).to_string()),
            (self.sarif.as_deref(), |args, report| {
                sarif::log(report, args.sarif_source.as_deref()).to_string()
            }),
            (self.annotations.as_deref(), |_, report| annotations::commands(report).into_string()),
        ];
        for (path, form) in forms {
            if let Some(path) = path {
                write(path, &form(self, report))?;
            }
        }
        Ok(())
    }
}

/// Returns whether nothing fails the run but known failures, and reports the differences from the baseline.
fn is_fine(run: &RunReport, baseline: &Baseline, path: &Path) -> bool {
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
    comparison.new.is_empty()
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
