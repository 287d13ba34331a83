//! Input from the engine, and its effects.

use std::time::{Duration, Instant};

use super::super::engine::{Channel, Heard};
use super::super::envelope::{Envelope, Kind, MAX_ENVELOPE, NodeId, Payload};
use super::super::history::{Change, History};
use super::super::numbers::{self, Arrival};
use super::super::position::Position;
use super::super::streams::Told;
use super::event::{Action, Incoming, LinkEvent, NodeMessage};
use super::{ANNOUNCEMENT, BATCH, Link, MAX_DELAY, State};
use crate::frame::DataKind;
use crate::message::Message;

/// How long known nodes are awaited after an outage: they come back as we do.
pub(super) const REUNION: Duration = Duration::from_secs(1);
/// A node that has been silent for this long is not awaited.
const RECENT: Duration = Duration::from_secs(10);
/// Nodes that ask within this time are answered together.
const TOGETHER: Duration = Duration::from_millis(250);

impl Link {
    /// Handles received bytes. Messages of other nodes go to `deliver`, borrowed from `input` if they came whole.
    pub fn receive(&mut self, input: &[u8], now: Instant, mut deliver: impl FnMut(Incoming<'_>)) {
        self.tell_steps(&mut deliver);
        if matches!(self.state, State::Away { .. } | State::Dialing { .. }) {
            return;
        }
        self.heard = now;
        self.pinged = None;
        let (passed, input) = input.split_at(input.len().min(self.passing));
        self.passing -= passed.len();
        let mut kept = std::mem::take(&mut self.input);
        let used = if kept.is_empty() {
            let used = self.take(input, now, &mut deliver);
            kept.extend_from_slice(&input[used..]);
            0
        } else {
            kept.extend_from_slice(input);
            if kept.len() < self.wanted { 0 } else { self.take(&kept, now, &mut deliver) }
        };
        if matches!(self.state, State::Away { .. }) {
            return; // everything else belongs to a connection that is over
        }
        kept.drain(..used);
        if kept.is_empty() && kept.capacity() > BATCH {
            kept = Vec::new();
        }
        self.input = kept;
    }

    /// Takes all whole values from the front. Returns how many bytes they take.
    fn take(&mut self, bytes: &[u8], now: Instant, deliver: &mut impl FnMut(Incoming<'_>)) -> usize {
        let longest = self.settings.max_message.saturating_add(MAX_ENVELOPE).max(ANNOUNCEMENT * 2);
        let mut used = 0;
        loop {
            match self.speaker.hear(&bytes[used..], &mut self.out, longest) {
                Ok(Ok((heard, len))) => {
                    used += len;
                    if used > bytes.len() {
                        self.passing = used - bytes.len();
                        used = bytes.len();
                    }
                    self.hear(heard, now, deliver);
                    self.tell_steps(deliver);
                    if matches!(self.state, State::Away { .. }) {
                        return used;
                    }
                }
                Ok(Err(len)) => {
                    self.wanted = len;
                    return used;
                }
                Err(why) => {
                    self.fall(&why, MAX_DELAY, now);
                    return used;
                }
            }
        }
    }

    fn hear(&mut self, heard: Heard<'_>, now: Instant, deliver: &mut impl FnMut(Incoming<'_>)) {
        match heard {
            Heard::Nothing => {}
            Heard::StartTls => self.actions.push_back(Action::StartTls),
            Heard::Greeted { longest } => self.greeted(longest, now),
            Heard::Subscribed => self.subscribed(now),
            Heard::RefusedTopic { why, is_last } => {
                self.events.push_back(LinkEvent::Refused { why });
                if is_last {
                    self.subscribed(now);
                }
            }
            Heard::Answered(count) => self.queue.answered(count),
            Heard::Message { channel, payload } => self.message(channel, payload, now, deliver),
            Heard::RefusedMessage(why) => {
                self.queue.answered(1); // sending it again would change nothing
                self.refuse_message(why, now);
            }
            Heard::NotPublished(why) => self.refuse_message(why, now),
            Heard::Position(told) => {
                self.with_history(|history, ask| {
                    let (change, name) = history.position(told, ask);
                    (change == Change::Reset).then_some((name, None))
                });
            }
            Heard::NoPosition(why) => {
                self.events.push_back(LinkEvent::Refused { why });
                if let Some(history) = &mut self.history {
                    history.no_position();
                }
                self.ask_history();
            }
            Heard::Entry { offset, payload } => self.entry(offset, payload, now, deliver),
            Heard::HistoryRead => self.history_read(),
            Heard::RefusedHistory(why) => {
                self.events.push_back(LinkEvent::Refused { why });
                self.steps.extend(self.history.as_mut().and_then(History::refused));
                self.ask_history();
            }
            Heard::Refused(why) => self.events.push_back(LinkEvent::Refused { why }),
            Heard::NotNow(why) => self.fall(&why, Duration::ZERO, now),
            Heard::Never(why) => {
                self.events.push_back(LinkEvent::Refused { why: why.clone() });
                self.fall(&why, MAX_DELAY, now);
            }
        }
    }

    /// Handles the end of subscribing: all subscriptions are in effect or refused.
    fn subscribed(&mut self, now: Instant) {
        if let State::Restoring { subscribed, .. } = &mut self.state {
            *subscribed = true;
            self.hello(true);
            self.try_up(now);
        }
    }

    fn greeted(&mut self, longest: usize, now: Instant) {
        self.longest = longest.saturating_sub(MAX_ENVELOPE);
        let mut missing = self.receiving.known(RECENT + now.saturating_duration_since(self.down_since), now);
        missing.retain(|node| *node != self.node);
        if self.history.is_some() {
            missing.clear(); // they read what they have missed
        }
        self.state = State::Restoring { since: now, subscribed: false, missing };
        self.speaker.prepare(&mut self.out);
        let names = self.channels.names();
        self.speaker.subscribe(&mut self.out, &names);
        if let Some(history) = &mut self.history {
            let control = self.speaker.name(Channel::Control);
            for name in names.into_iter().filter(|name| **name != control) {
                let question = history.ask(name);
                self.speaker.ask(&mut self.out, &question, self.new_epochs.next());
            }
        }
    }

    /// Declares the link up once subscriptions are in effect, and the nodes that were there before are back or no
    /// longer awaited.
    pub(super) fn try_up(&mut self, now: Instant) {
        let State::Restoring { since, subscribed: true, missing } = &self.state else { return };
        if !missing.is_empty() && now < *since + REUNION {
            return;
        }
        self.state = State::Up;
        self.spared_until = now + REUNION;
        self.tries = 0;
        self.announce_at = now;
        self.sending.announce_again();
        self.presence.begin_again(now);
        self.tell_all_present();
        self.ups += 1;
        self.events.push_back(LinkEvent::Up { after: now.saturating_duration_since(self.down_since) });
    }

    fn message(
        &mut self,
        channel: &[u8],
        payload: Payload<'_>,
        now: Instant,
        deliver: &mut impl FnMut(Incoming<'_>),
    ) {
        if self.history.is_some() && channel != self.speaker.name(Channel::Control) {
            let Payload::Whole(payload) = payload else { return };
            let Some(told) = Told::parse(payload) else { return };
            return self.with_history(|history, ask| {
                let change = history.told(channel, told, ask);
                (change == Change::Reset).then(|| (channel.to_vec(), None))
            });
        }
        self.enveloped(channel, payload, None, now, deliver);
    }

    pub(super) fn enveloped(
        &mut self,
        channel: &[u8],
        payload: Payload<'_>,
        at: Option<Position>,
        now: Instant,
        deliver: &mut impl FnMut(Incoming<'_>),
    ) {
        // It may not be ours: from another program, or from a channel that was given up a moment ago.
        let opened = match payload {
            Payload::Whole(bytes) => Envelope::decode(bytes),
            Payload::TooLong { front, .. } => Envelope::decode_front(front),
        };
        let Some((envelope, contents)) = opened else { return };
        let Envelope { kind, node, epoch, number, mark, key } = envelope;
        let is_ours = node == self.node;
        if is_ours {
            let is_data = matches!(kind, Kind::Data(_));
            self.stats.echoes += u64::from(is_data);
            if !is_data || !self.settings.ordered {
                return;
            }
        }
        if !is_ours {
            self.presence.heard(node, now);
        }
        if let Payload::TooLong { len, .. } = payload {
            return self.too_long(channel, &envelope, len, now);
        }
        match kind {
            Kind::Hello { asks } => {
                self.receiving.hello(node, epoch, now);
                if asks {
                    self.hello(false);
                    // The node was away, and does not know what it has missed.
                    self.sending.announce_again();
                    self.tell_all_at.get_or_insert(now + TOGETHER);
                }
                if let State::Restoring { missing, .. } = &mut self.state {
                    missing.retain(|known| *known != node);
                    self.try_up(now);
                }
            }
            Kind::Present => {
                self.receiving.hello(node, epoch, now);
                self.presence.told(node, contents, now);
            }
            Kind::Numbers => {
                self.receiving.hello(node, epoch, now);
                for (name, number) in numbers::announced(contents) {
                    let Some((id, topic)) = self.channels.find(name) else { continue };
                    let lost = self.receiving.announcement(node, epoch, id, number, now);
                    if lost > 0 {
                        let topic = topic.map(str::to_owned);
                        self.gap(node, topic, lost);
                    }
                }
            }
            Kind::Data(kind) => {
                let Some((id, topic)) = self.channels.find(channel) else { return };
                let Arrival::New { lost } = self.receiving.message(node, epoch, id, number, now) else {
                    self.stats.repeated += 1;
                    return;
                };
                let Some(message) = message(kind, contents) else { return };
                self.stats.received += u64::from(!is_ours);
                // Missing messages of our own were dropped and reported by ourselves.
                let gap = (lost > 0 && !is_ours).then(|| topic.map(str::to_owned));
                let mark = mark.filter(|_| is_ours);
                deliver(Incoming::Message(NodeMessage { node, topic, message, key, mark, at, replay: None }));
                if let Some(topic) = gap {
                    self.gap(node, topic, lost);
                }
            }
        }
    }

    /// Handles a message that is too long. No node of ours announces that much, so it is a program's message.
    fn too_long(&mut self, channel: &[u8], envelope: &Envelope<'_>, len: usize, now: Instant) {
        let Envelope { kind: Kind::Data(_), node, epoch, number, .. } = *envelope else { return };
        let Some((id, topic)) = self.channels.find(channel) else { return };
        let topic = topic.map(str::to_owned);
        let Arrival::New { lost } = self.receiving.message(node, epoch, id, number, now) else {
            self.stats.repeated += 1;
            return;
        };
        self.refuse_too_long(len);
        if node != self.node {
            self.gap(node, topic, lost + 1);
        }
    }

    pub(super) fn refuse_too_long(&mut self, len: usize) {
        let most = self.settings.max_message;
        let why = format!("a message of another node, of {len} bytes; max_message is {most} here");
        self.events.push_back(LinkEvent::Refused { why });
    }

    fn gap(&mut self, node: NodeId, topic: Option<String>, lost: u64) {
        self.stats.gaps += 1;
        self.stats.lost += lost;
        self.events.push_back(LinkEvent::Gap { node, topic, lost });
    }
}

/// Returns `None` for text that is not UTF-8, which no node of ours sends.
pub(super) fn message(kind: DataKind, payload: &[u8]) -> Option<Message<'_>> {
    Some(match kind {
        DataKind::Binary => Message::Binary(payload),
        DataKind::Text => Message::Text(std::str::from_utf8(payload).ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::grammar::resp;
    use super::super::super::{Address, BackplaneSettings, Step};
    use super::*;
    use crate::entropy::SystemEntropy;

    const LIMIT: usize = 100_000;

    /// Returns a message with this number, so long that not every byte of it has to be held.
    fn enveloped(number: u64, len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let kind = Kind::Data(DataKind::Text);
        Envelope { kind, node: NodeId(2), epoch: 1, number, mark: None, key: Some("key") }.encode(&mut bytes);
        bytes.resize(bytes.len() + len, b'x');
        bytes
    }

    fn refused(len: usize) -> LinkEvent {
        let why = format!("a message of another node, of {len} bytes; max_message is {LIMIT} here");
        LinkEvent::Refused { why }
    }

    /// Returns what an engine sends until the link is up.
    fn greeting(url: &str) -> Vec<u8> {
        if url.starts_with("nats") {
            return b"INFO {}\r\nPONG\r\nPONG\r\n".to_vec();
        }
        let confirmed = b">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n".repeat(3);
        if !url.contains("streams") {
            return [b"%0\r\n", &confirmed[..]].concat();
        }
        let position = b":1\r\n:1\r\n*3\r\n$2\r\nab\r\n$1\r\n0\r\n$-1\r\n".repeat(2);
        [b"%0\r\n$2\r\nab\r\n", &confirmed[..], &position, b":1\r\n:1\r\n"].concat()
    }

    /// Returns messages published to topic `x` as an engine passes them on.
    fn passed_on(url: &str, payloads: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        if url.contains("streams") {
            bytes.extend_from_slice(b">3\r\n");
            let told = format!("ab:{}:0", payloads.len());
            [b"message", &b"p:topic:x"[..], told.as_bytes()]
                .iter()
                .for_each(|word| resp::bulk(&mut bytes, &[word]));
            bytes.extend_from_slice(&entries(payloads, 1));
            return bytes;
        }
        for payload in payloads {
            if url.starts_with("nats") {
                bytes.extend_from_slice(format!("MSG p.topic.tx 1 {}\r\n", payload.len()).as_bytes());
                bytes.extend_from_slice(payload);
                bytes.extend_from_slice(b"\r\n");
            } else {
                bytes.extend_from_slice(b">3\r\n");
                [b"message", &b"p:topic:x"[..], payload]
                    .iter()
                    .for_each(|word| resp::bulk(&mut bytes, &[word]));
            }
        }
        bytes
    }

    /// Returns the history of a topic from this offset on.
    fn entries(payloads: &[Vec<u8>], first: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        resp::head(&mut bytes, b'*', payloads.len());
        for (payload, offset) in payloads.iter().zip(first..) {
            bytes.extend_from_slice(b"*2\r\n");
            resp::bulk(&mut bytes, &[format!("{offset}-0").as_bytes()]);
            resp::command(&mut bytes, &[b"m", payload]);
        }
        bytes
    }

    fn up(url: &str, now: Instant) -> Link {
        let settings = BackplaneSettings { max_message: LIMIT, ..BackplaneSettings::default() };
        let address = Address::parse(url).unwrap();
        let mut link =
            Link::new(address, settings, (NodeId(1), 1), Box::new(SystemEntropy::new()), now).unwrap();
        link.subscribe("x");
        link.connected(now);
        link.receive(&greeting(url), now, |_| panic!("nothing was said"));
        assert!(matches!(link.next_event(), Some(LinkEvent::Up { .. })), "{url}");
        assert_eq!(link.next_event(), None);
        link
    }

    /// Takes the pieces. Returns the length of each message that came, the steps of replays, and the events.
    fn take<'a>(
        link: &mut Link,
        pieces: impl IntoIterator<Item = &'a [u8]>,
        now: Instant,
    ) -> (Vec<usize>, Vec<(u64, Step)>, Vec<LinkEvent>) {
        let (mut heard, mut steps) = (Vec::new(), Vec::new());
        for piece in pieces {
            link.receive(piece, now, |incoming| match incoming {
                Incoming::Message(message) => heard.push(message.message.as_bytes().len()),
                Incoming::Step { ticket, step } => steps.push((ticket, step)),
            });
            assert!(link.input.capacity() < 2 * BATCH, "it holds {}", link.input.capacity());
        }
        (heard, steps, std::iter::from_fn(|| link.next_event()).collect())
    }

    #[test]
    fn a_message_that_is_too_long_for_us_ends_no_link() {
        let now = Instant::now();
        for url in ["redis://a/p", "redis://a/p?streams", "nats://a/p"] {
            // The first is the first message of its node at all, and the last is a repetition.
            let payloads = [(1, 2 * LIMIT), (2, 5), (3, LIMIT + 60), (3, LIMIT + 60), (4, 7)];
            let payloads = payloads.map(|(number, len)| enveloped(number, len));
            let bytes = passed_on(url, &payloads);
            let told = |length: usize| {
                [refused(length), LinkEvent::Gap { node: NodeId(2), topic: Some("x".into()), lost: 1 }]
            };
            let told = [told(payloads[0].len()), told(payloads[2].len())].concat();
            let expected = (vec![5, 7], vec![], told);
            let mut link = up(url, now);
            assert_eq!(take(&mut link, bytes.chunks(1), now), expected, "{url}, byte by byte");
            let stats = link.stats(now);
            assert_eq!((stats.lost, stats.gaps, stats.repeated, stats.up), (2, 2, 1, true), "{url}");
            // In two pieces: every cut but most of those inside a payload.
            let is_dull = |at: usize| {
                !at.is_multiple_of(997)
                    && bytes[at.saturating_sub(99)..(at + 99).min(bytes.len())]
                        .iter()
                        .all(|byte| *byte == b'x')
            };
            for at in (0..bytes.len()).filter(|at| !is_dull(*at)) {
                let (front, back) = bytes.split_at(at);
                assert_eq!(take(&mut up(url, now), [front, back], now), expected, "{url}, cut at {at}");
            }
        }
    }

    #[test]
    fn a_replay_with_a_message_that_is_too_long_for_us_is_too_old() {
        let (now, url) = (Instant::now(), "redis://a/p?streams");
        let payloads = [(1, 3), (2, 5), (3, LIMIT + 60), (4, 7)].map(|(number, len)| enveloped(number, len));
        let at = |offset| Position { epoch: 0xab, offset };
        let bytes = entries(&payloads[1..], 2);
        let begin = bytes.iter().position(|byte| *byte == b'x').unwrap();
        for cut in (0..begin + 300).chain(bytes.len() - 300..bytes.len()) {
            let mut link = up(url, now);
            take(&mut link, [&passed_on(url, &payloads)[..]], now);
            link.replay("x", Some(at(1)), 9);
            let (front, back) = bytes.split_at(cut);
            let steps = vec![(9, Step::TooOld(at(4)))];
            let expected = (vec![5], steps, vec![refused(payloads[2].len())]);
            assert_eq!(take(&mut link, [front, back], now), expected, "cut at {cut}");
            // A second replay only reads what comes after.
            link.replay("x", Some(at(3)), 10);
            let expected = (vec![7], vec![(10, Step::Complete(at(4)))], vec![]);
            assert_eq!(take(&mut link, [&entries(&payloads[3..], 4)[..]], now), expected, "cut at {cut}");
        }
    }

    #[test]
    fn what_is_too_long_ends_with_its_link() {
        let now = Instant::now();
        for url in ["redis://a/p", "nats://a/p"] {
            let mut link = up(url, now);
            let bytes = passed_on(url, &[enveloped(1, LIMIT + 60)]);
            take(&mut link, [&bytes[..LIMIT]], now);
            link.lost("cut", now);
            assert_eq!(link.next_action(), Some(Action::Dial), "the first");
            link.handle_timeout(link.next_timeout());
            while link.next_action().is_some() {}
            link.connected(now);
            take(&mut link, [&greeting(url)[..]], now);
            let next = passed_on(url, &[enveloped(2, 7)]);
            assert_eq!(take(&mut link, [&next[..]], now), (vec![7], vec![], vec![]), "{url}");
        }
    }

    #[test]
    fn what_no_engine_can_send_ends_the_link() {
        let now = Instant::now();
        for (url, bytes) in [
            ("redis://a/p", "$536870913\r\n"),
            ("redis://a/p", ">3\r\n$7\r\nmessage\r\n$536870913\r\n"),
            ("nats://a/p", "MSG p.topic.tx 1 67108865\r\n"),
        ] {
            let mut link = up(url, now);
            link.receive(bytes.as_bytes(), now, |_| {});
            assert!(matches!(link.next_event(), Some(LinkEvent::Down { .. })), "{bytes}");
        }
    }
}
