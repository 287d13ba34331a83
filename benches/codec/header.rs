//! Headers: read, judged, written. Counted per header.

use bowsprit::Role;
use bowsprit::frame::{Header, MAX_HEADER, Parsed, RawHeader, Rules};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};

use super::wire::KEY;

const RULES: Rules = Rules { role: Role::Server, compression: false, max_frame: 16 << 20 };

/// How many headers are handled at a time, so that the benchmark's own loop does not count.
const BATCH: usize = 1000;

/// One length of each form.
const LENGTHS: [u64; 3] = [16, 1024, 1 << 20];

fn bytes(length: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    RawHeader::BINARY.with_length(length).with_mask(KEY).encode_into(&mut bytes);
    bytes
}

#[divan::bench(args = LENGTHS)]
fn parse(bencher: Bencher<'_, '_>, length: u64) {
    let bytes = bytes(length);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for _ in 0..BATCH {
            black_box(RawHeader::parse(black_box(&bytes)));
        }
    });
}

#[divan::bench(args = LENGTHS)]
fn parse_and_check(bencher: Bencher<'_, '_>, length: u64) {
    let bytes = bytes(length);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for _ in 0..BATCH {
            if let Parsed::Done(raw, used) = RawHeader::parse(black_box(&bytes)) {
                let _ = black_box((Header::check(&raw, &RULES), used));
            }
        }
    });
}

#[divan::bench(args = LENGTHS)]
fn encode(bencher: Bencher<'_, '_>, length: u64) {
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        let mut out = [0; MAX_HEADER];
        for _ in 0..BATCH {
            let header = RawHeader::BINARY.with_length(black_box(length));
            black_box(header.encode(black_box(&mut out)));
        }
    });
}
