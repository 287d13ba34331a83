#!/bin/sh
# websocket-server 0.6.4 (PyPI) delivers the first fragment of a message as if it were the whole, then ends the connection,
# without a Close frame, on the rest; a binary message ends it likewise, and a Close frame has no answer.
#
# Rules: RFC 6455 section 5.4, endpoints must be able to receive fragmented messages; section 5.6, binary messages are
# messages; section 7.4.1, 1003 is there for a type that one cannot accept; section 5.5.1, a Close frame must be answered.
# An application gets half a message as a whole one, and the sender learns only 1006.
#
# Seen (the server echoes text):
#   text 'hello' whole: text b'hello'
#   text 'hello' in two fragments: text b'he', end of stream
#   binary 'hello': end of stream
#   Close 1000: end of stream
. "$(dirname "$0")/lib.sh"
pip_packages websocket-server==0.6.4

cat >"$work/echo.py" <<'PY'
import sys
from websocket_server import WebsocketServer
server = WebsocketServer(host="127.0.0.1", port=int(sys.argv[1]))
server.set_fn_message_received(lambda client, server, message: server.send_message(client, message))
server.run_forever()
PY
cat >"$work/ask.py" <<'PY'
import sys
from wire import BINARY, TEXT, close, connect, frame

sock, reader, head = connect(int(sys.argv[1]))
sock.sendall({
    "whole": frame(TEXT, b"hello"),
    "fragments": frame(TEXT, b"he", fin=False) + frame(0, b"llo"),
    "binary": frame(BINARY, b"hello"),
    "close": close(1000),
}[sys.argv[2]])
seen = [reader.shown()]
if sys.argv[2] == "fragments":
    seen.append(reader.shown())
print(", ".join(seen))
PY

port=$(free_port)
start echo.log python3 "$work/echo.py" "$port"
wait_port "$port"
ask() { python3 "$work/ask.py" "$port" "$1"; }
expect "whole" "text b'hello'" "$(ask whole)"
expect "two fragments" "text b'he', end of stream" "$(ask fragments)"
expect "binary" "end of stream" "$(ask binary)"
expect "Close 1000" "end of stream" "$(ask close)"
verdict
