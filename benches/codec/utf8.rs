//! UTF-8: ours, the standard library's and simdutf8's own.

use std::fmt;

use bowsprit::utf8::{Utf8Stream, validate};
use divan::counter::BytesCount;
use divan::{Bencher, black_box};

use super::wire::{ASCII, CJK_AND_EMOJI, CYRILLIC, text};

#[divan::bench(args = cases())]
fn ours(bencher: Bencher<'_, '_>, case: &Case) {
    run(bencher, case, |octets| validate(octets).is_ok());
}

#[divan::bench(args = cases())]
fn ours_in_two_pieces(bencher: Bencher<'_, '_>, case: &Case) {
    run(bencher, case, |octets| {
        let (front, back) = octets.split_at(octets.len() / 2);
        let mut stream = Utf8Stream::default();
        stream.push(front).and_then(|()| stream.push(back)).and_then(|()| stream.finish()).is_ok()
    });
}

#[divan::bench(args = cases())]
fn simd(bencher: Bencher<'_, '_>, case: &Case) {
    run(bencher, case, |octets| simdutf8::basic::from_utf8(octets).is_ok());
}

#[divan::bench(args = cases())]
fn std(bencher: Bencher<'_, '_>, case: &Case) {
    run(bencher, case, |octets| std::str::from_utf8(octets).is_ok());
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
    let scripts = [("ascii", ASCII), ("2 octets", CYRILLIC), ("3 and 4 octets", CJK_AND_EMOJI)];
    scripts.into_iter().flat_map(|(script, pattern)| {
        [16, 32, 48, 64, 96, 125, 256, 1 << 10, 16 << 10, 1 << 20]
            .map(|size| Case { script, text: text(pattern, size) })
    })
}

fn run(bencher: Bencher<'_, '_>, case: &Case, check: impl Fn(&[u8]) -> bool) {
    let octets = case.text.as_bytes();
    assert!(check(octets));
    bencher.counter(BytesCount::new(octets.len())).bench_local(|| black_box(check(black_box(octets))));
}
