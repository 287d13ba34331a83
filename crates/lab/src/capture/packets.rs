//! Packet captures in the containers `pcap` and `pcapng`: TCP connections that may be WebSocket, reassembled.
//!
//! `pcap-parser` reads the containers and `etherparse` the headers; `tcp` puts the connections together.

use std::net::IpAddr;
use std::time::Duration;

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, TransportSlice};
use pcap_parser::pcapng::{Block, parse_block_be, parse_block_le, parse_sectionheaderblock};
use pcap_parser::traits::PcapNGPacketBlock as _;
use pcap_parser::{
    InterfaceDescriptionBlock, Linktype, PcapError, nom, parse_pcap_frame, parse_pcap_frame_be,
    parse_pcap_header,
};

use super::Entry;
use super::tcp::{Segment, Tcp};
use crate::counted;

/// Link types beyond those that `pcap-parser` names (tcpdump.org/linktypes.html).
const LINUX_SLL2: i32 = 276;

/// What was found in a capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// How many packets there were.
    pub packets: u64,
    /// How many TCP connections were reported.
    pub connections: u64,
    /// How many TCP connections are neither HTTP nor WebSocket.
    pub others: u64,
    /// How many packets are not TCP or cannot be read.
    pub left_out: u64,
    /// Whether the file ends inside a packet.
    pub is_cut: bool,
}

/// Returns whether a file begins like a capture.
pub fn is_at_start_of(bytes: &[u8]) -> bool {
    matches!(
        bytes,
        [0xd4, 0xc3, 0xb2, 0xa1, ..]
            | [0xa1, 0xb2, 0xc3, 0xd4, ..]
            | [0x4d, 0x3c, 0xb2, 0xa1, ..]
            | [0xa1, 0xb2, 0x3c, 0x4d, ..]
            | [0x0a, 0x0d, 0x0d, 0x0a, ..]
    )
}

/// Reads a capture and reports each piece of a connection.
///
/// # Errors
///
/// Returns what cannot be understood about the container. A truncated file is read up to its end.
pub fn read(bytes: &[u8], tell: impl FnMut(Entry)) -> Result<Held, String> {
    let mut packets = Packets { tcp: Tcp::new(tell), held: Held::default() };
    match bytes {
        [0x0a, 0x0d, 0x0d, 0x0a, ..] => packets.pcapng(bytes)?,
        _ => packets.pcap(bytes)?,
    }
    let (connections, others) = packets.tcp.finish();
    Ok(Held { connections, others, ..packets.held })
}

/// Reads timestamped packets without a container: each begins with an IP or Ethernet header.
pub fn read_bare(packets: impl IntoIterator<Item = (Duration, Vec<u8>)>, tell: impl FnMut(Entry)) -> Held {
    let mut read = Packets { tcp: Tcp::new(tell), held: Held::default() };
    for (at, packet) in packets {
        let is_ethernet = matches!(packet.get(12..14), Some([0x08, 0x00] | [0x86, 0xdd]));
        let is_ip = matches!(packet.first(), Some(0x45..=0x4f | 0x60..=0x6f));
        let likely = if is_ip || !is_ethernet { Linktype::RAW } else { Linktype::ETHERNET };
        let link = whole(&packet).map_or(likely, |(link, _)| link);
        read.packet(at, link, &packet);
    }
    let (connections, others) = read.tcp.finish();
    Held { connections, others, ..read.held }
}

/// Returns whether the bytes are exactly one TCP packet, by the lengths in its headers.
pub fn is_packet(bytes: &[u8]) -> bool {
    whole(bytes).is_some_and(|(_, missing)| missing == 0)
}

/// Returns whether the bytes are the start of a TCP packet.
pub fn is_cut_packet(bytes: &[u8]) -> bool {
    whole(bytes).is_some_and(|(_, missing)| missing > 0)
}

/// Returns the link type of a packet and how many bytes of it are missing.
fn whole(packet: &[u8]) -> Option<(Linktype, usize)> {
    let links = [
        (Linktype::RAW, 0),
        (Linktype::NULL, 4),
        (Linktype::ETHERNET, 14),
        (Linktype::LINUX_SLL, 16),
        (Linktype(LINUX_SLL2), 20),
    ];
    links.into_iter().find_map(|(link, header)| {
        let ip = packet.get(header..)?;
        let length = |at: usize| Some(usize::from(u16::from_be_bytes([*ip.get(at)?, *ip.get(at + 1)?])));
        let (length, protocol) = match ip.first()? >> 4 {
            4 => (length(2)?, *ip.get(9)?),
            6 => (40 + length(4)?, *ip.get(6)?),
            _ => return None,
        };
        let is_ethernet = link == Linktype::ETHERNET;
        let has_type = !is_ethernet || matches!(packet.get(12..14), Some([0x08, 0x00] | [0x86, 0xdd]));
        // Short Ethernet frames are padded.
        let spare = if is_ethernet { 46 } else { 0 };
        let fits = protocol == 6 && length >= 40 && ip.len() <= length + spare && has_type;
        fits.then(|| (link, length.saturating_sub(ip.len())))
    })
}

struct Packets<F> {
    tcp: Tcp<F>,
    held: Held,
}

/// An interface of a pcapng file.
struct Interface {
    link: Linktype,
    /// Units of time per second.
    resolution: u64,
}

impl Interface {
    fn new(block: &InterfaceDescriptionBlock<'_>) -> Self {
        let exponent = u32::from(block.if_tsresol & 0x7f);
        let base: u64 = if block.if_tsresol & 0x80 == 0 { 10 } else { 2 };
        Self { link: block.linktype, resolution: base.checked_pow(exponent).unwrap_or(u64::MAX) }
    }

    fn time(&self, high: u32, low: u32) -> Duration {
        let ticks = u64::from(high) << 32 | u64::from(low);
        let rest = u128::from(ticks % self.resolution) * 1_000_000_000 / u128::from(self.resolution);
        Duration::new(ticks / self.resolution, rest as u32) // less than a billion
    }
}

impl<F: FnMut(Entry)> Packets<F> {
    fn pcap(&mut self, bytes: &[u8]) -> Result<(), String> {
        let (mut rest, header) = parse_pcap_header(bytes).map_err(|_| "this is no pcap file".to_owned())?;
        let nanos = if header.is_nanosecond_precision() { 1 } else { 1000 };
        while !rest.is_empty() {
            let frame =
                if header.is_bigendian() { parse_pcap_frame_be(rest) } else { parse_pcap_frame(rest) };
            match frame {
                Ok((next, frame)) => {
                    let at = Duration::from_secs(frame.ts_sec.into())
                        + Duration::from_nanos(u64::from(frame.ts_usec) * nanos);
                    self.packet(at, header.network, frame.data);
                    rest = next;
                }
                Err(error) => return self.stopped(&error),
            }
        }
        Ok(())
    }

    fn pcapng(&mut self, mut rest: &[u8]) -> Result<(), String> {
        let (mut is_big_endian, mut interfaces) = (false, Vec::<Interface>::new());
        while !rest.is_empty() {
            let is_section = rest.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]);
            let block = match (is_section, is_big_endian) {
                (true, _) => parse_sectionheaderblock(rest).map(|(next, section)| {
                    is_big_endian = section.big_endian();
                    interfaces.clear();
                    (next, None)
                }),
                (false, true) => parse_block_be(rest).map(|(next, block)| (next, Some(block))),
                (false, false) => parse_block_le(rest).map(|(next, block)| (next, Some(block))),
            };
            let (next, block) = match block {
                Ok(parsed) => parsed,
                Err(error) => return self.stopped(&error),
            };
            if next.len() >= rest.len() {
                return Err("a block of this file has no length".to_owned());
            }
            rest = next;
            match block {
                Some(Block::InterfaceDescription(block)) => interfaces.push(Interface::new(&block)),
                Some(Block::EnhancedPacket(block)) => match interfaces.get(block.if_id as usize) {
                    Some(interface) => {
                        let at = interface.time(block.ts_high, block.ts_low);
                        self.packet(at, interface.link, block.packet_data());
                    }
                    None => self.unknown(),
                },
                Some(Block::SimplePacket(block)) => match interfaces.first() {
                    Some(interface) => self.packet(Duration::ZERO, interface.link, block.packet_data()),
                    None => self.unknown(),
                },
                _ => {}
            }
        }
        Ok(())
    }

    /// Handles an error of the container, which cannot be read any further.
    fn stopped(&mut self, error: &nom::Err<PcapError<&[u8]>>) -> Result<(), String> {
        match error {
            nom::Err::Incomplete(_) | nom::Err::Error(PcapError::Incomplete(_)) => {
                self.held.is_cut = true;
                Ok(())
            }
            _ => Err(format!(
                "behind {} this file is not what it began as",
                counted(self.held.packets, "packet")
            )),
        }
    }

    /// Counts a packet of an interface that the file has not described.
    fn unknown(&mut self) {
        self.held.packets += 1;
        self.held.left_out += 1;
    }

    fn packet(&mut self, at: Duration, link: Linktype, data: &[u8]) {
        self.held.packets += 1;
        match slice(link, data).as_ref().and_then(segment) {
            Some(segment) => self.tcp.segment(at, segment),
            None => self.held.left_out += 1,
        }
    }
}

/// Parses the headers of a packet.
fn slice(link: Linktype, data: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    let with_type = |at: usize, header: usize| {
        let ether_type = u16::from_be_bytes([*data.get(at)?, *data.get(at + 1)?]);
        Some(LaxSlicedPacket::from_ether_type(EtherType(ether_type), data.get(header..)?))
    };
    match link {
        Linktype::ETHERNET => LaxSlicedPacket::from_ethernet(data).ok(),
        // A number of four bytes names the protocol, as does the packet itself.
        Linktype::NULL | Linktype::LOOP => LaxSlicedPacket::from_ip(data.get(4..)?).ok(),
        // 12 and 14 were its numbers before it had one number on all systems.
        Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 | Linktype(12 | 14) => {
            LaxSlicedPacket::from_ip(data).ok()
        }
        Linktype::LINUX_SLL => with_type(14, 16),
        Linktype(LINUX_SLL2) => with_type(0, 20),
        _ => None,
    }
}

fn segment<'a>(packet: &'a LaxSlicedPacket<'_>) -> Option<Segment<'a>> {
    let Some(TransportSlice::Tcp(tcp)) = &packet.transport else { return None };
    let (from, to): (IpAddr, IpAddr) = match packet.net.as_ref()? {
        LaxNetSlice::Ipv4(ip) if !ip.is_payload_fragmented() => {
            (ip.header().source_addr().into(), ip.header().destination_addr().into())
        }
        LaxNetSlice::Ipv6(ip) if !ip.is_payload_fragmented() => {
            (ip.header().source_addr().into(), ip.header().destination_addr().into())
        }
        _ => return None,
    };
    Some(Segment {
        from: (from, tcp.source_port()).into(),
        to: (to, tcp.destination_port()).into(),
        sequence: tcp.sequence_number(),
        is_syn: tcp.syn(),
        is_ack: tcp.ack(),
        is_fin: tcp.fin(),
        is_rst: tcp.rst(),
        payload: tcp.payload(),
    })
}
