//! Servers and clients on one thread, over `mio`.
//!
//! ```no_run
//! use bowsprit::event_loop::{ConnId, Context, EventLoop, Handler};
//! use bowsprit::message::Message;
//!
//! struct Echo;
//!
//! impl Handler for Echo {
//!     type Data = ();
//!
//!     fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
//!         cx.send(id, message);
//!     }
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! let mut server = EventLoop::new()?;
//! println!("ws://{}/", server.listen("127.0.0.1:0".parse().unwrap())?);
//! server.run(&mut Echo)
//! # }
//! ```
//!
//! A turn of the loop is a list of phases: wait, handle each event (accept, read, deliver), read on where there was
//! more, do what is due, write what was sent, remove what is over. All connections share one receive buffer. A message
//! is borrowed from it if it arrived whole, and what a handler sends goes out in one write for each connection and
//! turn. An idle connection owns no buffer.

mod accepting;
#[cfg(feature = "backplane")]
mod addresses;
mod agenda;
#[cfg(all(feature = "http2", feature = "tls"))]
mod alpn;
mod audience;
mod backlog;
#[cfg(feature = "backplane")]
mod backplane;
mod bucket;
mod budget;
#[cfg(feature = "http2")]
mod carrier;
#[cfg(feature = "http2")]
mod carrying;
mod clients;
mod clock;
mod connecting;
mod context;
mod deadlines;
mod deliver;
mod ended;
mod ending;
mod engine;
mod fanout;
mod fitting;
#[cfg(feature = "backplane")]
mod follow;
#[cfg(feature = "backplane")]
mod follows;
#[cfg(any(feature = "http2", feature = "tls"))]
mod gone;
mod handler;
#[cfg(feature = "http2")]
mod http2;
mod id;
mod isolated;
mod limits;
mod listener;
mod metering;
#[cfg(feature = "backplane")]
mod nodes;
mod opening;
mod oversized;
mod peer;
mod poll;
mod pool;
mod proxied;
pub mod qt;
mod rate;
mod readiness;
mod receive;
mod reconnecting;
mod remote;
mod room;
mod send;
mod settings;
mod share;
mod shutdown;
mod siblings;
mod spares;
mod squeeze;
mod stats;
mod stream;
mod threads;
mod timers;
#[cfg(feature = "tls")]
mod tls;
mod topics;
mod transport;
mod turn;
mod waker;
mod wheel;
mod writing;

pub use audience::To;
pub use bucket::Allowance;
pub use clients::{ClientEvent, ClientState};
pub use context::{AnswerError, Context, Reach, Sent, Task};
pub use ended::{Cause, Ended, Failed, ShutdownReport};
pub use engine::Engine;
#[cfg(feature = "backplane")]
pub use follows::{ReplayError, Replayed};
pub use handler::{Decision, Handler, LoopError};
pub use id::{ClientId, ConnId};
pub use isolated::Isolated;
pub use limits::AcceptRate;
pub use listener::ListenSocket;
pub use poll::EventLoop;
pub use rate::{Rate, RateExceeded, RatePolicy};
pub use readiness::Readiness;
pub use remote::{Remote, RemoteError};
pub use settings::{Overflow, Pressure, Settings};
pub use stats::{CloseCodes, FailedStats, Stats};
pub use stream::{OtherStream, Stream};
pub use threads::{Group, Loops, run_threads};
pub use timers::{Timer, TimerId};
pub use topics::SubscribeError;
pub use transport::Transport;
