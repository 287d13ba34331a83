"""Echo servers and clients that are wrong on purpose, in ways that two conformance suites must judge alike.

    broken.py server KIND        the first line on stdout is its URL; it ends when its standard input is closed
    broken.py client KIND URL    plays the control protocol of the Autobahn suite

    careless   looks at nothing: reserved bits, reserved opcodes, long or fragmented control frames, stray
               continuations, UTF-8 and close codes all pass; whatever comes is echoed frame by frame
    rude       knows the rules and ends the TCP connection without a Close frame when one is broken, and also when
               it is sent a Close
    muddled    answers a Ping with an empty Pong, fails every broken rule with 1011, swaps text and binary in
               messages of more than 100 bytes, sends back a Close with code 1000 whatever it was sent
    deaf       never answers a Close and never ends the TCP connection
"""

import base64
import hashlib
import os
import socket
import sys
import threading

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KINDS = ("careless", "rude", "muddled", "deaf")
CODES = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, *range(3000, 5000)}


class Broken(Exception):
    """A rule was broken by the other side."""


class End(Exception):
    """The TCP connection is to end now."""


def masked(key, payload):
    whole = (key * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(whole, "little")).to_bytes(len(payload), "little")


class Connection:
    def __init__(self, stream, head_rest, is_client, kind):
        self.stream, self.rest, self.is_client, self.kind = stream, bytearray(head_rest), is_client, kind
        self.opcode, self.parts, self.closed = None, [], False

    def read(self, count):
        while len(self.rest) < count:
            came = self.stream.recv(1 << 18)
            if not came:
                raise End
            self.rest += came
        taken = bytes(self.rest[:count])
        del self.rest[:count]
        return taken

    def frame(self):
        first, second = self.read(2)
        length = second & 0x7F
        if first & 8 and length > 125 and self.kind != "careless":
            raise Broken
        if length > 125:
            length = int.from_bytes(self.read(2 if length == 126 else 8), "big")
        key = self.read(4) if second & 0x80 else None
        if self.kind != "careless" and (
                first & 0x70 or first & 15 in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15) or (first & 8 and not first & 0x80)):
            raise Broken
        payload = self.read(length)
        return first, masked(key, payload) if key else payload

    def send(self, first, payload):
        length = len(payload)
        if length < 126:
            head = bytes([first, length | (0x80 if self.is_client else 0)])
        elif length < 65536:
            head = bytes([first, 126 | (0x80 if self.is_client else 0)]) + length.to_bytes(2, "big")
        else:
            head = bytes([first, 127 | (0x80 if self.is_client else 0)]) + length.to_bytes(8, "big")
        if self.is_client:
            key = os.urandom(4)
            head, payload = head + key, masked(key, payload)
        self.stream.sendall(head + payload)

    def on_close(self, payload):
        if self.kind == "deaf":
            return
        if self.kind == "rude":
            raise End
        if self.kind == "muddled":
            payload = (1000).to_bytes(2, "big")
        if not self.closed:
            self.send(0x88, payload)
        if self.is_client:
            while self.stream.recv(1 << 16):
                pass
        raise End

    def on_frame(self, first, payload):
        opcode = first & 15
        if opcode == 8:
            return self.on_close(payload)
        if opcode == 9:
            return self.send(0x8A, b"" if self.kind == "muddled" else payload)
        if opcode == 10:
            return
        if self.kind == "careless":
            return self.send(first & 0x8F, payload)
        if (opcode == 0) != (self.opcode is not None):
            raise Broken
        if opcode:
            self.opcode = opcode
        self.parts.append(payload)
        if first & 0x80:
            message, opcode = b"".join(self.parts), self.opcode
            self.opcode, self.parts = None, []
            if opcode == 1:
                try:
                    message.decode()
                except UnicodeDecodeError:
                    raise Broken from None
            if self.kind == "muddled" and len(message) > 100:
                opcode = 3 - opcode
            self.send(0x80 | opcode, message)

    def run(self):
        try:
            while True:
                try:
                    self.on_frame(*self.frame())
                except Broken:
                    if self.kind in ("rude", "deaf"):
                        raise End from None
                    self.closed = True
                    self.send(0x88, (1011).to_bytes(2, "big"))
                    raise End from None
        except (End, OSError):
            if self.kind == "deaf":
                try:
                    while self.stream.recv(1 << 16):
                        pass
                except OSError:
                    pass
        finally:
            end(self.stream)


def end(stream):
    """Ends the TCP connection behind what was sent: to close with bytes unread resets it, and a reset loses the Close."""
    with stream:
        try:
            stream.shutdown(socket.SHUT_WR)
            stream.settimeout(60)
            while stream.recv(1 << 16):
                pass
        except OSError:
            pass


def read_head(stream):
    head = b""
    while b"\r\n\r\n" not in head:
        came = stream.recv(4096)
        if not came:
            raise OSError("the connection ended inside the head")
        head += came
    return head.split(b"\r\n\r\n", 1)


def field(head, name):
    for line in head.split(b"\r\n"):
        if line.lower().startswith(name + b":"):
            return line.split(b":", 1)[1].strip()
    return b""


def serve(stream, kind):
    try:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head, rest = read_head(stream)
        key = field(head, b"sec-websocket-key")
        if not key:
            stream.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return end(stream)
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
        stream.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
    except OSError:
        return stream.close()
    Connection(stream, rest, False, kind).run()


def end_with_stdin():
    while os.read(0, 4096):
        pass
    os._exit(0)


def server(kind):
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        print(f"ws://127.0.0.1:{listener.getsockname()[1]}/", flush=True)
        threading.Thread(target=end_with_stdin, daemon=True).start()
        while True:
            stream, _ = listener.accept()
            threading.Thread(target=serve, args=(stream, kind), daemon=True).start()


def visit(url, resource, kind):
    """A connection to that resource of ws://HOST:PORT."""
    host, port = url.removeprefix("ws://").rstrip("/").rsplit(":", 1)
    stream = socket.create_connection((host, int(port)), 60)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = base64.b64encode(os.urandom(16)).decode()
    stream.sendall(f"GET {resource} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    _, rest = read_head(stream)
    return Connection(stream, rest, True, kind)


def client(kind, url):
    # What is told about the exam is no part of it.
    connection = visit(url, "/getCaseCount", "careless")
    _, count = connection.frame()
    connection.run()
    for case in range(1, int(count) + 1):
        visit(url, f"/runCase?case={case}&agent={kind}", kind).run()
    visit(url, f"/updateReports?agent={kind}", "careless").run()


def main():
    match sys.argv[1:]:
        case ["server", kind] if kind in KINDS:
            server(kind)
        case ["client", kind, url] if kind in KINDS:
            client(kind, url)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
