#!/bin/sh
# haproxy 2.6.12 ends the whole HTTP/2 connection with PROTOCOL_ERROR where a WebSocket's DATA frame is padded.
#
# Rule: RFC 9113 section 6.1, DATA may be padded with up to 255 bytes, which a receiver takes away; RFC 8441 section 5, DATA
# of an extended CONNECT carries the bytes of the WebSocket. Every stream of the connection ends with it.
#
# Seen: without padding, and with a Pad Length of 0, the message is echoed; with 10 and with 255 bytes comes GOAWAY with
# PROTOCOL_ERROR.
. "$(dirname "$0")/lib.sh"
pip_packages h2==4.4.1
debian_packages haproxy=2.6.12-1+deb12u4

cat >"$work/origin.py" <<'PY'
import base64, hashlib, re, socketserver, sys

class Origin(socketserver.BaseRequestHandler):
    """Sends back, unmasked, the text of each short frame."""
    def handle(self):
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.request.recv(65536)
        key = re.search(rb"(?i)sec-websocket-key: *(\S+)", head)[1]
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        self.request.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             b"Sec-WebSocket-Accept: %s\r\n\r\n" % accept)
        buf = b""
        while part := self.request.recv(65536):
            buf += part
            while len(buf) >= 6 and len(buf) >= 6 + (buf[1] & 127):
                size = buf[1] & 127
                key, text, buf = buf[2:6], buf[6:6 + size], buf[6 + size:]
                self.request.sendall(bytes([0x81, size]) + bytes(b ^ key[i % 4] for i, b in enumerate(text)))

socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[1])), Origin).serve_forever()
PY
cat >"$work/ask.py" <<'PY'
import socket, sys
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RemoteSettingsChanged, ResponseReceived, StreamReset
from wire import TEXT, frame

padding = None if sys.argv[2] == "plain" else int(sys.argv[2])
conn = H2Connection(H2Configuration(client_side=True, header_encoding=False))
conn.initiate_connection()
told, stage, got, raw = [], "settings", b"", b""


def goaway(raw):
    """The error code of a GOAWAY among these frames."""
    while len(raw) >= 9:
        size = int.from_bytes(raw[:3], "big")
        if raw[3] == 7:
            return "GOAWAY %d" % int.from_bytes(raw[13:17], "big")
        raw = raw[9 + size:]


with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5) as sock:
    sock.settimeout(5)
    while len(got) < 7:
        sock.sendall(conn.data_to_send())
        try:
            part = sock.recv(65536)
        except TimeoutError:
            told.append("silence")
            break
        if not part:
            told.append("closed")
            break
        raw += part
        if goaway(raw):
            told.append(goaway(raw))
            break
        for event in conn.receive_data(part):
            if isinstance(event, RemoteSettingsChanged) and stage == "settings":
                stage = "asked"
                conn.send_headers(1, [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"),
                                      (":path", "/"), (":authority", "localhost"), ("sec-websocket-version", "13")])
            elif isinstance(event, ResponseReceived):
                told.append(dict(event.headers)[b":status"].decode())
                conn.send_data(1, frame(TEXT, b"hello"), pad_length=padding)
            elif isinstance(event, DataReceived):
                got += event.data
                conn.acknowledge_received_data(event.flow_controlled_length, 1)
            elif isinstance(event, StreamReset):
                told.append("RST_STREAM %s" % event.error_code.name)
    else:
        if got[2:] == b"hello":
            told.append("echo")
print(*told)
PY
origin=$(free_port) front=$(free_port)
start origin.log python3 "$work/origin.py" "$origin"
wait_port "$origin"
cat >"$work/haproxy.cfg" <<CONF
defaults
    mode http
    timeout connect 5s
    timeout client 20s
    timeout server 20s
listen all
    bind 127.0.0.1:$front proto h2
    server origin 127.0.0.1:$origin
CONF
start haproxy.log "$bin" haproxy -db -f "$work/haproxy.cfg"
wait_port "$front"
seen() { python3 "$work/ask.py" "$front" "$1"; }
expect "DATA without padding" "200 echo" "$(seen plain)"
expect "DATA with a Pad Length of 0" "200 echo" "$(seen 0)"
expect "DATA with a padding of 10 bytes" "200 GOAWAY 1" "$(seen 10)"
expect "DATA with a padding of 255 bytes" "200 GOAWAY 1" "$(seen 255)"
verdict
