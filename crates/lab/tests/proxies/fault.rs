//! Proxies for the tests: one that relays bytes, one that understands HTTP, and the latter with faults.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use bowsprit::handshake::Key;

/// The fault of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It relays bytes without understanding HTTP.
    Relay,
    /// No fault: it understands HTTP.
    None,
    LosesEarlyDataOfClient,
    LosesEarlyDataOfServer,
    DropsAByteOfClient,
    FlipsABitOfServer,
    BuffersFourKilobytes,
    MergesSubprotocols,
    ReversesLines,
    JoinsCookies,
    TakesOutAuthorization,
    DecodesTarget,
    WritesHttpAfterReset,
    TunnelsAfterRefusal,
    SwallowsEndOfClient,
    AnswersWithoutKey,
    RepairsAccept,
    CutsAtTwoMegabytes,
    HoldsEndOfServer,
    AddsAPing,
    TakesChunksOut,
    LeavesClientAlone,
    PassesBadHeads,
    TakesFewConnections,
    EndsIdleConnections,
    TakesOutInterimAnswers,
    /// It failed to reach its origin once, and does not try again. It also removes Authorization, so that there is
    /// something to play again.
    StaysAway,
    /// It asks the origin to upgrade whatever Connection says, as in the usual configuration of some proxies.
    RepairsConnection,
}

use Fault::*;

/// Starts a proxy with this fault for this origin; it runs as long as the process.
pub(crate) fn start(fault: Fault, origin: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let busy = Arc::new(AtomicUsize::new(0));
    let away = Arc::new(AtomicBool::new(false));
    thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(client) = client else { continue };
            let (busy, away) = (Arc::clone(&busy), Arc::clone(&away));
            thread::spawn(move || {
                let many = busy.fetch_add(1, Ordering::SeqCst) >= 28;
                let _ = client.set_nodelay(true);
                // Any failure ends both connections.
                let _ = match fault {
                    Relay => relay(client, origin),
                    TakesFewConnections if many => refuse(&client, "503 Service Unavailable"),
                    _ => Proxy { fault, origin, away }.serve(&client),
                };
                busy.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    addr
}

fn relay(client: TcpStream, origin: SocketAddr) -> io::Result<()> {
    let origin = TcpStream::connect(origin)?;
    origin.set_nodelay(true)?;
    tunnel(Fault::Relay, &client, &origin)
}

struct Proxy {
    fault: Fault,
    origin: SocketAddr,
    away: Arc<AtomicBool>,
}

impl Proxy {
    fn serve(&self, client: &TcpStream) -> io::Result<()> {
        let (head, mut early) = read_head(client)?;
        if self.fault != PassesBadHeads && is_bad(&head) {
            return refuse(client, "400 Bad Request");
        }
        if self.fault == AnswersWithoutKey && values(&head, "sec-websocket-key").is_empty() {
            return refuse(client, "400 Bad Request");
        }
        if self.fault == StaysAway && self.away.load(Ordering::SeqCst) {
            return refuse(client, "503 Service Unavailable");
        }
        let origin = match TcpStream::connect(self.origin) {
            Ok(origin) => origin,
            Err(_) if self.fault == LeavesClientAlone => {
                let _ = (&*client).read(&mut [0; 1]);
                return Ok(());
            }
            Err(_) => {
                self.away.store(true, Ordering::SeqCst);
                return refuse(client, "502 Bad Gateway");
            }
        };
        origin.set_nodelay(true)?;
        (&origin).write_all(&self.request(head.clone()))?;
        // The body of a request goes with it; the bytes after that wait for the answer.
        let length =
            values(&head, "content-length").first().and_then(|value| value.parse().ok()).unwrap_or(0);
        while early.len() < length {
            let mut more = [0; 4096];
            match (&*client).read(&mut more)? {
                0 => return Ok(()),
                read => early.extend_from_slice(&more[..read]),
            }
        }
        (&origin).write_all(&early[..length])?;
        early.drain(..length);
        if self.fault == LosesEarlyDataOfClient {
            early.clear();
        }
        self.answer(client, &origin, &head, early)
    }

    fn request(&self, head: String) -> Vec<u8> {
        let mut lines: Vec<String> = head.trim_end().split("\r\n").map(str::to_owned).collect();
        match self.fault {
            MergesSubprotocols => merge(&mut lines, "sec-websocket-protocol"),
            ReversesLines => lines[1..].reverse(),
            TakesOutAuthorization | StaysAway => lines.retain(|line| !is_named(line, "authorization")),
            RepairsConnection if !values(&head, "upgrade").is_empty() => {
                lines.retain(|line| !is_named(line, "connection"));
                lines.push("Connection: upgrade".to_owned());
            }
            DecodesTarget => lines[0] = lines[0].replace("%7e", "~"),
            _ => return head.into_bytes(),
        }
        (lines.join("\r\n") + "\r\n\r\n").into_bytes()
    }

    fn answer(
        &self,
        client: &TcpStream,
        origin: &TcpStream,
        request: &str,
        early: Vec<u8>,
    ) -> io::Result<()> {
        let mut rest = Vec::new();
        loop {
            let head = match read_head_behind(origin, std::mem::take(&mut rest)) {
                Ok((head, behind)) => {
                    rest = behind;
                    head
                }
                Err(_) => return refuse(client, "502 Bad Gateway"),
            };
            let status: u16 = head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
            match status {
                0 => return refuse(client, "502 Bad Gateway"),
                100 | 102..=199 if self.fault == TakesOutInterimAnswers => continue,
                100 | 102..=199 => (&*client).write_all(head.as_bytes())?,
                101 => {
                    let head = self.upgraded(head, request);
                    if self.fault == LosesEarlyDataOfServer {
                        rest.clear();
                    }
                    (&*client).write_all(&[head.as_bytes(), &rest].concat())?;
                    (&*origin).write_all(&early)?;
                    return tunnel(self.fault, client, origin);
                }
                _ => return self.refusal(client, origin, &head, rest),
            }
        }
    }

    fn upgraded(&self, head: String, request: &str) -> String {
        let mut lines: Vec<String> = head.trim_end().split("\r\n").map(str::to_owned).collect();
        match self.fault {
            JoinsCookies => merge(&mut lines, "set-cookie"),
            RepairsAccept => {
                let key = values(request, "sec-websocket-key").first().cloned().unwrap_or_default();
                lines.retain(|line| !is_named(line, "sec-websocket-accept"));
                lines.push(format!("Sec-WebSocket-Accept: {}", accept(&key)));
            }
            _ => return head,
        }
        lines.join("\r\n") + "\r\n\r\n"
    }

    fn refusal(&self, client: &TcpStream, origin: &TcpStream, head: &str, rest: Vec<u8>) -> io::Result<()> {
        // A proxy that forwards such answers forwards only one of the two fields.
        let has_both =
            !values(head, "content-length").is_empty() && !values(head, "transfer-encoding").is_empty();
        let has_blank = head.contains(" :");
        if (has_both || has_blank) && self.fault != PassesBadHeads {
            return refuse(client, "502 Bad Gateway");
        }
        (&*client).write_all(head.as_bytes())?;
        if self.fault == TunnelsAfterRefusal {
            (&*client).write_all(&rest)?;
            return tunnel(self.fault, client, origin);
        }
        let chunked = !values(head, "transfer-encoding").is_empty();
        let length = values(head, "content-length").first().and_then(|value| value.parse::<usize>().ok());
        let mut body = rest;
        let mut scratch = [0; 4096];
        let is_whole = |body: &[u8]| match length {
            Some(length) if !chunked => body.len() >= length,
            _ => chunked && body.ends_with(b"0\r\n\r\n"),
        };
        while !is_whole(&body) {
            match (&*origin).read(&mut scratch) {
                Ok(0) | Err(_) => break,
                Ok(read) => body.extend_from_slice(&scratch[..read]),
            }
        }
        body.truncate(length.filter(|_| !chunked).unwrap_or(usize::MAX));
        if chunked && self.fault == TakesChunksOut {
            body = b"not today".to_vec();
        }
        (&*client).write_all(&body)?;
        finish(client);
        Ok(())
    }
}

/// Forwards bytes both ways until both directions have ended.
fn tunnel(fault: Fault, client: &TcpStream, origin: &TcpStream) -> io::Result<()> {
    if fault == EndsIdleConnections {
        client.set_read_timeout(Some(Duration::from_millis(1500)))?;
        origin.set_read_timeout(Some(Duration::from_millis(1500)))?;
    }
    thread::scope(|scope| {
        scope.spawn(|| copy(fault, client, origin, true));
        copy(fault, origin, client, false);
    });
    Ok(())
}

fn copy(fault: Fault, mut from: &TcpStream, mut to: &TcpStream, from_client: bool) {
    let (mut scratch, mut total, mut held) = (vec![0; 64 * 1024], 0, Vec::new());
    loop {
        let read = match from.read(&mut scratch) {
            Ok(read) => read,
            Err(_) => {
                if fault == WritesHttpAfterReset && !from_client {
                    let _ = to.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
                }
                let _ = to.shutdown(Shutdown::Both);
                let _ = from.shutdown(Shutdown::Both);
                return;
            }
        };
        if read == 0 {
            break;
        }
        let mut bytes = scratch[..read].to_vec();
        let place = |at: usize| (total..total + read).contains(&at).then(|| at - total);
        match (fault, from_client) {
            (DropsAByteOfClient, true) => drop(place(100).map(|at| bytes.remove(at))),
            (FlipsABitOfServer, false) => drop(place(3000).map(|at| bytes[at] ^= 1)),
            (AddsAPing, false) if total == 0 => bytes.extend_from_slice(b"\x89\x00"),
            (CutsAtTwoMegabytes, false) if total + read > 2_000_000 => {
                let _ = to.shutdown(Shutdown::Both);
                return;
            }
            _ => {}
        }
        total += read;
        held.extend_from_slice(&bytes);
        if fault == BuffersFourKilobytes && !from_client && held.len() < 4096 {
            continue;
        }
        if to.write_all(&held).is_err() {
            let _ = from.shutdown(Shutdown::Both);
            return;
        }
        held.clear();
    }
    let _ = to.write_all(&held);
    match (fault, from_client) {
        (SwallowsEndOfClient, true) => return,
        (HoldsEndOfServer, false) => thread::sleep(Duration::from_secs(1)),
        _ => {}
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// Ends our direction and reads what still comes, so that none of our bytes is lost by a reset.
fn finish(stream: &TcpStream) {
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
    let mut scratch = [0; 4096];
    while matches!((&*stream).read(&mut scratch), Ok(1..)) {}
}

fn refuse(client: &TcpStream, status: &str) -> io::Result<()> {
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    (&*client).write_all(answer.as_bytes())?;
    finish(client);
    Ok(())
}

fn read_head(stream: &TcpStream) -> io::Result<(String, Vec<u8>)> {
    read_head_behind(stream, Vec::new())
}

fn read_head_behind(mut stream: &TcpStream, mut bytes: Vec<u8>) -> io::Result<(String, Vec<u8>)> {
    let mut scratch = [0; 4096];
    loop {
        let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
        if let Some(end) = bytes[start..].windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(start + end + 4);
            let head = String::from_utf8(bytes).map_err(io::Error::other)?;
            return Ok((head, rest));
        }
        match stream.read(&mut scratch)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => bytes.extend_from_slice(&scratch[..read]),
        }
    }
}

fn is_named(line: &str, name: &str) -> bool {
    line.split_once(':').is_some_and(|(this, _)| this.eq_ignore_ascii_case(name))
}

fn values(head: &str, name: &str) -> Vec<String> {
    let lines = head.split("\r\n").filter(|line| is_named(line, name));
    lines.filter_map(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned()).collect()
}

fn merge(lines: &mut Vec<String>, name: &str) {
    let all = values(&lines.join("\r\n"), name);
    if let Some(at) = lines.iter().position(|line| is_named(line, name)) {
        lines.retain(|line| !is_named(line, name));
        lines.insert(at, format!("{name}: {}", all.join(", ")));
    }
}

fn is_bad(head: &str) -> bool {
    let lengths = values(head, "content-length");
    let hosts = values(head, "host");
    hosts.len() != 1
        || lengths.iter().any(|length| *length != lengths[0])
        || !lengths.is_empty() && !values(head, "transfer-encoding").is_empty()
        || head.contains(" :")
        || head.contains('\0')
}

fn accept(key: &str) -> String {
    Key::parse(key.as_bytes()).map(|key| key.accept().to_string()).unwrap_or_default()
}
