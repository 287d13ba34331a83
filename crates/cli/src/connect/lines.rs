//! What a person types: text to send, or a command after a slash.

use bowsprit::close::{CloseCode, MAX_REASON};
use bowsprit_lab::hex;

/// A parsed line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(CloseCode, String),
    /// The next part of a message in fragments.
    Fragment(String),
    /// The last part of a message in fragments.
    End(String),
    Help,
}

pub(super) const HELP: &str = "\
A line goes out as a text message; what starts with / is a command:
/ping [TEXT]            send a Ping
/pong [TEXT]            send a Pong that answers nothing
/close [CODE [REASON]]  close the connection; 1000 unless said otherwise
/binary HEX or @FILE    send a binary message
/fragment TEXT          send a part of a text message as a frame of its own
/end [TEXT]             end that message
//...                   send a text that starts with a slash
/help                   show this";

/// Parses a line.
pub(super) fn parse(line: &str) -> Result<Line, String> {
    let Some(command) = line.strip_prefix('/') else { return Ok(Line::Text(line.to_owned())) };
    if command.starts_with('/') {
        return Ok(Line::Text(command.to_owned()));
    }
    let (name, rest) = command.split_once(' ').unwrap_or((command, ""));
    match name {
        "ping" => control(rest).map(Line::Ping),
        "pong" => control(rest).map(Line::Pong),
        "close" => close(rest),
        "binary" => binary(rest).map(Line::Binary),
        "fragment" => Ok(Line::Fragment(rest.to_owned())),
        "end" => Ok(Line::End(rest.to_owned())),
        "help" | "?" => Ok(Line::Help),
        _ => Err(format!("there is no command /{name}; see /help, or write //{name} to send it")),
    }
}

/// Returns the payload of a Ping or Pong.
pub(super) fn control(text: &str) -> Result<Vec<u8>, String> {
    if text.len() > 125 {
        return Err("a control frame carries at most 125 bytes".into());
    }
    Ok(text.into())
}

fn close(rest: &str) -> Result<Line, String> {
    let (code, reason) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
    let code = if code.is_empty() { Ok(1000) } else { code.parse() };
    closing(CloseCode(code.unwrap_or(0)), reason)
}

/// Returns a Close frame, if it may be sent.
pub(super) fn closing(code: CloseCode, reason: &str) -> Result<Line, String> {
    if !code.may_travel() {
        return Err("use a code that may travel: 1000 to 1003, 1007 to 1014, or 3000 to 4999".into());
    }
    if reason.len() > MAX_REASON {
        return Err(format!("a reason has at most {MAX_REASON} bytes"));
    }
    Ok(Line::Close(code, reason.to_owned()))
}

fn binary(rest: &str) -> Result<Vec<u8>, String> {
    if let Some(path) = rest.strip_prefix('@') {
        return std::fs::read(path).map_err(|error| format!("cannot read {path}: {error}"));
    }
    hex::parse(rest).map_err(|why| format!("{why}: use hexadecimal digits such as 00ff7e, or @FILE"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_commands() {
        for (line, expected) in [
            ("hello", Line::Text("hello".into())),
            ("", Line::Text("".into())),
            ("//etc", Line::Text("/etc".into())),
            ("/ping", Line::Ping(vec![])),
            ("/ping a b", Line::Ping(b"a b".into())),
            ("/pong x", Line::Pong(b"x".into())),
            ("/close", Line::Close(CloseCode::NORMAL, "".into())),
            ("/close 4001 see you", Line::Close(CloseCode(4001), "see you".into())),
            ("/binary 00 ff:7E", Line::Binary(vec![0, 255, 0x7e])),
            ("/binary 0x", Line::Binary(vec![])),
            ("/fragment a ", Line::Fragment("a ".into())),
            ("/end", Line::End("".into())),
            ("/help", Line::Help),
        ] {
            assert_eq!(parse(line), Ok(expected), "{line}");
        }
        let long = format!("/ping {}", "x".repeat(126));
        for line in
            ["/nonsense", "/close 1005", "/close x", "/binary 0", "/binary xy", "/binary @/absent", &long]
        {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
