//! Our position in the history of each topic, and the replays of it.
//!
//! In: what the engine says about histories, and wishes for what came after a position. Out: what to ask the engine,
//! and for each entry that comes, whose it is. There is one question at a time for each topic, some for replays, each
//! for a bounded number of messages: an engine that answers slowly, or a connection that reads slowly, slows down
//! nobody else and costs no memory.

use std::collections::{HashMap, VecDeque};

use super::position::Position;
use super::streams::Told;

/// How many replays have a step requested at once; others wait.
const AT_ONCE: usize = 32;
/// About how many bytes a step should bring.
const STEP: usize = 128 * 1024;
/// The most messages of a step, and the number while nothing is known of their length.
const MOST: usize = 256;
const FIRST: usize = 16;

#[derive(Debug, Default)]
pub(super) struct History {
    topics: HashMap<Vec<u8>, Topic>,
    /// The topics whose positions the engine returns next, and the reads that it answers.
    asked: VecDeque<Vec<u8>>,
    reads: VecDeque<Read>,
    waiting: VecDeque<Wish>,
}

/// A topic that connections here listen to.
#[derive(Debug)]
struct Topic {
    /// The position up to which we have delivered; `None` until the engine has returned the end of the history.
    at: Option<Position>,
    /// The end of the history at the engine.
    known: u64,
    reading: bool,
    count: usize,
}

/// A request for what came after a position, or, without one, for the end of the history.
#[derive(Debug)]
struct Wish {
    ticket: u64,
    name: Vec<u8>,
    since: Option<Position>,
    /// Whether the engine was asked if it is as far as that.
    asked: bool,
}

#[derive(Debug)]
struct Read {
    name: Vec<u8>,
    /// `None` if it is for all who listen.
    replay: Option<Replay>,
    entries: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Replay {
    ticket: u64,
    at: Position,
    /// Whether a message is missing.
    broken: bool,
}

/// A question to the engine.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Question {
    Position { name: Vec<u8> },
    Read { name: Vec<u8>, after: u64, count: usize },
    Renew { name: Vec<u8>, old: u64 },
}

/// The result of a step of a replay; see [`Link::replay`](super::Link::replay).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// There is more after this position: ask again.
    More(Position),
    /// That was all, up to this position. New messages are delivered automatically.
    Complete(Position),
    /// Something after the requested position is no longer there: it is too old, or the engine has lost its data. New
    /// messages, after the position here, are delivered automatically.
    TooOld(Position),
}

/// The receiver of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// All who listen; this many messages before it are lost.
    All { at: Position, lost: u64 },
    /// The replay that asked for it.
    One { ticket: u64, at: Position },
    /// Nobody.
    None,
}

/// The result of a finished read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Done {
    Step(u64, Step),
    /// This many messages are gone that nobody here has received.
    Lost(Vec<u8>, u64),
    Nothing,
}

/// How a history has changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    /// It was replaced by another one.
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

    /// Handles the loss of the link: everything has to be asked again.
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

    /// Asks for the position of this topic.
    pub(super) fn ask(&mut self, name: &[u8]) -> Question {
        self.asked.push_back(name.to_vec());
        Question::Position { name: name.to_vec() }
    }

    pub(super) fn wish(&mut self, ticket: u64, name: Vec<u8>, since: Option<Position>) {
        self.waiting.push_back(Wish { ticket, name, since, asked: false });
    }

    /// Handles the end of the history whose position was asked for first.
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
                // The engine has come back with less than it had.
                ask.push(Question::Renew { name: name.clone(), old: at.epoch });
                ask.push(Question::Position { name: name.clone() });
                self.asked.push_back(name.clone());
                (Change::Nothing, name)
            }
            Some(_) => (self.told(&name, told, ask), name),
        }
    }

    /// Handles a missing answer about the position that was asked for first. The next message in the history has it.
    pub(super) fn no_position(&mut self) {
        self.asked.pop_front();
    }

    /// Handles the end of a history, as the engine reports it.
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

    /// Asks for the steps of replays, as many as allowed at once. Returns those that end without a question.
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
                Some(since) if since.offset > at.offset => Step::TooOld(at), // there never was that much
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

    /// Returns the channel that is being read.
    pub(super) fn reading(&self) -> Option<&[u8]> {
        self.reads.front().map(|read| &read.name[..])
    }

    /// Handles an entry, for the read that was asked for first.
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
            // What comes after our own position will be delivered to everybody later.
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

    /// Leaves the last entry out of the replay that it belongs to, which is broken from now on.
    pub(super) fn leave_out(&mut self) {
        if let Some(Read { replay: Some(replay), .. }) = self.reads.front_mut() {
            replay.broken = true;
        }
    }

    /// Handles the end of a read.
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

    /// Handles a read that the engine refuses.
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
