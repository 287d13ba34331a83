//! The channels that we listen to, and for how long after the last subscriber has left.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// How long an unwanted channel is kept: members come and go, above all when they reconnect.
pub(super) const LINGER: Duration = Duration::from_secs(10);

/// Identifies a channel for as long as we listen to it; if its name returns, it gets another id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ChannelId(pub(super) u64);

/// The channels, by their names on the wire.
#[derive(Debug, Default)]
pub(super) struct Channels {
    added: u64,
    wanted: HashMap<Vec<u8>, Wanted>,
    /// When unwanted channels may be given up, in order of that time. Some may be wanted again by then.
    leaving: VecDeque<(Instant, Vec<u8>)>,
}

#[derive(Debug)]
struct Wanted {
    id: ChannelId,
    /// The program's name for it; `None` for our own channels.
    topic: Option<String>,
    until: Option<Instant>,
}

impl Channels {
    /// Adds a wanted channel. Returns whether it is new.
    pub(super) fn add(&mut self, name: Vec<u8>, topic: Option<&str>) -> bool {
        let before = self.added;
        let wanted = self.wanted.entry(name).or_insert_with(|| {
            self.added += 1;
            Wanted { id: ChannelId(self.added), topic: topic.map(str::to_owned), until: None }
        });
        wanted.until = None;
        self.added > before
    }

    /// Records that a channel is no longer wanted.
    pub(super) fn remove(&mut self, name: &[u8], now: Instant) {
        let Some(until) = now.checked_add(LINGER) else { return };
        if let Some(wanted) = self.wanted.get_mut(name)
            && wanted.until.is_none()
        {
            wanted.until = Some(until);
            self.leaving.push_back((until, name.to_vec()));
        }
    }

    /// Returns the next channel that is given up by now.
    pub(super) fn given_up(&mut self, now: Instant) -> Option<(Vec<u8>, ChannelId)> {
        while self.leaving.front().is_some_and(|(until, _)| *until <= now) {
            let (until, name) = self.leaving.pop_front()?;
            if self.wanted.get(&name).is_some_and(|wanted| wanted.until == Some(until)) {
                let Wanted { id, .. } = self.wanted.remove(&name)?;
                return Some((name, id));
            }
        }
        None
    }

    /// Returns when that has to be checked.
    pub(super) fn next(&self) -> Option<Instant> {
        self.leaving.front().map(|(until, _)| *until)
    }

    /// Returns all names, sorted, so that the output of a link is determined by its input.
    pub(super) fn names(&self) -> Vec<&[u8]> {
        let mut names: Vec<&[u8]> = self.wanted.keys().map(Vec::as_slice).collect();
        names.sort_unstable();
        names
    }

    /// Returns the id of a channel and the program's name for it, or `None` if we do not listen to it.
    pub(super) fn find(&self, name: &[u8]) -> Option<(ChannelId, Option<&str>)> {
        self.wanted.get(name).map(|wanted| (wanted.id, wanted.topic.as_deref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_kept_for_a_while() {
        let (mut channels, now) = (Channels::default(), Instant::now());
        assert!(channels.add(b"x".to_vec(), Some("x")) && !channels.add(b"x".to_vec(), Some("x")));
        let (x, topic) = channels.find(b"x").unwrap();
        assert_eq!(topic, Some("x"));
        channels.remove(b"x", now);
        assert_eq!(channels.given_up(now + LINGER / 2), None);
        assert!(!channels.add(b"x".to_vec(), Some("x")), "it comes back in time");
        assert_eq!(channels.given_up(now + LINGER), None);
        channels.remove(b"x", now + LINGER);
        channels.remove(b"x", now + LINGER);
        assert_eq!(channels.next(), Some(now + 2 * LINGER));
        assert_eq!(channels.given_up(now + 2 * LINGER), Some((b"x".to_vec(), x)));
        assert_eq!(
            (channels.given_up(now + 3 * LINGER), channels.find(b"x"), channels.next()),
            (None, None, None)
        );
        channels.add(b"x".to_vec(), Some("x"));
        assert_ne!(channels.find(b"x").unwrap().0, x);
    }
}
