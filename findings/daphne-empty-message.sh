#!/bin/sh
# Daphne sends no empty message: what an ASGI application sends as "" or b"" is lost in silence. Uvicorn sends it.
#
# Rule: RFC 6455 section 5.6 knows empty messages, and ASGI's websocket.send demands that bytes or text is there, not that
# it is filled. Daphne tests both for truth instead of for None. Who answers each message by one (an echo, a protocol of
# requests that waits for its answers, an empty acknowledgement) waits for ever, and only under Daphne.
#
# Seen: Daphne 4.2.3 answers "", then "a" with "a" alone; Uvicorn 0.54.0 with websockets 17.4 with "" and "a".
. "$(dirname "$0")/lib.sh"
pip_packages daphne==4.2.3 uvicorn==0.54.0 websockets==17.4
cat >"$work/echo.py" <<'PY'
async def application(scope, receive, send):
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        kind = "bytes" if event.get("bytes") is not None else "text"
        await send({"type": "websocket.send", kind: event[kind]})
PY
PYTHONPATH="$PYTHONPATH:$work"
export PYTHONPATH
answers() {
    python3 - "$1" "$2" <<'PY'
import sys
from wire import BINARY, TEXT, connect, frame
kind = {"text": TEXT, "binary": BINARY}[sys.argv[2]]
sock, reader, _ = connect(int(sys.argv[1]))
sock.sendall(frame(kind) + frame(kind, b"a"))
first = reader.shown()
print(first if first.endswith("b'a'") else f"{first}, {reader.shown()}")
PY
}
daphne=$(free_port)
start daphne.log python3 -m daphne -b 127.0.0.1 -p "$daphne" echo:application
wait_port "$daphne"
uvicorn=$(free_port)
start uvicorn.log python3 -m uvicorn --host 127.0.0.1 --port "$uvicorn" --ws websockets-sansio --log-level error echo:application
wait_port "$uvicorn"
expect "daphne, text" "text b'a'" "$(answers "$daphne" text)"
expect "daphne, binary" "binary b'a'" "$(answers "$daphne" binary)"
expect "uvicorn, text" "text b'', text b'a'" "$(answers "$uvicorn" text)"
expect "uvicorn, binary" "binary b'', binary b'a'" "$(answers "$uvicorn" binary)"
verdict
