//! Several WebSockets and plain requests on one connection, and flow control that holds back one of them.

use crate::case::Case;
use crate::http2::frame::{kind, setting};
use crate::http2::{Cutting, Move, Seen};

rule_table! {
    APART = [8441 "5", 9113 "5"], "WebSockets on streams of one connection have nothing to do with each other.";
    BESIDE_PAGES = [8441 "1", 9113 "5"], "A plain request is served beside a WebSocket.";
    CREDIT = [9113 "5.2.1", 9113 "6.9"], "No more is sent on a stream than its window allows, and all that it allows.";
    ALONE = [9113 "5.2", 8441 "5"], "A stream whose window is shut holds up itself and nothing else.";
    CHANGED = [9113 "6.9.2"], "A new INITIAL_WINDOW_SIZE changes the windows of open streams, below zero, too.";
    RECEIVED = [9113 "5.2.2", 9113 "6.9"], "A server that reads on opens its windows, that of the stream and that of the connection.";
}

const CONNECT: Move = Move::Connect(1, &[]);
const OPENED: Move = Move::Await(Seen::Opened(1));
const HELLO: Move = Move::Say(1, "hello", Cutting::Whole);
const ECHO: Seen = Seen::Echo(1, "hello");
const BESIDE: Move = Move::Connect(3, &[]);
const OPENED_BESIDE: Move = Move::Await(Seen::Opened(3));
const HELLO_BESIDE: Move = Move::Say(3, "beside", Cutting::Whole);
const ECHO_BESIDE: Seen = Seen::Echo(3, "beside");
const BYTE: Move = Move::Window(1, 1);

const SHUT: &[(u16, u32)] = &[(setting::ENABLE_PUSH, 0), (setting::INITIAL_WINDOW_SIZE, 0)];
const SMALL: &[(u16, u32)] = &[(setting::ENABLE_PUSH, 0), (setting::INITIAL_WINDOW_SIZE, 600)];

pub(in super::super) static CASES: &[Case] = exchanges! {
    "H2W-022.1" Must APART, "three WebSockets" [CONNECT, BESIDE, Move::Connect(5, &[]), OPENED, OPENED_BESIDE, Move::Await(Seen::Opened(5)), Move::Say(5, "third", Cutting::Whole), HELLO, HELLO_BESIDE]
        => Ok [ECHO, ECHO_BESIDE, Seen::Echo(5, "third")];
    "H2W-022.2" Must APART, "a message inside the frame of another WebSocket" [CONNECT, BESIDE, OPENED, OPENED_BESIDE, Move::Data(1, b"\x81\x85\0\0\0\0he"), HELLO_BESIDE, Move::Await(ECHO_BESIDE), Move::Data(1, b"llo")]
        => Ok [ECHO, ECHO_BESIDE];
    "H2W-022.3" Must APART, "fragments of two messages in turns" [CONNECT, BESIDE, OPENED, OPENED_BESIDE, Move::Data(1, b"\x01\x82\0\0\0\0he"), Move::Data(3, b"\x01\x82\0\0\0\0be"), Move::Data(1, b"\x80\x83\0\0\0\0llo"), Move::Data(3, b"\x80\x84\0\0\0\0side")]
        => Ok [ECHO, ECHO_BESIDE];
    "H2W-022.4" Must APART, "five requests at once, the second of them refused" [CONNECT, Move::Connect(3, &[crate::http2::Change::Set("sec-websocket-version", "12")]), Move::Connect(5, &[]), Move::Connect(7, &[]), Move::Connect(9, &[]), OPENED, Move::Await(Seen::Opened(9)), HELLO, Move::Say(9, "fifth", Cutting::Whole)]
        => Ok [ECHO, Seen::Echo(9, "fifth"), Seen::Answered(3), Seen::Opened(5), Seen::Opened(7)];
    "H2W-075.1" Must BESIDE_PAGES, "a GET beside a WebSocket" [CONNECT, OPENED, Move::Get(3), HELLO] => Ok [Seen::Served(3), ECHO];
    "H2W-075.2" Must BESIDE_PAGES, "a GET before a WebSocket" [Move::Get(1), Move::Await(Seen::Served(1)), BESIDE, OPENED_BESIDE, HELLO_BESIDE] => Ok [Seen::Served(1), ECHO_BESIDE];
    "H2W-075.3" Must BESIDE_PAGES, "a GET behind a WebSocket" [CONNECT, OPENED, Move::Close(1, 1000), Move::Await(Seen::Closed(1, &[1000])), Move::End(1), Move::Get(3)] => Ok [Seen::Served(3)];
    "H2W-021.1" Must CREDIT, "a window of 0, opened later" with SHUT, [CONNECT, OPENED, HELLO, Move::Rest(150), Move::Window(1, 100)] => Ok [ECHO];
    "H2W-021.2" Must CREDIT, "a window of 0, opened byte by byte" with SHUT, [CONNECT, OPENED, HELLO, BYTE, BYTE, BYTE, BYTE, BYTE, BYTE, BYTE] => Ok [ECHO];
    "H2W-021.3" Must ALONE, "one WebSocket without a window, one with" with SHUT, [CONNECT, BESIDE, OPENED, OPENED_BESIDE, Move::Window(3, 1000), HELLO, Move::Rest(50), HELLO_BESIDE, Move::Await(ECHO_BESIDE), Move::Window(1, 1000)]
        => Ok [ECHO, ECHO_BESIDE];
    "H2W-021.4" Must ALONE, "60 KB wait on one WebSocket" with SMALL, [CONNECT, BESIDE, OPENED, OPENED_BESIDE, Move::Starve(1), Move::SayLong(1, 30_000), Move::Rest(100), HELLO_BESIDE, Move::Await(ECHO_BESIDE), Move::SayLong(1, 30_001), Move::Say(3, "again", Cutting::Whole), Move::Await(Seen::Echo(3, "again")), Move::Window(1, 100_000)]
        => Ok [Seen::EchoLong(1, 30_000), Seen::EchoLong(1, 30_001), ECHO_BESIDE];
    "H2W-021.5" Must ALONE, "PING beside a WebSocket without a window" with SHUT, [CONNECT, OPENED, HELLO, Move::Frame(kind::PING, 0, 0, b"bowsprit"), Move::Rest(100)]
        => Ok [Seen::Pong(*b"bowsprit"), Seen::Quiet(1)];
    "H2W-021.6" Must ALONE, "a WebSocket opens beside one without a window" with SHUT, [CONNECT, OPENED, HELLO, BESIDE, OPENED_BESIDE, Move::Rest(100)] => Ok [Seen::Opened(3), Seen::Quiet(1)];
    "H2W-021.7" Must ALONE, "RST_STREAM on a WebSocket without a window" with SHUT, [CONNECT, BESIDE, OPENED, OPENED_BESIDE, HELLO, Move::Rest(100), Move::Reset(1, 8), Move::Window(3, 1000), HELLO_BESIDE] => Ok [ECHO_BESIDE];
    "H2W-080.1" Must CHANGED, "INITIAL_WINDOW_SIZE from 0 to 1000" with SHUT, [CONNECT, OPENED, HELLO, Move::Rest(100), Move::Settings(&[(setting::INITIAL_WINDOW_SIZE, 1000)])] => Ok [ECHO];
    "H2W-080.2" Must CHANGED, "INITIAL_WINDOW_SIZE from 600 to 0, with 300 of them used" with SMALL, [CONNECT, OPENED, Move::Starve(1), Move::SayLong(1, 300), Move::Await(Seen::EchoLong(1, 300)), Move::Settings(&[(setting::INITIAL_WINDOW_SIZE, 0)]), Move::Await(Seen::Acknowledged(2)), HELLO, Move::Rest(100), Move::Window(1, 400)]
        => Ok [ECHO];
    "H2W-081.1" Must RECEIVED, "three messages of 60000 bytes" [CONNECT, OPENED, Move::SayLong(1, 60_000), Move::SayLong(1, 60_001), Move::SayLong(1, 60_002)]
        => Ok [Seen::EchoLong(1, 60_000), Seen::EchoLong(1, 60_001), Seen::EchoLong(1, 60_002)];
    "H2W-081.2" Must RECEIVED, "60000 bytes on each of three WebSockets" [CONNECT, BESIDE, Move::Connect(5, &[]), OPENED, OPENED_BESIDE, Move::Await(Seen::Opened(5)), Move::SayLong(1, 60_000), Move::SayLong(3, 60_000), Move::SayLong(5, 60_000)]
        => Ok [Seen::EchoLong(1, 60_000), Seen::EchoLong(3, 60_000), Seen::EchoLong(5, 60_000)];
};
