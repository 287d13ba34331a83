//! The core alone, on plain `std::net` sockets with one thread per connection, driven to its end: the handshake, the
//! bytes that came right after it, messages, the Close frame after a fault, Pings and time-outs, the end of TCP.
//!
//! `cargo run --example sans_io -- 127.0.0.1:9001`
//!
//! The library needs no feature for this. It does all that RFC 6455 asks for; the driver is left with the four things
//! that a socket and a clock do, each of which is one function here: [`read`], [`write`], [`serve`] and [`part`].

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bowsprit::connection::{CloseStep, Config, Connection, Event, Outcome};
use bowsprit::handshake::{
    Acceptance, HeadLimits, Incoming, OriginPolicy, Progress, Refusal, ServerHandshake,
};

/// How long a client may take for its request, however it sends it.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    let listener = TcpListener::bind(address)?;
    println!("ws://{}/", listener.local_addr()?);

    let mut config = Config::default();
    config.ping_interval = Some(Duration::from_secs(30));
    let config = Arc::new(config);
    loop {
        // A failed accept says something about one connection, or about the moment; it never ends a server.
        let Ok((mut stream, peer)) = listener.accept() else {
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        let config = Arc::clone(&config);
        thread::spawn(move || match serve(&mut stream, config) {
            Ok(Some(outcome)) => println!("{peer} closed with {}", outcome.code()),
            Ok(None) => println!("{peer} was refused"),
            Err(error) => println!("{peer} was lost: {error}"),
        });
    }
}

/// Serves one client. Returns `None` if it was refused.
fn serve(stream: &mut TcpStream, config: Arc<Config>) -> io::Result<Option<Outcome>> {
    stream.set_nodelay(true)?;
    let mut buf = vec![0; 64 * 1024];
    let Some(early) = shake_hands(stream, &mut buf)? else { return Ok(None) };

    let mut conn = Connection::server(config, Instant::now());
    let mut filled = early;
    loop {
        // Handles the events of what was read. An echo borrows the message from `buf` until it is queued.
        let Connection { inbound, outbound, deadlines } = &mut conn;
        let mut input = &mut buf[..filled];
        if !input.is_empty() {
            deadlines.heard(Instant::now());
        }
        loop {
            match inbound.next(&mut input, outbound) {
                Ok(Some(Event::Message(message))) => {
                    // Refused only if this side is closing, or the client reads too slowly.
                    if outbound.send(message).is_err() {
                        break;
                    }
                }
                Ok(Some(_)) => {} // Pings and Close frames are answered already; the program may look at them
                Ok(None) => break,
                Err(error) => {
                    // The Close frame that reports it is queued already, and goes out below.
                    eprintln!("{error} ({}), so {}", error.section(), error.close_code());
                    break;
                }
            }
        }
        write(stream, &mut conn)?;
        match conn.close_step() {
            CloseStep::None => {}
            CloseStep::CloseTcp => {
                part(stream, &mut buf)?;
                return Ok(Some(conn.outcome()));
            }
            // One Close frame has passed, and the other may take `Config::close_timeout`.
            CloseStep::EchoClose | CloseStep::AwaitClose | CloseStep::AwaitEof => {
                conn.deadlines.closing(Instant::now());
            }
        }
        filled = match read(stream, &mut buf, conn.next_timeout())? {
            Some(0) => return Ok(Some(conn.outcome())), // without a Close frame: 1006
            Some(len) => len,
            None => {
                // A Ping is due, or the client has been silent for too long.
                if conn.handle_timeout(Instant::now()).is_some() {
                    let _ = write(stream, &mut conn); // last words, for a client that still listens
                    return Ok(Some(conn.outcome()));
                }
                0
            }
        };
    }
}

/// Reads the request and answers it. Returns how many bytes of the first frames came right after the request, moved to
/// the front of `buf`, or `None` if the request was refused.
fn shake_hands(stream: &mut TcpStream, buf: &mut [u8]) -> io::Result<Option<usize>> {
    let until = Instant::now() + HANDSHAKE_TIMEOUT;
    let mut handshake = ServerHandshake::new(HeadLimits::default());
    loop {
        let len = match read(stream, buf, Some(until))? {
            Some(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Some(len) => len,
            None => return Err(ErrorKind::TimedOut.into()),
        };
        let refusal = match handshake.receive(&buf[..len]) {
            Ok(Progress::NeedMore) => continue,
            Ok(Progress::Done { value: Incoming::Upgrade(request), used }) => {
                match OriginPolicy::loopback().check(&request) {
                    Ok(()) => {
                        let (response, _agreement) = request
                            .accept(&Acceptance::default())
                            .expect("nothing was chosen that was not offered");
                        stream.write_all(&response)?;
                        buf.copy_within(used..len, 0);
                        return Ok(Some(len - used));
                    }
                    Err(error) => error.refusal().encode(),
                }
            }
            Ok(Progress::Done { value: Incoming::Plain(request), .. }) => {
                request.answer(&Refusal::upgrade_required())
            }
            Err(error) => handshake.answer(error),
        };
        stream.write_all(&refusal)?;
        part(stream, buf)?;
        return Ok(None);
    }
}

/// Reads once. Returns 0 at the end of the stream, and `None` if the time was up.
fn read(stream: &mut TcpStream, buf: &mut [u8], until: Option<Instant>) -> io::Result<Option<usize>> {
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return Ok(None);
        }
        stream.set_read_timeout(left)?;
        match stream.read(buf) {
            Ok(len) => return Ok(Some(len)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes what is queued, and reports to the queue what was written.
fn write(stream: &mut TcpStream, conn: &mut Connection) -> io::Result<()> {
    // A client that reads nothing must not hold this thread for ever.
    stream.set_write_timeout(Some(conn.outbound.config().close_timeout))?;
    while !conn.outbound.pending().is_empty() {
        match stream.write(conn.outbound.pending()) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(len) => conn.outbound.advance(len),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Ends our direction and waits a moment for the client to end its own: closing a socket with unread bytes would reset
/// the connection, and what was written last would be lost (RFC 6455 §7.1.1).
fn part(stream: &mut TcpStream, buf: &mut [u8]) -> io::Result<()> {
    let until = Instant::now() + Duration::from_secs(1);
    stream.shutdown(Shutdown::Write)?;
    while read(stream, buf, Some(until))?.is_some_and(|len| len > 0) {}
    Ok(())
}
