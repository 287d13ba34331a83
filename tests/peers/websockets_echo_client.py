"""An echo client on Python `websockets`, for `bowsprit fuzz client`: websockets_echo_client.py URL

Connects, sends every message back, and connects again once the connection is over. Ends when nobody listens any more.
"""

import sys

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

while True:
    try:
        with connect(sys.argv[1], proxy=None, close_timeout=1) as socket:
            for message in socket:
                socket.send(message)
    except ConnectionRefusedError:
        sys.exit(0)
    except (WebSocketException, OSError):
        pass
