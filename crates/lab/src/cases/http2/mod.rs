//! WebSocket over HTTP/2 (RFC 8441), and what of HTTP/2 itself it stands on (RFC 9113).
//!
//! Catalogue rows `H2W`; from H2W-030 on, rows of our own. Rows about clients are 002, 004, 014, 015, and those from
//! 100 on. Frames inside DATA are what every other group is about, played
//! over a stream; here are the stream, its opening and its ending, and the connection below.

/// The start of every literal here.
const BASE: super::super::case::Case = super::super::case::Case {
    subject: super::super::case::Subject::Server,
    tags: &["http2"],
    expect: super::super::case::Expect { outcomes: &[], close: super::super::case::Ending::ANY },
    patience: 2_000,
    ..super::super::case::Case::BASE
};

/// `id level RULE, "title" [moves] => Class [what is so], Class [...];`, with other settings than the usual ones in front
/// of the moves.
macro_rules! exchanges {
    (@with $subject:ident, $tags:expr, $usual:expr;
        $($id:literal $level:ident $rule:ident, $title:literal $(with $settings:expr,)? [$($step:expr),* $(,)?]
        => $($class:ident [$($seen:expr),* $(,)?]),+;)*) => {
        &[$($crate::case::Case {
            id: $id,
            title: $title,
            rule: &$rule,
            level: $crate::case::Level::$level,
            subject: $crate::case::Subject::$subject,
            tags: $tags,
            http2: Some(&$crate::http2::Exchange {
                settings: exchanges!(@settings $usual $(, $settings)?),
                patient: true,
                moves: &[$($step),*],
                outcomes: &[$(($crate::case::Class::$class, &[$($seen),*])),+],
            }),
            ..$crate::cases::http2::BASE
        }),*]
    };
    (@settings $usual:expr) => { $usual };
    (@settings $usual:expr, $settings:expr) => { $settings };
    ($($rows:tt)*) => {
        exchanges!(@with Server, &["http2"], $crate::http2::SETTINGS; $($rows)*)
    };
}

/// The same about clients, with marks in front.
macro_rules! visits {
    ($tags:expr; $($rows:tt)*) => { exchanges!(@with Client, $tags, $crate::http2::HOSTED; $($rows)*) };
}

pub(super) mod clients;
pub(super) mod endings;
pub(super) mod frames;
pub(super) mod requests;
pub(super) mod settings;
pub(super) mod together;
