//! The server's side of the opening handshake (RFC 6455 §4.2).
//!
//! In: the bytes of a request in any cut. Out: a [`Request`](super::Request) that keeps every rule of §4.2.1, a
//! [`PlainRequest`](super::PlainRequest) that asks for no upgrade, or the rule that the request breaks; then the head
//! of a 101 (§4.2.2). Promises: a 101 answers only a request that was judged here, and contains only what the request
//! offered. The application decides who may connect, from which origin and to which resource.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::error::RequestError;
use super::head::{Head, StartLine};
use super::head_reader::{HeadLimits, HeadReader, Progress};
use super::judge;
use super::leniency::Leniency;
use super::request::Incoming;

/// Reads and judges one request.
///
/// ```
/// use bowsprit::handshake::{Acceptance, HeadLimits, Incoming, Progress, ServerHandshake};
///
/// let input = b"GET /chat HTTP/1.1\r\n\
///               Host: server.example.com\r\n\
///               Upgrade: websocket\r\n\
///               Connection: Upgrade\r\n\
///               Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
///               Sec-WebSocket-Protocol: chat, superchat\r\n\
///               Sec-WebSocket-Version: 13\r\n\r\n";
/// let mut handshake = ServerHandshake::new(HeadLimits::default());
/// match handshake.receive(input) {
///     Ok(Progress::Done { value: Incoming::Upgrade(request), used }) => {
///         assert_eq!((request.resource(), request.host(), used), ("/chat", "server.example.com", input.len()));
///         let subprotocol = request.choose_subprotocol(&["superchat"]).map(str::to_owned);
///         let (head, agreement) = request.accept(&Acceptance::default().with_subprotocol(subprotocol)).unwrap();
///         assert!(head.starts_with(b"HTTP/1.1 101 "));
///         assert_eq!(agreement.subprotocol.as_deref(), Some("superchat"));
///     }
///     Ok(Progress::Done { value: Incoming::Plain(_), .. }) => { /* send a page */ }
///     Ok(Progress::NeedMore) => { /* read on */ }
///     Err(error) => { let _answer = handshake.answer(error); /* send it, shut down */ }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ServerHandshake {
    reader: HeadReader,
    /// The request is HEAD, so no answer has a body.
    is_head: bool,
    leniency: Leniency,
    failed: Option<RequestError>,
    /// The head that broke a rule.
    head: Option<Box<Head>>,
}

impl ServerHandshake {
    /// Returns how many bytes of memory are held, beyond its own size.
    pub const fn memory(&self) -> usize {
        self.reader.memory()
    }

    /// Creates a handshake before its first byte.
    pub fn new(limits: HeadLimits) -> Self {
        Self {
            reader: HeadReader::request(limits),
            is_head: false,
            leniency: Leniency::default(),
            failed: None,
            head: None,
        }
    }

    /// Returns this handshake with `leniency` instead of strict rules.
    #[must_use]
    pub const fn with_leniency(mut self, leniency: Leniency) -> Self {
        self.leniency = leniency;
        self
    }

    /// Returns whether nothing has arrived yet.
    pub fn is_empty(&self) -> bool {
        self.reader.is_empty() && self.failed.is_none()
    }

    /// Returns what has arrived of the request so far.
    #[cfg(all(feature = "event-loop", feature = "http2"))]
    pub(crate) fn received(&self) -> &[u8] {
        self.reader.bytes()
    }

    /// Takes the next bytes. Once this returns `Done`, the handshake is complete: bytes of the input from `used` on are
    /// frames.
    ///
    /// # Errors
    ///
    /// [`RequestError`] for the first rule that the request breaks, and for every call after that.
    pub fn receive(&mut self, input: &[u8]) -> Result<Progress<Incoming>, RequestError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let (head, used) = match self.reader.receive(input) {
            Ok(Progress::Done { value, used }) => (value, used),
            Ok(Progress::NeedMore) => return Ok(Progress::NeedMore),
            Err(error) => return Err(self.fail(error.into())),
        };
        self.is_head = matches!(head.start_line(), StartLine::Request { method: "HEAD", .. });
        match judge::judge(head, self.leniency) {
            Ok(value) => Ok(Progress::Done { value, used }),
            Err((error, head)) => {
                self.head = Some(head);
                Err(self.fail(error))
            }
        }
    }

    /// Returns the head that broke a rule, if it was well-formed HTTP, to show who sent it.
    pub fn refused_head(&self) -> Option<&Head> {
        self.head.as_deref()
    }

    /// Returns the response that tells the peer what it did wrong. Send it, shut down the write side, and read on for a
    /// while so that the peer can read the answer.
    pub fn answer(&self, error: RequestError) -> Vec<u8> {
        if self.is_head { error.refusal().encode_head() } else { error.refusal().encode() }
    }

    fn fail(&mut self, error: RequestError) -> RequestError {
        self.failed = Some(error);
        error
    }
}

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned as _;

    use super::*;
    use crate::extension::{Extension, params};
    use crate::handshake::{
        AcceptError, Acceptance, Agreement, HeadError, HeaderField, MAX_SUBPROTOCOLS, Refusal, RefusalError,
        Request,
    };

    const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

    /// The lines of a minimal request.
    const MINIMAL: [&str; 6] = [
        "GET /chat HTTP/1.1",
        "Host: server.example.com",
        "Upgrade: websocket",
        "Connection: Upgrade",
        KEY,
        "Sec-WebSocket-Version: 13",
    ];

    fn bytes(lines: &[&str]) -> Vec<u8> {
        let mut lines = lines.to_vec();
        lines.extend(["", ""]);
        lines.join("\r\n").into_bytes()
    }

    /// Returns the minimal request with the line that starts like this replaced by these.
    fn with(start: &str, lines: &[&str]) -> Vec<u8> {
        let at = MINIMAL.iter().position(|line| line.starts_with(start)).unwrap();
        bytes(&[&MINIMAL[..at], lines, &MINIMAL[at + 1..]].concat())
    }

    /// Returns the minimal request with these lines appended.
    fn and(lines: &[&str]) -> Vec<u8> {
        bytes(&[&MINIMAL[..], lines].concat())
    }

    /// Returns the outcome, which no cut changes.
    fn judge(input: &[u8]) -> Result<Incoming, RequestError> {
        let outcome = |parts: &[&[u8]]| {
            let mut handshake = ServerHandshake::new(HeadLimits::default());
            let mut before = 0;
            for part in parts {
                match handshake.receive(part) {
                    Ok(Progress::NeedMore) => before += part.len(),
                    Ok(Progress::Done { value, used }) => return Ok((value, before + used)),
                    Err(error) => {
                        assert_eq!(handshake.receive(b"GET").unwrap_err(), error);
                        assert_well_formed(&handshake.answer(error), error);
                        return Err(error);
                    }
                }
            }
            panic!("unfinished: {}", input.escape_ascii());
        };
        let whole = outcome(&[input]);
        let shown = format!("{whole:?}");
        assert_eq!(format!("{:?}", outcome(&input.chunks(1).collect::<Vec<_>>())), shown);
        if input.len() < 1000 {
            for cut in 0..input.len() {
                let (a, b) = input.split_at(cut);
                assert_eq!(format!("{:?}", outcome(&[a, b])), shown, "cut at {cut}");
            }
        }
        whole.map(|(value, used)| {
            assert_eq!(used, input.len());
            value
        })
    }

    fn assert_well_formed(answer: &[u8], error: RequestError) {
        let mut reader = HeadReader::response(HeadLimits::default());
        let Ok(Progress::Done { value: head, used }) = reader.receive(answer) else { panic!("{error}") };
        let StartLine::Response { status, .. } = head.start_line() else { panic!() };
        assert_eq!(status, error.status());
        assert_eq!(head.only("sec-websocket-accept"), Ok(None));
        let length = head.only("content-length").unwrap().unwrap();
        let body = &answer[used..];
        assert!(body.is_empty() || length == body.len().to_string().as_bytes());
        assert!(head.tokens("connection").any(|token| token == b"close"));
        assert_eq!(head.tokens("connection").any(|token| token == b"Upgrade"), head.has("upgrade"));
        if status == 426 {
            assert_eq!(head.only("upgrade"), Ok(Some(&b"websocket"[..])));
        }
        assert!(error.to_string().ends_with('.'));
    }

    fn accepted(input: &[u8]) -> Request {
        match judge(input) {
            Ok(Incoming::Upgrade(request)) => request,
            other => panic!("{}: {other:?}", input.escape_ascii()),
        }
    }

    fn refused(input: &[u8]) -> RequestError {
        match judge(input) {
            Err(error) => error,
            Ok(other) => panic!("{}: {other:?}", input.escape_ascii()),
        }
    }

    #[test]
    fn the_sample_handshake() {
        // §1.3.
        let request = accepted(&bytes(&[
            "GET /chat HTTP/1.1",
            "Host: server.example.com",
            "Upgrade: websocket",
            "Connection: Upgrade",
            KEY,
            "Origin: http://example.com",
            "Sec-WebSocket-Protocol: chat, superchat",
            "Sec-WebSocket-Version: 13",
        ]));
        assert_eq!(request.resource(), "/chat");
        assert_eq!(request.host(), "server.example.com");
        assert_eq!(request.origin(), Some("http://example.com"));
        assert_eq!(request.subprotocols(), ["chat", "superchat"]);
        assert_eq!(request.extensions(), []);
        let acceptance = Acceptance { subprotocol: Some("chat".into()), ..Default::default() };
        let (head, agreement) = request.accept(&acceptance).unwrap();
        assert_eq!(
            head.escape_ascii().to_string(),
            "HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\\r\\nSec-WebSocket-Protocol: chat\\r\\n\\r\\n"
        );
        assert_eq!(agreement.subprotocol.as_deref(), Some("chat"));
    }

    #[test]
    fn what_may_differ() {
        for input in [
            &bytes(&MINIMAL),
            &[b"\r\n", &bytes(&MINIMAL)[..]].concat(),
            // A later HTTP/1.
            &with("GET", &["GET /chat HTTP/1.2"]),
            // The order and the case of names.
            &bytes(&[
                "GET /chat HTTP/1.1",
                "sec-websocket-version:13",
                "SEC-WEBSOCKET-KEY: \t dGhlIHNhbXBsZSBub25jZQ== \t",
                "cONNECTION: upgrade",
                "uPGRADE: WebSocket",
                "hOST: server.example.com",
            ]),
            // Lists, over one line and several.
            &with("Upgrade", &["Upgrade: WEBSOCKET"]),
            &with("Upgrade", &["Upgrade: h2c, websocket"]),
            &with("Upgrade", &["Upgrade: h2c", "Upgrade: websocket"]),
            &with("Connection", &["Connection: keep-alive, Upgrade"]),
            &with("Connection", &["Connection: UPGRADE"]),
            &with("Connection", &["Connection: keep-alive", "Connection: Upgrade"]),
            &with("Connection", &["Connection: , ,Upgrade,,"]),
            &with("Connection", &["Connection: Sec-WebSocket-Key, Upgrade"]),
            &with("Connection", &["Connection: close, Upgrade"]),
            // Any 16 bytes are a nonce.
            &with("Sec-WebSocket-Key", &["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]),
            // The example of §4.1, whose last bits no encoder sets.
            &with("Sec-WebSocket-Key", &["Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEC=="]),
            // Fields that have no meaning for us.
            &and(&["Content-Length: 0"]),
            &and(&["Expect: 100-continue"]),
            &and(&["X-Forwarded-For: 192.0.2.1", "Forwarded: for=_x", "Via: 1.1 x"]),
            &and(&["X-Foo: \u{e9}\u{ff} \"\t(<>@,;:\\"]),
        ] {
            assert_eq!(accepted(input).resource(), "/chat");
        }
        for host in ["a", "A.Example.", "a:9001", "a:", "[::1]", "[::1]:9001", "127.0.0.1:80"] {
            assert_eq!(accepted(&with("Host", &[&format!("Host: {host}")])).host(), host);
        }
        let request = accepted(&and(&["X-Raw: \u{ff}", "Cookie: a", "Cookie: b"]));
        assert_eq!(request.header("x-raw"), Some("\u{ff}".as_bytes()));
        assert_eq!(request.header("cookie"), Some(&b"a"[..]));
        assert_eq!(request.headers().count(), 8);
    }

    #[test]
    fn targets() {
        let query = "/?".to_owned() + &(0..200).map(|i| format!("k{i}=%0{}&", i % 10)).collect::<String>();
        for (target, host, resource) in [
            ("/", "server.example.com", "/"),
            ("//evil/x", "server.example.com", "//evil/x"),
            ("/%00%0d%0a%2f..%2F%zz", "server.example.com", "/%00%0d%0a%2f..%2F%zz"),
            ("/a/../b?c?d/e", "server.example.com", "/a/../b?c?d/e"),
            ("/?q=\"<>\\^`{|}[]", "server.example.com", "/?q=\"<>\\^`{|}[]"),
            (&query, "server.example.com", &query),
            ("http://server.example.com/chat?x", "server.example.com", "/chat?x"),
            ("HTTPS://other.example:81", "other.example:81", "/"),
            ("http://[::1]:9001?x=/y", "[::1]:9001", "/?x=/y"),
        ] {
            let request = accepted(&with("GET", &[&format!("GET {target} HTTP/1.1")]));
            assert_eq!((request.host(), request.resource()), (host, resource), "{target}");
        }
        use RequestError::*;
        for (target, error) in [
            ("*", TargetForm),
            ("host:80", TargetForm),
            ("?a=b", TargetForm),
            ("chat", TargetForm),
            ("http:/chat", TargetForm),
            ("http:///chat", TargetForm),
            ("http://user@host/chat", TargetForm),
            ("http://ho(st\"/chat", TargetForm),
            ("ws://host/chat", TargetForm),
            ("ftp://host/chat", TargetForm),
            ("/chat#a", TargetFragment),
            ("http://host/#", TargetFragment),
            ("#", TargetFragment),
            ("/caf\u{e9}", Head(HeadError::RequestLine)),
            ("/a b", Head(HeadError::RequestLine)),
            ("", Head(HeadError::RequestLine)),
            ("/\x01", Head(HeadError::ControlByte)),
        ] {
            assert_eq!(refused(&with("GET", &[&format!("GET {target} HTTP/1.1")])), error, "{target}");
        }
        // An absolute target does not make up for a missing or malformed Host.
        let target = "GET http://host/ HTTP/1.1";
        assert_eq!(refused(&bytes(&[&[target], &MINIMAL[2..]].concat())), HostMissing);
        assert_eq!(refused(&bytes(&[&[target, "Host: a b"], &MINIMAL[2..]].concat())), HostMalformed);
    }

    #[test]
    fn what_breaks_a_rule() {
        use RequestError::*;
        let table: &[(&str, &[&str], RequestError)] = &[
            ("GET", &["POST /chat HTTP/1.1"], Method),
            ("GET", &["HEAD /chat HTTP/1.1"], Method),
            ("GET", &["CONNECT a:80 HTTP/1.1"], Method),
            ("GET", &["OPTIONS * HTTP/1.1"], Method),
            ("GET", &["PUT /chat HTTP/1.1"], Method),
            ("GET", &["DELETE /chat HTTP/1.1"], Method),
            ("GET", &["get /chat HTTP/1.1"], Method),
            ("GET", &["FOO /chat HTTP/1.1"], Method),
            ("GET", &["GET /chat HTTP/1.0"], HttpVersionTooOld),
            ("GET", &["GET /chat HTTP/2.0"], HttpMajorVersion),
            ("GET", &["GET /chat HTTP/0.9"], HttpMajorVersion),
            ("GET", &["GET /chat"], Head(HeadError::RequestLine)),
            ("GET", &["GET /chat HTTP/1.1x"], Head(HeadError::RequestLine)),
            ("Host", &[], HostMissing),
            ("Host", &["Host: a", "Host: b"], HostRepeated),
            ("Host", &["Host: a", "host: a"], HostRepeated),
            ("Host", &["Host:"], HostMalformed),
            ("Host", &["Host: user@a"], HostMalformed),
            ("Host", &["Host: a/b"], HostMalformed),
            ("Host", &["Host: a b"], HostMalformed),
            ("Host", &["Host: a:65536"], HostMalformed),
            ("Host", &["Host: \u{e9}"], HostMalformed),
            ("Upgrade", &[], UpgradeMissing),
            ("Upgrade", &["Upgrade:"], UpgradeNotWebsocket),
            ("Upgrade", &["Upgrade: h2c"], UpgradeNotWebsocket),
            ("Upgrade", &["Upgrade: websockets"], UpgradeNotWebsocket),
            ("Upgrade", &["Upgrade: webSocket2"], UpgradeNotWebsocket),
            ("Upgrade", &["Upgrade: web socket"], UpgradeNotWebsocket),
            ("Upgrade", &["Upgrade: notwebsocket"], UpgradeNotWebsocket),
            ("Upgrade", &["Upgrade: websocket/13"], UpgradeNotWebsocket),
            ("Upgrade", &["Upgrade: \"websocket\""], UpgradeNotWebsocket),
            ("Connection", &[], ConnectionWithoutUpgrade),
            ("Connection", &["Connection:"], ConnectionWithoutUpgrade),
            ("Connection", &["Connection: keep-alive"], ConnectionWithoutUpgrade),
            ("Connection", &["Connection: upgraded"], ConnectionWithoutUpgrade),
            ("Connection", &["Connection: x-upgrade"], ConnectionWithoutUpgrade),
            ("Connection", &["Connection: no-upgrade, close"], ConnectionWithoutUpgrade),
            ("Connection", &["Connection: keep-alive Upgrade"], ConnectionWithoutUpgrade),
            ("Connection", &["Connection: \"Upgrade\""], ConnectionWithoutUpgrade),
            ("Sec-WebSocket-Key", &[], KeyMissing),
            ("Sec-WebSocket-Key", &["Sec-WebSocket-Key:"], KeyMalformed),
            ("Sec-WebSocket-Key", &["Sec-WebSocket-Key: ===="], KeyMalformed),
            ("Sec-WebSocket-Key", &["Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!!!"], KeyMalformed),
            ("Sec-WebSocket-Key", &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"], KeyMalformed),
            ("Sec-WebSocket-Key", &["Sec-WebSocket-Key: dGhlIHNhbXBs ZSBub25jZQ=="], KeyMalformed),
            ("Sec-WebSocket-Key", &[KEY, KEY], KeyRepeated),
            ("Sec-WebSocket-Key", &[KEY, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="], KeyRepeated),
            ("Sec-WebSocket-Version", &[], VersionMissing),
            (
                "Sec-WebSocket-Version",
                &["Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"],
                VersionRepeated,
            ),
            (
                "Sec-WebSocket-Version",
                &["Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13"],
                VersionRepeated,
            ),
            // The draft before versions: two keys, eight bytes of body.
            ("Sec-WebSocket-Key", &["Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5"], KeyMissing),
        ];
        for (start, lines, error) in table {
            assert_eq!(refused(&with(start, lines)), *error, "{lines:?}");
        }
        for version in [
            "",
            "0",
            "7",
            "8",
            "12",
            "14",
            "99",
            "255",
            "256",
            "1000",
            "99999999999999999999",
            "013",
            "13, 8",
            "8, 13",
            "13,",
            "13.0",
            "+13",
            "-13",
            "0x0d",
            "thirteen",
            "1 3",
        ] {
            let line = format!("Sec-WebSocket-Version: {version}");
            assert_eq!(refused(&with("Sec-WebSocket-Version", &[&line])), VersionNot13, "{version:?}");
        }
        let long = format!("Sec-WebSocket-Key: {}", "A".repeat(8192));
        assert_eq!(refused(&with("Sec-WebSocket-Key", &[&long])), KeyMalformed);
        let draft = bytes(&["GET / HTTP/1.1", "Host: a", "Upgrade: WebSocket", "Connection: Upgrade"]);
        assert_eq!(refused(&draft), VersionMissing);
        assert_eq!(refused(b"PRI * HTTP/2.0\r\n\r\n"), HttpMajorVersion);
    }

    #[test]
    fn bodies_and_origins() {
        use RequestError::*;
        for lines in [
            &["Content-Length: 5"][..],
            &["Content-Length: 0", "Content-Length: 0"],
            &["Content-Length: -1"],
            &["Content-Length: +0"],
            &["Content-Length: 0, 0"],
            &["Content-Length:"],
            &["Content-Length: 00000000000000000000"],
            &["Transfer-Encoding: chunked"],
            &["Transfer-Encoding:"],
            &["Content-Length: 0", "Transfer-Encoding: chunked"],
        ] {
            assert_eq!(refused(&and(lines)), Body, "{lines:?}");
        }
        for origin in ["null", "https://Example.com:8443", "http://a http://b", "file://"] {
            assert_eq!(accepted(&and(&[&format!("Origin: {origin}")])).origin(), Some(origin));
        }
        assert_eq!(accepted(&bytes(&MINIMAL)).origin(), None);
        for origin in ["", "a  b", "http://\u{e9}", "a\tb"] {
            assert_eq!(refused(&and(&[&format!("Origin: {origin}")])), OriginMalformed, "{origin}");
        }
        assert_eq!(refused(&and(&["Origin: null", "origin: null"])), OriginRepeated);
    }

    #[test]
    fn subprotocols() {
        use RequestError::*;
        let offered = |lines: &[&str]| accepted(&and(lines)).subprotocols().join(" ");
        assert_eq!(offered(&[]), "");
        assert_eq!(offered(&["Sec-WebSocket-Protocol: a,b"]), "a b");
        assert_eq!(offered(&["Sec-WebSocket-Protocol: , a ,, b,"]), "a b");
        assert_eq!(offered(&["Sec-WebSocket-Protocol: b", "X: y", "sec-websocket-protocol: a"]), "b a");
        assert_eq!(offered(&["Sec-WebSocket-Protocol: chat, Chat"]), "chat Chat");
        for (value, error) in [
            ("", SubprotocolEmpty),
            (" , ,", SubprotocolEmpty),
            ("a/b", SubprotocolMalformed),
            ("a b", SubprotocolMalformed),
            ("a\"b", SubprotocolMalformed),
            ("\"a\"", SubprotocolMalformed),
            ("a, \u{e9}", SubprotocolMalformed),
            ("a, b, a", SubprotocolRepeated),
        ] {
            assert_eq!(refused(&and(&[&format!("Sec-WebSocket-Protocol: {value}")])), error, "{value}");
        }
        let many = |n: usize| {
            let names: Vec<String> = (0..n).map(|i| i.to_string()).collect();
            and(&[&format!("Sec-WebSocket-Protocol: {}", names.join(","))])
        };
        assert_eq!(accepted(&many(MAX_SUBPROTOCOLS)).subprotocols().len(), MAX_SUBPROTOCOLS);
        assert_eq!(refused(&many(MAX_SUBPROTOCOLS + 1)), TooManySubprotocols);
        assert_eq!(refused(&many(2_000)), TooManySubprotocols);
        let blanks = and(&[&format!("Sec-WebSocket-Protocol: {}", " ,".repeat(32_768))]);
        assert_eq!(refused(&blanks), Head(HeadError::TooLong));
        let lenient = |input: &[u8]| {
            let leniency = Leniency { empty_subprotocol: true };
            match ServerHandshake::new(HeadLimits::default()).with_leniency(leniency).receive(input) {
                Ok(Progress::Done { value: Incoming::Upgrade(request), .. }) => {
                    Ok(request.subprotocols().len())
                }
                Ok(other) => panic!("{other:?}"),
                Err(error) => Err(error),
            }
        };
        for (value, expected) in
            [("", Ok(0)), (" ,", Ok(0)), ("a, ", Ok(1)), ("a b", Err(SubprotocolMalformed))]
        {
            assert_eq!(lenient(&and(&[&format!("Sec-WebSocket-Protocol: {value}")])), expected, "{value}");
        }
        let commas = and(&[&format!("Sec-WebSocket-Protocol: {}", " ,".repeat(7_000))]);
        assert_eq!(refused(&commas), SubprotocolEmpty);

        let request = accepted(&and(&["Sec-WebSocket-Protocol: a, b, c"]));
        assert_eq!(request.choose_subprotocol(&["x", "c", "a"]), Some("c"));
        assert_eq!(request.choose_subprotocol(&["A", "x"]), None);
        assert_eq!(request.choose_subprotocol(&[]), None);
    }

    #[test]
    fn extensions() {
        let request = accepted(&and(&[
            "Sec-WebSocket-Extensions: x-unknown; a=1; b=\"two\"",
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, permessage-deflate",
        ]));
        let offers: Vec<String> = request.extensions().iter().map(Extension::to_string).collect();
        assert_eq!(
            offers,
            ["x-unknown; a=1; b=two", "permessage-deflate; client_max_window_bits", "permessage-deflate"]
        );
        for value in ["", ",", ";", "=5", "a;;b", "a=", "a b", "\"a\"", "a;b=\"x"] {
            let error = refused(&and(&[&format!("Sec-WebSocket-Extensions: {value}")]));
            assert!(matches!(error, RequestError::Extensions(_)), "{value}: {error:?}");
            assert_eq!((error.status(), error.section()), (400, crate::error::Section::rfc6455("9.1")));
        }
        // Without an answer to the offers there is no header.
        let (head, agreement) = request.accept(&Acceptance::default()).unwrap();
        assert!(!String::from_utf8(head).unwrap().contains("Extensions"));
        assert_eq!(agreement, Agreement::default());

        let extension = |name: &str| Extension::new(name).unwrap();
        let answer = |extensions| request.accept(&Acceptance { extensions, ..Default::default() });
        let deflate = extension("permessage-deflate").with("server_max_window_bits", Some("10")).unwrap();
        let (head, agreement) = answer(vec![deflate.clone()]).unwrap();
        let line = "\r\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n";
        assert!(String::from_utf8(head).unwrap().contains(line));
        assert_eq!(params::write_list(&agreement.extensions), deflate.to_string());
        assert_eq!(answer(vec![extension("x-other")]), Err(AcceptError::ExtensionNotOffered));
        assert_eq!(answer(vec![deflate.clone(), deflate]), Err(AcceptError::ExtensionRepeated));
    }

    #[test]
    fn only_what_was_offered_is_accepted_and_nothing_twice() {
        let request = accepted(&and(&["Sec-WebSocket-Protocol: a"]));
        for name in ["A", "b", "", "a, b", "a\r\nX: y"] {
            let refused =
                request.accept(&Acceptance { subprotocol: Some(name.into()), ..Default::default() });
            assert_eq!(refused, Err(AcceptError::SubprotocolNotOffered(name.into())));
        }
        for name in ["Upgrade", "connection", "Sec-WebSocket-Accept", "sec-websocket-x", "Content-Length"] {
            let headers = vec![HeaderField::new(name, "x").unwrap()];
            let refused = request.accept(&Acceptance { headers, ..Default::default() });
            assert_eq!(refused, Err(AcceptError::ReservedHeader(name.into())));
        }
        let cookie = |value| HeaderField::new("Set-Cookie", value).unwrap();
        let acceptance = Acceptance { headers: vec![cookie("a=1"), cookie("b=2")], ..Default::default() };
        let (bytes, _) = request.accept(&acceptance).unwrap();
        let Ok(Progress::Done { value: head, used }) =
            HeadReader::response(HeadLimits::default()).receive(&bytes)
        else {
            panic!()
        };
        assert_eq!(used, bytes.len());
        assert!(head.values("set-cookie").eq([b"a=1", b"b=2"]));
        let names: Vec<&str> = head.headers().map(|(name, _)| name).collect();
        assert_eq!(names, ["Upgrade", "Connection", "Sec-WebSocket-Accept", "Set-Cookie", "Set-Cookie"]);
    }

    #[test]
    fn frames_behind_the_request_are_left() {
        let mut input = bytes(&MINIMAL);
        let length = input.len();
        input.extend_from_slice(b"\x81\x85\0\0\0\0Hello");
        let mut handshake = ServerHandshake::new(HeadLimits::default());
        assert!(handshake.is_empty());
        let Ok(Progress::Done { used, .. }) = handshake.receive(&input) else { panic!() };
        assert_eq!(used, length);
    }

    #[test]
    fn plain_requests_are_handed_up() {
        for (input, method, target, host) in [
            (&b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"[..], "GET", "/", Some("a")),
            (b"GET / HTTP/1.0\r\n\r\n", "GET", "/", None),
            (b"HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD", "/x", Some("a")),
            // RFC 9110 §7.8: other offers may be ignored (JDK 17's HttpClient, curl --http2).
            (
                b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                  HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n",
                "GET",
                "/",
                Some("a"),
            ),
            (b"POST /x HTTP/1.1\r\nHost: a\r\nUpgrade: TLS/1.0\r\n\r\n", "POST", "/x", Some("a")),
            (b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade:\r\n\r\n", "GET", "/", Some("a")),
            // RFC 9112 §3.2.2: an absolute target names the host.
            (b"GET http://b:1/x HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "http://b:1/x", Some("b:1")),
            (b"GET http://b HTTP/1.0\r\n\r\n", "GET", "http://b", Some("b")),
            (b"GET /http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/http://b/", Some("a")),
            (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS", "*", Some("a")),
            (b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", "POST", "/x", Some("a")),
        ] {
            let Ok(Incoming::Plain(request)) = judge(input) else { panic!("{}", input.escape_ascii()) };
            assert_eq!((request.method(), request.target(), request.host()), (method, target, host));
            let page = Refusal::new(200).unwrap().with_body("text/html", "<p>hi</p>").unwrap();
            let answer = request.answer(&page);
            assert_eq!(answer.ends_with(b"<p>hi</p>"), method != "HEAD");
        }
        for ours in ["Upgrade: h2c, websocket", "Upgrade: WebSocket/13", "Sec-WebSocket-Protocol: a"] {
            let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{ours}\r\n\r\n");
            assert!(judge(request.as_bytes()).is_err(), "{ours}");
        }
        assert_eq!(refused(b"GET http://b@c/ HTTP/1.1\r\nHost: a\r\n\r\n"), RequestError::TargetForm);
        assert_eq!(refused(b"GET / HTTP/1.1\r\n\r\n"), RequestError::HostMissing);
        assert_eq!(refused(b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), RequestError::HostRepeated);
        assert_eq!(refused(b"GET / HTTP/2.0\r\nHost: a\r\n\r\n"), RequestError::HttpMajorVersion);
    }

    #[test]
    fn answers_say_what_the_status_requires() {
        let text = |error: RequestError| String::from_utf8(error.refusal().encode()).unwrap();
        let wrong_version = text(RequestError::VersionNot13);
        assert_eq!(
            wrong_version,
            "HTTP/1.1 426 Upgrade Required\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 76\r\n\
             Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n\
             Use version 13 of the protocol in Sec-WebSocket-Version. (RFC 6455 §4.2.1)\n"
        );
        assert!(text(RequestError::VersionMissing).contains("\r\nSec-WebSocket-Version: 13\r\n"));
        assert!(text(RequestError::VersionRepeated).contains("\r\nSec-WebSocket-Version: 13\r\n"));
        assert!(text(RequestError::Method).contains("\r\nAllow: GET\r\n"));
        assert!(text(HeadError::BareLf.into()).ends_with("not in LF alone. (RFC 9112 §2.2)\n"));
        assert_eq!(RequestError::Head(HeadError::StartLineTooLong).status(), 414);
        assert_eq!(RequestError::Head(HeadError::TooManyHeaders).status(), 431);
    }

    #[test]
    fn the_answer_to_head_has_no_body() {
        let mut handshake = ServerHandshake::new(HeadLimits::default());
        let error = handshake.receive(&with("GET", &["HEAD /chat HTTP/1.1"])).unwrap_err();
        assert!(handshake.answer(error).ends_with(b"\r\n\r\n"));
    }

    #[test]
    fn nothing_of_the_request_is_reflected() {
        let marker = "<script>";
        for input in [
            with("GET", &[&format!("GET {marker} HTTP/1.1")]),
            with("GET", &[&format!("GET /{marker}# HTTP/1.1")]),
            with("Host", &[&format!("Host: {marker}")]),
            with("Upgrade", &[&format!("Upgrade: {marker}")]),
            with("Sec-WebSocket-Version", &[&format!("Sec-WebSocket-Version: {marker}")]),
            and(&[&format!("Sec-WebSocket-Protocol: {marker}")]),
            and(&[&format!("Sec-WebSocket-Extensions: {marker}")]),
        ] {
            let answer = refused(&input).refusal().encode();
            assert!(!String::from_utf8(answer).unwrap().contains("script"));
        }
        assert_eq!(Refusal::new(101), Err(RefusalError::Status(101)));
    }

    /// Every byte in turn becomes one that means something elsewhere: no panic, and cuts do not matter.
    #[test]
    fn any_byte_may_be_wrong() {
        let mut input =
            and(&["Origin: a", "Sec-WebSocket-Protocol: a, b", "Sec-WebSocket-Extensions: a; b=\"c\""]);
        for at in 0..input.len() {
            let right = input[at];
            for wrong in *b"\0\t\n\r \"#%,/0:;=?Aaz~\x7f\x80\xff" {
                input[at] = wrong;
                let outcome = |parts: &[&[u8]]| {
                    let mut handshake = ServerHandshake::new(HeadLimits::default());
                    let last = parts.iter().map(|part| handshake.receive(part)).find(|outcome| {
                        // The first that is not NeedMore.
                        !matches!(outcome, Ok(Progress::NeedMore))
                    });
                    last.map(|outcome| outcome.map(drop_value))
                };
                let (a, b) = input.split_at(at);
                assert_eq!(outcome(&[&input]), outcome(&[a, b]), "{}", input.escape_ascii());
            }
            input[at] = right;
        }
    }

    /// Reduces an outcome to what can be compared.
    fn drop_value(progress: Progress<Incoming>) -> bool {
        matches!(progress, Progress::Done { value: Incoming::Upgrade(_), .. })
    }
}
