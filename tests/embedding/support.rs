//! What these tests stand on: a loop on a thread of its own whose callbacks are closures of the test, and a client
//! that blocks and says anything.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bowsprit::event_loop::{
    ConnId, Context, Decision, Ended, EventLoop, Failed, Handler, LoopError, Remote, Settings,
    ShutdownReport, Timer,
};
use bowsprit::frame::{MAX_HEADER, MaskKey, Parsed, RawHeader};
use bowsprit::handshake::{Acceptance, Agreement, PlainRequest, Refusal, Request};
use bowsprit::message::Message;

/// Longer than anything here takes; what waits for so long has failed.
pub const LONG: Duration = Duration::from_secs(60);

type Cx = Context<u32>;
type Hook<A> = Option<Box<dyn FnMut(&mut Cx, A) + Send>>;

/// A handler whose callbacks are closures.
#[derive(Default)]
#[expect(clippy::type_complexity, reason = "each is a closure for one callback")]
pub struct Hooks {
    pub request: Option<Box<dyn FnMut(&mut Cx, ConnId, &Request) -> Decision + Send>>,
    pub plain: Hook<ConnId>,
    pub open: Hook<ConnId>,
    pub message: Option<Box<dyn FnMut(&mut Cx, ConnId, Message<'_>) + Send>>,
    pub chunk: Hook<ConnId>,
    pub ping: Hook<ConnId>,
    pub pong: Option<Box<dyn FnMut(&mut Cx, ConnId, &[u8]) + Send>>,
    pub drained: Hook<ConnId>,
    pub close: Option<Box<dyn FnMut(&mut Cx, ConnId, &Ended) + Send>>,
    pub failed: Option<Box<dyn FnMut(&mut Cx, ConnId, &Failed) + Send>>,
    pub timer: Hook<Timer>,
    pub wake: Hook<()>,
    pub error: Option<Box<dyn FnMut(&mut Cx, &LoopError) + Send>>,
    pub shutdown: Option<Box<dyn FnMut(&mut Cx, &ShutdownReport) + Send>>,
}

impl Hooks {
    /// Sends every message back.
    pub fn echo() -> Self {
        let send = |cx: &mut Cx, id, message: Message<'_>| {
            cx.send(id, message);
        };
        Self { message: Some(Box::new(send)), ..Self::default() }
    }
}

impl Handler for Hooks {
    type Data = u32;

    fn on_request(&mut self, cx: &mut Cx, id: ConnId, request: &Request) -> Decision {
        match &mut self.request {
            Some(hook) => hook(cx, id, request),
            None => Decision::Accept(Acceptance::default()),
        }
    }

    fn on_plain(&mut self, cx: &mut Cx, id: ConnId, _: &PlainRequest) -> Refusal {
        self.plain.iter_mut().for_each(|hook| hook(cx, id));
        Refusal::upgrade_required()
    }

    fn on_open(&mut self, cx: &mut Cx, id: ConnId, _: &Agreement) {
        self.open.iter_mut().for_each(|hook| hook(cx, id));
    }

    fn on_message(&mut self, cx: &mut Cx, id: ConnId, message: Message<'_>) {
        self.message.iter_mut().for_each(|hook| hook(cx, id, message));
    }

    fn on_chunk(&mut self, cx: &mut Cx, id: ConnId, _: bowsprit::connection::Chunk<'_>) {
        self.chunk.iter_mut().for_each(|hook| hook(cx, id));
    }

    fn on_ping(&mut self, cx: &mut Cx, id: ConnId, _: &[u8]) {
        self.ping.iter_mut().for_each(|hook| hook(cx, id));
    }

    fn on_pong(&mut self, cx: &mut Cx, id: ConnId, payload: &[u8]) {
        self.pong.iter_mut().for_each(|hook| hook(cx, id, payload));
    }

    fn on_drained(&mut self, cx: &mut Cx, id: ConnId) {
        self.drained.iter_mut().for_each(|hook| hook(cx, id));
    }

    fn on_close(&mut self, cx: &mut Cx, id: ConnId, ended: &Ended) {
        self.close.iter_mut().for_each(|hook| hook(cx, id, ended));
    }

    fn on_failed(&mut self, cx: &mut Cx, id: ConnId, failed: &Failed) {
        self.failed.iter_mut().for_each(|hook| hook(cx, id, failed));
    }

    fn on_timer(&mut self, cx: &mut Cx, timer: Timer) {
        self.timer.iter_mut().for_each(|hook| hook(cx, timer));
    }

    fn on_wake(&mut self, cx: &mut Cx) {
        self.wake.iter_mut().for_each(|hook| hook(cx, ()));
    }

    fn on_error(&mut self, cx: &mut Cx, error: &LoopError) {
        self.error.iter_mut().for_each(|hook| hook(cx, error));
    }

    fn on_shutdown(&mut self, cx: &mut Cx, report: &ShutdownReport) {
        self.shutdown.iter_mut().for_each(|hook| hook(cx, report));
    }
}

/// A loop on a thread of its own, which ends with this.
pub struct Server {
    pub address: SocketAddr,
    pub remote: Remote<u32>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Server {
    pub fn start(settings: Settings, handler: impl Handler<Data = u32> + Send + 'static) -> Self {
        Self::start_with(settings, handler, |_| {})
    }

    /// `prepare` sees the loop before it runs.
    pub fn start_with(
        settings: Settings,
        mut handler: impl Handler<Data = u32> + Send + 'static,
        prepare: impl FnOnce(&mut EventLoop<u32>),
    ) -> Self {
        let mut event_loop = EventLoop::with_settings(settings).unwrap();
        let address = event_loop.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let remote = event_loop.remote().unwrap();
        prepare(&mut event_loop);
        let thread = Some(thread::spawn(move || event_loop.run(&mut handler)));
        Self { address, remote, thread }
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Asks on the thread of the loop and waits for the answer.
    pub fn ask<R: Send + 'static>(&self, ask: impl FnOnce(&mut Cx) -> R + Send + 'static) -> R {
        let (sender, answer) = channel();
        self.remote.run(move |cx| sender.send(ask(cx)).unwrap()).unwrap();
        answer.recv_timeout(LONG).expect("the loop answers")
    }

    /// Asks until the answer is yes: each question is an event of the loop, so nothing sleeps.
    pub fn wait_until(&self, ask: impl Fn(&mut Cx) -> bool + Clone + Send + 'static) {
        let end = std::time::Instant::now() + LONG;
        while !self.ask(ask.clone()) {
            assert!(std::time::Instant::now() < end, "it never comes true");
            thread::yield_now();
        }
    }

    /// Waits for the loop's own end.
    pub fn join(mut self) {
        self.thread.take().unwrap().join().unwrap().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.remote.stop();
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
            && !thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

/// A client on a blocking stream.
pub struct Client<S = TcpStream> {
    pub stream: S,
    buffer: Vec<u8>,
}

pub const REQUEST: &[u8] =
    b"GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

impl Client {
    /// Over TCP, with an open WebSocket.
    pub fn connect(address: SocketAddr) -> Self {
        let mut client = Self::tcp(address);
        client.upgrade();
        client
    }

    /// Over TCP, with nothing said yet.
    pub fn tcp(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.set_write_timeout(Some(LONG)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    /// Ends so that the peer gets a reset.
    pub fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

impl<S: Read + Write> Client<S> {
    pub fn over(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub fn upgrade(&mut self) {
        self.write(REQUEST);
        let head = self.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    }

    /// An HTTP head, as text.
    pub fn head(&mut self) -> String {
        self.try_head().expect("the server ended the connection")
    }

    /// An HTTP head; `None` where the server has ended the connection.
    pub fn try_head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let rest = self.buffer.split_off(end + 4);
                return Some(String::from_utf8(std::mem::replace(&mut self.buffer, rest)).unwrap());
            }
            match self.fill() {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub fn text(&mut self, text: &str) {
        self.write(&frame(RawHeader::TEXT, text.as_bytes()));
    }

    /// The next frame; `None` once the server has ended the connection.
    pub fn next(&mut self) -> Option<(RawHeader, Vec<u8>)> {
        loop {
            if let Parsed::Done(header, used) = RawHeader::parse(&self.buffer) {
                let end = used + header.length as usize;
                if self.buffer.len() >= end {
                    let rest = self.buffer.split_off(end);
                    let mut frame = std::mem::replace(&mut self.buffer, rest);
                    return Some((header, frame.split_off(used)));
                }
            }
            match self.fill() {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The next frame, which is a text.
    pub fn next_text(&mut self) -> String {
        let (header, payload) = self.next().expect("a message");
        assert_eq!((header.opcode, header.fin), (0x1, true), "{payload:?}");
        String::from_utf8(payload).unwrap()
    }

    /// The code of the next frame, which is a Close.
    pub fn next_close(&mut self) -> u16 {
        let (header, payload) = self.next().expect("a Close frame");
        assert_eq!(header.opcode, 0x8, "{payload:?}");
        payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code))
    }

    /// Sends a Close frame.
    pub fn close(&mut self, code: u16) {
        self.write(&frame(RawHeader::CLOSE, &code.to_be_bytes()));
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut chunk = [0; 16 * 1024];
        let len = self.stream.read(&mut chunk)?;
        self.buffer.extend_from_slice(&chunk[..len]);
        Ok(len)
    }
}

/// A client's frame.
pub fn frame(header: RawHeader, payload: &[u8]) -> Vec<u8> {
    let key = MaskKey([7, 1, 9, 4]);
    let mut bytes = [0; MAX_HEADER];
    let used = header.with_length(payload.len() as u64).with_mask(key).encode(&mut bytes);
    let mut frame = bytes[..used].to_vec();
    frame.extend_from_slice(payload);
    key.apply(&mut frame[used..]);
    frame
}

/// A hook that passes on what it is called with.
pub fn report<A: Send + 'static>() -> (Hook<A>, Receiver<A>) {
    let (sender, receiver) = channel();
    (Some(Box::new(move |_, argument| drop(sender.send(argument)))), receiver)
}

/// Waits for what a hook reports.
pub fn wait<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(LONG).expect("the callback comes")
}

/// How connections ended: what reports it, and where it is told.
#[expect(clippy::type_complexity, reason = "as in `Hooks`")]
pub fn ends() -> (Option<Box<dyn FnMut(&mut Cx, ConnId, &Ended) + Send>>, Receiver<(ConnId, String)>) {
    let (sender, receiver): (Sender<_>, _) = channel();
    let hook = move |_: &mut Cx, id: ConnId, ended: &Ended| {
        drop(sender.send((id, format!("{:?} {}", ended.cause, ended.outcome.code()))));
    };
    (Some(Box::new(hook)), receiver)
}
