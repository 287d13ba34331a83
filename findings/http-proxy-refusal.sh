#!/bin/sh
# http-proxy 1.18.1 (npm; also what http-proxy-middleware 3 runs on) passes on a refused WebSocket
# handshake with the field Transfer-Encoding: chunked but with the chunks taken out of the body.
#
# Rule: RFC 9112 section 7.1, the framing that a message declares is the framing that it has; section 6.1, a proxy that
# removes the chunked coding removes the field. A client that reads the body of a 401, 403 or 503 to learn why it was
# refused reports broken HTTP in its place; one that reads only the head notices nothing.
# http-proxy-3 1.23.3, its fork, chunks the body again.
#
# Seen (the origin answers 403 with the chunks of "not today"):
#   http-proxy: transfer-encoding chunked, body b'not today', Python's http.client: no body, IncompleteRead
#   http-proxy-3: transfer-encoding chunked, body b'9\r\nnot today\r\n0\r\n\r\n', Python's http.client: b'not today'
. "$(dirname "$0")/lib.sh"
command -v npm >/dev/null || unavailable "no npm"
npm_packages http-proxy@1.18.1 http-proxy-3@1.23.3

cat >"$work/front.js" <<'JS'
const [name, front, origin] = process.argv.slice(2);
const proxy = require(name).createProxyServer({ target: `http://127.0.0.1:${origin}` });
proxy.on("error", (error) => console.log(error.message));
const server = require("http").createServer();
server.on("upgrade", (request, socket, head) => proxy.ws(request, socket, head));
server.listen(+front, "127.0.0.1");
JS
cat >"$work/ask.py" <<'PY'
import http.client, socket, sys, threading
from wire import Reader, request, value

front, origin = int(sys.argv[1]), int(sys.argv[2])
listener = socket.create_server(("127.0.0.1", origin))
listener.settimeout(20)

def refuse(times):
    for _ in range(times):
        sock, _ = listener.accept()
        Reader(sock).head()
        sock.sendall(b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nnot today\r\n0\r\n\r\n")
        sock.close()

answering = threading.Thread(target=refuse, args=(2,), daemon=True)
answering.start()
sock = socket.create_connection(("127.0.0.1", front), 5)
sock.sendall(request(front))
reader = Reader(sock)
head = reader.head()
body = reader.rest()
sock = socket.create_connection(("127.0.0.1", front), 5)
sock.sendall(request(front))
response = http.client.HTTPResponse(sock)
response.begin()
try:
    understood = response.read()
except http.client.HTTPException as error:
    understood = f"no body, {type(error).__name__}"
print(f"transfer-encoding {', '.join(value(head, 'Transfer-Encoding'))}, body {body}, Python's http.client: {understood}")
PY

ask() {
    front=$(free_port)
    origin=$(free_port)
    start "$1.log" node "$work/front.js" "$1" "$front" "$origin"
    wait_port "$front"
    python3 "$work/ask.py" "$front" "$origin"
}
expect http-proxy "transfer-encoding chunked, body b'not today', Python's http.client: no body, IncompleteRead" "$(ask http-proxy)"
expect http-proxy-3 \
    "transfer-encoding chunked, body b'9\\r\\nnot today\\r\\n0\\r\\n\\r\\n', Python's http.client: b'not today'" "$(ask http-proxy-3)"
verdict
