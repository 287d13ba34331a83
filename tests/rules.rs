//! The tables in `docs/rules.md` say what the code does. To write them anew: `BLESS=1 cargo test --test rules`.

#![cfg(feature = "deflate")] // without it a variant has no value

use std::fmt::Debug;
use std::path::Path;

use bowsprit::error::ProtocolError;
use bowsprit::extension::ExtensionError;
use bowsprit::extension::deflate::DeflateAnswerError;
use bowsprit::handshake::{HeadError, RequestError, ResponseError};

/// The variants of an enum in the sources, each with the first sentence of its documentation.
fn documented(source: &str, name: &str) -> Vec<(String, String)> {
    let start = source.find(&format!("pub enum {name} {{\n")).expect(name);
    let mut variants = Vec::new();
    let mut docs = String::new();
    for line in source[start..].lines().skip(1).take_while(|line| *line != "}") {
        let line = line.trim();
        if let Some(text) = line.strip_prefix("/// ") {
            docs = format!("{docs} {text}");
        } else if !line.is_empty() && !line.starts_with("//") {
            let name = line.split(['(', ',']).next().unwrap().to_owned();
            variants.push((name, first_sentence(&std::mem::take(&mut docs))));
        }
    }
    variants
}

/// In Markdown for a table cell, without links.
fn first_sentence(docs: &str) -> String {
    let mut text = docs.trim().split_inclusive(". ").next().unwrap_or_default().trim_end().to_owned();
    while let (Some(start), Some(end)) = (text.find("[`"), text.find("`]")) {
        let label = text[start + 1..=end].to_owned();
        let after = match text[end + 2..].strip_prefix('(') {
            Some(link) => end + 3 + link.find(')').unwrap() + 1,
            None => end + 2,
        };
        text.replace_range(start..after, &label);
    }
    text.trim_end_matches('.').replace('|', "\\|")
}

/// A table of all variants; `known` are those with their section and further cells, `others` those that are no rules.
fn table<E: Debug>(
    source: &str,
    name: &str,
    answer: &str,
    known: &[(E, String, String)],
    others: &[&str],
) -> String {
    let answer_line = if answer.is_empty() { "" } else { " ---: |" };
    let answer_cell = |cell: &str| if answer.is_empty() { String::new() } else { format!(" {cell} |") };
    let mut out = format!(
        "| what is refused | section | `{name}::` |{}\n| --- | --- | --- |{answer_line}\n",
        answer_cell(answer)
    );
    let bare = |error: &E| format!("{error:?}").split('(').next().unwrap().to_owned();
    for (variant, docs) in documented(source, name) {
        if others.contains(&variant.as_str()) {
            continue;
        }
        let (_, section, cell) = known
            .iter()
            .find(|(error, ..)| bare(error) == variant)
            .unwrap_or_else(|| panic!("{name}::{variant} is not listed"));
        out.push_str(&format!("| {docs} | {section} | `{variant}` |{}\n", answer_cell(cell)));
    }
    out
}

fn protocol_errors() -> String {
    let known: Vec<_> = ProtocolError::ALL
        .iter()
        .map(|error| (*error, error.section().to_string(), error.close_code().to_string()))
        .collect();
    table(include_str!("../src/error.rs"), "ProtocolError", "close code", &known, &[])
}

fn request_errors() -> String {
    use RequestError::*;
    let all = [
        HttpMajorVersion,
        HttpVersionTooOld,
        Method,
        TargetForm,
        TargetFragment,
        HostMissing,
        HostRepeated,
        HostMalformed,
        Body,
        UpgradeMissing,
        UpgradeNotWebsocket,
        ConnectionWithoutUpgrade,
        VersionMissing,
        VersionRepeated,
        VersionNot13,
        KeyMissing,
        KeyRepeated,
        KeyMalformed,
        OriginRepeated,
        OriginMalformed,
        SubprotocolEmpty,
        SubprotocolMalformed,
        SubprotocolRepeated,
        TooManySubprotocols,
        Extensions(ExtensionError::Empty),
    ];
    let known = all.map(|error| (error, error.section().to_string(), error.status().to_string()));
    table(include_str!("../src/handshake/error.rs"), "RequestError", "status", &known, &["Head"])
}

fn head_errors() -> String {
    use HeadError::*;
    let all = [
        NotHttp,
        LeadingBlankLines,
        RequestLine,
        StatusLine,
        StartLineTooLong,
        TooLong,
        TooManyHeaders,
        BareLf,
        BareCr,
        ControlByte,
        FoldedLine,
        MissingColon,
        FieldName,
    ];
    let known = all.map(|error| (error, error.section().to_string(), error.status().to_string()));
    table(include_str!("../src/handshake/head.rs"), "HeadError", "status, to a request", &known, &[])
}

fn response_errors() -> String {
    use ResponseError::*;
    let all = [
        HttpVersion,
        TooManyInterim,
        ClosedBeforeResponse,
        ClosedInHead,
        UpgradeMissing,
        UpgradeNotWebsocket,
        ConnectionWithoutUpgrade,
        AcceptMissing,
        AcceptRepeated,
        AcceptWrong,
        TransferEncoding,
        ExtensionsRepeated,
        Extensions(ExtensionError::Empty),
        ExtensionNotOffered,
        ExtensionAcceptedTwice,
        Deflate(DeflateAnswerError::ServerContextKept),
        SubprotocolRepeated,
        SubprotocolNotOffered,
    ];
    let known = all.map(|error| {
        let section = error.section().to_string();
        (error, section, String::new())
    });
    table(include_str!("../src/handshake/error.rs"), "ResponseError", "", &known, &["Refused", "Head"])
}

#[test]
fn the_tables_of_rules_are_those_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules.md");
    let rules = std::fs::read_to_string(&path).unwrap();
    let mut fresh = rules.clone();
    for (name, table) in [
        ("ProtocolError", protocol_errors()),
        ("RequestError", request_errors()),
        ("HeadError", head_errors()),
        ("ResponseError", response_errors()),
    ] {
        let start = format!("<!-- {name} -->\n");
        let from = fresh.find(&start).expect(name) + start.len();
        let to = from + fresh[from..].find("<!-- end -->").unwrap();
        fresh.replace_range(from..to, &format!("\n{table}\n"));
    }
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, fresh).unwrap();
    } else {
        assert!(rules == fresh, "docs/rules.md is out of date: BLESS=1 cargo test --test rules");
    }
}
