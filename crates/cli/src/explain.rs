//! `bowsprit explain`: a case in words.

use std::process::ExitCode;

use bowsprit_lab::{Selection, Subject, explain};

use super::output::for_terminal;

/// Arguments of `bowsprit explain`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Ids, groups (6.2) or globs (HSS-*).
    #[arg(required = true, value_name = "CASE")]
    cases: Vec<String>,
}

pub(crate) fn run(args: Args) -> ExitCode {
    let selection = Selection { patterns: args.cases, slow: true, ..Selection::default() };
    match selection.choose(Subject::Both) {
        Ok(cases) => {
            let text: Vec<String> = cases.into_iter().map(explain::case).collect();
            super::print(&for_terminal(text.join("\n")))
        }
        Err(error) => super::usage(&error),
    }
}
