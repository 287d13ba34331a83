//! The addresses of a host, in the order in which to try them.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Asks the system, which may take its time, but no longer than `timeout`.
pub(super) fn resolve(host: &str, port: u16, timeout: Duration) -> io::Result<Vec<SocketAddr>> {
    let (answer, answered) = mpsc::channel();
    let host = host.to_owned();
    thread::spawn(move || {
        // Nobody listens any more where it took too long.
        let _ = answer.send((host.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>));
    });
    match answered.recv_timeout(timeout) {
        Ok(addresses) => Ok(interleave(&addresses?)),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// The families by turns, the one of the first address first (RFC 8305 §4): where one family does not work, the next
/// address does.
fn interleave(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else { return Vec::new() };
    let (own, other): (Vec<SocketAddr>, Vec<SocketAddr>) =
        addresses.iter().partition(|address| address.is_ipv6() == first.is_ipv6());
    let mut out: Vec<SocketAddr> = Vec::with_capacity(addresses.len());
    for at in 0..own.len().max(other.len()) {
        for address in [own.get(at), other.get(at)].into_iter().flatten() {
            if !out.contains(address) {
                out.push(*address);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let parse =
            |text: &str| text.split(' ').map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let given = parse("[::1]:1 [::2]:1 [::1]:1 [::3]:1 10.0.0.1:1 10.0.0.2:1");
        assert_eq!(interleave(&given), parse("[::1]:1 10.0.0.1:1 [::2]:1 10.0.0.2:1 [::3]:1"));
        assert_eq!(interleave(&[]), []);
    }
}
