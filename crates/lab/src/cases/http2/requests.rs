//! The request that opens a WebSocket: right and wrong ones, and their answers.
//!
//! A fault of one request must not harm a WebSocket beside it, which is opened on stream 1 first.

use crate::case::Case;
use crate::http2::frame::code;
use crate::http2::{Change, Cutting, Move, Seen};

use Change::{Add, Cut, First, Long, Padded, Priority, Set, Without};

rule_table! {
    OPENS = [8441 "5", 9113 "8.6"], "A good request is answered with 200, never with 101, and the stream stays open.";
    IGNORED = [8441 "5"], "Sec-WebSocket-Key and Sec-WebSocket-Accept are not processed.";
    OFFERED = [8441 "5", 6455 "4.2.2"], "Only a subprotocol or an extension that was offered is accepted.";
    FIELDS = [9113 "8.2"], "Fields as HTTP/2 has them are taken.";
    SECTION = [9113 "4.3", 9113 "6.2", 9113 "6.10"], "A field section may be padded, bear a priority, and be cut anywhere.";
    CONNECT_ONLY = [8441 "4", 9113 "8.3"], "The pseudo-header field :protocol is for CONNECT alone.";
    WHOLE = [8441 "4"], "An extended CONNECT has :scheme and :path.";
    PROTOCOL = [8441 "4"], "A protocol that the server does not know opens nothing.";
    PLAIN_CONNECT = [9113 "8.5"], "A CONNECT without :protocol has neither :scheme nor :path, and opens no WebSocket.";
    ONCE = [9113 "8.3"], "A pseudo-header field that comes twice makes a request malformed.";
    PSEUDO = [9113 "8.3"], "Pseudo-header fields stand before all others, and there are no others than those defined.";
    CONNECTION = [9113 "8.2.2", 8441 "5"], "A request with fields of the connection is malformed.";
    NAMES = [9113 "8.2.1"], "A request whose field names or values hold what they cannot is malformed.";
    HOST = [9113 "8.3.1"], "A Host field that is not the same as :authority makes a request malformed.";
    AUTHORITY = [9113 "8.3.1"], "A request names its authority.";
    SCHEME = [8441 "5"], "The scheme of a WebSocket over HTTP/2 is http or https.";
    VERSION = [6455 "4.2.2" "4", 6455 "4.4", 8441 "5"], "Another version than 13 is refused with the version that is known.";
    END = [9113 "8.1", 9113 "8.6"], "A refusal is a whole response, which ends its stream.";
    HALF_OPEN = [8441 "5", 6455 "7.1.1"], "A request that ends the stream opens nothing that stays.";
}

const CONNECT: Move = Move::Connect(1, &[]);
const OPENED: Move = Move::Await(Seen::Opened(1));
const HELLO: Move = Move::Say(1, "hello", Cutting::Whole);
const ECHO: Seen = Seen::Echo(1, "hello");

/// A request with these changes is accepted.
macro_rules! good {
    ($($id:literal $level:ident $rule:ident, $title:literal [$($change:expr),*] $($more:expr),*;)*) => {
        exchanges! { $($id $level $rule, $title [Move::Connect(1, &[$($change),*]), OPENED, HELLO] => Ok [ECHO $(, $more)*];)* }
    };
}

/// Without processing the key, a server has no value for Sec-WebSocket-Accept; no sentence forbids the field.
macro_rules! unprocessed {
    ($($id:literal, $title:literal [$($change:expr),*];)*) => {
        exchanges! { $($id Must IGNORED, $title [Move::Connect(1, &[$($change),*]), OPENED, HELLO]
            => Ok [ECHO, Seen::Lacks(1, "sec-websocket-accept")], NonStrict [ECHO];)* }
    };
}

pub(in super::super) static UNPROCESSED: &[Case] = unprocessed! {
    "H2W-009.1", "a Sec-WebSocket-Key" [Add("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")];
    "H2W-009.2", "a Sec-WebSocket-Key that is none" [Add("sec-websocket-key", "no key")];
    "H2W-009.3", "no Sec-WebSocket-Key" [];
    "H2W-009.4", "a Sec-WebSocket-Accept" [Add("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")];
};

pub(in super::super) static GOOD: &[Case] = good! {
    "H2W-011" Must OPENS, "a good request" [] Seen::Status(1, &[200]);
    "H2W-013.1" Must OFFERED, "no subprotocol offered" [] Seen::Lacks(1, "sec-websocket-protocol");
    "H2W-013.2" Must OFFERED, "no extension offered" [] Seen::Lacks(1, "sec-websocket-extensions");
    "H2W-013.3" Must OFFERED, "an extension that nobody knows" [Add("sec-websocket-extensions", "x-unheard-of")] Seen::Lacks(1, "sec-websocket-extensions");
    "H2W-035.1" Must FIELDS, "te: trailers" [Add("te", "trailers")];
    "H2W-035.2" Must FIELDS, "two cookie fields" [Add("cookie", "a=1"), Add("cookie", "b=2")];
    "H2W-035.3" Must FIELDS, "an empty field value" [Add("x-empty", "")];
    "H2W-035.4" Must FIELDS, "a Host field that is the same as :authority" [Add("host", "{host}")];
    "H2W-035.5" Should FIELDS, "a field of 4 KiB" [Long("x-long", 4096)];
    "H2W-036.1" Must SECTION, "a padded HEADERS frame" [Padded(200)];
    "H2W-036.2" Must SECTION, "a HEADERS frame with a priority" [Priority(0)];
    "H2W-036.3" Must SECTION, "a HEADERS frame that depends on a stream nobody has opened" [Priority(99)];
    "H2W-036.4" Must SECTION, "a field section in pieces of 24 bytes" [Cut(24)];
    "H2W-036.5" Must SECTION, "a field section of 5 KiB in two pieces, padded, with a priority" [Long("x-long", 5120), Cut(4000), Padded(7), Priority(0)];
};

/// A WebSocket is open on stream 1, and a malformed request comes on stream 3: the request fails and the WebSocket
/// survives.
macro_rules! malformed {
    ($($id:literal $level:ident $rule:ident, $title:literal [$($change:expr),*];)*) => {
        exchanges! { $($id $level $rule, $title
            [CONNECT, OPENED, Move::Connect(3, &[$($change),*]), Move::Await(Seen::Answered(3)), HELLO]
            // RFC 9113 §8.1.1 allows a response in front of the reset, and thus in place of it.
            => Ok [Seen::Reset(3, &[code::PROTOCOL_ERROR]), ECHO], Ok [Seen::Refused(3), ECHO],
               NonStrict [Seen::Reset(3, &[]), ECHO], NonStrict [Seen::Fails(&[])];
        )* }
    };
}

pub(in super::super) static MALFORMED: &[Case] = malformed! {
    "H2W-006.1" Must CONNECT_ONLY, ":protocol with GET" [Set(":method", "GET")];
    "H2W-006.2" Must CONNECT_ONLY, ":protocol with POST" [Set(":method", "POST")];
    "H2W-006.3" Must CONNECT_ONLY, ":protocol with \"connect\"" [Set(":method", "connect")];
    "H2W-006.4" Must CONNECT_ONLY, ":protocol without :method" [Without(":method")];
    "H2W-007.1" Must WHOLE, "no :scheme" [Without(":scheme")];
    "H2W-007.2" Must WHOLE, "no :path" [Without(":path")];
    "H2W-007.3" Must WHOLE, "an empty :path" [Set(":path", "")];
    "H2W-007.4" Should WHOLE, "a :path without a slash" [Set(":path", "chat")];
    "H2W-007.5" Should WHOLE, "a :path of *" [Set(":path", "*")];
    "H2W-010.1" Must CONNECTION, "connection: Upgrade" [Add("connection", "Upgrade")];
    "H2W-010.2" Must CONNECTION, "upgrade: websocket" [Add("upgrade", "websocket")];
    "H2W-010.3" Must CONNECTION, "both of them" [Add("connection", "Upgrade"), Add("upgrade", "websocket")];
    "H2W-010.4" Must CONNECTION, "transfer-encoding: chunked" [Add("transfer-encoding", "chunked")];
    "H2W-010.5" Must CONNECTION, "keep-alive" [Add("keep-alive", "timeout=5")];
    "H2W-010.6" Must CONNECTION, "proxy-connection" [Add("proxy-connection", "keep-alive")];
    "H2W-010.7" Must CONNECTION, "te: gzip" [Add("te", "gzip")];
    "H2W-040.1" Must ONCE, ":method twice" [First(":method", "CONNECT")];
    "H2W-040.2" Must ONCE, ":protocol twice" [First(":protocol", "websocket")];
    "H2W-040.3" Must ONCE, ":scheme twice" [First(":scheme", "{scheme}")];
    "H2W-040.4" Must ONCE, ":path twice" [First(":path", "{target}")];
    "H2W-040.5" Must ONCE, ":authority twice" [First(":authority", "{host}")];
    "H2W-041.1" Must PSEUDO, ":path behind a field" [Without(":path"), Add(":path", "{target}")];
    "H2W-041.2" Must PSEUDO, ":protocol behind a field" [Without(":protocol"), Add(":protocol", "websocket")];
    "H2W-041.3" Must PSEUDO, "a pseudo-header field that nobody knows" [First(":x-unheard", "of")];
    "H2W-041.4" Must PSEUDO, ":status in a request" [First(":status", "200")];
    "H2W-042.1" Must PLAIN_CONNECT, "CONNECT with :scheme and :path and without :protocol" [Without(":protocol")];
    "H2W-042.2" Must PLAIN_CONNECT, "CONNECT with :authority alone" [Without(":protocol"), Without(":scheme"), Without(":path")];
    "H2W-043.1" Must NAMES, "a field name in upper case" [Add("X-Upper", "a")];
    "H2W-043.2" Must NAMES, "a field name with a blank" [Add("x blank", "a")];
    "H2W-043.3" Must NAMES, "a field name with a colon" [Add("x:colon", "a")];
    "H2W-043.4" Must NAMES, "an empty field name" [Add("", "a")];
    "H2W-043.5" Must NAMES, "a field value with CR LF" [Add("x-value", "a\r\nx-more: b")];
    "H2W-043.6" Must NAMES, "a field value with NUL" [Add("x-value", "a\0b")];
    "H2W-043.7" Should NAMES, "a field value with a blank in front" [Add("x-value", " a")];
    "H2W-044.1" Should HOST, "a Host field that names another host" [Add("host", "other.example")];
    "H2W-044.2" Should AUTHORITY, "neither :authority nor Host" [Without(":authority")];
};

pub(in super::super) static REFUSED: &[Case] = exchanges! {
    "H2W-008.1" Must PROTOCOL, "a :protocol that nobody knows" [CONNECT, OPENED, Move::Connect(3, &[Set(":protocol", "x-unheard-of")]), Move::Await(Seen::Answered(3)), HELLO]
        => Ok [Seen::Refused(3), ECHO], NonStrict [Seen::Reset(3, &[]), ECHO];
    "H2W-008.2" Must PROTOCOL, "an empty :protocol" [CONNECT, OPENED, Move::Connect(3, &[Set(":protocol", "")]), Move::Await(Seen::Answered(3)), HELLO]
        => Ok [Seen::Refused(3), ECHO], Ok [Seen::Reset(3, &[code::PROTOCOL_ERROR]), ECHO], NonStrict [Seen::Reset(3, &[]), ECHO];
    "H2W-008.3" Should PROTOCOL, "a :protocol of two names" [CONNECT, OPENED, Move::Connect(3, &[Set(":protocol", "websocket, x-unheard-of")]), Move::Await(Seen::Answered(3)), HELLO]
        => Ok [Seen::Refused(3), ECHO], NonStrict [Seen::Reset(3, &[]), ECHO];
    // Names in Upgrade are compared without case; nothing says so about :protocol.
    "H2W-008.4" May PROTOCOL, "a :protocol of \"WebSocket\"" [Move::Connect(1, &[Set(":protocol", "WebSocket")]), Move::Await(Seen::Answered(1)), HELLO]
        => Informational [ECHO], Informational [Seen::Refused(1)], Informational [Seen::Reset(1, &[])];
    "H2W-012.1" Must VERSION, "no Sec-WebSocket-Version" [CONNECT, OPENED, Move::Connect(3, &[Without("sec-websocket-version")]), Move::Await(Seen::Answered(3)), HELLO]
        => Ok [Seen::Refused(3), ECHO], NonStrict [Seen::Reset(3, &[]), ECHO];
    "H2W-012.2" Must VERSION, "Sec-WebSocket-Version of 12" [CONNECT, OPENED, Move::Connect(3, &[Set("sec-websocket-version", "12")]), Move::Await(Seen::Answered(3)), HELLO]
        => Ok [Seen::Refused(3), Seen::Has(3, "sec-websocket-version", "13"), ECHO], NonStrict [Seen::Refused(3), ECHO], NonStrict [Seen::Reset(3, &[]), ECHO];
    "H2W-012.3" Must VERSION, "Sec-WebSocket-Version of 130" [CONNECT, OPENED, Move::Connect(3, &[Set("sec-websocket-version", "130")]), Move::Await(Seen::Answered(3)), HELLO]
        => Ok [Seen::Refused(3), Seen::Has(3, "sec-websocket-version", "13"), ECHO], NonStrict [Seen::Refused(3), ECHO], NonStrict [Seen::Reset(3, &[]), ECHO];
    "H2W-012.4" Must VERSION, "Sec-WebSocket-Version of 13, twice" [CONNECT, OPENED, Move::Connect(3, &[Add("sec-websocket-version", "13")]), Move::Await(Seen::Answered(3)), HELLO]
        => Ok [Seen::Refused(3), ECHO], NonStrict [Seen::Reset(3, &[]), ECHO];
    "H2W-045" May SCHEME, "a :scheme of ws" [Move::Connect(1, &[Set(":scheme", "ws")]), Move::Await(Seen::Answered(1)), HELLO]
        => Informational [ECHO], Informational [Seen::Refused(1)], Informational [Seen::Reset(1, &[])], Informational [Seen::Fails(&[])];
    "H2W-046" Must END, "a refusal, and what is behind it" [CONNECT, OPENED, Move::Connect(3, &[Set("sec-websocket-version", "12")]), Move::Await(Seen::Over(3)), HELLO]
        => Ok [Seen::Refused(3), Seen::Ended(3), ECHO], NonStrict [Seen::Reset(3, &[]), ECHO];
    "H2W-047" Should HALF_OPEN, "a request with END_STREAM" [CONNECT, OPENED, Move::Connect(3, &[Change::EndStream]), Move::Await(Seen::Over(3)), HELLO]
        => Ok [Seen::Over(3), ECHO];
};
