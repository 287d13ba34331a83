// The ws package on Node: node ws.js PORT [PERMESSAGE_DEFLATE [CERTIFICATE KEY]]
const { readFileSync } = require("fs");
const { createServer } = require("https");
const { WebSocketServer } = require("ws");

const [port, , certificate, key] = process.argv.slice(2);
const tcp = { host: "127.0.0.1", port: Number(port), backlog: 4096 };
const secure = certificate && createServer({ cert: readFileSync(certificate), key: readFileSync(key) }).listen(tcp);
const server = new WebSocketServer({
  ...(secure ? { server: secure } : tcp),
  maxPayload: 64 << 20,
  perMessageDeflate: process.argv[3] ? { threshold: 0, ...JSON.parse(process.argv[3]) } : false,
});
server.on("connection", (socket) => {
  socket.on("error", () => {});
  socket.on("message", (data, binary) => socket.send(data, { binary }));
});
