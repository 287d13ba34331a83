//! What a conformance case is: data, and nothing else.
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
    /// Who can be examined with it.
    pub subject: Subject,
    /// Free marks to select by.
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
    /// `permessage-deflate`: what we offer as a client, or accept as a server, best first; empty: not at all.
    pub deflate: &'static [Deflate],
    /// The answers that are right. The first that fits counts.
    pub answers: &'static [(Class, Answer)],
    /// What else must hold of the head that came back.
    pub checks: &'static [HeadCheck],
}

/// One change to an otherwise well-formed head.
///
/// Texts may hold `{host}`, `{target}`, `{key}`, `{accept}`, `{tpecca}` (the same with upper and lower case
/// swapped) and `{random}`, filled in when played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Edit {
    /// Another first line.
    First(&'static str),
    /// The lines of this field become this one line.
    Line(&'static str, &'static str),
    /// The lines of this field are left out.
    Without(&'static str),
    /// One more line, at the end.
    Add(&'static str),
    /// One more line: `prefix`, then `unit` this many times.
    Long(&'static str, &'static str, usize),
    /// This line, this many times.
    Repeat(&'static str, usize),
    /// A request target of so many bytes.
    Target(usize),
    /// Bytes in front of the first line.
    Before(&'static [u8]),
    /// Bytes behind the blank line, in the same write.
    After(&'static [u8]),
    /// Only these bytes, instead of the head.
    Raw(&'static [u8]),
    /// Only the first so many bytes of the head.
    Cut(usize),
    /// Lines end in a bare LF.
    BareLf,
    /// Upper and lower case alternate in field names.
    MixedCase,
}

/// What the peer made of our half of the opening handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The connection is open, by every rule of the opening handshake.
    Opens,
    /// An HTTP response whose status is one of these; any of 400 to 599 if none is named.
    Status(&'static [u16]),
    /// Any final HTTP response but an upgrade.
    Refuses,
    /// The connection ended without an upgrade and without a response.
    Drops,
    /// Nothing came until our patience ended.
    Silent,
}

/// Something that must hold of the head the peer sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeadCheck {
    /// A field with this name, of which this is one value (compared without case).
    Has(&'static str, &'static str),
    /// The same, where the answer is not an upgrade.
    RefusalHas(&'static str, &'static str),
    /// No field with this name.
    Lacks(&'static str),
    /// `Sec-WebSocket-Extensions` is absent or does not hold this parameter or name.
    NoExtension(&'static str),
    /// This parameter of the accepted extension, if it was accepted, is a number no greater than this.
    AtMost(&'static str, u8),
    /// This parameter is in the answer, if permessage-deflate was accepted.
    Repeats(&'static str),
    /// The bytes sent back, as far as they came with the head, do not hold these.
    NotEchoed(&'static str),
    /// A 426 says what to upgrade to.
    Says426,
}

/// `permessage-deflate` parameters (RFC 7692 §7.1), as one side asks them of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Deflate {
    /// Ask the peer to forget its window after each message.
    pub peer_no_context_takeover: bool,
    /// Ask the peer to use a window of this many bits; 0: do not ask.
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
    /// Sends this frame so many times.
    Times(Frame, u32),
    /// Sends one message, compressed if that was agreed, in fragments of so many bytes (0: one frame).
    Message(Kind, Payload, usize),
    /// Sends a message, waits for its echo, and so on; see [`Echo`].
    Echo(Echo),
    /// How everything after this step is cut into writes.
    Pace(Pace),
    /// The header and first bytes of a masked or plain frame; [`Step::Part`] goes on with it.
    Begin(Frame),
    /// More payload of the frame begun last.
    Part(&'static [u8]),
    /// Waits so many milliseconds.
    Rest(u16),
    /// Waits so many milliseconds; noted as [`Event::Waited`] if the connection is still open then.
    Wait(u16),
    /// Waits until so many events have come, or patience ends.
    Await(usize),
    /// Waits until so many events have come; noted as [`Event::Waited`] if they have not in so many milliseconds.
    AwaitWithin(usize, u16),
    /// Ends our half of the TCP connection.
    HalfClose,
    /// Ends the TCP connection at once.
    Drop,
}

/// A frame, legal or not. Built with the constructors and the methods that bend it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// All but mask and length.
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
    /// As our role demands: a fresh key from a client, none from a server.
    ByRole,
    /// The other way round.
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
    /// This length, whatever follows.
    Length(u64),
}

/// Sends `count` messages of `size` bytes, each after the echo of the one before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Echo {
    /// Text or binary.
    pub kind: Kind,
    /// Bytes are taken from here, one message after the other, round and round.
    pub source: Payload,
    /// Bytes of each message.
    pub size: usize,
    /// How many messages.
    pub count: u32,
    /// Cut into fragments of so many bytes; 0: one frame.
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

/// How what is sent is cut into writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As much as possible in one write.
    Whole,
    /// One write for each frame, with a millisecond between them.
    PerFrame,
    /// So many bytes for each write; single bytes have a millisecond between them.
    Bytes(usize),
}

/// What must come back on an open connection.
#[derive(Clone, Copy, Debug)]
pub struct Expect {
    /// The sequences of events that are right, and how right.
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
    /// A [`Step::Wait`] passed with the connection open, or a [`Step::AwaitWithin`] in vain.
    Waited,
    /// All messages of a [`Step::Echo`] came back.
    Echoed,
}

/// How the connection must end.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// Who must start the closing handshake, or fail the connection.
    pub by: By,
    /// The codes the peer may send; a Close without code is right as well.
    pub codes: &'static [u16],
    /// Whether a whole closing handshake is demanded, down to the server's end of the TCP connection.
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
    /// The peer does, in reaction to what was sent.
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
    /// Whether it is a Pong.
    pub(crate) const fn is_pong(&self) -> bool {
        matches!(self, Event::Pong(_))
    }
}

impl Case {
    /// The start of every literal: a good handshake, nothing sent, the peer answers our Close.
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

    /// The group or family a case belongs to: `6.2` of `6.2.1`, `HSS` of `HSS-004`.
    pub fn group(&self) -> &'static str {
        match (self.id.split_once('-'), self.id.rsplit_once('.')) {
            (Some((family, _)), _) => family,
            (None, Some((group, _))) => group,
            (None, None) => self.id,
        }
    }

    /// Whether all that it says in the opening handshake is about subprotocols and extensions, or nothing.
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

    /// Whether the case can examine that side; [`Subject::Both`] asks for either.
    pub fn examines(&self, subject: Subject) -> bool {
        self.subject == Subject::Both || subject == Subject::Both || self.subject == subject
    }

    /// Whether the case bears this mark.
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
    /// We close with 1000 once the outcome is there, and the peer answers.
    pub const CLEAN: Self = Self { by: By::Us, codes: &[1000], clean: true, decides: Decides::Nothing };
    /// The peer fails the connection with 1002.
    pub const FAILS: Self = Self { by: By::Peer, codes: &[1002], clean: false, decides: Decides::Nothing };
    /// Not judged.
    pub const ANY: Self = Self { by: By::Anyone, codes: &[], clean: false, decides: Decides::Nothing };
}

impl Frame {
    /// A final frame with this opcode.
    pub const fn of(opcode: u8, payload: Payload) -> Self {
        Self { header: RawHeader::of(opcode), payload, masking: Masking::ByRole, declare: Declare::Payload }
    }

    /// Whether another frame of the message is to follow: FIN is not set.
    pub const fn more(self) -> Self {
        Self { header: RawHeader { fin: false, ..self.header }, ..self }
    }

    /// With the reserved bits RSV1 (4), RSV2 (2) and RSV3 (1).
    pub const fn rsv(self, bits: u8) -> Self {
        let header =
            RawHeader { rsv1: bits & 4 != 0, rsv2: bits & 2 != 0, rsv3: bits & 1 != 0, ..self.header };
        Self { header, ..self }
    }

    /// Masked as the other side would have it.
    pub const fn wrongly_masked(self) -> Self {
        Self { masking: Masking::Wrong, ..self }
    }

    /// Masked with this key.
    pub const fn key(self, key: [u8; 4]) -> Self {
        Self { masking: Masking::Key(key), ..self }
    }

    /// The length in this form, minimal or not.
    pub const fn form(self, form: LengthForm) -> Self {
        Self { declare: Declare::Form(form), ..self }
    }

    /// Declares this length, whatever follows.
    pub const fn declaring(self, length: u64) -> Self {
        Self { declare: Declare::Length(length), ..self }
    }
}

/// Short names for the case files.
pub mod dsl {
    use super::{Frame, Payload};

    /// A final text frame.
    pub const fn text(payload: &'static [u8]) -> Frame {
        Frame::of(1, Payload::Bytes(payload))
    }
    /// A final binary frame.
    pub const fn binary(payload: &'static [u8]) -> Frame {
        Frame::of(2, Payload::Bytes(payload))
    }
    /// A final continuation frame.
    pub const fn cont(payload: &'static [u8]) -> Frame {
        Frame::of(0, Payload::Bytes(payload))
    }
    /// A Ping.
    pub const fn ping(payload: &'static [u8]) -> Frame {
        Frame::of(9, Payload::Bytes(payload))
    }
    /// A Pong.
    pub const fn pong(payload: &'static [u8]) -> Frame {
        Frame::of(10, Payload::Bytes(payload))
    }
    /// A Close with this payload as it is.
    pub const fn close(payload: &'static [u8]) -> Frame {
        Frame::of(8, Payload::Bytes(payload))
    }
    /// A Close with a code and no reason.
    pub const fn close_code(code: u16) -> Frame {
        Frame::of(8, Payload::Code(code))
    }
}
