#!/bin/sh
# Seven WebSocket clients of nine refuse a 101 that says "Connection: keep-alive, Upgrade".
#
# Rule: RFC 6455 section 4.1, step 3 on the server's response: the field must contain a *token* that is "Upgrade",
# compared without case; RFC 9110 section 7.6.1 makes Connection a list. The same libraries accept that list in a request.
# A server behind a front that adds keep-alive to what its application says is unreachable for them; a 101 should carry
# the one token, for their sake.
#
# Seen: aiohttp 3.14.5 WSServerHandshakeError, tornado 6.6.1 StreamClosedError, ws4py 0.6.0 HandshakeError, picows 2.3.1
# WSInvalidUpgradeError, faye-websocket 0.11.4 failed with 1002, websocket (npm) 1.0.35 failed, undici 7.30.2 failed with
# 1006; connected: websockets 17.4, ws 8.23.0.
. "$(dirname "$0")/lib.sh"
pip_packages aiohttp==3.14.5 tornado==6.6.1 ws4py==0.6.0 picows==2.3.1 websockets==17.4
npm_packages faye-websocket@0.11.4 websocket@1.0.35 undici@7.30.2 ws@8.23.0

meet() { expect "$1" "$2" "$(python3 "$here/meet.py" "$1" list | sed 's/;.*//')"; }
meet aiohttp WSServerHandshakeError
meet tornado StreamClosedError
meet ws4py HandshakeError
meet picows WSInvalidUpgradeError
meet faye-websocket "failed, closed 1002"
meet websocket failed
meet undici "failed, closed 1006"
meet websockets "'hello', closed 1000"
meet ws "'hello', closed 1000"
verdict
