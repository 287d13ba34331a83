#!/bin/sh
# The server of libsoup 3.2.3 (Debian 12) accepts each of several offers of permessage-deflate, where they are alternatives.
#
# Rules: RFC 7692 section 5.1, a server accepts one of the offers of an extension at most (in an order of preference); RFC 6455
# section 9.1, the answer lists the extensions that are in use, in the order in which they apply.
# A client that offers a fallback, as section 7.1.3 of RFC 7692 shows, gets an answer that names the extension twice, must fail
# the connection, and did nothing wrong.
#
# Seen:
#   one offer: permessage-deflate
#   two offers: permessage-deflate; client_max_window_bits=10, permessage-deflate
. "$(dirname "$0")/lib.sh"
debian_packages libsoup-3.0-0=3.2.3-0+deb12u2 gir1.2-soup-3.0=3.2.3-0+deb12u2 python3-gi=3.42.2-3+b1
cat >"$work/serve.py" <<'PY'
import sys
sys.path.append(sys.argv[2])
import gi
gi.require_version("Soup", "3.0")
from gi.repository import GLib, Soup

kept = []
server = Soup.Server()
server.add_websocket_handler("/", None, None, lambda server, message, path, connection, *_: kept.append(connection))
server.listen_local(int(sys.argv[1]), Soup.ServerListenOptions.IPV4_ONLY)
GLib.MainLoop().run()
PY
cat >"$work/ask.py" <<'PY'
import sys
from wire import connect, value

sock, reader, head = connect(int(sys.argv[1]), "/", f"Sec-WebSocket-Extensions: {sys.argv[2]}")
print(", ".join(value(head, "Sec-WebSocket-Extensions")))
PY
port=$(free_port)
GI_TYPELIB_PATH=$(find "$root" -name girepository-1.0 -printf '%p:')
export GI_TYPELIB_PATH
start soup.log "$bin" /usr/bin/python3 "$work/serve.py" "$port" "$root/usr/lib/python3/dist-packages"
wait_port "$port"
ask() { python3 "$work/ask.py" "$port" "$1"; }
expect "one offer" "permessage-deflate" "$(ask "permessage-deflate")"
expect "two offers" "permessage-deflate; client_max_window_bits=10, permessage-deflate" \
    "$(ask "permessage-deflate; client_max_window_bits=10, permessage-deflate")"
verdict
