#!/bin/sh
# Eight WebSocket clients of eleven take a 103 (Early Hints) ahead of the 101 for the answer and give up.
#
# Rule: RFC 9110 section 15.2, a client must be able to parse interim 1xx responses ahead of the final one, even if it
# does not expect them; RFC 6455 section 4.1 builds the handshake on HTTP and takes nothing of this back. 103 is RFC 8297.
# A server or CDN that sends hints for every path, or a 102, locks these clients out; the message speaks of a status that
# nobody configured. A WebSocket server must not rely on an interim response reaching its clients.
#
# Seen: websockets 17.4 InvalidStatus, websocket-client 1.9.2 WebSocketBadStatusException, trio-websocket 0.12.2
# ConnectionRejected, aiosonic 1.3.3 ConnectionError, lomond 0.3.4 rejected, ws4py 0.6.0 HandshakeError, picows 2.3.1
# WSInvalidStatusError, nodejs-websocket 1.7.2 failed; connected: aiohttp 3.14.5, ws 8.23.0,
# undici 7.30.2.
. "$(dirname "$0")/lib.sh"
pip_packages websockets==17.4 websocket-client==1.9.2 trio-websocket==0.12.2 aiosonic==1.3.3 lomond==0.3.4 ws4py==0.6.0 \
    picows==2.3.1 aiohttp==3.14.5
npm_packages nodejs-websocket@1.7.2 ws@8.23.0 undici@7.30.2

meet() { expect "$1" "$2" "$(python3 "$here/meet.py" "$1" 103 | sed 's/;.*//')"; }
meet websockets InvalidStatus
meet websocket-client WebSocketBadStatusException
meet trio-websocket ConnectionRejected
meet aiosonic ConnectionError
meet lomond rejected
meet ws4py HandshakeError
meet picows WSInvalidStatusError
meet nodejs-websocket failed
meet aiohttp "'hello', closed 1000"
meet ws "'hello', closed 1000"
meet undici "'hello', closed 1000"
verdict
