//! A client without a socket, from its request to its end: bytes in memory, in every cut.

use std::sync::Arc;

use crate::support::*;
use bowsprit::Role;
use bowsprit::connection::Config;
use bowsprit::frame::RawHeader;
use bowsprit::handshake::{
    Acceptance, ClientHandshake, ClientRequest, HeadLimits, Incoming, Progress, Response, ServerHandshake,
};

/// What a server answers to the request of `client`, with frames right behind it.
fn answer(client: &ClientHandshake, frames: &[u8]) -> Vec<u8> {
    let mut server = ServerHandshake::new(HeadLimits::default());
    let Ok(Progress::Done { value: Incoming::Upgrade(request), used }) = server.receive(client.request())
    else {
        panic!("our request is accepted")
    };
    assert_eq!((used, request.header("host")), (client.request().len(), Some(&b"server.example"[..])));
    let acceptance = Acceptance::default().with_subprotocol("chat".to_owned());
    let (mut bytes, _) = request.accept(&acceptance).unwrap();
    bytes.extend_from_slice(frames);
    bytes
}

/// Passes reads to the handshake until it is done, then to the connection that it makes.
fn hear(mut handshake: ClientHandshake, reads: Vec<Vec<u8>>) -> (Response, Side) {
    let now = start();
    let mut open: Option<(Response, Side)> = None;
    for read in reads {
        match &mut open {
            Some((_, side)) => side.read(&read, now),
            None => match handshake.receive(&read).unwrap() {
                Progress::NeedMore => {}
                Progress::Done { value, used } => {
                    let mut side = Side::new(Role::Client, &Arc::new(Config::default()), now);
                    side.read(&read[used..], now);
                    open = Some((value, side));
                }
            },
        }
    }
    open.expect("the handshake is done")
}

#[test]
fn from_the_request_to_the_end_in_any_cut() {
    let request = || ClientRequest::new("server.example", "/chat").unwrap().subprotocol("chat").unwrap();
    let frames = [
        sent_by(Role::Server, RawHeader::TEXT, b"early"),
        sent_by(Role::Server, RawHeader::PING, b"?"),
        sent_by(Role::Server, RawHeader::CLOSE, &close_payload(1001, "bye")),
    ]
    .concat();
    let bytes = answer(&ClientHandshake::new(request(), [7; 16]), &frames);
    for chop in Chop::every(&bytes).chain([Chop::Whole, Chop::Steps(1), Chop::Steps(7)]) {
        let (response, mut side) = hear(ClientHandshake::new(request(), [7; 16]), chop.reads(&bytes));
        assert_eq!(response.agreement().subprotocol.as_deref(), Some("chat"));
        let seen = side.saw();
        assert_eq!(seen[0], Seen::Text("early".into()));
        assert_eq!(seen[2], Seen::Close(Some((1001, "bye".into()))));
        assert_eq!(seen.len(), 3, "{seen:?}");
        assert_eq!(opcodes(&side.write()), [RawHeader::PONG.opcode, RawHeader::CLOSE.opcode]);
        assert!(side.conn.outcome().is_clean());
    }
}

fn opcodes(bytes: &[u8]) -> Vec<u8> {
    frames(bytes).iter().map(|(header, _)| header.opcode).collect()
}
