#!/bin/sh
# InspIRCd 3.15 (Debian 12, module websocket) closes with 1008 if a second Ping *or Pong* comes within ten seconds, gives a
# Close frame no answer, and refuses whoever sends no Origin by 400.
#
# Rules: RFC 6455 section 5.5.2 and 5.5.3, an endpoint may send a Ping at any time, and a Pong unasked as a heartbeat;
# section 5.5.1, a Close frame must be answered by one; section 4.1 item 8, only browsers must send Origin.
# A client that measures its latency each second, or whose library answers for it, is thrown out as a flood.
#
# Seen:
#   Ping, Ping: Pong b'a', Close 1008
#   Pong, Ping: Close 1008
#   Close 1000: end of stream
#   no Origin: HTTP/1.1 400 Bad Request
. "$(dirname "$0")/lib.sh"
debian_packages inspircd=3.15.0-1

cat >"$work/ask.py" <<'PY'
import sys
from wire import PING, PONG, close, connect, frame

origin = ["Origin: http://127.0.0.1"] if sys.argv[2] != "bare" else []
sock, reader, head = connect(int(sys.argv[1]), "/", *origin)
if sys.argv[2] == "bare":
    print(head.split("\r\n")[0])
    sys.exit()
sock.sendall({
    "Ping, Ping": frame(PING, b"a") + frame(PING, b"b"),
    "Pong, Ping": frame(PONG) + frame(PING, b"b"),
    "Close": close(1000),
}[sys.argv[2]])
seen = []
while not reader.ended and not (seen and seen[-1].startswith("Close")):
    seen.append(reader.shown())
print(", ".join(seen))
PY

port=$(free_port)
cat >"$work/inspircd.conf" <<CONF
<server name="irc.local" description="finding" network="finding">
<admin name="finding" nick="finding" email="finding@irc.local">
<bind address="127.0.0.1" port="$port" type="clients" hook="websocket">
<module name="websocket"><module name="sha1">
<wsorigin allow="*">
<connect allow="*" resolvehostnames="no" timeout="60">
<path configdir="$work" datadir="$work" logdir="$work" moduledir="$root/usr/lib/inspircd/modules" runtimedir="$work">
<pid file="$work/inspircd.pid">
CONF
[ "$(id -u)" -ne 0 ] || as_root=--runasroot
start inspircd.log "$bin" inspircd --config "$work/inspircd.conf" --nofork --nolog ${as_root:+"$as_root"}
wait_port "$port"
ask() { python3 "$work/ask.py" "$port" "$1"; }
expect "Ping, Ping" "Pong b'a', Close 1008" "$(ask 'Ping, Ping')"
expect "Pong, Ping" "Close 1008" "$(ask 'Pong, Ping')"
expect "Close 1000" "end of stream" "$(ask Close)"
expect "no Origin" "HTTP/1.1 400 Bad Request" "$(ask bare)"
verdict
