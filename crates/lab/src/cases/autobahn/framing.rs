//! Group 1: text and binary messages of the sizes at which the length field changes its form.

use super::{BASE, echoes, rules};
use crate::case::{Case, Class, Event, Frame, Pace, Step};
use crate::payload::Payload;

macro_rules! sizes {
    ($opcode:literal, $event:ident, $kind:literal, $pattern:literal, $($id:literal $size:literal $(cut $cut:literal)?),*) => {
        [$(Case {
            id: $id,
            title: concat!($kind, " message of ", $size, " bytes" $(, ", ", $cut, " bytes for each write")?),
            rule: &rules::ECHO,
            script: &[
                $(Step::Pace(Pace::Bytes($cut)),)?
                Step::Frame(Frame::of($opcode, Payload::Cycle($pattern, $size))),
            ],
            expect: echoes(&[(Class::Ok, &[Event::$event(Payload::Cycle($pattern, $size))])]),
            ..BASE
        }),*]
    };
}

pub(in crate::cases) static TEXT: &[Case] = &sizes!(1, Text, "text", b"*",
    "1.1.1" 0, "1.1.2" 125, "1.1.3" 126, "1.1.4" 127, "1.1.5" 128, "1.1.6" 65535, "1.1.7" 65536,
    "1.1.8" 65536 cut 997);

pub(in crate::cases) static BINARY: &[Case] = &sizes!(2, Binary, "binary", b"\xfe",
    "1.2.1" 0, "1.2.2" 125, "1.2.3" 126, "1.2.4" 127, "1.2.5" 128, "1.2.6" 65535, "1.2.7" 65536,
    "1.2.8" 65536 cut 997);
