//! Every case, one file for each theme.

use super::case::Case;

/// Requirements: `NAME = [RFC "section" "item", ...], "sentence";`, with the item if the section is a list.
macro_rules! rule_table {
    ($($(#[$doc:meta])* $name:ident = [$($rfc:literal $number:literal $($item:literal)?),+], $text:literal;)*) => {
        $($(#[$doc])* pub(super) const $name: $crate::Rule = $crate::Rule {
            sections: $crate::Sections(&[$(bowsprit::error::Section::new($rfc, $number)$(.item($item))?),+]),
            text: $text,
        };)*
    };
}

pub(crate) use rule_table;

pub mod autobahn;
mod frames;
mod http2;
mod negotiation;
mod opening_client;
mod opening_server;
mod rules;
mod streams;

/// Returns all cases in the order in which they are listed.
pub fn all() -> impl Iterator<Item = &'static Case> + Clone {
    FILES.iter().chain(&autobahn::deflate::GROUPS).flat_map(|file| file.iter())
}

/// Returns the case with this id, ignoring upper and lower case.
pub fn find(id: &str) -> Option<&'static Case> {
    all().find(|case| case.id.eq_ignore_ascii_case(id))
}

/// Returns what a group or family of cases is about.
pub fn theme(group: &str) -> &'static str {
    let first = group.split('.').next().unwrap_or(group);
    THEMES.iter().find(|(this, _)| *this == first).map_or("", |(_, theme)| theme)
}

static FILES: &[&[Case]] = &[
    autobahn::framing::TEXT,
    autobahn::framing::BINARY,
    autobahn::pings::CASES,
    autobahn::reserved::CASES,
    autobahn::fragmentation::CASES,
    autobahn::utf8::FRAGMENTS,
    autobahn::utf8::SINGLE,
    autobahn::closing::SEQUENCE,
    autobahn::closing::BODIES,
    autobahn::closing::GOOD_CODES,
    autobahn::closing::EXTENSION_CODE,
    autobahn::closing::BAD_CODES,
    autobahn::closing::OPEN_CODES,
    autobahn::limits::TEXT,
    autobahn::limits::BINARY,
    autobahn::limits::TEXT_FRAGMENTS,
    autobahn::limits::SMALL_BINARY_FRAGMENTS,
    autobahn::limits::BINARY_FRAGMENTS,
    autobahn::limits::TEXT_WRITES,
    autobahn::limits::BINARY_WRITES,
    autobahn::limits::TEXT_ROUND_TRIPS,
    autobahn::limits::BINARY_ROUND_TRIPS,
    autobahn::limits::AUTOMATIC,
    opening_server::REQUEST_LINE,
    opening_server::HOST_FIELD,
    opening_server::UPGRADE_FIELDS,
    opening_server::KEYS,
    opening_server::VERSIONS_FIELD,
    opening_server::HYGIENE,
    opening_server::PIECES,
    opening_client::STATUSES,
    opening_client::FIELDS,
    opening_client::EXTENSION_ANSWERS,
    opening_client::PIECES,
    opening_client::SUBPROTOCOLS,
    opening_client::REPEATED,
    negotiation::GENERIC,
    negotiation::LISTS,
    negotiation::DEFLATE_OFFERS,
    streams::FRAMING,
    streams::STREAMS,
    streams::BOMBS,
    frames::MASKING,
    frames::LENGTHS,
    frames::RESERVED_BITS,
    frames::STREAM,
    frames::CHOPS,
    frames::CLOSING,
    frames::TEXTS,
    frames::SIZES,
    http2::settings::CASES,
    http2::settings::EARLY_CASES,
    http2::requests::UNPROCESSED,
    http2::requests::GOOD,
    http2::requests::MALFORMED,
    http2::requests::REFUSED,
    http2::frames::DATA,
    http2::frames::STREAMS,
    http2::frames::CONNECTION,
    http2::endings::CASES,
    http2::together::CASES,
    http2::clients::OPENING,
    http2::clients::OPEN,
];

/// The rule that a Close is the last frame that an endpoint sends.
pub(crate) const CLOSE: crate::case::Rule = rules::CLOSE;

const THEMES: &[(&str, &str)] = &[
    ("1", "framing"),
    ("2", "pings and pongs"),
    ("3", "reserved bits"),
    ("4", "reserved opcodes"),
    ("5", "fragmentation"),
    ("6", "UTF-8"),
    ("7", "closing handshake"),
    ("9", "limits and performance"),
    ("10", "automatic fragmentation"),
    ("12", "permessage-deflate, payloads"),
    ("13", "permessage-deflate, parameters"),
    ("HSS", "opening handshake, servers"),
    ("HSC", "opening handshake, clients"),
    ("SUB", "subprotocols"),
    ("EXT", "extensions"),
    ("PMN", "permessage-deflate, negotiation"),
    ("PMD", "permessage-deflate, streams"),
    ("FRM", "frames beyond Autobahn"),
    ("FRG", "fragments beyond Autobahn"),
    ("CTL", "control frames beyond Autobahn"),
    ("CLS", "closing beyond Autobahn"),
    ("UTF", "texts beyond Autobahn"),
    ("LIM", "sizes beyond Autobahn"),
    ("H2W", "WebSocket over HTTP/2"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{Class, Event, Level, Step, Subject};
    use std::collections::HashSet;

    #[test]
    fn ids_are_unique_and_every_case_says_what_it_is() {
        let mut ids = HashSet::new();
        for case in all() {
            assert!(ids.insert(case.id), "{} twice", case.id);
            assert!(!case.title.is_empty() && !case.rule.text.is_empty(), "{}", case.id);
            assert!(!case.rule.sections.0.is_empty(), "{}", case.id);
            assert!(!theme(case.group()).is_empty(), "{} has no theme", case.id);
            assert!(case.expect.outcomes.len() < 32, "{}", case.id);
            assert!(!case.opening.answers.is_empty(), "{}", case.id);
        }
    }

    /// An endpoint may have limits (RFC 6455 §10.4), and 64 KiB is the smallest known one.
    #[test]
    fn no_must_needs_a_message_of_more_than_64_kib() {
        for case in all().filter(|case| case.level == Level::Must && !case.has_tag("autobahn")) {
            for event in case.expect.outcomes.iter().flat_map(|(_, events)| *events) {
                if let Event::Text(payload) | Event::Binary(payload) = event {
                    assert!(payload.len() <= 64 << 10, "{} has {} bytes", case.id, payload.len());
                }
            }
        }
    }

    #[test]
    fn all_cases_of_the_autobahn_suite_are_there() {
        let count = |group: &str| {
            all().filter(|case| case.has_tag("autobahn") && case.id.split('.').next() == Some(group)).count()
        };
        let groups = ["1", "2", "3", "4", "5", "6", "7", "9", "10", "12", "13"];
        let counts: Vec<_> = groups.into_iter().map(count).collect();
        assert_eq!(counts, [16, 11, 7, 10, 20, 145, 37, 54, 1, 90, 126]);
        assert_eq!(counts.iter().sum::<usize>(), 517);
    }

    /// A case must not wait for events that cannot come.
    #[test]
    fn an_await_is_for_events_that_an_outcome_has() {
        for case in all() {
            let most = case.expect.outcomes.iter().map(|(_, events)| events.len()).max().unwrap_or(0);
            for step in case.script {
                if let Step::Await(events) = step {
                    assert!(*events <= most, "{}", case.id);
                }
            }
        }
    }

    #[test]
    fn cases_of_the_autobahn_suite_serve_both_sides() {
        for case in all().filter(|case| case.has_tag("autobahn")) {
            assert_eq!(case.subject, Subject::Both, "{}", case.id);
            assert!(case.expect.outcomes.iter().any(|(class, _)| *class != Class::NonStrict), "{}", case.id);
        }
    }
}
