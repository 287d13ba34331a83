//! Clients: how they handle settings, right and wrong responses, frames, and the end of a stream.
//!
//! Stream 1 stands for the stream of the client's WebSocket, whatever its number.

use crate::case::Case;
use crate::http2::frame::{code, flag, kind, setting};
use crate::http2::{Change, Cutting, Move, Seen};

use Change::{Add, Cut, EndStream, First, Long, Padded, Priority, Set, Without};

rule_table! {
    ANNOUNCED = [8441 "3"], "A client sends no extended CONNECT before the server has announced SETTINGS_ENABLE_CONNECT_PROTOCOL with 1.";
    VALUE = [8441 "3"], "SETTINGS_ENABLE_CONNECT_PROTOCOL is 0 or 1, and does not go back to 0.";
    UNKNOWN = [9113 "6.5.2", 9113 "5.5"], "Settings, frames and flags that are not known are ignored.";
    ACKNOWLEDGED = [9113 "6.5.3"], "Each SETTINGS frame is acknowledged.";
    OBEYED = [9113 "6.5.2", 9113 "5.1.2"], "What a server announces holds for what it is sent.";
    OPENS = [8441 "5"], "A response of 200 opens the WebSocket.";
    TUNNEL = [9113 "8.5"], "Any 2xx response says that a CONNECT has succeeded.";
    IGNORED = [8441 "5"], "Sec-WebSocket-Accept is not processed.";
    SECTION = [9113 "4.3", 9113 "6.2", 9113 "6.10"], "A field section may be padded, bear a priority, and be cut anywhere.";
    INTERIM = [9113 "8.1", 9113 "8.8.5"], "Interim responses may come before the final one.";
    REFUSED = [8441 "5", 6455 "4.1" "response 1"], "A response that is no success opens nothing.";
    AGREED = [8441 "5", 6455 "4.1" "response 5", 6455 "4.1" "response 6"], "A subprotocol or an extension that was not offered fails the WebSocket.";
    ENDED = [8441 "5", 6455 "7.1.5"], "END_STREAM is the end of the TCP connection: the client ends its half, too.";
    SWITCHING = [8441 "5", 9113 "8.6"], "There is no 101 over HTTP/2: such a response is malformed.";
    STATUS = [9113 "8.3.2"], "A response has one :status of three digits.";
    PSEUDO = [9113 "8.3"], "Pseudo-header fields stand before all others, and there are no others than those defined.";
    NAMES = [9113 "8.2.1"], "A response whose field names or values hold what they cannot is malformed.";
    CONNECTION = [9113 "8.2.2"], "A response with fields of the connection is malformed.";
    DATA = [8441 "5", 9113 "6.1"], "Frames of a WebSocket may be cut into DATA frames in every way, padded and empty ones among them.";
    PING = [9113 "6.7"], "A PING is answered with its data.";
    CREDIT = [9113 "5.2.1", 9113 "6.9"], "No more is sent than the windows allow, and all that they allow.";
    RECEIVED = [9113 "5.2.2", 9113 "6.9"], "A client that reads on opens its windows.";
    CLOSING = [8441 "5", 6455 "5.5.1"], "The closing handshake is the same, and ends the stream.";
    RESET = [8441 "5", 9113 "6.4"], "RST_STREAM is the reset of the TCP connection, whatever its code, and hurts nothing else.";
    FAILED = [8441 "5", 6455 "7.1.7"], "A WebSocket that the client fails is let go.";
    MASKS = [6455 "5.1", 8441 "5"], "A client masks its frames, and takes none that are masked.";
    GOING = [9113 "6.8"], "GOAWAY ends no stream up to the one that it names.";
    TRAILERS = [9113 "8.5"], "On the stream of a CONNECT only DATA and frames that manage streams are right.";
    ON_STREAMS = [9113 "6.5", 9113 "6.7", 9113 "6.8"], "SETTINGS, PING and GOAWAY are on no stream.";
    LENGTHS = [9113 "4.2", 9113 "6.4", 9113 "6.5", 9113 "6.7"], "A frame whose length is wrong for its type, or more than was announced, is an error.";
    VALUES = [9113 "6.5.2"], "A setting with a value that it cannot have ends the connection.";
    PADDING = [9113 "6.1"], "Padding that is longer than its frame ends the connection.";
    ZERO = [9113 "6.9"], "A WINDOW_UPDATE of 0 is an error of what it is on.";
    OVERFLOW = [9113 "6.9.1"], "A window above 2^31 - 1 is an error of what it belongs to.";
    PUSH = [9113 "6.6", 9113 "8.4"], "A client that has said so takes no push.";
    IDLE = [9113 "5.1"], "Frames on a stream that nobody has opened end the connection.";
    CONTINUED = [9113 "6.10"], "CONTINUATION follows HEADERS at once, and stands nowhere else.";
    COMPRESSED = [9113 "4.3"], "A field section that cannot be read ends the connection.";
}

const ASKED: Move = Move::Await(Seen::Asked);
const OK: Move = Move::Answer(&[]);
const HELLO: Move = Move::Say(1, "hello", Cutting::Whole);
const ECHO: Seen = Seen::Echo(1, "hello");
const HEARD: Move = Move::Await(ECHO);
const GONE: Seen = Seen::Gone(1);
const LEFT: Move = Move::Await(GONE);
const SILENT: Seen = Seen::Silent(1);
const MALFORMED: Seen = Seen::Reset(1, &[code::PROTOCOL_ERROR]);
const PROTOCOL: Seen = Seen::Fails(&[code::PROTOCOL_ERROR]);
const FRAME_SIZE: Seen = Seen::Fails(&[code::FRAME_SIZE_ERROR]);
const ANY: Seen = Seen::Fails(&[]);
/// The client ends the connection, with one of the listed reasons or without any.
const BROKEN: Move = Move::Await(ANY);

/// A client that has lost only a stream answers; one that has no other stream may leave.
const ALIVE: Move = Move::Frame(kind::PING, 0, 0, b"stillone");
const PONG: Seen = Seen::Pong(*b"stillone");

const NONE: &[(u16, u32)] = &[];
const WITH_0: &[(u16, u32)] = &[(setting::ENABLE_CONNECT_PROTOCOL, 0)];
const WITH_1: &[(u16, u32)] = &[(setting::ENABLE_CONNECT_PROTOCOL, 1)];
const WITH_2: &[(u16, u32)] = &[(setting::ENABLE_CONNECT_PROTOCOL, 2)];
const GREASE: &[(u16, u32)] = &[(0xf0f0, 7), (0x0a0a, u32::MAX), (setting::ENABLE_CONNECT_PROTOCOL, 1)];
const NO_STREAMS: &[(u16, u32)] =
    &[(setting::ENABLE_CONNECT_PROTOCOL, 1), (setting::MAX_CONCURRENT_STREAMS, 0)];
const NO_TABLE: &[(u16, u32)] = &[(setting::ENABLE_CONNECT_PROTOCOL, 1), (setting::HEADER_TABLE_SIZE, 0)];
const SHUT: &[(u16, u32)] = &[(setting::ENABLE_CONNECT_PROTOCOL, 1), (setting::INITIAL_WINDOW_SIZE, 0)];
const BYTE: Move = Move::Window(1, 1);

/// Which responses a client accepts as opening a WebSocket.
pub(in super::super) static OPENING: &[Case] = visits! { &["http2", "handshake"];
    "H2W-002.1" Must ANNOUNCED, "the server does not announce ENABLE_CONNECT_PROTOCOL" with NONE, [Move::Rest(700)] => Ok [Seen::NotAsked];
    "H2W-002.2" Must ANNOUNCED, "the server announces ENABLE_CONNECT_PROTOCOL with 0" with WITH_0, [Move::Rest(700)] => Ok [Seen::NotAsked];
    // A client may wait for the setting, or go elsewhere.
    "H2W-002.3" May ANNOUNCED, "the server announces ENABLE_CONNECT_PROTOCOL with 1 in its second SETTINGS frame" with NONE,
        [Move::Settings(WITH_1), Move::Rest(300), OK, HELLO] => Ok [ECHO], Ok [Seen::NotAsked];
    "H2W-004.1" Should VALUE, "the server takes ENABLE_CONNECT_PROTOCOL back from 1 to 0 before anything was asked" with WITH_1,
        [Move::Settings(WITH_0), Move::Rest(500), OK, HELLO] => Ok [PROTOCOL], Ok [Seen::NotAsked], Informational [ECHO];
    "H2W-004.2" May VALUE, "the server takes ENABLE_CONNECT_PROTOCOL back with a WebSocket open" [ASKED, OK, HELLO, HEARD, Move::Settings(WITH_0), Move::Say(1, "more", Cutting::Whole)]
        => Ok [Seen::Echo(1, "more")], Ok [PROTOCOL], NonStrict [GONE];
    "H2W-004.3" Should VALUE, "the server announces ENABLE_CONNECT_PROTOCOL with 2" with WITH_2, [Move::Rest(500), OK, HELLO]
        => Ok [PROTOCOL], Ok [Seen::NotAsked], NonStrict [ECHO];
    "H2W-100.1" Must UNKNOWN, "settings that nobody knows" with GREASE, [ASKED, OK, HELLO] => Ok [ECHO];
    "H2W-101.1" Must OBEYED, "no stream may be opened" with NO_STREAMS, [Move::Rest(700)] => Ok [Seen::NotAsked];
    "H2W-101.2" Must OBEYED, "HEADER_TABLE_SIZE of 0" with NO_TABLE, [ASKED, OK, HELLO] => Ok [ECHO];
    "H2W-101.3" Must CREDIT, "the client's window is 0 at first" with SHUT, [ASKED, OK, HELLO, Move::Rest(100), Move::Window(1, 1000)] => Ok [ECHO];
    "H2W-101.4" Must CREDIT, "the client's window opens byte by byte" with SHUT, [ASKED, OK, HELLO, BYTE, BYTE, BYTE, BYTE, BYTE, BYTE, BYTE, BYTE, BYTE, BYTE, BYTE] => Ok [ECHO];
    "H2W-101.5" Must CREDIT, "the client's window opens by a new INITIAL_WINDOW_SIZE" with SHUT, [ASKED, OK, HELLO, Move::Rest(100), Move::Settings(&[(setting::INITIAL_WINDOW_SIZE, 1000)])] => Ok [ECHO];
    "H2W-102.1" Must REFUSED, "404, and what looks like a message" [ASKED, Move::Answer(&[Set(":status", "404")]), HELLO, Move::End(1), LEFT] => Ok [GONE, SILENT], NonStrict [SILENT];
    "H2W-102.2" Must REFUSED, "403 with END_STREAM" [ASKED, Move::Answer(&[Set(":status", "403"), EndStream]), LEFT] => Ok [GONE, SILENT], NonStrict [SILENT];
    "H2W-102.3" Must REFUSED, "301 with a Location" [ASKED, Move::Answer(&[Set(":status", "301"), Add("location", "/elsewhere"), EndStream]), LEFT] => Ok [GONE, SILENT], NonStrict [SILENT];
    "H2W-102.4" Must REFUSED, "401 with a challenge" [ASKED, Move::Answer(&[Set(":status", "401"), Add("www-authenticate", "Basic realm=\"x\""), EndStream]), LEFT] => Ok [GONE, SILENT], NonStrict [SILENT];
    "H2W-102.5" Must REFUSED, "500 with a body" [ASKED, Move::Answer(&[Set(":status", "500")]), Move::Data(1, b"sorry"), Move::End(1), LEFT] => Ok [GONE, SILENT], NonStrict [SILENT];
    "H2W-102.6" Must REFUSED, "426 with a body that does not end" [ASKED, Move::Answer(&[Set(":status", "426")]), HELLO, LEFT] => Ok [GONE, SILENT], NonStrict [SILENT];
    "H2W-102.7" Must REFUSED, "RST_STREAM with REFUSED_STREAM in place of a response" [ASKED, Move::Reset(1, code::REFUSED_STREAM), ALIVE] => Ok [SILENT, PONG], Ok [SILENT, GONE];
    "H2W-102.8" Must REFUSED, "RST_STREAM with HTTP_1_1_REQUIRED in place of a response" [ASKED, Move::Reset(1, 0xd), ALIVE] => Ok [SILENT, PONG], Ok [SILENT, GONE];
    "H2W-103.1" Must AGREED, "a subprotocol that was not offered" [ASKED, Move::Answer(&[Add("sec-websocket-protocol", "bowsprit-unoffered")]), HELLO, LEFT] => Ok [GONE];
    "H2W-103.2" Must AGREED, "an extension that was not offered" [ASKED, Move::Answer(&[Add("sec-websocket-extensions", "bowsprit-unoffered")]), HELLO, LEFT] => Ok [GONE];
    "H2W-103.3" Must AGREED, "permessage-deflate with a parameter that nobody knows" [ASKED, Move::Answer(&[Add("sec-websocket-extensions", "permessage-deflate; bowsprit=1")]), HELLO, LEFT] => Ok [GONE];
    "H2W-014.1" Must SWITCHING, "101 Switching Protocols" [ASKED, Move::Answer(&[Set(":status", "101")]), HELLO, LEFT] => Ok [MALFORMED], NonStrict [GONE, SILENT];
    "H2W-014.2" Must SWITCHING, "101 as HTTP/1.1 says it" [ASKED, Move::Answer(&[Set(":status", "101"), Add("upgrade", "websocket"), Add("connection", "Upgrade")]), HELLO, LEFT] => Ok [MALFORMED], NonStrict [GONE, SILENT];
    "H2W-104.1" Must STATUS, "no :status" [ASKED, Move::Answer(&[Without(":status"), Add("date", "x")]), HELLO, LEFT] => Ok [MALFORMED], NonStrict [GONE, SILENT];
    "H2W-104.2" Must STATUS, ":status twice" [ASKED, Move::Answer(&[Add(":status", "200")]), HELLO, LEFT] => Ok [MALFORMED], NonStrict [GONE, SILENT];
    "H2W-104.3" Must STATUS, "a :status of two digits" [ASKED, Move::Answer(&[Set(":status", "20")]), HELLO, LEFT] => Ok [MALFORMED], NonStrict [GONE, SILENT];
    "H2W-104.4" Must STATUS, "an empty :status" [ASKED, Move::Answer(&[Set(":status", "")]), HELLO, LEFT] => Ok [MALFORMED], NonStrict [GONE, SILENT];
    "H2W-104.5" Must STATUS, "an interim response with END_STREAM" [ASKED, Move::Answer(&[Set(":status", "103"), EndStream]), LEFT] => Ok [MALFORMED], NonStrict [GONE, SILENT];
    "H2W-104.6" Must STATUS, "DATA before the response" [ASKED, HELLO, LEFT] => Ok [MALFORMED], NonStrict [GONE, SILENT];
    "H2W-105.1" Must PSEUDO, ":status behind a field" [ASKED, Move::Answer(&[First("date", "x")]), HELLO, LEFT] => Ok [MALFORMED], NonStrict [GONE, SILENT];
    "H2W-105.2" Must PSEUDO, ":path in a response" [ASKED, Move::Answer(&[Add(":path", "/")]), HELLO, LEFT] => Ok [MALFORMED], NonStrict [GONE, SILENT];
    "H2W-105.3" Must PSEUDO, ":protocol in a response" [ASKED, Move::Answer(&[Add(":protocol", "websocket")]), HELLO, LEFT] => Ok [MALFORMED], NonStrict [GONE, SILENT];
    "H2W-105.4" Must PSEUDO, "a pseudo-header field that nobody knows" [ASKED, Move::Answer(&[Add(":bowsprit", "x")]), HELLO, LEFT] => Ok [MALFORMED], NonStrict [GONE, SILENT];
    "H2W-106.1" Must NAMES, "a field name in upper case" [ASKED, Move::Answer(&[Add("X-Test", "x")]), HELLO, LEFT] => Ok [MALFORMED], NonStrict [GONE, SILENT];
    "H2W-106.2" Must NAMES, "a field name with a blank" [ASKED, Move::Answer(&[Add("x test", "x")]), HELLO, LEFT] => Ok [MALFORMED], NonStrict [GONE, SILENT];
    "H2W-106.3" Must NAMES, "an empty field name" [ASKED, Move::Answer(&[Add("", "x")]), HELLO, LEFT] => Ok [MALFORMED], NonStrict [GONE, SILENT];
    "H2W-106.4" Must NAMES, "a field value with CR LF" [ASKED, Move::Answer(&[Add("x-test", "a\r\nb: c")]), HELLO, LEFT] => Ok [MALFORMED], NonStrict [GONE, SILENT];
    "H2W-106.5" Must NAMES, "a field value with NUL" [ASKED, Move::Answer(&[Add("x-test", "a\0b")]), HELLO, LEFT] => Ok [MALFORMED], NonStrict [GONE, SILENT];
    "H2W-107.1" Must CONNECTION, "Connection: Upgrade" [ASKED, Move::Answer(&[Add("connection", "Upgrade")]), HELLO, LEFT] => Ok [MALFORMED], NonStrict [GONE, SILENT];
    "H2W-107.2" Must CONNECTION, "Upgrade: websocket" [ASKED, Move::Answer(&[Add("upgrade", "websocket")]), HELLO, LEFT] => Ok [MALFORMED], NonStrict [GONE, SILENT];
    "H2W-107.3" Must CONNECTION, "Transfer-Encoding: chunked" [ASKED, Move::Answer(&[Add("transfer-encoding", "chunked")]), HELLO, LEFT] => Ok [MALFORMED], NonStrict [GONE, SILENT];
};

/// What an open WebSocket has to survive.
pub(in super::super) static OPEN: &[Case] = visits! { &["http2"];
    "H2W-110.1" Must OPENS, "200" [ASKED, OK, HELLO] => Ok [ECHO];
    "H2W-110.2" Must OPENS, "200 with fields that nobody knows" [ASKED, Move::Answer(&[Add("x-test", "a"), Add("date", "x"), Add("set-cookie", "a=b"), Long("x-long", 4096)]), HELLO] => Ok [ECHO];
    "H2W-110.3" May TUNNEL, "201" [ASKED, Move::Answer(&[Set(":status", "201")]), HELLO] => Ok [ECHO], Ok [GONE, SILENT];
    "H2W-110.4" Must OPENS, "200 and a message in one write" [ASKED, OK, HELLO, Move::Say(1, "more", Cutting::Whole)] => Ok [ECHO, Seen::Echo(1, "more")];
    "H2W-015.1" Must IGNORED, "Sec-WebSocket-Accept with nonsense" [ASKED, Move::Answer(&[Add("sec-websocket-accept", "nonsense")]), HELLO] => Ok [ECHO];
    "H2W-015.2" Must IGNORED, "two Sec-WebSocket-Accept fields" [ASKED, Move::Answer(&[Add("sec-websocket-accept", "a"), Add("sec-websocket-accept", "b")]), HELLO] => Ok [ECHO];
    "H2W-111.1" Must SECTION, "a padded HEADERS frame" [ASKED, Move::Answer(&[Padded(200)]), HELLO] => Ok [ECHO];
    "H2W-111.2" Must SECTION, "a HEADERS frame with a priority" [ASKED, Move::Answer(&[Priority(0)]), HELLO] => Ok [ECHO];
    "H2W-111.3" Must SECTION, "a field section in pieces of three bytes" [ASKED, Move::Answer(&[Add("x-test", "a"), Cut(3)]), HELLO] => Ok [ECHO];
    "H2W-112.1" Must INTERIM, "103 before 200" [ASKED, Move::Answer(&[Set(":status", "103"), Add("link", "</a>")]), OK, HELLO] => Ok [ECHO];
    "H2W-112.2" Must INTERIM, "100 and 102 before 200" [ASKED, Move::Answer(&[Set(":status", "100")]), Move::Answer(&[Set(":status", "102")]), OK, HELLO] => Ok [ECHO];
    "H2W-113.1" Must ACKNOWLEDGED, "two more SETTINGS frames, one of them empty" [ASKED, OK, Move::Settings(&[]), Move::Settings(&[(0xf0f0, 7)]), HELLO] => Ok [Seen::Acknowledged(3), ECHO];
    "H2W-114.1" Must DATA, "a byte in each DATA frame" [ASKED, OK, Move::Say(1, "hello", Cutting::Bytes)] => Ok [ECHO];
    "H2W-114.2" Must DATA, "padded DATA frames" [ASKED, OK, Move::Say(1, "hello", Cutting::Padded(255))] => Ok [ECHO];
    "H2W-114.3" Must DATA, "DATA frames that are padding alone" [ASKED, OK, Move::Frame(kind::DATA, flag::PADDED, 1, &[3, 0, 0, 0]), HELLO] => Ok [ECHO];
    "H2W-114.4" Must DATA, "empty DATA frames" [ASKED, OK, Move::Say(1, "hello", Cutting::Empty)] => Ok [ECHO];
    "H2W-114.5" Must DATA, "two messages in one DATA frame" [ASKED, OK, Move::Data(1, b"\x81\x05hello\x81\x04more")] => Ok [ECHO, Seen::Echo(1, "more")];
    "H2W-115.1" Must UNKNOWN, "a frame of an unknown type on the stream" [ASKED, OK, Move::Frame(0xbe, 0xff, 1, b"what"), HELLO] => Ok [ECHO];
    "H2W-115.2" Must UNKNOWN, "a frame of an unknown type inside a frame of the WebSocket" [ASKED, OK, Move::Data(1, b"\x81\x05he"), Move::Frame(0xbe, 0, 0, b"what"), Move::Data(1, b"llo")] => Ok [ECHO];
    "H2W-115.3" Must UNKNOWN, "flags that DATA does not have" [ASKED, OK, Move::Frame(kind::DATA, 0xf6, 1, b"\x81\x05hello")] => Ok [ECHO];
    "H2W-115.4" Must UNKNOWN, "PRIORITY on the stream" [ASKED, OK, Move::Frame(kind::PRIORITY, 0, 1, &[0, 0, 0, 0, 15]), HELLO] => Ok [ECHO];
    "H2W-116.1" Must PING, "PING" [ASKED, OK, Move::Frame(kind::PING, 0, 0, b"bowsprit"), HELLO] => Ok [Seen::Pong(*b"bowsprit"), ECHO];
    "H2W-116.2" Must PING, "PING inside a frame of the WebSocket" [ASKED, OK, Move::Data(1, b"\x81\x05he"), Move::Frame(kind::PING, 0, 0, b"bowsprit"), Move::Await(Seen::Pong(*b"bowsprit")), Move::Data(1, b"llo")]
        => Ok [Seen::Pong(*b"bowsprit"), ECHO];
    "H2W-116.3" Must PING, "PING before the response" [ASKED, Move::Frame(kind::PING, 0, 0, b"bowsprit"), Move::Await(Seen::Pong(*b"bowsprit")), OK, HELLO] => Ok [Seen::Pong(*b"bowsprit"), ECHO];
    "H2W-117.1" Must RECEIVED, "three messages of 60000 bytes" [ASKED, OK, Move::SayLong(1, 60_000), Move::SayLong(1, 60_001), Move::SayLong(1, 60_002)]
        => Ok [Seen::EchoLong(1, 60_000), Seen::EchoLong(1, 60_001), Seen::EchoLong(1, 60_002)];
    "H2W-118.1" Must CLOSING, "a Close" [ASKED, OK, Move::Close(1, 1000), Move::Await(Seen::Closed(1, &[1000])), Move::End(1), LEFT] => Ok [Seen::Closed(1, &[1000]), GONE];
    "H2W-118.2" Must CLOSING, "a Close, and END_STREAM at once" [ASKED, OK, Move::Close(1, 1000), Move::End(1), LEFT] => Ok [Seen::Closed(1, &[1000]), GONE], NonStrict [GONE];
    "H2W-118.3" Must CLOSING, "a Close in single bytes" [ASKED, OK, Move::Data(1, b"\x88"), Move::Data(1, b"\x02"), Move::Data(1, b"\x03"), Move::Data(1, b"\xe8"), Move::Await(Seen::Closed(1, &[1000])), Move::End(1)] => Ok [Seen::Closed(1, &[1000])];
    "H2W-119.1" Must ENDED, "END_STREAM without a Close" [ASKED, OK, HELLO, HEARD, Move::End(1), LEFT] => Ok [GONE];
    "H2W-119.2" Must ENDED, "END_STREAM inside a frame of the WebSocket" [ASKED, OK, Move::Say(1, "hello", Cutting::PartEndStream), LEFT] => Ok [GONE];
    "H2W-119.3" Must ENDED, "END_STREAM between two fragments" [ASKED, OK, Move::Data(1, b"\x01\x02he"), Move::End(1), LEFT] => Ok [GONE];
    "H2W-119.4" Must ENDED, "END_STREAM with the response" [ASKED, Move::Answer(&[EndStream]), LEFT] => Ok [GONE];
    "H2W-120.1" Must RESET, "RST_STREAM with CANCEL" [ASKED, OK, HELLO, HEARD, Move::Reset(1, code::CANCEL), ALIVE] => Ok [PONG], Ok [GONE];
    "H2W-120.2" Must RESET, "RST_STREAM with NO_ERROR, behind the response" [ASKED, OK, Move::Reset(1, code::NO_ERROR), ALIVE] => Ok [SILENT, PONG], Ok [SILENT, GONE];
    "H2W-120.3" Must RESET, "RST_STREAM with a code that nobody knows" [ASKED, OK, HELLO, HEARD, Move::Reset(1, 0xface), ALIVE] => Ok [PONG], Ok [GONE];
    "H2W-121.1" Must FAILED, "a reserved opcode" [ASKED, OK, Move::Data(1, b"\x83\x00"), LEFT] => Ok [Seen::Closed(1, &[1002]), GONE], Ok [GONE];
    "H2W-121.2" Must MASKS, "a masked frame" [ASKED, OK, Move::Data(1, b"\x81\x85\0\0\0\0hello"), LEFT] => Ok [Seen::Closed(1, &[1002]), GONE], Ok [GONE];
    "H2W-122.1" Must GOING, "GOAWAY that names the stream of the WebSocket" [ASKED, OK, Move::Frame(kind::GOAWAY, 0, 0, b"\x7f\xff\xff\xff\0\0\0\0"), Move::Rest(100), HELLO] => Ok [ECHO];
    "H2W-122.2" Must GOING, "GOAWAY, and the closing handshake" [ASKED, OK, Move::Frame(kind::GOAWAY, 0, 0, b"\x7f\xff\xff\xff\0\0\0\0"), Move::Rest(100), Move::Close(1, 1000)] => Ok [Seen::Closed(1, &[1000])];
    "H2W-123.1" Must TRAILERS, "trailers" [ASKED, OK, Move::Frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, b"\0\x06x-test\x01x"), Move::Rest(100), LEFT]
        => Ok [MALFORMED], NonStrict [GONE];
    "H2W-123.2" Must TRAILERS, "a second response" [ASKED, OK, Move::Answer(&[]), HELLO, LEFT] => Ok [MALFORMED], NonStrict [GONE];
    "H2W-124.1" Must ON_STREAMS, "PING on the stream of the WebSocket" [ASKED, OK, Move::Frame(kind::PING, 0, 1, b"bowsprit"), BROKEN] => Ok [PROTOCOL], NonStrict [ANY];
    "H2W-124.2" Must ON_STREAMS, "SETTINGS on the stream of the WebSocket" [ASKED, OK, Move::Frame(kind::SETTINGS, 0, 1, b""), BROKEN] => Ok [PROTOCOL], NonStrict [ANY];
    "H2W-124.3" Must ON_STREAMS, "GOAWAY on the stream of the WebSocket" [ASKED, OK, Move::Frame(kind::GOAWAY, 0, 1, &[0; 8]), BROKEN] => Ok [PROTOCOL], NonStrict [ANY];
    "H2W-125.1" Must LENGTHS, "a DATA frame of 16385 bytes" [ASKED, OK, Move::Frame(kind::DATA, 0, 1, &[0; 16_385]), BROKEN] => Ok [FRAME_SIZE], NonStrict [ANY];
    "H2W-125.2" Must LENGTHS, "five bytes of settings" [ASKED, OK, Move::Frame(kind::SETTINGS, 0, 0, &[0; 5]), BROKEN] => Ok [FRAME_SIZE], NonStrict [ANY];
    "H2W-125.3" Must LENGTHS, "PING of seven bytes" [ASKED, OK, Move::Frame(kind::PING, 0, 0, &[0; 7]), BROKEN] => Ok [FRAME_SIZE], NonStrict [ANY];
    "H2W-125.4" Must LENGTHS, "RST_STREAM of three bytes" [ASKED, OK, Move::Frame(kind::RST_STREAM, 0, 1, &[0; 3]), BROKEN] => Ok [FRAME_SIZE], NonStrict [ANY];
    "H2W-126.1" Must VALUES, "INITIAL_WINDOW_SIZE of 2^31" [ASKED, OK, Move::Frame(kind::SETTINGS, 0, 0, b"\0\x04\x80\0\0\0"), BROKEN] => Ok [Seen::Fails(&[code::FLOW_CONTROL_ERROR])], NonStrict [ANY];
    "H2W-126.2" Must VALUES, "MAX_FRAME_SIZE of 100" [ASKED, OK, Move::Frame(kind::SETTINGS, 0, 0, b"\0\x05\0\0\0\x64"), BROKEN] => Ok [PROTOCOL], NonStrict [ANY];
    "H2W-126.3" Must VALUES, "ENABLE_PUSH of 1 from a server" [ASKED, OK, Move::Frame(kind::SETTINGS, 0, 0, b"\0\x02\0\0\0\x01"), BROKEN] => Ok [PROTOCOL], NonStrict [ANY];
    "H2W-127.1" Must PADDING, "DATA with more padding than payload" [ASKED, OK, Move::Frame(kind::DATA, flag::PADDED, 1, &[9, 0, 0]), BROKEN] => Ok [PROTOCOL], NonStrict [ANY];
    "H2W-128.1" Must ZERO, "WINDOW_UPDATE of 0 on the stream" [ASKED, OK, Move::Frame(kind::WINDOW_UPDATE, 0, 1, &[0; 4]), LEFT] => Ok [MALFORMED], Ok [PROTOCOL], NonStrict [GONE];
    "H2W-128.2" Must ZERO, "WINDOW_UPDATE of 0 on the connection" [ASKED, OK, Move::Frame(kind::WINDOW_UPDATE, 0, 0, &[0; 4]), BROKEN] => Ok [PROTOCOL], NonStrict [ANY];
    "H2W-129.1" Must OVERFLOW, "the window of the stream grows above 2^31 - 1" [ASKED, OK, Move::Frames(2, kind::WINDOW_UPDATE, 0, 1, b"\x7f\xff\xff\xff"), LEFT]
        => Ok [Seen::Reset(1, &[code::FLOW_CONTROL_ERROR])], NonStrict [GONE];
    "H2W-129.2" Must OVERFLOW, "the window of the connection grows above 2^31 - 1" [ASKED, OK, Move::Frames(2, kind::WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff"), BROKEN]
        => Ok [Seen::Fails(&[code::FLOW_CONTROL_ERROR])], NonStrict [ANY];
    "H2W-130.1" May PUSH, "PUSH_PROMISE, which a client that has not forbidden it may go on after" [ASKED, OK, Move::Frame(kind::PUSH_PROMISE, flag::END_HEADERS, 1, &[0, 0, 0, 2]), HELLO]
        => Ok [PROTOCOL], Ok [ECHO], NonStrict [ANY];
    "H2W-131.1" Must IDLE, "DATA on a stream that nobody has opened" [ASKED, OK, Move::Frame(kind::DATA, 0, 1001, b"x"), BROKEN] => Ok [PROTOCOL], NonStrict [ANY];
    "H2W-131.2" Must IDLE, "HEADERS on an even stream" [ASKED, OK, Move::Frame(kind::HEADERS, flag::END_HEADERS, 2, b"\x88"), BROKEN] => Ok [PROTOCOL], NonStrict [ANY];
    "H2W-132.1" Must CONTINUED, "CONTINUATION behind nothing" [ASKED, OK, Move::Frame(kind::CONTINUATION, flag::END_HEADERS, 1, b""), BROKEN] => Ok [PROTOCOL], NonStrict [ANY];
    "H2W-132.2" Must CONTINUED, "DATA inside a field section" [ASKED, Move::Frame(kind::HEADERS, 0, 1, b"\x88"), HELLO, BROKEN] => Ok [PROTOCOL], NonStrict [ANY];
    "H2W-133.1" Must COMPRESSED, "a field section that is none" [ASKED, Move::Frame(kind::HEADERS, flag::END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff"), BROKEN]
        => Ok [Seen::Fails(&[code::COMPRESSION_ERROR])], NonStrict [ANY];
};
