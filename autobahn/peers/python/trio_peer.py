"""trio-websocket, on wsproto and trio: trio_peer.py server | client URL"""

import sys

import peer
import trio
from trio_websocket import ConnectionClosed, open_websocket_url, serve_websocket


async def answer(socket):
    try:
        while True:
            await socket.send_message(await socket.get_message())
    except ConnectionClosed:
        pass


async def handle(request):
    await answer(await request.accept())


async def server():
    async with trio.open_nursery() as nursery:
        running = await nursery.start(serve_websocket, handle, "127.0.0.1", 0, None)
        peer.announce(running.port)


async def first_message(url):
    async with open_websocket_url(url, disconnect_timeout=0.2) as socket:
        return await socket.get_message()


async def echo(url):
    async with open_websocket_url(url, disconnect_timeout=0.2) as socket:
        await answer(socket)


if sys.argv[1] == "server":
    trio.run(server)
else:
    trio.run(peer.play_async, "trio-websocket", first_message, echo)
