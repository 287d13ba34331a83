//! Counts allocations for each thread.

#![allow(unsafe_code, reason = "a global allocator is")]
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator with a count for each thread, because tests run side by side.
struct Counting;

thread_local! {
    pub static COUNTS: Cell<Counts> = const { Cell::new(Counts { calls: 0, live: 0, peak: 0 }) };
}

#[derive(Clone, Copy, Debug)]
pub struct Counts {
    pub calls: usize,
    /// Live bytes; below 0 if the thread has freed what another thread allocated.
    pub live: isize,
    pub peak: isize,
}

fn count(calls: usize, bytes: isize) {
    let mut counts = COUNTS.get();
    counts.calls += calls;
    counts.live += bytes;
    counts.peak = counts.peak.max(counts.live);
    COUNTS.set(counts);
}

// SAFETY: every call goes to the system's allocator as it came, and counting allocates nothing: the thread's counts are
// initialised at compile time and have no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as isize);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, bytes: *mut u8, layout: Layout) {
        count(0, -(layout.size() as isize));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(bytes, layout) }
    }

    unsafe fn realloc(&self, bytes: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size as isize - layout.size() as isize);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(bytes, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Returns how often `work` allocates, how many more bytes are live at its peak, and how many after it.
pub fn allocations(work: impl FnOnce()) -> (usize, usize, isize) {
    let before = COUNTS.get();
    COUNTS.set(Counts { peak: before.live, ..before });
    work();
    let after = COUNTS.get();
    (after.calls - before.calls, (after.peak - before.live) as usize, after.live - before.live)
}
