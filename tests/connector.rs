//! The machine that reaches servers, without a socket: every input in every state, and its deadlines, on a virtual clock.
#![cfg(feature = "client")]

#[path = "support/far_side.rs"]
mod far_side;

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bowsprit::client::connect::{Action, Attempt, Connector, EXCERPT, EXCERPT_WAIT, Input, Lookup};
use bowsprit::client::{
    ATTEMPT_DELAY, ClientConfig, ConnectError, Phase, Proxy, ProxySettings, RedirectPolicy,
};
use bowsprit::handshake::{HeadLimits, Key, ResponseError};

const SECOND: Duration = Duration::from_secs(1);

/// A connector and what it has asked for.
struct Try {
    connector: Connector,
    start: Instant,
    now: Instant,
    attempts: Vec<Attempt>,
    lookups: Vec<Lookup>,
    request: Vec<u8>,
    error: Option<ConnectError>,
}

impl Try {
    fn new(config: ClientConfig) -> (Self, String) {
        let start = Instant::now();
        let connector = Connector::new(config, start);
        let (attempts, lookups) = (Vec::new(), Vec::new());
        let mut this =
            Self { connector, start, now: start, attempts, lookups, request: Vec::new(), error: None };
        let said = this.actions();
        (this, said)
    }

    /// What it asks for now, in words.
    fn actions(&mut self) -> String {
        let mut said = Vec::new();
        while let Some(action) = self.connector.next() {
            said.push(match action {
                Action::Resolve(lookup, host, port) => {
                    self.lookups.push(lookup);
                    format!("resolve {host}:{port}")
                }
                Action::Dial(attempt, address) => {
                    self.attempts.push(attempt);
                    format!("dial {address}")
                }
                Action::Drop(attempt) => {
                    format!("drop {}", self.attempts.iter().position(|this| *this == attempt).unwrap())
                }
                Action::Write(bytes) => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    self.request = bytes;
                    match text.split_once(' ').filter(|(method, _)| ["GET", "CONNECT"].contains(method)) {
                        Some((method, _)) => format!("write {method}"),
                        None => format!("write {:02x?}", self.request),
                    }
                }
                Action::StartTls => "tls".to_owned(),
                Action::StartHttp2 => "http2".to_owned(),
                Action::Open { used, .. } => format!("open {used}"),
                Action::Failed(error) => {
                    let said = format!("failed: {error}");
                    self.error = Some(error);
                    said
                }
                action => panic!("{action:?}"),
            });
        }
        said.join(", ")
    }

    fn tell(&mut self, input: Input<'_>) -> String {
        self.connector.handle(input, self.now);
        self.actions()
    }

    fn connect(&mut self, attempt: usize) -> String {
        self.tell(Input::Connected(self.attempts[attempt]))
    }

    fn resolve(&mut self, addresses: &[&str]) -> String {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let lookup = *self.lookups.last().unwrap();
        self.tell(Input::Resolved(lookup, Ok(addresses)))
    }

    /// Lets time pass, to the deadlines on the way as well.
    fn wait(&mut self, time: Duration) -> String {
        let until = self.now + time;
        let mut said = Vec::new();
        while let Some(at) = self.connector.deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            said.push(self.tell(Input::Time));
        }
        self.now = until;
        said.push(self.tell(Input::Time));
        said.retain(|said| !said.is_empty());
        said.join(", ")
    }

    /// The right answer to the request.
    fn acceptance(&self) -> Vec<u8> {
        let request = String::from_utf8(self.request.clone()).unwrap();
        let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        let accept = Key::parse(key.as_bytes()).unwrap().accept();
        format!(
            "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        )
        .into_bytes()
    }
}

fn config(url: &str) -> ClientConfig {
    ClientConfig::new(url).unwrap()
}

fn through(config: ClientConfig, proxy: &str) -> ClientConfig {
    config.proxies(ProxySettings::all(Proxy::parse(proxy).unwrap()))
}

fn refused() -> io::Error {
    io::ErrorKind::ConnectionRefused.into()
}

/// The states, each by the way that leads there.
#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    LookupServer,
    Lookup,
    Race,
    Tunnel,
    #[cfg(feature = "tls")]
    Tls,
    Response,
    Refusal,
    Open,
    Failed,
}

fn at(state: At) -> Try {
    let name = config("ws://name.example/");
    match state {
        At::LookupServer => {
            let (this, said) = Try::new(through(name, "socks5://proxy.example"));
            assert_eq!(said, "resolve name.example:80");
            this
        }
        At::Lookup => {
            let (mut this, _) = Try::new(through(name, "socks5://proxy.example"));
            assert_eq!(this.resolve(&["192.0.2.1:80"]), "resolve proxy.example:1080");
            this
        }
        At::Race => {
            let (mut this, said) = Try::new(name);
            assert_eq!(said, "resolve name.example:80");
            assert_eq!(this.resolve(&["192.0.2.1:80", "192.0.2.2:80"]), "dial 192.0.2.1:80");
            this
        }
        At::Tunnel => {
            let (mut this, said) = Try::new(through(name, "http://192.0.2.9:3128"));
            assert_eq!(said, "dial 192.0.2.9:3128");
            assert_eq!(this.connect(0), "write CONNECT");
            this
        }
        #[cfg(feature = "tls")]
        At::Tls => {
            let tls = bowsprit::tls::TlsClient::builder().insecure().build().unwrap();
            let (mut this, _) = Try::new(config("wss://192.0.2.1/").tls(tls));
            assert_eq!(this.connect(0), "tls");
            this
        }
        At::Response => {
            let (mut this, _) = Try::new(config("ws://192.0.2.1/"));
            assert_eq!(this.connect(0), "write GET");
            this
        }
        At::Refusal => {
            let mut this = at(At::Response);
            assert_eq!(this.tell(Input::Received(b"HTTP/1.1 404 No\r\n\r\nbecause")), "");
            this
        }
        At::Open => {
            let mut this = at(At::Response);
            let acceptance = this.acceptance();
            assert_eq!(this.tell(Input::Received(&acceptance)), format!("open {}", acceptance.len()));
            this
        }
        At::Failed => {
            let mut this = at(At::Response);
            assert_eq!(this.tell(Input::Received(b"SSH-2.0\r\n")).split(':').next(), Some("drop 0, failed"));
            this
        }
    }
}

/// The inputs.
#[derive(Clone, Copy, Debug)]
enum Tell {
    Resolved,
    NotResolved,
    EarlierLookup,
    Connected,
    Failed,
    Secured,
    Received,
    Ended,
    TimeBefore,
    TimeAfter,
}

fn tell(this: &mut Try, input: Tell) -> String {
    let address = || vec![SocketAddr::from(([192, 0, 2, 7], 80))];
    let lookup = this.lookups.last().copied().unwrap_or_else(|| at(At::Race).lookups[0]);
    let attempt = this.attempts.last().copied().unwrap_or_else(|| at(At::Race).attempts[0]);
    match input {
        Tell::Resolved => this.tell(Input::Resolved(lookup, Ok(address()))),
        Tell::NotResolved => this.tell(Input::Resolved(lookup, Err(ConnectError::NoAddress))),
        Tell::EarlierLookup => {
            let other = at(At::Lookup).lookups;
            let other = other.into_iter().find(|this| *this != lookup).unwrap();
            this.tell(Input::Resolved(other, Ok(address())))
        }
        Tell::Connected => this.tell(Input::Connected(attempt)),
        Tell::Failed => this.tell(Input::Failed(attempt, refused())),
        Tell::Secured => this.tell(Input::Secured),
        Tell::Received => this.tell(Input::Received(b"?")),
        Tell::Ended => this.tell(Input::Ended),
        Tell::TimeBefore => this.tell(Input::Time),
        Tell::TimeAfter => {
            this.now = this.start + 10 * SECOND;
            this.tell(Input::Time)
        }
    }
}

/// What each input leads to in each state; what a row does not name changes nothing there.
const TABLE: &[(At, &[(Tell, &str)])] = &[
    (
        At::LookupServer,
        &[
            (Tell::Resolved, "resolve proxy.example:1080"),
            (Tell::NotResolved, "failed: the host's name has no address"),
            (Tell::TimeAfter, "failed: looking the host's name up took too long"),
        ],
    ),
    (
        At::Lookup,
        &[
            (Tell::Resolved, "dial 192.0.2.7:80"),
            (Tell::NotResolved, "failed: the host's name has no address"),
            (Tell::TimeAfter, "failed: looking the host's name up took too long"),
        ],
    ),
    (
        At::Race,
        &[
            (Tell::Connected, "write GET"),
            (Tell::Failed, "dial 192.0.2.2:80"),
            (Tell::TimeAfter, "drop 0, failed: no connection could be made in time"),
        ],
    ),
    (
        At::Tunnel,
        &[
            (Tell::Failed, "failed: the connection broke: connection refused"),
            (
                Tell::Received,
                "drop 0, failed: the proxy's answer is faulty: This is not HTTP: speak HTTP/1.1 without TLS on this port.",
            ),
            (Tell::Ended, "drop 0, failed: the proxy closed the connection without an answer"),
            (Tell::TimeAfter, "drop 0, failed: the proxy gave no answer in time"),
        ],
    ),
    #[cfg(feature = "tls")]
    (
        At::Tls,
        &[
            (Tell::Failed, "failed: the connection broke: connection refused"),
            (Tell::Secured, "write GET"),
            (
                Tell::Received,
                "write GET, drop 0, failed: The server's answer is faulty: This is not HTTP: speak HTTP/1.1 without TLS on this port.",
            ),
            (Tell::Ended, "drop 0, failed: the connection broke: unexpected end of file"),
            (Tell::TimeAfter, "drop 0, failed: TLS was not agreed on in time"),
        ],
    ),
    (
        At::Response,
        &[
            (Tell::Failed, "failed: the connection broke: connection refused"),
            (
                Tell::Received,
                "drop 0, failed: The server's answer is faulty: This is not HTTP: speak HTTP/1.1 without TLS on this port.",
            ),
            (
                Tell::Ended,
                "drop 0, failed: The server closed the connection without an answer; check the port.",
            ),
            (Tell::TimeAfter, "drop 0, failed: the server did not answer in time"),
        ],
    ),
    (
        At::Refusal,
        &[
            (Tell::Failed, "failed: The server refuses the upgrade with status 404 No."),
            (Tell::Ended, "drop 0, failed: The server refuses the upgrade with status 404 No."),
            (Tell::TimeAfter, "drop 0, failed: The server refuses the upgrade with status 404 No."),
        ],
    ),
    (At::Open, &[]),
    (At::Failed, &[]),
];

#[test]
fn every_input_in_every_state() {
    let inputs = [
        Tell::Resolved,
        Tell::NotResolved,
        Tell::EarlierLookup,
        Tell::Connected,
        Tell::Failed,
        Tell::Secured,
        Tell::Received,
        Tell::Ended,
        Tell::TimeBefore,
        Tell::TimeAfter,
    ];
    for (state, row) in TABLE {
        for input in inputs {
            let mut this = at(*state);
            let before = this.connector.phase();
            let expected = row.iter().find(|(this, _)| format!("{this:?}") == format!("{input:?}"));
            let said = tell(&mut this, input);
            assert_eq!(said, expected.map_or("", |(_, said)| said), "{state:?}, {input:?}");
            if expected.is_none() {
                assert_eq!(this.connector.phase(), before, "{state:?}, {input:?}");
            }
            let over = this.connector.phase().is_none();
            assert_eq!(over, this.connector.deadline().is_none(), "{state:?}, {input:?}");
            assert_eq!(over, said.contains("failed") || matches!(state, At::Open | At::Failed));
        }
    }
}

#[test]
fn what_was_dropped_is_heard_no_more() {
    let mut this = at(At::Race);
    assert_eq!(this.wait(ATTEMPT_DELAY), "dial 192.0.2.2:80");
    assert_eq!(this.connect(1), "drop 0, write GET");
    assert_eq!(this.connector.standing(), Some(this.attempts[1]));
    assert_eq!((this.connect(0), this.tell(Input::Failed(this.attempts[0], refused()))), Default::default());
    assert_eq!(this.connector.phase(), Some(Phase::Response));
}

/// RFC 8305: the families take turns, a failure ends the head start, and the last failure is told.
#[test]
fn addresses_race() {
    let (mut this, _) = Try::new(config("ws://name.example:9/"));
    let said = this.resolve(&["[2001:db8::1]:9", "[2001:db8::2]:9", "192.0.2.1:9"]);
    assert_eq!(said, "dial [2001:db8::1]:9");
    assert_eq!(this.wait(ATTEMPT_DELAY - Duration::from_millis(1)), "");
    assert_eq!(this.wait(Duration::from_millis(1)), "dial 192.0.2.1:9");
    assert_eq!(this.tell(Input::Failed(this.attempts[1], refused())), "dial [2001:db8::2]:9");
    assert_eq!(this.tell(Input::Failed(this.attempts[0], refused())), "");
    let said = this.tell(Input::Failed(this.attempts[2], io::ErrorKind::HostUnreachable.into()));
    assert_eq!(said, "failed: no connection could be made: host unreachable");
}

#[test]
fn tunnels() {
    let (mut this, said) = Try::new(through(config("ws://name.example/"), "socks5h://u:p@192.0.2.9"));
    assert_eq!((said.as_str(), this.connect(0).as_str()), ("dial 192.0.2.9:1080", "write [05, 02, 00, 02]"));
    assert_eq!(this.connector.phase(), Some(Phase::Proxy));
    assert_eq!(this.tell(Input::Received(b"\x05")), "");
    assert_eq!(this.tell(Input::Received(b"\x02")), "write [01, 01, 75, 01, 70]");
    assert!(this.tell(Input::Received(b"\x01\0")).starts_with("write [05, 01, 00, 03, 0c"));
    assert_eq!(this.tell(Input::Received(b"\x05\0\0\x01\0\0\0\0\0\0")), "write GET");

    // SOCKS 5 without `h`: the server is looked up here, then its proxy.
    let (mut this, said) = Try::new(through(config("ws://name.example/"), "socks5://192.0.2.9"));
    assert_eq!(said, "resolve name.example:80");
    assert_eq!(this.resolve(&["[2001:db8::1]:80"]), "dial 192.0.2.9:1080");
    this.connect(0);
    let said = this.tell(Input::Received(b"\x05\0"));
    assert!(said.starts_with("write [05, 01, 00, 04, 20, 01,"), "{said}");
}

/// R7: status, reason and head at once, whatever the body does.
#[test]
fn refusals_are_told_soon() {
    let refusal = |this: &mut Try, said: &str| {
        assert_eq!(said, "drop 0, failed: The server refuses the upgrade with status 404 No.");
        let Some(ConnectError::Response(ResponseError::Refused(response))) = this.error.take() else {
            panic!()
        };
        (response.body().len(), response.is_truncated())
    };
    for (head, body, wait, expected) in [
        ("HTTP/1.1 404 No\r\nContent-Length: 3\r\n\r\n", "abc", None, (3, false)),
        ("HTTP/1.1 404 No\r\nContent-Length: 3\r\n\r\n", "ab", Some(EXCERPT_WAIT), (2, true)),
        ("HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n0\r\n\r\n", None, (1, false)),
        // Without a length on an open connection.
        ("HTTP/1.1 404 No\r\n\r\n", "", Some(EXCERPT_WAIT), (0, true)),
        // A body without end.
        ("HTTP/1.1 404 No\r\n\r\n", &"x".repeat(EXCERPT + 1), None, (EXCERPT, true)),
    ] {
        let mut this = at(At::Response);
        assert_eq!(this.tell(Input::Received(head.as_bytes())), "");
        let mut said = this.tell(Input::Received(body.as_bytes()));
        if let Some(wait) = wait {
            assert_eq!(said, "");
            assert_eq!(this.wait(wait - Duration::from_millis(1)), "");
            said = this.wait(Duration::from_millis(1));
        }
        assert_eq!(refusal(&mut this, &said), expected, "{head:?} {body:.20?}");
    }
}

#[test]
fn redirects_are_followed_at_their_head_and_named_where_they_fail() {
    let to = |location: &str| format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n").into_bytes();
    let config = config("ws://192.0.2.1/").redirects(RedirectPolicy::up_to(2));
    let config = config.header("X-Api-Key", "secret").unwrap();
    let (mut this, _) = Try::new(config);
    this.connect(0);
    assert!(String::from_utf8_lossy(&this.request).contains("X-Api-Key: secret"));
    // Its body need not end, or come at all.
    assert_eq!(this.tell(Input::Received(&to("ws://192.0.2.2/a"))), "drop 0, dial 192.0.2.2:80");
    assert_eq!(this.connector.target().to_string(), "ws://192.0.2.2/a");
    this.connect(1);
    assert!(!String::from_utf8_lossy(&this.request).contains("X-Api-Key"), "it stays with its server");
    assert_eq!(this.tell(Input::Received(&to("b"))), "drop 1, dial 192.0.2.2:80");
    this.connect(2);
    let said = this.tell(Input::Received(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"));
    assert_eq!(
        said,
        "drop 2, failed: ws://192.0.2.2/b (redirected from ws://192.0.2.1/, ws://192.0.2.2/a): \
         The server refuses the upgrade with status 404 No."
    );
    let error = this.error.take().unwrap();
    assert!(matches!(error.root(), ConnectError::Response(ResponseError::Refused(_))));
    assert_eq!(error.loss(), bowsprit::client::Loss::Refused(404, None));

    let (mut this, _) = Try::new(config_of("ws://u:pw@192.0.2.1/", 1));
    this.connect(0);
    let said = this.tell(Input::Received(&to("wss://192.0.2.2/")));
    assert_eq!(
        said,
        "drop 0, failed: wss://192.0.2.2/ (redirected from ws://192.0.2.1/): a wss:// URL needs TLS: set ClientConfig::tls, of feature \"tls\""
    );
}

fn config_of(url: &str, redirects: u32) -> ClientConfig {
    config(url).redirects(RedirectPolicy::up_to(redirects))
}

/// X11: the time is that of the whole way; a redirect does not give it back.
#[test]
fn no_redirect_makes_time() {
    let (mut this, _) = Try::new(config_of("ws://192.0.2.1/", 9).connect_timeout(4 * SECOND));
    for hop in 0..3 {
        assert_eq!(this.wait(SECOND), "", "{hop}");
        assert_eq!(this.connect(hop), "write GET");
        let said = this.tell(Input::Received(b"HTTP/1.1 301 X\r\nLocation: /x\r\n\r\n"));
        assert_eq!(said, format!("drop {hop}, dial 192.0.2.1:80"));
    }
    let said = this.wait(SECOND);
    assert!(said.ends_with("no connection could be made in time"), "{said}");
    assert_eq!(this.now, this.start + 4 * SECOND);
    assert_eq!(this.error.unwrap().loss(), bowsprit::client::Loss::Timeout);

    // The handshake has a time of its own within that, which begins where the way is free.
    let config = config("ws://name.example/").handshake_timeout(2 * SECOND).connect_timeout(9 * SECOND);
    let (mut this, _) = Try::new(config);
    assert_eq!(this.wait(5 * SECOND), "");
    this.resolve(&["192.0.2.1:80"]);
    this.connect(0);
    assert_eq!(this.wait(2 * SECOND - Duration::from_millis(1)), "");
    assert_eq!(this.wait(Duration::from_millis(1)), "drop 0, failed: the server did not answer in time");
}

/// What has come counts, even where time has passed that nobody looked at.
#[test]
fn what_has_come_in_late_has_come() {
    let mut this = at(At::Response);
    this.now += 3600 * SECOND;
    let acceptance = this.acceptance();
    assert_eq!(this.tell(Input::Received(&acceptance)), format!("open {}", acceptance.len()));
}

/// C5: the limit can be moved, and the message says how.
#[test]
fn the_head_of_the_response_has_a_limit_that_can_be_moved() {
    let cookies = "Set-Cookie: a=b\r\n".repeat(120);
    let answer = |this: &Try| {
        let head = String::from_utf8(this.acceptance()).unwrap();
        head.replace("\r\n\r\n", &format!("\r\n{cookies}\r\n")).into_bytes()
    };
    let mut this = at(At::Response);
    let said = this.tell(Input::Received(&answer(&this)));
    assert_eq!(
        said,
        "drop 0, failed: The head of the server's answer has more field lines than HeadLimits::max_headers. \
         ClientConfig::head_limits sets them."
    );
    let limits = HeadLimits::new(64 << 10, 200);
    let (mut this, _) = Try::new(config("ws://192.0.2.1/").head_limits(limits));
    this.connect(0);
    assert!(this.tell(Input::Received(&answer(&this))).starts_with("open "));
}

/// An answer in any cut, with frames behind it.
#[test]
fn cuts_do_not_matter() {
    let whole = [&at(At::Response).acceptance()[..], b"\x81\x02hi"].concat();
    for cut in 0..whole.len() {
        let mut this = at(At::Response);
        let whole = [&this.acceptance()[..], b"\x81\x02hi"].concat();
        let (front, back) = whole.split_at(cut);
        let said = this.tell(Input::Received(front));
        match said.strip_prefix("open ") {
            Some(used) => assert_eq!(used.parse(), Ok(whole.len() - 4), "{cut}"),
            None => {
                assert_eq!(said, "");
                let used = whole.len() - 4 - cut;
                assert_eq!(this.tell(Input::Received(back)), format!("open {used}"));
            }
        }
    }
}

/// The handshake alone, over a connection that is there.
#[test]
fn over_a_connection() {
    let now = Instant::now();
    let config = config_of("ws://192.0.2.1/", 5);
    let mut connector = Connector::over_connection(config, now);
    assert!(matches!(connector.next(), Some(Action::Write(_))) && connector.next().is_none());
    assert_eq!(connector.deadline(), Some(now + 10 * SECOND));
    let answer = b"HTTP/1.1 302 X\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n";
    connector.handle(Input::Received(answer), now);
    assert!(matches!(connector.next(), Some(Action::Drop(_))));
    let Some(Action::Failed(error)) = connector.next() else { panic!() };
    assert!(matches!(error, ConnectError::Response(ResponseError::Refused(_))), "{error}");
}

/// Runs of any kind end, in time, and leave no socket behind (see `support/far_side.rs`, which the fuzzer drives too).
#[test]
fn whatever_the_far_side_does() {
    let mut opened = 0;
    for seed in 0..4_000 {
        opened += usize::from(far_side::run_seed(seed));
    }
    assert!(opened > 100, "{opened} of 4,000 have opened");
}
