//! Plays one case against one peer: octets and time in, octets out, a verdict at the end. No socket, no clock.
//!
//! The driver asks [`outgoing`](Player::outgoing) for what to write, reports what came with
//! [`receive`](Player::receive) and [`eof`](Player::eof), calls [`tick`](Player::tick) when
//! [`deadline`](Player::deadline) is past, and obeys [`wants`](Player::wants). Promises: it is over in
//! bounded time whatever the peer does, and keeps no more of the peer's octets than [`wire::MAX_FRAME`] for
//! one frame and one message.

use std::time::Duration;

use crate::frame::{MaskKey, RawHeader};
use crate::handshake::{Head, HeadLimits, HeadReader, Progress, StartLine};

use super::case::{Answer, By, Case, Declare, Echo, Event, Frame, Kind, Masking, Step, Subject};
use super::deflate::{self, Codec};
use super::judge::{AnswerSeen, Facts, Verdict, judge};
use super::opening::{self, Fill};
use super::options::Options;
use super::outbox::Outbox;
use super::payload::Payload;
use super::random::Random;
use super::receiver::{Receiver, Seen};
use super::wire::{Excerpt, Item, Log, Way};

/// How long we wait for the rest of a closing handshake.
const CLOSING: Duration = Duration::from_millis(1_500);

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
    outbox: Outbox,
    codec: Option<Codec>,
    /// The next step of the script.
    step: usize,
    pause: Pause,
    /// Events so far, and the outcomes that still fit them.
    events: usize,
    alive: u32,
    facts: Facts,
    sent_close: bool,
    peer_closed: bool,
    log: Log,
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
        let mut random = Random::for_case(options.seed, case.id);
        let letters = random.octets::<8>().map(|octet| char::from(b'a' + octet % 26));
        let fill = Fill {
            host: host.to_owned(),
            target: target.to_owned(),
            key: opening::key_of(random.octets()),
            random: letters.iter().collect(),
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
            receiver: Receiver::new(subject == Subject::Client),
            outbox: Outbox::default(),
            codec: None,
            step: 0,
            pause: Pause::None,
            events: 0,
            alive: u32::MAX,
            facts: Facts::default(),
            sent_close: false,
            peer_closed: false,
            log: Log::default(),
            deadline: patience,
            limit: patience * 6 + waits(case),
            ended: Duration::ZERO,
            wants: Wants::Nothing,
        };
        if player.we_are_client() {
            player.outbox.pace(case.opening.pace);
            let request = opening::request(&case.opening, &player.fill);
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

    /// The next octets to write, as one write.
    pub fn outgoing(&self) -> Option<&[u8]> {
        self.outbox.next()
    }

    /// So many of them were written.
    pub fn sent(&mut self, now: Duration, octets: usize) {
        self.outbox.advance(octets);
        self.progress(now);
    }

    /// The connection takes no more octets.
    pub fn write_failed(&mut self, now: Duration, error: &str) {
        self.log.note(now, format!("writing failed: {error}"));
        self.outbox.clear();
    }

    /// What to do with the connection once everything is written.
    pub fn wants(&self) -> Wants {
        self.wants
    }

    /// The driver did what [`wants`](Self::wants) asked for.
    pub fn half_closed(&mut self, now: Duration) {
        self.log.note(now, "we ended our half of the TCP connection");
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
        match self.pause {
            Pause::Until(at) | Pause::Rest(at) if self.phase == Phase::Open => at.min(self.limit),
            _ => self.deadline.min(self.limit),
        }
    }

    /// Whether the case is over and the connection can be let go.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Octets from the peer.
    pub fn receive(&mut self, now: Duration, mut octets: &[u8]) {
        self.progress(now);
        if self.phase == Phase::Opening {
            match self.receive_head(now, octets) {
                Some(used) => octets = &octets[used..],
                None => return,
            }
        }
        if octets.is_empty() || !matches!(self.phase, Phase::Open | Phase::Ending) {
            return;
        }
        self.receiver.push(octets);
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
                Err(violation) => {
                    self.decide(AnswerSeen::Opened);
                    let rest = Excerpt::of(self.receiver.offending());
                    self.log.add(now, || Item::Octets(Way::Received, rest));
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
        self.log.note(
            now,
            match error {
                None => "the peer ended the TCP connection".to_owned(),
                Some(error) => format!("the TCP connection broke: {error}"),
            },
        );
        if self.facts.answer.is_none() {
            self.decide(AnswerSeen::Dropped);
        }
        self.over(now);
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) {
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
            Phase::Open if !self.sent_close && !out_of_time => {
                self.facts.timed_out = true;
                self.log.note(now, "our patience ended");
                self.close(now, 1000);
            }
            Phase::Open | Phase::Ending => {
                if self.peer_closed || !self.we_are_client() || self.sent_close {
                    self.log.note(now, "we ended the TCP connection, since the peer did not");
                }
                self.facts.dropped_by_us = self.we_are_client();
                self.facts.timed_out |= self.phase == Phase::Open;
                self.decide(AnswerSeen::Silent);
                self.over(now);
            }
            Phase::Over => {}
        }
    }

    /// The verdict, and all it rests on.
    pub fn finish(mut self) -> Record {
        self.facts.reached = self.reached();
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

    fn must_open(&self) -> bool {
        self.case.opening.answers.iter().any(|(_, answer)| *answer == Answer::Opens)
    }

    fn patience(&self) -> Duration {
        self.options.patience.unwrap_or(Duration::from_millis(self.case.patience.into()))
    }

    /// Something moves: patience starts over, within the limit of the case.
    fn progress(&mut self, now: Duration) {
        if matches!(self.phase, Phase::Open) && !self.sent_close && self.alive != 0 {
            self.deadline = now + self.patience();
        }
    }

    fn over(&mut self, now: Duration) {
        self.phase = Phase::Over;
        self.wants = Wants::Drop;
        self.ended = now;
        self.outbox.clear();
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

    fn violate(&mut self, now: Duration, violation: String) {
        self.log.note(now, format!("the peer breaks a rule: {violation}"));
        self.facts.violation.get_or_insert(violation);
        self.alive = 0;
        if self.phase == Phase::Opening {
            self.over(now);
        } else if self.sent_close {
            // Nothing it sends can be trusted any more.
            self.over(now);
        } else {
            self.close(now, 1002);
        }
    }

    /// The peer's head; how many octets of the input belong to it, once it is settled and frames may follow.
    fn receive_head(&mut self, now: Duration, octets: &[u8]) -> Option<usize> {
        let mut used_before = 0;
        loop {
            match self.head.receive(&octets[used_before..]) {
                Ok(Progress::NeedMore) => {
                    return None;
                }
                Ok(Progress::Done { value: head, used }) => {
                    used_before += used;
                    let kept = Excerpt::whole(head.octets());
                    self.log.add(now, || Item::Head(Way::Received, kept));
                    match head.start_line() {
                        // RFC 9110 §15.2: interim responses may come first, but not 101.
                        StartLine::Response { status: 100 | 102..=199, .. } => continue,
                        StartLine::Response { status: 101, .. } => self.on_switching(now, &head),
                        StartLine::Response { status, .. } => {
                            self.check_head(now, &head, &octets[used_before..]);
                            self.decide(AnswerSeen::Status(status));
                            let body = Excerpt::of(&octets[used_before..]);
                            if body.len > 0 {
                                self.log.add(now, || Item::Octets(Way::Received, body));
                            }
                            self.over(now);
                        }
                        StartLine::Request { .. } if used_before < octets.len() => {
                            self.facts.answer = Some((AnswerSeen::Dropped, None));
                            self.violate(
                                now,
                                "It sends octets before it has the response (§4.1).".to_owned(),
                            );
                        }
                        StartLine::Request { .. } => self.on_request(now, &head),
                    }
                    return (self.phase == Phase::Open).then_some(used_before);
                }
                Err(error) => {
                    let kept = Excerpt::of(octets);
                    self.log.add(now, || Item::Octets(Way::Received, kept));
                    self.decide(AnswerSeen::Dropped);
                    self.facts.answer = Some((AnswerSeen::Dropped, None));
                    self.violate(
                        now,
                        format!("What came back is no HTTP head. ({error}, {})", error.section()),
                    );
                    return None;
                }
            }
        }
    }

    fn check_head(&mut self, now: Duration, head: &Head, behind: &[u8]) {
        for check in self.case.opening.checks {
            if let Err(error) = opening::check(*check, head, behind) {
                self.violate(now, error);
            }
        }
    }

    /// A 101 from the server under test.
    fn on_switching(&mut self, now: Duration, head: &Head) {
        self.decide(AnswerSeen::Opened);
        // What was offered is read back from what was sent, edits included.
        let request = opening::request(&self.case.opening, &self.fill);
        let mut reader = HeadReader::request(HeadLimits { max_bytes: 1 << 24, max_headers: 1 << 16 });
        let sent = match reader.receive(&request) {
            Ok(Progress::Done { value, .. }) => Some(value),
            _ => None,
        };
        let values = |name: &'static str| sent.iter().flat_map(move |head| head.values(name));
        let offered: Vec<_> = values("sec-websocket-extensions")
            .filter_map(|value| deflate::parse(value).ok())
            .flatten()
            .collect();
        let protocols: Vec<&str> = sent
            .iter()
            .flat_map(|head| head.tokens("sec-websocket-protocol"))
            .filter_map(|token| str::from_utf8(token).ok())
            .collect();
        let key = values("sec-websocket-key").next().and_then(|key| str::from_utf8(key).ok());
        let key = key.unwrap_or(&self.fill.key).to_owned();
        match opening::judge_response(head, &key, &offered, &protocols) {
            Ok(agreed) => self.codec = agreed.map(Codec::new),
            Err(violation) => return self.violate(now, violation),
        }
        self.check_head(now, head, b"");
        if self.phase == Phase::Opening && self.facts.violation.is_none() {
            self.open(now);
        }
    }

    /// The request of the client under test; our response follows.
    fn on_request(&mut self, now: Duration, head: &Head) {
        match opening::judge_request(head) {
            Ok(key) => self.fill.key = key,
            Err(violation) => {
                self.facts.answer = Some((AnswerSeen::Dropped, None));
                return self.violate(now, violation);
            }
        }
        self.check_head(now, head, b"");
        if self.facts.violation.is_some() {
            return;
        }
        let offers: Vec<_> = head
            .values("sec-websocket-extensions")
            .filter_map(|value| deflate::parse(value).ok())
            .flatten()
            .collect();
        let accepted = deflate::accept(self.case.opening.deflate, &offers);
        let response = opening::response(
            &self.case.opening,
            &self.fill,
            accepted.as_ref().map(|(_, answer)| answer.as_str()),
        );
        self.codec = accepted.map(|(agreed, _)| Codec::new(agreed));
        self.outbox.pace(self.case.opening.pace);
        self.log.add(now, || Item::Head(Way::Sent, Excerpt::whole(&response[..response.len().min(8192)])));
        self.outbox.push(&response);
        // Nothing is wrong with it, so whatever the client does from here on, it does on an open connection.
        if self.case.opening.edits.is_empty() {
            self.decide(AnswerSeen::Opened);
        }
        self.open(now);
    }

    fn open(&mut self, now: Duration) {
        self.phase = Phase::Open;
        self.deadline = now + self.patience();
        self.outbox.pace(super::case::Pace::Whole);
        let wrongly_open = self.we_are_client() && matches!(self.facts.answer, Some((_, None)));
        if !self.case.opening.deflate.is_empty() && self.codec.is_none() {
            self.facts.unimplemented = true;
        }
        if wrongly_open || self.facts.unimplemented {
            self.alive = 0;
            self.step = self.case.script.len();
            self.close(now, 1000);
        } else {
            self.advance(now);
        }
    }

    /// Runs the script as far as it goes, and closes once an outcome is reached.
    fn advance(&mut self, now: Duration) {
        while self.phase == Phase::Open && self.wants == Wants::Nothing {
            match &mut self.pause {
                Pause::None => {}
                Pause::Until(at) if now >= *at => {
                    self.pause = Pause::None;
                    if !self.peer_closed {
                        self.on_event(now, &Seen::Waited);
                    }
                }
                Pause::Rest(at) if now >= *at => self.pause = Pause::None,
                Pause::Events(count) if self.events >= *count || now >= self.deadline => {
                    self.pause = Pause::None
                }
                Pause::Until(_) | Pause::Rest(_) | Pause::Events(_) | Pause::Echo(_) => return,
            }
            let Some(step) = self.case.script.get(self.step) else { break };
            self.step += 1;
            // §5.5.1: an endpoint that has answered a Close sends nothing more, and neither do we.
            if self.peer_closed {
                continue;
            }
            self.play(now, step);
        }
        let done = self.phase == Phase::Open && self.step >= self.case.script.len();
        if done && matches!(self.pause, Pause::None) && !self.sent_close && self.settled() {
            self.close(now, 1000);
        }
    }

    /// Whether nothing more is expected, so that it is on us to close.
    fn settled(&self) -> bool {
        let alive = self.case_outcomes_alive();
        let outcomes = self.case.expect.outcomes.iter().enumerate();
        let longest =
            outcomes.filter(|(i, _)| alive & (1 << i) != 0).map(|(_, (_, events))| events.len()).max();
        match self.case.expect.close.by {
            By::Us => alive == 0 || self.reached() != 0,
            By::Anyone => longest.is_none_or(|longest| longest > 0 && longest == self.events),
            By::Script | By::Peer => false,
        }
    }

    fn play(&mut self, now: Duration, step: &'static Step) {
        match step {
            Step::Frame(frame) => self.send_frame(now, frame),
            Step::Times(frame, times) => (0..*times).for_each(|_| self.send_frame(now, frame)),
            Step::Bytes(octets) => {
                self.log.add(now, || Item::Octets(Way::Sent, Excerpt::of(octets)));
                self.outbox.push(octets);
            }
            Step::Message(kind, payload, fragment) => {
                self.send_message(now, *kind, &payload.octets(), *fragment)
            }
            Step::Echo(echo) => {
                let count = self.options.effort.messages(echo);
                self.pause =
                    Pause::Echo(EchoRun { echo: *echo, count, sent: 0, offset: 0, expected: Vec::new() });
                self.echo_next(now);
            }
            Step::Begin(frame) => self.send_frame(now, frame),
            Step::Part(octets) => {
                self.log.add(now, || Item::Octets(Way::Sent, Excerpt::of(octets)));
                self.outbox.push_part(octets);
            }
            Step::Pace(pace) => self.outbox.pace(*pace),
            Step::Wait(millis) => {
                self.log.note(now, format!("waiting {millis} ms"));
                self.pause = Pause::Until(now + self.options.effort.wait(*millis));
            }
            Step::Rest(millis) => self.pause = Pause::Rest(now + self.options.effort.wait(*millis)),
            Step::Await(events) => self.pause = Pause::Events(*events),
            Step::HalfClose => self.wants = Wants::HalfClose,
            Step::Drop => {
                self.log.note(now, "we end the TCP connection");
                self.wants = Wants::Drop;
                self.decide(AnswerSeen::Opened);
            }
        }
    }

    fn send_frame(&mut self, now: Duration, frame: &Frame) {
        let payload = frame.payload.octets();
        let length = match frame.declare {
            Declare::Length(length) => length,
            _ => payload.len() as u64,
        };
        let mut header = frame.header.with_length(length);
        if let Declare::Form(form) = frame.declare {
            header.form = header.form.max(form);
        }
        header.mask = match (frame.masking, self.we_are_client()) {
            (Masking::ByRole, true) | (Masking::Wrong, false) => Some(MaskKey(self.random.octets())),
            (Masking::ByRole, false) | (Masking::Wrong, true) => None,
            (Masking::Key(key), _) => Some(MaskKey(key)),
        };
        // Where the peer has to fail the connection, a Close of ours is no more than the bait.
        if header.opcode == 8 && !self.sent_close && self.case.expect.close.by != By::Peer {
            self.sent_close = true;
            self.facts.closed_by_us = !self.peer_closed;
            self.deadline = now + self.patience().min(CLOSING * 2);
        }
        self.push_frame(now, header, &payload);
    }

    fn push_frame(&mut self, now: Duration, header: RawHeader, payload: &[u8]) {
        self.log.add(now, || Item::Frame(Way::Sent, header, Excerpt::of(payload)));
        self.outbox.push_frame(header, payload);
    }

    fn send_message(&mut self, now: Duration, kind: Kind, message: &[u8], fragment: usize) {
        let compressed = self.codec.as_mut().map(|codec| codec.compress(message));
        let payload = compressed.as_deref().unwrap_or(message);
        let size = if fragment == 0 { payload.len().max(1) } else { fragment };
        let mut chunks = payload.chunks(size).peekable();
        let mut opcode = if kind == Kind::Text { 1 } else { 2 };
        let mut rsv1 = compressed.is_some();
        loop {
            let chunk = chunks.next().unwrap_or_default();
            let fin = chunks.peek().is_none();
            let mut header = RawHeader { fin, rsv1, ..RawHeader::of(opcode) }.with_length(chunk.len() as u64);
            if self.we_are_client() {
                header.mask = Some(MaskKey(self.random.octets()));
            }
            self.push_frame(now, header, chunk);
            if fin {
                return;
            }
            (opcode, rsv1) = (0, false);
        }
    }

    fn echo_next(&mut self, now: Duration) {
        let Pause::Echo(run) = &mut self.pause else { return };
        if run.sent == run.count {
            self.pause = Pause::None;
            return self.on_event(now, &Seen::Echoed);
        }
        run.expected = run.echo.source.slice(run.offset, run.echo.size);
        run.offset += run.echo.size;
        run.sent += 1;
        let (kind, fragment, message) = (run.echo.kind, run.echo.fragment, run.expected.clone());
        self.send_message(now, kind, &message, fragment);
    }

    fn on_seen(&mut self, now: Duration, seen: Seen) {
        match seen {
            Seen::Close(code, payload) => return self.on_close(now, code, &payload),
            // RFC 6455 §5.5.2: answered, as any endpoint must, and no event: peers may ping when they like.
            Seen::Ping(payload) => {
                if !self.sent_close {
                    self.send_pong(now, &payload);
                }
                return;
            }
            _ => {}
        }
        if let Pause::Echo(run) = &mut self.pause {
            let (kind, message) = match &seen {
                Seen::Text(message) => (Kind::Text, message),
                Seen::Binary(message) => (Kind::Binary, message),
                _ => return,
            };
            if kind == run.echo.kind && *message == run.expected {
                return self.echo_next(now);
            }
            let nth = run.sent;
            let what = if kind == run.echo.kind { "is not what was sent" } else { "is of the other type" };
            self.pause = Pause::None;
            self.alive = 0;
            self.facts
                .violation
                .get_or_insert(format!("The echo of message {nth} {what} ({} octets).", message.len()));
            return;
        }
        self.on_event(now, &seen);
    }

    fn send_pong(&mut self, now: Duration, payload: &[u8]) {
        let mut header = RawHeader::PONG.with_length(payload.len() as u64);
        if self.we_are_client() {
            header.mask = Some(MaskKey(self.random.octets()));
        }
        self.push_frame(now, header, payload);
    }

    fn on_event(&mut self, now: Duration, seen: &Seen) {
        for (i, (_, events)) in self.case.expect.outcomes.iter().enumerate() {
            if !events.get(self.events).is_some_and(|event| fits(event, seen)) {
                self.alive &= !(1 << i);
            }
        }
        self.events += 1;
        // The verdict on the behaviour is settled; a little time is left for the ending.
        if self.case_outcomes_alive() == 0 {
            self.deadline = self.deadline.min(now + CLOSING);
        }
    }

    fn case_outcomes_alive(&self) -> u32 {
        self.alive & ((1 << self.case.expect.outcomes.len()) - 1)
    }

    fn reached(&self) -> u32 {
        let outcomes = self.case.expect.outcomes.iter().enumerate();
        let whole = outcomes
            .filter(|(_, (_, events))| events.len() == self.events)
            .fold(0, |bits, (i, _)| bits | 1 << i);
        whole & self.case_outcomes_alive()
    }

    fn on_close(&mut self, now: Duration, code: Option<u16>, payload: &[u8]) {
        if self.peer_closed {
            return;
        }
        self.peer_closed = true;
        self.facts.remote_code = code;
        self.facts.both_closed = true;
        if !self.sent_close {
            self.sent_close = true;
            let mut header = RawHeader::CLOSE.with_length(payload.len().min(2) as u64);
            if self.we_are_client() {
                header.mask = Some(MaskKey(self.random.octets()));
            }
            self.push_frame(now, header, &payload[..payload.len().min(2)]);
        }
        self.phase = Phase::Ending;
        self.deadline = now + CLOSING;
        self.limit = self.limit.max(self.deadline);
        if !self.we_are_client() {
            // §7.1.1: the server ends the TCP connection first.
            self.wants = Wants::HalfClose;
        }
    }

    fn close(&mut self, now: Duration, code: u16) {
        self.sent_close = true;
        self.facts.closed_by_us = true;
        self.deadline = now + CLOSING;
        self.limit = self.limit.max(self.deadline);
        self.outbox.pace(super::case::Pace::Whole);
        let mut header = RawHeader::CLOSE.with_length(2);
        if self.we_are_client() {
            header.mask = Some(MaskKey(self.random.octets()));
        }
        self.push_frame(now, header, &Payload::Code(code).octets());
    }
}

/// The time that the script itself takes.
fn waits(case: &Case) -> Duration {
    let millis = case
        .script
        .iter()
        .map(|step| if let Step::Wait(millis) | Step::Rest(millis) = step { u64::from(*millis) } else { 0 });
    Duration::from_millis(millis.sum())
}

fn fits(event: &Event, seen: &Seen) -> bool {
    match (event, seen) {
        (Event::Text(payload), Seen::Text(octets))
        | (Event::Binary(payload), Seen::Binary(octets))
        | (Event::Pong(payload), Seen::Pong(octets)) => {
            payload.len() == octets.len() && *payload.octets() == octets[..]
        }
        (Event::Waited, Seen::Waited) | (Event::Echoed, Seen::Echoed) => true,
        _ => false,
    }
}
