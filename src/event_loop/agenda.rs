//! The work that is left and its connections: read on, act on a decision, write, remove.
//!
//! A connection is on each list at most once. The marks here, beside the lists, are the only record of that.

use std::collections::VecDeque;

/// What the program, or a policy, has decided about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The connection is ended at once.
    Abort,
    /// More waits for the peer than is allowed.
    Overflow,
    /// The peer has sent more than is allowed.
    Rate,
    /// The connection is failed with code 1011.
    Fail,
    /// The answer to the request is there.
    Answer,
}

/// The lists, by slot.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    /// Connections that had more to give than one read took, and those that may be read from again. A connection that
    /// has used up its share of a turn waits here for the next one.
    read: Vec<u32>,
    /// Connections with something to write.
    write: Vec<u32>,
    /// Connections with a message from others to write, in the order in which they are to get it.
    in_order: VecDeque<u32>,
    decided: VecDeque<(u32, Verdict)>,
    /// Connections that are over.
    remove: Vec<u32>,
    /// The lists that each connection is on.
    marks: Vec<u8>,
    /// Empty lists, kept for their memory.
    spare: Vec<Vec<u32>>,
}

const READ: u8 = 1;
const WRITE: u8 = 2;
const DECIDED: u8 = 4;
const REMOVE: u8 = 8;
const IN_ORDER: u8 = 16;

/// A list that is being worked off. A connection that is added meanwhile waits for the next batch.
#[derive(Debug)]
pub(super) struct Batch {
    slots: Vec<u32>,
    next: usize,
    mark: u8,
}

impl Agenda {
    /// Adds a connection in this slot.
    pub(super) fn enter(&mut self, slot: usize) {
        if self.marks.len() <= slot {
            self.marks.resize(slot + 1, 0);
        }
        self.marks[slot] = 0;
    }

    /// Has the connection read from in the next turn.
    #[inline]
    pub(super) fn read(&mut self, slot: usize) {
        add(&mut self.read, &mut self.marks, slot, READ);
    }

    /// Has the connection written to at the end of this turn.
    #[inline(always)]
    pub(super) fn write(&mut self, slot: usize) {
        add(&mut self.write, &mut self.marks, slot, WRITE);
    }

    /// Returns whether the connection is written to at the end of this turn.
    #[inline]
    pub(super) fn is_to_be_written(&self, slot: usize) -> bool {
        self.marks[slot] & WRITE != 0
    }

    /// Queues the connection for messages from others: it is written to when its turn comes.
    #[inline(always)]
    pub(super) fn write_in_order(&mut self, slot: usize) {
        let marks = &mut self.marks[slot];
        if *marks & (IN_ORDER | WRITE) == 0 {
            *marks |= IN_ORDER;
            push_back(&mut self.in_order, slot);
        }
    }

    /// Returns the next connection that has a message from others to write.
    #[inline]
    pub(super) fn next_in_order(&mut self) -> Option<usize> {
        let slot = self.in_order.pop_front()? as usize;
        self.marks[slot] &= !IN_ORDER;
        Some(slot)
    }

    /// Has the connection removed: its slot is free from the end of the turn on.
    #[inline]
    pub(super) fn remove(&mut self, slot: usize) {
        add(&mut self.remove, &mut self.marks, slot, REMOVE);
    }

    /// Records a decision. The first one counts.
    pub(super) fn decide(&mut self, slot: usize, verdict: Verdict) {
        if !self.is_decided(slot) {
            self.marks[slot] |= DECIDED;
            self.decided.push_back((slot as u32, verdict));
        }
    }

    /// Returns whether there is a decision that has not been acted on.
    #[inline]
    pub(super) fn is_decided(&self, slot: usize) -> bool {
        self.marks[slot] & DECIDED != 0
    }

    /// Returns whether there is work that does not wait for an event.
    #[inline]
    pub(super) fn has_work(&self) -> bool {
        !self.read.is_empty() || self.has_output() || self.has_in_order()
    }

    /// Returns whether there are messages from others to write.
    #[inline]
    pub(super) fn has_in_order(&self) -> bool {
        !self.in_order.is_empty()
    }

    /// Returns whether there is anything else to write, or to act on.
    #[inline]
    pub(super) fn has_output(&self) -> bool {
        !self.write.is_empty() || !self.decided.is_empty()
    }

    /// Takes the connections to be read from.
    #[inline]
    pub(super) fn take_read(&mut self) -> Batch {
        let empty = self.spare.pop().unwrap_or_default();
        Batch { slots: std::mem::replace(&mut self.read, empty), next: 0, mark: READ }
    }

    /// Takes the connections with something to write.
    #[inline]
    pub(super) fn take_write(&mut self) -> Batch {
        let empty = self.spare.pop().unwrap_or_default();
        Batch { slots: std::mem::replace(&mut self.write, empty), next: 0, mark: WRITE }
    }

    /// Takes the next connection of a batch off its list. After the last one the memory goes back.
    #[inline]
    pub(super) fn next(&mut self, batch: &mut Batch) -> Option<usize> {
        let Some(&slot) = batch.slots.get(batch.next) else {
            let mut slots = std::mem::take(&mut batch.slots);
            slots.clear();
            self.spare.push(slots);
            return None;
        };
        batch.next += 1;
        self.marks[slot as usize] &= !batch.mark;
        Some(slot as usize)
    }

    /// Returns how many decisions there are.
    pub(super) fn decisions(&self) -> usize {
        self.decided.len()
    }

    /// Takes the first decision.
    pub(super) fn next_decision(&mut self) -> Option<(usize, Verdict)> {
        let (slot, verdict) = self.decided.pop_front()?;
        self.marks[slot as usize] &= !DECIDED;
        Some((slot as usize, verdict))
    }

    /// Moves the connections that are over to `over`. One that is on another list stays until it is off that.
    pub(super) fn take_removed(&mut self, over: &mut Vec<u32>) {
        let marks = &mut self.marks;
        self.remove.retain(|slot| {
            let mark = &mut marks[*slot as usize];
            let stays = *mark != REMOVE;
            if !stays {
                *mark = 0;
                over.push(*slot);
            }
            stays
        });
    }

    /// Returns whether any connection is over.
    #[inline]
    pub(super) fn has_removed(&self) -> bool {
        !self.remove.is_empty()
    }
}

#[inline(always)]
fn add(list: &mut Vec<u32>, marks: &mut [u8], slot: usize, mark: u8) {
    let marks = &mut marks[slot];
    if *marks & mark == 0 {
        *marks |= mark;
        push(list, slot);
    }
}

#[inline(never)]
fn push_back(list: &mut VecDeque<u32>, slot: usize) {
    list.push_back(slot as u32);
}

#[inline(never)]
fn push(list: &mut Vec<u32>, slot: usize) {
    list.push(slot as u32);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agenda() -> Agenda {
        let mut agenda = Agenda::default();
        (0..10).for_each(|slot| agenda.enter(slot));
        agenda
    }

    #[test]
    fn each_is_on_a_list_once_and_may_come_again() {
        let mut agenda = agenda();
        for slot in [3, 5, 3, 5, 3] {
            agenda.write(slot);
        }
        let mut batch = agenda.take_write();
        assert_eq!(agenda.next(&mut batch), Some(3));
        agenda.write(3); // again, while the batch is worked off
        agenda.write(5); // it is still to come
        assert_eq!(agenda.next(&mut batch), Some(5));
        assert_eq!(agenda.next(&mut batch), None);
        let mut batch = agenda.take_write();
        assert_eq!(agenda.next(&mut batch), Some(3));
        assert_eq!(agenda.next(&mut batch), None);
        assert!(!agenda.has_work());
    }

    #[test]
    fn the_first_verdict_counts() {
        let mut agenda = agenda();
        agenda.decide(1, Verdict::Fail);
        agenda.decide(1, Verdict::Abort);
        assert!(agenda.is_decided(1) && !agenda.is_decided(2) && agenda.decisions() == 1);
        assert_eq!(agenda.next_decision(), Some((1, Verdict::Fail)));
        assert!(!agenda.is_decided(1));
        assert_eq!(agenda.next_decision(), None);
    }

    #[test]
    fn who_is_on_another_list_is_not_removed() {
        let mut agenda = agenda();
        agenda.remove(1);
        agenda.remove(2);
        agenda.read(2);
        let mut over = Vec::new();
        agenda.take_removed(&mut over);
        assert_eq!(over, [1]);
        let mut batch = agenda.take_read();
        while agenda.next(&mut batch).is_some() {}
        agenda.take_removed(&mut over);
        assert_eq!(over, [1, 2]);
        assert!(!agenda.has_removed());
    }
}
