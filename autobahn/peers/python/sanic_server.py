"""Sanic, which has the frames of `websockets` under an opening handshake of its own: sanic_server.py"""

import peer
from sanic import Sanic

application = Sanic("echo", configure_logging=False)


@application.websocket("/")
async def echo(request, socket):
    async for message in socket:
        await socket.send(message)


if __name__ == "__main__":
    listener = peer.listener()
    peer.announce(listener.getsockname()[1])
    application.run(sock=listener, single_process=True, access_log=False)
