// An echo server on npm `ws`: ws_echo_server.js [--deflate]
// The first line on stdout is its URL. It ends when its standard input is closed, so it never outlives its starter.
'use strict';
const path = require('node:path');
const { WebSocketServer } = require(path.join(__dirname, '../../target/peers/node/node_modules/ws'));

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: 0,
  perMessageDeflate: process.argv.includes('--deflate'),
});
server.on('listening', () => console.log(`ws://127.0.0.1:${server.address().port}/`));
server.on('connection', (socket) => {
  socket.on('error', (error) => console.error(`error: ${error.message}`));
  socket.on('message', (data, binary) => socket.send(data, { binary }));
});
process.stdin.on('end', () => process.exit(0)).on('error', () => process.exit(0)).resume();
