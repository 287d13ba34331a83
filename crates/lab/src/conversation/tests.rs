use std::time::Duration;

use bowsprit::frame::{MaskKey, RawHeader};

use super::*;

const KEEP: Keep = Keep { payload: 64, message: 64 };
const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

fn masked(header: RawHeader, payload: &[u8]) -> Vec<u8> {
    let key = MaskKey([0x37, 0xfa, 0x21, 0x3d]);
    let mut out = Vec::new();
    header.with_length(payload.len() as u64).with_mask(key).encode_into(&mut out);
    let start = out.len();
    out.extend_from_slice(payload);
    key.apply(&mut out[start..]);
    out
}

/// Returns what is reported for these parts, each cut into pieces of `size` bytes, a second apart.
fn told(parts: &[(Peer, &[u8])], size: usize) -> (Vec<Told>, Summary) {
    let mut conversation = Conversation::new(KEEP);
    let mut all = Vec::new();
    for (second, (peer, bytes)) in parts.iter().enumerate() {
        let at = Duration::from_secs(second as u64);
        for piece in bytes.chunks(size) {
            conversation.receive(at, *peer, piece, &mut |told| all.push(told));
        }
    }
    let at = Duration::from_secs(parts.len() as u64);
    for peer in [Peer::Client, Peer::Server] {
        conversation.end(at, peer, End::Finished, &mut |told| all.push(told));
    }
    (all, conversation.summary().clone())
}

fn faults(parts: &[(Peer, &[u8])]) -> Vec<String> {
    let (whole, summary) = told(parts, usize::MAX);
    for size in [1, 2, 3, 7, 100] {
        assert_eq!(told(parts, size), (whole.clone(), summary.clone()), "cut into {size}");
    }
    let count = whole.iter().filter(|told| told.is_fault()).count() as u64;
    assert!(count <= summary.faults());
    let own = |tally: &Tally, name: &str| -> Vec<String> {
        tally.broken.iter().map(|(text, _)| format!("{name}: {text}")).collect()
    };
    [own(&summary.client, "client"), own(&summary.server, "server")].concat()
}

fn with(parts: &[(Peer, &[u8])]) -> Vec<String> {
    let (request, response) = (format!("{REQUEST}\r\n"), format!("{RESPONSE}\r\n"));
    let opening = [(Peer::Client, request.as_bytes()), (Peer::Server, response.as_bytes())];
    faults(&[&opening[..], parts].concat())
}

#[test]
fn a_good_conversation_has_no_fault() {
    let close = masked(RawHeader::CLOSE, b"\x03\xe8");
    let hello = masked(RawHeader::TEXT, b"Hello");
    let found = with(&[
        (Peer::Client, &hello),
        (Peer::Server, b"\x81\x05Hello\x89\x01p"),
        (Peer::Client, &masked(RawHeader::PONG, b"p")),
        (Peer::Client, &close),
        (Peer::Server, b"\x88\x02\x03\xe8"),
    ]);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn what_each_side_breaks_is_told_as_its_doing() {
    for (peer, bytes, told) in [
        (Peer::Client, &b"\x81\x00"[..], "client: A client must mask every frame (RFC 6455 §5.1)."),
        (Peer::Server, b"\x81\x80\0\0\0\0", "server: A server must not mask its frames (RFC 6455 §5.1)."),
        (
            Peer::Server,
            b"\xc1\x00",
            "server: RSV1 must be 0 unless permessage-deflate is agreed (RFC 6455 §5.2).",
        ),
        (Peer::Server, b"\x88\x02\x03\xed", "server: No endpoint may send the code 1005 (RFC 6455 §7.4)."),
    ] {
        let close = masked(RawHeader::CLOSE, b"");
        let found = with(&[(peer, bytes), (Peer::Client, &close)]);
        assert_eq!(found[..1], [told]);
    }
}

#[test]
fn what_is_owed_is_missed_where_there_was_time() {
    let found = with(&[(Peer::Server, b"\x88\x00"), (Peer::Server, b"")]);
    assert_eq!(found, ["client: A Close is left without an answer (RFC 6455 §5.5.1)."]);
    let found = with(&[
        (Peer::Server, b"\x89\x01a\x89\x01b"),
        (Peer::Client, &masked(RawHeader::PONG, b"a")),
        (Peer::Server, b""),
    ]);
    assert_eq!(found, ["client: A Ping is left without an answer (RFC 6455 §5.5.2)."]);
    // The latest Ping is answered, or the connection is over before it can be.
    assert!(
        with(&[
            (Peer::Server, b"\x89\x01a\x89\x01b"),
            (Peer::Client, &masked(RawHeader::PONG, b"b")),
            (Peer::Server, b"")
        ])
        .is_empty()
    );
    assert!(with(&[(Peer::Server, b"\x89\x01a")]).is_empty());
}

#[test]
fn the_opening_is_judged_on_both_sides() {
    let request = format!("{REQUEST}\r\n");
    let respond = |edit: &dyn Fn(&str) -> String| {
        let response = format!("{}\r\n", edit(RESPONSE));
        let found = faults(&[(Peer::Client, request.as_bytes()), (Peer::Server, response.as_bytes())]);
        found.join(" ")
    };
    assert_eq!(respond(&str::to_owned), "");
    for (from, to, told) in [
        ("s3p", "S3p", "§4.2.2 item 5.4"),
        ("Upgrade: websocket\r\n", "", "§4.2.2 item 5.2"),
        ("Connection: Upgrade\r\n", "", "§4.2.2 item 5.3"),
        ("HTTP/1.1 101", "HTTP/1.0 101", "§4.2.2 item 5.1"),
        ("Sec-", "Sec-WebSocket-Protocol: chat\r\nSec-", "§4.2.2 item 4"),
        ("Sec-", "Sec-WebSocket-Extensions: permessage-deflate\r\nSec-", "§4.2.2 item 4"),
    ] {
        let found = respond(&|response| response.replacen(from, to, 1));
        assert!(found.starts_with("server: ") && found.contains(told), "{from:?}: {found}");
    }
    for (from, to, told) in [
        ("Host: a\r\n", "", "request item 4"),
        ("Version: 13", "Version: 12", "request item 9"),
        ("Key: dGhl", "Key: ", "request item 7"),
        ("\r\n", "\n", "A head is not written as HTTP demands"),
    ] {
        let request = format!("{}\r\n", REQUEST.replace(from, to));
        let found = faults(&[(Peer::Client, request.as_bytes())]).join(" ");
        assert!(found.starts_with("client: ") && found.contains(told), "{from:?}: {found}");
    }
}

#[test]
fn what_comes_before_the_answer_is_told_and_read() {
    let early = [format!("{REQUEST}\r\n").into_bytes(), masked(RawHeader::TEXT, b"\xff")].concat();
    let response = format!("{RESPONSE}\r\n");
    let found = faults(&[(Peer::Client, &early), (Peer::Server, response.as_bytes())]);
    assert_eq!(
        found,
        [
            "client: The client sends bytes before it has the response (RFC 6455 §4.1).",
            "client: The text is not UTF-8 from byte 0 on (RFC 6455 §8.1).",
        ]
    );
}

#[test]
fn an_answer_before_the_request_is_told_and_both_are_read() {
    let (request, response) = (format!("{REQUEST}\r\n"), format!("{RESPONSE}\r\n"));
    let half = request.len() / 2;
    let hello = [&request.as_bytes()[half..], &masked(RawHeader::TEXT, b"\xff")].concat();
    let found = faults(&[
        (Peer::Client, &request.as_bytes()[..half]),
        (Peer::Server, response.as_bytes()),
        (Peer::Client, &hello),
    ]);
    assert_eq!(
        found,
        [
            "client: The text is not UTF-8 from byte 0 on (RFC 6455 §8.1).",
            "server: A 101 comes before a request is whole (RFC 6455 §4.2.2).",
        ]
    );
}

#[test]
fn messages_are_inflated_by_what_was_agreed() {
    let extension = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let (request, response) = (format!("{REQUEST}{extension}\r\n"), format!("{RESPONSE}{extension}\r\n"));
    let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
    let (all, summary) = told(
        &[
            (Peer::Client, request.as_bytes()),
            (Peer::Server, response.as_bytes()),
            (Peer::Client, &masked(RawHeader { rsv1: true, ..RawHeader::TEXT }, hello)),
            (Peer::Server, b"\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00"),
        ],
        1,
    );
    assert_eq!(summary.faults(), 0);
    let messages: Vec<_> = all
        .iter()
        .filter_map(|told| match &told.event {
            WireEvent::Frame(frame) => frame.message.as_ref().map(|message| (told.from, &*message.bytes)),
            _ => None,
        })
        .collect();
    assert_eq!(messages, [(Peer::Client, &b"Hello"[..]), (Peer::Server, b"Hello")]);
}

#[test]
fn what_is_no_websocket_is_passed_and_not_judged() {
    for parts in [
        &[
            (Peer::Client, &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..]),
            (Peer::Server, b"HTTP/1.1 200 OK\r\n\r\n\xff\xff"),
        ][..],
        &[
            (Peer::Client, format!("{REQUEST}\r\n").as_bytes()),
            (Peer::Server, b"HTTP/1.1 403 Forbidden\r\n\r\nno"),
        ],
    ] {
        assert!(faults(parts).is_empty());
        let (all, _) = told(parts, 5);
        assert!(all.iter().any(|told| matches!(&told.event, WireEvent::Bytes { count: 2, .. })));
    }
    assert_eq!(faults(&[(Peer::Client, b"\x16\x03\x01\x02")]).len(), 1);
}

#[test]
fn interim_responses_come_first() {
    let (request, response) =
        (format!("{REQUEST}\r\n"), format!("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n{RESPONSE}\r\n"));
    let parts =
        [(Peer::Client, request.as_bytes()), (Peer::Server, &[response.as_bytes(), b"\x81\x01a"].concat())];
    let (all, summary) = told(&parts, 4);
    assert_eq!((summary.faults(), summary.server.texts), (0, 1));
    let frame = all.iter().find_map(|told| match &told.event {
        WireEvent::Frame(frame) => Some(frame.at),
        _ => None,
    });
    assert_eq!(frame, Some(response.len() as u64));
}

/// Any bytes in both directions, in any cut, are read without harm and in bounded memory.
#[test]
fn any_bytes_end_without_harm() {
    let mut random = crate::random::Random::new(5);
    for _ in 0..500 {
        let bytes = [random.bytes::<60>(), random.bytes::<60>()];
        let opening = [format!("{REQUEST}\r\n").into_bytes(), format!("{RESPONSE}\r\n").into_bytes()];
        for parts in [
            vec![(Peer::Client, &bytes[0][..]), (Peer::Server, &bytes[1])],
            vec![
                (Peer::Client, &opening[0][..]),
                (Peer::Server, &opening[1]),
                (Peer::Client, &bytes[0]),
                (Peer::Server, &bytes[1]),
            ],
        ] {
            let (all, _) = told(&parts, 3);
            for told in &all {
                let (lines, _) = (told.lines(), told.json());
                assert!(lines.iter().all(|line| !line.text.chars().any(char::is_control)), "{lines:?}");
            }
        }
    }
    let mut conversation = Conversation::new(KEEP);
    for _ in 0..1000 {
        conversation.receive(Duration::ZERO, Peer::Client, &[b'A'; 1000], &mut |_| ());
    }
    assert_eq!(conversation.summary().client.bytes, 1_000_000);
}
