import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/** Java's own client, java.net.http: Jdk client URL */
final class Jdk {
    private static final class Echo implements WebSocket.Listener {
        final CompletableFuture<String> end = new CompletableFuture<>();
        private final boolean answers;
        private final StringBuilder text = new StringBuilder();
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        private CompletableFuture<?> sent = CompletableFuture.completedFuture(null);
        private String first;

        Echo(boolean answers) {
            this.answers = answers;
        }

        @Override
        public CompletionStage<?> onText(WebSocket socket, CharSequence part, boolean last) {
            text.append(part);
            if (last) {
                String message = text.toString();
                text.setLength(0);
                first = first == null ? message : first;
                if (answers) sent = socket.sendText(message, true);
            }
            return next(socket);
        }

        @Override
        public CompletionStage<?> onBinary(WebSocket socket, ByteBuffer part, boolean last) {
            byte[] copy = new byte[part.remaining()];
            part.get(copy);
            bytes.writeBytes(copy);
            if (last) {
                ByteBuffer message = ByteBuffer.wrap(bytes.toByteArray());
                bytes.reset();
                if (answers) sent = socket.sendBinary(message, true);
            }
            return next(socket);
        }

        /** One message at a time may be on its way. */
        private CompletionStage<?> next(WebSocket socket) {
            return sent.handle((done, error) -> {
                socket.request(1);
                return null;
            });
        }

        @Override
        public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
            end.complete(first);
            return null;
        }

        @Override
        public void onError(WebSocket socket, Throwable error) {
            end.complete(first);
        }
    }

    public static void main(String[] arguments) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        Peer.play("jdk", arguments[1], (url, answers) -> {
            Echo echo = new Echo(answers);
            client.newWebSocketBuilder().buildAsync(URI.create(url), echo).get();
            return echo.end.get();
        });
    }
}
