"""The peers that are examined: how each is started, and which version it is. Those of the agreement and ours are written here,
all others are rows of table.py."""

import collections
import json
import os
import subprocess
import sys

import harness  # in the directory above, which the commands have on their path
import table

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))
TARGET = os.path.join(PROJECT, "target")
TESTS = os.path.join(PROJECT, "tests", "peers")
PYTHON = os.path.join(TARGET, "peers", "venv", "bin", "python")
BUN = os.path.join(TARGET, "agreement", "npm", "node_modules", ".bin", "bun")
TUNGSTENITE = os.path.join(TARGET, "agreement", "tungstenite", "release", "agreement-peer")
LIBWEBSOCKETS = os.path.join(TARGET, "agreement", "libwebsockets")
BROKEN = os.path.join(HERE, "broken.py")

# A server prints its URL as its first line and ends with its standard input; a client takes the URL as its last argument.
Peer = collections.namedtuple("Peer", "command version needs broken groups language source", defaults=(False, None, "", ""))


class Server:
    """A running server; it ends when its standard input is closed, or else by a signal."""

    def __init__(self, command, log):
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        self.url = self.child.stdout.readline().decode().strip()
        if not self.url.startswith("ws://"):
            self.end()
            raise harness.CannotRun(f"{command} printed no URL; see {log.name}")

    def end(self):
        self.child.stdin.close()
        harness.end(self.child)


output = table.output


def python_package(python, name):
    return lambda: output(python, "-c", f"import importlib.metadata as m; print(m.version('{name}'))")


def ws_version():
    with open(os.path.join(TARGET, "peers", "node", "node_modules", "ws", "package.json"), encoding="utf-8") as file:
        return json.load(file)["version"]


def tungstenite_version():
    with open(os.path.join(HERE, "tungstenite", "Cargo.lock"), encoding="utf-8") as file:
        lines = file.read().splitlines()
    return lines[lines.index('name = "tungstenite"') + 1].split('"')[1]


def broken(role, kind):
    # Each case with the deaf one takes seconds.
    groups = "1-7" if kind == "deaf" else None
    return Peer([sys.executable, BROKEN, role, kind], lambda: "wrong on purpose", [], True, groups)


def rows(role):
    """The rows of the table that have this role."""
    return {name: Peer(getattr(row, role), row.version, row.needs, language=row.language, source=row.source)
            for name, row in table.ROWS.items() if getattr(row, role)}


def servers(bowsprit):
    node = os.path.join(TARGET, "peers", "node", "node_modules", "ws")
    return {
        "bowsprit": Peer([bowsprit, "serve", "--listen", "127.0.0.1:0"], lambda: output(bowsprit, "--version").split()[-1], [],
                         language="Rust", source="ours"),
        "ws": Peer(["node", os.path.join(TESTS, "ws_echo_server.js"), "--deflate"], ws_version, [node], language="JavaScript",
                   source="npm"),
        "websockets": Peer([PYTHON, os.path.join(TESTS, "websockets_echo_server.py"), "--deflate"],
                           python_package(PYTHON, "websockets"), [PYTHON],
                           language="Python", source="PyPI"),
        "tungstenite": Peer([TUNGSTENITE, "server"], tungstenite_version, [TUNGSTENITE], language="Rust",
                            source="crates.io"),
        "libwebsockets": Peer([LIBWEBSOCKETS], lambda: output(LIBWEBSOCKETS, "--version").rstrip("-"), [LIBWEBSOCKETS],
                              language="C", source="Debian"),
        "bun": Peer([BUN, os.path.join(HERE, "bun.js")], lambda: output(BUN, "--version"), [BUN], language="JavaScript", source="npm"),
        **rows("server"),
        **{kind: broken("server", kind) for kind in ("careless", "rude", "muddled", "deaf")},
    }


def clients(bowsprit):
    node = os.path.join(TARGET, "peers", "node", "node_modules", "ws")
    return {
        "bowsprit": Peer([os.path.join(os.path.dirname(bowsprit), "examples", "autobahn_client")],
                         lambda: output(bowsprit, "--version").split()[-1], [],
                         language="Rust", source="ours"),
        "ws": Peer(["node", os.path.join(TESTS, "ws_autobahn_client.js")], ws_version, [node], language="JavaScript",
                   source="npm"),
        "websockets": Peer([PYTHON, os.path.join(TESTS, "websockets_autobahn_client.py")],
                           python_package(PYTHON, "websockets"), [PYTHON],
                           language="Python", source="PyPI"),
        "tungstenite": Peer([TUNGSTENITE, "client"], tungstenite_version, [TUNGSTENITE], language="Rust",
                            source="crates.io"),
        **rows("client"),
        **{kind: broken("client", kind) for kind in ("careless", "rude", "muddled", "deaf")},
    }
