//! Heads that others read in another way, and answers out of range.

use super::*;

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
