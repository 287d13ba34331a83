//! The case that asks for a sign of life.

use bowsprit::error::Section;

use crate::case::{Case, Class, Ending, Event, Expect, Level, Rule, Sections, Step, dsl};
use crate::payload::Payload;

/// The plain echo that shows whether the peer is a WebSocket server and still there.
pub static PROBE: Case = Case {
    id: "probe",
    title: "a good handshake and one echo",
    rule: &Rule {
        sections: Sections(&[Section::rfc6455("4.2"), Section::rfc6455("5.6")]),
        text: "The server opens a connection and echoes a text message.",
    },
    level: Level::Must,
    script: &[Step::Frame(dsl::text(b"probe"))],
    expect: Expect {
        outcomes: &[(Class::Ok, &[Event::Text(Payload::Bytes(b"probe"))])],
        close: Ending::CLEAN,
    },
    patience: 3_000,
    ..Case::BASE
};
