#!/bin/sh
# Jetty 9.4.57 (Debian 12) reads the parameters of permessage-deflate for the other side: its server, which accepts
# server_no_context_takeover, forgets the *client's* window after each message, and fails the second one with 1007.
#
# Rules: RFC 7692 section 7.1.1.1, the parameter is about the window of the server; the client's stays, unless the answer
# holds client_no_context_takeover. A client that offers to save its own memory loses the connection at the first message
# that refers to one before it. ws 8.23.0 keeps them apart.
#
# Seen (each message is 'no context, no context', compressed with the client's window):
#   offer permessage-deflate: echo, echo
#   offer permessage-deflate; server_no_context_takeover: echo, Close 1007
#   ws, the same offer: echo, echo
. "$(dirname "$0")/lib.sh"
debian_packages libjetty9-java=9.4.57-1.1~deb12u1 libjetty9-extra-java=9.4.57-1.1~deb12u1 libservlet-api-java=4.0.1-2
npm_packages ws@8.23.0
command -v javac >/dev/null || unavailable "no JDK"
cat >"$work/Echo.java" <<'JAVA'
import java.net.InetSocketAddress;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.websocket.api.WebSocketAdapter;
import org.eclipse.jetty.websocket.server.WebSocketHandler;
import org.eclipse.jetty.websocket.servlet.WebSocketServletFactory;

public class Echo extends WebSocketAdapter {
    @Override
    public void onWebSocketText(String message) {
        try {
            getRemote().sendString(message);
        } catch (java.io.IOException gone) {
        }
    }

    public static void main(String[] arguments) throws Exception {
        Server server = new Server(new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[0])));
        server.setHandler(new WebSocketHandler() {
            @Override
            public void configure(WebSocketServletFactory factory) {
                factory.register(Echo.class);
            }
        });
        server.start();
        server.join();
    }
}
JAVA
cat >"$work/echo.js" <<'JS'
const { WebSocketServer } = require('ws');
const server = new WebSocketServer({ host: '127.0.0.1', port: Number(process.argv[2]), perMessageDeflate: { threshold: 0 } });
server.on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data, { binary })));
JS
cat >"$work/ask.py" <<'PY'
import sys, zlib
from wire import TEXT, connect, frame, value

sock, reader, head = connect(int(sys.argv[1]), "/", f"Sec-WebSocket-Extensions: {sys.argv[2]}")
answer = ", ".join(value(head, "Sec-WebSocket-Extensions"))
assert "permessage-deflate" in answer and "client_no_context_takeover" not in answer
machine, seen = zlib.compressobj(9, zlib.DEFLATED, -15), []
for _ in range(2):
    sock.sendall(frame(TEXT, (machine.compress(b"no context, no context") + machine.flush(zlib.Z_SYNC_FLUSH))[:-4], rsv1=True))
    shown = reader.shown()
    seen.append("echo" if shown.startswith("text") else shown)
print(", ".join(seen))
PY
classes=$(find "$root/usr/share/java" -name '*.jar' | tr '\n' ':')
javac -nowarn -cp "$classes" -d "$work" "$work/Echo.java" 2>"$work/install.log" || unavailable "Echo.java does not compile"
jetty=$(free_port)
start jetty.log java -cp "$work:$classes" Echo "$jetty"
wait_port "$jetty"
ws=$(free_port)
(cd "$work" && exec node echo.js "$ws") >"$work/ws.log" 2>&1 </dev/null &
echo $! >>"$work/children"
wait_port "$ws"
offer="permessage-deflate; server_no_context_takeover"
expect "offer permessage-deflate" "echo, echo" "$(python3 "$work/ask.py" "$jetty" permessage-deflate)"
expect "offer $offer" "echo, Close 1007" "$(python3 "$work/ask.py" "$jetty" "$offer")"
expect "ws, the same offer" "echo, echo" "$(python3 "$work/ask.py" "$ws" "$offer")"
verdict
