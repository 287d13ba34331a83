//! The client of NATS: one connection that publishes and subscribes, without echo unless it is wanted.
//!
//! NATS does not answer what is published. A `PING` after it is answered by a `PONG`, and then everything before it has
//! been received.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;

use serde_json::Value;

use super::address::Address;
use super::engine::{Channel, Heard};
use super::envelope::Payload;
use super::grammar::nats::{self, Parsed, Said};

use crate::secret::Secret;

/// A client of NATS, from its greeting on.
#[derive(Debug)]
pub(super) struct Nats {
    connect: Secret<String>,
    wants_tls: bool,
    prefix: Vec<u8>,
    login: Login,
    longest: usize,
    /// What each expected `PONG` answers.
    pings: VecDeque<Answers>,
    /// The number of each subscription.
    numbers: HashMap<Vec<u8>, u64>,
    next: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answers {
    Messages(usize),
    Subscriptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Login {
    /// The server has not sent its greeting.
    Silent,
    /// It has, and now TLS begins.
    Securing,
    /// We have introduced ourselves, and the first `PONG` accepts that.
    Introduced,
    Greeted,
}

/// The longest name of a topic. A server accepts lines of 4,096 bytes by default, and ends the connection for a longer
/// one.
pub(super) const LONGEST_NAME: usize = 4000;
/// The longest message if a server does not announce it.
const LONGEST: usize = 1 << 20;

impl Nats {
    pub(super) fn new(address: &Address, echo: bool) -> Self {
        let mut connect = format!(
            "CONNECT {{\"verbose\":false,\"pedantic\":false,\"echo\":{echo},\"lang\":\"rust\",\"name\":\"bowsprit\"",
        );
        let mut field = |name: &str, value: &str| {
            write!(connect, ",\"{name}\":{}", Value::from(value)).expect("a string takes all");
        };
        match (address.user(), address.password()) {
            (Some(token), None) => field("auth_token", token),
            (user, Some(password)) => {
                field("user", user.unwrap_or_default());
                field("pass", password);
            }
            (None, None) => {}
        }
        let mut prefix = Vec::new();
        nats::escape(&mut prefix, address.prefix().as_bytes());
        Self {
            connect: Secret::new(connect),
            wants_tls: address.tls(),
            prefix,
            login: Login::Silent,
            longest: LONGEST,
            pings: VecDeque::new(),
            numbers: HashMap::new(),
            next: 1,
        }
    }

    pub(super) fn begin(&mut self) {
        self.login = Login::Silent;
        self.pings.clear();
        self.numbers.clear();
    }

    pub(super) fn secured(&mut self, out: &mut Vec<u8>) {
        if self.login == Login::Securing {
            self.introduce(out, true);
        }
    }

    fn introduce(&mut self, out: &mut Vec<u8>, tls: bool) {
        out.extend_from_slice(self.connect.expose().as_bytes());
        out.extend_from_slice(if tls { b",\"tls_required\":true}\r\n" } else { b"}\r\n" });
        out.extend_from_slice(b"PING\r\n");
        self.login = Login::Introduced;
    }

    pub(super) fn name(&self, channel: Channel<'_>) -> Vec<u8> {
        let mut name = self.prefix.clone();
        match channel {
            Channel::Control => name.extend_from_slice(b".control"),
            Channel::All => name.extend_from_slice(b".all"),
            Channel::Topic(topic) => {
                // No token may be empty, but a topic may.
                name.extend_from_slice(b".topic.t");
                nats::escape(&mut name, topic);
            }
        }
        name
    }

    pub(super) fn publish(out: &mut Vec<u8>, name: &[u8], payload: [&[u8]; 2]) {
        out.extend_from_slice(b"PUB ");
        out.extend_from_slice(name);
        let len = payload[0].len() + payload[1].len();
        out.extend_from_slice(format!(" {len}\r\n").as_bytes());
        payload.iter().for_each(|part| out.extend_from_slice(part));
        out.extend_from_slice(b"\r\n");
    }

    pub(super) fn published(&mut self, out: &mut Vec<u8>, count: usize) {
        out.extend_from_slice(b"PING\r\n");
        self.pings.push_back(Answers::Messages(count));
    }

    pub(super) fn subscribe(&mut self, out: &mut Vec<u8>, names: &[&[u8]]) {
        for name in names {
            let number = self.next;
            self.next += 1;
            self.numbers.insert(name.to_vec(), number);
            out.extend_from_slice(b"SUB ");
            out.extend_from_slice(name);
            out.extend_from_slice(format!(" {number}\r\n").as_bytes());
        }
        out.extend_from_slice(b"PING\r\n");
        self.pings.push_back(Answers::Subscriptions);
    }

    pub(super) fn unsubscribe(&mut self, out: &mut Vec<u8>, name: &[u8]) {
        if let Some(number) = self.numbers.remove(name) {
            out.extend_from_slice(format!("UNSUB {number}\r\n").as_bytes());
        }
    }

    pub(super) fn hear<'a>(
        &mut self,
        bytes: &'a [u8],
        out: &mut Vec<u8>,
        longest: usize,
    ) -> Result<Result<(Heard<'a>, usize), usize>, String> {
        let (said, used) = match nats::parse(bytes, longest).map_err(|error| error.to_string())? {
            Parsed::NeedMore(len) => return Ok(Err(len)),
            Parsed::Done(said, used) => (said, used),
        };
        let heard = match said {
            Said::Message { subject, payload } => {
                Heard::Message { channel: subject, payload: Payload::Whole(payload) }
            }
            Said::TooLong { subject, front, len } => {
                Heard::Message { channel: subject, payload: Payload::TooLong { front, len } }
            }
            Said::Ping => {
                out.extend_from_slice(b"PONG\r\n");
                Heard::Nothing
            }
            Said::Pong => self.answered()?,
            Said::Info(json) => self.info(json, out)?,
            Said::Ok => Heard::Nothing,
            Said::Error(text) => self.trouble(text),
        };
        Ok(Ok((heard, used)))
    }

    fn answered<'a>(&mut self) -> Result<Heard<'a>, String> {
        match self.login {
            Login::Introduced => {
                self.login = Login::Greeted;
                Ok(Heard::Greeted { longest: self.longest })
            }
            Login::Greeted => match self.pings.pop_front() {
                None => Err("the engine answers a PING that nobody sent".into()),
                Some(Answers::Messages(count)) => Ok(Heard::Answered(count)),
                Some(Answers::Subscriptions) if self.pings.contains(&Answers::Subscriptions) => {
                    Ok(Heard::Nothing)
                }
                Some(Answers::Subscriptions) => Ok(Heard::Subscribed),
            },
            Login::Silent | Login::Securing => Err("the engine answers before it was asked".into()),
        }
    }

    fn info<'a>(&mut self, json: &[u8], out: &mut Vec<u8>) -> Result<Heard<'a>, String> {
        let info: Value =
            serde_json::from_slice(json).map_err(|_| "the engine's INFO is no JSON".to_owned())?;
        if let Some(longest) = info["max_payload"].as_u64() {
            self.longest = usize::try_from(longest).unwrap_or(usize::MAX);
        }
        if self.login != Login::Silent {
            return Ok(match info["ldm"].as_bool() {
                Some(true) => Heard::NotNow("it is about to shut down".into()),
                _ => Heard::Nothing,
            });
        }
        let is = |name: &str| info[name].as_bool() == Some(true);
        if is("tls_required") || self.wants_tls {
            if !is("tls_required") && !is("tls_available") {
                return Ok(Heard::Never("it offers no TLS; begin the URL with nats://".into()));
            }
            self.login = Login::Securing;
            return Ok(Heard::StartTls);
        }
        self.introduce(out, false);
        Ok(Heard::Nothing)
    }

    /// Interprets an error.
    fn trouble(&self, text: &[u8]) -> Heard<'static> {
        let text = String::from_utf8_lossy(text);
        let says = |what: &str| format!("{what} (\"{text}\")");
        let lower = text.to_ascii_lowercase();
        let about = |what: &str| lower.contains(what);
        if about("authentication timeout") {
            Heard::NotNow(says("our greeting came too late for it"))
        } else if about("authorization violation") || about("authentication") {
            Heard::Never(says("user, password or token is wrong or no longer valid, or one is wanted"))
        } else if about("permissions violation") {
            let is_about = |channel| {
                let name = self.name(channel);
                text.contains(&format!("\"{}\"", String::from_utf8_lossy(&name)))
            };
            match (is_about(Channel::Control), is_about(Channel::All)) {
                // Without these there is no link.
                (true, _) | (_, true) if about("for subscription") => {
                    Heard::Never(says("the user may not subscribe to what it needs"))
                }
                (false, _) if about("for publish") => {
                    Heard::NotPublished(says("the user may not publish that"))
                }
                _ => Heard::Refused(says("the user may not do that there")),
            }
        } else if about("maximum subscriptions") {
            Heard::Refused(says("it takes no further subscription, so messages in that topic do not come")) // and goes on
        } else if about("slow consumer") {
            Heard::NotNow(says("we read too slowly"))
        } else if about("maximum payload") {
            Heard::NotNow(says("a message was longer than its max_payload"))
        } else if about("connections exceeded") {
            Heard::NotNow(says("it has no room for another client"))
        } else if self.login == Login::Greeted {
            Heard::NotNow(says("it ends the connection"))
        } else {
            Heard::Never(says("it does not let us in"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear<'a>(nats: &mut Nats, bytes: &'a [u8], out: &mut Vec<u8>) -> Heard<'a> {
        match nats.hear(bytes, out, 1000) {
            Ok(Ok((heard, used))) if used == bytes.len() => heard,
            other => panic!("{}: {other:?}", bytes.escape_ascii()),
        }
    }

    fn nats(url: &str) -> Nats {
        Nats::new(&Address::parse(url).unwrap(), false)
    }

    #[test]
    fn greetings() {
        for (url, expected) in [
            ("nats://a", ""),
            ("nats://t%22ken@a", ",\"auth_token\":\"t\\\"ken\""),
            ("nats://u:p@a", ",\"user\":\"u\",\"pass\":\"p\""),
        ] {
            let (mut nats, mut out) = (nats(url), Vec::new());
            nats.begin();
            assert!(matches!(hear(&mut nats, b"INFO {\"max_payload\":77}\r\n", &mut out), Heard::Nothing));
            let said = String::from_utf8(out.clone()).unwrap();
            assert!(said.ends_with(&format!("\"bowsprit\"{expected}}}\r\nPING\r\n")), "{said}");
            assert!(matches!(hear(&mut nats, b"PONG\r\n", &mut out), Heard::Greeted { longest: 77 }));
        }
    }

    #[test]
    fn no_password_is_shown() {
        assert!(!format!("{:?}", nats("nats://u:pa55@a")).contains("pa55"));
    }

    #[test]
    fn tls_begins_where_either_side_wants_it() {
        for (url, info, starts) in [
            ("nats://a", "{\"tls_required\":true}", true),
            ("tls://a", "{\"tls_available\":true}", true),
            ("tls://a", "{}", false),
        ] {
            let (mut nats, mut out) = (nats(url), Vec::new());
            nats.begin();
            let info = format!("INFO {info}\r\n");
            let heard = hear(&mut nats, info.as_bytes(), &mut out);
            assert!(out.is_empty(), "no password before TLS");
            match heard {
                Heard::StartTls => assert!(starts),
                Heard::Never(why) => assert!(!starts && why.contains("nats://"), "{why}"),
                other => panic!("{other:?}"),
            }
            nats.secured(&mut out);
            assert_eq!(!out.is_empty(), starts);
        }
    }

    #[test]
    fn what_errors_mean() {
        type Is = fn(&Heard<'_>) -> bool;
        let never: Is = |heard| matches!(heard, Heard::Never(_));
        let later: Is = |heard| matches!(heard, Heard::NotNow(_));
        let one: Is = |heard| matches!(heard, Heard::NotPublished(_));
        let told: Is = |heard| matches!(heard, Heard::Refused(_));
        for (text, is) in [
            ("Authorization Violation", never),
            ("Account Authentication Expired", never),
            ("Authentication Timeout", later),
            ("Permissions Violation for Subscription to \"p.control\"", never),
            ("Permissions Violation for Subscription to \"p.all\"", never),
            ("Permissions Violation for Subscription to \"p.topic.tx\"", told),
            ("Permissions Violation for Publish to \"p.topic.tx\"", one),
            ("Permissions Violation for Publish to \"p.all\"", one),
            ("Permissions Violation for Publish to \"p.control\"", told),
            ("maximum subscriptions exceeded", told),
            ("maximum connections exceeded", later),
            ("maximum account active connections exceeded", later),
            ("Slow Consumer", later),
            ("Stale Connection", later),
        ] {
            let (mut nats, mut out) = (nats("nats://a/p"), Vec::new());
            nats.begin();
            hear(&mut nats, b"INFO {}\r\n", &mut out);
            hear(&mut nats, b"PONG\r\n", &mut out);
            let line = format!("-ERR '{text}'\r\n");
            let heard = hear(&mut nats, line.as_bytes(), &mut out);
            assert!(is(&heard), "{text}: {heard:?}");
        }
    }

    #[test]
    fn a_pong_answers_all_in_front_of_its_ping() {
        let (mut nats, mut out) = (nats("nats://a/my.chat"), Vec::new());
        nats.begin();
        hear(&mut nats, b"INFO {}\r\n", &mut out);
        hear(&mut nats, b"PONG\r\n", &mut out);
        out.clear();
        let name = nats.name(Channel::Topic(b"a b"));
        nats.subscribe(&mut out, &[&name]);
        Nats::publish(&mut out, &name, [b"he", b"llo"]);
        nats.published(&mut out, 1);
        nats.unsubscribe(&mut out, &name);
        let expected = "SUB my%2Echat.topic.ta%20b 1\r\nPING\r\nPUB my%2Echat.topic.ta%20b 5\r\nhello\r\nPING\r\nUNSUB 1\r\n";
        assert_eq!(String::from_utf8(out.clone()).unwrap(), expected);
        assert!(matches!(hear(&mut nats, b"PONG\r\n", &mut out), Heard::Subscribed));
        assert!(matches!(hear(&mut nats, b"PONG\r\n", &mut out), Heard::Answered(1)));
        assert!(nats.hear(b"PONG\r\n", &mut out, 10).is_err());
    }
}
