"""aiohttp: aiohttp_peer.py server | client URL"""

import asyncio
import sys

import peer
from aiohttp import ClientSession, WSMsgType, web


async def answer(socket):
    async for message in socket:
        if message.type == WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type == WSMsgType.BINARY:
            await socket.send_bytes(message.data)


async def handle(request):
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await answer(socket)
    return socket


async def server():
    application = web.Application()
    application.router.add_get("/{any:.*}", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    listener = peer.listener()
    await web.SockSite(runner, listener).start()
    peer.announce(listener.getsockname()[1])
    await asyncio.Event().wait()


async def client():
    async with ClientSession() as session:
        async def first_message(url):
            async with session.ws_connect(url) as socket:
                return await socket.receive_str()

        async def echo(url):
            async with session.ws_connect(url, compress=15) as socket:
                await answer(socket)

        await peer.play_async("aiohttp", first_message, echo)


asyncio.run(server() if sys.argv[1] == "server" else client())
