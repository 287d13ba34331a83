// An echo client on npm `ws`, for `bowsprit fuzz client`: ws_echo_client.js URL
// Connects, sends every message back, and connects again once the connection is over. Ends when nobody listens any more.
'use strict';
const path = require('node:path');
const WebSocket = require(path.join(__dirname, '../../target/peers/node/node_modules/ws'));

function connect() {
  const socket = new WebSocket(process.argv[2]);
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  socket.on('error', (error) => {
    if (error.code === 'ECONNREFUSED') process.exit(0);
  });
  socket.on('close', () => setImmediate(connect));
}
connect();
