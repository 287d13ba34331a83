"""A server of bytes for one client: meet.py NAME CASE prints what the client received, and how it answered the Close."""

import os
import socket
import subprocess
import sys
import time
from wire import CLOSE, PING, TEXT, accept, close, deflate, frame, value

HELLO, BYE = frame(TEXT, b"hello", masked=False), close(1000, masked=False)
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate"
packed = deflate(b"hello hello")
CASES = {
    "plain": ({}, (), HELLO + BYE),
    "103": ({"before": b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"}, (), HELLO + BYE),
    "list": ({"connection": "keep-alive, Upgrade"}, (), HELLO + BYE),
    "empty close": ({}, (), frame(CLOSE, masked=False)),
    "final": ({}, (DEFLATE,), b"".join(frame(TEXT, deflate(text, final=True), rsv1=True, masked=False)
                                       for text in (b"one", b"two")) + BYE),
    "fragments": ({}, (DEFLATE,), frame(TEXT, packed[:4], fin=False, rsv1=True, masked=False)
                  + frame(0, packed[4:], masked=False) + BYE),
    "ping": ({}, (DEFLATE,), frame(TEXT, packed[:4], fin=False, rsv1=True, masked=False)
             + frame(PING, b"ab", masked=False) + frame(0, packed[4:], masked=False) + BYE),
    **{f"close {code}": ({}, (), close(code, masked=False)) for code in (1000, 1012, 1013, 1014)},
}

client, case = sys.argv[1:3]
response, lines, send = CASES[case]
here = os.path.dirname(os.path.abspath(__file__))
javascript = client in ("ws", "faye-websocket", "websocket", "nodejs-websocket", "undici")
listener = socket.create_server(("127.0.0.1", 0))
url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
command = ["node", f"{here}/client.js"] if javascript else [sys.executable, f"{here}/client.py"]
process = subprocess.Popen([*command, client, url], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                           cwd=os.environ["work"])
answer = "none"
try:
    sock, reader, head = accept(listener, *lines, patience=10, **response)
    assert not lines or "permessage-deflate" in ", ".join(value(head, "Sec-WebSocket-Extensions"))
    time.sleep(0.2)
    sock.sendall(send)
    while (got := reader.frame()) is not None:
        if got[0] == CLOSE:
            answer = str(int.from_bytes(got[3][:2], "big")) if got[3] else "empty"
            break
    sock.close()
except OSError:
    pass
try:
    print(process.communicate(timeout=30)[0].strip() + f"; answer {answer}")
except subprocess.TimeoutExpired:
    process.kill()
    print(f"out of time; answer {answer}")
