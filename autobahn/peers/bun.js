// Bun's own server, which has uWebSockets inside: bun bun.js
// The first line on stdout is its URL. It ends when its standard input is closed, so it never outlives its starter.
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, server) {
    if (!server.upgrade(request)) return new Response("a WebSocket server", { status: 426 });
  },
  websocket: {
    perMessageDeflate: true,
    maxPayloadLength: 64 << 20,
    backpressureLimit: 64 << 20,
    message(socket, message) {
      socket.send(message);
    },
  },
});
console.log(`ws://127.0.0.1:${server.port}/`);
process.stdin.on("end", () => process.exit(0)).on("error", () => process.exit(0)).resume();
