//! An echo server for `wss:`. It reads the files again whenever a line comes on stdin, for renewed certificates.
//!
//! `cargo run --example tls --features event-loop,tls -- 127.0.0.1:9443 chain.pem key.pem`

use std::io::stdin;
use std::thread;

use bowsprit::event_loop::{ConnId, Context, EventLoop, Handler};
use bowsprit::message::Message;
use bowsprit::tls::TlsServer;

struct Echo;

impl Handler for Echo {
    type Data = ();

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        cx.send(id, message);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(address), Some(chain), Some(key)) = (args.next(), args.next(), args.next()) else {
        return Err("usage: tls ADDRESS CERTIFICATE-CHAIN.pem KEY.pem".into());
    };
    let tls = TlsServer::from_files(chain, key)?;
    let mut server = EventLoop::new()?;
    println!("wss://{}/", server.listen_tls(address.parse()?, tls.clone())?);

    thread::spawn(move || {
        for _ in stdin().lines() {
            // Open connections keep what they have; if the new files are invalid, the old certificate stays.
            match tls.reload() {
                Ok(()) => println!("reloaded"),
                Err(error) => println!("the certificate stays as it was: {error}"),
            }
        }
    });
    server.run(&mut Echo)?;
    Ok(())
}
