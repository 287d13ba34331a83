"""The peers of others, one row each: its language, where its package comes from, and the programs that examine it.

A row with a program in the directory of its language is all that a new peer needs. `install` puts what a row names below
target/agreement (Debian's packages into the system), `peers.py` starts it, `conformance` records it.
A server prints its URL as its first line and ends with its standard input; a client takes the URL as its last argument.
"""

import collections
import functools
import json
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))
TARGET = os.path.join(PROJECT, "target")
HOME = os.path.join(TARGET, "agreement")
PYTHON = os.path.join(HOME, "venv", "bin", "python")
NODE_MODULES = os.path.join(HOME, "node", "node_modules")

# language, source: for people. version(): what is installed. needs: what has to be there. server, client: commands or None.
# pip, npm: whether requirements.txt or package.json has it; debian: packages; build: commands that make what is in needs.
Row = collections.namedtuple("Row", "language source version needs server client pip npm debian build",
                             defaults=(None, None, False, False, (), ()))


def output(*command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def debian_version(package):
    """The upstream part of an installed package's version, without its epoch and Debian's own revision."""
    return output("dpkg-query", "-W", "-f", "${Version}", package).split(":")[-1].split("+")[0].split("-")[0]


def python(package, file, server=None, client=None):
    """A package of PyPI; server and client are the arguments of the program in python/."""
    def command(arguments):
        return None if arguments is None else [PYTHON, "-B", os.path.join(HERE, "python", file), *arguments]
    version = functools.partial(output, PYTHON, "-c", f"import importlib.metadata as m; print(m.version('{package}'))")
    return Row("Python", "PyPI", version, [PYTHON], command(server), command(client), pip=True)


def node(package, file=None, server=None, client=None, runner=("node",), language="JavaScript"):
    """A package of npm; server and client are the arguments of a program in node/, which some other runtime may run."""
    def command(arguments):
        return None if arguments is None else [*runner, *([os.path.join(HERE, "node", file)] if file else []), *arguments]

    def version():
        with open(os.path.join(NODE_MODULES, package, "package.json"), encoding="utf-8") as lines:
            return json.load(lines)["version"]
    return Row(language, "npm", version, [os.path.join(NODE_MODULES, package)], command(server), command(client), npm=True)


def runtime(name, *arguments):
    """The command of a JavaScript runtime of npm."""
    return [os.path.join(NODE_MODULES, ".bin", name), *arguments]


def debian(language, package, command, server=False, client=False, debian=(), build=(), needs=()):
    """A package of Debian, and a program that says by its first argument which side it plays."""
    return Row(language, "Debian", functools.partial(debian_version, package), list(needs),
               [*command, "server"] if server else None, [*command, "client"] if client else None,
               debian=(package, *debian), build=build)


def script(language, runner, file, package, arguments=(), **more):
    return debian(language, package, [runner, os.path.join(HERE, *file.split("/")), *arguments], **more)


def compiled(language, name, package, compiler, server=False, client=False, debian_packages=()):
    """compiler(source, program) is the command that makes the program."""
    program = os.path.join(HOME, "bin", name)
    return debian(language, package, [program], server, client, debian_packages, [compiler(program)], [program])


def c(name, package, *libraries, pkg_config=None, more=("build-essential",), **roles):
    flags = f"$(pkg-config --cflags --libs {pkg_config})" if pkg_config else " ".join(libraries)
    return compiled("C", name, package, lambda program: [
        "sh", "-c", f"cc -O2 -o {program} {os.path.join(HERE, 'c', name)}.c {flags}"], debian_packages=more, **roles)


def cpp(name, package, *flags, more=("build-essential",)):
    return compiled("C++", name, package, lambda program: [
        "c++", "-std=c++17", "-O1", "-fPIC", "-o", program, os.path.join(HERE, "cpp", f"{name}.cpp"), *flags, "-pthread"],
        server=True, client=True, debian_packages=more)


def haskell(name, package, *more):
    return compiled("Haskell", f"{name}.hs", package, lambda program: [
        "ghc", "-v0", "-threaded", "-outputdir", f"{program}.o", "-o", program, os.path.join(HERE, "haskell", f"{name}.hs")],
        server=True, client=True, debian_packages=["ghc", *more])


def java(name, package, *jars, more=(), **roles):
    """Classes of java/, with these jars of /usr/share/java."""
    classes = os.path.join(HOME, "java", name)
    path = ":".join([classes, *(f"/usr/share/java/{jar}.jar" for jar in jars)])
    sources = [os.path.join(HERE, "java", f"{file}.java") for file in ("Peer", name)]
    return debian("Java", package, ["java", "-cp", path, name], debian=["openjdk-17-jdk-headless", *more],
                  build=[["javac", "-nowarn", "-cp", path, "-d", classes, *sources]],
                  needs=[os.path.join(classes, f"{name}.class")], **roles)


def go(name, package):
    """Debian's Go packages are sources below /usr/share/gocode, which Go reads without modules."""
    return compiled("Go", name, package, lambda program: [
        "env", "GO111MODULE=off", "GOPATH=/usr/share/gocode", f"GOCACHE={os.path.join(HOME, 'gocache')}",
        "go", "build", "-o", program, *(os.path.join(HERE, "go", f"{file}.go") for file in ("main", name))],
        server=True, client=True, debian_packages=["golang-go"])


def browser(name):
    """A browser of Debian on a page; what it plays there is JavaScript."""
    return script("JavaScript", "python3", "browser/browser.py", name, client=True, arguments=[name])


BOTH = {"server": ["server"], "client": ["client"]}
ROWS = {
    "picows": python("picows", "picows_peer.py", **BOTH),
    "aiohttp": python("aiohttp", "aiohttp_peer.py", **BOTH),
    "tornado": python("tornado", "tornado_peer.py", **BOTH),
    "autobahn": python("autobahn", "autobahn_peer.py", **BOTH),
    "trio-websocket": python("trio-websocket", "trio_peer.py", **BOTH),
    "ws4py": python("ws4py", "ws4py_peer.py", **BOTH),
    # Its client misses what comes in one segment with the 101 (findings/simple-websocket-first), and so how many cases there are.
    "simple-websocket": python("simple-websocket", "simple_websocket_peer.py", server=["server"]),
    "uvicorn-websockets": python("uvicorn", "asgi.py", ["uvicorn-websockets"]),
    "uvicorn-wsproto": python("uvicorn", "asgi.py", ["uvicorn-wsproto"]),
    "hypercorn": python("hypercorn", "asgi.py", ["hypercorn"]),
    "granian": python("granian", "asgi.py", ["granian"]),
    "daphne": python("daphne", "asgi.py", ["daphne"]),
    "sanic": python("sanic", "sanic_server.py", []),
    "gevent-websocket": python("gevent-websocket", "gevent_server.py", []),
    "socketify": python("socketify", "socketify_server.py", []),
    "websocket-client": python("websocket-client", "clients.py", client=["websocket-client"]),
    "lomond": python("lomond", "clients.py", client=["lomond"]),
    "curl_cffi": python("curl_cffi", "clients.py", client=["curl_cffi"]),
    "aiosonic": python("aiosonic", "clients.py", client=["aiosonic"]),
    "faye-websocket": node("faye-websocket", "faye.js", **BOTH),
    "websocket": node("websocket", "websocket.js", **BOTH),
    "nodejs-websocket": node("nodejs-websocket", "nodejs_websocket.js", **BOTH),
    "fastify-websocket": node("@fastify/websocket", "fastify.js", server=["server"]),
    "workerd": node("workerd", "workerd.js", server=["server"]),
    "undici": node("undici", "standard.js", client=["undici"]),
    "bun-client": node("bun", "standard.js", client=["global"], runner=runtime("bun")),
    "deno": node("deno", "deno_server.mjs", server=[], runner=runtime("deno", "run", "--allow-net")),
    "deno-client": node("deno", "standard.js", client=["global"], runner=runtime("deno", "run", "--allow-net", "--allow-read")),
    "node": Row("JavaScript", "nodejs.org", lambda: output("node", "--version").lstrip("v"), [], client=[
        "node", "--experimental-websocket", os.path.join(HERE, "node", "standard.js"), "global"]),
    "gorilla": go("gorilla", "golang-github-gorilla-websocket-dev"),
    "nhooyr": go("nhooyr", "golang-nhooyr-websocket-dev"),
    "xnet": go("xnet", "golang-golang-x-net-dev"),
    "libsoup": c("libsoup", "libsoup-3.0-dev", pkg_config="libsoup-3.0", server=True, client=True),
    "beast": cpp("beast", "libboost1.74-dev"),
    "websocketpp": cpp("websocketpp", "libwebsocketpp-dev", "-lz", more=(
        "build-essential", "libboost-dev", "libboost-system-dev", "zlib1g-dev")),
    "qt": cpp("qt", "qt6-websockets-dev", *(f"-I/usr/include/x86_64-linux-gnu/qt6{directory}" for directory in (
        "", "/QtCore", "/QtNetwork", "/QtWebSockets")), "-lQt6WebSockets", "-lQt6Network", "-lQt6Core"),
    "jdk": java("Jdk", "openjdk-17-jre-headless", client=True),
    "tomcat": java("Tomcat10", "libtomcat10-embed-java", "tomcat10-embed-core", "tomcat10-embed-websocket",
                   "tomcat10-annotations-api", more=["libtomcat10-java"], server=True, client=True),
    "jetty": java("Jetty9", "libjetty9-extra-java", *(f"jetty9-{part}" for part in (
        "server", "servlet", "http", "io", "util", "client", "xml", "security", "websocket-api", "websocket-common",
        "websocket-client", "websocket-server", "websocket-servlet")), "servlet-api", server=True, client=True),
    "haskell-websockets": haskell("websockets", "libghc-websockets-dev"),
    "lua-http": script("Lua", "lua5.2", "lua/lua_http.lua", "lua-http", server=True, client=True, debian=["lua5.2", "lua-basexx", "lua-fifo", "lua-lpeg-patterns"]),
    "tcllib": script("Tcl", "tclsh", "tcl/tcllib.tcl", "tcllib", server=True, client=True, debian=["tcl", "tcl-thread"]),
    "crystal": compiled("Crystal", "crystal", "crystal", lambda program: [
        "crystal", "build", "-o", program, os.path.join(HERE, "crystal", "standard.cr")], server=True, client=True,
        debian_packages=["libssl-dev", "zlib1g-dev"]),
    "mono": debian("C#", "mono-runtime", ["mono", os.path.join(HOME, "bin", "Mono.exe")], client=True, debian=["mono-mcs"], build=[
        ["mcs", "-r:System.dll", f"-out:{os.path.join(HOME, 'bin', 'Mono.exe')}", os.path.join(HERE, "csharp", "Mono.cs")]],
        needs=[os.path.join(HOME, "bin", "Mono.exe")]),
    "chromium": browser("chromium"),
    "firefox": browser("firefox-esr"),
    "faye-ruby": script("Ruby", "ruby", "ruby/faye.rb", "ruby-faye-websocket", server=True, client=True, debian=["thin"]),
    "em-websocket": script("Ruby", "ruby", "ruby/em_websocket.rb", "ruby-em-websocket", server=True),
    "mojolicious": script("Perl", "perl", "perl/mojolicious.pl", "libmojolicious-perl", server=True, client=True),
}

# Those that the agreement with the Autobahn suite is measured with.
AGREEMENT = ["ws", "websockets", "tungstenite", "libwebsockets", "picows", "bun", "aiohttp", "tornado", "autobahn",
             "faye-websocket", "gorilla", "deno", "undici", "libsoup", "beast", "websocketpp"]
