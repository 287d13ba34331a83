//! Firmware that echoes over a scripted stream of bytes, and then replays the recordings in the file that its argument
//! names. Semihosting reads the file, prints, and ends the emulator with an exit code: 0 if every answer is the
//! recorded one.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::time::Duration;

use cortex_m as _; // its critical section guards the heap
use cortex_m_rt::entry;
use embedded_alloc::LlffHeap;
use embedded_echo::Echo;
use embedded_echo::recording::replay;
use semihosting::fs::File;
use semihosting::io::{self, Read as _};
use semihosting::{eprintln, println, process};

#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();

const HEAP_SIZE: usize = 3 * 1024 * 1024;

#[entry]
fn main() -> ! {
    // SAFETY: this is the first statement, and runs once.
    unsafe {
        embedded_alloc::init!(HEAP, HEAP_SIZE);
    }
    process::exit(match scripted().and_then(|()| recorded()) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{error}");
            1
        }
    })
}

/// The request of RFC 6455 §1.2, "Hello" of §5.7, a Ping and a Close, in pieces as a serial line might deliver them.
fn scripted() -> Result<(), String> {
    const SCRIPT: &[u8] = b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\
        \x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x89\x80\0\0\0\0\x88\x82\0\0\0\0\x03\xe8";
    const FRAMES: &[u8] = b"\x81\x05Hello\x8a\x00\x88\x02\x03\xe8";
    let before = HEAP.used();
    let mut echo = Echo::server(Duration::ZERO);
    let mut sent = Vec::new();
    let mut open = 0;
    for (number, piece) in SCRIPT.chunks(7).enumerate() {
        // A device takes the time from a timer of its own.
        echo.receive(&mut piece.to_vec(), Duration::from_millis(number as u64));
        echo.send_into(&mut sent);
        if open == 0 && sent.ends_with(b"\r\n\r\n") {
            open = HEAP.used() - before - sent.capacity();
        }
    }
    let accepted = sent.starts_with(b"HTTP/1.1 101 ")
        && sent.windows(28).any(|window| window == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    if !accepted || !sent.ends_with(FRAMES) || !echo.is_over() {
        return Err(format!("the scripted stream was answered with {:?}", String::from_utf8_lossy(&sent)));
    }
    println!("scripted stream: {} bytes in, {} bytes out", SCRIPT.len(), sent.len());
    println!(
        "an idle connection: {} bytes where it is kept, {open} of the heap, settings included",
        size_of::<Echo>()
    );
    Ok(())
}

fn recorded() -> Result<(), String> {
    let arguments = semihosting::experimental::env::args::<256>().map_err(|error| error.to_string())?;
    let path = (&arguments)
        .nth(1)
        .and_then(Result::ok)
        .ok_or("the argument that names the recordings is missing")?;
    let path = alloc::ffi::CString::new(path).map_err(|_| "a path with a NUL")?;
    let mut file = File::open(&path).map_err(|error| format!("{path:?}: {error}"))?;
    let (mut passed, mut failed) = (0, 0);
    let mut recording = Vec::new();
    while let Some(len) = length(&mut file).map_err(|error| format!("{path:?}: {error}"))? {
        recording.clear();
        recording.resize(len, 0);
        file.read_exact(&mut recording).map_err(|error| format!("{path:?}: {error}"))?;
        match replay(&mut recording) {
            Ok(()) => passed += 1,
            Err(difference) => {
                failed += 1;
                eprintln!("{difference}");
            }
        }
    }
    println!("recordings: {passed} passed, {failed} failed, on a heap of {HEAP_SIZE} bytes");
    if failed > 0 || passed == 0 { Err("not every recording passed".into()) } else { Ok(()) }
}

/// Returns the length of the next recording, or `None` at the end of the file.
fn length(file: &mut File) -> io::Result<Option<usize>> {
    let mut bytes = [0; 4];
    let first = file.read(&mut bytes)?;
    if first == 0 {
        return Ok(None);
    }
    file.read_exact(&mut bytes[first..])?;
    Ok(Some(u32::from_le_bytes(bytes) as usize))
}
