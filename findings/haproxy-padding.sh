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
import socketserver, sys
from wire import TEXT, Reader, frame, switching

class Origin(socketserver.BaseRequestHandler):
    """Sends each message back."""
    def handle(self):
        reader = Reader(self.request)
        self.request.sendall(switching(reader.head()))
        while got := reader.frame():
            self.request.sendall(frame(TEXT, got[3], masked=False))

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
