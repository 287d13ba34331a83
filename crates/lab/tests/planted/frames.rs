//! Faults in frames and messages.

use bowsprit::frame::{LengthForm, MaskKey};

use super::Row;
use super::Subject::{Both, Server};
use crate::memory::twist::Fate::{Drop, Pass, Swallow};
use crate::memory::twist::Twist::{Hears, HearsHeader, Says};
use crate::memory::twist::{Fate, Manner, Twist};

fn drop_if(is_so: bool) -> Fate {
    if is_so { Drop } else { Pass }
}

fn code(payload: &[u8]) -> Option<u16> {
    payload.first_chunk().map(|code| u16::from_be_bytes(*code))
}

pub(crate) const FRAMES: &[Row] = &[
    (
        "takes RSV2 and RSV3",
        Both,
        HearsHeader(|header, _| {
            (header.rsv2, header.rsv3) = (false, false);
            Pass
        }),
        &["3.1", "EXT-019.1", "CLS-031", "CLS-032", "CLS-039.2"],
    ),
    (
        "takes RSV1 without an extension",
        Both,
        HearsHeader(|header, memo| {
            header.rsv1 &= memo.extended;
            Pass
        }),
        &["3.1"],
    ),
    (
        "takes RSV1 on continuation frames",
        Both,
        HearsHeader(|header, memo| {
            header.rsv1 &= !(memo.extended && header.opcode == 0);
            Pass
        }),
        &["PMD-001"],
    ),
    (
        "leaves unknown opcodes out",
        Both,
        HearsHeader(|header, _| drop_if(matches!(header.opcode, 3..=7 | 11..) && header.length < 1 << 20)),
        &["4.1.1", "FRM-035", "HSS-110"],
    ),
    (
        "takes frames with the wrong mask",
        Server,
        HearsHeader(|header, _| {
            header.mask = header.mask.or(Some(MaskKey([0; 4])));
            Pass
        }),
        &["FRM-001.1"],
    ),
    (
        "takes lengths in longer forms",
        Both,
        HearsHeader(|header, _| {
            header.form = LengthForm::minimal(header.length);
            Pass
        }),
        &["FRM-016.1"],
    ),
    (
        "waits for lengths beyond 2^63",
        Both,
        HearsHeader(|header, _| if header.length >> 63 == 1 { Swallow } else { Pass }),
        &["FRM-018"],
    ),
    (
        "waits for lengths beyond its limit",
        Both,
        HearsHeader(
            |header, _| {
                if header.length >> 63 == 0 && header.length > 1 << 60 { Swallow } else { Pass }
            },
        ),
        &["FRM-019"],
    ),
    (
        "waits for the payload of what is wrong already",
        Both,
        HearsHeader(|header, _| if header.length == 1 << 40 && !header.rsv1 { Swallow } else { Pass }),
        &["FRM-025.1"],
    ),
    (
        "takes control frames without FIN",
        Both,
        HearsHeader(|header, _| {
            header.fin |= header.opcode >= 8;
            Pass
        }),
        &["5.1"],
    ),
    (
        "leaves long control frames out",
        Both,
        HearsHeader(|header, _| {
            drop_if(header.opcode >= 8 && header.length > 125 && header.length < 1 << 20)
        }),
        &["2.5"],
    ),
    (
        "leaves stray continuation frames out",
        Both,
        HearsHeader(|header, memo| {
            drop_if(header.opcode == 0 && !memo.open && !header.rsv1 && !header.rsv2 && !header.rsv3)
        }),
        &["5.9", "FRM-001.3"],
    ),
    (
        "goes on with a message where a new one starts",
        Both,
        HearsHeader(|header, memo| {
            if matches!(header.opcode, 1 | 2) && memo.open {
                header.opcode = 0;
            }
            Pass
        }),
        &["5.18"],
    ),
    (
        "takes close codes that nobody may send",
        Both,
        Hears(|header, payload, _| {
            if let (8, Some(0..=999 | 1004..=1006 | 1015)) = (header.opcode, code(payload)) {
                payload[..2].copy_from_slice(&1000u16.to_be_bytes());
            }
            Pass
        }),
        &["7.9.1"],
    ),
    (
        "takes close codes that are not defined",
        Both,
        Hears(|header, payload, _| {
            if let (8, Some(1016..=2999)) = (header.opcode, code(payload)) {
                payload[..2].copy_from_slice(&1000u16.to_be_bytes());
            }
            Pass
        }),
        &["7.9.1", "CLS-007"],
    ),
    (
        "calls registered close codes wrong",
        Both,
        Hears(|header, payload, _| {
            if let (8, Some(1012..=1014)) = (header.opcode, code(payload)) {
                payload[..2].copy_from_slice(&999u16.to_be_bytes());
            }
            Pass
        }),
        &["CLS-001"],
    ),
    (
        "calls close codes of programs wrong",
        Both,
        Hears(|header, payload, _| {
            if let (8, Some(3000..=4999)) = (header.opcode, code(payload)) {
                payload[..2].copy_from_slice(&999u16.to_be_bytes());
            }
            Pass
        }),
        &["7.7.1"],
    ),
    (
        "takes a Close of one byte",
        Both,
        Hears(|header, payload, _| {
            if header.opcode == 8 && payload.len() == 1 {
                *payload = 1000u16.to_be_bytes().to_vec();
            }
            Pass
        }),
        &["7.3.2"],
    ),
    (
        "cuts a long Close short",
        Both,
        Hears(|header, payload, _| {
            if header.opcode == 8 && payload.len() > 125 {
                payload.truncate(125);
                header.form = LengthForm::minimal(125);
            }
            Pass
        }),
        &["7.3.6"],
    ),
    (
        "calls an empty Close wrong",
        Both,
        Hears(|header, payload, _| {
            if header.opcode == 8 && payload.is_empty() {
                payload.push(0);
            }
            Pass
        }),
        &["7.3.1"],
    ),
    (
        "takes reasons that are not UTF-8",
        Both,
        Hears(|header, payload, _| {
            if header.opcode == 8 && payload.len() > 2 && std::str::from_utf8(&payload[2..]).is_err() {
                payload.truncate(2);
            }
            Pass
        }),
        &["7.5.1", "CLS-023.1"],
    ),
    (
        "never answers a Ping",
        Both,
        Says(|header, _, _| drop_if(header.opcode == 10)),
        &["2.1", "2.9", "2.10", "5.6", "FRM-036.1", "PMD-007", "UTF-002", "CTL-011"],
    ),
    (
        "answers Pings with nothing",
        Both,
        Says(|header, payload, _| {
            if header.opcode == 10 {
                payload.clear();
            }
            Pass
        }),
        &["2.1", "2.9", "2.10", "5.6", "FRM-036.1", "PMD-007", "UTF-002", "CTL-011"],
    ),
    (
        "loses empty messages",
        Both,
        Says(|header, payload, _| {
            drop_if(matches!(header.opcode, 1 | 2) && header.fin && payload.is_empty())
        }),
        &["1.1.1", "PMD-009", "FRM-007", "6.1.1"],
    ),
    (
        "changes a byte at 126",
        Both,
        Says(|header, payload, _| {
            if header.opcode <= 2 && payload.len() == 126 {
                payload[125] ^= 1;
            }
            Pass
        }),
        &["1.1.1"],
    ),
    (
        "echoes binary messages as text",
        Both,
        Says(|header, _, _| {
            header.opcode = if header.opcode == 2 { 1 } else { header.opcode };
            Pass
        }),
        &["1.2.1", "FRM-008.1", "UTF-005", "PMD-004", "LIM-017.5", "PMD-007.2"],
    ),
    (
        "says 1011 for text that is not UTF-8",
        Both,
        Says(|header, payload, _| {
            if header.opcode == 8 && code(payload) == Some(1007) {
                *payload = 1011u16.to_be_bytes().to_vec();
            }
            Pass
        }),
        &["6.3.1", "6.4.1", "PMD-025", "7.5.1", "CLS-023.1", "7.7.1"],
    ),
    (
        "loses messages of more than 10000 fragments",
        Both,
        HearsHeader(|header, memo| {
            memo.count = if header.opcode == 0 { memo.count + 1 } else { 0 };
            drop_if(header.opcode == 0 && memo.count > 10_000)
        }),
        &["FRG-002"],
    ),
    ("has no limit on what it takes", Both, Twist::Is(Manner::Boundless), &["FRM-019", "PMD-039"]),
    ("goes on talking after its Close", Both, Twist::Is(Manner::Talkative), &["7.1.2"]),
    ("writes nothing more to whom has ended its half", Both, Twist::Is(Manner::Hasty), &["CLS-039"]),
    (
        "takes the end of the connection for the end of the message",
        Both,
        Twist::Is(Manner::Completing),
        &["FRM-032"],
    ),
];
