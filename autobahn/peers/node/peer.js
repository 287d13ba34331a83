// What the programs of Node share: packages of target/agreement/node, how a server tells where it is and ends with its
// standard input, and the cases that a client plays, which are those of the Autobahn suite's control protocol.
'use strict';
const path = require('node:path');

exports.load = (name) => require(path.join(__dirname, '../../../target/agreement/node/node_modules', name));

exports.announce = (port) => {
  console.log(`ws://127.0.0.1:${port}/`);
  const end = () => process.exit(0);
  process.stdin.on('end', end).on('error', end).resume();
};

// echo(url) resolves with the first message of a connection once that has ended, however it ends.
exports.play = async (agent, echo) => {
  const url = process.argv.at(-1).replace(/\/$/, '');
  const count = Number(await echo(`${url}/getCaseCount`, false));
  for (let number = 1; number <= count; number++) {
    await echo(`${url}/runCase?case=${number}&agent=${agent}`, true);
  }
  await echo(`${url}/updateReports?agent=${agent}`, false);
};

// The same over the WebSocket of browsers, whoever made it.
exports.standard = (agent, open) => exports.play(agent, (url, answer) => new Promise((resolve) => {
  let first;
  const socket = open(url);
  socket.binaryType = 'arraybuffer';
  socket.onmessage = (event) => {
    first ??= String(event.data);
    if (answer) socket.send(event.data);
  };
  socket.onerror = () => {};
  socket.onclose = () => resolve(first);
}));
