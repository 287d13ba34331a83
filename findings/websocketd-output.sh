#!/bin/sh
# websocketd 0.4.1 (Debian 12) drops what a program wrote behind its last line feed, sends bytes that are no UTF-8 in a
# text frame, and ends the TCP connection without a Close frame when the program ends.
#
# Rules: RFC 6455 section 5.6 and 8.1, the payload of a text message is UTF-8, and a client must fail the connection that
# brings anything else; section 7.1.2, a server that has nothing left to say starts the closing handshake. A command
# that prints its one answer without a line feed is never heard, and every success reaches the client as 1006.
#
# Seen:
#   printf 'one\ntwo\n': text b'one', text b'two', end of stream
#   printf 'one\ntwo': text b'one', end of stream
#   printf '\377\n': text b'\xff', end of stream
. "$(dirname "$0")/lib.sh"
debian_packages websocketd=0.4.1-1+b11

cat >"$work/ask.py" <<'PY'
import sys
from wire import connect

sock, reader, head = connect(int(sys.argv[1]))
seen = []
while not reader.ended:
    seen.append(reader.shown())
print(", ".join(seen))
PY

ask() {
    port=$(free_port)
    start websocketd.log "$bin" websocketd --address=127.0.0.1 --port="$port" printf "$1"
    wait_port "$port"
    python3 "$work/ask.py" "$port"
}
expect "two lines" "text b'one', text b'two', end of stream" "$(ask 'one\ntwo\n')"
expect "a line and a rest" "text b'one', end of stream" "$(ask 'one\ntwo')"
expect "a byte that is no UTF-8" "text b'\\xff', end of stream" "$(ask '\377\n')"
verdict
