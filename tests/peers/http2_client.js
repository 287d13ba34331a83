// A raw client on Node's http2, which knows extended CONNECT and no WebSocket: http2_client.js PORT [CERTIFICATE].
//
// Two WebSockets and a page on one HTTP/2 connection, over TLS where a certificate is given. Each echoes a short message and
// a long one and closes; the page comes beside them. Prints `closed with 1000` and ends with 0 when all that went as it
// should, else 1 and the reason on stderr.
'use strict';
const assert = require('node:assert');
const crypto = require('node:crypto');
const fs = require('node:fs');
const http2 = require('node:http2');

const [port, certificate] = process.argv.slice(2);

function head(opcode, length, mask) {
  const first = 0x80 | opcode;
  if (length < 126) return Buffer.from([first, mask | length]);
  if (length < 65_536) return Buffer.from([first, mask | 126, length >> 8, length & 255]);
  const bytes = Buffer.alloc(10);
  bytes.set([first, mask | 127]);
  bytes.writeBigUInt64BE(BigInt(length), 2);
  return bytes;
}

function frame(opcode, payload) {
  const key = crypto.randomBytes(4);
  return Buffer.concat([head(opcode, payload.length, 0x80), key, payload.map((byte, at) => byte ^ key[at % 4])]);
}

// What a server sends: the same without a mask.
const unmasked = (opcode, payload) => Buffer.concat([head(opcode, payload.length, 0), payload]);

// The status and the body of a stream, once that has ended.
function whole(stream) {
  return new Promise((resolve, reject) => {
    const parts = [];
    let status;
    stream.on('response', (headers) => { status = headers[':status']; });
    stream.on('data', (part) => parts.push(part));
    stream.on('end', () => resolve([status, Buffer.concat(parts)]));
    stream.on('error', reject);
  });
}

async function main() {
  const options = certificate ? { ca: fs.readFileSync(certificate), servername: 'localhost' } : {};
  const session = http2.connect(`${certificate ? 'https' : 'http'}://127.0.0.1:${port}`, options);
  const authority = `localhost:${port}`;
  await new Promise((resolve, reject) => session.once('remoteSettings', resolve).once('error', reject));
  assert.strictEqual(session.remoteSettings.enableConnectProtocol, true);
  const said = [[1, Buffer.from('κόσμε')], [2, Buffer.alloc(300_000, Buffer.from([...Array(256).keys()]))]];
  const close = Buffer.from([0x03, 0xe8]);
  const expected = Buffer.concat([...said, [8, close]].map((each) => unmasked(...each)));
  const sockets = [1, 2].map(async () => {
    const stream = session.request({
      ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/', ':authority': authority, 'sec-websocket-version': '13',
    });
    const answer = whole(stream);
    stream.once('response', () => {
      for (const each of said) stream.write(frame(...each));
      stream.write(frame(8, close));
    });
    const [status, body] = await answer;
    stream.end();
    assert.strictEqual(status, 200);
    assert(body.equals(expected), 'something else came back');
  });
  const page = whole(session.request({ ':path': '/', ':authority': authority }));
  const [status, body] = await page;
  assert.strictEqual(status, 200);
  assert.match(body.toString(), /<!doctype html|<html/i);
  await Promise.all(sockets);
  session.close();
  console.log('closed with 1000');
}

main().catch((error) => {
  console.error(`failed: ${error.message}`);
  process.exit(1);
});
