//! A network, proxies and servers that an input makes up, and a `Connector` that has to get along with them.
//!
//! An answer may be cut anywhere, late, wrong or the end of the connection; addresses may refuse or be silent. At each
//! step the connector has to keep its promises: it writes to no socket before the socket is connected, it forgets no
//! socket, nothing follows the end, and the end comes in time.

#![allow(dead_code, unreachable_pub, reason = "the test and the fuzz target use their parts")]

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bowsprit::client::connect::{Action, Attempt, Connector, Input, Lookup};
use bowsprit::client::{ClientConfig, ConnectError, Proxy, ProxySettings, RedirectPolicy};
use bowsprit::entropy::{Entropy, EntropyError};
use bowsprit::handshake::Key;

/// A run over bytes that follow from a number; whether a connection has opened.
pub(crate) fn run_seed(seed: u64) -> bool {
    let mut random = fastrand::Rng::with_seed(seed);
    let bytes: Vec<u8> = (0..96).map(|_| random.u8(..)).collect();
    play(&bytes)
}

/// A fuzz target.
pub fn run(data: &[u8]) {
    play(data);
}

/// So many inputs end every run, whatever they are.
const STEPS: usize = 4_000;

struct Zeros;

impl Entropy for Zeros {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        out.fill(0);
        Ok(())
    }
}

/// An input that is on its way to the connector.
#[derive(Debug)]
enum Coming {
    Resolved(Lookup, Option<Vec<SocketAddr>>),
    Connected(Attempt),
    Failed(Attempt),
    Received(Attempt, Vec<u8>),
    Ended(Attempt),
}

struct World<'a> {
    data: &'a [u8],
    coming: VecDeque<Coming>,
    /// The open sockets, and what has been written to each.
    sockets: HashMap<Attempt, Vec<u8>>,
    /// Attempts that were dropped or have failed.
    gone: Vec<Attempt>,
    lookups: Vec<Lookup>,
    /// Proxies on the way say something before the server does.
    socks: bool,
}

impl World<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.data.split_first() else { return 0 };
        self.data = rest;
        *first
    }

    fn looked_up(&mut self, lookup: Lookup, port: u16) {
        assert!(!self.lookups.contains(&lookup));
        self.lookups.push(lookup);
        let count = self.byte() % 6;
        let addresses = (0..count).map(|at| match at % 2 {
            0 => SocketAddr::from(([192, 0, 2, at], port)),
            _ => SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, at.into()], port)),
        });
        match count {
            5 => {} // it never answers
            4 => self.coming.push_back(Coming::Resolved(lookup, None)),
            _ => self.coming.push_back(Coming::Resolved(lookup, Some(addresses.collect()))),
        }
    }

    fn dialed(&mut self, attempt: Attempt) {
        assert!(!self.gone.contains(&attempt), "a name is used once");
        assert!(self.sockets.insert(attempt, Vec::new()).is_none());
        match self.byte() % 4 {
            0 => self.coming.push_back(Coming::Failed(attempt)),
            1 => {} // it never answers
            _ => self.coming.push_back(Coming::Connected(attempt)),
        }
    }

    /// What the far side says to what was written.
    fn written(&mut self, attempt: Attempt, bytes: &[u8]) {
        let said = self.sockets.get_mut(&attempt).expect("it is there");
        said.extend_from_slice(bytes);
        let kind = self.byte();
        let answer = if bytes.starts_with(b"CONNECT ") {
            assert!(bytes.ends_with(b"\r\n\r\n"));
            match kind % 8 {
                0 => b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n".to_vec(),
                1 => b"HTTP/1.1 502 No\r\n\r\n".to_vec(),
                2 => b"\x15\x03\x01\0\x02\x02\x46".to_vec(),
                3 => b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\n".to_vec(),
                _ => b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
            }
        } else if bytes.starts_with(b"GET ") {
            assert!(bytes.ends_with(b"\r\n\r\n"));
            served(kind, bytes)
        } else {
            assert!(self.socks, "{bytes:02x?}");
            match (bytes[0], bytes.len(), kind % 8) {
                (_, _, 0) => b"\x05\xff".to_vec(),
                (_, _, 1) => b"\0\0".to_vec(),
                (5, 3, _) => b"\x05\0".to_vec(),
                (5, 4, 2) => b"\x05\0".to_vec(),
                (5, 4, _) => b"\x05\x02".to_vec(),
                (1, _, _) => b"\x01\0".to_vec(),
                (_, _, 2) => b"\x05\x05\0\x01".to_vec(),
                (_, _, 3) => [&b"\x05\0\0\x03\x04name"[..], b"\0\x50"].concat(),
                _ => b"\x05\0\0\x01\0\0\0\0\0\0".to_vec(),
            }
        };
        let (cut, ending) = (usize::from(self.byte()) % (answer.len() + 1), self.byte());
        let (front, back) = answer.split_at(cut);
        for piece in [front, back] {
            if !piece.is_empty() {
                self.coming.push_back(Coming::Received(attempt, piece.to_vec()));
            }
        }
        match ending % 16 {
            0 => self.coming.push_back(Coming::Ended(attempt)),
            1 => self.coming.push_back(Coming::Failed(attempt)),
            2 => drop(self.coming.pop_back()), // the rest never comes
            _ => {}
        }
    }
}

/// Returns a server's response to a request.
fn served(kind: u8, request: &[u8]) -> Vec<u8> {
    let location = match kind / 16 % 6 {
        0 => "/next",
        1 => "ws://name.example:81/x",
        2 => "http://192.0.2.77/",
        3 => "wss://192.0.2.78/",
        4 => "ws://user:pw@192.0.2.1/",
        _ => "gopher://a",
    };
    let text = match kind % 12 {
        0 => "HTTP/1.1 404 Not Found\r\n\r\nno length, no end".to_owned(),
        1 => "HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\nbe".to_owned(),
        2 => format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(20_000)),
        3 | 4 => format!("HTTP/1.1 307 X\r\nLocation: {location}\r\n\r\n"),
        5 => format!("HTTP/1.1 302 X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"),
        6 => "HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n".to_owned(),
        7 => "\x16\x03\x01".to_owned(),
        _ => {
            let request = String::from_utf8_lossy(request);
            let key =
                request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).expect("a key");
            let accept = Key::parse(key.as_bytes()).expect("a right key").accept();
            format!(
                "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n\u{1}\u{2}"
            )
        }
    };
    text.into_bytes()
}

fn config(kind: u8, more: u8) -> (ClientConfig, bool) {
    let url =
        ["ws://name.example/", "ws://192.0.2.1:9001/chat?x", "wss://name.example/", "ws+unix:/run/a:/x"];
    let config = ClientConfig::new(url[usize::from(kind % 4)]).expect("right").masks(|| Box::new(Zeros));
    let proxy = [
        "",
        "http://proxy.example",
        "http://u:p@192.0.2.9",
        "socks5://u:p@proxy.example",
        "socks5h://192.0.2.9",
    ];
    let proxy = proxy[usize::from(kind / 4) % 5];
    let config = match proxy {
        "" => config,
        proxy => config.proxies(ProxySettings::all(Proxy::parse(proxy).expect("right"))),
    };
    let config = config.redirects(RedirectPolicy::up_to((more % 4).into()));
    (config, proxy.starts_with("socks"))
}

fn play(data: &[u8]) -> bool {
    let mut world = World {
        data,
        coming: VecDeque::new(),
        sockets: HashMap::new(),
        gone: Vec::new(),
        lookups: Vec::new(),
        socks: false,
    };
    let (kind, more) = (world.byte(), world.byte());
    let (config, socks) = config(kind, more);
    world.socks = socks;
    let limit = config.connect_limit();
    let start = Instant::now();
    let mut now = start;
    let mut connector = Connector::new(config, now);
    for _ in 0..STEPS {
        while let Some(action) = connector.next() {
            match action {
                Action::Resolve(lookup, _, port) => world.looked_up(lookup, port),
                Action::Dial(attempt, _) => world.dialed(attempt),
                Action::Drop(attempt) => {
                    assert!(world.sockets.remove(&attempt).is_some(), "only what is there is dropped");
                    world.gone.push(attempt);
                }
                Action::Write(bytes) => {
                    let standing = connector.standing().or(world.sockets.keys().next().copied());
                    world.written(standing.expect("written to what stands"), &bytes);
                }
                Action::StartTls => panic!("no TLS was set up"),
                Action::Open { used, .. } => {
                    assert_eq!(world.sockets.len(), 1, "the one that is open is left");
                    assert!(used > 0);
                    return ended(&mut connector);
                }
                Action::Failed(error) => {
                    assert!(world.sockets.is_empty(), "{error}: {:?} are left", world.sockets.keys());
                    let told = error.to_string();
                    assert!(!told.contains("u:p") && !told.contains("pw@"), "{told}");
                    assert!(!matches!(error.root(), ConnectError::Redirected(_)));
                    ended(&mut connector);
                    return false;
                }
                action => panic!("{action:?}"),
            }
        }
        assert!(now < start + limit, "it ends in time");
        let deadline = connector.deadline().expect("while it goes on, time counts");
        assert!(deadline <= start + limit);
        let choice = if world.coming.is_empty() { 7 } else { world.byte() };
        match choice % 8 {
            7 => {
                now = deadline.max(now);
                connector.handle(Input::Time, now);
            }
            6 => {
                now = deadline.min(now + Duration::from_millis(choice.into()));
                connector.handle(Input::Time, now);
            }
            5 => match world.gone.last() {
                // Of one that was dropped nothing is heard, or it is and counts for nothing.
                Some(gone) if choice & 8 == 0 => connector.handle(Input::Connected(*gone), now),
                Some(gone) => connector.handle(Input::Failed(*gone, io::ErrorKind::Other.into()), now),
                None => connector.handle(Input::Secured, now),
            },
            _ => deliver(&mut world, &mut connector, now),
        }
    }
    panic!("it does not end");
}

/// The next thing that is on its way comes in, if its socket is there still.
fn deliver(world: &mut World<'_>, connector: &mut Connector, now: Instant) {
    let Some(coming) = world.coming.pop_front() else { return };
    match coming {
        Coming::Resolved(lookup, Some(addresses)) => {
            connector.handle(Input::Resolved(lookup, Ok(addresses)), now);
        }
        Coming::Resolved(lookup, None) => {
            let error = ConnectError::Resolve(io::ErrorKind::NotFound.into());
            connector.handle(Input::Resolved(lookup, Err(error)), now);
        }
        Coming::Connected(attempt) if world.sockets.contains_key(&attempt) => {
            connector.handle(Input::Connected(attempt), now);
        }
        Coming::Failed(attempt) if world.sockets.remove(&attempt).is_some() => {
            world.gone.push(attempt);
            connector.handle(Input::Failed(attempt, io::ErrorKind::ConnectionReset.into()), now);
        }
        Coming::Received(attempt, bytes) if world.sockets.contains_key(&attempt) => {
            assert_eq!(connector.standing(), Some(attempt), "only what stands has been written to");
            connector.handle(Input::Received(&bytes), now);
        }
        Coming::Ended(attempt) if world.sockets.contains_key(&attempt) => connector.handle(Input::Ended, now),
        Coming::Connected(_) | Coming::Failed(_) | Coming::Received(..) | Coming::Ended(_) => {}
    }
}

/// Nothing follows the end.
fn ended(connector: &mut Connector) -> bool {
    let now = Instant::now();
    connector.handle(Input::Time, now + Duration::from_secs(3600));
    connector.handle(Input::Received(b"more"), now);
    connector.handle(Input::Ended, now);
    assert!(connector.next().is_none() && connector.phase().is_none() && connector.deadline().is_none());
    true
}
