"""A checking client on Python `websockets`: websockets_client.py URL [--deflate]

Sends a fixed set of messages to an echo server, compares each answer byte for byte, closes with 1000.
Exit code 0 when all was right, else 1 and the reason on stderr.
"""

import sys

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

TIMEOUT = 30
SIZES = [0, 1, 125, 126, 127, 65535, 65536, 1048577]


class Failed(Exception):
    pass


class Ping(bytes):
    """A ping frame among the frames of a message."""


def text(size):
    return ("The quick brown fox. " * (size // 21 + 1))[:size]


def binary(size):
    return bytes((i * 31 + (i >> 8)) & 0xFF for i in range(size))


# Each entry is the list of frames of one message.
MESSAGES = [
    *([text(size)] for size in SIZES),
    *([binary(size)] for size in SIZES),
    ["κόσμε, 世界, 🌍"],
    ["in ", "three ", "frames"],
    ["with a ping ", Ping(b"between"), "two frames"],
    ["", "empty frames around", ""],
    [binary(70000), Ping(b""), binary(3), binary(0)],
]


def frames(socket, message, pongs):
    for frame in message:
        if isinstance(frame, Ping):
            pongs.append((frame, socket.ping(frame)))
        else:
            yield frame


def check(url, deflate):
    pongs = []
    with connect(url, compression="deflate" if deflate else None, max_size=16 << 20, open_timeout=TIMEOUT,
                 close_timeout=TIMEOUT, proxy=None) as socket:
        agreed = [extension.name for extension in socket.protocol.extensions]
        if agreed != (["permessage-deflate"] if deflate else []):
            raise Failed(f"extensions: {agreed}")
        for number, message in enumerate(MESSAGES):
            socket.send(message[0] if len(message) == 1 else frames(socket, message, pongs))
            answer = socket.recv(timeout=TIMEOUT)
            sent = [frame for frame in message if not isinstance(frame, Ping)]
            if answer != type(sent[0])().join(sent):
                raise Failed(f"message {number}: wrong kind or content")
        pongs.append((b"last", socket.ping(b"last")))
        for payload, answered in pongs:
            if not answered.wait(TIMEOUT):
                raise Failed(f"ping {payload} was not answered")
        socket.close(1000, "done")
        received = socket.protocol.close_rcvd
        if received is None or received.code != 1000:
            raise Failed(f"close answered with {received}")
    print(f"{len(MESSAGES)} messages and {len(pongs)} pings answered, closed with {received.code}")


if __name__ == "__main__":
    urls = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    if len(urls) != 1:
        sys.exit("usage: websockets_client.py URL [--deflate]")
    try:
        check(urls[0], "--deflate" in sys.argv)
    except (Failed, WebSocketException, OSError, TimeoutError) as error:
        sys.exit(f"failed: {error!r}")
