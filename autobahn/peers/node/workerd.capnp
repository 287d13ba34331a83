# The engine of Cloudflare Workers: what workerd.js starts.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "echo", worker = .echo)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "echo")],
);

const echo :Workerd.Worker = (
  modules = [(name = "echo.mjs", esModule = embed "workerd.mjs")],
  compatibilityDate = "2026-01-01",
);
