"""autobahn-python on asyncio: autobahn_peer.py server | client URL"""

import asyncio
import sys

import peer
from autobahn.asyncio.websocket import (WebSocketClientFactory, WebSocketClientProtocol, WebSocketServerFactory,
                                        WebSocketServerProtocol)
from autobahn.websocket.compress import (PerMessageDeflateOffer, PerMessageDeflateOfferAccept, PerMessageDeflateResponse,
                                         PerMessageDeflateResponseAccept)


class ServerEcho(WebSocketServerProtocol):
    def onMessage(self, payload, isBinary):
        self.sendMessage(payload, isBinary)


class ClientEcho(WebSocketClientProtocol):
    def onMessage(self, payload, isBinary):
        if not self.factory.first.done():
            self.factory.first.set_result(payload.decode() if not isBinary else None)
        self.sendMessage(payload, isBinary)

    def connection_lost(self, reason):
        super().connection_lost(reason)
        if not self.factory.end.done():
            self.factory.end.set_result(None)


def accept_offer(offers):
    for offer in offers:
        if isinstance(offer, PerMessageDeflateOffer):
            return PerMessageDeflateOfferAccept(offer)


def accept_response(response):
    if isinstance(response, PerMessageDeflateResponse):
        return PerMessageDeflateResponseAccept(response)


async def server():
    listener = peer.listener()
    port = listener.getsockname()[1]
    factory = WebSocketServerFactory(f"ws://127.0.0.1:{port}")
    factory.protocol = ServerEcho
    factory.setProtocolOptions(perMessageCompressionAccept=accept_offer)
    running = await asyncio.get_running_loop().create_server(factory, sock=listener)
    peer.announce(port)
    await running.serve_forever()


async def connect(url):
    loop = asyncio.get_running_loop()
    factory = WebSocketClientFactory(url)
    factory.protocol = ClientEcho
    factory.first, factory.end = loop.create_future(), loop.create_future()
    factory.setProtocolOptions(perMessageCompressionOffers=[PerMessageDeflateOffer()],
                               perMessageCompressionAccept=accept_response)
    await loop.create_connection(factory, factory.host, factory.port)
    await factory.end
    return factory


async def first_message(url):
    return (await connect(url)).first.result()


asyncio.run(server() if sys.argv[1] == "server" else peer.play_async("autobahn", first_message, connect))
