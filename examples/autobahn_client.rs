//! The client that the Autobahn suite tests: asks how many cases there are, runs each by echoing every message, then
//! asks for the reports.
//!
//! `cargo run --release --example autobahn_client --features event-loop -- ws://127.0.0.1:9001`

use std::error::Error;
use std::net::ToSocketAddrs;
use std::sync::Arc;

use bowsprit::connection::Config;
use bowsprit::event_loop::{ConnId, Context, Ended, EventLoop, Failed, Handler, Settings};
use bowsprit::handshake::{ClientRequest, Url};
use bowsprit::message::Message;

/// One connection: keeps the first message, or echoes them all.
struct Session {
    echo: bool,
    first: Option<String>,
    failed: Option<String>,
}

impl Handler for Session {
    type Data = ();

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        if self.echo {
            cx.send(id, message);
        } else if let Message::Text(text) = message {
            self.first.get_or_insert_with(|| text.to_owned());
        }
    }

    fn on_close(&mut self, cx: &mut Context<()>, _: ConnId, _: &Ended) {
        cx.stop();
    }

    fn on_failed(&mut self, cx: &mut Context<()>, _: ConnId, failed: &Failed) {
        self.failed = Some(format!("{failed:?}"));
        cx.stop();
    }
}

struct Client {
    event_loop: EventLoop<()>,
    base: String,
}

impl Client {
    /// Opens `resource`, stays until the connection is over, and returns the first message unless it `echo`es.
    fn visit(&mut self, resource: &str, echo: bool) -> Result<Option<String>, Box<dyn Error>> {
        let url = Url::parse(&format!("{}{resource}", self.base))?;
        let address = (url.host(), url.port()).to_socket_addrs()?.next().ok_or("the host has no address")?;
        self.event_loop.context().connect(address, ClientRequest::to(&url)?)?;
        let mut session = Session { echo, first: None, failed: None };
        self.event_loop.run(&mut session)?;
        match session.failed {
            Some(failed) => Err(format!("{resource}: {failed}").into()),
            None => Ok(session.first),
        }
    }
}

/// All messages are compressed and refer to earlier ones, which is the most demanding setting.
fn settings() -> Settings {
    #[allow(unused_mut, reason = "without feature `deflate`")]
    let mut config = Config::default();
    #[cfg(feature = "deflate")]
    {
        use bowsprit::extension::deflate::{DeflateConfig, ReceiveContext, SendContext};
        let mut deflate = DeflateConfig::default();
        deflate.threshold = 0;
        deflate.send_context = SendContext::Window;
        deflate.receive_context = ReceiveContext::Window;
        config.deflate = Some(deflate);
    }
    let mut settings = Settings::default();
    settings.connection = Arc::new(config);
    settings
}

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("usage: autobahn_client URL")?;
    let base = url.trim_end_matches('/').to_owned();
    let mut client = Client { event_loop: EventLoop::with_settings(settings())?, base };
    let cases: u32 = client.visit("/getCaseCount", false)?.ok_or("no count of cases came")?.trim().parse()?;
    for case in 1..=cases {
        // A case may test a handshake that has to fail.
        if let Err(error) = client.visit(&format!("/runCase?case={case}&agent=bowsprit"), true) {
            eprintln!("{error}");
        }
    }
    client.visit("/updateReports?agent=bowsprit", false)?;
    println!("{cases} cases played");
    Ok(())
}
