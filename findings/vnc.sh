# Sourced by the findings on LibVNCServer: an empty screen of 64 x 64 served on $port of loopback.

debian_packages libvncserver-dev=0.9.14+dfsg-1+deb12u2
command -v cc >/dev/null || unavailable "no C compiler"
cat >"$work/screen.c" <<'C'
#include <rfb/rfb.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    rfbScreenInfoPtr screen = rfbGetScreen(&argc, argv, 64, 64, 8, 3, 4);
    screen->frameBuffer = calloc(64 * 64, 4);
    screen->listenInterface = htonl(INADDR_LOOPBACK);
    screen->port = atoi(argv[1]);
    screen->ipv6port = 0;
    rfbInitServer(screen);
    rfbRunEventLoop(screen, 10000, FALSE);
}
C
library=$(dirname "$(find "$root" -name libvncserver.so)")
cc -I "$root/usr/include" -L "$library" -o "$work/screen" "$work/screen.c" -lvncserver \
    -Wl,--unresolved-symbols=ignore-in-shared-libs || unavailable "screen.c does not compile"
port=$(free_port)
start screen.log "$bin" "$work/screen" "$port"
wait_port "$port"
