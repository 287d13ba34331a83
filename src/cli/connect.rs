//! `bowsprit connect`: a client between stdin and stdout.

use std::collections::VecDeque;
use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bowsprit::close::{CloseCode, CloseReason, OwnedClose};
use bowsprit::connection::Due;
use bowsprit::event_loop::{Cause, ConnId, Context, Ended, Failed, Handler, Sent, Settings};
use bowsprit::handshake::{
    Agreement, ClientRequest, HeaderField, RefusedResponse, RequestBuildError, Response, ResponseError, Url,
};
use bowsprit::message::Message;
use mio::Waker;

use super::args::{EXIT_CODES, Time, header};
use super::deflate::{DeflateArgs, agreed};
use super::driver::{Driver, Turn};
use super::exit::Exit;
use super::input::{Format, Input, Item};
use super::limits::ConnectionArgs;
use super::output::{for_terminal, hex, one_line, say};
use super::resolve::resolve;

/// Connect to a server: lines from stdin go out as messages, messages go to stdout
///
/// Each line of stdin is sent as a text message. Each text message goes to stdout with a line end behind it, a binary
/// one as hexadecimal digits behind 0x. At the end of stdin the connection is closed with 1000, and what the server
/// still sends before it answers the Close frame is shown. A Close frame of the server ends the command at once.
/// Ctrl-C closes with 1001; a second one ends at once.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Args {
    /// Where to connect, such as ws://127.0.0.1:9001/chat
    url: String,
    /// A header for the request; may be repeated.
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<HeaderField>,
    /// The value of Origin.
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,
    /// Subprotocols to offer, the preferred one first.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    subprotocol: Vec<String>,
    /// Send what stdin brings as binary messages, write the octets of all messages to stdout as they are.
    #[arg(short, long)]
    binary: bool,
    /// How long it may take until the connection is open, all addresses of the host together.
    #[arg(long, value_name = "TIME", default_value_t = Time(Settings::default().handshake_timeout))]
    connect_timeout: Time,
    /// Show the handshake, Pings, Pongs and Close frames on stderr.
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    deflate: DeflateArgs,
}

pub(crate) fn run(args: Args) -> Exit {
    let url = match Url::parse(&args.url) {
        Ok(url) => url,
        Err(error) => return Exit::Usage.because(format_args!("{}: {error}", one_line(args.url.as_bytes()))),
    };
    if url.is_secure() {
        return Exit::Usage.because("wss:// needs TLS, which this build does not have; use ws://");
    }
    let request = match request(&args, &url) {
        Ok(request) => request,
        Err(error) => return Exit::Usage.because(error),
    };
    let open_by = Instant::now() + args.connect_timeout.0;
    let addresses = match resolve(url.host(), url.port(), args.connect_timeout.0) {
        Ok(addresses) => addresses,
        Err(error) => {
            let why = format_args!("cannot find the address of {}: {error}", one_line(url.host().as_bytes()));
            return Exit::NotConnected.because(why);
        }
    };

    let mut config = args.connection.config();
    config.deflate = args.deflate.config();
    let settings = {
        let mut settings = Settings::default();
        settings.handshake_timeout = args.connect_timeout.0;
        settings.connection = Arc::new(config.clone());
        settings
    };
    let mut driver = match Driver::new(settings) {
        Ok(driver) => driver,
        Err(error) => return Exit::Usage.because(format_args!("cannot start: {error}")),
    };
    let mut client = Client {
        request,
        addresses: addresses.into(),
        open_by,
        close_timeout: config.close_timeout,
        stage: Stage::Start,
        input: None,
        waker: driver.waker(),
        output: Output::new(args.binary),
        binary: args.binary,
        verbose: args.verbose,
    };
    match client.run(&mut driver) {
        Ok(exit) => exit,
        Err(error) => Exit::Usage.because(format_args!("cannot wait for events: {error}")),
    }
}

fn request(args: &Args, url: &Url) -> Result<ClientRequest, RequestBuildError> {
    let mut request = ClientRequest::to(url)?;
    if let Some(origin) = &args.origin {
        request = request.origin(origin)?;
    }
    for name in &args.subprotocol {
        request = request.subprotocol(name)?;
    }
    for field in &args.header {
        request = request.header(field.clone())?;
    }
    Ok(request)
}

struct Client {
    request: ClientRequest,
    /// Those not tried yet.
    addresses: VecDeque<SocketAddr>,
    open_by: Instant,
    close_timeout: Duration,
    stage: Stage,
    /// From the moment the connection is open.
    input: Option<Input>,
    waker: Arc<Waker>,
    output: Output,
    binary: bool,
    verbose: bool,
}

enum Stage {
    Start,
    /// On the way to an address, which has until then.
    Connecting {
        id: ConnId,
        address: SocketAddr,
        until: Instant,
    },
    Open(ConnId),
    /// We have begun the closing handshake; how it ends if all goes well.
    Closing(ConnId, Exit),
    Over(Exit),
}

/// While more than this waits for the server, stdin waits too.
const ENOUGH_QUEUED: usize = 256 << 10;

/// Messages taken from stdin before messages from the server get their turn.
const ITEMS_A_TURN: usize = 64;

/// How long the server may take to end the TCP connection, which it does first (§7.1.1), before we do.
const LINGER: Duration = Duration::from_secs(1);

/// The most octets shown of the body of a refusal.
const SHOWN_BODY: usize = 4096;

impl Client {
    fn run(&mut self, driver: &mut Driver<()>) -> io::Result<Exit> {
        self.try_next(driver.engine.context());
        let exit = loop {
            let until = match self.stage {
                Stage::Over(exit) => break exit,
                Stage::Connecting { until, .. } => Some(until),
                _ => None,
            };
            let turn = driver.turn(self, until)?;
            let cx = driver.engine.context();
            if turn == Turn::AskedToEnd {
                self.interrupted(cx);
            }
            self.give_up_late_attempt(cx);
            self.send_input(cx);
            self.flush_output(cx);
        };
        self.linger(driver, exit)
    }

    /// Lets what is left to be said go out.
    fn linger(&mut self, driver: &mut Driver<()>, exit: Exit) -> io::Result<Exit> {
        let by = Instant::now() + LINGER.min(self.close_timeout);
        while !driver.engine.is_empty() && Instant::now() < by {
            driver.turn(self, Some(by))?;
        }
        Ok(exit)
    }

    /// Sets out for the next address that a socket can be made for.
    fn try_next(&mut self, cx: &mut Context<()>) {
        while let Some(address) = self.addresses.pop_front() {
            let left = self.open_by.saturating_duration_since(Instant::now());
            let share = left / (self.addresses.len() as u32 + 1);
            match cx.connect(address, self.request.clone()) {
                Ok(id) => {
                    let until = Instant::now() + share;
                    self.stage = Stage::Connecting { id, address, until };
                    if self.verbose {
                        say(format_args!("connecting to {address}"));
                        if let Some(octets) = cx.handshake_request(id) {
                            show_head('>', octets);
                        }
                    }
                    return;
                }
                Err(error) => say(format_args!("cannot connect to {address}: {error}")),
            }
        }
        self.stage = Stage::Over(Exit::NotConnected);
    }

    fn give_up_late_attempt(&mut self, cx: &mut Context<()>) {
        if let Stage::Connecting { id, until, .. } = self.stage
            && Instant::now() >= until
        {
            cx.abort(id);
        }
    }

    fn interrupted(&mut self, cx: &mut Context<()>) {
        match self.stage {
            Stage::Open(id) => self.close(cx, id, CloseCode::GOING_AWAY, Exit::Done),
            Stage::Closing(..) | Stage::Over(_) => {}
            Stage::Connecting { id, .. } => {
                self.stage = Stage::Over(Exit::NotConnected.because("interrupted before it was connected"));
                cx.abort(id);
            }
            Stage::Start => {}
        }
    }

    fn close(&mut self, cx: &mut Context<()>, id: ConnId, code: CloseCode, exit: Exit) {
        cx.close(id, Some(CloseReason { code, reason: "" }));
        self.stage = Stage::Closing(id, exit);
    }

    /// Sends what stdin has brought, as far as the server reads.
    fn send_input(&mut self, cx: &mut Context<()>) {
        for _ in 0..ITEMS_A_TURN {
            let (Stage::Open(id), Some(input)) = (&self.stage, &self.input) else { return };
            let id = *id;
            if cx.queued(id) > ENOUGH_QUEUED {
                return; // `on_drained` or the end of the turn that writes it comes back here
            }
            match input.next() {
                None => return,
                Some(Item::Text(text)) => self.send(cx, id, Message::Text(&text)),
                Some(Item::Binary(octets)) => self.send(cx, id, Message::Binary(&octets)),
                Some(Item::End) => self.close(cx, id, CloseCode::NORMAL, Exit::Done),
                Some(Item::Wrong(why)) => self.close(cx, id, CloseCode::NORMAL, Exit::Usage.because(why)),
            }
        }
        // There may be more.
        let _ = self.waker.wake();
    }

    fn send(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        match cx.send(id, message) {
            // `on_close` tells, or has told.
            Sent::Now | Sent::Queued(_) | Sent::Closed => {}
            other => say(format_args!("a message was not sent: {other:?}")),
        }
    }

    fn flush_output(&mut self, cx: &mut Context<()>) {
        match self.output.flush() {
            Ok(()) => {}
            // The reader has had enough, which is its right.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.stop(cx, Exit::Done),
            Err(error) => {
                self.stop(cx, Exit::Usage.because(format_args!("cannot write to stdout: {error}")));
            }
        }
    }

    /// Nobody reads what comes any more.
    fn stop(&mut self, cx: &mut Context<()>, exit: Exit) {
        self.output.stop();
        match self.stage {
            Stage::Open(id) => self.close(cx, id, CloseCode::GOING_AWAY, exit),
            Stage::Closing(id, Exit::Done) => self.stage = Stage::Closing(id, exit),
            _ => {}
        }
    }

    fn trace(&self, text: impl Display) {
        if self.verbose {
            say(text);
        }
    }

    /// What the end of an open connection means.
    fn judge(&self, ended: &Ended) -> Exit {
        let asked = match self.stage {
            Stage::Closing(_, exit) => exit,
            _ => Exit::Done,
        };
        match &ended.cause {
            Cause::Closed => {
                let code = ended.outcome.code();
                if matches!(code, CloseCode::NORMAL | CloseCode::GOING_AWAY | CloseCode::NO_STATUS) {
                    return asked;
                }
                let reason = one_line(ended.outcome.reason().as_bytes());
                let colon = if reason.is_empty() { "" } else { ": " };
                Exit::PeerFailed.because(format_args!("the server closed with {code}{colon}{reason}"))
            }
            Cause::Protocol(error) => {
                Exit::PeerFailed.because(format_args!("the server broke a rule: {error}"))
            }
            Cause::Eof => Exit::PeerFailed.because("the server ended the connection without a Close frame"),
            Cause::Io(error) => Exit::PeerFailed.because(format_args!("the connection broke: {error}")),
            Cause::Timeout(Due::CloseTimeout) => Exit::PeerFailed.because(format_args!(
                "the server did not answer the Close frame within {}",
                Time(self.close_timeout)
            )),
            Cause::Timeout(Due::Idle) => Exit::PeerFailed.because("the server was silent for too long"),
            Cause::Timeout(_) => Exit::PeerFailed.because("the server did not answer a Ping in time"),
            other => Exit::PeerFailed.because(format_args!("the connection ended: {other:?}")),
        }
    }
}

impl Handler for Client {
    type Data = ();

    fn on_response(&mut self, _: &mut Context<()>, _: ConnId, response: &Response) {
        if self.verbose {
            show_head('<', response.head().octets());
        }
    }

    fn on_open(&mut self, cx: &mut Context<()>, id: ConnId, agreement: &Agreement) {
        if matches!(self.stage, Stage::Over(_)) {
            return cx.abort(id);
        }
        self.trace(format_args!("agreed: {}", agreed(agreement.deflate())));
        self.stage = Stage::Open(id);
        let format = if self.binary { Format::Octets } else { Format::Lines };
        self.input = Some(Input::start(format, self.waker.clone()));
    }

    fn on_message(&mut self, _: &mut Context<()>, _: ConnId, message: Message<'_>) {
        self.output.message(message);
    }

    fn on_ping(&mut self, _: &mut Context<()>, _: ConnId, payload: &[u8]) {
        self.trace(format_args!("< Ping \"{}\"", one_line(payload)));
    }

    fn on_pong(&mut self, _: &mut Context<()>, _: ConnId, payload: &[u8]) {
        self.trace(format_args!("< Pong \"{}\"", one_line(payload)));
    }

    fn on_close(&mut self, _: &mut Context<()>, _: ConnId, ended: &Ended) {
        if self.verbose {
            let mut closes = [('<', ended.outcome.received.as_ref()), ('>', ended.outcome.sent.as_ref())];
            if let Stage::Closing(..) = self.stage {
                closes.reverse(); // ours came first
            }
            for (direction, close) in closes {
                show_close(direction, close);
            }
        }
        // The messages before the last word.
        let _ = self.output.flush();
        self.stage = Stage::Over(self.judge(ended));
    }

    fn on_failed(&mut self, cx: &mut Context<()>, _: ConnId, failed: &Failed) {
        let Stage::Connecting { address, .. } = self.stage else { return };
        match failed {
            Failed::Response(ResponseError::Refused(response)) => {
                show_refusal(response);
                self.stage = Stage::Over(Exit::NotConnected);
            }
            Failed::Response(error) => {
                let why = format_args!("{address} is no WebSocket server as it should be: {error}");
                self.stage = Stage::Over(Exit::NotConnected.because(why));
            }
            // Another address may do better.
            Failed::Io(error) => {
                let hint = if error.kind() == io::ErrorKind::ConnectionRefused {
                    "; is the server running?"
                } else {
                    ""
                };
                say(format_args!("cannot connect to {address}: {error}{hint}"));
                self.try_next(cx);
            }
            _ => {
                say(format_args!("{address} did not open a WebSocket in time; see --connect-timeout"));
                self.try_next(cx);
            }
        }
    }
}

/// The answer of a server that refuses.
fn show_refusal(response: &RefusedResponse) {
    say(response);
    show_head('<', response.head().octets());
    let body = response.body();
    let shown = &body[..body.len().min(SHOWN_BODY)];
    for line in shown.split(|&octet| octet == b'\n') {
        if !line.is_empty() {
            say(format_args!("  {}", one_line(line.strip_suffix(b"\r").unwrap_or(line))));
        }
    }
    if shown.len() < body.len() || response.is_truncated() {
        say("  ... and more");
    }
}

/// The lines of an HTTP head.
fn show_head(direction: char, octets: &[u8]) {
    for line in octets.split(|&octet| octet == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            say(format_args!("{direction} {}", one_line(line)));
        }
    }
}

fn show_close(direction: char, close: Option<&Option<OwnedClose>>) {
    match close {
        None => {}
        Some(None) => say(format_args!("{direction} Close")),
        Some(Some(OwnedClose { code, reason })) => {
            say(format_args!("{direction} Close {code} \"{}\"", one_line(reason.as_bytes())));
        }
    }
}

/// Messages on stdout.
struct Output {
    to: Option<BufWriter<StdoutLock<'static>>>,
    form: Form,
    failed: io::Result<()>,
}

enum Form {
    /// For people.
    Escaped,
    /// For programs: a line for each message.
    Lines,
    /// For programs: the octets and nothing else.
    Octets,
}

impl Output {
    fn new(binary: bool) -> Self {
        let stdout = io::stdout().lock();
        let form = match binary {
            true => Form::Octets,
            false if stdout.is_terminal() => Form::Escaped,
            false => Form::Lines,
        };
        Self { to: Some(BufWriter::new(stdout)), form, failed: Ok(()) }
    }

    fn message(&mut self, message: Message<'_>) {
        if self.failed.is_ok() {
            self.failed = self.write(message);
        }
    }

    fn write(&mut self, message: Message<'_>) -> io::Result<()> {
        let Some(to) = &mut self.to else { return Ok(()) };
        match (&self.form, message) {
            (Form::Octets, message) => to.write_all(message.as_bytes()),
            (Form::Lines, Message::Text(text)) => writeln!(to, "{text}"),
            (Form::Escaped, Message::Text(text)) => writeln!(to, "{}", for_terminal(text)),
            (_, Message::Binary(octets)) => writeln!(to, "{}", hex(octets)),
        }
    }

    /// Tells what went wrong since the last time, too.
    fn flush(&mut self) -> io::Result<()> {
        std::mem::replace(&mut self.failed, Ok(()))?;
        self.to.as_mut().map_or(Ok(()), Write::flush)
    }

    /// Writes nothing from now on, nor what is still in the buffer.
    fn stop(&mut self) {
        if let Some(to) = self.to.take() {
            let _ = to.into_parts();
        }
    }
}
