//! Which faults a frame's header shows by itself, and which close codes may be sent (RFC 6455 §5 and §7.4; RFC 7692
//! §6).
//!
//! This is written from the RFCs for the lab alone and uses none of the library's own judgement.

use bowsprit::error::Section;
use bowsprit::frame::{LengthForm, RawHeader};

/// The most payload bytes that a control frame may have (RFC 6455 §5.5).
pub(super) const CONTROL: usize = 125;

/// Reports each rule that the header breaks, in the order of its bits but with the mask first. `masks` says whether the
/// sender must mask, if that is known; `inflates` says whether permessage-deflate is agreed.
pub(super) fn judge(
    header: &RawHeader,
    masks: Option<bool>,
    inflates: bool,
    fault: &mut impl FnMut(Section, &'static str),
) {
    let control = header.opcode >= 8;
    match (masks, header.mask) {
        (Some(true), None) => fault(Section::rfc6455("5.1"), "A client must mask every frame"),
        (Some(false), Some(_)) => fault(Section::rfc6455("5.1"), "A server must not mask its frames"),
        _ => {}
    }
    if header.rsv2 || header.rsv3 {
        fault(Section::rfc6455("5.2"), "RSV2 and RSV3 must be 0");
    }
    match (header.rsv1, inflates, header.opcode) {
        (true, false, _) => {
            fault(Section::rfc6455("5.2"), "RSV1 must be 0 unless permessage-deflate is agreed");
        }
        (true, true, 0 | 3..) => {
            fault(Section::rfc7692("6.1"), "RSV1 stands only on the first frame of a message");
        }
        _ => {}
    }
    if matches!(header.opcode, 3..=7 | 11..) {
        fault(Section::rfc6455("5.2"), "The opcode is reserved");
    }
    if header.form != LengthForm::minimal(header.length) {
        fault(Section::rfc6455("5.2"), "The length is not in its shortest form");
    }
    if header.length >> 63 != 0 {
        fault(Section::rfc6455("5.2"), "The most significant bit of the length must be 0");
    }
    if control && !header.fin {
        fault(Section::rfc6455("5.5"), "A control frame must not be fragmented");
    }
    if control && header.length > CONTROL as u64 {
        fault(Section::rfc6455("5.5"), "A control frame has at most 125 bytes");
    }
}

/// Returns whether a Close frame may hold this code: the RFC's own codes, those registered since, the two open ranges,
/// and the codes beyond, about which the RFC says nothing (§7.4).
pub(super) const fn may_close_with(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..)
}

#[cfg(test)]
mod tests {
    use bowsprit::frame::MaskKey;

    use super::*;

    #[test]
    fn each_rule_of_a_header() {
        let right = RawHeader::TEXT.with_length(5);
        let masked = right.with_mask(MaskKey([1, 2, 3, 4]));
        let ping = RawHeader::PING;
        for (header, masks, inflates, sections) in [
            (right, Some(false), false, &[][..]),
            (masked, Some(true), false, &[]),
            (masked, None, false, &[]),
            (right, None, false, &[]),
            (right, Some(true), false, &["5.1"]),
            (masked, Some(false), false, &["5.1"]),
            (RawHeader { form: LengthForm::Medium, ..right }, None, false, &["5.2"]),
            (right.with_length(1 << 63), None, false, &["5.2"]),
            (RawHeader { rsv2: true, ..right }, None, true, &["5.2"]),
            (RawHeader { rsv3: true, ..right }, None, true, &["5.2"]),
            (RawHeader { rsv1: true, ..right }, None, false, &["5.2"]),
            (RawHeader { rsv1: true, ..right }, None, true, &[]),
            (RawHeader { rsv1: true, ..RawHeader::CONTINUATION }, None, true, &["6.1"]),
            (RawHeader { rsv1: true, ..ping }, None, true, &["6.1"]),
            (RawHeader::of(3), None, false, &["5.2"]),
            (RawHeader::of(11), None, false, &["5.2"]),
            (RawHeader { fin: false, ..ping }, None, false, &["5.5"]),
            (ping.with_length(126), None, false, &["5.5"]),
            (
                RawHeader { rsv2: true, fin: false, ..ping }.with_length(126),
                Some(true),
                false,
                &["5.1", "5.2", "5.5", "5.5"],
            ),
        ] {
            let mut told = Vec::new();
            judge(&header, masks, inflates, &mut |section, _| told.push(section.number));
            assert_eq!(told, sections, "{header:?}");
        }
    }
}
