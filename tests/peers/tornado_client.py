"""A checking client on Python Tornado, which takes no answer to its offer that it does not know:
tornado_client.py URL [--deflate]

Sends a fixed set of messages to an echo server, compares each answer byte for byte, closes with 1000.
Exit code 0 when all was right, else 1 and the reason on stderr.
"""

import asyncio
import sys

from tornado.websocket import websocket_connect

TIMEOUT = 30
SIZES = [0, 1, 125, 126, 127, 65535, 65536, 1048577]


def text(size):
    return ("The quick brown fox. " * (size // 21 + 1))[:size]


def binary(size):
    return bytes((i * 31 + (i >> 8)) & 0xFF for i in range(size))


MESSAGES = [*map(text, SIZES), *map(binary, SIZES), "κόσμε, 世界, 🌍"]


async def check(url, deflate):
    options = {} if deflate else None
    socket = await websocket_connect(url, compression_options=options, max_message_size=16 << 20)
    agreed = socket.headers.get("Sec-WebSocket-Extensions", "").split(";")[0]
    if agreed != ("permessage-deflate" if deflate else ""):
        sys.exit(f"failed: agreed on {agreed!r}")
    for number, message in enumerate(MESSAGES):
        await socket.write_message(message, binary=isinstance(message, bytes))
        answer = await asyncio.wait_for(socket.read_message(), TIMEOUT)
        if answer != message:
            sys.exit(f"failed: message {number}: wrong kind or content")
    socket.close(1000, "done")
    if await asyncio.wait_for(socket.read_message(), TIMEOUT) is not None or socket.close_code != 1000:
        sys.exit(f"failed: closed with {socket.close_code}")
    print(f"{len(MESSAGES)} messages answered, closed with {socket.close_code}")


if __name__ == "__main__":
    urls = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    if len(urls) != 1:
        sys.exit("usage: tornado_client.py URL [--deflate]")
    asyncio.run(check(urls[0], "--deflate" in sys.argv))
