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
mod script;
mod send;

use std::collections::VecDeque;
use std::time::Duration;

use bowsprit::error::Section;
use bowsprit::handshake::{HeadLimits, HeadReader};

use super::case::{Answer, Case, Echo, Step, Subject};
use super::deflate::Codec;
use super::judge::{AnswerSeen, Behaviour, CloseBehaviour, Facts, Verdict, judge};
use super::opening::{self, Fill};
use super::options::Options;
use super::outbox::Outbox;
use super::random::Random;
use super::receiver::{Receiver, Seen};
use super::rule::Violation;
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
    Echo(EchoRun),
}

#[derive(Debug)]
struct EchoRun {
    echo: Echo,
    count: u32,
    sent: u32,
    offset: usize,
    expected: Vec<u8>,
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
        let limits = HeadLimits { max_bytes: 64 * 1024, max_headers: 256 };
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

    /// When [`tick`](Self::tick) is due.
    pub fn deadline(&self) -> Duration {
        let due = match self.pause {
            Pause::Until(at) | Pause::Rest(at) if self.phase == Phase::Open => at.min(self.limit),
            _ => self.deadline.min(self.limit),
        };
        self.breath.map_or(due, |at| at.min(due))
    }

    /// Whether the case is over and the connection can be let go.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Bytes from the peer.
    pub fn receive(&mut self, now: Duration, mut bytes: &[u8]) {
        self.facts.last_heard = now;
        self.progress(now);
        if self.phase == Phase::Opening {
            match self.receive_head(now, bytes) {
                Some(used) => bytes = &bytes[used..],
                None => return,
            }
        }
        if bytes.is_empty() || self.deaf || !matches!(self.phase, Phase::Open | Phase::Ending) {
            return;
        }
        // A client that refuses our response may ask again on the same connection; that is no frame.
        if !self.we_are_client()
            && !self.facts.heard
            && self.facts.answer.is_none()
            && bytes.starts_with(b"GET /")
        {
            self.log.note(now, "the client does not open the connection, and asks again on it");
            self.decide(AnswerSeen::Dropped);
            return self.over(now);
        }
        self.facts.heard = true;
        self.receiver.push(bytes);
        while matches!(self.phase, Phase::Open | Phase::Ending) {
            match self.receiver.next(self.codec.as_mut()) {
                Ok(None) => break,
                Ok(Some(frame)) => {
                    let (header, excerpt) = (frame.header, Excerpt::of(&frame.payload));
                    self.log.add(now, || Item::Frame(Way::Received, header, excerpt));
                    // A client that fails the connection with a Close has not opened it.
                    let refuses = matches!(frame.seen, Some(Seen::Close(Some(1002 | 1003 | 1010), _)));
                    let opens = self.we_are_client() || self.must_open() || !refuses;
                    self.decide(if opens { AnswerSeen::Opened } else { AnswerSeen::Dropped });
                    if let Some(seen) = frame.seen {
                        self.on_seen(now, seen);
                    }
                }
                Err(violation) if self.phase == Phase::Ending && !self.minds(&violation) => {
                    self.log.note(now, "bytes that are no frame follow the Close; they do not count here");
                    self.deaf = true;
                    break;
                }
                Err(violation) => {
                    self.decide(AnswerSeen::Opened);
                    let rest = Excerpt::of(self.receiver.offending());
                    self.log.add(now, || Item::Bytes(Way::Received, rest));
                    self.facts.remote_code = self.facts.remote_code.or(self.receiver.code());
                    self.violate(now, violation);
                    break;
                }
            }
        }
        self.advance(now);
    }

    /// The peer ended its half, or the connection broke: `error` says how.
    pub fn eof(&mut self, now: Duration, error: Option<&str>) {
        if self.phase == Phase::Over {
            return;
        }
        self.facts.sent_all = self.step >= self.case.script.len() && self.outbox.is_empty();
        self.log.note(
            now,
            match error {
                None => format!("the peer ended the {}", self.pipe()),
                Some(error) => format!("the {} broke: {error}", self.pipe()),
            },
        );
        (self.facts.ended_by_peer, self.facts.reset) = (true, error.is_some());
        if self.facts.answer.is_none() {
            self.decide(AnswerSeen::Dropped);
        }
        if self.peer_closed && self.receiver.has_rest() && self.case.rule == &crate::cases::CLOSE {
            self.violate(now, Violation::new(Section::rfc6455("5.5.1"), "Bytes follow its Close"));
        }
        self.over(now);
    }

    /// The peer broke a rule of what the WebSocket is carried over.
    pub fn broken(&mut self, now: Duration, violation: Violation) {
        self.log.note(now, format!("the peer breaks a rule: {violation}"));
        self.decide(AnswerSeen::Dropped);
        self.facts.violation.get_or_insert(violation);
        self.facts.broken = true;
        self.outcomes.void();
        self.over(now);
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

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) {
        self.breath = self.breath.filter(|at| now < *at);
        if self.phase == Phase::Open {
            self.advance(now);
        }
        if now < self.deadline() || self.phase == Phase::Over {
            return;
        }
        let out_of_time = now >= self.limit;
        match self.phase {
            Phase::Opening => {
                self.facts.timed_out = true;
                self.log.note(now, "our patience ended before the opening handshake did");
                self.decide(AnswerSeen::Silent);
                self.over(now);
            }
            // A Close would be an answer to a client that waits for one, and its end of the connection no refusal of
            // ours.
            Phase::Open if self.waits_for_a_refusal() => {
                self.facts.timed_out = true;
                self.log.note(
                    now,
                    "our patience ended, and the peer had neither refused nor opened the connection",
                );
                self.decide(AnswerSeen::Silent);
                self.over(now);
            }
            Phase::Open if !self.sent_close && !out_of_time => {
                self.facts.timed_out = true;
                self.log.note(now, "our patience ended");
                self.close(now, 1000);
            }
            Phase::Open | Phase::Ending => {
                if self.peer_closed || !self.we_are_client() || self.sent_close {
                    let what = self.pipe();
                    self.log.note(now, format!("we ended the {what}, since the peer did not"));
                }
                self.facts.dropped_by_us = self.we_are_client();
                self.facts.timed_out |= self.phase == Phase::Open;
                self.decide(AnswerSeen::Silent);
                self.over(now);
            }
            Phase::Over => {}
        }
    }

    /// Whether we are a server whose response must not open the connection, and nothing has come behind it.
    fn waits_for_a_refusal(&self) -> bool {
        let may_open = self.case.opening.answers.iter().any(|(_, answer)| *answer == Answer::Opens);
        !self.we_are_client() && !may_open && !self.facts.heard && self.facts.answer.is_none()
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

    /// What follows a Close and is no frame counts where that is what the case is about.
    fn minds(&self, violation: &Violation) -> bool {
        self.case.rule == &crate::cases::CLOSE || violation.section == Section::rfc6455("5.5.1")
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

    fn patience(&self) -> Duration {
        self.options.patience.unwrap_or(Duration::from_millis(self.case.patience.into()))
    }

    /// How long we wait for the rest of a closing handshake.
    fn closing(&self) -> Duration {
        self.patience() / 2
    }

    /// Something moves: patience starts over, within the limit of the case.
    fn progress(&mut self, now: Duration) {
        if matches!(self.phase, Phase::Open) && !self.sent_close && !self.outcomes.is_void() {
            self.deadline = now + self.patience();
        }
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

    fn violate(&mut self, now: Duration, violation: Violation) {
        self.log.note(now, format!("the peer breaks a rule: {violation}"));
        self.facts.violation.get_or_insert(violation);
        self.facts.broken = true;
        self.outcomes.void();
        if self.phase == Phase::Opening {
            self.over(now);
        } else if self.sent_close {
            // Nothing it sends can be trusted any more, and so the end is ours.
            self.facts.dropped_by_us = self.we_are_client() && !self.peer_closed;
            self.over(now);
        } else {
            self.close(now, 1002);
        }
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
    let millis = case
        .script
        .iter()
        .map(|step| if let Step::Wait(millis) | Step::Rest(millis) = step { u64::from(*millis) } else { 0 });
    Duration::from_millis(millis.sum())
}
