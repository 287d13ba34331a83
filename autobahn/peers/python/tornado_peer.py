"""Tornado: tornado_peer.py server | client URL"""

import asyncio
import sys

import peer
from tornado.httpserver import HTTPServer
from tornado.web import Application
from tornado.websocket import WebSocketHandler, websocket_connect


class Echo(WebSocketHandler):
    def get_compression_options(self):
        return {}

    def check_origin(self, origin):
        return True

    def on_message(self, message):
        return self.write_message(message, binary=isinstance(message, bytes))


async def server():
    listener = peer.listener()
    listener.setblocking(False)
    HTTPServer(Application([("/.*", Echo)])).add_sockets([listener])
    peer.announce(listener.getsockname()[1])
    await asyncio.Event().wait()


async def first_message(url):
    return await (await websocket_connect(url)).read_message()


async def echo(url):
    socket = await websocket_connect(url, compression_options={})
    while (message := await socket.read_message()) is not None:
        await socket.write_message(message, binary=isinstance(message, bytes))


asyncio.run(server() if sys.argv[1] == "server" else peer.play_async("tornado", first_message, echo))
