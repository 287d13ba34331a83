//! The echo for a host that is not Rust, through functions of numbers alone: what Node does with them is in `node.mjs`.
//!
//! The host copies bytes to where [`room`] says and passes their number; what comes back lies where [`output`] says. A
//! connection is a number. The host gives the time, in milliseconds.

use std::cell::RefCell;
use std::time::Duration;

use embedded_echo::Echo;
use embedded_echo::recording;

#[derive(Default)]
struct Host {
    input: Vec<u8>,
    output: Vec<u8>,
    connections: Vec<Option<Echo>>,
}

thread_local! {
    static HOST: RefCell<Host> = RefCell::default();
}

fn with<T>(act: impl FnOnce(&mut Host) -> T) -> T {
    HOST.with_borrow_mut(act)
}

fn milliseconds(now: f64) -> Duration {
    Duration::try_from_secs_f64(now / 1000.0).unwrap_or_default()
}

/// Where `len` bytes of input go.
#[unsafe(no_mangle)]
pub extern "C" fn room(len: usize) -> *mut u8 {
    with(|host| {
        host.input.clear();
        host.input.resize(len, 0);
        host.input.as_mut_ptr()
    })
}

/// Where the last output lies.
#[unsafe(no_mangle)]
pub extern "C" fn output() -> *const u8 {
    with(|host| host.output.as_ptr())
}

/// A TCP connection was accepted at this time; its number.
#[unsafe(no_mangle)]
pub extern "C" fn open(now: f64) -> usize {
    with(|host| {
        let echo = Some(Echo::server(milliseconds(now)));
        match host.connections.iter().position(Option::is_none) {
            Some(free) => {
                host.connections[free] = echo;
                free
            }
            None => {
                host.connections.push(echo);
                host.connections.len() - 1
            }
        }
    })
}

/// The input is what came on a connection, or nothing where the time is up. Gives how many bytes are to be sent.
#[unsafe(no_mangle)]
pub extern "C" fn receive(connection: usize, now: f64) -> usize {
    with(|host| {
        let Host { input, output, connections } = host;
        output.clear();
        let Some(Some(echo)) = connections.get_mut(connection) else { return 0 };
        if input.is_empty() {
            echo.tick(milliseconds(now));
        } else {
            echo.receive(input, milliseconds(now));
        }
        echo.send_into(output);
        output.len()
    })
}

/// Whether the connection is to be closed once all is sent.
#[unsafe(no_mangle)]
pub extern "C" fn is_over(connection: usize) -> bool {
    with(|host| host.connections.get(connection).is_none_or(|echo| echo.as_ref().is_none_or(Echo::is_over)))
}

/// When `receive` is to be called without input; infinity where never.
#[unsafe(no_mangle)]
pub extern "C" fn next_timeout(connection: usize) -> f64 {
    with(|host| {
        let due = host.connections.get(connection).and_then(|echo| echo.as_ref()?.next_timeout());
        due.map_or(f64::INFINITY, |due| due.as_secs_f64() * 1000.0)
    })
}

/// The TCP connection is gone; its number may be given again.
#[unsafe(no_mangle)]
pub extern "C" fn close(connection: usize) {
    with(|host| {
        if let Some(echo) = host.connections.get_mut(connection) {
            *echo = None;
        }
    });
}

/// Replays the recording that is the input; the output is what differs, and nothing where nothing does.
#[unsafe(no_mangle)]
pub extern "C" fn replay() -> usize {
    with(|host| {
        host.output = recording::replay(&mut host.input).err().unwrap_or_default().into_bytes();
        host.output.len()
    })
}
