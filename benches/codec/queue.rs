//! Sending: frames into the queue of a connection, and one message into the queues of many.

use std::sync::Arc;

use bowsprit::connection::driver::OutboundExt as _;
use bowsprit::connection::{Config, Outbound};
use bowsprit::entropy::{Entropy, EntropyError};
use bowsprit::message::{Message, Prepared};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};

const SIZES: [usize; 5] = [16, 125, 1 << 10, 4 << 10, 16 << 10];

/// How many messages are queued at a time.
const BATCH: usize = 64;

#[divan::bench(args = SIZES)]
fn server_frame(bencher: Bencher<'_, '_>, size: usize) {
    send(bencher, size, Outbound::server(config()));
}

/// Queues frames with a key for each, from a source that costs nothing.
#[divan::bench(args = SIZES)]
fn client_frame(bencher: Bencher<'_, '_>, size: usize) {
    send(bencher, size, Outbound::client(config(), Box::new(Counting(0))));
}

#[divan::bench(args = SIZES)]
fn prepared(bencher: Bencher<'_, '_>, size: usize) {
    let payload = vec![7; size];
    bencher.bench_local(|| Prepared::new(Message::Binary(black_box(&payload))));
}

/// Queues the message of a broadcast for each receiver, and takes it out again as written.
#[divan::bench(args = SIZES)]
fn broadcast_to_1000(bencher: Bencher<'_, '_>, size: usize) {
    const RECEIVERS: usize = 1000;
    let prepared = Prepared::new(Message::Binary(&vec![7; size]));
    let mut receivers: Vec<Outbound> = (0..RECEIVERS).map(|_| Outbound::server(config())).collect();
    bencher.counter(ItemsCount::new(RECEIVERS)).bench_local(|| {
        for receiver in &mut receivers {
            let _ = receiver.send_prepared(black_box(&prepared));
        }
        for receiver in &mut receivers {
            black_box(receiver.pending());
            receiver.advance(receiver.queued());
        }
    });
}

/// Queues a payload in the receive buffer: copied up to a certain length, lent beyond it.
#[divan::bench(args = [1 << 10, 2 << 10, 4 << 10, 8 << 10, 16 << 10, 64 << 10])]
fn payload_of_the_receive_buffer(bencher: Bencher<'_, '_>, size: usize) {
    let scratch = vec![7; 256 << 10];
    let mut outbound = Outbound::server(config());
    bencher.bench_local(|| {
        outbound.queue().borrow_from(&scratch);
        let _ = outbound.send(Message::Binary(black_box(&scratch[6..6 + size])));
        let mut slices = [std::io::IoSlice::new(&[]); 4];
        black_box(outbound.queue().slices(&scratch, &mut slices));
        outbound.advance(outbound.queued());
        outbound.queue().settle(&scratch);
    });
}

fn config() -> Arc<Config> {
    Arc::new(Config::default())
}

fn send(bencher: Bencher<'_, '_>, size: usize, mut outbound: Outbound) {
    let payload = vec![7; size];
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for _ in 0..BATCH {
            let _ = outbound.send(Message::Binary(black_box(&payload)));
        }
        black_box(outbound.pending());
        outbound.advance(outbound.queued());
    });
}

/// Counts up to make keys for benchmarks.
struct Counting(u8);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        self.0 = self.0.wrapping_add(1);
        out.fill(self.0);
        Ok(())
    }
}
