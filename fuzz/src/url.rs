//! URLs: a URL that parses makes a request that our own server reads with the same host and resource, and nothing in it
//! can split a line.

use bowsprit::handshake::{
    ClientHandshake, ClientRequest, HeadLimits, Incoming, Progress, ServerHandshake, Url,
};

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(url) = Url::parse(text) else { return };
    assert!(!url.host().is_empty() && url.resource().starts_with('/'));
    for part in [url.host(), url.host_header(), url.resource()] {
        assert!(part.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'), "{part:?}");
    }
    // The same URL, written again from its parts.
    let scheme = if url.is_secure() { "wss" } else { "ws" };
    let again = format!("{scheme}://{}{}", url.host_header(), url.resource());
    let back = Url::parse(&again).unwrap_or_else(|error| panic!("{again}: {error}"));
    assert_eq!(
        (back.host_header(), back.resource(), back.port()),
        (url.host_header(), url.resource(), url.port())
    );

    let request = match ClientRequest::to(&url) {
        Ok(request) => request,
        Err(error) => {
            assert!(url.user_info().is_some(), "{again}: {error}");
            return;
        }
    };
    let client = ClientHandshake::new(request, [7; 16]);
    if client.request().len() > HeadLimits::default().max_bytes {
        return;
    }
    let mut server = ServerHandshake::new(HeadLimits::default());
    match server.receive(client.request()) {
        Ok(Progress::Done { value: Incoming::Upgrade(request), used }) => {
            assert_eq!(used, client.request().len());
            assert_eq!((request.host(), request.resource()), (url.host_header(), url.resource()));
        }
        other => panic!("{again}: {other:?}"),
    }
}
