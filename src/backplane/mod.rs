//! Messages between processes, over an existing engine: Redis (or Valkey) or NATS.
//!
//! An engine carries messages between nodes, each of which is one process with its connections. A [`Link`] is a node's
//! side of it: bytes and the time come in, events and bytes go out, as everywhere below the loop. Sockets, names and
//! TLS are left to its driver.
//!
//! | | promised |
//! |---|---|
//! | delivery | at most once; to those at the same node without the engine, unless [`ordered`](BackplaneSettings::ordered) |
//! | order | of each node in each channel: a topic, or everybody; with `ordered` over Redis, one for all nodes |
//! | loss | counted and reported, by the receivers: [`LinkEvent::Gap`], a lost tail within three announcements (6 s) |
//! | an outage | messages wait, bounded in bytes and in time; the oldest go first, and [`LinkEvent::Dropped`] reports it |
//! | what the engine has not answered | is sent again, and receivers drop what they have already, by its number |
//! | after an outage | nodes that were there before it are waited for, up to 1 s, before anything is sent |
//! | a hung engine | is noticed within [`ping_interval`](BackplaneSettings::ping_interval) and [`pong_timeout`](BackplaneSettings::pong_timeout), 6 s |
//! | subscriptions | one for each topic that somebody here wants, kept for 10 s after the last; all again after each outage |
//! | history | with `redis://…?streams`: nothing is lost within the trim, and [`Link::replay`] reads what was before |
//! | presence | [`Presence`]: who is in a topic, at all nodes; a node that was killed is gone within 8 s |
//! | names | any topic, whatever its bytes: behind a prefix (Redis), escaped (NATS) |
//!
//! Nothing is sent before the engine has *answered*: a writable socket means nothing. The first retry comes at once,
//! later ones after a random time of up to 5 s. An envelope of 14 to 53 bytes, and the key if there is one, carries
//! node, epoch and number. NATS accepts messages of up to its `max_payload`, 1 MiB by default, Redis of 512 MB.
//!
//! ```
//! use std::time::Instant;
//! use bowsprit::backplane::{Action, Address, BackplaneSettings, Link, NodeId};
//! use bowsprit::entropy::SystemEntropy;
//! use bowsprit::message::Message;
//!
//! let now = Instant::now();
//! let address = Address::parse("redis://127.0.0.1/chat").unwrap();
//! let (node, epoch) = (NodeId(1), 1_764_000_000);
//! let mut link = Link::new(address, BackplaneSettings::default(), (node, epoch), Box::new(SystemEntropy::new()), now)?;
//! assert_eq!(link.next_action(), Some(Action::Dial)); // the driver connects ...
//! link.connected(now);
//! assert!(link.pending(now).starts_with(b"*4\r\n$5\r\nHELLO")); // ... and writes what is pending
//! link.publish(Some("kitchen"), Message::Text("hello"), None, None, now); // waits for the engine's answer
//! # Ok::<(), bowsprit::entropy::EntropyError>(())
//! ```

mod address;
mod channels;
mod engine;
pub mod envelope;
pub mod grammar;
mod history;
mod link;
mod nats;
mod numbers;
mod position;
mod presence;
mod queue;
mod redis;
mod settings;
mod speaker;
mod streams;

pub use address::{Address, AddressError, EngineKind, Place};
pub use envelope::{Mark, NodeId};
pub use history::Step;
pub use link::{Action, Incoming, Link, LinkEvent, LinkStats, NodeMessage, Published};
pub use position::{Position, PositionError};
pub use presence::{Member, Presence};
pub use settings::BackplaneSettings;
