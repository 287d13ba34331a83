"""gevent-websocket, on a thread of its own for each connection: gevent_server.py"""

from gevent import monkey

monkey.patch_all(thread=False)

import peer  # noqa: E402
from gevent.pywsgi import WSGIServer  # noqa: E402
from geventwebsocket.handler import WebSocketHandler  # noqa: E402


def echo(environ, start_response):
    socket = environ.get("wsgi.websocket")
    if socket is None:
        start_response("426 Upgrade Required", [("Upgrade", "websocket")])
        return [b"a WebSocket server\n"]
    while (message := socket.receive()) is not None:
        socket.send(message, isinstance(message, (bytes, bytearray)))
    return []


port = peer.free_port()
server = WSGIServer(("127.0.0.1", port), echo, handler_class=WebSocketHandler, log=None)
server.start()
peer.announce(port)
server.serve_forever()
