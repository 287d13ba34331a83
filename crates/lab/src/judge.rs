//! From facts to a verdict: behaviour and ending are judged separately, in the classes of the Autobahn suite.

use std::fmt;
use std::time::Duration;

use super::case::{By, Case, Class, Decides, Subject};
use super::rule::Violation;

/// The verdict on what the peer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Behaviour {
    /// What the rule asks for.
    Ok,
    /// Within the rule, against a recommendation.
    NonStrict,
    /// Observed only.
    Informational,
    /// The peer does not offer the feature that the case is about.
    Unimplemented,
    /// Against the rule.
    Failed,
    /// The expected events came, but only after our patience had ended, and again so when the case was played alone.
    Late,
    /// The peer does not accept the connection of this case, alone or beside others, although it accepts others. For a
    /// proxy: it answered itself.
    Refused,
    /// The peer has not answered anybody since this case was played.
    Hung,
    /// The peer has accepted no connections since this case was played.
    Crashed,
    /// The case failed among other cases for lack of time or room, and passes alone: the cause is our load, not the
    /// peer.
    Muddled,
    /// A proxy forwarded everything as it was sent.
    Transparent,
    /// A proxy forwarded a wrong message in a corrected form.
    Repaired,
    /// A proxy forwarded something other than what was sent, or forwarded it later.
    Altered,
    /// A proxy did not forward what was sent, and told nobody.
    Lost,
    /// A proxy forwarded something that it must not.
    Unsafe,
    /// The request did not reach the server as it was sent: a proxy in front repaired the handshake or answered it
    /// itself.
    NotReached,
    /// The case does not apply to the transport that the peer is reached over.
    NotApplicable,
    /// The case was not played, or not to its end, for a reason that is not its own.
    NotPlayed,
}

/// The verdict on how the connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CloseBehaviour {
    /// As it should.
    Ok,
    /// Observed only.
    Informational,
    /// We had to end the TCP connection, which is the server's task (RFC 6455 §7.1.1).
    FailedByClient,
    /// The close code is not among the right ones.
    WrongCode,
    /// There was no complete closing handshake where one is required.
    Unclean,
    /// The wrong side closed.
    Failed,
}

/// What happened, as far as the verdict depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The answer to the opening handshake, with how right it is, if it is right.
    pub answer: Option<(AnswerSeen, Option<Class>)>,
    /// Bits of the outcomes that match the events in full.
    pub reached: u32,
    /// Bits of those outcomes that match only because a Pong may answer several Pings or overtake an echo.
    pub loosely: u32,
    /// Whether an event came only after our patience had ended.
    pub late: bool,
    /// How many Pongs answered no Ping of ours while a Ping waited for its answer.
    pub other_pongs: u32,
    /// Whether the case needs an extension that was not agreed.
    pub unimplemented: bool,
    /// The first rule that the peer's own bytes break, or the first check that does not hold.
    pub violation: Option<Violation>,
    /// Whether that rule is a rule of the wire format, so that nothing more on the connection can be trusted.
    pub broken: bool,
    /// Whether we sent a Close before the peer did.
    pub closed_by_us: bool,
    /// The code of the peer's Close.
    pub remote_code: Option<u16>,
    /// Whether a Close was sent and one received.
    pub both_closed: bool,
    /// Whether we ended the TCP connection because the peer did not.
    pub dropped_by_us: bool,
    /// Whether the patience of the case ended before anything else did.
    pub timed_out: bool,
    /// Whether the connection failed to come up.
    pub unconnected: bool,
    /// Whether bytes came behind the head of the opening handshake.
    pub heard: bool,
    /// Whether the peer ended the TCP connection.
    pub ended_by_peer: bool,
    /// Whether the peer did so by a reset rather than in order.
    pub reset: bool,
    /// Whether the HTTP/2 connection ended with other streams on it, one of which may be the cause.
    pub lost: bool,
    /// Whether the whole script was sent.
    pub sent_all: bool,
    /// When we last wrote something, counted from the start of the case.
    pub last_sent: Duration,
    /// When we last read something.
    pub last_heard: Duration,
}

impl Facts {
    /// Returns whether the peer ended in good order: with an answer that refuses the connection, or a complete closing
    /// handshake.
    pub fn took_leave(&self) -> bool {
        self.both_closed || matches!(self.answer, Some((AnswerSeen::Status(_), _)))
    }
}

/// The peer's answer to our half of the opening handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AnswerSeen {
    /// The connection is open.
    Opened,
    /// An HTTP status other than 101.
    Status(u16),
    /// The peer ended the connection.
    Dropped,
    /// Nothing came.
    Silent,
}

/// Both verdicts, each with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The verdict on the behaviour.
    pub behaviour: Behaviour,
    /// Why the behaviour is judged so.
    pub reason: String,
    /// The verdict on the ending.
    pub close: CloseBehaviour,
    /// Why the ending is judged so.
    pub close_reason: String,
}

impl Verdict {
    /// Returns whether both are fine for a user who accepts non-strict behaviour. Without the extension that it is
    /// about, a case says nothing about the peer.
    pub fn passed(&self) -> bool {
        match self.behaviour {
            Behaviour::Unimplemented
            | Behaviour::Muddled
            | Behaviour::NotReached
            | Behaviour::NotApplicable
            | Behaviour::Transparent => true,
            Behaviour::Ok | Behaviour::NonStrict | Behaviour::Informational => matches!(
                self.close,
                CloseBehaviour::Ok | CloseBehaviour::Informational | CloseBehaviour::FailedByClient
            ),
            Behaviour::Failed
            | Behaviour::Late
            | Behaviour::Refused
            | Behaviour::Hung
            | Behaviour::Crashed
            | Behaviour::Repaired
            | Behaviour::Altered
            | Behaviour::Lost
            | Behaviour::Unsafe
            | Behaviour::NotPlayed => false,
        }
    }

    /// Returns whether both are fine for a user who does not accept non-strict behaviour.
    pub fn strictly_passed(&self) -> bool {
        let says_nothing = matches!(
            self.behaviour,
            Behaviour::Unimplemented | Behaviour::Muddled | Behaviour::NotReached | Behaviour::NotApplicable
        );
        says_nothing
            || (self.passed()
                && self.behaviour != Behaviour::NonStrict
                && self.close != CloseBehaviour::FailedByClient)
    }
}

/// Judges a case.
pub fn judge(case: &Case, facts: &Facts) -> Verdict {
    let (mut behaviour, mut reason) = judge_behaviour(case, facts);
    let (close, close_reason) = judge_close(case, facts);
    let wrong_side = opened(facts) && side_is_wrong(case, facts);
    let decides = case.expect.close.decides;
    let fatal = (wrong_side && matches!(decides, Decides::Side | Decides::Both))
        || (close == CloseBehaviour::WrongCode && matches!(decides, Decides::Code | Decides::Both));
    if fatal && !matches!(behaviour, Behaviour::Informational | Behaviour::Unimplemented) {
        behaviour = Behaviour::Failed;
        reason = close_reason.clone();
    }
    Verdict { behaviour, reason, close, close_reason }
}

fn opened(facts: &Facts) -> bool {
    matches!(facts.answer, Some((AnswerSeen::Opened, _)))
}

fn judge_behaviour(case: &Case, facts: &Facts) -> (Behaviour, String) {
    if facts.unconnected {
        return (Behaviour::Refused, "The server did not take the connection.".to_owned());
    }
    let best = case
        .expect
        .outcomes
        .iter()
        .enumerate()
        .filter(|(i, _)| facts.reached & (1 << i) != 0)
        .map(
            |(i, (class, _))| {
                if facts.loosely & (1 << i) != 0 { Class::NonStrict.max(*class) } else { *class }
            },
        )
        .min();
    if let Some(violation) = &facts.violation {
        return (Behaviour::Failed, violation.to_string());
    }
    let observed_only = case.expect.outcomes.iter().any(|(class, _)| *class == Class::Informational);
    match facts.answer {
        None => (Behaviour::Failed, "There was no answer to judge.".to_owned()),
        Some((seen, None)) => (Behaviour::Failed, format!("The opening handshake ended wrongly: {seen}.")),
        Some((AnswerSeen::Opened, Some(_))) if facts.unimplemented => {
            (Behaviour::Unimplemented, "The extension that this case needs was not agreed.".to_owned())
        }
        Some((AnswerSeen::Opened, Some(_))) if observed_only => {
            (Behaviour::Informational, "This is left open by the rule; it is only observed.".to_owned())
        }
        Some((AnswerSeen::Opened, Some(class))) => match best {
            Some(outcome) => match class.max(outcome) {
                Class::Ok | Class::NonStrict if facts.late => (
                    Behaviour::Late,
                    "What was expected came, but only when our patience had ended.".to_owned(),
                ),
                Class::Ok => (Behaviour::Ok, "Events match an expected outcome.".to_owned()),
                Class::NonStrict => (
                    Behaviour::NonStrict,
                    "Events match an outcome that is allowed but not recommended.".to_owned(),
                ),
                Class::Informational => (Behaviour::Informational, "Observed.".to_owned()),
            },
            None if facts.timed_out && facts.other_pongs > 0 => (
                Behaviour::Failed,
                "No Pong with the data of our Ping came, only others (§5.5.3).".to_owned(),
            ),
            None if facts.timed_out => {
                (Behaviour::Failed, "What was expected did not come in time.".to_owned())
            }
            None => (Behaviour::Failed, "Events match no expected outcome.".to_owned()),
        },
        Some((seen, Some(Class::Ok))) => {
            (Behaviour::Ok, format!("The opening handshake ended as it should: {seen}."))
        }
        Some((seen, Some(Class::NonStrict))) => (
            Behaviour::NonStrict,
            format!("The opening handshake ended in an allowed, not the recommended way: {seen}."),
        ),
        Some((seen, Some(Class::Informational))) => {
            (Behaviour::Informational, format!("The opening handshake ended: {seen}."))
        }
    }
}

fn side_is_wrong(case: &Case, facts: &Facts) -> bool {
    match case.expect.close.by {
        By::Us | By::Script => !facts.closed_by_us,
        By::Peer => facts.closed_by_us,
        By::Anyone => false,
    }
}

fn judge_close(case: &Case, facts: &Facts) -> (CloseBehaviour, String) {
    let rule = &case.expect.close;
    if !opened(facts) {
        // A peer that rightly answers with an HTTP status has no closing handshake to perform.
        return match facts.answer {
            Some((_, Some(_))) => (CloseBehaviour::Ok, "There was no connection to close.".to_owned()),
            _ => (CloseBehaviour::Failed, "The opening handshake was never completed.".to_owned()),
        };
    }
    let observed_only = case.expect.outcomes.iter().any(|(class, _)| *class == Class::Informational);
    if observed_only || rule.by == By::Anyone {
        return (CloseBehaviour::Informational, "The ending is not judged.".to_owned());
    }
    if side_is_wrong(case, facts) {
        let who = if facts.closed_by_us { "us, since the peer did not" } else { "the peer" };
        return (CloseBehaviour::Failed, format!("The connection was closed by {who}."));
    }
    let clean =
        facts.both_closed && !facts.broken && !(facts.dropped_by_us && case.subject != Subject::Client);
    if rule.clean && !clean {
        let what = if facts.broken {
            "the peer had broken a rule before"
        } else if facts.both_closed {
            "the server did not end it"
        } else {
            "no Close frame came back"
        };
        return (CloseBehaviour::Unclean, format!("The closing handshake is not complete: {what}."));
    }
    match facts.remote_code {
        Some(code) if !rule.codes.contains(&code) => {
            let right: Vec<String> = rule.codes.iter().map(u16::to_string).collect();
            (
                CloseBehaviour::WrongCode,
                format!("The peer's close code is {code}; right are {} or none.", right.join(", ")),
            )
        }
        _ if facts.dropped_by_us => (
            CloseBehaviour::FailedByClient,
            "We had to end the TCP connection; the server should have.".to_owned(),
        ),
        _ => (CloseBehaviour::Ok, "The connection was closed properly.".to_owned()),
    }
}

impl Behaviour {
    /// Returns the name in reports; the first five are Autobahn's.
    pub const fn name(self) -> &'static str {
        match self {
            Behaviour::Ok => "OK",
            Behaviour::NonStrict => "NON-STRICT",
            Behaviour::Informational => "INFORMATIONAL",
            Behaviour::Unimplemented => "UNIMPLEMENTED",
            Behaviour::Failed => "FAILED",
            Behaviour::Late => "LATE",
            Behaviour::Refused => "REFUSED",
            Behaviour::Hung => "HUNG",
            Behaviour::Crashed => "CRASHED",
            Behaviour::Muddled => "MUDDLED",
            Behaviour::Transparent => "TRANSPARENT",
            Behaviour::Repaired => "REPAIRED",
            Behaviour::Altered => "ALTERED",
            Behaviour::Lost => "LOST",
            Behaviour::Unsafe => "UNSAFE",
            Behaviour::NotReached => "NOT REACHED",
            Behaviour::NotApplicable => "NOT APPLICABLE",
            Behaviour::NotPlayed => "NOT PLAYED",
        }
    }
}

impl CloseBehaviour {
    /// Returns the name that Autobahn's reports use.
    pub const fn name(self) -> &'static str {
        match self {
            CloseBehaviour::Ok => "OK",
            CloseBehaviour::Informational => "INFORMATIONAL",
            CloseBehaviour::FailedByClient => "FAILED BY CLIENT",
            CloseBehaviour::WrongCode => "WRONG CODE",
            CloseBehaviour::Unclean => "UNCLEAN",
            CloseBehaviour::Failed => "FAILED",
        }
    }
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for CloseBehaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for AnswerSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AnswerSeen::Opened => f.write_str("the connection opened"),
            AnswerSeen::Status(status) => write!(f, "HTTP status {status}"),
            AnswerSeen::Dropped => f.write_str("the peer ended the connection without an answer"),
            AnswerSeen::Silent => f.write_str("no answer came"),
        }
    }
}
