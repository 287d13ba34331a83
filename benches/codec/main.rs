//! What the codec costs from memory, without sockets, next to what memory itself costs.
//!
//!     cargo bench --bench codec              everything
//!     cargo bench --bench codec -- mask      one part
//!
//! What these figures have led to stands in `benches/NOTES.md`; the same work by other crates is in
//! `benches/peers/codec`, a workspace of its own, as those crates bring async runtimes.

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
