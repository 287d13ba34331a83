#!/bin/sh
# Tornado 6.6.1 ends the connection, without a Close frame, if a Ping comes between the fragments of a compressed message.
#
# Rules: RFC 6455 section 5.4, control frames may be injected in the middle of a fragmented message; RFC 7692 section
# 6.1, only the first fragment carries RSV1 and the extension has no effect on control frames. A keep-alive Ping that
# falls into a long compressed message kills the session at random; read_message() returns None, as at a normal end.
# aiohttp 3.14.5 gets the message.
#
# Seen: tornado with a whole series of fragments: 'hello hello', closed 1000; with a Ping between them: closed None,
# and no Close frame answered; aiohttp with the Ping: 'hello hello', closed 1000
. "$(dirname "$0")/lib.sh"
pip_packages tornado==6.6.1 aiohttp==3.14.5

meet() { python3 "$here/meet.py" "$1" "$2"; }
expect "tornado, two fragments" "'hello hello', closed 1000; answer 1000" "$(meet tornado fragments)"
expect "tornado, a Ping between them" "closed None; answer none" "$(meet tornado ping)"
expect "aiohttp, a Ping between them" "'hello hello', closed 1000; answer 1000" "$(meet aiohttp ping)"
verdict
