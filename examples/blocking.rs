//! A blocking client: sends a line, prints what comes until nothing has come for a while, and closes.
//!
//! `cargo run --example blocking --features blocking -- ws://127.0.0.1:9001/ 'hello'`

use std::time::Duration;

use bowsprit::blocking::{self, Error};
use bowsprit::close::{CloseCode, CloseReason};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(url), Some(text)) = (args.next(), args.next()) else {
        return Err("usage: blocking URL TEXT".into());
    };
    let mut client = blocking::connect(&url)?;
    client.send(text.as_str())?;
    // Limits each call; without this it takes as long as the server does.
    client.set_timeout(Some(Duration::from_secs(1)));
    loop {
        match client.read() {
            Ok(Some(message)) => println!("{message:?}"),
            Ok(None) => break, // the server has closed
            Err(Error::Timeout) => break,
            Err(error) => return Err(error.into()),
        }
    }
    let outcome = client.close(Some(CloseReason { code: CloseCode::NORMAL, reason: "done" }))?;
    println!("closed with {}", outcome.code());
    Ok(())
}
