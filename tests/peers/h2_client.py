"""A raw client on the Python library h2, which knows extended CONNECT and no WebSocket: h2_client.py PORT [CERTIFICATE].

Two WebSockets and a page on one HTTP/2 connection, over TLS where a certificate is given. Each echoes a short message and a
long one, through windows that are opened as it reads, and closes; the page comes beside them. Exit code 0 when all that went
as it should; else 1 and the reason on stderr.
"""

import os
import socket
import ssl
import struct
import sys

import h2.config
import h2.connection
import h2.events
import h2.settings


def frame(opcode, payload):
    key = os.urandom(4)
    length = len(payload)
    head = bytes([0x80 | opcode])
    if length < 126:
        head += bytes([0x80 | length])
    elif length < 65_536:
        head += bytes([0x80 | 126]) + struct.pack("!H", length)
    else:
        head += bytes([0x80 | 127]) + struct.pack("!Q", length)
    return head + key + bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))


def unmasked(opcode, payload):
    """What a server sends: the same without a mask."""
    masked = frame(opcode, payload)
    at = len(masked) - len(payload) - 4
    return bytes([masked[0], masked[1] & 0x7F]) + masked[2:at] + payload


class Client:
    def __init__(self, port, certificate):
        sock = socket.create_connection(("127.0.0.1", port), timeout=30)
        if certificate:
            context = ssl.create_default_context(cafile=certificate)
            context.set_alpn_protocols(["h2"])
            sock = context.wrap_socket(sock, server_hostname="localhost")
            assert sock.selected_alpn_protocol() == "h2", "ALPN has not chosen h2"
        self.sock = sock
        self.scheme = "https" if certificate else "http"
        self.authority = f"localhost:{port}"
        self.http2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.http2.initiate_connection()
        self.bodies, self.statuses, self.ended, self.unsent = {}, {}, set(), {}
        self.ready = False
        self.until(lambda: self.ready)
        allowed = self.http2.remote_settings.get(h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL)
        assert allowed == 1, f"ENABLE_CONNECT_PROTOCOL is {allowed}"

    def ask(self, fields, ends):
        stream = self.http2.get_next_available_stream_id()
        self.http2.send_headers(stream, fields, end_stream=ends)
        self.bodies[stream] = b""
        return stream

    def websocket(self):
        return self.ask([(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", self.scheme), (":path", "/"),
                         (":authority", self.authority), ("sec-websocket-version", "13")], False)

    def page(self):
        return self.ask([(":method", "GET"), (":scheme", self.scheme), (":path", "/"), (":authority", self.authority)], True)

    def send(self, stream, data):
        self.unsent[stream] = self.unsent.get(stream, b"") + data

    def push(self):
        """Sends what the windows allow."""
        for stream, data in self.unsent.items():
            while data and (room := min(self.http2.local_flow_control_window(stream), self.http2.max_outbound_frame_size)) > 0:
                self.http2.send_data(stream, data[:room])
                data = data[room:]
            self.unsent[stream] = data
        self.sock.sendall(self.http2.data_to_send())

    def until(self, is_so):
        while True:
            self.push()
            if is_so():
                return
            data = self.sock.recv(65_536)
            assert data, "the server has ended the connection"
            for event in self.http2.receive_data(data):
                if isinstance(event, h2.events.RemoteSettingsChanged):
                    self.ready = True
                elif isinstance(event, h2.events.ResponseReceived):
                    self.statuses[event.stream_id] = dict(event.headers)[":status"]
                elif isinstance(event, h2.events.DataReceived):
                    self.bodies[event.stream_id] += event.data
                    self.http2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    self.ended.add(event.stream_id)
                elif isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
                    raise AssertionError(f"{event}")


def main():
    client = Client(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
    sockets = [client.websocket(), client.websocket()]
    page = client.page()
    client.until(lambda: all(stream in client.statuses for stream in [*sockets, page]) and page in client.ended)
    assert set(client.statuses.values()) == {"200"}, client.statuses
    assert b"<html" in client.bodies[page] or b"<!doctype" in client.bodies[page].lower(), client.bodies[page][:80]
    long = bytes(range(256)) * 1200
    said = [(1, "κόσμε".encode()), (2, long)]
    for stream in sockets:
        for opcode, payload in said:
            client.send(stream, frame(opcode, payload))
    expected = b"".join(unmasked(*each) for each in said)
    client.until(lambda: all(len(client.bodies[stream]) >= len(expected) for stream in sockets))
    assert all(client.bodies[stream] == expected for stream in sockets), "something else came back"
    for stream in sockets:
        client.send(stream, frame(8, struct.pack("!H", 1000)))
        client.until(lambda stream=stream: stream in client.ended)
        assert client.bodies[stream] == expected + unmasked(8, struct.pack("!H", 1000)), "no Close with 1000"
        client.http2.end_stream(stream)
        client.push()
    print("closed with 1000")


try:
    main()
except (AssertionError, OSError) as error:
    print(f"failed: {error}", file=sys.stderr)
    sys.exit(1)
