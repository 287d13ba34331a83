// One WebSocket client of each npm package: node client.js NAME URL, run where the packages are, prints what it received.

const { createRequire } = require("module");
const need = createRequire(process.cwd() + "/");
const [name, url] = process.argv.slice(2);
const seen = [];

function message(text) { seen.push(`'${text}'`); }
function closed(code) { seen.push(`closed ${code}`); end(); }
function failed() { seen.push("failed"); }
function end() { console.log(seen.join(", ")); process.exit(0); }
setTimeout(() => { seen.push("out of time"); end(); }, 20000);

if (name === "ws") {
    const peer = new (need("ws"))(url);
    peer.on("message", (data) => message(data.toString())).on("close", closed).on("error", failed);
} else if (name === "faye-websocket") {
    const peer = new (need("faye-websocket").Client)(url);
    peer.on("message", (event) => message(event.data));
    peer.on("error", failed);
    peer.on("close", (event) => closed(event.code));
} else if (name === "websocket") {
    const client = new (need("websocket").client)();
    client.on("connectFailed", () => { failed(); end(); });
    client.on("connect", (peer) => peer.on("message", (data) => message(data.utf8Data)).on("close", closed));
    client.connect(url);
} else if (name === "nodejs-websocket") {
    const peer = need("nodejs-websocket").connect(url);
    peer.on("text", message).on("close", closed).on("error", () => { failed(); end(); });
} else if (name === "undici") {
    const peer = new (need("undici").WebSocket)(url);
    peer.onmessage = (event) => message(event.data);
    peer.onerror = failed;
    peer.onclose = (event) => closed(event.code);
}
