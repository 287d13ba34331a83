// faye-websocket: faye.js server | client URL
'use strict';
const http = require('node:http');
const peer = require('./peer.js');
const WebSocket = peer.load('faye-websocket');
const deflate = peer.load('permessage-deflate');

if (process.argv[2] === 'server') {
  const server = http.createServer((request, response) => response.writeHead(426, { Upgrade: 'websocket' }).end());
  server.on('upgrade', (request, tcp, head) => {
    tcp.on('error', () => {});
    if (!WebSocket.isWebSocket(request)) return tcp.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n');
    const socket = new WebSocket(request, tcp, head, null, { extensions: [deflate] });
    socket.on('message', (event) => socket.send(event.data));
  });
  server.listen(0, '127.0.0.1', () => peer.announce(server.address().port));
} else {
  peer.standard('faye-websocket', (url) => new WebSocket.Client(url, null, { extensions: [deflate] }));
}
