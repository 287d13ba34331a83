#!/bin/sh
# Ulfius 2.7.13 (Debian 12) cannot send an empty message once permessage-deflate is agreed: the function returns 2,
# U_ERROR_MEMORY, and nothing goes out; without the extension it sends it.
#
# Rules: RFC 7692 section 7.2.3.6, an empty message is a DEFLATE block of one byte, 00, and section 6.1, any message may
# as well go uncompressed; RFC 6455 section 5.6, an empty message is a message. A protocol in which an empty message
# means something (a heartbeat, an end of input) breaks as soon as a client offers compression, as all browsers do.
#
# Seen (the server echoes each message, then tells its length and what the send function returned, 0 for success; a
# Pong shows that it has read all):
#   no extension, '': '', 'got 0 sent 0', Pong
#   extension, 'one': 'one', 'got 3 sent 0', Pong
#   extension, '': 'got 0 sent 2', Pong
. "$(dirname "$0")/lib.sh"
debian_packages libulfius-dev=2.7.13-1
command -v cc >/dev/null || unavailable "no C compiler"
cat >"$work/echo.c" <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <ulfius.h>
#include <unistd.h>

static void message(const struct _u_request *request, struct _websocket_manager *manager,
                    const struct _websocket_message *last, void *data) {
    if (last->opcode != U_WEBSOCKET_OPCODE_TEXT) return;
    int result = ulfius_websocket_send_message(manager, last->opcode, last->data_len, last->data);
    char report[48];
    int length = snprintf(report, sizeof report, "got %zu sent %d", last->data_len, result);
    ulfius_websocket_send_message(manager, last->opcode, length, report);
}

static int upgrade(const struct _u_request *request, struct _u_response *response, void *data) {
    ulfius_set_websocket_response(response, NULL, NULL, NULL, NULL, &message, NULL, NULL, NULL);
    ulfius_add_websocket_deflate_extension(response);
    return U_CALLBACK_CONTINUE;
}

int main(int argc, char **argv) {
    struct _u_instance instance;
    ulfius_init_instance(&instance, atoi(argv[1]), NULL, NULL);
    ulfius_add_endpoint_by_val(&instance, "GET", "/", NULL, 0, &upgrade, NULL);
    if (ulfius_start_framework(&instance) != U_OK) return 1;
    sleep(200);
}
C
cat >"$work/ask.py" <<'PY'
import sys, zlib
from wire import PING, PONG, TEXT, connect, frame

offer = "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover"
sock, reader, head = connect(int(sys.argv[1]), "/", *([offer] if sys.argv[2] == "extension" else []))
sock.sendall(frame(TEXT, sys.argv[3].encode()) + frame(PING))
seen = []
while (got := reader.frame()) is not None and got[0] != PONG:
    seen.append(repr((zlib.decompressobj(-15).decompress(got[3] + b"\0\0\xff\xff") if got[2] else got[3]).decode()))
print(", ".join(seen + ["Pong" if got else reader.ended]))
PY
# Ulfius' own packages are unpacked, not installed, so that the linker does not find all that they need in turn.
cc -I "$root/usr/include" -I "$root/usr/include/p11-kit-1" -I "$root/usr/include/x86_64-linux-gnu" \
    -L "$root/usr/lib/x86_64-linux-gnu" -o "$work/echo" "$work/echo.c" -lulfius -Wl,--unresolved-symbols=ignore-all \
    2>"$work/install.log" || unavailable "echo.c does not compile"
port=$(free_port)
start echo.log "$bin" "$work/echo" "$port"
wait_port "$port"
ask() { python3 "$work/ask.py" "$port" "$@"; }
expect "no extension, an empty message" "'', 'got 0 sent 0', Pong" "$(ask none '')"
expect "extension, a message" "'one', 'got 3 sent 0', Pong" "$(ask extension one)"
expect "extension, an empty message" "'got 0 sent 2', Pong" "$(ask extension '')"
verdict
