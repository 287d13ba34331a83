//! UTF-8 validation: ours, the standard library's and simdutf8's own.

use std::fmt;

use bowsprit::utf8::{Utf8Stream, validate};
use divan::counter::BytesCount;
use divan::{Bencher, black_box};

use super::wire::{ASCII, CJK_AND_EMOJI, CYRILLIC, text};

#[divan::bench(args = cases())]
fn ours(bencher: Bencher<'_, '_>, case: &Case) {
    run(bencher, case, |bytes| validate(bytes).is_ok());
}

#[divan::bench(args = cases())]
fn ours_in_two_pieces(bencher: Bencher<'_, '_>, case: &Case) {
    run(bencher, case, |bytes| {
        let (front, back) = bytes.split_at(bytes.len() / 2);
        let mut stream = Utf8Stream::default();
        stream.push(front).and_then(|()| stream.push(back)).and_then(|()| stream.finish()).is_ok()
    });
}

#[divan::bench(args = cases())]
fn simd(bencher: Bencher<'_, '_>, case: &Case) {
    run(bencher, case, |bytes| simdutf8::basic::from_utf8(bytes).is_ok());
}

#[divan::bench(args = cases())]
fn std(bencher: Bencher<'_, '_>, case: &Case) {
    run(bencher, case, |bytes| std::str::from_utf8(bytes).is_ok());
}

struct Case {
    script: &'static str,
    text: String,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.script, self.text.len())
    }
}

fn cases() -> impl Iterator<Item = Case> {
    let scripts = [("ascii", ASCII), ("2 bytes", CYRILLIC), ("3 and 4 bytes", CJK_AND_EMOJI)];
    scripts.into_iter().flat_map(|(script, pattern)| {
        [16, 32, 48, 64, 96, 125, 256, 1 << 10, 16 << 10, 1 << 20]
            .map(|size| Case { script, text: text(pattern, size) })
    })
}

fn run(bencher: Bencher<'_, '_>, case: &Case, check: impl Fn(&[u8]) -> bool) {
    let bytes = case.text.as_bytes();
    assert!(check(bytes));
    bencher.counter(BytesCount::new(bytes.len())).bench_local(|| black_box(check(black_box(bytes))));
}
