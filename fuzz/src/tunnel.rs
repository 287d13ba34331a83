//! Answers of a proxy, in HTTP and in SOCKS. Any cut gives the same result, what we send does not depend on the cut and
//! is bounded, and an open tunnel has taken the answer and nothing after it.

use crate::support::Cuts;
use bowsprit::client::{Proxy, ProxyError};

const PROXIES: [&str; 4] =
    ["http://a", "http://user:password@a:3128", "socks5://127.0.0.1", "socks5h://user:password@a"];
/// More than we send to any proxy.
const SAID: usize = 1024;

pub fn run(mut data: &[u8]) {
    let cuts = Cuts::take(&mut data);
    let Some((&kind, data)) = data.split_first() else { return };
    let proxy = Proxy::parse(PROXIES[usize::from(kind) % PROXIES.len()]).expect("right");
    // SOCKS with addresses needs an address; the others get names.
    let host = if proxy.wants_address() { ["192.0.2.1", "2001:db8::1"] } else { ["example.com", "::1"] };
    let host = host[usize::from(kind >> 7)];
    let (whole, said) = open(&proxy, host, &[data]);
    let (cut, said_too) = open(&proxy, host, &cuts.pieces(data));
    assert!(said.len() <= SAID, "{} bytes", said.len());
    match (&whole, &cut) {
        // The answer ended with a piece: what follows comes from the server, which has to be silent until a client
        // sends.
        (Opened::Failed(ProxyError::EarlyBytes), Opened::At(at)) => assert!(*at < data.len()),
        (Opened::At(at), _) => {
            assert_eq!(*at, data.len());
            assert_eq!(cut, whole, "{cuts:?}");
        }
        _ => assert_eq!(cut, whole, "{cuts:?}"),
    }
    assert!(said_too.len() <= SAID);
    if !matches!(whole, Opened::Failed(_)) {
        assert_eq!(said_too, said, "{cuts:?}");
    }
}

#[derive(Debug, PartialEq)]
enum Opened {
    /// The tunnel opened after this many bytes.
    At(usize),
    Waits,
    Failed(ProxyError),
}

/// Returns the result of these pieces, and what we sent.
fn open(proxy: &Proxy, host: &str, pieces: &[&[u8]]) -> (Opened, Vec<u8>) {
    let mut tunnel = proxy.tunnel(host, 443).expect("a right host");
    let mut said = Vec::new();
    let mut taken = 0;
    let mut say = |tunnel: &mut bowsprit::client::Tunnel| {
        said.extend_from_slice(tunnel.pending());
        tunnel.advance(tunnel.pending().len());
        assert!(tunnel.pending().is_empty());
    };
    say(&mut tunnel);
    let mut opened = Opened::Waits;
    for piece in pieces {
        taken += piece.len();
        match tunnel.receive(piece) {
            Ok(false) => {}
            Ok(true) => opened = Opened::At(taken),
            Err(error) => opened = Opened::Failed(error),
        }
        say(&mut tunnel);
        if opened != Opened::Waits {
            break;
        }
    }
    (opened, said)
}
