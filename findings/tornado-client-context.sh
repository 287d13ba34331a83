#!/bin/sh
# Tornado's client 6.6.1 goes on with its compression context where the answer says client_no_context_takeover; so does the
# client of Mojolicious 9.31 (Debian 12). Their second message cannot be read.
#
# Rules: RFC 7692 section 7.1.1.2, a server may answer with the parameter whether or not the client named it, and a client that
# gets it must not use context takeover. A server that keeps no window between messages, to save memory, is what it is for.
# aiohttp 3.14.5 obeys.
#
# Seen (the client says the same twice; the second message without the window of the first):
#   tornado: Error -3 while decompressing data: invalid distance too far back
#   mojolicious: Error -3 while decompressing data: invalid distance too far back
#   aiohttp: 'no context, no context'
. "$(dirname "$0")/lib.sh"
debian_packages libmojolicious-perl=9.31+dfsg-1
pip_packages tornado==6.6.1 aiohttp==3.14.5
cat >"$work/tornado.client.py" <<'PY'
import asyncio, sys
from tornado.websocket import websocket_connect

async def main():
    peer = await websocket_connect(sys.argv[1], compression_options={})
    for _ in range(2):
        await peer.write_message("no context, no context")
    await peer.read_message()

asyncio.run(main())
PY
cat >"$work/aiohttp.client.py" <<'PY'
import asyncio, sys
import aiohttp

async def main():
    async with aiohttp.ClientSession() as session, session.ws_connect(sys.argv[1], compress=15) as peer:
        for _ in range(2):
            await peer.send_str("no context, no context")
        await peer.receive()

asyncio.run(main())
PY
cat >"$work/client.pl" <<'PL'
use Mojo::Base -strict, -signatures;
use Mojo::UserAgent;
my $agent = Mojo::UserAgent->new;
$agent->websocket($ARGV[0] => {'Sec-WebSocket-Extensions' => 'permessage-deflate'} => sub ($agent, $tx) {
    return Mojo::IOLoop->stop unless $tx->is_websocket;
    $tx->on(finish => sub { Mojo::IOLoop->stop });
    $tx->send('no context, no context' => sub ($tx) { $tx->send('no context, no context') });
});
Mojo::IOLoop->start;
PL
cat >"$work/meet.py" <<'PY'
import socket, subprocess, sys, zlib
from wire import TEXT, accept

listener = socket.create_server(("127.0.0.1", 0))
client = subprocess.Popen([*sys.argv[1:], f"ws://127.0.0.1:{listener.getsockname()[1]}/"], stderr=subprocess.DEVNULL)
sock, reader, _ = accept(listener, "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover")
for _ in range(2):
    opcode, fin, rsv1, payload = reader.frame()
    assert opcode == TEXT and fin and rsv1
sock.close()
client.wait(20)
try:
    print(repr(zlib.decompressobj(-15).decompress(payload + b"\0\0\xff\xff").decode()))
except zlib.error as error:
    print(error)
PY
meet() { python3 "$work/meet.py" "$@"; }
expect "tornado" "Error -3 while decompressing data: invalid distance too far back" "$(meet python3 "$work/tornado.client.py")"
PERL5LIB="$root/usr/share/perl5"
export PERL5LIB
expect "mojolicious" "Error -3 while decompressing data: invalid distance too far back" "$(meet perl "$work/client.pl")"
expect "aiohttp" "'no context, no context'" "$(meet python3 "$work/aiohttp.client.py")"
verdict
