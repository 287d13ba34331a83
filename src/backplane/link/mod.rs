//! A link to an engine, without a socket and without a clock.
//!
//! In: that the transport is there or gone, bytes, the time; topics that somebody wants; messages. Out: bytes,
//! [`Action`]s for the transport, [`Delivery`]s from other nodes, [`LinkEvent`]s. It promises what
//! [the module](super) says; what it leaves to its driver are names, sockets and TLS.

mod event;
mod replay;
mod stats;
mod timing;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::address::Address;
use super::channels::Channels;
use super::engine::{Channel, Heard};
use super::envelope::{Envelope, Kind, MAX_ENVELOPE, Mark, NodeId};
use super::history::{Change, History, Step};
use super::numbers::{self, Arrival, Receiving, Sending};
use super::position::Position;
use super::presence::Presence;
use super::queue::Queue;
use super::settings::BackplaneSettings;
use super::speaker::Speaker;
use super::streams::{Streams, Told};
use crate::entropy::Entropy;
use crate::frame::DataKind;
use crate::message::Message;

pub use event::{Action, Delivery, Incoming, LinkEvent, Published};
pub use stats::LinkStats;

/// A link to an engine.
pub struct Link {
    address: Address,
    settings: BackplaneSettings,
    entropy: Box<dyn Entropy + Send>,
    node: NodeId,
    epoch: u32,
    speaker: Speaker,
    state: State,
    /// Since when there is no link.
    down_since: Instant,
    tries: u32,
    /// What came and is no whole value yet; nothing is to be tried before there are so many bytes of it.
    input: Vec<u8>,
    wanted: usize,
    out: Vec<u8>,
    written: usize,
    queue: Queue,
    channels: Channels,
    sending: Sending,
    receiving: Receiving,
    /// Where the engine keeps histories.
    history: Option<History>,
    steps: VecDeque<(u64, Step)>,
    presence: Presence,
    /// When all that are present here are to be told: together for all who ask within a moment.
    tell_all_at: Option<Instant>,
    /// The most bytes of a message, as the engine has said.
    longest: usize,
    heard: Instant,
    pinged: Option<Instant>,
    announce_at: Instant,
    /// How many messages were dropped that were not told, and since when.
    dropped: u64,
    dropped_since: Option<Instant>,
    ups: u64,
    actions: VecDeque<Action>,
    events: VecDeque<LinkEvent>,
    stats: LinkStats,
}

#[derive(Debug)]
enum State {
    /// Nothing is there until then.
    Away {
        until: Instant,
    },
    /// The driver reaches the engine.
    Dialing {
        since: Instant,
    },
    /// Bytes pass, and the engine has not answered yet: "writable" is not "connected".
    Greeting {
        since: Instant,
    },
    /// It has; subscriptions are on their way, and nodes that were known are waited for.
    Restoring {
        since: Instant,
        subscribed: bool,
        missing: Vec<NodeId>,
    },
    Up,
}

/// How long nodes that were known are waited for after an outage: they come back as we do.
const REUNION: Duration = Duration::from_secs(1);
/// A node that has said nothing for so long is not waited for.
const RECENT: Duration = Duration::from_secs(10);
/// The most to wait before another try, and before one where somebody has to change something first.
const MAX_DELAY: Duration = Duration::from_secs(5);
/// Who asks within so long is answered together.
const TOGETHER: Duration = Duration::from_millis(250);
/// How many bytes go out at once.
const BATCH: usize = 64 * 1024;
/// How long an announcement is.
const ANNOUNCEMENT: usize = 32 * 1024;

impl Link {
    /// A link that begins now: its first action is [`Action::Dial`]. `node` tells this process from all others; `epoch`
    /// is the time of its start in seconds since 1970.
    pub fn new(
        address: Address,
        settings: BackplaneSettings,
        (node, epoch): (NodeId, u32),
        entropy: Box<dyn Entropy + Send>,
        now: Instant,
    ) -> Self {
        let mut settings = settings;
        settings.ordered |= address.streams().is_some();
        let streams = address.streams().map(|length| {
            let kept = settings.history_age.as_secs();
            Streams::new(address.prefix(), length, kept, node)
        });
        let mut history = streams.is_some().then(History::default);
        let speaker = Speaker::new(&address, settings.ordered, streams);
        let mut channels = Channels::default();
        channels.add(speaker.name(Channel::Control), None);
        channels.add(speaker.name(Channel::All), None);
        if let Some(history) = &mut history {
            history.add(&speaker.name(Channel::All));
        }
        Self {
            speaker,
            address,
            queue: Queue::new(settings.max_queued),
            settings,
            entropy,
            node,
            epoch,
            state: State::Dialing { since: now },
            down_since: now,
            tries: 0,
            input: Vec::new(),
            wanted: 0,
            out: Vec::new(),
            written: 0,
            channels,
            sending: Sending::default(),
            receiving: Receiving::default(),
            history,
            steps: VecDeque::new(),
            presence: Presence::new(node),
            tell_all_at: None,
            longest: usize::MAX,
            heard: now,
            pinged: None,
            announce_at: now,
            dropped: 0,
            dropped_since: None,
            ups: 0,
            actions: VecDeque::from([Action::Dial]),
            events: VecDeque::new(),
            stats: LinkStats::default(),
        }
    }

    /// Where the engine is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Whether TLS comes before the first byte of the engine's protocol.
    pub fn begins_with_tls(&self) -> bool {
        self.address.tls() && matches!(self.speaker, Speaker::Redis(_))
    }

    /// What is to be done with the transport next.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Whether [`next_action`](Self::next_action) or [`next_event`](Self::next_event) has something that waits for no time.
    pub fn has_work(&self) -> bool {
        !self.actions.is_empty() || !self.events.is_empty() || self.presence.has_changed()
    }

    /// What has happened.
    pub fn next_event(&mut self) -> Option<LinkEvent> {
        let presence = || Some(LinkEvent::Presence { topic: self.presence.next_change()? });
        self.events.pop_front().or_else(presence)
    }

    /// Who is present, here and at other nodes. What is changed there goes out with the next
    /// [`pending`](Self::pending).
    pub fn presence(&self) -> &Presence {
        &self.presence
    }

    /// Counters.
    pub fn stats(&self) -> LinkStats {
        let reconnects = self.ups.saturating_sub(1);
        let (nodes, present) = self.presence.sums();
        LinkStats {
            nodes,
            present,
            up: matches!(self.state, State::Up),
            queued: self.queue.bytes(),
            reconnects,
            ..self.stats
        }
    }

    /// The transport is there.
    pub fn connected(&mut self, now: Instant) {
        if !matches!(self.state, State::Dialing { .. }) {
            return;
        }
        self.state = State::Greeting { since: now };
        self.heard = now;
        self.speaker.begin(&mut self.out);
    }

    /// TLS has begun on the transport.
    pub fn secured(&mut self) {
        self.speaker.secured(&mut self.out);
    }

    /// The transport is gone, or could not be had.
    pub fn lost(&mut self, why: &str, now: Instant) {
        if !matches!(self.state, State::Away { .. }) {
            self.fall(why, Duration::ZERO, now);
            self.actions.retain(|action| *action != Action::Drop); // there is none any more
        }
    }

    /// Bytes have come. Messages of other nodes go to `deliver`, borrowed from `input` where they came whole.
    pub fn receive(&mut self, input: &[u8], now: Instant, mut deliver: impl FnMut(Incoming<'_>)) {
        self.tell_steps(&mut deliver);
        if matches!(self.state, State::Away { .. } | State::Dialing { .. }) {
            return;
        }
        self.heard = now;
        self.pinged = None;
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
            return; // whatever else came is of a connection that is over
        }
        kept.drain(..used);
        if kept.is_empty() && kept.capacity() > BATCH {
            kept = Vec::new();
        }
        self.input = kept;
    }

    /// Takes all whole values from the front; gives how many bytes they have.
    fn take(&mut self, bytes: &[u8], now: Instant, deliver: &mut impl FnMut(Incoming<'_>)) -> usize {
        let longest = self.settings.max_message.saturating_add(MAX_ENVELOPE).max(ANNOUNCEMENT * 2);
        let mut used = 0;
        loop {
            match self.speaker.hear(&bytes[used..], &mut self.out, longest) {
                Ok(Ok((heard, len))) => {
                    used += len;
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
            Heard::Subscribed => {
                if let State::Restoring { subscribed, .. } = &mut self.state {
                    *subscribed = true;
                    self.hello(true);
                    self.try_up(now);
                }
            }
            Heard::Answered(count) => self.queue.answered(count),
            Heard::Message { channel, payload } => self.message(channel, payload, now, deliver),
            Heard::RefusedMessage(why) => {
                self.queue.answered(1); // to say it again would change nothing
                self.drop_messages(1, now);
                self.events.push_back(LinkEvent::Refused { why });
            }
            Heard::Position(told) => {
                self.with_history(|history, ask| {
                    let (change, name) = history.position(told, ask);
                    (change == Change::Reset).then_some((name, None))
                });
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
                self.speaker.ask(&mut self.out, &question, random(&mut *self.entropy));
            }
        }
    }

    /// Up once subscriptions hold, and those who were there before are there again or are waited for no longer.
    fn try_up(&mut self, now: Instant) {
        let State::Restoring { since, subscribed: true, missing } = &self.state else { return };
        if !missing.is_empty() && now < *since + REUNION {
            return;
        }
        self.state = State::Up;
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
        payload: &[u8],
        now: Instant,
        deliver: &mut impl FnMut(Incoming<'_>),
    ) {
        if self.history.is_some() && channel != self.speaker.name(Channel::Control) {
            let Some(told) = Told::parse(payload) else { return };
            return self.with_history(|history, ask| {
                let change = history.told(channel, told, ask);
                (change == Change::Reset).then(|| (channel.to_vec(), None))
            });
        }
        self.enveloped(channel, payload, None, now, deliver);
    }

    fn enveloped(
        &mut self,
        channel: &[u8],
        payload: &[u8],
        at: Option<Position>,
        now: Instant,
        deliver: &mut impl FnMut(Incoming<'_>),
    ) {
        // What is none of ours: another program, or a channel that was given up a moment ago.
        let Some((envelope, payload)) = Envelope::decode(payload) else { return };
        let Envelope { kind, node, epoch, number, mark } = envelope;
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
        match kind {
            Kind::Hello { asks } => {
                self.receiving.hello(node, epoch, now);
                if asks {
                    self.hello(false);
                    // It was away, and does not know what it has missed.
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
                self.presence.told(node, payload, now);
            }
            Kind::Numbers => {
                self.receiving.hello(node, epoch, now);
                for (name, number) in numbers::announced(payload) {
                    let Some(topic) = self.channels.topic(name) else { continue };
                    let lost = self.receiving.announcement(node, epoch, name, number, now);
                    if lost > 0 {
                        let topic = topic.map(str::to_owned);
                        self.gap(node, topic, lost);
                    }
                }
            }
            Kind::Data(kind) => {
                let Some(topic) = self.channels.topic(channel) else { return };
                let Arrival::New { lost } = self.receiving.message(node, epoch, channel, number, now) else {
                    self.stats.repeated += 1;
                    return;
                };
                let Some(message) = message(kind, payload) else { return };
                self.stats.received += u64::from(!is_ours);
                // What of ours is missing we have dropped ourselves, and said so.
                let gap = (lost > 0 && !is_ours).then(|| topic.map(str::to_owned));
                let mark = mark.filter(|_| is_ours);
                deliver(Incoming::Delivery(Delivery { node, topic, message, mark, at, replay: None }));
                if let Some(topic) = gap {
                    self.gap(node, topic, lost);
                }
            }
        }
    }

    fn gap(&mut self, node: NodeId, topic: Option<String>, lost: u64) {
        self.stats.gaps += 1;
        self.stats.lost += lost;
        self.events.push_back(LinkEvent::Gap { node, topic, lost });
    }

    /// Says that we are here, at once and past the queue.
    fn hello(&mut self, asks: bool) {
        self.control(Kind::Hello { asks }, b"");
    }

    fn control(&mut self, kind: Kind, payload: &[u8]) {
        let mut envelope = Vec::new();
        Envelope { kind, node: self.node, epoch: self.epoch, number: 0, mark: None }.encode(&mut envelope);
        let name = self.speaker.name(Channel::Control);
        self.speaker.publish(&mut self.out, &name, [&envelope, payload]);
        self.speaker.published_aside();
    }

    /// Sends a message to the subscribers of a topic at all other nodes, or with `None` to all their connections. With
    /// [`ordered`](BackplaneSettings::ordered) it comes back, and `mark` with it.
    pub fn publish(
        &mut self,
        topic: Option<&str>,
        message: Message<'_>,
        mark: Option<Mark>,
        now: Instant,
    ) -> Published {
        let most = self.settings.max_message.min(self.longest);
        let payload = message.as_bytes();
        if payload.len() > most {
            if self.settings.ordered {
                // It reaches nobody, not even here.
                let why = format!("a message of {} bytes is longer than {most}", payload.len());
                self.events.push_back(LinkEvent::Refused { why });
                self.drop_messages(1, now);
            }
            return Published::TooLong { most };
        }
        let name = self.speaker.name(topic.map_or(Channel::All, |topic| Channel::Topic(topic.as_bytes())));
        let number = self.sending.next(&name, now);
        let mut envelope = Vec::with_capacity(MAX_ENVELOPE);
        let kind = Kind::Data(message.kind());
        let mark = mark.filter(|_| self.settings.ordered);
        Envelope { kind, node: self.node, epoch: self.epoch, number, mark }.encode(&mut envelope);
        let mut command = Vec::with_capacity(name.len() + payload.len() + 64);
        self.speaker.publish_numbered(&mut command, &name, number, [&envelope, payload]);
        self.stats.published += 1;
        let length = envelope.len() + payload.len();
        let dropped = self.queue.push(command, length, now) as u64;
        self.drop_messages(dropped, now);
        Published::Queued { dropped }
    }

    fn drop_messages(&mut self, count: u64, now: Instant) {
        if count > 0 {
            self.dropped += count;
            self.stats.dropped += count;
            self.dropped_since.get_or_insert(now);
        }
    }

    /// Somebody here wants this topic.
    pub fn subscribe(&mut self, topic: &str) {
        let name = self.speaker.name(Channel::Topic(topic.as_bytes()));
        if self.channels.add(name.clone(), Some(topic))
            && matches!(self.state, State::Restoring { .. } | State::Up)
        {
            self.speaker.subscribe(&mut self.out, &[&name]);
            if let Some(history) = &mut self.history {
                history.add(&name);
                let question = history.ask(&name);
                self.speaker.ask(&mut self.out, &question, random(&mut *self.entropy));
            }
        } else if let Some(history) = &mut self.history {
            history.add(&name);
        }
    }

    /// Nobody here wants it any more.
    pub fn unsubscribe(&mut self, topic: &str, now: Instant) {
        let name = self.speaker.name(Channel::Topic(topic.as_bytes()));
        self.channels.remove(&name, now);
    }

    /// What is to be written now. More may come once it is.
    pub fn pending(&mut self, now: Instant) -> &[u8] {
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
            if self.out.capacity() > 4 * BATCH {
                self.out = Vec::new();
            }
        }
        if matches!(self.state, State::Up) && self.out.len() < BATCH {
            for piece in self.presence.untold(ANNOUNCEMENT) {
                self.control(Kind::Present, &piece);
            }
        }
        if matches!(self.state, State::Up) && self.out.len() < BATCH && self.queue.is_waiting() {
            let longest = self.longest.saturating_add(MAX_ENVELOPE);
            let (given, too_long) = self.queue.give(&mut self.out, BATCH, longest);
            if given > 0 {
                self.speaker.published(&mut self.out, given);
            }
            self.drop_messages(too_long as u64, now);
        }
        &self.out[self.written..]
    }

    /// So many bytes of it have been written.
    pub fn advance(&mut self, len: usize) {
        self.written = (self.written + len).min(self.out.len());
    }
}

fn random(entropy: &mut dyn Entropy) -> u64 {
    let mut bytes = [0; 8];
    entropy.fill(&mut bytes);
    u64::from_be_bytes(bytes)
}

/// `None` for text that is none, which no node of ours sends.
fn message(kind: DataKind, payload: &[u8]) -> Option<Message<'_>> {
    Some(match kind {
        DataKind::Binary => Message::Binary(payload),
        DataKind::Text => Message::Text(std::str::from_utf8(payload).ok()?),
    })
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("address", &self.address)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
