"""One application on servers of ASGI: asgi.py uvicorn-websockets | uvicorn-wsproto | hypercorn | granian | daphne"""

import asyncio
import sys

import peer


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = (await receive())["type"]
            await send({"type": f"{event}.complete"})
            if event == "lifespan.shutdown":
                return
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 426, "headers": [(b"upgrade", b"websocket")]})
        await send({"type": "http.response.body", "body": b"a WebSocket server\n"})
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        kind = "bytes" if event.get("bytes") is not None else "text"
        await send({"type": "websocket.send", kind: event[kind]})


def uvicorn(protocol):
    import uvicorn
    listener = peer.listener()
    peer.announce(listener.getsockname()[1])
    uvicorn.Server(uvicorn.Config(application, ws=protocol, log_level="error")).run(sockets=[listener])


def hypercorn():
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    config, port = Config(), peer.free_port()
    config.bind = [f"127.0.0.1:{port}"]
    peer.announce_when_listening(port)
    asyncio.run(serve(application, config))


def granian():
    from granian.constants import Interfaces
    from granian.server.embed import Server
    port = peer.free_port()
    peer.announce_when_listening(port)
    asyncio.run(Server(application, address="127.0.0.1", port=port, interface=Interfaces.ASGI, log_enabled=False).serve())


def daphne():
    from daphne.server import Server
    port = peer.free_port()
    peer.announce_when_listening(port)
    Server(application, endpoints=[f"tcp:port={port}:interface=127.0.0.1"], signal_handlers=False).run()


SERVERS = {
    "uvicorn-websockets": lambda: uvicorn("websockets-sansio"),
    "uvicorn-wsproto": lambda: uvicorn("wsproto"),
    "hypercorn": hypercorn,
    "granian": granian,
    "daphne": daphne,
}
if __name__ == "__main__":
    SERVERS[sys.argv[1]]()
