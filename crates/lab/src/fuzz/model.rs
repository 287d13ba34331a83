//! What the RFCs require of a peer that reads these bytes: which messages it may act on, which Pings it answers, and
//! how the connection ends. This is a second reading of the RFCs, written separately.

use crate::deflate::{Agreed, Codec};
use bowsprit::error::Section;
use bowsprit::frame::{LengthForm, Parsed, RawHeader};

/// What a peer has to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Expected {
    /// The messages that it may act on, in order.
    pub(super) messages: Vec<(bool, Vec<u8>)>,
    /// The Pings, in order.
    pub(super) pings: Vec<Vec<u8>>,
    /// Whether a message was begun and not ended.
    pub(super) message_open: bool,
    /// How the connection ends.
    pub(super) end: End,
}

/// How a connection ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum End {
    /// It stays open: the peer answers what comes next.
    #[default]
    Open,
    /// It ends with a closing handshake that we begin; this is our code.
    Closed(Option<u16>),
    /// The peer must fail the connection.
    Fails(Rule),
    /// Several outcomes are right, such as waiting for the rest of a frame or refusing its size.
    Unknown,
}

/// A rule that our bytes break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// The rule in a few words.
    pub(super) what: &'static str,
    /// The section that states the rule.
    pub(super) section: Section,
    /// The close codes that fit.
    pub(super) codes: &'static [u16],
}

const PROTOCOL: &[u16] = &[1002];
/// For frames that are both wrong and long.
const PROTOCOL_OR_SIZE: &[u16] = &[1002, 1008, 1009];
const TEXT: &[u16] = &[1007];
/// For text that is not UTF-8 followed by another fault.
const TEXT_OR_PROTOCOL: &[u16] = &[1002, 1003, 1007, 1008, 1009, 1011];
const COMPRESSED: &[u16] = &[1002, 1003, 1007, 1009, 1011];

/// Every peer accepts frames up to this length; it may refuse longer ones or wait for them.
const LONGEST: u64 = 128 * 1024;

struct Open {
    text: bool,
    compressed: bool,
    bytes: Vec<u8>,
    /// Whether the bytes so far are already not UTF-8, which the peer may notice now or when the message ends.
    bad: bool,
}

/// Returns the model's answer for `bytes`; `peer_masks` says whether the peer is a client, `deflate` what was agreed.
pub(super) fn expect(mut bytes: &[u8], peer_masks: bool, deflate: Option<Agreed>) -> Expected {
    let mut expected = Expected::default();
    let mut inflater = deflate.map(|agreed| {
        // From the peer's point of view: our window is the one to inflate with.
        Codec::new(Agreed { their_reset: agreed.our_reset, their_bits: agreed.our_bits, ..agreed })
    });
    let mut open: Option<Open> = None;
    while !bytes.is_empty() {
        let Parsed::Done(header, used) = RawHeader::parse(bytes) else {
            // The peer may notice a wrong first byte now or with the rest of the header.
            expected.end = End::Unknown;
            break;
        };
        // The text may be wrong already, which the peer may notice now or when the message ends.
        let bad_text = open.as_ref().is_some_and(|open| open.bad || open.compressed);
        if let Some(rule) = broken(&header, peer_masks, deflate.is_some(), open.is_some()) {
            let codes = if bad_text { TEXT_OR_PROTOCOL } else { rule.codes };
            expected.end = End::Fails(Rule { codes, ..rule });
            break;
        }
        bytes = &bytes[used..];
        let whole = usize::try_from(header.length).ok().and_then(|length| bytes.split_at_checked(length));
        let Some((payload, rest)) = whole.filter(|_| header.length <= LONGEST) else {
            expected.end = End::Unknown;
            break;
        };
        bytes = rest;
        let mut payload = payload.to_vec();
        header.mask.unwrap_or_default().apply_naive(&mut payload);
        match header.opcode {
            8 => {
                expected.end = match close(&payload) {
                    Ok(_) if bad_text => End::Unknown,
                    Ok(code) => End::Closed(code),
                    Err(rule) if bad_text => End::Fails(Rule { codes: TEXT_OR_PROTOCOL, ..rule }),
                    Err(rule) => End::Fails(rule),
                };
                break;
            }
            9 => expected.pings.push(payload),
            10 => {}
            opcode => {
                let message = open.get_or_insert_with(|| Open {
                    text: opcode == 1,
                    compressed: header.rsv1,
                    bytes: Vec::new(),
                    bad: false,
                });
                message.bytes.extend(payload);
                let is_utf8_so_far = || match str::from_utf8(&message.bytes) {
                    Ok(_) => true,
                    Err(error) => error.error_len().is_none(),
                };
                message.bad = message.bad || message.text && !message.compressed && !is_utf8_so_far();
                if header.fin
                    && let Some(message) = open.take()
                    && let Some(mut end) = expected.take(message, inflater.as_mut())
                {
                    if let End::Fails(rule) = &mut end
                        && !bytes.is_empty()
                    {
                        // A peer that reads ahead may find another fault first.
                        rule.codes = TEXT_OR_PROTOCOL;
                    }
                    expected.end = end;
                    break;
                }
            }
        }
    }
    if expected.end == End::Open && open.as_ref().is_some_and(|open| open.bad || open.compressed) {
        expected.end = End::Unknown; // §8.1 fails it, but not when
    }
    expected.message_open = open.is_some();
    expected
}

impl Expected {
    fn take(&mut self, message: Open, inflater: Option<&mut Codec>) -> Option<End> {
        let bytes = match inflater {
            Some(codec) if message.compressed => match codec.decompress_whole(&message.bytes) {
                Ok(bytes) => bytes,
                // A final block in the middle is read in more than one way (RFC 7692 §7.2.3.4); a block of the kind
                // that does not exist, at the very start, in only one.
                Err(_) if message.bytes.first().is_none_or(|first| first & 0b110 != 0b110) => {
                    return Some(End::Unknown);
                }
                Err(_) => {
                    return Some(End::Fails(Rule {
                        what: "a compressed message is a DEFLATE stream",
                        section: Section::rfc7692("7.2.2"),
                        codes: COMPRESSED,
                    }));
                }
            },
            _ => message.bytes,
        };
        if message.text && str::from_utf8(&bytes).is_err() {
            return Some(End::Fails(Rule {
                what: "a text message is UTF-8",
                section: Section::rfc6455("8.1"),
                codes: TEXT,
            }));
        }
        self.messages.push((message.text, bytes));
        None
    }
}

fn broken(header: &RawHeader, peer_masks: bool, deflate: bool, open: bool) -> Option<Rule> {
    let control = header.opcode >= 8;
    let codes = if header.length > LONGEST { PROTOCOL_OR_SIZE } else { PROTOCOL };
    let rule = |what, section| Some(Rule { what, section, codes });
    if header.rsv2 || header.rsv3 || header.rsv1 && !deflate {
        return rule("reserved bits are 0 where no extension uses them", Section::rfc6455("5.2"));
    }
    if matches!(header.opcode, 3..=7 | 11..) {
        return rule("reserved opcodes are not used", Section::rfc6455("5.2"));
    }
    if header.rsv1 && !matches!(header.opcode, 1 | 2) {
        return rule("RSV1 is set on the first frame of a message only", Section::rfc7692("6.1"));
    }
    match (header.mask.is_some(), peer_masks) {
        // Our role is the opposite of the peer's.
        (false, false) => return rule("a client masks every frame", Section::rfc6455("5.1")),
        (true, true) => return rule("a server masks no frame", Section::rfc6455("5.1")),
        _ => {}
    }
    if control && (!header.fin || header.length > 125) {
        return rule("a control frame is not fragmented and has at most 125 bytes", Section::rfc6455("5.5"));
    }
    if header.length >> 63 != 0 {
        return rule("the most significant bit of a length is 0", Section::rfc6455("5.2"));
    }
    if header.form != LengthForm::minimal(header.length) {
        return rule("a length is written in its shortest form", Section::rfc6455("5.2"));
    }
    match (header.opcode, open) {
        (0, false) => rule("a continuation frame continues a message", Section::rfc6455("5.4")),
        (1 | 2, true) => rule("a message ends before the next one starts", Section::rfc6455("5.4")),
        _ => None,
    }
}

fn close(payload: &[u8]) -> Result<Option<u16>, Rule> {
    match payload {
        [] => Ok(None),
        [_] => Err(Rule {
            what: "a close code takes two bytes",
            section: Section::rfc6455("5.5.1"),
            codes: PROTOCOL,
        }),
        [high, low, reason @ ..] => match u16::from_be_bytes([*high, *low]) {
            _ if str::from_utf8(reason).is_err() => Err(Rule {
                what: "a close reason is UTF-8",
                section: Section::rfc6455("5.5.1"),
                codes: &[1002, 1007],
            }),
            code @ (1000..=1003 | 1007..=1014 | 3000..=4999) => Ok(Some(code)),
            _ => Err(Rule {
                what: "the close code may be sent",
                section: Section::rfc6455("7.4"),
                codes: PROTOCOL,
            }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(bytes: &[u8]) -> Option<Section> {
        match expect(bytes, true, None).end {
            End::Fails(rule) => Some(rule.section),
            _ => None,
        }
    }

    #[test]
    fn what_a_client_has_to_do() {
        let expected =
            expect(b"\x81\x02hi\x89\x01?\x01\x01a\x80\x01b\x88\x02\x03\xe8\x81\x05after", true, None);
        assert_eq!(expected.messages, [(true, b"hi".to_vec()), (true, b"ab".to_vec())]);
        assert_eq!(expected.pings, [b"?"]);
        assert_eq!(expected.end, End::Closed(Some(1000)));
        for (bytes, section) in [
            (&b"\xc1\0"[..], Section::rfc6455("5.2")),
            (b"\x83\0", Section::rfc6455("5.2")),
            (b"\x81\x80\0\0\0\0", Section::rfc6455("5.1")),
            (b"\x80\0", Section::rfc6455("5.4")),
            (b"\x01\0\x81\0", Section::rfc6455("5.4")),
            (b"\x09\0", Section::rfc6455("5.5")),
            (b"\x81\x7e\0\x01a", Section::rfc6455("5.2")),
            (b"\x81\x01\xff", Section::rfc6455("8.1")),
            (b"\x88\x01\x03", Section::rfc6455("5.5.1")),
            (b"\x88\x02\x03\xed", Section::rfc6455("7.4")),
        ] {
            assert_eq!(fails(bytes), Some(section), "{bytes:x?}");
        }
        for bytes in [&b"\x81"[..], b"\x81\x05hi", b"\x01\x01\xff", b"\x82\x7f\0\0\0\xff\0\0\0\0"] {
            assert_eq!(expect(bytes, true, None).end, End::Unknown, "{bytes:x?}");
        }
        assert!(expect(b"\x01\x01a", true, None).message_open);
    }

    /// Returns the model's answer with permessage-deflate agreed and no context kept between messages.
    fn deflated(bytes: &[u8]) -> Expected {
        let agreed = Agreed { our_reset: true, our_bits: 15, their_reset: true, their_bits: 15 };
        expect(bytes, true, Some(agreed))
    }

    // These were findings of earlier builds that turned out to be faults of the model: the RFCs allow two readings of
    // each.

    #[test]
    fn a_second_fault_behind_a_bad_compressed_message_may_be_met_first() {
        let End::Fails(rule) = deflated(b"\xc1\x02\x07\x00\x81\x01\xff").end else {
            panic!("a block of no kind")
        };
        assert!(rule.codes.contains(&1002) && rule.codes.contains(&1007));
    }

    #[test]
    fn a_final_block_in_the_middle_is_read_in_more_than_one_way() {
        // "Hello" in a final block, then garbage where the next block would start.
        let end = deflated(b"\xc1\x09\xf3\x48\xcd\xc9\xc9\x07\x00\xff\xff").end;
        assert_eq!(end, End::Unknown);
    }

    #[test]
    fn a_close_inside_a_message_may_be_a_fault() {
        let expected = expect(b"\x01\x01a\x88\x02\x03\xe8", true, None);
        assert_eq!((expected.end, expected.message_open), (End::Closed(Some(1000)), true));
        // After half a compressed message it is unknown what the peer has noticed.
        assert_eq!(deflated(b"\x41\x01a\x88\x02\x03\xe8").end, End::Unknown);
    }

    #[test]
    fn a_stream_that_stops_inside_a_block_may_be_refused() {
        assert_eq!(deflated(b"\xc2\x05\0\x08\0\xf7\xff").end, End::Unknown);
        assert_eq!(deflated(b"\xc2\x01\x01").end, End::Open, "a final block is cut as any other");
    }
}
