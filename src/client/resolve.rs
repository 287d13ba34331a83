//! Name resolution, without blocking a loop and without a hidden thread.
//!
//! The system's resolver blocks, so a loop does not call it: it asks a [`Resolver`] that the program has chosen, which
//! answers when it can. [`ThreadResolver`] starts a thread for each lookup, [`SystemResolver`] looks up in the calling
//! thread. Addresses and `localhost` need neither a lookup nor a resolver.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs};
use std::thread;

/// Looks names up.
///
/// A closure `Fn(&str, u16, Reply)` is a resolver, too.
pub trait Resolver: Send + Sync {
    /// Looks up the addresses of `host`, and sends them with `port` through `reply`: at once, or later from any thread.
    /// A loop calls this, so it has to return soon.
    fn resolve(&self, host: &str, port: u16, reply: Reply);
}

impl<F: Fn(&str, u16, Reply) + Send + Sync> Resolver for F {
    fn resolve(&self, host: &str, port: u16, reply: Reply) {
        self(host, port, reply);
    }
}

/// Where a [`Resolver`] sends its answer. Dropping it means that there is none.
pub struct Reply(Option<Receiver>);

type Receiver = Box<dyn FnOnce(io::Result<Vec<SocketAddr>>) + Send>;

impl Reply {
    /// Creates a reply that passes the answer to `receiver`.
    pub fn new(receiver: impl FnOnce(io::Result<Vec<SocketAddr>>) + Send + 'static) -> Self {
        Self(Some(Box::new(receiver)))
    }

    /// Sends the answer: addresses in order of preference.
    pub fn send(mut self, answer: io::Result<Vec<SocketAddr>>) {
        if let Some(receiver) = self.0.take() {
            receiver(answer);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(receiver) = self.0.take() {
            receiver(Err(io::Error::other("the resolver gave no answer")));
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}

/// The system's resolver, in a thread of its own for each lookup. The thread ends with the lookup, which nothing can
/// cut short; a caller that has given up ignores the answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadResolver;

impl Resolver for ThreadResolver {
    fn resolve(&self, host: &str, port: u16, reply: Reply) {
        let host = host.to_owned();
        let look_up = move || reply.send(look_up(&host, port));
        // If no thread can be started, the reply is dropped, which is an answer, too.
        let _ = thread::Builder::new().name("bowsprit-resolve".into()).stack_size(256 * 1024).spawn(look_up);
    }
}

/// The system's resolver in the calling thread, for programs that may wait as long as it takes.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, host: &str, port: u16, reply: Reply) {
        reply.send(look_up(host, port));
    }
}

fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((host, port).to_socket_addrs()?.collect())
}

/// Returns the addresses that need no lookup: those of an address, and of `localhost` and names below it (RFC 6761
/// §6.3).
pub fn literal(host: &str, port: u16) -> Option<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(vec![(address, port).into()]);
    }
    if let Some((address, zone)) = host.split_once('%')
        && let (Ok(address), Ok(zone)) = (address.parse(), zone.parse())
    {
        return Some(vec![SocketAddrV6::new(address, port, 0, zone).into()]);
    }
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    if name == "localhost" || name.ends_with(".localhost") {
        return Some(vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn literals() {
        let one = |text: &str| Some(vec![text.parse::<SocketAddr>().unwrap()]);
        assert_eq!(literal("192.0.2.1", 80), one("192.0.2.1:80"));
        assert_eq!(literal("2001:db8::1", 80), one("[2001:db8::1]:80"));
        assert_eq!(literal("fe80::1%7", 80), one("[fe80::1%7]:80"));
        assert_eq!(literal("fe80::1%eth0", 80), None);
        for name in ["localhost", "LOCALHOST.", "app.localhost"] {
            assert_eq!(literal(name, 9).unwrap().len(), 2, "{name}");
        }
        assert_eq!(literal("localhost.example", 80), None);
    }

    #[test]
    fn a_thread_answers_and_a_dropped_reply_does_too() {
        let (sender, receiver) = mpsc::channel();
        let reply = |sender: mpsc::Sender<_>| Reply::new(move |answer| sender.send(answer).unwrap());
        ThreadResolver.resolve("127.0.0.1", 80, reply(sender.clone()));
        assert_eq!(receiver.recv().unwrap().unwrap(), ["127.0.0.1:80".parse().unwrap()]);
        let lazy = |_: &str, _: u16, _: Reply| {};
        lazy.resolve("a", 1, reply(sender));
        assert!(receiver.recv().unwrap().is_err());
    }
}
