//! What a proxy's case is: data, and nothing else.
//!
//! A [`Case`] is a script for both sides: what each sends ([`ProxyStep::Ask`], [`ProxyStep::Answer`], [`ProxyStep::Send`]) and what
//! has to come out at the other ([`ProxyStep::Reach`], [`ProxyStep::Get`], [`ProxyStep::Arrive`]). A step that is not fulfilled ends
//! the case with a [`Passage`], which the case accepts or not.

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
    /// How binding the rule is; what may be is only observed.
    pub level: Level,
    /// What the rule leaves to a proxy beside passing everything on as it was sent.
    pub accepts: &'static [Passage],
    /// Why there is nothing to play over HTTP/2; empty: it is played there, too.
    pub only_http1: &'static str,
    /// Free marks to select by.
    pub tags: &'static [&'static str],
    /// What both sides do.
    pub script: &'static [ProxyStep],
    /// How long a step may take, in milliseconds.
    pub patience: u32,
    /// How many conversations of this kind are held at once.
    pub copies: u16,
}

/// One of the two that talk over the proxy. Both are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The client before the proxy.
    Client,
    /// The server behind it.
    Origin,
}

/// One thing that a side does, or that has to come out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ProxyStep {
    /// The client sends its request, with these changes.
    Ask(&'static [Edit]),
    /// The same, its last line only when it is known whether the front passes on what is no whole head.
    Feel,
    /// How everything that this side sends from now on is cut into writes.
    Cut(Side, Pace),
    /// The request comes out at the origin, and this holds of it.
    Reach(&'static [Check]),
    /// The origin answers 101, with these changes.
    Answer(&'static [Edit]),
    /// The origin answers otherwise: the status line without the version, further lines, what stands behind the head.
    Refuse(&'static str, &'static [&'static str], &'static [u8]),
    /// The origin sends bytes that are no head.
    Say(&'static [u8]),
    /// The head of the answer comes out at the client, and this holds of it.
    Get(&'static [Check]),
    /// An answer of the proxy comes, or it ends the connection: the origin gives none.
    Fallback,
    /// These bytes come out as the body of the answer.
    Body(&'static [u8]),
    /// A side sends this, and it has to come out.
    Send(Side, Data),
    /// Each piece of this is sent when the one before has come out: so many times so many bytes.
    Trickle(Side, u32, usize),
    /// A byte there and a byte back, so many times.
    RoundTrips(u32),
    /// All that this side has sent comes out.
    Arrive(Side),
    /// The same within so many milliseconds, without anything else being sent.
    ArriveWithin(Side, u32),
    /// A side sends this, and it must not come out at the other.
    Stray(Side, &'static [u8]),
    /// Waits for the answer to what is stray; at the most so many milliseconds.
    Judge(u32),
    /// A side stops reading, and goes on with it.
    Hold(Side, bool),
    /// A side sends until nobody takes anything any more; at the most so many bytes.
    Fill(Side, usize),
    /// A side ends its half of the connection.
    End(Side),
    /// A side resets its connection.
    Reset(Side),
    /// A side sees the end of its connection; later than so many milliseconds is late.
    Ends(Side, u32),
    /// Nothing is done for so many milliseconds.
    Rest(u32),
    /// The connections are still there on both sides.
    StillOpen,
    /// Nobody listens at the origin during this case. The first step, if at all.
    NobodyListens,
}

/// What is sent on an open connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Data {
    /// These bytes.
    Bytes(&'static [u8]),
    /// These frames, masked as the side demands.
    Frames(&'static [Frame]),
    /// So many bytes that follow from the seed.
    Random(usize),
}

/// Something that must hold of a head when it comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The first line is the one that was sent; a status line may have another reason phrase.
    First,
    /// Method and version are those of an upgrade, and the target is the one that was sent.
    Target,
    /// The reason phrase is the one that was sent.
    Reason,
    /// This field has the same lines in the same order.
    Kept(&'static str),
    /// This field, which is a list, has the same members in the same order, on however many lines.
    Members(&'static str),
    /// The upgrade is asked for, or granted: `Upgrade` holds `websocket`, `Connection` holds `upgrade`.
    Upgrades,
    /// This field was sent as it must not be; what comes out otherwise is repaired.
    Wrong(&'static str),
    /// The upgrade was asked for in a wrong way; what comes out right is repaired.
    WrongUpgrade,
    /// This field is for the next hop only: it is gone, unless nothing of the head was touched.
    Hop(&'static str),
    /// A proxy that understands HTTP must not pass such a head on with this in it.
    Stops(&'static str),
    /// The same where it has both of these in it.
    StopsBoth(&'static str, &'static str),
    /// These statuses came before, each of them.
    Interim(&'static [u16]),
}

/// Why what `Connection` is about is not played over HTTP/2.
pub(super) const HOP_BY_HOP: &str =
    "Connection, Upgrade and what they name stand in no message of HTTP/2 (RFC 9113 §8.2.2)";

impl Case {
    /// The start of every literal.
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

    /// The family: `PRX-REQ` of `PRX-REQ-001`.
    pub fn family(&self) -> &'static str {
        self.id.rsplit_once('-').map_or(self.id, |(family, _)| family)
    }

    /// Whether nobody may listen at the origin meanwhile.
    pub(super) fn without_origin(&self) -> bool {
        self.script.first() == Some(&ProxyStep::NobodyListens)
    }
}

impl Side {
    /// The one at the other end.
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
