import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.util.log.Log;
import org.eclipse.jetty.util.log.StdErrLog;
import org.eclipse.jetty.websocket.api.WebSocketAdapter;
import org.eclipse.jetty.websocket.api.WebSocketPolicy;
import org.eclipse.jetty.websocket.client.ClientUpgradeRequest;
import org.eclipse.jetty.websocket.client.WebSocketClient;
import org.eclipse.jetty.websocket.server.WebSocketHandler;
import org.eclipse.jetty.websocket.servlet.WebSocketServletFactory;

/** Jetty 9: Jetty9 server | client URL */
public final class Jetty9 {
    public static class Echo extends WebSocketAdapter {
        final CompletableFuture<String> end = new CompletableFuture<>();
        private final boolean answers;
        private String first;

        public Echo() {
            this(true);
        }

        Echo(boolean answers) {
            this.answers = answers;
        }

        @Override
        public void onWebSocketText(String message) {
            first = first == null ? message : first;
            try {
                if (answers) getRemote().sendString(message);
            } catch (IOException gone) {
                // the connection has ended
            }
        }

        @Override
        public void onWebSocketBinary(byte[] bytes, int from, int length) {
            try {
                if (answers) getRemote().sendBytes(ByteBuffer.wrap(bytes, from, length));
            } catch (IOException gone) {
                // the connection has ended
            }
        }

        @Override
        public void onWebSocketClose(int code, String reason) {
            super.onWebSocketClose(code, reason);
            end.complete(first);
        }

        @Override
        public void onWebSocketError(Throwable error) {
            // the end follows
        }
    }

    /** Its default is 64 KiB for a message. */
    private static void widen(WebSocketPolicy policy) {
        policy.setMaxTextMessageSize(64 << 20);
        policy.setMaxBinaryMessageSize(64 << 20);
    }

    private static void serve() throws Exception {
        Server server = new Server(new InetSocketAddress("127.0.0.1", 0));
        server.setHandler(new WebSocketHandler() {
            @Override
            public void configure(WebSocketServletFactory factory) {
                widen(factory.getPolicy());
                factory.register(Echo.class);
            }
        });
        server.start();
        Peer.announce(((ServerConnector) server.getConnectors()[0]).getLocalPort());
        server.join();
    }

    public static void main(String[] arguments) throws Exception {
        StdErrLog quiet = new StdErrLog();
        quiet.setLevel(StdErrLog.LEVEL_OFF);
        Log.setLog(quiet);
        if (arguments[0].equals("server")) {
            serve();
            return;
        }
        WebSocketClient client = new WebSocketClient();
        widen(client.getPolicy());
        client.start();
        Peer.play("jetty", arguments[1], (url, answers) -> {
            Echo echo = new Echo(answers);
            ClientUpgradeRequest request = new ClientUpgradeRequest();
            request.addExtensions("permessage-deflate");
            client.connect(echo, URI.create(url), request).get(20, TimeUnit.SECONDS);
            return echo.end.get();
        });
    }
}
