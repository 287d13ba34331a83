//! Compares what the peer did with each of the outcomes that are right.

use super::super::case::{Class, Event};
use super::super::receiver::Seen;

/// The outcomes of a case, and how far each of them has come.
///
/// Messages must come in the order that an outcome names, and so must Pongs. RFC 6455 does not order an echo and a Pong
/// relative to each other, so the reverse order matches too, loosely.
#[derive(Debug)]
pub(super) struct Outcomes {
    outcomes: &'static [(Class, &'static [Event])],
    tracks: Vec<Track>,
    events: usize,
    void: bool,
}

/// How far one outcome has come.
#[derive(Clone, Copy, Debug, Default)]
struct Track {
    /// Events other than Pongs that have come.
    others: usize,
    /// Pongs that have come.
    pongs: usize,
    loose: bool,
    dead: bool,
}

impl Outcomes {
    pub(super) fn new(outcomes: &'static [(Class, &'static [Event])]) -> Self {
        Self { outcomes, tracks: vec![Track::default(); outcomes.len()], events: 0, void: false }
    }

    /// Returns how many events have come.
    pub(super) fn events(&self) -> usize {
        self.events
    }

    /// Records one more event.
    pub(super) fn take(&mut self, seen: &Seen) {
        self.events += 1;
        let is_pong = matches!(seen, Seen::Pong(_));
        for (track, (_, events)) in self.tracks.iter_mut().zip(self.outcomes) {
            let nth = if is_pong { track.pongs } else { track.others };
            let mut alike = events.iter().enumerate().filter(|(_, event)| is_pong == event.is_pong());
            match alike.nth(nth).filter(|(_, event)| fits(event, seen)) {
                Some((at, _)) => track.loose |= at != track.pongs + track.others,
                None => track.dead = true,
            }
            *(if is_pong { &mut track.pongs } else { &mut track.others }) += 1;
        }
    }

    /// Marks all outcomes as matched only loosely.
    pub(super) fn loosen(&mut self) {
        self.tracks.iter_mut().for_each(|track| track.loose = true);
    }

    /// Makes all outcomes void.
    pub(super) fn void(&mut self) {
        self.void = true;
    }

    /// Returns whether no outcome can be reached any more.
    pub(super) fn is_void(&self) -> bool {
        self.void || self.tracks.iter().all(|track| track.dead)
    }

    /// Returns whether the longest outcome that can still be reached is complete.
    pub(super) fn is_through(&self) -> bool {
        let alive = self.alive().map(|(_, events)| events.len());
        self.void || alive.max().is_none_or(|longest| longest > 0 && longest == self.events)
    }

    /// Returns the bits of the outcomes that have come in full.
    pub(super) fn reached(&self) -> u32 {
        let whole = self.alive().filter(|(_, events)| events.len() == self.events);
        if self.void { 0 } else { whole.fold(0, |bits, (i, _)| bits | 1 << i) }
    }

    /// Returns the bits of the outcomes that match only loosely.
    pub(super) fn loosely(&self) -> u32 {
        let loose = self.tracks.iter().enumerate().filter(|(_, track)| track.loose);
        loose.fold(0, |bits, (i, _)| bits | 1 << i)
    }

    fn alive(&self) -> impl Iterator<Item = (usize, &'static [Event])> {
        let outcomes = self.outcomes.iter().zip(&self.tracks).enumerate();
        outcomes.filter(|(_, (_, track))| !track.dead).map(|(i, ((_, events), _))| (i, *events))
    }
}

fn fits(event: &Event, seen: &Seen) -> bool {
    match (event, seen) {
        (Event::Text(payload), Seen::Text(bytes))
        | (Event::Binary(payload), Seen::Binary(bytes))
        | (Event::Pong(payload), Seen::Pong(bytes)) => payload.is(bytes),
        (Event::Waited, Seen::Waited) | (Event::Echoed, Seen::Echoed) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Payload;

    static EXPECTED: &[(Class, &[Event])] = &[
        (Class::Ok, &[Event::Pong(Payload::Bytes(b"p")), Event::Text(Payload::Bytes(b"t"))]),
        (Class::Ok, &[]),
    ];

    fn after(seen: &[Seen]) -> (u32, u32, bool) {
        let mut outcomes = Outcomes::new(EXPECTED);
        seen.iter().for_each(|seen| outcomes.take(seen));
        (outcomes.reached(), outcomes.loosely(), outcomes.is_void())
    }

    #[test]
    fn pongs_and_messages_keep_their_own_order() {
        let (pong, text) = (Seen::Pong(b"p".to_vec()), Seen::Text(b"t".to_vec()));
        assert_eq!(after(&[]), (0b10, 0, false));
        assert_eq!(after(std::slice::from_ref(&pong)), (0, 0, false));
        assert_eq!(after(&[pong.clone(), text.clone()]), (0b01, 0, false));
        assert_eq!(after(&[text.clone(), pong.clone()]), (0b01, 0b01, false));
        assert_eq!(after(&[text.clone(), text]), (0, 0b01, true));
        assert_eq!(after(&[pong.clone(), pong]), (0, 0, true));
    }
}
