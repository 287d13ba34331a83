#!/bin/sh
# Mosquitto 2.0.11 (Debian 12): an orderly MQTT goodbye over WebSocket is an abnormal end for WebSocket. After DISCONNECT
# the broker ends the TCP connection without a Close frame, where it answers a Close frame properly if the client sends it.
#
# Rules: MQTT 3.1.1 section 3.14.4, after DISCONNECT the network connection is closed, and section 6 makes WebSocket that
# connection; RFC 6455 section 7.1.2, a WebSocket connection is closed by a Close frame first; section 7.1.5, without one
# the code is 1006. So a browser's onclose has wasClean false for each session that ended well: a client that reconnects
# on 1006 comes back at once, and a count of 1006 says nothing about the network.
#
# Seen (behind CONNACK):
#   DISCONNECT: end of stream
#   Close 1000: Close 1000, end of stream
. "$(dirname "$0")/lib.sh"
debian_packages mosquitto=2.0.11-1.2+deb12u2

cat >"$work/ask.py" <<'PY'
import sys
from wire import BINARY, close, connect, frame

CONNECT = b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04abcd"
CONNACK, DISCONNECT = b"\x20\x02\x00\x00", b"\xe0\x00"
sock, reader, head = connect(int(sys.argv[1]), "/mqtt", "Sec-WebSocket-Protocol: mqtt")
sock.sendall(frame(BINARY, CONNECT))
assert reader.frame()[3] == CONNACK
sock.sendall(frame(BINARY, DISCONNECT) if sys.argv[2] == "DISCONNECT" else close(1000))
seen = []
while not reader.ended:
    seen.append(reader.shown())
print(", ".join(seen))
PY

# Beside the WebSocket listener an ordinary one: this version does not count the former and stops without the latter.
port=$(free_port)
printf 'listener %s 127.0.0.1\nlistener %s\nsocket_domain ipv4\nprotocol websockets\nallow_anonymous true\n' \
    "$(free_port)" "$port" >"$work/mosquitto.conf"
start mosquitto.log "$bin" mosquitto -c "$work/mosquitto.conf"
wait_port "$port"
expect "DISCONNECT" "end of stream" "$(python3 "$work/ask.py" "$port" DISCONNECT)"
expect "Close 1000" "Close 1000, end of stream" "$(python3 "$work/ask.py" "$port" Close)"
verdict
