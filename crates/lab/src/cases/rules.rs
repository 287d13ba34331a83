//! The requirements that several cases share, each in one sentence.

rule_table! {
    ECHO = [6455 "5.6", 6455 "6.2"], "A data message is delivered to the application with its type and all its bytes.";
    PING = [6455 "5.5.2", 6455 "5.5.3"], "A Ping is answered by a Pong with the same application data, as soon as is practical.";
    PONG = [6455 "5.5.3"], "A Pong that answers nothing is allowed, and no response to it is expected.";
    PINGS = [6455 "5.5.3"], "Pings are answered in order; an endpoint may answer only the latest of several.";
    CONTROL_LENGTH = [6455 "5.5"], "A control frame has a payload of 125 bytes or less.";
    CONTROL_FIN = [6455 "5.5"], "A control frame is not fragmented.";
    RSV = [6455 "5.2"], "A reserved bit that no agreed extension defines fails the connection.";
    OPCODE = [6455 "5.2"], "An unknown opcode fails the connection.";
    FRAGMENTS = [6455 "5.4"], "A message may come in fragments, and control frames between them.";
    CONTINUATION = [6455 "5.4"], "A continuation frame continues a message that was started and has not ended.";
    INTERLEAVED = [6455 "5.4"], "A new message does not start before the fragmented one has ended.";
    UTF8 = [6455 "5.6"], "A text message holds UTF-8, whatever its characters.";
    BAD_UTF8 = [6455 "8.1"], "A text message that is not UTF-8 fails the connection.";
    FAST_UTF8 = [6455 "8.1"], "A text that can no longer become UTF-8 fails the connection when that shows, not at its end.";
    CLOSE = [6455 "5.5.1"], "A Close is answered by a Close, and nothing is sent after it.";
    CLOSE_CODE = [6455 "7.4"], "A Close with a code that an endpoint may send is answered with a Close.";
    BAD_CODE = [6455 "7.4"], "A close code that no endpoint may send fails the connection.";
    CLOSE_BODY = [6455 "5.5.1"], "A Close holds nothing, or a code of two bytes and a reason in UTF-8.";
    OPEN_CODE = [6455 "7.4.2"], "The RFC does not define close codes of 5000 and more.";
    LIMITS = [6455 "10.4"], "An endpoint has limits; these are sizes that an unconfigured one is hoped to handle.";
    DEFLATE = [7692 "6", 7692 "7.2"], "A compressed message is inflated to what was compressed, and so is its echo.";
}
