"""Python libraries that are clients only: clients.py websocket-client | lomond | curl_cffi | aiosonic URL"""

import asyncio
import sys

import peer


def websocket_client():
    from websocket import ABNF, WebSocket

    def connect(url):
        socket = WebSocket()
        socket.connect(url)
        return socket

    def echo(url):
        socket = connect(url)
        try:
            while True:
                opcode, data = socket.recv_data()
                if opcode == ABNF.OPCODE_CLOSE:
                    return
                socket.send(data, opcode)
        finally:
            socket.shutdown()

    peer.play("websocket-client", lambda url: connect(url).recv(), echo)


def lomond():
    from lomond import WebSocket

    def first_message(url):
        socket = WebSocket(url)
        return next(event.text for event in socket.connect(poll=1) if event.name == "text")

    def echo(url):
        socket = WebSocket(url, compress=True)
        for event in socket.connect(poll=1, ping_rate=0):
            if event.name == "text":
                socket.send_text(event.text)
            elif event.name == "binary":
                socket.send_binary(event.data)

    peer.play("lomond", first_message, echo)


def curl_cffi():
    from curl_cffi import CurlWsFlag, Session
    from curl_cffi.requests import WebSocketClosed

    with Session() as session:
        def first_message(url):
            return session.ws_connect(url).recv_str()

        def echo(url):
            socket = session.ws_connect(url)
            try:
                while True:
                    data, flags = socket.recv()
                    if flags & CurlWsFlag.CLOSE:
                        return
                    socket.send(data, CurlWsFlag.TEXT if flags & CurlWsFlag.TEXT else CurlWsFlag.BINARY)
            except WebSocketClosed:
                return

        peer.play("curl_cffi", first_message, echo)


async def aiosonic():
    from aiosonic import WebSocketClient
    from aiosonic.web_socket_client import MessageType

    async def first_message(url):
        async with await WebSocketClient().connect(url) as socket:
            return await socket.receive_text()

    async def echo(url):
        async with await WebSocketClient().connect(url) as socket:
            async for message in socket:
                await (socket.send_text if message.type == MessageType.TEXT else socket.send_bytes)(message.data)

    await peer.play_async("aiosonic", first_message, echo)


CLIENTS = {
    "websocket-client": websocket_client,
    "lomond": lomond,
    "curl_cffi": curl_cffi,
    "aiosonic": lambda: asyncio.run(aiosonic()),
}
CLIENTS[sys.argv[1]]()
