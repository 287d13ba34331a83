//! What each program of `size` has besides what it measures: a heap, and the shortest way to end.

use core::panic::PanicInfo;

use cortex_m as _;
use embedded_alloc::LlffHeap;

#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();

pub fn init() {
    // SAFETY: each program calls this first, and once.
    unsafe {
        embedded_alloc::init!(HEAP, 64 * 1024);
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        cortex_m::asm::bkpt();
    }
}
