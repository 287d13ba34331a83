//! Packets as tcpdump (-x, -X, -xx, -XX) and tshark (-x) print them: rows below a line with the time.

use std::time::Duration;

use super::packets::{is_cut_packet, is_packet};

/// A packet and the time of day at which it came.
pub type Packet = (Duration, Vec<u8>);

/// The least bytes that the headers of IP and TCP take.
const HEADERS: usize = 40;

/// The packets of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Printed {
    /// In order.
    pub packets: Vec<Packet>,
    /// Whether the text ends inside the last packet.
    pub is_cut: bool,
}

/// A row, by the tool that printed it.
enum Row<'a> {
    /// `0x0010:  7f00 0001`.
    Tcpdump(usize, &'a str),
    /// `0010  7f 00 00 01`.
    Tshark(usize, &'a str),
}

/// Returns whether a text has such rows: those of tcpdump, or those of tshark if there are several packets or other
/// lines around them. Otherwise the text is a dump of one thing, which may be anything.
pub fn is_in(text: &str) -> bool {
    let (mut blocks, mut others) = (0, 0);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match row(line) {
            Some(Row::Tcpdump(0, _)) => return true,
            Some(Row::Tshark(0, _)) => blocks += 1,
            Some(_) => {}
            None => others += 1,
        }
    }
    blocks > 1 || (blocks == 1 && others > 0)
}

/// Parses the packets.
///
/// # Errors
///
/// Returns what does not fit.
pub fn packets(text: &str) -> Result<Printed, String> {
    let mut printed = Printed::default();
    let mut time = Duration::ZERO;
    // Below the packet tshark shows what it derived from it: unmasked, reassembled, decrypted.
    let mut is_derived = false;
    let mut have = 0;
    let lines = text.trim_end().lines().count();
    for (number, line) in text.lines().enumerate() {
        let (offset, read) = match row(line) {
            Some(Row::Tcpdump(offset, rest)) => (offset, words_of_tcpdump(rest)),
            Some(Row::Tshark(offset, rest)) => (offset, pairs(rest)),
            None => {
                time = clock(line).unwrap_or(time);
                is_derived = match line.trim_end().strip_suffix(" bytes):") {
                    Some(title) => !title.starts_with("Frame (") && !title.starts_with("Packet ("),
                    None => is_derived && !line.trim().is_empty(),
                };
                continue;
            }
        };
        let (bytes, is_cut) =
            read.ok_or_else(|| format!("line {}: this is no row of a packet", number + 1))?;
        printed.is_cut = is_cut;
        if is_cut && number + 1 < lines {
            return Err(format!("line {}: this row is cut", number + 1));
        }
        if offset == 0 {
            have = 0;
            if !is_derived {
                printed.packets.push((time, Vec::new()));
            }
        }
        let is_first = printed.packets.is_empty() && !is_derived;
        if have != offset || is_first {
            return Err(format!("line {}: its offset does not fit the rows above", number + 1));
        }
        have += bytes.len();
        if let Some((_, packet)) = printed.packets.last_mut().filter(|_| !is_derived) {
            packet.extend(bytes);
        }
    }
    if !printed.packets.iter().any(|(_, packet)| is_packet(packet) || is_cut_packet(packet)) {
        return Err("there are several dumps, and none is a packet: give one at a time".to_owned());
    }
    // Packets may be short because only a part of each was captured, but then all long ones are cut.
    let is_short = |packet: Option<&Packet>| {
        packet.is_some_and(|(_, bytes)| is_cut_packet(bytes) || bytes.len() < HEADERS)
    };
    let mut last = printed.packets.iter().rev();
    printed.is_cut |= is_short(last.next()) && !last.any(|packet| is_short(Some(packet)));
    Ok(printed)
}

fn row(line: &str) -> Option<Row<'_>> {
    let line = line.trim_start();
    if let Some(row) = line.strip_prefix("0x") {
        let (offset, rest) = row.split_once(':')?;
        return Some(Row::Tcpdump(usize::from_str_radix(offset, 16).ok()?, rest));
    }
    let (offset, rest) = line.split_once("  ")?;
    let is_offset = matches!(offset.len(), 4 | 5) && offset.bytes().all(|digit| digit.is_ascii_hexdigit());
    let first = rest.split_whitespace().next().unwrap_or_default();
    let is_byte = (1..=2).contains(&first.len()) && first.bytes().all(|digit| digit.is_ascii_hexdigit());
    (is_offset && is_byte).then(|| Some(Row::Tshark(usize::from_str_radix(offset, 16).ok()?, rest)))?
}

/// Parses at most sixteen bytes in words of two, up to a gap. Returns whether the last byte is cut.
fn words_of_tcpdump(rest: &str) -> Option<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    for word in rest.trim_start().split(' ').take(8).take_while(|word| !word.is_empty()) {
        let is_cut = !word.len().is_multiple_of(2) && rest.ends_with(word);
        if word.len() > 4 || !(is_cut || word.len().is_multiple_of(2)) {
            return None;
        }
        for pair in word.as_bytes().chunks_exact(2) {
            bytes.push(byte(str::from_utf8(pair).ok()?)?);
        }
        if is_cut {
            return Some((bytes, true));
        }
    }
    (!bytes.is_empty()).then_some((bytes, false))
}

/// Parses at most sixteen bytes, with or without a wider gap in the middle. Returns whether the last byte is cut.
fn pairs(rest: &str) -> Option<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    let mut rest = rest.trim_start();
    while bytes.len() < 16 && !rest.is_empty() {
        let end = rest.find(' ').unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        if word.len() == 1 && behind.is_empty() {
            return Some((bytes, true));
        }
        let Some(byte) = byte(word) else { break };
        bytes.push(byte);
        rest = behind.trim_start();
        let gap = behind.len() - rest.len();
        if gap > if bytes.len() == 8 { 2 } else { 1 } {
            break;
        }
    }
    (!bytes.is_empty()).then_some((bytes, false))
}

fn byte(word: &str) -> Option<u8> {
    let is_byte = word.len() == 2 && word.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_byte.then(|| u8::from_str_radix(word, 16).ok())?
}

/// Parses the time of `22:04:55.123456 IP …`, with or without a date before it, or of `  5   4.000000  127.0.0.1 → …`.
fn clock(line: &str) -> Option<Duration> {
    let mut words = line.split_whitespace();
    if words.next().is_some_and(|number| number.parse::<u64>().is_ok())
        && let Some(seconds) =
            words.next().filter(|word| word.contains('.')).and_then(|word| word.parse().ok())
    {
        return Duration::try_from_secs_f64(seconds).ok();
    }
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

    /// A packet as tshark prints it, with the data that it has unmasked.
    const TSHARK: &str = "    5   4.500000    127.0.0.1 → 127.0.0.1    WebSocket 44 WebSocket Text [FIN]\n\n\
        Frame (44 bytes):\n\
        0000  45 00 00 2c 00 00 40 00 40 06 00 00 7f 00 00 01   E..,..@.@.......\n\
        0010  7f 00 00 01 9c 40 23 29 00 00 00 01 00 00 00 01   .....@#)........\n\
        0020  50 18 ff ff 00 00 00 00 81 80 00 00               P...........\n\
        Unmasked data (5 bytes):\n\
        0000  48 65 6c 6c 6f                                    Hello\n\n";

    #[test]
    fn packets_come_with_their_time() {
        for (text, time) in [(DUMP, 79_495_500), (TSHARK, 4500)] {
            for count in [1, 2] {
                let text = text.repeat(count);
                assert!(is_in(&text));
                let found = packets(&text).unwrap();
                assert_eq!((found.packets.len(), found.is_cut), (count, false));
                assert_eq!((found.packets[0].0.as_millis(), found.packets[0].1.len()), (time, 44));
                assert_eq!(found.packets[0].1[40..], [0x81, 0x80, 0, 0]);
            }
        }
        let bare = TSHARK.split_once("Frame (44 bytes):\n").unwrap().1.split_once("Unmasked").unwrap().0;
        assert!(!is_in(bare) && is_in(&format!("{bare}\n{bare}")));
        assert_eq!(packets(&format!("{bare}\n{bare}")).unwrap().packets.len(), 2);
    }

    /// Wherever the text is cut, the packets are the first of those in the full text, and a cut inside a packet is
    /// reported.
    #[test]
    fn what_is_cut_is_told() {
        for text in [DUMP, TSHARK] {
            let whole = packets(text).unwrap().packets;
            let text = format!("{text}{}", text.split("Unmasked").next().unwrap());
            for cut in (0..text.len()).filter(|cut| text.is_char_boundary(*cut)) {
                let Ok(found) = packets(&text[..cut]) else { continue };
                for (at, (_, packet)) in found.packets.iter().enumerate() {
                    assert!(whole[0].1.starts_with(packet), "cut at {cut}");
                    assert!(
                        packet.len() == 44 || found.is_cut || (at == 0 && packet.is_empty()),
                        "cut at {cut}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (from, to) in [("0x0010", "0x0020"), ("0x0000", "0x0010"), ("4500 002c", "450"), ("7f00", "7g00")]
        {
            assert!(packets(&DUMP.replacen(from, to, 1)).unwrap_err().starts_with("line "), "{to}");
        }
        assert!(!is_in("00000000: 8185 37fa") && !is_in("0x81, 0x85") && !is_in("0000  81 85  .."));
        let payloads = "0000  81 05 48   ..H\n\n0000  81 05 48   ..H\n";
        assert!(is_in(payloads) && packets(payloads).unwrap_err().contains("one at a time"));
    }
}
