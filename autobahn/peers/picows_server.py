"""An echo server on picows, which hands out frames as they come: picows_server.py

The first line on stdout is its URL. It ends when its standard input is closed, so it never outlives its starter.
"""

import asyncio
import os
import threading

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server


class Echo(WSListener):
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame):
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        elif frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif frame.msg_type != WSMsgType.PONG:
            transport.send(frame.msg_type, frame.get_payload_as_bytes(), frame.fin)


def end_with_stdin():
    while os.read(0, 4096):
        pass
    os._exit(0)


async def main():
    server = await ws_create_server(lambda request: Echo(), "127.0.0.1", 0, max_frame_size=64 << 20)
    print(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", flush=True)
    threading.Thread(target=end_with_stdin, daemon=True).start()
    await server.serve_forever()


asyncio.run(main())
