"""An echo server on Python Tornado, which answers every offer of compression by itself: tornado_echo_server.py [--deflate]

The first line on stdout is its URL. It ends when its standard input is closed, so it never outlives its starter.
"""

import asyncio
import os
import sys
import threading

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketHandler


class Echo(WebSocketHandler):
    def get_compression_options(self):
        return {} if "--deflate" in sys.argv else None

    def check_origin(self, origin):
        return True

    def on_message(self, message):
        return self.write_message(message, binary=isinstance(message, bytes))


def end_with_stdin():
    while os.read(0, 4096):
        pass
    os._exit(0)


async def main():
    sockets = bind_sockets(0, "127.0.0.1")
    application = Application([("/", Echo)], websocket_max_message_size=16 << 20)
    HTTPServer(application).add_sockets(sockets)
    print(f"ws://127.0.0.1:{sockets[0].getsockname()[1]}/", flush=True)
    threading.Thread(target=end_with_stdin, daemon=True).start()
    await asyncio.Event().wait()


asyncio.run(main())
