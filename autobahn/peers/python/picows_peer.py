"""picows, which hands out frames as they come: picows_peer.py server | client URL"""

import asyncio
import sys

import peer
from picows import WSListener, WSMsgType, ws_connect, ws_create_server


class Echo(WSListener):
    first = None

    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        elif frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif frame.msg_type != WSMsgType.PONG:
            self.first = self.first or frame.get_payload_as_bytes()
            transport.send(frame.msg_type, frame.get_payload_as_bytes(), frame.fin)


async def server():
    running = await ws_create_server(lambda request: Echo(), "127.0.0.1", 0, max_frame_size=64 << 20)
    peer.announce(running.sockets[0].getsockname()[1])
    await running.serve_forever()


async def connect(url):
    transport, listener = await ws_connect(Echo, url, max_frame_size=64 << 20)
    await transport.wait_disconnected()
    return listener


async def first_message(url):
    return (await connect(url)).first


asyncio.run(server() if sys.argv[1] == "server" else peer.play_async("picows", first_message, connect))
