//! What a conformance case is: data and nothing else.
//!
//! A [`Case`] says what to send ([`Opening`], [`Step`]), which answers are right ([`Expect`]) and which rule
//! of which document asks for it ([`Rule`]). The player, `--list`, `explain`, the reports and the fuzzers all
//! read the same constants. Every type here can be written in a `static`.

use bowsprit::frame::{LengthForm, RawHeader};

pub use super::class::Class;
use super::http2::Exchange;
use super::payload::Payload;
pub use super::rule::{Rule, Sections};

/// One conformance case.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Stable, unique name: Autobahn's own id, or a catalogue id such as `HSS-004`.
    pub id: &'static str,
    /// What is sent, in a few words.
    pub title: &'static str,
    /// The rule under examination.
    pub rule: &'static Rule,
    /// How binding the rule is.
    pub level: Level,
    /// Which side can be examined with it.
    pub subject: Subject,
    /// Marks to select cases by.
    pub tags: &'static [&'static str],
    /// The opening handshake: our half of it, and the answers that are right.
    pub opening: Opening,
    /// What is done once the connection is open.
    pub script: &'static [Step],
    /// What must come back.
    pub expect: Expect,
    /// How long to wait for the peer once the script has ended, in milliseconds.
    pub patience: u32,
    /// What is done on a connection of HTTP/2, in place of opening, script and expectation.
    pub http2: Option<&'static Exchange>,
}

/// How binding a rule is (RFC 2119).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Breaking it is non-conformance.
    Must,
    /// Breaking it needs a good reason.
    Should,
    /// Only observed.
    May,
}

/// Which side of a connection a case can examine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Servers only.
    Server,
    /// Clients only.
    Client,
    /// Either side: the peer under test echoes messages.
    Both,
}

/// The opening handshake of a case.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// Changes to the well-formed request (examining a server) or response (examining a client).
    pub edits: &'static [Edit],
    /// How the head is cut into writes.
    pub pace: Pace,
    /// The `permessage-deflate` parameters that we offer as a client or accept as a server, best first; empty means
    /// none.
    pub deflate: &'static [Deflate],
    /// The answers that are right. The first that matches counts.
    pub answers: &'static [(Class, Answer)],
    /// What else must hold of the head that came back.
    pub checks: &'static [HeadCheck],
}

/// One change to an otherwise well-formed head.
///
/// Texts may hold `{host}`, `{target}`, `{key}`, `{accept}`, `{tpecca}` (`{accept}` with upper and lower case swapped)
/// and `{random}`; these are filled in when the case is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Edit {
    /// Replaces the first line.
    First(&'static str),
    /// Replaces the lines of this field with this one line.
    Line(&'static str, &'static str),
    /// Leaves out the lines of this field.
    Without(&'static str),
    /// Adds a line at the end.
    Add(&'static str),
    /// Adds a line: the first text, then the second repeated this many times.
    Long(&'static str, &'static str, usize),
    /// Adds this line this many times.
    Repeat(&'static str, usize),
    /// Sets a request target of this many bytes.
    Target(usize),
    /// Puts bytes in front of the first line.
    Before(&'static [u8]),
    /// Puts bytes behind the blank line, in the same write.
    After(&'static [u8]),
    /// Sends only these bytes in place of the head.
    Raw(&'static [u8]),
    /// Sends only this many bytes of the head.
    Cut(usize),
    /// Ends lines with a bare LF.
    BareLf,
    /// Alternates upper and lower case in field names.
    MixedCase,
}

/// How the peer answered our half of the opening handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The connection is open and no rule of the opening handshake is broken.
    Opens,
    /// An HTTP response whose status is one of these; any of 400 to 599 if none is named.
    Status(&'static [u16]),
    /// Any final HTTP response except an upgrade.
    Refuses,
    /// The connection ended without an upgrade and without a response.
    Drops,
    /// Nothing came until our patience ended.
    Silent,
}

/// A condition on the head that the peer sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeadCheck {
    /// The field with this name has this value among its values (compared without case).
    Has(&'static str, &'static str),
    /// If the answer is not an upgrade, the field with this name has this value among its values (compared without
    /// case).
    RefusalHas(&'static str, &'static str),
    /// There is no field with this name.
    Lacks(&'static str),
    /// `Sec-WebSocket-Extensions` is absent or does not hold this name or parameter.
    NoExtension(&'static str),
    /// If the extension was accepted with this parameter, the parameter is a number no greater than this.
    AtMost(&'static str, u8),
    /// If permessage-deflate was accepted, the answer holds this parameter.
    Repeats(&'static str),
    /// The bytes that came back with the head do not hold these.
    NotEchoed(&'static str),
    /// A 426 response says what to upgrade to.
    Says426,
}

/// `permessage-deflate` parameters (RFC 7692 §7.1) that one side asks of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Deflate {
    /// Ask the peer to forget its window after each message.
    pub peer_no_context_takeover: bool,
    /// Ask the peer to use a window of this many bits; 0 means do not ask.
    pub peer_max_window_bits: u8,
}

impl Deflate {
    /// The plain offer of `permessage-deflate`.
    pub const OFFER: &'static [Self] = &[Self { peer_no_context_takeover: false, peer_max_window_bits: 0 }];
}

/// One thing done on an open connection.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// Sends one frame.
    Frame(Frame),
    /// Sends these bytes.
    Bytes(&'static [u8]),
    /// Sends this frame this many times.
    Times(Frame, u32),
    /// Sends one message, compressed if that was agreed, in fragments of this many bytes (0 means one frame).
    Message(Kind, Payload, usize),
    /// Sends messages, each after the echo of the one before; see [`Echo`].
    Echo(Echo),
    /// How everything after this step is cut into writes.
    Pace(Pace),
    /// Sends the header and first bytes of a masked or plain frame; [`Step::Part`] continues it.
    Begin(Frame),
    /// Sends more payload of the frame that was begun last.
    Part(&'static [u8]),
    /// Waits this many milliseconds.
    Rest(u16),
    /// Waits this many milliseconds, and records [`Event::Waited`] if the connection is still open then.
    Wait(u16),
    /// Waits until this many events have come or patience ends.
    Await(usize),
    /// Waits until this many events have come, and records [`Event::Waited`] if they have not come within this many
    /// milliseconds.
    AwaitWithin(usize, u16),
    /// Ends our half of the TCP connection.
    HalfClose,
    /// Ends the TCP connection at once.
    Drop,
}

/// A frame, legal or not, built with the constructors and the methods that bend it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Everything but mask and length.
    pub header: RawHeader,
    /// The payload, before masking.
    pub payload: Payload,
    /// How the payload is masked.
    pub masking: Masking,
    /// How the length is written.
    pub declare: Declare,
}

/// How a frame is masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Masking {
    /// As our role requires: a fresh key as a client, none as a server.
    ByRole,
    /// The opposite of what our role requires.
    Wrong,
    /// With this key.
    Key([u8; 4]),
}

/// What the length field says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declare {
    /// The length of the payload, in the minimal form.
    Payload,
    /// The length of the payload, in this form or a longer one.
    Form(LengthForm),
    /// This length, whatever payload follows.
    Length(u64),
}

/// Sends `count` messages of `size` bytes, each after the echo of the one before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Echo {
    /// Text or binary.
    pub kind: Kind,
    /// Where the bytes come from: consecutive messages take consecutive bytes, starting over at the end.
    pub source: Payload,
    /// The size of each message in bytes.
    pub size: usize,
    /// How many messages.
    pub count: u32,
    /// The size of the fragments in bytes; 0 means one frame.
    pub fragment: usize,
}

/// Text or binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Opcode 1.
    Text,
    /// Opcode 2.
    Binary,
}

/// How the bytes to send are cut into writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As much as possible in one write.
    Whole,
    /// One write for each frame, with a millisecond between them.
    PerFrame,
    /// This many bytes in each write; single bytes have a millisecond between them.
    Bytes(usize),
}

/// What must come back on an open connection.
#[derive(Clone, Copy, Debug)]
pub struct Expect {
    /// The sequences of events that are right, each with how right it is.
    pub outcomes: &'static [(Class, &'static [Event])],
    /// How the connection must end.
    pub close: Ending,
}

/// Something the peer did.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A whole text message.
    Text(Payload),
    /// A whole binary message.
    Binary(Payload),
    /// A Pong.
    Pong(Payload),
    /// A [`Step::Wait`] passed with the connection open, or a [`Step::AwaitWithin`] ended without its events.
    Waited,
    /// All messages of a [`Step::Echo`] came back.
    Echoed,
}

/// How the connection must end.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// Who must start the closing handshake, or fail the connection.
    pub by: By,
    /// The codes that the peer may send; a Close without a code is right as well.
    pub codes: &'static [u16],
    /// Whether a complete closing handshake is required, including the server's end of the TCP connection.
    pub clean: bool,
    /// Whether a wrong ending makes the behaviour FAILED too.
    pub decides: Decides,
}

/// Who ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// We do, once an outcome is reached; the peer answers.
    Us,
    /// The script does.
    Script,
    /// The peer does, in response to what was sent.
    Peer,
    /// Nobody has to; the ending is not judged.
    Anyone,
}

/// What a wrong ending means for the verdict on the behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decides {
    /// Nothing.
    Nothing,
    /// The wrong side closing makes it FAILED.
    Side,
    /// A wrong close code makes it FAILED.
    Code,
    /// Either does.
    Both,
}

impl Event {
    /// Returns whether this is a Pong.
    pub(crate) const fn is_pong(&self) -> bool {
        matches!(self, Event::Pong(_))
    }
}

impl Case {
    /// The base of every literal: a good handshake, nothing sent, and the peer answers our Close.
    pub const BASE: Self = Self {
        id: "",
        title: "",
        rule: &Rule { sections: Sections(&[]), text: "" },
        level: Level::Must,
        subject: Subject::Both,
        tags: &[],
        opening: Opening::GOOD,
        script: &[],
        expect: Expect { outcomes: &[(Class::Ok, &[])], close: Ending::CLEAN },
        patience: 4_000,
        http2: None,
    };

    /// Returns the group or family of the case: `6.2` for `6.2.1`, `HSS` for `HSS-004`.
    pub fn group(&self) -> &'static str {
        match (self.id.split_once('-'), self.id.rsplit_once('.')) {
            (Some((family, _)), _) => family,
            (None, Some((group, _))) => group,
            (None, None) => self.id,
        }
    }

    /// Returns whether the opening handshake of the case is about subprotocols and extensions only, or is unchanged.
    pub(crate) fn is_about_frames(&self) -> bool {
        const AGREED: [&str; 2] = ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"];
        let agreed = |name: &str| AGREED.iter().any(|agreed| agreed.eq_ignore_ascii_case(name));
        let of_line = |line: &str| {
            line.split("\r\n").all(|line| line.split_once(':').is_some_and(|(name, _)| agreed(name)))
        };
        let may = |edit: &Edit| match edit {
            Edit::Line(name, line) => agreed(name) && of_line(line),
            Edit::Without(name) => agreed(name),
            Edit::Add(line) | Edit::Repeat(line, _) => of_line(line),
            _ => false,
        };
        let head_only = matches!(self.group(), "HSS" | "HSC");
        self.http2.is_none()
            && !head_only
            && self.opening.pace == Pace::Whole
            && self.opening.edits.iter().all(may)
    }

    /// Returns whether the case can examine this side; [`Subject::Both`] stands for either.
    pub fn examines(&self, subject: Subject) -> bool {
        self.subject == Subject::Both || subject == Subject::Both || self.subject == subject
    }

    /// Returns whether the case bears this mark.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.contains(&tag)
    }
}

impl Opening {
    /// A well-formed handshake that must succeed.
    pub const GOOD: Self = Self {
        edits: &[],
        pace: Pace::Whole,
        deflate: &[],
        answers: &[(Class::Ok, Answer::Opens)],
        checks: &[],
    };
}

impl Ending {
    /// We close with 1000 once the outcome is reached, and the peer answers.
    pub const CLEAN: Self = Self { by: By::Us, codes: &[1000], clean: true, decides: Decides::Nothing };
    /// The peer fails the connection with 1002.
    pub const FAILS: Self = Self { by: By::Peer, codes: &[1002], clean: false, decides: Decides::Nothing };
    /// Not judged.
    pub const ANY: Self = Self { by: By::Anyone, codes: &[], clean: false, decides: Decides::Nothing };
}

impl Frame {
    /// Creates a final frame with this opcode.
    pub const fn of(opcode: u8, payload: Payload) -> Self {
        Self { header: RawHeader::of(opcode), payload, masking: Masking::ByRole, declare: Declare::Payload }
    }

    /// Clears FIN: another frame of the message follows.
    pub const fn more(self) -> Self {
        Self { header: RawHeader { fin: false, ..self.header }, ..self }
    }

    /// Sets the reserved bits RSV1 (4), RSV2 (2) and RSV3 (1).
    pub const fn rsv(self, bits: u8) -> Self {
        let header =
            RawHeader { rsv1: bits & 4 != 0, rsv2: bits & 2 != 0, rsv3: bits & 1 != 0, ..self.header };
        Self { header, ..self }
    }

    /// Masks the frame only if our role must not mask.
    pub const fn wrongly_masked(self) -> Self {
        Self { masking: Masking::Wrong, ..self }
    }

    /// Masks the frame with this key.
    pub const fn key(self, key: [u8; 4]) -> Self {
        Self { masking: Masking::Key(key), ..self }
    }

    /// Writes the length in this form, minimal or not.
    pub const fn form(self, form: LengthForm) -> Self {
        Self { declare: Declare::Form(form), ..self }
    }

    /// Declares this length, whatever payload follows.
    pub const fn declaring(self, length: u64) -> Self {
        Self { declare: Declare::Length(length), ..self }
    }
}

/// Short names for the case files.
pub mod dsl {
    use super::{Frame, Payload};

    /// Creates a final text frame.
    pub const fn text(payload: &'static [u8]) -> Frame {
        Frame::of(1, Payload::Bytes(payload))
    }
    /// Creates a final binary frame.
    pub const fn binary(payload: &'static [u8]) -> Frame {
        Frame::of(2, Payload::Bytes(payload))
    }
    /// Creates a final continuation frame.
    pub const fn cont(payload: &'static [u8]) -> Frame {
        Frame::of(0, Payload::Bytes(payload))
    }
    /// Creates a Ping.
    pub const fn ping(payload: &'static [u8]) -> Frame {
        Frame::of(9, Payload::Bytes(payload))
    }
    /// Creates a Pong.
    pub const fn pong(payload: &'static [u8]) -> Frame {
        Frame::of(10, Payload::Bytes(payload))
    }
    /// Creates a Close with exactly this payload.
    pub const fn close(payload: &'static [u8]) -> Frame {
        Frame::of(8, Payload::Bytes(payload))
    }
    /// Creates a Close with a code and no reason.
    pub const fn close_code(code: u16) -> Frame {
        Frame::of(8, Payload::Code(code))
    }
}
