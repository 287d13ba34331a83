// The engine of Cloudflare Workers, which tells the port that it took on a descriptor: workerd.js server
'use strict';
const { spawn } = require('node:child_process');
const path = require('node:path');
const peer = require('./peer.js');

const engine = spawn(peer.load('workerd').default, ['serve', path.join(__dirname, 'workerd.capnp'), '--control-fd=3'], {
  stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
});
engine.on('exit', () => process.exit(1));
process.on('exit', () => engine.kill()).on('SIGTERM', () => process.exit(0));
let told = '';
engine.stdio[3].on('data', (data) => {
  told += data;
  for (const line of told.split('\n').slice(0, -1)) {
    const message = JSON.parse(line);
    if (message.event === 'listen') peer.announce(message.port);
  }
  told = told.slice(told.lastIndexOf('\n') + 1);
});
