//! The examiner examines its own house in memory: every case against our own server and our own client, without a
//! socket and without a clock. What is sent arrives as it was written, and once more byte by byte. No exceptions list.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bowsprit::Role;
use bowsprit::connection::{CloseStep, Config, Connection, Event};
use bowsprit::entropy::Entropy;
use bowsprit::extension::deflate;
use bowsprit::handshake::{
    Acceptance, Agreement, ClientHandshake, ClientRequest, HeadLimits, Incoming, Progress, Refusal,
    ServerHandshake,
};
use bowsprit_lab::report::{Deny, Outcome};
use bowsprit_lab::{Behaviour, Case, Effort, Options, Player, Record, Selection, Subject, Wants, explain};

/// Of our own side, as its event loop has it.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Our own side of a connection, which echoes.
struct Ours {
    stage: Stage,
    config: Arc<Config>,
    start: Instant,
    /// What is to go out.
    out: Vec<u8>,
    /// Of that, what has gone out.
    written: usize,
    /// Our direction ends behind it.
    ends: bool,
}

enum Stage {
    Server(ServerHandshake),
    Client(Box<ClientHandshake>),
    Open(Box<Connection>),
    Over,
}

/// Masking keys of a test.
struct Counter(u8);

impl Entropy for Counter {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            self.0 = self.0.wrapping_mul(5).wrapping_add(113);
            *byte = self.0;
        }
    }
}

fn config() -> Arc<Config> {
    let mut config = Config::default();
    let mut deflate = deflate::DeflateConfig::default();
    deflate.threshold = 0;
    config.deflate = Some(deflate);
    Arc::new(config)
}

impl Ours {
    fn new(role: Role) -> Self {
        let config = config();
        let mut out = Vec::new();
        let stage = match role {
            Role::Server => Stage::Server(ServerHandshake::new(HeadLimits::default())),
            Role::Client => {
                let mut request = ClientRequest::new("lab.example", "/").unwrap();
                if let Some(offer) = deflate::offer(config.deflate, &[]) {
                    request = request.extension(offer);
                }
                let handshake = ClientHandshake::new(request, *b"sixteen bytes!!!");
                out.extend_from_slice(handshake.request());
                Stage::Client(Box::new(handshake))
            }
        };
        Self { stage, config, start: Instant::now(), out, written: 0, ends: false }
    }

    fn receive(&mut self, now: Duration, bytes: &[u8]) {
        let used = match &mut self.stage {
            Stage::Server(handshake) => match handshake.receive(bytes) {
                Ok(Progress::NeedMore) => return,
                Ok(Progress::Done { value: Incoming::Upgrade(request), used }) => {
                    let extensions = deflate::answer(self.config.deflate, request.extensions());
                    let acceptance =
                        Acceptance { extensions: extensions.into_iter().collect(), ..Acceptance::default() };
                    let (head, agreement) = request.accept(&acceptance).unwrap();
                    self.out.extend_from_slice(&head);
                    self.open(Connection::server(Arc::clone(&self.config), self.start + now), &agreement);
                    used
                }
                Ok(Progress::Done { value: Incoming::Plain(request), .. }) => {
                    let answer = request.answer(&Refusal::upgrade_required());
                    return self.end_with(&answer);
                }
                Err(error) => {
                    let answer = handshake.answer(error);
                    return self.end_with(&answer);
                }
            },
            Stage::Client(handshake) => match handshake.receive(bytes) {
                Ok(Progress::NeedMore) => return,
                Ok(Progress::Done { value, used }) => {
                    let (config, masks) = (Arc::clone(&self.config), Box::new(Counter(7)));
                    let connection = Connection::client(config, masks, self.start + now);
                    self.open(connection, value.agreement());
                    used
                }
                Err(_) => return self.end_with(b""),
            },
            Stage::Open(_) => 0,
            Stage::Over => return,
        };
        let Stage::Open(connection) = &mut self.stage else { return };
        let mut bytes = bytes[used..].to_vec();
        let mut input = &mut bytes[..];
        if !input.is_empty() {
            connection.deadlines.heard(self.start + now);
        }
        let Connection { inbound, outbound, .. } = &mut **connection;
        while let Ok(Some(event)) = inbound.next(&mut input, outbound) {
            if let Event::Message(message) = event {
                // Refused only once the connection is closing.
                let _ = outbound.send(message);
            }
        }
        if outbound.sent_close() {
            connection.deadlines.closing(self.start + now);
        }
        self.flush();
    }

    fn open(&mut self, connection: Connection, agreement: &Agreement) {
        let connection = match agreement.deflate() {
            Some(agreed) => connection.with_deflate(agreed),
            None => connection,
        };
        self.stage = Stage::Open(Box::new(connection));
    }

    fn end_with(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
        self.ends = true;
        self.stage = Stage::Over;
    }

    fn flush(&mut self) {
        let Stage::Open(connection) = &mut self.stage else { return };
        while connection.outbound.queued() > 0 {
            self.out.extend_from_slice(connection.outbound.pending());
            let written = connection.outbound.pending().len();
            connection.outbound.advance(written);
        }
        self.ends |= connection.close_step() == CloseStep::CloseTcp;
    }

    /// The next bytes that go out.
    fn outgoing(&mut self, cut: usize) -> Option<&[u8]> {
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
            return None;
        }
        let from = self.written;
        self.written += cut.min(self.out.len() - from);
        Some(&self.out[from..self.written])
    }

    /// The other side has ended its direction.
    fn eof(&mut self) {
        self.flush();
        self.ends = true;
    }

    fn deadline(&self) -> Option<Duration> {
        match &self.stage {
            Stage::Open(connection) => connection.next_timeout().map(|at| at.duration_since(self.start)),
            Stage::Server(_) | Stage::Client(_) => Some(HANDSHAKE),
            Stage::Over => None,
        }
    }

    fn tick(&mut self, now: Duration) {
        match &mut self.stage {
            Stage::Open(connection) => {
                let due = connection.handle_timeout(self.start + now);
                if due.is_some() {
                    self.flush();
                    self.end_with(b"");
                }
            }
            Stage::Server(_) | Stage::Client(_) if now >= HANDSHAKE => self.end_with(b""),
            _ => {}
        }
    }
}

/// Plays a case; writes are cut after so many bytes.
fn play(case: &'static Case, subject: Subject, cut: usize) -> Record {
    let options = Options { effort: Effort::Quick, ..Options::default() };
    let mut player = Player::new(case, subject, "lab.example", "/", options);
    let mut ours = Ours::new(if subject == Subject::Server { Role::Server } else { Role::Client });
    let mut now = Duration::ZERO;
    let mut rests = 0;
    while !player.is_over() {
        let mut moved = false;
        if let Some(bytes) = player.outgoing() {
            let bytes = bytes[..bytes.len().min(cut)].to_vec();
            player.sent(now, bytes.len());
            ours.receive(now, &bytes);
            moved = true;
        } else {
            match player.wants() {
                Wants::Nothing => {}
                Wants::HalfClose => {
                    player.half_closed(now);
                    ours.eof();
                    moved = true;
                }
                Wants::Drop => {
                    player.dropped(now);
                    break;
                }
            }
        }
        if let Some(bytes) = ours.outgoing(cut) {
            player.receive(now, bytes);
            moved = true;
        } else if ours.ends && !player.is_over() && !matches!(player.wants(), Wants::Drop) {
            player.eof(now, None);
            moved = true;
        }
        if !moved {
            // Nothing is under way: time passes, up to whatever is due first.
            let due = player.deadline();
            now = now.max(ours.deadline().map_or(due, |at| at.min(due)));
            ours.tick(now);
            player.tick(now);
            rests += 1;
            assert!(rests < 10_000, "{} does not come to an end", case.id);
        }
    }
    player.finish()
}

fn passes_every_case(subject: Subject) {
    let cases = Selection { slow: true, ..Selection::default() }.choose(subject).unwrap();
    let mut denied = String::new();
    for case in cases {
        let cuts: &[usize] = if case.has_tag("heavy") { &[usize::MAX] } else { &[usize::MAX, 1] };
        for &cut in cuts {
            let outcome = Outcome { record: play(case, subject, cut), aftermath: None };
            assert_ne!(outcome.record.verdict.behaviour, Behaviour::Unimplemented, "{}", case.id);
            if outcome.denied(Deny::Should) {
                denied += &explain::failure(&outcome.record, &format!("in memory, cut after {cut}"));
            }
        }
    }
    assert!(denied.is_empty(), "{denied}");
}

#[test]
fn our_server_passes_every_case_in_memory() {
    passes_every_case(Subject::Server);
}

#[test]
fn our_client_passes_every_case_in_memory() {
    passes_every_case(Subject::Client);
}
