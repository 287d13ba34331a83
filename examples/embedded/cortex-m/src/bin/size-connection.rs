//! A server's open connection: messages, fragments, control frames, deadlines, the closing handshake.

#![no_std]
#![no_main]

extern crate alloc;

#[path = "../bare.rs"]
mod bare;

use alloc::sync::Arc;
use core::hint::black_box;
use core::time::Duration;

use bowsprit::connection::{Config, Connection, Event};
use bowsprit::time;

#[cortex_m_rt::entry]
fn main() -> ! {
    bare::init();
    let now = || time::at(Duration::from_micros(black_box(1)));
    let mut connection = Connection::server(Arc::new(Config::default()), now());
    let mut bytes = [0; 256];
    loop {
        let mut input = black_box(&mut bytes[..]);
        connection.deadlines.heard(now());
        while let Ok(Some(event)) = connection.inbound.next(&mut input, &mut connection.outbound) {
            if let Event::Message(message) = event {
                let _ = connection.outbound.send(message);
            }
        }
        black_box(connection.outbound.pending());
        connection.outbound.advance(black_box(0));
        black_box(connection.close_step());
        black_box(connection.next_timeout());
        black_box(connection.handle_timeout(now()));
    }
}
