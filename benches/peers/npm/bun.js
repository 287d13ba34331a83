// Bun's own server, which has uWebSockets inside: bun bun.js PORT [echo|broadcast|deflate [CERTIFICATE KEY]]
const broadcasts = process.argv[3] === "broadcast";
const compresses = process.argv[3] === "deflate";
const [certificate, key] = process.argv.slice(4);
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),
  tls: certificate && { cert: Bun.file(certificate), key: Bun.file(key) },
  fetch(request, server) {
    if (!server.upgrade(request)) return new Response("a WebSocket server", { status: 426 });
  },
  websocket: {
    perMessageDeflate: compresses,
    maxPayloadLength: 64 << 20,
    backpressureLimit: 64 << 20,
    open(socket) {
      if (broadcasts) socket.subscribe("all");
    },
    message(socket, message) {
      if (broadcasts) server.publish("all", message);
      else socket.send(message, compresses);
    },
  },
});
