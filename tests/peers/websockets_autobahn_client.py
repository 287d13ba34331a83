"""A client harness for the Autobahn control protocol on Python `websockets`: websockets_autobahn_client.py URL

Asks /getCaseCount, opens /runCase?case=N&agent=websockets for N = 1 to that count and echoes all messages, then
/updateReports.
"""

import sys

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

SIZE = 32 << 20


def main(url):
    with connect(f"{url}/getCaseCount") as socket:
        count = int(socket.recv())
    for number in range(1, count + 1):
        try:
            with connect(f"{url}/runCase?case={number}&agent=websockets", max_size=SIZE) as socket:
                for message in socket:
                    socket.send(message)
        except (WebSocketException, OSError, EOFError):
            pass  # however it ends, it has ended
    with connect(f"{url}/updateReports?agent=websockets") as socket:
        for _ in socket:
            pass


main(sys.argv[1].rstrip("/"))
