// Clients that have the WebSocket of browsers: standard.js undici | global URL
// `global` is the runtime's own: of Node (--experimental-websocket before Node 22), of Bun, of Deno.
'use strict';
const peer = require('./peer.js');

const WebSocket = process.argv[2] === 'undici' ? peer.load('undici').WebSocket : globalThis.WebSocket;
peer.standard(process.argv[2], (url) => new WebSocket(url));
