import jakarta.servlet.ServletContextEvent;
import jakarta.websocket.ClientEndpointConfig;
import jakarta.websocket.CloseReason;
import jakarta.websocket.ContainerProvider;
import jakarta.websocket.DeploymentException;
import jakarta.websocket.Endpoint;
import jakarta.websocket.EndpointConfig;
import jakarta.websocket.Extension;
import jakarta.websocket.Session;
import jakarta.websocket.WebSocketContainer;
import jakarta.websocket.server.ServerContainer;
import jakarta.websocket.server.ServerEndpointConfig;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.apache.catalina.Context;
import org.apache.catalina.servlets.DefaultServlet;
import org.apache.catalina.startup.Tomcat;
import org.apache.tomcat.websocket.server.WsContextListener;

/** Tomcat 10, both sides of Jakarta WebSocket: Tomcat10 server | client URL */
public final class Tomcat10 {
    /** Takes parts, as whole messages have to fit into its buffers of 8 KiB. */
    public static class Echo extends Endpoint {
        final CompletableFuture<String> end = new CompletableFuture<>();
        private final StringBuilder text = new StringBuilder();
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        private final boolean answers;
        private String first;

        public Echo() {
            this(true);
        }

        Echo(boolean answers) {
            this.answers = answers;
        }

        @Override
        public void onOpen(Session session, EndpointConfig config) {
            session.addMessageHandler(String.class, (part, last) -> {
                text.append(part);
                if (!last) return;
                String message = text.toString();
                text.setLength(0);
                first = first == null ? message : first;
                send(() -> session.getBasicRemote().sendText(message));
            });
            session.addMessageHandler(ByteBuffer.class, (part, last) -> {
                byte[] copy = new byte[part.remaining()];
                part.get(copy);
                bytes.writeBytes(copy);
                if (!last) return;
                ByteBuffer message = ByteBuffer.wrap(bytes.toByteArray());
                bytes.reset();
                send(() -> session.getBasicRemote().sendBinary(message));
            });
        }

        private interface Sending {
            void now() throws IOException;
        }

        private void send(Sending sending) {
            if (!answers) return;
            try {
                sending.now();
            } catch (IOException gone) {
                // the connection has ended
            }
        }

        @Override
        public void onClose(Session session, CloseReason reason) {
            end.complete(first);
        }

        @Override
        public void onError(Session session, Throwable error) {
            // the end follows
        }
    }

    public static class Starter extends WsContextListener {
        @Override
        public void contextInitialized(ServletContextEvent event) {
            super.contextInitialized(event);
            Object container = event.getServletContext().getAttribute(ServerContainer.class.getName());
            try {
                ((ServerContainer) container).addEndpoint(ServerEndpointConfig.Builder.create(Echo.class, "/").build());
            } catch (DeploymentException error) {
                throw new IllegalStateException(error);
            }
        }
    }

    private static final class Deflate implements Extension {
        @Override
        public String getName() {
            return "permessage-deflate";
        }

        @Override
        public List<Extension.Parameter> getParameters() {
            return List.of();
        }
    }

    private static void serve() throws Exception {
        String directory = Files.createTempDirectory("tomcat").toString();
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(directory);
        tomcat.setHostname("127.0.0.1");
        tomcat.setPort(0);
        tomcat.getConnector().setProperty("address", "127.0.0.1");
        Context context = tomcat.addContext("", directory);
        context.addApplicationListener(Starter.class.getName());
        Tomcat.addServlet(context, "default", new DefaultServlet());
        context.addServletMappingDecoded("/", "default");
        tomcat.start();
        Peer.announce(tomcat.getConnector().getLocalPort());
        tomcat.getServer().await();
    }

    public static void main(String[] arguments) throws Exception {
        Logger.getLogger("").setLevel(Level.OFF);
        if (arguments[0].equals("server")) {
            serve();
            return;
        }
        WebSocketContainer container = ContainerProvider.getWebSocketContainer();
        ClientEndpointConfig config = ClientEndpointConfig.Builder.create()
            .extensions(List.of(new Deflate())).build();
        Peer.play("tomcat", arguments[1], (url, answers) -> {
            Echo echo = new Echo(answers);
            container.connectToServer(echo, config, URI.create(url));
            return echo.end.get();
        });
    }
}
