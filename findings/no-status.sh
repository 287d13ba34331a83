#!/bin/sh
# A Close frame without a body has six names: WebSocket clients report 1005, 1006, 1000, 0, None, or send 1005 back.
#
# Rules: RFC 6455 section 7.1.5, without a status code the connection close code is 1005; 1006 is for a connection that
# ended without a Close frame; section 7.4.1, 1005 must not be sent. A program that reconnects on 1006 and not on 1005
# treats one and the same orderly end as a broken network with aiohttp and websocket (npm), as success with faye.
#
# Seen (what the client reports; what its own Close frame says):
#   aiohttp 3.14.5          1006; 1000            websocket (npm) 1.0.35   1006; 1000
#   faye-websocket 0.11.4   1000; 1000            picows 2.3.1             0; (the application answers)
#   websocket-client 1.9.2  None; 1000            tornado 6.6.1            None; empty
#   ws4py 0.6.0             1005; 1005, on the wire
#   ws 8.23.0               1005; empty, as the RFC has it
. "$(dirname "$0")/lib.sh"
pip_packages aiohttp==3.14.5 tornado==6.6.1 ws4py==0.6.0 picows==2.3.1 websocket-client==1.9.2
npm_packages faye-websocket@0.11.4 websocket@1.0.35 ws@8.23.0

meet() { expect "$1" "$2" "$(python3 "$here/meet.py" "$1" "empty close")"; }
meet aiohttp "closed 1006; answer 1000"
meet websocket "closed 1006; answer 1000"
meet faye-websocket "closed 1000; answer 1000"
meet picows "closed 0; answer none"
meet websocket-client "closed None; answer 1000"
meet tornado "closed None; answer empty"
meet ws4py "closed 1005; answer 1005"
meet ws "closed 1005; answer empty"
verdict
