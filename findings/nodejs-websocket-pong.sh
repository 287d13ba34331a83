#!/bin/sh
# nodejs-websocket answers a Ping with its bytes read as UTF-8 text: others come back as U+FFFD, three bytes for one.
#
# Rule: RFC 6455 section 5.5.3, a Pong has the same application data as its Ping; section 5.5, at most 125 bytes. A keep-alive
# that puts a counter or a clock into its Pings (as 8 bytes, say) finds no Pong of its own and ends a connection that lives;
# of a Ping with 42 such bytes or more the Pong is longer than a control frame may be, and fails the connection.
#
# Seen: nodejs-websocket 1.7.2, to the Ping 00 ff fe the Pong 00 ef bf bd ef bf bd, to 50 bytes of ff a Pong of 150 bytes; to
# the Ping "clock" the Pong "clock".
. "$(dirname "$0")/lib.sh"
npm_packages nodejs-websocket@1.7.2
port=$(free_port)
cat >"$work/server.js" <<'JS'
require('nodejs-websocket').createServer((connection) => connection.on('error', () => {})).listen(Number(process.argv[2]), '127.0.0.1');
JS
start server.log node "$work/server.js" "$port"
wait_port "$port"
pong() {
    python3 - "$port" "$1" <<'PY'
import sys
from wire import PING, connect, frame
sock, reader, _ = connect(int(sys.argv[1]))
sock.sendall(frame(PING, bytes.fromhex(sys.argv[2])))
opcode, _, _, payload = reader.frame()
print(f"Pong of {len(payload)} bytes" if len(payload) > 20 else f"Pong {payload.hex(' ')}")
PY
}
expect "Ping 'clock'" "Pong 63 6c 6f 63 6b" "$(pong 636c6f636b)"
expect "Ping 00 ff fe" "Pong 00 ef bf bd ef bf bd" "$(pong 00fffe)"
expect "Ping of 50 bytes ff" "Pong of 150 bytes" "$(pong "$(printf 'ff%.0s' $(seq 50))")"
verdict
