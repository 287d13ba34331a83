// A client of `bowsprit test client --http2` on Node's own http2 module, which knows extended CONNECT and leaves the rest to the
// program; the frames are those of npm `ws`: node_client.js URL CERTIFICATE. Each WebSocket has a connection of its own.
// Exit code 0 when it could play all cases, else 1 and the reason on stderr.
'use strict';
const fs = require('node:fs');
const http2 = require('node:http2');
const path = require('node:path');
const { WebSocket } = require(path.join(__dirname, '../../target/peers/node/node_modules/ws'));
const PerMessageDeflate = require(path.join(__dirname, '../../target/peers/node/node_modules/ws/lib/permessage-deflate.js'));
const { parse, format } = require(path.join(__dirname, '../../target/peers/node/node_modules/ws/lib/extension.js'));

const [url, certificate] = process.argv.slice(2);
const ca = fs.readFileSync(certificate);
const agent = `Node http2 with ws ${process.versions.node}`;

// What the server answers to our offer, as the client of `ws` takes it; an error where it is none.
function agreed(deflate, answer) {
  if (answer === undefined) return {};
  const extensions = parse(answer);
  const names = Object.keys(extensions);
  if (names.length !== 1 || names[0] !== PerMessageDeflate.extensionName) throw new Error('an extension that was not offered');
  deflate.accept(extensions[PerMessageDeflate.extensionName]);
  return { [PerMessageDeflate.extensionName]: deflate };
}

// Opens a WebSocket and stays until it has ended; the first message.
function talk(resource, echo) {
  return new Promise((resolve) => {
    const session = http2.connect(url, { ca });
    let first;
    const end = () => {
      clearTimeout(late);
      session.destroy();
      resolve(first);
    };
    const late = setTimeout(end, 20_000);
    session.on('error', () => {}).on('close', end);
    session.once('remoteSettings', (settings) => {
      if (!settings.enableConnectProtocol) return session.destroy();
      const deflate = new PerMessageDeflate({ isServer: false, threshold: 0, maxPayload: 64 << 20 });
      const stream = session.request({
        ':method': 'CONNECT', ':protocol': 'websocket', ':path': resource, 'sec-websocket-version': '13',
        'sec-websocket-extensions': format({ [PerMessageDeflate.extensionName]: deflate.offer() }),
      });
      const fail = () => stream.close(http2.constants.NGHTTP2_CANCEL);
      stream.on('error', () => {}).on('close', () => session.close());
      stream.once('response', (headers) => {
        const status = headers[':status'];
        if (status < 200 || status > 299 || headers['sec-websocket-protocol'] !== undefined) return fail();
        let extensions;
        try {
          extensions = agreed(deflate, headers['sec-websocket-extensions']);
        } catch {
          return fail();
        }
        const socket = new WebSocket(null, undefined, { autoPong: true });
        socket._isServer = false;
        socket._extensions = extensions;
        socket.on('error', () => {});
        socket.on('message', (data, binary) => {
          first ??= String(data);
          if (echo) socket.send(data, { binary });
        });
        socket.setSocket(stream, Buffer.alloc(0), { maxPayload: 64 << 20, skipUTF8Validation: false });
      });
    });
  });
}

async function main() {
  const count = Number(await talk('/getCaseCount'));
  if (!count) throw new Error('the lab cannot be reached');
  for (let number = 1; number <= count; number++) {
    const query = `case=${number}&agent=${encodeURIComponent(agent)}`;
    if (await talk(`/nextCase?${query}`) === undefined) throw new Error(`no answer for case ${number}`);
    await talk(`/runCase?${query}`, true);
  }
  await talk(`/updateReports?agent=${encodeURIComponent(agent)}`);
}

main().catch((error) => {
  console.error(`failed: ${error.message}`);
  process.exit(1);
});
