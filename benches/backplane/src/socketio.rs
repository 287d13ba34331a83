//! The same path through the same engine with Socket.IO and its Redis adapter, which is what most programs use: two
//! nodes, a client of each, 64 bytes to all others.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::crossing::{Figures, MESSAGES, PAUSE, PAYLOAD, ROUNDS};
use super::{median, processor_time_of};

/// Two nodes in processes of their own, with a client of each.
pub(super) struct SocketIo {
    nodes: [Child; 2],
    speaker: Client,
    client: Client,
}

impl SocketIo {
    pub(super) fn new(redis: u16) -> Self {
        let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("socketio");
        if !home.join("node_modules").exists() {
            let npm =
                Command::new("npm").args(["ci", "--ignore-scripts", "--silent"]).current_dir(&home).status();
            assert!(npm.expect("npm").success(), "npm ci");
        }
        let start = || {
            let mut command = Command::new("node");
            command.arg(home.join("node.js")).arg(redis.to_string());
            let mut node = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("node");
            let mut port = String::new();
            BufReader::new(node.stdout.as_mut().unwrap()).read_line(&mut port).unwrap();
            (node, port.trim().parse().unwrap())
        };
        let [(from, from_port), (to, to_port)] = [start(), start()];
        let mut speaker = Client::connect(from_port);
        let mut client = Client::connect(to_port);
        // Everything is connected once one message has come.
        client.stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        while {
            speaker.say("say");
            client.stream.read_exact(&mut vec![0; message().len()]).is_err()
        } {}
        while client.stream.read(&mut [0; 4096]).is_ok() {}
        client.stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { nodes: [from, to], speaker, client }
    }

    /// Measures what `World::throughput` measures.
    pub(super) fn throughput(&mut self) -> Figures {
        let before = self.nodes.each_ref().map(|node| processor_time_of(node.id()));
        let start = Instant::now();
        self.speaker.send(&format!("42[\"publish\",{MESSAGES},\"{}\"]", text()));
        let mut left = MESSAGES * message().len();
        let mut buffer = vec![0; 256 << 10];
        while left > 0 {
            let len = self.client.stream.read(&mut buffer).unwrap();
            assert!(len > 0 && len <= left, "each message, once");
            left -= len;
        }
        let took = start.elapsed().as_secs_f64();
        let after = self.nodes.each_ref().map(|node| processor_time_of(node.id()));
        let each = |side: usize| (after[side] - before[side]).as_secs_f64() * 1e6 / MESSAGES as f64;
        [MESSAGES as f64 / took, each(0), each(1)]
    }

    /// Measures what `World::latency` measures.
    pub(super) fn latency(&mut self) -> f64 {
        let mut times = vec![0.0; ROUNDS];
        for time in &mut times {
            std::thread::sleep(PAUSE);
            let start = Instant::now();
            self.speaker.say("say");
            self.client.stream.read_exact(&mut vec![0; message().len()]).unwrap();
            *time = start.elapsed().as_secs_f64() * 1e6;
        }
        median(&mut times)
    }
}

impl Drop for SocketIo {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            let _ = node.kill();
            let _ = node.wait();
        }
    }
}

fn text() -> &'static str {
    std::str::from_utf8(&PAYLOAD).unwrap()
}

/// Returns a message with its frame as a client of Socket.IO gets it.
fn message() -> Vec<u8> {
    let packet = format!("42[\"m\",\"{}\"]", text());
    [&[0x81, packet.len() as u8], packet.as_bytes()].concat()
}

struct Client {
    stream: TcpStream,
}

impl Client {
    fn connect(port: u16) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
            .write_all(
                b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n\
                  Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            )
            .unwrap();
        let mut client = Self { stream };
        client.skip_to(b"\r\n\r\n");
        client.send("40");
        client.skip_to(b"[\"ready\"]");
        client
    }

    fn skip_to(&mut self, end: &[u8]) {
        let mut seen = Vec::new();
        while !seen.ends_with(end) {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap();
            seen.push(byte[0]);
        }
    }

    fn say(&mut self, event: &str) {
        self.send(&format!("42[\"{event}\",\"{}\"]", text()));
    }

    /// Sends a text frame with a masking key of zeros.
    fn send(&mut self, text: &str) {
        let mut frame = vec![0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
        frame.extend(text.as_bytes());
        self.stream.write_all(&frame).unwrap();
    }
}
