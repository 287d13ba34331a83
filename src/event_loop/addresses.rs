//! The order in which the addresses of a name are tried, when one of them may accept connections and never answer.

use std::net::SocketAddr;

/// The addresses of an engine; any of them will do.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    /// Addresses that have not been tried yet this time.
    left: Vec<SocketAddr>,
    /// The address that was tried last, and whether it gave a link.
    tried: Option<SocketAddr>,
    was_up: bool,
    /// Addresses that gave no link, the latest last.
    failed: Vec<SocketAddr>,
}

impl Addresses {
    /// Starts a new round: first the addresses that have not failed, then those that failed longest ago. Otherwise one
    /// that keeps us waiting each time would keep us from all after it.
    pub(super) fn begin(&mut self, addresses: Vec<SocketAddr>) {
        self.judge();
        self.failed.retain(|failed| addresses.contains(failed));
        self.left = addresses;
        let failed = |address: &SocketAddr| self.failed.iter().position(|failed| failed == address);
        self.left.sort_by_key(|address| failed(address).map_or(0, |at| at + 1));
        self.left.reverse();
    }

    /// Returns the next address to try.
    pub(super) fn next(&mut self) -> Option<SocketAddr> {
        self.judge();
        self.tried = self.left.pop();
        self.tried
    }

    /// Records that there is a link.
    pub(super) const fn up(&mut self) {
        self.was_up = true;
    }

    /// Records whether the address that was tried last has given a link.
    fn judge(&mut self) {
        let was_up = std::mem::take(&mut self.was_up);
        if let Some(tried) = self.tried.take() {
            self.failed.retain(|failed| *failed != tried);
            if !was_up {
                self.failed.push(tried);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_fails_keeps_nobody_from_the_next() {
        let all: Vec<SocketAddr> = (1..4).map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect();
        let mut addresses = Addresses::default();
        let mut first = |up: bool| {
            addresses.begin(all.clone());
            let port = addresses.next().unwrap().port();
            if up {
                addresses.up();
            }
            port
        };
        assert_eq!([(); 4].map(|()| first(false)), [1, 2, 3, 1], "one after the other");
        assert_eq!((first(true), first(true)), (2, 2), "and whoever gave a link is asked again first");
        assert_eq!((first(false), first(false)), (2, 3));
        addresses.begin(all.clone());
        let ports: Vec<u16> = std::iter::from_fn(|| addresses.next()).map(|address| address.port()).collect();
        assert_eq!(ports, [1, 2, 3]);
        addresses.begin(Vec::new());
        assert_eq!(addresses.next(), None);
    }
}
