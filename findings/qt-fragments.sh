#!/bin/sh
# QWebSocketServer of Qt 6.4.2 (Debian 12) fails the connection with 1007 where a character of a text message is cut between
# two fragments, and loses a byte order mark at the start of a text.
#
# Rules: RFC 6455 section 5.6, the message as a whole has to be UTF-8, and a fragment may end inside a character; section 8.1 is
# about what is no UTF-8. A client that cuts its text by length (a proxy may cut it again, section 5.4) is thrown out at its
# first character beyond ASCII; aws/aws-appsync-community issue 245 blames the server for it. websockets 17.4 takes both.
#
# Seen:
#   "a€b" in two fragments, cut between characters: text b'a\xe2\x82\xacb'
#   the same, cut inside the euro sign: Close 1007
#   a byte order mark and "a": text b'a'
#   websockets, cut inside the euro sign: text b'a\xe2\x82\xacb'
. "$(dirname "$0")/lib.sh"
debian_packages python3-pyqt6.qtwebsockets=6.4.2-1 python3-pyqt6=6.4.2-1 libqt6websockets6=6.4.2-1
pip_packages websockets==17.4
cat >"$work/qt.py" <<'PY'
import sys
sys.path.append(sys.argv[2])
from PyQt6.QtCore import QCoreApplication
from PyQt6.QtNetwork import QHostAddress
from PyQt6.QtWebSockets import QWebSocketServer

application = QCoreApplication([])
server = QWebSocketServer("echo", QWebSocketServer.SslMode.NonSecureMode)
kept = []

def connected():
    kept.append(server.nextPendingConnection())
    kept[-1].textMessageReceived.connect(kept[-1].sendTextMessage)

server.newConnection.connect(connected)
assert server.listen(QHostAddress(QHostAddress.SpecialAddress.LocalHost), int(sys.argv[1]))
application.exec()
PY
cat >"$work/ask.py" <<'PY'
import sys
from wire import TEXT, connect, frame

sock, reader, head = connect(int(sys.argv[1]))
parts = [bytes.fromhex(part) for part in sys.argv[2:]]
for number, part in enumerate(parts):
    sock.sendall(frame(0 if number else TEXT, part, fin=number + 1 == len(parts)))
print(reader.shown())
PY
qt=$(free_port)
start qt.log "$bin" /usr/bin/python3 "$work/qt.py" "$qt" "$root/usr/lib/python3/dist-packages"
wait_port "$qt"
other=$(free_port)
start other.log python3 "$here/echo.py" "$other"
wait_port "$other"
expect "\"a€b\" in two fragments, cut between characters" "text b'a\\xe2\\x82\\xacb'" "$(python3 "$work/ask.py" "$qt" 61e282ac 62)"
expect "the same, cut inside the euro sign" "Close 1007" "$(python3 "$work/ask.py" "$qt" 61e282 ac62)"
expect "a byte order mark and \"a\"" "text b'a'" "$(python3 "$work/ask.py" "$qt" efbbbf61)"
expect "websockets, cut inside the euro sign" "text b'a\\xe2\\x82\\xacb'" "$(python3 "$work/ask.py" "$other" 61e282 ac62)"
verdict
