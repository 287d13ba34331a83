//! When to connect again (RFC 6455 §7.2.3), as a policy and a state machine without a clock.
//!
//! In: that a connection has opened, that one is lost and why, the time, entropy. Out: how long to wait, or to stop.
//! Promises: never a tight loop, whatever the policy ([`MIN_DELAY`]); a connection that opens and fails at once does
//! not bring the first, short delay back; a failure that another try cannot mend is not retried unless the policy asks
//! for it.

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use crate::close::CloseCode;
use crate::entropy::{Entropy, between};

/// The least delay between two tries.
pub const MIN_DELAY: Duration = Duration::from_millis(100);

/// The longest that a server can make us wait with `Retry-After`.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// Whether and when to connect again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReconnectPolicy {
    /// How long to wait before a try.
    pub backoff: Backoff,
    /// The most consecutive tries without a stable connection.
    pub max_tries: Option<u32>,
    /// A connection that was open for this long counts as stable: after it the delays start anew.
    pub stable_after: Duration,
    /// Whether to try again when that cannot help: after a 4xx, an untrusted certificate, a broken rule.
    pub retry_fatal: bool,
    /// The range of the wait after 1012 (restart), 1013 (try again later) and 503, unless the regular wait is longer.
    pub busy: (Duration, Duration),
}

/// How the wait before a try is determined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backoff {
    /// There is no further try.
    Never,
    /// Always this long.
    Fixed(Duration),
    /// A random time up to `first`, then up to twice that, and so on up to `cap` ("full jitter"), so that clients that
    /// lost a server together do not come back together.
    Exponential {
        /// The longest wait before the first try.
        first: Duration,
        /// The longest wait before any try.
        cap: Duration,
    },
}

impl ReconnectPolicy {
    /// Never tries again.
    pub const fn never() -> Self {
        Self::with(Backoff::Never)
    }

    /// Waits 3 s before each try, the classic timer.
    pub const fn fixed() -> Self {
        Self::with(Backoff::Fixed(Duration::from_secs(3)))
    }

    /// Makes the first try after 0 to 5 s, as RFC 6455 §7.2.3 says, and later ones after up to 5 minutes.
    pub const fn exponential() -> Self {
        Self::with(Backoff::Exponential { first: Duration::from_secs(5), cap: Duration::from_secs(300) })
    }

    /// Creates a policy with another [`Backoff`].
    pub const fn with(backoff: Backoff) -> Self {
        Self {
            backoff,
            max_tries: None,
            stable_after: Duration::from_secs(60),
            retry_fatal: false,
            // The close code registry says of 1012: "a randomized delay of 5 - 30s".
            busy: (Duration::from_secs(5), Duration::from_secs(30)),
        }
    }

    /// Makes at most this many consecutive tries.
    #[must_use]
    pub const fn max_tries(mut self, tries: u32) -> Self {
        self.max_tries = Some(tries);
        self
    }

    /// Sets another time after which a connection counts as stable.
    #[must_use]
    pub const fn stable_after(mut self, time: Duration) -> Self {
        self.stable_after = time;
        self
    }

    /// Tries again even when that cannot help.
    #[must_use]
    pub const fn retry_fatal(mut self) -> Self {
        self.retry_fatal = true;
        self
    }
}

impl Default for ReconnectPolicy {
    fn default() -> Self {
        Self::never()
    }
}

/// Why there is no connection, or no longer one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loss {
    /// We closed it ourselves and want no other.
    Local,
    /// A Close frame came with this code, or 1005 if it had none.
    Closed(CloseCode),
    /// The connection broke, or could not be made.
    Broken,
    /// The peer broke a rule of the protocol, or its answer to the handshake did.
    Protocol,
    /// Something took longer than we wait.
    Timeout,
    /// The server or a proxy answered with this status, and may have said how long to stay away.
    Refused(u16, Option<Duration>),
    /// What we ask for is not available: a certificate is not trusted, a proxy does not accept the credentials, a
    /// redirect is not followed.
    Fatal,
}

/// What a loss means for another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Retry,
    Busy(Option<Duration>),
    Fatal,
    Done,
}

impl Loss {
    /// Returns whether another try cannot help.
    pub const fn is_fatal(&self) -> bool {
        matches!(self.fate(), Fate::Fatal)
    }

    const fn fate(&self) -> Fate {
        match self {
            Loss::Local => Fate::Done,
            Loss::Closed(CloseCode(1012 | 1013)) => Fate::Busy(None),
            // We broke a rule, sent what is not accepted, or lack an extension: it would happen again.
            Loss::Closed(CloseCode(1002 | 1003 | 1007 | 1008 | 1010)) => Fate::Fatal,
            Loss::Refused(408 | 425, None) => Fate::Retry,
            Loss::Refused(408 | 425 | 429 | 503, after) => Fate::Busy(*after),
            Loss::Refused(500.., Some(after)) => Fate::Busy(Some(*after)),
            Loss::Refused(500.., None) => Fate::Retry,
            Loss::Refused(..) | Loss::Protocol | Loss::Fatal => Fate::Fatal,
            Loss::Closed(_) | Loss::Broken | Loss::Timeout => Fate::Retry,
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Loss::Local => f.write_str("closed by us"),
            Loss::Closed(code) => write!(f, "closed with code {}", code.0),
            Loss::Broken => f.write_str("the connection broke or could not be made"),
            Loss::Protocol => f.write_str("the peer broke a rule"),
            Loss::Timeout => f.write_str("no answer in time"),
            Loss::Refused(status, None) => write!(f, "refused with status {status}"),
            Loss::Refused(status, Some(after)) => {
                write!(f, "refused with status {status} for {} s", after.as_secs())
            }
            Loss::Fatal => f.write_str("cannot be had this way"),
        }
    }
}

/// What to do after a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Connect after this long.
    Retry {
        /// Which try this is, from 1.
        attempt: u32,
        /// How long to wait first.
        delay: Duration,
    },
    /// Do not connect again.
    Stop(Stop),
}

/// Why there is no further try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// We closed the connection ourselves.
    Done,
    /// The policy has no further try.
    Never,
    /// Another try cannot help.
    Fatal,
    /// [`ReconnectPolicy::max_tries`] has been reached.
    Exhausted,
}

/// The tries of one client.
#[derive(Clone, Debug)]
pub struct Reconnect {
    policy: ReconnectPolicy,
    tries: u32,
    opened: Option<Instant>,
}

impl Reconnect {
    /// Creates the state before the first connection.
    pub const fn new(policy: ReconnectPolicy) -> Self {
        Self { policy, tries: 0, opened: None }
    }

    /// Records that a connection has opened at `now`.
    pub const fn opened(&mut self, now: Instant) {
        self.opened = Some(now);
    }

    /// Returns the number of tries since the last stable connection.
    pub const fn tries(&self) -> u32 {
        self.tries
    }

    /// Returns what to do now that there is no connection, or no longer one.
    pub fn lost(&mut self, loss: &Loss, now: Instant, entropy: &mut dyn Entropy) -> Next {
        if let Some(opened) = self.opened.take()
            && now.saturating_duration_since(opened) >= self.policy.stable_after
        {
            self.tries = 0;
        }
        let fate = loss.fate();
        match fate {
            Fate::Done => return Next::Stop(Stop::Done),
            _ if self.policy.backoff == Backoff::Never => return Next::Stop(Stop::Never),
            Fate::Fatal if !self.policy.retry_fatal => return Next::Stop(Stop::Fatal),
            _ if self.policy.max_tries.is_some_and(|most| self.tries >= most) => {
                return Next::Stop(Stop::Exhausted);
            }
            _ => {}
        }
        let regular = match self.policy.backoff {
            Backoff::Never => Duration::ZERO,
            Backoff::Fixed(delay) => delay,
            Backoff::Exponential { first, cap } => {
                let most = first.saturating_mul(2u32.saturating_pow(self.tries)).min(cap);
                between(Duration::ZERO, most, entropy)
            }
        };
        let delay = match fate {
            Fate::Busy(after) => {
                let (least, most) = self.policy.busy;
                // Clients that are told the same time should not come at the same time.
                let told = after.unwrap_or_default().min(MAX_RETRY_AFTER);
                let spread = if told.is_zero() {
                    between(least, most, entropy)
                } else {
                    told + between(Duration::ZERO, least, entropy)
                };
                regular.max(spread)
            }
            _ => regular,
        };
        self.tries += 1;
        Next::Retry { attempt: self.tries, delay: delay.max(MIN_DELAY) }
    }
}

/// Returns the wait that `Retry-After` asks for (RFC 9110 §10.2.3): a number of seconds, or a date, from which `sent`
/// is subtracted; zero if that has passed. `sent` is when the server answered: by its own clock, in `Date`, if it sends
/// one, since ours may be wrong.
pub fn retry_after(value: &[u8], sent: SystemTime) -> Option<Duration> {
    let text = std::str::from_utf8(value).ok()?;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number of seconds that is too large counts as the largest.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    Some(until.duration_since(sent).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::EntropyError;

    const SECOND: Duration = Duration::from_secs(1);

    /// Returns the same byte for ever.
    struct Constant(u8);

    impl Entropy for Constant {
        fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
            out.fill(self.0);
            Ok(())
        }
    }

    fn delay(next: Next) -> Duration {
        match next {
            Next::Retry { delay, .. } => delay,
            Next::Stop(why) => panic!("{why:?}"),
        }
    }

    /// RCN-001.
    #[test]
    fn the_first_retry_is_random_within_five_seconds() {
        let now = Instant::now();
        let first = |byte| {
            delay(Reconnect::new(ReconnectPolicy::exponential()).lost(
                &Loss::Broken,
                now,
                &mut Constant(byte),
            ))
        };
        assert_eq!(first(0), MIN_DELAY);
        assert_eq!(first(0xff), 5 * SECOND);
        assert!(first(0x80) > 2 * SECOND && first(0x80) < 3 * SECOND);
    }

    /// RCN-004: of a thousand clients that lose their server together, no fifth of the time sees more than its share.
    #[test]
    #[cfg(feature = "entropy")]
    fn a_thousand_clients_spread() {
        let mut entropy = crate::entropy::SystemEntropy::new();
        let mut buckets = [0; 5];
        for _ in 0..1000 {
            let mut client = Reconnect::new(ReconnectPolicy::exponential());
            let delay = delay(client.lost(&Loss::Broken, Instant::now(), &mut entropy));
            buckets[(delay.as_millis() / 1000).min(4) as usize] += 1;
        }
        assert!(buckets.iter().all(|count| (120..280).contains(count)), "{buckets:?}");
    }

    /// RCN-002, RCN-003.
    #[test]
    fn delays_grow_to_the_cap_and_start_anew_after_a_connection_that_lasted() {
        let mut now = Instant::now();
        let policy = ReconnectPolicy::with(Backoff::Exponential { first: SECOND, cap: 10 * SECOND });
        let mut client = Reconnect::new(policy.stable_after(60 * SECOND));
        let mut entropy = Constant(0xff);
        for expected in [1, 2, 4, 8, 10, 10] {
            assert_eq!(delay(client.lost(&Loss::Broken, now, &mut entropy)), expected * SECOND);
        }
        // A connection that opens and is lost at once is not a success.
        client.opened(now);
        now += 59 * SECOND;
        assert_eq!(delay(client.lost(&Loss::Broken, now, &mut entropy)), 10 * SECOND);
        client.opened(now);
        now += 60 * SECOND;
        assert_eq!(delay(client.lost(&Loss::Broken, now, &mut entropy)), SECOND);
        for _ in 0..100 {
            assert!(delay(client.lost(&Loss::Broken, now, &mut entropy)) <= 10 * SECOND);
        }
    }

    #[test]
    fn the_classic_timer_and_never_a_tight_loop() {
        let now = Instant::now();
        let mut client = Reconnect::new(ReconnectPolicy::fixed());
        for attempt in 1..5 {
            let next = client.lost(&Loss::Broken, now, &mut Constant(7));
            assert_eq!(next, Next::Retry { attempt, delay: 3 * SECOND });
        }
        let mut eager = Reconnect::new(ReconnectPolicy::with(Backoff::Fixed(Duration::ZERO)));
        assert_eq!(delay(eager.lost(&Loss::Broken, now, &mut Constant(0))), MIN_DELAY);
    }

    /// RCN-005.
    #[test]
    fn when_to_stop() {
        let now = Instant::now();
        let lost = |policy, loss| Reconnect::new(policy).lost(&loss, now, &mut Constant(0));
        assert_eq!(lost(ReconnectPolicy::never(), Loss::Broken), Next::Stop(Stop::Never));
        assert_eq!(lost(ReconnectPolicy::fixed(), Loss::Local), Next::Stop(Stop::Done));
        let fatal = [400, 401, 403, 404, 407, 302].map(|status| Loss::Refused(status, None));
        let codes = [1002, 1003, 1007, 1008, 1010].map(|code| Loss::Closed(CloseCode(code)));
        for loss in fatal.into_iter().chain(codes).chain([Loss::Protocol, Loss::Fatal]) {
            assert!(loss.is_fatal());
            assert_eq!(lost(ReconnectPolicy::fixed(), loss.clone()), Next::Stop(Stop::Fatal), "{loss}");
            assert!(matches!(lost(ReconnectPolicy::fixed().retry_fatal(), loss), Next::Retry { .. }));
        }
        let mut client = Reconnect::new(ReconnectPolicy::fixed().max_tries(2));
        for _ in 0..2 {
            assert!(matches!(client.lost(&Loss::Timeout, now, &mut Constant(0)), Next::Retry { .. }));
        }
        assert_eq!(client.lost(&Loss::Timeout, now, &mut Constant(0)), Next::Stop(Stop::Exhausted));
    }

    /// RCN-006.
    #[test]
    fn a_busy_server_is_left_alone_for_longer() {
        let now = Instant::now();
        for (loss, least, most) in [
            (Loss::Closed(CloseCode(1012)), 5, 30),
            (Loss::Closed(CloseCode(1013)), 5, 30),
            (Loss::Refused(503, None), 5, 30),
            (Loss::Refused(503, Some(120 * SECOND)), 120, 125),
            (Loss::Refused(429, Some(7 * SECOND)), 7, 12),
            (Loss::Refused(503, Some(Duration::MAX)), 3600, 3605),
        ] {
            for (byte, expected) in [(0, least), (0xff, most)] {
                let mut client = Reconnect::new(ReconnectPolicy::exponential());
                let delay = delay(client.lost(&loss, now, &mut Constant(byte)));
                assert_eq!(delay, expected * SECOND, "{loss}");
            }
        }
    }

    #[test]
    fn retry_after_in_seconds_or_as_a_date() {
        let sent = SystemTime::UNIX_EPOCH + 784_111_777 * SECOND; // Sun, 06 Nov 1994 08:49:37 GMT
        for (value, expected) in [
            ("120", Some(120 * SECOND)),
            ("0", Some(Duration::ZERO)),
            ("99999999999999999999999", Some(Duration::from_secs(u64::MAX))),
            // RFC 9110 §5.6.7: three forms, the last two obsolete.
            ("Sun, 06 Nov 1994 08:51:37 GMT", Some(120 * SECOND)),
            ("Sunday, 06-Nov-94 08:51:37 GMT", Some(120 * SECOND)),
            ("Sun Nov  6 08:51:37 1994", Some(120 * SECOND)),
            ("Sun, 06 Nov 1994 08:49:36 GMT", Some(Duration::ZERO)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("Sun, 06 Nov 1994 08:51:37 CET", None),
            ("Sun, 99 Nov 1994 08:51:37 GMT", None),
        ] {
            assert_eq!(retry_after(value.as_bytes(), sent), expected, "{value}");
        }
        assert_eq!(retry_after(b"\xff", sent), None);
    }
}
