//! A store of spare things of one kind, which frees those that nobody has needed for a while.
//!
//! The one that came back last is lent first, so the ones that nobody needs are at the front.

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) count: usize,
    /// Bytes of memory that all of them may hold.
    pub(super) memory: usize,
    /// This much of that stays though nobody has needed it.
    pub(super) unused: usize,
}

#[derive(Debug)]
pub(super) struct Spares<T> {
    limits: Limits,
    /// Each with the memory that it holds, beside its own size.
    spares: Vec<(Box<T>, usize)>,
    /// Memory that all spares hold.
    held: usize,
    /// The least value of that since the last check: memory that nobody has needed.
    unused: usize,
}

impl<T> Spares<T> {
    pub(super) const fn new(limits: Limits) -> Self {
        Self { limits, spares: Vec::new(), held: 0, unused: 0 }
    }

    /// Takes the last one.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Box<T>> {
        let (spare, memory) = self.spares.pop()?;
        self.held -= memory;
        self.unused = self.unused.min(self.held);
        Some(spare)
    }

    /// Takes the last one, unless it holds more memory than this.
    pub(super) fn pop_within(&mut self, most: usize) -> Option<Box<T>> {
        if self.spares.last()?.1 > most {
            return None;
        }
        self.pop()
    }

    /// Keeps one that holds this much memory, if there is room.
    #[inline]
    pub(super) fn push(&mut self, spare: Box<T>, memory: usize) {
        if self.spares.len() < self.limits.count && self.held + memory <= self.limits.memory {
            self.held += memory;
            self.spares.push((spare, memory));
        }
    }

    /// Returns whether there is more than what stays in any case.
    #[inline]
    pub(super) const fn are_many(&self) -> bool {
        self.held > self.limits.unused
    }

    /// Begins to note what nobody needs.
    pub(super) const fn watch(&mut self) {
        self.unused = self.held;
    }

    /// Frees what nobody has needed since the last check, beyond what stays in any case.
    pub(super) fn trim(&mut self) {
        let Self { limits, held, unused, .. } = self;
        self.spares.retain(|(_, memory)| {
            let stays = *memory > *unused || *held <= limits.unused;
            if !stays {
                *unused -= memory;
                *held -= memory;
            }
            stays
        });
        self.watch();
    }

    /// Returns how many bytes of memory are kept.
    pub(super) const fn memory(&self) -> usize {
        self.spares.len() * size_of::<T>() + self.held
    }

    /// Frees all memory.
    pub(super) fn drain(&mut self) {
        *self = Self::new(self.limits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { count: 8, memory: 100, unused: 20 };

    fn spares(memory: &[usize]) -> Spares<u8> {
        let mut spares = Spares::new(LIMITS);
        memory.iter().for_each(|&memory| spares.push(Box::new(memory as u8), memory));
        spares
    }

    fn those_of(spares: &Spares<u8>) -> Vec<usize> {
        spares.spares.iter().map(|(_, memory)| *memory).collect()
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        assert_eq!(those_of(&spares(&[1; 9])), [1; 8]);
        assert_eq!(those_of(&spares(&[60, 41, 40])), [60, 40]);
    }

    #[test]
    fn what_nobody_has_needed_goes() {
        let mut spares = spares(&[10, 10, 10, 10, 10]);
        spares.watch();
        // Two are needed at a time, again and again.
        for _ in 0..3 {
            let lent = [spares.pop().unwrap(), spares.pop().unwrap()];
            lent.into_iter().for_each(|spare| spares.push(spare, 10));
        }
        spares.trim();
        assert_eq!((those_of(&spares), spares.are_many()), (vec![10; 2], false));
    }

    #[test]
    fn what_all_need_stays() {
        let mut spares = spares(&[10, 10, 10]);
        spares.watch();
        let lent: Vec<_> = std::iter::from_fn(|| spares.pop()).collect();
        lent.into_iter().for_each(|spare| spares.push(spare, 10));
        spares.trim();
        assert_eq!(those_of(&spares), [10; 3]);
        // Nobody since.
        spares.trim();
        assert_eq!(those_of(&spares), [10; 2]);
    }

    #[test]
    fn one_that_is_too_large_is_not_lent() {
        let mut spares = spares(&[5, 50]);
        assert!(spares.pop_within(49).is_none());
        assert_eq!((spares.pop_within(50), spares.memory()), (Some(Box::new(50)), 6));
    }
}
