// A checking client on npm `ws`: ws_client.js URL [--deflate]
// Sends a fixed set of messages to an echo server, compares each answer byte for byte, closes with 1000.
// Exit code 0 when all was right, else 1 and the reason on stderr.
'use strict';
const path = require('node:path');
const WebSocket = require(path.join(__dirname, '../../target/peers/node/node_modules/ws'));

const deflate = process.argv.includes('--deflate');
const url = process.argv.slice(2).find((argument) => !argument.startsWith('--'));

function fail(reason) {
  console.error(`failed: ${reason}`);
  process.exit(1);
}

const SIZES = [0, 1, 125, 126, 127, 65535, 65536, 1048577];
const text = (size) => 'The quick brown fox. '.repeat(size / 21 + 1).slice(0, size);
const binary = (size) => Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) & 0xff));

// Each entry is a list of frames of one message; `ping` between two of them is a ping frame.
const MESSAGES = [
  ...SIZES.map((size) => [text(size)]),
  ...SIZES.map((size) => [binary(size)]),
  ['κόσμε, 世界, 🌍'],
  ['in ', 'three ', 'frames'],
  ['with a ping ', { ping: 'between' }, 'two frames'],
  ['', 'empty frames around', ''],
  [binary(70000), { ping: '' }, binary(3), binary(0)],
];

if (!url) fail('usage: ws_client.js URL [--deflate]');
setTimeout(() => fail('no end within 30 s'), 30000).unref();
const socket = new WebSocket(url, { perMessageDeflate: deflate ? { threshold: 0 } : false });
const pongs = [];
const expected = []; // pings sent for which a pong is due
let next = 0;

function send() {
  const frames = MESSAGES[next];
  const last = frames.length - 1;
  const isBinary = typeof frames[0] !== 'string';
  frames.forEach((frame, i) => {
    if (frame.ping !== undefined) {
      socket.ping(frame.ping);
      expected.push(frame.ping);
    } else {
      socket.send(frame, { binary: isBinary, fin: i === last });
    }
  });
}

socket.on('open', () => {
  if (deflate !== socket.extensions.includes('permessage-deflate')) fail(`extensions: '${socket.extensions}'`);
  send();
});
socket.on('pong', (data) => pongs.push(data.toString()));
socket.on('message', (data, isBinary) => {
  const frames = MESSAGES[next].filter((frame) => frame.ping === undefined);
  if (isBinary !== (typeof frames[0] !== 'string')) fail(`message ${next}: wrong kind`);
  if (!data.equals(Buffer.concat(frames.map((frame) => Buffer.from(frame))))) fail(`message ${next}: wrong content`);
  next += 1;
  if (next < MESSAGES.length) return send();
  socket.once('pong', () => socket.close(1000, 'done'));
  socket.ping('last');
  expected.push('last');
});
socket.on('error', (error) => fail(error.message));
socket.on('unexpected-response', (_, response) => fail(`HTTP status ${response.statusCode}`));
socket.on('close', (code) => {
  if (next < MESSAGES.length) fail(`closed with ${code} after ${next} messages`);
  if (code !== 1000) fail(`close answered with ${code}`);
  if (JSON.stringify(pongs) !== JSON.stringify(expected)) fail(`pongs ${pongs}, expected ${expected}`);
  console.log(`${next} messages and ${pongs.length} pings answered, closed with ${code}`);
});
