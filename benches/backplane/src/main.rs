//! What the backplane costs, over a redis-server of its own on a free port.
//!
//! ```sh
//! cargo run --release --manifest-path benches/backplane/Cargo.toml -- redis      # beside the `redis` crate in threads
//! cargo run --release --manifest-path benches/backplane/Cargo.toml -- socketio   # beside Socket.IO with its adapter (npm)
//! cargo run --release --manifest-path benches/backplane/Cargo.toml -- nodes      # a million subscribers over 100 nodes
//! ```

mod bare;
mod crossing;
mod nodes;
mod socketio;

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

fn main() {
    let what = std::env::args().nth(1).unwrap_or_default();
    let redis = Redis::start();
    println!(
        "{}, load {}",
        env!("CARGO_PKG_NAME"),
        fs::read_to_string("/proc/loadavg").unwrap_or_default().trim()
    );
    match what.as_str() {
        "redis" => crossing::compare(redis.port),
        "socketio" => crossing::compare_with_socketio(redis.port),
        "nodes" => nodes::simulate(redis.port),
        _ => eprintln!("usage: backplane-bench redis|socketio|nodes"),
    }
}

/// A redis-server that ends with the run.
struct Redis {
    port: u16,
    child: Child,
}

impl Redis {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let args = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        // What the simulation sends at once must not count as a slow subscriber.
        let limits = ["--client-output-buffer-limit", "pubsub 0 0 0"];
        let mut command = Command::new("redis-server");
        command.args(args).args(limits).args(["--port", &port.to_string()]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("redis-server");
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "redis-server does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        Self { port, child }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns how much CPU time a thread of this process has used.
fn processor_time(thread: i32) -> Duration {
    let text = fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

/// Returns how much CPU time all threads of a process have used.
fn processor_time_of(process: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    threads
        .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("schedstat")).ok())
        .map(|text| Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap()))
        .sum()
}

fn this_thread() -> i32 {
    rustix::thread::gettid().as_raw_nonzero().get()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
