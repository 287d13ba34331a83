#!/bin/sh
# websocketd 0.4.1 (Debian 12) glues a binary message to the front of the next text message.
#
# Rule: RFC 6455 section 5.6, a message is a unit for the application, whatever its type; section 1.2 promises no more of
# frames. websocketd adds a line feed to a text message only, so that a program that reads lines sees nothing of a binary
# message until a text message follows, and then both as one line. Nothing says so to the sender.
#
# Seen (the program is cat; a Pong shows that all has been read):
#   text 'one', text 'two': text b'one', text b'two'
#   binary 'one': silence
#   binary 'one', text 'two': text b'onetwo'
. "$(dirname "$0")/lib.sh"
debian_packages websocketd=0.4.1-1+b11

cat >"$work/ask.py" <<'PY'
import sys
from wire import BINARY, PING, PONG, TEXT, connect, frame

sock, reader, head = connect(int(sys.argv[1]))
sock.sendall(b"".join(frame(TEXT if kind == "text" else BINARY, text.encode())
                      for kind, text in (argument.split(":") for argument in sys.argv[3:])) + frame(PING))
sock.settimeout(4)
seen = []
while len(seen) <= int(sys.argv[2]):  # the Pong and what the program wrote come in any order
    seen.append(reader.shown())
    if reader.ended:
        break
print(", ".join(word for word in seen if not word.startswith("Pong")))
PY

port=$(free_port)
start websocketd.log "$bin" websocketd --address=127.0.0.1 --port="$port" cat
wait_port "$port"
ask() { python3 "$work/ask.py" "$port" "$@"; }
expect "text, text" "text b'one', text b'two'" "$(ask 2 text:one text:two)"
expect "binary" "silence" "$(ask 1 binary:one)"
expect "binary, text" "text b'onetwo'" "$(ask 1 binary:one text:two)"
verdict
