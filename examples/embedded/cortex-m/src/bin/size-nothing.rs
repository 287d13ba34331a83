//! The baseline of the other programs: the runtime and a heap that is used.

#![no_std]
#![no_main]

extern crate alloc;

#[path = "../bare.rs"]
mod bare;

use alloc::vec::Vec;
use core::hint::black_box;

#[cortex_m_rt::entry]
fn main() -> ! {
    bare::init();
    let mut bytes = Vec::<u8>::with_capacity(black_box(64));
    bytes.push(black_box(1));
    black_box(&bytes);
    panic!()
}
