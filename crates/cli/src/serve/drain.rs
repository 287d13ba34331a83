//! How the server ends: what balancers are told, and how connections are closed without all clients coming back at the
//! same moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use bowsprit::close::{CloseCode, CloseReason, MAX_REASON, OwnedClose};
use bowsprit::event_loop::Context;
use bowsprit::handshake::{ForwardedField, Refusal, TrustedProxies};
use clap::ValueEnum;

use super::plain::{path_of, status, with};
use super::visit::Visit;
use crate::values::Time;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Balancers and the end")]
pub(super) struct DrainArgs {
    /// Trust proxies at these addresses or networks to say whom they speak for: by that address clients count for
    /// --max-per-address and are named by -v.
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    trust_proxy: Vec<String>,
    /// The field in which they say so. The other one may be written by anybody.
    #[arg(long, value_enum, default_value_t = ProxyField::XForwardedFor, requires = "trust_proxy")]
    proxy_field: ProxyField,
    /// Proxies at those addresses send a header of the PROXY protocol, version 1 or 2, in front of everything else, TLS
    /// included (HAProxy: `send-proxy`, `send-proxy-v2`; nginx: `proxy_protocol on`). One of them that sends none is cut off; a
    /// request of anybody else with such a header is not valid. For TCP only.
    #[arg(long, requires = "trust_proxy")]
    proxy_protocol: bool,
    /// Answer checks of balancers (GET, HEAD, OPTIONS, by any name) at this path: 200, and 503 once the server was
    /// asked to end. PATH/live is 200 as long as it runs. With --metrics there too.
    #[arg(long, value_name = "PATH", value_parser = path)]
    health: Option<String>,
    /// Once asked to end, serve on for this long, so that balancers can notice what --health says.
    #[arg(long, value_name = "TIME", default_value = "0s")]
    drain_delay: Time,
    /// Then close connections one after the other over this long, so that their clients do not come back all at once;
    /// further ones are answered 503.
    #[arg(long, value_name = "TIME", default_value = "0s")]
    drain_time: Time,
    /// When to close the listeners: `last`, and meanwhile --health and further clients are answered; or `first`, as soon as the
    /// server is asked to end, so that a new process which has the same sockets (--systemd) or listens on the same address
    /// (--reuse-port) takes all further clients. Clients that have just connected have --drain-delay to open.
    #[arg(long, value_enum, default_value_t = DrainListen::Last)]
    drain_listen: DrainListen,
    /// The code to close them with [default: 1012 with --drain-time, else 1001].
    #[arg(long, value_name = "CODE", value_parser = code)]
    drain_code: Option<CloseCode>,
    /// The reason to close them with.
    #[arg(long, value_name = "TEXT", default_value = "", value_parser = reason)]
    drain_reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ProxyField {
    /// X-Forwarded-For.
    XForwardedFor,
    /// Forwarded (RFC 7239).
    Forwarded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DrainListen {
    /// Once all connections are closed.
    Last,
    /// At once.
    First,
}

fn path(text: &str) -> Result<String, &'static str> {
    let is_path =
        text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte));
    if is_path { Ok(text.to_owned()) } else { Err("use a path such as /healthz") }
}

fn code(text: &str) -> Result<CloseCode, &'static str> {
    let code = text.parse().ok().map(CloseCode).filter(|code| code.may_travel());
    code.ok_or("use a code that may travel: 1000 to 1003, 1007 to 1014, or 3000 to 4999")
}

fn reason(text: &str) -> Result<String, String> {
    if text.len() <= MAX_REASON {
        Ok(text.to_owned())
    } else {
        Err(format!("use at most {MAX_REASON} bytes"))
    }
}

impl DrainArgs {
    /// # Errors
    ///
    /// Returns what is wrong with the command line.
    pub(super) fn trusted_proxies(&self) -> Result<Option<Arc<TrustedProxies>>, String> {
        if self.trust_proxy.is_empty() {
            return Ok(None);
        }
        let field = match self.proxy_field {
            ProxyField::XForwardedFor => ForwardedField::XForwardedFor,
            ProxyField::Forwarded => ForwardedField::Forwarded,
        };
        let proxies = self.trust_proxy.iter().try_fold(TrustedProxies::new(field), |proxies, network| {
            proxies.allow(network).map_err(|error| format!("--trust-proxy {network}: {error}"))
        })?;
        Ok(Some(Arc::new(proxies)))
    }

    pub(super) const fn proxy_protocol(&self) -> bool {
        self.proxy_protocol
    }

    pub(super) fn health(&self) -> Health {
        Health { path: self.health.clone(), stage: Arc::default() }
    }

    pub(super) fn drain(&self, health: Health) -> Drain {
        let (delay, spread) = (self.drain_delay.0, self.drain_time.0);
        let listens_first = self.drain_listen == DrainListen::First;
        Drain { health, delay, spread, listens_first, close: self.close(), phase: Phase::Serving }
    }

    /// Returns the Close with which connections are closed.
    pub(super) fn close(&self) -> OwnedClose {
        let code = self.drain_code.unwrap_or(match self.drain_time.0 {
            Duration::ZERO => CloseCode::GOING_AWAY,
            _ => CloseCode(1012),
        });
        OwnedClose { code, reason: self.drain_reason.clone().into() }
    }
}

/// The state of the server, as seen by its loops and by health checks.
#[derive(Clone, Debug)]
pub(super) struct Health {
    path: Option<String>,
    stage: Arc<AtomicU8>,
}

const READY: u8 = 0;
/// The server works, but wants no more clients.
const UNREADY: u8 = 1;
/// The server refuses further clients.
const CLOSING: u8 = 2;

impl Health {
    /// Returns whether further clients are refused.
    pub(super) fn is_closing(&self) -> bool {
        self.stage.load(Ordering::Relaxed) >= CLOSING
    }

    /// Returns the answer to a health check.
    pub(super) fn answer(&self, method: &str, target: &str) -> Option<Refusal> {
        let path = self.path.as_deref()?;
        let which = match path_of(target) {
            found if found == path => "",
            found => found.strip_prefix(path.trim_end_matches('/'))?,
        };
        let is_well = match which {
            "/live" => true,
            "" | "/ready" => self.stage.load(Ordering::Relaxed) == READY,
            _ => return None,
        };
        Some(match method {
            "GET" | "HEAD" | "OPTIONS" => {
                let answer =
                    if is_well { status(200).with_text("ok") } else { status(503).with_text("ending") };
                with(answer, "Cache-Control", "no-store")
            }
            _ => with(status(405), "Allow", "GET, HEAD, OPTIONS"),
        })
    }

    /// Returns the answer to a client that comes too late.
    pub(super) fn too_late(&self) -> Refusal {
        status(503).with_text("This server is ending; connect again to reach another one.")
    }
}

/// The steps of the shutdown.
#[derive(Debug)]
pub(super) struct Drain {
    health: Health,
    delay: Duration,
    spread: Duration,
    /// Whether the listeners are closed first.
    listens_first: bool,
    close: OwnedClose,
    phase: Phase,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Serving,
    /// Clients that have just connected may still open until then.
    Listening(Instant),
    /// Serving continues until then, but health checks fail.
    Unready(Instant),
    /// Connections are closed until then.
    Closing(Instant),
    ShuttingDown,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DrainStep {
    /// Close the listeners.
    StopListening,
    /// Close connections over this time.
    Close(Duration, OwnedClose),
    /// Close the rest, and end.
    ShutDown,
}

impl Drain {
    /// Begins the shutdown.
    pub(super) fn begin(&mut self, now: Instant) {
        if let Phase::Serving = self.phase {
            self.health.stage.store(UNREADY, Ordering::Relaxed);
            self.phase = match self.listens_first {
                true => Phase::Listening(now),
                false => Phase::Unready(later(now, self.delay)),
            };
        }
    }

    /// Returns when [`step`](Self::step) has something to do.
    pub(super) const fn next(&self) -> Option<Instant> {
        match self.phase {
            Phase::Serving | Phase::ShuttingDown => None,
            Phase::Listening(until) | Phase::Unready(until) | Phase::Closing(until) => Some(until),
        }
    }

    /// Returns the next thing to do; to be called until there is none.
    pub(super) fn step(&mut self, now: Instant) -> Option<DrainStep> {
        if self.next().is_none_or(|until| now < until) {
            return None;
        }
        Some(match self.phase {
            Phase::Listening(since) => {
                self.phase = Phase::Unready(later(since, self.delay));
                DrainStep::StopListening
            }
            Phase::Unready(_) => {
                self.health.stage.store(CLOSING, Ordering::Relaxed);
                self.phase = Phase::Closing(later(now, self.spread));
                DrainStep::Close(self.spread, self.close.clone())
            }
            _ => {
                self.phase = Phase::ShuttingDown;
                DrainStep::ShutDown
            }
        })
    }
}

/// Adds a duration; if the clock cannot represent the result, it is a year.
fn later(now: Instant, after: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    now + after.min(YEAR)
}

/// The tag of timers that close a connection.
pub(super) const CLOSE: u64 = 1;

/// Closes the connections of a loop, spread evenly over a time.
pub(super) fn close_over(cx: &mut Context<Visit>, spread: Duration, close: &OwnedClose) {
    let ids: Vec<_> = cx.connections().collect();
    let step = spread.checked_div(ids.len().try_into().unwrap_or(u32::MAX)).unwrap_or_default();
    for (number, id) in (0..).zip(ids) {
        if spread.is_zero() {
            cx.close(id, Some(CloseReason { code: close.code, reason: &close.reason }));
        } else {
            cx.set_timer_for(id, step.saturating_mul(number), CLOSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> Health {
        Health { path: Some("/healthz".to_owned()), stage: Arc::default() }
    }

    #[test]
    fn checks_see_the_stage() {
        let health = health();
        let status = |method: &str, target: &str| health.answer(method, target).map(|answer| answer.status());
        for (stage, ready) in [(READY, 200), (UNREADY, 503), (CLOSING, 503)] {
            health.stage.store(stage, Ordering::Relaxed);
            for target in ["/healthz", "/healthz?a=b", "/healthz/ready", "http://a/healthz"] {
                for method in ["GET", "HEAD", "OPTIONS"] {
                    assert_eq!(status(method, target), Some(ready), "{method} {target}");
                }
            }
            assert_eq!(status("GET", "/healthz/live"), Some(200));
            assert_eq!(status("POST", "/healthz"), Some(405));
            for target in ["/", "/healthzz", "/healthz/", "/a/healthz", "*"] {
                assert_eq!(status("GET", target), None, "{target}");
            }
        }
        assert!(Health { path: None, ..health.clone() }.answer("GET", "/healthz").is_none());
        let root = Health { path: Some("/".to_owned()), ..health };
        for (target, is_check) in
            [("/", true), ("/?a", true), ("/live", true), ("/ready", true), ("/x", false), ("*", false)]
        {
            assert_eq!(root.answer("OPTIONS", target).is_some(), is_check, "{target}");
        }
    }

    #[test]
    fn the_end_comes_in_steps() {
        let start = Instant::now();
        let (delay, spread) = (Duration::from_secs(5), Duration::from_secs(60));
        let close = OwnedClose { code: CloseCode(1012), reason: "".into() };
        let mut drain = Drain {
            health: health(),
            delay,
            spread,
            listens_first: false,
            close: close.clone(),
            phase: Phase::Serving,
        };
        assert_eq!((drain.next(), drain.step(start)), (None, None));
        drain.begin(start);
        drain.begin(start + spread); // asked again: nothing starts anew
        assert_eq!((drain.next(), drain.step(start)), (Some(start + delay), None));
        assert!(!drain.health.is_closing());
        assert_eq!(drain.step(start + delay), Some(DrainStep::Close(spread, close)));
        assert!(drain.health.is_closing());
        assert_eq!((drain.next(), drain.step(start + delay)), (Some(start + delay + spread), None));
        assert_eq!(drain.step(start + delay + spread), Some(DrainStep::ShutDown));
        assert_eq!(drain.next(), None);
        // The listeners are closed first if that is wanted.
        let mut drain = Drain { listens_first: true, phase: Phase::Serving, ..drain };
        drain.begin(start);
        assert_eq!((drain.step(start), drain.step(start)), (Some(DrainStep::StopListening), None));
        assert_eq!(drain.next(), Some(start + delay));
        // Without flags everything is closed at once.
        let mut drain = Drain {
            delay: Duration::ZERO,
            spread: Duration::ZERO,
            listens_first: false,
            phase: Phase::Serving,
            ..drain
        };
        drain.begin(start);
        assert!(matches!(drain.step(start), Some(DrainStep::Close(Duration::ZERO, _))));
        assert_eq!((drain.step(start), drain.step(start)), (Some(DrainStep::ShutDown), None));
    }

    #[test]
    fn values_are_checked() {
        for good in ["/", "/healthz", "/a/b"] {
            assert!(path(good).is_ok());
        }
        for bad in ["", "healthz", "/a b", "/a?b", "/a#b", "/\u{e4}"] {
            assert!(path(bad).is_err(), "{bad}");
        }
        assert_eq!(code("1012"), Ok(CloseCode(1012)));
        for bad in ["999", "1005", "1006", "5000", "x"] {
            assert!(code(bad).is_err(), "{bad}");
        }
        assert!(reason(&"x".repeat(123)).is_ok() && reason(&"x".repeat(124)).is_err());
    }
}
