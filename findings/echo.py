"""An echo server on the websockets package, which is right where others of the findings are not: echo.py PORT"""

import asyncio
import sys

import websockets


async def echo(peer):
    async for message in peer:
        await peer.send(message)


async def main():
    async with websockets.serve(echo, "127.0.0.1", int(sys.argv[1]), compression=None):
        await asyncio.Event().wait()


asyncio.run(main())
