//! Every way in which a connection can end, over every kind of socket: its end is told once, and counted once.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bowsprit::close::{CloseCode, CloseReason};
use bowsprit::connection::Config;
use bowsprit::event_loop::{ConnId, Context, Decision, EventLoop, Settings, ShutdownReport, Stats};
use bowsprit::handshake::{Acceptance, Refusal};
use socket2::SockRef;

use super::support::{Client, Hooks, LONG, REQUEST, Server, wait};

/// What a client is connected by.
trait Line: Read + Write {
    fn socket(&self) -> SockRef<'_>;

    /// Says that nothing more comes, if the line has a way to say so, and the other side has not been quicker.
    fn finish(&mut self) {
        let _ = self.socket().shutdown(std::net::Shutdown::Write);
    }
}

impl Line for TcpStream {
    fn socket(&self) -> SockRef<'_> {
        SockRef::from(self)
    }
}

impl Line for UnixStream {
    fn socket(&self) -> SockRef<'_> {
        SockRef::from(self)
    }
}

#[cfg(feature = "tls")]
impl Line for bowsprit::tls::TlsStream<TcpStream> {
    fn socket(&self) -> SockRef<'_> {
        SockRef::from(self.socket())
    }

    fn finish(&mut self) {
        let _ = self.close_notify();
        let _ = Line::socket(self).shutdown(std::net::Shutdown::Write);
    }
}

type Peer = Client<Box<dyn Line>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tcp,
    Unix,
    #[cfg(feature = "tls")]
    Tls,
}

const KINDS: &[Kind] = &[
    Kind::Tcp,
    Kind::Unix,
    #[cfg(feature = "tls")]
    Kind::Tls,
];

/// Where a server listens.
#[allow(clippy::large_enum_variant, reason = "there is one for each test")]
enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
    #[cfg(feature = "tls")]
    Tls(super::tls::Authority, SocketAddr),
}

impl Place {
    fn connect(&self) -> Peer {
        Client::over(match self {
            Place::Tcp(address) => Box::new(tcp(*address)),
            Place::Unix(path) => {
                let stream = UnixStream::connect(path).unwrap();
                stream.set_read_timeout(Some(LONG)).unwrap();
                Box::new(stream)
            }
            #[cfg(feature = "tls")]
            Place::Tls(authority, address) => {
                let client = super::tls::connect(&authority.client(None), *address, "a.test").unwrap();
                Box::new(client.stream)
            }
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Place::Unix(path) = self {
            let _ = fs::remove_file(path);
        }
    }
}

fn tcp(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

/// One way to end. `act` has the client's end, upgraded if `opens`, and may ask the server.
struct Way {
    name: &'static str,
    opens: bool,
    change: fn(&mut Settings, &mut Config),
    decide: fn() -> Decision,
    act: fn(&Server, Peer),
}

const WAY: Way = Way {
    name: "",
    opens: true,
    change: |_, _| {},
    decide: || Decision::Accept(Acceptance::default()),
    act: |_, _| {},
};

/// What was asked for is done with the one connection that there is.
fn with_it(server: &Server, act: impl FnOnce(&mut Context<u32>, ConnId) + Send + 'static) {
    server.ask(|cx| {
        let id = cx.connections().next().expect("it is open");
        act(cx, id);
    });
}

/// Reads until the server ends the connection, in whatever way.
fn read_all(peer: &mut Peer) {
    let mut chunk = [0; 4096];
    while peer.stream.read(&mut chunk).is_ok_and(|len| len > 0) {}
}

fn reset(peer: Peer) {
    // On a Unix-domain socket this is an end like any other.
    let _ = peer.stream.socket().set_linger(Some(Duration::ZERO));
}

const GOODBYE: CloseReason<'_> = CloseReason { code: CloseCode::NORMAL, reason: "" };
const SHORT: Duration = Duration::from_millis(150);
/// For a handshake that has to come as far as the test wants it, TLS included, on a busy machine.
const HANDSHAKE: Duration = Duration::from_secs(2);

const WAYS: &[Way] = &[
    Way {
        name: "the peer closes and waits",
        act: |_, mut peer| {
            peer.close(1000);
            assert_eq!(peer.next_close(), 1000);
            read_all(&mut peer);
        },
        ..WAY
    },
    Way {
        name: "the peer closes, reads and is gone without a word",
        act: |_, mut peer| {
            peer.close(1000);
            assert_eq!(peer.next_close(), 1000);
        },
        ..WAY
    },
    Way { name: "the peer closes and is gone", act: |_, mut peer| peer.close(1000), ..WAY },
    Way {
        name: "the peer closes and resets",
        act: |_, mut peer| {
            peer.close(1000);
            reset(peer);
        },
        ..WAY
    },
    Way {
        name: "the peer closes, reads and resets",
        act: |_, mut peer| {
            peer.close(1000);
            assert_eq!(peer.next_close(), 1000);
            reset(peer);
        },
        ..WAY
    },
    Way {
        name: "the peer closes, ends its direction and waits",
        act: |_, mut peer| {
            peer.close(1000);
            peer.stream.finish();
            read_all(&mut peer);
        },
        ..WAY
    },
    Way {
        name: "we close",
        act: |server, mut peer| {
            with_it(server, |cx, id| assert!(cx.close(id, Some(GOODBYE)).is_queued()));
            assert_eq!(peer.next_close(), 1000);
            peer.close(1000);
            read_all(&mut peer);
        },
        ..WAY
    },
    Way {
        name: "we close, the peer answers and is gone",
        act: |server, mut peer| {
            with_it(server, |cx, id| assert!(cx.close(id, Some(GOODBYE)).is_queued()));
            peer.close(1000);
        },
        ..WAY
    },
    Way {
        name: "we close, the peer resets",
        act: |server, peer| {
            with_it(server, |cx, id| assert!(cx.close(id, Some(GOODBYE)).is_queued()));
            reset(peer);
        },
        ..WAY
    },
    Way {
        name: "we close, the peer never answers",
        change: |_, config| config.close_timeout = SHORT,
        act: |server, mut peer| {
            with_it(server, |cx, id| assert!(cx.close(id, Some(GOODBYE)).is_queued()));
            read_all(&mut peer);
        },
        ..WAY
    },
    Way { name: "the peer is gone", ..WAY },
    Way { name: "the peer resets", act: |_, peer| reset(peer), ..WAY },
    Way {
        name: "the peer ends its direction and waits",
        act: |_, mut peer| {
            peer.stream.finish();
            read_all(&mut peer);
        },
        ..WAY
    },
    Way { name: "the peer ends its direction and is gone", act: |_, mut peer| peer.stream.finish(), ..WAY },
    Way {
        name: "the peer ends its direction and resets",
        act: |_, mut peer| {
            peer.stream.finish();
            reset(peer);
        },
        ..WAY
    },
    Way {
        name: "the peer breaks a rule and waits",
        act: |_, mut peer| {
            peer.write(b"\x83\x80\0\0\0\0");
            assert_eq!(peer.next_close(), 1002);
            peer.close(1002);
            read_all(&mut peer);
        },
        ..WAY
    },
    Way {
        name: "the peer breaks a rule and is gone",
        act: |_, mut peer| peer.write(b"\x83\x80\0\0\0\0"),
        ..WAY
    },
    Way {
        name: "the peer breaks a rule, is told and resets",
        act: |_, mut peer| {
            peer.write(b"\x83\x80\0\0\0\0");
            assert_eq!(peer.next_close(), 1002);
            reset(peer);
        },
        ..WAY
    },
    Way {
        name: "the peer breaks a rule and stays",
        change: |_, config| config.close_timeout = SHORT,
        act: |server, mut peer| {
            peer.write(b"\x83\x80\0\0\0\0");
            assert_eq!(peer.next_close(), 1002);
            server.wait_until(|cx| cx.stats().connections == 0);
        },
        ..WAY
    },
    Way {
        name: "idle for too long",
        change: |_, config| config.idle_timeout = Some(SHORT),
        act: |_, mut peer| read_all(&mut peer),
        ..WAY
    },
    Way {
        name: "idle for too long, and it stays",
        change: |_, config| (config.idle_timeout, config.close_timeout) = (Some(SHORT), SHORT),
        act: |server, _peer| server.wait_until(|cx| cx.stats().connections == 0),
        ..WAY
    },
    Way {
        name: "no Pong",
        change: |_, config| (config.ping_interval, config.pong_timeout) = (Some(SHORT), SHORT),
        act: |_, mut peer| read_all(&mut peer),
        ..WAY
    },
    Way {
        name: "open for as long as it may be",
        change: |settings, _| settings.max_lifetime = Some(SHORT),
        act: |_, mut peer| {
            assert_eq!(peer.next_close(), 1001);
            peer.close(1001);
            read_all(&mut peer);
        },
        ..WAY
    },
    Way {
        name: "the program gives it up",
        act: |server, mut peer| {
            with_it(server, |cx, id| cx.abort(id));
            read_all(&mut peer);
        },
        ..WAY
    },
    Way {
        name: "the program closes it and gives it up",
        act: |server, _peer| {
            with_it(server, |cx, id| {
                assert!(cx.close(id, Some(GOODBYE)).is_queued());
                cx.abort(id);
                cx.fail(id);
            });
            server.wait_until(|cx| cx.stats().connections == 0);
        },
        ..WAY
    },
    Way {
        name: "the program fails it",
        act: |server, mut peer| {
            with_it(server, |cx, id| cx.fail(id));
            assert_eq!(peer.next_close(), 1011);
            peer.close(1011);
            read_all(&mut peer);
        },
        ..WAY
    },
    Way {
        name: "the program fails it and the peer is gone",
        act: |server, _| with_it(server, |cx, id| cx.fail(id)),
        ..WAY
    },
    Way {
        name: "too much waits for it",
        change: |_, config| config.max_queued = 1000,
        act: |server, _peer| {
            with_it(server, |cx, id| {
                let big = "x".repeat(2000);
                assert!(cx.send_text(id, &big).is_queued());
                cx.send_text(id, &big);
            });
            server.wait_until(|cx| cx.stats().connections == 0);
        },
        ..WAY
    },
    Way {
        name: "the loop shuts down and the peer knows how",
        act: |server, mut peer| {
            server.ask(|cx| cx.shutdown(LONG));
            assert_eq!(peer.next_close(), 1001);
            peer.close(1001);
            read_all(&mut peer);
        },
        ..WAY
    },
    Way {
        name: "the loop shuts down and the peer is gone",
        act: |server, _| server.ask(|cx| cx.shutdown(LONG)),
        ..WAY
    },
    Way {
        name: "the loop shuts down and the peer stays",
        act: |server, mut peer| {
            server.ask(|cx| cx.shutdown(SHORT));
            read_all(&mut peer);
        },
        ..WAY
    },
    // What never opens.
    Way { name: "nothing said, and gone", opens: false, ..WAY },
    Way { name: "nothing said, and reset", opens: false, act: |_, peer| reset(peer), ..WAY },
    Way {
        name: "half a request, and gone",
        opens: false,
        act: |_, mut peer| peer.write(&REQUEST[..30]),
        ..WAY
    },
    Way {
        name: "half a request, and ended",
        opens: false,
        act: |_, mut peer| {
            peer.write(&REQUEST[..30]);
            peer.stream.finish();
            read_all(&mut peer);
        },
        ..WAY
    },
    Way {
        name: "half a request, and no more",
        opens: false,
        change: |settings, _| settings.handshake_timeout = HANDSHAKE,
        act: |_, mut peer| {
            peer.write(&REQUEST[..30]);
            read_all(&mut peer);
        },
        ..WAY
    },
    Way {
        name: "nothing said, and it stays",
        opens: false,
        change: |settings, _| settings.handshake_timeout = HANDSHAKE,
        act: |_, mut peer| read_all(&mut peer),
        ..WAY
    },
    Way {
        name: "no request at all",
        opens: false,
        act: |_, mut peer| {
            peer.write(b"HELO mail\r\n\r\n");
            read_all(&mut peer);
        },
        ..WAY
    },
    Way {
        name: "no request at all, and reset",
        opens: false,
        act: |_, mut peer| {
            peer.write(b"HELO mail\r\n\r\n");
            peer.head();
            reset(peer);
        },
        ..WAY
    },
    Way {
        name: "a request for a page",
        opens: false,
        act: |_, mut peer| {
            peer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            assert!(peer.head().starts_with("HTTP/1.1 426 "));
            peer.stream.finish();
        },
        ..WAY
    },
    Way {
        name: "refused",
        opens: false,
        decide: || Decision::Refuse(Refusal::new(403).unwrap()),
        act: |_, mut peer| {
            peer.write(REQUEST);
            assert!(peer.head().starts_with("HTTP/1.1 403 "));
            read_all(&mut peer);
        },
        ..WAY
    },
    Way {
        name: "refused, and gone before the answer",
        opens: false,
        decide: || Decision::Refuse(Refusal::new(403).unwrap()),
        act: |_, mut peer| peer.write(REQUEST),
        ..WAY
    },
    Way {
        name: "asked, and gone before the program knows",
        opens: false,
        decide: || Decision::Later,
        act: |_, mut peer| peer.write(REQUEST),
        ..WAY
    },
    Way {
        name: "asked, and the program never answers",
        opens: false,
        decide: || Decision::Later,
        change: |settings, _| settings.handshake_timeout = HANDSHAKE,
        act: |_, mut peer| {
            peer.write(REQUEST);
            assert!(peer.head().starts_with("HTTP/1.1 503 "));
            read_all(&mut peer);
        },
    },
    Way {
        name: "the loop shuts down during a handshake",
        opens: false,
        act: |server, mut peer| {
            peer.write(&REQUEST[..30]);
            server.wait_until(|cx| cx.stats().bytes_in >= 30);
            server.ask(|cx| cx.shutdown(LONG));
            assert!(peer.head().starts_with("HTTP/1.1 503 "));
            read_all(&mut peer);
        },
        ..WAY
    },
];

#[test]
fn each_end_is_told_once() {
    // The kinds beside each other, as some ways take their time.
    let faults = thread::scope(|scope| {
        let faults_of = |kind| {
            let told = WAYS.iter().enumerate().map(move |(number, way)| (way, end(way, kind, number)));
            let faults = told.filter(|(way, told)| {
                let expected: &[&str] = match way.opens {
                    true => &["open", "close", "1 closed, 0 failed"],
                    false => &["failed", "0 closed, 1 failed"],
                };
                told != expected
            });
            faults.map(|(way, told)| format!("{}, {kind:?}: {told:?}", way.name)).collect::<Vec<_>>()
        };
        let running: Vec<_> = KINDS.iter().map(|&kind| scope.spawn(move || faults_of(kind))).collect();
        running.into_iter().flat_map(|kind| kind.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Has a connection end, and gives what the handler was told of it and what the loop has counted.
fn end(way: &Way, kind: Kind, number: usize) -> Vec<String> {
    let mut settings = Settings::default();
    let mut config = Config::default();
    (way.change)(&mut settings, &mut config);
    settings.connection = config.into();
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = |word: &'static str| {
        let told = Arc::clone(&told);
        move || told.lock().unwrap().push(word.to_owned())
    };
    let (open, close, failed) = (tell("open"), tell("close"), tell("failed"));
    let decide = way.decide;
    let (shutdown, reports) = report_shutdown();
    let hooks = Hooks {
        request: Some(Box::new(move |_, _, _| decide())),
        open: Some(Box::new(move |_, _| open())),
        close: Some(Box::new(move |_, _, _| close())),
        failed: Some(Box::new(move |_, _, _| failed())),
        shutdown,
        ..Hooks::default()
    };
    let mut place = None;
    let server = Server::start_with(settings, hooks, |event_loop| {
        place = Some(listen(event_loop, kind, number));
    });
    let place = place.unwrap();
    let place = if let Place::Tcp(_) = place { Place::Tcp(server.address) } else { place };
    let mut peer = place.connect();
    if way.opens {
        peer.upgrade();
        server.wait_until(|cx| cx.stats().opened == 1); // it may be over by now
    } else {
        server.wait_until(|cx| cx.stats().accepted == 1);
    }
    (way.act)(&server, peer);
    let stats = match server.remote.run(|_| ()) {
        // It has shut down, or is about to.
        _ if way.name.starts_with("the loop shuts down") => wait(&reports),
        _ => {
            server.wait_until(|cx| cx.stats().connections == 0);
            server.ask(|cx| cx.stats())
        }
    };
    drop(server);
    let mut told = std::mem::take(&mut *told.lock().unwrap());
    told.push(format!("{} closed, {} failed", stats.closed, stats.failed.sum()));
    told
}

#[expect(clippy::type_complexity, reason = "as in `Hooks`")]
fn report_shutdown() -> (Option<Box<dyn FnMut(&mut Context<u32>, &ShutdownReport) + Send>>, Receiver<Stats>) {
    let (sender, reports) = channel();
    (Some(Box::new(move |cx, _| drop(sender.send(cx.stats())))), reports)
}

fn listen(event_loop: &mut EventLoop<u32>, kind: Kind, number: usize) -> Place {
    match kind {
        Kind::Tcp => Place::Tcp("127.0.0.1:0".parse().unwrap()), // it listens there by itself
        Kind::Unix => {
            let name = format!("bowsprit-ends-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let _ = fs::remove_file(&path);
            event_loop.listen_unix(&path).unwrap();
            Place::Unix(path)
        }
        #[cfg(feature = "tls")]
        Kind::Tls => {
            let (authority, tls) = super::tls::Authority::with_server(&format!("ends-{number}"));
            let any = "127.0.0.1:0".parse().unwrap();
            let address = event_loop.engine().listen_tls(any, tls).unwrap();
            Place::Tls(authority, address)
        }
    }
}

/// TLS that fails: the connection is told once, too.
#[cfg(feature = "tls")]
#[test]
fn a_tls_handshake_that_fails_is_told_once() {
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01\x00\x02\x01\x00", b""] {
        let (sender, told) = channel();
        let other = sender.clone();
        let hooks = Hooks {
            failed: Some(Box::new(move |_, _, failed| sender.send(format!("{failed:?}")).unwrap())),
            close: Some(Box::new(move |_, _, _| other.send("close".into()).unwrap())),
            ..Hooks::default()
        };
        let mut place = None;
        let server = Server::start_with(Settings::default(), hooks, |event_loop| {
            place = Some(listen(event_loop, Kind::Tls, 1000 + garbage.len()));
        });
        let Some(Place::Tls(_, address)) = &place else { unreachable!() };
        let mut peer = Client::over(Box::new(tcp(*address)) as Box<dyn Line>);
        peer.write(garbage);
        peer.stream.finish();
        read_all(&mut peer);
        drop(peer);
        wait(&told);
        server.wait_until(|cx| cx.stats().connections == 0);
        assert_eq!(server.ask(|cx| (cx.stats().failed.sum(), cx.stats().closed)), (1, 0));
        drop(server);
        assert_eq!(told.try_iter().count(), 0);
    }
}
