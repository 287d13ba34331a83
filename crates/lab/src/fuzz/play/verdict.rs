//! Compares what the peer sent with what the RFCs require.

use bowsprit::error::Section;

use super::super::finding::{Finding, Kind, finding};
use super::super::model::{End, Expected};
use super::super::oracles::Oracles;
use crate::counted;
use crate::receiver::Seen;
use crate::rule::Sections;

/// The Ping that asks whether the peer is still there.
pub(super) const SENTINEL_PING: &[u8] = b"still there?";
/// The message that asks whether the peer still echoes.
pub(super) const SENTINEL: &[u8] = b"a clean echo";

/// What the peer sent.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) messages: Vec<(bool, Vec<u8>)>,
    pub(super) pongs: Vec<Vec<u8>>,
    pub(super) close: Option<Option<u16>>,
    pub(super) eof: bool,
    pub(super) timed_out: bool,
}

impl Heard {
    pub(super) fn take(&mut self, seen: Option<Seen>) {
        match seen {
            Some(Seen::Text(text)) => self.messages.push((true, text)),
            Some(Seen::Binary(bytes)) => self.messages.push((false, bytes)),
            Some(Seen::Pong(payload)) => self.pongs.push(payload),
            Some(Seen::Close(code, _)) => self.close = Some(code),
            _ => {}
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        self.pongs.iter().any(|pong| pong == SENTINEL_PING)
    }

    pub(super) fn is_enough(&self, expected: &Expected, oracles: &Oracles) -> bool {
        match &expected.end {
            End::Open => {
                let echoes = expected.messages.len() + usize::from(!expected.message_open);
                self.close.is_some() || self.is_alive() && (!oracles.echo || self.messages.len() >= echoes)
            }
            End::Closed(_) => false, // until the end
            End::Fails(_) => self.close.is_some(),
            End::Unknown => self.close.is_some(),
        }
    }
}

/// Returns the first thing that the peer did wrong.
pub(super) fn judge(expected: &Expected, seen: &Heard, oracles: &Oracles) -> Option<Finding> {
    let timeout = oracles.timeout.as_secs_f64();
    if oracles.echo {
        let mut may: Vec<(bool, Vec<u8>)> = expected.messages.clone();
        if expected.end == End::Open && !expected.message_open {
            may.push((true, SENTINEL.to_vec()));
        }
        for (at, came) in seen.messages.iter().enumerate() {
            match may.get(at) {
                Some(message) if message == came => {}
                Some(_) if matches!(expected.end, End::Unknown) => {}
                Some(message) => {
                    return finding(
                        Kind::WrongEcho,
                        "an echo is the message",
                        const { Sections(&[Section::rfc6455("5.4"), Section::rfc6455("5.6")]) },
                        format!(
                            "message {} of {} comes back as {}",
                            at + 1,
                            bytes(&message.1),
                            bytes(&came.1)
                        ),
                    );
                }
                None if expected.end == End::Unknown => {}
                None => {
                    let (rule, section) = match &expected.end {
                        End::Fails(rule) => (rule.what, rule.section),
                        End::Closed(_) => ("nothing follows a Close frame", Section::rfc6455("5.5.1")),
                        _ => ("a message ends with the FIN bit", Section::rfc6455("5.4")),
                    };
                    let what = format!("message {} comes, of {} that may be answered", at + 1, may.len());
                    return finding(Kind::AnsweredForbidden, rule, section, what);
                }
            }
        }
    }
    let alive = seen.is_alive();
    match &expected.end {
        End::Unknown => None,
        End::Fails(rule) => {
            if alive {
                return finding(
                    Kind::NotFailed,
                    rule.what,
                    rule.section,
                    "what comes after is still answered",
                );
            }
            match seen.close {
                Some(Some(code)) if !rule.codes.contains(&code) => finding(
                    Kind::WrongCode,
                    format!("{}; codes that fit: {:?}", rule.what, rule.codes),
                    format!("{} and {}", Section::rfc6455("7.4.1"), rule.section),
                    format!("the code is {code}"),
                ),
                None if seen.timed_out => finding(
                    Kind::NotFailed,
                    rule.what,
                    rule.section,
                    format!("the connection stays for {timeout} s"),
                ),
                _ => None,
            }
        }
        End::Closed(code) => match (seen.close, code) {
            (None, _) if seen.timed_out => finding(
                Kind::NoAnswer,
                "a Close frame is answered",
                Section::rfc6455("5.5.1"),
                format!("nothing comes for {timeout} s"),
            ),
            (None, _) => finding(
                Kind::EndedEarly,
                "a Close frame is answered by one",
                Section::rfc6455("5.5.1"),
                "the connection ends without it",
            ),
            // §5.4 does not mention a Close inside a message; some call it a fault.
            (Some(Some(answer)), Some(code))
                if answer != *code && answer != 1000 && !expected.message_open =>
            {
                finding(
                    Kind::WrongCode,
                    "the answer to a Close frame echoes its code",
                    Section::rfc6455("5.5.1"),
                    format!("{code} is answered with {answer}"),
                )
            }
            _ if seen.timed_out => finding(
                Kind::TcpStaysOpen,
                "after both Close frames the TCP connection is closed",
                Section::rfc6455("7.1.1"),
                format!("it stays for {timeout} s"),
            ),
            _ => None,
        },
        End::Open => {
            if seen.close.is_some() || seen.eof {
                return finding_early(seen);
            }
            // §5.5.3: only the last of several Pings has to be answered, and ours is the last.
            let all = expected.messages.len() + usize::from(!expected.message_open);
            if !alive && seen.messages.len() == all {
                return finding(
                    Kind::NoPong,
                    "a Ping is answered by a Pong with its payload",
                    Section::rfc6455("5.5.2"),
                    format!("none comes for {timeout} s"),
                );
            }
            if alive && oracles.echo && seen.messages.len() < all {
                return finding(
                    Kind::WrongEcho,
                    "each message is echoed",
                    const { Sections(&[Section::rfc6455("5.4"), Section::rfc6455("5.6")]) },
                    format!("{} of {all} come back", seen.messages.len()),
                );
            }
            match seen.timed_out {
                true => finding(
                    Kind::NoAnswer,
                    "an open connection answers",
                    Section::rfc6455("5.5.2"),
                    format!("nothing comes for {timeout} s"),
                ),
                false => None,
            }
        }
    }
}

/// Returns the finding for a connection that has ended although it should go on.
pub(super) fn finding_early(seen: &Heard) -> Option<Finding> {
    let what = match seen.close {
        Some(Some(code)) => format!("a Close frame comes, code {code}"),
        Some(None) => "a Close frame comes".to_owned(),
        None => "the TCP connection ends".to_owned(),
    };
    finding(Kind::EndedEarly, "no rule is broken, so the connection goes on", Section::rfc6455("7.1.7"), what)
}

fn bytes(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(24)];
    format!("{} \"{}\"", counted(bytes.len(), "byte"), shown.escape_ascii())
}
