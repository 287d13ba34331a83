#!/bin/sh
# LibVNCServer 0.9.14 (Debian 12; x11vnc is built on it) takes WebSocket frames for packets: it
# does not read a fragmented message, nor a frame of which a part arrives later than the rest, never answers a Ping and
# never answers a Close frame.
#
# Rules: RFC 6455 section 5.4, endpoints must be able to receive fragmented messages; section 5.5.2, a Pong must
# answer a Ping; section 5.5.1, a Close frame must answer a Close frame; and TCP has no boundaries to rely on.
# A client that keeps the session alive by Pings takes the server for dead; one that fragments, or whose segments are
# cut anew on the way (a proxy, TLS records, a slow link), is cut off or left waiting; a goodbye always ends as 1006.
#
# Seen (the message is the 12 bytes of an RFB version, which the server answers by its security types):
#   whole: binary b'\x01\x01'
#   two fragments: no answer
#   header, pause, payload: no answer
#   all but 4 bytes, pause, 4 bytes: no answer
#   Ping, message: binary b'\x01\x01'
#   message, Close 1000: binary b'\x01\x01', end of stream
. "$(dirname "$0")/lib.sh"
. "$here/vnc.sh"

cat >"$work/ask.py" <<'PY'
import sys, time
from wire import BINARY, PING, close, connect, frame

VERSION = b"RFB 003.008\n"
message = frame(BINARY, VERSION)
writes = {
    "whole": [message],
    "fragments": [frame(BINARY, VERSION[:5], fin=False), frame(0, VERSION[5:])],
    "header": [message[:6], message[6:]],
    "tail": [message[:-4], message[-4:]],
    "ping": [frame(PING, b"ab"), message],
    "close": [message, close(1000)],
}[sys.argv[2]]

sock, reader, head = connect(int(sys.argv[1]), "/", "Origin: http://127.0.0.1", "Sec-WebSocket-Protocol: binary")
assert reader.frame()[3] == VERSION
for write in writes:
    try:
        sock.sendall(write)
    except OSError:
        break
    time.sleep(1)
sock.settimeout(5)
seen = [reader.shown()]
if sys.argv[2] == "close" and not reader.ended:
    seen.append(reader.shown())
print("no answer" if seen == [reader.ended] else ", ".join(seen))
PY

ask() { python3 "$work/ask.py" "$port" "$1"; }
expect "whole" "binary b'\\x01\\x01'" "$(ask whole)"
expect "two fragments" "no answer" "$(ask fragments)"
expect "header, pause, payload" "no answer" "$(ask header)"
expect "all but 4 bytes, pause, 4 bytes" "no answer" "$(ask tail)"
expect "Ping, message" "binary b'\\x01\\x01'" "$(ask ping)"
expect "message, Close 1000" "binary b'\\x01\\x01', end of stream" "$(ask close)"
verdict
