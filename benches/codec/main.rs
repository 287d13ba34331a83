//! What the codec costs in memory, without sockets, compared with what memory access itself costs.
//!
//!     cargo bench --bench codec              everything
//!     cargo bench --bench codec -- mask      one part
//!
//! `benches/NOTES.md` says what these figures have led to. The same work by other crates is in `benches/peers/codec`, a
//! workspace of its own, because those crates bring async runtimes.

#[cfg(feature = "deflate")]
mod deflate;
mod header;
mod mask;
mod message;
mod queue;
mod utf8;
mod wire;

fn main() {
    divan::main();
}
