//! Ports that are known before anybody listens on them.

use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

/// An address of the loopback that nobody else is given before this process ends. Until a program listens there, it
/// refuses connections.
///
/// A port that was free a moment ago may be another test's by now. This one stays bound by a socket that never listens:
/// the system gives it to nobody who asks for any port, while a program that names it and sets `SO_REUSEADDR`, as
/// servers do, can still listen on it, again and again.
pub(crate) fn reserved() -> SocketAddr {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    std::mem::forget(socket);
    address
}
