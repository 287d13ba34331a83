#!/bin/sh
# The client of gorilla/websocket 1.5.0 (Debian 12) refuses a 101 that accepts its offer of compression without repeating
# client_no_context_takeover.
#
# Rules: RFC 7692 section 7.1.1.2: the parameter in an offer is a hint that the client will not use context takeover *even if*
# the server does not include it in its answer; the server may include it. Its sibling server_no_context_takeover has to come
# back, section 7.1.1.1, and comes back here.
# A server that answers as sparingly as the RFC lets it is unreachable for Go clients with EnableCompression.
#
# Seen (the client's offer is permessage-deflate; server_no_context_takeover; client_no_context_takeover):
#   answer with both parameters: connected
#   answer with server_no_context_takeover: websocket: invalid compression negotiation
. "$(dirname "$0")/lib.sh"
debian_packages golang-github-gorilla-websocket-dev=1.5.0-2 golang-1.19-go=1.19.8-2 golang-1.19-src=1.19.8-2
mkdir "$work/client"
cat >"$work/client/main.go" <<'GO'
package main

import (
	"fmt"
	"os"

	"github.com/gorilla/websocket"
)

func main() {
	dialer := websocket.Dialer{EnableCompression: true}
	if _, _, err := dialer.Dial(os.Args[1], nil); err != nil {
		fmt.Println(err)
	} else {
		fmt.Println("connected")
	}
}
GO
export GO111MODULE=off GOFLAGS=-p=1 GOROOT="$root/usr/lib/go-1.19" GOPATH="$root/usr/share/gocode" GOCACHE="$work/cache"
CGO_ENABLED=0 "$GOROOT/bin/go" build -o "$work/client/client" "$work/client/main.go" 2>"$work/install.log" ||
    unavailable "main.go does not compile"
cat >"$work/answer.py" <<'PY'
import socket, subprocess, sys
from wire import accept, value

listener = socket.create_server(("127.0.0.1", 0))
client = subprocess.Popen([sys.argv[1], f"ws://127.0.0.1:{listener.getsockname()[1]}/"], stdout=subprocess.PIPE, text=True)
sock, reader, head = accept(listener, f"Sec-WebSocket-Extensions: {sys.argv[2]}")
print(f"{', '.join(value(head, 'Sec-WebSocket-Extensions'))}: {client.communicate(timeout=20)[0].strip()}")
PY
answer() { python3 "$work/answer.py" "$work/client/client" "$1"; }
offer="permessage-deflate; server_no_context_takeover; client_no_context_takeover"
expect "answer with both parameters" "$offer: connected" "$(answer "$offer")"
expect "answer with server_no_context_takeover" "$offer: websocket: invalid compression negotiation" \
    "$(answer "permessage-deflate; server_no_context_takeover")"
verdict
