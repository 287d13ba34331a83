#!/bin/sh
# HTTP::WebSocket of Crystal 1.6.0 (Debian 12) has one buffer for all frames: a Ping or Pong between the fragments of a message
# takes what came of the message with it. The Pong holds the fragment and the Ping, and the program gets the rest as the whole.
#
# Rules: RFC 6455 section 5.4, control frames may be injected in the middle of a fragmented message; section 5.5.3, a Pong has
# the same application data as its Ping. A client that keeps the connection alive while it sends a long message loses the start
# of that message in silence, and finds no Pong of its own. websockets 17.4 keeps both.
#
# Seen (the server echoes text), to the fragments "hel" and "lo":
#   nothing between them: text b'hello'
#   the Ping "clock" between them: Pong b'helclock', text b'lo'
#   an empty Pong between them: text b'lo'
#   websockets, the Ping between them: Pong b'clock', text b'hello'
. "$(dirname "$0")/lib.sh"
debian_packages crystal=1.6.0+dfsg-3
pip_packages websockets==17.4
command -v cc >/dev/null || unavailable "no C compiler"
cat >"$work/echo.cr" <<'CR'
require "http/server"
require "http/web_socket"

handler = HTTP::WebSocketHandler.new { |peer, _| peer.on_message { |text| peer.send text } }
server = HTTP::Server.new([handler])
server.bind_tcp "127.0.0.1", ARGV[0].to_i
server.listen
CR
cat >"$work/ask.py" <<'PY'
import sys
from wire import PING, PONG, TEXT, connect, frame

sock, reader, head = connect(int(sys.argv[1]))
between = {"nothing": b"", "ping": frame(PING, b"clock"), "pong": frame(PONG)}[sys.argv[2]]
sock.sendall(frame(TEXT, b"hel", fin=False) + between + frame(0, b"lo"))
print(", ".join(reader.shown() for _ in range(2 if sys.argv[2] == "ping" else 1)))
PY
env CRYSTAL_PATH="$root/usr/lib/crystal/lib" CRYSTAL_CACHE_DIR="$work/cache" CRYSTAL_LIBRARY_PATH="$libraries" \
    LIBRARY_PATH="$libraries" PKG_CONFIG_SYSROOT_DIR="$root" \
    "$bin" crystal build -Dwithout_openssl -Dwithout_zlib -o "$work/echo" "$work/echo.cr" >"$work/build.log" 2>&1 ||
    { cat "$work/build.log"; unavailable "the program does not compile"; }
crystal=$(free_port)
start crystal.log "$bin" "$work/echo" "$crystal"
wait_port "$crystal"
other=$(free_port)
start other.log python3 "$here/echo.py" "$other"
wait_port "$other"
ask() { python3 "$work/ask.py" "$1" "$2"; }
expect "nothing between the fragments" "text b'hello'" "$(ask "$crystal" nothing)"
expect "a Ping between them" "Pong b'helclock', text b'lo'" "$(ask "$crystal" ping)"
expect "an empty Pong between them" "text b'lo'" "$(ask "$crystal" pong)"
expect "websockets, the Ping between them" "Pong b'clock', text b'hello'" "$(ask "$other" ping)"
verdict
