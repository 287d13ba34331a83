#!/bin/sh
# gevent-websocket answers a Close that has a reason with what Python writes for a bytearray, and with no code.
#
# Rule: RFC 6455 section 5.5.1, a Close holds a code of two bytes and behind it a reason; section 5.5.1 also has the answer
# echo the code. The library hands the reason alone to the frame, as str(bytearray(b"...")): the "by" of "bytearray" stands
# where the code belongs, and reads as 25209, which no registry knows and many clients call a protocol error. A Close without
# a reason is answered by an empty one. So a client sees 1006 or an error at the end of a session that went well.
#
# Seen: gevent-websocket 0.10.1 under gevent 26.9.0, to a Close with 1000 and "bye" a Close with 25209 and
# "tearray(b'bye')"; to one with 1000 alone an empty Close.
. "$(dirname "$0")/lib.sh"
pip_packages gevent-websocket==0.10.1 gevent==26.9.0
port=$(free_port)
cat >"$work/server.py" <<'PY'
import sys
from gevent.pywsgi import WSGIServer
from geventwebsocket.handler import WebSocketHandler

def echo(environ, start_response):
    while (message := environ["wsgi.websocket"].receive()) is not None:
        environ["wsgi.websocket"].send(message)
    return []

WSGIServer(("127.0.0.1", int(sys.argv[1])), echo, handler_class=WebSocketHandler, log=None).serve_forever()
PY
start server.log python3 "$work/server.py" "$port"
wait_port "$port"
answer() {
    python3 - "$port" "$1" <<'PY'
import sys
from wire import TEXT, close, connect, frame
sock, reader, _ = connect(int(sys.argv[1]))
sock.sendall(frame(TEXT, b"hello") + close(1000, sys.argv[2].encode()))
print(reader.shown(), end=", then ")
got = reader.frame()
payload = got[3] if got else b""
print("Close", int.from_bytes(payload[:2], "big"), payload[2:].decode() if payload else "empty")
PY
}
expect "Close with 1000 and a reason" "text b'hello', then Close 25209 tearray(b'bye')" "$(answer bye)"
expect "Close with 1000 alone" "text b'hello', then Close 0 empty" "$(answer '')"
verdict
