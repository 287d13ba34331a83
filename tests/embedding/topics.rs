//! Topics and broadcasts.

use std::collections::BTreeSet;

use bowsprit::event_loop::{Settings, SubscribeError, To};
use bowsprit::message::Message;

use super::support::{Hooks, Server, report, wait};

#[test]
fn subscribers_get_what_is_published_and_others_do_not() {
    let (open, opened) = report();
    let server = Server::start(Settings::default(), Hooks { open, ..Hooks::default() });
    let mut clients: Vec<_> = (0..4).map(|_| server.connect()).collect();
    let ids: Vec<_> = (0..4).map(|_| wait(&opened)).collect();
    let check = ids.clone();
    server.ask(move |cx| {
        let ids = check;
        for id in &ids[..3] {
            assert_eq!(cx.subscribe(*id, "red"), Ok(true));
            assert_eq!(cx.subscribe(*id, "red"), Ok(false), "once is enough");
        }
        assert_eq!(cx.subscribe(ids[3], "blue"), Ok(true));
        assert_eq!((cx.subscribers("red"), cx.subscribers("blue"), cx.subscribers("none")), (3, 1, 0));
        assert_eq!(cx.subscribers_of("red").collect::<Vec<_>>(), ids[..3]);
        assert_eq!(cx.topics_of(ids[3]).collect::<Vec<_>>(), ["blue"]);
        let topics: BTreeSet<_> = cx.topics().map(|(name, count)| (name.to_owned(), count)).collect();
        assert_eq!(topics, BTreeSet::from([("red".into(), 3), ("blue".into(), 1)]));

        assert_eq!(cx.publish("red", Message::Text("r1")).here, 3);
        assert_eq!(cx.publish(To::topic("red").except(ids[1]), Message::Text("r2")).here, 2);
        assert_eq!(cx.publish("none", Message::Text("x")).here, 0);
        assert!(cx.unsubscribe(ids[0], "red"));
        assert!(!cx.unsubscribe(ids[0], "red"));
        assert!(!cx.unsubscribe(ids[0], "none"));
        assert_eq!(cx.publish("red", Message::Text("r3")).here, 2);
        assert_eq!(cx.publish("blue", Message::Text("b")).here, 1);
        assert_eq!(cx.publish(To::all().except(ids[2]), Message::Text("end")).here, 3);
        assert_eq!(cx.send_text(ids[2], "end"), bowsprit::event_loop::Sent::Now);
    });
    let expected: [&[&str]; 4] =
        [&["r1", "r2", "end"], &["r1", "r3", "end"], &["r1", "r2", "r3", "end"], &["b", "end"]];
    for (client, texts) in clients.iter_mut().zip(expected) {
        for text in texts {
            assert_eq!(client.next_text(), *text);
        }
    }
    // A connection that ends leaves its topics, and a topic that nobody is left in is gone.
    drop(clients.remove(3));
    server.wait_until(|cx| cx.subscribers("blue") == 0);
    let gone = ids[3];
    server.ask(move |cx| {
        assert_eq!(cx.topics().count(), 1);
        assert_eq!(cx.subscribe(gone, "red"), Err(SubscribeError::Closed));
        assert!(!cx.unsubscribe(gone, "red"));
        assert_eq!(cx.topics_of(gone).count(), 0);
    });
}

#[test]
fn subscriptions_of_a_connection_are_bounded() {
    let (open, opened) = report();
    let mut settings = Settings::default();
    settings.max_subscriptions = 3;
    let server = Server::start(settings, Hooks { open, ..Hooks::default() });
    let _client = server.connect();
    let id = wait(&opened);
    server.ask(move |cx| {
        for topic in ["1", "2", "3"] {
            assert_eq!(cx.subscribe(id, topic), Ok(true));
        }
        assert_eq!(cx.subscribe(id, "4"), Err(SubscribeError::TooMany));
        assert_eq!(cx.subscribe(id, "2"), Ok(false));
        assert_eq!(cx.topics().count(), 3, "the topic that was refused is not there");
        assert!(cx.unsubscribe(id, "1"));
        assert_eq!(cx.subscribe(id, "4"), Ok(true));
    });
}

/// The order of the messages of one turn is kept for each subscriber, over several topics.
#[test]
fn publishes_of_one_turn_keep_their_order() {
    let (open, opened) = report();
    let server = Server::start(Settings::default(), Hooks { open, ..Hooks::default() });
    let mut client = server.connect();
    let id = wait(&opened);
    server.ask(move |cx| {
        for topic in ["a", "b"] {
            cx.subscribe(id, topic).unwrap();
        }
        for number in 0..1000 {
            cx.publish(if number % 3 == 0 { "a" } else { "b" }, Message::Text(&number.to_string()));
        }
    });
    for number in 0..1000 {
        assert_eq!(client.next_text(), number.to_string());
    }
}
