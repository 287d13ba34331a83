//! Masking in place, compared with copying as many bytes.
//!
//! With `RUSTFLAGS="--cfg bowsprit_no_simd"` the same benchmark measures the loop without AVX2.

use bowsprit::frame::MaskKey;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};

use super::wire::KEY;

const SIZES: [usize; 9] = [16, 64, 125, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 1 << 20];

#[divan::bench(args = SIZES)]
fn copy(bencher: Bencher<'_, '_>, size: usize) {
    let from = vec![0x55_u8; size];
    let mut to = vec![0xaa_u8; size];
    bencher
        .counter(BytesCount::new(size))
        .bench_local(|| black_box(&mut to[..]).copy_from_slice(black_box(&from)));
}

#[divan::bench(args = SIZES)]
fn apply(bencher: Bencher<'_, '_>, size: usize) {
    in_place(bencher, size, 0, MaskKey::apply);
}

/// Masks where payloads really start: after a header.
#[divan::bench(args = SIZES)]
fn apply_behind_a_header(bencher: Bencher<'_, '_>, size: usize) {
    in_place(bencher, size, 6, MaskKey::apply);
}

#[divan::bench(args = SIZES)]
fn byte_by_byte(bencher: Bencher<'_, '_>, size: usize) {
    in_place(bencher, size, 0, MaskKey::apply_naive);
}

fn in_place(bencher: Bencher<'_, '_>, size: usize, start: usize, apply: impl Fn(MaskKey, &mut [u8])) {
    let mut bytes = vec![0x55; start + size];
    bencher
        .counter(BytesCount::new(size))
        .bench_local(|| apply(black_box(KEY), black_box(&mut bytes[start..])));
}
