"""An echo server on Python `websockets`: websockets_echo_server.py [--deflate] [--tls CERTIFICATE KEY]

The first line on stdout is its URL. It ends when its standard input is closed, so it never outlives its starter.
"""

import os
import ssl
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
context = None
if "--tls" in sys.argv:
    at = sys.argv.index("--tls")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(sys.argv[at + 1], sys.argv[at + 2])
with serve(echo, "127.0.0.1", 0, ssl=context, compression=compression, max_size=16 << 20) as server:
    scheme = "wss" if context else "ws"
    print(f"{scheme}://127.0.0.1:{server.socket.getsockname()[1]}/", flush=True)
    threading.Thread(target=end_with_stdin, daemon=True).start()
    server.serve_forever()
