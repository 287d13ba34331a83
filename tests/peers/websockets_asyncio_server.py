"""An echo server on Python `websockets`, the asyncio one: websockets_asyncio_server.py [SECONDS [GREETING]]

Each answer takes so many seconds; what is not answered when the client closes never is. The first line on stdout is its
URL. It ends when its standard input is closed, so it never outlives its starter.
"""

import asyncio
import os
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

DELAY = float(sys.argv[1]) if len(sys.argv) > 1 else 0
GREETING = sys.argv[2] if len(sys.argv) > 2 else None


async def echo(socket):
    try:
        if GREETING:
            await socket.send(GREETING)
        async for message in socket:
            if DELAY:
                await asyncio.sleep(DELAY)
            await socket.send(message)
    except ConnectionClosed as closed:
        print(f"closed: {closed}", file=sys.stderr)


def end_with_stdin():
    if not os.read(0, 4096):
        os._exit(0)


async def main():
    async with serve(echo, "127.0.0.1", 0, max_size=16 << 20) as server:
        asyncio.get_running_loop().add_reader(0, end_with_stdin)
        print(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", flush=True)
        await server.serve_forever()


asyncio.run(main())
