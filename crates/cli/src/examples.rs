//! What `--help` shows after the flags of each command: examples, units and exit codes.

use clap::Command;

use super::exit::EXIT_CODES;
use super::test;

const UNITS: &str = "Units: TIME is in seconds unless it ends with us, ms, s, m or h (10s, 0.5, 250ms, 5m); SIZE is in bytes \
unless it ends with K, M or G of 1024 (64K, 16M).";

/// A command, and examples worth trying. A test checks that each line works.
const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "",
        &[
            ("bowsprit serve", "an echo server, and a page for browsers"),
            ("bowsprit connect ws://127.0.0.1:9001/", "talk to it: lines go out, messages come in"),
            ("bowsprit ws://127.0.0.1:9001/ -m hello", "a URL alone is connected to"),
            ("bowsprit -l 9001", "listen, show what comes, send what is typed"),
            ("bowsprit test server ws://127.0.0.1:9001/", "examine a server that echoes"),
            ("bowsprit test client -- my-client {url}", "examine a client"),
            ("bowsprit fuzz server ws://127.0.0.1:9001/", "look for what breaks a server"),
            ("bowsprit bench ws://127.0.0.1:9001/", "measure a server"),
            ("bowsprit watch ws://127.0.0.1:9001/", "see and judge what a client and a server say"),
            ("bowsprit decode 81 85 37 fa 21 3d 7f 9f 4d 51 58", "read bytes as frames"),
        ],
    ),
    (
        "connect",
        &[
            ("bowsprit connect localhost:9001", "on a terminal: edit lines, /help, Ctrl-D ends"),
            ("date | bowsprit connect wss://example.com/log", "send lines, show the answers, end"),
            ("bowsprit connect ws://127.0.0.1:9001/ -m hello --expect 1", "one message, one answer"),
            ("bowsprit connect wss://example.com/ticker --stay --json", "listen, as lines of JSON"),
            (
                "bowsprit connect wss://example.com/ -s chat -o https://example.com",
                "a subprotocol, an origin",
            ),
            (
                "bowsprit connect wss://example.com/ --auth me:secret -H 'X-Tenant: 7'",
                "credentials, a header",
            ),
            ("bowsprit connect wss://localhost:9443/ --ca cert.pem", "a certificate of your own; or -k"),
            (
                "bowsprit connect wss://example.com/ --resolve example.com:443:127.0.0.1",
                "a server before it is in DNS",
            ),
            ("bowsprit connect wss://localhost:9443/ --ca cert.pem --http2", "over HTTP/2"),
            ("bowsprit connect ws://127.0.0.1:9001/ --file picture.png", "a file as one binary message"),
            ("bowsprit connect ws://127.0.0.1:9001/ --separator '\\0'", "messages that hold line ends"),
            ("bowsprit connect wss://example.com/ --reconnect --ping 20s", "stay connected"),
        ],
    ),
    (
        "serve",
        &[
            ("bowsprit serve", "echo on 127.0.0.1:9001"),
            ("bowsprit serve --listen 0.0.0.0:8080 --mode relay", "a chat for everybody in the network"),
            ("bowsprit serve --listen 9443 --tls-cert cert.pem --tls-key key.pem", "wss"),
            ("bowsprit serve --http2", "HTTP/2 without TLS, too; over TLS it is offered by itself"),
            ("bowsprit serve --max-message 64K --ping 30s --idle-timeout 5m", "other limits"),
            ("bowsprit serve --rate 100/s,64K/s --over-rate close", "nobody may flood it"),
            ("bowsprit serve --threads 4 --metrics 127.0.0.1:9100", "all CPUs, counters for Prometheus"),
            (
                "bowsprit serve --trust-proxy 10.0.0.0/8 --proxy-protocol --health /healthz",
                "behind HAProxy or nginx",
            ),
            (
                "bowsprit serve --allow-origin https://example.com --allow-host ws.example.com",
                "for a web site",
            ),
        ],
    ),
    (
        "bench",
        &[
            ("bowsprit bench ws://127.0.0.1:9001/", "echoes over 64 connections for 10 s"),
            ("bowsprit bench ws://127.0.0.1:9001/ -c 1000 -s 1K -d 30s", "more, larger, longer"),
            ("bowsprit bench ws://127.0.0.1:9001/ --rate 5000", "at a fixed rate: latency under load"),
            ("bowsprit bench ws://127.0.0.1:9001/ --storm", "connections a second"),
            (
                "bowsprit bench ws://127.0.0.1:9001/ --deflate --text=json -s 1K",
                "compressed JSON, each message different",
            ),
            ("bowsprit bench ws://127.0.0.1:9001/ -n 1000 --message hello", "this many messages, and which"),
            ("bowsprit bench ws://127.0.0.1:9001/ --json > a.json", "to be compared"),
        ],
    ),
    ("bench compare", &[("bowsprit bench compare before.json after.json", "")]),
    (
        "test",
        &[
            ("bowsprit test server ws://127.0.0.1:9001/", "all cases against a server that echoes"),
            ("bowsprit test client -- my-client {url}", "the same for a client"),
        ],
    ),
    (
        "test server",
        &[
            ("bowsprit test server ws://127.0.0.1:9001/", "all cases"),
            ("bowsprit test server ws://127.0.0.1:9001/ --case 5.19 --case 'HSS-*'", "some of them"),
            ("bowsprit test server wss://localhost:9443/ --ca cert.pem --quick", "over TLS, the quick ones"),
            (
                "bowsprit test server --http2 https://localhost:9443/ --ca cert.pem",
                "WebSocket over HTTP/2, and HTTP/2 itself",
            ),
            (
                "bowsprit test server ws://127.0.0.1:8080/ --behind-proxy --origin-url ws://127.0.0.1:9001/",
                "through a proxy, without blame for what the proxy does",
            ),
            ("bowsprit test server ws://127.0.0.1:9001/ --list", "which there are"),
        ],
    ),
    (
        "test proxy",
        &[
            (
                "bowsprit test proxy --front ws://127.0.0.1:8080/ --origin 127.0.0.1:9100",
                "a proxy on port 8080 that is to reach its server on port 9100, where we listen",
            ),
            (
                "bowsprit test proxy --front wss://localhost:8443/ --origin 127.0.0.1:9100 --ca cert.pem --slow",
                "over TLS, with what waits for the proxy's own time-outs",
            ),
            (
                "bowsprit test proxy --front ws://127.0.0.1:8080/ --origin 127.0.0.1:9100 --case 'PRX-ERL-*'",
                "only what comes early",
            ),
        ],
    ),
    (
        "test client",
        &[
            ("bowsprit test client -- my-client {url}", "start the client for the exam"),
            ("bowsprit test client --listen 127.0.0.1:9002", "wait for one that is started by hand"),
        ],
    ),
    ("test report", &[("bowsprit test report a.json b.json --markdown -", "several runs side by side")]),
    (
        "fuzz",
        &[
            ("bowsprit fuzz server ws://127.0.0.1:9001/", "for a minute"),
            ("bowsprit fuzz client --start 'my-client {url}'", "a client, started again each time it ends"),
        ],
    ),
    (
        "fuzz server",
        &[
            ("bowsprit fuzz server ws://127.0.0.1:9001/ --time 10m", "for longer"),
            ("bowsprit fuzz server ws://127.0.0.1:9001/ --seed 7 --count 1000", "the same once more"),
            (
                "bowsprit fuzz server ws://127.0.0.1:9001/ --neighbour-within 100ms",
                "no connection may keep another waiting",
            ),
            (
                "bowsprit fuzz server wss://localhost:9443/ --ca cert.pem -H 'X-Tenant: 7'",
                "over TLS, with a header",
            ),
        ],
    ),
    ("fuzz client", &[("bowsprit fuzz client --start 'my-client {url}'", "")]),
    (
        "replay",
        &[
            ("bowsprit replay fuzz-traces/seed-1-42.json", "a finding once more"),
            (
                "bowsprit replay talk.jsonl --url ws://127.0.0.1:9003/",
                "what a client said under watch --save",
            ),
        ],
    ),
    (
        "explain",
        &[
            ("bowsprit explain 5.19", "one case"),
            ("bowsprit explain 6.2 'HSS-*'", "a group, and all that match"),
        ],
    ),
    (
        "decode",
        &[
            ("bowsprit decode 81 85 37 fa 21 3d 7f 9f 4d 51 58", "bytes as hexadecimal digits"),
            ("xxd capture.bin | bowsprit decode -", "a dump"),
            ("tcpdump -r capture.pcap -x | bowsprit decode", "the packets that tcpdump prints"),
            ("bowsprit decode --file capture.pcapng", "what was captured, in both directions"),
            ("bowsprit decode --raw --file capture.bin --from server", "a file with the bytes themselves"),
        ],
    ),
    (
        "watch",
        &[
            ("bowsprit watch ws://127.0.0.1:9001/", "clients connect to 127.0.0.1:9002"),
            ("bowsprit watch wss://example.com/ --only text,close --grep price", "only what is of interest"),
            (
                "bowsprit watch ws://127.0.0.1:9001/ --quiet -- npm test",
                "around a test suite, which takes its URL from BOWSPRIT_WATCH_URL",
            ),
            (
                "bowsprit watch ws://127.0.0.1:9001/ -n 1 --save talk.jsonl",
                "one connection, into a file for decode",
            ),
            (
                "bowsprit watch wss://localhost:9443/ --ca cert.pem --tls-cert cert.pem --tls-key key.pem",
                "wss on both sides",
            ),
        ],
    ),
    (
        "completions",
        &[
            ("bowsprit completions bash > /etc/bash_completion.d/bowsprit", ""),
            ("bowsprit completions zsh > ~/.zfunc/_bowsprit", ""),
            ("bowsprit completions fish > ~/.config/fish/completions/bowsprit.fish", ""),
        ],
    ),
    (
        "man",
        &[
            ("bowsprit man | man -l -", "all pages, one after the other"),
            ("bowsprit man test server | man -l -", "that of one command"),
            ("bowsprit man --dir ~/.local/share/man/man1", "a file for each, where man finds them"),
        ],
    ),
];

/// Adds the examples to each command.
pub(super) fn add_to(command: Command) -> Command {
    add(command, "")
}

fn add(mut command: Command, path: &str) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    for name in names {
        let path = if path.is_empty() { name.clone() } else { format!("{path} {name}") };
        command = command.mut_subcommand(name, |sub| add(sub, &path));
    }
    let Some((_, examples)) = EXAMPLES.iter().find(|(of, _)| *of == path) else { return command };
    let mut text = "Examples:\n".to_owned();
    for (line, what) in *examples {
        text += &if what.is_empty() { format!("  {line}\n") } else { format!("  # {what}\n  {line}\n") };
    }
    let has_units = command.get_arguments().any(|arg| {
        let names = arg.get_value_names().unwrap_or_default();
        names.iter().any(|name| *name == "TIME" || *name == "SIZE")
    });
    if has_units {
        text += &format!("\n{UNITS}\n");
    }
    let codes = match (command.get_after_help(), path) {
        (Some(own), _) => own.to_string(),
        (None, "test proxy") => test::PROXY_EXIT_CODES.to_owned(),
        (None, "test server" | "test client") => test::EXIT_CODES.to_owned(),
        (None, "completions" | "man" | "explain" | "test report" | "bench compare") => String::new(),
        (None, _) => EXIT_CODES.to_owned(),
    };
    if !codes.is_empty() {
        text += &format!("\n{codes}");
    }
    let text = text.trim_end().to_owned();
    let long = command.get_after_long_help().map(|own| format!("{own}\n\n{text}"));
    command = command.after_help(text);
    match long {
        Some(long) => command.after_long_help(long),
        None => command,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::command;

    /// Splits a line into words like a shell, as far as the examples need it.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quoted = false;
        for c in line.chars() {
            match c {
                '\'' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                c => words.last_mut().unwrap().push(c),
            }
        }
        words
    }

    #[test]
    fn examples_are_command_lines() {
        for (path, examples) in EXAMPLES {
            for (line, _) in *examples {
                let part = line.split(" | ").find(|part| part.starts_with("bowsprit ")).expect(line);
                let part = part.split(" > ").next().unwrap();
                assert!(part.starts_with(&format!("bowsprit {path}")), "{line}");
                let typed = words(part).into_iter().map(Into::into).collect();
                if let Err(error) =
                    command().try_get_matches_from(crate::shorthand::expand(&command(), typed))
                {
                    panic!("{line}: {error}");
                }
            }
        }
    }

    /// Those in the README and in `docs/`, which a package does not have.
    #[test]
    fn command_lines_of_the_documents_are_understood() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let Ok(folder) = std::fs::read_dir(root.join("docs")) else { return };
        let documents = folder.map(|entry| entry.unwrap().path()).chain([root.join("README.md")]);
        let mut seen = 0;
        for path in documents.filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
            let text = std::fs::read_to_string(&path).unwrap();
            let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
            for line in blocks.flat_map(str::lines) {
                let line = line.split(" #").next().unwrap().trim_end_matches(['&', ' ']);
                let line = line.replace("cargo run --release -- ", "bowsprit ");
                let line = line.replace("cargo run -- ", "bowsprit ");
                let Some(part) = line.split(" | ").find(|part| part.starts_with("bowsprit ")) else {
                    continue;
                };
                let typed = words(part.trim_end()).into_iter().map(Into::into).collect();
                let parsed = command().try_get_matches_from(crate::shorthand::expand(&command(), typed));
                if let Err(error) = parsed {
                    assert_eq!(error.exit_code(), 0, "{}: {line}: {error}", path.display());
                }
                seen += 1;
            }
        }
        assert!(seen > 30, "only {seen} command lines");
    }

    /// Returns all commands with their paths.
    fn all() -> Vec<(String, Command)> {
        fn add(command: &Command, path: &str, all: &mut Vec<(String, Command)>) {
            all.push((path.to_owned(), command.clone()));
            for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
                add(sub, format!("{path} {}", sub.get_name()).trim_start(), all);
            }
        }
        let mut all = Vec::new();
        add(&command(), "", &mut all);
        all
    }

    #[test]
    fn many_flags_are_grouped() {
        for (path, command) in all() {
            let groups: std::collections::BTreeSet<_> =
                command.get_arguments().map(|arg| arg.get_help_heading()).collect();
            let flags = command.get_arguments().count();
            assert!(flags <= 12 || groups.len() >= 3, "{path}: {flags} flags in {groups:?}");
        }
    }

    /// The exit codes of `test` differ from those of the other commands.
    #[test]
    fn exit_codes_are_those_of_the_command() {
        for (path, mut command) in all() {
            let help =
                command.render_long_help().to_string().split_whitespace().collect::<Vec<_>>().join(" ");
            let told = help.matches("Exit codes: ").count();
            assert!(told <= 1, "{path}: {told}");
            if path.starts_with("test ") && path != "test report" {
                assert!(help.contains("4 cases were not played"), "{path}");
            }
            if ["connect", "fuzz server", "bench", "replay"].contains(&&*path) {
                assert!(help.contains("3 no connection"), "{path}");
            }
            if ["decode", "watch"].contains(&&*path) {
                assert!(help.contains("0 no rule was broken"), "{path}");
            }
        }
    }

    #[test]
    fn every_command_has_some() {
        for (path, _) in all() {
            assert!(EXAMPLES.iter().any(|(of, _)| *of == path), "no example for {path:?}");
        }
    }
}
