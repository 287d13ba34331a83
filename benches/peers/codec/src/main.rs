//! Reading messages from memory, by our codec and by those of other crates, in nanoseconds for each message.
//!
//! Every codec reads from the same endless ring of masked frames through its own buffers, as it would from a socket
//! that always has more. Prints Markdown with the best of several passes.

use std::hint::black_box;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bowsprit::connection::driver::InboundExt as _;
use bowsprit::connection::{Config, Inbound, Outbound};
use bowsprit::frame::{DataKind, MaskKey, RawHeader};
use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const SIZES: [usize; 5] = [16, 125, 1 << 10, 64 << 10, 1 << 20];

/// The most bytes that one read of a socket brings.
const READ: usize = 256 << 10;

/// Frames of clients, repeated endlessly.
struct Ring {
    bytes: Vec<u8>,
    at: usize,
}

impl Ring {
    fn new(kind: DataKind, size: usize) -> Self {
        let payload: Vec<u8> = (0..size).map(|at| b'a' + (at % 26) as u8).collect();
        let mut bytes = Vec::new();
        for number in 0..((256 << 10) / (size + 8)).clamp(4, 4096) as u32 {
            let key = MaskKey((number.wrapping_mul(0x9e37_79b9) | 0x0101_0101).to_le_bytes());
            RawHeader::of(kind.opcode()).with_length(size as u64).with_mask(key).encode_into(&mut bytes);
            let start = bytes.len();
            bytes.extend_from_slice(&payload);
            key.apply(&mut bytes[start..]);
        }
        Self { bytes, at: 0 }
    }
}

impl Read for Ring {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = buf.len().min(self.bytes.len() - self.at).min(READ);
        buf[..len].copy_from_slice(&self.bytes[self.at..self.at + len]);
        self.at = (self.at + len) % self.bytes.len();
        Ok(len)
    }
}

impl Write for Ring {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Ring {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let len = self.read(buf.initialize_unfilled())?;
        buf.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Ring {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Reads messages with bowsprit; large ones go straight into their own buffer, as in its event loop.
struct Ours {
    ring: Ring,
    scratch: Vec<u8>,
    len: usize,
    inbound: Inbound,
    outbound: Outbound,
}

impl Ours {
    fn new(ring: Ring) -> Self {
        let outbound = Outbound::server(Arc::new(Config::default()));
        Self { ring, scratch: vec![0; READ], len: 0, inbound: Inbound::new(), outbound }
    }

    fn read(&mut self, count: usize) {
        let mut received = 0;
        while received < count {
            if let Some(room) = self.inbound.room(64 << 10, self.outbound.config()) {
                let len = self.ring.read(room).expect("there is more");
                received +=
                    usize::from(self.inbound.filled(len, &mut self.outbound).expect("legal").is_some());
                continue;
            }
            self.len = self.ring.read(&mut self.scratch).expect("there is more");
            let mut input = &mut self.scratch[..self.len];
            while let Some(event) = self.inbound.next(&mut input, &mut self.outbound).expect("legal") {
                black_box(event);
                received += 1;
            }
        }
    }
}

/// Returns the nanoseconds for one message: the best of seven passes.
fn best(size: usize, mut read: impl FnMut(usize)) -> f64 {
    let count = ((64 << 20) / (size + 64)).clamp(64, 300_000);
    read(count);
    let pass = |_| {
        let start = Instant::now();
        read(count);
        start.elapsed().as_nanos() as f64 / count as f64
    };
    (0..7).map(pass).fold(f64::INFINITY, f64::min)
}

fn row(name: &str, measure: impl Fn(usize) -> f64) {
    let cells: Vec<String> = SIZES.into_iter().map(|size| format!("{:.1}", measure(size))).collect();
    println!("| {name} | {} |", cells.join(" | "));
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for (kind, name) in [(DataKind::Binary, "binary"), (DataKind::Text, "text")] {
        println!("\n| {name}, ns a message | {} |", SIZES.map(|size| size.to_string()).join(" | "));
        println!("|---|{}", "---:|".repeat(SIZES.len()));
        row("bowsprit", |size| {
            let mut ours = Ours::new(Ring::new(kind, size));
            best(size, |count| ours.read(count))
        });
        row("fastwebsockets", |size| {
            let ring = Ring::new(kind, size);
            let socket = fastwebsockets::WebSocket::after_handshake(ring, fastwebsockets::Role::Server);
            let mut socket = fastwebsockets::FragmentCollector::new(socket);
            best(size, |count| {
                runtime.block_on(async {
                    for _ in 0..count {
                        black_box(socket.read_frame().await.expect("legal"));
                    }
                });
            })
        });
        row("tungstenite", |size| {
            let role = tungstenite::protocol::Role::Server;
            let mut socket = tungstenite::WebSocket::from_raw_socket(Ring::new(kind, size), role, None);
            best(size, |count| {
                for _ in 0..count {
                    black_box(socket.read().expect("legal"));
                }
            })
        });
        row("tokio-websockets", |size| {
            let limits = tokio_websockets::Limits::unlimited();
            let builder = tokio_websockets::ServerBuilder::new().limits(limits);
            let mut socket = builder.serve(Ring::new(kind, size));
            best(size, |count| {
                runtime.block_on(async {
                    for _ in 0..count {
                        black_box(socket.next().await.expect("more").expect("legal"));
                    }
                });
            })
        });
    }
}
