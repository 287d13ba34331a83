//! `bowsprit explain`: a case, or a close code, in words.

use std::process::ExitCode;

use bowsprit_lab::{Selection, Subject, explain, proxy, reader};

use super::output::{for_terminal, print, usage};

/// Arguments of `bowsprit explain`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Ids, groups (6.2) or globs (HSS-*) of cases; or close codes (1006); or a word, for the titles that hold it.
    #[arg(required = true, value_name = "CASE")]
    cases: Vec<String>,
}

pub(crate) fn run(args: Args) -> ExitCode {
    let mut text: Vec<String> = Vec::new();
    for pattern in args.cases {
        if let Some(code) = pattern.parse().ok().filter(|code| (1000..5000).contains(code)) {
            let section = if code < 3000 { "7.4.1" } else { "7.4.2" };
            text.push(format!("close code {code}: {} (RFC 6455 §{section})\n", reader::close_name(code)));
            continue;
        }
        let titles = about(&pattern);
        let selection = Selection { patterns: vec![pattern], slow: true, ..Selection::default() };
        // A pattern that names nothing in one catalogue may name something in the other.
        let peers = selection.choose(Subject::Both);
        let proxies = selection.choose_for_proxies();
        if let (Err(error), Err(_)) = (&peers, &proxies) {
            if !titles.is_empty() {
                text.push(titles);
                continue;
            }
            return usage(format_args!("{error}, as in bowsprit test server --list"));
        }
        text.extend(peers.into_iter().flatten().map(explain::case));
        text.extend(proxies.into_iter().flatten().map(proxy::explain::case));
    }
    print(&for_terminal(text.join("\n")))
}

/// Returns the cases whose titles hold a word, a line each; empty if there is none.
fn about(word: &str) -> String {
    let word = word.to_ascii_lowercase();
    if word.len() < 3 || !word.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-') {
        return String::new();
    }
    let all = Selection { slow: true, ..Selection::default() };
    let peers = all.choose(Subject::Both).into_iter().flatten().map(|case| (case.id, case.title));
    let proxies = all.choose_for_proxies().into_iter().flatten().map(|case| (case.id, case.title));
    peers
        .chain(proxies)
        .filter(|(_, title)| title.to_ascii_lowercase().contains(&word))
        .map(|(id, title)| format!("{id}  {title}\n"))
        .collect()
}
