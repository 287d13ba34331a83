//! The echo for a host that is not Rust, through functions of numbers only; `node.mjs` uses them from Node.
//!
//! The host copies bytes to where [`room`] says and passes their number; the output is where [`output`] says. A
//! connection is a number. The host provides the time, in milliseconds.

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

/// Returns where `len` bytes of input go.
#[unsafe(no_mangle)]
pub extern "C" fn room(len: usize) -> *mut u8 {
    with(|host| {
        host.input.clear();
        host.input.resize(len, 0);
        host.input.as_mut_ptr()
    })
}

/// Returns where the last output is.
#[unsafe(no_mangle)]
pub extern "C" fn output() -> *const u8 {
    with(|host| host.output.as_ptr())
}

/// Opens a connection for a TCP connection that was accepted at this time. Returns its number.
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

/// Handles the input, which came on a connection, or nothing if the time is up. Returns how many bytes have to be sent.
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

/// Returns whether the connection has to be closed once everything is sent.
#[unsafe(no_mangle)]
pub extern "C" fn is_over(connection: usize) -> bool {
    with(|host| host.connections.get(connection).is_none_or(|echo| echo.as_ref().is_none_or(Echo::is_over)))
}

/// Returns when `receive` has to be called without input; infinity if never.
#[unsafe(no_mangle)]
pub extern "C" fn next_timeout(connection: usize) -> f64 {
    with(|host| {
        let due = host.connections.get(connection).and_then(|echo| echo.as_ref()?.next_timeout());
        due.map_or(f64::INFINITY, |due| due.as_secs_f64() * 1000.0)
    })
}

/// Drops a connection whose TCP connection is gone; its number may be reused.
#[unsafe(no_mangle)]
pub extern "C" fn close(connection: usize) {
    with(|host| {
        if let Some(echo) = host.connections.get_mut(connection) {
            *echo = None;
        }
    });
}

/// Replays the recording in the input; the output is the difference, and empty if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn replay() -> usize {
    with(|host| {
        host.output = recording::replay(&mut host.input).err().unwrap_or_default().into_bytes();
        host.output.len()
    })
}
