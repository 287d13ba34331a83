//! Our own side of a connection in memory, without a socket and without a clock, and a case played against it.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

pub mod twist;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bowsprit::Role;
use bowsprit::connection::{CloseStep, Config, Connection, Event};
use bowsprit::entropy::{Entropy, EntropyError};
use bowsprit::extension::deflate;
use bowsprit::frame::{MaskKey, Parsed, RawHeader};
use bowsprit::handshake::{
    Acceptance, Agreement, ClientHandshake, ClientRequest, HeadLimits, Incoming, Progress, Refusal,
    ServerHandshake,
};
use twist::{Manner, Twist, Way};

use bowsprit_lab::{Case, Effort, Options, Player, Record, Subject, Wants};

/// The handshake deadline of our side, as in its event loop.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The most noises on one connection.
const MOST_NOISE: usize = 2000;
/// The pause between the first byte of a frame and the rest.
const WHILE: Duration = Duration::from_millis(20);

/// Our own side of a connection, which echoes.
pub struct Ours {
    stage: Stage,
    config: Arc<Config>,
    start: Instant,
    /// The bytes to send.
    out: Vec<u8>,
    /// How many of them were sent.
    written: usize,
    /// Whether our direction ends after them.
    ends: bool,
    role: Role,
    noise: Noise,
    manner: Option<Manner>,
    /// How many noises were made so far: at most [`MOST_NOISE`], so that 65,536 fragments do not take minutes.
    noised: usize,
    /// When the rest of a frame is sent.
    rest: Option<Duration>,
}

enum Stage {
    Server(ServerHandshake),
    Client(Box<ClientHandshake>),
    Open(Box<Connection>),
    Over,
}

/// Deterministic masking keys for a test.
struct Counter(u8);

impl Entropy for Counter {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        for byte in out {
            self.0 = self.0.wrapping_mul(5).wrapping_add(113);
            *byte = self.0;
        }
        Ok(())
    }
}

fn config(manner: Option<Manner>) -> Arc<Config> {
    let mut config = Config::default();
    if manner == Some(Manner::Boundless) {
        config.max_message = usize::MAX;
        config.max_frame = u64::MAX;
    }
    let mut deflate = deflate::DeflateConfig::default();
    deflate.threshold = 0;
    config.deflate = Some(deflate);
    Arc::new(config)
}

impl Ours {
    fn new(role: Role, noise: Noise, manner: Option<Manner>) -> Self {
        let config = config(manner);
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
        Self {
            stage,
            config,
            start: Instant::now(),
            out,
            written: 0,
            ends: false,
            role,
            noise,
            manner,
            noised: 0,
            rest: None,
        }
    }

    fn receive(&mut self, now: Duration, bytes: &[u8]) {
        let used = match &mut self.stage {
            Stage::Server(handshake) => match handshake.receive(bytes) {
                Ok(Progress::NeedMore) => return,
                Ok(Progress::Done { value: Incoming::Upgrade(request), used }) => {
                    let mut acceptance = Acceptance::default();
                    acceptance.extensions.extend(deflate::answer(self.config.deflate, request.extensions()));
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
                Err(_) if self.manner == Some(Manner::Clinging) && is_empty_101(bytes) => {
                    return self.stage = Stage::Over;
                }
                Err(_) => return self.end_with(b""),
            },
            Stage::Open(_) => 0,
            Stage::Over => return,
        };
        let Stage::Open(connection) = &mut self.stage else { return };
        let mut bytes = bytes[used..].to_vec();
        let talks = self.manner == Some(Manner::Talkative) && close_is_followed(&bytes);
        let mut input = &mut bytes[..];
        if !input.is_empty() {
            connection.deadlines.heard(self.start + now);
        }
        let Connection { inbound, outbound, .. } = &mut **connection;
        let fails = loop {
            match inbound.next(&mut input, outbound) {
                Ok(Some(Event::Message(message))) => {
                    // This is refused only once the connection is closing.
                    let _ = outbound.send(message);
                }
                Ok(Some(_)) => {}
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        if fails && self.manner == Some(Manner::Forgiving) {
            return self.stage = Stage::Over;
        }
        if outbound.sent_close() {
            connection.deadlines.closing(self.start + now);
        }
        self.flush();
        if talks {
            self.frame(RawHeader::of(1), b"and another thing");
        }
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
        let mut frames = Vec::new();
        while connection.outbound.queued() > 0 {
            frames.extend_from_slice(connection.outbound.pending());
            let written = connection.outbound.pending().len();
            connection.outbound.advance(written);
        }
        self.ends |= connection.close_step() == CloseStep::CloseTcp;
        if self.noise == Noise::None || self.noise == Noise::HalfFrames {
            self.out.extend_from_slice(&frames);
        } else {
            self.make_noise(&frames);
        }
    }

    /// Sends frames with noise around and in them. Nothing follows a Close (§5.5.1).
    fn make_noise(&mut self, frames: &[u8]) {
        let mut rest = frames;
        self.noises();
        while let Parsed::Done(header, used) = RawHeader::parse(rest) {
            let end = used + usize::try_from(header.length).unwrap();
            let mut payload = rest[used..end].to_vec();
            header.mask.unwrap_or_default().apply(&mut payload);
            rest = &rest[end..];
            let is_data = header.opcode <= 2;
            let Some(size) = self.noise.fragment().filter(|_| is_data && self.noised < MOST_NOISE) else {
                self.frame(header, &payload);
                if header.opcode != 8 {
                    self.noises();
                }
                continue;
            };
            let mut header = header;
            let fin = header.fin;
            for chunk in payload.chunks(size.max(1)) {
                self.frame(RawHeader { fin: false, ..header }, chunk);
                self.noises();
                header = RawHeader { opcode: 0, rsv1: false, ..header };
            }
            self.frame(RawHeader { fin, ..header }, b"");
            self.noises();
        }
    }

    fn noises(&mut self) {
        let closed = matches!(&self.stage, Stage::Open(connection) if connection.outbound.sent_close());
        if self.noised >= MOST_NOISE || closed && self.ends {
            return;
        }
        for (opcode, payload) in self.noise.between() {
            self.frame(RawHeader::of(*opcode), payload);
            self.noised += 1;
        }
    }

    fn frame(&mut self, header: RawHeader, payload: &[u8]) {
        let mut header = RawHeader { mask: None, ..header }.with_length(payload.len() as u64);
        if self.role == Role::Client {
            header = header.with_mask(MaskKey([1, 2, 3, 4]));
        }
        header.encode_into(&mut self.out);
        let start = self.out.len();
        self.out.extend_from_slice(payload);
        header.mask.unwrap_or_default().apply(&mut self.out[start..]);
    }

    /// Returns the next bytes to send.
    fn outgoing(&mut self, now: Duration, cut: usize) -> Option<&[u8]> {
        if self.rest.is_some_and(|at| now < at) {
            return None;
        }
        let is_open = matches!(self.stage, Stage::Open(_));
        let cut = match self.rest.take() {
            None if is_open && self.noise == Noise::HalfFrames && self.out.len() > self.written + 1 => {
                self.noised += 1;
                self.rest = Some(now + WHILE).filter(|_| self.noised < 200);
                1
            }
            _ => cut,
        };
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
            return None;
        }
        let from = self.written;
        self.written += cut.min(self.out.len() - from);
        Some(&self.out[from..self.written])
    }

    /// Handles the end of the other side's direction.
    fn eof(&mut self) {
        self.flush();
        let is_cut = matches!(&self.stage, Stage::Open(connection) if !connection.inbound.received_close());
        if self.manner == Some(Manner::Completing) && is_cut && !self.ends {
            self.frame(RawHeader::of(1), b"that was all");
        }
        if self.manner == Some(Manner::Hasty) {
            self.out.truncate(self.written);
        }
        self.ends = true;
    }

    fn deadline(&self) -> Option<Duration> {
        let stage = match &self.stage {
            Stage::Open(connection) => connection.next_timeout().map(|at| at.duration_since(self.start)),
            Stage::Server(_) | Stage::Client(_) if self.manner == Some(Manner::Patient) => None,
            Stage::Server(_) | Stage::Client(_) => Some(HANDSHAKE),
            Stage::Over => None,
        };
        stage.into_iter().chain(self.rest).min()
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
            Stage::Server(_) | Stage::Client(_)
                if now >= HANDSHAKE && self.manner != Some(Manner::Patient) =>
            {
                self.end_with(b"")
            }
            _ => {}
        }
    }
}

/// Returns whether this is a 101 that declares an empty body, so that another response might follow.
fn is_empty_101(bytes: &[u8]) -> bool {
    let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    has(b"HTTP/1.1 101 ") && has(b"Content-Length: 0\r\n")
}

/// Returns whether these are whole frames, masked or plain, among them a Close followed by another.
fn close_is_followed(bytes: &[u8]) -> bool {
    let (mut rest, mut is_closed, mut is_followed) = (bytes, false, false);
    while let Parsed::Done(header, used) = RawHeader::parse(rest) {
        let end = usize::try_from(header.length).ok().and_then(|length| used.checked_add(length));
        let Some(after) = end.and_then(|end| rest.get(end..)) else { return false };
        is_followed |= is_closed;
        is_closed |= header.opcode == 8;
        rest = after;
    }
    is_followed && rest.is_empty()
}

/// What a peer may do at any time without changing a verdict (RFC 6455 §5.4, §5.5.2, §5.5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    None,
    /// A Ping before and after everything that we send, and whenever something came.
    Pings,
    /// A Pong with this data before and after everything that we send, and whenever something came.
    Pongs(&'static [u8]),
    /// Data frames are sent in fragments of this many bytes, with an empty one at the end.
    Fragments(usize),
    /// Fragments, with a Ping and a Pong between them.
    Everything,
    /// The first byte of each frame is sent, and a while later the rest.
    HalfFrames,
}

impl Noise {
    /// Returns what is sent between any two frames.
    fn between(self) -> &'static [(u8, &'static [u8])] {
        match self {
            Noise::Pings => &[(9, b"are you there?")],
            Noise::Pongs(b"") => &[(10, b"")],
            Noise::Pongs(_) => &[(10, b"nobody asked")],
            Noise::Everything => &[(9, b""), (10, b"\xff\x00"), (9, &[7; 125])],
            Noise::None | Noise::Fragments(_) | Noise::HalfFrames => &[],
        }
    }

    fn fragment(self) -> Option<usize> {
        match self {
            Noise::Fragments(size) => Some(size),
            Noise::Everything => Some(1000),
            _ => None,
        }
    }
}

/// Plays a case; writes are cut after `cut` bytes.
pub fn play(case: &'static Case, subject: Subject, cut: usize, noise: Noise) -> Record {
    play_with(case, subject, cut, noise, Twist::None)
}

/// Plays a case against a peer with a fault.
pub fn play_with(case: &'static Case, subject: Subject, cut: usize, noise: Noise, twist: Twist) -> Record {
    let options = Options { effort: Effort::Quick, ..Options::default() };
    let mut player = Player::new(case, subject, "lab.example", "/", options);
    let manner = if let Twist::Is(manner) = twist { Some(manner) } else { None };
    let mut ours =
        Ours::new(if subject == Subject::Server { Role::Server } else { Role::Client }, noise, manner);
    let mut heard = Way::new(twist, true);
    let mut said = Way::new(twist, false);
    let mut now = Duration::ZERO;
    let mut rests = 0;
    while !player.is_over() {
        let mut moved = false;
        if let Some(bytes) = player.outgoing() {
            let bytes = bytes[..bytes.len().min(cut)].to_vec();
            player.sent(now, bytes.len());
            let bytes = heard.pass(&bytes);
            if !bytes.is_empty() {
                ours.receive(now, &bytes);
            }
            // The peer learns of both before it writes.
            if manner == Some(Manner::Hasty) && player.wants() == Wants::HalfClose {
                player.half_closed(now);
                ours.eof();
            }
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
        if let Some(bytes) = ours.outgoing(now, cut) {
            said.see(&heard);
            let bytes = said.pass(bytes);
            if !bytes.is_empty() {
                player.receive(now, &bytes);
            }
            moved = true;
        } else if ours.ends
            && ours.rest.is_none()
            && !player.is_over()
            && !matches!(player.wants(), Wants::Drop)
        {
            player.eof(now, None);
            moved = true;
        }
        if !moved {
            // Nothing is under way: time passes until the next deadline.
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
