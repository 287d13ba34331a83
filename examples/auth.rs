//! A server that authenticates its clients: by a token in `Authorization`, and by origin for pages.
//!
//! `cargo run --example auth --features event-loop -- 127.0.0.1:9001 SECRET`, then
//! `bowsprit connect -H 'Authorization: Bearer SECRET' ws://127.0.0.1:9001/`
//!
//! Without a decision of its own a handler accepts every origin: then any page that a visitor's browser opens can use
//! the server, with the visitor's cookies (RFC 6455 §10.2).

use bowsprit::event_loop::{ConnId, Context, Decision, EventLoop, Handler};
use bowsprit::handshake::{Acceptance, HeaderField, OriginPolicy, Refusal, Request};
use bowsprit::message::Message;

struct Guarded {
    expected: String,
    origins: OriginPolicy,
}

impl Handler for Guarded {
    type Data = ();

    fn on_request(&mut self, _: &mut Context<()>, _: ConnId, request: &Request) -> Decision {
        if let Err(error) = self.origins.check(request) {
            return Decision::Refuse(error.refusal());
        }
        if !request.header("authorization").is_some_and(|given| is_equal(given, self.expected.as_bytes())) {
            return Decision::Refuse(unauthorized());
        }
        Decision::Accept(Acceptance::default())
    }

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        cx.send(id, message);
    }
}

/// A 401 names the required scheme (RFC 9110 §11.6.1).
fn unauthorized() -> Refusal {
    let challenge = HeaderField::new("WWW-Authenticate", "Bearer").expect("a legal header field");
    Refusal::new(401).and_then(|refusal| refusal.with_header(challenge)).expect("a legal refusal")
}

/// Compares every byte, so that the time does not reveal where the first wrong one is.
fn is_equal(given: &[u8], expected: &[u8]) -> bool {
    let differing = given.iter().zip(expected).fold(0, |differing, (a, b)| differing | (a ^ b));
    given.len() == expected.len() && std::hint::black_box(differing) == 0
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(address), Some(token)) = (args.next(), args.next()) else {
        return Err("usage: auth ADDRESS TOKEN".into());
    };
    let mut server = EventLoop::new()?;
    println!("ws://{}/", server.listen(address.parse()?)?);
    server.run(&mut Guarded { expected: format!("Bearer {token}"), origins: OriginPolicy::loopback() })?;
    Ok(())
}
