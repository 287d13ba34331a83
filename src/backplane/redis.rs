//! The client of Redis: one connection of RESP3, which publishes and subscribes.

use std::collections::VecDeque;

use super::address::Address;
use super::engine::{Channel, Heard};
use super::envelope::Payload;
use super::grammar::resp::{self, Parsed, Value};
use super::history::Question;
use super::streams::{self, Streams, Told};

use crate::secret::Secret;

/// A client of Redis, from its greeting on.
#[derive(Debug)]
pub(super) struct Redis {
    greeting: Secret<Vec<u8>>,
    selects: bool,
    prefix: Vec<u8>,
    /// The answers to come, in order.
    expected: VecDeque<Expected>,
    streams: Option<Streams>,
    /// Whether each topic has a command of its own, as a refused topic takes all others of its command with it.
    apart: bool,
    /// How many entries of the history that is being read are yet to come.
    entries: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Hello,
    Select,
    Publish,
    /// The answer to a message of our own, about ourselves.
    Aside,
    Ping,
    /// This many confirmations, which come as pushes, or one error.
    Subscribe(usize),
    /// As for `Subscribe`, for the channels without which there is no link.
    SubscribeOwn(usize),
    Unsubscribe,
    /// The engine knows the script that publishes.
    Script,
    /// The end of a history.
    Position,
    /// A part of a history.
    Entries,
}

/// How many characters of an error are shown: protected mode's text would fill a screen.
const LONGEST_ERROR: usize = 120;

impl Redis {
    pub(super) fn new(address: &Address, streams: Option<Streams>) -> Self {
        let mut words: Vec<&[u8]> = vec![b"HELLO", b"3"];
        if let Some(password) = address.password() {
            words.extend([&b"AUTH"[..], address.user().unwrap_or("default").as_bytes(), password.as_bytes()]);
        }
        words.extend([&b"SETNAME"[..], b"bowsprit"]);
        let mut greeting = Vec::new();
        resp::command(&mut greeting, &words);
        let selects = address.database() != 0;
        if selects {
            resp::command(&mut greeting, &[b"SELECT", address.database().to_string().as_bytes()]);
        }
        let prefix = address.prefix().as_bytes().to_vec();
        Self {
            greeting: Secret::new(greeting),
            selects,
            prefix,
            expected: VecDeque::new(),
            streams,
            apart: false,
            entries: None,
        }
    }

    pub(super) fn begin(&mut self, out: &mut Vec<u8>) {
        self.expected.clear();
        self.entries = None;
        self.expected.push_back(Expected::Hello);
        if self.selects {
            self.expected.push_back(Expected::Select);
        }
        out.extend_from_slice(self.greeting.expose());
    }

    pub(super) fn name(&self, channel: Channel<'_>) -> Vec<u8> {
        let (sign, topic): (&[u8], &[u8]) = match channel {
            Channel::Control => (b":control", b""),
            Channel::All => (b":all", b""),
            Channel::Topic(topic) => (b":topic:", topic),
        };
        [&self.prefix[..], sign, topic].concat()
    }

    /// Writes what has to precede the first message.
    pub(super) fn prepare(&mut self, out: &mut Vec<u8>) {
        if self.streams.is_some() {
            Streams::load(out);
            self.expected.push_back(Expected::Script);
        }
    }

    /// Writes a question about histories; `new` is the epoch for one that has to begin, or to continue under another.
    pub(super) fn ask(&mut self, out: &mut Vec<u8>, question: &Question, new: u64) {
        let Some(streams) = &self.streams else { return };
        match question {
            Question::Position { name } => {
                let before = streams.ask(out, name, new);
                self.expected.extend(std::iter::repeat_n(Expected::Aside, before));
                self.expected.push_back(Expected::Position);
            }
            Question::Read { name, after, count } => {
                streams.read(out, name, *after, *count);
                self.expected.push_back(Expected::Entries);
            }
            Question::Renew { name, old } => {
                streams.renew(out, name, *old, new);
                self.expected.push_back(Expected::Aside);
            }
        }
    }

    /// Writes a message with a number, for the subscribers of a channel or for its history.
    pub(super) fn publish_numbered(&self, out: &mut Vec<u8>, name: &[u8], number: u64, payload: [&[u8]; 2]) {
        match &self.streams {
            Some(streams) => streams.publish(out, name, number, payload),
            None => Self::publish(out, name, payload),
        }
    }

    pub(super) fn publish(out: &mut Vec<u8>, name: &[u8], payload: [&[u8]; 2]) {
        out.extend_from_slice(b"*3\r\n$7\r\nPUBLISH\r\n");
        resp::bulk(out, &[name]);
        resp::bulk(out, &payload);
    }

    pub(super) fn published(&mut self, count: usize) {
        self.expected.extend(std::iter::repeat_n(Expected::Publish, count));
    }

    pub(super) fn published_aside(&mut self) {
        self.expected.push_back(Expected::Aside);
    }

    pub(super) fn subscribe(&mut self, out: &mut Vec<u8>, names: &[&[u8]]) {
        let needed = [Channel::Control, Channel::All].map(|channel| self.name(channel));
        let (own, topics): (Vec<&[u8]>, Vec<&[u8]>) =
            names.iter().copied().partition(|name| needed.iter().any(|own| own == name));
        if !own.is_empty() {
            self.subscribe_to(out, &own, Expected::SubscribeOwn(own.len()));
        }
        // In chunks, so that no command grows without bound.
        for names in topics.chunks(if self.apart { 1 } else { 500 }) {
            self.subscribe_to(out, names, Expected::Subscribe(names.len()));
        }
    }

    fn subscribe_to(&mut self, out: &mut Vec<u8>, names: &[&[u8]], expected: Expected) {
        resp::head(out, b'*', names.len() + 1);
        resp::bulk(out, &[b"SUBSCRIBE"]);
        names.iter().for_each(|name| resp::bulk(out, &[name]));
        self.expected.push_back(expected);
    }

    pub(super) fn unsubscribe(&mut self, out: &mut Vec<u8>, name: &[u8]) {
        resp::command(out, &[b"UNSUBSCRIBE", name]);
        self.expected.push_back(Expected::Unsubscribe);
    }

    pub(super) fn ping(&mut self, out: &mut Vec<u8>) {
        resp::command(out, &[b"PING"]);
        self.expected.push_back(Expected::Ping);
    }

    pub(super) fn hear<'a>(
        &mut self,
        bytes: &'a [u8],
        longest: usize,
    ) -> Result<Result<(Heard<'a>, usize), usize>, String> {
        if let Some(left) = self.entries {
            return self.entry(left, bytes, longest);
        }
        if self.expected.front() == Some(&Expected::Entries) && bytes.first() == Some(&b'*') {
            // Entry by entry, so that one message is held and not a whole history.
            return Ok(match resp::array_head(bytes).map_err(|error| error.to_string())? {
                Parsed::NeedMore(len) => Err(len),
                Parsed::Done(count, used) => {
                    self.entries = Some(count);
                    Ok((Heard::Nothing, used))
                }
            });
        }
        if let Some((channel, payload, used)) = resp::pushed_message(bytes, longest) {
            return Ok(Ok((Heard::Message { channel, payload: Payload::Whole(payload) }, used)));
        }
        match resp::parse(bytes, longest).map_err(|error| error.to_string())? {
            Parsed::NeedMore(len) => Ok(Err(len)),
            Parsed::Done(Value::Push(members), used) => Ok(Ok((self.pushed(&members)?, used))),
            Parsed::Done(value, used) => Ok(Ok((self.answered(&value)?, used))),
        }
    }

    fn entry<'a>(
        &mut self,
        left: usize,
        bytes: &'a [u8],
        longest: usize,
    ) -> Result<Result<(Heard<'a>, usize), usize>, String> {
        let Some(left) = left.checked_sub(1) else {
            self.entries = None;
            self.expected.pop_front();
            return Ok(Ok((Heard::HistoryRead, 0)));
        };
        match resp::parse(bytes, longest).map_err(|error| error.to_string())? {
            Parsed::NeedMore(len) => Ok(Err(len)),
            Parsed::Done(value, used) => {
                self.entries = Some(left);
                let (offset, payload) =
                    streams::entry(&value).ok_or("the history holds what no node of ours has put there")?;
                Ok(Ok((Heard::Entry { offset, payload }, used)))
            }
        }
    }

    /// Returns why a server that describes itself like this cannot be used.
    fn why_not(&self, server: &[Value<'_>]) -> Option<&'static str> {
        let is = |name: &[u8], what: &[&[u8]]| {
            server.chunks(2).any(|pair| match pair {
                [Value::Bulk(found), Value::Bulk(value)] => *found == name && what.contains(value),
                _ => false,
            })
        };
        if is(b"role", &[b"replica", b"slave"]) {
            // It would accept messages, and deliver them to nobody.
            Some("it is a replica: what is published there does not reach those at its master; name that one")
        } else if self.streams.is_some() && is(b"mode", &[b"cluster"]) {
            Some("it is a part of a cluster, where there are no histories; leave ?streams out")
        } else {
            None
        }
    }

    fn pushed<'a>(&mut self, members: &[Value<'a>]) -> Result<Heard<'a>, String> {
        match members {
            [Value::Bulk(b"message"), Value::Bulk(channel), Value::Bulk(payload)] => {
                Ok(Heard::Message { channel, payload: Payload::Whole(payload) })
            }
            [Value::Bulk(b"message"), Value::Bulk(channel), Value::TooLong { front, len }] => {
                Ok(Heard::Message { channel, payload: Payload::TooLong { front, len: *len } })
            }
            [Value::Bulk(b"subscribe"), ..] => match self.expected.front_mut() {
                Some(Expected::Subscribe(left) | Expected::SubscribeOwn(left)) if *left > 1 => {
                    *left -= 1;
                    Ok(Heard::Nothing)
                }
                Some(Expected::Subscribe(_) | Expected::SubscribeOwn(_)) => {
                    self.expected.pop_front();
                    Ok(if self.subscribes() { Heard::Nothing } else { Heard::Subscribed })
                }
                _ => Err("the engine confirms a subscription that nobody asked for".into()),
            },
            [Value::Bulk(b"unsubscribe"), ..] if self.expected.front() == Some(&Expected::Unsubscribe) => {
                self.expected.pop_front();
                Ok(Heard::Nothing)
            }
            _ => Ok(Heard::Nothing), // such as `invalidate`, of no use to us
        }
    }

    /// Returns whether subscriptions are on their way.
    fn subscribes(&self) -> bool {
        self.expected.iter().any(|next| matches!(next, Expected::Subscribe(_) | Expected::SubscribeOwn(_)))
    }

    fn answered(&mut self, value: &Value<'_>) -> Result<Heard<'static>, String> {
        let Some(expected) = self.expected.pop_front() else {
            // These precede the end of the connection by protected mode, or for a client that is too slow.
            return match value {
                Value::Error(text) => Ok(trouble(text)),
                _ => Err("the engine answers what nobody asked".into()),
            };
        };
        match (expected, value) {
            (Expected::Hello | Expected::Select, Value::Error(text)) => Ok(greeting_trouble(text)),
            (Expected::Hello, Value::Array(server)) => Ok(match self.why_not(server) {
                Some(why) => Heard::Never(why.into()),
                None if self.expected.front() == Some(&Expected::Select) => Heard::Nothing,
                None => Heard::Greeted { longest: resp::MAX_STRING },
            }),
            (Expected::SubscribeOwn(_), Value::Error(text)) => Ok(match trouble(text) {
                Heard::Refused(why) => Heard::Never(why),
                other => other,
            }),
            (Expected::Subscribe(count), Value::Error(text)) => Ok(match trouble(text) {
                Heard::Refused(why) if count > 1 => {
                    self.apart = true;
                    Heard::NotNow(format!("of several topics it refuses one; now one by one: {why}"))
                }
                Heard::Refused(why) => Heard::RefusedTopic { why, is_last: !self.subscribes() },
                other => other,
            }),
            (Expected::Select, Value::Simple(b"OK")) => Ok(Heard::Greeted { longest: resp::MAX_STRING }),
            (Expected::Publish, Value::Integer(_)) => Ok(Heard::Answered(1)),
            (Expected::Publish, Value::Error(text)) => Ok(match trouble(text) {
                Heard::Refused(why) => Heard::RefusedMessage(why),
                other => other,
            }),
            (Expected::Entries, Value::Error(text)) => Ok(match trouble(text) {
                Heard::Refused(why) => Heard::RefusedHistory(why),
                other => other,
            }),
            (Expected::Position, Value::Error(text)) => Ok(match trouble(text) {
                Heard::Refused(why) => Heard::NoPosition(why),
                other => other,
            }),
            (_, Value::Error(text)) => Ok(trouble(text)),
            (Expected::Script, Value::Bulk(_)) => Ok(Heard::Nothing),
            (Expected::Position, Value::Array(values)) => match Told::answer(values) {
                Some(told) => Ok(Heard::Position(told)),
                // The command that should have begun it was refused.
                None if values.iter().all(|value| *value == Value::Null) => {
                    Ok(Heard::NoPosition("a history does not begin".into()))
                }
                None => Err("the engine's answer about a history is none".into()),
            },
            (Expected::Aside, Value::Integer(_)) | (Expected::Ping, Value::Simple(b"PONG")) => {
                Ok(Heard::Nothing)
            }
            _ => Err(format!("the engine's answer to {expected:?} is none")),
        }
    }
}

/// Shortens an error to its useful part.
fn said(what: &str, text: &str) -> String {
    match text.char_indices().nth(LONGEST_ERROR) {
        Some((end, _)) => format!("{what} (\"{}…\")", &text[..end]),
        None => format!("{what} (\"{text}\")"),
    }
}

/// Interprets an error while we introduce ourselves.
fn greeting_trouble(text: &[u8]) -> Heard<'static> {
    let text = String::from_utf8_lossy(text);
    let says = |what: &str| said(what, &text);
    match text.split(' ').next().unwrap_or_default() {
        "NOPROTO" => Heard::Never(says("it does not speak RESP3: Redis 6 or newer is needed")),
        _ if text.contains("unknown command") => {
            Heard::Never(says("it knows no HELLO: Redis 6 or newer is needed"))
        }
        _ if text.contains("DB index") || text.contains("database") => {
            Heard::Never(says("there is no such database"))
        }
        _ if text.contains("without any password configured") => {
            Heard::Never(says("it has no password; leave yours out"))
        }
        _ => trouble(text.as_bytes()),
    }
}

/// Interprets an error at any time.
fn trouble(text: &[u8]) -> Heard<'static> {
    let text = String::from_utf8_lossy(text);
    let says = |what: &str| said(what, &text);
    match text.split(' ').next().unwrap_or_default() {
        "WRONGPASS" => Heard::Never(says("user or password is wrong")),
        "NOAUTH" => Heard::Never(says("it wants a password: redis://:PASSWORD@HOST")),
        "DENIED" => Heard::Never(says("it is in protected mode and talks to its own machine only")),
        "NOPERM" => Heard::Refused(says("the user may not do that there")),
        // It has become a replica: the new master may be found in its place.
        "READONLY" => Heard::NotNow(says("it is a replica that nothing can be written to")),
        "MOVED" | "ASK" => Heard::Refused(says("it is a part of a cluster and another part is in charge")),
        "OOM" => Heard::Refused(says("it has no memory left (maxmemory)")),
        // It was told to forget its scripts; the next greeting loads them again.
        "NOSCRIPT" => Heard::NotNow(says("it has forgotten our script")),
        "LOADING" => Heard::NotNow(says("it still loads its data")),
        "MASTERDOWN" | "CLUSTERDOWN" | "BUSY" | "TRYAGAIN" => Heard::NotNow(says("it cannot work now")),
        _ if text.contains("max number of clients") => {
            Heard::NotNow(says("it has no room for another client"))
        }
        _ => Heard::Refused(says("it refuses")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::envelope::NodeId;
    use super::*;

    fn redis(url: &str) -> Redis {
        Redis::new(&Address::parse(url).unwrap(), None)
    }

    fn hear<'a>(redis: &mut Redis, bytes: &'a [u8]) -> Heard<'a> {
        match redis.hear(bytes, 1000) {
            Ok(Ok((heard, used))) if used == bytes.len() => heard,
            other => panic!("{}: {other:?}", bytes.escape_ascii()),
        }
    }

    #[test]
    fn greetings() {
        for (url, expected) in [
            ("redis://a", "*4\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$7\r\nSETNAME\r\n$8\r\nbowsprit\r\n"),
            (
                "redis://:p@a?db=2",
                "*7\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$7\r\ndefault\r\n$1\r\np\r\n$7\r\nSETNAME\r\n$8\r\nbowsprit\r\n\
                 *2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n",
            ),
        ] {
            let mut out = Vec::new();
            redis(url).begin(&mut out);
            assert_eq!(out.escape_ascii().to_string(), expected.as_bytes().escape_ascii().to_string());
        }
    }

    #[test]
    fn no_password_is_shown() {
        let shown = format!("{:?}", redis("redis://:pa55@a"));
        assert!(!shown.contains("112, 97, 53, 53"), "{shown}");
    }

    #[test]
    fn answers_come_in_order_and_pushes_between_them() {
        let (mut redis, mut out) = (redis("redis://a?db=2"), Vec::new());
        redis.begin(&mut out);
        assert!(matches!(hear(&mut redis, b"%1\r\n$6\r\nserver\r\n$5\r\nredis\r\n"), Heard::Nothing));
        assert!(matches!(hear(&mut redis, b"+OK\r\n"), Heard::Greeted { .. }));
        redis.subscribe(&mut out, &[b"a", b"b"]);
        redis.published(1);
        redis.ping(&mut out);
        assert!(matches!(hear(&mut redis, b">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"), Heard::Nothing));
        assert!(matches!(hear(&mut redis, b">3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"), Heard::Subscribed));
        // Redis sends us our own message before the number of its receivers.
        let own = hear(&mut redis, b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n");
        assert!(matches!(own, Heard::Message { channel: b"a", payload: Payload::Whole(b"x") }));
        assert!(matches!(hear(&mut redis, b":1\r\n"), Heard::Answered(1)));
        assert!(matches!(hear(&mut redis, b"+PONG\r\n"), Heard::Nothing));
        assert!(redis.hear(b"+PONG\r\n", 10).is_err(), "an answer too many");
    }

    #[test]
    fn troubles() {
        for (error, expected) in [
            ("-WRONGPASS invalid username-password pair or user is disabled.\r\n", "password is wrong"),
            ("-NOAUTH HELLO must be called with the client already authenticated\r\n", "wants a password"),
            ("-ERR unknown command 'HELLO'\r\n", "Redis 6"),
            ("-DENIED Redis is running in protected mode\r\n", "protected mode"),
            (
                "-ERR AUTH <password> called without any password configured for the default user.\r\n",
                "no password",
            ),
        ] {
            let mut redis = redis("redis://a");
            redis.begin(&mut Vec::new());
            let heard = hear(&mut redis, error.as_bytes());
            assert!(matches!(&heard, Heard::Never(why) if why.contains(expected)), "{heard:?}");
        }
        let mut redis = redis("redis://a");
        redis.begin(&mut Vec::new());
        let heard = hear(&mut redis, b"-LOADING Redis is loading the dataset in memory\r\n");
        assert!(matches!(&heard, Heard::NotNow(why) if why.contains("loads")), "{heard:?}");
        let long = format!("-DENIED {}\r\n", "ü".repeat(400));
        redis.begin(&mut Vec::new());
        let heard = hear(&mut redis, long.as_bytes());
        assert!(matches!(&heard, Heard::Never(why) if why.len() < 400 && why.ends_with("…\")")), "{heard:?}");
    }

    #[test]
    fn servers_that_are_of_no_use() {
        for (url, server, expected) in [
            ("redis://a", "%1\r\n$4\r\nrole\r\n$7\r\nreplica\r\n", Some("master")),
            ("redis://a", "%1\r\n$4\r\nrole\r\n$6\r\nmaster\r\n", None),
            ("redis://a", "%1\r\n$4\r\nmode\r\n$7\r\ncluster\r\n", None),
            ("redis://a?streams", "%1\r\n$4\r\nmode\r\n$7\r\ncluster\r\n", Some("?streams")),
        ] {
            let address = Address::parse(url).unwrap();
            let streams = address.streams().map(|length| Streams::new("p", length, 1, NodeId(1)));
            let mut redis = Redis::new(&address, streams);
            redis.begin(&mut Vec::new());
            match (hear(&mut redis, server.as_bytes()), expected) {
                (Heard::Never(why), Some(expected)) => assert!(why.contains(expected), "{why}"),
                (Heard::Greeted { .. }, None) => {}
                (heard, _) => panic!("{server}: {heard:?}"),
            }
        }
    }

    #[test]
    fn a_topic_that_is_refused_takes_no_other_with_it() {
        const REFUSED: &[u8] = b"-NOPERM this user has no permissions to access one of the channels\r\n";
        let confirmed = |name: &str| format!(">3\r\n$9\r\nsubscribe\r\n${}\r\n{name}\r\n:1\r\n", name.len());
        let (mut redis, mut out) = (redis("redis://a/p"), Vec::new());
        let names: [&[u8]; 4] = [b"p:all", b"p:control", b"p:topic:x", b"p:topic:y"];
        let begin = |redis: &mut Redis, out: &mut Vec<u8>| {
            redis.begin(out);
            assert!(matches!(hear(redis, b"%0\r\n"), Heard::Greeted { .. }));
            redis.subscribe(out, &names);
            for name in ["p:all", "p:control"] {
                assert!(matches!(hear(redis, confirmed(name).as_bytes()), Heard::Nothing));
            }
        };
        begin(&mut redis, &mut out);
        assert!(matches!(hear(&mut redis, REFUSED), Heard::NotNow(_)));
        begin(&mut redis, &mut out);
        assert!(matches!(hear(&mut redis, REFUSED), Heard::RefusedTopic { is_last: false, .. }));
        assert!(matches!(hear(&mut redis, confirmed("p:topic:y").as_bytes()), Heard::Subscribed));
        // Without these there is no link.
        redis.begin(&mut out);
        hear(&mut redis, b"%0\r\n");
        redis.subscribe(&mut out, &names);
        assert!(matches!(hear(&mut redis, REFUSED), Heard::Never(_)));
    }
}
