//! Limits on how many connections may come, from where, and how fast.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use slab::Slab;

use super::bucket::{Allowance, Bucket};

/// How fast connections are accepted: a token bucket that holds `burst` and gains `per_second`. While it is empty,
/// connections wait in the system's backlog; none is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptRate {
    /// Connections per second in the long run.
    pub per_second: u32,
    /// Connections at once after a pause.
    pub burst: u32,
}

/// What the limits count. All loops of a group share it, so that limits hold for the group.
#[derive(Debug)]
pub(super) struct Admission {
    population: AtomicUsize,
    /// Bytes held, as the loops have reported them.
    held: AtomicUsize,
    addresses: Mutex<Addresses>,
    bucket: Mutex<Bucket>,
}

impl Admission {
    pub(super) fn new(rate: Option<AcceptRate>, now: Instant) -> Self {
        Self {
            population: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            addresses: Mutex::default(),
            bucket: Mutex::new(Bucket::full(allowance(rate), now)),
        }
    }

    /// Counts a connection if there are fewer than `most`.
    pub(super) fn reserve(&self, most: usize) -> bool {
        let enter = |count| (count < most).then_some(count + 1);
        self.population.fetch_update(Ordering::Relaxed, Ordering::Relaxed, enter).is_ok()
    }

    /// Counts a connection, whatever the limit.
    pub(super) fn enter(&self) {
        self.population.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn leave(&self) {
        self.population.fetch_sub(1, Ordering::Relaxed);
    }

    /// Records that a loop that held `before` bytes holds `now`. Returns how many the group holds.
    pub(super) fn hold(&self, before: usize, now: usize) -> usize {
        let change = now.wrapping_sub(before);
        self.held.fetch_add(change, Ordering::Relaxed).wrapping_add(change)
    }

    /// See [`Addresses::enter`].
    pub(super) fn enter_from(&self, address: IpAddr, most: usize) -> Option<u32> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner).enter(address, most)
    }

    pub(super) fn leave_from(&self, number: u32) {
        if number != UNCOUNTED {
            self.addresses.lock().unwrap_or_else(PoisonError::into_inner).leave(number);
        }
    }

    /// Takes a permit to accept a connection.
    ///
    /// # Errors
    ///
    /// When there will be one.
    pub(super) fn take(&self, rate: AcceptRate, now: Instant) -> Result<(), Instant> {
        let (allowance, mut bucket) =
            (allowance(Some(rate)), self.bucket.lock().unwrap_or_else(PoisonError::into_inner));
        bucket.fill(allowance, now);
        match bucket.wait(allowance) {
            Some(wait) => Err(now + wait),
            None => {
                bucket.spend(1);
                Ok(())
            }
        }
    }

    /// Returns the permit that was taken last, which was not needed.
    pub(super) fn give_back(&self) {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner).give_back(1);
    }
}

fn allowance(rate: Option<AcceptRate>) -> Allowance {
    let (per_second, burst) = rate.map_or((1, 1), |rate| (rate.per_second, rate.burst));
    Allowance { per_second: per_second.max(1).into(), burst: burst.into() }
}

/// How many connections there are from each address.
///
/// IPv6 addresses count by their first 64 bits: the owner of one has all of those. A connection remembers the number of
/// its address, four bytes.
#[derive(Debug, Default)]
struct Addresses {
    numbers: HashMap<IpAddr, u32>,
    counts: Slab<(IpAddr, u32)>,
}

/// The number of an address that is not counted.
pub(super) const UNCOUNTED: u32 = u32::MAX;

impl Addresses {
    /// Counts one more connection from `address`, unless there are `most` already.
    fn enter(&mut self, address: IpAddr, most: usize) -> Option<u32> {
        let address = network(address);
        if let Some(&number) = self.numbers.get(&address) {
            let (_, count) = &mut self.counts[number as usize];
            if *count as usize >= most {
                return None;
            }
            *count += 1;
            return Some(number);
        }
        if most == 0 {
            return None;
        }
        let number = self.counts.insert((address, 1)) as u32;
        self.numbers.insert(address, number);
        Some(number)
    }

    fn leave(&mut self, number: u32) {
        let Some((address, count)) = self.counts.get_mut(number as usize) else { return };
        *count -= 1;
        if *count == 0 {
            self.numbers.remove(address);
            self.counts.remove(number as usize);
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let network = u128::from(v6) & !u128::from(u64::MAX);
            // The loopback network contains one machine.
            if v6 == Ipv6Addr::LOCALHOST { v6.into() } else { Ipv6Addr::from(network).into() }
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let start = Instant::now();
        let rate = AcceptRate { per_second: 10, burst: 3 };
        let bucket = Admission::new(Some(rate), start);
        for _ in 0..3 {
            assert_eq!(bucket.take(rate, start), Ok(()));
        }
        assert_eq!(bucket.take(rate, start), Err(start + Duration::from_millis(100)));
        assert_eq!(bucket.take(rate, start + Duration::from_millis(100)), Ok(()));
        let later = start + Duration::from_secs(3600);
        for _ in 0..3 {
            assert_eq!(bucket.take(rate, later), Ok(()));
        }
        assert!(bucket.take(rate, later).is_err(), "no more than a burst is saved up");
    }

    #[test]
    fn no_rate_is_no_division_by_zero() {
        let start = Instant::now();
        let rate = AcceptRate { per_second: 0, burst: 0 };
        let bucket = Admission::new(Some(rate), start);
        assert_eq!(bucket.take(rate, start), Ok(()));
        assert_eq!(bucket.take(rate, start), Err(start + Duration::from_secs(1)));
    }

    #[test]
    fn addresses_are_counted_and_forgotten() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut addresses = Addresses::default();
        let first = addresses.enter(ip("192.0.2.1"), 2).unwrap();
        assert_eq!(
            addresses.enter(ip("::ffff:192.0.2.1"), 2),
            Some(first),
            "the same address, written in IPv6"
        );
        assert_eq!(addresses.enter(ip("192.0.2.1"), 2), None);
        assert!(addresses.enter(ip("192.0.2.2"), 2).is_some());
        addresses.leave(first);
        assert_eq!(addresses.enter(ip("192.0.2.1"), 2), Some(first));
        let six = addresses.enter(ip("2001:db8::1"), 1).unwrap();
        assert_eq!(addresses.enter(ip("2001:db8::2"), 1), None, "one network of 64 bits");
        assert!(addresses.enter(ip("2001:db8:0:1::1"), 1).is_some());
        addresses.leave(six);
        assert!(addresses.enter(ip("2001:db8::2"), 1).is_some());
        assert_eq!(addresses.enter(ip("192.0.2.9"), 0), None);
        for number in [first, first] {
            addresses.leave(number);
        }
        assert_eq!(addresses.numbers.len(), addresses.counts.len());
    }
}
