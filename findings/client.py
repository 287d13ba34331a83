"""One WebSocket client of each Python library: client.py NAME URL prints what it received, in a line."""

import asyncio
import sys
import warnings

warnings.simplefilter("ignore")
name, url = sys.argv[1:3]
seen = []


async def run_websockets():
    import websockets

    async with websockets.connect(url) as peer:
        try:
            while True:
                seen.append(repr(await peer.recv()))
        except websockets.ConnectionClosed:
            seen.append(f"closed {int(peer.close_code)}")


async def run_aiohttp():
    import aiohttp

    async with aiohttp.ClientSession() as session, session.ws_connect(url, compress=15) as peer:
        async for message in peer:
            seen.append(repr(message.data))
        seen.append(f"closed {int(peer.close_code)}")


async def run_tornado():
    from tornado.websocket import websocket_connect

    peer = await websocket_connect(url, compression_options={})
    while (message := await peer.read_message()) is not None:
        seen.append(repr(message))
    seen.append(f"closed {peer.close_code}")


async def run_picows():
    import picows

    class Listener(picows.WSListener):
        def on_ws_frame(self, transport, frame):
            if frame.msg_type == picows.WSMsgType.CLOSE:
                seen.append(f"closed {int(frame.get_close_code())}")
                transport.disconnect()
            else:
                seen.append(repr(frame.get_payload_as_utf8_text()))

    transport, _ = await picows.ws_connect(Listener, url)
    await transport.wait_disconnected()


async def run_aiosonic():
    import aiosonic

    async with aiosonic.WebSocketClient() as client, await client.connect(url) as peer:
        seen.append(repr(await peer.receive_text()))


def run_websocket_client():
    import websocket

    peer = websocket.create_connection(url, timeout=10)
    while (received := peer.recv_data())[0] != websocket.ABNF.OPCODE_CLOSE:
        seen.append(repr(received[1].decode()))
    seen.append(f"closed {int.from_bytes(received[1][:2], 'big') if received[1] else None}")


def run_trio_websocket():
    import trio
    from trio_websocket import ConnectionClosed, open_websocket_url

    async def main():
        async with open_websocket_url(url) as peer:
            try:
                while True:
                    seen.append(repr(await peer.get_message()))
            except ConnectionClosed as closed:
                seen.append(f"closed {closed.reason and int(closed.reason.code)}")

    trio.run(main)


def run_lomond():
    from lomond import WebSocket

    for event in WebSocket(url).connect(ping_rate=0):
        if event.name == "text":
            seen.append(repr(event.text))
        elif event.name == "closing":
            seen.append(f"closed {event.code}")
        elif event.name in ("rejected", "connect_fail", "protocol_error", "disconnected"):
            if event.name != "disconnected":
                seen.append(event.name)
            return


def run_ws4py():
    from ws4py.client.threadedclient import WebSocketClient

    class Client(WebSocketClient):
        def received_message(self, message):
            seen.append(repr(message.data.decode()))

        def closed(self, code, reason=None):
            seen.append(f"closed {code}")

    client = Client(url)
    client.connect()
    client.run_forever()


run = globals()["run_" + name.replace("-", "_")]
try:
    if asyncio.iscoroutinefunction(run):
        asyncio.run(asyncio.wait_for(run(), 20))
    else:
        run()
except Exception as error:
    seen.append(type(error).__name__)
print(", ".join(seen))
