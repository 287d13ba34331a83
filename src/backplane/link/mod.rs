//! A link to an engine, without a socket and without a clock.
//!
//! In: that the transport is there or gone, bytes, the time; wanted topics; messages. Out: bytes, [`Action`]s for the
//! transport, [`NodeMessage`]s from other nodes, [`LinkEvent`]s. It keeps the promises of [the module](super). Names,
//! sockets and TLS are left to its driver.

mod event;
mod receive;
mod replay;
mod stats;
mod timing;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::address::{Address, EngineKind};
use super::channels::Channels;
use super::engine::Channel;
use super::envelope::{Envelope, Kind, MAX_ENVELOPE, Mark, NodeId};
use super::history::{History, Step};
use super::numbers::{Receiving, Sending};
use super::presence::Presence;
use super::queue::Queue;
use super::settings::BackplaneSettings;
use super::speaker::Speaker;
use super::streams::Streams;
use crate::entropy::{Entropy, EntropyError};
use crate::message::Message;

pub use event::{Action, Incoming, LinkEvent, NodeMessage, Published};
pub use stats::LinkStats;

/// A link to an engine.
pub struct Link {
    address: Address,
    settings: BackplaneSettings,
    entropy: Box<dyn Entropy + Send>,
    new_epochs: Epochs,
    node: NodeId,
    epoch: u32,
    speaker: Speaker,
    state: State,
    /// When the link was lost.
    down_since: Instant,
    tries: u32,
    /// The start of an incomplete value, and how many bytes it needs before parsing it again is useful.
    input: Vec<u8>,
    wanted: usize,
    /// How many of the bytes to come belong to a message that is too long, and are skipped.
    passing: usize,
    out: Vec<u8>,
    written: usize,
    queue: Queue,
    /// No message is too old before this time: the engine is there, and is about to be given what has waited for it.
    spared_until: Instant,
    channels: Channels,
    sending: Sending,
    receiving: Receiving,
    /// Present if the engine keeps histories.
    history: Option<History>,
    steps: VecDeque<(u64, Step)>,
    presence: Presence,
    /// When to announce all that are present here, once for all nodes that ask within a moment.
    tell_all_at: Option<Instant>,
    /// The most bytes of a message, as the engine has announced.
    longest: usize,
    heard: Instant,
    pinged: Option<Instant>,
    announce_at: Instant,
    /// How many messages were dropped without having been reported, and since when.
    dropped: u64,
    dropped_since: Option<Instant>,
    ups: u64,
    actions: VecDeque<Action>,
    events: VecDeque<LinkEvent>,
    stats: LinkStats,
}

#[derive(Debug)]
enum State {
    /// There is no connection until then.
    Away {
        until: Instant,
    },
    /// The driver is connecting to the engine.
    Dialing {
        since: Instant,
    },
    /// Connected, but the engine has not answered yet: "writable" is not "connected".
    Greeting {
        since: Instant,
    },
    /// The engine has answered; subscriptions are on their way, and known nodes are awaited.
    Restoring {
        since: Instant,
        subscribed: bool,
        missing: Vec<NodeId>,
    },
    Up,
}

/// The longest wait before another try, and before one that needs somebody to change something first.
const MAX_DELAY: Duration = Duration::from_secs(5);
/// How many bytes are sent at once.
const BATCH: usize = 64 * 1024;
/// The length of an announcement.
const ANNOUNCEMENT: usize = 32 * 1024;

impl Link {
    /// Creates a link that begins now: its first action is [`Action::Dial`]. `node` distinguishes this process from all
    /// others; `epoch` is the time of its start in seconds since 1970.
    ///
    /// # Errors
    ///
    /// If there is no entropy, which distinguishes histories.
    pub fn new(
        address: Address,
        settings: BackplaneSettings,
        (node, epoch): (NodeId, u32),
        entropy: Box<dyn Entropy + Send>,
        now: Instant,
    ) -> Result<Self, EntropyError> {
        let (mut settings, mut entropy) = (settings, entropy);
        let mut first = [0; 8];
        entropy.fill(&mut first)?;
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
        Ok(Self {
            speaker,
            address,
            queue: Queue::new(settings.max_queued),
            spared_until: now,
            settings,
            entropy,
            new_epochs: Epochs(u64::from_be_bytes(first)),
            node,
            epoch,
            state: State::Dialing { since: now },
            down_since: now,
            tries: 0,
            input: Vec::new(),
            wanted: 0,
            passing: 0,
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
        })
    }

    /// Returns the address of the engine.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Returns whether TLS comes before the first byte of the engine's protocol.
    pub fn begins_with_tls(&self) -> bool {
        self.address.tls() && matches!(self.speaker, Speaker::Redis(_))
    }

    /// Returns what to do with the transport next.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Returns whether [`next_action`](Self::next_action) or [`next_event`](Self::next_event) has something now.
    pub fn has_work(&self) -> bool {
        !self.actions.is_empty() || !self.events.is_empty() || self.presence.has_changed()
    }

    /// Returns whether the driver has to connect to the engine.
    #[cfg(feature = "event-loop")]
    pub(crate) const fn is_dialing(&self) -> bool {
        matches!(self.state, State::Dialing { .. })
    }

    /// Returns whether there is a link now.
    pub const fn is_up(&self) -> bool {
        matches!(self.state, State::Up)
    }

    /// Returns the next event.
    pub fn next_event(&mut self) -> Option<LinkEvent> {
        let presence = || Some(LinkEvent::Presence { topic: self.presence.next_change()? });
        self.events.pop_front().or_else(presence)
    }

    /// Returns who is present, here and at other nodes. Changes that are made there go out with the next
    /// [`pending`](Self::pending).
    pub fn presence(&self) -> &Presence {
        &self.presence
    }

    /// Returns the counters.
    pub fn stats(&self, now: Instant) -> LinkStats {
        let reconnects = self.ups.saturating_sub(1);
        let (nodes, present) = self.presence.sums();
        let since = self.queue.unanswered_since();
        LinkStats {
            lag: since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since)),
            nodes,
            present,
            up: self.is_up(),
            queued: self.queue.bytes(),
            reconnects,
            ..self.stats
        }
    }

    /// Reports that the transport is connected.
    pub fn connected(&mut self, now: Instant) {
        if !matches!(self.state, State::Dialing { .. }) {
            return;
        }
        self.state = State::Greeting { since: now };
        self.heard = now;
        self.speaker.begin(&mut self.out);
    }

    /// Reports that TLS has been established on the transport.
    pub fn secured(&mut self) {
        self.speaker.secured(&mut self.out);
    }

    /// Reports that the transport is lost, or could not be connected.
    pub fn lost(&mut self, why: &str, now: Instant) {
        if !matches!(self.state, State::Away { .. }) {
            self.fall(why, Duration::ZERO, now);
            self.actions.retain(|action| *action != Action::Drop); // there is no transport any more
        }
    }

    /// Announces this node, at once and ahead of the queue.
    fn hello(&mut self, asks: bool) {
        self.control(Kind::Hello { asks }, b"");
    }

    /// Returns the length of an announcement, without its envelope.
    fn announcement(&self) -> usize {
        ANNOUNCEMENT.min(self.longest)
    }

    fn control(&mut self, kind: Kind, payload: &[u8]) {
        if payload.len() > self.longest {
            // A client that sends it all the same is cut off, over and over.
            let why = format!("what this node says of itself is too long; {}", self.limit());
            return self.events.push_back(LinkEvent::Refused { why });
        }
        let mut envelope = Vec::new();
        let (node, epoch) = (self.node, self.epoch);
        Envelope { kind, node, epoch, number: 0, mark: None, key: None }.encode(&mut envelope);
        let name = self.speaker.name(Channel::Control);
        self.speaker.publish(&mut self.out, &name, [&envelope, payload]);
        self.speaker.published_aside();
    }

    /// Sends a message to the subscribers of a topic at all other nodes, or with `None` to all their connections. With
    /// [`ordered`](BackplaneSettings::ordered) it comes back, with `mark`. Of several messages with the same `key`, a
    /// slow reader needs only the newest. A key counts as bytes of its message.
    pub fn publish(
        &mut self,
        topic: Option<&str>,
        message: Message<'_>,
        key: Option<&str>,
        mark: Option<Mark>,
        now: Instant,
    ) -> Published {
        let most = self.settings.max_message.min(self.longest);
        let payload = message.as_bytes();
        let length = payload.len() + key.map_or(0, str::len);
        if length > most {
            self.refuse_message(format!("a message of {length} bytes; {}", self.limit()), now);
            return Published::TooLong { most };
        }
        let name = self.speaker.name(topic.map_or(Channel::All, |topic| Channel::Topic(topic.as_bytes())));
        let most = self.speaker.longest_name();
        if name.len() > most {
            self.refuse_message(too_long_a_name(name.len(), most), now);
            return Published::TopicTooLong { most };
        }
        let number = self.sending.next(&name, now);
        let mut envelope = Vec::with_capacity(MAX_ENVELOPE + key.map_or(0, str::len));
        let kind = Kind::Data(message.kind());
        let mark = mark.filter(|_| self.settings.ordered);
        Envelope { kind, node: self.node, epoch: self.epoch, number, mark, key }.encode(&mut envelope);
        let mut command = Vec::with_capacity(name.len() + length + 64);
        self.speaker.publish_numbered(&mut command, &name, number, [&envelope, payload]);
        self.stats.published += 1;
        let length = envelope.len() + payload.len();
        let dropped = self.queue.push(command, length, now) as u64;
        self.drop_messages(dropped, now);
        Published::Queued { dropped }
    }

    /// Describes how long a message may be, and who sets that limit.
    fn limit(&self) -> String {
        let engine = match self.address.kind() {
            EngineKind::Redis => "Redis takes",
            EngineKind::Nats => "the max_payload of NATS leaves",
        };
        match self.settings.max_message {
            ours if ours <= self.longest => format!("max_message is {ours}"),
            _ => format!("{engine} {} for it", self.longest),
        }
    }

    /// Refuses a message of ours for other nodes, for a reason.
    fn refuse_message(&mut self, why: String, now: Instant) {
        self.events.push_back(LinkEvent::Refused { why });
        self.drop_messages(1, now);
    }

    fn drop_messages(&mut self, count: u64, now: Instant) {
        if count > 0 {
            self.dropped += count;
            self.stats.dropped += count;
            self.dropped_since.get_or_insert(now);
        }
    }

    /// Subscribes to a topic that is wanted here.
    pub fn subscribe(&mut self, topic: &str) {
        let name = self.speaker.name(Channel::Topic(topic.as_bytes()));
        let most = self.speaker.longest_name();
        if name.len() > most {
            return self.events.push_back(LinkEvent::Refused { why: too_long_a_name(name.len(), most) });
        }
        if self.channels.add(name.clone(), Some(topic))
            && matches!(self.state, State::Restoring { .. } | State::Up)
        {
            self.speaker.subscribe(&mut self.out, &[&name]);
            if let Some(history) = &mut self.history {
                history.add(&name);
                let question = history.ask(&name);
                self.speaker.ask(&mut self.out, &question, self.new_epochs.next());
            }
        } else if let Some(history) = &mut self.history {
            history.add(&name);
        }
    }

    /// Ends the subscription to a topic that is no longer wanted here.
    pub fn unsubscribe(&mut self, topic: &str, now: Instant) {
        let name = self.speaker.name(Channel::Topic(topic.as_bytes()));
        self.channels.remove(&name, now);
    }

    /// Returns what has to be written now. More may come once it has been written.
    pub fn pending(&mut self, now: Instant) -> &[u8] {
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
            if self.out.capacity() > 4 * BATCH {
                self.out = Vec::new();
            }
        }
        if matches!(self.state, State::Up) && self.out.len() < BATCH {
            for piece in self.presence.untold(self.announcement()) {
                self.control(Kind::Present, &piece);
            }
        }
        if matches!(self.state, State::Up) && self.out.len() < BATCH && self.queue.is_waiting() {
            let longest = self.longest.saturating_add(MAX_ENVELOPE);
            let (given, too_long) = self.queue.give(&mut self.out, BATCH, longest);
            if given > 0 {
                self.speaker.published(&mut self.out, given);
            }
            for _ in 0..too_long {
                self.refuse_message(format!("a message that waited is too long; {}", self.limit()), now);
            }
        }
        &self.out[self.written..]
    }

    /// Drops `len` pending bytes that have been written.
    pub fn advance(&mut self, len: usize) {
        self.written = (self.written + len).min(self.out.len());
    }
}

fn too_long_a_name(len: usize, most: usize) -> String {
    format!("the name of a topic has {len} bytes, prefix and escapes included, and NATS takes {most}")
}

/// The epochs of histories that begin here. The first is random, so that no other node uses the same ones.
struct Epochs(u64);

impl Epochs {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        self.0
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("address", &self.address)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
