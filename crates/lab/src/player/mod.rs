//! Plays one case against one peer: bytes and time in, bytes out, a verdict at the end. No socket, no clock.
//!
//! The driver asks [`outgoing`](Player::outgoing) for what to write, reports what came with
//! [`receive`](Player::receive) and [`eof`](Player::eof), calls [`tick`](Player::tick) when
//! [`deadline`](Player::deadline) is past, and obeys [`wants`](Player::wants). Promises: it is over in
//! bounded time whatever the peer does, and keeps no more of the peer's bytes than [`MAX_FRAME`](super::wire::MAX_FRAME) for
//! one frame and one message.

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

/// Between two writes that are to arrive apart: enough for a peer on the same machine to have read the first.
const BREATH: Duration = Duration::from_millis(1);

/// One case being played.
#[derive(Debug)]
pub struct Player {
    case: &'static Case,
    /// Who is examined: we are the other side.
    subject: Subject,
    options: Options,
    random: Random,
    fill: Fill,
    phase: Phase,
    head: HeadReader,
    receiver: Receiver,
    /// Bytes that are no frame have followed the Close; nothing behind them can be told apart.
    deaf: bool,
    outbox: Outbox,
    codec: Option<Codec>,
    /// The next step of the script.
    step: usize,
    pause: Pause,
    /// The outcomes, held against the events so far.
    outcomes: Outcomes,
    /// Where the stream that we write stands.
    boundary: Boundary,
    /// The data of our Pings that have no Pong yet.
    pings: VecDeque<Vec<u8>>,
    /// Messages of the peer that it says before any case.
    greetings: u32,
    /// The data of the peer's last Ping, until it can be answered.
    owed_pong: Option<Vec<u8>>,
    facts: Facts,
    sent_close: bool,
    peer_closed: bool,
    log: Log,
    /// Nothing is written before.
    breath: Option<Duration>,
    deadline: Duration,
    limit: Duration,
    ended: Duration,
    wants: Wants,
}

/// What the driver is to do with the connection once [`Player::outgoing`] is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// Keep it.
    Nothing,
    /// End our half.
    HalfClose,
    /// End it.
    Drop,
}

/// All about a case that was played.
#[derive(Clone, Debug)]
pub struct Record {
    /// The case.
    pub case: &'static Case,
    /// Who was examined.
    pub subject: Subject,
    /// The verdict.
    pub verdict: Verdict,
    /// What it rests on.
    pub facts: Facts,
    /// What crossed the wire.
    pub log: Log,
    /// How long it took.
    pub duration: Duration,
}

impl Record {
    /// The record of a case that was not played, and why.
    pub fn not_played(case: &'static Case, subject: Subject, why: &str) -> Self {
        Player::new(case, subject, "", "/", Options::default()).finish().unplayed(why)
    }

    /// The same of one that was begun and not played to its end.
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
    /// The peer's head is not whole yet.
    Opening,
    /// The script runs, or has run and we wait.
    Open,
    /// Both sides have sent Close.
    Ending,
    /// Nothing more to do.
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
    /// A player of this case against that side. `host` and `target` are what a request names.
    pub fn new(case: &'static Case, subject: Subject, host: &str, target: &str, options: Options) -> Self {
        Self::with(case, subject, host, target, &[], options)
    }

    /// A player of this case against a server, with further lines in its request.
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

    /// The case.
    pub fn case(&self) -> &'static Case {
        self.case
    }

    /// The next bytes to write, as one write.
    pub fn outgoing(&self) -> Option<&[u8]> {
        if self.breath.is_some() { None } else { self.outbox.next() }
    }

    /// So many of them were written.
    pub fn sent(&mut self, now: Duration, bytes: usize) {
        self.facts.last_sent = now;
        if self.outbox.advance(bytes) {
            self.breath = Some(now + BREATH);
        }
        // The answer to a Close is waited for from when the Close has gone out, behind all that stood before it.
        if self.sent_close && self.phase == Phase::Open {
            self.deadline = self.deadline.max(now + self.closing());
        }
        self.answer_ping(now);
        self.progress(now);
    }

    /// The connection takes no more bytes.
    pub fn write_failed(&mut self, now: Duration, error: &str) {
        self.log.note(now, format!("writing failed: {error}"));
        self.outbox.clear();
        self.breath = None;
    }

    /// What to do with the connection once everything is written.
    pub fn wants(&self) -> Wants {
        if self.outbox.is_empty() { self.wants } else { Wants::Nothing }
    }

    /// The driver did what [`wants`](Self::wants) asked for.
    pub fn half_closed(&mut self, now: Duration) {
        let what = self.pipe();
        self.log.note(now, format!("we ended our half of the {what}"));
        self.wants = Wants::Nothing;
        self.advance(now);
    }

    /// The driver ended the connection, as [`wants`](Self::wants) asked for.
    pub fn dropped(&mut self, now: Duration) {
        if self.phase != Phase::Over {
            self.over(now);
        }
    }

    /// Whether the case is over and the connection can be let go.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// What happens next may be because of others on the same connection.
    pub fn lost(&mut self) {
        self.facts.lost = true;
    }

    /// The connection did not come up.
    pub fn unconnected(&mut self, error: &str) {
        self.facts.unconnected = true;
        self.log.note(Duration::ZERO, format!("could not connect: {error}"));
        self.over(Duration::ZERO);
    }

    /// Whether the peer has opened this connection, by whatever head, and said something on it.
    pub fn shows_life(&self) -> bool {
        self.facts.heard && matches!(self.facts.answer, Some((AnswerSeen::Opened, _)))
    }

    /// Whether the peer has refused the connection or closed it in order; at most its end is missing.
    pub(super) fn has_taken_leave(&self) -> bool {
        self.facts.took_leave()
    }

    /// When the last of what has to be sent so far was sent, counted from the start, if all of it was.
    pub(super) fn last_word(&self) -> Option<Duration> {
        self.outbox.is_empty().then_some(self.facts.last_sent)
    }

    /// The verdict, and all it rests on.
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

    /// What carries our bytes.
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

    /// Settles what the peer answered, unless that is settled.
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

/// The most that a message of the peer may hold: what a case sends or expects, twice, and a little.
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

/// The time that the script itself takes.
fn waits(case: &Case) -> Duration {
    let millis = case.script.iter().map(|step| match step {
        Step::Wait(millis) | Step::Rest(millis) | Step::AwaitWithin(_, millis) => u64::from(*millis),
        _ => 0,
    });
    Duration::from_millis(millis.sum())
}
