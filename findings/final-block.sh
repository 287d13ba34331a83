#!/bin/sh
# Two compressed messages, each with a final DEFLATE block: websockets, tornado and undici deliver the second one *empty*,
# as a message like any other, without an error.
#
# Rule: RFC 7692 section 7.2.3.4 shows such a message (BFINAL set, then an empty block of one byte 00), section 7.2.2
# has the receiver append 00 00 ff ff and decompress; a stream that has ended is begun again, not read on. A sender that
# compresses each message on its own (a cache of ready messages, zlib's one-shot calls) writes exactly this, and the
# first message always works.
#
# Seen (messages "one" and "two", then Close 1000):
#   websockets 17.4, tornado 6.6.1, undici 7.30.2: 'one', '', closed 1000
#   aiohttp 3.14.5, ws 8.23.0: 'one', 'two', closed 1000
. "$(dirname "$0")/lib.sh"
pip_packages websockets==17.4 tornado==6.6.1 aiohttp==3.14.5
npm_packages undici@7.30.2 ws@8.23.0

meet() { expect "$1" "$2" "$(python3 "$here/meet.py" "$1" final | sed 's/;.*//')"; }
meet websockets "'one', '', closed 1000"
meet tornado "'one', '', closed 1000"
meet undici "'one', '', closed 1000"
meet aiohttp "'one', 'two', closed 1000"
meet ws "'one', 'two', closed 1000"
verdict
