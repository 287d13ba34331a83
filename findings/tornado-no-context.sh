#!/bin/sh
# Tornado's server 6.6.1 accepts an offer with server_no_context_takeover, leaves the parameter out of its answer and goes
# on with its context: the second message refers to the first.
#
# Rules: RFC 7692 section 7.1.1.1, a server accepts such an offer by including the parameter in its answer and not using
# context takeover; one that does not support it declines the offer.
# A client that offers it has no memory to keep a window between messages, and cannot read the second message unless it
# looks at the answer and keeps the window all the same.
#
# Seen:
#   offer permessage-deflate; server_no_context_takeover, the answer: permessage-deflate
#   the second message, with the window of the first: 'no context, no context'
#   the second message, without it: Error -3 while decompressing data: invalid distance too far back
#   ws 8.23.0, the answer: permessage-deflate; server_no_context_takeover
. "$(dirname "$0")/lib.sh"
pip_packages tornado==6.6.1
npm_packages ws@8.23.0
cat >"$work/echo.py" <<'PY'
import asyncio, sys
from tornado.web import Application
from tornado.websocket import WebSocketHandler

class Echo(WebSocketHandler):
    def get_compression_options(self):
        return {}

    def on_message(self, message):
        return self.write_message(message)

async def main():
    Application([("/", Echo)]).listen(int(sys.argv[1]), "127.0.0.1")
    await asyncio.Event().wait()

asyncio.run(main())
PY
cat >"$work/echo.js" <<'JS'
const { WebSocketServer } = require('ws');
const server = new WebSocketServer({ host: '127.0.0.1', port: Number(process.argv[2]), perMessageDeflate: { threshold: 0 } });
server.on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data, { binary })));
JS
cat >"$work/ask.py" <<'PY'
import sys, zlib
from wire import TEXT, connect, frame, value

offer = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover"
sock, reader, head = connect(int(sys.argv[1]), "/", offer)
print(", ".join(value(head, "Sec-WebSocket-Extensions")))
payloads = []
for _ in range(2):
    sock.sendall(frame(TEXT, b"no context, no context"))
    opcode, fin, rsv1, payload = reader.frame()
    assert opcode == TEXT and fin and rsv1
    payloads.append(payload + b"\0\0\xff\xff")
kept = zlib.decompressobj(-15)
kept.decompress(payloads[0])
for machine in kept, zlib.decompressobj(-15):
    try:
        print(repr(machine.decompress(payloads[1]).decode()))
    except zlib.error as error:
        print(error)
PY
tornado=$(free_port)
start tornado.log python3 "$work/echo.py" "$tornado"
wait_port "$tornado"
ws=$(free_port)
(cd "$work" && exec node echo.js "$ws") >"$work/ws.log" 2>&1 </dev/null &
echo $! >>"$work/children"
wait_port "$ws"
python3 "$work/ask.py" "$tornado" >"$work/seen"
expect "tornado, the answer" "permessage-deflate" "$(sed -n 1p "$work/seen")"
expect "the second message, with the window of the first" "'no context, no context'" "$(sed -n 2p "$work/seen")"
expect "the second message, without it" "Error -3 while decompressing data: invalid distance too far back" \
    "$(sed -n 3p "$work/seen")"
expect "ws, the answer" "permessage-deflate; server_no_context_takeover" "$(python3 "$work/ask.py" "$ws" | sed -n 1p)"
verdict
