//! Lines of JSON: the output on stdout with `--json`, and the input on stdin.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bowsprit::close::CloseCode;
use bowsprit_lab::escape::Json;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lines::{self, Line};

/// The direction of an event.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Direction {
    In,
    Out,
}

/// A line of stdout. The time, the direction and the type come first.
#[derive(Serialize)]
struct EventLine<'a> {
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<Direction>,
    r#type: &'a str,
    #[serde(flatten)]
    rest: &'a Value,
}

/// Writes an event as a line of JSON. Characters that a terminal would act on are escaped, which JSON always allows.
pub(super) fn event(direction: Option<Direction>, r#type: &str, rest: &Value) -> Json {
    let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    // A `Value` has only text as keys, and nothing else in it can fail.
    Json::compact(&EventLine { time, direction, r#type, rest }).unwrap_or_default()
}

/// A line of stdin.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Order {
    Text {
        data: String,
    },
    Binary {
        base64: String,
    },
    Ping {
        #[serde(default)]
        data: String,
    },
    Pong {
        #[serde(default)]
        data: String,
    },
    Close {
        code: Option<u16>,
        #[serde(default)]
        reason: String,
    },
    /// Events of our own stdout, which are ignored so that it can be fed to another connection.
    #[serde(alias = "unreached", alias = "retry")]
    Open,
}

const EXAMPLE: &str = r#"with --json a line of stdin is such as {"type":"text","data":"hello"}, or "binary" with "base64", "ping", "pong", or "close" with "code" and "reason""#;

/// Parses a line of stdin; `None` if it asks for nothing.
pub(super) fn parse(line: &str) -> Result<Option<Line>, String> {
    if line.trim().is_empty() {
        return Ok(None);
    }
    let order = serde_json::from_str(line).map_err(|error| format!("{EXAMPLE} ({error})"))?;
    Ok(Some(match order {
        Order::Text { data } => Line::Text(data),
        Order::Binary { base64 } => Line::Binary(
            STANDARD.decode(base64).map_err(|error| format!("\"base64\" is not base64: {error}"))?,
        ),
        Order::Ping { data } => Line::Ping(lines::control(&data)?),
        Order::Pong { data } => Line::Pong(lines::control(&data)?),
        Order::Close { code, reason } => lines::closing(CloseCode(code.unwrap_or(1000)), &reason)?,
        Order::Open => return Ok(None),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events() {
        let line = event(Some(Direction::In), "text", &json!({"data": "a\u{9b}\u{202e}\u{7f}\u{e0041}é\n"}));
        assert!(line.as_str().starts_with(r#"{"time":"2"#), "{line}");
        let rest = r#"Z","direction":"in","type":"text","data":"a\u009b\u202e\u007f\udb40\udc41é\n"}"#;
        assert!(line.as_str().ends_with(rest), "{line}");
        let back: Value = serde_json::from_str(line.as_str()).unwrap();
        assert_eq!(back["data"], "a\u{9b}\u{202e}\u{7f}\u{e0041}é\n");
        assert!(event(None, "retry", &json!({})).as_str().ends_with(r#"Z","type":"retry"}"#));
    }

    #[test]
    fn orders() {
        for (line, expected) in [
            (r#"{"type":"text","data":"a"}"#, Some(Line::Text("a".into()))),
            (r#"{"time":"x","direction":"in","type":"text","data":""}"#, Some(Line::Text("".into()))),
            (r#"{"type":"binary","base64":"AP8="}"#, Some(Line::Binary(vec![0, 0xff]))),
            (r#"{"type":"ping"}"#, Some(Line::Ping(vec![]))),
            (r#"{"type":"pong","data":"x"}"#, Some(Line::Pong(b"x".into()))),
            (r#"{"type":"close"}"#, Some(Line::Close(CloseCode::NORMAL, "".into()))),
            (
                r#"{"type":"close","code":4001,"reason":"r","clean":true}"#,
                Some(Line::Close(CloseCode(4001), "r".into())),
            ),
            (r#"{"type":"open","address":"a"}"#, None),
            (r#"{"type":"retry","attempt":1}"#, None),
            ("", None),
        ] {
            assert_eq!(parse(line), Ok(expected), "{line}");
        }
        let long = format!(r#"{{"type":"ping","data":"{}"}}"#, "x".repeat(126));
        for line in [
            "hello",
            "{}",
            "[]",
            r#""a""#,
            r#"{"type":"sing"}"#,
            r#"{"type":"text"}"#,
            r#"{"type":"binary","base64":"?"}"#,
            r#"{"type":"close","code":1005}"#,
            &long,
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
