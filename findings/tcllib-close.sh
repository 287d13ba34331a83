#!/bin/sh
# The websocket package of tcllib 1.21 (Debian 12) never sends a Close frame, neither in answer to one nor when its program
# closes: it marks the connection as closed first, and then its own send refuses. TCP just ends.
#
# Rules: RFC 6455 section 5.5.1, who gets a Close frame and has not sent one sends one in answer; section 7.1.2, to start the
# closing handshake is to send one. Every good end looks like a lost connection at the other side: 1006, and a client that
# reconnects on that does so for ever.
#
# Its server has a second trap: websocket::test throws an error where the request names no subprotocol, as most do, unless the
# program puts an empty Sec-WebSocket-Protocol into the list of fields.
#
# Seen:
#   a Ping: Pong b'hello'
#   after a Close 1000: end of stream
#   after websocket::close of its own: end of stream
#   websocket::test with a subprotocol: 1
#   websocket::test without one: key "protocols" not known in dictionary
. "$(dirname "$0")/lib.sh"
debian_packages tcllib=1.21+dfsg-1 tcl8.6=8.6.13+dfsg-2 libtcl8.6=8.6.13+dfsg-2
export TCLLIBPATH="$root/usr/share/tcltk"
cat >"$work/client.tcl" <<'TCL'
package require websocket
proc hear {socket type message} {
    if {$type eq "text"} {::websocket::close $socket 1000 bye}
    if {$type eq "disconnect"} exit
}
::websocket::open [lindex $argv 0] hear
vwait forever
TCL
cat >"$work/test.tcl" <<'TCL'
package require websocket
::websocket::server listener
::websocket::live listener * puts
set head {Host localhost Upgrade websocket Connection Upgrade Sec-WebSocket-Version 13 Sec-WebSocket-Key AAAAAAAAAAAAAAAAAAAAAA==}
foreach more {{Sec-WebSocket-Protocol chat} {}} {
    catch {::websocket::test listener socket / [concat $head $more]} result
    puts $result
}
TCL
cat >"$work/meet.py" <<'PY'
import os, socket, subprocess
from wire import PING, TEXT, accept, close, frame

def meet(*sent):
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
    client = subprocess.Popen([os.environ["bin"], "tclsh8.6", os.environ["work"] + "/client.tcl", url], stderr=subprocess.DEVNULL)
    sock, reader, _ = accept(listener)
    for one in sent:
        sock.sendall(one)
    print(reader.shown())
    sock.close()
    client.kill()
    client.wait()

meet(frame(PING, b"hello", masked=False))
meet(close(1000, masked=False))
meet(frame(TEXT, b"hello", masked=False))
PY
export bin
python3 "$work/meet.py" >"$work/seen"
"$bin" tclsh8.6 "$work/test.tcl" >>"$work/seen" 2>/dev/null
expect "a Ping" "Pong b'hello'" "$(sed -n 1p "$work/seen")"
expect "after a Close 1000" "end of stream" "$(sed -n 2p "$work/seen")"
expect "after websocket::close of its own" "end of stream" "$(sed -n 3p "$work/seen")"
expect "websocket::test with a subprotocol" "1" "$(sed -n 4p "$work/seen")"
expect "websocket::test without one" 'key "protocols" not known in dictionary' "$(sed -n 5p "$work/seen")"
verdict
