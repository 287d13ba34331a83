//! Plays one case against one peer: bytes and time in, bytes out, a verdict at the end. It uses no socket and no clock.
//!
//! The driver asks [`outgoing`](Player::outgoing) for what to write, reports what came with
//! [`receive`](Player::receive) and [`eof`](Player::eof), calls [`tick`](Player::tick) when
//! [`deadline`](Player::deadline) has passed, and does what [`wants`](Player::wants) says. The player is over in
//! bounded time whatever the peer does, and keeps no more of the peer's bytes than
//! [`MAX_FRAME`](super::wire::MAX_FRAME) for one frame and one message.

mod boundary;
mod head;
mod outcomes;
mod patience;
mod receive;
mod script;
mod send;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::Duration;

use bowsprit::handshake::{HeadLimits, HeadReader};

use super::case::{Answer, Case, Echo, Step, Subject};
use super::deflate::Codec;
use super::judge::{AnswerSeen, Behaviour, CloseBehaviour, Facts, Verdict, judge};
use super::opening::{self, Fill};
use super::options::Options;
use super::outbox::Outbox;
use super::random::Random;
use super::receiver::Receiver;
use super::wire::{Excerpt, Item, Log, Way};
use boundary::Boundary;
use outcomes::Outcomes;

/// The pause between two writes that should arrive apart: long enough for a peer on the same machine to read the first.
const BREATH: Duration = Duration::from_millis(1);

/// One case being played.
#[derive(Debug)]
pub struct Player {
    case: &'static Case,
    /// The side that is examined; we are the other side.
    subject: Subject,
    options: Options,
    random: Random,
    fill: Fill,
    phase: Phase,
    head: HeadReader,
    receiver: Receiver,
    /// Whether bytes that are not a frame have followed the Close, so that nothing after them can be parsed.
    deaf: bool,
    outbox: Outbox,
    codec: Option<Codec>,
    /// The next step of the script.
    step: usize,
    pause: Pause,
    /// The outcomes, compared with the events so far.
    outcomes: Outcomes,
    /// The position in the stream that we write.
    boundary: Boundary,
    /// The payloads of our Pings that have no Pong yet.
    pings: VecDeque<Vec<u8>>,
    /// How many messages the peer still sends before any case.
    greetings: u32,
    /// The payload of the peer's last Ping, until it can be answered.
    owed_pong: Option<Vec<u8>>,
    facts: Facts,
    sent_close: bool,
    peer_closed: bool,
    log: Log,
    /// Nothing is written before this time.
    breath: Option<Duration>,
    deadline: Duration,
    limit: Duration,
    ended: Duration,
    wants: Wants,
}

/// What the driver should do with the connection once [`Player::outgoing`] is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// Keep the connection.
    Nothing,
    /// End our direction.
    HalfClose,
    /// End the connection.
    Drop,
}

/// Everything about a case that was played.
#[derive(Clone, Debug)]
pub struct Record {
    /// The case.
    pub case: &'static Case,
    /// The side that was examined.
    pub subject: Subject,
    /// The verdict.
    pub verdict: Verdict,
    /// The facts that the verdict rests on.
    pub facts: Facts,
    /// What crossed the wire.
    pub log: Log,
    /// How long the case took.
    pub duration: Duration,
}

impl Record {
    /// Creates the record of a case that was not played, with the reason.
    pub fn not_played(case: &'static Case, subject: Subject, why: &str) -> Self {
        Player::new(case, subject, "", "/", Options::default()).finish().unplayed(why)
    }

    /// Changes the record to that of a case that was not played to its end, with the reason.
    pub(crate) fn unplayed(self, why: &str) -> Self {
        let verdict = Verdict {
            behaviour: Behaviour::NotPlayed,
            reason: format!("Not played: {why}."),
            close: CloseBehaviour::Informational,
            close_reason: "The ending is not judged.".to_owned(),
        };
        Self { verdict, ..self }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The peer's head is not complete yet.
    Opening,
    /// The script is running, or has ended and we wait.
    Open,
    /// Both sides have sent Close.
    Ending,
    /// There is nothing more to do.
    Over,
}

/// What the script waits for.
#[derive(Debug)]
enum Pause {
    None,
    Until(Duration),
    Rest(Duration),
    Events(usize),
    Expected(usize, Duration),
    Echo(EchoRun),
}

#[derive(Debug)]
struct EchoRun {
    echo: Echo,
    count: u32,
    sent: u32,
    offset: usize,
    expected: Cow<'static, [u8]>,
}

impl Player {
    /// Creates a player of this case against that side. A request names `host` and `target`.
    pub fn new(case: &'static Case, subject: Subject, host: &str, target: &str, options: Options) -> Self {
        Self::with(case, subject, host, target, &[], options)
    }

    /// Creates a player of this case against a server, with further lines in its request.
    pub fn asking(
        case: &'static Case,
        host: &str,
        target: &str,
        fields: &[String],
        options: Options,
    ) -> Self {
        Self::with(case, Subject::Server, host, target, fields, options)
    }

    fn with(
        case: &'static Case,
        subject: Subject,
        host: &str,
        target: &str,
        fields: &[String],
        options: Options,
    ) -> Self {
        let mut random = Random::for_case(options.seed, case.id);
        let letters = random.bytes::<8>().map(|byte| char::from(b'a' + byte % 26));
        let fill = Fill {
            host: host.to_owned(),
            target: target.to_owned(),
            key: opening::key_of(random.bytes()),
            random: letters.iter().collect(),
            fields: fields.to_vec(),
        };
        let limits = HeadLimits::new(64 * 1024, 256);
        let patience = options.patience.unwrap_or(Duration::from_millis(case.patience.into()));
        let mut player = Self {
            case,
            subject,
            options,
            random,
            fill,
            phase: Phase::Opening,
            head: match subject {
                Subject::Client => HeadReader::request(limits),
                _ => HeadReader::response(limits),
            },
            receiver: Receiver::new(subject == Subject::Client, most_bytes(case)),
            deaf: false,
            outbox: Outbox::default(),
            codec: None,
            step: 0,
            pause: Pause::None,
            outcomes: Outcomes::new(case.expect.outcomes),
            boundary: Boundary::default(),
            pings: VecDeque::new(),
            owed_pong: None,
            greetings: options.greetings,
            facts: Facts::default(),
            sent_close: false,
            peer_closed: false,
            log: Log::default(),
            breath: None,
            deadline: patience,
            limit: patience * 6 + waits(case),
            ended: Duration::ZERO,
            wants: Wants::Nothing,
        };
        if player.we_are_client() {
            player.outbox.pace(case.opening.pace);
            let request = opening::request_over(&case.opening, &player.fill, options.carrier);
            player.log.add(Duration::ZERO, || {
                Item::Head(Way::Sent, Excerpt::whole(&request[..request.len().min(8192)]))
            });
            player.outbox.push(&request);
        }
        player
    }

    /// Returns the case.
    pub fn case(&self) -> &'static Case {
        self.case
    }

    /// Returns the next bytes to write, as one write.
    pub fn outgoing(&self) -> Option<&[u8]> {
        if self.breath.is_some() { None } else { self.outbox.next() }
    }

    /// Records that this many of the outgoing bytes were written.
    pub fn sent(&mut self, now: Duration, bytes: usize) {
        self.facts.last_sent = now;
        if self.outbox.advance(bytes) {
            self.breath = Some(now + BREATH);
        }
        // The wait for the answer to a Close begins when the Close has been written, after everything queued before it.
        if self.sent_close && self.phase == Phase::Open {
            self.deadline = self.deadline.max(now + self.closing());
        }
        self.answer_ping(now);
        self.progress(now);
    }

    /// Records that the connection takes no more bytes.
    pub fn write_failed(&mut self, now: Duration, error: &str) {
        self.log.note(now, format!("writing failed: {error}"));
        self.outbox.clear();
        self.breath = None;
    }

    /// Returns what to do with the connection once everything is written.
    pub fn wants(&self) -> Wants {
        if self.outbox.is_empty() { self.wants } else { Wants::Nothing }
    }

    /// Records that the driver ended our direction, as [`wants`](Self::wants) asked.
    pub fn half_closed(&mut self, now: Duration) {
        let what = self.pipe();
        self.log.note(now, format!("we ended our half of the {what}"));
        self.wants = Wants::Nothing;
        self.advance(now);
    }

    /// Records that the driver ended the connection, as [`wants`](Self::wants) asked.
    pub fn dropped(&mut self, now: Duration) {
        if self.phase != Phase::Over {
            self.over(now);
        }
    }

    /// Returns whether the case is over and the connection can be dropped.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Records that what happens next may be caused by others on the same connection.
    pub fn lost(&mut self) {
        self.facts.lost = true;
    }

    /// Records that the connection did not come up.
    pub fn unconnected(&mut self, error: &str) {
        self.facts.unconnected = true;
        self.log.note(Duration::ZERO, format!("could not connect: {error}"));
        self.over(Duration::ZERO);
    }

    /// Returns whether the peer has opened this connection, with any head, and sent something on it.
    pub fn shows_life(&self) -> bool {
        self.facts.heard && matches!(self.facts.answer, Some((AnswerSeen::Opened, _)))
    }

    /// Returns whether the peer has refused the connection or closed it in order; at most the end of the transport is
    /// missing.
    pub(super) fn has_taken_leave(&self) -> bool {
        self.facts.took_leave()
    }

    /// Returns when the last of the bytes due so far was sent, counted from the start, if all of them were.
    pub(super) fn last_word(&self) -> Option<Duration> {
        self.outbox.is_empty().then_some(self.facts.last_sent)
    }

    /// Returns the verdict and everything it rests on.
    pub fn finish(mut self) -> Record {
        self.facts.reached = self.outcomes.reached();
        self.facts.loosely = self.outcomes.loosely();
        let verdict = judge(self.case, &self.facts);
        Record {
            case: self.case,
            subject: self.subject,
            verdict,
            facts: self.facts,
            log: self.log,
            duration: self.ended,
        }
    }

    fn we_are_client(&self) -> bool {
        self.subject != Subject::Client
    }

    /// Returns the name of the transport.
    fn pipe(&self) -> &'static str {
        if self.options.carrier.is_http2() { "stream" } else { "TCP connection" }
    }

    fn must_open(&self) -> bool {
        self.case.opening.answers.iter().any(|(_, answer)| *answer == Answer::Opens)
    }

    fn over(&mut self, now: Duration) {
        self.phase = Phase::Over;
        self.wants = Wants::Drop;
        self.ended = now;
        self.outbox.clear();
        self.breath = None;
    }

    /// Records the peer's answer, unless one is recorded already.
    fn decide(&mut self, seen: AnswerSeen) {
        if self.facts.answer.is_some() {
            return;
        }
        let fits = |answer: &Answer| match (answer, seen) {
            (Answer::Opens, AnswerSeen::Opened)
            | (Answer::Drops, AnswerSeen::Dropped)
            | (Answer::Silent, AnswerSeen::Silent) => true,
            (Answer::Refuses, AnswerSeen::Status(_)) => true,
            (Answer::Status(right), AnswerSeen::Status(status)) => match right {
                [] => (400..600).contains(&status),
                _ => right.contains(&status),
            },
            _ => false,
        };
        let class =
            self.case.opening.answers.iter().find(|(_, answer)| fits(answer)).map(|(class, _)| *class);
        self.facts.answer = Some((seen, class));
    }
}

/// Returns the most that a message of the peer may hold: twice what a case sends or expects, and a little more.
fn most_bytes(case: &Case) -> usize {
    let of_step = |step: &Step| match step {
        Step::Frame(frame) | Step::Begin(frame) => frame.payload.len(),
        Step::Times(frame, times) => frame.payload.len().saturating_mul(*times as usize),
        Step::Message(_, payload, _) => payload.len(),
        Step::Echo(echo) => echo.size,
        _ => 0,
    };
    let sent: usize = case.script.iter().map(of_step).sum();
    2 * sent + (1 << 20)
}

/// Returns the time that the script itself takes.
fn waits(case: &Case) -> Duration {
    let millis = case.script.iter().map(|step| match step {
        Step::Wait(millis) | Step::Rest(millis) | Step::AwaitWithin(_, millis) => u64::from(*millis),
        _ => 0,
    });
    Duration::from_millis(millis.sum())
}
