// websocket, of WebSocket-Node: websocket.js server | client URL
'use strict';
const http = require('node:http');
const peer = require('./peer.js');
const { server: Server, client: Client } = peer.load('websocket');

const answer = (connection) => connection.on('message', (message) => {
  if (message.type === 'utf8') connection.sendUTF(message.utf8Data);
  else connection.sendBytes(message.binaryData);
});

if (process.argv[2] === 'server') {
  const httpServer = http.createServer((request, response) => response.writeHead(426, { Upgrade: 'websocket' }).end());
  const server = new Server({ httpServer });
  server.on('request', (request) => answer(request.accept(null, request.origin)));
  httpServer.listen(0, '127.0.0.1', () => peer.announce(httpServer.address().port));
} else {
  peer.play('websocket', (url, echo) => new Promise((resolve) => {
    let first;
    const client = new Client();
    client.on('connectFailed', () => resolve());
    client.on('connect', (connection) => {
      if (echo) answer(connection);
      else connection.on('message', (message) => (first ??= message.utf8Data));
      connection.on('error', () => {});
      connection.on('close', () => resolve(first));
    });
    client.connect(url);
  }));
}
