//! Which channels we listen to, and for how long after the last who wanted one has left.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// A channel that nobody wants any more is kept for so long: members come and go, above all where they come back.
pub(super) const LINGER: Duration = Duration::from_secs(10);

/// A channel for as long as we listen to it; its name comes back as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ChannelId(pub(super) u64);

/// Names on the wire.
#[derive(Debug, Default)]
pub(super) struct Channels {
    added: u64,
    wanted: HashMap<Vec<u8>, Wanted>,
    /// When those may be given up that nobody wants, in order of that time. Some are wanted again by then.
    leaving: VecDeque<(Instant, Vec<u8>)>,
}

#[derive(Debug)]
struct Wanted {
    id: ChannelId,
    /// What the program calls it; `None` for our own channels.
    topic: Option<String>,
    until: Option<Instant>,
}

impl Channels {
    /// Somebody wants it; says whether it is new.
    pub(super) fn add(&mut self, name: Vec<u8>, topic: Option<&str>) -> bool {
        let before = self.added;
        let wanted = self.wanted.entry(name).or_insert_with(|| {
            self.added += 1;
            Wanted { id: ChannelId(self.added), topic: topic.map(str::to_owned), until: None }
        });
        wanted.until = None;
        self.added > before
    }

    /// Nobody wants it any more.
    pub(super) fn remove(&mut self, name: &[u8], now: Instant) {
        let Some(until) = now.checked_add(LINGER) else { return };
        if let Some(wanted) = self.wanted.get_mut(name)
            && wanted.until.is_none()
        {
            wanted.until = Some(until);
            self.leaving.push_back((until, name.to_vec()));
        }
    }

    /// The next one that is given up by now.
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

    /// When that has to be looked at.
    pub(super) fn next(&self) -> Option<Instant> {
        self.leaving.front().map(|(until, _)| *until)
    }

    /// All of them, sorted: what a link says follows from what it hears.
    pub(super) fn names(&self) -> Vec<&[u8]> {
        let mut names: Vec<&[u8]> = self.wanted.keys().map(Vec::as_slice).collect();
        names.sort_unstable();
        names
    }

    /// Which one it is, and what the program calls it; `None` where we do not listen to it.
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
