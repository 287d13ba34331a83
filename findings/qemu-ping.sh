#!/bin/sh
# QEMU 7.2 (Debian 12, the WebSocket of its VNC server) puts whatever it has received behind a Ping into the Pong as
# well, header and mask included, answers two Pings in one segment by one Pong, and takes a continuation frame behind a
# Ping for another Ping: the rest of the message comes back as a Pong and the message never ends.
#
# Rules: RFC 6455 section 5.5.3, a Pong has "identical Application data" to its Ping; section 5.4, control frames may
# stand between the fragments of a message; TCP keeps no boundaries between what was written.
# A client that matches Pongs by their payload finds its own frames in them and counts the Ping as unanswered; one that
# fragments and pings at the same time loses a message without an error.
#
# Seen (the message is the 12 bytes of an RFB version, which QEMU answers by its security types):
#   message, nothing else: binary b'\x01\x01'
#   Ping 'ab', pause, message: Pong of 2 bytes, binary b'\x01\x01'
#   Ping 'ab' and message in one write: Pong of 20 bytes, binary b'\x01\x01'
#   Ping 'ab' twice in one write: Pong of 10 bytes, nothing more
#   two fragments: binary b'\x01\x01'
#   fragment, pause, Ping 'ab', pause, last fragment: Pong of 2 bytes, Pong of 7 bytes, nothing more
. "$(dirname "$0")/lib.sh"
debian_packages qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3

cat >"$work/ask.py" <<'PY'
import sys, time
from wire import BINARY, PING, PONG, connect, frame

VERSION = b"RFB 003.008\n"
message, ping = frame(BINARY, VERSION), frame(PING, b"ab")
first, last = frame(BINARY, VERSION[:5], fin=False), frame(0, VERSION[5:])
writes = {
    "message": [message],
    "ping-message": [ping, message],
    "ping+message": [ping + message],
    "ping+ping": [ping + frame(PING, b"ab")],
    "fragments": [first, last],
    "fragment-ping-fragment": [first, ping, last],
}[sys.argv[2]]

sock, reader, head = connect(int(sys.argv[1]), "/", "Sec-WebSocket-Protocol: binary")
assert reader.frame()[3] == VERSION
for write in writes:
    sock.sendall(write)
    time.sleep(0.5)
sock.settimeout(5)
seen = []
while (got := reader.frame()) is not None:
    seen.append(f"Pong of {len(got[3])} bytes" if got[0] == PONG else f"binary {got[3]}")
    if got[0] == BINARY:
        break
print(", ".join(seen + (["nothing more"] if got is None and reader.ended == "silence" else [])))
PY

port=$(free_port)
display=77
start qemu.log "$bin" qemu-system-x86_64 -M none -nodefaults -display none -vnc "127.0.0.1:$display,websocket=$port,to=99"
wait_port "$port"
ask() { python3 "$work/ask.py" "$port" "$1"; }
expect "message, nothing else" "binary b'\\x01\\x01'" "$(ask message)"
expect "Ping, pause, message" "Pong of 2 bytes, binary b'\\x01\\x01'" "$(ask ping-message)"
expect "Ping and message in one write" "Pong of 20 bytes, binary b'\\x01\\x01'" "$(ask ping+message)"
expect "two Pings in one write" "Pong of 10 bytes, nothing more" "$(ask ping+ping)"
expect "two fragments" "binary b'\\x01\\x01'" "$(ask fragments)"
expect "fragment, pause, Ping, pause, last fragment" "Pong of 2 bytes, Pong of 7 bytes, nothing more" "$(ask fragment-ping-fragment)"
verdict
