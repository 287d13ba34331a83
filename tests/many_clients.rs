//! Thousands of clients in one loop, beside the server that they talk to: one thread, real sockets.
#![cfg(all(feature = "event-loop", unix))]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bowsprit::client::{Backoff, ClientConfig, Loss, ReconnectPolicy, Stop};
use bowsprit::close::{CloseCode, CloseReason};
use bowsprit::event_loop::{ClientEvent, ClientId, ConnId, Context, EventLoop, Handler, Settings};
use bowsprit::handshake::Agreement;
use bowsprit::message::Message;

/// Each takes two sockets, as both ends are here.
const CLIENTS: usize = 3000;

/// As many clients as there can be sockets for; two tests run at once.
fn clients() -> usize {
    let allowed = rlimit::increase_nofile_limit(4 * CLIENTS as u64 + 200).unwrap() as usize;
    let clients = CLIENTS.min(allowed.saturating_sub(200) / 4);
    assert!(clients >= 400, "only {allowed} descriptors are allowed: raise `ulimit -n`");
    clients
}

/// Where one client stands.
#[derive(Debug, Default)]
struct Story {
    tries: u32,
    opened: u32,
    retries: u32,
    unreached: u32,
    echoed: u32,
}

/// Both sides: the server echoes, the clients greet, each in its own words.
struct Crowd {
    stories: HashMap<ClientId, Story>,
    wanted: usize,
    /// How often each has to be connected.
    rounds: u32,
    /// The server's ends of the connections that are open.
    served: Vec<ConnId>,
    /// Clients that have been answered in this round.
    answered: usize,
    ended: usize,
}

impl Handler for Crowd {
    type Data = ();

    fn on_open(&mut self, cx: &mut Context<()>, id: ConnId, _: &Agreement) {
        let Some(client) = cx.client_of(id) else { return self.served.push(id) };
        self.stories.get_mut(&client).unwrap().opened += 1;
        cx.send_text(id, &client.to_string());
    }

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        let Some(client) = cx.client_of(id) else {
            cx.send(id, message);
            return;
        };
        assert_eq!(message, Message::Text(&client.to_string()));
        let story = self.stories.get_mut(&client).unwrap();
        story.echoed += 1;
        assert_eq!(story.echoed, story.opened);
        self.answered += 1;
        if story.echoed == self.rounds {
            cx.close_client(client, Some(CloseReason { code: CloseCode::NORMAL, reason: "" }));
        } else if self.answered == self.wanted {
            // All are here: the server goes, by a Close frame for the one half, without a word for the other.
            self.answered = 0;
            for (number, id) in std::mem::take(&mut self.served).into_iter().enumerate() {
                match number % 2 {
                    0 => drop(cx.close(id, Some(CloseReason { code: CloseCode::GOING_AWAY, reason: "" }))),
                    _ => cx.abort(id),
                }
            }
        }
    }

    fn on_try(&mut self, _: &mut Context<()>, client: ClientId, _: u32, _: &mut ClientConfig) {
        self.stories.entry(client).or_default().tries += 1;
    }

    fn on_client(&mut self, cx: &mut Context<()>, client: ClientId, event: &ClientEvent<'_>) {
        let story = self.stories.get_mut(&client).unwrap();
        match event {
            ClientEvent::Unreached(_) => story.unreached += 1,
            ClientEvent::Retry { delay, cause, .. } => {
                assert!(*delay >= Duration::from_millis(100), "never at once");
                assert!(matches!(cause, Loss::Closed(CloseCode::GOING_AWAY) | Loss::Broken | Loss::Timeout));
                story.retries += 1;
            }
            ClientEvent::End { stop, .. } => {
                assert_eq!(*stop, Stop::Done);
                self.ended += 1;
                if self.ended == self.wanted {
                    cx.stop();
                }
            }
            _ => {}
        }
    }
}

/// Runs until each client has been connected, and answered, so many times.
fn run(rounds: u32, policy: &ReconnectPolicy) -> Crowd {
    let wanted = clients();
    let mut settings = Settings::default();
    settings.backlog = 4096;
    let mut event_loop = EventLoop::with_settings(settings).unwrap();
    let address = event_loop.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    // A full backlog makes the system wait for seconds before it tries again.
    let config =
        ClientConfig::new(&format!("ws://{address}/")).unwrap().connect_timeout(Duration::from_secs(60));
    let config = config.handshake_timeout(Duration::from_secs(60)).reconnect(policy.clone());
    for _ in 0..wanted {
        event_loop.context().open(config.clone()).unwrap();
    }
    assert_eq!(event_loop.context().clients().count(), wanted);
    let mut crowd =
        Crowd { stories: HashMap::new(), wanted, rounds, served: Vec::new(), answered: 0, ended: 0 };
    // Takes seconds; a stuck loop fails the test and does not hang it.
    let until = Instant::now() + Duration::from_secs(240);
    while !event_loop.engine().take_stop() {
        event_loop.turn(&mut crowd, Some(Duration::from_secs(1))).unwrap();
        assert!(Instant::now() < until, "{} of {wanted} have ended", crowd.ended);
    }
    assert_eq!(event_loop.context().clients().count(), 0);
    for (client, story) in &crowd.stories {
        assert_eq!((story.opened, story.echoed), (rounds, rounds), "{client}: {story:?}");
        // Each try has opened or has said why not, and each but the first was told before.
        assert_eq!(story.tries, story.opened + story.unreached, "{client}: {story:?}");
        assert_eq!(story.tries, story.retries + 1, "{client}: {story:?}");
    }
    crowd
}

#[test]
fn thousands_of_clients_beside_their_server() {
    run(1, &ReconnectPolicy::with(Backoff::Fixed(Duration::from_secs(1))));
}

/// RCN-004: they lose their server together, twice, and come back spread.
#[test]
fn thousands_of_clients_come_back() {
    let (first, cap) = (Duration::from_secs(1), Duration::from_secs(2));
    run(3, &ReconnectPolicy::with(Backoff::Exponential { first, cap }));
}
