#!/bin/sh
# mitmproxy 11.0.2 (PyPI) writes the messages of a WebSocket into a HAR file and does not read them back: what it loads
# from its own file is a 101 with no WebSocket behind it, and what it saves after that has no messages.
#
# Rule: HAR 1.2 has no WebSocket; it lets a producer add fields that begin with an underscore and a reader ignore them
# (section "Custom Fields"). _webSocketMessages is Chrome's, and every tool decides for itself. So a HAR file that went
# through a filter is no evidence of what was said, though all its handshakes are there. A flow file keeps the messages.
#
# Seen (a conversation of one text and one binary message):
#   captured: status 101, _webSocketMessages [send 1 hello, receive 2 AP8=]
#   read and written again: status 101, no _webSocketMessages
. "$(dirname "$0")/lib.sh"
pip_packages mitmproxy==11.0.2 h2==4.1.0

cat >"$work/talk.py" <<'PY'
import socket, sys, threading
from wire import BINARY, TEXT, accept, close, connect, frame

front, origin = int(sys.argv[1]), int(sys.argv[2])
listener = socket.create_server(("127.0.0.1", origin))

def serve():
    sock, reader, _ = accept(listener)
    reader.frame()
    sock.sendall(frame(BINARY, b"\x00\xff", masked=False))
    reader.frame()
    sock.sendall(close(1000, masked=False))
    sock.close()

serving = threading.Thread(target=serve)
serving.start()
sock, reader, head = connect(front)
sock.sendall(frame(TEXT, b"hello"))
assert reader.frame()[3] == b"\x00\xff"
sock.sendall(close(1000))
reader.rest()
serving.join()
PY
cat >"$work/shown.py" <<'PY'
import json, sys
(entry,) = json.load(open(sys.argv[1]))["log"]["entries"]
told = [f"{m['type']} {m['opcode']} {m['data']}" for m in entry.get("_webSocketMessages", [])]
print(f"status {entry['response']['status']}, " + (f"_webSocketMessages [{', '.join(told)}]" if told else "no _webSocketMessages"))
PY

front=$(free_port)
origin=$(free_port)
mitmdump() { python3 "$site/bin/mitmdump" -q --set confdir="$work/mitmproxy" "$@"; }
python3 "$site/bin/mitmdump" -q --set confdir="$work/mitmproxy" --set connection_strategy=lazy --listen-host 127.0.0.1 -p "$front" \
    --mode "reverse:http://127.0.0.1:$origin" --set hardump="$work/first.har" >"$work/mitmdump.log" 2>&1 </dev/null &
proxy=$!
echo $proxy >>"$work/children"
wait_port "$front"
python3 "$work/talk.py" "$front" "$origin"
sleep 1
kill $proxy
wait $proxy || :
expect "captured" "status 101, _webSocketMessages [send 1 hello, receive 2 AP8=]" "$(python3 "$work/shown.py" "$work/first.har")"
mitmdump -n -r "$work/first.har" --set hardump="$work/second.har" </dev/null
expect "read and written again" "status 101, no _webSocketMessages" "$(python3 "$work/shown.py" "$work/second.har")"
verdict
