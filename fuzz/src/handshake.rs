//! Both sides of the opening handshake. Any cut gives the same result, an accepted request gets a head that our own
//! client accepts, and no answer holds what the peer sent.

use crate::support::Cuts;
use bowsprit::extension::Extension;
use bowsprit::handshake::{
    Acceptance, ClientHandshake, ClientRequest, HeadLimits, HeadReader, Incoming, Progress, ServerHandshake,
};

/// Fuzzes a client's request.
pub fn server(mut data: &[u8]) {
    let cuts = Cuts::take(&mut data);
    let whole = request(&[data]);
    assert_eq!(request(&cuts.pieces(data)), whole, "{cuts:?}");
}

/// Returns everything that can be observed of a request.
fn request(pieces: &[&[u8]]) -> String {
    let mut handshake = ServerHandshake::new(HeadLimits::default());
    let mut taken = 0;
    for piece in pieces {
        match handshake.receive(piece) {
            Ok(Progress::NeedMore) => taken += piece.len(),
            Ok(Progress::Done { value, used }) => {
                return format!("{} bytes: {}", taken + used, incoming(&value));
            }
            Err(error) => {
                let answer = handshake.answer(error);
                assert!((400..600).contains(&error.status()));
                is_one_head(&answer);
                assert_eq!(handshake.receive(b"x").err(), Some(error), "an error stays");
                return format!("{error:?} {}", answer.escape_ascii());
            }
        }
    }
    "more".to_owned()
}

fn incoming(incoming: &Incoming) -> String {
    let request = match incoming {
        Incoming::Plain(request) => return format!("{:?} {:?}", request.method(), request.target()),
        Incoming::Upgrade(request) => request,
    };
    assert!(request.resource().starts_with('/') && !request.host().contains(['\r', '\n', ' ']));
    let mut extended = Acceptance::default();
    extended.extensions.extend(request.extensions().iter().take(1).cloned());
    for acceptance in [
        Acceptance::default(),
        Acceptance::default().with_subprotocol(request.subprotocols().last().cloned()),
        extended,
    ] {
        let (response, agreement) = request.accept(&acceptance).expect("what was offered can be accepted");
        is_one_head(&response);
        // A client that made the same offers accepts it, except for the key, which differs.
        let mut ours = ClientRequest::new("example.com", "/").expect("right");
        for name in request.subprotocols() {
            ours = ours.subprotocol(name).expect("each once");
        }
        for extension in request.extensions() {
            ours = ours.extension(extension.clone());
        }
        let mut client = ClientHandshake::new(ours, [7; 16]);
        let key = bowsprit::handshake::Key::from_nonce([7; 16]);
        let theirs =
            request.header("sec-websocket-key").and_then(bowsprit::handshake::Key::parse).expect("judged");
        let text = String::from_utf8(response).expect("ASCII").replace(&theirs.accept(), &key.accept());
        match client.receive(text.as_bytes()) {
            Ok(Progress::Done { value, .. }) => assert_eq!(*value.agreement(), agreement),
            other => panic!("{other:?} for {text}"),
        }
    }
    format!("{request:?}")
}

/// Fuzzes a server's response to a request that offers two subprotocols and an extension.
pub fn client(mut data: &[u8]) {
    let cuts = Cuts::take(&mut data);
    let offered = Extension::new("permessage-deflate")
        .and_then(|offer| offer.with("client_max_window_bits", None))
        .expect("right");
    let request = ClientRequest::new("example.com", "/")
        .and_then(|request| request.subprotocol("chat"))
        .and_then(|request| request.subprotocol("v2"))
        .expect("right")
        .extension(offered);
    let handshake = ClientHandshake::new(request, *b"the sample nonce").with_max_refusal_body(300);
    let whole = response(handshake.clone(), &[data]);
    assert_eq!(response(handshake, &cuts.pieces(data)), whole, "{cuts:?}");
}

fn response(mut handshake: ClientHandshake, pieces: &[&[u8]]) -> String {
    let mut taken = 0;
    for piece in pieces {
        match handshake.receive(piece) {
            Ok(Progress::NeedMore) => taken += piece.len(),
            Ok(Progress::Done { value, used }) => {
                let agreement = value.agreement();
                assert!(agreement.subprotocol.as_deref().is_none_or(|name| ["chat", "v2"].contains(&name)));
                assert!(agreement.extensions.len() <= 1);
                assert!(
                    agreement.extensions.iter().all(|extension| extension.name() == "permessage-deflate")
                );
                return format!("{} bytes: {value:?}", taken + used);
            }
            Err(error) => {
                assert_eq!(handshake.receive(b"x").err().as_ref(), Some(&error), "an error stays");
                return format!("{error:?}");
            }
        }
    }
    format!("at the end: {:?}", handshake.receive_eof())
}

/// Checks that what we send is one head and possibly a body: nothing that was read has split it.
fn is_one_head(bytes: &[u8]) {
    let mut reader = HeadReader::response(HeadLimits::new(64 * 1024, 200));
    let Ok(Progress::Done { value: head, used }) = reader.receive(bytes) else {
        panic!("not a head: {}", bytes.escape_ascii())
    };
    let length = head.only("content-length").expect("at most one").map(|length| {
        std::str::from_utf8(length).ok().and_then(|length| length.parse::<usize>().ok()).expect("a number")
    });
    assert!(used == bytes.len() || Some(bytes.len() - used) == length);
}
