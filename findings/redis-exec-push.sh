#!/bin/sh
# Redis 7.0.15 (Debian 12) puts RESP3 pushes *inside* the array that answers EXEC: the backplane of many a WebSocket server.
#
# Rule: the Redis serialization protocol, "Pushes": they may precede or follow any other type, but never inside one.
# SUBSCRIBE in a transaction (a server that changes its topics at once) is answered by confirmations of type ">" in the
# place of the elements, as many as there are channels, while the array says how many *commands* there were: with two
# channels a reader that counts elements takes the second confirmation for a push and one that lifts pushes out of the
# stream waits for an element that never comes.
#
# Seen (HELLO 3; MULTI; SUBSCRIBE a b; PING; EXEC), the announced length and the values that come behind it:
#   *2 then >3 subscribe a :1, >3 subscribe b :2, +PONG
. "$(dirname "$0")/lib.sh"
debian_packages redis-server=5:7.0.15-1~deb12u10

cat >"$work/ask.py" <<'PY'
import socket, sys

sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
stream = sock.makefile("rwb")

def say(*words):
    stream.write(b"".join([b"*%d\r\n" % len(words), *(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)]))
    stream.flush()

def value():
    kind, rest = (line := stream.readline().strip())[:1].decode(), line[1:].decode()
    if kind == "$":
        return stream.read(int(rest) + 2)[:-2].decode()
    if kind in "*>%":
        items = [value() for _ in range(int(rest) * (2 if kind == "%" else 1))]
        return f"{kind}{rest} {' '.join(items)}"
    return kind + rest

say(b"HELLO", b"3")
value()
for words in ((b"MULTI",), (b"SUBSCRIBE", b"a", b"b"), (b"PING",)):
    say(*words)
    value()
say(b"EXEC")
print(stream.readline().strip().decode(), "then", ", ".join(value() for _ in range(3)))
PY

port=$(free_port)
start redis.log "$bin" redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --dir "$work"
wait_port "$port"
expect "EXEC" "*2 then >3 subscribe a :1, >3 subscribe b :2, +PONG" "$(python3 "$work/ask.py" "$port")"
verdict
