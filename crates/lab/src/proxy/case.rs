//! What a proxy case is: data and nothing else.
//!
//! A [`Case`] is a script for both sides: what each sends ([`ProxyStep::Ask`], [`ProxyStep::Answer`],
//! [`ProxyStep::Send`]) and what has to come out at the other ([`ProxyStep::Reach`], [`ProxyStep::Get`],
//! [`ProxyStep::Arrive`]). A step that is not fulfilled ends the case with a [`Passage`], which the case accepts or
//! not.

use std::fmt;

use super::passage::Passage;
use crate::case::{Edit, Frame, Level, Pace};
use crate::rule::Rule;

/// One case for a proxy.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Stable, unique name, such as `PRX-REQ-001`.
    pub id: &'static str,
    /// What is done, in a few words.
    pub title: &'static str,
    /// The rule under examination.
    pub rule: &'static Rule,
    /// How binding the rule is; a [`Level::May`] is only observed.
    pub level: Level,
    /// The other passages that the rule allows, besides forwarding everything as it was sent.
    pub accepts: &'static [Passage],
    /// Why the case is not played over HTTP/2; empty if it is.
    pub only_http1: &'static str,
    /// Marks to select cases by.
    pub tags: &'static [&'static str],
    /// What both sides do.
    pub script: &'static [ProxyStep],
    /// How long a step may take, in milliseconds.
    pub patience: u32,
    /// How many conversations of this kind are held at once.
    pub copies: u16,
}

/// One of the two ends of a conversation over the proxy. Both are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The client in front of the proxy.
    Client,
    /// The server behind it.
    Origin,
}

/// One thing that a side does, or that has to come out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ProxyStep {
    /// The client sends its request, with these changes.
    Ask(&'static [Edit]),
    /// The client sends its request, but the last line only once it is known whether the front forwards an incomplete
    /// head.
    Feel,
    /// Sets how everything that this side sends from now on is cut into writes.
    Cut(Side, Pace),
    /// The request comes out at the origin, and these checks hold.
    Reach(&'static [Check]),
    /// The origin answers 101, with these changes.
    Answer(&'static [Edit]),
    /// The origin gives another answer: the status line without the version, further lines, the bytes after the head.
    Refuse(&'static str, &'static [&'static str], &'static [u8]),
    /// The origin sends bytes that are not a head.
    Say(&'static [u8]),
    /// The head of the answer comes out at the client, and these checks hold.
    Get(&'static [Check]),
    /// The proxy answers or ends the connection, since the origin gives no answer.
    Fallback,
    /// These bytes come out as the body of the answer.
    Body(&'static [u8]),
    /// A side sends this data, and it has to come out.
    Send(Side, Data),
    /// A side sends pieces, each once the one before has come out: how many, and how many bytes in each.
    Trickle(Side, u32, usize),
    /// A byte goes there and a byte back, this many times.
    RoundTrips(u32),
    /// Everything that this side has sent comes out.
    Arrive(Side),
    /// Everything that this side has sent comes out within this many milliseconds, while nothing else is sent.
    ArriveWithin(Side, u32),
    /// A side sends these bytes, which must not come out at the other.
    Stray(Side, &'static [u8]),
    /// Waits for the answer to the stray bytes, at most this many milliseconds.
    Judge(u32),
    /// A side stops reading (`true`) or resumes it.
    Hold(Side, bool),
    /// A side sends until the other end takes nothing more, at most this many bytes.
    Fill(Side, usize),
    /// A side ends its direction of the connection.
    End(Side),
    /// A side resets its connection.
    Reset(Side),
    /// A side sees the end of its connection; it is late after this many milliseconds.
    Ends(Side, u32),
    /// Nothing is done for this many milliseconds.
    Rest(u32),
    /// The connections are still there on both sides.
    StillOpen,
    /// Nobody listens at the origin during this case. This can only be the first step.
    NobodyListens,
}

/// What is sent on an open connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Data {
    /// These bytes.
    Bytes(&'static [u8]),
    /// These frames, masked as the side's role requires.
    Frames(&'static [Frame]),
    /// This many bytes, which follow from the seed.
    Random(usize),
}

/// A condition on a head that comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The first line is the one that was sent, although a status line may have another reason phrase.
    First,
    /// Method and version are those of an upgrade, and the target is the one that was sent.
    Target,
    /// The reason phrase is the one that was sent.
    Reason,
    /// This field has the same lines in the same order.
    Kept(&'static str),
    /// This field, which is a list, has the same members in the same order, on any number of lines.
    Members(&'static str),
    /// The upgrade is requested or granted: `Upgrade` holds `websocket`, `Connection` holds `upgrade`.
    Upgrades,
    /// This field was sent in a form that is not allowed; if it comes out differently, it is repaired.
    Wrong(&'static str),
    /// The upgrade was requested in a wrong way; if it comes out right, it is repaired.
    WrongUpgrade,
    /// This field is for the next hop only: it must be gone, unless nothing of the head was touched.
    Hop(&'static str),
    /// A proxy that understands HTTP must not forward a head with this field.
    Stops(&'static str),
    /// A proxy that understands HTTP must not forward a head with both of these fields.
    StopsBoth(&'static str, &'static str),
    /// Each of these statuses came before.
    Interim(&'static [u16]),
}

/// Why cases about `Connection` are not played over HTTP/2.
pub(super) const HOP_BY_HOP: &str =
    "Connection, Upgrade and what they name stand in no message of HTTP/2 (RFC 9113 §8.2.2)";

impl Case {
    /// The base of every literal.
    pub const BASE: Self = Self {
        id: "",
        title: "",
        rule: &Rule { sections: crate::rule::Sections(&[]), text: "" },
        level: Level::Must,
        accepts: &[],
        only_http1: "",
        tags: &[],
        script: &[],
        patience: 4_000,
        copies: 1,
    };

    /// Returns the family: `PRX-REQ` for `PRX-REQ-001`.
    pub fn family(&self) -> &'static str {
        self.id.rsplit_once('-').map_or(self.id, |(family, _)| family)
    }

    /// Returns whether nobody may listen at the origin during the case.
    pub(super) fn without_origin(&self) -> bool {
        self.script.first() == Some(&ProxyStep::NobodyListens)
    }
}

impl Side {
    /// Returns the other end.
    pub const fn other(self) -> Self {
        match self {
            Side::Client => Side::Origin,
            Side::Origin => Side::Client,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Side::Client => "client",
            Side::Origin => "origin",
        })
    }
}
