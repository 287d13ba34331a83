//! `bowsprit explain`: a case in words.

use std::process::ExitCode;

use bowsprit_lab::{Selection, Subject, explain, proxy};

use super::output::{for_terminal, print, usage};

/// Arguments of `bowsprit explain`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Ids, groups (6.2) or globs (HSS-*).
    #[arg(required = true, value_name = "CASE")]
    cases: Vec<String>,
}

pub(crate) fn run(args: Args) -> ExitCode {
    let mut text: Vec<String> = Vec::new();
    for pattern in args.cases {
        let selection = Selection { patterns: vec![pattern], slow: true, ..Selection::default() };
        // What names nothing in one catalogue may name something in the other.
        let peers = selection.choose(Subject::Both);
        let proxies = selection.choose_for_proxies();
        if let (Err(error), Err(_)) = (&peers, &proxies) {
            return usage(format_args!("{error}, as in bowsprit test server ws://any/ --list"));
        }
        text.extend(peers.into_iter().flatten().map(explain::case));
        text.extend(proxies.into_iter().flatten().map(proxy::explain::case));
    }
    print(&for_terminal(text.join("\n")))
}
