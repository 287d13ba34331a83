#!/bin/sh
# LibVNCServer 0.9.14 (Debian 12; x11vnc is built on it) ends the connection, without any HTTP
# answer, of a WebSocket client that sends no Origin, and prefers base64 in text frames to the client's first choice.
#
# Rules: RFC 6455 section 4.1 item 8, Origin must be sent by browsers only; section 4.2.1 item 7, optional for a
# server to see; section 4.1 item 10, the subprotocols are "ordered by preference". Neither noVNC nor any page ever
# meets the first, as a browser always sends Origin: a command-line client or a probe meets nothing else.
#
# Seen:
#   no Origin: end of stream, no response
#   Origin: HTTP/1.1 101 Switching Protocols, subprotocol none, binary b'RFB 003.008\n'
#   Origin, "binary, base64": HTTP/1.1 101 Switching Protocols, subprotocol base64, text b'UkZCIDAwMy4wMDgK'
. "$(dirname "$0")/lib.sh"
. "$here/vnc.sh"

cat >"$work/ask.py" <<'PY'
import sys
from wire import connect, value

sock, reader, head = connect(int(sys.argv[1]), "/", *sys.argv[2:])
if head is None:
    print(f"{reader.ended}, no response")
else:
    print(f"{head.splitlines()[0].strip()}, subprotocol {value(head, 'Sec-WebSocket-Protocol')[:1] or 'none'}, {reader.shown()}")
PY

ask() { python3 "$work/ask.py" "$port" "$@"; }
expect "no Origin" "end of stream, no response" "$(ask)"
expect "Origin" "HTTP/1.1 101 Switching Protocols, subprotocol none, binary b'RFB 003.008\\n'" "$(ask 'Origin: http://127.0.0.1')"
expect "Origin, binary before base64" \
    "HTTP/1.1 101 Switching Protocols, subprotocol ['base64'], text b'UkZCIDAwMy4wMDgK'" \
    "$(ask 'Origin: http://127.0.0.1' 'Sec-WebSocket-Protocol: binary, base64')"
verdict
