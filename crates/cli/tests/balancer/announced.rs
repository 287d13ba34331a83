//! Proxies that announce the client's address with the PROXY protocol or in a field.

use std::net::{IpAddr, SocketAddr};

use super::proxies::Proxy;
use super::support::command::serve;
use super::support::peer::{PATIENCE, Peer, REQUEST, assert_text};

/// A client from an address of its own.
fn from(ip: &str, to: SocketAddr) -> Peer {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(ip.parse::<IpAddr>().unwrap(), 0).into()).unwrap();
    socket.connect_timeout(&to.into(), PATIENCE).unwrap();
    Peer::of(socket.into())
}

#[test]
fn a_proxy_names_its_clients() {
    let v1 = |text: String| text.replace("send-proxy-v2", "send-proxy");
    type Change = fn(String) -> String;
    let as_it_is: Change = |text| text;
    for (file, change, header) in [
        ("haproxy-tcp.cfg", as_it_is, true),
        ("haproxy-tcp.cfg", v1, true),
        ("nginx-stream.conf", as_it_is, true),
        ("haproxy.cfg", as_it_is, false),
        ("nginx.conf", as_it_is, false),
    ] {
        let mut args =
            vec!["-v", "--trust-proxy", "127.0.0.1", "--health", "/healthz", "--max-per-address", "1"];
        if header {
            args.push("--proxy-protocol");
        }
        let server = serve(&args);
        let Some(proxy) = Proxy::start(file, &[server.address], change) else { return };
        let mut open = Vec::new();
        for client in ["127.0.0.7", "127.0.0.8"] {
            let mut peer = from(client, proxy.address);
            // What it says of itself counts nowhere.
            peer.write(REQUEST.replace("Host:", "X-Forwarded-For: 192.0.2.1\r\nHost:").as_bytes());
            let head = peer.head();
            assert!(head.starts_with("HTTP/1.1 101 "), "{file}: {head}");
            peer.text("hello");
            assert_text(&peer.frame(), "hello");
            server.running.told(&format!(" {client} by 127.0.0.1:"));
            open.push(peer);
            let mut second = from(client, proxy.address);
            second.write(REQUEST.as_bytes());
            assert!(second.head().starts_with("HTTP/1.1 429 "), "{file}");
        }
        // Who is not the proxy, and says what it would say, is refused as what it is.
        let mut stranger = from("127.0.0.9", server.address);
        stranger.write(b"PROXY TCP4 192.0.2.1 192.0.2.9 50000 443\r\n");
        stranger.write(REQUEST.as_bytes());
        assert!(stranger.head().starts_with("HTTP/1.1 400 "), "{file}");
    }
}
