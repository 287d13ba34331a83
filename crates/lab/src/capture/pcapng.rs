//! Writes the traffic between two programs as a capture that Wireshark opens. The bytes of each side are put in TCP
//! segments that were never sent, as a direct connection between the two would have carried them without TLS.
//!
//! `etherparse` makes the headers. The blocks around them have three fixed forms and are written here: the crates that
//! write them are unmaintained or pull in a runtime. In the tests, `pcap-parser` and tshark read them.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use crate::conversation::{End, Peer};
use etherparse::PacketBuilder;

/// The most bytes in a segment.
const SEGMENT: usize = 32 << 10;
/// The first sequence number of each side.
const FIRST: u32 = 1000;

/// Writes a capture.
pub struct Writer<W: Write> {
    to: W,
    open: HashMap<u64, Connection>,
}

struct Connection {
    ends: [SocketAddr; 2],
    /// When the connection began, since 1970.
    began: Duration,
    /// The next sequence number of each side.
    next: [u32; 2],
    ended: [bool; 2],
}

/// The flag of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flag {
    Syn,
    None,
    Fin,
    Rst,
}

const fn place(peer: Peer) -> usize {
    match peer {
        Peer::Client => 0,
        Peer::Server => 1,
    }
}

impl<W: Write> Writer<W> {
    /// Begins a capture.
    ///
    /// # Errors
    ///
    /// Returns an error of the file.
    pub fn new(mut to: W) -> io::Result<Self> {
        // Byte order, version 1.0, and an unknown length.
        let section = [&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat();
        block(&mut to, 0x0a0d_0d0a, &section)?;
        // LINKTYPE_RAW, no limit; option 9, if_tsresol, of one byte: nanoseconds; the end of the options.
        let interface = [101, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0];
        block(&mut to, 1, &interface)?;
        Ok(Self { to, open: HashMap::new() })
    }

    /// Begins a connection, at this time since 1970. If the two addresses are of different families, the IPv4 address
    /// is mapped to IPv6.
    ///
    /// # Errors
    ///
    /// Returns an error of the file.
    pub fn open(
        &mut self,
        number: u64,
        client: SocketAddr,
        server: SocketAddr,
        began: Duration,
    ) -> io::Result<()> {
        let ends = match (client.is_ipv4(), server.is_ipv4()) {
            (true, true) | (false, false) => [client, server],
            _ => [mapped(client), mapped(server)],
        };
        self.open.insert(number, Connection { ends, began, next: [FIRST; 2], ended: [false; 2] });
        let at = Duration::ZERO;
        self.segment(number, at, Peer::Client, Flag::Syn, &[])?;
        self.segment(number, at, Peer::Server, Flag::Syn, &[])?;
        self.segment(number, at, Peer::Client, Flag::None, &[])
    }

    /// Writes bytes that a side has sent, at this time since the connection began.
    ///
    /// # Errors
    ///
    /// Returns an error of the file.
    pub fn bytes(&mut self, number: u64, at: Duration, from: Peer, bytes: &[u8]) -> io::Result<()> {
        bytes.chunks(SEGMENT).try_for_each(|chunk| self.segment(number, at, from, Flag::None, chunk))
    }

    /// Ends a side's direction.
    ///
    /// # Errors
    ///
    /// Returns an error of the file.
    pub fn end(&mut self, number: u64, at: Duration, from: Peer, how: End) -> io::Result<()> {
        let flag = if how == End::Reset { Flag::Rst } else { Flag::Fin };
        self.segment(number, at, from, flag, &[])?;
        if let Some(connection) = self.open.get_mut(&number) {
            connection.ended[place(from)] = true;
            if how == End::Reset || connection.ended == [true; 2] {
                self.open.remove(&number);
            }
        }
        Ok(())
    }

    /// Forgets a connection that is over.
    pub fn over(&mut self, number: u64) {
        self.open.remove(&number);
    }

    /// Flushes the file.
    ///
    /// # Errors
    ///
    /// Returns an error of the file.
    pub fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }

    fn segment(
        &mut self,
        number: u64,
        at: Duration,
        from: Peer,
        flag: Flag,
        payload: &[u8],
    ) -> io::Result<()> {
        let Some(connection) = self.open.get_mut(&number) else { return Ok(()) };
        let (own, other) = (place(from), place(from.other()));
        let (source, target) = (connection.ends[own], connection.ends[other]);
        let ip = match (source, target) {
            (SocketAddr::V4(source), SocketAddr::V4(target)) => {
                PacketBuilder::ipv4(source.ip().octets(), target.ip().octets(), 64)
            }
            _ => PacketBuilder::ipv6(octets(source), octets(target), 64),
        };
        let mut tcp = ip.tcp(source.port(), target.port(), connection.next[own], 65_535);
        // Every segment but the very first acknowledges something.
        if (flag, from) != (Flag::Syn, Peer::Client) {
            tcp = tcp.ack(connection.next[other]);
        }
        tcp = match flag {
            Flag::Syn => tcp.syn(),
            Flag::Fin => tcp.fin(),
            Flag::Rst => tcp.rst(),
            Flag::None if payload.is_empty() => tcp,
            Flag::None => tcp.psh(),
        };
        let mut packet = Vec::with_capacity(tcp.size(payload.len()));
        tcp.write(&mut packet, payload).map_err(io::Error::other)?;
        let counted = payload.len() + usize::from(matches!(flag, Flag::Syn | Flag::Fin));
        // Sequence numbers are modulo 2^32.
        connection.next[own] = connection.next[own].wrapping_add(counted as u32);
        // This holds until the year 2554.
        let time = u64::try_from((connection.began + at).as_nanos()).unwrap_or(u64::MAX);
        let length = packet.len() as u32; // at most `SEGMENT` and two headers
        let fields = [0, (time >> 32) as u32, time as u32, length, length];
        let mut body: Vec<u8> = fields.iter().flat_map(|field| field.to_le_bytes()).collect();
        body.append(&mut packet);
        block(&mut self.to, 6, &body)
    }
}

/// Writes a block (pcapng §3.1): its kind, its length, its content padded to a multiple of four bytes, its length.
fn block(to: &mut impl Write, kind: u32, body: &[u8]) -> io::Result<()> {
    let padding = &[0; 3][..body.len().wrapping_neg() % 4];
    let length = (12 + body.len() + padding.len()) as u32; // as above
    let (kind, length) = (kind.to_le_bytes(), length.to_le_bytes());
    [&kind[..], &length, body, padding, &length].into_iter().try_for_each(|part| to.write_all(part))
}

fn octets(address: SocketAddr) -> [u8; 16] {
    match mapped(address) {
        SocketAddr::V6(address) => address.ip().octets(),
        SocketAddr::V4(address) => address.ip().to_ipv6_mapped().octets(),
    }
}

fn mapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) => (v4.ip().to_ipv6_mapped(), v4.port()).into(),
        v6 => v6,
    }
}

#[cfg(test)]
mod tests {
    use super::super::packets::{self, Held};
    use super::super::{Entry, What};
    use super::*;

    /// Makes a capture of one connection, over either family of addresses.
    fn capture(is_v6: bool) -> (Vec<u8>, Vec<What>) {
        let ends: [SocketAddr; 2] = if is_v6 {
            ["[::1]:50000".parse().unwrap(), "[::1]:9001".parse().unwrap()]
        } else {
            ["127.0.0.1:50000".parse().unwrap(), "127.0.0.1:9001".parse().unwrap()]
        };
        let mut file = Vec::new();
        let mut writer = Writer::new(&mut file).unwrap();
        let (request, long) = (b"GET / HTTP/1.1\r\n".to_vec(), vec![7; SEGMENT + 1]);
        let at = Duration::from_millis(5);
        writer.open(1, ends[0], ends[1], Duration::from_secs(1_800_000_000)).unwrap();
        writer.bytes(1, at, Peer::Client, &request).unwrap();
        writer.bytes(1, at, Peer::Server, &long).unwrap();
        writer.end(1, at, Peer::Server, End::Finished).unwrap();
        writer.bytes(1, at, Peer::Client, b"x").unwrap();
        writer.end(1, at, Peer::Client, End::Reset).unwrap();
        let told = vec![
            What::Open,
            What::Bytes(Peer::Client, request),
            What::Bytes(Peer::Server, vec![7; SEGMENT]),
            What::Bytes(Peer::Server, vec![7]),
            What::End(Peer::Server, End::Finished),
            What::Bytes(Peer::Client, b"x".to_vec()),
            What::End(Peer::Client, End::Reset),
            What::Over,
        ];
        (file, told)
    }

    fn read(file: &[u8]) -> (Result<Held, String>, Vec<Entry>) {
        let mut out = Vec::new();
        let held = packets::read(file, |entry| out.push(entry));
        (held, out)
    }

    #[test]
    fn what_is_written_is_read() {
        for is_v6 in [false, true] {
            let (file, told) = capture(is_v6);
            let (held, found) = read(&file);
            assert_eq!(held, Ok(Held { packets: 9, connections: 1, ..Held::default() }));
            assert!(found[1..].iter().all(|entry| entry.at == Duration::from_millis(5)));
            assert_eq!(found.into_iter().map(|entry| entry.what).collect::<Vec<_>>(), told);
        }
    }

    /// Converts the packets of a capture to the older container.
    fn classic(file: &[u8], is_big_endian: bool, nanos: bool) -> Vec<u8> {
        let bytes = |value: u32| if is_big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
        let magic = if nanos { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
        // Version 2.4: two numbers of two bytes.
        let version = if is_big_endian { 0x0002_0004 } else { 0x0004_0002 };
        let mut out: Vec<u8> = [magic, version, 0, 0, 262_144, 101].into_iter().flat_map(bytes).collect();
        let mut at = 0;
        while at < file.len() {
            let (kind, size) = (word(at), word(at + 4) as usize);
            if kind == 6 {
                let time = u64::from(word(at + 12)) << 32 | u64::from(word(at + 16));
                let (seconds, rest) = ((time / 1_000_000_000) as u32, (time % 1_000_000_000) as u32);
                let length = word(at + 20);
                out.extend(
                    [seconds, if nanos { rest } else { rest / 1000 }, length, length].map(bytes).concat(),
                );
                out.extend(&file[at + 28..at + 28 + length as usize]);
            }
            at += size;
        }
        out
    }

    #[test]
    fn the_older_container_is_read_in_both_orders_up_to_any_cut() {
        let (file, told) = capture(false);
        for (is_big_endian, nanos) in [(false, false), (false, true), (true, false), (true, true)] {
            let file = classic(&file, is_big_endian, nanos);
            assert!(packets::is_at_start_of(&file));
            let (held, found) = read(&file);
            assert_eq!(held, Ok(Held { packets: 9, connections: 1, ..Held::default() }));
            assert!(found[1..].iter().all(|entry| entry.at == Duration::from_millis(5)));
            assert_eq!(found.into_iter().map(|entry| entry.what).collect::<Vec<_>>(), told);
            for cut in (0..400).chain(file.len() - 200..file.len()) {
                let (held, found) = read(&file[..cut]);
                assert_eq!(held.is_ok(), cut >= 24, "cut at {cut}");
                let mut whole = found.iter().filter(|entry| entry.what != What::Over).zip(&told);
                assert!(whole.all(|(found, told)| found.what == *told), "cut at {cut}");
            }
        }
    }

    /// A file that is truncated at any byte, or has any byte changed, is read without harm.
    #[test]
    fn no_file_does_harm() {
        let (file, told) = capture(false);
        for cut in (0..400).chain(file.len() - 400..file.len()) {
            let (held, found) = read(&file[..cut]);
            if cut >= 100 {
                let held = held.unwrap();
                let whole = found.iter().filter(|entry| entry.what != What::Over).zip(&told);
                assert!(whole.clone().all(|(found, told)| found.what == *told), "cut at {cut}");
                assert!(held.packets <= 9);
            }
        }
        let mut random = crate::random::Random::new(4);
        for _ in 0..3000 {
            let mut file = file.clone();
            for _ in 0..4 {
                let at = random.below(500);
                file[at] = random.next() as u8;
            }
            let _ = read(&file);
        }
    }
}
