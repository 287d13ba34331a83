// The echo under Node, which brings what the core has not: sockets, the time, and somebody to ask.
//
//     node node.mjs MODULE replay RECORDINGS    replays what embedded-record wrote; code 0 where all is as recorded
//     node node.mjs MODULE serve PORT           echoes on the loopback interface

import { readFileSync } from "node:fs";
import net from "node:net";

const [file, what, argument] = process.argv.slice(2);
const { instance } = await WebAssembly.instantiate(readFileSync(file));
const core = instance.exports;

function give(bytes) {
  const at = core.room(bytes.length);
  // The memory may have grown, and so moved: look at it only now.
  new Uint8Array(core.memory.buffer, at, bytes.length).set(bytes);
}

// A copy, as the next call writes over it.
const take = (length) => Buffer.from(new Uint8Array(core.memory.buffer, core.output(), length));

function replay(path) {
  const recordings = readFileSync(path);
  let [passed, failed] = [0, 0];
  for (let at = 0; at < recordings.length; ) {
    const length = recordings.readUInt32LE(at);
    give(recordings.subarray(at + 4, at + 4 + length));
    at += 4 + length;
    const difference = core.replay();
    if (difference === 0) {
      passed += 1;
    } else {
      failed += 1;
      console.error(take(difference).toString());
    }
  }
  console.log(`recordings: ${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

function serve(port) {
  const now = () => performance.now();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    const connection = core.open(now());
    let timer;
    const step = (bytes) => {
      clearTimeout(timer);
      give(bytes);
      const length = core.receive(connection, now());
      if (length > 0) socket.write(take(length));
      if (core.is_over(connection)) {
        socket.end();
        // A peer that does not end its direction is not waited for.
        socket.setTimeout(1000, () => socket.destroy());
        return;
      }
      const due = core.next_timeout(connection);
      // The next millisecond, so that it is due by then; a timer of Node's holds 31 bits.
      if (due !== Infinity) timer = setTimeout(() => step(Buffer.alloc(0)), Math.min(due - now() + 1, 2 ** 31 - 1));
    };
    socket.on("data", step);
    socket.on("end", () => socket.end());
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      clearTimeout(timer);
      core.close(connection);
    });
    const first = core.next_timeout(connection) - now();
    timer = setTimeout(() => step(Buffer.alloc(0)), first + 1);
  });
  server.listen(port, "127.0.0.1", () => console.log(`ws://127.0.0.1:${server.address().port}/`));
}

if (what === "replay" && argument) replay(argument);
else if (what === "serve" && argument) serve(Number(argument));
else {
  console.error("usage: node node.mjs MODULE replay RECORDINGS | serve PORT");
  process.exitCode = 2;
}
