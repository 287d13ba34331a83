//! Raw headers. A header that is read is written back byte by byte, a partial header asks for exactly what it needs,
//! and the gate passes what RFC 6455 §5 allows, as written here a second time in other words.

use bowsprit::frame::{Header, LengthForm, MAX_HEADER, MaskKey, Parsed, RawHeader, Rules};
use bowsprit::role::Role;

pub fn run(data: &[u8]) {
    parse(data);
    build(data);
}

fn parse(data: &[u8]) {
    match RawHeader::parse(data) {
        Parsed::NeedMore(missing) => {
            assert!(missing > 0 && data.len() + missing <= MAX_HEADER);
            // Whatever follows, one byte less is not enough.
            let mut longer = data.to_vec();
            longer.resize(data.len() + missing - 1, 0xff);
            assert!(matches!(RawHeader::parse(&longer), Parsed::NeedMore(_)));
        }
        Parsed::Done(header, used) => {
            assert!(used <= MAX_HEADER && used <= data.len() && used == header.size());
            let mut out = [0; MAX_HEADER];
            let written = header.encode(&mut out);
            assert_eq!(out[..written], data[..used]);
            for cut in 0..used {
                let Parsed::NeedMore(missing) = RawHeader::parse(&data[..cut]) else {
                    panic!("a header of {used} bytes is whole after {cut}")
                };
                assert!(missing > 0 && cut + missing <= used, "asked for more than the header has");
            }
            gate(&header, data.len());
        }
    }
}

/// Checks that any header that a program can build is read back as it was written.
fn build(data: &[u8]) {
    let Some((&[bits, opcode, form, a, b, c, d], rest)) = data.split_first_chunk() else { return };
    let mut length = [0; 8];
    let some = rest.len().min(8);
    length[8 - some..].copy_from_slice(&rest[..some]);
    let header = RawHeader {
        fin: bits & 1 != 0,
        rsv1: bits & 2 != 0,
        rsv2: bits & 4 != 0,
        rsv3: bits & 8 != 0,
        opcode: opcode & 0xf,
        mask: (bits & 16 != 0).then_some(MaskKey([a, b, c, d])),
        length: u64::from_be_bytes(length),
        form: [LengthForm::Short, LengthForm::Medium, LengthForm::Long][usize::from(form % 3)],
    };
    let mut out = [0; MAX_HEADER];
    let used = header.encode(&mut out);
    let Parsed::Done(back, read) = RawHeader::parse(&out[..used]) else {
        panic!("half a header was written")
    };
    assert_eq!(read, used);
    let written = RawHeader { form: back.form, ..header };
    assert_eq!(back, written);
    assert!(back.form == header.form || back.form == LengthForm::minimal(header.length).max(header.form));
    let minimal = header.with_length(header.length);
    assert!(minimal.size() <= header.size(), "the minimal form is the shortest");
    gate(&back, data.len());
}

fn gate(raw: &RawHeader, bits: usize) {
    for role in [Role::Client, Role::Server] {
        for compression in [false, true] {
            let rules = Rules { role, compression, max_frame: [125, 70_000, u64::MAX][bits % 3] };
            let checked = Header::check(raw, &rules);
            assert_eq!(checked.is_ok(), is_legal(raw, &rules), "{raw:?} {rules:?}: {checked:?}");
        }
    }
}

/// Returns whether a header is legal by RFC 6455 §5.1, §5.2, §5.5, §10.4 and RFC 7692 §6.
fn is_legal(raw: &RawHeader, rules: &Rules) -> bool {
    let control = raw.opcode >= 8;
    let masked_as_due = raw.mask.is_some() == (rules.role == Role::Server);
    let shortest = match raw.form {
        LengthForm::Short => raw.length < 126,
        LengthForm::Medium => raw.length >= 126 && raw.length < 1 << 16,
        LengthForm::Long => raw.length >= 1 << 16 && raw.length < 1 << 63,
    };
    masked_as_due
        && [0, 1, 2, 8, 9, 10].contains(&raw.opcode)
        && !raw.rsv2
        && !raw.rsv3
        && (!raw.rsv1 || rules.compression && (raw.opcode == 1 || raw.opcode == 2))
        && shortest
        && if control { raw.fin && raw.length <= 125 } else { raw.length <= rules.max_frame }
}
