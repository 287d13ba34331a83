// A node of Socket.IO with its Redis adapter: node.js REDIS_PORT. Prints its own port.
//
// Everybody who connects is in the room "x". "say" sends a message to all others there; "publish" sends so many, in turns of 256.
const { createServer } = require("http");
const { Server } = require("socket.io");
const { createAdapter } = require("@socket.io/redis-adapter");
const { createClient } = require("redis");

const pub = createClient({ url: `redis://127.0.0.1:${process.argv[2]}` });
const sub = pub.duplicate();
Promise.all([pub.connect(), sub.connect()]).then(() => {
  const server = createServer();
  // No pings of its own while messages are counted.
  const io = new Server(server, { transports: ["websocket"], pingInterval: 3_600_000, adapter: createAdapter(pub, sub) });
  io.on("connection", (socket) => {
    socket.join("x");
    socket.on("say", (payload) => socket.to("x").emit("m", payload));
    socket.on("publish", (count, payload) => {
      const turn = () => {
        for (let i = 0; i < 256 && count > 0; i++, count--) socket.to("x").emit("m", payload);
        if (count > 0) setImmediate(turn);
      };
      turn();
    });
    socket.emit("ready");
  });
  server.listen(0, "127.0.0.1", () => console.log(server.address().port));
});
process.stdin.on("end", () => process.exit()).resume(); // it does not outlive the run
