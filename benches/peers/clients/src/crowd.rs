//! Many connections on one tokio thread.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local, unconstrained};

use crate::tally::{Done, Load, Tally};

/// Opens connections one by one; then each of them sends what should be in flight and reads it back, in rounds.
pub fn run<S: 'static>(
    load: Load,
    tally: Tally,
    open: impl AsyncFn(TcpStream, u16) -> S,
    round: impl AsyncFn(&mut S, &Load) + Copy + 'static,
) -> Done {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (load, tally) = (Rc::new(load), Rc::new(RefCell::new(tally)));
    let (done, end) = (Rc::new(RefCell::new(None)), Rc::new(Notify::new()));
    LocalSet::new().block_on(&runtime, async {
        let mut sockets = Vec::new();
        for _ in 0..load.connections {
            let stream = TcpStream::connect(("127.0.0.1", load.port)).await.expect("a connection");
            stream.set_nodelay(true).expect("a socket");
            sockets.push(open(stream, load.port).await);
        }
        for mut socket in sockets {
            let (load, tally, done, end) = (load.clone(), tally.clone(), done.clone(), end.clone());
            spawn_local(unconstrained(async move {
                loop {
                    round(&mut socket, &load).await;
                    if let Some(measured) = tally.borrow_mut().count(load.in_flight) {
                        *done.borrow_mut() = Some(measured);
                        return end.notify_one();
                    }
                }
            }));
        }
        end.notified().await;
    });
    done.take().expect("it ends once all is measured")
}
