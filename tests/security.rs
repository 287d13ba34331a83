//! What has gone wrong in WebSocket software before, a test for each way it could go wrong here, named after the first
//! advisory of its kind. SECURITY.md links each row to its tests.

#[cfg(all(feature = "tls", feature = "blocking", feature = "event-loop"))]
#[path = "support/certificates.rs"]
mod certificates;
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bowsprit::Role;
use bowsprit::connection::{Config, Delivery};
use bowsprit::error::ProtocolError;
use bowsprit::extension::params;
use bowsprit::frame::{LengthForm, RawHeader};
use bowsprit::handshake::{
    Acceptance, ClientHandshake, ClientRequest, HeadError, HeadLimits, HeaderField, Incoming, OriginPolicy,
    Progress, Refusal, RequestError, ResponseError, ServerHandshake,
};
use support::*;

const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

/// The request with these lines behind it.
fn with(lines: &str) -> Vec<u8> {
    format!("{REQUEST}{lines}\r\n").into_bytes()
}

fn judge(request: &[u8], limits: HeadLimits) -> Result<Progress<Incoming>, RequestError> {
    ServerHandshake::new(limits).receive(request)
}

fn accepted(request: &[u8]) -> bool {
    matches!(judge(request, HeadLimits::default()), Ok(Progress::Done { value: Incoming::Upgrade(_), .. }))
}

const WIDE: HeadLimits = HeadLimits::new(1 << 20, 2000);

/// Work in proportion to its input takes far less than this, even here; work that grows with its square far more.
#[track_caller]
fn in_time(work: impl FnOnce()) {
    let started = Instant::now();
    work();
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

fn side(role: Role, change: impl FnOnce(&mut Config)) -> Side {
    Side::new(role, &Arc::new(config(change)), start())
}

fn read(side: &mut Side, bytes: &[u8]) {
    side.read(bytes, start());
}

fn failed(side: &Side) -> Option<ProtocolError> {
    side.conn.inbound.error()
}

// --- memory ---------------------------------------------------------------------------------------------------------

#[test]
fn rustsec_2020_0043_the_queue_of_a_peer_that_never_reads_is_bounded() {
    for role in ROLES {
        let mut side = side(role, |config| config.max_queued = 100_000);
        let mut refused = 0;
        for _ in 0..10_000 {
            refused += usize::from(side.conn.outbound.send_binary(&[7; 1000]).is_err());
            read(&mut side, &sent_by(role.peer(), RawHeader::PING, &[7; 125]));
        }
        assert!(refused > 9_000);
        assert!(side.conn.outbound.queued() < 102_000, "{} bytes", side.conn.outbound.queued());
    }
}

#[test]
fn rustsec_2022_0035_a_declared_length_is_a_promise_and_no_memory() {
    for role in ROLES {
        for length in [1 << 25, 1 << 40, (1 << 63) - 1] {
            let mut side = side(role, |_| {});
            read(&mut side, &raw_frame(by(role.peer(), RawHeader::BINARY.with_length(length)), b""));
            assert_eq!(failed(&side), Some(ProtocolError::FrameTooLong), "at the header");
            assert_eq!(side.conn.inbound.held(), 0);
        }
        let mut side = side(role, |config| {
            config.max_frame = u64::MAX;
            config.max_message = usize::MAX;
        });
        read(&mut side, &raw_frame(by(role.peer(), RawHeader::BINARY.with_length(1 << 40)), b"x"));
        assert_eq!(failed(&side), None);
        assert!(side.conn.inbound.held() <= 1);
    }
}

#[test]
fn cve_2016_10542_a_message_has_a_limit_to_the_byte() {
    for role in ROLES {
        for (len, fails) in [(1000, None), (1001, Some(ProtocolError::MessageTooLong))] {
            let mut side = side(role, |config| config.max_message = 1000);
            let payload = vec![7; len];
            read(&mut side, &sent_by(role.peer(), not_fin(RawHeader::BINARY), &payload[..600]));
            read(&mut side, &sent_by(role.peer(), RawHeader::CONTINUATION, &payload[600..]));
            assert_eq!(failed(&side), fails);
        }
    }
}

#[test]
fn cve_2018_21035_the_limits_are_there_without_asking_and_small() {
    let config = Config::default();
    assert!(config.max_message <= 16 << 20 && config.max_frame <= 16 << 20 && config.max_queued <= 16 << 20);
    assert!(config.max_fragments <= 1 << 20 && config.max_empty_fragments <= 1024);
    let head = HeadLimits::default();
    assert!(head.max_bytes <= 64 << 10 && head.max_headers <= 200);
}

#[test]
fn cve_2026_48779_a_fragment_costs_no_more_than_it_carries() {
    for role in ROLES {
        let mut side = side(role, |_| {});
        read(&mut side, &sent_by(role.peer(), not_fin(RawHeader::BINARY), b"x"));
        let fragment = sent_by(role.peer(), not_fin(RawHeader::CONTINUATION), b"x").repeat(1000);
        for _ in 0..131 {
            read(&mut side, &fragment);
        }
        assert_eq!((failed(&side), side.conn.inbound.held()), (None, 131_001));
        let empty = sent_by(role.peer(), not_fin(RawHeader::CONTINUATION), b"").repeat(1100);
        read(&mut side, &empty);
        assert_eq!(failed(&side), Some(ProtocolError::TooManyEmptyFragments));
    }
}

#[test]
fn cve_2026_12151_fragments_are_counted() {
    for role in ROLES {
        let mut side = side(role, |config| config.max_fragments = 100);
        read(&mut side, &sent_by(role.peer(), not_fin(RawHeader::TEXT), b"x"));
        read(&mut side, &sent_by(role.peer(), not_fin(RawHeader::CONTINUATION), b"x").repeat(99));
        assert_eq!(failed(&side), None);
        read(&mut side, &sent_by(role.peer(), RawHeader::CONTINUATION, b"x"));
        assert_fails_with(&mut side, 1008, start());
    }
}

/// NATS: Pings, Pongs, empty messages and half-sent fragments without end, to a side that is never written out.
#[test]
fn ghsa_8r68_gvr4_jh7j_a_flood_costs_what_the_settings_say() {
    for role in ROLES {
        let peer = role.peer();
        for (header, payload) in [
            (RawHeader::PING, &[7; 125][..]),
            (RawHeader::PONG, &[7; 125]),
            (RawHeader::TEXT, b""),
            (RawHeader::BINARY, b"x"),
        ] {
            let mut side = side(role, |_| {});
            let flood = sent_by(peer, header, payload).repeat(1000);
            for _ in 0..50 {
                read(&mut side, &flood);
                side.seen.clear();
            }
            assert_eq!((failed(&side), side.conn.inbound.held()), (None, 0));
            let queued = side.conn.outbound.queued();
            assert!(queued <= Config::default().max_queued + 200, "{queued} bytes wait");
        }
    }
}

#[test]
fn cve_2026_19204_an_unknown_opcode_is_refused_before_its_payload() {
    for role in ROLES {
        for opcode in [3, 7, 11, 15] {
            let mut side = side(role, |_| {});
            read(&mut side, &raw_frame(by(role.peer(), RawHeader::of(opcode).with_length(1 << 40)), b""));
            assert_fails_with(&mut side, 1002, start());
        }
    }
}

// --- lengths --------------------------------------------------------------------------------------------------------

#[test]
fn cve_2020_27813_no_length_overflows() {
    for role in ROLES {
        for delivery in [Delivery::Messages, Delivery::Frames, Delivery::Both] {
            // Every edge, alone and behind a fragment, so that sums wrap if anything does.
            let edges = [31, 32, 62, 63].map(|bit| 1u64 << bit);
            let lengths =
                edges.iter().flat_map(|edge| [edge - 1, *edge, edge + 1]).chain([u64::MAX, u64::MAX - 1]);
            for length in lengths {
                for before in [0, 1, 2, 126] {
                    let mut side = side(role, |config| {
                        config.delivery = delivery;
                        config.max_frame = u64::MAX;
                        config.max_message = usize::MAX;
                    });
                    let peer = role.peer();
                    read(&mut side, &sent_by(peer, not_fin(RawHeader::BINARY), &vec![7; before]));
                    read(
                        &mut side,
                        &raw_frame(by(peer, RawHeader::CONTINUATION.with_length(length)), b"abc"),
                    );
                    let expected = match length {
                        length if length >> 63 != 0 => Some(ProtocolError::LengthTopBit),
                        length
                            if usize::try_from(length)
                                .ok()
                                .and_then(|len| len.checked_add(before))
                                .is_none() =>
                        {
                            Some(ProtocolError::MessageTooLong)
                        }
                        _ => None,
                    };
                    assert_eq!(failed(&side), expected, "{before} + {length}");
                    assert!(side.conn.inbound.held() <= before + 3);
                }
            }
        }
    }
}

#[test]
fn cve_2020_13935_a_length_with_its_top_bit_ends_it_at_once() {
    for role in ROLES {
        for length in [1 << 63, u64::MAX] {
            let mut side = side(role, |_| {});
            let header = RawHeader { length, form: LengthForm::Long, ..by(role.peer(), RawHeader::TEXT) };
            in_time(|| read(&mut side, &raw_frame(header, &[b'x'; 100_000])));
            assert_fails_with(&mut side, 1002, start());
        }
    }
}

#[test]
fn libhv_769_a_length_that_ends_behind_the_input_reads_nothing_else() {
    for role in ROLES {
        for length in [0usize, 1, 124, 125, 126, 127, 65_535, 65_536] {
            let payload: Vec<u8> = (0..length).map(|at| at as u8 | 0x80).collect();
            let wire = sent_by(role.peer(), RawHeader::BINARY, &payload);
            let mut whole = side(role, |_| {});
            read(&mut whole, &wire);
            assert_eq!(whole.seen, [Seen::Binary(payload)]);
            let mut cut = side(role, |_| {});
            read(&mut cut, &wire[..wire.len() - 1]);
            assert_eq!((cut.seen.len(), failed(&cut)), (0, None));
        }
    }
}

// --- masks ----------------------------------------------------------------------------------------------------------

#[test]
fn facil_io_169_a_frame_without_a_mask_is_never_delivered() {
    for header in [
        RawHeader::TEXT,
        RawHeader::BINARY,
        RawHeader::CONTINUATION,
        RawHeader::PING,
        RawHeader::PONG,
        RawHeader::CLOSE,
    ] {
        let mut server = side(Role::Server, |_| {});
        read(&mut server, &frame(header, b""));
        assert_eq!(server.seen, [Seen::Failed(ProtocolError::MaskMissing)]);
        assert_fails_with(&mut server, 1002, start());
    }
}

#[test]
#[cfg(feature = "entropy")]
fn cve_2025_10148_every_frame_has_a_mask_of_its_own() {
    let now = start();
    let masks = Box::new(bowsprit::entropy::SystemEntropy::new());
    let mut client = bowsprit::connection::Connection::client(Arc::new(Config::default()), masks, now);
    // What a proxy might take for a request must not stand on the wire.
    let poison = b"GET /ad.js HTTP/1.1\r\nHost: example.com\r\n\r\n";
    for _ in 0..1000 {
        client.outbound.send_binary(poison).unwrap();
    }
    let wire = client.outbound.pending().to_vec();
    let keys: std::collections::HashSet<[u8; 4]> =
        frames(&wire).iter().map(|(header, _)| header.mask.expect("§5.3").0).collect();
    assert!(keys.len() > 990, "{} keys for 1000 frames", keys.len());
    assert!(!wire.windows(8).any(|window| poison.starts_with(window)));
    // Huang et al. 2011: each bit of a key is a coin.
    for bit in 0..32 {
        let ones = keys.iter().filter(|key| u32::from_be_bytes(**key) >> bit & 1 == 1).count();
        assert!((350..650).contains(&ones), "bit {bit} is set in {ones} of {}", keys.len());
    }
}

// --- nothing else goes out -------------------------------------------------------------------------------------------

#[test]
fn cve_2026_45736_nothing_goes_out_but_what_was_said() {
    for role in ROLES {
        let mut side = side(role, |_| {});
        side.conn.outbound.ping(b"1").unwrap();
        side.conn.outbound.send_text("").unwrap();
        side.conn.outbound.close(reason(1000, "bye")).unwrap();
        let sent: Vec<Vec<u8>> = frames(&side.write()).into_iter().map(|(_, payload)| payload).collect();
        assert_eq!(sent, [b"1".to_vec(), Vec::new(), close_payload(1000, "bye")]);
    }
}

// --- time -----------------------------------------------------------------------------------------------------------

#[test]
fn rustsec_2023_0065_a_head_in_small_reads_is_looked_at_once() {
    in_time(|| {
        let head = with(&format!("X: {}\r\n", "a".repeat(300_000)));
        let mut handshake = ServerHandshake::new(WIDE);
        let mut done = false;
        for byte in &head {
            done |= matches!(handshake.receive(&[*byte]), Ok(Progress::Done { .. }));
        }
        assert!(done);
    });
}

#[test]
fn cve_2021_32640_blanks_and_commas_take_no_longer_than_letters() {
    for unit in [" ", ",", " ,", "\t", "a ,", "a, "] {
        let value = unit.repeat(65_536 / unit.len());
        for name in ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Connection", "Upgrade"] {
            in_time(|| drop(judge(&with(&format!("{name}: {value}\r\n")), WIDE)));
        }
    }
}

#[test]
fn cve_2020_7662_quotes_and_backslashes_take_no_longer_than_letters() {
    for unit in ["\"", "\\", "\\\"", "a=\"\\", ";a=\"", "\"\\\\\"", "; "] {
        let value = format!("a; b=\"{}", unit.repeat(65_536 / unit.len()));
        in_time(|| drop(params::parse([value.as_bytes()])));
        in_time(|| drop(judge(&with(&format!("Sec-WebSocket-Extensions: {value}\r\n")), WIDE)));
    }
}

#[test]
fn cve_2025_5399_no_frame_makes_it_go_round_for_ever() {
    in_time(|| {
        let mut random = Random::new(1);
        for _ in 0..5000 {
            for role in ROLES {
                let len = random.below(40);
                let bytes = random.bytes(len);
                let mut side = side(role, |_| {});
                read(&mut side, &bytes);
                assert!(side.seen.len() <= bytes.len());
            }
        }
    });
}

#[test]
fn websocketpp_789_a_handshake_is_timed_from_its_start() {
    // The core has no clock for it: the loop has (`slow_handshakes_end_in_time_whatever_they_send` of
    // tests/event_loop.rs). What the core owes is not to grow while it waits.
    let mut handshake = ServerHandshake::new(HeadLimits::default());
    let mut refused = None;
    for count in 0.. {
        if let Err(error) = handshake.receive(b"GET / HTTP/1.1\r\n".get(count..=count).unwrap_or(b"a")) {
            refused = Some(error);
            break;
        }
        assert!(count <= HeadLimits::default().max_bytes);
    }
    assert!(matches!(refused, Some(RequestError::Head(HeadError::TooLong))), "{refused:?}");
}

// --- the handshake -----------------------------------------------------------------------------------------------------

#[test]
fn cve_2024_37890_more_headers_than_the_limit_are_refused() {
    let limits = HeadLimits::default();
    let own = REQUEST.matches("\r\n").count() - 1;
    for (more, taken) in
        [(limits.max_headers - own, true), (limits.max_headers - own + 1, false), (1000, false)]
    {
        let request = with(&"a: b\r\n".repeat(more));
        let result = judge(&request, limits);
        assert_eq!(result.is_ok(), taken, "{more}: {result:?}");
        if !taken {
            assert!(matches!(result, Err(RequestError::Head(HeadError::TooManyHeaders))), "{result:?}");
        }
    }
}

#[test]
fn cve_2026_59898_only_version_13_with_all_its_fields_is_a_handshake() {
    assert!(accepted(&with("")));
    for version in (0..=255).filter(|version| *version != 13) {
        let request = REQUEST.replace("Version: 13", &format!("Version: {version}"));
        assert!(!accepted(format!("{request}\r\n").as_bytes()), "{version}");
    }
    for odd in ["013", "+13", "13.0", "13, 8", "0x0d", "", "13 13"] {
        let request = REQUEST.replace("Version: 13", &format!("Version: {odd}"));
        assert!(!accepted(format!("{request}\r\n").as_bytes()), "{odd}");
    }
    // CVE-2026-54466: the drafts, which had other keys.
    for line in [
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Host: example.com",
    ] {
        let request = REQUEST.replace(&format!("{line}\r\n"), "");
        assert!(!accepted(format!("{request}\r\n").as_bytes()), "without {line}");
        let draft = format!(
            "{request}Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\r\n^n:ds[4U"
        );
        assert!(!accepted(draft.as_bytes()));
    }
}

#[test]
fn ws_3_3_1_names_that_are_words_elsewhere_are_names_here() {
    for name in ["constructor", "__proto__", "toString", "hasOwnProperty", "prototype"] {
        assert!(accepted(&with(&format!("Sec-WebSocket-Extensions: {name}; {name}={name}\r\n"))));
        assert!(accepted(&with(&format!("Sec-WebSocket-Protocol: {name}\r\n"))));
        assert!(accepted(&with(&format!("{name}: x\r\n"))));
    }
}

#[test]
fn cve_2026_1527_no_line_can_be_split_from_within() {
    for bad in ["a\r\nX: y", "a\nX: y", "a\rX: y", "a\0", "a\x7f", "a\x1b[2J"] {
        assert!(HeaderField::new("X-Name", bad).is_err(), "{bad:?}");
        assert!(HeaderField::new(bad, "value").is_err(), "{bad:?}");
        assert!(ClientRequest::new(bad, "/").is_err(), "{bad:?}"); // CVE-2026-42578: the host of a CONNECT as well
        assert!(ClientRequest::new("example.com", &format!("/{bad}")).is_err(), "{bad:?}");
        let request = || ClientRequest::new("example.com", "/").unwrap();
        assert!(request().origin(bad).is_err(), "{bad:?}");
        assert!(request().subprotocol(bad).is_err(), "{bad:?}");
        assert!(Refusal::new(400).unwrap().with_body(bad, b"x".to_vec()).is_err(), "{bad:?}");
    }
}

/// hyper RUSTSEC-2017-0002, 2020-0008, 2021-0020, 2021-0078, 2021-0079: what a proxy in front might read in another way.
#[test]
fn rustsec_2021_0078_a_request_reads_one_way_only() {
    for lines in [
        "Content-Length: 5\r\n",
        "Content-Length: +0\r\n",
        "Content-Length: 0, 5\r\n",
        "Content-Length: 0\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "X: y\r\n folded: z\r\n",
        "X: y\nContent-Length: 5\r\n",
        "X: y\rZ: z\r\n",
        "X\0: y\r\n",
        ": y\r\n",
        "Host: other.example\r\n",
    ] {
        assert!(!accepted(&with(lines)), "{lines:?}");
    }
}

#[test]
fn websocket_smuggle_after_a_refusal_nothing_more_is_read() {
    let wrong = format!("{}\r\nGET /secret HTTP/1.1\r\nHost: a\r\n\r\n", REQUEST.replace("13", "1337"));
    let mut handshake = ServerHandshake::new(HeadLimits::default());
    let error = handshake.receive(wrong.as_bytes()).unwrap_err();
    let answer = String::from_utf8(handshake.answer(error)).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 426 ") && answer.contains("Sec-WebSocket-Version: 13\r\n"),
        "{answer}"
    );
    let connection = answer.lines().find(|line| line.starts_with("Connection:")).unwrap();
    assert!(connection.contains("close"), "{connection}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "one answer, whatever else came");
    assert_eq!(handshake.receive(&with("")).err(), Some(error));
    assert!(Refusal::new(101).is_err(), "and no other code ever says 101");
}

#[test]
fn ghsa_cf66_xwfp_gvc4_foreign_pages_are_kept_out_of_a_local_server() {
    let policy = OriginPolicy::loopback();
    for origin in
        ["https://evil.example", "http://localhost.evil.example", "null", "http://127.0.0.1.evil.example"]
    {
        assert!(policy.judge(Some(origin), "localhost:9001").is_err(), "{origin}");
    }
    assert!(policy.judge(Some("http://localhost:9001"), "localhost:9001").is_ok());
    // A name that was rebound to this machine.
    assert!(policy.judge(Some("http://evil.example:9001"), "evil.example:9001").is_err());
}

#[test]
fn cve_2026_2229_answers_out_of_range_are_refused() {
    let offer = bowsprit::extension::Extension::new("permessage-deflate").unwrap();
    let offer = offer.with("client_max_window_bits", None).unwrap();
    for (answer, fine) in [
        ("permessage-deflate", true),
        ("permessage-deflate; server_max_window_bits=", false),
        ("permessage-deflate; server_max_window_bits=\"\"", false),
        ("permessage-deflate; server_max_window_bits=0", false),
        ("permessage-deflate; server_max_window_bits=7", false),
        ("permessage-deflate; server_max_window_bits=16", false),
        ("permessage-deflate; server_max_window_bits=300", false),
        ("permessage-deflate; server_max_window_bits=99999999999999999999", false),
        ("permessage-deflate; client_max_window_bits=-1", false),
    ] {
        let request = ClientRequest::new("example.com", "/").unwrap().extension(offer.clone());
        let mut client = ClientHandshake::new(request, *b"the sample nonce");
        let response = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Extensions: {answer}\r\n\r\n"
        );
        let result = client.receive(response.as_bytes());
        let refused =
            matches!(result, Err(ResponseError::Extensions(_) | ResponseError::ExtensionNotOffered))
                || cfg!(feature = "deflate") && result.is_err();
        // Without the extension nobody looks at its parameters, and nothing is inflated.
        assert!(refused != fine || !cfg!(feature = "deflate"), "{answer}: {result:?}");
    }
}

#[test]
fn cve_2026_54490_a_bomb_ends_at_the_inflated_limit() {
    // The stream itself is small; RFC 7692 §7.2.3.1 says what it means, and without the extension it has no meaning.
    for role in ROLES {
        let mut side = side(role, |config| config.max_message = 1000);
        let rsv1 = RawHeader { rsv1: true, ..by(role.peer(), RawHeader::TEXT) };
        read(&mut side, &frame(rsv1, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]));
        assert_eq!(failed(&side), Some(ProtocolError::ReservedBit));
    }
    #[cfg(feature = "deflate")]
    {
        use bowsprit::connection::Connection;
        use bowsprit::extension::deflate::{DeflateConfig, DeflateParams};
        for (len, fails) in [
            (1000, None),
            (1001, Some(ProtocolError::MessageTooLong)),
            (50 << 20, Some(ProtocolError::MessageTooLong)),
        ] {
            let mut stream = Vec::with_capacity(len / 500 + 1000);
            let mut compress = flate2::Compress::new(flate2::Compression::best(), false);
            compress.compress_vec(&vec![0; len], &mut stream, flate2::FlushCompress::Sync).unwrap();
            assert!(stream.ends_with(&[0, 0, 0xff, 0xff]));
            stream.truncate(stream.len() - 4);
            let mut settings = config(|config| config.max_message = 1000);
            settings.deflate = Some(DeflateConfig::default());
            let mut conn = Connection::client(Arc::new(settings), Box::new(Random::new(1)), start())
                .with_deflate(DeflateParams::default());
            let mut wire = frame(RawHeader { rsv1: true, ..RawHeader::BINARY }, &stream);
            for piece in wire.chunks_mut(100) {
                let mut input = piece;
                while let Ok(Some(_)) = conn.inbound.next(&mut input, &mut conn.outbound) {
                    assert!(conn.inbound.held() <= 1000);
                }
            }
            assert_eq!(conn.inbound.error(), fails, "{len} bytes");
        }
    }
}

/// zlib in Beast: many matches at a great distance, at each window and level that we send with; another inflater reads it.
#[test]
#[cfg(feature = "deflate")]
fn cve_2018_25032_distant_matches_survive() {
    use bowsprit::connection::Connection;
    use bowsprit::extension::Compression;
    use bowsprit::extension::deflate::{DeflateConfig, DeflateParams, WindowBits};

    let mut random = Random::new(25032);
    for bits in 9..=15u8 {
        // A few bytes come again as far away as an encoder looks, with others between.
        let window = 1usize << bits;
        let mut message = random.bytes(window);
        while message.len() < 3 * window {
            let at = message.len() - window + 262 + random.below(8);
            let len = 3 + random.below(5);
            message.extend_from_within(at..at + len);
            let noise = random.below(3);
            message.extend(random.bytes(noise));
        }
        let mut settings = config(|_| {});
        settings.deflate = Some(DeflateConfig::default());
        let params = DeflateParams {
            server_max_window_bits: WindowBits::new(bits).unwrap(),
            ..DeflateParams::default()
        };
        let mut conn = Connection::server(Arc::new(settings), start()).with_deflate(params);
        for _ in 0..3 {
            conn.outbound.send_with(bowsprit::Message::Binary(&message), Compression::On).unwrap();
            let wire = conn.outbound.pending().to_vec();
            conn.outbound.advance(wire.len());
            let [(header, payload)] = &frames(&wire)[..] else { panic!("one frame") };
            assert!(header.rsv1);
            let stream = [&payload[..], &[0, 0, 0xff, 0xff]].concat();
            assert!(inflated(&stream, 1 << bits) == message, "{bits} bits");
        }
    }
}

/// What comes of a stream under another engine than ours, with a window of so many bytes.
#[cfg(feature = "deflate")]
fn inflated(mut stream: &[u8], window: usize) -> Vec<u8> {
    use miniz_oxide::inflate::TINFLStatus;
    use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
    use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

    let (mut engine, mut window, mut at, mut out) =
        (Box::<DecompressorOxide>::default(), vec![0; window], 0, Vec::new());
    loop {
        let (status, read, written) =
            decompress(&mut engine, stream, &mut window, at, TINFL_FLAG_HAS_MORE_INPUT);
        out.extend_from_slice(&window[at..at + written]);
        stream = &stream[read..];
        at = (at + written) % window.len();
        match status {
            TINFLStatus::HasMoreOutput => {}
            TINFLStatus::NeedsMoreInput => return out,
            other => panic!("{other:?}"),
        }
    }
}

/// CRIME and BREACH: a message with a secret in it can go as it is, on a connection that compresses others.
#[test]
#[cfg(feature = "deflate")]
fn crime_a_message_with_a_secret_goes_uncompressed() {
    use bowsprit::connection::Connection;
    use bowsprit::extension::Compression;
    use bowsprit::extension::deflate::{DeflateConfig, DeflateParams};

    let mut settings = config(|_| {});
    settings.deflate = Some(DeflateConfig::default());
    let mut conn = Connection::server(Arc::new(settings), start()).with_deflate(DeflateParams::default());
    let text = bowsprit::Message::Text("secret=secret=secret=secret=secret=");
    let mut sent = |choice| {
        conn.outbound.send_with(text, choice).unwrap();
        let wire = conn.outbound.pending().to_vec();
        conn.outbound.advance(wire.len());
        frames(&wire).remove(0)
    };
    assert!(sent(Compression::On).0.rsv1);
    let (header, payload) = sent(Compression::Off);
    assert!(!header.rsv1 && payload == b"secret=secret=secret=secret=secret=");
}

/// An acceptance cannot say what the peer did not ask for, whatever a handler does.
#[test]
fn only_what_was_offered_is_accepted() {
    let Ok(Progress::Done { value: Incoming::Upgrade(request), .. }) =
        judge(&with(""), HeadLimits::default())
    else {
        panic!("a right request")
    };
    let acceptance = Acceptance::default().with_subprotocol("chat".to_owned());
    assert!(request.accept(&acceptance).is_err());
}

// --- one connection is one connection -------------------------------------------------------------------------------------

#[cfg(feature = "event-loop")]
mod the_loop {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::time::{Duration, Instant};

    use bowsprit::event_loop::{ConnId, Context, Ended, EventLoop, Handler, Settings};
    use bowsprit::handshake::Agreement;
    use bowsprit::message::Message;

    struct Echo;

    impl Handler for Echo {
        type Data = ();

        fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
            cx.send(id, message);
        }
    }

    /// Turns the loop until `done`.
    fn turn_until(server: &mut EventLoop<()>, mut done: impl FnMut(&mut EventLoop<()>) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !done(server) {
            assert!(Instant::now() < deadline, "it takes too long");
            server.turn(&mut Echo, Some(Duration::from_millis(5))).unwrap();
        }
    }

    fn open(server: &mut EventLoop<()>, address: std::net::SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(&super::with("")).unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut head = Vec::new();
        turn_until(server, |_| {
            let mut buf = [0; 1024];
            if let Ok(len) = stream.read(&mut buf) {
                head.extend_from_slice(&buf[..len]);
            }
            head.ends_with(b"\r\n\r\n")
        });
        stream
    }

    /// Each keeps within its own limits, and all together hold what no machine has.
    #[test]
    fn each_within_its_limits_and_all_within_a_budget() {
        let mut settings = Settings::default();
        settings.max_held = 8 << 20;
        let mut server = EventLoop::<()>::with_settings(settings).unwrap();
        let address = server.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let mut healthy = open(&mut server, address);
        let mut unfinished: Vec<TcpStream> = (0..24).map(|_| open(&mut server, address)).collect();
        let part = [&b"\x82\xff\0\0\0\0\0\x10\0\0\0\0\0\0"[..], &[7; 900_000]].concat();
        for stream in &mut unfinished {
            let mut rest = &part[..];
            turn_until(&mut server, |_| {
                rest = &rest[stream.write(rest).unwrap_or(0)..];
                rest.is_empty()
            });
        }
        // Each that is ended is told why, and that is enough. What was told is looked at in time: a while later the
        // connection is reset, as it has not been read to its end.
        let mut told = vec![false; unfinished.len()];
        turn_until(&mut server, |server| {
            for (told, stream) in told.iter_mut().zip(&unfinished) {
                let mut close = [0; 4];
                *told |=
                    stream.peek(&mut close).is_ok_and(|len| len == 4) && close[2..] == 1013u16.to_be_bytes();
            }
            let stats = server.context().stats();
            let told = told.iter().filter(|told| **told).count() as u64;
            stats.over_budget >= 10 && told == stats.over_budget && stats.held <= 8 << 20
        });
        assert!(server.context().stats().over_budget <= 20, "eight of them fit in");
        healthy.write_all(b"\x81\x82\0\0\0\0hi").unwrap();
        let mut answer = [0; 4];
        turn_until(&mut server, |_| healthy.read(&mut answer).is_ok_and(|len| len == 4));
        assert_eq!(&answer, b"\x81\x02hi");
    }

    /// One read brings thousands of messages; whoever says one thing meanwhile has the answer after that turn.
    #[test]
    fn a_flood_keeps_nobody_waiting() {
        let mut server = EventLoop::<()>::new().unwrap();
        let address = server.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let mut flood = open(&mut server, address);
        let mut quiet = open(&mut server, address);
        let many = b"\x82\x82\0\0\0\0hi".repeat(20_000);
        let mut rest = &many[..];
        let before = server.context().stats().messages_in;
        rest = &rest[flood.write(rest).unwrap()..];
        assert!(many.len() - rest.len() > 50_000, "the socket takes little");
        quiet.write_all(b"\x81\x82\0\0\0\0hi").unwrap();
        let mut answer = [0; 4];
        turn_until(&mut server, |_| quiet.read(&mut answer).is_ok_and(|len| len == 4));
        let meanwhile = server.context().stats().messages_in - before;
        assert!(meanwhile < 5000, "{meanwhile} of the flood came before it");
    }

    /// Tomcat: CVE-2021-42340; Undertow: CVE-2021-3690.
    #[test]
    fn cve_2021_42340_nothing_is_kept_after_a_close() {
        let mut server = EventLoop::<()>::new().unwrap();
        let address = server.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        for round in 0..150 {
            let mut stream = open(&mut server, address);
            let said: &[u8] = match round % 4 {
                0 => b"\x88\x82\0\0\0\0\x03\xe8", // a clean close
                1 => b"\xff\xff",                 // a broken rule
                2 => b"\x01\xfe\x10\x00\0\0\0\0half a message",
                _ => b"",
            };
            stream.write_all(said).unwrap();
            drop(stream);
        }
        turn_until(&mut server, |server| server.engine().is_empty());
    }

    /// Topics as a model has them, whatever is joined, left, published and closed in whatever order.
    #[test]
    fn cve_2020_36406_topics_are_what_a_model_says() {
        use std::collections::{BTreeMap, BTreeSet};

        let mut server = EventLoop::<()>::new().unwrap();
        let address = server.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let mut random = super::Random::new(36406);
        let mut model: BTreeMap<String, BTreeSet<ConnId>> = BTreeMap::new();
        let mut streams: Vec<(ConnId, TcpStream)> = Vec::new();
        for _ in 0..600 {
            let topic = "t/".repeat(random.below(4)) + &random.below(5).to_string();
            let choice = random.below(10);
            if streams.len() < 3 || choice == 0 && streams.len() < 12 {
                let known: BTreeSet<ConnId> = server.context().connections().collect();
                let stream = open(&mut server, address);
                let id = server.context().connections().find(|id| !known.contains(id)).unwrap();
                streams.push((id, stream));
                continue;
            }
            let at = random.below(streams.len());
            let id = streams[at].0;
            let cx = server.context();
            match choice {
                1..=4 => {
                    let is_new = model.entry(topic.clone()).or_default().insert(id);
                    assert_eq!(cx.subscribe(id, &topic), Ok(is_new));
                }
                5 | 6 => {
                    let was_there = model.get_mut(&topic).is_some_and(|ids| ids.remove(&id));
                    assert_eq!(cx.unsubscribe(id, &topic), was_there);
                }
                7 | 8 => {
                    let ids = model.get(&topic).cloned().unwrap_or_default();
                    assert_eq!(cx.publish(&topic, Message::Text("x")).here, ids.len());
                    assert_eq!(cx.subscribers_of(&topic).collect::<BTreeSet<_>>(), ids);
                }
                _ => {
                    drop(streams.swap_remove(at));
                    turn_until(&mut server, |server| !server.context().connections().any(|this| this == id));
                    for ids in model.values_mut() {
                        ids.remove(&id);
                    }
                }
            }
            model.retain(|_, ids| !ids.is_empty());
            let cx = server.context();
            let topics: BTreeMap<String, usize> =
                cx.topics().map(|(name, count)| (name.to_owned(), count)).collect();
            assert_eq!(topics, model.iter().map(|(name, ids)| (name.clone(), ids.len())).collect());
        }
    }

    /// What a handler may do to connections while it is called for one of them: close, abort, send, all at once.
    struct Reckless(super::Random);

    impl Reckless {
        fn act(&mut self, cx: &mut Context<()>) {
            let all: Vec<ConnId> = cx.connections().collect();
            for _ in 0..3 {
                let id = all[self.0.below(all.len())];
                match self.0.below(6) {
                    0 => cx.abort(id),
                    1 => drop(cx.close(id, None)),
                    2 => drop(cx.subscribe(id, "all")),
                    3 => drop(cx.publish("all", Message::Text("x"))),
                    4 => drop(cx.set_timer_for(id, Duration::ZERO, 0)),
                    _ => drop(cx.send_text(id, "y")),
                }
            }
        }
    }

    impl Handler for Reckless {
        type Data = ();

        fn on_open(&mut self, cx: &mut Context<()>, _: ConnId, _: &Agreement) {
            self.act(cx);
        }

        fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
            self.act(cx);
            cx.send(id, message); // perhaps to one that is no more
            self.act(cx);
        }

        fn on_close(&mut self, cx: &mut Context<()>, id: ConnId, _: &Ended) {
            assert!(!cx.is_open(id));
            cx.abort(id);
        }
    }

    #[test]
    fn uwebsockets_1583_a_callback_may_end_any_connection() {
        let mut server = EventLoop::<()>::new().unwrap();
        let address = server.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let mut handler = Reckless(super::Random::new(1583));
        let mut random = super::Random::new(1);
        let mut streams = Vec::new();
        let mut opened = 0;
        let deadline = Instant::now() + Duration::from_secs(60);
        while opened < 300 {
            assert!(Instant::now() < deadline, "it takes too long");
            if streams.len() < 8 {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_nonblocking(true).unwrap();
                let said = [super::with(""), b"\x81\x82\0\0\0\0hi".repeat(1 + random.below(20))].concat();
                opened += usize::from(stream.write(&said).is_ok());
                streams.push(stream);
            }
            server.turn(&mut handler, Some(Duration::ZERO)).unwrap();
            let mut buf = [0; 4096];
            streams.retain_mut(|stream| match stream.read(&mut buf) {
                Ok(len) => len > 0,
                Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
            });
            if random.below(20) == 0 {
                streams.pop();
            }
        }
        drop(streams);
        while !server.engine().is_empty() {
            assert!(Instant::now() < deadline, "connections are left");
            server.turn(&mut handler, Some(Duration::from_millis(5))).unwrap();
        }
    }

    /// libwebsockets: the upgrade and the end of a connection race each other; here at every byte of the handshake.
    #[test]
    fn cve_2025_11677_an_upgrade_may_end_at_any_byte() {
        let mut server = EventLoop::<()>::new().unwrap();
        let address = server.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let request = [super::with(""), b"\x88\x80\0\0\0\0".to_vec()].concat();
        for cut in 0..=request.len() {
            for resets in [false, true] {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.write_all(&request[..cut]).unwrap();
                if resets {
                    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
                }
                server.turn(&mut Echo, Some(Duration::ZERO)).unwrap();
                drop(stream);
                server.turn(&mut Echo, Some(Duration::ZERO)).unwrap();
            }
        }
        turn_until(&mut server, |server| server.engine().is_empty());
        let stats = server.context().stats();
        assert_eq!(stats.connections, 0);
        assert!(stats.accepted >= request.len() as u64, "{stats:?}");
    }

    /// mio: a token that comes after its registration has ended is nobody's.
    #[test]
    fn rustsec_2024_0019_a_late_token_reaches_nobody() {
        use bowsprit::event_loop::Readiness;

        let mut server = EventLoop::<()>::new().unwrap();
        let address = server.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let late = Readiness { readable: true, writable: true, read_closed: true, error: true };
        let mut tokens = Vec::new();
        for _ in 0..5 {
            let stream = open(&mut server, address);
            let id = server.context().connections().next().unwrap();
            tokens.push(server.engine().token_of(id).unwrap());
            drop(stream);
            turn_until(&mut server, |server| server.engine().is_empty());
            assert_eq!(server.engine().token_of(id), None);
        }
        let mut bystander = open(&mut server, address);
        let own = server.context().connections().next().unwrap();
        let own = server.engine().token_of(own).unwrap();
        assert!(!tokens.contains(&own), "its slot had other tokens before");
        for token in tokens {
            for late in [
                late,
                Readiness::READABLE,
                Readiness { read_closed: true, ..Readiness::default() },
                Readiness { error: true, ..Readiness::default() },
            ] {
                server.engine().ready(token, late, &mut Echo);
            }
        }
        // Even its own says too much: what is true is found out by reading.
        server.engine().ready(own, Readiness { error: false, read_closed: false, ..late }, &mut Echo);
        bystander.write_all(b"\x81\x82\0\0\0\0hi").unwrap();
        let mut echo = Vec::new();
        turn_until(&mut server, |_| {
            let mut buf = [0; 64];
            if let Ok(len) = bystander.read(&mut buf) {
                echo.extend_from_slice(&buf[..len]);
            }
            echo == b"\x81\x02hi"
        });
    }

    /// engine.io: CVE-2023-31125, CVE-2026-59725.
    #[test]
    fn cve_2023_31125_a_peer_ends_its_own_connection_only() {
        let mut server = EventLoop::<()>::new().unwrap();
        let address = server.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let mut bystander = open(&mut server, address);
        let mut random = super::Random::new(9);
        for _ in 0..40 {
            let mut stream = open(&mut server, address);
            let len = 1 + random.below(60);
            stream.write_all(&random.bytes(len)).unwrap();
        }
        bystander.write_all(b"\x81\x82\0\0\0\0hi").unwrap();
        let mut echo = Vec::new();
        turn_until(&mut server, |_| {
            let mut buf = [0; 64];
            if let Ok(len) = bystander.read(&mut buf) {
                echo.extend_from_slice(&buf[..len]);
            }
            !echo.is_empty()
        });
        assert_eq!(echo, b"\x81\x02hi");
    }
}

#[cfg(all(feature = "tls", feature = "blocking", feature = "event-loop"))]
mod the_tls {
    use std::io::{Read as _, Write as _};
    use std::net::{Shutdown, SocketAddr, TcpStream};
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use bowsprit::blocking::{self, Error};
    use bowsprit::client::{ClientConfig, ConnectError};
    use bowsprit::event_loop::{ConnId, Context, EventLoop, Handler};
    use bowsprit::message::Message;
    use bowsprit::tls::rustls::{self, CertificateError, ClientConnection, RootCertStore, StreamOwned};
    use bowsprit::tls::{TlsClient, TlsServer, tls_error};

    use super::certificates::Authority;

    struct Echo;

    impl Handler for Echo {
        type Data = ();

        fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
            cx.send(id, message);
        }
    }

    fn listen(authority: &Authority, name: &str) -> (EventLoop<()>, SocketAddr) {
        let identity = authority.issue(&[name]);
        let tls = TlsServer::builder().identity(vec![identity.certificate], identity.key).build().unwrap();
        let mut server = EventLoop::<()>::new().unwrap();
        let address = server.engine().listen_tls("127.0.0.1:0".parse().unwrap(), tls).unwrap();
        (server, address)
    }

    /// Turns the loop while `work` is done in another thread, and a little longer if `empties`.
    fn turn_while<T: Send>(server: &mut EventLoop<()>, empties: bool, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let working = scope.spawn(work);
            let deadline = Instant::now() + Duration::from_secs(60);
            while !working.is_finished() || empties && !server.engine().is_empty() {
                assert!(Instant::now() < deadline, "it takes too long");
                server.turn(&mut Echo, Some(Duration::from_millis(5))).unwrap();
            }
            working.join().unwrap()
        })
    }

    fn connection(authority: &Authority, name: &str) -> ClientConnection {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        ClientConnection::new(Arc::new(config), name.to_owned().try_into().unwrap()).unwrap()
    }

    fn secure(authority: &Authority, address: SocketAddr) -> StreamOwned<ClientConnection, TcpStream> {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        StreamOwned::new(connection(authority, "a.test"), stream)
    }

    /// An echo through TLS: the server is well.
    fn is_well(server: &mut EventLoop<()>, authority: &Authority, address: SocketAddr) {
        let echo = turn_while(server, true, || {
            let mut stream = secure(authority, address);
            stream.write_all(&[super::with(""), b"\x81\x82\0\0\0\0hi".to_vec()].concat()).unwrap();
            let mut came = Vec::new();
            while !came.ends_with(b"hi") {
                let mut buf = [0; 1024];
                let len = stream.read(&mut buf).unwrap();
                assert!(len > 0);
                came.extend_from_slice(&buf[..len]);
            }
            came
        });
        assert!(echo.ends_with(b"\r\n\r\n\x81\x02hi"));
    }

    /// faye: CVE-2020-15133, CVE-2020-15134; Java-WebSocket: CVE-2020-11050.
    #[test]
    fn cve_2020_15133_a_certificate_for_another_name_is_refused_unasked() {
        let authority = Authority::new();
        let (mut server, address) = listen(&authority, "other.test");
        let url = format!("wss://localhost:{}/", address.port());
        let trusting = TlsClient::builder().ca(authority.certificate()).unwrap().build().unwrap();
        let config = ClientConfig::new(&url).unwrap().tls(trusting);
        let refused =
            turn_while(&mut server, false, || blocking::connect_with(&config)).map(drop).unwrap_err();
        let Error::Connect(ConnectError::Tls(error)) = &refused else { panic!("{refused:?}") };
        let error = tls_error(error).unwrap();
        assert!(
            matches!(
                error,
                rustls::Error::InvalidCertificate(
                    CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
                )
            ),
            "{error:?}"
        );
    }

    /// Jetty: a TLS record that announces more than any may hold.
    #[test]
    fn cve_2021_28165_a_large_tls_record_costs_a_connection_and_no_time() {
        let authority = Authority::new();
        let (mut server, address) = listen(&authority, "a.test");
        for kind in [20, 21, 22, 23, 24, 255] {
            for length in [0, 1, 0x4000u16, 0x4001, 0x4800, 0x4801, 0xffff] {
                turn_while(&mut server, true, || {
                    let mut stream = TcpStream::connect(address).unwrap();
                    let [high, low] = length.to_be_bytes();
                    let record = [&[kind, 3, 3, high, low][..], &vec![1; usize::from(length)]].concat();
                    // It may have had enough before all is said.
                    let _ = stream.write_all(&record);
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        }
        is_well(&mut server, &authority, address);
    }

    /// rustls: a ClientHello that is none, or is odd: what ours would say, with any byte changed, left out or cut off.
    #[test]
    fn rustsec_2024_0399_an_odd_client_hello_ends_its_own_connection_only() {
        let authority = Authority::new();
        let (mut server, address) = listen(&authority, "a.test");
        let mut hello = Vec::new();
        connection(&authority, "a.test").write_tls(&mut hello).unwrap();
        let mut random = super::Random::new(399);
        for round in 0..300 {
            let mut odd = hello.clone();
            match round % 3 {
                0 => odd.truncate(random.below(hello.len())),
                1 => drop(odd.remove(random.below(hello.len()))),
                _ => odd[random.below(hello.len())] ^= 1 << random.below(8),
            }
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(&odd).unwrap();
            drop(stream);
            server.turn(&mut Echo, Some(Duration::ZERO)).unwrap();
        }
        is_well(&mut server, &authority, address);
    }

    /// rustls: close_notify in the middle of it, with the TCP connection open or half open, is an end and no endless loop.
    #[test]
    fn rustsec_2024_0336_a_tls_peer_that_ends_half_way_is_gone() {
        let authority = Authority::new();
        let (mut server, address) = listen(&authority, "a.test");
        for half in [false, true] {
            for said in
                [&b""[..], b"GET / HT", &super::with(""), &[&super::with("")[..], b"\x81\xfe"].concat()]
            {
                turn_while(&mut server, true, || {
                    let mut stream = secure(&authority, address);
                    stream.write_all(said).unwrap();
                    stream.conn.send_close_notify();
                    while stream.conn.wants_write() {
                        stream.conn.write_tls(&mut stream.sock).unwrap();
                    }
                    if half {
                        stream.sock.shutdown(Shutdown::Write).unwrap();
                    }
                    // The server ends its direction too, of itself.
                    let mut sink = Vec::new();
                    let _ = stream.sock.read_to_end(&mut sink);
                });
            }
        }
        is_well(&mut server, &authority, address);
    }
}

/// Each row of the table in SECURITY.md names a test of this file at least, and each of those is there; each test here
/// that is named after an advisory stands in the table.
#[test]
fn the_table_and_the_tests_are_of_each_other() {
    let (table, source) = (include_str!("../SECURITY.md"), include_str!("security.rs"));
    let tests: Vec<&str> = source
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("fn "))
        .filter_map(|line| line.split_once("() {").map(|(name, _)| name))
        .collect();
    let rows: Vec<&str> = table
        .lines()
        .skip_while(|line| !line.starts_with("| attack |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert!(rows.len() >= 30, "{} rows", rows.len());
    let mut named = Vec::new();
    for row in rows {
        let own: Vec<&str> = row
            .split('`')
            .filter_map(|item| item.strip_prefix("security::"))
            .map(|name| name.rsplit("::").next().unwrap().trim_end_matches('…'))
            .collect();
        // What only the command, the lab, the C interface or an engine beside us can do wrong is tested beside them.
        let elsewhere = row.split('`').any(|item| {
            let Some((file, name)) = item.trim_end_matches('…').rsplit_once("::") else { return false };
            let file = file.replace("::", "/");
            let folders = [
                "tests",
                "crates/capi/src",
                "crates/capi/tests",
                "crates/cli/tests",
                "crates/cli/src/serve",
                "crates/lab/src",
                "crates/lab/tests",
            ];
            folders.iter().any(|folder| {
                let path = format!("{}/{folder}/{file}.rs", env!("CARGO_MANIFEST_DIR"));
                std::fs::read_to_string(path).is_ok_and(|source| source.contains(&format!("fn {name}")))
            })
        });
        assert!(!own.is_empty() || elsewhere, "no test of its own: {row}");
        for name in &own {
            assert!(tests.iter().any(|test| test.starts_with(name)), "{name} is not there: {row}");
        }
        named.extend(own);
    }
    let prefixes =
        ["rustsec_", "cve_", "ghsa_", "ws_", "crime_", "libhv_", "facil_io_", "websocket", "uwebsockets_"];
    for test in tests.iter().filter(|test| prefixes.iter().any(|prefix| test.starts_with(prefix))) {
        assert!(named.iter().any(|name| test.starts_with(name)), "{test} is not in SECURITY.md");
    }
}
