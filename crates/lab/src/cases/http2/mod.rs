//! WebSocket over HTTP/2 (RFC 8441), and the parts of HTTP/2 that it relies on (RFC 9113).
//!
//! Catalogue rows `H2W`; from H2W-030 on, the rows are our own. Rows about clients are 002, 004, 014, 015, and those from
//! 100 on. The other groups are about the frames inside DATA and can be played over a stream; this group is about the
//! stream, its opening and its ending, and the connection below.

/// The base of every literal here.
const BASE: super::super::case::Case = super::super::case::Case {
    subject: super::super::case::Subject::Server,
    tags: &["http2"],
    expect: super::super::case::Expect { outcomes: &[], close: super::super::case::Ending::ANY },
    patience: 2_000,
    ..super::super::case::Case::BASE
};

/// `id level RULE, "title" [moves] => Class [what is seen], Class [...];`, with any unusual settings in front of the
/// moves.
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

/// Rows like those of `exchanges!`, but about clients and with tags in front.
macro_rules! visits {
    ($tags:expr; $($rows:tt)*) => { exchanges!(@with Client, $tags, $crate::http2::HOSTED; $($rows)*) };
}

pub(super) mod clients;
pub(super) mod endings;
pub(super) mod frames;
pub(super) mod requests;
pub(super) mod settings;
pub(super) mod together;
