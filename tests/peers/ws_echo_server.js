// An echo server on npm `ws`: ws_echo_server.js [--deflate] [--tls CERTIFICATE KEY] [--renegotiate]
// The first line on stdout is its URL. It ends when its standard input is closed, so it never outlives its starter.
// With --renegotiate it speaks TLS 1.2 and asks for another handshake in the middle of each answer.
'use strict';
const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const path = require('node:path');
const { WebSocketServer } = require(path.join(__dirname, '../../target/peers/node/node_modules/ws'));

const args = process.argv;
const tls = args.indexOf('--tls');
const renegotiate = args.includes('--renegotiate');
const server =
  tls < 0
    ? http.createServer()
    : https.createServer({
        cert: fs.readFileSync(args[tls + 1]),
        key: fs.readFileSync(args[tls + 2]),
        maxVersion: renegotiate ? 'TLSv1.2' : 'TLSv1.3',
      });
server.listen(0, '127.0.0.1', () => {
  const url = `127.0.0.1:${server.address().port}/`;
  console.log(tls < 0 ? `ws://${url}` : `wss://${url}`);
});
new WebSocketServer({ server, perMessageDeflate: args.includes('--deflate') }).on('connection', (socket) => {
  socket.on('error', (error) => console.error(`error: ${error.message}`));
  socket.on('message', (data, binary) => {
    if (renegotiate) {
      socket.send(data.subarray(0, 1), { binary, fin: false });
      socket._socket.renegotiate({}, (error) => error && socket.terminate());
      socket.send(data.subarray(1), { binary, fin: true });
    } else {
      socket.send(data, { binary });
    }
  });
});
process.stdin.on('end', () => process.exit(0)).on('error', () => process.exit(0)).resume();
