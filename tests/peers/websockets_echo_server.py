"""An echo server on Python `websockets`: websockets_echo_server.py [--deflate]

The first line on stdout is its URL. It ends when its standard input is closed, so it never outlives its starter.
"""

import os
import sys
import threading

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve


def echo(socket):
    try:
        for message in socket:
            socket.send(message)
    except ConnectionClosed as closed:
        print(f"closed: {closed}", file=sys.stderr)


def end_with_stdin():
    while os.read(0, 4096):
        pass
    os._exit(0)


compression = "deflate" if "--deflate" in sys.argv else None
with serve(echo, "127.0.0.1", 0, compression=compression, max_size=16 << 20) as server:
    print(f"ws://127.0.0.1:{server.socket.getsockname()[1]}/", flush=True)
    threading.Thread(target=end_with_stdin, daemon=True).start()
    server.serve_forever()
