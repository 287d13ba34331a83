// The worker of workerd.capnp.
export default {
  fetch(request) {
    if (request.headers.get("Upgrade")?.toLowerCase() !== "websocket") return new Response("a WebSocket server", { status: 426 });
    const [client, server] = Object.values(new WebSocketPair());
    server.accept();
    server.addEventListener("message", (event) => server.send(event.data));
    server.addEventListener("close", (event) => server.close(event.code === 1005 ? 1000 : event.code));
    return new Response(null, { status: 101, webSocket: client });
  },
};
