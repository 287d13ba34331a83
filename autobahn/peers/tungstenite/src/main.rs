//! tungstenite without an async runtime: `agreement-peer server`, or `agreement-peer client URL`.
//!
//! The server prints its URL, gives each connection a thread, and ends when its standard input is closed.
//! The client plays the control protocol of the Autobahn suite.

use std::error::Error;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::{env, process, thread};

use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket, accept, connect};

fn echo<S: std::io::Read + std::io::Write>(mut socket: WebSocket<S>) -> tungstenite::Result<()> {
    loop {
        let message = socket.read()?;
        if message.is_text() || message.is_binary() {
            socket.send(message)?;
        }
    }
}

fn server() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("ws://{}/", listener.local_addr()?);
    thread::spawn(|| {
        while std::io::stdin().read(&mut [0; 256]).is_ok_and(|read| read > 0) {}
        process::exit(0);
    });
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || {
            stream.set_nodelay(true).ok();
            if let Ok(socket) = accept(stream) {
                // However it ends, it has ended.
                let _ = echo(socket);
            }
        });
    }
    Ok(())
}

fn open(url: &str, resource: &str) -> tungstenite::Result<WebSocket<MaybeTlsStream<TcpStream>>> {
    let (socket, _) = connect(format!("{}{resource}", url.trim_end_matches('/')))?;
    if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
        stream.set_nodelay(true).ok();
    }
    Ok(socket)
}

fn client(url: &str) -> Result<(), Box<dyn Error>> {
    let mut socket = open(url, "/getCaseCount")?;
    let count: u32 = match socket.read()? {
        Message::Text(text) => text.parse()?,
        other => return Err(format!("the number of cases came as {other:?}").into()),
    };
    while socket.read().is_ok() {}
    for case in 1..=count {
        match open(url, &format!("/runCase?case={case}&agent=tungstenite")) {
            // However it ends, it has ended.
            Ok(socket) => drop(echo(socket)),
            Err(error) => eprintln!("case {case}: {error}"),
        }
    }
    let mut socket = open(url, "/updateReports?agent=tungstenite")?;
    while socket.read().is_ok() {}
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &*arguments.iter().map(String::as_str).collect::<Vec<_>>() {
        ["server"] => server(),
        ["client", url] => client(url),
        _ => Err("usage: agreement-peer server | client URL".into()),
    }
}
