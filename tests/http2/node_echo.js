// An echo server over HTTP/2 on Node's own http2 module, which knows extended CONNECT and leaves the rest to the program;
// the frames are those of npm `ws`: node_echo.js [CERTIFICATE KEY]. The first line on stdout is its URL. It ends when its standard input is closed.
'use strict';
const fs = require('node:fs');
const http2 = require('node:http2');
const path = require('node:path');
const { WebSocket } = require(path.join(__dirname, '../../target/peers/node/node_modules/ws'));
const PerMessageDeflate = require(path.join(__dirname, '../../target/peers/node/node_modules/ws/lib/permessage-deflate.js'));
const { parse, format } = require(path.join(__dirname, '../../target/peers/node/node_modules/ws/lib/extension.js'));

// What the offers agree to, as the server of `ws` does it.
function agree(offer) {
  if (offer === undefined) return [{}, undefined];
  const deflate = new PerMessageDeflate({ isServer: true, maxPayload: 64 << 20 });
  const offers = parse(offer);
  if (!offers[PerMessageDeflate.extensionName]) return [{}, undefined];
  deflate.accept(offers[PerMessageDeflate.extensionName]);
  const accepted = { [PerMessageDeflate.extensionName]: [deflate.params] };
  return [{ [PerMessageDeflate.extensionName]: deflate }, format(accepted)];
}

const settings = { enableConnectProtocol: true };
const [cert, key] = process.argv.slice(2).map((file) => fs.readFileSync(file));
const server = cert ? http2.createSecureServer({ settings, cert, key }) : http2.createServer({ settings });
server.on('stream', (stream, headers) => {
  stream.on('error', () => {});
  if (headers[':method'] !== 'CONNECT') {
    stream.respond({ ':status': 200 });
    return stream.end('a page\n');
  }
  const refuse = (status, fields) => {
    stream.respond({ ':status': status, ...fields });
    stream.end();
  };
  if (headers[':protocol'] !== 'websocket') return refuse(501);
  if (headers['sec-websocket-version'] !== '13') return refuse(400, { 'sec-websocket-version': '13' });
  let extensions;
  let answer;
  try {
    [extensions, answer] = agree(headers['sec-websocket-extensions']);
  } catch (error) {
    return refuse(400);
  }
  stream.respond({ ':status': 200, ...(answer && { 'sec-websocket-extensions': answer }) });
  const socket = new WebSocket(null, undefined, { autoPong: true });
  socket._isServer = true;
  socket._extensions = extensions;
  socket.on('error', () => {});
  socket.on('message', (data, binary) => socket.send(data, { binary }));
  socket.setSocket(stream, Buffer.alloc(0), { maxPayload: 64 << 20, skipUTF8Validation: false });
});
server.on('sessionError', () => {});
server.listen(0, '127.0.0.1', () => console.log(`${cert ? 'https' : 'http'}://127.0.0.1:${server.address().port}/`));
process.stdin.on('end', () => process.exit(0)).on('error', () => process.exit(0)).resume();
