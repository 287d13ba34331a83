//! DATA frames and their content; frames of all types that are right, wrong, or misplaced.

use crate::case::Case;
use crate::http2::frame::{MAX_PAYLOAD, code, flag, kind};
use crate::http2::{Cutting, Move, Seen};

rule_table! {
    CUTS = [8441 "5", 9113 "6.1"], "The bytes of DATA frames are one stream, wherever they are cut and whatever padding they have.";
    MASKED = [8441 "5", 6455 "5.1"], "Frames of a client are masked inside DATA as well; what is not fails this WebSocket alone.";
    INSIDE = [8441 "5", 6455 "5.2"], "What is wrong inside DATA fails this WebSocket alone.";
    TUNNEL = [9113 "8.5", 8441 "4"], "On the stream of a CONNECT only DATA and frames that manage streams are right.";
    CLOSED = [9113 "5.1"], "DATA behind END_STREAM is an error.";
    IDLE = [9113 "5.1"], "Frames on a stream that nobody has opened end the connection.";
    NUMBERS = [9113 "5.1.1"], "A client opens streams of odd numbers, each higher than the last.";
    PADDING = [9113 "6.1"], "Padding that is longer than its frame ends the connection.";
    SIZE = [9113 "4.2"], "A frame that is longer than the receiver has announced is an error.";
    SIZES = [9113 "6.4", 9113 "6.7"], "RST_STREAM has four bytes, PING eight.";
    UPDATE = [9113 "6.9"], "A WINDOW_UPDATE of 0 is an error of what it is on.";
    OVERFLOW = [9113 "6.9.1"], "A window above 2^31 - 1 is an error of what it belongs to.";
    CONTINUED = [9113 "6.10"], "CONTINUATION follows HEADERS at once, and stands nowhere else.";
    PUSH = [9113 "8.4"], "A client cannot push.";
    UNKNOWN = [9113 "5.5"], "Frames of types that are not known are ignored.";
    PRIORITIES = [9113 "5.3.2"], "PRIORITY says nothing any more, and hurts nothing.";
    PONG = [9113 "6.7"], "A PING is answered with its data.";
    UNASKED = [9113 "6.7"], "An answer to no PING is nothing that RFC 9113 calls an error.";
    ON_STREAM = [9113 "6.7", 9113 "6.8"], "PING and GOAWAY are on no stream.";
    HPACK = [9113 "4.3"], "A field section that cannot be read ends the connection.";
}

const CONNECT: Move = Move::Connect(1, &[]);
const OPENED: Move = Move::Await(Seen::Opened(1));
const HELLO: Move = Move::Say(1, "hello", Cutting::Whole);
const ECHO: Seen = Seen::Echo(1, "hello");
const BESIDE: Move = Move::Connect(3, &[]);
const OPENED_BESIDE: Move = Move::Await(Seen::Opened(3));
const HELLO_BESIDE: Move = Move::Say(3, "beside", Cutting::Whole);
const ECHO_BESIDE: Seen = Seen::Echo(3, "beside");
const PROTOCOL: Seen = Seen::Fails(&[code::PROTOCOL_ERROR]);
const FRAME_SIZE: Seen = Seen::Fails(&[code::FRAME_SIZE_ERROR]);
const ANY: Seen = Seen::Fails(&[]);

/// Two text messages, "a" and "b", and the first half of a third one, "cd"; masked with zeros.
const TWO_AND_A_HALF: &[u8] = b"\x81\x81\0\0\0\0a\x81\x81\0\0\0\0b\x81\x82\0\0\0\0c";

pub(in super::super) static DATA: &[Case] = exchanges! {
    "H2W-017.1" Must CUTS, "a message, one byte in each DATA frame" [CONNECT, OPENED, Move::Say(1, "hello", Cutting::Bytes)] => Ok [ECHO];
    "H2W-017.2" Must CUTS, "a message in padded DATA frames" [CONNECT, OPENED, Move::Say(1, "hello", Cutting::Padded(20))] => Ok [ECHO];
    "H2W-017.3" Must CUTS, "padding of no bytes" [CONNECT, OPENED, Move::Say(1, "hello", Cutting::Padded(0))] => Ok [ECHO];
    "H2W-017.4" Must CUTS, "padding of 255 bytes" [CONNECT, OPENED, Move::Say(1, "hello", Cutting::Padded(255))] => Ok [ECHO];
    "H2W-017.5" Must CUTS, "empty DATA frames before, between and behind" [CONNECT, OPENED, Move::Say(1, "hello", Cutting::Empty)] => Ok [ECHO];
    "H2W-017.6" Must CUTS, "two and a half messages in one DATA frame" [CONNECT, OPENED, Move::Data(1, TWO_AND_A_HALF), Move::Await(Seen::Echo(1, "b")), Move::Data(1, b"d")]
        => Ok [Seen::Echo(1, "a"), Seen::Echo(1, "b"), Seen::Echo(1, "cd")];
    "H2W-017.7" Must CUTS, "a message of 50000 bytes" [CONNECT, OPENED, Move::SayLong(1, 50_000)] => Ok [Seen::EchoLong(1, 50_000)];
    "H2W-017.8" Must CUTS, "a message that waits inside its header" [CONNECT, OPENED, Move::Data(1, b"\x81"), Move::Rest(100), Move::Data(1, b"\x85\0\0\0\0hello")] => Ok [ECHO];
    "H2W-016.1" Must MASKED, "a frame that is not masked" [CONNECT, OPENED, BESIDE, OPENED_BESIDE, Move::Data(1, b"\x81\x01a"), Move::Await(Seen::Over(1)), HELLO_BESIDE]
        => Ok [Seen::Closed(1, &[1002]), Seen::Over(1), ECHO_BESIDE], Ok [Seen::Over(1), ECHO_BESIDE], NonStrict [Seen::Closed(1, &[1002]), ECHO_BESIDE];
    "H2W-016.2" Must INSIDE, "a reserved opcode" [CONNECT, OPENED, BESIDE, OPENED_BESIDE, Move::Data(1, b"\x83\x80\0\0\0\0"), Move::Await(Seen::Over(1)), HELLO_BESIDE]
        => Ok [Seen::Closed(1, &[1002]), Seen::Over(1), ECHO_BESIDE], Ok [Seen::Over(1), ECHO_BESIDE], NonStrict [Seen::Closed(1, &[1002]), ECHO_BESIDE];
    "H2W-016.3" Must INSIDE, "a text that is not UTF-8" [CONNECT, OPENED, BESIDE, OPENED_BESIDE, Move::Data(1, b"\x81\x81\0\0\0\0\xff"), Move::Await(Seen::Over(1)), HELLO_BESIDE]
        => Ok [Seen::Closed(1, &[1007]), Seen::Over(1), ECHO_BESIDE], Ok [Seen::Over(1), ECHO_BESIDE], NonStrict [Seen::Closed(1, &[1007]), ECHO_BESIDE];
};

/// One byte more than a peer has to accept.
static TOO_LONG: [u8; MAX_PAYLOAD + 1] = [0; MAX_PAYLOAD + 1];

pub(in super::super) static STREAMS: &[Case] = exchanges! {
    "H2W-050.1" Must TUNNEL, "HEADERS on an open WebSocket" [CONNECT, OPENED, BESIDE, OPENED_BESIDE, Move::Connect(1, &[]), Move::Await(Seen::Over(1)), HELLO_BESIDE]
        => Ok [Seen::Reset(1, &[]), ECHO_BESIDE], NonStrict [Seen::Over(1), ECHO_BESIDE], NonStrict [ANY];
    "H2W-050.2" Must TUNNEL, "trailers on an open WebSocket" [CONNECT, OPENED, BESIDE, OPENED_BESIDE, Move::Frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, b"\0\x01a\x01b"), Move::Await(Seen::Over(1)), HELLO_BESIDE]
        => Ok [Seen::Reset(1, &[]), ECHO_BESIDE], NonStrict [Seen::Over(1), ECHO_BESIDE], NonStrict [ANY];
    "H2W-051" Must CLOSED, "DATA behind END_STREAM" [CONNECT, OPENED, Move::End(1), HELLO]
        => Ok [Seen::Reset(1, &[code::STREAM_CLOSED])], Ok [Seen::Fails(&[code::STREAM_CLOSED])], NonStrict [Seen::Over(1)], NonStrict [ANY];
    "H2W-052.1" Must UPDATE, "WINDOW_UPDATE of 0 on the stream of a WebSocket" [CONNECT, OPENED, BESIDE, OPENED_BESIDE, Move::Frame(kind::WINDOW_UPDATE, 0, 1, &[0; 4]), Move::Await(Seen::Over(1)), HELLO_BESIDE]
        => Ok [Seen::Reset(1, &[code::PROTOCOL_ERROR]), ECHO_BESIDE], NonStrict [Seen::Over(1), ECHO_BESIDE], NonStrict [ANY];
    "H2W-052.2" Must UPDATE, "WINDOW_UPDATE of 0 on the connection" [CONNECT, OPENED, Move::Frame(kind::WINDOW_UPDATE, 0, 0, &[0; 4])]
        => Ok [PROTOCOL], NonStrict [ANY];
    "H2W-053.1" Must OVERFLOW, "the window of a WebSocket grows above 2^31 - 1" [CONNECT, OPENED, BESIDE, OPENED_BESIDE, Move::Frame(kind::WINDOW_UPDATE, 0, 1, b"\x7f\xff\xff\xff"), Move::Await(Seen::Over(1)), HELLO_BESIDE]
        => Ok [Seen::Reset(1, &[code::FLOW_CONTROL_ERROR]), ECHO_BESIDE], NonStrict [Seen::Over(1), ECHO_BESIDE], NonStrict [ANY];
    "H2W-053.2" Must OVERFLOW, "the window of the connection grows above 2^31 - 1" [CONNECT, OPENED, Move::Frame(kind::WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff")]
        => Ok [Seen::Fails(&[code::FLOW_CONTROL_ERROR])], NonStrict [ANY];
    "H2W-054" Must SIZE, "a DATA frame of 16385 bytes" [CONNECT, OPENED, Move::Frame(kind::DATA, 0, 1, &TOO_LONG)]
        // A server that has announced longer frames reads the content.
        => Ok [Seen::Reset(1, &[code::FRAME_SIZE_ERROR])], Ok [FRAME_SIZE], Ok [Seen::Closed(1, &[1002])], NonStrict [Seen::Over(1)], NonStrict [ANY];
};

pub(in super::super) static CONNECTION: &[Case] = exchanges! {
    "H2W-055.1" Must IDLE, "DATA on a stream that nobody has opened" [CONNECT, OPENED, Move::Frame(kind::DATA, 0, 99, b"a")] => Ok [PROTOCOL], NonStrict [ANY];
    "H2W-055.2" Must IDLE, "RST_STREAM on a stream that nobody has opened" [CONNECT, OPENED, Move::Frame(kind::RST_STREAM, 0, 99, &[0, 0, 0, 8])] => Ok [PROTOCOL], NonStrict [ANY];
    "H2W-055.3" Must IDLE, "WINDOW_UPDATE on a stream that nobody has opened" [CONNECT, OPENED, Move::Frame(kind::WINDOW_UPDATE, 0, 99, &[0, 0, 0, 8])] => Ok [PROTOCOL], NonStrict [ANY];
    "H2W-056.1" Must NUMBERS, "a request on an even stream" [CONNECT, OPENED, Move::Connect(4, &[])] => Ok [PROTOCOL], NonStrict [ANY];
    "H2W-056.2" Must NUMBERS, "a request on a lower stream than the last" [Move::Connect(5, &[]), Move::Await(Seen::Opened(5)), Move::Connect(3, &[])]
        => Ok [PROTOCOL], Ok [Seen::Fails(&[code::STREAM_CLOSED])], NonStrict [ANY], NonStrict [Seen::Reset(3, &[code::STREAM_CLOSED])];
    "H2W-057" Must PADDING, "DATA with more padding than payload" [CONNECT, OPENED, Move::Frame(kind::DATA, flag::PADDED, 1, b"\x09abc")] => Ok [PROTOCOL], NonStrict [ANY];
    "H2W-058.1" Must SIZES, "RST_STREAM of three bytes" [CONNECT, OPENED, Move::Frame(kind::RST_STREAM, 0, 1, &[0; 3])] => Ok [FRAME_SIZE], NonStrict [ANY];
    "H2W-058.2" Must SIZES, "PING of seven bytes" [CONNECT, OPENED, Move::Frame(kind::PING, 0, 0, &[0; 7])] => Ok [FRAME_SIZE], NonStrict [ANY];
    "H2W-059.1" Must CONTINUED, "CONTINUATION behind nothing" [CONNECT, OPENED, Move::Frame(kind::CONTINUATION, flag::END_HEADERS, 1, b"")] => Ok [PROTOCOL], NonStrict [ANY];
    "H2W-059.2" Must CONTINUED, "DATA inside a field section" [CONNECT, OPENED, Move::Frame(kind::HEADERS, 0, 3, b"\x82"), HELLO] => Ok [PROTOCOL], NonStrict [ANY];
    "H2W-060" Must PUSH, "PUSH_PROMISE" [CONNECT, OPENED, Move::Frame(kind::PUSH_PROMISE, flag::END_HEADERS, 1, &[0, 0, 0, 2])] => Ok [PROTOCOL], NonStrict [ANY];
    "H2W-061.1" Must UNKNOWN, "a frame of an unknown type" [CONNECT, OPENED, Move::Frame(0xfa, 0xff, 0, b"whatever"), HELLO] => Ok [ECHO];
    "H2W-061.2" Must UNKNOWN, "flags that DATA does not have" [CONNECT, OPENED, Move::Frame(kind::DATA, 0xf2, 1, b"\x81\x85\0\0\0\0hello")] => Ok [ECHO];
    "H2W-062.1" Must PRIORITIES, "PRIORITY on an open WebSocket" [CONNECT, OPENED, Move::Frame(kind::PRIORITY, 0, 1, &[0, 0, 0, 0, 9]), HELLO] => Ok [ECHO];
    "H2W-062.2" Must PRIORITIES, "PRIORITY on a stream that nobody has opened" [CONNECT, OPENED, Move::Frame(kind::PRIORITY, 0, 99, &[0, 0, 0, 1, 9]), HELLO] => Ok [ECHO];
    "H2W-063.1" Must PONG, "PING" [Move::Frame(kind::PING, 0, 0, b"bowsprit")] => Ok [Seen::Pong(*b"bowsprit")];
    "H2W-063.2" Must PONG, "PING inside a frame of a WebSocket" [CONNECT, OPENED, Move::Data(1, b"\x81\x85\0\0\0\0he"), Move::Frame(kind::PING, 0, 0, b"bowsprit"), Move::Await(Seen::Pong(*b"bowsprit")), Move::Data(1, b"llo")]
        => Ok [Seen::Pong(*b"bowsprit"), ECHO];
    "H2W-063.3" May UNASKED, "an answer to no PING" [CONNECT, OPENED, Move::Frame(kind::PING, flag::ACK, 0, b"bowsprit"), HELLO] => Ok [ECHO], NonStrict [ANY];
    "H2W-064.1" Must ON_STREAM, "PING on the stream of a WebSocket" [CONNECT, OPENED, Move::Frame(kind::PING, 0, 1, b"bowsprit")] => Ok [PROTOCOL], NonStrict [ANY];
    "H2W-064.2" Must ON_STREAM, "GOAWAY on the stream of a WebSocket" [CONNECT, OPENED, Move::Frame(kind::GOAWAY, 0, 1, &[0; 8])] => Ok [PROTOCOL], NonStrict [ANY];
    "H2W-065" Must HPACK, "a field section that is none" [CONNECT, OPENED, Move::Frame(kind::HEADERS, flag::END_HEADERS, 3, b"\xff\xff\xff\xff\xff\xff")]
        => Ok [Seen::Fails(&[code::COMPRESSION_ERROR])], NonStrict [ANY];
};
