#!/bin/sh
# tshark 4.0.17 (Debian 12) does not inflate a compressed message that came in fragments, shows its compressed bytes as
# text, and from then on inflates nothing more in that direction.
#
# Rules: RFC 7692 section 6.1, a compressed message may be fragmented, and only its first fragment carries RSV1;
# section 7.2.3.2, the window goes on from message to message, so that one that was not inflated is missing in all that
# follow. Fragments alone and compression alone are shown well: a capture looks sound until a sender fragments.
#
# Seen (websocket.payload.text and expert information, for messages "price 10" and "price 20" with the window kept):
#   each in one frame: price 10 / price 20
#   the first in two frames: no readable text / Decompression failed
#   the same, not compressed: price 10 / price 20
. "$(dirname "$0")/lib.sh"
debian_packages tshark=4.0.17-0+deb12u3

cat >"$work/capture.py" <<'PY'
"""A capture (pcap, LINKTYPE_RAW) of one connection: handshake, then two messages of the server, each frame a segment."""
import struct, sys, zlib
from wire import TEXT, frame

numbers, ports, packets = [1000, 5000], (40000, 80), []

def segment(side, data, flags=0x18):
    tcp = struct.pack("!HHIIBBHHH", ports[side], ports[1 - side], numbers[side], numbers[1 - side], 0x50, flags, 65535, 0, 0)
    body = tcp + data
    packets.append(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 64, 6, 0, b"\x7f\0\0\1", b"\x7f\0\0\1") + body)
    numbers[side] += len(data) + (flags & 2 > 0)

compressed, cut = "compressed" in sys.argv, "cut" in sys.argv
field = "Sec-WebSocket-Extensions: permessage-deflate\r\n" if compressed else ""
segment(0, b"", 0x02)
segment(1, b"", 0x12)
segment(0, b"", 0x10)
segment(0, ("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{field}\r\n").encode())
segment(1, ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n{field}\r\n").encode())
packer = zlib.compressobj(9, zlib.DEFLATED, -15)
for place, text in enumerate((b"price 10", b"price 20")):
    data = (packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4] if compressed else text
    if cut and place == 0:
        segment(1, frame(TEXT, data[:4], fin=False, rsv1=compressed, masked=False))
        segment(1, frame(0, data[4:], masked=False))
    else:
        segment(1, frame(TEXT, data, rsv1=compressed, masked=False))
with open(sys.argv[1], "wb") as file:
    file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
    for time, packet in enumerate(packets):
        file.write(struct.pack("<IIII", 1_700_000_000, time, len(packet), len(packet)) + packet)
PY

show() {
    python3 "$work/capture.py" "$work/capture.pcap" "$@"
    HOME="$work" "$bin" tshark -Q -r "$work/capture.pcap" -Y 'websocket.fin == 1' -T fields \
        -e websocket.payload.text -e _ws.expert.message 2>/dev/null |
        python3 -c 'import sys
lines = [line.strip() for line in sys.stdin.buffer.read().decode("utf-8", "replace").replace("\t", " ").split("\n")[:2]]
print(" / ".join(line if line.isascii() and line.isprintable() else "no readable text" for line in lines))'
}
expect "each in one frame" "price 10 / price 20" "$(show compressed)"
expect "the first in two frames" "no readable text / Decompression failed" "$(show compressed cut)"
expect "the same, not compressed" "price 10 / price 20" "$(show cut)"
verdict
