#!/bin/sh
# websockify 0.13.0 (PyPI) finds its subprotocol in "chat,binary" and not in "chat, binary": the blank that every browser
# writes is taken for a part of the name, and the answer is 400. It reads one line of the field only.
#
# Rules: RFC 6455 section 4.3, Sec-WebSocket-Protocol from a client is a list (1#token); RFC 9110 section 5.6.1, blanks
# around the elements mean nothing, and section 5.3, several lines are one list; RFC 6455 section 4.2.2, a server that
# agrees to none leaves the field out and goes on. noVNC asks for "binary" alone and never meets it; a page that offers
# a second choice works or not by their order.
#
# Seen:
#   binary | binary, chat | chat,binary: HTTP/1.1 101 Switching Protocols, binary
#   chat, binary | chat and binary on two lines | chat: HTTP/1.1 400 Invalid protocol selected, none
. "$(dirname "$0")/lib.sh"
pip_packages websockify==0.13.0

cat >"$work/ask.py" <<'PY'
import sys
from wire import connect, value

sock, reader, head = connect(int(sys.argv[1]), "/", *(f"Sec-WebSocket-Protocol: {offer}" for offer in sys.argv[2:]))
print(f"{head.splitlines()[0]}, {', '.join(value(head, 'Sec-WebSocket-Protocol')) or 'none'}")
PY

# What websockify connects to is a listener that says nothing.
port=$(free_port)
target=$(free_port)
start target.log python3 -c 'import socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(110)' "$target"
start websockify.log python3 -m websockify "127.0.0.1:$port" "127.0.0.1:$target"
wait_port "$port"
agreed="HTTP/1.1 101 Switching Protocols, binary"
refused="HTTP/1.1 400 Invalid protocol selected, none"
offer() { what=$1 wanted=$2; shift 2; expect "$what" "$wanted" "$(python3 "$work/ask.py" "$port" "$@")"; }
offer "binary" "$agreed" "binary"
offer "binary, chat" "$agreed" "binary, chat"
offer "chat,binary" "$agreed" "chat,binary"
offer "chat, binary" "$refused" "chat, binary"
offer "two lines" "$refused" "chat" "binary"
offer "chat" "$refused" "chat"
verdict
