//! An echo server under tokio: `cargo run --release -- 127.0.0.1:9001`. The first line on stdout is its URL. Ctrl-C
//! ends it gracefully: each client gets a Close frame with 1001.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bowsprit::close::CloseCode;
use bowsprit::connection::{Config, Outcome};
use bowsprit::extension::deflate::DeflateConfig;
use bowsprit::handshake::OriginPolicy;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_example::{Error, accept};

/// The most clients at a time; others wait in the system's queue.
const CLIENTS: usize = 10_000;

#[tokio::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    let listener = TcpListener::bind(address).await?;
    println!("ws://{}/", listener.local_addr()?);

    let mut config = Config::default();
    config.ping_interval = Some(Duration::from_secs(30));
    config.deflate = Some(DeflateConfig::default());
    let config = Arc::new(config);
    let places = Arc::new(Semaphore::new(CLIENTS));
    let (asked_to_end, end) = watch::channel(false);
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { unreachable!("nobody closes it") };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = tokio::signal::ctrl_c() => break,
        };
        // A failed accept says something about one connection, or about the moment; it never ends a server.
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (config, end) = (Arc::clone(&config), end.clone());
        tokio::spawn(async move {
            match serve(stream, config, end).await {
                Ok(outcome) => eprintln!("{peer} closed with {}", outcome.code()),
                Err(error) => eprintln!("{peer}: {error}"),
            }
            drop(place);
        });
    }
    drop(listener);
    let _ = asked_to_end.send(true);
    drop(end);
    asked_to_end.closed().await; // until the last of them is gone, each within `Config::close_timeout`
    Ok(())
}

/// Sends back what comes until the connection ends.
async fn serve(
    stream: TcpStream,
    config: Arc<Config>,
    mut end: watch::Receiver<bool>,
) -> Result<Outcome, Box<dyn std::error::Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let mut socket = accept(stream, config, &OriginPolicy::loopback()).await?.socket;
    let mut is_ending = false;
    loop {
        let message = tokio::select! {
            message = socket.recv() => message?,
            _ = end.changed(), if !is_ending => {
                is_ending = true;
                match socket.close(CloseCode::GOING_AWAY, "") {
                    Ok(()) | Err(Error::Send(_)) => continue, // the client was faster
                    Err(error) => return Err(error.into()),
                }
            }
        };
        let Some(message) = message else { return Ok(socket.outcome()) };
        match socket.send(message.as_ref()).await {
            Ok(()) | Err(Error::Send(_)) => {} // what comes after our Close frame has no answer
            Err(error) => return Err(error.into()),
        }
    }
}
