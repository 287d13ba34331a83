// nodejs-websocket, which hands out binary messages as streams: nodejs_websocket.js server | client URL
'use strict';
const peer = require('./peer.js');
const library = peer.load('nodejs-websocket');

function answer(connection) {
  connection.on('text', (text) => connection.sendText(text));
  connection.on('binary', (stream) => {
    const parts = [];
    stream.on('data', (part) => parts.push(part));
    stream.on('end', () => connection.sendBinary(Buffer.concat(parts)));
  });
  connection.on('error', () => {});
}

if (process.argv[2] === 'server') {
  const server = library.createServer(answer);
  server.listen(0, '127.0.0.1', () => peer.announce(server.socket.address().port));
} else {
  peer.play('nodejs-websocket', (url, echo) => new Promise((resolve) => {
    let first;
    const connection = library.connect(url);
    if (echo) answer(connection);
    else connection.on('text', (text) => (first ??= text)).on('error', () => {});
    connection.on('close', () => resolve(first));
    connection.socket.on('close', () => resolve(first));
  }));
}
