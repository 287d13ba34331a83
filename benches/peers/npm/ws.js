// The ws package on Node: node ws.js PORT [PERMESSAGE_DEFLATE]
const { WebSocketServer } = require("ws");

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(process.argv[2]),
  backlog: 4096,
  maxPayload: 64 << 20,
  perMessageDeflate: process.argv[3] ? { threshold: 0, ...JSON.parse(process.argv[3]) } : false,
});
server.on("connection", (socket) => {
  socket.on("error", () => {});
  socket.on("message", (data, binary) => socket.send(data, { binary }));
});
