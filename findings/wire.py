"""One WebSocket peer made of bytes, for the findings: it sends exactly what it is told and reports exactly what came."""

import base64
import hashlib
import os
import socket
import struct
import zlib

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(opcode, payload=b"", fin=True, rsv1=False, masked=True):
    first = (0x80 if fin else 0) | (0x40 if rsv1 else 0) | opcode
    bit = 0x80 if masked else 0
    if len(payload) < 126:
        head = struct.pack("!BB", first, bit | len(payload))
    elif len(payload) < 65536:
        head = struct.pack("!BBH", first, bit | 126, len(payload))
    else:
        head = struct.pack("!BBQ", first, bit | 127, len(payload))
    if not masked:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(b ^ key[i % 4] for i, b in enumerate(payload))


def close(code, reason=b"", masked=True):
    return frame(CLOSE, struct.pack("!H", code) + reason, masked=masked)


def deflate(message, final=False):
    """A compressed payload of RFC 7692: section 7.2.1, or with a final block section 7.2.3.4."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = packer.compress(message)
    if final:
        return data + packer.flush(zlib.Z_FINISH) + b"\0"
    return (data + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


class Reader:
    """Frames out of a socket, as (opcode, fin, rsv1, payload); None at the end of the stream or of patience."""

    def __init__(self, sock, held=b"", patience=20.0):
        self.sock, self.held, self.ended = sock, held, None
        sock.settimeout(patience)

    def take(self, count):
        while len(self.held) < count:
            try:
                more = self.sock.recv(65536)
            except TimeoutError:
                self.ended = "silence"
                return None
            except OSError as error:
                self.ended = type(error).__name__
                return None
            if not more:
                self.ended = "end of stream"
                return None
            self.held += more
        out, self.held = self.held[:count], self.held[count:]
        return out

    def head(self):
        """Everything up to the blank line of an HTTP head."""
        while b"\r\n\r\n" not in self.held:
            more = self.take(len(self.held) + 1)
            if more is None:
                return None
            self.held = more + self.held
        head, _, self.held = self.held.partition(b"\r\n\r\n")
        return head.decode("latin-1")

    def rest(self):
        """All that comes until the end of the stream."""
        while (more := self.take(len(self.held) + 1)) is not None:
            self.held = more + self.held
        return self.held

    def frame(self):
        start = self.take(2)
        if start is None:
            return None
        length = start[1] & 127
        if length == 126:
            length = struct.unpack("!H", self.take(2))[0]
        elif length == 127:
            length = struct.unpack("!Q", self.take(8))[0]
        key = self.take(4) if start[1] & 128 else b"\0\0\0\0"
        payload = self.take(length)
        if payload is None:
            return None
        payload = bytes(b ^ key[i % 4] for i, b in enumerate(payload))
        return start[0] & 15, bool(start[0] & 128), bool(start[0] & 64), payload

    def shown(self):
        """The next frame in words, or how the stream ended."""
        got = self.frame()
        if got is None:
            return self.ended
        opcode, fin, rsv1, payload = got
        name = {0: "continuation", 1: "text", 2: "binary", 8: "Close", 9: "Ping", 10: "Pong"}.get(opcode, hex(opcode))
        if opcode == CLOSE:
            return "Close " + (str(struct.unpack("!H", payload[:2])[0]) if len(payload) > 1 else "empty")
        marks = ("" if fin else " not final") + (" rsv1" if rsv1 else "")
        return f"{name}{marks} {payload!r}" if len(payload) < 60 else f"{name}{marks} {len(payload)} bytes"


def value(head, name):
    """All values of a field in an HTTP head, in their order."""
    lines = [line.partition(":") for line in head.split("\r\n")[1:]]
    return [after.strip() for key, _, after in lines if key.strip().lower() == name.lower()]


def request(port, path="/", *lines, connection="Upgrade", upgrade="websocket"):
    fields = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Upgrade: {upgrade}", f"Connection: {connection}",
              "Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)).decode(), "Sec-WebSocket-Version: 13", *lines]
    return "\r\n".join([*fields, "", ""]).encode()


def connect(port, path="/", *lines, behind=b"", patience=20.0, **fields):
    """A client's handshake, with `behind` in the same write: the socket, the reader and the response head."""
    sock = socket.create_connection(("127.0.0.1", port), 5)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(request(port, path, *lines, **fields) + behind)
    reader = Reader(sock, patience=patience)
    return sock, reader, reader.head()


def switching(head, *lines, connection="Upgrade"):
    """The 101 that answers this request."""
    key = value(head, "Sec-WebSocket-Key")[0].encode()
    proof = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
    fields = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", f"Connection: {connection}",
              f"Sec-WebSocket-Accept: {proof}", *lines]
    return "\r\n".join([*fields, "", ""]).encode()


def accept(listener, *lines, before=b"", behind=b"", connection="Upgrade", patience=20.0):
    """A server's handshake: `before` goes ahead of the 101 and `behind` with it in one write."""
    listener.settimeout(20)
    sock, _ = listener.accept()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    reader = Reader(sock, patience=patience)
    head = reader.head()
    sock.sendall(before + switching(head, *lines, connection=connection) + behind)
    return sock, reader, head
