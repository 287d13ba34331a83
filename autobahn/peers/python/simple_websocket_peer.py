"""simple-websocket, on wsproto and threads: simple_websocket_peer.py server | client URL"""

import socket
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import peer
from simple_websocket import Client, ConnectionClosed, Server


def answer(connection):
    try:
        while True:
            connection.send(connection.receive())
    except ConnectionClosed:
        pass


def application(environ, start_response):
    server = Server(environ)
    answer(server)
    server.thread.join(5)  # it writes the library's own Close
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)  # or wsgiref would write its HTTP answer behind the Close
    return []


class Handler(WSGIRequestHandler):
    """wsgiref hands out no socket; Werkzeug's name for it is one that simple-websocket looks for."""

    def get_environ(self):
        return {**super().get_environ(), "werkzeug.socket": self.connection}

    def log_message(self, *_):
        pass


class Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True


def first_message(url):
    return Client(url).receive()


if sys.argv[1] == "server":
    running = make_server("127.0.0.1", 0, application, server_class=Threads, handler_class=Handler)
    peer.announce(running.server_port)
    running.serve_forever()
else:
    peer.play("simple-websocket", first_message, lambda url: answer(Client(url)))
