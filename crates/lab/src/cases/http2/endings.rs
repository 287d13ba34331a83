//! How a WebSocket on a stream ends: by its closing handshake, by END_STREAM, by RST_STREAM, by GOAWAY.

use crate::case::Case;
use crate::http2::frame::{code, kind};
use crate::http2::{Cutting, Move, Seen};

rule_table! {
    CLEAN = [8441 "5", 6455 "7.1.1"], "Behind both Close frames the server ends the stream with END_STREAM, and the connection stays.";
    LAST = [6455 "5.5.1", 8441 "5"], "What follows a Close on its stream hurts nobody.";
    END_STREAM = [8441 "5", 6455 "7.1.5"], "END_STREAM is the end of the TCP connection: the server ends its half, too, and the connection stays.";
    RESET = [8441 "5", 9113 "6.4"], "RST_STREAM ends one WebSocket, whatever its code, and nothing else.";
    FAILED = [8441 "5", 6455 "7.1.7"], "A WebSocket that the server fails ends its stream without the client's help.";
    GOING = [9113 "6.8", 8441 "5"], "GOAWAY of the client ends no WebSocket that is open.";
}

const CONNECT: Move = Move::Connect(1, &[]);
const OPENED: Move = Move::Await(Seen::Opened(1));
const HELLO: Move = Move::Say(1, "hello", Cutting::Whole);
const ECHO: Seen = Seen::Echo(1, "hello");
const HEARD: Move = Move::Await(ECHO);
const BESIDE: Move = Move::Connect(3, &[]);
const OPENED_BESIDE: Move = Move::Await(Seen::Opened(3));
const HELLO_BESIDE: Move = Move::Say(3, "beside", Cutting::Whole);
const ECHO_BESIDE: Seen = Seen::Echo(3, "beside");
const OVER: Move = Move::Await(Seen::Over(1));

pub(in super::super) static CASES: &[Case] = exchanges! {
    "H2W-020.1" Must CLEAN, "a Close" [CONNECT, OPENED, Move::Close(1, 1000), OVER]
        => Ok [Seen::Closed(1, &[1000]), Seen::Ended(1), Seen::Alive], NonStrict [Seen::Closed(1, &[1000]), Seen::Over(1), Seen::Alive];
    "H2W-020.2" Must CLEAN, "another WebSocket behind a Close" [CONNECT, OPENED, Move::Close(1, 1000), OVER, Move::End(1), BESIDE, OPENED_BESIDE, HELLO_BESIDE]
        => Ok [Seen::Closed(1, &[1000]), ECHO_BESIDE];
    "H2W-020.3" Must CLEAN, "another WebSocket beside a Close" [CONNECT, OPENED, BESIDE, OPENED_BESIDE, Move::Close(1, 1000), OVER, HELLO_BESIDE]
        => Ok [Seen::Closed(1, &[1000]), ECHO_BESIDE];
    "H2W-020.4" Must CLEAN, "a Close, and END_STREAM at once" [CONNECT, OPENED, BESIDE, OPENED_BESIDE, Move::Close(1, 1000), Move::End(1), OVER, HELLO_BESIDE]
        => Ok [Seen::Closed(1, &[1000]), Seen::Over(1), ECHO_BESIDE], NonStrict [Seen::Over(1), ECHO_BESIDE];
    "H2W-020.5" Must LAST, "a message behind a Close" [CONNECT, OPENED, BESIDE, OPENED_BESIDE, Move::Close(1, 1000), HELLO, OVER, HELLO_BESIDE]
        => Ok [Seen::Closed(1, &[1000]), Seen::Over(1), ECHO_BESIDE], NonStrict [Seen::Over(1), ECHO_BESIDE];
    "H2W-018.1" Must END_STREAM, "END_STREAM without a Close" [CONNECT, OPENED, BESIDE, OPENED_BESIDE, HELLO, HEARD, Move::End(1), OVER, HELLO_BESIDE]
        => Ok [Seen::Over(1), ECHO_BESIDE];
    "H2W-018.2" Must END_STREAM, "END_STREAM before anything was said" [CONNECT, OPENED, BESIDE, OPENED_BESIDE, Move::End(1), OVER, HELLO_BESIDE]
        => Ok [Seen::Over(1), ECHO_BESIDE];
    "H2W-018.3" Must END_STREAM, "END_STREAM on the frame of a message" [CONNECT, OPENED, BESIDE, OPENED_BESIDE, Move::Say(1, "hello", Cutting::EndStream), OVER, HELLO_BESIDE]
        => Ok [Seen::Over(1), ECHO_BESIDE];
    "H2W-018.4" Must END_STREAM, "END_STREAM inside a frame" [CONNECT, OPENED, BESIDE, OPENED_BESIDE, Move::Say(1, "hello", Cutting::PartEndStream), OVER, HELLO_BESIDE]
        => Ok [Seen::Over(1), ECHO_BESIDE];
    "H2W-018.5" Must END_STREAM, "END_STREAM between two fragments" [CONNECT, OPENED, BESIDE, OPENED_BESIDE, Move::Data(1, b"\x01\x82\0\0\0\0he"), Move::End(1), OVER, HELLO_BESIDE]
        => Ok [Seen::Over(1), ECHO_BESIDE];
    "H2W-019.1" Must RESET, "RST_STREAM with CANCEL" [CONNECT, OPENED, BESIDE, OPENED_BESIDE, HELLO, HEARD, Move::Reset(1, code::CANCEL), HELLO_BESIDE] => Ok [ECHO_BESIDE, Seen::Alive];
    "H2W-019.2" Must RESET, "RST_STREAM inside a frame" [CONNECT, OPENED, BESIDE, OPENED_BESIDE, Move::Say(1, "hello", Cutting::Part), Move::Reset(1, code::CANCEL), HELLO_BESIDE] => Ok [ECHO_BESIDE, Seen::Alive];
    "H2W-019.3" Must RESET, "RST_STREAM with NO_ERROR" [CONNECT, OPENED, BESIDE, OPENED_BESIDE, Move::Reset(1, code::NO_ERROR), HELLO_BESIDE] => Ok [ECHO_BESIDE, Seen::Alive];
    "H2W-019.4" Must RESET, "RST_STREAM with CONNECT_ERROR" [CONNECT, OPENED, BESIDE, OPENED_BESIDE, Move::Reset(1, code::CONNECT_ERROR), HELLO_BESIDE] => Ok [ECHO_BESIDE, Seen::Alive];
    "H2W-019.5" Must RESET, "RST_STREAM with a code that nobody knows" [CONNECT, OPENED, BESIDE, OPENED_BESIDE, Move::Reset(1, 0xface), HELLO_BESIDE] => Ok [ECHO_BESIDE, Seen::Alive];
    "H2W-019.6" Must RESET, "RST_STREAM, and another WebSocket at once" [CONNECT, OPENED, Move::Reset(1, code::CANCEL), BESIDE, OPENED_BESIDE, HELLO_BESIDE] => Ok [ECHO_BESIDE, Seen::Alive];
    "H2W-019.7" Must RESET, "RST_STREAM before the response" [CONNECT, Move::Reset(1, code::CANCEL), BESIDE, OPENED_BESIDE, HELLO_BESIDE] => Ok [ECHO_BESIDE, Seen::Alive];
    "H2W-070" Should FAILED, "a reserved opcode, and no word more from the client" [CONNECT, OPENED, Move::Data(1, b"\x83\x80\0\0\0\0"), OVER]
        => Ok [Seen::Over(1), Seen::Alive];
    "H2W-071.1" Should GOING, "GOAWAY with a WebSocket open" [CONNECT, OPENED, Move::Frame(kind::GOAWAY, 0, 0, &[0; 8]), Move::Rest(100), HELLO] => Ok [ECHO];
    "H2W-071.2" Should GOING, "GOAWAY, and the closing handshake" [CONNECT, OPENED, Move::Frame(kind::GOAWAY, 0, 0, &[0; 8]), Move::Rest(100), Move::Close(1, 1000)]
        => Ok [Seen::Closed(1, &[1000])];
};
