//! Where we are in the history of each topic, and who wants what was before.
//!
//! In: what the engine says of histories, and that somebody wants to know what came after a position. Out: what to ask
//! the engine for, and of each entry that comes whose it is. One question at a time for each topic, some for replays, each
//! for a bounded number of messages: whoever answers slowly, or reads slowly, slows down nobody else and costs no memory.

use std::collections::{HashMap, VecDeque};

use super::position::Position;
use super::streams::Told;

/// Replays whose step is asked for at once; others wait.
const AT_ONCE: usize = 32;
/// About so many bytes are to come with a step.
const STEP: usize = 128 * 1024;
/// At most so many messages do, and so many where nothing is known of their length.
const MOST: usize = 256;
const FIRST: usize = 16;

#[derive(Debug, Default)]
pub(super) struct History {
    topics: HashMap<Vec<u8>, Topic>,
    /// Whose position the engine says next, and for whom it reads.
    asked: VecDeque<Vec<u8>>,
    reads: VecDeque<Read>,
    waiting: VecDeque<Wish>,
}

/// A topic that somebody here listens to.
#[derive(Debug)]
struct Topic {
    /// How far what we have delivered goes; `None` until the engine has said where the history stands.
    at: Option<Position>,
    /// How far it goes at the engine.
    known: u64,
    reading: bool,
    count: usize,
}

/// Somebody wants what came after a position; or, without one, to know where the history stands.
#[derive(Debug)]
struct Wish {
    ticket: u64,
    name: Vec<u8>,
    since: Option<Position>,
    /// The engine was asked whether it is as far as that.
    asked: bool,
}

#[derive(Debug)]
struct Read {
    name: Vec<u8>,
    /// `None` where it is for all who listen.
    replay: Option<Replay>,
    entries: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Replay {
    ticket: u64,
    at: Position,
    /// A message is missing.
    broken: bool,
}

/// What to ask the engine for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Question {
    Position { name: Vec<u8> },
    Read { name: Vec<u8>, after: u64, count: usize },
    Renew { name: Vec<u8>, old: u64 },
}

/// The next step of a replay is over; see [`Link::replay`](super::Link::replay).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// There is more behind this position: ask again.
    More(Position),
    /// That was all, up to this position, and what comes from now on is delivered by itself.
    Complete(Position),
    /// Something behind the position that was asked for is not there any more: it is too old, or the engine has lost its
    /// data. What comes from now on, behind the position here, is delivered by itself.
    TooOld(Position),
}

/// Whose an entry is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// It is for all who listen; so many in front of it are lost.
    All { at: Position, lost: u64 },
    /// It is for one who asked.
    One { ticket: u64, at: Position },
    /// Nobody's.
    None,
}

/// What a read that is over has come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Done {
    Step(u64, Step),
    /// So many messages are not there any more that nobody here has had.
    Lost(Vec<u8>, u64),
    Nothing,
}

/// What has changed with a history.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    /// It is another one.
    Reset,
}

impl History {
    pub(super) fn add(&mut self, name: &[u8]) {
        let topic = Topic { at: None, known: 0, reading: false, count: FIRST };
        self.topics.entry(name.to_vec()).or_insert(topic);
    }

    pub(super) fn remove(&mut self, name: &[u8]) {
        self.topics.remove(name);
        self.waiting.retain(|wish| wish.name != name);
    }

    /// The link is gone: all that was asked for is to be asked again.
    pub(super) fn fall(&mut self) {
        self.asked.clear();
        for read in std::mem::take(&mut self.reads) {
            match read.replay {
                Some(Replay { ticket, at, .. }) => {
                    self.waiting.push_front(Wish { ticket, name: read.name, since: Some(at), asked: false });
                }
                None => {
                    if let Some(topic) = self.topics.get_mut(&read.name) {
                        topic.reading = false;
                    }
                }
            }
        }
        self.waiting.iter_mut().for_each(|wish| wish.asked = false);
    }

    /// The position of this topic is to be asked for.
    pub(super) fn ask(&mut self, name: &[u8]) -> Question {
        self.asked.push_back(name.to_vec());
        Question::Position { name: name.to_vec() }
    }

    pub(super) fn wish(&mut self, ticket: u64, name: Vec<u8>, since: Option<Position>) {
        self.waiting.push_back(Wish { ticket, name, since, asked: false });
    }

    /// The engine says how far the history goes whose position was asked for first.
    pub(super) fn position(&mut self, told: Told, ask: &mut Vec<Question>) -> (Change, Vec<u8>) {
        let Some(name) = self.asked.pop_front() else { return (Change::Nothing, Vec::new()) };
        let Some(topic) = self.topics.get_mut(&name) else { return (Change::Nothing, name) };
        match topic.at {
            None => {
                topic.at = Some(Position { epoch: told.epoch, offset: told.offset });
                topic.known = told.offset;
                (Change::Nothing, name)
            }
            Some(at) if at.epoch == told.epoch && told.offset < at.offset => {
                // It has come back with less than it had.
                ask.push(Question::Renew { name: name.clone(), old: at.epoch });
                ask.push(Question::Position { name: name.clone() });
                self.asked.push_back(name.clone());
                (Change::Nothing, name)
            }
            Some(_) => (self.told(&name, told, ask), name),
        }
    }

    /// The engine does not say how far the history goes whose position was asked for first. What is said in it next tells.
    pub(super) fn no_position(&mut self) {
        self.asked.pop_front();
    }

    /// The engine says how far a history goes.
    pub(super) fn told(&mut self, name: &[u8], told: Told, ask: &mut Vec<Question>) -> Change {
        let Some(topic) = self.topics.get_mut(name) else { return Change::Nothing };
        if topic.at.is_none() && !self.asked.iter().any(|asked| asked == name) {
            let offset = told.offset.saturating_sub(1).max(told.base);
            topic.at = Some(Position { epoch: told.epoch, offset });
        }
        let Some(at) = &mut topic.at else { return Change::Nothing }; // the position is on its way
        let mut change = Change::Nothing;
        if at.epoch != told.epoch {
            *at = Position { epoch: told.epoch, offset: told.base };
            topic.known = told.offset;
            change = Change::Reset;
        }
        topic.known = topic.known.max(told.offset);
        self.read_on(name, ask);
        change
    }

    fn read_on(&mut self, name: &[u8], ask: &mut Vec<Question>) {
        let Some(topic) = self.topics.get_mut(name) else { return };
        let Some(at) = topic.at.filter(|at| topic.known > at.offset && !topic.reading) else { return };
        topic.reading = true;
        self.reads.push_back(Read { name: name.to_vec(), replay: None, entries: 0, bytes: 0 });
        ask.push(Question::Read { name: name.to_vec(), after: at.offset, count: topic.count });
    }

    /// Asks for the steps of replays, as many as there may be at once. Gives those that are over without a question.
    pub(super) fn replay(&mut self, ask: &mut Vec<Question>) -> Vec<(u64, Step)> {
        let mut over = Vec::new();
        let mut free = AT_ONCE.saturating_sub(self.reads.iter().filter(|read| read.replay.is_some()).count());
        let mut later = VecDeque::new();
        while let Some(mut wish) = self.waiting.pop_front() {
            if free == 0 {
                self.waiting.push_front(wish);
                break;
            }
            let Some((topic, at)) = self.topics.get(&wish.name).and_then(|topic| Some((topic, topic.at?)))
            else {
                later.push_back(wish); // the position is on its way
                continue;
            };
            let step = match wish.since {
                None => Step::Complete(at),
                Some(since) if since.epoch != at.epoch => Step::TooOld(at),
                Some(since) if since.offset == at.offset => Step::Complete(at),
                Some(since) if since.offset > at.offset && since.offset <= topic.known => {
                    Step::Complete(since) // another node was faster
                }
                Some(since) if since.offset > at.offset && !wish.asked => {
                    wish.asked = true;
                    ask.push(Question::Position { name: wish.name.clone() });
                    self.asked.push_back(wish.name.clone());
                    later.push_back(wish);
                    continue;
                }
                Some(_) if wish.asked && self.asked.contains(&wish.name) => {
                    later.push_back(wish);
                    continue;
                }
                Some(since) if since.offset > at.offset => Step::TooOld(at), // there was never so much
                Some(since) => {
                    free -= 1;
                    let replay = Replay { ticket: wish.ticket, at: since, broken: false };
                    ask.push(Question::Read {
                        name: wish.name.clone(),
                        after: since.offset,
                        count: topic.count,
                    });
                    self.reads.push_back(Read {
                        name: wish.name,
                        replay: Some(replay),
                        entries: 0,
                        bytes: 0,
                    });
                    continue;
                }
            };
            over.push((wish.ticket, step));
        }
        later.append(&mut self.waiting);
        self.waiting = later;
        over
    }

    /// Whose channel is being read.
    pub(super) fn reading(&self) -> Option<&[u8]> {
        self.reads.front().map(|read| &read.name[..])
    }

    /// An entry has come, for whom was asked first.
    pub(super) fn entry(&mut self, offset: u64, len: usize) -> Whose {
        let Some(read) = self.reads.front_mut() else { return Whose::None };
        read.entries += 1;
        read.bytes += len;
        let topic = self.topics.get_mut(&read.name);
        let Some(at) = topic.and_then(|topic| topic.at.as_mut()) else { return Whose::None };
        match &mut read.replay {
            None if offset > at.offset => {
                let lost = offset - at.offset - 1;
                at.offset = offset;
                Whose::All { at: *at, lost }
            }
            // What is behind our own place comes to everybody later.
            Some(replay) if !replay.broken && replay.at.epoch == at.epoch && offset <= at.offset => {
                if offset != replay.at.offset + 1 {
                    replay.broken = true;
                    return Whose::None;
                }
                replay.at.offset = offset;
                Whose::One { ticket: replay.ticket, at: replay.at }
            }
            _ => Whose::None,
        }
    }

    /// The entry that came last is not for the replay that it belongs to, which lacks it from now on.
    pub(super) fn leave_out(&mut self) {
        if let Some(Read { replay: Some(replay), .. }) = self.reads.front_mut() {
            replay.broken = true;
        }
    }

    /// All entries have come that were asked for.
    pub(super) fn read(&mut self, ask: &mut Vec<Question>) -> Done {
        let Some(Read { name, replay, entries, bytes }) = self.reads.pop_front() else {
            return Done::Nothing;
        };
        let Some(topic) = self.topics.get_mut(&name) else { return Done::Nothing };
        if let Some(length) = bytes.checked_div(entries) {
            topic.count = (STEP / length.max(1)).clamp(1, MOST);
        }
        let Some(at) = &mut topic.at else { return Done::Nothing };
        match replay {
            None => {
                topic.reading = false;
                if entries > 0 {
                    self.read_on(&name, ask);
                    return Done::Nothing;
                }
                let lost = topic.known.saturating_sub(at.offset);
                at.offset = topic.known;
                Done::Lost(name, lost)
            }
            Some(replay) => {
                let is_there = !replay.broken && replay.at.epoch == at.epoch;
                let step = match is_there {
                    true if replay.at.offset >= at.offset => Step::Complete(replay.at),
                    true if entries > 0 => Step::More(replay.at),
                    _ => Step::TooOld(*at),
                };
                Done::Step(replay.ticket, step)
            }
        }
    }

    /// The engine does not let us read.
    pub(super) fn refused(&mut self) -> Option<(u64, Step)> {
        let read = self.reads.pop_front()?;
        let topic = self.topics.get_mut(&read.name)?;
        match read.replay {
            None => {
                topic.reading = false;
                None
            }
            Some(replay) => Some((replay.ticket, Step::TooOld(topic.at?))),
        }
    }
}
