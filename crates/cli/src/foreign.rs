//! Flags and commands that people know from curl, wscat, websocat and others, answered with our name for them.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use super::values::{is_url, listen_address};

/// Flags of another program, and what to use here.
struct Foreign {
    program: &'static str,
    flags: &'static [&'static str],
    ours: Ours,
}

enum Ours {
    /// A flag or a command, or text in place of both.
    Use(&'static str),
    /// No flag, with the reason.
    Nothing(&'static str),
}

const fn to_use(program: &'static str, flags: &'static [&'static str], ours: &'static str) -> Foreign {
    Foreign { program, flags, ours: Ours::Use(ours) }
}

const fn nothing(program: &'static str, flags: &'static [&'static str], why: &'static str) -> Foreign {
    Foreign { program, flags, ours: Ours::Nothing(why) }
}

const DECRYPT: &str = "an unencrypted key, made by: openssl pkey -in KEY -out PLAIN.key";

const CONNECT: &[Foreign] = &[
    to_use("curl", &["-x"], "--proxy URL"),
    to_use("curl", &["--socks5"], "--proxy socks5://HOST:PORT"),
    to_use("curl", &["--socks5-hostname"], "--proxy socks5h://HOST:PORT"),
    to_use("curl", &["-U", "--proxy-user"], "--proxy http://USER:PASSWORD@HOST:PORT"),
    to_use("curl", &["--noproxy"], "--proxy none"),
    to_use("curl", &["-u", "--user"], "--auth USER:PASSWORD"),
    to_use("curl", &["--oauth2-bearer"], "--bearer TOKEN"),
    to_use("curl", &["--cacert", "--capath"], "--ca FILE"),
    to_use("curl", &["-E"], "--cert FILE"),
    to_use("curl", &["--pass"], DECRYPT),
    to_use("curl", &["-A", "--user-agent"], "-H 'User-Agent: NAME'"),
    to_use("curl", &["-e", "--referer"], "-H 'Referer: URL'"),
    to_use("curl", &["--cookie"], "-H 'Cookie: NAME=VALUE'"),
    to_use("curl", &["-d", "--data", "--data-raw", "--data-ascii"], "-m TEXT"),
    to_use("curl", &["--data-binary", "-T", "--upload-file"], "--file PATH, or -b for bytes from stdin"),
    to_use("curl", &["-L", "--location", "--max-redirs"], "--redirects N"),
    to_use("curl", &["--max-time"], "--timeout TIME"),
    to_use("curl", &["-i", "--include", "-I", "--head", "--trace", "--trace-ascii"], "-v"),
    to_use("curl", &["--unix-socket"], "a URL such as ws+unix:/run/app.sock:/path"),
    to_use("curl", &["--retry"], "--reconnect --max-tries N"),
    to_use("curl", &["--retry-delay"], "--reconnect=TIME"),
    to_use("curl", &["--output"], "the shell's > FILE"),
    nothing("curl", &["--compressed"], "compression is offered unless --no-deflate"),
    nothing("curl", &["-X", "--request", "-G", "--get"], "the handshake is always a GET"),
    nothing("curl", &["--http1.1", "-0"], "the handshake is over HTTP/1.1 by default"),
    nothing("curl", &["-N", "--no-buffer"], "each message is written when it has come"),
    nothing(
        "curl",
        &["-S", "--show-error", "-f", "--fail", "--silent"],
        "failures are always told, and in the exit code",
    ),
    nothing("curl", &["-g", "--globoff", "--no-progress-meter"], "there is nothing to turn off"),
    to_use("wscat", &["-c", "--connect"], "the URL by itself: bowsprit connect URL"),
    to_use("wscat", &["-l", "--listen"], "bowsprit serve --listen PORT"),
    to_use("wscat", &["-n", "--no-check"], "-k"),
    to_use("wscat", &["-x", "--execute"], "-m TEXT"),
    to_use("wscat", &["-w"], "--wait TIME"),
    to_use("wscat", &["-P", "--show-ping-pong"], "-v"),
    to_use("wscat", &["--slash"], "--commands"),
    to_use("wscat", &["--host"], "-H 'Host: NAME'"),
    to_use("wscat", &["--passphrase"], DECRYPT),
    to_use("wscat", &["--no-color"], "NO_COLOR=1 in the environment"),
    nothing("wscat", &["-p", "--protocol"], "version 13 is the only one there is"),
    to_use("websocat", &["--protocol"], "-s NAME"),
    to_use("websocat", &["-p"], "--preamble TEXT"),
    to_use("websocat", &["-n", "--no-close"], "--stay"),
    to_use("websocat", &["-1", "--one-message"], "--expect 1"),
    to_use("websocat", &["--max-messages"], "--expect N"),
    to_use("websocat", &["-0", "--null-terminated"], "--separator '\\0'"),
    to_use("websocat", &["-B", "--buffer-size"], "--max-message SIZE"),
    to_use("websocat", &["--ping-interval"], "--ping TIME"),
    to_use("websocat", &["--ping-timeout"], "--pong-timeout TIME"),
    to_use("websocat", &["--print-ping-rtts"], "-v --ping TIME"),
    to_use("websocat", &["--basic-auth"], "--auth USER:PASSWORD"),
    to_use("websocat", &["--server-mode"], "bowsprit serve --listen PORT"),
    to_use("websocat", &["-U", "-u"], "--stay"),
    nothing("websocat", &["-t", "--text"], "messages are text unless -b is given"),
    nothing("websocat", &["-E", "--exit-on-eof"], "the command ends with stdin and the answers to it"),
    nothing("websocat", &["-q"], "nothing but failures is told unless -v is given"),
    to_use("curl", &["-4", "--ipv4", "-6", "--ipv6"], "--resolve HOST:PORT:ADDRESS"),
    to_use("websocat", &["--ws-c-uri", "--tls-domain"], "--connect-to HOST:PORT:HOST:PORT"),
    to_use("other tools", &["--send", "--msg", "--body"], "-m TEXT"),
    to_use("other tools", &["--count"], "--expect N"),
    to_use("other tools", &["--port"], "a port in the URL: ws://HOST:PORT/"),
    to_use("other tools", &["--url"], "the URL by itself: bowsprit connect URL"),
    to_use("other tools", &["--reconnect-interval", "--autoreconnect"], "--reconnect=TIME"),
    to_use("other tools", &["--no-compression", "--no-permessage-deflate"], "--no-deflate"),
    nothing("other tools", &["--quiet"], "nothing but failures is told unless -v is given"),
];

const FUZZ: &[Foreign] = &[
    to_use("other tools", &["-d", "--duration", "--max-total-time"], "--time TIME"),
    to_use("other tools", &["-n", "--runs", "--iterations"], "--count N"),
];

const WATCH: &[Foreign] = &[
    to_use(
        "other tools",
        &["--to", "--target", "--upstream", "--url"],
        "the URL by itself: bowsprit watch URL",
    ),
    to_use("other tools", &["-l", "-p", "--port"], "--listen PORT"),
];

const EXPLAIN: &[Foreign] = &[to_use("other commands", &["--list", "-l"], "bowsprit test server --list")];

const SERVE: &[Foreign] = &[
    to_use("other tools", &["-p", "--port"], "--listen PORT"),
    to_use("other tools", &["--host", "--bind", "--address", "-a", "-b"], "--listen ADDRESS:PORT"),
    to_use("other tools", &["--cert"], "--tls-cert FILE"),
    to_use("other tools", &["--key"], "--tls-key FILE"),
    to_use(
        "other tools",
        &["--ssl", "--tls", "--https", "--wss", "--secure"],
        "--tls-cert FILE --tls-key FILE",
    ),
    to_use("other tools", &["--echo"], "--mode echo"),
    to_use("other tools", &["--broadcast"], "--mode broadcast"),
    to_use("wscat", &["--passphrase"], DECRYPT),
    to_use("websocat", &["-s", "--server-mode"], "--listen PORT"),
    to_use("websocat", &["--protocol"], "--subprotocol NAME"),
    to_use("websocat", &["--unix-socket"], "--unix PATH"),
    to_use("websocketd", &["--origin", "--sameorigin"], "--allow-origin ORIGIN"),
    to_use("websocketd", &["--sslcert"], "--tls-cert FILE"),
    to_use("websocketd", &["--sslkey"], "--tls-key FILE"),
    to_use("websocketd", &["--maxforks"], "--max-connections N"),
    to_use("websocketd", &["--loglevel"], "-v, or -vv for messages"),
    to_use("websocketd", &["--binary"], "--framing bytes"),
    nothing("websocketd", &["--devconsole"], "a browser gets a page to talk by"),
    nothing("websocketd", &["--staticdir", "--cgidir", "--dir"], "it serves no files"),
    nothing("websocketd", &["--passenv"], "a command has the environment of the server"),
];

const BENCH: &[Foreign] = &[
    to_use("oha", &["-z"], "--duration TIME"),
    to_use("oha", &["-q"], "--rate N"),
    to_use("k6", &["-u", "--vus"], "--connections N"),
    nothing("wrk", &["-t", "--threads"], "one thread makes the load"),
    nothing("wrk", &["--latency"], "latencies are always told"),
];

/// Our flags that exist only on Unix-like systems, each with its command.
const OF_UNIX: &[(&str, &str)] = &[
    ("bowsprit serve", "--framing"),
    ("bowsprit serve", "--reuse-port"),
    ("bowsprit serve", "--systemd"),
    ("bowsprit serve", "--unix"),
    ("bowsprit watch", "--unix"),
];

/// Flags in front of any command.
const ALONE: &[Foreign] = &[
    to_use("wscat", &["-c", "--connect"], "bowsprit connect URL"),
    to_use("websocat", &["-s", "--server-mode"], "bowsprit -l PORT"),
    to_use("other tools", &["-p", "--port"], "bowsprit serve --listen PORT"),
    to_use("other tools", &["-v"], "--version, or -v behind a command"),
];

/// Words that people try as commands.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["server", "listen", "echo", "start", "run", "relay", "broadcast"], "serve"),
    (&["client", "open", "cat", "ws", "wscat", "dial", "send", "curl"], "connect"),
    (&["benchmark", "load", "perf"], "bench"),
    (&["check", "examine", "conformance", "lab", "autobahn"], "test server URL"),
    (&["list", "cases"], "test server --list"),
    (&["version"], "--version"),
];

/// Returns what to say about a command line that clap rejects; `None` if clap says it well.
pub(super) fn answer(root: &Command, args: &[OsString], error: &Error) -> Option<String> {
    let (path, command) = chosen(root, args);
    let see = format!("see {path} --help");
    match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(ContextValue::String(flag))) => {
            Some(about_flag(&path, command, flag, args).map_or_else(
                || format!("{path} has no {}; {see}", one_line(flag)),
                |ours| format!("{path} has no {}: {ours}; {see}", one_line(flag)),
            ))
        }
        (ErrorKind::InvalidSubcommand, _) => {
            let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else {
                return None;
            };
            let shown = one_line(word);
            if path.ends_with(" help") {
                // This command has no commands of its own.
                let asked: Vec<OsString> = args.iter().filter(|arg| *arg != "help").cloned().collect();
                let (path, command) = chosen(root, &asked);
                return Some(match nearest_command(command, word) {
                    Some(ours) => format!("there is no command {shown}: use {path} {ours} --help"),
                    None => format!("there is no command {shown}; see {path} --help"),
                });
            }
            Some(match about_command(command, word) {
                Some(ours) => format!("there is no command {shown}: use {path} {ours}"),
                None => format!("there is no command {shown}; {see}"),
            })
        }
        (ErrorKind::MissingRequiredArgument, _) => {
            let (flag, url) = taken_for_a_value(args)?;
            Some(format!(
                "{flag} takes a value, for which {url} was taken: give {flag} one of its own; {see}"
            ))
        }
        _ => None,
    }
}

/// Returns the command that was chosen, and its path.
fn chosen<'a>(root: &'a Command, args: &[OsString]) -> (String, &'a Command) {
    let mut path = root.get_name().to_owned();
    let mut command = root;
    for arg in args.iter().skip(1) {
        let next = arg.to_str().and_then(|name| command.find_subcommand(name));
        let Some(next) = next else { break };
        command = next;
        path = format!("{path} {}", command.get_name());
    }
    (path, command)
}

/// In websocat, `-` stands for stdin and stdout.
const STDIO: &str = "leave the - out, as it talks with stdin and stdout by itself";

fn about_flag(path: &str, command: &Command, flag: &str, args: &[OsString]) -> Option<String> {
    let name = flag.split_once('=').map_or(flag, |(name, _)| name);
    if !name.starts_with('-') {
        let is_address = listen_address(name).is_ok();
        return Some(match path {
            "bowsprit connect" if is_url(name) && args.iter().any(|arg| arg == "-") => STDIO.to_owned(),
            "bowsprit connect" => format!("a message to be sent is -m {}", quoted(name)),
            "bowsprit serve" if is_address => format!("an address to listen on is --listen {name}"),
            "bowsprit serve" => {
                format!(
                    "a command to be run for each connection is --mode {}",
                    quoted(&format!("exec:{name}"))
                )
            }
            _ => "it takes no further argument; quote what has blanks in it".to_owned(),
        });
    }
    if name == "-" && path == "bowsprit connect" {
        return Some(STDIO.to_owned());
    }
    if cfg!(not(unix)) && OF_UNIX.contains(&(path, name)) {
        return Some("it needs a Unix-like system".to_owned());
    }
    let tables: &[&[Foreign]] = match path {
        "bowsprit" => &[ALONE],
        "bowsprit connect" => &[CONNECT],
        "bowsprit serve" => &[SERVE],
        "bowsprit bench" => &[BENCH, CONNECT],
        "bowsprit fuzz server" | "bowsprit fuzz client" => &[FUZZ, CONNECT],
        "bowsprit watch" => &[WATCH, CONNECT],
        "bowsprit explain" => &[EXPLAIN],
        _ => &[CONNECT],
    };
    let known: Vec<String> = tables
        .iter()
        .copied()
        .flatten()
        .filter(|row| row.flags.contains(&name))
        .filter_map(|row| match row.ours {
            Ours::Use(ours) => (!ours.starts_with('-') || has(command, ours))
                .then(|| format!("in place of that of {} use {ours}", row.program)),
            Ours::Nothing(why) => ["bowsprit connect", "bowsprit bench", "bowsprit serve"]
                .contains(&path)
                .then(|| format!("leave that of {} out, as {why}", row.program)),
        })
        .collect();
    if !known.is_empty() {
        return Some(known.join("; "));
    }
    // The flag belongs to a command that was left out, or whose URL was empty.
    if path == "bowsprit"
        && let Some(ours) = ["connect", "serve"]
            .into_iter()
            .find(|ours| command.find_subcommand(ours).is_some_and(|subcommand| has(subcommand, name)))
    {
        let what = if ours == "connect" { " URL" } else { "" };
        return Some(format!("it is one of bowsprit {ours}{what}"));
    }
    // A short name that is a long one here.
    if path != "bowsprit connect"
        && let Some(ours) = match name {
            "-k" => Some("--insecure"),
            "-H" => Some("--header"),
            "-s" => Some("--subprotocol"),
            "-o" => Some("--origin"),
            _ => None,
        }
        && has(command, ours)
    {
        return Some(format!("use {ours}"));
    }
    let long = name.strip_prefix("--")?;
    let ours = command.get_arguments().filter_map(clap::Arg::get_long);
    nearest(long, ours).map(|ours| format!("did you mean --{ours}?"))
}

/// Returns whether the command has the flag that a text starts with.
fn has(command: &Command, text: &str) -> bool {
    let flag = text.split([' ', '=', ',']).next().unwrap_or_default();
    match flag.strip_prefix("--") {
        Some(long) => command.get_arguments().any(|arg| arg.get_long() == Some(long)),
        None => command.get_arguments().any(|arg| arg.get_short() == flag.chars().nth(1)),
    }
}

fn about_command(command: &Command, word: &str) -> Option<String> {
    let lower = word.to_ascii_lowercase();
    let is_name = !lower.starts_with("ws-l") && (lower.starts_with("localhost") || lower.contains('.'));
    if is_url(&lower) || is_name {
        let ours = if command.find_subcommand("server").is_some() { "server" } else { "connect" };
        return Some(format!("{ours} {}", one_line(word)));
    }
    // Addresses of websocat.
    if let Some((_, address)) = ["ws-l:", "ws-listen:"].iter().find_map(|start| lower.split_once(start)) {
        return Some(format!("serve --listen {}", one_line(address)));
    }
    // The commands come before everything else.
    let is_root = command.find_subcommand("connect").is_some();
    let known = COMMANDS
        .iter()
        .filter(|_| is_root)
        .find(|(words, _)| words.contains(&&*lower))
        .map(|(_, ours)| *ours);
    known.or_else(|| nearest_command(command, &lower)).map(str::to_owned)
}

/// Returns the command that was probably meant.
pub(super) fn nearest_command<'a>(command: &'a Command, word: &str) -> Option<&'a str> {
    nearest(word, command.get_subcommands().map(Command::get_name))
}

/// Returns the word that differs by one or two typing errors.
fn nearest<'a>(word: &str, among: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let slips = |other: &str| strsim::damerau_levenshtein(word, other);
    let (distance, ours) = among.map(|other| (slips(other), other)).min()?;
    (distance <= 1 + word.len() / 6).then_some(ours)
}

/// Finds a flag that took the URL for its value: `-s` and `-o` take none in curl.
fn taken_for_a_value(args: &[OsString]) -> Option<(String, String)> {
    args.windows(2).find_map(|pair| {
        let (flag, value) = (pair[0].to_str()?, pair[1].to_str()?);
        let takes = ["-s", "-o", "-m", "--subprotocol", "--origin", "--message"].contains(&flag);
        (takes && is_url(value)).then(|| (flag.to_owned(), one_line(value)))
    })
}

/// Quotes a text so that a shell takes it for one word.
fn quoted(text: &str) -> String {
    let text = one_line(text);
    let is_plain = !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.,:/".contains(&byte));
    if is_plain { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

fn one_line(text: &str) -> String {
    super::output::one_line(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::command;

    fn answered(line: &str) -> String {
        let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let args = crate::shorthand::expand(&command(), args);
        // As `args::parse` does, which adds `help` to the commands.
        let mut command = command();
        let error = command.try_get_matches_from_mut(&args).expect_err(line);
        answer(&command, &args, &error).unwrap_or_else(|| panic!("{line}: {error}"))
    }

    #[test]
    fn flags_of_others_are_answered_with_ours() {
        for (line, ours) in [
            (
                "bowsprit connect ws://a -x http://p",
                "curl use --proxy URL; in place of that of wscat use -m TEXT",
            ),
            ("bowsprit connect -c ws://a", "bowsprit connect URL"),
            ("bowsprit connect ws://a --cacert=x", "--ca FILE"),
            ("bowsprit connect ws://a -u me:pw", "--auth USER:PASSWORD"),
            ("bowsprit connect ws://a --compressed", "leave that of curl out"),
            ("bowsprit connect ws://a -n", "use -k; in place of that of websocat use --stay"),
            ("bowsprit connect ws://a --orgin x", "did you mean --origin?"),
            ("bowsprit connect ws://a b", "a message to be sent is -m b"),
            ("bowsprit connect ws://a -", "leave the - out"),
            ("bowsprit connect - ws://a", "leave the - out"),
            ("bowsprit connect ws://a --no-compression", "--no-deflate"),
            ("bowsprit connect ws://a --quiet", "leave that of other tools out"),
            ("bowsprit fuzz server ws://a -d 1", "--time TIME"),
            ("bowsprit watch --to ws://a", "bowsprit watch URL"),
            ("bowsprit explain --list", "bowsprit test server --list"),
            ("bowsprit serve 9001", "--listen 9001"),
            ("bowsprit serve localhost:9001", "--listen localhost:9001"),
            ("bowsprit serve cat", "--mode exec:cat"),
            ("bowsprit serve -- cat", "--mode exec:cat"),
            ("bowsprit completions bash zsh", "no further argument"),
            ("bowsprit test ws://a/", "use bowsprit test server ws://a/"),
            ("bowsprit fuzz ws://a/", "use bowsprit fuzz server ws://a/"),
            ("bowsprit ws-l:127.0.0.1:9001 mirror:", "use bowsprit serve --listen 127.0.0.1:9001"),
            ("bowsprit connect -s ws://a", "-s takes a value"),
            ("bowsprit serve -p 9001", "--listen PORT"),
            ("bowsprit serve --port 9001", "--listen PORT"),
            ("bowsprit bench ws://a -k", "--insecure"),
            ("bowsprit test server ws://a --cacert x", "--ca FILE"),
            ("bowsprit -s 9001", "bowsprit -l PORT"),
            ("bowsprit server", "use bowsprit serve"),
            ("bowsprit conect", "use bowsprit connect"),
            ("bowsprit localhost", "use bowsprit connect localhost"),
            ("bowsprit list", "use bowsprit test server --list"),
            ("bowsprit test list", "see bowsprit test --help"),
            ("bowsprit test localhost:9001", "use bowsprit test server localhost:9001"),
            ("bowsprit test example.com", "use bowsprit test server example.com"),
            ("bowsprit fuzz client2", "use bowsprit fuzz client"),
            ("bowsprit -m hi", "it is one of bowsprit connect URL"),
            ("bowsprit --mode echo", "it is one of bowsprit serve"),
            ("bowsprit serve --https", "--tls-cert FILE --tls-key FILE"),
            ("bowsprit serve --origin=a", "in place of that of websocketd use --allow-origin ORIGIN"),
            ("bowsprit serve --devconsole", "leave that of websocketd out"),
            ("bowsprit test servr", "use bowsprit test server"),
            ("bowsprit help conect", "use bowsprit connect --help"),
            ("bowsprit help test servr", "use bowsprit test server --help"),
        ] {
            let said = answered(line);
            assert!(said.contains(ours), "{line}: {said}");
        }
        for line in ["bowsprit connect ws://a --zzz", "bowsprit sing", "bowsprit replay -z"] {
            let said = answered(line);
            assert!(!said.contains("did you mean") && said.contains("--help"), "{line}: {said}");
        }
    }

    /// Every flag and command that we point at exists.
    #[test]
    fn answers_name_what_there_is() {
        let command = command();
        for (path, table) in
            [("connect", CONNECT), ("serve", SERVE), ("bench", BENCH), ("watch", WATCH), ("explain", EXPLAIN)]
        {
            let subcommand = command.find_subcommand(path).unwrap();
            for row in table {
                let ours: Vec<String> = row
                    .flags
                    .iter()
                    .filter_map(|flag| about_flag(&format!("bowsprit {path}"), subcommand, flag, &[]))
                    .collect();
                assert_eq!(ours.len(), row.flags.len(), "{:?}", row.flags);
                for flag in row.flags {
                    assert!(!has(subcommand, flag), "{path} has {flag} itself");
                }
                let Ours::Use(text) = row.ours else { continue };
                for word in text.split(' ').filter(|word| word.starts_with('-') && word.len() > 1) {
                    assert!(text == DECRYPT || has(subcommand, word) || text.contains("serve"), "{text}");
                }
            }
        }
    }

    #[test]
    #[cfg(unix)]
    fn what_only_unix_has_is_there() {
        let command = command();
        for (path, flag) in OF_UNIX {
            let subcommand = command.find_subcommand(path.trim_start_matches("bowsprit ")).unwrap();
            assert!(has(subcommand, flag), "{path} has no {flag}");
        }
    }
}
