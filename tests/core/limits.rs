//! What is accepted at a limit, and refused one beyond it (RFC 6455 §10.4).

use crate::support::*;
use bowsprit::Role;
use bowsprit::connection::Config;
use bowsprit::frame::{LengthForm, RawHeader};

/// Reads `bytes` as this side, with these settings.
fn reading(role: Role, settings: &Config, bytes: &[u8]) -> (Side, bowsprit::time::Instant) {
    let pair = Pair::new(settings.clone(), settings.clone());
    let mut side = if role == Role::Client { pair.client } else { pair.server };
    side.read(bytes, pair.now);
    (side, pair.now)
}

#[track_caller]
fn accepts(settings: &Config, message: impl Fn(Role) -> Vec<u8>) {
    for role in ROLES {
        let (side, _) = reading(role, settings, &message(role.peer()));
        assert!(matches!(side.seen[..], [Seen::Binary(_)]), "{:?}", side.seen);
    }
}

#[track_caller]
fn refuses(settings: &Config, code: u16, message: impl Fn(Role) -> Vec<u8>) {
    for role in ROLES {
        let (mut side, now) = reading(role, settings, &message(role.peer()));
        assert_eq!(side.seen.len(), 1, "{:?}", side.seen);
        assert_fails_with(&mut side, code, now);
    }
}

/// A binary message in frames of these sizes.
fn message(sender: Role, sizes: &[usize]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (at, size) in sizes.iter().enumerate() {
        let raw = if at == 0 { RawHeader::BINARY } else { RawHeader::CONTINUATION };
        let header = RawHeader { fin: at == sizes.len() - 1, ..by(sender, raw) };
        bytes.extend(frame(header, &vec![7; *size]));
    }
    bytes
}

/// A header that promises a payload which never comes.
fn promise(sender: Role, length: u64) -> Vec<u8> {
    raw_frame(by(sender, RawHeader::BINARY.with_length(length)), b"")
}

#[test]
fn frame_size() {
    let settings = config(|config| config.max_frame = 1000);
    accepts(&settings, |sender| message(sender, &[1000]));
    accepts(&settings, |sender| message(sender, &[1000, 1000, 1000]));
    refuses(&settings, 1009, |sender| promise(sender, 1001));
    let nothing = config(|config| config.max_frame = 0);
    accepts(&nothing, |sender| message(sender, &[0]));
    refuses(&nothing, 1009, |sender| promise(sender, 1));
}

#[test]
fn message_size() {
    let settings = config(|config| config.max_message = 1000);
    accepts(&settings, |sender| message(sender, &[1000]));
    accepts(&settings, |sender| message(sender, &[500, 0, 500]));
    refuses(&settings, 1009, |sender| promise(sender, 1001));
    refuses(&settings, 1009, |sender| {
        let first = frame(not_fin(by(sender, RawHeader::BINARY)), &[7; 600]);
        let next = raw_frame(by(sender, RawHeader::CONTINUATION.with_length(401)), b"");
        [first, next].concat()
    });
    let nothing = config(|config| config.max_message = 0);
    accepts(&nothing, |sender| message(sender, &[0]));
    refuses(&nothing, 1009, |sender| promise(sender, 1));
}

/// The size is one message's, not the sum of all.
#[test]
fn each_message_counts_anew() {
    let settings = config(|config| {
        config.max_message = 10;
        config.max_fragments = 2;
        config.max_empty_fragments = 1;
    });
    for role in ROLES {
        let bytes = [message(role.peer(), &[0, 10]), message(role.peer(), &[10])].concat().repeat(50);
        let (side, _) = reading(role, &settings, &bytes);
        assert_eq!(side.seen.len(), 100);
    }
}

/// No sum of lengths wraps, whatever the limits.
#[test]
fn lengths_at_the_end_of_the_number_line() {
    let unlimited = config(|config| {
        config.max_message = usize::MAX;
        config.max_frame = u64::MAX;
    });
    for settings in [&Config::default(), &unlimited] {
        for length in [1 << 63, u64::MAX - 13, u64::MAX - 1, u64::MAX] {
            refuses(settings, 1002, |sender| promise(sender, length)); // §5.2: the top bit
        }
    }
    refuses(&Config::default(), 1009, |sender| promise(sender, (1 << 63) - 1));
    // Three frames of 2^63-1 bytes would wrap; the sum is refused before the payload of the first is through.
    refuses(&config(|config| config.max_frame = u64::MAX), 1009, |sender| promise(sender, (1 << 63) - 1));
    for role in ROLES {
        let (side, _) = reading(role, &unlimited, &promise(role.peer(), (1 << 63) - 1));
        assert_eq!(side.seen, [], "as the settings say");
    }
}

#[test]
fn fragments() {
    let settings = config(|config| config.max_fragments = 5);
    accepts(&settings, |sender| message(sender, &[1; 5]));
    refuses(&settings, 1008, |sender| message(sender, &[1; 6]));
    refuses(&config(|config| config.max_fragments = 0), 1008, |sender| message(sender, &[1]));
}

/// The last frame is not counted: many clients end a message with an empty one.
#[test]
fn empty_fragments() {
    let settings = config(|config| config.max_empty_fragments = 3);
    accepts(&settings, |sender| message(sender, &[0, 1, 0, 1, 0, 1, 0]));
    refuses(&settings, 1008, |sender| message(sender, &[0, 1, 0, 1, 0, 1, 0, 1, 0]));
    refuses(&Config::default(), 1008, |sender| {
        let mut bytes = frame(not_fin(by(sender, RawHeader::BINARY)), b"");
        for _ in 0..1024 {
            bytes.extend(frame(not_fin(by(sender, RawHeader::CONTINUATION)), b""));
        }
        bytes
    });
}

/// Autobahn 9.3.1 sends as many.
#[test]
fn fragments_of_one_byte_are_no_fault() {
    accepts(&Config::default(), |sender| message(sender, &[1; 65_536]));
}

/// A refusal comes at the header, in whatever form the length stands there.
#[test]
fn control_frames_have_their_own_limit() {
    let settings = config(|config| {
        config.max_frame = 0;
        config.max_message = 0;
    });
    for role in ROLES {
        let ping = sent_by(role.peer(), RawHeader::PING, &[1; 125]);
        let (side, _) = reading(role, &settings, &ping);
        assert_eq!(side.seen, [Seen::Ping(vec![1; 125])]);
        for raw in [RawHeader::PING, RawHeader::PONG, RawHeader::CLOSE] {
            for (length, form) in
                [(126, LengthForm::Medium), (5, LengthForm::Medium), (1 << 40, LengthForm::Long)]
            {
                let header = RawHeader { length, form, ..by(role.peer(), raw) };
                let (mut side, now) = reading(role, &settings, &raw_frame(header, b""));
                assert_fails_with(&mut side, 1002, now);
            }
        }
    }
}
