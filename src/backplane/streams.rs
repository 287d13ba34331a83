//! The history of a topic in Redis: a stream of numbered messages, and a hash with the epoch of the history and its
//! end.
//!
//! | key | holds |
//! |---|---|
//! | `PREFIX:stream:…` | the newest messages; their ids are `OFFSET-0`, without holes |
//! | `PREFIX:meta:…` | `epoch`, `offset` of the last message, `base`: the offset at which the epoch began |
//! | `PREFIX:sent:NODE` | the number of the last message of a node in each topic, so that one that is sent again is not kept twice |
//!
//! A script does all of it at once, and wakes the listeners of the topic's channel, who read when they like. So nothing
//! is lost with a link, nobody is cut off for reading slowly, and a gap between two offsets is what the trim took.

use sha1::{Digest as _, Sha1};

use super::envelope::{NodeId, Payload};
use super::grammar::resp::{self, Value};

const SCRIPT: &str = "\
local last = redis.call('HGET', KEYS[3], KEYS[1])
if last and tonumber(last) >= tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[3], KEYS[1], ARGV[3])
redis.call('EXPIRE', KEYS[3], 3600)
if redis.call('HEXISTS', KEYS[2], 'epoch') == 0 then
local time = redis.call('TIME')
redis.call('HSET', KEYS[2], 'epoch', string.format('%08x%08x', time[1], time[2]))
end
local offset = redis.call('HINCRBY', KEYS[2], 'offset', 1)
if offset == 1 then redis.call('DEL', KEYS[1]) end
offset = string.format('%.0f', offset)
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], offset .. '-0', 'm', ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[5])
redis.call('EXPIRE', KEYS[2], ARGV[5])
local now = redis.call('HMGET', KEYS[2], 'epoch', 'base')
redis.call('PUBLISH', ARGV[1], now[1] .. ':' .. offset .. ':' .. (now[2] or '0'))
return 1";

/// An engine that came back with less than it had continues under another epoch, so that no offset means two messages.
const RENEW: &str = "\
if redis.call('HGET', KEYS[1], 'epoch') == ARGV[1] then
redis.call('HSET', KEYS[1], 'epoch', ARGV[2], 'base', redis.call('HGET', KEYS[1], 'offset') or '0')
end
return 1";

/// The streams of a prefix.
#[derive(Debug)]
pub(super) struct Streams {
    prefix: Vec<u8>,
    sha: String,
    /// About how many messages are kept for each topic.
    length: String,
    /// For how many seconds after the last one.
    kept: String,
    sent: Vec<u8>,
}

/// What an engine says about a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) epoch: u64,
    pub(super) offset: u64,
    pub(super) base: u64,
}

impl Streams {
    pub(super) fn new(prefix: &str, length: usize, kept: u64, node: NodeId) -> Self {
        let sha = Sha1::digest(SCRIPT.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            prefix: prefix.as_bytes().to_vec(),
            sha,
            length: length.to_string(),
            kept: kept.max(1).to_string(),
            sent: format!("{prefix}:sent:{node}").into_bytes(),
        }
    }

    /// Returns the key of this kind for the channel of this name.
    fn key(&self, kind: &[u8], name: &[u8]) -> Vec<u8> {
        [&self.prefix[..], kind, &name[self.prefix.len().min(name.len())..]].concat()
    }

    pub(super) fn load(out: &mut Vec<u8>) {
        resp::command(out, &[b"SCRIPT", b"LOAD", SCRIPT.as_bytes()]);
    }

    pub(super) fn publish(&self, out: &mut Vec<u8>, name: &[u8], number: u64, payload: [&[u8]; 2]) {
        let number = number.to_string();
        let words: [&[u8]; 9] = [
            b"EVALSHA",
            self.sha.as_bytes(),
            b"3",
            &self.key(b":stream", name),
            &self.key(b":meta", name),
            &self.sent,
            name,
            self.length.as_bytes(),
            number.as_bytes(),
        ];
        resp::head(out, b'*', words.len() + 2);
        words.iter().for_each(|word| resp::bulk(out, &[word]));
        resp::bulk(out, &payload);
        resp::bulk(out, &[self.kept.as_bytes()]);
    }

    /// Asks for the end of a history; if there is none, one begins under this epoch. Returns how many answers precede
    /// that one.
    pub(super) fn ask(&self, out: &mut Vec<u8>, name: &[u8], epoch: u64) -> usize {
        let meta = self.key(b":meta", name);
        resp::command(out, &[b"HSETNX", &meta, b"epoch", format!("{epoch:016x}").as_bytes()]);
        resp::command(out, &[b"EXPIRE", &meta, self.kept.as_bytes()]);
        resp::command(out, &[b"HMGET", &meta, b"epoch", b"offset", b"base"]);
        2
    }

    /// Has the history continue under another epoch, unless another node has done so.
    pub(super) fn renew(&self, out: &mut Vec<u8>, name: &[u8], old: u64, new: u64) {
        let (old, new) = (format!("{old:016x}"), format!("{new:016x}"));
        let meta = self.key(b":meta", name);
        resp::command(out, &[b"EVAL", RENEW.as_bytes(), b"1", &meta, old.as_bytes(), new.as_bytes()]);
    }

    /// Asks for messages after an offset.
    pub(super) fn read(&self, out: &mut Vec<u8>, name: &[u8], after: u64, count: usize) {
        let (after, count) = (format!("({after}-0"), count.to_string());
        let stream = self.key(b":stream", name);
        resp::command(out, &[b"XRANGE", &stream, after.as_bytes(), b"+", b"COUNT", count.as_bytes()]);
    }
}

impl Told {
    /// Parses the notification that wakes listeners.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(payload).ok()?.splitn(3, ':');
        let epoch = u64::from_str_radix(words.next()?, 16).ok()?;
        let mut number = || words.next()?.parse().ok();
        Some(Self { epoch, offset: number()?, base: number()? })
    }

    /// Parses the answer to [`Streams::ask`].
    pub(super) fn answer(values: &[Value<'_>]) -> Option<Self> {
        let number = |value: &Value<'_>| match value {
            Value::Bulk(digits) => std::str::from_utf8(digits).ok()?.parse().ok(),
            Value::Null => Some(0),
            _ => None,
        };
        let [Value::Bulk(epoch), offset, base] = values else { return None };
        let epoch = u64::from_str_radix(std::str::from_utf8(epoch).ok()?, 16).ok()?;
        Some(Self { epoch, offset: number(offset)?, base: number(base)? })
    }
}

/// Parses the offset and the payload of an entry of a stream.
pub(super) fn entry<'a>(value: &Value<'a>) -> Option<(u64, Payload<'a>)> {
    let Value::Array(members) = value else { return None };
    let [Value::Bulk(id), Value::Array(fields)] = &members[..] else { return None };
    let offset = std::str::from_utf8(id).ok()?.strip_suffix("-0")?.parse().ok()?;
    match &fields[..] {
        [Value::Bulk(b"m"), Value::Bulk(payload)] => Some((offset, Payload::Whole(payload))),
        [Value::Bulk(b"m"), Value::TooLong { front, len }] => {
            Some((offset, Payload::TooLong { front, len: *len }))
        }
        _ => Some((offset, Payload::Whole(b""))), // from another program, and not a message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_engine_says_about_a_history() {
        let told = Told { epoch: 0xab, offset: 7, base: 0 };
        assert_eq!(Told::parse(b"00000000000000ab:7:0"), Some(told));
        for payload in
            [&b""[..], b"ab", b"ab:", b"ab:7", b"ab:7:", b"x:7:0", b"ab:-7:0", b"ab:7:0:1", b"\xff"]
        {
            assert_eq!(Told::parse(payload), None, "{}", payload.escape_ascii());
        }
        use Value::{Bulk, Null};
        assert_eq!(Told::answer(&[Bulk(b"ab"), Bulk(b"7"), Null]), Some(told));
        for values in [&[][..], &[Null, Null, Null], &[Bulk(b"ab"), Bulk(b"x"), Null], &[Bulk(b"ab"), Null]] {
            assert_eq!(Told::answer(values), None, "{values:?}");
        }
    }

    #[test]
    fn entries() {
        use Value::{Array, Bulk};
        let of = |id: &'static [u8], fields| Array(vec![Bulk(id), Array(fields)]);
        assert_eq!(entry(&of(b"7-0", vec![Bulk(b"m"), Bulk(b"x")])), Some((7, Payload::Whole(b"x"))));
        assert_eq!(entry(&of(b"7-0", vec![Bulk(b"else"), Bulk(b"x")])), Some((7, Payload::Whole(b""))));
        for id in [&b"7"[..], b"7-1", b"x-0", b"-0"] {
            assert_eq!(entry(&of(id, vec![])), None);
        }
        assert_eq!(entry(&Bulk(b"7-0")), None);
    }

    #[test]
    fn keys_keep_the_prefix() {
        let streams = Streams::new("chat", 10, 60, NodeId(1));
        assert_eq!(streams.key(b":stream", b"chat:topic:a:b"), b"chat:stream:topic:a:b");
        let mut out = Vec::new();
        streams.read(&mut out, b"chat:all", 7, 3);
        assert_eq!(
            out.escape_ascii().to_string(),
            "*6\\r\\n$6\\r\\nXRANGE\\r\\n$15\\r\\nchat:stream:all\\r\\n$4\\r\\n(7-0\\r\\n$1\\r\\n+\\r\\n$5\\r\\nCOUNT\\r\\n$1\\r\\n3\\r\\n"
        );
    }
}
