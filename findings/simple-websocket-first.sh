#!/bin/sh
# The client of simple-websocket 1.1.0 does not see a message that comes in one segment with the 101, until more bytes come;
# where the server ends the connection then, the message is lost.
#
# Rule: RFC 6455 section 4.1, once the response is there the connection is open, and what follows it is frames (section 5.2).
# A server that greets at once is heard or not as TCP cuts its bytes. websockets 17.4 gives the message.
#
# Seen (receive with three seconds of patience):
#   simple-websocket, the text behind the 101 in one write: None
#   simple-websocket, the text in a write of its own: 'hello'
#   websockets, in one write: 'hello'
. "$(dirname "$0")/lib.sh"
pip_packages simple-websocket==1.1.0 wsproto==1.3.2 websockets==17.4
cat >"$work/simple.py" <<'PY'
import sys
from simple_websocket import Client

print(repr(Client(sys.argv[1]).receive(timeout=3)), flush=True)
PY
cat >"$work/other.py" <<'PY'
import sys
from websockets.sync.client import connect

print(repr(connect(sys.argv[1]).recv(timeout=3)), flush=True)
PY
cat >"$work/meet.py" <<'PY'
import socket, subprocess, sys, time
from wire import TEXT, accept, frame

listener = socket.create_server(("127.0.0.1", 0))
url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
client = subprocess.Popen([sys.executable, sys.argv[1], url], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
hello = frame(TEXT, b"hello", masked=False)
sock, reader, _ = accept(listener, behind=hello if sys.argv[2] == "together" else b"")
if sys.argv[2] != "together":
    time.sleep(1)
    sock.sendall(hello)
print(client.stdout.readline().strip())
client.kill()
PY
meet() { python3 "$work/meet.py" "$work/$1.py" "$2"; }
expect "simple-websocket, the text behind the 101 in one write" "None" "$(meet simple together)"
expect "simple-websocket, the text in a write of its own" "'hello'" "$(meet simple apart)"
expect "websockets, in one write" "'hello'" "$(meet other together)"
verdict
