//! Compares heads: what was sent, and what came out.

use bowsprit::handshake::{HeadLimits, HeadReader, Progress};

use super::case::Check;
use super::head::RawHead;
use super::passage::Passage;
use crate::escape::visible;
use crate::opening;

/// The largest head that is read here.
const LIMITS: HeadLimits = HeadLimits::new(super::head::MOST, 4096);

/// A fault of what came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) passage: Passage,
    /// The fault in a sentence without its full stop.
    pub(super) what: String,
    /// Whether the rule requires exactly this.
    pub(super) is_right: bool,
}

/// A head as it was sent and as it came out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair<'h> {
    pub(super) sent: &'h RawHead,
    pub(super) came: &'h RawHead,
    /// The statuses that came before.
    pub(super) interim: &'h [u16],
    /// Whether the front relays bytes without understanding HTTP.
    pub(super) relays: bool,
    /// Whether the client's side is HTTP/2, with the sent head kept here in the form of HTTP/1.1.
    pub(super) translated: bool,
}

impl Pair<'_> {
    /// Returns what this check finds; `None` if it holds.
    pub(super) fn check(&self, check: &Check) -> Option<Finding> {
        let Self { sent, came, .. } = *self;
        if self.translated
            && let Some(told) = self.translation(check)
        {
            return told;
        }
        match *check {
            Check::First => differs(sent.first == came.first, || lines(&sent.first, &came.first)),
            Check::Target => self.target(),
            Check::Reason => {
                differs(sent.words().get(2) == came.words().get(2), || lines(&sent.first, &came.first))
            }
            Check::Kept(name) => differs(sent.values(name) == came.values(name), || self.values(name)),
            Check::Members(name) => self.members(name),
            Check::Upgrades => {
                differs(came.upgrades(), || "the upgrade is not asked for any more".to_owned())
            }
            Check::Wrong(name) if sent.values(name) == came.values(name) => None,
            Check::Wrong(name) => found(Passage::Repaired, self.values(name)),
            Check::WrongUpgrade if came.upgrades() && !sent.upgrades() => {
                found(Passage::Repaired, "the upgrade is asked for as it should be".to_owned())
            }
            Check::WrongUpgrade => None,
            Check::Hop(name) => self.hop(name),
            Check::Stops(name) if self.relays || sent.values(name) != came.values(name) => None,
            Check::Stops(name) => found(Passage::Unsafe, format!("{} is passed on", field(sent, name))),
            Check::StopsBoth(one, other) => {
                let has_both = !came.values(one).is_empty() && !came.values(other).is_empty();
                let what =
                    || format!("{} is passed on together with {}", field(came, one), field(came, other));
                if has_both && !self.relays { found(Passage::Unsafe, what()) } else { None }
            }
            Check::Interim(statuses) => {
                let missing: Vec<String> =
                    statuses.iter().filter(|one| !self.interim.contains(one)).map(u16::to_string).collect();
                let what = || format!("{} does not come out before the answer", missing.join(" and "));
                differs(missing.is_empty(), what)
            }
        }
    }

    /// Returns what a check means if the front translates HTTP/2 to HTTP/1.1 and back (RFC 8441 §5); `None` if it means
    /// the same.
    fn translation(&self, check: &Check) -> Option<Option<Finding>> {
        let is_answer = self.came.status().is_some();
        match *check {
            // The status says it.
            Check::Upgrades if is_answer => Some(None),
            // The front makes this handshake.
            Check::Upgrades => {
                let what = match HeadReader::request(LIMITS).receive(&self.came.bytes) {
                    Ok(Progress::Done { value, .. }) => {
                        opening::judge_request(&value).err().map(|violation| violation.to_string())
                    }
                    Ok(Progress::NeedMore) => Some("the head is not whole".to_owned()),
                    Err(error) => Some(error.to_string()),
                };
                Some(what.and_then(|what| {
                    found(
                        Passage::Altered,
                        format!(
                            "the front's handshake with the origin is wrong: {}",
                            what.trim_end_matches('.')
                        ),
                    )
                }))
            }
            // The front makes a new key, which is judged with the rest, and nobody reads the answer to it.
            Check::Kept("sec-websocket-key" | "sec-websocket-accept") => Some(None),
            Check::Wrong("sec-websocket-accept") => {
                let is_told =
                    self.sent.values("sec-websocket-accept") == self.came.values("sec-websocket-accept");
                let what = "the connection is granted, and the client cannot see that Sec-WebSocket-Accept was wrong";
                Some((!is_told).then(|| Finding {
                    passage: Passage::Altered,
                    what: what.to_owned(),
                    is_right: true,
                }))
            }
            _ => None,
        }
    }

    fn target(&self) -> Option<Finding> {
        let (sent, came) = (self.sent.words(), self.came.words());
        differs(sent.first() == came.first() && sent.get(1) == came.get(1), || {
            lines(&self.sent.first, &self.came.first)
        })
    }

    fn members(&self, name: &str) -> Option<Finding> {
        if self.sent.values(name) == self.came.values(name) {
            return None;
        }
        // RFC 9110 §5.3 allows lines to be joined in their order.
        let is_right = self.sent.members(name) == self.came.members(name);
        Some(Finding { passage: Passage::Altered, what: self.values(name), is_right })
    }

    /// Checks a field for the next hop (RFC 9110 §7.6.1). A front that changes nothing is not an intermediary but part
    /// of the line.
    fn hop(&self, name: &str) -> Option<Finding> {
        let is_gone = self.came.values(name).is_empty();
        if is_gone {
            let what = format!("{name} is taken out, as it must be");
            return Some(Finding { passage: Passage::Altered, what, is_right: true });
        }
        let untouched = self.relays || self.sent.bytes == self.came.bytes;
        differs(untouched, || {
            format!("the head is rewritten, and {name}, which is for the next hop, is passed on")
        })
    }

    fn values(&self, name: &str) -> String {
        format!("{} comes out as {}", field(self.sent, name), field(self.came, name))
    }

    /// Returns the fields of the head that came out and were not sent.
    pub(super) fn added(&self) -> Vec<String> {
        let is_new = |name: &[u8]| !self.sent.fields.iter().any(|(sent, _)| sent.eq_ignore_ascii_case(name));
        let line = |(name, value): &(Vec<u8>, Vec<u8>)| {
            format!("{}: {}", visible(&name[..name.len().min(60)]), visible(&value[..value.len().min(120)]))
        };
        self.came.fields.iter().filter(|(name, _)| is_new(name)).map(line).take(24).collect()
    }
}

fn differs(holds: bool, what: impl FnOnce() -> String) -> Option<Finding> {
    if holds { None } else { found(Passage::Altered, what()) }
}

fn found(passage: Passage, what: String) -> Option<Finding> {
    Some(Finding { passage, what, is_right: false })
}

fn lines(sent: &[u8], came: &[u8]) -> String {
    format!("\"{}\" comes out as \"{}\"", short(sent), short(came))
}

fn field(head: &RawHead, name: &str) -> String {
    match &head.values(name)[..] {
        [] => "nothing".to_owned(),
        values => {
            let values: Vec<String> = values.iter().map(|value| format!("\"{}\"", short(value))).collect();
            format!("{name} {}", values.join(" and "))
        }
    }
}

fn short(bytes: &[u8]) -> String {
    if bytes.len() <= 100 {
        visible(bytes)
    } else {
        format!("{}... ({} bytes)", visible(&bytes[..80]), bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> RawHead {
        RawHead::parse(format!("{}\r\n\r\n", text.replace('|', "\r\n")).into_bytes())
    }

    #[test]
    fn each_check_tells_what_it_sees() {
        use Passage::{Altered, Repaired, Unsafe};
        let get = "GET /a?b HTTP/1.1|Upgrade: websocket|Connection: Upgrade";
        let no = "GET /a?b HTTP/1.1|Upgrade: websocket|Connection: close";
        for (check, sent, came, seen) in [
            (Check::First, get, get, None),
            (Check::First, get, "GET /a HTTP/1.1", Some((Altered, false))),
            (Check::Target, get, "GET /a?b HTTP/1.0", None),
            (Check::Target, get, "GET /a? HTTP/1.1", Some((Altered, false))),
            (Check::Reason, "HTTP/1.1 101 A b", "HTTP/1.1 101 B", Some((Altered, false))),
            (Check::Kept("x"), "G|X: 1|x: 2", "G|x: 1|y: 3|X:2", None),
            (Check::Kept("x"), "G|X: 1|x: 2", "G|x: 2|x: 1", Some((Altered, false))),
            (Check::Members("x"), "G|X: 1|x: 2", "G|x: 1, 2", Some((Altered, true))),
            (Check::Members("x"), "G|X: 1|x: 2", "G|x: 2,1", Some((Altered, false))),
            (Check::Upgrades, get, no, Some((Altered, false))),
            (Check::Upgrades, get, "G|upgrade: WebSocket|connection: keep-alive, upgrade", None),
            (Check::WrongUpgrade, no, get, Some((Repaired, false))),
            (Check::WrongUpgrade, no, no, None),
            (Check::Wrong("x"), "G|X: 1", "G", Some((Repaired, false))),
            (Check::Wrong("x"), "G|X: 1", "G|X: 1", None),
            (Check::Hop("x"), "G|Connection: x|X: 1", "G", Some((Altered, true))),
            (Check::Hop("x"), "G|Connection: x|X: 1", "G|Connection: x|X: 1", None),
            (Check::Hop("x"), "G|Connection: x|X: 1", "G|X: 1", Some((Altered, false))),
            (Check::Stops("host"), "G|Host: a|Host: b", "G|Host: a|Host: b", Some((Unsafe, false))),
            (Check::Stops("host"), "G|Host: a|Host: b", "G|Host: a", None),
            (Check::Interim(&[103]), "H", "H", Some((Altered, false))),
        ] {
            let pair =
                Pair { sent: &head(sent), came: &head(came), interim: &[], relays: false, translated: false };
            let found = pair.check(&check).map(|found| (found.passage, found.is_right));
            assert_eq!(found, seen, "{check:?} {sent} {came}");
        }
    }

    #[test]
    fn what_is_added_is_told() {
        let pair = Pair {
            sent: &head("G|A: 1"),
            came: &head("G|A: 1|Via: x"),
            interim: &[],
            relays: false,
            translated: false,
        };
        assert_eq!(pair.added(), ["Via: x"]);
    }
}
