"""ws4py, its server on wsgiref: ws4py_peer.py server | client URL"""

import sys
import wsgiref.simple_server

import peer
from ws4py.client.threadedclient import WebSocketClient
from ws4py.server.wsgirefserver import WebSocketWSGIRequestHandler, WSGIServer
from ws4py.server.wsgiutils import WebSocketWSGIApplication
from ws4py.websocket import EchoWebSocket


class Echo(WebSocketClient):
    def received_message(self, message):
        self.first = getattr(self, "first", message.data)
        self.send(message.data, message.is_binary)


def server():
    running = wsgiref.simple_server.make_server(
        "127.0.0.1", 0, server_class=WSGIServer, handler_class=WebSocketWSGIRequestHandler,
        app=WebSocketWSGIApplication(handler_cls=EchoWebSocket))
    running.initialize_websockets_manager()
    peer.announce(running.server_port)
    running.serve_forever()


def connect(url):
    socket = Echo(url)
    socket.connect()
    socket.run_forever()
    return socket


if sys.argv[1] == "server":
    server()
else:
    peer.play("ws4py", lambda url: connect(url).first.decode(), connect)
