//! The least that the way from client to client costs: threads that only pass bytes on, so that what remains is the
//! time the system takes to wake one program after the other.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use super::crossing::{PAUSE, PAYLOAD, ROUNDS};
use super::median;

/// One client that sends and one that receives.
pub(super) struct Bare {
    speaker: TcpStream,
    listener: TcpStream,
}

impl Bare {
    /// Connects the clients by way of one thread.
    pub(super) fn alone() -> Self {
        let (speaker, from) = pair();
        let (listener, to) = pair();
        pass_on(from, to, PAYLOAD.to_vec());
        Self { speaker, listener }
    }

    /// Connects the clients by way of a thread, the engine at this port and a second thread.
    pub(super) fn across(port: u16) -> Self {
        let [publisher, mut subscriber] = [(); 2].map(|()| TcpStream::connect(("127.0.0.1", port)).unwrap());
        for engine in [&publisher, &subscriber] {
            engine.set_nodelay(true).unwrap();
        }
        subscriber.write_all(b"SUBSCRIBE bare\r\n").unwrap();
        let _ = subscriber.read(&mut [0; 4096]).unwrap();
        let mut command = format!("*3\r\n$7\r\nPUBLISH\r\n$4\r\nbare\r\n${}\r\n", PAYLOAD.len()).into_bytes();
        command.extend(PAYLOAD);
        command.extend(b"\r\n");
        let mut answers = publisher.try_clone().unwrap();
        thread::spawn(move || while answers.read(&mut [0; 4096]).is_ok_and(|len| len > 0) {});
        let (speaker, from) = pair();
        let (listener, to) = pair();
        pass_on(from, publisher, command);
        pass_on(subscriber, to, PAYLOAD.to_vec());
        Self { speaker, listener }
    }

    /// Returns the median time in microseconds from when one client writes until the other has it.
    pub(super) fn latency(&mut self) -> f64 {
        let mut times = vec![0.0; ROUNDS];
        for time in &mut times {
            thread::sleep(PAUSE);
            let start = Instant::now();
            self.speaker.write_all(&PAYLOAD).unwrap();
            self.listener.read_exact(&mut [0; PAYLOAD.len()]).unwrap();
            *time = start.elapsed().as_secs_f64() * 1e6;
        }
        median(&mut times)
    }
}

/// Returns two ends of a connection over loopback, as a client has it.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    for end in [&client, &server] {
        end.set_nodelay(true).unwrap();
    }
    (client, server)
}

/// Starts a thread that writes `output` for each read that returns something.
fn pass_on(mut from: TcpStream, mut to: TcpStream, output: Vec<u8>) {
    thread::spawn(move || {
        while from.read(&mut [0; 4096]).is_ok_and(|len| len > 0) && to.write_all(&output).is_ok() {}
    });
}
