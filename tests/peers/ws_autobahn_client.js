// A client harness for the Autobahn control protocol on npm `ws`: ws_autobahn_client.js URL [--status]
// Asks /getCaseCount, opens /runCase?case=N&agent=ws for N = 1 to that count and echoes all messages, then
// /updateReports. With --status each verdict is asked for and printed: N VERDICT.
// Exit code 0 when it could do all that, else 1 and the reason on stderr.
'use strict';
const path = require('node:path');
const WebSocket = require(path.join(__dirname, '../../target/peers/node/node_modules/ws'));

const url = process.argv.slice(2).find((argument) => !argument.startsWith('--'));
const status = process.argv.includes('--status');
const agent = 'ws';

// The first message of a resource, once its connection has ended; or nothing.
function ask(resource) {
  return new Promise((resolve, reject) => {
    let first;
    const socket = new WebSocket(`${url}${resource}`);
    socket.on('message', (data) => (first ??= String(data)));
    socket.on('error', (error) => reject(new Error(`${resource}: ${error.message}`)));
    socket.on('close', () => resolve(first));
  });
}

// A case ends with its connection, however it ends.
function play(number) {
  return new Promise((resolve) => {
    const socket = new WebSocket(`${url}/runCase?case=${number}&agent=${agent}`, {
      perMessageDeflate: { threshold: 0 },
    });
    socket.on('message', (data, binary) => socket.send(data, { binary }));
    socket.on('error', () => {});
    socket.on('close', resolve);
  });
}

async function main() {
  if (!url) throw new Error('usage: ws_autobahn_client.js URL [--status]');
  const count = Number(await ask('/getCaseCount'));
  for (let number = 1; number <= count; number++) {
    await play(number);
    if (status) {
      const answer = await ask(`/getCaseStatus?case=${number}&agent=${agent}`);
      console.log(`${number} ${JSON.parse(answer).behavior}`);
    }
  }
  await ask(`/updateReports?agent=${agent}`);
}

main().catch((error) => {
  console.error(`failed: ${error.message}`);
  process.exit(1);
});
