// Fastify with @fastify/websocket, which has the frames of `ws`: fastify.js server
'use strict';
const peer = require('./peer.js');

async function main() {
  const server = peer.load('fastify')();
  await server.register(peer.load('@fastify/websocket'), { options: { perMessageDeflate: true } });
  server.get('/', { websocket: true }, (socket) => {
    socket.on('message', (data, binary) => socket.send(data, { binary }));
    socket.on('error', () => {});
  });
  await server.listen({ host: '127.0.0.1', port: 0 });
  peer.announce(server.server.address().port);
}

main();
