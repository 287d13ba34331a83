//! Rates and amounts of messages and bytes as users type them.

use std::str::FromStr;

use bowsprit::event_loop::{Allowance, Rate, RatePolicy};

use super::values::Size;

/// Messages and bytes: a number, and a number with B, K, M or G.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amounts {
    messages: Option<u64>,
    bytes: Option<u64>,
}

/// Messages and bytes per second, each with `/s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PerSecond(Amounts);

const AMOUNTS: &str =
    "use a number of messages, of bytes (with B, K, M or G), or both, such as 200, 256K or 200,256K";
const RATES: &str =
    "use messages, bytes (with B, K, M or G) or both a second, such as 100/s, 64K/s or 100/s,64K/s";

impl FromStr for Amounts {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut amounts = Self::default();
        for part in text.split(',') {
            let is_messages = part.bytes().all(|byte| byte.is_ascii_digit());
            let place = if is_messages { &mut amounts.messages } else { &mut amounts.bytes };
            let amount = match part.parse::<Size>() {
                Ok(Size(amount)) if amount > 0 => amount as u64,
                _ => return Err(AMOUNTS),
            };
            if place.replace(amount).is_some() {
                return Err(AMOUNTS);
            }
        }
        Ok(amounts)
    }
}

impl FromStr for PerSecond {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Option<Vec<&str>> = text.split(',').map(|part| part.strip_suffix("/s")).collect();
        parts.ok_or(RATES)?.join(",").parse().map(Self).map_err(|_| RATES)
    }
}

impl PerSecond {
    /// Returns the rate with these bursts; by default a burst is one second's amount.
    pub(super) fn with(self, burst: Option<Amounts>, policy: RatePolicy) -> Rate {
        let burst = burst.unwrap_or_default();
        let allowance = |per_second: Option<u64>, burst: Option<u64>| {
            per_second.map(|per_second| Allowance { per_second, burst: burst.unwrap_or(per_second) })
        };
        let Self(Amounts { messages, bytes }) = self;
        let mut rate = Rate::default();
        rate.messages = allowance(messages, burst.messages);
        rate.bytes = allowance(bytes, burst.bytes);
        rate.policy = policy;
        rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        let rate = |text: &str, burst: Option<&str>| {
            let rate = text.parse::<PerSecond>().unwrap();
            rate.with(burst.map(|burst| burst.parse().unwrap()), RatePolicy::Drop)
        };
        let allowance = |per_second, burst| Some(Allowance { per_second, burst });
        for (text, burst, messages, bytes) in [
            ("100/s", None, allowance(100, 100), None),
            ("64K/s", None, None, allowance(65536, 65536)),
            ("100/s,64K/s", None, allowance(100, 100), allowance(65536, 65536)),
            ("1MiB/s,5/s", Some("200"), allowance(5, 200), allowance(1 << 20, 1 << 20)),
            ("900B/s,5/s", Some("4K,10"), allowance(5, 10), allowance(900, 4096)),
        ] {
            let rate = rate(text, burst);
            assert_eq!((rate.messages, rate.bytes), (messages, bytes), "{text}");
            assert_eq!(rate.policy, RatePolicy::Drop, "{text}");
        }
        for text in
            ["", "100", "100/m", "/s", "0/s", "100/s,", "1/s,2/s", "1K/s,2M/s", "-1/s", "1.5/s", "1/s,2"]
        {
            assert!(text.parse::<PerSecond>().is_err(), "{text}");
        }
        for text in ["", "100/s", "0", "1,2", "K"] {
            assert!(text.parse::<Amounts>().is_err(), "{text}");
        }
    }
}
