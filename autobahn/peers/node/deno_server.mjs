// Deno's own server: deno run --allow-net deno_server.mjs
const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: ({ port }) => console.log(`ws://127.0.0.1:${port}/`) }, (request) => {
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return new Response("a WebSocket server", { status: 426 });
  const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
  socket.binaryType = "arraybuffer";
  socket.onmessage = (event) => socket.send(event.data);
  socket.onerror = () => {};
  return response;
});
for await (const _ of Deno.stdin.readable); // it never outlives its starter
Deno.exit(0);
