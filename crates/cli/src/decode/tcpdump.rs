//! What tcpdump prints with -x, -X, -xx or -XX: packets as rows behind a line that says when.

use std::time::Duration;

use bowsprit_lab::hex;

/// A packet, and when in its day it came.
pub(super) type Packet = (Duration, Vec<u8>);

/// Whether a text has such rows.
pub(super) fn is_in(text: &str) -> bool {
    text.lines().take(64).any(|line| row(line).is_some_and(|(offset, _)| offset == 0))
}

/// The packets.
///
/// # Errors
///
/// What does not fit.
pub(super) fn packets(text: &str) -> Result<Vec<Packet>, String> {
    let mut packets: Vec<Packet> = Vec::new();
    let mut time = Duration::ZERO;
    for (number, line) in text.lines().enumerate() {
        let Some((offset, rest)) = row(line) else {
            time = clock(line).unwrap_or(time);
            continue;
        };
        if offset == 0 {
            packets.push((time, Vec::new()));
        }
        let bytes =
            bytes_of(rest).ok_or_else(|| format!("line {}: this is no row of tcpdump", number + 1))?;
        match packets.last_mut() {
            Some((_, packet)) if packet.len() == offset => packet.extend(bytes),
            _ => return Err(format!("line {}: its offset does not fit the rows above", number + 1)),
        }
    }
    Ok(packets)
}

/// `0x0010:  7f00 0001`: the offset, and what follows.
fn row(line: &str) -> Option<(usize, &str)> {
    let (offset, rest) = line.trim_start().strip_prefix("0x")?.split_once(':')?;
    Some((usize::from_str_radix(offset, 16).ok()?, rest))
}

/// At most sixteen bytes in words of two, up to a gap.
fn bytes_of(rest: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for word in rest.trim_start().split(' ').take(8).take_while(|word| !word.is_empty()) {
        if !matches!(word.len(), 2 | 4) {
            return None;
        }
        bytes.extend(hex::parse(word).ok()?);
    }
    (!bytes.is_empty()).then_some(bytes)
}

/// `22:04:55.123456 IP …`, behind a date or not.
fn clock(line: &str) -> Option<Duration> {
    let word = line.split_whitespace().take(2).find(|word| word.matches(':').count() == 2)?;
    let mut parts = word.split(':');
    let (hours, minutes) = (parts.next()?.parse::<u32>().ok()?, parts.next()?.parse::<u32>().ok()?);
    let seconds: f64 = parts.next()?.parse().ok().filter(|seconds| (0.0..61.0).contains(seconds))?;
    Some(
        Duration::from_secs(u64::from(hours) * 3600 + u64::from(minutes) * 60)
            + Duration::from_secs_f64(seconds),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "22:04:55.500000 IP 127.0.0.1.40000 > 127.0.0.1.9001: Flags [P.], length 4\n\
        \t0x0000:  4500 002c 0000 4000 4006 0000 7f00 0001  E..,..@.@.......\n\
        \t0x0010:  7f00 0001 9c40 2329 0000 0001 0000 0001  .....@#)........\n\
        \t0x0020:  5018 ffff 0000 0000 8180 0000            P...........\n";

    #[test]
    fn packets_come_with_their_time() {
        assert!(is_in(DUMP));
        let found = packets(&DUMP.repeat(2)).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].0.as_millis(), found[0].1.len()), (79_495_500, 44));
        assert_eq!(found[0].1[40..], [0x81, 0x80, 0, 0]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (from, to) in [("0x0010", "0x0020"), ("0x0000", "0x0010"), ("4500 002c", "450"), ("7f00", "7g00")]
        {
            assert!(packets(&DUMP.replacen(from, to, 1)).unwrap_err().starts_with("line "), "{to}");
        }
        assert!(!is_in("00000000: 8185 37fa") && !is_in("0x81, 0x85"));
    }
}
