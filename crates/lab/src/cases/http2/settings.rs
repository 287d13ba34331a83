//! SETTINGS of both sides, and the first frames of a connection.

use crate::case::{Case, Class, Level};
use crate::http2::frame::{code, flag, kind, setting};
use crate::http2::{Cutting, Exchange, Move, Seen};

rule_table! {
    ANNOUNCED = [8441 "3"], "A server that takes extended CONNECT announces SETTINGS_ENABLE_CONNECT_PROTOCOL with 1.";
    NO_IMPACT = [8441 "3"], "That a client sends SETTINGS_ENABLE_CONNECT_PROTOCOL has no impact on a server.";
    EARLY = [8441 "3", 9113 "3.4"], "A client waits for the setting; what a server makes of a request before that is its own affair.";
    UNKNOWN = [9113 "6.5.2"], "Settings that are not known are ignored.";
    ACKNOWLEDGED = [9113 "6.5.3"], "Each SETTINGS frame is acknowledged once its values are taken over.";
    SETTINGS_FRAME = [9113 "6.5"], "A SETTINGS frame that is no list of settings, or is on a stream, ends the connection.";
    VALUES = [9113 "6.5.2"], "A setting with a value that it cannot have ends the connection.";
    OBEYED = [9113 "6.5.2"], "What a client announces holds for what it is sent.";
}

const CONNECT: Move = Move::Connect(1, &[]);
const HELLO: Move = Move::Say(1, "hello", Cutting::Whole);
const OPENED: Move = Move::Await(Seen::Opened(1));
const ECHO: Seen = Seen::Echo(1, "hello");
const PROTOCOL: Seen = Seen::Fails(&[code::PROTOCOL_ERROR]);
const FRAME_SIZE: Seen = Seen::Fails(&[code::FRAME_SIZE_ERROR]);
const FLOW: Seen = Seen::Fails(&[code::FLOW_CONTROL_ERROR]);
const ANY: Seen = Seen::Fails(&[]);

const WITH_0: &[(u16, u32)] = &[(setting::ENABLE_CONNECT_PROTOCOL, 0)];
const WITH_1: &[(u16, u32)] = &[(setting::ENABLE_CONNECT_PROTOCOL, 1)];
const WITH_2: &[(u16, u32)] = &[(setting::ENABLE_CONNECT_PROTOCOL, 2)];
const TWICE: &[(u16, u32)] = &[(setting::ENABLE_CONNECT_PROTOCOL, 1), (setting::ENABLE_CONNECT_PROTOCOL, 1)];
/// Identifiers that RFC 9113 does not define, and the values that Chromium sends to keep servers honest.
const GREASE: &[(u16, u32)] = &[(0xf0f0, 7), (0x0a0a, u32::MAX), (0xffff, 0)];
const NO_TABLE: &[(u16, u32)] = &[(setting::HEADER_TABLE_SIZE, 0)];
const LONG_FRAMES: &[(u16, u32)] = &[(setting::MAX_FRAME_SIZE, 0xff_ffff)];

pub(in super::super) static CASES: &[Case] = exchanges! {
    "H2W-001.1" Must ANNOUNCED, "the server's settings" [] => Ok [Seen::Setting(setting::ENABLE_CONNECT_PROTOCOL, 1)];
    "H2W-001.2" Must ANNOUNCED, "ENABLE_CONNECT_PROTOCOL has not gone back to 0 after a WebSocket" [CONNECT, OPENED, HELLO, Move::Close(1, 1000)]
        => Ok [ECHO, Seen::Setting(setting::ENABLE_CONNECT_PROTOCOL, 1), Seen::Closed(1, &[1000])];
    "H2W-003.1" Must NO_IMPACT, "the client announces it with 0" with WITH_0, [CONNECT, OPENED, HELLO] => Ok [ECHO];
    "H2W-003.2" Must NO_IMPACT, "the client announces it with 1" with WITH_1, [CONNECT, OPENED, HELLO] => Ok [ECHO];
    "H2W-003.3" Must NO_IMPACT, "the client announces it with 1, twice in a frame" with TWICE, [CONNECT, OPENED, HELLO] => Ok [ECHO];
    // The value must be 0 or 1, and its receipt must have no effect.
    "H2W-003.4" May NO_IMPACT, "the client announces it with 2" with WITH_2, [CONNECT, Move::Await(Seen::Answered(1)), HELLO]
        => Ok [ECHO], Ok [PROTOCOL], NonStrict [ANY];
    "H2W-003.5" May NO_IMPACT, "the client takes it back from 1 to 0" with WITH_1, [CONNECT, OPENED, Move::Settings(WITH_0), HELLO]
        => Ok [ECHO], Ok [PROTOCOL], NonStrict [ANY];
    "H2W-003.6" Must NO_IMPACT, "the client announces it later, with a WebSocket open" [CONNECT, OPENED, Move::Settings(WITH_1), HELLO] => Ok [ECHO];
    "H2W-030.1" Must UNKNOWN, "settings that nobody knows" with GREASE, [CONNECT, OPENED, HELLO] => Ok [ECHO];
    "H2W-030.2" Must UNKNOWN, "settings that nobody knows, with a WebSocket open" [CONNECT, OPENED, Move::Settings(GREASE), HELLO] => Ok [ECHO];
    "H2W-031.1" Must ACKNOWLEDGED, "the client's settings" [] => Ok [Seen::Acknowledged(1)];
    "H2W-031.2" Must ACKNOWLEDGED, "two more SETTINGS frames, one of them empty, with a WebSocket open"
        [CONNECT, OPENED, Move::Settings(&[]), Move::Settings(GREASE), HELLO] => Ok [Seen::Acknowledged(3), ECHO];
    "H2W-032.1" Must SETTINGS_FRAME, "an acknowledgement with a payload" [Move::Frame(kind::SETTINGS, flag::ACK, 0, &[0; 6])]
        => Ok [FRAME_SIZE], NonStrict [ANY];
    "H2W-032.2" Must SETTINGS_FRAME, "five bytes of settings" [Move::Frame(kind::SETTINGS, 0, 0, &[0; 5])]
        => Ok [FRAME_SIZE], NonStrict [ANY];
    "H2W-032.3" Must SETTINGS_FRAME, "settings on the stream of a WebSocket" [CONNECT, OPENED, Move::Frame(kind::SETTINGS, 0, 1, b"")]
        => Ok [PROTOCOL], NonStrict [ANY];
    "H2W-033.1" Must VALUES, "INITIAL_WINDOW_SIZE of 2^31" [Move::Settings(&[(setting::INITIAL_WINDOW_SIZE, 1 << 31)])]
        => Ok [FLOW], NonStrict [ANY];
    "H2W-033.2" Must VALUES, "MAX_FRAME_SIZE of 100" [Move::Settings(&[(setting::MAX_FRAME_SIZE, 100)])]
        => Ok [PROTOCOL], NonStrict [ANY];
    "H2W-033.3" Must VALUES, "ENABLE_PUSH of 2" [Move::Settings(&[(setting::ENABLE_PUSH, 2)])]
        => Ok [PROTOCOL], NonStrict [ANY];
    "H2W-034.1" Must OBEYED, "HEADER_TABLE_SIZE of 0" with NO_TABLE, [CONNECT, OPENED, HELLO] => Ok [ECHO];
    "H2W-034.2" Must OBEYED, "MAX_FRAME_SIZE of 2^24 - 1" with LONG_FRAMES, [CONNECT, OPENED, HELLO] => Ok [ECHO];
};

/// The request is sent together with the client's own settings.
const FIRST_FLIGHT: Exchange = Exchange {
    settings: crate::http2::SETTINGS,
    patient: false,
    moves: &[CONNECT, Move::Await(Seen::Answered(1)), HELLO],
    outcomes: &[
        (Class::Informational, &[ECHO]),
        (Class::Informational, &[Seen::Refused(1)]),
        (Class::Informational, &[Seen::Reset(1, &[])]),
        (Class::Informational, &[ANY]),
    ],
};

pub(in super::super) static EARLY_CASES: &[Case] = &[Case {
    id: "H2W-005",
    title: "extended CONNECT before the server's settings have come",
    rule: &EARLY,
    level: Level::May,
    http2: Some(&FIRST_FLIGHT),
    ..super::BASE
}];
